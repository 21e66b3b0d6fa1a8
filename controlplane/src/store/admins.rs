//! Rows of `admins` and `sessions`: who may sign in with a password and a passcode, and who has.

use zeroize::Zeroizing;

use super::engine::{Alone, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};
use crate::access::admin::{ADMINS, SESSIONS};
use crate::access::role::Role;
use crate::access::token::{TokenHash, TokenId};
use crate::seal::Place;

/// An administrator as they are kept, without the secret of their passcodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminRow {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Whether they took their invitation.
    pub(crate) active: bool,
    /// Until when the invitation is good.
    pub(crate) invited_until_ms: u64,
    pub(crate) created_by: String,
    pub(crate) created_at_ms: u64,
}

/// What an administrator is known by.
pub(crate) struct AdminSecrets {
    pub(crate) role: Role,
    /// The password's hash; none until the invitation was taken.
    pub(crate) password: Option<String>,
    pub(crate) totp: Zeroizing<Vec<u8>>,
    pub(crate) invitation: Option<(TokenId, TokenHash)>,
    pub(crate) invited_until_ms: u64,
}

/// A session as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) hash: TokenHash,
    pub(crate) admin: String,
    /// The administrator's role now.
    pub(crate) role: Role,
    pub(crate) expires_at_ms: u64,
    pub(crate) last_used_at_ms: u64,
}

/// What came of storing an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsertedAdmin {
    Stored,
    /// There is one of this name.
    NameTaken,
    /// There are as many as may be.
    Full,
}

type Row = (String, String, Option<String>, i64, String, i64);
type Secrets = (
    String,
    Option<String>,
    Vec<u8>,
    Option<String>,
    Option<Vec<u8>>,
    i64,
);

impl Store {
    /// Stores an administrator who has yet to take the invitation.
    pub(crate) async fn insert_admin(
        &self,
        row: &AdminRow,
        totp: &[u8],
        invitation: (TokenId, TokenHash),
    ) -> Result<InsertedAdmin, StoreError> {
        let sealed = self.seal(&place(&row.name), totp)?;
        let (id, most) = (invitation.0.to_string(), i64::try_from(ADMINS).unwrap_or(0));
        let begin = self.db.begin(Alone::No);
        writing!(self.db, "store an administrator", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM admins")
                .fetch_one(&mut *tx)
                .await?;
            if stored >= most {
                return Ok(InsertedAdmin::Full);
            }
            let inserted = sqlx::query(
                "INSERT INTO admins (name, role, totp, totp_step, invitation, invitation_hash, \
                 invited_until_ms, created_by, created_at_ms) \
                 VALUES ($1, $2, $3, 0, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING",
            )
            .bind(row.name.as_str())
            .bind(row.role.as_str())
            .bind(sealed.as_slice())
            .bind(id.as_str())
            .bind(invitation.1.octets().as_slice())
            .bind(signed(row.invited_until_ms))
            .bind(row.created_by.as_str())
            .bind(signed(row.created_at_ms))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await.map_err(Fault::Sql)?;
            Ok(match inserted {
                0 => InsertedAdmin::NameTaken,
                _ => InsertedAdmin::Stored,
            })
        })
    }

    /// All administrators, by name.
    pub(crate) async fn list_admins(&self) -> Result<Vec<AdminRow>, StoreError> {
        let rows: Vec<Row> = reading!(self.db, "list the administrators", pool => async {
            sqlx::query_as(
                "SELECT name, role, password, invited_until_ms, created_by, created_at_ms \
                 FROM admins ORDER BY name",
            )
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let row = |(name, role, password, until, created_by, created): Row| {
            Some(AdminRow {
                name,
                role: role.parse().ok()?,
                active: password.is_some(),
                invited_until_ms: unsigned(until),
                created_by,
                created_at_ms: unsigned(created),
            })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// What an administrator is known by; none when there is none of this name.
    pub(crate) async fn fetch_admin_secrets(
        &self,
        name: &str,
    ) -> Result<Option<AdminSecrets>, StoreError> {
        let row: Option<Secrets> = reading!(self.db, "read an administrator", pool => async {
            sqlx::query_as(
                "SELECT role, password, totp, invitation, invitation_hash, invited_until_ms \
                 FROM admins WHERE name = $1",
            )
            .bind(name)
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let Some((role, password, totp, id, hash, until)) = row else {
            return Ok(None);
        };
        let Ok(role) = role.parse() else {
            return Ok(None);
        };
        let invitation = id.as_deref().and_then(TokenId::read);
        let hash = hash.as_deref().and_then(TokenHash::from_octets);
        Ok(Some(AdminSecrets {
            role,
            password,
            totp: self.unseal(&place(name), &totp)?,
            invitation: invitation.zip(hash),
            invited_until_ms: unsigned(until),
        }))
    }

    /// Stores a password in the place of the invitation. False when that was taken meanwhile.
    pub(crate) async fn activate_admin(
        &self,
        name: &str,
        invitation: TokenId,
        password: &str,
    ) -> Result<bool, StoreError> {
        let id = invitation.to_string();
        writing!(self.db, "store a password", pool => async {
            sqlx::query(
                "UPDATE admins SET password = $1, invitation = NULL, invitation_hash = NULL \
                 WHERE name = $2 AND invitation = $3",
            )
            .bind(password)
            .bind(name)
            .bind(id.as_str())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() > 0)
            .map_err(Fault::Sql)
        })
    }

    /// Notes the time step of a passcode. False when it, or a later one, was used before.
    pub(crate) async fn use_totp_step(&self, name: &str, step: u64) -> Result<bool, StoreError> {
        writing!(self.db, "note a passcode's use", pool => async {
            sqlx::query("UPDATE admins SET totp_step = $1 WHERE name = $2 AND totp_step < $1")
                .bind(signed(step))
                .bind(name)
                .execute(pool)
                .await
                .map(|done| done.rows_affected() > 0)
                .map_err(Fault::Sql)
        })
    }

    /// Forgets an administrator with all sessions. False when there is none.
    pub(crate) async fn delete_admin(&self, name: &str) -> Result<bool, StoreError> {
        writing!(self.db, "delete an administrator", pool => async {
            sqlx::query("DELETE FROM admins WHERE name = $1")
                .bind(name)
                .execute(pool)
                .await
                .map(|done| done.rows_affected() > 0)
                .map_err(Fault::Sql)
        })
    }

    /// Stores a session, and forgets those that are past their end, and the oldest of an
    /// administrator who has too many.
    pub(crate) async fn insert_session(
        &self,
        id: TokenId,
        hash: &TokenHash,
        admin: &str,
        now_ms: u64,
        expires_at_ms: u64,
    ) -> Result<(), StoreError> {
        let (id, most) = (id.to_string(), i64::try_from(SESSIONS).unwrap_or(0));
        let begin = self.db.begin(Alone::No);
        writing!(self.db, "store a session", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            sqlx::query(
                "INSERT INTO sessions (id, hash, admin, expires_at_ms, last_used_at_ms) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id.as_str())
            .bind(hash.octets().as_slice())
            .bind(admin)
            .bind(signed(expires_at_ms))
            .bind(signed(now_ms))
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "DELETE FROM sessions WHERE expires_at_ms <= $1 OR admin = $2 AND id NOT IN \
                 (SELECT id FROM sessions WHERE admin = $2 \
                 ORDER BY id = $3 DESC, expires_at_ms DESC LIMIT $4)",
            )
            .bind(signed(now_ms))
            .bind(admin)
            .bind(id.as_str())
            .bind(most)
            .execute(&mut *tx)
            .await?;
            tx.commit().await.map_err(Fault::Sql)
        })
    }

    /// A session with its administrator's role; none when there is none.
    pub(crate) async fn fetch_session(
        &self,
        id: TokenId,
    ) -> Result<Option<SessionRow>, StoreError> {
        let id = id.to_string();
        let row: Option<(Vec<u8>, String, String, i64, i64)> = reading!(self.db, "read a session", pool => async {
            sqlx::query_as(
                "SELECT hash, admin, role, expires_at_ms, last_used_at_ms FROM sessions \
                 JOIN admins ON name = admin WHERE id = $1",
            )
            .bind(id.as_str())
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        Ok(row.and_then(|(hash, admin, role, expires, used)| {
            Some(SessionRow {
                hash: TokenHash::from_octets(&hash)?,
                admin,
                role: role.parse().ok()?,
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

    /// Ends one session, or with none named all of an administrator.
    pub(crate) async fn delete_sessions(
        &self,
        admin: &str,
        id: Option<TokenId>,
    ) -> Result<(), StoreError> {
        let id = id.map(|id| id.to_string());
        writing!(self.db, "end sessions", pool => async {
            sqlx::query("DELETE FROM sessions WHERE admin = $1 AND ($2 IS NULL OR id = $2)")
                .bind(admin)
                .bind(id.as_deref())
                .execute(pool)
                .await
                .map(drop)
                .map_err(Fault::Sql)
        })
    }
}

fn place(name: &str) -> Place<'_> {
    Place {
        table: "admins",
        column: "totp",
        row: name,
    }
}
