//! EAP packets (RFC 3748 section 4): what a peer answers and a server asks, read and written.

use std::fmt;

/// A method's number (RFC 3748 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EapType(pub(crate) u8);

impl EapType {
    pub(crate) const IDENTITY: Self = Self(1);
    /// Something to show, which is only acknowledged (RFC 3748 section 5.2).
    pub(super) const NOTIFICATION: Self = Self(2);
    pub(crate) const NAK: Self = Self(3);
    /// Generic Token Card (RFC 3748 section 5.6): a question, and an answer in clear.
    pub(crate) const GTC: Self = Self(6);
    /// EAP-TTLS (RFC 5281).
    pub(crate) const TTLS: Self = Self(21);
    pub(crate) const PEAP: Self = Self(25);
    /// EAP Extensions, which PEAPv0 ends with.
    pub(crate) const EXTENSIONS: Self = Self(33);

    const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "Identity",
            2 => "Notification",
            3 => "Nak",
            4 => "MD5-Challenge",
            5 => "OTP",
            6 => "GTC",
            13 => "TLS",
            21 => "TTLS",
            25 => "PEAP",
            26 => "MSCHAPv2",
            33 => "Extensions",
            43 => "FAST",
            52 => "PWD",
            55 => "TEAP",
            _ => return None,
        })
    }
}

impl fmt::Display for EapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "method {}", self.0),
        }
    }
}

/// A peer's answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    /// Of the request that it answers.
    pub(crate) identifier: u8,
    pub(crate) kind: EapType,
    /// What follows the type.
    pub(crate) data: &'a [u8],
}

impl<'a> Response<'a> {
    /// Reads one. Octets behind its length are padding (RFC 3748 section 4.1).
    ///
    /// # Errors
    /// It is no whole packet, or one that no peer sends.
    pub(crate) fn parse(octets: &'a [u8]) -> Result<Self, MalformedEap> {
        let [code, identifier, high, low, ..] = *octets else {
            return Err(MalformedEap::Short);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let packet = octets.get(..length).ok_or(MalformedEap::Length)?;
        if code != RESPONSE {
            return Err(MalformedEap::Code(code));
        }
        match packet.get(HEADER_OCTETS..) {
            Some([kind, data @ ..]) => Ok(Self {
                identifier,
                kind: EapType(*kind),
                data,
            }),
            Some([]) | None => Err(MalformedEap::Short),
        }
    }
}

/// Never shows the data: it may be a password.
impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.data.len();
        write!(f, "{} {}, {octets} octets", self.kind, self.identifier)
    }
}

/// What a server sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FromServer<'a> {
    /// It asks.
    Request {
        identifier: u8,
        kind: EapType,
        /// What follows the type.
        data: &'a [u8],
    },
    /// It says how the conversation ended; the identifier is that of the last response.
    End { identifier: u8, success: bool },
}

impl<'a> FromServer<'a> {
    /// Reads one. Octets behind its length are padding (RFC 3748 section 4.1).
    ///
    /// # Errors
    /// It is no whole packet, or one that no server sends.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, MalformedEap> {
        let [code, identifier, high, low, ..] = *octets else {
            return Err(MalformedEap::Short);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let packet = octets.get(..length).ok_or(MalformedEap::Length)?;
        match (code, packet.get(HEADER_OCTETS..)) {
            (REQUEST, Some([kind, data @ ..])) => Ok(Self::Request {
                identifier,
                kind: EapType(*kind),
                data,
            }),
            (SUCCESS | FAILURE, Some(_)) => Ok(Self::End {
                identifier,
                success: code == SUCCESS,
            }),
            (REQUEST | SUCCESS | FAILURE, _) => Err(MalformedEap::Short),
            _ => Err(MalformedEap::NotOfServer(code)),
        }
    }

    /// The same, but only if nothing stands behind it: then octets were meant to be one.
    pub(super) fn whole(octets: &'a [u8]) -> Option<Self> {
        let [_, _, high, low, ..] = *octets else {
            return None;
        };
        let whole = usize::from(u16::from_be_bytes([high, low])) == octets.len();
        Self::parse(octets).ok().filter(|_| whole)
    }
}

/// Writes a response.
pub(super) fn response(identifier: u8, kind: EapType, data: &[u8]) -> Vec<u8> {
    of_kind(RESPONSE, identifier, kind, data)
}

/// Writes a request.
pub(crate) fn request(identifier: u8, kind: EapType, data: &[u8]) -> Vec<u8> {
    of_kind(REQUEST, identifier, kind, data)
}

fn of_kind(code: u8, identifier: u8, kind: EapType, data: &[u8]) -> Vec<u8> {
    let length = HEADER_OCTETS + 1 + data.len();
    let mut packet = header(code, identifier, length);
    packet.push(kind.0);
    packet.extend_from_slice(data);
    packet
}

/// Writes the end of a conversation: the identifier is that of the last response (RFC 3748 section
/// 4.2).
pub(crate) fn end(identifier: u8, success: bool) -> Vec<u8> {
    let code = if success { SUCCESS } else { FAILURE };
    header(code, identifier, HEADER_OCTETS)
}

fn header(code: u8, identifier: u8, length: usize) -> Vec<u8> {
    // No packet of ours is longer: messages are fragmented, and texts are cut.
    let octets = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = Vec::with_capacity(length);
    packet.extend_from_slice(&[code, identifier]);
    packet.extend_from_slice(&octets);
    packet
}

/// Why octets are no packet of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedEap {
    /// There is no whole header, or a response without a type.
    #[error("the EAP packet is too short")]
    Short,
    /// Its length is more than there is.
    #[error("the EAP packet's length is more than came")]
    Length,
    /// Requests, successes and failures are ours to send.
    #[error("an EAP packet of code {0} is none that a peer sends")]
    Code(u8),
    /// A response, or a code that there is not.
    #[error("an EAP packet of code {0} is none that a server sends")]
    NotOfServer(u8),
}

/// Code, identifier and length.
pub(crate) const HEADER_OCTETS: usize = 4;
const REQUEST: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const SUCCESS: u8 = 3;
pub(crate) const FAILURE: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Octets, and what is read: identifier, type and data.
    type Row<'a> = (&'a [u8], Result<(u8, u8, &'a [u8]), MalformedEap>);

    #[test]
    fn a_response_is_read_within_its_length() {
        let table: [Row<'_>; 8] = [
            (b"\x02\x07\x00\x0a\x01alice", Ok((7, 1, b"alice"))),
            (b"\x02\x07\x00\x05\x03", Ok((7, 3, b""))),
            (b"\x02\x07\x00\x06\x06ab", Ok((7, 6, b"a"))),
            (b"", Err(MalformedEap::Short)),
            (b"\x02\x07\x00", Err(MalformedEap::Short)),
            (b"\x02\x07\x00\x04", Err(MalformedEap::Short)),
            (b"\x02\x07\x00\x07\x01a", Err(MalformedEap::Length)),
            (b"\x01\x07\x00\x05\x01", Err(MalformedEap::Code(1))),
        ];
        for (octets, want) in table {
            let got = Response::parse(octets).map(|r| (r.identifier, r.kind.0, r.data));
            assert_eq!(got, want, "{octets:?}");
        }
    }

    /// Octets, and what is read: the identifier, then type and data or how it ended.
    type FromServerRow<'a> = (&'a [u8], Result<FromServer<'a>, MalformedEap>, bool);

    #[test]
    fn what_a_server_sends_is_read_within_its_length() {
        let request = |identifier, kind, data| {
            Ok(FromServer::Request {
                identifier,
                kind: EapType(kind),
                data,
            })
        };
        let end = |identifier, success| {
            Ok(FromServer::End {
                identifier,
                success,
            })
        };
        let table: [FromServerRow<'_>; 9] = [
            (b"\x01\x07\x00\x06\x19\x21", request(7, 25, b"\x21"), true),
            (b"\x01\x07\x00\x05\x01pad", request(7, 1, b""), false),
            (b"\x03\x09\x00\x04", end(9, true), true),
            (b"\x04\x09\x00\x04pad", end(9, false), false),
            (b"\x03\x09\x00", Err(MalformedEap::Short), false),
            (b"\x03\x09\x00\x03", Err(MalformedEap::Short), false),
            (b"\x01\x09\x00\x04", Err(MalformedEap::Short), false),
            (b"\x01\x07\x00\x07\x01a", Err(MalformedEap::Length), false),
            (
                b"\x02\x07\x00\x05\x01",
                Err(MalformedEap::NotOfServer(2)),
                false,
            ),
        ];
        for (octets, want, whole) in table {
            assert!(FromServer::parse(octets) == want, "{octets:?}");
            assert_eq!(FromServer::whole(octets).is_some(), whole, "{octets:?}");
        }
    }

    #[test]
    fn packets_of_ours_have_their_octets() {
        assert_eq!(
            request(3, EapType::PEAP, &[0x21]),
            b"\x01\x03\x00\x06\x19\x21"
        );
        assert_eq!(
            response(3, EapType::NAK, &[25]),
            b"\x02\x03\x00\x06\x03\x19"
        );
        assert_eq!(end(9, true), b"\x03\x09\x00\x04");
        assert_eq!(end(9, false), b"\x04\x09\x00\x04");
    }

    #[test]
    fn an_answer_is_not_shown() {
        let response = Response::parse(b"\x02\x07\x00\x0a\x06alice").unwrap();
        assert_eq!(format!("{response:?}"), "GTC 7, 5 octets");
    }

    proptest! {
        #[test]
        fn no_octets_are_too_strange(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(response) = Response::parse(&octets) {
                prop_assert!(response.data.len() + 5 <= octets.len());
            }
        }
    }
}
