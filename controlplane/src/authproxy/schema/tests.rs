use super::*;

#[test]
fn section_names_are_a_kind_and_a_number() {
    for (name, want) in [
        ("main", Some(SectionKind::Main)),
        ("main2", None),
        ("radius_server_auto", Some(SectionKind::RadiusServerAuto)),
        ("radius_server_auto1", Some(SectionKind::RadiusServerAuto)),
        ("radius_server_auto12", Some(SectionKind::RadiusServerAuto)),
        ("radius_server_auto0", None),
        ("radius_server_auto_2", None),
        ("Radius_Server_Auto", None),
        ("ad_client2", Some(SectionKind::AdClient)),
        ("duo_only_client", Some(SectionKind::DuoOnlyClient)),
        ("wibble", None),
    ] {
        assert_eq!(SectionKind::parse(name), want, "{name}");
    }
}

#[test]
fn options_are_found_with_their_number_and_protection() {
    use SectionKind::{AdClient, RadiusClient, RadiusServerAuto};
    for (kind, key, want) in [
        (
            RadiusServerAuto,
            "radius_ip_1",
            Some(("radius_ip", 1, false)),
        ),
        (RadiusServerAuto, "radius_ip", Some(("radius_ip", 1, false))),
        (RadiusServerAuto, "radius_ip_0", None),
        (RadiusServerAuto, "radius_ip_01", None),
        (
            RadiusServerAuto,
            "Radius_Secret_12",
            Some(("radius_secret", 12, false)),
        ),
        (
            RadiusServerAuto,
            "radius_secret_protected_2",
            Some(("radius_secret", 2, true)),
        ),
        (
            RadiusServerAuto,
            "radius_secret_2_protected",
            Some(("radius_secret", 2, true)),
        ),
        (RadiusServerAuto, "skey_protected", Some(("skey", 1, true))),
        (RadiusServerAuto, "ikey_protected", None),
        (RadiusServerAuto, "skey_2", None),
        (RadiusServerAuto, "search_dn", None),
        (AdClient, "host", Some(("host", 1, false))),
        (AdClient, "host_1", None),
        (AdClient, "host_2", Some(("host", 2, false))),
        (AdClient, "port_2", None),
        (
            AdClient,
            "service_account_password_protected",
            Some(("service_account_password", 1, true)),
        ),
        (RadiusClient, "port_2", Some(("port", 2, false))),
        (RadiusClient, "secret_protected", Some(("secret", 1, true))),
    ] {
        let found = find(kind, key).map(|named| (named.option.name, named.number, named.protected));
        assert_eq!(found, want, "{key}");
    }
}

#[test]
fn an_option_of_other_sections_is_known_for_what_it_is() {
    for (key, want) in [
        ("delimiter", Some(SectionKind::RadiusServerAuto)),
        ("Search_DN", Some(SectionKind::AdClient)),
        ("certs", Some(SectionKind::RadiusServerEap)),
        ("wibble", None),
    ] {
        assert_eq!(section_of(key), want, "{key}");
    }
}

#[test]
fn misspelt_names_get_a_hint() {
    use SectionKind::{AdClient, RadiusServerAuto};
    for (kind, key, want) in [
        (RadiusServerAuto, "fail_mode", Some("failmode")),
        (RadiusServerAuto, "radius_secrt_2", Some("radius_secret_2")),
        (RadiusServerAuto, "radus_ip", Some("radius_ip_1")),
        (AdClient, "hots_2", Some("host_2")),
        (AdClient, "host_1", Some("host")),
        (RadiusServerAuto, "wibble", None),
    ] {
        assert_eq!(suggest(kind, key).as_deref(), want, "{key}");
    }
    for (name, want) in [
        ("radius_server_autp", Some("radius_server_auto")),
        ("radius_server_auto ", Some("radius_server_auto")),
        ("radius_server_auto_2", Some("radius_server_auto2")),
        ("main2", Some("main")),
        ("AD_Client", Some("ad_client")),
        ("wibble", None),
    ] {
        assert_eq!(suggest_section(name).as_deref(), want, "{name}");
    }
}

#[test]
fn the_table_is_consistent() {
    for kind in SectionKind::ALL {
        assert!(kind.help().ends_with('.'), "{kind:?}");
        let mut names: Vec<_> = options_of(*kind).map(|option| option.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(
            names.len(),
            all,
            "an option stands twice in [{}]",
            kind.name()
        );
    }
    for option in options() {
        assert!(option.help.ends_with('.'), "{}", option.name);
        assert!(!option.sections.is_empty(), "{}", option.name);
        if let Some(default) = option.default {
            let checked = crate::authproxy::values::check(option.kind, default);
            assert!(checked.is_ok(), "the default of {}", option.name);
        }
    }
}
