//! The targets over the seeds, which are made here, and over random octets.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use hex_literal::hex;
use proptest::prelude::*;
use proto::secret::Secret;

use crate::flow::Pending;
use crate::primary::Asked;
use crate::radius::salted::{self, Hop};
use crate::radius::{AttributeType, Code, EncodeError, RequestBuilder, SharedSecret};
use crate::state::fuzzing::{clear_seed, seed};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 2] = [("packet", super::packet), ("state", super::state)];

/// Set to write the seeds down instead of comparing them.
const UPDATE: &str = "UPDATE_SEEDS";

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "seeds", target]
        .iter()
        .collect()
}

/// Every seed of a target: those made here, and what a fuzzer found.
fn seeds(target: &str) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder(target))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn what_must_hold_holds_for_every_seed() {
    for (target, run) in TARGETS {
        for (name, octets) in seeds(target) {
            eprintln!("{target}/{name}");
            run(&octets);
        }
    }
}

#[test]
fn seeds_are_what_the_standards_and_today_s_code_make() {
    let mut made: Vec<(&str, String, Vec<u8>)> = Vec::new();
    for (name, octets) in PACKETS {
        made.push(("packet", (*name).to_owned(), octets.to_vec()));
    }
    made.push(("packet", "everything".to_owned(), everything()));
    for (name, pending) in contexts() {
        // No change; then one octet of the tag; then the end cut off.
        let context = clear_seed(&pending);
        made.push(("state", format!("context-{name}"), after(&[0], &context)));
        let changed = after(&[1, 40, 1], &context);
        made.push(("state", format!("changed-{name}"), changed));
        let cut = after(&[1, 40, 0], &context);
        made.push(("state", format!("cut-{name}"), cut));
        made.push((
            "state",
            format!("sealed-{name}"),
            after(&[0], &seed(&pending)),
        ));
    }
    for (target, name, octets) in made {
        let path = folder(target).join(&name);
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(folder(target)).unwrap();
            fs::write(&path, &octets).unwrap();
        }
        let written = fs::read(&path).unwrap_or_default();
        assert!(
            written == octets,
            "{} is not as it is made now: {UPDATE}=1 cargo test -p dataplane --lib fuzzing",
            path.display()
        );
    }
}

fn after(before: &[u8], octets: &[u8]) -> Vec<u8> {
    [before, octets].concat()
}

/// All that the codec looks into: vendors' attributes, a split EAP packet, Proxy-State, an encrypted
/// value.
fn everything() -> Vec<u8> {
    let secret = SharedSecret::new(b"xyzzy5461");
    let authenticator = [0x5a; 16];
    let hop = Hop {
        authenticator: &authenticator,
        secret: &secret,
    };
    let key = salted::encrypt(b"a key", [0x81, 2], hop).unwrap();
    let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 7, authenticator, &secret);
    let all = |request: &mut RequestBuilder<'_>| -> Result<(), EncodeError> {
        request
            .attribute(AttributeType::USER_NAME, b"nemo")?
            .user_password(b"arctangent")?
            .attribute(AttributeType::CALLING_STATION_ID, b"198.51.100.7")?
            .attribute(AttributeType::EAP_MESSAGE, &[2, 1, 0, 9])?
            .attribute(AttributeType::EAP_MESSAGE, b"\x01nemo")?
            .attribute(AttributeType::TUNNEL_PASSWORD, &[&[0], &key[..]].concat())?
            .attribute(AttributeType::STATE, b"a State")?
            .attribute(AttributeType::PROXY_STATE, b"hop")?
            .attribute(AttributeType::PROXY_STATE, &[])?
            .vendor(salted::VENDOR_MICROSOFT, salted::MS_MPPE_SEND_KEY, &key)?
            .vendor(salted::VENDOR_MICROSOFT, 11, &[3; 16])?
            .vendor(9, 1, b"auth:option")?;
        Ok(())
    };
    all(&mut request).unwrap();
    request.finish()
}

/// Short ones: a sealed seed has to fit into a State.
fn contexts() -> Vec<(&'static str, Pending)> {
    let upstream = |state: Option<&[u8]>, typed: Option<&str>| Pending::Upstream {
        asked: Asked {
            host: 1,
            state: state.map(<[u8]>::to_vec),
        },
        typed: typed.map(Secret::from),
    };
    vec![
        ("upstream", upstream(Some(&[7; 40]), Some("push2"))),
        ("upstream-bare", upstream(None, None)),
    ]
}

proptest! {
    #[test]
    fn what_must_hold_holds_for_any_octets(
        octets in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        for (_, run) in TARGETS {
            run(&octets);
        }
    }

    #[test]
    fn what_must_hold_holds_near_the_seeds(
        seed: prop::sample::Index,
        changes in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 1..8),
        cut: Option<prop::sample::Index>,
    ) {
        for (target, run) in TARGETS {
            let seeds: Vec<_> = seeds(target).into_values().collect();
            let mut octets = seed.get(&seeds).clone();
            for (at, octet) in &changes {
                *at.get_mut(&mut octets) = *octet;
            }
            if let Some(cut) = cut {
                octets.truncate(cut.index(octets.len()));
            }
            run(&octets);
        }
    }
}

/// The examples of RFC 2865 section 7 and RFC 5997 section 6.
const PACKETS: &[(&str, &[u8])] = &[
    (
        "rfc2865-7.1-request",
        &hex!(
            "01000038 0f403f9473978057bd83d5cb98f4227a"
            "01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003"
        ),
    ),
    (
        "rfc2865-7.1-accept",
        &hex!(
            "02000026 86fe220e7624ba2a1005f6bf9b55e0b2"
            "060600000001 0f0600000000 0e06c0a80103"
        ),
    ),
    (
        "rfc2865-7.2-chap",
        &hex!(
            "01010047 2aee86f08d0d55969ca5978e0d3367a2"
            "0108666c6f707379 031316e97557c316185895f293ff634407727504 0406c0a80110 050600000014"
            "060600000002 070600000001"
        ),
    ),
    (
        "rfc2865-7.3-challenge",
        &hex!(
            "0b02004e 36f3c8764ae8c71157403c0c71ff9c45"
            "12304368616c6c656e67652033323736393433302e2020456e74657220726573706f6e7365206174"
            "2070726f6d70742e 180a3332373639343330"
        ),
    ),
    (
        "rfc2865-7.3-answer",
        &hex!(
            "01030043 b122556d428a13d0d6253807c457ecf0"
            "01076d6f707379 0212692c1f205fc081b919b95195f561a581 0406c0a80110 050600000007"
            "180a3332373639343330"
        ),
    ),
    (
        "rfc5997-6.1-status",
        &hex!("0cda0026 8a54f4686fb394c52866e302185d0623 50125a665e2e1e8411f3e243822097c84fa3"),
    ),
];
