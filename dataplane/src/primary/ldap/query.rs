//! Which entry a name stands for: search filters (RFC 4515). Pure.

use super::filter::Filter;

/// How names are turned into filters.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) username_attribute: String,
    pub(super) at_attribute: String,
}

/// Whom a login names: the entry whose attribute has this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) attribute: &'a str,
    /// Not empty.
    pub(super) name: &'a str,
}

impl Named<'_> {
    /// The filter that finds the entry, and may find others.
    pub(super) fn filter(&self) -> Filter {
        Filter::equals(self.attribute, self.name.as_bytes())
    }

    /// Whether an entry with these values is meant: one of them is the name, but for the case of
    /// letters.
    ///
    /// A directory's matching is wider (RFC 4518: blanks, width, compatible characters). What
    /// compares the typed name after it would take two spellings of a person for two persons.
    pub(super) fn is_of<'v>(&self, mut values: impl Iterator<Item = &'v [u8]>) -> bool {
        let is_same = |value: &str| {
            value.to_lowercase() == self.name.to_lowercase() && signs(value).eq(signs(self.name))
        };
        values.any(|value| str::from_utf8(value).is_ok_and(is_same))
    }
}

/// The signs for kelvin, angstrom and ohm: letters in another code, whose lower case is the
/// letter's. As a matter of case they would make one name of two.
fn signs(name: &str) -> impl Iterator<Item = (usize, char)> {
    name.chars()
        .enumerate()
        .filter(|(_, c)| matches!(c, '\u{212a}' | '\u{212b}' | '\u{2126}'))
}

impl Names {
    /// Whom a name means: `user@domain` is looked for by one attribute, `user` and `DOMAIN\user`
    /// by the other. None when no user is named.
    pub(super) fn named<'a>(&'a self, typed: &'a str) -> Option<Named<'a>> {
        let (attribute, name) = match typed.split_once('\\') {
            Some((_, name)) => (&self.username_attribute, name),
            None if typed.contains('@') => (&self.at_attribute, typed),
            None => (&self.username_attribute, typed),
        };
        (!name.is_empty()).then_some(Named { attribute, name })
    }
}

/// `ldap_filter`, whole; the parentheses around it may be missing.
///
/// None when it is no filter. It is read alone, before it is joined with another: two filters side
/// by side would mean something else there.
pub(super) fn extra_filter(written: &str) -> Option<Filter> {
    let written = written.trim();
    if written.starts_with('(') {
        Filter::parse(written)
    } else {
        Filter::parse(&format!("({written})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            username_attribute: "uid".to_owned(),
            at_attribute: "mail".to_owned(),
        }
    }

    #[test]
    fn a_name_is_looked_for_by_one_attribute() {
        for (typed, want) in [
            ("alice", Some(("uid", "alice"))),
            ("alice@example.com", Some(("mail", "alice@example.com"))),
            ("LAB\\alice", Some(("uid", "alice"))),
            ("LAB\\al@x", Some(("uid", "al@x"))),
            ("*", Some(("uid", "*"))),
            ("D\\a\\b", Some(("uid", "a\\b"))),
            ("x)(uid=*", Some(("uid", "x)(uid=*"))),
            ("", None),
            ("LAB\\", None),
        ] {
            let names = names();
            let named = names.named(typed);
            let want = want.map(|(attribute, name)| Named { attribute, name });
            assert_eq!(named, want, "{typed}");
        }
    }

    #[test]
    fn an_entry_is_meant_only_by_a_very_name_of_its() {
        for (name, held, want) in [
            ("alice", &["alice"][..], true),
            ("ALICE", &["Alice"][..], true),
            ("É", &["é"][..], true),
            ("alice ", &["alice"][..], false),
            ("al  ice", &["al ice"][..], false),
            ("ａlice", &["alice"][..], false),
            ("mi\u{212a}e", &["mike"][..], false),
            ("mike", &["mi\u{212a}e"][..], false),
            ("MI\u{212a}E", &["mi\u{212a}e"][..], true),
            ("alice", &["alicia", "alice"][..], true),
            ("alice", &[][..], false),
        ] {
            let names = names();
            let named = names.named(name).unwrap();
            let values = held.iter().map(|value| value.as_bytes());
            assert_eq!(named.is_of(values), want, "{name}: {held:?}");
        }
    }

    #[test]
    fn an_extra_filter_is_one_filter() {
        for (written, want) in [
            ("(objectClass=person)", Some("(objectClass=person)")),
            (" objectClass=person ", Some("(objectClass=person)")),
            ("&(a=b)(c=d)", Some("(&(a=b)(c=d))")),
            ("(a=b)(c=d)", None),
            ("a=b)(c=d", None),
            ("(a=b", None),
            ("nonsense", None),
            ("", None),
        ] {
            let want = want.map(|want| Filter::parse(want).unwrap());
            assert_eq!(extra_filter(written), want, "{written}");
        }
    }
}
