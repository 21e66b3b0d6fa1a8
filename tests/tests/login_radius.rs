//! radclient → countersign → FreeRADIUS → second factor.
#![cfg(test)]

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use e2e::{
    clock,
    clock::wait_until,
    config::{MAIN, pair, radius_client, server, upstreams},
    countersign::Countersign,
    nas::attribute,
    peers::{
        BlackHoleUdp, FakeDuo, FreeRadius, Kind, Pki, Radclient, SECRET, Said, ScriptedUpstream,
        fakeduo::{Endpoint, Outcome, Preauth, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(10);
const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";
const WRONG: &str = "Wrong user name or password.";
const IN: &str = "Success. Logging you in...";

fn login(port: u16, user: &str, password: &str) -> Radclient {
    Radclient::login(ports::loopback(port), SECRET, user, password).patience(1, LONG)
}

/// The parameters of the last request to `/auth/v2/auth` for a user.
fn last_auth(duo: &FakeDuo, user: &str) -> Option<BTreeMap<String, String>> {
    let mut asked = duo.requests();
    asked.retain(|one| one.endpoint == Endpoint::Auth && one.user.as_deref() == Some(user));
    asked.pop().map(|one| one.params)
}

#[test]
fn each_password_and_each_decision_has_its_answer() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    for (user, outcome) in [
        ("bob", Outcome::Deny),
        ("carol", Outcome::Fraud),
        ("dave", Outcome::TimeOut),
        ("erin", Outcome::LockedOut),
    ] {
        duo.user(user, User::who(outcome));
    }
    let said = |preauth| User::default().preauth(preauth);
    duo.user(
        "frank",
        said(Preauth::Allow("Bypassed by policy".to_owned())),
    );
    duo.user(
        "grace",
        said(Preauth::Deny("Your account is locked".to_owned())),
    );
    let portal = "https://portal.example.com/enroll?code=0123456789";
    duo.user("heidi", said(Preauth::Enroll(portal.to_owned())));
    duo.user("ivan", User::default().devices(Vec::new()));
    duo.user(
        "judy",
        User::default().devices(vec![User::token("DHTOKEN")]),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}client=radius_client\nfailmode=secure\n",
        radius_client("radius_client", &radius),
        server("radius_server_auto", port, &duo),
    ));

    let long = "0123456789abcdef0123456789abcdef0123456789abcdef";
    let enroll = format!("Enroll an authentication device to proceed {portal}");
    let no_codes = "Invalid passcode, please try again.";
    // User, password, answer, its text, the event's reason, the factor that was asked for.
    let table = [
        ("alice", "pw-alice", ACCEPT, IN, "approved", "auto"),
        (
            "alice",
            "pw-alice,123456",
            ACCEPT,
            IN,
            "approved",
            "passcode",
        ),
        (
            "alice",
            "pw-alice,000000",
            REJECT,
            no_codes,
            "denied",
            "passcode",
        ),
        ("alice", "pw-alice,push", ACCEPT, IN, "approved", "push"),
        ("alice", "pw-alice, PUSH1 ", ACCEPT, IN, "approved", "push"),
        ("alice", "pw-alice,phone", ACCEPT, IN, "approved", "phone"),
        (
            "alice",
            "pw-alice,sms",
            REJECT,
            "New SMS passcodes sent.",
            "passcodes_sent",
            "sms",
        ),
        (
            "alice",
            "pw-alice,push2",
            REJECT,
            "You have no 'push2'.",
            "no_usable_factor",
            "",
        ),
        ("bob", "nope", REJECT, WRONG, "primary_rejected", ""),
        (
            "bob",
            "pw-bob",
            REJECT,
            "Login request denied.",
            "denied",
            "auto",
        ),
        ("bob", "nope,123456", REJECT, WRONG, "primary_rejected", ""),
        (
            "carol",
            "pw-carol",
            REJECT,
            "Login request reported as fraudulent.",
            "fraud",
            "auto",
        ),
        (
            "dave",
            "pw-dave",
            REJECT,
            "Authentication timed out.",
            "timed_out",
            "auto",
        ),
        (
            "erin",
            "pw-erin",
            REJECT,
            "Your account is locked out.",
            "locked_out",
            "auto",
        ),
        (
            "frank",
            "pw-frank",
            ACCEPT,
            "Bypassed by policy",
            "bypassed",
            "",
        ),
        (
            "grace",
            "pw-grace",
            REJECT,
            "Your account is locked",
            "second_factor_refused",
            "",
        ),
        ("heidi", "pw-heidi", REJECT, &enroll, "not_enrolled", ""),
        (
            "ivan",
            "pw-ivan",
            REJECT,
            "None of your devices can be used",
            "no_usable_factor",
            "",
        ),
        (
            "judy",
            "pw-judy",
            REJECT,
            "then ',', then a passcode.",
            "no_usable_factor",
            "",
        ),
        ("judy", "pw-judy,123456", ACCEPT, IN, "approved", "passcode"),
        // The last delimiter splits; what fails is tried again whole.
        ("comma", "pw,with,commas", ACCEPT, IN, "approved", "auto"),
        (
            "comma",
            "pw,with,commas,123456",
            ACCEPT,
            IN,
            "approved",
            "passcode",
        ),
        ("longpw", long, ACCEPT, IN, "approved", "auto"),
        ("unicode", "pässwörd-€", ACCEPT, IN, "approved", "auto"),
        (
            "unicode",
            "pässwörd-€,phone1",
            ACCEPT,
            IN,
            "approved",
            "phone",
        ),
        ("nobody", "pw-nobody", REJECT, WRONG, "primary_rejected", ""),
        (
            "bob",
            // radclient leaves an empty password out.
            "",
            REJECT,
            "The request has no password.",
            "bad_request",
            "",
        ),
        (
            "refused",
            "x",
            REJECT,
            "Account closed",
            "primary_rejected",
            "",
        ),
    ];
    let mut counts = HashMap::new();
    for (user, password, code, text, reason, factor) in table {
        let name = format!("{user} {password}");
        let before = duo.count(Endpoint::Auth);
        let reply = login(port, user, password).send();
        assert!(reply.is(code), "{name}: {reply:?}\n{}", gateway.output());
        let message = reply.all("Reply-Message").concat();
        assert!(message.contains(text), "{name}: {message}");
        let count = counts.entry(user).or_insert(0);
        *count += 1;
        let event = gateway.event_of(user, *count);
        assert_eq!(event["reason"], reason, "{name}: {event:#}");
        // A link to enrol is for the user alone.
        let told = match message.contains("://") {
            true => "(the text and the link of an enrolment, which are not kept)",
            false => message.as_str(),
        };
        assert_eq!(event["reply_message"], told, "{name}");
        let asked = duo.count(Endpoint::Auth) - before;
        assert_eq!(asked, usize::from(!factor.is_empty()), "{name}");
        if asked == 1 {
            let params = last_auth(&duo, user).unwrap();
            assert_eq!(params["factor"], factor, "{name}: {params:?}");
        }
    }
    assert_eq!(duo.violations(), Vec::<String>::new());
    // The primary comes first: nobody learns anything of a user without the password.
    let asked_about = |user: &str| {
        duo.requests()
            .iter()
            .any(|one| one.user.as_deref() == Some(user))
    };
    for user in ["nobody", "refused"] {
        assert!(!asked_about(user), "{user}");
    }
    let output = gateway.output();
    for secret in ["pw-alice", SECRET, FakeDuo::SKEY, "123456"] {
        assert!(
            !output.contains(secret),
            "{secret} in the output:\n{output}"
        );
    }
}

#[test]
fn a_push_that_nobody_answers_ends_at_api_timeout() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    duo.user("alice", User::who(Outcome::Wait));
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}client=radius_client\napi_timeout=2\nfailmode=safe\n",
        radius_client("radius_client", &radius),
        server("radius_server_auto", port, &duo),
    ));
    let begun = clock::now();
    let reply = login(port, "alice", "pw-alice").send();
    let elapsed = begun.elapsed();
    assert!(reply.is(REJECT), "{reply:?}\n{}", gateway.output());
    assert_eq!(
        reply.all("Reply-Message"),
        ["Nobody answered in time. Please log in again."]
    );
    let (least, most) = (Duration::from_secs(2), Duration::from_secs(4));
    assert!(elapsed >= least && elapsed < most, "{elapsed:?}");
    assert_eq!(gateway.event_of("alice", 1)["reason"], "timed_out");
    assert_eq!(duo.pushes("alice"), 1);
}

#[test]
fn upstreams_that_die_are_passed_over_and_come_back() {
    let duo = FakeDuo::start(Pki::shared());
    let mut radius = FreeRadius::start(Kind::Plain);
    let [dead_first, alone, silent] = std::array::from_fn(|_| ports::free_udp());
    let (dead, hole) = (ports::dead(), ScriptedUpstream::start(|_| None));
    let good = radius.address;
    let section = |number: &str, port| {
        let (name, client) = (
            format!("radius_server_auto{number}"),
            format!("radius_client{number}"),
        );
        format!(
            "{}client={client}\nfailmode=safe\n",
            server(&name, port, &duo)
        )
    };
    let upstream = |number: &str, retries: u32, hosts: &[SocketAddr]| {
        let mut text =
            format!("[radius_client{number}]\nsecret={SECRET}\nretries={retries}\nretry_wait=1\n");
        for (number, host) in ["", "_2", "_3"].iter().zip(hosts) {
            text += &format!("host{number}={}\nport{number}={}\n", host.ip(), host.port());
        }
        text
    };
    let mut gateway = Countersign::run(&format!(
        "{MAIN}{}{}{}{}{}{}",
        upstream("", 2, &[dead, hole.address(), good]),
        upstream("2", 0, &[good]),
        upstream("3", 1, &[hole.address()]),
        section("", dead_first),
        section("2", alone),
        section("3", silent),
    ));
    let reply = login(dead_first, "bob", "pw-bob").send();
    assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
    let away = "Your password cannot be checked now. Please try again later.";
    let before = duo.requests().len();
    let reply = login(silent, "u01", "pw-u01").send();
    assert!(
        reply.is(REJECT),
        "failmode is for the second factor alone: {reply:?}"
    );
    assert_eq!(reply.all("Reply-Message"), [away]);
    assert_eq!(gateway.event_of("u01", 1)["reason"], "primary_unavailable");
    assert_eq!(hole.count("u01"), 2, "asked, and asked again");
    radius.kill();
    let reply = login(alone, "u02", "pw-u02").send();
    assert!(reply.is(REJECT), "{reply:?}\n{}", gateway.output());
    assert_eq!(gateway.event_of("u02", 1)["reason"], "primary_unavailable");
    assert_eq!(
        duo.requests().len(),
        before,
        "nobody is asked without a password"
    );
    radius.restart();
    let reply = login(alone, "u02", "pw-u02").send();
    assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
    assert!(gateway.stop().success());
}

#[test]
fn the_record_of_a_login_has_every_stage_in_order() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}client=radius_client\nfailmode=secure\n",
        radius_client("radius_client", &radius),
        server("radius_server_auto", port, &duo),
    ));
    let upstream = format!("accepted: by {}", radius.address);
    let push = "auth: phone (XXX-XXX-0100) (push, phone, sms)";
    let before: &[&str] = &["packet", "client", "primary"];
    let after: &[&str] = &["preauth", "factor", "answer"];
    for (user, password, stages, details) in [
        (
            "alice",
            "pw-alice",
            [before, after].concat(),
            vec![upstream.as_str(), push, "allow: Success"],
        ),
        (
            "bob",
            "nope",
            [before, &["answer"]].concat(),
            vec!["rejected (primary_rejected)"],
        ),
    ] {
        let request = login(port, user, password).text("Calling-Station-Id", "192.0.2.5");
        assert!(
            request.send() != e2e::peers::Reply::None,
            "{}",
            gateway.output()
        );
        let event = gateway.event_of(user, 1);
        let timeline = event["timeline"].as_array().unwrap();
        let mut got: Vec<&str> = timeline
            .iter()
            .map(|step| step["stage"].as_str().unwrap())
            .collect();
        got.dedup();
        assert_eq!(got, stages, "{event:#}");
        let text = event.to_string();
        for detail in details {
            assert!(text.contains(detail), "{detail}: {event:#}");
        }
        assert_eq!(event["calling_station"], "192.0.2.5", "{event:#}");
        assert_eq!(event["ikey"], FakeDuo::IKEY);
        assert!(
            !text.contains(password) && !text.contains(SECRET),
            "{event:#}"
        );
    }
}

/// A server section with an upstream of its own, at this address.
fn section(number: u32, port: u16, duo: &FakeDuo, host: SocketAddr, options: &str) -> String {
    pair(number, port, duo, "radius_client", |name| {
        upstreams(name, &[host]) + options
    })
}

#[test]
fn answers_that_are_not_signed_are_taken_and_said_or_refused() {
    let duo = FakeDuo::start(Pki::shared());
    let unsigned = ScriptedUpstream::start(|_| Some(Said::accept().unsigned()));
    let signed = ScriptedUpstream::start(|_| Some(Said::accept()));
    let [taken, refused, good] = std::array::from_fn(|_| ports::free_udp());
    let strict = "force_message_authenticator=true\nretries=0\nretry_wait=1\n";
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}{}",
        section(1, taken, &duo, unsigned.address(), ""),
        section(2, refused, &duo, unsigned.address(), strict),
        section(3, good, &duo, signed.address(), strict),
    ));
    let counted = |authenticator: &str, host: SocketAddr| {
        gateway.metric(&format!(
            r#"countersign_primary_unsigned_answers_total{{authenticator="{authenticator}",host="{host}"}}"#
        ))
    };
    for user in ["alice", "bob", "carol"] {
        let reply = login(taken, user, "any").send();
        assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
        assert!(
            login(good, user, "any").send().is(ACCEPT),
            "{}",
            gateway.output()
        );
    }
    assert_eq!(counted("radius_client", unsigned.address()), 3.0);
    assert_eq!(counted("radius_client3", signed.address()), 0.0);
    let warnings = || -> Vec<String> {
        let output = gateway.output();
        let is_warning =
            |line: &&str| line.contains(" WARN ") && line.contains("without Message-Authenticator");
        output
            .lines()
            .filter(is_warning)
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(warnings().len(), 1, "once for a host: {:?}", warnings());
    assert!(
        warnings()[0].contains(&unsigned.address().to_string()),
        "{:?}",
        warnings()
    );

    let reply = login(refused, "dave", "any").send();
    assert!(reply.is(REJECT), "{reply:?}\n{}", gateway.output());
    let event = gateway.event_of("dave", 1);
    assert_eq!(event["reason"], "primary_unavailable", "{event:#}");
    let text = event["timeline"].to_string();
    assert!(text.contains("Message-Authenticator"), "{event:#}");
    assert!(text.contains("force_message_authenticator"), "{event:#}");
    assert_eq!(
        counted("radius_client2", unsigned.address()),
        0.0,
        "it counts what is accepted"
    );
}

#[test]
fn an_upstream_that_says_nothing_leaves_a_word_on_what_to_check() {
    let duo = FakeDuo::start(Pki::shared());
    let hole = BlackHoleUdp::start();
    let closed = ports::dead();
    // Its answers are signed with the secret of all peers.
    let other = ScriptedUpstream::start(|_| Some(Said::accept()));
    let [silent, dead, secret] = std::array::from_fn(|_| ports::free_udp());
    let quick = "retries=0\nretry_wait=1\n";
    let elsewhere = section(3, secret, &duo, other.address(), quick).replacen(
        &format!("secret={SECRET}"),
        "secret=not-that-secret",
        1,
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}{elsewhere}",
        section(1, silent, &duo, hole.address(), quick),
        section(2, dead, &duo, closed, quick),
    ));
    for (name, port, user, host, words) in [
        (
            "silent",
            silent,
            "alice",
            hole.address(),
            &["127.0.0.1", "client", "secret", "port", "NPS"][..],
        ),
        ("closed", dead, "bob", closed, &["port is closed"]),
        (
            "another secret",
            secret,
            "carol",
            other.address(),
            &["not signed with this secret"],
        ),
    ] {
        let reply = login(port, user, "any").send();
        assert!(reply.is(REJECT), "{name}: {reply:?}\n{}", gateway.output());
        let event = gateway.event_of(user, 1);
        assert_eq!(event["reason"], "primary_unavailable", "{name}: {event:#}");
        let text = event["timeline"].to_string();
        assert!(text.contains(&host.to_string()), "{name}: {event:#}");
        for word in words {
            assert!(text.contains(word), "{name}: {word}: {event:#}");
        }
        assert!(!text.contains("not-that-secret"), "{name}: {event:#}");
        let what = words.last().unwrap();
        wait_until("the log says what to check", LONG, || {
            let log = gateway.output();
            let line = log
                .lines()
                .find(|line| line.contains(&format!("user=\"{user}\"")));
            line.is_some_and(|line| line.contains("primary=") && line.contains(what))
        });
    }
    assert_eq!(duo.requests().len(), 0);
}

#[test]
fn an_upstream_is_found_by_its_name_and_by_its_ipv6_address() {
    let duo = FakeDuo::start(Pki::shared());
    let here = ScriptedUpstream::start(|_| Some(Said::accept()));
    let six = ScriptedUpstream::start_at(Ipv6Addr::LOCALHOST.into(), |_| Some(Said::accept()));
    let ports: [u16; 2] = std::array::from_fn(|_| ports::free_udp());
    let nas_ip = "nas_ip=192.0.2.9\n";
    let by_name = section(1, ports[0], &duo, here.address(), nas_ip).replacen(
        "host=127.0.0.1",
        "host=localhost",
        1,
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{by_name}{}",
        section(2, ports[1], &duo, six.address(), nas_ip),
    ));
    for (name, port, upstream) in [("localhost", ports[0], &here), ("[::1]", ports[1], &six)] {
        let reply = login(port, "alice", "any").send();
        assert!(reply.is(ACCEPT), "{name}: {reply:?}\n{}", gateway.output());
        let asked = upstream.requests().pop().unwrap();
        let nas_ip = asked.first(attribute::NAS_IP_ADDRESS);
        assert_eq!(nas_ip, Some(&[192, 0, 2, 9][..]), "{name}");
        assert!(
            asked.first(attribute::MESSAGE_AUTHENTICATOR).is_some(),
            "{name}"
        );
    }
}
