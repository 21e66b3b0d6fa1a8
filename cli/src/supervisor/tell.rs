//! What the supervisor says of finished logins.

use proto::event::AuthEvent;
use serde_json::value::RawValue;

use crate::explain;

/// How finished logins are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// One line each in the log.
    Log,
    /// The whole timeline on standard output, for the demo.
    Timeline,
}

impl Teller {
    pub(crate) fn login(self, event: &RawValue) {
        let Ok(event) = serde_json::from_str::<AuthEvent>(event.get()) else {
            tracing::warn!("a finished login cannot be read");
            return;
        };
        match self {
            Self::Log => tracing::info!(
                login = %event.id,
                integration = %event.integration,
                client = %event.client,
                user = event.user.as_deref(),
                outcome = %event.outcome,
                reason = %event.reason,
                factor = event.factor.map(proto::event::Factor::as_str),
                revision = event.revision.0,
                elapsed_ms = event.elapsed_us / 1000,
                "login"
            ),
            Self::Timeline => explain::print(&event),
        }
    }
}
