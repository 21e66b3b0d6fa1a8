//! The options of TLS in `[radius_server_eap]`.

use proto::config::{CipherSuite, TlsVersion, raw};

use super::cipher_list::{self, Chosen};
use super::context::Context;
use super::sections::{Entry, Section};
use super::server_certificate::{self, KeyKind};

/// Makes the EAP part of an integration; none after an error.
pub(super) fn build(context: &mut Context<'_>, section: &Section) -> Option<raw::Eap> {
    let certificate = server_certificate::read(context, section);
    let minimum_tls = minimum_tls(context, section);
    let key = certificate.as_ref().map(|one| one.key);
    let cipher_suites = cipher_suites(context, section, minimum_tls, key);
    let certificate = certificate?;
    Some(raw::Eap {
        certificates: certificate.certificates,
        private_key: certificate.private_key,
        minimum_tls,
        cipher_suites,
    })
}

fn minimum_tls(context: &mut Context<'_>, section: &Section) -> TlsVersion {
    let written = section
        .effective("minimum_tls_version")
        .to_ascii_lowercase();
    if let (Some(entry), "ssl3" | "tls1.0" | "tls1.1") =
        (section.entry("minimum_tls_version"), written.as_str())
    {
        context.warn(
            section,
            entry,
            format!("{written} is broken, tls1.2 is the lowest version that is offered"),
            "write tls1.2 or tls1.3",
        );
    }
    TlsVersion::ALL
        .iter()
        .copied()
        .find(|one| written == one.as_str())
        .unwrap_or_default()
}

/// What `cipher_list` chooses of the versions that are offered; empty where it is not written, and
/// after an error.
fn cipher_suites(
    context: &mut Context<'_>,
    section: &Section,
    floor: TlsVersion,
    key: Option<KeyKind>,
) -> Vec<CipherSuite> {
    let written = section.entry("cipher_list").filter(|entry| entry.good);
    let Some((entry, chosen)) =
        written.and_then(|entry| Some((entry, cipher_list::parse(&entry.value).ok()?)))
    else {
        return Vec::new();
    };
    say_unheeded(context, section, entry, &chosen);
    let mut suites = chosen.suites;
    suites.retain(|one| one.version() >= floor);
    let takes =
        |one: &CipherSuite| key.is_none_or(|key| cipher_list::takes(*one, key == KeyKind::Rsa));
    let lowest = |one: &&CipherSuite| one.version() == floor;
    if suites.iter().filter(lowest).any(takes) {
        return suites;
    }
    let (message, remedy) = match (floor, key) {
        (TlsVersion::Tls13, _) => (
            "no suite of TLS 1.3 is left, and minimum_tls_version=tls1.3 allows no others"
                .to_owned(),
            "remove what rules them out, or write TLSv1.3".to_owned(),
        ),
        (TlsVersion::Tls12, Some(key)) if suites.iter().any(|one| lowest(&one)) => (
            format!(
                "none of its suites of TLS 1.2 can be used with the certificate, which has an \
                 {} key",
                key.name()
            ),
            remedy(takes),
        ),
        (TlsVersion::Tls12, _) => ("it leaves no suite of TLS 1.2".to_owned(), remedy(takes)),
    };
    context.error(section, entry, message, remedy);
    Vec::new()
}

/// Names the suites of TLS 1.2 that could be used.
fn remedy(takes: impl Fn(&CipherSuite) -> bool) -> String {
    let names: Vec<_> = CipherSuite::ALL
        .iter()
        .filter(|one| one.version() == TlsVersion::Tls12 && takes(one))
        .map(|one| cipher_list::name(*one))
        .collect();
    format!(
        "write some of {}; or minimum_tls_version=tls1.3 to do without TLS 1.2",
        names.join(":")
    )
}

fn say_unheeded(context: &mut Context<'_>, section: &Section, entry: &Entry, chosen: &Chosen) {
    const NAMED: usize = 10;
    if !chosen.absent.is_empty() {
        let names = chosen.absent.iter().take(NAMED);
        let mut names: Vec<_> = names.map(|name| super::values::shorten(name)).collect();
        let more = chosen.absent.len() - names.len();
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        context.warn(
            section,
            entry,
            format!("no suite that there is here is meant by: {}", names.join(", ")),
            "remove them, and see that no supplicant needs them: TLS here has ECDHE with AES-GCM or \
             ChaCha20-Poly1305 only",
        );
    }
    if let Some(level @ 3..) = chosen.level {
        context.warn(
            section,
            entry,
            format!("@SECLEVEL={level} only chooses suites here: no key is held to its sizes"),
            "see to the sizes of the certificates' keys yourself, or write @SECLEVEL=2",
        );
    }
}
