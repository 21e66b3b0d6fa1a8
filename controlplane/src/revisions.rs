//! The revision that is served: made, stored, then shown to everybody who watches.

use std::sync::Arc;

use bytes::Bytes;
use proto::config::{Faults, Snapshot, raw};
use proto::id::{NodeId, Revision};
use proto::rpc::{MESSAGE_OCTETS, ToNode};
use proto::secret::Secret;
use tokio::sync::watch;

use crate::admin::RevisionInfo;
use crate::clock::now_ms;
use crate::store::{NewRevision, Store, StoreError, StoredRevision};
use crate::stream;

/// Those who watch the served revision.
pub(crate) type Watch = watch::Receiver<Option<Arc<Current>>>;

/// A revision as it is served.
pub(crate) struct Current {
    pub(crate) info: RevisionInfo,
    /// The line that every subscriber gets: written once, shared by all.
    pub(crate) line: Bytes,
    snapshot: raw::Snapshot,
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
            ToNode::StateKeys { .. } | ToNode::Heartbeat => raw::Snapshot::default(),
        };
        Ok(Self {
            info: stored.info,
            line,
            snapshot,
        })
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
    /// The newest one, served or not yet.
    latest: Option<Arc<Current>>,
    served: watch::Sender<Option<Arc<Current>>>,
}

/// What a revision is made of.
pub(crate) struct Draft<'a> {
    pub(crate) snapshot: raw::Snapshot,
    pub(crate) text: Option<&'a Secret<String>>,
    pub(crate) author: &'a str,
    pub(crate) message: &'a str,
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
            store,
            latest,
            served: watch::Sender::new(None),
        })
    }

    pub(crate) fn watch(&self) -> Watch {
        self.served.subscribe()
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

    /// Checks, stores and serves a draft. One that configures the same as the newest revision
    /// makes no new one.
    pub(crate) async fn publish(&mut self, draft: Draft<'_>) -> Result<Published, PublishError> {
        if self.serve_same(&draft.snapshot) {
            return Ok(Published::Same);
        }
        let mut snapshot = draft.snapshot;
        // The number is given when it is stored; until then any good one will do.
        snapshot.revision = 1;
        Snapshot::try_from(snapshot.clone())?;
        let octets = serde_json::to_vec(&snapshot).map_or(0, |json| json.len());
        if octets > LONGEST {
            return Err(PublishError::TooLong { octets });
        }
        let mut tries = 0..TRIES;
        loop {
            let stored = self
                .store
                .insert_revision(NewRevision {
                    after: self.latest_number(),
                    created_at_ms: now_ms(),
                    author: draft.author,
                    message: draft.message,
                    source: draft.text,
                    snapshot: snapshot.clone(),
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

    /// Serves the newest revision if it configures the same; false when it does not.
    fn serve_same(&self, snapshot: &raw::Snapshot) -> bool {
        let latest = self.latest.as_ref();
        let same = latest.is_some_and(|latest| latest.configures(snapshot));
        if same {
            self.serve_latest();
        }
        same
    }

    /// Takes in what another control plane stored; it is not served yet. False when there is
    /// nothing new.
    pub(crate) async fn refresh(&mut self) -> Result<bool, PublishError> {
        if self.store.fetch_latest_number().await? <= self.latest_number() {
            return Ok(false);
        }
        let Some(stored) = self.store.fetch_latest_revision().await? else {
            return Ok(false);
        };
        self.latest = Some(Arc::new(Current::new(stored)?));
        Ok(true)
    }

    /// Zero when there is none.
    fn latest_number(&self) -> u64 {
        let latest = self.latest.as_ref();
        latest.map_or(0, |latest| latest.info.number.0)
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
    /// It cannot be stored or read back.
    #[error("the revision cannot be stored or read")]
    Store(#[from] StoreError),
}

/// What is left of a message for the snapshot itself.
const LONGEST: usize = MESSAGE_OCTETS - 4_096;
/// How often a file's revision is tried again while others store theirs.
const TRIES: u32 = 5;
