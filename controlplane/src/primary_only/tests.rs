//! Bounds, tokens, and the life of a grant, at times that are given.

use proto::config::raw;
use proto::rpc::PRIMARY_ONLY_SECONDS;
use serde_json::json;
use tempfile::TempDir;

use super::confirm::MAX_WAITING;
use super::*;
use crate::revisions::{Check, RevisionDraft, Revisions};
use crate::seal::Key;

/// A moment in 2026, in milliseconds.
const NOW: u64 = 1_795_000_000_000;
const SECOND: u64 = 1_000;
const DAY: u64 = PRIMARY_ONLY_SECONDS * SECOND;

/// Integrations over each kind of primary, and one without any.
fn snapshot() -> raw::Snapshot {
    let integration = |id: &str, port: u16, mode: &str, authenticator: Option<&str>| {
        json!({
            "id": id, "port": port, "mode": mode, "authenticator": authenticator,
            "application": {"ikey": "DI", "skey": "k", "host": "h"},
            "clients": [{"address": "192.0.2.1", "secret": "s"}],
        })
    };
    serde_json::from_value(json!({
        "revision": 0,
        "authenticators": [
            {"id": "duo_only_client", "kind": "duo_only"},
            {"id": "radius_client", "kind": {"radius": {
                "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "s",
            }}},
        ],
        "integrations": [
            integration("checks", 1812, "auto", Some("radius_client")),
            integration("menu", 1813, "challenge", Some("radius_client")),
            integration("any_password", 1814, "auto", Some("duo_only_client")),
            integration("no_password", 1815, "duo_only", None),
        ],
    }))
    .unwrap()
}

struct Site {
    folder: TempDir,
    revisions: Revisions,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let mut revisions = Revisions::open(store).await.unwrap();
        let draft = RevisionDraft {
            check: Check::Wanted,
            origin: "",
            of: None,
            snapshot: snapshot(),
            text: None,
            author: "tester",
            message: "why",
        };
        revisions.publish(draft).await.unwrap();
        Self { folder, revisions }
    }

    /// As after a start at this time.
    async fn open(&self, now_ms: u64) -> PrimaryOnly {
        let store = store(&self.folder).await;
        PrimaryOnly::open(store, self.revisions.watch(), now_ms)
            .await
            .unwrap()
    }
}

async fn store(folder: &TempDir) -> Store {
    let path = folder.path().join("controlplane.db");
    Store::open(&path, Key::new([1; 32])).await.unwrap()
}

fn id(text: &str) -> IntegrationId {
    IntegrationId::new(text).unwrap()
}

fn request(integration: Option<&str>, seconds: u64) -> PrimaryOnlyRequest {
    PrimaryOnlyRequest {
        integration: integration.map(id),
        all: integration.is_none(),
        seconds,
        reason: "the service is down".to_owned(),
        by: "root".to_owned(),
        confirm: None,
    }
}

async fn token(grants: &PrimaryOnly, request: &PrimaryOnlyRequest, now_ms: u64) -> String {
    match grants.start(request.clone(), now_ms).await.unwrap() {
        PrimaryOnlyAnswer::Confirm { token, .. } => token,
        started => panic!("started at the first word: {started:?}"),
    }
}

/// Asks twice.
async fn start(grants: &PrimaryOnly, request: PrimaryOnlyRequest, now_ms: u64) -> PrimaryOnlyView {
    let confirm = Some(token(grants, &request, now_ms).await);
    let again = PrimaryOnlyRequest { confirm, ..request };
    match grants.start(again, now_ms).await.unwrap() {
        PrimaryOnlyAnswer::Started { grant } => grant,
        asked => panic!("asked a third time: {asked:?}"),
    }
}

fn shown(grants: &PrimaryOnly, now_ms: u64) -> Vec<Option<String>> {
    let list = grants.list(now_ms).into_iter();
    list.map(|one| one.integration.map(|id| id.to_string()))
        .collect()
}

/// What nodes were told last.
fn pushed(grants: &PrimaryOnly) -> Vec<PrimaryOnlyGrant> {
    let line = grants.watch().borrow().line.clone();
    match serde_json::from_slice(&line).unwrap() {
        ToNode::PrimaryOnly { grants } => grants,
        other => panic!("{other:?}"),
    }
}

fn stop(integration: Option<&str>) -> PrimaryOnlyStop {
    PrimaryOnlyStop {
        integration: integration.map(id),
        by: "alice".to_owned(),
        ..PrimaryOnlyStop::default()
    }
}

#[test]
fn a_request_keeps_to_its_bounds() {
    let good = request(Some("checks"), 60);
    let with = |change: fn(&mut PrimaryOnlyRequest)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    let said = |asked: &PrimaryOnlyRequest| check_request(asked).err().map(|e| e.to_string());
    assert_eq!(said(&good), None);
    for (name, asked, want) in [
        ("a second", with(|r| r.seconds = 1), None),
        ("a day", with(|r| r.seconds = PRIMARY_ONLY_SECONDS), None),
        ("no time", with(|r| r.seconds = 0), Some("24 hours")),
        (
            "over a day",
            with(|r| r.seconds = PRIMARY_ONLY_SECONDS + 1),
            Some("24 hours"),
        ),
        ("500", with(|r| r.reason = "ä".repeat(500)), None),
        (
            "501",
            with(|r| r.reason = "ä".repeat(501)),
            Some("is longer"),
        ),
        (
            "no reason",
            with(|r| r.reason = " ".to_owned()),
            Some("empty"),
        ),
        (
            "two lines",
            with(|r| r.reason = "a\nb".to_owned()),
            Some("control character"),
        ),
        ("nobody", with(|r| r.by = String::new()), Some("who asks")),
        (
            "escape",
            with(|r| r.by = "\u{1b}[2J".to_owned()),
            Some("control"),
        ),
        (
            "long name",
            with(|r| r.by = "x".repeat(129)),
            Some("is longer"),
        ),
        ("one and all", with(|r| r.all = true), Some("not both")),
        (
            "neither",
            with(|r| r.integration = None),
            Some("not neither"),
        ),
        ("all", request(None, 60), None),
    ] {
        let said = said(&asked);
        match (want, &said) {
            (None, None) => {}
            (Some(words), Some(said)) if said.contains(words) => {}
            _ => panic!("{name}: {said:?} and not {want:?}"),
        }
    }
}

#[test]
fn only_integrations_with_a_password_that_is_checked_are_opened() {
    let config = snapshot();
    let one = |which: &str| opened(&config, Some(&id(which)));
    assert_eq!(one("menu").unwrap().open, ["menu"]);
    for (which, words) in [
        ("any_password", "duo_only_client, which takes any password"),
        ("no_password", "mode duo_only nobody checks a password"),
        (
            "absent",
            "there are: checks, menu, any_password, no_password",
        ),
    ] {
        let said = one(which).unwrap_err().to_string();
        assert!(said.contains(words), "{which}: {said}");
    }
    let all = opened(&config, None).unwrap();
    assert_eq!(all.open, ["checks", "menu"]);
    assert_eq!(all.closed, ["any_password", "no_password"]);
    let none = raw::Snapshot {
        integrations: config.integrations[2..].to_vec(),
        ..config
    };
    assert!(matches!(
        opened(&none, None),
        Err(PrimaryOnlyError::NoPasswords)
    ));
}

#[test]
fn a_grant_holds_from_its_beginning_to_its_end_and_for_a_day_at_most() {
    for (name, since, until, now, want) in [
        ("at its beginning", 0, 10, 0, true),
        ("a moment before its end", 0, 10, 9, true),
        ("at its end", 0, 10, 10, false),
        ("after it", 0, 10, 11, false),
        ("a whole day", 0, DAY, 0, true),
        ("longer than a day", 0, DAY + 1, 1, false),
        ("its beginning is ahead", DAY, DAY + 10, 5, false),
        ("the clock was set back a little", 100, 200, 50, true),
        ("never ends", 0, u64::MAX, 0, false),
        ("ends before it begins", 20, 10, 5, true),
    ] {
        assert_eq!(bounds::holds(since, until, now), want, "{name}");
    }
}

#[test]
fn a_token_is_good_once_for_a_minute_and_for_its_request() {
    let asked = request(Some("checks"), 60);
    let minute = CONFIRM_SECONDS * SECOND;
    let mut tokens = Tokens::default();
    let fresh = tokens.issue(asked.clone(), NOW).unwrap();
    assert!(tokens.redeem(&fresh, &asked, NOW + minute - 1).is_ok());
    assert!(tokens.redeem(&fresh, &asked, NOW).is_err(), "used");
    let late = tokens.issue(asked.clone(), NOW).unwrap();
    assert!(tokens.redeem(&late, &asked, NOW + minute).is_err(), "late");
    let early = tokens.issue(asked.clone(), NOW).unwrap();
    assert!(
        tokens.redeem(&early, &asked, NOW - SECOND).is_err(),
        "the clock was set back"
    );
    for other in [
        request(None, 60),
        request(Some("menu"), 60),
        request(Some("checks"), 61),
        PrimaryOnlyRequest {
            reason: "another".to_owned(),
            ..asked.clone()
        },
        PrimaryOnlyRequest {
            by: "another".to_owned(),
            ..asked.clone()
        },
    ] {
        let token = tokens.issue(asked.clone(), NOW).unwrap();
        assert!(tokens.redeem(&token, &other, NOW).is_err(), "{other:?}");
        assert!(tokens.redeem(&token, &asked, NOW).is_err(), "used up");
    }
    assert!(tokens.redeem("", &asked, NOW).is_err());
    let first = tokens.issue(asked.clone(), NOW).unwrap();
    let mut last = String::new();
    for _ in 0..MAX_WAITING {
        last = tokens.issue(asked.clone(), NOW).unwrap();
    }
    assert!(tokens.redeem(&first, &asked, NOW).is_err(), "gave way");
    assert!(tokens.redeem(&last, &asked, NOW).is_ok());
}

#[tokio::test]
async fn nothing_is_granted_at_the_first_word() {
    let site = Site::new().await;
    let grants = site.open(NOW).await;
    let asked = request(None, 1_800);
    let answer = grants.start(asked.clone(), NOW).await.unwrap();
    let PrimaryOnlyAnswer::Confirm {
        would, replaces, ..
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!(would.opens, ["checks", "menu"]);
    assert_eq!(would.stays_closed, ["any_password", "no_password"]);
    assert_eq!(would.until_ms, NOW + 1_800 * SECOND);
    assert_eq!(would.until, utc(would.until_ms));
    assert_eq!(replaces, None);
    assert_eq!((grants.list(NOW), pushed(&grants)), (vec![], vec![]));
    let wrong = PrimaryOnlyRequest {
        confirm: Some("guessed".to_owned()),
        ..asked
    };
    let refused = grants.start(wrong, NOW).await.unwrap_err();
    assert!(matches!(refused, PrimaryOnlyError::Token), "{refused}");
    assert_eq!(grants.list(NOW), []);
}

#[tokio::test]
async fn a_new_grant_takes_the_place_of_the_one_before() {
    let site = Site::new().await;
    let grants = site.open(NOW).await;
    start(&grants, request(Some("menu"), 60), NOW).await;
    start(&grants, request(Some("checks"), 60), NOW).await;
    start(&grants, request(None, 60), NOW).await;
    let later = NOW + 30 * SECOND;
    let longer = request(Some("checks"), 3_600);
    let answer = grants.start(longer.clone(), later).await.unwrap();
    let PrimaryOnlyAnswer::Confirm { replaces, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(replaces.unwrap().until_ms, NOW + 60 * SECOND);
    start(&grants, longer, later).await;
    let names = [None, Some("checks"), Some("menu")];
    assert_eq!(
        shown(&grants, later),
        names.map(|name| name.map(str::to_owned))
    );
    let told = pushed(&grants);
    let untils: Vec<u64> = told.iter().map(|one| one.until_ms - NOW).collect();
    assert_eq!(untils, [60 * SECOND, 3_630 * SECOND, 60 * SECOND]);
}

#[tokio::test]
async fn a_grant_ends_by_itself_and_others_go_on() {
    let site = Site::new().await;
    let grants = site.open(NOW).await;
    start(&grants, request(Some("checks"), 60), NOW).await;
    start(&grants, request(Some("menu"), 120), NOW).await;
    assert_eq!(grants.tidy(NOW).await, Some(NOW + 60 * SECOND));
    let end = NOW + 60 * SECOND;
    assert_eq!(shown(&grants, end - 1).len(), 2);
    assert_eq!(
        shown(&grants, end),
        [Some("menu".to_owned())],
        "not tidied yet"
    );
    assert_eq!(pushed(&grants).len(), 2);
    assert_eq!(grants.tidy(end).await, Some(NOW + 120 * SECOND));
    assert_eq!(pushed(&grants).len(), 1);
    assert_eq!(grants.tidy(NOW + 120 * SECOND).await, None);
    assert_eq!(pushed(&grants), []);
    let kept = grants.store.fetch_document(DOCUMENT).await.unwrap();
    assert_eq!(kept, None, "nothing is left in the store");
}

#[tokio::test]
async fn one_grant_or_all_of_them_are_revoked() {
    let site = Site::new().await;
    let grants = site.open(NOW).await;
    for which in [None, Some("checks"), Some("menu")] {
        start(&grants, request(which, 600), NOW).await;
    }
    let ended = grants.stop(&stop(Some("checks")), NOW).await.unwrap();
    assert_eq!(ended[0].integration, Some(id("checks")));
    assert_eq!(shown(&grants, NOW), [None, Some("menu".to_owned())]);
    assert_eq!(grants.stop(&stop(Some("checks")), NOW).await.unwrap(), []);
    let nobody = PrimaryOnlyStop {
        by: String::new(),
        ..stop(None)
    };
    assert!(grants.stop(&nobody, NOW).await.is_err());
    assert_eq!(grants.stop(&stop(None), NOW).await.unwrap().len(), 2);
    assert_eq!((grants.list(NOW), pushed(&grants)), (vec![], vec![]));
    assert_eq!(
        shown(&site.open(NOW).await, NOW),
        [],
        "also after a restart"
    );
}

#[tokio::test]
async fn a_restart_keeps_what_has_not_ended() {
    let site = Site::new().await;
    let grants = site.open(NOW).await;
    start(&grants, request(Some("checks"), 60), NOW).await;
    start(&grants, request(None, 3_600), NOW).await;
    let before = grants.list(NOW);
    let again = site.open(NOW + SECOND).await;
    assert_eq!(again.list(NOW + SECOND), before);
    assert_eq!(pushed(&again), pushed(&grants));
    let later = site.open(NOW + 60 * SECOND).await;
    assert_eq!(shown(&later, NOW), [None], "one ended meanwhile");
    let back = site.open(NOW - DAY).await;
    assert_eq!(shown(&back, NOW), [], "a clock set back prolongs nothing");
    for (name, document) in [
        ("no JSON", "{".to_owned()),
        (
            "too long",
            json!([{"since_ms": NOW, "until_ms": NOW + DAY + 1, "reason": "x", "by": "y"}])
                .to_string(),
        ),
    ] {
        let document = document.as_bytes();
        let stored = grants.store.put_document(DOCUMENT, Some(document)).await;
        stored.unwrap();
        assert_eq!(shown(&site.open(NOW).await, NOW), [], "{name}");
    }
}

#[tokio::test]
async fn there_is_nothing_to_open_without_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let revisions = Revisions::open(store(&folder).await).await.unwrap();
    let grants = PrimaryOnly::open(store(&folder).await, revisions.watch(), NOW);
    let refused = grants.await.unwrap().start(request(None, 60), NOW).await;
    assert!(matches!(refused, Err(PrimaryOnlyError::NoConfiguration)));
}

#[tokio::test]
async fn a_revision_that_closes_an_integration_leaves_the_grant_nothing_to_open() {
    let mut site = Site::new().await;
    let grants = site.open(NOW).await;
    start(&grants, request(Some("checks"), 600), NOW).await;
    let mut next = snapshot();
    next.integrations[0].authenticator = Some("duo_only_client".to_owned());
    let draft = RevisionDraft {
        check: Check::Wanted,
        origin: "",
        of: None,
        snapshot: next,
        text: None,
        author: "tester",
        message: "why",
    };
    site.revisions.publish(draft).await.unwrap();
    assert_eq!(grants.list(NOW)[0].opens, Vec::<String>::new());
}
