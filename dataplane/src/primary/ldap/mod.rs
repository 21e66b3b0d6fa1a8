//! A directory as a primary: find the user's entry as the service account, check the groups, bind
//! as the user. Passwords go nowhere else.
//!
//! Hosts are tried in order. The next one is asked when a host is not reached, does not answer in
//! time, or says that it cannot serve at the moment; never when it answered.

mod answer;
mod ber;
mod certificate;
mod connection;
mod dial;
mod fault;
mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod groups;
mod host;
mod listing;
mod login;
mod membership;
mod message;
mod ntlm;
mod pool;
mod query;
mod sign_on;
mod tls;
mod trial;

use proto::dn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::IntCounterVec;
use proto::config::{Directory as Settings, DirectoryAuth, Transport};
use proto::event::{Ask, Reason};
use proto::secret::Secret;
use rustls_pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use self::connection::{Endpoint, Tls};
use self::fault::Fault;
use self::filter::Filter;
use self::host::{Host, Watch};
use self::login::Login;
use self::query::Names;
use self::sign_on::{Method, SignOn};
use super::check::{BuildError, Shared, now};
use super::{HostAsked, PrimaryFailure, PrimaryFailureKind, Rejection, Verdict};

/// A directory and its hosts.
#[derive(Debug)]
pub(super) struct Directory {
    id: String,
    hosts: Vec<Arc<Host>>,
    transport: Transport,
    names: Names,
    search_dn: String,
    groups: Vec<String>,
    nested_groups: bool,
    extra: Extra,
    timeout: Duration,
    requests: IntCounterVec,
    watch: Watch,
}

/// `ldap_filter`.
#[derive(Debug)]
enum Extra {
    Any,
    Filter(Filter),
    Unreadable,
}

impl Directory {
    pub(super) fn new(id: &str, settings: &Settings, shared: &Shared) -> Result<Self, BuildError> {
        let trust = match settings.transport {
            Transport::Clear => None,
            Transport::StartTls | Transport::Ldaps => Some(tls::Trust::new(settings)?),
        };
        let username = &settings.service_account_username;
        let (method, service_name) = match settings.auth_type {
            DirectoryAuth::Plain => (
                Method::Plain,
                settings.bind_dn.as_ref().unwrap_or(username).clone(),
            ),
            DirectoryAuth::Ntlm2 => (
                Method::Ntlm {
                    domain: Some(settings.ntlm_domain.clone()).filter(|domain| !domain.is_empty()),
                    workstation: settings.ntlm_workstation.clone(),
                },
                username.clone(),
            ),
        };
        let sign_on = Arc::new(SignOn {
            method,
            service_name,
            service_password: settings.service_account_password.clone(),
        });
        let hosts = settings
            .hosts
            .iter()
            .map(|host| {
                let tls = match &trust {
                    None => None,
                    Some(trust) => Some(Tls {
                        config: trust.config(&host.name)?,
                        name: ServerName::try_from(host.name.clone()).map_err(|_| {
                            BuildError::HostName {
                                host: host.name.clone(),
                            }
                        })?,
                    }),
                };
                let endpoint = Endpoint {
                    host: host.clone(),
                    transport: settings.transport,
                    tls,
                    timeout: settings.timeout,
                };
                Ok(Arc::new(Host::new(id, endpoint, Arc::clone(&sign_on))))
            })
            .collect::<Result<_, BuildError>>()?;
        Ok(Self {
            id: id.to_owned(),
            hosts,
            transport: settings.transport,
            names: Names {
                username_attribute: settings.username_attribute.clone(),
                at_attribute: settings.at_attribute.clone(),
            },
            search_dn: settings.search_dn.clone(),
            groups: settings.security_groups.clone(),
            nested_groups: settings.nested_groups,
            extra: match &settings.ldap_filter {
                None => Extra::Any,
                Some(written) => {
                    query::extra_filter(written).map_or(Extra::Unreadable, Extra::Filter)
                }
            },
            timeout: settings.timeout,
            requests: shared.requests.clone(),
            watch: Watch {
                tasks: shared.tasks.clone(),
                ended: CancellationToken::new(),
            },
        })
    }

    pub(super) fn budget(&self) -> Duration {
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.timeout.saturating_mul(hosts)
    }

    pub(super) async fn check(
        &self,
        user: &str,
        password: &Secret<String>,
        deadline: Instant,
        asked: &mut Vec<HostAsked>,
    ) -> Result<Verdict, PrimaryFailure> {
        // What keeps its strings in C behind the directory may see an empty password, and an empty
        // one makes a bind that succeeds for any name (RFC 4513 section 5.1.2).
        if password.expose().contains('\0') {
            return Ok(rejected(
                Reason::WrongPassword,
                "the password has a NUL character, which no directory is asked about".to_owned(),
            ));
        }
        let Some(named) = self.names.named(user) else {
            return Ok(rejected(Reason::UnknownUser, "no user is named".to_owned()));
        };
        let by_name = named.filter();
        let filter = match &self.extra {
            Extra::Any => by_name.clone(),
            Extra::Filter(extra) => by_name.and(extra),
            Extra::Unreadable => {
                return Err(PrimaryFailure {
                    kind: PrimaryFailureKind::Misconfigured,
                    detail: "ldap_filter is no search filter; write it as (attribute=value)"
                        .to_owned(),
                });
            }
        };
        let login = Login {
            directory: self,
            user,
            password,
            named,
            by_name,
            filter,
        };
        let mut failures: Vec<(&str, Fault)> = Vec::new();
        for host in self.order() {
            let started = now();
            if started >= deadline {
                break;
            }
            let outcome = login
                .check(host, deadline.min(started + self.timeout))
                .await;
            let result = match &outcome {
                Ok(verdict) => verdict.label(),
                Err(fault) => fault.label(),
            };
            self.count(host, result);
            asked.push(HostAsked {
                ask: Ask::Ldap,
                host: host.label.clone(),
                began: started,
                elapsed: now().saturating_duration_since(started),
                result,
            });
            match outcome {
                Ok(verdict) => {
                    host.answered();
                    return Ok(verdict);
                }
                Err(fault) => {
                    if fault.is_of_the_host() {
                        host.failed(&fault, &self.watch);
                    }
                    let last = !fault.moves_on();
                    failures.push((&host.label, fault));
                    if last {
                        break;
                    }
                }
            }
        }
        Err(fault::failure(&failures, self.transport))
    }

    /// The hosts in order, those that are down last.
    fn order(&self) -> impl Iterator<Item = &Arc<Host>> {
        let (up, down): (Vec<_>, Vec<_>) = self.hosts.iter().partition(|host| host.is_up());
        up.into_iter().chain(down)
    }

    fn count(&self, host: &Host, result: &str) {
        self.requests
            .with_label_values(&[self.id.as_str(), &host.label, result])
            .inc();
    }
}

fn rejected(reason: Reason, detail: String) -> Verdict {
    Verdict::Rejected(Rejection::new(reason, detail))
}

/// A name or filter for a timeline.
fn shown(text: &str) -> String {
    answer::diagnostic(text)
}

#[cfg(test)]
mod tests;
