//! `?dry_run=true` of every write: all is checked, nothing is changed.

mod lab;
mod writes;

use std::collections::BTreeSet;

use controlplane::least_roles;
use serde_json::{Value, json};

use lab::{CHECKED, Lab, PASSWORD};

#[tokio::test]
async fn no_write_that_is_only_tried_changes_anything() {
    let lab = Lab::start().await;
    let writes = lab.writes();
    let tried: BTreeSet<(&str, String)> = writes
        .iter()
        .map(|(method, path, ..)| (*method, format!("/api/v1/{path}")))
        .collect();
    let table: BTreeSet<(&str, String)> = least_roles()
        .into_iter()
        .filter(|(method, ..)| *method != "GET")
        .map(|(method, path, _)| (method, path.to_owned()))
        .collect();
    assert_eq!(tried, table, "each write of the table is tried here");
    let before = lab.everything().await;
    let mut wrong = Vec::new();
    for (method, path, address, body, want) in writes {
        let address = format!("/api/v1/{address}?dry_run=true");
        let text = body.to_string();
        let answer = lab.plane.call(method, &address, &lab.cookie, &text).await;
        let shown = String::from_utf8_lossy(&answer.octets).into_owned();
        if answer.status != want {
            wrong.push(format!("{method} {path}: {} {shown}", answer.status));
        }
        for secret in ["cst_", "PLANTED"] {
            assert!(!shown.contains(secret), "{method} {path}: {shown}");
        }
        let after = lab.everything().await;
        assert_eq!(after, before, "{method} {path}");
        if want == 400 && !path.starts_with("config/") {
            assert!(shown.contains("dry_run"), "{method} {path}: {shown}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_is_only_tried_is_checked_as_if_it_were_done() {
    let lab = Lab::start().await;
    let mut wrong = Vec::new();
    let bob = |more: &Value| {
        let mut body = json!({"name": "bob", "invitation": lab.invitation});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body
    };
    for (method, address, body, status) in [
        (
            "POST",
            "tokens?dry_run=true",
            json!({"name": "a script", "role": "viewer"}),
            409,
        ),
        (
            "POST",
            "tokens?dry_run=true",
            json!({"name": " ", "role": "viewer"}),
            422,
        ),
        ("DELETE", "tokens/none?dry_run=true", Value::Null, 404),
        (
            "POST",
            "admins?dry_run=true",
            json!({"name": "bob", "role": "viewer"}),
            409,
        ),
        (
            "POST",
            "admins?dry_run=true",
            json!({"name": "c", "role": "viewer", "integration": "none"}),
            422,
        ),
        ("DELETE", "admins/none?dry_run=true", Value::Null, 404),
        (
            "POST",
            "invitation?dry_run=true",
            bob(&json!({"password": PASSWORD, "passcode": "x"})),
            422,
        ),
        (
            "POST",
            "invitation?dry_run=true",
            json!({"name": "bob", "invitation": "cst_none"}),
            401,
        ),
        (
            "POST",
            "join-tokens?dry_run=true",
            json!({"seconds": 0}),
            422,
        ),
        ("DELETE", "join-tokens/none?dry_run=true", Value::Null, 404),
        ("DELETE", "nodes/none?dry_run=true", Value::Null, 404),
        (
            "POST",
            "nodes/none/drain?dry_run=true",
            json!({"drain": true}),
            404,
        ),
        ("DELETE", "drafts/9?dry_run=true", Value::Null, 404),
        (
            "POST",
            "primary-only?dry_run=true",
            json!({"integration": CHECKED, "seconds": 0, "reason": "x"}),
            400,
        ),
        (
            "POST",
            "primary-only?dry_run=true",
            json!({"integration": CHECKED, "seconds": 60, "reason": "x", "confirm": "none"}),
            409,
        ),
        (
            "PUT",
            "session/password?dry_run=true",
            json!({"password": "wrong", "new_password": "PLANTED new password"}),
            401,
        ),
        (
            "PUT",
            "session/password?dry_run=true",
            json!({"password": PASSWORD, "new_password": "short"}),
            422,
        ),
        (
            "DELETE",
            "second-factor/users/none?dry_run=true",
            Value::Null,
            404,
        ),
        (
            "DELETE",
            "second-factor/users/alice/devices/none?dry_run=true",
            Value::Null,
            404,
        ),
        // Other parameters, and other values.
        (
            "POST",
            "tokens?dry-run=true",
            json!({"name": "x", "role": "viewer"}),
            400,
        ),
        (
            "POST",
            "tokens?dry_run=1",
            json!({"name": "x", "role": "viewer"}),
            400,
        ),
        ("DELETE", "admins/alice?dryrun=true", Value::Null, 400),
        ("DELETE", "session?dry_run=false", Value::Null, 400),
        ("POST", "checks?more=1", json!({}), 400),
    ] {
        let address = format!("/api/v1/{address}");
        let text = body.to_string();
        let answer = lab.plane.call(method, &address, &lab.cookie, &text).await;
        if answer.status != status {
            let shown = String::from_utf8_lossy(&answer.octets).into_owned();
            wrong.push(format!("{method} {address}: {} {shown}", answer.status));
        }
        if address.contains("dry-run=") {
            let says = answer.json()["detail"].clone();
            assert!(says.as_str().unwrap().contains("`dry_run`"), "{says}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
