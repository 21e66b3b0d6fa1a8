//! What a trial of one host found. A trial takes the steps that a login takes before it knows of a
//! user, on a connection or socket of its own, and no step with a user's password.
//!
//! What it means for an administrator is decided elsewhere: see `check::judge`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustls::ProtocolVersion;
use rustls_pki_types::CertificateDer;
use tokio::sync::Mutex;

use super::check::now;

/// A host that was tried.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    /// In order; the first that fails is the last, but for groups, which are all asked for.
    pub(crate) steps: Vec<Tried>,
    /// What the host showed, its own certificate first; none over a clear transport.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// What TLS agreed on; none over a clear transport.
    pub(crate) tls: Option<ProtocolVersion>,
    /// The address of this machine that it was tried from.
    pub(crate) from: Option<IpAddr>,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) step: Step,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// What a step asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// TCP and TLS.
    Connection,
    /// The service account's bind.
    ServiceAccount,
    /// A search at `search_dn`.
    SearchBase(String),
    /// A group, by its name.
    Group(String),
    /// A search for anybody under `search_dn`.
    Users(String),
    /// Status-Server (RFC 5997).
    StatusServer,
}

/// How a step ended. The texts are `what was found; what to do`, the second part where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good(String),
    /// Logins may work all the same.
    Doubtful(String),
    Failed(String),
}

impl Trial {
    /// Notes a step that began then.
    pub(super) fn note(&mut self, step: Step, began: Instant, outcome: Outcome) {
        self.steps.push(Tried {
            step,
            took: now().saturating_duration_since(began),
            outcome,
        });
    }
}

/// The service account is shown to one host of a directory after the other, and to no further one
/// once it was refused: hosts of a domain count refusals together, and lock an account out.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The host that refused it.
    pub(super) refused: Mutex<Option<String>>,
}
