//! `/clients/seen`: which clients sent requests, and whether a Message-Authenticator can be required
//! of them (CVE-2024-3596).

use std::collections::{HashMap, HashSet};
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
use crate::edit::aside;
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
    /// Whether a Message-Authenticator can be required of the configured client that it is of: of each
    /// address of it that was seen, this one among them, requests with one were seen, and none without
    /// one in the last 7 days. Of an address that is of no client it is told for itself.
    pub(crate) ready: bool,
}

/// Which clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SeenFilter {
    /// That ask this integration.
    integration: Option<IntegrationId>,
    /// `true`: those that themselves sent none with a Message-Authenticator, or one without it in the last
    /// 7 days. `false`: the others, which are not `ready` while another address of their client is among
    /// the first.
    unsigned: Option<bool>,
}

async fn list(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<SeenFilter>,
) -> Result<Json<Page<ClientSeen>>, Problem> {
    let seen = app.store.list_seen_clients(filter.integration.as_ref());
    let seen = seen.await.map_err(|error| Problem::internal(&error))?;
    let since = unsigned_since(now_ms());
    let newest = app.newest();
    let shown = aside(move || Ok(shown(seen, &configured(&newest), since))).await?;
    let wanted = shown.into_iter().filter(|(_, signs)| {
        let wanted = filter.unsigned.map(|unsigned| !unsigned);
        wanted.is_none_or(|wanted| *signs == wanted)
    });
    let listed = wanted.map(|(one, _)| Listed {
        id: format!("{} {}", one.integration, one.address),
        texts: vec![one.integration.to_string(), one.address.to_string()],
        item: one,
    });
    Ok(Json(ask.page(listed, ORDERS)?))
}

/// All that were seen, and whether each signs for itself.
fn shown(seen: Vec<SeenClient>, clients: &Clients<'_>, since: u64) -> Vec<(ClientSeen, bool)> {
    let client_of = |one: &SeenClient| {
        let ranges = clients.get(one.integration.as_str())?;
        // The smallest that holds an address, as a data plane takes it.
        let mut holding = ranges
            .iter()
            .filter(|(range, _)| range.contains(one.address));
        Some(holding.next()?.1)
    };
    let of: Vec<Option<&str>> = seen.iter().map(client_of).collect();
    let unready: HashSet<(String, &str)> = seen
        .iter()
        .zip(&of)
        .filter(|(one, _)| !one.is_ready(since))
        .filter_map(|(one, client)| Some((one.integration.to_string(), (*client)?)))
        .collect();
    let told = seen.into_iter().zip(of).map(|(one, client)| {
        let signs = one.is_ready(since);
        let another =
            client.is_some_and(|client| unready.contains(&(one.integration.to_string(), client)));
        let shown = ClientSeen {
            ready: signs && !another,
            integration: one.integration,
            address: one.address,
            client: client.map(str::to_owned),
            last_signed_ms: one.last_signed_ms,
            last_unsigned_ms: one.last_unsigned_ms,
        };
        (shown, signs)
    });
    told.collect()
}

/// The ranges of the clients of each integration as they are written, the smallest first.
type Clients<'a> = HashMap<&'a str, Vec<(AddressRange, &'a str)>>;

fn configured(snapshot: &raw::Snapshot) -> Clients<'_> {
    let mut all = HashMap::new();
    for one in &snapshot.integrations {
        let parsed = one.clients.iter().filter_map(|client| {
            let range: AddressRange = client.address.parse().ok()?;
            Some((range, client.address.as_str()))
        });
        let mut ranges: Vec<_> = parsed.collect();
        ranges.sort_by_key(|(range, _)| range.span());
        all.insert(one.id.as_str(), ranges);
    }
    all
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ready_once_all_of_its_client_are() {
        let of = |addresses: &[&'static str]| {
            let ranges = addresses.iter().map(|one| (one.parse().unwrap(), *one));
            ranges.collect::<Vec<(AddressRange, &str)>>()
        };
        let clients = HashMap::from([
            ("vpn", of(&["10.1.1.1", "10.1.0.0/16", "10.0.0.0/8"])),
            ("wlan", of(&["10.0.0.0/8"])),
        ]);
        let all = [
            ("vpn", "10.0.0.1", true, false),
            ("vpn", "10.1.0.1", true, true),
            ("vpn", "10.1.1.1", false, false),
            ("vpn", "10.2.0.1", false, false),
            ("vpn", "192.0.2.1", true, true),
            ("vpn", "192.0.2.2", false, false),
            ("wlan", "10.0.0.1", true, true),
            ("gone", "10.0.0.1", true, true),
        ];
        let seen = all
            .iter()
            .map(|(integration, address, signs, _)| SeenClient {
                integration: IntegrationId::new((*integration).to_owned()).unwrap(),
                address: address.parse().unwrap(),
                last_signed_ms: signs.then_some(9),
                last_unsigned_ms: (!signs).then_some(9),
            });
        let told = shown(seen.collect(), &clients, 5);
        for ((one, signs), want) in told.iter().zip(all) {
            assert_eq!((*signs, one.ready), (want.2, want.3), "{want:?}");
        }
        assert_eq!(told[1].0.client.as_deref(), Some("10.1.0.0/16"));
        assert_eq!(told[4].0.client, None);
    }
}
