//! Drafts, on either engine; two stores are two control planes.

use zeroize::Zeroizing;

use super::*;
use crate::audit::Deed;
use crate::store::engine::reading;

pub(super) fn deed() -> Deed {
    Deed {
        at_ms: 7,
        actor: "token ci".to_owned(),
        source: "192.0.2.1".to_owned(),
        action: "draft".to_owned(),
        target: String::new(),
        detail: "{}".to_owned(),
    }
}

fn write(text: &[u8]) -> DraftWrite {
    DraftWrite {
        author: "token ci".to_owned(),
        origin: "192.0.2.1".to_owned(),
        at_ms: 8,
        json: Zeroizing::new(text.to_vec()),
    }
}

const fn version(id: u64, writes: u64) -> DraftVersion {
    DraftVersion { id, writes }
}

fn applied(version: DraftVersion) -> AppliedDraft {
    AppliedDraft {
        version,
        writers: json!([]),
    }
}

async fn texts(store: &Store, id: u64) -> Vec<String> {
    let (known, writes) = store.fetch_draft(id).await.unwrap().unwrap();
    assert_eq!(known.writes, u64::try_from(writes.len()).unwrap());
    let text = |one: &DraftWrite| String::from_utf8(one.json.to_vec()).unwrap();
    writes.iter().map(text).collect()
}

async fn audit(store: &Store) -> Vec<(String, String)> {
    let entries = store.list_audit_after(0, 100).await.unwrap();
    let known = entries.into_iter().map(|one| (one.action, one.target));
    known.collect()
}

pub(super) async fn a_draft_is_kept_sealed_and_its_number_never_used_again(lab: Lab) {
    let store = lab.open().await;
    let id = store.insert_draft("why\0", deed()).await.unwrap();
    let at = version(id, 0);
    let secret = write(b"PLANTED-secret");
    store
        .insert_draft_write(at, &secret, &deed())
        .await
        .unwrap();
    assert_eq!(texts(&store, id).await, ["PLANTED-secret"]);
    let known = store.list_drafts().await.unwrap();
    assert_eq!(
        known,
        [DraftRow {
            id,
            author: "token ci".to_owned(),
            message: "why\u{fffd}".to_owned(),
            created_at_ms: 7,
            writes: 1,
        }]
    );
    let sealed: Vec<u8> = reading!(store.db, "look", pool => async {
        sqlx::query_scalar("SELECT sealed FROM draft_writes")
            .fetch_one(pool)
            .await
            .map_err(Fault::Sql)
    })
    .unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("PLANTED"));
    // A row of one place is none of another.
    raw(&store, "UPDATE draft_writes SET number = 2").await;
    assert!(matches!(
        store.fetch_draft(id).await,
        Err(StoreError::Seal(SealError::Refused))
    ));
    store.delete_draft(id, None, &deed()).await.unwrap();
    assert_eq!(raw(&store, "DELETE FROM draft_writes").await, 0);
    assert!(store.fetch_draft(id).await.unwrap().is_none());
    let next = store.insert_draft("", deed()).await.unwrap();
    assert!(next > id, "{next}");
    let targets = audit(&store).await.into_iter().map(|(_, target)| target);
    let first = format!("draft {id}");
    assert_eq!(
        targets.collect::<Vec<_>>(),
        [first, String::new(), String::new(), format!("draft {next}")]
    );
}

pub(super) async fn a_draft_is_changed_only_as_it_was_looked_at(lab: Lab) {
    let (one, other) = (lab.open().await, lab.open().await);
    let id = one.insert_draft("", deed()).await.unwrap();
    let at = version(id, 0);
    one.insert_draft_write(at, &write(b"one"), &deed())
        .await
        .unwrap();
    // The other looked before that.
    let late = other
        .insert_draft_write(at, &write(b"other"), &deed())
        .await;
    assert!(
        matches!(late, Err(StoreError::DraftChanged { .. })),
        "{late:?}"
    );
    let late = other.delete_draft(id, Some(0), &deed()).await;
    assert!(
        matches!(late, Err(StoreError::DraftChanged { .. })),
        "{late:?}"
    );
    other
        .insert_draft_write(version(id, 1), &write(b"other"), &deed())
        .await
        .unwrap();
    assert_eq!(texts(&one, id).await, ["one", "other"]);
    assert_eq!(audit(&one).await.len(), 3, "what was refused is no deed");
    one.delete_draft(id, Some(2), &deed()).await.unwrap();
    for late in [
        other
            .insert_draft_write(version(id, 2), &write(b"x"), &deed())
            .await,
        other.delete_draft(id, None, &deed()).await,
        other.delete_draft(id, Some(2), &deed()).await,
    ] {
        assert!(
            matches!(late, Err(StoreError::DraftGone { .. })),
            "{late:?}"
        );
    }
    assert!(other.list_drafts().await.unwrap().is_empty());
}

pub(super) async fn a_draft_goes_with_its_revision_or_both_are_as_they_were(lab: Lab) {
    let (one, other) = (lab.open().await, lab.open().await);
    let id = one.insert_draft("", deed()).await.unwrap();
    one.insert_draft_write(version(id, 0), &write(b"one"), &deed())
        .await
        .unwrap();
    let seen = applied(version(id, 1));
    one.insert_draft_write(version(id, 1), &write(b"two"), &deed())
        .await
        .unwrap();
    let with = |draft| NewRevision {
        draft: Some(draft),
        ..revision(0, None)
    };
    let early = other.insert_revision(with(&seen)).await;
    assert!(
        matches!(early, Err(StoreError::DraftChanged { .. })),
        "{early:?}"
    );
    assert_eq!(other.fetch_latest_number().await.unwrap(), 0);
    assert_eq!(texts(&other, id).await, ["one", "two"], "nothing is lost");
    let seen = applied(version(id, 2));
    other.insert_revision(with(&seen)).await.unwrap();
    assert!(one.list_drafts().await.unwrap().is_empty());
    let again = one
        .insert_revision(NewRevision {
            draft: Some(&seen),
            ..revision(1, None)
        })
        .await;
    assert!(
        matches!(again, Err(StoreError::DraftGone { .. })),
        "{again:?}"
    );
    assert_eq!(one.fetch_latest_number().await.unwrap(), 1, "applied once");
    let audit = audit(&one).await;
    assert_eq!(
        audit.last().unwrap(),
        &("draft.apply".to_owned(), format!("draft {id}"))
    );
    assert_eq!(audit.len(), 5, "{audit:?}");
}

pub(super) async fn drafts_are_bounded_in_number_and_in_octets(lab: Lab) {
    let store = lab.open().await;
    let mut id = 0;
    for _ in 0..64 {
        id = store.insert_draft("", deed()).await.unwrap();
    }
    let full = |done: Result<(), StoreError>, says: &str| {
        let error = done.unwrap_err();
        assert!(matches!(error, StoreError::DraftsFull { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    let more = store.insert_draft("", deed()).await;
    full(more.map(drop), "64 drafts");
    let long = write(&vec![b'x'; 17 * 1024 * 1024]);
    let at = version(id, 0);
    store.insert_draft_write(at, &long, &deed()).await.unwrap();
    let another = version(id - 1, 0);
    let more = store.insert_draft_write(another, &long, &deed()).await;
    full(more, "33554432 octets");
    let (many, one, deed) = (version(id, 1_000), write(b"x"), deed());
    let more = store.insert_draft_write(many, &one, &deed).await;
    full(more, "1000 writes");
    assert_eq!(audit(&store).await.len(), 65);
}
