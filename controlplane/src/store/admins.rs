//! Rows of `admins`: who may sign in with a password and a passcode.

use zeroize::Zeroizing;

use super::audit::append;
use super::documents;
use super::engine::{Alone, Fault, reading, signed, unsigned, writing};
use super::{PROVIDER, Store, StoreError};
use crate::access::admin::{ADMINS, SETUP_LINK};
use crate::access::role::Role;
use crate::access::token::{TokenHash, TokenId};
use crate::audit::Deed;
use crate::seal::Place;

/// An administrator as they are kept, without the secret of their passcodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminRow {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Whether they took their invitation.
    pub(crate) active: bool,
    /// The integration whose second factor is asked in the place of a passcode; none: a passcode is.
    pub(crate) integration: Option<String>,
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
    /// The time step of the passcode that was used last.
    pub(crate) totp_step: u64,
    /// The secret that is to take its place when it is confirmed.
    pub(crate) totp_next: Option<Zeroizing<Vec<u8>>>,
    /// The integration whose second factor is asked in the place of a passcode; none: a passcode is.
    pub(crate) integration: Option<String>,
    pub(crate) invitation: Option<(TokenId, TokenHash)>,
    pub(crate) invited_until_ms: u64,
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

type Row = (
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
    String,
    i64,
);
type Secrets = (
    String,
    Option<String>,
    Vec<u8>,
    i64,
    Option<Vec<u8>>,
    Option<String>,
    Option<String>,
    Option<Vec<u8>>,
    i64,
);

impl Store {
    /// Stores an administrator who has yet to take the invitation. One of the same name whose second
    /// factor is the integration `instead_of` goes with all sessions.
    pub(crate) async fn insert_admin(
        &self,
        row: &AdminRow,
        totp: &[u8],
        invitation: (TokenId, TokenHash),
        instead_of: Option<&str>,
        deed: &Deed,
    ) -> Result<InsertedAdmin, StoreError> {
        let sealed = self.seal(&place(TOTP, &row.name), totp)?;
        let (id, most) = (invitation.0.to_string(), i64::try_from(ADMINS).unwrap_or(0));
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "store an administrator", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            if let Some(integration) = instead_of {
                sqlx::query("DELETE FROM admins WHERE name = $1 AND integration = $2")
                    .bind(row.name.as_str())
                    .bind(integration)
                    .execute(&mut *tx)
                    .await?;
            }
            let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM admins")
                .fetch_one(&mut *tx)
                .await?;
            if stored >= most {
                return Ok(InsertedAdmin::Full);
            }
            let inserted = sqlx::query(
                "INSERT INTO admins (name, role, totp, totp_step, invitation, invitation_hash, \
                 invited_until_ms, created_by, created_at_ms, integration) \
                 VALUES ($1, $2, $3, 0, $4, $5, $6, $7, $8, $9) ON CONFLICT (name) DO NOTHING",
            )
            .bind(row.name.as_str())
            .bind(row.role.as_str())
            .bind(sealed.as_slice())
            .bind(id.as_str())
            .bind(invitation.1.octets().as_slice())
            .bind(signed(row.invited_until_ms))
            .bind(row.created_by.as_str())
            .bind(signed(row.created_at_ms))
            .bind(row.integration.as_deref())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if inserted == 0 {
                return Ok(InsertedAdmin::NameTaken);
            }
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)?;
            Ok(InsertedAdmin::Stored)
        })
    }

    /// All administrators, by name.
    pub(crate) async fn list_admins(&self) -> Result<Vec<AdminRow>, StoreError> {
        let rows: Vec<Row> = reading!(self.db, "list the administrators", pool => async {
            sqlx::query_as(
                "SELECT name, role, password, integration, invited_until_ms, created_by, \
                 created_at_ms FROM admins ORDER BY name",
            )
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let row = |(name, role, password, integration, until, created_by, created): Row| {
            Some(AdminRow {
                name,
                role: role.parse().ok()?,
                active: password.is_some(),
                integration,
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
                "SELECT role, password, totp, totp_step, totp_next, integration, invitation, \
                 invitation_hash, invited_until_ms FROM admins WHERE name = $1",
            )
            .bind(name)
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let Some((role, password, totp, step, totp_next, integration, id, hash, until)) = row
        else {
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
            totp: self.unseal(&place(TOTP, name), &totp)?,
            totp_step: unsigned(step),
            totp_next: totp_next
                .map(|next| self.unseal(&place(TOTP_NEXT, name), &next))
                .transpose()?,
            integration,
            invitation: invitation.zip(hash),
            invited_until_ms: unsigned(until),
        }))
    }

    /// Keeps a secret of passcodes in place of the one before for whoever has the invitation. False when
    /// it was taken meanwhile.
    pub(crate) async fn update_invited_totp(
        &self,
        name: &str,
        invitation: TokenId,
        totp: &[u8],
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(&place(TOTP, name), totp)?;
        let id = invitation.to_string();
        writing!(self.db, "store the secret of passcodes", pool => async {
            sqlx::query("UPDATE admins SET totp = $1 WHERE name = $2 AND invitation = $3")
                .bind(sealed.as_slice())
                .bind(name)
                .bind(id.as_str())
                .execute(pool)
                .await
                .map(|done| done.rows_affected() > 0)
                .map_err(Fault::Sql)
        })
    }

    /// Stores a password in the place of the invitation, and the time step of the passcode that came
    /// with it, 0 where none of ours did, with the secret which that one is of: another may have been told
    /// meanwhile. False when the invitation was taken meanwhile, or is of the set-up link and the
    /// installation is somebody's by now.
    pub(crate) async fn activate_admin(
        &self,
        name: &str,
        invitation: TokenId,
        (password, totp, step): (&str, &[u8], u64),
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(&place(TOTP, name), totp)?;
        let (id, provider) = (invitation.to_string(), documents::row(PROVIDER));
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "store a password", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let somebody: Option<i32> = sqlx::query_scalar(SOMEBODY)
                .bind(provider.as_str())
                .fetch_optional(&mut *tx)
                .await?;
            let done = sqlx::query(
                "UPDATE admins SET password = $1, totp_step = $2, totp = $7, invitation = NULL, \
                 invitation_hash = NULL WHERE name = $3 AND invitation = $4 \
                 AND ($5 OR created_by <> $6)",
            )
            .bind(password)
            .bind(signed(step))
            .bind(name)
            .bind(id.as_str())
            .bind(somebody.is_none())
            .bind(SETUP_LINK)
            .bind(sealed.as_slice())
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

    /// Stores another password and ends all sessions but this one. False when the administrator is
    /// gone.
    pub(crate) async fn update_password(
        &self,
        name: &str,
        password: &str,
        keep: TokenId,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let keep = keep.to_string();
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "store another password", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let done = sqlx::query(
                "UPDATE admins SET password = $1 WHERE name = $2 AND password IS NOT NULL",
            )
            .bind(password)
            .bind(name)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if done == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM sessions WHERE admin = $1 AND id <> $2")
                .bind(name)
                .bind(keep.as_str())
                .execute(&mut *tx)
                .await?;
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)?;
            Ok(true)
        })
    }

    /// Keeps a secret of passcodes that is to be confirmed.
    pub(crate) async fn put_next_totp(&self, name: &str, totp: &[u8]) -> Result<(), StoreError> {
        let sealed = self.seal(&place(TOTP_NEXT, name), totp)?;
        writing!(self.db, "store the next secret of passcodes", pool => async {
            sqlx::query("UPDATE admins SET totp_next = $1 WHERE name = $2")
                .bind(sealed.as_slice())
                .bind(name)
                .execute(pool)
                .await
                .map(drop)
                .map_err(Fault::Sql)
        })
    }

    /// Puts a confirmed secret of passcodes in the place of the one before, with the time step of the
    /// passcode that confirmed it, and ends all sessions but this one. False when there was none to
    /// confirm any more.
    pub(crate) async fn confirm_totp(
        &self,
        name: &str,
        (totp, step): (&[u8], u64),
        keep: TokenId,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(&place(TOTP, name), totp)?;
        let keep = keep.to_string();
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "store another secret of passcodes", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let done = sqlx::query(
                "UPDATE admins SET totp = $1, totp_step = $2, totp_next = NULL \
                 WHERE name = $3 AND totp_next IS NOT NULL",
            )
            .bind(sealed.as_slice())
            .bind(signed(step))
            .bind(name)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if done == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM sessions WHERE admin = $1 AND id <> $2")
                .bind(name)
                .bind(keep.as_str())
                .execute(&mut *tx)
                .await?;
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)?;
            Ok(true)
        })
    }

    /// Whether nobody may use the API yet: no administrator took an invitation, nobody was given a
    /// token, and no provider is named.
    pub(crate) async fn is_nobodys(&self) -> Result<bool, StoreError> {
        let provider = documents::row(PROVIDER);
        reading!(self.db, "look whether anybody may use the API", pool => async {
            let somebody: Option<i32> = sqlx::query_scalar(SOMEBODY)
                .bind(provider.as_str())
                .fetch_optional(pool)
                .await?;
            Ok(somebody.is_none())
        })
    }

    /// Forgets those who were invited by this one and did not take the invitation.
    pub(crate) async fn delete_invited_by(&self, created_by: &str) -> Result<(), StoreError> {
        writing!(self.db, "take invitations back", pool => async {
            sqlx::query("DELETE FROM admins WHERE created_by = $1 AND password IS NULL")
                .bind(created_by)
                .execute(pool)
                .await
                .map(drop)
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

    /// Forgets an administrator with all sessions; `invited`: only one who did not take the invitation.
    /// False when there is none.
    pub(crate) async fn delete_admin(
        &self,
        name: &str,
        invited: bool,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let (begin, deed) = (self.db.begin(Alone::Revisions), deed.storable());
        writing!(self.db, "delete an administrator", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let any = "DELETE FROM admins WHERE name = $1";
            let not_active = "DELETE FROM admins WHERE name = $1 AND password IS NULL";
            let done = sqlx::query(if invited { not_active } else { any })
                .bind(name)
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

fn place<'a>(column: &'static str, name: &'a str) -> Place<'a> {
    Place {
        table: "admins",
        column,
        row: name,
    }
}

const TOTP: &str = "totp";
const TOTP_NEXT: &str = "totp_next";
/// Whether anybody may use the API; `$1` is the row of the provider's settings.
const SOMEBODY: &str = "SELECT 1 FROM admins WHERE password IS NOT NULL \
                        UNION ALL SELECT 1 FROM tokens \
                        UNION ALL SELECT 1 FROM meta WHERE name = $1 LIMIT 1";
