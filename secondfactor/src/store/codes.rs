//! Passcodes, bypass codes and activations: what is used once.

use super::users::{load, signed, unsigned};
use super::{Store, StoreError, Transaction};
use crate::account::Account;
use crate::admin::{DeviceKind, OtpAlgorithm};

/// A generator of passcodes, as stored.
pub(crate) struct Generator {
    pub(crate) device_id: String,
    pub(crate) kind: DeviceKind,
    pub(crate) secret_sealed: Vec<u8>,
    pub(crate) algorithm: OtpAlgorithm,
    pub(crate) digits: u32,
    pub(crate) period_s: u64,
    /// TOTP: the last step used, none before the first. HOTP: the next counter.
    pub(crate) position: Option<u64>,
}

/// A passcode by SMS, as stored.
pub(crate) struct SmsCode {
    pub(crate) id: i64,
    pub(crate) device_id: String,
    pub(crate) code_sealed: Vec<u8>,
}

/// An enrollment that was begun.
pub(crate) struct Activation {
    pub(crate) user_name: String,
    pub(crate) user_id: Option<String>,
    /// Whether it may add to devices that are there.
    pub(crate) may_add: bool,
    pub(crate) used: bool,
}

type GeneratorRow = (String, String, Vec<u8>, String, u32, u32, Option<i64>);

impl Store {
    /// A user as the transaction sees it.
    pub(crate) async fn account_in(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<Option<Account>, StoreError> {
        load(tx, user_id).await
    }

    /// A user's generators.
    pub(crate) async fn generators(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<Vec<Generator>, StoreError> {
        let rows: Vec<GeneratorRow> = sqlx::query_as(
            "SELECT id, kind, secret_sealed, algorithm, digits, coalesce(period_s, 0), position
             FROM devices WHERE user_id = ? AND secret_sealed IS NOT NULL",
        )
        .bind(user_id)
        .fetch_all(&mut **tx)
        .await?;
        rows.into_iter()
            .map(
                |(device_id, kind, secret_sealed, algorithm, digits, period_s, position)| {
                    let unreadable = |column| StoreError::Unreadable { column };
                    Ok(Generator {
                        device_id,
                        kind: DeviceKind::from_name(&kind).ok_or_else(|| unreadable("kind"))?,
                        secret_sealed,
                        algorithm: OtpAlgorithm::from_name(&algorithm)
                            .ok_or_else(|| unreadable("algorithm"))?,
                        digits,
                        period_s: period_s.into(),
                        position: position.map(unsigned),
                    })
                },
            )
            .collect()
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

    /// Sets how many wrong passcodes there were since the last good one.
    pub(crate) async fn set_failures(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        failures: u32,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET failures = ? WHERE id = ?")
            .bind(failures)
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Uses up a bypass code; false when it is none, or too old.
    pub(crate) async fn use_bypass_code(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        hash: &[u8],
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "DELETE FROM bypass_codes WHERE user_id = ? AND code_hash = ?
             AND (expires_at_ms IS NULL OR expires_at_ms > ?)",
        )
        .bind(user_id)
        .bind(hash)
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await?;
        Ok(done.rows_affected() > 0)
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

    /// A user's passcodes by SMS that were not used, oldest first.
    pub(crate) async fn sms_codes(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<Vec<SmsCode>, StoreError> {
        let rows: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, device_id, code_sealed FROM sms_codes
             WHERE device_id IN (SELECT id FROM devices WHERE user_id = ?) ORDER BY id",
        )
        .bind(user_id)
        .fetch_all(&mut **tx)
        .await?;
        let code = |(id, device_id, code_sealed)| SmsCode {
            id,
            device_id,
            code_sealed,
        };
        Ok(rows.into_iter().map(code).collect())
    }

    /// Uses up a passcode by SMS.
    pub(crate) async fn delete_sms_code(
        &self,
        tx: &mut Transaction,
        id: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sms_codes WHERE id = ?")
            .bind(id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Puts new passcodes (first digit, box) in the place of a phone's old ones.
    pub(crate) async fn replace_sms_codes(
        &self,
        tx: &mut Transaction,
        device_id: &str,
        codes: &[(String, Vec<u8>)],
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sms_codes WHERE device_id = ?")
            .bind(device_id)
            .execute(&mut **tx)
            .await?;
        for (leading, sealed) in codes {
            sqlx::query("INSERT INTO sms_codes (device_id, leading, code_sealed) VALUES (?, ?, ?)")
                .bind(device_id)
                .bind(leading)
                .bind(sealed)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    /// Begins an enrollment; false when `most` of them wait already. Those that are over go.
    pub(crate) async fn insert_activation(
        &self,
        tx: &mut Transaction,
        hash: &[u8],
        activation: &Activation,
        lives: (u64, u64),
        most: u32,
    ) -> Result<bool, StoreError> {
        let (now_ms, expires_at_ms) = lives;
        sqlx::query("DELETE FROM activations WHERE expires_at_ms <= ?")
            .bind(signed(now_ms))
            .execute(&mut **tx)
            .await?;
        let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM activations")
            .fetch_one(&mut **tx)
            .await?;
        if waiting >= i64::from(most) {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO activations (code_hash, user_name, user_id, may_add, expires_at_ms)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(hash)
        .bind(&activation.user_name)
        .bind(&activation.user_id)
        .bind(activation.may_add)
        .bind(signed(expires_at_ms))
        .execute(&mut **tx)
        .await?;
        Ok(true)
    }

    /// An enrollment that is not over.
    pub(crate) async fn activation(
        &self,
        hash: &[u8],
        now_ms: u64,
    ) -> Result<Option<Activation>, StoreError> {
        let row: Option<(String, Option<String>, bool, bool)> = sqlx::query_as(
            "SELECT user_name, user_id, may_add, used_at_ms IS NOT NULL FROM activations
             WHERE code_hash = ? AND expires_at_ms > ?",
        )
        .bind(hash)
        .bind(signed(now_ms))
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.map(|(user_name, user_id, may_add, used)| Activation {
            user_name,
            user_id,
            may_add,
            used,
        }))
    }

    /// Uses up an enrollment, for a user; false when somebody was faster or it is over.
    pub(crate) async fn use_activation(
        &self,
        tx: &mut Transaction,
        hash: &[u8],
        user_id: &str,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE activations SET used_at_ms = ?, user_id = ?
             WHERE code_hash = ? AND used_at_ms IS NULL AND expires_at_ms > ?",
        )
        .bind(signed(now_ms))
        .bind(user_id)
        .bind(hash)
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
