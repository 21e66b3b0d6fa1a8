//! Moments as people read them. No clock: whoever calls knows the time.

/// A moment in UTC as RFC 3339 writes it, to the second: `2026-11-22T15:00:00Z`. Takes milliseconds
/// since 1970; what lies after the year 9999 is shown as its end.
#[must_use]
pub fn utc(at_ms: u64) -> String {
    let seconds = (at_ms / 1_000).min(LAST_SECOND);
    let (days, time) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The Gregorian date of a number of days after 1970-01-01. Years begin in March here, so that the
/// day that leap years have more is their last.
const fn date(days: u64) -> (u64, u64, u64) {
    let since_0000 = days + DAYS_TO_1970;
    let (era, day_of_era) = (since_0000 / ERA, since_0000 % ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const DAY: u64 = 86_400;
/// Days of 400 years.
const ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_dates_and_times() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_763_822_487, "2025-11-22T14:41:27Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX / 1_000, "9999-12-31T23:59:59Z"),
        ] {
            let at_ms = seconds * 1_000;
            assert_eq!(utc(at_ms), want, "{seconds}");
            assert_eq!(utc(at_ms.saturating_add(600)), want, "{seconds}");
        }
    }
}
