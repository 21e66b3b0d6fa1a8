//! Where something is sent: an address that was checked, and which machines it may mean. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A checked `https://…`, or an `http://…` of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Whether it is HTTPS.
    pub(crate) secure: bool,
    /// A name or an address, without brackets, in lower case.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The `Host` header.
    pub(crate) authority: String,
    /// The path with the query.
    pub(crate) path: String,
}

/// Why a text is no address to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    #[error("is no address such as https://gateway.example/send")]
    Form,
    #[error("has more than 2,048 characters")]
    Long,
    #[error("names a user or a password; they belong in 'authorization'")]
    User,
    #[error("goes over the network without TLS: http:// is for 127.0.0.1, ::1 and localhost only")]
    Plain,
}

impl Address {
    /// Reads and checks an address.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub(crate) fn parse(url: &str) -> Result<Self, BadAddress> {
        if url.len() > URL_OCTETS {
            return Err(BadAddress::Long);
        }
        if !url.bytes().all(|octet| octet.is_ascii_graphic()) || url.contains(['#', '{', '}']) {
            return Err(BadAddress::Form);
        }
        let uri: http::Uri = url.parse().map_err(|_| BadAddress::Form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadAddress::Form),
        };
        let authority = uri.authority().ok_or(BadAddress::Form)?;
        if authority.as_str().contains('@') {
            return Err(BadAddress::User);
        }
        let host = authority.host().to_ascii_lowercase();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.len() > 253 {
            return Err(BadAddress::Form);
        }
        let behind = authority.as_str().strip_prefix(authority.host());
        let port = match behind.and_then(|rest| rest.strip_prefix(':')) {
            Some(port) => port.parse().map_err(|_| BadAddress::Form)?,
            None if secure => 443,
            None => 80,
        };
        let path = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let address = Self {
            secure,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_ascii_lowercase(),
            path: path.to_owned(),
        };
        if !secure && !is_this_machine(&address.host) {
            return Err(BadAddress::Plain);
        }
        Ok(address)
    }

    /// Scheme, host and port, as a browser writes them.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => format!("{scheme}://{host}"),
            (_, port) => format!("{scheme}://{host}:{port}"),
        }
    }
}

/// Whether a host means this machine by itself.
pub(crate) fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Which machines a host may turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any: an administrator named the host.
    Any,
    /// This one.
    ThisMachine,
    /// Those of the public network: somebody else named the host.
    Public,
}

impl Reach {
    /// Whether an address of the host may be connected to.
    pub(crate) fn allows(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        match self {
            Self::Any => true,
            Self::ThisMachine => ip.is_loopback(),
            Self::Public => match ip {
                IpAddr::V4(ip) => is_public_v4(ip),
                IpAddr::V6(ip) => is_public_v6(ip),
            },
        }
    }
}

/// IANA's registry of special addresses (RFC 6890), but for what is globally reachable.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        // Carriers' NAT, RFC 6598.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        // Benchmarks, RFC 2544.
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Only global unicast is public, and of it neither documentation nor what holds an IPv4 address.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let global = a & 0xe000 == 0x2000;
    // Teredo and ORCHID below 2001::/23, documentation, 6to4.
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || a == 0x3fff;
    global && !special
}

const URL_OCTETS: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_of_this_machine() {
        for (url, want) in [
            (
                "https://sms.example/send?a=1",
                Ok(("https://sms.example", "/send?a=1")),
            ),
            ("https://SMS.example", Ok(("https://sms.example", "/"))),
            (
                "https://sms.example:8443/x",
                Ok(("https://sms.example:8443", "/x")),
            ),
            ("https://[::1]:8443/", Ok(("https://[::1]:8443", "/"))),
            ("http://127.0.0.1:80/x", Ok(("http://127.0.0.1", "/x"))),
            ("http://localhost:9/x", Ok(("http://localhost:9", "/x"))),
            ("http://[::1]/x", Ok(("http://[::1]", "/x"))),
            ("http://sms.example/send", Err(BadAddress::Plain)),
            ("http://127.0.0.1.evil.example/send", Err(BadAddress::Plain)),
            ("https://user:pw@sms.example/", Err(BadAddress::User)),
            ("https://sms.example/#x", Err(BadAddress::Form)),
            ("https://sms.example/{number}", Err(BadAddress::Form)),
            ("https://sms.example:/", Err(BadAddress::Form)),
            ("https://sms.example:99999/", Err(BadAddress::Form)),
            ("https:///x", Err(BadAddress::Form)),
            ("ftp://sms.example/", Err(BadAddress::Form)),
            ("sms.example", Err(BadAddress::Form)),
            ("https://sms.example/a b", Err(BadAddress::Form)),
            ("https://sms.example/\r\nx", Err(BadAddress::Form)),
            ("", Err(BadAddress::Form)),
        ] {
            let found = Address::parse(url).map(|found| (found.origin(), found.path));
            let want = want.map(|(origin, path)| (origin.to_owned(), path.to_owned()));
            assert_eq!(found, want, "{url}");
        }
        let long = format!("https://sms.example/{}", "a".repeat(2_048));
        assert_eq!(Address::parse(&long), Err(BadAddress::Long));
    }

    #[test]
    fn what_others_name_is_of_the_public_network() {
        for (ip, public) in [
            ("8.8.8.8", true),
            ("142.250.1.1", true),
            ("2a00:1450:4001::1", true),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.0.0.1", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::a00:1", false),
            ("fc00::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("2001::1", false),
            ("2002:a00:1::", false),
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(Reach::Public.allows(ip), public, "{ip}");
            assert!(Reach::Any.allows(ip));
            let own = ip.to_canonical().is_loopback();
            assert_eq!(Reach::ThisMachine.allows(ip), own, "{ip}");
        }
    }
}
