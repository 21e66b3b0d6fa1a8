//! Which events a reader wants. The one rule of it is [`EventFilter::matches`]: the store reads by
//! one index and asks here for the rest, and so does the live stream.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use proto::event::{AuthEvent, Factor, Outcome, Reason};
use proto::id::{IntegrationId, LoginId, NodeId};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// The query of events: an event must match all that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// This user, octet for octet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// This integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// This data plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// This outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// This reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// This second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<Factor>,
    /// This address of the client, whatever its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// What one of the event's texts contains, whatever the case: names, ids, addresses, what the
    /// user was told, each step of the timeline. At most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Every request of the login whose first request has this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<LoginId>,
    /// True: what administrators tried alone; false: none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<bool>,
    /// Arrived at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Arrived before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Moment>,
    /// Where the page begins: `next` of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<EventCursor>,
    /// Of the live stream: begin with what was stored after the event of this number. Default:
    /// with what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many: of a page 1 to 1,000, default 100; of an export any number,
    /// default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// What comes back; default a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<EventFormat>,
}

/// What events come as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventFormat {
    /// One page, as JSON.
    Json,
    /// All, one JSON document a line.
    Jsonl,
    /// All, as a table without timelines.
    Csv,
}

/// The most events in one page.
pub const EVENTS_PER_PAGE: u32 = 1_000;
/// The longest text that is searched for.
pub const TEXT_CHARACTERS: usize = 200;

/// Where a page of events ends: the time and the number of its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// When it arrived: milliseconds since 1970.
    pub at_ms: u64,
    /// Its number in order of storing.
    pub seq: u64,
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is none of events; take 'next' of the page before as it is")]
pub struct NoCursor;

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.seq)
    }
}

impl FromStr for EventCursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let number = |text: &str| match text.bytes().all(|octet| octet.is_ascii_digit()) {
            true => text.parse().map_err(|_| NoCursor),
            false => Err(NoCursor),
        };
        let (at_ms, seq) = text.split_once('-').ok_or(NoCursor)?;
        Ok(Self {
            at_ms: number(at_ms)?,
            seq: number(seq)?,
        })
    }
}

impl Serialize for EventCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventCursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for EventCursor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventCursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{1,20}-[0-9]{1,20}$"})
    }
}

impl EventFilter {
    /// What is wrong with it, for whoever wrote it.
    pub(crate) fn fault(&self) -> Option<String> {
        let is_page = matches!(self.format, None | Some(EventFormat::Json));
        let least = self.limit.is_some_and(|limit| limit == 0);
        if least || is_page && self.limit.is_some_and(|limit| limit > EVENTS_PER_PAGE) {
            return Some(format!(
                "limit is 1 to {EVENTS_PER_PAGE}, or more of an export"
            ));
        }
        let text = self.text.as_deref();
        if text.is_some_and(|text| text.chars().count() > TEXT_CHARACTERS) {
            return Some(format!("text has at most {TEXT_CHARACTERS} characters"));
        }
        None
    }

    /// Whether an event is wanted. Cursor, number and limit are no matter of the event's.
    #[must_use]
    pub fn matches(&self, event: &AuthEvent) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        is(self.integration.as_ref(), &event.integration)
            && is(self.node.as_ref(), &event.node)
            && is(self.outcome.as_ref(), &event.outcome)
            && is(self.reason.as_ref(), &event.reason)
            && is(self.first.as_ref(), &chain(event))
            && is(self.test.as_ref(), &event.test)
            && (self.user.is_none() || self.user == event.user)
            && (self.factor.is_none() || self.factor == event.factor)
            && self
                .client
                .is_none_or(|client| client.to_canonical() == event.client.ip().to_canonical())
            && self.from.is_none_or(|from| event.at_ms >= from.0)
            && self.to.is_none_or(|to| event.at_ms < to.0)
            && self
                .text
                .as_deref()
                .is_none_or(|text| contains(event, &text.to_lowercase()))
    }

    /// How many of the things are asked for that an event has, times aside.
    pub(crate) fn wishes(&self) -> usize {
        [
            self.user.is_some(),
            self.integration.is_some(),
            self.node.is_some(),
            self.outcome.is_some(),
            self.reason.is_some(),
            self.factor.is_some(),
            self.client.is_some(),
            self.text.is_some(),
            self.first.is_some(),
            self.test.is_some(),
        ]
        .into_iter()
        .filter(|wish| *wish)
        .count()
    }

    /// As the query of an address, without `?`.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        // Its members are texts and numbers, and none of them has a reason to fail.
        let members = serde_json::to_value(self).unwrap_or_default();
        for (name, value) in members.as_object().into_iter().flatten() {
            match value {
                serde_json::Value::String(text) => query.append_pair(name, text),
                other => query.append_pair(name, &other.to_string()),
            };
        }
        query.finish()
    }
}

/// The id of the login's first request.
pub(crate) fn chain(event: &AuthEvent) -> LoginId {
    event.first.unwrap_or(event.id)
}

/// Whether one of its texts contains this, which is in lower case.
fn contains(event: &AuthEvent, wanted: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    has(event.integration.as_str())
        || has(event.node.as_str())
        || has(event.reason.as_str())
        || has(&event.id.to_string())
        || has(&event.ikey)
        || has(&event.client.to_string())
        || event
            .authenticator
            .as_ref()
            .is_some_and(|one| has(one.as_str()))
        || event.user.as_deref().is_some_and(has)
        || event.calling_station.as_deref().is_some_and(has)
        || event.reply_message.as_deref().is_some_and(has)
        || event.timeline.iter().any(|step| has(&step.detail))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event() -> AuthEvent {
        serde_json::from_value(json!({
            "id": "00000000000000000000000000000002", "first": "00000000000000000000000000000001",
            "at_ms": 1_000, "node": "one", "revision": 1, "integration": "radius_server_auto",
            "ikey": "DI", "authenticator": "ad_client", "client": "[::ffff:192.0.2.1]:1024",
            "user": "Alice", "calling_station": "198.51.100.7", "outcome": "reject",
            "reason": "denied", "factor": "push", "reply_message": "Login denied", "elapsed_us": 7,
            "timeline": [{"stage": "primary", "at_us": 1, "elapsed_us": 2,
                          "detail": "accepted by Dc1.example"}],
        }))
        .unwrap()
    }

    #[test]
    fn an_event_matches_when_all_that_is_asked_for_is_so() {
        for (query, want) in [
            (json!({}), true),
            (json!({"user": "Alice"}), true),
            (json!({"user": "alice"}), false),
            (
                json!({"integration": "radius_server_auto", "node": "one"}),
                true,
            ),
            (json!({"node": "two"}), false),
            (
                json!({"outcome": "reject", "reason": "denied", "factor": "push"}),
                true,
            ),
            (json!({"outcome": "accept"}), false),
            (json!({"reason": "fraud"}), false),
            (json!({"factor": "phone"}), false),
            (json!({"client": "192.0.2.1"}), true),
            (json!({"client": "::ffff:192.0.2.1"}), true),
            (json!({"client": "192.0.2.2"}), false),
            (json!({"first": "00000000000000000000000000000001"}), true),
            (json!({"first": "00000000000000000000000000000002"}), false),
            (json!({"test": false}), true),
            (json!({"test": true}), false),
            (json!({"from": "1000", "to": "1001"}), true),
            (json!({"from": "1001"}), false),
            (json!({"to": "1000"}), false),
            (json!({"text": "DC1.EXAMPLE"}), true),
            (json!({"text": "198.51"}), true),
            (json!({"text": "timeline"}), false),
        ] {
            let filter: EventFilter = serde_json::from_value(query.clone()).unwrap();
            assert_eq!(filter.matches(&event()), want, "{query}");
        }
    }

    #[test]
    fn a_query_is_read_as_it_was_written() {
        let query = json!({
            "user": "a b&c=ä", "outcome": "accept", "client": "2001:db8::1", "from": "17",
            "cursor": "5-6", "after": 9, "limit": 3, "format": "csv",
        });
        let filter: EventFilter = serde_json::from_value(query).unwrap();
        let written = filter.query();
        let read: Value = form_urlencoded::parse(written.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(read["user"], "a b&c=ä");
        assert_eq!(
            (&read["cursor"], &read["limit"], &read["format"]),
            (&json!("5-6"), &json!("3"), &json!("csv"))
        );
        assert_eq!(EventFilter::default().query(), "");
    }

    #[test]
    fn cursors_are_read_as_they_are_written_and_nothing_else_is_one() {
        let cursor = EventCursor {
            at_ms: 17,
            seq: u64::MAX,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in [
            "",
            "5",
            "5-",
            "-5",
            "+5-6",
            "5-6-7",
            "a-b",
            "99999999999999999999-1",
        ] {
            assert_eq!(wrong.parse::<EventCursor>(), Err(NoCursor), "{wrong}");
        }
    }
}
