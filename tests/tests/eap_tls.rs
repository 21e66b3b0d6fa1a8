//! Mode `eap`: what the options of TLS do, and a certificate that is replaced.
#![cfg(test)]

use std::{fs, time::Duration};

use e2e::{
    clock::wait_until,
    eap::{Gateway, PASSWORD},
    peers::{
        EapMethod, EapTls, EapolTest, Pki, SECRET, Supplicant,
        supplicant::{Method, Step, TlsRange, typed},
    },
};
use rustls::{
    CipherSuite, ProtocolVersion,
    pki_types::{CertificateDer, pem::PemObject},
};

const LONG: Duration = Duration::from_secs(20);

const ECDSA_128: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const ECDSA_256: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
const ECDSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
const RSA_128: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
const RSA_256: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;
const TLS13_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
const TLS13_256: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;

fn peer(tls: TlsRange, suites: &[CipherSuite]) -> Supplicant {
    let mut peer = Supplicant::new(Method::Peap, "alice");
    (peer.tls, peer.suites) = (tls, Some(suites.to_vec()));
    peer
}

#[test]
fn a_cipher_list_leaves_out_what_it_leaves_out() {
    let gateway = Gateway::with([
        "factors=push\ncipher_list=ECDHE-ECDSA-AES256-GCM-SHA384\n",
        "factors=push\ncipher_list=ECDHE+AESGCM:!AES256\ncerts=rsa.pem\npkey=rsa.key\n",
        "factors=push\ncipher_list=HIGH:!aNULL:!MD5\n",
        "factors=push\ncipher_list=ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256\n",
    ]);
    let old = TlsRange::Only12;
    for (name, section, offered, want) in [
        (
            "the one that is listed",
            0,
            &[ECDSA_128, ECDSA_256, ECDSA_CHACHA][..],
            Some(ECDSA_256),
        ),
        ("the others", 0, &[ECDSA_128, ECDSA_CHACHA], None),
        ("what an expression takes out", 1, &[RSA_256], None),
        ("what it leaves", 1, &[RSA_256, RSA_128], Some(RSA_128)),
        ("everything", 2, &[ECDSA_128], Some(ECDSA_128)),
        (
            "everything that can be",
            2,
            &[ECDSA_CHACHA],
            Some(ECDSA_CHACHA),
        ),
        // The order of the file, not of the peer.
        (
            "its order",
            3,
            &[ECDSA_128, ECDSA_CHACHA],
            Some(ECDSA_CHACHA),
        ),
        ("not of this key", 2, &[RSA_128], None),
    ] {
        let login = gateway.login_of(
            &peer(old, offered),
            section,
            match want {
                Some(_) => &["pw-alice"],
                None => &[],
            },
        );
        match want {
            Some(suite) => assert_eq!(login.accepted().suite, Some(suite), "{name}"),
            None => {
                let error = login.rejected().tls_error.clone();
                assert!(error.is_some(), "{name}");
                let event = gateway.running.event_of("anon", 1);
                assert_eq!(event["reason"], "eap_failed");
                assert!(
                    event.to_string().contains("no TLS in common with us"),
                    "{event:#}"
                );
            }
        }
    }
    // Suites of TLS 1.3 have names of their own, and stay where they are not named.
    let login = gateway.login_of(
        &peer(TlsRange::Only13, &[TLS13_128, TLS13_256]),
        0,
        &["pw-alice"],
    );
    assert_eq!(login.accepted().tls, Some(ProtocolVersion::TLSv1_3));
    assert_eq!(gateway.running.events_of("anon", 3).len(), 3);
    assert_eq!(gateway.upstream.count("alice"), 6);
}

#[test]
fn a_minimum_of_tls_1_3_keeps_1_2_out() {
    let gateway = Gateway::with([
        "factors=push\nminimum_tls_version=tls1.3\n",
        "factors=push\nminimum_tls_version=tls1.2\n",
        "factors=push\nminimum_tls_version=tls1.0\n",
    ]);
    for section in 0..3 {
        for (tls, version) in [
            (TlsRange::Only12, ProtocolVersion::TLSv1_2),
            (TlsRange::Only13, ProtocolVersion::TLSv1_3),
            (TlsRange::Both, ProtocolVersion::TLSv1_3),
        ] {
            let mut peer = Supplicant::new(Method::Peap, "alice");
            peer.tls = tls;
            if section == 0 && tls == TlsRange::Only12 {
                let login = gateway.login_of(&peer, section, &[]);
                assert!(login.rejected().tls_error.is_some());
                let event = gateway.event("anon", 1);
                event.assert(("reject", "eap_failed"), "no TLS in common with us");
            } else {
                let login = gateway.login_of(&peer, section, &["pw-alice"]);
                assert_eq!(login.accepted().tls, Some(version), "{section}");
            }
        }
    }
    // A floor below 1.2 is raised to it.
    let output = gateway.running.output();
    assert!(output.contains("tls1.0 is broken"), "{output}");
}

#[test]
fn a_supplicant_that_is_too_old_is_told_of_even_when_it_does_not_answer_the_alert() {
    let gateway = Gateway::with([""]);
    let mut old = EapolTest::new(EapMethod::PeapGtc, "alice", "pw-alice");
    old.tls = EapTls::Tls11;
    let outcome = old.run(gateway.address(0), SECRET);
    assert!(!outcome.success, "{outcome:?}");
    // It fell silent: told once it has been waited for.
    let line = "user=\"anon\" outcome=unanswered reason=eap_failed";
    wait_until("it is given up", 3 * LONG, || {
        gateway.running.output().contains(line)
    });
    gateway
        .event("anon", 1)
        .assert(("unanswered", "eap_failed"), "no TLS in common with us");
}

#[test]
fn a_certificate_that_is_replaced_is_shown_from_the_next_handshake_on() {
    let gateway = Gateway::with(["factors=push\n"]);
    let shown = |login: &e2e::peers::supplicant::Login| login.accepted().chain[0].clone();
    let first = shown(&gateway.login(0, "alice", &["pw-alice"]));
    let mut under_way = gateway.session(0, "alice");
    assert_eq!(under_way.until_asked(), PASSWORD);
    let mut amid = gateway.session(0, "alice");
    amid.rounds(2);

    let other = Pki::shared().server_for(&["localhost"]);
    let config = gateway.running.config();
    let folder = config.parent().unwrap();
    let revision = gateway.running.revision();
    // The key first: for a moment it does not go with the certificate, and that is not served.
    fs::write(folder.join("chain.key"), &other.key).unwrap();
    fs::write(folder.join("chain.pem"), &other.certificate).unwrap();
    let process = gateway.running.role("dataplane");
    wait_until("the certificate is served", LONG, || {
        gateway.running.revision() > revision
    });
    let want = CertificateDer::from_pem_slice(other.certificate.as_bytes()).unwrap();
    let login = gateway.login(0, "bob", &["pw-bob"]);
    assert_eq!(shown(&login), want.as_ref());
    assert_ne!(first, want.as_ref());
    assert_eq!(
        gateway.running.role("dataplane"),
        process,
        "nothing was restarted"
    );

    // Who was under way goes on with what was shown before.
    assert_eq!(under_way.reply("pw-alice".into()), Step::Going);
    assert_eq!(shown(&under_way.run(typed(&[]))), first);
    assert_eq!(shown(&amid.run(typed(&["pw-alice"]))), first);
}
