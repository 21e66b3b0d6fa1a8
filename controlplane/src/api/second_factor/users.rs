//! Users and their groups: one by one, and of a file.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::{
    BypassCodes, ChangeUser, CreatedUser, EffectivePolicy, Enrollment, Group, NewBypassCodes,
    NewEnrollment, NewUser, SmsCodes, Status, User, UserChanges, UserStatus,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::caller::Caller;
use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::sent_csv::{self, SentCsv};
use super::service::{at, of_user, read};
use super::{
    AllOf, Asked, Asks, Deed, Listing, Narrowed, Paging, PartOf, count, encoded, many, nothing,
    sent, shown_once, user_named,
};
use crate::access::role::Role;
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    let user = "/second-factor/users/{name}";
    Router::new()
        .route("/second-factor/status", get(status))
        .route("/second-factor/users", get(users).post(create))
        .route("/second-factor/import", post(import))
        .route(user, get(one).patch(change).delete(delete))
        .route(&format!("{user}/lock"), post(lock))
        .route(&format!("{user}/unlock"), post(unlock))
        .route(&format!("{user}/enroll"), post(enroll))
        .route(&format!("{user}/bypass-codes"), post(bypass_codes))
        .route(&format!("{user}/sms-codes"), get(sms_codes))
        .route(&format!("{user}/policy"), get(policy))
        .route("/second-factor/groups", get(groups))
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    let path = "/second-factor/status";
    api.route(&Method::GET, path, "getSecondFactor", "How it is")
        .answers::<Status>(ok, "Its version, where it is, and how much it has.")
        .problems(conflict);
    let all = "/second-factor/users";
    api.route(&Method::GET, all, "listUsers", "Users, by name")
        .query::<Paging>()
        .query::<UserFilter>()
        .answers::<PartOf<User>>(ok, "A page of the list.")
        .problems(conflict);
    api.route(&Method::POST, all, "createUser", "User: make one")
        .about(
            "What is in this answer for the devices is nowhere else. Devices, scripts, aliases, groups, \
             an e-mail address, every status but `disabled`, and a name that is another's with a domain \
             are for the role `admin`.",
        )
        .query::<HowToTry>()
        .body::<NewUser>()
        .answers::<Map<String, Value>>(ok, "It would be made.")
        .answers::<CreatedUser>(created, "It is made.")
        .problems(conflict);
    let path = "/second-factor/import";
    api.route(&Method::POST, path, "importUsers", "Users: of a file")
        .about(
            "The file is checked as a whole: nothing is done where a line is not possible, `done` says \
             which, and `refused` has the lines. It is written in parts of 1,000 users: where that is broken \
             off, the same file again finishes it. Columns, of which only `username` must be there: `username`, \
             `full_name`, `email`, `number`, `status`, `aliases` and `groups`, the last two separated \
             by `;`.",
        )
        .query::<HowToTry>()
        .csv::<SentCsv>()
        .answers::<UserChanges>(ok, "What became of it, or would.")
        .problems(conflict);
    let one = "/second-factor/users/{name}";
    api.route(&Method::GET, one, "getUser", "User: read")
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    api.route(&Method::PATCH, one, "changeUser", "User: change")
        .about(
            "What is absent stays. Scripts, aliases, groups, the e-mail address and every status but \
             `disabled` are for the role `admin`.",
        )
        .query::<HowToTry>()
        .body::<ChangeUser>()
        .answers::<User>(ok, "The user.")
        .problems(conflict);
    api.route(&Method::DELETE, one, "deleteUser", "User: remove")
        .query::<HowToTry>()
        .answers_nothing("It is gone, and its devices with it.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/lock";
    api.route(&Method::POST, path, "lockUser", "User: lock")
        .query::<HowToTry>()
        .about("No factor lets them in until they are unlocked, and their pushes are refused.")
        .answers::<User>(ok, "The user.")
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
    let path = "/second-factor/users/{name}/policy";
    api.route(&Method::GET, path, "getPolicyOfUser", "User: what holds")
        .about("All policies taken together, and where each word comes from.")
        .query::<AtApplication>()
        .answers::<EffectivePolicy>(ok, "What holds for the user there.")
        .problems(conflict);
    let path = "/second-factor/groups";
    api.route(&Method::GET, path, "listGroups", "Groups of users")
        .answers::<AllOf<Group>>(ok, "Those that somebody is in, or that have a policy.")
        .problems(conflict);
}

/// Which users.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a query; the one below reads it")]
struct UserFilter {
    /// With this in their name, full name, e-mail address or an alias, whatever its case.
    search: Option<String>,
    /// Of this status.
    status: Option<UserStatus>,
    /// Of this group.
    group: Option<String>,
}

/// Which, and which page. No flattened fields: they would not be told from unknown ones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPage {
    limit: Option<u32>,
    cursor: Option<String>,
    search: Option<String>,
    status: Option<UserStatus>,
    group: Option<String>,
}

impl UserPage {
    /// Whoever they are.
    pub(super) fn of(paging: Paging) -> Self {
        Self {
            limit: paging.limit,
            cursor: paging.cursor,
            ..Self::default()
        }
    }
}

/// At which application.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AtApplication {
    /// Its name; without, what holds where no application has a policy.
    application: Option<String>,
}

/// The users of one page, and where the next begins.
pub(super) async fn page(app: &App, asked: UserPage) -> Result<(Vec<Value>, Value), Problem> {
    let paging = Paging {
        limit: asked.limit,
        cursor: asked.cursor,
    };
    let narrowed = [
        ("search", asked.search.as_deref()),
        ("status", asked.status.map(UserStatus::as_str)),
        ("group", asked.group.as_deref()),
    ];
    USERS.page(app, &paging, &narrowed).await
}

async fn status(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    read(&app, "/status").await.map(Json)
}

async fn users(
    State(app): State<Arc<App>>,
    Narrowed(asked): Narrowed<UserPage>,
) -> Result<Json<Value>, Problem> {
    let (users, next) = page(&app, asked).await?;
    Ok(Json(super::listed(&users, &next)))
}

async fn groups(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let groups = read(&app, "/groups").await?;
    Ok(Json(json!({ "items": groups })))
}

async fn one(
    State(app): State<Arc<App>>,
    Named(name): Named<String>,
) -> Result<Json<Value>, Problem> {
    read(&app, &of_user(&name, "")).await.map(Json)
}

async fn policy(
    State(app): State<Arc<App>>,
    Named(name): Named<String>,
    Narrowed(asked): Narrowed<AtApplication>,
) -> Result<Json<Value>, Problem> {
    let mut path = of_user(&name, "/policy");
    if let Some(application) = &asked.application {
        path = format!("{path}?application={}", encoded(application));
    }
    read(&app, &path).await.map(Json)
}

async fn sms_codes(asks: Asks, Named(name): Named<String>) -> Result<Response, Problem> {
    asks.note("second-factor.sms-codes", user_named(&name), &json!({}))
        .await?;
    let codes = asks.read(&of_user(&name, "/sms-codes")).await?;
    Ok(shown_once(StatusCode::OK, &json!({ "items": codes })))
}

async fn create(asks: Asks, DryRun(dry): DryRun, asked: Asked) -> Result<Response, Problem> {
    let asked = sent(asked)?;
    needs_no_admin(&asks.caller, &asked)?;
    stands_for_nobody_else(&asks, &asked).await?;
    let name = at(&asked, "/name").as_str().unwrap_or_default();
    let path = "/users".to_owned();
    let deed = Deed::new(path, &asked, "user.create", user_named(name));
    let detail = |made: &Value| {
        let mut detail = audited(at(made, "/user"));
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("script".to_owned(), at(&asked, "/script").clone());
            fields.insert("devices".to_owned(), at(made, "/user/devices").clone());
        }
        detail
    };
    let made = asks.does(deed, DryRun(dry), detail).await?;
    Ok(match dry {
        true => shown_once(StatusCode::OK, &json!({ "user": at(&made, "/user") })),
        false => shown_once(StatusCode::CREATED, &made),
    })
}

async fn import(
    asks: Asks,
    DryRun(dry): DryRun,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let csv = sent_csv::read(request).await?;
    let body = json!({ "csv": csv, "dry_run": dry });
    let deed = many::Deed {
        path: "/users/import",
        body,
        dry,
        action: "second-factor.users.import",
        target: "users of a file".to_owned(),
        detail: many::file(&csv),
        known: json!({}),
        conflicts_midway: true,
    };
    many::done(&asks, deed).await.map(Json)
}

async fn change(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let asked = sent(asked)?;
    needs_no_admin(&asks.caller, &asked)?;
    let before = asks.user(&name).await?;
    let deed = Deed::of(&name, "", &asked, "user.change");
    let detail = |now: &Value| json!({ "before": audited(&before), "after": audited(now) });
    asks.does(deed, dry, detail).await.map(Json)
}

async fn delete(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    let before = asks.user(&name).await?;
    let mut gone = audited(&before);
    if let Some(fields) = gone.as_object_mut() {
        fields.insert("devices".to_owned(), at(&before, "/devices").clone());
    }
    let nothing = nothing();
    let deed = Deed::of(&name, "/delete", &nothing, "user.delete");
    asks.ends(deed, dry, &json!({ "before": gone })).await
}

async fn lock(asks: Asks, dry: DryRun, Named(name): Named<String>) -> Result<Json<Value>, Problem> {
    let nothing = nothing();
    let deed = Deed::of(&name, "/lock", &nothing, "user.lock");
    asks.does(deed, dry, |_| json!({})).await.map(Json)
}

async fn unlock(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
) -> Result<Json<Value>, Problem> {
    let nothing = nothing();
    let deed = Deed::of(&name, "/unlock", &nothing, "user.unlock");
    asks.does(deed, dry, |_| json!({})).await.map(Json)
}

async fn enroll(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let asked = sent(asked)?;
    let deed = Deed::of(&name, "/enroll", &asked, "user.enroll");
    let detail = |made: &Value| {
        let by_email = at(&asked, "/by_email") == true;
        json!({ "expires_at": at(made, "/expires_at"), "by_email": by_email })
    };
    asks.makes(deed, dry, detail).await
}

async fn bypass_codes(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let asked = sent(asked)?;
    let deed = Deed::of(&name, "/bypass-codes", &asked, "bypass-codes");
    let detail = |made: &Value| json!({ "count": count(made, "/codes"), "asked": asked });
    asks.makes(deed, dry, detail).await
}

/// What the audit has of a user.
pub(super) fn audited(user: &Value) -> Value {
    let mut shown = Map::new();
    for field in FIELDS {
        if let Some(value) = user.get(field) {
            shown.insert((*field).to_owned(), value.clone());
        }
    }
    Value::Object(shown)
}

/// What lets somebody in in a user's place, or again, is not for operators. An alias has one person's
/// devices answer for another's login, a group may have a policy that asks for nothing, and invitations and
/// passcodes go to the address.
fn needs_no_admin(caller: &Caller, asked: &Value) -> Result<(), Problem> {
    let status = at(asked, "/status");
    let opens = !status.is_null() && status != "disabled";
    let opens = opens
        || OPENS
            .iter()
            .any(|field| asked.get(field).is_some_and(|value| !value.is_null()));
    if opens && caller.role < Role::Admin {
        let detail = "devices, scripts, aliases, groups, the e-mail address and a status other than \
                      disabled are for the role admin";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    Ok(())
}

/// A name that an application takes for somebody's is looked up as it stands first, so that a user of that
/// name has no device where the other has one: whoever has the password would enroll one.
async fn stands_for_nobody_else(asks: &Asks, asked: &Value) -> Result<(), Problem> {
    let name = at(asked, "/name").as_str().unwrap_or_default();
    let bare = bare(name);
    if asks.caller.role >= Role::Admin || bare == name || bare.is_empty() {
        return Ok(());
    }
    match asks.user(bare).await {
        Ok(_) => {
            let detail = format!(
                "'{name}' is how {bare} may log in: a user of that name beside {bare} is for the role admin"
            );
            Err(Problem::new(Kind::Forbidden, detail))
        }
        Err(problem) if problem.kind() == Kind::NotFound => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// A name without its domain, as applications take it.
fn bare(name: &str) -> &str {
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name).trim()
}

const USERS: Listing = Listing {
    path: "/users",
    items: "users",
    after: "after",
};
const OPENS: &[&str] = &[
    "script",
    "devices",
    "aliases",
    "groups",
    "email",
    "bypass_until",
];
const FIELDS: &[&str] = &[
    "status",
    "bypass_until",
    "full_name",
    "email",
    "aliases",
    "groups",
    "script",
];
