//! Dates as the clients of the Auth API write them. Pure: "now" is no concern of this module.

/// Reads the form of RFC 2822 that the clients send: `Tue, 21 Aug 2012 17:29:18 -0000`.
///
/// The zone is numeric, or `GMT`, `UTC`, `UT` or `Z`. The day's name may be absent and is not
/// checked. Answers seconds since 1970, UTC; none for anything else.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let rest = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = rest.split_ascii_whitespace();
    let day = number(words.next()?, 1, 2)?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? + 1;
    let year = number(words.next()?, 4, 4)?;
    let mut clock = words.next()?.split(':');
    let hour = number(clock.next()?, 2, 2)?;
    let minute = number(clock.next()?, 2, 2)?;
    let second = number(clock.next()?, 2, 2)?;
    let offset = offset_seconds(words.next()?)?;
    if clock.next().is_some() || words.next().is_some() {
        return None;
    }
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_1970(year, i64::try_from(month).ok()?, day);
    Some(days * DAY_SECONDS + hour * 3_600 + minute * 60 + second - offset)
}

/// The date of a time: year, month (1 to 12), day (1 to 31), by H. Hinnant's `civil_from_days`.
pub(crate) fn civil(unix_s: i64) -> (i64, i64, i64) {
    let shifted = unix_s.div_euclid(DAY_SECONDS) + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    year.div_euclid(400) * 146_097 + days - 719_468
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "GMT" | "UTC" | "UT" | "Z") {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = number(digits, 4, 4)?;
    let (hours, minutes) = (digits / 100, digits % 100);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn number(text: &str, least: usize, most: usize) -> Option<i64> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

const DAY_SECONDS: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_dates_that_clients_send_and_nothing_else() {
        for (name, text, want) in [
            (
                "python",
                "Tue, 21 Aug 2012 17:29:18 -0000",
                Some(1_345_570_158),
            ),
            (
                "python with a zone",
                "Tue, 21 Aug 2012 12:29:18 -0500",
                Some(1_345_570_158),
            ),
            ("go", "Tue, 21 Aug 2012 17:29:18 +0000", Some(1_345_570_158)),
            (
                "java",
                "Tue, 21 Aug 2012 19:29:18 +0200",
                Some(1_345_570_158),
            ),
            ("node", "Tue, 21 Aug 2012 17:29:18 GMT", Some(1_345_570_158)),
            ("no day name", "1 Jan 1970 00:00:00 +0000", Some(0)),
            (
                "leap day",
                "Thu, 29 Feb 2024 00:00:00 +0000",
                Some(1_709_164_800),
            ),
            ("empty", "", None),
            ("no zone", "Tue, 21 Aug 2012 17:29:18", None),
            ("named zone", "Tue, 21 Aug 2012 17:29:18 EST", None),
            ("month", "Tue, 21 Aux 2012 17:29:18 GMT", None),
            ("hour", "Tue, 21 Aug 2012 24:29:18 GMT", None),
            ("sign in a number", "Tue, +1 Aug 2012 17:29:18 GMT", None),
            ("more", "Tue, 21 Aug 2012 17:29:18 GMT x", None),
            ("iso", "2012-08-21T17:29:18Z", None),
            (
                "zone of other letters",
                "Tue, 21 Aug 2012 17:29:18 é000",
                None,
            ),
        ] {
            assert_eq!(parse(text), want, "{name}");
        }
    }

    #[test]
    fn civil_is_the_inverse_of_days() {
        for (unix_s, want) in [
            (0, (1970, 1, 1)),
            (1_345_570_158, (2012, 8, 21)),
            (1_709_164_800, (2024, 2, 29)),
            (4_102_444_800, (2100, 1, 1)),
        ] {
            assert_eq!(civil(unix_s), want);
            assert_eq!(
                days_since_1970(want.0, want.1, want.2),
                unix_s.div_euclid(DAY_SECONDS)
            );
        }
    }
}
