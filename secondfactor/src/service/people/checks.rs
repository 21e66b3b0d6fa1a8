//! What can be said of a user. Pure.

use super::plan::{Entry, Of};
use crate::account::{is_email_address, is_unseen, is_user_name};

/// Whether an entry can be taken. What a directory has for other purposes, and is no address or number
/// here, is left out; an administrator is told.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(entry: &mut Entry, of: Of<'_>) -> Judged {
    if let Of::Directory(_) = of {
        entry.id.take_if(|id| id.len() > MAX_ID_OCTETS);
        entry.full_name.take_if(|text| full_name(text).is_err());
        entry.email.take_if(|text| email(text).is_err());
        entry.number.take_if(|text| number(text).is_err());
        if let Some(aliases) = &mut entry.aliases {
            aliases.retain(|alias| is_user_name(alias));
            aliases.truncate(MAX_ALIASES);
        }
    }
    let judged =
        |text: &Option<String>, judge: fn(&str) -> Judged| text.as_deref().map_or(Ok(()), judge);
    user_name(&entry.name)?;
    judged(&entry.full_name, full_name)?;
    judged(&entry.email, email)?;
    judged(&entry.number, number)?;
    aliases(entry.aliases.as_deref().unwrap_or_default())?;
    groups(entry.groups.as_deref().unwrap_or_default())
}

type Judged = Result<(), &'static str>;

pub(super) fn user_name(name: &str) -> Judged {
    if is_user_name(name) {
        Ok(())
    } else {
        Err("a user's name has 1 to 256 characters, all of them to be seen")
    }
}

/// May be empty.
pub(super) fn full_name(text: &str) -> Judged {
    if text.chars().count() <= 256 && !text.chars().any(is_unseen) {
        Ok(())
    } else {
        Err("a full name has at most 256 characters, all of them to be seen")
    }
}

/// May be empty.
pub(super) fn email(text: &str) -> Judged {
    if text.is_empty() || is_email_address(text) {
        Ok(())
    } else {
        Err("an e-mail address is a name, '@' and a domain, without blanks")
    }
}

pub(super) fn number(text: &str) -> Judged {
    let plausible = |c: char| c.is_ascii_digit() || " +-().".contains(c);
    if text.len() <= 32 && text.chars().all(plausible) {
        Ok(())
    } else {
        Err("a number is made of at most 32 digits and ' +-().'")
    }
}

pub(super) fn aliases(aliases: &[String]) -> Judged {
    if aliases.len() > MAX_ALIASES {
        Err("a user has at most 20 aliases")
    } else if aliases.iter().all(|alias| is_user_name(alias)) {
        Ok(())
    } else {
        Err("an alias has 1 to 256 characters, all of them to be seen")
    }
}

pub(super) fn groups(groups: &[String]) -> Judged {
    if groups.len() > MAX_GROUPS {
        Err("a user is in at most 100 groups")
    } else if groups.iter().all(|group| group_name(group).is_ok()) {
        Ok(())
    } else {
        Err(GROUP_NAME)
    }
}

pub(super) fn group_name(name: &str) -> Judged {
    if is_user_name(name) && name.chars().count() <= 128 {
        Ok(())
    } else {
        Err(GROUP_NAME)
    }
}

const GROUP_NAME: &str = "a group's name has 1 to 128 characters, all of them to be seen";
const MAX_ALIASES: usize = 20;
const MAX_ID_OCTETS: usize = 256;
const MAX_GROUPS: usize = 100;
pub(super) const MAX_DEVICES: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::plan::Listed;
    use super::*;
    use crate::admin::WhenMissing;

    #[test]
    fn a_directory_has_more_than_can_be_used_and_a_file_does_not() {
        let directory = Of::Directory(Listed {
            directory: "d",
            source: "d",
            missing: WhenMissing::Keep,
            take_over: false,
            holding: &[],
        });
        let said = |text: &str| Some(text.to_owned());
        let plain = Entry {
            name: "alice".to_owned(),
            ..Entry::default()
        };
        for (what, entry) in [
            (
                "name",
                Entry {
                    full_name: said("a\u{7}"),
                    ..plain.clone()
                },
            ),
            (
                "address",
                Entry {
                    email: said("none"),
                    ..plain.clone()
                },
            ),
            (
                "number",
                Entry {
                    number: said("ext. 5"),
                    ..plain.clone()
                },
            ),
        ] {
            assert!(check(&mut entry.clone(), Of::File).is_err(), "{what}");
            let mut entry = entry;
            assert_eq!(check(&mut entry, directory), Ok(()), "{what}");
            assert_eq!(entry, plain, "{what}");
        }
        let mut aliases = Entry {
            aliases: Some(vec!["al".to_owned(), "a\nb".to_owned()]),
            ..plain.clone()
        };
        assert!(check(&mut aliases, Of::File).is_err());
        assert!(check(&mut aliases, directory).is_ok());
        assert_eq!(aliases.aliases, Some(vec!["al".to_owned()]));
        for of in [Of::File, directory] {
            let mut unseen = Entry {
                name: "a\u{200b}".to_owned(),
                ..plain.clone()
            };
            assert!(check(&mut unseen, of).is_err());
        }
    }

    #[test]
    fn there_are_so_many_of_each_and_no_more() {
        let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert!(aliases(&names(20)).is_ok() && aliases(&names(21)).is_err());
        assert!(groups(&names(100)).is_ok() && groups(&names(101)).is_err());
        assert!(group_name(&"g".repeat(128)).is_ok() && group_name(&"g".repeat(129)).is_err());
        assert!(group_name("").is_err());
    }
}
