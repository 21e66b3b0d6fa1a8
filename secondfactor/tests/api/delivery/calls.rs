//! Calls by a gateway, and what it says of them.

use secondfactor::admin::{IncidentKind, NumberMatching, Policy, WaitingPush};

use super::*;
use crate::support::Call;

async fn begin(running: &Running) -> String {
    let params = [
        ("username", "alice"),
        ("factor", "phone"),
        ("device", "auto"),
        ("async", "1"),
    ];
    let (status, body) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(status, 200, "{body}");
    body["response"]["txid"].as_str().unwrap().to_owned()
}

async fn status(running: &Running, txid: &str) -> (String, String) {
    let (status, body) = running
        .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
        .await;
    assert_eq!(status, 200, "{body}");
    let text = |name: &str| body["response"][name].as_str().unwrap().to_owned();
    (text("result"), text("status"))
}

async fn tell(running: &Running, path: &str, kind: &str, body: &str) -> u16 {
    let mut call = Call::bare(&running.app, "POST", path);
    call.header("content-type", kind);
    call.body = body.to_owned();
    running.send(&call).await.0
}

async fn called(double: &mut Double) -> (Value, String) {
    let heard: Value = serde_json::from_str(double.heard().await.text()).unwrap();
    let callback = heard["tell"].as_str().unwrap();
    let (_, rest) = callback.split_once("//").unwrap();
    let path = rest[rest.find('/').unwrap()..].to_owned();
    (heard, path)
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_gateway_calls_and_says_what_the_person_did() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    running.user("alice", None, vec![telephone()]).await;
    assert_eq!(devices(&running).await, Value::Null);
    set(&running, &voice(&double)).await;
    let can = json!(["auto", "sms", "phone"]);
    assert_eq!(devices(&running).await[0]["capabilities"], can);
    for (event, want) in [
        ("approved", ("allow", "allow")),
        ("denied", ("deny", "deny")),
        ("fraud", ("deny", "fraud")),
        ("failed", ("deny", "deny")),
    ] {
        let txid = begin(&running).await;
        let (heard, path) = called(&mut double).await;
        assert_eq!(heard["to"], "+17345554788");
        assert!(
            heard["say"].as_str().unwrap().contains("logs in to vpn"),
            "{heard}"
        );
        assert!(path.starts_with("/voice/") && path.len() > 60, "{path}");
        let pair = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        assert_eq!(status(&running, &txid).await, pair(("waiting", "calling")));
        // The last poll is held until the call is picked up.
        let held = status(&running, &txid);
        let picked = async {
            assert_eq!(tell(&running, &path, FORM, "event=answered").await, 200);
        };
        let (held, ()) = tokio::join!(held, picked);
        assert_eq!(held, pair(("waiting", "answered")), "{event}");
        for (path, kind, body, want) in [
            (path.as_str(), FORM, "event=nothing", 400),
            (&path, FORM, "", 400),
            (&path, "application/json", "{", 400),
            (
                &path.replace("/voice/", "/voice/0"),
                FORM,
                "event=approved",
                404,
            ),
            (&path[..path.len() - 1], FORM, "event=approved", 404),
            (&format!("/voice/{txid}"), FORM, "event=approved", 404),
            ("/voice/", FORM, "event=approved", 404),
        ] {
            assert_eq!(
                tell(&running, path, kind, body).await,
                want,
                "{path} {body}"
            );
        }
        let body = json!({ "event": event }).to_string();
        assert_eq!(tell(&running, &path, "application/json", &body).await, 200);
        assert_eq!(status(&running, &txid).await, pair(want), "{event}");
        // The address died with the call.
        assert_eq!(tell(&running, &path, FORM, "event=approved").await, 404);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_call_that_cannot_be_placed_ends_at_once() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    running.user("alice", None, vec![telephone()]).await;
    set(&running, &voice(&double)).await;
    double.say(&[Say::Status(500)]);
    let (result, status, text) = auth(&running, &[("factor", "phone"), ("device", "auto")]).await;
    assert_eq!((&*result, &*status), ("deny", "deny"));
    let want = "Your phone could not be called. Please use another way to log in.";
    assert_eq!(text, want);
    double.heard().await;
    let failure = shown(&running).await.failures.remove(0);
    assert_eq!((failure.channel, &*failure.user), (Channel::Voice, "alice"));
    running.stop().await;
}

#[tokio::test]
async fn a_push_that_needs_a_number_becomes_no_call_and_calls_in_a_row_count() {
    let double = Double::secure().await;
    let (_folder, running) = started().await;
    let both = NewDevice::Phone {
        name: String::new(),
        number: "+1 734 555 4788".to_owned(),
        capabilities: Some(Capabilities {
            push: true,
            phone: true,
            sms: false,
        }),
    };
    running.user("alice", None, vec![both]).await;
    set(&running, &voice(&double)).await;
    let always = Policy {
        number_matching: Some(NumberMatching::Always),
        ..Policy::default()
    };
    crate::policy::set(&running, "/policies/default", always).await;
    let (result, _, text) = auth(&running, &[("factor", "auto"), ("device", "auto")]).await;
    assert_eq!(
        (&*result, &*text),
        ("deny", "This login cannot show a number; use a passcode.")
    );
    let waiting: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
    assert!(waiting.is_empty(), "nobody is called instead");
    for _ in 0..3 {
        let path = format!("/pushes/{}/deny", begin(&running).await);
        let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    }
    assert_eq!(
        crate::policy::kinds(&running, 1).await,
        [IncidentKind::PushFatigue]
    );
    running.stop().await;
}

#[tokio::test]
async fn nobody_is_called_for_a_login_that_has_ended() {
    let mut double = Double::secure().await;
    let (_folder, running) = started().await;
    running.user("alice", None, vec![telephone()]).await;
    set(&running, &voice(&double)).await;
    // Both are to be tried again, the first one sooner.
    double.say(&[Say::Status(503), Say::Status(503)]);
    let first = begin(&running).await;
    let (_, first_path) = called(&mut double).await;
    let path = format!("/pushes/{first}/deny");
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    begin(&running).await;
    let (_, second) = called(&mut double).await;
    assert_ne!(first_path, second);
    assert_eq!(called(&mut double).await.1, second);
    running.stop().await;
}
