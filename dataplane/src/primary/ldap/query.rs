//! Which entry a name stands for: search filters (RFC 4515). Pure.

use ldap3::{ldap_escape, parse_filter};

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
    pub(super) fn filter(&self) -> String {
        format!("({}={})", self.attribute, ldap_escape(self.name))
    }

    /// Whether an entry with these values is meant: one of them is the name, but for the case of
    /// letters.
    ///
    /// A directory's matching is wider (RFC 4518: blanks, width, compatible characters). What
    /// compares the typed name after it would take two spellings of a person for two persons.
    pub(super) fn is_of(&self, values: &[String]) -> bool {
        let name = self.name.to_lowercase();
        values.iter().any(|value| value.to_lowercase() == name)
    }
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

/// `ldap_filter`, whole.
///
/// None when it is no filter. It is read alone, before it is joined with another: two filters side
/// by side would mean something else there.
pub(super) fn extra_filter(written: &str) -> Option<String> {
    let written = written.trim();
    let whole = if written.starts_with('(') {
        written.to_owned()
    } else {
        format!("({written})")
    };
    parse_filter(&whole).is_ok().then_some(whole)
}

/// The filter that a group's entry matches when the user is its direct member.
pub(super) fn member_filter(user_dn: &str) -> String {
    let dn = ldap_escape(user_dn);
    format!("(|(member={dn})(uniqueMember={dn}))")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Names {
        Names {
            username_attribute: "uid".to_owned(),
            at_attribute: "mail".to_owned(),
        }
    }

    #[test]
    fn a_name_becomes_the_filter_of_one_value() {
        for (typed, want) in [
            ("alice", Some("(uid=alice)")),
            ("alice@example.com", Some("(mail=alice@example.com)")),
            ("LAB\\alice", Some("(uid=alice)")),
            ("LAB\\al@x", Some("(uid=al@x)")),
            ("*", Some("(uid=\\2a)")),
            ("O'Hara(x)*y", Some("(uid=O'Hara\\28x\\29\\2ay)")),
            ("a\0b", Some("(uid=a\\00b)")),
            ("D\\a\\b", Some("(uid=a\\5cb)")),
            ("x)(uid=*", Some("(uid=x\\29\\28uid=\\2a)")),
            ("é", Some("(uid=é)")),
            ("", None),
            ("LAB\\", None),
        ] {
            let filter = names().named(typed).map(|named| named.filter());
            assert_eq!(filter.as_deref(), want, "{typed}");
        }
    }

    #[test]
    fn an_entry_is_meant_only_by_a_very_name_of_its() {
        let values = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        for (name, held, want) in [
            ("alice", values(&["alice"]), true),
            ("ALICE", values(&["Alice"]), true),
            ("É", values(&["é"]), true),
            ("alice ", values(&["alice"]), false),
            ("al  ice", values(&["al ice"]), false),
            ("ａlice", values(&["alice"]), false),
            ("alice", values(&["alicia", "alice"]), true),
            ("alice", values(&[]), false),
        ] {
            let names = names();
            let named = names.named(name).unwrap();
            assert_eq!(named.is_of(&held), want, "{name}: {held:?}");
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
            assert_eq!(extra_filter(written).as_deref(), want, "{written}");
        }
    }

    proptest! {
        #[test]
        fn every_name_gives_a_filter_that_can_be_read(typed in ".{0,64}", dn in ".{0,64}") {
            if let Some(filter) = names().named(&typed).map(|named| named.filter()) {
                prop_assert!(parse_filter(&filter).is_ok());
                prop_assert_eq!(filter.matches('(').count(), 1);
            }
            prop_assert!(parse_filter(member_filter(&dn)).is_ok());
        }
    }
}
