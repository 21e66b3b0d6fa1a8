//! Browsers that somebody signed in with before, told by a mark that they keep. Whoever guesses at
//! somebody's name does not make them wait there. Pure.

use proto::secret::Secret;
use ring::hmac;

/// Makes and reads marks.
#[derive(Clone, Debug)]
pub(crate) struct Marks(hmac::Key);

impl Marks {
    pub(crate) fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The mark of a browser, which these octets tell from others, for one name.
    pub(crate) fn make(&self, name: &str, browser: [u8; BROWSER_OCTETS], now_ms: u64) -> String {
        let browser = data_encoding::HEXLOWER.encode(&browser);
        let said = format!("{browser}.{:x}", now_ms / 1_000);
        let tag = hmac::sign(&self.0, &bound(&said, name));
        format!("{said}.{}", data_encoding::HEXLOWER.encode(tag.as_ref()))
    }

    /// The browser of a mark; none when it is not for this name, is old, or none of ours.
    pub(crate) fn read(&self, name: &str, mark: &str, now_ms: u64) -> Option<String> {
        let (said, tag) = mark.rsplit_once('.')?;
        let (browser, made) = said.split_once('.')?;
        let tag = data_encoding::HEXLOWER.decode(tag.as_bytes()).ok()?;
        hmac::verify(&self.0, &bound(said, name), &tag).ok()?;
        let made = u64::from_str_radix(made, 16).ok()?;
        let age = (now_ms / 1_000).saturating_sub(made);
        (age < GOOD_SECONDS).then(|| browser.to_owned())
    }
}

/// What is said has neither of these octets.
fn bound(said: &str, name: &str) -> Vec<u8> {
    [said, name].join("\0").into_bytes()
}

/// How long a mark is good.
pub(crate) const GOOD_SECONDS: u64 = 180 * 86_400;
pub(crate) const BROWSER_OCTETS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_good_for_its_name_and_time_and_cannot_be_made_without_the_key() {
        let marks = Marks::new(&Secret::new([7; 32]));
        let mark = marks.make("alice", [1; BROWSER_OCTETS], 1_000_000);
        let browser = "0101010101010101".to_owned();
        let read = |name, mark: &str, now| marks.read(name, mark, now);
        assert_eq!(read("alice", &mark, 1_000_000), Some(browser));
        assert_eq!(read("bob", &mark, 1_000_000), None);
        let late = 1_000_000 + GOOD_SECONDS * 1_000;
        assert!(read("alice", &mark, late - 1).is_some());
        assert_eq!(read("alice", &mark, late), None);
        for at in 0..mark.len() {
            let mut octets = mark.clone().into_bytes();
            octets[at] ^= 1;
            let changed = String::from_utf8(octets).unwrap();
            assert_eq!(read("alice", &changed, 1_000_000), None, "octet {at}");
            assert_eq!(read("alice", &mark[..at], 1_000_000), None, "cut at {at}");
        }
        let other = Marks::new(&Secret::new([8; 32]));
        assert_eq!(other.read("alice", &mark, 1_000_000), None);
    }
}
