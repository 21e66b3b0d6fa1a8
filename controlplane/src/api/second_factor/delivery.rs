//! How people are reached: an SMTP server, gateways for SMS and calls, Web Push.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::{ChangeDelivery, Delivery, TestDelivery};
use serde_json::{Value, json};

use super::super::extract::{DryRun, HowToTry};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::{Asked, Asks, Deed, TRY, at, sent};
use crate::access::role::Role;
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/second-factor/delivery", get(read).patch(change))
        .route("/second-factor/delivery/test", post(test))
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let (ok, path) = (StatusCode::OK, "/second-factor/delivery");
    api.route(&Method::GET, path, "getDelivery", "How people are reached")
        .about(
            "Without passwords and keys. What a gateway's fields say may be a key: for other roles than \
             `admin` the value of a field without a placeholder, and what follows `?` in its address, \
             is `…`.",
        )
        .answers::<Delivery>(ok, "What is set, and what did not go out lately.")
        .problems(conflict);
    let id = "changeDelivery";
    api.route(&Method::PATCH, path, id, "How people are reached: change")
        .about(
            "What is absent stays. A password or key that is left out of what is set stays as it is.",
        )
        .query::<HowToTry>()
        .body::<ChangeDelivery>()
        .answers::<Delivery>(ok, "What is set.")
        .problems(conflict);
    let path = "/second-factor/delivery/test";
    api.route(&Method::POST, path, "testDelivery", "Send a test message")
        .about("Answered when the message is out, or with why it is not.")
        .query::<HowToTry>()
        .body::<TestDelivery>()
        .answers_nothing("It is out.")
        .problems(conflict);
}

async fn read(asks: Asks) -> Result<Json<Value>, Problem> {
    let delivery = asks.read("/delivery").await?;
    Ok(Json(match asks.caller.role {
        Role::Admin => delivery,
        _ => masked(delivery),
    }))
}

async fn change(asks: Asks, dry: DryRun, asked: Asked) -> Result<Json<Value>, Problem> {
    let asked = sent(asked)?;
    let before = asks.read("/delivery").await?;
    let path = "/delivery".to_owned();
    let deed = Deed::new(path, &asked, "delivery.change", TARGET.to_owned());
    let detail =
        |after: &Value| json!({ "before": audited(before), "after": audited(after.clone()) });
    asks.does(deed, dry, detail).await.map(Json)
}

async fn test(asks: Asks, DryRun(dry): DryRun, asked: Asked) -> Result<StatusCode, Problem> {
    let asked = sent(asked)?;
    let mut path = "/delivery/test".to_owned();
    match dry {
        true => path.push_str(TRY),
        false => {
            // It goes out, whatever is answered.
            let detail = json!({ "channel": at(&asked, "/channel"), "to": at(&asked, "/to") });
            asks.note("second-factor.delivery.test", TARGET.to_owned(), &detail)
                .await?;
        }
    }
    asks.post_many(&path, &asked).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// As the audit has it.
fn audited(delivery: Value) -> Value {
    let mut delivery = masked(delivery);
    if let Some(fields) = delivery.as_object_mut() {
        fields.remove("failures");
    }
    delivery
}

/// Without what may be a key.
fn masked(mut delivery: Value) -> Value {
    for gateway in ["sms", "voice"] {
        let Some(gateway) = delivery.get_mut(gateway) else {
            continue;
        };
        if let Some(Value::String(url)) = gateway.get_mut("url")
            && let Some((before, _)) = url.split_once('?')
        {
            *url = format!("{before}?{HIDDEN}");
        }
        let fields = gateway.get_mut("fields").and_then(Value::as_object_mut);
        for (_, value) in fields.into_iter().flatten() {
            if !value.as_str().is_some_and(says_what_is_sent) {
                *value = HIDDEN.into();
            }
        }
    }
    delivery
}

/// Whether a field is nothing but a placeholder.
fn says_what_is_sent(value: &str) -> bool {
    ["{number}", "{text}", "{callback}"].contains(&value)
}

const HIDDEN: &str = "…";
const TARGET: &str = "delivery";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_key_is_not_shown_and_the_rest_is() {
        let gateway = |url: &str, key: &str| json!({ "url": url, "format": "form", "fields": { "to": "{number}", "key": key } });
        let smtp =
            json!({ "host": "mail.example.com", "security": "tls", "from": "a@example.com" });
        let shown = masked(json!({
            "smtp": smtp,
            "sms": gateway("https://sms.example.com/send?key=PLANTED", "PLANTED{text}"),
            "voice": gateway("https://voice.example.com/", "PLANTED"),
        }));
        let want = json!({
            "smtp": smtp,
            "sms": gateway("https://sms.example.com/send?…", "…"),
            "voice": gateway("https://voice.example.com/", "…"),
        });
        assert_eq!(shown, want);
        let empty = json!({ "secrets": [], "failures": [] });
        assert_eq!(masked(empty.clone()), empty);
        assert_eq!(audited(empty), json!({ "secrets": [] }));
    }
}
