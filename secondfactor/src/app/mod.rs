//! The approval app under `/app/`: what waits on a phone or security key, and the answers to it. JSON for
//! the page in `assets/`, which is the same for everybody.
//!
//! A session sees and refuses; only the device's own passkey approves, and only the one login that it
//! signed for.

mod answers;
mod assets;
mod fault;
mod notices;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::account::{Account, Device};
use crate::admin::UserStatus;
use crate::api::{Answer, form_of, text, text_of};
use crate::clock;
use crate::doors::Origin;
use crate::service::{OwnChange, PasskeyError, PasskeyKind, Purpose, Registrant, Service, Session};
use crate::store::Approver;
use answers::{Bind, Respond, SignIn};
use fault::Fault;

/// Whether a path is the app's.
pub(crate) fn owns(service: &Service, path: &str) -> bool {
    path == "/app"
        || path.starts_with("/app/")
        || assets::find(path).is_some()
        // Otherwise the address itself is the credential.
        || (path.starts_with(APPROVE) && !service.rules.approve_by_link)
}

/// Answers a request for the app.
pub(crate) async fn respond(service: &Service, request: Request<Incoming>) -> Answer {
    let answer = route(service, request).await;
    let mut answer = answer.unwrap_or_else(|fault| fault.answer());
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().entry(*name).or_insert(value);
    }
    answer
}

async fn route(service: &Service, request: Request<Incoming>) -> Result<Answer, Fault> {
    let (head, body) = request.into_parts();
    let origin = head.extensions.get().copied().unwrap_or(Origin::Local);
    match head.method {
        Method::GET => read(service, &head, origin).await,
        Method::POST => {
            own_origin(service, &head.headers)?;
            let path = head.uri.path();
            // A stranger's body is not waited for but where one may come from strangers.
            if !path.starts_with("/app/sign-in") && !path.starts_with("/app/bind") {
                let turn = service.look(origin).await?;
                let (session, _) = signed_in(service, &head.headers).await?;
                drop(turn);
                if !service.may_ask(&session) {
                    return Err(Fault::TooMany);
                }
            }
            let body = form_of(service, origin, body).await?;
            // What is answered here is known to a process that takes over.
            let _inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
            let _turn = service.look(origin).await?;
            change(service, &head, origin, &body).await
        }
        _ => Err(Fault::Method),
    }
}

async fn read(service: &Service, head: &Parts, origin: Origin) -> Result<Answer, Fault> {
    let path = head.uri.path();
    if let Some(token) = path.strip_prefix(APPROVE) {
        let _turn = service.look(origin).await?;
        return approval_address(service, token).await;
    }
    match path {
        "/app" => Ok(see_other(assets::APP)),
        "/app/waiting" => {
            let turn = service.look(origin).await?;
            let (session, device) = signed_in(service, &head.headers).await?;
            // What it waits for is kept in memory.
            drop(turn);
            answers::waiting(service, &session, &device, head.uri.query()).await
        }
        "/app/notices" => {
            let _turn = service.look(origin).await?;
            signed_in(service, &head.headers).await?;
            notices::key(service)
        }
        _ => assets::find(path).ok_or(Fault::NotFound),
    }
}

async fn change(
    service: &Service,
    head: &Parts,
    origin: Origin,
    body: &[u8],
) -> Result<Answer, Fault> {
    match head.uri.path() {
        "/app/sign-in/options" => Ok(said(&service.sign_in_options(Purpose::Approve)?)),
        "/app/sign-in" => {
            let SignIn { response } = form(body)?;
            let response = response.get().as_bytes();
            let found = service.verify_sign_in(Purpose::Approve, response, origin);
            let (account, device) = found.await?;
            begin(service, &head.headers, &account, &device).await
        }
        "/app/sign-out" => {
            let (session, _) = signed_in(service, &head.headers).await?;
            let mut answer = said(&json!({}));
            let cookie = service.end_session(&session).await?;
            answer.headers_mut().insert(header::SET_COOKIE, cookie);
            Ok(answer)
        }
        "/app/bind/options" => {
            let Bind { token, .. } = form(body)?;
            let (account, device, kind) = unbound(service, &token).await?;
            let registrant = Registrant {
                name: &account.name,
                full_name: &account.full_name,
                user_id: Some(&account.id),
                kind,
                context: &context(&device),
            };
            let options = service.registration_options(registrant).await?;
            let user = &account.name;
            Ok(said(&json!({"user": user, "options": options})))
        }
        "/app/bind" => {
            let Bind { token, response } = form(body)?;
            let response = response.ok_or(Fault::Form)?;
            let (account, device, _) = unbound(service, &token).await?;
            let response = response.get().as_bytes();
            let passkey = service.verify_registration(&context(&device), response)?;
            service.bind_device(&account, &device, &passkey).await?;
            service.report_own_change(&account, origin, OwnChange::Bound(&device));
            begin(service, &head.headers, &account, &device).await
        }
        "/app/approve/options" => {
            let (_, device) = signed_in(service, &head.headers).await?;
            answers::approval_options(service, &device, &form::<Respond>(body)?).await
        }
        "/app/approve" => {
            let (session, device) = signed_in(service, &head.headers).await?;
            let asked = form::<Respond>(body)?;
            answers::approve(service, (&session, origin), &device, &asked).await
        }
        "/app/refuse" => {
            let (_, device) = signed_in(service, &head.headers).await?;
            answers::refuse(service, &device, &form::<Respond>(body)?).await
        }
        "/app/subscription" => {
            let (session, device) = signed_in(service, &head.headers).await?;
            notices::subscribe(service, &session, &device, form(body)?).await
        }
        "/app/subscription/delete" => {
            let (session, device) = signed_in(service, &head.headers).await?;
            notices::unsubscribe(service, &session, &device).await
        }
        _ => Err(Fault::NotFound),
    }
}

/// What a phone's own address shows: the way to bind it, once.
async fn approval_address(service: &Service, token: &str) -> Result<Answer, Fault> {
    match service.approver(token).await? {
        Some(found) if found.device.bound => Ok(see_other(assets::APP)),
        Some(found) if clock::unix_ms() < found.binds_until_ms => Ok(assets::page()),
        // The page says so in its own words.
        _ => {
            let mut page = assets::page();
            *page.status_mut() = StatusCode::NOT_FOUND;
            Ok(page)
        }
    }
}

/// The device of an address that no passkey binds yet.
async fn unbound(
    service: &Service,
    token: &str,
) -> Result<(Account, Arc<Device>, PasskeyKind), Fault> {
    let found = service.approver(token).await?;
    let Approver {
        account,
        device,
        binds_until_ms,
    } = found.ok_or(Fault::NoSuchAddress)?;
    let kind = PasskeyKind::of(device.kind).ok_or(Fault::NoSuchAddress)?;
    if device.bound {
        return Err(PasskeyError::Taken.into());
    }
    if binds_until_ms <= clock::unix_ms() {
        return Err(Fault::NoSuchAddress);
    }
    Ok((account, device, kind))
}

fn context(device: &Device) -> String {
    format!("device/{}", device.id)
}

/// Begins a session in the place of the one that the browser has.
async fn begin(
    service: &Service,
    headers: &HeaderMap,
    account: &Account,
    device: &Device,
) -> Result<Answer, Fault> {
    if account.status == UserStatus::Disabled {
        return Err(Fault::Disabled);
    }
    if let Some(before) = service.session(headers, Purpose::Approve).await? {
        service.end_session(&before).await?;
    }
    let cookie = service.begin_session(account, Some(device), Purpose::Approve);
    let cookie = cookie.await?;
    let mut answer = said(&json!({}));
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(answer)
}

async fn signed_in(
    service: &Service,
    headers: &HeaderMap,
) -> Result<(Session, Arc<Device>), Fault> {
    let session = service.session(headers, Purpose::Approve).await?;
    let session = session.ok_or(Fault::SignedOut)?;
    let device = session.device.clone().ok_or(Fault::SignedOut)?;
    Ok((session, device))
}

/// Browsers say which page a POST comes from. Passkeys work at one address only, so it is that one.
fn own_origin(service: &Service, headers: &HeaderMap) -> Result<(), Fault> {
    let own = service.origin().ok_or(PasskeyError::NoName)?;
    match text_of(headers, header::ORIGIN.as_str()) {
        Some(origin) if origin.eq_ignore_ascii_case(own) => Ok(()),
        _ => Err(Fault::OtherOrigin(own.to_owned())),
    }
}

fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|_| Fault::Form)
}

fn said(value: &Value) -> Answer {
    text(StatusCode::OK, "application/json", value.to_string())
}

fn see_other(path: &'static str) -> Answer {
    let mut answer = text(StatusCode::SEE_OTHER, "text/plain", String::new());
    let location = HeaderValue::from_static(path);
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

const APPROVE: &str = "/approve/";

const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (
        "permissions-policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), \
         geolocation=(), microphone=()",
    ),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cache-control", "no-store"),
];
