//! What holds for any octets.

use proptest::prelude::*;

use super::*;
use crate::eap::conversation::MAX_ROUNDS;
use crate::eap::framing::MAX_MESSAGE_OCTETS;
use crate::eap::inner::Inner;
use crate::eap::peap::{BindingOffer, Peap};
use crate::eap::ttls::Ttls;

/// How far a conversation got by the rules.
#[derive(Clone, Copy, Debug)]
enum Prefix {
    Offered,
    Ttls,
    Within(u8),
    TtlsWithin,
    Deciding(u8),
}

impl Prefix {
    fn peer(self, tls: TunnelVersion) -> Peer {
        match self {
            Self::Offered => Peer::new(tls),
            Self::Ttls => Peer::ttls(tls),
            Self::Within(version) => Peer::within(tls, version),
            Self::TtlsWithin => {
                let mut peer = Peer::ttls(tls);
                peer.says(0, b"hello");
                peer.says(0, b"finished");
                peer
            }
            Self::Deciding(version) => {
                let mut peer = Peer::deciding(tls, version);
                peer.is_asked("Enter passcode:");
                peer
            }
        }
    }
}

fn prefixes() -> impl Strategy<Value = Prefix> {
    prop::sample::select(vec![
        Prefix::Offered,
        Prefix::Ttls,
        Prefix::Within(0),
        Prefix::Within(1),
        Prefix::TtlsWithin,
        Prefix::Deciding(0),
        Prefix::Deciding(1),
    ])
}

/// What a peer sends next, and what is decided if it comes to that.
#[derive(Clone, Debug)]
struct Turn {
    right_identifier: bool,
    kind: Option<u8>,
    data: Vec<u8>,
    decision: Decision,
}

#[derive(Clone, Copy, Debug)]
enum Decision {
    Ask,
    Accept,
    Reject,
}

/// Octets that look like something: what is near the rules goes farther than noise.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let noise = || prop::collection::vec(any::<u8>(), 0..80);
    let flags = prop::sample::select(vec![0_u8, 0, 0, 1, 1, 0x40, 0x41, 0x80, 0xc0, 0x20]);
    let inner = prop_oneof![
        noise(),
        Just(Vec::new()),
        Just(b"\x01alice".to_vec()),
        Just(b"\x06secret".to_vec()),
        Just(b"\x03\x1a".to_vec()),
        Just(b"\x02\x0a\x00\x0b\x21\x80\x03\x00\x02\x00\x01".to_vec()),
        noise().prop_map(|tlvs| {
            let length = u8::try_from(tlvs.len() + 5).unwrap();
            [&[2, 0, 0, length, 33], &tlvs[..]].concat()
        }),
        (0_u8..100, any::<u8>(), noise()).prop_map(|(code, flags, value)| {
            let length = u8::try_from(value.len() + 8).unwrap();
            [&[0, 0, 0, code, flags, 0, 0, length], &value[..]].concat()
        }),
    ];
    prop_oneof![
        1 => noise(),
        6 => (flags, inner).prop_map(|(flags, inner)| flagged(flags, &inner)),
    ]
}

fn turns() -> impl Strategy<Value = Turn> {
    (
        prop::bool::weighted(0.9),
        prop::option::weighted(0.1, any::<u8>()),
        octets(),
        prop::sample::select(vec![Decision::Ask, Decision::Accept, Decision::Reject]),
    )
        .prop_map(|(right_identifier, kind, data, decision)| Turn {
            right_identifier,
            kind,
            data,
            decision,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn no_peer_is_too_strange_and_only_who_was_accepted_gets_keys(
        prefix in prefixes(),
        tls in prop::sample::select(BOTH.to_vec()),
        fragment_octets in 0_usize..100,
        script in prop::collection::vec(turns(), 1..80),
    ) {
        let mut peer = prefix.peer(tls);
        peer.fragment_octets = fragment_octets;
        let method = peer.kind;
        let mut decided = None;
        let (mut packets, mut said) = (0, 0);
        for turn in script {
            peer.kind = turn.kind.map_or(method, EapType);
            let identifier = match turn.right_identifier {
                true => peer.identifier,
                false => peer.identifier.wrapping_add(100),
            };
            let Ok(mut step) = peer.receives(identifier, &turn.data) else {
                prop_assert!(!turn.right_identifier);
                continue;
            };
            prop_assert!(turn.right_identifier);
            packets += 1;
            prop_assert!(packets <= MAX_ROUNDS);
            if let Step::Decide(offered) = &step {
                prop_assert!(offered.user.as_ref().is_none_or(|user| !user.is_empty()));
                step = match turn.decision {
                    Decision::Ask => {
                        let tunnel = tunnel(tls, b"");
                        peer.talk.ask("Enter passcode:", &around(&tunnel, fragment_octets))
                    }
                    Decision::Accept | Decision::Reject => {
                        let success = matches!(turn.decision, Decision::Accept);
                        prop_assert!(decided.is_none(), "decided twice");
                        decided = Some(success);
                        peer.concludes(success)
                    }
                };
            }
            // A message that is put together may have room for twice its length, and the tunnel may
            // keep what it was given.
            said += turn.data.len();
            prop_assert!(peer.talk.octets() <= 2 * MAX_MESSAGE_OCTETS + 2_048 + said);
            match step {
                Step::Send(packet) => {
                    prop_assert!(packet.len() <= 10 + fragment_octets.max(1));
                    prop_assert_eq!(packet[0], 1);
                    peer.identifier = packet[1];
                }
                Step::Decide(_) => prop_assert!(false, "decided on nothing"),
                Step::End(packet, outcome) => {
                    let success = matches!(outcome, Outcome::Success(_));
                    prop_assert_eq!(&packet, &[if success { 3 } else { 4 }, peer.identifier, 0, 4]);
                    prop_assert!(!success || decided == Some(true));
                    prop_assert!(!matches!(outcome, Outcome::Failure) || decided == Some(false));
                    break;
                }
            }
        }
    }

    #[test]
    fn no_answer_to_a_result_is_too_strange(
        version in 0_u8..2,
        success in any::<bool>(),
        said in octets(),
    ) {
        let (mut peap, _) = Peap::begin(version, 1);
        let keys = Secret::new([7; KEYING_OCTETS]);
        peap.conclude(2, success, Some(BindingOffer { keys: &keys, nonce: NONCE }));
        match peap.receive(3, &said) {
            Inner::Over { success: over } => prop_assert_eq!(over, success),
            Inner::Fails(_) => prop_assert!(success),
            other => prop_assert!(false, "{other:?}"),
        }
        // Nobody proves a binding by chance.
        prop_assert!(peap.bound().is_none());
    }

    #[test]
    fn no_attributes_are_too_strange(said in prop::collection::vec(octets(), 1..4)) {
        let mut ttls = Ttls::default();
        for said in said {
            if let Inner::Fails(_) | Inner::Offered(_) = ttls.receive(1, &said) {
                break;
            }
        }
    }
}
