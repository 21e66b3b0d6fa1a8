//! A directory as a primary: find the user's entry as the service account, check the groups, bind
//! as the user. Passwords go nowhere else.
//!
//! Hosts are tried in order. The next one is asked when a host is not reached, does not answer in
//! time, or says that it cannot serve at the moment; never when it answered.

mod answer;
mod connection;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "connections bind by password alone so far")
)]
mod ntlm;
mod pool;
mod query;
mod tls;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ldap3::Scope;
use prometheus::IntCounterVec;
use proto::config::{Directory as Settings, DirectoryAuth, Transport};
use proto::event::{AuthEvent, Reason};

use self::answer::Bound;
use self::connection::{Endpoint, Found, Search};
use self::pool::{ServiceAccount, ServicePool, UserPool};
use self::query::{Named, Names};
use super::check::{BuildError, Shared, host_label, now};
use super::{Acceptance, PrimaryFailure, PrimaryFailureKind, PrimaryRequest, Rejection, Verdict};

/// A directory and its hosts.
#[derive(Debug)]
pub(super) struct Directory {
    id: String,
    hosts: Vec<Host>,
    account: ServiceAccount,
    names: Names,
    search_dn: String,
    groups: Vec<String>,
    extra: Extra,
    timeout: Duration,
    requests: IntCounterVec,
}

/// `ldap_filter`.
#[derive(Debug)]
enum Extra {
    Any,
    Filter(String),
    Unreadable,
}

#[derive(Debug)]
struct Host {
    /// For events and metrics: `ldap1:636`.
    label: String,
    endpoint: Endpoint,
    service: ServicePool,
    users: UserPool,
    /// Until when it is asked last.
    avoided: Mutex<Option<Instant>>,
}

impl Directory {
    pub(super) fn new(id: &str, settings: &Settings, shared: &Shared) -> Result<Self, BuildError> {
        if settings.auth_type != DirectoryAuth::Plain {
            return Err(BuildError::Unserved {
                what: "auth_type=ntlm2",
            });
        }
        if settings.nested_groups {
            return Err(BuildError::Unserved {
                what: "nested_groups=true",
            });
        }
        let trust = match settings.transport {
            Transport::Clear => None,
            Transport::StartTls | Transport::Ldaps => Some(tls::Trust::new(settings)?),
        };
        let hosts = settings
            .hosts
            .iter()
            .map(|host| {
                let tls = trust
                    .as_ref()
                    .map(|trust| trust.config(&host.name))
                    .transpose()?;
                Ok(Host::new(Endpoint {
                    host: host.clone(),
                    transport: settings.transport,
                    tls,
                    timeout: settings.timeout,
                    tasks: shared.tasks.clone(),
                }))
            })
            .collect::<Result<_, BuildError>>()?;
        Ok(Self {
            id: id.to_owned(),
            hosts,
            account: ServiceAccount {
                name: settings
                    .bind_dn
                    .clone()
                    .unwrap_or_else(|| settings.service_account_username.clone()),
                password: settings.service_account_password.clone(),
            },
            names: Names {
                username_attribute: settings.username_attribute.clone(),
                at_attribute: settings.at_attribute.clone(),
            },
            search_dn: settings.search_dn.clone(),
            groups: settings.security_groups.clone(),
            extra: match &settings.ldap_filter {
                None => Extra::Any,
                Some(written) => {
                    query::extra_filter(written).map_or(Extra::Unreadable, Extra::Filter)
                }
            },
            timeout: settings.timeout,
            requests: shared.requests.clone(),
        })
    }

    pub(super) fn budget(&self) -> Duration {
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.timeout.saturating_mul(hosts)
    }

    pub(super) async fn check(
        &self,
        request: &PrimaryRequest,
        deadline: Instant,
    ) -> Result<Verdict, PrimaryFailure> {
        // What keeps its strings in C behind the directory may see an empty password, and an empty
        // one makes a bind that succeeds for any name (RFC 4513 section 5.1.2).
        if request.password.expose().contains('\0') {
            return Ok(rejected(
                Reason::WrongPassword,
                "the password has a NUL character, which no directory is asked about".to_owned(),
            ));
        }
        let Some(named) = self.names.named(&request.user) else {
            return Ok(rejected(Reason::UnknownUser, "no user is named".to_owned()));
        };
        let by_name = named.filter();
        let filter = match &self.extra {
            Extra::Any => by_name.clone(),
            Extra::Filter(extra) => format!("(&{by_name}{extra})"),
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
            request,
            named,
            by_name,
            filter,
        };
        let mut failures: Vec<(String, Fault)> = Vec::new();
        for host in self.order() {
            let started = now();
            if started >= deadline {
                break;
            }
            let outcome = login
                .check(host, deadline.min(started + self.timeout))
                .await;
            self.count(host, &outcome);
            match outcome {
                Ok(verdict) => {
                    host.avoid_until(None);
                    return Ok(verdict);
                }
                Err(fault) => {
                    if fault.is_of_the_host() {
                        host.avoid_until(Some(now() + AVOIDED));
                    }
                    let last = !fault.moves_on();
                    failures.push((host.label.clone(), fault));
                    if last {
                        break;
                    }
                }
            }
        }
        Err(failure(&failures))
    }

    /// The hosts in order, those that failed a moment ago last.
    fn order(&self) -> impl Iterator<Item = &Host> {
        let at = now();
        let (good, bad): (Vec<_>, Vec<_>) =
            self.hosts.iter().partition(|host| host.is_to_be_tried(at));
        good.into_iter().chain(bad)
    }

    fn count(&self, host: &Host, outcome: &Result<Verdict, Fault>) {
        let result = match outcome {
            Ok(Verdict::Accepted(_)) => "accepted",
            Ok(Verdict::Rejected(_)) => "rejected",
            Err(fault) => fault.label(),
        };
        self.requests
            .with_label_values(&[self.id.as_str(), &host.label, result])
            .inc();
    }
}

impl Host {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            label: host_label(&endpoint.host),
            endpoint,
            service: ServicePool::new(),
            users: UserPool::new(),
            avoided: Mutex::new(None),
        }
    }

    /// Whether it is asked in its turn. Of the logins after a failure's time is over only one is
    /// told so: if the host is still away, the others need not wait for it too.
    fn is_to_be_tried(&self, at: Instant) -> bool {
        let mut avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        match *avoided {
            None => true,
            Some(until) if at < until => false,
            Some(_) => {
                *avoided = Some(at + AVOIDED);
                true
            }
        }
    }

    fn avoid_until(&self, until: Option<Instant>) {
        *self.avoided.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// One password to check.
struct Login<'a> {
    directory: &'a Directory,
    request: &'a PrimaryRequest,
    named: Named<'a>,
    by_name: String,
    filter: String,
}

impl Login<'_> {
    async fn check(&self, host: &Host, deadline: Instant) -> Result<Verdict, Fault> {
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
        let result = host
            .users
            .bind(&host.endpoint, &dn, &self.request.password, deadline)
            .await?;
        let (dn, host) = (shown(&dn), &host.label);
        Ok(match answer::user_bind(&result)? {
            Bound::Accepted => Verdict::Accepted(Acceptance {
                detail: format!("bound as {dn} at {host}"),
                attributes: Vec::new(),
            }),
            Bound::Rejected(reason, said) => {
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

    async fn entry(&self, host: &Host, filter: &str, deadline: Instant) -> Result<Entry, Fault> {
        let base = &self.directory.search_dn;
        let search = Search {
            base,
            scope: Scope::Subtree,
            filter,
            attribute: Some(self.named.attribute),
        };
        let (mut found, end) = host.search(self.directory, search, deadline).await?;
        answer::search_end(&end, "search_dn", base)?;
        let first = found.pop();
        // A limit of the directory's own may hide the second.
        Ok(match first {
            Some(_) if !found.is_empty() || end.rc != SUCCESS => Entry::Several,
            Some(found) if !self.named.is_of(&found.values) => Entry::Other(found.dn),
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
                attribute: None,
            };
            let (found, end) = host.search(self.directory, search, deadline).await?;
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

impl Host {
    async fn search(
        &self,
        directory: &Directory,
        search: Search<'_>,
        deadline: Instant,
    ) -> Result<(Vec<Found>, ldap3::LdapResult), Fault> {
        self.service
            .search(&self.endpoint, &directory.account, search, deadline)
            .await
    }
}

enum Entry {
    None,
    One(String),
    /// One that goes by another name than the one that was typed.
    Other(String),
    Several,
}

/// Why one host gave no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("not reached: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Lost(&'static str),
    #[error("{0}")]
    TimedOut(&'static str),
    #[error("cannot serve now: {0}")]
    Unwilling(String),
    #[error("{0}")]
    Certificate(String),
    #[error("all connections were busy")]
    Busy,
    #[error("{0}")]
    Misconfigured(String),
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// Whether the next host is asked.
    const fn moves_on(&self) -> bool {
        !matches!(self, Self::Misconfigured(_) | Self::Internal(_))
    }

    /// Whether the next login had better begin with another host.
    const fn is_of_the_host(&self) -> bool {
        self.moves_on() && !matches!(self, Self::Busy)
    }

    const fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Lost(_) | Self::Unwilling(_) => "unavailable",
            Self::TimedOut(_) => "timed_out",
            Self::Certificate(_) | Self::Misconfigured(_) => "misconfigured",
            Self::Busy => "busy",
            Self::Internal(_) => "internal",
        }
    }
}

/// What all hosts' faults come to. A wrong setting is named even when another host was away.
fn failure(faults: &[(String, Fault)]) -> PrimaryFailure {
    let has = |wanted: fn(&Fault) -> bool| faults.iter().any(|(_, fault)| wanted(fault));
    let kind = if has(|fault| matches!(fault, Fault::Misconfigured(_) | Fault::Certificate(_))) {
        PrimaryFailureKind::Misconfigured
    } else if has(|fault| matches!(fault, Fault::Internal(_) | Fault::Busy)) {
        PrimaryFailureKind::Internal
    } else {
        PrimaryFailureKind::Unavailable
    };
    let detail = if faults.is_empty() {
        "no time was left to ask a directory".to_owned()
    } else {
        faults
            .iter()
            .map(|(host, fault)| format!("{host}: {fault}"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    PrimaryFailure { kind, detail }
}

fn rejected(reason: Reason, detail: String) -> Verdict {
    Verdict::Rejected(Rejection {
        reason,
        message: None,
        detail,
    })
}

/// A name or filter for a timeline.
fn shown(text: &str) -> String {
    answer::diagnostic(text)
}

const SUCCESS: u32 = 0;

/// How long a host that failed is asked last.
const AVOIDED: Duration = Duration::from_secs(10);
