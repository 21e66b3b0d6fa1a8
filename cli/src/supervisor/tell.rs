//! What the supervisor says of finished logins.

use std::borrow::Cow;

use proto::event::{AuthEvent, Outcome, Reason, Stage};
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
    #[serde(default)]
    test: bool,
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
        test = event.test.then_some(true),
        user = event.user.as_deref(),
        outcome = %event.outcome,
        reason = %event.reason,
        factor = event.factor,
        revision = event.revision,
        elapsed_ms = event.elapsed_us / 1000,
        primary = primary(event).as_deref(),
        state = state(event).as_deref(),
        eap = eap(event).as_deref(),
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

/// What is wrong with a supplicant or its method, in a login that ended because of that: it stands in
/// no text that anybody else reads.
fn eap<'a>(event: &Shown<'a>) -> Option<Cow<'a, str>> {
    let theirs = [Reason::EapFailed, Reason::UnsupportedMethod];
    let fell_silent =
        event.outcome == Outcome::Unanswered.as_str() && event.reason == Reason::TimedOut.as_str();
    if !fell_silent && !theirs.iter().any(|reason| reason.as_str() == event.reason) {
        return None;
    }
    let steps: Vec<ShownStep<'a>> = serde_json::from_str(event.timeline.get()).ok()?;
    // The first says whose request it is.
    let of_client = steps
        .into_iter()
        .filter(|step| step.stage == Stage::Client.as_str());
    Some(of_client.skip(1).last()?.detail)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(outcome: &str, reason: &str, steps: &[(&str, &str)]) -> String {
        let timeline: Vec<_> = steps
            .iter()
            .map(|(stage, detail)| serde_json::json!({"stage": stage, "detail": detail}))
            .collect();
        serde_json::json!({
            "id": "1", "integration": "radius_server_eap", "client": "192.0.2.10", "outcome": outcome,
            "reason": reason, "revision": 1, "elapsed_us": 1, "timeline": timeline,
        })
        .to_string()
    }

    #[test]
    fn the_line_of_a_conversation_that_broke_off_says_why() {
        let whose = ("client", "client 192.0.2.10 of radius_server_eap");
        let agreed = ("client", "PEAP with TLS 1.3");
        let why = ("client", "the supplicant does not trust the certificate");
        let end = ("answer", "Access-Reject");
        for (name, outcome, reason, steps, want) in [
            (
                "broken off",
                "reject",
                "eap_failed",
                vec![whose, why, end],
                Some(why.1),
            ),
            (
                "within",
                "reject",
                "eap_failed",
                vec![whose, agreed, why, end],
                Some(why.1),
            ),
            (
                "method",
                "reject",
                "unsupported_method",
                vec![whose, why, end],
                Some(why.1),
            ),
            (
                "silence",
                "unanswered",
                "timed_out",
                vec![whose, agreed, why],
                Some(why.1),
            ),
            (
                "a person's silence",
                "reject",
                "timed_out",
                vec![whose, agreed, end],
                None,
            ),
            (
                "no EAP",
                "reject",
                "unsupported_method",
                vec![whose, end],
                None,
            ),
            (
                "accepted",
                "accept",
                "approved",
                vec![whose, agreed, end],
                None,
            ),
        ] {
            let text = event(outcome, reason, &steps);
            let shown = serde_json::from_str::<Shown<'_>>(&text).unwrap();
            assert_eq!(eap(&shown).as_deref(), want, "{name}");
        }
    }
}
