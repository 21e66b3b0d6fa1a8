//! The first half of a login: what the password field holds, and whether its password is right.

use std::time::Instant;

use proto::config::Mode;
use proto::event::Reason;
use proto::secret::Secret;

use super::factor::{Typed, split};
use super::{Action, Answer, AnswerCode, Flow, Pending, PrimaryUse, State, after, reject, texts};
use crate::primary::{Asked, Credential, Method, PrimaryFailureKind, Rejection, Relayed, Verdict};

impl Flow {
    pub(super) fn begin(&mut self, now: Instant) -> Action {
        match self.resumed.take() {
            None => {}
            Some(Pending::Upstream { asked, typed }) => {
                self.typed = typed.and_then(|typed| Typed::parse(typed.expose()));
                return self.begin_answer(now, asked);
            }
            Some(Pending::Prompt(prompted)) => return self.begin_answered_prompt(now, prompted),
            Some(Pending::Enrolment) => {
                let text = texts::ENROL_FIRST;
                return Action::Answer(Answer::reject_with(Reason::NotEnrolled, text));
            }
            Some(Pending::Refusal) => return reject(Reason::SecondFactorRefused),
        }
        // Nothing asks for it again: it is not kept for as long as a person takes.
        let none = Credential::Password(Secret::default());
        match std::mem::replace(&mut self.request.credential, none) {
            Credential::Password(typed) if typed.expose().is_empty() => {
                reject(Reason::EmptyPassword)
            }
            Credential::Password(typed) => self.begin_typed(now, typed),
            Credential::Relayed(relayed) => self.begin_relayed(now, relayed),
        }
    }

    /// An answer is nobody's business but the upstream's: the configuration may have changed since
    /// it asked, and a directory would take the answer for a password.
    fn begin_answer(&mut self, now: Instant, asked: Asked) -> Action {
        match (self.integration.mode, self.primary) {
            (
                Mode::Auto | Mode::Challenge | Mode::Concat | Mode::Eap,
                PrimaryUse::Ask { relays: true, .. },
            ) => {
                let credential = self.request.credential.clone();
                self.ask_primary(now, credential, Some(asked), None)
            }
            _ => reject(Reason::UnknownState),
        }
    }

    fn begin_typed(&mut self, now: Instant, typed: Secret<String>) -> Action {
        match self.integration.mode {
            Mode::DuoOnly => {
                self.typed = Typed::parse(typed.expose());
                if self.typed.is_none() {
                    return reject(Reason::EmptyPassword);
                }
                // Not through the exemption: with nobody asked for the password, nothing would be.
                self.ask_preauth(now)
            }
            // Nothing has to be appended by a user whom nobody asks for a factor.
            Mode::Concat if self.needs_factor() => self.begin_concat(now, &typed),
            // What follows the password is asked for: it is never split, whatever the append says.
            Mode::Challenge => self.check_password(now, typed, None),
            Mode::Auto | Mode::Concat | Mode::Eap => self.begin_auto(now, typed),
        }
    }

    /// Nothing can be split off what is hidden.
    fn begin_relayed(&mut self, now: Instant, relayed: Relayed) -> Action {
        let refused = |text| Action::Answer(Answer::reject_with(Reason::UnsupportedMethod, text));
        match (self.integration.mode, self.primary) {
            (Mode::Concat, _) if self.needs_factor() => refused(texts::NOTHING_APPENDED),
            (Mode::Auto | Mode::Challenge | Mode::Concat, PrimaryUse::Ask { relays: true, .. }) => {
                self.ask_primary(now, Credential::Relayed(relayed), None, None)
            }
            _ => refused(match relayed.method {
                Method::Chap => texts::CHAP,
                Method::MsChap => texts::MSCHAP,
            }),
        }
    }

    fn begin_concat(&mut self, now: Instant, typed: &Secret<String>) -> Action {
        let append = &self.integration.append;
        let parts = split(typed.expose(), append)
            .and_then(|(password, typed)| Some((Secret::from(password), Typed::parse(typed)?)));
        let Some((password, typed)) = parts else {
            return Action::Answer(Answer::reject_with(
                Reason::FactorMissing,
                &texts::factor_missing(append),
            ));
        };
        if password.expose().is_empty() {
            return reject(Reason::EmptyPassword);
        }
        self.typed = Some(typed);
        self.check_password(now, password, None)
    }

    fn begin_auto(&mut self, now: Instant, whole: Secret<String>) -> Action {
        match split(whole.expose(), &self.integration.append) {
            // Nothing before the delimiter is no password; then the delimiter is part of one.
            Some((password, typed)) if !password.is_empty() => {
                let password = Secret::from(password);
                self.typed = Typed::parse(typed);
                self.check_password(now, password, Some(whole))
            }
            _ => self.check_password(now, whole, None),
        }
    }

    /// Asks the primary, if there is one to ask. `password` is not empty.
    fn check_password(
        &mut self,
        now: Instant,
        password: Secret<String>,
        whole: Option<Secret<String>>,
    ) -> Action {
        self.ask_primary(now, Credential::Password(password), None, whole)
    }

    fn ask_primary(
        &mut self,
        now: Instant,
        credential: Credential,
        answers: Option<Asked>,
        whole: Option<Secret<String>>,
    ) -> Action {
        let PrimaryUse::Ask { budget, .. } = self.primary else {
            return self.password_is_right(now);
        };
        self.state = State::Primary { whole };
        Action::Primary {
            credential,
            answers,
            deadline: after(now, budget),
        }
    }

    pub(super) fn primary_answered(
        &mut self,
        now: Instant,
        verdict: Verdict,
        whole: Option<Secret<String>>,
    ) -> Action {
        match (verdict, whole) {
            (Verdict::Accepted(acceptance), _) => {
                self.attributes = acceptance.attributes;
                self.password_is_right(now)
            }
            (Verdict::Rejected(rejection), Some(whole)) if may_be_another_password(&rejection) => {
                self.typed = None;
                self.check_password(now, whole, None)
            }
            (Verdict::Rejected(rejection), _) => {
                let said = rejection.message.as_deref().and_then(texts::quoted);
                Action::Answer(Answer {
                    reply_message: said.or_else(|| texts::quoted(texts::of(rejection.reason))),
                    attributes: rejection.attributes,
                    ..Answer::reject(rejection.reason)
                })
            }
            (Verdict::Asked(_), _) if !self.asks => Action::Answer(Answer::reject_with(
                Reason::UnsupportedMethod,
                texts::CANNOT_ASK,
            )),
            (Verdict::Asked(question), _) => Action::Answer(Answer {
                code: AnswerCode::Challenge,
                reason: Reason::PrimaryChallenge,
                reply_message: question.message,
                factor: None,
                attributes: question.attributes,
                pending: Some(Pending::Upstream {
                    asked: question.asked,
                    typed: self.typed.take().map(|typed| typed.text()),
                }),
            }),
        }
    }

    pub(super) fn primary_failed(kind: PrimaryFailureKind) -> Action {
        reject(match kind {
            PrimaryFailureKind::Unavailable => Reason::PrimaryUnavailable,
            PrimaryFailureKind::Misconfigured => Reason::PrimaryMisconfigured,
            PrimaryFailureKind::Internal => Reason::Internal,
        })
    }

    fn password_is_right(&mut self, now: Instant) -> Action {
        if self.is_exempt() {
            return self.accept(Reason::ExemptUser, Some(texts::EXEMPT.to_owned()), None);
        }
        if self.passes_on_primary() {
            let text = texts::PRIMARY_ONLY.to_owned();
            return self.accept(Reason::PrimaryOnly, Some(text), None);
        }
        self.ask_preauth(now)
    }

    /// Whether the primary's word is enough now. Never where it takes any password.
    const fn passes_on_primary(&self) -> bool {
        self.primary_only && matches!(self.primary, PrimaryUse::Ask { .. })
    }

    fn needs_factor(&self) -> bool {
        !self.is_exempt() && !self.passes_on_primary()
    }

    fn is_exempt(&self) -> bool {
        self.integration.exempt_users.contains(&self.request.user)
    }

    /// Lets the user in, with what the upstream's accept carried.
    pub(super) fn accept(
        &mut self,
        reason: Reason,
        reply_message: Option<String>,
        factor: Option<proto::event::Factor>,
    ) -> Action {
        Action::Answer(Answer {
            code: AnswerCode::Accept,
            reason,
            reply_message,
            factor,
            attributes: std::mem::take(&mut self.attributes),
            pending: None,
        })
    }
}

/// Whether the whole string may still be right. When the account is the trouble, a second try
/// would only count as another failure.
const fn may_be_another_password(rejection: &Rejection) -> bool {
    matches!(
        rejection.reason,
        Reason::WrongPassword | Reason::PrimaryRejected
    )
}
