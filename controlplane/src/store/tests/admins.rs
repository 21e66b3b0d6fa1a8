//! Administrators and sessions, on either engine.

use super::*;
use crate::access::admin::{SESSIONS, SETUP_LINK};
use crate::access::role::Role;
use crate::access::token::Token;

async fn invite(store: &Store, name: &str) -> (InsertedAdmin, Token) {
    invite_by(store, name, "command line").await
}

async fn invite_by(store: &Store, name: &str, by: &str) -> (InsertedAdmin, Token) {
    let invitation = Token::make().unwrap();
    let row = AdminRow {
        name: name.to_owned(),
        role: Role::Operator,
        active: false,
        integration: None,
        invited_until_ms: 2_000,
        created_by: by.to_owned(),
        created_at_ms: 1_000,
    };
    let known = (invitation.id(), invitation.hash());
    let deed = deed("invite");
    let stored = store.insert_admin(&row, b"PLANTED-totp", known, None, &deed);
    (stored.await.unwrap(), invitation)
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
    let activate = async |id, hash| {
        store
            .activate_admin("alice", id, (hash, b"PLANTED-totp", 4), &deed("activate"))
            .await
            .unwrap()
    };
    assert!(!activate(other, "hash").await);
    let id = invitation.id();
    assert!(activate(id, "hash").await);
    assert!(!activate(id, "hash 2").await);
    assert_eq!(deeds(&store).await, ["invite", "activate"], "what was done");
    let known = store.fetch_admin_secrets("alice").await.unwrap().unwrap();
    assert_eq!(known.password.as_deref(), Some("hash"));
    assert_eq!(known.invitation, None);
    assert!(store.list_admins().await.unwrap()[0].active);
    let remove = deed("remove");
    let invited = store.delete_admin("alice", true, &remove);
    assert!(!invited.await.unwrap(), "only one who is not active");
    for (step, want) in [(5, true), (5, false), (4, false), (6, true)] {
        let used = store.use_totp_step("alice", step).await.unwrap();
        assert_eq!(used, want, "{step}");
    }
    assert!(store.fetch_admin_secrets("bob").await.unwrap().is_none());
}

pub(super) async fn the_secret_that_a_passcode_was_of_is_kept_whatever_was_told_since(lab: Lab) {
    let store = lab.open().await;
    let (_, invitation) = invite(&store, "alice").await;
    let tell = async |id, totp: &[u8]| store.update_invited_totp("alice", id, totp).await.unwrap();
    let totp = async || {
        let known = store.fetch_admin_secrets("alice").await.unwrap();
        known.unwrap().totp.to_vec()
    };
    let other = Token::make().unwrap().id();
    assert!(!tell(other, b"PLANTED-other").await);
    assert_eq!(totp().await, b"PLANTED-totp");
    let id = invitation.id();
    assert!(tell(id, b"PLANTED-hers").await && tell(id, b"PLANTED-his").await);
    assert_eq!(totp().await, b"PLANTED-his");
    let known = ("hash", b"PLANTED-hers".as_slice(), 4);
    let deed = deed("activate");
    let done = store.activate_admin("alice", id, known, &deed).await;
    assert!(done.unwrap());
    assert_eq!(totp().await, b"PLANTED-hers");
    assert!(!tell(id, b"PLANTED-his").await, "the invitation is taken");
}

pub(super) async fn sessions_are_bounded_and_end_with_their_administrator(lab: Lab) {
    let store = lab.open().await;
    invite(&store, "alice").await;
    invite(&store, "bob").await;
    let alice = Holder::Admin("alice".to_owned());
    let bob = Holder::Admin("bob".to_owned());
    let mut made = Vec::new();
    for number in 0..=SESSIONS {
        let until = 10_000 + u64::try_from(number).unwrap();
        made.push(begin(&store, &alice, until).await);
    }
    let of_bob = begin(&store, &bob, 9_000).await;
    let found = async |token: &Token| store.fetch_session(token.id()).await.unwrap();
    assert!(found(&made[0]).await.is_none(), "the oldest made room");
    let one = found(&made[1]).await.unwrap();
    assert!(made[1].is(&one.hash) && one.role == Role::Operator && one.holder == alice);
    store
        .update_session_used(made[1].id(), 5_000)
        .await
        .unwrap();
    assert_eq!(found(&made[1]).await.unwrap().last_used_at_ms, 5_000);
    let end = async |holder, which| {
        store
            .delete_sessions(holder, which, &deed("end"))
            .await
            .unwrap();
    };
    let this = made[1].id();
    end(&bob, Which::This(this)).await;
    assert!(found(&made[1]).await.is_some(), "it is not bob's");
    end(&alice, Which::This(this)).await;
    assert!(found(&made[1]).await.is_none());
    assert!(found(&made[2]).await.is_some());
    end(&alice, Which::AllBut(made[2].id())).await;
    assert!(found(&made[2]).await.is_some() && found(&made[3]).await.is_none());
    end(&alice, Which::All).await;
    assert!(found(&made[2]).await.is_none());
    assert!(
        store
            .delete_admin("bob", true, &deed("remove"))
            .await
            .unwrap()
    );
    assert!(found(&of_bob).await.is_none());
    assert!(
        !store
            .delete_admin("bob", false, &deed("remove"))
            .await
            .unwrap()
    );
    assert_eq!(deeds(&store).await.last().unwrap(), "remove");
}

async fn begin(store: &Store, holder: &Holder, expires_at_ms: u64) -> Token {
    begin_under(store, (holder, None), expires_at_ms)
        .await
        .unwrap()
}

/// None where the provider's settings are others.
async fn begin_under(
    store: &Store,
    (holder, provider): (&Holder, Option<&[u8]>),
    expires_at_ms: u64,
) -> Option<Token> {
    let token = Token::make().unwrap();
    let new = NewSession {
        id: token.id(),
        hash: token.hash(),
        holder,
        provider,
        now_ms: 1_000,
        expires_at_ms,
    };
    let stored = store.insert_session(new, &deed("begin")).await.unwrap();
    let found = store.fetch_session(token.id()).await.unwrap();
    assert_eq!(found.is_some(), stored);
    stored.then_some(token)
}

pub(super) async fn another_password_or_secret_ends_the_other_sessions(lab: Lab) {
    let store = lab.open().await;
    let (_, invitation) = invite(&store, "alice").await;
    let alice = Holder::Admin("alice".to_owned());
    let change = async |password, keep| {
        store
            .update_password("alice", password, keep, &deed("password"))
            .await
            .unwrap()
    };
    let (one, two) = (
        begin(&store, &alice, 5_000).await,
        begin(&store, &alice, 5_000).await,
    );
    let found = async |token: &Token| store.fetch_session(token.id()).await.unwrap().is_some();
    assert!(!change("hash 2", one.id()).await, "no invitation was taken");
    let known = ("hash", b"PLANTED-totp".as_slice(), 4);
    assert!(
        store
            .activate_admin("alice", invitation.id(), known, &deed("activate"))
            .await
            .unwrap()
    );
    assert!(change("hash 2", one.id()).await);
    assert!(found(&one).await && !found(&two).await);
    let three = begin(&store, &alice, 5_000).await;
    let confirm = async || {
        let next = (b"PLANTED-next".as_slice(), 9);
        store
            .confirm_totp("alice", next, three.id(), &deed("passcode"))
            .await
            .unwrap()
    };
    assert!(!confirm().await, "nothing to confirm");
    store.put_next_totp("alice", b"PLANTED-next").await.unwrap();
    let known = store.fetch_admin_secrets("alice").await.unwrap().unwrap();
    assert_eq!(known.totp_next.unwrap().as_slice(), b"PLANTED-next");
    assert_eq!(known.totp.as_slice(), b"PLANTED-totp", "until confirmed");
    assert!(confirm().await && !confirm().await);
    let known = store.fetch_admin_secrets("alice").await.unwrap().unwrap();
    assert_eq!(known.password.as_deref(), Some("hash 2"));
    assert_eq!(known.totp.as_slice(), b"PLANTED-next");
    assert!(known.totp_next.is_none() && known.integration.is_none());
    assert!(!found(&one).await && found(&three).await);
    assert!(!store.use_totp_step("alice", 9).await.unwrap(), "used");
}

pub(super) async fn people_of_a_provider_are_signed_out_when_its_settings_change(lab: Lab) {
    let store = lab.open().await;
    invite(&store, "alice").await;
    let alice = begin(&store, &Holder::Admin("alice".to_owned()), 5_000).await;
    let person = Holder::Person("alice".to_owned(), Role::Admin);
    let guest = begin(&store, &person, 5_000).await;
    let found = store.fetch_session(guest.id()).await.unwrap().unwrap();
    assert_eq!((found.holder, found.role), (person, Role::Admin));
    let document = async || store.fetch_document(PROVIDER).await.unwrap();
    for value in [Some(b"PLANTED-settings".as_slice()), Some(b"others"), None] {
        store.put_provider(value, &deed("provider")).await.unwrap();
        assert_eq!(document().await.as_deref().map(Vec::as_slice), value);
    }
    assert!(store.fetch_session(guest.id()).await.unwrap().is_none());
    assert!(store.fetch_session(alice.id()).await.unwrap().is_some());
}

pub(super) async fn a_person_begins_no_session_under_settings_that_changed(lab: Lab) {
    let store = lab.open().await;
    let person = Holder::Person("alice".to_owned(), Role::Admin);
    let old = b"PLANTED-old".as_slice();
    let tried = async || begin_under(&store, (&person, Some(old)), 5_000).await;
    assert!(tried().await.is_none(), "no provider is named");
    for (kept, want) in [
        (Some(old), true),
        (Some(b"PLANTED-new".as_slice()), false),
        (None, false),
    ] {
        store.put_provider(kept, &deed("provider")).await.unwrap();
        assert_eq!(tried().await.is_some(), want, "{kept:?}");
    }
    let want = ["provider", "begin", "provider", "provider"];
    assert_eq!(deeds(&store).await, want, "no deed of what was not done");
}

pub(super) async fn a_state_comes_back_once(lab: Lab) {
    let store = lab.open().await;
    for (state, now, want) in [
        ("one", 1_000, true),
        ("one", 1_999, false),
        ("two", 1_999, true),
        ("one", 2_000, true),
    ] {
        let before = store.is_used_state(state, now).await.unwrap();
        let used = store.use_state(state, now, now + 1_000).await.unwrap();
        assert_eq!((used, before), (want, !want), "{state} at {now}");
    }
}

pub(super) async fn an_installation_is_somebodys_from_the_first_who_may_use_it(lab: Lab) {
    let store = lab.open().await;
    assert!(store.is_nobodys().await.unwrap());
    let (_, invitation) = invite(&store, "alice").await;
    assert!(store.is_nobodys().await.unwrap(), "only invited");
    store.delete_invited_by("somebody else").await.unwrap();
    assert_eq!(store.list_admins().await.unwrap().len(), 1);
    assert!(
        store
            .activate_admin(
                "alice",
                invitation.id(),
                ("hash", b"PLANTED-totp", 1),
                &deed("activate")
            )
            .await
            .unwrap()
    );
    assert!(!store.is_nobodys().await.unwrap());
    store.delete_invited_by("command line").await.unwrap();
    assert_eq!(store.list_admins().await.unwrap().len(), 1, "it was taken");
    assert!(
        store
            .delete_admin("alice", false, &deed("remove"))
            .await
            .unwrap()
    );
    assert!(store.is_nobodys().await.unwrap());
    store
        .put_provider(Some(b"{}"), &deed("provider"))
        .await
        .unwrap();
    assert!(!store.is_nobodys().await.unwrap());
    store.put_provider(None, &deed("provider")).await.unwrap();
    invite(&store, "bob").await;
    store.delete_invited_by("command line").await.unwrap();
    assert!(store.list_admins().await.unwrap().is_empty());
}

pub(super) async fn an_invitation_of_the_set_up_link_is_over_once_there_is_somebody(lab: Lab) {
    let store = lab.open().await;
    let mut invited = Vec::new();
    // Two control planes show a link each.
    for name in ["mallory", "trent"] {
        invited.push((name, invite_by(&store, name, SETUP_LINK).await.1));
    }
    let (_, asked) = invite(&store, "alice").await;
    let take = async |name, invitation: &Token| {
        store
            .activate_admin(
                name,
                invitation.id(),
                ("hash", b"PLANTED-totp", 1),
                &deed("activate"),
            )
            .await
            .unwrap()
    };
    let named = deed("provider");
    store.put_provider(Some(b"{}"), &named).await.unwrap();
    assert!(!take("mallory", &invited[0].1).await, "a provider is named");
    store.put_provider(None, &named).await.unwrap();
    let token = Token::make().unwrap();
    let row = TokenRow {
        id: token.id(),
        name: "script".to_owned(),
        role: Role::Admin,
        hash: token.hash(),
        created_by: "command line".to_owned(),
        created_at_ms: 1,
        expires_at_ms: 2,
        last_used_at_ms: None,
    };
    store.insert_token(&row, &deed("token")).await.unwrap();
    assert!(!take("mallory", &invited[0].1).await, "there is a token");
    store
        .delete_token(token.id(), &deed("revoke"))
        .await
        .unwrap();
    let (first, second) = tokio::join!(
        take(invited[0].0, &invited[0].1),
        take(invited[1].0, &invited[1].1)
    );
    assert!(first != second, "one of two: {first} {second}");
    assert!(take("alice", &asked).await, "somebody's own invitation");
}
