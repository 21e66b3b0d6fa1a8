//! A file of comma-separated values that is sent: in a JSON document, or by itself.

use axum::Json;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::problem::{Kind, Problem};
use super::super::tokens::refused;

/// A file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SentCsv {
    /// Its text: UTF-8, at most 4 MiB and 50,000 lines, the first with the names of the columns.
    csv: String,
}

/// Its text.
///
/// # Errors
/// It is too long, or no text.
pub(super) async fn read(request: Request) -> Result<String, Problem> {
    let csv = if is_plain(request.headers()) {
        let text = String::from_request(request, &()).await;
        text.map_err(|error| {
            let kind = match error.status() {
                http::StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
                _ => Kind::BadRequest,
            };
            Problem::new(kind, error.body_text())
        })?
    } else {
        let sent = Json::<SentCsv>::from_request(request, &()).await;
        let Json(sent) = sent.map_err(|error| refused(&error))?;
        sent.csv
    };
    if csv.len() > MOST_OCTETS {
        let detail = format!("the file has more than {MOST_OCTETS} octets; send it in parts");
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    Ok(csv)
}

/// Whether it is sent by itself.
fn is_plain(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["text/csv", "text/plain"]
        .iter()
        .any(|plain| kind.eq_ignore_ascii_case(plain))
}

const MOST_OCTETS: usize = 4 * 1024 * 1024;
