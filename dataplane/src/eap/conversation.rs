//! One EAP conversation from the peer's name to the end: the choice of a method, its tunnel, and what
//! goes on inside. Takes a response and says what to do; decides about nobody.

use super::binding;
use super::fault::EapFault;
use super::framing::{self, Incoming, Outgoing, Received};
use super::inner::{Inner, Offered};
use super::packet::{self, EapType, Response};
use super::peap::{BindingOffer, Peap};
use super::ttls::Ttls;
use super::tunnel::{KeyingMaterial, Tunnel, TunnelVersion};

/// What to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this request and wait for its answer.
    Send(Vec<u8>),
    /// Decide on what was typed, then [`Conversation::ask`] or [`Conversation::conclude`].
    Decide(Offered),
    /// It is over: the last packet, and how it went.
    End(Vec<u8>, Outcome),
}

/// How a conversation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Both sides agree that the peer is let in; the keys are theirs alone.
    Success(KeyingMaterial),
    /// It was concluded with a failure, and the peer knows.
    Failure,
    /// It could not go on. Nobody is let in, whatever was decided.
    Fault(EapFault),
}

/// What comes from outside for one step.
pub(crate) struct Surroundings<'a> {
    /// Makes the server's end of a tunnel.
    pub(crate) tunnel: &'a dyn Fn() -> Box<dyn Tunnel>,
    /// Octets of a message in one packet.
    pub(crate) fragment_octets: usize,
    /// Random, new for each step.
    pub(crate) nonce: [u8; binding::NONCE_OCTETS],
}

/// One conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// Of the request that waits for its answer.
    identifier: u8,
    /// Of the last response, which is the last packet's (RFC 3748 section 4.2).
    answered: u8,
    rounds: u32,
    phase: Phase,
    incoming: Incoming,
    outgoing: Outgoing,
}

#[derive(Debug)]
enum Phase {
    /// This method has been offered, as the first or because the peer named it.
    Offered {
        method: Method,
        may_choose: bool,
    },
    /// A tunnel is being made, or is there.
    Tunnelled(Box<Tunnelled>),
    /// An alert is on its way to the peer; then it fails.
    Failing(EapFault),
    Ended,
}

#[derive(Debug)]
struct Tunnelled {
    method: Method,
    version: u8,
    tunnel: Box<dyn Tunnel>,
    inside: Inside,
    /// Octets the tunnel was given.
    fed: usize,
    /// Whether our side of the handshake was said, which is what costs.
    answered: bool,
    /// Why it fails, while the peer is being told.
    fault: Option<EapFault>,
}

/// What goes on inside.
#[derive(Debug)]
enum Inside {
    /// Nothing: the handshake is not over.
    Nothing,
    Peap(Peap),
    Ttls(Ttls),
}

/// The methods there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    Peap,
    Ttls,
}

impl Method {
    const fn kind(self) -> EapType {
        match self {
            Self::Peap => EapType::PEAP,
            Self::Ttls => EapType::TTLS,
        }
    }

    /// The highest version there is.
    pub(super) const fn highest(self) -> u8 {
        match self {
            Self::Peap => 1,
            Self::Ttls => 0,
        }
    }

    /// The first of ours that a Nak names, but for the one that it refuses.
    fn of(named: &[u8], but: Self) -> Option<Self> {
        [Self::Peap, Self::Ttls]
            .into_iter()
            .find(|method| *method != but && named.contains(&method.kind().0))
    }

    /// How it is written in events.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Peap => "PEAP",
            Self::Ttls => "TTLS",
        }
    }

    /// Where its keys come from (RFC 5216 section 2.3 as PEAP has it, RFC 5281 section 8, RFC 9427
    /// section 2.1).
    pub(super) fn export(self, tunnel: &dyn Tunnel) -> Option<KeyingMaterial> {
        match (tunnel.established()?, self) {
            (TunnelVersion::Tls12, Self::Peap) => tunnel.export(b"client EAP encryption", None),
            (TunnelVersion::Tls12, Self::Ttls) => tunnel.export(b"ttls keying material", None),
            (TunnelVersion::Tls13, method) => {
                tunnel.export(b"EXPORTER_EAP_TLS_Key_Material", Some(&[method.kind().0]))
            }
        }
    }
}

/// A response that answers no request that waits: a repeat, or a stray. Nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the EAP response {got} answers none: {waiting} is waited for")]
pub(crate) struct Stray {
    got: u8,
    waiting: u8,
}

impl Conversation {
    /// Begins with the packet by which a peer said who it is, and offers the first method.
    pub(crate) fn begin(identity: &Response<'_>) -> (Self, Vec<u8>) {
        let mut conversation = Self {
            identifier: identity.identifier,
            answered: identity.identifier,
            rounds: 1,
            phase: Phase::Ended,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
        };
        let packet = conversation.offer(Method::Peap, true);
        (conversation, packet)
    }

    /// Takes a response.
    ///
    /// # Errors
    /// [`Stray`]: it is not the answer that is waited for.
    pub(crate) fn receive(
        &mut self,
        response: &Response<'_>,
        around: &Surroundings<'_>,
    ) -> Result<Step, Stray> {
        if response.identifier != self.identifier {
            return Err(Stray {
                got: response.identifier,
                waiting: self.identifier,
            });
        }
        self.answered = response.identifier;
        self.rounds = self.rounds.saturating_add(1);
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        if self.rounds > MAX_ROUNDS {
            return Ok(self.fail(EapFault::Rounds(MAX_ROUNDS)));
        }
        Ok(match phase {
            Phase::Offered { method, may_choose } => {
                self.chosen(method, may_choose, response, around)
            }
            Phase::Tunnelled(tunnelled) => self.within(tunnelled, response, around),
            Phase::Failing(fault) => self.fail(fault),
            Phase::Ended => self.fail(EapFault::Outer("it goes on after the end")),
        })
    }

    /// Whether the peer can be asked something: not where its password came by PAP.
    pub(crate) fn can_ask(&self) -> bool {
        match &self.phase {
            Phase::Tunnelled(tunnelled) => match &tunnelled.inside {
                Inside::Nothing => false,
                Inside::Peap(_) => true,
                Inside::Ttls(ttls) => ttls.can_ask(),
            },
            _ => false,
        }
    }

    /// Asks something, after [`Step::Decide`]. The answer comes as another.
    pub(crate) fn ask(&mut self, prompt: &str, around: &Surroundings<'_>) -> Step {
        let next = self.next_identifier();
        self.go_on(around, |tunnelled| match &mut tunnelled.inside {
            Inside::Peap(peap) => peap.ask(next, prompt),
            Inside::Ttls(ttls) if ttls.can_ask() => ttls.ask(next, prompt),
            Inside::Ttls(_) | Inside::Nothing => {
                Inner::Fails(EapFault::Inner("it cannot be asked anything"))
            }
        })
    }

    /// Says how it ends, after [`Step::Decide`]. The peer may have to agree first.
    pub(crate) fn conclude(&mut self, success: bool, around: &Surroundings<'_>) -> Step {
        let next = self.next_identifier();
        self.go_on(around, |tunnelled| {
            tunnelled.conclude(next, success, around)
        })
    }

    /// The packet that ends it where it stands.
    pub(crate) fn failure(&self) -> Vec<u8> {
        packet::end(self.answered, false)
    }

    /// Which method was agreed on, and which TLS.
    pub(crate) fn agreed(&self) -> Option<(Method, Option<TunnelVersion>)> {
        match &self.phase {
            Phase::Tunnelled(tunnelled) => Some((tunnelled.method, tunnelled.tunnel.established())),
            _ => None,
        }
    }

    /// Why it fails, while the peer is being told with an alert. Some do not answer that.
    pub(crate) const fn failing(&self) -> Option<&EapFault> {
        match &self.phase {
            Phase::Failing(fault) => Some(fault),
            _ => None,
        }
    }

    /// Whether the peer's first message of a handshake was answered: that is what costs most.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(&self.phase, Phase::Tunnelled(tunnelled) if tunnelled.answered)
    }

    /// Who the peer says inside the tunnel that it is; none before, and where it says nothing.
    pub(crate) fn inner_name(&self) -> Option<&str> {
        match &self.phase {
            Phase::Tunnelled(tunnelled) => match &tunnelled.inside {
                Inside::Nothing => None,
                Inside::Peap(peap) => peap.user(),
                Inside::Ttls(ttls) => ttls.user(),
            },
            _ => None,
        }
    }

    /// Whether the peer has been asked something that a person may have to type.
    pub(crate) fn awaits_typing(&self) -> bool {
        match &self.phase {
            Phase::Tunnelled(tunnelled) => match &tunnelled.inside {
                Inside::Nothing => false,
                Inside::Peap(peap) => peap.awaits_typing(),
                Inside::Ttls(ttls) => ttls.awaits_typing(),
            },
            _ => false,
        }
    }

    /// Octets that it keeps of the peer's and of ours, at the most: the tunnel may keep what it was
    /// fed, when that is not whole.
    pub(crate) const fn octets(&self) -> usize {
        let fed = match &self.phase {
            Phase::Tunnelled(tunnelled) => tunnelled.fed,
            _ => 0,
        };
        self.incoming.octets() + self.outgoing.octets() + fed
    }

    fn offer(&mut self, method: Method, may_choose: bool) -> Vec<u8> {
        self.identifier = self.next_identifier();
        self.phase = Phase::Offered { method, may_choose };
        packet::request(
            self.identifier,
            method.kind(),
            &framing::start(method.highest()),
        )
    }

    fn chosen(
        &mut self,
        method: Method,
        may_choose: bool,
        response: &Response<'_>,
        around: &Surroundings<'_>,
    ) -> Step {
        if response.kind == EapType::NAK {
            return match Method::of(response.data, method) {
                Some(other) if may_choose => Step::Send(self.offer(other, false)),
                _ => self.fail(EapFault::wants(response.data, false)),
            };
        }
        // What is not of this method has no version: its first octet may be one of a password.
        if response.kind != method.kind() {
            return self.fail(EapFault::Outer(
                "it answers with a method that was not offered",
            ));
        }
        let Some(version) = framing::version(response.data) else {
            return self.fail(framing::BadFraming::NoFlags.into());
        };
        if version > method.highest() {
            return self.fail(EapFault::Version(version));
        }
        let tunnelled = Tunnelled {
            method,
            version,
            tunnel: (around.tunnel)(),
            inside: Inside::Nothing,
            fed: 0,
            answered: false,
            fault: None,
        };
        self.within(Box::new(tunnelled), response, around)
    }

    fn within(
        &mut self,
        tunnelled: Box<Tunnelled>,
        response: &Response<'_>,
        around: &Surroundings<'_>,
    ) -> Step {
        if response.kind != tunnelled.method.kind() {
            return self.fail(EapFault::Outer("it leaves the method that was agreed on"));
        }
        match framing::version(response.data) {
            Some(version) if version != tunnelled.version => {
                return self.fail(EapFault::Version(version));
            }
            _ => {}
        }
        match self.incoming.receive(response.data) {
            Err(fault) => self.fail(fault.into()),
            Ok(Received::Message(message))
                if message.is_empty() || !self.outgoing.is_under_way() =>
            {
                if self.outgoing.is_under_way() {
                    return self.send(tunnelled, around);
                }
                self.take(tunnelled, &message, around)
            }
            Ok(Received::Fragment) if !self.outgoing.is_under_way() => self.send(tunnelled, around),
            Ok(_) => self.fail(EapFault::Outer(
                "it goes on before it has all of our message",
            )),
        }
    }

    /// Takes a whole message; an empty one acknowledges ours.
    fn take(
        &mut self,
        mut tunnelled: Box<Tunnelled>,
        message: &[u8],
        around: &Surroundings<'_>,
    ) -> Step {
        tunnelled.fed = tunnelled.fed.saturating_add(message.len());
        if !message.is_empty()
            && let Err(fault) = tunnelled.tunnel.feed(message)
        {
            // The peer is to hear what is wrong, where there is something to hear.
            self.outgoing = Outgoing::new(tunnelled.tunnel.drain());
            if !self.outgoing.is_under_way() {
                return self.fail(fault.into());
            }
            let step = self.send(tunnelled, around);
            self.phase = Phase::Failing(fault.into());
            return step;
        }
        let next = self.next_identifier();
        if matches!(tunnelled.inside, Inside::Nothing) {
            self.outgoing = Outgoing::new(tunnelled.tunnel.drain());
            if self.outgoing.is_under_way() {
                tunnelled.answered = tunnelled.tunnel.has_answered();
                return self.send(tunnelled, around);
            }
            if tunnelled.tunnel.established().is_none() {
                return self.fail(EapFault::Outer("it waits in the middle of the handshake"));
            }
            let inner = tunnelled.begin(next);
            return self.act(tunnelled, inner, around);
        }
        let inner = tunnelled.listen(next);
        self.act(tunnelled, inner, around)
    }

    /// Does something inside, between two packets of the peer.
    fn go_on(
        &mut self,
        around: &Surroundings<'_>,
        with: impl FnOnce(&mut Tunnelled) -> Inner,
    ) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Tunnelled(mut tunnelled) => {
                let inner = with(&mut tunnelled);
                self.act(tunnelled, inner, around)
            }
            _ => self.fail(EapFault::Outer("there is no tunnel")),
        }
    }

    fn act(
        &mut self,
        mut tunnelled: Box<Tunnelled>,
        inner: Inner,
        around: &Surroundings<'_>,
    ) -> Step {
        match inner {
            Inner::Say(clear) => {
                tunnelled.tunnel.write(clear.expose());
                self.outgoing = Outgoing::new(tunnelled.tunnel.drain());
                self.send(tunnelled, around)
            }
            Inner::Listen => {
                self.outgoing = Outgoing::new(tunnelled.tunnel.drain());
                self.send(tunnelled, around)
            }
            Inner::Offered(offered) => {
                self.phase = Phase::Tunnelled(tunnelled);
                Step::Decide(offered)
            }
            // Said inside first, where there is a way to: a supplicant that is only told from
            // outside may take it for a fault of the network.
            Inner::Fails(fault @ EapFault::NoInnerMethod { .. })
                if tunnelled.fault.is_none() && tunnelled.method == Method::Peap =>
            {
                let next = self.next_identifier();
                tunnelled.fault = Some(fault);
                let inner = tunnelled.conclude(next, false, around);
                self.act(tunnelled, inner, around)
            }
            Inner::Fails(fault) => self.fail(tunnelled.fault.take().unwrap_or(fault)),
            Inner::Over { success } => {
                let keys = success.then(|| tunnelled.keys()).flatten();
                let outcome = match (tunnelled.fault, success, keys) {
                    (Some(fault), ..) => Outcome::Fault(fault),
                    (None, true, Some(keys)) => Outcome::Success(keys),
                    (None, true, None) => Outcome::Fault(EapFault::Outer("there are no keys")),
                    (None, false, _) => Outcome::Failure,
                };
                let success = matches!(outcome, Outcome::Success(_));
                Step::End(packet::end(self.identifier, success), outcome)
            }
        }
    }

    /// Sends the next fragment, or an acknowledgement.
    fn send(&mut self, tunnelled: Box<Tunnelled>, around: &Surroundings<'_>) -> Step {
        self.identifier = self.next_identifier();
        let data = self
            .outgoing
            .next(tunnelled.version, around.fragment_octets);
        let packet = packet::request(self.identifier, tunnelled.method.kind(), &data);
        self.phase = Phase::Tunnelled(tunnelled);
        Step::Send(packet)
    }

    fn fail(&mut self, fault: EapFault) -> Step {
        self.phase = Phase::Ended;
        Step::End(packet::end(self.identifier, false), Outcome::Fault(fault))
    }

    const fn next_identifier(&self) -> u8 {
        self.identifier.wrapping_add(1)
    }
}

impl Tunnelled {
    /// Begins what goes on inside. With TTLS the peer speaks first, perhaps in the message that ended
    /// the handshake.
    fn begin(&mut self, identifier: u8) -> Inner {
        match self.method {
            Method::Peap => {
                let (peap, inner) = Peap::begin(self.version, identifier);
                self.inside = Inside::Peap(peap);
                inner
            }
            Method::Ttls => {
                self.inside = Inside::Ttls(Ttls::default());
                self.listen(identifier)
            }
        }
    }

    fn listen(&mut self, identifier: u8) -> Inner {
        let clear = self.tunnel.read();
        match &mut self.inside {
            Inside::Peap(peap) => peap.receive(identifier, clear.expose()),
            Inside::Ttls(ttls) => ttls.receive(identifier, clear.expose()),
            Inside::Nothing => Inner::Fails(EapFault::Outer("there is no tunnel")),
        }
    }

    fn conclude(&mut self, identifier: u8, success: bool, around: &Surroundings<'_>) -> Inner {
        let keys = self.method.export(&*self.tunnel);
        match &mut self.inside {
            Inside::Peap(peap) => {
                let offer = keys.as_ref().map(|keys| BindingOffer {
                    keys,
                    nonce: around.nonce,
                });
                peap.conclude(identifier, success, offer)
            }
            // The tunnel's end is the method's (RFC 5281 section 11).
            Inside::Ttls(_) => Inner::Over { success },
            Inside::Nothing => Inner::Fails(EapFault::Outer("there is no tunnel")),
        }
    }

    fn keys(&self) -> Option<KeyingMaterial> {
        match &self.inside {
            Inside::Peap(peap) => match peap.bound() {
                Some(binding) => Some(binding.keys()),
                None => self.method.export(&*self.tunnel),
            },
            Inside::Ttls(_) => self.method.export(&*self.tunnel),
            Inside::Nothing => None,
        }
    }
}

/// The most packets of a peer: a handshake with its fragments, a password and some prompts.
pub(crate) const MAX_ROUNDS: u32 = 50;
