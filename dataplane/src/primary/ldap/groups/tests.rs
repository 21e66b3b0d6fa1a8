//! Filters and identifiers, and walks through directories made up here.

use std::collections::HashMap;

use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::primary::ldap::ber::{self, Reader};

/// Of a user of the domain S-1-5-21-1-2-3.
const USER: [u8; 28] = hex!("0105 000000000005 15000000 01000000 02000000 03000000 50040000");

#[test]
fn identifiers_are_read_and_written() {
    let everyone = hex!("0101 000000000001 00000000");
    let wide = hex!("0102 0123456789ab ffffffff 00000000");
    for (name, octets, want) in [
        ("user", &USER[..], Some("S-1-5-21-1-2-3-1104")),
        ("everyone", &everyone, Some("S-1-1-0")),
        ("wide", &wide, Some("S-1-0x0123456789ab-4294967295-0")),
        ("no parts", &hex!("0100 000000000005"), Some("S-1-5")),
        ("empty", &[], None),
        ("cut", &USER[..27], None),
        ("one part missing", &USER[..24], None),
        ("more", &hex!("0100 000000000005 00000000"), None),
        ("revision", &hex!("0200 000000000005"), None),
        (
            "too many",
            &[&hex!("0110 000000000005")[..], &[0; 64]].concat(),
            None,
        ),
    ] {
        let read = Sid::parse(octets).map(|sid| sid.to_string());
        assert_eq!(read.as_deref(), want, "{name}");
    }
}

#[test]
fn the_primary_group_is_of_the_domain_of_the_user() {
    for (id, want) in [
        (&b"513"[..], Some("S-1-5-21-1-2-3-513")),
        (b"4294967296", None),
        (b"-1", None),
        (b"", None),
        (b"\xff", None),
    ] {
        let group = primary_group(&USER, id).map(|sid| sid.to_string());
        assert_eq!(group.as_deref(), want, "{id:?}");
    }
    assert_eq!(primary_group(b"x", b"513"), None);
    assert_eq!(primary_group(&hex!("0100 000000000005"), b"513"), None);
}

#[test]
fn filters_are_those_a_person_would_write() {
    let sid = primary_group(&USER, b"513").unwrap();
    for (filter, written) in [
        (
            direct("cn=a,dc=x", None),
            "(|(member=cn=a,dc=x)(uniqueMember=cn=a,dc=x))",
        ),
        (
            direct("cn=a,dc=x", Some(&sid)),
            "(|(member=cn=a,dc=x)(uniqueMember=cn=a,dc=x)(objectSid=S-1-5-21-1-2-3-513))",
        ),
        (
            in_chain("cn=a(b)*,dc=x"),
            "(member:1.2.840.113556.1.4.1941:=cn=a\\28b\\29\\2a,dc=x)",
        ),
    ] {
        assert_eq!(Some(filter), Filter::parse(written), "{written}");
    }
}

#[test]
fn token_groups_are_compared_by_identifier() {
    let groups = token_groups([&USER[..], b"broken"]);
    assert_eq!(groups, HashSet::from([Sid::parse(&USER).unwrap()]));
}

/// The names in a filter of a walk.
fn members_in(filter: &Filter) -> Vec<String> {
    let mut filters = Reader::new(Reader::new(filter.octets()).expect(0xa1).unwrap());
    let mut names = Vec::new();
    while let Some((_, parts)) = filters.next().unwrap() {
        let mut parts = Reader::new(parts);
        if parts.expect(ber::OCTETS).unwrap() == b"member" {
            let name = parts.expect(ber::OCTETS).unwrap();
            names.push(String::from_utf8(name.to_vec()).unwrap());
        }
    }
    names
}

/// Which entries name a name as their member, and how many searches it took to find out.
fn walked(user: &str, wanted: &[&str], memberships: &[(&str, &str)]) -> (Step, usize) {
    let mut parents: HashMap<String, Vec<&str>> = HashMap::new();
    for (member, group) in memberships {
        parents
            .entry((*member).to_owned())
            .or_default()
            .push(*group);
    }
    let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    let mut walk = Walk::new(user, &wanted);
    let mut searches = 0;
    loop {
        let filter = match walk.step() {
            Step::Search(filter) => filter,
            end => {
                assert_eq!(walk.step(), end, "the end stays the end");
                return (end, searches);
            }
        };
        searches += 1;
        let asked = members_in(&filter);
        assert!(asked.len() <= NAMES_A_SEARCH);
        let found = asked.iter().filter_map(|dn| parents.get(dn)).flatten();
        walk.found(found.copied());
    }
}

#[test]
fn groups_within_groups_are_followed() {
    let member = |group: &str| Step::Member(group.to_owned());
    let chain: &[_] = &[("u", "cn=a"), ("cn=a", "cn=b"), ("cn=b", "cn=c")];
    let ring: &[_] = &[("u", "cn=a"), ("cn=a", "cn=b"), ("cn=b", "cn=a")];
    for (name, wanted, memberships, want) in [
        ("direct", &["cn=a"][..], chain, (member("cn=a"), 1)),
        ("nested", &["cn=c"], chain, (member("cn=c"), 3)),
        ("one of two", &["cn=z", "cn=b"], chain, (member("cn=b"), 2)),
        ("spelt otherwise", &["CN=C "], chain, (member("CN=C "), 3)),
        ("in none", &["cn=z"], chain, (Step::Outsider, 4)),
        ("a ring", &["cn=z"], ring, (Step::Outsider, 3)),
        ("no groups", &["cn=z"], &[], (Step::Outsider, 1)),
        ("nothing wanted", &[], chain, (Step::Outsider, 4)),
        ("itself", &["u"], &[("u", "u")], (member("u"), 1)),
    ] {
        assert_eq!(walked("u", wanted, memberships), want, "{name}");
    }
}

#[test]
fn a_walk_ends_where_it_says() {
    let names: Vec<String> = (0..=300).map(|n| format!("cn={n}")).collect();
    let chain: Vec<(&str, &str)> = names
        .windows(2)
        .map(|pair| (&*pair[0], &*pair[1]))
        .collect();
    let (end, searches) = walked("cn=0", &["cn=10"], &chain);
    assert_eq!((end, searches), (Step::Member("cn=10".to_owned()), 10));
    let (end, searches) = walked("cn=0", &["cn=11"], &chain);
    assert_eq!(
        (end, searches),
        (Step::GaveUp("groups are nested deeper than 10"), 10)
    );

    let many: Vec<(&str, &str)> = names[1..].iter().map(|group| ("cn=0", &**group)).collect();
    let (end, searches) = walked("cn=0", &["cn=none"], &many);
    assert_eq!(
        (end, searches),
        (Step::GaveUp("the user is in more than 256 groups"), 1 + 8)
    );
    assert_eq!(
        walked("cn=0", &["cn=300"], &many),
        (Step::Member("cn=300".to_owned()), 1)
    );
    let within = &many[..usize::try_from(MAX_FOUND).unwrap()];
    assert_eq!(
        walked("cn=0", &["cn=none"], within),
        (Step::Outsider, 1 + 8)
    );

    let mut walk = Walk::new("u", &["cn=a".to_owned()]);
    assert!(matches!(walk.step(), Step::Search(_)));
    walk.found([]);
    walk.limited();
    assert!(matches!(walk.step(), Step::GaveUp(_)));
}

proptest! {
    #[test]
    fn a_walk_finds_who_can_be_found(
        edges in proptest::collection::vec((0_u8..8, 0_u8..8), 0..24),
    ) {
        let edges: Vec<(String, String)> = edges
            .iter()
            .map(|(member, group)| (format!("cn={member}"), format!("cn={group}")))
            .collect();
        let memberships: Vec<(&str, &str)> =
            edges.iter().map(|(member, group)| (&**member, &**group)).collect();
        let mut reached = HashSet::from(["cn=0"]);
        for _ in 0..8 {
            for (member, group) in &memberships {
                if reached.contains(member) {
                    reached.insert(*group);
                }
            }
        }
        for target in 1_u8..8 {
            let target = format!("cn={target}");
            let (end, _) = walked("cn=0", &[&target], &memberships);
            prop_assert_eq!(
                matches!(end, Step::Member(_)),
                reached.contains(&*target),
                "{} by {:?}", target, memberships
            );
        }
    }

    #[test]
    fn no_octets_make_an_identifier_panic(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(sid) = Sid::parse(&octets) {
            prop_assert!(sid.to_string().starts_with("S-1-"));
        }
    }
}
