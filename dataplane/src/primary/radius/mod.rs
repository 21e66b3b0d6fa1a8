//! A RADIUS server as a primary, asked with PAP.
//!
//! The first try goes to the first host and each repeat to the next one in turn. A repeat to the
//! same host is the same datagram, so that the host knows it for one; an answer to any of them
//! counts, however late within the time.

mod host;
mod socket;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounterVec;
use proto::config::{MessageAuthenticator, PasswordCodec, RadiusUpstream};
use proto::event::Reason;
use tokio::sync::mpsc;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use self::host::{Lookup, Peer, Sockets};
use self::socket::{Answer, Ticket};
use super::check::{Shared, host_label, now};
use super::{
    Acceptance, Credential, PrimaryFailure, PrimaryFailureKind, PrimaryRequest, Rejection, Verdict,
    reply_attributes,
};
use crate::radius::salted::Hop;
use crate::radius::{
    AUTHENTICATOR_OCTETS, AttributeType, Authenticator, Code, EncodeError, MAX_VALUE_OCTETS,
    Packet, RequestBuilder, SharedSecret, password,
};

/// An upstream and its hosts.
#[derive(Debug)]
pub(super) struct Upstream {
    id: String,
    hosts: Vec<Sockets>,
    secret: Arc<SharedSecret>,
    tries: u32,
    wait: Duration,
    nas_ip: Option<IpAddr>,
    codec: PasswordCodec,
    random: Random,
    requests: IntCounterVec,
}

/// A request to one host, the same for each repeat. Holds no password in clear.
struct Exchange<'a> {
    host: &'a Sockets,
    ticket: Ticket,
    authenticator: Authenticator,
    octets: Vec<u8>,
}

impl Upstream {
    pub(super) fn new(id: &str, settings: &RadiusUpstream, shared: &Shared) -> Self {
        Self::with_lookup(id, settings, shared, Lookup::system)
    }

    fn with_lookup(
        id: &str,
        settings: &RadiusUpstream,
        shared: &Shared,
        lookup: impl Fn() -> Lookup,
    ) -> Self {
        let secret = Arc::new(SharedSecret::new(settings.secret.expose().as_bytes()));
        let policy = if settings.require_message_authenticator {
            MessageAuthenticator::Require
        } else {
            MessageAuthenticator::Auto
        };
        let hosts = settings.hosts.iter().map(|host| {
            let peer = Peer {
                host: host.clone(),
                label: host_label(host),
                authenticator: id.to_owned(),
                secret: Arc::clone(&secret),
                policy,
                discards: shared.discards.clone(),
                tasks: shared.tasks.clone(),
            };
            Sockets::new(peer, lookup())
        });
        Self {
            id: id.to_owned(),
            hosts: hosts.collect(),
            secret,
            tries: settings.retries.saturating_add(1),
            wait: settings.retry_wait,
            nas_ip: settings.nas_ip,
            codec: settings.password_codec,
            random: Random::default(),
            requests: shared.requests.clone(),
        }
    }

    pub(super) fn budget(&self) -> Duration {
        self.wait.saturating_mul(self.tries)
    }

    pub(super) async fn check(
        &self,
        request: &PrimaryRequest,
        deadline: Instant,
    ) -> Result<Verdict, PrimaryFailure> {
        let password = match self.sendable(request) {
            Ok(password) => password,
            Err(detail) => return Ok(rejected(Reason::PrimaryRejected, None, detail.to_owned())),
        };
        // Room for an answer from each host.
        let (sender, mut answers) = mpsc::channel(self.hosts.len().max(1));
        let mut exchanges: Vec<Exchange<'_>> = Vec::new();
        let mut faults: Vec<String> = Vec::new();
        let mut kind = PrimaryFailureKind::Unavailable;
        for host in self
            .hosts
            .iter()
            .cycle()
            .take(usize::try_from(self.tries).unwrap_or(usize::MAX))
        {
            let started = now();
            if started >= deadline {
                break;
            }
            let until = deadline.min(started + self.wait);
            let known = exchanges
                .iter()
                .position(|exchange| std::ptr::eq(exchange.host, host));
            let position = match known {
                Some(position) => position,
                None => match self.begin(host, request, &password, &sender, until).await {
                    Ok(exchange) => {
                        exchanges.push(exchange);
                        exchanges.len() - 1
                    }
                    Err(Fault::Host(fault)) => {
                        self.count(host, "unavailable");
                        if !faults.contains(&fault) {
                            faults.push(fault);
                        }
                        continue;
                    }
                    Err(Fault::Full) => {
                        self.count(host, "busy");
                        kind = PrimaryFailureKind::Internal;
                        faults.push(format!("{}: too many requests wait", host.peer.label));
                        continue;
                    }
                    Err(Fault::Ours(detail)) => {
                        return Err(PrimaryFailure {
                            kind: PrimaryFailureKind::Internal,
                            detail,
                        });
                    }
                },
            };
            if let Some(exchange) = exchanges.get(position)
                && let Err(error) = exchange.ticket.send(&exchange.octets).await
            {
                tracing::debug!(host = %host.peer.label, error = %error, "request not sent");
            }
            if let Ok(Some(answer)) = timeout_at(until.into(), answers.recv()).await {
                return self.finish(&exchanges, &answer);
            }
        }
        drop(sender);
        for exchange in &exchanges {
            self.count(exchange.host, "timed_out");
            exchange.host.renew();
            faults.push(format!("{}: no answer in time", exchange.host.peer.label));
        }
        if !exchanges.is_empty() {
            kind = PrimaryFailureKind::Unavailable;
        }
        faults.dedup();
        Err(PrimaryFailure {
            kind,
            detail: if faults.is_empty() {
                "no time was left to ask an upstream".to_owned()
            } else {
                faults.join("; ")
            },
        })
    }

    /// The password in the octets that the upstream reads, or why no upstream can have it.
    fn sendable(&self, request: &PrimaryRequest) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let Credential::Password(password) = &request.credential else {
            return Err("the proof of this method is not relayed");
        };
        let clear = password.expose();
        let octets = match self.codec {
            PasswordCodec::Utf8 => Zeroizing::new(clear.as_bytes().to_vec()),
            PasswordCodec::Latin1 => {
                let mut octets = Zeroizing::new(Vec::with_capacity(clear.len()));
                for character in clear.chars() {
                    octets.push(
                        u8::try_from(character)
                            .map_err(|_| "the password cannot be written in latin-1")?,
                    );
                }
                octets
            }
        };
        if octets.len() > password::MAX_PASSWORD_OCTETS {
            return Err("the password is longer than RADIUS carries (128 octets)");
        }
        if request.user.is_empty() || request.user.len() > MAX_VALUE_OCTETS {
            return Err("the user name is not 1 to 253 octets, which RADIUS carries");
        }
        Ok(octets)
    }

    async fn begin<'a>(
        &self,
        host: &'a Sockets,
        request: &PrimaryRequest,
        password: &[u8],
        answers: &mpsc::Sender<Answer>,
        until: Instant,
    ) -> Result<Exchange<'a>, Fault> {
        let label = &host.peer.label;
        let authenticator = self
            .random
            .authenticator()
            .map_err(|error| Fault::Ours(format!("no random octets: {error}")))?;
        let ticket = host
            .ticket(authenticator, answers, until)
            .await
            .map_err(|error| Fault::Host(format!("{label}: not reached: {error}")))?
            .ok_or(Fault::Full)?;
        let octets = self
            .encode(&ticket, authenticator, request, password)
            .map_err(|error| Fault::Ours(format!("no request can be written: {error}")))?;
        Ok(Exchange {
            host,
            ticket,
            authenticator,
            octets,
        })
    }

    fn encode(
        &self,
        ticket: &Ticket,
        authenticator: Authenticator,
        request: &PrimaryRequest,
        password: &[u8],
    ) -> Result<Vec<u8>, EncodeError> {
        let mut builder = RequestBuilder::new(
            Code::ACCESS_REQUEST,
            ticket.identifier,
            authenticator,
            &self.secret,
        );
        match self.nas_ip.unwrap_or_else(|| ticket.local()) {
            IpAddr::V4(address) => {
                builder.attribute(AttributeType::NAS_IP_ADDRESS, &address.octets())?
            }
            IpAddr::V6(address) => {
                builder.attribute(AttributeType::NAS_IPV6_ADDRESS, &address.octets())?
            }
        };
        builder.attribute(AttributeType::USER_NAME, request.user.as_bytes())?;
        builder.user_password(password)?;
        if let Some(station) = request.calling_station.as_deref().filter(|s| !s.is_empty()) {
            builder.attribute(AttributeType::CALLING_STATION_ID, station.as_bytes())?;
        }
        builder.raw(&request.pass_through)?;
        Ok(builder.finish())
    }

    fn finish(
        &self,
        exchanges: &[Exchange<'_>],
        answer: &Answer,
    ) -> Result<Verdict, PrimaryFailure> {
        let internal = |detail: &str| PrimaryFailure {
            kind: PrimaryFailureKind::Internal,
            detail: detail.to_owned(),
        };
        let exchange = exchanges
            .iter()
            .find(|exchange| exchange.authenticator == answer.request)
            .ok_or_else(|| internal("an answer to no request of this login"))?;
        let packet = Packet::parse(&answer.octets)
            .map_err(|_| internal("a verified answer is unreadable"))?;
        let label = &exchange.host.peer.label;
        let message = packet
            .first(AttributeType::REPLY_MESSAGE)
            .filter(|text| !text.is_empty())
            .map(|text| String::from_utf8_lossy(text))
            .map(Cow::into_owned);
        let verdict = match packet.code() {
            Code::ACCESS_ACCEPT => Verdict::Accepted(Acceptance {
                detail: format!("by {label}"),
                attributes: reply_attributes::read(
                    &packet,
                    Hop {
                        authenticator: &answer.request,
                        secret: &self.secret,
                    },
                ),
            }),
            Code::ACCESS_CHALLENGE => rejected(
                Reason::PrimaryChallenge,
                message,
                format!("{label} asked a question of its own"),
            ),
            _ => rejected(Reason::PrimaryRejected, message, format!("by {label}")),
        };
        self.count(exchange.host, verdict.label());
        Ok(verdict)
    }

    fn count(&self, host: &Sockets, result: &str) {
        self.requests
            .with_label_values(&[self.id.as_str(), &host.peer.label, result])
            .inc();
    }
}

/// Why a request to one host was not begun.
enum Fault {
    /// Another may be asked.
    Host(String),
    /// As many requests wait for it as may. Another may be asked.
    Full,
    /// None can be.
    Ours(String),
}

/// Random authenticators, drawn from the system by the hundred.
#[derive(Debug, Default)]
struct Random(Mutex<Vec<Authenticator>>);

impl Random {
    fn authenticator(&self) -> Result<Authenticator, getrandom::Error> {
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = ready.pop() {
            return Ok(one);
        }
        let mut drawn = [0; AUTHENTICATOR_OCTETS * DRAWN];
        getrandom::fill(&mut drawn)?;
        let (chunks, _) = drawn.as_chunks();
        ready.extend_from_slice(chunks);
        ready.pop().ok_or(getrandom::Error::UNEXPECTED)
    }
}

fn rejected(reason: Reason, message: Option<String>, detail: String) -> Verdict {
    Verdict::Rejected(Rejection {
        message,
        ..Rejection::new(reason, detail)
    })
}

/// Authenticators drawn at once.
const DRAWN: usize = 128;
