//! What passcodes are checked against, of many users at once, and what is changed by that. As many
//! queries for one user as for hundreds: the lists travel as JSON.

use std::collections::HashMap;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::users::{signed, small, unsigned};
use super::{Store, StoreError, Transaction};
use crate::admin::{DeviceKind, OtpAlgorithm, UserStatus};
use crate::holdings::{
    BypassCode, Changes, Generator, Holder, Holdings, SentCode, generator_place, sent_place,
};
use crate::vault::Vault;

impl Store {
    /// What users have, by their ids; those that are not there are left out.
    pub(crate) async fn holdings(
        &self,
        tx: &mut Transaction,
        vault: &Vault,
        user_ids: &[&str],
    ) -> Result<HashMap<String, Holdings>, StoreError> {
        let ids = json!(user_ids).to_string();
        let mut all = HashMap::with_capacity(user_ids.len());
        let rows: Vec<HolderRow> = sqlx::query_as(HOLDERS)
            .bind(&ids)
            .fetch_all(&mut **tx)
            .await?;
        for (id, lookup, status, until_ms, failures, unanswered, login_ms) in rows {
            let user = Holder {
                lookup,
                status: UserStatus::from_name(&status)
                    .ok_or(StoreError::Unreadable { column: "status" })?,
                bypass_until_ms: until_ms.map(unsigned),
                failures: small(failures),
                unanswered: small(unanswered),
                last_login_ms: login_ms.map(unsigned),
                id: id.clone(),
            };
            let holdings = Holdings {
                user,
                generators: Vec::new(),
                sent: Vec::new(),
                bypass_codes: Vec::new(),
            };
            all.insert(id, holdings);
        }
        let rows: Vec<GeneratorRow> = sqlx::query_as(GENERATORS)
            .bind(&ids)
            .fetch_all(&mut **tx)
            .await?;
        for row in rows {
            if let Some(holdings) = all.get_mut(&row.0) {
                holdings.generators.extend(generator(vault, row));
            }
        }
        let rows: Vec<SentRow> = sqlx::query_as(SENT).bind(&ids).fetch_all(&mut **tx).await?;
        for (user_id, id, device_id, kind, sealed, expires_at_ms) in rows {
            let Some(holdings) = all.get_mut(&user_id) else {
                continue;
            };
            let opened = opened(vault, &sent_place(&device_id), &sealed);
            let (Some(code), Some(kind)) = (opened, DeviceKind::from_name(&kind)) else {
                continue;
            };
            holdings.sent.push(SentCode {
                id,
                device_id,
                kind,
                code,
                expires_at_ms: expires_at_ms.map(unsigned),
            });
        }
        let rows: Vec<(String, i64, Vec<u8>, Option<i64>)> = sqlx::query_as(BYPASS_CODES)
            .bind(&ids)
            .fetch_all(&mut **tx)
            .await?;
        for (user_id, id, hash, expires_at_ms) in rows {
            if let Some(holdings) = all.get_mut(&user_id) {
                holdings.bypass_codes.push(BypassCode {
                    id,
                    hash,
                    expires_at_ms: expires_at_ms.map(unsigned),
                });
            }
        }
        Ok(all)
    }

    /// Writes down what passcodes changed. The same queries whatever that is, so that the time that it
    /// takes does not say which passcode was good.
    pub(crate) async fn keep_changes(
        &self,
        tx: &mut Transaction,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let holder = |user: &Holder| {
            json!([
                user.id,
                user.status.as_str(),
                user.failures,
                user.unanswered,
                user.last_login_ms.map(signed)
            ])
        };
        let holders: Value = changes.holders.iter().map(holder).collect();
        let moved: Value = changes
            .generators
            .iter()
            .map(|moved| {
                let (position, used_ms) = (signed(moved.position), moved.used_ms.map(signed));
                json!([moved.device_id, position, moved.drift, used_ms])
            })
            .collect();
        let devices: Value = changes
            .devices
            .iter()
            .map(|(device_id, used_ms)| json!([device_id, signed(*used_ms)]))
            .collect();
        for (query, list) in [
            (KEEP_HOLDERS, holders),
            (KEEP_GENERATORS, moved),
            (KEEP_DEVICES, devices),
            (USE_SENT, json!(changes.sent)),
            (USE_BYPASS_CODES, json!(changes.bypass_codes)),
        ] {
            sqlx::query(query)
                .bind(list.to_string())
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}

type HolderRow = (String, String, String, Option<i64>, i64, i64, Option<i64>);

type GeneratorRow = (
    String,
    String,
    String,
    Vec<u8>,
    Option<String>,
    Option<u32>,
    Option<u32>,
    Option<i64>,
    i64,
);

type SentRow = (String, i64, String, String, Vec<u8>, Option<i64>);

/// None, and a line in the log, for one that cannot be read: its device has no good passcode, and
/// its user's others have.
fn generator(vault: &Vault, row: GeneratorRow) -> Option<Generator> {
    let (_, device_id, kind, sealed, algorithm, digits, period_s, position, drift) = row;
    let secret = opened(vault, &generator_place(&device_id), &sealed)?;
    Some(Generator {
        kind: DeviceKind::from_name(&kind)?,
        secret,
        algorithm: OtpAlgorithm::from_name(&algorithm?)?,
        digits: digits?,
        period_s: period_s.unwrap_or(0).into(),
        position: position.map(unsigned),
        drift,
        device_id,
    })
}

fn opened(vault: &Vault, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let opened = vault.open_box(place, sealed);
    if opened.is_err() {
        tracing::error!(place, "a stored secret does not open with this key file");
    }
    opened.ok()
}

const HOLDERS: &str = "
    SELECT id, lookup, status, bypass_until_ms, failures, unanswered, last_login_ms
    FROM users WHERE id IN (SELECT value FROM json_each(?))";
const GENERATORS: &str = "
    SELECT user_id, id, kind, secret_sealed, algorithm, digits, period_s, position, drift
    FROM devices
    WHERE user_id IN (SELECT value FROM json_each(?)) AND secret_sealed IS NOT NULL
    ORDER BY created_at_ms, rowid";
const SENT: &str = "
    SELECT devices.user_id, sms_codes.id, device_id, kind, code_sealed, expires_at_ms
    FROM devices CROSS JOIN sms_codes ON device_id = devices.id
    WHERE devices.user_id IN (SELECT value FROM json_each(?)) ORDER BY sms_codes.id";
const BYPASS_CODES: &str = "
    SELECT user_id, id, code_hash, expires_at_ms
    FROM bypass_codes WHERE user_id IN (SELECT value FROM json_each(?))";
const KEEP_HOLDERS: &str = "
    UPDATE users SET status = list.value ->> 1, failures = list.value ->> 2,
                     unanswered = list.value ->> 3, last_login_ms = list.value ->> 4,
                     unanswered_at_ms = iif(list.value ->> 3, unanswered_at_ms, NULL),
                     bypass_until_ms = iif(list.value ->> 1 = 'locked_out', NULL, bypass_until_ms),
                     status_before = iif(list.value ->> 1 = 'locked_out', NULL, status_before)
    FROM json_each(?) AS list WHERE users.id = list.value ->> 0";
const KEEP_GENERATORS: &str = "
    UPDATE devices SET position = list.value ->> 1, drift = list.value ->> 2,
                       last_used_ms = coalesce(list.value ->> 3, last_used_ms)
    FROM json_each(?) AS list WHERE devices.id = list.value ->> 0";
const KEEP_DEVICES: &str = "
    UPDATE devices SET last_used_ms = list.value ->> 1
    FROM json_each(?) AS list WHERE devices.id = list.value ->> 0";
const USE_SENT: &str = "DELETE FROM sms_codes WHERE id IN (SELECT value FROM json_each(?))";
const USE_BYPASS_CODES: &str =
    "DELETE FROM bypass_codes WHERE id IN (SELECT value FROM json_each(?))";
