//! The processes of a node in a simulation, and the control plane that tells them what to serve.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::config::raw;
use proto::id::{IntegrationId, NodeId};
use proto::rpc::{PrimaryOnlyGrant, StateKey, StateKeys};
use proto::secret::Secret;
use serde_json::json;
use tokio_util::task::TaskTracker;

use super::plan::SECTIONS;
use super::world::{Life, World};
use super::{ledger, upstream};
use crate::clock;
use crate::control::report::Reports;
use crate::duo::client::DuoClients;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::primary;
use crate::server::dedup::Limits;
use crate::server::duplicates::Duplicates;
use crate::server::eap::EapThreads;
use crate::server::interface::Interface;
use crate::server::receive::Shared;
use crate::server::threads::ReceiveThreads;

/// Where a node is.
pub(super) fn address(node: u8) -> IpAddr {
    [10, 0, 0, node + 1].into()
}

/// A process that runs.
#[derive(Debug)]
pub(super) struct Running {
    life: Life,
    address: IpAddr,
    node: Arc<Node>,
    world: Arc<World>,
}

/// What the control plane says to all.
#[derive(Clone, Debug)]
pub(super) struct Said {
    revision: u64,
    /// By section.
    safe: [bool; 4],
    keys: StateKeys,
    grant: Option<(Option<usize>, u64)>,
}

/// The control plane, with its ear to those that run.
#[derive(Debug)]
pub(super) struct Control {
    world: Arc<World>,
    said: Mutex<Said>,
    /// None while it is away.
    running: Mutex<Vec<Arc<Running>>>,
    away: Mutex<bool>,
}

impl Running {
    fn start(world: &Arc<World>, address: IpAddr) -> Arc<Self> {
        let life = world.begin(address);
        for host in 0..world.plan.hosts {
            let serves = upstream::serve(Arc::clone(world), life, host);
            world.tasks.spawn(serves);
        }
        let metrics = Metrics::new().unwrap();
        let (reports, _) = Reports::new(Arc::clone(&metrics));
        let mut told = reports.watch();
        let hears = Arc::clone(world);
        world.tasks.spawn(async move {
            while let Ok(event) = told.recv().await {
                let (outcome, reason) = (event.outcome, event.reason);
                hears.note(|| format!("{life:?} tells of {outcome:?}, {reason:?}"));
                hears.ledger().tells(life, event.outcome);
            }
        });
        let threads = EapThreads::none();
        let most = world.plan.max_in_flight;
        let id = NodeId::new("node").unwrap();
        let mut shared = Shared::new(id, Arc::clone(&metrics), reports, most, threads).unwrap();
        if let Some((answers, running)) = world.plan.cache {
            shared.duplicates = Duplicates::with(Limits {
                answers,
                running,
                ..Limits::default()
            });
        }
        let counters = metrics.primaries.clone();
        let primaries = primary::Shared::with(TaskTracker::new(), counters);
        let node = Node::new(
            Arc::new(shared),
            Interface::new(None),
            ReceiveThreads::none(),
            DuoClients::new(world.plan.connections),
            primaries,
            |_| {},
        );
        let running = Arc::new(Self {
            life,
            address,
            node: Arc::new(node),
            world: Arc::clone(world),
        });
        world.tasks.spawn(Arc::clone(&running).watches());
        running
    }

    /// Looks after it as the program does, and at its bounds.
    async fn watches(self: Arc<Self>) {
        while self.world.lives(self.life) {
            tokio::time::sleep(Duration::from_secs(20)).await;
            self.node.tidy();
            self.is_bounded();
        }
    }

    fn is_bounded(&self) {
        let shared = self.node.shared();
        let plan = &self.world.plan;
        let (answers, running) = plan.cache.unwrap_or((usize::MAX, usize::MAX));
        let in_flight = shared.in_flight.load(Ordering::Relaxed);
        let connections = self.node.connections();
        let held = shared
            .duplicates
            .each()
            .map(|cache| cache.occupancy())
            .any(|one| one.answers > answers || one.running > running);
        if held || in_flight > plan.max_in_flight || connections > plan.connections {
            self.world.ledger().violate(format!(
                "{:?} goes beyond its bounds: {in_flight} in flight, {connections} connections",
                self.life
            ));
        }
    }

    fn hears(&self, said: &Said) {
        if !self.world.lives(self.life) {
            return;
        }
        let raw = snapshot(self, said);
        let serving = self.node.serving().map(|revision| revision.0);
        if serving != Some(said.revision) {
            self.world
                .note(|| format!("{:?} serves revision {}", self.life, said.revision));
            if let Err(faults) = self.node.apply_here(raw) {
                panic!("the configuration of a simulation is good: {faults}");
            }
            self.world.ledger().serves(self.life, &said.safe);
        }
        self.node.set_state_keys(&said.keys).unwrap();
        self.node.set_primary_only(
            said.grant
                .map(|(section, until)| PrimaryOnlyGrant {
                    integration: section.map(|one| IntegrationId::new(SECTIONS[one].id).unwrap()),
                    until_ms: clock::unix_ms() + until.saturating_sub(self.world.now_ms()),
                    reason: "an outage".to_owned(),
                    by: "somebody".to_owned(),
                })
                .into_iter()
                .collect(),
        );
        let now = self.world.now_ms();
        self.world.ledger().grants(self.life, now, said.grant);
    }

    /// Ends in order: logins under way may end.
    async fn stops(&self) {
        let life = self.life;
        self.world.note(|| format!("{life:?} is told to stop"));
        self.world.ledger().counts.stops += 1;
        self.node.drain(Duration::from_secs(10)).await;
        self.world.end(life);
        self.is_idle();
    }

    /// Nobody waits for anything here any more.
    fn is_idle(&self) {
        let shared = self.node.shared();
        let in_flight = shared.in_flight.load(Ordering::Relaxed);
        if !shared.is_idle() || in_flight > 0 {
            let life = self.life;
            let ledger = &mut self.world.ledger();
            ledger.violate(format!("{life:?} has {in_flight} logins that never end"));
        }
    }

    /// The keys that a process begins with nobody else has.
    fn own_keys(&self) -> StateKeys {
        self.world.draw(keys)
    }

    fn ended(&self) {
        self.is_idle();
        let discards = &self.node.shared().metrics.radius_discards;
        let discarded = discards.with_label_values(&["overloaded"]).get() > 0;
        self.world.ledger().ended(self.life, discarded);
    }
}

impl Control {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        let said = world.draw(|rng| Said {
            revision: 1,
            safe: [(); 4].map(|()| rng.chance(500)),
            keys: keys(rng),
            grant: None,
        });
        Arc::new(Self {
            world: Arc::clone(world),
            said: Mutex::new(said),
            running: Mutex::default(),
            away: Mutex::default(),
        })
    }

    /// A node's processes, one after the other.
    pub(super) async fn keeps(self: Arc<Self>, node: u8) {
        let world = Arc::clone(&self.world);
        let mut last = None;
        loop {
            let running = Running::start(&world, address(node));
            // What it served before lies sealed on its disk; keys and grants do not.
            if let Some(last) = &last {
                running.hears(last);
            }
            while *self.away.lock().unwrap() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let said = self.said.lock().unwrap().clone();
            running.hears(&said);
            self.running.lock().unwrap().push(Arc::clone(&running));
            if !world.plan.crashes || world.now_ms() > LAST_CRASH_MS {
                return;
            }
            world.pause(2_000, 90_000).await;
            self.running
                .lock()
                .unwrap()
                .retain(|one| one.life != running.life);
            last = Some(Said {
                keys: running.own_keys(),
                grant: None,
                ..self.said.lock().unwrap().clone()
            });
            if world.draw(|rng| rng.chance(300)) {
                running.stops().await;
            } else {
                world.ledger().counts.crashes += 1;
                world.end(running.life);
            }
            world.pause(0, 10_000).await;
        }
    }

    /// Changes its mind, and goes away at times.
    pub(super) async fn changes(self: Arc<Self>) {
        let world = Arc::clone(&self.world);
        while world.plan.changes && world.now_ms() < LAST_CRASH_MS {
            world.pause(1_000, 40_000).await;
            let what = world.draw(|rng| rng.within(0, 3));
            match what {
                0 => {
                    world.note(|| "the control plane is away".to_owned());
                    *self.away.lock().unwrap() = true;
                    world.pause(1_000, 60_000).await;
                    *self.away.lock().unwrap() = false;
                }
                1 => self.say(|said, rng| {
                    said.revision += 1;
                    said.safe = [(); 4].map(|()| rng.chance(500));
                }),
                2 => {
                    let now = world.now_ms();
                    self.say(|said, rng| {
                        let section = rng.pick(&[None, Some(1), Some(2), Some(3)]);
                        let until = now + rng.within(1_000, 60_000);
                        said.grant = rng.chance(500).then_some((section, until));
                    });
                }
                _ => self.say(|said, rng| {
                    let before = std::mem::replace(&mut said.keys, keys(rng));
                    said.keys.others = vec![before.current];
                }),
            }
        }
    }

    fn say(&self, change: impl FnOnce(&mut Said, &mut super::outside::Rng)) {
        let mut said = self.said.lock().unwrap();
        self.world.draw(|rng| change(&mut said, rng));
        let said = said.clone();
        let running = self.running.lock().unwrap().clone();
        for one in running {
            one.hears(&said);
        }
    }

    /// Nothing happens any more: every process must have ended what it began.
    pub(super) fn ended(&self) {
        for one in self.running.lock().unwrap().iter() {
            one.ended();
        }
    }
}

fn keys(rng: &mut super::outside::Rng) -> StateKeys {
    let mut key = [0; 32];
    rng.fill(&mut key);
    StateKeys {
        current: StateKey(Secret::new(STANDARD.encode(key))),
        others: Vec::new(),
    }
}

/// What this process is to serve.
fn snapshot(running: &Running, said: &Said) -> raw::Snapshot {
    let Running {
        life,
        address,
        world,
        ..
    } = running;
    let integrations = SECTIONS.iter().zip(said.safe).map(|(section, safe)| {
        json!({
            "id": section.id,
            "mode": section.mode,
            "listen": address,
            "port": section.port,
            "application": {
                "ikey": "DI", "skey": "key", "host": "service.test", "port": life.service_port(),
            },
            "authenticator": section.checks.then_some("radius_client"),
            "clients": [{
                "address": "10.2.0.0/24",
                "secret": std::str::from_utf8(ledger::SECRET).unwrap(),
            }],
            "fail_mode": if safe { "safe" } else { "secure" },
        })
    });
    let hosts = (0..world.plan.hosts).map(|host| {
        let address = upstream::address(*life, host);
        json!({"name": address.ip(), "port": address.port()})
    });
    let raw = json!({
        "revision": said.revision,
        "settings": {"http_ca_certs": certificate()},
        "authenticators": [{
            "id": "radius_client",
            "kind": {"radius": {
                "hosts": hosts.collect::<Vec<_>>(), "secret": upstream::SECRET,
                "retries": 3, "retry_wait_seconds": 2,
            }},
        }],
        "integrations": integrations.collect::<Vec<_>>(),
    });
    serde_json::from_value(raw).unwrap()
}

/// To have something to trust: reading the system's takes longer than a simulation.
fn certificate() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| {
        let issued = rcgen::generate_simple_self_signed(["service.test".to_owned()]).unwrap();
        issued.cert.pem()
    })
}

/// From then on what runs goes on running.
pub(super) const LAST_CRASH_MS: u64 = 200_000;
