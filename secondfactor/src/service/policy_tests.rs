//! Which policy goes before which, and which are none.

use proptest::prelude::*;

use super::*;

fn hours(hours: u32) -> Policy {
    Policy {
        remember_hours: Some(hours),
        ..Policy::default()
    }
}

fn exempting(networks: &[&str]) -> Policy {
    let networks = networks.iter().map(|&network| network.to_owned());
    Policy {
        exempt_networks: Some(networks.collect()),
        ..Policy::default()
    }
}

fn policies(all: &[(PolicyScope, &str, u32, Policy)]) -> Policies {
    let mut policies = Policies::default();
    for (scope, name, rank, policy) in all {
        let checked = Checked::new(policy.clone()).unwrap();
        policies.insert(*scope, (*name).to_owned(), *rank, checked);
    }
    policies
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_group_goes_before_an_application_and_that_before_the_default() {
    use PolicyScope::{Application, Default, Group};
    let all = policies(&[
        (Default, "", 0, hours(1)),
        (Application, "vpn", 0, hours(2)),
        (Group, "Staff", 10, hours(3)),
        (Group, "Admins  of all", 5, hours(4)),
        (Group, "b", 10, hours(5)),
        (Group, "silent", 0, Policy::default()),
    ]);
    for (name, application, groups, want, from) in [
        ("nobody's", "mail", &[][..], 1, "default"),
        ("application", "vpn", &[], 2, "application vpn"),
        ("another group", "vpn", &["guests"], 2, "application vpn"),
        ("group", "vpn", &["staff"], 3, "group Staff"),
        ("group elsewhere", "mail", &["STAFF"], 3, "group Staff"),
        (
            "lowest rank",
            "vpn",
            &["staff", "admins of all"],
            4,
            "group Admins  of all",
        ),
        ("same rank by name", "vpn", &["staff", "b"], 5, "group b"),
        (
            "one without a word",
            "vpn",
            &["silent", "staff"],
            3,
            "group Staff",
        ),
    ] {
        let groups = names(groups);
        let found = all.conditions(application, &groups, NewUserPolicy::Enroll);
        assert_eq!(found.remember_ms, want * HOUR_MS, "{name}");
        let (policy, said) = all.explain(Some(application), &groups, NewUserPolicy::Enroll);
        assert_eq!(policy.remember_hours.map(u64::from), Some(want), "{name}");
        assert_eq!(said["remember_hours"], from, "{name}");
        assert_eq!(said["number_matching"], "built in", "{name}");
        let own = format!("application {application}");
        assert_eq!(said["new_users"], own, "{name}");
    }
}

#[test]
fn without_a_policy_the_built_in_holds() {
    let none = Policies::default();
    let found = none.conditions("vpn", &[], NewUserPolicy::Deny);
    let want = Conditions {
        allowed: Allowed::ALL,
        new_users: NewUserPolicy::Deny,
        remember_ms: 0,
        exempt: None,
        number_matching: NumberMatching::Risk,
        fatigue_after: 3,
        fatigue_ms: 60 * MINUTE_MS,
    };
    assert_eq!(found, want);
    let (policy, from) = none.explain(None, &[], NewUserPolicy::Enroll);
    assert_eq!(policy.allowed_factors.unwrap(), AllowedFactor::ALL);
    assert_eq!(policy.exempt_networks, Some(Vec::new()));
    assert!(from.values().all(|name| name == "built in"), "{from:?}");
    assert_eq!(from.len(), 7);
}

#[test]
fn a_narrower_empty_list_of_networks_goes_before_a_wider_full_one() {
    let all = policies(&[
        (PolicyScope::Default, "", 0, exempting(&["192.0.2.0/24"])),
        (PolicyScope::Group, "admins", 1, exempting(&[])),
    ]);
    let holds = |groups: &[&str]| {
        let found = all.conditions("vpn", &names(groups), NewUserPolicy::Enroll);
        found.exempts("192.0.2.7")
    };
    assert!(holds(&[]));
    assert!(!holds(&["admins"]));
}

#[test]
fn networks_hold_addresses_and_nothing_else() {
    let all = policies(&[(
        PolicyScope::Default,
        "",
        0,
        exempting(&["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"]),
    )]);
    let found = all.conditions("vpn", &[], NewUserPolicy::Enroll);
    for (ip, want) in [
        ("192.0.2.0", true),
        ("192.0.2.255", true),
        ("::ffff:192.0.2.1", true),
        ("192.0.3.0", false),
        ("2001:db8:ffff::1", true),
        ("2001:db9::", false),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("", false),
        ("192.0.2.1/24", false),
        ("192.0.2.1:80", false),
        ("192.0.2.01", false),
        ("00-50-56-C0-00-01", false),
        ("0.0.0.0", false),
        ("3221225985", false),
    ] {
        assert_eq!(found.exempts(ip), want, "{ip}");
    }
}

#[test]
fn bad_policies_are_refused_with_a_reason() {
    use AllowedFactor::{Passcode, Push};
    let factors = |factors: &[AllowedFactor]| Policy {
        allowed_factors: Some(factors.to_vec()),
        ..Policy::default()
    };
    let fatigue = |after, minutes| Policy {
        push_fatigue_after: Some(after),
        push_fatigue_minutes: Some(minutes),
        ..Policy::default()
    };
    let many: Vec<String> = (0..101).map(|n| format!("10.0.{n}.0/24")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (policy, want) in [
        (Policy::default(), None),
        (factors(&[Push, Passcode]), None),
        (factors(&[]), Some("allowed_factors is empty: nobody")),
        (factors(&[Push, Push]), Some("has 'push' twice")),
        (hours(720), None),
        (
            hours(721),
            Some("remember_hours is 0 to 720, and 721 was given"),
        ),
        (fatigue(1, 1), None),
        (fatigue(100, 1_440), None),
        (fatigue(0, 1), Some("push_fatigue_after is 1 to 100")),
        (fatigue(101, 1), Some("push_fatigue_after is 1 to 100")),
        (fatigue(1, 0), Some("push_fatigue_minutes is 1 to 1440")),
        (
            exempting(&["192.0.2.0/24", "2001:db8::/64", "192.0.2.9/32"]),
            None,
        ),
        (exempting(&many[..100]), None),
        (exempting(&many), Some("at most 100 networks, and 101 were")),
        (exempting(&["office"]), Some("'office' is none: ")),
        (
            exempting(&["192.0.2.0/33"]),
            Some("prefix length of 0 to 32"),
        ),
        (
            exempting(&["192.0.2.1"]),
            Some("'192.0.2.1' is not in CIDR notation"),
        ),
        (
            exempting(&["192.0.2.1-192.0.2.9"]),
            Some("is not in CIDR notation"),
        ),
        (exempting(&["192.0.2.1/24"]), Some("is 192.0.2.0/24 meant?")),
        (exempting(&["0.0.0.0/0"]), Some("exempts everybody")),
        (exempting(&["::/0"]), Some("exempts everybody")),
        (
            exempting(&["0.0.0.0/1", "128.0.0.0/1"]),
            Some("'0.0.0.0/1' exempts everybody"),
        ),
        (exempting(&["192.0.0.0/7"]), Some("or nearly")),
        (
            exempting(&["10.0.0.0/8", "fc00::/7", "fd00::/8", "2001::/16"]),
            None,
        ),
        (exempting(&["2000::/3"]), Some("or nearly")),
        (exempting(&[""]), Some("is none")),
    ] {
        let found = Checked::new(policy.clone()).err();
        match want {
            None => assert_eq!(found, None, "{policy:?}"),
            Some(want) => {
                let found = found.unwrap();
                assert!(found.contains(want), "{found}");
            }
        }
    }
}

prop_compose! {
    fn a_policy()(
        remember_hours in prop::option::of(0_u32..=720),
        push_fatigue_after in prop::option::of(1_u32..=100),
        new_users in prop::option::of(prop::sample::select(NewUserPolicy::ALL)),
        number_matching in prop::option::of(prop::sample::select(NumberMatching::ALL)),
        factors in prop::option::of(prop::sample::subsequence(AllowedFactor::ALL, 1..=6)),
        networks in prop::option::of(prop::sample::subsequence(vec!["192.0.2.0/24", "2001:db8::/32"], 0..=2)),
    ) -> Policy {
        Policy {
            allowed_factors: factors,
            new_users,
            remember_hours,
            exempt_networks: networks.map(|all| all.into_iter().map(str::to_owned).collect()),
            number_matching,
            push_fatigue_after,
            push_fatigue_minutes: None,
        }
    }
}

proptest! {
    /// What is shown is what is done, and each field is the first word on it by the order of scopes.
    #[test]
    fn what_is_explained_is_what_holds(
        (default, application, a, b) in (a_policy(), a_policy(), a_policy(), a_policy()),
        (rank_a, rank_b) in (0_u32..3, 0_u32..3),
        member in prop::sample::subsequence(vec!["a", "b"], 0..=2),
    ) {
        let all = policies(&[
            (PolicyScope::Default, "", 0, default.clone()),
            (PolicyScope::Application, "vpn", 0, application.clone()),
            (PolicyScope::Group, "a", rank_a, a.clone()),
            (PolicyScope::Group, "b", rank_b, b.clone()),
        ]);
        let mut order = Vec::new();
        if member.contains(&"a") {
            order.push((rank_a, "a", a));
        }
        if member.contains(&"b") {
            order.push((rank_b, "b", b));
        }
        order.sort_by_key(|(rank, name, _)| (*rank, *name));
        let order: Vec<Policy> = order.into_iter().map(|(_, _, policy)| policy)
            .chain([application, default]).collect();
        let groups = names(&member);
        let holds = all.conditions("vpn", &groups, NewUserPolicy::Deny);
        let (shown, from) = all.explain(Some("vpn"), &groups, NewUserPolicy::Deny);
        let hours = order.iter().find_map(|policy| policy.remember_hours).unwrap_or(0);
        prop_assert_eq!(holds.remember_ms, u64::from(hours) * HOUR_MS);
        prop_assert_eq!(shown.remember_hours, Some(hours));
        prop_assert_eq!(shown.new_users, Some(holds.new_users));
        let new_users = order.iter().find_map(|policy| policy.new_users);
        prop_assert_eq!(holds.new_users, new_users.unwrap_or(NewUserPolicy::Deny));
        let factors = order.iter().find_map(|policy| policy.allowed_factors.clone());
        let factors = factors.unwrap_or_else(|| AllowedFactor::ALL.to_vec());
        prop_assert_eq!(shown.allowed_factors.unwrap(), factors.clone());
        for factor in AllowedFactor::ALL {
            prop_assert_eq!(holds.allowed.has(*factor), factors.contains(factor));
        }
        let networks = order.iter().find_map(|policy| policy.exempt_networks.clone());
        let networks = networks.unwrap_or_default();
        prop_assert_eq!(holds.exempts("192.0.2.1"), networks.contains(&"192.0.2.0/24".to_owned()));
        prop_assert_eq!(shown.exempt_networks.unwrap(), networks);
        prop_assert_eq!(shown.number_matching, Some(holds.number_matching));
        prop_assert_eq!(shown.push_fatigue_after, Some(holds.fatigue_after));
        prop_assert_eq!(from.len(), 7);
    }

    #[test]
    fn no_text_is_a_network_by_accident(text in "\\PC{0,40}") {
        if let Ok(checked) = Checked::new(exempting(&[&text])) {
            prop_assert!(text.contains('/'), "{}", text);
            prop_assert_eq!(checked.networks.unwrap().len(), 1);
        }
    }
}
