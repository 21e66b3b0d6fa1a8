use super::super::plan::Entry;
use super::super::plan::owned;
use super::super::plan::tests::{VPN, listed, of_list, of_vpn, on, person, planned, said};
use super::*;
use crate::admin::UserStatus::{Active, Disabled};
use crate::store::Person;

#[test]
fn who_is_missing_is_disabled_deleted_or_kept() {
    for (missing, want, deleted, groups) in [
        (WhenMissing::Disable, "- alice", 0, 1),
        (WhenMissing::Delete, "- alice", 1, 0),
        (WhenMissing::Keep, "- alice", 0, 1),
    ] {
        let alice = Person {
            groups: owned(&["vpn".to_owned()], VPN),
            ..of_vpn("alice")
        };
        let of = of_list(VPN, missing);
        let plan = planned(vec![alice.clone(), person("bob")], vec![], of);
        assert_eq!(said(&plan), want, "{missing:?}");
        assert_eq!(plan.batch.deleted.len(), deleted, "{missing:?}");
        assert_eq!(plan.batch.groups_gone.len(), groups, "{missing:?}");
        let mut people = plan.batch.changed;
        for person in &mut people {
            person.directory_id = Some("alice's".to_owned());
            person.lists = vec![on(VPN, true)];
        }
        let same = Entry {
            id: Some("alice's".to_owned()),
            ..listed("alice", &[])
        };
        let back = planned(people, vec![same], of);
        let status = back.batch.changed.iter().map(|one| one.status);
        assert_eq!(
            status.collect::<Vec<_>>(),
            if missing == WhenMissing::Disable {
                vec![Active]
            } else {
                vec![]
            }
        );
    }
}

#[test]
fn half_a_directory_is_noticed() {
    for (there, stay, missing, want) in [
        (10, 5, WhenMissing::Disable, None),
        (10, 4, WhenMissing::Disable, Some((6, 10))),
        (10, 0, WhenMissing::Delete, Some((10, 10))),
        (10, 0, WhenMissing::Keep, Some((10, 10))),
        (10, 4, WhenMissing::Keep, Some((6, 10))),
        (10, 5, WhenMissing::Keep, None),
        (9, 1, WhenMissing::Delete, None),
        (9, 0, WhenMissing::Delete, Some((9, 9))),
        (1, 0, WhenMissing::Disable, Some((1, 1))),
    ] {
        let names: Vec<String> = (0..there).map(|n| format!("u{n}")).collect();
        let people = names.iter().map(|name| of_vpn(name)).collect();
        let entries = names
            .iter()
            .take(stay)
            .map(|name| listed(name, &[]))
            .collect();
        let plan = planned(people, entries, of_list(VPN, missing));
        assert_eq!(plan.drastic, want, "{stay} of {there} stay, {missing:?}");
    }
}

#[test]
fn those_who_left_before_do_not_hide_that_half_is_missing() {
    let leaver = |n: usize| Person {
        status: Disabled,
        status_before: Some(Active),
        lists: vec![on(VPN, true)],
        ..of_vpn(&format!("left{n}"))
    };
    for (left, there, stay, missing, want) in [
        (40, 10, 4, WhenMissing::Disable, Some((6, 10))),
        (40, 10, 4, WhenMissing::Delete, Some((6, 10))),
        (11, 9, 0, WhenMissing::Disable, Some((9, 9))),
        (11, 9, 0, WhenMissing::Delete, Some((20, 20))),
        // They go themselves: nobody is let in less.
        (40, 10, 10, WhenMissing::Delete, None),
        (40, 0, 0, WhenMissing::Disable, None),
    ] {
        let names: Vec<String> = (0..there).map(|n| format!("u{n}")).collect();
        let active = names.iter().map(|name| of_vpn(name));
        let people = active.chain((0..left).map(leaver)).collect();
        let entries = names.iter().take(stay).map(|name| listed(name, &[]));
        let of = of_list(VPN, missing);
        let plan = planned(people, entries.collect(), of);
        assert_eq!(plan.drastic, want, "{left} left, {stay} of {there} stay");
    }
}

#[test]
fn the_strictest_rule_holds_whichever_list_is_synchronized_first() {
    const KEPT: &str = "ad_client/Kept";
    for (strict, want) in [
        (WhenMissing::Disable, vec![Disabled]),
        (WhenMissing::Delete, vec![]),
    ] {
        for order in [[KEPT, VPN, KEPT], [VPN, KEPT, VPN]] {
            let mut zoe = Person {
                lists: vec![on(VPN, false), on(KEPT, false)],
                ..of_vpn("zoe")
            };
            let mut deleted = 0;
            for source in order {
                let missing = if source == VPN {
                    strict
                } else {
                    WhenMissing::Keep
                };
                let holding = [VPN.to_owned(), KEPT.to_owned()];
                let of = match of_list(source, missing) {
                    Of::Directory(listed) => Of::Directory(Listed {
                        holding: &holding,
                        ..listed
                    }),
                    Of::File => Of::File,
                };
                let mut plan = planned(vec![zoe.clone()], vec![], of);
                deleted += plan.batch.deleted.len();
                zoe = plan.batch.changed.pop().unwrap_or(zoe);
                for (_, source) in plan.batch.lists_gone {
                    zoe.lists.retain(|list| list.source != source);
                }
                for (_, list) in plan.batch.lists {
                    zoe.lists.retain(|other| other.source != list.source);
                    zoe.lists.push(list);
                }
            }
            match want[..] {
                [status] => assert_eq!(zoe.status, status, "{order:?}"),
                _ => assert_eq!(deleted, 1, "{order:?}"),
            }
        }
    }
}
