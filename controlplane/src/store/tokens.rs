//! Rows of `tokens`: what is kept of bearer tokens, which is not enough to make one.

use super::audit::append;
use super::engine::{Alone, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};
use crate::access::role::Role;
use crate::access::token::{TOKENS, TokenHash, TokenId};
use crate::audit::Deed;

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRow {
    pub(crate) id: TokenId,
    /// Told apart by people; no two have the same.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) hash: TokenHash,
    /// Who made it.
    pub(crate) created_by: String,
    pub(crate) created_at_ms: u64,
    /// From when on it is refused.
    pub(crate) expires_at_ms: u64,
    /// Exact to the minute; none when it never was.
    pub(crate) last_used_at_ms: Option<u64>,
}

/// What came of storing a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsertedToken {
    Stored,
    /// Another one has the name.
    NameTaken,
    /// There are as many as may be.
    Full,
}

type Row = (
    String,
    String,
    String,
    Vec<u8>,
    String,
    i64,
    i64,
    Option<i64>,
);

impl Store {
    /// Stores a token, unless its name is taken or there are [`TOKENS`] already.
    pub(crate) async fn insert_token(
        &self,
        token: &TokenRow,
        deed: &Deed,
    ) -> Result<InsertedToken, StoreError> {
        let (id, most) = (token.id.to_string(), i64::try_from(TOKENS).unwrap_or(0));
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "store a token", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM tokens")
                .fetch_one(&mut *tx)
                .await?;
            if stored >= most {
                return Ok(InsertedToken::Full);
            }
            let inserted = sqlx::query(
                "INSERT INTO tokens (id, name, role, hash, created_by, created_at_ms, \
                 expires_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 ON CONFLICT (name) DO NOTHING",
            )
            .bind(id.as_str())
            .bind(token.name.as_str())
            .bind(token.role.as_str())
            .bind(token.hash.octets().as_slice())
            .bind(token.created_by.as_str())
            .bind(signed(token.created_at_ms))
            .bind(signed(token.expires_at_ms))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if inserted == 0 {
                return Ok(InsertedToken::NameTaken);
            }
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)?;
            Ok(InsertedToken::Stored)
        })
    }

    /// The token of this id; none when there is none.
    pub(crate) async fn fetch_token(&self, id: TokenId) -> Result<Option<TokenRow>, StoreError> {
        let id = id.to_string();
        let row: Option<Row> = reading!(self.db, "read a token", pool => async {
            sqlx::query_as(
                "SELECT id, name, role, hash, created_by, created_at_ms, expires_at_ms, \
                 last_used_at_ms FROM tokens WHERE id = $1",
            )
            .bind(id.as_str())
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        Ok(row.and_then(token))
    }

    /// All tokens, oldest first.
    pub(crate) async fn list_tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let rows: Vec<Row> = reading!(self.db, "list the tokens", pool => async {
            sqlx::query_as(
                "SELECT id, name, role, hash, created_by, created_at_ms, expires_at_ms, \
                 last_used_at_ms FROM tokens ORDER BY created_at_ms, id",
            )
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        Ok(rows.into_iter().filter_map(token).collect())
    }

    /// Notes that a token was used.
    pub(crate) async fn update_token_used(
        &self,
        id: TokenId,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        let id = id.to_string();
        writing!(self.db, "note a token's use", pool => async {
            sqlx::query("UPDATE tokens SET last_used_at_ms = $1 WHERE id = $2")
                .bind(signed(at_ms))
                .bind(id.as_str())
                .execute(pool)
                .await
                .map(drop)
                .map_err(Fault::Sql)
        })
    }

    /// Forgets a token. False when there is none.
    pub(crate) async fn delete_token(&self, id: TokenId, deed: &Deed) -> Result<bool, StoreError> {
        let id = id.to_string();
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "delete a token", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let done = sqlx::query("DELETE FROM tokens WHERE id = $1")
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if done == 0 {
                return Ok(false);
            }
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)?;
            Ok(true)
        })
    }
}

/// None for what no program of ours wrote: nobody is let in by it.
fn token(row: Row) -> Option<TokenRow> {
    let (id, name, role, hash, created_by, created_at_ms, expires_at_ms, last_used_at_ms) = row;
    Some(TokenRow {
        id: TokenId::read(&id)?,
        name,
        role: role.parse().ok()?,
        hash: TokenHash::from_octets(&hash)?,
        created_by,
        created_at_ms: unsigned(created_at_ms),
        expires_at_ms: unsigned(expires_at_ms),
        last_used_at_ms: last_used_at_ms.map(unsigned),
    })
}
