//! What waits on a device, and a person's answers to it.

use std::sync::Arc;
use std::time::Duration;

use ring::digest;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fault::Fault;
use super::said;
use crate::account::Device;
use crate::api::Answer;
use crate::doors::Origin;
use crate::params::{Pairs, Params};
use crate::push::{Push, Txid};
use crate::service::{By, Service, Session};
use crate::verdict::Verdict;

/// A passkey's answer, as the browser gave it.
#[derive(Deserialize)]
pub(super) struct SignIn {
    pub(super) response: Box<RawValue>,
}

/// The binding of a phone: first without, then with what the browser made.
#[derive(Deserialize)]
pub(super) struct Bind {
    pub(super) token: String,
    #[serde(default)]
    pub(super) response: Option<Box<RawValue>>,
}

/// An answer to a login.
#[derive(Deserialize)]
pub(super) struct Respond {
    txid: String,
    /// To refuse it.
    #[serde(default)]
    answer: Option<Refusal>,
    /// To approve it.
    #[serde(default)]
    response: Option<Box<RawValue>>,
    /// To approve it: the number that the login shows.
    #[serde(default)]
    number: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    Deny,
    Fraud,
}

/// What waits on a device; at once when it is not what the page knows, else when it changes or after a
/// while.
pub(super) async fn waiting(
    service: &Service,
    session: &Session,
    device: &Arc<Device>,
    query: Option<&str>,
) -> Result<Answer, Fault> {
    let pairs = Pairs::parse(query.unwrap_or_default().as_bytes());
    let params = Params::from_pairs(&pairs).map_err(|_| Fault::Form)?;
    let known = params.get("after").unwrap_or_default();
    let _place = service.watchers.try_acquire().map_err(|_| Fault::TooMany)?;
    let mut changes = service.pushes.watch(&device.id);
    let until = Instant::now() + HOLD;
    let leaving = service.gate.leaving();
    let mut over = false;
    loop {
        let pushes = service.pushes.of_device(&device.id, SHOWN);
        let version = version_of(&pushes);
        if over || version != known {
            return Ok(said(&shown(service, session, device, &pushes, &version)));
        }
        tokio::select! {
            // Others look at the same device, more than it may have.
            changed = changes.changed() => changed.map_err(|_| Fault::TooMany)?,
            () = tokio::time::sleep_until(until) => over = true,
            () = leaving.cancelled() => over = true,
        }
    }
}

/// What the passkey is asked for the approval of a login.
pub(super) async fn approval_options(
    service: &Service,
    device: &Device,
    asked: &Respond,
) -> Result<Answer, Fault> {
    let push = waits(service, device, asked)?;
    Ok(said(&service.approval_options(push.txid, device).await?))
}

/// Approves a login that the device's passkey signed for.
pub(super) async fn approve(
    service: &Service,
    (session, origin): (&Session, Origin),
    device: &Device,
    asked: &Respond,
) -> Result<Answer, Fault> {
    let push = waits(service, device, asked)?;
    let response = asked.response.as_ref().ok_or(Fault::Form)?;
    service
        .verify_approval(
            push.txid,
            (&session.account, device),
            (response.get().as_bytes(), origin),
        )
        .await?;
    let ended = service
        .answer_push(
            push.txid,
            Verdict::Allow,
            By::Person(asked.number.as_deref()),
            |_| true,
        )
        .await?;
    match ended.ok_or(Fault::Gone)? {
        Verdict::Allow => Ok(said(&json!({"answer": "approve"}))),
        Verdict::LockedOut => Err(Fault::LockedOut),
        Verdict::Deny => Err(Fault::WrongNumber),
        _ => Err(Fault::Disabled),
    }
}

/// Refuses a login.
pub(super) async fn refuse(
    service: &Service,
    device: &Device,
    asked: &Respond,
) -> Result<Answer, Fault> {
    let push = waits(service, device, asked)?;
    let (verdict, word) = match asked.answer.ok_or(Fault::Form)? {
        Refusal::Deny => (Verdict::Deny, "deny"),
        Refusal::Fraud => (Verdict::Fraud, "fraud"),
    };
    let ended = service
        .answer_push(push.txid, verdict, By::Person(None), |_| true)
        .await?;
    ended.ok_or(Fault::Gone)?;
    Ok(said(&json!({"answer": word})))
}

/// The login that is answered, which waits on this very device.
fn waits(service: &Service, device: &Device, asked: &Respond) -> Result<Arc<Push>, Fault> {
    let txid = Txid::parse(&asked.txid).ok_or(Fault::Form)?;
    let push = service.pushes.get(txid);
    push.filter(|push| push.device == device.id)
        .ok_or(Fault::Gone)
}

/// The same for the same logins, in any process.
fn version_of(pushes: &[Arc<Push>]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for push in pushes {
        context.update(push.txid.to_string().as_bytes());
    }
    let digest = context.finish();
    let digest = digest.as_ref().first_chunk::<12>();
    data_encoding::HEXLOWER.encode(digest.map_or(&[][..], |octets| octets))
}

fn shown(
    service: &Service,
    session: &Session,
    device: &Device,
    pushes: &[Arc<Push>],
    version: &str,
) -> Value {
    let now = Instant::now();
    let seconds = |duration: Duration| duration.as_secs();
    let waiting: Vec<Value> = pushes
        .iter()
        .map(|push| {
            let left = service.pushes.due(push.txid);
            let left = left.map(|due| due.saturating_duration_since(now));
            json!({
                "txid": push.txid.to_string(),
                "application": &*push.application,
                "kind": &*push.details.kind,
                "user": match &*push.details.display_name {
                    "" => &*push.user,
                    name => name,
                },
                "ip": &*push.details.ip,
                "client": &*push.details.client,
                "number": push.needs_number(),
                "info": push.details.info,
                "sent_seconds": seconds(now.saturating_duration_since(push.sent)),
                "left_seconds": left.map_or(0, seconds),
            })
        })
        .collect();
    json!({
        "version": version,
        "user": session.account.name,
        "device": device.display_name(),
        "notified": device.notified,
        "waiting": waiting,
    })
}

/// How long the page is kept waiting for a change. Proxies give up after 30 s or more.
const HOLD: Duration = Duration::from_secs(25);
const SHOWN: usize = 20;
