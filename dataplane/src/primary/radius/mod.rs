//! A RADIUS server as a primary: PAP, and proofs of CHAP and MS-CHAP relayed as they came.
//!
//! The first try goes to the first host and each repeat to the next one in turn. A repeat to the
//! same host is the same datagram, so that the host knows it for one; an answer to any of them
//! counts, however late within the time. A turn ends early, and is no try, when there is no way
//! to the host or its system says that the port is closed, and another host is alive. The answer to
//! an upstream's question goes to the host that asked, and to no other.
//!
//! `retries` counts over all hosts, as in the product that this replaces: with fewer of them than
//! there are further hosts, one login does not reach the last. But hosts that gave no answer are
//! remembered and asked last, so the next login begins with a host that nobody waited for in vain.

mod answer;
mod health;
mod host;
mod outgoing;
mod probe;
mod silence;
mod socket;
#[cfg(test)]
mod tests;
mod trial;
mod udp;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounterVec;
use proto::config::{MessageAuthenticator, PasswordCodec, RadiusUpstream};
use proto::event::{Ask, Reason};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep_until;

use self::health::{Health, Pace};
use self::host::{Lookup, Peer, Sockets};
use self::outgoing::Outgoing;
use self::silence::{Silence, failure};
use self::socket::{Answer, Ticket, Waiter};
use super::check::{Shared, host_label, now};
use super::{HostAsked, PrimaryFailure, PrimaryFailureKind, PrimaryRequest, Rejection, Verdict};
use crate::radius::salted::Hop;
use crate::radius::{AUTHENTICATOR_OCTETS, Authenticator, Packet, SharedSecret};

/// An upstream and its hosts.
#[derive(Debug)]
pub(super) struct Upstream {
    id: String,
    hosts: Vec<Sockets>,
    secret: Arc<SharedSecret>,
    tries: u32,
    wait: Duration,
    codec: PasswordCodec,
    random: Random,
    requests: IntCounterVec,
}

/// Until now.
fn host_asked(host: &Sockets, began: Instant, result: &'static str) -> HostAsked {
    HostAsked {
        ask: Ask::Radius,
        host: host.peer.label.clone(),
        began,
        elapsed: now().saturating_duration_since(began),
        result,
    }
}

/// A request to one host, the same for each repeat. Holds no password in clear.
struct Exchange<'a> {
    /// That of the host among the authenticator's.
    place: usize,
    host: &'a Sockets,
    began: Instant,
    ticket: Ticket,
    authenticator: Authenticator,
    octets: Vec<u8>,
}

impl Upstream {
    pub(super) fn new(id: &str, settings: &RadiusUpstream, shared: &Shared) -> Self {
        Self::with(id, settings, shared, Pace::DEFAULT, Lookup::system)
    }

    fn with(
        id: &str,
        settings: &RadiusUpstream,
        shared: &Shared,
        pace: Pace,
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
                nas: settings.nas_ip,
                health: Health::default(),
                pace,
                refused: Notify::new(),
                revived: Notify::new(),
                unsigned_said: AtomicBool::new(false),
                unsigned: shared.unsigned.clone(),
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
        hosts: &mut Vec<HostAsked>,
    ) -> Result<Verdict, PrimaryFailure> {
        let outgoing = match Outgoing::new(request, self.codec) {
            Ok(outgoing) => outgoing,
            Err(rejection) => return Ok(Verdict::Rejected(rejection)),
        };
        let order = match &request.answers {
            None => self.order(now()),
            Some(asked) => {
                let place = usize::from(asked.host);
                let Some(host) = self.hosts.get(place) else {
                    return Ok(Verdict::Rejected(Rejection::new(
                        Reason::UnknownState,
                        "the upstream host that asked is configured no more",
                    )));
                };
                vec![(place, host)]
            }
        };
        let mut left = self.tries;
        let turns = usize::try_from(self.tries).unwrap_or(usize::MAX);
        // Room for an answer from each host.
        let (sender, mut answers) = mpsc::channel(order.len().max(1));
        let mut exchanges: Vec<Exchange<'_>> = Vec::new();
        let mut silences: Vec<(&str, Silence)> = Vec::new();
        for (place, host) in order
            .iter()
            .copied()
            .cycle()
            .take(turns.saturating_mul(order.len()))
        {
            let started = now();
            if left == 0 || started >= deadline {
                break;
            }
            left -= 1;
            let others_live = || {
                let is_other = |(other, _): &&(usize, &Sockets)| *other != place;
                let mut others = order.iter().filter(is_other);
                others.any(|(_, other)| !other.peer.health.is_dead())
            };
            let until = deadline.min(started + self.wait);
            let known = exchanges
                .iter()
                .position(|exchange| exchange.place == place);
            let position = match known {
                Some(position) => position,
                None => match self.begin((place, host), &outgoing, &sender, until).await {
                    Ok(exchange) => {
                        exchanges.push(exchange);
                        exchanges.len() - 1
                    }
                    Err(Fault::Host(silence)) => {
                        if matches!(silence, Silence::Unreachable(_)) {
                            host.silent(started);
                            if others_live() && now() < started + self.wait / 2 {
                                left += 1;
                            }
                        }
                        self.count(host, silence.label());
                        hosts.push(host_asked(host, started, silence.label()));
                        silences.push((&host.peer.label, silence));
                        continue;
                    }
                    Err(Fault::Request(detail)) => {
                        let rejection = Rejection::new(Reason::BadRequest, detail);
                        return Ok(Verdict::Rejected(rejection));
                    }
                    Err(Fault::Ours(detail)) => {
                        return Err(PrimaryFailure {
                            kind: PrimaryFailureKind::Internal,
                            detail,
                        });
                    }
                },
            };
            let Some(exchange) = exchanges.get(position) else {
                continue;
            };
            if let Err(error) = exchange.ticket.send(&exchange.octets).await {
                tracing::debug!(host = %host.peer.label, error = %error, "request not sent");
            }
            tokio::select! {
                biased;
                Some(answer) = answers.recv() => {
                    let verdict = self.finish(&exchanges, &answer, request);
                    for one in &exchanges {
                        let result = match &verdict {
                            Ok(verdict) if one.authenticator == answer.request => verdict.label(),
                            _ => "unanswered",
                        };
                        hosts.push(host_asked(one.host, one.began, result));
                    }
                    return verdict;
                }
                // The host's system says that nobody listens.
                () = host.peer.refused(started), if others_live() => left += 1,
                () = sleep_until(until.into()) => {}
            }
            // A turn that the end of the login's time cut short says little.
            if until.saturating_duration_since(started) >= self.wait / 2 {
                host.silent(exchange.began);
            }
        }
        let mut asked = Vec::with_capacity(exchanges.len() + silences.len());
        for exchange in &exchanges {
            let peer = &exchange.host.peer;
            let sign = peer.health.seen_since(exchange.began);
            let silence = Silence::Unanswered(exchange.ticket.local(), sign);
            self.count(exchange.host, silence.label());
            hosts.push(host_asked(exchange.host, exchange.began, silence.label()));
            exchange.host.inner.renew();
            asked.push((peer.label.as_str(), silence));
        }
        asked.extend(silences);
        Err(failure(&asked))
    }

    /// The hosts, each with its place, in the order in which a login tries them: as configured,
    /// but the dead ones last. Of the logins that come while a host that answers no probes is
    /// dead, one in a while tries it in its turn, and has the others for its remaining tries.
    ///
    /// When all are dead it is as configured; but where there are more hosts than tries, those
    /// come first that were tried longest ago, so that none is forgotten.
    fn order(&self, at: Instant) -> Vec<(usize, &Sockets)> {
        let hosts = self.hosts.iter().enumerate();
        if self.hosts.iter().all(|host| host.peer.health.is_dead()) {
            let mut order: Vec<_> = hosts.collect();
            if usize::try_from(self.tries).is_ok_and(|tries| tries < order.len()) {
                order.sort_by_key(|(_, host)| host.peer.health.tried());
            }
            return order;
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (place, host) in hosts {
            let Peer { health, pace, .. } = &*host.peer;
            let tried = !health.is_dead()
                // After a live one it would be tried anyway, were that one to fail; and with one
                // try only, that login would be lost.
                || first.is_empty() && self.tries > 1 && health.is_to_be_tried(at, pace.trial);
            if tried {
                first.push((place, host));
            } else {
                last.push((place, host));
            }
        }
        first.extend(last);
        first
    }

    async fn begin<'a>(
        &self,
        (place, host): (usize, &'a Sockets),
        outgoing: &Outgoing<'_>,
        answers: &mpsc::Sender<Answer>,
        until: Instant,
    ) -> Result<Exchange<'a>, Fault> {
        let began = now();
        let authenticator = self
            .random
            .authenticator()
            .map_err(|error| Fault::Ours(format!("no random octets: {error}")))?;
        let waiter = Waiter {
            authenticator,
            answers: Some(answers.clone()),
        };
        let ticket = host
            .inner
            .ticket(&waiter, until)
            .await
            .map_err(|error| Fault::Host(Silence::Unreachable(error)))?
            .ok_or(Fault::Host(Silence::Full))?;
        let nas = host.peer.nas.unwrap_or_else(|| ticket.local());
        let octets = outgoing
            .write(ticket.identifier, authenticator, nas, &self.secret)
            .map_err(|error| {
                Fault::Request(format!("it cannot be sent to an upstream: {error}"))
            })?;
        Ok(Exchange {
            place,
            host,
            began,
            ticket,
            authenticator,
            octets,
        })
    }

    fn finish(
        &self,
        exchanges: &[Exchange<'_>],
        answer: &Answer,
        request: &PrimaryRequest,
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
        let hop = Hop {
            authenticator: &answer.request,
            secret: &self.secret,
        };
        let label = &exchange.host.peer.label;
        let verdict = answer::read(&packet, hop, &request.credential, exchange.place, label);
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
    Host(Silence),
    /// None can be: what the client sent fits no request.
    Request(String),
    /// None can be, by a fault of ours.
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
        crate::random::fill(&mut drawn)?;
        let (chunks, _) = drawn.as_chunks();
        ready.extend_from_slice(chunks);
        ready.pop().ok_or(getrandom::Error::UNEXPECTED)
    }
}

/// Authenticators drawn at once.
const DRAWN: usize = 128;
