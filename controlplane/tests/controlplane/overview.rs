//! The overview and the list of clients that were seen, from events that a node reports.

use local::CallError;
use proto::rpc::Empty;
use serde_json::{Value, json};

use crate::support::{ControlPlane, LIMIT, Site, config, method};

fn event(number: u64, members: &Value) -> Value {
    let mut event = json!({
        "id": format!("{number:032x}"), "at_ms": controlplane::now_ms(), "node": "one", "revision": 1,
        "integration": "radius_server_auto", "ikey": "DI", "client": "192.0.2.1:1024",
        "authenticator": "ad_client", "outcome": "accept", "reason": "approved", "signed": true,
        "elapsed_us": 7, "timeline": [
            {"stage": "primary", "at_us": 1, "elapsed_us": 200, "detail": "accepted by dc1"},
            {"stage": "preauth", "at_us": 201, "elapsed_us": 3_000, "detail": "auth: phone"},
        ],
    });
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

async fn report(plane: &ControlPlane, events: &[Value]) {
    let body = json!({"node": "one", "events": events, "dropped": 0});
    let method = method("ReportEvents");
    let sent = plane.client.post(&method, &body, LIMIT);
    let _stored: Empty = sent.await.unwrap();
}

async fn get(plane: &ControlPlane, path: &str) -> Value {
    let path = format!("/api/v1{path}");
    plane.client.get(&path, LIMIT).await.unwrap()
}

fn some_events() -> Vec<Value> {
    let away = json!({
        "outcome": "reject", "reason": "primary_unavailable", "client": "192.0.2.2:7", "signed": false,
        "timeline": [{"stage": "primary", "at_us": 1, "elapsed_us": 9_000, "detail": "no answer: dc1"}],
    });
    let admitted = json!({"reason": "fail_mode_safe", "client": "203.0.113.9:7", "signed": false});
    vec![
        event(1, &json!({})),
        event(2, &away),
        event(3, &admitted),
        event(
            4,
            &json!({"test": true, "outcome": "reject", "reason": "denied"}),
        ),
        event(
            5,
            &json!({"at_ms": controlplane::now_ms() - 2 * 60 * 60_000}),
        ),
    ]
}

#[tokio::test]
async fn the_overview_tells_what_was_reported() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let mut status = json!({
        "version": "1", "state": "serving", "source": "control_plane", "connected": true,
        "logins_in_flight": 0, "events_dropped": 0, "uptime_seconds": 1, "listeners": [],
        "certificates": [{"integration": "radius_server_eap", "not_after": 1_800_000_000, "until": "2027-01-15"}],
    });
    status = json!({"node": "one", "status": status});
    let method = method("ReportStatus");
    let sent = plane.client.post(&method, &status, LIMIT);
    let _taken: Empty = sent.await.unwrap();
    report(&plane, &some_events()).await;
    let told = get(&plane, "/overview").await;
    assert_eq!(told["bucket_ms"], 30_000);
    let buckets = told["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 120);
    let sum = |outcome: &str| -> u64 {
        buckets
            .iter()
            .map(|one| one[outcome].as_u64().unwrap())
            .sum()
    };
    assert_eq!((sum("accept"), sum("reject"), sum("challenge")), (2, 1, 0));
    assert_eq!(
        told["reasons"],
        json!([{"reason": "primary_unavailable", "outcome": "reject", "count": 1}])
    );
    assert_eq!(told["sampled"], json!({"events": 3, "of": 3}));
    let stages = told["stages"].as_array().unwrap();
    let names: Vec<&str> = stages
        .iter()
        .map(|one| one["stage"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["primary", "preauth"]);
    assert_eq!(
        (&stages[0]["count"], &stages[0]["p99_us"]),
        (&json!(3), &json!(9_000))
    );
    let authenticator = &told["authenticators"][0];
    assert_eq!(
        (&authenticator["id"], &authenticator["failed"]),
        (&json!("ad_client"), &json!(1))
    );
    assert_eq!(authenticator["last_failure"]["detail"], "no answer: dc1");
    assert_eq!(
        authenticator["last_failure"]["event"],
        format!("{:032x}", 2)
    );
    let second = &told["second_factor"][0];
    assert_eq!(
        (&second["host"], &second["asked"]),
        (&json!("api.example.com"), &json!(2))
    );
    assert_eq!(
        (&second["unavailable"], &second["fail_mode_used"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        told["certificates"],
        json!([{
            "not_after_ms": 1_800_000_000_000_u64, "what": "eap", "name": "radius_server_eap", "node": "one",
        }])
    );
    assert_eq!(told["unsigned_clients"]["count"], 2);
    let first = &told["unsigned_clients"]["first"][0];
    assert_eq!(first["last_signed_ms"], Value::Null);

    // What was made is shown again for a moment; another window is made anew.
    report(&plane, &[event(6, &json!({}))]).await;
    let longer = get(&plane, "/overview?minutes=180").await;
    assert_eq!(longer["sampled"], json!({"events": 5, "of": 5}));
    // Windows are few: it is rounded up to 360 minutes, which have longer buckets.
    assert_eq!(longer["bucket_ms"], 300_000);
    for query in ["minutes=4", "minutes=1441", "minutes=x", "hours=1"] {
        let path = format!("/api/v1/overview?{query}");
        let answer = plane.client.get::<Value>(&path, LIMIT).await;
        assert!(
            matches!(&answer, Err(CallError::Refused { status: 400, .. })),
            "{query}: {answer:?}"
        );
    }
    plane.stop().await;
}

#[tokio::test]
async fn clients_that_were_seen_are_listed_with_whether_they_sign() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    report(&plane, &some_events()).await;
    // 192.0.2.1 signs, and 192.0.2.2 of the same client does not.
    for item in get(&plane, "/clients/seen?limit=1").await["items"]
        .as_array()
        .unwrap()
    {
        assert_eq!(
            (&item["address"], &item["ready"]),
            (&json!("192.0.2.1"), &json!(false))
        );
    }
    for (query, want) in [
        ("", vec!["192.0.2.1", "192.0.2.2", "203.0.113.9"]),
        ("?unsigned=true", vec!["192.0.2.2", "203.0.113.9"]),
        ("?unsigned=false", vec!["192.0.2.1"]),
        ("?integration=other", vec![]),
        (
            "?integration=radius_server_auto&sort=-address&limit=1",
            vec!["203.0.113.9"],
        ),
        ("?q=113", vec!["203.0.113.9"]),
    ] {
        let page = get(&plane, &format!("/clients/seen{query}")).await;
        let items = page["items"].as_array().unwrap();
        let found: Vec<&str> = items
            .iter()
            .map(|one| one["address"].as_str().unwrap())
            .collect();
        assert_eq!(found, want, "{query}");
    }
    let page = get(&plane, "/clients/seen").await;
    let of = |index: usize, field: &str| page["items"][index][field].clone();
    assert_eq!(
        (of(0, "ready"), of(0, "client")),
        (json!(false), json!("192.0.2.0/24"))
    );
    assert_eq!(
        (of(0, "last_unsigned_ms"), of(2, "client")),
        (Value::Null, Value::Null)
    );
    assert!(of(1, "last_unsigned_ms").is_u64() && of(1, "ready") == json!(false));
    let cursor = get(&plane, "/clients/seen?limit=2").await["next"].clone();
    let rest = get(
        &plane,
        &format!("/clients/seen?cursor={}", cursor.as_str().unwrap()),
    )
    .await;
    assert_eq!(rest["items"][0]["address"], "203.0.113.9");
    plane.stop().await;
}
