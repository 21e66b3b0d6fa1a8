//! Why the app is not answered, in words for the page and for people.

use http::StatusCode;
use serde_json::json;

use crate::api::{Answer, ApiError, text};
use crate::outbound::BadSubscription;
use crate::service::{PasskeyError, SubscribeError};
use crate::store::StoreError;

/// Why a request is not answered.
#[derive(Debug)]
pub(super) enum Fault {
    NotFound,
    Method,
    /// The page is of another address than this one.
    OtherOrigin(String),
    Form,
    TooLong,
    SignedOut,
    /// A phone's own address is none.
    NoSuchAddress,
    /// What was to be answered waits no more.
    Gone,
    Disabled,
    LockedOut,
    WrongNumber,
    Passkey(PasskeyError),
    /// Notices do not go there.
    Subscription(BadSubscription),
    TooMany,
    Internal,
}

impl Fault {
    fn words(&self) -> (StatusCode, &'static str, String) {
        let (status, word, text) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such page."),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "That cannot be done here.",
            ),
            Self::OtherOrigin(own) => {
                let text =
                    format!("Open this page at {own}: at another address nothing is answered.");
                return (StatusCode::FORBIDDEN, "other_origin", text);
            }
            Self::Form => (
                StatusCode::BAD_REQUEST,
                "form",
                "The page sent something that cannot be read. Load it again.",
            ),
            Self::TooLong => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_long",
                "The page sent too much.",
            ),
            Self::SignedOut => (
                StatusCode::UNAUTHORIZED,
                "signed_out",
                "Sign in with your passkey.",
            ),
            Self::NoSuchAddress => (
                StatusCode::NOT_FOUND,
                "no_such_address",
                "This address is wrong or too old, or its device was removed. Ask your administrator for a new one.",
            ),
            Self::Gone => (
                StatusCode::CONFLICT,
                "gone",
                "This login waits no more: it was answered or took too long.",
            ),
            Self::Disabled => (
                StatusCode::FORBIDDEN,
                "disabled",
                "Your account is disabled. Ask your administrator.",
            ),
            Self::LockedOut => (
                StatusCode::FORBIDDEN,
                "locked_out",
                "Your account is locked. Ask your administrator.",
            ),
            Self::WrongNumber => (
                StatusCode::CONFLICT,
                "wrong_number",
                "That is not the number that the login shows: it was refused. Log in again.",
            ),
            Self::Passkey(error) => {
                let (status, word) = match error {
                    PasskeyError::NoName => (StatusCode::CONFLICT, "no_name"),
                    PasskeyError::Taken => (StatusCode::CONFLICT, "taken"),
                    PasskeyError::Unknown => (StatusCode::FORBIDDEN, "unknown_passkey"),
                    PasskeyError::Refused(_) => (StatusCode::FORBIDDEN, "refused"),
                    PasskeyError::Store(_) => return Self::Internal.words(),
                };
                return (status, word, sentence(&error.to_string()));
            }
            Self::Subscription(error) => {
                let text = sentence(&error.to_string());
                return (StatusCode::BAD_REQUEST, "subscription", text);
            }
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many",
                "There is too much to do. Try again in a moment.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something failed. Try again later.",
            ),
        };
        (status, word, text.to_owned())
    }

    /// The whole answer.
    pub(super) fn answer(&self) -> Answer {
        let (status, error, message) = self.words();
        let body = json!({"error": error, "message": message});
        text(status, "application/json", body.to_string())
    }
}

/// As a person reads it: a capital first, a full stop last.
fn sentence(said: &str) -> String {
    let mut characters = said.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
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

impl From<PasskeyError> for Fault {
    fn from(error: PasskeyError) -> Self {
        match error {
            PasskeyError::Store(error) => error.into(),
            error => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "a passkey was not taken"
                );
                Self::Passkey(error)
            }
        }
    }
}

impl From<SubscribeError> for Fault {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Bad(error) => Self::Subscription(error),
            SubscribeError::Store(error) => error.into(),
        }
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::TooLong => Self::TooLong,
            ApiError::TooMany => Self::TooMany,
            _ => Self::Form,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webauthn;

    #[test]
    fn faults_are_said_in_sentences() {
        for (fault, status, word, text) in [
            (
                Fault::from(PasskeyError::Refused(webauthn::Fault::Stale)),
                403,
                "refused",
                "That took too long.",
            ),
            (
                Fault::from(StoreError::from(sqlx::Error::PoolTimedOut)),
                429,
                "too_many",
                "There is too much to do. Try again in a moment.",
            ),
            (
                Fault::OtherOrigin("https://gate.example".to_owned()),
                403,
                "other_origin",
                "Open this page at https://gate.example: at another address nothing is answered.",
            ),
        ] {
            let said = fault.words();
            assert_eq!((said.0.as_u16(), said.1, &*said.2), (status, word, text));
        }
    }
}
