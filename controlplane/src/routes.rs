//! The routes for the command line and for probes. The documents are in [`crate::admin`].

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::MissedTickBehavior;

use crate::access::role::Role;
use crate::admin::{EventFilter, EventPage, LiveEvent, Problem, Readiness, Reload, Status};
use crate::api;
use crate::api::caller::{By, Caller, Pass};
use crate::app::App;
use crate::events::Live;
use crate::stream::{self, Gone, Lines};

/// What needs no trust in the caller beyond the same machine.
pub(crate) fn probes(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(app)
}

/// Everything, for the socket that only this user reaches.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/reload", post(reload))
        .route("/events", get(events))
        .route("/events/stream", get(events_stream).post(events_stream))
        .with_state(Arc::clone(&app))
        .merge(app.settings.admin_routes.clone())
        .merge(api::for_one(Arc::clone(&app), this_user()))
        .merge(probes(app))
}

/// Who calls by the socket: nobody else can.
const fn this_user() -> Caller {
    Caller {
        by: By::Socket,
        role: Role::Admin,
        from: None,
        pass: Pass::Socket,
    }
}

async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Readiness>) {
    let readiness = app.readiness();
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Refused> {
    let text = app.metrics().await.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "metrics not written"
        );
        Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be written",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}

async fn status(State(app): State<Arc<App>>) -> Json<Status> {
    Json(app.status())
}

async fn reload(State(app): State<Arc<App>>) -> Result<Json<Reload>, Refused> {
    let reload = app.reload().await;
    reload.map(Json).ok_or_else(|| {
        Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the configuration is being read already, or the control plane stops",
        )
    })
}

async fn events(
    State(app): State<Arc<App>>,
    filter: Result<Query<EventFilter>, QueryRejection>,
) -> Result<Json<EventPage>, Refused> {
    let Query(filter) =
        filter.map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let elsewhere = filter.after.is_some() || filter.format.is_some();
    let fault = filter
        .fault()
        .or_else(|| elsewhere.then(|| "after and format are for /api/v1/events".to_owned()));
    if let Some(fault) = fault {
        return Err(Refused::new(StatusCode::BAD_REQUEST, fault));
    }
    let page = app.store.list_events(&filter).await.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "events not listed"
        );
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    })?;
    Ok(Json(page))
}

async fn events_stream(State(app): State<Arc<App>>) -> Result<Response, Refused> {
    let place = Arc::clone(&app.event_readers)
        .try_acquire_owned()
        .map_err(|_| {
            Refused::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many readers of the stream already",
            )
        })?;
    let (lines, response) = stream::open(place, stream::LINES);
    let live = app.events.live();
    let app = Arc::clone(&app);
    let tasks = app.tasks.clone();
    tasks.spawn(async move {
        tokio::select! {
            Gone = show(&app, &lines, live) => {}
            () = app.stop.cancelled() => {}
        }
    });
    Ok(response)
}

/// Feeds one reader of the live stream.
async fn show(app: &App, lines: &Lines, mut live: Receiver<Arc<Live>>) -> Gone {
    let mut ticks = tokio::time::interval(app.settings.heartbeat.max(stream::SHORTEST));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let line = tokio::select! {
            biased;
            () = lines.closed() => return Gone,
            event = live.recv() => match event {
                Ok(live) => Ok(live.line.clone()),
                Err(RecvError::Lagged(missed)) => {
                    app.metrics.events_lagged.inc_by(missed);
                    stream::line(&LiveEvent::Lagged { missed })
                }
                Err(RecvError::Closed) => return Gone,
            },
            _ = ticks.tick() => stream::line(&LiveEvent::Heartbeat),
        };
        if let Ok(line) = line
            && let Err(gone) = lines.send(line).await
        {
            return gone;
        }
    }
}

/// An error on its way out.
struct Refused(StatusCode, Problem);

impl Refused {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(status, Problem { message })
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(self.1)).into_response();
        if self.0 == StatusCode::TOO_MANY_REQUESTS {
            let seconds = HeaderValue::from_static("5");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
