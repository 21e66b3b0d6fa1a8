//! Numbers and addresses that somebody else wrote down, where nothing goes: who has no more has not enrolled.

use secondfactor::admin::{ImportUsers, UserChanges};

use super::*;
use crate::enrollment::{path_of, submit};
use crate::portal::{app_page, field_of, form, invite, oathtool, own};

async fn import(running: &Running, csv: &str) {
    let import = ImportUsers {
        csv: csv.to_owned(),
        dry_run: false,
    };
    let changes: UserChanges = running
        .admin
        .post("/users/import", &import, LIMIT)
        .await
        .unwrap();
    assert!(changes.done, "{:?}", changes.refused);
}

async fn preauth(running: &Running, name: &str) -> Value {
    let params = [("username", name)];
    let (_, body) = running.call("POST", "/auth/v2/preauth", &params).await;
    body["response"].clone()
}

async fn result(running: &Running, name: &str) -> String {
    preauth(running, name).await["result"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Whom an invitation of the group reaches.
async fn invited(running: &Running) -> Vec<String> {
    let group = InviteUsers {
        users: Vec::new(),
        group: Some("vpn users".to_owned()),
        by_email: false,
        valid_seconds: None,
    };
    let made: InvitedUsers = running
        .admin
        .post("/enrollments", &group, LIMIT)
        .await
        .unwrap();
    assert!(made.refused.is_empty(), "{:?}", made.refused);
    made.invited.into_iter().map(|one| one.user).collect()
}

async fn clear(running: &Running) {
    let cleared = ChangeDelivery {
        sms: Some(Set::Clear),
        ..ChangeDelivery::default()
    };
    assert!(set(running, &cleared).await.sms.is_none());
}

#[tokio::test]
async fn who_has_nothing_but_a_number_where_no_gateway_is_enrols() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    import(
        &running,
        "username,number,groups\n\
         alice,+1 734 555 4788,VPN users\n\
         bob,+1 734 555 0111,VPN users\n\
         carol,,VPN users\n",
    )
    .await;
    let mail = NewDevice::Email {
        name: String::new(),
        address: "dora@corp.example".to_owned(),
    };
    running.user("dora", None, vec![mail]).await;
    for name in ["alice", "bob", "carol", "dora"] {
        assert_eq!(result(&running, name).await, "enroll", "{name}");
    }
    assert_eq!(invited(&running).await, ["alice", "bob", "carol"]);

    // The address that the login shows is good for a device.
    let portal = preauth(&running, "bob").await;
    let portal = path_of(portal["enroll_portal_url"].as_str().unwrap());
    let (key, pending) = app_page(&running, &portal).await;
    let body = form(&pending, &oathtool(&key, 0), "App");
    let page = format!("{portal}/app");
    let (status, html) = submit(&running, &page, &body, &own(&running)).await;
    assert_eq!(status, 200, "{html}");
    assert_eq!(result(&running, "bob").await, "auth");
    assert_eq!(invited(&running).await, ["alice", "carol"]);

    // With a gateway a number is a way to log in; once it was one it stays that.
    set(&running, &sms(&double)).await;
    assert_eq!(result(&running, "alice").await, "auth");
    assert_eq!(invited(&running).await, ["carol"]);
    clear(&running).await;
    assert_eq!(result(&running, "alice").await, "enroll");
    set(&running, &sms(&double)).await;
    assert_eq!(ask_sms(&running).await.0, SENT);
    let code = code_of(&field(&double.heard().await, "Body"));
    assert_eq!(passcode(&running, &code).await, "allow");
    clear(&running).await;
    assert_eq!(result(&running, "alice").await, "auth");
    assert_eq!(
        ask_sms(&running).await.1,
        "New passcodes are ready. Your administrator can tell you one."
    );
    assert_eq!(invited(&running).await, ["carol"]);
    running.stop().await;
}

#[tokio::test]
async fn a_number_that_its_owner_confirmed_stays_set_up() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    set(&running, &sms(&double)).await;
    running.user("alice", None, vec![]).await;
    let page = format!("{}/sms", invite(&running, "alice").await);
    let own = own(&running);
    let (_, html) = submit(&running, &page, "address=%2B17345554788", &own).await;
    let code = code_of(&field(&double.heard().await, "Body"));
    let (status, html) = submit(&running, &page, &form(&field_of(&html), &code, ""), &own).await;
    assert_eq!(status, 200, "{html}");
    clear(&running).await;
    assert_eq!(result(&running, "alice").await, "auth");
    running.stop().await;
}
