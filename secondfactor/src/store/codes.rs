//! Passcodes and bypass codes: what is used once.

use super::users::{load, signed};
use super::{Store, StoreError, Transaction};
use crate::account::Account;

/// A passcode by SMS, as stored.
pub(crate) struct SmsCode {
    pub(crate) device_id: String,
    pub(crate) code_sealed: Vec<u8>,
}

impl Store {
    /// A user as the transaction sees it.
    pub(crate) async fn account_in(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<Option<Account>, StoreError> {
        load(tx, user_id).await
    }

    /// Remembers how far a generator was used.
    pub(crate) async fn set_position(
        &self,
        tx: &mut Transaction,
        device_id: &str,
        position: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE devices SET position = ? WHERE id = ?")
            .bind(signed(position))
            .bind(device_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Puts new bypass codes in the place of the old ones.
    pub(crate) async fn replace_bypass_codes(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        hashes: &[Vec<u8>],
        expires_at_ms: Option<u64>,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM bypass_codes WHERE user_id = ?")
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        for hash in hashes {
            sqlx::query(
                "INSERT INTO bypass_codes (user_id, code_hash, expires_at_ms) VALUES (?, ?, ?)",
            )
            .bind(user_id)
            .bind(hash)
            .bind(expires_at_ms.map(signed))
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }

    /// A user's passcodes by SMS or e-mail that were not used and are not over, oldest first.
    pub(crate) async fn sms_codes(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<Vec<SmsCode>, StoreError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT device_id, code_sealed FROM sms_codes
             WHERE device_id IN (SELECT id FROM devices WHERE user_id = ?)
             AND (expires_at_ms IS NULL OR expires_at_ms > unixepoch() * 1000) ORDER BY id",
        )
        .bind(user_id)
        .fetch_all(&mut **tx)
        .await?;
        let code = |(device_id, code_sealed)| SmsCode {
            device_id,
            code_sealed,
        };
        Ok(rows.into_iter().map(code).collect())
    }

    /// Puts new passcodes (first digit, box) in the place of a device's old ones. The first digit is
    /// empty where nobody is told it.
    pub(crate) async fn replace_sms_codes(
        &self,
        tx: &mut Transaction,
        device_id: &str,
        codes: &[(String, Vec<u8>)],
        expires_at_ms: Option<u64>,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sms_codes WHERE device_id = ?")
            .bind(device_id)
            .execute(&mut **tx)
            .await?;
        for (leading, sealed) in codes {
            sqlx::query(
                "INSERT INTO sms_codes (device_id, leading, code_sealed, expires_at_ms)
                 VALUES (?, ?, ?, ?)",
            )
            .bind(device_id)
            .bind(leading)
            .bind(sealed)
            .bind(expires_at_ms.map(signed))
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }
}
