//! Settings that are kept sealed.

use zeroize::Zeroizing;

use super::{Store, StoreError};
use crate::vault::Vault;

impl Store {
    /// A setting's value.
    pub(crate) async fn setting(
        &self,
        vault: &Vault,
        name: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT value_sealed FROM settings WHERE name = ?")
                .bind(name)
                .fetch_optional(&self.writer)
                .await?;
        let opened = sealed.map(|sealed| vault.open_box(&place(name), &sealed));
        Ok(opened.transpose()?)
    }

    /// Sets a setting's value.
    pub(crate) async fn set_setting(
        &self,
        vault: &Vault,
        name: &str,
        value: &[u8],
    ) -> Result<(), StoreError> {
        let sealed = vault.seal(&place(name), value)?;
        sqlx::query("INSERT OR REPLACE INTO settings (name, value_sealed) VALUES (?, ?)")
            .bind(name)
            .bind(sealed)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

fn place(name: &str) -> String {
    format!("settings/{name}")
}
