//! An EAP peer behind a RADIUS client: PEAP and EAP-TTLS, each octet under control.
//!
//! For what `eapol_test` cannot do: answer a second question otherwise than the first, stop half way,
//! misbehave. Independent of the code under test on purpose, like [`crate::nas`]; the tunnel is
//! rustls's client.
//!
//! [`Supplicant::login`] does a whole login. [`Supplicant::session`] gives it step by step: see
//! [`Session`]. What a server may not do ends a login as [`Verdict::Broken`].

mod binding;
mod inner;
mod mischief;
pub mod packet;
mod peer;
mod session;
mod tls;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use rustls::{CipherSuite, ProtocolVersion, client::Resumption};

use super::{Pki, SECRET};
use crate::nas::{Answer, attribute};

pub use mischief::Mischief;
pub use packet::LengthFlag;
pub use session::{Session, Step};
pub use tls::{TlsRange, Trust};

/// The method of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// PEAP, inside GTC.
    Peap,
    /// EAP-TTLS, inside a password by PAP.
    TtlsPap,
    /// EAP-TTLS, inside EAP with GTC.
    TtlsGtc,
}

/// How the peer of PEAPv0 treats crypto-binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CryptoBinding {
    /// An offer is not answered.
    Off,
    /// An offer is answered.
    On,
    /// Without an offer there is no success.
    Required,
    /// An offer is answered with a wrong MAC.
    Wrong,
}

/// What the peer of PEAP says to a result inside the tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultAnswer {
    /// The same.
    Honest,
    /// A success, whatever was said.
    Success,
    /// A failure, whatever was said.
    Failure,
    /// Nothing: the login ends there.
    Silence,
}

/// What the peer answers to a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// This was typed.
    Typed(Vec<u8>),
    /// Not GTC: an inner Nak that wants these types.
    Nak(Vec<u8>),
    /// An inner response of this type.
    Method(u8, Vec<u8>),
    /// These octets, as they are, through the tunnel.
    Raw(Vec<u8>),
    /// Nothing: the login ends there.
    Silence,
}

impl From<&str> for Reply {
    fn from(typed: &str) -> Self {
        Self::Typed(typed.as_bytes().to_vec())
    }
}

/// Answers in order, one for each prompt.
///
/// # Panics
/// When there are more prompts.
pub fn typed(answers: &[&str]) -> impl FnMut(&str) -> Reply {
    let answers: Vec<Reply> = answers.iter().map(|answer| Reply::from(*answer)).collect();
    let mut answers = answers.into_iter();
    move |prompt| {
        let next = answers.next();
        next.unwrap_or_else(|| panic!("nobody knows what to answer to {prompt:?}"))
    }
}

/// A peer and how it behaves.
#[derive(Debug, Clone)]
pub struct Supplicant {
    /// The method. Another one that is proposed gets a Nak that names it.
    pub method: Method,
    /// The inner identity.
    pub user: String,
    /// The outer identity and User-Name; by default `anon`.
    pub outer: String,
    /// The highest version of PEAP that it speaks, 0 or 1; by default 1.
    pub highest_version: u8,
    /// The lowest; by default 0. A server below it gets no answer.
    pub lowest_version: u8,
    /// The versions of TLS; by default both.
    pub tls: TlsRange,
    /// The cipher suites; by default all that there are.
    pub suites: Option<Vec<CipherSuite>>,
    /// Whom it trusts; by default the good authority.
    pub trust: Trust,
    /// The name that the certificate must have; by default `localhost`.
    pub server_name: String,
    /// Its memory of TLS sessions; by default none.
    pub memory: Resumption,
    /// The most octets of TLS in one packet; by default 1,398.
    pub fragment_octets: usize,
    /// Where it says how long a message is; by default on the first of several fragments.
    pub length_flag: LengthFlag,
    /// Whether the peer of EAP-TTLS sends its password along with the end of its handshake (TLS 1.3)
    /// and does not wait for an answer; by default it waits.
    pub hurried: bool,
    /// Crypto-binding of PEAPv0; by default it answers an offer.
    pub binding: CryptoBinding,
    /// What it says to the result inside PEAP; by default the same.
    pub result: ResultAnswer,
    /// Whether the peer of PEAPv0 writes inner headers all the same, as some do.
    pub inner_headers: bool,
    /// Refuses what is proposed first, whatever it is, with a Nak that wants these types.
    pub outer_nak: Option<Vec<u8>>,
    /// Refuses inner GTC with a Nak that wants these types.
    pub inner_nak: Option<Vec<u8>>,
    /// The address of the RADIUS client; by default 127.0.0.1.
    pub nas_address: IpAddr,
    /// Its shared secret; by default [`SECRET`].
    pub secret: String,
    /// Attributes in each request beside User-Name, EAP-Message, State and Message-Authenticator; by
    /// default a Calling-Station-Id.
    pub attributes: Vec<(u8, Vec<u8>)>,
    /// How long each answer may take; by default 20 seconds.
    pub timeout: Duration,
}

impl Supplicant {
    /// A peer that behaves well and trusts the good authority.
    #[must_use]
    pub fn new(method: Method, user: &str) -> Self {
        Self {
            method,
            user: user.to_owned(),
            outer: "anon".to_owned(),
            highest_version: 1,
            lowest_version: 0,
            tls: TlsRange::Both,
            suites: None,
            trust: Trust::Authority(Pki::shared().ca.clone()),
            server_name: "localhost".to_owned(),
            memory: Resumption::disabled(),
            fragment_octets: 1_398,
            length_flag: LengthFlag::First,
            hurried: false,
            binding: CryptoBinding::On,
            result: ResultAnswer::Honest,
            inner_headers: false,
            outer_nak: None,
            inner_nak: None,
            nas_address: Ipv4Addr::LOCALHOST.into(),
            secret: SECRET.to_owned(),
            attributes: vec![(attribute::CALLING_STATION_ID, b"02-00-00-00-00-01".to_vec())],
            timeout: Duration::from_secs(20),
        }
    }

    /// A login, with these answers to the prompts. PAP has no prompt: an empty one is answered.
    pub fn login(&self, server: SocketAddr, answers: impl FnMut(&str) -> Reply) -> Login {
        self.session(server).run(answers)
    }

    /// A login that is done step by step; nothing is sent yet.
    #[must_use]
    pub fn session(&self, server: SocketAddr) -> Session {
        Session::new(self.clone(), server)
    }
}

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Access-Accept with an EAP-Success, and both ends have the same keys.
    Accepted,
    /// Access-Reject. [`Seen::eap_failure`] says whether with an EAP-Failure.
    Rejected,
    /// The server did not answer in time.
    Silent,
    /// The peer fell silent.
    GaveUp,
    /// The server did what it may not do.
    Broken(String),
}

/// What the peer has seen of a login so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The types that the server proposed, until a tunnel was begun.
    pub proposals: Vec<u8>,
    /// The version of PEAP.
    pub peap_version: Option<u8>,
    /// The prompts of GTC.
    pub prompts: Vec<String>,
    /// Answers that came by RADIUS.
    pub rounds: usize,
    /// The version of TLS.
    pub tls: Option<ProtocolVersion>,
    /// The cipher suite.
    pub suite: Option<CipherSuite>,
    /// Whether the tunnel took up an older session.
    pub resumed: bool,
    /// The certificates that the server showed, DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// Why there is no tunnel: what is wrong here, or the alert that came.
    pub tls_error: Option<String>,
    /// Whether crypto-binding was offered.
    pub binding_offered: bool,
    /// Whether the keys are bound.
    pub bound: bool,
    /// The result that PEAP told inside the tunnel.
    pub result: Option<bool>,
    /// Fragments of the server that were acknowledged: all but the last of each message.
    pub fragments_received: usize,
    /// Fragments of the peer that the server acknowledged.
    pub fragments_sent: usize,
    /// The octets of the longest EAP request.
    pub largest_request: usize,
    /// Whether an Access-Reject had an EAP-Failure with the identifier of the last response.
    pub eap_failure: bool,
    /// What the server should not do, and did; a peer gets over it.
    pub untidy: Vec<String>,
    /// Whether Message-Authenticator was in the first place of each answer.
    pub authenticator_first: bool,
}

/// A login that is over.
#[derive(Debug, Clone)]
pub struct Login {
    /// How it ended.
    pub verdict: Verdict,
    /// What the peer saw.
    pub seen: Seen,
    /// The last answer: for its attributes. `message()` is empty without a Reply-Message.
    pub last: Option<Answer>,
}

impl Login {
    /// What the peer saw of a login that was let in.
    ///
    /// # Panics
    /// With all there is to say, when it was not.
    #[must_use]
    pub fn accepted(&self) -> &Seen {
        assert_eq!(self.verdict, Verdict::Accepted, "{}", self.said());
        &self.seen
    }

    /// What the peer saw of a login that was refused with an EAP-Failure.
    ///
    /// # Panics
    /// With all there is to say, when it was not.
    #[must_use]
    pub fn rejected(&self) -> &Seen {
        assert_eq!(self.verdict, Verdict::Rejected, "{}", self.said());
        assert!(self.seen.eap_failure, "no EAP-Failure: {}", self.said());
        &self.seen
    }

    /// The text of Reply-Message in the last answer; empty without one.
    #[must_use]
    pub fn message(&self) -> String {
        self.last.as_ref().map(Answer::message).unwrap_or_default()
    }

    /// What there is to say in a few lines.
    fn said(&self) -> String {
        let mut seen = self.seen.clone();
        seen.chain.clear();
        let last = self.last.as_ref().map(|last| last.code);
        format!("last code {last:?}, {:?}, {seen:?}", self.message())
    }
}
