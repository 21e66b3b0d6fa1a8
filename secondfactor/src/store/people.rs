//! Users by the many, and what belongs to a name: aliases, groups, the search. Many rows go in one
//! statement, as JSON: a file of 50,000 users is written while a login waits for it.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::{Row, SqliteConnection};

use super::users::{load, signed, unsigned};
use super::{Store, StoreError, Transaction, taken};
use crate::account::{Account, lookup_key};
use crate::admin::{Group, UserStatus, UsernameNormalization};

/// Which users are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// A lookup key; only those after it.
    pub(crate) after: String,
    pub(crate) limit: u32,
    /// In lower case, with single blanks.
    pub(crate) search: Option<String>,
    /// As it is now: a bypass that is over is none.
    pub(crate) status: Option<UserStatus>,
    /// A lookup key.
    pub(crate) group: Option<String>,
    pub(crate) now_ms: u64,
}

/// A name that belongs to a user: an alias or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) lookup: String,
    pub(crate) name: String,
    /// The directory, or its list, that says so; empty is an administrator.
    pub(crate) source: String,
}

/// A list of a directory that a user is or was on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) source: String,
    /// Whether it was the last that had the user, and has it no more.
    pub(crate) gone: bool,
}

/// A phone that has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) device: String,
    pub(crate) digits: String,
    /// The directory that says so, or empty for a file; none is a person.
    pub(crate) source: Option<String>,
}

/// What is looked at of a user when many are changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) lookup: String,
    pub(crate) name: String,
    pub(crate) status: UserStatus,
    /// What the status was before a directory disabled it; none is not disabled by one.
    pub(crate) status_before: Option<UserStatus>,
    pub(crate) full_name: String,
    pub(crate) email: String,
    /// The directory that it comes from.
    pub(crate) source: Option<String>,
    /// What that directory tells it from others by.
    pub(crate) directory_id: Option<String>,
    pub(crate) lists: Vec<Listing>,
    pub(crate) aliases: Vec<Owned>,
    pub(crate) groups: Vec<Owned>,
    pub(crate) phones: Vec<Number>,
    pub(crate) devices: usize,
}

/// A phone of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPhone {
    pub(crate) device: String,
    pub(crate) number: String,
    /// As of [`Number`].
    pub(crate) source: String,
}

/// Numbers what many users are planned by; another one says that something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(i64);

/// What is written of many users, together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) created: Vec<Person>,
    /// As they are from now on, but for what follows.
    pub(crate) changed: Vec<Person>,
    /// Those of them that have another name, by id.
    pub(crate) renamed: Vec<String>,
    /// Users whose wrong passcodes are forgotten and whose bypass is no more, by id.
    pub(crate) status_set: Vec<String>,
    /// Aliases that are nobody's any more, by lookup key, and those that are new, by user.
    pub(crate) aliases_gone: Vec<String>,
    pub(crate) aliases: Vec<(String, Owned)>,
    /// Groups that users are in no more, and are in from now on.
    pub(crate) groups_gone: Vec<(String, Owned)>,
    pub(crate) groups: Vec<(String, Owned)>,
    /// Lists that users are off, and how they are on others from now on.
    pub(crate) lists_gone: Vec<(String, String)>,
    pub(crate) lists: Vec<(String, Listing)>,
    /// Users and their new phones for passcodes by SMS.
    pub(crate) phones: Vec<(String, NewPhone)>,
    /// Users and their phones that have another number.
    pub(crate) numbers: Vec<(String, NewPhone)>,
    /// Users and their phones that go.
    pub(crate) phones_gone: Vec<(String, String)>,
    /// By id.
    pub(crate) deleted: Vec<String>,
}

impl Store {
    /// Users in the order of their lookup keys.
    pub(crate) async fn accounts(&self, wanted: &Wanted) -> Result<Vec<Account>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM users
             WHERE lookup > ?1
               AND (?2 IS NULL OR instr(lookup, ?2) > 0 OR instr(search, ?2) > 0 OR EXISTS
                    (SELECT 1 FROM aliases WHERE user_id = users.id AND instr(lookup, ?2) > 0))
               AND (?3 IS NULL OR ?3 =
                    CASE WHEN status = 'bypass' AND bypass_until_ms <= ?4 THEN 'active' ELSE status END)
               AND (?5 IS NULL OR EXISTS
                    (SELECT 1 FROM user_groups WHERE user_id = users.id AND lookup = ?5))
             ORDER BY lookup LIMIT ?6",
        )
        .bind(&wanted.after)
        .bind(&wanted.search)
        .bind(wanted.status.map(UserStatus::as_str))
        .bind(signed(wanted.now_ms))
        .bind(&wanted.group)
        .bind(wanted.limit)
        .fetch_all(&mut *reader)
        .await?;
        let mut accounts = Vec::with_capacity(ids.len());
        for id in ids {
            accounts.extend(load(&mut reader, &id).await?);
        }
        Ok(accounts)
    }

    /// Groups that somebody is in or that a policy is for, by name.
    pub(crate) async fn groups(&self, limit: u32) -> Result<Vec<Group>, StoreError> {
        let rows = sqlx::query(
            "SELECT min(name) AS name, count(DISTINCT user_id) AS users, max(policy) AS policy
             FROM (SELECT lookup, name, user_id, 0 AS policy FROM user_groups
                   UNION ALL SELECT lookup, name, NULL, 1 FROM policies WHERE scope = 'group')
             GROUP BY lookup ORDER BY lookup LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let group = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Group {
                name: row.try_get("name")?,
                users: unsigned(row.try_get("users")?),
                policy: row.try_get::<i64, _>("policy")? > 0,
            })
        };
        rows.iter().map(group).collect()
    }

    /// Whose name or alias it is, as the transaction sees it.
    pub(crate) async fn owner(
        &self,
        tx: &mut Transaction,
        lookup: &str,
    ) -> Result<Option<String>, StoreError> {
        owner(tx, lookup).await
    }

    /// The groups that somebody is in by a directory, and not by an administrator.
    pub(crate) async fn directory_groups(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<Vec<Owned>, StoreError> {
        let query = "SELECT lookup, name, source FROM user_groups
             WHERE user_id = ?1 AND source <> '' AND lookup NOT IN
             (SELECT lookup FROM user_groups WHERE user_id = ?1 AND source = '') ORDER BY lookup";
        of_directory(tx, query, user_id).await
    }

    /// The aliases that somebody has by a directory.
    pub(crate) async fn directory_aliases(
        &self,
        tx: &mut Transaction,
        user_id: &str,
    ) -> Result<Vec<Owned>, StoreError> {
        let query = "SELECT lookup, name, source FROM aliases
             WHERE user_id = ?1 AND source <> '' ORDER BY lookup";
        of_directory(tx, query, user_id).await
    }

    /// Sets what somebody is called and written to.
    pub(crate) async fn set_profile(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        full_name: &str,
        email: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET full_name = ?, email = ?, search = ? WHERE id = ?")
            .bind(full_name)
            .bind(email)
            .bind(search_text(full_name, email))
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Sets until when a bypass lasts.
    pub(crate) async fn set_bypass_until(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        until_ms: Option<u64>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET bypass_until_ms = ? WHERE id = ?")
            .bind(until_ms.map(signed))
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Everybody, as they are at one moment, and the number of that. No writer waits for it.
    pub(crate) async fn everybody(&self) -> Result<(Version, Vec<Person>), StoreError> {
        let mut tx = self.reader.begin().await?;
        Ok((version(&mut tx).await?, self.everybody_in(&mut tx).await?))
    }

    /// Everybody, as the transaction sees them.
    pub(crate) async fn everybody_in(
        &self,
        tx: &mut Transaction,
    ) -> Result<Vec<Person>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, lookup, name, status, status_before, full_name, email, source, directory_id
             FROM users",
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut people: Vec<Person> = Vec::with_capacity(rows.len());
        let mut places = HashMap::with_capacity(rows.len());
        for row in rows {
            let id: String = row.try_get("id")?;
            places.insert(id.clone(), people.len());
            let before: Option<String> = row.try_get("status_before")?;
            people.push(Person {
                id,
                lookup: row.try_get("lookup")?,
                name: row.try_get("name")?,
                status: status(&row.try_get::<String, _>("status")?)?,
                status_before: before.as_deref().map(status).transpose()?,
                full_name: row.try_get("full_name")?,
                email: row.try_get("email")?,
                source: row.try_get("source")?,
                directory_id: row.try_get("directory_id")?,
                lists: Vec::new(),
                aliases: Vec::new(),
                groups: Vec::new(),
                phones: Vec::new(),
                devices: 0,
            });
        }
        let place = |id: &str| places.get(id).copied().unwrap_or(usize::MAX);
        let aliases = "SELECT user_id, lookup, name, source FROM aliases";
        for (id, owned) in owned(tx, aliases).await? {
            if let Some(person) = people.get_mut(place(&id)) {
                person.aliases.push(owned);
            }
        }
        let groups = "SELECT user_id, lookup, name, source FROM user_groups";
        for (id, owned) in owned(tx, groups).await? {
            if let Some(person) = people.get_mut(place(&id)) {
                person.groups.push(owned);
            }
        }
        let lists: Vec<(String, String, bool)> =
            sqlx::query_as("SELECT user_id, source, gone FROM user_lists")
                .fetch_all(&mut **tx)
                .await?;
        for (id, source, gone) in lists {
            if let Some(person) = people.get_mut(place(&id)) {
                person.lists.push(Listing { source, gone });
            }
        }
        let devices: Vec<(String, String, String, Option<String>)> = sqlx::query_as(
            "SELECT user_id, id, number, source FROM devices WHERE user_id IS NOT NULL",
        )
        .fetch_all(&mut **tx)
        .await?;
        for (id, device, number, source) in devices {
            if let Some(person) = people.get_mut(place(&id)) {
                person.devices += 1;
                let digits: String = number.chars().filter(char::is_ascii_digit).collect();
                person.phones.extend((!digits.is_empty()).then_some(Number {
                    device,
                    digits,
                    source,
                }));
            }
        }
        Ok(people)
    }

    /// Writes a batch that was planned by the number of a moment, and gives the number after it; none when
    /// something has changed since, and nothing is written.
    pub(crate) async fn write_planned(
        &self,
        batch: &Batch,
        planned: Version,
        now_ms: u64,
    ) -> Result<Option<Version>, StoreError> {
        let mut tx = self.write().await?;
        if version(&mut tx).await? != planned {
            return Ok(None);
        }
        self.write_batch(&mut tx, batch, now_ms).await?;
        let after = version(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(after))
    }

    /// Writes a batch.
    pub(crate) async fn write_batch(
        &self,
        tx: &mut Transaction,
        batch: &Batch,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let ids = |ids: &[String]| Value::from(ids);
        let owned = |all: &[(String, Owned)]| -> Value {
            let row = |(id, one): &(String, Owned)| json!([id, one.lookup, one.name, one.source]);
            all.iter().map(row).collect()
        };
        // What goes, goes before anything comes: a name may go from one user to another.
        run(tx, DELETE_USERS, &ids(&batch.deleted), &[]).await?;
        run(tx, DELETE_ALIASES, &ids(&batch.aliases_gone), &[]).await?;
        run(tx, RELEASE_NAMES, &ids(&batch.renamed), &[]).await?;
        let changed: Value = batch.changed.iter().map(row_of).collect();
        run(tx, CHANGE_USERS, &changed, &[]).await?;
        run(tx, FORGET_FAILURES, &ids(&batch.status_set), &[]).await?;
        let created: Value = batch.created.iter().map(row_of).collect();
        run(tx, CREATE_USERS, &created, &[&now_ms.to_string()]).await?;
        run(tx, INSERT_ALIASES, &owned(&batch.aliases), &[]).await?;
        run(tx, DELETE_GROUPS, &owned(&batch.groups_gone), &[]).await?;
        run(tx, INSERT_GROUPS, &owned(&batch.groups), &[]).await?;
        let off: Value = batch.lists_gone.iter().map(|row| json!(row)).collect();
        run(tx, DELETE_LISTS, &off, &[]).await?;
        let on = |(id, list): &(String, Listing)| json!([id, list.source, i64::from(list.gone)]);
        let on: Value = batch.lists.iter().map(on).collect();
        run(tx, SET_LISTS, &on, &[]).await?;
        let phone = |(user, phone): &(String, NewPhone)| {
            json!([user, phone.device, phone.number, phone.source])
        };
        let gone: Value = batch.phones_gone.iter().map(|(_, id)| json!(id)).collect();
        run(tx, DELETE_DEVICES, &gone, &[]).await?;
        // What was sent to the old number, or rests on it, is good no more.
        let numbers: Value = batch.numbers.iter().map(phone).collect();
        run(tx, FORGET_SMS_CODES, &numbers, &[]).await?;
        run(tx, FORGET_REMEMBERED, &numbers, &[]).await?;
        run(tx, CHANGE_NUMBERS, &numbers, &[]).await?;
        let phones: Value = batch.phones.iter().map(phone).collect();
        run(tx, CREATE_PHONES, &phones, &[&now_ms.to_string()]).await
    }

    /// Has a user other aliases of an administrator from now on.
    pub(crate) async fn set_aliases(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        aliases: Vec<Owned>,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM aliases WHERE user_id = ? AND source = ''")
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        let of_user = |one| (user_id.to_owned(), one);
        let batch = Batch {
            aliases: aliases.into_iter().map(of_user).collect(),
            ..Batch::default()
        };
        self.write_batch(tx, &batch, 0).await
    }

    /// Has a user other groups of an administrator from now on.
    pub(crate) async fn set_groups(
        &self,
        tx: &mut Transaction,
        user_id: &str,
        groups: Vec<Owned>,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM user_groups WHERE user_id = ? AND source = ''")
            .bind(user_id)
            .execute(&mut **tx)
            .await?;
        let of_user = |one| (user_id.to_owned(), one);
        let batch = Batch {
            groups: groups.into_iter().map(of_user).collect(),
            ..Batch::default()
        };
        self.write_batch(tx, &batch, 0).await
    }
}

pub(super) async fn version(tx: &mut Transaction) -> Result<Version, StoreError> {
    let found = sqlx::query_scalar("SELECT version FROM people_version");
    Ok(Version(found.fetch_one(&mut **tx).await?))
}

/// Whose name or alias it is.
pub(super) async fn owner(
    connection: &mut SqliteConnection,
    lookup: &str,
) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar(
        "SELECT id FROM users WHERE lookup = ?1
         UNION ALL SELECT user_id FROM aliases WHERE lookup = ?1",
    )
    .bind(lookup)
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

async fn of_directory(
    tx: &mut Transaction,
    query: &'static str,
    user_id: &str,
) -> Result<Vec<Owned>, StoreError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(query)
        .bind(user_id)
        .fetch_all(&mut **tx)
        .await?;
    let owned = |(lookup, name, source)| Owned {
        lookup,
        name,
        source,
    };
    Ok(rows.into_iter().map(owned).collect())
}

/// What a search looks at beside names.
pub(super) fn search_text(full_name: &str, email: &str) -> String {
    let name = lookup_key(full_name, UsernameNormalization::None);
    format!("{name}\n{}", email.to_lowercase())
}

/// Runs a statement over the rows of a list, if there are any.
async fn run(
    tx: &mut Transaction,
    statement: &'static str,
    rows: &Value,
    more: &[&str],
) -> Result<(), StoreError> {
    if rows.as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let mut query = sqlx::query(statement).bind(rows.to_string());
    for value in more {
        query = query.bind((*value).to_owned());
    }
    query.execute(&mut **tx).await.map_err(taken)?;
    Ok(())
}

async fn owned(
    tx: &mut Transaction,
    query: &'static str,
) -> Result<Vec<(String, Owned)>, StoreError> {
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(query).fetch_all(&mut **tx).await?;
    let owned = |(id, lookup, name, source)| {
        (
            id,
            Owned {
                lookup,
                name,
                source,
            },
        )
    };
    Ok(rows.into_iter().map(owned).collect())
}

fn status(text: &str) -> Result<UserStatus, StoreError> {
    UserStatus::from_name(text).ok_or(StoreError::Unreadable { column: "status" })
}

fn row_of(person: &Person) -> Value {
    json!([
        person.id,
        person.lookup,
        person.name,
        person.status.as_str(),
        person.status_before.map(UserStatus::as_str),
        person.full_name,
        person.email,
        search_text(&person.full_name, &person.email),
        person.source,
        person.directory_id,
    ])
}

const DELETE_USERS: &str = "DELETE FROM users WHERE id IN (SELECT value FROM json_each(?1))";
/// No name has a line feed.
const RELEASE_NAMES: &str = "UPDATE users SET lookup = char(10) || id
    WHERE id IN (SELECT value FROM json_each(?1))";
const CHANGE_USERS: &str = "UPDATE users SET lookup = value ->> 1, name = value ->> 2,
    status = value ->> 3, status_before = value ->> 4, full_name = value ->> 5, email = value ->> 6,
    search = value ->> 7, source = value ->> 8, directory_id = value ->> 9
    FROM json_each(?1) AS rows WHERE users.id = value ->> 0";
const FORGET_FAILURES: &str = "UPDATE users SET failures = 0, bypass_until_ms = NULL
    WHERE id IN (SELECT value FROM json_each(?1))";
const CREATE_USERS: &str = "INSERT INTO users
    (id, lookup, name, status, status_before, full_name, email, search, source, directory_id,
     created_at_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
           value ->> 7, value ->> 8, value ->> 9, CAST(?2 AS INTEGER) FROM json_each(?1)";
const DELETE_ALIASES: &str = "DELETE FROM aliases
    WHERE lookup IN (SELECT value FROM json_each(?1))";
const INSERT_ALIASES: &str = "INSERT INTO aliases (user_id, lookup, name, source)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)";
const DELETE_GROUPS: &str = "DELETE FROM user_groups WHERE (user_id, lookup, source) IN
    (SELECT value ->> 0, value ->> 1, value ->> 3 FROM json_each(?1))";
const INSERT_GROUPS: &str = "INSERT INTO user_groups (user_id, lookup, name, source)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)";
const DELETE_LISTS: &str = "DELETE FROM user_lists WHERE (user_id, source) IN
    (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";
const SET_LISTS: &str = "INSERT OR REPLACE INTO user_lists (user_id, source, gone)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)";
const DELETE_DEVICES: &str = "DELETE FROM devices WHERE id IN (SELECT value FROM json_each(?1))";
const FORGET_SMS_CODES: &str = "DELETE FROM sms_codes
    WHERE device_id IN (SELECT value ->> 1 FROM json_each(?1))";
const FORGET_REMEMBERED: &str = "DELETE FROM remembered
    WHERE user_id IN (SELECT value ->> 0 FROM json_each(?1))";
const CHANGE_NUMBERS: &str = "UPDATE devices SET number = value ->> 2, source = value ->> 3
    FROM json_each(?1) AS rows WHERE devices.id = value ->> 1";
const CREATE_PHONES: &str = "INSERT INTO devices
    (id, user_id, kind, name, number, can_sms, source, created_at_ms)
    SELECT value ->> 1, value ->> 0, 'phone', '', value ->> 2, 1, value ->> 3, CAST(?2 AS INTEGER)
    FROM json_each(?1)";
