//! Hardware tokens: generators that are there before anybody has them, and change hands. Where one
//! stands stays with it, so that no passcode is good again at the next owner.

mod file;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;

use std::collections::HashMap;

use super::Service;
use super::directory::new_id;
use super::enroll::MAX_DEVICES;
use super::passcode::generator_place;
use super::people::{TRIES, TURNS};
use crate::account::{Account, lookup_key};
use crate::admin::{
    ImportTokens, ImportedTokens, RefusedToken, TakenToken, Token, UsernameNormalization,
};
use crate::clock;
use crate::store::{Attempt, KnownTokens, Owner, StoreError, TokenRow, Version};
use file::{NewToken, Read};

/// Why nothing was done with tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TokenError {
    /// A value is not possible.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// It cannot be done as things are.
    #[error("{0}")]
    Conflict(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<clock::NoRandomness> for TokenError {
    fn from(error: clock::NoRandomness) -> Self {
        Self::Store(error.into())
    }
}

impl Service {
    /// Takes in the tokens of a file: none of it where a line is not possible; else part by part. Planned beside
    /// whoever writes, and written in parts, so that logins have their turn between them; where somebody
    /// else changes users or devices meanwhile, what is left is planned anew.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) async fn import_tokens(
        &self,
        import: ImportTokens,
    ) -> Result<ImportedTokens, TokenError> {
        let dry_run = import.dry_run;
        let reading = tokio::task::spawn_blocking(move || file::read(import.csv.expose()));
        let read = reading.await.map_err(|_| StoreError::Overloaded)?;
        let Read { tokens, refused } = read.map_err(TokenError::Invalid)?;
        let mut left = tokens.as_slice();
        let mut said: Option<ImportedTokens> = None;
        for turn in 0.. {
            let serials: Vec<&str> = left.iter().map(|token| token.serial.as_str()).collect();
            let names: Vec<String> = left.iter().filter_map(key).collect();
            let mut held = None;
            let known = if turn < TURNS {
                self.store.tokens_known(&serials, &names).await?
            } else {
                let mut tx = self.store.write().await?;
                let known = self.store.tokens_known_in(&mut tx, &serials, &names);
                let known = known.await?;
                held = Some(tx);
                known
            };
            let version = known.version;
            let room = MAX_TOKENS.saturating_sub(known.count);
            let (mut imported, rows) = plan(left, known);
            let begun = left.len() < tokens.len();
            let too_many = imported.created > room;
            if begun && (too_many || !imported.refused.is_empty()) {
                return Err(TokenError::Conflict(HALF));
            }
            if too_many {
                return Err(TokenError::Conflict("there are 200,000 tokens at most"));
            }
            if !begun {
                imported.refused.extend(refused.iter().cloned());
                imported.refused.sort_by_key(|refused| refused.line);
                if dry_run || !imported.refused.is_empty() {
                    return Ok(imported);
                }
                // What is said at first is of all of it.
                said = Some(imported);
            }
            let written = match held {
                None => self.write_tokens(&rows, version, begun).await?,
                Some(mut tx) => {
                    for some in rows.chunks(TOGETHER) {
                        let sealed = self.sealed(some)?;
                        let now_ms = clock::unix_ms();
                        self.store.insert_tokens(&mut tx, &sealed, now_ms).await?;
                    }
                    tx.commit().await.map_err(StoreError::from)?;
                    self.forget_owners(&rows);
                    rows.len()
                }
            };
            left = left.get(written..).unwrap_or_default();
            if left.is_empty() {
                break;
            }
        }
        Ok(ImportedTokens {
            done: true,
            ..said.unwrap_or_default()
        })
    }

    /// Writes one part after the other until somebody else changes users or devices, and says how many.
    async fn write_tokens(
        &self,
        rows: &[Given<'_>],
        mut version: Version,
        mut begun: bool,
    ) -> Result<usize, TokenError> {
        let mut written = 0;
        for some in rows.chunks(TOGETHER) {
            let sealed = self.sealed(some)?;
            let mut tries = 0;
            let next = loop {
                tries += 1;
                let now_ms = clock::unix_ms();
                let write = self.store.insert_planned_tokens(&sealed, version, now_ms);
                match write.await {
                    Ok(next) => break next,
                    // The first is asked for again by whoever asked: nothing is done yet.
                    Err(error) if !begun => return Err(error.into()),
                    Err(error) if error.is_overload() && tries < TRIES => {}
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a part of a file of tokens is not written"
                        );
                        return Err(TokenError::Conflict(HALF));
                    }
                }
            };
            let Some(next) = next else {
                break;
            };
            version = next;
            begun = true;
            written += some.len();
            self.forget_owners(some);
        }
        Ok(written)
    }

    fn forget_owners(&self, rows: &[Given<'_>]) {
        for owner in rows.iter().filter_map(|row| row.owner.as_ref()) {
            self.forget_account(&owner.lookup);
        }
    }

    fn sealed<'t>(&self, rows: &'t [Given<'t>]) -> Result<Vec<TokenRow<'t>>, StoreError> {
        rows.iter().map(|row| self.row(row)).collect()
    }

    fn row<'t>(&self, Given { token, owner }: &'t Given<'t>) -> Result<TokenRow<'t>, StoreError> {
        let id = new_id("DH")?;
        Ok(TokenRow {
            secret_sealed: self.vault.seal(&generator_place(&id), &token.secret)?,
            id,
            user_id: owner.as_ref().map(|owner| owner.id.as_str()),
            serial: &token.serial,
            kind: token.kind,
            algorithm: token.algorithm,
            digits: token.digits,
            period_s: token.period_s,
            position: token.position,
        })
    }

    /// Gives a token to a user.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) async fn assign_token(
        &self,
        serial: &str,
        account: &Account,
        attempt: Attempt,
    ) -> Result<Token, TokenError> {
        let mut tx = self.store.write().await?;
        let token = self.store.token_in(&mut tx, serial).await?;
        let token = token.ok_or(TokenError::Missing("token"))?;
        match token.user.as_deref() {
            Some(user) if user == account.name => return Ok(token),
            Some(_) => {
                return Err(TokenError::Conflict(
                    "somebody has that token; take it from them first (unassign)",
                ));
            }
            None => {}
        }
        let current = self.store.account_in(&mut tx, &account.id).await?;
        let current = current.ok_or(TokenError::Missing("user"))?;
        if current.devices.len() >= MAX_DEVICES {
            return Err(TokenError::Conflict("a user has at most 100 devices"));
        }
        self.store
            .set_token_owner(&mut tx, serial, Some(&account.id))
            .await?;
        attempt.end(tx).await?;
        self.forget_account(&account.lookup);
        Ok(Token {
            user: Some(account.name.clone()),
            ..token
        })
    }

    /// Takes a token from whoever has it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) async fn unassign_token(
        &self,
        serial: &str,
        attempt: Attempt,
    ) -> Result<Token, TokenError> {
        let mut tx = self.store.write().await?;
        let token = self.store.token_in(&mut tx, serial).await?;
        let token = token.ok_or(TokenError::Missing("token"))?;
        self.store.set_token_owner(&mut tx, serial, None).await?;
        attempt.end(tx).await?;
        if let Some(user) = &token.user {
            self.forget_account(&lookup_key(user, UsernameNormalization::None));
        }
        Ok(Token {
            user: None,
            ..token
        })
    }

    /// Removes a token that nobody has.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) async fn delete_token(
        &self,
        serial: &str,
        attempt: Attempt,
    ) -> Result<(), TokenError> {
        let mut tx = self.store.write().await?;
        let token = self.store.token_in(&mut tx, serial).await?;
        if token.ok_or(TokenError::Missing("token"))?.user.is_some() {
            return Err(TokenError::Conflict(
                "somebody has that token; take it from them first (unassign)",
            ));
        }
        self.store.delete_token(&mut tx, serial).await?;
        attempt.end(tx).await?;
        Ok(())
    }
}

/// A token, and who gets it.
struct Given<'t> {
    token: &'t NewToken,
    owner: Option<Recipient>,
}

struct Recipient {
    id: String,
    lookup: String,
}

/// Says what becomes of each token: pure.
fn plan(tokens: &[NewToken], mut known: KnownTokens) -> (ImportedTokens, Vec<Given<'_>>) {
    let mut imported = ImportedTokens::default();
    let mut rows = Vec::with_capacity(tokens.len());
    for token in tokens {
        let judged = if known.serials.contains(&token.serial) {
            Err("there is a token with that serial number already")
        } else {
            owner(&mut known.owners, token)
        };
        let owner = match judged {
            Ok(owner) => owner,
            Err(why) => {
                imported.refused.push(RefusedToken {
                    line: token.line,
                    serial: token.serial.clone(),
                    why: why.to_owned(),
                });
                continue;
            }
        };
        imported.created += 1;
        imported.assigned += u64::from(owner.is_some());
        imported.tokens.push(TakenToken {
            serial: token.serial.clone(),
            user: owner.as_ref().and_then(|_| token.username.clone()),
        });
        rows.push(Given { token, owner });
    }
    (imported, rows)
}

/// Who is to get a token.
fn owner(
    owners: &mut HashMap<String, Owner>,
    token: &NewToken,
) -> Result<Option<Recipient>, &'static str> {
    let Some(key) = key(token) else {
        return Ok(None);
    };
    let owner = owners.get_mut(&key).ok_or("there is no such user")?;
    if owner.devices >= MAX_DEVICES {
        return Err("its user would have more than 100 devices");
    }
    owner.devices += 1;
    Ok(Some(Recipient {
        id: owner.id.clone(),
        lookup: owner.lookup.clone(),
    }))
}

fn key(token: &NewToken) -> Option<String> {
    let name = token.username.as_deref()?;
    Some(lookup_key(name, UsernameNormalization::None))
}

/// The most hardware tokens.
const MAX_TOKENS: u64 = 200_000;

/// How many are written while others wait.
const TOGETHER: usize = 1_000;

const HALF: &str = "a part of the file is taken in, and the other is not: users or tokens were changed meanwhile, \
    or the database failed. A dry run of the same file says which tokens are there already; take their lines \
    out and import the others";
