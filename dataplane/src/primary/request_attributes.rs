//! Which attributes of a client's request go on to a RADIUS upstream. Pure.

use proto::config::PassThrough;
use proto::secret::Secret;

use super::hop::{self, Part};
use super::{Method, Relayed};
use crate::radius::salted::{self, VENDOR_MICROSOFT};
use crate::radius::{AUTHENTICATOR_OCTETS, AttributeType, Packet};

/// The attributes that the rule lets pass, framed, in their order.
///
/// Never among them: what belongs to the client's hop (passwords, CHAP, EAP, Message-Authenticator,
/// Proxy-State, State, and what is encrypted, which no request has) and what the request upstream has of its own (User-Name, NAS-IP-Address and
/// its IPv6 sister, Calling-Station-Id).
#[must_use]
pub fn select(request: &Packet<'_>, rule: &PassThrough) -> Vec<u8> {
    let mut framed = Vec::new();
    if !rule.all && rule.attributes.is_empty() {
        return framed;
    }
    for attribute in request.attributes() {
        for part in hop::parts(attribute) {
            let (vendor, number, value, salted) = match part {
                Part::Standard(one) => (None, one.kind.0, one.value, salted::is_salted(one)),
                Part::Vendor(one) => {
                    let salted = salted::is_salted_vendor(one);
                    (Some(one.vendor), one.number, one.value, salted)
                }
            };
            let own = vendor.is_none() && OWN.contains(&AttributeType(number));
            let stays = own || salted || hop::is_of_one_hop(vendor, number);
            if !stays && hop::allows(rule, vendor, number) {
                hop::frame(&mut framed, vendor, number, value);
            }
        }
    }
    framed
}

/// The proof of a request whose method hides the password, as an upstream can check it; none when
/// the method is another.
///
/// # Errors
/// [`MalformedProof`] when it is of a length that the method does not know, or lacks its challenge.
pub fn relayed(request: &Packet<'_>) -> Result<Option<Relayed>, MalformedProof> {
    if let Some(response) = request.first(AttributeType::CHAP_PASSWORD) {
        if response.len() != CHAP_OCTETS {
            return Err(MalformedProof(Method::Chap));
        }
        let mut framed = Vec::new();
        hop::frame(&mut framed, None, AttributeType::CHAP_PASSWORD.0, response);
        // Where there is no CHAP-Challenge the authenticator of this hop was it (RFC 2865
        // section 5.40), which the next hop has another one of.
        let challenge = request
            .first(AttributeType::CHAP_CHALLENGE)
            .unwrap_or_else(|| request.authenticator());
        hop::frame(
            &mut framed,
            None,
            AttributeType::CHAP_CHALLENGE.0,
            challenge,
        );
        return Ok(Some(Relayed {
            method: Method::Chap,
            attributes: Secret::new(framed),
        }));
    }
    let parts = || {
        request
            .attributes()
            .flat_map(hop::parts)
            .filter_map(|part| match part {
                Part::Vendor(one) if one.vendor == VENDOR_MICROSOFT => Some(one),
                _ => None,
            })
    };
    if !parts().any(|one| {
        MS_CHAP_PROOFS
            .iter()
            .any(|(number, _)| *number == one.number)
    }) {
        return Ok(None);
    }
    let malformed = parts().any(|one| {
        MS_CHAP_PROOFS
            .iter()
            .any(|(number, octets)| *number == one.number && *octets != one.value.len())
    });
    if malformed || !parts().any(|one| one.number == MS_CHAP_CHALLENGE) {
        return Err(MalformedProof(Method::MsChap));
    }
    let mut framed = Vec::new();
    for one in parts().filter(|one| is_of_ms_chap(one.number)) {
        hop::frame(&mut framed, Some(one.vendor), one.number, one.value);
    }
    Ok(Some(Relayed {
        method: Method::MsChap,
        attributes: Secret::new(framed),
    }))
}

/// A proof that no upstream could check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed proof of {0:?}")]
pub struct MalformedProof(
    /// The method.
    pub Method,
);

fn is_of_ms_chap(number: u8) -> bool {
    matches!(
        number,
        MS_CHAP_LM_ENC_PW | MS_CHAP_NT_ENC_PW | MS_CHAP_CHALLENGE
    ) || MS_CHAP_PROOFS.iter().any(|(proof, _)| *proof == number)
}

/// An identifier and a digest (RFC 2865 section 5.3).
const CHAP_OCTETS: usize = 1 + AUTHENTICATOR_OCTETS;

/// What proves something in MS-CHAP, and its octets (RFC 2548 sections 2.1.3, 2.1.6, 2.1.7, 2.3.2
/// and 2.3.4): MS-CHAP-Response, MS-CHAP-CPW-1, MS-CHAP-CPW-2, MS-CHAP2-Response, MS-CHAP2-CPW.
const MS_CHAP_PROOFS: &[(u8, usize)] = &[(1, 50), (3, 70), (4, 84), (25, 50), (27, 68)];

/// RFC 2548 section 2.1.8.
const MS_CHAP_LM_ENC_PW: u8 = 5;
/// RFC 2548 section 2.1.9.
const MS_CHAP_NT_ENC_PW: u8 = 6;
/// RFC 2548 section 2.1.2.
const MS_CHAP_CHALLENGE: u8 = 11;

/// What every request upstream has of its own.
const OWN: &[AttributeType] = &[
    AttributeType::USER_NAME,
    AttributeType::NAS_IP_ADDRESS,
    AttributeType::NAS_IPV6_ADDRESS,
    AttributeType::CALLING_STATION_ID,
];

#[cfg(test)]
mod tests {
    use proto::config::{AttributeRef, AttributeType as DataType};

    use super::*;
    use crate::radius::{Code, RequestBuilder, SharedSecret};

    fn rule(all: bool, named: &[(Option<u32>, u8)]) -> PassThrough {
        PassThrough {
            all,
            attributes: named
                .iter()
                .map(|(vendor, number)| AttributeRef {
                    name: String::new(),
                    vendor: *vendor,
                    number: *number,
                    data_type: DataType::Octets,
                })
                .collect(),
        }
    }

    #[test]
    fn passes_what_the_rule_names_and_nothing_of_the_clients_hop() {
        let secret = SharedSecret::new(b"s");
        let mut builder = RequestBuilder::new(Code::ACCESS_REQUEST, 1, [7; 16], &secret);
        builder.user_password(b"hidden").unwrap();
        for kind in [1, 3, 4, 24, 31, 33, 60, 69, 79, 95] {
            builder.attribute(AttributeType(kind), b"never").unwrap();
        }
        builder.attribute(AttributeType(32), b"nas").unwrap();
        builder.attribute(AttributeType(222), b"?").unwrap();
        // Cisco's AVPair beside another of its attributes, and MS-CHAP2-Response.
        builder
            .attribute(
                AttributeType::VENDOR_SPECIFIC,
                &[0, 0, 0, 9, 1, 3, b'a', 2, 3, b'b'],
            )
            .unwrap();
        builder.vendor(311, 25, b"mschap").unwrap();
        builder.vendor(311, 16, b"key").unwrap();
        builder.vendor(311, 7, b"pol").unwrap();
        let octets = builder.finish();
        let packet = Packet::parse(&octets).unwrap();
        let (nas, unknown) = ([32, 5, b'n', b'a', b's'], [222, 3, b'?']);
        let (a, b) = (
            [26, 9, 0, 0, 0, 9, 1, 3, b'a'],
            [26, 9, 0, 0, 0, 9, 2, 3, b'b'],
        );
        let pol = [26, 11, 0, 0, 1, 55, 7, 5, b'p', b'o', b'l'];
        for (name, rule, want) in [
            ("none", rule(false, &[]), Vec::new()),
            ("one", rule(false, &[(None, 32)]), nas.to_vec()),
            ("vendor's", rule(false, &[(Some(9), 1)]), a.to_vec()),
            (
                "forbidden",
                rule(
                    false,
                    &[
                        (None, 2),
                        (None, 33),
                        (None, 80),
                        (None, 4),
                        (Some(311), 25),
                    ],
                ),
                Vec::new(),
            ),
            (
                "all",
                rule(true, &[]),
                [&nas[..], &unknown, &a, &b, &pol].concat(),
            ),
        ] {
            assert_eq!(select(&packet, &rule), want, "{name}");
        }
    }

    #[test]
    fn proofs_go_on_as_they_came() {
        let read = |attributes: &[(u8, &[u8])], vendors: &[(u8, &[u8])]| {
            let secret = SharedSecret::new(b"s");
            let mut builder = RequestBuilder::new(Code::ACCESS_REQUEST, 1, [7; 16], &secret);
            builder.attribute(AttributeType(1), b"alice").unwrap();
            for (number, value) in attributes {
                builder.attribute(AttributeType(*number), value).unwrap();
            }
            for (number, value) in vendors {
                builder.vendor(VENDOR_MICROSOFT, *number, value).unwrap();
            }
            let octets = builder.finish();
            relayed(&Packet::parse(&octets).unwrap())
                .map(|found| found.map(|one| (one.method, one.attributes.expose().clone())))
        };
        let vsa = |number: u8, value: &[u8]| {
            let mut framed = Vec::new();
            hop::frame(&mut framed, Some(311), number, value);
            framed
        };
        let chap = [&[3, 19][..], &[9; 17]].concat();
        let (one, two, challenge) = ([1; 50], [2; 50], [3; 16]);
        let (change, piece) = ([4; 68], [5; 240]);
        assert_eq!(read(&[(32, b"nas")], &[(7, b"x")]), Ok(None));
        assert_eq!(
            read(&[(3, &[9; 17])], &[]),
            Ok(Some((
                Method::Chap,
                [&chap[..], &[60, 18], &[7; 16]].concat()
            ))),
            "the authenticator was the challenge"
        );
        assert_eq!(
            read(&[(3, &[9; 17]), (60, b"challenge")], &[]),
            Ok(Some((
                Method::Chap,
                [&chap[..], &[60, 11], b"challenge"].concat()
            )))
        );
        for (number, response) in [(1, &one), (25, &two)] {
            assert_eq!(
                read(&[], &[(11, &challenge), (number, response), (10, b"no")]),
                Ok(Some((
                    Method::MsChap,
                    [vsa(11, &challenge), vsa(number, response)].concat()
                )))
            );
        }
        assert_eq!(
            read(
                &[],
                &[(27, &change), (6, &piece), (6, &piece), (11, &challenge)]
            ),
            Ok(Some((
                Method::MsChap,
                [
                    vsa(27, &change),
                    vsa(6, &piece),
                    vsa(6, &piece),
                    vsa(11, &challenge)
                ]
                .concat()
            ))),
            "a change of password"
        );
        for (name, attributes, vendors, method) in [
            ("short", vec![(3, &[0; 16][..])], vec![], Method::Chap),
            ("no challenge", vec![], vec![(25, &two[..])], Method::MsChap),
            (
                "long",
                vec![],
                vec![(11, &challenge[..]), (1, &[0; 51])],
                Method::MsChap,
            ),
        ] {
            let want = Err(MalformedProof(method));
            assert_eq!(read(&attributes, &vendors), want, "{name}");
        }
    }
}
