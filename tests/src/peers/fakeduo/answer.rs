//! One request to the double, from its octets to the answer.

use std::{collections::BTreeMap, convert::Infallible, future, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, StatusCode, Version, body::Incoming, header};
use serde_json::{Value, json};
use tokio::{sync::Notify, time};

use super::{
    Endpoint, Fault, Outcome, Preauth, Request,
    script::{State, Transaction},
    signature,
};
use crate::clock;

/// How long a poll is held when nothing changes.
const HOLD: Duration = Duration::from_secs(20);
/// The size of an oversized body, in octets.
const OVERSIZED: usize = 2 << 20;

type Response = hyper::Response<Full<Bytes>>;

/// The connection that a request came on.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    /// Cuts it.
    pub(super) cut: Notify,
}

/// Answers a request, or fails as the script has it.
pub(super) async fn answer(
    state: Arc<State>,
    connection: Arc<Connection>,
    request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return cut(&connection).await;
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let path = parts.uri.path().to_owned();
    let endpoint = match (&parts.method, path.as_str()) {
        (&Method::GET, "/auth/v2/ping") => Endpoint::Ping,
        (&Method::GET, "/auth/v2/check") => Endpoint::Check,
        (&Method::POST, "/auth/v2/preauth") => Endpoint::Preauth,
        (&Method::POST, "/auth/v2/auth") => Endpoint::Auth,
        (&Method::GET, "/auth/v2/auth_status") => Endpoint::AuthStatus,
        (&Method::POST, "/baseline/auth") => Endpoint::Baseline,
        _ => Endpoint::Other,
    };
    let in_body = parts.method == Method::POST;
    let pairs = signature::decode_pairs(if in_body {
        &body
    } else {
        parts.uri.query().unwrap_or_default()
    });
    let unsigned = matches!(endpoint, Endpoint::Ping | Endpoint::Baseline);
    let verdict = if unsigned {
        Ok(())
    } else {
        signature::judge(&parts, state.asked_as(), &pairs)
    };
    let params: BTreeMap<String, String> = pairs.into_iter().collect();

    let fault = {
        let mut script = state.lock();
        let of_transaction = params
            .get("txid")
            .and_then(|txid| script.transactions.get(txid));
        let of_transaction = of_transaction.map(|transaction| transaction.user.clone());
        let user = params.get("username").cloned().or(of_transaction);
        let fault = script.fault(endpoint, user.as_deref());
        script.requests.push(Request {
            endpoint,
            path,
            user,
            params: params.clone(),
            at: clock::now(),
            connection: connection.number,
            http2: parts.version == Version::HTTP_2,
            violation: verdict
                .as_ref()
                .err()
                .map(|violation| violation.text.clone()),
        });
        fault
    };
    if let Err(violation) = verdict {
        return Ok(failure(violation.code, "the double refused the request"));
    }
    Ok(match fault {
        None => perform(&state, endpoint, &params).await,
        Some(Fault::Hang) => future::pending().await,
        Some(Fault::Slow(delay)) => {
            time::sleep(delay).await;
            perform(&state, endpoint, &params).await
        }
        Some(Fault::LostAnswer) => {
            perform(&state, endpoint, &params).await;
            return cut(&connection).await;
        }
        Some(Fault::Close) => return cut(&connection).await,
        Some(Fault::Status(status)) => {
            failure(u32::from(status) * 100 + 1, "the double was told to fail")
        }
        Some(Fault::RetryAfter(seconds)) => {
            let mut response = failure(42901, "Too many requests");
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Some(Fault::Garbage) => respond(StatusCode::OK, "<html>This is no JSON".to_owned()),
        Some(Fault::Oversized) => ok(&json!({ "filler": "x".repeat(OVERSIZED) })),
        Some(Fault::Body(body)) => respond(StatusCode::OK, body),
    })
}

async fn cut(connection: &Connection) -> Result<Response, Infallible> {
    connection.cut.notify_one();
    future::pending().await
}

async fn perform(state: &State, endpoint: Endpoint, params: &BTreeMap<String, String>) -> Response {
    let param = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    match endpoint {
        Endpoint::Ping | Endpoint::Check => ok(&json!({ "time": clock::unix_seconds() })),
        Endpoint::Preauth if param("username").is_empty() => failure(40001, "username"),
        Endpoint::Preauth => preauth(state, param("username")),
        Endpoint::Auth if param("username").is_empty() => failure(40001, "username"),
        Endpoint::Auth => auth(state, param("username"), params).await,
        Endpoint::AuthStatus => auth_status(state, param("txid")).await,
        Endpoint::Baseline => {
            let txid = begin(state, param("username"), "push");
            match decided(state, &txid).await {
                Some(Transaction {
                    outcome: Outcome::Allow,
                    ..
                }) => respond(StatusCode::OK, String::new()),
                _ => respond(StatusCode::UNAUTHORIZED, String::new()),
            }
        }
        Endpoint::Other => failure(40401, "Resource not found"),
    }
}

fn preauth(state: &State, name: &str) -> Response {
    let user = state.lock().describe(name);
    ok(&match user.preauth {
        Preauth::Auth => json!({
            "result": "auth", "status_msg": "Account is active", "devices": user.devices,
        }),
        Preauth::Allow(text) => json!({ "result": "allow", "status_msg": text }),
        Preauth::Deny(text) => json!({ "result": "deny", "status_msg": text }),
        Preauth::Enroll(url) => json!({
            "result": "enroll", "status_msg": "Enroll an authentication device to proceed",
            "enroll_portal_url": url,
        }),
    })
}

async fn auth(state: &State, name: &str, params: &BTreeMap<String, String>) -> Response {
    let param = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    let factor = param("factor");
    match factor {
        "passcode" if param("passcode").is_empty() => failure(40001, "passcode"),
        "passcode" if param("passcode") == state.lock().describe(name).passcode => {
            ok(&verdict(Outcome::Allow, factor))
        }
        "passcode" => ok(&json!({
            "result": "deny", "status": "deny",
            "status_msg": "Invalid passcode, please try again.",
        })),
        "push" | "phone" | "sms" if param("device").is_empty() => failure(40001, "device"),
        "sms" => ok(&json!({
            "result": "deny", "status": "sent", "status_msg": "New SMS passcodes sent.",
        })),
        "auto" | "push" | "phone" => {
            let txid = begin(state, name, factor);
            if param("async") == "1" {
                return ok(&json!({ "txid": txid }));
            }
            match decided(state, &txid).await {
                Some(transaction) => ok(&verdict(transaction.outcome, factor)),
                None => ok(&verdict(Outcome::TimeOut, factor)),
            }
        }
        _ => failure(40002, "factor"),
    }
}

/// The first poll is answered at once; the next ones when there is a decision, or after [`HOLD`].
async fn auth_status(state: &State, txid: &str) -> Response {
    let (first, transaction) = {
        let mut script = state.lock();
        let Some(transaction) = script.transactions.get_mut(txid) else {
            return failure(40002, "txid");
        };
        let first = !transaction.polled;
        transaction.polled = true;
        (first, transaction.clone())
    };
    if transaction.is_decided() {
        return ok(&verdict(transaction.outcome, &transaction.factor));
    }
    let decision = if first {
        None
    } else {
        decided(state, txid).await
    };
    ok(&verdict(
        decision.map_or(Outcome::Wait, |decided| decided.outcome),
        &transaction.factor,
    ))
}

fn begin(state: &State, name: &str, factor: &str) -> String {
    let mut script = state.lock();
    let user = script.describe(name);
    let mut random = [0; 16];
    getrandom::fill(&mut random).unwrap();
    let txid = format!("{:032x}", u128::from_ne_bytes(random));
    let transaction = Transaction {
        user: name.to_owned(),
        factor: factor.to_owned(),
        outcome: user.outcome,
        ready_at: clock::now() + user.after,
        polled: false,
    };
    script.transactions.insert(txid.clone(), transaction);
    txid
}

/// Waits for the decision; `None` when there is none within [`HOLD`].
async fn decided(state: &State, txid: &str) -> Option<Transaction> {
    let end = clock::now() + HOLD;
    let mut decisions = state.decisions();
    loop {
        let transaction = state.lock().transactions.get(txid).cloned()?;
        if transaction.is_decided() {
            return Some(transaction);
        }
        if clock::now() >= end {
            return None;
        }
        let known_at = if transaction.outcome == Outcome::Wait {
            end
        } else {
            transaction.ready_at
        };
        tokio::select! {
            () = time::sleep_until(known_at.min(end).into()) => {}
            _ = decisions.changed() => {}
        }
    }
}

fn verdict(outcome: Outcome, factor: &str) -> Value {
    let (result, status, text) = match (outcome, factor) {
        (Outcome::Allow, _) => ("allow", "allow", "Success. Logging you in..."),
        (Outcome::Deny, _) => ("deny", "deny", "Login request denied."),
        (Outcome::Fraud, _) => ("deny", "fraud", "Login request reported as fraudulent."),
        (Outcome::TimeOut, _) => ("deny", "timeout", "Authentication timed out."),
        (Outcome::LockedOut, _) => ("deny", "locked_out", "Your account is locked out."),
        (Outcome::Wait, "phone") => ("waiting", "calling", "Dialing XXX-XXX-0100..."),
        (Outcome::Wait, _) => (
            "waiting",
            "pushed",
            "Pushed a login request to your device...",
        ),
    };
    json!({ "result": result, "status": status, "status_msg": text })
}

fn ok(response: &Value) -> Response {
    respond(
        StatusCode::OK,
        json!({ "stat": "OK", "response": response }).to_string(),
    )
}

fn failure(code: u32, message: &str) -> Response {
    let status = u16::try_from(code / 100)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    let body = json!({ "stat": "FAIL", "code": code, "message": message });
    respond(
        status.expect("a code is a status and two digits"),
        body.to_string(),
    )
}

fn respond(status: StatusCode, body: String) -> Response {
    hyper::Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}
