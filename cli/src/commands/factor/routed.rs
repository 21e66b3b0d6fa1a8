//! Where the REST API has what the second factor's admin socket does: what is changed from the command line
//! goes that way, and is in the audit.

use http::Method;
use local::CallError;
use serde_json::Value;

use crate::commands::problem;
use crate::failure::Failure;

/// A request of the REST API.
#[derive(Debug, PartialEq)]
pub(super) struct Routed {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
}

/// What to ask for there, in place of a `POST` of a document to a path of the admin socket.
pub(super) fn of(path: &str, mut body: Value) -> Routed {
    let dry_run = taken(&mut body, "dry_run") == Value::Bool(true);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (method, path) = match *parts.as_slice() {
        ["users", "import"] => (Method::POST, "/import".to_owned()),
        ["tokens", "import"] => (Method::POST, "/tokens".to_owned()),
        ["applications"] if taken(&mut body, "must_be_new") == true => {
            (Method::POST, path.to_owned())
        }
        ["applications"] => {
            let name = taken(&mut body, "name");
            let name = super::encoded(name.as_str().unwrap_or_default());
            (Method::PATCH, format!("/applications/{name}"))
        }
        ["pushes", txid, answer] => (Method::POST, format!("/approvals/{txid}/{answer}")),
        [.., "delete"] => {
            let path = path.strip_suffix("/delete").unwrap_or(path);
            (Method::DELETE, path.to_owned())
        }
        ["policies", ..] => (Method::PUT, path.to_owned()),
        ["users", _] | ["users", _, "devices", _] | ["delivery"] => {
            (Method::PATCH, path.to_owned())
        }
        _ => (Method::POST, path.to_owned()),
    };
    let query = if dry_run { "?dry_run=true" } else { "" };
    Routed {
        method,
        path: format!("/api/v1/second-factor{path}{query}"),
        body,
    }
}

/// The API's own words.
pub(super) fn refused(error: CallError) -> Failure {
    problem::refused(error).into_plain()
}

fn taken(document: &mut Value, field: &str) -> Value {
    let fields = document.as_object_mut();
    let field = fields.and_then(|fields| fields.remove(field));
    field.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_change_has_its_route() {
        for (path, body, method, want, wanted) in [
            (
                "/users",
                json!({"name": "a"}),
                "POST",
                "/users",
                json!({"name": "a"}),
            ),
            (
                "/users/a%2Fb",
                json!({"status": "bypass"}),
                "PATCH",
                "/users/a%2Fb",
                json!({"status": "bypass"}),
            ),
            (
                "/users/%73%79%6E%63/delete",
                json!({}),
                "DELETE",
                "/users/%73%79%6E%63",
                json!({}),
            ),
            (
                "/users/a/lock",
                json!({}),
                "POST",
                "/users/a/lock",
                json!({}),
            ),
            (
                "/users/a/devices",
                json!({}),
                "POST",
                "/users/a/devices",
                json!({}),
            ),
            (
                "/users/a/devices/D",
                json!({}),
                "PATCH",
                "/users/a/devices/D",
                json!({}),
            ),
            (
                "/users/a/devices/D/delete",
                json!({}),
                "DELETE",
                "/users/a/devices/D",
                json!({}),
            ),
            (
                "/users/a/devices/D/resync",
                json!({}),
                "POST",
                "/users/a/devices/D/resync",
                json!({}),
            ),
            (
                "/users/a/remembered/delete",
                json!({}),
                "DELETE",
                "/users/a/remembered",
                json!({}),
            ),
            (
                "/users/import",
                json!({"csv": "x", "dry_run": true}),
                "POST",
                "/import?dry_run=true",
                json!({"csv": "x"}),
            ),
            (
                "/tokens/import",
                json!({"csv": "x", "dry_run": false}),
                "POST",
                "/tokens",
                json!({"csv": "x"}),
            ),
            (
                "/tokens/S/assign",
                json!({"user": "a"}),
                "POST",
                "/tokens/S/assign",
                json!({"user": "a"}),
            ),
            (
                "/tokens/S/delete",
                json!({}),
                "DELETE",
                "/tokens/S",
                json!({}),
            ),
            (
                "/pushes/t/fraud",
                json!({}),
                "POST",
                "/approvals/t/fraud",
                json!({}),
            ),
            (
                "/policies/default",
                json!({"policy": {}}),
                "PUT",
                "/policies/default",
                json!({"policy": {}}),
            ),
            (
                "/policies/groups/delete/delete",
                json!({}),
                "DELETE",
                "/policies/groups/delete",
                json!({}),
            ),
            (
                "/applications",
                json!({"name": "a b", "open_enrollment": true}),
                "PATCH",
                "/applications/a%20b",
                json!({"open_enrollment": true}),
            ),
            (
                "/applications",
                json!({"name": "a b", "must_be_new": true}),
                "POST",
                "/applications",
                json!({"name": "a b"}),
            ),
            (
                "/applications/a%20b/delete",
                json!({}),
                "DELETE",
                "/applications/a%20b",
                json!({}),
            ),
            (
                "/enrollments",
                json!({"group": "G"}),
                "POST",
                "/enrollments",
                json!({"group": "G"}),
            ),
            (
                "/enrollments/E/delete",
                json!({}),
                "DELETE",
                "/enrollments/E",
                json!({}),
            ),
            (
                "/remembered/R/delete",
                json!({}),
                "DELETE",
                "/remembered/R",
                json!({}),
            ),
            ("/delivery", json!({}), "PATCH", "/delivery", json!({})),
            (
                "/delivery/test",
                json!({}),
                "POST",
                "/delivery/test",
                json!({}),
            ),
        ] {
            let got = of(path, body);
            let want = format!("/api/v1/second-factor{want}");
            assert_eq!(
                (got.method.as_str(), got.path, got.body),
                (method, want, wanted),
                "{path}"
            );
        }
    }
}
