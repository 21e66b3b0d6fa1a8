//! Passcodes: checked and used up in one transaction, so that each is good once and guesses are
//! counted one after the other. A denied push is no wrong passcode and is not counted.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Service;
use crate::account::{Account, Device};
use crate::admin::{DeviceKind, UserStatus};
use crate::clock;
use crate::otp::{self, HOTP_LOOK_AHEAD, TOTP_WINDOW};
use crate::store::{Generator, StoreError, Transaction};
use crate::verdict::Verdict;

impl Service {
    /// Checks a passcode against everything that the user has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn check_passcode(
        &self,
        account: &Account,
        passcode: &str,
    ) -> Result<Verdict, StoreError> {
        let mut tx = self.store.write().await?;
        // As it is now: other guesses may have come before this one.
        let Some(account) = self.store.account_in(&mut tx, &account.id).await? else {
            return Ok(Verdict::Disabled);
        };
        match account.status {
            UserStatus::Active => {}
            UserStatus::Bypass => return Ok(Verdict::Bypass),
            UserStatus::Disabled => return Ok(Verdict::Disabled),
            UserStatus::LockedOut => return Ok(Verdict::LockedOut),
        }
        let mut verdict = self.use_passcode(&mut tx, &account, passcode).await?;
        match verdict {
            Verdict::Allow if account.failures > 0 => {
                self.store.set_failures(&mut tx, &account.id, 0).await?;
            }
            Verdict::WrongPasscode => {
                let failures = account.failures.saturating_add(1);
                self.store
                    .set_failures(&mut tx, &account.id, failures)
                    .await?;
                if failures >= self.rules.lockout_after {
                    self.store
                        .set_status(&mut tx, &account.id, UserStatus::LockedOut)
                        .await?;
                    self.metrics.lockouts.inc();
                    verdict = Verdict::LockedOut;
                }
            }
            _ => {}
        }
        tx.commit().await?;
        self.forget_account(&account.lookup);
        if verdict == Verdict::LockedOut {
            self.refuse_pushes(verdict, |push| *push.user_id == *account.id);
        }
        Ok(verdict)
    }

    async fn use_passcode(
        &self,
        tx: &mut Transaction,
        account: &Account,
        passcode: &str,
    ) -> Result<Verdict, StoreError> {
        let now_ms = clock::unix_ms();
        let mut used_before = false;
        for generator in self.store.generators(tx, &account.id).await? {
            match self.try_generator(&generator, passcode, now_ms / 1_000) {
                Tried::Wrong => {}
                Tried::UsedBefore => used_before = true,
                Tried::Good { position } => {
                    self.store
                        .set_position(tx, &generator.device_id, position)
                        .await?;
                    return Ok(Verdict::Allow);
                }
            }
        }
        let mut good = None;
        for code in self.store.sms_codes(tx, &account.id).await? {
            let place = sms_place(&code.device_id);
            let Some(opened) = self.opened(&place, &code.code_sealed) else {
                continue;
            };
            if bool::from(opened.ct_eq(passcode.as_bytes())) {
                good = Some(code.id);
            }
        }
        if let Some(id) = good {
            self.store.delete_sms_code(tx, id).await?;
            return Ok(Verdict::Allow);
        }
        let hash = self.vault.hash(&bypass_place(&account.id), passcode);
        if self
            .store
            .use_bypass_code(tx, &account.id, &hash, now_ms)
            .await?
        {
            return Ok(Verdict::Allow);
        }
        Ok(if used_before {
            Verdict::UsedPasscode
        } else {
            Verdict::WrongPasscode
        })
    }

    fn try_generator(&self, stored: &Generator, passcode: &str, now_s: u64) -> Tried {
        let place = generator_place(&stored.device_id);
        let Some(secret) = self.opened(&place, &stored.secret_sealed) else {
            return Tried::Wrong;
        };
        let generator = otp::Generator {
            secret: &secret,
            algorithm: stored.algorithm,
            digits: stored.digits,
        };
        let found = match stored.kind {
            DeviceKind::Totp => {
                let now = otp::time_step(now_s, stored.period_s);
                let first = now.saturating_sub(TOTP_WINDOW);
                generator.find(passcode, first, 2 * TOTP_WINDOW + 1)
            }
            DeviceKind::Hotp => {
                generator.find(passcode, stored.position.unwrap_or(0), HOTP_LOOK_AHEAD)
            }
            DeviceKind::Phone => None,
        };
        match (found, stored.kind) {
            (None, _) => Tried::Wrong,
            (Some(step), DeviceKind::Totp) if stored.position.is_some_and(|last| step <= last) => {
                Tried::UsedBefore
            }
            (Some(step), DeviceKind::Totp) => Tried::Good { position: step },
            (Some(counter), _) => Tried::Good {
                position: counter.saturating_add(1),
            },
        }
    }

    /// A stored secret; none, and a line in the log, for one that does not open. A device with such
    /// a one has no good passcode, and its user's others have.
    fn opened(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let opened = self.vault.open_box(place, sealed);
        if opened.is_err() {
            tracing::error!(place, "a stored secret does not open with this key file");
        }
        opened.ok()
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
            .replace_sms_codes(&mut tx, &device.id, &codes)
            .await?;
        tx.commit().await?;
        self.forget_account(&account.lookup);
        Ok(())
    }
}

enum Tried {
    Wrong,
    /// It was good, and is no more.
    UsedBefore,
    Good {
        position: u64,
    },
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

/// Where a generator's secret is sealed for.
pub(super) fn generator_place(device_id: &str) -> String {
    format!("generators/{device_id}")
}

/// Where a phone's passcodes are sealed for.
pub(crate) fn sms_place(device_id: &str) -> String {
    format!("sms/{device_id}")
}

/// Where a user's bypass codes are hashed for.
pub(super) fn bypass_place(user_id: &str) -> String {
    format!("bypass/{user_id}")
}

const SMS_CODES: usize = 10;
