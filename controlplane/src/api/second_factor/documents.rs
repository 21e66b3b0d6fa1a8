//! What the OpenAPI document says of users, devices and approvals.

use http::{Method, StatusCode};
use proto::second_factor::{
    BypassCodes, ChangeUser, CreatedDevice, CreatedUser, Device, Enrollment, NewBypassCodes,
    NewDevice, NewEnrollment, NewUser, SmsCodes, User, WaitingPush,
};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::super::extract::HowToTry;
use super::super::openapi::Api;
use super::super::problem::Kind;
use super::Paging;

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "second-factor",
        "Users, devices and approvals of the built-in second factor. Where no integration uses it, it \
         does not run, and everything here is answered with 409.",
        &[
            ("name", "The user's name, whatever its case."),
            ("id", "The device's id."),
            ("txid", "The push's id, of the list of those that wait."),
        ],
    );
    let conflict = &[Kind::Conflict];
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    let all = "/second-factor/users";
    api.route(&Method::GET, all, "listUsers", "Users, by name")
        .query::<Paging>()
        .answers::<PartOf<User>>(ok, "A page of the list.")
        .problems(conflict);
    api.route(&Method::POST, all, "createUser", "User: make one")
        .about(
            "What is in this answer for the devices is nowhere else. Devices, scripts and every \
             status but `disabled` are for the role `admin`.",
        )
        .query::<HowToTry>()
        .body::<NewUser>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<CreatedUser>(created, "It is made.")
        .problems(conflict);
    let one = "/second-factor/users/{name}";
    api.route(&Method::GET, one, "getUser", "User: read")
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    api.route(&Method::PATCH, one, "changeUser", "User: change")
        .about("What is absent stays. Scripts and every status but `disabled` are for the role `admin`.")
        .query::<HowToTry>()
        .body::<ChangeUser>()
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    api.route(&Method::DELETE, one, "deleteUser", "User: remove")
        .query::<HowToTry>()
        .answers_nothing("It is gone, and its devices with it.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/unlock";
    api.route(&Method::POST, path, "unlockUser", "User: unlock")
        .query::<HowToTry>()
        .about("Wrong passcodes are forgotten.")
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/enroll";
    api.route(&Method::POST, path, "enrollUser", "User: invite to enroll")
        .about("Whoever has the address adds a device; it is in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewEnrollment>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<Enrollment>(created, "The address, for the user to open once.")
        .problems(conflict);
    let (path, id) = (
        "/second-factor/users/{name}/bypass-codes",
        "createBypassCodes",
    );
    api.route(&Method::POST, path, id, "User: make bypass codes")
        .about("Those that were there go. The new ones are in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewBypassCodes>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<BypassCodes>(created, "The codes; each is good once.")
        .problems(conflict);
    let (path, id) = ("/second-factor/users/{name}/sms-codes", "listSmsCodes");
    api.route(&Method::GET, path, id, "User: passcodes in place of an SMS")
        .answers::<AllOf<SmsCodes>>(ok, "Those that were not used yet, by device.")
        .problems(conflict);
    let (path, id) = ("/second-factor/users/{name}/devices", "createDevice");
    api.route(&Method::POST, path, id, "Device: make one")
        .about("What its owner needs is in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewDevice>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<CreatedDevice>(created, "It is made.")
        .problems(conflict);
    let (path, id) = ("/second-factor/users/{name}/devices/{id}", "deleteDevice");
    api.route(&Method::DELETE, path, id, "Device: remove")
        .query::<HowToTry>()
        .answers_nothing("It is gone.")
        .problems(conflict);
    let path = "/second-factor/devices";
    api.route(&Method::GET, path, "listDevices", "Devices, by user")
        .about("A page holds those of `limit` users.")
        .query::<Paging>()
        .answers::<PartOf<OfUser>>(ok, "A page of the list.")
        .problems(conflict);
    let path = "/second-factor/approvals";
    api.route(&Method::GET, path, "listApprovals", "Pushes that wait")
        .answers::<AllOf<WaitingPush>>(ok, "Those that nobody answered yet.")
        .problems(conflict);
    for (path, id, summary) in [
        (
            "/second-factor/approvals/{txid}/approve",
            "approvePush",
            "Push: approve in its user's place",
        ),
        (
            "/second-factor/approvals/{txid}/deny",
            "denyPush",
            "Push: deny in its user's place",
        ),
        (
            "/second-factor/approvals/{txid}/fraud",
            "reportPush",
            "Push: deny, and report a fraud",
        ),
    ] {
        api.route(&Method::POST, path, id, summary)
            .query::<HowToTry>()
            .answers_nothing("It is answered.")
            .problems(&[Kind::Conflict, Kind::BadRequest]);
    }
}

/// A page of a list.
#[derive(JsonSchema)]
#[schemars(rename = "PartOf{T}")]
#[expect(dead_code, reason = "describes a document, and is none")]
struct PartOf<T> {
    /// What it holds.
    items: Vec<T>,
    /// Where the next page begins, for `cursor`; none when this is the last.
    #[schemars(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A list without pages.
#[derive(JsonSchema)]
#[schemars(rename = "AllOf{T}")]
#[expect(dead_code, reason = "describes a document, and is none")]
struct AllOf<T> {
    /// What it holds.
    items: Vec<T>,
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
