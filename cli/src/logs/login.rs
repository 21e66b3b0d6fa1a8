//! A finished login in the log: one line of ours, the lines that `authproxy.log` has of it, and those
//! of `authevents.log`, with the names and words that readers of the replaced product's files know.
//! Pure.

use std::borrow::Cow;
use std::net::SocketAddr;

use proto::event::{Outcome, Reason, Stage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::record::{Level, Record};
use super::text::{OUTER, about, escaped, json_line, micros, name, seconds};

/// What the log shows of an [`AuthEvent`](proto::event::AuthEvent), read without copying it: there may
/// be thousands a second.
#[derive(Deserialize)]
pub(crate) struct Login<'a> {
    id: &'a str,
    /// The login that this request goes on with.
    #[serde(default)]
    first: Option<&'a str>,
    at_ms: u64,
    integration: &'a str,
    ikey: &'a str,
    client: SocketAddr,
    #[serde(default)]
    test: bool,
    #[serde(borrow, default)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    calling_station: Option<Cow<'a, str>>,
    outcome: Outcome,
    reason: Reason,
    #[serde(default)]
    factor: Option<&'a str>,
    #[serde(borrow, default)]
    reply_message: Option<Cow<'a, str>>,
    revision: u64,
    elapsed_us: u64,
    #[serde(borrow)]
    timeline: Vec<ShownStep<'a>>,
}

#[derive(Deserialize)]
struct ShownStep<'a> {
    stage: Stage,
    at_us: u64,
    elapsed_us: u64,
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

/// Where the one line of a login comes from: `--log countersign::login=off` leaves it out.
pub(crate) const TARGET: &str = "countersign::login";

impl<'a> Login<'a> {
    pub(crate) fn read(event: &'a RawValue) -> Option<Self> {
        serde_json::from_str(event.get()).ok()
    }

    fn ended_us(&self) -> u64 {
        self.at_ms
            .saturating_mul(1_000)
            .saturating_add(self.elapsed_us)
    }

    fn step_us(&self, step: &ShownStep<'_>) -> u64 {
        let after = step.at_us.saturating_add(step.elapsed_us);
        self.at_ms.saturating_mul(1_000).saturating_add(after)
    }

    /// One line.
    pub(crate) fn record(&self) -> Record {
        let mut record = Record::new(Level::Info, TARGET, "login").with("login", self.id);
        if let Some(first) = self.first {
            record = record.with("first", first);
        }
        record = record
            .with("integration", self.integration)
            .with("client", self.client);
        if self.test {
            record = record.with("test", true);
        }
        record = record
            .text("user", self.user.as_deref())
            .with("outcome", self.outcome)
            .with("reason", self.reason)
            .text("factor", self.factor)
            .with("revision", self.revision)
            .with("elapsed_ms", self.elapsed_us / 1_000)
            .text("primary", self.primary_trouble())
            .text("state", self.state_trouble())
            .text("eap", self.eap_trouble());
        record
    }

    /// What is wrong with a State, in a login that ended because of that.
    fn state_trouble(&self) -> Option<&str> {
        (self.reason == Reason::UnknownState).then(|| self.last(Stage::Client))?
    }

    /// What is wrong with a supplicant or its method, in a login that ended because of that: it stands in
    /// no text that anybody else reads.
    fn eap_trouble(&self) -> Option<&str> {
        let theirs = [Reason::EapFailed, Reason::UnsupportedMethod];
        let fell_silent = self.outcome == Outcome::Unanswered && self.reason == Reason::TimedOut;
        if !fell_silent && !theirs.contains(&self.reason) {
            return None;
        }
        // The first says whose request it is.
        let of_client = self
            .timeline
            .iter()
            .filter(|step| step.stage == Stage::Client);
        Some(&*of_client.skip(1).last()?.detail)
    }

    /// What is wrong with the primary, in a login that ended because of that: it is for whoever looks
    /// after the gateway, and what to check stands in it.
    fn primary_trouble(&self) -> Option<&str> {
        let theirs = [Reason::PrimaryMisconfigured, Reason::PrimaryUnavailable];
        theirs
            .contains(&self.reason)
            .then(|| self.last(Stage::Primary))?
    }

    /// What the last step of a stage came to.
    fn last(&self, stage: Stage) -> Option<&str> {
        let step = self.timeline.iter().rev().find(|step| step.stage == stage);
        step.map(|step| &*step.detail)
    }

    /// The lines of `authproxy.log`, each with the time of what it tells.
    pub(crate) fn lines(&self, mut each: impl FnMut(u64, String)) {
        let typed = self.user.as_deref().unwrap_or("None");
        let user = name(typed);
        let who = format!(
            "[{}] (('{}', {}), {user}, {}): ",
            escaped(self.integration),
            self.client.ip(),
            self.client.port(),
            self.packet_id().unwrap_or("-"),
        );
        let mut say = |at_us, text: &str| each(at_us, format!("{who}{text}"));
        let began_us = self.at_ms.saturating_mul(1_000);
        say(began_us, &format!("login attempt for username '{user}'"));
        if self.test {
            say(began_us, "a test by an administrator: nobody is let in");
        }
        for step in &self.timeline {
            if let Some(text) = told(step, typed) {
                say(self.step_us(step), &text);
            }
        }
        let ended_us = self.ended_us();
        let (id, outcome, reason) = (self.id, self.outcome, self.reason);
        match code(outcome) {
            Some(code) => {
                say(ended_us, &format!("Returning response code {code}"));
                say(ended_us, "Sending response");
            }
            None => say(ended_us, "No response is sent"),
        }
        let (ms, revision) = (self.elapsed_us / 1_000, self.revision);
        let text = format!("login {id}: {outcome} ({reason}) after {ms} ms, revision {revision}");
        say(ended_us, &text);
    }

    /// The identifier of the request, which its first step names.
    fn packet_id(&self) -> Option<&str> {
        let step = self.timeline.first()?;
        let (_, rest) = step.detail.split_once(" id ")?;
        let id = rest.split(' ').next()?;
        (step.stage == Stage::Packet && id.parse::<u8>().is_ok()).then_some(id)
    }

    /// The lines of `authevents.log`: what the primary said yes to, and how it ended. A question is no
    /// end, and a test lets nobody in.
    pub(crate) fn events(&self, host: &str) -> String {
        if self.test {
            return String::new();
        }
        let mut text = String::new();
        let mut add = |at_us, msg: &str, auth_stage, status| {
            let line = AuthLine {
                timestamp: micros(at_us),
                msg,
                username: self.user.as_deref(),
                auth_stage,
                status,
                client_ip: self.calling_station.as_deref(),
                server_section: self.integration,
                server_section_ikey: self.ikey,
                factor: self.factor,
                hostname: host,
            };
            // Texts alone: it always has a JSON form.
            let json = serde_json::to_string(&line).unwrap_or_default();
            text.push_str(&json_line(&json));
        };
        let on_primary_alone = matches!(self.reason, Reason::ExemptUser | Reason::PrimaryOnly);
        if !on_primary_alone && let Some((at_us, said)) = self.primary_accepted() {
            let msg = format!("Primary authentication successful - {said}");
            add(at_us, &msg, PRIMARY, "Allow");
        }
        if self.outcome != Outcome::Challenge {
            let (stage, status) = (stage(self.reason), status(self.outcome, self.reason));
            add(self.ended_us(), &self.message(stage), stage, status);
        }
        text
    }

    /// When the primary said yes, and how. In a login that nobody asked a primary about, the device has
    /// checked the password.
    fn primary_accepted(&self) -> Option<(u64, &str)> {
        let mut steps = self.timeline.iter().rev();
        if let Some(step) = steps.find(|step| step.stage == Stage::Primary) {
            let rest = step.detail.strip_prefix("accepted")?;
            let said = rest.trim_start_matches(':').trim();
            return Some((
                self.step_us(step),
                if said.is_empty() { "accepted" } else { said },
            ));
        }
        let asked = self
            .timeline
            .iter()
            .find(|step| step.stage == Stage::Preauth);
        let step = asked.filter(|_| self.first.is_none())?;
        let at_us = self.at_ms.saturating_mul(1_000).saturating_add(step.at_us);
        Some((at_us, "Ignoring primary credentials"))
    }

    /// The `msg` of the end.
    fn message(&self, stage: &str) -> String {
        let last = |stage| self.last(stage).map(behind_the_word);
        let told = self
            .reply_message
            .as_deref()
            .filter(|text| !text.is_empty());
        match self.reason {
            Reason::NotEnrolled => "User is not enrolled. Enrollment link sent.".to_owned(),
            Reason::FailModeSafe => {
                format!(
                    "Failmode Safe - Allowed Duo login on {} failure",
                    self.failed_at()
                )
            }
            Reason::SecondFactorUnavailable => {
                format!(
                    "Failmode Secure - Denied Duo login on {} failure",
                    self.failed_at()
                )
            }
            reason if stage == PRIMARY && self.outcome == Outcome::Accept => {
                let said = last(Stage::Primary).unwrap_or("Ignoring primary credentials");
                format!("Primary authentication successful - {said} ({reason})")
            }
            reason if stage == PRIMARY => {
                let said = last(Stage::Primary).or(told);
                format!(
                    "Primary credentials rejected - {}",
                    said.unwrap_or(reason.as_str())
                )
            }
            reason => {
                let said = last(Stage::Factor).or_else(|| match reason {
                    Reason::Bypassed | Reason::SecondFactorRefused => last(Stage::Preauth),
                    _ => None,
                });
                told.or(said).unwrap_or(reason.as_str()).to_owned()
            }
        }
    }

    fn failed_at(&self) -> &'static str {
        match self.last(Stage::Factor) {
            Some(_) => "auth",
            None => "preauth",
        }
    }
}

/// A line of `authevents.log`. The order is that of the replaced product.
#[derive(Serialize)]
struct AuthLine<'a> {
    timestamp: String,
    msg: &'a str,
    username: Option<&'a str>,
    auth_stage: &'a str,
    status: &'a str,
    client_ip: Option<&'a str>,
    server_section: &'a str,
    server_section_ikey: &'a str,
    factor: Option<&'a str>,
    hostname: &'a str,
}

const PRIMARY: &str = "Primary authentication";
const SECONDARY: &str = "Secondary authentication";

const fn stage(reason: Reason) -> &'static str {
    match reason {
        Reason::ExemptUser
        | Reason::PrimaryOnly
        | Reason::EmptyPassword
        | Reason::WrongPassword
        | Reason::UnknownUser
        | Reason::AmbiguousUser
        | Reason::NotPermitted
        | Reason::AccountLocked
        | Reason::AccountDisabled
        | Reason::AccountExpired
        | Reason::PasswordExpired
        | Reason::PasswordMustChange
        | Reason::PrimaryRejected
        | Reason::PrimaryChallenge
        | Reason::PrimaryUnavailable
        | Reason::PrimaryMisconfigured => PRIMARY,
        Reason::Approved
        | Reason::Bypassed
        | Reason::FailModeSafe
        | Reason::Prompted
        | Reason::FactorMissing
        | Reason::SecondFactorRefused
        | Reason::NotEnrolled
        | Reason::NoUsableFactor
        | Reason::Denied
        | Reason::Fraud
        | Reason::TimedOut
        | Reason::LockedOut
        | Reason::PasscodesSent
        | Reason::SecondFactorUnavailable
        | Reason::SecondFactorError
        | Reason::SecondFactorUnreadable
        | Reason::TooManyAnswers => SECONDARY,
        Reason::BadRequest
        | Reason::UnsupportedMethod
        | Reason::EapFailed
        | Reason::UnknownState
        | Reason::Overloaded
        | Reason::Stopping
        | Reason::Internal => "Unknown",
    }
}

const fn status(outcome: Outcome, reason: Reason) -> &'static str {
    match (outcome, reason) {
        (Outcome::Accept, _) => "Allow",
        (Outcome::Unanswered, _)
        | (
            _,
            Reason::PrimaryUnavailable
            | Reason::PrimaryMisconfigured
            | Reason::SecondFactorError
            | Reason::SecondFactorUnreadable
            | Reason::Overloaded
            | Reason::Stopping
            | Reason::Internal,
        ) => "Error",
        _ => "Reject",
    }
}

/// What a step says in `authproxy.log`; none where other lines say it. What others said in it is
/// escaped.
fn told(step: &ShownStep<'_>, typed: &str) -> Option<String> {
    let detail = &*step.detail;
    let (word, said) = detail.split_once(": ").unwrap_or((detail, ""));
    let (whole, said) = (|| about(detail, typed), about(said, typed));
    // A stranger's, and not the one that the login is of.
    let outer = detail.strip_prefix(OUTER);
    let with = |text: String| match &*said {
        "" => text,
        said => format!("{text}: '{said}'"),
    };
    Some(match step.stage {
        Stage::Packet | Stage::Answer => return None,
        Stage::Client if detail.starts_with("client ") => return None,
        Stage::Client => outer.map_or_else(whole, |outer| format!("{OUTER}{}", name(outer))),
        Stage::Primary if word == "accepted" => {
            let said = if said.is_empty() { word } else { &said };
            format!("Primary authentication successful - {said}")
        }
        Stage::Primary if word.starts_with("rejected") => match said.is_empty() {
            true => format!("Primary credentials rejected - {}", whole()),
            false => format!("Primary credentials rejected - {said}"),
        },
        Stage::Primary => format!("Primary authentication - {}", whole()),
        Stage::Preauth if ["auth", "allow", "deny", "enroll"].contains(&word) => {
            with(format!("Got preauth result for: '{word}'"))
        }
        Stage::Preauth => format!("Duo preauth - {}", whole()),
        Stage::Factor if ["allow", "deny", "waiting"].contains(&word) => {
            with(format!("Duo authentication returned '{word}'"))
        }
        Stage::Factor => format!("Duo authentication - {}", whole()),
    })
}

fn behind_the_word(detail: &str) -> &str {
    detail.split_once(": ").map_or(detail, |(_, said)| said)
}

const fn code(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Accept => Some("2: AccessAccept"),
        Outcome::Reject => Some("3: AccessReject"),
        Outcome::Challenge => Some("11: AccessChallenge"),
        Outcome::Unanswered => None,
    }
}

/// A line of `authproxy.log`.
pub(crate) fn dated(at_us: u64, line: &str) -> String {
    format!("{} {line}\n", seconds(at_us))
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
