//! What is wrong with a configuration, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One fault of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fault {
    /// Where: `integrations[2].port`.
    pub path: String,
    /// What is wrong and what would be right; never a secret.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Every fault of a configuration; as an error it holds at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Adds one.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault {
            path: path.into(),
            message: message.into(),
        });
    }

    /// Adds one where a text that is shown to everybody who may look holds a private key.
    pub(super) fn no_key(&mut self, path: impl Into<String>, text: Option<&str>) {
        if text.is_some_and(|text| text.contains(PRIVATE)) {
            let message = "there is a private key in it; send the certificates alone";
            self.add(path, message);
        }
    }

    /// The value when there is no fault.
    ///
    /// # Errors
    /// The faults when there are some.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

/// In the label of any of them (RFC 7468 sections 10 and 11, and the older ones).
pub const PRIVATE: &str = "PRIVATE KEY-----";

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}
