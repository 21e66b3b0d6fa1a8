//! Device → countersign → Active Directory (Samba) → second factor: NTLM and simple binds on every
//! transport, names, the states of accounts, groups of each kind.
#![cfg(test)]

use std::collections::HashMap;

use e2e::{
    config::{MAIN, pair, samba_client},
    countersign::Countersign,
    nas::{code::ACCESS_ACCEPT, code::ACCESS_REJECT, login},
    peers::{
        FakeDuo, Pki, Relay, Samba, Signing,
        fakeduo::{Endpoint, Outcome, User},
    },
    ports,
};

const WRONG: &str = "Wrong user name or password.";
const SETTING: &str = "Your password cannot be checked: a setting is wrong.";
const IN: &str = "Success. Logging you in...";
const STARTTLS: &str = "transport=starttls\n";
const LDAPS: &str = "transport=ldaps\n";

/// A server section with an `[ad_client]` of its own for this directory, with further options.
fn section(number: u32, port: u16, duo: &FakeDuo, samba: &Samba, options: &str) -> String {
    pair(number, port, duo, "ad_client", |name| {
        samba_client(name, samba) + options
    })
}

/// The same with simple binds, for which the service account needs a name that such a bind takes.
fn plain(number: u32, port: u16, duo: &FakeDuo, samba: &Samba, options: &str) -> String {
    let (short, full) = (
        format!("username={}\n", Samba::SERVICE),
        format!("username={}\n", Samba::SERVICE_UPN),
    );
    section(number, port, duo, samba, options)
        .replace(&short, &full)
        .replace("search_dn", "auth_type=plain\nsearch_dn")
}

/// How often a login of a section ended so.
fn reasons(gateway: &Countersign, section: &str, reason: &str) -> f64 {
    gateway.metric(&format!(
        r#"countersign_login_reasons_total{{integration="{section}",reason="{reason}"}}"#
    ))
}

#[test]
fn each_kind_of_bind_on_each_transport_gives_the_same_answers() {
    let (duo, samba) = (FakeDuo::start(Pki::shared()), Samba::shared());
    duo.user("bob", User::who(Outcome::Deny));
    let [default, start, ldaps, plain_start, plain_ldaps] =
        std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}{}{}{}",
        // Neither auth_type nor transport nor port: what most files have. NTLM, sealed, on 389.
        section(1, default, &duo, samba, ""),
        section(2, start, &duo, samba, STARTTLS),
        section(3, ldaps, &duo, samba, LDAPS),
        plain(4, plain_start, &duo, samba, STARTTLS),
        plain(5, plain_ldaps, &duo, samba, LDAPS),
    ));
    for (bind, port) in [
        ("NTLM, sealed", default),
        ("NTLM, StartTLS", start),
        ("NTLM, LDAPS", ldaps),
        ("simple, StartTLS", plain_start),
        ("simple, LDAPS", plain_ldaps),
    ] {
        for (user, password, code, text) in [
            ("alice", "pw-alice", ACCESS_ACCEPT, IN),
            ("alice", "nope", ACCESS_REJECT, WRONG),
            // A refused bind leaves the next one as good as ever.
            ("alice", "pw-alice", ACCESS_ACCEPT, IN),
            ("ALICE", "pw-alice", ACCESS_ACCEPT, IN),
            ("alice", "PW-ALICE", ACCESS_REJECT, WRONG),
            ("alice", "pw-alice,123456", ACCESS_ACCEPT, IN),
            (
                "alice",
                "pw-alice,000000",
                ACCESS_REJECT,
                "Invalid passcode",
            ),
            ("bob", "pw-bob", ACCESS_REJECT, "Login request denied."),
            ("ADTEST\\carol", "pw-carol", ACCESS_ACCEPT, IN),
            ("ADTEST\\carol", "nope", ACCESS_REJECT, WRONG),
            ("carol@ad.example.test", "pw-carol", ACCESS_ACCEPT, IN),
            ("first.last@corp.example", "pw-upn1", ACCESS_ACCEPT, IN),
            ("first.last@corp.example", "nope", ACCESS_REJECT, WRONG),
            ("upn1", "pw-upn1", ACCESS_ACCEPT, IN),
            ("upn1@ad.example.test", "pw-upn1", ACCESS_REJECT, WRONG),
            ("nobody", "pw-nobody", ACCESS_REJECT, WRONG),
            ("jürgen", "pässwörd-€", ACCESS_ACCEPT, IN),
            ("jürgen", "password-", ACCESS_REJECT, WRONG),
            ("o'hara (x) #1", "pw-odd", ACCESS_ACCEPT, IN),
            ("ohara", "pw-ohara", ACCESS_ACCEPT, IN),
            ("hash", "pw-hash", ACCESS_ACCEPT, IN),
            ("comma", "pw,with,commas", ACCESS_ACCEPT, IN),
            ("comma", "pw,with,commas,push", ACCESS_ACCEPT, IN),
            ("*", "pw-alice", ACCESS_REJECT, WRONG),
            ("alice)(sAMAccountName=*", "pw-alice", ACCESS_REJECT, WRONG),
        ] {
            let name = format!("{bind}: {user} {password}");
            let answer = login(port, user, password);
            assert_eq!(
                answer.code,
                code,
                "{name}: {}\n{}",
                answer.message(),
                gateway.output()
            );
            assert!(
                answer.message().contains(text),
                "{name}: {}",
                answer.message()
            );
        }
    }
    assert_eq!(duo.violations(), Vec::<String>::new());
    // The second factor hears the name as it was typed.
    let asked = duo.requests();
    for user in [
        "ADTEST\\carol",
        "first.last@corp.example",
        "o'hara (x) #1",
        "jürgen",
    ] {
        let of_user = |one: &&e2e::peers::fakeduo::Request| one.user.as_deref() == Some(user);
        assert!(asked.iter().filter(of_user).count() >= 5, "{user}");
    }
    let output = gateway.output();
    for secret in ["pw-alice", "pw-carol", Samba::SERVICE_PASSWORD, "pässwörd"] {
        assert!(
            !output.contains(secret),
            "{secret} in the output:\n{output}"
        );
    }
}

#[test]
fn the_state_of_an_account_is_said_in_the_answer_the_event_and_the_metric() {
    let (duo, samba) = (FakeDuo::start(Pki::shared()), Samba::shared());
    let ports: [u16; 3] = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}{}",
        section(1, ports[0], &duo, samba, ""),
        section(2, ports[1], &duo, samba, LDAPS),
        plain(3, ports[2], &duo, samba, LDAPS),
    ));
    let lapsed = "Your password has expired. Change it, then log in again.";
    let change = "You have to change your password before you can log in.";
    let mut counts = HashMap::new();
    for (port, integration) in ports.into_iter().zip([
        "radius_server_auto",
        "radius_server_auto2",
        "radius_server_auto3",
    ]) {
        for (user, password, text, reason) in [
            ("alice", "nope", WRONG, "wrong_password"),
            (
                "disabled",
                "pw-disabled",
                "Your account is disabled.",
                "account_disabled",
            ),
            // Only who knows the password learns more.
            ("disabled", "nope", WRONG, "wrong_password"),
            (
                "expired",
                "pw-expired",
                "Your account has expired.",
                "account_expired",
            ),
            (
                "mustchange",
                "pw-mustchange",
                change,
                "password_must_change",
            ),
            ("pwexpired", "pw-pwexpired", lapsed, "password_expired"),
            (
                "locked",
                "pw-locked",
                "Your account is locked.",
                "account_locked",
            ),
            ("nobody", "pw-nobody", WRONG, "unknown_user"),
        ] {
            let name = format!("{integration}: {user} {password}");
            let before = reasons(&gateway, integration, reason);
            let answer = login(port, user, password);
            assert_eq!(answer.code, ACCESS_REJECT, "{name}\n{}", gateway.output());
            assert_eq!(answer.message(), text, "{name}");
            let count = counts.entry(user).or_insert(0);
            *count += 1;
            let event = gateway.event_of(user, *count);
            assert_eq!(event["reason"], reason, "{name}: {event:#}");
            assert_eq!(event["integration"], integration, "{name}: {event:#}");
            assert_eq!(
                reasons(&gateway, integration, reason),
                before + 1.0,
                "{name}"
            );
        }
        // An appended factor is not tried as a part of the password of an account that is barred.
        let answer = login(port, "mustchange", "pw-mustchange,push");
        assert_eq!(answer.message(), change, "{integration}");
        *counts.entry("mustchange").or_insert(0) += 1;
    }
    assert_eq!(
        duo.requests().len(),
        0,
        "nobody is asked about the second factor"
    );
    // Wrong passwords of other people have locked nobody out.
    assert_eq!(samba.bind("alice", "pw-alice"), Ok(()));
}

#[test]
fn groups_of_each_kind_let_in_their_members() {
    let (duo, samba) = (FakeDuo::start(Pki::shared()), Samba::shared());
    let group = |name: &str| format!("CN={name},OU=groups,{}", Samba::BASE);
    let nested = "nested_groups=true\n";
    let in_chain = "ldap_filter=(memberOf:1.2.840.113556.1.4.1941:=";
    let rules = [
        ("direct", format!("security_group_dn={}\n", Samba::GROUP)),
        (
            "primary",
            format!("security_group_dn={}\n", group("PrimaryVPN")),
        ),
        ("inner", format!("security_group_dn={}\n", group("Inner"))),
        ("outer", format!("security_group_dn={}\n", group("Outer"))),
        (
            "outer, nested",
            format!("security_group_dn={}\n{nested}", group("Outer")),
        ),
        (
            "middle, nested",
            format!("security_group_dn={}\n{nested}", group("Middle")),
        ),
        (
            "direct, nested",
            format!("security_group_dn={}\n{nested}", Samba::GROUP),
        ),
        (
            "primary, nested",
            format!("security_group_dn={}\n{nested}", group("PrimaryVPN")),
        ),
        (
            "several",
            format!(
                "security_group_dn={}\nsecurity_group_dn_2={}\nsecurity_group_dn_3={}\n",
                group("PrimaryVPN"),
                group("Inner"),
                Samba::GROUP
            ),
        ),
        ("mail", format!("security_group_dn={}\n", group("MailList"))),
        ("odd", format!("security_group_dn={}\n", Samba::ODD_GROUP)),
        (
            "odd, nested",
            format!("security_group_dn={}\n{nested}", Samba::ODD_GROUP),
        ),
        ("filter", format!("{in_chain}{})\n", group("Outer"))),
        ("no group", format!("security_group_dn={}\n", group("None"))),
    ];
    let ports: HashMap<_, _> = rules
        .iter()
        .map(|(name, _)| (*name, ports::free_udp()))
        .collect();
    let mut config = MAIN.to_owned();
    for (number, (name, rule)) in (1..).zip(&rules) {
        // Sealed and LDAPS in turn.
        let transport = if number % 2 == 0 { LDAPS } else { "" };
        config += &section(
            number,
            ports[name],
            &duo,
            samba,
            &format!("{transport}{rule}"),
        );
    }
    let gateway = Countersign::run(&config);
    let mut counts = HashMap::new();
    for (rule, members, others) in [
        (
            "direct",
            vec!["alice", "ohara", "hash", "o'hara (x) #1", "jürgen"],
            vec!["dave", "primary", "nested"],
        ),
        ("primary", vec!["primary"], vec!["alice", "dave"]),
        ("inner", vec!["nested"], vec!["alice"]),
        ("outer", vec![], vec!["nested", "alice"]),
        (
            "outer, nested",
            vec!["nested"],
            vec!["alice", "dave", "primary"],
        ),
        ("middle, nested", vec!["nested"], vec!["alice"]),
        (
            "direct, nested",
            vec!["alice", "ohara", "hash", "jürgen"],
            vec!["nested", "dave"],
        ),
        ("primary, nested", vec!["primary"], vec!["alice"]),
        (
            "several",
            vec!["primary", "nested", "alice"],
            vec!["dave", "mailer"],
        ),
        ("mail", vec!["mailer"], vec!["alice"]),
        ("odd", vec!["staff"], vec!["alice"]),
        ("odd, nested", vec!["staff"], vec!["alice"]),
        ("filter", vec!["nested"], vec!["alice"]),
    ] {
        let everybody = members
            .iter()
            .map(|user| (user, true))
            .chain(others.iter().map(|user| (user, false)));
        for (user, is_member) in everybody {
            let name = format!("{rule}: {user}");
            let password = if *user == "jürgen" {
                "pässwörd-€".to_owned()
            } else if user.contains(' ') {
                "pw-odd".to_owned()
            } else {
                format!("pw-{user}")
            };
            let answer = login(ports[rule], user, &password);
            let count = counts.entry(*user).or_insert(0);
            *count += 1;
            let event = gateway.event_of(user, *count);
            let (code, text, reason) = if is_member {
                (ACCESS_ACCEPT, IN, "approved")
            } else {
                (ACCESS_REJECT, WRONG, "not_permitted")
            };
            assert_eq!(answer.code, code, "{name}: {event:#}");
            assert_eq!(answer.message(), text, "{name}");
            assert_eq!(event["reason"], reason, "{name}: {event:#}");
        }
    }
    let answer = login(ports["no group"], "twin1", "pw-twin1");
    assert!(
        answer.message().starts_with(SETTING),
        "{}",
        answer.message()
    );
    let event = gateway.event_of("twin1", 1);
    assert_eq!(event["reason"], "primary_misconfigured", "{event:#}");
    assert!(event.to_string().contains("CN=None"), "{event:#}");
}

#[test]
fn a_name_of_two_people_is_refused_and_said_so() {
    let (duo, samba, port) = (
        FakeDuo::start(Pki::shared()),
        Samba::shared(),
        ports::free_udp(),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        section(1, port, &duo, samba, "at_attribute=mail\n"),
    ));
    let answer = login(port, "twin@example.com", "pw-twin1");
    assert_eq!(
        (answer.code, answer.message().as_str()),
        (ACCESS_REJECT, WRONG)
    );
    let event = gateway.event_of("twin@example.com", 1);
    assert_eq!(event["reason"], "ambiguous_user", "{event:#}");
    assert_eq!(duo.requests().len(), 0);
    let answer = login(port, "carol@example.com", "pw-carol");
    assert_eq!(answer.code, ACCESS_ACCEPT, "{}", gateway.output());
}

#[test]
fn ntlm_puts_no_password_on_the_wire_and_seals_what_follows() {
    let (duo, samba, port) = (
        FakeDuo::start(Pki::shared()),
        Samba::shared(),
        ports::free_udp(),
    );
    let relay = Relay::start((samba.address, 389).into());
    let group = format!("security_group_dn={}\n", Samba::GROUP);
    let (host, there) = (
        format!("host={}\n", samba.address),
        format!("host=127.0.0.1\nport={}\n", relay.address().port()),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        section(1, port, &duo, samba, &group).replace(&host, &there),
    ));
    for (user, password, code) in [
        ("alice", "pw-alice", ACCESS_ACCEPT),
        ("carol", "not-her-password", ACCESS_REJECT),
        ("disabled", "pw-disabled", ACCESS_REJECT),
        ("dave", "pw-dave", ACCESS_REJECT),
    ] {
        let answer = login(port, user, password);
        assert_eq!(
            answer.code,
            code,
            "{user}: {}\n{}",
            answer.message(),
            gateway.output()
        );
        let utf16: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!relay.saw(password.as_bytes()), "{user}");
        assert!(!relay.saw(&utf16), "{user}");
    }
    assert!(relay.saw(b"NTLMSSP\0"), "it was this relay that was asked");
    for what in [
        Samba::SERVICE_PASSWORD,
        // The search: its filter, and the entry that was found.
        "sAMAccountName",
        "CN=Alice Example",
        "CN=VPNUsers",
    ] {
        assert!(!relay.saw(what.as_bytes()), "{what}");
    }
}

#[test]
fn a_directory_that_wants_it_otherwise_has_the_remedy_in_the_event() {
    let (duo, samba) = (FakeDuo::start(Pki::shared()), Samba::start(Signing::Always));
    let [sealed, ldaps, clear, by_dn] = std::array::from_fn(|_| ports::free_udp());
    let service = format!("username={}\n", Samba::SERVICE);
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}{}{}",
        section(1, sealed, &duo, &samba, ""),
        section(2, ldaps, &duo, &samba, LDAPS),
        plain(3, clear, &duo, &samba, "transport=clear\n"),
        // The file is served, with a warning.
        section(4, by_dn, &duo, &samba, "").replace(&service, "username=CN=service,DC=example\n"),
    ));
    let answer = login(sealed, "alice", "pw-alice");
    assert_eq!(answer.code, ACCESS_ACCEPT, "{}", gateway.output());
    // This directory takes no NTLM within TLS.
    for (name, port, user, remedies) in [
        ("NTLM within TLS", ldaps, "bob", &["auth_type=plain"][..]),
        (
            "a password in the clear",
            clear,
            "carol",
            &["starttls", "ldaps"],
        ),
        (
            "NTLM by a distinguished name",
            by_dn,
            "dave",
            &["service_account_username", "name@domain"],
        ),
    ] {
        let answer = login(port, user, &format!("pw-{user}"));
        assert_eq!(answer.code, ACCESS_REJECT, "{name}");
        assert!(
            answer.message().starts_with(SETTING),
            "{name}: {}",
            answer.message()
        );
        let event = gateway.event_of(user, 1);
        assert_eq!(
            event["reason"], "primary_misconfigured",
            "{name}: {event:#}"
        );
        let text = event["timeline"].to_string();
        for remedy in remedies {
            assert!(text.contains(remedy), "{name}: {event:#}");
        }
    }
    assert_eq!(duo.count(Endpoint::Auth), 1);
}

#[test]
fn a_directory_that_restarts_is_found_again_by_the_next_login() {
    let (duo, mut samba, port) = (
        FakeDuo::start(Pki::shared()),
        Samba::start(Signing::WithoutTls),
        ports::free_udp(),
    );
    let gateway = Countersign::run(&format!("{MAIN}{}", section(1, port, &duo, &samba, "")));
    assert_eq!(login(port, "alice", "pw-alice").code, ACCESS_ACCEPT);
    // Its pooled, sealed connections are dead, which nobody has noticed yet.
    samba.restart();
    assert_eq!(
        login(port, "alice", "pw-alice").code,
        ACCESS_ACCEPT,
        "{}",
        gateway.output()
    );
    samba.kill();
    let answer = login(port, "carol", "pw-carol");
    assert_eq!(answer.code, ACCESS_REJECT);
    assert_eq!(
        gateway.event_of("carol", 1)["reason"],
        "primary_unavailable"
    );
    samba.restart();
    assert_eq!(
        login(port, "carol", "pw-carol").code,
        ACCESS_ACCEPT,
        "{}",
        gateway.output()
    );
}
