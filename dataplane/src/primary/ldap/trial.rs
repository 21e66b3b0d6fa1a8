//! A host of a directory, tried: connection, service account, `search_dn`, groups.

use std::time::{Duration, Instant};

use super::answer;
use super::connection::Connection;
use super::fault::Fault;
use super::filter::Filter;
use super::host::Host;
use super::message::{Scope, Search};
use super::{Directory, Extra, shown};
use crate::primary::check::now;
use crate::primary::trial::{Gate, Outcome, Step, Trial};

impl Directory {
    /// Tries a host on a connection of its own; each step has the time that a login has for all.
    pub(in crate::primary) async fn try_host(
        &self,
        place: usize,
        gate: &Gate,
        limit: Duration,
    ) -> Trial {
        let mut trial = Trial::default();
        let Some(host) = self.hosts.get(place) else {
            return trial;
        };
        let patience = self.timeout.min(limit);
        let began = now();
        let connected = host.endpoint().connect(began + patience).await;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(fault) => {
                trial.note(Step::Connection, began, self.failed(&fault));
                return trial;
            }
        };
        trial.from = connection.local();
        trial.certificates = connection.certificates();
        trial.tls = connection.tls_version();
        trial.note(
            Step::Connection,
            began,
            Outcome::Good("connected".to_owned()),
        );
        if !self
            .signed_on(host, &mut connection, gate, patience, &mut trial)
            .await
        {
            return trial;
        }
        let began = now();
        let base = self.base(&mut connection, began + patience).await;
        let lost = matches!(&base, Err(fault) if fault.is_of_the_host());
        let outcome = base.unwrap_or_else(|fault| self.failed(&fault));
        let step = Step::SearchBase(shown(&self.search_dn));
        trial.note(step, began, outcome);
        if lost {
            return trial;
        }
        for group in &self.groups {
            let began = now();
            let found = self.group(&mut connection, group, began + patience).await;
            let lost = matches!(&found, Err(fault) if fault.is_of_the_host());
            let outcome = found.unwrap_or_else(|fault| self.failed(&fault));
            trial.note(Step::Group(shown(group)), began, outcome);
            if lost {
                return trial;
            }
        }
        connection.close();
        trial
    }

    /// Binds as the service account.
    async fn signed_on(
        &self,
        host: &Host,
        connection: &mut Connection,
        gate: &Gate,
        patience: Duration,
        trial: &mut Trial,
    ) -> bool {
        let mut refused = gate.refused.lock().await;
        let began = now();
        if let Some(other) = &*refused {
            let found = format!(
                "not tried, since {other} gave it no way in: refusals may lock the account out; see \
                 there"
            );
            trial.note(Step::ServiceAccount, began, Outcome::Doubtful(found));
            return false;
        }
        let deadline = began + patience;
        let bound = host.sign_on().service(connection, deadline).await;
        if matches!(bound, Err(Fault::Misconfigured(_))) {
            *refused = Some(host.label.clone());
        }
        drop(refused);
        let outcome = match &bound {
            Ok(()) => Outcome::Good(format!("bound as {}", shown(&host.sign_on().service_name))),
            Err(fault) => self.failed(fault),
        };
        trial.note(Step::ServiceAccount, began, outcome);
        bound.is_ok()
    }

    /// Looks at `search_dn`, and for anybody under it whom a login could name.
    async fn base(&self, connection: &mut Connection, deadline: Instant) -> Result<Outcome, Fault> {
        let base = &self.search_dn;
        let any = Filter::any();
        let itself = Search {
            base,
            scope: Scope::Base,
            filter: &any,
            attributes: &[],
            limit: 1,
        };
        let (_, end) = connection.search(&itself, deadline).await?;
        answer::search_end(&end, "search_dn", base)?;
        let attribute = &self.names.username_attribute;
        let Some(named) = Filter::parse(&format!("({attribute}=*)")) else {
            return Err(Fault::Internal(format!("no filter asks for {attribute}")));
        };
        let (filter, matching) = match &self.extra {
            Extra::Any => (named, ""),
            Extra::Filter(extra) => (named.and(extra), " that match ldap_filter"),
            Extra::Unreadable => {
                return Err(Fault::Misconfigured(
                    "ldap_filter is no search filter; write it as (attribute=value)".to_owned(),
                ));
            }
        };
        let people = Search {
            scope: Scope::Subtree,
            filter: &filter,
            ..itself
        };
        let (found, end) = connection.search(&people, deadline).await?;
        answer::search_end(&end, "search_dn", base)?;
        Ok(if found.is_empty() {
            Outcome::Doubtful(format!(
                "it exists, but the service account finds no entries with {attribute}{matching} \
                 under it; check username_attribute, ldap_filter, and what the service account may \
                 read"
            ))
        } else {
            Outcome::Good(format!(
                "it exists, and has entries with {attribute}{matching}"
            ))
        })
    }

    async fn group(
        &self,
        connection: &mut Connection,
        group: &str,
        deadline: Instant,
    ) -> Result<Outcome, Fault> {
        let any = Filter::any();
        let itself = Search {
            base: group,
            scope: Scope::Base,
            filter: &any,
            attributes: &[],
            limit: 1,
        };
        let (found, end) = connection.search(&itself, deadline).await?;
        answer::search_end(&end, "security_group_dn", group)?;
        Ok(if found.is_empty() {
            Outcome::Failed(
                "the service account may not read it, so that nobody is seen to be in it; let it"
                    .to_owned(),
            )
        } else {
            Outcome::Good("it exists".to_owned())
        })
    }

    fn failed(&self, fault: &Fault) -> Outcome {
        Outcome::Failed(fault.explain(self.transport))
    }
}
