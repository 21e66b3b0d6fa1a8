//! Notices to a browser that subscribed to them.

use data_encoding::BASE64URL_NOPAD;
use ring::{agreement, rand::SystemRandom};
use secondfactor::admin::User;

use super::*;
use crate::passkey::Passkey;
use crate::support::{Call, phone};

async fn post(running: &Running, path: &str, cookie: &str, body: &Value) -> (u16, Value, String) {
    let mut call = Call::bare(&running.app, "POST", path);
    call.header("origin", &format!("https://localhost:{}", running.app.port));
    call.header("content-type", "application/json");
    call.header("cookie", cookie);
    call.body = body.to_string();
    let (status, headers, octets) = running.send_raw(&call).await;
    let cookie = headers.get("set-cookie");
    let cookie = cookie.map_or("", |cookie| cookie.to_str().unwrap());
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let said = serde_json::from_slice(&octets).unwrap_or_default();
    (status, said, cookie)
}

async fn push(running: &Running) {
    let params = [
        ("username", "alice"),
        ("factor", "push"),
        ("device", "auto"),
        ("async", "1"),
        ("ipaddr", "192.0.2.7"),
    ];
    let (status, body) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_phone_is_told_of_a_push_until_its_browser_is_gone() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![phone()]).await;
    let url = made.devices[0].approval_url.as_ref().unwrap().expose();
    let token = url.rsplit('/').next().unwrap();
    let passkey = Passkey::new(running.app.port);
    let bind = json!({ "token": token });
    let (_, said, _) = post(&running, "/app/bind/options", "", &bind).await;
    let response = passkey.created(&said["options"]);
    let bind = json!({ "token": token, "response": response });
    let (status, said, cookie) = post(&running, "/app/bind", "", &bind).await;
    assert_eq!(status, 200, "{said}");

    let key = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &SystemRandom::new());
    let point = key.unwrap().compute_public_key().unwrap();
    let subscription = |endpoint: &str| {
        json!({
            "endpoint": endpoint,
            "keys": {
                "p256dh": BASE64URL_NOPAD.encode(point.as_ref()),
                "auth": BASE64URL_NOPAD.encode(&[7; 16]),
            },
        })
    };
    let own = subscription(&double.url("/push/abc"));
    let path = "/app/subscription";
    assert_eq!(post(&running, path, &cookie, &own).await.0, 404);
    let web_push = ChangeDelivery {
        web_push: Some(Set::Set(WebPush {
            contact: "mailto:it@corp.example".to_owned(),
            hosts: vec!["localhost".to_owned()],
            ca_pem: Some(double.ca_pem.clone()),
        })),
        ..ChangeDelivery::default()
    };
    set(&running, &web_push).await;
    for (cookie, body, want) in [
        ("", &own, 401),
        (&*cookie, &subscription("https://evil.example/"), 400),
        (&cookie, &json!({}), 400),
        (&cookie, &own, 200),
    ] {
        let (status, said, _) = post(&running, path, cookie, body).await;
        assert_eq!(status, want, "{body} {said}");
    }
    let notified = async || {
        let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
        user.devices[0].notified
    };
    assert!(notified().await);
    push(&running).await;
    let heard = double.heard().await;
    assert_eq!(heard.path, "/push/abc");
    assert_eq!(heard.header("urgency"), Some("high"));
    assert_eq!(heard.header("topic").map(str::len), Some(32));
    let hides = |text: &str| {
        !heard
            .body
            .windows(text.len())
            .any(|at| at == text.as_bytes())
    };
    assert!(hides("vpn") && hides("192.0.2.7"));
    assert!(notified().await);

    double.say(&[Say::Status(410)]);
    push(&running).await;
    double.heard().await;
    let gone = async {
        while notified().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone)
        .await
        .expect("it is forgotten");
    push(&running).await;
    assert!(double.is_quiet());
    running.stop().await;
}
