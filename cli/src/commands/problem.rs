//! What the control plane's REST API refuses, for people.

#![expect(
    clippy::indexing_slicing,
    reason = "a field that a JSON value has not is null"
)]

use local::CallError;
use serde_json::Value;

use crate::failure::Failure;

/// The problem document in a refusal, as a failure with each bad field on a line.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(crate) fn refused(error: CallError) -> Failure {
    let CallError::Refused { status, body } = &error else {
        return Failure::new(
            "the control plane cannot be asked; is this the right --data-dir?",
            &error,
        );
    };
    let Ok(problem) = serde_json::from_str::<Value>(body) else {
        return Failure::new("the control plane refused", &error);
    };
    let mut text = problem["detail"].as_str().unwrap_or("refused").to_owned();
    let errors: Vec<&str> = problem["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["message"].as_str())
        .collect();
    if errors.len() > 1 || text.is_empty() {
        text = errors.join("\n");
    }
    match *status {
        // What was asked for is wrong, and not the gateway.
        400 | 409 | 412 | 422 => Failure::usage(text),
        _ => Failure::plain(text),
    }
}
