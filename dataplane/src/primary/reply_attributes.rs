//! What a RADIUS upstream answered with, as a client may have it. Pure.

use proto::config::PassThrough;
use proto::secret::Secret;

use super::hop::{self, Part};
use super::{UpstreamAttribute, UpstreamValue};
use crate::radius::salted::{self, Hop, SALT_OCTETS};
use crate::radius::{Attribute, AttributeType, Packet, VendorAttribute, password};

/// Frames the attributes that one of the rules lets pass, in their order, encrypted again where
/// they were. Reply-Message is not among them, because the answer has its own.
///
/// `to` is the client's hop: its secret and the authenticator of its request. `salt` is random;
/// each encrypted attribute has one that differs (RFC 2868 section 3.5).
#[must_use]
pub fn encode(
    attributes: &[UpstreamAttribute],
    rules: &[&PassThrough],
    to: Hop<'_>,
    salt: [u8; SALT_OCTETS],
) -> Vec<u8> {
    let mut framed = Vec::new();
    let mut salt = u16::from_be_bytes(salt);
    for attribute in attributes {
        if !passes(attribute, rules) {
            continue;
        }
        let UpstreamAttribute {
            vendor,
            number,
            value,
            always: _,
        } = attribute;
        match value {
            UpstreamValue::Plain(value) => hop::frame(&mut framed, *vendor, *number, value),
            UpstreamValue::Hidden(clear) => {
                // What was read out of a value is never too long for one.
                if let Ok(hidden) = password::hide(clear.expose(), to.authenticator, to.secret) {
                    hop::frame(&mut framed, *vendor, *number, &hidden);
                }
            }
            UpstreamValue::Salted { tag, clear } => {
                salt = salt.wrapping_add(1);
                // A text that was decrypted is never too long to be encrypted.
                if let Ok(hidden) = salted::encrypt(clear.expose(), salt.to_be_bytes(), to) {
                    let value: Vec<u8> = tag.iter().copied().chain(hidden).collect();
                    hop::frame(&mut framed, *vendor, *number, &value);
                }
            }
        }
    }
    framed
}

/// Whether an attribute goes to the client. One without a value never does: there is no such thing
/// (RFC 2865 section 5).
#[must_use]
pub fn passes(attribute: &UpstreamAttribute, rules: &[&PassThrough]) -> bool {
    let UpstreamAttribute {
        vendor,
        number,
        ref value,
        always,
    } = *attribute;
    if matches!(value, UpstreamValue::Plain(value) if value.is_empty()) {
        return false;
    }
    let of_ours = vendor.is_none() && AttributeType(number) == AttributeType::REPLY_MESSAGE;
    always
        || !of_ours
            && !hop::is_of_one_hop(vendor, number)
            && rules.iter().any(|rule| hop::allows(rule, vendor, number))
}

/// Reads the attributes of an upstream's answer. `always` says of a vendor and a number whether
/// the attribute belongs to the login's method or to the question, and so comes back without a
/// rule; of the others those that belong to the upstream's hop are left out.
///
/// A value that cannot be decrypted is left out too: nobody could use it.
pub(super) fn read(
    answer: &Packet<'_>,
    from: Hop<'_>,
    always: impl Fn(Option<u32>, u8) -> bool,
) -> Vec<UpstreamAttribute> {
    answer
        .attributes()
        .flat_map(hop::parts)
        .filter_map(|part| {
            let (vendor, number) = match part {
                Part::Standard(one) => (None, one.kind.0),
                Part::Vendor(one) => (Some(one.vendor), one.number),
            };
            let always = always(vendor, number);
            if !always && hop::is_of_one_hop(vendor, number) {
                return None;
            }
            let value = match part {
                Part::Standard(one) if salted::is_salted(one) => {
                    let (tag, hidden) = one.value.split_first()?;
                    salted_value(Some(*tag), hidden, from)?
                }
                Part::Vendor(one) if salted::is_salted_vendor(one) => {
                    salted_value(None, one.value, from)?
                }
                Part::Vendor(one) if (one.vendor, one.number) == MS_CHAP_MPPE_KEYS => {
                    hidden_value(one.value, from)?
                }
                Part::Standard(Attribute { value, .. })
                | Part::Vendor(VendorAttribute { value, .. }) => {
                    UpstreamValue::Plain(value.to_vec())
                }
            };
            Some(UpstreamAttribute {
                vendor,
                number,
                value,
                always,
            })
        })
        .collect()
}

fn salted_value(tag: Option<u8>, hidden: &[u8], from: Hop<'_>) -> Option<UpstreamValue> {
    match salted::decrypt(hidden, from) {
        Ok(clear) => Some(UpstreamValue::Salted { tag, clear }),
        Err(error) => {
            tracing::debug!(error = %error, "encrypted attribute of an upstream left out");
            None
        }
    }
}

fn hidden_value(hidden: &[u8], from: Hop<'_>) -> Option<UpstreamValue> {
    if hidden.len() != MS_CHAP_MPPE_KEYS_OCTETS {
        let octets = hidden.len();
        tracing::debug!(octets, "MS-CHAP-MPPE-Keys of an upstream left out");
        return None;
    }
    let clear = password::unhide(hidden, from.authenticator, from.secret).ok()?;
    // Zeros at the end are taken for padding there, and may be a key's here.
    let mut keys = vec![0; MS_CHAP_MPPE_KEYS_OCTETS];
    for (to, from) in keys.iter_mut().zip(clear.expose()) {
        *to = *from;
    }
    Some(UpstreamValue::Hidden(Secret::new(keys)))
}

/// RFC 2548 section 2.4.1.
const MS_CHAP_MPPE_KEYS: (u32, u8) = (salted::VENDOR_MICROSOFT, 12);
/// Two keys of 8 and 16 octets, padded.
const MS_CHAP_MPPE_KEYS_OCTETS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radius::{Authenticator, Code, ReplyBuilder, ReplyTo, RequestBuilder, SharedSecret};

    #[test]
    fn an_answer_crosses_to_the_other_hop() {
        let (upstream, client) = (SharedSecret::new(b"upstream"), SharedSecret::new(b"client"));
        let from = Hop {
            authenticator: &[1; 16],
            secret: &upstream,
        };
        let to = Hop {
            authenticator: &[2; 16],
            secret: &client,
        };
        let request = RequestBuilder::new(Code::ACCESS_REQUEST, 9, [1; 16], &upstream).finish();
        let reply_to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
        let mut reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &reply_to, &upstream);
        reply.attribute(AttributeType(25), b"class").unwrap();
        reply.attribute(AttributeType(24), b"state").unwrap();
        reply.reply_message("theirs").unwrap();
        let tunnel = [
            &[5][..],
            &salted::encrypt(b"tunnel", [0x80, 1], from).unwrap(),
        ]
        .concat();
        reply
            .attribute(AttributeType::TUNNEL_PASSWORD, &tunnel)
            .unwrap();
        let key = salted::encrypt(&[3; 32], [0x80, 2], from).unwrap();
        reply.vendor(311, 16, &key).unwrap();
        reply.vendor(9, 1, b"pair").unwrap();
        let octets = reply.finish();

        let attributes = read(&Packet::parse(&octets).unwrap(), from, |_, _| false);
        let all = PassThrough {
            all: true,
            attributes: Vec::new(),
        };
        let framed = encode(
            &attributes,
            &[&PassThrough::default(), &all],
            to,
            [0xff, 0xff],
        );
        let mut again = ReplyBuilder::new(Code::ACCESS_ACCEPT, &reply_to, &client);
        again.raw(&framed).unwrap();
        let octets = again.finish();
        let got = read(&Packet::parse(&octets).unwrap(), to, |_, _| false);
        let want = |vendor, number, value| UpstreamAttribute {
            vendor,
            number,
            value,
            always: false,
        };
        assert_eq!(
            got,
            [
                want(None, 25, UpstreamValue::Plain(b"class".to_vec())),
                want(
                    None,
                    69,
                    UpstreamValue::Salted {
                        tag: Some(5),
                        clear: Secret::new(b"tunnel".to_vec())
                    }
                ),
                want(
                    Some(311),
                    16,
                    UpstreamValue::Salted {
                        tag: None,
                        clear: Secret::new(vec![3; 32])
                    }
                ),
                want(Some(9), 1, UpstreamValue::Plain(b"pair".to_vec())),
            ]
        );
        // The salts of one packet differ, and nothing passes without a rule.
        let salts: Vec<_> = Packet::parse(&octets)
            .unwrap()
            .attributes()
            .filter(|a| a.kind == AttributeType::TUNNEL_PASSWORD)
            .map(|a| a.value[1..3].to_vec())
            .collect();
        let key = Packet::parse(&octets)
            .unwrap()
            .first_vendor(311, 16)
            .unwrap()[..2]
            .to_vec();
        assert_ne!(salts, [key]);
        assert!(encode(&attributes, &[&PassThrough::default()], to, [0, 0]).is_empty());
    }

    fn answer_with(secret: &SharedSecret, attributes: &[(Option<u32>, u8, Vec<u8>)]) -> Vec<u8> {
        let request = RequestBuilder::new(Code::ACCESS_REQUEST, 9, FROM, secret).finish();
        let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
        let mut reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, secret);
        for (vendor, number, value) in attributes {
            match vendor {
                None => reply.attribute(AttributeType(*number), value).unwrap(),
                Some(vendor) => reply.vendor(*vendor, *number, value).unwrap(),
            };
        }
        reply.finish()
    }

    #[test]
    fn what_always_comes_back_needs_no_rule_and_keys_stay_whole() {
        let (upstream, client) = (SharedSecret::new(b"upstream"), SharedSecret::new(b"client"));
        let (from, to) = (hop(&FROM, &upstream), hop(&TO, &client));
        // A key may end with zeros.
        let mut keys = vec![0; 32];
        keys[..3].copy_from_slice(&[1, 2, 3]);
        let hidden = password::hide(&keys, from.authenticator, from.secret).unwrap();
        let octets = answer_with(
            &upstream,
            &[
                (Some(311), 12, hidden),
                (Some(311), 26, b"\x07S=0123".to_vec()),
                (None, 18, b"question".to_vec()),
                (None, 25, b"class".to_vec()),
            ],
        );
        let always = |vendor, number| vendor == Some(311) || (vendor, number) == (None, 18);
        let attributes = read(&Packet::parse(&octets).unwrap(), from, always);
        let framed = encode(&attributes, &[], to, [0, 0]);
        let mut want = [&[26, 40, 0, 0, 1, 55, 12, 34][..]].concat();
        want.extend(password::hide(&keys, &TO, &client).unwrap());
        want.extend(b"\x1a\x0f\0\0\x01\x37\x1a\x09\x07S=0123");
        want.extend(b"\x12\x0aquestion");
        assert_eq!(framed, want);

        // In another login none of these passes, whatever the rule.
        let attributes = read(&Packet::parse(&octets).unwrap(), from, |_, _| false);
        let all = PassThrough {
            all: true,
            attributes: Vec::new(),
        };
        assert_eq!(encode(&attributes, &[&all], to, [0, 0]), b"\x19\x07class");
    }

    #[test]
    fn the_longest_encrypted_values_cross_and_undecryptable_ones_are_left_out() {
        let (upstream, client) = (SharedSecret::new(b"upstream"), SharedSecret::new(b"client"));
        let (from, to) = (hop(&FROM, &upstream), hop(&TO, &client));
        let text = vec![9; salted::MAX_TEXT_OCTETS];
        let whole = salted::encrypt(&text, [0x80, 1], from).unwrap();
        let tagged = [&[0x1f][..], &whole].concat();
        // Its length octet, once decrypted, is over what there is.
        let mut junk = salted::encrypt(&[1; 5], [0x80, 2], from).unwrap();
        junk[2] ^= 0xff;
        let octets = answer_with(
            &upstream,
            &[
                (None, 69, tagged),
                (Some(311), 16, whole.clone()),
                (Some(311), 17, junk),
                (Some(311), 17, whole[..17].to_vec()),
                (Some(311), 12, vec![0; 16]),
                (Some(311), 12, vec![0; 33]),
                (None, 69, Vec::new()),
            ],
        );
        let attributes = read(&Packet::parse(&octets).unwrap(), from, |_, number| {
            number != 80
        });
        let framed = encode(&attributes, &[], to, [0x7f, 0xff]);
        let octets = {
            let request = RequestBuilder::new(Code::ACCESS_REQUEST, 9, TO, &client).finish();
            let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
            let mut reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &client);
            reply.raw(&framed).unwrap();
            reply.finish()
        };
        let packet = Packet::parse(&octets).unwrap();
        let got: Vec<_> = read(&packet, to, |_, number| number != 80)
            .into_iter()
            .map(|one| (one.vendor, one.number, one.value))
            .collect();
        let clear = Secret::new(text);
        let tag = Some(0x1f);
        let salted = |tag| UpstreamValue::Salted {
            tag,
            clear: clear.clone(),
        };
        assert_eq!(
            got,
            [(None, 69, salted(tag)), (Some(311), 16, salted(None))]
        );
        // RFC 2868 section 3.5: the highest bit of a salt is set, and each differs.
        let tunnel = &packet.first(AttributeType::TUNNEL_PASSWORD).unwrap()[1..3];
        let key = &packet.first_vendor(311, 16).unwrap()[..2];
        assert!(tunnel[0] & key[0] & 0x80 != 0 && tunnel != key);
    }

    const FROM: Authenticator = [1; 16];
    const TO: Authenticator = [2; 16];

    fn hop<'a>(authenticator: &'a Authenticator, secret: &'a SharedSecret) -> Hop<'a> {
        Hop {
            authenticator,
            secret,
        }
    }
}
