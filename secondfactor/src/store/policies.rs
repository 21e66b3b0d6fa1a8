//! Policies, as documents. What they come to is none of this file's business.

use super::{Store, StoreError};
use crate::admin::{Policy, PolicyScope, ScopedPolicy};

type Row = (String, String, u32, String);

impl Store {
    /// Every policy.
    pub(crate) async fn policies(&self) -> Result<Vec<ScopedPolicy>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT scope, name, rank, document FROM policies")
            .fetch_all(&self.reader)
            .await?;
        let policy = |(scope, name, rank, document): Row| {
            let unreadable = |column| StoreError::Unreadable { column };
            Ok(ScopedPolicy {
                scope: PolicyScope::from_name(&scope).ok_or_else(|| unreadable("scope"))?,
                name,
                rank,
                policy: serde_json::from_str::<Policy>(&document)
                    .map_err(|_| unreadable("document"))?,
            })
        };
        rows.into_iter().map(policy).collect()
    }

    /// Puts a policy in the place of the one with its scope and lookup key; false when it is for an application
    /// that is not there.
    pub(crate) async fn put_policy(
        &self,
        lookup: &str,
        policy: &ScopedPolicy,
    ) -> Result<bool, StoreError> {
        let document = serde_json::to_string(&policy.policy)
            .map_err(|_| StoreError::Unreadable { column: "document" })?;
        let done = sqlx::query(
            "INSERT INTO policies (scope, lookup, name, rank, document) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE ?1 <> 'application' OR EXISTS (SELECT 1 FROM applications WHERE name = ?2)
             ON CONFLICT (scope, lookup)
             DO UPDATE SET name = excluded.name, rank = excluded.rank, document = excluded.document",
        )
        .bind(policy.scope.as_str())
        .bind(lookup)
        .bind(&policy.name)
        .bind(policy.rank)
        .bind(document)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes a policy; false when there was none.
    pub(crate) async fn delete_policy(
        &self,
        scope: PolicyScope,
        lookup: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM policies WHERE scope = ? AND lookup = ?")
            .bind(scope.as_str())
            .bind(lookup)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_policy_is_for_an_application_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secondfactor.db");
        let store = Store::open(&file).await.unwrap();
        let sql = "INSERT INTO applications
            (ikey, name, skey_sealed, new_user_policy, username_normalization, created_at_ms)
            VALUES ('DI1', 'vpn', x'00', 'enroll', 'simple', 1)";
        sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
        for (scope, lookup, want) in [
            (PolicyScope::Default, "", true),
            (PolicyScope::Group, "mail", true),
            (PolicyScope::Application, "vpn", true),
            (PolicyScope::Application, "vpn", true),
            (PolicyScope::Application, "mail", false),
            (PolicyScope::Application, "", false),
        ] {
            let policy = ScopedPolicy {
                scope,
                name: lookup.to_owned(),
                rank: 0,
                policy: Policy::default(),
            };
            let put = store.put_policy(lookup, &policy).await.unwrap();
            assert_eq!(put, want, "{scope:?} {lookup}");
        }
        assert_eq!(store.policies().await.unwrap().len(), 3);
        store.close().await;
    }
}
