//! A supplicant of PEAP with inner GTC: takes what a server sends and says what to answer. Octets in,
//! octets out, as at the other end; what is typed comes from elsewhere, and the tunnel is the client's
//! end of one.

mod fault;
mod inside;

pub(crate) use fault::ServerFault;
use inside::{Inside, Reply};

use super::conversation::{MAX_ROUNDS, Method};
use super::framing::{self, Incoming, Outgoing, Received};
use super::packet::{self, EapType, FromServer};
use super::tunnel::{KeyingMaterial, Tunnel, TunnelVersion};

/// What to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this response and wait for what the server says to it.
    Send(Vec<u8>),
    /// The server asks this inside the tunnel: [`Supplicant::answer`] it.
    Asked(String),
    /// It is over.
    Over(End),
}

/// How a conversation ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Both sides agree that the user is let in; the keys are theirs alone.
    Success(KeyingMaterial),
    /// The server says that the user is not let in.
    Failure,
    /// It could not go on: what the server does is not to be believed, or makes no sense.
    Fault(ServerFault),
}

/// Who logs in, and how much of the method it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The name inside the tunnel.
    pub(crate) user: String,
    /// The name outside, which anybody can read.
    pub(crate) outer: String,
    /// The highest version of PEAP: 0 or 1.
    pub(crate) highest_version: u8,
    /// Octets of a message in one packet.
    pub(crate) fragment_octets: usize,
}

/// One end of one conversation.
#[derive(Debug)]
pub(crate) struct Supplicant {
    settings: Settings,
    /// Of the request that was answered last, or waits for its answer.
    identifier: u8,
    rounds: u32,
    phase: Phase,
    incoming: Incoming,
    outgoing: Outgoing,
    /// What was agreed on, which is worth knowing after the end too.
    version: Option<u8>,
    tls: Option<TunnelVersion>,
    bound: bool,
}

#[derive(Debug)]
enum Phase {
    /// No method has begun.
    Waiting(Box<dyn Tunnel>),
    /// A tunnel is being made, or is there.
    Tunnelled(Tunnelled),
    /// The server is being told that it cannot go on.
    Failing(ServerFault),
    Ended,
}

#[derive(Debug)]
struct Tunnelled {
    version: u8,
    tunnel: Box<dyn Tunnel>,
    inside: Inside,
}

impl Supplicant {
    /// Begins: gives the packet that says who it is, as a device would have asked for it.
    pub(crate) fn begin(settings: Settings, tunnel: Box<dyn Tunnel>) -> (Self, Vec<u8>) {
        let first = packet::response(0, EapType::IDENTITY, settings.outer.as_bytes());
        let supplicant = Self {
            settings,
            identifier: 0,
            rounds: 0,
            phase: Phase::Waiting(tunnel),
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            version: None,
            tls: None,
            bound: false,
        };
        (supplicant, first)
    }

    /// Takes what the server sends.
    pub(crate) fn receive(&mut self, packet: &[u8]) -> Step {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > MOST_ROUNDS {
            return self.fail(ServerFault::Rounds(MOST_ROUNDS));
        }
        let (identifier, kind, data) = match FromServer::parse(packet) {
            Ok(FromServer::Request {
                identifier,
                kind,
                data,
            }) => (identifier, kind, data),
            Ok(FromServer::End {
                identifier,
                success,
            }) => return self.ends(identifier, success),
            Err(fault) => return self.fail(fault.into()),
        };
        self.identifier = identifier;
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        match (phase, kind) {
            // Nothing that the server goes on with makes it better.
            (Phase::Failing(fault), _) => self.fail(fault),
            (Phase::Ended, _) => self.fail(ServerFault::Outer("it goes on after the end")),
            (phase, EapType::NOTIFICATION) => self.says(phase, kind, &[]),
            (phase @ Phase::Waiting(_), EapType::IDENTITY) => {
                let name = self.settings.outer.clone();
                self.says(phase, kind, name.as_bytes())
            }
            (Phase::Waiting(tunnel), EapType::PEAP) => self.starts(tunnel, data),
            (phase @ Phase::Waiting(_), _) => self.says(phase, EapType::NAK, &[EapType::PEAP.0]),
            (Phase::Tunnelled(tunnelled), EapType::PEAP) => self.within(tunnelled, data),
            (Phase::Tunnelled(_), _) => self.fail(ServerFault::Outer(
                "it leaves the method that was agreed on",
            )),
        }
    }

    /// Answers what was asked, after [`Step::Asked`].
    pub(crate) fn answer(&mut self, typed: &[u8]) -> Step {
        let Phase::Tunnelled(mut tunnelled) = std::mem::replace(&mut self.phase, Phase::Ended)
        else {
            return self.fail(ServerFault::Outer("there is no tunnel"));
        };
        match tunnelled.inside.answer(typed) {
            Ok(reply) => self.act(tunnelled, reply),
            Err(fault) => self.fail(fault),
        }
    }

    /// The server ended it without an EAP packet.
    pub(crate) fn is_left(&mut self) -> End {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Failing(fault) => End::Fault(fault),
            _ => End::Failure,
        }
    }

    /// The version of PEAP, once it is agreed on.
    pub(crate) const fn version(&self) -> Option<u8> {
        self.version
    }

    /// The version of TLS, once there is a tunnel.
    pub(crate) const fn tls(&self) -> Option<TunnelVersion> {
        self.tls
    }

    /// Whether both ends proved that the conversation inside belongs to the tunnel.
    pub(crate) const fn is_bound(&self) -> bool {
        self.bound
    }

    fn starts(&mut self, mut tunnel: Box<dyn Tunnel>, data: &[u8]) -> Step {
        let Some(offered) = framing::version(data).filter(|_| framing::is_start(data)) else {
            return self.fail(ServerFault::Outer("it does not begin with a start"));
        };
        let version = offered.min(self.settings.highest_version);
        self.version = Some(version);
        self.outgoing = Outgoing::new(tunnel.drain());
        let inside = Inside::new(version, self.settings.user.clone());
        self.send(Tunnelled {
            version,
            tunnel,
            inside,
        })
    }

    fn within(&mut self, tunnelled: Tunnelled, data: &[u8]) -> Step {
        if framing::is_start(data) {
            return self.fail(ServerFault::Outer("it starts once more"));
        }
        match framing::version(data) {
            Some(version) if version != tunnelled.version => {
                return self.fail(ServerFault::Version(version));
            }
            _ => {}
        }
        match self.incoming.receive(data) {
            Err(fault) => self.fail(fault.into()),
            Ok(Received::Message(message)) if !self.outgoing.is_under_way() => {
                self.take(tunnelled, &message)
            }
            Ok(Received::Fragment) if !self.outgoing.is_under_way() => self.send(tunnelled),
            // Our fragment is acknowledged.
            Ok(Received::Message(message)) if message.is_empty() => self.send(tunnelled),
            Ok(_) => self.fail(ServerFault::Outer(
                "it goes on before it has all of our message",
            )),
        }
    }

    /// Takes a whole message.
    fn take(&mut self, mut tunnelled: Tunnelled, message: &[u8]) -> Step {
        if !message.is_empty()
            && let Err(fault) = tunnelled.tunnel.feed(message)
        {
            // An alert of ours, or none where the server sent one: it answers with the end.
            self.outgoing = Outgoing::new(tunnelled.tunnel.drain());
            return self.send_failing(tunnelled, fault.into());
        }
        self.tls = tunnelled.tunnel.established();
        let clear = match self.tls {
            Some(_) => tunnelled.tunnel.read(),
            None => proto::secret::Secret::default(),
        };
        if clear.expose().is_empty() {
            // What the handshake says next; at its end nothing, which acknowledges.
            self.outgoing = Outgoing::new(tunnelled.tunnel.drain());
            return self.send(tunnelled);
        }
        let keys = || Method::Peap.export(&*tunnelled.tunnel);
        match tunnelled.inside.receive(clear.expose(), keys) {
            Ok(reply) => self.act(tunnelled, reply),
            Err(fault) => self.fail(fault),
        }
    }

    fn act(&mut self, mut tunnelled: Tunnelled, reply: Reply) -> Step {
        let fault = match reply {
            Reply::Asked(prompt) => {
                self.phase = Phase::Tunnelled(tunnelled);
                return Step::Asked(prompt);
            }
            Reply::Acknowledge => None,
            Reply::Say(clear) => {
                tunnelled.tunnel.write(clear.expose());
                None
            }
            Reply::Refuse(clear, fault) => {
                tunnelled.tunnel.write(clear.expose());
                Some(fault)
            }
        };
        self.bound = tunnelled.inside.bound().is_some();
        self.outgoing = Outgoing::new(tunnelled.tunnel.drain());
        match fault {
            None => self.send(tunnelled),
            Some(fault) => self.send_failing(tunnelled, fault),
        }
    }

    fn ends(&mut self, identifier: u8, success: bool) -> Step {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        // It is that of the last response (RFC 3748 section 4.2).
        if identifier != self.identifier {
            return self.fail(ServerFault::Outer(
                "it ends the conversation with the identifier of another packet",
            ));
        }
        Step::Over(match (phase, success) {
            (Phase::Failing(fault), _) => End::Fault(fault),
            (_, false) => End::Failure,
            (Phase::Tunnelled(tunnelled), true) if tunnelled.inside.told_success() => {
                match tunnelled.keys() {
                    Some(keys) => End::Success(keys),
                    None => End::Fault(ServerFault::Outer("there are no keys")),
                }
            }
            (_, true) => End::Fault(ServerFault::Outer(
                "it says outside that the user is let in, and did not say so inside the tunnel",
            )),
        })
    }

    /// Answers outside of a tunnel.
    fn says(&mut self, phase: Phase, kind: EapType, data: &[u8]) -> Step {
        self.phase = phase;
        Step::Send(packet::response(self.identifier, kind, data))
    }

    /// Sends the next fragment, or an acknowledgement.
    fn send(&mut self, tunnelled: Tunnelled) -> Step {
        let octets = self.settings.fragment_octets;
        let data = self.outgoing.next(tunnelled.version, octets);
        self.says(Phase::Tunnelled(tunnelled), EapType::PEAP, &data)
    }

    /// The same, and whatever comes then is the end.
    fn send_failing(&mut self, tunnelled: Tunnelled, fault: ServerFault) -> Step {
        let step = self.send(tunnelled);
        self.phase = Phase::Failing(fault);
        step
    }

    fn fail(&mut self, fault: ServerFault) -> Step {
        self.phase = Phase::Ended;
        Step::Over(End::Fault(fault))
    }

    /// Octets that it keeps of what was sent, but for the tunnel.
    #[cfg(test)]
    pub(super) const fn octets(&self) -> usize {
        self.incoming.octets() + self.outgoing.octets()
    }
}

impl Tunnelled {
    fn keys(&self) -> Option<KeyingMaterial> {
        match self.inside.bound() {
            Some(binding) => Some(binding.keys()),
            None => Method::Peap.export(&*self.tunnel),
        }
    }
}

/// The most packets of a server: as many as ours takes of a supplicant, and a few.
pub(crate) const MOST_ROUNDS: u32 = MAX_ROUNDS + 10;
