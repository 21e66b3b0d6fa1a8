//! Events: which index a query goes by, pages while others write, what is forgotten by size, and
//! what the migration makes of events that are there.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use super::*;
use crate::store::engine::reading;
use crate::store::events::{LOOKED_AT, Walk};

on_both! {
    every_question_goes_by_the_index_that_is_made_for_it
    page_by_page_gives_all_once_while_others_write
    what_has_no_index_is_found_and_a_search_ends
    events_are_found_by_every_filter
    events_are_forgotten_by_their_size
    what_was_stored_after_an_event_is_told_in_order
    one_login_is_found_by_its_id
}

fn filter(json: Value) -> EventFilter {
    serde_json::from_value(json).unwrap()
}

/// An event, with other members than usual.
pub(super) fn with(number: u64, at_ms: u64, members: &Value) -> NewEvent {
    let mut json: Value = serde_json::from_str(&event(number, at_ms).json).unwrap();
    for (name, value) in members.as_object().unwrap() {
        json[name] = value.clone();
    }
    NewEvent {
        json: json.to_string(),
        event: serde_json::from_value(json).unwrap(),
    }
}

/// How the engine would answer.
async fn plan(store: &Store, filter: &EventFilter) -> String {
    let walk = Walk::of(filter);
    let bounds = [0, i64::MAX, i64::MAX, i64::MAX, 101];
    explained(store, walk.statement, &bounds, walk.value.as_deref()).await
}

/// How the engine would run a statement with these numbers, and a text behind them.
pub(super) async fn explained(
    store: &Store,
    statement: &str,
    numbers: &[i64],
    text: Option<&str>,
) -> String {
    let explain = match &store.db {
        Db::Sqlite { .. } => "EXPLAIN QUERY PLAN ",
        Db::Postgres(_) => "EXPLAIN ",
    };
    let statement = format!("{explain}{statement}");
    let column = match &store.db {
        Db::Sqlite { .. } => 3,
        Db::Postgres(_) => 0,
    };
    let steps: Vec<String> = reading!(store.db, "explain", pool => async {
        use sqlx::Row;
        let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
        for number in numbers {
            query = query.bind(*number);
        }
        if let Some(text) = text {
            query = query.bind(text);
        }
        let rows = query.fetch_all(pool).await.map_err(Fault::Sql)?;
        Ok(rows.iter().map(|row| row.get::<String, _>(column)).collect())
    })
    .unwrap();
    steps.join("\n")
}

async fn every_question_goes_by_the_index_that_is_made_for_it(lab: Lab) {
    let store = lab.open().await;
    let events = (1..=5_000).map(|number| {
        let members = json!({
            "user": format!("user{}", number % 500),
            "integration": format!("i{}", number % 50),
            "client": format!("192.0.2.{}:1024", number % 200),
            "reason": if number % 50 == 0 { "denied" } else { "approved" },
            "outcome": if number % 50 == 0 { "reject" } else { "accept" },
        });
        with(number, number * 10, &members)
    });
    store.insert_events(events.collect()).await.unwrap();
    raw(&store, "ANALYZE").await;
    for (query, index) in [
        (json!({}), "events_by_time"),
        (json!({"from": "40000", "node": "one"}), "events_by_time"),
        (json!({"user": "user7"}), "events_by_user"),
        (
            json!({"user": "user7", "from": "40000", "outcome": "accept"}),
            "events_by_user",
        ),
        (
            json!({"integration": "i7", "to": "40000"}),
            "events_by_integration",
        ),
        (
            json!({"integration": "i7", "reason": "approved"}),
            "events_by_integration",
        ),
        (
            json!({"client": "192.0.2.7", "integration": "i7"}),
            "events_by_client",
        ),
        (
            json!({"reason": "denied", "integration": "i0"}),
            "events_by_reason",
        ),
        (json!({"outcome": "reject"}), "events_by_outcome"),
        (
            json!({"first": format!("{:032x}", 7), "user": "user7"}),
            "events_by_chain",
        ),
    ] {
        let plan = plan(&store, &filter(query.clone())).await;
        assert!(plan.contains(index), "{query}: {plan}");
        assert!(!plan.contains("Seq Scan"), "{query}: {plan}");
        // PostgreSQL may put a few in order where it knows that they are few.
        if let Db::Sqlite { .. } = store.db {
            assert!(
                plan.starts_with("SEARCH events USING INDEX"),
                "{query}: {plan}"
            );
            assert!(!plan.contains("TEMP B-TREE"), "{query}: {plan}");
        }
    }
}

async fn page_by_page_gives_all_once_while_others_write(lab: Lab) {
    // When each event arrived, how many pages hold at most, what comes between two pages.
    let cases = (
        prop::collection::vec(0_u64..6, 0..30),
        1_u32..7,
        prop::collection::vec(prop::collection::vec(0_u64..9, 0..3), 0..30),
        prop::sample::select(vec![
            json!({}),
            json!({"user": "user1"}),
            json!({"text": "user1"}),
        ]),
    );
    let store = lab.open().await;
    let mut runner = TestRunner::new(Config::with_cases(12));
    let (mut tried, mut number) = (0, 0);
    let mut drawn = Vec::new();
    for _ in 0..12 {
        let tree = cases.new_tree(&mut runner).unwrap();
        drawn.push(prop::strategy::ValueTree::current(&tree));
    }
    for (moments, limit, between, query) in drawn {
        raw(&store, "DELETE FROM events").await;
        let mut made = |moments: &[u64]| -> Vec<NewEvent> {
            let one = |at_ms: &u64| {
                number += 1;
                event(number, *at_ms)
            };
            moments.iter().map(one).collect()
        };
        let before = store.insert_events(made(&moments)).await.unwrap();
        let mut asked = filter(query.clone());
        asked.limit = Some(limit);
        let wanted: Vec<u64> = before
            .iter()
            .filter(|stored| asked.matches(&stored.event))
            .map(|stored| stored.seq)
            .collect();
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        let mut last = None;
        let mut between = between.iter();
        loop {
            let page = store.list_events(&asked).await.unwrap();
            assert!(page.events.len() <= limit as usize);
            for stored in &page.events {
                let at = (stored.event.at_ms, stored.seq);
                assert!(last.is_none_or(|last| at < last), "not in order");
                last = Some(at);
                *seen.entry(stored.seq).or_default() += 1;
            }
            if let Some(moments) = between.next() {
                store.insert_events(made(moments)).await.unwrap();
            }
            match page.next {
                Some(next) => asked.cursor = Some(next),
                None => break,
            }
        }
        assert!(seen.values().all(|times| *times == 1), "{query}: {seen:?}");
        for seq in &wanted {
            assert!(seen.contains_key(seq), "{query}: {seq} is missing");
        }
        tried += wanted.len();
    }
    assert!(tried > 50, "{tried}");
}

async fn what_has_no_index_is_found_and_a_search_ends(lab: Lab) {
    let store = lab.open().await;
    let most = u64::from(LOOKED_AT) + 1_500;
    for first in (1..=most).step_by(2_500) {
        let numbers = first..(first + 2_500).min(most + 1);
        let events = numbers.map(|number| match number {
            1 => with(1, 1, &json!({"node": "two"})),
            number => event(number, number),
        });
        store.insert_events(events.collect()).await.unwrap();
    }
    let mut asked = filter(json!({"node": "two"}));
    let page = store.list_events(&asked).await.unwrap();
    assert!(page.events.is_empty(), "it is further down");
    let next = page.next.expect("and there is more to look at");
    assert!(next.seq <= most - u64::from(LOOKED_AT) + 1, "{next}");
    asked.cursor = Some(next);
    let page = store.list_events(&asked).await.unwrap();
    assert_eq!(page.events.len(), 1);
    assert_eq!((page.events[0].seq, page.next), (1, None));
}

async fn events_are_found_by_every_filter(lab: Lab) {
    let store = lab.open().await;
    let first = format!("{:032x}", 1);
    let events = vec![
        with(
            1,
            10,
            &json!({"outcome": "challenge", "reason": "prompted"}),
        ),
        with(
            2,
            20,
            &json!({"first": first, "client": "[2001:db8::1]:7", "node": "two"}),
        ),
        with(
            3,
            30,
            &json!({"client": "[::ffff:192.0.2.9]:7", "factor": "phone", "user": null}),
        ),
        with(
            4,
            40,
            &json!({"reply_message": "Grüß GOTT", "reason": "denied"}),
        ),
    ];
    store.insert_events(events).await.unwrap();
    for (query, want) in [
        (json!({}), vec![4, 3, 2, 1]),
        (json!({"first": first}), vec![2, 1]),
        (json!({"first": format!("{:032x}", 2)}), vec![]),
        (json!({"client": "2001:db8::1"}), vec![2]),
        (json!({"client": "192.0.2.9"}), vec![3]),
        (json!({"client": "192.0.2.1"}), vec![4, 1]),
        (json!({"node": "two"}), vec![2]),
        (json!({"factor": "phone"}), vec![3]),
        (json!({"factor": "phone", "outcome": "challenge"}), vec![]),
        (json!({"reason": "prompted", "first": first}), vec![1]),
        (json!({"text": "grüß gott"}), vec![4]),
        (json!({"text": "2001:DB8"}), vec![2]),
        (json!({"text": "%"}), vec![]),
        (json!({"user": "user1", "from": "20"}), vec![4]),
        (json!({"outcome": "accept", "to": "40"}), vec![3, 2]),
    ] {
        assert_eq!(seqs(&store, filter(query.clone())).await, want, "{query}");
    }
}

async fn events_are_forgotten_by_their_size(lab: Lab) {
    let store = lab.open().await;
    let stop = CancellationToken::new();
    let octets = |numbers: std::ops::RangeInclusive<u64>| {
        let octets = numbers.map(|number| event(number, number).json.len());
        u64::try_from(octets.sum::<usize>()).unwrap()
    };
    let events = (1..=9).map(|number| event(number, number)).collect();
    store.insert_events(events).await.unwrap();
    let mut retention = Retention::default();
    for (first, want) in [(1, 9), (5, 5), (5, 5), (9, 1)] {
        retention.octets = octets(first..=9);
        forget(&store, retention, 0, &stop).await.unwrap();
        let left = seqs(&store, EventFilter::default()).await;
        assert_eq!(left.len(), want, "{first}: {left:?}");
        assert_eq!(left[0], 9, "the newest stay");
    }
    store.insert_events(vec![event(10, 10)]).await.unwrap();
    retention.octets = octets(10..=10);
    forget(&store, retention, 0, &stop).await.unwrap();
    assert_eq!(seqs(&store, EventFilter::default()).await, [10]);
    retention.octets = 0;
    forget(&store, retention, 0, &stop).await.unwrap();
    assert!(seqs(&store, EventFilter::default()).await.is_empty());
}

async fn what_was_stored_after_an_event_is_told_in_order(lab: Lab) {
    let store = lab.open().await;
    let events = (1..=1_200).map(|number| event(number, 5_000 - number));
    store.insert_events(events.collect()).await.unwrap();
    let odd = filter(json!({"integration": "odd"}));
    let (found, last, has_more) = store.list_events_after(&odd, 10).await.unwrap();
    let numbers: Vec<u64> = found.iter().map(|stored| stored.seq).collect();
    assert_eq!(numbers, (11..=1_010).step_by(2).collect::<Vec<u64>>());
    assert_eq!((last, has_more), (Some(1_010), true));
    let (found, last, has_more) = store.list_events_after(&odd, 1_010).await.unwrap();
    assert_eq!((found.len(), last, has_more), (95, Some(1_200), false));
    let none = store.list_events_after(&odd, 1_200).await.unwrap();
    assert_eq!((none.0.len(), none.1, none.2), (0, None, false));
}

async fn one_login_is_found_by_its_id(lab: Lab) {
    let store = lab.open().await;
    let stored = store.insert_events(vec![event(1, 10), event(2, 20)]).await;
    let id = |number: u128| proto::id::LoginId::from_bytes(number.to_be_bytes());
    let found = store.fetch_event(id(2)).await.unwrap();
    assert_eq!(found.as_ref(), stored.unwrap().get(1));
    assert!(store.fetch_event(id(3)).await.unwrap().is_none());
}

/// Puts events as the schema before had them, and has them brought up to date.
#[tokio::test]
async fn events_of_before_are_found_by_what_is_new() {
    for lab in [Lab::sqlite(), Lab::postgres()] {
        let store = lab.open().await;
        let first = format!("{:032x}", 1);
        let events = vec![
            with(1, 10, &json!({"user": "a\0\"first\":\"x"})),
            with(2, 20, &json!({"first": first, "client": "[2001:db8::1]:7"})),
            with(3, 30, &json!({"client": "[::ffff:192.0.2.9]:7"})),
        ];
        let kept = events[1..]
            .iter()
            .map(|event| event.json.len())
            .sum::<usize>();
        store.insert_events(events).await.unwrap();
        for statement in [
            "DROP INDEX events_by_chain",
            "DROP INDEX events_by_client",
            "ALTER TABLE events DROP COLUMN chain",
            "ALTER TABLE events DROP COLUMN total",
            "DROP INDEX events_by_reason",
            "DROP INDEX events_by_outcome",
            "UPDATE events SET client = '192.0.2.1:1024' WHERE seq = 1",
            "UPDATE events SET client = '[2001:db8::1]:7' WHERE seq = 2",
            "UPDATE events SET client = '[::ffff:192.0.2.9]:7' WHERE seq = 3",
            "DELETE FROM _sqlx_migrations WHERE version = 6",
        ] {
            raw(&store, statement).await;
        }
        store.close().await;
        let store = lab.reopen(1).await.unwrap();
        for (query, want) in [
            (json!({"first": first}), vec![2, 1]),
            (json!({"client": "192.0.2.1"}), vec![1]),
            (json!({"client": "2001:db8::1"}), vec![2]),
            (json!({"client": "192.0.2.9"}), vec![3]),
        ] {
            assert_eq!(seqs(&store, filter(query.clone())).await, want, "{query}");
        }
        let retention = Retention {
            octets: u64::try_from(kept).unwrap(),
            ..Retention::default()
        };
        let stop = CancellationToken::new();
        forget(&store, retention, 0, &stop).await.unwrap();
        assert_eq!(seqs(&store, EventFilter::default()).await, [3, 2]);
    }
}
