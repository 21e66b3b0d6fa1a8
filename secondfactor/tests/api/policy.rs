//! Policies over the admin socket, and what they make of logins.

use std::path::Path;

use secondfactor::admin::{
    AllowedFactor, Application, BypassCodes, Capabilities, ChangeUser, Done, EffectivePolicy,
    IncidentKind, Incidents, NewApplication, NewBypassCodes, NewDevice, NewUserPolicy,
    NumberMatching, Policy, PolicyScope, ScopedPolicy, ScriptAnswer, SetPolicy, User, UserStatus,
};
use serde_json::{Value, json};

use crate::support::{LIMIT, Running, now_s, phone, script, started, totp};

pub(crate) fn generator() -> NewDevice {
    NewDevice::Totp {
        name: String::new(),
        algorithm: None,
        digits: None,
        period: None,
        secret: None,
    }
}

/// Calls preauth for alice.
pub(crate) async fn preauth(running: &Running, more: &[(&str, &str)]) -> Value {
    let params = [&[("username", "alice")], more].concat();
    let (status, body) = running.call("POST", "/auth/v2/preauth", &params).await;
    assert_eq!(status, 200, "{body}");
    body["response"].clone()
}

/// Calls auth for alice.
pub(crate) async fn auth(running: &Running, more: &[(&str, &str)]) -> Value {
    let params = [&[("username", "alice")], more].concat();
    let (status, body) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(status, 200, "{body}");
    body["response"].clone()
}

/// Sets a policy.
pub(crate) async fn set(running: &Running, path: &str, policy: Policy) -> ScopedPolicy {
    let new = SetPolicy { rank: None, policy };
    running.admin.post(path, &new, LIMIT).await.unwrap()
}

/// Changes the database beside the service.
pub(crate) async fn sql(folder: &Path, sql: &'static str) {
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("data/secondfactor.db"));
    let database = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(sql).execute(&database).await.unwrap();
    database.close().await;
}

/// What a call of the admin socket is refused with.
async fn refusal(running: &Running, path: &str, body: &Value) -> (u16, String) {
    match running.admin.post::<_, Value>(path, body, LIMIT).await {
        Err(local::CallError::Refused { status, body }) => (status, body),
        other => panic!("{path}: {other:?}"),
    }
}

pub(crate) async fn incidents(running: &Running) -> Incidents {
    running.admin.get("/incidents", LIMIT).await.unwrap()
}

/// Incidents, once there are so many.
pub(crate) async fn kinds(running: &Running, count: usize) -> Vec<IncidentKind> {
    loop {
        let found = incidents(running).await.incidents;
        assert!(found.len() <= count, "{found:?}");
        if found.len() == count {
            return found.iter().map(|one| one.kind).collect();
        }
    }
}

/// What holds for alice.
pub(crate) async fn effective(running: &Running) -> EffectivePolicy {
    let path = "/users/alice/policy?application=vpn";
    running.admin.get(path, LIMIT).await.unwrap()
}

#[tokio::test]
async fn policies_are_set_listed_and_deleted() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    sql(folder.path(), "INSERT INTO user_groups (user_id, lookup, name) SELECT id, 'staff of all', 'Staff of all' FROM users").await;
    let hours = |hours| Policy {
        remember_hours: Some(hours),
        ..Policy::default()
    };
    set(&running, "/policies/default", hours(1)).await;
    set(&running, "/policies/applications/vpn", hours(2)).await;
    let made = set(&running, "/policies/groups/Staff%20%20of%20ALL", hours(3)).await;
    assert_eq!((made.rank, made.name.as_str()), (100, "Staff  of ALL"));
    let ranked = SetPolicy {
        rank: Some(7),
        policy: hours(4),
    };
    let again: ScopedPolicy = running
        .admin
        .post("/policies/groups/staff%20of%20all", &ranked, LIMIT)
        .await
        .unwrap();
    assert_eq!(again.rank, 7);
    // Without a rank it keeps the one that it has.
    let kept = set(&running, "/policies/groups/staff%20of%20all", hours(5)).await;
    assert_eq!(kept.rank, 7);
    let all: Vec<ScopedPolicy> = running.admin.get("/policies", LIMIT).await.unwrap();
    let all: Vec<_> = all
        .iter()
        .map(|one| (one.scope, one.name.as_str(), one.policy.remember_hours))
        .collect();
    let want = [
        (PolicyScope::Default, "", Some(1)),
        (PolicyScope::Application, "vpn", Some(2)),
        (PolicyScope::Group, "staff of all", Some(5)),
    ];
    assert_eq!(all, want);
    for (deleted, hours, from) in [
        (
            "/policies/groups/Staff%20of%20all/delete",
            5,
            "group staff of all",
        ),
        ("/policies/applications/vpn/delete", 2, "application vpn"),
        ("/policies/default/delete", 1, "default"),
        ("", 0, "built in"),
    ] {
        let found = effective(&running).await;
        assert_eq!(found.policy.remember_hours, Some(hours), "{deleted}");
        assert_eq!(found.from["remember_hours"], from, "{deleted}");
        if !deleted.is_empty() {
            let _: Done = running.admin.post(deleted, &Done {}, LIMIT).await.unwrap();
            assert_eq!(refusal(&running, deleted, &json!({})).await.0, 404);
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn bad_policies_are_refused_with_a_remedy() {
    let (_folder, running) = started().await;
    for (path, body, status, want) in [
        (
            "default",
            json!({"policy": {"remember_hours": 721}}),
            400,
            "0 to 720",
        ),
        (
            "default",
            json!({"policy": {"exempt_networks": ["office"]}}),
            400,
            "write a network as 192.0.2.0/24",
        ),
        (
            "default",
            json!({"policy": {"allowed_factors": []}}),
            400,
            "leave it out to allow all",
        ),
        (
            "default",
            json!({"rank": 3, "policy": {}}),
            400,
            "rank is for the policy of a group",
        ),
        (
            "groups/a",
            json!({"rank": 1_001, "policy": {}}),
            400,
            "rank is 0 to 1000, and 1001 was given",
        ),
        (
            "groups/%20",
            json!({"policy": {}}),
            400,
            "1 to 128 characters",
        ),
        (
            "applications/none",
            json!({"policy": {}}),
            404,
            "no such application",
        ),
        (
            "default",
            json!({"policy": {"allowed_factors": ["fax"]}}),
            422,
            "unknown variant `fax`",
        ),
        (
            "default",
            json!({"policy": {"remember": 3}}),
            422,
            "unknown field `remember`",
        ),
    ] {
        let (found, why) = refusal(&running, &format!("/policies/{path}"), &body).await;
        assert_eq!(found, status, "{why}");
        assert!(why.contains(want), "{why}");
    }
    let none: Vec<ScopedPolicy> = running.admin.get("/policies", LIMIT).await.unwrap();
    assert!(none.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_policy_outlives_a_restart_and_goes_with_its_application() {
    let (folder, running) = started().await;
    let policy = Policy {
        number_matching: Some(NumberMatching::Always),
        exempt_networks: Some(vec!["192.0.2.0/24".to_owned()]),
        ..Policy::default()
    };
    set(&running, "/policies/applications/vpn", policy.clone()).await;
    running.stop().await;
    let running = Running::start(folder.path(), |_| {}).await;
    let all: Vec<ScopedPolicy> = running.admin.get("/policies", LIMIT).await.unwrap();
    assert_eq!(all[0].policy, policy);
    let path = "/applications/vpn/delete";
    let _: Done = running.admin.post(path, &Done {}, LIMIT).await.unwrap();
    let all: Vec<ScopedPolicy> = running.admin.get("/policies", LIMIT).await.unwrap();
    assert!(all.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn there_are_a_thousand_policies_at_the_most() {
    let (folder, running) = started().await;
    running.stop().await;
    sql(
        folder.path(),
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO policies (scope, lookup, name, rank, document)
         SELECT 'group', 'g' || i, 'g' || i, 100, '{}' FROM n",
    )
    .await;
    let running = Running::start(folder.path(), |_| {}).await;
    let empty = json!({"policy": {}});
    let (status, why) = refusal(&running, "/policies/groups/one-more", &empty).await;
    assert!(
        status == 409 && why.contains("1,000 policies already"),
        "{why}"
    );
    set(&running, "/policies/groups/G7", Policy::default()).await;
    let path = "/policies/groups/g8/delete";
    let _: Done = running.admin.post(path, &Done {}, LIMIT).await.unwrap();
    set(&running, "/policies/groups/one-more", Policy::default()).await;
    running.stop().await;
}

#[tokio::test]
async fn only_allowed_factors_are_offered_and_taken() {
    let (_folder, running) = started().await;
    let sms = NewDevice::Phone {
        name: String::new(),
        number: "+1 734 555 4788".to_owned(),
        capabilities: Some(Capabilities {
            push: true,
            phone: true,
            sms: true,
        }),
    };
    crate::delivery::can_call(&running).await;
    let yes = script(ScriptAnswer::Approve);
    let made = running.user("alice", yes, vec![sms, generator()]).await;
    let new = NewBypassCodes {
        count: Some(2),
        valid_seconds: None,
    };
    let path = "/users/alice/bypass-codes";
    let codes: BypassCodes = running.admin.post(path, &new, LIMIT).await.unwrap();
    let allow = async |factors: &[AllowedFactor]| {
        let policy = Policy {
            allowed_factors: Some(factors.to_vec()),
            ..Policy::default()
        };
        set(&running, "/policies/default", policy).await;
    };
    let listed = async || {
        let found = preauth(&running, &[]).await;
        let devices = found["devices"].as_array().cloned().unwrap_or_default();
        let devices = devices.iter().map(|device| match device["type"].as_str() {
            Some("token") => "token".to_owned(),
            _ => device["capabilities"].to_string(),
        });
        (
            found["result"].clone(),
            devices.collect::<Vec<_>>().join(" "),
        )
    };
    let refused = json!({"result": "deny", "status": "deny",
                         "status_msg": "You may not use this here. Choose another way."});
    let push = [("factor", "push"), ("device", "auto")];
    let sent = [("factor", "sms"), ("device", "auto")];
    let typed = |code: &str| {
        [("factor", "passcode"), ("passcode", code)].map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    let passcode = async |code: &str| {
        let typed = typed(code);
        let typed: Vec<_> = typed
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        auth(&running, &typed).await
    };
    let secret = made.devices[1].secret.as_ref().unwrap().expose();

    allow(&[AllowedFactor::Passcode]).await;
    assert_eq!(listed().await, (json!("auth"), "token".to_owned()));
    for params in [&push[..], &sent[..], &[("factor", "auto")][..]] {
        assert_eq!(auth(&running, params).await, refused, "{params:?}");
    }
    let bypass = codes.codes[0].expose();
    assert_eq!(
        passcode(bypass).await["result"],
        "deny",
        "not used up either"
    );
    assert_eq!(
        passcode(&totp(secret, now_s() / 30)).await["result"],
        "allow"
    );

    allow(&[AllowedFactor::Push, AllowedFactor::Phone]).await;
    let pushes = r#"["auto","push","phone"]"#.to_owned();
    assert_eq!(listed().await, (json!("auth"), pushes));
    assert_eq!(auth(&running, &push).await["result"], "allow");
    assert_eq!(auth(&running, &sent).await, refused);
    assert_eq!(passcode(bypass).await, refused);
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert_eq!(user.failures, 0, "what may not be used is no guess");

    allow(&[AllowedFactor::BypassCode]).await;
    assert_eq!(listed().await, (json!("auth"), String::new()));
    assert_eq!(passcode(bypass).await["result"], "allow");
    assert_eq!(
        passcode(&totp(secret, now_s() / 30 + 1)).await["result"],
        "deny"
    );

    allow(&[AllowedFactor::Email]).await;
    let found = preauth(&running, &[]).await;
    assert_eq!(found["result"], "deny");
    let why = found["status_msg"].as_str().unwrap();
    assert!(
        why.starts_with("Nothing that you have set up may be used here."),
        "{why}"
    );
    running.stop().await;
}

#[tokio::test]
async fn an_exempt_network_asks_for_nothing_and_lets_in_nobody_else() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    running.user("carol", None, vec![]).await;
    let policy = |new_users| Policy {
        exempt_networks: Some(vec!["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned()]),
        new_users,
        ..Policy::default()
    };
    set(&running, "/policies/default", policy(None)).await;
    for (ip, want) in [
        ("192.0.2.77", "allow"),
        ("2001:db8::7", "allow"),
        ("192.0.3.1", "auth"),
        ("", "auth"),
        ("00-50-56-c0-00-01", "auth"),
        ("192.0.2.77, 192.0.2.78", "auth"),
    ] {
        let found = preauth(&running, &[("ipaddr", ip)]).await;
        assert_eq!(found["result"], want, "{ip}");
        if want == "allow" {
            assert_eq!(
                found["status_msg"],
                "No second factor is asked on your network."
            );
        }
    }
    let of = async |name: &str| {
        let params = [("username", name), ("ipaddr", "192.0.2.77")];
        let (_, body) = running.call("POST", "/auth/v2/preauth", &params).await;
        body["response"]["result"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        of("carol").await,
        "allow",
        "no device, and none is asked for"
    );
    assert_eq!(of("nobody").await, "deny");
    set(
        &running,
        "/policies/default",
        policy(Some(NewUserPolicy::Deny)),
    )
    .await;
    assert_eq!(of("carol").await, "deny");
    assert_eq!(of("alice").await, "allow");
    for status in [UserStatus::Disabled, UserStatus::LockedOut] {
        let change = ChangeUser {
            status: Some(status),
            ..ChangeUser::default()
        };
        drop::<User>(
            running
                .admin
                .post("/users/alice", &change, LIMIT)
                .await
                .unwrap(),
        );
        assert_eq!(of("alice").await, "deny", "{status:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_policys_word_on_new_users_goes_before_the_applications() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![]).await;
    sql(
        folder.path(),
        "INSERT INTO user_groups (user_id, lookup, name) SELECT id, 'guests', 'Guests' FROM users",
    )
    .await;
    let policy = |new_users| Policy {
        new_users: Some(new_users),
        ..Policy::default()
    };
    assert_eq!(preauth(&running, &[]).await["result"], "enroll");
    set(&running, "/policies/default", policy(NewUserPolicy::Deny)).await;
    assert_eq!(preauth(&running, &[]).await["result"], "deny");
    set(
        &running,
        "/policies/groups/Guests",
        policy(NewUserPolicy::Allow),
    )
    .await;
    assert_eq!(preauth(&running, &[]).await["result"], "allow");
    let params = [("username", "stranger")];
    let (_, body) = running.call("POST", "/auth/v2/preauth", &params).await;
    assert_eq!(
        body["response"]["result"], "deny",
        "nobody knows their groups"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_bypass_that_is_over_is_none() {
    let (folder, running) = started().await;
    running
        .user("alice", script(ScriptAnswer::Approve), vec![phone()])
        .await;
    sql(
        folder.path(),
        "UPDATE users SET status = 'bypass', bypass_until_ms = (unixepoch() + 3600) * 1000",
    )
    .await;
    assert_eq!(preauth(&running, &[]).await["result"], "allow");
    sql(
        folder.path(),
        "UPDATE users SET bypass_until_ms = (unixepoch() - 1) * 1000",
    )
    .await;
    // Somebody else's write has this service read the user again.
    let codes = NewBypassCodes::default();
    let path = "/users/alice/bypass-codes";
    drop::<BypassCodes>(running.admin.post(path, &codes, LIMIT).await.unwrap());
    assert_eq!(
        auth(&running, &[("factor", "auto")]).await["status"],
        "allow"
    );
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert_eq!((user.status, user.bypass_until), (UserStatus::Active, None));
    assert_eq!(preauth(&running, &[]).await["result"], "auth");
    running.stop().await;
}

#[tokio::test]
async fn no_policy_outlives_its_application() {
    let (folder, running) = started().await;
    let wanted = NewApplication::named("mail");
    let hours = SetPolicy {
        rank: None,
        policy: Policy {
            remember_hours: Some(1),
            ..Policy::default()
        },
    };
    for _ in 0..20 {
        let made = running.admin.post("/applications", &wanted, LIMIT);
        drop::<Application>(made.await.unwrap());
        let set =
            running
                .admin
                .post::<_, ScopedPolicy>("/policies/applications/mail", &hours, LIMIT);
        let delete = running
            .admin
            .post::<_, Done>("/applications/mail/delete", &Done {}, LIMIT);
        let (set, deleted) = tokio::join!(set, delete);
        deleted.unwrap();
        if let Err(error) = set {
            let missing = matches!(error, local::CallError::Refused { status: 404, .. });
            assert!(missing, "{error:?}");
        }
        let all: Vec<ScopedPolicy> = running.admin.get("/policies", LIMIT).await.unwrap();
        assert!(all.is_empty(), "{all:?}");
    }
    running.stop().await;
    let running = Running::start(folder.path(), |_| {}).await;
    let all: Vec<ScopedPolicy> = running.admin.get("/policies", LIMIT).await.unwrap();
    assert!(all.is_empty(), "{all:?}");
    running.stop().await;
}
