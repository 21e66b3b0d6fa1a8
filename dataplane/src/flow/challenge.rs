//! Asking the user for a factor, and what comes back: the menu of mode `challenge`, and the question
//! for a passcode that `factors` asks for in mode `auto`.

use std::time::Instant;

use proto::config::{Append, Mode};
use proto::event::{Factor, Reason};

use super::factor::{Kind, MenuDigest, Offer, Typed, Unusable};
use super::prompt::{self, Parts};
use super::{Action, Answer, AnswerCode, Flow, Pending, Prompted, reject, texts};
use crate::duo::failure::{Call, FailureKind};
use crate::duo::message::{AuthFactor, AuthStatus, Decision, Device, PushNumber, Txid};
use crate::primary::{Credential, Method, UpstreamAttribute, UpstreamValue};

/// How a user who typed no factor is asked for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// With a list of what there is.
    Menu,
    /// For a passcode, where `factors` come to it.
    Passcode,
    /// Not at all.
    Nothing,
}

/// A prompt that the request answers.
#[derive(Debug)]
pub(super) struct Round {
    menu: MenuDigest,
    wrong: u8,
    repeats: u8,
    number: Option<Box<PushNumber>>,
}

/// What the second factor said no to, while the user is asked again.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: Reason,
    factor: Factor,
    /// What it said to it.
    said: Option<String>,
}

impl Refusal {
    fn into_answer(self) -> Answer {
        let answer = Answer::reject(self.reason);
        Answer {
            reply_message: self.said.or(answer.reply_message),
            factor: Some(self.factor),
            ..answer
        }
    }
}

impl Flow {
    /// Goes on with a prompt's answer.
    pub(super) fn begin_answered_prompt(&mut self, now: Instant, prompted: Prompted) -> Action {
        if self.asking() == Asking::Nothing {
            return reject(Reason::UnknownState);
        }
        let typed = match &self.request.credential {
            Credential::Password(typed) => Typed::parse(typed.expose()),
            Credential::Relayed(relayed) => {
                let text = match relayed.method {
                    Method::Chap => texts::CHAP_ANSWER,
                    Method::MsChap => texts::MSCHAP_ANSWER,
                };
                return Action::Answer(Answer::reject_with(Reason::UnsupportedMethod, text));
            }
        };
        let Prompted {
            menu,
            wrong,
            repeats,
            number,
            attributes,
        } = prompted;
        self.attributes = attributes;
        // Who types the number here and not on the phone means the push, and is no wrong passcode.
        let typed = match &number {
            Some(number) => typed.map(|typed| typed.or_push(&number.code)),
            None => typed,
        };
        self.round = Some(Round {
            menu,
            wrong,
            repeats,
            number,
        });
        // What can only be a passcode needs no list of devices.
        let passcode = typed.as_ref().filter(|typed| !typed.may_be_listed());
        match passcode.map(|typed| typed.choose(&self.offer(&[]))) {
            Some(Ok(factor)) => self.send_auth(now, factor),
            Some(Err(_)) | None => {
                self.typed = typed;
                self.ask_preauth(now)
            }
        }
    }

    pub(super) fn asking(&self) -> Asking {
        let one = &self.integration;
        match one.mode {
            _ if !self.asks => Asking::Nothing,
            Mode::Challenge => Asking::Menu,
            // Nothing says how to go on: not what was typed, and not the administrator.
            Mode::Eap if one.append == Append::Never && one.factors.is_empty() => Asking::Menu,
            Mode::Auto | Mode::Eap => Asking::Passcode,
            Mode::Concat | Mode::DuoOnly => Asking::Nothing,
        }
    }

    /// What the user may choose from.
    fn offer<'a>(&self, devices: &'a [Device]) -> Offer<'a> {
        match (self.integration.mode, self.asking()) {
            (Mode::Challenge, _) => Offer::filtered(devices, &self.integration.factors),
            (_, Asking::Menu) => Offer::all(devices),
            _ => Offer::unlisted(devices),
        }
    }

    /// Uses what was typed as the answer to a prompt, or asks.
    pub(super) fn choose_or_ask(&mut self, now: Instant, devices: &[Device]) -> Action {
        let offer = self.offer(devices);
        let Some(round) = &self.round else {
            return self.ask(&offer, Reason::Prompted, None, None);
        };
        let Some(typed) = &self.typed else {
            return self.ask_again(&offer, texts::NOTHING_TYPED);
        };
        if typed.counts() && round.menu != offer.digest() {
            return self.ask_again(&offer, texts::MENU_CHANGED);
        }
        match typed.choose(&offer) {
            // One is wanted that was not shown, so that nobody could approve the push.
            Ok(AuthFactor::Push(_)) if self.number.is_some() && round.number.is_none() => {
                self.ask_again(&offer, texts::NUMBER_WANTED)
            }
            Ok(factor) => self.send_auth(now, factor),
            Err(Unusable::Passcode) => match typed.option_number() {
                Some(number) => self.ask_again(&offer, &texts::no_option(number)),
                None => self.ask_again(&offer, texts::NO_PASSCODES),
            },
            Err(Unusable::NoSuchFactor { kind, number }) => {
                let line = match typed.choose(&Offer::all(devices)) {
                    Ok(_) => texts::not_here(kind, number),
                    // No list follows that says what there is.
                    Err(_) if offer.listed().is_empty() => {
                        texts::no_such_factor(kind, number, &offer.entries)
                    }
                    Err(_) => texts::you_have_no(kind, number),
                };
                self.ask_again(&offer, &line)
            }
        }
    }

    /// What goes along with a push, when the prompt showed a number for it.
    pub(super) fn shown_txid(&self) -> Option<Txid> {
        let number = self.round.as_ref()?.number.as_ref()?;
        Some(number.txid.clone())
    }

    /// Asks again, because the answer was none.
    fn ask_again(&mut self, offer: &Offer<'_>, line: &str) -> Action {
        match self.round.as_mut().map(Round::may_repeat) {
            Some(true) | None => self.ask(offer, Reason::Prompted, None, Some(line)),
            Some(false) => reject(Reason::TooManyAnswers),
        }
    }

    /// Asks again after the second factor said no, now that the devices are known.
    pub(super) fn ask_after(&mut self, refusal: Refusal, devices: &[Device]) -> Action {
        let Refusal {
            reason,
            factor,
            said,
        } = refusal;
        let line = said.as_deref().unwrap_or(match reason {
            Reason::PasscodesSent => texts::PASSCODES_SENT,
            _ => texts::WRONG_PASSCODE,
        });
        let offer = self.offer(devices);
        self.ask(&offer, reason, Some(factor), Some(line))
    }

    /// Asks for a passcode that nothing was typed for.
    pub(super) fn ask_for_passcode(&mut self, devices: &[Device]) -> Action {
        let offer = self.offer(devices);
        self.ask(&offer, Reason::Prompted, None, None)
    }

    fn ask(
        &mut self,
        offer: &Offer<'_>,
        reason: Reason,
        factor: Option<Factor>,
        line: Option<&str>,
    ) -> Action {
        if offer.listed().is_empty() && !offer.passcodes {
            let text = texts::nothing_automatic(&self.integration.append);
            return Action::Answer(Answer::reject_with(Reason::NoUsableFactor, &text));
        }
        let pushes = offer.listed().iter().any(|entry| entry.kind == Kind::Push);
        let number = self.number.take().filter(|_| pushes);
        let parts = Parts {
            user: &self.request.user,
            offer,
            line,
            number: number.as_ref().map(|number| number.code.as_str()),
        };
        let text = match self.integration.mode {
            Mode::Challenge => prompt::write(parts, &self.integration.prompt, self.reply_room),
            Mode::Eap => prompt::write_line(parts),
            _ => prompt::write_short(parts),
        };
        let (wrong, repeats) = self
            .round
            .as_ref()
            .map_or((0, 0), |round| (round.wrong, round.repeats));
        Action::Answer(Answer {
            code: AnswerCode::Challenge,
            reason,
            reply_message: Some(text),
            factor,
            attributes: Vec::new(),
            pending: Some(Pending::Prompt(Prompted {
                menu: offer.digest(),
                wrong,
                repeats,
                number: number.map(Box::new),
                attributes: self.attributes.drain(..).filter(survives).collect(),
            })),
        })
    }

    /// The second factor said no: the end, but for codes that were sent and passcodes that may be
    /// tried again.
    pub(super) fn denied(&mut self, now: Instant, decision: &Decision, factor: Factor) -> Action {
        let reason = match decision.status {
            AuthStatus::Fraud => Reason::Fraud,
            AuthStatus::LockedOut => Reason::LockedOut,
            AuthStatus::Timeout => Reason::TimedOut,
            AuthStatus::Sent => Reason::PasscodesSent,
            AuthStatus::Other | AuthStatus::Bypass | AuthStatus::Deny => Reason::Denied,
        };
        let refusal = Refusal {
            reason,
            factor,
            said: texts::quoted(&decision.status_msg),
        };
        if !self.may_go_on(factor, decision.status) {
            return Action::Answer(refusal.into_answer());
        }
        // The list may have another look by now: codes that were sent, a user locked out.
        self.refusal = Some(refusal);
        self.ask_preauth(now)
    }

    /// Whether the user is asked again after this.
    fn may_go_on(&mut self, factor: Factor, status: AuthStatus) -> bool {
        let Some(round) = &mut self.round else {
            return false;
        };
        match (factor, status) {
            (Factor::Sms, AuthStatus::Sent) => round.may_repeat(),
            // A passcode reported as fraud was used before.
            (Factor::Passcode, AuthStatus::Deny | AuthStatus::Fraud | AuthStatus::Other) => {
                let more = round.wrong < self.integration.prompt.passcode_retries;
                round.wrong = round.wrong.saturating_add(1);
                more
            }
            _ => false,
        }
    }

    /// Preauth gave nothing. Where it was to lead to another prompt, what led to it is the answer:
    /// no failure lets in who has just been refused.
    pub(super) fn preauth_failed(&mut self, kind: FailureKind) -> Action {
        match self.refusal.take() {
            Some(refusal) => Action::Answer(refusal.into_answer()),
            None => self.call_failed(Call::Preauth, kind, None),
        }
    }

    /// The second factor does not let the user in. Where a reject says nothing to people, it is
    /// said in a question, whose answers change nothing.
    pub(super) fn refuse(&self, status_msg: &str) -> Action {
        let answer = Answer::reject(Reason::SecondFactorRefused);
        let asks = self.integration.mode == Mode::Eap && self.asks;
        Action::Answer(Answer {
            code: challenge_if(asks),
            reply_message: texts::quoted(status_msg).or(answer.reply_message),
            pending: asks.then_some(Pending::Refusal),
            ..answer
        })
    }

    /// A user who has to enrol first: the link in a challenge, where that is asked for, else in
    /// the reject. No answer to that challenge lets anybody in.
    pub(super) fn enrol(&self, status_msg: &str, portal_url: Option<&str>) -> Action {
        let settings = &self.integration.prompt;
        let text = prompt::enrolment(status_msg, portal_url, settings, self.reply_room);
        let asks = match self.integration.mode {
            Mode::Challenge => self.asks && settings.enroll_challenge,
            Mode::Eap => self.asks,
            Mode::Auto | Mode::Concat | Mode::DuoOnly => false,
        };
        Action::Answer(Answer {
            code: challenge_if(asks),
            reply_message: Some(text),
            pending: asks.then_some(Pending::Enrolment),
            ..Answer::reject(Reason::NotEnrolled)
        })
    }
}

/// Whether an attribute of the upstream's accept may come out with the answer to a prompt. Keys of
/// MS-CHAP version 1 are hidden as a User-Password is, with the request's authenticator: beside a
/// request that has one, whose text can be guessed, they would show.
const fn survives(attribute: &UpstreamAttribute) -> bool {
    !matches!(attribute.value, UpstreamValue::Hidden(_))
}

const fn challenge_if(asks: bool) -> AnswerCode {
    match asks {
        true => AnswerCode::Challenge,
        false => AnswerCode::Reject,
    }
}

impl Round {
    /// Counts another prompt for an answer that was none, or for codes that were sent.
    const fn may_repeat(&mut self) -> bool {
        self.repeats = self.repeats.saturating_add(1);
        self.repeats <= MAX_REPEATS
    }
}

/// How often a login is asked again, wrong passcodes not counted: a device that answers by itself
/// must come to an end.
pub(super) const MAX_REPEATS: u8 = 10;
