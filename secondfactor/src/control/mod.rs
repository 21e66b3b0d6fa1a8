//! The routes of the admin socket: JSON in, JSON out. Who may call is the socket's business.

mod applications;
mod delivery;
mod enrollments;
mod people;
mod policies;
mod refusal;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use proto::secret::Secret;
use std::net::SocketAddr;
use tokio::time::Instant;

use crate::account::{Account, Device as StoredDevice};
use crate::admin::{
    BypassCodes, ChangeUser, CreatedDevice, CreatedUser, Device, DeviceKind, Done, NewBypassCodes,
    NewDevice, NewUser, SmsCodes, Status, User, WaitingPush,
};
use crate::clock;
use refusal::Refusal;

use crate::push::Txid;
use crate::service::{By, NewSecret, Service};
use crate::store::Attempt;
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
        .route("/users", get(people::users).post(create_user))
        .route("/users/{name}", get(user).post(change_user))
        .route("/users/{name}/delete", post(delete_user))
        .route("/users/{name}/devices", post(create_device))
        .route("/users/{name}/devices/{id}/delete", post(delete_device))
        .route("/users/{name}/bypass-codes", post(create_bypass_codes))
        .route("/users/{name}/sms-codes", get(sms_codes))
        .route("/pushes", get(pushes))
        .route("/pushes/{txid}/approve", post(approve))
        .route("/pushes/{txid}/deny", post(deny))
        .route("/pushes/{txid}/fraud", post(fraud))
        .merge(applications::routes())
        .merge(policies::routes())
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok"))
        .merge(tokens::routes())
        .merge(enrollments::routes())
        .merge(people::routes())
        .merge(delivery::routes())
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
        Method::POST if request.uri().path() == delivery::TEST => None,
        _ => match control.service.gate.enter().await {
            None => return Refusal::TooMany.into_response(),
            inside => inside,
        },
    };
    let changes = *request.method() != Method::GET;
    let path = request.uri().path().to_owned();
    let work = async move {
        let _inside = inside;
        let answer = next.run(request).await;
        // What was sent may be a secret. Who asked is in the control plane's audit; who came past it is not.
        if changes {
            let status = answer.status().as_u16();
            tracing::info!(path, status, "done at the admin socket");
        }
        answer
    };
    let done = control.service.tasks.spawn(work).await;
    done.unwrap_or_else(|_| Refusal::Internal.into_response())
}

/// Whether something is only tried: it is checked as if it were done, and answered without what it makes.
#[derive(serde::Deserialize)]
struct Try {
    #[serde(default)]
    dry_run: bool,
}

impl Try {
    const fn attempt(&self) -> Attempt {
        match self.dry_run {
            true => Attempt::Tried,
            false => Attempt::Real,
        }
    }
}

type Answered<T> = Result<Json<T>, Refusal>;

async fn create_user(
    State(control): State<Control>,
    Query(try_it): Query<Try>,
    Json(new): Json<NewUser>,
) -> Answered<CreatedUser> {
    let attempt = try_it.attempt();
    let (account, made) = control.service.create_user(&new, attempt).await?;
    let made = made.into_iter().map(|made| created(made, attempt));
    Ok(Json(CreatedUser {
        user: user_of(&account),
        devices: made.collect(),
    }))
}

async fn user(State(control): State<Control>, Path(name): Path<String>) -> Answered<User> {
    Ok(Json(user_of(&find(&control, &name).await?)))
}

async fn change_user(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
    Json(change): Json<ChangeUser>,
) -> Answered<User> {
    let account = find(&control, &name).await?;
    let service = &control.service;
    let changed = service.change_user(account, change, try_it.attempt());
    Ok(Json(user_of(&changed.await?)))
}

async fn delete_user(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    let account = find(&control, &name).await?;
    if try_it.attempt() == Attempt::Real {
        control.service.delete_user(&account).await?;
    }
    Ok(Json(Done {}))
}

async fn create_device(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
    Json(new): Json<NewDevice>,
) -> Answered<CreatedDevice> {
    let account = find(&control, &name).await?;
    let attempt = try_it.attempt();
    let made = control.service.create_device(&account, &new, attempt);
    Ok(Json(created(made.await?, attempt)))
}

async fn delete_device(
    State(control): State<Control>,
    Path((name, id)): Path<(String, String)>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    let account = find(&control, &name).await?;
    let there = match try_it.attempt() {
        Attempt::Real => control.service.delete_device(&account, &id, None).await?,
        Attempt::Tried => account.devices.iter().any(|device| *device.id == *id),
    };
    match there {
        true => Ok(Json(Done {})),
        false => Err(Refusal::Missing("device")),
    }
}

async fn create_bypass_codes(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
    Json(new): Json<NewBypassCodes>,
) -> Answered<BypassCodes> {
    let account = find(&control, &name).await?;
    let count = new.count.unwrap_or(10);
    if !(1..=100).contains(&count) {
        return Err(Refusal::Invalid(
            "1 to 100 codes are made at once".to_owned(),
        ));
    }
    if new.valid_seconds == Some(0) {
        return Err(Refusal::Invalid(
            "codes live a second at the least; without valid_seconds they do not run out"
                .to_owned(),
        ));
    }
    if try_it.attempt() == Attempt::Tried {
        return Ok(Json(BypassCodes { codes: Vec::new() }));
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

async fn pushes(State(control): State<Control>) -> Json<Vec<WaitingPush>> {
    let now = Instant::now();
    let pushes = control.service.pushes.list(SHOWN_PUSHES);
    let waiting = pushes.iter().map(|push| WaitingPush {
        txid: push.txid.to_string(),
        user: push.user.to_string(),
        device: push.device.to_string(),
        application: push.application.to_string(),
        ip: push.details.ip.to_string(),
        client: push.details.client.to_string(),
        number_matching: push.needs_number(),
        age_seconds: now.saturating_duration_since(push.sent).as_secs(),
    });
    Json(waiting.collect())
}

async fn approve(
    State(control): State<Control>,
    Path(txid): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    decide(&control, &txid, Verdict::Allow, &try_it).await
}

async fn deny(
    State(control): State<Control>,
    Path(txid): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    decide(&control, &txid, Verdict::Deny, &try_it).await
}

async fn fraud(
    State(control): State<Control>,
    Path(txid): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    decide(&control, &txid, Verdict::Fraud, &try_it).await
}

async fn decide(control: &Control, txid: &str, verdict: Verdict, try_it: &Try) -> Answered<Done> {
    let missing = Refusal::Missing("push that waits");
    let Some(txid) = Txid::parse(txid) else {
        return Err(missing);
    };
    let service = &control.service;
    let ended = match (try_it.attempt(), service.pushes.get(txid)) {
        (Attempt::Real, _) => {
            service
                .answer_push(txid, verdict, By::Administrator, |_| true)
                .await?
        }
        (Attempt::Tried, Some(push)) => Some(service.taken_as(verdict, &push).await?),
        (Attempt::Tried, None) => None,
    };
    match ended {
        Some(ended) if ended == verdict => Ok(Json(Done {})),
        Some(_) => Err(Refusal::Conflict(
            "that user is locked out or disabled: the push is refused",
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
        lacks: service.lacks().map(str::to_owned),
        uptime_seconds: service.started.elapsed().as_secs(),
        users: service.store.count_users().await?,
        pushes_waiting: u64::try_from(service.pushes.waiting()).unwrap_or(u64::MAX),
        connections: u64::try_from(service.metrics.connections.get()).unwrap_or(0),
        syncs: service.store.syncs().await?,
    }))
}

async fn metrics(State(control): State<Control>) -> Response {
    let service = &control.service;
    let waiting = i64::try_from(service.pushes.waiting()).unwrap_or(i64::MAX);
    service.metrics.pushes_waiting.set(waiting);
    // What cannot be read is not told; it is in the log of whoever asks for it.
    if let Ok(syncs) = service.store.syncs().await {
        let oldest = syncs.iter().map(|one| one.taken_at).min().unwrap_or(0);
        let oldest = i64::try_from(oldest).unwrap_or(i64::MAX);
        service.metrics.oldest_sync.set(oldest);
    }
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
    let found = control.service.account_shown(name).await?;
    found.ok_or(Refusal::Missing("user"))
}

fn user_of(account: &Account) -> User {
    let (status, bypass_until) = people::status_now(account, clock::unix_ms());
    User {
        id: account.id.clone(),
        name: account.name.clone(),
        status,
        bypass_until,
        full_name: account.full_name.clone(),
        email: account.email.clone(),
        aliases: account.aliases.clone(),
        groups: account.groups.clone(),
        source: account.source.clone(),
        last_login: account.last_login_ms.map(|ms| ms / 1_000),
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
        serial: device.serial.clone(),
        bound: device.bound,
        bindable_until: match device.kind {
            DeviceKind::Phone if device.capabilities.push => {
                device.answered_until_ms.map(|ms| ms / 1_000)
            }
            _ => None,
        },
        synced: device.synced,
        notified: device.notified,
        drift: device.drift,
        last_used: device.last_used_ms.map(|ms| ms / 1_000),
    }
}

fn created((device, secret): (StoredDevice, NewSecret), attempt: Attempt) -> CreatedDevice {
    let device = device_of(&device);
    // What is not kept is a secret of nothing.
    let secret = match attempt {
        Attempt::Real => secret,
        Attempt::Tried => NewSecret::None,
    };
    match secret {
        NewSecret::None => CreatedDevice {
            device,
            approval_url: None,
            otpauth_uri: None,
            secret: None,
        },
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

const BODY_OCTETS: usize = 64 * 1024;
const SHOWN_PUSHES: usize = 1_000;
