//! The schema's history: one list for both engines. A migration that was shipped is never changed.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::StoreError;

/// One step of the schema.
pub(super) struct Step {
    pub(super) version: i64,
    description: &'static str,
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// A step whose file has this name in the folder of either engine.
macro_rules! step {
    ($version:literal, $description:literal, $file:literal) => {
        Step {
            version: $version,
            description: $description,
            sqlite: include_str!(concat!(
                "../../../migrations/controlplane/sqlite/",
                $file,
                ".sql"
            )),
            postgres: include_str!(concat!(
                "../../../migrations/controlplane/postgres/",
                $file,
                ".sql"
            )),
        }
    };
}

/// All steps, oldest first.
pub(super) const STEPS: &[Step] = &[
    step!(
        1,
        "create revisions nodes events",
        "0001_create_revisions_nodes_events"
    ),
    step!(2, "say what a verdict is", "0002_say_what_a_verdict_is"),
    step!(3, "create audit", "0003_create_audit"),
    step!(4, "create access", "0004_create_access"),
    step!(
        5,
        "create node certificates",
        "0005_create_node_certificates"
    ),
    step!(6, "find events quickly", "0006_find_events_quickly"),
    step!(7, "create data keys", "0007_create_data_keys"),
    step!(
        8,
        "know people of a provider",
        "0008_know_people_of_a_provider"
    ),
    step!(9, "create drafts", "0009_create_drafts"),
    step!(
        10,
        "see clients that do not sign",
        "0010_see_clients_that_do_not_sign"
    ),
    step!(11, "answer a join again", "0011_answer_a_join_again"),
];

/// What brings a database up to date, with the text of one engine.
pub(super) fn migrator(text: impl Fn(&Step) -> &'static str) -> Migrator {
    let migrations = STEPS
        .iter()
        .map(|step| {
            Migration::new(
                step.version,
                Cow::Borrowed(step.description),
                MigrationType::Simple,
                SqlStr::from_static(text(step)),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// What a failed migration means.
pub(super) fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => StoreError::Newer { version },
        error => StoreError::Migrate(error),
    }
}

/// The schema that this program knows.
pub(super) fn newest() -> i64 {
    STEPS.last().map_or(0, |step| step.version)
}
