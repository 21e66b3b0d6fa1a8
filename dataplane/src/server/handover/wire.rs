//! What two processes of one node say to each other: frames of a type, a length and a body. Pure.
//!
//! Both ends are this program under this user, perhaps in two versions; still nothing is believed
//! before it was read whole, and no length is taken for granted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::radius::{AUTHENTICATOR_OCTETS, Authenticator};
use crate::server::dedup::{Kept, Key};
use crate::server::socket::Asked;
use crate::state::tables::{NAME_OCTETS, NONCE_OCTETS};

/// One frame. `Debug` shows nothing of what is in it.
pub(crate) enum Frame {
    /// Old to new: what is served, as JSON. As many sockets follow as it says.
    Offer(Zeroizing<Vec<u8>>),
    /// New to old: it serves the same, and waits for the sockets.
    Take,
    /// Old to new: a request that is in progress or was answered; whether it is of EAP.
    Kept(bool, Kept),
    /// Old to new: a State that was used, and until when it would have been good.
    Used(u64, [u8; NONCE_OCTETS]),
    /// Old to new: States that end by then may have been used.
    Forgotten(u64),
    /// Old to new: a login's context that fits no State.
    Spilled(u64, [u8; NAME_OCTETS], Zeroizing<Vec<u8>>),
    /// Old to new: this was all of it. What comes from here on is news.
    Complete,
    /// New to old: from here on it reads the sockets.
    Serving,
    /// Old to new: an answer, to be kept and sent.
    Answer(Reply),
    /// Old to new: a request that ends without an answer.
    Abandoned(Which),
    /// New to old: a datagram that only the old one can answer.
    Forward(Forward),
    /// New to old: it was told to stop, and so is this node.
    Stops,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "frame {}", self.kind())
    }
}

/// A request, by what it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Which {
    /// Whether the cache of EAP has it.
    pub(crate) eap: bool,
    pub(crate) key: Key,
    pub(crate) authenticator: Authenticator,
}

/// An answer and where it goes.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) which: Which,
    /// The socket, by its address.
    pub(crate) local: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) asked: Asked,
    pub(crate) octets: Arc<[u8]>,
}

/// A datagram, and how it came.
pub(crate) struct Forward {
    pub(crate) local: SocketAddr,
    pub(crate) source: SocketAddr,
    pub(crate) asked: Asked,
    pub(crate) datagram: Box<[u8]>,
}

/// What is no frame of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
    #[error("a frame of kind {0} with {1} octets, which is too long")]
    TooLong(u8, usize),
    #[error("a frame of kind {0} is cut short or has more than belongs to it")]
    Malformed(u8),
}

/// Type and length.
pub(super) const HEADER_OCTETS: usize = 5;

impl Frame {
    const fn kind(&self) -> u8 {
        match self {
            Self::Offer(_) => 1,
            Self::Take => 2,
            Self::Kept(..) => 3,
            Self::Used(..) => 4,
            Self::Forgotten(_) => 5,
            Self::Spilled(..) => 6,
            Self::Complete => 7,
            Self::Serving => 8,
            Self::Answer(_) => 9,
            Self::Abandoned(_) => 10,
            Self::Forward(_) => 11,
            Self::Stops => 12,
        }
    }

    /// Its octets; it may hold keys.
    pub(super) fn write(&self, out: &mut Zeroizing<Vec<u8>>) {
        let mut body = Writer(Zeroizing::new(Vec::new()));
        match self {
            Self::Offer(json) => body.octets(json),
            Self::Take | Self::Complete | Self::Serving | Self::Stops => {}
            Self::Kept(eap, kept) => {
                body.flag(*eap);
                body.flag(kept.superseded);
                body.key(&kept.key);
                body.octets(&kept.authenticator);
                body.flag(kept.answer.is_some());
                if let Some((octets, age)) = &kept.answer {
                    body.number(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
                    body.octets(octets);
                }
            }
            Self::Used(until, nonce) => {
                body.number(*until);
                body.octets(nonce);
            }
            Self::Forgotten(until) => body.number(*until),
            Self::Spilled(until, name, context) => {
                body.number(*until);
                body.octets(name);
                body.octets(context);
            }
            Self::Answer(reply) => {
                body.which(&reply.which);
                body.socket_address(reply.local);
                body.socket_address(reply.to);
                body.asked(reply.asked);
                body.octets(&reply.octets);
            }
            Self::Abandoned(which) => body.which(which),
            Self::Forward(forward) => {
                body.socket_address(forward.local);
                body.socket_address(forward.source);
                body.asked(forward.asked);
                body.octets(&forward.datagram);
            }
        }
        out.push(self.kind());
        // No body comes near this bound: the longest is refused by who reads it.
        let length = u32::try_from(body.0.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&body.0);
    }

    /// How many octets follow a header.
    pub(super) fn body_octets(header: [u8; HEADER_OCTETS]) -> Result<usize, BadFrame> {
        let [kind, length @ ..] = header;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let most = if kind == 1 { OFFER_OCTETS } else { BODY_OCTETS };
        match (1..=LAST_KIND).contains(&kind) {
            false => Err(BadFrame::Kind(kind)),
            true if length > most => Err(BadFrame::TooLong(kind, length)),
            true => Ok(length),
        }
    }

    pub(super) fn read(kind: u8, body: &[u8]) -> Result<Self, BadFrame> {
        if !(1..=LAST_KIND).contains(&kind) {
            return Err(BadFrame::Kind(kind));
        }
        let mut reader = Reader(body);
        let frame = Self::parse(kind, &mut reader).ok_or(BadFrame::Malformed(kind))?;
        match reader.0.is_empty() {
            true => Ok(frame),
            false => Err(BadFrame::Malformed(kind)),
        }
    }

    fn parse(kind: u8, body: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            1 => Self::Offer(Zeroizing::new(body.rest().to_vec())),
            2 => Self::Take,
            3 => {
                let (eap, superseded) = (body.flag()?, body.flag()?);
                let (key, authenticator) = (body.key()?, body.take::<AUTHENTICATOR_OCTETS>()?);
                let answer = match body.flag()? {
                    true => {
                        let age = Duration::from_millis(body.number()?);
                        Some((body.packet()?.into(), age))
                    }
                    false => None,
                };
                let kept = Kept {
                    key,
                    authenticator,
                    superseded,
                    answer,
                };
                Self::Kept(eap, kept)
            }
            4 => Self::Used(body.number()?, body.take()?),
            5 => Self::Forgotten(body.number()?),
            6 => {
                let (until, name) = (body.number()?, body.take()?);
                Self::Spilled(until, name, Zeroizing::new(body.rest().to_vec()))
            }
            7 => Self::Complete,
            8 => Self::Serving,
            9 => Self::Answer(Reply {
                which: body.which()?,
                local: body.socket_address()?,
                to: body.socket_address()?,
                asked: body.asked()?,
                octets: body.packet()?.into(),
            }),
            10 => Self::Abandoned(body.which()?),
            11 => Self::Forward(Forward {
                local: body.socket_address()?,
                source: body.socket_address()?,
                asked: body.asked()?,
                datagram: body.packet()?.into(),
            }),
            12 => Self::Stops,
            _ => return None,
        })
    }
}

const LAST_KIND: u8 = 12;

struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    fn number(&mut self, number: u64) {
        self.octets(&number.to_be_bytes());
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                self.0.push(4);
                self.octets(&v4.octets());
            }
            IpAddr::V6(v6) => {
                self.0.push(6);
                self.octets(&v6.octets());
            }
        }
    }

    fn socket_address(&mut self, address: SocketAddr) {
        self.address(address.ip());
        self.octets(&address.port().to_be_bytes());
        if let SocketAddr::V6(v6) = address {
            self.octets(&v6.scope_id().to_be_bytes());
        }
    }

    fn asked(&mut self, Asked(asked): Asked) {
        match asked {
            Some(address) => self.address(address),
            None => self.0.push(0),
        }
    }

    fn key(&mut self, key: &Key) {
        let (address, port, local_port, identifier) = key.parts();
        self.address(address);
        self.octets(&port.to_be_bytes());
        self.octets(&local_port.to_be_bytes());
        self.0.push(identifier);
    }

    fn which(&mut self, which: &Which) {
        self.flag(which.eap);
        self.key(&which.key);
        self.octets(&which.authenticator);
    }
}

/// What was not read yet. Each method takes from its front; none when it is not there.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A datagram: all the rest, of a length that one has.
    fn packet(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        (rest.len() <= PACKET_OCTETS).then_some(rest)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn asked(&mut self) -> Option<Asked> {
        let [family] = self.take()?;
        match family {
            0 => Some(Asked(None)),
            family => self.address_of(family).map(|address| Asked(Some(address))),
        }
    }

    fn address(&mut self) -> Option<IpAddr> {
        let [family] = self.take()?;
        self.address_of(family)
    }

    fn address_of(&mut self, family: u8) -> Option<IpAddr> {
        match family {
            4 => self.take::<4>().map(IpAddr::from),
            6 => self.take::<16>().map(IpAddr::from),
            _ => None,
        }
    }

    fn socket_address(&mut self) -> Option<SocketAddr> {
        let (address, port) = (self.address()?, self.short()?);
        Some(match address {
            IpAddr::V4(_) => SocketAddr::new(address, port),
            IpAddr::V6(address) => self.scoped(address, port)?,
        })
    }

    fn scoped(&mut self, address: Ipv6Addr, port: u16) -> Option<SocketAddr> {
        let scope = self.take().map(u32::from_be_bytes)?;
        Some(SocketAddrV6::new(address, port, 0, scope).into())
    }

    fn key(&mut self) -> Option<Key> {
        let (address, port, local_port) = (self.address()?, self.short()?, self.short()?);
        let [identifier] = self.take()?;
        let source = SocketAddr::new(address, port);
        Some(Key::new(source, local_port, identifier))
    }

    fn which(&mut self) -> Option<Which> {
        Some(Which {
            eap: self.flag()?,
            key: self.key()?,
            authenticator: self.take()?,
        })
    }
}

/// The longest body of any frame but an offer: a context that fits no State, and what stands before it.
const BODY_OCTETS: usize = 16 * 1024;

/// The longest offer: a message between the planes may be as long.
const OFFER_OCTETS: usize = 64 * 1024 * 1024;

/// A RADIUS packet, and the octet more that tells that one was longer.
const PACKET_OCTETS: usize = 4_097;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(frame: &Frame) -> Vec<u8> {
        let mut out = Zeroizing::new(Vec::new());
        frame.write(&mut out);
        out.to_vec()
    }

    fn frames() -> Vec<Frame> {
        let v4: SocketAddr = "192.0.2.1:1812".parse().unwrap();
        let v6: SocketAddr = SocketAddrV6::new("fe80::1".parse().unwrap(), 1812, 0, 3).into();
        let which = |source| Which {
            eap: true,
            key: Key::new(source, 1812, 7),
            authenticator: [9; 16],
        };
        let kept = |answer| Kept {
            key: Key::new(v6, 1812, 7),
            authenticator: [1; 16],
            superseded: true,
            answer,
        };
        let answer: Arc<[u8]> = vec![2; 20].into();
        vec![
            Frame::Offer(Zeroizing::new(b"{}".to_vec())),
            Frame::Take,
            Frame::Kept(false, kept(None)),
            Frame::Kept(true, kept(Some((answer.clone(), Duration::from_secs(3))))),
            Frame::Used(17, [4; NONCE_OCTETS]),
            Frame::Forgotten(5),
            Frame::Spilled(8, [5; NAME_OCTETS], Zeroizing::new(vec![6; 8_192])),
            Frame::Complete,
            Frame::Serving,
            Frame::Answer(Reply {
                which: which(v4),
                local: v4,
                to: v6,
                asked: Asked(Some(v4.ip())),
                octets: answer,
            }),
            Frame::Abandoned(which(v6)),
            Frame::Forward(Forward {
                local: v6,
                source: v4,
                asked: Asked(None),
                datagram: vec![3; 4_097].into(),
            }),
            Frame::Stops,
        ]
    }

    #[test]
    fn what_was_written_is_read() {
        for frame in frames() {
            let octets = written(&frame);
            let (header, body) = octets.split_first_chunk::<HEADER_OCTETS>().unwrap();
            assert_eq!(Frame::body_octets(*header), Ok(body.len()), "{frame:?}");
            let read = Frame::read(header[0], body).unwrap();
            assert_eq!(written(&read), octets, "{frame:?}");
        }
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_no_frame() {
        for frame in frames() {
            let octets = written(&frame);
            let (kind, body) = (octets[0], &octets[HEADER_OCTETS..]);
            let open_ended = matches!(kind, 1 | 3 | 6 | 9 | 11);
            if !open_ended {
                let longer = [body, b"x"].concat();
                let read = Frame::read(kind, &longer).map(|_| ());
                assert_eq!(read, Err(BadFrame::Malformed(kind)), "{frame:?}");
            }
            if !open_ended && !body.is_empty() {
                let read = Frame::read(kind, &body[..body.len() - 1]).map(|_| ());
                assert_eq!(read, Err(BadFrame::Malformed(kind)), "{frame:?}");
            }
        }
        assert_eq!(
            Frame::read(11, &[9]).map(|_| ()),
            Err(BadFrame::Malformed(11))
        );
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_read() {
        for (name, header, want) in [
            ("no kind", [0, 0, 0, 0, 0], Err(BadFrame::Kind(0))),
            ("a later kind", [13, 0, 0, 0, 0], Err(BadFrame::Kind(13))),
            ("the longest", [9, 0, 0, 0x40, 0], Ok(16_384)),
            (
                "one more",
                [9, 0, 0, 0x40, 1],
                Err(BadFrame::TooLong(9, 16_385)),
            ),
            ("an offer", [1, 4, 0, 0, 0], Ok(67_108_864)),
            (
                "one more",
                [1, 4, 0, 0, 1],
                Err(BadFrame::TooLong(1, 67_108_865)),
            ),
            (
                "all ones",
                [3, 255, 255, 255, 255],
                Err(BadFrame::TooLong(3, 0xffff_ffff)),
            ),
        ] {
            assert_eq!(Frame::body_octets(header), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_are_too_strange(kind in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frame) = Frame::read(kind, &body) {
                let octets = written(&frame);
                prop_assert_eq!(octets[0], kind);
                let again = Frame::read(kind, &octets[HEADER_OCTETS..]).unwrap();
                prop_assert_eq!(written(&again), octets);
            }
        }
    }
}
