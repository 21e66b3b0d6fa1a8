//! What is written of many users, in parts: between two of them others have their turn. Pure.

use std::collections::HashMap;

use crate::admin::UserStatus;
use crate::store::Batch;

/// Cuts it up: first the names that go from one to another, then who goes and who is shut out, then the
/// rest. What is of one user stays together, but for the names.
pub(super) fn parts(batch: Batch, users: usize) -> Vec<Batch> {
    let users = users.max(1);
    let renamed = batch.renamed;
    let is_renamed: std::collections::HashSet<&String> = renamed.iter().collect();
    let (names, mut changed): (Vec<_>, Vec<_>) = batch
        .changed
        .into_iter()
        .partition(|person| is_renamed.contains(&person.id));
    changed.sort_by_key(|person| match person.status {
        UserStatus::Disabled | UserStatus::LockedOut => 0,
        UserStatus::Active | UserStatus::Bypass => 1,
    });
    let mut out = vec![Batch {
        changed: names,
        renamed,
        aliases_gone: batch.aliases_gone,
        ..Batch::default()
    }];
    out.extend(batch.deleted.chunks(users).map(|some| Batch {
        deleted: some.to_vec(),
        ..Batch::default()
    }));
    let mut rest = Rest {
        users,
        places: HashMap::new(),
        parts: Vec::new(),
    };
    for person in changed {
        rest.of(&person.id.clone()).changed.push(person);
    }
    for person in batch.created {
        rest.of(&person.id.clone()).created.push(person);
    }
    for id in batch.status_set {
        rest.of(&id.clone()).status_set.push(id);
    }
    for row in batch.aliases {
        rest.of(&row.0.clone()).aliases.push(row);
    }
    for row in batch.groups_gone {
        rest.of(&row.0.clone()).groups_gone.push(row);
    }
    for row in batch.groups {
        rest.of(&row.0.clone()).groups.push(row);
    }
    for row in batch.lists_gone {
        rest.of(&row.0.clone()).lists_gone.push(row);
    }
    for row in batch.lists {
        rest.of(&row.0.clone()).lists.push(row);
    }
    for row in batch.phones {
        rest.of(&row.0.clone()).phones.push(row);
    }
    for row in batch.numbers {
        rest.of(&row.0.clone()).numbers.push(row);
    }
    for row in batch.phones_gone {
        rest.of(&row.0.clone()).phones_gone.push(row);
    }
    out.extend(rest.parts);
    out.retain(|part| *part != Batch::default());
    out
}

/// Parts of so many users each.
struct Rest {
    users: usize,
    places: HashMap<String, usize>,
    parts: Vec<Batch>,
}

impl Rest {
    /// The part of a user.
    fn of(&mut self, id: &str) -> &mut Batch {
        let next = self.places.len() / self.users;
        let place = *self.places.entry(id.to_owned()).or_insert(next);
        if place >= self.parts.len() {
            self.parts.resize_with(place + 1, Batch::default);
        }
        #[expect(clippy::indexing_slicing, reason = "it was just made that long")]
        &mut self.parts[place]
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::owned;
    use super::*;
    use crate::store::{Listing, NewPhone, Person};

    #[test]
    fn names_go_first_then_who_is_shut_out_and_what_is_of_one_user_stays_together() {
        let person = |name: &str, status| Person {
            status,
            ..Person::new(name.to_owned(), name)
        };
        let id = |name: &str| name.to_owned();
        let group = owned(&["ops".to_owned()], "").remove(0);
        let number = |number: &str| NewPhone {
            device: id("DP"),
            number: id(number),
            source: id(""),
        };
        let on = Listing {
            source: "ad_client".to_owned(),
            gone: false,
        };
        let batch = Batch {
            created: vec![person("new", UserStatus::Active)],
            changed: vec![
                person("a", UserStatus::Active),
                person("renamed", UserStatus::Active),
                person("b", UserStatus::Disabled),
            ],
            renamed: vec![id("renamed")],
            status_set: vec![id("a")],
            aliases_gone: vec![id("al")],
            aliases: vec![(id("new"), group.clone())],
            groups_gone: vec![(id("b"), group.clone())],
            groups: vec![(id("b"), group.clone()), (id("renamed"), group)],
            lists_gone: vec![(id("a"), id("ad_client2"))],
            lists: vec![(id("c"), on)],
            phones: vec![(id("c"), number("1"))],
            numbers: vec![(id("a"), number("2"))],
            phones_gone: vec![(id("d"), id("DP3"))],
            deleted: vec![id("x"), id("y"), id("z")],
        };
        let parts = parts(batch, 2);
        let said: Vec<String> = parts.iter().map(said).collect();
        assert_eq!(
            said,
            [
                "~renamed -al",
                "-x -y",
                "-z",
                "~b ~a !a -b:ops b:ops -a:ad_client2 a:2",
                "+new new:ops renamed:ops",
                "c:ad_client c:1 -d:DP3"
            ]
        );
        assert!(super::parts(Batch::default(), 2).is_empty());
    }

    fn said(part: &Batch) -> String {
        let mut all = Vec::new();
        all.extend(part.created.iter().map(|one| format!("+{}", one.name)));
        all.extend(part.changed.iter().map(|one| format!("~{}", one.name)));
        all.extend(part.status_set.iter().map(|id| format!("!{id}")));
        all.extend(part.aliases_gone.iter().map(|name| format!("-{name}")));
        let owned = |(id, one): &(String, crate::store::Owned)| format!("{id}:{}", one.name);
        all.extend(
            part.groups_gone
                .iter()
                .map(|row| format!("-{}", owned(row))),
        );
        all.extend(part.aliases.iter().chain(&part.groups).map(owned));
        all.extend(
            part.lists_gone
                .iter()
                .map(|(id, list)| format!("-{id}:{list}")),
        );
        let on = part.lists.iter();
        all.extend(on.map(|(id, list)| format!("{id}:{}", list.source)));
        let numbers = part.phones.iter().chain(&part.numbers);
        all.extend(numbers.map(|(id, phone)| format!("{id}:{}", phone.number)));
        let gone = part.phones_gone.iter();
        all.extend(gone.map(|(id, device)| format!("-{id}:{device}")));
        all.extend(part.deleted.iter().map(|id| format!("-{id}")));
        all.join(" ")
    }
}
