//! What is read and checked, and yet not served or not acted on.

use super::schema::SectionKind;
use super::values;

/// Options that are read and change nothing yet, when they have another value than their default.
const NOT_ACTED_ON: &[(SectionKind, &str)] = &[(SectionKind::Main, "test_connectivity_on_startup")];

/// Options that are kept for old files and have nothing left to change.
const WITHOUT_EFFECT: &[(SectionKind, &str)] = &[
    (SectionKind::Main, "fips_mode"),
    (SectionKind::Main, "log_sso_events"),
    (SectionKind::Main, "server"),
    (SectionKind::AdClient, "ssl_verify_depth"),
];

/// Whether sections of this kind are recognised and never served.
pub(super) const fn never_served(kind: SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::RadiusServerIframe
            | SectionKind::LdapServerAuto
            | SectionKind::Cloud
            | SectionKind::Sso
            | SectionKind::HttpProxy
    )
}

/// What to say of an option that changes nothing; none when it is acted on.
pub(super) fn idle(
    kind: SectionKind,
    option: &str,
    value: &str,
    default: Option<&str>,
) -> Option<&'static str> {
    if default.is_some_and(|default| normal(default) == normal(value)) {
        return None;
    }
    if NOT_ACTED_ON.contains(&(kind, option)) {
        Some("this option is not acted on by this version")
    } else if WITHOUT_EFFECT.contains(&(kind, option)) {
        Some("this option has no effect")
    } else {
        None
    }
}

/// One spelling for each value.
pub(super) fn normal(value: &str) -> String {
    values::boolean(value).map_or_else(|| value.to_ascii_lowercase(), |truth| truth.to_string())
}
