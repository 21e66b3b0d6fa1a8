//! The resources that a configuration consists of: integrations with their clients, authenticators,
//! settings. Each write makes a revision, or with `dry_run` tells what it would make.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use proto::config::raw;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::caller::Caller;
use super::config_lists::{
    AUTHENTICATORS, AuthenticatorFilter, CLIENTS, ClientFilter, INTEGRATIONS, IntegrationFilter,
    authenticators, clients, integrations,
};
use super::extract::Named;
use super::openapi::{Api, Route};
use super::page::Orders;
use super::problem::{FieldError, Kind, Problem};
use super::resource::{Part, Precondition};
use super::tokens::refused;
use crate::app::App;
use crate::drafts::{How, Write};
use crate::edit::{Edited, Wanted, aside, file_is_truth};

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/settings",
            get(settings).put(put_settings).patch(patch_settings),
        )
        .route("/integrations", get(integrations).post(create_integration))
        .route(
            "/integrations/{id}",
            get(integration)
                .put(put_integration)
                .patch(patch_integration)
                .delete(delete_integration),
        )
        .route(
            "/integrations/{id}/clients",
            get(clients).post(create_client),
        )
        .route(
            "/integrations/{id}/clients/{address}",
            get(client)
                .put(put_client)
                .patch(patch_client)
                .delete(delete_client),
        )
        .route(
            "/authenticators",
            get(authenticators).post(create_authenticator),
        )
        .route(
            "/authenticators/{id}",
            get(authenticator)
                .put(put_authenticator)
                .patch(patch_authenticator)
                .delete(delete_authenticator),
        )
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "settings",
        "What holds for all integrations. They are always there.",
        &[],
    );
    documents::<raw::Settings>(api, "/settings", "Settings");
    api.group(
        "integrations",
        "What is served: each is what a `[radius_server_*]` section of an `authproxy.cfg` is.",
        &[
            ("id", "The integration's id."),
            ("address", "The client's address, as it is written."),
        ],
    );
    let (all, one) = ("/integrations", "/integrations/{id}");
    list::<raw::Integration, IntegrationFilter>(api, all, "Integration", INTEGRATIONS);
    documents::<raw::Integration>(api, one, "Integration");
    let (all, one) = (
        "/integrations/{id}/clients",
        "/integrations/{id}/clients/{address}",
    );
    list::<raw::Client, ClientFilter>(api, all, "Client", CLIENTS);
    documents::<raw::Client>(api, one, "Client");
    api.group(
        "authenticators",
        "Where passwords are checked: what an `[ad_client]`, a `[radius_client]` or a \
         `[duo_only_client]` is.",
        &[("id", "The authenticator's id.")],
    );
    let (all, one) = ("/authenticators", "/authenticators/{id}");
    list::<raw::Authenticator, AuthenticatorFilter>(api, all, "Authenticator", AUTHENTICATORS);
    documents::<raw::Authenticator>(api, one, "Authenticator");
}

fn list<T: JsonSchema, F: JsonSchema>(
    api: &mut Api,
    path: &'static str,
    name: &str,
    orders: Orders<Value>,
) {
    let (id, summary) = (
        format!("list{name}s"),
        format!("{name}s, their secrets masked"),
    );
    api.route(&Method::GET, path, id, summary)
        .lists::<F, T>(orders);
    let (id, summary) = (format!("create{name}"), format!("{name}: make one"));
    let made = api.route(&Method::POST, path, id, summary);
    let made = made.body::<T>().answers::<T>(
        StatusCode::CREATED,
        "It is made. The document, its secrets masked.",
    );
    let made = made.answers::<T>(StatusCode::OK, "It was only tried (`dry_run`).");
    write_document(made).header("ETag");
}

fn documents<T: JsonSchema>(api: &mut Api, path: &'static str, name: &str) {
    let shown = "The document, its secrets masked.";
    let (id, summary) = (format!("get{name}"), format!("{name}: read"));
    api.route(&Method::GET, path, id, summary)
        .answers::<T>(StatusCode::OK, shown)
        .header("ETag");
    let (id, summary) = (format!("put{name}"), format!("{name}: write whole"));
    let put = api.route(&Method::PUT, path, id, summary).body::<T>();
    let put = put.about(
        "Whatever the document leaves out gets its default, but secrets: these stay as they are.",
    );
    let put = match name {
        // They are always there.
        "Settings" => put,
        _ => put.answers::<T>(StatusCode::CREATED, "There was none; it is made."),
    };
    let put = put.answers::<T>(StatusCode::OK, shown);
    based(write_document(put)).header("ETag");
    let (id, summary) = (
        format!("patch{name}"),
        format!("{name}: change some fields"),
    );
    let patched = api.route(&Method::PATCH, path, id, summary).patch::<T>();
    let patched = patched.answers::<T>(StatusCode::OK, shown);
    based(write_document(patched)).header("ETag");
    if name == "Settings" {
        return;
    }
    let (id, summary) = (format!("delete{name}"), format!("{name}: take out"));
    let deleted = api.route(&Method::DELETE, path, id, summary);
    based(write_document(deleted.answers_nothing("It is gone.")));
}

/// What writes have in common.
fn write_document(route: Route<'_>) -> Route<'_> {
    route
        .query::<HowToWrite>()
        .header("Countersign-Revision")
        .header("Countersign-Dry-Run")
        .problems(&[
            // The draft, too.
            Kind::NotFound,
            Kind::Conflict,
            Kind::FileIsTruth,
            Kind::Invalid,
        ])
}

/// What depends on the version that is there.
pub(super) fn based(route: Route<'_>) -> Route<'_> {
    route
        .asks(
            "If-Match",
            "Only if it is still this version: the `ETag` of what was read, or `*` for any.",
        )
        .asks("If-None-Match", "`*`: only if there is none yet.")
        .problems(&[Kind::Changed])
}

/// What a write may be told beside its document.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HowToWrite {
    /// Only find out what would come of it; default false.
    #[serde(default)]
    dry_run: bool,
    /// Why, for the revision: at most 500 characters.
    #[serde(default)]
    message: Option<String>,
    /// The draft that it goes into, in place of a revision of its own.
    #[serde(default)]
    draft: Option<u64>,
}

type Written = Result<Query<HowToWrite>, QueryRejection>;
pub(super) type Document = Result<Json<Value>, JsonRejection>;

async fn settings(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    read(&app, &Part::Settings)
}

async fn put_settings(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Written,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    put(&app, Part::Settings, &caller, how, &headers, document).await
}

async fn patch_settings(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Written,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    patch(&app, Part::Settings, &caller, how, &headers, document).await
}

/// Routes of a resource that one segment of the path names.
macro_rules! named {
    ($part:expr, $get:ident, $put:ident, $patch:ident, $delete:ident, $name:ty) => {
        async fn $get(
            State(app): State<Arc<App>>,
            Named(name): Named<$name>,
        ) -> Result<Response, Problem> {
            read(&app, &$part(name))
        }

        async fn $put(
            State(app): State<Arc<App>>,
            Named(name): Named<$name>,
            Extension(caller): Extension<Caller>,
            how: Written,
            headers: HeaderMap,
            document: Document,
        ) -> Result<Response, Problem> {
            put(&app, $part(name), &caller, how, &headers, document).await
        }

        async fn $patch(
            State(app): State<Arc<App>>,
            Named(name): Named<$name>,
            Extension(caller): Extension<Caller>,
            how: Written,
            headers: HeaderMap,
            document: Document,
        ) -> Result<Response, Problem> {
            patch(&app, $part(name), &caller, how, &headers, document).await
        }

        async fn $delete(
            State(app): State<Arc<App>>,
            Named(name): Named<$name>,
            Extension(caller): Extension<Caller>,
            how: Written,
            headers: HeaderMap,
        ) -> Result<Response, Problem> {
            delete(&app, $part(name), &caller, how, &headers).await
        }
    };
}

named!(
    Part::Integration,
    integration,
    put_integration,
    patch_integration,
    delete_integration,
    String
);
named!(
    Part::Authenticator,
    authenticator,
    put_authenticator,
    patch_authenticator,
    delete_authenticator,
    String
);
named!(
    of_client,
    client,
    put_client,
    patch_client,
    delete_client,
    (String, String)
);

fn of_client((integration, address): (String, String)) -> Part {
    Part::Client {
        integration,
        address,
    }
}

async fn create_integration(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Written,
    document: Document,
) -> Result<Response, Problem> {
    create(&app, "id", Part::Integration, &caller, how, document).await
}

async fn create_authenticator(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Written,
    document: Document,
) -> Result<Response, Problem> {
    create(&app, "id", Part::Authenticator, &caller, how, document).await
}

async fn create_client(
    State(app): State<Arc<App>>,
    Named(integration): Named<String>,
    Extension(caller): Extension<Caller>,
    how: Written,
    document: Document,
) -> Result<Response, Problem> {
    let part = |address| of_client((integration, address));
    create(&app, "address", part, &caller, how, document).await
}

fn read(app: &App, part: &Part) -> Result<Response, Problem> {
    let snapshot = app.newest();
    let shown = part.show(&snapshot, &app.fingerprints);
    let (mut document, tag) = shown.ok_or_else(|| part.missing())?;
    // After the tag is made: what is written is held against the secrets themselves.
    app.date(&mut document);
    Ok((tagged(&tag), Json(document)).into_response())
}

async fn create(
    app: &App,
    name: &str,
    part: impl FnOnce(String) -> Part,
    caller: &Caller,
    how: Written,
    document: Document,
) -> Result<Response, Problem> {
    let document = given(document)?;
    let Some(named) = document.get(name).and_then(Value::as_str) else {
        return Err(Problem::invalid(vec![FieldError {
            path: name.to_owned(),
            message: "what is made has a name of its own; write it here".to_owned(),
        }]));
    };
    let one = Write {
        part: part(named.to_owned()),
        how: How::Create,
        document,
        precondition: Precondition::Absent,
    };
    write(app, one, caller, how).await
}

async fn put(
    app: &App,
    part: Part,
    caller: &Caller,
    how: Written,
    headers: &HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    let (document, precondition) = (given(document)?, precondition(headers)?);
    let one = Write {
        part,
        how: How::Put,
        document,
        precondition,
    };
    write(app, one, caller, how).await
}

async fn patch(
    app: &App,
    part: Part,
    caller: &Caller,
    how: Written,
    headers: &HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    let (document, precondition) = (given(document)?, precondition(headers)?);
    let one = Write {
        part,
        how: How::Patch,
        document,
        precondition,
    };
    write(app, one, caller, how).await
}

async fn delete(
    app: &App,
    part: Part,
    caller: &Caller,
    how: Written,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let precondition = precondition(headers)?;
    let one = Write {
        part,
        how: How::Delete,
        document: Value::Null,
        precondition,
    };
    write(app, one, caller, how).await
}

async fn write(
    app: &App,
    write: Write,
    caller: &Caller,
    how: Written,
) -> Result<Response, Problem> {
    let draft = how.as_ref().ok().and_then(|Query(how)| how.draft);
    let wanted = wanted(caller, how)?;
    if let Some(draft) = draft {
        return into_draft(app, draft, write, caller, wanted.dry_run).await;
    }
    let dry_run = wanted.dry_run;
    let part = write.part.clone();
    let prints = Arc::clone(&app.fingerprints);
    let change = move |snapshot: &mut raw::Snapshot| write.apply(snapshot, &prints);
    let edited = app.edit(Box::new(change), wanted).await?;
    Ok(answer(app, &part, &edited, dry_run))
}

/// Adds a write to a draft, when it can be done after those that are in it.
async fn into_draft(
    app: &App,
    id: u64,
    write: Write,
    caller: &Caller,
    dry_run: bool,
) -> Result<Response, Problem> {
    if let Some(source) = &app.settings.source {
        return Err(file_is_truth(source.path()));
    }
    let write = Arc::new(write);
    let _alone = app.drafts.alone().await;
    let mut tries = 0..DRAFT_TRIES;
    loop {
        let draft = app.drafts.find(id).await?;
        let version = draft.version();
        let (newest, prints) = (app.newest(), Arc::clone(&app.fingerprints));
        let one = Arc::clone(&write);
        let (edited, changes) = aside(move || {
            let mut before = (*newest).clone();
            draft.apply(&mut before, &prints)?;
            let mut after = before.clone();
            one.apply(&mut after, &prints)?;
            let changes = one.changes(&before, &after, &prints);
            let edited = Edited {
                revision: None,
                changed: after != before,
                before: Arc::new(before),
                after: Arc::new(after),
            };
            Ok((edited, changes))
        })
        .await?;
        if !dry_run {
            let added = app.drafts.add(version, &write, changes, caller).await;
            match added {
                // Another control plane was faster: again, after what it wrote.
                Err(problem) if problem.kind() == Kind::Changed && tries.next().is_some() => {
                    continue;
                }
                added => added?,
            }
        }
        return Ok(answer(app, &write.part, &edited, dry_run));
    }
}

/// What a write is answered with: the resource as it is now, or would be.
fn answer(app: &App, part: &Part, edited: &Edited, dry_run: bool) -> Response {
    let was = part.read(&edited.before).is_some();
    let mut headers = HeaderMap::new();
    if let Some(revision) = &edited.revision {
        headers.insert(REVISION, HeaderValue::from(revision.number.0));
    }
    if dry_run {
        let made = HeaderValue::from_static(if edited.changed { "change" } else { "nothing" });
        headers.insert(DRY_RUN, made);
    }
    let Some((mut document, tag)) = part.show(&edited.after, &app.fingerprints) else {
        return (StatusCode::NO_CONTENT, headers).into_response();
    };
    let status = match was || dry_run {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    app.date(&mut document);
    (status, headers, tagged(&tag), Json(document)).into_response()
}

pub(super) fn wanted(caller: &Caller, how: Written) -> Result<Wanted, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let message = message(how.message)?;
    Ok(Wanted {
        author: caller.author(),
        origin: caller.origin(),
        message,
        dry_run: how.dry_run,
    })
}

/// Why something is done, for the revision.
pub(super) fn message(said: Option<String>) -> Result<String, Problem> {
    let message = said.unwrap_or_default();
    if message.chars().count() > MESSAGE_CHARACTERS || message.contains(char::is_control) {
        let detail = format!("message has at most {MESSAGE_CHARACTERS} characters, in one line");
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    Ok(message)
}

pub(super) fn given(document: Document) -> Result<Value, Problem> {
    match document {
        Ok(Json(document)) => Ok(document),
        Err(error) => Err(refused(&error)),
    }
}

/// `If-Match` and `If-None-Match: *` (RFC 9110 section 13.1).
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.map(|value| value.to_str().unwrap_or_default())
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::None),
        (Some(tags), None) => {
            let tags = tags.split(',').map(|tag| tag.trim().to_owned());
            Ok(Precondition::Match(tags.collect()))
        }
        (None, Some("*")) => Ok(Precondition::Absent),
        _ => Err(Problem::new(
            Kind::BadRequest,
            "write If-Match with an entity tag, or If-None-Match: *",
        )),
    }
}

pub(super) fn tagged(tag: &str) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, tag.to_owned())]
}

/// The revision that a write made.
const REVISION: &str = "countersign-revision";
/// What a write that was only tried would come to.
const DRY_RUN: &str = "countersign-dry-run";
/// How often a write is tried again that another control plane was faster than.
const DRAFT_TRIES: usize = 20;
/// The longest message of a revision.
const MESSAGE_CHARACTERS: usize = 500;
