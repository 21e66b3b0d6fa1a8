//! A finished login as spans. Pure: the same event makes the same spans with the same ids, wherever
//! and however often that is done.
//!
//! The trace of a login has the id of its first request; so the requests that answer its challenges
//! are in the same trace, whichever nodes served them. Each request is a span with its stages below.

use proto::event::{Ask, AuthEvent, Call, Reason, Stage, Step};
use proto::id::LoginId;
use ring::digest;

/// What is told of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Person {
    /// Neither names nor texts that may hold one.
    Hidden,
    /// The user's name, where the user is, and what each step says for people.
    Shown,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) trace: [u8; 16],
    pub(super) id: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Nanoseconds since 1970, as all times here.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) attributes: Vec<Attribute>,
    pub(super) moments: Vec<Moment>,
    /// What failed, in one word; none when nothing did. A refused login is no failure.
    pub(super) error: Option<String>,
}

/// What happened in one moment of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: u64,
    pub(super) name: &'static str,
    pub(super) attributes: Vec<Attribute>,
}

/// What a span is to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Internal,
    Server,
    Client,
}

/// A name and a value.
pub(super) type Attribute = (&'static str, Value);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
}

/// The spans of an event, the login's own first.
pub(super) fn spans(event: &AuthEvent, person: Person) -> Vec<Span> {
    let arrived = event.at_ms.saturating_mul(1_000_000);
    let after = |us: u64| arrived.saturating_add(us.saturating_mul(1_000));
    let trace = trace_id(event.first.unwrap_or(event.id));
    let own = span_id(event.id, OWN);
    let mut login = Span {
        trace,
        id: own,
        parent: event.first.map(|first| span_id(first, OWN)),
        name: if event.first.is_none() {
            "login"
        } else {
            "challenge response"
        },
        kind: Kind::Server,
        start: arrived,
        end: after(event.elapsed_us),
        attributes: of_login(event, person),
        moments: Vec::new(),
        error: failed(event.reason).then(|| event.reason.as_str().to_owned()),
    };
    let mut below = Vec::new();
    let mut asked_to_decide = false;
    for (place, step) in event.timeline.iter().enumerate() {
        if is_moment(step) {
            login.moments.push(Moment {
                at: after(step.at_us),
                name: step.stage.as_str(),
                attributes: detail(step, person),
            });
            continue;
        }
        let name = name(step, asked_to_decide);
        asked_to_decide |= step.stage == Stage::Factor;
        let id = span_id(event.id, &format!("step {place}"));
        let mut span = Span {
            trace,
            id,
            parent: Some(own),
            name,
            kind: Kind::Internal,
            start: after(step.at_us),
            end: after(step.at_us.saturating_add(step.elapsed_us)),
            attributes: detail(step, person),
            moments: Vec::new(),
            error: None,
        };
        if let Some(call) = step.calls.last() {
            span.attributes
                .push(("countersign.result", text(&call.result)));
            span.error = error(call);
        }
        let mut hosts = Vec::new();
        if let (Stage::Primary, calls) = (step.stage, step.calls.as_slice()) {
            for (at, call) in calls.iter().enumerate() {
                hosts.push(Span {
                    trace,
                    id: span_id(event.id, &format!("step {place} call {at}")),
                    parent: Some(id),
                    name: call.ask.as_str(),
                    kind: Kind::Client,
                    start: after(call.at_us),
                    end: after(call.at_us.saturating_add(call.elapsed_us)),
                    attributes: [
                        ("countersign.result", text(&call.result)),
                        ("network.protocol.name", text(call.ask.as_str())),
                    ]
                    .into_iter()
                    .chain(address(&call.host))
                    .collect(),
                    moments: Vec::new(),
                    error: error(call),
                });
            }
        } else if let Some(call) = step.calls.last() {
            span.kind = Kind::Client;
            span.attributes
                .push(("network.protocol.name", text("http")));
            span.attributes.extend(address(&call.host));
        }
        below.push(span);
        below.extend(hosts);
    }
    std::iter::once(login).chain(below).collect()
}

/// How many spans [`spans`] makes.
pub(super) fn count(event: &AuthEvent) -> usize {
    let of_step = |step: &Step| match (is_moment(step), step.stage) {
        (true, _) => 0,
        (false, Stage::Primary) => 1 + step.calls.len(),
        (false, _) => 1,
    };
    1 + event.timeline.iter().map(of_step).sum::<usize>()
}

/// What took no time and asked nobody; but the answer is looked for.
const fn is_moment(step: &Step) -> bool {
    step.elapsed_us == 0 && step.calls.is_empty() && !matches!(step.stage, Stage::Answer)
}

fn name(step: &Step, asked_to_decide: bool) -> &'static str {
    match (step.stage, step.calls.last().map(|call| call.ask)) {
        (_, Some(Ask::AuthStatus)) => "poll",
        (_, Some(Ask::Auth)) => "auth",
        // A node that does not say which calls it made: the first begins, the others ask after it.
        (Stage::Factor, _) if asked_to_decide => "poll",
        (Stage::Factor, _) => "auth",
        (stage, _) => stage.as_str(),
    }
}

fn of_login(event: &AuthEvent, person: Person) -> Vec<Attribute> {
    let mut attributes = vec![
        ("countersign.login", Value::Text(event.id.to_string())),
        ("countersign.node", text(event.node.as_str())),
        ("countersign.revision", Value::Number(event.revision.0)),
        ("countersign.integration", text(event.integration.as_str())),
        ("countersign.outcome", text(event.outcome.as_str())),
        ("countersign.reason", text(event.reason.as_str())),
        ("network.protocol.name", text("radius")),
    ];
    let mut more = |key, value: Option<Value>| attributes.extend(value.map(|value| (key, value)));
    let authenticator = event.authenticator.as_ref();
    more(
        "countersign.authenticator",
        authenticator.map(|id| text(id.as_str())),
    );
    more(
        "countersign.factor",
        event.factor.map(|factor| text(factor.as_str())),
    );
    more(
        "countersign.message_authenticator",
        event.signed.map(Value::Flag),
    );
    more("countersign.test", event.test.then_some(Value::Flag(true)));
    if !event.client.ip().is_unspecified() {
        let ip = event.client.ip().to_canonical().to_string();
        more("client.address", Some(Value::Text(ip)));
        let port = Some(event.client.port()).filter(|port| *port != 0);
        more(
            "client.port",
            port.map(|port| Value::Number(u64::from(port))),
        );
    }
    if person == Person::Shown {
        more("user.name", event.user.as_deref().map(text));
        more(
            "countersign.calling_station",
            event.calling_station.as_deref().map(text),
        );
    }
    attributes
}

/// What a step says for people, who may be named in it.
fn detail(step: &Step, person: Person) -> Vec<Attribute> {
    match person {
        Person::Shown => vec![("countersign.detail", text(&step.detail))],
        Person::Hidden => Vec::new(),
    }
}

/// `HOST:PORT`, or whatever it is, taken apart.
fn address(host: &str) -> Vec<Attribute> {
    let parts = host.rsplit_once(':');
    match parts.and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?))) {
        Some((name, port)) => vec![
            (
                "server.address",
                text(name.trim_start_matches('[').trim_end_matches(']')),
            ),
            ("server.port", Value::Number(u64::from(port))),
        ],
        None => vec![("server.address", text(host))],
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.chars().take(TEXT_CHARACTERS).collect())
}

/// What failed, when no answer came of a call. A refusal is an answer.
fn error(call: &Call) -> Option<String> {
    let answered = ANSWERS.contains(&call.result.as_str());
    (!answered).then(|| call.result.chars().take(TEXT_CHARACTERS).collect())
}

/// Whether a login failed by something else than the one who logs in.
const fn failed(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PrimaryUnavailable
            | Reason::PrimaryMisconfigured
            | Reason::SecondFactorUnavailable
            | Reason::SecondFactorError
            | Reason::SecondFactorUnreadable
            | Reason::Overloaded
            | Reason::Stopping
            | Reason::Internal
    )
}

/// An id of zeros is none.
fn trace_id(login: LoginId) -> [u8; 16] {
    match login.to_bytes() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => {
            LoginId::from_bytes([0xff; 16]).to_bytes()
        }
        id => id,
    }
}

/// The id of a part of a login.
fn span_id(login: LoginId, part: &str) -> [u8; 8] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&login.to_bytes());
    context.update(part.as_bytes());
    let digest = context.finish();
    let first = digest.as_ref().first_chunk::<8>().copied();
    first.filter(|id| id != &[0; 8]).unwrap_or([0xff; 8])
}

/// The part of a login that is all of it.
const OWN: &str = "login";
/// The results of a call that are answers of the one who was asked.
const ANSWERS: [&str; 10] = [
    "accepted", "rejected", "asked", "auth", "allow", "deny", "enroll", "started", "waiting",
    "begins",
];
/// The most characters of an attribute.
const TEXT_CHARACTERS: usize = 512;

#[cfg(test)]
#[path = "span_tests.rs"]
pub(super) mod tests;
