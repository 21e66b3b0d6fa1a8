//! Which sections are served, what EAP needs, and faults that are not of one option.

use super::severity::{DIRECTORY, EAP, NOT_SERVED, expect, file, said};
use super::*;

#[test]
fn octets_that_are_no_text_are_errors() {
    let text = [
        &b"; \xff\n"[..],
        file("debug=perhaps", "", "exempt_username_1=", "").as_bytes(),
        b"; \xfe\n",
    ]
    .concat();
    let report = run_octets(&text, &files(), None);
    let errors = "error: this line is not UTF-8; save the file as UTF-8";
    let found = said(&report);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert_eq!((found[0].as_str(), found[3].as_str()), (errors, errors));
    assert!(found[1].starts_with("error: [main] debug: "), "{found:#?}");
    assert!(
        found[2].starts_with("error: [radius_server_auto] exempt_username_1: "),
        "{found:#?}"
    );
    assert_eq!(report.diagnostics[3].line, 16);
    assert!(report.imported.is_none());
}

#[test]
fn a_fault_of_a_dictionary_names_its_own_file() {
    let report = run(&file("dictionary=bad-names", "", "", ""));
    let one = &report.diagnostics[0];
    assert_eq!((one.file.as_str(), one.line), ("conf/bad-names", 1));
    assert!(report.imported.is_none());
}

#[test]
fn what_is_not_built_is_not_served_and_the_rest_is() {
    let report = run(&file("", "", "", &whole_eap()));
    let want = format!("warning: [radius_server_eap]: [radius_server_eap] {NOT_SERVED}");
    expect(&report, "EAP", &want);
    assert_eq!(snapshot(&report).integrations.len(), 1);
}

fn whole_eap() -> String {
    format!("{EAP}client=radius_client\ncerts=server.pem\npkey=server.key\n")
}

#[test]
fn a_file_of_which_nothing_is_served_is_refused() {
    let eap = whole_eap();
    let report = run(&format!("[radius_client]\nhost=192.0.2.1\nsecret=x\n{eap}"));
    let found = said(&report);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("error: no section of this file can be served"));
    assert!(found[1].starts_with("warning: [radius_server_eap]: [radius_server_eap] is"));
    assert!(report.imported.is_none());
}

#[test]
fn certificates_and_keys_of_eap_are_checked() {
    let unbuilt = || format!("warning: [radius_server_eap]: [radius_server_eap] {NOT_SERVED}");
    for (lines, want) in [
        (
            "client=radius_client\ncerts=server.pem\npkey=server.key",
            None,
        ),
        (
            "client=radius_client\npkey=server.key",
            Some("error: [radius_server_eap] certs: this option is missing"),
        ),
        (
            "client=radius_client\ncerts=server.pem",
            Some("error: [radius_server_eap] pkey: this option is missing"),
        ),
        (
            "client=radius_client\ncerts=gone\npkey=server.key",
            Some("error: [radius_server_eap] certs: 'conf/gone' cannot be read"),
        ),
        (
            "client=radius_client\ncerts=server.key\npkey=server.key",
            Some("error: [radius_server_eap] certs: 'server.key' holds no usable certificates"),
        ),
        (
            "client=radius_client\ncerts=server.pem\npkey=other.key",
            Some(
                "error: [radius_server_eap] pkey: the private key does not belong to the certificate",
            ),
        ),
        (
            "client=radius_client\ncerts=server.pem\npkey=server.pem",
            Some("error: [radius_server_eap] pkey: there is no usable private key in it"),
        ),
        (
            "client=radius_client\ncerts=server.pem\npkey=locked.key",
            Some(
                "error: [radius_server_eap] pkey: the private key has a passphrase; decrypt it with 'openssl pkey -in locked.key -out NEWFILE'",
            ),
        ),
        (
            "client=radius_client\ncerts=server.pem\npkey=server.key\nminimum_tls_version=TLS1.0",
            Some(
                "warning: [radius_server_eap] minimum_tls_version: tls1.0 is broken, tls1.2 is the lowest version that is offered",
            ),
        ),
        (
            "client=duo_only_client\ncerts=server.pem\npkey=server.key\n[duo_only_client]",
            Some(
                "error: [radius_server_eap] client: EAP needs a client section that checks passwords",
            ),
        ),
    ] {
        let text = file("", "", "client=radius_client", &format!("{EAP}{lines}"));
        let mut found = said(&run(&text));
        let before = found.len();
        found.retain(|one| !one.starts_with(&unbuilt()));
        assert_eq!(found.len(), before - 1, "{lines}: {found:#?}");
        assert_eq!(
            found.len(),
            usize::from(want.is_some()),
            "{lines}: {found:#?}"
        );
        if let Some(want) = want {
            assert!(found[0].starts_with(want), "{lines}: {found:#?}");
        }
    }
}

#[test]
fn a_private_key_that_others_can_read_is_a_warning() {
    let mut files = files();
    files.0.get_mut(Path::new("conf/server.key")).unwrap().mode = Some(0o644);
    let rest = format!("{EAP}certs=server.pem\npkey=server.key\n");
    let found = said(&run_with(&file("", "", "", &rest), &files));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with(
        "warning: [radius_server_eap] pkey: others can read the private key; run 'chmod o-r' on it"
    ));
}

#[test]
fn a_file_shows_the_differences_it_triggers() {
    let subjects = |text: &str| {
        let found = run(text).differences;
        found.iter().map(|one| one.subject).collect::<Vec<_>>()
    };
    assert_eq!(
        subjects(&file("", "", "", "")),
        [
            "message_authenticator",
            "api_timeout",
            "Access-Challenge of an upstream"
        ]
    );
    for (auth_type, told) in [("ntlm2", false), ("plain", false), ("sspi", true)] {
        let rest = format!("{DIRECTORY}auth_type={auth_type}\n");
        let subjects = subjects(&file("", "", "client=radius_client", &rest));
        assert_eq!(subjects.contains(&"auth_type"), told, "{auth_type}");
    }
    assert_eq!(
        subjects(&file(
            "",
            "",
            "api_timeout=5\ndelimiter=:\npass_through_all=1",
            ""
        )),
        [
            "message_authenticator",
            "delimiter",
            "Access-Challenge of an upstream",
            "pass_through_all"
        ]
    );
    assert_eq!(
        subjects(&file(
            "http_ca_certs_file=server.pem",
            "",
            "api_timeout=5",
            EAP
        )),
        [
            "message_authenticator",
            "api_timeout",
            "allow_concat in [radius_server_eap]",
            "duplicates during EAP",
            "Access-Challenge of an upstream",
            "http_ca_certs_file"
        ]
    );
    let sealed = file(
        "",
        "",
        "api_timeout=5\nradius_secret_protected_2=sealed:x\nradius_ip_2=::1",
        "",
    );
    assert_eq!(
        subjects(&sealed),
        [
            "message_authenticator",
            "Access-Challenge of an upstream",
            "_protected values"
        ]
    );
    assert_eq!(
        subjects("[radius_client]\nhost=192.0.2.1\nhost_2=nps\npw_codec=latin-1\n"),
        [
            "a host that does not answer",
            "host of [radius_client]",
            "pw_codec",
            "Access-Challenge of an upstream"
        ]
    );
    assert_eq!(
        subjects("[ad_client]\nhost=dc1\nhost_2=dc2\nnested_groups=true\n"),
        ["nested_groups", "a host that does not answer"]
    );
    assert_eq!(
        subjects("[cloud]\nminimum_tls_version=ssl3\n"),
        Vec::<&str>::new()
    );
}

#[test]
fn every_fault_of_an_awful_file_is_told_in_one_run() {
    let text = "\
port=1
[main]
debug=maybe
lgo_dir=log
http_ca_certs_file=C:\\ca.pem
dictionary=bad-names
[ad_client]
host=ldaps://dc1
auth_type=sspi
search_dn=example.com
search_dn=DC=x
[radius_clint]
secret=hunter2
[radius_server_auto]
skey_protected=hunter2
api_host=https://api.example.com
radius_ip_1=10.0.0.999
radius_secret_2=hunter2
client=ad_clinet
failmode=maybe
delimiter=and
hunter2
[radius_server_auto]
[cloud]
[radius_server_eap]
client=ad_client
minimum_tls_version=ssl3
";
    let report = run_octets(text.as_bytes(), &files(), Some(0o644));
    assert!(report.imported.is_none());
    let found = super::super::text(&report.diagnostics);
    assert!(!found.contains("hunter2"), "{found}");
    insta::assert_snapshot!(found);
}
