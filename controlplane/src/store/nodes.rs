//! Rows of `nodes` and `acknowledgements`.

use proto::id::{NodeId, Revision};
use proto::rpc::{NodeStatus, Verdict};
use sqlx::QueryBuilder;

use super::engine::{Alone, Db, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError, unreadable};
use crate::nodes::NODES;

/// Stores that a node was heard of, and forgets the one that was not for the longest when there are
/// too many. Inside the body of `writing!`: a function would have to be written for each engine.
macro_rules! upsert {
    ($tx:expr, $id:expr, $at_ms:expr, $status:expr) => {
        sqlx::query(
            "INSERT INTO nodes (id, last_seen_ms, status) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET last_seen_ms = excluded.last_seen_ms, \
             status = coalesce(excluded.status, nodes.status)",
        )
        .bind($id.as_str())
        .bind(signed($at_ms))
        .bind($status)
        .execute(&mut *$tx)
        .await?;
        sqlx::query(
            "DELETE FROM nodes WHERE id NOT IN \
             (SELECT id FROM nodes ORDER BY id = $1 DESC, last_seen_ms DESC LIMIT $2)",
        )
        .bind($id.as_str())
        .bind(i64::try_from(NODES).unwrap_or(i64::MAX))
        .execute(&mut *$tx)
        .await?;
    };
}

/// Whether a certificate still is the node's, inside the body of `writing!`; a node of the machine has
/// none and needs none.
macro_rules! stays {
    ($tx:expr, $id:expr, $certificate:expr) => {
        match $certificate {
            None => true,
            Some(serial) => {
                let good: i64 = sqlx::query_scalar(
                    "SELECT count(*) FROM node_certificates \
                     WHERE serial = $1 AND node = $2 AND revoked_at_ms IS NULL",
                )
                .bind(serial)
                .bind($id.as_str())
                .fetch_one(&mut *$tx)
                .await?;
                if good > 0 {
                    // It has what it was given when it joined: nobody is answered again.
                    sqlx::query(
                        "DELETE FROM join_tokens WHERE node = $1 AND redeemed_key IS NOT NULL",
                    )
                    .bind($id.as_str())
                    .execute(&mut *$tx)
                    .await?;
                }
                good > 0
            }
        }
    };
}

/// What came of a node's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    Stored,
    /// There is no such revision.
    NoSuchRevision,
    /// Its certificate was taken back: nothing is kept of it.
    Removed,
}

/// A node as it was stored.
#[derive(Debug, PartialEq)]
pub(crate) struct NodeRow {
    pub(crate) id: NodeId,
    pub(crate) last_seen_ms: u64,
    pub(crate) status: Option<NodeStatus>,
    /// Its verdict on the newest revision that it answered, and when.
    pub(crate) last: Option<(Revision, Verdict, u64)>,
}

impl Store {
    /// Whether other control planes may have the same database.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self.db, Db::Postgres(_))
    }

    /// Stores a node's status, unless the certificate that it showed was taken back meanwhile.
    pub(crate) async fn upsert_node(
        &self,
        id: &NodeId,
        certificate: Option<&str>,
        at_ms: u64,
        status: Option<&NodeStatus>,
    ) -> Result<Noted, StoreError> {
        let status = status
            .map(serde_json::to_string)
            .transpose()
            .map_err(unreadable("status"))?;
        let begin = self.db.begin(Alone::WithCertificates);
        writing!(self.db, "store the node", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            if !stays!(tx, id, certificate) {
                return Ok(Noted::Removed);
            }
            upsert!(tx, id, at_ms, status.as_deref());
            tx.commit().await?;
            Ok(Noted::Stored)
        })
    }

    /// Stores a node's verdict, unless the certificate that it showed was taken back meanwhile.
    pub(crate) async fn upsert_acknowledgement(
        &self,
        id: &NodeId,
        certificate: Option<&str>,
        revision: Revision,
        verdict: &Verdict,
        at_ms: u64,
    ) -> Result<Noted, StoreError> {
        let kind = match verdict {
            Verdict::Applied => APPLIED,
            Verdict::Refused { .. } => "refused",
        };
        let verdict = serde_json::to_string(verdict).map_err(unreadable("verdict"))?;
        let begin = self.db.begin(Alone::WithCertificates);
        writing!(self.db, "store the verdict", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            if !stays!(tx, id, certificate) {
                return Ok(Noted::Removed);
            }
            upsert!(tx, id, at_ms, None::<&str>);
            let stored = sqlx::query(
                "INSERT INTO acknowledgements (node, revision, verdict, kind, at_ms) \
                 SELECT $1, number, $2, $3, $4 FROM revisions WHERE number = $5 \
                 ON CONFLICT (node, revision) DO UPDATE SET \
                 verdict = excluded.verdict, kind = excluded.kind, at_ms = excluded.at_ms",
            )
            .bind(id.as_str())
            .bind(verdict.as_str())
            .bind(kind)
            .bind(signed(at_ms))
            .bind(signed(revision.0))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(match stored {
                0 => Noted::NoSuchRevision,
                _ => Noted::Stored,
            })
        })
    }

    /// What each node said of a revision, and when, by the nodes' names.
    pub(crate) async fn list_verdicts(
        &self,
        revision: Revision,
    ) -> Result<Vec<(NodeId, Verdict, u64)>, StoreError> {
        let rows: Vec<(String, String, i64)> = reading!(self.db, "list verdicts", pool => async {
            sqlx::query_as(
                "SELECT node, verdict, at_ms FROM acknowledgements WHERE revision = $1 \
                 ORDER BY node",
            )
            .bind(signed(revision.0))
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        rows.into_iter()
            .filter_map(|(node, verdict, at_ms)| {
                let node = NodeId::new(&node).ok()?;
                let verdict = serde_json::from_str(&verdict).map_err(unreadable("verdict"));
                Some(verdict.map(|verdict| (node, verdict, unsigned(at_ms))))
            })
            .collect()
    }

    /// When each node was last heard of.
    pub(crate) async fn list_seen(&self) -> Result<Vec<(NodeId, u64)>, StoreError> {
        let rows: Vec<(String, i64)> = reading!(self.db, "list when nodes were heard of", pool => async {
            sqlx::query_as("SELECT id, last_seen_ms FROM nodes ORDER BY id")
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        let rows = rows.into_iter();
        Ok(rows
            .filter_map(|(id, at_ms)| Some((NodeId::new(&id).ok()?, unsigned(at_ms))))
            .collect())
    }

    /// Every node, by name.
    pub(crate) async fn list_nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.nodes_among(None).await
    }

    /// Those of these names that are there, by name.
    pub(crate) async fn nodes_of(&self, names: &[NodeId]) -> Result<Vec<NodeRow>, StoreError> {
        match names {
            [] => Ok(Vec::new()),
            names => self.nodes_among(Some(names)).await,
        }
    }

    /// Of all, or of some names.
    async fn nodes_among(&self, names: Option<&[NodeId]>) -> Result<Vec<NodeRow>, StoreError> {
        type Row = (
            String,
            i64,
            Option<String>,
            Option<i64>,
            Option<String>,
            Option<i64>,
        );
        let rows: Vec<Row> = reading!(self.db, "list the nodes", pool => async {
            let mut select = QueryBuilder::new(
                "SELECT id, last_seen_ms, status, a.revision, a.verdict, a.at_ms FROM nodes \
                 LEFT JOIN acknowledgements a ON a.node = id AND a.revision = \
                 (SELECT max(revision) FROM acknowledgements WHERE node = id)",
            );
            if let Some(names) = names {
                select.push(" WHERE id IN (");
                let mut list = select.separated(", ");
                names.iter().for_each(|name| {
                    list.push_bind(name.as_str());
                });
                select.push(")");
            }
            select.push(" ORDER BY id");
            select
                .build_query_as()
                // How many names there are is another number each time.
                .persistent(names.is_none())
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        rows.into_iter()
            .filter_map(|row| Some((NodeId::new(&row.0).ok()?, row)))
            .map(
                |(id, (_, last_seen_ms, status, revision, verdict, at_ms))| {
                    let last = match (revision, verdict, at_ms) {
                        (Some(revision), Some(verdict), Some(at_ms)) => {
                            let verdict =
                                serde_json::from_str(&verdict).map_err(unreadable("verdict"))?;
                            Some((Revision(unsigned(revision)), verdict, unsigned(at_ms)))
                        }
                        _ => None,
                    };
                    Ok(NodeRow {
                        id,
                        last_seen_ms: unsigned(last_seen_ms),
                        // A status of an older program that reads no more is replaced within seconds.
                        status: status.and_then(|json| serde_json::from_str(&json).ok()),
                        last,
                    })
                },
            )
            .collect()
    }
}

/// The word for a revision that a node serves, in `kind`.
pub(super) const APPLIED: &str = "applied";
