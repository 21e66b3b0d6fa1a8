//! Requests of the Auth API, from anybody.

use data_encoding::{BASE64, HEXLOWER};
use ring::{digest, hmac};

use crate::date;
use crate::params::{Pairs, Params};
use crate::sign::{self, Signed, SigningKeys, VersionOne, verify};

/// Reads a request as it is on the wire: its first line, its headers, an empty line, the body.
///
/// Holds: nothing panics; the parameters line has nothing in it that is not encoded, and is the
/// parameters line of itself; a text that is read is one of those that were sent; what is shown is cut
/// and has no control characters; no signature counts that the key's owner did not make; one that the
/// owner made by any version counts, and counts no more once method, path, date or parameters differ.
///
/// # Panics
/// One of these does not hold.
pub fn auth_request(octets: &[u8]) {
    let (head, body) = match octets.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&octets[..at], &octets[at + 2..]),
        None => (octets, &[][..]),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let header = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| *value)
    };
    let x_duo: Vec<(&str, &[u8])> = headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-duo-"))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let json = header("content-type") == Some("application/json");
    let date = header("x-duo-date").or_else(|| header("date"));
    let request = Signed {
        method,
        host: header("host").unwrap_or_default(),
        path,
        query,
        body,
        json,
        date,
        x_duo: &x_duo,
    };
    for octets in [query.as_bytes(), body] {
        pairs(octets);
    }
    texts_of_json(body);
    if let Some(seconds) = date.and_then(date::parse) {
        assert!(seconds.abs() < 400_000_000_000, "a year of four digits");
    }
    let strangers = header("authorization").and_then(sign::credentials);
    if let Some((ikey, signature)) = strangers {
        assert!(!ikey.contains(':'));
        let again = BASE64.encode(format!("{ikey}:{signature}").as_bytes());
        let again = sign::credentials(&format!("Basic {again}"));
        assert_eq!(again, Some((ikey, signature.clone())));
        // Whoever made it did not know this key.
        assert!(!counts(&request, &signature));
    }
    signed(&request);
}

fn pairs(octets: &[u8]) {
    let pairs = Pairs::parse(octets);
    let line = pairs.canonical();
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"_.-~%&=".contains(&octet);
    assert!(line.bytes().all(plain), "{line}");
    assert_eq!(Pairs::parse(line.as_bytes()).canonical(), line);
    for (name, value) in pairs.shown(4, 16) {
        for text in [name, value] {
            assert!(text.chars().count() <= 16 && !text.contains(char::is_control));
        }
    }
    let Ok(params) = Params::from_pairs(&pairs) else {
        return;
    };
    for name in NAMES {
        if let Some(text) = params.get(name) {
            let sent = format!("{name}={}", crate::params::encode(text.as_bytes()));
            assert!(line.split('&').any(|pair| pair == sent), "{sent} of {line}");
        }
        let renamed = params.clone().renamed("username", name);
        if name != "username" {
            assert_eq!(renamed.get("username"), params.get(name));
        }
        let replaced = params.clone().replaced(name, &[("factor", "push")]);
        assert_eq!(replaced.get("factor"), Some("push"));
        assert!(name == "factor" || replaced.get(name).is_none());
    }
}

/// What is read of an object, another reader finds at that name.
fn texts_of_json(body: &[u8]) {
    let Ok(params) = Params::from_json(body) else {
        return;
    };
    let object: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    for name in NAMES {
        let found = object.get(name).filter(|value| !value.is_null());
        assert_eq!(params.get(name).is_some(), found.is_some());
        if let Some(serde_json::Value::String(text)) = found {
            assert_eq!(params.get(name), Some(text.as_str()));
        }
    }
}

/// Signs as the documentation of each version has it, and changes what is signed.
fn signed(request: &Signed<'_>) {
    let posts = matches!(request.method, "POST" | "PUT" | "PATCH");
    let query = request.query.as_bytes();
    let line = Pairs::parse(if posts { request.body } else { query }).canonical();
    let host = request.host.to_ascii_lowercase();
    let Some(date) = request.date else {
        let undated = [request.method, &host, request.path, &line].join("\n");
        let signature = hexadecimal(&hmac::sign(&sha1(), undated.as_bytes()));
        assert_eq!(counts(request, &signature), !request.json);
        let version_one = VersionOne::Refused;
        assert!(!verify(&keys(), request, &signature, version_one));
        return;
    };
    let two = [date, request.method, &host, request.path, &line].join("\n");
    for key in [sha1(), sha512()] {
        let signature = hexadecimal(&hmac::sign(&key, two.as_bytes()));
        assert_eq!(counts(request, &signature), !request.json);
        changed(request, &signature);
    }
    let hashed = hash(if posts { request.body } else { b"" });
    let covered = if posts { "" } else { line.as_str() };
    let four = [date, request.method, &host, request.path, covered, &hashed].join("\n");
    let signature = hexadecimal(&hmac::sign(&sha512(), four.as_bytes()));
    assert!(counts(request, &signature));
    changed(request, &signature);
}

fn changed(request: &Signed<'_>, signature: &str) {
    let longer = format!("{}x", request.path);
    let later = format!("{} ", request.date.unwrap_or_default());
    let other = format!("{}x", request.method);
    let body = [request.body, b"&x=1"].concat();
    let query = format!("{}&x=1", request.query);
    let posts = matches!(request.method, "POST" | "PUT" | "PATCH");
    let with = |parameters: bool| match (parameters, posts) {
        (false, _) => *request,
        (true, true) => Signed {
            body: &body,
            ..*request
        },
        (true, false) => Signed {
            query: &query,
            ..*request
        },
    };
    for (what, other) in [
        (
            "path",
            Signed {
                path: &longer,
                ..*request
            },
        ),
        (
            "date",
            Signed {
                date: Some(&later),
                ..*request
            },
        ),
        (
            "no date",
            Signed {
                date: None,
                ..*request
            },
        ),
        (
            "method",
            Signed {
                method: &other,
                ..*request
            },
        ),
        ("parameters", with(true)),
    ] {
        assert!(!counts(&other, signature), "another {what}");
    }
}

fn counts(request: &Signed<'_>, signature: &str) -> bool {
    verify(&keys(), request, signature, VersionOne::Accepted)
}

fn keys() -> SigningKeys {
    SigningKeys::new(SKEY)
}

fn sha1() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SKEY.as_bytes())
}

fn sha512() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA512, SKEY.as_bytes())
}

fn hash(octets: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA512, octets).as_ref())
}

fn hexadecimal(tag: &hmac::Tag) -> String {
    HEXLOWER.encode(tag.as_ref())
}

/// Of nobody: no seed is signed with it.
const SKEY: &str = "a key that is in no vector and no guide";
/// Parameters that are asked for.
const NAMES: [&str; 6] = ["username", "factor", "device", "passcode", "txid", "user"];
