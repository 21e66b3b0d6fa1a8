//! Hardware tokens: taken in, handed out, taken back, and never good twice.

use proto::secret::Secret;
use secondfactor::admin::{
    AssignToken, DeviceKind, Done, ImportTokens, ImportedTokens, Token, Tokens, User,
};

use crate::busy::writing;
use crate::policy::sql;
use crate::support::{LIMIT, Running, phone, started, totp};

/// RFC 4226 appendix D.
const HEX: &str = "3132333435363738393031323334353637383930";

async fn import(running: &Running, csv: &str, dry_run: bool) -> Result<ImportedTokens, String> {
    let file = ImportTokens {
        csv: Secret::new(csv.to_owned()),
        dry_run,
    };
    let done = running.admin.post("/tokens/import", &file, LIMIT).await;
    done.map_err(|error| format!("{error:?}"))
}

async fn post(running: &Running, path: &str, user: &str) -> Result<Token, String> {
    let done = if user.is_empty() {
        running.admin.post(path, &Done {}, LIMIT).await
    } else {
        let to = AssignToken {
            user: user.to_owned(),
        };
        running.admin.post(path, &to, LIMIT).await
    };
    done.map_err(|error| format!("{error:?}"))
}

async fn login(running: &Running, user: &str, counter: u64) -> String {
    let secret = data_encoding::BASE32_NOPAD.encode(b"12345678901234567890");
    let code = totp(&secret, counter);
    let params = [
        ("username", user),
        ("factor", "passcode"),
        ("passcode", code.as_str()),
    ];
    let (status, body) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(status, 200, "{body}");
    body["response"]["result"].as_str().unwrap().to_owned()
}

async fn tokens(running: &Running, query: &str) -> Tokens {
    let path = format!("/tokens{query}");
    running.admin.get(&path, LIMIT).await.unwrap()
}

#[tokio::test]
async fn a_file_is_taken_in_as_a_whole_or_not_at_all() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    let good = format!(
        "serial,secret,kind,digits,username\r\nT1,{HEX},totp,8,\r\nH1,{HEX},hotp,6,ALICE\r\nH2,{HEX},,,\r\n"
    );
    let dry = import(&running, &good, true).await.unwrap();
    assert_eq!((dry.done, dry.created, dry.assigned), (false, 3, 1));
    assert_eq!(tokens(&running, "").await.tokens, []);
    let wrong = good.replace("H2,", "H2 x,").replace("ALICE", "nobody");
    let refused = import(&running, &wrong, false).await.unwrap();
    assert!(!refused.done);
    let said: Vec<_> = refused
        .refused
        .iter()
        .map(|refused| (refused.line, refused.serial.as_str(), refused.why.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (3, "H1", "there is no such user"),
            (
                4,
                "H2 x",
                "a serial number has 1 to 64 characters, without blanks and '/'"
            ),
        ]
    );
    assert_eq!(tokens(&running, "").await.tokens, [], "nothing was done");
    let done = import(&running, &good, false).await.unwrap();
    assert_eq!((done.done, done.created, done.assigned), (true, 3, 1));
    let again = import(&running, &good, false).await.unwrap();
    assert_eq!((again.done, again.refused.len()), (false, 3));
    assert!(again.refused[0].why.contains("already"), "{again:?}");
    let page = tokens(&running, "?limit=2").await;
    let serials: Vec<_> = page
        .tokens
        .iter()
        .map(|token| token.serial.as_str())
        .collect();
    assert_eq!(
        (serials, page.next.as_deref()),
        (vec!["H1", "H2"], Some("H2"))
    );
    assert_eq!(page.tokens[0].user.as_deref(), Some("alice"));
    let page = tokens(&running, "?after=H2").await;
    assert_eq!((page.tokens.len(), page.next), (1, None));
    let (kind, digits) = (page.tokens[0].kind, page.tokens[0].digits);
    assert_eq!((kind, digits), (DeviceKind::Totp, 8));
    let alice: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    let token = &alice.devices[1];
    assert_eq!(
        (token.serial.as_deref(), token.kind),
        (Some("H1"), DeviceKind::Hotp)
    );
    assert_eq!(login(&running, "alice", 0).await, "allow");
    let no_file = import(&running, "T9,00\n", false).await.unwrap_err();
    assert!(no_file.contains("columns are serial, secret"), "{no_file}");
    running.stop().await;
}

#[tokio::test]
async fn thousands_of_tokens_come_in_one_file() {
    let (_folder, running) = started().await;
    let mut csv = String::from("serial,secret\n");
    for number in 0..5_000 {
        csv.push_str(&format!("{number:06},{HEX}\n"));
    }
    let done = import(&running, &csv, false).await.unwrap();
    assert_eq!((done.done, done.created), (true, 5_000));
    assert_eq!(tokens(&running, "?after=004998").await.tokens.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_token_changes_hands_and_no_passcode_is_good_again() {
    let (_folder, running) = started().await;
    for user in ["alice", "bob"] {
        running.user(user, None, vec![phone()]).await;
    }
    let file = format!("serial,secret\nH1,{HEX}\n");
    assert!(import(&running, &file, false).await.unwrap().done);
    let given = post(&running, "/tokens/H1/assign", "Alice").await.unwrap();
    assert_eq!(given.user.as_deref(), Some("alice"));
    post(&running, "/tokens/H1/assign", "alice").await.unwrap();
    let refused = post(&running, "/tokens/H1/assign", "bob")
        .await
        .unwrap_err();
    assert!(refused.contains("somebody has that token"), "{refused}");
    assert_eq!(login(&running, "alice", 3).await, "allow");
    assert_eq!(login(&running, "bob", 4).await, "deny", "not bob's");
    let refused = post(&running, "/tokens/H1/delete", "").await.unwrap_err();
    assert!(refused.contains("somebody has that token"), "{refused}");

    // Taken back by its page, as a device, or with its user: it stays a token, and where it stands.
    post(&running, "/tokens/H1/unassign", "").await.unwrap();
    assert_eq!(login(&running, "alice", 4).await, "deny", "no more alice's");
    post(&running, "/tokens/H1/assign", "bob").await.unwrap();
    assert_eq!(login(&running, "bob", 3).await, "deny", "used by alice");
    assert_eq!(login(&running, "bob", 4).await, "allow");
    let id = tokens(&running, "").await.tokens.remove(0).id;
    let path = format!("/users/bob/devices/{id}/delete");
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    assert_eq!(tokens(&running, "").await.tokens[0].user, None);
    assert_eq!(login(&running, "bob", 5).await, "deny", "no more bob's");
    post(&running, "/tokens/H1/assign", "bob").await.unwrap();
    let _: Done = running
        .admin
        .post("/users/bob/delete", &Done {}, LIMIT)
        .await
        .unwrap();
    assert_eq!(tokens(&running, "").await.tokens[0].user, None);
    post(&running, "/tokens/H1/assign", "alice").await.unwrap();
    assert_eq!(login(&running, "alice", 4).await, "deny", "used by bob");
    assert_eq!(login(&running, "alice", 5).await, "allow");

    post(&running, "/tokens/H1/unassign", "").await.unwrap();
    let _: Done = running
        .admin
        .post("/tokens/H1/delete", &Done {}, LIMIT)
        .await
        .unwrap();
    assert_eq!(tokens(&running, "").await.tokens, []);
    for path in ["/tokens/H1/unassign", "/tokens/H1/delete"] {
        let missing = post(&running, path, "").await.unwrap_err();
        assert!(missing.contains("no such token"), "{missing}");
    }
    let missing = post(&running, "/tokens/H1/assign", "alice")
        .await
        .unwrap_err();
    assert!(missing.contains("no such token"), "{missing}");
    running.stop().await;
}

/// So many lines of a file, with serial numbers in order.
fn many(count: usize) -> String {
    let lines = (0..count).map(|number| format!("M{number:05},{HEX}\n"));
    format!("serial,secret\n{}", lines.collect::<String>())
}

#[tokio::test]
async fn a_dry_run_waits_for_no_writer() {
    let (folder, running) = started().await;
    let held = writing(folder.path()).await;
    let dry = import(&running, &many(3), true).await.unwrap();
    assert_eq!((dry.done, dry.created), (false, 3));
    import(&running, &many(3), false).await.unwrap_err();
    held.rollback().await.unwrap();
    let done = import(&running, &many(3), false).await.unwrap();
    assert_eq!((done.done, done.created), (true, 3));
    running.stop().await;
}

#[tokio::test]
async fn a_file_is_written_in_parts_whatever_others_do_meanwhile() {
    let (folder, running) = started().await;
    let others = async {
        for number in 0..30 {
            let name = format!("user{number}");
            running.user(&name, None, vec![]).await;
        }
    };
    let file = many(9_500);
    let (done, ()) = tokio::join!(import(&running, &file, false), others);
    let done = done.unwrap();
    assert_eq!((done.done, done.created), (true, 9_500));
    assert_eq!(done.tokens.len(), 9_500, "all of it is said");
    assert_eq!(count(folder.path()).await, 9_500);
    running.stop().await;
}

#[tokio::test]
async fn a_file_of_which_a_part_fails_is_said_to_be_half_done() {
    let (folder, running) = started().await;
    sql(
        folder.path(),
        "CREATE TRIGGER full AFTER INSERT ON devices WHEN new.serial = 'M02500'
         BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    .await;
    let refused = import(&running, &many(4_000), false).await.unwrap_err();
    assert!(
        refused.contains("a part of the file is taken in"),
        "{refused}"
    );
    assert_eq!(count(folder.path()).await, 2_000, "parts are of 1,000");
    let again = import(&running, &many(4_000), true).await.unwrap();
    assert_eq!((again.created, again.refused.len()), (2_000, 2_000));
    running.stop().await;
}

async fn count(folder: &std::path::Path) -> i64 {
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("data/secondfactor.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM devices WHERE serial LIKE 'M%'");
    count.fetch_one(&pool).await.unwrap()
}
