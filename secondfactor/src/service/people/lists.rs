//! Lists of directories: what is known of the last synchronization of each.

use std::time::Duration;

use super::{Directory, PeopleError, Service};
use crate::admin::{ChangedUser, FailedSync, SyncOutcome, UserChanges};
use crate::clock;
use crate::store::StoreError;

impl Service {
    /// Whether a list may be synchronized: of those that are known there is a bound.
    pub(super) async fn check_list(&self, source: &str, forget: bool) -> Result<(), PeopleError> {
        let known = self.store.syncs().await?;
        let is_known = known.iter().any(|one| one.source == source);
        let refusal = match (is_known, forget) {
            (false, true) => "that list was never synchronized; `status` has those that were",
            (false, false) if known.len() >= MAX_LISTS => {
                "100 lists are synchronized already; forget one that is not needed any more (--forget)"
            }
            _ => return Ok(()),
        };
        Err(PeopleError::Invalid(refusal.to_owned()))
    }

    /// Lists that keep somebody in who is missing from another one.
    pub(super) async fn holding(&self) -> Result<Vec<String>, StoreError> {
        let held = u64::try_from(HELD.as_millis()).unwrap_or(u64::MAX);
        let since_ms = clock::unix_ms().saturating_sub(held);
        Ok(self
            .store
            .lists_since(since_ms)
            .await?
            .into_iter()
            .collect())
    }

    /// Notes what came of a synchronization. It is done, or not, whether that can be noted or not.
    pub(super) async fn note_sync(
        &self,
        directory: &Directory,
        people: usize,
        came: &Result<UserChanges, PeopleError>,
    ) {
        let source = &directory.source;
        let now_ms = clock::unix_ms();
        let people = u64::try_from(people).unwrap_or(u64::MAX);
        let (outcome, why) = match came {
            Ok(changes) => match changes.refused.split_first() {
                None => (SyncOutcome::Done, String::new()),
                Some((first, [])) => (
                    SyncOutcome::Partly,
                    format!("{}: {}", first.name, first.why),
                ),
                Some((first, more)) => {
                    let more = more.len();
                    let why = format!("{}: {}, and {more} more", first.name, first.why);
                    (SyncOutcome::Partly, why)
                }
            },
            Err(PeopleError::Invalid(_)) => return,
            Err(error @ PeopleError::Drastic(_)) => (SyncOutcome::Refused, error.to_string()),
            Err(error) => (SyncOutcome::Failed, error.to_string()),
        };
        self.metrics.synchronized(outcome);
        if let Ok(changes) = came {
            log_phones(source, changes);
        }
        let noted = match (came, directory.forget) {
            (Ok(_), true) => self.store.forget_list(source, &directory.name).await,
            (Ok(_), false) => {
                let note = self.store.note_taken(source, outcome, &why, people, now_ms);
                note.await
            }
            (Err(_), _) => {
                let note = self.store.note_not_taken(source, outcome, &why, now_ms);
                note.await
            }
        };
        if let Err(error) = noted {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                source,
                "the outcome of a synchronization is not noted"
            );
        }
    }

    /// Notes that the directory could not be asked for a list.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn note_failed_sync(&self, failed: &FailedSync) -> Result<(), StoreError> {
        self.metrics.synchronized(SyncOutcome::Failed);
        let why: String = failed.why.chars().take(WHY_CHARACTERS).collect();
        let now_ms = clock::unix_ms();
        self.store
            .note_not_taken(&failed.source, SyncOutcome::Failed, &why, now_ms)
            .await
    }
}

/// Whoever may write numbers in the directory gets passcodes by them: who has a new one is in the log.
fn log_phones(source: &str, changes: &UserChanges) {
    let (count, users) = new_numbers(changes);
    if count > 0 {
        tracing::warn!(
            source,
            count,
            users = users.join(", "),
            "a directory gave users new numbers for passcodes by SMS"
        );
    }
}

/// How many who were here before have a new number, and the first of them.
fn new_numbers(changes: &UserChanges) -> (usize, Vec<&str>) {
    let has_one = |one: &&ChangedUser| one.fields.iter().any(|field| field == "phones");
    let users = changes.changed.iter().filter(has_one);
    let named = users.clone().take(LOGGED).map(ChangedUser::called);
    (users.count(), named.collect())
}

/// Lists that are known at a time.
const MAX_LISTS: usize = 100;
/// So many users are named in a line of the log.
const LOGGED: usize = 20;
const WHY_CHARACTERS: usize = 1_000;
/// How long a list keeps somebody in that nobody synchronizes any more.
const HELD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_new_number_is_counted_and_the_first_are_named() {
        let user = |number: usize, field: &str| ChangedUser {
            name: format!("user{number}"),
            now: None,
            fields: vec!["email".to_owned(), field.to_owned()],
        };
        let changed = (0..30).map(|number| user(number, "phones"));
        let changes = UserChanges {
            changed: std::iter::once(user(99, "status")).chain(changed).collect(),
            ..UserChanges::default()
        };
        let (count, users) = new_numbers(&changes);
        assert_eq!((count, users.len(), users[0]), (30, LOGGED, "user0"));
        assert_eq!(new_numbers(&UserChanges::default()), (0, vec![]));
    }
}
