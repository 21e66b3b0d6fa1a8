//! Policies: what is asked of whom.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, put};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::{PolicyScope, ScopedPolicy, SetPolicy};
use serde_json::{Value, json};

use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::{AllOf, Asked, Asks, Deed, at, encoded, nothing, read, sent};
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    let policies = "/second-factor/policies";
    Router::new()
        .route(policies, get(all))
        .route(
            &format!("{policies}/default"),
            put(set_default).delete(delete_default),
        )
        .route(
            &format!("{policies}/applications/{{application}}"),
            put(set_of_application).delete(delete_of_application),
        )
        .route(
            &format!("{policies}/groups/{{group}}"),
            put(set_of_group).delete(delete_of_group),
        )
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let ok = StatusCode::OK;
    let path = "/second-factor/policies";
    api.route(&Method::GET, path, "listPolicies", "Policies")
        .about(
            "What a group says goes before what an application says, and that before the default.",
        )
        .answers::<AllOf<ScopedPolicy>>(ok, "All of them.")
        .problems(conflict);
    for (path, whose, scope) in [
        ("/second-factor/policies/default", "Default", "everybody"),
        (
            "/second-factor/policies/applications/{application}",
            "Application",
            "logins through one application",
        ),
        (
            "/second-factor/policies/groups/{group}",
            "Group",
            "members of one group",
        ),
    ] {
        let (id, summary) = (format!("set{whose}Policy"), format!("Policy: of {scope}"));
        api.route(&Method::PUT, path, id, summary)
            .about("It takes the place of the one that is there.")
            .query::<HowToTry>()
            .body::<SetPolicy>()
            .answers::<ScopedPolicy>(ok, "The policy.")
            .problems(conflict);
        let id = format!("delete{whose}Policy");
        let summary = format!("Policy: none of {scope}");
        api.route(&Method::DELETE, path, id, summary)
            .query::<HowToTry>()
            .answers_nothing("It is gone: what is wider holds.")
            .problems(&[Kind::Conflict, Kind::NotFound]);
    }
}

/// Whom a policy is for.
struct Whose {
    scope: PolicyScope,
    name: String,
}

impl Whose {
    fn path(&self) -> String {
        match self.scope {
            PolicyScope::Default => "/policies/default".to_owned(),
            PolicyScope::Application => {
                format!("/policies/applications/{}", encoded(&self.name))
            }
            PolicyScope::Group => format!("/policies/groups/{}", encoded(&self.name)),
        }
    }

    fn target(&self) -> String {
        format!("policy {} {}", self.scope.as_str(), self.name)
            .trim_end()
            .to_owned()
    }

    /// The one that is there.
    async fn now(&self, asks: &Asks) -> Result<Option<Value>, Problem> {
        let Value::Array(all) = asks.read("/policies").await? else {
            return Ok(None);
        };
        let same = |one: &Value| {
            let name = at(one, "/name").as_str().unwrap_or_default();
            let alike = match self.scope {
                PolicyScope::Group => name.to_lowercase() == self.name.trim().to_lowercase(),
                _ => name == self.name,
            };
            at(one, "/scope") == self.scope.as_str() && alike
        };
        Ok(all.into_iter().find(same))
    }

    async fn set(self, asks: &Asks, asked: Asked, dry: DryRun) -> Result<Json<Value>, Problem> {
        let asked = sent(asked)?;
        let before = self.now(asks).await?;
        let deed = Deed::new(self.path(), &asked, "policy.set", self.target());
        let detail = |after: &Value| json!({ "before": before, "after": after });
        asks.does(deed, dry, detail).await.map(Json)
    }

    async fn delete(self, asks: &Asks, dry: DryRun) -> Result<StatusCode, Problem> {
        let before = self.now(asks).await?;
        let path = format!("{}/delete", self.path());
        let nothing = nothing();
        let deed = Deed::new(path, &nothing, "policy.delete", self.target());
        asks.ends(deed, dry, &json!({ "before": before })).await
    }
}

const fn default() -> Whose {
    Whose {
        scope: PolicyScope::Default,
        name: String::new(),
    }
}

const fn of_application(name: String) -> Whose {
    Whose {
        scope: PolicyScope::Application,
        name,
    }
}

const fn of_group(name: String) -> Whose {
    Whose {
        scope: PolicyScope::Group,
        name,
    }
}

async fn all(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let policies = read(&app, "/policies").await?;
    Ok(Json(json!({ "items": policies })))
}

async fn set_default(asks: Asks, dry: DryRun, asked: Asked) -> Result<Json<Value>, Problem> {
    default().set(&asks, asked, dry).await
}

async fn delete_default(asks: Asks, dry: DryRun) -> Result<StatusCode, Problem> {
    default().delete(&asks, dry).await
}

async fn set_of_application(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    of_application(name).set(&asks, asked, dry).await
}

async fn delete_of_application(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    of_application(name).delete(&asks, dry).await
}

async fn set_of_group(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    of_group(name).set(&asks, asked, dry).await
}

async fn delete_of_group(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    of_group(name).delete(&asks, dry).await
}
