//! Enrollments as an administrator has them: made for one or many, listed, taken back. And the names of
//! devices.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use proto::secret::Secret;
use serde::Deserialize;

use super::refusal::Refusal;
use super::{Answered, Control, Try, find, user_of};
use crate::account::{Account, lookup_key};
use crate::admin::{
    ChangeDevice, Done, Enrollment, InviteUsers, InvitedUser, InvitedUsers, NewEnrollment,
    RefusedUser, User, UserStatus, UsernameNormalization, WaitingEnrollment, WaitingEnrollments,
};
use crate::outbound::Message;
use crate::service::{Begun, Enrollee};
use crate::store::{Attempt, WaitingActivation};

/// What is served here.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/users/{name}/enroll", post(enroll))
        .route("/users/{name}/devices/{id}", post(change_device))
        .route(
            "/enrollments",
            get(waiting)
                .post(invite)
                .layer(DefaultBodyLimit::max(NAMES_OCTETS)),
        )
        .route("/enrollments/{id}/delete", post(delete))
}

async fn enroll(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
    Json(new): Json<NewEnrollment>,
) -> Answered<Option<Enrollment>> {
    let account = find(&control, &name).await?;
    let life = life(new.valid_seconds.unwrap_or(DAY_SECONDS))?;
    if new.by_email {
        may_mail(&control, &account)?;
    }
    if try_it.attempt() == Attempt::Tried {
        return Ok(Json(None));
    }
    let begun = control
        .service
        .begin_enrollment(by_invitation(&account), life)
        .await?;
    if new.by_email {
        control.service.mail(&account, invitation(&begun))?;
    }
    Ok(Json(Some(Enrollment {
        url: Secret::new(begun.url),
        expires_at: begun.expires_at_s,
    })))
}

async fn change_device(
    State(control): State<Control>,
    Path((name, id)): Path<(String, String)>,
    Query(try_it): Query<Try>,
    Json(change): Json<ChangeDevice>,
) -> Answered<User> {
    let account = find(&control, &name).await?;
    let attempt = try_it.attempt();
    if !account.devices.iter().any(|device| *device.id == *id) {
        return Err(Refusal::Missing("device"));
    }
    if let Some(new) = &change.name
        && !control
            .service
            .rename_device(&account, &id, new, attempt)
            .await?
    {
        return Err(Refusal::Missing("device"));
    }
    if attempt == Attempt::Tried {
        let mut user = user_of(&account);
        let mut devices = user.devices.iter_mut();
        if let (Some(device), Some(new)) = (devices.find(|one| one.id == id), change.name) {
            device.name = new;
        }
        return Ok(Json(user));
    }
    Ok(Json(user_of(&find(&control, &name).await?)))
}

#[derive(Deserialize)]
struct Paging {
    after: Option<String>,
    limit: Option<u32>,
}

async fn waiting(
    State(control): State<Control>,
    Query(paging): Query<Paging>,
) -> Answered<WaitingEnrollments> {
    let limit = paging.limit.unwrap_or(100).clamp(1, 500);
    let after = paging.after.as_deref();
    // One more than is shown says whether there is a next page.
    let found = control
        .service
        .waiting_enrollments(after, limit + 1)
        .await?;
    let mut found = found.ok_or(Refusal::Missing(
        "enrollment to go on behind; begin again at the first page",
    ))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(Json(WaitingEnrollments {
        next: found.last().filter(|_| more).map(|last| last.id.clone()),
        enrollments: found.into_iter().map(shown).collect(),
    }))
}

async fn delete(
    State(control): State<Control>,
    Path(id): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    let store = &control.service.store;
    match store.delete_activation(&id, try_it.attempt()).await? {
        true => Ok(Json(Done {})),
        false => Err(Refusal::Missing("enrollment that waits")),
    }
}

async fn invite(
    State(control): State<Control>,
    Query(try_it): Query<Try>,
    Json(new): Json<InviteUsers>,
) -> Answered<InvitedUsers> {
    let life = life(new.valid_seconds.unwrap_or(7 * DAY_SECONDS))?;
    if new.by_email && !control.service.has_mail() {
        return Err(no_mail());
    }
    let names = match (new.users.is_empty(), &new.group) {
        (true, None) => {
            return Err(Refusal::Invalid(
                "say whom to invite: users, or a group".to_owned(),
            ));
        }
        (false, Some(_)) => {
            return Err(Refusal::Invalid(
                "invite either users or a group, not both at once".to_owned(),
            ));
        }
        (false, None) if new.users.len() > MAX_NAMED => {
            return Err(Refusal::Invalid(
                "at most 1,000 users are named at once".to_owned(),
            ));
        }
        (false, None) => new.users,
        (true, Some(group)) => members(&control, group).await?,
    };
    let (mut accounts, mut refused, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for name in names {
        let lookup = lookup_key(&name, UsernameNormalization::None);
        let why = match control.service.store.account(&lookup).await? {
            None => "there is no such user",
            Some(account) if !seen.insert(account.id.clone()) => "named twice",
            Some(account) => match account.status {
                UserStatus::Disabled => "is disabled",
                UserStatus::LockedOut => "is locked out",
                _ if new.by_email && control.service.mail_address(&account).is_none() => {
                    "has no e-mail address"
                }
                UserStatus::Active | UserStatus::Bypass => {
                    accounts.push(account);
                    continue;
                }
            },
        };
        refused.push(RefusedUser {
            line: None,
            name,
            why: why.to_owned(),
        });
    }
    if try_it.attempt() == Attempt::Tried {
        return Ok(Json(InvitedUsers {
            invited: Vec::new(),
            refused,
        }));
    }
    let of: Vec<_> = accounts.iter().map(by_invitation).collect();
    let begun = control.service.begin_enrollments(&of, life).await?;
    let invited = accounts.iter().zip(begun);
    let invited = invited.map(|(account, begun)| {
        // What does not go out is shown, to be passed on.
        let mail = || control.service.mail(account, invitation(&begun)).is_ok();
        let told = new.by_email && mail();
        InvitedUser {
            user: account.name.clone(),
            until: begun.expires_at_s,
            url: (!told).then(|| Secret::new(begun.url)),
        }
    });
    Ok(Json(InvitedUsers {
        invited: invited.collect(),
        refused,
    }))
}

/// Those of a group who have set up no device.
async fn members(control: &Control, group: &str) -> Result<Vec<String>, Refusal> {
    let group = lookup_key(group, UsernameNormalization::None);
    let most = u32::try_from(MAX_MEMBERS).unwrap_or(u32::MAX);
    let store = &control.service.store;
    let reach = control.service.reach_of();
    let members = store.members_to_invite(&group, reach, most + 1).await?;
    if members.is_empty() && !store.has_members(&group).await? {
        return Err(Refusal::Missing("group with somebody in it"));
    }
    if members.len() > MAX_MEMBERS {
        return Err(Refusal::Conflict(
            "more than 5,000 users of that group have no device: invite them by name, 1,000 at once",
        ));
    }
    Ok(members)
}

/// An administrator's may add to what a user has.
fn by_invitation(account: &Account) -> Enrollee<'_> {
    Enrollee {
        name: &account.name,
        user_id: Some(&account.id),
        may_add: true,
        signed_in_at_ms: None,
    }
}

fn life(seconds: u32) -> Result<Duration, Refusal> {
    if !(1..=30 * DAY_SECONDS).contains(&seconds) {
        return Err(Refusal::Invalid(
            "an enrollment lives 1 second to 30 days".to_owned(),
        ));
    }
    Ok(Duration::from_secs(seconds.into()))
}

/// Whether an invitation can be mailed to a user.
fn may_mail(control: &Control, account: &Account) -> Result<(), Refusal> {
    if !control.service.has_mail() {
        return Err(no_mail());
    }
    match control.service.mail_address(account) {
        Some(_) => Ok(()),
        None => Err(Refusal::Conflict(
            "that user has no e-mail address; ask without by_email, and pass the address on",
        )),
    }
}

fn no_mail() -> Refusal {
    Refusal::Conflict(
        "there is no SMTP server to send invitations by; ask without by_email, and pass the addresses \
         on",
    )
}

fn invitation(begun: &Begun) -> Message<'_> {
    Message::Invitation {
        url: &begun.url,
        until_ms: begun.expires_at_s.saturating_mul(1_000),
    }
}

fn shown(found: WaitingActivation) -> WaitingEnrollment {
    WaitingEnrollment {
        id: found.id,
        user: found.user_name,
        invited: found.may_add,
        since: found.since_ms / 1_000,
        until: found.until_ms / 1_000,
    }
}

const DAY_SECONDS: u32 = 86_400;
const MAX_NAMED: usize = 1_000;
/// As many names, each as long as one may be.
const NAMES_OCTETS: usize = 2 * 1024 * 1024;
const MAX_MEMBERS: usize = 5_000;
