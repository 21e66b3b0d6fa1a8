//! Users, devices and approvals of the built-in second factor, which is a process of its own: what is
//! asked here is handed on to its admin socket. What it checks is not checked here.

mod documents;
mod service;
mod tried;

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use http::{StatusCode, header};
use proto::second_factor::{ChangeUser, NewBypassCodes, NewDevice, NewEnrollment};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::caller::Caller;
use super::extract::{DryRun, Named};
use super::problem::{Kind, Problem};
use super::tokens::refused;
use crate::access::role::Role;
use crate::app::App;

pub(crate) use documents::document;
pub(super) use service::is_used;
use service::{at, encoded, of_user, read};

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    let user = "/second-factor/users/{name}";
    Router::new()
        .route("/second-factor/users", get(users).post(create_user))
        .route(user, get(user_of).patch(change_user).delete(delete_user))
        .route(&format!("{user}/unlock"), post(unlock))
        .route(&format!("{user}/enroll"), post(enroll))
        .route(&format!("{user}/bypass-codes"), post(bypass_codes))
        .route(&format!("{user}/sms-codes"), get(sms_codes))
        .route(&format!("{user}/devices"), post(create_device))
        .route(&format!("{user}/devices/{{id}}"), delete(delete_device))
        .route("/second-factor/devices", get(devices))
        .route("/second-factor/approvals", get(approvals))
        .route("/second-factor/approvals/{txid}/approve", post(approve))
        .route("/second-factor/approvals/{txid}/deny", post(deny))
        .route("/second-factor/approvals/{txid}/fraud", post(fraud))
}

/// Which page of users.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Paging {
    /// At most so many users: 1 to 500, default 100.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

type Asked = Result<Json<Value>, JsonRejection>;

/// One that asks, and whom.
struct Asks {
    app: Arc<App>,
    caller: Caller,
}

/// What is made for a user.
struct Making {
    /// Its path, below the user's.
    below: &'static str,
    action: &'static str,
    /// What the audit is told, of what was made and what was asked for.
    detail: fn(&Value, &Value) -> Value,
}

async fn users(
    State(app): State<Arc<App>>,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let (users, next) = page(&app, paging).await?;
    Ok(Json(listed(&users, &next)))
}

/// Of the users of one page.
async fn devices(
    State(app): State<Arc<App>>,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let (users, next) = page(&app, paging).await?;
    let mut devices = Vec::new();
    for mut user in users {
        let name = taken(&mut user, "name");
        let Value::Array(of_user) = taken(&mut user, "devices") else {
            continue;
        };
        for mut device in of_user {
            if let Value::Object(fields) = &mut device {
                fields.insert("user".to_owned(), name.clone());
            }
            devices.push(device);
        }
    }
    Ok(Json(listed(&devices, &next)))
}

async fn page(
    app: &App,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<(Vec<Value>, Value), Problem> {
    let bad = |text: String| Problem::new(Kind::BadRequest, text);
    let Query(paging) = paging.map_err(|error| bad(error.body_text()))?;
    let limit = paging.limit.unwrap_or(100);
    if !(1..=USERS_PER_PAGE).contains(&limit) {
        return Err(bad(format!("limit is 1 to {USERS_PER_PAGE}")));
    }
    let mut path = format!("/users?limit={limit}");
    if let Some(after) = &paging.cursor {
        path = format!("{path}&after={}", encoded(after));
    }
    let mut page: Value = read(app, &path).await?;
    let next = taken(&mut page, "next");
    match taken(&mut page, "users") {
        Value::Array(users) => Ok((users, next)),
        _ => Ok((Vec::new(), next)),
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

async fn user_of(
    State(app): State<Arc<App>>,
    Named(name): Named<String>,
) -> Result<Json<Value>, Problem> {
    read(&app, &of_user(&name, "")).await.map(Json)
}

async fn sms_codes(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    let asks = Asks { app, caller };
    asks.note("second-factor.sms-codes", user_named(&name), &json!({}))
        .await?;
    let codes = read(&asks.app, &of_user(&name, "/sms-codes")).await?;
    Ok(shown_once(StatusCode::OK, &json!({ "items": codes })))
}

async fn approvals(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let waiting = read(&app, "/pushes").await?;
    Ok(Json(json!({ "items": waiting })))
}

async fn create_user(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    asked: Asked,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    needs_no_admin(&caller, &asked)?;
    let asks = Asks { app, caller };
    if dry {
        let user = tried::created(&asks.app, &asked).await?;
        return Ok(shown_once(StatusCode::OK, &json!({ "user": user })));
    }
    let made = asks.post("/users", &asked).await?;
    let name = at(&asked, "/name").as_str().unwrap_or_default();
    let detail = json!({
        "status": at(&made, "/user/status"), "script": at(&asked, "/script"),
        "devices": at(&made, "/user/devices"),
    });
    asks.note("second-factor.user.create", user_named(name), &detail)
        .await?;
    Ok(shown_once(StatusCode::CREATED, &made))
}

async fn change_user(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    needs_no_admin(&caller, &asked)?;
    let asks = Asks { app, caller };
    let before = read(&asks.app, &of_user(&name, "")).await?;
    if dry {
        tried::readable::<ChangeUser>(&asked)?;
        return Ok(Json(tried::changed(before, &asked)));
    }
    let now = asks.post(&of_user(&name, ""), &asked).await?;
    let of = |user: &Value| json!({ "status": at(user, "/status"), "script": at(user, "/script") });
    let detail = json!({ "before": of(&before), "after": of(&now) });
    asks.note("second-factor.user.change", user_named(&name), &detail)
        .await?;
    Ok(Json(now))
}

async fn delete_user(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    let asks = Asks { app, caller };
    if dry {
        read(&asks.app, &of_user(&name, "")).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    asks.post(&of_user(&name, "/delete"), &json!({})).await?;
    asks.note("second-factor.user.delete", user_named(&name), &json!({}))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unlock(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
) -> Result<Json<Value>, Problem> {
    let asks = Asks { app, caller };
    if dry {
        let user = read(&asks.app, &of_user(&name, "")).await?;
        return tried::unlocked(user).map(Json);
    }
    let now = asks.post(&of_user(&name, "/unlock"), &json!({})).await?;
    asks.note("second-factor.user.unlock", user_named(&name), &json!({}))
        .await?;
    Ok(Json(now))
}

async fn enroll(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let making = Making {
        below: "/enroll",
        action: "second-factor.user.enroll",
        detail: |made, _| json!({ "expires_at": at(made, "/expires_at") }),
    };
    let asks = Asks { app, caller };
    asks.make::<NewEnrollment>(making, &name, asked, dry).await
}

async fn bypass_codes(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let making = Making {
        below: "/bypass-codes",
        action: "second-factor.bypass-codes",
        detail: |made, asked| {
            let codes = at(made, "/codes").as_array();
            json!({ "count": codes.map(Vec::len), "asked": asked })
        },
    };
    let asks = Asks { app, caller };
    asks.make::<NewBypassCodes>(making, &name, asked, dry).await
}

async fn create_device(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let making = Making {
        below: "/devices",
        action: "second-factor.device.create",
        detail: |made, _| json!({ "device": at(made, "/device") }),
    };
    let asks = Asks { app, caller };
    asks.make::<NewDevice>(making, &name, asked, dry).await
}

async fn delete_device(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named((name, id)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let asks = Asks { app, caller };
    if dry {
        let user = read(&asks.app, &of_user(&name, "")).await?;
        tried::device_of(&user, &id)?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let path = of_user(&name, &format!("/devices/{}/delete", encoded(&id)));
    asks.post(&path, &json!({})).await?;
    let detail = json!({ "device": id });
    asks.note("second-factor.device.delete", user_named(&name), &detail)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn approve(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(txid): Named<String>,
) -> Result<StatusCode, Problem> {
    Asks { app, caller }.decide(&txid, "approve", dry).await
}

async fn deny(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(txid): Named<String>,
) -> Result<StatusCode, Problem> {
    Asks { app, caller }.decide(&txid, "deny", dry).await
}

async fn fraud(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(txid): Named<String>,
) -> Result<StatusCode, Problem> {
    Asks { app, caller }.decide(&txid, "fraud", dry).await
}

impl Asks {
    async fn post(&self, path: &str, body: &Value) -> Result<Value, Problem> {
        service::post(&self.app, path, body).await
    }

    async fn note(&self, action: &str, target: String, detail: &Value) -> Result<(), Problem> {
        let store = &self.app.store;
        self.caller.audit(store, action, target, detail).await
    }

    /// Makes something for a user, and shows it once. Tried only, it is not known what it would be.
    async fn make<T: DeserializeOwned>(
        &self,
        making: Making,
        name: &str,
        asked: Asked,
        dry: bool,
    ) -> Result<Response, Problem> {
        let Json(asked) = asked.map_err(|error| refused(&error))?;
        if dry {
            tried::readable::<T>(&asked)?;
            read(&self.app, &of_user(name, "")).await?;
            return Ok(shown_once(StatusCode::OK, &json!({})));
        }
        let made = self.post(&of_user(name, making.below), &asked).await?;
        let detail = (making.detail)(&made, &asked);
        self.note(making.action, user_named(name), &detail).await?;
        Ok(shown_once(StatusCode::CREATED, &made))
    }

    /// Answers a push in its user's place.
    async fn decide(&self, txid: &str, answer: &str, dry: bool) -> Result<StatusCode, Problem> {
        let waiting = read(&self.app, "/pushes").await?;
        let mut all = waiting.as_array().into_iter().flatten();
        let push = all.find(|push| at(push, "/txid") == txid);
        if dry {
            let none = || Problem::new(Kind::NotFound, "no such push waits for an answer");
            return push.map(|_| StatusCode::NO_CONTENT).ok_or_else(none);
        }
        let path = format!("/pushes/{}/{answer}", encoded(txid));
        self.post(&path, &json!({})).await?;
        let action = format!("second-factor.push.{answer}");
        let detail = json!({ "push": push });
        self.note(&action, format!("push {txid}"), &detail).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}

/// What lets somebody in in a user's place, or again, is not for operators.
fn needs_no_admin(caller: &Caller, asked: &Value) -> Result<(), Problem> {
    let status = at(asked, "/status");
    let opens = !status.is_null() && status != "disabled";
    let opens = opens
        || ["/script", "/devices"]
            .iter()
            .any(|field| !at(asked, field).is_null());
    if opens && caller.role < Role::Admin {
        let detail = "devices, scripts and a status other than disabled are for the role admin";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    Ok(())
}

/// What may be a secret, and is not shown again.
fn shown_once(status: StatusCode, answer: &Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn user_named(name: &str) -> String {
    format!("user {name}")
}

const USERS_PER_PAGE: u32 = 500;
