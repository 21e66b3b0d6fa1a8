//! The peer as a machine: takes EAP requests and makes responses. Knows nothing of RADIUS.

use super::{
    Method, Reply, Seen, Supplicant,
    inner::{Inner, Said},
    packet::{self, FLAGGED, Incoming, Outgoing, Packet, Piece, code, flag, kind},
    tls::{KEYING, Tls},
};

/// What the peer does with a request.
#[derive(Debug)]
pub(super) enum Output {
    /// This response is to be sent.
    Respond(Vec<u8>),
    /// It has been asked this; [`Peer::reply`] goes on.
    Ask(String),
    /// It falls silent.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) supplicant: Supplicant,
    pub(super) seen: Seen,
    /// Of the request that is being answered.
    pub(super) identifier: u8,
    /// Whether there was a request already.
    begun: bool,
    version: u8,
    tls: Option<Tls>,
    incoming: Incoming,
    outgoing: Outgoing,
    pub(super) inner: Option<Inner>,
    /// Records that go before what is said next.
    held: Vec<u8>,
    /// Whether the peer of EAP-TTLS began.
    spoken: bool,
}

impl Peer {
    pub(super) fn new(supplicant: Supplicant) -> Self {
        Self {
            supplicant,
            seen: Seen::default(),
            identifier: 0,
            begun: false,
            version: 0,
            tls: None,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            inner: None,
            held: Vec::new(),
            spoken: false,
        }
    }

    /// What it says before it is asked anything: who it is.
    pub(super) fn identity(&self) -> Vec<u8> {
        let name = self.supplicant.outer.as_bytes();
        packet::packet(code::RESPONSE, self.identifier, kind::IDENTITY, name)
    }

    /// The keys, once there is a tunnel.
    pub(super) fn keys(&self) -> Option<[u8; KEYING]> {
        self.inner.as_ref().map(|inner| inner.keys)
    }

    /// Whether an EAP-Success would be believed now.
    pub(super) fn agrees(&self) -> bool {
        match self.supplicant.method {
            Method::Peap => self.seen.result == Some(true),
            Method::TtlsPap | Method::TtlsGtc => self.spoken,
        }
    }

    /// The type of its method.
    pub(super) const fn kind(&self) -> u8 {
        match self.supplicant.method {
            Method::Peap => kind::PEAP,
            Method::TtlsPap | Method::TtlsGtc => kind::TTLS,
        }
    }

    /// Takes a request.
    ///
    /// # Errors
    /// Says what a server must not do.
    pub(super) fn receive(&mut self, octets: &[u8]) -> Result<Output, String> {
        let request = Packet::read(octets)?;
        let Some(kind) = request.kind.filter(|_| request.code == code::REQUEST) else {
            return Err(format!("no request in a challenge: {request:?}"));
        };
        if self.begun && request.identifier == self.identifier {
            return Err("a new request with the identifier of the last one".to_owned());
        }
        self.begun = true;
        self.identifier = request.identifier;
        self.seen.largest_request = self.seen.largest_request.max(octets.len());
        if self.tls.is_none() && self.seen.proposals.last() != Some(&kind) {
            self.seen.proposals.push(kind);
        }
        let respond = |kind, data: &[u8]| {
            let response = packet::packet(code::RESPONSE, request.identifier, kind, data);
            Ok(Output::Respond(response))
        };
        match kind {
            kind::IDENTITY => Ok(Output::Respond(self.identity())),
            kind::NOTIFICATION => respond(kind::NOTIFICATION, &[]),
            _ if self.tls.is_none() && self.supplicant.outer_nak.is_some() => {
                let wanted = self.supplicant.outer_nak.take().unwrap();
                respond(kind::NAK, &wanted)
            }
            kind if kind == self.kind() => self.flagged(&request.data),
            _ if self.tls.is_some() => Err(format!("another method amid a tunnel: {kind}")),
            _ => respond(kind::NAK, &[self.kind()]),
        }
    }

    /// Answers what it was asked.
    pub(super) fn reply(&mut self, reply: Reply) -> Output {
        let inner = self.inner.as_mut().expect("nothing was asked");
        let said = inner.reply(reply, &self.supplicant);
        self.act(said)
    }

    fn flagged(&mut self, data: &[u8]) -> Result<Output, String> {
        let (&flags, data) = data.split_first().ok_or("a request without flags")?;
        let version = flags & flag::VERSION;
        if flags & flag::START != 0 {
            if self.tls.is_some() {
                return Err("a second start".to_owned());
            }
            self.version = version.min(self.supplicant.highest_version);
            if self.version < self.supplicant.lowest_version {
                return Ok(Output::Nothing);
            }
            if self.supplicant.method == Method::Peap {
                self.seen.peap_version = Some(self.version);
            }
            let mut tls = Tls::new(&self.supplicant);
            let hello = tls.drain();
            self.tls = Some(tls);
            return Ok(self.send(hello));
        }
        if self.tls.is_none() {
            return Err("no start".to_owned());
        }
        if version != self.version {
            return Err(format!("version {version} instead of {}", self.version));
        }
        if flags & flag::LENGTH != 0 && data.len() <= 4 {
            // FreeRADIUS does, with zeros.
            let untidy = "an acknowledgement with a length".to_owned();
            self.seen.untidy.push(untidy);
        }
        if !self.outgoing.is_done() {
            if data.iter().any(|octet| *octet != 0) || flags & flag::MORE != 0 {
                return Err("data where an acknowledgement is due".to_owned());
            }
            self.seen.fragments_sent += 1;
            return Ok(self.piece());
        }
        match self.incoming.take(flags, data)? {
            Piece::More => {
                self.seen.fragments_received += 1;
                Ok(self.acknowledge())
            }
            Piece::Whole(message) => self.message(&message),
        }
    }

    fn message(&mut self, message: &[u8]) -> Result<Output, String> {
        let kind = self.kind();
        let tls = self.tls.as_mut().expect("a start came");
        let fed = tls.feed(message);
        self.seen.tls = tls.version();
        self.seen.suite = tls.suite();
        self.seen.chain = tls.chain();
        let out = tls.drain();
        if let Err(error) = fed {
            self.seen.tls_error.get_or_insert_with(|| error.to_string());
            return Ok(self.send(out));
        }
        if !tls.is_there() {
            return Ok(self.send(out));
        }
        self.seen.resumed = tls.resumed();
        let clear = tls.read();
        let label: &[u8] = match self.supplicant.method {
            Method::Peap => b"client EAP encryption",
            Method::TtlsPap | Method::TtlsGtc => b"ttls keying material",
        };
        if self.inner.is_none() {
            let keys = tls.keys(label, kind);
            self.inner = Some(Inner::new(self.supplicant.method, self.version, keys));
        } else if message.is_empty() && self.supplicant.method == Method::Peap {
            return Err("a request without data inside the tunnel".to_owned());
        }
        let inner = self.inner.as_mut().expect("it was made");
        let speaks_first = self.supplicant.method != Method::Peap && !self.spoken;
        let said = if clear.is_empty() {
            // Its end of the handshake is on its way before it says more.
            let may_begin = out.is_empty() || self.supplicant.hurried;
            if speaks_first && may_begin {
                self.spoken = true;
                inner.begin(&self.supplicant)
            } else {
                Said::Acknowledge
            }
        } else {
            inner.receive(&clear, self.identifier, &self.supplicant, &mut self.seen)?
        };
        self.held = out;
        Ok(self.act(said))
    }

    fn act(&mut self, said: Said) -> Output {
        let mut message = std::mem::take(&mut self.held);
        match said {
            Said::Say(clear) => {
                let tls = self.tls.as_mut().expect("there is a tunnel");
                message.extend(tls.write(&clear));
                self.send(message)
            }
            Said::Acknowledge => self.send(message),
            Said::Ask(prompt) => {
                self.held = message;
                Output::Ask(prompt)
            }
            Said::Nothing => Output::Nothing,
        }
    }

    fn send(&mut self, message: Vec<u8>) -> Output {
        self.outgoing = Outgoing::new(message);
        self.piece()
    }

    fn piece(&mut self) -> Output {
        let octets = self.supplicant.fragment_octets;
        let length = self.supplicant.length_flag;
        let piece = self.outgoing.next(octets, length, self.version);
        Output::Respond(packet::packet(
            code::RESPONSE,
            self.identifier,
            self.kind(),
            &piece,
        ))
    }

    fn acknowledge(&self) -> Output {
        let packet = packet::flagged(
            code::RESPONSE,
            self.identifier,
            self.kind(),
            self.version,
            &[],
        );
        debug_assert_eq!(packet.len(), FLAGGED);
        Output::Respond(packet)
    }
}
