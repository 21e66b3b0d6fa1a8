//! A login over RADIUS, step by step.

use std::{mem, net::SocketAddr, time::Duration};

use super::{
    Login, Reply, Seen, Supplicant, Verdict,
    packet::{self, code as eap, flag},
    peer::{Output, Peer},
};
use crate::{
    clock,
    nas::{Answer, Nas, Request, attribute, code, microsoft},
};

/// The longest piece of EAP in one attribute (RFC 3579 section 3.1).
const PIECE: usize = 253;

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The next response waits to be sent.
    Going,
    /// It was asked this; [`Session::reply`] goes on.
    Asked(String),
    /// It is over.
    Ended(Verdict),
}

/// One login: an EAP peer and a RADIUS client of its own.
///
/// [`Session::step`] sends the response that waits and takes what comes. Its parts are there one by
/// one: [`Session::misbehave`], [`Session::send`], [`Session::receive`], [`Session::take`].
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    server: SocketAddr,
    /// The port in use is the last one.
    ports: Vec<Nas>,
    /// The EAP packet that waits to be sent.
    response: Vec<u8>,
    state: Option<Vec<u8>>,
    /// Response and State of the round before.
    previous: Option<(Vec<u8>, Option<Vec<u8>>)>,
    /// All that was sent, each with the port it went from.
    sent: Vec<(usize, Request)>,
    /// How many of it were sent before the last answer.
    old: usize,
    late: Vec<Answer>,
    last: Option<Answer>,
}

impl Session {
    pub(super) fn new(supplicant: Supplicant, server: SocketAddr) -> Self {
        let mut session = Self {
            ports: Vec::new(),
            server,
            response: Vec::new(),
            state: None,
            previous: None,
            sent: Vec::new(),
            old: 0,
            late: Vec::new(),
            last: None,
            peer: Peer::new(supplicant),
        };
        session.peer.seen.authenticator_first = true;
        session.response = session.peer.identity();
        session.move_port();
        session
    }

    /// Sends what waits and takes what comes.
    pub fn step(&mut self) -> Step {
        self.send();
        self.wait()
    }

    /// Waits for the answer to what was sent, and takes it. Answers to older requests are kept as
    /// late.
    pub fn wait(&mut self) -> Step {
        match self.receive(self.peer.supplicant.timeout) {
            Some(answer) => self.take(&answer),
            None => Step::Ended(Verdict::Silent),
        }
    }

    /// Answers what was asked; the response waits to be sent.
    ///
    /// # Panics
    /// When nothing was asked.
    pub fn reply(&mut self, reply: Reply) -> Step {
        let output = self.peer.reply(reply);
        self.put(output)
    }

    /// Goes on to the end.
    pub fn run(mut self, mut answers: impl FnMut(&str) -> Reply) -> Login {
        let mut step = Step::Going;
        loop {
            step = match step {
                Step::Going => self.step(),
                Step::Asked(prompt) => self.reply(answers(&prompt)),
                Step::Ended(verdict) => return self.end(verdict),
            };
        }
    }

    /// The login as it stands, with this verdict.
    #[must_use]
    pub fn end(self, verdict: Verdict) -> Login {
        Login {
            verdict,
            seen: self.peer.seen,
            last: self.last,
        }
    }

    /// Goes on until it is asked something, and says what.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn until_asked(&mut self) -> String {
        loop {
            match self.step() {
                Step::Going => {}
                Step::Asked(prompt) => return prompt,
                Step::Ended(verdict) => {
                    panic!("{verdict:?} instead of a prompt: {:?}", self.seen())
                }
            }
        }
    }

    /// Goes on for this many answers, none of which may ask or be the last: 1 gets a method proposed,
    /// 2 gets it started with a peer that wants another, more are amid the handshake.
    ///
    /// # Panics
    /// When it asks or ends.
    pub fn rounds(&mut self, count: usize) {
        for round in 1..=count {
            let step = self.step();
            assert_eq!(step, Step::Going, "round {round}: {:?}", self.seen());
        }
    }

    /// Goes on until the tunnel is there, with the response that follows still to be sent.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn until_tunnel(&mut self) {
        while self.peer.keys().is_none() {
            self.rounds(1);
        }
    }

    /// What the peer has seen so far.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.peer.seen
    }

    /// The supplicant, whose behaviour may change on the way.
    pub const fn supplicant(&mut self) -> &mut Supplicant {
        &mut self.peer.supplicant
    }

    /// The EAP packet that waits to be sent; may be changed or replaced. Empty is EAP-Start.
    pub const fn response(&mut self) -> &mut Vec<u8> {
        &mut self.response
    }

    /// The State that goes with it.
    pub const fn state(&mut self) -> &mut Option<Vec<u8>> {
        &mut self.state
    }

    /// The address of the RADIUS client's port in use.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port().address()
    }

    /// The last answer that was taken.
    #[must_use]
    pub const fn last(&self) -> Option<&Answer> {
        self.last.as_ref()
    }

    /// Answers that came to requests before the last one that was answered.
    #[must_use]
    pub fn late(&self) -> &[Answer] {
        &self.late
    }

    /// Sends the response that waits, in a RADIUS request with a new id and authenticator. A second
    /// time: the same, as a client does that lost the answer and asks anew.
    pub fn send(&mut self) {
        let request = self.request(&self.response.clone(), self.state.clone());
        self.send_request(request);
    }

    /// Sends the last RADIUS request again, octet by octet.
    ///
    /// # Panics
    /// When nothing was sent.
    pub fn retransmit(&mut self) {
        let (port, request) = self.sent.last().expect("nothing was sent");
        self.ports[*port].send(&request.encode());
    }

    /// Sends the response of the round before again, with its State, in a new RADIUS request.
    ///
    /// # Panics
    /// In the first round.
    pub fn send_previous(&mut self) {
        let (response, state) = self.previous.clone().expect("there was a round before");
        let request = self.request(&response, state);
        self.send_request(request);
    }

    /// Sends a RADIUS request of the caller's making, for instance of [`Session::request`].
    pub fn send_request(&mut self, request: Request) {
        self.port().send(&request.encode());
        self.sent.push((self.ports.len() - 1, request));
    }

    /// A RADIUS request of this login with this EAP packet and State.
    #[must_use]
    pub fn request(&self, response: &[u8], state: Option<Vec<u8>>) -> Request {
        let supplicant = &self.peer.supplicant;
        let mut request = self.port().named(&supplicant.outer);
        request.attributes.extend(supplicant.attributes.clone());
        if response.is_empty() {
            request = request.with(attribute::EAP_MESSAGE, &[]);
        }
        for piece in response.chunks(PIECE) {
            request = request.with(attribute::EAP_MESSAGE, piece);
        }
        match state {
            Some(state) => request.with(attribute::STATE, &state),
            None => request,
        }
    }

    /// Goes on from a new source port.
    pub fn move_port(&mut self) {
        let supplicant = &self.peer.supplicant;
        let port = Nas::from_address(supplicant.nas_address, self.server, &supplicant.secret);
        self.ports.push(port);
    }

    /// The answer to what was sent from the port in use since the last answer was taken; none when
    /// none comes in time. Others are kept as late.
    ///
    /// # Panics
    /// When what comes answers nothing that was sent.
    #[must_use]
    pub fn receive(&mut self, timeout: Duration) -> Option<Answer> {
        let end = clock::now() + timeout;
        loop {
            let left = end.saturating_duration_since(clock::now());
            let octets = self.port().receive(left.max(Duration::from_millis(1)))?;
            let (index, answer) = self.genuine(self.ports.len() - 1, &octets);
            if index >= self.old {
                return Some(answer);
            }
            self.late.push(answer);
        }
    }

    /// The next answer that comes to the port before the one in use, to whatever was sent from there.
    ///
    /// # Panics
    /// When what comes answers nothing that was sent, or there was no port before.
    #[must_use]
    pub fn receive_on_old_port(&mut self, timeout: Duration) -> Option<Answer> {
        let old = self.ports.len() - 2;
        let octets = self.ports[old].receive(timeout)?;
        Some(self.genuine(old, &octets).1)
    }

    /// Takes an answer: makes the response that follows, or ends.
    pub fn take(&mut self, answer: &Answer) -> Step {
        let first = answer.message_authenticator_is_first();
        self.peer.seen.authenticator_first &= first;
        self.peer.seen.rounds += 1;
        self.old = self.sent.len();
        self.last = Some(answer.clone());
        let step = match answer.code {
            code::ACCESS_CHALLENGE => self.challenged(answer),
            code::ACCESS_ACCEPT => self.accepted(answer).map(|()| Verdict::Accepted.into()),
            code::ACCESS_REJECT => self.rejected(answer).map(|()| Verdict::Rejected.into()),
            other => Err(format!("a RADIUS answer with code {other}")),
        };
        step.unwrap_or_else(|fault| Verdict::Broken(fault).into())
    }

    /// Sends fragments of `octets` octets and never the last of them, until the server no longer
    /// acknowledges them, `most` times at most. `total` is what the first says of the whole; with none
    /// nothing is said. Gives how many were acknowledged, and how it ended: [`Verdict::GaveUp`] when
    /// the server took them all.
    ///
    /// # Panics
    /// When no request of the method waits to be answered.
    pub fn endless(&mut self, octets: usize, total: Option<u32>, most: usize) -> (usize, Verdict) {
        let kind = self.peer.kind();
        let version = self.response.get(5).expect("a method was begun") & flag::VERSION;
        for count in 0..most {
            let total = total.filter(|_| count == 0).map(u32::to_be_bytes);
            let (flags, mut data) = match total {
                Some(total) => (flag::LENGTH | flag::MORE | version, total.to_vec()),
                None => (flag::MORE | version, Vec::new()),
            };
            data.resize(data.len() + octets, 0x16);
            let identifier = self.peer.identifier;
            self.response = packet::flagged(eap::RESPONSE, identifier, kind, flags, &data);
            self.send();
            let Some(answer) = self.receive(self.peer.supplicant.timeout) else {
                return (count, Verdict::Silent);
            };
            let eap = eap_of(&answer).unwrap_or_default();
            // An acknowledgement: a request without data.
            let acknowledged = eap.first() == Some(&eap::REQUEST) && eap.len() == packet::FLAGGED;
            if answer.code != code::ACCESS_CHALLENGE || !acknowledged {
                return match self.take(&answer) {
                    Step::Ended(verdict) => (count, verdict),
                    other => panic!("{other:?} to a fragment"),
                };
            }
            self.old = self.sent.len();
            self.peer.identifier = eap[1];
            self.state = answer.first(attribute::STATE).map(<[u8]>::to_vec);
        }
        (most, Verdict::GaveUp)
    }

    /// What the peer is, for misbehaviour.
    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }

    fn port(&self) -> &Nas {
        self.ports.last().expect("there is a port")
    }

    /// Which request an answer to a port answers.
    fn genuine(&self, port: usize, octets: &[u8]) -> (usize, Answer) {
        let of_port = self.sent.iter().enumerate();
        let found = of_port
            .filter(|(_, (from, _))| *from == port)
            .find_map(|(index, (_, request))| Some((index, request.check(octets).ok()?)));
        found.unwrap_or_else(|| panic!("an answer to nothing that was sent: {octets:02x?}"))
    }

    fn put(&mut self, output: Output) -> Step {
        match output {
            Output::Respond(response) => {
                self.response = response;
                Step::Going
            }
            Output::Ask(prompt) => Step::Asked(prompt),
            Output::Nothing => Step::Ended(Verdict::GaveUp),
        }
    }

    fn challenged(&mut self, answer: &Answer) -> Result<Step, String> {
        let [state] = answer.all(attribute::STATE)[..] else {
            return Err("a challenge without one State".to_owned());
        };
        let state = Some(state.to_vec());
        self.previous = Some((self.response.clone(), mem::replace(&mut self.state, state)));
        let output = self.peer.receive(&eap_of(answer)?)?;
        Ok(self.put(output))
    }

    fn accepted(&self, answer: &Answer) -> Result<(), String> {
        self.is_end(answer, eap::SUCCESS)?;
        if !self.peer.agrees() {
            return Err("let in before the tunnel said so".to_owned());
        }
        let keys = self.peer.keys().ok_or("let in without a tunnel")?;
        for (name, kind, want) in [
            ("MS-MPPE-Recv-Key", microsoft::MPPE_RECV_KEY, &keys[..32]),
            ("MS-MPPE-Send-Key", microsoft::MPPE_SEND_KEY, &keys[32..64]),
        ] {
            let hidden = answer.microsoft(kind).ok_or_else(|| format!("no {name}"))?;
            let mut requests = self.sent.iter().map(|(_, request)| request);
            let request = requests.find(|request| request.check(&answer.bytes).is_ok());
            let request = request.ok_or("an answer to nothing")?;
            let clear = request.reveal_salted(hidden);
            if clear.ok_or_else(|| format!("{name} cannot be read"))? != *want {
                return Err(format!("{name} is not of this tunnel"));
            }
        }
        let salts = [microsoft::MPPE_RECV_KEY, microsoft::MPPE_SEND_KEY]
            .map(|kind| answer.microsoft(kind).and_then(|hidden| hidden.get(..2)));
        if salts[0] == salts[1] {
            return Err("both keys have one salt".to_owned());
        }
        Ok(())
    }

    fn rejected(&mut self, answer: &Answer) -> Result<(), String> {
        if answer.first(attribute::EAP_MESSAGE).is_some() {
            self.is_end(answer, eap::FAILURE)?;
            self.peer.seen.eap_failure = true;
        }
        Ok(())
    }

    /// Whether the EAP packet is this end, with the identifier of the last response (RFC 3748 section
    /// 4.2).
    fn is_end(&self, answer: &Answer, code: u8) -> Result<(), String> {
        let eap = eap_of(answer)?;
        let responded = self.response.get(1).copied();
        // They differ where the peer misbehaves.
        let known = [Some(self.peer.identifier), responded].map(|identifier| {
            let identifier = identifier.unwrap_or(self.peer.identifier);
            [code, identifier, 0, 4]
        });
        if known.iter().any(|end| eap == end) {
            Ok(())
        } else {
            Err(format!("{eap:02x?} at the end instead of {known:02x?}"))
        }
    }
}

impl From<Verdict> for Step {
    fn from(verdict: Verdict) -> Self {
        Self::Ended(verdict)
    }
}

/// The EAP packet of an answer, whose pieces must stand side by side.
fn eap_of(answer: &Answer) -> Result<Vec<u8>, String> {
    let is_eap = |(kind, _): &&(u8, Vec<u8>)| *kind == attribute::EAP_MESSAGE;
    let mut rest = answer
        .attributes
        .iter()
        .skip_while(|attribute| !is_eap(attribute));
    let together: Vec<&[u8]> = rest
        .by_ref()
        .take_while(is_eap)
        .map(|(_, piece)| piece.as_slice())
        .collect();
    if rest.any(|(kind, _)| *kind == attribute::EAP_MESSAGE) {
        return Err("the pieces of EAP-Message do not stand together".to_owned());
    }
    if together.is_empty() {
        return Err("no EAP-Message".to_owned());
    }
    Ok(together.concat())
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};

    use super::*;
    use crate::{
        hidden,
        nas::{HEADER, datagram, vendor_value},
        peers::{
            SECRET,
            supplicant::{Method, inner::Inner},
        },
        ports,
    };

    const RECV: &[u8] = &[1; 32];
    const SEND: &[u8] = &[2; 32];

    /// A peer of PEAP that was told inside its tunnel that it is let in.
    fn told() -> Session {
        let mut session = Supplicant::new(Method::Peap, "alice").session(ports::dead());
        let mut keys = [0; 128];
        keys[..32].copy_from_slice(RECV);
        keys[32..64].copy_from_slice(SEND);
        session.peer.inner = Some(Inner::new(Method::Peap, 0, keys));
        session.peer.seen.result = Some(true);
        session.peer.identifier = 9;
        session.response = packet::packet(eap::RESPONSE, 9, 25, &[0]);
        session.send();
        session
    }

    /// A genuine answer to what the session sent, with this EAP packet and these keys behind these salts.
    fn answer(session: &Session, code: u8, eap: &[u8], keys: &[(u8, &[u8], u8)]) -> Answer {
        let (_, request) = &session.sent[0];
        let mut attributes: Vec<(u8, Vec<u8>)> = Vec::new();
        if !eap.is_empty() {
            attributes.push((attribute::EAP_MESSAGE, eap.to_vec()));
        }
        for (kind, key, salt) in keys {
            let hidden = hidden::hide_salted(SECRET, &request.authenticator, [0x80, *salt], key);
            let value = vendor_value(microsoft::VENDOR, *kind, &hidden);
            attributes.push((attribute::VENDOR_SPECIFIC, value));
        }
        let mut bytes = datagram(code, request.id, request.authenticator, &attributes);
        let authenticator = Md5::new()
            .chain_update(&bytes)
            .chain_update(SECRET)
            .finalize();
        bytes[4..HEADER].copy_from_slice(&authenticator);
        request.check(&bytes).unwrap()
    }

    #[test]
    fn only_a_good_end_is_taken_for_one() {
        const GOOD: &[(u8, &[u8], u8)] = &[(17, RECV, 1), (16, SEND, 2)];
        let success = [3, 9, 0, 4];
        let accepted = Step::Ended(Verdict::Accepted);
        let mut session = told();
        let step = session.take(&answer(&session, 2, &success, GOOD));
        assert_eq!(step, accepted);
        for (name, code, eap, keys) in [
            (
                "swapped",
                2,
                &success[..],
                &[(17, SEND, 1), (16, RECV, 2)][..],
            ),
            ("one key", 2, &success, &GOOD[..1]),
            ("one salt", 2, &success, &[(17, RECV, 1), (16, SEND, 1)]),
            (
                "cut short",
                2,
                &success,
                &[(17, &RECV[..31], 1), (16, SEND, 2)],
            ),
            ("another identifier", 2, &[3, 8, 0, 4], GOOD),
            ("a failure", 2, &[4, 9, 0, 4], GOOD),
            ("no EAP", 2, &[], GOOD),
            ("a success with a reject", 3, &success, &[]),
            ("a challenge without State", 11, &[1, 10, 0, 5, 1], &[]),
        ] {
            let mut session = told();
            let step = session.take(&answer(&session, code, eap, keys));
            assert!(
                matches!(step, Step::Ended(Verdict::Broken(_))),
                "{name}: {step:?}"
            );
        }
        let mut early = told();
        early.peer.seen.result = None;
        let step = early.take(&answer(&early, 2, &success, GOOD));
        assert_ne!(step, accepted, "before the tunnel said so");
    }

    #[test]
    fn a_reject_is_one_with_or_without_eap() {
        for (eap, failure) in [(&[4, 9, 0, 4][..], true), (&[], false)] {
            let mut session = told();
            let step = session.take(&answer(&session, 3, eap, &[]));
            assert_eq!(step, Step::Ended(Verdict::Rejected));
            assert_eq!(session.seen().eap_failure, failure);
            assert!(!session.seen().authenticator_first);
        }
    }
}
