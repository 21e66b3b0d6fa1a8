//! The use cases: what the API, the pages and the admin socket have done. No HTTP, no SQL.

mod directory;
mod enroll;
mod login;
mod passcode;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use enroll::{EnrollError, Enrollee, NewSecret};
pub(crate) use login::{AuthAnswer, AuthRequest, Choice, LoginError, Preauth, State, Wait, Who};

use crate::admin::UserStatus;
use crate::certificate::ServedLeaf;
use crate::gate::{Gate, Traffic};
use crate::metrics::{Factor, Metrics};
use crate::push::{Push, Pushes};
use crate::sign::VersionOne;
use crate::store::Store;
use crate::vault::Vault;
use crate::verdict::{Asked, Verdict};
use directory::Directory;

/// Everything that a request needs.
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) pushes: Pushes,
    pub(crate) metrics: Metrics,
    pub(crate) rules: Rules,
    /// The authority's certificate, for callers to trust.
    pub(crate) ca_pem: String,
    /// The certificate that is served.
    pub(crate) leaf: Arc<ServedLeaf>,
    /// What people open, without a slash at the end.
    pub(crate) public_url: String,
    /// Cancelled when the service ends: who waits is answered.
    pub(crate) shutdown: CancellationToken,
    /// What every change goes through, so that none is made here that another process does not know.
    pub(crate) gate: Gate,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) started: Instant,
    /// Work that goes on when its caller has gone: a write and the forgetting of what was kept
    /// in memory belong together.
    pub(crate) tasks: TaskTracker,
    /// As many permits as octets that the bodies being read may have together.
    pub(crate) bodies: Arc<Semaphore>,
    directory: Directory,
}

/// The settings that decide something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) version_one: VersionOne,
    pub(crate) push_lifetime: Duration,
    pub(crate) poll_hold: Duration,
    pub(crate) lockout_after: u32,
}

impl Service {
    /// Puts the parts together and reads the applications.
    ///
    /// # Errors
    /// [`crate::store::StoreError`].
    pub(crate) async fn new(parts: Parts) -> Result<Self, crate::store::StoreError> {
        let directory = Directory::default();
        directory.set_applications(parts.store.applications(&parts.vault).await?);
        Ok(Self {
            store: parts.store,
            vault: parts.vault,
            pushes: Pushes::default(),
            metrics: parts.metrics,
            rules: parts.rules,
            ca_pem: parts.ca_pem,
            leaf: parts.leaf,
            public_url: parts.public_url,
            gate: Gate::new(parts.shutdown.clone()),
            traffic: Arc::default(),
            shutdown: parts.shutdown,
            started: Instant::now(),
            tasks: TaskTracker::new(),
            bodies: Arc::new(Semaphore::new(crate::api::BODIES_OCTETS)),
            directory,
        })
    }

    /// A person's answer to a push, and how it ended; none when it does not wait, or `which` does
    /// not take it. What a user approves who may not log in any more is refused.
    ///
    /// # Errors
    /// [`crate::store::StoreError`]; the push waits on.
    pub(crate) async fn answer_push(
        &self,
        txid: crate::push::Txid,
        answer: Verdict,
        which: impl FnOnce(&Push) -> bool,
    ) -> Result<Option<Verdict>, crate::store::StoreError> {
        let Some(push) = self.pushes.get(txid).filter(|push| which(push)) else {
            return Ok(None);
        };
        let mut verdict = answer;
        if answer == Verdict::Allow {
            // As it is now: the push knows the user as it was when it was sent.
            let account = self.store.account_by_id(&push.user_id).await?;
            verdict = match account.map(|account| account.status) {
                Some(UserStatus::Active | UserStatus::Bypass) => Verdict::Allow,
                Some(UserStatus::LockedOut) => Verdict::LockedOut,
                Some(UserStatus::Disabled) | None => Verdict::Disabled,
            };
        }
        let ended = self.pushes.end(txid, verdict, Instant::now(), |_| true);
        Ok(ended.map(|push| {
            self.push_ended(&push, verdict);
            verdict
        }))
    }

    /// Ends waiting pushes whose user or device may not answer any more.
    fn refuse_pushes(&self, verdict: Verdict, which: impl Fn(&Push) -> bool) {
        for push in self.pushes.end_all(verdict, Instant::now(), which) {
            self.push_ended(&push, verdict);
        }
    }

    /// Counts and logs a push that ended.
    pub(crate) fn push_ended(&self, push: &Push, verdict: Verdict) {
        let factor = match push.asked {
            Asked::Push => Factor::Push,
            Asked::Phone => Factor::Phone,
        };
        self.metrics.ended(factor, verdict);
        tracing::debug!(
            user = &*push.user,
            application = &*push.application,
            device = &*push.device,
            factor = factor.as_str(),
            status = verdict.words().1,
            "authentication ended"
        );
    }
}

/// What a service is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) metrics: Metrics,
    pub(crate) rules: Rules,
    pub(crate) ca_pem: String,
    pub(crate) leaf: Arc<ServedLeaf>,
    pub(crate) public_url: String,
    pub(crate) shutdown: CancellationToken,
}
