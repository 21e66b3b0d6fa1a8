//! Policies in memory. The database is the truth; every change goes through this process.

use std::sync::{Arc, PoisonError, RwLock};

use super::Service;
use super::policy::{Checked, Conditions, MAX_POLICIES, Policies};
use crate::account::{Account, Application};
use crate::admin::{NewUserPolicy, PolicyScope, ScopedPolicy};
use crate::store::{Attempt, Store, StoreError};

/// What is kept.
pub(super) struct Rulebook {
    kept: RwLock<Arc<Policies>>,
    /// Held over a write and what follows from it here.
    changes: tokio::sync::Mutex<()>,
}

impl Rulebook {
    pub(super) async fn open(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            kept: RwLock::new(Arc::new(read(store).await?)),
            changes: tokio::sync::Mutex::default(),
        })
    }
}

async fn read(store: &Store) -> Result<Policies, StoreError> {
    let mut policies = Policies::default();
    for found in store.policies().await? {
        let unreadable = |_| StoreError::Unreadable { column: "document" };
        let checked = Checked::new(found.policy).map_err(unreadable)?;
        policies.insert(found.scope, found.name, found.rank, checked);
    }
    Ok(policies)
}

/// A policy was not set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PolicyError {
    /// There is no such application.
    #[error("there is no such application")]
    NoApplication,
    /// There are too many.
    #[error("there are {MAX_POLICIES} policies already")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Every policy, as they are now.
    pub(crate) fn policies(&self) -> Arc<Policies> {
        let kept = self.rulebook.kept.read();
        Arc::clone(&kept.unwrap_or_else(PoisonError::into_inner))
    }

    /// What holds for a user at an application; none is a user who is not known.
    pub(super) fn conditions(
        &self,
        application: &Application,
        account: Option<&Account>,
    ) -> Conditions {
        let groups = account.map_or(&[][..], |account| &account.groups);
        let own = application.rules.new_user_policy;
        self.policies().conditions(&application.name, groups, own)
    }

    /// What becomes of new users where no policy has a word on them.
    pub(crate) fn new_users_at(&self, application: &str) -> Option<NewUserPolicy> {
        let applications = self.applications();
        let found = applications
            .iter()
            .find(|found| *found.name == *application);
        found.map(|found| found.rules.new_user_policy)
    }

    /// Puts a policy in the place of the one that is there. Without a rank, a group's keeps the one that it
    /// has.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) async fn set_policy(
        &self,
        lookup: &str,
        (policy, checked): (ScopedPolicy, Checked),
        rank: Option<u32>,
    ) -> Result<ScopedPolicy, PolicyError> {
        let _alone = self.rulebook.changes.lock().await;
        let policy = self.would_set(lookup, policy, rank)?;
        if !self.store.put_policy(lookup, &policy).await? {
            return Err(PolicyError::NoApplication);
        }
        // Nothing that can fail comes after the write: what is kept here is what is written.
        self.keep_policies(|kept| {
            kept.insert(policy.scope, policy.name.clone(), policy.rank, checked);
        });
        Ok(policy)
    }

    /// A policy as it would be set.
    ///
    /// # Errors
    /// [`PolicyError::Full`].
    pub(crate) fn would_set(
        &self,
        lookup: &str,
        mut policy: ScopedPolicy,
        rank: Option<u32>,
    ) -> Result<ScopedPolicy, PolicyError> {
        let known = self.policies();
        if known.len() >= MAX_POLICIES && !known.has(policy.scope, lookup) {
            return Err(PolicyError::Full);
        }
        policy.rank = match policy.scope {
            PolicyScope::Group => rank.or_else(|| known.rank(lookup)).unwrap_or(NEW_RANK),
            PolicyScope::Default | PolicyScope::Application => 0,
        };
        Ok(policy)
    }

    /// Removes a policy; false when there was none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn delete_policy(
        &self,
        scope: PolicyScope,
        lookup: &str,
        attempt: Attempt,
    ) -> Result<bool, StoreError> {
        if attempt == Attempt::Tried {
            return Ok(self.policies().has(scope, lookup));
        }
        let _alone = self.rulebook.changes.lock().await;
        let deleted = self.store.delete_policy(scope, lookup).await?;
        self.keep_policies(|kept| kept.remove(scope, lookup));
        Ok(deleted)
    }

    /// Removes an application, whose policy goes with it; false when there was none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn delete_application_and_policy(
        &self,
        name: &str,
    ) -> Result<bool, StoreError> {
        let _alone = self.rulebook.changes.lock().await;
        let deleted = self.store.delete_application(name).await?;
        self.keep_policies(|kept| kept.remove(PolicyScope::Application, name));
        Ok(deleted)
    }

    /// Changes those that are kept, while no other change is made.
    fn keep_policies(&self, change: impl FnOnce(&mut Policies)) {
        let mut policies = Policies::clone(&self.policies());
        change(&mut policies);
        let kept = self.rulebook.kept.write();
        *kept.unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
    }
}

/// The rank of a group's policy when none is said.
const NEW_RANK: u32 = 100;
