//! What may be granted: for how long, with which words, and where. No clock, no store.

use proto::config::{Mode, raw};
use proto::id::IntegrationId;
use proto::rpc::{PRIMARY_ONLY_GRANTS, PRIMARY_ONLY_SECONDS};

use crate::admin::PrimaryOnlyRequest;
use crate::api::problem::Kind;
use crate::store::StoreError;

/// Which integrations a grant opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Opens {
    /// Their primaries check passwords.
    pub(super) open: Vec<String>,
    /// Under a grant for all: nobody checks a password there, so they stay closed.
    pub(super) closed: Vec<String>,
}

/// Why nothing is granted, or not ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PrimaryOnlyError {
    /// Nothing is served.
    #[error("there is no configuration yet, so there is nothing to open")]
    NoConfiguration,
    /// Neither an integration nor all, or both.
    #[error("name one integration, or all of them: not both, and not neither")]
    Where,
    /// There is no such integration.
    #[error("there is no integration {integration}; there are: {}", known.join(", "))]
    NoSuchIntegration {
        /// Which was asked for.
        integration: IntegrationId,
        /// Which there are.
        known: Vec<String>,
    },
    /// Whoever knows a name would get in.
    #[error(
        "{integration} cannot pass on the primary alone: {why}, so whoever knows a user's name would \
         get in"
    )]
    NoPassword {
        /// Which was asked for.
        integration: String,
        /// What is missing there.
        why: &'static str,
    },
    /// The same, for all.
    #[error("no integration has a primary that checks a password, so none can pass on it alone")]
    NoPasswords,
    /// Too long, or no time at all.
    #[error(
        "{seconds} seconds is not between 1 second and {PRIMARY_ONLY_SECONDS} seconds (24 hours)"
    )]
    Seconds {
        /// What was asked for.
        seconds: u64,
    },
    /// The reason is none.
    #[error("the reason has 1 to {REASON_CHARACTERS} characters on one line, this one {fault}")]
    Reason {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Who asks is unknown.
    #[error("who asks is said in 1 to {BY_CHARACTERS} characters on one line, this one {fault}")]
    By {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The token does not confirm this.
    #[error(
        "the token confirms nothing: it is unknown, was used, is older than a minute, or was given \
         for another request; ask again without one"
    )]
    Token,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// There are too many.
    #[error("there are {PRIMARY_ONLY_GRANTS} grants already; end some of them")]
    Full,
    /// The store failed. A grant was not made; one that was to end has ended, but may be back after
    /// a restart.
    #[error("the change could not be stored; try again")]
    Store(#[from] StoreError),
}

impl PrimaryOnlyError {
    /// What kind of problem it is.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Where | Self::Seconds { .. } | Self::Reason { .. } | Self::By { .. } => {
                Kind::BadRequest
            }
            Self::NoSuchIntegration { .. } => Kind::NotFound,
            Self::NoConfiguration
            | Self::NoPassword { .. }
            | Self::NoPasswords
            | Self::Token
            | Self::Full => Kind::Conflict,
            Self::Random | Self::Store(_) => Kind::Unavailable,
        }
    }
}

pub(super) fn check_request(asked: &PrimaryOnlyRequest) -> Result<(), PrimaryOnlyError> {
    if asked.integration.is_some() == asked.all {
        return Err(PrimaryOnlyError::Where);
    }
    if !(1..=PRIMARY_ONLY_SECONDS).contains(&asked.seconds) {
        let seconds = asked.seconds;
        return Err(PrimaryOnlyError::Seconds { seconds });
    }
    match fault(&asked.reason, REASON_CHARACTERS) {
        Some(fault) => Err(PrimaryOnlyError::Reason { fault }),
        None => check_by(&asked.by),
    }
}

pub(super) fn check_by(by: &str) -> Result<(), PrimaryOnlyError> {
    match fault(by, BY_CHARACTERS) {
        Some(fault) => Err(PrimaryOnlyError::By { fault }),
        None => Ok(()),
    }
}

fn fault(text: &str, most: usize) -> Option<&'static str> {
    if text.trim().is_empty() {
        return Some("is empty");
    }
    if text.chars().count() > most {
        return Some("is longer");
    }
    text.chars()
        .any(char::is_control)
        .then_some("has a control character")
}

/// Whether a grant is in force: it has begun, has not ended, and lasts no longer than one may.
pub(super) const fn holds(since_ms: u64, until_ms: u64, now_ms: u64) -> bool {
    let longest = PRIMARY_ONLY_SECONDS * 1_000;
    now_ms < until_ms
        && until_ms.saturating_sub(since_ms) <= longest
        && until_ms.saturating_sub(now_ms) <= longest
}

/// Which integrations a grant opens under this configuration.
pub(super) fn opened(
    snapshot: &raw::Snapshot,
    which: Option<&IntegrationId>,
) -> Result<Opens, PrimaryOnlyError> {
    let integrations = &snapshot.integrations;
    let Some(which) = which else {
        let (closed, open) = integrations
            .iter()
            .partition::<Vec<_>, _>(|one| no_password(snapshot, one).is_some());
        let ids = |of: Vec<&raw::Integration>| of.into_iter().map(|one| one.id.clone()).collect();
        let opens = Opens {
            open: ids(open),
            closed: ids(closed),
        };
        return match opens.open.is_empty() {
            true => Err(PrimaryOnlyError::NoPasswords),
            false => Ok(opens),
        };
    };
    let Some(one) = integrations.iter().find(|one| one.id == which.as_str()) else {
        return Err(PrimaryOnlyError::NoSuchIntegration {
            integration: which.clone(),
            known: integrations.iter().map(|one| one.id.clone()).collect(),
        });
    };
    match no_password(snapshot, one) {
        Some(why) => Err(PrimaryOnlyError::NoPassword {
            integration: one.id.clone(),
            why,
        }),
        None => Ok(Opens {
            open: vec![one.id.clone()],
            closed: Vec::new(),
        }),
    }
}

/// Why nobody checks a password in this integration; none when its primary does.
fn no_password(snapshot: &raw::Snapshot, one: &raw::Integration) -> Option<&'static str> {
    if one.mode == Mode::DuoOnly {
        return Some("in mode duo_only nobody checks a password");
    }
    let primary = one.authenticator.as_ref().and_then(|id| {
        let mut all = snapshot.authenticators.iter();
        all.find(|authenticator| authenticator.id == *id)
    });
    match primary.map(|primary| &primary.kind) {
        Some(raw::AuthenticatorKind::Radius(_) | raw::AuthenticatorKind::Ad(_)) => None,
        Some(raw::AuthenticatorKind::DuoOnly) => {
            Some("its client is duo_only_client, which takes any password")
        }
        None => Some("it has no primary"),
    }
}

/// The most characters of a reason.
const REASON_CHARACTERS: usize = 500;
/// The most characters of who asks.
const BY_CHARACTERS: usize = 128;
