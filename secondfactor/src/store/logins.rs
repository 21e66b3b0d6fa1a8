//! What logins leave on users: when the last one was, pushes that nobody approved, a bypass that is over.

use super::users::signed;
use super::{Store, StoreError, Transaction};

impl Store {
    /// A push was approved: pushes that nobody approved are forgotten. Wrong passcodes are not: whoever
    /// guesses those does not hold the phone.
    pub(crate) async fn approved(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE users SET unanswered = 0, unanswered_at_ms = NULL, last_login_ms = ?
             WHERE id = ?",
        )
        .bind(signed(now_ms))
        .bind(user_id)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Sets how many pushes in a row nobody approved, and when the last of them was.
    pub(crate) async fn set_unanswered(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        (count, at_ms): (u32, Option<u64>),
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET unanswered = ?, unanswered_at_ms = ? WHERE id = ?")
            .bind(count)
            .bind(at_ms.map(signed))
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Makes a user active whose bypass is over. Nothing, when it is not, or no more a bypass.
    pub(crate) async fn end_bypass(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE users SET status = 'active', bypass_until_ms = NULL
             WHERE id = ? AND status = 'bypass' AND bypass_until_ms <= ?",
        )
        .bind(user_id)
        .bind(signed(now_ms))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
