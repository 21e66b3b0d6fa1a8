//! Enrollments: begun for a person, ended by who has the code with a device that was seen to work, listed
//! and taken back.

use std::time::Duration;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use proto::secret::Secret;
use zeroize::Zeroizing;

use super::directory::new_id;
use super::enroll::{EnrollError, NewSecret, Shape, checked_name, milliseconds, otpauth_uri};
use super::login::LoginError;
use super::passkeys::PasskeyKind;
use super::{Service, may_serve_oneself};
use crate::account::{Account, Device};
use crate::admin::{DeviceKind, NewDevice, NewUser, OtpAlgorithm};
use crate::clock;
use crate::holdings::Changes;
use crate::otp;
use crate::short_code::ShortCode;
use crate::store::{self, Activation, Attempt, StoreError, WaitingActivation};
use crate::webauthn::NewPasskey;

/// An enrollment that was begun.
pub(crate) struct Begun {
    /// The code in the address, without hyphens.
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
    /// When the person who begins it for themselves had signed in.
    pub(crate) signed_in_at_ms: Option<u64>,
}

/// A device that was seen to work, or needs not to be.
pub(crate) struct Confirmed(Made);

enum Made {
    New {
        device: NewDevice,
        /// Of an authenticator app: the time step of the passcode that it showed, which is used by that.
        step: Option<u64>,
    },
    Bound {
        kind: PasskeyKind,
        name: String,
        passkey: NewPasskey,
    },
}

impl Confirmed {
    /// A phone that approves by its address.
    pub(crate) fn phone(name: &str) -> Self {
        let device = NewDevice::Phone {
            name: name.to_owned(),
            number: String::new(),
            capabilities: None,
        };
        Self::device(device)
    }

    /// One that needs no secret of its owner's.
    pub(super) const fn device(device: NewDevice) -> Self {
        Self(Made::New { device, step: None })
    }

    /// A phone or a security key that a passkey binds.
    pub(crate) fn passkey(kind: PasskeyKind, name: &str, passkey: NewPasskey) -> Self {
        Self(Made::Bound {
            kind,
            name: name.to_owned(),
            passkey,
        })
    }
}

/// An enrollment that was ended.
pub(crate) struct Finished {
    pub(crate) account: Account,
    /// When its user had signed in who began it; none is who was given its code.
    pub(crate) signed_in_at_ms: Option<u64>,
    pub(crate) device: Device,
    /// Of a phone that approves by its address.
    pub(crate) approval_url: Option<String>,
}

/// An authenticator app that is being set up. It is kept nowhere but in the form of the page.
pub(crate) struct PendingApp {
    /// In base32.
    pub(crate) secret: Zeroizing<String>,
    /// The `otpauth://` address with it.
    pub(crate) uri: Zeroizing<String>,
    /// The same, sealed: for the field of a form.
    pub(crate) field: String,
}

impl Service {
    /// Begins an enrollment.
    ///
    /// # Errors
    /// [`LoginError::Full`] when too many wait.
    pub(crate) async fn begin_enrollment(
        &self,
        of: Enrollee<'_>,
        life: Duration,
    ) -> Result<Begun, LoginError> {
        let mut begun = self.begin_enrollments(&[of], life).await?;
        begun.pop().ok_or(LoginError::Full)
    }

    /// Begins several, or none.
    ///
    /// # Errors
    /// [`LoginError::Full`] when too many wait.
    pub(crate) async fn begin_enrollments(
        &self,
        of: &[Enrollee<'_>],
        life: Duration,
    ) -> Result<Vec<Begun>, LoginError> {
        let now_ms = clock::unix_ms();
        let expires_at_ms = now_ms.saturating_add(milliseconds(life));
        let mut all = Vec::with_capacity(of.len());
        let mut tx = self.store.write().await?;
        for of in of {
            let code = ShortCode::random()?;
            let begun = store::Begun {
                id: &new_id("EN")?,
                hash: &self.hash_of(&code),
                user_name: of.name,
                user_id: of.user_id,
                may_add: of.may_add,
                signed_in_at_ms: of.signed_in_at_ms,
                now_ms,
                expires_at_ms,
            };
            let done = self
                .store
                .insert_activation(&mut tx, &begun, MAX_ACTIVATIONS);
            if !done.await? {
                return Err(LoginError::Full);
            }
            all.push(Begun {
                url: self.enrollment_url(&code),
                code: code.as_str().to_owned(),
                expires_at_s: expires_at_ms / 1_000,
            });
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(all)
    }

    /// The address of an enrollment's page. It stands in the prompts of VPN clients, which show little:
    /// 17 characters besides the public address.
    pub(crate) fn enrollment_url(&self, code: &ShortCode) -> String {
        format!("{}{ENROLLMENT_PATH}{}", self.public_url, code.grouped())
    }

    /// An enrollment that is not over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn enrollment(
        &self,
        code: &ShortCode,
    ) -> Result<Option<Activation>, StoreError> {
        let hash = self.hash_of(code);
        self.store.activation(&hash, clock::unix_ms()).await
    }

    /// Ends an enrollment with a new device; none when it is over or was used.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub(crate) async fn finish_enrollment(
        &self,
        code: &ShortCode,
        confirmed: &Confirmed,
    ) -> Result<Option<Finished>, EnrollError> {
        let Some(activation) = self.enrollment(code).await?.filter(|found| !found.used) else {
            return Ok(None);
        };
        let mut tx = self.store.write().await?;
        let account = match &activation.user_id {
            Some(id) => self.store.account_in(&mut tx, id).await?,
            None => {
                let new = NewUser::named(&activation.user_name);
                match self.add_user(&mut tx, &new).await {
                    Ok(account) => Some(account),
                    // Somebody else enrolled under that name meanwhile.
                    Err(EnrollError::Store(StoreError::Taken)) => None,
                    Err(error) => return Err(error),
                }
            }
        };
        // A second address for the same person ends when the first was used.
        // Whoever may not log in sets up nothing either.
        let reach = self.reach_of();
        let open = |account: &Account| {
            may_serve_oneself(account) && (activation.may_add || !account.has_set_up(reach))
        };
        let Some(account) = account.filter(open) else {
            return Ok(None);
        };
        let hash = self.hash_of(code);
        let now_ms = clock::unix_ms();
        if !self
            .store
            .use_activation(&mut tx, &hash, &account.id, now_ms)
            .await?
        {
            return Ok(None);
        }
        let (device, secret) = match &confirmed.0 {
            Made::New { device, step } => {
                let made = self.add_device(&mut tx, &account, device).await?;
                if let Some(step) = *step {
                    self.store.set_position(&mut tx, &made.0.id, step).await?;
                }
                // Whatever becomes of how messages are sent: its owner got one there.
                if matches!(device, NewDevice::Email { .. }) || made.0.capabilities.sms {
                    let used = (made.0.id.to_string(), now_ms);
                    let changes = Changes {
                        devices: vec![used],
                        ..Changes::default()
                    };
                    self.store.keep_changes(&mut tx, &changes).await?;
                }
                made
            }
            Made::Bound {
                kind,
                name,
                passkey,
            } => {
                let device = self.add_bound_device(&mut tx, &account, *kind, name, passkey);
                (device.await?, NewSecret::None)
            }
        };
        tx.commit().await.map_err(StoreError::from)?;
        self.forget_account(&account.lookup);
        let approval_url = match secret {
            NewSecret::ApprovalUrl(url) if device.capabilities.push => Some(url),
            _ => None,
        };
        Ok(Some(Finished {
            account,
            signed_in_at_ms: activation.signed_in_at_ms,
            device,
            approval_url,
        }))
    }

    /// Begins to set up an authenticator app for whoever has the code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn pending_app(
        &self,
        code: &ShortCode,
        user: &str,
    ) -> Result<PendingApp, StoreError> {
        let secret = Zeroizing::new(clock::random::<SECRET_OCTETS>()?);
        let until_ms = clock::unix_ms().saturating_add(milliseconds(PENDING_LIFE));
        let mut sealed = Zeroizing::new(until_ms.to_be_bytes().to_vec());
        sealed.extend_from_slice(&secret[..]);
        let sealed = self.vault.seal(&self.pending_place(code), &sealed)?;
        Ok(pending(user, &secret, BASE64URL_NOPAD.encode(&sealed)))
    }

    /// The authenticator app of a form; none for a field that was not made for this code, or is too old.
    pub(crate) fn pending_app_of(
        &self,
        code: &ShortCode,
        user: &str,
        field: &str,
    ) -> Option<PendingApp> {
        if field.len() > FIELD_OCTETS {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(field.as_bytes()).ok()?;
        let opened = self
            .vault
            .open_box(&self.pending_place(code), &sealed)
            .ok()?;
        let (until_ms, secret) = opened.split_first_chunk::<8>()?;
        let secret: &[u8; SECRET_OCTETS] = secret.try_into().ok()?;
        let in_time = clock::unix_ms() < u64::from_be_bytes(*until_ms);
        in_time.then(|| pending(user, secret, field.to_owned()))
    }

    /// An authenticator app that shows the passcode of now; none when that is not what was typed.
    ///
    /// # Errors
    /// [`EnrollError::Invalid`] for a name that is not possible.
    pub(crate) fn confirm_app(
        &self,
        pending: &PendingApp,
        name: &str,
        passcode: &str,
    ) -> Result<Option<Confirmed>, EnrollError> {
        let name = checked_name(name)?;
        let Ok(secret) = BASE32_NOPAD.decode(pending.secret.as_bytes()) else {
            return Ok(None);
        };
        let secret = Zeroizing::new(secret);
        let generator = otp::Generator {
            secret: &secret,
            algorithm: APP.algorithm,
            digits: APP.digits,
        };
        let typed: String = passcode.chars().filter(|c| !c.is_whitespace()).collect();
        let now = otp::time_step(clock::unix_ms() / 1_000, PERIOD_S.into());
        let step = generator.find(&typed, otp::steps_taken(now, 0));
        let device = NewDevice::Totp {
            name,
            algorithm: Some(APP.algorithm),
            digits: Some(APP.digits),
            period: Some(PERIOD_S),
            secret: Some(Secret::new(pending.secret.to_string())),
        };
        let step = step.map(Some);
        Ok(step.map(|step| Confirmed(Made::New { device, step })))
    }

    /// Enrollments that wait, newest first; none when the one to go on behind is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn waiting_enrollments(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Vec<WaitingActivation>>, StoreError> {
        let now_ms = clock::unix_ms();
        self.store.waiting_activations(after, limit, now_ms).await
    }

    /// Gives a device another name; false when the user has no such device.
    ///
    /// # Errors
    /// [`EnrollError::Invalid`] for a name that is not possible.
    pub(crate) async fn rename_device(
        &self,
        account: &Account,
        device_id: &str,
        name: &str,
        attempt: Attempt,
    ) -> Result<bool, EnrollError> {
        let name = checked_name(name)?;
        if attempt == Attempt::Tried {
            return Ok(account
                .devices
                .iter()
                .any(|device| *device.id == *device_id));
        }
        let renamed = self.store.rename_device(&account.id, device_id, &name);
        let renamed = renamed.await?;
        self.forget_account(&account.lookup);
        Ok(renamed)
    }

    fn hash_of(&self, code: &ShortCode) -> Vec<u8> {
        self.vault.hash(ACTIVATION_PLACE, code.as_str())
    }

    /// Where what belongs to an enrollment is sealed for: no other one's form opens it.
    pub(super) fn pending_place(&self, code: &ShortCode) -> String {
        let hash = data_encoding::HEXLOWER.encode(&self.hash_of(code));
        format!("pending/{hash}")
    }
}

fn pending(user: &str, secret: &[u8; SECRET_OCTETS], field: String) -> PendingApp {
    let secret = Zeroizing::new(BASE32_NOPAD.encode(secret));
    let uri = Zeroizing::new(otpauth_uri(user, &secret, &APP));
    PendingApp { secret, uri, field }
}

/// What every app knows.
const APP: Shape = Shape {
    kind: DeviceKind::Totp,
    algorithm: OtpAlgorithm::Sha1,
    digits: 6,
    period_s: Some(PERIOD_S),
    position: None,
};
const PERIOD_S: u32 = 30;
const SECRET_OCTETS: usize = 20;

/// How long a page that shows a secret can be sent.
pub(super) const PENDING_LIFE: Duration = Duration::from_secs(3_600);

/// The longest field of a form that is looked at.
pub(super) const FIELD_OCTETS: usize = 512;

/// What the path of an enrollment begins with.
pub(crate) const ENROLLMENT_PATH: &str = "/e/";

/// The most enrollments that wait or were used and are not over.
const MAX_ACTIVATIONS: u32 = 100_000;
const ACTIVATION_PLACE: &str = "activation";
