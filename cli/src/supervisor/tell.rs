//! What the supervisor says of finished logins.

use std::borrow::Cow;

use proto::event::{AuthEvent, Reason, Stage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::explain;

/// How finished logins are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// One line each in the log.
    Log,
    /// The whole timeline on standard output, for the demo.
    Timeline,
}

/// What a log line shows of an [`AuthEvent`]: read without the rest, since there may be thousands
/// a second.
#[derive(Deserialize)]
struct Shown<'a> {
    id: &'a str,
    /// The login that this request goes on with.
    #[serde(default)]
    first: Option<&'a str>,
    integration: &'a str,
    client: &'a str,
    #[serde(borrow, default)]
    user: Option<Cow<'a, str>>,
    outcome: &'a str,
    reason: &'a str,
    #[serde(default)]
    factor: Option<&'a str>,
    revision: u64,
    elapsed_us: u64,
    #[serde(borrow)]
    timeline: &'a RawValue,
}

/// What a log line shows of a step.
#[derive(Deserialize)]
struct ShownStep<'a> {
    stage: &'a str,
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

impl Teller {
    pub(crate) fn login(self, event: &RawValue) {
        let told = match self {
            Self::Log => serde_json::from_str(event.get()).map(|event| log(&event)),
            Self::Timeline => {
                serde_json::from_str::<AuthEvent>(event.get()).map(|event| explain::print(&event))
            }
        };
        if told.is_err() {
            tracing::warn!("a finished login cannot be read");
        }
    }
}

fn log(event: &Shown<'_>) {
    tracing::info!(
        login = %event.id,
        first = event.first.map(tracing::field::display),
        integration = %event.integration,
        client = %event.client,
        user = event.user.as_deref(),
        outcome = %event.outcome,
        reason = %event.reason,
        factor = event.factor,
        revision = event.revision,
        elapsed_ms = event.elapsed_us / 1000,
        primary = primary(event).as_deref(),
        state = state(event).as_deref(),
        "login"
    );
}

/// What is wrong with a State, in a login that ended because of that.
fn state<'a>(event: &Shown<'a>) -> Option<Cow<'a, str>> {
    if event.reason != Reason::UnknownState.as_str() {
        return None;
    }
    last_step(event, Stage::Client)
}

/// What is wrong with the primary, in a login that ended because of that: it is for whoever looks
/// after the gateway, and what to check stands in it.
fn primary<'a>(event: &Shown<'a>) -> Option<Cow<'a, str>> {
    let theirs = [Reason::PrimaryMisconfigured, Reason::PrimaryUnavailable];
    if !theirs.iter().any(|reason| reason.as_str() == event.reason) {
        return None;
    }
    last_step(event, Stage::Primary)
}

/// What the last step of a stage came to.
fn last_step<'a>(event: &Shown<'a>, stage: Stage) -> Option<Cow<'a, str>> {
    let steps: Vec<ShownStep<'a>> = serde_json::from_str(event.timeline.get()).ok()?;
    let mut steps = steps.into_iter().rev();
    let step = steps.find(|step| step.stage == stage.as_str())?;
    Some(step.detail)
}
