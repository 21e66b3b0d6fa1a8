//! Passkeys: registering one, signing in by one, approving by one. The questions are JSON as
//! `PublicKeyCredential.parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` take it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::directory::new_id;
use super::enroll::{EnrollError, MAX_DEVICES, checked_name};
use super::{Purpose, Service};
use crate::account::{Account, Device, lookup_key};
use crate::admin::{Capabilities, DeviceKind, IncidentKind, UsernameNormalization};
use crate::clock::{self, NoRandomness};
use crate::doors::Origin;
use crate::push::Txid;
use crate::rate::Allowance;
use crate::store::{Answered, DeviceRow, NewIncident, StoreError, Transaction};
use crate::webauthn::{
    ALGORITHMS, Assertion, Attestation, Fault, NewPasskey, Passkey, RelyingParty, challenge,
};

/// Who registers a passkey.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registrant<'a> {
    /// The user's name, who need not be there yet.
    pub(crate) name: &'a str,
    /// As people say it; may be empty.
    pub(crate) full_name: &'a str,
    /// The user's id; none for one who is not there yet.
    pub(crate) user_id: Option<&'a str>,
    /// A phone keeps it itself, a security key is held to any machine.
    pub(crate) kind: PasskeyKind,
    /// What the registration is part of, such as an enrollment's code or a device: the answer is good
    /// for that only.
    pub(crate) context: &'a str,
}

/// Where a passkey is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasskeyKind {
    /// In the machine that the browser runs on.
    Phone,
    /// In one that is held to it.
    SecurityKey,
}

impl PasskeyKind {
    /// Of a device; none for one that no passkey binds.
    pub(crate) const fn of(kind: DeviceKind) -> Option<Self> {
        match kind {
            DeviceKind::Phone => Some(Self::Phone),
            DeviceKind::SecurityKey => Some(Self::SecurityKey),
            DeviceKind::Totp | DeviceKind::Hotp | DeviceKind::Email => None,
        }
    }
}

/// Why there is no passkey, or it does not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PasskeyError {
    /// Browsers have passkeys for names only.
    #[error(
        "passkeys need an address with a name: have the administrator start the service with \
         --public-url https://NAME"
    )]
    NoName,
    /// The browser's answer is not taken.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// The passkey is none that is known here.
    #[error("this passkey is not known here, or its device was removed")]
    Unknown,
    /// It binds another device already.
    #[error("this passkey or device is set up already")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for PasskeyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken => Self::Taken,
            error => Self::Store(error),
        }
    }
}

impl From<NoRandomness> for PasskeyError {
    fn from(error: NoRandomness) -> Self {
        Self::Store(error.into())
    }
}

impl Service {
    fn relying_party(&self) -> Result<&RelyingParty, PasskeyError> {
        self.relying_party.as_ref().ok_or(PasskeyError::NoName)
    }

    /// Where the pages with passkeys are; none where the address has no name.
    pub(crate) fn origin(&self) -> Option<&str> {
        let found = self.relying_party.as_ref();
        found.map(|found| found.origin.as_str())
    }

    /// Whether browsers may ask this host by `https://` alone.
    pub(crate) fn is_by_https_alone(&self, host: &str) -> bool {
        let found = self.relying_party.as_ref();
        found.is_some_and(|found| found.is_by_https_alone(host))
    }

    fn challenge(&self, purpose: &str) -> Result<String, NoRandomness> {
        let made = challenge::make(&self.vault, purpose, clock::unix_ms(), clock::random()?);
        Ok(URL_SAFE_NO_PAD.encode(made))
    }

    fn answers(&self, purpose: String) -> impl FnOnce(&[u8]) -> Result<(), Fault> {
        move |given| challenge::check(&self.vault, &purpose, given, clock::unix_ms())
    }

    /// What `navigator.credentials.create` is asked.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub(crate) async fn registration_options(
        &self,
        of: Registrant<'_>,
    ) -> Result<Value, PasskeyError> {
        let relying_party = self.relying_party()?;
        let known = match of.user_id {
            Some(id) => self.store.passkeys_of_user(id).await?,
            None => Vec::new(),
        };
        // The same for one person, and nothing that names it (section 14.6.1).
        let lookup = lookup_key(of.name, UsernameNormalization::None);
        let handle = self.vault.hash("passkey user", &lookup);
        let attachment = match of.kind {
            PasskeyKind::Phone => "platform",
            PasskeyKind::SecurityKey => "cross-platform",
        };
        let display_name = match of.full_name {
            "" => of.name,
            name => name,
        };
        let algorithms = ALGORITHMS.map(|number| json!({"type": "public-key", "alg": number}));
        Ok(json!({
            "rp": {"id": relying_party.id, "name": NAME},
            "user": {
                "id": URL_SAFE_NO_PAD.encode(handle),
                "name": of.name,
                "displayName": display_name,
            },
            "challenge": self.challenge(&register(of.context))?,
            "pubKeyCredParams": algorithms,
            "timeout": challenge::LIFE_MS,
            "attestation": "none",
            "authenticatorSelection": {
                "authenticatorAttachment": attachment,
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "excludeCredentials": known.iter().map(descriptor).collect::<Vec<_>>(),
        }))
    }

    /// Judges what came of it, for the same context. It is kept by [`Service::add_bound_device`] or
    /// [`crate::store::Store::insert_passkey`], and only once.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub(crate) fn verify_registration(
        &self,
        context: &str,
        response: &[u8],
    ) -> Result<NewPasskey, PasskeyError> {
        let attestation = Attestation::parse(response)?;
        let answers = self.answers(register(context));
        Ok(self.relying_party()?.registered(&attestation, answers)?)
    }

    /// Gives a user a device that a passkey binds: it answers pushes.
    ///
    /// # Errors
    /// [`EnrollError`]; [`StoreError::Taken`] when another device has the passkey.
    pub(crate) async fn add_bound_device(
        &self,
        tx: &mut Transaction,
        account: &Account,
        kind: PasskeyKind,
        name: &str,
        passkey: &NewPasskey,
    ) -> Result<Device, EnrollError> {
        let current = self.store.account_in(tx, &account.id).await?;
        if current.is_some_and(|current| current.devices.len() >= MAX_DEVICES) {
            return Err(EnrollError::Invalid("a user has at most 100 devices"));
        }
        let (prefix, kind) = match kind {
            PasskeyKind::Phone => ("DP", DeviceKind::Phone),
            PasskeyKind::SecurityKey => ("DK", DeviceKind::SecurityKey),
        };
        let device = Device {
            capabilities: Capabilities {
                push: true,
                ..Capabilities::default()
            },
            bound: true,
            answered_until_ms: None,
            synced: passkey.synced,
            ..Device::new(new_id(prefix)?, kind, checked_name(name)?)
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
        let now_ms = clock::unix_ms();
        self.store
            .insert_device(tx, &account.id, &row, now_ms)
            .await?;
        self.store
            .insert_passkey(tx, &row.device.id, passkey, now_ms)
            .await?;
        Ok(row.device)
    }

    /// Binds a device that is there to a passkey.
    ///
    /// # Errors
    /// [`PasskeyError::Taken`] when it is bound, or another device has the passkey.
    pub(crate) async fn bind_device(
        &self,
        account: &Account,
        device: &Device,
        passkey: &NewPasskey,
    ) -> Result<(), PasskeyError> {
        let mut tx = self.store.write().await?;
        self.store
            .insert_passkey(&mut tx, &device.id, passkey, clock::unix_ms())
            .await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.forget_account(&account.lookup);
        Ok(())
    }

    /// What `navigator.credentials.get` is asked of somebody who is not known yet.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub(crate) fn sign_in_options(&self, purpose: Purpose) -> Result<Value, PasskeyError> {
        self.request_options(sign_in(purpose), &[])
    }

    /// Whose passkey it is.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub(crate) async fn verify_sign_in(
        &self,
        purpose: Purpose,
        response: &[u8],
        origin: Origin,
    ) -> Result<(Account, Arc<Device>), PasskeyError> {
        let assertion = Assertion::parse(response)?;
        let found = self.store.passkey(&assertion.credential).await?;
        let (passkey, account, device) = found.ok_or(PasskeyError::Unknown)?;
        let how = (sign_in(purpose), Times::Once);
        let of = (&account, &*device, origin);
        self.asserted(&assertion, &passkey, how, of).await?;
        Ok((account, device))
    }

    /// What a device's passkey is asked for the approval of one push.
    ///
    /// # Errors
    /// [`PasskeyError::Unknown`] for a device without one.
    pub(crate) async fn approval_options(
        &self,
        txid: Txid,
        device: &Device,
    ) -> Result<Value, PasskeyError> {
        let passkey = self.store.passkey_of_device(&device.id).await?;
        let passkey = passkey.ok_or(PasskeyError::Unknown)?;
        self.request_options(&approve(txid, device), &[passkey])
    }

    /// Whether a device's own passkey approved that push.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub(crate) async fn verify_approval(
        &self,
        txid: Txid,
        (account, device): (&Account, &Device),
        (response, origin): (&[u8], Origin),
    ) -> Result<(), PasskeyError> {
        let assertion = Assertion::parse(response)?;
        let passkey = self.store.passkey_of_device(&device.id).await?;
        let passkey = passkey.filter(|passkey| passkey.credential == assertion.credential);
        let passkey = passkey.ok_or(PasskeyError::Unknown)?;
        // The push ends with it.
        let how = (&*approve(txid, device), Times::AsLongAsItWaits);
        let of = (account, device, origin);
        self.asserted(&assertion, &passkey, how, of).await
    }

    fn request_options(&self, purpose: &str, allowed: &[Passkey]) -> Result<Value, PasskeyError> {
        let relying_party = self.relying_party()?;
        Ok(json!({
            "challenge": self.challenge(purpose)?,
            "rpId": relying_party.id,
            "timeout": challenge::LIFE_MS,
            "userVerification": "required",
            "allowCredentials": allowed.iter().map(descriptor).collect::<Vec<_>>(),
        }))
    }

    async fn asserted(
        &self,
        assertion: &Assertion,
        passkey: &Passkey,
        (purpose, times): (&str, Times),
        (account, device, origin): (&Account, &Device, Origin),
    ) -> Result<(), PasskeyError> {
        let mut answered = Vec::new();
        let judged = self.relying_party()?.asserted(assertion, passkey, |given| {
            answered = given.to_vec();
            challenge::check(&self.vault, purpose, given, clock::unix_ms())
        });
        let good = match judged {
            Ok(count) => {
                let now_ms = clock::unix_ms();
                if times == Times::Once {
                    let taken = self.passkey_rate.take(&device.id, Instant::now());
                    taken.map_err(|_| StoreError::Overloaded)?;
                }
                let mut tx = self.store.write().await?;
                // Section 13.4.3.
                if times == Times::Once {
                    let made_at_ms = challenge::made_ms(&answered).ok_or(Fault::Challenge)?;
                    let answered = URL_SAFE_NO_PAD.encode(&answered);
                    let challenge = Answered {
                        hash: &self.vault.hash(CHALLENGE_PLACE, &answered),
                        credential: &passkey.credential,
                        made_at_ms,
                    };
                    let used = self.store.use_challenge(&mut tx, &challenge, now_ms);
                    if !used.await? {
                        return Err(Fault::Used.into());
                    }
                }
                let used = self
                    .store
                    .use_passkey(&mut tx, &passkey.credential, count, now_ms)
                    .await?;
                tx.commit().await.map_err(StoreError::from)?;
                self.forget_account(&account.lookup);
                used
            }
            Err(Fault::Counter) => false,
            Err(fault) => return Err(fault.into()),
        };
        if good {
            return Ok(());
        }
        self.report(NewIncident {
            kind: IncidentKind::ClonedPasskey,
            user: account.name.as_str().into(),
            application: "".into(),
            ip: origin.told().into(),
            detail: format!("device {}", device.id).into(),
        });
        Err(Fault::Counter.into())
    }
}

/// How often one answer is good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    /// As long as what it answers waits for an answer.
    AsLongAsItWaits,
}

fn descriptor(passkey: &Passkey) -> Value {
    let mut descriptor = json!({
        "type": "public-key",
        "id": URL_SAFE_NO_PAD.encode(&passkey.credential),
    });
    // An empty list would say that there is no way.
    if let (Some(members), false) = (descriptor.as_object_mut(), passkey.transports.is_empty()) {
        members.insert("transports".to_owned(), json!(passkey.transports));
    }
    descriptor
}

fn register(context: &str) -> String {
    format!("register/{context}")
}

fn approve(txid: Txid, device: &Device) -> String {
    format!("approve/{txid}/{}", device.id)
}

/// What a challenge for signing in is for: one of the app is none of the page for one's own devices.
const fn sign_in(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Approve => "sign in/approve",
        Purpose::Manage => "sign in/manage",
    }
}

/// How often one passkey signs in: each time is a write.
pub(super) const PASSKEY_RATE: Allowance = Allowance {
    at_once: 10,
    each: Duration::from_secs(10),
    known: 100_000,
};

const CHALLENGE_PLACE: &str = "used challenge";
const NAME: &str = "Countersign";
