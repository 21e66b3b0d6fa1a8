//! Enrollments that were begun: each is ended once, by who has its code.

use super::users::{signed, unsigned};
use super::{Attempt, Store, StoreError, Transaction};
use crate::account::Reach;

/// An enrollment that was begun.
pub(crate) struct Activation {
    pub(crate) user_name: String,
    pub(crate) user_id: Option<String>,
    /// Whether it may add to devices that are there.
    pub(crate) may_add: bool,
    /// When its user had signed in who began it; none is who was given its code.
    pub(crate) signed_in_at_ms: Option<u64>,
    pub(crate) expires_at_ms: u64,
    pub(crate) used: bool,
}

/// What makes an enrollment.
pub(crate) struct Begun<'a> {
    pub(crate) id: &'a str,
    /// The keyed hash of its code.
    pub(crate) hash: &'a [u8],
    pub(crate) user_name: &'a str,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) may_add: bool,
    pub(crate) signed_in_at_ms: Option<u64>,
    pub(crate) now_ms: u64,
    pub(crate) expires_at_ms: u64,
}

/// An enrollment that waits, for those who look after it.
pub(crate) struct WaitingActivation {
    pub(crate) id: String,
    pub(crate) user_name: String,
    pub(crate) may_add: bool,
    pub(crate) since_ms: u64,
    pub(crate) until_ms: u64,
}

impl Store {
    /// Begins an enrollment; false when `most` of them wait already. Those that are over go.
    pub(crate) async fn insert_activation(
        &self,
        tx: &mut Transaction,
        begun: &Begun<'_>,
        most: u32,
    ) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM activations WHERE expires_at_ms <= ?")
            .bind(signed(begun.now_ms))
            .execute(&mut **tx)
            .await?;
        if begun.signed_in_at_ms.is_some() {
            // Of one person's own the oldest goes, used or not.
            sqlx::query(
                "DELETE FROM activations WHERE rowid IN
                 (SELECT rowid FROM activations
                  WHERE user_id = ? AND signed_in_at_ms IS NOT NULL
                  ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
            )
            .bind(begun.user_id)
            .bind(MOST_OF_ONES_OWN - 1)
            .execute(&mut **tx)
            .await?;
        }
        let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM activations")
            .fetch_one(&mut **tx)
            .await?;
        if waiting >= i64::from(most) {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO activations
             (id, code_hash, user_name, user_id, may_add, signed_in_at_ms, created_at_ms,
              expires_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(begun.id)
        .bind(begun.hash)
        .bind(begun.user_name)
        .bind(begun.user_id)
        .bind(begun.may_add)
        .bind(begun.signed_in_at_ms.map(signed))
        .bind(signed(begun.now_ms))
        .bind(signed(begun.expires_at_ms))
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
        type Row = (String, Option<String>, bool, Option<i64>, i64, bool);
        let row: Option<Row> = sqlx::query_as(
            "SELECT user_name, user_id, may_add, signed_in_at_ms, expires_at_ms, used_at_ms IS NOT NULL
             FROM activations WHERE code_hash = ? AND expires_at_ms > ?",
        )
        .bind(hash)
        .bind(signed(now_ms))
        .fetch_optional(&self.reader)
        .await?;
        let activation = |(user_name, user_id, may_add, signed_in, expires, used)| Activation {
            user_name,
            user_id,
            may_add,
            signed_in_at_ms: Option::map(signed_in, unsigned),
            expires_at_ms: unsigned(expires),
            used,
        };
        Ok(row.map(activation))
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

    /// Enrollments that wait, newest first, behind the one of an id; none when there is no such one.
    pub(crate) async fn waiting_activations(
        &self,
        after: Option<&str>,
        limit: u32,
        now_ms: u64,
    ) -> Result<Option<Vec<WaitingActivation>>, StoreError> {
        let last: Option<i64> = match after {
            None => Some(i64::MAX),
            Some(id) => {
                sqlx::query_scalar("SELECT rowid FROM activations WHERE id = ?")
                    .bind(id)
                    .fetch_optional(&self.reader)
                    .await?
            }
        };
        let Some(last) = last else {
            return Ok(None);
        };
        // A user may have got another name meanwhile.
        let rows: Vec<(String, String, bool, i64, i64)> = sqlx::query_as(
            "SELECT activations.id, coalesce(users.name, user_name), may_add,
                    coalesce(activations.created_at_ms, 0), expires_at_ms
             FROM activations LEFT JOIN users ON users.id = user_id
             WHERE activations.rowid < ? AND activations.id IS NOT NULL
               AND used_at_ms IS NULL AND expires_at_ms > ?
             ORDER BY activations.rowid DESC LIMIT ?",
        )
        .bind(last)
        .bind(signed(now_ms))
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let waiting = |(id, user_name, may_add, since, until)| WaitingActivation {
            id,
            user_name,
            may_add,
            since_ms: unsigned(since),
            until_ms: unsigned(until),
        };
        Ok(Some(rows.into_iter().map(waiting).collect()))
    }

    /// Takes an enrollment back; false when none of that id waits.
    pub(crate) async fn delete_activation(
        &self,
        id: &str,
        attempt: Attempt,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM activations WHERE id = ? AND used_at_ms IS NULL")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        attempt.end(tx).await?;
        Ok(done.rows_affected() > 0)
    }

    /// The lookup keys of those of a group who have set up no device, as
    /// [`crate::account::Device::is_set_up`] says it.
    pub(crate) async fn members_to_invite(
        &self,
        group: &str,
        reach: Reach,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let lookups = sqlx::query_scalar(
            "SELECT DISTINCT users.lookup FROM user_groups JOIN users ON users.id = user_id
             WHERE user_groups.lookup = ?1 AND NOT EXISTS (
                 SELECT 1 FROM devices WHERE devices.user_id = users.id AND (
                     kind NOT IN ('phone', 'email') OR last_used_ms IS NOT NULL
                     OR (kind = 'email' AND ?3)
                     OR (kind = 'phone' AND ((can_push AND (?6 OR approval_until_ms > ?7
                         OR users.script_answer IS NOT NULL
                         OR EXISTS (SELECT 1 FROM passkeys WHERE device_id = devices.id)))
                         OR (number GLOB '*[0-9]*'
                         AND ((can_sms AND ?4) OR (can_phone AND ?5)))))
                     OR (can_sms AND EXISTS (
                         SELECT 1 FROM sms_codes WHERE device_id = devices.id AND leading <> ''))))
             ORDER BY users.lookup LIMIT ?2",
        )
        .bind(group)
        .bind(limit)
        .bind(reach.email)
        .bind(reach.sms)
        .bind(reach.voice)
        .bind(reach.by_link)
        .bind(signed(reach.now_ms))
        .fetch_all(&self.reader)
        .await?;
        Ok(lookups)
    }

    /// Whether somebody is in a group, by its lookup key.
    pub(crate) async fn has_members(&self, group: &str) -> Result<bool, StoreError> {
        let found =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM user_groups WHERE lookup = ?)")
                .bind(group)
                .fetch_one(&self.reader)
                .await?;
        Ok(found)
    }

    /// Gives a user's device another name; false when it has no such device.
    pub(crate) async fn rename_device(
        &self,
        user_id: &str,
        device_id: &str,
        name: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE devices SET name = ? WHERE id = ? AND user_id = ?")
            .bind(name)
            .bind(device_id)
            .bind(user_id)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// The most additions of one person that are kept.
const MOST_OF_ONES_OWN: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Device};
    use crate::admin::{Capabilities, DeviceKind};
    use crate::store::DeviceRow;

    #[tokio::test]
    async fn whom_a_group_has_to_invite_is_who_has_set_up_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secondfactor.db");
        let store = Store::open(&file).await.unwrap();
        let can = |can: &str| Capabilities {
            push: can.contains("push"),
            phone: can.contains("phone"),
            sms: can.contains("sms"),
        };
        let mut tx = store.write().await.unwrap();
        for (name, kind, number, able) in [
            ("none", None, "", ""),
            ("totp", Some(DeviceKind::Totp), "", ""),
            ("key", Some(DeviceKind::SecurityKey), "", ""),
            ("email", Some(DeviceKind::Email), "a@b.example", ""),
            ("email-used", Some(DeviceKind::Email), "a@b.example", ""),
            ("push", Some(DeviceKind::Phone), "", "push"),
            ("push-over", Some(DeviceKind::Phone), "", "push"),
            ("push-sms-over", Some(DeviceKind::Phone), "17", "push sms"),
            ("push-scripted", Some(DeviceKind::Phone), "", "push"),
            ("push-bound", Some(DeviceKind::Phone), "", "push"),
            ("sms", Some(DeviceKind::Phone), "+1 7", "sms"),
            ("sms-nowhere", Some(DeviceKind::Phone), "+", "sms"),
            ("sms-used", Some(DeviceKind::Phone), "+1 7", "sms"),
            ("sms-recorded", Some(DeviceKind::Phone), "", "sms"),
            ("sms-sent", Some(DeviceKind::Phone), "+1 7", "sms"),
            ("phone", Some(DeviceKind::Phone), "17", "phone"),
            ("both", Some(DeviceKind::Phone), "17", "phone sms"),
            ("nothing", Some(DeviceKind::Phone), "17", ""),
        ] {
            let account = Account::new(format!("DU-{name}"), name);
            store.insert_user(&mut tx, &account, 1).await.unwrap();
            if let Some(kind) = kind {
                let row = DeviceRow {
                    device: Device {
                        number: number.to_owned(),
                        capabilities: can(able),
                        ..Device::new(name, kind, "")
                    },
                    approval: match name {
                        "push" => Some((b"push".to_vec(), 1_001)),
                        "push-over" => Some((b"over".to_vec(), 1_000)),
                        _ => None,
                    },
                    secret_sealed: None,
                    algorithm: None,
                    digits: None,
                    period_s: None,
                    position: None,
                };
                let id = &account.id;
                store.insert_device(&mut tx, id, &row, 1).await.unwrap();
            }
        }
        for (device, leading) in [("sms-recorded", "1"), ("sms-sent", "")] {
            let codes = [(leading.to_owned(), vec![0])];
            let put = store.replace_sms_codes(&mut tx, device, &codes, None);
            put.await.unwrap();
        }
        tx.commit().await.unwrap();
        let sql = "UPDATE devices SET last_used_ms = 7 WHERE id LIKE '%-used';
                   UPDATE users SET script_answer = 'approve' WHERE name = 'push-scripted';
                   INSERT INTO passkeys (credential, device_id, public_key, sign_count, created_at_ms)
                   VALUES (x'05', 'push-bound', x'06', 0, 9);
                   INSERT INTO user_groups (user_id, lookup, name) SELECT id, 'all', 'All' FROM users;";
        sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
        let lookups: Vec<String> = sqlx::query_scalar("SELECT lookup FROM users ORDER BY lookup")
            .fetch_all(&store.reader)
            .await
            .unwrap();
        let mut seen = Vec::new();
        for bits in 0..16_u8 {
            let reach = Reach {
                email: bits & 1 != 0,
                sms: bits & 2 != 0,
                voice: bits & 4 != 0,
                by_link: bits & 8 != 0,
                now_ms: 1_000,
            };
            let found = store.members_to_invite("all", reach, 100).await.unwrap();
            let mut want = Vec::new();
            for lookup in &lookups {
                let account = store.account(lookup).await.unwrap().unwrap();
                if !account.has_set_up(reach) {
                    want.push(lookup.clone());
                }
            }
            assert_eq!(found, want, "{reach:?}");
            seen.push(found.len());
        }
        // Without any way, with all: the table says something.
        assert_eq!((seen[0], seen[7], seen[15]), (10, 4, 3), "{seen:?}");
        store.close().await;
    }
}
