//! Whose a user is: of the sections that list somebody one says name, e-mail address, number and status. Pure.
//!
//! An id is believed of the section that it was learnt from. Another section may read the same directory with
//! another attribute for names, or another directory, whose people can say any id.

use super::claim::was_missing;
use super::plan::{Entry, Listed, Of, Planning};
use crate::store::Person;

impl Planning<'_> {
    /// Whether a user is another section's, which still lists them: this one says its list, its group and
    /// its names for them, and no more.
    pub(super) fn is_anothers(&self, person: &Person) -> bool {
        let Of::Directory(Listed {
            directory,
            holding,
            take_over: false,
            ..
        }) = self.of
        else {
            return false;
        };
        let owner = person.source.as_deref();
        owner
            .filter(|owner| *owner != directory)
            .is_some_and(|owner| {
                let mut lists = person.lists.iter();
                lists.any(|list| {
                    !list.gone && is_of(&list.source, owner) && holding.contains(&list.source)
                })
            })
    }

    /// Whose aliases and phones are said anew by whoever says them of a user: what a section gave who had it
    /// before is nobody else's to take back.
    pub(super) fn theirs(&self, person: &Person) -> Vec<String> {
        let directory = self.of.directory();
        let before = person.source.as_deref().filter(|before| {
            matches!(self.of, Of::Directory(_)) && *before != directory && !self.is_anothers(person)
        });
        let sources = [Some(directory), before];
        sources.into_iter().flatten().map(str::to_owned).collect()
    }

    /// Why another section does not get somebody by an id whom the directory that it is of let go.
    pub(super) fn is_let_go(&self, place: usize) -> Option<String> {
        let Of::Directory(Listed {
            directory,
            take_over: false,
            ..
        }) = self.of
        else {
            return None;
        };
        let person = self.person(place);
        let owner = person.source.as_deref().filter(|one| *one != directory)?;
        was_missing(person).then(|| {
            format!(
                "'{}' has that id, comes from '{owner}' and is missing there; say take_over (--take-over) if the \
                 person has moved, or delete the user here",
                person.name
            )
        })
    }
}

/// Takes out of an entry what only the section says whose the user is.
pub(super) fn leave_to_owner(entry: &mut Entry) {
    entry.full_name = None;
    entry.email = None;
    entry.number = None;
}

/// Whether a list is of a section: all of it, or a group there.
fn is_of(list: &str, section: &str) -> bool {
    let group = list.strip_prefix(section);
    group.is_some_and(|group| group.is_empty() || group.starts_with('/'))
}

#[cfg(test)]
#[path = "owner_tests.rs"]
mod tests;
