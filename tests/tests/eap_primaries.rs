//! Mode `eap`: who checks the password, what goes to it and back, and what a login leaves behind.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    clock::wait_until,
    config::{MAIN, ad_client, upstreams},
    countersign::Countersign,
    eap::{Event, Gateway, MENU, PASSWORD, by_name, section},
    nas::{attribute, microsoft},
    peers::{
        FakeDuo, Pki, Received, Said, ScriptedUpstream, Slapd, Supplicant,
        fakeduo::{Outcome, User},
        supplicant::{Method, typed},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(10);
const NAS_IDENTIFIER: u8 = 32;

#[test]
fn a_directory_checks_the_password() {
    let (duo, slapd, port) = (
        FakeDuo::start(Pki::shared()),
        Slapd::start(Pki::shared()),
        ports::free_udp(),
    );
    let group = format!("security_group_dn={}\n", Slapd::GROUP);
    let running = Countersign::run(&format!(
        "{MAIN}{}host=localhost\nport={}\ntransport=starttls\nssl_ca_certs_file=ca.pem\n{group}{}",
        ad_client("ad_client"),
        slapd.port,
        section(1, port, &duo, "ad_client", ""),
    ));
    let server = ports::loopback(port);
    for method in [Method::Peap, Method::TtlsGtc] {
        let login = Supplicant::new(method, "alice").login(server, typed(&["pw-alice", "push"]));
        assert_eq!(login.accepted().prompts, [PASSWORD, MENU]);
    }
    let login = Supplicant::new(Method::TtlsPap, "alice").login(server, typed(&["pw-alice"]));
    let _ = login.accepted();
    assert_eq!(duo.pushes("alice"), 3);
    for (user, password, count, reason) in [
        ("alice", "nope", 4, "wrong_password"),
        ("nobody", "nope", 1, "unknown_user"),
        ("u04", "pw-u04", 1, "not_permitted"),
        ("alice", "", 5, "empty_password"),
    ] {
        let login = Supplicant::new(Method::Peap, user).login(server, typed(&[password]));
        assert_eq!(login.rejected().prompts, [PASSWORD]);
        let event = running.event_of(user, count);
        assert_eq!(event["reason"], reason, "{event:#}");
    }
    assert_eq!(running.events_of("alice", 5).len(), 5);
}

/// Lets everybody in, with attributes of each kind.
fn generous(_: &Received) -> Option<Said> {
    Some(
        Said::accept()
            .with(attribute::FILTER_ID, b"vpn-users")
            .with(attribute::CLASS, b"class-1")
            .with(attribute::REPLY_MESSAGE, b"Welcome")
            .with(attribute::EAP_MESSAGE, &[3, 1, 0, 4])
            .with(attribute::STATE, b"theirs")
            .with(attribute::PROXY_STATE, b"theirs")
            .vendor(9, 1, b"shell:priv-lvl=15")
            .vendor_salted(microsoft::VENDOR, microsoft::MPPE_SEND_KEY, &[7; 32])
            .vendor_salted(microsoft::VENDOR, microsoft::MPPE_RECV_KEY, &[8; 32]),
    )
}

#[test]
fn attributes_pass_where_the_file_says_so() {
    let upstream = ScriptedUpstream::start(generous);
    let names = "pass_through_attr_names=NAS-Identifier,Filter-Id\n";
    let gateway = Gateway::over(
        upstream,
        "pass_through_all=true\n",
        [
            "factors=push\n",
            &format!("factors=push\n{names}"),
            "pass_through_all=true\n",
        ],
    );
    let mut peer = Supplicant::new(Method::Peap, "alice");
    peer.attributes = vec![
        (NAS_IDENTIFIER, b"switch-7".to_vec()),
        (attribute::FILTER_ID, b"from-the-device".to_vec()),
        (attribute::NAS_IP_ADDRESS, vec![192, 0, 2, 1]),
        (12, vec![0, 0, 5, 120]),
    ];
    for (section, answers, identifier, filter) in [
        (0, &["pw-alice"][..], None, None),
        (
            1,
            &["pw-alice"],
            Some(&b"switch-7"[..]),
            Some(&b"from-the-device"[..]),
        ),
        (
            2,
            &["pw-alice", "push"],
            Some(b"switch-7"),
            Some(b"from-the-device"),
        ),
    ] {
        // The keys of the answer are compared with those of the tunnel: they are not the upstream's.
        let login = gateway.login_of(&peer, section, answers);
        let _ = login.accepted();
        let asked = gateway.upstream.requests().pop().unwrap();
        assert_eq!(asked.first(NAS_IDENTIFIER), identifier, "{section}");
        assert_eq!(asked.first(attribute::FILTER_ID), filter, "{section}");
        assert_eq!(asked.first(attribute::EAP_MESSAGE), None, "{section}");
        assert_eq!(asked.first(attribute::STATE), None, "{section}");
        assert_eq!(asked.user(), "alice");
        // From the primary to the device, on the accept: also when a question came between.
        let last = login.last.unwrap();
        assert_eq!(last.all(attribute::FILTER_ID), [b"vpn-users"], "{section}");
        assert_eq!(last.all(attribute::CLASS), [b"class-1"], "{section}");
        assert_eq!(last.all(attribute::EAP_MESSAGE).len(), 1, "{section}");
        assert_eq!(last.first(attribute::STATE), None);
        assert_eq!(last.first(attribute::PROXY_STATE), None);
        let vendors = last.all(attribute::VENDOR_SPECIFIC);
        assert_eq!(vendors.len(), 3, "{section}: {vendors:02x?}");
    }
    // Nothing of it with a reject.
    gateway.duo.user("alice", User::who(Outcome::Deny));
    let last = gateway.login_of(&peer, 0, &["pw-alice"]).last.unwrap();
    let kinds: Vec<u8> = last.attributes.iter().map(|one| one.0).collect();
    assert_eq!(
        kinds,
        [attribute::MESSAGE_AUTHENTICATOR, attribute::EAP_MESSAGE]
    );
}

/// Asks for a code, and for another.
fn asks_for_codes(request: &Received) -> Option<Said> {
    let state = request.first(attribute::STATE).map(<[u8]>::to_vec);
    Some(match (state.as_deref(), request.password().as_str()) {
        (None, "pw-alice") => Said::challenge("Token code?", b"first"),
        (Some(b"first"), "first-code") => Said::challenge("The next one?", b"second"),
        (Some(b"second"), "second-code") => Said::accept().with(attribute::FILTER_ID, b"vpn"),
        _ => Said::reject("No"),
    })
}

#[test]
fn questions_of_the_upstream_are_asked_inside_the_tunnel() {
    let gateway = Gateway::over(
        ScriptedUpstream::start(asks_for_codes),
        "pass_through_all=true\n",
        ["", "allow_concat=true\n", "factors=passcode\n"],
    );
    for method in [Method::Peap, Method::TtlsGtc] {
        let peer = Supplicant::new(method, "alice");
        let login = gateway.login_of(&peer, 0, &["pw-alice", "first-code", "second-code", "1"]);
        let prompts = &login.accepted().prompts;
        assert_eq!(
            prompts[..],
            [PASSWORD, "Token code?", "The next one?", MENU]
        );
        assert_eq!(login.last.unwrap().all(attribute::FILTER_ID), [b"vpn"]);
        // What was appended to the password is used after the questions.
        let login = gateway.login_of(&peer, 1, &["pw-alice,123456", "first-code", "second-code"]);
        assert_eq!(login.accepted().prompts.len(), 3);
        let login = gateway.login_of(
            &peer,
            2,
            &["pw-alice", "first-code", "second-code", "123456"],
        );
        assert_eq!(login.accepted().prompts[3], "Enter passcode:");
        let asked: Vec<String> = gateway
            .asked("alice")
            .into_iter()
            .map(|one| one.0)
            .collect();
        assert_eq!(asked[asked.len() - 3..], ["push", "passcode", "passcode"]);
        let login = gateway.login_of(&peer, 0, &["pw-alice", "first-code", "nope"]);
        assert_eq!(login.rejected().prompts.len(), 3);
    }
    assert_eq!(gateway.asked("alice").len(), 6);
    // One event each.
    assert_eq!(gateway.running.events_of("alice", 8).len(), 8);
    gateway.assert_secret(
        "alice",
        8,
        &["first-code", "second-code", "123456", "pw-alice"],
    );
    // Where nothing can be asked.
    let pap = Supplicant::new(Method::TtlsPap, "alice");
    let _ = gateway.login_of(&pap, 0, &["pw-alice"]).rejected();
    assert_eq!(
        gateway.event("alice", 9).end(),
        ("reject", "unsupported_method")
    );
}

#[test]
fn a_primary_that_is_away_is_said_to_be() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let running = Countersign::run(&format!(
        "{MAIN}{}retries=1\nretry_wait=1\n{}",
        upstreams("radius_client", &[ports::dead()]),
        section(1, port, &duo, "radius_client", ""),
    ));
    let login =
        Supplicant::new(Method::Peap, "alice").login(ports::loopback(port), typed(&["pw-alice"]));
    assert_eq!(login.rejected().result, Some(false));
    assert_eq!(
        running.event_of("alice", 1)["reason"],
        "primary_unavailable"
    );
    assert_eq!(duo.pushes("alice"), 0);
}

#[test]
fn a_login_is_one_event_with_all_its_steps() {
    let upstream = ScriptedUpstream::start(|request| Some(by_name(request)));
    let gateway = Gateway::over(upstream, "", [""]);
    let answers = ["pw-alice", "sms", "123456"];
    let _ = gateway.login(0, "alice", &answers).accepted();
    let events = gateway.running.events_of("alice", 1);
    assert_eq!(events.len(), 1, "{events:#?}");
    let event = Event(events[0].clone());
    let steps = event.steps();
    let want = [
        ("packet", "Access-Request id "),
        ("client", "client 127.0.0.0/8 of radius_server_eap"),
        ("client", "PEAP with TLS 1.3"),
        ("client", "outer name "),
        ("primary", "accepted"),
        ("preauth", "auth: phone (XXX-XXX-0100) (push, phone, sms)"),
        ("answer", "asked: Choose a secondary factor from"),
        ("preauth", "auth: "),
        ("factor", "deny: New SMS passcodes sent."),
        ("preauth", "auth: "),
        (
            "answer",
            "asked: New SMS passcodes sent. Choose a secondary factor from",
        ),
        ("factor", "allow: "),
        ("answer", "Access-Accept (approved)"),
    ];
    assert_eq!(steps.len(), want.len(), "{steps:#?}");
    for ((stage, detail), (want_stage, want_detail)) in steps.iter().zip(want) {
        assert_eq!(stage, want_stage, "{steps:#?}");
        assert!(detail.starts_with(want_detail), "{detail}: {steps:#?}");
    }
    let at: Vec<u64> = events[0]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["at_us"].as_u64().unwrap())
        .collect();
    assert!(at.is_sorted(), "{at:?}");
    assert_eq!(events[0]["factor"], "passcode");
    assert_eq!(events[0]["calling_station"], "02-00-00-00-00-01");
    assert_eq!(events[0]["integration"], "radius_server_eap");
    gateway.assert_secret("alice", 1, &["pw-alice", "123456"]);
    // And one in the metrics.
    let logins = "countersign_logins_total{factor=\"passcode\",integration=\"radius_server_eap\",outcome=\"accept\"}";
    assert_eq!(
        gateway.running.metric(logins),
        1.0,
        "{}",
        gateway.running.get("/metrics").body
    );
    wait_until("nothing is kept", LONG, || {
        gateway.running.metric("countersign_eap_sessions") == 0.0
    });
}
