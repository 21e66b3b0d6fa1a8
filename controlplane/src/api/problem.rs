//! What the REST API answers when it does not do what was asked: a problem document (RFC 9457) that
//! says what to change. Never a secret, and of a fault of ours no more than the id of the request.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use proto::config::Faults;
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::StoreError;

/// A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// Which kind it is, as a URN. Programs go by this.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = Kind::ALL.map(Kind::urn)))]
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
    /// When it makes sense to ask again, in seconds; none says nothing.
    #[serde(skip)]
    again_in: Option<u64>,
}

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// The body is of a type that is not taken there.
    MediaType,
    /// It was asked too often.
    TooMany,
    /// Something that is needed does not answer now.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
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
        Self::MediaType,
        Self::TooMany,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Its HTTP status.
    pub(crate) const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// Its name for programs.
    pub(crate) const fn urn(self) -> &'static str {
        self.facts().1
    }

    /// Its name for people.
    pub(crate) const fn title(self) -> &'static str {
        self.facts().2
    }

    /// Its URN without what all have in common: `bad-request`.
    pub(crate) fn word(self) -> &'static str {
        let (_, urn, _) = self.facts();
        urn.rsplit(':').next().unwrap_or_default()
    }

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
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "urn:countersign:problem:media-type",
                "Not a document of that type",
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
            detail: unquoted(detail.into()),
            errors: Vec::new(),
            what: kind,
            again_in: match kind {
                Kind::TooMany => Some(AGAIN_IN),
                _ => None,
            },
        }
    }

    /// The same, to be asked again in so many seconds.
    pub(crate) const fn again_in(mut self, seconds: u64) -> Self {
        self.again_in = Some(seconds);
        self
    }

    /// One with the fields that are wrong.
    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        for error in &mut errors {
            error.message = unquoted(std::mem::take(&mut error.message));
        }
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

    /// What is wrong, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

/// What a reader of JSON says, without the values that it quotes: where a word or a number is wrong there
/// may stand a secret, as in `"port": "…"`.
fn unquoted(text: String) -> String {
    for (before, after, instead) in [
        (
            "unknown variant `",
            "`, expected",
            "this is none of the words",
        ),
        ("unknown field `", "`, expected", "there is no such field"),
        ("unknown field `", "`, there are", "there is no such field"),
        ("invalid type: ", ", expected", "this is of another type"),
        ("invalid value: ", ", expected", "this is no such value"),
    ] {
        let (Some(start), Some(end)) = (text.find(before), text.rfind(after)) else {
            continue;
        };
        let quoted = text.get(start + before.len()..end).unwrap_or_default();
        // The name of a field is looked for by whoever wrote it.
        if instead.ends_with("field") && is_name(quoted) {
            return text;
        }
        let head = text.get(..start).unwrap_or_default();
        // From the comma on.
        let rest = text.get(end..).unwrap_or_default();
        return format!("{head}{instead}{}", rest.trim_start_matches('`'));
    }
    text
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_OCTETS
        && text
            .bytes()
            .all(|octet| octet.is_ascii_lowercase() || octet == b'_')
}

/// The longest name of a field is shorter.
const NAME_OCTETS: usize = 32;

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
        if let Some(seconds) = self.again_in {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        // For those who answer a browser in another way.
        response.extensions_mut().insert(self.what);
        if self.what == Kind::Unauthenticated {
            let how = HeaderValue::from_static("Bearer realm=\"countersign\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}

/// When whoever asks too often may ask again, in seconds, where nothing better is known.
const AGAIN_IN: u64 = 5;

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
    fn a_value_that_cannot_be_read_is_not_quoted() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            One,
            Two,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct Document {
            #[serde(default)]
            port: Option<u16>,
            #[serde(default)]
            word: Option<Word>,
        }
        for (json, want) in [
            (
                r#"{"port": "PLANTED\", expected"}"#,
                "this is of another type, expected u16",
            ),
            (
                r#"{"port": 73519824}"#,
                "this is no such value, expected u16",
            ),
            (
                r#"{"word": "PLANTED`, expected"}"#,
                "this is none of the words, expected `one` or `two`",
            ),
            (
                r#"{"PLANTED": 1}"#,
                "there is no such field, expected `port` or `word`",
            ),
            (
                r#"{"prt": 1}"#,
                "unknown field `prt`, expected `port` or `word`",
            ),
        ] {
            let error = serde_json::from_str::<Document>(json)
                .unwrap_err()
                .to_string();
            for problem in [
                Problem::new(Kind::BadRequest, error.clone()),
                Problem::invalid(vec![FieldError {
                    path: "x".to_owned(),
                    message: error,
                }]),
            ] {
                let text = serde_json::to_string(&problem).unwrap();
                assert!(problem.detail.contains(want), "{text}");
                assert!(
                    !text.contains("PLANTED") && !text.contains("73519824"),
                    "{text}"
                );
            }
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
