//! BER as LDAP uses it (RFC 4511 section 5.1): definite lengths, tags of one octet. Pure.
//!
//! Reading borrows and does not recurse, so nothing grows with what a peer sends.

/// The octets are no BER, or not what is expected here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed BER")]
pub(super) struct Malformed;

/// What stands before an element's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    /// Octets of tag and length.
    pub(super) octets: usize,
    /// Octets of the content.
    pub(super) length: usize,
}

/// Reads the header at the front; none when more octets are needed to tell.
///
/// # Errors
/// [`Malformed`] for a tag of several octets, an indefinite length, and one of more than four
/// octets.
pub(super) fn header(octets: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((&tag, rest)) = octets.split_first() else {
        return Ok(None);
    };
    if tag & HIGH_TAG == HIGH_TAG {
        return Err(Malformed);
    }
    let Some((&first, rest)) = rest.split_first() else {
        return Ok(None);
    };
    let (written, length) = if first < LONG {
        (0, usize::from(first))
    } else {
        let written = usize::from(first & !LONG);
        if !(1..=LENGTH_OCTETS).contains(&written) {
            return Err(Malformed);
        }
        let Some(length) = rest.get(..written) else {
            return Ok(None);
        };
        (
            written,
            length
                .iter()
                .fold(0, |length, octet| length << 8 | usize::from(*octet)),
        )
    };
    Ok(Some(Header {
        tag,
        octets: 2 + written,
        length,
    }))
}

/// Elements that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The next element: its tag and content. None at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let header = header(self.0)?.ok_or(Malformed)?;
        let rest = self.0.get(header.octets..).ok_or(Malformed)?;
        let (content, rest) = rest.split_at_checked(header.length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Some((header.tag, content)))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// The next element, which must be a number from 0 to 2^31-1 under this tag.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        match content {
            [first, ..] if content.len() <= 4 && *first < LONG => Ok(content
                .iter()
                .fold(0, |number, octet| number << 8 | u32::from(*octet))),
            _ => Err(Malformed),
        }
    }
}

/// Writes an element.
pub(super) fn write(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let (length, skipped) = length(content.len());
    out.extend(length.into_iter().skip(skipped));
    out.extend_from_slice(content);
}

/// Writes an element whose content is written by `inside`.
pub(super) fn nest(out: &mut Vec<u8>, tag: u8, inside: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    inside(out);
    let (length, skipped) = length(out.len() - start);
    out.splice(start..start, length.into_iter().skip(skipped));
}

/// Writes a number; it is at most 2^31-1.
pub(super) fn write_number(out: &mut Vec<u8>, tag: u8, number: u32) {
    let octets = number.to_be_bytes();
    // The first bit of what is written is a sign.
    let skipped = match number {
        0..0x80 => 3,
        0x80..0x8000 => 2,
        0x8000..0x80_0000 => 1,
        _ => 0,
    };
    write(out, tag, octets.get(skipped..).unwrap_or(&octets));
}

/// A length at the end of an array, and how many octets before it do not count.
fn length(length: usize) -> ([u8; LENGTH_OCTETS + 1], usize) {
    // Nothing that is written here comes near 4 GiB.
    let number = u32::try_from(length).unwrap_or(u32::MAX);
    let [a, b, c, d] = number.to_be_bytes();
    match number {
        0..0x80 => ([0, 0, 0, 0, d], 4),
        0x80..0x100 => ([0, 0, 0, LONG | 1, d], 3),
        0x100..0x1_0000 => ([0, 0, LONG | 2, c, d], 2),
        0x1_0000..0x100_0000 => ([0, LONG | 3, b, c, d], 1),
        _ => ([LONG | 4, a, b, c, d], 0),
    }
}

const HIGH_TAG: u8 = 0x1f;
const LONG: u8 = 0x80;
const LENGTH_OCTETS: usize = 4;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_read_or_refused_or_waited_for() {
        let of = |tag, octets, length| {
            Ok(Some(Header {
                tag,
                octets,
                length,
            }))
        };
        for (name, octets, want) in [
            ("nothing", &[][..], Ok(None)),
            ("a tag", &[0x30], Ok(None)),
            ("a short length", &[0x30, 5], of(0x30, 2, 5)),
            ("half a long length", &[0x30, 0x82, 1], Ok(None)),
            ("a long length", &[0x30, 0x82, 1, 2], of(0x30, 4, 258)),
            ("padded", &[0x30, 0x84, 0, 0, 0, 3], of(0x30, 6, 3)),
            ("an indefinite length", &[0x30, 0x80], Err(Malformed)),
            ("a length of five octets", &[0x30, 0x85], Err(Malformed)),
            ("a reserved length", &[0x30, 0xff], Err(Malformed)),
            ("a tag of two octets", &[0x3f], Err(Malformed)),
        ] {
            assert_eq!(header(octets), want, "{name}");
        }
    }

    #[test]
    fn numbers_have_a_sign_bit_and_no_octet_too_many() {
        for (number, want) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (256, &[2, 2, 1, 0]),
            (32_767, &[2, 2, 127, 255]),
            (32_768, &[2, 3, 0, 128, 0]),
            (0x7fff_ffff, &[2, 4, 127, 255, 255, 255]),
        ] {
            let mut out = Vec::new();
            write_number(&mut out, INTEGER, number);
            assert_eq!(out, want, "{number}");
            assert_eq!(Reader::new(&out).number(INTEGER), Ok(number));
        }
        for octets in [
            &[2, 0][..],
            &[2, 1, 0x80],
            &[2, 5, 0, 0, 0, 0, 1],
            &[4, 1, 1],
            &[2, 2, 1],
        ] {
            assert_eq!(Reader::new(octets).number(INTEGER), Err(Malformed));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in 0..0x1f_u8, length in 0..70_000_usize) {
            let content = vec![7; length];
            let (mut plain, mut nested) = (Vec::new(), Vec::new());
            write(&mut plain, tag, &content);
            nest(&mut nested, tag, |out| out.extend_from_slice(&content));
            prop_assert_eq!(&plain, &nested);
            let mut reader = Reader::new(&plain);
            prop_assert_eq!(reader.next(), Ok(Some((tag, &content[..]))));
            prop_assert_eq!(reader.next(), Ok(None));
        }

        #[test]
        fn reading_any_octets_ends(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&octets);
            let mut read = 0;
            while let Ok(Some((_, content))) = reader.next() {
                read += content.len() + 2;
            }
            prop_assert!(read <= octets.len());
        }
    }
}
