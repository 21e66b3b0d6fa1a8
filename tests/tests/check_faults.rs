//! `countersign check --config`: each fault of each peer by its name, and no other row.
#![cfg(test)]

use std::net::UdpSocket;

use e2e::{
    checks::{Lab, WRONG_PASSWORD, WRONG_SECRET, WRONG_SKEY},
    clock::{ahead, unix_seconds},
    config::{MAIN, samba_client, server},
    peers::{
        BlackHoleUdp, FakeDuo, FreeRadius, Kind, Pki, SECRET, Samba, Slapd,
        fakeduo::{Endpoint, Fault, Offer, Place},
    },
    ports,
};

#[test]
fn each_fault_is_named_and_nothing_else() {
    let lab = Lab::start();
    let text = lab.config();
    let (dead, hole) = (ports::dead(), BlackHoleUdp::start());
    let taken = UdpSocket::bind(ports::loopback(lab.ports[0])).unwrap();
    let soon = Pki::shared().server_until(unix_seconds() + 10 * 24 * 60 * 60);
    lab.add("soon", &soon);
    let slapd = |port: u16| format!("port={port}\ntransport=ldaps");
    let ldaps = slapd(lab.slapd.tls_port);
    let upstream = format!("port={}\nretries", lab.radius.address.port());
    let free = format!("port={}\n", ports::free_udp());
    let listens = format!("port={}\n", lab.ports[0]);
    let me = std::process::id().to_string();
    // Name, what is written in place of what, and what is not good then: what, result, words.
    #[expect(clippy::type_complexity, reason = "a table")]
    let table: Vec<(&str, [(String, String); 1], &[(&str, &str, &[&str])])> = vec![
        (
            "second factor down",
            [(
                lab.duo.host().to_owned(),
                format!("localhost:{}", dead.port()),
            )],
            &[(
                "second_factor",
                "failed",
                &["Connection refused", "firewall"],
            )],
        ),
        (
            "another CA at the second factor",
            [(
                "http_ca_certs_file=ca.pem".to_owned(),
                "http_ca_certs_file=rogue-ca.pem".to_owned(),
            )],
            &[(
                "second_factor",
                "failed",
                &["signed by a CA that is not trusted", "http_ca_certs_file"],
            )],
        ),
        (
            "another skey",
            [(FakeDuo::SKEY.to_owned(), WRONG_SKEY.to_owned())],
            &[(
                "second_factor_keys",
                "failed",
                &["401", "40103", "ikey, skey"],
            )],
        ),
        (
            "directory down",
            [(ldaps.clone(), slapd(dead.port()))],
            &[("directory", "failed", &["Connection refused", "check host"])],
        ),
        (
            "no TLS on the port",
            [(ldaps.clone(), slapd(lab.slapd.port))],
            &[("directory", "failed", &["TLS", "check"])],
        ),
        (
            "another CA at the directory",
            [(
                "ssl_ca_certs_file=ca.pem".to_owned(),
                "ssl_ca_certs_file=rogue-ca.pem".to_owned(),
            )],
            &[(
                "directory",
                "failed",
                &["'CN=Test CA'", "ssl_ca_certs_file"],
            )],
        ),
        (
            "another password of the service account",
            [(
                Slapd::SERVICE_PASSWORD.to_owned(),
                WRONG_PASSWORD.to_owned(),
            )],
            &[(
                "service_account",
                "failed",
                &["refused by simple bind", "service_account_password"],
            )],
        ),
        (
            "no such group",
            [(
                Slapd::GROUP.to_owned(),
                "cn=Nobody,dc=example,dc=com".to_owned(),
            )],
            &[(
                "group",
                "failed",
                &["'cn=Nobody,dc=example,dc=com' does not exist"],
            )],
        ),
        (
            "no such base",
            [(
                format!("search_dn={}", Slapd::BASE),
                "search_dn=ou=nowhere,dc=example,dc=com".to_owned(),
            )],
            &[("search_base", "failed", &["does not exist", "search_dn"])],
        ),
        (
            "an attribute that nobody has",
            [(
                "username_attribute=uid".to_owned(),
                "username_attribute=uidNumber".to_owned(),
            )],
            &[(
                "users",
                "warning",
                &["no entries with uidNumber", "ldap_filter"],
            )],
        ),
        (
            "upstream silent",
            [(
                upstream.clone(),
                format!("port={}\nretries", hole.address().port()),
            )],
            &[("upstream", "warning", &["no proof", "127.0.0.1"])],
        ),
        (
            "another secret at the upstream",
            [(
                format!("[radius_client]\nsecret={SECRET}"),
                format!("[radius_client]\nsecret={WRONG_SECRET}"),
            )],
            &[("upstream", "warning", &["no proof", "same secret"])],
        ),
        (
            "upstream down",
            [(upstream.clone(), format!("port={}\nretries", dead.port()))],
            &[("upstream", "failed", &["the port is closed"])],
        ),
        (
            "expired",
            [(
                "chain.pem\npkey=chain.key".to_owned(),
                "expired.pem\npkey=expired.key".to_owned(),
            )],
            &[
                ("file", "warning", &["has expired on 2021-01-01"]),
                (
                    "eap_certificate",
                    "failed",
                    &["has expired, on 2021-01-01", "certs"],
                ),
            ],
        ),
        (
            "expires soon",
            [(
                "chain.pem\npkey=chain.key".to_owned(),
                "soon.pem\npkey=soon.key".to_owned(),
            )],
            &[
                ("file", "warning", &["expires on"]),
                ("eap_certificate", "warning", &["good until", "days left"]),
            ],
        ),
    ];
    for (name, [(from, to)], wants) in table {
        assert!(text.contains(&from), "{name}: {from}");
        let text = text.replace(&from, &to).replace(&listens, &free);
        let checked = lab.check(&text);
        let bad = checked.bad();
        let shown: Vec<_> = bad
            .iter()
            .map(|(what, result, _)| (*what, *result))
            .collect();
        let wanted: Vec<_> = wants
            .iter()
            .map(|(what, result, _)| (*what, *result))
            .collect();
        // A certificate that stands alone may be warned of in more than one way.
        if name.starts_with("expire") {
            let is_wanted = |what: &str| wanted.iter().any(|(other, _)| *other == what);
            assert!(
                wanted.iter().all(|one| shown.contains(one))
                    && shown.iter().all(|(what, _)| is_wanted(what)),
                "{name}: {checked:#?}"
            );
        } else {
            assert_eq!(shown, wanted, "{name}: {checked:#?}");
        }
        for (what, result, words) in wants {
            for word in *words {
                let is_said = |(w, r, text): &(&str, &str, String)| {
                    w == what && r == result && text.contains(word)
                };
                assert!(bad.iter().any(is_said), "{name}: {word}: {checked:#?}");
            }
        }
        let failed = wanted.iter().any(|(_, result)| *result == "failed");
        assert_eq!(checked.code, Some(i32::from(failed)), "{name}");
    }
    let held = lab.check(&text);
    let bad = held.bad();
    assert_eq!(bad.len(), 1, "{held:#?}");
    let (what, result, said) = &bad[0];
    assert_eq!((*what, *result), ("port", "failed"));
    assert!(said.contains(&format!("(process {me})")), "{said}");
    assert_eq!(held.code, Some(1));
    drop(taken);
    assert!(hole.received() > 0);

    lab.slapd.pause();
    let hangs = lab.check(&text);
    lab.slapd.resume();
    let bad = hangs.bad();
    assert_eq!(bad.len(), 1, "{hangs:#?}");
    assert_eq!((bad[0].0, bad[0].1), ("directory", "failed"));
    assert!(bad[0].2.contains("no TLS handshake in time"), "{bad:?}");

    lab.duo.fail(Place::at(Endpoint::Ping), Fault::Status(503));
    let broken = lab.check(&text);
    lab.duo.heal();
    let bad = broken.bad();
    assert_eq!(bad.len(), 1, "{broken:#?}");
    assert!(bad[0].2.contains("it answers 503"), "{bad:?}");
}

#[test]
fn a_wrong_clock_is_said_and_holds_nothing_up() {
    let lab = Lab::start();
    let checked = lab.check_with(&lab.config(), &ahead(600));
    let bad = checked.bad();
    assert_eq!(bad.len(), 1, "{checked:#?}");
    let (what, result, said) = &bad[0];
    assert_eq!((*what, *result), ("clock", "warning"));
    let word = |seconds: u64| said.contains(&format!("{seconds} s ahead of the service's"));
    assert!((595..=605).any(word), "{said}");
    assert!(said.contains("NTP"), "{said}");
    assert_eq!(checked.row("second_factor_keys")["result"], "good");
    assert_eq!(checked.code, Some(0));
}

#[test]
fn certificates_of_servers_are_looked_at() {
    let pki = Pki::shared();
    let soon = pki.server_until(unix_seconds() + 10 * 24 * 60 * 60);
    let radius = || FreeRadius::start(Kind::Plain);
    let lab = Lab::of(
        FakeDuo::start_with(pki, &soon, Offer::Both),
        Slapd::start_with(pki, &soon),
        radius(),
    );
    let checked = lab.check(&lab.config());
    let bad = checked.bad();
    let kinds: Vec<_> = bad
        .iter()
        .map(|(what, result, _)| (*what, *result))
        .collect();
    let want = ["second_factor_certificate", "directory_certificate"];
    assert_eq!(kinds, want.map(|what| (what, "warning")), "{checked:#?}");
    assert!(
        bad.iter().all(|(.., said)| said.contains("days left")),
        "{bad:?}"
    );
    assert_eq!(checked.code, Some(0));

    let lab = Lab::of(
        FakeDuo::start_with(pki, &pki.expired, Offer::Both),
        Slapd::start_with(pki, &pki.other_name),
        radius(),
    );
    let checked = lab.check(&lab.config());
    let bad = checked.bad();
    let kinds: Vec<_> = bad
        .iter()
        .map(|(what, result, _)| (*what, *result))
        .collect();
    let want = ["second_factor", "directory"].map(|what| (what, "failed"));
    assert_eq!(kinds, want, "{checked:#?}");
    assert!(bad[0].2.contains("has expired"), "{bad:?}");
    assert!(bad[1].2.contains("elsewhere.invalid"), "{bad:?}");
    assert_eq!(checked.code, Some(1));
}

#[test]
fn a_refused_service_account_is_shown_to_one_host_only() {
    let lab = Lab::start();
    let two = lab
        .config()
        .replace(Slapd::SERVICE_PASSWORD, WRONG_PASSWORD)
        .replacen(
            "host=127.0.0.1\nport",
            "host=127.0.0.1\nhost_2=localhost\nport",
            1,
        );
    let checked = lab.check(&two);
    let mut results: Vec<_> = checked
        .bad()
        .into_iter()
        .map(|(what, result, said)| (what, result, said.contains("not tried, since")))
        .collect();
    results.sort_unstable();
    assert_eq!(
        results,
        [
            ("service_account", "failed", false),
            ("service_account", "warning", true)
        ],
        "{checked:#?}"
    );
}

#[test]
fn an_active_directory_is_tried_by_the_bind_that_logins_make() {
    let lab = Lab::start();
    let samba = Samba::shared();
    let group = format!("security_group_dn={}\n", Samba::GROUP);
    let section = |number: u32, more: &str| {
        let number = if number == 1 {
            String::new()
        } else {
            number.to_string()
        };
        let client = format!("ad_client{number}");
        format!(
            "{}{group}{more}{}client={client}\nfailmode=secure\n",
            samba_client(&client, samba),
            server(
                &format!("radius_server_auto{number}"),
                ports::free_udp(),
                &lab.duo
            ),
        )
    };
    let text = format!(
        "{MAIN}{}{}{}",
        // Without TLS nothing is done with a bundle, which is a warning.
        section(1, "").replace("ssl_ca_certs_file=ca.pem\n", ""),
        section(2, "transport=starttls\n"),
        section(3, "transport=ldaps\n"),
    );
    let checked = lab.check(&text);
    checked.all_good();
    let count = |what: &str| checked.kinds().iter().filter(|one| **one == what).count();
    let counts = [
        "directory",
        "directory_certificate",
        "service_account",
        "users",
    ]
    .map(count);
    assert_eq!(counts, [3, 2, 3, 3], "{checked:#?}");

    let wrong = text.replace(Samba::SERVICE_PASSWORD, WRONG_PASSWORD);
    let checked = lab.check(&wrong);
    let mut results: Vec<_> = checked.bad().into_iter().map(|(w, r, _)| (w, r)).collect();
    results.sort_unstable();
    let account = "service_account";
    let want = [
        (account, "failed"),
        (account, "warning"),
        (account, "warning"),
    ];
    assert_eq!(results, want, "{checked:#?}");
    let refused = checked
        .bad()
        .into_iter()
        .find(|(_, result, _)| *result == "failed");
    let (.., said) = refused.unwrap();
    assert!(said.contains("by NTLM as 'service'"), "{said}");
}
