//! Buckets, and what is taken from events.

use super::*;

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
