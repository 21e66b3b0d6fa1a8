//! Why a page is not shown; the only place here that chooses a status.

use http::StatusCode;

use super::html::{escape, titled};
use crate::api::Answer;
use crate::service::{EnrollError, LoginError};
use crate::store::StoreError;

/// Why a page is not shown.
#[derive(Debug)]
pub(super) enum Fault {
    NotFound,
    Method,
    OtherOrigin,
    BadForm,
    /// A value is not possible, and why.
    Invalid(&'static str),
    /// Another device has it.
    Taken,
    /// The operator switched it off.
    NoSelfService,
    /// Too many wrong codes came from there.
    Guessed,
    TooMany,
    Internal,
}

impl Fault {
    pub(super) fn answer(&self) -> Answer {
        let (status, title, text) = match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Not here",
                "This address is wrong, was used already, or is too old. Sign in again where you got it, \
                 or ask your administrator for a new one.",
            ),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "Not possible", ""),
            Self::OtherOrigin => (
                StatusCode::FORBIDDEN,
                "Refused",
                "That form came from another site.",
            ),
            Self::BadForm => (
                StatusCode::BAD_REQUEST,
                "Not possible",
                "This page was too old, or something in it was changed. Go back, load it again, and try \
                 once more.",
            ),
            Self::Invalid(text) => (StatusCode::BAD_REQUEST, "Not possible", *text),
            Self::Taken => (
                StatusCode::CONFLICT,
                "Not possible",
                "This is set up already.",
            ),
            Self::NoSelfService => (
                StatusCode::NOT_FOUND,
                "Not here",
                "Devices are looked after by your administrator here.",
            ),
            Self::Guessed => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many wrong codes",
                "Too many wrong codes came from your network. Please try again in ten minutes.",
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too much to do",
                "Please try again in a moment.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something failed",
                "Please try again later.",
            ),
        };
        let body = format!("<h1>{title}</h1><p>{}</p>", escape(text));
        titled(status, title, &body)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Taken) {
            return Self::Taken;
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

impl From<EnrollError> for Fault {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::Store(error) => error.into(),
            EnrollError::Invalid(text) | EnrollError::Taken(text) => Self::Invalid(text),
            EnrollError::Directorys(_) => Self::Invalid("only the directory changes that"),
            EnrollError::Missing(_) => Self::NotFound,
        }
    }
}

impl From<LoginError> for Fault {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Store(error) => error.into(),
            LoginError::Full => Self::TooMany,
            LoginError::Invalid(_) => Self::NotFound,
        }
    }
}
