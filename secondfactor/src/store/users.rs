//! Users and their devices.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqliteConnection;

use super::{Store, StoreError, Transaction, taken};
use crate::account::{Account, Device};
use crate::admin::{Capabilities, DeviceKind, Script, ScriptAnswer, UserStatus};

/// A device as it is written, with what is never read back with an account.
pub(crate) struct DeviceRow {
    pub(crate) device: Device,
    pub(crate) approval_hash: Option<Vec<u8>>,
    pub(crate) secret_sealed: Option<Vec<u8>>,
    pub(crate) algorithm: Option<&'static str>,
    pub(crate) digits: Option<u32>,
    pub(crate) period_s: Option<u32>,
    pub(crate) position: Option<u64>,
}

impl Store {
    /// A user by its lookup key.
    pub(crate) async fn account(&self, lookup: &str) -> Result<Option<Account>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let id: Option<String> = sqlx::query_scalar("SELECT id FROM users WHERE lookup = ?")
            .bind(lookup)
            .fetch_optional(&mut *reader)
            .await?;
        match id {
            Some(id) => load(&mut reader, &id).await,
            None => Ok(None),
        }
    }

    /// A user by its id.
    pub(crate) async fn account_by_id(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        load(&mut reader, id).await
    }

    /// The user and the device of an approval page.
    pub(crate) async fn device_by_approval(
        &self,
        hash: &[u8],
    ) -> Result<Option<(Account, Arc<Device>)>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let found: Option<(String, String)> =
            sqlx::query_as("SELECT user_id, id FROM devices WHERE approval_hash = ?")
                .bind(hash)
                .fetch_optional(&mut *reader)
                .await?;
        let Some((user, device)) = found else {
            return Ok(None);
        };
        let account = load(&mut reader, &user).await?;
        Ok(account.and_then(|account| {
            let device = account
                .devices
                .iter()
                .find(|found| *found.id == *device)
                .cloned()?;
            Some((account, device))
        }))
    }

    /// Users after a lookup key, in its order.
    pub(crate) async fn accounts(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM users WHERE lookup > ? ORDER BY lookup LIMIT ?")
                .bind(after)
                .bind(limit)
                .fetch_all(&mut *reader)
                .await?;
        let mut accounts = Vec::with_capacity(ids.len());
        for id in ids {
            accounts.extend(load(&mut reader, &id).await?);
        }
        Ok(accounts)
    }

    /// How many users there are.
    pub(crate) async fn count_users(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(&self.reader)
            .await?;
        Ok(unsigned(count))
    }

    /// Adds a user without devices.
    pub(crate) async fn insert_user(
        &self,
        tx: &mut Transaction,
        account: &Account,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO users
             (id, lookup, name, status, script_answer, script_after_ms, created_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&account.id)
        .bind(&account.lookup)
        .bind(&account.name)
        .bind(account.status.as_str())
        .bind(account.script.map(|script| script.answer.as_str()))
        .bind(account.script.map(|script| script.after_ms))
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await
        .map_err(taken)?;
        Ok(())
    }

    /// Adds a device.
    pub(crate) async fn insert_device(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        row: &DeviceRow,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO devices
             (id, user_id, kind, name, number, can_push, can_phone, can_sms, approval_hash,
              secret_sealed, algorithm, digits, period_s, position, created_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&*row.device.id)
        .bind(user_id)
        .bind(row.device.kind.as_str())
        .bind(&row.device.name)
        .bind(&row.device.number)
        .bind(row.device.capabilities.push)
        .bind(row.device.capabilities.phone)
        .bind(row.device.capabilities.sms)
        .bind(&row.approval_hash)
        .bind(&row.secret_sealed)
        .bind(row.algorithm)
        .bind(row.digits)
        .bind(row.period_s)
        .bind(row.position.map(signed))
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await
        .map_err(taken)?;
        Ok(())
    }

    /// Sets a status. Any but `locked_out` forgets the wrong passcodes.
    pub(crate) async fn set_status(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        status: UserStatus,
    ) -> Result<(), StoreError> {
        let query = match status {
            UserStatus::LockedOut => "UPDATE users SET status = ? WHERE id = ?",
            _ => "UPDATE users SET status = ?, failures = 0 WHERE id = ?",
        };
        sqlx::query(query)
            .bind(status.as_str())
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Sets or clears a script.
    pub(crate) async fn set_script(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        script: Option<Script>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET script_answer = ?, script_after_ms = ? WHERE id = ?")
            .bind(script.map(|script| script.answer.as_str()))
            .bind(script.map(|script| script.after_ms))
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Removes a user and all it has; false when there was none.
    pub(crate) async fn delete_user(&self, user_id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM users WHERE id = ?")
            .bind(user_id)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes a user's device; false when it has no such device.
    pub(crate) async fn delete_device(
        &self,
        user_id: &str,
        device_id: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM devices WHERE id = ? AND user_id = ?")
            .bind(device_id)
            .bind(user_id)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

type UserRow = (
    String,
    String,
    String,
    String,
    i64,
    Option<String>,
    Option<i64>,
    i64,
);
type ReadDevice = (String, String, String, String, bool, bool, bool);

/// Reads a user as one connection sees it: the writer inside its transaction, or a reader.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Option<Account>, StoreError> {
    let row: Option<UserRow> = sqlx::query_as(
        "SELECT id, name, lookup, status, failures, script_answer, script_after_ms,
                (SELECT count(*) FROM bypass_codes WHERE user_id = users.id
                 AND (expires_at_ms IS NULL OR expires_at_ms > unixepoch() * 1000))
         FROM users WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((id, name, lookup, status, failures, answer, after_ms, bypass_codes)) = row else {
        return Ok(None);
    };
    let devices: Vec<ReadDevice> = sqlx::query_as(
        "SELECT id, kind, name, number, can_push, can_phone, can_sms
         FROM devices WHERE user_id = ? ORDER BY created_at_ms, rowid",
    )
    .bind(&id)
    .fetch_all(&mut *connection)
    .await?;
    let mut next = HashMap::new();
    if devices.iter().any(|device| device.6) {
        let codes: Vec<(String, String)> = sqlx::query_as(
            "SELECT device_id, leading FROM sms_codes
             WHERE device_id IN (SELECT id FROM devices WHERE user_id = ?) ORDER BY id DESC",
        )
        .bind(&id)
        .fetch_all(&mut *connection)
        .await?;
        next.extend(codes);
    }
    let devices = devices
        .into_iter()
        .map(|(id, kind, name, number, push, phone, sms)| {
            Ok(Arc::new(Device {
                sms_next: next.remove(&id),
                kind: DeviceKind::from_name(&kind)
                    .ok_or(StoreError::Unreadable { column: "kind" })?,
                id: id.into(),
                name,
                number,
                capabilities: Capabilities { push, phone, sms },
            }))
        });
    let script = match answer {
        Some(answer) => Some(Script {
            answer: ScriptAnswer::from_name(&answer).ok_or(StoreError::Unreadable {
                column: "script_answer",
            })?,
            after_ms: small(after_ms.unwrap_or(0)),
        }),
        None => None,
    };
    Ok(Some(Account {
        status: UserStatus::from_name(&status)
            .ok_or(StoreError::Unreadable { column: "status" })?,
        devices: devices.collect::<Result<_, StoreError>>()?,
        id,
        name,
        lookup,
        script,
        failures: small(failures),
        bypass_codes: small(bypass_codes),
    }))
}

/// SQLite has signed numbers only; ours are never that large.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn small(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
