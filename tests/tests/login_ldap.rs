//! radclient → countersign → slapd (plain, StartTLS, LDAPS, dead first host) → second factor.
#![cfg(test)]

use std::{collections::HashMap, net::TcpListener, time::Duration};

use e2e::{
    config::{MAIN, ad_client, server},
    countersign::Countersign,
    peers::{
        FakeDuo, Pki, Radclient, Relay, SECRET, Slapd,
        fakeduo::{Endpoint, Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(15);
const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";
const WRONG: &str = "Wrong user name or password.";
const AWAY: &str = "Your password cannot be checked now. Please try again later.";
const IN: &str = "Success. Logging you in...";
/// Nobody listens there: slapd has 127.0.0.1 alone.
const REFUSES: &str = "127.0.0.2";
/// The test listens there and never answers.
const HANGS: &str = "127.0.0.3";

fn login(port: u16, user: &str, password: &str) -> Radclient {
    Radclient::login(ports::loopback(port), SECRET, user, password).patience(1, LONG)
}

/// A server section with a client section of its own, both with this number.
fn pair(number: &str, port: u16, duo: &FakeDuo, options: &str) -> String {
    format!(
        "{}timeout=2\n{options}{}client=ad_client{number}\nfailmode=secure\n",
        ad_client(&format!("ad_client{number}")),
        server(&format!("radius_server_auto{number}"), port, duo),
    )
}

#[test]
fn each_transport_and_each_host_gives_the_same_answers() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    duo.user("bob", User::who(Outcome::Deny));
    let (plain, tls) = (slapd.port, slapd.tls_port);
    let _hanging = TcpListener::bind((HANGS, tls)).unwrap();
    let with_tls = |hosts: &str, port| format!("{hosts}port={port}\nssl_ca_certs_file=ca.pem\n");
    let here = "host=127.0.0.1\n";
    let named = "host=localhost\n";
    let transports = [
        ("plain", format!("{here}port={plain}\ntransport=clear\n")),
        ("StartTLS", with_tls(named, plain) + "transport=starttls\n"),
        ("LDAPS", with_tls(here, tls) + "transport=ldaps\n"),
        (
            "first host refuses",
            with_tls(&format!("host={REFUSES}\nhost_2=127.0.0.1\n"), tls) + "transport=ldaps\n",
        ),
        (
            "first host hangs",
            with_tls(&format!("host={HANGS}\nhost_2=127.0.0.1\n"), tls) + "transport=ldaps\n",
        ),
    ]
    .map(|(name, options)| (name, options, ports::free_udp()));
    let mut config = MAIN.to_owned();
    for (number, (_, options, port)) in (1..).zip(&transports) {
        let number = if number == 1 {
            String::new()
        } else {
            format!("{number}")
        };
        config += &pair(&number, *port, &duo, options);
    }
    let gateway = Countersign::run(&config);
    for (transport, _, port) in &transports {
        for (user, password, code, text) in [
            ("alice", "pw-alice", ACCEPT, IN),
            ("alice", "nope", REJECT, WRONG),
            ("alice", "pw-alice,123456", ACCEPT, IN),
            ("alice", "pw-alice,000000", REJECT, "Invalid passcode"),
            ("bob", "pw-bob", REJECT, "Login request denied."),
            ("comma", "pw,with,commas", ACCEPT, IN),
            ("comma", "pw,with,commas,push", ACCEPT, IN),
            ("nobody", "pw-nobody", REJECT, WRONG),
        ] {
            let name = format!("{transport}: {user} {password}");
            let reply = login(*port, user, password).send();
            assert!(reply.is(code), "{name}: {reply:?}\n{}", gateway.output());
            let message = reply.all("Reply-Message").concat();
            assert!(message.contains(text), "{name}: {message}");
        }
    }
    assert_eq!(duo.violations(), Vec::<String>::new());
}

#[test]
fn names_groups_and_accounts_are_judged_by_the_directory() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let here = format!(
        "host=127.0.0.1\nport={}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\n",
        slapd.tls_port
    );
    let group = format!("security_group_dn={}\n", Slapd::GROUP);
    let outer_group = "security_group_dn=cn=Outer,ou=groups,dc=example,dc=com\n";
    let nested = format!("{outer_group}nested_groups=true\n");
    let two = format!("{group}security_group_dn_2=cn=Inner,ou=groups,dc=example,dc=com\n");
    let missing = "security_group_dn=cn=None,ou=groups,dc=example,dc=com\n";
    let [
        any,
        member,
        filtered,
        outer,
        either,
        no_group,
        nest,
        no_service,
    ] = std::array::from_fn(|_| ports::free_udp());
    let mut config = MAIN.to_owned();
    for (number, port, options) in [
        ("", any, here.clone()),
        ("2", member, here.clone() + &group),
        (
            "3",
            filtered,
            here.clone() + "ldap_filter=(|(uid=alice)(uid=u04))\n",
        ),
        ("4", outer, here.clone() + outer_group),
        ("5", either, here.clone() + &two),
        ("6", no_group, here.clone() + missing),
        ("8", nest, here.clone() + &nested),
    ] {
        config += &pair(number, port, &duo, &options);
    }
    config +=
        &pair("7", no_service, &duo, &here).replace(Slapd::SERVICE_PASSWORD, "not-the-password");
    let gateway = Countersign::run(&config);

    let mut counts = HashMap::new();
    let setting = "Your password cannot be checked: a setting is wrong.";
    // Port, user, password, answer, its text, the event's reason.
    for (count, (port, user, password, code, text, reason)) in [
        (any, "O'Hara(x)*y", "pw-OHaraxy", ACCEPT, IN, "approved"),
        (any, "*", "pw-alice", REJECT, WRONG, "unknown_user"),
        (any, "ali*", "pw-alice", REJECT, WRONG, "unknown_user"),
        (
            any,
            "alice)(uid=*",
            "pw-alice",
            REJECT,
            WRONG,
            "unknown_user",
        ),
        (any, "EXAMPLE\\carol", "pw-carol", ACCEPT, IN, "approved"),
        (any, "dave@example.com", "pw-dave", ACCEPT, IN, "approved"),
        (
            any,
            "dave@elsewhere.com",
            "pw-dave",
            REJECT,
            WRONG,
            "unknown_user",
        ),
        (
            any,
            "locked",
            "pw-locked",
            REJECT,
            // By the password policy's control; the bind's answer says no more than that it failed.
            "Your account is locked.",
            "account_locked",
        ),
        (any, "u04", "pw-u04", ACCEPT, IN, "approved"),
        (member, "erin", "pw-erin", ACCEPT, IN, "approved"),
        (member, "u03", "pw-u03", REJECT, WRONG, "not_permitted"),
        (filtered, "alice", "pw-alice", ACCEPT, IN, "approved"),
        (
            filtered,
            "frank",
            "pw-frank",
            REJECT,
            WRONG,
            "not_permitted",
        ),
        // Members of a group in the group are none of its own.
        (outer, "u03", "pw-u03", REJECT, WRONG, "not_permitted"),
        (outer, "grace", "pw-grace", REJECT, WRONG, "not_permitted"),
        // With nested_groups the gateway walks from group to group.
        (nest, "u03", "pw-u03", ACCEPT, IN, "approved"),
        (nest, "grace", "pw-grace", REJECT, WRONG, "not_permitted"),
        (either, "u03", "pw-u03", ACCEPT, IN, "approved"),
        (either, "heidi", "pw-heidi", ACCEPT, IN, "approved"),
        (either, "u04", "pw-u04", REJECT, WRONG, "not_permitted"),
        (
            no_group,
            "ivan",
            "pw-ivan",
            REJECT,
            setting,
            "primary_misconfigured",
        ),
        (
            no_service,
            "judy",
            "pw-judy",
            REJECT,
            setting,
            "primary_misconfigured",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{count}: {user} {password}");
        let before = duo.requests().len();
        let reply = login(port, user, password).send();
        assert!(reply.is(code), "{name}: {reply:?}\n{}", gateway.output());
        let message = reply.all("Reply-Message").concat();
        assert!(message.contains(text), "{name}: {message}");
        let seen = counts.entry(user).or_insert(0);
        *seen += 1;
        let event = gateway.event_of(user, *seen);
        assert_eq!(event["reason"], reason, "{name}: {event:#}");
        let asked = duo.requests().split_off(before);
        assert_eq!(asked.is_empty(), code == REJECT, "{name}: {asked:?}");
        // The second factor is asked about the name exactly as it was typed.
        for one in asked.iter().filter(|one| one.endpoint == Endpoint::Preauth) {
            assert_eq!(one.user.as_deref(), Some(user), "{name}");
        }
    }
}

#[test]
fn a_directory_that_cannot_be_trusted_or_reached_lets_nobody_in() {
    let duo = FakeDuo::start(Pki::shared());
    let mut slapd = Slapd::start(Pki::shared());
    let (plain, tls) = (slapd.port, slapd.tls_port);
    let [rogue, start_rogue, misnamed, unnamed, good] = std::array::from_fn(|_| ports::free_udp());
    let by_name = "host=127.0.0.9\n";
    let mut config = MAIN.to_owned();
    for (number, port, options) in [
        (
            "",
            rogue,
            format!(
                "host=127.0.0.1\nport={tls}\ntransport=ldaps\nssl_ca_certs_file=rogue-ca.pem\n"
            ),
        ),
        (
            "2",
            start_rogue,
            format!(
                "host=127.0.0.1\nport={plain}\ntransport=starttls\nssl_ca_certs_file=rogue-ca.pem\n"
            ),
        ),
        (
            "3",
            misnamed,
            format!("{by_name}port={tls}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\n"),
        ),
        (
            "4",
            unnamed,
            format!(
                "host=127.0.0.1\nport={tls}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\nssl_verify_hostname=false\n"
            ),
        ),
        (
            "5",
            good,
            format!("host=127.0.0.1\nport={tls}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\n"),
        ),
    ] {
        config += &pair(number, port, &duo, &options).replace("failmode=secure", "failmode=safe");
    }
    let gateway = Countersign::run(&config);
    for (name, port, user) in [
        ("another authority", rogue, "u01"),
        ("another authority behind StartTLS", start_rogue, "u02"),
        ("nobody there", misnamed, "u05"),
    ] {
        let reply = login(port, user, &format!("pw-{user}")).send();
        assert!(reply.is(REJECT), "{name}: {reply:?}\n{}", gateway.output());
        let event = gateway.event_of(user, 1);
        let reason = event["reason"].as_str().unwrap();
        assert!(reason.starts_with("primary_"), "{name}: {event:#}");
    }
    for port in [unnamed, good] {
        let reply = login(port, "alice", "pw-alice").send();
        assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
    }

    // Pooled connections die with it; the next login after its return succeeds.
    let before = duo.requests().len();
    slapd.kill();
    let reply = login(good, "u06", "pw-u06").send();
    assert_eq!(
        reply.all("Reply-Message"),
        [AWAY],
        "{reply:?}\n{}",
        gateway.output()
    );
    assert_eq!(gateway.event_of("u06", 1)["reason"], "primary_unavailable");
    assert_eq!(duo.requests().len(), before);
    slapd.restart();
    let reply = login(good, "u06", "pw-u06").send();
    assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
    // A restart that no login noticed: only the pooled connections are dead.
    slapd.restart();
    let reply = login(good, "u07", "pw-u07").send();
    assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
}

#[test]
fn a_faulty_certificate_is_explained_with_what_it_says() {
    let (duo, pki) = (FakeDuo::start(Pki::shared()), Pki::shared());
    let [expired, rogue, other_name] = [&pki.expired, &pki.rogue, &pki.other_name]
        .map(|identity| Slapd::start_with(pki, identity));
    let mut sections = Vec::new();
    for (fault, slapd, words) in [
        // Each certificate but the last is for this name, which no option here has.
        ("expired", &expired, &["expired", "localhost"][..]),
        ("unknown CA", &rogue, &["ssl_ca_certs_file", "localhost"]),
        (
            "other name",
            &other_name,
            &["elsewhere.invalid", "ssl_verify_hostname"],
        ),
    ] {
        for (transport, directory_port) in [("ldaps", slapd.tls_port), ("starttls", slapd.port)] {
            let options = format!(
                "host=127.0.0.1\nport={directory_port}\nssl_ca_certs_file=ca.pem\ntransport={transport}\n"
            );
            sections.push((fault, transport, words, options, ports::free_udp()));
        }
    }
    let mut config = MAIN.to_owned();
    for (number, (_, _, _, options, port)) in (1..).zip(&sections) {
        let number = if number == 1 {
            String::new()
        } else {
            format!("{number}")
        };
        config += &pair(&number, *port, &duo, options);
    }
    let gateway = Countersign::run(&config);
    for (count, (fault, transport, words, _, port)) in (1..).zip(&sections) {
        let name = format!("{fault}, {transport}");
        let reply = login(*port, "alice", "pw-alice").send();
        assert!(reply.is(REJECT), "{name}: {reply:?}\n{}", gateway.output());
        let event = gateway.event_of("alice", count);
        assert_eq!(
            event["reason"], "primary_misconfigured",
            "{name}: {event:#}"
        );
        let text = event["timeline"].to_string();
        for word in *words {
            assert!(text.contains(word), "{name}: {word}: {event:#}");
        }
    }
    assert_eq!(duo.requests().len(), 0);
}

#[test]
fn a_directory_without_ntlm_is_said_to_have_none_and_hears_no_password() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let relay = Relay::start((slapd.address, slapd.port).into());
    let port = ports::free_udp();
    // A file that names no auth_type, as it was written for Active Directory.
    let options = format!(
        "host=127.0.0.1\nport={}\ntransport=clear\n",
        relay.address().port()
    );
    let config = format!("{MAIN}{}", pair("", port, &duo, &options))
        .replace("auth_type=plain\n", "")
        .replace(Slapd::SERVICE_DN, "service");
    let gateway = Countersign::run(&config);
    let reply = login(port, "alice", "pw-alice").send();
    assert!(reply.is(REJECT), "{reply:?}\n{}", gateway.output());
    let event = gateway.event_of("alice", 1);
    assert_eq!(event["reason"], "primary_misconfigured", "{event:#}");
    let text = event["timeline"].to_string();
    assert!(text.contains("auth_type=plain"), "{event:#}");
    assert!(relay.accepted() > 0, "it was asked");
    for password in [Slapd::SERVICE_PASSWORD, "pw-alice"] {
        assert!(!relay.saw(password.as_bytes()), "{password}");
    }
}

#[test]
fn no_verdict_is_kept() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let port = ports::free_udp();
    let options = format!(
        "host=127.0.0.1\nport={}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\n",
        slapd.tls_port
    );
    let gateway = Countersign::run(&format!("{MAIN}{}", pair("", port, &duo, &options)));
    let mut password = "pw-alice".to_owned();
    for new in ["second-pw", "third-pw"] {
        let reply = login(port, "alice", &password).send();
        assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
        let reply = login(port, "alice", new).send();
        assert!(reply.is(REJECT), "{new}: {reply:?}");
        let changed = slapd.tool(
            "ldappasswd",
            &[
                "-x",
                "-H",
                &slapd.tls_url(),
                "-D",
                &Slapd::dn("alice"),
                "-w",
                &password,
                "-s",
                new,
            ],
        );
        assert_eq!(changed.0, 0, "{}", changed.1);
        let reply = login(port, "alice", &password).send();
        assert!(reply.is(REJECT), "{password}: {reply:?}");
        new.clone_into(&mut password);
    }
    let reply = login(port, "alice", &password).send();
    assert!(reply.is(ACCEPT), "{reply:?}\n{}", gateway.output());
}
