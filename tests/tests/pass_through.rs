//! What goes from the device to an upstream RADIUS server and back: attributes, the user's address,
//! and the octets of a password.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    config::{MAIN, radius_client, server, upstreams},
    countersign::Countersign,
    nas::{Nas, attribute, code, microsoft},
    peers::{
        FakeDuo, FreeRadius, Kind, Pki, Radclient, Reply, SECRET, Said, ScriptedUpstream,
        fakeduo::{Endpoint, Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(10);
const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";
const IN: &str = "Success. Logging you in...";

fn login(port: u16, user: &str, password: &str) -> Radclient {
    Radclient::login(ports::loopback(port), SECRET, user, password).patience(1, LONG)
}

#[test]
fn attributes_pass_where_the_file_says_so_and_nowhere_else() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let [none, all, named, server_all, server_named] = std::array::from_fn(|_| ports::free_udp());
    let primary = |name: &str| radius_client(name, &radius);
    let section = |number: &str, port| server(&format!("radius_server_auto{number}"), port, &duo);
    let names = "pass_through_attr_names=Filter-Id,Cisco-AVPair\n";
    let to_primary = "pass_through_attr_names=NAS-Identifier,Filter-Id\n";
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}pass_through_all=true\n{}{names}{}client=radius_client\n{}client=radius_client2\n\
         {}client=radius_client3\n{}client=radius_client\npass_through_all=true\n\
         {}client=radius_client\n{to_primary}",
        primary("radius_client"),
        primary("radius_client2"),
        primary("radius_client3"),
        section("", none),
        section("2", all),
        section("3", named),
        section("4", server_all),
        section("5", server_named),
    ));

    // From the primary to the device, on an accept.
    let pairs: &[&str] = &["ip:addr-pool=vpn", "shell:priv-lvl=15"];
    let class: &[&str] = &["0x636c6173732d616c696365"];
    let filter: &[&str] = &["vpn-users"];
    for (name, port, classes, filters, pairs) in [
        ("nothing", none, &[][..], &[][..], &[][..]),
        ("all of [radius_client]", all, class, filter, pairs),
        ("names of [radius_client]", named, &[], filter, pairs),
        ("all of the server", server_all, class, filter, pairs),
        ("names of the server", server_named, &[], filter, &[]),
    ] {
        let reply = login(port, "alice", "pw-alice").send();
        assert!(reply.is(ACCEPT), "{name}: {reply:?}\n{}", gateway.output());
        assert_eq!(reply.all("Class"), classes, "{name}: {reply:?}");
        assert_eq!(reply.all("Filter-Id"), filters, "{name}: {reply:?}");
        assert_eq!(reply.all("Cisco-AVPair"), pairs, "{name}: {reply:?}");
        // The answer's text is the second factor's, not another one beside it.
        assert_eq!(reply.all("Reply-Message"), [IN], "{name}");
    }

    // From the device to the primary, which says what reached it.
    for (name, port, id, called, pair) in [
        ("all of [radius_client]", all, "", "", ""),
        ("all of the server", server_all, "vpn-7", "ssid", "x=1"),
        ("names of the server", server_named, "vpn-7", "", ""),
    ] {
        let mirrored = login(port, "mirror", "pw")
            .text("NAS-Identifier", "vpn-7")
            .attribute("NAS-IP-Address", "192.0.2.77")
            .text("Calling-Station-Id", "198.51.100.9")
            .text("Called-Station-Id", "ssid")
            .text("Cisco-AVPair", "x=1")
            .attribute("Proxy-State", "0x6162")
            .send();
        let want = [
            "password=7077",
            &format!("nas-id={id}"),
            // The gateway's own: the device's has gone no further.
            "nas-ip=127.0.0.1",
            // Always goes on, whatever the rules say.
            "station=198.51.100.9",
            &format!("called={called}"),
            &format!("pair={pair}"),
            "proxy-state=",
        ];
        let got = mirrored.all("Filter-Id");
        assert_eq!(got, want, "{name}: {mirrored:?}\n{}", gateway.output());
        assert_eq!(
            mirrored.all("Proxy-State"),
            ["0x6162"],
            "{name}: echoed once"
        );
    }

    // Nothing of it on a reject.
    duo.user("alice", User::who(Outcome::Deny));
    let reply = login(all, "alice", "pw-alice").send();
    let Reply::Answer { code, attributes } = reply else {
        panic!("no answer\n{}", gateway.output());
    };
    let names: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (code.as_str(), names),
        (REJECT, vec!["Message-Authenticator", "Reply-Message"])
    );
}

#[test]
fn the_users_address_comes_from_the_attribute_that_is_named() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let [plain, framed, vendor] = std::array::from_fn(|_| ports::free_udp());
    let section = |number: &str, port| {
        let name = format!("radius_server_auto{number}");
        server(&name, port, &duo) + "client=radius_client\npass_through_attr_names=Filter-Id\n"
    };
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}{}client_ip_attr=Framed-IP-Address\n{}client_ip_attr=paloalto\n",
        radius_client("radius_client", &radius),
        section("", plain),
        section("2", framed),
        section("3", vendor),
    ));
    let request = |port| {
        login(port, "mirror", "pw")
            .text("Calling-Station-Id", "00-11-22-33-44-55")
            .attribute("Framed-IP-Address", "192.0.2.7")
            .text("PaloAlto-Client-Source-IP", "2001:db8::9")
    };
    for (name, port, ipaddr, station) in [
        (
            "a hardware address is none",
            plain,
            None,
            "00-11-22-33-44-55",
        ),
        ("Framed-IP-Address", framed, Some("192.0.2.7"), "192.0.2.7"),
        (
            "a vendor's attribute",
            vendor,
            Some("2001:db8::9"),
            "2001:db8::9",
        ),
    ] {
        let before = duo.requests().len();
        let reply = request(port).send();
        assert!(reply.is(ACCEPT), "{name}: {reply:?}\n{}", gateway.output());
        let said = format!("station={station}");
        assert!(
            reply.all("Filter-Id").contains(&said.as_str()),
            "{name}: {reply:?}"
        );
        for one in duo.requests().split_off(before) {
            if matches!(one.endpoint, Endpoint::Preauth | Endpoint::Auth) {
                let sent = one.params.get("ipaddr").map(String::as_str);
                assert_eq!(sent, ipaddr, "{name}: {one:?}");
            }
        }
    }
}

#[test]
fn latin_1_is_read_and_written_where_the_file_says_so() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let [both, read, strict] = std::array::from_fn(|_| ports::free_udp());
    let tail = "pass_through_attr_names=Filter-Id\n";
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}pw_codec=latin-1\n{}client=radius_client2\npw_codec=latin-1\n{tail}\
         {}client=radius_client\npw_codec=latin-1\n{tail}{}client=radius_client\n{tail}",
        radius_client("radius_client", &radius),
        radius_client("radius_client2", &radius),
        server("radius_server_auto", both, &duo),
        server("radius_server_auto2", read, &duo),
        server("radius_server_auto3", strict, &duo),
    ));
    // radclient writes UTF-8; these octets are hidden by hand.
    let typed: &[u8] = b"p\xe4ss";
    for (name, port, octets) in [
        ("both sides", both, Some("password=70e47373")),
        ("the device only", read, Some("password=70c3a47373")),
        ("neither", strict, None),
    ] {
        let nas = Nas::new(ports::loopback(port), SECRET);
        let request = nas
            .request(code::ACCESS_REQUEST)
            .text(attribute::USER_NAME, "mirror")
            .password_octets(typed);
        let answer = nas.exchange(&request, LONG).unwrap();
        let filter_ids = answer.all(11);
        match octets {
            Some(octets) => {
                assert_eq!(
                    answer.code,
                    code::ACCESS_ACCEPT,
                    "{name}\n{}",
                    gateway.output()
                );
                assert_eq!(filter_ids[0], octets.as_bytes(), "{name}");
            }
            None => {
                assert_eq!(answer.code, code::ACCESS_REJECT, "{name}");
                assert!(
                    answer.message().contains("pw_codec"),
                    "{}",
                    answer.message()
                );
            }
        }
    }
}

#[test]
fn hidden_values_are_hidden_again_for_the_device() {
    let duo = FakeDuo::start(Pki::shared());
    let radius = FreeRadius::start(Kind::Plain);
    let scripted = ScriptedUpstream::start(|_| {
        Some(
            Said::accept()
                .tagged(attribute::TUNNEL_PASSWORD, 1, b"first")
                .tagged(attribute::TUNNEL_PASSWORD, 2, b"")
                .vendor_salted(microsoft::VENDOR, microsoft::MPPE_SEND_KEY, &[1; 16])
                .vendor_salted(microsoft::VENDOR, microsoft::MPPE_RECV_KEY, &[2; 32]),
        )
    });
    // A client with a secret of its own: what is hidden for the upstream's can be read by nobody.
    let device = "another secret of the device";
    let [all, none, real, keys] = std::array::from_fn(|_| ports::free_udp());
    let upstream =
        |number: &str| upstreams(&format!("radius_client{number}"), &[scripted.address()]);
    let section = |number: &str, port, client: &str| {
        let name = format!("radius_server_auto{number}");
        server(&name, port, &duo).replace(
            &format!("radius_secret_1={SECRET}"),
            &format!("radius_secret_1={device}"),
        ) + &format!("client={client}\n")
    };
    let gateway = Countersign::run(&format!(
        "{MAIN}{}pass_through_all=true\n{}{}pass_through_all=true\n\
         {}pass_through_attr_names=MS-MPPE-Recv-Key\n{}{}{}{}",
        upstream(""),
        upstream("2"),
        radius_client("radius_client3", &radius),
        upstream("4"),
        section("", all, "radius_client"),
        section("2", none, "radius_client2"),
        section("3", real, "radius_client3"),
        section("4", keys, "radius_client4"),
    ));
    let ask = |port, user: &str| {
        let nas = Nas::new(ports::loopback(port), device);
        let request = nas.access(user, &format!("pw-{user}"));
        let answer = nas.exchange(&request, LONG).unwrap();
        assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
        (request, answer)
    };
    let (request, answer) = ask(all, "alice");
    let tunnels: Vec<(u8, Vec<u8>)> = answer
        .all(attribute::TUNNEL_PASSWORD)
        .iter()
        .map(|value| (value[0], request.reveal_salted(&value[1..]).unwrap()))
        .collect();
    assert_eq!(tunnels, [(1, b"first".to_vec()), (2, Vec::new())]);
    let key = |kind| request.reveal_salted(answer.microsoft(kind).unwrap());
    assert_eq!(key(microsoft::MPPE_SEND_KEY), Some(vec![1; 16]));
    assert_eq!(key(microsoft::MPPE_RECV_KEY), Some(vec![2; 32]));
    let mut salts: Vec<Vec<u8>> = answer
        .all(attribute::TUNNEL_PASSWORD)
        .iter()
        .map(|value| value[1..3].to_vec())
        .chain(
            [microsoft::MPPE_SEND_KEY, microsoft::MPPE_RECV_KEY]
                .map(|kind| answer.microsoft(kind).unwrap()[..2].to_vec()),
        )
        .collect();
    salts.sort();
    salts.dedup();
    assert_eq!(
        salts.len(),
        4,
        "a salt is used once in a packet (RFC 2868 section 3.5)"
    );

    let (_, answer) = ask(none, "alice");
    assert_eq!(answer.first(attribute::TUNNEL_PASSWORD), None);
    assert_eq!(answer.microsoft(microsoft::MPPE_SEND_KEY), None);

    let (request, answer) = ask(keys, "alice");
    let key = answer.microsoft(microsoft::MPPE_RECV_KEY).unwrap();
    assert_eq!(request.reveal_salted(key), Some(vec![2; 32]));
    assert_eq!(answer.microsoft(microsoft::MPPE_SEND_KEY), None);

    let (request, answer) = ask(real, "tunnel");
    let value = answer.first(attribute::TUNNEL_PASSWORD).unwrap();
    assert_eq!(value[0], 3, "the tag");
    let clear = request.reveal_salted(&value[1..]).unwrap();
    assert_eq!(clear, b"tunnel secret, longer than a block");
}

#[test]
fn an_accept_that_fits_no_answer_is_a_reject_that_says_so() {
    let duo = FakeDuo::start(Pki::shared());
    // As much as its own answer holds: there is no room for the text of ours.
    let full = ScriptedUpstream::start(|_| {
        let class = |said: Said, octets| said.with(attribute::CLASS, &vec![b'c'; octets]);
        Some(class(
            (0..15).fold(Said::accept(), |said, _| class(said, 253)),
            220,
        ))
    });
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}pass_through_all=true\n{}client=radius_client\n",
        upstreams("radius_client", &[full.address()]),
        server("radius_server_auto", port, &duo),
    ));
    let nas = Nas::new(ports::loopback(port), SECRET);
    let answer = nas.exchange(&nas.access("alice", "pw"), LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_REJECT, "{}", gateway.output());
    let event = gateway.event_of("alice", 1);
    assert_eq!(event["reason"], "internal", "{event:#}");
    assert!(!answer.message().is_empty());
    assert_eq!(event["reply_message"], answer.message(), "{event:#}");
}
