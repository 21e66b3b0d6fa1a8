//! Approvals that let in again. They go with what they rest on by the schema's triggers: with a device of
//! their user, with the status `disabled` or `locked_out`, with their application.

use super::users::{signed, unsigned};
use super::{Attempt, Store, StoreError, Transaction};
use crate::admin::Remembered;
use crate::clock;

/// Whose approval, and for which logins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) application: &'a str,
    /// The RADIUS client.
    pub(crate) client: &'a str,
    /// The Calling-Station-Id.
    pub(crate) station: &'a str,
}

type Row = (String, String, String, String, String, i64, i64);

impl Store {
    /// When an approval that is not over was given, in milliseconds since 1970; none when there is none.
    pub(crate) async fn remembered_since(
        &self,
        place: Place<'_>,
        now_ms: u64,
    ) -> Result<Option<u64>, StoreError> {
        let since: Option<i64> = sqlx::query_scalar(
            "SELECT created_at_ms FROM remembered
             WHERE user_id = ? AND application = ? AND client = ? AND station = ?
             AND expires_at_ms > ?",
        )
        .bind(place.user_id)
        .bind(place.application)
        .bind(place.client)
        .bind(place.station)
        .bind(signed(now_ms))
        .fetch_optional(&self.reader)
        .await?;
        Ok(since.map(unsigned))
    }

    /// Remembers an approval of a time, until another; again when it was remembered already. Of one user's the
    /// oldest go, where there are too many. False when all of the user's was forgotten since.
    pub(crate) async fn remember(
        &self,
        tx: &mut Transaction,
        id: &str,
        place: Place<'_>,
        (now_ms, expires_at_ms): (u64, u64),
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO remembered
             (id, user_id, application, client, station, created_at_ms, expires_at_ms)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
             WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE user_id = ?2 AND at_ms >= ?6)
             ON CONFLICT (user_id, application, client, station) DO UPDATE
             SET created_at_ms = excluded.created_at_ms, expires_at_ms = excluded.expires_at_ms",
        )
        .bind(id)
        .bind(place.user_id)
        .bind(place.application)
        .bind(place.client)
        .bind(place.station)
        .bind(signed(now_ms))
        .bind(signed(expires_at_ms))
        .execute(&mut **tx)
        .await?;
        sqlx::query(
            "DELETE FROM remembered WHERE user_id = ? AND id NOT IN
             (SELECT id FROM remembered WHERE user_id = ? ORDER BY created_at_ms DESC, rowid DESC
              LIMIT ?)",
        )
        .bind(place.user_id)
        .bind(place.user_id)
        .bind(MAX_REMEMBERED_OF_A_USER)
        .execute(&mut **tx)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Drops those that are over and, where there are too many in all, those that are over first.
    pub(crate) async fn trim_remembered(
        &self,
        tx: &mut Transaction,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM remembered WHERE expires_at_ms <= ?")
            .bind(signed(now_ms))
            .execute(&mut **tx)
            .await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM remembered")
            .fetch_one(&mut **tx)
            .await?;
        let more = count.saturating_sub(MAX_REMEMBERED);
        if more > 0 {
            sqlx::query(
                "DELETE FROM remembered WHERE id IN
                 (SELECT id FROM remembered ORDER BY expires_at_ms LIMIT ?)",
            )
            .bind(more)
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }

    /// Those that are not over, newest first, after one of them; of one user, or of all. None when the one to
    /// go on behind is not there any more.
    pub(crate) async fn list_remembered(
        &self,
        user_id: Option<&str>,
        after: Option<&str>,
        (now_ms, limit): (u64, u32),
    ) -> Result<Option<Vec<Remembered>>, StoreError> {
        let behind: Option<(i64, String)> = match after {
            None => Some((i64::MAX, String::new())),
            Some(id) => {
                sqlx::query_as("SELECT created_at_ms, id FROM remembered WHERE id = ?")
                    .bind(id)
                    .fetch_optional(&self.reader)
                    .await?
            }
        };
        let Some((since, id)) = behind else {
            return Ok(None);
        };
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT remembered.id, users.name, application, client, station,
                    remembered.created_at_ms, expires_at_ms
             FROM remembered JOIN users ON users.id = user_id
             WHERE expires_at_ms > ?1 AND (?2 IS NULL OR user_id = ?2)
             AND (remembered.created_at_ms, remembered.id) < (?3, ?4)
             ORDER BY remembered.created_at_ms DESC, remembered.id DESC LIMIT ?5",
        )
        .bind(signed(now_ms))
        .bind(user_id)
        .bind(since)
        .bind(id)
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let one = |(id, user, application, client, station, since, until): Row| Remembered {
            id,
            user,
            application,
            client,
            station,
            since: unsigned(since) / 1_000,
            until: unsigned(until) / 1_000,
        };
        Ok(Some(rows.into_iter().map(one).collect()))
    }

    /// Forgets one; false when there was none.
    pub(crate) async fn forget_remembered(
        &self,
        id: &str,
        attempt: Attempt,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM remembered WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        attempt.end(tx).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets all of a user's, and what of before is not written down yet.
    pub(crate) async fn forget_remembered_of(&self, user_id: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        self.forget_remembered_in(&mut tx, user_id, clock::unix_ms())
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The same, inside a transaction, of a time.
    pub(crate) async fn forget_remembered_in(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM remembered WHERE user_id = ?")
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        sqlx::query(
            "INSERT INTO forgotten (user_id, at_ms) SELECT id, ?2 FROM users WHERE id = ?1
             ON CONFLICT (user_id) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)",
        )
        .bind(user_id)
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// The most approvals that are remembered of one user; the oldest goes first.
const MAX_REMEMBERED_OF_A_USER: i64 = 100;

/// The most in all; the one that is over first goes first.
const MAX_REMEMBERED: i64 = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    async fn store(folder: &tempfile::TempDir) -> Store {
        let store = Store::open(&folder.path().join("secondfactor.db"))
            .await
            .unwrap();
        let sql = "INSERT INTO users (id, lookup, name, status, created_at_ms)
                       VALUES ('DU1', 'alice', 'Alice', 'active', 7), ('DU2', 'bob', 'bob', 'active', 7);
                   INSERT INTO devices (id, user_id, kind, name, created_at_ms)
                       VALUES ('DP1', 'DU1', 'phone', '', 8), ('DP2', 'DU2', 'phone', '', 8);";
        sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
        store
    }

    fn place<'a>(user_id: &'a str, station: &'a str) -> Place<'a> {
        Place {
            user_id,
            application: "vpn",
            client: "gw",
            station,
        }
    }

    async fn remember(store: &Store, of: Place<'_>, id: &str, at_ms: u64) {
        let mut tx = store.write().await.unwrap();
        let lives = (at_ms, at_ms + 1_000);
        store.remember(&mut tx, id, of, lives).await.unwrap();
        store.trim_remembered(&mut tx, at_ms).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn one_is_for_its_place_and_its_time_and_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        remember(&store, place("DU1", "192.0.2.7"), "RM1", 5_000).await;
        let here = place("DU1", "192.0.2.7");
        for (name, of, now_ms, want) in [
            ("here", here, 5_999, Some(5_000)),
            ("over", here, 6_000, None),
            ("another user", place("DU2", "192.0.2.7"), 5_000, None),
            ("another station", place("DU1", "192.0.2.8"), 5_000, None),
            (
                "another client",
                Place {
                    client: "ap",
                    ..here
                },
                5_000,
                None,
            ),
            (
                "another application",
                Place {
                    application: "mail",
                    ..here
                },
                5_000,
                None,
            ),
        ] {
            assert_eq!(
                store.remembered_since(of, now_ms).await.unwrap(),
                want,
                "{name}"
            );
        }
        remember(&store, here, "RM2", 5_500).await;
        let all = store
            .list_remembered(None, None, (5_500, 10))
            .await
            .unwrap()
            .unwrap();
        let [only] = &all[..] else { panic!("{all:?}") };
        assert_eq!(
            (only.id.as_str(), only.user.as_str(), only.until),
            ("RM1", "Alice", 6)
        );
        store.close().await;
    }

    #[tokio::test]
    async fn they_go_with_what_they_rest_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        for (sql, left) in [
            ("UPDATE users SET status = 'disabled' WHERE id = 'DU1'", 1),
            ("UPDATE users SET status = 'locked_out' WHERE id = 'DU1'", 1),
            ("UPDATE users SET status = 'active' WHERE id = 'DU1'", 2),
            ("UPDATE users SET status = 'bypass' WHERE id = 'DU1'", 2),
            ("UPDATE devices SET user_id = NULL WHERE id = 'DP1'", 1),
            ("UPDATE devices SET user_id = 'DU1' WHERE id = 'DP1'", 2),
            ("UPDATE devices SET name = 'x' WHERE id = 'DP1'", 2),
            ("DELETE FROM devices WHERE id = 'DP1'", 1),
            ("DELETE FROM applications WHERE name = 'mail'", 2),
            ("DELETE FROM applications WHERE name = 'vpn'", 0),
            ("DELETE FROM users WHERE id = 'DU1'", 1),
        ] {
            // Later than all that was forgotten.
            sqlx::raw_sql("UPDATE forgotten SET at_ms = 4_999")
                .execute(&store.writer)
                .await
                .unwrap();
            let made = "INSERT OR IGNORE INTO applications
                (ikey, name, skey_sealed, new_user_policy, username_normalization, created_at_ms)
                VALUES ('DI1', 'vpn', x'00', 'enroll', 'simple', 1), ('DI2', 'mail', x'00', 'enroll', 'simple', 1)";
            sqlx::raw_sql(made).execute(&store.writer).await.unwrap();
            remember(&store, place("DU1", "a"), "RM1", 5_000).await;
            remember(&store, place("DU2", "a"), "RM2", 5_000).await;
            sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
            let all = store
                .list_remembered(None, None, (5_000, 10))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(all.len(), left, "{sql}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_later_time_of_forgetting_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let later = i64::MAX / 2;
        for sql in [
            "UPDATE users SET status = 'disabled' WHERE id = 'DU1'",
            "UPDATE devices SET user_id = NULL WHERE id = 'DP1'",
            "DELETE FROM devices WHERE id = 'DP1'",
        ] {
            for (before, kept) in [(1, false), (later, true)] {
                let mut tx = store.write().await.unwrap();
                let set = "INSERT OR REPLACE INTO forgotten VALUES ('DU1', ?)";
                let set = sqlx::query(set).bind(before);
                set.execute(&mut *tx).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut *tx).await.unwrap();
                let at = "SELECT at_ms FROM forgotten WHERE user_id = 'DU1'";
                let at: i64 = sqlx::query_scalar(at).fetch_one(&mut *tx).await.unwrap();
                assert_eq!(at == before, kept, "{sql} {before} {at}");
                assert!(at > 1 && at >= before, "{sql} {before} {at}");
            }
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_user_has_a_hundred_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let mut tx = store.write().await.unwrap();
        for number in 0..105_u64 {
            let (id, station) = (format!("RM{number:03}"), format!("st{number}"));
            let lives = (1_000 + number, 1_000_000);
            let of = place("DU1", &station);
            store.remember(&mut tx, &id, of, lives).await.unwrap();
        }
        store
            .remember(&mut tx, "RM", place("DU2", "a"), (1, 1_000_000))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let first = store
            .list_remembered(Some("DU1"), None, (2_000, 60))
            .await
            .unwrap()
            .unwrap();
        let second = store
            .list_remembered(Some("DU1"), Some(&first[59].id), (2_000, 60))
            .await
            .unwrap()
            .unwrap();
        let ids: Vec<&str> = first
            .iter()
            .chain(&second)
            .map(|one| one.id.as_str())
            .collect();
        assert_eq!((ids.len(), ids[0], ids[99]), (100, "RM104", "RM005"));
        assert_eq!(
            store
                .list_remembered(None, None, (2_000, 500))
                .await
                .unwrap()
                .unwrap()
                .len(),
            101
        );
        for (attempt, there) in [
            (Attempt::Tried, true),
            (Attempt::Real, true),
            (Attempt::Real, false),
        ] {
            let forgotten = store.forget_remembered("RM104", attempt).await.unwrap();
            assert_eq!(forgotten, there);
        }
        let gone = store.list_remembered(None, Some("RM104"), (2_000, 500));
        assert!(gone.await.unwrap().is_none(), "no end, but no place either");
        store.forget_remembered_of("DU1").await.unwrap();
        assert_eq!(
            store
                .list_remembered(None, None, (2_000, 500))
                .await
                .unwrap()
                .unwrap()
                .len(),
            1
        );
        store.close().await;
    }

    #[tokio::test]
    async fn what_was_approved_before_all_was_forgotten_is_not_remembered_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let of = place("DU1", "a");
        let remembered = async |at_ms: u64| {
            let mut tx = store.write().await.unwrap();
            let lives = (at_ms, at_ms + 3_600_000);
            let done = store.remember(&mut tx, "RM1", of, lives).await.unwrap();
            tx.commit().await.unwrap();
            let since = store.remembered_since(of, at_ms).await.unwrap();
            assert_eq!(since.is_some(), done);
            done
        };
        for sql in [
            "UPDATE users SET status = 'locked_out' WHERE id = 'DU1'",
            "UPDATE devices SET user_id = NULL WHERE id = 'DP1'",
            "UPDATE devices SET user_id = 'DU1' WHERE id = 'DP1'; DELETE FROM devices WHERE id = 'DP1'",
            "",
        ] {
            let before = clock::unix_ms();
            assert!(remembered(before).await, "{sql}");
            if sql.is_empty() {
                store.forget_remembered_of("DU1").await.unwrap();
            } else {
                sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
            }
            assert!(!remembered(before).await, "{sql}: it waited to be written");
            let after = clock::unix_ms() + 1;
            assert!(remembered(after).await, "{sql}: a new one");
            // Nothing of this round counts for the next one.
            let sql = "DELETE FROM forgotten; DELETE FROM remembered";
            sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
        }
        // Of who is gone nothing is kept.
        sqlx::raw_sql("DELETE FROM users")
            .execute(&store.writer)
            .await
            .unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM forgotten")
            .fetch_one(&store.reader)
            .await
            .unwrap();
        assert_eq!(left, 0);
        store.close().await;
    }
}
