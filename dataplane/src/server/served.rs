//! A configuration ready to serve: clients find their integration, an integration its helpers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use prometheus::{Histogram, IntCounter, IntGauge};
use proto::config::{FailMode, Integration, MessageAuthenticator, Mode, PassThrough};
use proto::event::{Outcome, Reason, Stage};
use proto::id::Revision;

use super::clients::ClientTable;
use super::room::Waiting;
use super::socket::Socket;
use crate::duo::client::DuoClient;
use crate::flow::PrimaryUse;
use crate::metrics::Metrics;
use crate::primary::Primary;
use crate::radius::SharedSecret;

/// An integration under one revision. Logins hold on to theirs until they end.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) config: Arc<Integration>,
    pub(crate) revision: Revision,
    /// None where any password will do, or none is asked for.
    pub(crate) primary: Option<Arc<Primary>>,
    pub(crate) primary_use: PrimaryUse,
    pub(crate) duo: Arc<DuoClient>,
    /// The settings of its tunnels, in mode `eap`.
    pub(crate) eap: Option<Arc<rustls::ServerConfig>>,
    pub(crate) series: Series,
    /// `[main] debug`: each step goes to the log as it happens.
    pub(crate) debug: bool,
}

impl Served {
    /// Whether somebody checks the password: only such logins may pass on the primary alone.
    pub(crate) fn checks_password(&self) -> bool {
        self.config.mode != Mode::DuoOnly && matches!(self.primary_use, PrimaryUse::Ask { .. })
    }

    /// Which attributes of an upstream's accept come back: the integration's rule and the
    /// authenticator's own.
    /// In mode `eap` the first is for the other way only.
    pub(crate) fn reply_rules(&self) -> impl Iterator<Item = &PassThrough> {
        let both_ways = self.config.mode != Mode::Eap;
        let own = self.primary.as_ref().and_then(|one| one.reply_rule());
        both_ways
            .then_some(&self.config.pass_through)
            .into_iter()
            .chain(own)
    }
}

/// What the label `factor` says of logins without one.
pub(crate) const NO_FACTOR: &str = "none";

/// The metrics of the hot path, resolved once.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) access_requests: IntCounter,
    pub(crate) status_requests: IntCounter,
    pub(crate) unsigned: IntCounter,
    pub(crate) in_flight: IntGauge,
    total_time: Option<Histogram>,
    primary_time: Option<Histogram>,
    preauth_time: Option<Histogram>,
    factor_time: Option<Histogram>,
}

impl Series {
    pub(crate) fn new(metrics: &Metrics, integration: &str) -> Self {
        let requests = |code| {
            metrics
                .radius_requests
                .with_label_values(&[integration, code])
        };
        let time = |stage| metrics.login_duration.of(&[integration], stage);
        // What alerts wait for is there from the start: the first of it is a step then.
        for mode in FailMode::ALL {
            let labels = [integration, mode.as_str()];
            drop(metrics.fail_mode.with_label_values(&labels));
        }
        for reason in [Reason::Internal, Reason::Overloaded, Reason::Stopping] {
            let labels = [integration, reason.as_str()];
            drop(metrics.login_reasons.with_label_values(&labels));
        }
        for outcome in Outcome::ALL {
            let none = [integration, outcome.as_str(), NO_FACTOR];
            drop(metrics.logins.with_label_values(&none));
        }
        Self {
            access_requests: requests("Access-Request"),
            status_requests: requests("Status-Server"),
            unsigned: metrics.unsigned_requests.with_label_values(&[integration]),
            in_flight: metrics.logins_in_flight.with_label_values(&[integration]),
            total_time: time("total"),
            primary_time: time(Stage::Primary.as_str()),
            preauth_time: time(Stage::Preauth.as_str()),
            factor_time: time(Stage::Factor.as_str()),
        }
    }

    /// Notes how long a whole login took.
    pub(crate) fn took(&self, whole: Duration) {
        if let Some(histogram) = &self.total_time {
            histogram.observe(whole.as_secs_f64());
        }
    }

    /// The histogram of a stage that waits for another server.
    pub(crate) const fn stage_time(&self, stage: Stage) -> Option<&Histogram> {
        match stage {
            Stage::Primary => self.primary_time.as_ref(),
            Stage::Preauth => self.preauth_time.as_ref(),
            Stage::Factor => self.factor_time.as_ref(),
            Stage::Packet | Stage::Client | Stage::Answer => None,
        }
    }
}

/// A client: who may ask, with which secret, for which integration.
#[derive(Debug)]
pub(crate) struct ServedClient {
    /// For the timeline: the range it was found by.
    pub(crate) name: String,
    pub(crate) secret: SharedSecret,
    pub(crate) policy: MessageAuthenticator,
    pub(crate) served: Arc<Served>,
    /// Its logins that wait, under whichever revision.
    pub(crate) waiting: Arc<Waiting>,
}

/// One socket and who may talk to it. The socket outlives the clients: a reload swaps those.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) socket: Socket,
    clients: ArcSwap<ClientTable<Arc<ServedClient>>>,
    admitted: Mutex<Vec<Admitted>>,
}

/// A `countersign login` that this node lets in by its exact source.
#[derive(Debug)]
struct Admitted {
    source: SocketAddr,
    until: Instant,
    client: Arc<ServedClient>,
}

impl Site {
    pub(crate) fn new(socket: Socket, clients: ClientTable<Arc<ServedClient>>) -> Self {
        Self {
            socket,
            clients: ArcSwap::from_pointee(clients),
            admitted: Mutex::default(),
        }
    }

    pub(crate) fn set_clients(&self, clients: ClientTable<Arc<ServedClient>>) {
        self.clients.store(Arc::new(clients));
    }

    /// Serves the same clients as another site does now.
    pub(crate) fn share_clients(&self, other: &Self) {
        self.clients.store(other.clients.load_full());
    }

    /// Who sends from this address, by configuration.
    pub(crate) fn client(&self, source: SocketAddr) -> Option<Arc<ServedClient>> {
        self.clients.load().find(source.ip()).map(Arc::clone)
    }

    /// The login of this machine that was let in with this very source.
    pub(crate) fn admitted(&self, now: Instant, source: SocketAddr) -> Option<Arc<ServedClient>> {
        if !source.ip().is_loopback() {
            return None;
        }
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if admitted.is_empty() {
            return None;
        }
        admitted.retain(|one| one.until > now);
        admitted
            .iter()
            .find(|one| one.source == source)
            .map(|one| Arc::clone(&one.client))
    }

    /// Lets a loopback source in for ten minutes. False when there is no room for another.
    pub(crate) fn admit(&self, now: Instant, source: SocketAddr, client: ServedClient) -> bool {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        admitted.retain(|one| one.until > now && one.source != source);
        let room = admitted.len() < MAX_ADMITTED;
        if room {
            let client = Arc::new(client);
            admitted.push(Admitted {
                source,
                until: now + ADMITTED_FOR,
                client,
            });
        }
        room
    }
}

/// Logins of this machine let in at a time, for each socket.
const MAX_ADMITTED: usize = 64;
const ADMITTED_FOR: Duration = Duration::from_secs(600);
