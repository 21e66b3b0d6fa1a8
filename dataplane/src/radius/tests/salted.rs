//! Values encrypted for one hop.

use crate::radius::salted::{
    Hop, MAX_TEXT_OCTETS, SaltedError, decrypt, encrypt, is_salted, is_salted_vendor, recrypt,
    recrypt_tunnel_password,
};
use crate::radius::tests::{REQUEST_AUTHENTICATOR, secret};
use crate::radius::{Attribute, AttributeType, SharedSecret, VendorAttribute};

#[test]
fn a_value_is_encrypted_again_for_the_next_hop() {
    let (ours, theirs) = (secret(), SharedSecret::new(b"upstream"));
    let from = Hop {
        authenticator: &[1; 16],
        secret: &theirs,
    };
    let to = Hop {
        authenticator: &REQUEST_AUTHENTICATOR,
        secret: &ours,
    };
    for octets in [0, 1, 15, 16, 31, 32, MAX_TEXT_OCTETS] {
        let text = vec![0xa5; octets];
        let value = encrypt(&text, [0x80, 1], from).unwrap();
        let again = recrypt(&value, from, to, [0x80, 2]).unwrap();
        assert_eq!(decrypt(&again, to).unwrap().expose(), &text, "{octets}");

        let tagged = [&[5], &value[..]].concat();
        let again = recrypt_tunnel_password(&tagged, from, to, [0x80, 3]).unwrap();
        let (tag, rest) = again.split_first().unwrap();
        assert_eq!(*tag, 5);
        assert_eq!(decrypt(rest, to).unwrap().expose(), &text, "{octets}");
    }
}

#[test]
fn an_mppe_key_of_32_octets_is_a_value_of_50() {
    let secret = secret();
    let hop = Hop {
        authenticator: &REQUEST_AUTHENTICATOR,
        secret: &secret,
    };
    let value = encrypt(&[7; 32], [0x12, 0x34], hop).unwrap();
    assert_eq!(value.len(), 50);
    assert_eq!(value[..2], [0x92, 0x34], "the highest bit of a salt is set");
}

#[test]
fn what_is_no_encrypted_value_is_refused() {
    let secret = secret();
    let hop = Hop {
        authenticator: &REQUEST_AUTHENTICATOR,
        secret: &secret,
    };
    for octets in [0, 1, 2, 3, 17, 19, 33, 2 + 256] {
        let error = decrypt(&vec![0; octets], hop).unwrap_err();
        assert_eq!(error, SaltedError::Length { octets }, "{octets}");
    }
    let error = recrypt_tunnel_password(&[], hop, hop, [0, 0]).unwrap_err();
    assert_eq!(error, SaltedError::Length { octets: 0 });
    let octets = MAX_TEXT_OCTETS + 1;
    let error = encrypt(&vec![0; octets], [0, 0], hop).unwrap_err();
    assert_eq!(error, SaltedError::TextTooLong { octets });
}

#[test]
fn a_length_inside_that_is_over_the_value_is_refused() {
    let secret = secret();
    let hop = Hop {
        authenticator: &REQUEST_AUTHENTICATOR,
        secret: &secret,
    };
    let mut value = encrypt(&[7; 15], [0x80, 1], hop).unwrap();
    value[2] ^= 0x10;
    assert_eq!(
        decrypt(&value, hop).unwrap_err(),
        SaltedError::Undecryptable
    );
}

#[test]
fn encrypted_attributes_are_known() {
    let standard = |kind| is_salted(Attribute { kind, value: &[] });
    assert!(standard(AttributeType::TUNNEL_PASSWORD));
    assert!(!standard(AttributeType::USER_PASSWORD));
    let of = |vendor, number| {
        is_salted_vendor(VendorAttribute {
            vendor,
            number,
            value: &[],
        })
    };
    for (vendor, number, want) in [
        (311, 16, true),
        (311, 17, true),
        (311, 11, false),
        (9, 16, false),
    ] {
        assert_eq!(of(vendor, number), want, "{vendor} {number}");
    }
}
