//! Hardware tokens: generators of passcodes that are there before anybody has them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::{AssignToken, ImportedTokens, Token};
use serde_json::{Value, json};

use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::sent_csv::{self, SentCsv};
use super::{
    Asked, Asks, Deed, Listing, Narrowed, Paging, PartOf, at, encoded, many, nothing, sent,
};
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    let token = "/second-factor/tokens/{serial}";
    Router::new()
        .route("/second-factor/tokens", get(list).post(import))
        .route(token, delete(remove))
        .route(&format!("{token}/assign"), post(assign))
        .route(&format!("{token}/unassign"), post(unassign))
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let ok = StatusCode::OK;
    let all = "/second-factor/tokens";
    let id = "listHardwareTokens";
    api.route(&Method::GET, all, id, "Hardware tokens, by serial number")
        .query::<Paging>()
        .answers::<PartOf<Token>>(ok, "A page of the list.")
        .problems(conflict);
    let id = "importHardwareTokens";
    api.route(&Method::POST, all, id, "Hardware tokens: of a file")
        .about(
            "All of the file is taken, or nothing where a line is not possible: `done` says which, and \
             `refused` has the lines. Columns: `serial` and `secret` (hexadecimal, or base32 after \
             `base32:`), and where wanted `kind` (`hotp` or `totp`), `digits`, `algorithm`, `period`, \
             `counter` and `username`.",
        )
        .query::<HowToTry>()
        .csv::<SentCsv>()
        .answers::<ImportedTokens>(ok, "What became of it, or would.")
        .problems(conflict);
    let (path, id) = (
        "/second-factor/tokens/{serial}/assign",
        "assignHardwareToken",
    );
    api.route(&Method::POST, path, id, "Hardware token: give to a user")
        .query::<HowToTry>()
        .body::<AssignToken>()
        .answers::<Token>(ok, "The token.")
        .problems(conflict);
    let (path, id) = (
        "/second-factor/tokens/{serial}/unassign",
        "unassignHardwareToken",
    );
    api.route(
        &Method::POST,
        path,
        id,
        "Hardware token: take from its user",
    )
    .query::<HowToTry>()
    .answers::<Token>(ok, "The token, which nobody has.")
    .problems(conflict);
    let (path, id) = ("/second-factor/tokens/{serial}", "deleteHardwareToken");
    api.route(&Method::DELETE, path, id, "Hardware token: remove")
        .query::<HowToTry>()
        .answers_nothing("It is gone, and its passcodes let nobody in.")
        .problems(conflict);
}

async fn list(
    State(app): State<Arc<App>>,
    Narrowed(paging): Narrowed<Paging>,
) -> Result<Json<Value>, Problem> {
    TOKENS.answer(&app, &paging, &[]).await
}

async fn import(asks: Asks, DryRun(dry): DryRun, request: Request) -> Result<Json<Value>, Problem> {
    let csv = sent_csv::read(request).await?;
    let body = json!({ "csv": csv, "dry_run": dry });
    let taken = asks.post_many("/tokens/import", &body).await?;
    if !dry && at(&taken, "/done") == true {
        let detail = many::tokens(&taken);
        let target = "tokens of a file".to_owned();
        asks.note("second-factor.tokens.import", target, &detail)
            .await?;
    }
    Ok(Json(taken))
}

async fn assign(
    asks: Asks,
    dry: DryRun,
    Named(serial): Named<String>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let asked = sent(asked)?;
    let deed = of_token(&serial, "assign", &asked, "token.assign");
    let detail = |_: &Value| json!({ "user": at(&asked, "/user") });
    asks.does(deed, dry, detail).await.map(Json)
}

async fn unassign(
    asks: Asks,
    dry: DryRun,
    Named(serial): Named<String>,
) -> Result<Json<Value>, Problem> {
    let before = found(&asks, &serial).await?;
    let nothing = nothing();
    let deed = of_token(&serial, "unassign", &nothing, "token.unassign");
    let detail = |_: &Value| json!({ "user": at(&before, "/user") });
    asks.does(deed, dry, detail).await.map(Json)
}

async fn remove(
    asks: Asks,
    dry: DryRun,
    Named(serial): Named<String>,
) -> Result<StatusCode, Problem> {
    let before = found(&asks, &serial).await?;
    let nothing = nothing();
    let deed = of_token(&serial, "delete", &nothing, "token.delete");
    asks.ends(deed, dry, &json!({ "before": before })).await
}

async fn found(asks: &Asks, serial: &str) -> Result<Value, Problem> {
    let missing = format!("there is no token '{serial}'");
    TOKENS.find(&asks.app, "serial", serial, missing).await
}

fn of_token<'a>(serial: &str, below: &str, asked: &'a Value, action: &'a str) -> Deed<'a> {
    let path = format!("/tokens/{}/{below}", encoded(serial));
    Deed::new(path, asked, action, format!("hardware token {serial}"))
}

const TOKENS: Listing = Listing {
    path: "/tokens",
    items: "tokens",
    after: "after",
};
