//! Why a call of the admin socket was not done, and its HTTP status.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::AdminError;
use crate::service::{EnrollError, LoginError};
use crate::store::StoreError;

/// Why a call was not done; the only place here that chooses a status.
#[derive(Debug)]
pub(super) enum Refusal {
    Invalid(String),
    Missing(&'static str),
    Conflict(&'static str),
    /// Refused for its size; the text says what to do.
    Drastic(String),
    /// Another service did not do it.
    Failed(String),
    TooMany,
    Internal,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Invalid(text) => (StatusCode::BAD_REQUEST, text),
            Self::Missing(what) => (StatusCode::NOT_FOUND, format!("there is no such {what}")),
            Self::Conflict(text) => (StatusCode::CONFLICT, text.to_owned()),
            Self::Drastic(text) => (StatusCode::CONFLICT, text),
            Self::Failed(text) => (StatusCode::CONFLICT, text),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "the second-factor service has too much to do; ask again".to_owned(),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the second-factor service failed; see its log".to_owned(),
            ),
        };
        (status, Json(AdminError { error })).into_response()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Taken) {
            return Self::Conflict("that name is taken");
        }
        if error.is_overload() {
            return Self::TooMany;
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "second-factor store failed"
        );
        Self::Internal
    }
}

impl From<EnrollError> for Refusal {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::Invalid(text) => Self::Invalid(text.to_owned()),
            EnrollError::Taken(text) => Self::Conflict(text),
            EnrollError::Directorys(text) => Self::Failed(text),
            EnrollError::Missing(what) => Self::Missing(what),
            EnrollError::Store(error) => error.into(),
        }
    }
}

impl From<LoginError> for Refusal {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Invalid(name) => Self::Invalid(format!("no such {name}")),
            LoginError::Full => Self::Conflict("too many enrollments wait"),
            LoginError::Store(error) => error.into(),
        }
    }
}
