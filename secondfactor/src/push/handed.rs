//! The table of transactions on its way from one process to the next. Time goes as what has passed and
//! what is left: the clocks of two processes have no common beginning.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::{Details, MAX_ENDED, MAX_WAITING, Number, Push, Pushes, Table, Txid, Waiting};
use crate::verdict::{Asked, Verdict};

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waits {
    pub(super) txid: Txid,
    pub(super) application: Box<str>,
    pub(super) user_id: Box<str>,
    pub(super) user: Box<str>,
    pub(super) device: Box<str>,
    pub(super) asked: Asked,
    pub(super) details: Details,
    /// What who approves must type; a process of before knows of no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<Number>,
    pub(super) polled: bool,
    /// Whether the call was picked up, and whether somebody was told so.
    #[serde(default)]
    pub(super) answered: bool,
    #[serde(default)]
    pub(super) told: bool,
    pub(super) age_ms: u64,
    /// After which it ends by itself, and how.
    pub(super) left_ms: u64,
    pub(super) verdict: Verdict,
}

/// One that ended and still repeats its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(super) txid: Txid,
    pub(super) application: Box<str>,
    pub(super) verdict: Verdict,
    pub(super) age_ms: u64,
}

/// All that is known of transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) waiting: Vec<Waits>,
    /// Oldest first.
    pub(crate) ended: Vec<Ended>,
}

/// The process before, which waits to hear how requests end that it had.
#[derive(Debug)]
pub(super) struct Predecessor {
    queue: mpsc::Sender<(Txid, Verdict)>,
    theirs: HashSet<Txid>,
}

impl Predecessor {
    pub(super) fn tell(&mut self, txid: Txid, verdict: Verdict) {
        if self.theirs.remove(&txid) {
            // There is room for each of them once. Who is gone need not be told.
            let _ = self.queue.try_send((txid, verdict));
        }
    }
}

impl Pushes {
    /// All that is known. From here on nothing ends by itself, until [`Pushes::resume`].
    pub(crate) fn export(&self, now: Instant) -> Exported {
        let mut table = self.table();
        table.forget(now);
        table.paused = true;
        let passed = |since: Instant| millis(now.saturating_duration_since(since));
        let mut waiting: Vec<Waits> = table
            .waiting
            .values()
            .map(|Waiting { push, due, verdict }| Waits {
                txid: push.txid,
                application: push.application.as_ref().into(),
                user_id: push.user_id.clone(),
                user: push.user.clone(),
                device: push.device.as_ref().into(),
                asked: push.asked,
                details: push.details.clone(),
                number: push.number,
                polled: push.polled.load(Ordering::Relaxed),
                answered: push.answered.load(Ordering::Relaxed),
                told: push.told.load(Ordering::Relaxed),
                age_ms: passed(push.sent),
                left_ms: millis(due.saturating_duration_since(now)),
                verdict: *verdict,
            })
            .collect();
        waiting.sort_by_key(|waits| (std::cmp::Reverse(waits.age_ms), waits.txid));
        let ended = table.ended_order.iter().filter_map(|(at, txid)| {
            let (owner, verdict) = table.ended.get(txid)?;
            Some(Ended {
                txid: *txid,
                application: owner.as_ref().into(),
                verdict: *verdict,
                age_ms: passed(*at),
            })
        });
        let ended = ended.collect();
        Exported { waiting, ended }
    }

    /// Nobody took over: what is due ends by itself again.
    pub(crate) fn resume(&self) {
        self.table().paused = false;
        self.sooner.notify_one();
    }

    /// Takes in what another process exported, and tells it how those end that wait, by the queue.
    /// False when it is more than a process can have.
    pub(crate) fn take_in(
        &self,
        exported: Exported,
        now: Instant,
        queue: mpsc::Sender<(Txid, Verdict)>,
    ) -> bool {
        let Exported { waiting, ended } = exported;
        let mut table = self.table();
        let room = |held: usize, more: usize, most: usize| held.saturating_add(more) <= most;
        if !room(table.waiting.len(), waiting.len(), MAX_WAITING)
            || !room(table.ended.len(), ended.len(), MAX_ENDED)
        {
            return false;
        }
        let before = |ms| {
            let age = Duration::from_millis(ms);
            // A machine that was started a moment ago has no such moment.
            now.checked_sub(age).unwrap_or(now)
        };
        let theirs = waiting.iter().map(|waits| waits.txid).collect();
        for waits in waiting {
            table.take_in(waits, now, before);
        }
        for one in ended {
            table.ended_order.push_back((before(one.age_ms), one.txid));
            table
                .ended
                .insert(one.txid, (one.application.into(), one.verdict));
        }
        table.predecessor = Some(Predecessor { queue, theirs });
        drop(table);
        self.sooner.notify_one();
        true
    }

    /// The process before has ended.
    pub(crate) fn forget_predecessor(&self) {
        self.table().predecessor = None;
    }

    /// What the process that took over says: who waits here is answered.
    pub(crate) fn told(&self, txid: Txid, verdict: Verdict, now: Instant) {
        self.table().end(txid, verdict, now);
    }
}

impl Table {
    fn take_in(&mut self, waits: Waits, now: Instant, before: impl Fn(u64) -> Instant) {
        let left = Duration::from_millis(waits.left_ms);
        let due = now.checked_add(left).unwrap_or(now);
        let device: Arc<str> = waits.device.into();
        self.due.insert((due, waits.txid));
        self.by_device.insert((Arc::clone(&device), waits.txid));
        self.one_more_of(&waits.user_id);
        let push = Push {
            txid: waits.txid,
            application: waits.application.into(),
            user_id: waits.user_id,
            user: waits.user,
            device,
            asked: waits.asked,
            details: waits.details,
            number: waits.number,
            sent: before(waits.age_ms),
            polled: AtomicBool::new(waits.polled),
            answered: AtomicBool::new(waits.answered),
            told: AtomicBool::new(waits.told),
            verdict: std::sync::OnceLock::new(),
            changed: Notify::new(),
        };
        let waiting = Waiting {
            push: Arc::new(push),
            due,
            verdict: waits.verdict,
        };
        self.waiting.insert(waits.txid, waiting);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How many verdicts may wait to be told: one of each request.
pub(crate) const TOLD: usize = MAX_WAITING;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::push::{ENDED_LIFE, Found};

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop::sample::select(vec![
            Verdict::Allow,
            Verdict::Bypass,
            Verdict::Deny,
            Verdict::WrongPasscode,
            Verdict::UsedPasscode,
            Verdict::Fraud,
            Verdict::Timeout,
            Verdict::LockedOut,
            Verdict::Disabled,
            Verdict::SmsSent,
        ])
    }

    prop_compose! {
        fn details()(
            (ip, kind, display_name) in ("\\PC{0,8}", "\\PC{0,8}", "\\PC{0,8}"),
            client in "\\PC{0,8}",
            info in prop::collection::vec((".{0,8}", ".{0,8}"), 0..4),
        ) -> Details {
            let info = info.into_iter().map(|(name, value)| (name.into(), value.into()));
            Details {
                ip: ip.into(),
                client: client.into(),
                kind: kind.into(),
                display_name: display_name.into(),
                info: info.collect(),
            }
        }
    }

    prop_compose! {
        fn waits(number: u128)(
            (application, user, device) in ("[a-c]", ".{1,12}", "DP[0-9]"),
            phone in any::<bool>(),
            details in details(),
            typed in prop::option::of(0_u16..1_000),
            polled in any::<bool>(),
            (answered, told) in any::<(bool, bool)>(),
            (age_ms, left_ms) in (0_u64..60_000, 0_u64..60_000),
            verdict in verdict(),
        ) -> Waits {
            Waits {
                txid: Txid(number),
                application: application.into(),
                user_id: format!("DU{number}").into(),
                user: user.into(),
                device: device.into(),
                asked: if phone { Asked::Phone } else { Asked::Push },
                details,
                number: typed.map(|number| serde_json::from_value(number.into()).unwrap()),
                polled,
                answered,
                told,
                age_ms,
                left_ms,
                verdict,
            }
        }
    }

    prop_compose! {
        fn ended(number: u128)(
            application in "[a-c]",
            verdict in verdict(),
            age_ms in 0..u64::try_from(ENDED_LIFE.as_millis()).unwrap() - 500,
        ) -> Ended {
            Ended { txid: Txid(number), application: application.into(), verdict, age_ms }
        }
    }

    fn exported() -> impl Strategy<Value = Exported> {
        let waiting: Vec<_> = (0..6).map(waits).collect();
        let gone: Vec<_> = (100..106).map(ended).collect();
        (waiting, gone, 0..7_usize, 0..7_usize).prop_map(|(mut waiting, mut ended, some, more)| {
            waiting.truncate(some);
            ended.truncate(more);
            waiting.sort_by_key(|waits| (std::cmp::Reverse(waits.age_ms), waits.txid));
            ended.sort_by_key(|one| std::cmp::Reverse(one.age_ms));
            Exported { waiting, ended }
        })
    }

    type Told = (Txid, Verdict);

    fn queue() -> (mpsc::Sender<Told>, mpsc::Receiver<Told>) {
        mpsc::channel(TOLD)
    }

    proptest! {
        #[test]
        fn what_one_process_exports_the_next_has(all in exported()) {
            let start = Instant::now() + Duration::from_secs(1_000);
            let pushes = Pushes::default();
            prop_assert!(pushes.take_in(all.clone(), start, queue().0));
            prop_assert_eq!(pushes.export(start), all.clone());
            // Some of the time passes on the way.
            let later = start + Duration::from_millis(500);
            let next = Pushes::default();
            prop_assert!(next.take_in(pushes.export(later), later, queue().0));
            for waits in &all.waiting {
                let push = next.get(waits.txid).unwrap();
                prop_assert_eq!(&push.details, &waits.details);
                let ended = next.export(later).waiting;
                let same = ended.iter().find(|one| one.txid == waits.txid).unwrap();
                prop_assert_eq!(same.left_ms, waits.left_ms.saturating_sub(500));
                prop_assert_eq!(same.age_ms, waits.age_ms + 500);
            }
            for one in &all.ended {
                let found = next.find(one.txid, &one.application, start);
                let same = matches!(found, Some(Found::Ended(verdict)) if verdict == one.verdict);
                prop_assert!(same);
            }
        }

        #[test]
        fn it_goes_as_json(all in exported()) {
            for waits in all.waiting {
                let json = serde_json::to_vec(&waits).unwrap();
                prop_assert_eq!(serde_json::from_slice::<Waits>(&json).unwrap(), waits);
            }
            for one in all.ended {
                let json = serde_json::to_vec(&one).unwrap();
                prop_assert_eq!(serde_json::from_slice::<Ended>(&json).unwrap(), one);
            }
        }
    }

    fn one(number: u128, left_ms: u64) -> Waits {
        Waits {
            txid: Txid(number),
            application: "vpn".into(),
            user_id: "DU".into(),
            user: "alice".into(),
            device: "DP".into(),
            asked: Asked::Push,
            details: Details::default(),
            number: None,
            polled: true,
            answered: false,
            told: false,
            age_ms: 0,
            left_ms,
            verdict: Verdict::Timeout,
        }
    }

    #[test]
    fn what_a_process_of_before_numbers_wrote_is_read() {
        let mut json = serde_json::to_value(one(1, 60_000)).unwrap();
        assert!(json.get("number").is_none());
        json["details"].as_object_mut().unwrap().remove("client");
        for later in ["answered", "told"] {
            assert!(json.as_object_mut().unwrap().remove(later).is_some());
        }
        assert_eq!(
            serde_json::from_value::<Waits>(json).unwrap(),
            one(1, 60_000)
        );
    }

    #[tokio::test]
    async fn a_call_that_was_picked_up_is_so_in_the_next_process() {
        let (old, new) = (Pushes::default(), Pushes::default());
        let now = Instant::now();
        let call = Waits {
            asked: Asked::Phone,
            ..one(1, 60_000)
        };
        let exported = Exported {
            waiting: vec![call],
            ended: Vec::new(),
        };
        assert!(old.take_in(exported, now, queue().0));
        old.get(Txid(1)).unwrap().set_answered();
        assert!(new.take_in(old.export(now), now, queue().0));
        let push = new.get(Txid(1)).unwrap();
        assert!(push.is_news(), "nobody was told");
        assert_eq!(push.progress().0, "answered");
        assert!(!push.is_news());
    }

    #[tokio::test(start_paused = true)]
    async fn the_process_before_hears_of_what_it_had_and_of_nothing_else() {
        let (old, new) = (Pushes::default(), Pushes::default());
        let (told, mut hears) = queue();
        let exported = Exported {
            waiting: vec![one(1, 60_000), one(2, 10)],
            ended: Vec::new(),
        };
        assert!(old.take_in(exported, Instant::now(), queue().0));
        assert!(new.take_in(old.export(Instant::now()), Instant::now(), told));
        let own = Exported {
            waiting: vec![one(3, 10)],
            ended: Vec::new(),
        };
        let (at_new, _unheard) = queue();
        drop(at_new);
        {
            let mut table = new.table();
            for waits in own.waiting {
                table.take_in(waits, Instant::now(), |_| Instant::now());
            }
        }
        let over = tokio_util::sync::CancellationToken::new();
        let far = Instant::now() + Duration::from_secs(1_000);
        let held = old.get(Txid(1)).unwrap();
        let scene = async {
            assert_eq!(hears.recv().await, Some((Txid(2), Verdict::Timeout)));
            let which = |_: &Push| true;
            assert!(
                new.end(Txid(1), Verdict::Allow, Instant::now(), which)
                    .is_some()
            );
            let (txid, verdict) = hears.recv().await.unwrap();
            old.told(txid, verdict, Instant::now());
            // Said again, it changes nothing.
            old.told(txid, Verdict::Deny, Instant::now());
            over.cancel();
        };
        let never = |_: &Push, _| panic!("only one process decides");
        let stop = over.clone();
        let (answer, (), (), ()) = tokio::join!(
            held.ended(far, &stop),
            scene,
            new.run(over.clone(), |_, _| {}),
            old.run(over.clone(), never),
        );
        assert_eq!(answer, Some(Verdict::Allow));
        assert_eq!(new.waiting(), 0);
        assert!(hears.try_recv().is_err(), "it never had the third");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_took_over_ends_by_itself_again() {
        let pushes = Pushes::default();
        let exported = Exported {
            waiting: vec![one(1, 100)],
            ended: Vec::new(),
        };
        assert!(pushes.take_in(exported, Instant::now(), queue().0));
        assert_eq!(pushes.export(Instant::now()).waiting.len(), 1);
        let over = tokio_util::sync::CancellationToken::new();
        let push = pushes.get(Txid(1)).unwrap();
        let scene = async {
            let soon = Instant::now() + Duration::from_secs(5);
            assert_eq!(push.ended(soon, &over).await, None);
            pushes.resume();
            let soon = Instant::now() + Duration::from_secs(5);
            assert_eq!(push.ended(soon, &over).await, Some(Verdict::Timeout));
            over.cancel();
        };
        tokio::join!(scene, pushes.run(over.clone(), |_, _| {}));
    }

    #[test]
    fn no_process_hands_over_more_than_one_can_have() {
        let pushes = Pushes::default();
        let waiting: Vec<_> = (0..=50_000).map(|number| one(number, 1)).collect();
        let exported = Exported {
            waiting,
            ended: Vec::new(),
        };
        assert!(!pushes.take_in(exported, Instant::now(), queue().0));
        assert_eq!(pushes.waiting(), 0);
    }
}
