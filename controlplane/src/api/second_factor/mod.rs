//! The built-in second factor under the REST API. It is a process of its own: what is asked here is
//! handed on to its admin socket. What it checks is not checked here.

mod applications;
mod approvals;
mod delivery;
mod devices;
mod enrollments;
mod incidents;
mod many;
mod policies;
mod remembered;
mod sent_csv;
mod service;
mod sync;
mod tokens;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Query};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use http::request::Parts;
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::caller::Caller;
use super::extract::DryRun;
use super::openapi::Api;
use super::problem::{Kind, Problem};
use super::tokens::refused;
use crate::app::App;

pub(super) use service::is_used;
use service::{at, encoded, of_user, read};

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    users::router()
        .merge(sync::router())
        .merge(devices::router())
        .merge(approvals::router())
        .merge(policies::router())
        .merge(applications::router())
        .merge(remembered::router())
        .merge(incidents::router())
        .merge(enrollments::router())
        .merge(tokens::router())
        .merge(delivery::router())
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "second-factor",
        "Users, devices, policies and approvals of the built-in second factor. Where no integration uses \
         it, it does not run, and everything here is answered with 409.",
        &[
            ("name", "The user's name or an alias, whatever its case."),
            ("id", "Its id, as the list of them has it."),
            ("txid", "The push's id, of the list of those that wait."),
            ("serial", "What is printed on the token."),
            ("application", "The application's name."),
            ("group", "The group's name, whatever its case."),
        ],
    );
    users::document(api);
    sync::document(api);
    devices::document(api);
    approvals::document(api);
    policies::document(api);
    applications::document(api);
    remembered::document(api);
    incidents::document(api);
    enrollments::document(api);
    tokens::document(api);
    delivery::document(api);
}

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Paging {
    /// At most so many: 1 to 500, default 100.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The query of a request that reads.
struct Narrowed<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Narrowed<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(narrowed) = Query::<T>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
        Ok(Self(narrowed))
    }
}

type Asked = Result<Json<Value>, JsonRejection>;

/// One that asks, and whom.
struct Asks {
    app: Arc<App>,
    caller: Caller,
}

impl FromRequestParts<Arc<App>> for Asks {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Extension::<Caller>::from_request_parts(parts, app).await;
        let Extension(caller) = caller.map_err(|error| Problem::internal(&error))?;
        let app = Arc::clone(app);
        Ok(Self { app, caller })
    }
}

/// What the service is asked to do, and what the audit calls it.
struct Deed<'a> {
    /// Its path there.
    path: String,
    asked: &'a Value,
    /// Behind `second-factor.`.
    action: &'a str,
    target: String,
}

impl Asks {
    async fn read(&self, path: &str) -> Result<Value, Problem> {
        read(&self.app, path).await
    }

    async fn user(&self, name: &str) -> Result<Value, Problem> {
        self.read(&of_user(name, "")).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Problem> {
        service::post(&self.app, path, body, SOON).await
    }

    /// What takes its time.
    async fn post_many(&self, path: &str, body: &Value) -> Result<Value, Problem> {
        service::post(&self.app, path, body, MANY).await
    }

    async fn note(&self, action: &str, target: String, detail: &Value) -> Result<(), Problem> {
        let store = &self.app.store;
        self.caller.audit(store, action, target, detail).await
    }

    /// Does something, and tells the audit of it; or has the service only try it, which checks all as if it
    /// were done.
    async fn does(
        &self,
        deed: Deed<'_>,
        DryRun(dry): DryRun,
        detail: impl FnOnce(&Value) -> Value,
    ) -> Result<Value, Problem> {
        if dry {
            return self.post(&format!("{}{TRY}", deed.path), deed.asked).await;
        }
        let done = self.post(&deed.path, deed.asked).await?;
        let action = format!("second-factor.{}", deed.action);
        self.note(&action, deed.target, &detail(&done)).await?;
        Ok(done)
    }

    /// Makes something for a user, and shows it once. Tried only, it is not known what it would be.
    async fn makes(
        &self,
        deed: Deed<'_>,
        DryRun(dry): DryRun,
        detail: impl FnOnce(&Value) -> Value,
    ) -> Result<Response, Problem> {
        let made = self.does(deed, DryRun(dry), detail).await?;
        Ok(match dry {
            true => shown_once(StatusCode::OK, &json!({})),
            false => shown_once(StatusCode::CREATED, &made),
        })
    }

    /// Does what there is no answer to.
    async fn ends(
        &self,
        deed: Deed<'_>,
        dry: DryRun,
        detail: &Value,
    ) -> Result<StatusCode, Problem> {
        self.does(deed, dry, |_| detail.clone()).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}

impl<'a> Deed<'a> {
    const fn new(path: String, asked: &'a Value, action: &'a str, target: String) -> Self {
        Self {
            path,
            asked,
            action,
            target,
        }
    }

    /// Something of a user.
    fn of(name: &str, below: &str, asked: &'a Value, action: &'a str) -> Self {
        Self::new(of_user(name, below), asked, action, user_named(name))
    }
}

/// What is sent to do something.
fn sent(asked: Asked) -> Result<Value, Problem> {
    asked
        .map(|Json(asked)| asked)
        .map_err(|error| refused(&error))
}

/// What is sent where there is nothing to say.
fn nothing() -> Value {
    json!({})
}

/// A list of the service, that comes in pages.
#[derive(Clone, Copy)]
struct Listing {
    /// Where it is.
    path: &'static str,
    /// What the answer calls its items.
    items: &'static str,
    /// What the query calls the place where a page begins.
    after: &'static str,
}

impl Listing {
    /// One page, and where the next begins.
    async fn page(
        self,
        app: &App,
        paging: &Paging,
        narrowed: &[(&str, Option<&str>)],
    ) -> Result<(Vec<Value>, Value), Problem> {
        let limit = paging.limit.unwrap_or(100);
        if !(1..=PER_PAGE).contains(&limit) {
            let detail = format!("limit is 1 to {PER_PAGE}");
            return Err(Problem::new(Kind::BadRequest, detail));
        }
        let mut path = format!("{}?limit={limit}", self.path);
        let after = (self.after, paging.cursor.as_deref());
        for (name, value) in [after].iter().chain(narrowed) {
            if let Some(value) = value {
                path = format!("{path}&{name}={}", encoded(value));
            }
        }
        let mut page = read(app, &path).await?;
        let next = match taken(&mut page, "next") {
            Value::Number(number) => number.to_string().into(),
            next => next,
        };
        match taken(&mut page, self.items) {
            Value::Array(items) => Ok((items, next)),
            _ => Ok((Vec::new(), next)),
        }
    }

    /// One page, as it is answered.
    async fn answer(
        self,
        app: &App,
        paging: &Paging,
        narrowed: &[(&str, Option<&str>)],
    ) -> Result<Json<Value>, Problem> {
        let (items, next) = self.page(app, paging, narrowed).await?;
        Ok(Json(listed(&items, &next)))
    }

    /// The one whose field has this text, whichever page it is on.
    ///
    /// # Errors
    /// There is none, which `missing` says.
    async fn find(
        self,
        app: &App,
        field: &str,
        text: &str,
        missing: String,
    ) -> Result<Value, Problem> {
        let mut paging = Paging {
            limit: Some(PER_PAGE),
            cursor: None,
        };
        for _ in 0..MOST_PAGES {
            let (items, next) = self.page(app, &paging, &[]).await?;
            let found = items
                .into_iter()
                .find(|one| one.get(field).is_some_and(|is| is == text));
            match (found, next) {
                (Some(found), _) => return Ok(found),
                (None, Value::String(next)) => paging.cursor = Some(next),
                (None, _) => break,
            }
        }
        Err(Problem::new(Kind::NotFound, missing))
    }
}

fn listed(items: &[Value], next: &Value) -> Value {
    match next {
        Value::Null => json!({ "items": items }),
        next => json!({ "items": items, "next": next }),
    }
}

fn taken(document: &mut Value, field: &str) -> Value {
    let field = document.get_mut(field);
    field.map(Value::take).unwrap_or_default()
}

/// How many a list has.
fn count(document: &Value, path: &str) -> usize {
    at(document, path).as_array().map_or(0, Vec::len)
}

/// What may be a secret, and is not shown again.
fn shown_once(status: StatusCode, answer: &Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn user_named(name: &str) -> String {
    format!("user {name}")
}

/// A page of a list.
#[derive(JsonSchema)]
#[schemars(rename = "PartOf{T}")]
#[expect(dead_code, reason = "describes a document, and is none")]
struct PartOf<T> {
    /// What it holds.
    items: Vec<T>,
    /// Where the next page begins, for `cursor`; none when this is the last.
    #[schemars(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A list without pages.
#[derive(JsonSchema)]
#[schemars(rename = "AllOf{T}")]
#[expect(dead_code, reason = "describes a document, and is none")]
struct AllOf<T> {
    /// What it holds.
    items: Vec<T>,
}

/// What the service checks as if it were done, and does not do.
const TRY: &str = "?dry_run=true";
const PER_PAGE: u32 = 500;
/// One is looked for on so many pages: half a million of them.
const MOST_PAGES: usize = 1_000;
/// For what is done at once.
const SOON: Duration = Duration::from_secs(10);
/// For what is done for thousands.
const MANY: Duration = Duration::from_secs(120);
