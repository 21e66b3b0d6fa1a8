//! Applications: pairs of keys for integrations.

use serde::{Deserialize, Serialize};

use super::{NewUserPolicy, UsernameNormalization};
use crate::secret::Secret;

/// Asks for an application: a pair of keys for one or more integrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    /// Its name, 1 to 128 characters. Asking again for a name gives the same application, and so
    /// does asking by another one for both of its keys.
    pub name: String,
    /// None keeps what it is; `enroll` for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_user_policy: Option<NewUserPolicy>,
    /// None keeps what it is; `simple` for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_normalization: Option<UsernameNormalization>,
    /// Whether names that no administrator made may enroll, where the policy is `enroll`. Whoever
    /// has a password and an alias that the directory takes can then enroll a device of theirs.
    /// None keeps what it is; no for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_enrollment: Option<bool>,
    /// None keeps what they are, and makes some for a new one. With others than before, those
    /// before are good for 10 minutes more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<ApplicationKeys>,
    /// Whether it is refused where there is one of this name or with these keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_be_new: bool,
}

impl NewApplication {
    /// Asks for the application of a name as it is, or with all defaults.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            new_user_policy: None,
            username_normalization: None,
            open_enrollment: None,
            keys: None,
            must_be_new: false,
        }
    }
}

/// Keys that an operator chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApplicationKeys {
    /// The integration key: 1 to 128 printable ASCII characters, without blanks and `:`.
    pub ikey: String,
    /// The secret key: 1 to 256 characters.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub skey: Secret<String>,
}

/// An application, with all that a caller needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Application {
    /// Its name.
    pub name: String,
    /// The integration key: `DI` and 18 letters or digits.
    pub ikey: String,
    /// The secret key: 40 letters or digits.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub skey: Secret<String>,
    /// Where callers on this machine find the service: an address that its certificate names.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// The only certificate to trust there, in PEM.
    pub ca_pem: String,
    /// The names and addresses that the service's own certificate has: a caller elsewhere uses one of
    /// them that leads here.
    #[serde(default)]
    pub names: Vec<String>,
}

/// An application without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplicationSummary {
    /// Its name.
    pub name: String,
    /// The integration key.
    pub ikey: String,
    /// What becomes of unknown users.
    pub new_user_policy: NewUserPolicy,
    /// What is done to names.
    pub username_normalization: UsernameNormalization,
    /// Whether names that no administrator made may enroll.
    pub open_enrollment: bool,
}
