//! Names of RADIUS attributes.
//!
//! The built-in names are the standard ones and those of common vendors; files in FreeRADIUS'
//! format add more. A snapshot carries attributes resolved, so nothing else needs names.

mod parser;

use std::collections::HashMap;

use proto::config::{AttributeRef, AttributeType};

use crate::authproxy::nearest::nearest;

pub use parser::{DictionaryFault, Loaded};

/// The most attributes a dictionary holds: ten times what FreeRADIUS ships.
pub const MAX_ATTRIBUTES: usize = 100_000;

const BUILTIN: &str = include_str!("builtin.dictionary");

/// A set of names.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    vendors: HashMap<String, Vendor>,
    attributes: HashMap<String, Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Vendor {
    number: u32,
    /// Whether its attributes have one octet of type and one of length (RFC 2865 section 5.26).
    plain: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    vendor: Option<u32>,
    /// None for what has no place of its own in a packet: numbers above 255, attributes within
    /// another one, vendors with a format of their own.
    number: Option<u8>,
    data_type: AttributeType,
}

/// Why a name is no attribute that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No dictionary has the name.
    #[error("no dictionary has the attribute '{name}'")]
    Unknown {
        /// The name.
        name: String,
        /// The nearest name there is.
        nearest: Option<String>,
    },
    /// It is within another attribute, or its vendor has a format of its own.
    #[error("the attribute '{name}' has no plain place in a packet")]
    NotPlain {
        /// The name.
        name: String,
    },
}

impl Dictionary {
    /// The names that come with the product.
    #[must_use]
    pub fn builtin() -> Self {
        let mut dictionary = Self::default();
        // That it has no fault is a test.
        dictionary.read_text(BUILTIN);
        dictionary
    }

    /// Finds an attribute by name; letter case does not count.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<AttributeRef> {
        self.resolve(name).ok()
    }

    /// Finds an attribute by name, or says why not; letter case does not count.
    ///
    /// # Errors
    /// [`LookupError`] when no dictionary has it or it cannot be used.
    pub fn resolve(&self, name: &str) -> Result<AttributeRef, LookupError> {
        let Some(entry) = self.attributes.get(&name.to_lowercase()) else {
            return Err(LookupError::Unknown {
                name: name.to_owned(),
                nearest: self.suggest(name),
            });
        };
        match entry.number {
            Some(number) => Ok(AttributeRef {
                name: entry.name.clone(),
                vendor: entry.vendor,
                number,
                data_type: entry.data_type,
            }),
            None => Err(LookupError::NotPlain {
                name: entry.name.clone(),
            }),
        }
    }

    /// Those that have a plain place in a packet, in no order.
    pub(crate) fn plain(&self) -> impl Iterator<Item = AttributeRef> {
        self.attributes.values().filter_map(|entry| {
            Some(AttributeRef {
                name: entry.name.clone(),
                vendor: entry.vendor,
                number: entry.number?,
                data_type: entry.data_type,
            })
        })
    }

    /// How many attributes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    fn suggest(&self, name: &str) -> Option<String> {
        let mut usable: Vec<&str> = self
            .attributes
            .values()
            .filter(|entry| entry.number.is_some())
            .map(|entry| entry.name.as_str())
            .collect();
        usable.sort_unstable();
        nearest(name, usable).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
