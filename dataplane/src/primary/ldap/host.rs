//! One host of a directory: its connections, and whether it is up. A host that failed is asked last
//! until a probe, which no login waits for, finds that it serves again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{self, Tried};
use super::connection::Endpoint;
use super::fault::Fault;
use super::filter::Filter;
use super::message::{BindAnswer, Found, Outcome, Search};
use super::pool::{ServicePool, UserPool};
use super::sign_on::{self, Person, SignOn};
use crate::primary::check::{host_label, now};

/// A host and its connections.
#[derive(Debug)]
pub(super) struct Host {
    /// The authenticator, for the log.
    id: String,
    /// For events and metrics: `ldap1:636`.
    pub(super) label: String,
    endpoint: Endpoint,
    sign_on: Arc<SignOn>,
    service: ServicePool,
    users: UserPool,
    contexts: OnceLock<Vec<String>>,
    down: AtomicBool,
    damping: Mutex<Damping>,
}

/// How long the first probe waits: longer for a host that goes down again soon after it came up.
#[derive(Clone, Copy, Debug)]
struct Damping {
    wait: Duration,
    /// Since when it serves again; none when it was never away.
    up: Option<Instant>,
    /// Whether a probe runs. One may still sleep when the host goes down again.
    probed: bool,
}

/// Where probes run, and until when.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) tasks: TaskTracker,
    pub(super) ended: CancellationToken,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl Host {
    pub(super) fn new(id: &str, endpoint: Endpoint, sign_on: Arc<SignOn>) -> Self {
        Self {
            id: id.to_owned(),
            label: host_label(&endpoint.host),
            endpoint,
            sign_on,
            service: ServicePool::new(),
            users: UserPool::new(),
            contexts: OnceLock::new(),
            down: AtomicBool::new(false),
            damping: Mutex::new(Damping {
                wait: PROBE_FIRST,
                up: None,
                probed: false,
            }),
        }
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn sign_on(&self) -> &SignOn {
        &self.sign_on
    }

    pub(super) async fn search(
        &self,
        search: &Search<'_>,
        deadline: Instant,
    ) -> Result<(Vec<Found>, Outcome), Fault> {
        self.service
            .search(&self.endpoint, &self.sign_on, search, deadline)
            .await
    }

    pub(super) async fn bind(
        &self,
        person: &Person<'_>,
        deadline: Instant,
    ) -> Result<(BindAnswer, Tried), Fault> {
        self.users
            .bind(&self.endpoint, &self.sign_on, person, deadline)
            .await
    }

    /// The topmost entries that it holds (`namingContexts`, RFC 4512 section 5.1); asked for once.
    pub(super) async fn contexts(&self, deadline: Instant) -> Result<&[String], Fault> {
        if let Some(contexts) = self.contexts.get() {
            return Ok(contexts);
        }
        let any = Filter::any();
        let root = Search {
            attributes: &[NAMING_CONTEXTS],
            ..sign_on::root(&any)
        };
        let (found, end) = self.search(&root, deadline).await?;
        answer::serves(&end)?;
        let contexts = found
            .iter()
            .flat_map(|root| root.values(NAMING_CONTEXTS))
            .filter_map(|value| str::from_utf8(value).ok())
            .filter(|context| !context.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(self.contexts.get_or_init(|| contexts))
    }

    pub(super) fn is_up(&self) -> bool {
        !self.down.load(Ordering::Relaxed)
    }

    /// A login got its answer here.
    pub(super) fn answered(&self) {
        if !self.is_up() {
            self.back();
        }
    }

    /// It gave a login no answer: it is asked last and probed until it serves again.
    pub(super) fn failed(self: &Arc<Self>, fault: &Fault, watch: &Watch) {
        // What else was open is most likely dead too, and would let a login wait once more. A host
        // that is too busy still has it, and would be busier with new ones.
        if !matches!(fault, Fault::Unwilling(_)) {
            self.service.clear();
            self.users.clear();
        }
        let Some(wait) = self.goes_down() else {
            return;
        };
        let reason = fault.explain(self.endpoint.transport);
        tracing::warn!(authenticator = %self.id, host = %self.label, %reason, "directory host is down");
        let Some(wait) = wait else {
            return;
        };
        let host = Arc::clone(self);
        watch
            .tasks
            .spawn(watch.ended.clone().run_until_cancelled_owned(async move {
                host.probe(wait).await;
            }));
    }

    /// None when it was down. The wait of the probe to start, unless one runs.
    #[expect(clippy::option_option, reason = "two questions, asked under one lock")]
    fn goes_down(&self) -> Option<Option<Duration>> {
        let mut damping = self.damping();
        if self.down.swap(true, Ordering::Relaxed) {
            return None;
        }
        let steady = damping
            .up
            .is_none_or(|up| now().saturating_duration_since(up) >= STEADY);
        damping.wait = if steady {
            PROBE_FIRST
        } else {
            (damping.wait * 2).min(PROBE_AT_MOST)
        };
        let starts = !damping.probed;
        damping.probed = true;
        Some(starts.then_some(damping.wait))
    }

    /// Whether a probe has nothing left to do. Then it ends.
    fn needs_no_probe(&self) -> bool {
        let mut damping = self.damping();
        damping.probed = !self.is_up();
        !damping.probed
    }

    fn damping(&self) -> MutexGuard<'_, Damping> {
        self.damping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn back(&self) {
        if self.down.swap(false, Ordering::Relaxed) {
            self.damping().up = Some(now());
            tracing::info!(authenticator = %self.id, host = %self.label, "directory host is back");
        }
    }

    /// Asks until it serves: connection, bind of the service account, and a search.
    async fn probe(&self, mut wait: Duration) {
        let filter = Filter::any();
        let root = sign_on::root(&filter);
        loop {
            tokio::time::sleep(wait).await;
            if self.needs_no_probe() {
                return;
            }
            let deadline = now() + self.endpoint.timeout;
            let asked = self
                .service
                .search_anew(&self.endpoint, &self.sign_on, &root, deadline)
                .await;
            match asked {
                // It answers; that the settings are wrong is for logins to say.
                Err(fault) if !fault.is_of_the_host() => self.back(),
                Ok(_) => self.back(),
                Err(fault) => {
                    tracing::debug!(authenticator = %self.id, host = %self.label, %fault, "still down");
                    wait = (wait * 2).min(PROBE_AT_MOST);
                }
            }
            if self.needs_no_probe() {
                return;
            }
        }
    }
}

/// How long a probe waits at first; twice as long after each that fails.
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_AT_MOST: Duration = Duration::from_secs(10);

/// How long a host must have served to be probed soon when it goes down again.
const STEADY: Duration = Duration::from_secs(60);

const NAMING_CONTEXTS: &str = "namingContexts";

#[cfg(test)]
mod tests {
    use proto::config::{Host as Address, Transport};
    use proto::secret::Secret;

    use super::super::sign_on::Method;
    use super::*;

    #[tokio::test]
    async fn a_host_that_comes_and_goes_has_one_probe() {
        let endpoint = Endpoint {
            host: Address {
                name: "127.0.0.1".to_owned(),
                port: 9,
            },
            transport: Transport::Clear,
            tls: None,
            timeout: Duration::from_secs(1),
        };
        let sign_on = SignOn {
            method: Method::Plain,
            service_name: "service".to_owned(),
            service_password: Secret::from("pw"),
        };
        let host = Arc::new(Host::new("ad_client", endpoint, Arc::new(sign_on)));
        let watch = Watch {
            tasks: TaskTracker::new(),
            ended: CancellationToken::new(),
        };
        for _ in 0..50 {
            host.failed(&Fault::Lost("gone"), &watch);
            assert!(!host.is_up());
            host.answered();
            assert!(host.is_up());
        }
        assert_eq!(watch.tasks.len(), 1);
        // It ends where nothing is left to do, and the next one starts.
        assert!(host.needs_no_probe());
        host.failed(&Fault::Lost("gone"), &watch);
        assert_eq!(watch.tasks.len(), 2);
        assert!(!host.needs_no_probe(), "it is down");
    }
}
