//! Where notices for a phone go.

use super::users::signed;
use super::{Store, StoreError};

impl Store {
    /// Sets a device's subscription: its endpoint and its sealed keys.
    pub(crate) async fn set_subscription(
        &self,
        device_id: &str,
        endpoint: &str,
        keys_sealed: &[u8],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO push_subscriptions
             (device_id, endpoint, keys_sealed, created_at_ms) VALUES (?, ?, ?, ?)",
        )
        .bind(device_id)
        .bind(endpoint)
        .bind(keys_sealed)
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// A device's subscription: its endpoint and its sealed keys.
    pub(crate) async fn subscription(
        &self,
        device_id: &str,
    ) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        let row = sqlx::query_as(
            "SELECT endpoint, keys_sealed FROM push_subscriptions WHERE device_id = ?",
        );
        Ok(row.bind(device_id).fetch_optional(&self.reader).await?)
    }

    /// Removes a device's subscription, if it still is the one with that endpoint; without one, any.
    pub(crate) async fn delete_subscription(
        &self,
        device_id: &str,
        endpoint: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM push_subscriptions WHERE device_id = ? AND (? IS NULL OR endpoint = ?)",
        )
        .bind(device_id)
        .bind(endpoint)
        .bind(endpoint)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
