//! Values of `_protected` options: a secret that only this installation's key opens, as text.
//!
//! The text is `sealed:` and base64. What the replaced product made on Windows looks otherwise and
//! cannot be opened here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use proto::secret::Secret;

use crate::seal::{Key, Place, SealError};

/// Seals a secret for a `_protected` option.
///
/// # Errors
/// Those of [`SealError`] that sealing has.
pub fn protect(key: &Key, secret: &Secret<String>) -> Result<String, SealError> {
    let sealed = key.seal(&PLACE, secret.expose().as_bytes())?;
    Ok(format!("{PREFIX}{}", STANDARD_NO_PAD.encode(sealed)))
}

/// Opens the value of a `_protected` option; none for one that this key did not seal.
#[must_use]
pub fn reveal(key: &Key, text: &str) -> Option<Secret<String>> {
    let sealed = STANDARD_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let opened = key.open(&PLACE, &sealed).ok()?;
    let text = std::str::from_utf8(&opened).ok()?;
    Some(Secret::from(text))
}

const PREFIX: &str = "sealed:";

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
