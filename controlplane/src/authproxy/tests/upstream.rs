//! `[radius_client]`: every option, right and wrong, alone and beside others.

use proto::config::{PasswordCodec, RadiusUpstream};

use super::severity::{expect, file, said};
use super::*;

fn of(lines: &str) -> String {
    file("", lines, "", "")
}

fn upstream(text: &str) -> RadiusUpstream {
    let snapshot = snapshot(&run(text));
    match &snapshot.authenticators[0].kind {
        AuthenticatorKind::Radius(upstream) => upstream.clone(),
        _ => panic!("an upstream"),
    }
}

#[test]
fn every_value_reaches_the_upstream() {
    let one = upstream(&of("\
port=1645
host_2=[2001:db8::2]
host_3=nps.example.com
port_3=1645
retries=5
retry_wait=1
nas_ip=2001:db8::9
pass_through_all=yes
pass_through_attr_names=Class , Cisco-AVPair,class
pw_codec=LATIN-1
force_message_authenticator=1"));
    let hosts: Vec<_> = one
        .hosts
        .iter()
        .map(|host| (host.name.as_str(), host.port))
        .collect();
    assert_eq!(
        hosts,
        [
            ("192.0.2.1", 1645),
            ("2001:db8::2", 1812),
            ("nps.example.com", 1645)
        ]
    );
    assert_eq!((one.retries, one.retry_wait.as_secs()), (5, 1));
    assert_eq!(one.nas_ip, Some("2001:db8::9".parse().unwrap()));
    assert!(one.pass_through.all && one.require_message_authenticator);
    let names: Vec<_> = one
        .pass_through
        .attributes
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["Class", "Cisco-AVPair"]);
    assert_eq!(one.password_codec, PasswordCodec::Latin1);
}

#[test]
fn what_is_not_written_has_the_defaults_of_the_documentation() {
    let one = upstream(&of(""));
    assert_eq!(one.hosts[0].port, 1812);
    assert_eq!((one.retries, one.retry_wait.as_secs()), (3, 2));
    assert_eq!(
        (one.nas_ip, one.password_codec),
        (None, PasswordCodec::Utf8)
    );
    assert!(!one.pass_through.all && one.pass_through.attributes.is_empty());
    assert!(!one.require_message_authenticator);
}

#[test]
fn bad_values_are_errors() {
    for (lines, want) in [
        (
            "host_2=http://nps",
            "host_2: 'http://nps' is no host name or address; write a host name or address, without scheme or port",
        ),
        (
            "host_2=192.0.2.2:1812",
            "host_2: '192.0.2.2:1812' is no host name or address",
        ),
        (
            "host_2=192.0.2.300",
            "host_2: '192.0.2.300' is no IP address",
        ),
        ("port=0", "port: '0' is out of range"),
        (
            "host_2=nps\nport_2=radius",
            "port_2: 'radius' is no whole number",
        ),
        (
            "retries=-1",
            "retries: '-1' is out of range; write a whole number from 0 to 100",
        ),
        ("retries=101", "retries: '101' is out of range"),
        (
            "retry_wait=0",
            "retry_wait: '0' is out of range; write a whole number from 1 to 600",
        ),
        ("retry_wait=0.5", "retry_wait: '0.5' is no whole number"),
        (
            "nas_ip=vpn.example.com",
            "nas_ip: 'vpn.example.com' is no IP address; write an IPv4 or IPv6 address",
        ),
        (
            "pw_codec=utf8",
            "pw_codec: 'utf8' is no value of this option; did you mean 'utf-8'? write one of utf-8, latin-1",
        ),
        (
            "pass_through_all=all",
            "pass_through_all: 'all' is neither true nor false",
        ),
        (
            "force_message_authenticator=require",
            "force_message_authenticator: 'require' is neither true nor false",
        ),
        (
            "pass_through_attr_names=Class,Cisco-AVPiar",
            "pass_through_attr_names: no dictionary has the attribute 'Cisco-AVPiar'; did you mean 'Cisco-AVPair'? '[main] dictionary=' adds a file of names",
        ),
        (
            "pass_through_attr_names=Wibble",
            "pass_through_attr_names: no dictionary has the attribute 'Wibble'; name another one, or add a file of names with '[main] dictionary='",
        ),
        (
            "pass_through_attr_names=,",
            "pass_through_attr_names: names no attribute; write names of RADIUS attributes, between commas",
        ),
    ] {
        expect(
            &run(&of(lines)),
            lines,
            &format!("error: [radius_client] {want}"),
        );
    }
}

#[test]
fn what_is_served_with_a_word_is_a_warning() {
    for (lines, want) in [
        (
            "host_2=192.0.2.1",
            "host_2: this host stands on line 4 already",
        ),
        (
            "host_3=nps",
            "host_3: there is no host_2; this one is asked all the same",
        ),
        (
            "port_2=1645",
            "port_2: there is no host_2, so this option has no effect; write 'host_2=' too, or remove the line",
        ),
        (
            "host_2=nps\nretries=0",
            "retries: one login is tried once and does not get to each of 2 hosts; write retries=1 or more",
        ),
        (
            "host_2=nps\nhost_3=c\nretries=1",
            "retries: one login is tried twice and does not get to each of 3 hosts; write retries=2 or more",
        ),
        (
            "host_2=b\nhost_3=c\nhost_4=d\nhost_5=e",
            "host_5: one login is tried 4 times and does not get to each of 5 hosts; write retries=4 or more",
        ),
        (
            "pass_through_attr_names=Class,state",
            "pass_through_attr_names: 'State' belongs to one hop and is never passed; remove it from the list",
        ),
        (
            "pass_through_attr_names=User-Password",
            "pass_through_attr_names: 'User-Password' belongs to one hop",
        ),
        (
            "pass_through_attr_names=Message-Authenticator",
            "pass_through_attr_names: 'Message-Authenticator' belongs to one hop",
        ),
        (
            "pass_through_attr_names=Proxy-State",
            "pass_through_attr_names: 'Proxy-State' belongs to one hop",
        ),
        (
            "pass_through_attr_names=EAP-Message",
            "pass_through_attr_names: 'EAP-Message' belongs to one hop",
        ),
        (
            "pass_through_attr_names=CHAP-Challenge",
            "pass_through_attr_names: 'CHAP-Challenge' goes along with a CHAP login",
        ),
        (
            "pass_through_attr_names=MS-CHAP2-Success",
            "pass_through_attr_names: 'MS-CHAP2-Success' goes along with an MS-CHAP login",
        ),
        (
            "pass_through_attr_names=Reply-Message",
            "pass_through_attr_names: 'Reply-Message' is not passed",
        ),
        (
            "secret_2=hunter2",
            "secret_2: this section has no such option, it is ignored; did you mean 'secret'?",
        ),
        (
            "message_authenticator=require",
            "message_authenticator: this section has no such option, it is ignored; did you mean 'force_message_authenticator'?",
        ),
        (
            "timeout=5",
            "timeout: this section has no such option, it is ignored",
        ),
    ] {
        let report = run(&of(lines));
        expect(&report, lines, &format!("warning: [radius_client] {want}"));
        assert_eq!(snapshot(&report).integrations.len(), 1, "{lines}");
    }
    let server = "pass_through_attr_names=NAS-IP-Address,NAS-Identifier,Calling-Station-Id";
    expect(
        &run(&file("", "", server, "")),
        "the gateway's own",
        "warning: [radius_server_auto] pass_through_attr_names: 'NAS-IP-Address' is this gateway's own",
    );
    let named =
        "pass_through_attr_names=MS-MPPE-Send-Key,MS-MPPE-Recv-Key,Tunnel-Password,NAS-IP-Address";
    assert_eq!(said(&run(&of(named))), Vec::<String>::new());
}

#[test]
fn an_upstream_that_is_this_gateway_gets_a_word() {
    for (main, host, server, told) in [
        ("", "127.0.0.1", "", true),
        ("", "[::1]", "", true),
        ("", "LOCALHOST", "", true),
        ("", "127.0.0.1", "port=1645", false),
        ("", "127.0.0.1", "interface=192.0.2.7", false),
        ("", "192.0.2.7", "interface=192.0.2.7", true),
        ("interface=192.0.2.7", "192.0.2.7", "", true),
        ("interface=192.0.2.7", "localhost", "", false),
        ("interface=127.0.0.1", "localhost", "", true),
        ("", "192.0.2.7", "", false),
        ("", "nps", "", false),
    ] {
        let text =
            file(main, "", server, "").replace("host=192.0.2.1\n", &format!("host={host}\n"));
        let report = run(&text);
        if told {
            let want =
                "warning: [radius_client] host: this is where [radius_server_auto] is served";
            expect(&report, host, want);
        } else {
            assert_eq!(
                said(&report),
                Vec::<String>::new(),
                "{main} {host} {server}"
            );
        }
    }
    let two = of("host_2=127.0.0.1\nport_2=1645");
    assert_eq!(said(&run(&two)), Vec::<String>::new());
}
