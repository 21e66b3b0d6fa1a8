//! A code that people read, type, and scan: in the address of an enrollment. Pure.
//!
//! Twelve digits and letters of Crockford's base32, 60 bits, in three groups: case does not count, nor do
//! hyphens, and what looks alike is alike (O and 0; I, L and 1).

use crate::clock::{self, NoRandomness};

/// A code as it is looked up: without hyphens, in capitals. It is a credential, and has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ShortCode(String);

impl ShortCode {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        Ok(Self::of(u64::from_be_bytes(clock::random::<8>()?)))
    }

    /// That of the low 60 bits of a number.
    fn of(number: u64) -> Self {
        let letter = |at: usize| {
            let index = number >> (BITS * at) & 0x1f;
            let found = usize::try_from(index).ok().and_then(|at| ALPHABET.get(at));
            found.copied().map_or('0', char::from)
        };
        Self((0..LETTERS).map(letter).collect())
    }

    /// Reads what a person typed; none for what is no code.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut code = String::with_capacity(LETTERS);
        for letter in text.chars() {
            let letter = match letter.to_ascii_uppercase() {
                '-' | ' ' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                letter => letter,
            };
            let known = u8::try_from(letter).is_ok_and(|octet| ALPHABET.contains(&octet));
            if !known || code.len() == LETTERS {
                return None;
            }
            code.push(letter);
        }
        (code.len() == LETTERS).then_some(Self(code))
    }

    /// Without hyphens.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in an address.
    pub(crate) fn grouped(&self) -> String {
        let mut text = String::with_capacity(GROUPED_CHARACTERS);
        for (at, letter) in self.0.chars().enumerate() {
            if at > 0 && at.is_multiple_of(4) {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 12;
const BITS: usize = 5;

/// How long a code is in an address.
pub(crate) const GROUPED_CHARACTERS: usize = LETTERS + 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_alike_is_alike() {
        let want = ShortCode("K7QM2F9X4T01".to_owned());
        assert_eq!(want.grouped(), "K7QM-2F9X-4T01");
        for (text, good) in [
            ("K7QM-2F9X-4T01", true),
            ("k7qm2f9x4toi", true),
            (" K7QM 2F9X-4TOL ", true),
            ("K7QM-2F9X-4T0", false),
            ("K7QM-2F9X-4T011", false),
            ("K7QM-2F9X-4T0U", false),
            ("K7QM-2F9X-4T0é", false),
            ("K7QM/2F9X/4T01", false),
            ("", false),
        ] {
            let found = ShortCode::parse(text);
            assert_eq!(found.is_some_and(|found| found == want), good, "{text}");
        }
    }

    #[test]
    fn every_letter_comes_of_five_bits() {
        assert_eq!(ShortCode::of(0).as_str(), "000000000000");
        assert_eq!(ShortCode::of(u64::MAX).as_str(), "ZZZZZZZZZZZZ");
        assert_eq!(ShortCode::of(1).as_str(), "100000000000");
        assert_eq!(ShortCode::of(31 << 55).as_str(), "00000000000Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64) {
            let code = ShortCode::of(number);
            let text = code.grouped();
            prop_assert_eq!(text.len(), GROUPED_CHARACTERS);
            prop_assert!(ShortCode::parse(&text).is_some_and(|found| found == code));
            prop_assert!(ShortCode::parse(&text.to_lowercase()).is_some_and(|found| found == code));
        }

        #[test]
        fn any_text_is_read_or_not(text: String) {
            if let Some(code) = ShortCode::parse(&text) {
                prop_assert_eq!(code.as_str().len(), LETTERS);
            }
        }
    }
}
