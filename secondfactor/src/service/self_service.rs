//! Self-service: who signs in with what they have changes their own devices.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::checks::Typed;
use super::enrollments::Begun;
use super::login::LoginError;
use super::{Allowed, Enrollee, NotSent, Service, Session};
use crate::account::{Account, Device, is_user_name, lookup_key};
use crate::admin::{DeviceKind, IncidentKind, NewUserPolicy, UserStatus, UsernameNormalization};
use crate::doors::Origin;
use crate::outbound::Message;
use crate::rate::Allowance;
use crate::store::{NewIncident, StoreError};
use crate::verdict::Verdict;

/// What a person changed by themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OwnChange<'a> {
    Added(&'a Device),
    /// A passkey was made for a device that was there: it approves from then on.
    Bound(&'a Device),
    Removed(&'a Device),
    BackupCodes,
}

impl OwnChange<'_> {
    /// As administrators read it.
    fn told(self) -> String {
        match self {
            Self::Added(device) => format!("added {}", device.told()),
            Self::Bound(device) => format!("made a passkey for {}", device.told()),
            Self::Removed(device) => format!("removed {}", device.told()),
            Self::BackupCodes => "made backup codes".to_owned(),
        }
    }

    /// As the person reads it: nothing in it was typed by whoever made the change.
    fn sentence(self, origin: Origin) -> String {
        let what = match self {
            Self::Added(device) => format!("{} was added to your devices", of_kind(device.kind)),
            Self::Bound(device) => {
                format!("{} was set up to approve your logins", of_kind(device.kind))
            }
            Self::Removed(device) => {
                format!("{} was removed from your devices", of_kind(device.kind))
            }
            Self::BackupCodes => {
                "new backup codes were made for you, and the old ones are good no more".to_owned()
            }
        };
        match origin {
            Origin::Local => format!("{what}."),
            Origin::Remote(address) => format!("{what}. That was asked for from {address}."),
        }
    }
}

const fn of_kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Phone => "a phone",
        DeviceKind::Totp => "an authenticator app",
        DeviceKind::Hotp => "a hardware token",
        DeviceKind::SecurityKey => "a security key",
        DeviceKind::Email => "an e-mail address",
    }
}

/// What became of the removal of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    Done,
    /// The user has no such device.
    Missing,
    /// Nothing would be left, and nobody said that this is meant.
    Last,
}

impl Service {
    /// Who has that name and passcode; none for all that is not so, and not before a while, so that nobody
    /// learns whether there is such a name. Wrong ones have an allowance of their own and lock nobody out:
    /// whoever knows a name may try here, without any password.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn sign_in_by_passcode(
        &self,
        name: &str,
        passcode: &str,
        origin: Origin,
    ) -> Result<Option<Account>, StoreError> {
        let until = Instant::now() + REFUSED_AFTER;
        let found = self.account_of(name).await?;
        let found = found.filter(|account| self.may_try(account, origin));
        let (user_id, user, groups) = match &found {
            Some(of) => (&*of.id, of.name.as_str(), &of.groups[..]),
            None => ("", "", &[][..]),
        };
        let typed = Typed {
            user_id,
            user,
            passcode,
            accepted: self.allowed_by_groups(groups),
            counted: false,
            application: "",
            ip: &origin.told(),
        };
        let checked = self.queue_check(typed).await?;
        if checked.verdict == Verdict::Allow
            && let Some(account) = found
        {
            self.sign_in_rate.forget(&account.id);
            return Ok(Some((*account).clone()));
        }
        tokio::time::sleep_until(until).await;
        Ok(None)
    }

    /// Whether a passcode of this user is looked at.
    fn may_try(&self, account: &Account, origin: Origin) -> bool {
        let now = Instant::now();
        if self.sign_in_rate.take(&account.id, now).is_err() {
            // Once in a while: who goes on fills no list.
            if self.told_rate.take(&account.id, now).is_ok() {
                let detail = "too many wrong passcodes at the page for one's own devices: it takes none \
                              of this user for a while";
                self.report_of_own(account, origin, detail.to_owned());
            }
            return false;
        }
        true
    }

    /// By the name as it was made, or by what is left of it without a domain.
    async fn account_of(&self, name: &str) -> Result<Option<Arc<Account>>, StoreError> {
        if !is_user_name(name) {
            return Ok(None);
        }
        let whole = lookup_key(name, UsernameNormalization::None);
        match self.account(&whole).await? {
            None => {
                self.account_named(name, UsernameNormalization::Simple)
                    .await
            }
            found => Ok(found),
        }
    }

    /// What members of these groups may use, whatever they log in to.
    pub(crate) fn allowed_by_groups(&self, groups: &[String]) -> Allowed {
        let policies = self.policies();
        policies
            .conditions("", groups, NewUserPolicy::Enroll)
            .allowed
    }

    /// Tells administrators, the log and the person that something was changed in the person's name.
    pub(crate) fn report_own_change(
        &self,
        account: &Account,
        origin: Origin,
        change: OwnChange<'_>,
    ) {
        self.report_of_own(account, origin, change.told());
        self.tell_own_change(account, origin, change);
    }

    /// Tells administrators and the log.
    fn report_of_own(&self, account: &Account, origin: Origin, detail: String) {
        self.report(NewIncident {
            kind: IncidentKind::SelfService,
            user: account.name.as_str().into(),
            application: "".into(),
            ip: origin.told().into(),
            detail: detail.into(),
        });
    }

    /// Tells a person by e-mail what was changed in their name, where that can be. The address is that of
    /// before: what is changed now cannot keep it away.
    pub(crate) fn tell_own_change(&self, account: &Account, origin: Origin, change: OwnChange<'_>) {
        if !self.has_mail() || self.mail_address(account).is_none() {
            return;
        }
        // Counted and logged there.
        if self.may_tell(&account.name).is_err() {
            return;
        }
        let sentence = change.sentence(origin);
        match self.mail(account, Message::Changed(&sentence)) {
            // A full queue counts and logs it.
            Ok(()) | Err(NotSent::Full) => {}
            Err(error) => tracing::warn!(
                user = &*account.name,
                error = &error as &dyn std::error::Error,
                "the user was not told of a change"
            ),
        }
    }

    /// Whether a user may change something now that administrators are told of: nobody fills their list.
    pub(crate) fn may_change_more(&self, account: &Account) -> bool {
        let taken = self.own_change_rate.take(&account.id, Instant::now());
        taken.is_ok()
    }

    /// Begins to add a device to those that a user has.
    ///
    /// # Errors
    /// [`LoginError::Full`] when too many enrollments wait.
    pub(crate) async fn begin_addition(&self, session: &Session) -> Result<Begun, LoginError> {
        let account = &session.account;
        let enrollee = Enrollee {
            name: &account.name,
            user_id: Some(&account.id),
            may_add: true,
            signed_in_at_ms: Some(session.created_at_ms()),
        };
        self.begin_enrollment(enrollee, ADDITION_LIFE).await
    }

    /// Removes one of a user's own devices. The last one goes only when nothing being left is meant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn remove_own_device(
        &self,
        session: &Session,
        device: &Device,
        nothing_left: bool,
    ) -> Result<Removed, StoreError> {
        let account = &session.account;
        // As it is now: another window may have removed the others.
        let Some(current) = self.store.account_by_id(&account.id).await? else {
            return Ok(Removed::Missing);
        };
        if !nothing_left && current.devices.iter().all(|found| found.id == device.id) {
            return Ok(Removed::Last);
        }
        let deleted = self.delete_device(account, &device.id, Some(session));
        Ok(match deleted.await? {
            true => Removed::Done,
            false => Removed::Missing,
        })
    }
}

/// Whether a user may change anything by themselves.
pub(crate) fn may_serve_oneself(account: &Account) -> bool {
    matches!(account.status, UserStatus::Active | UserStatus::Bypass)
}

/// When a sign-in that is refused is answered: later than any is judged.
const REFUSED_AFTER: Duration = Duration::from_millis(500);

/// Passcodes of one user at the page for one's own devices; a right one begins anew.
pub(super) const SIGN_IN_RATE: Allowance = Allowance {
    at_once: 5,
    each: Duration::from_secs(900),
    known: 100_000,
};

/// How often it is told of a user that this was used up.
pub(super) const TOLD_RATE: Allowance = Allowance {
    at_once: 1,
    each: Duration::from_secs(900),
    known: 100_000,
};

/// What one user changes that administrators are told of.
pub(super) const OWN_CHANGE_RATE: Allowance = Allowance {
    at_once: 10,
    each: Duration::from_secs(60),
    known: 100_000,
};

/// How long an addition can be finished.
const ADDITION_LIFE: Duration = Duration::from_secs(900);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn nobody_is_told_what_somebody_else_typed() {
        let device = Device {
            number: "call@evil.example".to_owned(),
            ..Device::new("DE1", DeviceKind::Email, "Call 555")
        };
        let remote = Origin::Remote(Ipv4Addr::new(192, 0, 2, 7).into());
        for (change, origin, told, want) in [
            (
                OwnChange::Added(&device),
                remote,
                "added email DE1 'Call 555'",
                "an e-mail address was added to your devices. That was asked for from 192.0.2.7.",
            ),
            (
                OwnChange::Removed(&device),
                Origin::Local,
                "removed email DE1 'Call 555'",
                "an e-mail address was removed from your devices.",
            ),
            (
                OwnChange::Bound(&device),
                remote,
                "made a passkey for email DE1 'Call 555'",
                "an e-mail address was set up to approve your logins. That was asked for from 192.0.2.7.",
            ),
            (
                OwnChange::BackupCodes,
                Origin::Local,
                "made backup codes",
                "new backup codes were made for you, and the old ones are good no more.",
            ),
        ] {
            assert_eq!(change.told(), told);
            assert_eq!(change.sentence(origin), want);
        }
    }
}
