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

/// What came of a join token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    /// The node has its certificate.
    Joined,
    /// It has another: it had this name of this token before, and was not heard of since.
    Again,
    /// There is no such token: another key has used it, it was taken back, or has expired.
    Used,
    /// The token is for any name that is free, and this one is not.
    Taken,
}

/// What a certificate is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    Expired,
    /// It was taken back, another has its place, or it was never given.
    Revoked,
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
            // One that was used stays for as long as its node is waited for.
            sqlx::query(
                "DELETE FROM join_tokens WHERE expires_at_ms <= $1 AND (redeemed_key IS NULL OR \
                 NOT EXISTS (SELECT 1 FROM node_certificates WHERE serial = redeemed_serial \
                 AND revoked_at_ms IS NULL AND not_after_ms > $1))",
            )
            .bind(signed(now_ms))
            .execute(&mut *tx)
            .await?;
            let stored = sqlx::query(
                "INSERT INTO join_tokens (id, hash, node, expires_at_ms) \
                 SELECT $1, $2, $3, $4 WHERE \
                 (SELECT count(*) FROM join_tokens WHERE redeemed_key IS NULL) < $5",
            )
            .bind(id.as_str())
            .bind(token.hash.octets().as_slice())
            .bind(token.node.as_ref().map(NodeId::as_str))
            .bind(signed(token.expires_at_ms))
            .bind(i64::try_from(JOIN_TOKENS).unwrap_or(0))
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
        self.find_join_token(id, false).await
    }

    /// A join token, also one that was used by a node that was not heard of since.
    pub(crate) async fn fetch_token_to_join(
        &self,
        id: TokenId,
    ) -> Result<Option<JoinToken>, StoreError> {
        self.find_join_token(id, true).await
    }

    async fn find_join_token(
        &self,
        id: TokenId,
        used_too: bool,
    ) -> Result<Option<JoinToken>, StoreError> {
        type Row = (Vec<u8>, Option<String>, i64);
        let name = id.to_string();
        let row: Option<Row> = reading!(self.db, "read the join token", pool => async {
            sqlx::query_as(
                "SELECT hash, node, expires_at_ms FROM join_tokens \
                 WHERE id = $1 AND (redeemed_key IS NULL OR $2)",
            )
            .bind(name.as_str())
            .bind(used_too)
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

    /// The join tokens that have not expired, by their ids.
    pub(crate) async fn list_join_tokens(&self, now_ms: u64) -> Result<Vec<JoinToken>, StoreError> {
        type Row = (String, Vec<u8>, Option<String>, i64);
        let rows: Vec<Row> = reading!(self.db, "list the join tokens", pool => async {
            sqlx::query_as(
                "SELECT id, hash, node, expires_at_ms FROM join_tokens \
                 WHERE expires_at_ms > $1 AND redeemed_key IS NULL ORDER BY id",
            )
            .bind(signed(now_ms))
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let rows = rows.into_iter();
        Ok(rows
            .filter_map(|(id, hash, node, expires)| {
                Some(JoinToken {
                    id: TokenId::read(&id)?,
                    hash: TokenHash::from_octets(&hash)?,
                    node: node.map(NodeId::new).transpose().ok()?,
                    expires_at_ms: unsigned(expires),
                })
            })
            .collect())
    }

    /// Takes a join token back. False when there is none that waits to be used; nobody is answered
    /// again with one that was.
    pub(crate) async fn delete_join_token(&self, id: TokenId) -> Result<bool, StoreError> {
        let id = id.to_string();
        let begin = self.db.begin(Alone::Certificates);
        writing!(self.db, "take the join token back", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            // That its node was not heard of is known by it still.
            sqlx::query(
                "UPDATE join_tokens SET expires_at_ms = 0 \
                 WHERE id = $1 AND redeemed_key IS NOT NULL",
            )
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
            let gone = sqlx::query("DELETE FROM join_tokens WHERE id = $1 AND redeemed_key IS NULL")
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            tx.commit().await?;
            Ok(gone > 0)
        })
    }

    /// The nodes that joined and were not heard of since, by name: the answer may have been lost.
    pub(crate) async fn list_awaited(&self) -> Result<Vec<NodeId>, StoreError> {
        let rows: Vec<String> = reading!(self.db, "list the awaited nodes", pool => async {
            sqlx::query_scalar(
                "SELECT node FROM join_tokens \
                 WHERE redeemed_key IS NOT NULL AND node IS NOT NULL",
            )
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let rows = rows.into_iter();
        let mut nodes: Vec<NodeId> = rows.filter_map(|node| NodeId::new(node).ok()).collect();
        // The column has the order of the database's language.
        nodes.sort_unstable();
        Ok(nodes)
    }

    /// Uses a join token up for a certificate of a key, of which SHA-256 is given, and revokes what
    /// the node had before. A token that is for no node in particular gives a name only that no node
    /// has. Until the node was heard of, the same key gets a certificate in place of the one before.
    pub(crate) async fn redeem_join_token(
        &self,
        id: TokenId,
        given: &GivenCertificate,
        key: &[u8; 32],
        now_ms: u64,
    ) -> Result<Redeemed, StoreError> {
        type Row = (Option<String>, Option<Vec<u8>>, Option<String>);
        let id = id.to_string();
        let begin = self.db.begin(Alone::Certificates);
        writing!(self.db, "let the node join", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let found: Option<Row> = sqlx::query_as(
                "SELECT node, redeemed_key, redeemed_serial FROM join_tokens \
                 WHERE id = $1 AND expires_at_ms > $2",
            )
            .bind(id.as_str())
            .bind(signed(now_ms))
            .fetch_optional(&mut *tx)
            .await?;
            let Some((bound, used_by, lost)) = found else {
                return Ok(Redeemed::Used);
            };
            let again = used_by.is_some();
            let same = used_by.is_none_or(|used_by| used_by == key.as_slice());
            if !same || bound.as_ref().is_some_and(|bound| bound != given.node.as_str()) {
                return Ok(Redeemed::Used);
            }
            let taken: i64 = sqlx::query_scalar(
                "SELECT (SELECT count(*) FROM nodes WHERE id = $1) + \
                 (SELECT count(*) FROM node_certificates \
                 WHERE node = $1 AND revoked_at_ms IS NULL)",
            )
            .bind(given.node.as_str())
            .fetch_one(&mut *tx)
            .await?;
            if bound.is_none() && taken > 0 {
                return Ok(Redeemed::Taken);
            }
            let marked = sqlx::query(
                "UPDATE join_tokens SET node = $1, redeemed_key = $2, redeemed_serial = $3 \
                 WHERE id = $4",
            )
            .bind(given.node.as_str())
            .bind(key.as_slice())
            .bind(given.serial.as_str())
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if marked == 0 {
                return Ok(Redeemed::Used);
            }
            sqlx::query(
                "DELETE FROM join_tokens WHERE node = $1 AND id <> $2 AND redeemed_key IS NOT NULL",
            )
            .bind(given.node.as_str())
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
            // However often it asks again, it leaves one row: the one that was lost goes.
            sqlx::query("DELETE FROM node_certificates WHERE serial = $1")
                .bind(lost)
                .execute(&mut *tx)
                .await?;
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
            Ok(if again { Redeemed::Again } else { Redeemed::Joined })
        })
    }

    /// Notes a further certificate of a node that showed this one, and forgets those that have expired
    /// and every other of the node: it has two at most. False when the one that it showed is no good
    /// any more.
    pub(crate) async fn renew_certificate(
        &self,
        shown: &str,
        given: &GivenCertificate,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let begin = self.db.begin(Alone::Certificates);
        writing!(self.db, "store the node's certificate", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let good: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM node_certificates WHERE serial = $1 AND node = $2 \
                 AND revoked_at_ms IS NULL AND not_after_ms > $3",
            )
            .bind(shown)
            .bind(given.node.as_str())
            .bind(signed(now_ms))
            .fetch_one(&mut *tx)
            .await?;
            if good == 0 {
                return Ok(false);
            }
            sqlx::query(
                "DELETE FROM node_certificates \
                 WHERE not_after_ms <= $1 OR (node = $2 AND serial <> $3)",
            )
            .bind(signed(now_ms))
            .bind(given.node.as_str())
            .bind(shown)
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

    /// What a certificate that this node shows is worth now.
    pub(crate) async fn fetch_standing(
        &self,
        serial: &str,
        node: &NodeId,
        now_ms: u64,
    ) -> Result<Standing, StoreError> {
        let ends: Option<i64> = reading!(self.db, "look up the node's certificate", pool => async {
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
        Ok(match ends {
            None => Standing::Revoked,
            Some(ends) if unsigned(ends) <= now_ms => Standing::Expired,
            Some(_) => Standing::Good,
        })
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

    /// Revokes what a node has, join tokens for it among that, and forgets it. Gives whether there was
    /// anything of it.
    pub(crate) async fn remove_node(&self, node: &NodeId, now_ms: u64) -> Result<bool, StoreError> {
        let begin = self.db.begin(Alone::Certificates);
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
            sqlx::query("DELETE FROM join_tokens WHERE node = $1")
                .bind(node.as_str())
                .execute(&mut *tx)
                .await?;
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
pub(crate) const JOIN_TOKENS: usize = 1_000;
