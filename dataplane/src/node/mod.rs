//! A node: applies revisions, and is what the control link and the admin socket talk to.

mod ending;
#[cfg(test)]
mod here;
mod succession;

pub(crate) use self::ending::{After, LAST_WORDS};

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use proto::check::CheckRow;
use proto::config::{
    AuthenticatorKind, Faults, Integration, MessageAuthenticator, Settings, Snapshot, raw,
};
use proto::id::{AuthenticatorId, IntegrationId, NodeId, Revision};
use proto::rpc::{
    ConfigSource, ListenerStatus, NodeState, NodeStatus, PrimaryOnlyGrant, PrimaryOnlyStatus,
    RefusedRevision, StateKeys,
};

use crate::causes::with_causes;
use crate::check::{self, start::Start};
use crate::clock;
use crate::duo::client::DuoClients;
use crate::flow::PrimaryUse;
use crate::metrics::Metrics;
use crate::primary::{self, Primary};
use crate::primary_only::{Saying, Told};
use crate::radius::SharedSecret;
use crate::server::eap::certificate::{self, CertificateWatch};
use crate::server::eap::{self, EapThreads, sessions_under_way, tls};
use crate::server::interface::Interface;
use crate::server::receive::Shared;
use crate::server::room::Room;
use crate::server::served::{Series, Served, ServedClient, Site};
use crate::server::sites::{Clients, Place, Sites};
use crate::server::threads::ReceiveThreads;
use crate::state::BadStateKey;

/// One data plane.
#[derive(Debug)]
pub(crate) struct Node {
    shared: Arc<Shared>,
    interface: Interface,
    threads: ReceiveThreads,
    second_factors: DuoClients,
    primary_parts: primary::Shared,
    /// Told the settings of what is served from now on.
    tell_applied: fn(&Settings),
    connected: AtomicBool,
    started: Instant,
    /// What is served now. Held while a revision is applied, so that two never mix.
    applying: Arc<tokio::sync::Mutex<Running>>,
    /// What the status shows of it.
    facts: Mutex<Facts>,
    certificates: Mutex<CertificateWatch>,
    primary_only: Mutex<Told>,
    pub(crate) start: Start,
}

/// What an applied revision left running.
#[derive(Debug, Default)]
struct Running {
    sites: Sites,
    primaries: HashMap<AuthenticatorId, Arc<Primary>>,
}

#[derive(Debug)]
struct Facts {
    /// What is served, whole.
    snapshot: Option<Arc<Snapshot>>,
    /// The same as it came, for the process that takes this one's place.
    raw: Option<Arc<raw::Snapshot>>,
    source: ConfigSource,
    targets: Vec<Target>,
    refused: Option<RefusedRevision>,
}

impl Facts {
    fn revision(&self) -> Option<Revision> {
        self.snapshot.as_ref().map(|snapshot| snapshot.revision)
    }
}

/// Where a login of this machine can go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) served: Arc<Served>,
    pub(crate) site: Arc<Site>,
}

impl Node {
    pub(crate) fn new(
        shared: Arc<Shared>,
        interface: Interface,
        threads: ReceiveThreads,
        second_factors: DuoClients,
        primary_parts: primary::Shared,
        applied: fn(&Settings),
    ) -> Self {
        let facts = Facts {
            snapshot: None,
            raw: None,
            source: ConfigSource::None,
            targets: Vec::new(),
            refused: None,
        };
        Self {
            shared,
            interface,
            threads,
            second_factors,
            primary_parts,
            tell_applied: applied,
            connected: AtomicBool::new(false),
            started: clock::now(),
            applying: Arc::default(),
            facts: Mutex::new(facts),
            certificates: Mutex::default(),
            primary_only: Mutex::default(),
            start: Start::default(),
        }
    }

    pub(crate) fn id(&self) -> &NodeId {
        &self.shared.node
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The revision served.
    pub(crate) fn serving(&self) -> Option<Revision> {
        self.facts().revision()
    }

    /// Takes the keys that States are sealed with from now on.
    pub(crate) fn set_state_keys(&self, keys: &StateKeys) -> Result<(), BadStateKey> {
        self.shared.states.set_keys(keys)
    }

    /// Takes the whole list of primary-only grants, in the place of the one before.
    pub(crate) fn set_primary_only(&self, grants: Vec<PrimaryOnlyGrant>) {
        self.shared.primary_only.replace(clock::moment(), grants);
        self.watch_primary_only();
    }

    /// Says in the log where logins pass on the primary alone, as often as that is to be said.
    fn watch_primary_only(&self) {
        let in_force = primary_only_status(&self.shared, &self.facts().targets);
        let told = self.primary_only.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        let sayings = told.note(clock::now(), in_force);
        drop(told);
        sayings.iter().for_each(Saying::log);
    }

    /// The metrics, as things are now. Asks the system, so it belongs on a thread that may block.
    pub(crate) fn metrics(&self) -> String {
        // Not while a revision is applied: the series of its integrations are made before it is served,
        // and whoever holds one of a series that was forgotten counts into the void.
        if let Ok(_running) = self.applying.try_lock()
            && let Some(snapshot) = self.facts().snapshot.clone()
        {
            self.shared.metrics.keep_those_of(&snapshot);
        }
        let at = clock::moment();
        let gauge = &self.shared.metrics.primary_only;
        let facts = self.facts();
        for Target { served, .. } in &facts.targets {
            let granted = self.shared.primary_only.of(at, &served.config.id).is_some();
            let passes = granted && served.checks_password();
            gauge
                .with_label_values(&[served.config.id.as_str()])
                .set(i64::from(passes));
        }
        drop(facts);
        self.shared.metrics.render()
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
        if connected {
            self.start.follows();
        }
        self.shared
            .metrics
            .control_connected
            .set(i64::from(connected));
    }

    /// What is served, for `login`.
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.facts().targets.clone()
    }

    /// An integration, as it is served now.
    pub(crate) fn served_by(&self, integration: &IntegrationId) -> Option<Arc<Served>> {
        let facts = self.facts();
        let mut targets = facts.targets.iter();
        let found = targets.find(|one| one.served.config.id == *integration)?;
        Some(Arc::clone(&found.served))
    }

    /// The primary of a section, where logins are served by it.
    pub(crate) fn primary(&self, section: &str) -> Option<Arc<Primary>> {
        let facts = self.facts();
        let mut primaries = facts
            .targets
            .iter()
            .filter_map(|one| one.served.primary.as_ref());
        let found = primaries.find(|one| one.settings().id.as_str() == section)?;
        Some(Arc::clone(found))
    }

    fn certificates(&self) -> std::sync::MutexGuard<'_, CertificateWatch> {
        self.certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a revision whole, or changes nothing.
    ///
    /// Sockets that stay are not touched; new ones are bound before old ones close; logins in
    /// progress end under the revision they began with.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        raw: raw::Snapshot,
        source: ConfigSource,
    ) -> Result<(), Faults> {
        let mut running = Arc::clone(&self.applying).lock_owned().await;
        let revision = Revision(raw.revision);
        let node = Arc::clone(self);
        // Trust roots are read from the disk.
        let applied =
            tokio::task::spawn_blocking(move || node.try_apply(&mut running, raw, source)).await;
        let applied = applied.unwrap_or_else(|_| {
            let mut faults = Faults::default();
            faults.add("", "applying it failed, which is a fault of this program");
            Err(faults)
        });
        if let Err(faults) = &applied {
            self.facts().refused = Some(RefusedRevision {
                revision,
                faults: faults.0.clone(),
            });
        }
        let result = if applied.is_ok() {
            "applied"
        } else {
            "refused"
        };
        self.shared
            .metrics
            .config_applies
            .with_label_values(&[result])
            .inc();
        applied
    }

    fn try_apply(
        &self,
        running: &mut Running,
        raw: raw::Snapshot,
        source: ConfigSource,
    ) -> Result<(), Faults> {
        let as_it_came = Arc::new(raw.clone());
        let snapshot = Snapshot::try_from(raw)?;
        let mut faults = Faults::default();
        let primaries = self.primaries(&snapshot, &running.primaries, &mut faults);
        let served: Vec<Option<Arc<Served>>> = snapshot
            .integrations
            .iter()
            .enumerate()
            .map(|(index, integration)| {
                let path = format!("integrations[{index}]");
                self.served(integration, &snapshot, &primaries, &path, &mut faults)
            })
            .collect();
        let wanted: Vec<(usize, &IntegrationId, Place)> = snapshot
            .integrations
            .iter()
            .enumerate()
            .map(|(index, one)| (index, &one.id, self.interface.place(one)))
            .collect();
        self.interface.check(&snapshot.integrations, &mut faults);
        let prepared = running
            .sites
            .prepare(&wanted, self.interface, &self.threads, &mut faults);
        let (prepared, served) = faults.into_result((prepared, served))?;
        // From here on nothing can fail.
        let room = &self.shared.room;
        let tables = client_tables(self.interface, room, served.into_iter().flatten());
        let sites = running
            .sites
            .commit(prepared, &tables, &self.shared, &self.threads);
        let targets = targets(&tables, &sites);
        self.shared.metrics.keep_those_of(&snapshot);
        self.watch_certificates(&snapshot);
        running.primaries = primaries;
        self.shared
            .metrics
            .serving_revision
            .set(i64::try_from(snapshot.revision.0).unwrap_or(i64::MAX));
        let mut facts = self.facts();
        self.start.serves(&snapshot.settings);
        // A refusal is answered by a good revision, not by falling back on an old one.
        let refused = match source {
            ConfigSource::SealedCopy => facts.refused.take(),
            ConfigSource::ControlPlane | ConfigSource::None => None,
        };
        (self.tell_applied)(&snapshot.settings);
        *facts = Facts {
            snapshot: Some(Arc::new(snapshot)),
            raw: Some(as_it_came),
            source,
            targets,
            refused,
        };
        Ok(())
    }

    fn watch_certificates(&self, snapshot: &Snapshot) {
        let served = snapshot.integrations.iter().filter_map(|one| {
            let not_after = certificate::not_after(&one.eap.as_ref()?.certificates)?;
            Some((one.id.clone(), not_after))
        });
        let mut certificates = self.certificates();
        certificates.replace(served, &self.shared.metrics);
        certificate::show_files(&self.shared.metrics.certificate_expiry, snapshot);
        certificates.warn(clock::now(), clock::unix_now());
    }

    /// Authenticators whose settings did not change keep their connections.
    fn primaries(
        &self,
        snapshot: &Snapshot,
        running: &HashMap<AuthenticatorId, Arc<Primary>>,
        faults: &mut Faults,
    ) -> HashMap<AuthenticatorId, Arc<Primary>> {
        let used: HashSet<&AuthenticatorId> = snapshot
            .integrations
            .iter()
            .filter_map(|one| one.authenticator.as_ref())
            .collect();
        let mut primaries = HashMap::new();
        for (index, authenticator) in snapshot.authenticators.iter().enumerate() {
            if matches!(authenticator.kind, AuthenticatorKind::DuoOnly)
                || !used.contains(&authenticator.id)
            {
                continue;
            }
            let primary = match running.get(&authenticator.id) {
                Some(same) if same.is_for(authenticator) => Ok(Arc::clone(same)),
                _ => Primary::new(authenticator, &self.primary_parts),
            };
            match primary {
                Ok(primary) => drop(primaries.insert(authenticator.id.clone(), primary)),
                Err(error) => {
                    faults.add(format!("authenticators[{index}]"), with_causes(&error));
                }
            }
        }
        primaries
    }

    fn served(
        &self,
        integration: &Arc<Integration>,
        snapshot: &Snapshot,
        primaries: &HashMap<AuthenticatorId, Arc<Primary>>,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Arc<Served>> {
        let eap = match integration.eap.as_ref().map(tls::settings).transpose() {
            Ok(eap) => eap,
            Err(error) => {
                faults.add(format!("{path}.eap"), with_causes(&error));
                return None;
            }
        };
        let id = integration.authenticator.as_ref();
        let primary = id.and_then(|id| primaries.get(id)).cloned();
        let primary_use = match (&integration.authenticator, &primary) {
            (None, _) => PrimaryUse::None,
            (Some(_), None) => PrimaryUse::AnyPassword,
            (Some(_), Some(primary)) => PrimaryUse::Ask {
                budget: primary.budget(),
                relays: primary.is_radius(),
            },
        };
        let duo = match self
            .second_factors
            .client(&integration.application, &snapshot.settings)
        {
            Ok(duo) => duo,
            Err(error) => {
                faults.add(format!("{path}.application"), with_causes(&error));
                return None;
            }
        };
        Some(Arc::new(Served {
            config: Arc::clone(integration),
            revision: snapshot.revision,
            primary,
            primary_use,
            duo,
            eap,
            series: Series::new(&self.shared.metrics, integration.id.as_str()),
            debug: snapshot.settings.debug,
        }))
    }

    /// Lets old answers go while nothing is asked, counts those that had to go early, and warns of
    /// certificates.
    pub(crate) fn tidy(&self) {
        self.certificates().warn(clock::now(), clock::unix_now());
        self.watch_primary_only();
        for _ in 0..TIDY_ROUNDS {
            if eap::expire(&self.shared) == 0 {
                break;
            }
        }
        let under_way = i64::try_from(sessions_under_way(&self.shared)).unwrap_or(i64::MAX);
        self.shared.metrics.eap_sessions.set(under_way);
        let now = clock::now();
        let mut evicted = eap::last_words_evicted(&self.shared);
        for mut duplicates in self.shared.duplicates.each() {
            for _ in 0..TIDY_ROUNDS {
                if duplicates.expire(now) == 0 {
                    break;
                }
            }
            evicted += duplicates.occupancy().evicted;
        }
        let counter = &self.shared.metrics.duplicate_evictions;
        counter.inc_by(evicted.saturating_sub(counter.get()));
    }

    /// Lets a login of this machine in; gives its shared secret. None when the integration is not
    /// served, or no room is left.
    pub(crate) fn admit(
        &self,
        integration: &IntegrationId,
        source: SocketAddr,
        secret: &str,
    ) -> bool {
        let target = self
            .targets()
            .into_iter()
            .find(|one| one.served.config.id == *integration);
        let Some(Target { served, site }) = target else {
            return false;
        };
        let client = ServedClient {
            name: "login".to_owned(),
            secret: SharedSecret::new(secret.as_bytes()),
            policy: MessageAuthenticator::Require,
            served,
            waiting: Arc::default(),
        };
        site.admit(clock::now(), source, client)
    }

    /// How this node is.
    pub(crate) fn status(&self) -> NodeStatus {
        let facts = self.facts();
        let mut listeners: BTreeMap<SocketAddr, Vec<String>> = BTreeMap::new();
        for target in &facts.targets {
            let address = target.site.socket.address();
            listeners
                .entry(address)
                .or_default()
                .push(target.served.config.id.to_string());
        }
        let draining = self.shared.draining.load(Ordering::Relaxed);
        NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: match (draining, facts.revision()) {
                (true, _) => NodeState::Draining,
                (false, None) => NodeState::Starting,
                (false, Some(_)) => NodeState::Serving,
            },
            revision: facts.revision(),
            source: facts.source,
            connected: self.connected.load(Ordering::Relaxed),
            logins_in_flight: u64::try_from(self.shared.in_flight.load(Ordering::Relaxed))
                .unwrap_or(u64::MAX),
            events_dropped: self.shared.metrics.events_dropped.get(),
            uptime_seconds: clock::now()
                .saturating_duration_since(self.started)
                .as_secs(),
            listeners: listeners
                .into_iter()
                .map(|(address, integrations)| ListenerStatus {
                    address: address.to_string(),
                    integrations,
                })
                .collect(),
            certificates: self.certificates().status(),
            refused: facts.refused.clone(),
            primary_only: primary_only_status(&self.shared, &facts.targets),
            start_check: self.start.told(),
        }
    }

    /// Tries what it serves: see [`check::run`]. Takes nothing from logins. Dropped, it stops.
    pub(crate) async fn check(&self) -> Vec<CheckRow> {
        let mut rows = vec![check::revision(&self.shared.node, &self.status())];
        rows.extend(self.start.certificate().await);
        let (snapshot, bound) = {
            let facts = self.facts();
            let bound = facts.targets.iter().map(|target| {
                let place = self.interface.place(&target.served.config);
                (place, target.site.socket.address())
            });
            (facts.snapshot.clone(), bound.collect())
        };
        if let Some(snapshot) = snapshot {
            let ports = check::Ports::of_node(self.interface, bound);
            rows.extend(check::run(snapshot, ports, HashSet::new()).await);
        }
        rows
    }
}

/// Which clients each place has.
fn client_tables(
    interface: Interface,
    room: &Room,
    served: impl Iterator<Item = Arc<Served>>,
) -> HashMap<Place, Clients> {
    let mut tables: HashMap<Place, Clients> = HashMap::new();
    for served in served {
        let clients = tables.entry(interface.place(&served.config)).or_default();
        for client in &served.config.clients {
            let one = ServedClient {
                name: client.address.to_string(),
                secret: SharedSecret::new(client.secret.expose().as_bytes()),
                policy: client.message_authenticator,
                served: Arc::clone(&served),
                waiting: room.of(&served.config.id, client.address),
            };
            clients.push((client.address, Arc::new(one)));
        }
    }
    room.clients(tables.values().map(Vec::len).sum());
    tables
}

fn targets(tables: &HashMap<Place, Clients>, sites: &HashMap<Place, Arc<Site>>) -> Vec<Target> {
    let mut seen = HashSet::new();
    let mut targets = Vec::new();
    for (place, clients) in tables {
        let Some(site) = sites.get(place) else {
            continue;
        };
        for (_, client) in clients {
            if seen.insert(client.served.config.id.clone()) {
                let (served, site) = (Arc::clone(&client.served), Arc::clone(site));
                targets.push(Target { served, site });
            }
        }
    }
    targets.sort_by(|a, b| a.served.config.id.cmp(&b.served.config.id));
    targets
}

/// The primary-only grants that are in force here.
fn primary_only_status(shared: &Shared, targets: &[Target]) -> Vec<PrimaryOnlyStatus> {
    let checking = targets.iter().filter(|one| one.served.checks_password());
    let integrations = checking.map(|one| &one.served.config.id);
    shared.primary_only.status(clock::moment(), integrations)
}

/// What a node is made of, for [`Node::new`]'s caller.
pub(crate) fn shared(
    node: NodeId,
    metrics: Arc<Metrics>,
    reports: crate::control::report::Reports,
    max_in_flight: usize,
    eap_threads: EapThreads,
) -> Result<Arc<Shared>, getrandom::Error> {
    Shared::new(node, metrics, reports, max_in_flight, eap_threads).map(Arc::new)
}

/// How many handfuls of old answers are let go at a time.
const TIDY_ROUNDS: usize = 256;
