//! Single documents by name, in `meta`. They hold no secret: what does is sealed in a table of its
//! own.

use sqlx::Row;

use super::{Store, StoreError, query};

impl Store {
    /// A document; none when there is none of that name.
    pub(crate) async fn fetch_document(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a document"))?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Stores a document in the place of the one before, or deletes it.
    pub(crate) async fn put_document(
        &self,
        name: &str,
        document: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let statement = match document {
            Some(document) => sqlx::query(
                "INSERT INTO meta (name, value) VALUES (?, ?) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(name)
            .bind(document),
            None => sqlx::query("DELETE FROM meta WHERE name = ?").bind(name),
        };
        statement
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(query("store a document"))
    }
}
