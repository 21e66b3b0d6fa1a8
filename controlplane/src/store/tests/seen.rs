//! What is counted and noted of events: how requests ended, and which clients sign theirs.

use serde_json::Value;

use super::events::{explained, with};
use super::*;
use crate::store::overview::COUNT;
use crate::store::seen::{MAKE_ROOM, SEEN_CLIENTS, SURPLUS};

on_both! {
    requests_are_counted_by_bucket_outcome_and_reason_without_tests
    counting_reads_the_index_that_is_made_for_it
    what_clients_sign_is_noted_whatever_the_order_of_reports
    a_client_is_ready_once_it_signs_and_has_not_failed_to_for_a_week
    no_more_clients_are_kept_than_a_bound_and_those_seen_last_stay
    room_is_made_only_for_who_is_new_and_by_the_index
    clients_that_are_not_seen_any_more_are_forgotten
    events_of_before_that_were_tests_are_not_counted
}

async fn counted(store: &Store) -> Vec<(u64, String, u64)> {
    let found = store.count_events(100, 400, 100).await.unwrap();
    let told = found.into_iter().map(|one| {
        (
            one.bucket,
            format!("{} {}", one.outcome, one.reason),
            one.count,
        )
    });
    told.collect()
}

async fn requests_are_counted_by_bucket_outcome_and_reason_without_tests(lab: Lab) {
    let store = lab.open().await;
    let denied = json!({"outcome": "reject", "reason": "denied"});
    let events = vec![
        with(1, 99, &json!({})),
        with(2, 100, &json!({})),
        with(3, 199, &json!({})),
        with(4, 199, &denied),
        with(6, 399, &denied),
        with(7, 399, &json!({"test": true})),
        with(8, 400, &json!({})),
    ];
    store.insert_events(events).await.unwrap();
    let want = [
        (0, "accept approved".to_owned(), 2),
        (0, "reject denied".to_owned(), 1),
        (2, "reject denied".to_owned(), 1),
    ];
    assert_eq!(counted(&store).await, want);
}

async fn counting_reads_the_index_that_is_made_for_it(lab: Lab) {
    let store = lab.open().await;
    let events = (1..=5_000).map(|number| event(number, number * 10));
    store.insert_events(events.collect()).await.unwrap();
    raw(&store, "VACUUM").await;
    raw(&store, "ANALYZE").await;
    let plan = explained(&store, COUNT, &[40_000, 1_000, 41_000], None).await;
    assert!(plan.contains("events_counted"), "{plan}");
    let only = match store.db {
        Db::Sqlite { .. } => "USING COVERING INDEX",
        Db::Postgres(_) => "Index Only Scan",
    };
    assert!(plan.contains(only), "{plan}");
}

fn signed(number: u64, at_ms: u64, client: &str, signed: Option<bool>) -> NewEvent {
    let mut members = json!({"client": client, "integration": "odd"});
    if let Some(signed) = signed {
        members["signed"] = Value::from(signed);
    }
    with(number, at_ms, &members)
}

fn seen(address: &str, signed_ms: Option<u64>, unsigned_ms: Option<u64>) -> SeenClient {
    SeenClient {
        integration: proto::id::IntegrationId::new("odd").unwrap(),
        address: address.parse().unwrap(),
        last_signed_ms: signed_ms,
        last_unsigned_ms: unsigned_ms,
    }
}

async fn what_clients_sign_is_noted_whatever_the_order_of_reports(lab: Lab) {
    let store = lab.open().await;
    let batches = [
        vec![
            signed(1, 50, "192.0.2.1:1024", Some(true)),
            signed(2, 70, "192.0.2.1:9", Some(true)),
            signed(3, 60, "[::ffff:192.0.2.1]:7", Some(false)),
            signed(4, 10, "[2001:db8::1]:7", Some(false)),
            signed(5, 10, "192.0.2.3:7", None),
        ],
        // Late, and a report that is sent again.
        vec![
            signed(6, 40, "192.0.2.1:1024", Some(true)),
            signed(7, 80, "192.0.2.1:1024", Some(false)),
            signed(2, 70, "192.0.2.1:9", Some(true)),
        ],
        vec![signed(8, 20, "[2001:db8::1]:7", Some(true))],
    ];
    for batch in batches {
        store.insert_events(batch).await.unwrap();
    }
    let mut test = signed(9, 90, "192.0.2.9:7", Some(true));
    test.event.test = true;
    store.insert_events(vec![test]).await.unwrap();
    let want = [
        seen("192.0.2.1", Some(70), Some(80)),
        seen("2001:db8::1", Some(20), Some(10)),
    ];
    assert_eq!(store.list_seen_clients(None).await.unwrap(), want);
    for (integration, count) in [("odd", 2), ("even", 0)] {
        let integration = proto::id::IntegrationId::new(integration).unwrap();
        let found = store.list_seen_clients(Some(&integration)).await.unwrap();
        assert_eq!(found.len(), count, "{integration}");
    }
}

async fn a_client_is_ready_once_it_signs_and_has_not_failed_to_for_a_week(lab: Lab) {
    const WEEK: u64 = 7 * 24 * 60 * 60 * 1_000;
    let store = lab.open().await;
    let now = 2 * WEEK;
    let since = unsigned_since(now);
    let events = vec![
        signed(1, now, "192.0.2.1:1", Some(true)),
        signed(2, now, "192.0.2.2:1", Some(false)),
        signed(3, now - WEEK, "192.0.2.3:1", Some(false)),
        signed(4, now, "192.0.2.3:1", Some(true)),
        signed(5, now - WEEK + 1, "192.0.2.4:1", Some(false)),
        signed(6, now, "192.0.2.4:1", Some(true)),
        signed(7, 1, "192.0.2.5:1", Some(false)),
    ];
    store.insert_events(events).await.unwrap();
    let all = store.list_seen_clients(None).await.unwrap();
    let ready: Vec<String> = all
        .iter()
        .filter(|one| one.is_ready(since))
        .map(|one| one.address.to_string())
        .collect();
    assert_eq!(ready, ["192.0.2.1", "192.0.2.3"]);
    let (count, first) = store.list_unsigned_clients(since, 2).await.unwrap();
    assert_eq!(count, 3);
    let first: Vec<String> = first.iter().map(|one| one.address.to_string()).collect();
    assert_eq!(first, ["192.0.2.2", "192.0.2.4"], "those of last first");
}

async fn no_more_clients_are_kept_than_a_bound_and_those_seen_last_stay(lab: Lab) {
    let store = lab.open().await;
    let bound = u64::try_from(SEEN_CLIENTS).unwrap();
    let address = |number: u64| format!("10.0.{}.{}:1", number / 250, number % 250);
    let events = (0..bound).map(|number| signed(number, number, &address(number), Some(false)));
    store.insert_events(events.collect()).await.unwrap();
    assert_eq!(store.take_forgotten_clients(), 0);
    // The first comes again, so that the second and the third have to go.
    let events = vec![
        signed(bound, bound, &address(0), Some(true)),
        signed(bound + 1, bound, "192.0.2.1:1", Some(true)),
        signed(bound + 2, bound, "192.0.2.2:1", Some(true)),
    ];
    store.insert_events(events).await.unwrap();
    assert_eq!(store.take_forgotten_clients(), 2);
    assert_eq!(store.take_forgotten_clients(), 0);
    let left = store.list_seen_clients(None).await.unwrap();
    assert_eq!(left.len(), usize::try_from(bound).unwrap());
    let has = |address: &str| left.iter().any(|one| one.address.to_string() == address);
    assert!(has("10.0.0.0") && has("192.0.2.1") && has("192.0.2.2"));
    assert!(!has("10.0.0.1") && !has("10.0.0.2") && has("10.0.0.3"));
}

async fn room_is_made_only_for_who_is_new_and_by_the_index(lab: Lab) {
    let store = lab.open().await;
    let bound = u64::try_from(SEEN_CLIENTS).unwrap();
    let address = |number: u64| format!("10.0.{}.{}:1", number / 250, number % 250);
    let events = (0..bound).map(|number| signed(number, number, &address(number), Some(false)));
    store.insert_events(events.collect()).await.unwrap();
    raw(
        &store,
        "INSERT INTO seen_clients (integration, address, last_signed_ms, last_seen_ms) \
         VALUES ('vpn', '192.0.2.9', 0, 0)",
    )
    .await;
    let known = vec![signed(bound, bound, &address(7), Some(true))];
    store.insert_events(known).await.unwrap();
    assert_eq!(store.take_forgotten_clients(), 0);
    let new = vec![signed(bound + 1, bound, "192.0.2.1:1", Some(true))];
    store.insert_events(new).await.unwrap();
    assert_eq!(store.take_forgotten_clients(), 2);
    raw(&store, "ANALYZE").await;
    let plan = explained(&store, MAKE_ROOM, &[SURPLUS, SEEN_CLIENTS], None).await;
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

async fn clients_that_are_not_seen_any_more_are_forgotten(lab: Lab) {
    let store = lab.open().await;
    let events = vec![
        signed(1, 10, "192.0.2.1:1", Some(false)),
        signed(2, 20, "192.0.2.2:1", Some(true)),
    ];
    store.insert_events(events).await.unwrap();
    let stop = CancellationToken::new();
    let now = CLIENTS_FORGOTTEN_MS + 20;
    forget(&store, Retention::default(), now, &stop)
        .await
        .unwrap();
    let left = store.list_seen_clients(None).await.unwrap();
    assert_eq!(left, [seen("192.0.2.2", Some(20), None)]);
}

/// Puts events as the schema before had them, and has them brought up to date.
async fn events_of_before_that_were_tests_are_not_counted(lab: Lab) {
    let store = lab.open().await;
    let mut events = vec![
        with(1, 100, &json!({"user": "a\",\"test\":true,\"b"})),
        with(2, 100, &json!({"test": true})),
    ];
    for one in &mut events {
        one.json = serde_json::to_string(&one.event).unwrap();
    }
    store.insert_events(events).await.unwrap();
    for statement in [
        "DROP INDEX events_counted",
        "ALTER TABLE events DROP COLUMN test",
        "DROP TABLE seen_clients",
        "DELETE FROM _sqlx_migrations WHERE version = 10",
    ] {
        raw(&store, statement).await;
    }
    store.close().await;
    let store = lab.reopen(1).await.unwrap();
    assert_eq!(
        counted(&store).await,
        [(0, "accept approved".to_owned(), 1)]
    );
}
