//! The configuration as an `authproxy.cfg`: checked, imported, exported.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use proto::config::raw;
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::config::{based, message, precondition, tagged};
use super::line_rows::{self, Rows};
use super::masked::Fingerprints;
use super::openapi::Api;
use super::problem::{FieldError, Kind, Problem};
use super::resource::{Precondition, entity_tag};
use super::sent_file::{AsJson, Sent};
use super::{editor_door, masked};
use crate::access::role::Role;
use crate::admin::{Diagnostic, RevisionInfo, Severity};
use crate::app::App;
use crate::audit::Deed;
use crate::authproxy::export::{ExportError, Style, export};
use crate::authproxy::{self, BuiltinApplication, Imported, Lines};
use crate::clock::now_ms;
use crate::dictionary::Dictionary;
use crate::diff::Difference;
use crate::edit::{BUILTIN, Wanted};
use crate::file;
use crate::seal::Key;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/config", get(show).put(editor_door::write))
        .route("/config/validate", post(validate))
        .route("/config/import", post(import))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "config",
        "The configuration as an `authproxy.cfg`. A file is sent as `text/plain`, or with the files \
         that it names as JSON or as a form.",
        &[],
    );
    api.route(
        &Method::GET,
        "/config",
        "exportConfiguration",
        "Configuration: as a file",
    )
    .query::<AsFile>()
    .answers::<Shown>(StatusCode::OK, "The file, and those that it names.")
    .header("ETag")
    .problems(&[Kind::Conflict, Kind::Invalid]);
    let id = "writeConfiguration";
    let put = api.route(
        &Method::PUT,
        "/config",
        id,
        "Configuration: write the file that is the truth",
    );
    let put = put
        .about(
            "Only where a file is the truth; its text stays as it was typed. Secrets that `as_typed` \
             sealed are opened in their places.",
        )
        .query::<editor_door::How>()
        .file::<AsJson>()
        .answers::<editor_door::Saved>(StatusCode::OK, "What came of it.")
        .header("ETag")
        .problems(&[Kind::Conflict]);
    based(put);
    let (path, id) = ("/config/validate", "validateConfiguration");
    api.route(&Method::POST, path, id, "Configuration: look at a file")
        .query::<HowToLook>()
        .file::<AsJson>()
        .answers::<Found>(StatusCode::OK, "What was found in it.")
        .problems(&[Kind::Conflict]);
    let (path, id) = ("/config/import", "importConfiguration");
    let import = api.route(&Method::POST, path, id, "Configuration: take a file over");
    let import = import
        .query::<How>()
        .file::<AsJson>()
        .answers::<Outcome>(StatusCode::OK, "What came of it.")
        .problems(&[Kind::Conflict, Kind::FileIsTruth]);
    based(import);
}

/// What was found in a file.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Findings")]
pub(super) struct Found {
    /// Whether it would be served.
    good: bool,
    diagnostics: Vec<Diagnostic>,
    /// Where what it asks for is not what the replaced product did with it.
    differences_in_behaviour: Vec<String>,
    /// What each line became.
    report: Rows,
    /// Files that were sent and that nothing in it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unused_files: Vec<String>,
}

/// A configuration that a file asks for, and what its lines became of it.
pub(super) struct Good {
    pub(super) snapshot: raw::Snapshot,
    lines: Lines,
}

impl Found {
    /// What was found, and what the file asks for; none when it is bad.
    pub(super) fn of(
        report: authproxy::Report,
        unused_files: Vec<String>,
        prints: &Fingerprints,
    ) -> Result<(Self, Option<Good>), Problem> {
        let diagnostics = report.diagnostics.into_iter().map(file::shown).collect();
        let differences = report.differences.iter().map(ToString::to_string);
        let good = match &report.imported {
            None => None,
            Some(imported) => Some(Good {
                snapshot: asking(imported),
                lines: report.lines.clone(),
            }),
        };
        let rows = match &good {
            None => line_rows::refused(report.lines),
            Some(good) => {
                let document = masked::configuration(&good.snapshot, prints)?;
                line_rows::rows(report.lines, &document, None)
            }
        };
        let found = Self {
            good: good.is_some(),
            diagnostics,
            differences_in_behaviour: differences.collect(),
            report: rows,
            unused_files,
        };
        Ok((found, good))
    }
}

/// How a file is looked at.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HowToLook {
    /// As the text of the file that is the truth: the files that it names are read where they are.
    /// Wants the role `admin`.
    #[serde(default)]
    in_place: bool,
}

async fn validate(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<HowToLook>, QueryRejection>,
    request: Request,
) -> Result<Json<Found>, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let sent = Sent::read(request).await?;
    // Whoever may try guesses here does not see by their fingerprints whether one is what is in use.
    let once = Key::random().map_err(|error| Problem::internal(&error))?;
    let prints = Fingerprints::new(&once);
    if how.in_place {
        // Which files there are on this machine is for those who may write the one that names them.
        only_admin(
            &caller,
            "the files that it names are read for the role admin",
        )?;
        let found = editor_door::look_at(&app, sent, prints).await?;
        return Ok(Json(found));
    }
    let checked = sent.import(&app).await?;
    let (found, _) = Found::of(checked.report, checked.unused, &prints)?;
    Ok(Json(found))
}

fn only_admin(caller: &Caller, why: &'static str) -> Result<(), Problem> {
    match caller.role < Role::Admin {
        true => Err(Problem::new(Kind::Forbidden, why)),
        false => Ok(()),
    }
}

/// How a file is imported.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// Add to what there is; a name that is there already is a fault. Default: replace it.
    #[serde(default)]
    merge: bool,
    /// Only find out what would come of it; default false.
    #[serde(default)]
    dry_run: bool,
    /// Why, for the revision: at most 500 characters.
    #[serde(default)]
    message: Option<String>,
    /// As `If-Match`, for whoever can send no headers: the entity tag without its quotes.
    #[serde(default)]
    based_on: Option<String>,
}

/// What an import came to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Imported")]
struct Outcome {
    /// The new revision; none when nothing changes, or it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<RevisionInfo>,
    found: Found,
    /// The entity tag of what it was imported into: after a dry run, `If-Match` with it makes sure that
    /// what was shown is what is done.
    based_on: String,
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
    let message = message(how.message)?;
    let based = match how.based_on {
        Some(tag) => Precondition::Match(vec![format!("\"{tag}\"")]),
        None => precondition(request.headers())?,
    };
    let sent = Sent::read(request).await?;
    let checked = sent.import(&app).await?;
    let (mut found, good) = Found::of(checked.report, checked.unused, &app.fingerprints)?;
    let Some(Good { snapshot, lines }) = good else {
        return Err(refused(found));
    };
    let wanted = Wanted {
        author: caller.author(),
        origin: caller.origin(),
        message: match message.is_empty() {
            true => "authproxy.cfg imported".to_owned(),
            false => message,
        },
        dry_run: how.dry_run,
    };
    let asked = masked::configuration(&snapshot, &app.fingerprints)?;
    let (merge, prints) = (how.merge, Arc::clone(&app.fingerprints));
    let change = move |into: &mut raw::Snapshot| {
        if !holds(&based, &masked::configuration(into, &prints)?) {
            let detail = "the configuration was changed meanwhile; try the import again first";
            return Err(Problem::new(Kind::Changed, detail));
        }
        match merge {
            true => add(into, &snapshot),
            false => {
                *into = snapshot.clone();
                Ok(())
            }
        }
    };
    let edited = app.edit(Box::new(change), wanted).await?;
    let before = masked::configuration(&edited.before, &app.fingerprints)?;
    let into = line_rows::Into {
        before: &before,
        merge,
    };
    found.report = line_rows::rows(lines, &asked, Some(&into));
    Ok(Json(Outcome {
        revision: edited.revision,
        found,
        based_on: entity_tag(&before),
        differences: masked::changes(&edited.before, &edited.after, &app.fingerprints)?,
    }))
}

/// Whether a configuration is the one that an import was made for.
fn holds(based: &Precondition, is: &serde_json::Value) -> bool {
    match based {
        Precondition::None => true,
        Precondition::Match(tags) => {
            let is = entity_tag(is);
            tags.iter().any(|tag| *tag == is || tag == "*")
        }
        // There is always one, be it empty.
        Precondition::Absent => false,
    }
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
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExportedFile")]
struct Shown {
    /// The file itself.
    text: String,
    /// Those that it names.
    files: Vec<ShownFile>,
    /// Settings that a file cannot hold, and that their mode ignores.
    left_out: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NamedFile")]
struct ShownFile {
    /// As the text names it.
    name: String,
    /// Its text; a placeholder where it is a private key.
    content: String,
}

/// How secrets are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AsFile {
    /// `shown` (default): placeholders. `sealed`: values that only this installation opens.
    #[serde(default)]
    secrets: Secrets,
    /// The text of the file that is the truth as it was typed, comments too, in place of what is served
    /// written anew. Its secrets are sealed, and `PUT` opens them. Wants the role `admin`.
    #[serde(default)]
    as_typed: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Secrets {
    #[default]
    Shown,
    Sealed,
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    as_file: Result<Query<AsFile>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(as_file) =
        as_file.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    if as_file.as_typed {
        sealed_is_noted(&app, &caller).await?;
        let (tag, text) = editor_door::as_typed(&app).await?;
        let shown = Shown {
            text,
            files: Vec::new(),
            left_out: Vec::new(),
        };
        return Ok((tagged(&tag), Json(shown)).into_response());
    }
    if let Secrets::Sealed = as_file.secrets {
        sealed_is_noted(&app, &caller).await?;
    }
    let tag = match &app.settings.source {
        Some(source) => {
            let path = source.path().to_owned();
            editor_door::tag(path, Arc::clone(&app.fingerprints)).await
        }
        None => {
            let shown = masked::configuration(&app.newest(), &app.fingerprints)?;
            Some(entity_tag(&shown))
        }
    };
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
    let shown = Json(Shown {
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
    });
    Ok(match tag {
        Some(tag) => (tagged(&tag), shown).into_response(),
        None => shown.into_response(),
    })
}

/// Sealed values open on this installation alone, and yet whoever has them may try the key at leisure:
/// only who could change them gets them, and that is noted.
async fn sealed_is_noted(app: &App, caller: &Caller) -> Result<(), Problem> {
    only_admin(
        caller,
        "only the role admin gets sealed secrets; without secrets=sealed there are none",
    )?;
    let deed = Deed {
        at_ms: now_ms(),
        actor: caller.author(),
        source: caller.origin(),
        action: "configuration.export".to_owned(),
        target: "with sealed secrets".to_owned(),
        detail: "{}".to_owned(),
    };
    app.store.insert_audit(&deed).await.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the audit cannot be written, so nothing is exported"
        );
        Problem::new(
            Kind::Unavailable,
            "the audit cannot be written; the log has the cause",
        )
    })
}

/// Why a file is not taken: each error with its line.
pub(super) fn refused(found: Found) -> Problem {
    let errors = found
        .diagnostics
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
