//! Drafts: several writes that are applied as one. A draft keeps what is to be done and not what came of
//! it, so that it is applied to whatever the configuration is by then.

use proto::config::raw;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::api::masked::Fingerprints;
use crate::api::problem::{Kind, Problem};
use crate::api::resource::{Part, Precondition};
use crate::clock::now_ms;
use crate::store::{Store, StoreError};

/// One write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) part: Part,
    pub(crate) how: How,
    /// Secrets as they were written: it is stored sealed, and never shown.
    pub(crate) document: Value,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    Create,
    Put,
    Patch,
    Delete,
}

impl Write {
    /// Does it.
    ///
    /// # Errors
    /// It is wrong, or what it is based on is not so.
    pub(crate) fn apply(
        &self,
        snapshot: &mut raw::Snapshot,
        precondition: &Precondition,
        prints: &Fingerprints,
    ) -> Result<(), Problem> {
        let document = || self.document.clone();
        match self.how {
            How::Create if self.part.read(snapshot).is_some() => Err(self.part.taken()),
            How::Create => {
                let absent = Precondition::Absent;
                self.part
                    .write(snapshot, document(), &absent, prints)
                    .map(drop)
            }
            How::Put => self
                .part
                .write(snapshot, document(), precondition, prints)
                .map(drop),
            How::Patch => self.part.patch(snapshot, document(), precondition, prints),
            How::Delete => self.part.remove(snapshot, precondition, prints),
        }
    }
}

/// A draft, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Draft {
    /// Its number, from 1.
    pub(crate) id: u64,
    /// Who made it.
    pub(crate) author: String,
    /// What it is for.
    pub(crate) message: String,
    /// Milliseconds since 1970, UTC.
    pub(crate) created_at_ms: u64,
    pub(crate) writes: Vec<Write>,
}

impl Draft {
    /// Does all of it.
    ///
    /// # Errors
    /// Those of the first write that cannot be done, with its number.
    pub(crate) fn apply(
        &self,
        snapshot: &mut raw::Snapshot,
        prints: &Fingerprints,
    ) -> Result<(), Problem> {
        for (index, write) in self.writes.iter().enumerate() {
            let done = write.apply(snapshot, &Precondition::None, prints);
            done.map_err(|problem| problem.of_write(index.saturating_add(1)))?;
        }
        Ok(())
    }
}

/// All drafts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Stored {
    last: u64,
    drafts: Vec<Draft>,
}

/// The keeper of the drafts.
pub(crate) struct Drafts {
    store: Store,
    /// Held while they are changed, so that no change is lost.
    changing: Mutex<()>,
}

impl Drafts {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            changing: Mutex::new(()),
        }
    }

    /// All of them, the oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<Draft>, Problem> {
        Ok(self.read().await?.drafts)
    }

    /// One of them.
    pub(crate) async fn find(&self, id: u64) -> Result<Draft, Problem> {
        let found = self
            .read()
            .await?
            .drafts
            .into_iter()
            .find(|one| one.id == id);
        found.ok_or_else(|| missing(id))
    }

    /// Makes an empty one.
    pub(crate) async fn create(&self, author: String, message: String) -> Result<Draft, Problem> {
        let _changing = self.changing.lock().await;
        let mut stored = self.read().await?;
        if stored.drafts.len() >= MAX_DRAFTS {
            let detail = format!("there are {MAX_DRAFTS} drafts already; apply or delete one");
            return Err(Problem::new(Kind::Conflict, detail));
        }
        stored.last = stored.last.saturating_add(1);
        let draft = Draft {
            id: stored.last,
            author,
            message,
            created_at_ms: now_ms(),
            writes: Vec::new(),
        };
        stored.drafts.push(draft.clone());
        self.write(&stored).await?;
        Ok(draft)
    }

    /// Adds a write to one.
    pub(crate) async fn add(&self, id: u64, write: Write) -> Result<(), Problem> {
        let _changing = self.changing.lock().await;
        let mut stored = self.read().await?;
        let draft = stored.drafts.iter_mut().find(|one| one.id == id);
        let draft = draft.ok_or_else(|| missing(id))?;
        if draft.writes.len() >= MAX_WRITES {
            let detail = format!("a draft has at most {MAX_WRITES} writes; apply this one");
            return Err(Problem::new(Kind::Conflict, detail));
        }
        draft.writes.push(write);
        self.write(&stored).await
    }

    /// Takes one away.
    pub(crate) async fn remove(&self, id: u64) -> Result<(), Problem> {
        let _changing = self.changing.lock().await;
        let mut stored = self.read().await?;
        let before = stored.drafts.len();
        stored.drafts.retain(|one| one.id != id);
        if stored.drafts.len() == before {
            return Err(missing(id));
        }
        self.write(&stored).await
    }

    async fn read(&self) -> Result<Stored, Problem> {
        let document = self.store.fetch_document(DOCUMENT).await;
        match document.map_err(|error| unavailable(&error))? {
            Some(json) => serde_json::from_slice(&json).map_err(|error| Problem::internal(&error)),
            None => Ok(Stored::default()),
        }
    }

    async fn write(&self, stored: &Stored) -> Result<(), Problem> {
        let json = serde_json::to_vec(stored).map(Zeroizing::new);
        let json = json.map_err(|error| Problem::internal(&error))?;
        if json.len() > MAX_OCTETS {
            let detail = "the drafts keep too much; apply or delete one";
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        let written = self.store.put_document(DOCUMENT, Some(&json)).await;
        written.map_err(|error| unavailable(&error))
    }
}

fn missing(id: u64) -> Problem {
    Problem::new(
        Kind::NotFound,
        format!("there is no draft {id}; it may be applied already"),
    )
}

fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "drafts cannot be read or written"
    );
    Problem::new(
        Kind::Unavailable,
        "the database does not answer; the log has the cause",
    )
}

const DOCUMENT: &str = "drafts";
const MAX_DRAFTS: usize = 64;
const MAX_WRITES: usize = 10_000;
/// What all of them keep.
const MAX_OCTETS: usize = 32 * 1024 * 1024;
