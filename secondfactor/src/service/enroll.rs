//! Making users, devices and codes: by an administrator, or by enrollment.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::Service;
use super::directory::new_id;
use super::login::LoginError;
use super::passcode::{bypass_place, generator_place, random_digits, sms_place};
use crate::account::{Account, Device, bare_name, is_user_name, lookup_key};
use crate::admin::{
    Capabilities, ChangeUser, DeviceKind, NewDevice, NewUser, OtpAlgorithm, ScriptChange,
    UserStatus, UsernameNormalization,
};
use crate::clock;
use crate::params::encode;
use crate::store::{Activation, DeviceRow, StoreError, Transaction};
use crate::verdict::Verdict;

/// What a new device's owner is given, once.
pub(crate) enum NewSecret {
    /// The address of the approval page.
    ApprovalUrl(String),
    /// The secret in base32, and the `otpauth://` address with it.
    Generator { secret: String, uri: String },
}

/// An enrollment that was begun.
pub(crate) struct Begun {
    /// The code in the address.
    pub(crate) code: String,
    /// The address of the page.
    pub(crate) url: String,
    /// Seconds since 1970, UTC.
    pub(crate) expires_at_s: u64,
}

/// Who enrolls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enrollee<'a> {
    pub(crate) name: &'a str,
    /// None for a user who is not there yet.
    pub(crate) user_id: Option<&'a str>,
    /// Whether devices may be there already.
    pub(crate) may_add: bool,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EnrollError {
    /// A value is not possible.
    #[error("{0}")]
    Invalid(&'static str),
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

type MadeDevice = (Device, NewSecret);

impl Service {
    /// Makes a user with its devices, or nothing at all.
    ///
    /// # Errors
    /// [`EnrollError`]; [`StoreError::Taken`] when the name is.
    pub(crate) async fn create_user(
        &self,
        new: &NewUser,
    ) -> Result<(Account, Vec<MadeDevice>), EnrollError> {
        let mut tx = self.store.write().await?;
        let account = self.add_user(&mut tx, new).await?;
        let mut made = Vec::with_capacity(new.devices.len());
        for device in &new.devices {
            made.push(self.add_device(&mut tx, &account, device).await?);
        }
        let account = self.finish(tx, account).await?;
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
    ) -> Result<MadeDevice, EnrollError> {
        let mut tx = self.store.write().await?;
        let made = self.add_device(&mut tx, account, new).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.forget_account(&account.lookup);
        Ok(made)
    }

    /// Changes a user. One that may no longer log in has its waiting pushes refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn change_user(
        &self,
        account: Account,
        change: ChangeUser,
    ) -> Result<Account, EnrollError> {
        let mut tx = self.store.write().await?;
        if let Some(status) = change.status {
            self.store.set_status(&mut tx, &account.id, status).await?;
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
        let account = self.finish(tx, account).await?;
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

    /// Removes a device, and refuses what waits on it; false when the user has no such device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn delete_device(
        &self,
        account: &Account,
        device_id: &str,
    ) -> Result<bool, StoreError> {
        let deleted = self.store.delete_device(&account.id, device_id).await?;
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

    /// Begins an enrollment.
    ///
    /// # Errors
    /// [`LoginError::Full`] when too many wait.
    pub(crate) async fn begin_enrollment(
        &self,
        of: Enrollee<'_>,
        life: Duration,
    ) -> Result<Begun, LoginError> {
        let code = BASE32_NOPAD.encode(&clock::random::<20>()?);
        let now_ms = clock::unix_ms();
        let expires_at_ms = now_ms.saturating_add(milliseconds(life));
        let activation = Activation {
            user_name: of.name.to_owned(),
            user_id: of.user_id.map(str::to_owned),
            may_add: of.may_add,
            used: false,
        };
        let hash = self.vault.hash(ACTIVATION_PLACE, &code);
        let mut tx = self.store.write().await?;
        let lives = (now_ms, expires_at_ms);
        let begun = self
            .store
            .insert_activation(&mut tx, &hash, &activation, lives, MAX_ACTIVATIONS)
            .await?;
        tx.commit().await.map_err(StoreError::from)?;
        if !begun {
            return Err(LoginError::Full);
        }
        Ok(Begun {
            url: format!("{}/activate/{code}", self.public_url),
            code,
            expires_at_s: expires_at_ms / 1_000,
        })
    }

    /// An enrollment that is not over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn enrollment(&self, code: &str) -> Result<Option<Activation>, StoreError> {
        let hash = self.vault.hash(ACTIVATION_PLACE, code);
        self.store.activation(&hash, clock::unix_ms()).await
    }

    /// Ends an enrollment with a new device; none when it is over or was used.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub(crate) async fn finish_enrollment(
        &self,
        code: &str,
        new: &NewDevice,
    ) -> Result<Option<MadeDevice>, EnrollError> {
        let Some(activation) = self.enrollment(code).await?.filter(|found| !found.used) else {
            return Ok(None);
        };
        let mut tx = self.store.write().await?;
        let account = match &activation.user_id {
            Some(id) => self.store.account_in(&mut tx, id).await?,
            None => {
                let new = NewUser {
                    name: activation.user_name.clone(),
                    status: None,
                    script: None,
                    devices: Vec::new(),
                };
                match self.add_user(&mut tx, &new).await {
                    Ok(account) => Some(account),
                    // Somebody else enrolled under that name meanwhile.
                    Err(EnrollError::Store(StoreError::Taken)) => None,
                    Err(error) => return Err(error),
                }
            }
        };
        // A second address for the same person ends when the first was used.
        let open = |account: &Account| activation.may_add || account.devices.is_empty();
        let Some(account) = account.filter(open) else {
            return Ok(None);
        };
        let hash = self.vault.hash(ACTIVATION_PLACE, code);
        let now_ms = clock::unix_ms();
        if !self
            .store
            .use_activation(&mut tx, &hash, &account.id, now_ms)
            .await?
        {
            return Ok(None);
        }
        let made = self.add_device(&mut tx, &account, new).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.forget_account(&account.lookup);
        Ok(Some(made))
    }

    /// The user and device of an approval page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn approver(
        &self,
        token: &str,
    ) -> Result<Option<(Account, Arc<Device>)>, StoreError> {
        self.store
            .device_by_approval(&self.vault.hash(APPROVAL_PLACE, token))
            .await
    }

    async fn finish(&self, mut tx: Transaction, account: Account) -> Result<Account, EnrollError> {
        let found = self.store.account_in(&mut tx, &account.id).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.forget_account(&account.lookup);
        found.ok_or(EnrollError::Missing("user"))
    }

    async fn add_user(&self, tx: &mut Transaction, new: &NewUser) -> Result<Account, EnrollError> {
        if !is_user_name(&new.name) {
            return Err(EnrollError::Invalid(
                "a user's name has 1 to 256 characters, all of them to be seen",
            ));
        }
        let account = Account {
            id: new_id("DU")?,
            lookup: lookup_key(&new.name, UsernameNormalization::None),
            name: bare_name(&new.name, UsernameNormalization::None),
            status: new.status.unwrap_or(UserStatus::Active),
            script: new.script,
            failures: 0,
            bypass_codes: 0,
            devices: Vec::new(),
        };
        self.store
            .insert_user(tx, &account, clock::unix_ms())
            .await?;
        Ok(account)
    }

    async fn add_device(
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
        let device = Device {
            id: new_id("DP")?.into(),
            kind: DeviceKind::Phone,
            name: checked_name(name)?,
            number: number.to_owned(),
            capabilities: capabilities.unwrap_or(only_push),
            sms_next: None,
        };
        let row = DeviceRow {
            device,
            approval_hash: Some(self.vault.hash(APPROVAL_PLACE, &token)),
            secret_sealed: None,
            algorithm: None,
            digits: None,
            period_s: None,
            position: None,
        };
        let url = format!("{}/approve/{token}", self.public_url);
        Ok((row, NewSecret::ApprovalUrl(url)))
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
            device: Device {
                id: id.into(),
                kind: shape.kind,
                name: checked_name(name)?,
                number: String::new(),
                capabilities: Capabilities::default(),
                sms_next: None,
            },
            approval_hash: None,
            algorithm: Some(shape.algorithm.as_str()),
            digits: Some(shape.digits),
            period_s: shape.period_s,
            position: shape.position,
        };
        let text = BASE32_NOPAD.encode(&secret);
        let moving = match (shape.period_s, shape.position) {
            (Some(period), _) => format!("period={period}"),
            (None, position) => format!("counter={}", position.unwrap_or(0)),
        };
        let uri = format!(
            "otpauth://{}/{ISSUER}:{}?secret={text}&issuer={ISSUER}&algorithm={}&digits={}&{moving}",
            shape.kind.as_str(),
            encode(user.as_bytes()),
            shape.algorithm.as_str(),
            shape.digits,
        );
        Ok((row, NewSecret::Generator { secret: text, uri }))
    }
}

#[derive(Clone, Copy)]
struct Shape {
    kind: DeviceKind,
    algorithm: OtpAlgorithm,
    digits: u32,
    period_s: Option<u32>,
    position: Option<u64>,
}

fn checked_name(name: &str) -> Result<String, EnrollError> {
    if name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(EnrollError::Invalid(
            "a device's name has at most 64 characters and no control characters",
        ));
    }
    Ok(name.to_owned())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The most enrollments that wait or were used and are not over.
const MAX_ACTIVATIONS: u32 = 100_000;
const MAX_DEVICES: usize = 100;
const MAX_BYPASS_CODES: u32 = 100;
const ISSUER: &str = "Countersign";
const ACTIVATION_PLACE: &str = "activation";
const APPROVAL_PLACE: &str = "approval";
