//! preauth, auth and auth_status: what becomes of a login.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Enrollee, Service};
use crate::account::{Account, Application, Device, bare_name, is_user_name};
use crate::admin::{NewUserPolicy, ScriptAnswer, UserStatus};
use crate::metrics::Factor;
use crate::push::{Details, Due, Found, Push, Txid};
use crate::store::StoreError;
use crate::verdict::{Asked, DISABLED, LOCKED_OUT, Verdict};

/// Whom a request names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    Name(&'a str),
    Id(&'a str),
}

/// preauth's answer.
pub(crate) enum Preauth {
    /// Go on to auth, with one of these devices.
    Auth(Arc<Account>),
    /// Let in without a second factor.
    Allow(&'static str),
    /// Refuse.
    Deny(&'static str),
    /// Refuse, and show this address.
    Enroll { portal_url: String },
}

/// What auth is asked to do.
pub(crate) struct AuthRequest<'a> {
    pub(crate) who: Who<'a>,
    pub(crate) choice: Choice<'a>,
    pub(crate) wait: Wait,
    pub(crate) details: Details,
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
}

/// A push whose caller waits for its end.
pub(crate) struct Held {
    push: Arc<Push>,
    until: Instant,
}

/// auth_status' answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    Waiting(Asked),
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

impl From<crate::clock::NoRandomness> for LoginError {
    fn from(error: crate::clock::NoRandomness) -> Self {
        Self::Store(error.into())
    }
}

impl Service {
    /// Says how a login goes on.
    ///
    /// # Errors
    /// [`LoginError`].
    pub(crate) async fn preauth(
        &self,
        application: &Application,
        who: Who<'_>,
    ) -> Result<Preauth, LoginError> {
        let account = self.identify(application, who).await?;
        let account = match (account, who) {
            (Some(account), _) => account,
            (None, Who::Name(name)) => return self.unenrolled(application, name, None).await,
            (None, Who::Id(_)) => return Err(LoginError::Invalid("user_id")),
        };
        match account.status {
            UserStatus::Bypass => Ok(Preauth::Allow(Verdict::Bypass.words().2)),
            UserStatus::Disabled => Ok(Preauth::Deny(DISABLED)),
            UserStatus::LockedOut => Ok(Preauth::Deny(LOCKED_OUT)),
            UserStatus::Active if account.is_enrolled() => Ok(Preauth::Auth(account)),
            UserStatus::Active => {
                self.unenrolled(application, &account.name, Some(&account.id))
                    .await
            }
        }
    }

    /// Asks a person, or checks a passcode.
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
        let at_once = match account.status {
            UserStatus::Active => None,
            UserStatus::Bypass => Some(Verdict::Bypass),
            UserStatus::Disabled => Some(Verdict::Disabled),
            UserStatus::LockedOut => Some(Verdict::LockedOut),
        };
        if let Some(verdict) = at_once {
            return self.ended(application, verdict, request.wait);
        }
        match request.choice {
            Choice::Passcode(passcode) => {
                let verdict = self.check_passcode(&account, passcode).await?;
                self.metrics.ended(Factor::Passcode, verdict);
                self.ended(application, verdict, request.wait)
            }
            Choice::Sms(device) => {
                let device = pick(&account, device, |device| device.capabilities.sms)?;
                self.record_sms_codes(&account, device).await?;
                self.metrics.ended(Factor::Sms, Verdict::SmsSent);
                self.ended(application, Verdict::SmsSent, request.wait)
            }
            Choice::Push(device) => {
                let device = pick(&account, device, |device| device.capabilities.push)?;
                self.ask(application, &account, device, Asked::Push, request)
                    .await
            }
            Choice::Phone(device) => {
                let device = pick(&account, device, |device| device.capabilities.phone)?;
                self.ask(application, &account, device, Asked::Phone, request)
                    .await
            }
            Choice::Auto(device) => {
                let push = pick(&account, device, |device| device.capabilities.push);
                let (device, asked) = match push {
                    Ok(device) => (device, Asked::Push),
                    Err(_) => {
                        let phone = pick(&account, device, |device| device.capabilities.phone)?;
                        (phone, Asked::Phone)
                    }
                };
                self.ask(application, &account, device, asked, request)
                    .await
            }
        }
    }

    /// Says how an authentication stands: at once the first time, later when it ended or the
    /// hold ran out.
    ///
    /// # Errors
    /// [`LoginError::Invalid`] for a transaction of another application, or none.
    pub(crate) async fn auth_status(
        &self,
        application: &Application,
        txid: &str,
    ) -> Result<State, LoginError> {
        let unknown = LoginError::Invalid("txid");
        let now = Instant::now();
        let found =
            Txid::parse(txid).and_then(|txid| self.pushes.find(txid, &application.name, now));
        let push = match found.ok_or(unknown)? {
            Found::Ended(verdict) => return Ok(State::Ended(verdict)),
            Found::Waiting(push) => push,
        };
        let verdict = if push.is_first_poll() {
            push.verdict()
        } else {
            // Who polls asks again, and then perhaps the process that takes over.
            let leaving = self.gate.leaving();
            push.ended(now + self.rules.poll_hold, &leaving).await
        };
        Ok(verdict.map_or(State::Waiting(push.asked), State::Ended))
    }

    async fn identify(
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

    async fn unenrolled(
        &self,
        application: &Application,
        name: &str,
        user_id: Option<&str>,
    ) -> Result<Preauth, LoginError> {
        match application.rules.new_user_policy {
            NewUserPolicy::Allow => Ok(Preauth::Allow("No second factor is asked of you.")),
            NewUserPolicy::Deny => Ok(Preauth::Deny(NOT_ENROLLED)),
            // One entry of a directory answers to many names: whoever has its password could
            // enroll under another one, and so pass with the password alone.
            NewUserPolicy::Enroll if user_id.is_none() && !application.rules.open_enrollment => {
                Ok(Preauth::Deny(NOT_ENROLLED))
            }
            NewUserPolicy::Enroll => {
                let name = match user_id {
                    Some(_) => name.to_owned(),
                    None => bare_name(name, application.rules.username_normalization),
                };
                if !is_user_name(&name) {
                    return Err(LoginError::Invalid("username"));
                }
                let enrollee = Enrollee {
                    name: &name,
                    user_id,
                    may_add: false,
                };
                let begun = self.begin_enrollment(enrollee, PORTAL_LIFE).await?;
                Ok(Preauth::Enroll {
                    portal_url: begun.url,
                })
            }
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
        device: &Arc<Device>,
        asked: Asked,
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
        let push = Push::new(parties, asked, request.details, now)?;
        if due.after.is_zero() {
            self.push_ended(&push, due.verdict);
            return self.ended(application, due.verdict, request.wait);
        }
        let push = self.pushes.insert(push, due).map_err(|_| {
            self.metrics.pushes_refused.inc();
            LoginError::Full
        })?;
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

fn pick<'a>(
    account: &'a Account,
    device: Option<&str>,
    can: impl Fn(&Device) -> bool,
) -> Result<&'a Arc<Device>, LoginError> {
    account
        .devices
        .iter()
        .find(|found| device.is_none_or(|id| *found.id == *id) && can(found))
        .ok_or(LoginError::Invalid("device"))
}

const NOT_ENROLLED: &str = "Your account is not enrolled. Ask your administrator.";

/// How long the address of the enrollment page is good.
const PORTAL_LIFE: Duration = Duration::from_secs(300);

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
                id: String::new(),
                name: String::new(),
                lookup: String::new(),
                status: UserStatus::Active,
                script: Some(Script { answer, after_ms }),
                failures: 0,
                bypass_codes: 0,
                devices: Vec::new(),
            };
            let due = due(&account, minute);
            assert_eq!((due.after.as_millis(), due.verdict), want, "{answer:?}");
        }
    }
}
