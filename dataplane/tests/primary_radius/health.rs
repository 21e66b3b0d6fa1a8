//! Hosts that are silent, die and come back, and what is said of them.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataplane::primary::{PrimaryFailureKind, Verdict};
use dataplane::radius::{Code, Packet, SharedSecret, verify_request};
use proto::config::MessageAuthenticator;
use serde_json::json;
use tokio::net::UdpSocket;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::double::{Double, check, counted, reply, request, subject, unsigned};

/// What is logged on this thread, without debug lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    fn count(&self, level: Level, text: &str) -> usize {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter(|(of, line)| *of == level && line.contains(text))
            .count()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        let level = *event.metadata().level();
        self.0.lock().unwrap().push((level, line.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn silence_says_what_to_check() {
    enum Upstream {
        Mute,
        Closed,
        Forges,
        LeavesUnsigned,
    }
    for (upstream, want) in [
        (
            Upstream::Mute,
            "no answer in time; is 127.0.0.1 (the address we send from) a client there, is the \
             secret the same, is that port RADIUS and not taken by another service such as NPS?",
        ),
        (
            Upstream::Closed,
            "the port is closed; check that the RADIUS server runs and that port is its own",
        ),
        (
            Upstream::Forges,
            "answers came that are not signed with this secret; check secret",
        ),
        (
            Upstream::LeavesUnsigned,
            "answers came without Message-Authenticator, which force_message_authenticator=true \
             refuses, as every setting does where they have a Proxy-State",
        ),
    ] {
        let double = Double::new().await;
        let mut host = double.host();
        if matches!(upstream, Upstream::Closed) {
            // Of an address where nobody else takes ports.
            let closed = UdpSocket::bind("127.0.0.9:0").await.unwrap();
            let port = closed.local_addr().unwrap().port();
            host = json!({"name": "127.0.0.9", "port": port});
        }
        let label = format!(
            "{}:{}",
            host["name"].as_str().unwrap(),
            host["port"].as_u64().unwrap()
        );
        let subject = subject(
            json!([host]),
            json!({"require_message_authenticator": true, "retries": 0}),
        );
        let request = request("pw");
        let script = async {
            let (octets, from) = double.receive().await;
            let answer = match upstream {
                Upstream::Forges => {
                    let wrong = SharedSecret::new(b"wrong");
                    reply(&octets, Code::ACCESS_ACCEPT, &[], &wrong)
                }
                Upstream::LeavesUnsigned => unsigned(&octets),
                Upstream::Mute | Upstream::Closed => return std::future::pending().await,
            };
            double.send(&answer, from).await;
            std::future::pending::<()>().await;
        };
        let failure = tokio::select! {
            () = script => panic!("it never ends"),
            verdict = check(&subject.primary, &request) => verdict.unwrap_err(),
        };
        assert_eq!(failure.kind, PrimaryFailureKind::Unavailable);
        assert_eq!(failure.detail, format!("{label}: {want}"));
    }
}

#[tokio::test]
async fn answers_without_message_authenticator_are_counted_and_warned_of_once() {
    let (log, _guard) = Log::begin();
    let upstream = Double::new().await;
    let subject = subject(json!([upstream.host()]), json!({}));
    for _ in 0..3 {
        let request = request("pw");
        let script = async {
            let (octets, from) = upstream.receive().await;
            upstream.send(&unsigned(&octets), from).await;
        };
        let ((), verdict) = tokio::join!(script, check(&subject.primary, &request));
        assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
    }
    let count = |label: &str| {
        counted(
            &subject.registry,
            "countersign_primary_unsigned_answers_total",
            label,
        )
    };
    let address = upstream.socket.local_addr().unwrap().to_string();
    assert_eq!((count("radius_client"), count(&address)), (3.0, 3.0));
    assert_eq!(log.count(Level::WARN, "without Message-Authenticator"), 1);
    drop(subject.primary);
    assert_eq!(count("radius_client"), 0.0);

    // One that signs is not counted.
    let subject = super::double::subject(json!([upstream.host()]), json!({}));
    let request = request("pw");
    let (_, verdict) = tokio::join!(
        upstream.answer(Code::ACCESS_ACCEPT, &[]),
        check(&subject.primary, &request)
    );
    assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
    assert!(
        subject
            .registry
            .gather()
            .iter()
            .all(|family| family.name() != "countersign_primary_unsigned_answers_total")
    );
}

#[tokio::test]
async fn a_dead_host_is_probed_said_to_be_away_once_and_back_once() {
    let (log, _guard) = Log::begin();
    let (first, second) = (Double::at("[::1]:0").await, Double::at("[::1]:0").await);
    let subject = subject(json!([first.host(), second.host()]), json!({}));
    let away = "upstream host is down";
    let back = "the upstream host answers again";
    for _ in 0..2 {
        let request = request("pw");
        let (_, verdict) = tokio::join!(
            second.answer(Code::ACCESS_ACCEPT, &[]),
            check(&subject.primary, &request)
        );
        assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
    }
    assert_eq!(log.count(Level::WARN, away), 0, "a probe may be answered");

    // It is deaf to two probes, and answers the third.
    let mut identifiers = Vec::new();
    for number in 1..=3 {
        let wait = first.receive_code(Code::STATUS_SERVER);
        let (octets, from) = tokio::time::timeout(Duration::from_secs(10), wait)
            .await
            .expect("probes go on");
        let packet = Packet::parse(&octets).unwrap();
        verify_request(&packet, &first.secret, MessageAuthenticator::Require).unwrap();
        identifiers.push(packet.identifier());
        if number == 3 {
            // What it does not sign is no sign of life.
            let wrong = SharedSecret::new(b"wrong");
            let forged = reply(&octets, Code::ACCESS_ACCEPT, &[], &wrong);
            first.send(&forged, from).await;
            let answer = first.reply(&octets, Code::ACCESS_ACCEPT, &[]);
            first.send(&answer, from).await;
        }
    }
    identifiers.dedup();
    assert_eq!(identifiers.len(), 3, "each is a request of its own");
    tokio::time::timeout(Duration::from_secs(10), async {
        while log.count(Level::INFO, back) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is back");
    assert_eq!(log.count(Level::WARN, away), 1);

    let request = request("pw");
    let (_, verdict) = tokio::join!(
        first.answer(Code::ACCESS_ACCEPT, &[]),
        check(&subject.primary, &request)
    );
    let Ok(Verdict::Accepted(acceptance)) = verdict else {
        panic!("{verdict:?}");
    };
    let first = first.socket.local_addr().unwrap();
    assert_eq!(acceptance.detail, format!("by {first}"), "first again");
    assert_eq!(log.count(Level::INFO, back), 1);
    assert_eq!(
        counted(
            &subject.registry,
            "countersign_primary_discards_total",
            "response_authenticator_wrong"
        ),
        1.0
    );
    assert_eq!(
        counted(
            &subject.registry,
            "countersign_primary_discards_total",
            "late"
        ),
        0.0
    );
}
