//! What a peer says inside its tunnel.

use proto::secret::Secret;

use super::NONCE;
use crate::eap::binding::Binding;
use crate::eap::clear::material;
use crate::eap::inner::{Inner, PASSWORD_PROMPT, identity};
use crate::eap::packet::{self, EapType, HEADER_OCTETS, RESPONSE, Response};
use crate::eap::peap::{BindingOffer, Peap};
use crate::eap::ttls::Ttls;
use crate::eap::tunnel::KeyingMaterial;
use crate::fuzzing::Input;

/// PEAP or EAP-TTLS from within. The input: which of them, and whether a binding is offered; then
/// what is said each time (as it is, in an EAP packet, in TLVs, in attributes), and what is decided
/// if it comes to that.
///
/// Holds: nothing panics, and there is an end; what we say can be read; what is offered was said;
/// only a conclusion is the end, and a success only where the peer agrees; a binding counts for what
/// proves it and for nothing near that. What is said goes the same way with its header as without,
/// in several attributes as in one, and beside an attribute that nobody knows.
///
/// # Panics
/// One of these does not hold.
pub fn inner(octets: &[u8]) {
    let _end = end_of(octets);
}

/// The last that was made of it, and whether a binding was proven.
pub(super) fn end_of(octets: &[u8]) -> (Inner, bool) {
    let mut input = Input::new(octets);
    let mut inside = Inside::new(input.octet());
    // Each turn takes an octet; what says nothing at last has two more.
    for turn in 0..octets.len() + 3 {
        let next = turn.to_le_bytes()[0];
        let inner = inside.turn(&mut input, next);
        if matches!(inner, Inner::Over { .. } | Inner::Fails(_)) {
            return (inner, inside.is_bound());
        }
    }
    panic!("a conversation without an end");
}

/// Two that are told the same in different words.
struct Inside {
    methods: [Method; 2],
    keys: Option<KeyingMaterial>,
    decided: Option<bool>,
    listened: bool,
}

enum Method {
    Peap(u8, Peap),
    Ttls(Ttls),
}

impl Inside {
    fn new(bits: u8) -> Self {
        let methods = [(); 2].map(|()| match bits % 4 {
            version @ 0..=1 => {
                let (peap, asked) = Peap::begin(version, 0);
                is_asked(&asked, Some(version), 0, EapType::IDENTITY, "");
                Method::Peap(version, peap)
            }
            _ => Method::Ttls(Ttls::default()),
        });
        let keys = (bits & 4 != 0).then(keys);
        Self {
            methods,
            keys,
            decided: None,
            listened: false,
        }
    }

    /// The peer says something, and what comes of it is done.
    fn turn(&mut self, input: &mut Input<'_>, next: u8) -> Inner {
        let (said, otherwise) = match &self.methods[0] {
            Method::Peap(0, _) if self.decided.is_none() => without_header(input),
            Method::Peap(..) => {
                let said = eap(input);
                (said.clone(), said)
            }
            Method::Ttls(_) => attributes(input),
        };
        is_named(&said);
        let [one, other] = &mut self.methods;
        let inner = one.receive(next, &said);
        assert!(inner == other.receive(next, &otherwise), "otherwise not");
        self.is_right(&inner, &said, next);
        match inner {
            Inner::Offered(_) => self.decide(input, next),
            inner => inner,
        }
    }

    fn is_right(&mut self, inner: &Inner, said: &[u8], next: u8) {
        match inner {
            Inner::Say(_) => {
                assert!(self.decided.is_none());
                let version = self.methods[0].version();
                is_asked(inner, version, next, EapType::GTC, PASSWORD_PROMPT);
            }
            Inner::Listen => {
                assert!(said.is_empty() && !self.listened, "it keeps listening");
                assert!(self.methods[0].version().is_none());
                self.listened = true;
            }
            Inner::Offered(offered) => {
                assert!(self.decided.is_none());
                super::is_offered(offered, said.len());
                if !self.methods[0].can_ask() {
                    assert_ne!(offered.octets.expose().last(), Some(&0));
                }
            }
            Inner::Over { success } => {
                assert_eq!(self.decided, Some(*success), "it is over by itself");
                assert!(!success || self.agrees(said), "a success against its will");
            }
            Inner::Fails(fault) => {
                super::is_told(fault);
                assert_ne!(self.decided, Some(false), "a failure that fails");
            }
        }
        if self.is_bound() {
            assert!(self.keys.is_some() && self.decided == Some(true));
            let tlv = said.windows(TLV_OCTETS).find(|tlv| is_proof(tlv));
            assert!(tlv.is_some(), "nothing proves it");
        }
    }

    /// By an acknowledgement, or by TLVs of which each that is a result is a success.
    fn agrees(&self, said: &[u8]) -> bool {
        let Some(0) = self.methods[0].version() else {
            return said.is_empty();
        };
        let mut results = Vec::new();
        let mut rest = &said[HEADER_OCTETS + 1..];
        while let [high, low, length_high, length_low, values @ ..] = rest {
            let length = u16::from_be_bytes([*length_high, *length_low]);
            let (value, left) = values.split_at(length.into());
            if (high & 0x3f, *low) == (0, 3) {
                results.push(value);
            }
            rest = left;
        }
        !results.is_empty() && results.iter().all(|status| *status == [0, 1])
    }

    fn decide(&mut self, input: &mut Input<'_>, next: u8) -> Inner {
        let next = next.wrapping_add(128);
        let says = input.octet() % 4;
        let success = says == 1;
        if says < 2 || !self.methods[0].can_ask() {
            self.decided = Some(success);
            let [one, other] = &mut self.methods;
            let inner = one.conclude(next, success, self.keys.as_ref());
            assert!(inner == other.conclude(next, success, self.keys.as_ref()));
            self.is_concluded(&inner, success, next);
            return inner;
        }
        let prompt = input.text();
        let version = self.methods[0].version();
        let [one, other] = &mut self.methods;
        let inner = one.ask(next, &prompt);
        assert!(inner == other.ask(next, &prompt));
        is_asked(&inner, version, next, EapType::GTC, &prompt);
        inner
    }

    fn is_concluded(&self, inner: &Inner, success: bool, next: u8) {
        let Inner::Say(said) = inner else {
            assert!(self.methods[0].version().is_none(), "{inner:?}");
            return;
        };
        let wanted = match self.methods[0].version() {
            Some(0) => {
                let binding = self.keys.as_ref().filter(|_| success);
                let binding = binding.map(|keys| Binding::offer(keys, NONCE).1);
                let status = if success { 1 } else { 2 };
                let tlvs = [
                    &[0x80, 3, 0, 2, 0, status][..],
                    &binding.unwrap_or_default(),
                ];
                packet::request(next, EapType::EXTENSIONS, &tlvs.concat())
            }
            _ => packet::end(next, success),
        };
        assert_eq!(*said.expose(), wanted);
    }

    fn is_bound(&self) -> bool {
        match &self.methods[0] {
            Method::Peap(_, peap) => peap.bound().is_some(),
            Method::Ttls(_) => false,
        }
    }
}

impl Method {
    const fn version(&self) -> Option<u8> {
        match self {
            Self::Peap(version, _) => Some(*version),
            Self::Ttls(_) => None,
        }
    }

    const fn can_ask(&self) -> bool {
        match self {
            Self::Peap(..) => true,
            Self::Ttls(ttls) => ttls.can_ask(),
        }
    }

    fn receive(&mut self, next: u8, clear: &[u8]) -> Inner {
        match self {
            Self::Peap(_, peap) => peap.receive(next, clear),
            Self::Ttls(ttls) => ttls.receive(next, clear),
        }
    }

    fn ask(&mut self, next: u8, prompt: &str) -> Inner {
        match self {
            Self::Peap(_, peap) => peap.ask(next, prompt),
            Self::Ttls(ttls) => ttls.ask(next, prompt),
        }
    }

    /// As a conversation does it.
    fn conclude(&mut self, next: u8, success: bool, keys: Option<&KeyingMaterial>) -> Inner {
        let offer = keys.map(|keys| BindingOffer { keys, nonce: NONCE });
        match self {
            Self::Peap(_, peap) => peap.conclude(next, success, offer),
            Self::Ttls(_) => Inner::Over { success },
        }
    }
}

/// A question of ours, as the method has it: without a header in PEAPv0, in an attribute in TTLS.
fn is_asked(inner: &Inner, version: Option<u8>, identifier: u8, kind: EapType, text: &str) {
    let Inner::Say(said) = inner else {
        panic!("nothing is asked: {inner:?}");
    };
    let said = said.expose().as_slice();
    let packet = packet::request(identifier, kind, text.as_bytes());
    match version {
        Some(0) => assert_eq!(said, &packet[HEADER_OCTETS..]),
        Some(_) => assert_eq!(said, packet),
        None => assert_eq!(said, attribute(79, MANDATORY, None, &packet)),
    }
}

/// Octets as a name, and as a proof.
fn is_named(said: &[u8]) {
    if let Ok(Some(name)) = identity(said) {
        assert!(said.starts_with(name.as_bytes()));
        assert!(said[name.len()..].iter().all(|octet| *octet == 0));
    }
    let length = said.len().saturating_sub(TLV_OCTETS);
    let tlv = &said[length..];
    if is_proof(tlv) {
        for place in 0..TLV_OCTETS {
            let mut near = tlv.to_vec();
            near[place] ^= 1 << (place % 8);
            assert!(!is_proof(&near), "octet {place} does not count");
            assert!(!is_proof(&tlv[..place]));
        }
    }
}

fn is_proof(tlv: &[u8]) -> bool {
    let (mut binding, ours) = Binding::offer(&keys(), NONCE);
    assert!(!binding.prove(&ours), "our own proves it");
    let proven = binding.prove(tlv);
    assert_eq!(binding.is_proven(), proven);
    proven
}

/// What a method says in PEAPv0: without a header, and with one unless it has it already.
fn without_header(input: &mut Input<'_>) -> (Vec<u8>, Vec<u8>) {
    let said = eap(input);
    let whole = Response::parse(&said)
        .is_ok_and(|response| response.data.len() + HEADER_OCTETS + 1 == said.len());
    let headed = match said.split_first() {
        Some((kind, data)) if !whole => response(7, EapType(*kind), data),
        _ => said.clone(),
    };
    (said, headed)
}

/// What is said in PEAP: octets as they are, in a packet, or as the TLVs of one.
fn eap(input: &mut Input<'_>) -> Vec<u8> {
    match input.octet() % 4 {
        0 | 1 => raw(input).to_vec(),
        2 => {
            let (identifier, kind) = (input.octet(), EapType(input.octet()));
            response(identifier, kind, raw(input))
        }
        _ => {
            let identifier = input.octet();
            let mut tlvs = Vec::new();
            for _ in 0..input.octet() % 4 {
                tlvs.extend_from_slice(&[input.octet(), input.octet()]);
                let value = raw(input);
                let length = u16::try_from(value.len()).unwrap();
                tlvs.extend_from_slice(&length.to_be_bytes());
                tlvs.extend_from_slice(value);
            }
            response(identifier, EapType::EXTENSIONS, &tlvs)
        }
    }
}

/// What is said in TTLS, and then the same otherwise: behind an attribute that nobody knows, and
/// each packet of EAP in two.
fn attributes(input: &mut Input<'_>) -> (Vec<u8>, Vec<u8>) {
    let unknown = attribute(9_999, 0, None, b"nobody");
    let bits = input.octet();
    if bits & 1 == 0 {
        let said = raw(input).to_vec();
        let otherwise = match said.is_empty() {
            true => Vec::new(),
            false => [unknown, said.clone()].concat(),
        };
        return (said, otherwise);
    }
    let (mut said, mut otherwise) = (Vec::new(), unknown);
    let mut padding = 0;
    for _ in 0..=bits >> 1 & 3 {
        let code = input.one_of(&[79, 1, 2, 3, 60, 25, 11, 9_999]);
        let flags = input.octet();
        let vendor = (flags & VENDOR != 0).then(|| input.one_of(&[311, 9, 0]));
        let value = raw(input);
        padding = value.len().next_multiple_of(4) - value.len();
        said.extend(attribute(code, flags, vendor, value));
        let (first, rest) = value.split_at(usize::from(input.octet()).min(value.len()));
        if code == 79 && vendor.is_none() && !rest.is_empty() {
            otherwise.extend(attribute(code, flags, vendor, first));
            otherwise.extend(attribute(code, flags, vendor, rest));
        } else {
            otherwise.extend(attribute(code, flags, vendor, value));
        }
    }
    // The last one may come without its padding.
    if bits & 8 != 0 {
        said.truncate(said.len() - padding);
    }
    (said, otherwise)
}

/// An AVP with its padding.
fn attribute(code: u32, flags: u8, vendor: Option<u32>, value: &[u8]) -> Vec<u8> {
    let vendor = vendor.map(u32::to_be_bytes);
    let header = if vendor.is_some() { 12 } else { 8 };
    let [_, length @ ..] = u32::try_from(header + value.len()).unwrap().to_be_bytes();
    let mut octets = [&code.to_be_bytes()[..], &[flags], &length].concat();
    octets.extend(vendor.into_iter().flatten());
    octets.extend_from_slice(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// An EAP packet of a peer.
fn response(identifier: u8, kind: EapType, data: &[u8]) -> Vec<u8> {
    let mut packet = packet::request(identifier, kind, data);
    packet[0] = RESPONSE;
    packet
}

/// So many octets as the one before them says.
fn raw<'a>(input: &mut Input<'a>) -> &'a [u8] {
    let length = input.octet().into();
    input.octets(length)
}

/// Those of which the proof among the seeds is made.
fn keys() -> KeyingMaterial {
    Secret::new(material(b"client EAP encryption", None))
}

const TLV_OCTETS: usize = 60;
const MANDATORY: u8 = 0x40;
const VENDOR: u8 = 0x80;
