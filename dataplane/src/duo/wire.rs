//! Requests written down, and answers read (duo-auth-api section 2). Pure.
//!
//! What decides must be there and be known: `result`, a device's id, the transaction's id. The
//! texts for people may be missing.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::{Failure, FailureKind};
use super::message::{
    AuthFactor, AuthReply, AuthRequest, AuthResult, AuthStatus, Capabilities, Decision, Device,
    DeviceChoice, Preauth, PreauthRequest, PushNumber, Txid,
};
use super::sign::Parameters;

/// A request, written down but neither dated nor signed.
pub(crate) struct Written {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The parameters line: the body of a POST, the query of a GET.
    pub(crate) parameters: Vec<u8>,
}

/// Writes `/auth/v2/preauth`.
pub(crate) fn preauth(request: &PreauthRequest) -> Written {
    let hostname = request.hostname.as_deref();
    let mut parameters = room(&[&request.username, hostname.unwrap_or_default()]);
    if request.shows_numbers {
        parameters.add("client_supports_verified_push", "1");
    }
    if let Some(hostname) = hostname {
        parameters.add("hostname", hostname);
    }
    if let Some(ipaddr) = &request.ipaddr {
        parameters.add("ipaddr", ipaddr);
    }
    parameters.add("username", &request.username);
    post("/auth/v2/preauth", parameters)
}

/// Writes `/auth/v2/auth`.
pub(crate) fn auth(request: &AuthRequest) -> Written {
    let (word, device, passcode) = match &request.factor {
        AuthFactor::Auto => ("auto", Some(&DeviceChoice::Auto), None),
        AuthFactor::Push(device) => ("push", Some(device), None),
        AuthFactor::Phone(device) => ("phone", Some(device), None),
        AuthFactor::Sms(device) => ("sms", Some(device), None),
        AuthFactor::Passcode(code) => ("passcode", None, Some(code.expose())),
    };
    let hostname = request.hostname.as_deref();
    let mut parameters = room(&[
        &request.username,
        passcode.map_or("", |code| code),
        hostname.unwrap_or_default(),
    ]);
    let waits = request.factor.waits_for_a_person();
    parameters.add("async", if waits { "1" } else { "0" });
    match device {
        Some(DeviceChoice::Auto) => _ = parameters.add("device", "auto"),
        Some(DeviceChoice::Id(id)) => _ = parameters.add("device", id),
        None => {}
    }
    parameters.add("factor", word);
    if let Some(hostname) = hostname {
        parameters.add("hostname", hostname);
    }
    if let Some(ipaddr) = &request.ipaddr {
        parameters.add("ipaddr", ipaddr);
    }
    if let Some(code) = passcode {
        parameters.add("passcode", code);
    }
    if let Some(Txid(txid)) = &request.txid {
        parameters.add("txid", txid);
    }
    parameters.add("username", &request.username);
    post("/auth/v2/auth", parameters)
}

/// Writes `/auth/v2/auth_status`.
pub(crate) fn auth_status(txid: &Txid) -> Written {
    let mut parameters = Parameters::default();
    parameters.add("txid", &txid.0);
    get("/auth/v2/auth_status", parameters)
}

/// Writes `/auth/v2/ping`, which the service answers without looking at the signature.
pub(crate) fn ping() -> Written {
    get("/auth/v2/ping", Parameters::default())
}

/// Writes `/auth/v2/check`.
pub(crate) fn check() -> Written {
    get("/auth/v2/check", Parameters::default())
}

/// Each octet may become three.
fn room(values: &[&str]) -> Parameters {
    Parameters::with_capacity(FIXED_OCTETS + values.iter().map(|v| v.len() * 3).sum::<usize>())
}

fn post(path: &'static str, parameters: Parameters) -> Written {
    Written {
        method: Method::POST,
        path,
        parameters: parameters.into_octets(),
    }
}

fn get(path: &'static str, parameters: Parameters) -> Written {
    Written {
        method: Method::GET,
        path,
        parameters: parameters.into_octets(),
    }
}

/// An answer that refuses the request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    /// The service says that our clock is wrong.
    pub(crate) clock: bool,
}

/// Tells whether a status and body are a success, and what refused the request when not.
///
/// # Errors
/// [`Refusal`] for every status but 200.
pub(crate) fn accepted(status: StatusCode, body: &[u8]) -> Result<(), Refusal> {
    let kind = match status.as_u16() {
        200 => return Ok(()),
        400 => FailureKind::BadRequest,
        401 => FailureKind::Credentials,
        429 => FailureKind::RateLimited,
        500..=599 => FailureKind::Server,
        300..=499 => FailureKind::Refused,
        _ => FailureKind::Unreadable,
    };
    let fault: Fault = serde_json::from_slice(body).unwrap_or_default();
    let code = fault.code();
    Err(Refusal {
        failure: Failure {
            kind,
            detail: fault.detail(status.as_u16()),
        },
        clock: matches!(code, Some(MISSING_TIMESTAMP | BAD_TIMESTAMP)),
    })
}

/// Reads preauth's answer. A number for pushes is read where one can be shown, and else passed over.
///
/// # Errors
/// Unreadable, or what `stat: FAIL` means.
pub(crate) fn read_preauth(body: &[u8], shows_numbers: bool) -> Result<Preauth, Failure> {
    let answer: PreauthAnswer = response(body)?;
    let status_msg = answer.status_msg;
    Ok(match answer.result.as_str() {
        "allow" => Preauth::Allow { status_msg },
        "deny" => Preauth::Deny { status_msg },
        "enroll" => Preauth::Enroll {
            status_msg,
            portal_url: answer.enroll_portal_url,
        },
        "auth" => Preauth::Auth {
            status_msg,
            number: match (shows_numbers, answer.verification_code) {
                (true, Some(code)) => Some(push_number(&code, answer.txid.as_ref())?),
                _ => None,
            },
            devices: answer
                .devices
                .ok_or_else(|| unreadable("the answer names no devices"))?
                .into_iter()
                .map(Device::from)
                .collect(),
        },
        other => return Err(unknown("result", other)),
    })
}

/// A person types the number, and the State keeps both: neither may be anything else.
fn push_number(code: &Value, txid: Option<&Value>) -> Result<PushNumber, Failure> {
    code.as_str()
        .zip(txid.and_then(Value::as_str))
        .and_then(|(code, txid)| PushNumber::new(txid, code))
        .ok_or_else(|| unreadable("the answer's verification code or its transaction is none"))
}

/// Reads auth's answer: a transaction when it was to wait for a person, else a decision. A service
/// may decide at once in either case.
///
/// # Errors
/// Unreadable, or what `stat: FAIL` means.
pub(crate) fn read_auth(body: &[u8], waits: bool) -> Result<AuthReply, Failure> {
    let answer: AuthAnswer = response(body)?;
    if let (true, Some(txid)) = (waits, &answer.txid) {
        return Ok(AuthReply::Started(Txid(txid.clone())));
    }
    let decision = decision(answer)?;
    if decision.result == AuthResult::Waiting {
        return Err(unreadable(
            "the answer says 'waiting' but names no transaction",
        ));
    }
    Ok(AuthReply::Decided(decision))
}

/// Reads auth_status' answer.
///
/// # Errors
/// Unreadable, or what `stat: FAIL` means.
pub(crate) fn read_auth_status(body: &[u8]) -> Result<Decision, Failure> {
    decision(response(body)?)
}

/// Reads the time, in seconds since 1970, out of an answer of ping or check.
///
/// # Errors
/// Unreadable, or what `stat: FAIL` means.
pub(crate) fn read_time(body: &[u8]) -> Result<u64, Failure> {
    response::<TimeAnswer>(body).map(|answer| answer.time)
}

fn decision(answer: AuthAnswer) -> Result<Decision, Failure> {
    let result = match answer.result.as_deref() {
        Some("allow") => AuthResult::Allow,
        Some("deny") => AuthResult::Deny,
        Some("waiting") => AuthResult::Waiting,
        Some(other) => return Err(unknown("result", other)),
        None => return Err(unreadable("the answer has no result")),
    };
    let status = match answer.status.as_str() {
        "bypass" => AuthStatus::Bypass,
        "deny" => AuthStatus::Deny,
        "timeout" => AuthStatus::Timeout,
        "fraud" => AuthStatus::Fraud,
        "locked_out" => AuthStatus::LockedOut,
        "sent" => AuthStatus::Sent,
        _ => AuthStatus::Other,
    };
    Ok(Decision {
        result,
        status,
        status_msg: answer.status_msg,
    })
}

fn response<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.len() > BODY_OCTETS {
        return Err(too_long());
    }
    // The fault's members are read only when needed: a good answer is the usual case.
    match serde_json::from_slice::<Envelope<T>>(body) {
        Ok(envelope) if envelope.stat == "OK" => envelope
            .response
            .ok_or_else(|| unreadable("the answer has no response")),
        Ok(envelope) if envelope.stat == "FAIL" => Err(failed(body)),
        Ok(envelope) => Err(unknown("stat", &envelope.stat)),
        // The position is kept, the text is not: it may quote what was received.
        Err(fault) => Err(unreadable(&format!(
            "the answer is not the JSON expected, at line {} column {}",
            fault.line(),
            fault.column()
        ))),
    }
}

/// `stat: FAIL` under HTTP status 200, which the service does not do but a peer may.
fn failed(body: &[u8]) -> Failure {
    let fault: Fault = serde_json::from_slice(body).unwrap_or_default();
    let kind = match fault.code().map(|code| code / 100) {
        None => return unreadable("the answer says FAIL and no code"),
        Some(400) => FailureKind::BadRequest,
        Some(401) => FailureKind::Credentials,
        Some(_) => FailureKind::Refused,
    };
    Failure {
        kind,
        detail: fault.detail(200),
    }
}

/// The answer is over [`BODY_OCTETS`].
pub(crate) fn too_long() -> Failure {
    unreadable("the answer is longer than 1 MiB")
}

fn unknown(member: &str, word: &str) -> Failure {
    unreadable(&format!("unknown {member} '{}'", shown(word, WORD)))
}

fn unreadable(detail: &str) -> Failure {
    Failure {
        kind: FailureKind::Unreadable,
        detail: detail.to_owned(),
    }
}

/// A peer's text for our log: no control characters, and cut.
fn shown(text: &str, characters: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(characters)
        .collect()
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
struct Envelope<T> {
    stat: String,
    #[serde(default = "Option::default")]
    response: Option<T>,
}

#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: String,
    #[serde(default)]
    message_detail: String,
}

impl Fault {
    /// The code; some servers write it as a string.
    fn code(&self) -> Option<u64> {
        match &self.code {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// `401 40103 Invalid signature in request credentials`.
    fn detail(&self, status: u16) -> String {
        let mut detail = status.to_string();
        if let Some(code) = self.code() {
            detail.push_str(&format!(" {code}"));
        }
        if !self.message.is_empty() {
            detail.push_str(&format!(" {}", shown(&self.message, MESSAGE)));
        }
        if !self.message_detail.is_empty() {
            detail.push_str(&format!(" ({})", shown(&self.message_detail, WORD)));
        }
        detail
    }
}

#[derive(Deserialize)]
struct PreauthAnswer {
    result: String,
    #[serde(default)]
    status_msg: String,
    #[serde(default)]
    devices: Option<Vec<DeviceAnswer>>,
    #[serde(default)]
    enroll_portal_url: Option<String>,
    // Of any type, so that where they are passed over nothing is unreadable.
    #[serde(default)]
    verification_code: Option<Value>,
    #[serde(default)]
    txid: Option<Value>,
}

#[derive(Deserialize)]
struct DeviceAnswer {
    device: String,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    capabilities: Vec<String>,
    // Both are only shown, so nothing that stands here makes an answer unreadable.
    #[serde(default)]
    number: Value,
    #[serde(default)]
    sms_nextcode: Value,
}

impl From<DeviceAnswer> for Device {
    fn from(answer: DeviceAnswer) -> Self {
        let mut capabilities = Capabilities::default();
        for word in &answer.capabilities {
            match word.as_str() {
                "auto" => capabilities.auto = true,
                "push" => capabilities.push = true,
                "phone" => capabilities.phone = true,
                "sms" => capabilities.sms = true,
                _ => {}
            }
        }
        let given = |name: Option<String>| name.filter(|name| !name.is_empty());
        Self {
            display_name: given(answer.display_name)
                .or_else(|| given(answer.name))
                .unwrap_or_else(|| answer.device.clone()),
            id: answer.device,
            number: shown_value(answer.number),
            capabilities,
            sms_next_code: shown_value(answer.sms_nextcode),
        }
    }
}

/// A text or a number; none when it is neither, or empty.
fn shown_value(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[derive(Deserialize)]
struct AuthAnswer {
    #[serde(default)]
    txid: Option<String>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    status_msg: String,
}

#[derive(Deserialize)]
struct TimeAnswer {
    time: u64,
}

/// The longest answer that is read.
pub(crate) const BODY_OCTETS: usize = 1024 * 1024;
/// Names, separators and the values that are ours or short.
const FIXED_OCTETS: usize = 256;
/// Characters of a peer's `message` that are kept.
const MESSAGE: usize = 120;
/// Characters of any other word of a peer that are kept.
const WORD: usize = 40;
/// "Missing request timestamp".
const MISSING_TIMESTAMP: u64 = 40104;
/// "Bad request timestamp".
const BAD_TIMESTAMP: u64 = 40105;

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
