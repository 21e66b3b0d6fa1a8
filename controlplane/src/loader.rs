//! Reads the file, makes revisions of it, and reads it again when it changes or when asked.
//!
//! One task owns all of it, so that two readings never cross.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, sleep};
use tokio_util::sync::CancellationToken;

use crate::admin::{DIAGNOSTICS, Diagnostic, LastLoad, LoadResult, Reload, Severity};
use crate::api::problem::Problem;
use crate::builtin::{BuiltinError, applications};
use crate::clock::now_ms;
use crate::disk::FileRead;
use crate::edit::{self, Edit, Edited, Wanted};
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::revisions::{Check, PublishError, Published, RevisionDraft, Revisions};
use crate::settings::{Need, Settings};
use crate::source::{self, ConfigSource, LoadOutcome};
use crate::store::{AppliedDraft, StoreError};
use crate::watch::{Look, Watcher};

/// Someone who asked for the file to be read again.
pub(crate) type Request = oneshot::Sender<Reload>;

/// The owner of the configuration.
pub(crate) struct Loader {
    settings: Settings,
    revisions: Revisions,
    nodes: Arc<Nodes>,
    needs: Box<dyn FnMut(Need) + Send>,
    metrics: Metrics,
    last: watch::Sender<Option<LastLoad>>,
    watcher: Option<Watcher>,
    retry: Option<Instant>,
    logged: Vec<Diagnostic>,
}

impl Loader {
    pub(crate) fn new(
        settings: Settings,
        revisions: Revisions,
        nodes: Arc<Nodes>,
        needs: Box<dyn FnMut(Need) + Send>,
        metrics: Metrics,
    ) -> Self {
        Self {
            settings,
            revisions,
            nodes,
            needs,
            metrics,
            last: watch::Sender::new(None),
            watcher: None,
            retry: None,
            logged: Vec::new(),
        }
    }

    /// What the last reading gave.
    pub(crate) fn last(&self) -> watch::Receiver<Option<LastLoad>> {
        self.last.subscribe()
    }

    /// The first reading. Without a file the newest revision of the database is served.
    pub(crate) async fn start(&mut self) -> Reload {
        if self.settings.source.is_none() {
            self.revisions.serve_latest();
            self.say_needs();
        }
        let reload = self.load_unsaid("read at start").await;
        // What stops the start is said by the starter, who gets all of it.
        if reload.result != LoadResult::Refused {
            self.log(reload.result, &reload.diagnostics);
        }
        reload
    }

    /// Serves the last good revision of the database although the file is bad, and says so. False
    /// when there is none.
    pub(crate) async fn serve_last_good(&mut self) -> Result<bool, PublishError> {
        let node = self.settings.local_node.as_ref();
        self.revisions.serve_last_good(node).await?;
        let Some(revision) = self.revisions.served() else {
            return Ok(false);
        };
        self.say_needs();
        let last = self.last.borrow().clone();
        if let Some(LastLoad { reload, .. }) = last {
            self.log(reload.result, &reload.diagnostics);
        }
        tracing::error!(
            revision = revision.0,
            "the file is bad; the last good revision is served"
        );
        Ok(true)
    }

    /// Says what the revision needs that was stored by an earlier run.
    fn say_needs(&mut self) {
        if self.revisions.needs_second_factor() {
            (self.needs)(Need::SecondFactor);
        }
    }

    /// Watches and answers until told to stop. `news` says that others may have stored a revision.
    pub(crate) async fn run(
        mut self,
        mut asked: mpsc::Receiver<Request>,
        mut edits: mpsc::Receiver<Edit>,
        news: Arc<Notify>,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(self.settings.watch_every.max(SHORTEST));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                request = asked.recv() => {
                    let Some(request) = request else { return };
                    tokio::select! {
                        // One that has gone meanwhile needs no answer.
                        reload = self.load("read when asked to") => drop(request.send(reload)),
                        () = stop.cancelled() => return,
                    }
                }
                edit = edits.recv() => {
                    let Some(edit) = edit else { return };
                    // Not broken off at the end: who asked may have been told that it is done.
                    self.edit(edit).await;
                }
                () = news.notified() => {
                    tokio::select! {
                        () = self.take_in() => {}
                        () = stop.cancelled() => return,
                    }
                }
                _ = ticks.tick() => {
                    if self.due().await {
                        tokio::select! {
                            () = self.load_settled("the file changed") => {}
                            () = stop.cancelled() => return,
                        }
                    }
                }
            }
        }
    }

    /// Takes in what another control plane stored, and serves it where no file is the truth.
    async fn take_in(&mut self) {
        if let Err(error) = self.revisions.refresh().await {
            tracing::warn!(
                error = &error as &dyn Error,
                "not known whether another control plane stored a revision"
            );
            return;
        }
        if self.settings.source.is_some() {
            return;
        }
        let before = self.served();
        self.revisions.serve_latest();
        let revision = self.served();
        if revision != before {
            self.say_needs();
            let revision = revision.map(|revision| revision.0);
            tracing::info!(revision, "revision of another control plane served");
        }
    }

    /// Makes a change that somebody asked for, and tells what came of it.
    async fn edit(&mut self, edit: Edit) {
        let outcome = self
            .edited(edit.change, &edit.wanted, edit.draft.as_ref())
            .await;
        // One that has gone meanwhile needs no answer.
        drop(edit.answer.send(outcome));
    }

    async fn edited(
        &mut self,
        change: edit::SharedChange,
        wanted: &Wanted,
        draft: Option<&AppliedDraft>,
    ) -> Result<Edited, Problem> {
        if let Some(source) = &self.settings.source {
            return Err(edit::file_is_truth(source.path()));
        }
        if self.revisions.is_file_elsewhere().await? {
            return Err(StoreError::FileElsewhere.into());
        }
        // A change is made of the newest one, whoever stored it.
        self.take_in().await;
        let mut tries = 0..EDIT_TRIES;
        loop {
            if let Some(draft) = draft {
                self.revisions.check_draft(draft).await?;
            }
            match self.edit_newest(&change, wanted, draft).await {
                // Another control plane was faster: again, on what it made.
                Err(EditError::Publish(PublishError::Store(StoreError::Overtaken { .. })))
                    if tries.next().is_some() => {}
                Ok(edited) => return Ok(edited),
                Err(EditError::Problem(problem)) => return Err(problem),
                Err(EditError::Publish(error)) => return Err(error.into()),
            }
        }
    }

    async fn edit_newest(
        &mut self,
        change: &edit::SharedChange,
        wanted: &Wanted,
        draft: Option<&AppliedDraft>,
    ) -> Result<Edited, EditError> {
        let before = self.revisions.newest();
        let needs = &mut *self.needs;
        let mut after =
            edit::changed(&before, change, wanted.dry_run, &self.settings, needs).await?;
        after.revision = before.revision;
        let changed = after != *before;
        if let (false, false, Some(draft)) = (wanted.dry_run, changed, draft) {
            self.revisions.drop_draft(wanted, draft).await?;
        }
        if wanted.dry_run || !changed {
            return Ok(Edited {
                revision: None,
                changed,
                before,
                after: Arc::new(after),
            });
        }
        if self.revisions.publish(wanted.draft(after, draft)).await? == Published::New {
            self.metrics.revisions.inc();
        }
        let revision = self.revisions.newest_info();
        tracing::info!(
            revision = revision.as_ref().map(|one| one.number.0),
            author = wanted.author,
            "configuration changed"
        );
        Ok(Edited {
            revision,
            changed,
            before,
            after: self.revisions.newest(),
        })
    }

    /// Whether the files are to be read now.
    async fn due(&mut self) -> bool {
        let again = self.retry.is_some_and(|retry| retry <= Instant::now());
        let Some(watcher) = &self.watcher else {
            return again;
        };
        let read = watcher.read().clone();
        let Ok(look) = spawn_blocking(move || read.again()).await else {
            return again;
        };
        let changed = self
            .watcher
            .as_mut()
            .is_some_and(|watcher| watcher.step(look, Instant::now()));
        again || changed
    }

    async fn load(&mut self, why: &str) -> Reload {
        let reload = self.load_unsaid(why).await;
        self.log(reload.result, &reload.diagnostics);
        reload
    }

    /// Does nothing while somebody writes: the next tick comes.
    async fn load_settled(&mut self, why: &str) {
        let Some(source) = self.settings.source.clone() else {
            return;
        };
        let patience = self.settings.watch_every;
        let reading = self.read(&source, patience, Asked::No).await;
        if !matches!(reading, Reading::BeingWritten) {
            let reload = self.make(&source, reading, why).await;
            self.log(reload.result, &reload.diagnostics);
        }
    }

    async fn load_unsaid(&mut self, why: &str) -> Reload {
        let Some(source) = self.settings.source.clone() else {
            return Reload {
                result: LoadResult::Unchanged,
                revision: self.served(),
                diagnostics: Vec::new(),
            };
        };
        let reading = self.read(&source, PATIENCE, Asked::Yes).await;
        self.make(&source, reading, why).await
    }

    /// Makes of a reading what can be made, and notes what came of it.
    async fn make(
        &mut self,
        source: &Arc<dyn ConfigSource>,
        reading: Reading,
        why: &str,
    ) -> Reload {
        let (result, mut diagnostics) = self.publish_read(source, reading, why).await;
        diagnostics.truncate(DIAGNOSTICS);
        self.retry = (result == LoadResult::Unavailable).then(|| Instant::now() + AGAIN);
        self.metrics.reloaded(result);
        if result == LoadResult::Applied {
            self.metrics.revisions.inc();
        }
        let reload = Reload {
            result,
            revision: self.served(),
            diagnostics,
        };
        self.last.send_replace(Some(LastLoad {
            at_ms: now_ms(),
            reload: reload.clone(),
        }));
        reload
    }

    /// Reads until nobody writes, for as long as the patience lasts.
    async fn read(
        &mut self,
        source: &Arc<dyn ConfigSource>,
        patience: Duration,
        asked: Asked,
    ) -> Reading {
        let give_up = Instant::now() + patience;
        loop {
            let reader = Arc::clone(source);
            let reading = spawn_blocking(move || {
                let began_ms = now_ms();
                (reader.load(), began_ms)
            });
            let Ok((outcome, began_ms)) = reading.await else {
                return Reading::Failed;
            };
            let pause = self.unsettled(source.path(), &outcome.files, asked);
            if pause.is_zero() {
                let look = Look::of_read(&outcome.files, began_ms);
                return Reading::Done(outcome, look);
            }
            if Instant::now() + pause > give_up {
                return Reading::BeingWritten;
            }
            sleep(pause).await;
        }
    }

    /// How long the files must be left alone before what was read of them counts.
    fn unsettled(&self, main: &Path, files: &[FileRead], asked: Asked) -> Duration {
        if files.iter().any(|file| file.changing) {
            return CHANGING;
        }
        // The beginning of a file may be a good configuration, and a weaker one.
        let open = |file: &&FileRead| file.path == main && !file.ended;
        let Some(file) = files.iter().find(open) else {
            return Duration::ZERO;
        };
        let watched = self.watcher.as_ref();
        let seen = watched.map_or(Duration::ZERO, |one| one.quiet(file, Instant::now()));
        let quiet = match asked {
            Asked::No => seen,
            // Nobody may have looked at it before.
            Asked::Yes => seen.max(file.stamp.age(now_ms())),
        };
        QUIET.saturating_sub(quiet)
    }

    async fn publish_read(
        &mut self,
        source: &Arc<dyn ConfigSource>,
        reading: Reading,
        why: &str,
    ) -> (LoadResult, Vec<Diagnostic>) {
        let path = source.path().to_owned();
        let (outcome, look) = match reading {
            Reading::Done(outcome, look) => (outcome, look),
            Reading::BeingWritten => {
                let fault = Diagnostic::error(path, "the file is still being written");
                return (LoadResult::Unavailable, vec![fault]);
            }
            Reading::Failed => {
                match &mut self.watcher {
                    Some(watcher) => watcher.give_up(),
                    None => {
                        let look = Look::at([path.as_path()]);
                        self.watcher = Some(Watcher::new(look, Instant::now()));
                    }
                }
                let fault = Diagnostic::error(path, "reading the file failed by a fault of ours");
                return (LoadResult::Refused, vec![fault]);
            }
        };
        self.watcher = Some(Watcher::new(look, Instant::now()));
        let LoadOutcome {
            mut diagnostics,
            draft,
            ..
        } = outcome;
        let Some(draft) = draft else {
            return (LoadResult::Refused, diagnostics);
        };
        match self.publish(draft, &path, why).await {
            Ok(Published::New) => (LoadResult::Applied, diagnostics),
            Ok(Published::Same) => {
                // What stopped a node, such as a taken port, may be gone meanwhile.
                let served = self.served();
                if served.is_some_and(|revision| self.nodes.refused_by_one(revision)) {
                    self.revisions.serve_again();
                }
                (LoadResult::Unchanged, diagnostics)
            }
            Err(fault) => {
                let (result, faults) = fault.explained(&path);
                diagnostics.extend(faults);
                (result, diagnostics)
            }
        }
    }

    async fn publish(
        &mut self,
        draft: source::FileDraft,
        path: &Path,
        why: &str,
    ) -> Result<Published, Fault> {
        if !draft.builtin.is_empty() {
            (self.needs)(Need::SecondFactor);
        }
        let applications = applications(
            self.settings.second_factor.as_deref(),
            &draft.builtin,
            self.settings.second_factor_deadline,
        )
        .await?;
        let author = format!("file {}", path.display());
        let draft = RevisionDraft {
            check: Check::Wanted,
            snapshot: (draft.finish)(&applications),
            text: Some(&draft.text),
            author: &author,
            message: why,
            origin: "",
            of: None,
        };
        let before = self.revisions.newest_info();
        let published = self.revisions.publish(draft).await?;
        if let (Published::New, Some(before)) = (published, before)
            && !before.author.starts_with("file ")
        {
            tracing::warn!(
                revision = before.number.0,
                author = before.author,
                "the file took the place of a revision that was not made of one"
            );
        }
        Ok(published)
    }

    fn served(&self) -> Option<proto::id::Revision> {
        self.revisions.served()
    }

    /// Says what came of it; the same faults again are not said again.
    fn log(&mut self, result: LoadResult, diagnostics: &[Diagnostic]) {
        let revision = self.served().map(|revision| revision.0);
        match result {
            LoadResult::Applied => tracing::info!(revision, "configuration applied"),
            LoadResult::Unchanged => tracing::debug!(revision, "configuration unchanged"),
            LoadResult::Refused | LoadResult::Unavailable if self.logged != diagnostics => {
                tracing::error!(
                    revision,
                    result = result.as_str(),
                    "configuration not applied, the revision before it is served on"
                );
            }
            LoadResult::Refused | LoadResult::Unavailable => {}
        }
        if self.logged != diagnostics {
            for diagnostic in diagnostics {
                match diagnostic.severity {
                    Severity::Error => tracing::error!(%diagnostic, "configuration"),
                    Severity::Warning => tracing::warn!(%diagnostic, "configuration"),
                }
            }
            self.logged = diagnostics.to_vec();
        }
    }
}

/// What came of reading the files.
enum Reading {
    Done(LoadOutcome, Look),
    /// Somebody writes them.
    BeingWritten,
    /// The reader broke off.
    Failed,
}

/// Whether somebody waits for the answer.
#[derive(Clone, Copy)]
enum Asked {
    Yes,
    No,
}

/// Why a good file did not become a revision.
enum Fault {
    Builtin(BuiltinError),
    Publish(PublishError),
}

impl From<BuiltinError> for Fault {
    fn from(error: BuiltinError) -> Self {
        Self::Builtin(error)
    }
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

impl Fault {
    fn explained(self, path: &Path) -> (LoadResult, Vec<Diagnostic>) {
        let one = |error: &dyn Error| vec![Diagnostic::error(path, chain(error))];
        match self {
            Self::Builtin(error @ BuiltinError::Unavailable { .. }) => {
                (LoadResult::Unavailable, one(&error))
            }
            Self::Builtin(error) => (LoadResult::Refused, one(&error)),
            Self::Publish(PublishError::Faults(faults)) => {
                let faults = faults.0.into_iter();
                let faults = faults.map(|fault| Diagnostic::error(path, fault.to_string()));
                (LoadResult::Refused, faults.collect())
            }
            Self::Publish(error @ PublishError::Store(_)) => (LoadResult::Unavailable, one(&error)),
            Self::Publish(error) => (LoadResult::Refused, one(&error)),
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Why a change was not made.
enum EditError {
    /// It is wrong, or cannot be made now.
    Problem(Problem),
    /// What it makes may not be served, or cannot be stored.
    Publish(PublishError),
}

impl From<Problem> for EditError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<PublishError> for EditError {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

/// How often a change is made again that another control plane was faster than.
const EDIT_TRIES: usize = 5;
/// How long after an unavailable reading the next one is.
const AGAIN: Duration = Duration::from_secs(1);
/// How long who asked waits for a file that is being written.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a file that changed while it was read is left alone.
const CHANGING: Duration = Duration::from_millis(50);
/// How long a file whose last line has no end must be unchanged.
const QUIET: Duration = Duration::from_millis(600);
/// An interval of zero is none.
const SHORTEST: Duration = Duration::from_millis(10);
