//! What a snapshot looks like as a file, and that it comes back.

use std::path::PathBuf;

use super::super::export::{ExportError, Exported, ExportedFile, Style, export};
use super::*;
use crate::protected::reveal;
use crate::seal::Key;

/// The application that an installation gives to `api_host=builtin`.
pub(super) fn pinned(wanted: &BuiltinApplication) -> raw::Application {
    let made = || format!("made-for-{}", wanted.integration);
    raw::Application {
        ikey: wanted.ikey.clone().unwrap_or_else(made),
        skey: wanted.skey.clone().unwrap_or_else(|| Secret::from("made")),
        host: "127.0.0.1".to_owned(),
        port: 8402,
        pinned_ca: Some("its certificate".to_owned()),
    }
}

/// Imports what was exported, beside nothing but the files that came along.
pub(super) fn import_again(exported: &Exported, key: &Key) -> Report {
    let mut files = InMemory::default();
    for ExportedFile { name, content, .. } in &exported.files {
        let path = format!("conf/{name}");
        files = files.with(&path, content.expose());
    }
    assert_eq!(
        files.0.len(),
        exported.files.len(),
        "two files have one name"
    );
    let source = Source {
        path: Path::new("conf/authproxy.cfg"),
        octets: exported.text.expose().as_bytes(),
        mode: Some(0o600),
        now_ms: NOW_MS,
        files: &files,
        unseal: &|text| reveal(key, text),
    };
    let report = import(&source, &Dictionary::builtin());
    let named: Vec<PathBuf> = files.0.into_keys().collect();
    assert_eq!(report.files_read, named, "what came along is what is named");
    report
}

/// Exports a snapshot that came from a file and imports it, with secrets in clear and sealed.
#[track_caller]
pub(super) fn comes_back(snapshot: &raw::Snapshot) {
    let key = Key::new([7; 32]);
    let known = Dictionary::builtin();
    for style in [Style::Clear, Style::Sealed(&key)] {
        let exported = match export(snapshot, &known, style) {
            Err(ExportError::NotCarried(faults)) if matches!(style, Style::Clear) => {
                let only_sealed = |message: &str| message.ends_with("; sealed it can be written");
                assert!(
                    faults.0.iter().all(|one| only_sealed(&one.message)),
                    "{faults}"
                );
                continue;
            }
            exported => exported.unwrap_or_else(|error| panic!("{error:?}")),
        };
        assert_eq!(exported.left_out, Vec::<String>::new());
        let report = import_again(&exported, &key);
        let Some(imported) = &report.imported else {
            panic!("{}\n{}", exported.text.expose(), text(&report.diagnostics))
        };
        assert_eq!(
            &imported.resolve(snapshot.revision, pinned),
            snapshot,
            "{}",
            exported.text.expose()
        );
    }
}

fn exported(text: &str, style: Style<'_>) -> Exported {
    let imported = run(text).imported.unwrap();
    export(&imported.resolve(1, pinned), &Dictionary::builtin(), style).unwrap()
}

/// Options that differ from their defaults, in no order, and some that do not.
const FULL: &str = "\
[radius_server_eap3]
pkey=server.key
certs=server.pem
client=radius_client
radius_secret_7=nas-two
radius_ip_7=10.0.0.0/255.255.255.0
radius_secret_3=nas-one
radius_ip_3=10.1.2.3
message_authenticator_3=require
api_host=API-1.example.com:8443
ikey=DIE
skey=skey-eap
cipher_list=ECDHE:!AES128:!TLSv1.3
port=1812
failmode=safe
[main]
dictionary=names
interface=192.0.2.7
http_proxy_port=80
http_proxy_host=proxy
http_ca_certs_file=server.pem
debug=yes
log_dir=/var/log
[radius_client]
port_4=1645
host_4=2001:db8::2
host=192.0.2.1
pass_through_attr_names=cisco-avpair, Acme-Role
secret=upstream
[ad_client]
search_dn=DC=example,DC=com
host=dc1
service_account_password= a%b;c#d=e
service_account_username=LAB\\lookup
security_group_dn_2=CN=VPN,DC=example,DC=com
security_group_dn_5=CN=Admins,DC=example,DC=com
transport=LDAPS
ssl_ca_certs_file=leaf.pem
ldap_filter=& (a=b) (c=d)
[radius_server_concat]
client=ad_client
api_host=Builtin
radius_ip_1=10.9.0.1
radius_secret_1=nas-three
force_message_authenticator=on
exempt_username_2=svc
client_ip_attr=Calling-Station-Id
";

const FULL_EXPORTED: &str = "\
[main]
debug=true
log_dir=/var/log
http_ca_certs_file=main.http_ca_certs.pem
http_proxy_host=proxy
dictionary=main.dictionary

[radius_client]
host=192.0.2.1
host_2=2001:db8::2
port_2=1645
secret=upstream
pass_through_attr_names=Cisco-AVPair,Acme-Role

[ad_client]
host=dc1
service_account_username=LAB\\lookup
service_account_password=a%b;c#d=e
search_dn=DC=example,DC=com
security_group_dn=CN=VPN,DC=example,DC=com
security_group_dn_2=CN=Admins,DC=example,DC=com
ldap_filter=(&(a=b)(c=d))
transport=ldaps
ssl_ca_certs_file=ad_client.ssl_ca_certs.pem

[radius_server_eap3]
ikey=DIE
skey=skey-eap
api_host=API-1.example.com:8443
client=radius_client
radius_ip_1=10.1.2.3
radius_secret_1=nas-one
message_authenticator_1=require
radius_ip_2=10.0.0.0/255.255.255.0
radius_secret_2=nas-two
interface=192.0.2.7
certs=radius_server_eap3.certs.pem
pkey=radius_server_eap3.pkey.pem
cipher_list=ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:!TLSv1.3

[radius_server_concat]
ikey=made-for-radius_server_concat
skey=made
api_host=builtin
client=ad_client
radius_ip_1=10.9.0.1
radius_secret_1=nas-three
interface=192.0.2.7
client_ip_attr=Calling-Station-Id
exempt_username_1=svc
force_message_authenticator=true
";

#[test]
fn only_what_differs_from_the_defaults_is_written_in_the_order_of_the_schema() {
    let exported = exported(FULL, Style::Clear);
    assert_eq!(exported.text.expose(), FULL_EXPORTED);
    let files: Vec<_> = exported
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.content.expose().as_str()))
        .collect();
    let want = [
        ("main.http_ca_certs.pem", include_str!("server.pem")),
        (
            "main.dictionary",
            "VENDOR Vendor-99999 99999\nBEGIN-VENDOR Vendor-99999\nATTRIBUTE Acme-Role 3 string\n\
             END-VENDOR Vendor-99999\n",
        ),
        ("ad_client.ssl_ca_certs.pem", include_str!("leaf.pem")),
        ("radius_server_eap3.certs.pem", include_str!("server.pem")),
        ("radius_server_eap3.pkey.pem", include_str!("server.key")),
    ];
    assert_eq!(files, want);
}

/// Every secret of [`FULL`].
const SECRETS: [&str; 7] = [
    "a%b;c#d=e",
    "skey-eap",
    "nas-one",
    "nas-two",
    "nas-three",
    "=upstream",
    "=made\n",
];

#[test]
fn sealed_secrets_are_opened_by_the_key_that_sealed_them_only() {
    let key = Key::new([7; 32]);
    let exported = exported(FULL, Style::Sealed(&key));
    let text = exported.text.expose();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}");
    }
    for line in [
        "\nskey_protected=sealed:",
        "\nradius_secret_protected_2=sealed:",
    ] {
        assert!(text.contains(line), "{line}");
    }
    assert!(import_again(&exported, &key).imported.is_some());
    let other = import_again(&exported, &Key::new([8; 32]));
    assert_eq!(count(&other.diagnostics).errors, SECRETS.len());
}

#[test]
fn what_is_shown_holds_no_secret_and_is_refused_by_an_import() {
    let exported = exported(FULL, Style::Shown);
    let shown = [exported.text.expose().as_str()];
    let files = exported
        .files
        .iter()
        .map(|file| file.content.expose().as_str());
    for text in shown.into_iter().chain(files) {
        for secret in SECRETS.into_iter().chain(["PRIVATE KEY"]) {
            assert!(!text.contains(secret), "{secret}");
        }
    }
    let written = exported.text.expose().matches("_protected").count();
    assert_eq!(written, SECRETS.len());
    let clear = exported.text.expose().replace("_protected", "");
    let want = SECRETS
        .iter()
        .fold(FULL_EXPORTED.to_owned(), |text, secret| {
            let secret = secret.trim_matches(['=', '\n']);
            text.replace(&format!("={secret}\n"), "=[secret]\n")
        });
    assert_eq!(clear, want);
    let report = import_again(&exported, &Key::new([7; 32]));
    assert!(report.imported.is_none());
}

#[test]
fn debug_shows_no_secret() {
    let exported = format!("{:?}", exported(FULL, Style::Clear));
    for secret in SECRETS
        .into_iter()
        .chain(["PRIVATE KEY", "[radius_client]"])
    {
        assert!(!exported.contains(secret), "{secret}");
    }
}

#[test]
fn ids_that_are_no_names_get_the_next_free_section() {
    let mut snapshot = run(FULL).imported.unwrap().resolve(1, pinned);
    let template = snapshot.integrations.swap_remove(1);
    snapshot.integrations.clear();
    let upstream = snapshot.authenticators[0].clone();
    snapshot.authenticators.clear();
    for id in ["radius_server_auto", "hq", "radius_client2", "ad_client"] {
        let mut one = upstream.clone();
        one.id = id.to_owned();
        snapshot.authenticators.push(one);
    }
    for (port, (id, mode)) in (1000..).zip([
        ("radius_server_auto2", Mode::Concat),
        ("vpn", Mode::Auto),
        ("radius_server_auto9", Mode::Auto),
        ("radius_server_concat0", Mode::Concat),
        (".-_", Mode::Auto),
    ]) {
        let mut one = template.clone();
        one.id = id.to_owned();
        one.mode = mode;
        one.port = port;
        one.authenticator = Some("hq".to_owned());
        snapshot.integrations.push(one);
    }
    comes_back(&snapshot);
    let exported = export(&snapshot, &Dictionary::builtin(), Style::Shown).unwrap();
    let lines: Vec<&str> = exported.text.expose().lines().collect();
    let told = lines.iter().filter(|line| {
        line.starts_with(['[']) || line.starts_with("id=") || line.starts_with("client=")
    });
    let told: Vec<_> = told.copied().collect();
    assert_eq!(
        told,
        [
            "[main]",
            "[radius_client]",
            "id=radius_server_auto",
            "[radius_client3]",
            "id=hq",
            "[radius_client2]",
            "[radius_client4]",
            "id=ad_client",
            "[radius_server_concat]",
            "id=radius_server_auto2",
            "client=radius_client3",
            "[radius_server_auto3]",
            "id=vpn",
            "client=radius_client3",
            "[radius_server_auto9]",
            "client=radius_client3",
            "[radius_server_concat2]",
            "id=radius_server_concat0",
            "client=radius_client3",
            "[radius_server_auto4]",
            "id=.-_",
            "client=radius_client3",
        ]
    );
}
