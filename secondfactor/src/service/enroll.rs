//! Making users, devices and codes.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::directory::new_id;
use super::passcode::{bypass_place, generator_place, random_digits, sms_place};
use super::{Service, Session};
use crate::account::{Account, Device, is_email_address};
use crate::admin::{Capabilities, DeviceKind, NewDevice, NewUser, OtpAlgorithm};
use crate::clock;
use crate::params::encode;
use crate::store::{Approver, Attempt, DeviceRow, StoreError, Transaction};
use crate::verdict::Verdict;

/// What a new device's owner is given, once.
pub(crate) enum NewSecret {
    /// Nothing.
    None,
    /// The address of the approval page.
    ApprovalUrl(String),
    /// The secret in base32, and the `otpauth://` address with it.
    Generator { secret: String, uri: String },
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EnrollError {
    /// A value is not possible.
    #[error("{0}")]
    Invalid(&'static str),
    /// It is somebody else's.
    #[error("{0}")]
    Taken(&'static str),
    /// Only a directory can.
    #[error("{0}")]
    Directorys(String),
    /// There is no such thing.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<clock::NoRandomness> for EnrollError {
    fn from(error: clock::NoRandomness) -> Self {
        Self::Store(error.into())
    }
}

pub(super) type MadeDevice = (Device, NewSecret);

impl Service {
    /// Makes a user with its devices, or nothing at all.
    ///
    /// # Errors
    /// [`EnrollError`]; [`StoreError::Taken`] when the name is.
    pub(crate) async fn create_user(
        &self,
        new: &NewUser,
        attempt: Attempt,
    ) -> Result<(Account, Vec<MadeDevice>), EnrollError> {
        let mut tx = self.store.write().await?;
        let account = self.add_user(&mut tx, new).await?;
        let mut made = Vec::with_capacity(new.devices.len());
        for device in &new.devices {
            made.push(self.add_device(&mut tx, &account, device).await?);
        }
        let account = self.finish(tx, account, attempt).await?;
        Ok((account, made))
    }

    /// Gives a user another device.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub(crate) async fn create_device(
        &self,
        account: &Account,
        new: &NewDevice,
        attempt: Attempt,
    ) -> Result<MadeDevice, EnrollError> {
        let mut tx = self.store.write().await?;
        let made = self.add_device(&mut tx, account, new).await?;
        attempt.end(tx).await?;
        self.forget_account(&account.lookup);
        Ok(made)
    }

    /// Removes a user; its waiting pushes are refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn delete_user(&self, account: &Account) -> Result<(), StoreError> {
        self.store.delete_user(&account.id).await?;
        self.forget_account(&account.lookup);
        self.refuse_pushes(Verdict::Disabled, |push| *push.user_id == *account.id);
        Ok(())
    }

    /// Removes a device, and refuses what waits on it; false when the user has no such device. Sessions
    /// that a passcode began end, but for the one that does this.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn delete_device(
        &self,
        account: &Account,
        device_id: &str,
        by: Option<&Session>,
    ) -> Result<bool, StoreError> {
        let keep = by.map(|session| session.hash.as_slice());
        let deleted = self.store.delete_device(&account.id, device_id, keep);
        let deleted = deleted.await?;
        self.forget_account(&account.lookup);
        self.refuse_pushes(Verdict::Disabled, |push| {
            deleted && *push.device == *device_id
        });
        Ok(deleted)
    }

    /// Puts new bypass codes in the place of the old ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn create_bypass_codes(
        &self,
        account: &Account,
        count: u32,
        valid: Option<Duration>,
    ) -> Result<Vec<String>, StoreError> {
        let place = bypass_place(&account.id);
        let mut codes = std::collections::BTreeSet::new();
        while codes.len() < usize::try_from(count.min(MAX_BYPASS_CODES)).unwrap_or(0) {
            codes.insert(random_digits(9)?);
        }
        let codes: Vec<String> = codes.into_iter().collect();
        let hashes: Vec<_> = codes
            .iter()
            .map(|code| self.vault.hash(&place, code))
            .collect();
        let expires_at_ms = valid.map(|valid| clock::unix_ms().saturating_add(milliseconds(valid)));
        let mut tx = self.store.write().await?;
        self.store
            .replace_bypass_codes(&mut tx, &account.id, &hashes, expires_at_ms)
            .await?;
        tx.commit().await?;
        self.forget_account(&account.lookup);
        Ok(codes)
    }

    /// The passcodes recorded for a user's phones: device and code, the next one first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn sms_codes(
        &self,
        account: &Account,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut tx = self.store.write().await?;
        let mut codes = Vec::new();
        for code in self.store.sms_codes(&mut tx, &account.id).await? {
            let opened = self
                .vault
                .open_box(&sms_place(&code.device_id), &code.code_sealed)?;
            let text = String::from_utf8_lossy(&opened).into_owned();
            codes.push((code.device_id, text));
        }
        tx.commit().await?;
        Ok(codes)
    }

    /// The user and device of an approval page. Its address is good as long as the device is: for how
    /// long it binds that is another thing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn approver(&self, token: &str) -> Result<Option<Approver>, StoreError> {
        self.store
            .device_by_approval(&self.vault.hash(APPROVAL_PLACE, token))
            .await
    }

    pub(super) async fn finish(
        &self,
        mut tx: Transaction,
        account: Account,
        attempt: Attempt,
    ) -> Result<Account, EnrollError> {
        let found = self.store.account_in(&mut tx, &account.id).await?;
        attempt.end(tx).await?;
        self.forget_account(&account.lookup);
        found.ok_or(EnrollError::Missing("user"))
    }

    pub(super) async fn add_device(
        &self,
        tx: &mut Transaction,
        account: &Account,
        new: &NewDevice,
    ) -> Result<MadeDevice, EnrollError> {
        let current = self.store.account_in(tx, &account.id).await?;
        if current.is_some_and(|current| current.devices.len() >= MAX_DEVICES) {
            return Err(EnrollError::Invalid("a user has at most 100 devices"));
        }
        let (row, secret) = match new {
            NewDevice::Phone {
                name,
                number,
                capabilities,
            } => self.phone(name, number, *capabilities)?,
            NewDevice::Totp {
                name,
                algorithm,
                digits,
                period,
                secret,
            } => {
                let shape = Shape {
                    kind: DeviceKind::Totp,
                    algorithm: algorithm.unwrap_or(OtpAlgorithm::Sha1),
                    digits: digits.unwrap_or(6),
                    period_s: Some(period.unwrap_or(30)),
                    position: None,
                };
                let secret = secret.as_ref().map(|secret| secret.expose().as_str());
                self.generator(&account.name, name, shape, secret)?
            }
            NewDevice::Email { name, address } => self.email(name, address)?,
            NewDevice::Hotp {
                name,
                digits,
                counter,
                secret,
            } => {
                let shape = Shape {
                    kind: DeviceKind::Hotp,
                    algorithm: OtpAlgorithm::Sha1,
                    digits: digits.unwrap_or(6),
                    period_s: None,
                    position: Some(counter.unwrap_or(0).into()),
                };
                let secret = secret.as_ref().map(|secret| secret.expose().as_str());
                self.generator(&account.name, name, shape, secret)?
            }
        };
        self.store
            .insert_device(tx, &account.id, &row, clock::unix_ms())
            .await?;
        Ok((row.device, secret))
    }

    fn phone(
        &self,
        name: &str,
        number: &str,
        capabilities: Option<Capabilities>,
    ) -> Result<(DeviceRow, NewSecret), EnrollError> {
        let plausible = |c: char| c.is_ascii_digit() || " +-().".contains(c);
        if number.len() > 32 || !number.chars().all(plausible) {
            return Err(EnrollError::Invalid(
                "a number is made of digits and ' +-().'",
            ));
        }
        let token = BASE32_NOPAD.encode(&clock::random::<16>()?);
        let only_push = Capabilities {
            push: true,
            ..Capabilities::default()
        };
        let until_ms = clock::unix_ms().saturating_add(milliseconds(APPROVAL_LIFE));
        let device = Device {
            number: number.to_owned(),
            answered_until_ms: Some(until_ms),
            capabilities: capabilities.unwrap_or(only_push),
            ..Device::new(new_id("DP")?, DeviceKind::Phone, checked_name(name)?)
        };
        let row = DeviceRow {
            device,
            approval: Some((self.vault.hash(APPROVAL_PLACE, &token), until_ms)),
            secret_sealed: None,
            algorithm: None,
            digits: None,
            period_s: None,
            position: None,
        };
        let url = format!("{}/approve/{token}", self.public_url);
        Ok((row, NewSecret::ApprovalUrl(url)))
    }

    fn email(&self, name: &str, address: &str) -> Result<(DeviceRow, NewSecret), EnrollError> {
        if !is_email_address(address) {
            return Err(EnrollError::Invalid(
                "an e-mail address is a name, '@' and a domain, without blanks",
            ));
        }
        let device = Device {
            number: address.to_owned(),
            ..Device::new(new_id("DE")?, DeviceKind::Email, checked_name(name)?)
        };
        let row = DeviceRow {
            device,
            approval: None,
            secret_sealed: None,
            algorithm: None,
            digits: None,
            period_s: None,
            position: None,
        };
        Ok((row, NewSecret::None))
    }

    fn generator(
        &self,
        user: &str,
        name: &str,
        shape: Shape,
        given: Option<&str>,
    ) -> Result<(DeviceRow, NewSecret), EnrollError> {
        if !(6..=8).contains(&shape.digits) {
            return Err(EnrollError::Invalid("a passcode has 6 to 8 digits"));
        }
        if shape
            .period_s
            .is_some_and(|period| !(15..=300).contains(&period))
        {
            return Err(EnrollError::Invalid("a period is 15 to 300 seconds"));
        }
        let secret = Zeroizing::new(match given {
            None => clock::random::<20>()?.to_vec(),
            Some(text) => {
                let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                let text = Zeroizing::new(text.trim_end_matches('=').to_ascii_uppercase());
                BASE32_NOPAD
                    .decode(text.as_bytes())
                    .ok()
                    .filter(|secret| (16..=128).contains(&secret.len()))
                    .ok_or(EnrollError::Invalid(
                        "a secret is 128 to 1,024 bits in base32",
                    ))?
            }
        });
        let id = new_id("DH")?;
        let row = DeviceRow {
            secret_sealed: Some(
                self.vault
                    .seal(&generator_place(&id), &secret)
                    .map_err(StoreError::from)?,
            ),
            device: Device::new(id, shape.kind, checked_name(name)?),
            approval: None,
            algorithm: Some(shape.algorithm.as_str()),
            digits: Some(shape.digits),
            period_s: shape.period_s,
            position: shape.position,
        };
        let text = BASE32_NOPAD.encode(&secret);
        let uri = otpauth_uri(user, &text, &shape);
        Ok((row, NewSecret::Generator { secret: text, uri }))
    }
}

/// What a generator of passcodes is like.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) kind: DeviceKind,
    pub(super) algorithm: OtpAlgorithm,
    pub(super) digits: u32,
    pub(super) period_s: Option<u32>,
    pub(super) position: Option<u64>,
}

/// What an authenticator app reads; the secret is in base32.
pub(super) fn otpauth_uri(user: &str, secret: &str, shape: &Shape) -> String {
    let moving = match (shape.period_s, shape.position) {
        (Some(period), _) => format!("period={period}"),
        (None, position) => format!("counter={}", position.unwrap_or(0)),
    };
    format!(
        "otpauth://{}/{ISSUER}:{}?secret={secret}&issuer={ISSUER}&algorithm={}&digits={}&{moving}",
        shape.kind.as_str(),
        encode(user.as_bytes()),
        shape.algorithm.as_str(),
        shape.digits,
    )
}

pub(super) fn checked_name(name: &str) -> Result<String, EnrollError> {
    if name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(EnrollError::Invalid(
            "a device's name has at most 64 characters and no control characters",
        ));
    }
    Ok(name.to_owned())
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) const MAX_DEVICES: usize = 100;
const MAX_BYPASS_CODES: u32 = 100;
const ISSUER: &str = "Countersign";
const APPROVAL_PLACE: &str = "approval";

/// How long the address of a phone binds it, once: nobody comes in by one that was left lying about.
const APPROVAL_LIFE: Duration = Duration::from_hours(7 * 24);
