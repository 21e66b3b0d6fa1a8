//! The REST API under `/api/v1`. Each caller is known before a handler runs: [`caller::Caller`] is an
//! extension of the request.

pub(crate) mod about;
mod admin_factor;
pub(crate) mod admins;
pub(crate) mod audit;
pub(crate) mod based_on;
pub(crate) mod caller;
pub(crate) mod checks;
pub(crate) mod clients_seen;
pub(crate) mod config;
pub(crate) mod config_file;
mod config_lists;
mod cookies;
pub(crate) mod door;
pub(crate) mod drafts;
mod drained;
mod editor_door;
pub(crate) mod event_table;
pub(crate) mod events;
pub(crate) mod extract;
mod file_back;
pub(crate) mod frame;
pub(crate) mod guesses;
mod join_tokens;
mod line_rows;
pub(crate) mod logins;
pub(crate) mod masked;
pub(crate) mod nodes;
pub(crate) mod oidc;
pub(crate) mod openapi;
pub(crate) mod overview;
mod own;
pub(crate) mod page;
pub(crate) mod primary_only;
pub(crate) mod problem;
pub(crate) mod resource;
pub(crate) mod revisions;
pub(crate) mod second_factor;
mod sent_file;
pub(crate) mod session;
pub(crate) mod setup;
pub(crate) mod tokens;
mod typed_text;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tower_http::compression::CompressionLayer;

use self::caller::Caller;
use self::problem::{Kind, Problem};
pub(crate) use self::sent_file::FILE_LOOKS;
use crate::app::App;
use crate::web;

/// All of it, for callers who are all this one: those of the admin socket.
pub(crate) fn for_one(app: Arc<App>, caller: Caller) -> Router {
    let routes = routes()
        .layer(from_fn_with_state(Arc::clone(&app), to_the_end))
        .layer(Extension(caller))
        .layer(Extension(door::From::HERE))
        .with_state(app);
    whole(routes).layer(from_fn(frame::frame))
}

/// All of it, for callers who must say who they are, and the dashboard, for which they need not.
pub(crate) fn for_strangers(app: Arc<App>) -> Router {
    let guard = from_fn_with_state(Arc::clone(&app), door::let_in);
    let to_the_end = from_fn_with_state(Arc::clone(&app), to_the_end);
    with_dashboard(routes().layer(to_the_end).layer(guard).with_state(app))
}

/// The same for a supervisor, who has the connections of such callers.
pub(crate) fn for_handed_on(app: Arc<App>) -> Router {
    let guard = from_fn_with_state(Arc::clone(&app), door::let_in_handed_on);
    let to_the_end = from_fn_with_state(Arc::clone(&app), to_the_end);
    // The supervisor writes while this answers.
    let routes = routes().layer(to_the_end).layer(guard).with_state(app);
    with_dashboard(routes).layer(from_fn(drained::drained))
}

/// Every route, without a word on who may use it: that is in [`crate::access::routes`].
fn routes() -> Router<Arc<App>> {
    config::router()
        .merge(admins::router())
        .merge(audit::router())
        .merge(config_file::router())
        .merge(drafts::router())
        .merge(revisions::router())
        .merge(about::router())
        .merge(session::router())
        .merge(own::router())
        .merge(oidc::router())
        .merge(setup::router())
        .merge(tokens::router())
        .merge(nodes::router())
        .merge(events::router())
        .merge(overview::router())
        .merge(clients_seen::router())
        .merge(checks::router())
        .merge(logins::router())
        .merge(primary_only::router())
        .merge(second_factor::router())
        .fallback(nothing_there)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_OCTETS))
}

/// Goes on with what changes something when its caller hangs up: half of it would be done, or all of it
/// without a word in the audit.
async fn to_the_end(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let breaks_off = path.is_some_and(|path| BREAK_OFF.contains(&path.as_str()));
    if request.method().is_safe() || breaks_off {
        return next.run(request).await;
    }
    let done = app.tasks.spawn(next.run(request)).await;
    done.unwrap_or_else(|error| Problem::internal(&error).into_response())
}

/// What the OpenAPI document says of each route: a line in each file of them.
fn document(api: &mut openapi::Api) {
    config::document(api);
    config_file::document(api);
    revisions::document(api);
    drafts::document(api);
    nodes::document(api);
    checks::document(api);
    logins::document(api);
    primary_only::document(api);
    second_factor::document(api);
    events::document(api);
    overview::document(api);
    clients_seen::document(api);
    audit::document(api);
    about::document(api);
    // What is of one group stands together.
    session::document(api);
    own::document(api);
    oidc::document(api);
    admins::document(api);
    setup::document(api);
    tokens::document(api);
}

/// With the document of it.
fn whole(routes: Router) -> Router {
    Router::new()
        .nest(BASE, routes)
        .merge(openapi::router())
        .layer(CompressionLayer::new())
}

/// With the dashboard at all that is not below `/api`. Its files are packed already.
fn with_dashboard(routes: Router) -> Router {
    whole(routes).fallback(beside).layer(from_fn(frame::frame))
}

async fn beside(request: Request) -> Response {
    let below = request.uri().path().strip_prefix(ALL_OF_IT);
    match below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
        true => nothing_there().await.into_response(),
        false => web::answer(&request),
    }
}

async fn nothing_there() -> impl IntoResponse {
    Problem::new(
        Kind::NotFound,
        "there is no such address; /api/docs lists them",
    )
}

async fn not_so(request: Request) -> Response {
    door::for_other_methods(&request)
}

/// What ends with its caller: somebody's telephone rings for it. It is in the audit before it begins, or in
/// one transaction with its entry.
const BREAK_OFF: [&str; 5] = [
    "/api/v1/logins",
    "/api/v1/checks",
    "/api/v1/session",
    "/api/v1/session/password",
    "/api/v1/invitation",
];
/// The longest document that is taken: some thousand integrations.
pub(crate) const BODY_OCTETS: usize = 8 * 1024 * 1024;
/// Where nothing else is than the API and what describes it.
const ALL_OF_IT: &str = "/api";
/// Where all of it is.
const BASE: &str = "/api/v1";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::routes::ROUTES;

    #[test]
    fn every_path_of_the_router_is_in_the_table_and_the_other_way_round() {
        let shown = format!("{:?}", Router::new().nest(BASE, routes()));
        let paths: BTreeSet<&str> = shown
            .split('"')
            .filter(|text| text.starts_with(BASE) && !text.contains("{*") && *text != BASE)
            .filter(|text| text.trim_end_matches('/') != BASE)
            .collect();
        let table: BTreeSet<&str> = ROUTES.iter().map(|(_, path, _)| *path).collect();
        assert_eq!(paths, table);
    }
}
