//! As much of CBOR (RFC 8949) as authenticators write: items of a definite length. It reads, and keeps
//! nothing.

use super::Fault;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    left: &'a [u8],
}

/// An item, or the head of what has more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Unsigned(u64),
    /// -1 less this.
    Negative(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    /// As many items follow.
    Array(u64),
    /// As many pairs follow.
    Map(u64),
    /// An item follows.
    Tag,
    /// A simple value or a number with a fraction.
    Other,
}

impl Item<'_> {
    /// A whole number that is small, as the labels of COSE are.
    pub(super) fn small(self) -> Option<i32> {
        match self {
            Self::Unsigned(number) => i32::try_from(number).ok(),
            Self::Negative(number) => i32::try_from(number).ok()?.checked_neg()?.checked_sub(1),
            _ => None,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { left: octets }
    }

    /// What was not read.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.left
    }

    /// The next item.
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub(super) fn item(&mut self) -> Result<Item<'a>, Fault> {
        let first = *self.take(1)?.first().ok_or(BAD)?;
        let argument = match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            24 => self.number::<1>()?,
            25 => self.number::<2>()?,
            26 => self.number::<4>()?,
            27 => self.number::<8>()?,
            // Reserved, or of no definite length.
            _ => return Err(BAD),
        };
        Ok(match first >> 5 {
            0 => Item::Unsigned(argument),
            1 => Item::Negative(argument),
            2 => Item::Bytes(self.octets(argument)?),
            3 => Item::Text(std::str::from_utf8(self.octets(argument)?).map_err(|_| BAD)?),
            4 => Item::Array(argument),
            5 => Item::Map(argument),
            6 => Item::Tag,
            _ => Item::Other,
        })
    }

    /// Passes over an item and all in it.
    ///
    /// # Errors
    /// [`Fault::Malformed`], also for what is nested too deep.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        self.skip_in(DEPTH)
    }

    fn skip_in(&mut self, depth: u8) -> Result<(), Fault> {
        let inside = match self.item()? {
            Item::Array(count) => count,
            Item::Map(count) => count.checked_mul(2).ok_or(BAD)?,
            Item::Tag => 1,
            _ => 0,
        };
        let depth = depth.checked_sub(1).ok_or(BAD)?;
        // Each takes an octet at least, so a count that lies ends with what there is.
        for _ in 0..inside {
            self.skip_in(depth)?;
        }
        Ok(())
    }

    fn octets(&mut self, count: u64) -> Result<&'a [u8], Fault> {
        self.take(usize::try_from(count).map_err(|_| BAD)?)
    }

    fn number<const N: usize>(&mut self) -> Result<u64, Fault> {
        let number = |sum: u64, octet: &u8| sum << 8 | u64::from(*octet);
        Ok(self.take(N)?.iter().fold(0, number))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(BAD)?;
        self.left = left;
        Ok(taken)
    }
}

const BAD: Fault = Fault::Malformed("CBOR");

/// How deep items may be nested; authenticators have four (CTAP 2.1 section 8).
const DEPTH: u8 = 16;

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    /// RFC 8949 appendix A.
    #[test]
    fn items_are_read() {
        let text = "\u{fc}";
        for (octets, want) in [
            (&hex!("00")[..], Item::Unsigned(0)),
            (&hex!("17"), Item::Unsigned(23)),
            (&hex!("1818"), Item::Unsigned(24)),
            (&hex!("1903e8"), Item::Unsigned(1_000)),
            (&hex!("1bffffffffffffffff"), Item::Unsigned(u64::MAX)),
            (&hex!("20"), Item::Negative(0)),
            (&hex!("3903e7"), Item::Negative(999)),
            (&hex!("4401020304"), Item::Bytes(&[1, 2, 3, 4])),
            (&hex!("62c3bc"), Item::Text(text)),
            (&hex!("83"), Item::Array(3)),
            (&hex!("a2"), Item::Map(2)),
            (&hex!("f5"), Item::Other),
            (&hex!("c1"), Item::Tag),
        ] {
            let mut reader = Reader::new(octets);
            assert_eq!(reader.item(), Ok(want), "{octets:02x?}");
            assert!(reader.rest().is_empty(), "{octets:02x?}");
        }
        assert_eq!(Item::Negative(6).small(), Some(-7));
        assert_eq!(Item::Negative(256).small(), Some(-257));
        assert_eq!(Item::Negative(u64::MAX).small(), None);
    }

    #[test]
    fn what_is_cut_short_lies_or_never_ends_is_refused() {
        let deep = [0x81; 64];
        for octets in [
            &[][..],
            &hex!("18"),
            &hex!("5f"),
            &hex!("1c"),
            &hex!("ff"),
            &hex!("41"),
            &hex!("61ff"),
            &hex!("bbffffffffffffffff"),
            &hex!("9bffffffffffffffff0000"),
            &hex!("5bffffffffffffffff00"),
            &hex!("a100"),
            &deep,
        ] {
            assert!(Reader::new(octets).skip().is_err(), "{octets:02x?}");
        }
        let mut reader = Reader::new(&hex!("a2016161026162 00"));
        reader.skip().unwrap();
        assert_eq!(reader.rest(), [0]);
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..128)) {
            let mut reader = Reader::new(&octets);
            while reader.skip().is_ok() {}
        }
    }
}
