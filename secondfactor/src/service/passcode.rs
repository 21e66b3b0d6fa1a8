//! Passcodes: how often they may be tried, and those that are sent. What becomes of one is in
//! `holdings`, how it is kept in `checks`. A denied push is no wrong passcode and is not counted.

use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use super::checks::Typed;
use crate::account::{Account, Device};
use crate::clock;
use crate::holdings::Checked;
pub(super) use crate::holdings::{bypass_place, generator_place, sent_place as sms_place};
use crate::metrics::PasscodeBound;
use crate::rate::{Allowance, Wait};
use crate::store::StoreError;
use crate::verdict::Verdict;

impl Service {
    /// Checks a passcode against everything that the user has, and uses it up.
    ///
    /// # Errors
    /// [`StoreError`]; one of too much to do has not looked at it.
    pub(super) async fn check_passcode(&self, typed: Typed<'_>) -> Result<Checked, StoreError> {
        let id = typed.user_id;
        match self.passcode_rate.take(id, Instant::now()) {
            Ok(()) => {
                let checked = self.queue_check(typed).await;
                // A good one is no guess. There are no more of those than its owner has.
                if matches!(&checked, Ok(checked) if checked.verdict == Verdict::Allow) {
                    self.passcode_rate.give_back(id, Instant::now());
                }
                checked
            }
            Err(Wait::TooOften) => {
                self.metrics.passcode_refused(PasscodeBound::User);
                Ok(Checked::ended(Verdict::TooManyPasscodes))
            }
            Err(Wait::TooMany) => {
                self.metrics.passcode_refused(PasscodeBound::Service);
                Err(StoreError::Overloaded)
            }
        }
    }

    /// Records new passcodes for a phone in place of an SMS.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn record_sms_codes(
        &self,
        account: &Account,
        device: &Device,
    ) -> Result<(), StoreError> {
        let place = sms_place(&device.id);
        let mut codes = Vec::with_capacity(SMS_CODES);
        for leading in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"] {
            let code = format!("{leading}{}", random_digits(6)?);
            codes.push((
                leading.to_owned(),
                self.vault.seal(&place, code.as_bytes())?,
            ));
        }
        let mut tx = self.store.write().await?;
        self.store
            .replace_sms_codes(&mut tx, &device.id, &codes, None)
            .await?;
        tx.commit().await?;
        self.forget_account(&account.lookup);
        Ok(())
    }
}

/// A number of 1 to 9 random digits.
///
/// # Errors
/// [`clock::NoRandomness`].
pub(super) fn random_digits(digits: u32) -> Result<String, clock::NoRandomness> {
    // 64 bits over at most 10^9: the bias is below 10^-10.
    let number = u64::from_be_bytes(clock::random::<8>()?) % 10_u64.pow(digits.min(9));
    let width = usize::try_from(digits).unwrap_or(0);
    Ok(format!("{number:0width$}"))
}

/// Passcodes of one user that are wrong, or not judged yet.
pub(super) const PASSCODE_RATE: Allowance = Allowance {
    at_once: 10,
    each: Duration::from_secs(3),
    known: 100_000,
};

const SMS_CODES: usize = 10;
