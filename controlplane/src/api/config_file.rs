//! The configuration as an `authproxy.cfg`: checked, imported, exported; and in file mode the door of
//! a text editor, which writes the file itself.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt as _, Limited};
use proto::config::raw;
use proto::secret::Secret;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::problem::{FieldError, Kind, Problem};
use super::{BODY_OCTETS, masked};
use crate::admin::{Diagnostic, RevisionInfo, Severity};
use crate::app::App;
use crate::authproxy::export::{ExportError, Style, export};
use crate::authproxy::{self, BuiltinApplication, FileContent, Files, Imported, Source};
use crate::clock::now_ms;
use crate::dictionary::Dictionary;
use crate::diff::Difference;
use crate::edit::{BUILTIN, Wanted};
use crate::file;
use crate::protected::reveal;
use crate::seal::Key;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/config", get(show).put(write))
        .route("/config/validate", post(validate))
        .route("/config/import", post(import))
}

/// A file as it was sent: its text, and the files that it names.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    text: Secret<String>,
    /// By the names that the text has for them.
    #[serde(default)]
    files: BTreeMap<PathBuf, Secret<String>>,
}

impl Sent {
    /// Reads `text/plain`, which is the text alone, or `application/json`.
    async fn read(request: Request) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let json = kind.starts_with("application/json");
        if !json && !kind.starts_with("text/plain") {
            let detail = "send the file as text/plain, or as application/json with text and files";
            return Err(Problem::new(Kind::BadRequest, detail));
        }
        let body = Limited::new(request.into_body(), BODY_OCTETS)
            .collect()
            .await;
        let octets: Bytes = body
            .map_err(|_| {
                let detail = format!("the body breaks off, or has more than {BODY_OCTETS} octets");
                Problem::new(Kind::TooLarge, detail)
            })?
            .to_bytes();
        if json {
            return serde_json::from_slice(&octets)
                .map_err(|error| Problem::new(Kind::BadRequest, error.to_string()));
        }
        let text = String::from_utf8(octets.to_vec()).map_err(|_| {
            Problem::new(
                Kind::BadRequest,
                "the text is not valid UTF-8; save it as UTF-8",
            )
        })?;
        Ok(Self {
            text: Secret::new(text),
            files: BTreeMap::new(),
        })
    }

    /// Reads and checks it. Parses, so it runs off the runtime.
    async fn import(self, key: Key) -> Result<authproxy::Report, Problem> {
        let checked = tokio::task::spawn_blocking(move || {
            let unseal = |text: &str| reveal(&key, text);
            let source = Source {
                path: Path::new("authproxy.cfg"),
                octets: self.text.expose().as_bytes(),
                mode: None,
                now_ms: now_ms(),
                files: &self,
                unseal: &unseal,
            };
            authproxy::import(&source, &Dictionary::builtin())
        });
        checked.await.map_err(|error| Problem::internal(&error))
    }
}

impl Files for Sent {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        // A path that the text has as `/etc/x.pem` may be sent as it stands, or by its last name.
        let found = self
            .files
            .get(path)
            .or_else(|| self.files.get(Path::new(path.file_name()?)));
        match found {
            Some(content) => Ok(FileContent {
                octets: content.expose().as_bytes().to_vec(),
                mode: None,
            }),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "it was not sent; add it to files",
            )),
        }
    }
}

/// What was found in a file.
#[derive(Debug, Serialize)]
struct Found {
    /// Whether it would be served.
    good: bool,
    diagnostics: Vec<Diagnostic>,
    /// Where what it asks for is not what the replaced product did with it.
    differences_in_behaviour: Vec<String>,
}

impl Found {
    fn of(report: &authproxy::Report) -> Self {
        Self {
            good: report.imported.is_some(),
            diagnostics: report
                .diagnostics
                .iter()
                .cloned()
                .map(file::shown)
                .collect(),
            differences_in_behaviour: report.differences.iter().map(ToString::to_string).collect(),
        }
    }
}

async fn validate(State(app): State<Arc<App>>, request: Request) -> Result<Json<Found>, Problem> {
    let sent = Sent::read(request).await?;
    let report = sent.import(app.key.clone()).await?;
    Ok(Json(Found::of(&report)))
}

/// How a file is imported.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    /// Add to what there is; a name that is there already is a fault. Default: replace it.
    #[serde(default)]
    merge: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    message: Option<String>,
}

/// What an import came to.
#[derive(Debug, Serialize)]
struct Outcome {
    /// The new revision; none when nothing changes, or it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<RevisionInfo>,
    found: Found,
    /// What it changes, secrets masked.
    differences: Vec<Difference>,
}

async fn import(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<How>, QueryRejection>,
    request: Request,
) -> Result<Json<Outcome>, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let sent = Sent::read(request).await?;
    let report = sent.import(app.key.clone()).await?;
    let found = Found::of(&report);
    let Some(imported) = report.imported else {
        return Err(refused(found.diagnostics));
    };
    let wanted = Wanted {
        author: caller.author(),
        origin: caller.origin(),
        message: how
            .message
            .unwrap_or_else(|| "authproxy.cfg imported".to_owned()),
        dry_run: how.dry_run,
    };
    let snapshot = asking(&imported);
    let merge = how.merge;
    let change = move |into: &mut raw::Snapshot| match merge {
        true => add(into, &snapshot),
        false => {
            *into = snapshot.clone();
            Ok(())
        }
    };
    let edited = app.edit(Box::new(change), wanted).await?;
    Ok(Json(Outcome {
        revision: edited.revision,
        found,
        differences: masked::changes(&edited.before, &edited.after, &app.fingerprints)?,
    }))
}

/// The configuration, asking for the applications that the built-in second factor makes.
fn asking(imported: &Imported) -> raw::Snapshot {
    imported.resolve(1, |wanted: &BuiltinApplication| raw::Application {
        ikey: wanted.ikey.clone().unwrap_or_default(),
        skey: wanted.skey.clone().unwrap_or_default(),
        host: BUILTIN.to_owned(),
        port: 443,
        pinned_ca: None,
    })
}

/// Adds what a file has. Its settings are left aside: there is one of them.
fn add(into: &mut raw::Snapshot, from: &raw::Snapshot) -> Result<(), Problem> {
    let mut taken = Vec::new();
    for (kind, id, there) in from
        .authenticators
        .iter()
        .map(|one| {
            (
                "authenticators",
                &one.id,
                into.authenticators.iter().any(|it| it.id == one.id),
            )
        })
        .chain(from.integrations.iter().map(|one| {
            (
                "integrations",
                &one.id,
                into.integrations.iter().any(|it| it.id == one.id),
            )
        }))
    {
        if there {
            taken.push(FieldError {
                path: format!("{kind}[{id}]"),
                message: "it is there already; rename the section, or import without merge"
                    .to_owned(),
            });
        }
    }
    if !taken.is_empty() {
        return Err(Problem::invalid(taken));
    }
    into.authenticators
        .extend(from.authenticators.iter().cloned());
    into.integrations.extend(from.integrations.iter().cloned());
    Ok(())
}

/// The configuration as a file.
#[derive(Debug, Serialize)]
struct Shown {
    text: String,
    files: Vec<ShownFile>,
    /// Settings that a file cannot hold, and that their mode ignores.
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownFile {
    name: String,
    content: String,
}

/// How secrets are written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AsFile {
    /// `shown` (default): placeholders. `sealed`: values that only this installation opens.
    #[serde(default)]
    secrets: Secrets,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Secrets {
    #[default]
    Shown,
    Sealed,
}

async fn show(
    State(app): State<Arc<App>>,
    as_file: Result<Query<AsFile>, QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let Query(as_file) =
        as_file.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let (snapshot, key) = (app.newest(), app.key.clone());
    let made = tokio::task::spawn_blocking(move || {
        let style = match as_file.secrets {
            Secrets::Shown => Style::Shown,
            Secrets::Sealed => Style::Sealed(&key),
        };
        let mut made = export(&snapshot, &Dictionary::builtin(), style)?;
        // A private key has no sealed form in a file, and is never an answer.
        for file in &mut made.files {
            if file.content.expose().contains("PRIVATE KEY") {
                file.content = Secret::from(authproxy::export::PLACEHOLDER);
            }
        }
        Ok(made)
    });
    let made: Result<_, ExportError> = made.await.map_err(|error| Problem::internal(&error))?;
    let made = made.map_err(|error| match error {
        ExportError::NotCarried(faults) => Problem::from(faults),
        error => Problem::internal(&error),
    })?;
    Ok(Json(Shown {
        text: made.text.expose().clone(),
        files: made
            .files
            .iter()
            .map(|file| ShownFile {
                name: file.name.clone(),
                content: file.content.expose().clone(),
            })
            .collect(),
        left_out: made.left_out,
    }))
}

/// What writing the file came to.
#[derive(Debug, Serialize)]
struct Saved {
    /// The file.
    path: PathBuf,
    found: Found,
    /// What reading it again gave; none when it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    reload: Option<crate::admin::Reload>,
}

/// Writes the file that is the truth, whole or not at all; its text stays as it was typed.
async fn write(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<How>, QueryRejection>,
    request: Request,
) -> Result<Json<Saved>, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let Some(source) = &app.settings.source else {
        let detail = "no file is the truth here; POST it to /api/v1/config/import";
        return Err(Problem::new(Kind::Conflict, detail));
    };
    let path = source.path().to_owned();
    let Sent { text, files } = Sent::read(request).await?;
    if !files.is_empty() {
        let detail = "the files that it names are on the disk; send the text alone";
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    let (key, main) = (app.key.clone(), path.clone());
    let saved = tokio::task::spawn_blocking(move || {
        let report = file::check(&main, text.expose().as_bytes(), Some(&key));
        let found = Found::of(&report);
        if !found.good {
            return Err(refused(found.diagnostics));
        }
        if !how.dry_run {
            file::replace(&main, text.expose().as_bytes()).map_err(|error| {
                let detail = format!("{} cannot be written: {error}", main.display());
                Problem::new(Kind::Conflict, detail)
            })?;
        }
        Ok(found)
    });
    let found = saved.await.map_err(|error| Problem::internal(&error))??;
    let reload = match how.dry_run {
        true => None,
        false => {
            tracing::info!(path = %path.display(), author = caller.author(), "configuration file written");
            app.reload().await
        }
    };
    Ok(Json(Saved {
        path,
        found,
        reload,
    }))
}

/// Why a file is not taken: each error with its line.
fn refused(diagnostics: Vec<Diagnostic>) -> Problem {
    let errors = diagnostics
        .into_iter()
        .filter(|one| one.severity == Severity::Error);
    Problem::invalid(
        errors
            .map(|one| FieldError {
                path: [one.section.as_deref(), one.option.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("."),
                message: one.to_string(),
            })
            .collect(),
    )
}
