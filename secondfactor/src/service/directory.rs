//! Applications and users in memory. The database is the truth; every write here goes through
//! this process and drops what was kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use proto::secret::Secret;

use super::Service;
use crate::account::{Account, Application, NameRules, lookup_key};
use crate::admin::{NewApplication, UsernameNormalization};
use crate::clock;
use crate::sign::SigningKeys;
use crate::store::{Attempt, StoreError};

/// What is kept.
#[derive(Default)]
pub(super) struct Directory {
    applications: RwLock<HashMap<Arc<str>, Arc<Application>>>,
    /// Held over a write of an application and the reading after it.
    changes: tokio::sync::Mutex<()>,
    users: Mutex<Users>,
}

#[derive(Default)]
struct Users {
    /// By the lookup key of the name.
    kept: HashMap<String, Arc<Account>>,
    /// The lookup key of a kept user's name, by those of its aliases.
    aliases: HashMap<String, String>,
    /// Counts the writes: what was read before one is not kept after it.
    writes: u64,
}

impl Users {
    fn get(&self, lookup: &str) -> Option<&Arc<Account>> {
        let named = self.kept.get(lookup);
        named.or_else(|| self.kept.get(self.aliases.get(lookup)?))
    }

    fn keep(&mut self, account: &Arc<Account>) {
        if self.kept.len() >= MAX_KEPT_USERS || self.aliases.len() >= MAX_KEPT_ALIASES {
            self.clear();
        }
        for alias in &account.aliases {
            let alias = lookup_key(alias, UsernameNormalization::None);
            self.aliases.insert(alias, account.lookup.clone());
        }
        self.kept
            .insert(account.lookup.clone(), Arc::clone(account));
    }

    fn forget(&mut self, lookup: &str) {
        let Some(account) = self.kept.remove(lookup) else {
            return;
        };
        for alias in &account.aliases {
            self.aliases
                .remove(&lookup_key(alias, UsernameNormalization::None));
        }
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.aliases.clear();
    }
}

impl Directory {
    pub(super) fn set_applications(&self, applications: Vec<Application>) {
        let applications: Vec<_> = applications.into_iter().map(Arc::new).collect();
        let mut by_key = HashMap::new();
        for application in &applications {
            if let Some(previous) = &application.previous {
                by_key.insert(Arc::clone(&previous.ikey), Arc::clone(application));
            }
        }
        // Last: a key that is somebody's now is nobody's previous one.
        for application in &applications {
            by_key.insert(Arc::clone(&application.ikey), Arc::clone(application));
        }
        *self
            .applications
            .write()
            .unwrap_or_else(PoisonError::into_inner) = by_key;
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// An application by its integration key, or by the one it had before.
    pub(crate) fn application(&self, ikey: &str) -> Option<Arc<Application>> {
        let applications = self.directory.applications.read();
        applications
            .unwrap_or_else(PoisonError::into_inner)
            .get(ikey)
            .cloned()
    }

    /// Every application, by name.
    pub(crate) fn applications(&self) -> Vec<Arc<Application>> {
        let applications = self.directory.applications.read();
        let applications = applications.unwrap_or_else(PoisonError::into_inner);
        let present = |(ikey, found): &(&Arc<str>, &Arc<Application>)| **ikey == found.ikey;
        let all = applications.iter().filter(present);
        let mut all: Vec<_> = all.map(|(_, found)| Arc::clone(found)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The application of a name, or with these keys; made when neither is there.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Taken`] when it is there and must be new, or its keys are another's.
    pub(crate) async fn open_application(
        &self,
        wanted: &NewApplication,
        attempt: Attempt,
    ) -> Result<Arc<Application>, StoreError> {
        // Two at once would each keep the other's keys as the previous ones, or read too early.
        let _alone = self.directory.changes.lock().await;
        let known = self.applications();
        let named = known.iter().find(|found| *found.name == *wanted.name);
        // Keys are what tells applications apart: whoever knows both of one means that one, as a
        // configuration does that was written out with the keys made here and is read in again.
        let meant = || {
            let keys = wanted.keys.as_ref()?;
            let same =
                |found: &&Arc<Application>| *found.ikey == *keys.ikey && found.skey == keys.skey;
            known.iter().find(same)
        };
        let found = named.or_else(meant).cloned();
        if wanted.must_be_new && found.is_some() {
            return Err(StoreError::Taken);
        }
        let old = found.as_ref().map_or(NameRules::NEW, |found| found.rules);
        let rules = NameRules {
            new_user_policy: wanted.new_user_policy.unwrap_or(old.new_user_policy),
            username_normalization: wanted
                .username_normalization
                .unwrap_or(old.username_normalization),
            open_enrollment: wanted.open_enrollment.unwrap_or(old.open_enrollment),
        };
        let ikey = match found {
            Some(found) => {
                let others = wanted
                    .keys
                    .as_ref()
                    .filter(|keys| *found.ikey != *keys.ikey || found.skey != keys.skey);
                if rules == found.rules && others.is_none() {
                    return Ok(found);
                }
                if attempt == Attempt::Tried {
                    return Ok(Arc::new(Application {
                        rules,
                        ..found.as_ref().clone()
                    }));
                }
                let until_ms = clock::unix_ms().saturating_add(PREVIOUS_KEYS_MS);
                self.store
                    .update_application(
                        &self.vault,
                        &found.name,
                        rules,
                        others.map(|keys| (keys, until_ms)),
                    )
                    .await?;
                others.map_or_else(|| Arc::clone(&found.ikey), |keys| keys.ikey.as_str().into())
            }
            None => {
                let (ikey, skey) = match &wanted.keys {
                    Some(keys) => (keys.ikey.clone(), keys.skey.clone()),
                    None => {
                        let skey = data_encoding::BASE32_NOPAD.encode(&clock::random::<25>()?);
                        (new_id("DI")?, Secret::new(skey))
                    }
                };
                let application = Application {
                    ikey: ikey.into(),
                    name: wanted.name.as_str().into(),
                    keys: SigningKeys::new(skey.expose()),
                    skey,
                    previous: None,
                    rules,
                };
                if attempt == Attempt::Tried {
                    let taken = known.iter().any(|found| found.ikey == application.ikey);
                    return match taken {
                        true => Err(StoreError::Taken),
                        false => Ok(Arc::new(application)),
                    };
                }
                self.store
                    .insert_application(&self.vault, &application, clock::unix_ms())
                    .await?;
                application.ikey
            }
        };
        self.reload_applications().await?;
        self.application(&ikey)
            .ok_or(StoreError::Unreadable { column: "ikey" })
    }

    /// Removes an application; false when there was none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn delete_application(&self, name: &str) -> Result<bool, StoreError> {
        let _alone = self.directory.changes.lock().await;
        let deleted = self.delete_application_and_policy(name).await?;
        self.reload_applications().await?;
        Ok(deleted)
    }

    async fn reload_applications(&self) -> Result<(), StoreError> {
        self.directory
            .set_applications(self.store.applications(&self.vault).await?);
        Ok(())
    }

    /// A user by the lookup key of its name or of an alias, from memory if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn account(&self, lookup: &str) -> Result<Option<Arc<Account>>, StoreError> {
        let writes = {
            let users = self.directory.users();
            if let Some(account) = users.get(lookup) {
                return Ok(Some(Arc::clone(account)));
            }
            users.writes
        };
        let Some(account) = self.store.account(lookup).await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut users = self.directory.users();
        if users.writes == writes {
            users.keep(&account);
            self.metrics
                .cached_users
                .set(i64::try_from(users.kept.len()).unwrap_or(i64::MAX));
        }
        Ok(Some(account))
    }

    /// A user by name or alias, as an application gives it. Who has the whole of it is meant before
    /// who has what is left: `alice@other.example` may be an alias of somebody who is not `alice`,
    /// and whose password was asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn account_named(
        &self,
        name: &str,
        normalization: UsernameNormalization,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let bare = lookup_key(name, normalization);
        let whole = lookup_key(name, UsernameNormalization::None);
        match self.account(&whole).await? {
            None if whole != bare => self.account(&bare).await,
            found => Ok(found),
        }
    }

    /// Drops a user from memory, after a write that touched it.
    pub(crate) fn forget_account(&self, lookup: &str) {
        let mut users = self.directory.users();
        users.writes = users.writes.wrapping_add(1);
        users.forget(lookup);
    }

    /// Drops everybody from memory, after a write that touched many.
    pub(crate) fn forget_all_accounts(&self) {
        let mut users = self.directory.users();
        users.writes = users.writes.wrapping_add(1);
        users.clear();
    }
}

/// A new id: two letters and 18 letters or digits (90 random bits).
///
/// # Errors
/// [`clock::NoRandomness`].
pub(super) fn new_id(prefix: &str) -> Result<String, clock::NoRandomness> {
    let mut id = data_encoding::BASE32_NOPAD.encode(&clock::random::<12>()?);
    id.truncate(18);
    id.insert_str(0, prefix);
    Ok(id)
}

/// How long the keys before the present ones are good: data planes get new ones one by one.
const PREVIOUS_KEYS_MS: u64 = 10 * 60 * 1_000;

/// The most users kept in memory, about 500 octets each; when there are more, all go.
const MAX_KEPT_USERS: usize = 50_000;

/// The most aliases of them; when there are more, all go too.
const MAX_KEPT_ALIASES: usize = 200_000;
