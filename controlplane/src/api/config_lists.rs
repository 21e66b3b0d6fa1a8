//! Lists of what a configuration consists of: what each can be narrowed and ordered by.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proto::address::AddressRange;
use proto::config::{FailMode, MessageAuthenticator, Mode, raw};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::extract::Named;
use super::page::{Ask, Asked, Listed, Orders, Page, padded};
use super::problem::{Kind, Problem};
use super::resource::Part;
use crate::app::App;

/// Which integrations.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IntegrationFilter {
    /// Of this mode.
    mode: Option<Mode>,
    /// On this UDP port.
    port: Option<u16>,
    /// Whose passwords this authenticator checks.
    authenticator: Option<String>,
    /// With a client that has this address.
    client: Option<IpAddr>,
    /// With this fail mode.
    fail_mode: Option<FailMode>,
    /// With the built-in second factor, or with another.
    builtin: Option<bool>,
}

impl IntegrationFilter {
    fn matches(&self, one: &raw::Integration) -> bool {
        let named = self.authenticator.as_deref();
        is(self.mode, one.mode)
            && is(self.port, one.port)
            && is(self.fail_mode, one.fail_mode)
            && named.is_none_or(|name| one.authenticator.as_deref() == Some(name))
            && is(self.builtin, one.application.pinned_ca.is_some())
            && self
                .client
                .is_none_or(|client| one.clients.iter().any(|one| has(one, client)))
    }
}

/// Which clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientFilter {
    /// That have this address.
    address: Option<IpAddr>,
    /// Of which this is asked.
    message_authenticator: Option<MessageAuthenticator>,
}

/// Which authenticators.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthenticatorFilter {
    /// Of this kind.
    kind: Option<AuthenticatorKind>,
    /// That ask this host, by its name or address.
    host: Option<String>,
}

/// A kind of authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AuthenticatorKind {
    DuoOnly,
    Radius,
    Ad,
}

impl AuthenticatorFilter {
    fn matches(&self, one: &raw::Authenticator) -> bool {
        let (kind, hosts) = match &one.kind {
            raw::AuthenticatorKind::DuoOnly => (AuthenticatorKind::DuoOnly, [].as_slice()),
            raw::AuthenticatorKind::Radius(it) => (AuthenticatorKind::Radius, it.hosts.as_slice()),
            raw::AuthenticatorKind::Ad(it) => (AuthenticatorKind::Ad, it.hosts.as_slice()),
        };
        let wanted = self.host.as_deref();
        is(self.kind, kind)
            && wanted.is_none_or(|host| hosts.iter().any(|one| one.name.eq_ignore_ascii_case(host)))
    }
}

fn is<T: PartialEq + Copy>(wanted: Option<T>, found: T) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

fn has(client: &raw::Client, address: IpAddr) -> bool {
    let range = client.address.parse();
    range.is_ok_and(|range: AddressRange| range.contains(address))
}

pub(super) const INTEGRATIONS: Orders<Value> = &[
    ("id", |one| text(one, "id")),
    ("mode", |one| text(one, "mode")),
    ("port", |one| number(one, "port")),
    ("authenticator", |one| text(one, "authenticator")),
    ("fail_mode", |one| text(one, "fail_mode")),
];
pub(super) const CLIENTS: Orders<Value> = &[
    ("address", |one| {
        let range = text(one, "address").parse().ok();
        range.map_or_else(String::new, |range: AddressRange| match range.first() {
            IpAddr::V4(first) => format!("4{}", padded(u32::from(first))),
            IpAddr::V6(first) => format!("6{:039}", u128::from(first)),
        })
    }),
    ("message_authenticator", |one| {
        text(one, "message_authenticator")
    }),
];
pub(super) const AUTHENTICATORS: Orders<Value> = &[
    ("id", |one| text(one, "id")),
    ("kind", |one| {
        let kind = one.get("kind");
        let first = kind
            .and_then(Value::as_object)
            .and_then(|kind| kind.keys().next());
        first.cloned().unwrap_or_else(|| text(one, "kind"))
    }),
];

fn text(one: &Value, field: &str) -> String {
    let value = one.get(field).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

fn number(one: &Value, field: &str) -> String {
    padded(one.get(field).and_then(Value::as_u64).unwrap_or(0))
}

pub(super) async fn integrations(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<IntegrationFilter>,
) -> Result<Json<Page<Value>>, Problem> {
    let snapshot = app.newest();
    let found = snapshot
        .integrations
        .iter()
        .filter(|one| filter.matches(one));
    let found = found.map(|one| {
        let mut texts = vec![one.id.clone(), one.mode.to_string(), one.port.to_string()];
        texts.extend(one.authenticator.clone());
        texts.extend(one.clients.iter().map(|one| one.address.clone()));
        (Part::Integration(one.id.clone()), texts)
    });
    list(&app, &snapshot, &ask, INTEGRATIONS, found)
}

pub(super) async fn authenticators(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<AuthenticatorFilter>,
) -> Result<Json<Page<Value>>, Problem> {
    let snapshot = app.newest();
    let found = snapshot
        .authenticators
        .iter()
        .filter(|one| filter.matches(one));
    let found = found.map(|one| (Part::Authenticator(one.id.clone()), vec![one.id.clone()]));
    list(&app, &snapshot, &ask, AUTHENTICATORS, found)
}

pub(super) async fn clients(
    State(app): State<Arc<App>>,
    Named(id): Named<String>,
    Asked(ask, filter): Asked<ClientFilter>,
) -> Result<Json<Page<Value>>, Problem> {
    let snapshot = app.newest();
    let found = snapshot.integrations.iter().find(|one| one.id == id);
    let Some(found) = found else {
        let detail = format!("there is no integration '{id}'");
        return Err(Problem::new(Kind::NotFound, detail));
    };
    let found = found.clients.iter().filter(|one| {
        is(filter.message_authenticator, one.message_authenticator)
            && filter.address.is_none_or(|address| has(one, address))
    });
    let found = found.map(|one| {
        let part = Part::Client {
            integration: id.clone(),
            address: one.address.clone(),
        };
        (part, vec![one.address.clone()])
    });
    list(&app, &snapshot, &ask, CLIENTS, found)
}

/// What a part is found by comes first among its texts: its own name.
fn list(
    app: &App,
    snapshot: &raw::Snapshot,
    ask: &Ask,
    orders: Orders<Value>,
    parts: impl Iterator<Item = (Part, Vec<String>)>,
) -> Result<Json<Page<Value>>, Problem> {
    let items = parts.filter_map(|(part, texts)| {
        let (mut item, _) = part.show(snapshot, &app.fingerprints)?;
        app.date(&mut item);
        let id = texts.first().cloned().unwrap_or_default();
        Some(Listed { id, texts, item })
    });
    ask.page(items, orders).map(Json)
}
