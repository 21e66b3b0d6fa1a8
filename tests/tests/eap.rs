//! Mode `eap`: methods, versions and keys, by real supplicants and by one of our own.
#![cfg(test)]

use e2e::{
    config::MAIN,
    countersign::Countersign,
    eap::{Gateway, MENU, PASSWORD, section},
    nas::attribute,
    peers::{
        EapMethod, EapTls, EapolTest, FakeDuo, FreeRadius, Kind, Pki, SECRET, Supplicant,
        supplicant::{
            CryptoBinding, Method, ResultAnswer, Step, TlsRange, Trust, Verdict, packet::kind,
            typed,
        },
    },
    ports,
};
use rustls::client::Resumption;

const TLS: [TlsRange; 2] = [TlsRange::Only12, TlsRange::Only13];

/// A peer of PEAP that speaks up to this version.
fn peap(user: &str, version: u8, tls: TlsRange) -> Supplicant {
    let mut peer = Supplicant::new(Method::Peap, user);
    peer.highest_version = version;
    peer.tls = tls;
    peer
}

#[test]
fn our_peer_logs_in_by_each_method() {
    let gateway = Gateway::with(["factors=push\n"]);
    let mut logins = 0;
    for tls in TLS {
        for (name, peap_version, peer) in [
            ("PEAP", Some(0), peap("alice", 0, tls)),
            ("PEAP", Some(1), peap("alice", 1, tls)),
            ("TTLS", None, Supplicant::new(Method::TtlsPap, "alice")),
            ("TTLS", None, Supplicant::new(Method::TtlsGtc, "alice")),
        ] {
            for hurried in [false, true] {
                let mut peer = peer.clone();
                (peer.tls, peer.hurried) = (tls, hurried);
                let login = gateway.login_of(&peer, 0, &["pw-alice"]);
                let seen = login.accepted();
                assert_eq!(seen.peap_version, peap_version);
                // The first is offered; another is begun once a Nak names it.
                let want: &[u8] = match name {
                    "PEAP" => &[kind::PEAP],
                    _ => &[kind::PEAP, kind::TTLS],
                };
                assert_eq!(seen.proposals, want);
                let prompts: &[&str] = match peer.method {
                    Method::TtlsPap => &[],
                    _ => &[PASSWORD],
                };
                assert_eq!(seen.prompts, prompts);
                logins += 1;
                let version = match tls {
                    TlsRange::Only12 => "TLS 1.2",
                    _ => "TLS 1.3",
                };
                let event = gateway.event("alice", logins);
                event.assert(("accept", "approved"), &format!("{name} with {version}"));

                let wrong = gateway.login_of(&peer, 0, &["nope"]);
                let _ = wrong.rejected();
                logins += 1;
                let event = gateway.event("alice", logins);
                assert_eq!(event.end(), ("reject", "primary_rejected"), "{event:?}");
            }
        }
    }
    assert_eq!(gateway.duo.pushes("alice"), logins / 2);
    assert_eq!(gateway.duo.violations(), Vec::<String>::new());
}

#[test]
fn eapol_test_logs_in_by_each_method_over_freeradius() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        e2e::config::radius_client("radius_client", &radius),
        section(1, port, &duo, "radius_client", "factors=auto\n"),
    ));
    let server = ports::loopback(port);
    for (method, version) in [
        (EapMethod::PeapGtc, Some(0)),
        (EapMethod::PeapGtc, Some(1)),
        (EapMethod::PeapGtc, None),
        (EapMethod::TtlsPap, None),
        (EapMethod::TtlsGtc, None),
    ] {
        for tls in [EapTls::Tls12, EapTls::Tls13] {
            let mut test = EapolTest::new(method, "alice", "pw-alice");
            test.tls = tls;
            test.peap_version = version;
            // Each logs in twice more, and the server takes up no session of before.
            test.reauthentications = 2;
            test.resumption = true;
            let outcome = test.run(server, SECRET);
            assert!(
                outcome.success,
                "{method:?} {tls:?} {version:?} {outcome:?}"
            );
            assert_eq!(outcome.keys_ok, 3, "{method:?} {tls:?} {version:?}");
            "nope".clone_into(&mut test.password);
            let outcome = test.run(server, SECRET);
            assert!(!outcome.success && outcome.failure, "{outcome:?}");
        }
    }
    assert_eq!(duo.pushes("alice"), 5 * 2 * 3, "{}", gateway.output());
    for (name, binding, want) in [
        ("off", 0, true),
        ("offered", 1, true),
        ("required", 2, true),
    ] {
        for tls in [EapTls::Tls12, EapTls::Tls13] {
            let mut test = EapolTest::new(EapMethod::PeapGtc, "alice", "pw-alice");
            (test.tls, test.peap_version) = (tls, Some(0));
            test.crypto_binding = Some(binding);
            let outcome = test.run(server, SECRET);
            assert_eq!(outcome.success, want, "{name} {tls:?} {outcome:?}");
        }
    }
    // What there is not here.
    for (count, (method, says)) in (1..).zip([
        (EapMethod::Tls, "the supplicant wants TLS;"),
        (
            EapMethod::PeapMschapv2,
            "inside the tunnel the supplicant wants MSCHAPv2;",
        ),
        (
            EapMethod::TtlsMschapv2,
            "inside the tunnel the supplicant wants MS-CHAPv2;",
        ),
    ]) {
        let mut test = EapolTest::new(method, "carol", "pw-carol");
        "carol".clone_into(&mut test.outer);
        let outcome = test.run(server, SECRET);
        assert!(
            !outcome.success && outcome.failure,
            "{method:?} {outcome:?}"
        );
        let event = gateway.event_of("carol", count);
        assert_eq!(event["reason"], "unsupported_method");
        assert_eq!(event["signed"], true);
        assert!(event.to_string().contains(says), "{event:#}");
    }
    assert_eq!(
        duo.requests()
            .iter()
            .filter(|one| one.user.as_deref() == Some("carol"))
            .count(),
        0
    );
}

#[test]
fn a_version_is_agreed_on_once() {
    let gateway = Gateway::with(["factors=push\n"]);
    // Higher than what was offered.
    let mut session = gateway.session(0, "alice");
    session.rounds(1);
    session.response()[5] |= 2;
    let login = session.run(typed(&[]));
    gateway.assert_clean(&login);
    let _ = login.rejected();
    let event = gateway.event("anon", 1);
    event.assert(
        ("reject", "eap_failed"),
        "answers with version 3 of the method",
    );
    // Another one amid the handshake, and inside the tunnel.
    for inside in [false, true] {
        for version in [0, 1] {
            let mut session = peap("alice", version, TlsRange::Both).session(gateway.address(0));
            session.rounds(2);
            if inside {
                session.until_tunnel();
            }
            session.response()[5] ^= 1;
            let _ = session.run(typed(&["pw-alice"])).rejected();
        }
    }
    let events = gateway.running.events_of("anon", 5);
    for event in &events {
        assert_eq!(event["reason"], "eap_failed", "{event:#}");
        assert!(
            event.to_string().contains("which was not agreed on"),
            "{event:#}"
        );
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
}

#[test]
fn a_peer_that_wants_none_of_ours_is_told_and_the_event_names_what_it_wanted() {
    let gateway = Gateway::with([""]);
    for (name, method, wanted, says) in [
        (
            "MD5",
            Method::Peap,
            vec![kind::MD5],
            "the supplicant wants MD5-Challenge; set it to PEAP with GTC, or to TTLS",
        ),
        (
            "several",
            Method::Peap,
            vec![13, 52, 99],
            "wants TLS, PWD, method 99;",
        ),
        (
            "nothing",
            Method::Peap,
            vec![0],
            "wants another method and names none;",
        ),
        (
            "no-end",
            Method::Peap,
            vec![99; 200],
            "wants method 99, method 99",
        ),
        ("again", Method::Peap, vec![kind::PEAP], "wants PEAP;"),
    ] {
        let mut peer = Supplicant::new(method, "alice");
        name.clone_into(&mut peer.outer);
        peer.outer_nak = Some(wanted);
        let login = gateway.login_of(&peer, 0, &[]);
        assert_eq!(login.rejected().proposals, [kind::PEAP], "{name}");
        gateway
            .event(name, 1)
            .assert(("reject", "unsupported_method"), says);
    }
    // Having chosen one, it refuses that too.
    let mut session = Supplicant::new(Method::TtlsPap, "alice").session(gateway.address(0));
    session.rounds(2);
    assert_eq!(session.seen().proposals, [kind::PEAP, kind::TTLS]);
    session.supplicant().outer_nak = None;
    let mischief = e2e::peers::supplicant::Mischief::Nak(vec![kind::PEAP]);
    session.misbehave(&mischief);
    let _ = session.run(typed(&[])).rejected();
    gateway
        .event("anon", 1)
        .assert(("reject", "unsupported_method"), "wants PEAP");
}

#[test]
fn an_inner_nak_is_answered_inside_first() {
    let gateway = Gateway::with([""]);
    for (name, version, method) in [
        ("v0", 0, Method::Peap),
        ("v1", 1, Method::Peap),
        ("ttls", 0, Method::TtlsGtc),
    ] {
        let mut peer = Supplicant::new(method, name);
        peer.highest_version = version;
        peer.inner_nak = Some(vec![kind::MSCHAPV2]);
        let login = gateway.login_of(&peer, 0, &[]);
        let told = (method == Method::Peap).then_some(false);
        assert_eq!(login.rejected().result, told, "{name}");
        let event = gateway.event(name, 1);
        event.assert(
            ("reject", "unsupported_method"),
            "inside the tunnel the supplicant wants MSCHAPv2; set its inner method to GTC",
        );
    }
    // The same instead of an answer to the second question.
    let mut session = gateway.session(0, "bob");
    assert_eq!(session.until_asked(), PASSWORD);
    assert_eq!(session.reply("pw-bob".into()), Step::Going);
    assert_eq!(session.until_asked(), MENU);
    let nak = e2e::peers::supplicant::Reply::Nak(vec![kind::MSCHAPV2]);
    assert_eq!(session.reply(nak), Step::Going);
    let login = session.run(typed(&[]));
    assert_eq!(login.rejected().result, Some(false));
    assert_eq!(
        gateway.event("bob", 1).end(),
        ("reject", "unsupported_method")
    );
}

#[test]
fn crypto_binding_binds_where_the_peer_does() {
    let gateway = Gateway::with(["factors=push\n"]);
    let mut count = 0;
    for tls in TLS {
        for (binding, want) in [
            (CryptoBinding::On, Some(true)),
            (CryptoBinding::Required, Some(true)),
            (CryptoBinding::Off, Some(false)),
            (CryptoBinding::Wrong, None),
        ] {
            let mut peer = peap("alice", 0, tls);
            peer.binding = binding;
            let login = gateway.login_of(&peer, 0, &["pw-alice"]);
            count += 1;
            assert!(login.seen.binding_offered, "{binding:?}");
            match want {
                // The peer has compared its keys with those that came.
                Some(bound) => assert_eq!(login.accepted().bound, bound, "{binding:?} {tls:?}"),
                None => {
                    let _ = login.rejected();
                    gateway.event("alice", count).assert(
                        ("reject", "eap_failed"),
                        "it cannot prove to be the other end of the tunnel",
                    );
                }
            }
        }
        // Version 1 has none, and no failure offers one.
        let login = gateway.login_of(&peap("alice", 1, tls), 0, &["pw-alice"]);
        assert!(!login.accepted().binding_offered);
        let login = gateway.login_of(&peap("alice", 0, tls), 0, &["nope"]);
        assert!(!login.rejected().binding_offered);
        count += 2;
    }
}

#[test]
fn who_does_not_agree_on_the_result_is_not_let_in() {
    let gateway = Gateway::with(["factors=push\n"]);
    let mut count = 0;
    for version in [0, 1] {
        let mut peer = peap("alice", version, TlsRange::Both);
        peer.result = ResultAnswer::Failure;
        let _ = gateway.login_of(&peer, 0, &["pw-alice"]).rejected();
        count += 1;
        gateway.event("alice", count).assert(
            ("reject", "eap_failed"),
            "the supplicant refused the end of the conversation",
        );
        // It says success to a failure.
        peer.result = ResultAnswer::Success;
        let login = gateway.login_of(&peer, 0, &["nope"]);
        assert_eq!(login.rejected().result, Some(false));
        count += 1;
        let event = gateway.event("alice", count);
        assert_eq!(event.end(), ("reject", "primary_rejected"), "{event:?}");
    }
    // Inner headers where version 0 has none.
    let mut peer = peap("alice", 0, TlsRange::Both);
    peer.inner_headers = true;
    let _ = gateway.login_of(&peer, 0, &["pw-alice"]).accepted();
}

#[test]
fn no_tunnel_is_taken_up_again() {
    let gateway = Gateway::with(["factors=push\n"]);
    for tls in TLS {
        for method in [Method::Peap, Method::TtlsPap] {
            let mut peer = Supplicant::new(method, "alice");
            (peer.tls, peer.memory) = (tls, Resumption::in_memory_sessions(8));
            for _ in 0..3 {
                let login = gateway.login_of(&peer, 0, &["pw-alice"]);
                assert!(!login.accepted().resumed, "{tls:?} {method:?}");
            }
        }
    }
    assert_eq!(gateway.upstream.count("alice"), 12);
    assert_eq!(gateway.duo.pushes("alice"), 12);
}

#[test]
fn a_peer_that_does_not_trust_the_certificate_is_told_of_in_the_event() {
    let gateway = Gateway::with(["", "certs=expired.pem\npkey=expired.key\n"]);
    let rogue = Trust::Authority(Pki::shared().rogue_ca.clone());
    for (outer, section, trust, name, says) in [
        (
            "ca",
            0,
            Some(rogue),
            "localhost",
            "the supplicant does not trust the certificate: give it the CA that signed it",
        ),
        ("name", 0, None, "elsewhere.invalid", "the supplicant"),
        (
            "expired",
            1,
            None,
            "localhost",
            "the supplicant says that the certificate has expired",
        ),
    ] {
        for (count, tls) in (1..).zip(TLS) {
            let mut peer = peap("alice", 1, tls);
            outer.clone_into(&mut peer.outer);
            name.clone_into(&mut peer.server_name);
            if let Some(trust) = &trust {
                peer.trust = trust.clone();
            }
            let login = gateway.login_of(&peer, section, &[]);
            assert!(login.rejected().tls_error.is_some());
            gateway
                .event(outer, count)
                .assert(("reject", "eap_failed"), says);
        }
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
}

#[test]
fn the_inner_name_is_the_user_and_the_outer_one_where_there_is_none() {
    let gateway = Gateway::with(["factors=push\n"]);
    for (outer, inner, want) in [
        ("anon", "erin", "erin"),
        ("frank", "", "frank"),
        ("@realm", "grace", "grace"),
        ("anon", "häns", "häns"),
    ] {
        for (count, method) in (1..).zip([Method::Peap, Method::TtlsPap, Method::TtlsGtc]) {
            let mut peer = Supplicant::new(method, inner);
            outer.clone_into(&mut peer.outer);
            let password = format!("pw-{want}");
            let login = gateway.login_of(&peer, 0, &[&password]);
            let _ = login.accepted();
            // The device knows the outer name, and must not take the session for that one's.
            let told = login.last.unwrap();
            let told = told.first(attribute::USER_NAME);
            let due = (outer != want).then_some(want.as_bytes());
            assert_eq!(told, due, "{method:?} {want}");
            assert_eq!(gateway.upstream.count(want), count, "{method:?} {want}");
            assert_eq!(gateway.duo.pushes(want), count, "{method:?} {want}");
            let event = gateway.event(want, count);
            assert_eq!(event.end(), ("accept", "approved"));
        }
    }
    assert_eq!(gateway.upstream.count("anon"), 0);
    let mut peer = Supplicant::new(Method::Peap, "al\u{7}ice");
    "bell".clone_into(&mut peer.outer);
    let _ = gateway.login_of(&peer, 0, &[]).rejected();
    gateway
        .event("bell", 1)
        .assert(("reject", "eap_failed"), "control character");
}

#[test]
fn where_the_user_is_goes_to_both_factors() {
    let gateway = Gateway::with([
        "factors=push\n",
        "factors=push\nclient_ip_attr=Framed-IP-Address\n",
    ]);
    for (name, section, value, station, address) in [
        (
            "an address",
            0,
            "192.0.2.7",
            Some("192.0.2.7"),
            Some("192.0.2.7"),
        ),
        (
            "a MAC",
            0,
            "02-00-00-00-00-01",
            Some("02-00-00-00-00-01"),
            None,
        ),
        (
            "another attribute",
            1,
            "02-00-00-00-00-01",
            Some("198.51.100.9"),
            Some("198.51.100.9"),
        ),
    ] {
        let mut peer = Supplicant::new(Method::Peap, "alice");
        peer.attributes = vec![
            (attribute::CALLING_STATION_ID, value.as_bytes().to_vec()),
            (8, vec![198, 51, 100, 9]),
        ];
        let _ = gateway.login_of(&peer, section, &["pw-alice"]).accepted();
        let asked = gateway.upstream.requests().pop().unwrap();
        let got = asked.first(attribute::CALLING_STATION_ID);
        assert_eq!(got, station.map(str::as_bytes), "{name}");
        for request in gateway.duo.requests().iter().rev().take(2) {
            if request.params.contains_key("username") {
                let got = request.params.get("ipaddr").map(String::as_str);
                assert_eq!(got, address, "{name}: {request:?}");
            }
        }
        let preauth = gateway.duo.requests();
        let preauth = preauth
            .iter()
            .rev()
            .find(|one| one.path.ends_with("preauth"))
            .unwrap();
        assert_eq!(
            preauth.params.get("ipaddr").map(String::as_str),
            address,
            "{name}"
        );
    }
    let event = gateway.event("alice", 3);
    assert_eq!(event.0["calling_station"], "198.51.100.9", "{event:?}");
}

#[test]
fn a_password_is_read_as_its_codec_says() {
    let gateway = Gateway::with(["factors=push\npw_codec=latin-1\n", "factors=push\n"]);
    let latin = b"p\xe4ss".to_vec();
    for (count, method) in (1..).zip([Method::Peap, Method::TtlsPap, Method::TtlsGtc]) {
        let peer = Supplicant::new(method, "alice");
        let says = |_: &str| e2e::peers::supplicant::Reply::Typed(latin.clone());
        let _ = peer.login(gateway.address(0), says).rejected();
        let asked = gateway.upstream.requests();
        assert_eq!(asked.len(), count);
        assert_eq!(asked.last().unwrap().password(), "päss", "{method:?}");
        let login = peer.login(gateway.address(1), says);
        let _ = login.rejected();
        assert_eq!(
            gateway.upstream.requests().len(),
            count,
            "it cannot be read"
        );
        assert_eq!(
            gateway.event("alice", 2 * count).end(),
            ("reject", "bad_request")
        );
    }
    let login = gateway.login(1, "häns", &["pw-häns"]);
    assert_eq!(login.verdict, Verdict::Accepted);
}
