//! Over TLS, and with which certificates.

use dataplane::primary::{Primary, PrimaryFailureKind, Shared, Verdict};
use prometheus::Registry;
use proto::event::Reason;
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::relay::Relay;
use crate::slapd::{Certificate, Slapd, authority};
use crate::{host, login, primary, settings, verdict};

#[tokio::test]
async fn certificates_that_cannot_be_read_are_refused_when_made() {
    let shared = Shared::new(TaskTracker::new(), &Registry::new()).unwrap();
    let over = json!({"transport": "ldaps", "ca_certs": "no PEM"});
    let error = Primary::new(&settings(&json!([host(389)]), &over), &shared).unwrap_err();
    assert!(error.to_string().contains("ssl_ca_certs_file"), "{error}");
}

#[tokio::test]
async fn passwords_go_over_tls() {
    let slapd = Slapd::start();
    for (transport, port) in [("starttls", slapd.port), ("ldaps", slapd.tls_port)] {
        let by_ipv6 = Relay::between("::1", port, "pw-mute").await;
        for (name, port) in [
            ("127.0.0.1", port),
            ("localhost", port),
            ("::1", by_ipv6.port),
        ] {
            let primary = primary(
                json!([{"name": name, "port": port}]),
                json!({"transport": transport, "ca_certs": slapd.ca}),
            );
            let at = format!("{transport} at {name}");
            assert_eq!(verdict(&primary, "alice", "pw-alice").await, None, "{at}");
            assert_eq!(
                verdict(&primary, "alice", "wrong").await,
                Some(Reason::WrongPassword),
                "{at}"
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_for_a_reason() {
    let (other_ca, _) = authority();
    for (name, certificate, ca, verify, want) in [
        (
            "wrong CA",
            Certificate::Good,
            Some(&other_ca),
            true,
            Some("CA that is not trusted"),
        ),
        (
            "wrong CA, name unchecked",
            Certificate::OtherName,
            Some(&other_ca),
            false,
            Some("CA that is not trusted"),
        ),
        (
            "other name",
            Certificate::OtherName,
            None,
            true,
            Some("dc9.example.com"),
        ),
        (
            "other name, unchecked",
            Certificate::OtherName,
            None,
            false,
            None,
        ),
        (
            "expired",
            Certificate::Expired,
            None,
            true,
            Some("has expired"),
        ),
        (
            "expired, name unchecked",
            Certificate::Expired,
            None,
            false,
            Some("has expired"),
        ),
    ] {
        let slapd = Slapd::with(certificate);
        for (transport, port) in [("starttls", slapd.port), ("ldaps", slapd.tls_port)] {
            let primary = primary(
                json!([host(port)]),
                json!({
                    "transport": transport,
                    "ca_certs": ca.unwrap_or(&slapd.ca),
                    "verify_hostname": verify,
                }),
            );
            match (login(&primary, "alice", "pw-alice").await, want) {
                (Ok(Verdict::Accepted(_)), None) => {}
                (Err(failure), Some(want)) => {
                    assert_eq!(failure.kind, PrimaryFailureKind::Misconfigured, "{name}");
                    assert!(
                        failure.detail.contains(want),
                        "{name}, {transport}: {}",
                        failure.detail
                    );
                }
                (got, _) => panic!("{name}, {transport}: {got:?}"),
            }
        }
    }
}
