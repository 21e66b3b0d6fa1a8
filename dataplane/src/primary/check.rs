//! One authenticator, ready to be asked. Chooses between the kinds, and counts; the kinds do the
//! work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{IntCounterVec, Registry};
use proto::command::ListedPeople;
use proto::config::{Authenticator, AuthenticatorKind, Host, PassThrough};
use proto::event::Reason;
use tokio_util::task::TaskTracker;

use super::ldap::Directory;
use super::radius::Upstream;
use super::trial::{Gate, Trial};
use super::{
    Acceptance, Credential, HostAsked, PrimaryFailure, PrimaryRequest, Rejection, Verdict,
};
use crate::metrics::PrimaryCounters;

/// What all primaries of a data plane share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Owns the tasks that read from connections and sockets. They end when the last
    /// [`Primary`] that uses them is dropped.
    pub tasks: TaskTracker,
    pub(crate) requests: IntCounterVec,
    pub(crate) discards: IntCounterVec,
    pub(crate) unsigned: IntCounterVec,
    /// How many primaries ask a host for an authenticator: two, while one takes another's place.
    asking: Arc<Mutex<HashMap<Asked, usize>>>,
}

/// An authenticator and a host of it, as metrics name them.
type Asked = (String, String);

impl Shared {
    /// Counts by counters of its own, which the registry shows. Called once for a registry.
    ///
    /// # Errors
    /// When the registry has counters of these names already.
    pub fn new(tasks: TaskTracker, registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = PrimaryCounters::apart()?;
        for one in [&counters.requests, &counters.discards, &counters.unsigned] {
            registry.register(Box::new(one.clone()))?;
        }
        Ok(Self::with(tasks, counters))
    }

    /// Counts by these.
    #[must_use]
    pub fn with(tasks: TaskTracker, counters: PrimaryCounters) -> Self {
        let PrimaryCounters {
            requests,
            discards,
            unsigned,
        } = counters;
        Self {
            tasks,
            requests,
            discards,
            unsigned,
            asking: Arc::default(),
        }
    }
}

/// The series of one primary's hosts. When the last primary that asks a host is gone, so are they.
#[derive(Debug)]
struct Series {
    shared: Shared,
    asked: Vec<Asked>,
}

impl Series {
    fn new(id: &str, hosts: &[Host], shared: &Shared) -> Self {
        let asked: Vec<Asked> = hosts
            .iter()
            .map(|host| (id.to_owned(), host_label(host)))
            .collect();
        let mut asking = shared.asking.lock().unwrap_or_else(PoisonError::into_inner);
        for one in &asked {
            *asking.entry(one.clone()).or_default() += 1;
        }
        drop(asking);
        Self {
            shared: shared.clone(),
            asked,
        }
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        let asking = &self.shared.asking;
        let mut asking = asking.lock().unwrap_or_else(PoisonError::into_inner);
        for one in &self.asked {
            if let Some(count) = asking.get_mut(one) {
                *count -= 1;
                if *count == 0 {
                    asking.remove(one);
                    forget(&self.shared.requests, one);
                    forget(&self.shared.discards, one);
                    forget(&self.shared.unsigned, one);
                }
            }
        }
    }
}

/// Removes the series of an authenticator's host, whatever their other labels are.
fn forget(counters: &IntCounterVec, (id, host): &Asked) {
    series::forget(counters, |labels| {
        labels.get("authenticator") == Some(&id.as_str())
            && labels.get("host") == Some(&host.as_str())
    });
}

/// One authenticator, with its connections. Kept across revisions that leave its settings alone.
#[derive(Debug)]
pub struct Primary {
    settings: Authenticator,
    kind: Kind,
    /// The last field: what counts ends before.
    _series: Series,
}

#[derive(Debug)]
enum Kind {
    AnyPassword,
    Directory(Box<Directory>),
    Radius(Box<Upstream>),
}

impl Primary {
    /// Makes ready what the settings describe; connects to nothing yet.
    ///
    /// Reads the system's trust roots from disk when a directory is reached over TLS and names no
    /// `ssl_ca_certs_file`, so it belongs on a thread that may block.
    ///
    /// # Errors
    /// [`BuildError`] when the settings ask for what is not served, or hold certificates that
    /// cannot be used.
    pub fn new(settings: &Authenticator, shared: &Shared) -> Result<Arc<Self>, BuildError> {
        let id = settings.id.as_str();
        let (kind, hosts) = match &settings.kind {
            AuthenticatorKind::DuoOnly => (Kind::AnyPassword, [].as_slice()),
            AuthenticatorKind::Ad(directory) => (
                Kind::Directory(Box::new(Directory::new(id, directory, shared)?)),
                directory.hosts.as_slice(),
            ),
            AuthenticatorKind::Radius(upstream) => (
                Kind::Radius(Box::new(Upstream::new(id, upstream, shared))),
                upstream.hosts.as_slice(),
            ),
            _ => return Err(BuildError::Unserved { what: "this kind" }),
        };
        Ok(Arc::new(Self {
            _series: Series::new(id, hosts, shared),
            settings: settings.clone(),
            kind,
        }))
    }

    /// Whether it is what [`Primary::new`] would make of these settings, so that it can be kept
    /// with its connections.
    #[must_use]
    pub fn is_for(&self, settings: &Authenticator) -> bool {
        self.settings.id == settings.id && self.settings.kind == settings.kind
    }

    /// The settings it was made from.
    #[must_use]
    pub const fn settings(&self) -> &Authenticator {
        &self.settings
    }

    /// Whether it is a RADIUS server, to which attributes of a request can go on.
    #[must_use]
    pub const fn is_radius(&self) -> bool {
        matches!(self.kind, Kind::Radius(_))
    }

    /// Which attributes of its answers its own settings let come back; none for a directory, which
    /// answers with none.
    #[must_use]
    pub const fn reply_rule(&self) -> Option<&PassThrough> {
        match &self.settings.kind {
            AuthenticatorKind::Radius(upstream) => Some(&upstream.pass_through),
            _ => None,
        }
    }

    /// The longest a check takes over all hosts; zero when no host is asked.
    #[must_use]
    pub fn budget(&self) -> Duration {
        match &self.kind {
            Kind::AnyPassword => Duration::ZERO,
            Kind::Directory(directory) => directory.budget(),
            Kind::Radius(upstream) => upstream.budget(),
        }
    }

    /// Its hosts, as events and metrics name them.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let hosts = match &self.settings.kind {
            AuthenticatorKind::Ad(directory) => directory.hosts.as_slice(),
            AuthenticatorKind::Radius(upstream) => upstream.hosts.as_slice(),
            _ => &[],
        };
        hosts.iter().map(host_label).collect()
    }

    /// Tries a host by its place among [`Self::hosts`]; each step takes at most `limit`. Nobody logs
    /// in, and no user's password is needed.
    pub(crate) async fn try_host(&self, place: usize, gate: &Gate, limit: Duration) -> Trial {
        match &self.kind {
            Kind::AnyPassword => Trial::default(),
            Kind::Directory(directory) => directory.try_host(place, gate, limit).await,
            Kind::Radius(upstream) => upstream.try_host(place, limit).await,
        }
    }

    /// Lists the people of a directory, or of a group in it, by a deadline.
    ///
    /// # Errors
    /// Why there is no list, for a person.
    pub(crate) async fn list(
        &self,
        group: Option<&str>,
        deadline: Instant,
    ) -> Result<ListedPeople, String> {
        match &self.kind {
            Kind::Directory(directory) => directory.list(group, deadline).await,
            Kind::AnyPassword | Kind::Radius(_) => {
                Err(format!("[{}] is no directory", self.settings.id))
            }
        }
    }

    /// Asks whether the password is the user's, and notes which hosts were asked. Ends by the
    /// deadline; may be dropped at any time.
    ///
    /// # Errors
    /// [`PrimaryFailure`] when nobody could say.
    pub async fn check(
        &self,
        request: &PrimaryRequest,
        deadline: Instant,
        asked: &mut Vec<HostAsked>,
    ) -> Result<Verdict, PrimaryFailure> {
        // An empty password makes a simple bind an unauthenticated one, which many directories
        // answer with success (RFC 4513 section 5.1.2).
        if let Credential::Password(password) = &request.credential
            && password.expose().is_empty()
            && request.answers.is_none()
        {
            return Ok(Verdict::Rejected(Rejection::new(
                Reason::EmptyPassword,
                "the password is empty",
            )));
        }
        match (&self.kind, &request.credential) {
            (Kind::Radius(upstream), _) => upstream.check(request, deadline, asked).await,
            // It would be taken for a password, an empty one among them.
            _ if request.answers.is_some() => Ok(Verdict::Rejected(Rejection::new(
                Reason::UnknownState,
                "only a RADIUS upstream asks questions",
            ))),
            (_, Credential::Relayed(_)) => Ok(Verdict::Rejected(Rejection::new(
                Reason::UnsupportedMethod,
                "only a RADIUS upstream can check a password that it is not shown",
            ))),
            (Kind::AnyPassword, _) => Ok(Verdict::Accepted(Acceptance {
                detail: "the client has checked the password".to_owned(),
                attributes: Vec::new(),
            })),
            (Kind::Directory(directory), Credential::Password(password)) => {
                let user = &request.user;
                directory.check(user, password, deadline, asked).await
            }
        }
    }
}

/// Why an authenticator cannot be made ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The settings ask for something that is not served.
    #[error("{what} is not served")]
    Unserved {
        /// The option and its value.
        what: &'static str,
    },
    /// `ssl_ca_certs_file` holds no certificate that can be read.
    #[error("ssl_ca_certs_file holds no usable certificate: {detail}")]
    CaCerts {
        /// What is wrong.
        detail: String,
    },
    /// The machine has no trust roots, and the settings name none.
    #[error("the system has no trust roots; name a bundle in ssl_ca_certs_file")]
    NoSystemRoots,
    /// The host's name can be in no certificate.
    #[error("'{host}' can be the name of no certificate")]
    HostName {
        /// The name.
        host: String,
    },
    /// TLS could not be set up.
    #[error("tls cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// A host as events and metrics name it: `ldap1:636`, `[2001:db8::1]:1812`.
pub(super) fn host_label(host: &Host) -> String {
    if host.name.contains(':') {
        format!("[{}]:{}", host.name, host.port)
    } else {
        format!("{}:{}", host.name, host.port)
    }
}

/// The one place where this part reads the clock.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use proto::config::{Snapshot, raw};
    use proto::secret::Secret;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_no_password() {
        let shared = Shared::new(TaskTracker::new(), &Registry::new()).unwrap();
        let snapshot: raw::Snapshot = serde_json::from_value(serde_json::json!({
            "revision": 1,
            "authenticators": [{"id": "duo_only_client", "kind": "duo_only"}],
        }))
        .unwrap();
        let snapshot = Snapshot::try_from(snapshot).unwrap();
        let primary = Primary::new(&snapshot.authenticators[0], &shared).unwrap();
        for typed in ["", "42"] {
            let request = PrimaryRequest {
                user: "alice".to_owned(),
                credential: Credential::Password(Secret::from(typed)),
                calling_station: None,
                pass_through: Vec::new(),
                answers: Some(crate::primary::Asked {
                    host: 0,
                    state: None,
                }),
            };
            let Ok(Verdict::Rejected(rejection)) =
                primary.check(&request, now(), &mut Vec::new()).await
            else {
                panic!("'{typed}' lets in");
            };
            assert_eq!(rejection.reason, Reason::UnknownState, "'{typed}'");
        }
    }
}
