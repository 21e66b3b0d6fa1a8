//! Whom a request comes from: its peer, or where that is a reverse proxy that is trusted, whom the proxy
//! says. No sockets.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use proto::address::AddressRange;

use crate::doors::Origin;

/// The reverse proxies whose word is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<AddressRange>);

impl Proxies {
    pub(crate) fn new(trusted: Vec<AddressRange>) -> Self {
        Self(trusted)
    }

    /// Whether the word of whoever has this address is taken.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// Whom a request comes from. Each proxy adds its own peer to `X-Forwarded-For` at the end: it is read
    /// from there, as far as those who wrote it are trusted. What stands before that anybody may have written,
    /// in any octets: it takes nothing from what stands behind it.
    pub(crate) fn origin_of(&self, peer: IpAddr, headers: &HeaderMap) -> Origin {
        let mut from = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
        let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|&octet| octet == b','));
        while self.trusts(from)
            && let Some(hop) = hops.next()
        {
            let hop = str::from_utf8(hop).unwrap_or_default();
            match address_of(hop.trim()) {
                // Nobody but this machine itself is this machine.
                Some(before) if !before.is_loopback() || from.is_loopback() => from = before,
                // Somebody asks through the proxy, and is not this machine because that cannot be read.
                _ if from.is_loopback() => return Origin::Remote(from),
                _ => break,
            }
        }
        Origin::of(from)
    }
}

/// An address, as proxies write it: some with a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = match bare.unwrap_or(hop).parse::<IpAddr>() {
        Ok(address) => Some(address),
        Err(_) => hop.parse::<SocketAddr>().ok().map(|found| found.ip()),
    };
    address.map(|address| address.to_canonical())
}

const FORWARDED_FOR: &str = "x-forwarded-for";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_trusted_proxy_says_who_asks_and_nobody_else_does() {
        let trusted = [
            "192.0.2.1",
            "198.51.100.0/24",
            "2001:db8:1::/48",
            "::1",
            "127.0.0.9",
        ];
        let proxies = Proxies::new(trusted.iter().map(|one| one.parse().unwrap()).collect());
        for (name, peer, lines, want) in [
            (
                "no proxy",
                "203.0.113.5",
                &["203.0.113.9"][..],
                "203.0.113.5",
            ),
            ("a proxy", "192.0.2.1", &["203.0.113.9"], "203.0.113.9"),
            (
                "in a network",
                "198.51.100.77",
                &["203.0.113.9"],
                "203.0.113.9",
            ),
            (
                "by IPv6",
                "2001:db8:1::5",
                &["2001:db8:2:3::4"],
                "2001:db8:2:3::",
            ),
            (
                "mapped",
                "::ffff:192.0.2.1",
                &["::ffff:203.0.113.9"],
                "203.0.113.9",
            ),
            ("that says nothing", "192.0.2.1", &[], "192.0.2.1"),
            (
                "that says no address",
                "192.0.2.1",
                &["unknown"],
                "192.0.2.1",
            ),
            ("empty", "192.0.2.1", &[""], "192.0.2.1"),
            (
                "written by the browser",
                "192.0.2.1",
                &["10.1.1.1, 203.0.113.9"],
                "203.0.113.9",
            ),
            (
                "in another line by the browser",
                "192.0.2.1",
                &["10.1.1.1", "203.0.113.9"],
                "203.0.113.9",
            ),
            (
                "two proxies",
                "192.0.2.1",
                &["10.1.1.1,203.0.113.9 , 198.51.100.2"],
                "203.0.113.9",
            ),
            (
                "a proxy behind nonsense",
                "192.0.2.1",
                &["203.0.113.9, -, 198.51.100.2"],
                "198.51.100.2",
            ),
            (
                "with a port",
                "192.0.2.1",
                &["203.0.113.9:4711"],
                "203.0.113.9",
            ),
            (
                "IPv6 with a port",
                "192.0.2.1",
                &["[2001:db8:2:3::4]:80"],
                "2001:db8:2:3::",
            ),
            (
                "IPv6 in brackets",
                "192.0.2.1",
                &["[2001:db8:2:3::4]"],
                "2001:db8:2:3::",
            ),
            ("as this machine", "192.0.2.1", &["127.0.0.1"], "192.0.2.1"),
            ("here", "::1", &["203.0.113.9"], "203.0.113.9"),
            ("here, from here", "::1", &["127.0.0.1"], "local"),
            ("here, from nowhere", "::1", &[], "local"),
            ("here, mapped", "::ffff:127.0.0.9", &["127.0.0.1"], "local"),
            ("here, not trusted", "127.0.0.1", &["203.0.113.9"], "local"),
            ("here, by who is none", "::1", &["unknown"], "::1"),
            ("here, by who is empty", "::1", &[""], "::1"),
            (
                "octets by the browser",
                "192.0.2.1",
                &["\u{ff}, 203.0.113.9"],
                "203.0.113.9",
            ),
            (
                "octets by the browser, here",
                "::1",
                &["\u{ff},\u{ff} 10.1.1.1, 203.0.113.9"],
                "203.0.113.9",
            ),
            (
                "octets in another line, here",
                "::1",
                &["\u{ff}", "203.0.113.9"],
                "203.0.113.9",
            ),
            ("octets at the end", "192.0.2.1", &["\u{ff}"], "192.0.2.1"),
            ("octets at the end, here", "::1", &["\u{ff}"], "::1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                // Each character is an octet of its own, also those that are no ASCII.
                let octets: Vec<u8> = line.chars().map(|c| u8::try_from(c).unwrap()).collect();
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(&octets).unwrap());
            }
            let want = match want {
                "local" => Origin::Local,
                address => Origin::Remote(address.parse().unwrap()),
            };
            let found = proxies.origin_of(peer.parse().unwrap(), &headers);
            assert_eq!(found, want, "{name}");
        }
    }
}
