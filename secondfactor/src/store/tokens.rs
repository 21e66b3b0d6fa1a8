//! Hardware tokens: devices with a serial number, which nobody may have.

use std::collections::{HashMap, HashSet};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::people::version;
use super::users::{signed, small};
use super::{Store, StoreError, Transaction, Version, taken};
use crate::admin::{DeviceKind, OtpAlgorithm, Token};

/// A token as it is written.
pub(crate) struct TokenRow<'t> {
    pub(crate) id: String,
    pub(crate) user_id: Option<&'t str>,
    pub(crate) serial: &'t str,
    pub(crate) kind: DeviceKind,
    pub(crate) secret_sealed: Vec<u8>,
    pub(crate) algorithm: OtpAlgorithm,
    pub(crate) digits: u32,
    pub(crate) period_s: Option<u32>,
    pub(crate) position: Option<u64>,
}

/// A user who may get one.
pub(crate) struct Owner {
    pub(crate) id: String,
    pub(crate) lookup: String,
    pub(crate) devices: usize,
}

/// What tokens are planned by.
pub(crate) struct KnownTokens {
    pub(crate) version: Version,
    /// Those asked for that are there.
    pub(crate) serials: HashSet<String>,
    /// Users by the lookup keys that were asked for, of names and aliases.
    pub(crate) owners: HashMap<String, Owner>,
    /// All tokens.
    pub(crate) count: u64,
}

impl Store {
    /// Tokens after a serial number, in their order.
    pub(crate) async fn tokens(&self, after: &str, limit: u32) -> Result<Vec<Token>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(TOKENS)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.reader)
            .await?;
        rows.into_iter().map(token).collect()
    }

    /// A token as the transaction sees it.
    pub(crate) async fn token_in(
        &self,
        tx: &mut Transaction,
        serial: &str,
    ) -> Result<Option<Token>, StoreError> {
        let row: Option<Row> = sqlx::query_as(TOKEN)
            .bind(serial)
            .fetch_optional(&mut **tx)
            .await?;
        row.map(token).transpose()
    }

    /// What tokens are planned by, as it is at one moment. No writer waits for it.
    pub(crate) async fn tokens_known(
        &self,
        serials: &[&str],
        lookups: &[String],
    ) -> Result<KnownTokens, StoreError> {
        let mut tx = self.reader.begin().await?;
        self.tokens_known_in(&mut tx, serials, lookups).await
    }

    /// What tokens are planned by, as the transaction sees it.
    pub(crate) async fn tokens_known_in(
        &self,
        tx: &mut Transaction,
        serials: &[&str],
        lookups: &[String],
    ) -> Result<KnownTokens, StoreError> {
        Ok(KnownTokens {
            version: version(tx).await?,
            serials: serials_among(tx, serials).await?,
            owners: owners(tx, lookups).await?,
            count: count_tokens(tx).await?,
        })
    }

    /// Adds tokens that were planned by the number of a moment, and gives the number after it; none when
    /// something has changed since, and nothing is written.
    pub(crate) async fn insert_planned_tokens(
        &self,
        rows: &[TokenRow<'_>],
        planned: Version,
        now_ms: u64,
    ) -> Result<Option<Version>, StoreError> {
        let mut tx = self.write().await?;
        if version(&mut tx).await? != planned {
            return Ok(None);
        }
        self.insert_tokens(&mut tx, rows, now_ms).await?;
        let after = version(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(after))
    }

    /// Adds tokens.
    pub(crate) async fn insert_tokens(
        &self,
        tx: &mut Transaction,
        rows: &[TokenRow<'_>],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let row = |row: &TokenRow<'_>| {
            json!([
                row.id,
                row.user_id,
                row.kind.as_str(),
                row.serial,
                HEXLOWER.encode(&row.secret_sealed),
                row.algorithm.as_str(),
                row.digits,
                row.period_s,
                row.position.map(signed),
            ])
        };
        let rows: Value = rows.iter().map(row).collect();
        sqlx::query(INSERT)
            .bind(signed(now_ms))
            .bind(rows.to_string())
            .execute(&mut **tx)
            .await
            .map_err(taken)?;
        Ok(())
    }

    /// Gives a token to a user, or takes it back. Where it stands stays.
    pub(crate) async fn set_token_owner(
        &self,
        tx: &mut Transaction,
        serial: &str,
        user_id: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE devices SET user_id = ? WHERE serial = ?")
            .bind(user_id)
            .bind(serial)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Removes a token.
    pub(crate) async fn delete_token(
        &self,
        tx: &mut Transaction,
        serial: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM devices WHERE serial = ?")
            .bind(serial)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

async fn serials_among(
    tx: &mut Transaction,
    serials: &[&str],
) -> Result<HashSet<String>, StoreError> {
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT serial FROM devices WHERE serial IN (SELECT value FROM json_each(?))",
    )
    .bind(json!(serials).to_string())
    .fetch_all(&mut **tx)
    .await?;
    Ok(found.into_iter().collect())
}

async fn owners(
    tx: &mut Transaction,
    lookups: &[String],
) -> Result<HashMap<String, Owner>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(OWNERS)
        .bind(json!(lookups).to_string())
        .fetch_all(&mut **tx)
        .await?;
    let owner = |(asked, id, lookup, devices)| {
        let devices = usize::try_from(small(devices)).unwrap_or(usize::MAX);
        let owner = Owner {
            id,
            lookup,
            devices,
        };
        (asked, owner)
    };
    Ok(rows.into_iter().map(owner).collect())
}

async fn count_tokens(tx: &mut Transaction) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM devices WHERE serial IS NOT NULL")
        .fetch_one(&mut **tx)
        .await?;
    Ok(super::users::unsigned(count))
}

type Row = (String, String, String, Option<i64>, Option<String>);

fn token((id, serial, kind, digits, user): Row) -> Result<Token, StoreError> {
    Ok(Token {
        id,
        serial,
        kind: DeviceKind::from_name(&kind).ok_or(StoreError::Unreadable { column: "kind" })?,
        digits: small(digits.unwrap_or(0)),
        user,
    })
}

const TOKENS: &str = "
    SELECT devices.id, serial, kind, digits, users.name
    FROM devices LEFT JOIN users ON users.id = devices.user_id
    WHERE serial > ? ORDER BY serial LIMIT ?";
const TOKEN: &str = "
    SELECT devices.id, serial, kind, digits, users.name
    FROM devices LEFT JOIN users ON users.id = devices.user_id WHERE serial = ?";
const OWNERS: &str = "
    WITH asked (lookup) AS (SELECT DISTINCT value FROM json_each(?)),
         found (asked, id) AS (
             SELECT asked.lookup, users.id
             FROM asked CROSS JOIN users ON users.lookup = asked.lookup
             UNION
             SELECT asked.lookup, aliases.user_id
             FROM asked CROSS JOIN aliases ON aliases.lookup = asked.lookup)
    SELECT found.asked, users.id, users.lookup,
           (SELECT count(*) FROM devices WHERE user_id = users.id)
    FROM found CROSS JOIN users ON users.id = found.id";
const INSERT: &str = "
    INSERT INTO devices (id, user_id, kind, name, serial, secret_sealed, algorithm, digits, period_s,
                         position, created_at_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, 'Token ' || (value ->> 3), value ->> 3,
           unhex(value ->> 4), value ->> 5, value ->> 6, value ->> 7, value ->> 8, ?
    FROM json_each(?)";
