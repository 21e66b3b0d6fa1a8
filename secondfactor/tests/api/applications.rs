//! Applications: their keys, and what each does with names and unknown users.

use proto::secret::Secret;
use secondfactor::admin::{
    ApplicationKeys, ApplicationSummary, Done, NewApplication, NewUserPolicy,
};
use serde_json::json;

use crate::support::{Call, LIMIT, phone, started};

#[tokio::test]
async fn an_application_has_the_keys_that_its_operator_chose() {
    let (_folder, running) = started().await;
    let open = async |ikey: &str, skey: &str| {
        let wanted = NewApplication {
            keys: Some(ApplicationKeys {
                ikey: ikey.to_owned(),
                skey: skey.into(),
            }),
            ..NewApplication::named("chosen")
        };
        let made: Result<secondfactor::admin::Application, _> =
            running.admin.post("/applications", &wanted, LIMIT).await;
        made
    };
    let first = open("DICHOSEN", "one").await.unwrap();
    assert_eq!(
        (first.ikey.as_str(), first.skey.expose().as_str()),
        ("DICHOSEN", "one")
    );
    let second = open("DICHOSEN", "two").await.unwrap();
    running.user("alice", None, vec![phone()]).await;
    let push = [("username", "alice"), ("factor", "auto"), ("async", "1")];
    let begin = Call::signed(&first, "POST", "/auth/v2/auth", &push);
    let (status, begun) = running.send(&begin).await;
    assert_eq!(status, 200, "logins go on with the keys before: {begun}");
    let txid = begun["response"]["txid"].as_str().unwrap();
    let third = open("DIOTHER", "two").await.unwrap();
    for (application, want) in [(&first, 401), (&second, 200), (&third, 200)] {
        let check = Call::signed(application, "GET", "/auth/v2/check", &[]);
        assert_eq!(running.send(&check).await.0, want, "{}", application.ikey);
    }
    let poll = async |application| {
        let params = [("txid", txid)];
        let call = Call::signed(application, "GET", "/auth/v2/auth_status", &params);
        running.send(&call).await.1["response"]["result"].clone()
    };
    assert_eq!(poll(&second).await, "waiting");
    let path = format!("/pushes/{txid}/deny");
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    for application in [&second, &third] {
        assert_eq!(poll(application).await, "deny", "{}", application.ikey);
    }
    let (one, two) = tokio::join!(open("DIFOUR", "4"), open("DIFOUR", "4"));
    assert_eq!(one.unwrap(), two.unwrap(), "two ask at once");
    let check = Call::signed(&third, "GET", "/auth/v2/check", &[]);
    assert_eq!(running.send(&check).await.0, 200, "changed once");
    let known: Vec<ApplicationSummary> = running.admin.get("/applications", LIMIT).await.unwrap();
    assert_eq!(known.len(), 2);
    for (ikey, skey) in [
        ("", "s"),
        ("a:b", "s"),
        ("DIX", ""),
        (running.app.ikey.as_str(), "s"),
    ] {
        assert!(open(ikey, skey).await.is_err(), "{ikey}");
    }
    running.stop().await;
}

#[tokio::test]
async fn who_knows_both_keys_of_an_application_means_that_one() {
    let (_folder, running) = started().await;
    let known = &running.app;
    let ask = async |name: &str, skey: &Secret<String>, open_enrollment| {
        let wanted = NewApplication {
            keys: Some(ApplicationKeys {
                ikey: known.ikey.clone(),
                skey: skey.clone(),
            }),
            open_enrollment,
            ..NewApplication::named(name)
        };
        let made: Result<secondfactor::admin::Application, _> =
            running.admin.post("/applications", &wanted, LIMIT).await;
        made
    };
    let again = ask(&known.ikey, &known.skey, None).await.unwrap();
    assert_eq!(
        &again, known,
        "as a file asks that was written out with made keys"
    );
    assert!(ask("other", &"guessed".into(), None).await.is_err());
    let again = ask("third", &known.skey, Some(true)).await.unwrap();
    assert_eq!(&again, known);
    let all: Vec<ApplicationSummary> = running.admin.get("/applications", LIMIT).await.unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|one| (&one.name, one.open_enrollment))
        .collect();
    assert_eq!(
        told,
        [(&known.name, true)],
        "rules are changed by any of its names"
    );
    running.stop().await;
}

#[tokio::test]
async fn unknown_users_meet_the_applications_policy() {
    let (_folder, running) = started().await;
    for (policy, open, result) in [
        (NewUserPolicy::Allow, None, "allow"),
        (NewUserPolicy::Deny, None, "deny"),
        (NewUserPolicy::Enroll, None, "deny"),
        (NewUserPolicy::Enroll, Some(true), "enroll"),
        (NewUserPolicy::Deny, None, "deny"),
        (NewUserPolicy::Enroll, Some(false), "deny"),
    ] {
        let wanted = NewApplication {
            new_user_policy: Some(policy),
            open_enrollment: open,
            ..NewApplication::named("vpn")
        };
        let app: secondfactor::admin::Application = running
            .admin
            .post("/applications", &wanted, LIMIT)
            .await
            .unwrap();
        assert_eq!(app.ikey, running.app.ikey, "idempotent by name");
        assert_eq!(app.skey, running.app.skey);
        let params = [("username", "CORP\\new@corp.example")];
        let (status, preauth) = running.call("POST", "/auth/v2/preauth", &params).await;
        assert_eq!(
            (status, &preauth["response"]["result"]),
            (200, &json!(result)),
            "{policy:?} {open:?}"
        );
        let portal = preauth["response"]["enroll_portal_url"].as_str();
        assert_eq!(portal.is_some(), result == "enroll");
    }
    let made = running.user("new", None, vec![phone()]).await;
    let params = [("username", "CORP\\NEW@corp.example")];
    let (_, preauth) = running.call("POST", "/auth/v2/preauth", &params).await;
    assert_eq!(
        preauth["response"]["devices"][0]["device"],
        made.user.devices[0].id.as_str()
    );
    running.stop().await;
}

#[tokio::test]
async fn no_alias_of_an_enrolled_user_is_a_new_user() {
    let (_folder, running) = started().await;
    let alice = running.user("alice", None, vec![phone()]).await;
    let whole = running.user("bob@corp.example", None, vec![phone()]).await;
    for (name, want) in [
        ("alice", Some(&alice)),
        ("ALICE ", Some(&alice)),
        ("ANYTHING\\alice", Some(&alice)),
        ("alice@corp.example", Some(&alice)),
        ("\u{a0}CORP\\ alice @corp.example", Some(&alice)),
        ("Bob@corp.example", Some(&whole)),
        ("bob", None),
        ("al ice", None),
        ("ａlice", None),
    ] {
        let params = [("username", name)];
        let (_, preauth) = running.call("POST", "/auth/v2/preauth", &params).await;
        let device = preauth["response"]["devices"][0]["device"].as_str();
        match want {
            Some(made) => assert_eq!(device, Some(&*made.user.devices[0].id), "{name:?}"),
            None => {
                let want = json!({"result": "deny",
                    "status_msg": "Your account is not enrolled. Ask your administrator."});
                assert_eq!(preauth["response"], want, "{name:?}");
            }
        }
    }
    for name in ["alice\u{200b}", "alice\0", " "] {
        let params = [("username", name)];
        let (status, _) = running.call("POST", "/auth/v2/preauth", &params).await;
        assert_eq!(status, 400, "{name:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_enroll_endpoint_takes_names_as_its_application_does() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    for name in [
        "CORP\\alice",
        "alice@corp.example",
        "alice ",
        "@corp.example",
    ] {
        let params = [("username", name)];
        let (status, _) = running.call("POST", "/auth/v2/enroll", &params).await;
        assert_eq!(status, 400, "{name}");
    }
    let params = [("username", "CORP\\carol")];
    let (_, enrolled) = running.call("POST", "/auth/v2/enroll", &params).await;
    assert_eq!(enrolled["response"]["username"], "carol");
    running.stop().await;
}

#[tokio::test]
async fn one_that_must_be_new_is_made_once_and_tried_before() {
    let (_folder, running) = started().await;
    let admin = &running.admin;
    let refused = |error: local::CallError| match error {
        local::CallError::Refused { status, body } => (status, body),
        error => panic!("{error}"),
    };
    let new = |name: &str| NewApplication {
        must_be_new: true,
        ..NewApplication::named(name)
    };
    let tried = "/applications?dry_run=true";
    let would: ApplicationSummary = admin.post(tried, &new("shells"), LIMIT).await.unwrap();
    assert_eq!(would.new_user_policy, NewUserPolicy::Enroll);
    let all: Vec<ApplicationSummary> = admin.get("/applications", LIMIT).await.unwrap();
    assert_eq!(all.len(), 1, "none was made");
    let made: secondfactor::admin::Application = admin
        .post("/applications", &new("shells"), LIMIT)
        .await
        .unwrap();
    assert!(
        made.names.iter().any(|name| name == "localhost"),
        "{made:?}"
    );
    for path in ["/applications", tried] {
        for (name, want, remedy) in [
            ("shells", 409, "choose another name"),
            ("", 400, "1 to 128 characters"),
            (" shells2", 400, "no blanks around"),
            ("a\nb", 400, "no"),
            ("Radius_server_auto9", 400, "choose another name"),
        ] {
            let answer = admin
                .post::<_, serde_json::Value>(path, &new(name), LIMIT)
                .await;
            let (status, said) = refused(answer.unwrap_err());
            assert_eq!(status, want, "{path} {name}: {said}");
            assert!(said.contains(remedy), "{path} {name}: {said}");
        }
    }
    let gone = "/applications/shells/delete";
    for (path, left) in [(format!("{gone}?dry_run=true"), 2), (gone.to_owned(), 1)] {
        let _: Done = admin.post(&path, &Done {}, LIMIT).await.unwrap();
        let all: Vec<ApplicationSummary> = admin.get("/applications", LIMIT).await.unwrap();
        assert_eq!(all.len(), left, "{path}");
    }
    let tried = format!("{gone}?dry_run=true");
    let missing = admin.post::<_, Done>(&tried, &Done {}, LIMIT);
    assert_eq!(refused(missing.await.unwrap_err()).0, 404);
    running.stop().await;
}
