use super::super::plan::tests::{
    AD, SYNC, VPN, aliases, listed, of_list, of_vpn, on, person, planned, said,
};
use super::*;
use crate::admin::UserStatus::{Active, Disabled};
use crate::admin::WhenMissing;
use crate::store::Person;

const OPS: &str = "ad_client/Ops";

/// A user whom a directory tells from others.
fn known(name: &str, id: &str) -> Person {
    Person {
        directory_id: Some(id.to_owned()),
        ..of_vpn(name)
    }
}

/// One who was missing.
fn gone(name: &str, id: Option<&str>) -> Person {
    Person {
        status: Disabled,
        status_before: Some(Active),
        directory_id: id.map(str::to_owned),
        lists: vec![on(VPN, true)],
        ..of_vpn(name)
    }
}

/// The same, while other lists are synchronized too.
fn beside<'a>(of: Of<'a>, holding: &'a [String]) -> Of<'a> {
    match of {
        Of::Directory(listed) => Of::Directory(Listed { holding, ..listed }),
        Of::File => Of::File,
    }
}

fn by_id(name: &str, id: &str, aliases: &[&str]) -> Entry {
    Entry {
        id: Some(id.to_owned()),
        ..listed(name, aliases)
    }
}

/// Of what is said as much as is wanted, if that is a refusal's beginning.
fn short(text: &str, want: &str) -> String {
    let end = if want.contains('!') {
        want.len()
    } else {
        text.len()
    };
    text.chars().take(end).collect()
}

#[test]
fn a_name_that_is_given_again_brings_nobody_elses_devices() {
    let anna = || Person {
        aliases: aliases(&["anna@corp"], AD),
        ..known("anna", "1")
    };
    for (what, people, entries, of, want) in [
        (
            "renamed, and another one hired",
            vec![anna()],
            vec![
                by_id("anna", "2", &["anna@corp"]),
                by_id("anna.smith", "1", &["smith@corp"]),
            ],
            SYNC,
            "+ anna ~ anna>anna.smith(name aliases)",
        ),
        (
            "left, and another one hired",
            vec![gone("anna", Some("1"))],
            vec![by_id("anna", "2", &[])],
            SYNC,
            "! anna: somebody else had that name",
        ),
        (
            "leaves as another one is hired",
            vec![anna()],
            vec![by_id("anna", "2", &[])],
            SYNC,
            "- anna ! anna: somebody else had that name",
        ),
        (
            "leaves and is deleted",
            vec![anna()],
            vec![by_id("anna", "2", &["anna@corp"])],
            of_list(VPN, WhenMissing::Delete),
            "+ anna - anna",
        ),
        (
            "left long ago and is deleted",
            vec![gone("anna", Some("1"))],
            vec![by_id("anna", "2", &[])],
            of_list(VPN, WhenMissing::Delete),
            "+ anna - anna",
        ),
        (
            "is on another list",
            vec![Person {
                lists: vec![on(OPS, false)],
                ..anna()
            }],
            vec![by_id("anna", "2", &[])],
            SYNC,
            "! anna: somebody else had that name",
        ),
        (
            "comes back",
            vec![gone("anna", Some("1"))],
            vec![by_id("anna", "1", &[])],
            SYNC,
            "~ anna(status)",
        ),
        (
            "may have come back",
            vec![gone("anna", None)],
            vec![listed("anna", &[])],
            SYNC,
            "! anna: a user of that name was missing",
        ),
        (
            "may have come back, on another list than one that was forgotten",
            vec![Person {
                lists: vec![],
                ..gone("anna", None)
            }],
            vec![listed("anna", &[])],
            SYNC,
            "! anna: a user of that name was missing",
        ),
        (
            "is who came back, as an administrator said",
            vec![Person {
                status: Active,
                status_before: None,
                ..gone("anna", None)
            }],
            vec![by_id("anna", "2", &[])],
            SYNC,
            "~ anna(lists)",
        ),
        (
            "an alias of who was renamed",
            vec![anna()],
            vec![by_id("anna", "1", &[]), by_id("bob", "2", &["anna@corp"])],
            SYNC,
            "+ bob ~ anna(aliases)",
        ),
        (
            "an alias that is given again as a name",
            vec![Person {
                aliases: aliases(&["smith"], AD),
                ..known("anna", "1")
            }],
            vec![by_id("anna", "1", &[]), by_id("smith", "2", &[])],
            SYNC,
            "+ smith ~ anna(aliases)",
        ),
        (
            "two with one id",
            vec![anna()],
            vec![by_id("anna", "1", &["anna@corp"]), by_id("ann", "1", &[])],
            SYNC,
            "= 1 ! ann: the directory has another entry o",
        ),
    ] {
        let text = said(&planned(people, entries, of));
        assert_eq!(short(&text, want), want, "{what}");
    }
}

#[test]
fn a_directory_that_tells_no_ids_any_more_still_has_its_users() {
    for (is, says) in [(Some("1"), None), (None, Some("1"))] {
        let anna = Person {
            directory_id: is.map(str::to_owned),
            ..of_vpn("anna")
        };
        let entry = Entry {
            id: says.map(str::to_owned),
            ..listed("anna", &[])
        };
        let plan = planned(vec![anna], vec![entry], SYNC);
        assert_eq!(plan.changes.refused, []);
        let id = plan
            .batch
            .changed
            .first()
            .map(|one| one.directory_id.clone());
        assert_eq!(id, says.map(|id| Some(id.to_owned())), "{is:?}");
    }
}

#[test]
fn who_is_renamed_has_the_new_name_and_the_old_one_is_free() {
    let two = || vec![known("anna", "1"), known("bob", "2")];
    for (what, people, entries, want, names) in [
        (
            "two change theirs",
            two(),
            vec![by_id("bob", "1", &[]), by_id("anna", "2", &[])],
            "~ anna>bob(name) bob>anna(name)",
            vec!["bob", "anna"],
        ),
        (
            "to an alias",
            vec![Person {
                aliases: aliases(&["smith"], AD),
                ..known("anna", "1")
            }],
            vec![by_id("smith", "1", &[])],
            "~ anna>smith(name aliases)",
            vec!["smith"],
        ),
        (
            "to what an administrator calls them too",
            vec![Person {
                aliases: aliases(&["smith"], ""),
                ..known("anna", "1")
            }],
            vec![by_id("smith", "1", &[])],
            "= 1",
            vec![],
        ),
        (
            "to somebody else's, and who would have had the old one",
            vec![known("anna", "1"), known("bob", "2"), person("carol")],
            vec![by_id("carol", "1", &[]), by_id("anna", "2", &[])],
            "= 2 ! carol: 'anna' is called so now, and that is a name or alias of 'carol'; the old \
             name stays; anna: 'bob' is called so now, and that is a name or alias of 'anna'; the old \
             name stays; carol: the alias 'carol' is of user 'carol'; anna: the alias 'anna' is of user 'anna'",
            vec![],
        ),
    ] {
        let plan = planned(people, entries, SYNC);
        assert_eq!(said(&plan), want, "{what}");
        let renamed: Vec<_> = plan.batch.changed.iter().map(|one| &*one.name).collect();
        assert_eq!(renamed, names, "{what}");
        assert_eq!(plan.batch.renamed.len(), names.len(), "{what}");
    }
}

#[test]
fn who_is_on_several_lists_is_missing_when_the_last_has_them_no_more() {
    let both = || Person {
        lists: vec![on(VPN, false), on(OPS, false)],
        groups: super::super::plan::owned(&["vpn".to_owned()], VPN),
        ..known("anna", "1")
    };
    let one = || Person {
        lists: vec![on(VPN, false)],
        ..both()
    };
    let other_section = || Person {
        source: Some("ad_client2".to_owned()),
        lists: vec![on(VPN, false), on("ad_client2", false)],
        ..one()
    };
    let in_ops = |entries| {
        let of = of_list(OPS, WhenMissing::Disable);
        (entries, of)
    };
    for (what, person, (entries, of), want, lists) in [
        (
            "joins",
            one(),
            in_ops(vec![by_id("anna", "1", &[])]),
            "~ anna(lists)",
            "+ad_client/Ops",
        ),
        (
            "by another section of the same directory",
            other_section(),
            in_ops(vec![by_id("anna", "1", &[])]),
            "~ anna(lists)",
            "+ad_client/Ops",
        ),
        (
            "leaves one",
            both(),
            (vec![], SYNC),
            "~ anna(groups)",
            "~ad_client/VPN",
        ),
        (
            "leaves the other",
            both(),
            in_ops(vec![]),
            "~ anna(lists)",
            "~ad_client/Ops",
        ),
        (
            "leaves the last",
            one(),
            (vec![], SYNC),
            "- anna",
            "~ad_client/VPN",
        ),
        (
            "is missing, and joins another",
            gone("anna", Some("1")),
            in_ops(vec![by_id("anna", "1", &[])]),
            "~ anna(status)",
            "+ad_client/Ops",
        ),
    ] {
        let holding = [VPN, OPS, "ad_client2"].map(str::to_owned);
        let plan = planned(vec![person.clone()], entries.clone(), beside(of, &holding));
        assert_eq!(said(&plan), want, "{what}");
        if want.starts_with("~ anna") && lists.starts_with('~') {
            // The other list is not synchronized any more.
            assert_eq!(
                said(&planned(vec![person], entries, of)),
                "- anna",
                "{what}"
            );
        }
        let set = plan.batch.lists.iter().map(|(_, list)| {
            let sign = if list.gone { "~" } else { "+" };
            format!("{sign}{}", list.source)
        });
        let off = plan
            .batch
            .lists_gone
            .iter()
            .map(|(_, list)| format!("-{list}"));
        let said: Vec<_> = set.chain(off).collect();
        assert_eq!(said.join(" "), lists, "{what}");
    }
}

#[test]
fn those_who_stay_on_another_list_do_not_hide_that_half_is_missing() {
    let people: Vec<_> = (0..10)
        .map(|n| Person {
            lists: vec![on(VPN, false), on(OPS, false)],
            ..known(&format!("u{n}"), &n.to_string())
        })
        .collect();
    let holding = [OPS.to_owned()];
    let of = beside(SYNC, &holding);
    let half = vec![by_id("u0", "0", &[])];
    assert_eq!(planned(people.clone(), half, of).drastic, Some((9, 10)));
    assert_eq!(planned(people, vec![], of).drastic, Some((10, 10)));
}

#[test]
fn names_are_believed_where_that_is_said() {
    let believing = Of::Directory(Listed {
        directory: AD,
        source: VPN,
        missing: WhenMissing::Disable,
        take_over: true,
        holding: &[],
    });
    for (what, person, entry, want) in [
        (
            "loaded anew",
            known("anna", "1"),
            by_id("anna", "2", &[]),
            "= 1",
        ),
        (
            "of another directory",
            Person {
                source: Some("ad_client2".to_owned()),
                ..known("anna", "1")
            },
            by_id("anna", "2", &[]),
            "~ anna(source)",
        ),
        (
            "was missing",
            gone("anna", None),
            listed("anna", &[]),
            "! anna: a user of that name was missing",
        ),
        (
            "was missing, and another one is hired",
            gone("anna", Some("1")),
            by_id("anna", "2", &[]),
            "! anna: somebody else had that name",
        ),
        (
            "was missing, and is called something else",
            gone("anna", Some("1")),
            by_id("ann", "1", &[]),
            "~ anna>ann(name status)",
        ),
    ] {
        let text = said(&planned(vec![person], vec![entry], believing));
        assert_eq!(short(&text, want), want, "{what}");
    }
}
