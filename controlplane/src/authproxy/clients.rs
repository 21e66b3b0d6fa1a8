//! Client sections, made into authenticators, and what they share.

use std::collections::{BTreeMap, HashMap};

use proto::config::{AttributeRef, PassThrough, PasswordCodec, raw};

use super::context::Context;
use super::schema::SectionKind;
use super::sections::{Entry, Section};
use super::{directory, upstream, values};

/// Makes the authenticator of a client section; none of another section.
pub(super) fn build(context: &mut Context<'_>, section: &Section) -> Option<raw::Authenticator> {
    let kind = match section.kind {
        SectionKind::DuoOnlyClient => raw::AuthenticatorKind::DuoOnly,
        SectionKind::RadiusClient => {
            raw::AuthenticatorKind::Radius(upstream::build(context, section))
        }
        SectionKind::AdClient => {
            raw::AuthenticatorKind::Ad(Box::new(directory::build(context, section)))
        }
        _ => return None,
    };
    Some(raw::Authenticator {
        id: section.id().to_owned(),
        kind,
    })
}

/// `host`, `host_2`, …, in order, each on the port that `port` gives its number.
pub(super) fn hosts(
    context: &mut Context<'_>,
    section: &Section,
    port: impl Fn(u32) -> u16,
) -> Vec<raw::Host> {
    let entries = section.numbered("host");
    say_gap(context, section, &entries);
    let mut seen: HashMap<(String, u16), u32> = HashMap::new();
    let mut hosts = Vec::new();
    for (number, entry) in entries {
        let host = raw::Host {
            name: host_name(&entry.value),
            port: port(number),
        };
        let same = host.name.trim_end_matches('.').to_ascii_lowercase();
        let first = *seen.entry((same, host.port)).or_insert(entry.line);
        if first != entry.line {
            context.warn(
                section,
                entry,
                format!("this host stands on line {first} already"),
                "write another one, or remove the line",
            );
        }
        hosts.push(host);
    }
    hosts
}

/// The first number that is left out: the host behind it may have been forgotten.
fn say_gap(context: &mut Context<'_>, section: &Section, entries: &BTreeMap<u32, &Entry>) {
    let mut expected = (1..).zip(entries);
    let Some((missing, (_, entry))) = expected.find(|(want, (number, _))| want != *number) else {
        return;
    };
    // That there is no first one has been said.
    if missing > 1 {
        context.warn(
            section,
            entry,
            format!("there is no host_{missing}; this one is asked all the same"),
            "number the hosts without a gap",
        );
    }
}

/// An IPv6 address loses its brackets; a name stays as it is.
fn host_name(value: &str) -> String {
    values::address(value).map_or_else(|| value.to_owned(), |address| address.to_string())
}

/// `pass_through_all` and `pass_through_attr_names`, with every name resolved.
pub(super) fn pass_through(context: &mut Context<'_>, section: &Section) -> PassThrough {
    let mut attributes = Vec::new();
    if let Some(entry) = section.entry("pass_through_attr_names") {
        for name in values::list(&entry.value) {
            match context.dictionary.resolve(name) {
                Ok(attribute) if attributes.contains(&attribute) => {}
                Ok(attribute) => {
                    if let Some(why) = not_passed(&attribute, section.kind) {
                        context.warn(
                            section,
                            entry,
                            format!("'{}' {why}", attribute.name),
                            "remove it from the list",
                        );
                    }
                    attributes.push(attribute);
                }
                Err(error) => {
                    let remedy = lookup_remedy(&error);
                    context.error(section, entry, values::shorten(&error.to_string()), remedy);
                }
            }
        }
    }
    PassThrough {
        all: section.boolean("pass_through_all"),
        attributes,
    }
}

/// Why an attribute is not passed although it is named; none when it is.
fn not_passed(attribute: &AttributeRef, kind: SectionKind) -> Option<&'static str> {
    const ONE_HOP: &str = "belongs to one hop and is never passed";
    const OF_MS_CHAP: &str =
        "goes along with an MS-CHAP login without being named, and is never passed without one";
    match (attribute.vendor, attribute.number) {
        // User-Password, State, Proxy-State, EAP-Message, Message-Authenticator.
        (None, 2 | 24 | 33 | 79 | 80) => Some(ONE_HOP),
        // CHAP-Password, CHAP-Challenge.
        (None, 3 | 60) => Some(
            "goes along with a CHAP login without being named, and is never passed without one",
        ),
        // Challenges, responses, changed passwords, keys under the password (RFC 2548 section 2).
        (Some(VENDOR_MICROSOFT), 1..=6 | 11 | 12 | 25..=27) => Some(OF_MS_CHAP),
        // NAS-IP-Address and its IPv6 sister.
        (None, 4 | 95) if !kind.is_client() => {
            Some("is this gateway's own in the request that goes upstream (nas_ip)")
        }
        (None, 18) if kind.is_client() => {
            Some("is not passed: an accept has a text of its own, and a reject has this one")
        }
        _ => None,
    }
}

const VENDOR_MICROSOFT: u32 = 311;

/// What to do about a name that no dictionary has.
pub(super) fn lookup_remedy(error: &crate::dictionary::LookupError) -> String {
    use crate::dictionary::LookupError;
    match error {
        LookupError::Unknown {
            nearest: Some(near),
            ..
        } => format!("did you mean '{near}'? '[main] dictionary=' adds a file of names"),
        _ => "name another one, or add a file of names with '[main] dictionary='".to_owned(),
    }
}

/// `pw_codec`.
pub(super) fn password_codec(section: &Section) -> PasswordCodec {
    PasswordCodec::ALL
        .iter()
        .copied()
        .find(|one| {
            section
                .effective("pw_codec")
                .eq_ignore_ascii_case(one.as_str())
        })
        .unwrap_or_default()
}
