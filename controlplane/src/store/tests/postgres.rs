//! What only a server has: several control planes, a leader, TLS, passwords, its own end.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::store::engine::reading;

const LIMIT: Duration = Duration::from_secs(20);

fn server(lab: &Lab) -> (&Arc<Postgres>, &str) {
    match lab {
        Lab::Postgres { server, database } => (server, database),
        Lab::Sqlite(_) => panic!("not PostgreSQL"),
    }
}

async fn connect(url: String) -> Result<Store, StoreError> {
    let url = PostgresUrl::new(Secret::new(url)).unwrap();
    Store::connect(&url, Key::new([1; 32])).await
}

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let columns = |lab: Lab, select: &'static str| async move {
        let store = lab.open().await;
        let found: Vec<(String, String)> = reading!(store.db, "look", pool => async {
            sqlx::query_as(select).fetch_all(pool).await.map_err(Fault::Sql)
        })
        .unwrap();
        found
    };
    let here = columns(
        Lab::sqlite(),
        "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
         AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2",
    );
    let there = columns(
        Lab::postgres(),
        "SELECT table_name::TEXT, column_name::TEXT FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' \
         ORDER BY table_name COLLATE \"C\", column_name COLLATE \"C\"",
    );
    let (here, there) = (here.await, there.await);
    assert!(here.len() > 20, "{here:?}");
    assert_eq!(here, there);
}

#[tokio::test]
async fn several_that_make_revisions_at_once_give_each_number_once() {
    let lab = Lab::postgres();
    let mut making = JoinSet::new();
    for _ in 0..4 {
        let store = lab.open().await;
        making.spawn(async move {
            let (mut stored, mut newest) = (Vec::new(), 0);
            while stored.len() < 5 {
                match store.insert_revision(revision(newest, None)).await {
                    Ok(one) => {
                        newest = one.info.number.0;
                        stored.push(newest);
                    }
                    Err(StoreError::Overtaken { newest: other }) => newest = other,
                    Err(error) => panic!("{error}"),
                }
            }
            stored
        });
    }
    let mut numbers = Vec::new();
    while let Some(stored) = making.join_next().await {
        numbers.extend(stored.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_reader_sees_no_number_before_a_smaller_one() {
    let lab = Lab::postgres();
    let (one, other, reader) = (lab.open().await, lab.open().await, lab.open().await);
    let mut writing = JoinSet::new();
    for (store, first) in [(one, 0), (other, 10_000)] {
        writing.spawn(async move {
            for batch in 0..25 {
                let numbers = (1..=20).map(|number| first + batch * 20 + number);
                let events = numbers.map(|number| event(number, number)).collect();
                store.insert_events(events).await.unwrap();
            }
        });
    }
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 1_000 {
        let after = seen.last().copied().unwrap_or(0);
        let all = EventFilter::default();
        let (events, ..) = reader.list_events_after(&all, after).await.unwrap();
        seen.extend(events.iter().map(|stored| stored.seq));
    }
    assert_eq!(
        raw(&reader, "DELETE FROM events").await,
        1_000,
        "none was passed by"
    );
    writing.join_all().await;
}

#[tokio::test]
async fn one_leads_and_another_takes_over_when_it_is_gone() {
    let lab = Lab::postgres();
    let (first, second) = (lab.open().await, lab.open().await);
    let (mut one, mut other) = (first.candidate(), second.candidate());
    for _ in 0..3 {
        assert!(one.leads().await.unwrap());
        assert!(!other.leads().await.unwrap());
    }
    drop(one);
    let taking_over = async {
        while !other.leads().await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, taking_over).await.unwrap();
    assert!(!first.candidate().leads().await.unwrap());
}

#[tokio::test]
async fn a_leader_whose_connection_broke_knows_that_it_leads_no_more() {
    let lab = Lab::postgres();
    let (first, second) = (lab.open().await, lab.open().await);
    let (mut one, mut other) = (first.candidate(), second.candidate());
    assert!(one.leads().await.unwrap());
    let (server, database) = server(&lab);
    let gone = server.sql(
        database,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks \
         WHERE locktype = 'advisory' AND objid = 3 AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    assert_eq!(gone.trim(), "t");
    assert!(other.leads().await.unwrap());
    assert!(!one.leads().await.unwrap());
}

#[tokio::test]
async fn while_a_file_is_the_truth_nobody_stores_what_it_would_undo() {
    let lab = Lab::postgres();
    let (of_file, other) = (lab.open().await, lab.open().await);
    let text = Secret::from("file");
    let mut truth = of_file.file_truth();
    assert!(!other.is_file_elsewhere().await.unwrap());
    for _ in 0..2 {
        truth.hold().await.unwrap();
        assert!(other.is_file_elsewhere().await.unwrap());
    }
    let refused = other.insert_revision(revision(0, None)).await;
    assert!(
        matches!(refused, Err(StoreError::FileElsewhere)),
        "{refused:?}"
    );
    let stored = of_file.insert_revision(revision(0, Some(&text))).await;
    stored.unwrap();
    // It is said again when the connection broke.
    let (server, database) = server(&lab);
    let gone = server.sql(
        database,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks \
         WHERE locktype = 'advisory' AND objid = 5 AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    assert_eq!(gone.trim(), "t");
    assert!(!other.is_file_elsewhere().await.unwrap());
    truth.hold().await.unwrap();
    assert!(other.is_file_elsewhere().await.unwrap());
    drop(truth);
    let ending = async {
        while other.is_file_elsewhere().await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, ending).await.unwrap();
    other.insert_revision(revision(1, None)).await.unwrap();
}

#[tokio::test]
async fn only_the_leader_forgets_events() {
    let lab = Lab::postgres();
    let (leader, store) = (lab.open().await, lab.open().await);
    let mut leading = leader.candidate();
    assert!(leading.leads().await.unwrap());
    let events = (1..=10).map(|number| event(number, number)).collect();
    store.insert_events(events).await.unwrap();
    let retention = Retention {
        every: Duration::from_millis(10),
        ..Retention::default()
    };
    let stop = CancellationToken::new();
    let mut forgetting = JoinSet::new();
    forgetting.spawn(crate::events::retain(
        store.clone(),
        retention,
        stop.clone(),
    ));
    // It has tried, and failed, once its connection for that came and went.
    let (server, database) = server(&lab);
    let tries = || {
        let count = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
        server.sql(database, count).trim().parse::<u64>().unwrap()
    };
    let enough = tries() + 20;
    let tried = async {
        while tries() < enough {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, tried).await.unwrap();
    assert_eq!(seqs(&leader, EventFilter::default()).await.len(), 10);
    drop(leading);
    let forgotten = async {
        while !seqs(&leader, EventFilter::default()).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, forgotten).await.unwrap();
    stop.cancel();
    forgetting.join_all().await;
}

#[tokio::test]
async fn others_are_told_of_a_revision_when_it_is_stored() {
    let lab = Lab::postgres();
    let (one, other) = (lab.open().await, lab.open().await);
    let (news, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let mut following = JoinSet::new();
    {
        let (news, stop) = (Arc::clone(&news), stop.clone());
        following.spawn(async move { other.follow(&news, stop).await });
    }
    // From the first tick, and from the beginning of the connection.
    for _ in 0..2 {
        timeout(LIMIT, news.notified()).await.unwrap();
    }
    for after in 0..5 {
        one.insert_revision(revision(after, None)).await.unwrap();
        // Sooner than it would be looked for.
        timeout(Duration::from_secs(5), news.notified())
            .await
            .unwrap();
    }
    stop.cancel();
    following.join_all().await;
}

#[tokio::test]
async fn connections_that_broke_are_made_again() {
    let lab = Lab::postgres();
    let store = lab.open().await;
    store.insert_revision(revision(0, None)).await.unwrap();
    let (server, database) = server(&lab);
    let _gone = server.sql(
        database,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert_eq!(store.fetch_latest_number().await.unwrap(), 1);
    store.insert_revision(revision(1, None)).await.unwrap();
}

#[tokio::test]
async fn work_that_was_broken_off_leaves_no_transaction_open() {
    let lab = Lab::postgres();
    let (store, other, reader) = (lab.open().await, lab.open().await, lab.open().await);
    let (server, database) = server(&lab);
    let Db::Postgres(pool) = &other.db else {
        panic!("not PostgreSQL");
    };
    let begin = other.db.begin(engine::Alone::Revisions);
    for round in 0..5 {
        let holding = pool.begin_with(begin).await.unwrap();
        let waits = async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
                           AND NOT granted AND database = \
                           (SELECT oid FROM pg_database WHERE datname = current_database())";
            while server.sql(database, waiting).trim() == "0" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            stored = store.insert_revision(revision(0, None)) => panic!("{stored:?}"),
            waited = timeout(LIMIT, waits) => waited.unwrap(),
        }
        holding.rollback().await.unwrap();
        for number in 0..10 {
            let text = format!("{round} {number}");
            store
                .put_document("note", Some(text.as_bytes()))
                .await
                .unwrap();
            let found = reader.fetch_document("note").await.unwrap().unwrap();
            assert_eq!(found.as_slice(), text.as_bytes());
        }
    }
    store.insert_revision(revision(0, None)).await.unwrap();
}

#[tokio::test]
async fn tls_is_as_sslmode_says() {
    let lab = Lab::postgres();
    let (server, database) = server(&lab);
    let url = server.url(database);
    let (good, rogue) = (server.file("ca.pem"), server.file("rogue-ca.pem"));
    let named = url.replace("127.0.0.1", "localhost");
    for (text, want) in [
        (format!("{url}?sslmode=disable"), Some("f")),
        (url.clone(), Some("t")),
        (format!("{url}?sslmode=require"), Some("t")),
        (format!("{url}?sslmode=verify-ca"), None),
        (
            format!("{url}?sslmode=verify-ca&sslrootcert={}", rogue.display()),
            None,
        ),
        (
            format!("{url}?sslmode=require&sslrootcert={}", rogue.display()),
            None,
        ),
        (
            format!("{url}?sslmode=verify-ca&sslrootcert={}", good.display()),
            Some("t"),
        ),
        (
            format!("{named}?sslmode=verify-full&sslrootcert={}", good.display()),
            Some("t"),
        ),
    ] {
        let connected = connect(text.clone()).await;
        let Some(want) = want else {
            let error = connected.unwrap_err();
            assert!(
                matches!(error, StoreError::Query { .. }),
                "{text}: {error:?}"
            );
            continue;
        };
        let store = connected.unwrap();
        let used: bool = reading!(store.db, "look", pool => async {
            sqlx::query_scalar("SELECT count(*) > 0 FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()")
                .fetch_one(pool)
                .await
                .map_err(Fault::Sql)
        })
        .unwrap();
        assert_eq!(used, want == "t", "{text}");
        store.close().await;
    }
}

#[tokio::test]
async fn no_fault_and_no_debug_shows_the_password() {
    let lab = Lab::postgres();
    let (server, database) = server(&lab);
    let store = lab.open().await;
    let mut shown = format!("{store:?}");
    for text in [
        server.url("nowhere"),
        server.url(database).replace("tester", "nobody"),
        server.url(database).replace("PLANTED", "PLANTED-wrong"),
        format!("{}?sslmode=verify-full", server.url(database)),
    ] {
        let error = connect(text).await.unwrap_err();
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(cause) = next {
            shown += &format!("{cause} {cause:?}\n");
            next = cause.source();
        }
    }
    assert!(shown.contains("does not exist"), "{shown}");
    assert!(!shown.contains("PLANTED"), "{shown}");
}
