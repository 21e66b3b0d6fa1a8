//! Every section and option as JSON, for the page's editor and its forms. What an option becomes is
//! found out by importing it.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use controlplane::authproxy::schema::{Kind, Numbering, OptionSpec, SectionKind, options_of};
use controlplane::authproxy::{Fate, FileContent, Files, LineReport, Shown, Source, import};
use controlplane::dictionary::Dictionary;
use controlplane::issue::{Issued, ServerNames, self_signed};
use serde_json::{Value, json};

/// The document.
pub(crate) fn document() -> String {
    let (mut sections, mut faults) = (Vec::new(), Vec::new());
    for kind in SectionKind::ALL.iter().copied() {
        let mut options = Vec::new();
        for option in options_of(kind) {
            match described(kind, option) {
                Ok(described) => options.push(described),
                Err(fault) => faults.push(fault),
            }
        }
        sections.push(json!({
            "section": kind.name(), "summary": kind.help(), "options": options,
        }));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    format!("{:#}\n", Value::from(sections))
}

fn described(kind: SectionKind, option: &OptionSpec) -> Result<Value, String> {
    let line = imported(kind, option)?;
    let mut fields: Vec<String> = line.places.iter().map(|place| field(kind, place)).collect();
    fields.dedup();
    let why_not = line
        .why
        .iter()
        .find(|why| {
            ["not served", "no effect"]
                .iter()
                .any(|words| why.contains(words))
        })
        .cloned();
    // What it has in it can be named in the file, and is nowhere by itself.
    if why_not.is_none() && fields.is_empty() && option.name != "dictionary" {
        return Err(format!(
            "[{}] {} becomes nothing: {line:?}",
            kind.name(),
            option.name
        ));
    }
    Ok(json!({
        "name": option.name,
        "numbered": option.numbering != Numbering::Single,
        "first_number": match option.numbering {
            Numbering::Single => None,
            Numbering::FromTwo => Some(2),
            Numbering::FromOne => Some(1),
            _ => panic!("a numbering that the page does not know"),
        },
        "required": option.required,
        "value": option.kind.describe(),
        "values": match option.kind {
            Kind::Boolean => Some(&["true", "false"][..]),
            Kind::Choice(words) | Kind::Factors(words) => Some(words),
            _ => None,
        },
        "list": matches!(option.kind, Kind::Factors(_) | Kind::AddressList | Kind::Attributes),
        "default": option.default,
        "secret": option.kind == Kind::Secret,
        "new": option.ours,
        "served": why_not.is_none(),
        "why_not": why_not,
        "meaning": option.help,
        "field": fields.first(),
        "also": fields.get(1..).unwrap_or_default(),
    }))
}

/// The path within the resource, `[]` for any element: `clients[].secret`. What `[main]` gives to
/// sections that say nothing themselves has the name of their list in front.
fn field(kind: SectionKind, place: &dyn ToString) -> String {
    let whole = place.to_string();
    let (list, within) = match whole.split_once("].") {
        Some((head, within)) => (head.split('[').next().unwrap(), within),
        None => whole.split_once('.').unwrap(),
    };
    let mut path = String::new();
    let mut index = false;
    for character in within.chars() {
        match character {
            '[' => {
                index = true;
                path.push_str("[]");
            }
            ']' => index = false,
            _ if index => {}
            character => path.push(character),
        }
    }
    match kind == SectionKind::Main && list != "settings" {
        true => format!("{list}[].{path}"),
        false => path,
    }
}

/// The line of an option in a file that has it and all that it needs.
fn imported(kind: SectionKind, option: &OptionSpec) -> Result<LineReport, String> {
    let key = match option.numbering {
        Numbering::FromOne => format!("{}_1", option.name),
        _ => option.name.to_owned(),
    };
    let text = file(kind, &key, value(kind, option));
    let source = Source {
        path: Path::new("authproxy.cfg"),
        octets: text.as_bytes(),
        mode: None,
        now_ms: NOW_MS,
        files: &Pems,
        unseal: &|_| None,
    };
    let report = import(&source, &Dictionary::builtin());
    let mut lines = report.lines.told.into_iter();
    let found = lines.find(|line| {
        line.section.as_deref() == Some(kind.name()) && line.option.as_ref() == Some(&key)
    });
    let mut line = found.ok_or_else(|| format!("no line of {key} in\n{text}"))?;
    // What is ignored needs no good file to be told so.
    if line.fate == Fate::Ignored {
        return Ok(line);
    }
    let Some(good) = report.imported else {
        let wrong: Vec<&str> = report
            .diagnostics
            .iter()
            .map(|one| one.message.as_str())
            .collect();
        return Err(format!("{text}is refused: {}", wrong.join("; ")));
    };
    let snapshot = good.resolve(1, |_| panic!("nothing of the built-in second factor"));
    line.settle(&Shown::new(&serde_json::to_value(snapshot).unwrap()));
    Ok(line)
}

/// A good file with a section of this kind, and the option in it.
fn file(kind: SectionKind, key: &str, value: &str) -> String {
    const SERVER: &[(&str, &str)] = &[
        ("ikey", "DIXXXXXXXXXXXXXXXXXX"),
        ("skey", "0123456789012345678901234567890123456789"),
        ("api_host", "api.example.com"),
        ("radius_ip_1", "192.0.2.1"),
        ("radius_secret_1", "a-secret-of-some-length"),
    ];
    const UPSTREAM: &[(&str, &str)] =
        &[("host", "192.0.2.9"), ("secret", "a-secret-of-some-length")];
    const DIRECTORY: &[(&str, &str)] = &[
        ("host", "dc1.example.com"),
        ("service_account_username", "svc"),
        ("service_account_password", "password"),
        ("search_dn", "DC=example,DC=com"),
    ];
    let mut all: Vec<(&str, Vec<(&str, &str)>)> = vec![
        (
            "radius_server_auto",
            [SERVER, &[("client", "radius_client")]].concat(),
        ),
        ("radius_client", UPSTREAM.to_vec()),
    ];
    let mut own = match kind {
        SectionKind::AdClient => DIRECTORY.to_vec(),
        SectionKind::RadiusClient => UPSTREAM.to_vec(),
        kind if kind.mode().is_some() => [SERVER, &[("port", "18120")]].concat(),
        _ => Vec::new(),
    };
    own.extend(match (kind, key) {
        (SectionKind::RadiusServerEap, _) => vec![
            ("client", "radius_client"),
            ("certs", "chain.pem"),
            ("pkey", "key.pem"),
            ("allow_concat", "true"),
        ],
        (SectionKind::RadiusServerDuoOnly, _) => Vec::new(),
        (kind, _) if kind.mode().is_some() => vec![("client", "radius_client")],
        (SectionKind::AdClient, "bind_dn") => vec![("auth_type", "plain")],
        (SectionKind::AdClient, "nested_groups") => {
            vec![("security_group_dn", "CN=vpn,DC=example,DC=com")]
        }
        (SectionKind::AdClient, "ssl_ca_certs_file" | "ssl_verify_hostname") => {
            vec![("transport", "ldaps")]
        }
        (SectionKind::Main, "http_proxy_port") => vec![("http_proxy_host", "proxy.example.com")],
        _ => Vec::new(),
    });
    match (kind, key) {
        // What the section takes from here it must not say itself.
        (SectionKind::Main, "client") => all[0].1.retain(|(name, _)| *name != "client"),
        (SectionKind::LdapServerAuto, _) => all.push(("ad_client", DIRECTORY.to_vec())),
        _ => {}
    }
    all.retain(|(name, _)| *name != kind.name());
    own.retain(|(name, _)| *name != key);
    own.push((key, value));
    if key == "passcode_retries"
        && matches!(
            kind,
            SectionKind::RadiusServerAuto | SectionKind::RadiusServerEap
        )
    {
        own.push(("factors", "passcode"));
    }
    all.push((kind.name(), own));
    let mut text = String::new();
    for (name, options) in all {
        text.push_str(&format!("[{name}]\n"));
        for (name, value) in options {
            text.push_str(&format!("{name}={value}\n"));
        }
    }
    text
}

/// A good value, and none that holds without the option.
fn value(kind: SectionKind, option: &OptionSpec) -> &'static str {
    match (option.name, option.kind) {
        ("host", _) if kind == SectionKind::RadiusClient => "192.0.2.9",
        ("prompt_format", _) => "html",
        ("minimum_tls_version", _) => "tls1.2",
        ("pass_through_attr_names", _) => "Class",
        ("client_ip_attr", _) => "NAS-IP-Address",
        ("passcode_retries", _) => "2",
        ("pkey", _) => "key.pem",
        ("exempt_username", _) => "alice",
        ("server", _) => "radius_server_auto",
        ("dictionary", _) => "dictionary",
        ("client", _) if kind == SectionKind::LdapServerAuto => "ad_client",
        ("client", _) => "radius_client",
        ("search_dn", _) => "DC=example,DC=com",
        ("auth_type", _) => "plain",
        (_, Kind::Boolean) if option.default == Some("true") => "false",
        (_, Kind::Boolean) => "true",
        (_, Kind::Integer(..)) if option.name.contains("port") => "1024",
        (_, Kind::Integer(..)) => "7",
        (_, Kind::Choice(words)) => words[1],
        (_, Kind::Factors(_)) => "push",
        (_, Kind::Address) => "192.0.2.5",
        (_, Kind::Addresses | Kind::AddressList) => "192.0.2.0/24",
        (_, Kind::ApiHost) => "api.example.com:8443",
        (_, Kind::Path) => "chain.pem",
        (_, Kind::CipherList) => "ECDHE+AESGCM",
        (_, Kind::Delimiter) => "#",
        (_, Kind::Dn) => "CN=vpn,DC=example,DC=com",
        (_, Kind::Filter) => "(objectClass=user)",
        (_, Kind::LdapAttribute) => "uid",
        (_, Kind::Secret) => "another-secret-of-some-length",
        _ => "example",
    }
}

/// A certificate and its key under each name, and no dictionary with anything in it.
struct Pems;

static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let names = ServerNames::parse(&["radius.example.com".to_owned()]).unwrap();
    self_signed(&names, i64::try_from(NOW_MS / 1_000).unwrap() - 60, 365).unwrap()
});

impl Files for Pems {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let text = match path.file_name().and_then(|name| name.to_str()) {
            Some("chain.pem") => &ISSUED.certificates,
            Some("key.pem") => ISSUED.private_key.expose(),
            _ => "",
        };
        Ok(FileContent {
            octets: text.as_bytes().to_vec(),
            mode: Some(0o600),
        })
    }
}

const NOW_MS: u64 = 1_763_820_000_000;
