//! What people log in with.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::Delivery;
use super::{DeviceKind, OtpAlgorithm, optional_secret};
use crate::secret::Secret;

/// Makes a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NewDevice {
    /// A phone: a browser that opens its approval page.
    Phone {
        /// Free text, up to 64 characters; may be empty.
        #[serde(default)]
        name: String,
        /// A telephone number, shown masked; may be empty.
        #[serde(default)]
        number: String,
        /// What it can do; none is pushes only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capabilities: Option<Capabilities>,
    },
    /// A generator of passcodes from the time.
    Totp {
        /// Free text, up to 64 characters; may be empty.
        #[serde(default)]
        name: String,
        /// None is SHA-1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        algorithm: Option<OtpAlgorithm>,
        /// 6 to 8; none is 6.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<u32>,
        /// Seconds, 15 to 300; none is 30.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        period: Option<u32>,
        /// In base32, 128 to 1,024 bits; none makes one of 160 bits.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_secret"
        )]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Secret<String>>"))]
        secret: Option<Secret<String>>,
    },
    /// An address that passcodes go to by e-mail.
    Email {
        /// Free text, up to 64 characters; may be empty.
        #[serde(default)]
        name: String,
        /// The address.
        address: String,
    },
    /// A generator of passcodes from a counter.
    Hotp {
        /// Free text, up to 64 characters; may be empty.
        #[serde(default)]
        name: String,
        /// 6 to 8; none is 6.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<u32>,
        /// The next counter; none is 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counter: Option<u32>,
        /// In base32, 128 to 1,024 bits; none makes one of 160 bits.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_secret"
        )]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Secret<String>>"))]
        secret: Option<Secret<String>>,
    },
}

/// Changes a device; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ChangeDevice {
    /// Free text, up to 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a phone can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Takes pushes.
    pub push: bool,
    /// Takes calls, where there is a gateway for them ([`Delivery::voice`]).
    pub phone: bool,
    /// Takes passcodes by SMS. Where there is no gateway for them ([`Delivery::sms`]) none is sent: they
    /// are read with `GET /users/{name}/sms-codes`.
    pub sms: bool,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// `DP` (phone) or `DH` (generator) and 18 letters or digits.
    pub id: String,
    /// Its kind.
    pub kind: DeviceKind,
    /// Free text.
    pub name: String,
    /// The number, masked; empty when there is none.
    pub number: String,
    /// What it can do. A generator can do nothing by itself.
    pub capabilities: Capabilities,
    /// What is printed on a hardware token; none on others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Whether a passkey binds it: only who has it can approve.
    #[serde(default)]
    pub bound: bool,
    /// A phone for pushes that no passkey binds: until when its address can still bind it, in seconds since
    /// 1970, UTC. After that nobody answers its pushes, but where the service lets the address alone approve,
    /// and a login passes it over. None where a passkey binds it, or a script answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bindable_until: Option<u64>,
    /// Whether that passkey may be on other machines of its owner too, by a keychain that their maker keeps.
    #[serde(default)]
    pub synced: bool,
    /// Whether notices reach it while its page is closed.
    #[serde(default)]
    pub notified: bool,
    /// TOTP: how many steps its clock is ahead, as learnt; negative when it is behind.
    #[serde(default)]
    pub drift: i64,
    /// Seconds since 1970, UTC, of its last use; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
}

/// A new device and what its owner needs, shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreatedDevice {
    /// The device.
    pub device: Device,
    /// Phone: the address of its approval page. Whoever has it can approve.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub approval_url: Option<Secret<String>>,
    /// Generator: the `otpauth://` address for an app.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub otpauth_uri: Option<Secret<String>>,
    /// Generator: the secret, in base32.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub secret: Option<Secret<String>>,
}
