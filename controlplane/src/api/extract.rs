//! What handlers take of a request, with problem documents where it makes no sense.

use std::borrow::Cow;

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};

/// The names in an address.
pub(crate) struct Named<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Named<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            // An address that can be nothing's is nobody's.
            Err(error) => Err(Problem::new(Kind::NotFound, error.body_text())),
        }
    }
}

/// `?dry_run=true` of a write: all is checked and answered as it would be, with 200 in the place of 201
/// and without a secret, and nothing is stored, sent or audited. Other parameters are refused. What is
/// guessed at counts all the same.
pub(crate) struct DryRun(pub(crate) bool);

impl<S: Send + Sync> FromRequestParts<S> for DryRun {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(how) = Query::<HowToTry>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
        Ok(Self(how.dry_run))
    }
}

/// Whether a write is only tried.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HowToTry {
    /// Checks and answers as if it were done, with 200 in the place of 201 and without a secret, and
    /// changes nothing; default false.
    #[serde(default)]
    dry_run: bool,
}

/// What cannot be tried without doing it: `dry_run` is refused there, with either value. It looks at
/// nothing else.
pub(crate) struct NeverDry;

impl<S: Send + Sync> FromRequestParts<S> for NeverDry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match first_parameter(parts, |name| name == DRY_RUN) {
            Some(_) => Err(never_dry()),
            None => Ok(Self),
        }
    }
}

/// The same where there are no parameters at all: others are refused too.
pub(crate) struct NoParameters;

impl<S: Send + Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        NeverDry::from_request_parts(parts, state).await?;
        match first_parameter(parts, |_| true) {
            Some(name) => {
                let detail = format!("unknown parameter '{name}': there are none here");
                Err(Problem::new(Kind::BadRequest, detail))
            }
            None => Ok(Self),
        }
    }
}

fn never_dry() -> Problem {
    let detail =
        "dry_run makes no sense here: this cannot be tried without doing it, and was not done";
    Problem::new(Kind::BadRequest, detail)
}

/// A parameter's name that is like that.
fn first_parameter(parts: &Parts, is: impl Fn(&str) -> bool) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    names.find(|name| is(name)).map(Cow::into_owned)
}

const DRY_RUN: &str = "dry_run";
