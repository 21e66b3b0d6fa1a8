//! Administrators and sessions, on either engine.

use super::*;
use crate::access::admin::SESSIONS;
use crate::access::role::Role;
use crate::access::token::Token;

async fn invite(store: &Store, name: &str) -> (InsertedAdmin, Token) {
    let invitation = Token::make().unwrap();
    let row = AdminRow {
        name: name.to_owned(),
        role: Role::Operator,
        active: false,
        invited_until_ms: 2_000,
        created_by: "command line".to_owned(),
        created_at_ms: 1_000,
    };
    let known = (invitation.id(), invitation.hash());
    let stored = store.insert_admin(&row, b"PLANTED-totp", known).await;
    (stored.unwrap(), invitation)
}

pub(super) async fn an_invitation_is_taken_once_and_a_passcode_used_once(lab: Lab) {
    let store = lab.open().await;
    let (stored, invitation) = invite(&store, "alice").await;
    assert_eq!(stored, InsertedAdmin::Stored);
    assert_eq!(invite(&store, "alice").await.0, InsertedAdmin::NameTaken);
    let known = store.fetch_admin_secrets("alice").await.unwrap().unwrap();
    assert_eq!(known.totp.as_slice(), b"PLANTED-totp");
    assert_eq!((known.password, known.invited_until_ms), (None, 2_000));
    let other = Token::make().unwrap().id();
    assert!(!store.activate_admin("alice", other, "hash").await.unwrap());
    let id = invitation.id();
    assert!(store.activate_admin("alice", id, "hash").await.unwrap());
    assert!(!store.activate_admin("alice", id, "hash 2").await.unwrap());
    let known = store.fetch_admin_secrets("alice").await.unwrap().unwrap();
    assert_eq!(known.password.as_deref(), Some("hash"));
    assert_eq!(known.invitation, None);
    assert!(store.list_admins().await.unwrap()[0].active);
    for (step, want) in [(5, true), (5, false), (4, false), (6, true)] {
        let used = store.use_totp_step("alice", step).await.unwrap();
        assert_eq!(used, want, "{step}");
    }
    assert!(store.fetch_admin_secrets("bob").await.unwrap().is_none());
}

pub(super) async fn sessions_are_bounded_and_end_with_their_administrator(lab: Lab) {
    let store = lab.open().await;
    invite(&store, "alice").await;
    invite(&store, "bob").await;
    let mut made = Vec::new();
    for number in 0..=SESSIONS {
        let token = Token::make().unwrap();
        let until = 10_000 + u64::try_from(number).unwrap();
        let hash = token.hash();
        let stored = store.insert_session(token.id(), &hash, "alice", 1_000, until);
        stored.await.unwrap();
        made.push(token);
    }
    let of_bob = Token::make().unwrap();
    let hash = of_bob.hash();
    let stored = store.insert_session(of_bob.id(), &hash, "bob", 1_000, 9_000);
    stored.await.unwrap();
    let found = async |token: &Token| store.fetch_session(token.id()).await.unwrap();
    assert!(found(&made[0]).await.is_none(), "the oldest made room");
    let one = found(&made[1]).await.unwrap();
    assert!(made[1].is(&one.hash) && one.role == Role::Operator);
    store
        .update_session_used(made[1].id(), 5_000)
        .await
        .unwrap();
    assert_eq!(found(&made[1]).await.unwrap().last_used_at_ms, 5_000);
    let this = Some(made[1].id());
    store.delete_sessions("bob", this).await.unwrap();
    assert!(found(&made[1]).await.is_some(), "it is not bob's");
    store.delete_sessions("alice", this).await.unwrap();
    assert!(found(&made[1]).await.is_none());
    assert!(found(&made[2]).await.is_some());
    store.delete_sessions("alice", None).await.unwrap();
    assert!(found(&made[2]).await.is_none());
    assert!(store.delete_admin("bob").await.unwrap());
    assert!(found(&of_bob).await.is_none());
    assert!(!store.delete_admin("bob").await.unwrap());
}
