//! From a datagram to a running login, or to a named discard. Runs on the receive threads, waits
//! for nothing, and allocates nothing for a discard or a duplicate.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;
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
use super::handover::{self, Forward, Gate, Heir, Predecessor, Reply, Which};
use super::room::{Full, Room};
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
    /// Whether the sockets are read by this process.
    pub(crate) gate: Gate,
    /// The process whose place this one took, while it has logins under way.
    predecessor: ArcSwapOption<Predecessor>,
    pub(crate) draining: AtomicBool,
    /// Ends the logins that the grace period did not suffice for.
    pub(crate) abandoned: CancellationToken,
    pub(crate) in_flight: AtomicUsize,
    /// Who may have how much of what is bounded by it.
    pub(crate) room: Room,
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
        crate::random::fill(&mut process)?;
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
            gate: Gate::default(),
            predecessor: ArcSwapOption::empty(),
            draining: AtomicBool::new(false),
            abandoned: CancellationToken::new(),
            in_flight: AtomicUsize::new(0),
            room: Room::new(max_in_flight),
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

    /// Who goes on with this process's logins, where somebody does.
    pub(crate) fn heir(&self) -> &Heir {
        self.states.heir()
    }

    /// Whether one more login of this client may wait.
    pub(crate) fn room_for(&self, client: &ServedClient) -> Result<(), Full> {
        let all = self.in_flight.load(Ordering::Relaxed);
        self.room.check(all, &client.waiting)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn set_predecessor(&self, predecessor: Option<Arc<Predecessor>>) {
        self.predecessor.store(predecessor);
    }

    /// Whether nobody waits here for anything any more: no request, no conversation, nor the process
    /// before this one.
    pub(crate) fn is_idle(&self) -> bool {
        let mut caches = self.duplicates.each();
        caches.all(|cache| cache.occupancy().running == 0)
            && self.telling.is_empty()
            && self.sessions().len() == 0
            && self.predecessor.load().is_none()
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

/// Serves one socket while the gate is open, until told to stop.
pub(crate) async fn serve(shared: Arc<Shared>, site: Arc<Site>, stop: CancellationToken) {
    loop {
        let reading = tokio::select! {
            () = stop.cancelled() => return,
            reading = shared.gate.enter() => reading,
        };
        let mut closed = std::pin::pin!(shared.gate.closed());
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                () = &mut closed => break,
                received = site.socket.receive(|datagram, source, asked| {
                    let arrival = Arrival { now: clock::now(), source, asked };
                    handle(&shared, &site, datagram, arrival);
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
        drop(reading);
    }
}

/// Takes a datagram that was read from the socket.
pub(crate) fn handle(shared: &Arc<Shared>, site: &Arc<Site>, datagram: &[u8], arrival: Arrival) {
    // Who sent what is dropped is told nothing; it is counted.
    drop(guarded(shared, site, datagram, arrival, Way::Socket));
}

/// Takes a datagram that the process which took over cannot answer.
pub(crate) fn handed_back(
    shared: &Arc<Shared>,
    site: &Arc<Site>,
    datagram: &[u8],
    arrival: Arrival,
) {
    if guarded(shared, site, datagram, arrival, Way::HandedBack).is_ok() {
        return;
    }
    if let Ok(packet) = Packet::parse(datagram) {
        let port = site.socket.address().port();
        let which = Which {
            eap: true,
            key: Key::new(arrival.source, port, packet.identifier()),
            authenticator: *packet.authenticator(),
        };
        handover::abandon(shared, &which);
    }
}

/// A fault of ours in one datagram must not make the port deaf.
fn guarded(
    shared: &Arc<Shared>,
    site: &Arc<Site>,
    datagram: &[u8],
    arrival: Arrival,
    way: Way,
) -> Result<(), Dropped> {
    let received = AssertUnwindSafe(|| receive(shared, site, datagram, arrival, way));
    match catch_unwind(received) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(reason)) => shared.discards.note(arrival.now, reason, arrival.source),
        Err(_) => tracing::error!(client = %arrival.source, "a datagram could not be handled"),
    }
    Err(Dropped)
}

/// A datagram that nobody answers.
struct Dropped;

/// How a datagram came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Socket,
    /// By the process that took over, because it belongs to a conversation of this one.
    HandedBack,
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
    way: Way,
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
    let which = |packet: &Packet<'_>| Which {
        eap: mode == Mode::Eap,
        key,
        authenticator: *packet.authenticator(),
    };
    let predecessor = shared
        .predecessor
        .load_full()
        .filter(|_| eap.is_some() && eap::is_elsewhere(shared, &packet));
    {
        let mut duplicates = shared.duplicates.of(mode);
        match duplicates.lookup(arrival.now, &key, packet.authenticator()) {
            Lookup::InProgress => {
                shared.in_progress.inc();
                return Ok(());
            }
            Lookup::Replay(octets) => {
                drop(duplicates);
                shared.replayed.inc();
                let reply = Reply {
                    which: which(&packet),
                    local: site.socket.address(),
                    to: arrival.source,
                    asked: arrival.asked,
                    octets,
                };
                match way {
                    Way::Socket => send(site, &reply.octets, arrival),
                    Way::HandedBack => handover::deliver(shared, site, arrival.now, reply),
                }
                return Ok(());
            }
            Lookup::New => {}
        }
        if let Some(predecessor) = &predecessor {
            duplicates
                .begin(arrival.now, key, packet.authenticator())
                .map_err(|_| DiscardReason::Overloaded)?;
            drop(duplicates);
            let forward = Forward {
                local: site.socket.address(),
                source: arrival.source,
                asked: arrival.asked,
                datagram: datagram.into(),
            };
            let which = which(&packet);
            if !predecessor.forward(which, forward) {
                handover::abandon(shared, &which);
                return Err(DiscardReason::Overloaded);
            }
            return Ok(());
        }
        // A conversation of EAP can go on here alone, and one that is handed back ends here.
        let begins = way == Way::Socket && eap.is_none_or(|line| line == Line::Beginning);
        if begins && shared.draining.load(Ordering::Relaxed) {
            return Err(DiscardReason::Draining);
        }
        // One that goes on may need nobody who waits.
        if begins {
            shared.room_for(&client)?;
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

#[cfg(test)]
mod tests {
    use proto::config::MessageAuthenticator;

    use super::*;
    use crate::radius::{AttributeType, RequestBuilder, SharedSecret};
    use crate::server::clients::ClientTable;
    use crate::server::eap::harness::Node;
    use crate::server::perform::InFlight;

    #[tokio::test]
    async fn a_client_that_floods_leaves_room_for_the_others() {
        let node = Node::new().await;
        let clients = ["127.0.0.2", "127.0.0.3"].map(|name| {
            let client = ServedClient {
                name: name.to_owned(),
                secret: SharedSecret::new(b"shared"),
                policy: MessageAuthenticator::Require,
                served: Arc::clone(&node.client.served),
                waiting: Arc::default(),
            };
            (name.parse().unwrap(), Arc::new(client))
        });
        node.site.set_clients(ClientTable::new(clients.clone()));
        node.shared.room.clients(clients.len());
        let [flooding, other] = clients.map(|(_, client)| client);
        let mut identifier = 0;
        let mut sent_by = |client: &ServedClient| {
            identifier += 1;
            let authenticator = [identifier; 16];
            let code = Code::ACCESS_REQUEST;
            let mut request = RequestBuilder::new(code, identifier, authenticator, &client.secret);
            request
                .attribute(AttributeType::USER_NAME, b"alice")
                .unwrap();
            let arrival = Arrival {
                now: clock::now(),
                source: SocketAddr::new(client.name.parse().unwrap(), 1_024),
                asked: Asked::THE_BOUND_ONE,
            };
            receive(
                &node.shared,
                &node.site,
                &request.finish(),
                arrival,
                Way::Socket,
            )
        };
        let waits = |client: &Arc<ServedClient>| {
            let served = Arc::clone(&client.served);
            InFlight::begin(Arc::clone(&node.shared), served, Some(client))
        };
        // There is room for ten.
        let flood: Vec<_> = (0..9).map(|_| waits(&flooding)).collect();
        assert_eq!(sent_by(&flooding), Err(DiscardReason::ClientOverloaded));
        assert_eq!(sent_by(&other), Ok(()));
        let last = waits(&other);
        assert_eq!(sent_by(&other), Err(DiscardReason::Overloaded));
        drop((flood, last));
        assert_eq!(sent_by(&flooding), Ok(()), "what has ended is not counted");
    }
}
