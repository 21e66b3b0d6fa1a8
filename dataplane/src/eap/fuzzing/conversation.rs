//! A conversation with a peer that sends anything.

use proto::secret::Secret;

use super::NONCE;
use crate::eap::binding::Binding;
use crate::eap::clear::{material, tunnel};
use crate::eap::conversation::{Conversation, MAX_ROUNDS, Outcome, Step, Surroundings};
use crate::eap::fault::EapFault;
use crate::eap::framing::{self, Incoming, MAX_MESSAGE_OCTETS, Received};
use crate::eap::packet::{self, EapType, Response};
use crate::eap::tunnel::{KeyingMaterial, Tunnel, TunnelVersion};
use crate::fuzzing::Input;

/// A conversation from a name to its end, by PEAP or EAP-TTLS, over a tunnel that hides nothing. The
/// input: the version of TLS, how long fragments and the handshake of ours are, the first
/// identifier; then what the peer sends each time, and what is decided if it comes to that.
///
/// Holds: nothing panics, and there is an end within the rounds; a response that is not waited for
/// changes nothing; what is kept is bounded; what is sent fits into a fragment, has the identifier,
/// method and version that are due, and is put together again by the rules it is read by; there are
/// keys, and the right ones, only where a success was concluded and the peer agreed; nothing goes on
/// after the end.
///
/// # Panics
/// One of these does not hold.
pub fn peap(octets: &[u8]) {
    let _end = end_of(octets);
}

/// How it ends: whether the peer is let in, or what went wrong.
pub(super) fn end_of(octets: &[u8]) -> Result<bool, EapFault> {
    let mut peer = Peer::new(octets);
    // Each turn takes an octet, and the first that has none is an end.
    for _ in 0..=octets.len() {
        if let Some((answered, outcome)) = peer.turn() {
            peer.over(answered);
            return match outcome {
                Outcome::Success(_) => Ok(true),
                Outcome::Failure => Ok(false),
                Outcome::Fault(fault) => Err(fault),
            };
        }
    }
    panic!("a conversation without an end");
}

struct Peer<'a> {
    talk: Conversation,
    input: Input<'a>,
    tls: TunnelVersion,
    tunnel: Box<dyn Fn() -> Box<dyn Tunnel>>,
    flight: usize,
    fragment_octets: usize,
    /// Of the request that waits for its answer.
    identifier: u8,
    /// The method of that request.
    kind: EapType,
    /// The version of the method, once the peer chose it.
    version: Option<u8>,
    /// What we sent, put together.
    arrived: Incoming,
    responses: u32,
    /// Octets behind the types of all responses.
    sent: usize,
    decided: Option<bool>,
}

impl<'a> Peer<'a> {
    fn new(octets: &'a [u8]) -> Self {
        let mut input = Input::new(octets);
        let tls = input.one_of(&[TunnelVersion::Tls12, TunnelVersion::Tls13]);
        let fragment_octets = usize::from(input.octet()) * 8;
        let flight = usize::from(input.octet()) * 64;
        let name = Response {
            identifier: input.octet(),
            kind: EapType::IDENTITY,
            data: b"anonymous",
        };
        let (talk, offer) = Conversation::begin(&name);
        let identifier = name.identifier.wrapping_add(1);
        assert_eq!(offer, packet::request(identifier, EapType::PEAP, &[0x21]));
        Self {
            talk,
            input,
            tls,
            tunnel: Box::new(tunnel(tls, &vec![b'F'; flight])),
            flight,
            fragment_octets,
            identifier,
            kind: EapType::PEAP,
            version: None,
            arrived: Incoming::default(),
            // The name.
            responses: 1,
            sent: 0,
            decided: None,
        }
    }

    /// The peer's next packet; if that is the end, the identifier of what was answered last, and how
    /// it ended.
    fn turn(&mut self) -> Option<(u8, Outcome)> {
        let bits = self.input.octet();
        let kind = match bits % 4 {
            1 => EapType::NAK,
            2 => EapType(self.input.octet()),
            _ => self.kind,
        };
        let identifier = match bits & 4 {
            0 => self.identifier,
            _ => self.input.octet(),
        };
        let length = self.input.octet().into();
        let mut data = self.input.octets(length).to_vec();
        if bits & 8 != 0 {
            data.resize(data.len() + 64 * usize::from(self.input.octet()), b'x');
        }
        let response = Response {
            identifier,
            kind,
            data: &data,
        };
        self.sent += data.len();
        if identifier != self.identifier {
            self.is_stray(&response);
            return None;
        }
        self.responses += 1;
        assert!(self.responses <= MAX_ROUNDS + 1, "it goes on for ever");
        let failing = self.talk.failing().cloned();
        let around = around(&*self.tunnel, self.fragment_octets);
        let step = self.talk.receive(&response, &around).unwrap();
        assert_eq!(self.talk.failure(), packet::end(identifier, false));
        let step = match step {
            Step::Decide(offered) => {
                super::is_offered(&offered, MAX_MESSAGE_OCTETS);
                assert!(!self.talk.awaits_typing());
                self.decide()
            }
            step => step,
        };
        // A message that is put together, or a text, may have room for twice its length, and the
        // tunnel may keep what it was given.
        let ours = self.flight + 1_024;
        assert!(self.talk.octets() <= 2 * (MAX_MESSAGE_OCTETS + ours) + self.sent);
        match step {
            Step::Send(request) => {
                assert!(self.responses <= MAX_ROUNDS && failing.is_none());
                self.is_sent(&request, &response);
                None
            }
            Step::Decide(_) => panic!("nothing was typed"),
            Step::End(last, outcome) => {
                let success = matches!(outcome, Outcome::Success(_));
                assert_eq!(last, packet::end(identifier, success));
                self.is_right(&outcome);
                if let Some(failing) = failing
                    && self.responses <= MAX_ROUNDS
                {
                    assert!(matches!(&outcome, Outcome::Fault(fault) if *fault == failing));
                }
                Some((identifier, outcome))
            }
        }
    }

    /// Nothing changes by it.
    fn is_stray(&mut self, response: &Response<'_>) {
        let before = format!("{:?}", self.talk);
        let around = around(&*self.tunnel, self.fragment_octets);
        assert!(self.talk.receive(response, &around).is_err());
        assert_eq!(format!("{:?}", self.talk), before);
    }

    fn decide(&mut self) -> Step {
        assert!(self.decided.is_none(), "something is typed after the end");
        let around = around(&*self.tunnel, self.fragment_octets);
        let says = self.input.octet() % 4;
        if says < 2 {
            self.decided = Some(says == 1);
            return self.talk.conclude(says == 1, &around);
        }
        let can_ask = self.talk.can_ask();
        let step = self.talk.ask(&self.input.text(), &around);
        assert_eq!(can_ask, matches!(step, Step::Send(_)), "{step:?}");
        assert_eq!(can_ask, self.talk.awaits_typing());
        step
    }

    fn is_sent(&mut self, request: &[u8], to: &Response<'_>) {
        assert!(request.len() <= 10 + self.fragment_octets.max(1));
        let [1, identifier, high, low, kind, data @ ..] = request else {
            panic!("no request: {request:?}");
        };
        assert_eq!(*identifier, self.identifier.wrapping_add(1));
        self.identifier = *identifier;
        assert_eq!(
            usize::from(u16::from_be_bytes([*high, *low])),
            request.len()
        );
        if to.kind == EapType::NAK {
            // Once, to TTLS, for a peer that names it.
            assert!(self.kind == EapType::PEAP && self.version.is_none());
            assert!(to.data.contains(kind) && data == framing::start(0));
            self.kind = EapType::TTLS;
        } else {
            assert!(to.kind == self.kind, "another method goes on");
            let version = *self.version.get_or_insert(to.data[0] & 7);
            assert_eq!(framing::version(data), Some(version));
            assert!(version == 0 || self.kind == EapType::PEAP && version == 1);
            match self.arrived.receive(data).unwrap() {
                Received::Fragment => {}
                Received::Message(whole) => {
                    assert!(whole.len() <= self.flight + 1_024);
                }
            }
        }
        assert_eq!(EapType(*kind), self.kind);
    }

    fn is_right(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Success(keys) => {
                assert_eq!(self.decided, Some(true), "nobody let it in");
                assert!(self.keys().iter().any(|one| one == keys), "others' keys");
            }
            Outcome::Failure => assert_eq!(self.decided, Some(false)),
            Outcome::Fault(fault) => super::is_told(fault),
        }
    }

    /// Those of the tunnel, and what a binding makes of them.
    fn keys(&self) -> Vec<KeyingMaterial> {
        let (label, context): (&[u8], _) = match (self.tls, self.kind) {
            (TunnelVersion::Tls12, EapType::PEAP) => (b"client EAP encryption", None),
            (TunnelVersion::Tls12, _) => (b"ttls keying material", None),
            (TunnelVersion::Tls13, kind) => (b"EXPORTER_EAP_TLS_Key_Material", Some([kind.0])),
        };
        let keys = Secret::new(material(label, context.as_ref().map(<[u8; 1]>::as_slice)));
        let bound = (self.kind == EapType::PEAP && self.version == Some(0))
            .then(|| Binding::offer(&keys, NONCE).0.keys());
        [Some(keys), bound].into_iter().flatten().collect()
    }

    /// Whatever comes after the end.
    fn over(&mut self, answered: u8) {
        for _ in 0..3 {
            assert!(!self.talk.can_ask() && self.talk.agreed().is_none());
            assert!(self.talk.failing().is_none() && !self.talk.awaits_typing());
            let identifier = self.input.octet();
            let length = self.input.octet().into();
            for identifier in [identifier, answered] {
                let response = Response {
                    identifier,
                    kind: self.kind,
                    data: self.input.octets(length),
                };
                let around = around(&*self.tunnel, self.fragment_octets);
                match self.talk.receive(&response, &around) {
                    Ok(step) => is_nothing(&step),
                    Err(_) => assert_ne!(identifier, answered),
                }
            }
            let around = around(&*self.tunnel, self.fragment_octets);
            is_nothing(&self.talk.conclude(true, &around));
            is_nothing(&self.talk.ask("More?", &around));
        }
    }
}

fn is_nothing(step: &Step) {
    let nothing = matches!(step, Step::End(last, Outcome::Fault(_)) if last[0] == packet::FAILURE);
    assert!(nothing, "after the end: {step:?}");
}

fn around(tunnel: &dyn Fn() -> Box<dyn Tunnel>, fragment_octets: usize) -> Surroundings<'_> {
    Surroundings {
        tunnel,
        fragment_octets,
        nonce: NONCE,
    }
}
