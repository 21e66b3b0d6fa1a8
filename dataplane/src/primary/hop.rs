//! Which attributes may cross from one hop to another, and how Vendor-Specific ones are taken
//! apart for that. Pure.

use proto::config::PassThrough;

use crate::radius::{Attribute, AttributeType, VendorAttribute, salted};

/// One attribute as rules see it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// A standard attribute; or a Vendor-Specific one whose inside only its vendor can read.
    Standard(Attribute<'a>),
    /// What stands inside a Vendor-Specific attribute of the recommended form.
    Vendor(VendorAttribute<'a>),
}

/// Takes an attribute apart: one part, or those inside a Vendor-Specific attribute when they
/// account for all of its octets. None for one of Microsoft's of another form: what it hides may
/// be of one hop.
pub(super) fn parts(attribute: Attribute<'_>) -> impl Iterator<Item = Part<'_>> {
    let (whole, inside) = match attribute.vendor() {
        None => (Some(attribute), None),
        Some(inside) => {
            let octets: usize = inside.clone().map(|part| part.value.len() + FRAME).sum();
            if octets > 0 && octets + VENDOR_NUMBER == attribute.value.len() {
                (None, Some(inside))
            } else if inside.vendor() == salted::VENDOR_MICROSOFT {
                (None, None)
            } else {
                (Some(attribute), None)
            }
        }
    };
    let whole = whole.into_iter().map(Part::Standard);
    whole.chain(inside.into_iter().flatten().map(Part::Vendor))
}

/// Whether a rule names an attribute.
pub(super) fn allows(rule: &PassThrough, vendor: Option<u32>, number: u8) -> bool {
    rule.all
        || rule
            .attributes
            .iter()
            .any(|named| named.vendor == vendor && named.number == number)
}

/// What belongs to one hop: it proves, hides or routes something between two neighbours.
pub(super) fn is_of_one_hop(vendor: Option<u32>, number: u8) -> bool {
    match vendor {
        None => matches!(
            AttributeType(number),
            AttributeType::USER_PASSWORD
                | AttributeType::CHAP_PASSWORD
                | AttributeType::STATE
                | AttributeType::PROXY_STATE
                | AttributeType::CHAP_CHALLENGE
                | AttributeType::EAP_MESSAGE
                | AttributeType::MESSAGE_AUTHENTICATOR
        ),
        Some(salted::VENDOR_MICROSOFT) => matches!(number, 1..=6 | 11 | 12 | 25..=27),
        Some(_) => false,
    }
}

/// Frames a value. Nothing is written when it is longer than its frame can tell, or empty: such an
/// attribute must not be sent (RFC 2865 section 5).
pub(super) fn frame(into: &mut Vec<u8>, vendor: Option<u32>, number: u8, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    let Ok(inner) = u8::try_from(value.len() + FRAME) else {
        return;
    };
    let Some(vendor) = vendor else {
        into.extend_from_slice(&[number, inner]);
        into.extend_from_slice(value);
        return;
    };
    let Some(outer) = inner.checked_add(OUTER) else {
        return;
    };
    into.extend_from_slice(&[AttributeType::VENDOR_SPECIFIC.0, outer]);
    into.extend_from_slice(&vendor.to_be_bytes());
    into.extend_from_slice(&[number, inner]);
    into.extend_from_slice(value);
}

/// Octets of a type and a length.
const FRAME: usize = 2;
/// Octets of a vendor's number.
const VENDOR_NUMBER: usize = 4;
/// Octets of the frame around a vendor's attribute: type, length and the vendor's number.
const OUTER: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn vsa(value: &[u8]) -> Attribute<'_> {
        Attribute {
            kind: AttributeType::VENDOR_SPECIFIC,
            value,
        }
    }

    #[test]
    fn vendor_attributes_are_taken_apart_only_when_they_account_for_every_octet() {
        for (name, value, want) in [
            ("one", &[0, 0, 0, 9, 1, 3, 7][..], 1),
            ("two", &[0, 0, 0, 9, 1, 3, 7, 2, 2], 2),
            ("one octet over", &[0, 0, 0, 9, 1, 3, 7, 2], 0),
            ("of another form", &[0, 0, 0, 9, 1, 0, 0], 0),
            ("empty", &[0, 0, 0, 9], 0),
            ("no vendor", &[0, 0], 0),
        ] {
            let found = parts(vsa(value))
                .filter(|part| matches!(part, Part::Vendor(_)))
                .count();
            assert_eq!(found, want, "{name}");
            assert!(parts(vsa(value)).next().is_some(), "{name}");
        }
        // MS-CHAP2-Success with an octet after it.
        let hides = [0, 0, 1, 55, 26, 3, 7, 0];
        assert_eq!(parts(vsa(&hides[..7])).count(), 1);
        assert!(parts(vsa(&hides)).next().is_none());
    }

    #[test]
    fn what_proves_hides_or_routes_between_neighbours_is_of_their_hop() {
        for (vendor, of_one_hop) in [
            (None, &[2, 3, 24, 33, 60, 79, 80][..]),
            (
                Some(salted::VENDOR_MICROSOFT),
                &[1, 2, 3, 4, 5, 6, 11, 12, 25, 26, 27],
            ),
            (Some(9), &[]),
        ] {
            let found: Vec<u8> = (0..=u8::MAX)
                .filter(|number| is_of_one_hop(vendor, *number))
                .collect();
            assert_eq!(found, of_one_hop, "{vendor:?}");
        }
    }

    #[test]
    fn values_that_fit_no_frame_are_left_out() {
        for (vendor, octets, want) in [
            (None, 0, 0),
            (Some(9), 0, 0),
            (None, 253, 255),
            (None, 254, 0),
            (Some(9), 247, 255),
            (Some(9), 248, 0),
        ] {
            let mut framed = Vec::new();
            frame(&mut framed, vendor, 1, &vec![0; octets]);
            assert_eq!(framed.len(), want, "{vendor:?} {octets}");
        }
    }
}
