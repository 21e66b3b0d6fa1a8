//! What goes on outside the tunnel: the choice of a method, versions, fragments, and each end.

use super::*;
use crate::eap::conversation::{MAX_ROUNDS, Method};
use crate::eap::framing::BadFraming;

use TunnelVersion::{Tls12, Tls13};

#[test]
fn a_peer_that_names_ttls_gets_it_and_any_other_wish_is_the_end() {
    for named in [&[21][..], &[13, 21], &[21, 43]] {
        let mut peer = Peer::new(Tls13);
        peer.kind = EapType::NAK;
        assert_eq!(peer.sends(named), [21, 0x20], "{named:?}");
    }
    let table: [(&[u8], &str); 6] = [
        (&[13], "TLS"),
        (&[26, 4, 99], "MSCHAPv2, MD5-Challenge, method 99"),
        (&[0], "another method and names none"),
        (&[], "another method and names none"),
        (&[25], "PEAP"),
        (
            &[4; 200],
            "MD5-Challenge, MD5-Challenge, MD5-Challenge, MD5-Challenge, MD5-Challenge, MD5-Challenge, MD5-Challenge, MD5-Challenge",
        ),
    ];
    for (named, wanted) in table {
        let mut peer = Peer::new(Tls13);
        peer.kind = EapType::NAK;
        let wanted = wanted.to_owned();
        assert_eq!(
            peer.fails(named),
            EapFault::NoMethod { wanted },
            "{named:?}"
        );
    }
    // What it named was offered: a second wish is one too many, PEAP too.
    for named in [&[25][..], &[21], &[13]] {
        let mut peer = Peer::ttls(Tls13);
        peer.kind = EapType::NAK;
        assert!(matches!(peer.fails(named), EapFault::NoMethod { .. }));
    }
}

#[test]
fn a_response_that_is_not_waited_for_changes_nothing() {
    let mut peer = Peer::within(Tls13, 0);
    let waiting = peer.identifier;
    for identifier in (0..=255).filter(|one| *one != waiting) {
        for data in [&b"\x00\x01mallory"[..], b"", b"\xff\xff"] {
            let stray = peer.receives(identifier, data).unwrap_err();
            let want =
                format!("the EAP response {identifier} answers none: {waiting} is waited for");
            assert_eq!(stray.to_string(), want);
        }
    }
    assert_eq!(peer.says(0, b"\x01alice"), b"\x06Password: ");
}

#[test]
fn identifiers_go_round() {
    let mut peer = Peer::new(Tls13);
    peer.identifier = 8;
    peer.fragment_octets = 1;
    let name = Response {
        identifier: 254,
        kind: EapType::IDENTITY,
        data: b"",
    };
    (peer.talk, _) = Conversation::begin(&name);
    peer.identifier = 255;
    // Of two fragments: the second has 1.
    peer.flight = b"ab".to_vec();
    assert_eq!(peer.sends(b"\x01hello"), b"\x19\xc1\0\0\0\x02a");
    assert_eq!(peer.identifier, 0);
    assert_eq!(peer.sends(b"\x01"), b"\x19\x01b");
    assert_eq!(peer.identifier, 1);
}

#[test]
fn the_version_is_the_peers_within_ours_and_stays() {
    for version in [0, 1] {
        let mut peer = Peer::new(Tls12);
        assert_eq!(
            peer.sends(&flagged(version, b"hello")),
            flagged(25, &flagged(version, b"FLIGHT"))
        );
        assert_eq!(
            peer.fails(&flagged(1 - version, b"keys")),
            EapFault::Version(1 - version)
        );
    }
    for version in 2..8 {
        assert_eq!(
            Peer::new(Tls12).fails(&flagged(version, b"hello")),
            EapFault::Version(version)
        );
    }
    for version in 1..8 {
        assert_eq!(
            Peer::ttls(Tls12).fails(&flagged(version, b"hello")),
            EapFault::Version(version)
        );
    }
    // Within the tunnel too, and in an acknowledgement.
    assert_eq!(Peer::within(Tls13, 1).fails(b"\x00"), EapFault::Version(0));
    assert_eq!(
        Peer::new(Tls12).fails(b""),
        EapFault::Framing(BadFraming::NoFlags)
    );
}

#[test]
fn the_last_flight_of_tls_1_2_is_acknowledged_before_anything_is_asked() {
    let mut peer = Peer::new(Tls12);
    assert_eq!(peer.sends(b"\x00hello"), b"\x19\x00FLIGHT");
    assert_eq!(peer.talk.agreed(), Some((Method::Peap, None)));
    assert_eq!(peer.sends(b"\x00keys"), b"\x19\x00LAST");
    assert_eq!(peer.talk.agreed(), Some((Method::Peap, Some(Tls12))));
    assert!(!peer.talk.can_ask());
    assert_eq!(peer.sends(b"\x00"), b"\x19\x00\x01");
    assert!(peer.talk.can_ask());
}

#[test]
fn the_end_of_a_handshake_of_tls_1_3_is_answered_with_the_question() {
    let mut peer = Peer::new(Tls13);
    assert_eq!(peer.sends(b"\x00hello"), b"\x19\x00FLIGHT");
    assert_eq!(peer.sends(b"\x00finished"), b"\x19\x00\x01");
    assert_eq!(peer.talk.agreed(), Some((Method::Peap, Some(Tls13))));
}

#[test]
fn a_handshake_that_stands_still_is_the_end() {
    for data in [&b"\x00"[..], b"\x00stuck"] {
        let mut peer = Peer::new(Tls12);
        let fault = peer.fails(data);
        assert!(
            matches!(fault, EapFault::Outer(text) if text.contains("handshake")),
            "{fault}"
        );
    }
    let mut peer = Peer::new(Tls12);
    peer.sends(b"\x00hello");
    assert!(matches!(peer.fails(b"\x00"), EapFault::Outer(_)));
}

#[test]
fn our_fragments_wait_for_their_acknowledgements() {
    let mut peer = Peer::new(Tls12);
    peer.flight = b"FLIGHT".to_vec();
    peer.fragment_octets = 4;
    assert_eq!(peer.sends(b"\x00hello"), b"\x19\xc0\0\0\0\x06FLIG");
    assert_eq!(peer.sends(b"\x00"), b"\x19\x00HT");
    assert_eq!(peer.sends(b"\x00keys"), b"\x19\x00LAST");
    // Within the tunnel as well.
    assert_eq!(peer.sends(b"\x00"), b"\x19\x00\x01");
    assert_eq!(peer.sends(b"\x00\x01alice"), b"\x19\xc0\0\0\0\x0b\x06Pas");
    assert_eq!(peer.sends(b"\x00"), b"\x19\x40swor");
    assert_eq!(peer.sends(b"\x00"), b"\x19\x00d: ");
    for data in [&b"\x00more"[..], b"\x40more"] {
        let mut peer = Peer::new(Tls12);
        peer.fragment_octets = 4;
        peer.sends(b"\x00hello");
        let fault = peer.fails(data);
        assert!(matches!(fault, EapFault::Outer(text) if text.contains("all of our message")));
    }
}

#[test]
fn fragments_of_the_peer_are_acknowledged_one_by_one() {
    let mut peer = Peer::new(Tls13);
    assert_eq!(peer.sends(b"\xc1\0\0\0\x05he"), b"\x19\x01");
    assert_eq!(peer.sends(b"\xc1\0\0\0\x05ll"), b"\x19\x01");
    assert_eq!(peer.sends(b"\x01o"), b"\x19\x01FLIGHT");
    assert_eq!(peer.sends(b"\x41fini"), b"\x19\x01");
    let asked = peer.sends(b"\x01shed");
    assert_eq!(asked, [25, 1, 1, peer.identifier, 0, 5, 1]);
}

#[test]
fn framing_that_makes_no_sense_is_the_end() {
    for (data, want) in [
        (&b"\x20"[..], BadFraming::Start),
        (b"\x80\0\0\0\x09hello", BadFraming::Length),
        (b"\x40", BadFraming::Empty),
        (b"\xc0\0\x02\0\0hello", BadFraming::TooLong),
    ] {
        assert_eq!(Peer::new(Tls12).fails(data), EapFault::Framing(want));
    }
}

#[test]
fn what_is_wrong_with_tls_is_said_to_the_peer_where_there_is_something_to_say() {
    let wrong = EapFault::Tls(TunnelError("a bad record".to_owned()));
    for ack in [&b"\x00"[..], b"\x00whatever", b""] {
        let mut peer = Peer::new(Tls12);
        assert_eq!(peer.sends(b"\x00bad"), b"\x19\x00ALERT");
        assert_eq!(peer.fails(ack), wrong, "{ack:?}");
    }
    let mut peer = Peer::new(Tls12);
    assert_eq!(
        peer.fails(b"\x00dead"),
        EapFault::Tls(TunnelError("an alert".to_owned()))
    );
    // In the middle of a login too.
    let mut peer = Peer::within(Tls12, 0);
    assert_eq!(peer.sends(b"\x00bad"), b"\x19\x00ALERT");
    assert!(!peer.talk.can_ask());
    assert_eq!(peer.fails(b"\x00"), wrong);
}

#[test]
fn a_peer_that_leaves_the_method_is_the_end() {
    for kind in [
        EapType::NAK,
        EapType::TTLS,
        EapType::IDENTITY,
        EapType(2),
        EapType::GTC,
    ] {
        let mut peer = Peer::within(Tls13, 0);
        peer.kind = kind;
        let fault = peer.fails(b"\x00\x01alice");
        assert!(
            matches!(fault, EapFault::Outer(text) if text.contains("leaves")),
            "{kind}"
        );
    }
}

#[test]
fn there_is_an_end_to_the_rounds() {
    let mut peer = Peer::new(Tls12);
    // The name was the first.
    for _ in 2..=MAX_ROUNDS {
        assert_eq!(peer.sends(b"\x40x"), b"\x19\x00");
    }
    assert_eq!(peer.fails(b"\x40x"), EapFault::Rounds(MAX_ROUNDS));
    assert_eq!(peer.talk.agreed(), None);
}

#[test]
fn after_the_end_nothing_goes_on() {
    let mut peer = Peer::deciding(Tls13, 1);
    let step = peer.concludes(true);
    peer.asked(step);
    let step = peer.step(b"\x01");
    peer.keys(step);
    assert!(!peer.talk.can_ask());
    for _ in 0..2 {
        let fault = peer.fails(b"\x01");
        assert!(matches!(fault, EapFault::Outer(text) if text.contains("after the end")));
    }
    let late = peer.concludes(true);
    assert!(
        matches!(late, Step::End(_, Outcome::Fault(EapFault::Outer(_)))),
        "{late:?}"
    );
    let tunnel = tunnel(Tls13, b"");
    let late = peer.talk.ask("More?", &around(&tunnel, 1_000));
    assert!(
        matches!(late, Step::End(_, Outcome::Fault(EapFault::Outer(_)))),
        "{late:?}"
    );
}

#[test]
fn nothing_is_asked_or_concluded_without_a_tunnel() {
    for success in [true, false] {
        let mut peer = Peer::new(Tls12);
        let step = peer.concludes(success);
        assert!(matches!(step, Step::End(_, Outcome::Fault(_))), "{step:?}");
        let mut peer = Peer::new(Tls12);
        peer.sends(b"\x00hello");
        let step = peer.concludes(success);
        assert!(matches!(step, Step::End(_, Outcome::Fault(_))), "{step:?}");
    }
}

#[test]
fn it_can_be_ended_where_it_stands() {
    let peer = Peer::within(Tls12, 0);
    // With the identifier of what came last, not of what was asked after it.
    assert_eq!(peer.talk.failure(), [4, peer.identifier - 1, 0, 4]);
}

#[test]
fn keys_come_from_the_label_of_version_and_method() {
    let tls13 = b"EXPORTER_EAP_TLS_Key_Material";
    let table = [
        (
            Tls12,
            EapType::PEAP,
            material(b"client EAP encryption", None),
        ),
        (Tls13, EapType::PEAP, material(tls13, Some(&[25]))),
        (
            Tls12,
            EapType::TTLS,
            material(b"ttls keying material", None),
        ),
        (Tls13, EapType::TTLS, material(tls13, Some(&[21]))),
    ];
    for (tls, kind, want) in table {
        let step_and_peer = if kind == EapType::PEAP {
            let mut peer = Peer::deciding(tls, 1);
            peer.is_told(true);
            (peer.step(b"\x01"), peer)
        } else {
            let mut peer = ttls::deciding(tls);
            (peer.concludes(true), peer)
        };
        let (step, peer) = step_and_peer;
        assert_eq!(peer.keys(step), want, "{kind} {tls:?}");
    }
}

#[test]
fn a_person_is_awaited_from_the_question_to_its_answer() {
    let mut peer = Peer::new(Tls12);
    let mut awaited = vec![peer.talk.awaits_typing()];
    peer = Peer::within(Tls12, 0);
    awaited.push(peer.talk.awaits_typing());
    let name = peer.inner(0, 1, b"alice");
    peer.says(0, &name);
    awaited.push(peer.talk.awaits_typing());
    let password = peer.inner(0, 6, b"secret");
    peer.offers(&flagged(0, &password));
    awaited.push(peer.talk.awaits_typing());
    peer.is_asked("Enter passcode: ");
    awaited.push(peer.talk.awaits_typing());
    let mut peer = Peer::deciding(Tls12, 0);
    peer.is_told(true);
    awaited.push(peer.talk.awaits_typing());
    assert_eq!(awaited, [false, false, true, false, true, false]);
}

#[test]
fn what_the_tunnel_was_given_counts_as_kept() {
    let mut peer = Peer::new(Tls13);
    let before = peer.talk.octets();
    peer.says(0, &[b'h'; 600]);
    let kept = peer.talk.octets();
    assert!(kept >= before + 600, "{before} and then {kept}");
}
