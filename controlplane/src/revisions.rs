//! The revision that is served: made, stored, then shown to everybody who watches.

use std::sync::Arc;

use bytes::Bytes;
use proto::config::{Faults, Snapshot, raw};
use proto::id::{NodeId, Revision};
use proto::rpc::{MESSAGE_OCTETS, ToNode};
use proto::secret::Secret;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::admin::RevisionInfo;
use crate::api::masked::{self, Fingerprints, Since};
use crate::audit::{DETAIL_OCTETS, Deed};
use crate::clock::now_ms;
use crate::diff::Difference;
use crate::edit::Wanted;
use crate::store::{
    AppliedDraft, DraftVersion, NewRevision, Store, StoreError, StoredRevision, draft_target,
};
use crate::stream;

/// Those who watch the served revision.
pub(crate) type Watch = watch::Receiver<Option<Arc<Current>>>;

/// A revision as it is served.
pub(crate) struct Current {
    pub(crate) info: RevisionInfo,
    /// The line that every subscriber gets: written once, shared by all.
    pub(crate) line: Bytes,
    pub(crate) snapshot: Arc<raw::Snapshot>,
    /// Since when its secrets are what they are.
    pub(crate) since: Arc<Since>,
}

impl Current {
    fn new(stored: StoredRevision) -> Result<Self, PublishError> {
        let message = ToNode::Snapshot {
            snapshot: Box::new(stored.snapshot),
        };
        let line = stream::line(&message).map_err(|source| {
            PublishError::Store(StoreError::Unreadable {
                what: "revision",
                source,
            })
        })?;
        let snapshot = match message {
            ToNode::Snapshot { snapshot } => *snapshot,
            ToNode::StateKeys { .. }
            | ToNode::PrimaryOnly { .. }
            | ToNode::Drain { .. }
            | ToNode::Command { .. }
            | ToNode::Heartbeat
            | ToNode::Cancel { .. }
            | ToNode::Unknown => raw::Snapshot::default(),
        };
        Ok(Self {
            info: stored.info,
            line,
            snapshot: Arc::new(snapshot),
            since: Arc::new(stored.since),
        })
    }

    /// What it configures.
    pub(crate) fn snapshot(&self) -> &raw::Snapshot {
        &self.snapshot
    }

    /// Whether it configures the same, whatever its number.
    fn configures(&self, other: &raw::Snapshot) -> bool {
        self.snapshot.settings == other.settings
            && self.snapshot.authenticators == other.authenticators
            && self.snapshot.integrations == other.integrations
    }
}

/// The only maker of revisions. It has one owner, so that two are never made at once; other control
/// planes on the same database are told of, see [`Revisions::refresh`].
pub(crate) struct Revisions {
    store: Store,
    fingerprints: Arc<Fingerprints>,
    /// The newest one, served or not yet.
    latest: Option<Arc<Current>>,
    served: watch::Sender<Option<Arc<Current>>>,
}

/// Whether a configuration was found to be one that may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// By who made it: a large one takes its time.
    Done,
    /// Not yet.
    Wanted,
}

/// What a revision is made of.
pub(crate) struct RevisionDraft<'a> {
    pub(crate) snapshot: raw::Snapshot,
    pub(crate) check: Check,
    pub(crate) text: Option<&'a Secret<String>>,
    pub(crate) author: &'a str,
    pub(crate) message: &'a str,
    /// From which address; empty for this machine.
    pub(crate) origin: &'a str,
    /// The draft of several writes that it was; it goes with the revision.
    pub(crate) of: Option<&'a AppliedDraft>,
}

/// What came of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// A new revision.
    New,
    /// It is the one that was stored last.
    Same,
}

impl Revisions {
    /// Reads the newest revision; it is not served yet.
    pub(crate) async fn open(store: Store) -> Result<Self, PublishError> {
        let latest = match store.fetch_latest_revision().await? {
            Some(stored) => Some(Arc::new(Current::new(stored)?)),
            None => None,
        };
        Ok(Self {
            fingerprints: Arc::new(store.fingerprints()),
            store,
            latest,
            served: watch::Sender::new(None),
        })
    }

    pub(crate) fn watch(&self) -> Watch {
        self.served.subscribe()
    }

    /// What a configuration changes, as the audit has it; secrets masked.
    /// The same, and since when the secrets of a configuration are what they are, if it comes now.
    async fn changes(
        &self,
        after: &Arc<raw::Snapshot>,
        now_ms: u64,
    ) -> Result<(String, Since), PublishError> {
        let (before, after) = (self.newest(), Arc::clone(after));
        let prints = Arc::clone(&self.fingerprints);
        let known = self.latest.as_ref().map(|latest| Arc::clone(&latest.since));
        let found = spawn_blocking(move || {
            let found = masked::changes(&before, &after, &prints);
            let shown = |snapshot| masked::configuration(snapshot, &prints);
            let since = match (shown(&before), shown(&after)) {
                (Ok(before), Ok(after)) => {
                    masked::since(&after, &before, &known.unwrap_or_default(), now_ms)
                }
                _ => Since::new(),
            };
            (found.map(as_detail).unwrap_or_default(), since)
        });
        found.await.map_err(|_| PublishError::BrokenOff)
    }

    /// The number of the revision that is served.
    pub(crate) fn served(&self) -> Option<Revision> {
        let served = self.served.borrow();
        served.as_ref().map(|current| current.info.number)
    }

    /// Whether the revision that is served has an application of the built-in second factor: only
    /// those bring their own certificate authority.
    pub(crate) fn needs_second_factor(&self) -> bool {
        self.served.borrow().as_ref().is_some_and(|current| {
            let mut integrations = current.snapshot.integrations.iter();
            integrations.any(|one| one.application.pinned_ca.is_some())
        })
    }

    /// The newest configuration; an empty one when there is none yet.
    pub(crate) fn newest(&self) -> Arc<raw::Snapshot> {
        match &self.latest {
            Some(latest) => Arc::clone(&latest.snapshot),
            None => Arc::default(),
        }
    }

    /// What is known of the newest revision.
    pub(crate) fn newest_info(&self) -> Option<RevisionInfo> {
        self.latest.as_ref().map(|latest| latest.info.clone())
    }

    /// Serves the newest revision, if there is one. Nobody is woken when it is served already.
    pub(crate) fn serve_latest(&self) {
        self.serve(self.latest.clone());
    }

    /// Serves the newest revision that a node applied, of any node when none is given; the newest
    /// of all when none was ever applied.
    pub(crate) async fn serve_last_good(&self, node: Option<&NodeId>) -> Result<(), PublishError> {
        let good = match self.store.fetch_applied_revision(node).await? {
            Some(stored) => Some(Arc::new(Current::new(stored)?)),
            None => self.latest.clone(),
        };
        self.serve(good);
        Ok(())
    }

    /// Wakes everybody who watches although nothing changed.
    pub(crate) fn serve_again(&self) {
        self.served.send_modify(|_| ());
    }

    fn serve(&self, revision: Option<Arc<Current>>) {
        self.served.send_if_modified(|served| {
            let number = |one: &Option<Arc<Current>>| one.as_ref().map(|one| one.info.number);
            let news = number(served) != number(&revision);
            *served = revision;
            news
        });
    }

    /// Checks what was not, stores and serves a draft. One that configures the same as the newest revision
    /// makes no new one.
    pub(crate) async fn publish(
        &mut self,
        draft: RevisionDraft<'_>,
    ) -> Result<Published, PublishError> {
        if self.serve_same(&draft.snapshot) {
            return Ok(Published::Same);
        }
        let mut snapshot = draft.snapshot;
        // The number is given when it is stored; until then any good one will do.
        snapshot.revision = 1;
        let check = draft.check;
        let snapshot = Arc::new(snapshot);
        let whole = Arc::clone(&snapshot);
        let checked = spawn_blocking(move || {
            if check == Check::Wanted {
                Snapshot::try_from((*whole).clone())?;
            }
            Ok::<_, Faults>(serde_json::to_vec(&*whole).map_or(0, |json| json.len()))
        });
        let octets = checked.await.map_err(|_| PublishError::BrokenOff)??;
        if octets > LONGEST {
            return Err(PublishError::TooLong { octets });
        }
        let mut tries = 0..TRIES;
        loop {
            let now = now_ms();
            let (detail, since) = self.changes(&snapshot, now).await?;
            let stored = self
                .store
                .insert_revision(NewRevision {
                    after: self.latest_number(),
                    created_at_ms: now,
                    since,
                    author: draft.author,
                    message: draft.message,
                    source: draft.text,
                    snapshot: (*snapshot).clone(),
                    origin: draft.origin,
                    detail,
                    draft: draft.of,
                })
                .await;
            match stored {
                Ok(stored) => {
                    self.latest = Some(Arc::new(Current::new(stored)?));
                    self.serve_latest();
                    return Ok(Published::New);
                }
                // A file is the truth, whatever others have stored meanwhile. What was made of the
                // revision before would undo theirs.
                Err(StoreError::Overtaken { .. })
                    if draft.text.is_some() && tries.next().is_some() =>
                {
                    self.refresh().await?;
                    if self.serve_same(&snapshot) {
                        return Ok(Published::Same);
                    }
                }
                Err(error) => {
                    if matches!(error, StoreError::Overtaken { .. }) {
                        self.refresh().await?;
                    }
                    return Err(error.into());
                }
            }
        }
    }

    /// Whether a file is the truth at another control plane.
    pub(crate) async fn is_file_elsewhere(&self) -> Result<bool, StoreError> {
        self.store.is_file_elsewhere().await
    }

    /// Looks whether a draft is as it was looked at: one that was applied meanwhile is not done again.
    pub(crate) async fn check_draft(&self, draft: &AppliedDraft) -> Result<(), StoreError> {
        self.store.check_draft(draft.version).await
    }

    /// Takes away a draft that was applied and changes nothing.
    pub(crate) async fn drop_draft(
        &self,
        by: &Wanted,
        draft: &AppliedDraft,
    ) -> Result<(), PublishError> {
        let deed = Deed {
            at_ms: now_ms(),
            actor: by.author.clone(),
            source: by.origin.clone(),
            action: "draft.apply".to_owned(),
            target: draft_target(draft.version.id),
            detail: serde_json::json!({"revision": null, "writers": draft.writers}).to_string(),
        };
        let DraftVersion { id, writes } = draft.version;
        Ok(self.store.delete_draft(id, Some(writes), &deed).await?)
    }

    /// Serves the newest revision if it configures the same; false when it does not.
    fn serve_same(&self, snapshot: &raw::Snapshot) -> bool {
        let latest = self.latest.as_ref();
        let same = latest.is_some_and(|latest| latest.configures(snapshot));
        if same {
            self.serve_latest();
        }
        same
    }

    /// Takes in what another control plane stored; it is not served yet.
    pub(crate) async fn refresh(&mut self) -> Result<(), PublishError> {
        if self.store.fetch_latest_number().await? > self.latest_number()
            && let Some(stored) = self.store.fetch_latest_revision().await?
        {
            self.latest = Some(Arc::new(Current::new(stored)?));
        }
        Ok(())
    }

    /// Zero when there is none.
    fn latest_number(&self) -> u64 {
        let latest = self.latest.as_ref();
        latest.map_or(0, |latest| latest.info.number.0)
    }
}

/// What differs, as the audit has it: if that is too long, where.
pub(crate) fn as_detail(found: Vec<Difference>) -> String {
    match serde_json::to_string(&found) {
        Ok(json) if json.len() <= DETAIL_OCTETS => json,
        _ => {
            let changes = found.len();
            let paths = found.into_iter().take(PATHS).map(|one| one.path);
            let first: Vec<String> = paths.collect();
            serde_json::json!({"too_long": true, "changes": changes, "first": first}).to_string()
        }
    }
}

/// Why a draft did not become a revision.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It may not be served.
    #[error("the configuration has faults")]
    Faults(#[from] Faults),
    /// No node would read it.
    #[error("the configuration has {octets} octets, at most {LONGEST} can be sent to a node")]
    TooLong {
        /// Its length as JSON.
        octets: usize,
    },
    /// Looking at it broke off, which is a fault of ours.
    #[error("looking at the configuration broke off")]
    BrokenOff,
    /// It cannot be stored or read back.
    #[error("the revision cannot be stored or read")]
    Store(#[from] StoreError),
}

/// Of a change that is too long for the audit, how many places are named.
const PATHS: usize = 100;
/// What is left of a message for the snapshot itself.
const LONGEST: usize = MESSAGE_OCTETS - 4_096;
/// How often a file's revision is tried again while others store theirs.
const TRIES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Key;

    /// Two control planes on one database.
    struct Pair {
        ours: Revisions,
        others: Revisions,
        _folder: tempfile::TempDir,
    }

    async fn pair() -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controlplane.db");
        let open = async || {
            let store = Store::open(&path, Key::new([1; 32])).await.unwrap();
            Revisions::open(store).await.unwrap()
        };
        Pair {
            ours: open().await,
            others: open().await,
            _folder: folder,
        }
    }

    fn draft(number: u32, text: Option<&Secret<String>>) -> RevisionDraft<'_> {
        RevisionDraft {
            origin: "",
            check: Check::Wanted,
            of: None,
            snapshot: raw::Snapshot {
                settings: raw::Settings {
                    http_ca_certs: Some(format!("{number}")),
                    ..raw::Settings::default()
                },
                ..raw::Snapshot::default()
            },
            text,
            author: "tester",
            message: "why",
        }
    }

    fn served(revisions: &Revisions) -> Option<u64> {
        revisions.served().map(|revision| revision.0)
    }

    #[tokio::test]
    async fn a_file_is_published_over_what_others_stored_meanwhile() {
        let mut pair = pair().await;
        let text = Secret::from("file");
        for number in 1..=3 {
            let theirs = pair.others.publish(draft(number * 10, Some(&text))).await;
            assert_eq!(theirs.unwrap(), Published::New);
            let ours = pair.ours.publish(draft(number, Some(&text))).await;
            assert_eq!(ours.unwrap(), Published::New);
        }
        assert_eq!(
            (served(&pair.ours), served(&pair.others)),
            (Some(6), Some(5))
        );
    }

    #[tokio::test]
    async fn a_file_that_another_published_makes_no_revision_of_its_own() {
        let mut pair = pair().await;
        let text = Secret::from("file");
        pair.others.publish(draft(1, Some(&text))).await.unwrap();
        let ours = pair.ours.publish(draft(1, Some(&text))).await;
        assert_eq!(ours.unwrap(), Published::Same);
        assert_eq!(
            (served(&pair.ours), served(&pair.others)),
            (Some(1), Some(1))
        );
    }

    #[tokio::test]
    async fn what_was_made_without_knowing_anothers_revision_is_refused_once() {
        let mut pair = pair().await;
        pair.others.publish(draft(1, None)).await.unwrap();
        let ours = pair.ours.publish(draft(2, None)).await;
        assert!(
            matches!(
                ours,
                Err(PublishError::Store(StoreError::Overtaken { newest: 1 }))
            ),
            "{ours:?}"
        );
        assert_eq!(served(&pair.ours), None, "nobody decided to serve it");
        let again = pair.ours.publish(draft(2, None)).await;
        assert_eq!(again.unwrap(), Published::New);
        assert_eq!(served(&pair.ours), Some(2));
    }

    #[tokio::test]
    async fn what_others_stored_is_taken_in_and_served_when_told() {
        let mut pair = pair().await;
        pair.others.publish(draft(1, None)).await.unwrap();
        pair.ours.serve_latest();
        assert_eq!(served(&pair.ours), None, "it is not known yet");
        pair.ours.refresh().await.unwrap();
        assert_eq!(served(&pair.ours), None);
        pair.ours.serve_latest();
        assert_eq!(served(&pair.ours), Some(1));
    }
}
