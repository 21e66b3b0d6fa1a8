//! The envelope of the Auth API's answers, and its errors.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use crate::params::BadParam;
use crate::service::{EnrollError, LoginError};
use crate::store::StoreError;

/// What is sent back.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Why a call failed, by the Auth API's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// 40001: a parameter is missing.
    Missing(&'static str),
    /// 40002: a parameter is wrong.
    Invalid(String),
    /// 40101: there is no Authorization header that can be read.
    NoCredentials,
    /// 40102: the integration key is not known.
    UnknownKey,
    /// 40103: the signature is none of the key's.
    BadSignature,
    /// 40104: there is no date.
    NoDate,
    /// 40105: the date is too far from now, or none.
    BadDate,
    /// 40401: there is no such endpoint.
    NotFound,
    /// 40501: the endpoint takes another method.
    Method,
    /// 41301: the body is too long.
    TooLong,
    /// 42901: a bound was reached.
    TooMany,
    /// 50001: a fault of the service.
    Internal,
}

impl ApiError {
    /// 40002 with the name of the parameter.
    pub(crate) fn invalid(name: &str) -> Self {
        Self::Invalid(name.to_owned())
    }

    fn code(&self) -> (u32, &'static str) {
        match self {
            Self::Missing(_) => (40001, "Missing required request parameters"),
            Self::Invalid(_) => (40002, "Invalid request parameters"),
            Self::NoCredentials => (40101, "Missing request credentials"),
            Self::UnknownKey => (40102, "Invalid integration key in request credentials"),
            Self::BadSignature => (40103, "Invalid signature in request credentials"),
            Self::NoDate => (40104, "Missing request timestamp"),
            Self::BadDate => (40105, "Bad request timestamp"),
            Self::NotFound => (40401, "Resource not found"),
            Self::Method => (40501, "Method not allowed"),
            Self::TooLong => (41301, "Request body too long"),
            Self::TooMany => (42901, "Too many requests"),
            Self::Internal => (50001, "Unknown internal server error"),
        }
    }

    /// The whole answer.
    pub(crate) fn answer(&self) -> Answer {
        let (code, message) = self.code();
        let message_detail = match self {
            Self::Missing(name) => Some((*name).to_owned()),
            // What a caller sent is cut: it is for a log.
            Self::Invalid(name) => Some(name.chars().take(64).collect()),
            _ => None,
        };
        let failure = Failure {
            stat: "FAIL",
            code,
            message,
            message_detail,
        };
        let status = u16::try_from(code / 100)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        json(status, &failure)
    }
}

impl From<BadParam> for ApiError {
    fn from(bad: BadParam) -> Self {
        Self::Invalid(bad.0)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // An answer of 5xx would have callers fall back on their fail mode: whoever can keep this
        // service busy could get in without a second factor.
        if error.is_overload() {
            tracing::warn!("second-factor store has too much to do");
            return Self::TooMany;
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "second-factor store failed"
        );
        Self::Internal
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Invalid(name) => Self::invalid(name),
            LoginError::Full => Self::TooMany,
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<EnrollError> for ApiError {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::Invalid(_)
            | EnrollError::Taken(_)
            | EnrollError::Directorys(_)
            | EnrollError::Missing(_) => Self::invalid("username"),
            EnrollError::Store(StoreError::Taken) => Self::invalid("username"),
            EnrollError::Store(error) => error.into(),
        }
    }
}

/// The envelope of a success.
pub(crate) fn success<R: Serialize>(response: R) -> Answer {
    json(
        StatusCode::OK,
        &Success {
            stat: "OK",
            response,
        },
    )
}

/// A text with a content type.
pub(crate) fn text(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    answer
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> Answer {
    // Every type here has string keys and no float: writing it down cannot fail.
    let body = serde_json::to_string(body).unwrap_or_default();
    text(status, "application/json", body)
}

#[derive(Serialize)]
struct Success<R> {
    stat: &'static str,
    response: R,
}

#[derive(Serialize)]
struct Failure {
    stat: &'static str,
    code: u32,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn too_much_to_do_is_no_fault_of_the_service() {
        let busy = || StoreError::from(sqlx::Error::PoolTimedOut);
        assert_eq!(ApiError::from(busy()), ApiError::TooMany);
        assert_eq!(ApiError::from(LoginError::from(busy())), ApiError::TooMany);
        assert_eq!(ApiError::from(StoreError::Sealed), ApiError::Internal);
    }

    #[tokio::test]
    async fn errors_have_the_codes_of_the_reference() {
        for (error, status, body) in [
            (
                ApiError::Missing("factor"),
                400,
                r#"{"stat":"FAIL","code":40001,"message":"Missing required request parameters","message_detail":"factor"}"#,
            ),
            (
                ApiError::invalid("txid"),
                400,
                r#"{"stat":"FAIL","code":40002,"message":"Invalid request parameters","message_detail":"txid"}"#,
            ),
            (
                ApiError::NoCredentials,
                401,
                r#"{"stat":"FAIL","code":40101,"message":"Missing request credentials"}"#,
            ),
            (
                ApiError::UnknownKey,
                401,
                r#"{"stat":"FAIL","code":40102,"message":"Invalid integration key in request credentials"}"#,
            ),
            (
                ApiError::BadSignature,
                401,
                r#"{"stat":"FAIL","code":40103,"message":"Invalid signature in request credentials"}"#,
            ),
            (
                ApiError::NoDate,
                401,
                r#"{"stat":"FAIL","code":40104,"message":"Missing request timestamp"}"#,
            ),
            (
                ApiError::BadDate,
                401,
                r#"{"stat":"FAIL","code":40105,"message":"Bad request timestamp"}"#,
            ),
            (
                ApiError::NotFound,
                404,
                r#"{"stat":"FAIL","code":40401,"message":"Resource not found"}"#,
            ),
            (
                ApiError::Method,
                405,
                r#"{"stat":"FAIL","code":40501,"message":"Method not allowed"}"#,
            ),
            (
                ApiError::TooLong,
                413,
                r#"{"stat":"FAIL","code":41301,"message":"Request body too long"}"#,
            ),
            (
                ApiError::TooMany,
                429,
                r#"{"stat":"FAIL","code":42901,"message":"Too many requests"}"#,
            ),
            (
                ApiError::Internal,
                500,
                r#"{"stat":"FAIL","code":50001,"message":"Unknown internal server error"}"#,
            ),
        ] {
            let answer = error.answer();
            assert_eq!(answer.status(), status, "{error:?}");
            let octets = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(octets, body, "{error:?}");
        }
    }
}
