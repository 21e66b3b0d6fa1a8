//! Phones that no passkey binds: pushes go to them as long as their owner can come to answer.

use secondfactor::admin::{CreatedDevice, ScriptAnswer};
use serde_json::Value;

use super::authenticator::{ORIGIN, Phone};
use super::enrollment::path_of;
use super::policy::sql;
use super::support::{LIMIT, Running, phone, script};

async fn start(folder: &tempfile::TempDir) -> Running {
    Running::start(folder.path(), |settings| {
        settings.public_url = Some(ORIGIN.to_owned());
    })
    .await
}

/// Starts it again, some time later as far as addresses of phones are concerned.
async fn later(folder: &tempfile::TempDir, running: Running) -> Running {
    running.stop().await;
    sql(
        folder.path(),
        "UPDATE devices SET approval_until_ms = approval_until_ms - 7 * 24 * 3600 * 1000",
    )
    .await;
    start(folder).await
}

async fn preauth(running: &Running, name: &str) -> Value {
    let params = [("username", name)];
    let (status, mut said) = running.call("POST", "/auth/v2/preauth", &params).await;
    assert_eq!(status, 200, "{said}");
    said["response"].take()
}

fn ids(preauth: &Value) -> Vec<&str> {
    let devices = preauth["devices"].as_array().unwrap().iter();
    devices.map(|one| one["device"].as_str().unwrap()).collect()
}

async fn auth(running: &Running, name: &str, factor: &str, device: &str) -> (u16, Value) {
    let params = [
        ("username", name),
        ("factor", factor),
        ("device", device),
        ("async", "1"),
    ];
    running.call("POST", "/auth/v2/auth", &params).await
}

/// Another phone, bound by its address.
async fn another(running: &Running, name: &str) -> (String, Phone) {
    let path = format!("/users/{name}/devices");
    let made: CreatedDevice = running.admin.post(&path, &phone(), LIMIT).await.unwrap();
    let path = path_of(made.approval_url.unwrap().expose());
    let token = path.trim_start_matches("/approve/");
    (made.device.id, Phone::bound(running, token).await)
}

#[tokio::test]
async fn who_has_a_phone_that_nobody_can_answer_sets_up_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder).await;
    for (name, answer) in [("alice", None), ("bob", script(ScriptAnswer::Approve))] {
        running.user(name, answer, vec![phone()]).await;
    }
    assert_eq!(preauth(&running, "alice").await["result"], "auth");
    let running = later(&folder, running).await;
    // Scripts answer without anybody.
    assert_eq!(preauth(&running, "bob").await["result"], "auth");
    let said = preauth(&running, "alice").await;
    assert_eq!(said["result"], "enroll", "{said}");
    assert!(said["enroll_portal_url"].is_string(), "{said}");
    for factor in ["auto", "push"] {
        let (status, said) = auth(&running, "alice", factor, "auto").await;
        assert_eq!(status, 400, "{factor} {said}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_push_goes_where_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder).await;
    let made = running.user("alice", None, vec![phone()]).await;
    let old = made.devices[0].device.id.clone();
    let (new, bound) = another(&running, "alice").await;
    let said = preauth(&running, "alice").await;
    assert_eq!(ids(&said), [&*new, &*old], "{said}");
    for factor in ["auto", "push"] {
        let (status, said) = auth(&running, "alice", factor, "auto").await;
        assert_eq!(status, 200, "{factor} {said}");
    }
    let (_, said) = bound.waiting(&running, "").await;
    assert_eq!(said["waiting"].as_array().unwrap().len(), 2, "{said}");
    // Who asks for the other one by its id may still bind it, and answers then.
    assert_eq!(auth(&running, "alice", "push", &old).await.0, 200);

    let running = later(&folder, running).await;
    let said = preauth(&running, "alice").await;
    assert_eq!(ids(&said), [&*new], "{said}");
    assert_eq!(auth(&running, "alice", "push", &old).await.0, 400);
    assert_eq!(auth(&running, "alice", "auto", "auto").await.0, 200);
    let (_, said) = bound.waiting(&running, "").await;
    assert_eq!(said["waiting"].as_array().unwrap().len(), 1, "{said}");
    running.stop().await;
}
