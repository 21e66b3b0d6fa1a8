//! What a hostile peer does to the response that waits to be sent.

use super::{
    Session,
    packet::{self, FLAGGED, HEADER, code, flag, kind},
};

/// One change to the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mischief {
    /// Another identifier than that of the request.
    WrongIdentifier,
    /// Another version of the method than agreed on.
    OtherVersion,
    /// The flag by which the server begins.
    StartFlag,
    /// A first fragment that says the whole has this many octets.
    HugeLength(u32),
    /// This many octets that are no TLS, in one message.
    Garbage(usize),
    /// This many octets of zero behind the packet's end, in EAP-Message.
    Padded(usize),
    /// A length field that goes past the end.
    PastTheEnd,
    /// A length in the flags, and nothing behind it.
    LengthCutShort,
    /// The flags alone: an acknowledgement where none is due.
    Acknowledgement,
    /// A password by GTC, outside any tunnel.
    PlainGtc(String),
    /// A Nak that wants these types.
    Nak(Vec<u8>),
    /// The name once more.
    Identity,
    /// The code of a request.
    Request,
    /// EAP-Start: an empty EAP-Message without State (RFC 3579 section 2.1).
    Start,
}

impl Session {
    /// Changes the response that waits; [`Session::step`] or [`Session::send`] sends it.
    pub fn misbehave(&mut self, mischief: &Mischief) {
        let (kind, identifier) = (self.peer().kind(), self.peer().identifier);
        let identity = self.peer().identity();
        if *mischief == Mischief::Start {
            *self.state() = None;
        }
        let response = self.response();
        let flags = response.get(FLAGGED - 1).copied().unwrap_or_default();
        let flagged =
            |flags, data: &[u8]| packet::flagged(code::RESPONSE, identifier, kind, flags, data);
        match mischief {
            Mischief::WrongIdentifier => response[1] = identifier.wrapping_add(7),
            Mischief::OtherVersion => response[FLAGGED - 1] ^= 1,
            Mischief::StartFlag => response[FLAGGED - 1] |= flag::START,
            Mischief::HugeLength(total) => {
                let data = [&total.to_be_bytes()[..], &[0x16; 200]].concat();
                let version = flags & flag::VERSION;
                *response = flagged(flag::LENGTH | flag::MORE | version, &data);
            }
            Mischief::Garbage(octets) => {
                *response = flagged(flags & flag::VERSION, &vec![0xa5; *octets]);
            }
            Mischief::Padded(octets) => response.resize(response.len() + octets, 0),
            Mischief::PastTheEnd => {
                let length = u16::try_from(response.len() + 9).unwrap();
                response[2..HEADER].copy_from_slice(&length.to_be_bytes());
            }
            Mischief::LengthCutShort => {
                *response = flagged(flag::LENGTH | flags & flag::VERSION, &[0, 0]);
            }
            Mischief::Acknowledgement => *response = flagged(flags & flag::VERSION, &[]),
            Mischief::PlainGtc(password) => {
                *response =
                    packet::packet(code::RESPONSE, identifier, kind::GTC, password.as_bytes());
            }
            Mischief::Nak(wanted) => {
                *response = packet::packet(code::RESPONSE, identifier, kind::NAK, wanted);
            }
            Mischief::Identity => *response = identity,
            Mischief::Request => response[0] = code::REQUEST,
            Mischief::Start => response.clear(),
        }
    }
}
