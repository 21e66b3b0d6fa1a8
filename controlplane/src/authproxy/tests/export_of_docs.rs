//! Every example of the documentation comes back, and files of the shapes that the tests of the
//! whole product have.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::export::{comes_back, pinned};
use super::*;

/// Files of any name, by their suffix.
struct AnyFile;

impl Files for AnyFile {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let text = match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("pem") => include_str!("server.pem"),
            Some("key") => include_str!("server.key"),
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(FileContent {
            octets: text.as_bytes().to_vec(),
            mode: Some(0o600),
        })
    }
}

/// The snapshot of a file; none of one with errors.
fn read(text: &str) -> Option<raw::Snapshot> {
    let source = Source {
        path: Path::new("conf/authproxy.cfg"),
        octets: text.as_bytes(),
        mode: Some(0o600),
        now_ms: NOW_MS,
        files: &AnyFile,
        unseal: &|_| Some(Secret::from("unsealed")),
    };
    let imported = import(&source, &Dictionary::builtin()).imported?;
    Some(imported.resolve(1, pinned))
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "md") {
            found.push(path);
        }
    }
}

/// The blocks of a page that are files or parts of one, without what they are indented by.
fn examples(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        let line = line.trim_start();
        match (&mut open, line.starts_with("```")) {
            (None, true) => open = Some(String::new()),
            (Some(_), true) => found.extend(open.take()),
            (Some(text), false) => text.extend([line, "\n"]),
            (None, false) => {}
        }
    }
    let header = |line: &str| {
        let name = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        name.is_some_and(|name| schema::SectionKind::parse(name).is_some())
    };
    found.retain(|text| text.lines().any(header));
    found
}

/// What completes a part of a file.
const CLIENT: &str = "[duo_only_client9]\n";
const DIRECTORY: &str = "[ad_client]\nhost=dc\nservice_account_username=u\n\
    service_account_password=p\nsearch_dn=DC=x\n";
const SERVER: &str = "[radius_server_auto9]\nport=999\napi_host=builtin\nradius_ip_1=10.0.0.1\n\
    radius_secret_1=x\n";

#[test]
fn every_example_of_the_documentation_comes_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = vec![root.join("README.md")];
    pages(&root.join("docs/src"), &mut found);
    let (mut came_back, mut refused) = (0, Vec::new());
    for page in found {
        for example in examples(&fs::read_to_string(&page).unwrap()) {
            let completed = [
                example.clone(),
                format!("{CLIENT}{example}"),
                format!("{DIRECTORY}{example}"),
                format!("{example}{SERVER}"),
                format!("{CLIENT}{example}{SERVER}client=duo_only_client9\n"),
            ];
            match completed.iter().find_map(|text| read(text)) {
                Some(snapshot) => {
                    comes_back(&snapshot);
                    came_back += 1;
                }
                None => refused.push(format!("{}:\n{example}", page.display())),
            }
        }
    }
    assert_eq!(refused, Vec::<String>::new());
    assert!(came_back > 25, "{came_back}");
}

#[test]
fn files_of_the_tests_of_the_whole_product_come_back() {
    let main = "[main]\ninterface=127.0.0.1\nhttp_ca_certs_file=ca.pem\n";
    let server = |name: &str| {
        format!(
            "[{name}]\nport=18120\nikey=DIXXXXXXXXXXXXXXXXXX\nskey=deadbeefdeadbeefdeadbeefdeadbeefdeadbeef\n\
             api_host=localhost:8443\nradius_ip_1=127.0.0.0/8\nradius_secret_1=testing123\n"
        )
    };
    let samba = "[ad_client]\nhost=127.0.0.2\nservice_account_username=lookup\n\
        service_account_password=Lookup-1\nsearch_dn=DC=lab,DC=example\nssl_ca_certs_file=ca.pem\n";
    let slapd = "[ad_client2]\nservice_account_username=cn=lookup,dc=lab\nservice_account_password=x\n\
        search_dn=dc=lab\nusername_attribute=uid\nat_attribute=mail\nauth_type=plain\n\
        host=localhost\nport=3890\ntransport=starttls\nssl_ca_certs_file=ca.pem\n";
    let upstreams = "[radius_client]\nsecret=testing123\nhost=127.0.0.1\nport=18121\nhost_2=127.0.0.2\n\
        port_2=18122\nretries=1\nretry_wait=1\npass_through_all=true\n";
    let duo_only = "[duo_only_client]\n";
    let challenge = "client=ad_client\nprompt_format=short\npasscode_retries=2\nfactors=push,sms,passcode\n\
        enroll_challenge=false\nprompt_split=true\n";
    let eap = "client=radius_client\nfailmode=secure\ncerts=server.pem\npkey=server.key\n\
        minimum_tls_version=tls1.3\ncipher_list=TLS_AES_128_GCM_SHA256\nfactors=push\n";
    for (claim, text) in [
        (
            "two clients, one port",
            format!(
                "{main}{duo_only}{}failmode=secure\nradius_ip_2=127.0.0.9\nradius_secret_2=other\n\
                 message_authenticator_2=off\n",
                server("radius_server_auto")
            ),
        ),
        (
            "pairs of a client section and a server section",
            format!(
                "{main}{samba}{slapd}{}client=ad_client\n{}client=ad_client2\n",
                server("radius_server_auto"),
                server("radius_server_auto2").replace("18120", "18123")
            ),
        ),
        (
            "a menu",
            format!(
                "{main}{samba}{}{challenge}",
                server("radius_server_challenge")
            ),
        ),
        (
            "EAP over two upstreams",
            format!("{upstreams}{main}{}{eap}", server("radius_server_eap")),
        ),
        (
            "the built-in second factor with keys of the file",
            format!(
                "{duo_only}{}failmode=secure\n",
                server("radius_server_duo_only").replace("localhost:8443", "builtin")
            ),
        ),
        (
            "sealed secrets",
            format!(
                "{upstreams}{}",
                server("radius_server_concat").replace("skey=", "skey_protected=sealed:")
            ),
        ),
    ] {
        let snapshot = read(&text).unwrap_or_else(|| panic!("{claim}: {text}"));
        comes_back(&snapshot);
    }
}
