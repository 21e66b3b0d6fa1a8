//! What goes on inside the tunnel, from the peer's side: PEAP with EAP without headers (version 0) or
//! with them (version 1), and EAP-TTLS with attribute-value pairs.

use super::{
    CryptoBinding, Method, Reply, ResultAnswer, Seen, Supplicant,
    binding::Binding,
    packet::{self, HEADER, Packet, code, kind},
    tls::KEYING,
};

/// What the peer does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Says this through the tunnel.
    Say(Vec<u8>),
    /// Answers with a packet without data.
    Acknowledge,
    /// Has been asked this.
    Ask(String),
    /// Falls silent.
    Nothing,
}

/// One conversation inside a tunnel.
#[derive(Debug)]
pub(super) struct Inner {
    method: Method,
    /// Of PEAP.
    version: u8,
    question: Option<Question>,
    /// Of the tunnel, or bound.
    pub(super) keys: [u8; KEYING],
}

/// What waits for an answer.
#[derive(Debug)]
enum Question {
    /// An inner request with this identifier.
    Eap(u8),
    /// The password, which nobody asked for.
    Pap,
}

impl Inner {
    pub(super) const fn new(method: Method, version: u8, keys: [u8; KEYING]) -> Self {
        Self {
            method,
            version,
            question: None,
            keys,
        }
    }

    /// What the peer of EAP-TTLS begins with; the peer of PEAP waits.
    pub(super) fn begin(&mut self, supplicant: &Supplicant) -> Said {
        match self.method {
            Method::TtlsPap => {
                self.question = Some(Question::Pap);
                Said::Ask(String::new())
            }
            Method::TtlsGtc => {
                let name = supplicant.user.as_bytes();
                self.say(0, kind::IDENTITY, name, supplicant)
            }
            Method::Peap => Said::Acknowledge,
        }
    }

    /// Takes what came through the tunnel, in a request with this outer identifier.
    pub(super) fn receive(
        &mut self,
        clear: &[u8],
        outer: u8,
        supplicant: &Supplicant,
        seen: &mut Seen,
    ) -> Result<Said, String> {
        let request = match self.method {
            Method::TtlsPap => return Err("a question to a peer that uses PAP".to_owned()),
            Method::TtlsGtc => Packet::read(&eap_of_avps(clear)?)?,
            Method::Peap => self.unpack(clear, outer)?,
        };
        match (request.code, request.kind) {
            (code::REQUEST, Some(kind::IDENTITY)) if self.method == Method::Peap => {
                let name = supplicant.user.as_bytes();
                Ok(self.say(request.identifier, kind::IDENTITY, name, supplicant))
            }
            (code::REQUEST, Some(kind::NOTIFICATION)) => {
                Ok(self.say(request.identifier, kind::NOTIFICATION, &[], supplicant))
            }
            (code::REQUEST, Some(kind::GTC)) => {
                if let Some(wanted) = &supplicant.inner_nak {
                    return Ok(self.say(request.identifier, kind::NAK, wanted, supplicant));
                }
                let prompt = String::from_utf8(request.data)
                    .map_err(|_| "a prompt that is no UTF-8".to_owned())?;
                self.question = Some(Question::Eap(request.identifier));
                seen.prompts.push(prompt.clone());
                Ok(Said::Ask(prompt))
            }
            (code::REQUEST, Some(kind::EXTENSIONS)) if self.peap() == Some(0) => {
                self.result(&request, supplicant, seen)
            }
            (code::REQUEST, Some(_)) => {
                Ok(self.say(request.identifier, kind::NAK, &[kind::GTC], supplicant))
            }
            (code::SUCCESS | code::FAILURE, None) if self.peap() == Some(1) => {
                let success = request.code == code::SUCCESS;
                seen.result = Some(success);
                Ok(match (supplicant.result, success) {
                    (ResultAnswer::Silence, _) => Said::Nothing,
                    (ResultAnswer::Honest, true) | (ResultAnswer::Success, _) => Said::Acknowledge,
                    (ResultAnswer::Honest | ResultAnswer::Failure, _) => {
                        Said::Say(vec![code::FAILURE, request.identifier, 0, 4])
                    }
                })
            }
            _ => Err(format!("an inner packet that is not due: {request:?}")),
        }
    }

    /// Answers what was asked.
    ///
    /// # Panics
    /// When nothing was.
    pub(super) fn reply(&mut self, reply: Reply, supplicant: &Supplicant) -> Said {
        let question = self.question.take().expect("nothing was asked");
        let typed = match reply {
            Reply::Silence => return Said::Nothing,
            Reply::Raw(octets) => return Said::Say(octets),
            Reply::Typed(typed) => typed,
            Reply::Nak(wanted) => return self.method(&question, kind::NAK, &wanted, supplicant),
            Reply::Method(kind, data) => return self.method(&question, kind, &data, supplicant),
        };
        match question {
            Question::Eap(identifier) => self.say(identifier, kind::GTC, &typed, supplicant),
            Question::Pap => {
                // Padded, so that its length does not show (RFC 5281 section 11.2.5).
                let mut padded = typed;
                padded.resize(padded.len().next_multiple_of(16).max(16), 0);
                let name = avp(AVP_USER_NAME, supplicant.user.as_bytes());
                Said::Say([name, avp(AVP_USER_PASSWORD, &padded)].concat())
            }
        }
    }

    const fn peap(&self) -> Option<u8> {
        match self.method {
            Method::Peap => Some(self.version),
            Method::TtlsPap | Method::TtlsGtc => None,
        }
    }

    fn method(&self, question: &Question, kind: u8, data: &[u8], supplicant: &Supplicant) -> Said {
        match question {
            Question::Eap(identifier) => self.say(*identifier, kind, data, supplicant),
            Question::Pap => panic!("PAP has no types"),
        }
    }

    /// An inner response.
    fn say(&self, identifier: u8, kind: u8, data: &[u8], supplicant: &Supplicant) -> Said {
        let response = packet::packet(code::RESPONSE, identifier, kind, data);
        Said::Say(match self.peap() {
            None => avp(AVP_EAP_MESSAGE, &response),
            Some(0) if kind != kind::EXTENSIONS && !supplicant.inner_headers => {
                response[HEADER..].to_vec()
            }
            Some(_) => response,
        })
    }

    /// Reads an inner packet of PEAP; version 0 leaves the header out, except of type 33.
    fn unpack(&self, clear: &[u8], outer: u8) -> Result<Packet, String> {
        let whole = Packet::read(clear);
        match whole {
            Ok(packet) => Ok(packet),
            Err(fault) if self.version > 0 => Err(fault),
            Err(_) => match clear {
                [kind::EXTENSIONS, ..] | [] => Err("a result without a header".to_owned()),
                [kind, data @ ..] => Ok(Packet {
                    code: code::REQUEST,
                    identifier: outer,
                    kind: Some(*kind),
                    data: data.to_vec(),
                }),
            },
        }
    }

    /// Takes the result of version 0, with a binding or without, and answers it.
    fn result(
        &mut self,
        request: &Packet,
        supplicant: &Supplicant,
        seen: &mut Seen,
    ) -> Result<Said, String> {
        let tlvs = tlvs(&request.data)?;
        let find = |wanted| tlvs.iter().find(|(kind, _)| *kind == wanted);
        let success = match find(TLV_RESULT) {
            Some((_, [_, _, _, _, 0, 1])) => true,
            Some((_, [_, _, _, _, 0, 2])) => false,
            other => return Err(format!("no result in {other:?}")),
        };
        seen.result = Some(success);
        let mut agreed = success;
        let mut answer = None;
        match (find(TLV_BINDING), supplicant.binding) {
            (Some(_), CryptoBinding::Off) => seen.binding_offered = true,
            (Some((_, tlv)), how) => {
                seen.binding_offered = true;
                let binding = Binding::of(&self.keys);
                if !binding.is_genuine(tlv) {
                    return Err("a binding to another tunnel".to_owned());
                }
                let mut mine = binding.answer(tlv);
                if how == CryptoBinding::Wrong {
                    *mine.last_mut().unwrap() ^= 1;
                }
                answer = Some(mine);
                self.keys = binding.keys();
                seen.bound = true;
            }
            (None, CryptoBinding::Required) => agreed = false,
            (None, _) => {}
        }
        agreed = match supplicant.result {
            ResultAnswer::Honest => agreed,
            ResultAnswer::Success => true,
            ResultAnswer::Failure => false,
            ResultAnswer::Silence => return Ok(Said::Nothing),
        };
        let status = if agreed { 1 } else { 2 };
        let mut data = vec![0x80, 3, 0, 2, 0, status];
        data.extend(answer.unwrap_or_default());
        Ok(self.say(request.identifier, kind::EXTENSIONS, &data, supplicant))
    }
}

const TLV_RESULT: u16 = 3;
const TLV_BINDING: u16 = 12;

/// Types without their mandatory bit, and whole TLVs.
fn tlvs(data: &[u8]) -> Result<Vec<(u16, &[u8])>, String> {
    let mut found = Vec::new();
    let mut rest = data;
    while let [k1, k0, l1, l0, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([l1, l0])) + 4;
        let (tlv, more) = rest.split_at_checked(length).ok_or("a TLV cut short")?;
        found.push((u16::from_be_bytes([k1 & 0x3f, k0]), tlv));
        rest = more;
    }
    if rest.is_empty() {
        Ok(found)
    } else {
        Err("a TLV cut short".to_owned())
    }
}

const AVP_USER_NAME: u32 = 1;
const AVP_USER_PASSWORD: u32 = 2;
const AVP_EAP_MESSAGE: u32 = 79;

/// An attribute-value pair (RFC 5281 section 10.1), mandatory, padded to a multiple of 4.
pub(super) fn avp(code: u32, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len() + 8).unwrap();
    let mut pair = [code.to_be_bytes(), length.to_be_bytes()].concat();
    pair[4] = 0x40;
    pair.extend_from_slice(value);
    pair.resize(pair.len().next_multiple_of(4), 0);
    pair
}

/// The EAP packet that is in the pairs.
fn eap_of_avps(clear: &[u8]) -> Result<Vec<u8>, String> {
    let mut eap = Vec::new();
    let mut rest = clear;
    while let [c3, c2, c1, c0, flags, l2, l1, l0, ..] = *rest {
        let length = usize::try_from(u32::from_be_bytes([0, l2, l1, l0])).unwrap();
        let value = rest.get(8..length).ok_or("an AVP cut short")?;
        if flags & 0x80 == 0 && u32::from_be_bytes([c3, c2, c1, c0]) == AVP_EAP_MESSAGE {
            eap.extend_from_slice(value);
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    if rest.is_empty() {
        Ok(eap)
    } else {
        Err("an AVP cut short".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(method: Method, version: u8) -> (Inner, Supplicant, Seen) {
        let supplicant = Supplicant::new(method, "alice");
        let inner = Inner::new(method, version, [7; KEYING]);
        (inner, supplicant, Seen::default())
    }

    #[test]
    fn a_second_prompt_is_answered_otherwise() {
        for (name, method, version) in [
            ("PEAPv0", Method::Peap, 0),
            ("PEAPv1", Method::Peap, 1),
            ("TTLS", Method::TtlsGtc, 0),
        ] {
            let (mut inner, supplicant, mut seen) = inner(method, version);
            for (outer, prompt, typed) in [(5, "Password: ", "pw"), (6, "Option (1-3): ", "1")] {
                let request = packet::packet(code::REQUEST, outer, kind::GTC, prompt.as_bytes());
                let response = packet::packet(code::RESPONSE, outer, kind::GTC, typed.as_bytes());
                let (request, want) = match name {
                    "PEAPv0" => (request[HEADER..].to_vec(), response[HEADER..].to_vec()),
                    "PEAPv1" => (request, response),
                    _ => (
                        avp(AVP_EAP_MESSAGE, &request),
                        avp(AVP_EAP_MESSAGE, &response),
                    ),
                };
                let asked = inner.receive(&request, outer, &supplicant, &mut seen);
                assert_eq!(asked, Ok(Said::Ask(prompt.to_owned())), "{name}");
                let said = inner.reply(Reply::from(typed), &supplicant);
                assert_eq!(said, Said::Say(want), "{name}");
            }
            assert_eq!(seen.prompts, ["Password: ", "Option (1-3): "], "{name}");
        }
    }

    #[test]
    fn headers_are_written_where_they_belong() {
        for (version, headers, want) in [
            (0, false, &b"\x01alice"[..]),
            (0, true, b"\x02\x09\0\x0a\x01alice"),
            (1, false, b"\x02\x09\0\x0a\x01alice"),
        ] {
            let (mut inner, mut supplicant, mut seen) = inner(Method::Peap, version);
            supplicant.inner_headers = headers;
            let request = [1, 9, 0, 5, kind::IDENTITY];
            let said = inner.receive(&request, 9, &supplicant, &mut seen);
            assert_eq!(said, Ok(Said::Say(want.to_vec())), "{version} {headers}");
        }
    }

    #[test]
    fn a_result_without_the_binding_that_is_required_is_refused() {
        for (binding, status) in [(CryptoBinding::On, 1), (CryptoBinding::Required, 2)] {
            let (mut inner, mut supplicant, mut seen) = inner(Method::Peap, 0);
            supplicant.binding = binding;
            let request = [1, 9, 0, 11, kind::EXTENSIONS, 0x80, 3, 0, 2, 0, 1];
            let said = inner.receive(&request, 9, &supplicant, &mut seen);
            let want = vec![2, 9, 0, 11, kind::EXTENSIONS, 0x80, 3, 0, 2, 0, status];
            assert_eq!(said, Ok(Said::Say(want)), "{binding:?}");
            assert_eq!(seen.result, Some(true));
        }
    }
}
