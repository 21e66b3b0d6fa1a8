//! Traces of logins for a collector of OpenTelemetry, by OTLP over HTTP. The control plane makes them
//! of the events that nodes report, so that nodes need no second way out and no login waits for one.
//!
//! [`span`] makes spans of an event, [`otlp`] writes them, [`export`] queues and sends them by
//! [`send`] to a [`target`].

mod export;
mod metrics;
mod otlp;
mod send;
mod span;
mod target;

pub(crate) use export::{Exporter, Traces};
pub(crate) use metrics::TraceMetrics;
pub use target::{OtlpEndpoint, TraceError, TraceSettings};

use proto::id::NodeId;
use tokio::task::spawn_blocking;

use self::export::Pace;
use self::otlp::Origin;
use self::span::Person;
use self::target::Target;

/// Makes ready what the settings describe; nothing is sent yet. Gives none for no settings.
///
/// # Errors
/// [`TraceError`] when what they name cannot be used.
pub(crate) async fn open(
    settings: Option<TraceSettings>,
    local: Option<NodeId>,
    metrics: TraceMetrics,
) -> Result<Option<(Traces, Exporter)>, TraceError> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let person = match settings.user {
        true => Person::Shown,
        false => Person::Hidden,
    };
    let read =
        spawn_blocking(move || Target::open(&settings).map(|target| (target, crate::host_name())));
    let (target, host) = read
        .await
        .map_err(|error| TraceError::Unread(error.to_string()))??;
    tracing::info!(collector = target.endpoint.authority(), "traces are sent");
    if target.is_clear() {
        tracing::warn!(
            "traces go over the network in the clear; write https:// in --otlp-endpoint"
        );
    }
    let origin = Origin { local, host };
    Ok(Some(export::channel(
        target,
        origin,
        person,
        metrics,
        Pace::DEFAULT,
    )))
}
