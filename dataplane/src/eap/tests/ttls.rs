//! What goes on inside EAP-TTLS: attribute-value pairs, with PAP or with GTC.

use super::*;
use crate::eap::conversation::Method;

use TunnelVersion::{Tls12, Tls13};

const MANDATORY: u8 = 0x40;

/// An AVP with its padding.
fn avp(code: u32, value: &[u8]) -> Vec<u8> {
    avp_with(MANDATORY, code, None, value)
}

fn avp_with(flags: u8, code: u32, vendor: Option<u32>, value: &[u8]) -> Vec<u8> {
    let vendor = vendor.map(u32::to_be_bytes);
    let header = if vendor.is_some() { 12 } else { 8 };
    let length = u32::try_from(header + value.len()).unwrap().to_be_bytes();
    let flags = flags | if vendor.is_some() { 0x80 } else { 0 };
    let mut octets = [&code.to_be_bytes()[..], &[flags], &length[1..]].concat();
    octets.extend(vendor.into_iter().flatten());
    octets.extend_from_slice(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

fn pap(user: &[u8], password: &[u8]) -> Vec<u8> {
    [avp(1, user), avp(2, password)].concat()
}

/// Has its tunnel and may speak.
fn within(tls: TunnelVersion) -> Peer {
    let mut peer = Peer::ttls(tls);
    assert_eq!(peer.says(0, b"hello"), b"FLIGHT");
    match tls {
        // It speaks instead of an acknowledgement.
        Tls12 => assert_eq!(peer.says(0, b"keys"), b"LAST"),
        Tls13 => assert_eq!(peer.says(0, b"finished"), b""),
    }
    peer
}

/// Gave name and password by PAP.
pub(super) fn deciding(tls: TunnelVersion) -> Peer {
    let mut peer = within(tls);
    let offered = peer.offers(&flagged(0, &pap(b"alice", b"secret")));
    assert_eq!(offered, (Some("alice".to_owned()), b"secret".to_vec()));
    peer
}

fn fails(said: &[u8]) -> EapFault {
    within(Tls13).fails(&flagged(0, said))
}

#[test]
fn a_password_by_pap_is_offered_and_nothing_can_be_asked() {
    for tls in BOTH {
        let mut peer = deciding(tls);
        assert_eq!(peer.talk.agreed(), Some((Method::Ttls, Some(tls))));
        assert!(!peer.talk.can_ask());
        // The end of the tunnel is the method's: nothing is said inside.
        let step = peer.concludes(true);
        peer.keys(step);
        let mut peer = deciding(tls);
        let step = peer.concludes(false);
        peer.is_refused(step);
        let mut peer = deciding(tls);
        let tunnel = tunnel(tls, b"");
        let step = peer.talk.ask("More?", &around(&tunnel, 1_000));
        let fault = matches!(step, Step::End(_, Outcome::Fault(EapFault::Inner(_))));
        assert!(fault, "{step:?}");
    }
}

#[test]
fn a_peer_may_speak_with_the_end_of_its_handshake_or_wait_to_be_told() {
    let mut peer = Peer::ttls(Tls13);
    peer.says(0, b"hello");
    let early = [&b"\x00finished"[..], &pap(b"alice", b"secret")].concat();
    assert_eq!(peer.offers(&early).1, b"secret");
    let mut peer = within(Tls12);
    assert_eq!(
        peer.sends(b"\x00"),
        b"\x15\x00",
        "it acknowledges the last flight first"
    );
    assert_eq!(
        peer.offers(&flagged(0, &pap(b"alice", b"secret"))).1,
        b"secret"
    );
}

#[test]
fn a_peer_that_says_nothing_is_waited_for_once() {
    for tls in BOTH {
        let mut peer = within(tls);
        // With TLS 1.3 it was when its handshake ended.
        if tls == Tls12 {
            assert_eq!(peer.sends(b"\x00"), b"\x15\x00");
        }
        let fault = peer.fails(b"\x00");
        assert!(matches!(fault, EapFault::Inner(text) if text.contains("says nothing")));
    }
}

#[test]
fn a_password_is_offered_without_the_zeros_that_hide_its_length() {
    let offered = |said: Vec<u8>| within(Tls13).offers(&flagged(0, &said));
    for (hidden, want) in [
        (&b"secret\0\0\0\0\0\0\0\0\0\0"[..], &b"secret"[..]),
        (b"sec\0ret\0", b"sec\0ret"),
        (b"secret", b"secret"),
        (b"\0\0\0\0", b""),
        (b"", b""),
    ] {
        assert_eq!(offered(pap(b"alice", hidden)).1, want, "{hidden:?}");
    }
    assert_eq!(offered(avp(2, b"secret")).0, None, "no name");
    assert_eq!(offered(pap(b"", b"secret")).0, None, "an empty name");
    let backwards = [avp(2, b"secret"), avp(1, b"alice")].concat();
    assert_eq!(offered(backwards).0, Some("alice".to_owned()));
    // The last one may come without its padding.
    let mut unpadded = pap(b"alice", b"12345");
    unpadded.truncate(unpadded.len() - 3);
    assert_eq!(offered(unpadded).1, b"12345");
}

#[test]
fn a_login_with_gtc_goes_by_its_octets() {
    for tls in BOTH {
        let mut peer = within(tls);
        let asked = peer.sends(&flagged(0, &avp(79, b"\x02\x00\x00\x0a\x01alice")));
        let id = peer.identifier;
        let eap = [&[1, id, 0, 15, 6][..], b"Password: "].concat();
        let want = [&[21, 0, 0, 0, 0, 79, 0x40, 0, 0, 23][..], &eap, &[0]].concat();
        assert_eq!(asked, want);
        assert!(peer.talk.can_ask());
        let answer = avp(79, &[&[2, id, 0, 11, 6][..], b"secret"].concat());
        let offered = peer.offers(&flagged(0, &answer));
        assert_eq!(offered, (Some("alice".to_owned()), b"secret".to_vec()));
        peer.is_asked("Enter passcode:");
        let answer = avp(
            79,
            &[&[2, peer.identifier, 0, 11, 6][..], b"123456"].concat(),
        );
        assert_eq!(peer.offers(&flagged(0, &answer)).1, b"123456");
        let step = peer.concludes(true);
        peer.keys(step);
    }
}

#[test]
fn a_packet_of_eap_may_be_split_over_attributes() {
    let mut peer = within(Tls13);
    let said = [
        avp(79, b"\x02\x00\x00"),
        avp(79, b"\x0a\x01al"),
        avp(79, b"ice"),
    ]
    .concat();
    peer.sends(&flagged(0, &said));
    let id = peer.identifier;
    let said = [avp(79, &[2, id]), avp(79, b"\x00\x0b\x06secret")].concat();
    assert_eq!(
        peer.offers(&flagged(0, &said)),
        (Some("alice".to_owned()), b"secret".to_vec())
    );
}

#[test]
fn an_answer_to_another_question_is_the_end() {
    let begun = || {
        let mut peer = within(Tls13);
        peer.sends(&flagged(0, &avp(79, b"\x02\x00\x00\x0a\x01alice")));
        peer
    };
    let mut peer = begun();
    let other = avp(
        79,
        &[&[2, peer.identifier ^ 1, 0, 11, 6][..], b"secret"].concat(),
    );
    assert!(matches!(
        peer.fails(&flagged(0, &other)),
        EapFault::Inner(_)
    ));
    // Its name again, a password by PAP, and the same answer twice.
    let mut peer = begun();
    let again = avp(79, &[&[2, peer.identifier, 0, 8, 1][..], b"bob"].concat());
    assert!(matches!(
        peer.fails(&flagged(0, &again)),
        EapFault::Inner(_)
    ));
    let mut peer = begun();
    assert!(matches!(
        peer.fails(&flagged(0, &pap(b"bob", b"secret"))),
        EapFault::Inner(_)
    ));
    let mut peer = begun();
    let answer = avp(
        79,
        &[&[2, peer.identifier, 0, 11, 6][..], b"secret"].concat(),
    );
    peer.offers(&flagged(0, &answer));
    assert!(matches!(
        peer.fails(&flagged(0, &answer)),
        EapFault::Inner(_)
    ));
    // An answer before any question, and what is no EAP.
    assert!(matches!(
        fails(&avp(79, b"\x02\x00\x00\x0b\x06secret")),
        EapFault::Inner(_)
    ));
    for eap in [
        &b""[..],
        b"\x02",
        b"\x01\x00\x00\x05\x01",
        b"\x02\x00\x00\x09\x01",
    ] {
        assert!(
            matches!(fails(&avp(79, eap)), EapFault::Inner(_)),
            "{eap:?}"
        );
    }
}

#[test]
fn a_method_that_is_not_served_is_named() {
    let table = [
        (
            "MS-CHAPv2",
            [
                avp(1, b"alice"),
                avp_with(0x40, 11, Some(311), b"challenge"),
                avp_with(0x40, 25, Some(311), b"answer"),
            ]
            .concat(),
        ),
        (
            "MS-CHAP",
            [
                avp_with(0x40, 11, Some(311), b"challenge"),
                avp_with(0x40, 1, Some(311), b"answer"),
            ]
            .concat(),
        ),
        (
            "CHAP",
            [avp(1, b"alice"), avp(60, b"challenge"), avp(3, b"answer")].concat(),
        ),
    ];
    for (wanted, said) in table {
        let fault = fails(&said);
        let want = EapFault::NoInnerMethod {
            wanted: wanted.to_owned(),
            remedy: "PAP or GTC",
        };
        assert_eq!(fault, want);
        assert_eq!(fault.reason(), proto::event::Reason::UnsupportedMethod);
    }
    let mut peer = within(Tls13);
    peer.sends(&flagged(0, &avp(79, b"\x02\x00\x00\x0a\x01alice")));
    let nak = avp(79, &[2, peer.identifier, 0, 6, 3, 26]);
    let fault = peer.fails(&flagged(0, &nak));
    assert!(matches!(fault, EapFault::NoInnerMethod { wanted, .. } if wanted == "MSCHAPv2"));
}

#[test]
fn an_attribute_that_is_not_known_is_passed_over_unless_the_peer_insists() {
    let with = |extra: Vec<u8>| [extra, pap(b"alice", b"secret")].concat();
    for (name, extra) in [
        ("unknown", avp_with(0, 9_999, None, b"x")),
        ("a vendor's", avp_with(0, 2, Some(9), b"not a password")),
        (
            "a vendor's that has a known number",
            avp_with(0, 79, Some(311), b"not EAP"),
        ),
        ("of vendor 0", avp_with(0, 2, Some(0), b"not a password")),
    ] {
        let mut peer = within(Tls13);
        assert_eq!(
            peer.offers(&flagged(0, &with(extra))).1,
            b"secret",
            "{name}"
        );
    }
    for extra in [
        avp_with(MANDATORY, 9_999, None, b"x"),
        avp_with(MANDATORY, 2, Some(9), b"x"),
    ] {
        let fault = fails(&with(extra));
        assert!(
            matches!(fault, EapFault::Inner(text) if text.contains("insists")),
            "{fault}"
        );
    }
}

#[test]
fn attributes_that_are_malformed_are_the_end() {
    let table: [(&str, &[u8]); 7] = [
        ("half a header", b"\0\0\0\x02\x40\0\0"),
        ("length 0", b"\0\0\0\x02\x40\0\0\0"),
        ("under a header", b"\0\0\0\x02\x40\0\0\x07"),
        ("over the end", b"\0\0\0\x02\x40\0\0\x0dabcd"),
        ("longest", b"\0\0\0\x02\x40\xff\xff\xffabcd"),
        ("a vendor that is cut", b"\0\0\0\x02\xc0\0\0\x0a\0\0"),
        (
            "under a vendor's header",
            b"\0\0\0\x02\xc0\0\0\x08\0\0\0\x09",
        ),
    ];
    for (name, said) in table {
        let fault = fails(said);
        assert!(
            matches!(fault, EapFault::Inner(text) if text.contains("malformed")),
            "{name}: {fault}"
        );
        let behind = [pap(b"alice", b"secret"), said.to_vec()].concat();
        assert!(
            matches!(fails(&behind), EapFault::Inner(_)),
            "{name} behind a password"
        );
    }
    let fault = fails(&avp(1, b"alice"));
    assert!(
        matches!(fault, EapFault::Inner(text) if text.contains("neither")),
        "{fault}"
    );
    assert_eq!(fails(&pap(b"al\0ice", b"secret")), EapFault::Identity);
    assert_eq!(fails(&pap(&[b'a'; 254], b"secret")), EapFault::Identity);
}
