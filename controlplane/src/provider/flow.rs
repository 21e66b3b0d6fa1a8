//! The way to a provider and back. What it takes lies in a cookie of the browser, from which state,
//! nonce and verifier follow by keyed hashes: nothing is kept here until somebody comes back. Pure.

use data_encoding::{BASE64URL_NOPAD as BASE64, HEXLOWER};
use proto::secret::Secret;
use ring::{digest, hmac};

use super::Settings;

/// Makes and reads flows of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Flows(hmac::Key);

/// One browser's way to the provider and back.
pub(crate) struct Flow {
    /// Sixteen random octets and the time, in hexadecimal digits.
    said: String,
    /// When it began, in seconds since 1970.
    pub(crate) began_s: u64,
    /// For this one alone.
    key: hmac::Key,
}

impl Flows {
    pub(crate) fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// A new one.
    pub(crate) fn begin(&self, settings: &Settings, seed: [u8; SEED_OCTETS], now_s: u64) -> Flow {
        let said = format!("{}.{now_s:x}", HEXLOWER.encode(&seed));
        self.flow(settings, said, now_s)
    }

    /// The one of a cookie; none when it is none of ours, is of other settings, or past its end.
    pub(crate) fn read(&self, settings: &Settings, cookie: &str, now_s: u64) -> Option<Flow> {
        let (said, tag) = cookie.rsplit_once('.')?;
        let (_, began) = said.split_once('.')?;
        let began_s = u64::from_str_radix(began, 16).ok()?;
        let flow = self.flow(settings, said.to_owned(), began_s);
        let tag = BASE64.decode(tag.as_bytes()).ok()?;
        hmac::verify(&flow.key, b"cookie", &tag).ok()?;
        (now_s.saturating_sub(began_s) < GOOD_SECONDS && began_s <= now_s).then_some(flow)
    }

    fn flow(&self, settings: &Settings, said: String, began_s: u64) -> Flow {
        let mut context = hmac::Context::with_key(&self.0);
        for text in [said.as_str(), &settings.issuer, &settings.client_id] {
            context.update(text.as_bytes());
            context.update(b"\0");
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref());
        Flow { said, began_s, key }
    }
}

impl Flow {
    fn derive(&self, what: &[u8]) -> String {
        BASE64.encode(hmac::sign(&self.key, what).as_ref())
    }

    /// What the browser keeps.
    pub(crate) fn cookie(&self) -> String {
        format!("{}.{}", self.said, self.derive(b"cookie"))
    }

    pub(crate) fn state(&self) -> String {
        self.derive(b"state")
    }

    /// Whether the provider gave the state back. Takes the same time either way.
    pub(crate) fn is_state(&self, given: &str) -> bool {
        let given = BASE64.decode(given.as_bytes());
        given.is_ok_and(|given| hmac::verify(&self.key, b"state", &given).is_ok())
    }

    pub(crate) fn nonce(&self) -> String {
        self.derive(b"nonce")
    }

    /// RFC 7636 section 4.1: 43 characters.
    pub(crate) fn verifier(&self) -> String {
        self.derive(b"verifier")
    }

    /// RFC 7636 section 4.2, method S256.
    pub(crate) fn challenge(&self) -> String {
        challenge(&self.verifier())
    }
}

fn challenge(verifier: &str) -> String {
    BASE64.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}

/// How long somebody may take at the provider.
pub(crate) const GOOD_SECONDS: u64 = 600;
pub(crate) const SEED_OCTETS: usize = 16;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(client: &str) -> Settings {
        let document = json!({
            "issuer": "https://idp.example.com", "client_id": client,
            "public_url": "https://gate.example.com",
        });
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let want = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(challenge(verifier), want);
    }

    #[test]
    fn a_flow_is_read_from_its_cookie_for_ten_minutes_under_the_same_settings() {
        let flows = Flows::new(&Secret::new([7; 32]));
        let ours = settings("ours");
        let flow = flows.begin(&ours, [1; SEED_OCTETS], 1_000);
        let cookie = flow.cookie();
        let read = flows.read(&ours, &cookie, 1_599).unwrap();
        assert_eq!(
            (read.nonce(), read.verifier()),
            (flow.nonce(), flow.verifier())
        );
        assert!(read.is_state(&flow.state()) && !read.is_state(&flow.nonce()));
        assert!(!read.is_state("") && read.verifier().len() == 43);
        assert_ne!(flow.verifier(), flow.nonce());
        assert!(flows.read(&ours, &cookie, 1_600).is_none(), "past its end");
        assert!(flows.read(&ours, &cookie, 999).is_none(), "of the future");
        assert!(flows.read(&settings("other"), &cookie, 1_000).is_none());
        let others = Flows::new(&Secret::new([8; 32]));
        assert!(others.read(&ours, &cookie, 1_000).is_none());
        for at in 0..cookie.len() {
            let mut octets = cookie.clone().into_bytes();
            octets[at] ^= 1;
            let changed = String::from_utf8(octets).unwrap();
            assert!(flows.read(&ours, &changed, 1_000).is_none(), "octet {at}");
        }
        let next = flows.begin(&ours, [2; SEED_OCTETS], 1_000);
        assert!(!next.is_state(&flow.state()));
    }
}
