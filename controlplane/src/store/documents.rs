//! Documents that are kept under a name, in rows of `meta`. All are sealed, whatever they hold.

use zeroize::Zeroizing;

use super::engine::{Alone, Fault, reading, writing};
use super::{Store, StoreError};
use crate::seal::Place;

impl Store {
    /// The document of this name; none when there is none.
    pub(crate) async fn fetch_document(
        &self,
        name: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let row = row(name);
        let sealed: Option<Vec<u8>> = reading!(self.db, "read a document", pool => async {
            sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
                .bind(row.as_str())
                .fetch_optional(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        sealed
            .map(|sealed| Ok(self.unseal(&place(&row), &sealed)?))
            .transpose()
    }

    /// Keeps a document in place of the one before; none forgets it.
    #[cfg(test)]
    pub(crate) async fn put_document(
        &self,
        name: &str,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let row = row(name);
        let sealed = match value {
            Some(value) => Some(self.seal(&place(&row), value)?),
            None => None,
        };
        writing!(self.db, "store a document", pool => async {
            match &sealed {
                Some(sealed) => {
                    sqlx::query(
                        "INSERT INTO meta (name, value) VALUES ($1, $2) \
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    )
                    .bind(row.as_str())
                    .bind(sealed.as_slice())
                    .execute(pool)
                    .await
                }
                None => {
                    sqlx::query("DELETE FROM meta WHERE name = $1")
                        .bind(row.as_str())
                        .execute(pool)
                        .await
                }
            }
            .map(drop)
            .map_err(Fault::Sql)
        })
    }
}

impl Store {
    /// Keeps a document unless there is one of this name; gives the one that is kept then. Of two that
    /// make one at the same time both get the same.
    pub(crate) async fn put_first_document(
        &self,
        name: &str,
        value: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let row = row(name);
        let sealed = self.seal(&place(&row), value)?;
        let kept: Vec<u8> = writing!(self.db, "store a document", pool => async {
            sqlx::query(
                "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            )
            .bind(row.as_str())
            .bind(sealed.as_slice())
            .execute(pool)
            .await?;
            sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
                .bind(row.as_str())
                .fetch_one(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        Ok(self.unseal(&place(&row), &kept)?)
    }
}

impl Store {
    /// Changes a document while nobody else does, and has other control planes look. `change` gets the
    /// one that is kept, and gives the one to keep (none forgets it) with a word of its own.
    pub(crate) async fn change_document<T: Send>(
        &self,
        name: &str,
        change: impl FnOnce(Option<&[u8]>) -> Result<(Option<Vec<u8>>, T), StoreError> + Send,
    ) -> Result<T, StoreError> {
        let row = row(name);
        let begin = self.db.begin(Alone::Revisions);
        let done = writing!(self.db, "change a document", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let sealed: Option<Vec<u8>> =
                sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
                    .bind(row.as_str())
                    .fetch_optional(&mut *tx)
                    .await?;
            let kept = sealed
                .map(|sealed| self.unseal(&place(&row), &sealed))
                .transpose()
                .map_err(StoreError::from)?;
            let (next, word) = change(kept.as_ref().map(|kept| kept.as_slice()))?;
            let next = next.map(Zeroizing::new);
            match next {
                Some(next) => {
                    let sealed = self.seal(&place(&row), &next).map_err(StoreError::from)?;
                    sqlx::query(
                        "INSERT INTO meta (name, value) VALUES ($1, $2) \
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    )
                    .bind(row.as_str())
                    .bind(sealed.as_slice())
                    .execute(&mut *tx)
                    .await?;
                }
                None => {
                    sqlx::query("DELETE FROM meta WHERE name = $1")
                        .bind(row.as_str())
                        .execute(&mut *tx)
                        .await?;
                }
            }
            tx.commit().await?;
            Ok(word)
        })?;
        self.tell_others().await;
        Ok(done)
    }
}

/// No document has the name of another row of `meta`.
pub(super) fn row(name: &str) -> String {
    format!("document/{name}")
}

pub(super) fn place(row: &str) -> Place<'_> {
    Place {
        table: "meta",
        column: "value",
        row,
    }
}
