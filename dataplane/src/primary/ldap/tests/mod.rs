//! `auth_type=ntlm2` over a clear transport, against a directory that checks every octet of it, or
//! does something else.

mod directory;

use self::directory::{Lab, Manner};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proto::event::Reason;
use proto::secret::Secret;
use serde_json::json;
use tokio::task::JoinSet;

use super::pool::USER_CONNECTIONS;
use crate::primary::check::now;
use crate::primary::{
    Credential, Primary, PrimaryFailure, PrimaryFailureKind, PrimaryRequest, Verdict,
};

async fn login(primary: &Primary, user: &str, password: &str) -> Result<Verdict, PrimaryFailure> {
    let request = PrimaryRequest {
        user: user.to_owned(),
        credential: Credential::Password(Secret::from(password)),
        calling_station: None,
        pass_through: Vec::new(),
        answers: None,
    };
    let deadline = now() + primary.budget();
    primary.check(&request, deadline, &mut Vec::new()).await
}

#[tokio::test]
async fn ntlm_is_spoken_sealed_and_by_the_names_of_the_directory() {
    for manner in [Manner::Honest, Manner::InPieces] {
        let lab = Lab::start(manner).await;
        let primary = lab.primary(&json!({}));
        for (user, password, want) in [
            ("alice", "pw-alice", None),
            ("LAB\\alice", "pw-alice", None),
            ("alice", "pw-bob", Some(Reason::WrongPassword)),
            ("bob", "pw-bob", None),
            ("carol", "pw-carol", Some(Reason::UnknownUser)),
        ] {
            let got = match login(&primary, user, password).await {
                Ok(Verdict::Accepted(_)) => None,
                Ok(Verdict::Rejected(rejection)) => Some(rejection.reason),
                other => panic!("{manner:?}, {user}: {other:?}"),
            };
            assert_eq!(got, want, "{manner:?}, {user}");
        }
        let logins = lab.logins.lock().unwrap().clone();
        let of = |domain: &str, user: &str| [domain, user, "GATE"].map(str::to_owned);
        assert_eq!(
            logins,
            [
                of("LAB", "svc"),
                of("LAB", "alice.a"),
                of("LAB", "alice.a"),
                of("sub.lab.example", "bob"),
            ]
        );
        assert_eq!(
            lab.connections.load(Ordering::SeqCst),
            4,
            "a refused bind leaves its connection to the next"
        );
    }
}

#[tokio::test]
async fn connections_are_bounded_and_those_who_wait_for_one_get_it() {
    const LOGINS: usize = 200;
    let lab = Lab::start(Manner::Holds).await;
    let primary = lab.primary(&json!({"timeout_seconds": 60}));
    let mut logins = JoinSet::new();
    for _ in 0..LOGINS {
        let primary = Arc::clone(&primary);
        logins.spawn(async move { login(&primary, "alice", "pw-alice").await });
    }
    let mut waiting = lab.gate.waiting.subscribe();
    waiting
        .wait_for(|count| *count == USER_CONNECTIONS)
        .await
        .unwrap();
    lab.gate.open.add_permits(LOGINS);
    for got in logins.join_all().await {
        assert!(matches!(got, Ok(Verdict::Accepted(_))), "{got:?}");
    }
    assert_eq!(lab.gate.most.load(Ordering::SeqCst), USER_CONNECTIONS);
}

#[tokio::test]
async fn active_directory_follows_groups_itself() {
    let lab = Lab::start(Manner::Honest).await;
    for (group, nested, want) in [
        ("Primary", false, None),
        ("Held", false, Some(Reason::NotPermitted)),
        ("Mail", false, Some(Reason::NotPermitted)),
        ("Primary", true, None),
        ("Held", true, None),
        ("Mail", true, None),
        ("Other", true, Some(Reason::NotPermitted)),
    ] {
        let primary = lab.primary(&json!({
            "security_groups": [format!("CN={group},DC=lab,DC=example")],
            "nested_groups": nested,
        }));
        let got = match login(&primary, "alice", "pw-alice").await {
            Ok(Verdict::Accepted(_)) => None,
            Ok(Verdict::Rejected(rejection)) => Some(rejection.reason),
            other => panic!("{group}: {other:?}"),
        };
        assert_eq!(got, want, "{group}, nested: {nested}");
    }
}

#[tokio::test]
async fn the_configured_domain_is_that_of_the_service_account_and_not_of_entries_elsewhere() {
    let lab = Lab::start(Manner::Honest).await;
    for (name, over, want) in [
        (
            "for all",
            json!({"ntlm_domain": "CORP"}),
            [["CORP", "svc", "GATE"], ["sub.lab.example", "bob", "GATE"]],
        ),
        (
            "but for an account with one of its own",
            json!({"ntlm_domain": "CORP", "service_account_username": "OTHER\\svc"}),
            [["OTHER", "svc", "GATE"], ["sub.lab.example", "bob", "GATE"]],
        ),
    ] {
        lab.logins.lock().unwrap().clear();
        let primary = lab.primary(&over);
        let got = login(&primary, "bob", "pw-bob").await;
        assert!(matches!(got, Ok(Verdict::Accepted(_))), "{name}: {got:?}");
        assert_eq!(*lab.logins.lock().unwrap(), want, "{name}");
    }
}

#[tokio::test]
async fn nobody_in_between_can_let_a_user_in() {
    for (manner, wanted) in [
        (Manner::Lies, "not genuine"),
        (Manner::Forges, "not genuine"),
        (Manner::Boasts, "something other than LDAP"),
        (Manner::Injects, "something other than LDAP"),
    ] {
        let lab = Lab::start(manner).await;
        let primary = lab.primary(&json!({}));
        let got = login(&primary, "alice", "wrong").await.unwrap_err();
        assert_eq!(got.kind, PrimaryFailureKind::Unavailable, "{manner:?}");
        assert!(got.detail.contains(wanted), "{manner:?}: {}", got.detail);
    }
}

#[tokio::test]
async fn without_ntlm_no_password_is_shown() {
    let lab = Lab::start(Manner::Simple).await;
    for over in [
        json!({}),
        json!({"service_account_username": "CN=svc,DC=lab,DC=example"}),
    ] {
        let got = login(&lab.primary(&over), "alice", "pw-alice").await;
        let failure = got.unwrap_err();
        assert_eq!(failure.kind, PrimaryFailureKind::Misconfigured);
    }
    assert_eq!(*lab.logins.lock().unwrap(), [[""; 3]; 0]);
}

#[tokio::test]
async fn a_challenge_that_somebody_may_have_changed_is_answered_with_no_password() {
    let lab = Lab::start(Manner::Timeless).await;
    let got = login(&lab.primary(&json!({})), "alice", "pw-alice").await;
    let failure = got.unwrap_err();
    assert_eq!(failure.kind, PrimaryFailureKind::Misconfigured);
    assert!(
        failure.detail.contains("message integrity"),
        "{}",
        failure.detail
    );
}

#[tokio::test]
async fn an_entry_without_an_account_is_not_taken_for_the_account_of_that_name() {
    let lab = Lab::start(Manner::Nameless).await;
    let primary = lab.primary(&json!({"username_attribute": "cn"}));
    let got = login(&primary, "bob", "pw-bob").await;
    let failure = got.unwrap_err();
    assert!(
        failure.detail.contains("no sAMAccountName"),
        "{}",
        failure.detail
    );
}

#[tokio::test]
async fn a_directory_too_busy_to_name_groups_has_said_nothing_of_the_user() {
    let lab = Lab::start(Manner::Busy).await;
    let primary = lab.primary(&json!({
        "security_groups": ["CN=Held,DC=lab,DC=example"],
        "nested_groups": true,
    }));
    for _ in 0..2 {
        let failure = login(&primary, "alice", "pw-alice").await.unwrap_err();
        assert_eq!(failure.kind, PrimaryFailureKind::Unavailable);
        assert!(
            failure.detail.contains("result 51: later"),
            "{}",
            failure.detail
        );
    }
    let connections = lab.connections.load(Ordering::SeqCst);
    assert_eq!(connections, 1, "a busy directory is not connected to anew");
}
