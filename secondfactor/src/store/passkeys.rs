//! Passkeys: the WebAuthn credentials of devices, one for each.

use std::sync::Arc;

use super::users::{load, signed};
use super::{Store, StoreError, Transaction, taken};
use crate::account::{Account, Device};
use crate::webauthn::{NewPasskey, Passkey, challenge};

type PasskeyRow = (Vec<u8>, Vec<u8>, i64, String);

impl Store {
    /// Binds a device to a passkey.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when the device has one, or another device has this one.
    pub(crate) async fn insert_passkey(
        &self,
        tx: &mut Transaction,
        device_id: &str,
        passkey: &NewPasskey,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let transports = serde_json::to_string(&passkey.transports);
        sqlx::query(
            "INSERT INTO passkeys
             (credential, device_id, public_key, sign_count, transports, synced, created_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&passkey.credential)
        .bind(device_id)
        .bind(&passkey.public_key)
        .bind(i64::from(passkey.sign_count))
        .bind(transports.unwrap_or_else(|_| "[]".to_owned()))
        .bind(passkey.synced)
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await
        .map_err(taken)?;
        Ok(())
    }

    /// A passkey with its user and device.
    pub(crate) async fn passkey(
        &self,
        credential: &[u8],
    ) -> Result<Option<(Passkey, Account, Arc<Device>)>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let found: Option<(String, String, Vec<u8>, i64, String)> = sqlx::query_as(
            "SELECT user_id, device_id, public_key, sign_count, transports
             FROM passkeys JOIN devices ON devices.id = device_id
             WHERE credential = ? AND user_id IS NOT NULL",
        )
        .bind(credential)
        .fetch_optional(&mut *reader)
        .await?;
        let Some((user, device, public_key, sign_count, transports)) = found else {
            return Ok(None);
        };
        let account = load(&mut reader, &user).await?;
        Ok(account.and_then(|account| {
            let mut devices = account.devices.iter();
            let device = devices.find(|found| *found.id == *device).cloned()?;
            let row = (credential.to_vec(), public_key, sign_count, transports);
            Some((passkey_of(row), account, device))
        }))
    }

    /// The passkey of a device.
    pub(crate) async fn passkey_of_device(
        &self,
        device_id: &str,
    ) -> Result<Option<Passkey>, StoreError> {
        let found: Option<PasskeyRow> = sqlx::query_as(
            "SELECT credential, public_key, sign_count, transports FROM passkeys
             WHERE device_id = ?",
        )
        .bind(device_id)
        .fetch_optional(&self.reader)
        .await?;
        Ok(found.map(passkey_of))
    }

    /// The passkeys of a user's devices.
    pub(crate) async fn passkeys_of_user(&self, user_id: &str) -> Result<Vec<Passkey>, StoreError> {
        let found: Vec<PasskeyRow> = sqlx::query_as(
            "SELECT credential, public_key, sign_count, transports
             FROM passkeys JOIN devices ON devices.id = device_id WHERE user_id = ?",
        )
        .bind(user_id)
        .fetch_all(&self.reader)
        .await?;
        Ok(found.into_iter().map(passkey_of).collect())
    }

    /// Notes that a passkey answered a challenge; false when it did before, or may have: of those that it
    /// answered lately as many are known as there may be, and the others were made no later than these.
    pub(crate) async fn use_challenge(
        &self,
        tx: &mut Transaction,
        challenge: &Answered<'_>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let &Answered {
            hash,
            credential,
            made_at_ms,
        } = challenge;
        // Those that are too old to be answered, by a clock that was put back too.
        sqlx::query("DELETE FROM used_challenges WHERE made_at_ms < ? OR made_at_ms > ?")
            .bind(signed(now_ms.saturating_sub(KNOWN_MS)))
            .bind(signed(now_ms.saturating_add(KNOWN_MS)))
            .execute(&mut **tx)
            .await?;
        let (count, oldest): (i64, Option<i64>) = sqlx::query_as(
            "SELECT count(*), min(made_at_ms) FROM used_challenges WHERE credential = ?",
        )
        .bind(credential)
        .fetch_one(&mut **tx)
        .await?;
        let full = count >= MAX_USED_CHALLENGES;
        if full && oldest.is_some_and(|oldest| signed(made_at_ms) <= oldest) {
            return Ok(false);
        }
        let done = sqlx::query(
            "INSERT INTO used_challenges (hash, credential, made_at_ms) VALUES (?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(hash)
        .bind(credential)
        .bind(signed(made_at_ms))
        .execute(&mut **tx)
        .await?;
        let is_new = done.rows_affected() > 0;
        if full && is_new {
            sqlx::query(
                "DELETE FROM used_challenges WHERE hash = (SELECT hash FROM used_challenges
                 WHERE credential = ? ORDER BY made_at_ms LIMIT 1)",
            )
            .bind(credential)
            .execute(&mut **tx)
            .await?;
        }
        Ok(is_new)
    }

    /// Notes that a passkey was used, and how far its counter is; false when it is further already, as
    /// where a copy was used at the same time.
    pub(crate) async fn use_passkey(
        &self,
        tx: &mut Transaction,
        credential: &[u8],
        sign_count: u32,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE passkeys SET sign_count = ?1
             WHERE credential = ?2 AND (sign_count < ?1 OR (sign_count = 0 AND ?1 = 0))",
        )
        .bind(i64::from(sign_count))
        .bind(credential)
        .execute(&mut **tx)
        .await?;
        sqlx::query(
            "UPDATE devices SET last_used_ms = ?
             WHERE id = (SELECT device_id FROM passkeys WHERE credential = ?)",
        )
        .bind(signed(now_ms))
        .bind(credential)
        .execute(&mut **tx)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// A challenge that was answered.
pub(crate) struct Answered<'a> {
    pub(crate) hash: &'a [u8],
    /// The passkey that did.
    pub(crate) credential: &'a [u8],
    pub(crate) made_at_ms: u64,
}

/// The most answered challenges of one passkey that are known: nobody takes the room of others. Who
/// answers more must answer newer ones.
const MAX_USED_CHALLENGES: i64 = 20;

/// How long they are known: twice as long as they may be answered.
const KNOWN_MS: u64 = 2 * challenge::LIFE_MS;

fn passkey_of((credential, public_key, sign_count, transports): PasskeyRow) -> Passkey {
    Passkey {
        credential,
        public_key,
        sign_count: u32::try_from(sign_count).unwrap_or(u32::MAX),
        // Only a hint for browsers.
        transports: serde_json::from_str(&transports).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_challenge_is_used_once_and_nobody_takes_the_room_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("secondfactor.db")).await;
        let store = store.unwrap();
        let mut tx = store.write().await.unwrap();
        let begun = 100 * KNOWN_MS;
        let mut used = async |credential: &str, made_at_ms: u64, now_ms: u64| {
            let hash = format!("{credential} {made_at_ms}");
            let challenge = Answered {
                hash: hash.as_bytes(),
                credential: credential.as_bytes(),
                made_at_ms,
            };
            let used = store.use_challenge(&mut tx, &challenge, now_ms).await;
            used.unwrap()
        };
        for (name, credential, made, now, want) in [
            ("first", "a", 50, 60, true),
            ("again", "a", 50, 61, false),
            ("of another tab, made earlier", "a", 40, 61, true),
            ("of another passkey", "b", 50, 61, true),
        ] {
            assert_eq!(
                used(credential, begun + made, begun + now).await,
                want,
                "{name}"
            );
        }
        for made in 51..51 + 200 {
            assert!(used("a", begun + made, begun + 300).await, "{made}");
        }
        for (name, credential, made, now, want) in [
            ("whose room was taken", "a", 51, 300, false),
            ("never answered, but as old", "a", 45, 300, false),
            ("the oldest that is known", "a", 231, 300, false),
            ("the newest", "a", 250, 300, false),
            ("a new one", "a", 300, 300, true),
            ("of another passkey", "b", 45, 300, true),
            ("of the other, again", "b", 50, 300, false),
            ("a clock that was put back", "a", 0, 0, true),
        ] {
            let now = match name {
                "a clock that was put back" => begun - 2 * KNOWN_MS,
                _ => begun + now,
            };
            let made = now.min(begun + made);
            assert_eq!(used(credential, made, now).await, want, "{name}");
        }
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM used_challenges")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(left, 1, "those of no use are forgotten");
        drop(tx);
        store.close().await;
    }
}
