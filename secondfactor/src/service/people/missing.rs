//! What becomes of those whom a list of a directory has no more. Pure.

use super::plan::{Listed, Of, Planning, disable};
use crate::admin::{ChangedUser, UserStatus, WhenMissing};
use crate::store::Listing;

impl Planning<'_> {
    /// Users of the list that it has no more. Who is on another one stays, off this one.
    pub(super) fn missing(&mut self) {
        let Of::Directory(Listed {
            source,
            missing,
            holding,
            ..
        }) = self.of
        else {
            return;
        };
        for place in 0..self.known {
            let person = self.person(place);
            let Some(listing) = person.lists.iter().find(|list| list.source == source) else {
                continue;
            };
            if self.is_claimed(place) {
                continue;
            }
            let was_on_it = !listing.gone;
            let is_let_in = person.status != UserStatus::Disabled;
            let elsewhere = |list: &Listing| {
                !list.gone && list.source != source && holding.contains(&list.source)
            };
            let held = person.lists.iter().any(elsewhere);
            let mut person = person.clone();
            let (id, name) = (person.id.clone(), person.name.clone());
            if missing == WhenMissing::Delete && !held {
                self.losses += usize::from(is_let_in && was_on_it);
                self.out.changes.missing.push(name);
                self.out.shut_out.insert(id.clone());
                self.out.batch.deleted.push(id);
                self.disown(place, |_| true);
                self.owners.remove(&person.lookup);
                continue;
            }
            let groups = person.groups.iter().filter(|group| group.source == source);
            let groups: Vec<_> = groups.map(|group| (id.clone(), group.clone())).collect();
            let was_in = !groups.is_empty();
            self.out.batch.groups_gone.extend(groups);
            // Half an answer takes a group away, or the rule that a group is of, whoever is kept.
            self.losses += usize::from(is_let_in && was_on_it);
            if held && !was_on_it {
                continue;
            }
            if held {
                let field = if was_in { "groups" } else { "lists" };
                let fields = vec![field.to_owned()];
                self.out.changes.changed.push(ChangedUser {
                    name,
                    now: None,
                    fields,
                });
                match missing {
                    WhenMissing::Keep => self.out.batch.lists_gone.push((id, source.to_owned())),
                    // To be disabled or deleted when no other list has them, whatever that one says.
                    WhenMissing::Disable | WhenMissing::Delete => {
                        let source = source.to_owned();
                        let gone = Listing { source, gone: true };
                        self.out.batch.lists.push((id, gone));
                    }
                }
                continue;
            }
            if was_on_it {
                let source = source.to_owned();
                let gone = Listing { source, gone: true };
                self.out.batch.lists.push((id.clone(), gone));
            }
            if missing == WhenMissing::Keep {
                if was_on_it {
                    self.out.changes.missing.push(name);
                }
            } else if is_let_in {
                disable(&mut person);
                self.out.changes.missing.push(name);
                self.out.shut_out.insert(id);
                self.out.batch.changed.push(person);
            }
        }
    }
}

#[cfg(test)]
#[path = "missing_tests.rs"]
mod tests;
