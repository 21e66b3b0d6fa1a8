//! An attribute of an answer, with the name and in the form that people know it by. Pure.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::command::AnswerAttribute;
use proto::config::{AttributeRef, AttributeType, raw};

use crate::admin::ShownAttribute;
use crate::dictionary::Dictionary;

/// As it is shown: the names of the configuration before those that come with the product.
pub(crate) fn shown(attribute: &AnswerAttribute, snapshot: &raw::Snapshot) -> ShownAttribute {
    let at = (attribute.vendor, attribute.number);
    let named = of_configuration(snapshot, at).or_else(|| builtin().get(&at));
    let value = attribute.value.as_deref().map(|value| {
        let octets = STANDARD.decode(value).unwrap_or_default();
        written(&octets, named.map(|named| named.data_type))
    });
    ShownAttribute {
        name: named.map_or_else(|| numbers(at), |named| named.name.clone()),
        value,
    }
}

/// The name that the options of some section have for it.
fn of_configuration(snapshot: &raw::Snapshot, at: At) -> Option<&AttributeRef> {
    let integrations = snapshot.integrations.iter().map(|one| &one.pass_through);
    let authenticators = snapshot.authenticators.iter();
    let authenticators = authenticators.filter_map(|one| match &one.kind {
        raw::AuthenticatorKind::Radius(radius) => Some(&radius.pass_through),
        _ => None,
    });
    integrations
        .chain(authenticators)
        .flat_map(|rule| &rule.attributes)
        .find(|one| (one.vendor, one.number) == at)
}

fn builtin() -> &'static HashMap<At, AttributeRef> {
    static NAMES: OnceLock<HashMap<At, AttributeRef>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names: HashMap<At, AttributeRef> = HashMap::new();
        for one in Dictionary::builtin().plain() {
            // Of two names for one attribute always the same.
            let known = names
                .entry((one.vendor, one.number))
                .or_insert_with(|| one.clone());
            if one.name < known.name {
                *known = one;
            }
        }
        names
    })
}

fn numbers((vendor, number): At) -> String {
    match vendor {
        None => number.to_string(),
        Some(vendor) => format!("26.{vendor}.{number}"),
    }
}

fn written(octets: &[u8], data_type: Option<AttributeType>) -> String {
    let hexadecimal = || format!("0x{}", data_encoding::HEXLOWER.encode(octets));
    let number = || {
        let octets = octets.try_into().ok().map(u32::from_be_bytes);
        octets.map(|number| number.to_string())
    };
    let text = || {
        let text = std::str::from_utf8(octets).ok()?;
        let fits = !text.is_empty() && !text.contains(char::is_control);
        fits.then(|| text.to_owned())
    };
    let known = match data_type {
        Some(AttributeType::Text) | None => text(),
        Some(AttributeType::Octets) => None,
        Some(AttributeType::Integer | AttributeType::Date) => number(),
        Some(AttributeType::Ipv4) => <[u8; 4]>::try_from(octets)
            .ok()
            .map(|octets| Ipv4Addr::from(octets).to_string()),
        Some(AttributeType::Ipv6) => <[u8; 16]>::try_from(octets)
            .ok()
            .map(|octets| Ipv6Addr::from(octets).to_string()),
    };
    known.unwrap_or_else(hexadecimal)
}

/// Vendor and number.
type At = (Option<u32>, u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_their_names_and_forms() {
        let snapshot: raw::Snapshot = serde_json::from_value(serde_json::json!({
            "revision": 1,
            "authenticators": [{"id": "radius_client", "kind": {"radius": {
                "hosts": [{"name": "192.0.2.1", "port": 1812}], "secret": "s",
                "pass_through": {"all": false, "attributes": [
                    {"name": "Own-Name", "vendor": 4711, "number": 7, "data_type": "integer"},
                ]},
            }}}],
        }))
        .unwrap();
        for (vendor, number, value, want) in [
            (
                None,
                25,
                Some(&b"staff"[..]),
                ("Class", Some("0x7374616666")),
            ),
            (None, 11, Some(b"staff"), ("Filter-Id", Some("staff"))),
            (
                None,
                8,
                Some(&[10, 0, 0, 7]),
                ("Framed-IP-Address", Some("10.0.0.7")),
            ),
            (
                None,
                27,
                Some(&[0, 0, 14, 16]),
                ("Session-Timeout", Some("3600")),
            ),
            (None, 27, Some(&[1]), ("Session-Timeout", Some("0x01"))),
            (Some(4711), 7, Some(&[0, 0, 0, 1]), ("Own-Name", Some("1"))),
            (Some(4712), 7, Some(b"x"), ("26.4712.7", Some("x"))),
            (Some(4712), 7, Some(b"a\x1b"), ("26.4712.7", Some("0x611b"))),
            (Some(311), 17, None, ("MS-MPPE-Recv-Key", None)),
        ] {
            let attribute = AnswerAttribute {
                vendor,
                number,
                value: value.map(|value| STANDARD.encode(value)),
            };
            let shown = shown(&attribute, &snapshot);
            assert_eq!((shown.name.as_str(), shown.value.as_deref()), want);
        }
    }
}
