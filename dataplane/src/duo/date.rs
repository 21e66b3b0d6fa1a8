//! Dates of RFC 1123 as text, both ways. Pure.

/// The length of every date that [`rfc1123`] writes.
pub(crate) const OCTETS: usize = 31;

/// Writes seconds since 1970 as `Tue, 21 Aug 2012 17:29:18 -0000`.
///
/// Years after 9999 are written as 9999, which no peer will accept anyway.
pub(crate) fn rfc1123(unix: u64) -> [u8; OCTETS] {
    let unix = unix.min(LAST_SECOND);
    let (days, second) = (unix / DAY, unix % DAY);
    let (year, month, day) = civil(days);
    // 1970-01-01 was a Thursday.
    let weekday = name(&WEEKDAYS, (days + 4) % 7);
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 -0000";
    let parts: [(usize, &[u8]); 7] = [
        (0, weekday),
        (5, &digits::<2>(day)),
        (8, name(&MONTHS, month - 1)),
        (12, &digits::<4>(year)),
        (17, &digits::<2>(second / 3600)),
        (20, &digits::<2>(second / 60 % 60)),
        (23, &digits::<2>(second % 60)),
    ];
    for (at, text) in parts {
        for (to, from) in out.iter_mut().skip(at).zip(text) {
            *to = *from;
        }
    }
    out
}

/// Reads `Tue, 21 Aug 2012 17:29:18 GMT` (the only form RFC 9110 section 5.6.7 lets a sender use)
/// as seconds since 1970. The weekday is not compared.
pub(crate) fn parse_http_date(text: &str) -> Option<u64> {
    let (_, rest) = text.trim().split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?.as_bytes();
    let month = MONTHS.iter().position(|m| m == month)? + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let mut part = |limit| clock.next()?.ok().filter(|n| *n < limit);
    // A leap second is second 60.
    let second = part(24)? * 3600 + part(60)? * 60 + part(61)?;
    let valid = words.next()? == "GMT" && words.next().is_none();
    if !valid || !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days_since_1970(year, u64::try_from(month).ok()?, day) * DAY + second)
}

fn name(names: &'static [[u8; 3]], index: u64) -> &'static [u8] {
    let index = usize::try_from(index).unwrap_or_default();
    names.get(index).map_or(b"???", |name| name)
}

fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut out = [b'0'; N];
    for digit in out.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    out
}

/// Year, month and day of a day counted from 1970. The year is taken to begin in March, so that
/// the leap day is its last; an era is 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + MARCH_0000;
    let era = days / ERA;
    let of_era = days % ERA;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let of_era = year % 400;
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    year / 400 * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - MARCH_0000
}

const DAY: u64 = 86_400;
/// Days in 400 years.
const ERA: u64 = 146_097;
/// Days from 1 March of the year 0 to 1970.
const MARCH_0000: u64 = 719_468;
/// The end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;
const WEEKDAYS: [[u8; 3]; 7] = [
    *b"Sun", *b"Mon", *b"Tue", *b"Wed", *b"Thu", *b"Fri", *b"Sat",
];
const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct",
    *b"Nov", *b"Dec",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_written_as_the_reference_client_does() {
        for (unix, want) in [
            (0, "Thu, 01 Jan 1970 00:00:00 -0000"),
            (1_345_570_158, "Tue, 21 Aug 2012 17:29:18 -0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 -0000"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 -0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 -0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 -0000"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 -0000"),
        ] {
            assert_eq!(std::str::from_utf8(&rfc1123(unix)).unwrap(), want);
        }
    }

    #[test]
    fn only_whole_dates_are_read() {
        for (text, want) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            (" Sun, 06 Nov 1994 08:49:37 GMT ", Some(784_111_777)),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Now 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT GMT", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(parse_http_date(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_written_date_reads_as_itself(unix in 0..LAST_SECOND) {
            let text = String::from_utf8(rfc1123(unix).to_vec()).unwrap().replace("-0000", "GMT");
            prop_assert_eq!(parse_http_date(&text), Some(unix));
        }

        #[test]
        fn no_text_stops_the_reader(text in ".{0,40}") {
            let _ = parse_http_date(&text);
        }
    }
}
