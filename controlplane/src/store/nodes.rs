//! Rows of `nodes` and `acknowledgements`.

use proto::id::{NodeId, Revision};
use proto::rpc::{NodeStatus, Verdict};
use sqlx::{Row, Sqlite, Transaction};

use crate::nodes::NODES;

use super::{Store, StoreError, query, signed, unreadable, unsigned};

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
    /// Stores a node's status.
    pub(crate) async fn upsert_node(
        &self,
        id: &NodeId,
        at_ms: u64,
        status: Option<&NodeStatus>,
    ) -> Result<(), StoreError> {
        let mut tx = self.writer.begin().await.map_err(query(STORE_NODE))?;
        upsert(&mut tx, id, at_ms, status).await?;
        tx.commit().await.map_err(query(STORE_NODE))
    }

    /// Stores a node's verdict. False when there is no such revision.
    pub(crate) async fn upsert_acknowledgement(
        &self,
        id: &NodeId,
        revision: Revision,
        verdict: &Verdict,
        at_ms: u64,
    ) -> Result<bool, StoreError> {
        let fail = "store the verdict";
        let verdict = serde_json::to_string(verdict).map_err(unreadable("verdict"))?;
        let mut tx = self.writer.begin().await.map_err(query(fail))?;
        upsert(&mut tx, id, at_ms, None).await?;
        let stored = sqlx::query(
            "INSERT INTO acknowledgements (node, revision, verdict, at_ms) \
             SELECT ?, number, ?, ? FROM revisions WHERE number = ? \
             ON CONFLICT (node, revision) DO UPDATE SET \
             verdict = excluded.verdict, at_ms = excluded.at_ms",
        )
        .bind(id.as_str())
        .bind(verdict)
        .bind(signed(at_ms))
        .bind(signed(revision.0))
        .execute(&mut *tx)
        .await
        .map_err(query(fail))?;
        tx.commit().await.map_err(query(fail))?;
        Ok(stored.rows_affected() > 0)
    }

    /// Every node, by name.
    pub(crate) async fn list_nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        sqlx::query(
            "SELECT id, last_seen_ms, status, a.revision, a.verdict, a.at_ms FROM nodes \
             LEFT JOIN acknowledgements a ON a.node = id AND a.revision = \
             (SELECT max(revision) FROM acknowledgements WHERE node = id) ORDER BY id",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(query("list the nodes"))?
        .into_iter()
        .filter_map(|row| {
            let id = NodeId::new(row.get::<String, _>("id")).ok()?;
            Some((id, row))
        })
        .map(|(id, row)| {
            let status: Option<String> = row.get("status");
            let last: Option<i64> = row.get("revision");
            let last = match last {
                Some(number) => {
                    let verdict: String = row.get("verdict");
                    let verdict = serde_json::from_str(&verdict).map_err(unreadable("verdict"))?;
                    let at_ms = unsigned(row.get("at_ms"));
                    Some((Revision(unsigned(number)), verdict, at_ms))
                }
                None => None,
            };
            Ok(NodeRow {
                id,
                last_seen_ms: unsigned(row.get("last_seen_ms")),
                // A status of an older program that reads no more is replaced within seconds.
                status: status.and_then(|json| serde_json::from_str(&json).ok()),
                last,
            })
        })
        .collect()
    }
}

async fn upsert(
    tx: &mut Transaction<'_, Sqlite>,
    id: &NodeId,
    at_ms: u64,
    status: Option<&NodeStatus>,
) -> Result<(), StoreError> {
    let status = status
        .map(serde_json::to_string)
        .transpose()
        .map_err(unreadable("status"))?;
    sqlx::query(
        "INSERT INTO nodes (id, last_seen_ms, status) VALUES (?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET last_seen_ms = excluded.last_seen_ms, \
         status = coalesce(excluded.status, status)",
    )
    .bind(id.as_str())
    .bind(signed(at_ms))
    .bind(status)
    .execute(&mut **tx)
    .await
    .map_err(query(STORE_NODE))?;
    sqlx::query(
        "DELETE FROM nodes WHERE id IN \
         (SELECT id FROM nodes ORDER BY id = ? DESC, last_seen_ms DESC LIMIT -1 OFFSET ?)",
    )
    .bind(id.as_str())
    .bind(i64::try_from(NODES).unwrap_or(i64::MAX))
    .execute(&mut **tx)
    .await
    .map_err(query(STORE_NODE))?;
    Ok(())
}

const STORE_NODE: &str = "store the node";
