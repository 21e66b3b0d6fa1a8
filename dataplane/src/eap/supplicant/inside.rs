//! What a supplicant of PEAP answers inside the tunnel: who it is, what is asked, and how it ended.

use std::fmt;

use proto::secret::Secret;

use super::fault::ServerFault;
use crate::eap::binding::Binding;
use crate::eap::packet::{self, EapType, FromServer, HEADER_OCTETS};
use crate::eap::peap::{Told, result_tlv};
use crate::eap::tunnel::KeyingMaterial;

/// The supplicant's end of what is said inside.
pub(super) struct Inside {
    version: u8,
    user: String,
    /// The question that waits for its answer: its identifier.
    asked: Option<u8>,
    /// What the server says of the end.
    result: Option<bool>,
    binding: Option<Binding>,
}

/// What to say through the tunnel.
pub(super) enum Reply {
    Say(Secret<Vec<u8>>),
    /// Nothing, but an acknowledgement outside.
    Acknowledge,
    /// First this has to be answered.
    Asked(String),
    /// Says it, and does not go on.
    Refuse(Secret<Vec<u8>>, ServerFault),
}

impl Inside {
    pub(super) const fn new(version: u8, user: String) -> Self {
        Self {
            version,
            user,
            asked: None,
            result: None,
            binding: None,
        }
    }

    /// Takes what the server says, with its header or without; `keys` are the tunnel's.
    pub(super) fn receive(
        &mut self,
        clear: &[u8],
        keys: impl FnOnce() -> Option<KeyingMaterial>,
    ) -> Result<Reply, ServerFault> {
        if self.result.is_some() {
            return Err(ServerFault::Inner("it goes on after the end"));
        }
        if self.asked.is_some() {
            return Err(ServerFault::Inner("it goes on before it was answered"));
        }
        match (FromServer::whole(clear), clear) {
            (
                Some(FromServer::Request {
                    identifier,
                    kind: EapType::EXTENSIONS,
                    data,
                }),
                _,
            ) if self.version == 0 => self.told(identifier, data, keys),
            (
                Some(FromServer::Request {
                    identifier,
                    kind,
                    data,
                }),
                _,
            ) => Ok(self.request(identifier, kind, data)),
            (Some(FromServer::End { success, .. }), _) if self.version > 0 => {
                self.result = Some(success);
                Ok(Reply::Acknowledge)
            }
            // The headers are left out in version 0, but for those of the end.
            (_, [kind, data @ ..]) if self.version == 0 && *kind != EapType::EXTENSIONS.0 => {
                Ok(self.request(0, EapType(*kind), data))
            }
            _ => Err(ServerFault::Inner("what it says is no EAP request")),
        }
    }

    /// Answers the question.
    pub(super) fn answer(&mut self, typed: &[u8]) -> Result<Reply, ServerFault> {
        let identifier = self
            .asked
            .take()
            .ok_or(ServerFault::Inner("nothing was asked"))?;
        if typed.len() > MAX_ANSWER_OCTETS {
            return Err(ServerFault::Typed(MAX_ANSWER_OCTETS));
        }
        Ok(self.say(identifier, EapType::GTC, typed))
    }

    /// Whether the server said that the user is let in.
    pub(super) fn told_success(&self) -> bool {
        self.result == Some(true)
    }

    /// What replaces the tunnel's keys, where the server proved to be its other end.
    pub(super) const fn bound(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    fn request(&mut self, identifier: u8, kind: EapType, data: &[u8]) -> Reply {
        match kind {
            EapType::IDENTITY => self.say(identifier, kind, self.user.as_bytes()),
            EapType::NOTIFICATION => self.say(identifier, kind, &[]),
            EapType::GTC => {
                self.asked = Some(identifier);
                Reply::Asked(String::from_utf8_lossy(data).into_owned())
            }
            _ => self.say(identifier, EapType::NAK, &[EapType::GTC.0]),
        }
    }

    /// The end of version 0, perhaps with a proof of which tunnel it belongs to.
    fn told(
        &mut self,
        identifier: u8,
        tlvs: &[u8],
        keys: impl FnOnce() -> Option<KeyingMaterial>,
    ) -> Result<Reply, ServerFault> {
        let told = Told::of(tlvs).ok_or(ServerFault::Inner("the result it tells is malformed"))?;
        let said =
            |tlvs: &[u8]| Secret::new(packet::response(identifier, EapType::EXTENSIONS, tlvs));
        let mut answer = result_tlv(told.success);
        if let Some(asked) = told.binding.filter(|_| told.success) {
            let Some((binding, tlv)) = keys().and_then(|keys| Binding::answer(&keys, asked)) else {
                return Ok(Reply::Refuse(
                    said(&result_tlv(false)),
                    ServerFault::Binding,
                ));
            };
            answer.extend_from_slice(&tlv);
            self.binding = Some(binding);
        }
        self.result = Some(told.success);
        Ok(Reply::Say(said(&answer)))
    }

    fn say(&self, identifier: u8, kind: EapType, data: &[u8]) -> Reply {
        let packet = packet::response(identifier, kind, data);
        Reply::Say(Secret::new(match self.version {
            0 => packet.get(HEADER_OCTETS..).unwrap_or_default().to_vec(),
            _ => packet,
        }))
    }
}

/// Never shows what is said.
impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}, told {:?}", self.version, self.result)
    }
}

/// The longest answer. A password has at most 128 octets elsewhere (RFC 2865 section 5.2); a server may
/// take more.
const MAX_ANSWER_OCTETS: usize = 1_024;
