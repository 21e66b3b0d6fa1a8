//! The body of a request of OTLP/HTTP with JSON: opentelemetry-proto 1.x in the mapping of proto3 to
//! JSON, but ids in hexadecimal and enums as numbers (OTLP specification, "JSON Protobuf Encoding").
//! And what an answer of it says.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use proto::event::AuthEvent;
use proto::id::NodeId;
use serde::{Deserialize, Serialize, Serializer};

use super::span::{self, Kind, Person};

/// `ExportTraceServiceRequest`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<KeyValue<&'a str>>,
}

#[derive(Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'static str,
    kind: u8,
    #[serde(serialize_with = "as_text")]
    start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    end_time_unix_nano: u64,
    attributes: Vec<KeyValue<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(serialize_with = "as_text")]
    time_unix_nano: u64,
    name: &'static str,
    attributes: Vec<KeyValue<String>>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
    message: String,
}

#[derive(Serialize)]
struct KeyValue<T> {
    key: &'static str,
    value: AnyValue<T>,
}

#[derive(Serialize)]
enum AnyValue<T> {
    #[serde(rename = "stringValue")]
    Text(T),
    #[serde(rename = "intValue", serialize_with = "as_text")]
    Number(u64),
    #[serde(rename = "boolValue")]
    Flag(bool),
}

/// Numbers of 64 bits travel as texts. Those of attributes are signed.
fn as_text<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Where logins come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// The node of this machine, if there is one that is known.
    pub(super) local: Option<NodeId>,
    /// The name of this machine.
    pub(super) host: Option<String>,
}

/// The body that tells of logins.
pub(super) fn body<'a>(
    events: impl IntoIterator<Item = &'a AuthEvent>,
    origin: &Origin,
    person: Person,
) -> serde_json::Result<Vec<u8>> {
    let mut nodes: BTreeMap<&NodeId, Vec<Span>> = BTreeMap::new();
    for event in events {
        let spans = span::spans(event, person).into_iter().map(Span::from);
        nodes.entry(&event.node).or_default().extend(spans);
    }
    let resource_spans = nodes.into_iter().map(|(node, spans)| {
        let here = origin.local.as_ref() == Some(node);
        let host = origin.host.as_deref().filter(|_| here);
        let attributes = [
            ("service.name", Some(SERVICE)),
            ("service.version", Some(VERSION)),
            ("service.instance.id", Some(node.as_str())),
            ("host.name", host),
        ];
        let attributes = attributes.into_iter().filter_map(|(key, value)| {
            let value = AnyValue::Text(value?);
            Some(KeyValue { key, value })
        });
        ResourceSpans {
            resource: Resource {
                attributes: attributes.collect(),
            },
            scope_spans: [ScopeSpans {
                scope: Scope {
                    name: SERVICE,
                    version: VERSION,
                },
                spans,
            }],
        }
    });
    serde_json::to_vec(&Request {
        resource_spans: resource_spans.collect(),
    })
}

impl From<span::Span> for Span {
    fn from(span: span::Span) -> Self {
        Self {
            trace_id: HEXLOWER.encode(&span.trace),
            span_id: HEXLOWER.encode(&span.id),
            parent_span_id: span.parent.map(|id| HEXLOWER.encode(&id)),
            name: span.name,
            kind: match span.kind {
                Kind::Internal => 1,
                Kind::Server => 2,
                Kind::Client => 3,
            },
            start_time_unix_nano: span.start,
            end_time_unix_nano: span.end,
            attributes: attributes(span.attributes),
            events: span
                .moments
                .into_iter()
                .map(|moment| Event {
                    time_unix_nano: moment.at,
                    name: moment.name,
                    attributes: attributes(moment.attributes),
                })
                .collect(),
            status: span.error.map(|message| Status {
                code: ERROR,
                message,
            }),
        }
    }
}

fn attributes(attributes: Vec<span::Attribute>) -> Vec<KeyValue<String>> {
    let each = attributes.into_iter().map(|(key, value)| KeyValue {
        key,
        value: match value {
            span::Value::Text(text) => AnyValue::Text(text),
            // A signed number.
            span::Value::Number(number) => AnyValue::Number(number.min(i64::MAX.unsigned_abs())),
            span::Value::Flag(flag) => AnyValue::Flag(flag),
        },
    });
    each.collect()
}

/// What an answer of status 200 says was not taken: how many spans, and why. A body that is none of
/// OTLP says nothing.
pub(super) fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let partial = answer.partial_success?;
    let spans = match partial.rejected_spans {
        Some(Count::Text(text)) => text.parse().ok()?,
        Some(Count::Number(number)) => number,
        None => 0,
    };
    (spans > 0).then_some((spans, partial.error_message))
}

/// `ExportTraceServiceResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    partial_success: Option<Partial>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partial {
    rejected_spans: Option<Count>,
    #[serde(default)]
    error_message: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Text(String),
    Number(u64),
}

const SERVICE: &str = "countersign";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::traces::span::tests::event;

    fn written(events: &[AuthEvent], origin: &Origin) -> Value {
        serde_json::from_slice(&body(events, origin, Person::Hidden).unwrap()).unwrap()
    }

    #[test]
    fn a_body_is_json_as_otlp_means_it() {
        let here = Origin {
            local: NodeId::new("one").ok(),
            host: Some("gate".to_owned()),
        };
        let mut bare = event();
        bare.timeline = vec![event().timeline.remove(0), event().timeline.remove(1)];
        bare.authenticator = None;
        let body = written(&[bare], &here);
        let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
        let whole = |key: &str, number: &str| json!({"key": key, "value": {"intValue": number}});
        let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(
            body["resourceSpans"][0]["resource"]["attributes"],
            json!([
                text("service.name", "countersign"),
                text("service.version", VERSION),
                text("service.instance.id", "one"),
                text("host.name", "gate"),
            ])
        );
        let id = span["spanId"].as_str().unwrap();
        assert_eq!(
            span,
            &json!({
                "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": id,
                "name": "login", "kind": 2,
                "startTimeUnixNano": "1000000000", "endTimeUnixNano": "1000500000",
                "attributes": [
                    text("countersign.login", "0102030405060708090a0b0c0d0e0f10"),
                    text("countersign.node", "one"),
                    whole("countersign.revision", "7"),
                    text("countersign.integration", "radius_server_auto"),
                    text("countersign.outcome", "accept"),
                    text("countersign.reason", "approved"),
                    text("network.protocol.name", "radius"),
                    text("countersign.factor", "push"),
                    {"key": "countersign.message_authenticator", "value": {"boolValue": true}},
                    text("client.address", "192.0.2.1"),
                    whole("client.port", "1024"),
                ],
                "events": [{"timeUnixNano": "1000000000", "name": "packet", "attributes": []}],
            })
        );
        let away = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][2];
        assert_eq!(away["kind"], 3);
        assert_eq!(away["status"], json!({"code": 2, "message": "timed_out"}));
        let primary = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][1];
        assert_eq!(primary["parentSpanId"], *id);
        assert_eq!(away["parentSpanId"], primary["spanId"]);
    }

    #[test]
    fn each_node_is_a_resource_and_one_of_them_of_this_machine() {
        let of = |node: &str| AuthEvent {
            node: NodeId::new(node).unwrap(),
            ..event()
        };
        let origin = Origin {
            local: NodeId::new("two").ok(),
            host: Some("gate".to_owned()),
        };
        let body = written(&[of("two"), of("one"), of("two")], &origin);
        let told: Vec<_> = body["resourceSpans"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let attributes = one["resource"]["attributes"].as_array().unwrap();
                let spans = one["scopeSpans"][0]["spans"].as_array().unwrap();
                let node = &attributes[2]["value"]["stringValue"];
                (node.as_str().unwrap(), attributes.len(), spans.len())
            })
            .collect();
        assert_eq!(told, [("one", 3, 9), ("two", 4, 18)]);
    }

    #[test]
    fn numbers_beyond_a_signed_one_are_the_greatest() {
        let event = AuthEvent {
            revision: proto::id::Revision(u64::MAX),
            ..event()
        };
        let body = written(&[event], &Origin::default()).to_string();
        assert!(
            body.contains(&format!("\"intValue\":\"{}\"", i64::MAX)),
            "{body}"
        );
    }

    #[test]
    fn an_answer_says_what_was_not_taken() {
        let why = |spans: u64, why: &str| Some((spans, why.to_owned()));
        for (answer, want) in [
            ("{}", None),
            ("", None),
            ("<html>", None),
            (r#"{"partialSuccess":null}"#, None),
            (r#"{"partialSuccess":{}}"#, None),
            (r#"{"partialSuccess":{"errorMessage":"only a note"}}"#, None),
            (
                r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#,
                why(3, "too old"),
            ),
            (r#"{"partialSuccess":{"rejectedSpans":2}}"#, why(2, "")),
            (r#"{"partialSuccess":{"rejectedSpans":"-2"}}"#, None),
        ] {
            assert_eq!(rejected(answer.as_bytes()), want, "{answer}");
        }
    }
}
