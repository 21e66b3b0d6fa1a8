//! TLS messages in EAP packets, as PEAP and EAP-TTLS have them: a flags octet, perhaps the whole
//! length, and a fragment (RFC 5281 section 9.1, RFC 5216 section 2.1.5).

use std::fmt;

/// What a packet of the peer brought.
#[derive(PartialEq, Eq)]
pub(super) enum Received {
    /// A fragment: it is to be acknowledged, and more follows.
    Fragment,
    /// A whole message; empty when the peer acknowledges ours.
    Message(Vec<u8>),
}

/// Puts the peer's fragments together.
#[derive(Default)]
pub(super) struct Incoming {
    message: Vec<u8>,
    /// What the peer says that the whole is.
    total: Option<usize>,
}

impl Incoming {
    /// Takes what follows the type.
    ///
    /// # Errors
    /// [`BadFraming`]: the conversation cannot go on.
    pub(super) fn receive(&mut self, data: &[u8]) -> Result<Received, BadFraming> {
        let (flags, rest) = data.split_first().ok_or(BadFraming::NoFlags)?;
        if flags & START != 0 {
            return Err(BadFraming::Start);
        }
        let rest = match flags & LENGTH {
            0 => rest,
            _ => {
                let (total, rest) = rest.split_first_chunk().ok_or(BadFraming::Length)?;
                let total = usize::try_from(u32::from_be_bytes(*total)).unwrap_or(usize::MAX);
                // Said with each fragment by some: then always the same.
                if self
                    .total
                    .replace(total)
                    .is_some_and(|before| before != total)
                {
                    return Err(BadFraming::Length);
                }
                if total > MAX_MESSAGE_OCTETS {
                    return Err(BadFraming::TooLong);
                }
                rest
            }
        };
        let more = flags & MORE != 0;
        let length = self.message.len() + rest.len();
        if length > self.total.unwrap_or(MAX_MESSAGE_OCTETS) {
            return Err(match self.total {
                Some(_) => BadFraming::Length,
                None => BadFraming::TooLong,
            });
        }
        // A fragment of nothing would have us go round for ever.
        if more && rest.is_empty() {
            return Err(BadFraming::Empty);
        }
        self.message.extend_from_slice(rest);
        if more {
            return Ok(Received::Fragment);
        }
        let total = self.total.take();
        let message = std::mem::take(&mut self.message);
        match total {
            Some(total) if total != message.len() => Err(BadFraming::Length),
            _ => Ok(Received::Message(message)),
        }
    }

    /// Octets kept.
    pub(super) const fn octets(&self) -> usize {
        self.message.capacity()
    }
}

/// A message of ours on its way, a fragment at a time.
#[derive(Default)]
pub(super) struct Outgoing {
    message: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(super) const fn new(message: Vec<u8>) -> Self {
        Self { message, sent: 0 }
    }

    /// Whether the peer's next packet is to acknowledge a fragment.
    pub(super) fn is_under_way(&self) -> bool {
        self.sent < self.message.len()
    }

    /// The next fragment with its flags and at most so many octets of the message; an
    /// acknowledgement when there is none.
    pub(super) fn next(&mut self, version: u8, octets: usize) -> Vec<u8> {
        let left = self.message.get(self.sent..).unwrap_or_default();
        let (fragment, rest) = left.split_at(octets.max(1).min(left.len()));
        let more = if rest.is_empty() { 0 } else { MORE };
        let mut data = Vec::with_capacity(1 + TOTAL_OCTETS + fragment.len());
        // The first fragment of several says how long the whole is; an acknowledgement never does.
        if self.sent == 0 && more != 0 {
            let total = u32::try_from(self.message.len()).unwrap_or(u32::MAX);
            data.push(LENGTH | more | version);
            data.extend_from_slice(&total.to_be_bytes());
        } else {
            data.push(more | version);
        }
        data.extend_from_slice(fragment);
        self.sent += fragment.len();
        if !self.is_under_way() {
            *self = Self::default();
        }
        data
    }

    /// Octets kept.
    pub(super) const fn octets(&self) -> usize {
        self.message.capacity()
    }
}

/// Neither shows what goes through it.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets received", self.message.len())
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} octets sent", self.sent, self.message.len())
    }
}

/// The first packet of a method: no more than the highest version that we speak.
pub(super) fn start(version: u8) -> Vec<u8> {
    vec![START | version]
}

/// Whether a packet is such a first one.
pub(super) fn is_start(data: &[u8]) -> bool {
    data.first().is_some_and(|flags| flags & START != 0)
}

/// The version that a packet of the other side is of.
pub(super) fn version(data: &[u8]) -> Option<u8> {
    data.first().map(|flags| flags & VERSION)
}

/// Why a packet's framing makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFraming {
    /// The flags are missing.
    #[error("the packet has no flags")]
    NoFlags,
    /// Only we start.
    #[error("the supplicant sent a start")]
    Start,
    /// The length is cut, changes, or is not that of the message.
    #[error("the length of the message is not what was said")]
    Length,
    /// More than [`MAX_MESSAGE_OCTETS`].
    #[error("the message is longer than {MAX_MESSAGE_OCTETS} octets")]
    TooLong,
    /// More is to follow nothing.
    #[error("a fragment is empty")]
    Empty,
}

/// The longest message of a peer, put together. Without a certificate it needs under 2 KiB; with one
/// it would need some more.
pub(crate) const MAX_MESSAGE_OCTETS: usize = 65_536;

const LENGTH: u8 = 0x80;
const MORE: u8 = 0x40;
const START: u8 = 0x20;
const VERSION: u8 = 0x07;
const TOTAL_OCTETS: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(octets: &[u8]) -> Result<Received, BadFraming> {
        Ok(Received::Message(octets.to_vec()))
    }

    /// What it is, its packets, what comes of the last.
    type Row<'a> = (&'a str, &'a [&'a [u8]], Result<Received, BadFraming>);

    #[test]
    fn each_kind_of_packet_is_taken() {
        let table: [Row<'_>; 14] = [
            ("acknowledgement", &[b"\x01"], message(b"")),
            ("one packet", &[b"\x00abc"], message(b"abc")),
            ("with its length", &[b"\x80\0\0\0\x03abc"], message(b"abc")),
            (
                "two fragments",
                &[b"\xc0\0\0\0\x05abc", b"\x00de"],
                message(b"abcde"),
            ),
            (
                "the length said each time",
                &[b"\xc0\0\0\0\x05ab", b"\xc0\0\0\0\x05cd", b"\x80\0\0\0\x05e"],
                message(b"abcde"),
            ),
            (
                "no length at all",
                &[b"\x40abc", b"\x00de"],
                message(b"abcde"),
            ),
            ("no flags", &[b""], Err(BadFraming::NoFlags)),
            ("start", &[b"\x20"], Err(BadFraming::Start)),
            ("half a length", &[b"\x80\0\0"], Err(BadFraming::Length)),
            (
                "shorter than said",
                &[b"\x80\0\0\0\x04abc"],
                Err(BadFraming::Length),
            ),
            (
                "longer than said",
                &[b"\xc0\0\0\0\x02abc"],
                Err(BadFraming::Length),
            ),
            (
                "another length",
                &[b"\xc0\0\0\0\x05ab", b"\x80\0\0\0\x04cd"],
                Err(BadFraming::Length),
            ),
            ("endless", &[b"\x80\0\x01\0\x01a"], Err(BadFraming::TooLong)),
            ("an empty fragment", &[b"\x40"], Err(BadFraming::Empty)),
        ];
        for (name, packets, want) in table {
            let mut incoming = Incoming::default();
            let mut got = Err(BadFraming::NoFlags);
            for packet in packets {
                got = incoming.receive(packet);
            }
            assert!(got == want, "{name}");
        }
    }

    #[test]
    fn fragments_without_a_length_are_bounded() {
        let mut incoming = Incoming::default();
        let fragment = [&[MORE][..], &[1; 4_000]].concat();
        let refused = (0..20).find_map(|_| incoming.receive(&fragment).err());
        assert_eq!(refused, Some(BadFraming::TooLong));
        assert!(incoming.octets() <= 2 * MAX_MESSAGE_OCTETS);
    }

    #[test]
    fn what_is_sent_has_its_flags() {
        let mut one = Outgoing::new(b"abc".to_vec());
        assert_eq!(one.next(1, 10), b"\x01abc");
        assert!(!one.is_under_way());
        assert_eq!(one.next(1, 10), b"\x01", "an acknowledgement");
        let mut two = Outgoing::new(b"abcde".to_vec());
        assert_eq!(two.next(0, 3), b"\xc0\0\0\0\x05abc");
        assert!(two.is_under_way());
        assert_eq!(two.next(0, 3), b"\x00de");
        assert_eq!(start(1), b"\x21");
        assert_eq!(version(b"\x81\0\0\0\0"), Some(1));
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_arrives(
            octets in proptest::collection::vec(any::<u8>(), 0..5_000),
            size in 1_usize..1_500,
            version in 0_u8..2,
        ) {
            let mut outgoing = Outgoing::new(octets.clone());
            let mut incoming = Incoming::default();
            let mut packets = 0;
            let got = loop {
                let data = outgoing.next(version, size);
                prop_assert!(data.len() <= size + 5);
                packets += 1;
                match incoming.receive(&data).unwrap() {
                    Received::Fragment => prop_assert!(outgoing.is_under_way()),
                    Received::Message(message) => break message,
                }
            };
            prop_assert_eq!(packets, octets.len().div_ceil(size).max(1));
            prop_assert_eq!(got, octets);
        }

        #[test]
        fn no_packets_are_too_strange(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..60),
        ) {
            let mut incoming = Incoming::default();
            for packet in &packets {
                if incoming.receive(packet).is_err() {
                    break;
                }
            }
            prop_assert!(incoming.octets() <= 2 * MAX_MESSAGE_OCTETS);
        }
    }
}
