use std::net::Ipv4Addr;

use prometheus::Opts;
use proptest::prelude::*;
use proto::secret::Secret;

use super::*;
use crate::duo::message::PushNumber;
use crate::flow::Prompted;
use crate::primary::{Asked, UpstreamAttribute, UpstreamValue};
use crate::radius::MAX_VALUE_OCTETS;

const NOW: u64 = 1_800_000_000;
const ALICE: Scope<'_> = Scope {
    integration: "radius_server_auto",
    authenticator: "radius_client",
    client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    user: "alice",
    signed: true,
};

fn states() -> States {
    let results = IntCounterVec::new(Opts::new("states", "States"), &["result"]).unwrap();
    States::new(results, IntCounter::new("spills", "Spills").unwrap()).unwrap()
}

fn pending(octets: usize) -> Context {
    of(Pending::Upstream {
        asked: Asked {
            host: 1,
            state: Some(vec![7; octets]),
        },
        typed: Some(Secret::from("push2")),
    })
}

fn of(pending: Pending) -> Context {
    Context {
        first: LoginId::from_bytes([9; 16]),
        pending,
    }
}

fn counted(states: &States, result: &str) -> u64 {
    states.results.with_label_values(&[result]).get()
}

#[test]
fn what_was_sealed_is_opened_once() {
    let states = states();
    let sealed = states.seal(NOW, ALICE, &pending(40)).unwrap();
    assert!(sealed.len() <= MAX_VALUE_OCTETS);
    assert_eq!(states.open(NOW + 299, ALICE, &sealed), Ok(pending(40)));
    assert_eq!(
        states.open(NOW + 299, ALICE, &sealed),
        Err(StateFault::Replayed)
    );
    for (result, want) in [("sealed", 1), ("opened", 1), ("replayed", 1)] {
        assert_eq!(counted(&states, result), want, "{result}");
    }
    assert_eq!(states.spills.get(), 0);
}

#[test]
fn a_state_is_good_for_whom_it_was_made_and_for_a_while() {
    let states = states();
    let sealed = states.seal(NOW, ALICE, &pending(40)).unwrap();
    let other = "192.0.2.2".parse().unwrap();
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    for (name, scope, at, want) in [
        (
            "user",
            Scope {
                user: "Alice",
                ..ALICE
            },
            0,
            StateFault::Foreign,
        ),
        (
            "client",
            Scope {
                client: other,
                ..ALICE
            },
            0,
            StateFault::Foreign,
        ),
        (
            "integration",
            Scope {
                integration: "radius_server_aut",
                ..ALICE
            },
            0,
            StateFault::Foreign,
        ),
        (
            "authenticator",
            Scope {
                authenticator: "radius_client2",
                ..ALICE
            },
            0,
            StateFault::Foreign,
        ),
        (
            "borders moved",
            Scope {
                integration: "radius_server_autor",
                authenticator: "adius_client",
                ..ALICE
            },
            0,
            StateFault::Foreign,
        ),
        (
            "unsigned answer",
            Scope {
                signed: false,
                ..ALICE
            },
            0,
            StateFault::Foreign,
        ),
        ("too late", ALICE, LIFETIME_SECONDS, StateFault::Expired),
    ] {
        assert_eq!(states.open(NOW + at, scope, &sealed), Err(want), "{name}");
    }
    // None of that used it up, and an address has one meaning.
    let scope = Scope {
        client: mapped,
        ..ALICE
    };
    assert_eq!(states.open(NOW, scope, &sealed), Ok(pending(40)));
}

#[test]
fn who_begins_to_sign_may_go_on() {
    let states = states();
    let unsigned = Scope {
        signed: false,
        ..ALICE
    };
    for scope in [unsigned, ALICE] {
        let sealed = states.seal(NOW, unsigned, &pending(40)).unwrap();
        assert_eq!(states.open(NOW, scope, &sealed), Ok(pending(40)));
    }
}

#[test]
fn no_octet_can_be_changed_and_no_other_node_is_believed() {
    let states = states();
    let sealed = states.seal(NOW, ALICE, &pending(40)).unwrap();
    for (at, bit) in (0..sealed.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut changed = sealed.clone();
        changed[at] ^= 1 << bit;
        let want = if at < 3 {
            StateFault::Foreign
        } else {
            StateFault::Tampered
        };
        assert_eq!(states.open(NOW, ALICE, &changed), Err(want), "{at}.{bit}");
    }
    for octets in 0..sealed.len() {
        assert!(
            states.open(NOW, ALICE, &sealed[..octets]).is_err(),
            "{octets}"
        );
    }
    // Another key has another name, but for one in 65,536.
    let fault = self::states().open(NOW, ALICE, &sealed).unwrap_err();
    assert!(matches!(fault, StateFault::Foreign | StateFault::Tampered));
}

#[test]
fn any_node_opens_what_another_sealed_and_keys_change_without_a_break() {
    let key = |octet: u8| StateKey(Secret::new(STANDARD.encode([octet; 32])));
    let keys = |current, others: &[u8]| StateKeys {
        current: key(current),
        others: others.iter().copied().map(key).collect(),
    };
    let (one, two) = (states(), states());
    let own = one.seal(NOW, ALICE, &pending(10)).unwrap();
    one.set_keys(&keys(1, &[])).unwrap();
    two.set_keys(&keys(1, &[2])).unwrap();
    let sealed = one.seal(NOW, ALICE, &pending(20)).unwrap();
    assert_eq!(two.open(NOW, ALICE, &sealed), Ok(pending(20)));
    assert_eq!(
        one.open(NOW, ALICE, &own),
        Ok(pending(10)),
        "before there were keys"
    );
    // What did not fit is where it was sealed, and nowhere else.
    let spilled = one.seal(NOW, ALICE, &pending(250)).unwrap();
    assert_eq!(two.open(NOW, ALICE, &spilled), Err(StateFault::Lost));
    assert_eq!(one.open(NOW, ALICE, &spilled), Ok(pending(250)));
    // One has heard of the next key, the other only knows that it will come.
    one.set_keys(&keys(2, &[1])).unwrap();
    let newer = one.seal(NOW, ALICE, &pending(30)).unwrap();
    assert_eq!(two.open(NOW, ALICE, &newer), Ok(pending(30)));
    let older = two.seal(NOW, ALICE, &pending(40)).unwrap();
    assert_eq!(one.open(NOW, ALICE, &older), Ok(pending(40)));
    // The old key is let go of.
    let older = two.seal(NOW, ALICE, &pending(50)).unwrap();
    one.set_keys(&keys(2, &[])).unwrap();
    assert_eq!(one.open(NOW, ALICE, &older), Err(StateFault::Foreign));
    // A bad key changes nothing.
    for bad in ["", "AAAA", "not base64"] {
        let bad = StateKey(Secret::from(bad));
        let one_bad = StateKeys {
            current: key(3),
            others: vec![bad],
        };
        assert_eq!(one.set_keys(&one_bad), Err(BadStateKey));
    }
    let newer = one.seal(NOW, ALICE, &pending(60)).unwrap();
    assert_eq!(two.open(NOW, ALICE, &newer), Ok(pending(60)));
}

#[test]
fn what_does_not_fit_stays_on_the_node() {
    let states = states();
    let largest = (0..300)
        .rev()
        .find(|octets| {
            let spills = states.spills.get();
            states.seal(NOW, ALICE, &pending(*octets)).unwrap();
            states.spills.get() == spills
        })
        .unwrap();
    // The State of FreeRADIUS, NPS and the replaced product has 16 to 44 octets.
    assert!(largest >= 170, "{largest}");
    let whole = states.seal(NOW, ALICE, &pending(largest)).unwrap();
    assert_eq!(whole.len(), MAX_VALUE_OCTETS);
    let spilled = states.seal(NOW, ALICE, &pending(largest + 1)).unwrap();
    assert_eq!(states.open(NOW, ALICE, &spilled), Ok(pending(largest + 1)));
    assert_eq!(states.open(NOW, ALICE, &spilled), Err(StateFault::Replayed));
}

fn attribute() -> impl Strategy<Value = UpstreamAttribute> {
    let octets = || proptest::collection::vec(any::<u8>(), 0..=253);
    let value = prop_oneof![
        octets().prop_map(UpstreamValue::Plain),
        octets().prop_map(|clear| UpstreamValue::Hidden(Secret::new(clear))),
        (any::<Option<u8>>(), octets()).prop_map(|(tag, clear)| UpstreamValue::Salted {
            tag,
            clear: Secret::new(clear)
        }),
    ];
    (any::<Option<u32>>(), any::<u8>(), value, any::<bool>()).prop_map(
        |(vendor, number, value, always)| UpstreamAttribute {
            vendor,
            number,
            value,
            always,
        },
    )
}

fn numbered<const N: usize>(n: usize) -> [u8; N] {
    let mut octets = [0; N];
    octets[..8].copy_from_slice(&n.to_be_bytes());
    octets
}

#[test]
fn no_flood_and_no_clock_lets_a_state_be_used_twice() {
    let mut used = Used::default();
    let until = NOW + 300;
    assert_eq!(used.note(NOW, until, numbered(0)), Ok(false));
    assert_eq!(
        used.note(NOW, until, numbered(0)),
        Err(StateFault::Replayed)
    );
    for n in 1..tables::MAX_USED {
        assert_eq!(used.note(NOW, until + 9, numbered(n)), Ok(false));
    }
    // Whose time ends first makes room.
    assert_eq!(
        used.note(NOW, until + 9, numbered(tables::MAX_USED)),
        Ok(true)
    );
    for (name, until, n, want) in [
        ("let go of", until, 0, Err(StateFault::Expired)),
        (
            "as old, unused",
            until,
            usize::MAX,
            Err(StateFault::Expired),
        ),
        ("still known", until + 9, 1, Err(StateFault::Replayed)),
        ("newer", until + 10, usize::MAX, Ok(true)),
        (
            "older than one let go of",
            until + 1,
            usize::MAX,
            Err(StateFault::Expired),
        ),
    ] {
        assert_eq!(used.note(NOW, until, numbered(n)), want, "{name}");
    }

    let mut used = Used::default();
    assert_eq!(used.note(NOW, until, numbered(0)), Ok(false));
    assert_eq!(used.note(until, until + 300, numbered(1)), Ok(false));
    let set_back = used.note(NOW, until, numbered(0));
    assert_eq!(set_back, Err(StateFault::Expired));
}

#[test]
fn nobody_is_kept_out_by_the_contexts_of_others() {
    let mut spilled = Spilled::default();
    let key = |n| (NOW + 300, numbered(n));
    let mut keep = |n| spilled.keep(NOW, key(n), Zeroizing::new(vec![1]));
    for n in 0..tables::MAX_SPILLED {
        assert_eq!(keep(n), Some(false), "{n}");
    }
    // The oldest makes room; one that was answered takes none.
    assert_eq!(keep(tables::MAX_SPILLED), Some(true));
    assert_eq!(spilled.take(&key(0)), None);
    assert!(spilled.take(&key(2)).is_some());
    let kept = spilled.keep(NOW, key(usize::MAX), Zeroizing::new(vec![1]));
    assert_eq!(kept, Some(false));
    assert!(spilled.take(&key(1)).is_some());
}

#[test]
fn contexts_are_bounded_and_let_go_of_when_they_expire() {
    let mut spilled = Spilled::default();
    let context = |octets| Zeroizing::new(vec![1; octets]);
    let key = |until| (until, numbered(0));
    let longest = tables::MAX_SPILLED_OCTETS;
    assert_eq!(
        spilled.keep(NOW, key(NOW + 300), context(longest + 1)),
        None
    );
    let kept = spilled.keep(NOW, key(NOW + 300), context(longest));
    assert_eq!(kept, Some(false));
    let kept = spilled.keep(NOW + 300, key(NOW + 600), context(1));
    assert_eq!(kept, Some(false));
    assert_eq!(spilled.take(&key(NOW + 300)), None);
    assert_eq!(spilled.take(&key(NOW + 600)), Some(context(1)));
    assert_eq!(spilled.take(&key(NOW + 600)), None);
}

proptest! {
    #[test]
    fn a_context_is_read_as_it_was_written(
        host: u8,
        state in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        typed in proptest::option::of(".{0,40}"),
    ) {
        let context = of(Pending::Upstream {
            asked: Asked { host, state },
            typed: typed.map(Secret::new),
        });
        let written = pending::write(&context).unwrap();
        prop_assert_eq!(pending::read(&written), Some(context));
    }

    #[test]
    fn what_the_upstream_gave_is_read_as_it_was_written(
        menu: [u8; 8],
        wrong: u8,
        repeats: u8,
        number in proptest::option::of(("[!-~]{1,64}", "[0-9A-Za-z]{1,8}")),
        attributes in proptest::collection::vec(attribute(), 0..40),
    ) {
        let number = number.map(|(txid, code)| Box::new(PushNumber::new(&txid, &code).unwrap()));
        let context = of(Pending::Prompt(Prompted { menu, wrong, repeats, number, attributes }));
        let written = pending::write(&context).unwrap();
        prop_assert_eq!(pending::read(&written), Some(context));
        for octets in 0..26 {
            prop_assert_eq!(pending::read(&written[..octets]), None);
        }
    }

    #[test]
    fn a_state_is_for_one_scope_only(
        integration in "[a-z]{0,8}",
        authenticator in "[a-z]{0,8}",
        client: Ipv4Addr,
        user in ".{0,12}",
    ) {
        let states = states();
        let sealed = states.seal(NOW, ALICE, &of(Pending::Enrolment)).unwrap();
        for scope in [
            Scope { integration: &integration, ..ALICE },
            Scope { authenticator: &authenticator, ..ALICE },
            Scope { client: client.into(), ..ALICE },
            Scope { user: &user, ..ALICE },
        ] {
            prop_assert_eq!(states.open(NOW, scope, &sealed), Err(StateFault::Foreign));
        }
        prop_assert_eq!(states.open(NOW, ALICE, &sealed), Ok(of(Pending::Enrolment)));
    }

    #[test]
    fn no_octets_are_too_strange_to_be_read(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(pending::read(&octets));
        let states = states();
        prop_assert!(states.open(NOW, ALICE, &octets).is_err());
        // With the version and the key's name right, and then only the rest.
        let sealed = states.seal(NOW, ALICE, &of(Pending::Enrolment)).unwrap();
        let named = [&sealed[..3], &octets].concat();
        prop_assert_eq!(states.open(NOW, ALICE, &named), Err(StateFault::Tampered));
    }
}
