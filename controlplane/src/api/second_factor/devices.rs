//! Devices of users.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::{ChangeDevice, CreatedDevice, Device, NewDevice, Resynchronize, User};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::users::{self, UserPage};
use super::{
    Asked, Asks, Deed, Narrowed, Paging, PartOf, at, encoded, listed, nothing, sent, taken,
};
use crate::access::role::Role;
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    let of_user = "/second-factor/users/{name}/devices";
    Router::new()
        .route(of_user, post(create))
        .route(&format!("{of_user}/{{id}}"), patch(change).delete(delete))
        .route(&format!("{of_user}/{{id}}/resync"), post(resync))
        .route("/second-factor/devices", get(devices))
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    let (path, id) = ("/second-factor/users/{name}/devices", "createDevice");
    api.route(&Method::POST, path, id, "Device: make one")
        .about("What its owner needs is in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewDevice>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<CreatedDevice>(created, "It is made.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/devices/{id}";
    api.route(&Method::PATCH, path, "changeDevice", "Device: rename")
        .query::<HowToTry>()
        .body::<ChangeDevice>()
        .answers::<User>(ok, "Its user.")
        .problems(conflict);
    api.route(&Method::DELETE, path, "deleteDevice", "Device: remove")
        .query::<HowToTry>()
        .about("The last one that answers for its user is for the role `admin`.")
        .answers_nothing("It is gone.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/devices/{id}/resync";
    api.route(&Method::POST, path, "resyncDevice", "Device: find it again")
        .about("For a generator that has run away: two passcodes in a row, as it shows them now.")
        .query::<HowToTry>()
        .body::<Resynchronize>()
        .answers::<User>(ok, "Its user.")
        .problems(conflict);
    let path = "/second-factor/devices";
    api.route(&Method::GET, path, "listDevices", "Devices, by user")
        .about("A page holds those of `limit` users.")
        .query::<Paging>()
        .answers::<PartOf<OfUser>>(ok, "A page of the list.")
        .problems(conflict);
}

/// A device, with whose it is.
#[derive(JsonSchema)]
#[schemars(rename = "DeviceOfUser")]
#[expect(dead_code, reason = "describes a document, and is none")]
struct OfUser {
    /// The user's name.
    user: String,
    #[schemars(flatten)]
    device: Device,
}

/// Of the users of one page.
async fn devices(
    State(app): State<Arc<App>>,
    Narrowed(paging): Narrowed<Paging>,
) -> Result<Json<Value>, Problem> {
    let (users, next) = users::page(&app, UserPage::of(paging)).await?;
    let mut devices = Vec::new();
    for mut user in users {
        let name = taken(&mut user, "name");
        let Value::Array(of_user) = taken(&mut user, "devices") else {
            continue;
        };
        for mut device in of_user {
            if let Value::Object(fields) = &mut device {
                fields.insert("user".to_owned(), name.clone());
            }
            devices.push(device);
        }
    }
    Ok(Json(listed(&devices, &next)))
}

async fn create(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let asked = sent(asked)?;
    let deed = Deed::of(&name, "/devices", &asked, "device.create");
    let detail = |made: &Value| json!({ "device": at(made, "/device") });
    asks.makes(deed, dry, detail).await
}

async fn change(
    asks: Asks,
    dry: DryRun,
    Named((name, id)): Named<(String, String)>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let asked = sent(asked)?;
    let user = asks.user(&name).await?;
    let called = at(device_of(&user, &id)?, "/name");
    let deed = Deed::of(&name, &below(&id, ""), &asked, "device.change");
    let detail = |_: &Value| json!({ "device": id, "before": { "name": called }, "after": { "name": at(&asked, "/name") } });
    asks.does(deed, dry, detail).await.map(Json)
}

async fn delete(
    asks: Asks,
    dry: DryRun,
    Named((name, id)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let user = asks.user(&name).await?;
    let device = device_of(&user, &id)?;
    if asks.caller.role < Role::Admin && !another_answers(&user, &id) {
        let detail = "the user has no other device that answers, and whoever knows the password could \
                      enroll one: to take the last one is for the role admin. Lock the user instead.";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    let nothing = nothing();
    let deed = Deed::of(&name, &below(&id, "/delete"), &nothing, "device.delete");
    asks.ends(deed, dry, &json!({ "before": device })).await
}

async fn resync(
    asks: Asks,
    dry: DryRun,
    Named((name, id)): Named<(String, String)>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let asked = sent(asked)?;
    let deed = Deed::of(&name, &below(&id, "/resync"), &asked, "device.resync");
    let done = asks.does(deed, dry, |_| json!({ "device": id })).await;
    done.map(Json)
}

/// A device of a user.
///
/// # Errors
/// They have none of this id.
fn device_of<'a>(user: &'a Value, id: &str) -> Result<&'a Value, Problem> {
    let mut devices = at(user, "/devices").as_array().into_iter().flatten();
    devices.find(|one| at(one, "/id") == id).ok_or_else(|| {
        let name = at(user, "/name").as_str().unwrap_or_default();
        Problem::new(Kind::NotFound, format!("{name} has no device '{id}'"))
    })
}

/// Whether a device but this one answers for the user: a generator, or a phone that is theirs.
fn another_answers(user: &Value, id: &str) -> bool {
    let mut devices = at(user, "/devices").as_array().into_iter().flatten();
    devices.any(|one| {
        let answers = match at(one, "/kind").as_str() {
            Some("totp" | "hotp") => true,
            _ => at(one, "/bound") == true,
        };
        at(one, "/id") != id && answers
    })
}

/// A device's path, below its user's.
fn below(id: &str, more: &str) -> String {
    format!("/devices/{}{more}", encoded(id))
}
