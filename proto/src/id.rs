//! Names of things, as types: never bare strings or numbers.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The number of one configuration revision. Counts up from 1; zero means "none".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RevisionNumber"))]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a name of 1 to 128 letters, digits, `_`, `-` or `.`.
            ///
            /// # Errors
            /// [`NameError`] when it is empty, too long or holds another character.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                checked_name(name.into()).map(|name| Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": "1 to 128 letters, digits, `_`, `-` or `.`.",
                    "pattern": "^[A-Za-z0-9_.-]{1,128}$",
                })
            }
        }
    };
}

name! {
    /// An integration's id: its section name (`radius_server_auto2`), or a slug. Never changes.
    IntegrationId
}
name! {
    /// An authenticator's id: its section name (`ad_client`), or a slug. Never changes.
    AuthenticatorId
}
name! {
    /// A data plane's name, unique among those that follow one control plane.
    NodeId
}

/// A login's id: 128 random bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginId(u128);

impl LoginId {
    /// Takes 16 random octets.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Its 16 octets.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LoginId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LoginId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() != 32 {
            return Err(serde::de::Error::custom(
                "a login id is 32 hexadecimal digits",
            ));
        }
        u128::from_str_radix(&text, 16)
            .map(Self)
            .map_err(|_| serde::de::Error::custom("a login id is 32 hexadecimal digits"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for LoginId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoginId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A login's id: 32 hexadecimal digits.",
            "pattern": "^[0-9a-f]{32}$",
        })
    }
}

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no character.
    #[error("a name is needed here, this one is empty")]
    Empty,
    /// It has more than 128 octets.
    #[error("a name has at most 128 characters, this one has {octets}")]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// It is `.` or `..`, which no address can end with.
    #[error("a name is not '.' or '..': addresses and paths cannot say it")]
    Dots,
    /// It holds a character outside letters, digits, `_`, `-` and `.`.
    #[error("a name is made of letters, digits, '_', '-' and '.', not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

fn checked_name(name: String) -> Result<String, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_OCTETS {
        return Err(NameError::TooLong { octets: name.len() });
    }
    if matches!(name.as_str(), "." | "..") {
        return Err(NameError::Dots);
    }
    match name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
    {
        Some(character) => Err(NameError::Character { character }),
        None => Ok(name),
    }
}

const NAME_OCTETS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_the_door() {
        for (input, want) in [
            ("radius_server_auto2", None),
            ("", Some(NameError::Empty)),
            ("a b", Some(NameError::Character { character: ' ' })),
            (".", Some(NameError::Dots)),
            ("..", Some(NameError::Dots)),
            ("...", None),
            ("a/b", Some(NameError::Character { character: '/' })),
        ] {
            assert_eq!(IntegrationId::new(input).err(), want, "{input}");
        }
        assert!(serde_json::from_str::<NodeId>("\"a b\"").is_err());
    }

    #[test]
    fn login_ids_survive_json() {
        let id = LoginId::from_bytes([7; 16]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{}\"", "07".repeat(16)));
        assert_eq!(serde_json::from_str::<LoginId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<LoginId>("\"xyz\"").is_err());
    }
}
