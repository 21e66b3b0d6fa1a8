//! What no file can hold, what must be sealed for it, and what a file leaves out.

use proto::config::{
    AttributeRef, AttributeType, CipherSuite, FactorChoice, PassThrough, Prompt, TlsVersion,
};

use super::super::export::{ExportError, Style, export};
use super::eap::eap;
use super::export::{comes_back, import_again, pinned};
use super::severity::{DIRECTORY, SECOND, file};
use super::*;
use crate::seal::Key;

/// A directory, an upstream and an integration in mode `auto`.
fn base() -> raw::Snapshot {
    let text = file("", "", "client=radius_client", DIRECTORY);
    run(&text).imported.unwrap().resolve(1, pinned)
}

fn eap_base() -> raw::Snapshot {
    run(&eap("")).imported.unwrap().resolve(1, pinned)
}

fn refused(snapshot: &raw::Snapshot, style: Style<'_>) -> Vec<(String, String)> {
    match export(snapshot, &Dictionary::builtin(), style) {
        Err(ExportError::NotCarried(faults)) => {
            let faults = faults.0.into_iter();
            faults.map(|one| (one.path, one.message)).collect()
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => Vec::new(),
    }
}

fn upstream(snapshot: &mut raw::Snapshot) -> &mut raw::RadiusUpstream {
    match &mut snapshot.authenticators[0].kind {
        raw::AuthenticatorKind::Radius(upstream) => upstream,
        other => panic!("{other:?}"),
    }
}

fn directory(snapshot: &mut raw::Snapshot) -> &mut raw::Directory {
    match &mut snapshot.authenticators[1].kind {
        raw::AuthenticatorKind::Ad(directory) => directory,
        other => panic!("{other:?}"),
    }
}

fn attribute(name: &str, number: u8) -> AttributeRef {
    AttributeRef {
        name: name.to_owned(),
        vendor: None,
        number,
        data_type: AttributeType::Octets,
    }
}

const BREAK: &str = "a value with a line break or another control character cannot be written";
const BLANKS: &str = "a value with blanks at its beginning or end cannot be written";
const OTHERWISE: &str = "an authproxy.cfg cannot say this, or says it in other words";

type Change = fn(&mut raw::Snapshot);

#[test]
fn what_no_file_can_hold_is_refused_with_its_path() {
    let of_base: &[(&str, Change, &str, &str)] = &[
        (
            "a line break",
            |s| s.integrations[0].exempt_users = vec!["ok".into(), "a\n[main]".into()],
            "integrations[0].exempt_users[1]",
            BREAK,
        ),
        (
            "a carriage return at the end",
            |s| directory(s).search_dn = "DC=x\r".into(),
            "authenticators[1].search_dn",
            BREAK,
        ),
        (
            "a NUL",
            |s| directory(s).ntlm_domain = "a\0b".into(),
            "authenticators[1].ntlm_domain",
            BREAK,
        ),
        (
            "the C1 line break",
            |s| directory(s).ntlm_workstation = "a\u{85}b".into(),
            "authenticators[1].ntlm_workstation",
            BREAK,
        ),
        (
            "a blank at the beginning",
            |s| directory(s).service_account_username = " lookup".into(),
            "authenticators[1].service_account_username",
            BLANKS,
        ),
        (
            "a tab at the end",
            |s| directory(s).security_groups = vec!["CN=x".into(), "CN=y\t".into()],
            "authenticators[1].security_groups[1]",
            BLANKS,
        ),
        (
            "a no-break space at the end",
            |s| s.integrations[0].append.delimiter = ",\u{a0}".into(),
            "integrations[0].append.delimiter",
            BLANKS,
        ),
        (
            "blanks around an address",
            |s| s.integrations[0].clients[0].address = " 10.0.0.1".into(),
            "integrations[0].clients[0].address",
            BLANKS,
        ),
        (
            "an empty group",
            |s| directory(s).security_groups = vec![String::new()],
            "authenticators[1].security_groups[0]",
            "the value is empty; write a distinguished name",
        ),
        (
            "an empty name to bind with",
            |s| directory(s).bind_dn = Some(String::new()),
            "authenticators[1].bind_dn",
            "the value is empty",
        ),
        (
            "directory servers on two ports",
            |s| {
                let hosts = &mut directory(s).hosts;
                hosts.push(hosts[0].clone());
                hosts[1].port = 3268;
            },
            "authenticators[1].hosts[1].port",
            OTHERWISE,
        ),
        (
            "a filter without parentheses",
            |s| directory(s).ldap_filter = Some("a=b".into()),
            "authenticators[1].ldap_filter",
            OTHERWISE,
        ),
        (
            "a filter that cannot be read",
            |s| directory(s).ldap_filter = Some("(a=b".into()),
            "authenticators[1].ldap_filter",
            "the filter cannot be read",
        ),
        (
            "trust roots where there is no TLS",
            |s| directory(s).ca_certs = Some(include_str!("server.pem").into()),
            "authenticators[1].ca_certs",
            OTHERWISE,
        ),
        (
            "trust roots that are none",
            |s| s.settings.http_ca_certs = Some("none".into()),
            "settings.http_ca_certs",
            "'main.http_ca_certs.pem' holds no usable certificates",
        ),
        (
            "an address in brackets",
            |s| upstream(s).hosts[0].name = "[::1]".into(),
            "authenticators[0].hosts[0].name",
            OTHERWISE,
        ),
        (
            "a host with its port",
            |s| upstream(s).hosts[0].name = "radius:1812".into(),
            "authenticators[0].hosts[0].name",
            "'radius:1812' is no host name or address",
        ),
        (
            "an IPv4 address as one of IPv6",
            |s| s.integrations[0].listen = Some("::ffff:10.0.0.1".parse().unwrap()),
            "integrations[0].listen",
            OTHERWISE,
        ),
        (
            "a limit beyond the option's",
            |s| s.integrations[0].api_timeout_seconds = 3601,
            "integrations[0].api_timeout_seconds",
            "'3601' is out of range",
        ),
        (
            "one factor twice",
            |s| s.integrations[0].factors = vec![FactorChoice::Push, FactorChoice::Push],
            "integrations[0].factors",
            OTHERWISE,
        ),
        (
            "certificates in another mode than eap",
            |s| s.integrations[0].eap = eap_base().integrations.remove(0).eap,
            "integrations[0].eap",
            OTHERWISE,
        ),
        (
            "an authenticator where nobody checks",
            |s| {
                s.integrations[0].mode = Mode::DuoOnly;
                s.integrations[0].append.allow = false;
            },
            "integrations[0].authenticator",
            OTHERWISE,
        ),
        (
            "a password that is never split in mode concat",
            |s| {
                s.integrations[0].mode = Mode::Concat;
                s.integrations[0].append.allow = false;
            },
            "integrations[0].append.allow",
            OTHERWISE,
        ),
        (
            "attributes for no upstream",
            |s| {
                s.integrations[0].authenticator = Some("ad_client".into());
                s.integrations[0].pass_through.all = true;
            },
            "integrations[0].pass_through.all",
            OTHERWISE,
        ),
        (
            "two attributes of one name",
            |s| {
                upstream(s).pass_through = PassThrough {
                    all: false,
                    attributes: vec![attribute("Own", 200), attribute("own", 201)],
                };
            },
            "authenticators[0].pass_through.attributes",
            "another attribute has this name, in whatever case",
        ),
        (
            "an attribute's name that writes a definition of its own",
            |s| {
                let name = "Own 1 octets # ATTRIBUTE Own";
                s.integrations[0].client_ip_attribute = Some(attribute(name, 200));
            },
            "integrations[0].client_ip_attribute",
            "a dictionary holds no name with blanks or a '#'",
        ),
        (
            "an attribute's name with a comma in a list",
            |s| upstream(s).pass_through.attributes = vec![attribute("a,b", 200)],
            "authenticators[0].pass_through.attributes",
            "a list holds no name with a comma",
        ),
        (
            "an attribute of no number",
            |s| s.integrations[0].client_ip_attribute = Some(attribute("Own", 0)),
            "integrations[0].client_ip_attribute",
            "the attribute 'Own' has no plain place in a packet",
        ),
        (
            "a host that is no name",
            |s| s.integrations[0].application.host = "é.example".into(),
            "integrations[0].application.host",
            "'é.example' is no host name",
        ),
        (
            "one more than the file holds",
            |s| s.integrations[0].exempt_users = vec!["x".repeat(4 << 20)],
            "authenticators[0]",
            "the file has ",
        ),
        (
            "nothing to serve",
            |s| s.integrations.clear(),
            "authenticators[0]",
            "there is no server section",
        ),
        (
            "what cannot be served at all",
            |s| s.integrations[0].port = 0,
            "integrations[0].port",
            "a UDP port is 1 to 65535",
        ),
    ];
    let of_eap: &[(&str, Change, &str, &str)] = &[
        (
            "suites of TLS 1.2 before those of 1.3",
            |s| {
                let suites = vec![
                    CipherSuite::EcdheEcdsaAes128GcmSha256,
                    CipherSuite::Aes128GcmSha256,
                ];
                s.integrations[0].eap.as_mut().unwrap().cipher_suites = suites;
            },
            "integrations[0].eap.cipher_suites",
            OTHERWISE,
        ),
        (
            "suites of a version that is not offered",
            |s| {
                let eap = s.integrations[0].eap.as_mut().unwrap();
                eap.minimum_tls = TlsVersion::Tls13;
                eap.cipher_suites = vec![
                    CipherSuite::Aes128GcmSha256,
                    CipherSuite::EcdheEcdsaAes128GcmSha256,
                ];
            },
            "integrations[0].eap.cipher_suites",
            OTHERWISE,
        ),
        (
            "another key's certificate",
            |s| {
                let eap = s.integrations[0].eap.as_mut().unwrap();
                eap.private_key = Secret::from(include_str!("other.key"));
            },
            "integrations[0].eap.private_key",
            "the private key does not belong to the certificate",
        ),
    ];
    for (start, rows) in [(base(), of_base), (eap_base(), of_eap)] {
        comes_back(&start);
        for (claim, change, path, message) in rows {
            let mut snapshot = start.clone();
            change(&mut snapshot);
            for style in [
                Style::Clear,
                Style::Shown,
                Style::Sealed(&Key::new([1; 32])),
            ] {
                let found = refused(&snapshot, style);
                assert_eq!(found.len(), 1, "{claim}: {found:?}");
                assert_eq!(found[0].0, *path, "{claim}: {found:?}");
                assert!(found[0].1.starts_with(message), "{claim}: {found:?}");
            }
        }
    }
}

#[test]
fn secrets_that_no_line_can_hold_are_sealed_or_refused() {
    let rows: &[(&str, Change, &str)] = &[
        (
            "skey",
            |s| s.integrations[0].application.skey = Secret::from("hunter2\n"),
            "integrations[0].application.skey",
        ),
        (
            "a client's",
            |s| s.integrations[0].clients[0].secret = Secret::from(" hunter2"),
            "integrations[0].clients[0].secret",
        ),
        (
            "an upstream's",
            |s| upstream(s).secret = Secret::from("hunter2\u{7f}"),
            "authenticators[0].secret",
        ),
        (
            "a service account's",
            |s| directory(s).service_account_password = Secret::from("\u{3000}"),
            "authenticators[1].service_account_password",
        ),
    ];
    for (claim, change, path) in rows {
        let mut snapshot = base();
        change(&mut snapshot);
        comes_back(&snapshot);
        assert_eq!(refused(&snapshot, Style::Shown), [], "{claim}");
        let found = refused(&snapshot, Style::Clear);
        assert_eq!(found.len(), 1, "{claim}");
        assert_eq!(found[0].0, *path, "{claim}");
        assert!(
            found[0].1.ends_with("; sealed it can be written"),
            "{claim}"
        );
        assert!(!found[0].1.contains("hunter2"), "{claim}");
    }
}

#[test]
fn secrets_that_make_the_file_too_large_are_refused() {
    let mut snapshot = base();
    snapshot.integrations[0].application.skey = Secret::new("x".repeat(7 << 19));
    assert_eq!(refused(&snapshot, Style::Clear), []);
    assert_eq!(refused(&snapshot, Style::Shown), []);
    let found = refused(&snapshot, Style::Sealed(&Key::new([1; 32])));
    assert_eq!(found.len(), 1);
    assert!(found[0].1.starts_with("the file would have "), "{found:?}");
}

#[test]
fn odd_values_come_back() {
    for value in [
        ";",
        "#",
        "# a",
        "; b",
        "%",
        "%(x)s",
        "=",
        "a=b",
        "\"",
        "'quoted'",
        "[main]",
        "\\",
        "\\n",
        "a\tb",
        "a  b",
        "é\u{2028}ß",
        "\u{feff}a",
        "日本語",
        "-----BEGIN",
        "sealed:AAAA",
        "${x}",
        &"x".repeat(100_000),
    ] {
        let mut snapshot = base();
        snapshot.integrations[0].exempt_users = vec![value.to_owned(), "b".to_owned()];
        snapshot.integrations[0].application.skey = Secret::from(value);
        snapshot.integrations[0].clients[0].secret = Secret::from(value);
        upstream(&mut snapshot).secret = Secret::from(value);
        let directory = directory(&mut snapshot);
        directory.service_account_username = value.to_owned();
        directory.service_account_password = Secret::from(value);
        directory.bind_dn = Some(value.to_owned());
        directory.ntlm_domain = value.to_owned();
        directory.search_dn = format!("CN={value}");
        comes_back(&snapshot);
    }
}

#[test]
fn a_host_named_builtin_is_not_the_builtin_second_factor() {
    for (host, port) in [
        ("builtin", 443),
        ("Builtin", 8443),
        ("api.example.com", 443),
    ] {
        let mut snapshot = base();
        snapshot.integrations[0].application.host = host.to_owned();
        snapshot.integrations[0].application.port = port;
        comes_back(&snapshot);
    }
}

#[test]
fn attributes_come_back_with_whatever_meaning_they_have() {
    let of_vendor = |vendor| AttributeRef {
        vendor: Some(vendor),
        ..attribute("Acme-Role", 3)
    };
    for one in [
        attribute("Own-Name", 200),
        attribute("class", 25),
        attribute("Filter-Id", 11),
        attribute("ATTRIBUTE", 1),
        attribute("a,b", 7),
        attribute("Näme", 255),
        of_vendor(1),
        of_vendor(9),
        of_vendor(u32::MAX),
    ] {
        for data_type in AttributeType::ALL {
            let mut snapshot = base();
            snapshot.integrations[0].client_ip_attribute = Some(AttributeRef {
                data_type: *data_type,
                ..one.clone()
            });
            comes_back(&snapshot);
        }
    }
}

#[test]
fn what_a_mode_ignores_is_left_out_and_said() {
    let rows: &[(&str, Change, Mode, &[&str])] = &[
        ("what auto has", |_| {}, Mode::Auto, &[]),
        ("append", |_| {}, Mode::Challenge, &["append"]),
        (
            "factors",
            |s| s.integrations[0].factors = vec![FactorChoice::Push],
            Mode::Concat,
            &["factors"],
        ),
        (
            "all of them",
            |s| {
                let one = &mut s.integrations[0];
                one.factors = vec![FactorChoice::Push];
                one.exempt_users = vec!["a".to_owned()];
                one.prompt.passcode_retries = 1;
                one.authenticator = None;
            },
            Mode::DuoOnly,
            &["append", "factors", "prompt", "exempt_users"],
        ),
        (
            "a menu",
            |s| {
                s.integrations[0].prompt = Prompt {
                    enroll_challenge: false,
                    passcode_retries: 3,
                    ..Prompt::default()
                };
            },
            Mode::Auto,
            &["prompt"],
        ),
        (
            "repeats",
            |s| s.integrations[0].prompt.passcode_retries = 3,
            Mode::Auto,
            &[],
        ),
    ];
    for (claim, change, mode, want) in rows {
        let mut snapshot = base();
        change(&mut snapshot);
        snapshot.integrations[0].mode = *mode;
        let exported = export(&snapshot, &Dictionary::builtin(), Style::Clear).unwrap();
        let want: Vec<_> = want
            .iter()
            .map(|one| format!("integrations[0].{one}"))
            .collect();
        assert_eq!(exported.left_out, want, "{claim}");
        let report = import_again(&exported, &Key::new([1; 32]));
        let again = report.imported.unwrap().resolve(1, pinned);
        assert_eq!(again == snapshot, want.is_empty(), "{claim}");
        comes_back(&again);
    }
}

#[test]
fn a_draft_without_a_number_is_written_too() {
    let mut snapshot = base();
    snapshot.revision = 0;
    assert_eq!(refused(&snapshot, Style::Clear), []);
}

#[test]
fn faults_are_told_up_to_a_number() {
    let mut snapshot = base();
    snapshot.integrations[0].exempt_users = vec![" ".to_owned(); 3_000];
    assert_eq!(refused(&snapshot, Style::Clear).len(), 1_000);
}

#[test]
fn sections_that_inherit_are_written_with_what_they_have() {
    let second = format!("{SECOND}radius_ip_1=::1\nradius_secret_1=x\n");
    let text = file(
        "client=radius_client\ninterface=::1",
        "",
        "",
        &format!("{second}{DIRECTORY}"),
    );
    comes_back(&run(&text).imported.unwrap().resolve(9, pinned));
}
