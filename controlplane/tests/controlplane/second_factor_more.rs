//! The second factor's policies, tokens, invitations and delivery under the REST API, with the same double.

use serde_json::{Value, json};

use crate::second_factor::{ADMIN, Lab, OPERATOR, VIEWER};
use crate::support::config;

#[tokio::test]
async fn what_is_asked_of_many_is_handed_on() {
    let lab = Lab::start(true).await;
    let policy = r#"{"rank":5,"policy":{"allowed_factors":["push"]}}"#;
    let smtp = r#"{"smtp":{"set":{"host":"mail.example.com","security":"tls","from":"a@example.com","password":"PLANTED"}}}"#;
    lab.hands_on(&[
        (VIEWER, "GET", "/status", "", 200, "GET /status"),
        (
            VIEWER,
            "GET",
            "/users?search=a%26b&status=locked_out&group=VPN%20users",
            "",
            200,
            "GET /users?limit=100&search=a%26b&status=locked_out&group=VPN%20users",
        ),
        (VIEWER, "GET", "/groups", "", 200, "GET /groups"),
        (
            VIEWER,
            "GET",
            "/users/alice/policy?application=the%20vpn",
            "",
            200,
            "GET /users/alice/policy?application=the%20vpn",
        ),
        (
            OPERATOR,
            "POST",
            "/users/alice/lock",
            "",
            200,
            "POST /users/alice/lock",
        ),
        (
            OPERATOR,
            "POST",
            "/users/mallory/lock",
            "",
            409,
            "POST /users/mallory/lock",
        ),
        (
            OPERATOR,
            "PATCH",
            "/users/alice/devices/DP1",
            r#"{"name":"new"}"#,
            200,
            "POST /users/alice/devices/DP1",
        ),
        (
            ADMIN,
            "POST",
            "/users/alice/devices/DP1/resync",
            r#"{"first":"PLANTED-2","second":"PLANTED-3"}"#,
            200,
            "POST /users/alice/devices/DP1/resync",
        ),
        (
            OPERATOR,
            "DELETE",
            "/users/alice/remembered",
            "",
            204,
            "POST /users/alice/remembered/delete",
        ),
        (
            ADMIN,
            "POST",
            "/import",
            r#"{"csv":"username\nbob"}"#,
            200,
            // What has become of them is for the audit.
            "GET /users/bob",
        ),
        (VIEWER, "GET", "/policies", "", 200, "GET /policies"),
        (
            ADMIN,
            "PUT",
            "/policies/default",
            policy,
            200,
            "POST /policies/default",
        ),
        (
            ADMIN,
            "PUT",
            "/policies/groups/staff",
            policy,
            200,
            "POST /policies/groups/staff",
        ),
        (
            ADMIN,
            "PUT",
            "/policies/applications/the%20vpn",
            policy,
            200,
            "POST /policies/applications/the%20vpn",
        ),
        (
            ADMIN,
            "DELETE",
            "/policies/default",
            "",
            204,
            "POST /policies/default/delete",
        ),
        (
            ADMIN,
            "DELETE",
            "/policies/groups/staff",
            "",
            204,
            "POST /policies/groups/staff/delete",
        ),
        (
            ADMIN,
            "DELETE",
            "/policies/applications/vpn",
            "",
            204,
            "POST /policies/applications/vpn/delete",
        ),
        (VIEWER, "GET", "/applications", "", 200, "GET /applications"),
        (
            VIEWER,
            "GET",
            "/remembered?user=alice&cursor=RM9&limit=2",
            "",
            200,
            "GET /remembered?limit=2&after=RM9&user=alice",
        ),
        (
            OPERATOR,
            "DELETE",
            "/remembered/RM1",
            "",
            204,
            "POST /remembered/RM1/delete",
        ),
        (
            OPERATOR,
            "DELETE",
            "/remembered/RM2",
            "",
            404,
            "GET /remembered?limit=500",
        ),
        (
            VIEWER,
            "GET",
            "/incidents?kind=fraud&user=alice&cursor=9",
            "",
            200,
            "GET /incidents?limit=100&before=9&kind=fraud&user=alice",
        ),
        (
            VIEWER,
            "GET",
            "/enrollments",
            "",
            200,
            "GET /enrollments?limit=100",
        ),
        (
            ADMIN,
            "POST",
            "/enrollments",
            r#"{"group":"staff","by_email":true}"#,
            201,
            "POST /enrollments",
        ),
        (
            OPERATOR,
            "DELETE",
            "/enrollments/EN1",
            "",
            204,
            "POST /enrollments/EN1/delete",
        ),
        (VIEWER, "GET", "/tokens", "", 200, "GET /tokens?limit=100"),
        (
            ADMIN,
            "POST",
            "/tokens",
            r#"{"csv":"serial,secret\nS1,PLANTED"}"#,
            200,
            "POST /tokens/import",
        ),
        (
            ADMIN,
            "POST",
            "/tokens/S1/assign",
            r#"{"user":"alice"}"#,
            200,
            "POST /tokens/S1/assign",
        ),
        (
            ADMIN,
            "POST",
            "/tokens/S1/unassign",
            "",
            200,
            "POST /tokens/S1/unassign",
        ),
        (
            ADMIN,
            "DELETE",
            "/tokens/S1",
            "",
            204,
            "POST /tokens/S1/delete",
        ),
        (VIEWER, "GET", "/delivery", "", 200, "GET /delivery"),
        (ADMIN, "PATCH", "/delivery", smtp, 200, "POST /delivery"),
        (
            ADMIN,
            "POST",
            "/delivery/test",
            r#"{"channel":"sms","to":"+1 555 010 0100"}"#,
            204,
            "POST /delivery/test",
        ),
        // What makes no sense is not handed on: the last that was asked is as before.
        (
            VIEWER,
            "GET",
            "/users?status=odd",
            "",
            400,
            "POST /delivery/test",
        ),
        (
            VIEWER,
            "GET",
            "/incidents?cursor=x",
            "",
            400,
            "POST /delivery/test",
        ),
        (
            VIEWER,
            "GET",
            "/remembered?more=1",
            "",
            400,
            "POST /delivery/test",
        ),
        (
            VIEWER,
            "GET",
            "/tokens?limit=501",
            "",
            400,
            "POST /delivery/test",
        ),
    ])
    .await;
    let (actions, audit) = lab.deeds().await;
    for action in [
        "second-factor.user.lock",
        "second-factor.users.import",
        "second-factor.device.change",
        "second-factor.device.resync",
        "second-factor.policy.set",
        "second-factor.policy.delete",
        "second-factor.remembered.delete",
        "second-factor.enrollments.create",
        "second-factor.enrollment.delete",
        "second-factor.tokens.import",
        "second-factor.token.assign",
        "second-factor.token.unassign",
        "second-factor.token.delete",
        "second-factor.delivery.change",
        "second-factor.delivery.test",
    ] {
        assert!(
            actions.iter().any(|one| one == action),
            "{action}: {actions:?}"
        );
    }
    assert!(!audit.contains("PLANTED"), "{audit}");
    for said in [
        "policy group staff",
        "hardware token S1",
        "remember_hours",
        "file_sha256",
        r#""changed":[{"fields":["status"],"name":"alice"}]"#,
        r#""created":["bob"]"#,
        r#""tokens":[{"serial":"S9","user":"carol"}]"#,
    ] {
        assert!(audit.contains(said), "{said}: {audit}");
    }
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn a_page_says_where_the_next_begins() {
    let lab = Lab::start(true).await;
    let incidents = lab.call(VIEWER, "GET", "/incidents", "").await.json();
    assert_eq!(
        incidents,
        json!({"items": [{"id": 8, "user": "alice"}], "next": "8"})
    );
    let groups = lab.call(VIEWER, "GET", "/groups", "").await.json();
    assert_eq!(groups["items"][0]["name"], "Staff");
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn an_application_is_changed_and_none_is_made() {
    let lab = Lab::start(true).await;
    let change = r#"{"open_enrollment":true}"#;
    let changed = lab.call(ADMIN, "PATCH", "/applications/vpn", change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert!(
        !changed.json().to_string().contains("PLANTED"),
        "its secret"
    );
    let asked = lab.asked.lock().unwrap().clone();
    let posted = asked.iter().find(|(line, _)| line == "POST /applications");
    let want = json!({"name": "vpn", "open_enrollment": true});
    assert_eq!(posted.map(|(_, body)| body), Some(&want));
    for (path, body, status) in [
        ("/applications/vnp", change, 404),
        (
            "/applications/vpn",
            r#"{"keys":{"ikey":"x","skey":"y"}}"#,
            422,
        ),
    ] {
        let refused = lab.call(ADMIN, "PATCH", path, body).await;
        assert_eq!(refused.status, status, "{refused:?}");
    }
    let posts =
        |all: &[(String, Value)]| all.iter().filter(|one| one.0.starts_with("POST")).count();
    assert_eq!(posts(&lab.asked.lock().unwrap()), 1, "none was made");
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn an_application_of_other_clients_is_made_and_deleted_by_administrators() {
    let mut file = config(1812);
    let lab = Lab::start(true).await;
    let new = r#"{"name":"vpn","new_user_policy":"deny"}"#;
    let tried = lab.call(ADMIN, "POST", "/applications?dry_run=true", new);
    let tried = tried.await;
    assert_eq!(tried.status, 200, "{tried:?}");
    let made = lab.call(ADMIN, "POST", "/applications", new).await;
    assert_eq!(
        (made.status, &made.json()["skey"]),
        (201, &json!("PLANTED"))
    );
    let asked = lab.asked.lock().unwrap().clone();
    let posted: Vec<_> = asked
        .iter()
        .filter(|one| one.0.starts_with("POST"))
        .collect();
    let want = json!({"name": "vpn", "new_user_policy": "deny", "must_be_new": true});
    assert_eq!(posted.len(), 2, "{posted:?}");
    for (line, body) in posted {
        assert_eq!(
            (body, line.starts_with("POST /applications")),
            (&want, true),
            "{line}"
        );
    }
    let odd = r#"{"name":"vpn","keys":{"ikey":"x","skey":"y"}}"#;
    let refused = lab.call(ADMIN, "POST", "/applications", odd).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let all = lab.call(VIEWER, "GET", "/applications", "").await.json();
    assert_eq!(all["items"][0]["integrations"], json!([]));
    let gone = lab.call(ADMIN, "DELETE", "/applications/vpn?dry_run=true", "");
    assert_eq!(gone.await.status, 204);
    let (actions, _) = lab.deeds().await;
    assert!(
        !actions
            .iter()
            .any(|one| one.ends_with("application.delete")),
        "{actions:?}"
    );
    assert_eq!(
        lab.call(ADMIN, "DELETE", "/applications/vnp", "")
            .await
            .status,
        404
    );
    assert_eq!(
        lab.call(ADMIN, "DELETE", "/applications/vpn", "")
            .await
            .status,
        204
    );
    let (actions, audit) = lab.deeds().await;
    for action in [
        "second-factor.application.create",
        "second-factor.application.delete",
    ] {
        let found = actions.iter().filter(|one| *one == action);
        assert_eq!(found.count(), 1, "{action}: {actions:?}");
    }
    assert!(!audit.contains("PLANTED"), "{audit}");
    lab.plane.running.stop().await;

    file["integrations"][0]["application"] = json!({"ikey": "DI1", "skey": "s", "host": "127.0.0.1",
        "port": 8402, "pinned_ca": "PEM"});
    let lab = Lab::of(&file, true).await;
    let all = lab.call(VIEWER, "GET", "/applications", "").await.json();
    assert_eq!(
        all["items"][0]["integrations"],
        json!(["radius_server_auto"])
    );
    let kept = lab.call(ADMIN, "DELETE", "/applications/vpn", "").await;
    assert_eq!(kept.status, 409, "{kept:?}");
    let said = kept.json().to_string();
    assert!(said.contains("radius_server_auto"), "{said}");
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn what_may_be_a_key_of_a_gateway_is_for_administrators() {
    let lab = Lab::start(true).await;
    for (role, shown) in [(VIEWER, false), (OPERATOR, false), (ADMIN, true)] {
        let delivery = lab.call(role, "GET", "/delivery", "").await.json();
        assert_eq!(delivery["sms"]["fields"]["to"], "{number}");
        assert_eq!(
            delivery.to_string().contains("PLANTED"),
            shown,
            "{delivery}"
        );
    }
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn a_file_is_sent_by_itself_or_in_a_document() {
    let lab = Lab::start(true).await;
    let csv = "username,email\nbob,bob@example.com\n";
    let document = json!({ "csv": csv }).to_string();
    let large = json!({ "csv": "x".repeat(4 * 1024 * 1024 + 1) }).to_string();
    let odd = json!({ "csv": csv, "dry_run": true }).to_string();
    for (kind, body, query, status) in [
        ("application/json", document.as_str(), "", 200),
        ("application/json", &document, "?dry_run=true", 200),
        ("text/csv; charset=utf-8", csv, "", 200),
        ("application/json", &large, "", 413),
        ("application/json", &odd, "", 422),
        ("application/json", csv, "", 400),
        ("application/xml", csv, "", 415),
    ] {
        lab.asked.lock().unwrap().clear();
        let headers = format!("{}content-type: {kind}\r\n", lab.tokens[ADMIN]);
        let path = format!("/api/v1/second-factor/import{query}");
        let answer = lab.plane.call("POST", &path, &headers, body).await;
        assert_eq!(answer.status, status, "{kind} {query}: {answer:?}");
        let asked = lab.asked.lock().unwrap().clone();
        let want = json!({ "csv": csv, "dry_run": !query.is_empty() });
        let want = (status == 200).then(|| ("POST /users/import".to_owned(), want));
        assert_eq!(asked.into_iter().next(), want, "{kind} {query}");
    }
    let (actions, _) = lab.deeds().await;
    let imports = actions
        .iter()
        .filter(|one| *one == "second-factor.users.import");
    assert_eq!(
        imports.count(),
        2,
        "what was only tried is not in the audit: {actions:?}"
    );
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn an_import_that_fails_midway_is_in_the_audit() {
    let lab = Lab::start(true).await;
    let mut noted = 0;
    for (name, status, why) in [
        ("half", 409, Some("a part is done")),
        ("gone", 503, Some("it ends")),
        ("busy", 429, Some("too much")),
        ("wrong", 422, None),
    ] {
        for query in ["?dry_run=true", ""] {
            let body = json!({ "csv": format!("username\n{name}\n") }).to_string();
            let path = format!("/import{query}");
            let answer = lab.call(ADMIN, "POST", &path, &body).await;
            assert_eq!(answer.status, status, "{name} {query}: {answer:?}");
        }
        noted += usize::from(why.is_some());
        let (actions, audit) = lab.deeds().await;
        let count = imports(&actions);
        assert_eq!(count, noted, "{name}: {actions:?}");
        if let Some(why) = why {
            let said = [r#""outcome":"failed""#, &format!(r#""why":"{why}""#)];
            assert!(
                said.iter().all(|one| audit.contains(one)),
                "{name}: {audit}"
            );
        }
    }
    lab.plane.running.stop().await;
}

fn imports(actions: &[String]) -> usize {
    let import = |one: &&String| *one == "second-factor.users.import";
    actions.iter().filter(import).count()
}
