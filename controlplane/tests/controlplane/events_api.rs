//! Events by the REST API: pages, one login, the stream, exports.

use std::time::Duration;

use local::{CallError, Lines};
use proto::rpc::{EVENTS_PER_REPORT, Empty};
use serde_json::{Value, json};

use crate::support::{ControlPlane, LIMIT, Site, config, method};

const NOW_MS: u64 = 4_102_444_800_000;
const EVENTS: &str = "/api/v1/events";
const STREAM: &str = "text/event-stream";

fn event(number: u64, user: &str) -> Value {
    json!({
        "id": format!("{number:032x}"), "at_ms": NOW_MS + number, "node": "one", "revision": 1,
        "integration": "radius_server_auto", "ikey": "DI", "client": "192.0.2.1:1024",
        "user": user, "outcome": "accept", "reason": "approved", "factor": "push",
        "elapsed_us": 7, "timeline": [{
            "stage": "primary", "at_us": 1, "elapsed_us": 2, "detail": "accepted by dc1",
        }],
    })
}

async fn report(plane: &ControlPlane, events: &[Value]) {
    for some in events.chunks(EVENTS_PER_REPORT) {
        let body = json!({"node": "one", "events": some, "dropped": 0});
        let method = method("ReportEvents");
        let sent = plane.client.post(&method, &body, LIMIT);
        let _stored: Empty = sent.await.unwrap();
    }
}

async fn get(plane: &ControlPlane, query: &str) -> Value {
    let path = format!("{EVENTS}{query}");
    plane.client.get(&path, LIMIT).await.unwrap()
}

fn seqs(page: &Value) -> Vec<u64> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|one| one["seq"].as_u64().unwrap())
        .collect()
}

async fn started() -> (Site, ControlPlane) {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    (site, plane)
}

async fn next(lines: &mut Lines) -> Option<String> {
    let line = tokio::time::timeout(LIMIT, lines.next()).await.unwrap();
    line.unwrap()
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
}

/// The next frame: its lines up to the empty one.
async fn frame(lines: &mut Lines) -> Vec<String> {
    let mut frame = Vec::new();
    loop {
        match next(lines).await {
            None => return frame,
            Some(line) if line.is_empty() => return frame,
            Some(line) => frame.push(line),
        }
    }
}

#[tokio::test]
async fn pages_come_newest_first_with_where_the_next_begins() {
    let (_site, plane) = started().await;
    let mut events: Vec<Value> = (1..=5).map(|number| event(number, "alice")).collect();
    events[1]["user"] = json!("bob");
    events[3]["first"] = json!(format!("{:032x}", 2));
    events[4]["outcome"] = json!("reject");
    events[4]["reason"] = json!("denied");
    report(&plane, &events).await;
    let page = get(&plane, "?limit=2").await;
    assert_eq!(seqs(&page), [5, 4]);
    let cursor = page["next"].as_str().unwrap();
    let page = get(&plane, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(seqs(&page), [3, 2]);
    let cursor = page["next"].as_str().unwrap();
    let page = get(&plane, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!((seqs(&page), page.get("next")), (vec![1], None));
    for (query, want) in [
        ("?user=bob", vec![2]),
        ("?user=alice&outcome=reject", vec![5]),
        ("?reason=denied", vec![5]),
        ("?first=00000000000000000000000000000002", vec![4, 2]),
        ("?client=192.0.2.1&limit=1", vec![5]),
        ("?client=2001:db8::1", vec![]),
        ("?text=DC1&node=one&limit=1", vec![5]),
        ("?factor=phone", vec![]),
        ("?integration=radius_server_auto&limit=1", vec![5]),
        ("?from=2100-01-01T00:00:00.004Z", vec![5, 4]),
        ("?to=2100-01-01T00:00:00.002Z", vec![1]),
        ("?from=4102444800002&to=4102444800004", vec![3, 2]),
    ] {
        assert_eq!(seqs(&get(&plane, query).await), want, "{query}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn one_login_comes_with_its_timeline() {
    let (_site, plane) = started().await;
    report(&plane, &[event(1, "alice"), event(2, "bob")]).await;
    let found = get(&plane, "/00000000000000000000000000000002").await;
    assert_eq!(found["event"]["user"], "bob");
    assert_eq!(found["event"]["timeline"][0]["detail"], "accepted by dc1");
    for (id, want) in [("00000000000000000000000000000003", 404), ("2", 400)] {
        let path = format!("{EVENTS}/{id}");
        let answer = plane.client.get::<Value>(&path, LIMIT).await;
        assert!(
            matches!(&answer, Err(CallError::Refused { status, .. }) if *status == want),
            "{id}: {answer:?}"
        );
    }
    plane.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_said() {
    let (_site, plane) = started().await;
    let long = format!("?text={}", "x".repeat(201));
    for (query, says) in [
        ("?limit=0", "limit is 1 to 1000"),
        ("?limit=1001", "limit is 1 to 1000"),
        ("?format=csv&limit=0", "limit is 1 to 1000"),
        ("?outcome=perhaps", "outcome: this is none of the words"),
        ("?usr=alice", "usr"),
        ("?cursor=x", "take 'next' of the page before"),
        ("?from=yesterday", "a moment is"),
        ("?client=host", "client"),
        ("?after=1", "after is for the stream"),
        ("?format=csv&after=1", "after is for the stream"),
        (long.as_str(), "text has at most 200"),
    ] {
        let path = format!("{EVENTS}{query}");
        let answer = plane.client.get::<Value>(&path, LIMIT).await;
        let Err(CallError::Refused { status: 400, body }) = answer else {
            panic!("{query}: {answer:?}")
        };
        assert!(body.contains(says), "{query}: {body}");
    }
    let refused = plane
        .client
        .get_lines(&format!("{EVENTS}?limit=1"), STREAM)
        .await;
    assert!(matches!(
        refused,
        Err(CallError::Refused { status: 400, .. })
    ));
    plane.stop().await;
}

#[tokio::test]
async fn an_export_has_all_that_match_and_ends_where_it_is_told() {
    let (_site, plane) = started().await;
    let events: Vec<Value> = (1..=250)
        .map(|number| event(number, if number % 2 == 0 { "=even" } else { "odd" }))
        .collect();
    report(&plane, &events).await;
    for (query, want) in [
        ("?format=jsonl", 250),
        ("?format=jsonl&user=odd", 125),
        ("?format=jsonl&limit=150", 150),
        ("?format=jsonl&user=nobody", 0),
    ] {
        let path = format!("{EVENTS}{query}");
        let mut lines = plane.client.get_lines(&path, "*/*").await.unwrap();
        let mut seen = Vec::new();
        while let Some(line) = next(&mut lines).await {
            let stored: Value = serde_json::from_str(&line).unwrap();
            seen.push(stored["seq"].as_u64().unwrap());
        }
        assert_eq!(seen.len(), want, "{query}");
        assert!(seen.is_sorted_by(|one, next| one > next), "{query}");
    }
    let path = format!("{EVENTS}?format=csv&user=%3Deven");
    let table = plane.client.get_octets(&path, LIMIT).await.unwrap();
    let table = String::from_utf8(table.to_vec()).unwrap();
    let rows: Vec<&str> = table.trim_end().split("\r\n").collect();
    assert_eq!(rows.len(), 126);
    assert!(rows[0].starts_with("seq,at,at_ms,id,first,"), "{}", rows[0]);
    assert!(
        rows[1].starts_with("250,2100-01-01T00:00:00Z,"),
        "{}",
        rows[1]
    );
    assert!(
        rows[1..].iter().all(|row| row.contains(",'=even,")),
        "a formula"
    );
    plane.stop().await;
}

#[tokio::test]
async fn the_stream_has_what_comes_and_what_was_missed() {
    let mut site = Site::with(&config(1812));
    site.settings.heartbeat = Duration::from_secs(1_000);
    let plane = site.start().await;
    report(
        &plane,
        &[event(1, "alice"), event(2, "bob"), event(3, "alice")],
    )
    .await;
    let path = format!("{EVENTS}?user=alice");
    let mut lines = plane.client.get_lines(&path, STREAM).await.unwrap();
    assert_eq!(
        frame(&mut lines).await,
        [": heartbeat"],
        "says at once that it lives"
    );
    report(&plane, &[event(4, "bob"), event(5, "alice")]).await;
    let seen = frame(&mut lines).await;
    assert_eq!(
        seen[..2],
        ["id: 5", "event: login"],
        "not what was before, nor bob"
    );
    let data: Value = serde_json::from_str(seen[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data["event"]["user"], "alice");
    drop(lines);
    let path = format!("{EVENTS}?user=alice&after=1");
    let mut lines = plane.client.get_lines(&path, STREAM).await.unwrap();
    assert_eq!(frame(&mut lines).await, [": heartbeat", "id: 1"]);
    for want in ["id: 3", "id: 5"] {
        assert_eq!(frame(&mut lines).await[0], want);
    }
    report(&plane, &[event(6, "alice")]).await;
    assert_eq!(frame(&mut lines).await[0], "id: 6", "once");
    plane.stop().await;
    assert!(frame(&mut lines).await.is_empty(), "ends with the server");
}

#[tokio::test]
async fn heartbeats_say_how_far_a_stream_is_that_shows_nothing() {
    let mut site = Site::with(&config(1812));
    site.settings.heartbeat = Duration::from_millis(20);
    let plane = site.start().await;
    let path = format!("{EVENTS}?user=nobody");
    let mut lines = plane.client.get_lines(&path, STREAM).await.unwrap();
    report(&plane, &[event(1, "alice"), event(2, "bob")]).await;
    let far = async { while frame(&mut lines).await != [": heartbeat", "id: 2"] {} };
    tokio::time::timeout(LIMIT, far).await.unwrap();
    plane.stop().await;
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_it_missed() {
    const ALL: u64 = 10_000;
    let (_site, plane) = started().await;
    let mut lines = plane.client.get_lines(EVENTS, STREAM).await.unwrap();
    frame(&mut lines).await;
    let events: Vec<Value> = (1..=ALL).map(|number| event(number, "alice")).collect();
    report(&plane, &events).await;
    let (mut shown, mut missed) = (0, 0);
    while shown + missed < ALL {
        let frame = frame(&mut lines).await;
        match frame.iter().any(|line| line == "event: lagged") {
            true => {
                let data: Value =
                    serde_json::from_str(frame[1].strip_prefix("data: ").unwrap()).unwrap();
                missed += data["missed"].as_u64().unwrap();
            }
            false => shown += u64::from(frame[0].starts_with("id: ")),
        }
    }
    assert!(missed > 0);
    plane.stop().await;
}

#[tokio::test]
async fn no_more_readers_are_served_than_there_are_places() {
    let (_site, plane) = started().await;
    let mut open = Vec::new();
    let refused = loop {
        assert!(open.len() <= 64, "no end");
        match plane.client.get_lines(EVENTS, STREAM).await {
            Ok(lines) => open.push(lines),
            Err(refused) => break refused,
        }
    };
    assert_eq!(open.len(), 64);
    assert!(matches!(refused, CallError::Refused { status: 429, .. }));
    open.clear();
    let again = async {
        while plane.client.get_lines(EVENTS, STREAM).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, again).await.unwrap();
    plane.stop().await;
}
