//! A host of a directory, tried: connection, service account, `search_dn`, groups.

use std::time::{Duration, Instant};

use super::answer;
use super::connection::{BEYOND_THE_LIMIT, Connection};
use super::fault::Fault;
use super::filter::Filter;
use super::host::Host;
use super::message::{Scope, Search};
use super::{Directory, Extra, shown};
use crate::primary::check::now;
use crate::primary::trial::{Gate, Outcome, Step, Trial};

/// What is asked over a connection of the service account.
enum Asked<'a> {
    Base,
    Group(&'a str),
    Users,
}

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
        let mut asked = vec![(Step::SearchBase(shown(&self.search_dn)), Asked::Base)];
        asked.extend(
            self.groups
                .iter()
                .map(|group| (Step::Group(shown(group)), Asked::Group(group))),
        );
        // The last, since it may cost the connection.
        asked.push((Step::Users(shown(&self.search_dn)), Asked::Users));
        for (step, what) in asked {
            let began = now();
            let deadline = began + patience;
            let found = match what {
                Asked::Base => self.base(&mut connection, deadline).await,
                Asked::Group(group) => self.group(&mut connection, group, deadline).await,
                Asked::Users => self.users(&mut connection, deadline).await,
            };
            let lost = matches!(&found, Err(fault) if fault.is_of_the_host());
            let outcome = found.unwrap_or_else(|fault| self.failed(&fault));
            let failed = matches!(outcome, Outcome::Failed(_));
            let of_a_group = matches!(step, Step::Group(_));
            trial.note(step, began, outcome);
            if lost || failed && !of_a_group {
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

    async fn base(&self, connection: &mut Connection, deadline: Instant) -> Result<Outcome, Fault> {
        let any = Filter::any();
        let itself = itself(&self.search_dn, &any);
        // An entry that may not be read may have users below it that may.
        let (_, end) = connection.search(&itself, deadline).await?;
        answer::search_end(&end, "search_dn", &self.search_dn)?;
        Ok(Outcome::Good("it exists".to_owned()))
    }

    /// Looks for anybody whom a login could name.
    async fn users(
        &self,
        connection: &mut Connection,
        deadline: Instant,
    ) -> Result<Outcome, Fault> {
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
            ..itself(&self.search_dn, &filter)
        };
        let somebody = match connection.search(&people, deadline).await {
            Ok((found, end)) => {
                answer::search_end(&end, "search_dn", &self.search_dn)?;
                !found.is_empty()
            }
            Err(BEYOND_THE_LIMIT) => true,
            Err(fault) => return Err(fault),
        };
        Ok(if somebody {
            Outcome::Good(format!("there are entries with {attribute}{matching}"))
        } else {
            Outcome::Doubtful(format!(
                "the service account finds no entries with {attribute}{matching}; check \
                 username_attribute, ldap_filter, and what the service account may read"
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
        let itself = itself(group, &any);
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

/// The search for an entry by its name.
const fn itself<'a>(name: &'a str, any: &'a Filter) -> Search<'a> {
    Search {
        base: name,
        scope: Scope::Base,
        filter: any,
        attributes: &[],
        limit: 1,
    }
}
