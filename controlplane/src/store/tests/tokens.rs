//! Tokens, on either engine.

use super::*;
use crate::access::role::Role;
use crate::access::token::{TOKENS, Token, TokenId};

fn row(name: &str) -> TokenRow {
    let token = Token::make().unwrap();
    TokenRow {
        id: token.id(),
        name: name.to_owned(),
        role: Role::Operator,
        hash: token.hash(),
        created_by: "command line".to_owned(),
        created_at_ms: 1_000,
        expires_at_ms: 2_000,
        last_used_at_ms: None,
    }
}

pub(super) async fn a_token_is_kept_noted_and_forgotten(lab: Lab) {
    let store = lab.open().await;
    let mut one = row("one");
    assert_eq!(
        store.insert_token(&one, &deed("make")).await.unwrap(),
        InsertedToken::Stored
    );
    let taken = store
        .insert_token(&row("one"), &deed("make"))
        .await
        .unwrap();
    assert_eq!(taken, InsertedToken::NameTaken);
    assert_eq!(store.fetch_token(one.id).await.unwrap(), Some(one.clone()));
    store.update_token_used(one.id, 1_500).await.unwrap();
    one.last_used_at_ms = Some(1_500);
    assert_eq!(store.list_tokens().await.unwrap(), [one.clone()]);
    assert!(store.delete_token(one.id, &deed("revoke")).await.unwrap());
    assert!(!store.delete_token(one.id, &deed("revoke")).await.unwrap());
    assert_eq!(store.fetch_token(one.id).await.unwrap(), None);
    assert_eq!(deeds(&store).await, ["make", "revoke"], "what was done");
    let unknown = TokenId::read("0011223344556677").unwrap();
    store.update_token_used(unknown, 1).await.unwrap();
    assert_eq!(store.list_tokens().await.unwrap(), []);
}

pub(super) async fn no_more_tokens_are_kept_than_are_told(lab: Lab) {
    let store = lab.open().await;
    for number in 0..TOKENS {
        let stored = store
            .insert_token(&row(&number.to_string()), &deed("make"))
            .await
            .unwrap();
        assert_eq!(stored, InsertedToken::Stored, "{number}");
    }
    let one_more = store
        .insert_token(&row("one more"), &deed("make"))
        .await
        .unwrap();
    assert_eq!(one_more, InsertedToken::Full);
    let first = store.list_tokens().await.unwrap()[0].id;
    assert!(store.delete_token(first, &deed("revoke")).await.unwrap());
    let stored = store
        .insert_token(&row("one more"), &deed("make"))
        .await
        .unwrap();
    assert_eq!(stored, InsertedToken::Stored);
}
