//! Signature version 2 over HMAC-SHA512 (duo-auth-api 1.1 to 1.5), and the parameters line. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use proto::secret::Secret;
use ring::hmac;

/// An integration's key, made ready once.
pub(crate) struct SigningKey {
    ikey: String,
    key: hmac::Key,
}

impl SigningKey {
    /// The secret key is used as its octets, not decoded.
    pub(crate) fn new(ikey: &str, skey: &Secret<String>) -> Self {
        Self {
            ikey: ikey.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA512, skey.expose().as_bytes()),
        }
    }

    /// The value of `Authorization` for one request. The host has no port and is lower case; the
    /// parameters are the line that [`Parameters`] wrote, also for a GET. None when the integration
    /// key has characters that no header may hold.
    pub(crate) fn authorization(
        &self,
        date: &[u8],
        method: &str,
        host: &str,
        path: &str,
        parameters: &[u8],
    ) -> Option<HeaderValue> {
        let mut context = hmac::Context::with_key(&self.key);
        for line in [date, method.as_bytes(), host.as_bytes(), path.as_bytes()] {
            context.update(line);
            context.update(b"\n");
        }
        context.update(parameters);
        let tag = context.sign();

        let mut plain = Vec::with_capacity(self.ikey.len() + 1 + 2 * tag.as_ref().len());
        plain.extend_from_slice(self.ikey.as_bytes());
        plain.push(b':');
        for octet in tag.as_ref() {
            plain.extend([hex_digit(octet >> 4), hex_digit(octet & 15)].map(|d| d | 0x20));
        }
        let mut value = String::with_capacity(6 + plain.len().div_ceil(3) * 4);
        value.push_str("Basic ");
        STANDARD.encode_string(&plain, &mut value);
        let mut value = HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.ikey).finish()
    }
}

/// The parameters line: `key=value` joined with `&`, percent-encoded. Keys must come in octet
/// order; it is both what is signed and what is sent.
#[derive(Default)]
pub(crate) struct Parameters(Vec<u8>);

impl Parameters {
    /// Room for that many octets, so that a passcode is not left behind by growing.
    pub(crate) fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    /// Adds a pair. The key is one of ours and needs no encoding.
    pub(crate) fn add(&mut self, key: &'static str, value: &str) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
        for &octet in value.as_bytes() {
            if octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.' | b'~') {
                self.0.push(octet);
            } else {
                self.0
                    .extend_from_slice(&[b'%', hex_digit(octet >> 4), hex_digit(octet & 15)]);
            }
        }
        self
    }

    /// The line.
    pub(crate) fn into_octets(self) -> Vec<u8> {
        self.0
    }
}

/// A digit of 0 to 15, upper case. Setting bit 0x20 makes it lower case; digits have it already.
const fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'A' + value - 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: &[u8] = b"Tue, 21 Aug 2012 17:29:18 -0000";
    const HOST: &str = "api-xxxxxxxx.duosecurity.com";
    const IKEY: &str = "DIWJ8X6AEYOR5OMC6TQ1";

    fn key() -> SigningKey {
        SigningKey::new(
            IKEY,
            &Secret::from("Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"),
        )
    }

    fn vector_2() -> Vec<u8> {
        let mut parameters = Parameters::default();
        parameters
            .add("async", "1")
            .add("device", "auto")
            .add("display_username", "Zoë (admin)~")
            .add("factor", "push")
            .add("ipaddr", "198.51.100.7")
            .add("pushinfo", "Group=VPN%20Users&From=gw%2F1")
            .add("username", "jdoe@example.com");
        parameters.into_octets()
    }

    #[test]
    fn the_line_is_that_of_the_reference() {
        assert_eq!(
            String::from_utf8(vector_2()).unwrap(),
            "async=1&device=auto&display_username=Zo%C3%AB%20%28admin%29~&factor=push\
             &ipaddr=198.51.100.7&pushinfo=Group%3DVPN%2520Users%26From%3Dgw%252F1\
             &username=jdoe%40example.com"
        );
    }

    #[test]
    fn signatures_are_those_of_the_reference_vectors() {
        let table = [
            (
                "2",
                "POST",
                "/auth/v2/auth",
                vector_2(),
                "9292d7ed7e9886dbaa0443ffea949fe3339c7a1eec609cc4d3f6c646284e6d07\
                 9ccff2ebc1d4e690ebc65e56f2d3d7da1be5d32b63dfafed32828d3aca315460",
            ),
            (
                "5",
                "GET",
                "/auth/v2/check",
                Vec::new(),
                "2da6ea8a7fcee59edeae46512da92c44be7fff870c34a93e219d487e2e49d790\
                 488b3a436d9175357799be45bc923a599cfce92b7178a58dd694f60a794d47e9",
            ),
        ];
        for (name, method, path, parameters, want) in table {
            let value = key()
                .authorization(DATE, method, HOST, path, &parameters)
                .unwrap();
            let want = format!("Basic {}", STANDARD.encode(format!("{IKEY}:{want}")));
            assert_eq!(value.to_str().unwrap(), want, "vector {name}");
            assert!(value.is_sensitive(), "vector {name}");
        }
    }

    #[test]
    fn debug_shows_the_public_half_only() {
        assert_eq!(format!("{:?}", key()), format!("SigningKey({IKEY:?})"));
    }

    #[test]
    fn only_the_unreserved_are_left_alone() {
        for (value, want) in [
            ("AZaz09_-.~", "AZaz09_-.~"),
            (" ", "%20"),
            ("*!'()/", "%2A%21%27%28%29%2F"),
            ("+&=%", "%2B%26%3D%25"),
            ("ü\n\0", "%C3%BC%0A%00"),
        ] {
            let mut parameters = Parameters::default();
            parameters.add("k", value);
            assert_eq!(
                String::from_utf8(parameters.into_octets()).unwrap(),
                format!("k={want}")
            );
        }
    }

    proptest! {
        #[test]
        fn a_form_decoder_reads_every_value_back(a in ".{0,40}", b in ".{0,40}") {
            let mut parameters = Parameters::default();
            parameters.add("a", &a).add("b", &b);
            let octets = parameters.into_octets();
            let pairs: Vec<_> = form_urlencoded::parse(&octets).into_owned().collect();
            prop_assert_eq!(pairs, vec![("a".to_owned(), a), ("b".to_owned(), b)]);
        }
    }
}
