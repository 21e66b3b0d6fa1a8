//! What holds for any file.

use proptest::prelude::*;

use super::*;

/// Values that are right, odd or wrong for many options.
pub(super) fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("plain".to_owned()),
        Just("ldaps".to_owned()),
        Just("server.pem".to_owned()),
        Just("Class,Cisco-AVPair".to_owned()),
        Just("ad_client".to_owned()),
        Just("DC=example,DC=com".to_owned()),
        Just("builtin".to_owned()),
        Just("push,sms".to_owned()),
        Just("passcode, Auto".to_owned()),
        (0_u32..70_000).prop_map(|number| number.to_string()),
        (0_u8..4, 0_u8..4).prop_map(|(a, b)| format!("10.0.{a}.{b}")),
        "[ -~]{0,12}",
    ]
}

/// A section of any kind with any of its options.
pub(super) fn section() -> impl Strategy<Value = String> {
    let kind = proptest::sample::select(schema::SectionKind::ALL);
    (
        kind,
        0_u8..3,
        proptest::collection::vec((0_usize..64, 1_u8..4, value()), 0..24),
    )
        .prop_map(|(kind, number, options)| {
            let suffix = if number == 0 {
                String::new()
            } else {
                number.to_string()
            };
            let mut text = format!("[{}{suffix}]\n", kind.name());
            let known: Vec<_> = schema::options_of(kind).collect();
            for (index, number, value) in options {
                if let Some(option) = known.get(index % known.len().max(1)) {
                    let key = match option.numbering {
                        schema::Numbering::Single => option.name.to_owned(),
                        _ => format!("{}_{number}", option.name),
                    };
                    text.push_str(&format!("{key}={value}\n"));
                }
            }
            text
        })
}

proptest! {
    #[test]
    fn any_octets_get_a_verdict(octets: Vec<u8>) {
        let report = run_octets(&octets, &files(), None);
        prop_assert_eq!(report.imported.is_none(), count(&report.diagnostics).errors > 0);
    }

    #[test]
    fn a_file_without_errors_is_a_snapshot(sections in proptest::collection::vec(section(), 0..8)) {
        let report = run(&sections.concat());
        prop_assert_eq!(report.imported.is_none(), count(&report.diagnostics).errors > 0);
        if let Some(imported) = &report.imported {
            prop_assert!(Snapshot::try_from(imported.resolve(1, made)).is_ok());
        }
    }

    /// Mostly right files, so that what `proto` refuses and the checks let through would be found
    /// by name: it carries a path in brackets.
    #[test]
    fn proto_finds_nothing_that_the_checks_did_not(
        options in proptest::collection::vec((0_usize..64, value()), 0..4),
        client in 0_usize..3,
        served in proptest::sample::select(&[
            schema::SectionKind::RadiusServerAuto,
            schema::SectionKind::RadiusServerChallenge,
        ][..]),
    ) {
        let clients = [
            "[duo_only_client]\n",
            "[radius_client]\nhost=192.0.2.1\nsecret=x\n",
            "[ad_client]\nhost=dc\nservice_account_username=u\nservice_account_password=p\nsearch_dn=DC=x\nauth_type=plain\n",
        ];
        let kind = [
            schema::SectionKind::DuoOnlyClient,
            schema::SectionKind::RadiusClient,
            schema::SectionKind::AdClient,
        ][client];
        let base = ["ikey", "skey", "api_host", "radius_ip", "radius_secret"];
        let (mut server, mut upstream) = (String::new(), clients[client].to_owned());
        for (index, value) in options {
            let of = if index % 2 == 0 { served } else { kind };
            let known: Vec<_> = schema::options_of(of)
                .filter(|option| !base.contains(&option.name) && !upstream.contains(&format!("{}=", option.name)))
                .collect();
            if let Some(option) = known.get(index % known.len().max(1)) {
                let text = format!("{}={value}\n", option.name);
                if index % 2 == 0 { server.push_str(&text) } else { upstream.push_str(&text) }
            }
        }
        let served = served.name();
        let text = format!(
            "{upstream}[{served}]\napi_host=builtin\nradius_ip_1=10.0.0.1\nradius_secret_1=x\n{server}"
        );
        let report = run(&text);
        for one in &report.diagnostics {
            prop_assert!(!one.message.starts_with("integrations["), "{}", one);
            prop_assert!(!one.message.starts_with("authenticators["), "{}", one);
        }
        if let Some(imported) = &report.imported {
            prop_assert!(Snapshot::try_from(imported.resolve(1, made)).is_ok());
        }
    }
}

#[test]
fn proto_takes_the_bounds_of_every_option() {
    use schema::{Kind, SectionKind};
    let mut tried = 0;
    for (kind, client) in [
        (
            SectionKind::RadiusClient,
            "[radius_client]\nhost=192.0.2.1\nsecret=x\n",
        ),
        (
            SectionKind::AdClient,
            "[ad_client]\nhost=dc\nservice_account_username=u\nservice_account_password=p\n\
             search_dn=DC=x\n",
        ),
        (SectionKind::RadiusServerAuto, "[duo_only_client]\n"),
        (SectionKind::RadiusServerChallenge, "[duo_only_client]\n"),
        (SectionKind::RadiusServerConcat, "[duo_only_client]\n"),
    ] {
        for option in schema::options_of(kind) {
            let values = match option.kind {
                Kind::Integer(low, high) => vec![low.to_string(), high.to_string()],
                Kind::Choice(words) | Kind::Factors(words) => {
                    words.iter().map(|word| word.to_uppercase()).collect()
                }
                Kind::Boolean => vec!["on".to_owned(), "off".to_owned()],
                _ => continue,
            };
            for value in values {
                let line = match option.numbering {
                    schema::Numbering::FromOne => format!("{}_1={value}\n", option.name),
                    _ => format!("{}={value}\n", option.name),
                };
                let server = if kind.is_client() {
                    "radius_server_auto"
                } else {
                    kind.name()
                };
                let (of_client, of_server) = if kind.is_client() {
                    (&*line, "")
                } else {
                    ("", &*line)
                };
                let text = format!(
                    "{client}{of_client}[{server}]\napi_host=builtin\nradius_ip_1=10.0.0.1\n\
                     radius_secret_1=x\n{of_server}"
                );
                let report = run(&text);
                let found = super::super::text(&report.diagnostics);
                assert_eq!(count(&report.diagnostics).errors, 0, "{text}\n{found}");
                assert_eq!(snapshot(&report).integrations.len(), 1, "{text}");
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "{tried}");
}
