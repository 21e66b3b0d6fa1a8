//! Enrollments as administrators have them: made for many, listed, taken back. And the names of devices.

use crate::enrollment::{get, path_of, submit};
use crate::portal::{app_page, form, oathtool, own};
use crate::support::{LIMIT, Running, now_s, phone, started};
use local::CallError;
use secondfactor::admin::{
    ChangeDevice, Done, InviteUsers, InvitedUsers, NewEnrollment, User, UserStatus,
    WaitingEnrollments,
};
use serde::Serialize;

async fn refused<T: Serialize + Sync>(running: &Running, path: &str, body: &T) -> (u16, String) {
    match running
        .admin
        .post::<_, serde_json::Value>(path, body, LIMIT)
        .await
    {
        Err(CallError::Refused { status, body }) => (status, body),
        other => panic!("{other:?}"),
    }
}

async fn waiting(running: &Running, query: &str) -> WaitingEnrollments {
    let path = format!("/enrollments{query}");
    running.admin.get(&path, LIMIT).await.unwrap()
}

#[tokio::test]
async fn administrators_see_invite_and_take_back() {
    let (_folder, running) = started().await;
    for (name, devices) in [
        ("alice", vec![phone()]),
        ("bob", Vec::new()),
        ("carol", Vec::new()),
    ] {
        running.user(name, None, devices).await;
    }
    let status = serde_json::json!({"status": "disabled"});
    let carol: User = running
        .admin
        .post("/users/carol", &status, LIMIT)
        .await
        .unwrap();
    assert_eq!(carol.status, UserStatus::Disabled);
    let named = |users: &[&str]| InviteUsers {
        users: users.iter().map(|name| (*name).to_owned()).collect(),
        group: None,
        by_email: false,
        valid_seconds: Some(600),
    };
    let invited: InvitedUsers = running
        .admin
        .post(
            "/enrollments",
            &named(&["Alice", "bob", "BOB", "carol", "dora"]),
            LIMIT,
        )
        .await
        .unwrap();
    let names: Vec<&str> = invited
        .invited
        .iter()
        .map(|one| one.user.as_str())
        .collect();
    assert_eq!(names, ["alice", "bob"]);
    assert!(invited.invited.iter().all(|one| one.until > now_s() + 500));
    let refusals: Vec<(&str, &str)> = invited
        .refused
        .iter()
        .map(|one| (one.name.as_str(), one.why.as_str()))
        .collect();
    let want = [
        ("BOB", "named twice"),
        ("carol", "is disabled"),
        ("dora", "there is no such user"),
    ];
    assert_eq!(refusals, want);
    let of = |at: usize| path_of(invited.invited[at].url.as_ref().unwrap().expose());
    for at in 0..2 {
        assert_eq!(get(&running, &of(at)).await.0, 200);
    }
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "bob")])
        .await;
    assert_eq!(preauth["response"]["result"], "enroll");

    // Newest first, page by page.
    let first = waiting(&running, "?limit=2").await;
    let shown: Vec<(&str, bool)> = first
        .enrollments
        .iter()
        .map(|one| (one.user.as_str(), one.invited))
        .collect();
    assert_eq!(shown, [("bob", false), ("bob", true)]);
    let next = first.next.unwrap();
    let second = waiting(&running, &format!("?limit=2&after={next}")).await;
    let [alice] = &second.enrollments[..] else {
        panic!("{second:?}")
    };
    assert_eq!((alice.user.as_str(), second.next), ("alice", None));
    assert!(alice.id.starts_with("EN") && alice.id.len() == 20);
    assert!(alice.since <= now_s() && alice.until > now_s());
    let gone = running
        .admin
        .get::<WaitingEnrollments>("/enrollments?after=ENX", LIMIT)
        .await;
    assert!(
        matches!(gone, Err(CallError::Refused { status: 404, .. })),
        "{gone:?}"
    );

    // Taken back, its address is none.
    let path = format!("/enrollments/{}/delete", alice.id);
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    assert_eq!(get(&running, &of(0)).await.0, 404);
    assert_eq!(get(&running, &of(1)).await.0, 200);
    assert_eq!(refused(&running, &path, &Done {}).await.0, 404);
    // One that was used does not wait.
    let (key, field) = app_page(&running, &of(1)).await;
    let (app, body) = (
        format!("{}/app", of(1)),
        form(&field, &oathtool(&key, 0), ""),
    );
    assert_eq!(submit(&running, &app, &body, &own(&running)).await.0, 200);
    assert_eq!(waiting(&running, "").await.enrollments.len(), 1);

    for (name, new, status, why) in [
        ("nobody", named(&[]), 400, "say whom"),
        (
            "both",
            InviteUsers {
                group: Some("g".to_owned()),
                ..named(&["bob"])
            },
            400,
            "either",
        ),
        ("too many", named(&["bob"; 1_001]), 400, "1,000"),
        (
            "too long",
            InviteUsers {
                valid_seconds: Some(31 * 86_400),
                ..named(&["bob"])
            },
            400,
            "30 days",
        ),
        (
            "by mail",
            InviteUsers {
                by_email: true,
                ..named(&["bob"])
            },
            409,
            "SMTP",
        ),
    ] {
        let (is, error) = refused(&running, "/enrollments", &new).await;
        assert!(is == status && error.contains(why), "{name}: {is} {error}");
    }
    let empty = InviteUsers {
        group: Some("nobody".to_owned()),
        ..named(&[])
    };
    let (is, error) = refused(&running, "/enrollments", &empty).await;
    assert!(is == 404 && error.contains("group"), "{is} {error}");
    let mail = NewEnrollment {
        by_email: true,
        ..NewEnrollment::default()
    };
    assert_eq!(refused(&running, "/users/bob/enroll", &mail).await.0, 409);
    running.stop().await;
}

#[tokio::test]
async fn a_group_is_invited_but_for_those_who_have_a_device() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    for name in ["bob", "carol", "dave"] {
        running.user(name, None, Vec::new()).await;
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("data/secondfactor.db"));
    let database = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query(
        "INSERT INTO user_groups (user_id, lookup, name, source)
         SELECT id, 'vpn users', 'VPN Users', column1 FROM users, (VALUES ('ad'), (''))
         WHERE users.name <> 'dave'",
    )
    .execute(&database)
    .await
    .unwrap();
    database.close().await;
    let new = serde_json::json!({"group": "vpn  USERS"});
    let invited: InvitedUsers = running
        .admin
        .post("/enrollments", &new, LIMIT)
        .await
        .unwrap();
    let names: Vec<&str> = invited
        .invited
        .iter()
        .map(|one| one.user.as_str())
        .collect();
    assert_eq!(names, ["bob", "carol"]);
    assert!(invited.invited[0].until > now_s() + 6 * 86_400, "a week");
    running.stop().await;
}

#[tokio::test]
async fn a_device_gets_another_name() {
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![phone()]).await;
    running.user("bob", None, Vec::new()).await;
    let id = &made.devices[0].device.id;
    let path = format!("/users/ALICE/devices/{id}");
    let name = |name: &str| ChangeDevice {
        name: Some(name.to_owned()),
    };
    let user: User = running
        .admin
        .post(&path, &name("Work phone"), LIMIT)
        .await
        .unwrap();
    assert_eq!(user.devices[0].name, "Work phone");
    let user: User = running
        .admin
        .post(&path, &ChangeDevice::default(), LIMIT)
        .await
        .unwrap();
    assert_eq!(user.devices[0].name, "Work phone", "what is absent stays");
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "alice")])
        .await;
    let shown = &preauth["response"]["devices"][0]["display_name"];
    assert_eq!(shown, "Work phone (XXX-XXX-4788)");
    let others = format!("/users/bob/devices/{id}");
    for (path, body, status) in [
        (&path, name(&"x".repeat(65)), 400),
        (&path, name("a\u{7}"), 400),
        (&others, name("mine"), 404),
        (&others, ChangeDevice::default(), 404),
    ] {
        assert_eq!(
            refused(&running, path, &body).await.0,
            status,
            "{path} {body:?}"
        );
    }
    running.stop().await;
}
