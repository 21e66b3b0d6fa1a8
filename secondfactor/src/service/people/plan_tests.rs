use super::*;
use crate::admin::UserStatus::{Active, Bypass, Disabled, LockedOut};

pub(in super::super) const AD: &str = "ad_client";
pub(in super::super) const VPN: &str = "ad_client/VPN";
pub(in super::super) const SYNC: Of<'_> = of_list(VPN, WhenMissing::Disable);

pub(in super::super) const fn of_list(source: &str, missing: WhenMissing) -> Of<'_> {
    Of::Directory(Listed {
        directory: AD,
        source,
        missing,
        take_over: false,
        holding: &[],
    })
}

pub(in super::super) fn on(source: &str, gone: bool) -> Listing {
    Listing {
        source: source.to_owned(),
        gone,
    }
}

pub(in super::super) fn person(name: &str) -> Person {
    Person::new(format!("DU-{name}"), name)
}

pub(in super::super) fn of_vpn(name: &str) -> Person {
    Person {
        source: Some(AD.to_owned()),
        lists: vec![on(VPN, false)],
        ..person(name)
    }
}

pub(in super::super) fn entry(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        ..Entry::default()
    }
}

pub(in super::super) fn listed(name: &str, aliases: &[&str]) -> Entry {
    Entry {
        aliases: Some(aliases.iter().map(|one| (*one).to_owned()).collect()),
        groups: Some(Vec::new()),
        ..entry(name)
    }
}

fn number(digits: &str, source: Option<&str>) -> Number {
    Number {
        device: format!("DP-{digits}"),
        digits: digits.to_owned(),
        source: source.map(str::to_owned),
    }
}

pub(in super::super) fn aliases(names: &[&str], source: &str) -> Vec<Owned> {
    let names: Vec<String> = names.iter().map(|one| (*one).to_owned()).collect();
    owned(&names, source)
}

pub(in super::super) fn planned(people: Vec<Person>, entries: Vec<Entry>, of: Of<'_>) -> Plan {
    let mut number = 0;
    plan(people, entries, of, &mut |prefix| {
        number += 1;
        Ok(format!("{prefix}{number}"))
    })
    .unwrap()
}

/// What is said of a plan, in one line.
pub(in super::super) fn said(plan: &Plan) -> String {
    let changes = &plan.changes;
    let changed: Vec<_> = changes
        .changed
        .iter()
        .map(|one| {
            let now = one.now.as_ref().map(|now| format!(">{now}"));
            let (now, fields) = (now.unwrap_or_default(), one.fields.join(" "));
            format!("{}{now}({fields})", one.name)
        })
        .collect();
    let refused: Vec<_> = changes
        .refused
        .iter()
        .map(|one| format!("{}: {}", one.name, one.why))
        .collect();
    let parts = [
        ("+", changes.created.join(" ")),
        ("~", changed.join(" ")),
        ("-", changes.missing.join(" ")),
        ("=", changes.unchanged.to_string()),
        ("!", refused.join("; ")),
    ];
    let parts = parts
        .iter()
        .filter(|(_, text)| !text.is_empty() && text != "0");
    let parts: Vec<_> = parts.map(|(sign, text)| format!("{sign} {text}")).collect();
    parts.join(" ")
}

#[test]
fn a_file_changes_what_it_says() {
    let alice = || Person {
        full_name: "Alice".to_owned(),
        aliases: aliases(&["al"], ""),
        groups: owned(&["ops".to_owned()], VPN),
        phones: vec![number("15550100", None)],
        ..of_vpn("alice")
    };
    let some = |text: &str| Some(text.to_owned());
    let names = |names: &[&str]| Some(names.iter().map(|one| (*one).to_owned()).collect());
    for (what, entry, want) in [
        ("nothing", entry("ALICE "), "= 1"),
        ("by an alias", entry("al"), "= 1"),
        (
            "the same",
            Entry {
                full_name: some("Alice"),
                aliases: names(&["al"]),
                number: some("+1 (555) 0100"),
                ..entry("alice")
            },
            "= 1",
        ),
        (
            "a name",
            Entry {
                full_name: some("Alice A."),
                email: some("a@b.example"),
                ..entry("alice")
            },
            "~ alice(full_name email)",
        ),
        (
            "a status",
            Entry {
                status: Some(Bypass),
                ..entry("alice")
            },
            "~ alice(status)",
        ),
        (
            "an alias",
            Entry {
                aliases: names(&["alice@corp.example"]),
                ..entry("alice")
            },
            "~ alice(aliases)",
        ),
        (
            "a group beside a directory's",
            Entry {
                groups: names(&["ops"]),
                ..entry("alice")
            },
            "~ alice(groups)",
        ),
        (
            "a number",
            Entry {
                number: some("+1 555 0101"),
                ..entry("alice")
            },
            "~ alice(phones)",
        ),
        (
            "somebody's alias",
            Entry {
                aliases: names(&["bob"]),
                ..entry("alice")
            },
            "! alice: the alias 'bob' is of user 'bob'",
        ),
        (
            "a new one's alias",
            Entry {
                aliases: names(&["AL"]),
                ..entry("carol")
            },
            "! carol: the alias 'AL' is of user 'alice'",
        ),
        (
            "a new one",
            Entry {
                aliases: names(&["c", "carol"]),
                ..entry("carol")
            },
            "+ carol",
        ),
        (
            "an address",
            Entry {
                email: some("none"),
                ..entry("carol")
            },
            "! carol: an e-mail address is a name, '@' and a domain, without blanks",
        ),
    ] {
        let plan = planned(vec![alice(), person("bob")], vec![entry], Of::File);
        assert_eq!(said(&plan), want, "{what}");
    }
}

#[test]
fn a_file_names_nobody_twice() {
    let people = || {
        vec![Person {
            aliases: aliases(&["al"], ""),
            ..person("alice")
        }]
    };
    for (entries, want) in [
        (
            vec![entry("alice"), entry("Alice")],
            "! Alice: line 1 is for the same user",
        ),
        (
            vec![entry("alice"), entry("al")],
            "! al: that is an alias of 'alice'",
        ),
        (
            vec![entry("bob"), entry("BOB")],
            "! BOB: line 1 is for the same user",
        ),
    ] {
        let mut line = 0;
        let entries = entries.into_iter().map(|entry| {
            line += 1;
            Entry {
                line: Some(line),
                ..entry
            }
        });
        let plan = planned(people(), entries.collect(), Of::File);
        assert!(said(&plan).ends_with(want), "{}", said(&plan));
    }
}

#[test]
fn a_directory_has_its_users_and_takes_over_an_administrators() {
    let other = Person {
        source: Some("ad_client2".to_owned()),
        lists: vec![on("ad_client2", false)],
        ..person("carol")
    };
    let whole = Person {
        aliases: aliases(&["sales"], ""),
        ..person("dave@corp.example")
    };
    let people = || vec![of_vpn("alice"), person("bob"), other.clone(), whole.clone()];
    let left = "- alice";
    for (what, entries, want) in [
        ("the same", vec![listed("alice", &[])], "= 1".to_owned()),
        (
            "an address of several",
            vec![
                listed("alice", &["info@corp.example"]),
                listed("erin", &["INFO@corp.example"]),
            ],
            "+ erin = 1".to_owned(),
        ),
        (
            "one more",
            vec![listed("alice", &[]), listed("erin", &["erin@corp.example"])],
            "+ erin = 1".to_owned(),
        ),
        ("nobody", vec![], left.to_owned()),
        (
            "an administrator's",
            vec![listed("bob", &[])],
            format!("~ bob(source) {left}"),
        ),
        (
            "an alias that is an administrator's user",
            vec![listed("dave", &["dave@corp.example"])],
            format!(
                "+ dave {left} ! dave: the alias 'dave@corp.example' is of user 'dave@corp.example'"
            ),
        ),
        (
            "an administrator's alias",
            vec![listed("sales", &[])],
            format!("~ dave@corp.example(source) {left}"),
        ),
        (
            "one of another directory",
            vec![listed("carol", &[])],
            format!(
                "{left} ! carol: that user comes from 'ad_client2', and the directory does not tell that they are one person; say take_over (--take-over) if they are, or delete the user here"
            ),
        ),
        (
            "a twin",
            vec![listed("alice", &[]), listed("ALICE", &[])],
            "= 1 ! ALICE: the directory has another entry of that name".to_owned(),
        ),
        (
            "an alias of another",
            vec![listed("alice", &["bob"])],
            "= 1 ! alice: the alias 'bob' is of user 'bob'".to_owned(),
        ),
    ] {
        let plan = planned(people(), entries, SYNC);
        assert_eq!(said(&plan), want, "{what}");
    }
}

#[test]
fn who_may_be_one_of_two_users_is_neither_and_neither_is_missing() {
    let of = |name: &str, alias: &str| Person {
        aliases: aliases(&[alias], AD),
        ..of_vpn(name)
    };
    let people = vec![of("alice", "a@corp.example"), of("bob", "b@corp.example")];
    let both = listed("erin", &["a@corp.example", "b@corp.example"]);
    let plan = planned(people, vec![both, listed("carol", &[])], SYNC);
    let text = said(&plan);
    assert!(
        text.starts_with("+ carol ! erin: its names are of two users"),
        "{text}"
    );
    assert!(plan.shut_out.is_empty());
}

#[test]
fn who_is_left_out_in_part_is_shut_out_all_the_same() {
    let full = Person {
        devices: MAX_DEVICES,
        ..of_vpn("alice")
    };
    let entry = Entry {
        disabled: true,
        number: Some("+1 555 0100".to_owned()),
        ..listed("alice", &["bob"])
    };
    let plan = planned(vec![full, person("bob")], vec![entry], SYNC);
    assert_eq!(
        said(&plan),
        "~ alice(status) ! alice: the alias 'bob' is of user 'bob'; alice: that user has 100 devices already"
    );
    assert_eq!(plan.batch.changed[0].status, Disabled);
    assert!(plan.batch.phones.is_empty() && plan.batch.aliases.is_empty());
}

#[test]
fn a_renamed_user_is_the_same_one_and_its_old_name_is_still_its() {
    let alice = Person {
        aliases: aliases(&["alice@corp.example"], AD),
        ..of_vpn("alice")
    };
    let plan = planned(
        vec![alice],
        vec![listed("alice.b", &["alice@corp.example"])],
        SYNC,
    );
    assert_eq!(said(&plan), "~ alice(aliases)");
    let names = plan.batch.aliases.iter();
    let names: Vec<_> = names.map(|(_, one)| one.name.as_str()).collect();
    assert_eq!(names, ["alice.b"]);
    assert!(plan.batch.aliases_gone.is_empty());
}

#[test]
fn an_alias_goes_from_one_user_to_another_at_once() {
    let alice = Person {
        aliases: aliases(&["sales"], AD),
        ..of_vpn("alice")
    };
    for (what, entries, want) in [
        (
            "to a user",
            vec![listed("bob", &["sales"]), listed("alice", &[])],
            "~ bob(aliases) alice(aliases)",
        ),
        (
            "to a new one",
            vec![
                listed("alice", &[]),
                listed("bob", &[]),
                listed("carol", &["sales"]),
            ],
            "+ carol ~ alice(aliases) = 1",
        ),
        (
            "to be a name",
            vec![
                listed("alice", &[]),
                listed("bob", &[]),
                listed("sales", &[]),
            ],
            "+ sales ~ alice(aliases) = 1",
        ),
    ] {
        let plan = planned(vec![alice.clone(), of_vpn("bob")], entries, SYNC);
        assert_eq!(said(&plan), want, "{what}");
    }
}

#[test]
fn what_a_directory_disables_it_gives_back_as_it_was() {
    let disabled = |name: &str| Entry {
        disabled: true,
        ..listed(name, &[])
    };
    for (what, status, before, entry, want, want_before) in [
        (
            "disabled there",
            Active,
            None,
            disabled("a"),
            Disabled,
            Some(Active),
        ),
        (
            "a bypass",
            Bypass,
            None,
            disabled("a"),
            Disabled,
            Some(Bypass),
        ),
        (
            "back",
            Disabled,
            Some(Bypass),
            listed("a", &[]),
            Bypass,
            None,
        ),
        (
            "locked before",
            Disabled,
            Some(LockedOut),
            listed("a", &[]),
            LockedOut,
            None,
        ),
        (
            "by an administrator",
            Disabled,
            None,
            listed("a", &[]),
            Disabled,
            None,
        ),
        ("by both", Disabled, None, disabled("a"), Disabled, None),
        (
            "still",
            Disabled,
            Some(Active),
            disabled("a"),
            Disabled,
            Some(Active),
        ),
    ] {
        let before = Person {
            status,
            status_before: before,
            ..of_vpn("a")
        };
        let plan = planned(vec![before.clone()], vec![entry], SYNC);
        let after = plan.batch.changed.first().unwrap_or(&before);
        assert_eq!(
            (after.status, after.status_before),
            (want, want_before),
            "{what}"
        );
        assert_eq!(
            plan.shut_out.len(),
            usize::from(want == Disabled && status != Disabled),
            "{what}"
        );
        assert_eq!(plan.changes.disabled.len(), plan.shut_out.len(), "{what}");
    }
}

#[test]
fn a_number_takes_the_place_of_the_one_that_the_same_source_said() {
    for (what, has, of, want) in [
        ("none", vec![], SYNC, "+2"),
        ("a person's", vec![number("1", None)], SYNC, "+2"),
        (
            "the directory's",
            vec![number("1", Some(AD))],
            SYNC,
            "DP-1:2",
        ),
        (
            "another's",
            vec![number("1", Some("ad_client2"))],
            SYNC,
            "+2",
        ),
        (
            "a file's, by a directory",
            vec![number("1", Some(""))],
            SYNC,
            "+2",
        ),
        ("a file's", vec![number("1", Some(""))], Of::File, "DP-1:2"),
        ("the same", vec![number("2", Some(AD))], SYNC, ""),
        (
            "a person's too",
            vec![number("2", None), number("1", Some(AD))],
            SYNC,
            "-DP-1",
        ),
    ] {
        let alice = Person {
            devices: has.len(),
            phones: has,
            ..of_vpn("alice")
        };
        let entry = Entry {
            number: Some("2".to_owned()),
            ..entry("alice")
        };
        let plan = planned(vec![alice], vec![entry], of);
        let batch = &plan.batch;
        let new = batch
            .phones
            .iter()
            .map(|(_, one)| format!("+{}", one.number));
        let other = batch.numbers.iter();
        let other = other.map(|(_, one)| format!("{}:{}", one.device, one.number));
        let gone = batch
            .phones_gone
            .iter()
            .map(|(_, device)| format!("-{device}"));
        let got: Vec<_> = new.chain(other).chain(gone).collect();
        assert_eq!(got.join(" "), want, "{what}");
        let told = plan.changes.changed.iter().flat_map(|one| &one.fields);
        assert_eq!(
            told.filter(|field| *field == "phones").count(),
            usize::from(!want.is_empty())
        );
    }
}
