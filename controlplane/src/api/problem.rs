//! What the REST API answers when it does not do what was asked: a problem document (RFC 9457) that
//! says what to change. Never a secret, and of a fault of ours no more than the id of the request.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use proto::config::Faults;
use serde::Serialize;

use crate::store::StoreError;

/// A problem document. Each member is documented in the OpenAPI document by its comment here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Which kind it is: one of [`Kind`], as a URN.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The kind, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, and what would be right.
    detail: String,
    /// The fields that are wrong, with their paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    what: Kind,
}

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// Where it is: `clients[2].address`.
    pub(crate) path: String,
    /// What is wrong with it, and what would be right.
    pub(crate) message: String,
}

/// The kinds of problems. Programs go by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request makes no sense: no JSON, an unknown parameter.
    BadRequest,
    /// Nobody is signed in.
    Unauthenticated,
    /// Whoever is signed in may not do it.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There is, and not for this method.
    MethodNotAllowed,
    /// It does not go with what is there, such as a name that is taken.
    Conflict,
    /// The configuration is a file, which is where it is changed.
    FileIsTruth,
    /// Somebody changed it meanwhile: `If-Match` names another version.
    Changed,
    /// The document is understood, and wrong.
    Invalid,
    /// It is larger than is taken.
    TooLarge,
    /// It was asked too often.
    TooMany,
    /// Something that is needed does not answer now.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    #[cfg(test)]
    const ALL: [Self; 13] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::FileIsTruth,
        Self::Changed,
        Self::Invalid,
        Self::TooLarge,
        Self::TooMany,
        Self::Unavailable,
        Self::Internal,
    ];

    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "urn:countersign:problem:bad-request",
                "The request makes no sense",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "urn:countersign:problem:unauthenticated",
                "Sign in first",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "urn:countersign:problem:forbidden",
                "That is not allowed",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "urn:countersign:problem:not-found",
                "There is no such thing",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "urn:countersign:problem:method-not-allowed",
                "Not with this method",
            ),
            Self::Conflict => (
                StatusCode::CONFLICT,
                "urn:countersign:problem:conflict",
                "It does not go with what is there",
            ),
            Self::FileIsTruth => (
                StatusCode::CONFLICT,
                "urn:countersign:problem:file-is-truth",
                "The configuration is a file",
            ),
            Self::Changed => (
                StatusCode::PRECONDITION_FAILED,
                "urn:countersign:problem:changed",
                "Somebody changed it meanwhile",
            ),
            Self::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:countersign:problem:invalid",
                "The document is wrong",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "urn:countersign:problem:too-large",
                "That is too large",
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "urn:countersign:problem:too-many",
                "Too many requests",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:countersign:problem:unavailable",
                "Not now",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "urn:countersign:problem:internal",
                "A fault of ours",
            ),
        }
    }
}

impl Problem {
    /// A problem of this kind. `detail` says what would be right.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, urn, title) = kind.facts();
        Self {
            kind: urn,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            what: kind,
        }
    }

    /// One with the fields that are wrong.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.path, one.message),
            errors => format!("{} fields are wrong", errors.len()),
        };
        Self {
            errors,
            ..Self::new(Kind::Invalid, detail)
        }
    }

    /// A fault of ours: the log has the cause, the caller has the request's id.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "request failed");
        Self::new(
            Kind::Internal,
            "the log has the cause, under this request's X-Request-Id",
        )
    }

    /// The same, of a write among several, by its number from 1.
    pub(crate) fn of_write(mut self, number: usize) -> Self {
        self.detail = format!("write {number}: {}", self.detail);
        self
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.what
    }

    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl From<Faults> for Problem {
    fn from(Faults(faults): Faults) -> Self {
        Self::invalid(
            faults
                .into_iter()
                .map(|fault| FieldError {
                    path: fault.path,
                    message: fault.message,
                })
                .collect(),
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DraftGone { .. } => Self::new(Kind::NotFound, error.to_string()),
            StoreError::DraftChanged { .. } => {
                Self::new(Kind::Changed, format!("{error}; look at it again"))
            }
            StoreError::FileElsewhere => Self::new(Kind::FileIsTruth, error.to_string()),
            StoreError::DraftsFull { .. } => Self::new(Kind::TooLarge, error.to_string()),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                Self::new(
                    Kind::Unavailable,
                    "the database does not answer; the log has the cause",
                )
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, ..) = self.what.facts();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if self.what == Kind::Unauthenticated {
            let how = HeaderValue::from_static("Bearer realm=\"countersign\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_name_and_an_error_status() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.facts().1).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let (status, ..) = kind.facts();
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_document_names_each_bad_field() {
        let mut faults = Faults::default();
        faults.add("clients[0].address", "is no address");
        let one = serde_json::to_value(Problem::from(faults.clone())).unwrap();
        assert_eq!(
            one,
            serde_json::json!({
                "type": "urn:countersign:problem:invalid",
                "title": "The document is wrong",
                "status": 422,
                "detail": "clients[0].address: is no address",
                "errors": [{"path": "clients[0].address", "message": "is no address"}],
            })
        );
        faults.add("port", "is 0");
        let two = Problem::from(faults);
        assert_eq!(two.detail, "2 fields are wrong");
        assert_eq!(two.errors().len(), 2);
        let response = two.into_response();
        assert_eq!(response.status(), 422);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}
