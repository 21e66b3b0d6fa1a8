//! The EAP peers of the harness, at servers that are not ours.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    clock,
    nas::{attribute, code},
    peers::{
        EapMethod, EapTls, EapolTest, FreeRadius, Hostapd, Kind, Pki, SECRET, Supplicant,
        supplicant::{
            CryptoBinding, LengthFlag, Method, Mischief, Reply, ResultAnswer, Step, TlsRange,
            Trust, Verdict, packet::kind, typed,
        },
    },
};
use rustls::{
    CipherSuite, ProtocolVersion,
    client::Resumption,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A peer for hostapd, whose outer identity chooses the method.
fn peer(method: Method, outer: &str, tls: TlsRange) -> Supplicant {
    let mut peer = Supplicant::new(method, "alice");
    outer.clone_into(&mut peer.outer);
    peer.tls = tls;
    // Its binding by TLS 1.3 is of another key than the tunnel's.
    if tls == TlsRange::Only13 {
        peer.binding = CryptoBinding::Off;
    }
    peer
}

const BOTH: [(TlsRange, ProtocolVersion); 2] = [
    (TlsRange::Only12, ProtocolVersion::TLSv1_2),
    (TlsRange::Only13, ProtocolVersion::TLSv1_3),
];

#[test]
fn our_peer_logs_in_at_hostapd() {
    let hostapd = Hostapd::start(1_398);
    let server = CertificateDer::from_pem_slice(Pki::shared().server.certificate.as_bytes());
    let server = server.unwrap();
    for (tls, version) in BOTH {
        for (name, method, outer, peap) in [
            ("PEAPv0", Method::Peap, "peap0", Some(0)),
            ("PEAPv1", Method::Peap, "peap1", Some(1)),
            ("TTLS-PAP", Method::TtlsPap, "ttls", None),
            ("TTLS-GTC", Method::TtlsGtc, "ttls", None),
        ] {
            let peer = peer(method, outer, tls);
            let login = peer.login(hostapd.address, typed(&["pw-alice"]));
            let seen = login.accepted();
            assert_eq!(
                (seen.tls, seen.peap_version),
                (Some(version), peap),
                "{name}"
            );
            assert_eq!(seen.chain[0], server.as_ref(), "{name}");
            let bound = peap == Some(0) && tls == TlsRange::Only12;
            assert_eq!(seen.bound, bound, "{name} {version:?}");
            let prompts = usize::from(method != Method::TtlsPap);
            assert_eq!(seen.prompts.len(), prompts, "{name}: {:?}", seen.prompts);

            let login = peer.login(hostapd.address, typed(&["nope"]));
            assert!(!login.rejected().bound, "{name}");
        }
    }
}

#[test]
fn eapol_test_logs_in_at_hostapd() {
    let hostapd = Hostapd::start(1_398);
    for (tls, version) in [(EapTls::Tls12, "TLSv1.2"), (EapTls::Tls13, "TLSv1.3")] {
        for (method, outer) in [
            (EapMethod::PeapGtc, "peap0"),
            (EapMethod::PeapGtc, "peap1"),
            (EapMethod::TtlsPap, "ttls"),
            (EapMethod::TtlsGtc, "ttls"),
        ] {
            let mut login = EapolTest::new(method, "alice", "pw-alice");
            outer.clone_into(&mut login.outer);
            login.tls = tls;
            login.crypto_binding = (tls == EapTls::Tls13).then_some(0);
            let outcome = login.run(hostapd.address, SECRET);
            assert!(outcome.success, "{method:?} {outer}: {}", outcome.output);
            assert_eq!(outcome.tls.as_deref(), Some(version), "{method:?} {outer}");
            assert_eq!((outcome.keys_ok, outcome.failure), (1, false));

            "nope".clone_into(&mut login.password);
            let outcome = login.run(hostapd.address, SECRET);
            assert!(!outcome.success && outcome.failure, "{}", outcome.output);
        }
    }
}

#[test]
fn eapol_test_is_told_what_to_do() {
    let hostapd = Hostapd::start(200);
    let mut login = EapolTest::new(EapMethod::PeapGtc, "alice", "pw-alice");
    "peap0".clone_into(&mut login.outer);
    login.fragment_octets = 100;
    login.peap_version = Some(0);
    login.crypto_binding = Some(2);
    login.reauthentications = 2;
    let outcome = login.run(hostapd.address, SECRET);
    assert!(outcome.success, "{}", outcome.output);
    assert_eq!(outcome.keys_ok, 3, "{}", outcome.output);

    let mut other_version = login.clone();
    other_version.peap_version = Some(1);
    other_version.timeout = Duration::from_secs(2);
    let mut rogue = login.clone();
    rogue.ca.clone_from(&Pki::shared().rogue_ca);
    let mut too_old = login.clone();
    too_old.tls = EapTls::Tls11;
    let mut mschap = EapolTest::new(EapMethod::PeapMschapv2, "alice", "pw-alice");
    "peap0".clone_into(&mut mschap.outer);
    for (name, login) in [
        ("no such version", other_version),
        ("no trust", rogue),
        ("TLS 1.1", too_old),
        ("no MS-CHAPv2", mschap),
    ] {
        let outcome = login.run(hostapd.address, SECRET);
        assert!(!outcome.success, "{name}: {}", outcome.output);
        assert_eq!(outcome.keys_ok, 0, "{name}");
    }
}

#[test]
fn both_peers_log_in_at_freeradius() {
    let radius = FreeRadius::start(Kind::Plain);
    for (tls, version) in BOTH {
        for method in [Method::Peap, Method::TtlsPap, Method::TtlsGtc] {
            let mut peer = Supplicant::new(method, "alice");
            peer.tls = tls;
            peer.fragment_octets = 100;
            let login = peer.login(radius.address, typed(&["pw-alice"]));
            let seen = login.accepted();
            assert_eq!(seen.tls, Some(version), "{method:?}");
            assert!(
                seen.fragments_received > 0 && seen.fragments_sent > 0,
                "{seen:?}"
            );
            if method == Method::Peap {
                assert_eq!(seen.peap_version, Some(0));
            }
            if method != Method::TtlsPap {
                assert_eq!(seen.prompts, ["Password: "], "{method:?}");
            }
            let login = peer.login(radius.address, typed(&["nope"]));
            let _ = login.rejected();
            peer.hurried = true;
            let login = peer.login(radius.address, typed(&["pw-alice"]));
            let _ = login.accepted();
        }
    }
    for tls in [EapTls::Tls12, EapTls::Tls13] {
        for method in [
            EapMethod::PeapGtc,
            EapMethod::PeapMschapv2,
            EapMethod::TtlsPap,
            EapMethod::TtlsGtc,
            EapMethod::TtlsMschapv2,
        ] {
            let mut login = EapolTest::new(method, "alice", "pw-alice");
            login.tls = tls;
            let outcome = login.run(radius.address, SECRET);
            assert!(outcome.success, "{method:?} {tls:?}: {}", outcome.output);
        }
    }
}

#[test]
fn fragments_go_both_ways() {
    let hostapd = Hostapd::start(100);
    for (tls, _) in BOTH {
        for length in [LengthFlag::First, LengthFlag::Each] {
            for (method, outer) in [(Method::Peap, "peap0"), (Method::TtlsGtc, "ttls")] {
                let mut peer = peer(method, outer, tls);
                peer.fragment_octets = 60;
                peer.length_flag = length;
                let login = peer.login(hostapd.address, typed(&["pw-alice"]));
                let seen = login.accepted();
                assert!(seen.fragments_received > 3, "{seen:?}");
                assert!(seen.fragments_sent > 1, "{seen:?}");
                assert!(seen.largest_request <= 4 + 6 + 100, "{seen:?}");
            }
        }
    }
}

#[test]
fn what_the_peer_insists_on_is_its_own_affair() {
    let hostapd = Hostapd::start(1_398);
    let change = |change: &dyn Fn(&mut Supplicant)| {
        let mut peer = peer(Method::Peap, "peap0", TlsRange::Only12);
        change(&mut peer);
        peer.login(hostapd.address, typed(&["pw-alice"]))
    };
    // hostapd takes a peer that does not bind; then the tunnel's own keys count.
    let login = change(&|peer| peer.binding = CryptoBinding::Off);
    assert_eq!(
        (login.accepted().binding_offered, login.seen.bound),
        (true, false)
    );
    let login = change(&|peer| peer.binding = CryptoBinding::Required);
    assert!(login.accepted().bound);
    for (name, login) in [
        (
            "binding",
            change(&|peer| peer.binding = CryptoBinding::Wrong),
        ),
        (
            "result",
            change(&|peer| peer.result = ResultAnswer::Failure),
        ),
        (
            "inner Nak",
            change(&|peer| peer.inner_nak = Some(vec![kind::MSCHAPV2])),
        ),
        (
            "outer Nak",
            change(&|peer| peer.outer_nak = Some(vec![kind::MD5])),
        ),
    ] {
        let _ = (name, login.rejected());
    }
    let login = change(&|peer| peer.result = ResultAnswer::Silence);
    assert_eq!(login.verdict, Verdict::GaveUp);

    let rogue = Trust::Authority(Pki::shared().rogue_ca.clone());
    for tls in [TlsRange::Only12, TlsRange::Only13] {
        let login = change(&|peer| (peer.trust, peer.tls) = (rogue.clone(), tls));
        let error = login.rejected().tls_error.clone().unwrap();
        assert!(error.contains("UnknownIssuer"), "{error}");
        assert!(!login.seen.chain.is_empty());
    }
    let login = change(&|peer| "elsewhere.invalid".clone_into(&mut peer.server_name));
    assert!(login.rejected().tls_error.is_some());
    let login = change(&|peer| peer.trust = Trust::Anybody);
    let _ = login.accepted();
}

#[test]
fn the_peer_chooses_by_nak() {
    let radius = FreeRadius::start(Kind::Plain);
    let login =
        Supplicant::new(Method::TtlsPap, "alice").login(radius.address, typed(&["pw-alice"]));
    assert_eq!(login.accepted().proposals, [kind::PEAP, kind::TTLS]);
}

#[test]
fn sessions_are_remembered_only_when_asked_to() {
    let hostapd = Hostapd::start(1_398);
    let mut peer = peer(Method::Peap, "peap0", TlsRange::Only12);
    peer.memory = Resumption::in_memory_sessions(8);
    for _ in 0..2 {
        // This server remembers nothing either way.
        let login = peer.login(hostapd.address, typed(&["pw-alice"]));
        assert!(!login.accepted().resumed);
    }
}

#[test]
fn a_login_is_done_step_by_step() {
    let hostapd = Hostapd::start(1_398);
    let mut session = peer(Method::Peap, "peap0", TlsRange::Only12).session(hostapd.address);
    session.rounds(1);
    assert_eq!(session.seen().proposals, [kind::PEAP]);
    session.until_tunnel();
    let prompt = session.until_asked();
    assert!(!prompt.is_empty());
    assert_eq!(session.reply(Reply::from("pw-alice")), Step::Going);
    let login = session.run(typed(&[]));
    let last = login.last.as_ref().unwrap();
    assert_eq!(
        (last.code, login.message().as_str()),
        (code::ACCESS_ACCEPT, "")
    );
    assert!(login.accepted().rounds > 5);
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let radius = FreeRadius::start(Kind::Plain);
    let mut session = Supplicant::new(Method::Peap, "alice").session(radius.address);
    session.rounds(1);
    session.send();
    let first = session.receive(Duration::from_secs(5)).unwrap();
    let mut second = None;
    // FreeRADIUS drops a duplicate that comes while it puts the answered request away.
    clock::wait_until("the same answer", Duration::from_secs(10), || {
        session.retransmit();
        second = session.receive(Duration::from_millis(500));
        second.is_some()
    });
    assert_eq!(first.bytes, second.unwrap().bytes);
    assert_eq!(session.take(&first), Step::Going);
    let login = session.run(typed(&["pw-alice"]));
    let _ = login.accepted();
}

#[test]
fn the_peer_goes_on_from_another_port() {
    let radius = FreeRadius::start(Kind::Plain);
    let mut session = Supplicant::new(Method::Peap, "alice").session(radius.address);
    session.rounds(2);
    let before = session.address();
    session.send();
    session.move_port();
    assert_ne!(session.address(), before);
    let old = session.receive_on_old_port(Duration::from_secs(5)).unwrap();
    assert_eq!(session.take(&old), Step::Going);
    let _ = session.run(typed(&["pw-alice"])).accepted();
}

#[test]
fn misbehaviour_reaches_the_server() {
    let radius = FreeRadius::start(Kind::Plain);
    for mischief in [
        Mischief::Garbage(300),
        Mischief::HugeLength(u32::MAX),
        Mischief::WrongIdentifier,
        Mischief::PastTheEnd,
        Mischief::PlainGtc("pw-alice".to_owned()),
        Mischief::Nak(vec![kind::MD5]),
        Mischief::LengthCutShort,
    ] {
        let mut peer = Supplicant::new(Method::Peap, "alice");
        peer.timeout = Duration::from_secs(1);
        let mut session = peer.session(radius.address);
        session.rounds(2);
        session.misbehave(&mischief);
        let login = session.run(typed(&["pw-alice"]));
        assert_ne!(login.verdict, Verdict::Accepted, "{mischief:?}");
    }
    // Who begins anew is asked anew.
    let mut session = Supplicant::new(Method::Peap, "alice").session(radius.address);
    session.rounds(3);
    session.misbehave(&Mischief::Start);
    session.send();
    let answer = session.receive(Duration::from_secs(5)).unwrap();
    assert_eq!(answer.code, code::ACCESS_CHALLENGE);
    let eap = answer.first(attribute::EAP_MESSAGE).unwrap();
    assert_eq!(eap[4], kind::IDENTITY);
}

#[test]
fn endless_fragments_are_counted() {
    let hostapd = Hostapd::start(1_398);
    let peer = peer(Method::Peap, "peap0", TlsRange::Both);
    let mut session = peer.session(hostapd.address);
    session.rounds(2);
    let taken = session.endless(1_000, Some(8_000), 5);
    assert_eq!(taken, (5, Verdict::GaveUp));
    let mut session = peer.session(hostapd.address);
    session.rounds(2);
    let taken = session.endless(1_000, Some(3_500), 5);
    assert_eq!(taken, (3, Verdict::Rejected));
}

#[test]
fn two_logins_do_not_mix() {
    let radius = FreeRadius::start(Kind::Plain);
    let mut peer = Supplicant::new(Method::Peap, "alice");
    peer.timeout = Duration::from_secs(2);
    let (mut one, mut two) = (peer.session(radius.address), peer.session(radius.address));
    one.rounds(3);
    two.rounds(3);
    std::mem::swap(one.state(), two.state());
    for session in [one, two] {
        let login = session.run(typed(&["pw-alice"]));
        assert_ne!(login.verdict, Verdict::Accepted);
    }
}

#[test]
fn a_request_that_was_answered_is_answered_again() {
    let hostapd = Hostapd::start(1_398);
    let mut session = peer(Method::Peap, "peap1", TlsRange::Only12).session(hostapd.address);
    session.rounds(2);
    session.send_previous();
    let answer = session.receive(Duration::from_millis(300));
    assert!(answer.is_none_or(|answer| answer.code != code::ACCESS_ACCEPT));
    assert!(session.late().is_empty());
}

#[test]
fn certificates_of_each_kind_are_shown() {
    let pki = Pki::shared();
    for (name, identity, fault) in [
        ("RSA", &pki.rsa, None),
        ("chain", &pki.chain, None),
        ("expired", &pki.expired, Some("expired")),
        ("rogue", &pki.rogue, Some("UnknownIssuer")),
        ("other name", &pki.other_name, Some("not valid for name")),
    ] {
        let hostapd = Hostapd::start_with(300, identity);
        let pem = identity.certificate.as_bytes();
        let made = CertificateDer::pem_slice_iter(pem).map(|one| one.unwrap().to_vec());
        let made: Vec<Vec<u8>> = made.collect();
        for (tls, _) in BOTH {
            let login =
                peer(Method::Peap, "peap0", tls).login(hostapd.address, |_| "pw-alice".into());
            // hostapd may add the authority.
            let seen = &login.seen;
            assert_eq!(seen.chain[..made.len()], made, "{name}");
            match fault {
                None => {
                    let suite = seen.suite.unwrap().as_str().unwrap();
                    let of_rsa = tls == TlsRange::Only12 && name == "RSA";
                    assert_eq!(suite.contains("_RSA_"), of_rsa, "{suite}");
                    let _ = login.accepted();
                }
                Some(fault) => {
                    let said = login.rejected().tls_error.clone().unwrap();
                    assert!(said.contains(fault), "{name}: {said}");
                }
            }
        }
    }
}

#[test]
fn suites_are_those_that_were_asked_for() {
    let hostapd = Hostapd::start(1_398);
    let mut peer = peer(Method::TtlsPap, "ttls", TlsRange::Only12);
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
    peer.suites = Some(vec![suite]);
    let login = peer.login(hostapd.address, typed(&["pw-alice"]));
    assert_eq!(login.accepted().suite, Some(suite));
    // Its key is of another kind.
    let suite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    peer.suites = Some(vec![suite]);
    let login = peer.login(hostapd.address, typed(&["pw-alice"]));
    assert_eq!(login.rejected().suite, None);
}
