//! One row for each way a file can be wrong, and what is said of it.

use super::*;

/// A file without a fault; each row adds lines to one of its places.
pub(super) fn file(main: &str, client: &str, server: &str, rest: &str) -> String {
    format!(
        "[main]\n{main}\n[radius_client]\nhost=192.0.2.1\nsecret=hunter2-upstream\n{client}\n\
         [radius_server_auto]\nikey=DIX\nskey=hunter2-skey\napi_host=api.example.com\n\
         radius_ip_1=10.0.0.1\nradius_secret_1=hunter2-nas\n{server}\n{rest}\n"
    )
}

/// What was said, without file and line.
pub(super) fn said(report: &Report) -> Vec<String> {
    report
        .diagnostics
        .iter()
        .map(|one| {
            one.to_string()
                .splitn(3, ':')
                .nth(2)
                .unwrap()
                .trim()
                .to_owned()
        })
        .collect()
}

#[track_caller]
pub(super) fn expect(report: &Report, claim: &str, want: &str) {
    let found = said(report);
    assert_eq!(found.len(), 1, "{claim}: {found:#?}");
    assert!(found[0].starts_with(want), "{claim}: {found:#?}");
    assert_eq!(
        report.imported.is_none(),
        want.starts_with("error"),
        "{claim}"
    );
    assert!(!found[0].contains("hunter2"), "{claim}: a secret is shown");
}

pub(super) const DIRECTORY: &str = "\n[ad_client]\nhost=dc1\nservice_account_username=LAB\\u\n\
    service_account_password=hunter2-ad\nsearch_dn=DC=example,DC=com\n";
pub(super) const SECOND: &str = "\n[radius_server_auto2]\nikey=DIY\nskey=hunter2-second\n\
    api_host=api.example.com\nclient=radius_client\n";
pub(super) const EAP: &str = "\n[radius_server_eap]\nikey=DIY\nskey=hunter2-second\napi_host=api.example.com\n\
    radius_ip_1=10.0.0.2\nradius_secret_1=hunter2-eap\n";

#[test]
fn a_good_file_says_nothing() {
    assert_eq!(said(&run(&file("", "", "", ""))), Vec::<String>::new());
}

#[test]
fn bad_values_are_errors() {
    for (claim, place, lines, want) in [
        (
            "a bad number",
            2,
            "port=abc",
            "[radius_server_auto] port: 'abc' is no whole number",
        ),
        (
            "a number out of range",
            2,
            "port=70000",
            "[radius_server_auto] port: '70000' is out of range",
        ),
        (
            "port 0",
            2,
            "port=0",
            "[radius_server_auto] port: '0' is out of range",
        ),
        (
            "a bad word",
            2,
            "failmode=secur",
            "[radius_server_auto] failmode: 'secur' is no value of this option; did you mean 'secure'?",
        ),
        (
            "a bad factor",
            2,
            "factors=push,telepathy",
            "[radius_server_auto] factors: 'telepathy' is no factor",
        ),
        (
            "a bad truth value",
            0,
            "debug=perhaps",
            "[main] debug: 'perhaps' is neither true nor false",
        ),
        (
            "a facility that syslog has not",
            0,
            "syslog_facility=LOG_LOUD",
            "[main] syslog_facility: 'LOG_LOUD' is no value of this option",
        ),
        (
            "too many log files",
            0,
            "log_max_files=1001",
            "[main] log_max_files: '1001' is out of range",
        ),
        (
            "a bad interface",
            0,
            "interface=eth0",
            "[main] interface: 'eth0' is no IP address",
        ),
        (
            "a bad client address",
            2,
            "radius_ip_2=vpn\nradius_secret_2=x",
            "[radius_server_auto] radius_ip_2: 'vpn' is no IP address",
        ),
        (
            "a reversed range",
            2,
            "radius_ip_2=10.0.0.9-10.0.0.5\nradius_secret_2=x",
            "[radius_server_auto] radius_ip_2: the range runs backwards",
        ),
        (
            "a delimiter of letters",
            2,
            "delimiter=x1",
            "[radius_server_auto] delimiter: a delimiter with letters or digits",
        ),
        (
            "an empty optional value",
            2,
            "port=",
            "[radius_server_auto] port: the value is empty; write a whole number from 1 to 65535, or remove the line",
        ),
        (
            "an unknown attribute",
            2,
            "client_ip_attr=Calling-Staton-Id",
            "[radius_server_auto] client_ip_attr: no dictionary has the attribute 'Calling-Staton-Id'; did you mean 'Calling-Station-Id'?",
        ),
        (
            "an attribute to pass that is unknown",
            2,
            "pass_through_attr_names=Class,Wibble",
            "[radius_server_auto] pass_through_attr_names: no dictionary has the attribute 'Wibble'",
        ),
        (
            "a client that is not there",
            2,
            "client=radius_clent",
            "[radius_server_auto] client: there is no client section [radius_clent]; did you mean 'radius_client'?",
        ),
        (
            "a main client that is not there",
            0,
            "client=x",
            "[main] client: there is no client section [x]; write one of radius_client",
        ),
        (
            "an address without secret",
            2,
            "radius_ip_2=10.0.0.2",
            "[radius_server_auto] radius_secret_2: this option is missing",
        ),
        (
            "a secret without address",
            2,
            "radius_secret_2=hunter2",
            "[radius_server_auto] radius_ip_2: this option is missing",
        ),
        (
            "a policy without client",
            2,
            "message_authenticator_2=auto",
            "[radius_server_auto] radius_ip_2: this option is missing",
        ),
        (
            "rules that disagree",
            2,
            "force_message_authenticator=true\nmessage_authenticator_1=off",
            "[radius_server_auto] message_authenticator_1: force_message_authenticator=true says otherwise",
        ),
        (
            "an option twice",
            2,
            "port=1\nPort=2",
            "[radius_server_auto] Port: this option is set on line 13 already",
        ),
        (
            "an option twice, once sealed",
            2,
            "skey_protected=sealed:x",
            "[radius_server_auto] skey_protected: this option is set on line 9 already",
        ),
        (
            "a first client twice",
            2,
            "radius_ip=10.0.0.2",
            "[radius_server_auto] radius_ip: this option is set on line 11 already",
        ),
        (
            "a section twice",
            3,
            "[main]\ndebug=true",
            "[main]: this section stands on line 1 already",
        ),
        (
            "an unknown section",
            3,
            "[radius_server_autp]\nx=1",
            "[radius_server_autp]: there is no such section; did you mean [radius_server_auto]?",
        ),
        (
            "a section with a blank",
            3,
            "[radius_server_auto2 ]",
            "[radius_server_auto2 ]: there is no such section; did you mean [radius_server_auto2]?",
        ),
        (
            "a section with a character that moves the cursor",
            3,
            "[radius_server_\tauto]",
            "[radius_server_\\tauto]: there is no such section; did you mean [radius_server_auto]?",
        ),
        (
            "no equals sign",
            2,
            "hunter2",
            "[radius_server_auto]: this line has no '='",
        ),
        (
            "a continuation",
            2,
            "exempt_username_1=a\n  hunter2=x",
            "[radius_server_auto]: this line is indented further",
        ),
        (
            "a value sealed elsewhere",
            2,
            "radius_ip_2=10.0.0.2\nradius_secret_protected_2=hunter2",
            "[radius_server_auto] radius_secret_protected_2: this protected value was made on another machine or on Windows and cannot be opened here; write the clear value as 'radius_secret_2', or make a new one with 'countersign seal'",
        ),
        (
            "a client address twice in a section",
            2,
            "radius_ip_2=10.0.0.1/32\nradius_secret_2=x",
            "[radius_server_auto] radius_ip_2: 10.0.0.1 is a client on port 1812 already, on line 11 in [radius_server_auto]",
        ),
        (
            "a missing CA file",
            0,
            "http_ca_certs_file=gone.pem",
            "[main] http_ca_certs_file: 'conf/gone.pem' cannot be read",
        ),
        (
            "an empty CA file",
            0,
            "http_ca_certs_file=empty.pem",
            "[main] http_ca_certs_file: 'empty.pem' holds no usable certificates",
        ),
        (
            "a path of Windows",
            0,
            r"http_ca_certs_file=C:\ca.pem",
            r"[main] http_ca_certs_file: 'C:\ca.pem' is a path of Windows",
        ),
        (
            "a main server that is not there",
            0,
            "server=radius_server_x",
            "[main] server: there is no section [radius_server_x]",
        ),
        (
            "a missing dictionary",
            0,
            "dictionary=gone",
            "[main] dictionary: 'conf/gone': cannot be read",
        ),
    ] {
        let at = |index: usize| if index == place { lines } else { "" };
        let report = run(&file(at(0), at(1), at(2), at(3)));
        expect(&report, claim, &format!("error: {want}"));
    }
}

#[test]
fn missing_options_and_sections_are_errors() {
    let good = file("", "", "", "");
    for (line, want) in [
        (
            "ikey=DIX\n",
            "[radius_server_auto] ikey: this option is missing; write 'ikey=' and the integration key",
        ),
        (
            "skey=hunter2-skey\n",
            "[radius_server_auto] skey: this option is missing",
        ),
        (
            "api_host=api.example.com\n",
            "[radius_server_auto] api_host: this option is missing",
        ),
        (
            "radius_ip_1=10.0.0.1\n",
            "[radius_server_auto] radius_ip_1: this option is missing",
        ),
        (
            "radius_secret_1=hunter2-nas\n",
            "[radius_server_auto] radius_secret_1: this option is missing",
        ),
        (
            "host=192.0.2.1\n",
            "[radius_client] host: this option is missing",
        ),
        (
            "secret=hunter2-upstream\n",
            "[radius_client] secret: this option is missing",
        ),
    ] {
        assert!(good.contains(line));
        expect(
            &run(&good.replace(line, "")),
            line,
            &format!("error: {want}"),
        );
        let (key, _) = line.split_once('=').unwrap();
        let report = run(&good.replace(line, &format!("{key}=\n")));
        let option = want.split(':').next().unwrap();
        expect(
            &report,
            line,
            &format!("error: {option}: the value is empty"),
        );
    }
    let second = format!("{SECOND}radius_ip_1=10.0.0.1\nradius_secret_1=hunter2\n");
    for (claim, text, want) in [
        ("an empty file", String::new(), "the file is empty"),
        (
            "only comments",
            "; nothing\n".to_owned(),
            "the file is empty",
        ),
        (
            "only main",
            "[main]\n".to_owned(),
            "there is no server section",
        ),
        (
            "only clients",
            "[duo_only_client]\n".to_owned(),
            "there is no server section",
        ),
        (
            "an option before all sections",
            format!("port=1\n{good}"),
            "port: this option stands before the first section",
        ),
        (
            "no client section",
            "[radius_server_auto]\napi_host=builtin\nradius_ip_1=::1\nradius_secret_1=x\n"
                .to_owned(),
            "[radius_server_auto] client: there is no client section",
        ),
        (
            "several client sections",
            file("", "", "", "[duo_only_client]"),
            "[radius_server_auto] client: this option is missing, and there is more than one client section; write 'client=' and one of radius_client, duo_only_client",
        ),
        (
            "one address, one port, two sections",
            file("", "", "", &second),
            "[radius_server_auto2] radius_ip_1: 10.0.0.1 is a client on port 1812 already",
        ),
        (
            "half a builtin application",
            good.replace("api.example.com", "builtin")
                .replace("ikey=DIX\n", ""),
            "[radius_server_auto] ikey: this option is missing",
        ),
    ] {
        expect(&run(&text), claim, &format!("error: {want}"));
    }
}

#[test]
fn sections_of_one_port_are_told_apart_by_address() {
    for rest in [
        format!("{SECOND}radius_ip_1=10.0.0.2\nradius_secret_1=x\n"),
        format!("{SECOND}radius_ip_1=10.0.0.0/24\nradius_secret_1=x\n"),
        format!("{SECOND}radius_ip_1=10.0.0.1\nradius_secret_1=x\nport=1645\n"),
    ] {
        assert_eq!(run(&file("", "", "", &rest)).diagnostics, [], "{rest}");
    }
    let two = format!("{SECOND}radius_ip_1=10.0.0.1\nradius_secret_1=x\ninterface=192.0.2.8\n");
    assert_eq!(
        run(&file("", "", "interface=192.0.2.7", &two)).diagnostics,
        []
    );
}

#[test]
fn what_is_served_with_a_word_is_a_warning() {
    let plain = format!("{DIRECTORY}auth_type=plain\ntransport=ldaps\n");
    for (claim, place, lines, want) in [
        (
            "an unknown option",
            2,
            "fail_mode=secure",
            "[radius_server_auto] fail_mode: this section has no such option, it is ignored; did you mean 'failmode'?",
        ),
        (
            "an option of nothing near",
            1,
            "wibble=hunter2",
            "[radius_client] wibble: this section has no such option",
        ),
        (
            "cloud",
            3,
            "[cloud]\nikey=x\nskey_protected=hunter2\napi_host=a.example.com",
            "[cloud]: [cloud] sections are not served",
        ),
        (
            "sso",
            3,
            "[sso]\nrikey=x",
            "[sso]: [sso] sections are not served",
        ),
        (
            "http_proxy",
            3,
            "[http_proxy]\napi_host=a.example.com\nclient_ip=10.0.0.0/8",
            "[http_proxy]: [http_proxy] sections are not served",
        ),
        (
            "iframe",
            3,
            "[radius_server_iframe]\nikey=x\nskey=y\napi_host=a.example.com\ntype=juniper",
            "[radius_server_iframe]: [radius_server_iframe] sections are not served",
        ),
        (
            "a length without a split",
            2,
            "allow_concat=false\ndelimited_password_length=8",
            "[radius_server_auto] delimited_password_length: allow_concat=false",
        ),
        (
            "a proxy port without a host",
            0,
            "http_proxy_port=3128",
            "[main] http_proxy_port: this option has no effect without http_proxy_host",
        ),
        (
            "fips_mode",
            0,
            "fips_mode=true",
            "[main] fips_mode: this option has no effect",
        ),
        (
            "log_sso_events",
            0,
            "log_sso_events=true",
            "[main] log_sso_events: this option has no effect",
        ),
        (
            "server",
            0,
            "server=radius_server_auto",
            "[main] server: this option has no effect",
        ),
        (
            "a log folder of Windows",
            0,
            r"log_dir=C:\logs",
            r"[main] log_dir: 'C:\logs' is a path of Windows, and has no effect",
        ),
    ] {
        let at = |index: usize| if index == place { lines } else { "" };
        let report = run(&file(at(0), at(1), at(2), at(3)));
        expect(&report, claim, &format!("warning: {want}"));
    }
    for (claim, server, rest, want) in [
        (
            "depth",
            "client=ad_client",
            format!("{plain}ssl_verify_depth=3\n"),
            "[ad_client] ssl_verify_depth: this option has no effect",
        ),
        (
            "safe without a primary",
            "client=duo_only_client",
            "[duo_only_client]\n".to_owned(),
            "[radius_server_auto] failmode: no password is checked here",
        ),
        (
            "passing without an upstream",
            "client=ad_client\npass_through_all=true",
            plain.clone(),
            "[radius_server_auto] pass_through_all: this option has no effect without a [radius_client]",
        ),
        (
            "passing names without an upstream",
            "client=ad_client\npass_through_attr_names=Class",
            plain.clone(),
            "[radius_server_auto] pass_through_attr_names: this option has no effect without",
        ),
        (
            "an LDAP server",
            "client=radius_client",
            format!(
                "{plain}[ldap_server_auto]\nikey=x\nskey=y\napi_host=a.example.com\nclient=ad_client\nexempt_ou_1=OU=x\n"
            ),
            "[ldap_server_auto]: [ldap_server_auto] sections are not served",
        ),
    ] {
        expect(
            &run(&file("", "", server, &rest)),
            claim,
            &format!("warning: {want}"),
        );
    }
    let text = file("", "", "", "");
    let report = run_octets(text.as_bytes(), &files(), Some(0o644));
    expect(
        &report,
        "others can read",
        "warning: the file holds secrets and others can read it",
    );
}

#[test]
fn values_that_are_the_default_need_no_word() {
    let main = "fips_mode=0\nlog_file=yes\nlog_max_files=6\nlog_sso_events=False";
    assert_eq!(run(&file(main, "", "", "")).diagnostics, []);
}
