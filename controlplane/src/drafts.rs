//! Drafts: several writes that are applied as one. A draft keeps what is to be done and not what came of
//! it, so that it is applied to whatever the configuration is by then; a write that was based on what
//! somebody read still is.

use std::collections::BTreeMap;
use std::fmt;

use proto::config::raw;
use proto::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use zeroize::Zeroizing;

use crate::api::caller::Caller;
use crate::api::masked::Fingerprints;
use crate::api::problem::{Kind, Problem};
use crate::api::resource::{Part, Precondition};
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::diff::{Difference, differences};
use crate::revisions::as_detail;
use crate::store::{AppliedDraft, DraftRow, DraftVersion, DraftWrite, Store, draft_target};

/// One write.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) part: Part,
    pub(crate) how: How,
    /// Secrets as they were written: it is stored sealed, and never shown.
    pub(crate) document: Value,
    /// On which version it is based. In a draft, on that after the writes before it.
    pub(crate) precondition: Precondition,
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("part", &self.part)
            .field("how", &self.how)
            .field("precondition", &self.precondition)
            .finish_non_exhaustive()
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        wipe(&mut self.document);
    }
}

/// Wipes every text of a document, as far as a value of its library can be.
fn wipe(document: &mut Value) {
    match document {
        Value::String(text) => drop(Secret::new(std::mem::take(text))),
        Value::Array(elements) => elements.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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
        prints: &Fingerprints,
    ) -> Result<(), Problem> {
        let document = || self.document.clone();
        let based = &self.precondition;
        match self.how {
            How::Create if self.part.read(snapshot).is_some() => Err(self.part.taken()),
            How::Create | How::Put => self
                .part
                .write(snapshot, document(), based, prints)
                .map(drop),
            How::Patch => self.part.patch(snapshot, document(), based, prints),
            How::Delete => self.part.remove(snapshot, based, prints),
        }
    }

    /// What it changes, secrets masked.
    pub(crate) fn changes(
        &self,
        before: &raw::Snapshot,
        after: &raw::Snapshot,
        prints: &Fingerprints,
    ) -> Vec<Difference> {
        let shown = |snapshot| self.part.show(snapshot, prints).map(|(shown, _)| shown);
        differences(
            &shown(before).unwrap_or_default(),
            &shown(after).unwrap_or_default(),
        )
    }
}

/// A draft.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) known: DraftRow,
    writes: Vec<Write>,
    /// How many writes each has, by who and from where.
    writers: BTreeMap<(String, String), u64>,
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
            let done = write.apply(snapshot, prints);
            done.map_err(|problem| problem.of_write(index.saturating_add(1)))?;
        }
        Ok(())
    }

    /// Which version of it this is.
    pub(crate) const fn version(&self) -> DraftVersion {
        DraftVersion {
            id: self.known.id,
            writes: self.known.writes,
        }
    }

    /// What a revision that is made of it takes with it.
    pub(crate) fn applied(&self) -> AppliedDraft {
        let by = |((author, origin), writes): (&(String, String), &u64)| json!({"author": author, "source": origin, "writes": writes});
        AppliedDraft {
            version: self.version(),
            writers: self.writers.iter().map(by).collect(),
        }
    }
}

/// The keeper of the drafts.
pub(crate) struct Drafts {
    store: Store,
    /// Held while one is written to: those who wait have not to try again, but for who writes at
    /// another control plane.
    writing: Mutex<()>,
}

impl Drafts {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            writing: Mutex::new(()),
        }
    }

    /// What is known of all, the oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<DraftRow>, Problem> {
        Ok(self.store.list_drafts().await?)
    }

    /// One of them.
    pub(crate) async fn find(&self, id: u64) -> Result<Draft, Problem> {
        let Some((known, kept)) = self.store.fetch_draft(id).await? else {
            let detail = format!("there is no draft {id}; it may be applied already");
            return Err(Problem::new(Kind::NotFound, detail));
        };
        let (mut writes, mut writers) = (Vec::new(), BTreeMap::new());
        for one in kept {
            let write = serde_json::from_slice(&one.json);
            writes.push(write.map_err(|error| Problem::internal(&error))?);
            let count: &mut u64 = writers.entry((one.author, one.origin)).or_default();
            *count = count.saturating_add(1);
        }
        Ok(Draft {
            known,
            writes,
            writers,
        })
    }

    /// Makes an empty one.
    pub(crate) async fn create(&self, by: &Caller, message: String) -> Result<DraftRow, Problem> {
        let deed = deed(by, "create", 0, json!({"message": message}).to_string());
        let (author, created_at_ms) = (deed.actor.clone(), deed.at_ms);
        Ok(DraftRow {
            id: self.store.insert_draft(&message, deed).await?,
            author,
            message,
            created_at_ms,
            writes: 0,
        })
    }

    /// Whether there is room for one more.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn room(&self) -> Result<(), Problem> {
        Ok(self.store.check_room_for_draft().await?)
    }

    /// Waits until nobody else writes to one at this control plane.
    pub(crate) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Adds a write to one that is as it was looked at.
    ///
    /// # Errors
    /// [`Kind::Changed`] when it is not.
    pub(crate) async fn add(
        &self,
        to: DraftVersion,
        write: &Write,
        changes: Vec<Difference>,
        by: &Caller,
    ) -> Result<(), Problem> {
        let (number, changes) = (to.writes.saturating_add(1), as_detail(changes));
        let detail = format!("{{\"write\":{number},\"changes\":{changes}}}");
        let deed = deed(by, "write", to.id, detail);
        let json = serde_json::to_vec(write).map(Zeroizing::new);
        let write = DraftWrite {
            author: deed.actor.clone(),
            origin: deed.source.clone(),
            at_ms: deed.at_ms,
            json: json.map_err(|error| Problem::internal(&error))?,
        };
        Ok(self.store.insert_draft_write(to, &write, &deed).await?)
    }

    /// Takes one away.
    pub(crate) async fn remove(&self, id: u64, by: &Caller) -> Result<(), Problem> {
        let deed = deed(by, "delete", id, "{}".to_owned());
        Ok(self.store.delete_draft(id, None, &deed).await?)
    }
}

fn deed(by: &Caller, what: &str, id: u64, detail: String) -> Deed {
    Deed {
        at_ms: now_ms(),
        actor: by.author(),
        source: by.origin(),
        action: format!("draft.{what}"),
        target: draft_target(id),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_what_is_written_is_in_what_a_program_says_of_it() {
        let write = Write {
            part: Part::Settings,
            how: How::Put,
            document: json!({"secret": "PLANTED"}),
            precondition: Precondition::None,
        };
        let draft = Draft {
            known: DraftRow {
                id: 1,
                author: "token ci".to_owned(),
                message: String::new(),
                created_at_ms: 0,
                writes: 1,
            },
            writes: vec![write],
            writers: BTreeMap::new(),
        };
        let said = format!("{draft:?} {draft:#?}");
        assert!(
            said.contains("Settings") && !said.contains("PLANTED"),
            "{said}"
        );
    }
}
