//! Applications.

use super::users::{signed, unsigned};
use super::{Store, StoreError, taken};
use crate::account::{Application, NameRules, PreviousKeys};
use crate::admin::{ApplicationKeys, NewUserPolicy, UsernameNormalization};
use crate::sign::SigningKeys;
use crate::vault::Vault;
use proto::secret::Secret;

impl Store {
    /// Every application, with its secret opened.
    pub(crate) async fn applications(&self, vault: &Vault) -> Result<Vec<Application>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT ikey, name, skey_sealed, new_user_policy, username_normalization,
                    open_enrollment, previous_ikey, previous_sealed, previous_until_ms
             FROM applications ORDER BY name",
        )
        .fetch_all(&self.writer)
        .await?;
        rows.into_iter()
            .map(|row| {
                let (ikey, name, sealed, policy, normalization, open_enrollment, ..) = row;
                let skey = open(vault, &ikey, &sealed)?;
                let previous = match (row.6, row.7, row.8) {
                    (Some(ikey), Some(sealed), Some(until_ms)) => Some(PreviousKeys {
                        keys: SigningKeys::new(open(vault, &ikey, &sealed)?.expose()),
                        ikey: ikey.into(),
                        until_ms: unsigned(until_ms),
                    }),
                    _ => None,
                };
                Ok(Application {
                    ikey: ikey.into(),
                    name: name.into(),
                    keys: SigningKeys::new(skey.expose()),
                    skey,
                    previous,
                    rules: NameRules {
                        new_user_policy: NewUserPolicy::from_name(&policy)
                            .ok_or(unreadable("new_user_policy"))?,
                        username_normalization: UsernameNormalization::from_name(&normalization)
                            .ok_or(unreadable("username_normalization"))?,
                        open_enrollment,
                    },
                })
            })
            .collect()
    }

    /// Adds an application.
    pub(crate) async fn insert_application(
        &self,
        vault: &Vault,
        application: &Application,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let sealed = vault.seal(
            &place(&application.ikey),
            application.skey.expose().as_bytes(),
        )?;
        sqlx::query(
            "INSERT INTO applications
             (ikey, name, skey_sealed, new_user_policy, username_normalization, open_enrollment,
              created_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&*application.ikey)
        .bind(&*application.name)
        .bind(sealed)
        .bind(application.rules.new_user_policy.as_str())
        .bind(application.rules.username_normalization.as_str())
        .bind(application.rules.open_enrollment)
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await
        .map_err(taken)?;
        Ok(())
    }

    /// Changes what an application does with names, and its keys if others are given; the present
    /// ones are then good until a time (milliseconds since 1970).
    pub(crate) async fn update_application(
        &self,
        vault: &Vault,
        name: &str,
        rules: NameRules,
        keys: Option<(&ApplicationKeys, u64)>,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE applications
             SET new_user_policy = ?, username_normalization = ?, open_enrollment = ?
             WHERE name = ?",
        )
        .bind(rules.new_user_policy.as_str())
        .bind(rules.username_normalization.as_str())
        .bind(rules.open_enrollment)
        .bind(name)
        .execute(&mut *tx)
        .await?;
        if let Some((keys, until_ms)) = keys {
            let sealed = vault.seal(&place(&keys.ikey), keys.skey.expose().as_bytes())?;
            // The right sides are those of the row before.
            sqlx::query(
                "UPDATE applications
                 SET previous_ikey = ikey, previous_sealed = skey_sealed, previous_until_ms = ?,
                     ikey = ?, skey_sealed = ?
                 WHERE name = ?",
            )
            .bind(signed(until_ms))
            .bind(&keys.ikey)
            .bind(sealed)
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(taken)?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Removes an application; false when there was none.
    pub(crate) async fn delete_application(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM applications WHERE name = ?")
            .bind(name)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

type Row = (
    String,
    String,
    Vec<u8>,
    String,
    String,
    bool,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
);

fn open(vault: &Vault, ikey: &str, sealed: &[u8]) -> Result<Secret<String>, StoreError> {
    let skey = vault.open_box(&place(ikey), sealed)?;
    let skey = String::from_utf8(skey.to_vec()).map_err(|_| unreadable("skey"))?;
    Ok(Secret::new(skey))
}

fn place(ikey: &str) -> String {
    format!("applications/{ikey}")
}

const fn unreadable(column: &'static str) -> StoreError {
    StoreError::Unreadable { column }
}
