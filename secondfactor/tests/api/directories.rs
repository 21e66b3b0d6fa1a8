//! Users of directories: who they are there, and on which lists.

use secondfactor::admin::{
    DirectoryUser, Done, FailedSync, LastSync, Status, SyncOutcome, SyncUsers, UserChanges,
    UserStatus, Users, WhenMissing,
};
use serde_json::json;

use crate::people::{change, refusal, user};
use crate::support::{LIMIT, Running, now_s, phone, started};

pub(crate) fn listed(name: &str) -> DirectoryUser {
    DirectoryUser {
        id: format!("entryUUID={name}"),
        name: name.to_owned(),
        aliases: vec![format!("{name}@corp.example")],
        ..DirectoryUser::default()
    }
}

pub(crate) fn of_vpn(entries: Vec<DirectoryUser>) -> SyncUsers {
    SyncUsers {
        directory: "ad_client".to_owned(),
        source: "ad_client/VPN".to_owned(),
        group: Some("VPN".to_owned()),
        entries,
        missing: WhenMissing::Disable,
        force: false,
        take_over: false,
        forget: false,
        dry_run: false,
    }
}

pub(crate) async fn sync(running: &Running, sync: &SyncUsers) -> Result<UserChanges, String> {
    let changes = running.admin.post("/users/sync", sync, LIMIT);
    changes.await.map_err(|error| refusal(&error))
}

#[tokio::test]
async fn a_directory_keeps_its_users_in_line() {
    let (_folder, running) = started().await;
    running.user("bob", None, vec![phone()]).await;
    let mut two = of_vpn(vec![listed("alice"), listed("bob")]);
    two.dry_run = true;
    let changes = sync(&running, &two).await.unwrap();
    assert_eq!(
        (changes.done, &changes.created[..]),
        (false, &["alice".to_owned()][..])
    );
    assert_eq!(changes.changed[0].fields, ["source", "aliases", "groups"]);
    two.dry_run = false;
    assert!(sync(&running, &two).await.unwrap().done);
    let bob = user(&running, "bob@corp.example").await;
    assert_eq!(
        (bob.source.as_deref(), &bob.groups[..]),
        (Some("ad_client"), &["VPN".to_owned()][..])
    );
    let both = json!({"groups": ["mine", "VPN"], "aliases": ["b", "bob@corp.example"]});
    change(&running, "bob", both).await.unwrap();
    // What a directory gave only it takes back.
    for (without, want) in [
        (
            json!({"groups": ["mine"]}),
            "the group 'VPN' comes from the directory 'ad_client/VPN'",
        ),
        (
            json!({"aliases": ["b"]}),
            "the alias 'bob@corp.example' comes from the directory 'ad_client'",
        ),
    ] {
        let error = change(&running, "bob", without).await.unwrap_err();
        assert!(error.starts_with("409") && error.contains(want), "{error}");
    }
    // All that are shown and one more: the directory's is still the directory's.
    let shown = json!({"groups": ["mine", "VPN"]});
    let bob = change(&running, "bob", shown).await.unwrap();
    assert_eq!(bob.groups, ["mine", "VPN"]);
    // Its push ends when it leaves.
    let device = bob.devices[0].id.clone();
    let params = [
        ("username", "bob"),
        ("factor", "push"),
        ("device", &*device),
        ("async", "1"),
    ];
    let (_, auth) = running.call("POST", "/auth/v2/auth", &params).await;
    let txid = auth["response"]["txid"].as_str().unwrap();
    let gone = of_vpn(vec![listed("alice")]);
    let changes = sync(&running, &gone).await.unwrap();
    assert_eq!(
        (changes.missing, changes.unchanged),
        (vec!["bob".to_owned()], 1)
    );
    let (_, status) = running
        .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
        .await;
    assert_eq!(status["response"]["result"], "deny");
    let bob = user(&running, "bob").await;
    assert_eq!(
        (bob.status, &bob.groups[..]),
        (UserStatus::Disabled, &["mine".to_owned()][..])
    );
    sync(&running, &two).await.unwrap();
    let bob = user(&running, "b").await;
    assert_eq!(
        (bob.status, &bob.groups[..]),
        (
            UserStatus::Active,
            &["mine".to_owned(), "VPN".to_owned()][..]
        )
    );
    // An administrator's word stays.
    change(&running, "bob", json!({"status": "disabled"}))
        .await
        .unwrap();
    sync(&running, &two).await.unwrap();
    assert_eq!(user(&running, "bob").await.status, UserStatus::Disabled);
    let mut alice = listed("alice");
    alice.id.clear();
    let other = SyncUsers {
        directory: "ad_client2".to_owned(),
        source: "ad_client2".to_owned(),
        ..of_vpn(vec![alice])
    };
    let changes = sync(&running, &other).await.unwrap();
    assert!(
        changes.done && changes.refused[0].why.contains("comes from 'ad_client',"),
        "{changes:?}"
    );
    running.stop().await;
}

fn known(id: &str, name: &str) -> DirectoryUser {
    DirectoryUser {
        id: format!("entryUUID={id}"),
        ..listed(name)
    }
}

#[tokio::test]
async fn a_name_that_is_given_again_does_not_bring_the_devices() {
    let (_folder, running) = started().await;
    running.user("anna", None, vec![phone()]).await;
    let first = of_vpn(vec![known("1", "anna"), known("2", "bob")]);
    assert!(sync(&running, &first).await.unwrap().done);
    let (anna, bob) = (user(&running, "anna").await, user(&running, "bob").await);
    // Two change names, then one is called something else and the name is another one's.
    for (entries, names, renamed) in [
        (
            vec![known("1", "bob"), known("2", "anna")],
            ["bob", "anna"],
            vec![("anna", "bob"), ("bob", "anna")],
        ),
        (
            vec![
                known("3", "bob"),
                known("1", "anna.smith"),
                known("2", "anna"),
            ],
            ["anna.smith", "anna"],
            vec![("bob", "anna.smith")],
        ),
    ] {
        let mut list = of_vpn(entries);
        list.dry_run = true;
        let tried = sync(&running, &list).await.unwrap();
        let called = tried.changed.iter().map(|one| (&*one.name, one.called()));
        let called: Vec<_> = called.collect();
        assert_eq!(called, renamed);
        list.dry_run = false;
        let changes = sync(&running, &list).await.unwrap();
        assert_eq!((changes.done, changes.refused), (true, vec![]));
        assert_eq!(changes.changed, tried.changed);
        for (name, was) in names.iter().zip([&anna, &bob]) {
            assert_eq!(user(&running, name).await.id, was.id, "{name}");
            let by_alias = user(&running, &format!("{name}@corp.example")).await;
            assert_eq!(by_alias.id, was.id, "{name}");
        }
    }
    assert_eq!(user(&running, "bob").await.devices, []);
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "bob")])
        .await;
    assert_eq!(preauth["response"]["result"], "enroll");
    // A leaver's name: nobody comes back by it alone.
    let leaves = of_vpn(vec![known("3", "bob"), known("2", "anna")]);
    sync(&running, &leaves).await.unwrap();
    let hired = of_vpn(vec![
        known("3", "bob"),
        known("2", "anna"),
        known("4", "anna.smith"),
    ]);
    let changes = sync(&running, &hired).await.unwrap();
    assert_eq!(changes.refused[0].name, "anna.smith", "{changes:?}");
    let left = user(&running, "anna.smith").await;
    assert_eq!((left.status, left.devices.len()), (UserStatus::Disabled, 1));
    let _: Done = running
        .admin
        .post("/users/anna.smith/delete", &json!({}), LIMIT)
        .await
        .unwrap();
    let changes = sync(&running, &hired).await.unwrap();
    assert_eq!(changes.created, ["anna.smith"]);
    assert_eq!(user(&running, "anna.smith").await.devices, []);
    running.stop().await;
}

#[tokio::test]
async fn a_dry_run_says_that_the_whole_is_refused_apart_from_entries_that_are() {
    let (_folder, running) = started().await;
    let names: Vec<String> = (0..20).map(|number| format!("user{number}")).collect();
    let all = of_vpn(names.iter().map(|name| listed(name)).collect());
    assert!(sync(&running, &all).await.unwrap().done);
    let mut few = of_vpn(names.iter().take(3).map(|name| listed(name)).collect());
    // Known by its name, and its id is another one.
    few.entries[2].id = "entryUUID=other".to_owned();
    for force in [false, true] {
        (few.force, few.dry_run) = (force, true);
        let tried = sync(&running, &few).await.unwrap();
        let refused: Vec<_> = tried.refused.iter().map(|one| &*one.name).collect();
        assert_eq!((refused, tried.missing.len()), (vec!["user2"], 18));
        few.dry_run = false;
        let deed = sync(&running, &few).await;
        match tried.needs_force {
            Some(why) => {
                let error = deed.unwrap_err();
                assert!(!force && error.contains(&why), "{error} {why}");
            }
            None => assert!(force && deed.unwrap().done),
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn who_is_on_two_lists_is_in_the_groups_of_both() {
    let (_folder, running) = started().await;
    let vpn = of_vpn(vec![listed("zoe"), listed("yan")]);
    let admins = SyncUsers {
        source: "ad_client/Admins".to_owned(),
        group: Some("Admins".to_owned()),
        ..of_vpn(vec![listed("zoe")])
    };
    let other = SyncUsers {
        directory: "ad_client2".to_owned(),
        source: "ad_client2/Admins".to_owned(),
        group: Some("Others".to_owned()),
        ..admins.clone()
    };
    for list in [&vpn, &admins, &other] {
        let changes = sync(&running, list).await.unwrap();
        assert_eq!((changes.done, changes.refused), (true, vec![]));
    }
    let nobody = |list: &SyncUsers| SyncUsers {
        entries: vec![],
        force: true,
        ..list.clone()
    };
    let mut left = vec!["Admins", "Others", "VPN"];
    assert_eq!(user(&running, "zoe").await.groups, left);
    for (list, gone) in [(&vpn, "VPN"), (&other, "Others"), (&admins, "Admins")] {
        sync(&running, &nobody(list)).await.unwrap();
        left.retain(|group| *group != gone);
        let zoe = user(&running, "zoe").await;
        let status = if left.is_empty() {
            UserStatus::Disabled
        } else {
            UserStatus::Active
        };
        assert_eq!(
            (zoe.groups, zoe.status),
            (left.iter().map(ToString::to_string).collect(), status)
        );
    }
    assert_eq!(user(&running, "yan").await.status, UserStatus::Disabled);
    running.stop().await;
}

#[tokio::test]
async fn sections_with_other_names_for_one_person_do_not_rename_to_and_fro() {
    let (_folder, running) = started().await;
    running.user("nina", None, vec![phone()]).await;
    let mut first = of_vpn(vec![known("1", "nina")]);
    first.entries[0].email = "nina@one.example".to_owned();
    let mut second = SyncUsers {
        directory: "ad_client2".to_owned(),
        source: "ad_client2".to_owned(),
        group: Some("Second".to_owned()),
        ..of_vpn(vec![known("1", "nina@two.example")])
    };
    second.entries[0].email = "nina@two.example".to_owned();
    second.entries[0].disabled = true;
    for list in [&first, &second, &first, &second] {
        let changes = sync(&running, list).await.unwrap();
        assert_eq!((changes.done, changes.refused), (true, vec![]));
        let nina = user(&running, "nina").await;
        assert_eq!(
            (&*nina.name, &*nina.email, nina.status),
            ("nina", "nina@one.example", UserStatus::Active)
        );
        let (_, preauth) = running
            .call("POST", "/auth/v2/preauth", &[("username", "nina")])
            .await;
        assert_eq!(preauth["response"]["result"], "auth");
    }
    let by_second = user(&running, "nina@two.example").await;
    assert_eq!(
        (&*by_second.name, &by_second.groups[..]),
        ("nina", &["Second".to_owned(), "VPN".to_owned()][..])
    );
    let again = sync(&running, &second).await.unwrap();
    assert_eq!((again.changed, again.unchanged), (vec![], 1));
    running.stop().await;
}

#[tokio::test]
async fn an_account_that_was_made_anew_is_the_same_user_when_an_administrator_says_so() {
    let (_folder, running) = started().await;
    for name in ["xena", "yan"] {
        running.user(name, None, vec![phone()]).await;
    }
    let with = |xena: &str, yan: Option<&str>| {
        let yan = yan.map(|id| known(id, "yan"));
        let others = [known("0", "zoe"), known(xena, "xena")];
        of_vpn(others.into_iter().chain(yan).collect())
    };
    sync(&running, &with("1", Some("2"))).await.unwrap();
    sync(&running, &with("1", None)).await.unwrap();
    // Her account is made anew, and another yan is hired.
    let mut anew = with("3", Some("4"));
    for (take_over, refused) in [(false, &["xena", "yan"][..]), (true, &["xena", "yan"])] {
        anew.take_over = take_over;
        let changes = sync(&running, &anew).await.unwrap();
        let names: Vec<_> = changes.refused.iter().map(|one| &*one.name).collect();
        assert_eq!(names, refused, "{changes:?}");
        let why = &changes.refused[0].why;
        assert!(why.contains("set-status NAME active"), "{why}");
    }
    anew.take_over = false;
    change(&running, "xena", json!({"status": "active"}))
        .await
        .unwrap();
    let changes = sync(&running, &anew).await.unwrap();
    let names: Vec<_> = changes.refused.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["yan"], "{changes:?}");
    for (name, want) in [("xena", UserStatus::Active), ("yan", UserStatus::Disabled)] {
        let user = user(&running, name).await;
        assert_eq!((user.status, user.devices.len()), (want, 1), "{name}");
    }
    // She is known by the new id from now on.
    let changes = sync(&running, &with("3", None)).await.unwrap();
    assert_eq!((changes.unchanged, changes.refused), (2, vec![]));
    running.stop().await;
}

#[tokio::test]
async fn a_name_is_not_given_again_where_the_list_was_forgotten() {
    let (_folder, running) = started().await;
    running.user("leo", None, vec![phone()]).await;
    let nameless = |name: &str| DirectoryUser {
        id: String::new(),
        ..listed(name)
    };
    let list = of_vpn(vec![nameless("leo"), nameless("mia")]);
    sync(&running, &list).await.unwrap();
    let without = of_vpn(vec![nameless("mia")]);
    sync(&running, &without).await.unwrap();
    let forgotten = SyncUsers {
        forget: true,
        ..of_vpn(vec![])
    };
    sync(&running, &forgotten).await.unwrap();
    let other = SyncUsers {
        source: "ad_client/Other".to_owned(),
        ..of_vpn(vec![nameless("leo")])
    };
    let changes = sync(&running, &other).await.unwrap();
    assert!(
        changes.refused[0].why.contains("was missing"),
        "{changes:?}"
    );
    assert_eq!(user(&running, "leo").await.status, UserStatus::Disabled);
    running.stop().await;
}

#[tokio::test]
async fn what_a_forgotten_section_gave_is_an_administrators() {
    let (_folder, running) = started().await;
    let named = || DirectoryUser {
        aliases: vec!["q1@corp".to_owned()],
        ..listed("leo")
    };
    let staff = || SyncUsers {
        source: "ad_client/Staff".to_owned(),
        ..of_vpn(vec![named()])
    };
    let another = SyncUsers {
        directory: "ad_client2".to_owned(),
        source: "ad_client2".to_owned(),
        ..of_vpn(vec![listed("mia")])
    };
    for list in [of_vpn(vec![named()]), staff(), another] {
        assert!(sync(&running, &list).await.unwrap().done);
    }
    let forget = |list: SyncUsers| SyncUsers {
        forget: true,
        missing: WhenMissing::Keep,
        entries: Vec::new(),
        ..list
    };
    let none = json!({"aliases": []});
    sync(&running, &forget(of_vpn(Vec::new()))).await.unwrap();
    let error = change(&running, "leo", none.clone()).await.unwrap_err();
    assert!(
        error.contains("comes from the directory 'ad_client'"),
        "{error}"
    );
    sync(&running, &forget(staff())).await.unwrap();
    let leo = change(&running, "leo", none.clone()).await.unwrap();
    assert_eq!(leo.aliases, [""; 0], "nobody else could");
    let error = change(&running, "mia", none).await.unwrap_err();
    assert!(
        error.contains("comes from the directory 'ad_client2'"),
        "{error}"
    );
    running.stop().await;
}

#[tokio::test]
async fn nobody_answered_takes_no_group_away() {
    let (_folder, running) = started().await;
    let all = (0..12).map(|n| listed(&format!("user{n}"))).collect();
    let mut list = of_vpn(all);
    list.missing = WhenMissing::Keep;
    assert!(sync(&running, &list).await.unwrap().done);
    list.entries.truncate(5);
    let half = sync(&running, &list).await.unwrap_err();
    list.entries.clear();
    let nobody = sync(&running, &list).await.unwrap_err();
    for (error, want) in [(half, "7 of the 12 users"), (nobody, "12 of the 12 users")] {
        assert!(error.starts_with("409") && error.contains(want), "{error}");
    }
    assert_eq!(user(&running, "user9").await.groups, ["VPN"]);
    running.stop().await;
}

#[tokio::test]
async fn a_directory_that_answers_half_is_not_believed() {
    let (_folder, running) = started().await;
    let all: Vec<_> = (0..12).map(|n| listed(&format!("user{n}"))).collect();
    assert!(sync(&running, &of_vpn(all.clone())).await.unwrap().done);
    let mut few = of_vpn(all[..5].to_vec());
    few.missing = WhenMissing::Delete;
    few.dry_run = true;
    let changes = sync(&running, &few).await.unwrap();
    assert_eq!((changes.missing.len(), changes.refused.len()), (7, 0));
    few.dry_run = false;
    let error = sync(&running, &few).await.unwrap_err();
    assert!(
        error.starts_with("409") && error.contains("7 of the 12 users"),
        "{error}"
    );
    few.force = true;
    assert!(sync(&running, &few).await.unwrap().done);
    let left: Users = running.admin.get("/users", LIMIT).await.unwrap();
    assert_eq!(left.users.len(), 5);
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_possible_keeps_nobody_in_whom_the_directory_shut_out() {
    let (_folder, running) = started().await;
    running.user("boss", None, vec![phone()]).await;
    let everybody = of_vpn(vec![listed("yan"), listed("zoe")]);
    assert!(sync(&running, &everybody).await.unwrap().done);
    let mut evil = listed("evil");
    evil.aliases.push("boss".to_owned());
    evil.email = "evil@evil.example".to_owned();
    let mut yan = listed("yan");
    yan.disabled = true;
    let changes = sync(&running, &of_vpn(vec![evil, yan])).await.unwrap();
    assert_eq!(changes.refused.len(), 1, "{changes:?}");
    assert!(changes.done, "{changes:?}");
    for (name, want) in [
        ("yan", UserStatus::Disabled),
        ("zoe", UserStatus::Disabled),
        ("boss", UserStatus::Active),
        ("evil", UserStatus::Active),
    ] {
        assert_eq!(user(&running, name).await.status, want, "{name}");
    }
    let boss = user(&running, "boss").await;
    assert_eq!((boss.source, &*boss.email), (None, ""));
    running.stop().await;
}

async fn last_syncs(running: &Running) -> Vec<(String, SyncOutcome, String)> {
    let status: Status = running.admin.get("/status", LIMIT).await.unwrap();
    let last = |one: LastSync| (one.source, one.outcome, one.why);
    status.syncs.into_iter().map(last).collect()
}

#[tokio::test]
async fn what_came_of_the_last_synchronization_of_each_list_is_kept() {
    let (_folder, running) = started().await;
    assert_eq!(last_syncs(&running).await, []);
    let vpn = "ad_client/VPN".to_owned();
    let mut list = of_vpn((0..12).map(|n| listed(&format!("u{n}"))).collect());
    list.dry_run = true;
    sync(&running, &list).await.unwrap();
    let failed = FailedSync {
        source: vpn.clone(),
        why: "the directory is away".to_owned(),
    };
    let fail = async || {
        let noted = running.admin.post("/users/sync/failed", &failed, LIMIT);
        let _: Done = noted.await.unwrap();
    };
    fail().await;
    assert_eq!(last_syncs(&running).await, [], "it was tried only");
    list.dry_run = false;
    sync(&running, &list).await.unwrap();
    let is = async |outcome, why: &str| {
        let last = last_syncs(&running).await;
        let [(source, got, said)] = &last[..] else {
            panic!("{last:?}")
        };
        assert_eq!((source, got), (&vpn, &outcome));
        assert!(
            said.contains(why) && said.is_empty() == why.is_empty(),
            "{said}"
        );
    };
    is(SyncOutcome::Done, "").await;
    running.user("guest", None, vec![]).await;
    list.entries[3].aliases.push("guest".to_owned());
    sync(&running, &list).await.unwrap();
    is(
        SyncOutcome::Partly,
        "u3: the alias 'guest' is of user 'guest'",
    )
    .await;
    fail().await;
    is(SyncOutcome::Failed, "the directory is away").await;
    let mut nobody = of_vpn(vec![]);
    sync(&running, &nobody).await.unwrap_err();
    is(SyncOutcome::Refused, "12 of the 12 users").await;
    let metrics = running.admin.get_octets("/metrics", LIMIT).await.unwrap();
    let metrics = String::from_utf8_lossy(&metrics);
    for outcome in ["done", "partly", "refused"] {
        let sample = format!("countersign_secondfactor_syncs_total{{outcome=\"{outcome}\"}} 1\n");
        assert!(metrics.contains(&sample), "{metrics}");
    }
    let oldest = "countersign_secondfactor_oldest_sync_timestamp_seconds ";
    let oldest = metrics.lines().find_map(|line| line.strip_prefix(oldest));
    assert!(
        oldest.unwrap().parse::<u64>().unwrap() + 60 > now_s(),
        "{oldest:?}"
    );
    // A list that is no more keeps nobody in.
    nobody.forget = true;
    let forgotten = sync(&running, &nobody).await.unwrap();
    assert_eq!((forgotten.done, forgotten.missing.len()), (true, 12));
    assert_eq!(last_syncs(&running).await, []);
    let error = sync(&running, &nobody).await.unwrap_err();
    assert!(
        error.starts_with("400") && error.contains("never synchronized"),
        "{error}"
    );
    running.stop().await;
}
