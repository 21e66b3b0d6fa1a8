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
    AttributeType, DirectoryAuth, FactorChoice, FailMode, MessageAuthenticator, Mode,
    PasswordCodec, PromptFormat, TlsVersion, Transport,
};
pub use fault::{Fault, Faults};
pub use integration::{
    Append, Application, AttributeRef, Client, Eap, Integration, PassThrough, Prompt,
};
pub use raw::{Host, HttpProxy, Settings};

use std::collections::HashMap;
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

/// One client address may stand once on a port: otherwise the secret to use is a guess.
fn shared_addresses(integrations: &[Arc<Integration>], faults: &mut Faults) {
    let mut by_port: HashMap<(u16, AddressRange), Vec<(usize, usize)>> = HashMap::new();
    for (i, integration) in integrations.iter().enumerate() {
        for (c, client) in integration.clients.iter().enumerate() {
            let seen = by_port
                .entry((integration.port, client.address))
                .or_default();
            let taken = seen.iter().find(|(other, _)| {
                integrations.get(*other).is_some_and(|o| {
                    o.listen.is_none()
                        || integration.listen.is_none()
                        || o.listen == integration.listen
                })
            });
            if let Some((other, first)) = taken {
                faults.add(
                    format!("integrations[{i}].clients[{c}].address"),
                    format!(
                        "{} is integrations[{other}].clients[{first}] on port {} already",
                        client.address, integration.port
                    ),
                );
            }
            seen.push((i, c));
        }
    }
}

#[cfg(test)]
mod tests;
