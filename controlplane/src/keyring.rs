//! The data keys of an installation: what is stored is sealed under the newest, and names it. They are
//! kept in the database, wrapped by the master key, which is in the key file. No database here:
//! `store::keys` has the rows.
//!
//! A sealed value has one octet of version, four of the data key's number, 24 of nonce, then the
//! ciphertext with its tag. One of version 1 names none: it was sealed under the key file itself, by a
//! program that had no data keys. That key is data key 0 then, and stays.

use std::collections::BTreeMap;

use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::seal::{Key, Place, SealError};

/// Data keys by their numbers. Never empty.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    oldest: Key,
    lasting: Key,
    newest: (u32, Key),
    keys: BTreeMap<u32, Key>,
}

impl Keyring {
    /// None when there is no data key.
    pub(crate) fn new(keys: BTreeMap<u32, Key>) -> Option<Self> {
        let (_, oldest) = keys.first_key_value()?;
        let (number, newest) = keys.last_key_value()?;
        let lasting = keys.get(&LASTING).unwrap_or(oldest);
        Some(Self {
            oldest: oldest.clone(),
            lasting: lasting.clone(),
            newest: (*number, newest.clone()),
            keys,
        })
    }

    /// The one that was first: the chain of the audit goes on under it.
    pub(crate) const fn oldest(&self) -> &Key {
        &self.oldest
    }

    /// The first that was made at random for this database: what all control planes must make alike,
    /// such as the keys of States, is made from it.
    pub(crate) const fn lasting(&self) -> &Key {
        &self.lasting
    }

    /// The number of the newest.
    pub(crate) const fn newest(&self) -> u32 {
        self.newest.0
    }

    /// Seals a value for one place under the newest.
    ///
    /// # Errors
    /// Those of [`Key::seal`].
    pub(crate) fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let (number, key) = &self.newest;
        let sealed = key.seal(place, value)?;
        // In the place of the version within.
        let inner = sealed.get(1..).unwrap_or_default();
        Ok([&[VERSION][..], &number.to_be_bytes(), inner].concat())
    }

    /// Opens a value that was sealed for the same place.
    ///
    /// # Errors
    /// Those of [`Key::open`], and [`SealError::Unknown`].
    pub(crate) fn open(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match sealed.split_first() {
            Some((&VERSION, rest)) => {
                let (number, inner) = rest.split_first_chunk().ok_or(SealError::Refused)?;
                let number = u32::from_be_bytes(*number);
                let key = self.keys.get(&number);
                let key = key.ok_or(SealError::Unknown { number })?;
                key.open(place, &[&[DIRECT][..], inner].concat())
            }
            _ => self.oldest.open(place, sealed),
        }
    }
}

/// A data key as it is stored.
///
/// # Errors
/// Those of [`Key::seal`].
pub(crate) fn wrap(master: &Key, number: u32, key: &Key) -> Result<Vec<u8>, SealError> {
    master.seal(&place(&number.to_string()), key.octets())
}

/// A data key that was stored under this master key.
///
/// # Errors
/// Those of [`Key::open`].
pub(crate) fn unwrap(master: &Key, number: u32, wrapped: &[u8]) -> Result<Key, SealError> {
    let opened = master.open(&place(&number.to_string()), wrapped)?;
    let octets = opened.as_slice().try_into();
    Ok(Key::from_secret(Secret::new(
        octets.map_err(|_| SealError::Refused)?,
    )))
}

fn place(row: &str) -> Place<'_> {
    Place {
        table: "data_keys",
        column: "wrapped",
        row,
    }
}

/// The number of the data key that is the key file's own, in a database that was there before data keys.
pub(crate) const BEFORE: u32 = 0;
/// The number of the first that is random.
pub(crate) const LASTING: u32 = 1;
const VERSION: u8 = 2;
/// What [`Key::seal`] writes.
const DIRECT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        table: "revisions",
        column: "snapshot",
        row: "7",
    };

    fn ring(numbers: &[u32]) -> Keyring {
        let keys = numbers
            .iter()
            .map(|&number| (number, Key::new([u8::try_from(number).unwrap(); 32])));
        Keyring::new(keys.collect()).unwrap()
    }

    #[test]
    fn values_are_under_the_newest_and_those_before_open() {
        let old = ring(&[1]).seal(&PLACE, b"old").unwrap();
        let both = ring(&[1, 2]);
        let new = both.seal(&PLACE, b"new").unwrap();
        assert_eq!((old[4], new[4]), (1, 2), "each names its data key");
        assert_eq!(both.open(&PLACE, &old).unwrap().as_slice(), b"old");
        assert_eq!(both.open(&PLACE, &new).unwrap().as_slice(), b"new");
        assert_eq!(
            ring(&[1]).open(&PLACE, &new).unwrap_err(),
            SealError::Unknown { number: 2 }
        );
        let other = Place { row: "8", ..PLACE };
        assert_eq!(both.open(&other, &new).unwrap_err(), SealError::Refused);
    }

    #[test]
    fn what_was_sealed_under_the_key_file_opens_under_data_key_0() {
        let before = Key::new([0; 32]).seal(&PLACE, b"value").unwrap();
        assert_eq!(before[0], 1);
        let opened = ring(&[0, 1]).open(&PLACE, &before).unwrap();
        assert_eq!(opened.as_slice(), b"value");
        assert_eq!(
            ring(&[1]).open(&PLACE, &before).unwrap_err(),
            SealError::Refused
        );
    }

    #[test]
    fn any_changed_octet_is_refused() {
        let ring = ring(&[1, 2]);
        let sealed = ring.seal(&PLACE, b"value").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 0x03;
            assert!(ring.open(&PLACE, &changed).is_err(), "octet {index}");
            assert!(
                ring.open(&PLACE, &sealed[..index]).is_err(),
                "cut at {index}"
            );
        }
    }

    #[test]
    fn a_wrapped_key_opens_under_its_master_key_and_number_only() {
        let (master, key) = (Key::new([9; 32]), Key::new([4; 32]));
        let wrapped = wrap(&master, 3, &key).unwrap();
        let opened = unwrap(&master, 3, &wrapped).unwrap();
        assert_eq!(opened.octets(), key.octets());
        assert!(unwrap(&master, 4, &wrapped).is_err());
        assert!(unwrap(&Key::new([8; 32]), 3, &wrapped).is_err());
    }
}
