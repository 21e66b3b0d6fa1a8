//! What becomes of users that a file or a directory names: decided here, for all of them at once, and
//! written elsewhere. Pure.

use std::collections::{HashMap, HashSet};

use crate::account::{bare_name, lookup_key};
use crate::admin::{
    ChangedUser, RefusedUser, UserChanges, UserStatus, UsernameNormalization, WhenMissing,
};
use crate::clock::NoRandomness;
use crate::store::{Batch, Listing, NewPhone, Number, Owned, Person};

use super::checks::MAX_DEVICES;
use super::owner::leave_to_owner;

/// A line of a file or an entry of a directory. What it does not say stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// None for a directory.
    pub(super) line: Option<u64>,
    /// What a directory tells it from others by.
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) full_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) number: Option<String>,
    pub(super) status: Option<UserStatus>,
    pub(super) aliases: Option<Vec<String>>,
    pub(super) groups: Option<Vec<String>>,
    /// Whether the directory lets nobody in by it.
    pub(super) disabled: bool,
}

/// Where entries come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'a> {
    /// An administrator's file.
    File,
    /// A list of a directory, all of whose people are there.
    Directory(Listed<'a>),
}

/// A list of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed<'a> {
    /// Whose users they are.
    pub(super) directory: &'a str,
    /// What tells it from others.
    pub(super) source: &'a str,
    pub(super) missing: WhenMissing,
    /// Whether names are believed where ids or directories differ.
    pub(super) take_over: bool,
    /// Lists that keep somebody in: those that are still synchronized.
    pub(super) holding: &'a [String],
}

impl Of<'_> {
    /// What is kept with aliases: they are the directory's, whichever list has their user.
    pub(super) const fn directory(&self) -> &str {
        match self {
            Self::File => "",
            Self::Directory(listed) => listed.directory,
        }
    }

    /// What is kept with groups.
    const fn source(&self) -> &str {
        match self {
            Self::File => "",
            Self::Directory(listed) => listed.source,
        }
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) changes: UserChanges,
    pub(super) batch: Batch,
    /// Users whose waiting pushes are refused, by id.
    pub(super) shut_out: HashSet<String>,
    /// More than half of a list's users who are let in would be disabled, deleted or off it, or all of them
    /// since nobody was answered: how many, of how many.
    pub(super) drastic: Option<(usize, usize)>,
}

/// Makes new ids.
pub(super) type NewId<'a> = &'a mut dyn FnMut(&str) -> Result<String, NoRandomness>;

/// Says what becomes of everybody.
///
/// # Errors
/// [`NoRandomness`] of the ids.
pub(super) fn plan(
    people: Vec<Person>,
    mut entries: Vec<Entry>,
    of: Of<'_>,
    new_id: NewId<'_>,
) -> Result<Plan, NoRandomness> {
    if let Of::Directory(_) = of {
        leave_out_shared(&mut entries);
    }
    let mut planning = Planning::new(people, of);
    planning.nobody = entries.is_empty();
    let (mut claims, others) = planning.claim(entries, new_id)?;
    planning.missing();
    planning.take_up(others, &mut claims, new_id)?;
    planning.release(&claims);
    let claims = planning.names(claims);
    for claim in claims {
        planning.apply(claim, new_id)?;
    }
    Ok(planning.done())
}

/// An entry and the user that it means.
pub(super) struct Claim {
    pub(super) place: usize,
    pub(super) entry: Entry,
}

pub(super) struct Planning<'a> {
    pub(super) of: Of<'a>,
    people: Vec<Person>,
    /// How many of them were there before.
    pub(super) known: usize,
    /// Whose each name and alias is.
    pub(super) owners: HashMap<String, usize>,
    /// Whose each id of a directory is.
    pub(super) ids: HashMap<String, usize>,
    claimed: Vec<bool>,
    /// What those were called who have another name.
    renamed: HashMap<usize, String>,
    pub(super) out: Plan,
    /// Users of the list who are let in no more, or are off it.
    pub(super) losses: usize,
    /// Whether there is no entry at all.
    nobody: bool,
}

impl<'a> Planning<'a> {
    fn new(people: Vec<Person>, of: Of<'a>) -> Self {
        let mut owners = HashMap::with_capacity(people.len());
        let mut ids = HashMap::new();
        for (place, person) in people.iter().enumerate() {
            owners.insert(person.lookup.clone(), place);
            for alias in &person.aliases {
                owners.insert(alias.lookup.clone(), place);
            }
            if let Some(id) = &person.directory_id {
                ids.insert(id.clone(), place);
            }
        }
        Self {
            of,
            known: people.len(),
            claimed: vec![false; people.len()],
            people,
            owners,
            ids,
            renamed: HashMap::new(),
            out: Plan::default(),
            losses: 0,
            nobody: false,
        }
    }

    /// Somebody new, by an entry.
    pub(super) fn add(&mut self, entry: Entry, new_id: NewId<'_>) -> Result<Claim, NoRandomness> {
        let person = Person::new(new_id("DU")?, &entry.name);
        self.people.push(person);
        self.claimed.push(true);
        let place = self.people.len() - 1;
        Ok(Claim { place, entry })
    }

    /// Gives somebody another name.
    pub(super) fn rename(&mut self, place: usize, name: &str) {
        let person = self.person_mut(place);
        let before = std::mem::replace(
            &mut person.name,
            bare_name(name, UsernameNormalization::None),
        );
        person.lookup = key(name);
        self.renamed.insert(place, before);
    }

    /// Notes that somebody is there, whatever becomes of the entry.
    pub(super) fn is_there(&mut self, place: usize) {
        if let Some(claimed) = self.claimed.get_mut(place) {
            *claimed = true;
        }
    }

    /// Lets go of the aliases that are said anew.
    fn release(&mut self, claims: &[Claim]) {
        for claim in claims {
            if claim.entry.aliases.is_some() {
                let theirs = self.theirs(self.person(claim.place));
                self.disown(claim.place, |alias| theirs.contains(&alias.source));
            }
        }
    }

    pub(super) fn disown(&mut self, place: usize, which: impl Fn(&Owned) -> bool) {
        let person = self.person(place);
        let lookups: Vec<String> = person
            .aliases
            .iter()
            // What it was called by is its name now.
            .filter(|alias| which(alias) && alias.lookup != person.lookup)
            .map(|alias| alias.lookup.clone())
            .collect();
        for lookup in lookups {
            self.owners.remove(&lookup);
        }
    }

    /// Gives new users their names, before anybody has one of them as an alias.
    fn names(&mut self, claims: Vec<Claim>) -> Vec<Claim> {
        let mut kept = Vec::with_capacity(claims.len());
        for claim in claims {
            let lookup = self.person(claim.place).lookup.clone();
            let owner = self.owners.get(&lookup).copied();
            match owner.filter(|_| claim.place >= self.known) {
                Some(other) => {
                    let why = format!("that is an alias of '{}'", self.person(other).name);
                    self.refuse(&claim.entry, why);
                }
                None => {
                    self.owners.insert(lookup, claim.place);
                    kept.push(claim);
                }
            }
        }
        kept
    }

    fn apply(&mut self, claim: Claim, new_id: NewId<'_>) -> Result<(), NoRandomness> {
        let Claim { place, mut entry } = claim;
        let is_new = place >= self.known;
        let renamed = self.renamed.get(&place).cloned();
        let before = self.person(place).clone();
        let mut person = before.clone();
        let mut fields = Vec::new();
        let mut note = |field: &str, changed: bool| {
            if changed {
                fields.push(field.to_owned());
            }
        };
        note("name", renamed.is_some());
        let is_anothers = self.is_anothers(&before);
        if is_anothers {
            leave_to_owner(&mut entry);
        }
        if let Some(text) = &entry.full_name {
            text.clone_into(&mut person.full_name);
        }
        if let Some(text) = &entry.email {
            text.clone_into(&mut person.email);
        }
        note("full_name", person.full_name != before.full_name);
        note("email", person.email != before.email);
        if !is_anothers {
            self.status(&entry, &mut person);
        }
        note("status", person.status != before.status);
        if let Of::Directory(listed) = self.of
            && !is_anothers
        {
            person.source = Some(listed.directory.to_owned());
            if entry.id.is_some() {
                person.directory_id.clone_from(&entry.id);
            }
        }
        note("source", person.source != before.source);
        let row_changed = renamed.is_some()
            || person.directory_id != before.directory_id
            || person.full_name != before.full_name
            || person.email != before.email
            || person.status != before.status
            || person.status_before != before.status_before
            || person.source != before.source;
        let id = &person.id;
        if let Some(mut wanted) = entry.aliases.clone() {
            // The name that the entry has may be another one.
            wanted.push(entry.name.clone());
            let (aliases, others) = self.aliases(place, &wanted);
            for why in others {
                self.refuse(&entry, why);
                if let Of::File = self.of {
                    return Ok(());
                }
            }
            let theirs = self.theirs(&before);
            let (gone, new) = differences(&before.aliases, aliases, &theirs);
            note("aliases", !gone.is_empty() || !new.is_empty());
            let batch = &mut self.out.batch;
            batch
                .aliases_gone
                .extend(gone.into_iter().map(|one| one.lookup));
            let new = new.into_iter().map(|one| (id.clone(), one));
            batch.aliases.extend(new);
        }
        if let Some(wanted) = &entry.groups {
            let source = self.of.source();
            let ours = [source.to_owned()];
            let (gone, new) = differences(&before.groups, owned(wanted, source), &ours);
            note("groups", !gone.is_empty() || !new.is_empty());
            let of_user = |one| (id.clone(), one);
            let batch = &mut self.out.batch;
            batch.groups_gone.extend(gone.into_iter().map(of_user));
            batch.groups.extend(new.into_iter().map(of_user));
        }
        if let Some(number) = &entry.number {
            note("phones", self.phone(&before, &entry, number, new_id)?);
        }
        if let Of::Directory(Listed { source, .. }) = self.of {
            let on = Listing {
                source: source.to_owned(),
                gone: false,
            };
            if !before.lists.contains(&on) {
                // Said where nothing else is.
                note_alone("lists", &mut fields);
                self.out.batch.lists.push((person.id.clone(), on));
            }
        }
        let is_out = |status| matches!(status, UserStatus::Disabled | UserStatus::LockedOut);
        if !is_new && is_out(person.status) && !is_out(before.status) {
            self.out.shut_out.insert(person.id.clone());
            let was_on_it = |list: &Listing| list.source == self.of.source() && !list.gone;
            self.losses += usize::from(before.lists.iter().any(was_on_it));
            let name = renamed.as_ref().unwrap_or(&person.name);
            self.out.changes.disabled.push(name.clone());
        }
        if is_new {
            self.out.changes.created.push(person.name.clone());
            self.out.batch.created.push(person);
        } else {
            if renamed.is_some() {
                self.out.batch.renamed.push(person.id.clone());
            }
            let (name, now) = match renamed {
                Some(before) => (before, Some(person.name.clone())),
                None => (person.name.clone(), None),
            };
            match fields.is_empty() {
                // Nothing that is shown.
                true => self.out.changes.unchanged += 1,
                false => {
                    let changed = ChangedUser { name, now, fields };
                    self.out.changes.changed.push(changed);
                }
            }
            if row_changed {
                self.out.batch.changed.push(person);
            }
        }
        Ok(())
    }

    /// Has somebody a phone of that number, in place of the one that the same source said. Whether that is
    /// anything new.
    fn phone(
        &mut self,
        before: &Person,
        entry: &Entry,
        number: &str,
        new_id: NewId<'_>,
    ) -> Result<bool, NoRandomness> {
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        if digits.is_empty() {
            return Ok(false);
        }
        let source = self.of.directory();
        let theirs = self.theirs(before);
        let is_its = |phone: &&Number| {
            let said = phone.source.as_ref();
            let is_other = phone.digits != digits || phone.source.as_deref() != Some(source);
            is_other && said.is_some_and(|said| theirs.contains(said))
        };
        let old = before.phones.iter().find(is_its);
        let user = before.id.clone();
        let has_it = before.phones.iter().any(|phone| phone.digits == digits);
        let phone = |device| NewPhone {
            device,
            number: number.to_owned(),
            source: source.to_owned(),
        };
        match old {
            Some(old) if has_it && old.digits != digits => {
                self.out.batch.phones_gone.push((user, old.device.clone()));
            }
            Some(old) => self
                .out
                .batch
                .numbers
                .push((user, phone(old.device.clone()))),
            None if has_it => return Ok(false),
            None if before.devices >= MAX_DEVICES => {
                self.refuse(entry, "that user has 100 devices already".to_owned());
                return Ok(false);
            }
            None => {
                let phone = phone(new_id("DP")?);
                self.out.batch.phones.push((user, phone));
            }
        }
        Ok(true)
    }

    fn status(&mut self, entry: &Entry, person: &mut Person) {
        match (self.of, entry.status) {
            (Of::Directory(_), _) if entry.disabled => {
                if person.status != UserStatus::Disabled {
                    disable(person);
                }
            }
            (Of::Directory(_), _) => {
                if let Some(status) = person.status_before.take() {
                    person.status = status;
                }
            }
            (Of::File, Some(status)) if status != person.status => {
                person.status = status;
                person.status_before = None;
                // As where an administrator sets one user active.
                if status != UserStatus::Disabled && person.lists.iter().all(|list| list.gone) {
                    person.directory_id = None;
                }
                if status != UserStatus::LockedOut {
                    self.out.batch.status_set.push(person.id.clone());
                }
            }
            (Of::File, _) => {}
        }
    }

    /// The aliases that a user has of this source from now on, and why it has not the others.
    fn aliases(&mut self, place: usize, wanted: &[String]) -> (Vec<Owned>, Vec<String>) {
        let mut aliases = Vec::new();
        let mut others = Vec::new();
        for alias in owned(wanted, self.of.directory()) {
            match self.owners.get(&alias.lookup).copied() {
                None => {
                    self.owners.insert(alias.lookup.clone(), place);
                    aliases.push(alias);
                }
                // Its name, or an alias that somebody else gave it.
                Some(other) if other == place => {}
                Some(other) => others.push(format!(
                    "the alias '{}' is of user '{}'",
                    alias.name,
                    self.person(other).name
                )),
            }
        }
        (aliases, others)
    }

    fn done(mut self) -> Plan {
        if let Of::Directory(Listed { source, .. }) = self.of {
            // Who left before is disabled, and says nothing of whether this answer is whole.
            let all = self.people.iter().take(self.known);
            let on_it = |list: &Listing| list.source == source && !list.gone;
            let all = all
                .filter(|person| person.lists.iter().any(on_it))
                .filter(|person| person.status != UserStatus::Disabled)
                .count();
            let drastic = all >= DRASTIC_FROM && self.losses * 2 > all;
            self.out.drastic = drastic.then_some((self.losses, all));
            let gone = self.losses.max(self.out.changes.missing.len());
            if self.nobody && gone > 0 {
                self.out.drastic = Some((gone, all.max(gone)));
            }
        }
        self.out.changes.refused.sort_by_key(|refused| refused.line);
        self.out
    }

    pub(super) fn refuse(&mut self, entry: &Entry, why: String) {
        self.out.changes.refused.push(RefusedUser {
            line: entry.line,
            name: entry.name.clone(),
            why,
        });
    }

    pub(super) fn is_claimed(&self, place: usize) -> bool {
        self.claimed.get(place).copied().unwrap_or(true)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are made here, and nobody is taken out"
    )]
    pub(super) fn person(&self, place: usize) -> &Person {
        &self.people[place]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are made here, and nobody is taken out"
    )]
    fn person_mut(&mut self, place: usize) -> &mut Person {
        &mut self.people[place]
    }
}

impl Person {
    /// A new one that has nothing yet.
    pub(super) fn new(id: String, name: &str) -> Self {
        Self {
            id,
            lookup: key(name),
            name: bare_name(name, UsernameNormalization::None),
            status: UserStatus::Active,
            status_before: None,
            full_name: String::new(),
            email: String::new(),
            source: None,
            directory_id: None,
            lists: Vec::new(),
            aliases: Vec::new(),
            groups: Vec::new(),
            phones: Vec::new(),
            devices: 0,
        }
    }
}

/// Takes away the aliases that several entries have, such as the address of a department: nobody can log
/// in by one.
fn leave_out_shared(entries: &mut [Entry]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for entry in &*entries {
        let keys: HashSet<String> = entry.aliases.iter().flatten().map(|one| key(one)).collect();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    for entry in entries {
        if let Some(aliases) = &mut entry.aliases {
            aliases.retain(|alias| counts.get(&key(alias)).is_none_or(|count| *count < 2));
        }
    }
}

/// What a user has no more of a source, and what is new.
fn differences(
    before: &[Owned],
    wanted: Vec<Owned>,
    sources: &[String],
) -> (Vec<Owned>, Vec<Owned>) {
    let before = before.iter().filter(|one| sources.contains(&one.source));
    let gone = before.clone().filter(|one| !wanted.contains(one));
    let gone = gone.cloned().collect();
    let before: Vec<&Owned> = before.collect();
    let new = wanted.into_iter().filter(|one| !before.contains(&one));
    (gone, new.collect())
}

fn note_alone(field: &str, fields: &mut Vec<String>) {
    if fields.is_empty() {
        fields.push(field.to_owned());
    }
}

/// By a directory, which may take it back.
pub(super) fn disable(person: &mut Person) {
    person.status_before = Some(person.status);
    person.status = UserStatus::Disabled;
}

/// Names as they are kept, each once, in order.
pub(super) fn owned(names: &[String], source: &str) -> Vec<Owned> {
    let one = |name: &String| Owned {
        lookup: key(name),
        name: bare_name(name, UsernameNormalization::None),
        source: source.to_owned(),
    };
    let mut owned: Vec<Owned> = names.iter().map(one).collect();
    owned.sort_by(|a, b| a.lookup.cmp(&b.lookup));
    owned.dedup_by(|a, b| a.lookup == b.lookup);
    owned
}

pub(super) fn key(name: &str) -> String {
    lookup_key(name, UsernameNormalization::None)
}

/// From how many users of a source on it is looked at how many of them go.
const DRASTIC_FROM: usize = 10;

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(super) mod tests;
