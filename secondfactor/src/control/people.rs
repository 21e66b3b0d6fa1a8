//! The routes of the admin socket for users by the many, how they are found, and locking them.

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::refusal::Refusal;
use super::{Answered, Control, Try, find, user_of};
use crate::account::{Account, lookup_key};
use crate::admin::{
    ChangeUser, Done, FailedSync, Group, ImportUsers, SyncUsers, User, UserChanges, UserQuery,
    UserStatus, UsernameNormalization, Users,
};
use crate::clock;
use crate::service::PeopleError;
use crate::store::Wanted;

/// Its routes.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route(
            "/users/import",
            post(import).layer(DefaultBodyLimit::max(IMPORT_OCTETS)),
        )
        .route(
            "/users/sync",
            post(sync).layer(DefaultBodyLimit::max(SYNC_OCTETS)),
        )
        .route("/users/sync/failed", post(sync_failed))
        .route("/users/{name}/lock", post(lock))
        .route("/users/{name}/unlock", post(unlock))
        .route("/groups", get(groups))
}

pub(super) async fn users(
    State(control): State<Control>,
    query: Result<Query<UserQuery>, QueryRejection>,
) -> Answered<Users> {
    let Query(query) = query.map_err(|error| Refusal::Invalid(error.body_text()))?;
    let key = |text: String| lookup_key(&text, UsernameNormalization::None);
    let limit = query.limit.unwrap_or(100).clamp(1, 500);
    let wanted = Wanted {
        after: key(query.after.unwrap_or_default()),
        // One more than is shown says whether there is a next page.
        limit: limit + 1,
        search: query.search.map(key).filter(|text| !text.is_empty()),
        status: query.status,
        group: query.group.map(key),
        now_ms: clock::unix_ms(),
    };
    let mut accounts = control.service.store.accounts(&wanted).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = accounts.len() > limit;
    accounts.truncate(limit);
    Ok(Json(Users {
        next: accounts
            .last()
            .filter(|_| more)
            .map(|last| last.name.clone()),
        users: accounts.iter().map(user_of).collect(),
    }))
}

async fn import(
    State(control): State<Control>,
    Json(import): Json<ImportUsers>,
) -> Answered<UserChanges> {
    Ok(Json(control.service.import_users(import).await?))
}

async fn sync(
    State(control): State<Control>,
    Json(sync): Json<SyncUsers>,
) -> Answered<UserChanges> {
    Ok(Json(control.service.sync_users(sync).await?))
}

async fn sync_failed(
    State(control): State<Control>,
    Json(failed): Json<FailedSync>,
) -> Answered<Done> {
    control.service.note_failed_sync(&failed).await?;
    Ok(Json(Done {}))
}

async fn groups(State(control): State<Control>) -> Answered<Vec<Group>> {
    Ok(Json(control.service.store.groups(SHOWN_GROUPS).await?))
}

async fn lock(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<User> {
    let account = find(&control, &name).await?;
    if account.status == UserStatus::Disabled {
        return Err(Refusal::Conflict(
            "that user is disabled, and refused already",
        ));
    }
    to_status(&control, account, UserStatus::LockedOut, &try_it).await
}

async fn unlock(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<User> {
    let account = find(&control, &name).await?;
    if !matches!(account.status, UserStatus::LockedOut | UserStatus::Active) {
        return Err(Refusal::Conflict("only a locked user can be unlocked"));
    }
    to_status(&control, account, UserStatus::Active, &try_it).await
}

async fn to_status(
    control: &Control,
    account: Account,
    status: UserStatus,
    try_it: &Try,
) -> Answered<User> {
    let change = ChangeUser {
        status: Some(status),
        ..ChangeUser::default()
    };
    let service = &control.service;
    let changed = service.change_user(account, change, try_it.attempt());
    Ok(Json(user_of(&changed.await?)))
}

/// What a user may do now, and until when without the second factor: a bypass that is over is none.
pub(super) fn status_now(account: &Account, now_ms: u64) -> (UserStatus, Option<u64>) {
    match (account.status, account.bypass_until_ms) {
        (UserStatus::Bypass, Some(until_ms)) if until_ms <= now_ms => (UserStatus::Active, None),
        (UserStatus::Bypass, until_ms) => (UserStatus::Bypass, until_ms.map(|ms| ms / 1_000)),
        (status, _) => (status, None),
    }
}

impl From<PeopleError> for Refusal {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Invalid(text) => Self::Invalid(text),
            PeopleError::Drastic(text) | PeopleError::Half(text) => Self::Drastic(text),
            PeopleError::Store(error) => error.into(),
        }
    }
}

/// A file of 4 MiB, written as JSON.
const IMPORT_OCTETS: usize = 16 * 1024 * 1024;
/// 100,000 entries of a directory.
const SYNC_OCTETS: usize = 64 * 1024 * 1024;
const SHOWN_GROUPS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bypass_ends_by_itself() {
        let account = |status, until| Account {
            status,
            bypass_until_ms: until,
            ..Account::new(String::new(), "alice")
        };
        for (status, until, want) in [
            (UserStatus::Bypass, None, (UserStatus::Bypass, None)),
            (
                UserStatus::Bypass,
                Some(5_001),
                (UserStatus::Bypass, Some(5)),
            ),
            (UserStatus::Bypass, Some(5_000), (UserStatus::Active, None)),
            (
                UserStatus::Disabled,
                Some(9_000),
                (UserStatus::Disabled, None),
            ),
        ] {
            assert_eq!(
                status_now(&account(status, until), 5_000),
                want,
                "{until:?}"
            );
        }
    }
}
