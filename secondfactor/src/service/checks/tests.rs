use std::path::Path;

use proptest::prelude::*;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::account::{Account, Device};
use crate::admin::DeviceKind;
use crate::holdings::{generator_place, sent_place};
use crate::otp;
use crate::store::DeviceRow;

const SECRET: &[u8; 20] = b"12345678901234567890";
const USERS: [&str; 2] = ["DU1", "DU2"];
const LOCKOUT: u32 = 6;

/// The passcodes of each user: of a clock now and before, of a counter that stands at 5, two by SMS, two
/// bypass codes, and none at all.
fn passcodes() -> Vec<String> {
    let generator = |digits| otp::Generator {
        secret: SECRET,
        algorithm: crate::admin::OtpAlgorithm::Sha1,
        digits,
    };
    // A clock that never comes to its next step while a test runs.
    let step = otp::time_step(clock::unix_ms() / 1_000, PERIOD.into());
    let mut all: Vec<String> = [step, step - 1].map(|at| generator(8).passcode(at)).into();
    all.extend((4..8).map(|counter| generator(6).passcode(counter)));
    all.extend(["1000001", "2000002", "111111111", "222222222", "000000"].map(str::to_owned));
    all
}

const PERIOD: u32 = 1_000_000_000;

async fn opened(folder: &Path) -> (Store, Vault) {
    let database = folder.join("secondfactor.db");
    let vault = Vault::open(&folder.join("secret.key"), &database).unwrap();
    let store = Store::open(&database).await.unwrap();
    (store, vault)
}

/// Both users, with all that passcodes are made of.
async fn filled(folder: &Path) -> (Store, Vault) {
    let (store, vault) = opened(folder).await;
    let mut tx = store.write().await.unwrap();
    for user in USERS {
        let account = Account::new(user.to_owned(), user);
        store.insert_user(&mut tx, &account, 1).await.unwrap();
        for (kind, digits, period_s, position) in [
            (DeviceKind::Totp, 8, Some(PERIOD), None),
            (DeviceKind::Hotp, 6, None, Some(5)),
        ] {
            let id = format!("{user}-{}", kind.as_str());
            let row = DeviceRow {
                secret_sealed: Some(vault.seal(&generator_place(&id), SECRET).unwrap()),
                device: Device::new(id, kind, ""),
                approval: None,
                algorithm: Some("SHA1"),
                digits: Some(digits),
                period_s,
                position,
            };
            store.insert_device(&mut tx, user, &row, 1).await.unwrap();
        }
        let id = format!("{user}-phone");
        let row = DeviceRow {
            device: Device::new(id.as_str(), DeviceKind::Phone, ""),
            approval: None,
            secret_sealed: None,
            algorithm: None,
            digits: None,
            period_s: None,
            position: None,
        };
        store.insert_device(&mut tx, user, &row, 1).await.unwrap();
        let code = |code: &str| {
            let sealed = vault.seal(&sent_place(&id), code.as_bytes()).unwrap();
            (code[..1].to_owned(), sealed)
        };
        let codes = [code("1000001"), code("2000002")];
        store
            .replace_sms_codes(&mut tx, &id, &codes, None)
            .await
            .unwrap();
        let hashes: Vec<_> = ["111111111", "222222222"]
            .map(|code| vault.hash(&bypass_place(user), code))
            .into();
        store
            .replace_bypass_codes(&mut tx, user, &hashes, None)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    (store, vault)
}

/// All that is stored and can change, but for the times.
async fn stored(folder: &Path) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(folder.join("secondfactor.db"));
    let database = SqlitePool::connect_with(options).await.unwrap();
    let mut all = Vec::new();
    for query in [
        "SELECT concat_ws(' ', id, status, failures, unanswered, last_login_ms IS NULL)
         FROM users ORDER BY id",
        "SELECT concat_ws(' ', id, ifnull(position, 'none'), drift, last_used_ms IS NULL)
         FROM devices ORDER BY id",
        "SELECT concat_ws(' ', 'sms', id) FROM sms_codes ORDER BY id",
        "SELECT concat_ws(' ', 'bypass', id) FROM bypass_codes ORDER BY id",
    ] {
        let rows: Vec<String> = sqlx::query_scalar(query)
            .fetch_all(&database)
            .await
            .unwrap();
        all.extend(rows);
    }
    database.close().await;
    all
}

async fn both(tries: &[(usize, usize)]) -> Result<(), TestCaseError> {
    let passcodes = passcodes();
    let tries: Vec<_> = tries
        .iter()
        .map(|(user, passcode)| Try {
            user_id: USERS[*user],
            passcode: &passcodes[*passcode],
            accepted: Allowed::ALL,
            counted: true,
        })
        .collect();
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, vault) = filled(one.path()).await;
    let together = try_all(&store, &vault, &tries, LOCKOUT).await.unwrap();
    store.close().await;
    let (store, vault) = filled(other.path()).await;
    let (mut done, mut outdated, mut locked_out) = (Vec::new(), Vec::new(), Vec::new());
    for alone in &tries {
        let alone = std::slice::from_ref(alone);
        let tried = try_all(&store, &vault, alone, LOCKOUT).await.unwrap();
        done.extend(tried.done);
        outdated.extend(tried.outdated);
        locked_out.extend(tried.locked_out.into_iter().map(|at| alone[at].user_id));
    }
    store.close().await;
    prop_assert_eq!(together.done, done);
    prop_assert_eq!(together.outdated, outdated);
    let users = together.locked_out.into_iter().map(|at| tries[at].user_id);
    prop_assert!(users.eq(locked_out));
    prop_assert_eq!(stored(one.path()).await, stored(other.path()).await);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn together_is_the_same_as_one_after_the_other(
        tries in proptest::collection::vec((0_usize..2, 0_usize..11), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(both(&tries))?;
    }
}

#[tokio::test]
async fn each_passcode_is_good_once_and_what_was_used_stays_used() {
    let folder = tempfile::tempdir().unwrap();
    let (store, vault) = filled(folder.path()).await;
    let passcodes = passcodes();
    let all: Vec<_> = USERS
        .into_iter()
        .flat_map(|user_id| {
            let of_user = move |passcode| Try {
                user_id,
                passcode,
                accepted: Allowed::ALL,
                counted: true,
            };
            // Twice each, in the same transaction.
            let all = [1, 0, 3, 4, 6, 7, 8, 9].map(|at: usize| passcodes[at].as_str());
            all.into_iter().flat_map(move |code| [of_user(code); 2])
        })
        .collect();
    let tried = try_all(&store, &vault, &all, 100).await.unwrap();
    let good = |tried: &Tried| {
        let allowed = |checked: &&Checked| checked.verdict == Verdict::Allow;
        tried.done.iter().filter(allowed).count()
    };
    assert_eq!(good(&tried), all.len() / 2, "{:?}", tried.done);
    let unknown = Try {
        user_id: "DU3",
        ..all[0]
    };
    let nobody = try_all(&store, &vault, &[unknown], 100).await.unwrap();
    assert_eq!(nobody.done, [Checked::ended(Verdict::Disabled)]);
    store.close().await;
    let (store, vault) = opened(folder.path()).await;
    let again = try_all(&store, &vault, &all, 100).await.unwrap();
    assert_eq!(good(&again), 0, "{:?}", again.done);
    store.close().await;
}
