//! Judges a request's signature (version 2: date, method, host, path, parameters; HMAC-SHA512) and
//! its form. Written apart from the code under test, from the official client's behaviour.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::http::request::Parts;
use ring::hmac;

use super::FakeDuo;
use crate::clock;

/// How far the date may be off, in seconds either way.
const WINDOW: u64 = 300;

/// What is wrong with a request, and the error code the service has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The error code.
    pub code: u32,
    /// What is wrong.
    pub text: String,
}

fn violation<T>(code: u32, text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation {
        code,
        text: text.into(),
    })
}

/// Checks headers, date and signature. `host` is `name:port`; the name alone is signed.
///
/// # Errors
/// Says what is wrong, and with which code the service refuses it.
pub fn judge(parts: &Parts, host: &str, pairs: &[(String, String)]) -> Result<(), Violation> {
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let sent_host = parts
        .uri
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| header("host"));
    if sent_host != Some(host) {
        return violation(40002, format!("host is {sent_host:?}, not {host}"));
    }
    if parts.method == "POST" && header("content-type") != Some("application/x-www-form-urlencoded")
    {
        return violation(
            40106,
            format!("content type is {:?}", header("content-type")),
        );
    }
    let Some(authorization) = header("authorization") else {
        return violation(40101, "no Authorization");
    };
    let Some(date) = header("x-duo-date").or_else(|| header("date")) else {
        return violation(40104, "no Date");
    };
    match unix_seconds(date) {
        None => return violation(40105, format!("the date cannot be read: {date}")),
        Some(at) if at.abs_diff(clock::unix_seconds()) > WINDOW => {
            return violation(40105, format!("the date is too far off: {date}"));
        }
        Some(_) => {}
    }
    let decoded = authorization
        .strip_prefix("Basic ")
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((ikey, sent)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return violation(
            40101,
            "Authorization is not Basic with a name and a signature",
        );
    };
    if ikey != FakeDuo::IKEY {
        return violation(40102, format!("unknown integration key {ikey}"));
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let lines = [
        date,
        parts.method.as_str(),
        name,
        parts.uri.path(),
        &canonical(pairs),
    ]
    .join("\n");
    if sign(FakeDuo::SKEY, &lines) != sent {
        return violation(
            40103,
            format!("wrong signature; signed should be {lines:?}"),
        );
    }
    Ok(())
}

/// The parameters as they are signed: encoded, sorted, joined.
fn canonical(pairs: &[(String, String)]) -> String {
    let mut encoded: Vec<(String, String)> = pairs
        .iter()
        .map(|(key, value)| (encode(key), encode(value)))
        .collect();
    encoded.sort();
    let joined: Vec<String> = encoded
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    joined.join("&")
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"_.-~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            write!(encoded, "%{octet:02X}").unwrap();
        }
    }
    encoded
}

/// Takes `a=b&c=d` apart; `+` is a blank.
pub fn decode_pairs(form: &str) -> Vec<(String, String)> {
    form.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escaped = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.push(match (escaped, first) {
            (Some(octet), _) => {
                rest = &after[2..];
                octet
            }
            (None, b'+') => b' ',
            (None, other) => *other,
        });
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn sign(skey: &str, lines: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA512, skey.as_bytes());
    let mut hex = String::new();
    for octet in hmac::sign(&key, lines.as_bytes()).as_ref() {
        write!(hex, "{octet:02x}").unwrap();
    }
    hex
}

/// Reads `Tue, 21 Aug 2012 17:29:18 -0000` (or `GMT`); RFC 5322 section 3.3, years from 1970.
fn unix_seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = date.split_once(", ")?;
    let fields: Vec<&str> = date.split(' ').collect();
    let &[day, month, year, time, zone] = fields.as_slice() else {
        return None;
    };
    let day: u64 = day.parse().ok()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year: u64 = year.parse().ok()?;
    let [hour, minute, second]: [u64; 3] = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<Vec<_>>>()?
        .try_into()
        .ok()?;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let lengths = [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let years: u64 = (1970..year)
        .map(|year| if leap(year) { 366 } else { 365 })
        .sum();
    let days = years + lengths.iter().take(month).sum::<u64>() + day.checked_sub(1)?;
    let local = days * 86_400 + hour * 3_600 + minute * 60 + second;
    if zone == "GMT" {
        return Some(local);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let digits: u64 = digits.parse().ok()?;
    let offset = digits / 100 * 3_600 + digits % 100 * 60;
    match sign {
        "+" => local.checked_sub(offset),
        "-" => Some(local + offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dummy key of the official documentation; values computed with duo_client 5.7.0.
    const SKEY: &str = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep";
    const HEAD: &str = "Tue, 21 Aug 2012 17:29:18 -0000";

    #[test]
    fn signs_as_the_official_client_does() {
        let form = "async=1&device=auto&display_username=Zo%C3%AB+%28admin%29~&factor=push\
            &ipaddr=198.51.100.7&pushinfo=Group%3DVPN%2520Users%26From%3Dgw%252F1\
            &username=jdoe%40example.com";
        let auth = "9292d7ed7e9886dbaa0443ffea949fe3339c7a1eec609cc4d3f6c646284e6d079ccff2ebc1d4e690\
            ebc65e56f2d3d7da1be5d32b63dfafed32828d3aca315460";
        let check = "2da6ea8a7fcee59edeae46512da92c44be7fff870c34a93e219d487e2e49d790488b3a436d917535\
            7799be45bc923a599cfce92b7178a58dd694f60a794d47e9";
        for (method, path, form, want) in [
            ("POST", "/auth/v2/auth", form, auth),
            ("GET", "/auth/v2/check", "", check),
        ] {
            let params = canonical(&decode_pairs(form));
            let lines = [HEAD, method, "api-xxxxxxxx.duosecurity.com", path, &params].join("\n");
            assert_eq!(sign(SKEY, &lines), want, "{path}");
        }
    }

    #[test]
    fn dates_are_read() {
        for (date, want) in [
            (HEAD, Some(1_345_570_158)),
            ("Tue, 21 Aug 2012 17:29:18 GMT", Some(1_345_570_158)),
            ("Tue, 21 Aug 2012 12:29:18 -0500", Some(1_345_570_158)),
            ("Thu, 29 Feb 2024 00:00:00 +0000", Some(1_709_164_800)),
            ("2012-08-21T17:29:18Z", None),
            ("Tue, 21 Aug 2012 17:29 GMT", None),
        ] {
            assert_eq!(unix_seconds(date), want, "{date}");
        }
    }
}
