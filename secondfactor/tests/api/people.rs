//! Users by the many: files, names, locking, and how users are found.

use std::time::Duration;

use secondfactor::admin::{
    Done, Group, ImportUsers, NewUser, User, UserChanges, UserStatus, Users,
};
use serde_json::{Value, json};

use crate::directories;
use crate::support::{LIMIT, Running, now_s, phone, started};

pub(crate) async fn import(running: &Running, csv: &str, dry_run: bool) -> UserChanges {
    let import = ImportUsers {
        csv: csv.to_owned(),
        dry_run,
    };
    running
        .admin
        .post("/users/import", &import, Duration::from_secs(240))
        .await
        .unwrap()
}

pub(crate) async fn user(running: &Running, name: &str) -> User {
    let path = format!("/users/{}", name.replace('@', "%40"));
    running.admin.get(&path, LIMIT).await.unwrap()
}

pub(crate) async fn change(running: &Running, name: &str, change: Value) -> Result<User, String> {
    let path = format!("/users/{name}");
    let changed = running.admin.post(&path, &change, LIMIT);
    changed.await.map_err(|error| refusal(&error))
}

pub(crate) fn refusal(error: &local::CallError) -> String {
    match error {
        local::CallError::Refused { status, body, .. } => {
            format!("{status} {body}")
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_taken_in_whole_or_not_at_all() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    let good = "username,full_name,email,number,status,aliases,groups\n\
                alice,Alice A.,alice@corp.example,,,al;alice@corp.example,ops;VPN users\n\
                Bob,,,+1 555 0100,bypass,,\n";
    let changes = import(&running, good, true).await;
    assert_eq!((changes.done, changes.created.len()), (false, 1));
    assert_eq!(user(&running, "alice").await.full_name, "");
    let bad = format!("{good}carol,,nonsense,,,,\nalice,,,,,,\n");
    let changes = import(&running, &bad, false).await;
    let refused: Vec<_> = changes
        .refused
        .iter()
        .map(|one| (one.line.unwrap(), &*one.name))
        .collect();
    assert_eq!(
        (changes.done, refused),
        (false, vec![(4, "carol"), (5, "alice")])
    );
    let all: Users = running.admin.get("/users", LIMIT).await.unwrap();
    assert_eq!(all.users.len(), 1, "nothing was written");
    let changes = import(&running, good, false).await;
    assert!(changes.done);
    assert_eq!(changes.created, ["Bob"]);
    assert_eq!(
        changes.changed[0].fields,
        ["full_name", "email", "aliases", "groups"]
    );
    let alice = user(&running, "AL").await;
    assert_eq!((&*alice.name, &*alice.full_name), ("alice", "Alice A."));
    assert_eq!(alice.aliases, ["al", "alice@corp.example"]);
    assert_eq!(alice.groups, ["ops", "VPN users"]);
    let bob = user(&running, "bob").await;
    assert_eq!((bob.status, bob.devices.len()), (UserStatus::Bypass, 1));
    assert!(bob.devices[0].capabilities.sms && !bob.devices[0].capabilities.push);
    // Another number is the same phone's.
    let other = import(&running, "username,number\nbob,+1 555 0199\n", false).await;
    assert_eq!(other.changed[0].fields, ["phones"]);
    let phones = user(&running, "bob").await.devices;
    assert_eq!((phones.len(), &phones[0].id), (1, &bob.devices[0].id));
    assert!(phones[0].number.ends_with("0199"), "{phones:?}");
    import(&running, good, false).await;
    let changes = import(&running, good, false).await;
    assert_eq!(
        (changes.done, changes.unchanged),
        (true, 2),
        "a second time nothing changes"
    );
    let error = running
        .admin
        .post::<_, UserChanges>("/users/import", &json!({"csv": "name\nx\n"}), LIMIT)
        .await
        .unwrap_err();
    assert!(
        refusal(&error).contains("columns are username, full_name"),
        "{error:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn fifty_thousand_users_come_and_change_while_others_log_in() {
    let (_folder, running) = started().await;
    running.user("zoe", None, vec![phone()]).await;
    let line = |n: u32, name: &str| {
        format!(
            "user{n},{name} {n},user{n}@corp.example,,,u{n};user{n}@c.example,all;half{}\n",
            n % 2
        )
    };
    for name in ["First", "Later"] {
        let mut csv = "username,full_name,email,number,status,aliases,groups\n".to_owned();
        csv.extend((0..50_000).map(|n| line(n, name)));
        assert!(csv.len() <= 4 * 1024 * 1024, "{}", csv.len());
        // What logins write has its turn meanwhile: within 3 s, or it would be refused.
        let mut importing = std::pin::pin!(import(&running, &csv, false));
        let mut turns = 0;
        let changes = loop {
            let codes = json!({"count": 1});
            let write = running
                .admin
                .post::<_, Value>("/users/zoe/bypass-codes", &codes, LIMIT);
            tokio::select! {
                biased;
                changes = &mut importing => break changes,
                wrote = write => wrote.unwrap(),
            };
            turns += 1;
        };
        assert!(turns > 1, "{turns} turns");
        assert!(changes.done, "{:?}", changes.refused.first());
        let got = (changes.created.len(), changes.changed.len());
        assert_eq!(
            got,
            if name == "First" {
                (50_000, 0)
            } else {
                (0, 50_000)
            }
        );
    }
    let found: Users = running
        .admin
        .get("/users?search=LATER%20%2049999", LIMIT)
        .await
        .unwrap();
    let names: Vec<_> = found.users.iter().map(|user| &*user.name).collect();
    assert_eq!(names, ["user49999"]);
    let groups: Vec<Group> = running.admin.get("/groups", LIMIT).await.unwrap();
    let groups: Vec<_> = groups
        .iter()
        .map(|group| (&*group.name, group.users))
        .collect();
    assert_eq!(
        groups,
        [("all", 50_000), ("half0", 25_000), ("half1", 25_000)]
    );
    running.stop().await;
}

#[tokio::test]
async fn a_name_or_alias_is_one_users() {
    let (_folder, running) = started().await;
    let new = NewUser {
        aliases: vec!["al".to_owned(), "Alice@corp.example".to_owned()],
        devices: vec![phone()],
        ..NewUser::named("alice")
    };
    let made: Value = running.admin.post("/users", &new, LIMIT).await.unwrap();
    running.user("bob", None, vec![phone()]).await;
    for (name, aliases, want) in [
        ("al", vec![], "409"),
        ("carol", vec!["ALICE"], "409"),
        ("carol", vec!["al"], "409"),
    ] {
        let new = NewUser {
            aliases: aliases.into_iter().map(str::to_owned).collect(),
            ..NewUser::named(name)
        };
        let error = running
            .admin
            .post::<_, Value>("/users", &new, LIMIT)
            .await
            .unwrap_err();
        assert!(refusal(&error).starts_with(want), "{name}: {error:?}");
    }
    let error = change(&running, "bob", json!({"aliases": ["al"]}))
        .await
        .unwrap_err();
    assert!(error.contains("another user's name or alias"), "{error}");
    // Whoever has the whole name is meant, before who has what is left of it.
    change(&running, "bob", json!({"aliases": ["alice@other.example"]}))
        .await
        .unwrap();
    let bob = user(&running, "bob").await;
    for (name, want) in [
        ("al", made["user"]["devices"][0]["id"].as_str().unwrap()),
        (
            "alice@corp.example",
            made["user"]["devices"][0]["id"].as_str().unwrap(),
        ),
        (
            "alice@third.example",
            made["user"]["devices"][0]["id"].as_str().unwrap(),
        ),
        ("alice@other.example", &*bob.devices[0].id),
    ] {
        let (_, preauth) = running
            .call("POST", "/auth/v2/preauth", &[("username", name)])
            .await;
        assert_eq!(preauth["response"]["devices"][0]["device"], want, "{name}");
    }
    // What was kept in memory under an alias is not any more.
    change(&running, "alice", json!({"aliases": []}))
        .await
        .unwrap();
    change(&running, "bob", json!({"aliases": ["al"]}))
        .await
        .unwrap();
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "al")])
        .await;
    assert_eq!(
        preauth["response"]["devices"][0]["device"],
        &*bob.devices[0].id
    );
    let _: Done = running
        .admin
        .post("/users/bob/delete", &json!({}), LIMIT)
        .await
        .unwrap();
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "al")])
        .await;
    assert_eq!(preauth["response"]["result"], "deny");
    running.stop().await;
}

/// A person of a directory, whatever the name.
#[tokio::test]
async fn users_are_locked_and_a_bypass_is_over_in_time() {
    let (_folder, running) = started().await;
    let alice = running.user("alice", None, vec![phone()]).await;
    let device = &*alice.user.devices[0].id;
    let params = [
        ("username", "alice"),
        ("factor", "push"),
        ("device", device),
        ("async", "1"),
    ];
    let (_, auth) = running.call("POST", "/auth/v2/auth", &params).await;
    let txid = auth["response"]["txid"].as_str().unwrap();
    let locked: User = running
        .admin
        .post("/users/alice/lock", &json!({}), LIMIT)
        .await
        .unwrap();
    assert_eq!(locked.status, UserStatus::LockedOut);
    let (_, status) = running
        .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
        .await;
    assert_eq!(status["response"]["status"], "locked_out");
    let unlocked: User = running
        .admin
        .post("/users/alice/unlock", &json!({}), LIMIT)
        .await
        .unwrap();
    assert_eq!(unlocked.status, UserStatus::Active);
    let now = now_s();
    for (asked, want) in [
        (json!({"bypass_until": now + 60}), "400"),
        (json!({"status": "active", "bypass_until": now + 60}), "400"),
        (json!({"status": "bypass", "bypass_until": now}), "400"),
    ] {
        let error = change(&running, "alice", asked.clone()).await.unwrap_err();
        assert!(error.starts_with(want), "{asked}: {error}");
    }
    let soon = json!({"status": "bypass", "bypass_until": now + 2});
    let changed = change(&running, "alice", soon).await.unwrap();
    assert_eq!(
        (changed.status, changed.bypass_until),
        (UserStatus::Bypass, Some(now + 2))
    );
    let listed = async |status: &str| -> usize {
        let found: Users = running
            .admin
            .get(&format!("/users?status={status}"), LIMIT)
            .await
            .unwrap();
        found.users.len()
    };
    assert_eq!((listed("bypass").await, listed("active").await), (1, 0));
    let over = async {
        while user(&running, "alice").await.status != UserStatus::Active {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, over).await.unwrap();
    assert_eq!((listed("bypass").await, listed("active").await), (0, 1));
    change(&running, "alice", json!({"status": "disabled"}))
        .await
        .unwrap();
    let error = running
        .admin
        .post::<_, User>("/users/alice/lock", &json!({}), LIMIT)
        .await;
    assert!(refusal(&error.unwrap_err()).starts_with("409"));
    running.stop().await;
}

#[tokio::test]
async fn users_are_found_by_what_they_are_called() {
    let (_folder, running) = started().await;
    for (name, full, email, alias, group) in [
        ("alice", "Älice  Ärger", "alice@corp.example", "al", "Ops"),
        ("bob", "Bob 100%", "bob@corp.example", "b_b", "ops"),
        ("carol", "", "", "ca", "Sales"),
    ] {
        let new = NewUser {
            full_name: full.to_owned(),
            email: email.to_owned(),
            aliases: vec![alias.to_owned()],
            groups: vec![group.to_owned()],
            ..NewUser::named(name)
        };
        running
            .admin
            .post::<_, Value>("/users", &new, LIMIT)
            .await
            .unwrap();
    }
    for (query, want) in [
        ("", vec!["alice", "bob", "carol"]),
        ("?search=%C3%A4RGER", vec!["alice"]),
        ("?search=%25", vec!["bob"]),
        ("?search=_", vec!["bob"]),
        ("?search=corp.example", vec!["alice", "bob"]),
        ("?search=CA", vec!["carol"]),
        ("?group=OPS", vec!["alice", "bob"]),
        ("?group=ops&search=b_b", vec!["bob"]),
        ("?status=disabled", vec![]),
        ("?after=alice&limit=1", vec!["bob"]),
    ] {
        let found: Users = running
            .admin
            .get(&format!("/users{query}"), LIMIT)
            .await
            .unwrap();
        let names: Vec<_> = found.users.iter().map(|user| &*user.name).collect();
        assert_eq!(names, want, "{query}");
    }
    let groups: Vec<Group> = running.admin.get("/groups", LIMIT).await.unwrap();
    let groups: Vec<_> = groups
        .iter()
        .map(|group| (&*group.name, group.users, group.policy))
        .collect();
    assert_eq!(groups, [("Ops", 2, false), ("Sales", 1, false)]);
    let error = running
        .admin
        .get::<Users>("/users?status=none", LIMIT)
        .await
        .unwrap_err();
    assert!(refusal(&error).contains("error"), "{error:?}");
    running.stop().await;
}

#[tokio::test]
async fn what_would_be_done_is_told_while_another_writes() {
    let (folder, running) = started().await;
    let alice = "username\nalice\n";
    let held = crate::busy::writing(folder.path()).await;
    let changes = import(&running, alice, true).await;
    assert_eq!(changes.created, ["alice"]);
    let mut listed = directories::of_vpn(vec![directories::listed("alice")]);
    listed.dry_run = true;
    assert_eq!(
        directories::sync(&running, &listed).await.unwrap().created,
        ["alice"]
    );
    listed.dry_run = false;
    let error = directories::sync(&running, &listed).await.unwrap_err();
    assert!(error.starts_with("429"), "{error}");
    held.rollback().await.unwrap();
    assert!(directories::sync(&running, &listed).await.unwrap().done);
    running.stop().await;
}

#[tokio::test]
async fn who_changes_users_meanwhile_is_not_overwritten() {
    let (_folder, running) = started().await;
    let line = |n: u32| format!("user{n},,,,,,\n");
    let mut csv = "username,full_name,email,number,status,aliases,groups\n".to_owned();
    csv.extend((0..5_000).map(line));
    let mut made = Vec::new();
    let changes = {
        let mut importing = std::pin::pin!(import(&running, &csv, false));
        loop {
            let name = format!("mine{}", made.len());
            let new = NewUser::named(&*name);
            let make = running.admin.post::<_, Value>("/users", &new, LIMIT);
            tokio::select! {
                biased;
                changes = &mut importing => break changes,
                done = make => done.unwrap(),
            };
            made.push(name);
        }
    };
    assert!(
        changes.done && changes.created.len() == 5_000,
        "{:?}",
        changes.refused.first()
    );
    let again = import(&running, &csv, true).await;
    assert_eq!(again.unchanged, 5_000);
    for name in made {
        assert_eq!(user(&running, &name).await.name, name);
    }
    running.stop().await;
}
