//! The keys of a database: made, found again, put under another master key.

use std::path::Path;

use super::*;
use crate::seal::KeyError;
use crate::store::keys::Step;

/// A key file with the key of these tests.
fn key_file(folder: &TempDir) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join("controlplane.key");
    std::fs::write(&path, [1; 32]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

async fn opened(lab: &Lab, path: &Path) -> Store {
    lab.with(Key::read(path).unwrap()).await.unwrap()
}

fn any(_: Step) -> Result<(), StoreError> {
    Ok(())
}

/// What a power cut does at a step: what was not committed is gone.
fn cut(at: Step) -> impl FnMut(Step) -> Result<(), StoreError> {
    move |step| match step == at {
        true => Err(StoreError::WrongKey),
        false => Ok(()),
    }
}

async fn reads(store: &Store) {
    let found = store.fetch_latest_revision().await.unwrap().unwrap();
    let planted = found.snapshot.settings.http_ca_certs;
    assert_eq!(planted.as_deref(), Some("PLANTED-snapshot"));
}

pub(super) async fn a_rotation_makes_the_old_key_file_useless_and_loses_nothing(lab: Lab) {
    let folder = tempfile::tempdir().unwrap();
    let path = key_file(&folder);
    let store = opened(&lab, &path).await;
    store.insert_revision(revision(0, None)).await.unwrap();
    let lasting = store.lasting_key();
    let made = store.rotate(&path, true, any).await.unwrap();
    assert_eq!((made.data_keys, made.newest), (2, 2));
    // Who has the database open goes on, and takes in the new data key.
    reads(&store).await;
    store.refresh_keys().await.unwrap();
    store.insert_revision(revision(1, None)).await.unwrap();
    reads(&store).await;
    store.close().await;
    let old = lab.with(Key::new([1; 32])).await;
    assert!(matches!(old, Err(StoreError::WrongKey)), "{old:?}");
    let store = opened(&lab, &path).await;
    reads(&store).await;
    assert_eq!(store.keys().newest(), 2);
    assert_eq!(store.lasting_key().octets(), lasting.octets());
    let audit = store.list_audit_after(0, 10).await.unwrap();
    verify(&store).await.unwrap();
    assert_eq!(audit.len(), 3, "two revisions and the rotation");
    assert_eq!(audit[1].action, "master-key.rotate");
    store.close().await;
}

pub(super) async fn a_rotation_cut_short_at_any_step_leaves_a_key_file_that_opens(lab: Lab) {
    let folder = tempfile::tempdir().unwrap();
    let path = key_file(&folder);
    let store = opened(&lab, &path).await;
    store.insert_revision(revision(0, None)).await.unwrap();
    store.close().await;
    for step in [Step::Read, Step::InFile, Step::Wrapped, Step::Stored] {
        let store = opened(&lab, &path).await;
        store.rotate(&path, true, cut(step)).await.unwrap_err();
        store.close().await;
        let store = opened(&lab, &path).await;
        reads(&store).await;
        // And it can be rotated again.
        store.rotate(&path, false, any).await.unwrap();
        store.close().await;
        let store = opened(&lab, &path).await;
        reads(&store).await;
        store.close().await;
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside it: {left:?}");
}

pub(super) async fn another_control_plane_goes_on_until_it_has_the_key_file(lab: Lab) {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, other) = (key_file(&ours), key_file(&theirs));
    let (a, b) = (opened(&lab, &path).await, opened(&lab, &other).await);
    a.rotate(&path, false, any).await.unwrap();
    b.insert_revision(revision(0, None)).await.unwrap();
    reads(&a).await;
    // With its own key file it could not rotate, nor start, and nothing is lost by the try.
    let refused = b.rotate(&other, false, any).await;
    assert!(matches!(refused, Err(StoreError::WrongKey)), "{refused:?}");
    assert_eq!(std::fs::read(&other).unwrap(), [1; 32]);
    a.rotate(&path, true, any).await.unwrap();
    a.refresh_keys().await.unwrap();
    a.insert_revision(revision(1, None)).await.unwrap();
    let unknown = b.fetch_latest_revision().await;
    assert!(
        matches!(
            unknown,
            Err(StoreError::Seal(SealError::Unknown { number: 2 }))
        ),
        "{unknown:?}"
    );
    let refused = b.refresh_keys().await;
    assert!(matches!(refused, Err(StoreError::WrongKey)), "{refused:?}");
    std::fs::copy(&path, &other).unwrap();
    b.refresh_keys().await.unwrap();
    reads(&b).await;
    a.close().await;
    b.close().await;
}

pub(super) async fn a_key_file_without_room_is_refused_before_anything_changes(lab: Lab) {
    let folder = tempfile::tempdir().unwrap();
    let path = key_file(&folder);
    std::fs::write(&path, vec![1; 32 * 1_000]).unwrap();
    let store = opened(&lab, &path).await;
    let full = store.rotate(&path, false, any).await;
    assert!(
        matches!(full, Err(StoreError::Key(KeyError::Full { .. }))),
        "{full:?}"
    );
    store.close().await;
    drop(opened(&lab, &path).await);
}
