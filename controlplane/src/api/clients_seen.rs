//! `/clients/seen`: which clients sent requests, and whether a Message-Authenticator can be required
//! of them (CVE-2024-3596).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::Method;
use proto::address::AddressRange;
use proto::config::raw;
use proto::id::IntegrationId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::Problem;
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{SeenClient, unsigned_since};

/// Its route.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/clients/seen", get(list))
}

/// What the OpenAPI document says of it.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "clients",
        "Who sends requests, and whether they are signed.",
        &[],
    );
    api.route(
        &Method::GET,
        "/clients/seen",
        "listSeenClients",
        "Clients that were seen",
    )
    .about(
        "By integration and source address, from the events of data planes. A request that is not \
         believed has no event: where `message_authenticator` is `require`, those without one are \
         only in the data plane's log. Who was not seen for 90 days is forgotten.",
    )
    .lists::<SeenFilter, ClientSeen>(ORDERS);
}

/// A client that sent requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ClientSeen {
    /// The integration that it asks.
    pub(crate) integration: IntegrationId,
    /// Its address.
    pub(crate) address: IpAddr,
    /// The integration's client that it is now, as `address` of the configuration; none when it is
    /// none any more.
    pub(crate) client: Option<String>,
    /// When a request of it last had a Message-Authenticator: milliseconds since 1970, UTC. None when
    /// none had.
    pub(crate) last_signed_ms: Option<u64>,
    /// When a request of it was last without one; none when none was.
    pub(crate) last_unsigned_ms: Option<u64>,
    /// Whether a Message-Authenticator can be required of it: requests with one were seen, and none
    /// without one in the last 7 days.
    pub(crate) ready: bool,
}

/// Which clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SeenFilter {
    /// That ask this integration.
    integration: Option<IntegrationId>,
    /// `true`: those that are not ready. `false`: those that are.
    unsigned: Option<bool>,
}

async fn list(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<SeenFilter>,
) -> Result<Json<Page<ClientSeen>>, Problem> {
    let seen = app.store.list_seen_clients(filter.integration.as_ref());
    let seen = seen.await.map_err(|error| Problem::internal(&error))?;
    let since = unsigned_since(now_ms());
    let shown = seen.into_iter().map(|one| shown(one, since));
    let wanted = shown.filter(|one| filter.unsigned.is_none_or(|unsigned| one.ready != unsigned));
    let listed = wanted.map(|one| Listed {
        id: format!("{} {}", one.integration, one.address),
        texts: vec![one.integration.to_string(), one.address.to_string()],
        item: one,
    });
    let mut page = ask.page(listed, ORDERS)?;
    let newest = app.newest();
    for one in &mut page.items {
        one.client = configured(&newest, &one.integration, one.address);
    }
    Ok(Json(page))
}

fn shown(seen: SeenClient, since: u64) -> ClientSeen {
    ClientSeen {
        ready: seen.is_ready(since),
        integration: seen.integration,
        address: seen.address,
        client: None,
        last_signed_ms: seen.last_signed_ms,
        last_unsigned_ms: seen.last_unsigned_ms,
    }
}

/// The client of the smallest range that holds an address, as a data plane takes it.
fn configured(
    snapshot: &raw::Snapshot,
    integration: &IntegrationId,
    address: IpAddr,
) -> Option<String> {
    let mut integrations = snapshot.integrations.iter();
    let found = integrations.find(|one| one.id == integration.as_str())?;
    let ranges = found.clients.iter().filter_map(|client| {
        let range: AddressRange = client.address.parse().ok()?;
        range.contains(address).then_some((range.span(), client))
    });
    let (_, client) = ranges.min_by_key(|(span, _)| *span)?;
    Some(client.address.clone())
}

const ORDERS: Orders<ClientSeen> = &[
    ("integration", |one| one.integration.to_string()),
    ("address", |one| match one.address {
        IpAddr::V4(address) => format!("4 {:08x}", address.to_bits()),
        IpAddr::V6(address) => format!("6 {:032x}", address.to_bits()),
    }),
    ("last_unsigned_ms", |one| {
        padded(one.last_unsigned_ms.unwrap_or_default())
    }),
    ("last_signed_ms", |one| {
        padded(one.last_signed_ms.unwrap_or_default())
    }),
];
