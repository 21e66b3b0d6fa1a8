//! A checked configuration.
//!
//! [`Snapshot`] is built whole, checked whole and applied whole. `TryFrom<raw::Snapshot>` is the
//! only way to make one: the structs are `#[non_exhaustive]`, so no other crate can write one down.

mod authenticator;
mod choices;
mod fault;
mod integration;
pub mod raw;

pub use authenticator::{Authenticator, AuthenticatorKind, Directory, RadiusUpstream};
pub use choices::{
    AttributeType, CipherSuite, DirectoryAuth, FactorChoice, FailMode, MessageAuthenticator, Mode,
    PasswordCodec, PromptFormat, SyslogFacility, TlsVersion, Transport,
};
pub use fault::{Fault, Faults, PRIVATE};
pub use integration::{
    Append, Application, AttributeRef, Client, Eap, Integration, PassThrough, Prompt,
};
pub use raw::{Host, HttpProxy, Log, MAX_LOG_FILES, Settings};

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use crate::address::AddressRange;
use crate::id::{AuthenticatorId, IntegrationId, Revision};

/// One whole configuration that may be served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its number.
    pub revision: Revision,
    /// What holds for all integrations.
    pub settings: Settings,
    /// Where passwords are checked.
    pub authenticators: Vec<Arc<Authenticator>>,
    /// What is served.
    pub integrations: Vec<Arc<Integration>>,
}

impl TryFrom<raw::Snapshot> for Snapshot {
    type Error = Faults;

    /// Checks everything and reports every fault, each with its path.
    fn try_from(raw: raw::Snapshot) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        if raw.revision == 0 {
            faults.add("revision", "revisions count from 1");
        }
        let roots = raw.settings.http_ca_certs.as_deref();
        faults.no_key("settings.http_ca_certs", roots);
        check_log(&raw.settings.log, &mut faults);
        let mut authenticators = Vec::with_capacity(raw.authenticators.len());
        let mut known: HashMap<AuthenticatorId, bool> = HashMap::new();
        for (index, one) in raw.authenticators.into_iter().enumerate() {
            let path = format!("authenticators[{index}]");
            let Some(checked) = Authenticator::check(one, &path, &mut faults) else {
                continue;
            };
            let duo_only = matches!(checked.kind, AuthenticatorKind::DuoOnly);
            if known.insert(checked.id.clone(), duo_only).is_some() {
                faults.add(
                    format!("{path}.id"),
                    format!("'{}' is used twice", checked.id),
                );
            }
            authenticators.push(Arc::new(checked));
        }
        let mut integrations: Vec<Arc<Integration>> = Vec::with_capacity(raw.integrations.len());
        let mut ids: HashMap<IntegrationId, usize> = HashMap::new();
        for (index, one) in raw.integrations.into_iter().enumerate() {
            let path = format!("integrations[{index}]");
            let Some(checked) = Integration::check(one, &path, &known, &mut faults) else {
                continue;
            };
            if let Some(first) = ids.insert(checked.id.clone(), index) {
                faults.add(
                    format!("{path}.id"),
                    format!("'{}' is integrations[{first}] already", checked.id),
                );
            }
            integrations.push(Arc::new(checked));
        }
        shared_addresses(&integrations, &mut faults);
        faults.into_result(Self {
            revision: Revision(raw.revision),
            settings: raw.settings,
            authenticators,
            integrations,
        })
    }
}

fn check_log(log: &Log, faults: &mut Faults) {
    let path = "settings.log.dir";
    if let Some(dir) = &log.dir {
        if dir.is_empty() {
            faults.add(path, "it is empty; name a folder, or leave it out");
        } else if dir.chars().any(char::is_control) {
            faults.add(path, "a folder's name has no control characters");
        } else if dir.len() > LOG_DIR_OCTETS {
            let message = format!("it has {} octets, more than {LOG_DIR_OCTETS}", dir.len());
            faults.add(path, message);
        }
    }
    if log.max_files > MAX_LOG_FILES {
        let message = format!("{} is more than {MAX_LOG_FILES}", log.max_files);
        faults.add("settings.log.max_files", message);
    }
}

/// The longest path of the log's folder, so that files in it have one that the system takes.
const LOG_DIR_OCTETS: usize = 3_000;

/// Where a RADIUS client is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by those who ask")]
pub struct ClientPlace {
    /// The UDP port.
    pub port: u16,
    /// The address of this machine; none means all.
    pub listen: Option<IpAddr>,
    /// The client's addresses.
    pub address: AddressRange,
}

/// Clients that would make the secret to use a guess: they share an address on a port, and neither
/// is the narrower. Gives the index of each such client with that of one before it.
#[must_use]
pub fn ambiguous_clients(clients: &[ClientPlace]) -> BTreeMap<usize, usize> {
    let mut sorted: Vec<(usize, &ClientPlace)> = clients.iter().enumerate().collect();
    let class = |one: &ClientPlace| (one.port, one.address.first().is_ipv6(), one.address.span());
    sorted.sort_by_key(|(index, one)| (class(one), one.address.first(), *index));
    let mut found = BTreeMap::new();
    for alike in sorted.chunk_by(|(_, a), (_, b)| class(a) == class(b)) {
        // All are of one length here: if one overlaps any before it, then the last before it.
        let mut last = None;
        let mut last_of: HashMap<Option<IpAddr>, (usize, &ClientPlace)> = HashMap::new();
        for &(index, one) in alike {
            let before = match one.listen {
                None => [last, None],
                listen => [last_of.get(&listen).copied(), last_of.get(&None).copied()],
            };
            for (other, place) in before.into_iter().flatten() {
                if place.address.overlaps(&one.address) {
                    let (first, later) = (index.min(other), index.max(other));
                    let known = found.entry(later).or_insert(first);
                    *known = first.min(*known);
                }
            }
            last = Some((index, one));
            last_of.insert(one.listen, (index, one));
        }
    }
    found
}

fn shared_addresses(integrations: &[Arc<Integration>], faults: &mut Faults) {
    let (names, places): (Vec<_>, Vec<_>) = (0..)
        .zip(integrations)
        .flat_map(|(i, integration): (usize, _)| {
            (0..)
                .zip(&integration.clients)
                .map(move |(c, client): (usize, _)| {
                    let place = ClientPlace {
                        port: integration.port,
                        listen: integration.listen,
                        address: client.address,
                    };
                    ((i, c), place)
                })
        })
        .unzip();
    for (later, first) in ambiguous_clients(&places) {
        let (Some((i, c)), Some((j, d))) = (names.get(later), names.get(first)) else {
            continue;
        };
        let (Some(place), Some(other)) = (places.get(later), places.get(first)) else {
            continue;
        };
        let (address, other, port) = (place.address, other.address, place.port);
        let message = if address == other {
            format!("{address} is integrations[{j}].clients[{d}] on port {port} already")
        } else {
            format!(
                "{address} overlaps {other} of integrations[{j}].clients[{d}] on port {port}, \
                 and neither is the narrower"
            )
        };
        faults.add(format!("integrations[{i}].clients[{c}].address"), message);
    }
}

#[cfg(test)]
mod tests;
