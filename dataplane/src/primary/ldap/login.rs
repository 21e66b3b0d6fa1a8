//! One password to check at one host: find the entry, check the groups, bind.

use std::time::Instant;

use proto::event::{AuthEvent, Reason};

use super::answer::{self, Bound, Tried};
use super::fault::Fault;
use super::filter::Filter;
use super::host::Host;
use super::message::{PolicyError, Scope, Search};
use super::query::{self, Named};
use super::{Directory, Extra, rejected, shown};
use crate::primary::{Acceptance, PrimaryRequest, Verdict};

/// One password to check.
pub(super) struct Login<'a> {
    pub(super) directory: &'a Directory,
    pub(super) request: &'a PrimaryRequest,
    pub(super) named: Named<'a>,
    pub(super) by_name: Filter,
    pub(super) filter: Filter,
}

impl Login<'_> {
    pub(super) async fn check(&self, host: &Host, deadline: Instant) -> Result<Verdict, Fault> {
        let dn = match self.entry(host, &self.filter, deadline).await? {
            Entry::One(dn) => dn,
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
            Entry::Other(dn) => {
                return Ok(rejected(
                    Reason::UnknownUser,
                    format!(
                        "{} found {} for '{}', but its {} is not one value that is the same",
                        host.label,
                        shown(&dn),
                        self.user(),
                        self.named.attribute
                    ),
                ));
            }
            Entry::None => return self.nobody(host, deadline).await,
        };
        // Only what a directory lets nobody bind as has no name: its root.
        if dn.is_empty() {
            return Ok(rejected(
                Reason::UnknownUser,
                "the entry found has no name".to_owned(),
            ));
        }
        if let Some(verdict) = self.barred(host, &dn, deadline).await? {
            return Ok(verdict);
        }
        let bound = host.bind(&dn, &self.request.password, deadline).await?;
        let (dn, host) = (shown(&dn), &host.label);
        let verdict = answer::user_bind(&bound.outcome, Tried::Plain)?;
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
            (Bound::Rejected(_, said), Some(PolicyError::Expired | PolicyError::ChangeFirst)) => {
                rejected(
                    Reason::PasswordExpired,
                    format!("{host} refused {dn}, whose password has expired: {said}"),
                )
            }
            (Bound::Rejected(reason, said), None) => {
                rejected(reason, format!("{host} refused {dn}: {said}"))
            }
        })
    }

    /// Nothing was found: no such user, or one that `ldap_filter` leaves out.
    async fn nobody(&self, host: &Host, deadline: Instant) -> Result<Verdict, Fault> {
        if matches!(self.directory.extra, Extra::Filter(_))
            && let Entry::One(dn) = self.entry(host, &self.by_name, deadline).await?
        {
            return Ok(rejected(
                Reason::NotPermitted,
                format!("{} does not match ldap_filter", shown(&dn)),
            ));
        }
        Ok(rejected(
            Reason::UnknownUser,
            format!("no entry is '{}' at {}", self.user(), &host.label),
        ))
    }

    fn user(&self) -> String {
        shown(&AuthEvent::shown_user(&self.request.user))
    }

    async fn entry(&self, host: &Host, filter: &Filter, deadline: Instant) -> Result<Entry, Fault> {
        let base = &self.directory.search_dn;
        let search = Search {
            base,
            scope: Scope::Subtree,
            filter,
            attributes: &[self.named.attribute],
            limit: WANTED,
        };
        let (mut found, end) = host.search(&search, deadline).await?;
        answer::search_end(&end, "search_dn", base)?;
        let first = found.pop();
        // A limit of the directory's own may hide the second.
        Ok(match first {
            Some(_) if !found.is_empty() || end.code != SUCCESS => Entry::Several,
            Some(found)
                if !self
                    .named
                    .is_of(found.values_beside(self.named.attribute, &[])) =>
            {
                Entry::Other(found.dn)
            }
            Some(found) => Entry::One(found.dn),
            None => Entry::None,
        })
    }

    /// The rejection of a user who is in none of the groups; none when there are no groups or the
    /// user is a direct member of one.
    async fn barred(
        &self,
        host: &Host,
        dn: &str,
        deadline: Instant,
    ) -> Result<Option<Verdict>, Fault> {
        if self.directory.groups.is_empty() {
            return Ok(None);
        }
        let filter = query::member_filter(dn);
        let mut fault = None;
        for group in &self.directory.groups {
            let search = Search {
                base: group,
                scope: Scope::Base,
                filter: &filter,
                attributes: &[],
                limit: 1,
            };
            let (found, end) = host.search(&search, deadline).await?;
            match answer::search_end(&end, "security_group_dn", group) {
                Ok(()) if found.is_empty() => {}
                Ok(()) => return Ok(None),
                // Another group may still let the user in.
                Err(misconfigured @ Fault::Misconfigured(_)) => fault = Some(misconfigured),
                Err(other) => return Err(other),
            }
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Some(rejected(
                Reason::NotPermitted,
                format!(
                    "{} is no direct member of {}",
                    shown(dn),
                    shown(&self.directory.groups.join(" or "))
                ),
            ))),
        }
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
    One(String),
    /// One that goes by another name than the one that was typed.
    Other(String),
    Several,
}

const SUCCESS: u32 = 0;

/// Two entries tell that a name is ambiguous.
const WANTED: u32 = 2;
