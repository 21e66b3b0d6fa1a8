//! What goes on inside PEAP, version 0 (without inner headers) and version 1 (with them).

use super::*;

use TunnelVersion::Tls13;

/// A peer of version 0 that was told how it ends, and the octets it was told.
fn told(success: bool) -> (Peer, Vec<u8>) {
    let mut peer = Peer::deciding(Tls13, 0);
    let told = peer.is_told(success);
    (peer, told)
}

/// An EAP Extensions response with these TLVs.
fn extensions(peer: &Peer, tlvs: &[u8]) -> Vec<u8> {
    let length = u8::try_from(tlvs.len() + 5).unwrap();
    [&[0, 2, peer.identifier, 0, length, 33], tlvs].concat()
}

const SUCCESS: [u8; 6] = [0x80, 3, 0, 2, 0, 1];
const FAILURE: [u8; 6] = [0x80, 3, 0, 2, 0, 2];

#[test]
fn a_login_of_version_0_goes_by_its_octets() {
    for tls in BOTH {
        let mut peer = Peer::within(tls, 0);
        assert_eq!(peer.sends(b"\x00\x01alice"), b"\x19\x00\x06Password: ");
        let offered = peer.offers(b"\x00\x06secret");
        assert_eq!(offered, (Some("alice".to_owned()), b"secret".to_vec()));
        assert!(peer.talk.can_ask());
        assert_eq!(
            peer.is_asked("Enter passcode:"),
            b"\x19\x00\x06Enter passcode:"
        );
        let offered = peer.offers(b"\x00\x06123456");
        assert_eq!(offered, (Some("alice".to_owned()), b"123456".to_vec()));
        // With its header, unlike all before; the binding's offer behind the result.
        let told = peer.is_told(true);
        assert_eq!(told[..5], [1, peer.identifier, 0, 71, 33]);
        assert_eq!(told[5..11], SUCCESS);
        assert_eq!(told[11..19], [0, 12, 0, 56, 0, 0, 0, 0]);
        assert_eq!(told[19..51], NONCE);
        assert_eq!(told.len(), 71);
        let answer = extensions(&peer, &SUCCESS);
        let step = peer.step(&answer);
        peer.keys(step);
    }
}

#[test]
fn a_login_of_version_1_goes_by_its_octets() {
    for tls in BOTH {
        let mut peer = Peer::within(tls, 1);
        let id = peer.identifier;
        let asked = peer.sends(&[&[1, 2, id, 0, 10, 1][..], b"alice"].concat());
        assert_eq!(
            asked,
            [&[25, 1, 1, id + 1, 0, 15, 6][..], b"Password: "].concat()
        );
        let offered = peer.offers(&[&[1, 2, id + 1, 0, 11, 6][..], b"secret"].concat());
        assert_eq!(offered, (Some("alice".to_owned()), b"secret".to_vec()));
        assert_eq!(peer.is_told(true), [3, peer.identifier, 0, 4]);
        let step = peer.step(b"\x01");
        peer.keys(step);
    }
}

#[test]
fn version_0_takes_answers_that_have_their_header() {
    let mut peer = Peer::within(Tls13, 0);
    let id = peer.identifier;
    let asked = peer.sends(&[&[0, 2, id, 0, 10, 1][..], b"alice"].concat());
    assert_eq!(asked, b"\x19\x00\x06Password: ");
    let offered = peer.offers(&[&[0, 2, id + 1, 0, 11, 6][..], b"secret"].concat());
    assert_eq!(offered, (Some("alice".to_owned()), b"secret".to_vec()));
    // A length that is not that of the whole is no header: then 2 is the type.
    let mut peer = Peer::within(Tls13, 0);
    peer.sends(b"\x00\x01alice");
    assert!(matches!(
        peer.fails(b"\x00\x02\x09\x00\x09\x06secret"),
        EapFault::Inner(_)
    ));
}

#[test]
fn a_password_of_octets_of_any_kind_is_offered_as_it_came() {
    for password in [&b""[..], b"\x00\xff\xfe", b" blanks ", &[b'x'; 4_000]] {
        let mut peer = Peer::within(Tls13, 0);
        peer.sends(b"\x00\x01alice");
        let offered = peer.offers(&[b"\x00\x06", password].concat());
        assert_eq!(offered.1, password);
    }
}

#[test]
fn names_are_read_as_eap_has_them() {
    let offered = |name: &[u8]| {
        let mut peer = Peer::within(Tls13, 0);
        peer.sends(&[b"\x00\x01", name].concat());
        peer.offers(b"\x00\x06secret").0
    };
    assert_eq!(offered(b""), None);
    assert_eq!(offered(b"alice\0"), Some("alice".to_owned()));
    assert_eq!(
        offered("j\u{fc}rgen".as_bytes()),
        Some("j\u{fc}rgen".to_owned())
    );
    assert_eq!(offered(&[b'a'; 253]), Some("a".repeat(253)));
    for name in [&b"al\nice"[..], b"\xffalice", b"al\0ice", &[b'a'; 254]] {
        let mut peer = Peer::within(Tls13, 0);
        assert_eq!(
            peer.fails(&[b"\x00\x01", name].concat()),
            EapFault::Identity
        );
    }
}

#[test]
fn what_is_no_answer_to_the_question_is_the_end() {
    for (name, data) in [
        ("nothing", &b"\x00"[..]),
        ("no name", b"\x00\x06secret"),
        ("a Nak of the question who it is", b"\x00\x03\x06"),
        ("an empty header", b"\x00\x02\x09\x00\x04"),
    ] {
        let mut peer = Peer::within(Tls13, 0);
        assert!(matches!(peer.fails(data), EapFault::Inner(_)), "{name}");
    }
    for (name, data) in [
        ("nothing", &b"\x00"[..]),
        ("its name again", b"\x00\x01alice"),
        ("another type", b"\x00\x1asecret"),
    ] {
        let mut peer = Peer::within(Tls13, 0);
        peer.sends(b"\x00\x01alice");
        assert!(matches!(peer.fails(data), EapFault::Inner(_)), "{name}");
    }
    for (name, data) in [
        ("nothing", &b"\x01"[..]),
        ("a request", b"\x01\x01\x09\x00\x0a\x01alice"),
        ("no header", b"\x01\x01alice"),
        ("longer than it is", b"\x01\x02\x09\x00\x2a\x01alice"),
    ] {
        let mut peer = Peer::within(Tls13, 1);
        assert!(
            matches!(peer.fails(data), EapFault::Inner(_)),
            "version 1: {name}"
        );
    }
}

#[test]
fn nothing_is_taken_while_something_is_decided() {
    for version in [0, 1] {
        let mut peer = Peer::deciding(Tls13, version);
        let password = peer.inner(version, 6, b"another");
        let fault = peer.fails(&flagged(version, &password));
        assert!(matches!(fault, EapFault::Inner(text) if text.contains("before it was answered")));
    }
}

#[test]
fn a_peer_that_wants_another_method_inside_is_told_so_inside() {
    let fault = || EapFault::NoInnerMethod {
        wanted: "MSCHAPv2".to_owned(),
        remedy: "GTC",
    };
    let mut peer = Peer::within(Tls13, 0);
    peer.sends(b"\x00\x01alice");
    let told = peer.sends(b"\x00\x03\x1a");
    let id = peer.identifier;
    assert_eq!(told, [&[25, 0, 1, id, 0, 11, 33], &FAILURE[..]].concat());
    let answer = extensions(&peer, &FAILURE);
    assert_eq!(peer.fails(&answer), fault());

    // Whatever it says then, and in version 1 too, and for a later question.
    let mut peer = Peer::deciding(Tls13, 1);
    peer.is_asked("Enter passcode:");
    let nak = peer.inner(1, 3, &[26]);
    let told = peer.sends(&flagged(1, &nak));
    assert_eq!(told, [25, 1, 4, peer.identifier, 0, 4]);
    assert_eq!(peer.fails(b"\x01nonsense"), fault());
}

#[test]
fn a_failure_is_told_inside_and_then_outside_whatever_the_peer_says() {
    let (peer, said) = told(false);
    assert_eq!(
        said,
        [&[1, peer.identifier, 0, 11, 33], &FAILURE[..]].concat()
    );
    let answers = [
        extensions(&peer, &FAILURE),
        extensions(&peer, &SUCCESS),
        extensions(&peer, &[]),
        b"\x00".to_vec(),
        b"\x00\x06secret".to_vec(),
        b"\x00nonsense".to_vec(),
    ];
    for answer in answers {
        let (mut peer, _) = told(false);
        let step = peer.step(&answer);
        peer.is_refused(step);
    }
    let mut peer = Peer::deciding(Tls13, 1);
    assert_eq!(peer.is_told(false), [4, peer.identifier, 0, 4]);
    let step = peer.step(&[1, 4, peer.identifier, 0, 4]);
    peer.is_refused(step);
}

#[test]
fn nobody_is_let_in_who_does_not_agree_to_the_success() {
    let refused = |tlvs: &[u8]| {
        let (mut peer, _) = told(true);
        let answer = extensions(&peer, tlvs);
        peer.fails(&answer)
    };
    assert!(matches!(refused(&FAILURE), EapFault::Result(_)));
    assert!(
        matches!(refused(&[]), EapFault::Result(_)),
        "no result at all"
    );
    for (name, tlvs) in [
        ("half a header", &[0x80, 3, 0][..]),
        ("longer than it is", &[0x80, 3, 0, 3, 0, 1]),
        ("a rest", &[0x80, 3, 0, 2, 0, 1, 0]),
    ] {
        assert!(matches!(refused(tlvs), EapFault::Inner(_)), "{name}");
    }
    for (name, tlvs) in [
        ("one octet", &[0x80, 3, 0, 1, 1][..]),
        ("four octets", &[0x80, 3, 0, 4, 0, 0, 0, 1]),
        ("another status", &[0x80, 3, 0, 2, 0, 3]),
        ("another type", &[0x80, 4, 0, 2, 0, 1]),
        (
            "first so and then so",
            &[0x80, 3, 0, 2, 0, 1, 0x80, 3, 0, 2, 0, 2],
        ),
        (
            "and the other way",
            &[0x80, 3, 0, 2, 0, 2, 0x80, 3, 0, 2, 0, 1],
        ),
    ] {
        assert!(matches!(refused(tlvs), EapFault::Result(_)), "{name}");
    }
    for data in [&b"\x00"[..], b"\x00\x06secret", b"\x00\x03\x00"] {
        let (mut peer, _) = told(true);
        assert!(matches!(peer.fails(data), EapFault::Inner(_)), "{data:?}");
    }
    // Version 1 is acknowledged with nothing, and by nothing else.
    let mut peer = Peer::deciding(Tls13, 1);
    peer.is_told(true);
    let failure = [1, 4, peer.identifier, 0, 4];
    assert!(matches!(peer.fails(&failure), EapFault::Result(_)));
}

#[test]
fn what_is_not_known_beside_the_result_is_passed_over() {
    let (mut peer, _) = told(true);
    let answer = extensions(
        &peer,
        &[&[0, 7, 0, 3, 1, 2, 3], &SUCCESS[..], &[0, 99, 0, 0]].concat(),
    );
    let step = peer.step(&answer);
    peer.keys(step);
}
