//! What must hold for any answer of a second factor's service, or of whoever is in its place.
#![allow(
    clippy::panic,
    reason = "a panic is how a claim that does not hold is reported"
)]

use http::StatusCode;
use serde_json::Value;

use super::date::{OCTETS, parse_http_date, rfc1123};
use super::failure::{Failure, FailureKind};
use super::message::{AuthReply, AuthResult, Decision, Preauth};
use super::wire;

/// Reads an answer as each call does. The input: the status on the first line, the Date header on the
/// second, then the body.
///
/// Holds: nothing panics; what lets in, refuses, or names devices and transactions stands in the body at
/// its place, under `stat: OK`, as another reader finds it; only status 200 is a success; what failed is
/// told on one line of bounded length; a date is that of its time.
///
/// # Panics
/// One of these does not hold.
pub fn duo_answer(octets: &[u8]) {
    let mut parts = octets.splitn(3, |octet| *octet == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (status, date, body) = (part(), part(), part());
    let status = str::from_utf8(status)
        .ok()
        .and_then(|text| text.parse().ok());
    let status = status.and_then(|number: u16| StatusCode::from_u16(number).ok());
    let status = status.unwrap_or(StatusCode::OK);
    match wire::accepted(status, body) {
        Ok(()) => assert_eq!(status, StatusCode::OK),
        Err(refusal) => {
            assert_ne!(status, StatusCode::OK);
            assert!(refusal.failure.detail.starts_with(status.as_str()));
            told(&refusal.failure);
            let limited = status == StatusCode::TOO_MANY_REQUESTS;
            assert_eq!(refusal.failure.kind == FailureKind::RateLimited, limited);
        }
    }
    if let Some(seconds) = str::from_utf8(date).ok().and_then(parse_http_date)
        && seconds < YEAR_9999
    {
        let written = rfc1123(seconds);
        let gmt = [&written[..OCTETS - 5], b"GMT"].concat();
        let again = str::from_utf8(&gmt).ok().and_then(parse_http_date);
        assert_eq!(again, Some(seconds));
    }
    // Members that nobody reads may be what another reader refuses, and lists may stand for objects.
    let text = String::from_utf8_lossy(body);
    let document: Value = match serde_json::from_str(&text) {
        Ok(document) => document,
        Err(_) => Value::Null,
    };
    let by_name = document.get("response").is_some_and(|one| {
        let devices = one.get("devices").and_then(Value::as_array);
        one.is_object() && devices.is_none_or(|all| all.iter().all(Value::is_object))
    });
    if !by_name {
        for answer in [
            wire::read_preauth(body, true).err(),
            wire::read_auth(body, true).err(),
            wire::read_auth_status(body).err(),
            wire::read_time(body).err(),
        ] {
            answer.iter().for_each(told);
        }
        return;
    }
    let said = Said {
        good: document.get("stat").and_then(Value::as_str) == Some("OK"),
        response: document.get("response").unwrap_or(&Value::Null),
    };
    for shows_numbers in [false, true] {
        match wire::read_preauth(body, shows_numbers) {
            Ok(preauth) => said.preauth(&preauth, shows_numbers),
            Err(failure) => told(&failure),
        }
    }
    for waits in [false, true] {
        match wire::read_auth(body, waits) {
            Ok(AuthReply::Started(txid)) => {
                assert!(waits && said.good && said.text("txid") == Some(&txid.0));
            }
            Ok(AuthReply::Decided(decision)) => {
                assert_ne!(decision.result, AuthResult::Waiting);
                said.decision(&decision);
            }
            Err(failure) => told(&failure),
        }
    }
    match wire::read_auth_status(body) {
        Ok(decision) => said.decision(&decision),
        Err(failure) => told(&failure),
    }
    match wire::read_time(body) {
        Ok(time) => {
            assert!(said.good && said.response.get("time").and_then(Value::as_u64) == Some(time));
        }
        Err(failure) => told(&failure),
    }
}

/// What another reader finds.
struct Said<'a> {
    good: bool,
    response: &'a Value,
}

impl Said<'_> {
    fn text(&self, member: &str) -> Option<&str> {
        self.response.get(member)?.as_str()
    }

    fn preauth(&self, preauth: &Preauth, shows_numbers: bool) {
        assert!(self.good);
        let result = self.text("result");
        match preauth {
            Preauth::Allow { .. } => assert_eq!(result, Some("allow")),
            Preauth::Deny { .. } => assert_eq!(result, Some("deny")),
            Preauth::Enroll { portal_url, .. } => {
                assert_eq!(result, Some("enroll"));
                assert_eq!(portal_url.as_deref(), self.text("enroll_portal_url"));
            }
            Preauth::Auth {
                devices, number, ..
            } => {
                assert_eq!(result, Some("auth"));
                let named = self.response.get("devices").and_then(Value::as_array);
                let named = named.map_or(&[][..], Vec::as_slice);
                assert_eq!(devices.len(), named.len());
                for (device, named) in devices.iter().zip(named) {
                    let text = |member| named.get(member).and_then(Value::as_str);
                    assert_eq!(Some(device.id.as_str()), text("device"));
                    let can = named.get("capabilities").and_then(Value::as_array);
                    let can = |word| can.is_some_and(|can| can.iter().any(|one| one == word));
                    assert_eq!(device.capabilities.push, can("push"));
                    assert_eq!(device.capabilities.phone, can("phone"));
                    assert_eq!(device.capabilities.sms, can("sms"));
                }
                if let Some(number) = number {
                    assert!(shows_numbers);
                    assert_eq!(self.text("verification_code"), Some(&*number.code));
                    assert_eq!(self.text("txid"), Some(&*number.txid.0));
                }
            }
        }
    }

    fn decision(&self, decision: &Decision) {
        assert!(self.good);
        let word = match decision.result {
            AuthResult::Allow => "allow",
            AuthResult::Deny => "deny",
            AuthResult::Waiting => "waiting",
        };
        assert_eq!(self.text("result"), Some(word));
        assert_eq!(
            decision.status_msg,
            self.text("status_msg").unwrap_or_default()
        );
    }
}

fn told(failure: &Failure) {
    let detail = &failure.detail;
    assert!(!detail.is_empty() && !detail.contains(char::is_control));
    assert!(detail.chars().count() <= DETAIL, "{detail}");
}

/// Numbers, 120 characters of a message, 40 of its detail, and what stands between them.
const DETAIL: usize = 200;
/// From which on dates are not told apart.
const YEAR_9999: u64 = 253_370_764_800;
