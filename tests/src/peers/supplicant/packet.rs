//! EAP packets (RFC 3748 section 4), and how EAP-TLS and its kin cut messages into them (RFC 5216
//! section 3, RFC 5281 section 9.2).
//!
//! Independent of the code under test on purpose, like [`crate::nas`].

/// Codes.
pub mod code {
    /// From the server.
    pub const REQUEST: u8 = 1;
    /// From the peer.
    pub const RESPONSE: u8 = 2;
    /// Let in.
    pub const SUCCESS: u8 = 3;
    /// Refused.
    pub const FAILURE: u8 = 4;
}

/// Types of requests and responses.
pub mod kind {
    /// Who is it?
    pub const IDENTITY: u8 = 1;
    /// A text to be shown.
    pub const NOTIFICATION: u8 = 2;
    /// Not this method; responses only.
    pub const NAK: u8 = 3;
    /// MD5-Challenge.
    pub const MD5: u8 = 4;
    /// Generic Token Card: a text, and what was typed.
    pub const GTC: u8 = 6;
    /// EAP-TTLS.
    pub const TTLS: u8 = 21;
    /// PEAP.
    pub const PEAP: u8 = 25;
    /// MS-CHAPv2.
    pub const MSCHAPV2: u8 = 26;
    /// TLVs, among them a result; inside PEAP version 0.
    pub const EXTENSIONS: u8 = 33;
}

/// Flags of EAP-TLS and its kin.
pub mod flag {
    /// Four octets of total length follow.
    pub const LENGTH: u8 = 0x80;
    /// More fragments follow.
    pub const MORE: u8 = 0x40;
    /// The server begins.
    pub const START: u8 = 0x20;
    /// The bits of the version.
    pub const VERSION: u8 = 0x07;
}

/// Octets of code, identifier and length.
pub(super) const HEADER: usize = 4;
/// The same with type and flags.
pub(super) const FLAGGED: usize = HEADER + 2;

/// A packet that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) code: u8,
    pub(super) identifier: u8,
    /// None in a success and a failure.
    pub(super) kind: Option<u8>,
    pub(super) data: Vec<u8>,
}

impl Packet {
    /// Reads one that is exactly as long as it says.
    pub(super) fn read(octets: &[u8]) -> Result<Self, String> {
        let [code, identifier, high, low, ref rest @ ..] = *octets else {
            return Err(format!("an EAP packet of {} octets", octets.len()));
        };
        if usize::from(u16::from_be_bytes([high, low])) != octets.len() {
            return Err("an EAP packet whose length is not its own".to_owned());
        }
        let (kind, data) = match (code, rest) {
            (code::SUCCESS | code::FAILURE, []) => (None, rest),
            (code::REQUEST | code::RESPONSE, [kind, data @ ..]) => (Some(*kind), data),
            _ => return Err(format!("an EAP packet of code {code} that cannot be")),
        };
        Ok(Self {
            code,
            identifier,
            kind,
            data: data.to_vec(),
        })
    }
}

/// A packet with a type; its length is set.
#[must_use]
pub fn packet(code: u8, identifier: u8, kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + 1 + data.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    [&[code, identifier, high, low, kind], data].concat()
}

/// A packet of a method with flags, as it is on the wire.
#[must_use]
pub fn flagged(code: u8, identifier: u8, kind: u8, flags: u8, data: &[u8]) -> Vec<u8> {
    packet(code, identifier, kind, &[&[flags], data].concat())
}

/// Where the peer writes how long a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthFlag {
    /// On the first fragment of several, as RFC 5216 asks for.
    First,
    /// On each fragment, and on messages of one packet too, as Windows and wpa_supplicant do.
    Each,
    /// Nowhere.
    Never,
}

/// A message that is sent piece by piece; each piece is flags and data.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    message: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(super) const fn new(message: Vec<u8>) -> Self {
        Self { message, sent: 0 }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.sent >= self.message.len()
    }

    /// The next piece.
    pub(super) fn next(&mut self, octets: usize, length: LengthFlag, version: u8) -> Vec<u8> {
        let first = self.sent == 0;
        let end = self.message.len().min(self.sent + octets);
        let data = &self.message[self.sent..end];
        self.sent = end;
        let more = end < self.message.len();
        let says_length = match length {
            LengthFlag::First => first && more,
            // Never on an acknowledgement.
            LengthFlag::Each => !self.message.is_empty(),
            LengthFlag::Never => false,
        };
        let mut flags = version;
        if more {
            flags |= flag::MORE;
        }
        let mut piece = Vec::new();
        if says_length {
            flags |= flag::LENGTH;
            let total = u32::try_from(self.message.len()).unwrap();
            piece.extend_from_slice(&total.to_be_bytes());
        }
        piece.extend_from_slice(data);
        [&[flags], piece.as_slice()].concat()
    }
}

/// A message that comes piece by piece.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    message: Vec<u8>,
    total: Option<usize>,
}

/// What a piece made of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// It wants to be acknowledged.
    More,
    /// The whole message.
    Whole(Vec<u8>),
}

impl Incoming {
    /// Takes a piece without its flags.
    pub(super) fn take(&mut self, flags: u8, data: &[u8]) -> Result<Piece, String> {
        let mut data = data;
        if flags & flag::LENGTH != 0 {
            let (total, rest) = data.split_at_checked(4).ok_or("a length cut short")?;
            let total = usize::try_from(u32::from_be_bytes(total.try_into().unwrap())).unwrap();
            if self.total.is_some_and(|said| said != total) {
                return Err("a length that changes".to_owned());
            }
            self.total = Some(total);
            data = rest;
        }
        let more = flags & flag::MORE != 0;
        if more && self.total.is_none() {
            return Err("a first fragment without a length".to_owned());
        }
        if more && data.is_empty() {
            return Err("a fragment without data".to_owned());
        }
        self.message.extend_from_slice(data);
        if more {
            return Ok(Piece::More);
        }
        if self.total.is_some_and(|total| total != self.message.len()) {
            return Err("a message of another length than said".to_owned());
        }
        Ok(Piece::Whole(std::mem::take(self).message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a message, and what is made of them.
    fn cut(message: &[u8], octets: usize, length: LengthFlag) -> Vec<Vec<u8>> {
        let mut outgoing = Outgoing::new(message.to_vec());
        let mut pieces = vec![outgoing.next(octets, length, 1)];
        while !outgoing.is_done() {
            pieces.push(outgoing.next(octets, length, 1));
        }
        pieces
    }

    #[test]
    fn a_message_is_cut_as_asked() {
        for (name, message, length, want) in [
            ("whole", "ab", LengthFlag::First, vec!["\x01ab"]),
            (
                "cut",
                "abcd",
                LengthFlag::First,
                vec!["\u{c1}\0\0\0\x04abc", "\x01d"],
            ),
            (
                "each",
                "abcd",
                LengthFlag::Each,
                vec!["\u{c1}\0\0\0\x04abc", "\u{81}\0\0\0\x04d"],
            ),
            ("never", "abcd", LengthFlag::Never, vec!["\x41abc", "\x01d"]),
            ("nothing", "", LengthFlag::Each, vec!["\x01"]),
        ] {
            let latin = |text: &str| text.chars().map(|c| u8::try_from(c).unwrap()).collect();
            let want: Vec<Vec<u8>> = want.into_iter().map(latin).collect();
            assert_eq!(cut(message.as_bytes(), 3, length), want, "{name}");
        }
    }

    #[test]
    fn pieces_become_the_message_again() {
        for length in [LengthFlag::First, LengthFlag::Each] {
            let mut incoming = Incoming::default();
            let pieces = cut(b"abcdefgh", 3, length);
            let (last, before) = pieces.split_last().unwrap();
            for piece in before {
                assert_eq!(incoming.take(piece[0], &piece[1..]), Ok(Piece::More));
            }
            let whole = incoming.take(last[0], &last[1..]);
            assert_eq!(whole, Ok(Piece::Whole(b"abcdefgh".to_vec())));
        }
    }

    #[test]
    fn a_server_that_cuts_badly_is_caught() {
        for (name, pieces) in [
            ("no length on the first", vec![(flag::MORE, "abc")]),
            ("short", vec![(0xc0, "\0\0\0\x05abc"), (0, "d")]),
            (
                "another length",
                vec![(0xc0, "\0\0\0\x05abc"), (0x80, "\0\0\0\x06de")],
            ),
            ("length cut short", vec![(0x80, "\0\0")]),
        ] {
            let mut incoming = Incoming::default();
            let results: Vec<_> = pieces
                .iter()
                .map(|(flags, data)| incoming.take(*flags, data.as_bytes()))
                .collect();
            assert!(results.last().unwrap().is_err(), "{name}: {results:?}");
        }
    }

    #[test]
    fn packets_are_read_whole_or_not_at_all() {
        let read = Packet::read(&packet(code::REQUEST, 7, kind::GTC, b"hi")).unwrap();
        assert_eq!((read.identifier, read.kind), (7, Some(kind::GTC)));
        for bad in [
            &[1, 2, 0][..],
            &[1, 2, 0, 9, 6],
            &[1, 2, 0, 4],
            &[3, 2, 0, 5, 0],
            &[9, 2, 0, 4],
        ] {
            assert!(Packet::read(bad).is_err(), "{bad:?}");
        }
    }
}
