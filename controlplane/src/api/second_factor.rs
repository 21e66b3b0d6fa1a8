//! Users, devices and approvals of the built-in second factor, which is a process of its own: what is
//! asked here is handed on to its admin socket. What it checks is not checked here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use http::{Method, StatusCode, header};
use local::{CallError, Client};
use proto::second_factor::{
    BypassCodes, ChangeUser, CreatedDevice, CreatedUser, Device, Enrollment, NewBypassCodes,
    NewDevice, NewEnrollment, NewUser, Script, SmsCodes, User, WaitingPush,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::caller::Caller;
use super::extract::{DryRun, HowToTry, Named};
use super::openapi::Api;
use super::problem::{FieldError, Kind, Problem};
use super::tokens::refused;
use crate::access::role::Role;
use crate::app::App;

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

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "second-factor",
        "Users, devices and approvals of the built-in second factor. Where no integration uses it, it \
         does not run, and everything here is answered with 409.",
        &[
            ("name", "The user's name, whatever its case."),
            ("id", "The device's id."),
            ("txid", "The push's id, of the list of those that wait."),
        ],
    );
    let conflict = &[Kind::Conflict];
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    let all = "/second-factor/users";
    api.route(&Method::GET, all, "listUsers", "Users, by name")
        .query::<Paging>()
        .answers::<PartOf<User>>(ok, "A page of the list.")
        .problems(conflict);
    api.route(&Method::POST, all, "createUser", "User: make one")
        .about(
            "What is in this answer for the devices is nowhere else. Devices, scripts and every \
             status but `disabled` are for the role `admin`.",
        )
        .query::<HowToTry>()
        .body::<NewUser>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<CreatedUser>(created, "It is made.")
        .problems(conflict);
    let one = "/second-factor/users/{name}";
    api.route(&Method::GET, one, "getUser", "User: read")
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    api.route(&Method::PATCH, one, "changeUser", "User: change")
        .about("What is absent stays. Scripts and every status but `disabled` are for the role `admin`.")
        .query::<HowToTry>()
        .body::<ChangeUser>()
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    api.route(&Method::DELETE, one, "deleteUser", "User: remove")
        .query::<HowToTry>()
        .answers_nothing("It is gone, and its devices with it.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/unlock";
    api.route(&Method::POST, path, "unlockUser", "User: unlock")
        .query::<HowToTry>()
        .about("Wrong passcodes are forgotten.")
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/enroll";
    api.route(&Method::POST, path, "enrollUser", "User: invite to enroll")
        .about("Whoever has the address adds a device; it is in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewEnrollment>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<Enrollment>(created, "The address, for the user to open once.")
        .problems(conflict);
    let (path, id) = (
        "/second-factor/users/{name}/bypass-codes",
        "createBypassCodes",
    );
    api.route(&Method::POST, path, id, "User: make bypass codes")
        .about("Those that were there go. The new ones are in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewBypassCodes>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<BypassCodes>(created, "The codes; each is good once.")
        .problems(conflict);
    let (path, id) = ("/second-factor/users/{name}/sms-codes", "listSmsCodes");
    api.route(&Method::GET, path, id, "User: passcodes in place of an SMS")
        .answers::<AllOf<SmsCodes>>(ok, "Those that were not used yet, by device.")
        .problems(conflict);
    let (path, id) = ("/second-factor/users/{name}/devices", "createDevice");
    api.route(&Method::POST, path, id, "Device: make one")
        .about("What its owner needs is in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewDevice>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<CreatedDevice>(created, "It is made.")
        .problems(conflict);
    let (path, id) = ("/second-factor/users/{name}/devices/{id}", "deleteDevice");
    api.route(&Method::DELETE, path, id, "Device: remove")
        .query::<HowToTry>()
        .answers_nothing("It is gone.")
        .problems(conflict);
    let path = "/second-factor/devices";
    api.route(&Method::GET, path, "listDevices", "Devices, by user")
        .about("A page holds those of `limit` users.")
        .query::<Paging>()
        .answers::<PartOf<OfUser>>(ok, "A page of the list.")
        .problems(conflict);
    let path = "/second-factor/approvals";
    api.route(&Method::GET, path, "listApprovals", "Pushes that wait")
        .answers::<AllOf<WaitingPush>>(ok, "Those that nobody answered yet.")
        .problems(conflict);
    for (path, id, summary) in [
        (
            "/second-factor/approvals/{txid}/approve",
            "approvePush",
            "Push: approve in its user's place",
        ),
        (
            "/second-factor/approvals/{txid}/deny",
            "denyPush",
            "Push: deny in its user's place",
        ),
        (
            "/second-factor/approvals/{txid}/fraud",
            "reportPush",
            "Push: deny, and report a fraud",
        ),
    ] {
        api.route(&Method::POST, path, id, summary)
            .query::<HowToTry>()
            .answers_nothing("It is answered.")
            .problems(&[Kind::Conflict, Kind::BadRequest]);
    }
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

/// A device, with whose it is.
#[derive(JsonSchema)]
#[schemars(rename = "DeviceOfUser")]
#[expect(dead_code, reason = "describes a document, and is none")]
struct OfUser {
    /// The user's name.
    user: String,
    #[schemars(flatten)]
    device: Device,
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

/// What stands at a path; null when nothing does.
fn at<'a>(document: &'a Value, path: &str) -> &'a Value {
    document.pointer(path).unwrap_or(&Value::Null)
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
        let user = try_user(&asks.app, &asked).await?;
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
        readable::<ChangeUser>(&asked)?;
        return Ok(Json(changed(before, &asked)));
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
        return Ok(Json(changed(user, &json!({ "status": "active" }))));
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
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    let asks = Asks { app, caller };
    if dry {
        return asks.try_for::<NewEnrollment>(&name, &asked).await;
    }
    let made = asks.post(&of_user(&name, "/enroll"), &asked).await?;
    let detail = json!({ "expires_at": at(&made, "/expires_at") });
    asks.note("second-factor.user.enroll", user_named(&name), &detail)
        .await?;
    Ok(shown_once(StatusCode::CREATED, &made))
}

async fn bypass_codes(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    let asks = Asks { app, caller };
    if dry {
        return asks.try_for::<NewBypassCodes>(&name, &asked).await;
    }
    let made = asks.post(&of_user(&name, "/bypass-codes"), &asked).await?;
    let detail = json!({ "count": at(&made, "/codes").as_array().map(Vec::len), "asked": asked });
    asks.note("second-factor.bypass-codes", user_named(&name), &detail)
        .await?;
    Ok(shown_once(StatusCode::CREATED, &made))
}

async fn create_device(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    let asks = Asks { app, caller };
    if dry {
        return asks.try_for::<NewDevice>(&name, &asked).await;
    }
    let made = asks.post(&of_user(&name, "/devices"), &asked).await?;
    let detail = json!({ "device": at(&made, "/device") });
    asks.note("second-factor.device.create", user_named(&name), &detail)
        .await?;
    Ok(shown_once(StatusCode::CREATED, &made))
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
        let mut devices = at(&user, "/devices").as_array().into_iter().flatten();
        return match devices.any(|one| at(one, "/id") == id.as_str()) {
            true => Ok(StatusCode::NO_CONTENT),
            false => {
                let detail = format!("{name} has no device '{id}'");
                Err(Problem::new(Kind::NotFound, detail))
            }
        };
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
        let answer = client(&self.app)?.post(path, body, LIMIT).await;
        answer.map_err(|error| problem(&self.app, error))
    }

    async fn note(&self, action: &str, target: String, detail: &Value) -> Result<(), Problem> {
        let store = &self.app.store;
        self.caller.audit(store, action, target, detail).await
    }

    /// Looks whether something could be made for a user. What would be made is known when it is.
    async fn try_for<T: DeserializeOwned>(
        &self,
        name: &str,
        asked: &Value,
    ) -> Result<Response, Problem> {
        readable::<T>(asked)?;
        read(&self.app, &of_user(name, "")).await?;
        Ok(shown_once(StatusCode::OK, &json!({})))
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

/// A user that is not made. What the fields may hold, the service alone knows.
async fn try_user(app: &App, asked: &Value) -> Result<Value, Problem> {
    readable::<NewUser>(asked)?;
    let Some(name) = at(asked, "/name").as_str().filter(|name| !name.is_empty()) else {
        return Err(invalid("name", "is missing"));
    };
    match read(app, &of_user(name, "")).await {
        Ok(_) => {
            let detail = format!("there is a user {name} already");
            Err(Problem::new(Kind::Conflict, detail))
        }
        Err(problem) if problem.kind() == Kind::NotFound => {
            Ok(changed(json!({ "name": name, "status": "active" }), asked))
        }
        Err(problem) => Err(problem),
    }
}

/// A user as a change leaves them.
fn changed(mut user: Value, asked: &Value) -> Value {
    if let Some(fields) = user.as_object_mut() {
        if let Some(status) = at(asked, "/status").as_str() {
            fields.insert("status".to_owned(), status.into());
            if status != "locked_out" {
                fields.insert("failures".to_owned(), 0.into());
            }
        }
        match at(asked, "/script") {
            Value::Null => {}
            Value::String(_) => drop(fields.remove("script")),
            script => {
                // With the fields that may be left out.
                let script = script.get("set").unwrap_or(script).clone();
                let script = serde_json::from_value::<Script>(script).ok();
                let script = script.and_then(|script| serde_json::to_value(script).ok());
                fields.insert("script".to_owned(), script.unwrap_or_default());
            }
        }
    }
    user
}

/// Refuses what the service could not read.
fn readable<T: DeserializeOwned>(asked: &Value) -> Result<(), Problem> {
    match serde_json::from_value::<T>(asked.clone()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::new(Kind::Invalid, error.to_string())),
    }
}

fn invalid(path: &str, message: &str) -> Problem {
    Problem::invalid(vec![FieldError {
        path: path.to_owned(),
        message: message.to_owned(),
    }])
}

async fn read(app: &App, path: &str) -> Result<Value, Problem> {
    let answer = client(app)?.get(path, LIMIT).await;
    answer.map_err(|error| problem(app, error))
}

fn client(app: &App) -> Result<Client, Problem> {
    let socket = app.settings.second_factor.as_ref();
    socket.map(Client::new).ok_or_else(does_not_run)
}

fn does_not_run() -> Problem {
    let detail = "the built-in second factor does not run: no integration has the host 'builtin'";
    Problem::new(Kind::Conflict, detail)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "stands where errors are mapped"
)]
fn problem(app: &App, error: CallError) -> Problem {
    match &error {
        CallError::Refused { status, body } => {
            let kind = match status {
                400 | 415 => Kind::BadRequest,
                404 => Kind::NotFound,
                409 => Kind::Conflict,
                422 => Kind::Invalid,
                429 => Kind::TooMany,
                _ => Kind::Unavailable,
            };
            let said: Option<Value> = serde_json::from_str(body).ok();
            let said = said.as_ref().and_then(|said| at(said, "/error").as_str());
            Problem::new(kind, said.unwrap_or(body))
        }
        CallError::Unreachable { .. } if !is_used(app) => does_not_run(),
        error => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the built-in second factor was not asked"
            );
            let detail = "the built-in second factor does not answer; try again in a moment";
            Problem::new(Kind::Unavailable, detail)
        }
    }
}

/// Whether an integration needs it.
pub(super) fn is_used(app: &App) -> bool {
    let newest = app.newest();
    let mut integrations = newest.integrations.iter();
    integrations.any(|one| one.application.pinned_ca.is_some())
}

/// What may be a secret, and is not shown again.
fn shown_once(status: StatusCode, answer: &Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn user_named(name: &str) -> String {
    format!("user {name}")
}

fn of_user(name: &str, more: &str) -> String {
    format!("/users/{}{more}", encoded(name))
}

/// As it can stand between two slashes.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet));
            }
            other => {
                out.push('%');
                out.push_str(&data_encoding::HEXUPPER.encode(&[other]));
            }
        }
    }
    out
}

const USERS_PER_PAGE: u32 = 500;
const LIMIT: Duration = Duration::from_secs(10);
