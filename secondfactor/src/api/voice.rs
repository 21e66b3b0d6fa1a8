//! What a gateway for calls says: `POST /voice/TOKEN` with `event`, as a form or in JSON. The address
//! is the credential, and dies with the push.

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::answer::{Answer, ApiError, text};
use super::{body_of, enter, is_json};
use crate::params::{Pairs, Params};
use crate::service::{By, Service};
use crate::verdict::Verdict;

/// Whether a path is one that gateways call.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX)
}

pub(super) async fn respond(service: &Service, request: Request<Incoming>) -> Answer {
    match heard(service, request).await {
        Ok(()) => text(
            StatusCode::OK,
            "text/plain; charset=utf-8",
            "ok\n".to_owned(),
        ),
        Err(error) => error.answer(),
    }
}

async fn heard(service: &Service, request: Request<Incoming>) -> Result<(), ApiError> {
    if request.method() != Method::POST {
        return Err(ApiError::Method);
    }
    let (head, body) = request.into_parts();
    let token = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    // Before the body: a stranger's is not waited for.
    let push = service.called(token).ok_or(ApiError::NotFound)?;
    let body = body_of(service, body).await?;
    let params = if is_json(&head.headers) {
        Params::from_json(&body.octets)?
    } else {
        Params::from_pairs(&Pairs::parse(&body.octets))?
    };
    let verdict = match params.get("event").ok_or(ApiError::Missing("event"))? {
        "answered" => {
            push.set_answered();
            return Ok(());
        }
        "approved" => Verdict::Allow,
        "denied" => Verdict::Deny,
        "fraud" => Verdict::Fraud,
        "failed" => {
            service.call_failed(push.txid).await;
            return Ok(());
        }
        _ => return Err(ApiError::invalid("event")),
    };
    let _inside = enter(service).await?;
    let answered = service
        .answer_push(push.txid, verdict, By::Person(None), |_| true)
        .await;
    answered.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "what a gateway said was not kept"
        );
        ApiError::Internal
    })?;
    Ok(())
}

const PREFIX: &str = "/voice/";
