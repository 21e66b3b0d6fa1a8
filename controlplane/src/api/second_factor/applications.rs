//! Applications: what integrations and other clients of the API are to the service.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, patch};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::config::raw::Snapshot;
use proto::second_factor::{Application, ApplicationSummary, NewUserPolicy, UsernameNormalization};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::{AllOf, Asked, Asks, Deed, at, encoded, nothing, read, sent, shown_once};
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    let all_of_them = "/second-factor/applications";
    Router::new()
        .route(all_of_them, get(all).post(create))
        .route(
            &format!("{all_of_them}/{{application}}"),
            patch(change).delete(delete),
        )
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    let path = "/second-factor/applications";
    api.route(&Method::GET, path, "listApplications", "Applications")
        .about(
            "One for each integration with the host `builtin`, made when it is first served, and those made \
             for other clients of the API.",
        )
        .answers::<AllOf<Listed>>(ok, "All of them, without their secrets.")
        .problems(conflict);
    api.route(&Method::POST, path, "createApplication", "Application: make one")
        .about(
            "For a client that is no integration, such as Duo Unix. Its secret key is in this answer and \
             nowhere else: who lost it deletes the application and makes another.",
        )
        .query::<HowToTry>()
        .body::<MakeApplication>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<Application>(created, "Its keys, and where the service is.")
        .problems(conflict);
    let path = "/second-factor/applications/{application}";
    let id = "changeApplication";
    api.route(&Method::PATCH, path, id, "Application: change")
        .about("What is absent stays.")
        .query::<HowToTry>()
        .body::<ChangeApplication>()
        .answers::<ApplicationSummary>(ok, "The application.")
        .problems(conflict);
    let id = "deleteApplication";
    api.route(&Method::DELETE, path, id, "Application: remove")
        .about(
            "Its policy goes with it, and what is remembered of approvals. One that an integration uses is \
             refused.",
        )
        .query::<HowToTry>()
        .answers_nothing("It is gone: what is signed with its keys is refused.")
        .problems(conflict);
}

/// Changes what an application does with unknown users and names; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ChangeApplication {
    /// What becomes of users without a device, where no policy says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_user_policy: Option<NewUserPolicy>,
    /// What is done to names before they are looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    username_normalization: Option<UsernameNormalization>,
    /// Whether names that no administrator made may enroll. Whoever has a password and an alias that
    /// the directory takes can then enroll a device of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_enrollment: Option<bool>,
}

/// An application, and who uses it.
#[derive(JsonSchema)]
#[schemars(rename = "ListedApplication")]
#[expect(dead_code, reason = "describes a document, and is none")]
struct Listed {
    #[schemars(flatten)]
    application: ApplicationSummary,
    /// The integrations of the newest configuration that use it; none of one that was made for other
    /// clients, or is left over.
    integrations: Vec<String>,
}

/// Makes an application for a client of the API that is no integration, such as Duo Unix.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MakeApplication {
    /// Its name, 1 to 128 characters, as no other has it.
    name: String,
    /// What becomes of users without a device, where no policy says so; `enroll` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_user_policy: Option<NewUserPolicy>,
    /// What is done to names before they are looked up; `simple` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username_normalization: Option<UsernameNormalization>,
    /// Whether names that no administrator made may enroll; no without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_enrollment: Option<bool>,
}

async fn all(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let mut all = read(&app, "/applications").await?;
    let newest = app.newest();
    for one in all.as_array_mut().into_iter().flatten() {
        let users = used_by(&newest, one);
        if let Some(fields) = one.as_object_mut() {
            fields.insert("integrations".to_owned(), users.into());
        }
    }
    Ok(Json(json!({ "items": all })))
}

async fn create(asks: Asks, DryRun(dry): DryRun, asked: Asked) -> Result<Response, Problem> {
    let mut asked = sent(asked)?;
    let wanted: MakeApplication = readable(&asked)?;
    if let Some(fields) = asked.as_object_mut() {
        fields.insert("must_be_new".to_owned(), true.into());
    }
    let path = "/applications".to_owned();
    let deed = Deed::new(path, &asked, "application.create", target(&wanted.name));
    let detail = |made: &Value| json!({ "after": { "ikey": at(made, "/ikey"), "rules": wanted } });
    let made = asks.does(deed, DryRun(dry), detail).await?;
    Ok(match dry {
        true => shown_once(StatusCode::OK, &unmade(made)),
        false => shown_once(StatusCode::CREATED, &made),
    })
}

/// As it would be, without the key that it does not have yet.
fn unmade(mut application: Value) -> Value {
    if let Some(fields) = application.as_object_mut() {
        fields.remove("ikey");
    }
    application
}

async fn delete(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    let before = found(&asks, &name).await?;
    let users = used_by(&asks.app.newest(), &before);
    if !users.is_empty() {
        let detail = format!(
            "logins go through it: {} has the host 'builtin' with its keys; take that from it first",
            users.join(", ")
        );
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let path = format!("/applications/{}/delete", encoded(&name));
    let nothing = nothing();
    let deed = Deed::new(path, &nothing, "application.delete", target(&name));
    asks.ends(deed, dry, &json!({ "before": before })).await
}

/// The integrations that have an application's keys.
fn used_by(newest: &Snapshot, application: &Value) -> Vec<String> {
    let ours = newest.integrations.iter().filter(|one| {
        one.application.pinned_ca.is_some() && at(application, "/ikey") == &*one.application.ikey
    });
    ours.map(|one| one.id.clone()).collect()
}

async fn change(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let asked = sent(asked)?;
    // The service takes more of its other callers.
    readable::<ChangeApplication>(&asked)?;
    // One that a typing error names is not made.
    let before = found(&asks, &name).await?;
    let changes = with_fields_of(json!({ "name": name }), &asked);
    let after = with_fields_of(before.clone(), &asked);
    let path = "/applications".to_owned();
    let deed = Deed::new(path, &changes, "application.change", target(&name));
    let detail = |_: &Value| json!({ "before": before, "after": after });
    // The answer has the secret key, which is nobody's business here.
    drop(asks.does(deed, dry, detail).await?);
    Ok(Json(after))
}

async fn found(asks: &Asks, name: &str) -> Result<Value, Problem> {
    let all = asks.read("/applications").await?;
    let mut all = all.as_array().into_iter().flatten();
    let found = all.find(|one| at(one, "/name") == name).cloned();
    let none = || Problem::new(Kind::NotFound, format!("there is no application '{name}'"));
    found.ok_or_else(none)
}

/// A document with the fields of another that say something.
fn with_fields_of(mut document: Value, other: &Value) -> Value {
    if let (Some(fields), Some(others)) = (document.as_object_mut(), other.as_object()) {
        let said = others.iter().filter(|(_, value)| !value.is_null());
        fields.extend(said.map(|(name, value)| (name.clone(), value.clone())));
    }
    document
}

/// Reads what is taken here.
///
/// # Errors
/// It is something else.
fn readable<T: DeserializeOwned>(asked: &Value) -> Result<T, Problem> {
    T::deserialize(asked).map_err(|error| Problem::new(Kind::Invalid, error.to_string()))
}

fn target(name: &str) -> String {
    format!("application {name}")
}
