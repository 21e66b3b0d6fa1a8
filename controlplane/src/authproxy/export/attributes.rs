//! Names of RADIUS attributes that the importing side does not know, as a dictionary.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use proto::config::{AttributeRef, AttributeType, raw};

use super::page::Page;
use crate::dictionary::Dictionary;

/// The dictionary with every attribute of a snapshot that `known` has not, or has otherwise; none
/// where there is no such attribute.
pub(super) fn dictionary(
    snapshot: &raw::Snapshot,
    known: &Dictionary,
    page: &mut Page,
) -> Option<String> {
    let mut seen: HashMap<String, &AttributeRef> = HashMap::new();
    let mut own: BTreeMap<Option<u32>, Vec<&AttributeRef>> = BTreeMap::new();
    for (path, one) in named(snapshot) {
        match seen.insert(one.name.to_lowercase(), one) {
            Some(other) if other == one => continue,
            Some(_) => {
                page.fault(path, "another attribute has this name, in whatever case");
                continue;
            }
            None => {}
        }
        if known.resolve(&one.name).as_ref() == Ok(one) {
            continue;
        }
        let in_a_name = |c: char| !c.is_whitespace() && !c.is_control() && c != '#';
        if one.name.is_empty() || !one.name.chars().all(in_a_name) {
            page.fault(path, "a dictionary holds no name with blanks or a '#'");
            continue;
        }
        own.entry(one.vendor).or_default().push(one);
    }
    let mut text = String::new();
    for (vendor, attributes) in own {
        if let Some(number) = vendor {
            let _ = writeln!(text, "VENDOR Vendor-{number} {number}");
            let _ = writeln!(text, "BEGIN-VENDOR Vendor-{number}");
        }
        for one in attributes {
            let word = word(one.data_type);
            let _ = writeln!(text, "ATTRIBUTE {} {} {word}", one.name, one.number);
        }
        if let Some(number) = vendor {
            let _ = writeln!(text, "END-VENDOR Vendor-{number}");
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Every attribute that is named, with where.
fn named(snapshot: &raw::Snapshot) -> impl Iterator<Item = (String, &AttributeRef)> {
    let upstreams = snapshot.authenticators.iter().enumerate();
    let upstreams = upstreams.filter_map(|(index, one)| match &one.kind {
        raw::AuthenticatorKind::Radius(upstream) => Some((index, &upstream.pass_through)),
        _ => None,
    });
    let of_upstreams = upstreams.flat_map(|(index, passed)| {
        let path = format!("authenticators[{index}].pass_through.attributes");
        passed.attributes.iter().map(move |one| (path.clone(), one))
    });
    let of_integrations = snapshot
        .integrations
        .iter()
        .enumerate()
        .flat_map(|(index, one)| {
            let path = format!("integrations[{index}]");
            let address = one.client_ip_attribute.iter();
            let address = address.map({
                let path = format!("{path}.client_ip_attribute");
                move |one| (path.clone(), one)
            });
            let path = format!("{path}.pass_through.attributes");
            address.chain(
                one.pass_through
                    .attributes
                    .iter()
                    .map(move |one| (path.clone(), one)),
            )
        });
    of_upstreams.chain(of_integrations)
}

const fn word(data_type: AttributeType) -> &'static str {
    match data_type {
        AttributeType::Text => "string",
        AttributeType::Octets => "octets",
        AttributeType::Ipv4 => "ipaddr",
        AttributeType::Ipv6 => "ipv6addr",
        AttributeType::Integer => "integer",
        AttributeType::Date => "date",
    }
}
