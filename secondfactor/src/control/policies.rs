//! Policies, what is remembered of approvals, and incidents.

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::refusal::Refusal;
use super::{Answered, Control, Try, find};
use crate::account::lookup_key;
use crate::admin::{
    Done, EffectivePolicy, IncidentKind, Incidents, NewUserPolicy, PolicyScope, RememberedPage,
    ScopedPolicy, SetPolicy, UsernameNormalization,
};
use crate::clock;
use crate::service::{Checked, PolicyError, Pushing, Shows, Streak, pushing};
use crate::store::{Attempt, WhichIncidents};

/// Those of policies, remembered approvals and incidents.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/policies", get(policies))
        .route("/policies/default", post(set_default))
        .route("/policies/default/delete", post(delete_default))
        .route("/policies/applications/{name}", post(set_application))
        .route(
            "/policies/applications/{name}/delete",
            post(delete_application),
        )
        .route("/policies/groups/{name}", post(set_group))
        .route("/policies/groups/{name}/delete", post(delete_group))
        .route("/users/{name}/policy", get(effective))
        .route("/users/{name}/remembered/delete", post(forget_all))
        .route("/remembered", get(remembered))
        .route("/remembered/{id}/delete", post(forget))
        .route("/incidents", get(incidents))
}

async fn policies(State(control): State<Control>) -> Json<Vec<ScopedPolicy>> {
    Json(control.service.policies().list())
}

async fn set_default(
    State(control): State<Control>,
    Query(try_it): Query<Try>,
    Json(new): Json<SetPolicy>,
) -> Answered<ScopedPolicy> {
    set(
        &control,
        (PolicyScope::Default, String::new()),
        new,
        &try_it,
    )
    .await
}

async fn set_application(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
    Json(new): Json<SetPolicy>,
) -> Answered<ScopedPolicy> {
    if control.service.new_users_at(&name).is_none() {
        return Err(Refusal::Missing("application"));
    }
    set(&control, (PolicyScope::Application, name), new, &try_it).await
}

async fn set_group(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
    Json(new): Json<SetPolicy>,
) -> Answered<ScopedPolicy> {
    let characters = name.chars().count();
    if !(1..=128).contains(&characters)
        || name.trim().is_empty()
        || name.chars().any(char::is_control)
    {
        return Err(Refusal::Invalid(
            "a group's name has 1 to 128 characters, none of them a control character".to_owned(),
        ));
    }
    set(&control, (PolicyScope::Group, name), new, &try_it).await
}

async fn set(
    control: &Control,
    (scope, name): (PolicyScope, String),
    new: SetPolicy,
    try_it: &Try,
) -> Answered<ScopedPolicy> {
    match (scope, new.rank) {
        (PolicyScope::Group, Some(rank)) if rank > 1_000 => {
            return Err(Refusal::Invalid(format!(
                "rank is 0 to 1000, and {rank} was given"
            )));
        }
        (PolicyScope::Default | PolicyScope::Application, Some(1..)) => {
            return Err(Refusal::Invalid(
                "rank is for the policy of a group; leave it out here".to_owned(),
            ));
        }
        _ => {}
    }
    let checked = Checked::new(new.policy.clone()).map_err(Refusal::Invalid)?;
    let policy = ScopedPolicy {
        scope,
        name,
        rank: 0,
        policy: new.policy,
    };
    let lookup = key(scope, &policy.name);
    let set = match try_it.attempt() {
        Attempt::Tried => control.service.would_set(&lookup, policy, new.rank),
        Attempt::Real => {
            let policy = (policy, checked);
            control.service.set_policy(&lookup, policy, new.rank).await
        }
    };
    match set {
        Ok(policy) => Ok(Json(policy)),
        Err(PolicyError::Full) => Err(Refusal::Conflict(
            "there are 1,000 policies already; delete one that nobody needs",
        )),
        Err(PolicyError::NoApplication) => Err(Refusal::Missing("application")),
        Err(PolicyError::Store(error)) => Err(error.into()),
    }
}

async fn delete_default(
    State(control): State<Control>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    delete(&control, (PolicyScope::Default, ""), &try_it).await
}

async fn delete_application(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    delete(&control, (PolicyScope::Application, &name), &try_it).await
}

async fn delete_group(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    delete(&control, (PolicyScope::Group, &name), &try_it).await
}

async fn delete(
    control: &Control,
    (scope, name): (PolicyScope, &str),
    try_it: &Try,
) -> Answered<Done> {
    let lookup = key(scope, name);
    let service = &control.service;
    let deleted = service.delete_policy(scope, &lookup, try_it.attempt());
    match deleted.await? {
        true => Ok(Json(Done {})),
        false => Err(Refusal::Missing("policy")),
    }
}

/// What a policy is found by.
fn key(scope: PolicyScope, name: &str) -> String {
    match scope {
        PolicyScope::Default => String::new(),
        PolicyScope::Application => name.to_owned(),
        PolicyScope::Group => lookup_key(name, UsernameNormalization::None),
    }
}

#[derive(Deserialize)]
struct At {
    application: Option<String>,
}

async fn effective(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(at): Query<At>,
) -> Answered<EffectivePolicy> {
    let account = find(&control, &name).await?;
    let service = &control.service;
    let application = at.application.as_deref();
    let new_users = match application {
        Some(name) => service
            .new_users_at(name)
            .ok_or(Refusal::Missing("application"))?,
        None => NewUserPolicy::Enroll,
    };
    let policies = service.policies();
    let groups = &account.groups;
    let (policy, from) = policies.explain(application, groups, new_users);
    let conditions = policies.conditions(application.unwrap_or_default(), groups, new_users);
    let (streak, now_ms) = (Streak::of(&account), clock::unix_ms());
    let row = (streak, service.open_pushes_of(&account.id));
    let next = pushing(&conditions, row, now_ms, Shows::Numbers);
    Ok(Json(EffectivePolicy {
        policy,
        from,
        unanswered_pushes: streak.counting(&conditions, now_ms),
        number_matching_now: next == Pushing::Numbered,
    }))
}

#[derive(Deserialize)]
struct WhichRemembered {
    user: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

async fn remembered(
    State(control): State<Control>,
    Query(which): Query<WhichRemembered>,
) -> Answered<RememberedPage> {
    let user = match &which.user {
        Some(name) => Some(find(&control, name).await?.id),
        None => None,
    };
    let limit = which.limit.unwrap_or(100).clamp(1, 500);
    let page = (clock::unix_ms(), limit + 1);
    let store = &control.service.store;
    let found = store
        .list_remembered(user.as_deref(), which.after.as_deref(), page)
        .await?;
    let mut remembered = found.ok_or(Refusal::Missing(
        "remembered approval to go on behind; begin again at the first page",
    ))?;
    let more = cut(&mut remembered, limit);
    let last = remembered.last().filter(|_| more);
    Ok(Json(RememberedPage {
        next: last.map(|last| last.id.clone()),
        remembered,
    }))
}

async fn forget(
    State(control): State<Control>,
    Path(id): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    let store = &control.service.store;
    match store.forget_remembered(&id, try_it.attempt()).await? {
        true => Ok(Json(Done {})),
        false => Err(Refusal::Missing("remembered approval")),
    }
}

async fn forget_all(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    let account = find(&control, &name).await?;
    if try_it.attempt() == Attempt::Real {
        let store = &control.service.store;
        store.forget_remembered_of(&account.id).await?;
    }
    Ok(Json(Done {}))
}

#[derive(Deserialize)]
struct Which {
    before: Option<u64>,
    limit: Option<u32>,
    kind: Option<String>,
    user: Option<String>,
}

async fn incidents(
    State(control): State<Control>,
    Query(which): Query<Which>,
) -> Answered<Incidents> {
    let kind = match which.kind.as_deref() {
        None | Some("") => None,
        Some(word) => Some(IncidentKind::from_name(word).ok_or_else(|| {
            let known = IncidentKind::ALL.iter().map(|kind| kind.as_str());
            let known: Vec<_> = known.collect();
            Refusal::Invalid(format!("kind is one of {}", known.join(", ")))
        })?),
    };
    // Of a user who is there, whatever the case; of one who is gone, as it was written.
    let store = &control.service.store;
    let user = match &which.user {
        None => None,
        Some(name) => {
            let lookup = lookup_key(name, UsernameNormalization::None);
            let found = store.account(&lookup).await?;
            Some(found.map_or_else(|| name.clone(), |account| account.name))
        }
    };
    let limit = which.limit.unwrap_or(100).clamp(1, 500);
    let which = WhichIncidents {
        before: which.before,
        kind,
        user: user.as_deref(),
    };
    let mut incidents = store.incidents(which, limit + 1).await?;
    let more = cut(&mut incidents, limit);
    Ok(Json(Incidents {
        next: incidents.last().filter(|_| more).map(|last| last.id),
        incidents,
    }))
}

/// Cuts what was asked for with one more than is shown, which says whether there is a next page.
fn cut<T>(all: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = all.len() > limit;
    all.truncate(limit);
    more
}
