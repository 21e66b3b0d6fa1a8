//! Users by the many: files of them and directories. And what of one user is not a factor: names,
//! groups, status.

mod checks;
mod claim;
mod file;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod lists;
mod missing;
mod owner;
mod parts;
mod plan;

use std::collections::HashSet;
use std::sync::Arc;

use super::Service;
use super::directory::new_id;
use super::enroll::EnrollError;
use crate::account::{Account, lookup_key};
use crate::admin::{
    ChangeUser, ImportUsers, NewUser, RefusedUser, ScriptChange, SyncUsers, UserChanges,
    UserStatus, UsernameNormalization,
};
use crate::clock::{self, NoRandomness};
use crate::store::{Attempt, Batch, Owned, Person, StoreError, Transaction, Version};
use crate::verdict::Verdict;
use plan::{Entry, Listed, Of, Plan, owned};

/// Why many users were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PeopleError {
    /// What was sent cannot be meant.
    #[error("{0}")]
    Invalid(String),
    /// It would do more harm than was meant, perhaps.
    #[error("{0}")]
    Drastic(String),
    /// It was not all done.
    #[error("{0}")]
    Half(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Takes in the users of a file: none of it where a line is not possible; else part by part.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub(crate) async fn import_users(
        &self,
        import: ImportUsers,
    ) -> Result<UserChanges, PeopleError> {
        let dry_run = import.dry_run;
        let read = blocking(move || file::read(&import.csv)).await?;
        let read = read.map_err(PeopleError::Invalid)?;
        let asked = Arc::new(Asked {
            entries: read.entries,
            directory: None,
        });
        self.change_people(&asked, read.refused, dry_run).await
    }

    /// Brings users in line with a directory. What is not possible is said and left out: it does not
    /// keep those in whom the directory shut out.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub(crate) async fn sync_users(&self, sync: SyncUsers) -> Result<UserChanges, PeopleError> {
        let invalid = |text: &str| Err(PeopleError::Invalid(text.to_owned()));
        let named = |text: &str| checks::user_name(text).is_ok();
        if !named(&sync.directory) || !named(&sync.source) {
            return invalid(
                "a directory and a source have 1 to 256 characters, all of them to be seen",
            );
        }
        if let Some(Err(why)) = sync.group.as_deref().map(checks::group_name) {
            return invalid(why);
        }
        if sync.forget && !sync.entries.is_empty() {
            return invalid("a list that is to be forgotten has no entries");
        }
        if sync.entries.len() > MAX_ENTRIES {
            return invalid(
                "a directory has at most 100,000 users here; synchronize a group of it",
            );
        }
        let said = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let groups: Vec<String> = sync.group.into_iter().collect();
        let entries = sync.entries.into_iter().map(|user| Entry {
            line: None,
            id: said(user.id),
            name: user.name,
            full_name: said(user.full_name),
            email: said(user.email),
            number: said(user.number),
            status: None,
            aliases: Some(user.aliases),
            groups: Some(groups.clone()),
            disabled: user.disabled,
        });
        self.check_list(&sync.source, sync.forget).await?;
        let directory = Directory {
            name: sync.directory,
            source: sync.source,
            missing: sync.missing,
            force: sync.force || sync.forget,
            forget: sync.forget,
            holding: self.holding().await?,
            take_over: sync.take_over,
        };
        let entries: Vec<Entry> = entries.collect();
        let people = entries.len();
        let asked = Arc::new(Asked {
            entries,
            directory: Some(directory),
        });
        let came = self.change_people(&asked, Vec::new(), sync.dry_run).await;
        if let Some(directory) = asked.directory.as_ref().filter(|_| !sync.dry_run) {
            self.note_sync(directory, people, &came).await;
        }
        came
    }

    /// Plans beside whoever writes, and writes in parts, so that logins have their turn between them. Where
    /// somebody else changes users meanwhile it is planned anew, and in the end while nobody else writes.
    async fn change_people(
        &self,
        asked: &Arc<Asked>,
        unreadable: Vec<RefusedUser>,
        dry_run: bool,
    ) -> Result<UserChanges, PeopleError> {
        let mut said: Option<UserChanges> = None;
        for turn in 0.. {
            let mut held = None;
            let (version, people) = if turn < TURNS {
                let (version, people) = self.store.everybody().await?;
                (Some(version), people)
            } else {
                let mut tx = self.store.write().await?;
                let people = self.store.everybody_in(&mut tx).await?;
                held = Some(tx);
                (None, people)
            };
            let planning = Arc::clone(asked);
            let plan = blocking(move || planning.plan(people)).await?;
            let mut plan = plan.map_err(StoreError::from)?;
            if said.is_none() {
                plan.changes.refused.extend(unreadable.iter().cloned());
            }
            asked.guard(&mut plan, said.is_some(), dry_run)?;
            plan.changes.refused.sort_by_key(|one| one.line);
            let may_write = asked.directory.is_some() || plan.changes.refused.is_empty();
            if dry_run || (said.is_none() && !may_write) {
                return Ok(plan.changes);
            }
            if !may_write {
                return Err(PeopleError::Half(
                    "users were changed while the file was taken in, and a part of it is not possible any \
                     more; the other part is done. Look at what is left with a dry run of the same file"
                        .to_owned(),
                ));
            }
            let begun = said.is_some();
            // What was said at first is of all that was done since.
            let changes = match said.take() {
                None => plan.changes,
                Some(mut changes) => {
                    for refused in plan.changes.refused {
                        if !changes.refused.contains(&refused) {
                            changes.refused.push(refused);
                        }
                    }
                    changes
                }
            };
            let written = match (version, held) {
                (Some(version), _) => {
                    self.write_parts(plan.batch, version, &plan.shut_out)
                        .await?
                }
                (None, Some(mut tx)) => {
                    let now_ms = clock::unix_ms();
                    self.store.write_batch(&mut tx, &plan.batch, now_ms).await?;
                    tx.commit().await.map_err(StoreError::from)?;
                    self.forget_all_accounts();
                    self.shut_out(&plan.shut_out);
                    Written::All
                }
                (None, None) => Written::Nothing,
            };
            match written {
                Written::All => {
                    return Ok(UserChanges {
                        done: true,
                        ..changes
                    });
                }
                Written::Nothing if !begun => {}
                Written::Some | Written::Nothing => said = Some(changes),
            }
        }
        Err(StoreError::Overloaded.into())
    }

    /// Writes one part after the other, until somebody else changes users.
    async fn write_parts(
        &self,
        batch: Batch,
        mut version: Version,
        shut_out: &HashSet<String>,
    ) -> Result<Written, PeopleError> {
        let mut written = Written::Nothing;
        for part in parts::parts(batch, USERS_AT_ONCE) {
            let now_ms = clock::unix_ms();
            let mut tries = 0;
            let next = loop {
                tries += 1;
                // The first is asked for again by whoever asked: nothing is done yet.
                match self.store.write_planned(&part, version, now_ms).await {
                    Err(error)
                        if error.is_overload() && written == Written::Some && tries < TRIES => {}
                    other => break other?,
                }
            };
            let Some(next) = next else {
                return Ok(written);
            };
            version = next;
            written = Written::Some;
            self.forget_all_accounts();
            self.shut_out(shut_out);
        }
        Ok(Written::All)
    }

    fn shut_out(&self, users: &HashSet<String>) {
        if !users.is_empty() {
            self.refuse_pushes(Verdict::Disabled, |push| users.contains(&*push.user_id));
        }
    }

    /// Changes a user. One that may no longer log in has its waiting pushes refused.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub(crate) async fn change_user(
        &self,
        account: Account,
        change: ChangeUser,
        attempt: Attempt,
    ) -> Result<Account, EnrollError> {
        let mut tx = self.store.write().await?;
        let Some(account) = self.store.account_in(&mut tx, &account.id).await? else {
            return Err(EnrollError::Missing("user"));
        };
        if let Some(status) = change.status {
            self.store.set_status(&mut tx, &account.id, status).await?;
        }
        if let Some(until) = change.bypass_until {
            let until_ms = until.saturating_mul(1_000);
            if change.status.unwrap_or(account.status) != UserStatus::Bypass {
                return Err(EnrollError::Invalid(
                    "bypass_until is for the status bypass",
                ));
            }
            if until_ms <= clock::unix_ms() {
                return Err(EnrollError::Invalid("bypass_until is over already"));
            }
            self.store
                .set_bypass_until(&mut tx, &account.id, Some(until_ms))
                .await?;
        }
        if change.full_name.is_some() || change.email.is_some() {
            let full_name = change.full_name.as_ref().unwrap_or(&account.full_name);
            let email = change.email.as_ref().unwrap_or(&account.email);
            self.profile(&mut tx, &account.id, full_name.trim(), email.trim())
                .await?;
        }
        if let Some(aliases) = &change.aliases {
            self.aliases(&mut tx, &account, aliases).await?;
        }
        if let Some(groups) = &change.groups {
            self.groups(&mut tx, &account.id, groups).await?;
        }
        match change.script {
            Some(ScriptChange::Set(script)) => {
                self.store
                    .set_script(&mut tx, &account.id, Some(script))
                    .await?;
            }
            Some(ScriptChange::Clear) => {
                self.store.set_script(&mut tx, &account.id, None).await?;
            }
            None => {}
        }
        let account = self.finish(tx, account, attempt).await?;
        if attempt == Attempt::Tried {
            return Ok(account);
        }
        if change.status.is_some() {
            // Whom an administrator unlocked is not told to wait for guesses of before.
            self.passcode_rate.forget(&account.id);
        }
        let refused = match account.status {
            UserStatus::Disabled => Some(Verdict::Disabled),
            UserStatus::LockedOut => Some(Verdict::LockedOut),
            UserStatus::Active | UserStatus::Bypass => None,
        };
        if let Some(verdict) = refused {
            self.refuse_pushes(verdict, |push| *push.user_id == *account.id);
        }
        Ok(account)
    }

    /// Makes a user without devices.
    pub(super) async fn add_user(
        &self,
        tx: &mut Transaction,
        new: &NewUser,
    ) -> Result<Account, EnrollError> {
        checks::user_name(&new.name).map_err(EnrollError::Invalid)?;
        let account = Account {
            status: new.status.unwrap_or(UserStatus::Active),
            script: new.script,
            ..Account::new(new_id("DU")?, &new.name)
        };
        if self.store.owner(tx, &account.lookup).await?.is_some() {
            return Err(StoreError::Taken.into());
        }
        self.store
            .insert_user(tx, &account, clock::unix_ms())
            .await?;
        self.profile(tx, &account.id, new.full_name.trim(), new.email.trim())
            .await?;
        self.aliases(tx, &account, &new.aliases).await?;
        self.groups(tx, &account.id, &new.groups).await?;
        Ok(account)
    }

    async fn profile(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        full_name: &str,
        email: &str,
    ) -> Result<(), EnrollError> {
        checks::full_name(full_name).map_err(EnrollError::Invalid)?;
        checks::email(email).map_err(EnrollError::Invalid)?;
        self.store
            .set_profile(tx, user_id, full_name, email)
            .await?;
        Ok(())
    }

    /// Sets what an administrator has as a user's aliases.
    async fn aliases(
        &self,
        tx: &mut Transaction,
        account: &Account,
        names: &[String],
    ) -> Result<(), EnrollError> {
        checks::aliases(names).map_err(EnrollError::Invalid)?;
        // Those before go first; what is left of this user's is its name and a directory's.
        self.store.set_aliases(tx, &account.id, Vec::new()).await?;
        let mut aliases = owned(names, "");
        let directory = self.store.directory_aliases(tx, &account.id).await?;
        keeps(&directory, &aliases, "alias")?;
        let mut free = Vec::with_capacity(aliases.len());
        for alias in aliases.drain(..) {
            match self.store.owner(tx, &alias.lookup).await? {
                None => free.push(alias),
                Some(owner) if owner == account.id => {}
                Some(_) => {
                    return Err(EnrollError::Taken(
                        "one of the aliases is another user's name or alias",
                    ));
                }
            }
        }
        Ok(self.store.set_aliases(tx, &account.id, free).await?)
    }

    async fn groups(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        names: &[String],
    ) -> Result<(), EnrollError> {
        checks::groups(names).map_err(EnrollError::Invalid)?;
        let mut groups = owned(names, "");
        // Whoever adds one to all that are shown means no more than that one: what a directory says stays
        // the directory's to take back.
        let directory = self.store.directory_groups(tx, user_id).await?;
        keeps(&directory, &groups, "group")?;
        groups.retain(|group| !directory.iter().any(|other| other.lookup == group.lookup));
        Ok(self.store.set_groups(tx, user_id, groups).await?)
    }

    /// A user by name or alias as the database has it: what is shown is the truth.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn account_shown(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let lookup = lookup_key(name, UsernameNormalization::None);
        self.store.account(&lookup).await
    }
}

/// What many users are to be.
struct Asked {
    entries: Vec<Entry>,
    /// None is a file.
    directory: Option<Directory>,
}

impl Asked {
    fn plan(&self, people: Vec<Person>) -> Result<Plan, NoRandomness> {
        let of = match &self.directory {
            Some(directory) => Of::Directory(Listed {
                directory: &directory.name,
                source: &directory.source,
                missing: directory.missing,
                take_over: directory.take_over,
                holding: &directory.holding,
            }),
            None => Of::File,
        };
        plan::plan(people, self.entries.clone(), of, &mut |prefix| {
            new_id(prefix)
        })
    }

    /// Refuses what would do more harm than was meant. What was begun is finished.
    fn guard(&self, plan: &mut Plan, begun: bool, dry_run: bool) -> Result<(), PeopleError> {
        let Some(directory) = self.directory.as_ref().filter(|one| !one.force && !begun) else {
            return Ok(());
        };
        let Some((losses, all)) = plan.drastic else {
            return Ok(());
        };
        let why = format!(
            "{losses} of the {all} users of '{}' would be disabled, deleted or off that list: look \
             whether the directory answered all of them, and say force if that is meant",
            directory.source
        );
        if !dry_run {
            return Err(PeopleError::Drastic(why));
        }
        plan.changes.needs_force = Some(why);
        Ok(())
    }
}

/// How much of a plan was written before somebody else changed users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    Some,
    All,
}

struct Directory {
    name: String,
    source: String,
    missing: crate::admin::WhenMissing,
    force: bool,
    take_over: bool,
    /// Whether it is no list any more.
    forget: bool,
    /// Other lists that keep somebody in.
    holding: Vec<String>,
}

/// Only a directory takes back what it gave: who leaves that out is told, instead of finding it there still.
fn keeps(directory: &[Owned], named: &[Owned], what: &str) -> Result<(), EnrollError> {
    let is_named = |one: &Owned| named.iter().any(|other| other.lookup == one.lookup);
    match directory.iter().find(|one| !is_named(one)) {
        None => Ok(()),
        Some(one) => Err(EnrollError::Directorys(format!(
            "the {what} '{}' comes from the directory '{}': have it taken away there and synchronize, or \
             leave it among those that are sent",
            one.name, one.source
        ))),
    }
}

/// Does what takes a moment for many.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "users were not looked at"
        );
        StoreError::Cut
    })
}

const MAX_ENTRIES: usize = 100_000;
/// Users that are written while others wait.
const USERS_AT_ONCE: usize = 1_000;
/// How often it is planned beside whoever writes.
pub(super) const TURNS: u32 = 4;
/// How often a part is tried while there is too much to do.
pub(super) const TRIES: u32 = 5;
