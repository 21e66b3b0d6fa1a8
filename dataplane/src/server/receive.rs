//! From a datagram to a running login, or to a named discard. Runs on the receive threads, waits
//! for nothing, and allocates nothing for a discard or a duplicate.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus::IntCounter;
use proto::config::Mode;
use proto::id::{LoginId, NodeId};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dedup::{Key, Lookup};
use super::discards::Discards;
use super::driver::Login;
use super::duplicates::Duplicates;
use super::eap::{self, EapThreads, Line, QueueFull, Sessions};
use super::exchange::Exchange;
use super::served::{ServedClient, Site};
use super::socket::Asked;
use crate::clock;
use crate::control::report::Reports;
use crate::metrics::Metrics;
use crate::primary_only::PrimaryOnly;
use crate::radius::{Code, DiscardReason, Packet, ReplyBuilder, ReplyTo, verify_request};
use crate::state::States;

/// What all sockets of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) reports: Reports,
    /// Where logins run that wait for something.
    pub(crate) logins: TaskTracker,
    pub(crate) runtime: Handle,
    /// Conversations of EAP whose supplicant is being told how they end.
    pub(crate) telling: TaskTracker,
    pub(crate) duplicates: Duplicates,
    pub(crate) states: States,
    /// Where logins pass on the primary alone.
    pub(crate) primary_only: PrimaryOnly,
    sessions: Mutex<Sessions>,
    eap_threads: EapThreads,
    pub(crate) draining: AtomicBool,
    /// Ends the logins that the grace period did not suffice for.
    pub(crate) abandoned: CancellationToken,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) max_in_flight: usize,
    discards: Discards,
    in_progress: IntCounter,
    replayed: IntCounter,
    login_ids: LoginIds,
}

impl Shared {
    pub(crate) fn new(
        node: NodeId,
        metrics: Arc<Metrics>,
        reports: Reports,
        max_in_flight: usize,
        eap_threads: EapThreads,
    ) -> Result<Self, getrandom::Error> {
        let mut process = [0; 8];
        getrandom::fill(&mut process)?;
        Ok(Self {
            node,
            states: States::new(metrics.states.clone(), metrics.state_spills.clone())?,
            primary_only: PrimaryOnly::default(),
            discards: Discards::new(&metrics.radius_discards),
            sessions: Mutex::default(),
            eap_threads,
            in_progress: metrics.duplicates.with_label_values(&["in_progress"]),
            replayed: metrics.duplicates.with_label_values(&["replayed"]),
            metrics,
            reports,
            logins: TaskTracker::new(),
            runtime: Handle::current(),
            telling: TaskTracker::new(),
            duplicates: Duplicates::default(),
            draining: AtomicBool::new(false),
            abandoned: CancellationToken::new(),
            in_flight: AtomicUsize::new(0),
            max_in_flight,
            login_ids: LoginIds {
                process,
                count: AtomicU64::new(0),
            },
        })
    }

    /// The id of a login that begins.
    pub(crate) fn next_login(&self) -> LoginId {
        self.login_ids.next()
    }

    /// The EAP conversations that are under way.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids of logins: what is random is drawn once a process, the rest counts.
#[derive(Debug)]
struct LoginIds {
    process: [u8; 8],
    count: AtomicU64,
}

impl LoginIds {
    fn next(&self) -> LoginId {
        let mut id = [0; 16];
        let (process, count) = id.split_at_mut(8);
        process.copy_from_slice(&self.process);
        count.copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        LoginId::from_bytes(id)
    }
}

/// Serves one socket until told to stop.
pub(crate) async fn serve(shared: Arc<Shared>, site: Arc<Site>, stop: CancellationToken) {
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = site.socket.receive(|datagram, source, asked| {
                let arrival = Arrival { now: clock::now(), source, asked };
                // A fault of ours in one datagram must not make the port deaf.
                let received = AssertUnwindSafe(|| receive(&shared, &site, datagram, arrival));
                match catch_unwind(received) {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => shared.discards.note(arrival.now, reason, source),
                    Err(_) => tracing::error!(client = %source, "a datagram could not be handled"),
                }
            }) => received,
        };
        if let Err(error) = received {
            // An ICMP error of an earlier answer, or a moment without memory: neither is the end.
            tracing::warn!(
                listener = %site.socket.address(),
                error = &error as &dyn std::error::Error,
                "reading failed"
            );
            tokio::task::yield_now().await;
        }
    }
}

/// When and from where a datagram came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) now: Instant,
    pub(crate) source: SocketAddr,
    pub(crate) asked: Asked,
}

fn receive(
    shared: &Arc<Shared>,
    site: &Arc<Site>,
    datagram: &[u8],
    arrival: Arrival,
) -> Result<(), DiscardReason> {
    let (client, packet) = verified(site, datagram, arrival)?;
    let series = &client.served.series;
    if packet.code() == Code::STATUS_SERVER {
        series.status_requests.inc();
        return answer_status(shared, site, &packet, &client, arrival);
    }
    series.access_requests.inc();
    if !packet.has_message_authenticator() {
        series.unsigned.inc();
    }
    let mode = client.served.config.mode;
    let eap = (mode == Mode::Eap).then(|| eap::line(shared, &packet));
    let key = Key::new(
        arrival.source,
        site.socket.address().port(),
        packet.identifier(),
    );
    {
        let mut duplicates = shared.duplicates.of(mode);
        match duplicates.lookup(arrival.now, &key, packet.authenticator()) {
            Lookup::InProgress => {
                shared.in_progress.inc();
                return Ok(());
            }
            Lookup::Replay(reply) => {
                drop(duplicates);
                shared.replayed.inc();
                send(site, &reply, arrival);
                return Ok(());
            }
            Lookup::New => {}
        }
        // A conversation of EAP can go on here alone.
        let begins = eap.is_none_or(|line| line == Line::Beginning);
        if begins && shared.draining.load(Ordering::Relaxed) {
            return Err(DiscardReason::Draining);
        }
        // One that goes on may need nobody who waits.
        if begins && shared.in_flight.load(Ordering::Relaxed) >= shared.max_in_flight {
            return Err(DiscardReason::Overloaded);
        }
        if eap.is_some_and(|line| !shared.eap_threads.has_room(line)) {
            return Err(DiscardReason::Overloaded);
        }
        if duplicates
            .begin(arrival.now, key, packet.authenticator())
            .is_err()
        {
            return Err(DiscardReason::Overloaded);
        }
    }
    let reply_to = match ReplyTo::new(&packet) {
        Ok(reply_to) => reply_to,
        Err(error) => {
            let mut duplicates = shared.duplicates.of(mode);
            duplicates.abandon(&key, packet.authenticator());
            return Err(error.into());
        }
    };
    let (shared, site) = (Arc::clone(shared), Arc::clone(site));
    let exchange = Exchange::new(Arc::clone(&shared), site, client, key, reply_to, arrival);
    if let Some(line) = eap {
        return shared
            .eap_threads
            .take(exchange, &packet, line)
            .map_err(|QueueFull| DiscardReason::Overloaded);
    }
    Login::begin(exchange, &packet);
    Ok(())
}

/// The datagram as a packet, and the client that it is verified to come from.
fn verified<'a>(
    site: &Site,
    datagram: &'a [u8],
    arrival: Arrival,
) -> Result<(Arc<ServedClient>, Packet<'a>), DiscardReason> {
    let parse = || {
        let packet = Packet::parse(datagram)?;
        DiscardReason::of_code(packet.code()).map_or(Ok(packet), Err)
    };
    // An admitted login has its source for ten minutes; somebody else may have it by then.
    if let Some(client) = site.admitted(arrival.now, arrival.source) {
        let packet = parse()?;
        if verify_request(&packet, &client.secret, client.policy).is_ok() {
            return Ok((client, packet));
        }
    }
    let client = site
        .client(arrival.source)
        .ok_or(DiscardReason::UnknownClient)?;
    let packet = parse()?;
    verify_request(&packet, &client.secret, client.policy)?;
    Ok((client, packet))
}

/// RFC 5997 section 3: a Status-Server to an authentication port is answered with an
/// Access-Accept. It is cheap to answer anew, so repeats are not remembered.
fn answer_status(
    shared: &Shared,
    site: &Site,
    packet: &Packet<'_>,
    client: &ServedClient,
    arrival: Arrival,
) -> Result<(), DiscardReason> {
    if shared.draining.load(Ordering::Relaxed) {
        return Err(DiscardReason::Draining);
    }
    let reply_to = ReplyTo::new(packet)?;
    let reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &reply_to, &client.secret).finish();
    send(site, &reply, arrival);
    Ok(())
}

/// Sends an answer; what the system refuses is logged, and the client asks again.
pub(crate) fn send(site: &Site, reply: &[u8], arrival: Arrival) {
    if let Err(error) = site.socket.send(reply, arrival.source, arrival.asked) {
        tracing::warn!(
            client = %arrival.source,
            error = &error as &dyn std::error::Error,
            "answer not sent"
        );
    }
}
