//! Who calls, and whether they may: the middleware in front of the routes for callers who could be
//! anybody. No route knows of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::caller::{By, Caller, Pass};
use super::cookies::Cookie;
use super::guesses;
use super::problem::{Kind, Problem};
use crate::access::role::{Role, Wants, may};
use crate::access::routes;
use crate::access::token::Token;
use crate::app::App;
use crate::clock::now_ms;
use crate::listener::Peer;
use crate::store::{Holder, SessionRow, StoreError, TokenRow};

/// Lets a request through that the table of routes allows its caller, with the [`Caller`] as an
/// extension. The address of the caller is the connection's.
pub(crate) async fn let_in(
    State(app): State<Arc<App>>,
    ConnectInfo(Peer(from)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    judge(&app, from, request, next).await
}

/// The same where a supervisor hands requests on: the address stands in a header, which nobody else
/// can send to that socket.
pub(crate) async fn let_in_handed_on(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = request.headers_mut().remove(&PEER);
    let from = from.and_then(|from| from.to_str().ok()?.parse::<SocketAddr>().ok());
    match from {
        Some(from) => judge(&app, from, request, next).await,
        None => Problem::new(
            Kind::BadRequest,
            "this socket is for the gateway's own admin address",
        )
        .into_response(),
    }
}

async fn judge(app: &App, from: SocketAddr, mut request: Request, next: Next) -> Response {
    name_host(&mut request);
    let path = request.extensions().get::<MatchedPath>();
    let wants = path.map(|path| routes::wants(request.method(), path.as_str()));
    let caller = match identify(app, from, request.method(), request.headers()).await {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    let role = caller.as_ref().map(|caller| caller.role);
    match wants {
        Some(Some(wants)) if may(role, wants) => {}
        // Strangers are not told what there is.
        _ if role.is_none() => return unknown().into_response(),
        Some(Some(wants)) => return forbidden(role, wants).into_response(),
        // The path is there for other methods, or its author forgot the table: refused either way.
        Some(None) => return for_other_methods(&request),
        // No such address: the router says so.
        None => {}
    }
    request.extensions_mut().insert(From(from.ip()));
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    next.run(request).await
}

/// What is answered where an address has no such method: which it has.
pub(super) fn for_other_methods(request: &Request) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Problem::new(
            Kind::MethodNotAllowed,
            "the address is there, for other methods; Allow has them",
        )
        .into_response(),
    };
    let path = request.extensions().get::<MatchedPath>();
    let allowed = path.map(|path| routes::allowed(path.as_str()));
    if let Some(allowed) = allowed.and_then(|allowed| HeaderValue::from_str(&allowed).ok()) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// In HTTP/2 the host stands beside the headers.
fn name_host(request: &mut Request) {
    let authority = request.uri().authority();
    let host = authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = host
        && !request.headers().contains_key(header::HOST)
    {
        request.headers_mut().insert(header::HOST, host);
    }
}

fn unknown() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "send a token: Authorization: Bearer cst_…; `countersign token create` makes one",
    )
}

fn forbidden(role: Option<Role>, wants: Wants) -> Problem {
    let role = role.map_or("nobody", Role::as_str);
    let wanted = match wants {
        Wants::Role(least) => least.as_str(),
        Wants::Nobody => "nothing",
    };
    let detail = format!("this is for the role {wanted}; yours is {role}");
    Problem::new(Kind::Forbidden, detail)
}

/// Why somebody is not let in.
enum Refused {
    /// What they have is not good.
    Wrong,
    /// Nor was it the times before; seconds to wait.
    TooOften(u64),
    /// A foreign page may have made the browser ask.
    Foreign,
    /// It could not be found out.
    Unknown,
}

impl Refused {
    fn not_found_out(error: &StoreError) -> Self {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "who calls was not looked up"
        );
        Self::Unknown
    }

    fn into_response(self) -> Response {
        match self {
            Self::Wrong => Problem::new(
                Kind::Unauthenticated,
                "the token is none, was revoked, or is past its end",
            )
            .into_response(),
            Self::TooOften(seconds) => guesses::too_often(seconds).into_response(),
            Self::Foreign => foreign().into_response(),
            Self::Unknown => Problem::new(
                Kind::Unavailable,
                "the database does not answer as it should",
            )
            .into_response(),
        }
    }
}

/// Who calls; none when they do not say.
///
/// An address that waits for its failures is let in all the same with a token that is good: nobody
/// can guess one, and others may share the address.
async fn identify(
    app: &App,
    from: SocketAddr,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Refused> {
    let now_ms = now_ms();
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        let Some(token) = session_of(headers) else {
            return Ok(None);
        };
        let found = by_session(app, from, &token, headers, now_ms).await;
        let found = found.map_err(|error| Refused::not_found_out(&error))?;
        // Reading does no harm, and its answer is for no foreign page.
        let reads = [Method::GET, Method::HEAD].contains(method);
        return match found {
            Some(_) if !reads && own_page(headers).is_err() => Err(Refused::Foreign),
            found => Ok(found),
        };
    };
    match by_token(app, from, given, now_ms).await {
        Ok(Some(caller)) => Ok(Some(caller)),
        Ok(None) => Err(match guesses::bad_token(app, from.ip(), now_ms).await {
            Some(seconds) => Refused::TooOften(seconds),
            None => Refused::Wrong,
        }),
        Err(error) => Err(Refused::not_found_out(&error)),
    }
}

/// Whether somebody who was let in to a route would be let in to it now: for answers that go on.
pub(super) async fn stands(
    app: &App,
    caller: &Caller,
    route: (&Method, &str),
) -> Result<bool, StoreError> {
    let now_ms = now_ms();
    let role = match caller.pass {
        Pass::Socket => Some(caller.role),
        Pass::Token(id) => {
            let row = app.store.fetch_token(id).await?;
            row.filter(|row| token_lasts(row, now_ms))
                .map(|row| row.role)
        }
        Pass::Session(id) => {
            let row = app.store.fetch_session(id).await?;
            row.filter(|row| session_lasts(row, now_ms))
                .map(|row| row.role)
        }
    };
    let wants = routes::wants(route.0, route.1);
    Ok(role.is_some() && wants.is_some_and(|wants| may(role, wants)))
}

const fn token_lasts(row: &TokenRow, now_ms: u64) -> bool {
    now_ms < row.expires_at_ms
}

const fn session_lasts(row: &SessionRow, now_ms: u64) -> bool {
    now_ms < row.expires_at_ms && now_ms.saturating_sub(row.last_used_at_ms) < IDLE_MS
}

async fn by_token(
    app: &App,
    from: SocketAddr,
    given: &HeaderValue,
    now_ms: u64,
) -> Result<Option<Caller>, StoreError> {
    let Some(token) = bearer(given) else {
        return Ok(None);
    };
    let Some(row) = app.store.fetch_token(token.id()).await? else {
        return Ok(None);
    };
    if !token.is(&row.hash) || !token_lasts(&row, now_ms) {
        return Ok(None);
    }
    let noted = row.last_used_at_ms.unwrap_or(0);
    if now_ms.saturating_sub(noted) >= NOTED_EVERY_MS
        && let Err(error) = app.store.update_token_used(row.id, now_ms).await
    {
        // Worth no refusal.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a token's use was not noted"
        );
    }
    Ok(Some(Caller {
        by: By::Token(row.name),
        role: row.role,
        from: Some(from),
        pass: Pass::Token(row.id),
    }))
}

async fn by_session(
    app: &App,
    from: SocketAddr,
    token: &Token,
    headers: &HeaderMap,
    now_ms: u64,
) -> Result<Option<Caller>, StoreError> {
    let Some(row) = app.store.fetch_session(token.id()).await? else {
        return Ok(None);
    };
    if !token.is(&row.hash) || !session_lasts(&row, now_ms) {
        return Ok(None);
    }
    if is_noted(headers, row.last_used_at_ms, now_ms) {
        app.store.update_session_used(token.id(), now_ms).await?;
    }
    Ok(Some(Caller {
        by: match row.holder {
            Holder::Admin(name) => By::Admin(name),
            Holder::Person(name, _) => By::Person(name),
        },
        role: row.role,
        from: Some(from),
        pass: Pass::Session(token.id()),
    }))
}

/// Whether a request is a use of its session that is to be noted.
fn is_noted(headers: &HeaderMap, last_used_at_ms: u64, now_ms: u64) -> bool {
    let polls = headers.get(&POLL).is_some_and(|value| value == "1");
    !polls && now_ms.saturating_sub(last_used_at_ms) >= NOTED_EVERY_MS
}

/// The session that a browser sends.
pub(super) fn session_of(headers: &HeaderMap) -> Option<Token> {
    Cookie::Session.read(headers).and_then(Token::read)
}

/// Whether a request that a browser sends is of our own page: a foreign one can send no such header
/// without being allowed to, which nobody is; and where the browser says whose page it is, that
/// counts too.
pub(super) fn own_page(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let host = text(&header::HOST).unwrap_or("");
    let origin_is_ours = text(&header::ORIGIN).is_none_or(|origin| {
        let at = origin.split_once("://").map(|(_, at)| at);
        at.is_some_and(|at| at.eq_ignore_ascii_case(host))
    });
    let site_is_ours = text(&SITE).is_none_or(|site| ["same-origin", "none"].contains(&site));
    match headers.contains_key(&OWN_PAGE) && origin_is_ours && site_is_ours {
        true => Ok(()),
        false => Err(foreign()),
    }
}

fn foreign() -> Problem {
    Problem::new(
        Kind::Forbidden,
        "a browser sends countersign-page: 1 from a page of this address",
    )
}

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct From(pub(super) IpAddr);

impl From {
    /// By the admin socket.
    pub(super) const HERE: Self = Self(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1; the scheme in any case, RFC 9110
/// section 11.1).
fn bearer(given: &HeaderValue) -> Option<Token> {
    let (scheme, token) = given.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Token::read(token.trim()))?
}

/// Where a supervisor says from where a request came.
pub(crate) const PEER: HeaderName = HeaderName::from_static(crate::admin::PEER_HEADER);
/// What our own page sends as `1` with each request that it makes by itself: nobody used the session.
const POLL: HeaderName = HeaderName::from_static("countersign-poll");
/// What our own page sends with each request that changes something.
const OWN_PAGE: HeaderName = HeaderName::from_static("countersign-page");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// A session that is not used for as long is at its end.
pub(super) const IDLE_MS: u64 = 60 * 60_000;
/// A token's last use is written this often at most.
const NOTED_EVERY_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_of_the_page_are_no_use_of_a_session() {
        let with =
            |value: &'static str| HeaderMap::from_iter([(POLL, HeaderValue::from_static(value))]);
        for (headers, elapsed_ms, want) in [
            (HeaderMap::new(), NOTED_EVERY_MS, true),
            (HeaderMap::new(), NOTED_EVERY_MS - 1, false),
            (with("1"), NOTED_EVERY_MS, false),
            (with("1"), IDLE_MS - 1, false),
            (with("0"), NOTED_EVERY_MS, true),
        ] {
            let noted = is_noted(&headers, 1_000, 1_000 + elapsed_ms);
            assert_eq!(noted, want, "{headers:?} {elapsed_ms}");
        }
    }

    #[test]
    fn a_token_is_taken_from_its_scheme_alone() {
        let token = Token::make().unwrap();
        let written = token.written();
        let written = written.expose();
        for (given, want) in [
            (format!("Bearer {written}"), true),
            (format!("bearer  {written}"), true),
            (format!("Basic {written}"), false),
            (written.clone(), false),
            (format!("Bearer{written}"), false),
            ("Bearer ".to_owned(), false),
        ] {
            let read = bearer(&HeaderValue::from_str(&given).unwrap());
            let id = read.map(|read| read.id());
            assert_eq!(id, want.then(|| token.id()), "{given}");
        }
    }
}
