//! The second half of a login: the second factor is asked what the user can do, then to decide,
//! then how it stands.

use std::time::{Duration, Instant};

use proto::config::{FailMode, Mode};
use proto::event::{Factor, Reason};

use super::challenge::Asking;
use super::factor::{Automatic, Offer, Unusable, automatic, label};
use super::{Action, Answer, Flow, State, after, reject, texts};
use crate::duo::failure::{Call, FailureKind, Reaction, reaction};
use crate::duo::message::{
    AuthFactor, AuthReply, AuthRequest, AuthResult, AuthStatus, Decision, Device, Preauth,
    PreauthRequest, Txid,
};

/// An auth request under way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) factor: Factor,
    /// When the auth phase ends, whatever happens.
    until: Instant,
}

/// A transaction being followed.
#[derive(Debug)]
pub(super) struct Polling {
    txid: Txid,
    factor: Factor,
    /// When the auth phase ends, whatever happens.
    until: Instant,
    /// When the last poll was due to go out.
    asked: Instant,
    /// When the first poll failed after the last good answer, and how many did since.
    failing: Option<(Instant, u32)>,
    /// How many answers in a row came at once and said nothing final.
    unheld: u32,
}

impl Flow {
    pub(super) fn ask_preauth(&mut self, now: Instant) -> Action {
        self.state = State::Preauth;
        Action::Preauth {
            request: PreauthRequest {
                username: self.request.user.clone(),
                ipaddr: self.request.ip_address(),
                hostname: self.hostname(),
                shows_numbers: self.is_built_in() && self.asking() == Asking::Menu,
            },
            deadline: after(now, self.integration.api_timeout.unwrap_or(MACHINE_ANSWERS)),
        }
    }

    pub(super) fn preauth_answered(&mut self, now: Instant, preauth: Preauth) -> Action {
        match preauth {
            Preauth::Auth {
                devices, number, ..
            } => {
                self.number = number;
                match self.refusal.take() {
                    Some(refusal) => self.ask_after(refusal, &devices),
                    None => self.use_or_ask(now, &devices),
                }
            }
            Preauth::Allow { status_msg } => {
                self.accept(Reason::Bypassed, texts::quoted(&status_msg), None)
            }
            Preauth::Deny { status_msg } => self.refuse(&status_msg),
            Preauth::Enroll {
                status_msg,
                portal_url,
            } => self.enrol(&status_msg, portal_url.as_deref()),
        }
    }

    fn use_or_ask(&mut self, now: Instant, devices: &[Device]) -> Action {
        if self.asking() == Asking::Menu || self.round.is_some() {
            return self.choose_or_ask(now, devices);
        }
        let unusable =
            |text: &str| Action::Answer(Answer::reject_with(Reason::NoUsableFactor, text));
        let Some(typed) = &self.typed else {
            // The administrator says now that it must be appended, and did not when it was typed.
            if self.integration.mode == Mode::Concat {
                let text = texts::factor_missing(&self.integration.append);
                return Action::Answer(Answer::reject_with(Reason::FactorMissing, &text));
            }
            let asks = self.asking() != Asking::Nothing;
            return match automatic(&self.integration.factors, devices, asks) {
                Automatic::Use(factor) => self.send_auth(now, factor),
                Automatic::Ask => self.ask_for_passcode(devices),
                Automatic::Nothing => unusable(&texts::nothing_automatic(&self.integration.append)),
            };
        };
        let offer = Offer::all(devices);
        match typed.choose(&offer) {
            Ok(factor) => self.send_auth(now, factor),
            Err(Unusable::NoSuchFactor { kind, number }) => {
                unusable(&texts::no_such_factor(kind, number, &offer.entries))
            }
            Err(Unusable::Passcode) => unusable(texts::NO_PASSCODES),
        }
    }

    pub(super) fn send_auth(&mut self, now: Instant, factor: AuthFactor) -> Action {
        let until = after(now, self.auth_phase(&factor));
        self.state = State::Auth(Sent {
            factor: label(&factor),
            until,
        });
        let answered_by = match self.integration.api_timeout {
            Some(_) => until,
            None => until.min(after(now, MACHINE_ANSWERS)),
        };
        Action::Auth {
            request: AuthRequest {
                username: self.request.user.clone(),
                ipaddr: self.request.ip_address(),
                hostname: self.hostname(),
                txid: match factor {
                    AuthFactor::Push(_) => self.shown_txid(),
                    _ => None,
                },
                factor,
            },
            deadline: answered_by,
        }
    }

    /// Only the built-in service is told more than a login needs: the hosted one's way to take it is
    /// not ours to try.
    pub(super) fn is_built_in(&self) -> bool {
        self.integration.application.pinned_ca.is_some()
    }

    /// What the user logs in to, as an operator knows it.
    fn hostname(&self) -> Option<String> {
        let client = self.client.filter(|_| self.is_built_in())?;
        Some(client.to_canonical().to_string())
    }

    fn auth_phase(&self, factor: &AuthFactor) -> Duration {
        self.integration
            .api_timeout
            .unwrap_or_else(|| match factor.waits_for_a_person() {
                true => PERSON_ANSWERS,
                false => MACHINE_ANSWERS,
            })
    }

    pub(super) fn auth_answered(&mut self, now: Instant, sent: &Sent, reply: AuthReply) -> Action {
        match reply {
            AuthReply::Decided(decision) => match decision.result {
                // Without a transaction there is nothing to follow.
                AuthResult::Waiting => {
                    self.call_failed(Call::Auth, FailureKind::Unreadable, Some(sent.factor))
                }
                AuthResult::Allow => self.allowed(&decision, sent.factor),
                AuthResult::Deny => self.denied(now, &decision, sent.factor),
            },
            AuthReply::Started(txid) => self.poll(
                now,
                now,
                Polling {
                    txid,
                    factor: sent.factor,
                    until: sent.until,
                    asked: now,
                    failing: None,
                    unheld: 0,
                },
            ),
        }
    }

    pub(super) fn poll_answered(
        &mut self,
        now: Instant,
        mut polling: Polling,
        decision: &Decision,
    ) -> Action {
        match decision.result {
            AuthResult::Allow => self.allowed(decision, polling.factor),
            AuthResult::Deny => self.denied(now, decision, polling.factor),
            AuthResult::Waiting => {
                polling.failing = None;
                self.poll_again(now, polling)
            }
        }
    }

    pub(super) fn poll_failed(
        &mut self,
        now: Instant,
        mut polling: Polling,
        kind: FailureKind,
    ) -> Action {
        if now >= polling.until {
            return too_late(polling.factor);
        }
        if reaction(Call::Poll, kind) != Reaction::PollAgain {
            return self.call_failed(Call::Poll, kind, Some(polling.factor));
        }
        // A poll that the service held and then answered with 400 is how its hold runs out: it is
        // there, and nothing has changed (duo-auth-api 2.5).
        if kind == FailureKind::BadRequest && was_held(now, &polling) {
            polling.failing = None;
            return self.poll_again(now, polling);
        }
        let (since, failures) = polling.failing.unwrap_or((now, 0));
        if now.saturating_duration_since(since) >= UNANSWERED_POLLS {
            return service_is_away(polling.factor);
        }
        polling.failing = Some((since, failures.saturating_add(1)));
        let pause = FIRST_PAUSE
            .saturating_mul(1 << failures.min(LONGEST_DOUBLING))
            .min(LONGEST_PAUSE);
        let not_before = after(now, pause).min(polling.until);
        self.poll(now, not_before, polling)
    }

    /// Asks again after a good answer that decided nothing: at once, because the service holds a
    /// poll until something changes. One that does not hold is asked once a second.
    fn poll_again(&mut self, now: Instant, mut polling: Polling) -> Action {
        if now >= polling.until {
            return too_late(polling.factor);
        }
        polling.unheld = match was_held(now, &polling) {
            true => 0,
            false => polling.unheld.saturating_add(1),
        };
        let not_before = match polling.unheld > UNHELD_ANSWERS {
            true => after(now, HELD).min(polling.until),
            false => now,
        };
        self.poll(now, not_before, polling)
    }

    fn poll(&mut self, now: Instant, not_before: Instant, mut polling: Polling) -> Action {
        polling.asked = not_before;
        let action = Action::Poll {
            txid: polling.txid.clone(),
            not_before: Some(not_before).filter(|moment| *moment > now),
            deadline: after(not_before, HOLD).min(polling.until),
        };
        self.state = State::Polling(polling);
        action
    }

    fn allowed(&mut self, decision: &Decision, factor: Factor) -> Action {
        let reason = match decision.status {
            AuthStatus::Bypass => Reason::Bypassed,
            _ => Reason::Approved,
        };
        self.accept(reason, texts::quoted(&decision.status_msg), Some(factor))
    }

    /// Ends the login after a call that gave nothing.
    pub(super) fn call_failed(
        &mut self,
        call: Call,
        kind: FailureKind,
        factor: Option<Factor>,
    ) -> Action {
        let reason = match (reaction(call, kind), self.integration.fail_mode) {
            (Reaction::FailMode, FailMode::Safe) => {
                let text = texts::FAIL_MODE_SAFE.to_owned();
                return self.accept(Reason::FailModeSafe, Some(text), None);
            }
            (Reaction::FailMode, FailMode::Secure) => {
                return reject(Reason::SecondFactorUnavailable);
            }
            (Reaction::Unavailable | Reaction::PollAgain, _) => Reason::SecondFactorUnavailable,
            (Reaction::Refused, _) => Reason::SecondFactorError,
            (Reaction::Unreadable, _) => Reason::SecondFactorUnreadable,
            (Reaction::Internal, _) => Reason::Internal,
        };
        Action::Answer(Answer {
            factor,
            ..Answer::reject(reason)
        })
    }
}

fn too_late(factor: Factor) -> Action {
    Action::Answer(Answer {
        factor: Some(factor),
        ..Answer::reject(Reason::TimedOut)
    })
}

fn service_is_away(factor: Factor) -> Action {
    Action::Answer(Answer {
        factor: Some(factor),
        ..Answer::reject(Reason::SecondFactorUnavailable)
    })
}

fn was_held(now: Instant, polling: &Polling) -> bool {
    now.saturating_duration_since(polling.asked) >= HELD
}

/// How long an answer may take that needs no person, when `api_timeout` says nothing.
const MACHINE_ANSWERS: Duration = Duration::from_secs(10);
/// How long a person may take, when `api_timeout` says nothing.
const PERSON_ANSWERS: Duration = Duration::from_secs(120);
/// How long the service may hold one poll.
const HOLD: Duration = Duration::from_secs(35);
/// A poll that took so long was held by the service.
const HELD: Duration = Duration::from_secs(1);
/// So many answers in a row may come without being held: the first status, and quick changes.
const UNHELD_ANSWERS: u32 = 4;
/// How long polls may fail before the service counts as away.
const UNANSWERED_POLLS: Duration = Duration::from_secs(10);
/// The pause after the first failed poll; it doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Doublings after which the longest pause is surely reached.
const LONGEST_DOUBLING: u32 = 5;
