//! The routes of the admin socket: JSON in, JSON out. Who may call is the socket's business.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use proto::secret::Secret;
use serde::Deserialize;
use std::net::SocketAddr;
use tokio::time::Instant;

use crate::account::{
    Account, Application as StoredApplication, Device as StoredDevice, lookup_key,
};
use crate::admin::{
    AdminError, Application, ApplicationSummary, BypassCodes, ChangeUser, CreatedDevice,
    CreatedUser, Device, Done, Enrollment, NewApplication, NewBypassCodes, NewDevice,
    NewEnrollment, NewUser, SmsCodes, Status, User, UserStatus, UsernameNormalization, Users,
    WaitingPush,
};
use crate::push::Txid;
use crate::service::{EnrollError, Enrollee, LoginError, NewSecret, Service};
use crate::store::StoreError;
use crate::verdict::Verdict;

/// The service and where it listens.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) service: Arc<Service>,
    pub(crate) address: SocketAddr,
}

/// The routes that [`crate::admin`] lists.
pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/applications", get(applications).post(open_application))
        .route("/applications/{name}/delete", post(delete_application))
        .route("/users", get(users).post(create_user))
        .route("/users/{name}", get(user).post(change_user))
        .route("/users/{name}/delete", post(delete_user))
        .route("/users/{name}/unlock", post(unlock))
        .route("/users/{name}/devices", post(create_device))
        .route("/users/{name}/devices/{id}/delete", post(delete_device))
        .route("/users/{name}/bypass-codes", post(create_bypass_codes))
        .route("/users/{name}/sms-codes", get(sms_codes))
        .route("/users/{name}/enroll", post(enroll))
        .route("/pushes", get(pushes))
        .route("/pushes/{txid}/approve", post(approve))
        .route("/pushes/{txid}/deny", post(deny))
        .route("/pushes/{txid}/fraud", post(fraud))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok"))
        .layer(DefaultBodyLimit::max(BODY_OCTETS))
        .layer(axum::middleware::from_fn_with_state(
            control.clone(),
            to_the_end,
        ))
        .with_state(control)
}

/// A caller that hangs up does not leave a write half done, and no write is made here once another
/// process has taken over.
async fn to_the_end(State(control): State<Control>, request: Request, next: Next) -> Response {
    let inside = match *request.method() {
        Method::GET => None,
        _ => match control.service.gate.enter().await {
            None => return Refusal::TooMany.into_response(),
            inside => inside,
        },
    };
    let work = async move {
        let _inside = inside;
        next.run(request).await
    };
    let done = control.service.tasks.spawn(work).await;
    done.unwrap_or_else(|_| Refusal::Internal.into_response())
}

type Answered<T> = Result<Json<T>, Refusal>;

async fn applications(State(control): State<Control>) -> Json<Vec<ApplicationSummary>> {
    let summary = |found: &Arc<StoredApplication>| ApplicationSummary {
        name: found.name.to_string(),
        ikey: found.ikey.to_string(),
        new_user_policy: found.rules.new_user_policy,
        username_normalization: found.rules.username_normalization,
        open_enrollment: found.rules.open_enrollment,
    };
    Json(control.service.applications().iter().map(summary).collect())
}

async fn open_application(
    State(control): State<Control>,
    Json(wanted): Json<NewApplication>,
) -> Answered<Application> {
    let characters = wanted.name.chars().count();
    if !(1..=128).contains(&characters) || wanted.name.chars().any(char::is_control) {
        return Err(Refusal::Invalid(
            "an application's name has 1 to 128 characters".to_owned(),
        ));
    }
    if let Some(keys) = &wanted.keys {
        let good = |c: char| c.is_ascii_graphic() && c != ':';
        if !(1..=128).contains(&keys.ikey.len()) || !keys.ikey.chars().all(good) {
            return Err(Refusal::Invalid(
                "an integration key has 1 to 128 printable characters, without blanks and ':'"
                    .to_owned(),
            ));
        }
        if !(1..=256).contains(&keys.skey.expose().chars().count()) {
            return Err(Refusal::Invalid(
                "a secret key has 1 to 256 characters".to_owned(),
            ));
        }
    }
    let known = control.service.applications();
    if known.len() >= MAX_APPLICATIONS && !known.iter().any(|found| *found.name == *wanted.name) {
        return Err(Refusal::Conflict("there are 10,000 applications already"));
    }
    let found = control.service.open_application(&wanted).await?;
    // The certificate names every address listened on, but none can call 0.0.0.0.
    let host = match control.address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    Ok(Json(Application {
        name: found.name.to_string(),
        ikey: found.ikey.to_string(),
        skey: found.skey.clone(),
        host,
        port: control.address.port(),
        ca_pem: control.service.ca_pem.clone(),
    }))
}

async fn delete_application(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answered<Done> {
    if control.service.delete_application(&name).await? {
        Ok(Json(Done {}))
    } else {
        Err(Refusal::Missing("application"))
    }
}

#[derive(Deserialize)]
struct Paging {
    after: Option<String>,
    limit: Option<u32>,
}

async fn users(State(control): State<Control>, Query(paging): Query<Paging>) -> Answered<Users> {
    let after = lookup_key(
        &paging.after.unwrap_or_default(),
        UsernameNormalization::None,
    );
    let limit = paging.limit.unwrap_or(100).clamp(1, 500);
    // One more than is shown says whether there is a next page.
    let mut accounts = control.service.store.accounts(&after, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = accounts.len() > limit;
    accounts.truncate(limit);
    Ok(Json(Users {
        next: accounts
            .last()
            .filter(|_| more)
            .map(|last| last.name.clone()),
        users: accounts.iter().map(user_of).collect(),
    }))
}

async fn create_user(
    State(control): State<Control>,
    Json(new): Json<NewUser>,
) -> Answered<CreatedUser> {
    let (account, made) = control.service.create_user(&new).await?;
    Ok(Json(CreatedUser {
        user: user_of(&account),
        devices: made.into_iter().map(created).collect(),
    }))
}

async fn user(State(control): State<Control>, Path(name): Path<String>) -> Answered<User> {
    Ok(Json(user_of(&find(&control, &name).await?)))
}

async fn change_user(
    State(control): State<Control>,
    Path(name): Path<String>,
    Json(change): Json<ChangeUser>,
) -> Answered<User> {
    let account = find(&control, &name).await?;
    Ok(Json(user_of(
        &control.service.change_user(account, change).await?,
    )))
}

async fn delete_user(State(control): State<Control>, Path(name): Path<String>) -> Answered<Done> {
    let account = find(&control, &name).await?;
    control.service.delete_user(&account).await?;
    Ok(Json(Done {}))
}

async fn unlock(State(control): State<Control>, Path(name): Path<String>) -> Answered<User> {
    let account = find(&control, &name).await?;
    if !matches!(account.status, UserStatus::LockedOut | UserStatus::Active) {
        return Err(Refusal::Conflict("only a locked user can be unlocked"));
    }
    let change = ChangeUser {
        status: Some(UserStatus::Active),
        script: None,
    };
    Ok(Json(user_of(
        &control.service.change_user(account, change).await?,
    )))
}

async fn create_device(
    State(control): State<Control>,
    Path(name): Path<String>,
    Json(new): Json<NewDevice>,
) -> Answered<CreatedDevice> {
    let account = find(&control, &name).await?;
    Ok(Json(created(
        control.service.create_device(&account, &new).await?,
    )))
}

async fn delete_device(
    State(control): State<Control>,
    Path((name, id)): Path<(String, String)>,
) -> Answered<Done> {
    let account = find(&control, &name).await?;
    if control.service.delete_device(&account, &id).await? {
        Ok(Json(Done {}))
    } else {
        Err(Refusal::Missing("device"))
    }
}

async fn create_bypass_codes(
    State(control): State<Control>,
    Path(name): Path<String>,
    Json(new): Json<NewBypassCodes>,
) -> Answered<BypassCodes> {
    let account = find(&control, &name).await?;
    let count = new.count.unwrap_or(10);
    if !(1..=100).contains(&count) {
        return Err(Refusal::Invalid(
            "1 to 100 codes are made at once".to_owned(),
        ));
    }
    let valid = new
        .valid_seconds
        .map(|seconds| Duration::from_secs(seconds.into()));
    let codes = control
        .service
        .create_bypass_codes(&account, count, valid)
        .await?;
    Ok(Json(BypassCodes {
        codes: codes.into_iter().map(Secret::new).collect(),
    }))
}

async fn sms_codes(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answered<Vec<SmsCodes>> {
    let account = find(&control, &name).await?;
    let mut by_device: BTreeMap<String, Vec<Secret<String>>> = BTreeMap::new();
    for (device, code) in control.service.sms_codes(&account).await? {
        by_device.entry(device).or_default().push(Secret::new(code));
    }
    let of_device = |(device, codes)| SmsCodes { device, codes };
    Ok(Json(by_device.into_iter().map(of_device).collect()))
}

async fn enroll(
    State(control): State<Control>,
    Path(name): Path<String>,
    Json(new): Json<NewEnrollment>,
) -> Answered<Enrollment> {
    let account = find(&control, &name).await?;
    let seconds = new.valid_seconds.unwrap_or(86_400);
    if !(1..=30 * 86_400).contains(&seconds) {
        return Err(Refusal::Invalid(
            "an enrollment lives 1 second to 30 days".to_owned(),
        ));
    }
    let enrollee = Enrollee {
        name: &account.name,
        user_id: Some(&account.id),
        may_add: true,
    };
    let life = Duration::from_secs(seconds.into());
    let begun = control.service.begin_enrollment(enrollee, life).await?;
    Ok(Json(Enrollment {
        url: Secret::new(begun.url),
        expires_at: begun.expires_at_s,
    }))
}

async fn pushes(State(control): State<Control>) -> Json<Vec<WaitingPush>> {
    let now = Instant::now();
    let pushes = control.service.pushes.list(SHOWN_PUSHES);
    let waiting = pushes.iter().map(|push| WaitingPush {
        txid: push.txid.to_string(),
        user: push.user.to_string(),
        device: push.device.to_string(),
        application: push.application.to_string(),
        ip: push.details.ip.to_string(),
        age_seconds: now.saturating_duration_since(push.sent).as_secs(),
    });
    Json(waiting.collect())
}

async fn approve(State(control): State<Control>, Path(txid): Path<String>) -> Answered<Done> {
    decide(&control, &txid, Verdict::Allow).await
}

async fn deny(State(control): State<Control>, Path(txid): Path<String>) -> Answered<Done> {
    decide(&control, &txid, Verdict::Deny).await
}

async fn fraud(State(control): State<Control>, Path(txid): Path<String>) -> Answered<Done> {
    decide(&control, &txid, Verdict::Fraud).await
}

async fn decide(control: &Control, txid: &str, verdict: Verdict) -> Answered<Done> {
    let missing = Refusal::Missing("push that waits");
    let Some(txid) = Txid::parse(txid) else {
        return Err(missing);
    };
    let service = &control.service;
    match service.answer_push(txid, verdict, |_| true).await? {
        Some(ended) if ended == verdict => Ok(Json(Done {})),
        Some(_) => Err(Refusal::Conflict(
            "that user is locked out or disabled: the push was refused",
        )),
        None => Err(missing),
    }
}

async fn status(State(control): State<Control>) -> Answered<Status> {
    let service = &control.service;
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listen: control.address,
        public_url: service.public_url.clone(),
        uptime_seconds: service.started.elapsed().as_secs(),
        users: service.store.count_users().await?,
        pushes_waiting: u64::try_from(service.pushes.waiting()).unwrap_or(u64::MAX),
        connections: u64::try_from(service.metrics.connections.get()).unwrap_or(0),
    }))
}

async fn metrics(State(control): State<Control>) -> Response {
    let service = &control.service;
    let waiting = i64::try_from(service.pushes.waiting()).unwrap_or(i64::MAX);
    service.metrics.pushes_waiting.set(waiting);
    let end = service.leaf.expires_at_s();
    service.metrics.certificate_expiry.set(end);
    let service = Arc::clone(service);
    // The system is asked about this process.
    let text = tokio::task::spawn_blocking(move || service.metrics.text()).await;
    let kind = [("content-type", "text/plain; version=0.0.4; charset=utf-8")];
    match text {
        Ok(text) => (kind, text).into_response(),
        Err(_) => Refusal::Internal.into_response(),
    }
}

/// Read from the database, not from memory: what is shown is the truth.
async fn find(control: &Control, name: &str) -> Result<Account, Refusal> {
    let lookup = lookup_key(name, UsernameNormalization::None);
    let found = control.service.store.account(&lookup).await?;
    found.ok_or(Refusal::Missing("user"))
}

fn user_of(account: &Account) -> User {
    User {
        id: account.id.clone(),
        name: account.name.clone(),
        status: account.status,
        script: account.script,
        failures: account.failures,
        bypass_codes: account.bypass_codes,
        devices: account
            .devices
            .iter()
            .map(|device| device_of(device))
            .collect(),
    }
}

fn device_of(device: &StoredDevice) -> Device {
    Device {
        id: device.id.to_string(),
        kind: device.kind,
        name: device.name.clone(),
        number: device.masked_number(),
        capabilities: device.capabilities,
    }
}

fn created((device, secret): (StoredDevice, NewSecret)) -> CreatedDevice {
    let device = device_of(&device);
    match secret {
        NewSecret::ApprovalUrl(url) => CreatedDevice {
            device,
            approval_url: Some(Secret::new(url)),
            otpauth_uri: None,
            secret: None,
        },
        NewSecret::Generator { secret, uri } => CreatedDevice {
            device,
            approval_url: None,
            otpauth_uri: Some(Secret::new(uri)),
            secret: Some(Secret::new(secret)),
        },
    }
}

/// Why a call was not done; the only place here that chooses a status.
#[derive(Debug)]
enum Refusal {
    Invalid(String),
    Missing(&'static str),
    Conflict(&'static str),
    TooMany,
    Internal,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Invalid(text) => (StatusCode::BAD_REQUEST, text),
            Self::Missing(what) => (StatusCode::NOT_FOUND, format!("there is no such {what}")),
            Self::Conflict(text) => (StatusCode::CONFLICT, text.to_owned()),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "the second-factor service has too much to do; ask again".to_owned(),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the second-factor service failed; see its log".to_owned(),
            ),
        };
        (status, Json(AdminError { error })).into_response()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Taken) {
            return Self::Conflict("that name is taken");
        }
        if error.is_overload() {
            return Self::TooMany;
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "second-factor store failed"
        );
        Self::Internal
    }
}

impl From<EnrollError> for Refusal {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::Invalid(text) => Self::Invalid(text.to_owned()),
            EnrollError::Missing(what) => Self::Missing(what),
            EnrollError::Store(error) => error.into(),
        }
    }
}

impl From<LoginError> for Refusal {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Invalid(name) => Self::Invalid(format!("no such {name}")),
            LoginError::Full => Self::Conflict("too many enrollments wait"),
            LoginError::Store(error) => error.into(),
        }
    }
}

const BODY_OCTETS: usize = 64 * 1024;
const MAX_APPLICATIONS: usize = 10_000;
const SHOWN_PUSHES: usize = 1_000;
