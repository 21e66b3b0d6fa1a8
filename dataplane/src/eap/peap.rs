//! PEAP inside its tunnel: who it is, what is typed, and how it ends. Version 0 (without the inner
//! headers, and ended by a Result TLV) and version 1 (with them, and ended by an inner success).

use proto::secret::Secret;

use super::binding::{self, Binding};
use super::fault::EapFault;
use super::inner::{Inner, PASSWORD_PROMPT, identity, typed};
use super::packet::{self, EapType, HEADER_OCTETS, Response};
use super::tunnel::KeyingMaterial;

/// One conversation inside the tunnel.
#[derive(Debug)]
pub(super) struct Peap {
    version: u8,
    user: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Who it is has been asked.
    Identity,
    /// Something has been asked with GTC.
    Asked,
    /// What was typed is being decided on.
    Deciding,
    /// The peer has been told how it ends.
    Told {
        success: bool,
        /// What it has to prove, where that was offered.
        binding: Option<Binding>,
    },
}

/// What is offered beside a success, so that both ends of the tunnel prove to be one.
pub(super) struct BindingOffer<'a> {
    pub(super) keys: &'a KeyingMaterial,
    pub(super) nonce: [u8; binding::NONCE_OCTETS],
}

impl Peap {
    /// Begins, and says who is asked.
    pub(super) fn begin(version: u8, identifier: u8) -> (Self, Inner) {
        let peap = Self {
            version,
            user: None,
            state: State::Identity,
        };
        let say = peap.request(identifier, EapType::IDENTITY, &[]);
        (peap, say)
    }

    /// Asks something; the answer is offered.
    pub(super) fn ask(&mut self, identifier: u8, prompt: &str) -> Inner {
        self.state = State::Asked;
        self.request(identifier, EapType::GTC, prompt.as_bytes())
    }

    /// Says how it ends. Version 1 has no binding.
    pub(super) fn conclude(
        &mut self,
        identifier: u8,
        success: bool,
        offer: Option<BindingOffer<'_>>,
    ) -> Inner {
        if self.version > 0 {
            self.state = State::Told {
                success,
                binding: None,
            };
            return Inner::Say(Secret::new(packet::end(identifier, success)));
        }
        let mut tlvs = result_tlv(success);
        let binding = offer.filter(|_| success).map(|offer| {
            let (binding, tlv) = Binding::offer(offer.keys, offer.nonce);
            tlvs.extend_from_slice(&tlv);
            binding
        });
        self.state = State::Told { success, binding };
        // Never without its header, unlike what a method says.
        let said = packet::request(identifier, EapType::EXTENSIONS, &tlvs);
        Inner::Say(Secret::new(said))
    }

    /// Takes what the peer says; nothing, when it only acknowledges.
    pub(super) fn receive(&mut self, identifier: u8, clear: &[u8]) -> Inner {
        match &self.state {
            State::Told { .. } => return self.receive_result(clear),
            State::Identity | State::Asked if clear.is_empty() => {
                return Inner::Fails(EapFault::Inner("it says nothing where an answer is due"));
            }
            State::Deciding => {
                return Inner::Fails(EapFault::Inner("it goes on before it was answered"));
            }
            State::Identity | State::Asked => {}
        }
        let response = match self.response(clear) {
            Ok(response) => response,
            Err(fault) => return Inner::Fails(fault),
        };
        match (&self.state, response.kind) {
            (State::Identity, EapType::IDENTITY) => match identity(response.data) {
                Ok(user) => {
                    self.user = user;
                    self.ask(identifier, PASSWORD_PROMPT)
                }
                Err(fault) => Inner::Fails(fault),
            },
            (State::Identity, _) => {
                Inner::Fails(EapFault::Inner("it does not say who it is when asked"))
            }
            _ => {
                self.state = State::Deciding;
                typed(&response, self.user.as_ref())
            }
        }
    }

    /// Who it says that it is.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether a question waits for its answer.
    pub(super) const fn awaits_typing(&self) -> bool {
        matches!(self.state, State::Asked)
    }

    /// The keys that replace the tunnel's, when the peer proved to be its other end.
    pub(super) const fn bound(&self) -> Option<&Binding> {
        match &self.state {
            State::Told {
                binding: Some(binding),
                ..
            } if binding.is_proven() => Some(binding),
            _ => None,
        }
    }

    fn receive_result(&mut self, clear: &[u8]) -> Inner {
        let State::Told { success, binding } = &mut self.state else {
            return Inner::Fails(EapFault::Inner("it tells a result before there is one"));
        };
        let success = *success;
        if self.version > 0 {
            // A success is acknowledged, a failure echoed: what else it says changes nothing.
            return match (success, clear.is_empty()) {
                (true, false) => Inner::Fails(EapFault::Result("it answers the success")),
                (success, _) => Inner::Over { success },
            };
        }
        let told = match Told::read(clear) {
            Ok(told) => told,
            // After a failure there is nothing left to agree on.
            Err(_) if !success => return Inner::Over { success },
            Err(fault) => return Inner::Fails(fault),
        };
        if !success {
            return Inner::Over { success };
        }
        if !told.success {
            return Inner::Fails(EapFault::Result("it says that it failed"));
        }
        match (binding, told.binding) {
            (Some(binding), Some(tlv)) => match binding.prove(tlv) {
                true => Inner::Over { success },
                false => Inner::Fails(EapFault::Result(
                    "it cannot prove to be the other end of the tunnel",
                )),
            },
            // It does not do bindings: the tunnel's own keys hold.
            _ => Inner::Over { success },
        }
    }

    fn request(&self, identifier: u8, kind: EapType, data: &[u8]) -> Inner {
        let packet = packet::request(identifier, kind, data);
        Inner::Say(Secret::new(match self.version {
            0 => packet.get(HEADER_OCTETS..).unwrap_or_default().to_vec(),
            _ => packet,
        }))
    }

    /// What the peer answers, with its header or without.
    fn response<'a>(&self, clear: &'a [u8]) -> Result<Response<'a>, EapFault> {
        if self.version > 0 {
            return Response::parse(clear)
                .map_err(|_| EapFault::Inner("what it says is no EAP response"));
        }
        match full_header(clear) {
            Some(response) => Ok(response),
            None => match clear {
                [kind, data @ ..] => Ok(Response {
                    identifier: 0,
                    kind: EapType(*kind),
                    data,
                }),
                [] => Err(EapFault::Inner("it says nothing where an answer is due")),
            },
        }
    }
}

/// A response that has its header and is no longer than it says.
fn full_header(clear: &[u8]) -> Option<Response<'_>> {
    let response = Response::parse(clear).ok()?;
    let whole = response.data.len() + HEADER_OCTETS + 1 == clear.len();
    whole.then_some(response)
}

/// What one side says of the end (EAP Extensions, TLVs of 2 octets type and 2 octets length).
pub(super) struct Told<'a> {
    pub(super) success: bool,
    pub(super) binding: Option<&'a [u8]>,
}

impl<'a> Told<'a> {
    fn read(clear: &'a [u8]) -> Result<Self, EapFault> {
        let response = full_header(clear)
            .filter(|response| response.kind == EapType::EXTENSIONS)
            .ok_or(EapFault::Inner(
                "the end of the conversation is not answered",
            ))?;
        Self::of(response.data).ok_or(EapFault::Inner("the result it tells is malformed"))
    }

    /// Reads the TLVs; none when they are malformed.
    pub(super) fn of(tlvs: &'a [u8]) -> Option<Self> {
        let mut told = Self {
            success: false,
            binding: None,
        };
        let mut results = false;
        let mut rest = tlvs;
        while !rest.is_empty() {
            let [type_high, type_low, high, low, ..] = *rest else {
                return None;
            };
            let kind = u16::from_be_bytes([type_high, type_low]) & TLV_TYPE;
            let end = TLV_HEADER_OCTETS + usize::from(u16::from_be_bytes([high, low]));
            let (tlv, left) = rest.split_at_checked(end)?;
            match (kind, tlv.get(TLV_HEADER_OCTETS..)) {
                (TLV_RESULT, Some(status)) => {
                    // Of several all have to say so.
                    let before = std::mem::replace(&mut results, true);
                    let success = status == STATUS_SUCCESS.to_be_bytes();
                    told.success = success && (told.success || !before);
                }
                (TLV_BINDING, _) => told.binding = Some(tlv),
                _ => {}
            }
            rest = left;
        }
        Some(told)
    }
}

/// Says how it ends.
pub(super) fn result_tlv(success: bool) -> Vec<u8> {
    let status = match success {
        true => STATUS_SUCCESS,
        false => STATUS_FAILURE,
    };
    [RESULT_TLV, &status.to_be_bytes()].concat()
}

/// Mandatory, Result, 2 octets.
const RESULT_TLV: &[u8] = &[0x80, 0x03, 0x00, 0x02];
const TLV_TYPE: u16 = 0x3fff;
const TLV_RESULT: u16 = 3;
const TLV_BINDING: u16 = 12;
const TLV_HEADER_OCTETS: usize = 4;
const STATUS_SUCCESS: u16 = 1;
const STATUS_FAILURE: u16 = 2;
