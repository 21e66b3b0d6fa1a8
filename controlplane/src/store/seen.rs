//! Rows of `seen_clients`: which clients sent requests, with a Message-Authenticator and without one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proto::event::AuthEvent;
use proto::id::IntegrationId;

use super::engine::{Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};

/// A client that sent requests to an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenClient {
    pub(crate) integration: IntegrationId,
    pub(crate) address: IpAddr,
    /// When a request of it last had a Message-Authenticator.
    pub(crate) last_signed_ms: Option<u64>,
    /// When a request of it was last without one.
    pub(crate) last_unsigned_ms: Option<u64>,
}

impl SeenClient {
    /// Whether one can be required of it: some of its requests had one, and none was without one after
    /// `since`, which is [`unsigned_since`].
    pub(crate) fn is_ready(&self, since: u64) -> bool {
        self.last_signed_ms.is_some() && self.last_unsigned_ms.is_none_or(|at| at <= since)
    }
}

/// What is older than this does not count against a client.
pub(crate) const fn unsigned_since(now_ms: u64) -> u64 {
    now_ms.saturating_sub(UNSIGNED_COUNTS_MS)
}

/// What a batch of events says of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signing {
    signed_ms: Option<i64>,
    unsigned_ms: Option<i64>,
}

/// What events say of clients, each client once. Tests, and data planes that do not say, say nothing.
pub(super) fn told<'a>(
    events: impl Iterator<Item = &'a AuthEvent>,
) -> BTreeMap<(&'a str, String), Signing> {
    let mut clients: BTreeMap<_, Signing> = BTreeMap::new();
    for event in events.filter(|event| !event.test) {
        let Some(is_signed) = event.signed else {
            continue;
        };
        let address = event.client.ip().to_canonical().to_string();
        let client = clients.entry((event.integration.as_str(), address));
        let client = client.or_default();
        let at = match is_signed {
            true => &mut client.signed_ms,
            false => &mut client.unsigned_ms,
        };
        *at = (*at).max(Some(signed(event.at_ms)));
    }
    clients
}

impl Signing {
    /// In the order of [`NOTE`], behind integration and address.
    pub(super) fn values(self) -> (Option<i64>, Option<i64>, i64) {
        let seen = self.signed_ms.max(self.unsigned_ms);
        (self.signed_ms, self.unsigned_ms, seen.unwrap_or_default())
    }
}

/// Notes what was told of a client. What is older than what is known changes nothing.
pub(super) const NOTE: &str = "INSERT INTO seen_clients \
     (integration, address, last_signed_ms, last_unsigned_ms, last_seen_ms) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (integration, address) DO UPDATE SET \
     last_signed_ms = CASE WHEN seen_clients.last_signed_ms > excluded.last_signed_ms \
     THEN seen_clients.last_signed_ms \
     ELSE coalesce(excluded.last_signed_ms, seen_clients.last_signed_ms) END, \
     last_unsigned_ms = CASE WHEN seen_clients.last_unsigned_ms > excluded.last_unsigned_ms \
     THEN seen_clients.last_unsigned_ms \
     ELSE coalesce(excluded.last_unsigned_ms, seen_clients.last_unsigned_ms) END, \
     last_seen_ms = CASE WHEN seen_clients.last_seen_ms > excluded.last_seen_ms \
     THEN seen_clients.last_seen_ms ELSE excluded.last_seen_ms END";

/// Whether one is known.
pub(super) const KNOWN: &str = "SELECT 1 FROM seen_clients WHERE integration = $1 AND address = $2";

/// Forgets those that were not seen for the longest time, beyond a number of them.
pub(super) const MAKE_ROOM: &str = "DELETE FROM seen_clients WHERE (integration, address) IN \
     (SELECT integration, address FROM seen_clients \
     ORDER BY last_seen_ms DESC LIMIT $1 OFFSET $2)";

impl Store {
    /// All of them, or those of one integration, by integration and address.
    pub(crate) async fn list_seen_clients(
        &self,
        integration: Option<&IntegrationId>,
    ) -> Result<Vec<SeenClient>, StoreError> {
        let integration = integration.map_or("", IntegrationId::as_str);
        let rows: Vec<Row> = reading!(self.db, "list the clients that were seen", pool => async {
            sqlx::query_as(
                "SELECT integration, address, last_signed_ms, last_unsigned_ms FROM seen_clients \
                 WHERE integration = $1 OR $1 = '' ORDER BY integration, address",
            )
            .bind(integration)
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        Ok(rows.into_iter().filter_map(seen).collect())
    }

    /// How many are not ready, and those of them that were last without a Message-Authenticator, at
    /// most `limit`. `since` is [`unsigned_since`].
    pub(crate) async fn list_unsigned_clients(
        &self,
        since: u64,
        limit: u32,
    ) -> Result<(u64, Vec<SeenClient>), StoreError> {
        let what = "list the clients that do not sign";
        let (count, rows): (i64, Vec<Row>) = reading!(self.db, what, pool => async {
            let count = sqlx::query_scalar(
                "SELECT count(*) FROM seen_clients \
                 WHERE last_signed_ms IS NULL OR last_unsigned_ms > $1",
            );
            let count = count.bind(signed(since)).fetch_one(pool).await?;
            let rows = sqlx::query_as(
                "SELECT integration, address, last_signed_ms, last_unsigned_ms FROM seen_clients \
                 WHERE last_signed_ms IS NULL OR last_unsigned_ms > $1 \
                 ORDER BY last_unsigned_ms DESC, integration, address LIMIT $2",
            );
            let rows = rows.bind(signed(since)).bind(i64::from(limit));
            Ok((count, rows.fetch_all(pool).await?))
        })?;
        Ok((unsigned(count), rows.into_iter().filter_map(seen).collect()))
    }

    /// Forgets those that were not seen since. Gives how many.
    pub(crate) async fn delete_clients_before(&self, at_ms: u64) -> Result<u64, StoreError> {
        writing!(self.db, "forget clients", pool => async {
            sqlx::query("DELETE FROM seen_clients WHERE last_seen_ms < $1")
                .bind(signed(at_ms))
                .execute(pool)
                .await
                .map(|done| done.rows_affected())
                .map_err(Fault::Sql)
        })
    }
}

type Row = (String, String, Option<i64>, Option<i64>);

fn seen((integration, address, signed_ms, unsigned_ms): Row) -> Option<SeenClient> {
    Some(SeenClient {
        integration: IntegrationId::new(integration).ok()?,
        address: address.parse().ok()?,
        last_signed_ms: signed_ms.map(unsigned),
        last_unsigned_ms: unsigned_ms.map(unsigned),
    })
}

/// How many are kept.
pub(super) const SEEN_CLIENTS: i64 = 10_000;
/// How many more may come with one transaction, and are forgotten with it.
pub(super) const SURPLUS: i64 = 100_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const UNSIGNED_COUNTS_MS: u64 = 7 * DAY_MS;
/// Who was not seen for so long is forgotten.
pub(crate) const CLIENTS_FORGOTTEN_MS: u64 = 90 * DAY_MS;
