//! Times as people write them: `90s`, `30m`, `1h30m`, `7d`.

use std::time::Duration;

/// A time as people write it: numbers with `d`, `h`, `m` or `s` behind them, each at most once and in this
/// order.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time such as 90s, 30m, 1h30m or 7d".to_owned();
    let mut rest = text;
    let mut seconds = 0_u64;
    for (unit, worth) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        let Some((number, behind)) = rest.split_once(unit) else {
            continue;
        };
        if number.is_empty() || !number.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u64 = number.parse().map_err(|_| wrong())?;
        seconds = number
            .checked_mul(worth)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(wrong)?;
        rest = behind;
    }
    match rest.is_empty() && seconds > 0 {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, want) in [
            ("90s", Some(90)),
            ("30m", Some(1_800)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("1d12h", Some(129_600)),
            ("12h1d", None),
            ("1h30m", Some(5_400)),
            ("1h30m5s", Some(5_405)),
            ("1h5s", Some(3_605)),
            ("", None),
            ("30", None),
            ("m", None),
            ("0m", None),
            ("-5m", None),
            ("+5m", None),
            ("1.5h", None),
            ("30m1h", None),
            ("30m ", None),
            ("5m5m", None),
            ("18446744073709551615h", None),
            ("99999999999999999999s", None),
        ] {
            let seconds = read(text).ok().map(|span| span.as_secs());
            assert_eq!(seconds, want, "{text}");
        }
    }
}
