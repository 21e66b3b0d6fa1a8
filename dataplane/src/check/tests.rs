//! The judging, as tables; and which rows a configuration comes to.

use proto::config::{Fault, HttpProxy, raw};
use proto::id::Revision;
use proto::rpc::{ConfigSource, NodeState, RefusedRevision};
use rustls::{CertificateError, ProtocolVersion};
use serde_json::{Value, json};

use super::certificate::Span;
use super::judge::PortFound;
use super::*;
use crate::duo::failure::{Failure, FailureKind};
use crate::primary::trial::{Outcome, Step, Trial, Tried};
use crate::server::holder::Holder;

const DAY: i64 = 24 * 60 * 60;
const NOW: i64 = 20_000 * DAY;

/// Good until so many days from now.
const fn until(days: i64) -> Span {
    Span {
        not_before: NOW - 1_000 * DAY,
        not_after: NOW + days * DAY,
    }
}

fn said(finding: &Finding) -> String {
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    format!("{}: {} | {remedy}", finding.result, finding.found)
}

fn all_have(finding: &Finding, words: &[&str], name: &str) {
    let said = said(finding);
    for word in words {
        assert!(said.contains(word), "{name}: '{word}' in {said}");
    }
    let good = finding.result == CheckResult::Good;
    assert_eq!(finding.remedy.is_none(), good, "{name}: {said}");
}

#[test]
fn a_clock_is_said_from_thirty_seconds_on() {
    for (ahead, words) in [
        (0, &["good: as the service's"][..]),
        (-1, &["good: as the service's"]),
        (29, &["good: 29 s behind the service's"]),
        (-29, &["good: 29 s ahead of the service's"]),
        (30, &["warning: 30 s behind", "logins work", "NTP"]),
        (-600, &["warning: 600 s ahead of"]),
        (i64::MIN, &["warning: ", "ahead of"]),
    ] {
        all_have(&judge::clock(ahead), words, &ahead.to_string());
    }
}

#[test]
fn a_certificate_that_was_shown_is_warned_of_thirty_days_before() {
    for (name, spans, words) in [
        (
            "good",
            &[until(31)][..],
            &["good: good until 2024-11-04, 31 days left"][..],
        ),
        (
            "soon",
            &[until(29)],
            &["warning: ", "29 days left", "renewed"],
        ),
        ("a day", &[until(1)], &["warning: ", "1 day left"]),
        ("the last", &[until(0)], &["less than a day left"]),
        (
            "its CA soon",
            &[until(90), until(10)],
            &["warning: ", "CA's certificate", "10 days left"],
        ),
        (
            "one that no path needs",
            &[until(90), until(-10)],
            &["good: good until"],
        ),
    ] {
        all_have(&judge::shown_certificate(spans, NOW).unwrap(), words, name);
    }
    assert_eq!(judge::shown_certificate(&[], NOW), None, "without TLS");
}

#[test]
fn a_certificate_of_ours_that_has_expired_is_a_failure() {
    let later = Span {
        not_before: NOW + DAY,
        not_after: NOW + 400 * DAY,
    };
    let unusable = || Err("the private key cannot be read".to_owned());
    for (name, spans, usable, words) in [
        (
            "good",
            &[until(31), until(90)][..],
            Ok(()),
            &["good: good until 2024-11-04, 31 days left, and the key"][..],
        ),
        (
            "soon",
            &[until(29)],
            Ok(()),
            &["warning: it is good until", "29 days left"],
        ),
        (
            "over",
            &[until(-1)],
            Ok(()),
            &["failed: it has expired, on 2024-10-03"],
        ),
        (
            "not yet",
            &[later],
            Ok(()),
            &["failed: it is not good before 2024-10-05"],
        ),
        (
            "a part of the chain",
            &[until(29), until(-1)],
            Ok(()),
            &["failed: certificate 2 of the chain has expired"],
        ),
        (
            "the key",
            &[until(90)],
            unusable(),
            &["failed: the private key", "pkey"],
        ),
        ("nothing", &[], Ok(()), &["failed: it cannot be read"]),
    ] {
        all_have(&judge::own_certificate(spans, usable, NOW), words, name);
    }
}

#[test]
fn authorities_are_judged_by_the_first_of_them_to_end() {
    for (name, spans, words) in [
        (
            "good",
            &[until(90), until(31)][..],
            &["good: 2 certificates", "31 days left"][..],
        ),
        (
            "one over",
            &[until(90), until(-1)],
            &["good: 1 certificate,", "; 1 more"],
        ),
        (
            "soon",
            &[until(90), until(3)],
            &["warning: 2 certificates", "3 days left", "next"],
        ),
        (
            "all over",
            &[until(-1), until(-2)],
            &["failed: none of 2 is good"],
        ),
        ("nothing", &[], &["failed: there is none"]),
    ] {
        all_have(&judge::authorities(spans, NOW), words, name);
    }
    for (days, words) in [
        (31, &["good: good until 2024-11-04, 31 days left"][..]),
        (29, &["warning: ", "29 days left", "restart"]),
        (-1, &["failed: it has expired, on 2024-10-03"]),
    ] {
        all_have(
            &judge::gateways_certificate(until(days), NOW),
            words,
            &days.to_string(),
        );
    }
    let row = own_certificate(CheckKind::AdminCertificate, "a:1".to_owned(), i64::MAX / 2);
    assert_eq!(
        (row.what, row.result),
        (CheckKind::AdminCertificate, CheckResult::Good)
    );
    let own = rcgen::generate_simple_self_signed(vec!["node".to_owned()]).unwrap();
    let node = NodeId::new("a").unwrap();
    assert_eq!(
        node_certificate(&node, &own.cert.pem()).result,
        CheckResult::Good
    );
    assert_eq!(node_certificate(&node, "").result, CheckResult::Failed);
}

#[tokio::test]
async fn the_proxy_is_a_row_of_its_own() {
    let snapshot = snapshot(&json!([integration(1, "DIA", "127.0.0.1")]));
    assert!(trusted::proxy(&snapshot).is_none());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut proxied = (*snapshot).clone();
    let at = |port| HttpProxy {
        host: "127.0.0.1".to_owned(),
        port,
    };
    proxied.settings.http_proxy = Some(at(listener.local_addr().unwrap().port()));
    let (subject, proxy) = trusted::proxy(&proxied).unwrap();
    let row = trusted::try_proxy(subject.clone(), &proxy).await;
    assert_eq!(
        (row.what, row.result),
        (CheckKind::Proxy, CheckResult::Good)
    );
    assert_eq!(row.from, Some([127, 0, 0, 1].into()));
    assert_eq!(row.sections, ["radius_server_duo_only1"]);
    drop(listener);
    let row = trusted::try_proxy(subject, &proxy).await;
    assert_eq!(row.result, CheckResult::Failed);
    assert!(row.remedy.unwrap().contains("http_proxy_host"));
}

#[test]
fn a_second_factor_that_does_not_answer_well_has_its_remedy() {
    for (kind, words) in [
        (
            FailureKind::Connect,
            &["failed: detail | ", "http_proxy_host"][..],
        ),
        (FailureKind::TimedOut, &["failed: detail | ", "firewall"]),
        (FailureKind::Closed, &["failed: detail | ", "firewall"]),
        (
            FailureKind::Server,
            &["failed: it answers detail", "failmode"],
        ),
        (
            FailureKind::RateLimited,
            &["warning: ", "too many requests"],
        ),
        (
            FailureKind::Credentials,
            &["failed: it refuses them: detail", "ikey"],
        ),
        (
            FailureKind::BadRequest,
            &["failed: it answers detail", "api_host"],
        ),
        (
            FailureKind::Refused,
            &["failed: it answers detail", "api_host"],
        ),
        (
            FailureKind::Unreadable,
            &["failed: detail", "captive portal"],
        ),
        (FailureKind::Internal, &["failed: detail", "log"]),
    ] {
        let failure = Failure {
            kind,
            detail: "detail".to_owned(),
        };
        all_have(&judge::unanswered(&failure), words, kind.as_str());
    }
    for (fault, words) in [
        (None, &["failed: detail | ", "TLS 1.2"][..]),
        (
            Some(CertificateError::UnknownIssuer),
            &["CA that is not trusted (detail)", "http_ca_certs_file"],
        ),
        (Some(CertificateError::Expired), &["has expired", "clock"]),
        (
            Some(CertificateError::NotValidYet),
            &["not valid yet", "clock"],
        ),
        (
            Some(CertificateError::NotValidForName),
            &["another host's", "api_host"],
        ),
        (Some(CertificateError::BadEncoding), &["cannot be believed"]),
    ] {
        let finding = judge::distrusted(fault.as_ref(), "detail");
        all_have(&finding, words, &format!("{fault:?}"));
    }
}

#[test]
fn a_port_is_good_when_it_is_ours_or_free() {
    let holder = |name: &str| Holder {
        pid: 42,
        name: name.to_owned(),
    };
    for (found, words) in [
        (PortFound::Bound, &["good: this node listens"][..]),
        (PortFound::Gateway, &["good: the running gateway listens"]),
        (PortFound::Free, &["good: free"]),
        (PortFound::Unbound, &["failed: this node does not listen"]),
        (
            PortFound::Taken(Some(holder("freeradius"))),
            &["failed: ", "freeradius (process 42)", "stop"],
        ),
        (PortFound::Taken(None), &["failed: in use", "ss -lunp"]),
        (PortFound::NoSuchAddress, &["failed: ", "interface"]),
        (PortFound::Forbidden, &["failed: ", "CAP_NET_BIND_SERVICE"]),
        (PortFound::Other("odd".to_owned()), &["failed: odd"]),
    ] {
        all_have(&judge::port(&found), words, &format!("{found:?}"));
    }
    let gateway: Vec<SocketAddr> = ["[::]:1812", "127.0.0.1:1813"]
        .map(|one| one.parse().unwrap())
        .into();
    for (listen, port, want) in [
        (None, 1812, true),
        (Some("127.0.0.1"), 1812, true),
        (None, 1813, true),
        (Some("127.0.0.1"), 1813, true),
        (Some("::ffff:127.0.0.1"), 1813, true),
        (Some("127.0.0.2"), 1813, false),
        (None, 1814, false),
    ] {
        let place = (listen.map(|one| one.parse().unwrap()), port);
        assert_eq!(judge::is_held(place, &gateway), want, "{place:?}");
    }
}

#[test]
fn what_a_host_was_tried_with_becomes_a_row_each() {
    let step = |step, outcome| Tried {
        step,
        took: Duration::from_micros(3_900),
        outcome,
    };
    let trial = Trial {
        steps: vec![
            step(Step::Connection, Outcome::Good("connected".to_owned())),
            step(Step::ServiceAccount, Outcome::Good("bound as s".to_owned())),
            step(
                Step::Users("dc=a".to_owned()),
                Outcome::Doubtful("nobody; look; there".to_owned()),
            ),
            step(
                Step::Group("cn=g".to_owned()),
                Outcome::Failed("it is\x07 not".to_owned()),
            ),
        ],
        certificates: Vec::new(),
        tls: Some(ProtocolVersion::TLSv1_3),
        from: Some([192, 0, 2, 1].into()),
    };
    let subject = Subject {
        place: "ldap1:636".to_owned(),
        sections: vec!["ad_client".to_owned()],
        from: None,
    };
    let rows = judge::trial(&subject, &trial, &[until(29)], NOW);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let remedy = row.remedy.as_deref().unwrap_or("-");
            (row.what, row.result, &*row.place, &*row.found, remedy)
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                CheckKind::Directory,
                CheckResult::Good,
                "ldap1:636",
                "connected, TLS 1.3",
                "-"
            ),
            (
                CheckKind::DirectoryCertificate,
                CheckResult::Warning,
                "ldap1:636",
                "good until 2024-11-02, 29 days left",
                "have it renewed before that day: logins fail from then on"
            ),
            (
                CheckKind::ServiceAccount,
                CheckResult::Good,
                "ldap1:636",
                "bound as s",
                "-"
            ),
            (
                CheckKind::Users,
                CheckResult::Warning,
                "ldap1:636 dc=a",
                "nobody",
                "look; there"
            ),
            (
                CheckKind::Group,
                CheckResult::Failed,
                "ldap1:636 cn=g",
                "it is  not",
                "check security_group_dn, and what the service account may read"
            ),
        ]
    );
    assert!(rows.iter().all(|row| row.from == trial.from));
    assert!(rows.iter().all(|row| row.sections == ["ad_client"]));
    let took: Vec<_> = rows.iter().map(|row| row.milliseconds).collect();
    assert_eq!(took, [3, 0, 3, 3, 3]);
}

#[test]
fn a_node_says_what_it_serves_and_refuses() {
    let node = NodeId::new("a").unwrap();
    let refused = || RefusedRevision {
        revision: Revision(3),
        faults: vec![Fault {
            path: "integrations[0].port".to_owned(),
            message: "taken".to_owned(),
        }],
    };
    for (serving, connected, refused, want) in [
        (Some(2), true, None, "good: revision 2 is served"),
        (
            Some(2),
            false,
            None,
            "warning: revision 2 is served; it is cut off from the control plane",
        ),
        (
            Some(2),
            true,
            Some(refused()),
            "failed: it refused revision 3, and revision 2 is served on: \
             integrations[0].port: taken",
        ),
        (
            None,
            true,
            Some(refused()),
            "failed: it refused revision 3, and nothing is served: integrations[0].port: taken",
        ),
        (None, true, None, "failed: it has no configuration yet"),
    ] {
        let status = NodeStatus {
            version: "0".to_owned(),
            state: NodeState::Serving,
            revision: serving.map(Revision),
            source: ConfigSource::ControlPlane,
            connected,
            logins_in_flight: 0,
            events_dropped: 0,
            uptime_seconds: 0,
            listeners: Vec::new(),
            primary_only: Vec::new(),
            certificates: Vec::new(),
            refused,
            start_check: None,
        };
        let row = revision(&node, &status);
        assert_eq!(format!("{}: {}", row.result, row.found), want);
    }
}

fn snapshot(integrations: &Value) -> Arc<Snapshot> {
    // Not every machine has roots of its own.
    let root = rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).unwrap();
    let settings = json!({"http_ca_certs": root.cert.pem()});
    let raw = json!({"revision": 1, "settings": settings, "integrations": integrations});
    let raw: raw::Snapshot = serde_json::from_value(raw).unwrap();
    Arc::new(Snapshot::try_from(raw).unwrap())
}

fn integration(number: u16, ikey: &str, host: &str) -> Value {
    json!({
        "id": format!("radius_server_duo_only{number}"),
        "mode": "duo_only",
        "listen": "127.0.0.1",
        "port": 1812,
        "application": {"ikey": ikey, "skey": "planted-skey", "host": host, "port": 9},
        "clients": [{"address": format!("127.0.0.{number}"), "secret": "planted-secret"}],
        "fail_mode": "safe",
    })
}

#[tokio::test]
async fn hosts_and_keys_are_tried_once_however_many_sections_use_them() {
    let snapshot = snapshot(&json!([
        integration(1, "DIA", "127.0.0.1"),
        integration(2, "DIA", "127.0.0.1"),
        integration(3, "DIB", "127.0.0.1"),
        integration(4, "DIA", "127.0.0.2"),
        integration(5, "DIC", "127.0.0.3"),
    ]));
    let unmade = HashSet::from([IntegrationId::new("radius_server_duo_only5").unwrap()]);
    let clients = DuoClients::new(CONNECTIONS);
    let jobs = second_factor::plan(&snapshot, &unmade, &clients);
    let planned: Vec<_> = jobs
        .iter()
        .map(|job| match job {
            Job::SecondFactor(one) => {
                (&*one.subject.place, one.subject.sections.len(), one.pairs())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(planned, [("127.0.0.1:9", 3, 2), ("127.0.0.2:9", 1, 1)]);

    let late = jobs[0].late();
    assert_eq!(
        (late.what, late.result, &*late.place),
        (CheckKind::SecondFactor, CheckResult::Failed, "127.0.0.1:9")
    );
    assert!(late.found.contains("not tried to its end"), "{late:?}");

    let mut proxied = (*snapshot).clone();
    proxied.settings.http_proxy = Some(HttpProxy {
        host: "127.0.0.1".to_owned(),
        port: 10,
    });
    let by_proxy = second_factor::plan(&proxied, &unmade, &clients);
    let Some(Job::SecondFactor(one)) = by_proxy.first() else {
        panic!("{by_proxy:?}");
    };
    assert_eq!(one.subject.place, "127.0.0.1:9 by way of 127.0.0.1:10");

    let gateway = vec!["127.0.0.1:1812".parse().unwrap()];
    let rows = run(Arc::clone(&snapshot), Ports::to_try(gateway), unmade).await;
    let (machine, rows): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.sections.is_empty());
    assert_eq!(machine.len(), 2, "{machine:?}");
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.what, row.result, row.sections.len()))
        .collect();
    let away = |sections| (CheckKind::SecondFactor, CheckResult::Failed, sections);
    assert_eq!(
        shown,
        [
            (CheckKind::Port, CheckResult::Good, 5),
            (CheckKind::Authorities, CheckResult::Good, 1),
            away(3),
            away(1)
        ]
    );
    assert!(rows[2].found.contains("Connection refused"), "{rows:?}");
    assert!(!format!("{rows:?}{jobs:?}").contains("planted"));
}
