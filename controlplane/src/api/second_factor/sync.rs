//! Users of a directory: a node lists them, since it has the way there, and the service takes them in.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::routing::post;
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::command::{Command, ListPeople, ListedPeople, Outcome};
use proto::config::raw::AuthenticatorKind;
use proto::dn::comparable;
use proto::second_factor::{FailedSync, SyncDirectory, SyncUsers, UserChanges};
use serde_json::{Value, json};

use super::super::checks::not_done;
use super::super::extract::{DryRun, HowToTry};
use super::super::logins::best;
use super::super::openapi::Api;
use super::super::problem::{FieldError, Kind, Problem};
use super::super::tokens::refused;
use super::{Asks, many};
use crate::app::App;

/// Its route.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/second-factor/sync", post(sync))
}

/// What the OpenAPI document says of it.
pub(super) fn document(api: &mut Api) {
    let path = "/second-factor/sync";
    api.route(&Method::POST, path, "syncUsers", "Users: of a directory")
        .about(
            "A node that serves the section lists the people, and those here are brought in line with \
             them: what is not possible is left out, and `refused` has it. Look at what would be done \
             first, by `dry_run`. It takes up to five minutes.",
        )
        .query::<HowToTry>()
        .body::<SyncDirectory>()
        .answers::<UserChanges>(StatusCode::OK, "What became of it, or would.")
        .problems(&[Kind::Conflict]);
}

async fn sync(
    asks: Asks,
    DryRun(dry): DryRun,
    asked: Result<Json<SyncDirectory>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    checked(&asks.app, &asked)?;
    // Nobody is listed for nothing.
    asks.read("/status").await?;
    let listed = match asked.forget {
        true => ListedPeople::default(),
        false => match list(&asks, &asked).await {
            Ok(listed) => listed,
            Err(problem) => return Err(noted(&asks, &asked, problem, dry).await),
        },
    };
    let (people, nameless) = (listed.people.len(), listed.nameless);
    let wanted = wanted(&asked, listed, dry);
    let body = serde_json::to_value(&wanted).map_err(|error| Problem::internal(&error))?;
    let deed = many::Deed {
        path: "/users/sync",
        body,
        dry,
        action: "second-factor.users.sync",
        target: format!("users of {}", asked.ad_client),
        detail: json!({
            "source": wanted.source, "group": wanted.group, "missing": wanted.missing,
            "forget": wanted.forget, "force": wanted.force, "take_over": wanted.take_over, "people": people,
            "nameless": nameless,
        }),
        known: json!({ "nameless": nameless }),
        conflicts_midway: false,
    };
    many::done(&asks, deed).await.map(Json)
}

/// Has the service note that a list could not be asked for, where that was meant.
async fn noted(asks: &Asks, asked: &SyncDirectory, problem: Problem, dry: bool) -> Problem {
    if !dry {
        let why = problem.detail().to_owned();
        let failed = FailedSync {
            source: source(asked),
            why,
        };
        // Whoever asked is told all the same.
        if let Ok(body) = serde_json::to_value(&failed)
            && let Err(unnoted) = asks.post("/users/sync/failed", &body).await
        {
            tracing::warn!(
                why = unnoted.detail(),
                "a synchronization that failed is not noted"
            );
        }
    }
    problem
}

/// What tells the list from others, however its name is written.
fn source(asked: &SyncDirectory) -> String {
    let id = &asked.ad_client;
    match &asked.group_dn {
        Some(dn) => format!("{id}/{}", comparable(dn)),
        None => id.clone(),
    }
}

fn checked(app: &App, asked: &SyncDirectory) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let mut wrong = |path: &str, message: String| {
        errors.push(FieldError {
            path: path.to_owned(),
            message,
        });
    };
    let newest = app.newest();
    let directories = newest.authenticators.iter();
    let directories: Vec<&str> = directories
        .filter(|one| matches!(one.kind, AuthenticatorKind::Ad(_)))
        .map(|one| one.id.as_str())
        .collect();
    if !asked.forget && !directories.contains(&asked.ad_client.as_str()) {
        wrong(
            "ad_client",
            match &directories[..] {
                [] => "there is no section ad_client".to_owned(),
                known => format!("is one of {}", known.join(", ")),
            },
        );
    }
    if let Some(dn) = &asked.group_dn
        && (!dn.contains('=') || dn.chars().count() > DN_CHARACTERS)
    {
        let message =
            format!("is the whole name of a group, cn=…,dc=…, at most {DN_CHARACTERS} characters");
        wrong("group_dn", message);
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Problem::invalid(errors)),
    }
}

/// Has a node list people.
async fn list(asks: &Asks, asked: &SyncDirectory) -> Result<ListedPeople, Problem> {
    let app = &asks.app;
    let node = best(app).ok_or_else(|| {
        let detail = "no node that is connected here can list the people of a directory";
        Problem::new(Kind::Unavailable, detail)
    })?;
    let list = Box::new(ListPeople {
        directory: asked.ad_client.clone(),
        group_dn: asked.group_dn.clone(),
        by: asks.caller.author(),
    });
    match app.nodes.command(&node, Command::List { list }).await {
        Ok(Outcome::Listed { listed }) => Ok(*listed),
        outcome => Err(not_done(&node, outcome)),
    }
}

/// What the service is asked for.
fn wanted(asked: &SyncDirectory, listed: ListedPeople, dry_run: bool) -> SyncUsers {
    let mut entries = listed.people;
    if !asked.phones {
        for entry in &mut entries {
            entry.number.clear();
        }
    }
    let id = &asked.ad_client;
    SyncUsers {
        directory: id.clone(),
        source: source(asked),
        group: asked.group.clone(),
        entries,
        missing: asked.missing,
        force: asked.force,
        take_over: asked.take_over,
        forget: asked.forget,
        dry_run,
    }
}

/// A source has 256 characters at the most, with the section's name.
const DN_CHARACTERS: usize = 200;

#[cfg(test)]
mod tests {
    use proto::second_factor::{DirectoryUser, WhenMissing};

    use super::*;

    #[test]
    fn a_number_makes_no_phone_unless_that_is_wanted() {
        for (phones, group_dn, want) in [
            (
                false,
                Some(" CN=VPN, DC=Example "),
                ("ad_client2/cn=vpn,dc=example", ""),
            ),
            (true, None, ("ad_client2", "+1 555 0100")),
        ] {
            let asked = SyncDirectory {
                ad_client: "ad_client2".to_owned(),
                group_dn: group_dn.map(str::to_owned),
                group: None,
                missing: WhenMissing::Keep,
                phones,
                force: false,
                take_over: false,
                forget: false,
            };
            let listed = ListedPeople {
                people: vec![DirectoryUser {
                    name: "alice".to_owned(),
                    number: "+1 555 0100".to_owned(),
                    ..DirectoryUser::default()
                }],
                ..ListedPeople::default()
            };
            let got = wanted(&asked, listed, true);
            assert_eq!((&*got.source, &*got.entries[0].number), want);
            assert!(got.dry_run);
        }
    }
}
