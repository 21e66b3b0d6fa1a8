//! Snapshots of every kind, made at random: each comes back.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proto::config;
use proto::config::{
    AttributeRef, AttributeType, CipherSuite, DirectoryAuth, FactorChoice, PassThrough,
    PasswordCodec, Prompt, PromptFormat, TlsVersion,
};

use super::super::export::{ExportError, Style, export};
use super::export::{comes_back, import_again, pinned};
use super::schema::SectionKind;
use super::*;
use crate::seal::Key;

/// Any value that a line can hold, with all that could be taken for more than itself.
pub(super) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!-~é§]([ -~é\t]{0,12}[!-~é§])?",
        "[;#%=\"'\\[\\]\\\\]{1,4}",
        "\\PC{1,8}".prop_filter("blanks around it", |text| text.trim() == text),
    ]
}

/// The same and what only a sealed value can hold.
fn any_secret() -> impl Strategy<Value = Secret<String>> {
    prop_oneof![
        9 => any_text(),
        1 => "[ \n\ra\u{85}]{1,6}",
    ]
    .prop_map(Secret::new)
}

fn attribute() -> impl Strategy<Value = AttributeRef> {
    let own = (
        select(vec!["Own-A", "Own_B", "Acme.Role"]),
        0_u32..3,
        1_u8..=255,
    )
        .prop_map(|(name, vendor, number)| AttributeRef {
            // One meaning for each name.
            name: format!("{name}-{vendor}-{number}"),
            vendor: (vendor > 0).then_some(vendor),
            number,
            data_type: AttributeType::ALL[usize::from(number) % AttributeType::ALL.len()],
        });
    let known = select(vec![
        "Class",
        "Filter-Id",
        "Cisco-AVPair",
        "Calling-Station-Id",
    ]);
    let known = known.prop_map(|name| Dictionary::builtin().lookup(name).unwrap());
    prop_oneof![own, known]
}

fn pass_through() -> impl Strategy<Value = PassThrough> {
    (any::<bool>(), vec(attribute(), 0..4)).prop_map(|(all, mut attributes)| {
        let mut seen = BTreeSet::new();
        attributes.retain(|one| seen.insert(one.name.clone()));
        PassThrough { all, attributes }
    })
}

fn host() -> impl Strategy<Value = raw::Host> {
    let name = select(vec![
        "dc1.example.com",
        "192.0.2.1",
        "2001:db8::1",
        "DC_2",
        "dc.",
    ]);
    (name, 1_u16..).prop_map(|(name, port)| raw::Host {
        name: name.to_owned(),
        port,
    })
}

fn upstream() -> impl Strategy<Value = raw::AuthenticatorKind> {
    (
        vec(host(), 1..4),
        any_secret(),
        (0_u32..=100, 1_u32..=600),
        of(select(vec!["192.0.2.9", "2001:db8::9"])),
        pass_through(),
        select(PasswordCodec::ALL),
        any::<bool>(),
    )
        .prop_map(
            |(hosts, secret, (retries, wait), nas_ip, passed, codec, require)| {
                raw::AuthenticatorKind::Radius(raw::RadiusUpstream {
                    hosts,
                    secret,
                    retries,
                    retry_wait_seconds: wait,
                    nas_ip: nas_ip.map(|address| address.parse().unwrap()),
                    pass_through: passed,
                    password_codec: codec,
                    require_message_authenticator: require,
                })
            },
        )
}

fn directory() -> impl Strategy<Value = raw::AuthenticatorKind> {
    let dn = || any_text().prop_map(|text| format!("CN={text}"));
    let attribute = || select(vec!["sAMAccountName", "userPrincipalName", "uid", "1.2.3"]);
    let filter = select(vec!["(a=b)", "(&(a=b)(!(c=*)))", "(cn:dn:1.2.3:=é)"]);
    let entries = (
        any_text(),
        any_secret(),
        dn(),
        vec(dn(), 0..4),
        any::<bool>(),
        of(filter),
    );
    let names = (
        attribute(),
        attribute(),
        of(any_text()),
        of(any_text()),
        of(any_text()),
    );
    let ports = prop_oneof![Just(389), Just(636), 1_u16..];
    (
        (vec(host(), 1..4), ports),
        entries,
        names,
        (
            select(Transport::ALL),
            select(DirectoryAuth::ALL),
            any::<bool>(),
            any::<bool>(),
        ),
        1_u32..=600,
    )
        .prop_map(
            |(
                (mut hosts, port),
                entries,
                names,
                (transport, auth_type, roots, verify),
                timeout,
            )| {
                for host in &mut hosts {
                    host.port = port;
                }
                raw::AuthenticatorKind::Ad(Box::new(raw::Directory {
                    hosts,
                    service_account_username: entries.0,
                    service_account_password: entries.1,
                    search_dn: entries.2,
                    security_groups: entries.3,
                    nested_groups: entries.4,
                    ldap_filter: entries.5.map(str::to_owned),
                    username_attribute: names.0.to_owned(),
                    at_attribute: names.1.to_owned(),
                    auth_type,
                    bind_dn: names.2,
                    ntlm_domain: names.3.unwrap_or_default(),
                    ntlm_workstation: names.4.unwrap_or_default(),
                    transport,
                    ca_certs: (roots && transport != Transport::Clear)
                        .then(|| include_str!("server.pem").to_owned()),
                    verify_hostname: verify,
                    timeout_seconds: timeout,
                }))
            },
        )
}

/// What an integration is called: as its section, as another kind's, or a name of its own.
fn id(kind: SectionKind, index: usize, form: u8) -> String {
    let number = index + 1;
    match form % 4 {
        0 => format!("{}{number}", kind.name()),
        1 => format!("vpn-{number}.Office_"),
        2 => format!("radius_client{}", number + 40),
        _ => format!("radius_server_auto{}", number + 40),
    }
}

fn application() -> impl Strategy<Value = raw::Application> {
    let host = select(vec!["api-1.example.com", "builtin", "API"]);
    let port = prop_oneof![Just(443), 1_u16..];
    ("[!-9;-~]{1,8}", any_secret(), host, port, any::<bool>()).prop_map(
        |(ikey, skey, host, port, builtin)| match builtin {
            true => pinned(&BuiltinApplication {
                integration: String::new(),
                ikey: Some(ikey),
                skey: Some(skey),
            }),
            false => raw::Application {
                ikey,
                skey,
                host: host.to_owned(),
                port,
                pinned_ca: None,
            },
        },
    )
}

fn clients() -> impl Strategy<Value = Vec<raw::Client>> {
    let policy = prop_oneof![
        Just(MessageAuthenticator::Require),
        select(MessageAuthenticator::ALL),
    ];
    vec((0_usize..4, any_secret(), policy), 1..5).prop_map(|all| {
        let all = all.into_iter().enumerate();
        let client = |(index, (form, secret, policy)): (usize, (usize, _, _))| raw::Client {
            address: [
                format!("10.0.{index}.1"),
                format!("10.0.{index}.0/255.255.255.0"),
                format!("10.0.{index}.4-10.0.{index}.9"),
                format!("2001:db8:{index}::/64"),
            ][form]
                .clone(),
            secret,
            message_authenticator: policy,
        };
        all.map(client).collect()
    })
}

/// The suites of a list that the certificate of these tests can be served with; none else.
fn suites(chosen: Vec<CipherSuite>, floor: TlsVersion) -> Vec<CipherSuite> {
    let mut suites = chosen;
    suites.retain(|one| one.version() >= floor);
    suites.sort_by_key(|one| one.version() != TlsVersion::Tls13);
    let served = suites.iter().any(|one| {
        let of_floor = one.version() == floor;
        of_floor && (floor == TlsVersion::Tls13 || one.as_str().contains("ECDSA"))
    });
    if served { suites } else { Vec::new() }
}

fn eap() -> impl Strategy<Value = raw::Eap> {
    let chosen = subsequence(CipherSuite::ALL, 0..=CipherSuite::ALL.len()).prop_shuffle();
    (select(TlsVersion::ALL), chosen).prop_map(|(floor, chosen)| raw::Eap {
        certificates: include_str!("server.pem").to_owned(),
        private_key: Secret::from(include_str!("server.key")),
        minimum_tls: floor,
        cipher_suites: suites(chosen, floor),
    })
}

/// An integration with options that its mode has, over one of these authenticators.
fn integration(
    index: usize,
    authenticators: Vec<(String, SectionKind)>,
) -> impl Strategy<Value = raw::Integration> {
    let append = (any::<bool>(), "[,;:#%=!-]{1,3}", of(1_u32..=1024));
    let factors = subsequence(FactorChoice::ALL, 0..=FactorChoice::ALL.len()).prop_shuffle();
    let prompt = (
        select(PromptFormat::ALL),
        any::<bool>(),
        any::<bool>(),
        any::<u8>(),
    );
    let first = (
        select(Mode::ALL),
        any::<u8>(),
        any::<Index>(),
        application(),
        clients(),
    );
    let second = (
        of(select(vec!["192.0.2.7", "2001:db8::7"])),
        select(FailMode::ALL),
        0_u32..=3600,
        select(PasswordCodec::ALL),
        of(attribute()),
        pass_through(),
        vec(any_text(), 0..3),
    );
    (first, second, factors, append, prompt, eap()).prop_map(
        move |(first, second, factors, append, prompt, eap)| {
            let (mode, form, pick, mut application, clients) = first;
            // One secret key for each.
            application.ikey = format!("{index}{}", application.ikey);
            let (listen, fail_mode, timeout, codec, address, passed, exempt) = second;
            let kind = SectionKind::ALL.iter().find(|one| one.mode() == Some(mode));
            let mut over = &authenticators[pick.index(authenticators.len())];
            if mode == Mode::Eap && over.1 == SectionKind::DuoOnlyClient {
                over = &authenticators[0];
            }
            let asked = matches!(mode, Mode::Auto | Mode::Challenge | Mode::Eap);
            let menu = mode == Mode::Challenge;
            let mut factors = factors;
            factors.retain(|one| asked && (menu || *one != FactorChoice::Sms));
            if factors.is_empty() && mode != Mode::Eap {
                factors.push(FactorChoice::Auto);
            }
            let splits = matches!(mode, Mode::Auto | Mode::Eap | Mode::Concat);
            let typed = mode == Mode::DuoOnly;
            let upstream = !typed && over.1 == SectionKind::RadiusClient;
            raw::Integration {
                id: id(*kind.unwrap(), index, form),
                mode,
                listen: listen.map(|address| address.parse().unwrap()),
                port: 1812 + u16::try_from(index).unwrap(),
                application,
                clients,
                authenticator: (!typed).then(|| over.0.clone()),
                fail_mode,
                factors,
                append: match splits {
                    true => raw::Append {
                        allow: append.0 || mode == Mode::Concat,
                        delimiter: append.1,
                        password_length: append.2,
                    },
                    false => raw::Append {
                        allow: false,
                        ..raw::Append::default()
                    },
                },
                pass_through: if upstream {
                    passed
                } else {
                    PassThrough::default()
                },
                client_ip_attribute: address,
                password_codec: codec,
                api_timeout_seconds: timeout,
                exempt_users: if typed { Vec::new() } else { exempt },
                prompt: Prompt {
                    format: if menu {
                        prompt.0
                    } else {
                        PromptFormat::Console
                    },
                    enroll_challenge: !menu || prompt.1,
                    split: menu && prompt.2,
                    passcode_retries: if asked { prompt.3 } else { 0 },
                },
                eap: (mode == Mode::Eap).then_some(eap),
            }
        },
    )
}

fn authenticators() -> impl Strategy<Value = Vec<(raw::AuthenticatorKind, u8)>> {
    let checks = || prop_oneof![upstream(), directory()];
    let any_kind = prop_oneof![
        upstream(),
        directory(),
        Just(raw::AuthenticatorKind::DuoOnly)
    ];
    // One at least that checks passwords, for EAP.
    (checks(), vec(any_kind, 0..3)).prop_flat_map(|(first, rest)| {
        let all: Vec<_> = std::iter::once(first).chain(rest).collect();
        vec(any::<u8>(), all.len())
            .prop_map(move |forms| all.clone().into_iter().zip(forms).collect())
    })
}

fn log() -> impl Strategy<Value = config::Log> {
    let dir = of(select(vec!["log", "/var/log/countersign", "../my logs"]));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let facility = select(config::SyslogFacility::ALL.to_vec());
    let bounds = (any::<u32>(), 0..=config::MAX_LOG_FILES);
    (dir, flags, facility, bounds).prop_map(
        |(dir, (file, stdout, auth_events, syslog), syslog_facility, (octets, files))| {
            config::Log {
                dir: dir.map(str::to_owned),
                file,
                stdout,
                auth_events,
                syslog,
                syslog_facility,
                max_size_octets: octets,
                max_files: files,
            }
        },
    )
}

/// A snapshot as a file gives one, but for its ids, which are of every form.
fn any_snapshot() -> impl Strategy<Value = raw::Snapshot> {
    let proxy = of((select(vec!["proxy", "192.0.2.3", "2001:db8::3"]), 1_u16..));
    let settings = (any::<bool>(), proxy, any::<bool>(), log());
    let settings = settings.prop_map(|(debug, proxy, roots, log)| {
        let proxy = proxy.map(|(host, port)| config::HttpProxy {
            host: host.to_owned(),
            port,
        });
        raw::Settings {
            debug,
            http_proxy: proxy,
            http_ca_certs: roots.then(|| include_str!("leaf.pem").to_owned()),
            log,
        }
    });
    (1_u64.., settings, authenticators(), 1_usize..4).prop_flat_map(
        |(revision, settings, kinds, served)| {
            let mut authenticators = Vec::new();
            let mut names = Vec::new();
            for (index, (kind, form)) in kinds.into_iter().enumerate() {
                let section = section_of(&kind);
                let id = id(section, index, form);
                names.push((id.clone(), section));
                authenticators.push(raw::Authenticator { id, kind });
            }
            let integrations: Vec<_> = (0..served)
                .map(|index| integration(index, names.clone()))
                .collect();
            integrations.prop_map(move |integrations| raw::Snapshot {
                revision,
                settings: settings.clone(),
                authenticators: authenticators.clone(),
                integrations,
            })
        },
    )
}

const fn section_of(kind: &raw::AuthenticatorKind) -> SectionKind {
    match kind {
        raw::AuthenticatorKind::DuoOnly => SectionKind::DuoOnlyClient,
        raw::AuthenticatorKind::Radius(_) => SectionKind::RadiusClient,
        raw::AuthenticatorKind::Ad(_) => SectionKind::AdClient,
    }
}

/// Puts a text into one of the places of a snapshot that hold any.
fn put(snapshot: &mut raw::Snapshot, place: u8, text: String) {
    let one = &mut snapshot.integrations[0];
    match place % 10 {
        0 => one.id = text,
        1 => one.exempt_users.push(text),
        2 => one.application.host = text,
        3 => one.application.ikey = text,
        4 => one.clients[0].address = text,
        5 => one.append.delimiter = text,
        6 => one.application.pinned_ca = Some(text),
        7 => snapshot.settings.http_ca_certs = Some(text),
        8 => {
            one.client_ip_attribute = Some(AttributeRef {
                name: text,
                vendor: None,
                number: 1,
                data_type: AttributeType::Text,
            });
        }
        _ => match &mut snapshot.authenticators[0].kind {
            raw::AuthenticatorKind::Radius(upstream) => upstream.hosts[0].name = text,
            raw::AuthenticatorKind::Ad(directory) => directory.search_dn = text,
            raw::AuthenticatorKind::DuoOnly => {}
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_snapshot_comes_back(snapshot in any_snapshot()) {
        comes_back(&snapshot);
    }

    /// As one that came over REST may be: it comes back, or it is said what cannot.
    #[test]
    fn what_is_written_is_what_was_meant(
        mut snapshot in any_snapshot(),
        place: u8,
        text in prop_oneof!["[ \n\r\t!-~é]{0,12}", "\\[[a-z_]{1,20}\\]", Just("x\n[main]\ndebug=true".to_owned())],
    ) {
        put(&mut snapshot, place, text);
        let key = Key::new([7; 32]);
        match export(&snapshot, &Dictionary::builtin(), Style::Sealed(&key)) {
            Ok(exported) => {
                let report = import_again(&exported, &key);
                let again = report.imported.unwrap().resolve(snapshot.revision, pinned);
                for (again, one) in again.integrations.iter().zip(&mut snapshot.integrations) {
                    // Where the service is and what it shows is not in the file.
                    if one.application.pinned_ca.is_some() {
                        one.application.pinned_ca.clone_from(&again.application.pinned_ca);
                        one.application.host.clone_from(&again.application.host);
                        one.application.port = again.application.port;
                    }
                }
                for path in &exported.left_out {
                    let one = &mut snapshot.integrations[0];
                    match path.as_str() {
                        "integrations[0].append" => one.append.delimiter = ",".to_owned(),
                        "integrations[0].exempt_users" => one.exempt_users.clear(),
                        other => panic!("{other}"),
                    }
                }
                prop_assert_eq!(again, snapshot);
            }
            Err(ExportError::NotCarried(faults)) => {
                prop_assert!(faults.0.iter().all(|one| !one.path.is_empty()), "{}", faults);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}
