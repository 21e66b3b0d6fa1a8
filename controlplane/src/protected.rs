//! Values of `_protected` options: a secret that only this installation's key opens, as text. They are
//! under the master key itself, since files are checked and sealed for where no database is; the key
//! file keeps the master keys before it for them.
//!
//! The text is `sealed:` and base64. What the replaced product made on Windows looks otherwise and
//! cannot be opened here.

use std::cell::OnceCell;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::seal::{Key, Place, SealError};

/// Seals a secret for a `_protected` option.
///
/// # Errors
/// Those of [`SealError`] that sealing has.
pub fn protect(key: &Key, secret: &Secret<String>) -> Result<String, SealError> {
    let sealed = key.seal(&PLACE, secret.expose().as_bytes())?;
    Ok(format!("{PREFIX}{}", STANDARD_NO_PAD.encode(sealed)))
}

/// Opens the value of a `_protected` option; none for one that neither this master key nor one before
/// it sealed. The key file is read again for one that was sealed after a rotation.
#[must_use]
pub fn reveal(key: &Key, text: &str) -> Option<Secret<String>> {
    Opener::new(key).reveal(text)
}

/// Opens the values of one file: the key file is read again once for all of them.
#[derive(Debug)]
pub(crate) struct Opener<'a> {
    key: &'a Key,
    again: OnceCell<Option<Key>>,
}

impl<'a> Opener<'a> {
    pub(crate) const fn new(key: &'a Key) -> Self {
        Self {
            key,
            again: OnceCell::new(),
        }
    }

    /// The same as [`reveal`].
    pub(crate) fn reveal(&self, text: &str) -> Option<Secret<String>> {
        let sealed = STANDARD_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let again = || self.again.get_or_init(|| self.key.again()?.ok()).as_ref();
        let opened = open(self.key, &sealed).or_else(|| open(again()?, &sealed))?;
        let text = std::str::from_utf8(&opened).ok()?;
        Some(Secret::from(text))
    }
}

fn open(key: &Key, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut keys = std::iter::once(key.clone()).chain(key.previous());
    keys.find_map(|key| key.open(&PLACE, sealed).ok())
}

/// What a sealed value begins with.
pub(crate) const PREFIX: &str = "sealed:";

/// Any option of any file: who moves it in a file could write the file anyway.
const PLACE: Place<'_> = Place {
    table: "authproxy.cfg",
    column: "protected",
    row: "",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_that_sealed_a_value_opens_it() {
        let key = Key::new([1; 32]);
        let secret = Secret::from("hunter2, or pässword");
        let text = protect(&key, &secret).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(reveal(&key, &text), Some(secret));
        assert_eq!(reveal(&Key::new([2; 32]), &text), None);
    }

    #[test]
    fn a_rotation_leaves_values_as_they_are_and_new_ones_open_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controlplane.key");
        let key = Key::load_or_create(&path).unwrap();
        let secret = Secret::from("hunter2");
        let old = protect(&key, &secret).unwrap();
        let next = key.succeed(&path, &Key::random().unwrap()).unwrap();
        let new = protect(&next, &secret).unwrap();
        let loaded = Key::load_or_create(&path).unwrap();
        for text in [&old, &new] {
            assert_eq!(reveal(&loaded, text).as_ref(), Some(&secret));
            assert_eq!(
                reveal(&key, text).as_ref(),
                Some(&secret),
                "where it was loaded before"
            );
        }
        assert_eq!(reveal(&Key::new(*key.octets()), &new), None);
    }

    #[test]
    fn one_opener_reads_the_key_file_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controlplane.key");
        let key = Key::load_or_create(&path).unwrap();
        let opener = Opener::new(&key);
        let foreign = protect(&Key::new([9; 32]), &Secret::from("x")).unwrap();
        assert_eq!(opener.reveal(&foreign), None);
        let next = key.succeed(&path, &Key::random().unwrap()).unwrap();
        let new = protect(&next, &Secret::from("hunter2")).unwrap();
        assert_eq!(opener.reveal(&new), None, "it was read before");
        assert!(Opener::new(&key).reveal(&new).is_some());
    }

    #[test]
    fn other_texts_are_no_protected_values() {
        let key = Key::new([1; 32]);
        for text in [
            "",
            "sealed:",
            "sealed:AAAA",
            "sealed:not base64",
            "AQAAANCMnd8BFdERjHoAwE/Cl+s=",
            "hunter2",
        ] {
            assert_eq!(reveal(&key, text), None, "{text}");
        }
    }
}
