//! The number that a login shows and that its person types on the phone. Number and transaction come of one
//! another under a key, so that nothing is kept before the push is sent, and any process can check them.
//!
//! An id of this kind has 32 bits of time, 28 of randomness and a tag of 62 beside the 6 that make it a UUID.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Txid;
use crate::clock::{self, NoRandomness};
use crate::vault::Vault;

/// A number of three digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Number(u16);

impl Number {
    /// Whether this is what was typed; blanks around it do not count.
    pub(crate) fn is(self, typed: &str) -> bool {
        self.to_string()
            .as_bytes()
            .ct_eq(typed.trim().as_bytes())
            .into()
    }
}

/// For the login's prompt alone.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number")
    }
}

/// Why an id has no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoNumber {
    /// It was not made here, or for another user or application.
    Foreign,
    /// It is too old.
    Over,
}

impl Txid {
    /// Makes an id for a login that shows a number.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn numbered(
        vault: &Vault,
        (user_id, application): (&str, &str),
        now_s: u64,
    ) -> Result<(Self, Number), NoRandomness> {
        let random = u128::from(u32::from_be_bytes(clock::random::<4>()?));
        let time = u128::from(u32::try_from(now_s).unwrap_or(u32::MAX));
        let bits = time << 96
            | (random & 0xffff) << 80
            | 4 << 76
            | (random >> 16 & 0xfff) << 64
            | 0b10 << 62;
        let id = Self(bits | tag(vault, (user_id, application), bits));
        Ok((id, number(vault, user_id, id)))
    }

    /// The number of an id that was made for this user and application.
    ///
    /// # Errors
    /// [`NoNumber`].
    pub(crate) fn number(
        self,
        vault: &Vault,
        (user_id, application): (&str, &str),
        now_s: u64,
    ) -> Result<Number, NoNumber> {
        let own = tag(vault, (user_id, application), self.0 & !TAG);
        if !bool::from(own.ct_eq(&(self.0 & TAG))) {
            return Err(NoNumber::Foreign);
        }
        let made_s = u64::try_from(self.0 >> 96).unwrap_or(0);
        if made_s.abs_diff(now_s) >= NUMBER_SECONDS {
            return Err(NoNumber::Over);
        }
        Ok(number(vault, user_id, self))
    }
}

/// The tag of an id whose other bits these are.
fn tag(vault: &Vault, (user_id, application): (&str, &str), bits: u128) -> u128 {
    let hash = vault.hash(
        &format!("number-txid/{user_id}"),
        &format!("{bits:032x}/{application}"),
    );
    u128::from(first(&hash)) & TAG
}

fn number(vault: &Vault, user_id: &str, id: Txid) -> Number {
    let hash = vault.hash(&format!("number/{user_id}"), &id.to_string());
    // 64 bits over 1,000: the bias is below 10^-16.
    Number(u16::try_from(first(&hash) % 1_000).unwrap_or(0))
}

fn first(hash: &[u8]) -> u64 {
    hash.first_chunk()
        .map_or(0, |octets| u64::from_be_bytes(*octets))
}

/// The bits of an id that are its tag: all below those that make it a UUID of this variant.
const TAG: u128 = (1 << 62) - 1;

/// How long a number may be used, in seconds.
pub(crate) const NUMBER_SECONDS: u64 = 300;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_000_000;
    const ALICE: (&str, &str) = ("DUALICE", "vpn");

    #[test]
    fn a_number_is_for_its_user_its_application_and_its_time() {
        let vault = Vault::for_tests();
        let (id, number) = Txid::numbered(&vault, ALICE, NOW).unwrap();
        let text = id.to_string();
        assert_eq!(Txid::parse(&text), Some(id));
        assert_eq!(&text[14..15], "4");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
        for (name, of, now, want) in [
            ("at once", ALICE, NOW, Ok(number)),
            ("late", ALICE, NOW + 299, Ok(number)),
            ("too late", ALICE, NOW + 300, Err(NoNumber::Over)),
            ("a clock set back", ALICE, NOW - 300, Err(NoNumber::Over)),
            (
                "another user",
                ("DUBOB", "vpn"),
                NOW,
                Err(NoNumber::Foreign),
            ),
            (
                "another application",
                ("DUALICE", "mail"),
                NOW,
                Err(NoNumber::Foreign),
            ),
        ] {
            assert_eq!(id.number(&vault, of, now), want, "{name}");
        }
        let stranger = Txid::random().unwrap();
        assert_eq!(stranger.number(&vault, ALICE, NOW), Err(NoNumber::Foreign));
        let other = Vault::for_tests();
        assert_eq!(
            id.number(&other, ALICE, NOW),
            Err(NoNumber::Foreign),
            "another key"
        );
    }

    #[test]
    fn what_was_typed_is_compared_as_digits() {
        for (typed, want) in [
            ("007", true),
            (" 007\n", true),
            ("7", false),
            ("0007", false),
            ("", false),
            ("008", false),
            ("٠٠٧", false),
        ] {
            assert_eq!(Number(7).is(typed), want, "{typed:?}");
        }
        assert!(!format!("{:?}", Number(481)).contains("481"));
    }

    #[test]
    fn numbers_are_spread() {
        let vault = Vault::for_tests();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..500 {
            seen.insert(Txid::numbered(&vault, ALICE, NOW).unwrap().1.to_string());
        }
        // 500 out of 1,000 are about 393 different ones.
        assert!((300..480).contains(&seen.len()), "{}", seen.len());
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_noticed(bit in 0_u32..128) {
            let vault = Vault::for_tests();
            let (id, _) = Txid::numbered(&vault, ALICE, NOW).unwrap();
            let changed = Txid(id.0 ^ (1 << bit));
            prop_assert_eq!(changed.number(&vault, ALICE, NOW), Err(NoNumber::Foreign));
        }
    }
}
