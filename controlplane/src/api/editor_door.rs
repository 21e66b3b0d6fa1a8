//! The door of a text editor, where a file is the truth: it writes the file itself, whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::{Extension, Json};
use http::header;
use proto::config::raw;
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::caller::Caller;
use super::config::{precondition, tagged};
use super::config_file::{Found, refused};
use super::masked::{self, Fingerprints};
use super::problem::{Kind, Problem};
use super::resource::Precondition;
use super::sent_file::{Sent, turn};
use super::typed_text;
use crate::app::App;
use crate::audit::Deed;
use crate::authproxy::{BuiltinApplication, Imported};
use crate::clock::now_ms;
use crate::diff::Difference;
use crate::file::{self, ReplaceError};
use crate::revisions::as_detail;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Only find out what would come of it; default false.
    #[serde(default)]
    dry_run: bool,
}

/// What writing the file came to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SavedFile")]
pub(super) struct Saved {
    /// The file.
    path: PathBuf,
    found: Found,
    /// What it changes, secrets masked.
    differences: Vec<Difference>,
    /// What reading it again gave; none when it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    reload: Option<crate::admin::Reload>,
}

type Answer = ([(header::HeaderName, String); 1], Json<Saved>);

/// Writes the file that is the truth; its text stays as it was typed.
pub(super) async fn write(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<How>, QueryRejection>,
    request: Request,
) -> Result<Answer, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let path = truth(&app)?;
    let based = precondition(request.headers())?;
    let Sent { text, files, .. } = Sent::read(request).await?;
    alone(&files)?;
    // Until it is read again: two that write at once would not see each other.
    let turn = app.file_writes.lock().await;
    let before = app.newest();
    let (key, prints) = (app.key.clone(), Arc::clone(&app.fingerprints));
    let (main, then) = (path.clone(), Arc::clone(&before));
    let saved = tokio::task::spawn_blocking(move || {
        let text = typed_text::open(text.expose(), &key);
        let report = file::check(&main, text.expose().as_bytes(), Some(&key));
        let after = report.imported.as_ref().map(|one| as_served(one, &then));
        let (found, good) = Found::of(report, Vec::new(), &prints)?;
        if good.is_none() {
            return Err(refused(found));
        }
        let as_wanted = |octets: &[u8]| match &based {
            Precondition::None => true,
            Precondition::Match(tags) => {
                let is = tag_of(octets, &prints);
                tags.iter().any(|tag| *tag == is || tag == "*")
            }
            // There is always one.
            Precondition::Absent => false,
        };
        let done = match how.dry_run {
            true => file::look(&main, as_wanted),
            false => file::replace(&main, text.expose().as_bytes(), as_wanted),
        };
        done.map_err(|error| not_written(&main, &error))?;
        let differences = match after {
            Some(after) => masked::changes(&then, &after, &prints)?,
            None => Vec::new(),
        };
        let tag = tag_of(text.expose().as_bytes(), &prints);
        Ok((found, tag, differences))
    });
    let (found, tag, tried) = saved.await.map_err(|error| Problem::internal(&error))??;
    let reload = match how.dry_run {
        true => None,
        false => {
            tracing::info!(path = %path.display(), author = caller.author(), "configuration file written");
            app.reload().await
        }
    };
    let mut differences = tried;
    if !how.dry_run {
        let changes = masked::changes(&before, &app.newest(), &app.fingerprints)?;
        differences.clone_from(&changes);
        let deed = Deed {
            at_ms: now_ms(),
            actor: caller.author(),
            source: caller.origin(),
            action: "configuration.file".to_owned(),
            target: path.display().to_string(),
            detail: as_detail(changes),
        };
        // It is written: who did it must not be lost because the database is away for a moment.
        app.store.insert_audit(&deed).await.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                deed = json!({"actor": deed.actor, "source": deed.source, "action": deed.action})
                    .to_string(),
                "the file is written, and the audit could not be"
            );
            Problem::new(
                Kind::Unavailable,
                "the file is written, and the audit could not be; the log has who wrote it",
            )
        })?;
    }
    drop(turn);
    Ok((
        tagged(&tag),
        Json(Saved {
            path,
            found,
            differences,
            reload,
        }),
    ))
}

/// What a text would come to as that of the file that is the truth.
pub(super) async fn look_at(app: &App, sent: Sent, prints: Fingerprints) -> Result<Found, Problem> {
    let path = truth(app)?;
    alone(&sent.files)?;
    let (key, turn) = (app.key.clone(), turn(app).await?);
    let found = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let text = typed_text::open(sent.text.expose(), &key);
        let report = file::check(&path, text.expose().as_bytes(), Some(&key));
        Ok(Found::of(report, Vec::new(), &prints)?.0)
    });
    found.await.map_err(|error| Problem::internal(&error))?
}

/// The entity tag and the text of the file as it is on the disk, its secrets sealed.
pub(super) async fn as_typed(app: &App) -> Result<(String, String), Problem> {
    let path = truth(app)?;
    let (key, prints) = (app.key.clone(), Arc::clone(&app.fingerprints));
    let read = tokio::task::spawn_blocking(move || {
        let refused = |why: String| {
            let detail = format!("{} {why}", path.display());
            Problem::new(Kind::Conflict, detail)
        };
        let octets =
            file::read(&path).map_err(|error| refused(format!("cannot be read: {error}")))?;
        let text = std::str::from_utf8(&octets)
            .map_err(|_| refused("is not UTF-8; save it as UTF-8".to_owned()))?;
        let sealed = typed_text::seal(text, &key).map_err(|error| Problem::internal(&error))?;
        Ok((tag_of(&octets, &prints), sealed))
    });
    read.await.map_err(|error| Problem::internal(&error))?
}

/// The file that is the truth.
fn truth(app: &App) -> Result<PathBuf, Problem> {
    match &app.settings.source {
        Some(source) => Ok(source.path().to_owned()),
        None => {
            let detail = "no file is the truth here; POST it to /api/v1/config/import";
            Err(Problem::new(Kind::Conflict, detail))
        }
    }
}

fn alone<N, C>(files: &BTreeMap<N, C>) -> Result<(), Problem> {
    match files.is_empty() {
        true => Ok(()),
        false => {
            let detail = "the files that it names are on the disk; send the text alone";
            Err(Problem::new(Kind::BadRequest, detail))
        }
    }
}

/// What a file asks for, with the applications that its integrations have now.
pub(super) fn as_served(imported: &Imported, now: &raw::Snapshot) -> raw::Snapshot {
    imported.resolve(1, |wanted: &BuiltinApplication| {
        let same = now
            .integrations
            .iter()
            .find(|one| one.id == wanted.integration);
        same.map_or_else(
            || raw::Application {
                ikey: String::new(),
                skey: Secret::default(),
                host: String::new(),
                port: 0,
                pinned_ca: None,
            },
            |one| one.application.clone(),
        )
    })
}

/// The entity tag of the file as it is on the disk; none when it cannot be read.
pub(super) async fn tag(path: PathBuf, prints: Arc<Fingerprints>) -> Option<String> {
    let read = tokio::task::spawn_blocking(move || {
        let octets = file::read(&path).ok()?;
        Some(tag_of(&octets, &prints))
    });
    read.await.ok()?
}

/// Keyed: nobody can try guesses at the secrets in a file by its tag.
fn tag_of(octets: &[u8], prints: &Fingerprints) -> String {
    format!("\"{}\"", prints.of(&String::from_utf8_lossy(octets)))
}

pub(super) fn not_written(path: &Path, error: &ReplaceError) -> Problem {
    let path = path.display();
    match error {
        ReplaceError::Changed => {
            let detail = format!("{path} was changed meanwhile; read it again, and change that");
            Problem::new(Kind::Changed, detail)
        }
        ReplaceError::Failed(error) => {
            Problem::new(Kind::Conflict, format!("{path} cannot be written: {error}"))
        }
    }
}
