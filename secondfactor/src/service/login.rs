//! auth and auth_status: what becomes of a login.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::checks::Typed;
use super::delivery::Passcode;
use super::notes::Login;
use super::offer::{permitted, refusal};
use super::policy::Conditions;
use super::risk::{Shows, Streak, pushing};
use super::{Sending, Service};
use crate::account::{Account, Application, Device};
use crate::admin::{AllowedFactor, Capabilities, NumberMatching, ScriptAnswer, UserStatus};
use crate::clock;
use crate::metrics::Factor;
use crate::push::{Details, Due, Found, NoNumber, Number, Push, Refused, Txid};
use crate::store::StoreError;
use crate::verdict::{Asked, Verdict};

/// Whom a request names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    Name(&'a str),
    Id(&'a str),
}

/// What auth is asked to do.
pub(crate) struct AuthRequest<'a> {
    pub(crate) who: Who<'a>,
    pub(crate) choice: Choice<'a>,
    pub(crate) wait: Wait,
    pub(crate) details: Details,
    /// That of the number which the login shows.
    pub(crate) txid: Option<&'a str>,
}

/// Whether the caller waits for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It gets a transaction id and asks later.
    Poll,
    /// It holds the request open.
    Hold,
}

/// The factor and the device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<'a> {
    /// What the device can do, a push before a call; none is the first device that can.
    Auto(Option<&'a str>),
    Push(Option<&'a str>),
    Phone(Option<&'a str>),
    Sms(Option<&'a str>),
    Passcode(&'a str),
}

/// auth's answer.
pub(crate) enum AuthAnswer {
    Ended(Verdict),
    Txid(Txid),
    /// It waits for a person, and so does its caller.
    Held(Held),
    /// A passcode is on its way, and its caller waits for it.
    Sending(Sending),
}

/// A push whose caller waits for its end. Small: as many are kept as people are waited for.
pub(crate) struct Held {
    push: Arc<Push>,
    until: Instant,
}

/// auth_status' answer.
pub(crate) enum Status {
    Now(State),
    /// There is nothing new yet, and its caller waits a while.
    Later(Held),
}

/// How an authentication stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// `status` and `status_msg`.
    Waiting(&'static str, &'static str),
    Ended(Verdict),
}

/// Why a login step was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LoginError {
    /// A parameter names nothing.
    #[error("no such {0}")]
    Invalid(&'static str),
    /// Too many requests wait.
    #[error("too many requests wait")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<clock::NoRandomness> for LoginError {
    fn from(error: clock::NoRandomness) -> Self {
        Self::Store(error.into())
    }
}

impl Service {
    /// Asks a person, or checks a passcode. What preauth would not offer is refused: nobody has to have
    /// asked it.
    ///
    /// # Errors
    /// [`LoginError`].
    pub(crate) async fn auth(
        &self,
        application: &Arc<Application>,
        request: AuthRequest<'_>,
    ) -> Result<AuthAnswer, LoginError> {
        let account = self.identify(application, request.who).await?;
        let account = account.ok_or(LoginError::Invalid(match request.who {
            Who::Name(_) => "username",
            Who::Id(_) => "user_id",
        }))?;
        let at_once = match self.status(&account, clock::unix_ms()) {
            UserStatus::Active => None,
            UserStatus::Bypass => Some(Verdict::Bypass),
            UserStatus::Disabled => Some(Verdict::Disabled),
            UserStatus::LockedOut => Some(Verdict::LockedOut),
        };
        if let Some(verdict) = at_once {
            return self.ended(application, verdict, request.wait);
        }
        let conditions = self.conditions(application, Some(&account));
        let allowed = conditions.allowed;
        let reach = self.reach_of();
        let picked = |device, can: fn(Capabilities) -> bool| {
            let able = |device: &Device| can(self.can(device));
            let may = |device: &Device| can(permitted(device, self.can(device), allowed));
            // Of calls and passcodes none waits for that.
            let pushes = can(ONLY_PUSH);
            let later = |device: &Device| pushes && device.waits_for_passkey(reach);
            pick(&account, device, able, (may, later))
        };
        let (device, asked) = match request.choice {
            Choice::Passcode(passcode) => {
                let verdict = self
                    .passcode(application, &account, &conditions, (passcode, &request))
                    .await?;
                self.metrics.ended(Factor::Passcode, verdict);
                return self.ended(application, verdict, request.wait);
            }
            Choice::Sms(device) => {
                let verdict = match picked(device, |can| can.sms)? {
                    Some(device) => match self.send_passcode(&account, device).await? {
                        Passcode::Ended(verdict) => verdict,
                        Passcode::Sending(sending) if request.wait == Wait::Hold => {
                            return Ok(AuthAnswer::Sending(sending));
                        }
                        Passcode::Sending(sending) => self.passcode_sent_soon(sending).await,
                    },
                    None => Verdict::FactorRefused,
                };
                self.metrics.ended(Factor::Sms, verdict);
                return self.ended(application, verdict, request.wait);
            }
            Choice::Push(device) => (picked(device, |can| can.push)?, Asked::Push),
            Choice::Phone(device) => (picked(device, |can| can.phone)?, Asked::Phone),
            Choice::Auto(device) => match picked(device, |can| can.push) {
                Ok(Some(device)) => (Some(device), Asked::Push),
                refused => match (refused, picked(device, |can| can.phone)) {
                    (_, Ok(Some(device))) => (Some(device), Asked::Phone),
                    (Ok(_), _) | (_, Ok(None)) => (None, Asked::Push),
                    (Err(error), Err(_)) => return Err(error),
                },
            },
        };
        let Some(device) = device else {
            return self.refused(application, (asked, Verdict::FactorRefused), request.wait);
        };
        if asked == Asked::Phone {
            let asks = (device, asked, Sent::Plain { most: None });
            return self.ask(application, &account, asks, request).await;
        }
        match self.number_of(application, &account, &conditions, request.txid)? {
            Ok(sent) => {
                let asks = (device, asked, sent);
                self.ask(application, &account, asks, request).await
            }
            // No call instead, which needs no number: who may ask for one asks for it by name.
            Err(why) => self.refused(application, (asked, why), request.wait),
        }
    }

    /// Checks a passcode. A good one may be remembered, but for a bypass code, which stands in for all else.
    async fn passcode(
        &self,
        application: &Application,
        account: &Account,
        conditions: &Conditions,
        (passcode, request): (&str, &AuthRequest<'_>),
    ) -> Result<Verdict, LoginError> {
        if !conditions.allowed.any_code() {
            return Ok(Verdict::FactorRefused);
        }
        let typed = Typed {
            user_id: &account.id,
            user: account.name.as_str(),
            passcode,
            accepted: conditions.allowed,
            counted: true,
            application: &application.name,
            ip: &request.details.ip,
        };
        let checked = self.check_passcode(typed).await?;
        let lasts = checked.used != Some(AllowedFactor::BypassCode) && conditions.remember_ms > 0;
        if checked.verdict == Verdict::Allow && lasts {
            self.note_pass(Login {
                user_id: account.id.as_str().into(),
                user: account.name.as_str().into(),
                application: Arc::clone(&application.name),
                client: request.details.client.clone(),
                ip: request.details.ip.clone(),
            });
        }
        Ok(checked.verdict)
    }

    /// How a push goes, with a number where it needs one; or why it does not go.
    fn number_of(
        &self,
        application: &Application,
        account: &Account,
        conditions: &Conditions,
        txid: Option<&str>,
    ) -> Result<Result<Sent, Verdict>, LoginError> {
        let now_ms = clock::unix_ms();
        let Some(txid) = txid else {
            let streak = Streak::of(account);
            let missed = self.missed_of(&account.id);
            let row = (streak, self.open_pushes_of(&account.id));
            let how = pushing(conditions, row, now_ms, Shows::Nothing);
            let risk = conditions.number_matching == NumberMatching::Risk;
            return Ok(match refusal(how) {
                Some(why) => Err(why),
                None => Ok(Sent::Plain {
                    most: risk.then(|| streak.room(conditions, now_ms).saturating_sub(missed)),
                }),
            });
        };
        let unknown = LoginError::Invalid("txid");
        let Some(txid) = Txid::parse(txid) else {
            return Err(unknown);
        };
        // It was shown, so it is asked for, whatever the policy is by now.
        let of = (account.id.as_str(), &*application.name);
        match txid.number(&self.vault, of, now_ms / 1_000) {
            Ok(_) if self.pushes.knows(txid) => Err(unknown),
            Ok(number) => Ok(Ok(Sent::Numbered(txid, number))),
            Err(NoNumber::Over) => Ok(Err(Verdict::NumberOver)),
            Err(NoNumber::Foreign) => Err(unknown),
        }
    }

    /// What a user may do now. A bypass that is over is noted where it is seen: a login waits for no writer
    /// to learn how it goes on.
    pub(super) fn status(&self, account: &Account, now_ms: u64) -> UserStatus {
        let status = account.status_at(now_ms);
        if status != account.status {
            self.note_over(account);
        }
        status
    }

    /// Ends at once what a policy refuses.
    fn refused(
        &self,
        application: &Application,
        (asked, verdict): (Asked, Verdict),
        wait: Wait,
    ) -> Result<AuthAnswer, LoginError> {
        let factor = match asked {
            Asked::Push => Factor::Push,
            Asked::Phone => Factor::Phone,
        };
        self.metrics.ended(factor, verdict);
        self.ended(application, verdict, wait)
    }

    /// Says how an authentication stands: at once the first time, later when it ended or the
    /// hold ran out.
    ///
    /// # Errors
    /// [`LoginError::Invalid`] for a transaction of another application, or none.
    pub(crate) fn auth_status(
        &self,
        application: &Application,
        txid: &str,
    ) -> Result<Status, LoginError> {
        let unknown = LoginError::Invalid("txid");
        let now = Instant::now();
        let found =
            Txid::parse(txid).and_then(|txid| self.pushes.find(txid, &application.name, now));
        Ok(match found.ok_or(unknown)? {
            Found::Ended(verdict) => Status::Now(State::Ended(verdict)),
            Found::Waiting(push) if push.is_news() => Status::Now(state_of(&push, push.verdict())),
            Found::Waiting(push) => Status::Later(Held {
                push,
                until: now + self.rules.poll_hold,
            }),
        })
    }

    /// Waits for the end of a push, but not longer than one who polls does.
    pub(crate) async fn polled(&self, Held { push, until }: Held) -> State {
        // Who polls asks again, and then perhaps the process that takes over.
        let leaving = self.gate.leaving();
        let verdict = push.ended(until, &leaving).await;
        state_of(&push, verdict)
    }

    pub(super) async fn identify(
        &self,
        application: &Application,
        who: Who<'_>,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        match who {
            Who::Name(name) => {
                self.account_named(name, application.rules.username_normalization)
                    .await
            }
            Who::Id(id) => Ok(self.store.account_by_id(id).await?.map(Arc::new)),
        }
    }

    fn ended(
        &self,
        application: &Application,
        verdict: Verdict,
        wait: Wait,
    ) -> Result<AuthAnswer, LoginError> {
        if wait == Wait::Hold {
            return Ok(AuthAnswer::Ended(verdict));
        }
        let txid = Txid::random()?;
        self.pushes
            .insert_ended(txid, &application.name, verdict, Instant::now());
        Ok(AuthAnswer::Txid(txid))
    }

    async fn ask(
        &self,
        application: &Arc<Application>,
        account: &Arc<Account>,
        (device, asked, sent): (&Arc<Device>, Asked, Sent),
        request: AuthRequest<'_>,
    ) -> Result<AuthAnswer, LoginError> {
        let now = Instant::now();
        let lifetime = match request.wait {
            Wait::Poll => self.rules.push_lifetime,
            Wait::Hold => self.rules.push_lifetime.min(LONGEST_HOLD),
        };
        let due = due(account, lifetime);
        let parties = (
            Arc::clone(application),
            Arc::clone(account),
            Arc::clone(device),
        );
        let mut push = Push::new(parties, asked, request.details, now)?;
        let most = match sent {
            Sent::Plain { most } => most,
            Sent::Numbered(txid, number) => {
                push = push.with_number(txid, number);
                self.metrics.numbered_pushes.inc();
                None
            }
        };
        if due.after.is_zero() {
            self.push_ended(&push, due.verdict);
            self.pushes
                .insert_ended(push.txid, &application.name, due.verdict, now);
            return Ok(match request.wait {
                Wait::Hold => AuthAnswer::Ended(due.verdict),
                Wait::Poll => AuthAnswer::Txid(push.txid),
            });
        }
        if asked == Asked::Phone && !self.may_call(account) {
            let verdict = Verdict::TooManyMessages;
            self.push_ended(&push, verdict);
            return self.ended(application, verdict, request.wait);
        }
        let push = match self.pushes.insert(push, due, most) {
            Ok(push) => push,
            Err(Refused::Full) => {
                self.metrics.pushes_refused.inc();
                return Err(LoginError::Full);
            }
            Err(Refused::Used) => return Err(LoginError::Invalid("txid")),
            // Others were asked for in the same moment.
            Err(Refused::TooMany) => {
                return self.refused(application, (asked, Verdict::TooManyPushes), request.wait);
            }
        };
        self.reach(&push, account, device);
        if request.wait == Wait::Poll {
            return Ok(AuthAnswer::Txid(push.txid));
        }
        let until = now + lifetime + SWEEP_MARGIN;
        Ok(AuthAnswer::Held(Held { push, until }))
    }

    /// Waits for the end of a push.
    pub(crate) async fn held(&self, Held { push, until }: Held) -> Verdict {
        let verdict = push.ended(until, &self.shutdown).await;
        verdict.unwrap_or(Verdict::Timeout)
    }
}

fn state_of(push: &Push, verdict: Option<Verdict>) -> State {
    // Even where it ended: what it said on its way is told then.
    let (status, text) = push.progress();
    verdict.map_or(State::Waiting(status, text), State::Ended)
}

/// How a request goes to a person.
#[derive(Clone, Copy)]
enum Sent {
    /// As it is, where fewer of the user's wait than `most`, if that is said.
    Plain { most: Option<u32> },
    /// Who approves must type this.
    Numbered(Txid, Number),
}

/// When a push ends by itself: at the end of its life, or when the user's script says.
fn due(account: &Account, lifetime: Duration) -> Due {
    let timeout = Due {
        after: lifetime,
        verdict: Verdict::Timeout,
    };
    let Some(script) = account.script else {
        return timeout;
    };
    let verdict = match script.answer {
        ScriptAnswer::Approve => Verdict::Allow,
        ScriptAnswer::Deny => Verdict::Deny,
        ScriptAnswer::Fraud => Verdict::Fraud,
        ScriptAnswer::Ignore => return timeout,
    };
    let after = Duration::from_millis(script.after_ms.into());
    if after < lifetime {
        Due { after, verdict }
    } else {
        timeout
    }
}

/// The device of an id, or the first, that can and that may, those that come later at last: none when all
/// that can may not.
fn pick<'a>(
    account: &'a Account,
    device: Option<&str>,
    can: impl Fn(&Device) -> bool,
    (may, later): (impl Fn(&Device) -> bool, impl Fn(&Device) -> bool),
) -> Result<Option<&'a Arc<Device>>, LoginError> {
    let devices = account.devices.iter();
    let mut able = devices.filter(|found| device.is_none_or(|id| *found.id == *id) && can(found));
    let first = able.next().ok_or(LoginError::Invalid("device"))?;
    let all = std::iter::once(first).chain(able);
    Ok(all
        .filter(|found| may(found))
        .min_by_key(|found| later(found)))
}

const ONLY_PUSH: Capabilities = Capabilities {
    push: true,
    phone: false,
    sms: false,
};

/// The longest that a request is held open: some clients give up after 60 s.
const LONGEST_HOLD: Duration = Duration::from_secs(55);

/// The end comes from the sweep; this is for when it is late.
const SWEEP_MARGIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Script;

    #[test]
    fn scripts_end_a_push_unless_its_life_ends_before() {
        let minute = Duration::from_secs(60);
        for (answer, after_ms, want) in [
            (ScriptAnswer::Approve, 0, (0, Verdict::Allow)),
            (ScriptAnswer::Deny, 500, (500, Verdict::Deny)),
            (ScriptAnswer::Fraud, 59_999, (59_999, Verdict::Fraud)),
            (ScriptAnswer::Approve, 60_000, (60_000, Verdict::Timeout)),
            (ScriptAnswer::Ignore, 0, (60_000, Verdict::Timeout)),
        ] {
            let account = Account {
                script: Some(Script { answer, after_ms }),
                ..Account::new(String::new(), "")
            };
            let due = due(&account, minute);
            assert_eq!((due.after.as_millis(), due.verdict), want, "{answer:?}");
        }
    }
}
