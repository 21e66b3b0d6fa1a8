//! The REST API under `/api/v1`. Each caller is known before a handler runs: [`caller::Caller`] is an
//! extension of the request.

pub(crate) mod caller;
pub(crate) mod config;
pub(crate) mod event_table;
pub(crate) mod events;
pub(crate) mod masked;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod resource;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::{Extension, Router};

use self::caller::Caller;
use self::problem::{Kind, Problem};
use crate::app::App;

/// All of it, for callers who are all this one: those of the admin socket.
pub(crate) fn for_one(app: Arc<App>, caller: Caller) -> Router {
    let routes = config::router()
        .merge(events::router())
        .fallback(nothing_there)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_OCTETS))
        .layer(Extension(caller))
        .with_state(app);
    Router::new().nest("/api/v1", routes)
}

async fn nothing_there() -> impl IntoResponse {
    Problem::new(
        Kind::NotFound,
        "there is no such address; /api/docs lists them",
    )
}

async fn not_so() -> impl IntoResponse {
    Problem::new(
        Kind::MethodNotAllowed,
        "the address is there, for other methods",
    )
}

/// The longest document that is taken: some thousand integrations.
const BODY_OCTETS: usize = 8 * 1024 * 1024;
