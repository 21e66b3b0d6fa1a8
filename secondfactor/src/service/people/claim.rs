//! Whom an entry means: who has its id, else who has its name, else who has an alias of it; or somebody
//! new. Pure.
//!
//! A directory's id stays when somebody is called something else, and is never another's: with it, a name
//! that is given again does not bring the devices of whoever had it.

use std::collections::{HashMap, HashSet};

use super::checks;
use super::plan::{Claim, Entry, Listed, NewId, Of, Planning, key};
use crate::clock::NoRandomness;
use crate::store::Person;

impl Planning<'_> {
    /// Finds out whom each entry means, and gives back those whose name is somebody else's: who that is may
    /// be deleted. People may write their own aliases in a directory: with one nobody becomes a user of
    /// somewhere else.
    pub(super) fn claim(
        &mut self,
        entries: Vec<Entry>,
        new_id: NewId<'_>,
    ) -> Result<(Vec<Claim>, Vec<Entry>), NoRandomness> {
        let mut seen: HashMap<String, Option<u64>> = HashMap::with_capacity(entries.len());
        let mut claims = Vec::with_capacity(entries.len());
        let mut unknown = Vec::new();
        for mut entry in entries {
            let known = entry.id.as_ref().and_then(|id| self.ids.get(id)).copied();
            let refused = match checks::check(&mut entry, self.of) {
                Err(why) => Some(why.to_owned()),
                Ok(()) => twin(&mut seen, &entry),
            };
            match (refused, known) {
                (Some(why), _) => self.refuse(&entry, why),
                (None, Some(place)) if self.is_claimed(place) => {
                    let why = "the directory has another entry of that id".to_owned();
                    self.refuse(&entry, why);
                }
                (None, Some(place)) => match self.is_let_go(place) {
                    Some(why) => self.refuse(&entry, why),
                    None => claims.push(Claim { place, entry }),
                },
                (None, None) => unknown.push(entry),
            }
            // Whoever it is, it is not missing.
            if let Some(place) = known {
                self.is_there(place);
            }
        }
        self.rename_all(&claims);
        let others = self.by_name(unknown, &mut claims);
        let others = self.by_alias(others, &mut claims, new_id)?;
        Ok((claims, others))
    }

    /// Those whose name was somebody else's are new, if it is not any more.
    pub(super) fn take_up(
        &mut self,
        others: Vec<Entry>,
        claims: &mut Vec<Claim>,
        new_id: NewId<'_>,
    ) -> Result<(), NoRandomness> {
        for entry in others {
            if self.owners.contains_key(&key(&entry.name)) {
                let why = "somebody else had that name: the directory's id is another one. If that is the same \
                           person, set the user active here (countersign factor set-status NAME active) and \
                           synchronize again; if the directory was loaded anew, say take_over (--take-over); if \
                           it is somebody else, delete the user here, or synchronize the list that has them by \
                           their new name";
                self.refuse(&entry, why.to_owned());
            } else {
                claims.push(self.add(entry, new_id)?);
            }
        }
        Ok(())
    }

    /// Those whom the directory calls something else are called so here, and their names are free; but not
    /// where an administrator gave them that name beside theirs, nor by a section that has them beside the one
    /// whose they are.
    fn rename_all(&mut self, claims: &[Claim]) {
        let mut wanted: HashMap<String, (usize, &Entry)> = HashMap::new();
        for claim in claims {
            let lookup = key(&claim.entry.name);
            let person = self.person(claim.place);
            let given =
                |alias: &crate::store::Owned| alias.source.is_empty() && alias.lookup == lookup;
            let is_its = !self.is_anothers(person);
            if is_its && person.lookup != lookup && !person.aliases.iter().any(given) {
                self.owners.remove(&self.person(claim.place).lookup.clone());
                wanted.insert(lookup, (claim.place, &claim.entry));
            }
        }
        // Who cannot have the new name keeps the old one, and somebody else cannot have that.
        let taken = |planning: &Self, lookup: &String, place: usize| {
            let owner = planning.owners.get(lookup).copied();
            owner.filter(|owner| *owner != place)
        };
        let mut stay: Vec<String> = wanted
            .iter()
            .filter(|(lookup, (place, _))| taken(self, lookup, *place).is_some())
            .map(|(lookup, _)| lookup.clone())
            .collect();
        while let Some(lookup) = stay.pop() {
            let Some((place, entry)) = wanted.remove(&lookup) else {
                continue;
            };
            if let Some(other) = taken(self, &lookup, place) {
                let why = format!(
                    "'{}' is called so now, and that is a name or alias of '{}'; the old name stays",
                    self.person(place).name,
                    self.person(other).name
                );
                self.refuse(entry, why);
            }
            let old = self.person(place).lookup.clone();
            self.owners.insert(old.clone(), place);
            stay.push(old);
        }
        for (lookup, (place, entry)) in wanted {
            self.owners.insert(lookup, place);
            self.rename(place, &entry.name);
        }
    }

    /// Those who have the name of an entry; the rest comes back.
    fn by_name(&mut self, entries: Vec<Entry>, claims: &mut Vec<Claim>) -> Vec<Entry> {
        let mut others = Vec::new();
        for entry in entries {
            let lookup = key(&entry.name);
            let named = self.owners.get(&lookup).copied();
            let named = named.filter(|place| self.person(*place).lookup == lookup);
            match named {
                Some(place) if !self.is_somebody_else(place, &entry) => {
                    self.take(place, entry, claims);
                }
                _ => others.push(entry),
            }
        }
        others
    }

    /// Those who have the name of an entry as an alias, or are of this directory and have an alias of it; or
    /// somebody new. Those whose name is somebody else's come back.
    fn by_alias(
        &mut self,
        entries: Vec<Entry>,
        claims: &mut Vec<Claim>,
        new_id: NewId<'_>,
    ) -> Result<Vec<Entry>, NoRandomness> {
        let mut others = Vec::new();
        for entry in entries {
            let lookup = key(&entry.name);
            let owner = self.owners.get(&lookup).copied();
            if owner.is_some_and(|place| self.person(place).lookup == lookup) {
                others.push(entry);
                continue;
            }
            let mut found: HashSet<usize> = owner.into_iter().collect();
            if let Of::Directory(Listed { directory, .. }) = self.of {
                let aliases = entry.aliases.iter().flatten();
                let owners = aliases.filter_map(|name| self.owners.get(&key(name)).copied());
                let is_its =
                    |place: &usize| self.person(*place).source.as_deref() == Some(directory);
                found.extend(owners.filter(is_its));
            }
            found
                .retain(|place| !self.is_claimed(*place) && !self.is_somebody_else(*place, &entry));
            let mut found = found.into_iter();
            match (found.next(), found.next()) {
                (Some(place), None) => self.take(place, entry, claims),
                (Some(one), Some(other)) => {
                    let why = format!(
                        "its names are of two users, '{}' and '{}'; delete one of them, or take the alias from it",
                        self.person(one).name,
                        self.person(other).name
                    );
                    self.refuse(&entry, why);
                    // One of them it is: neither is missing.
                    for place in [one, other] {
                        self.is_there(place);
                    }
                }
                (None, _) => claims.push(self.add(entry, new_id)?),
            }
        }
        Ok(others)
    }

    fn take(&mut self, place: usize, entry: Entry, claims: &mut Vec<Claim>) {
        if self.is_claimed(place) {
            let why = format!(
                "that is '{}' here, by another entry",
                self.person(place).name
            );
            self.refuse(&entry, why);
            return;
        }
        match self.objection(place, &entry) {
            Some(why) => self.refuse(&entry, why),
            None => claims.push(Claim { place, entry }),
        }
        // Whoever it is, it is not missing.
        self.is_there(place);
    }

    /// Whether a directory says that an entry is not this user, whatever the names.
    fn is_somebody_else(&self, place: usize, entry: &Entry) -> bool {
        let believed = matches!(
            self.of,
            Of::Directory(Listed {
                take_over: true,
                ..
            })
        );
        let person = self.person(place);
        let is = &person.directory_id;
        let differ = is.is_some() && entry.id.is_some() && *is != entry.id;
        // Who left a directory did not move with it: an administrator says so of each.
        differ && (!believed || self.is_claimed(place) || was_missing(person))
    }

    /// Why a directory may not have a user by its names alone.
    fn objection(&self, place: usize, entry: &Entry) -> Option<String> {
        let Of::Directory(Listed {
            directory,
            take_over,
            ..
        }) = self.of
        else {
            return None;
        };
        let person = self.person(place);
        let known = person.directory_id.is_some() && person.directory_id == entry.id;
        if let Some(other) = &person.source
            && other != directory
            && !take_over
        {
            return Some(format!(
                "that user comes from '{other}', and the directory does not tell that they are one person; \
                 say take_over (--take-over) if they are, or delete the user here"
            ));
        }
        if was_missing(person) && !known {
            return Some(
                "a user of that name was missing, and the directory does not tell whether this is the same \
                 person: let the service account read objectGUID, nsUniqueId or entryUUID. If it is, set \
                 the user active here; if not, delete the user here"
                    .to_owned(),
            );
        }
        None
    }
}

/// Whether a directory shut somebody out who is on none of its lists any more, known ones or forgotten ones.
pub(super) fn was_missing(person: &Person) -> bool {
    person.status_before.is_some() && person.lists.iter().all(|list| list.gone)
}

/// Why an entry is not taken beside one of the same name.
fn twin(seen: &mut HashMap<String, Option<u64>>, entry: &Entry) -> Option<String> {
    let before = seen.insert(key(&entry.name), entry.line)?;
    Some(match before {
        Some(line) => format!("line {line} is for the same user"),
        None => "the directory has another entry of that name".to_owned(),
    })
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
