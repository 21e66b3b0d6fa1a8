//! The same claims for both engines; what only one of them has is in `sqlite` and `postgres`.

/// Makes each test of them one of either engine.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::store::tests::Lab::sqlite()).await;
                }
            )*
        }

        mod on_postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::store::tests::Lab::postgres()).await;
                }
            )*
        }
    };
}

mod admins;
mod audit;
mod drafts;
mod events;
mod joining;
mod keys;
mod postgres;
mod seen;
mod sqlite;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use e2e::peers::Postgres;
use proto::config::raw;
use proto::id::{NodeId, Revision};
use proto::rpc::Verdict;
use proto::secret::Secret;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::admins::*;
use self::audit::*;
use self::drafts::*;
use self::joining::*;
use self::keys::*;
use self::tokens::*;
use super::engine::{Fault, writing};
use super::*;
use crate::admin::EventFilter;
use crate::events::forget;
use crate::settings::Retention;

/// Where a test has its database.
enum Lab {
    Sqlite(TempDir),
    Postgres {
        server: Arc<Postgres>,
        database: String,
    },
}

impl Lab {
    fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    fn postgres() -> Self {
        let server = Postgres::shared();
        let database = server.database();
        Self::Postgres { server, database }
    }

    async fn open(&self) -> Store {
        self.reopen(1).await.unwrap()
    }

    async fn reopen(&self, key: u8) -> Result<Store, StoreError> {
        self.with(Key::new([key; 32])).await
    }

    async fn with(&self, key: Key) -> Result<Store, StoreError> {
        match self {
            Self::Sqlite(folder) => Store::open(&folder.path().join("controlplane.db"), key).await,
            Self::Postgres { server, database } => {
                let url = PostgresUrl::new(Secret::new(server.url(database))).unwrap();
                Store::connect(&url, key).await
            }
        }
    }
}

on_both! {
    another_key_is_refused_before_anything_is_written
    revisions_count_up_and_come_back_as_they_were
    a_row_moved_to_another_number_does_not_open
    a_verdict_needs_a_revision_and_the_last_one_counts
    an_event_sent_twice_is_one_row_and_a_challenged_login_is_two
    events_are_found_newest_first_by_any_filter
    old_and_surplus_events_are_forgotten_and_their_numbers_not_used_again
    the_surplus_is_told_by_numbers_without_counting_the_rows
    no_more_nodes_are_stored_than_are_known
    more_events_than_one_batch_are_forgotten
    a_revision_made_without_knowing_the_newest_is_refused
    documents_are_kept_sealed_and_replaced_and_forgotten
    a_zero_octet_stops_nothing_from_being_stored
    the_newest_revision_that_a_node_applied_is_found
    a_newer_schema_is_refused_by_its_number
    no_more_revisions_are_kept_than_a_thousand
    a_token_is_kept_noted_and_forgotten
    an_invitation_is_taken_once_and_a_passcode_used_once
    the_secret_that_a_passcode_was_of_is_kept_whatever_was_told_since
    sessions_are_bounded_and_end_with_their_administrator
    another_password_or_secret_ends_the_other_sessions
    people_of_a_provider_are_signed_out_when_its_settings_change
    a_person_begins_no_session_under_settings_that_changed
    a_state_comes_back_once
    an_installation_is_somebodys_from_the_first_who_may_use_it
    an_invitation_of_the_set_up_link_is_over_once_there_is_somebody
    no_more_tokens_are_kept_than_are_told
    a_join_token_is_good_once_and_takes_the_place_of_what_was
    a_join_token_can_be_taken_back_and_goes_with_its_node
    a_token_for_any_name_gives_one_that_no_node_has
    an_answer_is_given_again_to_its_key_until_the_node_is_heard_of
    a_used_token_lets_nobody_in_once_it_or_its_node_is_taken_back
    used_tokens_take_no_place_of_those_that_wait
    a_removed_node_has_no_good_certificate
    a_renewal_needs_a_certificate_that_is_good_still
    no_renewal_outlives_a_removal_that_comes_between
    no_word_brings_back_a_node_that_was_removed
    the_first_document_of_a_name_stays
    a_rotation_makes_the_old_key_file_useless_and_loses_nothing
    a_rotation_cut_short_at_any_step_leaves_a_key_file_that_opens
    another_control_plane_goes_on_until_it_has_the_key_file
    a_key_file_without_room_is_refused_before_anything_changes
    whoever_tampers_with_the_audit_is_found
    what_is_added_after_a_cut_does_not_cover_it
    a_draft_is_kept_sealed_and_its_number_never_used_again
    a_draft_is_changed_only_as_it_was_looked_at
    a_draft_goes_with_its_revision_or_both_are_as_they_were
    drafts_are_bounded_in_number_and_in_octets
}

/// What somebody did, as a test.
fn deed(action: &str) -> crate::audit::Deed {
    crate::audit::Deed {
        at_ms: 1_000,
        actor: "tester".to_owned(),
        source: String::new(),
        action: action.to_owned(),
        target: "something".to_owned(),
        detail: "{}".to_owned(),
    }
}

/// What was done, the oldest first.
async fn deeds(store: &Store) -> Vec<String> {
    let entries = store.list_audit_after(0, 1_000).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

/// Runs a statement that both engines take.
async fn raw(store: &Store, statement: &'static str) -> u64 {
    writing!(store.db, "run a test's statement", pool => async {
        sqlx::query(statement)
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
            .map_err(Fault::Sql)
    })
    .unwrap()
}

fn revision(after: u64, source: Option<&Secret<String>>) -> NewRevision<'_> {
    NewRevision {
        since: BTreeMap::from([("print".to_owned(), 4)]),
        origin: "",
        detail: "[]".to_owned(),
        draft: None,
        after,
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
    let page = store.list_events(&filter).await.unwrap();
    page.events.iter().map(|stored| stored.seq).collect()
}

async fn another_key_is_refused_before_anything_is_written(lab: Lab) {
    let store = lab.open().await;
    store.close().await;
    assert!(matches!(lab.reopen(2).await, Err(StoreError::WrongKey)));
}

async fn revisions_count_up_and_come_back_as_they_were(lab: Lab) {
    let store = lab.open().await;
    assert!(store.fetch_latest_revision().await.unwrap().is_none());
    let text = Secret::from("PLANTED-text");
    let first = store
        .insert_revision(revision(0, Some(&text)))
        .await
        .unwrap();
    let second = store.insert_revision(revision(1, None)).await.unwrap();
    assert_eq!(
        (first.info.number, second.info.number),
        (Revision(1), Revision(2))
    );
    store.close().await;
    let store = lab.reopen(1).await.unwrap();
    let found = store.fetch_latest_revision().await.unwrap().unwrap();
    assert_eq!(found.info, second.info);
    assert_eq!(found.snapshot, second.snapshot);
    assert_eq!(found.since, BTreeMap::from([("print".to_owned(), 4)]));
    assert_eq!(found.snapshot.revision, 2);
}

async fn a_row_moved_to_another_number_does_not_open(lab: Lab) {
    let store = lab.open().await;
    store.insert_revision(revision(0, None)).await.unwrap();
    raw(&store, "UPDATE revisions SET number = 2").await;
    assert!(matches!(
        store.fetch_latest_revision().await,
        Err(StoreError::Seal(SealError::Refused))
    ));
}

async fn a_verdict_needs_a_revision_and_the_last_one_counts(lab: Lab) {
    let store = lab.open().await;
    let node = NodeId::new("one").unwrap();
    let applied = Verdict::Applied;
    let unknown = store
        .upsert_acknowledgement(&node, None, Revision(1), &applied, 1)
        .await;
    assert_eq!(unknown.unwrap(), Noted::NoSuchRevision);
    store.insert_revision(revision(0, None)).await.unwrap();
    let refused = Verdict::Refused { faults: Vec::new() };
    for (verdict, at_ms) in [(&refused, 2), (&applied, 3)] {
        let known = store
            .upsert_acknowledgement(&node, None, Revision(1), verdict, at_ms)
            .await;
        assert_eq!(known.unwrap(), Noted::Stored);
    }
    let nodes = store.list_nodes().await.unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].last, Some((Revision(1), applied, 3)));
    assert_eq!(nodes[0].last_seen_ms, 3);
}

async fn an_event_sent_twice_is_one_row_and_a_challenged_login_is_two(lab: Lab) {
    let store = lab.open().await;
    let first = store
        .insert_events(vec![event(1, 10), event(1, 20), event(1, 10)])
        .await
        .unwrap();
    assert_eq!(first.len(), 2);
    let again = store.insert_events(vec![event(1, 20)]).await.unwrap();
    assert!(again.is_empty(), "{again:?}");
    let page = store.list_events(&EventFilter::default()).await.unwrap();
    let mut stored = page.events;
    stored.reverse();
    assert_eq!(stored, first);
}

async fn events_are_found_newest_first_by_any_filter(lab: Lab) {
    let store = lab.open().await;
    let events = (1..=250).map(|number| event(number, number * 10)).collect();
    let stored = store.insert_events(events).await.unwrap();
    let numbers: Vec<u64> = stored.iter().map(|stored| stored.seq).collect();
    assert_eq!(numbers, (1..=250).collect::<Vec<u64>>());
    let filter = |json: serde_json::Value| serde_json::from_value::<EventFilter>(json).unwrap();
    for (name, json, want) in [
        ("newest", json!({"limit": 2}), vec![250, 249]),
        (
            "page",
            json!({"cursor": "2490-249", "limit": 2}),
            vec![248, 247],
        ),
        ("from", json!({"from": "2490"}), vec![250, 249]),
        ("to", json!({"to": "30"}), vec![2, 1]),
        (
            "to, in a page",
            json!({"to": "30", "cursor": "20-2"}),
            vec![1],
        ),
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

async fn old_and_surplus_events_are_forgotten_and_their_numbers_not_used_again(lab: Lab) {
    const DAY_MS: u64 = 86_400_000;
    let store = lab.open().await;
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

async fn the_surplus_is_told_by_numbers_without_counting_the_rows(lab: Lab) {
    let store = lab.open().await;
    let events = (1..=10).map(|number| event(number, number));
    store.insert_events(events.collect()).await.unwrap();
    raw(&store, "DELETE FROM events WHERE seq BETWEEN 5 AND 8").await;
    for (keep, want) in [(0, Some(10)), (4, Some(6)), (9, Some(1)), (10, None)] {
        let found = store.fetch_surplus_event(keep).await.unwrap();
        assert_eq!(found, want, "{keep}");
    }
}

async fn no_more_nodes_are_stored_than_are_known(lab: Lab) {
    let store = lab.open().await;
    let name = |number: u64| NodeId::new(format!("node-{number}")).unwrap();
    let most = u64::try_from(crate::nodes::NODES).unwrap();
    for number in 0..most + 2 {
        store
            .upsert_node(&name(number), None, number, None)
            .await
            .unwrap();
    }
    let mut seen: Vec<_> = store.list_nodes().await.unwrap();
    seen.sort_by_key(|row| row.last_seen_ms);
    assert_eq!(seen.len(), crate::nodes::NODES);
    assert_eq!(seen[0].id, name(2), "the longest unseen are gone");
}

async fn more_events_than_one_batch_are_forgotten(lab: Lab) {
    let store = lab.open().await;
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

async fn a_revision_made_without_knowing_the_newest_is_refused(lab: Lab) {
    let store = lab.open().await;
    assert_eq!(store.fetch_latest_number().await.unwrap(), 0);
    store.insert_revision(revision(0, None)).await.unwrap();
    store.insert_revision(revision(1, None)).await.unwrap();
    for after in [0, 1, 3] {
        let refused = store.insert_revision(revision(after, None)).await;
        assert!(
            matches!(refused, Err(StoreError::Overtaken { newest: 2 })),
            "{after}: {refused:?}"
        );
    }
    assert_eq!(store.fetch_latest_number().await.unwrap(), 2);
}

async fn no_more_revisions_are_kept_than_a_thousand(lab: Lab) {
    let store = lab.open().await;
    raw(
        &store,
        "INSERT INTO revisions (number, created_at_ms, author, message, snapshot) \
         SELECT 1, 5, 'tester', 'why', wrapped FROM data_keys",
    )
    .await;
    raw(&store, "UPDATE revisions SET number = 999").await;
    store.insert_revision(revision(999, None)).await.unwrap();
    store.insert_revision(revision(1_000, None)).await.unwrap();
    assert_eq!(raw(&store, "DELETE FROM revisions").await, 3, "999 to 1001");
    raw(
        &store,
        "INSERT INTO revisions (number, created_at_ms, author, message, snapshot) \
         SELECT 1, 5, 'tester', 'why', wrapped FROM data_keys",
    )
    .await;
    raw(
        &store,
        "INSERT INTO revisions (number, created_at_ms, author, message, snapshot) \
         SELECT 1000, 5, 'tester', 'why', wrapped FROM data_keys",
    )
    .await;
    store.insert_revision(revision(1_000, None)).await.unwrap();
    assert_eq!(raw(&store, "DELETE FROM revisions").await, 2, "1 is gone");
}

async fn the_newest_revision_that_a_node_applied_is_found(lab: Lab) {
    let store = lab.open().await;
    let (one, two) = (NodeId::new("one").unwrap(), NodeId::new("two").unwrap());
    let refused = Verdict::Refused { faults: Vec::new() };
    for after in 0..3 {
        store.insert_revision(revision(after, None)).await.unwrap();
    }
    assert!(store.fetch_applied_revision(None).await.unwrap().is_none());
    for (node, number, verdict) in [
        (&one, 1, &Verdict::Applied),
        (&one, 2, &refused),
        (&two, 2, &Verdict::Applied),
        (&two, 3, &refused),
    ] {
        let known = store.upsert_acknowledgement(node, None, Revision(number), verdict, 1);
        assert_eq!(known.await.unwrap(), Noted::Stored);
    }
    let third = NodeId::new("three").unwrap();
    for (node, want) in [
        (Some(&one), Some(1)),
        (Some(&two), Some(2)),
        (Some(&third), None),
        (None, Some(2)),
    ] {
        let found = store.fetch_applied_revision(node).await.unwrap();
        assert_eq!(found.map(|one| one.info.number.0), want, "{node:?}");
    }
}

async fn documents_are_kept_sealed_and_replaced_and_forgotten(lab: Lab) {
    let store = lab.open().await;
    assert!(store.fetch_document("draft").await.unwrap().is_none());
    for text in [&b"PLANTED-one"[..], b"", b"two"] {
        store.put_document("draft", Some(text)).await.unwrap();
        store.put_document("other", Some(b"x")).await.unwrap();
        let found = store.fetch_document("draft").await.unwrap().unwrap();
        assert_eq!(found.as_slice(), text);
    }
    // One document in another's place does not open.
    raw(&store, "DELETE FROM meta WHERE name = 'document/other'").await;
    raw(
        &store,
        "UPDATE meta SET name = 'document/other' WHERE name = 'document/draft'",
    )
    .await;
    assert!(matches!(
        store.fetch_document("other").await,
        Err(StoreError::Seal(SealError::Refused))
    ));
    store.put_document("other", None).await.unwrap();
    assert!(store.fetch_document("other").await.unwrap().is_none());
    store.put_document("key_check", None).await.unwrap();
    store.close().await;
    lab.reopen(1).await.expect("no document is the key check");
}

async fn a_zero_octet_stops_nothing_from_being_stored(lab: Lab) {
    let store = lab.open().await;
    let mut hostile = event(1, 10);
    hostile.event.user = Some("a\0b".to_owned());
    hostile.json = serde_json::to_string(&hostile.event).unwrap();
    store
        .insert_events(vec![hostile, event(2, 20)])
        .await
        .unwrap();
    let by_user = EventFilter {
        user: Some("a\0b".to_owned()),
        ..EventFilter::default()
    };
    let found = store.list_events(&by_user).await.unwrap().events;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event.user.as_deref(), Some("a\0b"));
    let mut new = revision(0, None);
    new.message = "why\0not";
    store.insert_revision(new).await.unwrap();
}

async fn a_newer_schema_is_refused_by_its_number(lab: Lab) {
    let store = lab.open().await;
    raw(
        &store,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 999, 'later', TRUE, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    store.close().await;
    let error = lab.reopen(1).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { version: 999 }));
    assert!(
        error
            .to_string()
            .contains("schema is 999, of a newer program")
    );
}

async fn the_first_document_of_a_name_stays(lab: Lab) {
    let store = lab.open().await;
    for value in ["first", "second"] {
        let kept = store.put_first_document("one", value.as_bytes()).await;
        assert_eq!(kept.unwrap().as_slice(), b"first");
    }
}
