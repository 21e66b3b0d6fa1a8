//! One password to check at one host: find the entry, check the groups, bind.

use std::time::Instant;

use proto::event::{AuthEvent, Reason};
use proto::secret::Secret;

use super::answer::{self, Bound};
use super::fault::Fault;
use super::filter::Filter;
use super::host::Host;
use super::membership::{self, PRIMARY_GROUP, SID};
use super::message::{Found, PolicyError, Scope, Search};
use super::query::Named;
use super::sign_on::Person;
use super::{Directory, Extra, rejected, shown};
use crate::primary::{Acceptance, Verdict};

/// One password to check.
pub(super) struct Login<'a> {
    pub(super) directory: &'a Directory,
    pub(super) user: &'a str,
    pub(super) password: &'a Secret<String>,
    pub(super) named: Named<'a>,
    pub(super) by_name: Filter,
    pub(super) filter: Filter,
}

impl Login<'_> {
    pub(super) async fn check(&self, host: &Host, deadline: Instant) -> Result<Verdict, Fault> {
        let found = match self.entry(host, &self.filter, deadline).await? {
            Entry::One(found) => found,
            Entry::Several => {
                return Ok(rejected(
                    Reason::AmbiguousUser,
                    format!(
                        "more than one entry is '{}' at {}",
                        self.user(),
                        &host.label
                    ),
                ));
            }
            Entry::Other(found) => {
                return Ok(rejected(
                    Reason::UnknownUser,
                    format!(
                        "{} found {} for '{}', but its {} is not one value that is the same",
                        host.label,
                        shown(&found.dn),
                        self.user(),
                        self.named.attribute
                    ),
                ));
            }
            Entry::None => return self.nobody(host, deadline).await,
        };
        // Only what a directory lets nobody bind as has no name: its root.
        if found.dn.is_empty() {
            return Ok(rejected(
                Reason::UnknownUser,
                "the entry found has no name".to_owned(),
            ));
        }
        if let Some(verdict) = membership::barred(self.directory, host, &found, deadline).await? {
            return Ok(verdict);
        }
        let account = found
            .values(ACCOUNT)
            .next()
            .and_then(|value| str::from_utf8(value).ok())
            .filter(|account| !account.is_empty());
        let person = Person {
            dn: &found.dn,
            account,
            password: self.password,
        };
        let (bound, tried) = host.bind(&person, deadline).await?;
        let (dn, host) = (shown(&found.dn), &host.label);
        let verdict = answer::user_bind(&bound.outcome, tried)?;
        Ok(match (verdict, bound.policy) {
            // The password is right, and what follows is for a person at another place.
            (Bound::Accepted, Some(PolicyError::ChangeFirst)) => accepted(format!(
                "bound as {dn} at {host}, which wants the password changed"
            )),
            (Bound::Accepted, _) => accepted(format!("bound as {dn} at {host}")),
            (Bound::Rejected(_, said), Some(PolicyError::Locked)) => rejected(
                Reason::AccountLocked,
                format!("{host} refused {dn}, which is locked: {said}"),
            ),
            (Bound::Rejected(_, said), Some(PolicyError::Expired)) => rejected(
                Reason::PasswordExpired,
                format!("{host} refused {dn}, whose password has expired: {said}"),
            ),
            (Bound::Rejected(_, said), Some(PolicyError::ChangeFirst)) => rejected(
                Reason::PasswordMustChange,
                format!("{host} refused {dn}, whose password must be changed: {said}"),
            ),
            (Bound::Rejected(reason, said), None) => {
                rejected(reason, format!("{host} refused {dn}: {said}"))
            }
        })
    }

    /// Nothing was found: no such user, or one that `ldap_filter` leaves out.
    async fn nobody(&self, host: &Host, deadline: Instant) -> Result<Verdict, Fault> {
        if matches!(self.directory.extra, Extra::Filter(_))
            && let Entry::One(found) = self.entry(host, &self.by_name, deadline).await?
        {
            return Ok(rejected(
                Reason::NotPermitted,
                format!("{} does not match ldap_filter", shown(&found.dn)),
            ));
        }
        Ok(rejected(
            Reason::UnknownUser,
            format!("no entry is '{}' at {}", self.user(), &host.label),
        ))
    }

    fn user(&self) -> String {
        shown(&AuthEvent::shown_user(self.user))
    }

    async fn entry(&self, host: &Host, filter: &Filter, deadline: Instant) -> Result<Entry, Fault> {
        let base = &self.directory.search_dn;
        let search = Search {
            base,
            scope: Scope::Subtree,
            filter,
            attributes: &[self.named.attribute, ACCOUNT, SID, PRIMARY_GROUP],
            limit: WANTED,
        };
        let (mut found, end) = host.search(&search, deadline).await?;
        answer::search_end(&end, "search_dn", base)?;
        let first = found.pop();
        // A limit of the directory's own may hide the second.
        Ok(match first {
            Some(_) if !found.is_empty() || end.code != SUCCESS => Entry::Several,
            Some(found) => {
                let beside = &[ACCOUNT, SID, PRIMARY_GROUP];
                if self
                    .named
                    .is_of(found.values_beside(self.named.attribute, beside))
                {
                    Entry::One(found)
                } else {
                    Entry::Other(found)
                }
            }
            None => Entry::None,
        })
    }
}

fn accepted(detail: String) -> Verdict {
    Verdict::Accepted(Acceptance {
        detail,
        attributes: Vec::new(),
    })
}

enum Entry {
    None,
    One(Found),
    /// One that goes by another name than the one that was typed.
    Other(Found),
    Several,
}

/// By what Active Directory knows an account.
const ACCOUNT: &str = "sAMAccountName";

const SUCCESS: u32 = 0;

/// Two entries tell that a name is ambiguous.
const WANTED: u32 = 2;
