//! The parts of a configuration that the REST API has addresses for: read, written and removed. Pure;
//! whether the whole may be served is found out after, by [`proto::config::Snapshot`].

use proto::config::raw;
use ring::digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::masked::{Fingerprints, moved};
use super::problem::{FieldError, Kind, Problem};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// What holds for all integrations. It is always there.
    Settings,
    /// An integration, by its id.
    Integration(String),
    /// A client of an integration.
    Client {
        /// The integration's id.
        integration: String,
        /// The client's address, as it is written.
        address: String,
    },
    /// An authenticator, by its id.
    Authenticator(String),
}

/// What came of writing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// It was not there before.
    Created,
    /// It was.
    Replaced,
}

/// On which version of it a write is based (RFC 9110 section 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Precondition {
    /// Whichever there is.
    #[default]
    None,
    /// `If-Match`: one of these.
    Match(Vec<String>),
    /// `If-None-Match: *`: there is none yet.
    Absent,
}

impl Part {
    /// What it is, with its secrets; none when there is none. Never an answer as it is.
    pub(crate) fn read(&self, from: &raw::Snapshot) -> Option<Value> {
        match self {
            Self::Settings => document(&from.settings),
            Self::Integration(id) => document(integration(from, id)?),
            Self::Client {
                integration: id,
                address,
            } => {
                let clients = &integration(from, id)?.clients;
                document(clients.iter().find(|one| one.address == *address)?)
            }
            Self::Authenticator(id) => {
                document(from.authenticators.iter().find(|one| one.id == *id)?)
            }
        }
    }

    /// What it is, as it is shown, with its entity tag.
    pub(crate) fn show(
        &self,
        from: &raw::Snapshot,
        prints: &Fingerprints,
    ) -> Option<(Value, String)> {
        let mut shown = self.read(from)?;
        prints.mask(&mut shown);
        let tag = entity_tag(&shown);
        Some((shown, tag))
    }

    /// Puts a document in its place. Secrets that it leaves out, or has a mask for, stay.
    ///
    /// # Errors
    /// [`Kind::Changed`], [`Kind::Invalid`], or [`Kind::NotFound`] where what it is a part of is not
    /// there.
    pub(crate) fn write(
        &self,
        into: &mut raw::Snapshot,
        mut document: Value,
        precondition: &Precondition,
        prints: &Fingerprints,
    ) -> Result<Wrote, Problem> {
        self.hold(into, precondition, prints)?;
        self.name(&mut document)?;
        let old = self.read(into);
        let kept = prints
            .unmask(&mut document, old.as_ref())
            .map_err(|paths| Problem::invalid(paths.into_iter().map(strange).collect()))?;
        if let (false, Some(old)) = (kept.is_empty(), &old) {
            let moved = moved(old, &self.whole(&document)?, &kept);
            if !moved.is_empty() {
                return Err(Problem::invalid(moved.into_iter().map(elsewhere).collect()));
            }
        }
        let wrote = match old {
            Some(_) => Wrote::Replaced,
            None => Wrote::Created,
        };
        match self {
            Self::Settings => into.settings = parsed(document)?,
            Self::Integration(id) => {
                put(&mut into.integrations, parsed(document)?, |one| {
                    one.id == *id
                });
            }
            Self::Client {
                integration: id,
                address,
            } => {
                let integrations = &mut into.integrations;
                let found = integrations.iter_mut().find(|one| one.id == *id);
                let clients = &mut found
                    .ok_or_else(|| Self::Integration(id.clone()).missing())?
                    .clients;
                put(clients, parsed(document)?, |one| one.address == *address);
            }
            Self::Authenticator(id) => {
                put(&mut into.authenticators, parsed(document)?, |one| {
                    one.id == *id
                });
            }
        }
        Ok(wrote)
    }

    /// Changes some of its fields (RFC 7396: null removes one).
    ///
    /// # Errors
    /// As [`Self::write`], and [`Kind::NotFound`] when there is none.
    pub(crate) fn patch(
        &self,
        into: &mut raw::Snapshot,
        patch: Value,
        precondition: &Precondition,
        prints: &Fingerprints,
    ) -> Result<(), Problem> {
        let (mut document, _) = self.show(into, prints).ok_or_else(|| self.missing())?;
        merge(&mut document, patch);
        self.write(into, document, precondition, prints).map(drop)
    }

    /// Takes it out.
    ///
    /// # Errors
    /// [`Kind::Changed`]; [`Kind::NotFound`] when there is none; [`Kind::Conflict`] when something
    /// needs it, and for the settings, which are always there.
    pub(crate) fn remove(
        &self,
        from: &mut raw::Snapshot,
        precondition: &Precondition,
        prints: &Fingerprints,
    ) -> Result<(), Problem> {
        if self.read(from).is_none() {
            return Err(self.missing());
        }
        self.hold(from, precondition, prints)?;
        match self {
            Self::Settings => {
                let detail = "the settings are always there; write {} for the defaults";
                return Err(Problem::new(Kind::Conflict, detail));
            }
            Self::Integration(id) => from.integrations.retain(|one| one.id != *id),
            Self::Client {
                integration: id,
                address,
            } => {
                let mut found = from.integrations.iter_mut().filter(|one| one.id == *id);
                if let Some(one) = found.next() {
                    one.clients.retain(|one| one.address != *address);
                }
            }
            Self::Authenticator(id) => {
                let users: Vec<&str> = from
                    .integrations
                    .iter()
                    .filter(|one| one.authenticator.as_ref() == Some(id))
                    .map(|one| one.id.as_str())
                    .collect();
                if !users.is_empty() {
                    let detail = format!(
                        "passwords of {} are checked by it; give them another authenticator, or \
                         remove them first",
                        users.join(", ")
                    );
                    return Err(Problem::new(Kind::Conflict, detail));
                }
                from.authenticators.retain(|one| one.id != *id);
            }
        }
        Ok(())
    }

    /// A document of it with all of its fields, whether they were written or not.
    fn whole(&self, document: &Value) -> Result<Value, Problem> {
        fn of<T: DeserializeOwned + Serialize>(document: &Value) -> Result<Value, Problem> {
            let part: T = parsed(document.clone())?;
            serde_json::to_value(part).map_err(|error| Problem::internal(&error))
        }
        match self {
            Self::Settings => of::<raw::Settings>(document),
            Self::Integration(_) => of::<raw::Integration>(document),
            Self::Client { .. } => of::<raw::Client>(document),
            Self::Authenticator(_) => of::<raw::Authenticator>(document),
        }
    }

    /// That there is none.
    pub(crate) fn missing(&self) -> Problem {
        let detail = match self {
            Self::Settings => "there are no settings".to_owned(),
            Self::Integration(id) => format!("there is no integration '{id}'"),
            Self::Client {
                integration,
                address,
            } => format!("the integration '{integration}' has no client '{address}'"),
            Self::Authenticator(id) => format!("there is no authenticator '{id}'"),
        };
        Problem::new(Kind::NotFound, detail)
    }

    /// That there is one already.
    pub(crate) fn taken(&self) -> Problem {
        let name = match self {
            Self::Settings => "settings",
            Self::Integration(id) | Self::Authenticator(id) => id,
            Self::Client { address, .. } => address,
        };
        let detail =
            format!("'{name}' is there already; PUT replaces it, PATCH changes some of it");
        Problem::new(Kind::Conflict, detail)
    }

    /// Whether what there is meets the precondition.
    fn hold(
        &self,
        snapshot: &raw::Snapshot,
        precondition: &Precondition,
        prints: &Fingerprints,
    ) -> Result<(), Problem> {
        let met = match precondition {
            Precondition::None => true,
            Precondition::Match(tags) => self
                .show(snapshot, prints)
                .is_some_and(|(_, is)| tags.iter().any(|tag| *tag == is || tag == "*")),
            Precondition::Absent => self.read(snapshot).is_none(),
        };
        match met {
            true => Ok(()),
            false => Err(Problem::new(
                Kind::Changed,
                "it is not as it was when it was read; read it again, and write what that needs",
            )),
        }
    }

    /// The document says its own name: none, or the one it has by its address.
    fn name(&self, document: &mut Value) -> Result<(), Problem> {
        let (field, name) = match self {
            Self::Settings => return Ok(()),
            Self::Integration(id) | Self::Authenticator(id) => ("id", id),
            Self::Client { address, .. } => ("address", address),
        };
        let Some(fields) = document.as_object_mut() else {
            return Err(Problem::new(Kind::Invalid, "the document is a JSON object"));
        };
        match fields.get(field) {
            None => {
                fields.insert(field.to_owned(), Value::from(name.as_str()));
                Ok(())
            }
            Some(said) if said == name => Ok(()),
            Some(_) => Err(Problem::invalid(vec![FieldError {
                path: field.to_owned(),
                message: format!("it is '{name}' by its address, and that never changes"),
            }])),
        }
    }
}

/// The entity tag of a document as it is shown (RFC 9110 section 8.8.3).
pub(crate) fn entity_tag(shown: &Value) -> String {
    // Fields of an object have an order: that of their names.
    let digest = digest::digest(&digest::SHA256, shown.to_string().as_bytes());
    let octets = digest.as_ref().get(..TAG_OCTETS).unwrap_or_default();
    format!("\"{}\"", data_encoding::HEXLOWER.encode(octets))
}

fn integration<'a>(snapshot: &'a raw::Snapshot, id: &str) -> Option<&'a raw::Integration> {
    snapshot.integrations.iter().find(|one| one.id == id)
}

fn document(part: &impl Serialize) -> Option<Value> {
    serde_json::to_value(part).ok()
}

fn parsed<T: DeserializeOwned>(document: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        Problem::invalid(vec![FieldError {
            path: match path.as_str() {
                "." => String::new(),
                path => path.to_owned(),
            },
            message: error.into_inner().to_string(),
        }])
    })
}

fn put<T>(list: &mut Vec<T>, one: T, is_it: impl Fn(&T) -> bool) {
    match list.iter_mut().find(|there| is_it(there)) {
        Some(there) => *there = one,
        None => list.push(one),
    }
}

fn elsewhere(path: String) -> FieldError {
    FieldError {
        path,
        message: "it would go to another server, or there in another way; write the secret itself"
            .to_owned(),
    }
}

fn strange(path: String) -> FieldError {
    FieldError {
        path,
        message: "no secret is set that this could stand for; write the secret itself".to_owned(),
    }
}

/// RFC 7396 section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(fields) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        match value {
            Value::Null => {
                fields.remove(&name);
            }
            value => merge(fields.entry(name).or_insert(Value::Null), value),
        }
    }
}

const TAG_OCTETS: usize = 16;

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
