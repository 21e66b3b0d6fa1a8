//! RADIUS servers as primaries, against a double that answers by script.

#![cfg(test)]

mod double;
mod health;
mod relay;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use dataplane::primary::{Primary, PrimaryFailureKind, UpstreamAttribute, UpstreamValue, Verdict};
use dataplane::radius::{
    AttributeType, Code, MAX_PACKET_OCTETS, Packet, SharedSecret, password, verify_request,
};
use proto::config::MessageAuthenticator;
use proto::event::{Ask, Reason};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::double::{Double, Subject, check, counted, reply, request, settings, subject, unsigned};

#[tokio::test]
async fn asks_in_the_documented_order_with_the_password_hidden() {
    for (address, nas_ip, nas) in [
        ("127.0.0.1:0", None, (4, vec![127, 0, 0, 1])),
        ("127.0.0.1:0", Some("192.0.2.9"), (4, vec![192, 0, 2, 9])),
        ("[::1]:0", None, (95, [vec![0; 15], vec![1]].concat())),
    ] {
        let upstream = Double::at(address).await;
        let subject = subject(json!([upstream.host()]), json!({"nas_ip": nas_ip}));
        let request = request("secret pässword");
        let asked = async {
            let (octets, from) = upstream.receive().await;
            let answer = upstream.reply(&octets, Code::ACCESS_ACCEPT, &[]);
            upstream.socket.send_to(&answer, from).await.unwrap();
            octets
        };
        let (octets, verdict) = tokio::join!(asked, check(&subject.primary, &request));
        assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
        let packet = Packet::parse(&octets).unwrap();
        verify_request(&packet, &upstream.secret, MessageAuthenticator::Require).unwrap();
        let order: Vec<_> = packet.attributes().map(|one| one.kind.0).collect();
        assert_eq!(order, [80, nas.0, 1, 2, 31, 32], "{address}");
        assert_eq!(packet.first(AttributeType(nas.0)).unwrap(), nas.1);
        assert_eq!(packet.first(AttributeType(1)).unwrap(), b"alice");
        assert_eq!(packet.first(AttributeType(31)).unwrap(), b"198.51.100.7");
        let hidden = packet.first(AttributeType::USER_PASSWORD).unwrap();
        let clear = password::unhide(hidden, packet.authenticator(), &upstream.secret).unwrap();
        assert_eq!(clear.expose(), "secret pässword".as_bytes());
    }
}

#[tokio::test]
async fn reads_the_answer() {
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({}));
    for (code, attributes, want) in [
        (
            Code::ACCESS_REJECT,
            &[(18, &b"No."[..]), (18, b"Again.")][..],
            (Reason::PrimaryRejected, Some("No.")),
        ),
        (Code::ACCESS_REJECT, &[], (Reason::PrimaryRejected, None)),
    ] {
        let request = request("pw");
        let (_, verdict) = tokio::join!(
            upstream.answer(code, attributes),
            check(&subject.primary, &request)
        );
        let Ok(Verdict::Rejected(rejection)) = verdict else {
            panic!("{code}: {verdict:?}");
        };
        assert_eq!(
            (rejection.reason, rejection.message.as_deref()),
            want,
            "{code}"
        );
    }

    let request = request("pw");
    let (_, verdict) = tokio::join!(
        upstream.answer(
            Code::ACCESS_ACCEPT,
            &[
                (18, b"Hello"),
                (24, b"s"),
                (25, b"class"),
                (26, &[0, 0, 0, 9, 1, 3, b'x'])
            ]
        ),
        check(&subject.primary, &request)
    );
    let Ok(Verdict::Accepted(acceptance)) = verdict else {
        panic!("{verdict:?}");
    };
    let plain = |vendor, number, value: &[u8]| UpstreamAttribute {
        vendor,
        number,
        value: UpstreamValue::Plain(value.to_vec()),
        always: false,
    };
    assert_eq!(
        acceptance.attributes,
        [
            plain(None, 18, b"Hello"),
            plain(None, 25, b"class"),
            plain(Some(9), 1, b"x")
        ]
    );
    assert_eq!(
        counted(
            &subject.registry,
            "countersign_primary_requests_total",
            "accepted"
        ),
        1.0
    );
    assert_eq!(
        counted(
            &subject.registry,
            "countersign_primary_requests_total",
            "rejected"
        ),
        2.0
    );
}

#[tokio::test]
async fn repeats_the_same_datagram_until_the_time_is_over() {
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({"retries": 2}));
    assert_eq!(subject.primary.budget(), Duration::from_secs(3));
    let request = request("pw");
    let began = Instant::now();
    let failure = check(&subject.primary, &request).await.unwrap_err();
    assert_eq!(failure.kind, PrimaryFailureKind::Unavailable);
    assert!(
        failure.detail.contains("no answer in time"),
        "{}",
        failure.detail
    );
    assert!(began.elapsed() >= Duration::from_secs(3));
    let mut seen = Vec::new();
    let mut octets = [0; MAX_PACKET_OCTETS];
    while let Ok((count, from)) = upstream.socket.try_recv_from(&mut octets) {
        // Probes follow, because the host is silent.
        if octets[0] == Code::ACCESS_REQUEST.0 {
            seen.push((octets[..count].to_vec(), from));
        }
    }
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|one| *one == seen[0]));
}

#[tokio::test]
async fn repeats_go_to_the_hosts_in_turn_and_a_late_answer_counts() {
    let (first, second) = (Double::new().await, Double::new().await);
    let subject = subject(json!([first.host(), second.host()]), json!({"retries": 3}));
    let request = request("pw");
    let script = async {
        let (at_first, from) = first.receive().await;
        let (at_second, _) = second.receive().await;
        assert_ne!(at_first[4..20], at_second[4..20], "authenticators are new");
        let (again, _) = first.receive().await;
        assert_eq!(again, at_first);
        let (again, _) = second.receive().await;
        assert_eq!(again, at_second);
        // The first host answers while the second one is waited for.
        let octets = first.reply(&at_first, Code::ACCESS_ACCEPT, &[]);
        first.socket.send_to(&octets, from).await.unwrap();
        first.socket.local_addr().unwrap()
    };
    let deadline = (Instant::now() + subject.primary.budget()).into_std();
    let mut asked = Vec::new();
    let checking = subject.primary.check(&request, deadline, &mut asked);
    let (answering, verdict) = tokio::join!(script, checking);
    let Ok(Verdict::Accepted(acceptance)) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(acceptance.detail, format!("by {answering}"));
    let told: Vec<_> = asked
        .iter()
        .map(|one| (one.ask, one.host.clone(), one.result))
        .collect();
    let silent = second.socket.local_addr().unwrap();
    let want = [
        (Ask::Radius, answering.to_string(), "accepted"),
        (Ask::Radius, silent.to_string(), "unanswered"),
    ];
    assert_eq!(told, want, "each host that was asked is noted");
}

#[tokio::test]
async fn false_answers_are_dropped_and_the_true_one_counts() {
    let upstream = Double::new().await;
    let subject = subject(
        json!([upstream.host()]),
        json!({"require_message_authenticator": true}),
    );
    let request = request("pw");
    let script = async {
        let (octets, from) = upstream.receive().await;
        let wrong = SharedSecret::new(b"wrong");
        let mut other_identifier = octets.clone();
        other_identifier[1] = other_identifier[1].wrapping_add(1);
        for answer in [
            b"junk".to_vec(),
            reply(&octets, Code::ACCESS_ACCEPT, &[], &wrong),
            upstream.reply(&other_identifier, Code::ACCESS_ACCEPT, &[]),
            upstream.reply(&octets, Code::ACCOUNTING_RESPONSE, &[]),
            unsigned(&octets),
            upstream.reply(&octets, Code::ACCESS_REJECT, &[]),
        ] {
            upstream.socket.send_to(&answer, from).await.unwrap();
        }
    };
    let ((), verdict) = tokio::join!(script, check(&subject.primary, &request));
    assert!(matches!(verdict, Ok(Verdict::Rejected(_))), "{verdict:?}");
    for reason in [
        "short_datagram",
        "response_authenticator_wrong",
        "identifier",
        "code",
        "message_authenticator_missing",
    ] {
        assert_eq!(
            counted(
                &subject.registry,
                "countersign_primary_discards_total",
                reason
            ),
            1.0,
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_message_authenticator_serves_unless_it_is_required() {
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({}));
    let request = request("pw");
    let script = async {
        let (octets, from) = upstream.receive().await;
        upstream.send(&unsigned(&octets), from).await;
    };
    let ((), verdict) = tokio::join!(script, check(&subject.primary, &request));
    assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
}

#[tokio::test]
async fn passwords_are_written_as_the_upstream_reads_them() {
    let upstream = Double::new().await;
    let subject = subject(
        json!([upstream.host()]),
        json!({"password_codec": "latin-1"}),
    );
    let asked = request("pässword");
    let script = async {
        let (octets, from) = upstream.receive().await;
        let packet = Packet::parse(&octets).unwrap();
        let hidden = packet.first(AttributeType::USER_PASSWORD).unwrap();
        let clear = password::unhide(hidden, packet.authenticator(), &upstream.secret).unwrap();
        assert_eq!(clear.expose(), b"p\xe4ssword");
        let answer = upstream.reply(&octets, Code::ACCESS_ACCEPT, &[]);
        upstream.socket.send_to(&answer, from).await.unwrap();
    };
    let ((), verdict) = tokio::join!(script, check(&subject.primary, &asked));
    assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");

    // What cannot be sent is no upstream's password, and nothing is asked.
    for password in ["日本", &"x".repeat(129)] {
        let verdict = check(&subject.primary, &request(password)).await.unwrap();
        let Verdict::Rejected(rejection) = verdict else {
            panic!("{password} gets in");
        };
        assert_eq!(rejection.reason, Reason::PrimaryRejected, "{password}");
    }
}

#[tokio::test]
async fn more_requests_than_identifiers_use_more_sockets() {
    const LOGINS: usize = 600;
    let upstream = Double::new().await;
    let subject = subject(
        json!([upstream.host()]),
        json!({"retries": 9, "retry_wait_seconds": 2}),
    );
    let mut logins = JoinSet::new();
    for _ in 0..LOGINS {
        let primary = Arc::clone(&subject.primary);
        logins.spawn(async move { check(&primary, &request("pw")).await });
    }
    // Nobody is answered before everybody has asked: no identifier is used twice meanwhile.
    let mut waiting = HashSet::new();
    let mut requests = Vec::new();
    while waiting.len() < LOGINS {
        let (octets, from) = upstream.receive().await;
        if waiting.insert((from, octets[1])) {
            requests.push((octets, from));
        }
    }
    let ports: HashSet<_> = waiting.iter().map(|(from, _)| from).collect();
    assert_eq!(ports.len(), 3);
    for (octets, from) in requests {
        let answer = upstream.reply(&octets, Code::ACCESS_ACCEPT, &[]);
        upstream.socket.send_to(&answer, from).await.unwrap();
    }
    for verdict in logins.join_all().await {
        assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
    }

    let Subject {
        primary, shared, ..
    } = subject;
    shared.tasks.close();
    drop(primary);
    tokio::time::timeout(Duration::from_secs(10), shared.tasks.wait())
        .await
        .expect("sockets close with the primary");
}

#[tokio::test]
async fn the_series_of_an_authenticator_go_with_its_last_primary() {
    let (one, other) = (Double::new().await, Double::new().await);
    let subject = subject(json!([one.host()]), json!({}));
    let neighbour = Primary::new(
        &settings("neighbour", &json!([other.host()]), &json!({})),
        &subject.shared,
    )
    .unwrap();
    let replacement = Primary::new(subject.primary.settings(), &subject.shared).unwrap();
    let request = request("pw");
    for (primary, upstream) in [(&subject.primary, &one), (&neighbour, &other)] {
        let (_, verdict) = tokio::join!(
            upstream.answer(Code::ACCESS_REJECT, &[]),
            check(primary, &request)
        );
        verdict.unwrap();
    }
    let rejected = || {
        counted(
            &subject.registry,
            "countersign_primary_requests_total",
            "rejected",
        )
    };
    assert_eq!(rejected(), 2.0);
    drop(subject.primary);
    assert_eq!(rejected(), 2.0, "another primary asks the same host");
    drop(replacement);
    assert_eq!(rejected(), 1.0);
    drop(neighbour);
    assert_eq!(rejected(), 0.0);
    assert!(subject.registry.gather().is_empty());
}
