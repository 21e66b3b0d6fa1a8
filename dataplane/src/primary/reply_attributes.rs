//! What a RADIUS upstream answered with, as a client may have it. Pure.

use proto::config::PassThrough;

use super::hop::{self, Part};
use super::{UpstreamAttribute, UpstreamValue};
use crate::radius::salted::{self, Hop, SALT_OCTETS};
use crate::radius::{AttributeType, Packet, password};

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
        let UpstreamAttribute {
            vendor,
            number,
            value,
            always,
        } = attribute;
        let of_ours = vendor.is_none() && AttributeType(*number) == AttributeType::REPLY_MESSAGE;
        let by_rule = || {
            !of_ours
                && !hop::is_of_one_hop(*vendor, *number)
                && rules.iter().any(|rule| hop::allows(rule, *vendor, *number))
        };
        if !*always && !by_rule() {
            continue;
        }
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

/// Reads the attributes of an upstream's answer, less those that belong to its hop. A value that
/// cannot be decrypted is left out: nobody could use it.
pub(super) fn read(answer: &Packet<'_>, from: Hop<'_>) -> Vec<UpstreamAttribute> {
    answer
        .attributes()
        .flat_map(hop::parts)
        .filter_map(|part| match part {
            Part::Standard(one) => {
                let value = if salted::is_salted(one) {
                    let (tag, hidden) = one.value.split_first()?;
                    salted_value(Some(*tag), hidden, from)?
                } else {
                    UpstreamValue::Plain(one.value.to_vec())
                };
                Some((None, one.kind.0, value))
            }
            Part::Vendor(one) => {
                let value = if salted::is_salted_vendor(one) {
                    salted_value(None, one.value, from)?
                } else {
                    UpstreamValue::Plain(one.value.to_vec())
                };
                Some((Some(one.vendor), one.number, value))
            }
        })
        .filter(|(vendor, number, _)| !hop::is_of_one_hop(*vendor, *number))
        .map(|(vendor, number, value)| UpstreamAttribute {
            vendor,
            number,
            value,
            always: false,
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

#[cfg(test)]
mod tests {
    use proto::secret::Secret;

    use super::*;
    use crate::radius::{Code, ReplyBuilder, ReplyTo, RequestBuilder, SharedSecret};

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

        let attributes = read(&Packet::parse(&octets).unwrap(), from);
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
        let got = read(&Packet::parse(&octets).unwrap(), to);
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
}
