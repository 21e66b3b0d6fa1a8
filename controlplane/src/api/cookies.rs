//! Cookies of the REST API. Over TLS they are Secure and of one host alone; on loopback, where
//! browsers take no such cookie over plain HTTP, they have another name and are read there alone.

use http::{HeaderMap, HeaderValue, header};

use super::problem::Problem;

/// What a cookie is for, which is also its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// A session. In no foreign page's requests.
    Session,
    /// That somebody signed in with this browser before. Only where they sign in.
    Known,
    /// A sign-in at a provider, from whose page the browser comes back with it.
    Provider,
}

/// How a browser reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By TLS, ours or that of whoever stands in front.
    Tls,
    /// By plain HTTP, on the same machine.
    Plain,
}

impl Way {
    /// By what a browser sends with each request that changes something. Who sends no `Origin` is no
    /// browser, or hides the way: then as over TLS.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let origin = headers.get(header::ORIGIN);
        let plain = origin.is_some_and(|origin| origin.as_bytes().starts_with(b"http://"));
        match plain && is_loopback(headers) {
            true => Self::Plain,
            false => Self::Tls,
        }
    }
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "countersign",
            Self::Known => "countersign-known",
            Self::Provider => "countersign-oidc",
        }
    }

    const fn same_site(self) -> &'static str {
        match self {
            Self::Session | Self::Known => "Strict",
            Self::Provider => "Lax",
        }
    }

    /// The header that sets it for so many seconds; with none it is forgotten.
    ///
    /// # Errors
    /// The value is none for a header, which is a fault of ours.
    pub(super) fn set(self, value: &str, seconds: u64, way: Way) -> Result<HeaderValue, Problem> {
        let (prefix, secure) = match way {
            Way::Tls => (PREFIX, "; Secure"),
            Way::Plain => ("", ""),
        };
        let text = format!(
            "{prefix}{}={value}; Path=/; Max-Age={seconds}{secure}; HttpOnly; SameSite={}",
            self.name(),
            self.same_site()
        );
        let mut header = HeaderValue::from_str(&text).map_err(|error| Problem::internal(&error))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// What a browser sends of it. The one without the prefix could be another's, such as of a host
    /// beside ours: it is read on loopback alone.
    pub(super) fn read(self, headers: &HeaderMap) -> Option<&str> {
        let find = |prefix: &str| {
            let cookies = headers.get_all(header::COOKIE).iter();
            let mut cookies = cookies
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(';'));
            cookies.find_map(|cookie| {
                let (name, value) = cookie.trim().split_once('=')?;
                (name.strip_prefix(prefix) == Some(self.name())).then_some(value)
            })
        };
        find(PREFIX).or_else(|| find("").filter(|_| is_loopback(headers)))
    }
}

/// Whether the browser's address names this machine.
fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<http::uri::Authority>().ok()) else {
        return false;
    };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// What the cookie of a session is called over TLS.
pub(super) const SESSION: &str = "__Host-countersign";
/// By it browsers take a cookie over TLS alone, for one host (RFC 6265bis section 4.1.3.2).
const PREFIX: &str = "__Host-";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn a_cookie_without_the_prefix_is_set_and_read_on_loopback_alone() {
        for (host, loopback) in [
            ("localhost:8400", true),
            ("LOCALHOST", true),
            ("127.0.0.1:8400", true),
            ("127.9.9.9", true),
            ("[::1]:8400", true),
            ("gate.example", false),
            ("localhost.gate.example", false),
            ("192.0.2.1:8400", false),
            ("127.0.0.1.gate.example", false),
            ("", false),
        ] {
            let plain = headers(host, "origin", "http://x");
            assert_eq!(Way::of(&plain) == Way::Plain, loopback, "{host}");
            assert_eq!(Way::of(&headers(host, "origin", "https://x")), Way::Tls);
            assert_eq!(Way::of(&headers(host, "x", "y")), Way::Tls);
            let sent = headers(host, "cookie", "a=b; countersign=plain");
            let want = loopback.then_some("plain");
            assert_eq!(Cookie::Session.read(&sent), want, "{host}");
            let sent = headers(host, "cookie", "countersign=plain; __Host-countersign=tls");
            assert_eq!(Cookie::Session.read(&sent), Some("tls"), "{host}");
            assert_eq!(Cookie::Known.read(&sent), None);
        }
    }

    #[test]
    fn a_cookie_is_for_no_script_and_no_foreign_page() {
        let set = |cookie: Cookie, way| {
            let header = cookie.set("v", 60, way).unwrap();
            assert!(header.is_sensitive());
            header.to_str().unwrap().to_owned()
        };
        assert_eq!(
            set(Cookie::Session, Way::Tls),
            "__Host-countersign=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            set(Cookie::Session, Way::Plain),
            "countersign=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"
        );
        assert!(set(Cookie::Provider, Way::Tls).ends_with("SameSite=Lax"));
    }
}
