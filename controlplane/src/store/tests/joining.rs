//! Join tokens and the certificates of nodes, on either engine.

use tokio::task::JoinSet;

use super::*;
use crate::access::token::{Token, TokenId};

/// Of the key that a node shows.
const KEY: [u8; 32] = [1; 32];

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn certificate(serial: &str, name: &str) -> GivenCertificate {
    GivenCertificate {
        serial: serial.to_owned(),
        node: node(name),
        not_after_ms: 5_000,
    }
}

fn token(expires_at_ms: u64, name: Option<&str>) -> JoinToken {
    let made = Token::make().unwrap();
    JoinToken {
        id: made.id(),
        hash: made.hash(),
        node: name.map(node),
        expires_at_ms,
    }
}

/// Has a node join, in place of what it was before.
async fn join(store: &Store, serial: &str, name: &str) {
    let token = token(9_000, Some(name));
    assert!(store.insert_join_token(&token, 0).await.unwrap());
    let given = certificate(serial, name);
    let joined = store.redeem_join_token(token.id, &given, &KEY, 0).await;
    assert_eq!(joined.unwrap(), Redeemed::Joined);
}

async fn standing(store: &Store, serial: &str, name: &str) -> Standing {
    let found = store.fetch_standing(serial, &node(name), 100).await;
    found.unwrap()
}

pub(super) async fn a_join_token_is_good_once_and_takes_the_place_of_what_was(lab: Lab) {
    let store = lab.open().await;
    let (short, bound) = (token(1_000, None), token(9_000, Some("b")));
    for one in [&short, &bound] {
        assert!(store.insert_join_token(one, 0).await.unwrap());
        let kept = store.fetch_join_token(one.id).await.unwrap();
        assert_eq!(kept.as_ref(), Some(one));
    }
    join(&store, "00", "b").await;
    assert_eq!(ask(&store, bound.id, "01", KEY, 10).await, Redeemed::Joined);
    let late = short.expires_at_ms;
    for (what, id, now_ms) in [("used", bound.id, 10), ("late", short.id, late)] {
        let redeemed = ask(&store, id, "02", [2; 32], now_ms).await;
        assert_eq!(redeemed, Redeemed::Used, "{what}");
    }
    assert_eq!(store.fetch_join_token(bound.id).await.unwrap(), None);
    for (serial, name, want) in [
        ("00", "b", Standing::Revoked),
        ("01", "b", Standing::Good),
        ("02", "b", Standing::Revoked),
        ("01", "c", Standing::Revoked),
    ] {
        assert_eq!(standing(&store, serial, name).await, want, "{serial}");
    }
    for (now_ms, want) in [(4_999, Standing::Good), (5_000, Standing::Expired)] {
        let found = store.fetch_standing("01", &node("b"), now_ms).await;
        assert_eq!(found.unwrap(), want, "{now_ms}");
    }
    // What has expired goes with the next.
    let next = token(9_000, None);
    store.insert_join_token(&next, 1_000).await.unwrap();
    assert_eq!(store.fetch_join_token(short.id).await.unwrap(), None);
}

pub(super) async fn a_join_token_can_be_taken_back_and_goes_with_its_node(lab: Lab) {
    let store = lab.open().await;
    let all = [
        token(9_000, None),
        token(9_000, Some("b")),
        token(1_000, Some("c")),
    ];
    for one in &all {
        assert!(store.insert_join_token(one, 0).await.unwrap());
    }
    let listed = |now_ms| {
        let store = &store;
        async move { store.list_join_tokens(now_ms).await.unwrap() }
    };
    assert_eq!(listed(0).await.len(), 3);
    assert_eq!(listed(1_000).await.len(), 2, "one has expired");
    store.remove_node(&node("b"), 1).await.unwrap();
    let left = listed(0).await;
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.contains(&all[1]), "it was for the node");
    assert!(store.delete_join_token(all[0].id).await.unwrap());
    assert!(!store.delete_join_token(all[0].id).await.unwrap(), "gone");
    let given = certificate("01", "d");
    let redeemed = store.redeem_join_token(all[0].id, &given, &KEY, 0).await;
    assert_eq!(redeemed.unwrap(), Redeemed::Used);
}

pub(super) async fn a_token_for_any_name_gives_one_that_no_node_has(lab: Lab) {
    let store = lab.open().await;
    store
        .upsert_node(&node("socket"), None, 1, None)
        .await
        .unwrap();
    let mut left = None;
    for round in 0..10 {
        let mut joining = JoinSet::new();
        let together = Arc::new(tokio::sync::Barrier::new(6));
        for number in 0..6 {
            let (store, token) = (store.clone(), token(9_000, None));
            let together = Arc::clone(&together);
            assert!(store.insert_join_token(&token, 0).await.unwrap());
            joining.spawn(async move {
                let serial = format!("{round}-{number}");
                let given = certificate(&serial, &format!("b{round}"));
                together.wait().await;
                let redeemed = store
                    .redeem_join_token(token.id, &given, &KEY, 0)
                    .await
                    .unwrap();
                let kept = store.fetch_join_token(token.id).await.unwrap();
                assert_eq!(kept.is_none(), redeemed == Redeemed::Joined);
                (redeemed, token)
            });
        }
        let all = joining.join_all().await;
        let joined = all.iter().filter(|(one, _)| *one == Redeemed::Joined);
        assert_eq!(joined.count(), 1, "{all:?}");
        left = all.into_iter().find(|(one, _)| *one == Redeemed::Taken);
    }
    let left = left.unwrap();
    for (name, want) in [
        ("b0", Redeemed::Taken),
        ("socket", Redeemed::Taken),
        ("c", Redeemed::Joined),
    ] {
        let given = certificate("05", name);
        let redeemed = store.redeem_join_token(left.1.id, &given, &KEY, 0).await;
        assert_eq!(redeemed.unwrap(), want, "{name}");
    }
}

/// A token for any name, by which a node has joined as "b" with [`KEY`] and serial 01.
async fn joined_unheard(store: &Store, expires_at_ms: u64) -> TokenId {
    let token = token(expires_at_ms, None);
    assert!(store.insert_join_token(&token, 0).await.unwrap());
    assert_eq!(ask(store, token.id, "01", KEY, 0).await, Redeemed::Joined);
    token.id
}

async fn ask(store: &Store, id: TokenId, serial: &str, key: [u8; 32], now_ms: u64) -> Redeemed {
    let given = certificate(serial, "b");
    let redeemed = store.redeem_join_token(id, &given, &key, now_ms).await;
    redeemed.unwrap()
}

pub(super) async fn an_answer_is_given_again_to_its_key_until_the_node_is_heard_of(lab: Lab) {
    let store = lab.open().await;
    let id = joined_unheard(&store, 9_000).await;
    let awaited = || async { store.list_awaited().await.unwrap() };
    let heard = |serial| {
        let store = &store;
        async move {
            let noted = store.upsert_node(&node("b"), Some(serial), 1, None).await;
            noted.unwrap()
        }
    };
    assert_eq!(awaited().await, [node("b")]);
    assert_eq!(store.list_join_tokens(0).await.unwrap(), [], "it is used");
    assert_eq!(store.fetch_join_token(id).await.unwrap(), None);
    let kept = store.fetch_token_to_join(id).await.unwrap().unwrap();
    assert_eq!(kept.node, Some(node("b")), "it is for this name now");
    assert_eq!(ask(&store, id, "02", [2; 32], 1).await, Redeemed::Used);
    let other = certificate("02", "c");
    let other = store.redeem_join_token(id, &other, &KEY, 1).await;
    assert_eq!(other.unwrap(), Redeemed::Used, "another name");
    assert_eq!(standing(&store, "01", "b").await, Standing::Good);
    for serial in ["02", "03"] {
        assert_eq!(ask(&store, id, serial, KEY, 1).await, Redeemed::Again);
    }
    assert_eq!(heard("02").await, Noted::Removed, "it was not the last");
    assert_eq!(awaited().await, [node("b")]);
    for (serial, want) in [
        ("01", Standing::Revoked),
        ("02", Standing::Revoked),
        ("03", Standing::Good),
    ] {
        assert_eq!(standing(&store, serial, "b").await, want, "{serial}");
    }
    assert_eq!(heard("03").await, Noted::Stored);
    assert_eq!(awaited().await, []);
    assert_eq!(ask(&store, id, "04", KEY, 1).await, Redeemed::Used);
    assert_eq!(standing(&store, "03", "b").await, Standing::Good);
    assert_eq!(raw(&store, "DELETE FROM join_tokens").await, 0);
    let left = raw(&store, "DELETE FROM node_certificates").await;
    assert_eq!(left, 1, "what was lost leaves no rows");
}

pub(super) async fn a_used_token_lets_nobody_in_once_it_or_its_node_is_taken_back(lab: Lab) {
    let store = lab.open().await;
    let b = node("b");
    let awaited = || async { store.list_awaited().await.unwrap() };
    let id = joined_unheard(&store, 9_000).await;
    store.remove_node(&b, 1).await.unwrap();
    assert_eq!(ask(&store, id, "02", KEY, 2).await, Redeemed::Used);
    assert_eq!(awaited().await, [], "it is forgotten");
    raw(&store, "DELETE FROM node_certificates").await;

    let id = joined_unheard(&store, 9_000).await;
    assert!(!store.delete_join_token(id).await.unwrap(), "it was used");
    assert_eq!(ask(&store, id, "02", KEY, 2).await, Redeemed::Used);
    assert_eq!(awaited().await, std::slice::from_ref(&b));

    // Another token for the node takes its place.
    join(&store, "03", "b").await;
    assert_eq!(awaited().await, std::slice::from_ref(&b));
    assert_eq!(raw(&store, "DELETE FROM join_tokens").await, 1);
    assert_eq!(ask(&store, id, "02", KEY, 2).await, Redeemed::Used);
    raw(&store, "DELETE FROM node_certificates").await;

    // It is not good for longer than it was made for; that the node is awaited stays known, for as
    // long as its certificate is good.
    let id = joined_unheard(&store, 1_000).await;
    assert_eq!(ask(&store, id, "02", KEY, 999).await, Redeemed::Again);
    assert_eq!(ask(&store, id, "03", KEY, 1_000).await, Redeemed::Used);
    for (now_ms, want) in [(4_999, &[b][..]), (5_000, &[])] {
        let next = token(9_000, None);
        store.insert_join_token(&next, now_ms).await.unwrap();
        assert_eq!(awaited().await, want, "{now_ms}");
    }
}

pub(super) async fn used_tokens_take_no_place_of_those_that_wait(lab: Lab) {
    let store = lab.open().await;
    joined_unheard(&store, 9_000).await;
    assert_eq!(JOIN_TOKENS, 1_000);
    let waiting = "WITH RECURSIVE many (i) AS \
                   (SELECT 1 UNION ALL SELECT i + 1 FROM many WHERE i < 999) \
                   INSERT INTO join_tokens (id, hash, expires_at_ms) \
                   SELECT 'x' || i, hash, 9000 FROM many, join_tokens";
    raw(&store, waiting).await;
    for want in [true, false] {
        let one = token(9_000, None);
        assert_eq!(store.insert_join_token(&one, 0).await.unwrap(), want);
    }
}

pub(super) async fn a_removed_node_has_no_good_certificate(lab: Lab) {
    let store = lab.open().await;
    let (b, c) = (node("b"), node("c"));
    join(&store, "01", "b").await;
    join(&store, "02", "c").await;
    for drain in [true, true] {
        store.set_drained(&b, drain, 1).await.unwrap();
    }
    store.set_drained(&c, true, 1).await.unwrap();
    store.set_drained(&c, false, 1).await.unwrap();
    assert_eq!(
        store.list_drained().await.unwrap(),
        std::slice::from_ref(&b)
    );
    assert!(store.remove_node(&b, 2).await.unwrap());
    assert!(!store.remove_node(&b, 3).await.unwrap(), "it is gone");
    assert!(store.list_drained().await.unwrap().is_empty());
    assert_eq!(standing(&store, "01", "b").await, Standing::Revoked);
    assert_eq!(store.list_certificates().await.unwrap(), [(c, 5_000)]);
}

pub(super) async fn a_renewal_needs_a_certificate_that_is_good_still(lab: Lab) {
    let store = lab.open().await;
    join(&store, "01", "b").await;
    let renew = |shown, serial, name, now_ms| {
        let given = certificate(serial, name);
        let store = &store;
        async move {
            store
                .renew_certificate(shown, &given, now_ms)
                .await
                .unwrap()
        }
    };
    assert!(!renew("01", "02", "c", 0).await, "another's");
    assert!(!renew("00", "02", "b", 0).await, "unknown");
    assert!(!renew("01", "02", "b", 5_000).await, "expired");
    // However many are asked for, the one that was shown and the newest are left.
    for serial in ["02", "03", "04"] {
        assert!(renew("01", serial, "b", 0).await);
    }
    for (serial, want) in [
        ("01", Standing::Good),
        ("02", Standing::Revoked),
        ("03", Standing::Revoked),
        ("04", Standing::Good),
    ] {
        assert_eq!(standing(&store, serial, "b").await, want, "{serial}");
    }
    assert_eq!(raw(&store, "DELETE FROM node_certificates").await, 2);
}

pub(super) async fn no_renewal_outlives_a_removal_that_comes_between(lab: Lab) {
    let store = lab.open().await;
    for round in 0..10 {
        let first = format!("{round}-first");
        join(&store, &first, "b").await;
        let mut working = JoinSet::new();
        for number in 0..8 {
            let (store, first) = (store.clone(), first.clone());
            working.spawn(async move {
                let given = certificate(&format!("{round}-{number}"), "b");
                store.renew_certificate(&first, &given, 1).await.unwrap();
            });
        }
        let removing = store.clone();
        working.spawn(async move {
            assert!(removing.remove_node(&node("b"), 2).await.unwrap());
        });
        working.join_all().await;
        let left = store.list_certificates().await.unwrap();
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}

pub(super) async fn no_word_brings_back_a_node_that_was_removed(lab: Lab) {
    let store = lab.open().await;
    store.insert_revision(revision(0, None)).await.unwrap();
    join(&store, "01", "b").await;
    let b = node("b");
    let words = |serial| {
        let (store, b) = (&store, &b);
        async move {
            let applied = Verdict::Applied;
            [
                store.upsert_node(b, serial, 1, None).await.unwrap(),
                store
                    .upsert_acknowledgement(b, serial, Revision(1), &applied, 1)
                    .await
                    .unwrap(),
            ]
        }
    };
    assert_eq!(words(Some("01")).await, [Noted::Stored; 2]);
    assert_eq!(store.list_nodes().await.unwrap().len(), 1);
    assert!(store.remove_node(&b, 2).await.unwrap());
    assert_eq!(words(Some("01")).await, [Noted::Removed; 2]);
    assert_eq!(store.list_nodes().await.unwrap(), []);
    assert_eq!(words(None).await, [Noted::Stored; 2], "it has none");
}
