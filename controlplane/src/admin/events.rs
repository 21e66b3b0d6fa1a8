//! Documents of events, as they are stored and as they come.

use proto::event::AuthEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event_filter::EventCursor;

/// `GET /events`: the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// The events, at most as many as were asked for. Fewer, even none, while there are more, when
    /// those that match are far between.
    pub events: Vec<StoredEvent>,
    /// Where the next page begins, for `cursor`; none when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<EventCursor>,
}

/// An event in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoredEvent {
    /// Its number in order of storing; never used again.
    pub seq: u64,
    /// What happened.
    pub event: AuthEvent,
}

/// One line of `GET /events/stream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveEvent {
    /// An event, once it is stored.
    Event(Box<StoredEvent>),
    /// The reader was too slow and missed so many; they can be asked for with `GET /events`.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The stream lives.
    Heartbeat,
}
