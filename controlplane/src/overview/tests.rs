//! Buckets, and what is taken from events.

use proto::config::raw;
use serde_json::{Value, json};

use super::*;
use crate::admin::EventCursor;
use crate::store::EventRow;

#[test]
fn there_are_no_more_buckets_than_can_be_drawn_and_the_last_has_now_in_it() {
    for minutes in 5..=MOST_MINUTES {
        for now in [1_763_820_299_999, 1_763_820_300_000, 1_763_820_300_001] {
            let buckets = Buckets::of(minutes, now);
            assert!(buckets.count <= BUCKETS, "{minutes}: {buckets:?}");
            let window = u64::from(minutes) * MINUTE_MS;
            assert!(buckets.count * buckets.bucket_ms >= window, "{minutes}");
            assert_eq!(buckets.since_ms % buckets.bucket_ms, 0, "{minutes}");
            assert_eq!(buckets.find(now), Some(buckets.count - 1), "{minutes}");
            assert_eq!(buckets.find(buckets.since_ms - 1), None, "{minutes}");
        }
    }
    let hour = Buckets::of(60, 1_763_820_299_999);
    assert_eq!((hour.bucket_ms, hour.count), (30_000, 120));
    let day = Buckets::of(MOST_MINUTES, 1_763_820_299_999);
    assert_eq!((day.bucket_ms, day.count), (900_000, 96));
}

fn row(number: u64, members: &Value) -> EventRow {
    let mut event = json!({
        "id": format!("{number:032x}"), "at_ms": AT_MS + number, "node": "one", "revision": 1,
        "integration": "vpn", "ikey": "DI", "client": "192.0.2.1:1024", "authenticator": "ad",
        "outcome": "accept", "reason": "approved", "elapsed_us": 7, "timeline": [
            step("primary", 100, "accepted"), step("preauth", 2_000, "auth: phone"),
            step("factor", 30_000, "waiting"), step("factor", 400_000, "allow"),
        ],
    });
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    EventRow {
        at: EventCursor {
            at_ms: AT_MS + number,
            seq: number,
        },
        json: event.to_string(),
    }
}

fn step(stage: &str, elapsed_us: u64, detail: &str) -> Value {
    json!({"stage": stage, "at_us": 1, "elapsed_us": elapsed_us, "detail": detail})
}

/// Of events of one bucket.
fn sampled(rows: &[EventRow]) -> (Sample, Buckets) {
    let buckets = Buckets::of(60, AT_MS);
    let mut sample = Sample::default();
    sample.take_in(rows, buckets);
    (sample, buckets)
}

#[test]
fn waits_are_added_up_in_a_login_and_told_by_stage_and_bucket() {
    let slow = json!({"at_ms": AT_MS - 60_000, "timeline": [step("primary", 9_000, "accepted")]});
    let test = json!({"test": true, "timeline": [step("primary", 1, "accepted")]});
    let later = json!({"outcome": "of a later program"});
    let rows = [
        row(2, &json!({})),
        row(1, &test),
        row(4, &later),
        row(3, &slow),
    ];
    let (sample, buckets) = sampled(&rows);
    assert_eq!(sample.events(), 2, "a test is no login");
    let stages = serde_json::to_value(sample.stages(buckets)).unwrap();
    let at = |at_ms: u64| at_ms / 30_000 * 30_000;
    assert_eq!(
        stages[0],
        json!({
            "stage": "primary", "count": 2, "p50_us": 100, "p90_us": 9_000, "p99_us": 9_000,
            "buckets": [
                {"at_ms": at(AT_MS - 60_000), "count": 1, "p50_us": 9_000, "p90_us": 9_000, "p99_us": 9_000},
                {"at_ms": at(AT_MS), "count": 1, "p50_us": 100, "p90_us": 100, "p99_us": 100},
            ],
        })
    );
    assert_eq!(stages[1]["p50_us"], 2_000);
    assert_eq!(stages[2]["p50_us"], 430_000, "the factor's polls together");
    assert_eq!(stages.as_array().unwrap().len(), 3);
}

#[test]
fn shares_of_many_waits_are_the_nearest_that_were_there() {
    let rows: Vec<EventRow> = (1..=200)
        .map(|number| row(number, &json!({"timeline": [step("primary", number, "")]})))
        .collect();
    let (sample, buckets) = sampled(&rows);
    let all = &sample.stages(buckets)[0];
    assert_eq!((all.p50_us, all.p90_us, all.p99_us), (100, 180, 198));
}

#[test]
fn who_could_not_decide_has_failed_and_who_refused_has_not() {
    let primary = |reason: &str, detail: &str| json!({"outcome": "reject", "reason": reason, "timeline": [step("primary", 5, detail)]});
    let second = |outcome: &str, reason: &str, detail: &str| {
        json!({"outcome": outcome, "reason": reason, "timeline": [
            step("primary", 5, "accepted"), step("preauth", 7, detail), step("answer", 0, "sent"),
        ]})
    };
    let other = json!({"integration": "wifi", "authenticator": "aa"});
    let skipped = json!({"reason": "primary_only", "timeline": [
        step("primary", 5, "accepted"), step("preauth", 0, "not asked: PRIMARY ONLY"),
    ]});
    let (sample, _) = sampled(&[
        row(9, &other),
        row(8, &primary("wrong_password", "rejected")),
        row(
            7,
            &primary("primary_misconfigured", "not checked: no such base"),
        ),
        row(6, &primary("primary_unavailable", "no answer: refused")),
        row(5, &second("accept", "fail_mode_safe", "failed: away")),
        row(4, &second("reject", "second_factor_error", "failed: 401")),
        row(
            3,
            &second("reject", "second_factor_unavailable", "failed: 502"),
        ),
        row(2, &second("reject", "denied", "deny: no")),
        row(1, &skipped),
    ]);
    let told = sample.authenticators();
    let ids: Vec<&str> = told.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["ad", "aa"], "those that fail first");
    assert_eq!(
        (told[0].asked, told[0].failed, told[0].unavailable),
        (8, 2, 1)
    );
    let last = told[0].last_failure.as_ref().unwrap();
    assert_eq!(last.detail, "not checked: no such base", "the newest one");
    assert_eq!((last.at_ms, last.node.as_str()), (AT_MS + 7, "one"));
    assert!(told[1].last_failure.is_none());

    let snapshot: raw::Snapshot = serde_json::from_value(json!({
        "revision": 1, "integrations": [{
            "id": "vpn", "mode": "auto", "clients": [],
            "application": {"ikey": "DI", "skey": "k", "host": "api.example.com"},
        }],
    }))
    .unwrap();
    let told = sample.second_factors(&snapshot);
    assert_eq!(told[0].integration.as_str(), "vpn");
    assert_eq!(told[0].host.as_deref(), Some("api.example.com"));
    let counts = (told[0].asked, told[0].failed, told[0].unavailable);
    assert_eq!((counts, told[0].fail_mode_used), ((4, 3, 2), 1));
    assert_eq!(told[0].p50_us, Some(7), "of the one that was answered");
    let last = told[0].last_failure.as_ref().unwrap();
    assert_eq!(last.detail, "failed: away");
    assert_eq!((told[1].host.as_deref(), told[1].failed), (None, 0));
}

fn ended(bucket: u64, outcome: &str, reason: &str, count: u64) -> Ended {
    Ended {
        bucket,
        outcome: outcome.to_owned(),
        reason: reason.to_owned(),
        count,
    }
}

#[test]
fn counts_come_into_their_buckets_and_reasons_are_those_of_what_went_wrong() {
    let buckets = Buckets::of(60, AT_MS);
    let all = [
        ended(0, "accept", "approved", 5),
        ended(1, "reject", "denied", 2),
        ended(1, "unanswered", "overloaded", 9),
        ended(119, "reject", "denied", 3),
        ended(119, "challenge", "prompted", 4),
        ended(120, "accept", "approved", 1),
        ended(2, "reject", "of a later program", 1),
    ];
    let told = in_buckets(&all, buckets);
    assert_eq!(told.len(), 120);
    assert_eq!((told[0].accept, told[1].unanswered), (5, 9));
    let last = told[119];
    assert_eq!((last.at_ms, last.challenge), (buckets.at_ms(119), 4));
    let told: Vec<(&str, u64)> = reasons(&all)
        .iter()
        .map(|one| (one.reason.as_str(), one.count))
        .collect();
    assert_eq!(told, [("overloaded", 9), ("denied", 5)]);
}

#[test]
fn one_that_was_made_lately_is_shown_again_and_windows_are_bounded() {
    let overviews = Overviews::default();
    let first = overviews.cell(60, 0);
    assert!(Arc::ptr_eq(&first, &overviews.cell(60, 0)), "on its way");
    assert!(!Arc::ptr_eq(&first, &overviews.cell(5, 0)));
    let made = Overview {
        since_ms: 0,
        until_ms: 10_000,
        bucket_ms: 1,
        buckets: Vec::new(),
        reasons: Vec::new(),
        sampled: Sampled::default(),
        stages: Vec::new(),
        authenticators: Vec::new(),
        second_factor: Vec::new(),
        certificates: Vec::new(),
        unsigned_clients: UnsignedClients::default(),
    };
    first.made.set(Arc::new(made)).unwrap();
    let fresh = overviews.cell(60, 10_000 + FRESH_MS - 1);
    assert!(Arc::ptr_eq(&first, &fresh));
    for late in [10_000 + FRESH_MS, 9_999] {
        let other = Overviews::default();
        other.made.lock().unwrap().push(Made {
            minutes: 60,
            cell: Arc::clone(&first),
        });
        assert!(!Arc::ptr_eq(&first, &other.cell(60, late)), "{late}");
    }
    for minutes in 100..200 {
        overviews.cell(minutes, 10_000);
    }
    assert_eq!(overviews.made.lock().unwrap().len(), WINDOWS);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_is_told_to_come_again() {
    let overviews = Overviews::default();
    let taken = overviews.making.try_acquire_many(2).unwrap();
    let cell = overviews.cell(60, 0);
    let never = async || -> Result<Overview, Problem> { panic!("there was no place") };
    // One waits for a place, the others for that one: none of them any longer.
    let (first, second) = tokio::join!(
        overviews.in_turn(&cell, never()),
        overviews.in_turn(&cell, never()),
    );
    for refused in [first, second] {
        let answer = axum::response::IntoResponse::into_response(refused.unwrap_err());
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "2");
    }
    drop(taken);
    let slow = async {
        tokio::time::advance(PATIENCE * 2).await;
        Err(Problem::new(Kind::Conflict, "made"))
    };
    let made = overviews.in_turn(&cell, slow).await;
    let answer = axum::response::IntoResponse::into_response(made.unwrap_err());
    assert_eq!(answer.status(), 409, "making it may take longer");
    // It came to nothing: who comes now begins anew.
    let _taken = overviews.making.try_acquire_many(2).unwrap();
    let last = tokio::time::timeout(PATIENCE * 2, overviews.in_turn(&cell, never()));
    let refused = last.await.expect("it waits no longer").unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
}

const AT_MS: u64 = 1_763_820_010_000;
