//! Applications.

use super::{Store, StoreError, taken};
use crate::account::{Application, NameRules};
use crate::admin::{NewUserPolicy, UsernameNormalization};
use crate::sign::SigningKeys;
use crate::vault::Vault;
use proto::secret::Secret;

impl Store {
    /// Every application, with its secret opened.
    pub(crate) async fn applications(&self, vault: &Vault) -> Result<Vec<Application>, StoreError> {
        let rows: Vec<(String, String, Vec<u8>, String, String, bool)> = sqlx::query_as(
            "SELECT ikey, name, skey_sealed, new_user_policy, username_normalization,
                    open_enrollment
             FROM applications ORDER BY name",
        )
        .fetch_all(&self.writer)
        .await?;
        rows.into_iter()
            .map(
                |(ikey, name, sealed, policy, normalization, open_enrollment)| {
                    let skey = vault.open_box(&place(&ikey), &sealed)?;
                    let skey = Secret::new(
                        String::from_utf8(skey.to_vec()).map_err(|_| unreadable("skey"))?,
                    );
                    Ok(Application {
                        ikey: ikey.into(),
                        name,
                        keys: SigningKeys::new(skey.expose()),
                        skey,
                        rules: NameRules {
                            new_user_policy: NewUserPolicy::from_name(&policy)
                                .ok_or(unreadable("new_user_policy"))?,
                            username_normalization: UsernameNormalization::from_name(
                                &normalization,
                            )
                            .ok_or(unreadable("username_normalization"))?,
                            open_enrollment,
                        },
                    })
                },
            )
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
        .bind(&application.name)
        .bind(sealed)
        .bind(application.rules.new_user_policy.as_str())
        .bind(application.rules.username_normalization.as_str())
        .bind(application.rules.open_enrollment)
        .bind(super::users::signed(now_ms))
        .execute(&self.writer)
        .await
        .map_err(taken)?;
        Ok(())
    }

    /// Changes what an application does with names.
    pub(crate) async fn update_application(
        &self,
        ikey: &str,
        rules: NameRules,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE applications
             SET new_user_policy = ?, username_normalization = ?, open_enrollment = ?
             WHERE ikey = ?",
        )
        .bind(rules.new_user_policy.as_str())
        .bind(rules.username_normalization.as_str())
        .bind(rules.open_enrollment)
        .bind(ikey)
        .execute(&self.writer)
        .await?;
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

fn place(ikey: &str) -> String {
    format!("applications/{ikey}")
}

const fn unreadable(column: &'static str) -> StoreError {
    StoreError::Unreadable { column }
}
