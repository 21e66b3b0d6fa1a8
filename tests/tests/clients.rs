//! Who may ask, and with what: addresses, secrets, Message-Authenticator, Status-Server, and
//! datagrams that get no answer.
#![cfg(test)]

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::{MAIN, bare_server, client, radius_client, server},
    countersign::Countersign,
    nas::{Nas, attribute, code},
    peers::{
        FakeDuo, FreeRadius, Kind, Pki, Radclient, Reply, SECRET,
        fakeduo::{Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(10);
/// Long enough for an answer that should not come.
const QUIET: Duration = Duration::from_millis(300);

fn discards(gateway: &Countersign, reason: &str) -> f64 {
    gateway.metric(&format!(
        r#"countersign_radius_discards_total{{reason="{reason}"}}"#
    ))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn strangers_and_wrong_secrets_get_no_answer() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}{}",
        bare_server("radius_server_auto", port, duo.host()),
        client(1, "127.0.0.1"),
    ));
    let address = ports::loopback(port);
    let stranger = Nas::from_address(ip("127.0.0.2"), address, SECRET);
    assert_eq!(
        stranger.exchange(&stranger.access("alice", "any"), QUIET),
        None
    );
    assert!(!stranger.status(QUIET));
    wait_until("both discards", LONG, || {
        discards(&gateway, "unknown_client") == 2.0
    });
    let liar = Nas::new(address, "another-secret");
    assert_eq!(liar.exchange(&liar.access("alice", "any"), QUIET), None);
    assert!(!liar.status(QUIET));
    wait_until("both discards", LONG, || {
        discards(&gateway, "message_authenticator_wrong") == 2.0
    });
    // Said once each, with what is mostly wrong.
    let output = gateway.output();
    for (hint, reason) in [
        ("no section on this port has its address", "unknown_client"),
        (
            "secret of its section differ",
            "message_authenticator_wrong",
        ),
    ] {
        let said: Vec<_> = output
            .lines()
            .filter(|line| line.contains(hint) && line.contains(reason))
            .collect();
        assert_eq!(said.len(), 1, "{output}");
    }
    let reply = Radclient::login(address, "another-secret", "alice", "any")
        .patience(1, QUIET)
        .send();
    assert_eq!(reply, Reply::None);
    assert_eq!(duo.requests().len(), 0);

    // Without a Message-Authenticator the wrong secret shows in the password alone.
    let unsigned = liar
        .access("alice", "any")
        .encode_without_message_authenticator();
    let honest = Nas::new(address, SECRET);
    liar.send(&unsigned);
    assert_ne!(
        liar.receive(LONG),
        None,
        "a reject that the liar cannot verify"
    );
    let reply = honest
        .exchange(&honest.access("alice", "any"), LONG)
        .unwrap();
    assert_eq!(reply.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert_eq!(duo.pushes("alice"), 1);
}

#[test]
fn status_server_is_answered_and_rubbish_is_not() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let config = format!(
        "{MAIN}[duo_only_client]\n{}",
        server("radius_server_auto", port, &duo)
    );
    let gateway = Countersign::run(&config);
    let nas = Nas::new(ports::loopback(port), SECRET);
    let status = nas
        .request(code::STATUS_SERVER)
        .with(attribute::PROXY_STATE, b"a");
    let answer = nas.exchange(&status, LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert!(answer.message_authenticator_is_first());
    assert_eq!(answer.all(attribute::PROXY_STATE), [b"a"]);
    assert_eq!(duo.requests().len(), 0, "nobody else is asked");

    let good = nas.access("alice", "any").encode();
    let unsigned_status = status.encode_without_message_authenticator();
    let accounting = nas.request(code::ACCOUNTING_REQUEST).encode();
    let answer_code = nas.request(code::ACCESS_ACCEPT).encode();
    let mut flipped = good.clone();
    flipped[25] ^= 1;
    let mut long_attribute = good.clone();
    let last = long_attribute.len() - 17;
    long_attribute[last] = 200;
    let mut long_header = good.clone();
    long_header[2..4].copy_from_slice(&4_000_u16.to_be_bytes());
    for (reason, datagram) in [
        ("short_datagram", &good[..19]),
        ("short_datagram", b""),
        ("length_past_end", &good[..good.len() - 1]),
        ("length_past_end", &long_header),
        ("attribute_past_end", &long_attribute),
        ("message_authenticator_wrong", &flipped),
        (
            "message_authenticator_missing_status_server",
            &unsigned_status,
        ),
        ("accounting", &accounting),
        ("unserved_code", &answer_code),
    ] {
        let before = discards(&gateway, reason);
        nas.send(datagram);
        wait_until(reason, LONG, || discards(&gateway, reason) > before);
    }
    assert_eq!(nas.receive(QUIET), None);
    // Octets after the length are padding.
    nas.send(&[&good[..], b"padding"].concat());
    assert_ne!(nas.receive(LONG), None, "{}", gateway.output());
}

#[test]
fn a_request_that_cannot_be_served_is_rejected_with_a_reason() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let config = format!(
        "{MAIN}[duo_only_client]\n{}",
        server("radius_server_auto", port, &duo)
    );
    let gateway = Countersign::run(&config);
    let nas = Nas::new(ports::loopback(port), SECRET);
    let empty = || nas.request(code::ACCESS_REQUEST);
    let alice = || empty().text(attribute::USER_NAME, "alice");
    for (request, text) in [
        (empty().password("any"), "no user name"),
        (alice(), "no password"),
        (alice().password(""), "password is empty"),
        (
            alice().with(attribute::USER_PASSWORD, &[7; 15]),
            "malformed",
        ),
        (alice().with(3, &[1; 17]), "CHAP cannot be used"),
        (
            nas.access("alice", "any").with(attribute::STATE, b"x"),
            "belongs to no login",
        ),
        (
            empty()
                .with(attribute::USER_NAME, b"\xff\xfe")
                .password("any"),
            "not valid UTF-8",
        ),
    ] {
        let answer = nas.exchange(&request, LONG).unwrap();
        let message = answer.message();
        assert_eq!(
            answer.code,
            code::ACCESS_REJECT,
            "{text}\n{}",
            gateway.output()
        );
        assert!(message.contains(text), "{text}: {message}");
        assert!(answer.message_authenticator_is_first(), "{text}");
    }
    // What carries EAP hears EAP, and no text beside it.
    let request = alice().with(attribute::EAP_MESSAGE, &[2, 9, 0, 5, 1]);
    let answer = nas.exchange(&request, LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_REJECT);
    let failure = answer.first(attribute::EAP_MESSAGE);
    assert_eq!(failure, Some(&[4, 9, 0, 4][..]));
    assert_eq!(answer.message(), "");
    let why = "eap=\"the request carries EAP, which [radius_server_eap] serves";
    wait_until(why, LONG, || gateway.output().contains(why));
    assert_eq!(duo.requests().len(), 0);
}

#[test]
fn message_authenticator_is_asked_for_as_each_client_has_it() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user("bob", User::who(Outcome::Deny));
    let [port, forced] = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}{}{}message_authenticator_2=require\n\
         {}message_authenticator_3=off\n{}force_message_authenticator=true\n",
        bare_server("radius_server_auto", port, duo.host()),
        client(1, "127.0.0.1"),
        client(2, "127.0.0.2"),
        client(3, "127.0.0.3"),
        server("radius_server_auto2", forced, &duo),
    ));
    // Policy, address, port, and whether an unsigned request is served plain, and with Proxy-State.
    for (policy, address, port, plain, proxied) in [
        ("auto", "127.0.0.1", port, true, false),
        ("require", "127.0.0.2", port, false, false),
        ("off", "127.0.0.3", port, true, true),
        ("forced", "127.0.0.1", forced, false, false),
    ] {
        let nas = Nas::from_address(ip(address), ports::loopback(port), SECRET);
        for (user, want) in [("alice", code::ACCESS_ACCEPT), ("bob", code::ACCESS_REJECT)] {
            let direct = nas.access(user, "any");
            let answer = nas.exchange(&direct, LONG).unwrap();
            assert_eq!(answer.code, want, "{policy}\n{}", gateway.output());
            assert!(
                answer.message_authenticator_is_first(),
                "{policy}: {answer:?}"
            );
            let routed = nas.access(user, "any").with(attribute::PROXY_STATE, b"hop");
            let answer = nas.exchange(&routed, LONG).unwrap();
            assert_eq!(answer.code, want, "{policy}, signed with Proxy-State");
            assert!(
                answer.message_authenticator_is_first(),
                "{policy}: {answer:?}"
            );
        }
        let unsigned = nas.access("alice", "any");
        let routed = nas
            .access("alice", "any")
            .with(attribute::PROXY_STATE, b"hop");
        for (name, request, served) in
            [("plain", unsigned, plain), ("Proxy-State", routed, proxied)]
        {
            nas.send(&request.encode_without_message_authenticator());
            let answer = nas.receive(if served { LONG } else { QUIET });
            assert_eq!(
                answer.is_some(),
                served,
                "{policy}, {name}\n{}",
                gateway.output()
            );
            if let Some(bytes) = answer {
                let answer = request.check(&bytes).unwrap();
                assert_eq!(answer.code, code::ACCESS_ACCEPT, "{policy}, {name}");
                assert!(answer.message_authenticator_is_first(), "{policy}, {name}");
            }
        }
    }
    let missing = |with: &str| discards(&gateway, &format!("message_authenticator_missing{with}"));
    wait_until("all discards", LONG, || {
        missing("") + missing("_proxy_state") == 5.0
    });
    // What was served says whether it was signed.
    let events = gateway.events_of("alice", 11);
    let unsigned = events.iter().filter(|event| event["signed"] == false);
    assert_eq!(unsigned.count(), 3, "{events:#?}");
    let signed = events.iter().filter(|event| event["signed"] == true);
    assert_eq!(signed.count(), 8, "{events:#?}");
}

#[test]
fn sections_share_a_port_and_the_smallest_range_wins() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user("alice", User::who(Outcome::Deny));
    let radius = FreeRadius::start(Kind::Plain);
    let port = ports::free_udp();
    let bare = |name: &str| bare_server(name, port, duo.host());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}[duo_only_client]\n{}client=radius_client\n{}{}client=duo_only_client\n\
         exempt_username_1=alice\n{}radius_ip_2=127.0.4.1-127.0.4.9\nradius_secret_2=of-a-range\n\
         {}client=duo_only_client\n{}",
        radius_client("radius_client", &radius),
        bare("radius_server_auto"),
        client(1, "127.0.0.0/16"),
        bare("radius_server_auto2"),
        client(1, "127.0.3.0/255.255.255.0"),
        bare("radius_server_duo_only"),
        client(1, "127.0.3.7"),
    ));
    for (from, secret, password, want, section) in [
        (
            "127.0.0.1",
            SECRET,
            "pw-alice",
            code::ACCESS_REJECT,
            "radius_server_auto",
        ),
        (
            "127.0.0.1",
            SECRET,
            "nope",
            code::ACCESS_REJECT,
            "radius_server_auto",
        ),
        (
            "127.0.3.1",
            SECRET,
            "any",
            code::ACCESS_ACCEPT,
            "radius_server_auto2",
        ),
        (
            "127.0.4.5",
            "of-a-range",
            "any",
            code::ACCESS_ACCEPT,
            "radius_server_auto2",
        ),
        (
            "127.0.4.10",
            SECRET,
            "nope",
            code::ACCESS_REJECT,
            "radius_server_auto",
        ),
        (
            "127.0.3.7",
            SECRET,
            "123456",
            code::ACCESS_ACCEPT,
            "radius_server_duo_only",
        ),
    ] {
        let nas = Nas::from_address(ip(from), ports::loopback(port), secret);
        let answer = nas.exchange(&nas.access("alice", password), LONG).unwrap();
        assert_eq!(answer.code, want, "{from} {password}\n{}", gateway.output());
        let source = nas.address().to_string();
        wait_until("its event", LONG, || {
            let newest = gateway.event_of("alice", 1);
            newest["client"] == source.as_str() && newest["integration"] == section
        });
    }
}

#[test]
fn a_device_may_come_over_ipv6() {
    let duo = FakeDuo::start(Pki::shared());
    let [everywhere, only_six] = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "[main]\nhttp_ca_certs_file=ca.pem\n[duo_only_client]\n{}{}{}{}interface=::1\n{}",
        bare_server("radius_server_auto", everywhere, duo.host()),
        client(1, "::1"),
        client(2, "127.0.0.0/8"),
        bare_server("radius_server_auto2", only_six, duo.host()),
        client(1, "::/64"),
    ));
    let six = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    for (name, server) in [
        ("IPv6 on all addresses", six(everywhere)),
        ("IPv4 on all addresses", ports::loopback(everywhere)),
        ("IPv6 on its address", six(only_six)),
    ] {
        let local = if server.is_ipv6() {
            ip("::1")
        } else {
            ip("127.0.0.1")
        };
        let nas = Nas::from_address(local, server, SECRET);
        let answer = nas.exchange(&nas.access("alice", "any"), LONG).unwrap();
        assert_eq!(
            answer.code,
            code::ACCESS_ACCEPT,
            "{name}\n{}",
            gateway.output()
        );
        assert!(nas.status(LONG), "{name}");
        let reply = Radclient::login(server, SECRET, "bob", "any").send();
        assert!(reply.is("Access-Accept"), "{name}: {reply:?}");
    }
}
