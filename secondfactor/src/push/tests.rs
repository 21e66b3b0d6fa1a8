//! The table of transactions, on a clock that stands still.

use super::*;
use crate::account::NameRules;
use crate::admin::DeviceKind;
use crate::sign::SigningKeys;

fn application(name: &str) -> Arc<Application> {
    Arc::new(Application {
        ikey: "DI".into(),
        name: name.into(),
        skey: "k".into(),
        keys: SigningKeys::new("k"),
        previous: None,
        rules: NameRules::NEW,
    })
}

fn push_on(device: &str) -> Push {
    let device = Device::new(device, DeviceKind::Phone, "");
    let account = Account::new("DU".to_owned(), "alice");
    let parties = (application("vpn"), Arc::new(account), Arc::new(device));
    Push::new(parties, Asked::Push, Details::default(), Instant::now()).unwrap()
}

fn timeout(seconds: u64) -> Due {
    Due {
        after: Duration::from_secs(seconds),
        verdict: Verdict::Timeout,
    }
}

#[test]
fn ids_are_uuids_of_version_four_and_are_read_back() {
    for _ in 0..100 {
        let txid = Txid::random().unwrap();
        let text = txid.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
        assert_eq!(Txid::parse(&text), Some(txid));
        assert_eq!(Txid::parse(&text.replace('-', "")), None);
    }
    for text in [
        "",
        "x",
        "45F7C92B-F45F-4862-8545-E0F58E78075A",
        "+5f7c92b-f45f-4862-8545-e0f58e78075a",
    ] {
        assert_eq!(Txid::parse(text), None, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_times_out_and_repeats_its_answer_for_a_while() {
    let pushes = Arc::new(Pushes::default());
    let stop = CancellationToken::new();
    let push = pushes.insert(push_on("DP1"), timeout(60), None).unwrap();
    let sooner = pushes.insert(push_on("DP1"), timeout(5), None).unwrap();
    let start = Instant::now();
    let scene = async {
        let far = start + Duration::from_secs(1_000);
        assert_eq!(sooner.ended(far, &stop).await, Some(Verdict::Timeout));
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(
            push.ended(start + Duration::from_secs(25), &stop).await,
            None
        );
        assert_eq!(start.elapsed().as_secs(), 25);
        assert_eq!(push.ended(far, &stop).await, Some(Verdict::Timeout));
        assert_eq!(start.elapsed().as_secs(), 60);
        let find = |after: u64| {
            let now = Instant::now() + Duration::from_secs(after);
            matches!(
                pushes.find(push.txid, "vpn", now),
                Some(Found::Ended(Verdict::Timeout))
            )
        };
        assert!(find(300));
        assert!(!find(301));
        assert_eq!(pushes.waiting(), 0);
        stop.cancel();
    };
    tokio::join!(pushes.run(stop.clone(), |_, _| {}), scene);
}

#[tokio::test(start_paused = true)]
async fn a_decision_wakes_those_who_wait_and_comes_once() {
    let pushes = Pushes::default();
    let stop = CancellationToken::new();
    let push = pushes.insert(push_on("DP1"), timeout(60), None).unwrap();
    assert!(push.is_news());
    assert!(!push.is_news());
    push.set_answered();
    assert!(push.is_news());
    let far = Instant::now() + Duration::from_secs(1_000);
    let decide = async {
        let now = Instant::now();
        assert!(
            pushes
                .end(push.txid, Verdict::Allow, now, |_| false)
                .is_none()
        );
        assert!(
            pushes
                .end(push.txid, Verdict::Allow, now, |_| true)
                .is_some()
        );
        assert!(
            pushes
                .end(push.txid, Verdict::Deny, now, |_| true)
                .is_none()
        );
    };
    let (one, two, ()) = tokio::join!(push.ended(far, &stop), push.ended(far, &stop), decide);
    assert_eq!((one, two), (Some(Verdict::Allow), Some(Verdict::Allow)));
    assert!(matches!(
        pushes.find(push.txid, "vpn", Instant::now()),
        Some(Found::Ended(Verdict::Allow))
    ));
}

#[tokio::test(start_paused = true)]
async fn the_shutdown_ends_a_wait_but_not_the_request() {
    let pushes = Pushes::default();
    let stop = CancellationToken::new();
    let push = pushes.insert(push_on("DP1"), timeout(60), None).unwrap();
    let far = Instant::now() + Duration::from_secs(1_000);
    let (waited, ()) = tokio::join!(push.ended(far, &stop), async { stop.cancel() });
    assert_eq!(waited, None);
    assert_eq!(pushes.waiting(), 1);
}

#[tokio::test]
async fn a_transaction_is_its_applications_alone() {
    let pushes = Pushes::default();
    let now = Instant::now();
    let push = pushes.insert(push_on("DP1"), timeout(60), None).unwrap();
    assert!(pushes.find(push.txid, "DX", now).is_none());
    assert!(matches!(
        pushes.find(push.txid, "vpn", now),
        Some(Found::Waiting(_))
    ));
    let ended = Txid::random().unwrap();
    pushes.insert_ended(ended, &"vpn".into(), Verdict::Allow, now);
    assert!(pushes.find(ended, "DX", now).is_none());
    assert!(matches!(
        pushes.find(ended, "vpn", now),
        Some(Found::Ended(_))
    ));
}

#[tokio::test]
async fn requests_are_listed_by_device_and_ended_together() {
    let pushes = Pushes::default();
    let now = Instant::now();
    for device in ["DP1", "DP2", "DP1"] {
        pushes.insert(push_on(device), timeout(60), None).unwrap();
    }
    assert_eq!(pushes.of_device(&"DP1".into(), 10).len(), 2);
    assert_eq!(pushes.of_device(&"DP1".into(), 1).len(), 1);
    assert_eq!(pushes.of_device(&"DP".into(), 10).len(), 0);
    assert_eq!(pushes.list(10).len(), 3);
    let ended = pushes.end_all(Verdict::Disabled, now, |push| &*push.device == "DP1");
    assert_eq!(ended.len(), 2);
    assert_eq!(pushes.list(10).len(), 1);
    assert_eq!(pushes.of_device(&"DP1".into(), 10).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_device_has_few_requests_and_the_oldest_are_listed() {
    let pushes = Pushes::default();
    let mut sent = Vec::new();
    for _ in 0..MAX_WAITING_ON_A_DEVICE {
        sent.push(
            pushes
                .insert(push_on("DP1"), timeout(60), None)
                .unwrap()
                .txid,
        );
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(
        pushes.insert(push_on("DP1"), timeout(60), None).err(),
        Some(Refused::Full)
    );
    let listed = pushes.of_device(&"DP1".into(), 3);
    let listed: Vec<_> = listed.iter().map(|push| push.txid).collect();
    assert_eq!(listed, sent[..3], "oldest first");
    pushes.insert(push_on("DP2"), timeout(60), None).unwrap();
    let ended = pushes.end(sent[0], Verdict::Deny, Instant::now(), |_| true);
    assert!(ended.is_some());
    pushes.insert(push_on("DP1"), timeout(60), None).unwrap();
}

#[tokio::test]
async fn the_table_has_an_end() {
    let pushes = Pushes::default();
    for number in 0..MAX_WAITING {
        let device = format!("DP{}", number / MAX_WAITING_ON_A_DEVICE);
        pushes.insert(push_on(&device), timeout(60), None).unwrap();
    }
    assert_eq!(
        pushes.insert(push_on("DPX"), timeout(60), None).err(),
        Some(Refused::Full)
    );
    let owner: Arc<str> = "vpn".into();
    let first = Txid::random().unwrap();
    let now = Instant::now();
    pushes.insert_ended(first, &owner, Verdict::Allow, now);
    for _ in 1..MAX_ENDED {
        pushes.insert_ended(Txid::random().unwrap(), &owner, Verdict::Allow, now);
    }
    assert!(pushes.find(first, "vpn", now).is_some());
    pushes.insert_ended(Txid::random().unwrap(), &owner, Verdict::Allow, now);
    assert!(pushes.find(first, "vpn", now).is_none(), "the oldest went");
}

#[test]
fn of_a_user_no_more_wait_than_may() {
    let pushes = Pushes::default();
    let now = Instant::now();
    let insert = |most| pushes.insert(push_on("DP1"), timeout(60), most);
    let first = insert(Some(2)).unwrap();
    insert(Some(2)).unwrap();
    assert_eq!(insert(Some(2)).err(), Some(Refused::TooMany));
    assert_eq!(insert(Some(0)).err(), Some(Refused::TooMany));
    insert(None).unwrap();
    assert_eq!((pushes.of_user("DU"), pushes.of_user("DU2")), (3, 0));
    // They are counted after a handover too.
    let next = Pushes::default();
    let queue = tokio::sync::mpsc::channel(TOLD).0;
    assert!(next.take_in(pushes.export(now), now, queue));
    assert_eq!(next.of_user("DU"), 3);
    assert!(next.end(first.txid, Verdict::Deny, now, |_| true).is_some());
    assert_eq!(next.of_user("DU"), 2);
    next.end_all(Verdict::Deny, now, |_| true);
    assert_eq!(next.of_user("DU"), 0);
    assert!(next.table().by_user.is_empty());
}
