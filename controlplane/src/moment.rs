//! Moments as requests name them. No clock.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970, UTC. Read from that number, or from what RFC 3339 writes:
/// `2026-11-22`, `2026-11-22T15:00:00Z`, `2026-11-22T16:00:00.250+01:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// A text that names no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a moment is 2026-11-22, 2026-11-22T15:00:00Z, or milliseconds since 1970, not before that"
)]
pub struct NoMoment;

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        read(text).map(Self).ok_or(NoMoment)
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^([0-9]{1,13}|[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}.*)?)$",
            "examples": ["2026-11-22", "2026-11-22T15:00:00Z", "1763822487123"],
        })
    }
}

fn read(text: &str) -> Option<u64> {
    if text.len() > MAX_OCTETS || !text.is_ascii() {
        return None;
    }
    if digits(text) {
        return text.parse().ok();
    }
    let (date, behind) = text.split_at_checked(10)?;
    let mut days = days(date)?.checked_mul(DAY_MS)?;
    if behind.is_empty() {
        return Some(days);
    }
    let clock = behind.strip_prefix(['T', 't', ' '])?;
    let (clock, zone) = clock.split_at_checked(8)?;
    let (clock_parts, fraction, offset) = (parts(clock, ':')?, fraction(zone), zone);
    let [hour, minute, second] = clock_parts;
    // A leap second is the moment after it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (milliseconds, offset) = match fraction {
        Some((milliseconds, rest)) => (milliseconds, rest),
        None => (0, offset),
    };
    days += (hour * 3_600 + minute * 60 + second) * 1_000 + milliseconds;
    if matches!(offset, "Z" | "z") {
        return Some(days);
    }
    let (sign, ahead) = offset.split_at_checked(1)?;
    let (hours, minutes) = ahead.split_once(':')?;
    if !(hours.len() == 2 && minutes.len() == 2 && digits(hours) && digits(minutes)) {
        return None;
    }
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = (hours * 60 + minutes) * 60_000;
    match sign {
        "+" => days.checked_sub(ahead),
        "-" => days.checked_add(ahead),
        _ => None,
    }
}

/// Milliseconds of `.25`, and what is behind them; none when there is no fraction.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let behind = text.strip_prefix('.')?;
    let end = behind.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = behind.split_at_checked(end)?;
    let mut milliseconds = 0;
    for place in 0..3 {
        let digit = number.as_bytes().get(place).map_or(0, |octet| octet - b'0');
        milliseconds = milliseconds * 10 + u64::from(digit);
    }
    (!number.is_empty()).then_some((milliseconds, rest))
}

/// Days after 1970-01-01 of a Gregorian date. Years begin in March here, so that the day that leap
/// years have more is their last.
fn days(date: &str) -> Option<u64> {
    let [year, month, day] = parts(date, '-')?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > longest {
        return None;
    }
    let (year, from_march) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 + day;
    days.checked_sub(1 + DAYS_TO_1970)
}

/// Three numbers with something between them.
fn parts(text: &str, between: char) -> Option<[u64; 3]> {
    let mut numbers = text.split(between).map(|part| match digits(part) {
        true => part.parse().ok(),
        false => None,
    });
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(found)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

const MAX_OCTETS: usize = 64;
const DAY_MS: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_read_as_people_and_programs_write_them() {
        for (text, want) in [
            ("0", Some(0)),
            ("1763822487000", Some(1_763_822_487_000)),
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400_000)),
            ("2025-11-22T14:41:27Z", Some(1_763_822_487_000)),
            ("2025-11-22t14:41:27z", Some(1_763_822_487_000)),
            ("2025-11-22 14:41:27.25Z", Some(1_763_822_487_250)),
            ("2025-11-22T14:41:27.1239Z", Some(1_763_822_487_123)),
            ("2025-11-22T15:41:27+01:00", Some(1_763_822_487_000)),
            ("2025-11-22T09:11:27-05:30", Some(1_763_822_487_000)),
            ("", None),
            ("-1", None),
            ("99999999999999999999999", None),
            ("1969-12-31", None),
            ("2025-02-29", None),
            ("2025-13-01", None),
            ("2025-11-00", None),
            ("2025-11-22T", None),
            ("2025-11-22T14:41:27", None),
            ("2025-11-22T24:00:00Z", None),
            ("2025-11-22T14:41:27.Z", None),
            ("2025-11-22T14:41:27+1:00", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2025-11-22T14:41:27Zx", None),
            ("ä025-11-22", None),
        ] {
            assert_eq!(text.parse().ok(), want.map(Moment), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(seconds in 0_u64..253_402_300_799) {
            let shown = proto::date::utc(seconds * 1_000);
            prop_assert_eq!(shown.parse(), Ok(Moment(seconds * 1_000)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9TZ:.+ä-]{0,40}") {
            let _read = text.parse::<Moment>();
        }
    }
}
