//! `[ad_client]`: every option, right and wrong, alone and beside others.

use proto::config::{Directory, DirectoryAuth};

use super::severity::{DIRECTORY, expect, file, said};
use super::*;

/// A good file whose only server asks `[ad_client]` with these lines below it.
fn of(lines: &str) -> String {
    let server = "client=ad_client\n".to_owned();
    file("", "", &server, &format!("{DIRECTORY}{lines}"))
}

/// The same, with the lines of `[ad_client]` that are always there changed.
fn with(from: &str, to: &str, lines: &str) -> String {
    let text = of(lines);
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

fn directory(text: &str) -> Directory {
    let snapshot = snapshot(&run(text));
    let found = snapshot
        .authenticators
        .iter()
        .find_map(|one| match &one.kind {
            AuthenticatorKind::Ad(directory) => Some(directory.as_ref().clone()),
            _ => None,
        });
    found.unwrap()
}

#[test]
fn a_file_that_names_no_auth_type_is_served_with_ntlm2() {
    for lines in [
        "",
        "auth_type=NTLM2",
        "transport=ldaps",
        "nested_groups=true\nsecurity_group_dn=CN=VPN,DC=example,DC=com",
        "ntlm_domain=LAB\nntlm_workstation=GATE",
        "ntlm_domain=\nntlm_workstation=",
        "port=3268",
        "transport=starttls\nssl_ca_certs_file=server.pem\nssl_verify_hostname=false\nport=389",
        "transport=ldaps\nport=3269",
        "host_2=dc2\nhost_3=2001:db8::3\nhost_4=[2001:db8::4]",
        "ldap_filter=objectClass=user",
    ] {
        let report = run(&of(lines));
        assert_eq!(said(&report), Vec::<String>::new(), "{lines}");
        assert_eq!(snapshot(&report).integrations.len(), 1, "{lines}");
    }
    assert_eq!(directory(&of("")).auth_type, DirectoryAuth::Ntlm2);
}

#[test]
fn every_value_reaches_the_directory() {
    let one = directory(&of("\
host_2=[2001:db8::2]
host_4=dc4.example.com
security_group_dn=CN=A,DC=x
security_group_dn_3=CN=C,DC=x
nested_groups=on
ldap_filter= & (objectClass=user) (!(a=b))
username_attribute=uid
at_attribute=mail
ntlm_domain=LAB
ntlm_workstation=GATE
transport=STARTTLS
ssl_ca_certs_file=server.pem
ssl_verify_hostname=no
timeout=3"));
    let hosts: Vec<_> = one
        .hosts
        .iter()
        .map(|host| (host.name.as_str(), host.port))
        .collect();
    assert_eq!(
        hosts,
        [("dc1", 389), ("2001:db8::2", 389), ("dc4.example.com", 389)]
    );
    assert_eq!(one.service_account_username, "LAB\\u");
    assert_eq!(one.security_groups, ["CN=A,DC=x", "CN=C,DC=x"]);
    assert!(one.nested_groups && !one.verify_hostname && one.ca_certs.is_some());
    assert_eq!(
        one.ldap_filter.as_deref(),
        Some("(&(objectClass=user)(!(a=b)))")
    );
    assert_eq!(
        (one.username_attribute.as_str(), one.at_attribute.as_str()),
        ("uid", "mail")
    );
    assert_eq!(
        (one.ntlm_domain.as_str(), one.ntlm_workstation.as_str()),
        ("LAB", "GATE")
    );
    assert_eq!(one.transport, Transport::StartTls);
    assert_eq!(one.timeout.as_secs(), 3);
}

#[test]
fn the_port_follows_the_transport() {
    for (lines, want) in [
        ("", 389),
        ("transport=starttls", 389),
        ("transport=ldaps", 636),
        ("transport=ldaps\nport=3269", 3269),
        ("port=10389", 10389),
    ] {
        let hosts = directory(&of(lines)).hosts;
        assert!(hosts.iter().all(|host| host.port == want), "{lines}");
    }
}

#[test]
fn bad_values_are_errors() {
    for (lines, want) in [
        (
            "auth_type=sspi",
            "auth_type: sspi exists on Windows only; write auth_type=ntlm2, or auth_type=plain with transport=ldaps; either needs service_account_username and service_account_password",
        ),
        (
            "auth_type=NTLM1",
            "auth_type: ntlm1 is broken and not offered; write auth_type=ntlm2, or auth_type=plain with transport=ldaps",
        ),
        (
            "auth_type=ntlm",
            "auth_type: 'ntlm' is no value of this option; did you mean 'ntlm2'? write one of ntlm2, plain",
        ),
        (
            "auth_type=",
            "auth_type: the value is empty; write one of ntlm2, plain, or remove the line",
        ),
        (
            "transport=ldap",
            "transport: 'ldap' is no value of this option; did you mean 'ldaps'? write one of clear, starttls, ldaps",
        ),
        (
            "transport=tls",
            "transport: 'tls' is no value of this option; write one of clear, starttls, ldaps",
        ),
        (
            "port=0",
            "port: '0' is out of range; write a whole number from 1 to 65535",
        ),
        ("port=ldap", "port: 'ldap' is no whole number"),
        (
            "timeout=0",
            "timeout: '0' is out of range; write a whole number from 1 to 600",
        ),
        ("timeout=601", "timeout: '601' is out of range"),
        ("timeout=10s", "timeout: '10s' is no whole number"),
        (
            "ssl_verify_depth=101",
            "ssl_verify_depth: '101' is out of range",
        ),
        (
            "transport=ldaps\nssl_verify_hostname=perhaps",
            "ssl_verify_hostname: 'perhaps' is neither true nor false",
        ),
        (
            "nested_groups=all",
            "nested_groups: 'all' is neither true nor false",
        ),
        (
            "transport=ldaps\nssl_ca_certs_file=gone.pem",
            "ssl_ca_certs_file: 'conf/gone.pem' cannot be read",
        ),
        (
            "transport=ldaps\nssl_ca_certs_file=server.key",
            "ssl_ca_certs_file: 'server.key' holds no usable certificates",
        ),
        (
            "transport=ldaps\nssl_ca_certs_file=C:\\ca.pem",
            "ssl_ca_certs_file: 'C:\\ca.pem' is a path of Windows; copy the file to this machine",
        ),
        (
            "host_2=ldap://dc2",
            "host_2: 'ldap://dc2' is no host name or address; write a host name or address, without scheme or port",
        ),
        (
            "host_2=dc2:636",
            "host_2: 'dc2:636' is no host name or address",
        ),
        ("host_2=10.0.0.999", "host_2: '10.0.0.999' is no IP address"),
        (
            "host_2=dc2, dc3",
            "host_2: 'dc2, dc3' is more than one host name or address; write one; each further one is an option of its own, as in host_2",
        ),
        ("host_2=", "host_2: the value is empty"),
        (
            "security_group_dn=VPN",
            "security_group_dn: 'VPN' is no distinguished name: at character 1, there is no '='",
        ),
        (
            "transport=ldaps\nssl_ca_certs_file=pki\\ca.pem",
            "ssl_ca_certs_file: 'conf/pki\\ca.pem' cannot be read: entity not found; write '/' and not '\\' between folders",
        ),
        (
            "ldap_filter=(a=b",
            "ldap_filter: the filter cannot be read: at character 5, a ')' is missing; write an LDAP filter such as",
        ),
        (
            "ldap_filter=(memberOf=CN=VPN (old),DC=x)",
            "ldap_filter: the filter cannot be read: at character 18, a '(' within a value is written '\\28'",
        ),
        (
            "ldap_filter=VPN users",
            "ldap_filter: the filter cannot be read: at character 5, a '=' is missing",
        ),
        (
            "username_attribute=user name",
            "username_attribute: 'user name' is no attribute name; write the name of an LDAP attribute",
        ),
        ("at_attribute=", "at_attribute: the value is empty"),
    ] {
        expect(
            &run(&of(lines)),
            lines,
            &format!("error: [ad_client] {want}"),
        );
    }
}

#[test]
fn what_must_be_there_is_missed() {
    for (from, want) in [
        ("\nhost=dc1", "host"),
        (
            "\nservice_account_username=LAB\\u",
            "service_account_username",
        ),
        (
            "\nservice_account_password=hunter2-ad",
            "service_account_password",
        ),
        ("\nsearch_dn=DC=example,DC=com", "search_dn"),
    ] {
        let report = run(&with(from, "", ""));
        expect(
            &report,
            want,
            &format!("error: [ad_client] {want}: this option is missing; write '{want}='"),
        );
    }
    let report = run(&with("DC=example,DC=com", "example.com", ""));
    expect(
        &report,
        "search_dn",
        "error: [ad_client] search_dn: 'example.com' is no distinguished name",
    );
}

#[test]
fn a_file_of_sspi_misses_no_account() {
    let text = with("\nservice_account_username=LAB\\u", "", "auth_type=sspi")
        .replace("\nservice_account_password=hunter2-ad", "");
    expect(
        &run(&text),
        "sspi",
        "error: [ad_client] auth_type: sspi exists on Windows only",
    );
}

#[test]
fn names_are_those_of_the_bind() {
    const PLAIN: &str = "auth_type=plain\ntransport=ldaps\n";
    let dn = "CN=svc,DC=example,DC=com";
    for (claim, account, lines, want) in [
        ("ntlm2, a bare name", "svc", String::new(), None),
        (
            "ntlm2, a principal name",
            "svc@example.com",
            String::new(),
            None,
        ),
        (
            "ntlm2, a distinguished name",
            dn,
            String::new(),
            Some(
                "warning: [ad_client] service_account_username: NTLM knows no distinguished names, so the directory will not be asked; write the account's name, as DOMAIN\\user",
            ),
        ),
        (
            "ntlm2, bind_dn",
            "svc",
            format!("bind_dn={dn}\n"),
            Some("warning: [ad_client] bind_dn: this option has no effect with auth_type=ntlm2"),
        ),
        ("plain, a distinguished name", dn, PLAIN.to_owned(), None),
        (
            "plain, a principal name",
            "svc@example.com",
            PLAIN.to_owned(),
            None,
        ),
        (
            "plain, a bare name",
            "svc",
            PLAIN.to_owned(),
            Some(
                "warning: [ad_client] service_account_username: a simple bind needs a distinguished name, and this is a bare name; write 'bind_dn='",
            ),
        ),
        (
            "plain, a bare name and bind_dn",
            "svc",
            format!("{PLAIN}bind_dn={dn}\n"),
            None,
        ),
        (
            "plain, bind_dn of Active Directory",
            "svc",
            format!("{PLAIN}bind_dn=svc@example.com\n"),
            Some(
                "warning: [ad_client] bind_dn: 'svc@example.com' is no distinguished name; only Active Directory binds with it",
            ),
        ),
        (
            "plain, bind_dn of whatever takes one",
            "svc",
            format!("{PLAIN}bind_dn=lookup\n"),
            Some(
                "warning: [ad_client] bind_dn: 'lookup' is no distinguished name, and directories may refuse it: at character 1, there is no '='; write a distinguished name",
            ),
        ),
        (
            "plain, a domain",
            dn,
            format!("{PLAIN}ntlm_domain=LAB\n"),
            Some(
                "warning: [ad_client] ntlm_domain: this option has no effect with auth_type=plain",
            ),
        ),
        (
            "plain, a workstation",
            dn,
            format!("{PLAIN}ntlm_workstation=GATE\n"),
            Some(
                "warning: [ad_client] ntlm_workstation: this option has no effect with auth_type=plain",
            ),
        ),
        (
            "plain, empty domain and workstation",
            dn,
            format!("{PLAIN}ntlm_domain=\nntlm_workstation=\n"),
            None,
        ),
    ] {
        let report = run(&with("=LAB\\u\n", &format!("={account}\n"), &lines));
        match want {
            Some(want) => expect(&report, claim, want),
            None => assert_eq!(said(&report), Vec::<String>::new(), "{claim}"),
        }
    }
}

#[test]
fn what_is_served_with_a_word_is_a_warning() {
    for (lines, want) in [
        (
            "auth_type=plain",
            "auth_type: passwords cross the network in the clear; write transport=ldaps or transport=starttls",
        ),
        (
            "auth_type=plain\ntransport=clear",
            "transport: passwords cross the network in the clear",
        ),
        (
            "ssl_ca_certs_file=gone.pem",
            "ssl_ca_certs_file: this option has no effect without TLS",
        ),
        (
            "security_group_dn_2=CN=VPN,Groups,DC=x",
            "security_group_dn_2: directories may refuse 'CN=VPN,Groups,DC=x' as a distinguished name: at character 8, there is no '=' in this part (a ',' or '+' within a value has a '\\' before it); copy the name from the directory",
        ),
        (
            "security_group_dn=\"CN=VPN,DC=x\"",
            "security_group_dn: directories may refuse '\"CN=VPN,DC=x\"' as a distinguished name: at character 1, what stands before the '=' is no name of an attribute; write it without quotes",
        ),
        (
            "ssl_ca_certs_file=server.pem",
            "ssl_ca_certs_file: this option has no effect without TLS; write transport=ldaps or transport=starttls",
        ),
        (
            "transport=ldaps\nssl_ca_certs_file=leaf.pem",
            "ssl_ca_certs_file: no certificate in it is an authority's, so it proves no server; name the file of the CA",
        ),
        (
            "ssl_verify_hostname=true",
            "ssl_verify_hostname: this option has no effect without TLS",
        ),
        (
            "transport=ldaps\nssl_verify_depth=3",
            "ssl_verify_depth: this option has no effect",
        ),
        (
            "port=636",
            "port: directories expect TLS from the first octet on port 636, and transport=clear begins without; write transport=ldaps",
        ),
        (
            "transport=starttls\nport=3269",
            "port: directories expect TLS from the first octet on port 3269, and transport=starttls begins without",
        ),
        (
            "transport=ldaps\nport=389",
            "port: directories do not expect TLS from the first octet on port 389; remove the line (ldaps has port 636), or write transport=starttls",
        ),
        (
            "transport=ldaps\nport=3268",
            "port: directories do not expect TLS from the first octet on port 3268",
        ),
        (
            "nested_groups=true",
            "nested_groups: this option has no effect without security_group_dn",
        ),
        ("host_2=DC1.", "host_2: this host stands on line 17 already"),
        (
            "host_3=dc3",
            "host_3: there is no host_2; this one is asked all the same; number the hosts without a gap",
        ),
        (
            "host_2=dc2\nhost_5=dc5\nhost_8=dc8",
            "host_5: there is no host_3; this one is asked all the same",
        ),
        (
            "port_2=389",
            "port_2: this section has no such option, it is ignored; did you mean 'port'?",
        ),
        (
            "group_dn=CN=VPN,DC=x",
            "group_dn: this section has no such option, it is ignored; did you mean 'security_group_dn_1'?",
        ),
        (
            "verify_hostname=false",
            "verify_hostname: this section has no such option, it is ignored; did you mean 'ssl_verify_hostname'?",
        ),
        (
            "tranport=ldaps",
            "tranport: this section has no such option, it is ignored; did you mean 'transport'?",
        ),
    ] {
        let report = run(&of(lines));
        expect(&report, lines, &format!("warning: [ad_client] {want}"));
        assert_eq!(snapshot(&report).integrations.len(), 1, "{lines}");
    }
}
