//! What an authenticator says: its data (section 6.1), alone or inside an attestation object (section 6.5).

use super::cbor::{Item, Reader};
use super::{CREDENTIAL_OCTETS, Fault};

/// An authenticator's data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AuthenticatorData<'a> {
    pub(super) rp_id_hash: &'a [u8],
    pub(super) user_present: bool,
    pub(super) user_verified: bool,
    /// Whether the credential may be kept elsewhere too; that never changes.
    pub(super) may_be_elsewhere: bool,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested<'a>>,
}

/// A new credential.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attested<'a> {
    pub(super) credential: &'a [u8],
    /// As COSE has it.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads it whole.
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, Fault> {
        let (rp_id_hash, rest) = octets.split_at_checked(32).ok_or(BAD)?;
        let (&flags, rest) = rest.split_first().ok_or(BAD)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(BAD)?;
        // What cannot be kept elsewhere is not kept elsewhere (section 6.1.3).
        if flags & BACKED_UP != 0 && flags & MAY_BE_BACKED_UP == 0 {
            return Err(BAD);
        }
        let mut attested = None;
        if flags & ATTESTED != 0 {
            // First who made the authenticator, which is not asked.
            let (_, after) = rest.split_at_checked(16).ok_or(BAD)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(BAD)?;
            let length = usize::from(u16::from_be_bytes(*length));
            if !(1..=CREDENTIAL_OCTETS).contains(&length) {
                return Err(Fault::Malformed("credential id"));
            }
            let (credential, after) = after.split_at_checked(length).ok_or(BAD)?;
            let (public_key, after) = first_item(after)?;
            attested = Some(Attested {
                credential,
                public_key,
            });
            rest = after;
        }
        if flags & EXTENDED != 0 {
            (_, rest) = first_item(rest)?;
        }
        if !rest.is_empty() {
            return Err(BAD);
        }
        Ok(Self {
            rp_id_hash,
            user_present: flags & USER_PRESENT != 0,
            user_verified: flags & USER_VERIFIED != 0,
            may_be_elsewhere: flags & MAY_BE_BACKED_UP != 0,
            sign_count: u32::from_be_bytes(*count),
            attested,
        })
    }
}

/// The authenticator's data of an attestation object. The statement is only passed over.
///
/// # Errors
/// [`Fault::Malformed`].
pub(super) fn of_attestation(object: &[u8]) -> Result<&[u8], Fault> {
    let mut reader = Reader::new(object);
    let Item::Map(pairs) = reader.item()? else {
        return Err(BAD_OBJECT);
    };
    let mut data = None;
    for _ in 0..pairs {
        let Item::Text(name) = reader.item()? else {
            return Err(BAD_OBJECT);
        };
        if name != "authData" {
            reader.skip()?;
            continue;
        }
        match reader.item()? {
            Item::Bytes(octets) if data.is_none() => data = Some(octets),
            _ => return Err(BAD_OBJECT),
        }
    }
    data.filter(|_| reader.rest().is_empty()).ok_or(BAD_OBJECT)
}

/// The octets of an item, and those after it.
fn first_item(octets: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let mut reader = Reader::new(octets);
    reader.skip()?;
    let length = octets.len().saturating_sub(reader.rest().len());
    octets.split_at_checked(length).ok_or(BAD)
}

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const MAY_BE_BACKED_UP: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;

const BAD: Fault = Fault::Malformed("authenticator data");
const BAD_OBJECT: Fault = Fault::Malformed("attestation object");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(flags: u8, rest: &[u8]) -> Vec<u8> {
        [&[7; 32][..], &[flags], &[0, 0, 1, 2], rest].concat()
    }

    fn attested(credential: usize, after: &[u8]) -> Vec<u8> {
        let length = u16::try_from(credential).unwrap().to_be_bytes();
        let id = vec![3; credential];
        [&[9; 16][..], &length, &id, &[0xa0], after].concat()
    }

    #[test]
    fn flags_and_lengths_are_what_is_there() {
        for (name, octets, good) in [
            ("bare", data(0x05, &[]), true),
            ("more after it", data(0x05, &[0]), false),
            ("cut short", data(0x05, &[])[..36].to_vec(), false),
            ("may be backed up", data(0x0d, &[]), true),
            ("is backed up", data(0x1d, &[]), true),
            ("backed up and cannot be", data(0x15, &[]), false),
            ("attested", data(0x45, &attested(16, &[])), true),
            ("longest id", data(0x45, &attested(1_023, &[])), true),
            ("longer id", data(0x45, &attested(1_024, &[])), false),
            ("no id", data(0x45, &attested(0, &[])), false),
            ("nothing attested", data(0x45, &[]), false),
            (
                "attested without saying so",
                data(0x05, &attested(16, &[])),
                false,
            ),
            ("extended", data(0xc5, &attested(16, &[0xa0])), true),
            ("no extension", data(0xc5, &attested(16, &[])), false),
            ("more after extensions", data(0x85, &[0xa0, 0]), false),
        ] {
            assert_eq!(AuthenticatorData::parse(&octets).is_ok(), good, "{name}");
        }
        for (flags, elsewhere) in [(0x05, false), (0x0d, true), (0x1d, true)] {
            let octets = data(flags, &[]);
            let parsed = AuthenticatorData::parse(&octets).unwrap();
            assert_eq!(parsed.may_be_elsewhere, elsewhere, "{flags}");
        }
        let octets = data(0x41, &attested(2, &[]));
        let parsed = AuthenticatorData::parse(&octets).unwrap();
        assert_eq!(parsed.sign_count, 258);
        assert!(parsed.user_present && !parsed.user_verified);
        let attested = parsed.attested.unwrap();
        assert_eq!(
            (attested.credential, attested.public_key),
            (&[3, 3][..], &[0xa0][..])
        );
    }

    #[test]
    fn a_statement_is_passed_over() {
        // {"fmt": "none", "attStmt": {"sig": h'00'}, "authData": h'0102'}
        let object = b"\xa3\x63fmt\x64none\x67attStmt\xa1\x63sig\x41\x00\x68authData\x42\x01\x02";
        assert_eq!(of_attestation(object), Ok(&[1, 2][..]));
        for (name, object) in [
            ("no data", &b"\xa1\x63fmt\x64none"[..]),
            (
                "data twice",
                b"\xa2\x68authData\x41\x01\x68authData\x41\x01",
            ),
            ("data that is a text", b"\xa1\x68authData\x61a"),
            ("more after it", b"\xa1\x68authData\x41\x01\x00"),
            ("a list", b"\x80"),
            ("nothing", b""),
        ] {
            assert!(of_attestation(object).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = AuthenticatorData::parse(&octets);
            let _ = of_attestation(&octets);
        }

        #[test]
        fn no_attested_data_panics(
            flags: u8, octets in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = AuthenticatorData::parse(&data(flags, &octets));
            let _ = AuthenticatorData::parse(&data(flags, &attested(2, &octets)));
        }
    }
}
