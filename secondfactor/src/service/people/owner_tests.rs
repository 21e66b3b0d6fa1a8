use super::super::plan::tests::{AD, SYNC, VPN, aliases, listed, of_vpn, on, planned, said};
use super::*;
use crate::admin::UserStatus::{Active, Disabled};

const OTHER: &str = "ad_client2";

/// A user of the section, with an id.
fn anna() -> Person {
    Person {
        directory_id: Some("1".to_owned()),
        email: "anna@one.example".to_owned(),
        ..of_vpn("anna")
    }
}

/// What another section says of the same id.
fn elsewhere(name: &str) -> Entry {
    Entry {
        id: Some("1".to_owned()),
        full_name: Some("Evil".to_owned()),
        email: Some("evil@evil.example".to_owned()),
        number: Some("+1 555 0199".to_owned()),
        ..listed(name, &[])
    }
}

fn by_other(take_over: bool, holding: &[String]) -> Of<'_> {
    match SYNC {
        Of::Directory(listed) => Of::Directory(Listed {
            directory: OTHER,
            source: OTHER,
            take_over,
            holding,
            ..listed
        }),
        Of::File => Of::File,
    }
}

#[test]
fn another_section_says_its_list_and_its_names_only() {
    let holding = [VPN.to_owned()];
    for (what, person, entry, take_over, holding, want, name) in [
        (
            "another name",
            anna(),
            elsewhere("anna@corp"),
            false,
            &holding[..],
            "~ anna(aliases)",
            None,
        ),
        (
            "the same name",
            anna(),
            elsewhere("anna"),
            false,
            &holding,
            "~ anna(lists)",
            None,
        ),
        (
            "disabled there",
            anna(),
            Entry {
                disabled: true,
                ..elsewhere("anna")
            },
            false,
            &holding,
            "~ anna(lists)",
            None,
        ),
        (
            "disabled by its own",
            Person {
                status: Disabled,
                status_before: Some(Active),
                ..anna()
            },
            elsewhere("anna"),
            false,
            &holding,
            "~ anna(lists)",
            None,
        ),
        (
            "moved, as an administrator says",
            anna(),
            elsewhere("ann"),
            true,
            &holding,
            "~ anna>ann(name full_name email source phones)",
            Some("ann"),
        ),
        (
            "whose section is not synchronized any more",
            anna(),
            elsewhere("ann"),
            false,
            &[],
            "~ anna>ann(name full_name email source phones)",
            Some("ann"),
        ),
        (
            "who is on this one's list only",
            Person {
                lists: vec![on(VPN, true), on(OTHER, false)],
                ..anna()
            },
            elsewhere("ann"),
            false,
            &holding,
            "~ anna>ann(name full_name email source phones)",
            Some("ann"),
        ),
        (
            "who left",
            Person {
                status: Disabled,
                status_before: Some(Active),
                lists: vec![on(VPN, true)],
                ..anna()
            },
            elsewhere("ann"),
            false,
            &holding,
            "! ann: 'anna' has that id, comes from 'ad_client' and is missing there; say take_over (--take-over) \
             if the person has moved, or delete the user here",
            None,
        ),
    ] {
        let plan = planned(vec![person], vec![entry], by_other(take_over, holding));
        assert_eq!(said(&plan), want, "{what}");
        let changed = plan.batch.changed.first().map(|one| &*one.name);
        assert_eq!(changed, name, "{what}");
    }
}

#[test]
fn sections_with_two_names_for_one_person_are_in_line_with_both() {
    let holding = [VPN.to_owned(), OTHER.to_owned()];
    let both = Person {
        aliases: aliases(&["anna@corp"], OTHER),
        lists: vec![on(VPN, false), on(OTHER, false)],
        ..anna()
    };
    let other = by_other(false, &holding);
    let plan = planned(vec![both.clone()], vec![elsewhere("anna@corp")], other);
    assert_eq!(said(&plan), "= 1");
    let own = Entry {
        id: Some("1".to_owned()),
        ..listed("anna", &[])
    };
    assert_eq!(said(&planned(vec![both], vec![own], SYNC)), "= 1");
}

#[test]
fn what_a_section_gave_is_the_next_ones_whose_the_user_is() {
    let number = |digits: &str, source: &str| crate::store::Number {
        device: format!("DP-{digits}"),
        digits: digits.to_owned(),
        source: Some(source.to_owned()),
    };
    let person = || Person {
        aliases: [aliases(&["a@old"], AD), aliases(&["mine"], "")].concat(),
        phones: vec![number("15550100", AD)],
        devices: 1,
        ..anna()
    };
    let holding = [VPN.to_owned()];
    for (take_over, aliases_gone, numbers) in [(true, &["a@old"][..], 1), (false, &[], 0)] {
        let of = by_other(take_over, &holding);
        let plan = planned(vec![person()], vec![elsewhere("anna")], of);
        assert_eq!(plan.batch.aliases_gone, aliases_gone);
        assert_eq!(plan.batch.numbers.len(), numbers);
        assert!(plan.batch.phones.is_empty() && plan.batch.phones_gone.is_empty());
        let mut same = elsewhere("anna");
        same.number = Some("+1 555 0100".to_owned());
        let plan = planned(vec![person()], vec![same], of);
        let moved = plan.batch.numbers.iter().map(|(_, one)| &*one.source);
        assert_eq!(moved.collect::<Vec<_>>(), vec![OTHER; numbers]);
    }
    // An alias that both say is said by the one whose the user is.
    let mut same = elsewhere("anna");
    same.aliases = Some(vec!["a@old".to_owned()]);
    let plan = planned(vec![person()], vec![same], by_other(true, &holding));
    let new: Vec<_> = plan.batch.aliases.iter().map(|(_, one)| one).collect();
    assert_eq!(new, [&aliases(&["a@old"], OTHER)[0]]);
    assert_eq!(plan.batch.aliases_gone, ["a@old"]);
}

#[test]
fn a_list_is_of_the_section_that_it_begins_with() {
    for (list, want) in [
        (AD, true),
        (VPN, true),
        ("ad_client2", false),
        ("ad_client2/VPN", false),
        ("ad", false),
    ] {
        assert_eq!(is_of(list, AD), want, "{list}");
    }
}
