//! What is found of an audit that somebody had their hands on who can write to the database.

use super::*;
use crate::audit::{Broken, Deed, Walk};

fn deed(number: u64) -> Deed {
    Deed {
        at_ms: number,
        actor: format!("admin {number}"),
        source: String::new(),
        action: "configuration".to_owned(),
        target: format!("revision {number}"),
        detail: "[]".to_owned(),
    }
}

async fn add(store: &Store, count: u64) {
    for number in 1..=count {
        store.insert_audit(&deed(number)).await.unwrap();
    }
}

pub(super) async fn verify(store: &Store) -> Result<u64, Broken> {
    let mut walk = Walk::new(&store.chain, store.fetch_audit_head().await.unwrap());
    for entry in store.list_audit_after(0, 1_000).await.unwrap() {
        walk.step(&entry)?;
    }
    walk.end(store.fetch_audit_head().await.unwrap())?;
    Ok(walk.at().seq)
}

pub(super) async fn whoever_tampers_with_the_audit_is_found(lab: Lab) {
    let store = lab.open().await;
    assert_eq!(verify(&store).await, Ok(0), "a new one is whole");
    add(&store, 6).await;
    assert_eq!(verify(&store).await, Ok(6));
    // What was done is undone, so that each claim begins with a whole audit.
    for (what, done, undone, want) in [
        (
            "changed",
            "UPDATE audit SET actor = 'admin x' WHERE seq = 3",
            "UPDATE audit SET actor = 'admin 3' WHERE seq = 3",
            Broken::Changed { seq: 3 },
        ),
        (
            "moved to the end",
            "UPDATE audit SET seq = 7 WHERE seq = 5",
            "UPDATE audit SET seq = 5 WHERE seq = 7",
            Broken::Missing { seq: 5 },
        ),
        (
            "removed",
            "UPDATE audit SET seq = 1004 WHERE seq = 4",
            "UPDATE audit SET seq = 4 WHERE seq = 1004",
            Broken::Missing { seq: 4 },
        ),
        (
            "the note taken away",
            "UPDATE meta SET name = 'aside' WHERE name = 'audit_head'",
            "UPDATE meta SET name = 'audit_head' WHERE name = 'aside'",
            Broken::Note,
        ),
        (
            "another's note",
            "INSERT INTO meta (name, value) SELECT 'kept', value FROM meta WHERE name = 'audit_head'; \
             UPDATE meta SET value = (SELECT wrapped FROM data_keys WHERE number = 1) \
             WHERE name = 'audit_head'",
            "UPDATE meta SET value = (SELECT value FROM meta WHERE name = 'kept') \
             WHERE name = 'audit_head'; DELETE FROM meta WHERE name = 'kept'",
            Broken::Note,
        ),
        (
            "swapped",
            "UPDATE audit SET seq = seq + 100 WHERE seq IN (2, 3); \
             UPDATE audit SET seq = 105 - seq WHERE seq IN (102, 103)",
            "UPDATE audit SET seq = seq + 100 WHERE seq IN (2, 3); \
             UPDATE audit SET seq = 105 - seq WHERE seq IN (102, 103)",
            Broken::Changed { seq: 2 },
        ),
        (
            "cut off at the end",
            "DELETE FROM audit WHERE seq > 4",
            "SELECT 1",
            Broken::Cut { seq: 4, newest: 6 },
        ),
        (
            "all gone",
            "DELETE FROM audit",
            "SELECT 1",
            Broken::Cut { seq: 0, newest: 6 },
        ),
    ] {
        several(&store, done).await;
        assert_eq!(verify(&store).await, Err(want), "{what}");
        several(&store, undone).await;
    }
}

pub(super) async fn what_is_added_after_a_cut_does_not_cover_it(lab: Lab) {
    let store = lab.open().await;
    add(&store, 4).await;
    several(&store, "DELETE FROM audit WHERE seq > 2").await;
    add(&store, 1).await;
    let newest = store
        .list_audit_before(None, &AuditFilter::default(), 1)
        .await
        .unwrap();
    assert_eq!(newest[0].seq, 5, "numbers are not given again");
    assert_eq!(verify(&store).await, Err(Broken::Missing { seq: 3 }));
    // Neither does another start, nor a note that is gone.
    let store = lab.reopen(1).await.unwrap();
    several(
        &store,
        "DELETE FROM audit; DELETE FROM meta WHERE name = 'audit_head'",
    )
    .await;
    let store = lab.reopen(1).await.unwrap();
    assert_eq!(verify(&store).await, Err(Broken::Note));
    add(&store, 1).await;
    assert_eq!(verify(&store).await, Err(Broken::Note));
}

async fn several(store: &Store, statements: &'static str) {
    for one in statements.split("; ") {
        raw(store, one).await;
    }
}
