//! Administrators: inviting one, taking the invitation, removing one. An invitation comes out once,
//! is good for a day and for one person; with it come the secret for passcodes and a password.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::admin_factor;
use super::caller::Caller;
use super::door::From;
use super::extract::{DryRun, HowToTry};
use super::guesses::Guest;
use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::{FieldError, Kind, Problem};
use super::session::hashing;
use super::tokens::{failed, refused};
use crate::access::admin::{self, ADMINS, NAME_CHARACTERS};
use crate::access::role::Role;
use crate::access::token::Token;
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::store::{AdminRow, InsertedAdmin};

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/admins", get(list).post(invite))
        .route("/admins/{name}", delete(remove))
        .route("/invitation", post(take))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "administrators",
        "People who sign in with a password and a passcode.",
        &[("name", "What they sign in with.")],
    );
    api.route(
        &Method::GET,
        "/admins",
        "listAdministrators",
        "Administrators",
    )
    .lists::<AdminFilter, AdminView>(ORDERS);
    let id = "inviteAdministrator";
    api.route(&Method::POST, "/admins", id, "Administrator: invite one")
        .about("The invitation is in this answer and nowhere else; it is good for a day.")
        .query::<HowToTry>()
        .body::<Invited>()
        .answers::<Invitation>(StatusCode::OK, "It was only tried (`dry_run`).")
        .answers::<Invitation>(StatusCode::CREATED, "They are invited.")
        .problems(&[Kind::Conflict]);
    let id = "removeAdministrator";
    api.route(
        &Method::DELETE,
        "/admins/{name}",
        id,
        "Administrator: remove",
    )
    .query::<HowToRemove>()
    .answers_nothing("They are gone, and their sessions with them.")
    .problems(&[Kind::Conflict]);
    let id = "takeInvitation";
    api.route(&Method::POST, "/invitation", id, "Invitation: take it")
        .about(
            "First without password and passcode: the answer has the secret for passcodes, or the \
             integration whose second factor is asked. Then with both.",
        )
        .query::<HowToTry>()
        .body::<Take>()
        .answers::<Taken>(StatusCode::OK, "What came of it.")
        .problems(&[Kind::Unauthenticated, Kind::Conflict]);
}

/// Who is invited.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invited {
    /// What they sign in with: 1 to 64 letters, digits and `-_.@`.
    pub(super) name: String,
    pub(super) role: Role,
    /// The integration whose second factor is asked when they sign in, under this name; left out, they
    /// have passcodes (TOTP) of this installation.
    pub(super) integration: Option<String>,
}

/// An administrator, without anything that lets somebody in.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct AdminView {
    name: String,
    role: Role,
    /// Whether they took their invitation.
    active: bool,
    /// The integration whose second factor is asked; none when they have passcodes of this installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    integration: Option<String>,
    created_by: String,
    created_at_ms: u64,
    /// Until when the invitation is good; none when it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_until_ms: Option<u64>,
}

/// What is shown once.
#[derive(Serialize, JsonSchema)]
pub(super) struct Invitation {
    #[serde(flatten)]
    view: AdminView,
    /// What they take part with, at `POST /api/v1/invitation`; none after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<String>,
}

/// How an invitation is taken. Without password and passcode it tells what is needed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Take {
    name: String,
    invitation: Secret<String>,
    /// Of 12 to 256 characters.
    password: Option<Secret<String>>,
    /// The present one: shows that the secret is kept. Of whom an integration asks: a passcode there,
    /// `push` or `phone`; left out, `push`.
    passcode: Option<String>,
}

/// What is needed yet, or that nothing is.
#[derive(Serialize, JsonSchema)]
struct Taken {
    /// In base 32, for an application that makes passcodes: SHA-1, six digits, 30 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    totp_secret: Option<String>,
    /// The integration whose second factor is asked in the place of passcodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    integration: Option<String>,
    /// Whether the invitation is taken now.
    active: bool,
}

impl AdminView {
    fn of(row: AdminRow) -> Self {
        Self {
            name: row.name,
            role: row.role,
            active: row.active,
            integration: row.integration,
            created_by: row.created_by,
            created_at_ms: row.created_at_ms,
            invited_until_ms: (!row.active).then_some(row.invited_until_ms),
        }
    }
}

/// Which administrators.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AdminFilter {
    /// Of this role.
    role: Option<Role>,
    /// Who took their invitation, or did not.
    active: Option<bool>,
}

async fn list(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<AdminFilter>,
) -> Result<Json<Page<AdminView>>, Problem> {
    let rows = app.store.list_admins().await.map_err(failed)?;
    let found = rows.into_iter().map(AdminView::of).filter(|one| {
        filter.role.is_none_or(|role| one.role == role)
            && filter.active.is_none_or(|active| one.active == active)
    });
    let items = found.map(|one| Listed {
        id: one.name.clone(),
        texts: vec![one.name.clone(), one.created_by.clone()],
        item: one,
    });
    ask.page(items, ORDERS).map(Json)
}

async fn invite(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    invited: Result<Json<Invited>, JsonRejection>,
) -> Result<(StatusCode, Json<Invitation>), Problem> {
    let Json(invited) = invited.map_err(|error| refused(&error))?;
    let target = format!("admin {}", invited.name);
    let deed = caller.deed("admin.invite", target, &json!({}));
    let made = invite_one(&app, invited, deed, dry).await?;
    let status = if dry {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(made)))
}

/// Invites somebody, who is the deed's target; what it says in detail is filled in here.
pub(super) async fn invite_one(
    app: &App,
    invited: Invited,
    mut deed: Deed,
    dry: bool,
) -> Result<Invitation, Problem> {
    let Invited {
        name,
        role,
        integration,
    } = invited;
    let mut errors = Vec::new();
    if !admin::is_name(&name) {
        errors.push(FieldError {
            path: "name".to_owned(),
            message: format!("has 1 to {NAME_CHARACTERS} letters, digits and -_.@"),
        });
    }
    if let Some(integration) = &integration
        && admin_factor::known(app, integration).is_none()
    {
        errors.push(FieldError {
            path: "integration".to_owned(),
            message: "there is no integration of this name".to_owned(),
        });
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let there = app.store.fetch_admin_secrets(&name).await.map_err(failed)?;
    // Nobody signs in with a second factor that is nowhere any more: they may be invited again.
    let locked = there.as_ref().and_then(|there| {
        let gone = there.integration.as_deref();
        gone.filter(|gone| admin_factor::known(app, gone).is_none())
    });
    let mut detail = json!({ "after": { "role": role, "integration": integration } });
    if let (Some(there), Some(_), Some(fields)) = (&there, locked, detail.as_object_mut()) {
        let before = json!({
            "role": there.role, "active": there.password.is_some(), "integration": there.integration,
        });
        fields.insert("before".to_owned(), before);
    }
    deed.detail = detail.to_string();
    let random = |error: getrandom::Error| Problem::internal(&error);
    let (token, totp) = (
        Token::make().map_err(random)?,
        admin::make_totp().map_err(random)?,
    );
    let row = AdminRow {
        name,
        role,
        active: false,
        integration,
        invited_until_ms: deed.at_ms.saturating_add(INVITED_MS),
        created_by: deed.actor.clone(),
        created_at_ms: deed.at_ms,
    };
    let invitation = (token.id(), token.hash());
    let stored = if dry {
        let all = app.store.list_admins().await.map_err(failed)?;
        let others = all.len().saturating_sub(usize::from(locked.is_some()));
        match there.is_some() && locked.is_none() {
            _ if others >= ADMINS => InsertedAdmin::Full,
            true => InsertedAdmin::NameTaken,
            false => InsertedAdmin::Stored,
        }
    } else {
        let stored = app
            .store
            .insert_admin(&row, &totp, invitation, locked, &deed);
        stored.await.map_err(failed)?
    };
    match stored {
        InsertedAdmin::Stored => {}
        InsertedAdmin::NameTaken => {
            let detail = format!("'{}' is there; remove them to invite them again", row.name);
            return Err(Problem::new(Kind::Conflict, detail));
        }
        InsertedAdmin::Full => {
            let detail = format!("there are {ADMINS} administrators; remove one");
            return Err(Problem::new(Kind::Conflict, detail));
        }
    }
    if !dry {
        tracing::info!(name = row.name, role = %row.role, by = row.created_by, "administrator invited");
    }
    Ok(Invitation {
        view: AdminView::of(row),
        invitation: (!dry).then(|| token.written().expose().clone()),
    })
}

/// How an administrator is removed.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HowToRemove {
    /// Checks and answers as if it were done, and changes nothing; default false.
    #[serde(default)]
    dry_run: bool,
    /// Only one who has not taken the invitation yet: 409 when they have; default false.
    #[serde(default)]
    invited: bool,
}

async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<HowToRemove>, QueryRejection>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let active = || {
        let detail = format!("'{name}' has taken the invitation");
        Problem::new(Kind::Conflict, detail)
    };
    let missing = || {
        let detail = format!("there is no administrator '{name}'");
        Problem::new(Kind::NotFound, detail)
    };
    let known = match admin::is_name(&name) {
        true => app.store.fetch_admin_secrets(&name).await.map_err(failed)?,
        false => None,
    };
    let was = known.ok_or_else(missing)?;
    if how.invited && was.password.is_some() {
        return Err(active());
    }
    if how.dry_run {
        return Ok(StatusCode::NO_CONTENT);
    }
    let before = json!({ "role": was.role, "active": was.password.is_some() });
    let target = format!("admin {name}");
    let deed = caller.deed("admin.remove", target, &json!({ "before": before }));
    let removed = app.store.delete_admin(&name, how.invited, &deed);
    if !removed.await.map_err(failed)? {
        // Between the look and the deed.
        let there = app.store.fetch_admin_secrets(&name).await.map_err(failed)?;
        return Err(there.map_or_else(missing, |_| active()));
    }
    tracing::info!(name, by = caller.author(), "administrator removed");
    Ok(StatusCode::NO_CONTENT)
}

async fn take(
    State(app): State<Arc<App>>,
    Extension(from): Extension<From>,
    DryRun(dry): DryRun,
    taken: Result<Json<Take>, JsonRejection>,
) -> Result<Json<Taken>, Problem> {
    let Json(taken) = taken.map_err(|error| refused(&error))?;
    let now_ms = now_ms();
    let known = match admin::is_name(&taken.name) {
        true => app.store.fetch_admin_secrets(&taken.name).await,
        false => Ok(None),
    };
    let known = known.map_err(failed)?;
    let token = Token::read(taken.invitation.expose());
    let known = known.zip(token).filter(|(known, token)| {
        known.invited_until_ms > now_ms
            && known
                .invitation
                .is_some_and(|(id, hash)| id == token.id() && token.is(&hash))
    });
    let Some((known, token)) = known else {
        // It cannot be guessed: only who comes with a bad one waits, not who has the name.
        let detail = "the invitation is none, was taken, or is past its end";
        let problem = Problem::new(Kind::Unauthenticated, detail);
        return Err(Guest::unnamed(from).refused(&app, problem, now_ms).await);
    };
    let through = known.integration.as_deref();
    let passcode = taken.passcode.or_else(|| through.map(|_| String::new()));
    let (Some(password), Some(passcode)) = (taken.password, passcode) else {
        let mut totp_secret = None;
        if !dry && through.is_none() {
            // Another each time: whoever asked before has a copy that is good for nothing.
            let totp = admin::make_totp().map_err(|error| Problem::internal(&error))?;
            let (name, id) = (&taken.name, token.id());
            let kept = app.store.update_invited_totp(name, id, &totp).await;
            if !kept.map_err(failed)? {
                return Err(over());
            }
            tracing::info!(name, from = %from.0, "secret of passcodes told");
            totp_secret = Some(data_encoding::BASE32_NOPAD.encode(&totp));
        }
        return Ok(Json(Taken {
            totp_secret,
            integration: known.integration,
            active: false,
        }));
    };
    let mut errors = Vec::new();
    let mut wrong = |path: &str, message: &str| {
        errors.push(FieldError {
            path: path.to_owned(),
            message: message.to_owned(),
        });
    };
    if let Some(fault) = admin::fault(&password, &taken.name) {
        wrong("password", fault);
    }
    let step = match through {
        None => admin::step(&known.totp, &passcode, now_ms),
        Some(_) => Some(0),
    };
    if step.is_none() {
        wrong("passcode", "is not the present one; is the clock right?");
    }
    let Some(step) = step.filter(|_| errors.is_empty()) else {
        return Err(Problem::invalid(errors));
    };
    if let Some(through) = through {
        let asked = (through, admin_factor::typed(&passcode)?);
        admin_factor::ask(&app, &Guest::unnamed(from), &taken.name, asked, dry).await?;
    }
    let done = Taken {
        totp_secret: None,
        integration: known.integration,
        active: true,
    };
    if dry {
        return Ok(Json(done));
    }
    let place = hashing(&app).await?;
    let hash = spawn_blocking(move || {
        let _place = place;
        admin::hash(&password)
    });
    let hash = hash.await.map_err(|error| Problem::internal(&error))?;
    let hash = hash.map_err(|error| Problem::internal(&error))?;
    let (name, id) = (&taken.name, token.id());
    let deed = Deed {
        // A person may have taken a while.
        at_ms: self::now_ms(),
        actor: format!("admin {name}"),
        source: from.0.to_canonical().to_string(),
        action: "admin.activate".to_owned(),
        target: format!("admin {name}"),
        detail: json!({ "role": known.role, "integration": done.integration }).to_string(),
    };
    // The passcode that was shown here is good for nothing more.
    let known = (hash.as_str(), known.totp.as_slice(), step);
    if !app
        .store
        .activate_admin(name, id, known, &deed)
        .await
        .map_err(failed)?
    {
        return Err(over());
    }
    tracing::info!(name, from = %from.0, "invitation taken");
    Ok(Json(done))
}

fn over() -> Problem {
    Problem::new(
        Kind::Conflict,
        "the invitation was taken meanwhile, or is of a set-up link that is over",
    )
}

const ORDERS: Orders<AdminView> = &[
    ("name", |one| one.name.clone()),
    ("role", |one| padded(one.role as u8)),
    ("created_at_ms", |one| padded(one.created_at_ms)),
];
const INVITED_MS: u64 = 24 * 60 * 60 * 1_000;
