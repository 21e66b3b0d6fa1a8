//! Tries what a configuration names, from where logins would: second factors, directories, upstream
//! RADIUS servers, ports, certificates. One row for each thing that was tried.
//!
//! It goes by the clients that logins go by, with their trust, proxy and patience, but on connections
//! of its own, which tell of the way as it is now and hold up no login. Nobody logs in, no push is
//! sent, and no user's password is needed. What was found is judged in `judge` and `certificate`,
//! which are pure.

mod certificate;
mod judge;
mod machine;
mod port;
mod second_factor;
pub(crate) mod start;
#[cfg(test)]
mod tests;
mod trusted;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::check::{CheckKind, CheckResult, CheckRow};
use proto::config::{AuthenticatorKind, Directory, HttpProxy, Integration, Snapshot};
use proto::id::{IntegrationId, NodeId};
use proto::rpc::NodeStatus;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;

use self::judge::{Finding, Subject};
use self::port::PortToTry;
use self::second_factor::SecondFactor;
use crate::causes::with_causes;
use crate::clock;
use crate::duo::client::DuoClients;
use crate::metrics::PrimaryCounters;
use crate::primary::trial::Gate;
use crate::primary::{Primary, Shared};
use crate::server::eap::tls;
use crate::server::interface::Interface;
use crate::server::sites::Place;

/// Who has the ports that a configuration names.
#[derive(Debug)]
pub struct Ports(Held);

#[derive(Debug)]
enum Held {
    Node {
        interface: Interface,
        bound: HashMap<Place, SocketAddr>,
    },
    Nobody {
        gateway: Vec<SocketAddr>,
    },
}

impl Ports {
    /// No node of this configuration: each port is bound for a moment. `gateway` is where a gateway
    /// listens whose place this configuration would take.
    #[must_use]
    pub const fn to_try(gateway: Vec<SocketAddr>) -> Self {
        Self(Held::Nobody { gateway })
    }

    /// Those of a node that serves the configuration.
    pub(crate) const fn of_node(interface: Interface, bound: HashMap<Place, SocketAddr>) -> Self {
        Self(Held::Node { interface, bound })
    }

    fn place(&self, integration: &Integration) -> Place {
        match &self.0 {
            Held::Node { interface, .. } => interface.place(integration),
            Held::Nobody { .. } => Interface::new(None).place(integration),
        }
    }
}

/// Tries everything, in at most [`LONGEST`]. Rows come in the order of the configuration: this machine,
/// ports, certificates, second factors, authenticators. Dropped, it stops.
///
/// `unmade` names the integrations whose application is not made yet, so that there is no second
/// factor to ask.
pub async fn run(
    snapshot: Arc<Snapshot>,
    ports: Ports,
    unmade: HashSet<IntegrationId>,
) -> Vec<CheckRow> {
    let until = clock::now() + LONGEST - MARGIN;
    // Trust roots are read from the disk.
    let planned = spawn_blocking(move || plan(&snapshot, &ports, &unmade)).await;
    let jobs = planned.unwrap_or_else(|_| vec![Job::Said(broken_off())]);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut done: Vec<Vec<CheckRow>> = jobs.iter().map(|job| vec![job.late()]).collect();
    for (place, job) in jobs.into_iter().enumerate() {
        let turns = Arc::clone(&turns);
        running.spawn(async move {
            let work = async {
                let _turn = turns.acquire().await;
                job.run().await
            };
            (place, timeout_at(until.into(), work).await.ok())
        });
    }
    while let Some(ended) = running.join_next().await {
        if let Ok((place, Some(rows))) = ended
            && let Some(slot) = done.get_mut(place)
        {
            *slot = rows;
        }
    }
    done.concat()
}

/// What a node serves, as a row.
pub(crate) fn revision(node: &NodeId, status: &NodeStatus) -> CheckRow {
    let subject = Subject {
        place: format!("node {node}"),
        sections: Vec::new(),
        from: None,
    };
    let serves = status.revision.map_or_else(
        || "nothing is served".to_owned(),
        |revision| format!("revision {revision} is served on"),
    );
    let finding = match (status.revision, &status.refused) {
        (_, Some(refused)) => {
            let faults: Vec<_> = refused.faults.iter().map(ToString::to_string).collect();
            Finding::failed(
                format!(
                    "it refused revision {}, and {serves}: {}",
                    refused.revision,
                    faults.join("; ")
                ),
                "put right what it refuses: a change that is applied, or a file that is read again, is pushed at once",
            )
        }
        (None, None) => Finding::failed(
            "it has no configuration yet",
            "see countersign status: does the control plane run, and is its file good?",
        ),
        (Some(revision), None) if !status.connected => Finding::warning(
            format!("revision {revision} is served; it is cut off from the control plane"),
            "logins go on; see countersign status for why it is away",
        ),
        (Some(revision), None) => Finding::good(format!("revision {revision} is served")),
    };
    subject.row(CheckKind::Revision, Duration::ZERO, finding)
}

/// The row of a certificate of the gateway's own of which the end is known, in seconds since 1970.
#[must_use]
pub fn own_certificate(what: CheckKind, place: String, not_after: i64) -> CheckRow {
    let span = certificate::Span {
        not_before: i64::MIN,
        not_after,
    };
    machine::own(what, place, judge::gateways_certificate(span, unix_now()))
}

/// The certificate by which a node speaks to a control plane of another machine.
pub(crate) fn node_certificate(node: &NodeId, pem: &str) -> CheckRow {
    let finding = match certificate::spans_of_pem(pem).first() {
        Some(span) => judge::gateways_certificate(*span, unix_now()),
        None => Finding::failed(
            "it cannot be read",
            "let the node join again: countersign node join",
        ),
    };
    machine::own(CheckKind::NodeCertificate, format!("node {node}"), finding)
}

/// What is tried at one go: one host, one port, one certificate.
#[derive(Debug)]
enum Job {
    /// There is nothing to try, and this is why.
    Said(CheckRow),
    Port(Subject, PortToTry),
    Proxy(Subject, HttpProxy),
    SecondFactor(Box<SecondFactor>),
    Host {
        subject: Subject,
        primary: Arc<Primary>,
        /// Among the primary's hosts.
        place: usize,
        gate: Arc<Gate>,
    },
}

impl Job {
    async fn run(self) -> Vec<CheckRow> {
        match self {
            Self::Said(row) => vec![row],
            Self::Port(subject, wanted) => {
                let began = clock::now();
                let found = wanted.found().await;
                let took = clock::now().saturating_duration_since(began);
                vec![subject.row(CheckKind::Port, took, judge::port(&found))]
            }
            Self::Proxy(subject, proxy) => vec![trusted::try_proxy(subject, &proxy).await],
            Self::SecondFactor(second_factor) => second_factor.run().await,
            Self::Host {
                subject,
                primary,
                place,
                gate,
            } => {
                let trial = primary.try_host(place, &gate, STEP).await;
                let spans = certificate::spans(&trial.certificates);
                judge::trial(&subject, &trial, &spans, unix_now())
            }
        }
    }

    /// The row of what did not come to its end.
    fn late(&self) -> CheckRow {
        let (subject, what) = match self {
            Self::Said(row) => return row.clone(),
            Self::Port(subject, _) => (subject, CheckKind::Port),
            Self::Proxy(subject, _) => (subject, CheckKind::Proxy),
            Self::SecondFactor(one) => (&one.subject, CheckKind::SecondFactor),
            Self::Host {
                subject, primary, ..
            } if primary.is_radius() => (subject, CheckKind::Upstream),
            Self::Host { subject, .. } => (subject, CheckKind::Directory),
        };
        let took = LONGEST - MARGIN;
        let finding = Finding {
            result: CheckResult::Failed,
            found: format!("not tried to its end within {} s", took.as_secs()),
            remedy: Some("put right what takes so long elsewhere, and check again".to_owned()),
        };
        subject.row(what, took, finding)
    }
}

/// Nothing was tried, which is not to be taken for good.
fn broken_off() -> CheckRow {
    let subject = Subject {
        place: "this program".to_owned(),
        sections: Vec::new(),
        from: None,
    };
    let finding = Finding::failed(
        "the check broke off, which is a fault of this program",
        "see the log, and please report it",
    );
    subject.row(CheckKind::Revision, Duration::ZERO, finding)
}

fn plan(snapshot: &Snapshot, ports: &Ports, unmade: &HashSet<IntegrationId>) -> Vec<Job> {
    let of_node = matches!(ports.0, Held::Node { .. });
    let machine = machine::rows(of_node).into_iter();
    let mut jobs: Vec<Job> = machine.map(Job::Said).collect();
    jobs.extend(plan_ports(snapshot, ports));
    jobs.extend(snapshot.integrations.iter().filter_map(|one| {
        let eap = one.eap.as_ref()?;
        let subject = Subject {
            place: "certs and pkey".to_owned(),
            sections: vec![one.id.to_string()],
            from: None,
        };
        let usable = tls::settings(eap)
            .map(drop)
            .map_err(|fault| with_causes(&fault));
        let spans = certificate::spans_of_pem(&eap.certificates);
        let finding = judge::own_certificate(&spans, usable, unix_now());
        let row = subject.row(CheckKind::EapCertificate, Duration::ZERO, finding);
        Some(Job::Said(row))
    }));
    jobs.extend(trusted::authorities(snapshot).into_iter().map(Job::Said));
    jobs.extend(trusted::proxy(snapshot).map(|(subject, proxy)| Job::Proxy(subject, proxy)));
    let clients = DuoClients::new(CONNECTIONS);
    jobs.extend(second_factor::plan(snapshot, unmade, &clients));
    jobs.extend(plan_hosts(snapshot));
    jobs
}

fn plan_ports(snapshot: &Snapshot, ports: &Ports) -> Vec<Job> {
    let mut places: Vec<(Place, Vec<String>)> = Vec::new();
    for integration in &snapshot.integrations {
        let place = ports.place(integration);
        let section = integration.id.to_string();
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, sections)) => sections.push(section),
            None => places.push((place, vec![section])),
        }
    }
    let job = |(place, sections): (Place, Vec<String>)| {
        let (listen, port) = place;
        let at = listen.map_or_else(
            || format!("*:{port}"),
            |listen| SocketAddr::new(listen, port).to_string(),
        );
        let subject = Subject {
            place: format!("UDP {at}"),
            sections,
            from: None,
        };
        let wanted = match &ports.0 {
            Held::Node { bound, .. } if bound.contains_key(&place) => PortToTry::Bound,
            Held::Node { .. } => PortToTry::Unbound,
            Held::Nobody { gateway } => PortToTry::Free {
                place,
                held: judge::is_held(place, gateway),
            },
        };
        Job::Port(subject, wanted)
    };
    places.into_iter().map(job).collect()
}

fn plan_hosts(snapshot: &Snapshot) -> Vec<Job> {
    let mut jobs = Vec::new();
    // Counters of its own, which nobody reads.
    let Ok(counters) = PrimaryCounters::apart() else {
        return jobs;
    };
    let shared = Shared::with(TaskTracker::new(), counters);
    let mut gates = Vec::new();
    for authenticator in &snapshot.authenticators {
        let id = authenticator.id.to_string();
        let what = match &authenticator.kind {
            AuthenticatorKind::Radius(_) => CheckKind::Upstream,
            AuthenticatorKind::Ad(_) => CheckKind::Directory,
            _ => continue,
        };
        let primary = match Primary::new(authenticator, &shared) {
            Ok(primary) => primary,
            Err(error) => {
                let subject = Subject {
                    place: id.clone(),
                    sections: vec![id],
                    from: None,
                };
                let finding = Finding::failed(
                    with_causes(&error),
                    "check ssl_ca_certs_file, host and transport of the section",
                );
                jobs.push(Job::Said(subject.row(what, Duration::ZERO, finding)));
                continue;
            }
        };
        let gate = gate_of(&authenticator.kind, &mut gates);
        for (place, host) in primary.hosts().into_iter().enumerate() {
            jobs.push(Job::Host {
                subject: Subject {
                    place: host,
                    sections: vec![id.clone()],
                    from: None,
                },
                primary: Arc::clone(&primary),
                place,
                gate: Arc::clone(&gate),
            });
        }
    }
    jobs
}

/// The gate of a directory's service account. Sections may have one in common.
fn gate_of<'a>(
    kind: &'a AuthenticatorKind,
    gates: &mut Vec<(&'a Directory, Arc<Gate>)>,
) -> Arc<Gate> {
    let AuthenticatorKind::Ad(directory) = kind else {
        return Arc::default();
    };
    let account = |one: &'a Directory| {
        (
            &one.service_account_username,
            &one.service_account_password,
            &one.bind_dn,
            one.auth_type,
            &one.search_dn,
        )
    };
    let known = gates
        .iter()
        .find(|(other, _)| account(other) == account(directory));
    if let Some((_, gate)) = known {
        return Arc::clone(gate);
    }
    let gate = Arc::new(Gate::default());
    gates.push((directory, Arc::clone(&gate)));
    gate
}

fn unix_now() -> i64 {
    i64::try_from(clock::unix_now()).unwrap_or(i64::MAX)
}

/// The longest that a check takes. Callers wait a little longer.
pub const LONGEST: Duration = Duration::from_secs(120);
/// Of it, what is left for telling.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest that a step takes, however long a login would wait.
const STEP: Duration = Duration::from_secs(30);
/// Hosts that are tried at once: a check takes nothing from logins that they would miss.
const AT_ONCE: usize = 16;
/// Connections to second factors.
const CONNECTIONS: usize = 256;
