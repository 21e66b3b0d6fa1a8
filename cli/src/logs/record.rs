//! One line of the log before it is written: made of a `tracing` event, or read from the pipe of a
//! role. No sinks here.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use tracing::field::{Field as Name, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Level {
    #[serde(rename = "E")]
    Error,
    #[serde(rename = "W")]
    Warn,
    #[serde(rename = "I")]
    Info,
    #[serde(rename = "D")]
    Debug,
    #[serde(rename = "T")]
    Trace,
}

impl Level {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }

    pub(crate) const fn lower(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// As syslog counts (RFC 5424 section 6.2.1).
    pub(crate) const fn severity(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warn => 4,
            Self::Info => 6,
            Self::Debug | Self::Trace => 7,
        }
    }
}

impl From<&tracing::Level> for Level {
    fn from(level: &tracing::Level) -> Self {
        match *level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Trace,
        }
    }
}

/// A line. This is also what a role sends to its supervisor, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Microseconds since 1970, UTC.
    pub(crate) at_us: u64,
    pub(crate) level: Level,
    pub(crate) target: Cow<'static, str>,
    /// What it happened in, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) spans: Vec<Span>,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) name: Cow<'static, str>,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: Value,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Value {
    /// A text, shown between quotes.
    Text(String),
    /// What `Display` or `Debug` gave.
    Shown(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Flag(bool),
}

impl Record {
    /// About how much memory it takes.
    pub(crate) fn octets(&self) -> usize {
        let of = |fields: &[Field]| -> usize {
            let of_one = |field: &Field| match &field.value {
                Value::Text(text) | Value::Shown(text) => text.len(),
                _ => 0,
            };
            fields.iter().map(|field| 64 + of_one(field)).sum()
        };
        let spans: usize = self.spans.iter().map(|span| of(&span.fields)).sum();
        128 + self.message.len() + of(&self.fields) + spans
    }

    /// A line of our own making, without `tracing`.
    pub(crate) fn new(level: Level, target: &'static str, message: &str) -> Self {
        Self {
            at_us: super::now_us(),
            level,
            target: Cow::Borrowed(target),
            spans: Vec::new(),
            message: message.to_owned(),
            fields: Vec::new(),
        }
    }

    /// Adds a field whose text stands without quotes.
    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.fields.push(Field {
            name: Cow::Borrowed(name),
            value: Value::Shown(value.to_string()),
        });
        self
    }

    /// Adds a text, if there is one.
    pub(crate) fn text(mut self, name: &'static str, value: Option<&str>) -> Self {
        if let Some(text) = value {
            self.fields.push(Field {
                name: Cow::Borrowed(name),
                value: Value::Text(text.to_owned()),
            });
        }
        self
    }
}

/// Takes what `tracing` is told and hands it on as records.
pub(crate) struct ToRecords<F>(pub(crate) F);

impl<S, F> Layer<S> for ToRecords<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: Fn(Record) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut spans = Vec::new();
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                let extensions = span.extensions();
                let fields = extensions.get::<Fields>();
                spans.push(Span {
                    name: Cow::Borrowed(span.name()),
                    fields: fields.map(|found| found.list.clone()).unwrap_or_default(),
                });
            }
        }
        let about = event.metadata();
        (self.0)(Record {
            at_us: super::now_us(),
            level: about.level().into(),
            target: Cow::Borrowed(about.target()),
            spans,
            message: fields.message,
            fields: fields.list,
        });
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    list: Vec<Field>,
}

impl Fields {
    fn put(&mut self, name: &Name, value: Value) {
        self.add(Cow::Borrowed(name.name()), value);
    }

    fn add(&mut self, name: Cow<'static, str>, value: Value) {
        match self.list.iter_mut().find(|field| field.name == name) {
            Some(field) => field.value = value,
            None => self.list.push(Field { name, value }),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, name: &Name, value: &dyn fmt::Debug) {
        let text = cut(format!("{value:?}"));
        if name.name() == "message" {
            self.message = text;
        } else {
            self.put(name, Value::Shown(text));
        }
    }

    fn record_str(&mut self, name: &Name, value: &str) {
        if name.name() == "message" {
            self.message = cut(value.to_owned());
        } else {
            self.put(name, Value::Text(cut(value.to_owned())));
        }
    }

    fn record_i64(&mut self, name: &Name, value: i64) {
        self.put(name, Value::Signed(value));
    }

    fn record_u64(&mut self, name: &Name, value: u64) {
        self.put(name, Value::Unsigned(value));
    }

    fn record_f64(&mut self, name: &Name, value: f64) {
        self.put(name, Value::Float(value));
    }

    fn record_bool(&mut self, name: &Name, value: bool) {
        self.put(name, Value::Flag(value));
    }

    fn record_error(&mut self, name: &Name, value: &(dyn std::error::Error + 'static)) {
        self.put(name, Value::Shown(cut(value.to_string())));
        let causes: Vec<String> = std::iter::successors(value.source(), |error| error.source())
            .take(MOST_CAUSES)
            .map(ToString::to_string)
            .collect();
        if !causes.is_empty() {
            let text = cut(format!("[{}]", causes.join(", ")));
            let name = format!("{}.sources", name.name());
            self.add(Cow::Owned(name), Value::Shown(text));
        }
    }
}

/// At most [`MOST_OCTETS`] octets of a text.
fn cut(mut text: String) -> String {
    if text.len() > MOST_OCTETS {
        text.truncate(text.floor_char_boundary(MOST_OCTETS));
        text.push('…');
    }
    text
}

/// The most octets of a message, and of a value.
const MOST_OCTETS: usize = 16 * 1024;
const MOST_CAUSES: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_record_has_what_was_said_and_travels_as_it_is() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let layer = ToRecords(move |record| sink.lock().unwrap().push(record));
        let subscriber = tracing_subscriber::registry().with(layer);
        let cause = std::io::Error::other("no \u{1b}[31mroom");
        let error = crate::failure::Failure::new("it failed", &cause);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", path = "/x", status = tracing::field::Empty);
            span.record("status", 200);
            let _inside = span.enter();
            let none: Option<&str> = None;
            tracing::warn!(count = 3, yes = true, name = "a b", shown = %"c", none, "said {}", 1);
            tracing::error!(%error, "again");
        });
        let seen = seen.lock().unwrap();
        let first = &seen[0];
        assert_eq!(
            (first.level, first.message.as_str()),
            (Level::Warn, "said 1")
        );
        let names: Vec<&str> = first.fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names, ["count", "yes", "name", "shown"]);
        assert_eq!(first.fields[2].value, Value::Text("a b".to_owned()));
        assert_eq!(first.fields[3].value, Value::Shown("c".to_owned()));
        assert_eq!(first.spans[0].fields.len(), 2);
        assert_eq!(seen[1].level, Level::Error);
        for record in seen.iter() {
            let wire = serde_json::to_string(record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&wire).unwrap(), *record);
        }
    }

    #[test]
    fn a_text_without_end_is_cut_at_a_character() {
        assert_eq!(cut("x".to_owned()), "x");
        let long = cut("ö".repeat(MOST_OCTETS));
        assert!(long.len() <= MOST_OCTETS + '…'.len_utf8() && long.ends_with("ö…"));
    }
}
