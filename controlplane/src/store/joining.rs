//! Rows of `join_tokens`, `node_certificates` and `drained_nodes`.

use proto::id::NodeId;

use super::engine::{Alone, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};
use crate::access::token::{TokenHash, TokenId};

/// A join token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinToken {
    pub(crate) id: TokenId,
    pub(crate) hash: TokenHash,
    /// The name that it is for; none is for any that is free.
    pub(crate) node: Option<NodeId>,
    pub(crate) expires_at_ms: u64,
}

/// A certificate that was given to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenCertificate {
    /// In hexadecimal digits.
    pub(crate) serial: String,
    pub(crate) node: NodeId,
    pub(crate) not_after_ms: u64,
}

impl Store {
    /// Keeps a join token, and forgets those that have expired. False when there are too many.
    pub(crate) async fn insert_join_token(
        &self,
        token: &JoinToken,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let id = token.id.to_string();
        let begin = self.db.begin(Alone::No);
        writing!(self.db, "store the join token", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            sqlx::query("DELETE FROM join_tokens WHERE expires_at_ms <= $1")
                .bind(signed(now_ms))
                .execute(&mut *tx)
                .await?;
            let stored = sqlx::query(
                "INSERT INTO join_tokens (id, hash, node, expires_at_ms) \
                 SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM join_tokens) < $5",
            )
            .bind(id.as_str())
            .bind(token.hash.octets().as_slice())
            .bind(token.node.as_ref().map(NodeId::as_str))
            .bind(signed(token.expires_at_ms))
            .bind(JOIN_TOKENS)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(stored > 0)
        })
    }

    /// A join token; none when it was used or never was.
    pub(crate) async fn fetch_join_token(
        &self,
        id: TokenId,
    ) -> Result<Option<JoinToken>, StoreError> {
        type Row = (Vec<u8>, Option<String>, i64);
        let name = id.to_string();
        let row: Option<Row> = reading!(self.db, "read the join token", pool => async {
            sqlx::query_as("SELECT hash, node, expires_at_ms FROM join_tokens WHERE id = $1")
                .bind(name.as_str())
                .fetch_optional(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        Ok(row.and_then(|(hash, node, expires)| {
            Some(JoinToken {
                id,
                hash: TokenHash::from_octets(&hash)?,
                node: node.map(NodeId::new).transpose().ok()?,
                expires_at_ms: unsigned(expires),
            })
        }))
    }

    /// Uses a join token up for a certificate, and revokes what the node had before. False when
    /// another was faster.
    pub(crate) async fn redeem_join_token(
        &self,
        id: TokenId,
        given: &GivenCertificate,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let id = id.to_string();
        let begin = self.db.begin(Alone::No);
        writing!(self.db, "let the node join", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let used = sqlx::query("DELETE FROM join_tokens WHERE id = $1")
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if used == 0 {
                return Ok(false);
            }
            sqlx::query(
                "UPDATE node_certificates SET revoked_at_ms = $1 \
                 WHERE node = $2 AND revoked_at_ms IS NULL",
            )
            .bind(signed(now_ms))
            .bind(given.node.as_str())
            .execute(&mut *tx)
            .await?;
            sqlx::query(INSERT_CERTIFICATE)
                .bind(given.serial.as_str())
                .bind(given.node.as_str())
                .bind(signed(given.not_after_ms))
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// Notes a further certificate of a node, and forgets those that have expired.
    pub(crate) async fn insert_certificate(
        &self,
        given: &GivenCertificate,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let begin = self.db.begin(Alone::No);
        writing!(self.db, "store the node's certificate", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            sqlx::query("DELETE FROM node_certificates WHERE not_after_ms <= $1")
                .bind(signed(now_ms))
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_CERTIFICATE)
                .bind(given.serial.as_str())
                .bind(given.node.as_str())
                .bind(signed(given.not_after_ms))
                .execute(&mut *tx)
                .await?;
            tx.commit().await.map_err(Fault::Sql)
        })
    }

    /// Whether a certificate was given to this node and not revoked.
    pub(crate) async fn is_certificate_good(
        &self,
        serial: &str,
        node: &NodeId,
    ) -> Result<bool, StoreError> {
        let good: Option<i64> = reading!(self.db, "look up the node's certificate", pool => async {
            sqlx::query_scalar(
                "SELECT not_after_ms FROM node_certificates \
                 WHERE serial = $1 AND node = $2 AND revoked_at_ms IS NULL",
            )
            .bind(serial)
            .bind(node.as_str())
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        Ok(good.is_some())
    }

    /// Until when each node has a certificate that is not revoked, by name.
    pub(crate) async fn list_certificates(&self) -> Result<Vec<(NodeId, u64)>, StoreError> {
        let rows: Vec<(String, i64)> = reading!(self.db, "list the certificates", pool => async {
            sqlx::query_as(
                "SELECT node, max(not_after_ms) FROM node_certificates \
                 WHERE revoked_at_ms IS NULL GROUP BY node ORDER BY node",
            )
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let rows = rows.into_iter();
        Ok(rows
            .filter_map(|(node, until)| Some((NodeId::new(node).ok()?, unsigned(until))))
            .collect())
    }

    /// Revokes what a node has and forgets it. Gives whether there was anything of it.
    pub(crate) async fn remove_node(&self, node: &NodeId, now_ms: u64) -> Result<bool, StoreError> {
        let begin = self.db.begin(Alone::No);
        writing!(self.db, "remove the node", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let revoked = sqlx::query(
                "UPDATE node_certificates SET revoked_at_ms = $1 \
                 WHERE node = $2 AND revoked_at_ms IS NULL",
            )
            .bind(signed(now_ms))
            .bind(node.as_str())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            sqlx::query("DELETE FROM drained_nodes WHERE node = $1")
                .bind(node.as_str())
                .execute(&mut *tx)
                .await?;
            let known = sqlx::query("DELETE FROM nodes WHERE id = $1")
                .bind(node.as_str())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            tx.commit().await?;
            Ok(revoked + known > 0)
        })
    }

    /// Notes whether a node shall take new logins.
    pub(crate) async fn set_drained(
        &self,
        node: &NodeId,
        drain: bool,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        writing!(self.db, "drain the node", pool => async {
            match drain {
                true => {
                    sqlx::query(
                        "INSERT INTO drained_nodes (node, since_ms) VALUES ($1, $2) \
                         ON CONFLICT (node) DO NOTHING",
                    )
                    .bind(node.as_str())
                    .bind(signed(now_ms))
                    .execute(pool)
                    .await
                }
                false => {
                    sqlx::query("DELETE FROM drained_nodes WHERE node = $1")
                        .bind(node.as_str())
                        .execute(pool)
                        .await
                }
            }
            .map(drop)
            .map_err(Fault::Sql)
        })
    }

    /// The nodes that shall take no new logins, by name.
    pub(crate) async fn list_drained(&self) -> Result<Vec<NodeId>, StoreError> {
        let rows: Vec<String> = reading!(self.db, "list the drained nodes", pool => async {
            sqlx::query_scalar("SELECT node FROM drained_nodes ORDER BY node")
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        let rows = rows.into_iter();
        Ok(rows.filter_map(|node| NodeId::new(node).ok()).collect())
    }
}

const INSERT_CERTIFICATE: &str =
    "INSERT INTO node_certificates (serial, node, not_after_ms) VALUES ($1, $2, $3)";
/// The most join tokens that wait to be used.
const JOIN_TOKENS: i64 = 1_000;
