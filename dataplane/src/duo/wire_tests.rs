//! What is written and what is understood, as tables.

use proptest::prelude::*;
use proto::secret::Secret;
use serde_json::json;

use super::*;

fn line(written: Written) -> (Method, &'static str, String) {
    let parameters = String::from_utf8(written.parameters).unwrap();
    (written.method, written.path, parameters)
}

#[test]
fn requests_are_written_in_order_and_encoded() {
    let factor = |factor| {
        line(auth(&AuthRequest {
            username: "zoë b".to_owned(),
            ipaddr: Some("192.0.2.1".to_owned()),
            hostname: None,
            txid: None,
            factor,
        }))
        .2
    };
    let id = || DeviceChoice::Id("DP1".to_owned());
    let tail = "ipaddr=192.0.2.1&username=zo%C3%AB%20b";
    let table = [
        (
            AuthFactor::Auto,
            format!("async=1&device=auto&factor=auto&{tail}"),
        ),
        (
            AuthFactor::Push(id()),
            format!("async=1&device=DP1&factor=push&{tail}"),
        ),
        (
            AuthFactor::Phone(DeviceChoice::Auto),
            format!("async=1&device=auto&factor=phone&{tail}"),
        ),
        (
            AuthFactor::Sms(id()),
            format!("async=0&device=DP1&factor=sms&{tail}"),
        ),
        (
            AuthFactor::Passcode(Secret::from("012345")),
            "async=0&factor=passcode&ipaddr=192.0.2.1&passcode=012345&username=zo%C3%AB%20b"
                .to_owned(),
        ),
    ];
    for (input, want) in table {
        assert_eq!(factor(input.clone()), want, "{input:?}");
    }
    let request = PreauthRequest {
        username: "a+b".to_owned(),
        ipaddr: None,
        hostname: None,
        shows_numbers: false,
    };
    assert_eq!(
        line(preauth(&request)),
        (
            Method::POST,
            "/auth/v2/preauth",
            "username=a%2Bb".to_owned()
        )
    );
    assert_eq!(
        line(auth_status(&Txid("a/b".to_owned()))),
        (Method::GET, "/auth/v2/auth_status", "txid=a%2Fb".to_owned())
    );
    assert_eq!(line(ping()), (Method::GET, "/auth/v2/ping", String::new()));
    assert_eq!(
        line(check()),
        (Method::GET, "/auth/v2/check", String::new())
    );
}

fn ok(response: &str) -> Vec<u8> {
    format!("{{\"stat\":\"OK\",\"response\":{response}}}").into_bytes()
}

#[test]
fn preauth_answers_are_understood() {
    let device = |id: &str, display_name: &str, words: &[&str]| Device {
        id: id.to_owned(),
        display_name: display_name.to_owned(),
        number: None,
        capabilities: Capabilities {
            auto: words.contains(&"auto"),
            push: words.contains(&"push"),
            phone: words.contains(&"phone"),
            sms: words.contains(&"sms"),
        },
        sms_next_code: None,
    };
    let text = || "t".to_owned();
    let table = [
        (
            r#"{"result":"allow","status_msg":"t"}"#,
            Preauth::Allow { status_msg: text() },
        ),
        (
            r#"{"result":"deny"}"#,
            Preauth::Deny {
                status_msg: String::new(),
            },
        ),
        (
            r#"{"result":"enroll","status_msg":"t","enroll_portal_url":"https://e"}"#,
            Preauth::Enroll {
                status_msg: text(),
                portal_url: Some("https://e".to_owned()),
            },
        ),
        (
            r#"{"result":"auth","status_msg":"t","devices":[
              {"device":"DP1","type":"phone","name":"","number":"XXX","display_name":"Phone (XXX)",
               "capabilities":["auto","push","sms","mobile_otp"],"sms_nextcode":"1"},
              {"device":"DP2","name":"desk","number":"","capabilities":["phone"]},
              {"device":"DH1","type":"token","name":"","sms_nextcode":7},
              {"device":"DH2","sms_nextcode":["what"]}]}"#,
            Preauth::Auth {
                status_msg: text(),
                number: None,
                devices: vec![
                    Device {
                        number: Some("XXX".to_owned()),
                        sms_next_code: Some("1".to_owned()),
                        ..device("DP1", "Phone (XXX)", &["auto", "push", "sms"])
                    },
                    device("DP2", "desk", &["phone"]),
                    Device {
                        sms_next_code: Some("7".to_owned()),
                        ..device("DH1", "DH1", &[])
                    },
                    device("DH2", "DH2", &[]),
                ],
            },
        ),
    ];
    for (input, want) in table {
        for shows_numbers in [true, false] {
            let read = read_preauth(&ok(input), shows_numbers);
            assert_eq!(read, Ok(want.clone()), "{input}");
        }
    }
}

#[test]
fn the_built_in_service_is_told_where_and_with_which_number() {
    let request = PreauthRequest {
        username: "alice".to_owned(),
        ipaddr: Some("192.0.2.1".to_owned()),
        hostname: Some("2001:db8::1".to_owned()),
        shows_numbers: true,
    };
    assert_eq!(
        line(preauth(&request)).2,
        "client_supports_verified_push=1&hostname=2001%3Adb8%3A%3A1&ipaddr=192.0.2.1&username=alice"
    );
    let push = AuthRequest {
        username: "alice".to_owned(),
        ipaddr: None,
        hostname: Some("192.0.2.9".to_owned()),
        txid: Some(Txid("t-1".to_owned())),
        factor: AuthFactor::Push(DeviceChoice::Auto),
    };
    assert_eq!(
        line(auth(&push)).2,
        "async=1&device=auto&factor=push&hostname=192.0.2.9&txid=t-1&username=alice"
    );
}

#[test]
fn a_number_is_one_or_the_answer_is_unreadable() {
    let long = "t".repeat(Txid::MAX_KEPT + 1);
    let longest = "t".repeat(Txid::MAX_KEPT);
    let good = |code: &str, txid: &str| {
        Ok(Some(PushNumber {
            txid: Txid(txid.to_owned()),
            code: code.to_owned(),
        }))
    };
    let bad = || Err(FailureKind::Unreadable);
    let table = [
        (
            json!({"verification_code": "481", "txid": "45f7", "expiration": 1}),
            good("481", "45f7"),
        ),
        (
            json!({"verification_code": "aB3d5678", "txid": "45f7"}),
            good("aB3d5678", "45f7"),
        ),
        (
            json!({"verification_code": "1", "txid": longest}),
            good("1", &longest),
        ),
        (json!({"txid": "45f7"}), Ok(None)),
        (json!({"verification_code": null, "txid": null}), Ok(None)),
        (json!({"verification_code": "", "txid": "45f7"}), bad()),
        (
            json!({"verification_code": "123456789", "txid": "45f7"}),
            bad(),
        ),
        (json!({"verification_code": "4 81", "txid": "45f7"}), bad()),
        (json!({"verification_code": "<b>", "txid": "45f7"}), bad()),
        (
            json!({"verification_code": "４８１", "txid": "45f7"}),
            bad(),
        ),
        (json!({"verification_code": 481, "txid": "45f7"}), bad()),
        (json!({"verification_code": "481"}), bad()),
        (json!({"verification_code": "481", "txid": ""}), bad()),
        (json!({"verification_code": "481", "txid": "a b"}), bad()),
        (json!({"verification_code": "481", "txid": ["45f7"]}), bad()),
        (json!({"verification_code": "481", "txid": long}), bad()),
    ];
    for (mut answer, want) in table {
        answer["result"] = "auth".into();
        answer["devices"] = json!([]);
        let body = ok(&answer.to_string());
        let number = |shows| match read_preauth(&body, shows) {
            Ok(Preauth::Auth { number, .. }) => Ok(number),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure.kind),
        };
        assert_eq!(number(true), want, "{answer}");
        // Where none was asked for, nothing of it counts.
        assert_eq!(number(false), Ok(None), "{answer}");
    }
}

#[test]
fn decisions_are_understood() {
    use {AuthResult as R, AuthStatus as S};
    for (result, status, want) in [
        ("allow", "allow", (R::Allow, S::Other)),
        ("allow", "bypass", (R::Allow, S::Bypass)),
        ("deny", "deny", (R::Deny, S::Deny)),
        ("deny", "timeout", (R::Deny, S::Timeout)),
        ("deny", "fraud", (R::Deny, S::Fraud)),
        ("deny", "locked_out", (R::Deny, S::LockedOut)),
        ("deny", "sent", (R::Deny, S::Sent)),
        ("waiting", "pushed", (R::Waiting, S::Other)),
        ("deny", "a new word", (R::Deny, S::Other)),
    ] {
        let body = ok(&format!(
            r#"{{"result":"{result}","status":"{status}","status_msg":"t"}}"#
        ));
        let decision = read_auth_status(&body).unwrap();
        assert_eq!(
            (decision.result, decision.status),
            want,
            "{result} {status}"
        );
        assert_eq!(decision.status_msg, "t");
    }
}

#[test]
fn an_auth_answer_is_a_transaction_or_a_decision() {
    let started = ok(r#"{"txid":"45f7c92b"}"#);
    assert_eq!(
        read_auth(&started, true),
        Ok(AuthReply::Started(Txid("45f7c92b".to_owned())))
    );
    let allow = ok(r#"{"result":"allow","status":"bypass","status_msg":""}"#);
    for waits in [true, false] {
        let reply = read_auth(&allow, waits).unwrap();
        assert!(
            matches!(&reply, AuthReply::Decided(d) if d.result == AuthResult::Allow),
            "{reply:?}"
        );
    }
    for (name, body, waits) in [
        ("a transaction nobody asked for", started, false),
        (
            "waiting for nothing",
            ok(r#"{"result":"waiting","status":"pushed"}"#),
            true,
        ),
        ("nothing at all", ok("{}"), true),
    ] {
        assert_eq!(
            read_auth(&body, waits).map_err(|f| f.kind),
            Err(FailureKind::Unreadable),
            "{name}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_unreadable() {
    let mut long = ok(r#"{"result":"allow"}"#);
    long.resize(BODY_OCTETS + 1, b' ');
    let table: [(&str, &[u8]); 12] = [
        ("nothing", b""),
        ("a page", b"<html>blocked</html>"),
        ("not UTF-8", b"{\"stat\":\"\xff\"}"),
        ("half", br#"{"stat":"OK","response":{"result":"al"#),
        ("two", br#"{"stat":"OK","response":{"result":"allow"}} x"#),
        ("no stat", br#"{"response":{"result":"allow"}}"#),
        (
            "another stat",
            br#"{"stat":"ok","response":{"result":"allow"}}"#,
        ),
        ("no response", br#"{"stat":"OK"}"#),
        ("FAIL without a code", br#"{"stat":"FAIL"}"#),
        (
            "unknown result",
            br#"{"stat":"OK","response":{"result":"Allow"}}"#,
        ),
        (
            "no devices",
            br#"{"stat":"OK","response":{"result":"auth"}}"#,
        ),
        ("too long", &long),
    ];
    for (name, body) in table {
        assert_eq!(
            read_preauth(body, true).map_err(|f| f.kind),
            Err(FailureKind::Unreadable),
            "{name}"
        );
    }
    let nameless = ok(r#"{"result":"auth","devices":[{"name":"x"}]}"#);
    assert!(
        read_preauth(&nameless, true).is_err(),
        "a device without an id"
    );
    assert!(read_time(&ok(r#"{"time":-5}"#)).is_err());
    assert_eq!(read_time(&ok(r#"{"time":17}"#)), Ok(17));
}

#[test]
fn refusals_are_told_apart_by_status() {
    use FailureKind as K;
    let body = |code: u32, message: &str| {
        format!(r#"{{"stat":"FAIL","code":{code},"message":"{message}"}}"#).into_bytes()
    };
    let table: [(u16, Vec<u8>, K, &str, bool); 11] = [
        (
            401,
            body(40103, "Invalid signature in request credentials"),
            K::Credentials,
            "401 40103 Invalid signature in request credentials",
            false,
        ),
        (401, body(40105, "Bad request timestamp"), K::Credentials, "401 40105 Bad request timestamp", true),
        (401, body(40104, ""), K::Credentials, "401 40104", true),
        (
            400,
            br#"{"stat":"FAIL","code":40002,"message":"Invalid request parameters","message_detail":"txid"}"#
                .to_vec(),
            K::BadRequest,
            "400 40002 Invalid request parameters (txid)",
            false,
        ),
        (429, body(42901, "Too many requests"), K::RateLimited, "429 42901 Too many requests", false),
        (403, body(40301, "Access\\nforbidden"), K::Refused, "403 40301 Accessforbidden", false),
        (404, b"<html>".to_vec(), K::Refused, "404", false),
        (302, Vec::new(), K::Refused, "302", false),
        (503, Vec::new(), K::Server, "503", false),
        (500, br#"{"code":"50001"}"#.to_vec(), K::Server, "500 50001", false),
        (204, Vec::new(), K::Unreadable, "204", false),
    ];
    for (status, body, kind, detail, clock) in table {
        let refusal = accepted(StatusCode::from_u16(status).unwrap(), &body).unwrap_err();
        let want = Refusal {
            failure: Failure {
                kind,
                detail: detail.to_owned(),
            },
            clock,
        };
        assert_eq!(refusal, want);
    }
    assert_eq!(accepted(StatusCode::OK, b""), Ok(()));
    let long = accepted(StatusCode::BAD_REQUEST, &body(40002, &"x".repeat(9_999))).unwrap_err();
    assert!(
        long.failure.detail.len() < 300,
        "{}",
        long.failure.detail.len()
    );
}

#[test]
fn a_fail_under_200_never_counts_as_unavailable() {
    for (code, want) in [
        (40002, FailureKind::BadRequest),
        (40103, FailureKind::Credentials),
        (40301, FailureKind::Refused),
        (50001, FailureKind::Refused),
    ] {
        let body = format!(r#"{{"stat":"FAIL","code":{code},"message":"m"}}"#);
        let failure = read_auth_status(body.as_bytes()).unwrap_err();
        assert_eq!(failure.kind, want, "{code}");
        assert_eq!(failure.detail, format!("200 {code} m"));
    }
}

proptest! {
    #[test]
    fn no_body_stops_a_reader(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(read_preauth(&body, true));
        drop(read_auth(&body, true));
        drop(read_time(&body));
        drop(accepted(StatusCode::BAD_REQUEST, &body));
    }
}
