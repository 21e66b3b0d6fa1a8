//! A value that is never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, Zeroizing};

/// Holds a secret: no `Display`, a redacted `Debug`, wiped when dropped.
///
/// It has no `Serialize` of its own: a field that crosses to another process says so with
/// `#[serde(with = "proto::secret::on_the_wire")]`, so that each such place can be found.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into keeping.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Shows the value to the code that needs it.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    /// Compares without stopping at the first difference; the length is no secret.
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_ref(), other.0.as_ref());
        let difference = a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y));
        a.len() == b.len() && std::hint::black_box(difference) == 0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

impl From<&str> for Secret<String> {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl<T: Zeroize + Default> Default for Secret<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(feature = "schema")]
impl<T: Zeroize> schemars::JsonSchema for Secret<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "writeOnly": true})
    }
}

/// The schema of a secret that a document of the REST API keeps: it goes in and never comes out.
#[cfg(feature = "schema")]
pub struct Kept;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Kept {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeptSecret".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mask = generator.subschema_for::<SecretMask>();
        if generator.contract().is_serialize() {
            return mask;
        }
        let clear = schemars::json_schema!({
            "type": "string",
            "writeOnly": true,
            "description": "The secret itself.",
        });
        schemars::json_schema!({"anyOf": [clear, mask]})
    }
}

/// A secret as it is shown: that it is set, and what tells it from another. Sent back as it was read,
/// the secret stays as it is.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "describes a document, and is none")]
struct SecretMask {
    /// Always true: a secret that is not set is not there.
    set: bool,
    /// Sixteen hexadecimal digits, the same for the same secret of one installation.
    fingerprint: String,
}

/// Serde's `with` module for a secret that must reach the other side of a trusted channel.
pub mod on_the_wire {
    use super::{Deserialize, Deserializer, Secret, Serialize, Serializer, Zeroize};

    /// Writes the value itself.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Zeroize + Serialize, S: Serializer>(
        secret: &Secret<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        secret.expose().serialize(serializer)
    }

    /// Reads the value.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, T: Zeroize + Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret<T>, D::Error> {
        Secret::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret:?}"), "[secret]");
    }

    #[test]
    fn equality_is_of_the_whole_value() {
        assert_eq!(Secret::from("a"), Secret::from("a"));
        for other in ["b", "ab", ""] {
            assert_ne!(Secret::from("a"), Secret::from(other), "{other}");
        }
    }
}
