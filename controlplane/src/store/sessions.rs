//! Rows of `sessions` and `used_states`, and the document of the provider: who has signed in, with a
//! password or at a provider.

use super::audit::append;
use super::documents;
use super::engine::{Alone, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};
use crate::access::admin::{PERSONS_SESSIONS, SESSIONS};
use crate::access::role::Role;
use crate::access::token::{TokenHash, TokenId};
use crate::audit::Deed;

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// An administrator's, by their name. The role is theirs at each time.
    Admin(String),
    /// Of a person whom a provider named, with the role that they signed in with.
    Person(String, Role),
}

impl Holder {
    /// In the columns `admin`, `person`, `role`.
    fn columns(&self) -> (Option<&str>, Option<&str>, Option<&'static str>) {
        match self {
            Self::Admin(name) => (Some(name), None, None),
            Self::Person(name, role) => (None, Some(name), Some(role.as_str())),
        }
    }
}

/// A session as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) hash: TokenHash,
    pub(crate) holder: Holder,
    /// What they may now.
    pub(crate) role: Role,
    pub(crate) expires_at_ms: u64,
    pub(crate) last_used_at_ms: u64,
}

/// A session to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewSession<'a> {
    pub(crate) id: TokenId,
    pub(crate) hash: TokenHash,
    pub(crate) holder: &'a Holder,
    /// The provider's settings that a person signed in under; none for an administrator.
    pub(crate) provider: Option<&'a [u8]>,
    pub(crate) now_ms: u64,
    pub(crate) expires_at_ms: u64,
}

/// Which sessions of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    This(TokenId),
    AllBut(TokenId),
    All,
}

type Row = (
    Vec<u8>,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
    i64,
);

impl Store {
    /// Stores a session, and forgets those that are past their end, the oldest of a holder who has
    /// too many, and the oldest of all persons when those have. False, and nothing is stored, when the
    /// provider's settings are others by now.
    pub(crate) async fn insert_session(
        &self,
        new: NewSession<'_>,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let id = new.id.to_string();
        let provider = documents::row(PROVIDER);
        let (admin, person, role) = new.holder.columns();
        let most = i64::try_from(SESSIONS).unwrap_or(0);
        let persons = i64::try_from(PERSONS_SESSIONS).unwrap_or(0);
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "store a session", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            if let Some(settings) = new.provider {
                let sealed: Option<Vec<u8>> =
                    sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
                        .bind(provider.as_str())
                        .fetch_optional(&mut *tx)
                        .await?;
                let kept = sealed.map(|sealed| self.unseal(&documents::place(&provider), &sealed));
                let kept = kept.transpose().map_err(StoreError::from)?;
                if kept.is_none_or(|kept| kept.as_slice() != settings) {
                    return Ok(false);
                }
            }
            sqlx::query(
                "INSERT INTO sessions (id, hash, admin, person, role, expires_at_ms, \
                 last_used_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(id.as_str())
            .bind(new.hash.octets().as_slice())
            .bind(admin)
            .bind(person)
            .bind(role)
            .bind(signed(new.expires_at_ms))
            .bind(signed(new.now_ms))
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "DELETE FROM sessions WHERE expires_at_ms <= $1 \
                 OR (admin = $2 OR person = $3) AND id NOT IN \
                 (SELECT id FROM sessions WHERE admin = $2 OR person = $3 \
                 ORDER BY id = $4 DESC, expires_at_ms DESC LIMIT $5)",
            )
            .bind(signed(new.now_ms))
            .bind(admin)
            .bind(person)
            .bind(id.as_str())
            .bind(most)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "DELETE FROM sessions WHERE person IS NOT NULL AND id NOT IN \
                 (SELECT id FROM sessions WHERE person IS NOT NULL \
                 ORDER BY id = $1 DESC, expires_at_ms DESC LIMIT $2)",
            )
            .bind(id.as_str())
            .bind(persons)
            .execute(&mut *tx)
            .await?;
            append!(tx, self, &deed);
            tx.commit().await?;
            Ok(true)
        })
    }

    /// A session with what its holder may now; none when there is none.
    pub(crate) async fn fetch_session(
        &self,
        id: TokenId,
    ) -> Result<Option<SessionRow>, StoreError> {
        let id = id.to_string();
        let row: Option<Row> = reading!(self.db, "read a session", pool => async {
            sqlx::query_as(
                "SELECT hash, admin, person, coalesce(sessions.role, admins.role), \
                 expires_at_ms, last_used_at_ms FROM sessions \
                 LEFT JOIN admins ON name = admin WHERE id = $1",
            )
            .bind(id.as_str())
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        Ok(row.and_then(|(hash, admin, person, role, expires, used)| {
            let role: Role = role?.parse().ok()?;
            Some(SessionRow {
                hash: TokenHash::from_octets(&hash)?,
                holder: match (admin, person) {
                    (Some(admin), _) => Holder::Admin(admin),
                    (None, person) => Holder::Person(person?, role),
                },
                role,
                expires_at_ms: unsigned(expires),
                last_used_at_ms: unsigned(used),
            })
        }))
    }

    /// Notes that a session was used.
    pub(crate) async fn update_session_used(
        &self,
        id: TokenId,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        let id = id.to_string();
        writing!(self.db, "note a session's use", pool => async {
            sqlx::query("UPDATE sessions SET last_used_at_ms = $1 WHERE id = $2")
                .bind(signed(at_ms))
                .bind(id.as_str())
                .execute(pool)
                .await
                .map(drop)
                .map_err(Fault::Sql)
        })
    }

    /// Ends sessions of a holder.
    pub(crate) async fn delete_sessions(
        &self,
        holder: &Holder,
        which: Which,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let (admin, person, _) = holder.columns();
        let (this, but) = match which {
            Which::This(id) => (Some(id.to_string()), None),
            Which::AllBut(id) => (None, Some(id.to_string())),
            Which::All => (None, None),
        };
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "end sessions", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            sqlx::query(
                "DELETE FROM sessions WHERE (admin = $1 OR person = $2) \
                 AND ($3 IS NULL OR id = $3) AND ($4 IS NULL OR id <> $4)",
            )
            .bind(admin)
            .bind(person)
            .bind(this.as_deref())
            .bind(but.as_deref())
            .execute(&mut *tx)
            .await?;
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)
        })
    }

    /// Whether a state came back before.
    pub(crate) async fn is_used_state(&self, state: &str, now_ms: u64) -> Result<bool, StoreError> {
        reading!(self.db, "look for a state", pool => async {
            let used: Option<i32> =
                sqlx::query_scalar("SELECT 1 FROM used_states WHERE id = $1 AND expires_at_ms > $2")
                    .bind(state)
                    .bind(signed(now_ms))
                    .fetch_optional(pool)
                    .await?;
            Ok(used.is_some())
        })
    }

    /// Notes that a state came back, and forgets those that could not any more. False when it came
    /// back before, or when as many did lately as may.
    pub(crate) async fn use_state(
        &self,
        state: &str,
        now_ms: u64,
        expires_at_ms: u64,
    ) -> Result<bool, StoreError> {
        let begin = self.db.begin(Alone::No);
        writing!(self.db, "note a state's use", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            sqlx::query("DELETE FROM used_states WHERE expires_at_ms <= $1")
                .bind(signed(now_ms))
                .execute(&mut *tx)
                .await?;
            let stored = sqlx::query(
                "INSERT INTO used_states (id, expires_at_ms) \
                 SELECT $1, $2 WHERE (SELECT count(*) FROM used_states) < $3 \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(state)
            .bind(signed(expires_at_ms))
            .bind(USED_STATES)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(stored > 0)
        })
    }

    /// Keeps the provider's settings in place of those before; none forgets them. Whoever signed in
    /// there is signed out: under other settings they may have another role, or none.
    pub(crate) async fn put_provider(
        &self,
        value: Option<&[u8]>,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let row = documents::row(PROVIDER);
        let sealed = match value {
            Some(value) => Some(self.seal(&documents::place(&row), value)?),
            None => None,
        };
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "store the provider's settings", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            sqlx::query("DELETE FROM meta WHERE name = $1")
                .bind(row.as_str())
                .execute(&mut *tx)
                .await?;
            if let Some(sealed) = &sealed {
                sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2)")
                    .bind(row.as_str())
                    .bind(sealed.as_slice())
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query("DELETE FROM sessions WHERE person IS NOT NULL")
                .execute(&mut *tx)
                .await?;
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)
        })
    }
}

/// The document of the provider's settings.
pub(crate) const PROVIDER: &str = "oidc";
/// The most states that are remembered: each is for ten minutes.
const USED_STATES: i64 = 10_000;
