//! Finding a generator that has run away from the service, by two of its passcodes in a row. They are
//! no login: nothing is counted, and what was used stays used.

use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use crate::account::Account;
use crate::clock;
use crate::holdings::Changes;
use crate::otp::Lost;
use crate::rate::Allowance;
use crate::store::{Attempt, StoreError};

/// Why a generator was not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ResyncError {
    /// The user has no such device.
    #[error("there is no such device")]
    Missing,
    /// The device has no passcodes of its own.
    #[error("that device makes no passcodes: only those of kind totp and hotp do")]
    NoGenerator,
    /// It was tried too often.
    #[error("that was tried too often; wait a minute and try again")]
    TooOften,
    /// They are none.
    #[error(
        "these are no two passcodes in a row of that device: type two that it shows one after the \
         other, the older one first"
    )]
    Nowhere,
    /// They may have been used.
    #[error(
        "the clock of that device went back to a time whose passcodes may have been used: remove it \
         and add it again with a new secret, or wait until its clock is past that time"
    )]
    Behind,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Finds a user's generator again. To try it counts as a try: it says whether passcodes are right.
    ///
    /// # Errors
    /// [`ResyncError`].
    pub(crate) async fn resynchronize(
        &self,
        account: &Account,
        device_id: &str,
        passcodes: (&str, &str),
        attempt: Attempt,
    ) -> Result<(), ResyncError> {
        let known = account.devices.iter().any(|found| *found.id == *device_id);
        if !known {
            return Err(ResyncError::Missing);
        }
        if self.resync_rate.take(device_id, Instant::now()).is_err() {
            return Err(ResyncError::TooOften);
        }
        let mut tx = self.store.write().await?;
        let mut all = self
            .store
            .holdings(&mut tx, &self.vault, &[&account.id])
            .await?;
        let holdings = all.remove(&account.id).ok_or(ResyncError::Missing)?;
        let mut generators = holdings.generators.iter();
        let generator = generators
            .find(|found| found.device_id == device_id)
            .ok_or(ResyncError::NoGenerator)?;
        let found = generator.found(passcodes, clock::unix_ms() / 1_000);
        let changes = Changes {
            generators: vec![found.map_err(|lost| match lost {
                Lost::Nowhere => ResyncError::Nowhere,
                Lost::Behind => ResyncError::Behind,
            })?],
            ..Changes::default()
        };
        self.store.keep_changes(&mut tx, &changes).await?;
        attempt.end(tx).await?;
        self.forget_account(&account.lookup);
        Ok(())
    }
}

/// Tries for one device: each looks through a thousand passcodes.
pub(super) const RESYNC_RATE: Allowance = Allowance {
    at_once: 5,
    each: Duration::from_secs(20),
    known: 10_000,
};
