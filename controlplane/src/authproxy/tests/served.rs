//! What a file is served with or refused for, and faults that are not of one option.

use super::severity::{DIRECTORY, file, said};
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
fn a_file_of_which_nothing_is_served_is_refused() {
    let report = run("[http_proxy]\napi_host=api.example.com\n");
    let found = said(&report);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[1].starts_with("error: no section of this file can be served; write a server"));
    assert!(found[0].starts_with("warning: [http_proxy]: [http_proxy] sections are not served"));
    assert!(report.imported.is_none());
}

#[test]
fn what_is_missing_where_nothing_is_served_names_the_way_out_first() {
    let found = said(&run(&file("", "", "", "[cloud]\nikey=x\nskey=y\n")));
    let want = "error: [cloud] api_host: this option is missing; remove the section, which is not \
                served, or write 'api_host='";
    assert!(found.iter().any(|one| one == want), "{found:#?}");
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
            ""
        )),
        [
            "message_authenticator",
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
