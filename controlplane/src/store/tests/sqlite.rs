//! What only a file has: its schema as it is written down, its copies, its damages, its owner.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions, Connection, Row};

use super::*;
use crate::moment::Moment;

/// The writer's and the readers'.
fn pools(store: &Store) -> [&SqlitePool; 2] {
    match &store.db {
        Db::Sqlite { writer, readers } => [writer, readers],
        Db::Postgres(_) => panic!("not SQLite"),
    }
}

fn folder(lab: &Lab) -> &Path {
    match lab {
        Lab::Sqlite(folder) => folder.path(),
        Lab::Postgres { .. } => panic!("not SQLite"),
    }
}

fn file(lab: &Lab) -> PathBuf {
    folder(lab).join("controlplane.db")
}

/// A database of each schema that was shipped, by `sqlite3 FILE .dump`, made by the program of its
/// time with the key of these tests: three revisions, two nodes with four verdicts, twelve events. In
/// the one of schema 6 there is a fourth revision, of which the audit has an entry, and an administrator.
const RELEASED: &[(i64, &str)] = &[
    (1, include_str!("schema_1.sql")),
    (6, include_str!("schema_6.sql")),
];

async fn restored(lab: &Lab, dump: &'static str) {
    let mut made = SqliteConnectOptions::new()
        .filename(file(lab))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql(dump).execute(&mut made).await.unwrap();
    made.close().await.unwrap();
}

#[test]
fn steps_are_numbered_without_gaps() {
    let versions: Vec<i64> = migrations::STEPS.iter().map(|step| step.version).collect();
    let wanted: Vec<i64> = (1..=migrations::newest()).collect();
    assert_eq!(versions, wanted);
}

#[tokio::test]
async fn a_database_of_every_released_schema_is_brought_up_to_date_with_all_rows() {
    for (version, dump) in RELEASED {
        let lab = Lab::sqlite();
        restored(&lab, dump).await;
        let store = lab.open().await;
        let latest = store.fetch_latest_revision().await.unwrap().unwrap();
        let newest = if *version < 6 { 3 } else { 4 };
        assert_eq!(latest.info.number, Revision(newest), "{version}");
        for number in 1..=newest {
            let found = store.fetch_revision(Revision(number)).await.unwrap();
            assert!(found.is_some(), "{version}: what was sealed then opens");
        }
        let audit = store.list_audit_after(0, 10).await.unwrap();
        if *version >= 6 {
            assert_eq!(audit.len(), 1, "{version}");
            let whole = verify(&store).await;
            assert!(whole.is_ok(), "{version}: the chain goes on: {whole:?}");
            let admin = store.fetch_admin_secrets("alice").await.unwrap();
            assert_eq!(admin.unwrap().totp.len(), 20, "{version}");
        }
        let planted = latest.snapshot.settings.http_ca_certs.as_deref();
        assert_eq!(planted, Some("PLANTED-snapshot"), "{version}");
        let applied = |node| {
            let (store, node) = (&store, NodeId::new(node).unwrap());
            async move { store.fetch_applied_revision(Some(&node)).await.unwrap() }
        };
        for (node, want) in [("one", 2), ("two", 1)] {
            let found = applied(node).await.unwrap().info.number;
            assert_eq!(found, Revision(want), "{version}: {node}");
        }
        let nodes = store.list_nodes().await.unwrap();
        let seen: Vec<_> = nodes
            .iter()
            .map(|row| (row.id.as_str(), row.last_seen_ms, row.status.is_some()))
            .collect();
        let want = [
            ("one", 1_700_000_000_030, true),
            ("two", 1_700_000_000_040, false),
        ];
        assert_eq!(seen, want, "{version}");
        let (judged, verdict, _) = nodes[0].last.clone().unwrap();
        assert_eq!(judged, Revision(3), "{version}");
        assert!(matches!(verdict, Verdict::Refused { faults } if faults.len() == 1));
        let page = store.list_events(&EventFilter::default()).await.unwrap();
        let mut numbers: Vec<u64> = page.events.iter().map(|stored| stored.seq).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(numbers, (1..=12).rev().collect::<Vec<u64>>(), "{version}");
        let next = store.insert_events(vec![event(99, 99)]).await.unwrap();
        assert_eq!(next[0].seq, 13, "{version}");
        store.insert_revision(revision(newest, None)).await.unwrap();
        store.close().await;
        let other = lab.reopen(2).await;
        assert!(matches!(other, Err(StoreError::WrongKey)), "{version}");
        let store = lab.reopen(1).await.unwrap();
        let first = store.fetch_revision(Revision(1)).await.unwrap();
        assert!(first.is_some(), "{version}: and after the next start");
    }
}

#[tokio::test]
async fn a_database_of_before_data_keys_is_not_brought_up_to_date_with_another_key() {
    for (version, dump) in RELEASED {
        let lab = Lab::sqlite();
        restored(&lab, dump).await;
        let other = lab.reopen(2).await;
        assert!(matches!(other, Err(StoreError::WrongKey)), "{version}");
        let store = lab.reopen(1).await.unwrap();
        assert!(store.fetch_latest_revision().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_backup_made_while_others_write_has_all_that_was_there_and_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::sqlite();
    let store = lab.open().await;
    store.insert_revision(revision(0, None)).await.unwrap();
    let first = (1..=1_000).map(|number| event(number, number)).collect();
    store.insert_events(first).await.unwrap();
    let copied = folder(&lab).join("copy.db");
    let others = (1_001..=2_000)
        .map(|number| event(number, number))
        .collect();
    let original = file(&lab);
    let (backup, written) = tokio::join!(copy(&original, &copied), store.insert_events(others));
    backup.unwrap();
    written.unwrap();
    let mode = std::fs::metadata(&copied).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let again = copy(&file(&lab), &copied).await;
    assert!(matches!(again, Err(StoreError::File { .. })), "{again:?}");
    let copy = Store::open(&copied, Key::new([1; 32])).await.unwrap();
    let first = EventFilter {
        to: Some(Moment(1_001)),
        limit: Some(1_000),
        ..EventFilter::default()
    };
    assert_eq!(seqs(&copy, first).await.len(), 1_000);
    let revision = copy.fetch_latest_revision().await.unwrap().unwrap();
    assert_eq!(revision.info.number, Revision(1));
}

#[tokio::test]
async fn a_backup_that_cannot_be_finished_leaves_nothing() {
    let lab = Lab::sqlite();
    std::fs::write(file(&lab), [0x5a; 8_192]).unwrap();
    let copied = folder(&lab).join("copy.db");
    for from in [file(&lab), folder(&lab).join("none.db")] {
        copy(&from, &copied).await.unwrap_err();
        assert!(!copied.exists());
        assert!(!folder(&lab).join("none.db").exists(), "nor is one made");
    }
}

#[tokio::test]
async fn a_copy_is_known_by_its_schema_and_its_key() {
    for (version, dump) in RELEASED {
        let lab = Lab::sqlite();
        restored(&lab, dump).await;
        let copied = folder(&lab).join("copy.db");
        copy(&file(&lab), &copied).await.unwrap();
        let look = |key: u8| {
            let copied = copied.clone();
            async move { look_at_copy(&copied, &Key::new([key; 32])).await }
        };
        assert_eq!(look(1).await.unwrap(), *version);
        assert!(matches!(look(2).await, Err(StoreError::WrongKey)));
        let store = lab.open().await;
        std::fs::remove_file(&copied).unwrap();
        copy(&file(&lab), &copied).await.unwrap();
        assert_eq!(look(1).await.unwrap(), migrations::newest());
        assert!(matches!(look(2).await, Err(StoreError::WrongKey)));
        raw(
            &store,
            "UPDATE _sqlx_migrations SET version = 999 WHERE version = 1",
        )
        .await;
        std::fs::remove_file(&copied).unwrap();
        copy(&file(&lab), &copied).await.unwrap();
        let newer = look(1).await;
        assert!(matches!(newer, Err(StoreError::Newer { version: 999 })));
        // What a look leaves behind would be in the backup.
        let names = std::fs::read_dir(folder(&lab)).unwrap();
        let names = names.map(|one| one.unwrap().file_name().into_string().unwrap());
        let beside: Vec<String> = names.filter(|name| name.starts_with("copy.db-")).collect();
        assert!(beside.is_empty(), "{beside:?}");
    }
}

#[tokio::test]
async fn a_long_file_is_looked_over_beside_the_service() {
    use std::os::unix::fs::FileExt;
    let lab = Lab::sqlite();
    let store = lab.open().await;
    assert!(!store.is_unseen(), "a new one is whole");
    let events = (1..=5_000).map(|number| event(number, number)).collect();
    store.insert_events(events).await.unwrap();
    store.close().await;
    let open = async || Store::open_unseen(&file(&lab), Key::new([1; 32])).await;
    let store = open().await.unwrap();
    assert!(store.is_unseen());
    let stop = CancellationToken::new();
    let whole = store.look_over(stop.clone()).await;
    assert!(matches!(whole, Some(Ok(()))), "{whole:?}");
    stop.cancel();
    assert!(store.look_over(stop).await.is_none(), "it ends when told");
    store.close().await;
    // The last page is one of the events, which no start reads.
    let database = std::fs::OpenOptions::new()
        .write(true)
        .open(file(&lab))
        .unwrap();
    let octets = database.metadata().unwrap().len();
    database
        .write_all_at(&[0x5a; 4_096], octets - 4_096)
        .unwrap();
    let store = open().await.unwrap();
    let found = store.look_over(CancellationToken::new()).await;
    assert!(
        matches!(found, Some(Err(StoreError::Damaged { .. }))),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_named_with_what_helps() {
    use std::os::unix::fs::FileExt;
    for (name, page) in [("no database", 0), ("a page in the middle", 4)] {
        let lab = Lab::sqlite();
        let store = lab.open().await;
        let events = (1..=500).map(|number| event(number, number)).collect();
        store.insert_events(events).await.unwrap();
        store.close().await;
        let database = std::fs::OpenOptions::new()
            .write(true)
            .open(file(&lab))
            .unwrap();
        for one in page..page + 20 {
            database.write_all_at(&[0x5a; 4_096], one * 4_096).unwrap();
        }
        let error = lab.reopen(1).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{name}: {error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains("controlplane.db is damaged"),
            "{name}: {text}"
        );
        assert!(text.contains("countersign restore"), "{name}: {text}");
    }
}

#[tokio::test]
async fn migrations_from_empty_give_the_schema_that_is_checked_in() {
    let lab = Lab::sqlite();
    let store = lab.open().await;
    store.close().await;
    let store = lab.reopen(1).await.expect("they may run twice");
    let statements: Vec<String> = sqlx::query_scalar(
        "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL \
         AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY rowid",
    )
    .fetch_all(pools(&store)[1])
    .await
    .unwrap();
    let found = statements.join("\n\n") + "\n";
    let wanted = include_str!("../../../../migrations/controlplane/sqlite/schema.sql");
    assert_eq!(found, wanted, "write this to schema.sql:\n{found}");
}

#[tokio::test]
async fn every_connection_keeps_the_rules_of_the_house() {
    let lab = Lab::sqlite();
    let store = lab.open().await;
    for pool in pools(&store) {
        for (pragma, want) in [
            ("foreign_keys", "1"),
            ("busy_timeout", "5000"),
            ("synchronous", "2"),
            ("journal_mode", "wal"),
        ] {
            let row = sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}")))
                .fetch_one(pool)
                .await
                .unwrap();
            let found = row
                .try_get::<i64, _>(0)
                .map_or_else(|_| row.get(0), |number| number.to_string());
            assert_eq!(found, want, "{pragma}");
        }
    }
    let write = sqlx::query("DELETE FROM events").execute(pools(&store)[1]);
    assert!(write.await.is_err(), "readers do not write");
}

#[tokio::test]
async fn the_database_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::sqlite();
    let store = lab.open().await;
    store.insert_revision(revision(0, None)).await.unwrap();
    for file in std::fs::read_dir(folder(&lab)).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}
