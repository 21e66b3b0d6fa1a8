//! preauth: how a login goes on. Whatever it does not offer, auth refuses by itself.

use std::sync::Arc;
use std::time::Duration;

use super::login::{LoginError, Who};
use super::offer::{Offer, Shown, offered, sure_ones_first};
use super::policy::Conditions;
use super::risk::{Pushing, Shows, Streak, pushing};
use super::{Enrollee, Service};
use crate::account::{Account, Application, Device, bare_name, is_user_name};
use crate::admin::{Capabilities, NewUserPolicy, UserStatus};
use crate::clock;
use crate::push::{NUMBER_SECONDS, Txid};
use crate::store::{Place, StoreError};
use crate::verdict::{DISABLED, LOCKED_OUT, Verdict};

/// What preauth is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PreauthRequest<'a> {
    pub(crate) who: Who<'a>,
    /// Where the person is, as the application says; may be empty.
    pub(crate) ip: &'a str,
    /// The RADIUS client, as the application names it; may be empty.
    pub(crate) client: &'a str,
    pub(crate) shows: Shows,
}

/// preauth's answer.
pub(crate) enum Preauth {
    /// Go on to auth, with one of these devices.
    Auth(Offer),
    /// Let in without a second factor.
    Allow(&'static str),
    /// Refuse.
    Deny(&'static str),
    /// Refuse, and show this address.
    Enroll { portal_url: String },
}

impl Service {
    /// Says how a login goes on.
    ///
    /// # Errors
    /// [`LoginError`].
    pub(crate) async fn preauth(
        &self,
        application: &Application,
        request: PreauthRequest<'_>,
    ) -> Result<Preauth, LoginError> {
        let now_ms = clock::unix_ms();
        let account = self.identify(application, request.who).await?;
        let conditions = self.conditions(application, account.as_deref());
        let account = match (account, request.who) {
            (Some(account), _) => account,
            (None, Who::Name(name)) => {
                return self
                    .unenrolled(application, &conditions, (name, None))
                    .await;
            }
            (None, Who::Id(_)) => return Err(LoginError::Invalid("user_id")),
        };
        match self.status(&account, now_ms) {
            UserStatus::Bypass => return Ok(Preauth::Allow(Verdict::Bypass.words().2)),
            UserStatus::Disabled => return Ok(Preauth::Deny(DISABLED)),
            UserStatus::LockedOut => return Ok(Preauth::Deny(LOCKED_OUT)),
            UserStatus::Active => {}
        }
        let enrolled = account.is_enrolled(self.reach_of());
        // An exemption asks for nothing; it lets in nobody who would be refused.
        let refused = !enrolled && conditions.new_users == NewUserPolicy::Deny;
        if !refused && conditions.exempts(request.ip) {
            self.metrics.exempt_logins.inc();
            return Ok(Preauth::Allow(EXEMPT));
        }
        if !enrolled {
            let named = (account.name.as_str(), Some(account.id.as_str()));
            return self.unenrolled(application, &conditions, named).await;
        }
        if self
            .is_remembered(application, &account, &conditions, request)
            .await?
        {
            self.metrics.remembered_logins.inc();
            return Ok(Preauth::Allow(REMEMBERED));
        }
        let row = (Streak::of(&account), self.open_pushes_of(&account.id));
        let pushing = pushing(&conditions, row, now_ms, request.shows);
        let devices = match self.offered(&account, &conditions, pushing) {
            Ok(devices) => devices,
            Err(why) => return Ok(Preauth::Deny(why.words().2)),
        };
        let can_push = devices.iter().any(|(_, can)| can.push);
        let shown = match pushing {
            Pushing::Numbered if can_push => {
                let now_s = now_ms / 1_000;
                let of = (account.id.as_str(), &*application.name);
                let (txid, number) = Txid::numbered(&self.vault, of, now_s)?;
                Some(Shown {
                    txid,
                    number,
                    expires_at_s: now_s + NUMBER_SECONDS,
                })
            }
            _ => None,
        };
        Ok(Preauth::Auth(Offer { devices, shown }))
    }

    /// The devices that preauth would list of somebody who may log in; none of anybody else. Nothing is counted
    /// and nothing made: who asks has had preauth's answer.
    ///
    /// # Errors
    /// [`LoginError`].
    pub(crate) async fn offered_devices(
        &self,
        application: &Application,
        who: Who<'_>,
        shows: Shows,
    ) -> Result<Offer, LoginError> {
        let now_ms = clock::unix_ms();
        let account = self.identify(application, who).await?;
        let active = |account: &Arc<Account>| account.status_at(now_ms) == UserStatus::Active;
        let devices = account.filter(active).map(|account| {
            let conditions = self.conditions(application, Some(&account));
            let row = (Streak::of(&account), self.open_pushes_of(&account.id));
            let pushing = pushing(&conditions, row, now_ms, shows);
            self.offered(&account, &conditions, pushing)
                .unwrap_or_default()
        });
        Ok(Offer {
            devices: devices.unwrap_or_default(),
            shown: None,
        })
    }

    fn offered(
        &self,
        account: &Account,
        conditions: &Conditions,
        pushing: Pushing,
    ) -> Result<Vec<(Arc<Device>, Capabilities)>, Verdict> {
        let devices = offered(account, conditions, pushing, |device| self.can(device))?;
        Ok(sure_ones_first(devices, self.reach_of()))
    }

    /// Whether an approval lets in again: of the same person, by the same way, and by the policy as it is.
    async fn is_remembered(
        &self,
        application: &Application,
        account: &Account,
        conditions: &Conditions,
        request: PreauthRequest<'_>,
    ) -> Result<bool, StoreError> {
        if conditions.remember_ms == 0 || request.ip.is_empty() || request.client.is_empty() {
            return Ok(false);
        }
        let place = Place {
            user_id: &account.id,
            application: &application.name,
            client: request.client,
            station: request.ip,
        };
        let now_ms = clock::unix_ms();
        let since = self.store.remembered_since(place, now_ms).await?;
        Ok(since.is_some_and(|since_ms| now_ms < since_ms.saturating_add(conditions.remember_ms)))
    }

    async fn unenrolled(
        &self,
        application: &Application,
        conditions: &Conditions,
        (name, user_id): (&str, Option<&str>),
    ) -> Result<Preauth, LoginError> {
        match conditions.new_users {
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
                    signed_in_at_ms: None,
                };
                // Sooner than a caller gives up, who would take that for an outage and fall back on its
                // fail mode.
                let begun = self.begin_enrollment(enrollee, PORTAL_LIFE);
                let begun = tokio::time::timeout(LONGEST_BEGIN, begun).await;
                let begun = begun.unwrap_or_else(|_| Err(StoreError::Overloaded.into()))?;
                Ok(Preauth::Enroll {
                    portal_url: begun.url,
                })
            }
        }
    }
}

const EXEMPT: &str = "No second factor is asked on your network.";
const REMEMBERED: &str = "Remembered approval. No second factor is asked of you.";
const NOT_ENROLLED: &str = "Your account is not enrolled. Ask your administrator.";

/// How long the address of the enrollment page is good.
const PORTAL_LIFE: Duration = Duration::from_secs(300);

/// How long a login waits for that address.
const LONGEST_BEGIN: Duration = Duration::from_secs(2);
