//! Users and their devices.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection};

use super::people::owner;
use super::{Store, StoreError, Transaction, taken};
use crate::account::{Account, Device};
use crate::admin::{Capabilities, DeviceKind, Script, ScriptAnswer, UserStatus};

/// A device as it is written, with what is never read back with an account.
pub(crate) struct DeviceRow {
    pub(crate) device: Device,
    /// Of the token in its own address, and until when that binds it.
    pub(crate) approval: Option<(Vec<u8>, u64)>,
    pub(crate) secret_sealed: Option<Vec<u8>>,
    pub(crate) algorithm: Option<&'static str>,
    pub(crate) digits: Option<u32>,
    pub(crate) period_s: Option<u32>,
    pub(crate) position: Option<u64>,
}

/// Whose own address a phone's is.
pub(crate) struct Approver {
    pub(crate) account: Account,
    pub(crate) device: Arc<Device>,
    /// Until when it binds the phone to a passkey.
    pub(crate) binds_until_ms: u64,
}

impl Store {
    /// A user by the lookup key of its name or of an alias.
    pub(crate) async fn account(&self, lookup: &str) -> Result<Option<Account>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        match owner(&mut reader, lookup).await? {
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
    ) -> Result<Option<Approver>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let found: Option<(String, String, Option<i64>)> = sqlx::query_as(
            "SELECT user_id, id, approval_until_ms FROM devices WHERE approval_hash = ?",
        )
        .bind(hash)
        .fetch_optional(&mut *reader)
        .await?;
        let Some((user, device, until_ms)) = found else {
            return Ok(None);
        };
        let account = load(&mut reader, &user).await?;
        Ok(account.and_then(|account| {
            let device = account
                .devices
                .iter()
                .find(|found| *found.id == *device)
                .cloned()?;
            Some(Approver {
                account,
                device,
                binds_until_ms: until_ms.map_or(0, unsigned),
            })
        }))
    }

    /// How many users there are.
    pub(crate) async fn count_users(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(&self.reader)
            .await?;
        Ok(unsigned(count))
    }

    /// How many phones have an address to approve by and no passkey, and of how many that address is over.
    pub(crate) async fn count_unbound(&self, now_ms: u64) -> Result<(u64, u64), StoreError> {
        let (all, over): (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE coalesce(approval_until_ms, 0) <= ?)
             FROM devices WHERE can_push AND approval_hash IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM passkeys WHERE device_id = devices.id)",
        )
        .bind(signed(now_ms))
        .fetch_one(&self.reader)
        .await?;
        Ok((unsigned(all), unsigned(over)))
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
              approval_until_ms, secret_sealed, algorithm, digits, period_s, position, drift, serial,
              created_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&*row.device.id)
        .bind(user_id)
        .bind(row.device.kind.as_str())
        .bind(&row.device.name)
        .bind(&row.device.number)
        .bind(row.device.capabilities.push)
        .bind(row.device.capabilities.phone)
        .bind(row.device.capabilities.sms)
        .bind(row.approval.as_ref().map(|(hash, _)| hash))
        .bind(row.approval.as_ref().map(|(_, until_ms)| signed(*until_ms)))
        .bind(&row.secret_sealed)
        .bind(row.algorithm)
        .bind(row.digits)
        .bind(row.period_s)
        .bind(row.position.map(signed))
        .bind(row.device.drift)
        .bind(&row.device.serial)
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await
        .map_err(taken)?;
        Ok(())
    }

    /// Sets a status. Any but `locked_out` forgets the wrong passcodes, and the pushes that nobody approved.
    /// A bypass lasts, and what a directory disabled before is not its any more. Who is let in again and is on
    /// no list any more is whoever a directory gives the name to: by its id nobody came back.
    pub(crate) async fn set_status(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        status: UserStatus,
    ) -> Result<(), StoreError> {
        let query = match status {
            UserStatus::LockedOut => {
                "UPDATE users SET status = ?, bypass_until_ms = NULL, status_before = NULL WHERE id = ?"
            }
            _ => {
                "UPDATE users SET status = ?, bypass_until_ms = NULL, status_before = NULL, failures = 0,
                        unanswered = 0, unanswered_at_ms = NULL
                 WHERE id = ?"
            }
        };
        sqlx::query(query)
            .bind(status.as_str())
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        if matches!(status, UserStatus::Active | UserStatus::Bypass) {
            sqlx::query(
                "UPDATE users SET directory_id = NULL WHERE id = ?1 AND NOT EXISTS
                 (SELECT 1 FROM user_lists WHERE user_id = ?1 AND gone = 0)",
            )
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        }
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

    /// Removes a user's device; false when it has no such device. Who signed in by a passcode is signed
    /// out, but for the session to keep.
    pub(crate) async fn delete_device(
        &self,
        user_id: &str,
        device_id: &str,
        keep: Option<&[u8]>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        // Who has it may have signed in with it.
        self.delete_sign_ins(&mut tx, user_id, keep).await?;
        // A hardware token is taken back, and where it stands stays.
        let taken = "UPDATE devices SET user_id = NULL
                     WHERE id = ? AND user_id = ? AND serial IS NOT NULL";
        let done = sqlx::query(taken)
            .bind(device_id)
            .bind(user_id)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() > 0 {
            tx.commit().await?;
            return Ok(true);
        }
        let done = sqlx::query("DELETE FROM devices WHERE id = ? AND user_id = ?")
            .bind(device_id)
            .bind(user_id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

/// A user as it is stored.
struct UserRow {
    id: String,
    name: String,
    lookup: String,
    status: String,
    failures: i64,
    script_answer: Option<String>,
    script_after_ms: Option<i64>,
    full_name: String,
    email: String,
    bypass_until_ms: Option<i64>,
    source: Option<String>,
    unanswered: i64,
    unanswered_at_ms: Option<i64>,
    last_login_ms: Option<i64>,
    bypass_codes: i64,
}

impl FromRow<'_, SqliteRow> for UserRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            lookup: row.try_get("lookup")?,
            status: row.try_get("status")?,
            failures: row.try_get("failures")?,
            script_answer: row.try_get("script_answer")?,
            script_after_ms: row.try_get("script_after_ms")?,
            full_name: row.try_get("full_name")?,
            email: row.try_get("email")?,
            bypass_until_ms: row.try_get("bypass_until_ms")?,
            source: row.try_get("source")?,
            unanswered: row.try_get("unanswered")?,
            unanswered_at_ms: row.try_get("unanswered_at_ms")?,
            last_login_ms: row.try_get("last_login_ms")?,
            bypass_codes: row.try_get("bypass_codes")?,
        })
    }
}

/// A device as it is stored, but for its secrets.
struct DeviceOf {
    id: String,
    kind: String,
    name: String,
    number: String,
    can_push: bool,
    can_phone: bool,
    can_sms: bool,
    drift: i64,
    serial: Option<String>,
    last_used_ms: Option<i64>,
    bound: bool,
    approval_until_ms: Option<i64>,
    synced: bool,
    notified: bool,
}

impl FromRow<'_, SqliteRow> for DeviceOf {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            number: row.try_get("number")?,
            can_push: row.try_get("can_push")?,
            can_phone: row.try_get("can_phone")?,
            can_sms: row.try_get("can_sms")?,
            drift: row.try_get("drift")?,
            serial: row.try_get("serial")?,
            last_used_ms: row.try_get("last_used_ms")?,
            bound: row.try_get("bound")?,
            approval_until_ms: row.try_get("approval_until_ms")?,
            synced: row.try_get("synced")?,
            notified: row.try_get("notified")?,
        })
    }
}

/// Reads a user as one connection sees it: the writer inside its transaction, or a reader.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Option<Account>, StoreError> {
    let row: Option<UserRow> = sqlx::query_as(
        "SELECT id, name, lookup, status, failures, script_answer, script_after_ms, full_name,
                email, bypass_until_ms, source, unanswered, unanswered_at_ms, last_login_ms,
                (SELECT count(*) FROM bypass_codes WHERE user_id = users.id
                 AND (expires_at_ms IS NULL OR expires_at_ms > unixepoch() * 1000)) AS bypass_codes
         FROM users WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let script = match row.script_answer {
        Some(answer) => Some(Script {
            answer: ScriptAnswer::from_name(&answer).ok_or(StoreError::Unreadable {
                column: "script_answer",
            })?,
            after_ms: small(row.script_after_ms.unwrap_or(0)),
        }),
        None => None,
    };
    Ok(Some(Account {
        status: UserStatus::from_name(&row.status)
            .ok_or(StoreError::Unreadable { column: "status" })?,
        devices: devices(connection, &row.id, script.is_some()).await?,
        aliases: names(connection, ALIASES, &row.id).await?,
        groups: names(connection, GROUPS, &row.id).await?,
        id: row.id,
        name: row.name,
        lookup: row.lookup,
        full_name: row.full_name,
        email: row.email,
        bypass_until_ms: row.bypass_until_ms.map(unsigned),
        source: row.source,
        unanswered: small(row.unanswered),
        unanswered_at_ms: row.unanswered_at_ms.map(unsigned),
        last_login_ms: row.last_login_ms.map(unsigned),
        script,
        failures: small(row.failures),
        bypass_codes: small(row.bypass_codes),
    }))
}

async fn names(
    connection: &mut SqliteConnection,
    query: &'static str,
    user_id: &str,
) -> Result<Vec<String>, StoreError> {
    let names = sqlx::query_scalar(query).bind(user_id);
    Ok(names.fetch_all(connection).await?)
}

const ALIASES: &str = "SELECT name FROM aliases WHERE user_id = ? ORDER BY lookup";
const GROUPS: &str =
    "SELECT min(name) FROM user_groups WHERE user_id = ? GROUP BY lookup ORDER BY lookup";

async fn devices(
    connection: &mut SqliteConnection,
    user_id: &str,
    scripted: bool,
) -> Result<Vec<Arc<Device>>, StoreError> {
    let rows: Vec<DeviceOf> = sqlx::query_as(
        "SELECT id, kind, name, number, can_push, can_phone, can_sms, drift, serial, last_used_ms,
                approval_until_ms,
                EXISTS (SELECT 1 FROM passkeys WHERE device_id = devices.id) AS bound,
                EXISTS (SELECT 1 FROM passkeys WHERE device_id = devices.id AND synced) AS synced,
                EXISTS (SELECT 1 FROM push_subscriptions WHERE device_id = devices.id) AS notified
         FROM devices WHERE user_id = ? ORDER BY created_at_ms, rowid",
    )
    .bind(user_id)
    .fetch_all(&mut *connection)
    .await?;
    let mut next = HashMap::new();
    if rows.iter().any(|device| device.can_sms) {
        let codes: Vec<(String, String)> = sqlx::query_as(
            "SELECT device_id, leading FROM sms_codes
             WHERE device_id IN (SELECT id FROM devices WHERE user_id = ?) AND leading <> ''
             ORDER BY id DESC",
        )
        .bind(user_id)
        .fetch_all(&mut *connection)
        .await?;
        next.extend(codes);
    }
    let device = |row: DeviceOf| {
        Ok(Arc::new(Device {
            sms_next: next.remove(&row.id),
            kind: DeviceKind::from_name(&row.kind)
                .ok_or(StoreError::Unreadable { column: "kind" })?,
            id: row.id.into(),
            name: row.name,
            number: row.number,
            capabilities: Capabilities {
                push: row.can_push,
                phone: row.can_phone,
                sms: row.can_sms,
            },
            serial: row.serial,
            bound: row.bound,
            answered_until_ms: (!row.bound && !scripted)
                .then(|| row.approval_until_ms.map_or(0, unsigned)),
            synced: row.synced,
            notified: row.notified,
            drift: row.drift,
            last_used_ms: row.last_used_ms.map(unsigned),
        }))
    };
    rows.into_iter().map(device).collect()
}

/// SQLite has signed numbers only; ours are never that large.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn small(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
