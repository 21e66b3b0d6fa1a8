//! Rows of `data_keys`: made, opened with the master key, and put under another one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::audit::{HEAD, append, first_head};
use super::engine::{Alone, Db, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::keyring::{BEFORE, Keyring, LASTING, unwrap, wrap};
use crate::seal::{Key, KeyError, Place, SealError};

/// Number, and the key under the master key.
type Row = (i64, Vec<u8>);

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The data keys are read; nobody else writes.
    Read,
    /// The key file has the new master key, and the one before it.
    InFile,
    /// The data keys are under it, for this transaction.
    Wrapped,
    /// For everybody.
    Stored,
}

/// What a rotation made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// How many data keys are under the new master key.
    pub data_keys: usize,
    /// The number of the data key that values are sealed under from now on.
    pub newest: u32,
}

/// Writes each key under a master key in the place of what was there.
macro_rules! rewrap {
    ($tx:expr, $master:expr, $keys:expr) => {
        for (number, key) in $keys {
            let wrapped = wrap($master, *number, key).map_err(StoreError::from)?;
            sqlx::query(
                "INSERT INTO data_keys (number, wrapped, created_at_ms) VALUES ($1, $2, $3) \
                 ON CONFLICT (number) DO UPDATE SET wrapped = excluded.wrapped",
            )
            .bind(i64::from(*number))
            .bind(wrapped.as_slice())
            .bind(signed(now_ms()))
            .execute(&mut *$tx)
            .await?;
        }
    };
}

/// The data keys of a database; the first ones are made where there are none.
pub(super) async fn take(db: &Db, master: &Key) -> Result<Keyring, StoreError> {
    let begin = db.begin(Alone::Revisions);
    let keys = writing!(db, "open the data keys", pool => async {
        // Two that open a new database at the same time get one key.
        let mut tx = pool.begin_with(begin).await?;
        let rows: Vec<Row> = sqlx::query_as("SELECT number, wrapped FROM data_keys")
            .fetch_all(&mut *tx)
            .await?;
        let (keys, up_to_date) = if rows.is_empty() {
            let check: Option<Vec<u8>> = sqlx::query_scalar(SELECT_KEY_CHECK)
                .fetch_optional(&mut *tx)
                .await?;
            let keys = first(master, check.as_deref())?;
            let last: Option<(i64, Vec<u8>)> =
                sqlx::query_as("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1")
                    .fetch_optional(&mut *tx)
                    .await?;
            if let Some((_, oldest)) = keys.first_key_value() {
                // Once and never again: whoever takes it away with the entries is found.
                sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2)")
                    .bind(HEAD.row)
                    .bind(first_head(last, oldest).map_err(StoreError::from)?)
                    .execute(&mut *tx)
                    .await?;
            }
            (keys, false)
        } else {
            opened(master, &rows)?
        };
        if !up_to_date {
            rewrap!(tx, master, &keys);
            sqlx::query("DELETE FROM meta WHERE name = 'key_check'")
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(keys)
    })?;
    Keyring::new(keys).ok_or(StoreError::WrongKey)
}

/// The first data keys. In a database of before there were any, the key file's own is one of them.
fn first(master: &Key, check: Option<&[u8]>) -> Result<BTreeMap<u32, Key>, StoreError> {
    let mut keys = BTreeMap::from([(LASTING, Key::random()?)]);
    if let Some(check) = check {
        match master.open(&KEY_CHECK, check) {
            Ok(_) => keys.insert(BEFORE, Key::new(*master.octets())),
            Err(SealError::Refused) => return Err(StoreError::WrongKey),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(keys)
}

/// The keys, and whether all were under the master key itself: a rotation that was cut short leaves
/// them under the one before.
fn opened(master: &Key, rows: &[Row]) -> Result<(BTreeMap<u32, Key>, bool), StoreError> {
    let masters: Vec<Key> = std::iter::once(master.clone())
        .chain(master.previous())
        .collect();
    let (mut keys, mut up_to_date) = (BTreeMap::new(), true);
    for (number, wrapped) in rows {
        let number = u32::try_from(*number).map_err(|_| SealError::Refused)?;
        let mut tried = masters.iter().enumerate();
        let found = tried.find_map(|(age, one)| Some((age, unwrap(one, number, wrapped).ok()?)));
        let (age, key) = found.ok_or(StoreError::WrongKey)?;
        up_to_date &= age == 0;
        keys.insert(number, key);
    }
    Ok((keys, up_to_date))
}

/// Finds out whether these are the keys of a database, without making any.
pub(super) fn check(master: &Key, rows: &[Row], check: Option<&[u8]>) -> Result<(), StoreError> {
    match rows {
        [] => first(master, check).map(drop),
        rows => opened(master, rows).map(drop),
    }
}

impl Store {
    /// The data keys, as far as they are known here.
    pub(super) fn keys(&self) -> Arc<Keyring> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys)
    }

    /// What all control planes make alike is made from this key.
    pub(crate) fn lasting_key(&self) -> Key {
        self.keys().lasting().clone()
    }

    /// Seals a value for a place.
    pub(super) fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        self.keys().seal(place, value)
    }

    /// Opens a value of a place.
    pub(super) fn unseal(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.keys().open(place, sealed)
    }

    /// Takes in data keys that another process made. The key file is read again for them.
    pub(crate) async fn refresh_keys(&self) -> Result<(), StoreError> {
        let newest: Option<i64> = reading!(self.db, "look for data keys", pool => async {
            sqlx::query_scalar("SELECT max(number) FROM data_keys")
                .fetch_one(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        if unsigned(newest.unwrap_or(0)) <= u64::from(self.keys().newest()) {
            return Ok(());
        }
        let master = self.master.clone();
        let again = spawn_blocking(move || master.again()).await;
        let master = match again {
            Ok(Some(again)) => again?,
            Ok(None) | Err(_) => self.master.clone(),
        };
        let keys = take(&self.db, &master).await?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Puts a new master key into the key file and the data keys under it, while others read and
    /// write. Cut short at any moment, what is in the key file then opens the database.
    ///
    /// `with_data_key` makes a new data key as well. `at` is told of each step, and may end it there.
    pub(crate) async fn rotate(
        &self,
        key_file: &Path,
        with_data_key: bool,
        mut at: impl FnMut(Step) -> Result<(), StoreError> + Send,
    ) -> Result<Rotated, StoreError> {
        let begin = self.db.begin(Alone::Revisions);
        writing!(self.db, "rotate the master key", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            // Nobody else rotates now.
            let master = blocking(key_file, Key::read).await?;
            let rows: Vec<Row> = sqlx::query_as("SELECT number, wrapped FROM data_keys")
                .fetch_all(&mut *tx)
                .await?;
            let (mut keys, _) = opened(&master, &rows)?;
            if with_data_key {
                let newest = keys.last_key_value().map_or(BEFORE, |(number, _)| *number);
                let key = Key::random().map_err(StoreError::from)?;
                keys.insert(newest.saturating_add(1), key);
            }
            let made = Rotated {
                data_keys: keys.len(),
                newest: keys.last_key_value().map_or(BEFORE, |(number, _)| *number),
            };
            at(Step::Read)?;
            let next = Key::random().map_err(StoreError::from)?;
            let next = blocking(key_file, move |path| master.succeed(path, &next)).await?;
            at(Step::InFile)?;
            rewrap!(tx, &next, &keys);
            append!(tx, self, &deed(with_data_key.then_some(made.newest)));
            at(Step::Wrapped)?;
            tx.commit().await?;
            at(Step::Stored)?;
            Ok(made)
        })
    }
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, KeyError> + Send + 'static,
) -> Result<T, StoreError> {
    let (owned, named) = (path.to_owned(), path.to_owned());
    match spawn_blocking(move || work(&owned)).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(StoreError::File {
            path: named,
            source: std::io::Error::other(error),
        }),
    }
}

fn deed(data_key: Option<u32>) -> Deed {
    Deed {
        at_ms: now_ms(),
        actor: "command line".to_owned(),
        source: String::new(),
        action: "master-key.rotate".to_owned(),
        target: "key file".to_owned(),
        detail: serde_json::json!({ "new_data_key": data_key }).to_string(),
    }
}

/// What was sealed in a database of before there were data keys, to know its key file by.
const KEY_CHECK: Place<'_> = Place {
    table: "meta",
    column: "value",
    row: "key_check",
};
pub(super) const SELECT_KEY_CHECK: &str = "SELECT value FROM meta WHERE name = 'key_check'";
/// The schema that has data keys.
pub(super) const SINCE: i64 = 7;
