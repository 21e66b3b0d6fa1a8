//! Events on their way in, out, and away.

use std::time::Duration;

use controlplane::admin::{EventPage, LiveEvent};
use local::CallError;
use proto::rpc::{EVENTS_PER_REPORT, Empty};
use serde_json::{Value, json};

use crate::support::{ControlPlane, LIMIT, Site, config, method};

const NOW_MS: u64 = 4_102_444_800_000;

fn event(number: usize, user: &str) -> Value {
    json!({
        "id": format!("{number:032x}"), "at_ms": NOW_MS, "node": "one", "revision": 1,
        "integration": "radius_server_auto", "ikey": "DI", "client": "192.0.2.1:1024",
        "user": user, "outcome": "accept", "reason": "approved", "elapsed_us": 7, "timeline": [],
    })
}

async fn report(plane: &ControlPlane, events: &[Value]) -> Result<Empty, CallError> {
    let body = json!({"node": "one", "events": events, "dropped": 3});
    let method = method("ReportEvents");
    plane.client.post(&method, &body, LIMIT).await
}

async fn list(plane: &ControlPlane, query: &str) -> Vec<u64> {
    let path = format!("/events?{query}");
    let page: EventPage = plane.client.get(&path, LIMIT).await.unwrap();
    page.events.iter().map(|stored| stored.seq).collect()
}

#[tokio::test]
async fn an_answered_report_is_stored_and_one_sent_again_counts_once() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let events = [event(1, "alice"), event(2, "bob"), event(3, "alice")];
    report(&plane, &events).await.unwrap();
    report(&plane, &events).await.unwrap();
    assert_eq!(list(&plane, "").await, [3, 2, 1]);
    assert_eq!(list(&plane, "user=alice&limit=1").await, [3]);
    assert_eq!(list(&plane, "outcome=accept&limit=2").await, [3, 2]);
    let counts = plane.status().await.events;
    assert_eq!((counts.stored, counts.dropped_by_nodes), (3, 3));
    plane.stop().await;
    let plane = site.start().await;
    assert_eq!(list(&plane, "user=bob").await, [2], "after a restart too");
    plane.stop().await;
}

#[tokio::test]
async fn a_wrong_query_is_said_to_be_wrong() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    for query in [
        "limit=0",
        "limit=1001",
        "outcome=perhaps",
        "usr=alice",
        "after=1",
        "format=csv",
    ] {
        let path = format!("/events?{query}");
        let answer = plane.client.get::<EventPage>(&path, LIMIT).await;
        assert!(
            matches!(answer, Err(CallError::Refused { status: 400, .. })),
            "{query}: {answer:?}"
        );
    }
    plane.stop().await;
}

#[tokio::test]
async fn a_report_of_too_many_is_refused_and_a_giant_event_dropped() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let many: Vec<_> = (0..=EVENTS_PER_REPORT).map(|n| event(n, "alice")).collect();
    let refused = report(&plane, &many).await;
    assert!(
        matches!(refused, Err(CallError::Refused { status: 400, .. })),
        "{refused:?}"
    );
    report(&plane, &many[1..]).await.unwrap();
    report(
        &plane,
        &[event(5_000, &"x".repeat(70_000)), event(5_001, "bob")],
    )
    .await
    .unwrap();
    let counts = plane.status().await.events;
    assert_eq!((counts.stored, counts.dropped), (1_001, 1));
    plane.stop().await;
}

#[tokio::test]
async fn the_live_stream_shows_events_once_stored_and_ends_with_the_server() {
    let mut site = Site::with(&config(1812));
    site.settings.heartbeat = LIMIT * 100;
    let plane = site.start().await;
    let mut lines = plane.client.stream("/events/stream", &()).await.unwrap();
    let first = lines.next().await.unwrap().unwrap();
    let first: LiveEvent = serde_json::from_slice(&first).unwrap();
    assert_eq!(first, LiveEvent::Heartbeat, "says at once that it lives");
    report(&plane, &[event(1, "alice")]).await.unwrap();
    let line = tokio::time::timeout(LIMIT, lines.next()).await.unwrap();
    let line: LiveEvent = serde_json::from_slice(&line.unwrap().unwrap()).unwrap();
    let LiveEvent::Event(stored) = line else {
        panic!("{line:?}")
    };
    assert_eq!(
        (stored.seq, stored.event.user.as_deref()),
        (1, Some("alice"))
    );
    plane.stop().await;
    assert!(lines.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_many_it_missed() {
    const REPORTS: usize = 10;
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let mut lines = plane.client.stream("/events/stream", &()).await.unwrap();
    lines.next().await.unwrap().unwrap();
    for report_number in 0..REPORTS {
        let numbers = (0..EVENTS_PER_REPORT).map(|n| report_number * EVENTS_PER_REPORT + n);
        let events: Vec<_> = numbers.map(|number| event(number, "alice")).collect();
        report(&plane, &events).await.unwrap();
    }
    let mut shown = 0;
    let mut missed = 0;
    while shown + missed < (REPORTS * EVENTS_PER_REPORT) as u64 {
        let line = tokio::time::timeout(LIMIT, lines.next()).await.unwrap();
        match serde_json::from_slice(&line.unwrap().unwrap()).unwrap() {
            LiveEvent::Event(_) => shown += 1,
            LiveEvent::Lagged { missed: more } => missed += more,
            LiveEvent::Heartbeat => {}
        }
    }
    assert!(missed > 0);
    let metrics = plane.client.get_octets("/metrics", LIMIT).await.unwrap();
    let wanted = format!("countersign_controlplane_events_lagged_total {missed}\n");
    assert!(String::from_utf8_lossy(&metrics).contains(&wanted));
    plane.stop().await;
}

#[tokio::test]
async fn surplus_events_are_forgotten_by_themselves() {
    let mut site = Site::with(&config(1812));
    site.settings.retention.events = 2;
    site.settings.retention.every = Duration::from_millis(20);
    let plane = site.start().await;
    let events: Vec<_> = (0..10).map(|number| event(number, "alice")).collect();
    report(&plane, &events).await.unwrap();
    let forgotten = async {
        while list(&plane, "").await != [10, 9] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, forgotten).await.unwrap();
    plane.stop().await;
}
