//! The way to the built-in second factor's admin socket, and what its refusals are here.

use std::time::Duration;

use local::{CallError, Client};
use serde_json::Value;

use super::super::problem::{Kind, Problem};
use crate::app::App;

/// Reads what stands at a path of the service.
pub(super) async fn read(app: &App, path: &str) -> Result<Value, Problem> {
    let answer = client(app)?.get(path, LIMIT).await;
    answer.map_err(|error| problem(app, error))
}

/// Has the service do something.
pub(super) async fn post(
    app: &App,
    path: &str,
    body: &Value,
    limit: Duration,
) -> Result<Value, Problem> {
    let answer = client(app)?.post(path, body, limit).await;
    answer.map_err(|error| problem(app, error))
}

fn client(app: &App) -> Result<Client, Problem> {
    let socket = app.settings.second_factor.as_ref();
    socket.map(Client::new).ok_or_else(does_not_run)
}

fn does_not_run() -> Problem {
    let detail = "the built-in second factor does not run: no integration has the host 'builtin'";
    Problem::new(Kind::Conflict, detail)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "stands where errors are mapped"
)]
fn problem(app: &App, error: CallError) -> Problem {
    match &error {
        CallError::Refused { status, body } => {
            let kind = match status {
                400 | 415 => Kind::BadRequest,
                404 => Kind::NotFound,
                409 => Kind::Conflict,
                413 => Kind::TooLarge,
                422 => Kind::Invalid,
                429 => Kind::TooMany,
                _ => Kind::Unavailable,
            };
            let said: Option<Value> = serde_json::from_str(body).ok();
            let said = said.as_ref().and_then(|said| at(said, "/error").as_str());
            Problem::new(kind, said.unwrap_or(body))
        }
        CallError::Unreachable { .. } if !is_used(app) => does_not_run(),
        error => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the built-in second factor was not asked"
            );
            let detail = "the built-in second factor does not answer; try again in a moment";
            Problem::new(Kind::Unavailable, detail)
        }
    }
}

/// Whether an integration needs it.
pub(crate) fn is_used(app: &App) -> bool {
    let newest = app.newest();
    let mut integrations = newest.integrations.iter();
    integrations.any(|one| one.application.pinned_ca.is_some())
}

/// What stands at a path; null when nothing does.
pub(super) fn at<'a>(document: &'a Value, path: &str) -> &'a Value {
    document.pointer(path).unwrap_or(&Value::Null)
}

/// The path of a user, and of what is below.
pub(super) fn of_user(name: &str, more: &str) -> String {
    let name = match name {
        // What it would be called by itself is another route.
        "import" | "sync" => wholly_encoded(name),
        name => encoded(name),
    };
    format!("/users/{name}{more}")
}

fn wholly_encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

/// As it can stand between two slashes.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet));
            }
            other => {
                out.push('%');
                out.push_str(&data_encoding::HEXUPPER.encode(&[other]));
            }
        }
    }
    out
}

const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_is_taken_for_a_route() {
        for (name, want) in [
            ("alice", "/users/alice"),
            ("a/b", "/users/a%2Fb"),
            ("import", "/users/%69%6D%70%6F%72%74"),
            ("sync", "/users/%73%79%6E%63"),
            ("Import", "/users/Import"),
        ] {
            assert_eq!(of_user(name, ""), want);
            assert_eq!(of_user(name, "/lock"), format!("{want}/lock"));
        }
    }
}
