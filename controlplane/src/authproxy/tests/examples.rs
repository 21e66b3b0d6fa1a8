//! Whole files of the shapes that guides for devices show.

use super::*;

/// Password by a directory over TLS, then a push.
const OVER_A_DIRECTORY: &str = "\
; the directory
[ad_client]
host=dc1.example.com
host_2=dc2.example.com
service_account_username=lookup
service_account_password=a%b;c#d=e
search_dn=DC=example,DC=com
security_group_dn=CN=VPN,DC=example,DC=com
auth_type=plain
bind_dn=CN=lookup,DC=example,DC=com
transport=ldaps
ssl_ca_certs_file=server.pem

[radius_server_auto]
ikey=DIXXXXXXXXXXXXXXXXXX
skey=keykeykey
api_host=api-12345678.example.com
radius_ip_1=10.1.2.3
radius_secret_1=first %;#= secret
failmode=secure
port=1812
";

#[test]
fn auto_over_a_directory() {
    let report = run(OVER_A_DIRECTORY);
    assert_eq!(report.diagnostics, []);
    assert_eq!(report.files_read, [Path::new("conf/server.pem")]);
    let snapshot = snapshot(&report);
    let one = &snapshot.integrations[0];
    assert_eq!(one.id.as_str(), "radius_server_auto");
    assert_eq!(
        (one.mode, one.port, one.fail_mode),
        (Mode::Auto, 1812, FailMode::Secure)
    );
    assert_eq!(one.clients[0].secret, Secret::from("first %;#= secret"));
    assert_eq!(one.authenticator.as_ref().unwrap().as_str(), "ad_client");
    assert_eq!(
        one.append,
        Append::Delimited {
            delimiter: ",".to_owned()
        }
    );
    let AuthenticatorKind::Ad(directory) = &snapshot.authenticators[0].kind else {
        panic!("a directory")
    };
    let hosts: Vec<_> = directory
        .hosts
        .iter()
        .map(|host| (host.name.as_str(), host.port))
        .collect();
    assert_eq!(hosts, [("dc1.example.com", 636), ("dc2.example.com", 636)]);
    assert_eq!(
        directory.service_account_password,
        Secret::from("a%b;c#d=e")
    );
    assert_eq!(directory.security_groups, ["CN=VPN,DC=example,DC=com"]);
    assert_eq!(directory.transport, Transport::Ldaps);
    assert!(
        directory
            .ca_certs
            .as_ref()
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    assert!(directory.verify_hostname);
    assert_eq!(directory.username_attribute, "sAMAccountName");
}

#[test]
fn a_mark_and_carriage_returns_change_nothing() {
    let windows = format!("\u{feff}{}", OVER_A_DIRECTORY.replace('\n', "\r\n"));
    assert_eq!(run(&windows).imported, run(OVER_A_DIRECTORY).imported);
}

#[test]
fn auto_over_an_upstream_radius_server() {
    let report = run("\
[main]
interface=192.0.2.7
http_proxy_host=proxy.example.com
http_proxy_port=3128
dictionary=names
debug=yes

[radius_client]
host=192.0.2.1
host_2=2001:db8::2
port_2=1645
secret=upstream
retries=1
pass_through_attr_names=Cisco-AVPair, Acme-Role
force_message_authenticator=true

[radius_server_auto]
ikey=DIXXXXXXXXXXXXXXXXXX
skey_protected=sealed:keykeykey
api_host=api-12345678.example.com:8443
radius_ip=10.0.0.0/255.255.255.0
radius_secret_1=one
radius_ip_2=2001:db8::/64
radius_secret_2=two
message_authenticator_2=off
pass_through_all=true
client_ip_attr=paloalto
factors=push, phone
exempt_username_1=service
api_timeout=30
");
    assert_eq!(text(&report.diagnostics), "");
    assert_eq!(report.files_read, [Path::new("conf/names")]);
    let snapshot = snapshot(&report);
    assert!(snapshot.settings.debug);
    assert_eq!(snapshot.settings.http_proxy.as_ref().unwrap().port, 3128);
    let one = &snapshot.integrations[0];
    assert_eq!(one.listen, Some("192.0.2.7".parse().unwrap()));
    assert_eq!(
        (one.application.host.as_str(), one.application.port),
        ("api-12345678.example.com", 8443)
    );
    assert_eq!(one.application.skey, Secret::from("keykeykey"));
    let clients: Vec<_> = one
        .clients
        .iter()
        .map(|client| (client.address.to_string(), client.message_authenticator))
        .collect();
    assert_eq!(
        clients,
        [
            ("10.0.0.0/24".to_owned(), MessageAuthenticator::Auto),
            ("2001:db8::/64".to_owned(), MessageAuthenticator::Off),
        ]
    );
    let attribute = one.client_ip_attribute.as_ref().unwrap();
    assert_eq!((attribute.vendor, attribute.number), (Some(25461), 7));
    assert_eq!(one.exempt_users, ["service"]);
    assert!(one.pass_through.all);
    let AuthenticatorKind::Radius(upstream) = &snapshot.authenticators[0].kind else {
        panic!("an upstream")
    };
    let hosts: Vec<_> = upstream
        .hosts
        .iter()
        .map(|host| (host.name.as_str(), host.port))
        .collect();
    assert_eq!(hosts, [("192.0.2.1", 1812), ("2001:db8::2", 1645)]);
    assert!(upstream.require_message_authenticator);
    let names: Vec<_> = upstream
        .pass_through
        .attributes
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["Cisco-AVPair", "Acme-Role"]);
}

#[test]
fn the_device_has_checked_the_password() {
    let report = run("\
[duo_only_client]
[radius_server_auto]
api_host=builtin
radius_ip_1=10.1.2.3
radius_secret_1=one
failmode=secure
force_message_authenticator=true
allow_concat=false
");
    assert_eq!(report.diagnostics, []);
    let imported = report.imported.as_ref().unwrap();
    assert_eq!(imported.builtin().len(), 1);
    assert_eq!(imported.builtin()[0].integration, "radius_server_auto");
    let snapshot = snapshot(&report);
    let one = &snapshot.integrations[0];
    assert_eq!(*one.application.ikey, *"made-for-radius_server_auto");
    assert_eq!(
        one.clients[0].message_authenticator,
        MessageAuthenticator::Require
    );
    assert_eq!(one.append, Append::Never);
    assert_eq!(snapshot.authenticators[0].kind, AuthenticatorKind::DuoOnly);
}

#[test]
fn several_sections_share_what_they_can() {
    let report = run("\
[main]
client=radius_client2
[radius_client]
host=192.0.2.1
secret=a
[radius_client2]
host=192.0.2.2
secret=b
[radius_server_auto]
ikey=A
skey=a
api_host=api.example.com
radius_ip_1=10.1.2.3
radius_secret_1=one
[radius_server_concat]
ikey=B
skey=b
api_host=api.example.com
client=radius_client
radius_ip_1=10.1.2.4
radius_secret_1=one
delimited_password_length=8
[radius_server_duo_only]
ikey=C
skey=c
api_host=api.example.com
failmode=secure
port=18120
radius_ip_1=10.1.2.3
radius_secret_1=one
");
    assert_eq!(report.diagnostics, []);
    let snapshot = snapshot(&report);
    let got: Vec<_> = snapshot
        .integrations
        .iter()
        .map(|one| {
            (
                one.id.as_str(),
                one.mode,
                one.authenticator.as_ref().map(|id| id.as_str()),
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            ("radius_server_auto", Mode::Auto, Some("radius_client2")),
            ("radius_server_concat", Mode::Concat, Some("radius_client")),
            ("radius_server_duo_only", Mode::DuoOnly, None),
        ]
    );
    assert!(matches!(
        snapshot.integrations[1].append,
        Append::FixedLength { .. }
    ));
    assert_eq!(snapshot.integrations[2].append, Append::Never);
}
