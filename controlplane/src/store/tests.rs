use proto::config::raw;
use proto::id::{NodeId, Revision};
use proto::rpc::Verdict;
use proto::secret::Secret;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admin::EventFilter;
use crate::events::forget;
use crate::settings::Retention;

async fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = reopen(&folder, 1).await.unwrap();
    (folder, store)
}

async fn reopen(folder: &TempDir, key: u8) -> Result<Store, StoreError> {
    Store::open(
        &folder.path().join("controlplane.db"),
        Key::new([key; KEY_OCTETS]),
    )
    .await
}

fn revision(source: Option<&Secret<String>>) -> NewRevision<'_> {
    NewRevision {
        created_at_ms: 5,
        author: "tester",
        message: "why",
        source,
        snapshot: raw::Snapshot {
            settings: raw::Settings {
                http_ca_certs: Some("PLANTED-snapshot".to_owned()),
                ..raw::Settings::default()
            },
            ..raw::Snapshot::default()
        },
    }
}

/// The event of the login with this number, which arrived at this time.
fn event(number: u64, at_ms: u64) -> NewEvent {
    let event = json!({
        "id": format!("{number:032x}"), "at_ms": at_ms, "node": "one", "revision": 1,
        "integration": if number.is_multiple_of(2) { "even" } else { "odd" }, "ikey": "DI",
        "client": "192.0.2.1:1024", "user": format!("user{}", number % 3),
        "outcome": if number.is_multiple_of(5) { "reject" } else { "accept" },
        "reason": "approved", "factor": "push", "elapsed_us": 7, "timeline": [],
    });
    NewEvent {
        json: event.to_string(),
        event: serde_json::from_value(event).unwrap(),
    }
}

async fn seqs(store: &Store, filter: EventFilter) -> Vec<u64> {
    let events = store.list_events(&filter).await.unwrap();
    events.iter().map(|stored| stored.seq).collect()
}

#[tokio::test]
async fn migrations_from_empty_give_the_schema_that_is_checked_in() {
    let (folder, store) = open().await;
    store.close().await;
    let store = reopen(&folder, 1).await.expect("they may run twice");
    let statements: Vec<String> = sqlx::query_scalar(
        "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL \
         AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY rowid",
    )
    .fetch_all(&store.readers)
    .await
    .unwrap();
    let found = statements.join("\n\n") + "\n";
    let wanted = include_str!("../../../migrations/controlplane/schema.sql");
    assert_eq!(found, wanted, "write this to schema.sql:\n{found}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let (folder, store) = open().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'later', TRUE, x'00', 0)",
    )
    .execute(&store.writer)
    .await
    .unwrap();
    store.close().await;
    assert!(matches!(
        reopen(&folder, 1).await,
        Err(StoreError::Migrate(_))
    ));
}

#[tokio::test]
async fn every_connection_keeps_the_rules_of_the_house() {
    let (_folder, store) = open().await;
    for pool in [&store.writer, &store.readers] {
        for (pragma, want) in [
            ("foreign_keys", "1"),
            ("busy_timeout", "5000"),
            ("synchronous", "2"),
            ("journal_mode", "wal"),
        ] {
            let row = sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}")))
                .fetch_one(pool)
                .await
                .unwrap();
            let found = row
                .try_get::<i64, _>(0)
                .map_or_else(|_| row.get(0), |number| number.to_string());
            assert_eq!(found, want, "{pragma}");
        }
    }
    let write = sqlx::query("DELETE FROM events").execute(&store.readers);
    assert!(write.await.is_err(), "readers do not write");
}

#[tokio::test]
async fn the_database_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = open().await;
    store.insert_revision(revision(None)).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn another_key_is_refused_before_anything_is_written() {
    let (folder, store) = open().await;
    store.close().await;
    assert!(matches!(
        reopen(&folder, 2).await,
        Err(StoreError::WrongKey)
    ));
}

#[tokio::test]
async fn revisions_count_up_and_come_back_as_they_were() {
    let (folder, store) = open().await;
    assert!(store.fetch_latest_revision().await.unwrap().is_none());
    let text = Secret::from("PLANTED-text");
    let first = store.insert_revision(revision(Some(&text))).await.unwrap();
    let second = store.insert_revision(revision(None)).await.unwrap();
    assert_eq!(
        (first.info.number, second.info.number),
        (Revision(1), Revision(2))
    );
    store.close().await;
    let store = reopen(&folder, 1).await.unwrap();
    let found = store.fetch_latest_revision().await.unwrap().unwrap();
    assert_eq!(found.info, second.info);
    assert_eq!(found.snapshot, second.snapshot);
    assert_eq!(found.snapshot.revision, 2);
}

#[tokio::test]
async fn a_row_moved_to_another_number_does_not_open() {
    let (_folder, store) = open().await;
    store.insert_revision(revision(None)).await.unwrap();
    sqlx::query("UPDATE revisions SET number = 2")
        .execute(&store.writer)
        .await
        .unwrap();
    assert!(matches!(
        store.fetch_latest_revision().await,
        Err(StoreError::Seal(SealError::Refused))
    ));
}

#[tokio::test]
async fn a_verdict_needs_a_revision_and_the_last_one_counts() {
    let (_folder, store) = open().await;
    let node = NodeId::new("one").unwrap();
    let applied = Verdict::Applied;
    let unknown = store
        .upsert_acknowledgement(&node, Revision(1), &applied, 1)
        .await;
    assert!(!unknown.unwrap());
    store.insert_revision(revision(None)).await.unwrap();
    let refused = Verdict::Refused { faults: Vec::new() };
    for (verdict, at_ms) in [(&refused, 2), (&applied, 3)] {
        let known = store
            .upsert_acknowledgement(&node, Revision(1), verdict, at_ms)
            .await;
        assert!(known.unwrap());
    }
    let nodes = store.list_nodes().await.unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].last, Some((Revision(1), applied, 3)));
    assert_eq!(nodes[0].last_seen_ms, 3);
}

#[tokio::test]
async fn an_event_sent_twice_is_one_row_and_a_challenged_login_is_two() {
    let (_folder, store) = open().await;
    let first = store
        .insert_events(vec![event(1, 10), event(1, 20), event(1, 10)])
        .await
        .unwrap();
    assert_eq!(first.len(), 2);
    let again = store.insert_events(vec![event(1, 20)]).await.unwrap();
    assert!(again.is_empty(), "{again:?}");
    let mut stored = store.list_events(&EventFilter::default()).await.unwrap();
    stored.reverse();
    assert_eq!(stored, first);
}

#[tokio::test]
async fn events_are_found_newest_first_by_any_filter() {
    let (_folder, store) = open().await;
    let events = (1..=250).map(|number| event(number, number * 10)).collect();
    let stored = store.insert_events(events).await.unwrap();
    let numbers: Vec<u64> = stored.iter().map(|stored| stored.seq).collect();
    assert_eq!(numbers, (1..=250).collect::<Vec<u64>>());
    let filter = |json: serde_json::Value| serde_json::from_value::<EventFilter>(json).unwrap();
    for (name, json, want) in [
        ("newest", json!({"limit": 2}), vec![250, 249]),
        ("page", json!({"before": 249, "limit": 2}), vec![248, 247]),
        ("after", json!({"after": 248}), vec![250, 249]),
        ("since", json!({"since_ms": 2485}), vec![250, 249]),
        ("user", json!({"user": "user1", "limit": 2}), vec![250, 247]),
        ("no user", json!({"user": "' OR 1=1 --"}), vec![]),
        (
            "integration and outcome",
            json!({"integration": "odd", "outcome": "reject", "limit": 2}),
            vec![245, 235],
        ),
    ] {
        assert_eq!(seqs(&store, filter(json)).await, want, "{name}");
    }
    assert_eq!(seqs(&store, EventFilter::default()).await.len(), 100);
}

#[tokio::test]
async fn old_and_surplus_events_are_forgotten_and_their_numbers_not_used_again() {
    const DAY_MS: u64 = 86_400_000;
    let (_folder, store) = open().await;
    let stop = CancellationToken::new();
    let all = EventFilter::default;
    let events = (1..=10).map(|number| event(number, number * DAY_MS));
    store.insert_events(events.collect()).await.unwrap();
    let mut retention = Retention {
        days: 3,
        events: 100,
        ..Retention::default()
    };
    let by_age = forget(&store, retention, 10 * DAY_MS, &stop).await;
    assert_eq!(by_age.unwrap(), 6);
    assert_eq!(seqs(&store, all()).await, [10, 9, 8, 7]);
    retention.events = 2;
    let by_count = forget(&store, retention, 10 * DAY_MS, &stop).await;
    assert_eq!(by_count.unwrap(), 2);
    assert_eq!(seqs(&store, all()).await, [10, 9]);
    retention.events = 0;
    forget(&store, retention, 10 * DAY_MS, &stop).await.unwrap();
    assert!(seqs(&store, all()).await.is_empty());
    let next = store.insert_events(vec![event(11, 11)]).await.unwrap();
    assert_eq!(next[0].seq, 11);
}

#[tokio::test]
async fn the_surplus_is_told_by_numbers_without_counting_the_rows() {
    let (_folder, store) = open().await;
    let events = (1..=10).map(|number| event(number, number));
    store.insert_events(events.collect()).await.unwrap();
    sqlx::query("DELETE FROM events WHERE seq BETWEEN 5 AND 8")
        .execute(&store.writer)
        .await
        .unwrap();
    for (keep, want) in [(0, Some(10)), (4, Some(6)), (9, Some(1)), (10, None)] {
        let found = store.fetch_surplus_event(keep).await.unwrap();
        assert_eq!(found, want, "{keep}");
    }
}

#[tokio::test]
async fn no_more_nodes_are_stored_than_are_known() {
    let (_folder, store) = open().await;
    let name = |number: u64| NodeId::new(format!("node-{number}")).unwrap();
    let most = u64::try_from(crate::nodes::NODES).unwrap();
    for number in 0..most + 2 {
        store
            .upsert_node(&name(number), number, None)
            .await
            .unwrap();
    }
    let mut seen: Vec<_> = store.list_nodes().await.unwrap();
    seen.sort_by_key(|row| row.last_seen_ms);
    assert_eq!(seen.len(), crate::nodes::NODES);
    assert_eq!(seen[0].id, name(2), "the longest unseen are gone");
}

#[tokio::test]
async fn more_events_than_one_batch_are_forgotten() {
    let (_folder, store) = open().await;
    let events = (1..=2_500).map(|number| event(number, number));
    store.insert_events(events.collect()).await.unwrap();
    let retention = Retention {
        days: 1,
        events: 10,
        ..Retention::default()
    };
    let stop = CancellationToken::new();
    assert_eq!(forget(&store, retention, 0, &stop).await.unwrap(), 2_490);
    assert_eq!(seqs(&store, EventFilter::default()).await.len(), 10);
}

const KEY_OCTETS: usize = 32;
