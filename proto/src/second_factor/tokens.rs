//! Hardware tokens: generators of passcodes that are there before anybody has them.

use serde::{Deserialize, Serialize};

use super::DeviceKind;
use crate::secret::Secret;

/// A hardware token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "HardwareToken")
)]
pub struct Token {
    /// Its device id: `DH` and 18 letters or digits.
    pub id: String,
    /// What is printed on it: 1 to 64 characters, of which no two tokens have the same.
    pub serial: String,
    /// `totp` or `hotp`.
    pub kind: DeviceKind,
    /// 6 to 8.
    pub digits: u32,
    /// Who has it; none when nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// One page of tokens, by serial number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tokens {
    /// At most `limit`, at most 500; 100 when no limit is given.
    pub tokens: Vec<Token>,
    /// The `after` of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Takes in tokens of a CSV file: all of it, or nothing when a line is not possible.
///
/// The first line names the columns, in any order: `serial` and `secret` (hexadecimal, or base32 after
/// `base32:`) must be there; `kind` (`hotp`, the default, or `totp`), `digits` (6), `algorithm` (`SHA1`),
/// `period` (30), `counter` (0) and `username` (who gets it) may be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportTokens {
    /// The file: UTF-8, at most 4 MiB and 50,000 lines. It has secrets.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub csv: Secret<String>,
    /// Whether it is only said what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

impl std::fmt::Debug for ImportTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportTokens")
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

/// What became of a file of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportedTokens {
    /// Whether it was done; not in a dry run, nor when anything is refused.
    pub done: bool,
    /// How many are new.
    pub created: u64,
    /// How many of them somebody has.
    pub assigned: u64,
    /// Those that are new.
    #[serde(default)]
    pub tokens: Vec<TakenToken>,
    /// Lines that are not possible.
    pub refused: Vec<RefusedToken>,
}

/// A token that was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakenToken {
    /// Its serial number.
    pub serial: String,
    /// Who has it, as the file says; none when nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// A line that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedToken {
    /// The line of the file, the first being 1.
    pub line: u64,
    /// The serial number, as far as it can be told.
    pub serial: String,
    /// Why, for a person. Never a secret.
    pub why: String,
}

/// Gives a token to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AssignToken {
    /// The user's name.
    pub user: String,
}

/// Finds a generator that has run away from the service: two passcodes in a row, as it shows them now.
/// A counter is looked for up to 1,000 ahead, a clock up to two hours off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Resynchronize {
    /// The first passcode.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub first: Secret<String>,
    /// The one after it.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub second: Secret<String>,
}
