//! What the accept of a conversation carries of its own: the keys, and who was let in.

use proto::secret::Secret;

use crate::eap::tunnel::KeyingMaterial;
use crate::primary::{UpstreamAttribute, UpstreamValue};
use crate::radius::AttributeType;
use crate::radius::salted::{MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY, VENDOR_MICROSOFT};

/// Completes what the upstream's accept carried. With a user whom the device knows by another name.
pub(super) fn complete(
    attributes: &mut Vec<UpstreamAttribute>,
    keys: &KeyingMaterial,
    user: Option<&str>,
) {
    attributes.retain(|one| !is_session_key(one));
    attributes.extend(session_keys(keys));
    if let Some(user) = user {
        attributes.retain(|one| !is_user_name(one));
        attributes.push(user_name(user));
    }
}

/// Who was let in, for a device that knows the outer name only: it must not take the session for
/// that one's (RFC 2865 section 5.1).
fn user_name(user: &str) -> UpstreamAttribute {
    UpstreamAttribute {
        vendor: None,
        number: AttributeType::USER_NAME.0,
        value: UpstreamValue::Plain(user.as_bytes().to_vec()),
        always: true,
    }
}

fn is_user_name(attribute: &UpstreamAttribute) -> bool {
    attribute.vendor.is_none() && attribute.number == AttributeType::USER_NAME.0
}

/// MS-MPPE-Recv-Key and MS-MPPE-Send-Key (RFC 2548 section 2.4.2): the halves of the MSK.
fn session_keys(keys: &KeyingMaterial) -> Vec<UpstreamAttribute> {
    let halves = keys.expose().chunks(32);
    [MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY]
        .into_iter()
        .zip(halves)
        .map(|(number, half)| UpstreamAttribute {
            vendor: Some(VENDOR_MICROSOFT),
            number,
            value: UpstreamValue::Salted {
                tag: None,
                clear: Secret::new(half.to_vec()),
            },
            always: true,
        })
        .collect()
}

/// Keys of the upstream's own would be those of another session.
const fn is_session_key(attribute: &UpstreamAttribute) -> bool {
    matches!(
        (attribute.vendor, attribute.number),
        (Some(VENDOR_MICROSOFT), MS_MPPE_RECV_KEY | MS_MPPE_SEND_KEY)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_session_are_the_halves_of_the_msk_and_the_upstreams_are_none() {
        let keys: KeyingMaterial = Secret::new(std::array::from_fn(|n| u8::try_from(n).unwrap()));
        let made = session_keys(&keys);
        let clear = |attribute: &UpstreamAttribute| match &attribute.value {
            UpstreamValue::Salted { tag: None, clear } => clear.expose().clone(),
            value => panic!("{value:?}"),
        };
        assert_eq!(made.len(), 2);
        assert_eq!((made[0].number, clear(&made[0])), (17, (0..32).collect()));
        assert_eq!((made[1].number, clear(&made[1])), (16, (32..64).collect()));
        assert!(made.iter().all(is_session_key));
        let class = UpstreamAttribute {
            vendor: None,
            number: 17,
            value: UpstreamValue::Plain(vec![1]),
            always: false,
        };
        assert!(!is_session_key(&class));
    }
}
