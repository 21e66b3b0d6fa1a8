//! EAP-TTLS inside its tunnel (RFC 5281 section 10 and 11): attribute-value pairs. The password comes
//! by PAP, with nothing to ask and no question possible after it, or by EAP with GTC.

use proto::secret::Secret;
use zeroize::Zeroizing;

use super::fault::EapFault;
use super::inner::{Inner, Offered, PASSWORD_PROMPT, identity, typed};
use super::packet::{self, EapType, Response};

/// One conversation inside the tunnel. The peer speaks first.
#[derive(Debug, Default)]
pub(super) struct Ttls {
    user: Option<String>,
    /// Whether the peer speaks EAP, so that it can be asked.
    asks: bool,
    /// Whether it has been waited for.
    listened: bool,
    /// What an EAP response has to carry.
    identifier: Option<u8>,
}

impl Ttls {
    /// Whether a question can be asked.
    pub(super) const fn can_ask(&self) -> bool {
        self.asks
    }

    /// Whether a question waits for its answer.
    pub(super) const fn awaits_typing(&self) -> bool {
        self.identifier.is_some()
    }

    /// Asks something; the answer is offered.
    pub(super) fn ask(&mut self, identifier: u8, prompt: &str) -> Inner {
        self.identifier = Some(identifier);
        let packet = packet::request(identifier, EapType::GTC, prompt.as_bytes());
        Inner::Say(Secret::new(pair(AVP_EAP_MESSAGE, &packet)))
    }

    /// Takes what the peer says; nothing, when it only acknowledges.
    pub(super) fn receive(&mut self, identifier: u8, clear: &[u8]) -> Inner {
        // It speaks first, but may acknowledge the end of the handshake before: once, or it could
        // have us keep the pieces of a record that never ends.
        if clear.is_empty() {
            return match std::mem::replace(&mut self.listened, true) {
                false => Inner::Listen,
                true => Inner::Fails(EapFault::Inner("it says nothing where an answer is due")),
            };
        }
        let pairs = match Pairs::read(clear) {
            Ok(pairs) => pairs,
            Err(fault) => return Inner::Fails(fault),
        };
        match (pairs.eap, pairs.password) {
            (Some(eap), _) => self.receive_eap(identifier, &eap),
            (None, Some(password)) if !self.asks => {
                match identity(pairs.user.unwrap_or_default()) {
                    Ok(user) => Inner::Offered(Offered {
                        user,
                        octets: Secret::new(unpadded(password).to_vec()),
                    }),
                    Err(fault) => Inner::Fails(fault),
                }
            }
            _ => Inner::Fails(pairs.other.map_or(
                EapFault::Inner("it gives neither a password nor EAP"),
                |wanted| EapFault::NoInnerMethod {
                    wanted: wanted.to_owned(),
                    remedy: "PAP or GTC",
                },
            )),
        }
    }

    fn receive_eap(&mut self, identifier: u8, eap: &[u8]) -> Inner {
        let Ok(response) = Response::parse(eap) else {
            return Inner::Fails(EapFault::Inner("what it says is no EAP response"));
        };
        match (response.kind, self.asks) {
            (EapType::IDENTITY, false) => match identity(response.data) {
                Ok(user) => {
                    self.user = user;
                    self.asks = true;
                    self.ask(identifier, PASSWORD_PROMPT)
                }
                Err(fault) => Inner::Fails(fault),
            },
            (_, true) if self.identifier.take() == Some(response.identifier) => {
                typed(&response, self.user.as_ref())
            }
            _ => Inner::Fails(EapFault::Inner("it answers what it was not asked")),
        }
    }
}

/// What one message holds, of what is looked for.
#[derive(Default)]
struct Pairs<'a> {
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    eap: Option<Zeroizing<Vec<u8>>>,
    /// The name of a method that is not served.
    other: Option<&'static str>,
}

impl<'a> Pairs<'a> {
    /// Reads AVPs (RFC 5281 section 10.1): code 4, flags 1, length 3, perhaps vendor 4, the value, and
    /// zeros up to a multiple of 4.
    fn read(clear: &'a [u8]) -> Result<Self, EapFault> {
        let malformed = EapFault::Inner("its attributes are malformed");
        let mut pairs = Self::default();
        let mut rest = clear;
        while !rest.is_empty() {
            let [c3, c2, c1, c0, flags, l2, l1, l0, ..] = *rest else {
                return Err(malformed);
            };
            let code = u32::from_be_bytes([c3, c2, c1, c0]);
            let length = usize::try_from(u32::from_be_bytes([0, l2, l1, l0])).unwrap_or_default();
            let header = match flags & AVP_VENDOR {
                0 => AVP_HEADER_OCTETS,
                _ => AVP_HEADER_OCTETS + 4,
            };
            let (Some(value), Some(vendor)) = (rest.get(header..length), rest.get(8..header))
            else {
                return Err(malformed);
            };
            pairs.take(code, vendor, flags, value)?;
            // The last one may come without its padding.
            rest = rest
                .get(length.next_multiple_of(AVP_ALIGNMENT)..)
                .unwrap_or_default();
        }
        Ok(pairs)
    }

    fn take(
        &mut self,
        code: u32,
        vendor: &[u8],
        flags: u8,
        value: &'a [u8],
    ) -> Result<(), EapFault> {
        match (vendor, code) {
            ([], AVP_USER_NAME) => self.user = Some(value),
            ([], AVP_USER_PASSWORD) => self.password = Some(value),
            ([], AVP_EAP_MESSAGE) => {
                let eap = self.eap.get_or_insert_default();
                eap.extend_from_slice(value);
            }
            ([], AVP_CHAP_PASSWORD) => self.other = Some("CHAP"),
            (MICROSOFT, 1) => self.other = Some("MS-CHAP"),
            (MICROSOFT, 25) => self.other = Some("MS-CHAPv2"),
            ([], AVP_CHAP_CHALLENGE) | (MICROSOFT, 11) => {}
            // RFC 5281 section 10.1: what is marked so must be understood.
            _ if flags & AVP_MANDATORY != 0 => {
                return Err(EapFault::Inner(
                    "it insists on an attribute that is not known here",
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// One AVP, mandatory and padded.
fn pair(code: u32, value: &[u8]) -> Vec<u8> {
    let length = AVP_HEADER_OCTETS + value.len();
    // What is said is never so long: texts are cut.
    let [_, l2, l1, l0] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut pair = Vec::with_capacity(length.next_multiple_of(AVP_ALIGNMENT));
    pair.extend_from_slice(&code.to_be_bytes());
    pair.extend_from_slice(&[AVP_MANDATORY, l2, l1, l0]);
    pair.extend_from_slice(value);
    pair.resize(length.next_multiple_of(AVP_ALIGNMENT), 0);
    pair
}

/// A password without the zeros that hide its length (RFC 5281 section 11.2.5).
fn unpadded(password: &[u8]) -> &[u8] {
    let end = password.iter().rposition(|octet| *octet != 0);
    password
        .get(..end.map_or(0, |end| end + 1))
        .unwrap_or_default()
}

const AVP_USER_NAME: u32 = 1;
const AVP_USER_PASSWORD: u32 = 2;
const AVP_CHAP_PASSWORD: u32 = 3;
const AVP_CHAP_CHALLENGE: u32 = 60;
const AVP_EAP_MESSAGE: u32 = 79;
/// 311, as a vendor is written.
const MICROSOFT: &[u8] = &[0, 0, 1, 0x37];
const AVP_HEADER_OCTETS: usize = 8;
const AVP_ALIGNMENT: usize = 4;
const AVP_VENDOR: u8 = 0x80;
const AVP_MANDATORY: u8 = 0x40;
