//! Browsers that a person has signed in with.

use std::sync::Arc;

use super::users::{load, signed, unsigned};
use super::{Store, StoreError, Transaction};
use crate::account::{Account, Device};

/// A session as it is written.
pub(crate) struct SessionRow<'a> {
    pub(crate) token_hash: &'a [u8],
    pub(crate) user_id: &'a str,
    /// The device that it was signed in with; none is a passcode.
    pub(crate) device_id: Option<&'a str>,
    pub(crate) purpose: &'static str,
    pub(crate) created_at_ms: u64,
    pub(crate) expires_at_ms: u64,
}

/// A session as it is read.
pub(crate) struct FoundSession {
    pub(crate) account: Account,
    pub(crate) device: Option<Arc<Device>>,
    pub(crate) created_at_ms: u64,
    pub(crate) expires_at_ms: u64,
}

/// How many sessions there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionBounds {
    pub(crate) of_a_user: u32,
    pub(crate) in_all: u32,
}

impl Store {
    /// Adds a session. What is over goes, then of the user's own and of all the oldest above the bounds.
    pub(crate) async fn insert_session(
        &self,
        tx: &mut Transaction,
        row: &SessionRow<'_>,
        bounds: SessionBounds,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE expires_at_ms <= ?")
            .bind(signed(row.created_at_ms))
            .execute(&mut **tx)
            .await?;
        sqlx::query(
            "INSERT INTO sessions
             (token_hash, user_id, device_id, purpose, created_at_ms, expires_at_ms)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(row.token_hash)
        .bind(row.user_id)
        .bind(row.device_id)
        .bind(row.purpose)
        .bind(signed(row.created_at_ms))
        .bind(signed(row.expires_at_ms))
        .execute(&mut **tx)
        .await?;
        sqlx::query(
            "DELETE FROM sessions WHERE token_hash IN
             (SELECT token_hash FROM sessions WHERE user_id = ?
              ORDER BY created_at_ms DESC, rowid DESC LIMIT -1 OFFSET ?)",
        )
        .bind(row.user_id)
        .bind(bounds.of_a_user)
        .execute(&mut **tx)
        .await?;
        // By the index; the new one is never the first to end.
        sqlx::query(
            "DELETE FROM sessions WHERE token_hash IN
             (SELECT token_hash FROM sessions ORDER BY expires_at_ms
              LIMIT max(0, (SELECT count(*) FROM sessions) - ?1)) AND token_hash <> ?2",
        )
        .bind(bounds.in_all)
        .bind(row.token_hash)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// A session that is not over.
    pub(crate) async fn session(
        &self,
        token_hash: &[u8],
        purpose: &str,
        now_ms: u64,
    ) -> Result<Option<FoundSession>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let found: Option<(String, Option<String>, i64, i64)> = sqlx::query_as(
            "SELECT user_id, device_id, created_at_ms, expires_at_ms FROM sessions
             WHERE token_hash = ? AND purpose = ? AND expires_at_ms > ?",
        )
        .bind(token_hash)
        .bind(purpose)
        .bind(signed(now_ms))
        .fetch_optional(&mut *reader)
        .await?;
        let Some((user, device, created, expires)) = found else {
            return Ok(None);
        };
        let account = load(&mut reader, &user).await?;
        Ok(account.map(|account| FoundSession {
            device: device.and_then(|id| {
                let mut devices = account.devices.iter();
                devices.find(|found| *found.id == *id).cloned()
            }),
            account,
            created_at_ms: unsigned(created),
            expires_at_ms: unsigned(expires),
        }))
    }

    /// Moves the end of a session.
    pub(crate) async fn extend_session(
        &self,
        token_hash: &[u8],
        expires_at_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET expires_at_ms = ? WHERE token_hash = ?")
            .bind(signed(expires_at_ms))
            .bind(token_hash)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Ends a session.
    pub(crate) async fn delete_session(&self, token_hash: &[u8]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE token_hash = ?")
            .bind(token_hash)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Ends the sessions of a user that a passcode began, but for one, and the additions that were begun.
    pub(crate) async fn delete_sign_ins(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        keep: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        for query in [
            "DELETE FROM sessions
             WHERE user_id = ?1 AND device_id IS NULL AND token_hash IS NOT ?2",
            // The one to keep has done what it wanted.
            "DELETE FROM activations
             WHERE user_id = ?1 AND signed_in_at_ms IS NOT NULL AND used_at_ms IS NULL",
        ] {
            let query = sqlx::query(query).bind(user_id);
            query.bind(keep).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Ends all sessions of a user, and the additions that were begun.
    pub(crate) async fn delete_sessions(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<(), StoreError> {
        self.delete_sign_ins(tx, user_id, None).await?;
        sqlx::query("DELETE FROM sessions WHERE user_id = ?")
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_end_by_time_and_the_oldest_beyond_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("secondfactor.db"))
            .await
            .unwrap();
        let mut tx = store.write().await.unwrap();
        for name in ["alice", "bob"] {
            let account = Account::new(name.to_owned(), name);
            store.insert_user(&mut tx, &account, 0).await.unwrap();
        }
        let bounds = SessionBounds {
            of_a_user: 2,
            in_all: 3,
        };
        for (hash, user_id, at) in [
            (b"a1", "alice", 1),
            (b"a2", "alice", 2),
            (b"a3", "alice", 3),
            (b"b1", "bob", 4),
            (b"b2", "bob", 5),
        ] {
            let row = SessionRow {
                token_hash: hash,
                user_id,
                device_id: None,
                purpose: "approve",
                created_at_ms: at,
                expires_at_ms: at + 100,
            };
            store.insert_session(&mut tx, &row, bounds).await.unwrap();
        }
        tx.commit().await.unwrap();
        for (name, hash, purpose, now, want) in [
            ("one too many of a user", b"a1", "approve", 6, false),
            ("one too many in all", b"a2", "approve", 6, false),
            ("kept", b"a3", "approve", 6, true),
            ("the newest", b"b2", "approve", 6, true),
            ("for something else", b"b2", "manage", 6, false),
            ("its last moment", b"b2", "approve", 104, true),
            ("over", b"b2", "approve", 105, false),
            ("none", b"xx", "approve", 6, false),
        ] {
            let found = store.session(hash, purpose, now).await.unwrap();
            assert_eq!(found.is_some(), want, "{name}");
        }
        store.extend_session(b"b2", 200).await.unwrap();
        let found = store.session(b"b2", "approve", 150).await.unwrap().unwrap();
        assert_eq!((found.created_at_ms, found.expires_at_ms), (5, 200));
        store.delete_session(b"b2").await.unwrap();
        assert!(store.session(b"b2", "approve", 6).await.unwrap().is_none());
        let mut tx = store.write().await.unwrap();
        store.delete_sessions(&mut tx, "alice").await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.session(b"a3", "approve", 6).await.unwrap().is_none());
        store.close().await;
    }
}
