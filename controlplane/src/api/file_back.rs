//! Going back to a revision where a file is the truth: the text that it was made of is written into the
//! file, which is then read again.

use std::path::PathBuf;
use std::sync::Arc;

use proto::config::raw;
use proto::secret::Secret;
use serde_json::json;

use super::based_on;
use super::editor_door::{as_served, not_written};
use super::masked;
use super::problem::{FieldError, Kind, Problem};
use super::resource::Precondition;
use super::revisions::RolledBack;
use crate::admin::{Diagnostic, Severity};
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::diff::Difference;
use crate::edit::{Wanted, aside};
use crate::file;
use crate::seal::Key;
use crate::store::StoredRevision;

/// A file, and the revision that is gone back to.
pub(super) struct FileBack {
    pub(super) path: PathBuf,
    pub(super) old: StoredRevision,
    pub(super) based: Precondition,
}

impl FileBack {
    /// Writes its text, whole or not at all.
    pub(super) async fn write(self, app: &App, wanted: Wanted) -> Result<RolledBack, Problem> {
        let number = self.old.info.number;
        let Some(text) = app.store.fetch_revision_text(number).await? else {
            let detail = format!(
                "revision {} was not made of a file, so that there is no text to write back",
                number.0
            );
            return Err(Problem::new(Kind::Conflict, detail));
        };
        let path = self.path.clone();
        // Until it is read again: two that write at once would not see each other.
        let alone = app.file_writes.lock().await;
        let (before, key) = (app.newest(), app.key.clone());
        let (now, prints) = (Arc::clone(&before), Arc::clone(&app.fingerprints));
        let dry_run = wanted.dry_run;
        let (based_on, shown) = aside(move || {
            based_on::hold(&self.based, &now, None, &prints)?;
            let after = self.checked(&text, &key)?;
            if !dry_run {
                let written = file::replace(&self.path, text.expose().as_bytes(), |_| true);
                written.map_err(|error| not_written(&self.path, &error))?;
            }
            let based_on = based_on::tag(&now, None, &prints)?;
            Ok((based_on, masked::changes(&now, &after, &prints)?))
        })
        .await?;
        if dry_run {
            return Ok(RolledBack {
                revision: None,
                based_on,
                differences: shown,
                reload: None,
            });
        }
        tracing::info!(
            path = %path.display(),
            author = wanted.author,
            revision = number.0,
            "text of an earlier revision written back"
        );
        let reload = app.reload().await;
        drop(alone);
        let (after, prints) = (app.newest(), Arc::clone(&app.fingerprints));
        let is = Arc::clone(&after);
        let was = Arc::clone(&before);
        let differences = aside(move || masked::changes(&was, &is, &prints)).await?;
        let deed = Deed {
            at_ms: now_ms(),
            actor: wanted.author,
            source: wanted.origin,
            action: "configuration.file".to_owned(),
            target: path.display().to_string(),
            detail: detail(number.0, &wanted.message, &differences),
        };
        app.store.insert_audit(&deed).await?;
        Ok(RolledBack {
            revision: app
                .status()
                .revision
                .filter(|_| after.revision != before.revision),
            based_on,
            differences,
            reload,
        })
    }

    /// What the text says now: the files that it names may have changed.
    fn checked(&self, text: &Secret<String>, key: &Key) -> Result<raw::Snapshot, Problem> {
        let report = file::check(&self.path, text.expose().as_bytes(), Some(key));
        let Some(imported) = report.imported else {
            let found = report.diagnostics.into_iter().map(file::shown);
            let errors = found.filter(|one: &Diagnostic| one.severity == Severity::Error);
            let errors = errors.map(|one| FieldError {
                path: one.section.clone().unwrap_or_default(),
                message: one.to_string(),
            });
            return Err(Problem::invalid(errors.collect()));
        };
        Ok(as_served(&imported, &self.old.snapshot))
    }
}

fn detail(number: u64, message: &str, found: &[Difference]) -> String {
    let changes = found.len();
    json!({"back_to": number, "message": message, "changes": changes}).to_string()
}
