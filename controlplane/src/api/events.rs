//! `/events`: pages, one login, the live stream and exports, all by one filter. Reads only: nothing
//! that a login waits for happens here.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use proto::id::LoginId;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::caller::Caller;
use super::door::stands;
use super::event_table;
use super::openapi::Api;
use super::problem::{Kind, Problem};
use crate::admin::{EVENTS_PER_PAGE, EventCursor, EventFilter, EventFormat, StoredEvent};
use crate::app::App;
use crate::sse;
use crate::store::StoreError;
use crate::stream::{self, Gone, Lines};

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/events", get(events))
        .route("/events/{id}", get(event))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "events",
        "Logins, each with what happened in it.",
        &[("id", "The login's id: 32 hexadecimal digits.")],
    );
    let text = json!({"type": "string"});
    api.route(
        &Method::GET,
        "/events",
        "listEvents",
        "Events, the newest first",
    )
    .about(
        "With `Accept: text/event-stream` they come as they happen, and the connection stays open. \
             `format=jsonl` and `format=csv` are exports of all that match.",
    )
    .query::<EventFilter>()
    .asks("Accept", "`text/event-stream`: live. Default: JSON.")
    .asks(
        "Last-Event-ID",
        "Of the live stream: what was seen last; the same as `after`.",
    )
    .answers::<Page>(
        StatusCode::OK,
        "A page of the list, an export, or the stream.",
    )
    .also("application/x-ndjson", &text)
    .also("text/csv", &text)
    .also("text/event-stream", &text);
    api.route(&Method::GET, "/events/{id}", "getEvent", "Event: read")
        .answers::<StoredEvent>(StatusCode::OK, "The login.")
        .problems(&[Kind::BadRequest]);
}

/// One page of events.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOfEvents")]
struct Page {
    /// The events, newest first.
    items: Vec<StoredEvent>,
    /// Where the next page begins, for `cursor`; none when this is the last. A page may be short
    /// and have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<EventCursor>,
}

async fn events(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    filter: Result<Query<EventFilter>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(filter) = filter.map_err(|error| bad(error.body_text()))?;
    if let Some(fault) = filter.fault() {
        return Err(bad(fault));
    }
    let has = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    match filter.format {
        Some(EventFormat::Jsonl) => return export(&app, caller, filter, EventFormat::Jsonl),
        Some(EventFormat::Csv) => return export(&app, caller, filter, EventFormat::Csv),
        None if has(header::ACCEPT.as_str()).is_some_and(sse::is_wanted) => {
            let after = match has("last-event-id") {
                Some(text) => Some(sse::last_id(text).ok_or_else(|| {
                    bad("Last-Event-ID is the number of an event, as the stream had it")
                })?),
                None => filter.after,
            };
            return live(&app, caller, filter, after);
        }
        None | Some(EventFormat::Json) => {}
    }
    if filter.after.is_some() {
        return Err(bad("after is for the stream; a page begins at cursor"));
    }
    let page = app
        .store
        .list_events(&filter)
        .await
        .map_err(|error| away(&error))?;
    Ok(Json(Page {
        items: page.events,
        next: page.next,
    })
    .into_response())
}

async fn event(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<StoredEvent>, Problem> {
    let text: StrDeserializer<'_, ValueError> = id.as_str().into_deserializer();
    let id: LoginId = serde::Deserialize::deserialize(text)
        .map_err(|_| bad("a login's id is 32 hexadecimal digits"))?;
    let found = app
        .store
        .fetch_event(id)
        .await
        .map_err(|error| away(&error))?;
    found.map(Json).ok_or_else(|| {
        let detail = "no login has this id; events are kept for a time, and up to a number";
        Problem::new(Kind::NotFound, detail)
    })
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

fn away(error: &StoreError) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "events not read");
    Problem::new(
        Kind::Unavailable,
        "the events cannot be read now; the log has the cause",
    )
}

/// Opens a body that goes on, if there is a place.
fn open(app: &App, kind: &'static str) -> Result<(Lines, Response), Problem> {
    let place = Arc::clone(&app.event_readers).try_acquire_owned();
    let place = place.map_err(|_| {
        let detail = "too many streams and exports of events are open already; try again later";
        Problem::new(Kind::TooMany, detail)
    })?;
    Ok(stream::open(place, kind))
}

/// Whether the reader of an answer that goes on may read on.
async fn may_go_on(app: &App, caller: &Caller) -> bool {
    match stands(app, caller, (&Method::GET, PATH)).await {
        Ok(stands) => stands,
        // Whoever may comes back.
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "who reads events was not looked up"
            );
            false
        }
    }
}

fn export(
    app: &Arc<App>,
    caller: Caller,
    filter: EventFilter,
    format: EventFormat,
) -> Result<Response, Problem> {
    if filter.after.is_some() {
        return Err(bad("after is for the stream; an export begins at cursor"));
    }
    let (kind, name) = match format {
        EventFormat::Csv => (event_table::CONTENT_TYPE, CSV_NAME),
        EventFormat::Json | EventFormat::Jsonl => (stream::LINES, JSONL_NAME),
    };
    let (lines, mut response) = open(app, kind)?;
    let name = HeaderValue::from_static(name);
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, name);
    let tasks = app.tasks.clone();
    let app = Arc::clone(app);
    tasks.spawn(async move {
        let written = tokio::select! {
            written = write(&app, &caller, &lines, filter, format) => written,
            () = app.stop.cancelled() => Err(Ended::CutOff),
        };
        if let Err(Ended::CutOff) = written {
            lines.cut_off().await;
        }
    });
    Ok(response)
}

/// Why an export ended before its end.
enum Ended {
    /// The reader has gone.
    Gone,
    /// The store failed, the reader may not any more, or the control plane stops.
    CutOff,
}

impl From<Gone> for Ended {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// Writes all that match, a page at a time.
async fn write(
    app: &App,
    caller: &Caller,
    lines: &Lines,
    mut filter: EventFilter,
    format: EventFormat,
) -> Result<(), Ended> {
    if format == EventFormat::Csv {
        lines.send(event_table::head()).await?;
    }
    let mut left = filter.limit;
    loop {
        if !may_go_on(app, caller).await {
            return Err(Ended::CutOff);
        }
        filter.limit = Some(left.map_or(EXPORTED_AT_ONCE, |left| left.min(EXPORTED_AT_ONCE)));
        let page = app.store.list_events(&filter).await.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "export broken off"
            );
            Ended::CutOff
        })?;
        let mut written = Vec::new();
        for stored in &page.events {
            match format {
                EventFormat::Csv => event_table::write(&mut written, stored),
                EventFormat::Json | EventFormat::Jsonl => {
                    written.extend(stream::line(stored).map_err(|_| Ended::CutOff)?);
                }
            }
        }
        if !written.is_empty() {
            lines.send(written.into()).await?;
        }
        let count = u32::try_from(page.events.len()).unwrap_or(EVENTS_PER_PAGE);
        left = left.map(|left| left.saturating_sub(count));
        match page.next {
            Some(next) if left != Some(0) => filter.cursor = Some(next),
            _ => return Ok(()),
        }
    }
}

fn live(
    app: &Arc<App>,
    caller: Caller,
    filter: EventFilter,
    after: Option<u64>,
) -> Result<Response, Problem> {
    if filter.cursor.is_some() || filter.limit.is_some() {
        return Err(bad("cursor and limit are for pages; a stream has no end"));
    }
    let (lines, mut response) = open(app, sse::CONTENT_TYPE)?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What stands between would else collect it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let tasks = app.tasks.clone();
    let app = Arc::clone(app);
    tasks.spawn(async move {
        tokio::select! {
            Gone = feed(&app, &caller, &lines, &filter, after) => {}
            () = app.stop.cancelled() => {}
        }
    });
    Ok(response)
}

/// Feeds one reader of the live stream: what is stored already after its last event, then what comes.
/// At each heartbeat it is looked up whether they still may.
async fn feed(
    app: &App,
    caller: &Caller,
    lines: &Lines,
    filter: &EventFilter,
    after: Option<u64>,
) -> Gone {
    let mut live = app.events.live();
    // The newest that was looked at, shown or not.
    let mut seen = None;
    if let Err(gone) = lines.send(sse::heartbeat(after)).await {
        return gone;
    }
    let mut from = after;
    while let Some(after) = from.take() {
        if !may_go_on(app, caller).await {
            return Gone;
        }
        // Nothing is lost between, since what is read was not all there was when this began.
        live = app.events.live();
        let Ok((found, last, has_more)) = app.store.list_events_after(filter, after).await else {
            // Its reader comes back, and asks again for what it has not.
            return Gone;
        };
        for stored in &found {
            if let Ok(frame) = sse::login(stored)
                && let Err(gone) = lines.send(frame).await
            {
                return gone;
            }
        }
        seen = last.or(seen);
        from = last.filter(|_| has_more);
    }
    let mut ticks = tokio::time::interval(app.settings.heartbeat.max(stream::SHORTEST));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    loop {
        let frame: Option<Bytes> = tokio::select! {
            biased;
            () = lines.closed() => return Gone,
            // Before the events: there may be one at every moment.
            _ = ticks.tick() => match may_go_on(app, caller).await {
                true => Some(sse::heartbeat(seen)),
                false => return Gone,
            },
            event = live.recv() => match event {
                Ok(event) if Some(event.stored.seq) <= seen => None,
                Ok(event) => {
                    seen = Some(event.stored.seq);
                    filter.matches(&event.stored.event).then(|| event.frame.clone())
                }
                Err(RecvError::Lagged(missed)) => {
                    app.metrics.events_lagged.inc_by(missed);
                    Some(sse::lagged(missed))
                }
                Err(RecvError::Closed) => return Gone,
            },
        };
        if let Some(frame) = frame
            && let Err(gone) = lines.send(frame).await
        {
            return gone;
        }
    }
}

/// As the table of routes has it.
const PATH: &str = "/api/v1/events";
/// The most events of an export in memory: 100 of 64 KiB.
const EXPORTED_AT_ONCE: u32 = 100;
const CSV_NAME: &str = "attachment; filename=\"countersign-events.csv\"";
const JSONL_NAME: &str = "attachment; filename=\"countersign-events.jsonl\"";
