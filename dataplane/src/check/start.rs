//! The check at the start (`test_connectivity_on_startup`): once, after the first revision is served and
//! beside its logins. Its rows go to the log, and their count to the status.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proto::check::{CheckResult, CheckRow, StartCheck};
use proto::config::Settings;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::joined::KeptJoin;
use crate::node::Node;

/// What a node knows of its start.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Whether its first revision asks for a check.
    asked: OnceLock<bool>,
    /// Told once that is known, to one who waits.
    serves: Notify,
    told: OnceLock<StartCheck>,
    /// Cancelled once the control plane is followed.
    followed: CancellationToken,
    /// Where it keeps what it joined a control plane of another machine with.
    joined_in: OnceLock<PathBuf>,
}

impl Start {
    /// A revision with these settings is served. Only the first counts.
    pub(crate) fn serves(&self, settings: &Settings) {
        if self
            .asked
            .set(settings.test_connectivity_on_startup)
            .is_ok()
        {
            self.serves.notify_one();
        }
    }

    /// The control plane is followed.
    pub(crate) fn follows(&self) {
        self.followed.cancel();
    }

    /// What was found; none before that.
    pub(crate) fn told(&self) -> Option<StartCheck> {
        self.told.get().cloned()
    }

    /// Says where the node's certificate lies, so that a check can look at it.
    pub(crate) fn joined_in(&self, folder: PathBuf) {
        drop(self.joined_in.set(folder));
    }

    /// The row of that certificate; none of a node that joined nobody.
    pub(crate) async fn certificate(&self) -> Option<CheckRow> {
        let folder = self.joined_in.get()?.clone();
        let kept = spawn_blocking(move || KeptJoin::load(&folder)).await;
        let kept = kept.ok()?.ok()??;
        Some(super::node_certificate(&kept.node, &kept.certificate))
    }
}

/// Waits for the first revision, and checks where it asks for that. Ends with `stop`.
pub(crate) async fn run(node: Arc<Node>, checks: Arc<Semaphore>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = check(&node, &checks) => {}
    }
}

async fn check(node: &Node, checks: &Semaphore) {
    node.start.serves.notified().await;
    if node.start.asked.get() != Some(&true) {
        return;
    }
    // What is served may have come from the process before, or from the disk: it is not cut off from a
    // control plane that it has not asked yet.
    let followed = timeout(SUBSCRIBES, node.start.followed.cancelled()).await;
    if followed.is_err() {
        tracing::debug!(limit = ?SUBSCRIBES, "the check at the start does not wait for the control plane");
    }
    // One at a time, whoever asked for the other.
    let Ok(_turn) = checks.acquire().await else {
        return;
    };
    let rows = node.check().await;
    rows.iter().for_each(log);
    let told = StartCheck::of(clock::unix_ms(), &rows);
    let (good, warnings, failed) = (told.good, told.warnings, told.failed);
    if warnings + failed == 0 {
        tracing::info!(good, "the check at the start found no fault");
    } else {
        tracing::warn!(
            good,
            warnings,
            failed,
            "the check at the start found faults"
        );
    }
    // There is one start.
    drop(node.start.told.set(told));
}

fn log(row: &CheckRow) {
    // What is not there is no field.
    let sections = (!row.sections.is_empty()).then(|| row.sections.join(", "));
    let from = row.from.map(|from| from.to_string());
    let milliseconds = (row.milliseconds > 0).then_some(row.milliseconds);
    let remedy = row.remedy.as_deref();
    if row.result == CheckResult::Good {
        tracing::info!(
            place = row.place,
            sections,
            from,
            milliseconds,
            "check: {}: {}",
            row.what,
            row.found
        );
    } else {
        tracing::warn!(
            place = row.place,
            sections,
            from,
            milliseconds,
            remedy,
            "check: {}: {}: {}",
            row.what,
            row.result,
            row.found
        );
    }
}

/// How long the check waits for the control plane to be followed.
const SUBSCRIBES: Duration = Duration::from_secs(10);
