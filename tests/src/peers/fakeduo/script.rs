//! What the double is told to do, and what it remembers.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{FakeDuo, Request};
use crate::clock;

/// The doors of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /auth/v2/ping`, unsigned.
    Ping,
    /// `GET /auth/v2/check`.
    Check,
    /// `POST /auth/v2/preauth`.
    Preauth,
    /// `POST /auth/v2/auth`.
    Auth,
    /// `GET /auth/v2/auth_status`.
    AuthStatus,
    /// `POST /baseline/auth`: unsigned, waits for the decision, 200 or 401. For FreeRADIUS, which
    /// cannot sign.
    Baseline,
    /// Anything else: 404.
    Other,
}

/// What preauth answers for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preauth {
    /// A second factor is needed.
    Auth,
    /// None is needed; with this text.
    Allow(String),
    /// Refused; with this text.
    Deny(String),
    /// Must enrol; with this address.
    Enroll(String),
}

/// What the person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Approves.
    Allow,
    /// Refuses.
    Deny,
    /// Refuses, and reports a fraud.
    Fraud,
    /// Did not answer in the service's time.
    TimeOut,
    /// Is locked out.
    LockedOut,
    /// Has not answered yet: open until [`FakeDuo::decide`].
    Wait,
}

/// A user of the second factor.
#[derive(Debug, Clone)]
pub struct User {
    /// The answer of preauth.
    pub preauth: Preauth,
    /// The `devices` of preauth. Default: one phone that can push, call, send codes and make them.
    pub devices: Vec<Value>,
    /// What the person does with a push or a call.
    pub outcome: Outcome,
    /// How long the person takes; zero by default.
    pub after: Duration,
    /// The passcode that is good, as often as wanted.
    pub passcode: String,
}

impl Default for User {
    fn default() -> Self {
        Self {
            preauth: Preauth::Auth,
            devices: vec![Self::phone("DPE2EPHONE0000000001", "XXX-XXX-0100")],
            outcome: Outcome::Allow,
            after: Duration::ZERO,
            passcode: FakeDuo::PASSCODE.to_owned(),
        }
    }
}

impl User {
    /// One who does this at once.
    #[must_use]
    pub fn who(outcome: Outcome) -> Self {
        Self {
            outcome,
            ..Self::default()
        }
    }

    /// One who takes this long.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// One for whom preauth says this.
    #[must_use]
    pub fn preauth(self, preauth: Preauth) -> Self {
        Self { preauth, ..self }
    }

    /// One with these devices.
    #[must_use]
    pub fn devices(self, devices: Vec<Value>) -> Self {
        Self { devices, ..self }
    }

    /// A phone that can do everything.
    #[must_use]
    pub fn phone(id: &str, number: &str) -> Value {
        json!({
            "device": id, "type": "phone", "name": "", "number": number,
            "display_name": format!("phone ({number})"),
            "capabilities": ["auto", "push", "sms", "phone", "mobile_otp"],
        })
    }

    /// A device that already has passcodes by SMS, the next of which starts with this.
    #[must_use]
    pub fn next_code(mut device: Value, start: &str) -> Value {
        device["sms_nextcode"] = start.into();
        device
    }

    /// A device that can do this only.
    #[must_use]
    pub fn only(mut device: Value, capabilities: &[&str]) -> Value {
        device["capabilities"] = capabilities.into();
        device
    }

    /// A device without a number, which its name tells from others.
    #[must_use]
    pub fn named(mut device: Value, name: &str) -> Value {
        device["number"] = Value::Null;
        device["display_name"] = name.into();
        device
    }

    /// A hardware token.
    #[must_use]
    pub fn token(id: &str) -> Value {
        json!({ "device": id, "type": "token", "name": "0" })
    }
}

/// Which requests fail: all of them, unless narrowed.
#[derive(Debug, Clone, Default)]
pub struct Place {
    endpoint: Option<Endpoint>,
    user: Option<String>,
    left: Option<u32>,
}

impl Place {
    /// Every request.
    #[must_use]
    pub fn anywhere() -> Self {
        Self::default()
    }

    /// Requests to one endpoint.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        Self {
            endpoint: Some(endpoint),
            ..Self::default()
        }
    }

    /// Only those about this user.
    #[must_use]
    pub fn of(self, user: &str) -> Self {
        Self {
            user: Some(user.to_owned()),
            ..self
        }
    }

    /// Only the next `times`; all is well after them.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            left: Some(times),
            ..self
        }
    }

    fn takes(&mut self, endpoint: Endpoint, user: Option<&str>) -> bool {
        let here = self.endpoint.is_none_or(|wanted| wanted == endpoint)
            && (self.user.is_none() || self.user.as_deref() == user)
            && self.left != Some(0);
        if let (true, Some(left)) = (here, &mut self.left) {
            *left -= 1;
        }
        here
    }
}

/// A way to fail. The request is remembered, and its signature judged, before it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Never answers; the connection stays.
    Hang,
    /// Answers well, but only after this.
    Slow(Duration),
    /// The request is *carried out* and the connection cut instead of an answer.
    LostAnswer,
    /// The connection is cut; the request had no effect.
    Close,
    /// An error with its own body, as the service sends it: 400, 401, 403, 429, 500, 503.
    Status(u16),
    /// 429 with Retry-After in seconds.
    RetryAfter(u32),
    /// 200, and a body that is no JSON.
    Garbage,
    /// 200, good JSON, over 1 MiB.
    Oversized,
    /// 200, and this body.
    Body(String),
}

/// A push or call that was begun.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) user: String,
    pub(super) factor: String,
    pub(super) outcome: Outcome,
    /// When the outcome is known.
    pub(super) ready_at: Instant,
    /// Whether the first poll was answered.
    pub(super) polled: bool,
}

/// All of it, behind one lock that is never held across a wait.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) everybody: User,
    pub(super) users: HashMap<String, User>,
    pub(super) faults: Vec<(Place, Fault)>,
    pub(super) requests: Vec<Request>,
    pub(super) transactions: HashMap<String, Transaction>,
}

#[derive(Debug)]
pub(super) struct State {
    host: String,
    /// What clients call it, where that is not its own address.
    front: OnceLock<String>,
    script: Mutex<Script>,
    decisions: watch::Sender<()>,
}

impl State {
    pub(super) fn new(host: String) -> Self {
        Self {
            host,
            front: OnceLock::new(),
            script: Mutex::default(),
            decisions: watch::Sender::new(()),
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn asked_as(&self) -> &str {
        self.front.get().unwrap_or(&self.host)
    }

    pub(super) fn stand_behind(&self, host: String) {
        self.front.set(host).unwrap();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Changes whenever [`State::decide`] was called.
    pub(super) fn decisions(&self) -> watch::Receiver<()> {
        self.decisions.subscribe()
    }

    pub(super) fn decide(&self, name: &str, outcome: Outcome) {
        for transaction in self.lock().transactions.values_mut() {
            if transaction.user == name && !transaction.is_decided() {
                transaction.outcome = outcome;
                transaction.ready_at = clock::now();
            }
        }
        self.decisions.send_replace(());
    }
}

impl Transaction {
    pub(super) fn is_decided(&self) -> bool {
        self.outcome != Outcome::Wait && self.ready_at <= clock::now()
    }
}

impl Script {
    pub(super) fn describe(&self, user: &str) -> User {
        self.users.get(user).unwrap_or(&self.everybody).clone()
    }

    pub(super) fn fault(&mut self, endpoint: Endpoint, user: Option<&str>) -> Option<Fault> {
        let mut faults = self.faults.iter_mut();
        faults.find_map(|(place, fault)| place.takes(endpoint, user).then(|| fault.clone()))
    }
}
