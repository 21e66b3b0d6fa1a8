//! Applications: pairs of keys, made and deleted.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::refusal::Refusal;
use super::{Answered, Control, Try};
use crate::account::Application as StoredApplication;
use crate::admin::{Application, ApplicationSummary, Done, NewApplication};
use crate::store::Attempt;

/// Those of applications.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/applications", get(all).post(open))
        .route("/applications/{name}/delete", post(delete))
}

async fn all(State(control): State<Control>) -> Json<Vec<ApplicationSummary>> {
    let all = control.service.applications();
    Json(all.iter().map(|found| summary(found)).collect())
}

fn summary(found: &StoredApplication) -> ApplicationSummary {
    ApplicationSummary {
        name: found.name.to_string(),
        ikey: found.ikey.to_string(),
        new_user_policy: found.rules.new_user_policy,
        username_normalization: found.rules.username_normalization,
        open_enrollment: found.rules.open_enrollment,
    }
}

async fn open(
    State(control): State<Control>,
    Query(try_it): Query<Try>,
    Json(wanted): Json<NewApplication>,
) -> Result<Response, Refusal> {
    let characters = wanted.name.chars().count();
    if !(1..=128).contains(&characters) || wanted.name.chars().any(char::is_control) {
        return Err(Refusal::Invalid(
            "an application's name has 1 to 128 characters, none of them a control character"
                .to_owned(),
        ));
    }
    if wanted.must_be_new && wanted.name.trim() != wanted.name {
        return Err(Refusal::Invalid(
            "an application's name has no blanks around it".to_owned(),
        ));
    }
    // A section that is configured later would be given the keys of that other client.
    if wanted.must_be_new && wanted.name.to_ascii_lowercase().starts_with(SECTIONS) {
        return Err(Refusal::Invalid(format!(
            "names that begin with {SECTIONS} are those of sections of the configuration: choose another name"
        )));
    }
    if let Some(keys) = &wanted.keys {
        let good = |c: char| c.is_ascii_graphic() && c != ':';
        if !(1..=128).contains(&keys.ikey.len()) || !keys.ikey.chars().all(good) {
            return Err(Refusal::Invalid(
                "an integration key has 1 to 128 printable characters, without blanks and ':'"
                    .to_owned(),
            ));
        }
        if !(1..=256).contains(&keys.skey.expose().chars().count()) {
            return Err(Refusal::Invalid(
                "a secret key has 1 to 256 characters".to_owned(),
            ));
        }
    }
    let known = control.service.applications();
    let there = known.iter().any(|found| *found.name == *wanted.name);
    if wanted.must_be_new && there {
        return Err(Refusal::Conflict(
            "there is an application of that name already; its keys are not shown again: choose another \
             name, or delete it first",
        ));
    }
    if known.len() >= MAX_APPLICATIONS && !there {
        return Err(Refusal::Conflict("there are 10,000 applications already"));
    }
    let service = &control.service;
    let attempt = try_it.attempt();
    let found = service.open_application(&wanted, attempt).await?;
    if attempt == Attempt::Tried {
        return Ok(Json(summary(&found)).into_response());
    }
    // The certificate names every address listened on, but none can call 0.0.0.0.
    let host = match control.address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    let application = Application {
        name: found.name.to_string(),
        ikey: found.ikey.to_string(),
        skey: found.skey.clone(),
        host,
        port: control.address.port(),
        ca_pem: service.ca_pem.clone(),
        names: service.leaf.names().to_vec(),
    };
    Ok(Json(application).into_response())
}

async fn delete(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    let service = &control.service;
    let there = match try_it.attempt() {
        Attempt::Real => service.delete_application(&name).await?,
        Attempt::Tried => service.new_users_at(&name).is_some(),
    };
    match there {
        true => Ok(Json(Done {})),
        false => Err(Refusal::Missing("application")),
    }
}

/// What the sections begin with that have applications.
const SECTIONS: &str = "radius_server_";
const MAX_APPLICATIONS: usize = 10_000;
