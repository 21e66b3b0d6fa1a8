//! What an administrator should look at. The newest are kept.

use super::users::{signed, unsigned};
use super::{Store, StoreError, Transaction};
use crate::admin::{Incident, IncidentKind};

/// One that has just happened.
#[derive(Clone, Debug)]
pub(crate) struct NewIncident {
    pub(crate) kind: IncidentKind,
    /// The user's name.
    pub(crate) user: Box<str>,
    /// The application; empty when there was none.
    pub(crate) application: Box<str>,
    /// Where the login came from; may be empty.
    pub(crate) ip: Box<str>,
    /// More of it, for a person; may be empty. No secret.
    pub(crate) detail: Box<str>,
}

/// Which are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WhichIncidents<'a> {
    pub(crate) before: Option<u64>,
    pub(crate) kind: Option<IncidentKind>,
    pub(crate) user: Option<&'a str>,
}

type Row = (i64, i64, String, String, String, String, String);

impl Store {
    /// Adds one, and drops the oldest of its user and kind where these are too many: nobody makes so many
    /// that others' go, or their own of another kind.
    pub(crate) async fn insert_incident(
        &self,
        tx: &mut Transaction,
        incident: &NewIncident,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO incidents (at_ms, kind, user, application, ip, detail)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(signed(now_ms))
        .bind(incident.kind.as_str())
        .bind(&*incident.user)
        .bind(&*incident.application)
        .bind(&*incident.ip)
        .bind(&*incident.detail)
        .execute(&mut **tx)
        .await?;
        sqlx::query(
            "DELETE FROM incidents WHERE user = ?1 AND kind = ?2 AND id <=
             (SELECT id FROM incidents WHERE user = ?1 AND kind = ?2
              ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        )
        .bind(&*incident.user)
        .bind(incident.kind.as_str())
        .bind(MAX_OF_A_USER_AND_KIND)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Drops the oldest of all, where these are too many.
    pub(crate) async fn trim_incidents(&self, tx: &mut Transaction) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM incidents WHERE id <=
             (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?)",
        )
        .bind(MAX_INCIDENTS)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Some of them, newest first.
    pub(crate) async fn incidents(
        &self,
        which: WhichIncidents<'_>,
        limit: u32,
    ) -> Result<Vec<Incident>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, at_ms, kind, user, application, ip, detail FROM incidents
             WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR user = ?3)
             ORDER BY id DESC LIMIT ?4",
        )
        .bind(which.before.map(signed))
        .bind(which.kind.map(IncidentKind::as_str))
        .bind(which.user)
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let one = |(id, at_ms, kind, user, application, ip, detail): Row| {
            Ok(Incident {
                id: unsigned(id),
                at: unsigned(at_ms) / 1_000,
                kind: IncidentKind::from_name(&kind)
                    .ok_or(StoreError::Unreadable { column: "kind" })?,
                user,
                application,
                ip,
                detail,
            })
        };
        rows.into_iter().map(one).collect()
    }
}

/// The most incidents that are kept; the oldest goes first.
const MAX_INCIDENTS: i64 = 10_000;

/// The most of one user and kind among them.
const MAX_OF_A_USER_AND_KIND: i64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("secondfactor.db")).await;
        (folder, store.unwrap())
    }

    fn of(kind: IncidentKind, user: &str) -> NewIncident {
        NewIncident {
            kind,
            user: user.into(),
            application: "vpn".into(),
            ip: "192.0.2.7".into(),
            detail: "".into(),
        }
    }

    #[tokio::test]
    async fn the_newest_are_kept_and_found() {
        let (_folder, store) = opened().await;
        let mut tx = store.write().await.unwrap();
        for number in 0..10_010_u64 {
            let kind = match number % 2 {
                0 => IncidentKind::Fraud,
                _ => IncidentKind::Replay,
            };
            // Each user has one kind, and 77 of it.
            let incident = of(kind, &format!("user {}", number % 130));
            store
                .insert_incident(&mut tx, &incident, number * 1_000)
                .await
                .unwrap();
        }
        store.trim_incidents(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM incidents")
            .fetch_one(&store.reader)
            .await
            .unwrap();
        assert_eq!(count, 10_000);
        let ids = async |which| {
            let found = store.incidents(which, 2).await.unwrap();
            found.iter().map(|one| (one.id, one.at)).collect::<Vec<_>>()
        };
        let all = WhichIncidents::default();
        for (name, which, want) in [
            ("all", all, vec![(10_010, 10_009), (10_009, 10_008)]),
            (
                "a page",
                WhichIncidents {
                    before: Some(13),
                    ..all
                },
                vec![(12, 11), (11, 10)],
            ),
            (
                "the last page",
                WhichIncidents {
                    before: Some(11),
                    ..all
                },
                vec![],
            ),
            (
                "a kind",
                WhichIncidents {
                    kind: Some(IncidentKind::Fraud),
                    ..all
                },
                vec![(10_009, 10_008), (10_007, 10_006)],
            ),
            (
                "a kind and a user",
                WhichIncidents {
                    kind: Some(IncidentKind::Replay),
                    user: Some("user 1"),
                    ..all
                },
                vec![(9_882, 9_881), (9_752, 9_751)],
            ),
            (
                "a kind that a user has none of",
                WhichIncidents {
                    kind: Some(IncidentKind::Fraud),
                    user: Some("user 1"),
                    ..all
                },
                vec![],
            ),
        ] {
            assert_eq!(ids(which).await, want, "{name}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn nobody_rolls_others_away_or_another_kind_of_their_own() {
        let (_folder, store) = opened().await;
        let mut tx = store.write().await.unwrap();
        let (fraud, own) = (IncidentKind::Fraud, IncidentKind::SelfService);
        store
            .insert_incident(&mut tx, &of(fraud, "bob"), 0)
            .await
            .unwrap();
        for number in 1..=10_100 {
            let kind = if number == 1 { fraud } else { own };
            let incident = of(kind, "alice");
            store
                .insert_incident(&mut tx, &incident, number)
                .await
                .unwrap();
        }
        store.trim_incidents(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        let kept: Vec<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT user, kind, count(*), max(id) FROM incidents GROUP BY user, kind ORDER BY user, kind",
        )
        .fetch_all(&store.reader)
        .await
        .unwrap();
        let row = |user: &str, kind: IncidentKind, count, newest| {
            (user.to_owned(), kind.as_str().to_owned(), count, newest)
        };
        assert_eq!(
            kept,
            [
                row("alice", fraud, 1, 2),
                row("alice", own, 100, 10_101),
                row("bob", fraud, 1, 1)
            ]
        );
        store.close().await;
    }
}
