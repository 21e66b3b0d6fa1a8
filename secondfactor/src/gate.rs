//! Who may change something: everybody, for a moment nobody, or another process for good. And what of
//! the connections is still to end before that moment. No sockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::handover::AWAY;

/// How far a handover has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Open,
    /// Nobody new is let in, and who is inside is finished with.
    Leaving,
    /// Nothing may change.
    Closed,
    /// Another process has taken over.
    Gone,
}

/// What every change goes through.
#[derive(Debug)]
pub(crate) struct Gate {
    phase: watch::Sender<Phase>,
    inside: Arc<watch::Sender<usize>>,
    /// Cancelled when connections are to be finished with; another one after they were not.
    leaving: Mutex<CancellationToken>,
    shutdown: CancellationToken,
}

/// A change that goes on.
#[derive(Debug)]
pub(crate) struct Inside(Arc<watch::Sender<usize>>);

impl Gate {
    /// Open. A shutdown is the end of all connections too.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self {
            phase: watch::Sender::new(Phase::Open),
            inside: Arc::new(watch::Sender::new(0)),
            leaving: Mutex::new(shutdown.child_token()),
            shutdown,
        }
    }

    /// Waits until something may be changed, as long as a handover may take; none when it may not, or
    /// is another process's now. Who is not let in has changed nothing, and may ask again.
    ///
    /// It belongs into what ends with its caller: a change for nobody is not begun.
    pub(crate) async fn enter(&self) -> Option<Inside> {
        timeout(AWAY, self.let_in()).await.ok().flatten()
    }

    /// The same without waiting, for what follows from a change whose own way in is still held: a handover
    /// waits for both. None when nothing may change and nobody is inside.
    pub(crate) fn follow(&self) -> Option<Inside> {
        let mut others = 0;
        self.inside.send_modify(|count| {
            others = *count;
            *count += 1;
        });
        let inside = Inside(Arc::clone(&self.inside));
        // As in `let_in`: who closes it looks at those inside afterwards.
        let open = matches!(*self.phase.borrow(), Phase::Open | Phase::Leaving);
        let closing = *self.phase.borrow() == Phase::Closed && others > 0;
        (open || closing).then_some(inside)
    }

    async fn let_in(&self) -> Option<Inside> {
        let mut phase = self.phase.subscribe();
        loop {
            // It cannot fail: the sender is here.
            let open = *phase.wait_for(|phase| *phase != Phase::Closed).await.ok()?;
            if open == Phase::Gone {
                return None;
            }
            self.inside.send_modify(|count| *count += 1);
            let inside = Inside(Arc::clone(&self.inside));
            // Who closes it looks at those inside afterwards.
            if matches!(*self.phase.borrow(), Phase::Open | Phase::Leaving) {
                return Some(inside);
            }
        }
    }

    /// Cancelled when connections are to be finished with.
    pub(crate) fn leaving(&self) -> CancellationToken {
        self.token().clone()
    }

    /// Has connections finished with.
    pub(crate) fn leave(&self) {
        self.phase.send_replace(Phase::Leaving);
        self.token().cancel();
    }

    /// Lets no more changes begin, and waits until those that go on have ended.
    pub(crate) async fn close(&self) {
        self.phase.send_replace(Phase::Closed);
        drop(self.inside.subscribe().wait_for(|count| *count == 0).await);
    }

    /// All goes on as before.
    pub(crate) fn open(&self) {
        *self.token() = self.shutdown.child_token();
        self.phase.send_replace(Phase::Open);
    }

    /// Another process has taken over.
    pub(crate) fn gone(&self) {
        self.phase.send_replace(Phase::Gone);
    }

    /// Waits until nothing may change any more, for now or for good.
    pub(crate) async fn closed(&self) {
        let shut = |phase: &Phase| matches!(phase, Phase::Closed | Phase::Gone);
        drop(self.phase.subscribe().wait_for(shut).await);
    }

    /// Waits for the end of a handover. True when this process serves on.
    pub(crate) async fn goes_on(&self) -> bool {
        let mut phase = self.phase.subscribe();
        let ended = phase.wait_for(|phase| matches!(phase, Phase::Open | Phase::Gone));
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => false,
            ended = ended => ended.is_ok_and(|phase| *phase == Phase::Open),
        }
    }

    fn token(&self) -> MutexGuard<'_, CancellationToken> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The connections, by what there is still to be done for them.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Those on which more goes on than calls that wait for a person.
    busy: watch::Sender<usize>,
    /// Calls that wait for a person.
    held: watch::Sender<usize>,
}

impl Traffic {
    /// Waits until no connection is left but those that wait for a person.
    pub(crate) async fn quiet(&self) {
        drop(self.busy.subscribe().wait_for(|count| *count == 0).await);
    }

    /// Waits until no call waits for a person.
    pub(crate) async fn released(&self) {
        drop(self.held.subscribe().wait_for(|count| *count == 0).await);
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Talk {
    traffic: Arc<Traffic>,
    counts: Mutex<Counts>,
    begun: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: usize,
    held: usize,
    /// Whether it is none of the busy ones.
    only_held: bool,
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Talk>);

/// A request that waits for a person.
#[derive(Debug)]
pub(crate) struct Held(Arc<Talk>);

impl Talk {
    /// A connection that was made.
    pub(crate) fn new(traffic: &Arc<Traffic>) -> Arc<Self> {
        traffic.busy.send_modify(|count| *count += 1);
        Arc::new(Self {
            traffic: Arc::clone(traffic),
            counts: Mutex::default(),
            begun: watch::Sender::new(false),
        })
    }

    /// Notes a request, as long as what this gives lives.
    pub(crate) fn answers(self: &Arc<Self>) -> Answering {
        self.begun
            .send_if_modified(|begun| !std::mem::replace(begun, true));
        self.change(|counts| counts.requests += 1);
        Answering(Arc::clone(self))
    }

    /// Notes that a request waits for a person, as long as what this gives lives.
    pub(crate) fn holds(self: &Arc<Self>) -> Held {
        self.traffic.held.send_modify(|count| *count += 1);
        self.change(|counts| counts.held += 1);
        Held(Arc::clone(self))
    }

    /// Waits for its first request.
    pub(crate) async fn begun(&self) {
        drop(self.begun.subscribe().wait_for(|begun| *begun).await);
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts);
        let only_held = counts.held > 0 && counts.requests <= counts.held;
        match (
            std::mem::replace(&mut counts.only_held, only_held),
            only_held,
        ) {
            (false, true) => self.traffic.busy.send_modify(|count| *count -= 1),
            (true, false) => self.traffic.busy.send_modify(|count| *count += 1),
            _ => {}
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let counts = self
            .counts
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if !counts.only_held {
            self.traffic.busy.send_modify(|count| *count -= 1);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.change(|counts| counts.requests -= 1);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.change(|counts| counts.held -= 1);
        self.0.traffic.held.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is still waited for.
    async fn waits(future: impl Future) -> bool {
        let mut future = std::pin::pin!(future);
        tokio::select! {
            biased;
            _ = future.as_mut() => false,
            () = std::future::ready(()) => true,
        }
    }

    #[tokio::test]
    async fn nothing_changes_while_it_is_closed_and_after_it_is_gone() {
        let gate = Gate::new(CancellationToken::new());
        let inside = gate.enter().await.unwrap();
        let leaving = gate.leaving();
        gate.leave();
        assert!(leaving.is_cancelled());
        let late = gate.enter().await.unwrap();
        let mut closing = Box::pin(gate.close());
        assert!(waits(&mut closing).await);
        assert!(waits(gate.enter()).await);
        drop((inside, late));
        closing.await;
        gate.closed().await;
        assert!(waits(gate.goes_on()).await);
        gate.open();
        assert!(gate.goes_on().await);
        assert!(gate.enter().await.is_some());
        assert!(!gate.leaving().is_cancelled());
        gate.leave();
        gate.close().await;
        gate.gone();
        assert!(gate.enter().await.is_none());
        assert!(!gate.goes_on().await);
    }

    #[tokio::test]
    async fn what_follows_from_a_change_is_waited_for_too() {
        let gate = Gate::new(CancellationToken::new());
        let inside = gate.enter().await.unwrap();
        gate.leave();
        let mut closing = Box::pin(gate.close());
        assert!(waits(&mut closing).await);
        let follows = gate.follow().unwrap();
        drop(inside);
        assert!(waits(&mut closing).await);
        let last = gate.follow().unwrap();
        drop((follows, last));
        closing.await;
        assert!(gate.follow().is_none(), "nobody is inside");
        gate.open();
        let inside = gate.follow().unwrap();
        gate.gone();
        assert!(gate.follow().is_none());
        drop(inside);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_it_for_too_long_is_not_let_in_afterwards() {
        let gate = Gate::new(CancellationToken::new());
        gate.leave();
        gate.close().await;
        let begun = tokio::time::Instant::now();
        assert!(gate.enter().await.is_none());
        assert_eq!(begun.elapsed(), AWAY);
        gate.open();
        assert!(gate.enter().await.is_some());
    }

    #[tokio::test]
    async fn a_shutdown_ends_connections_too() {
        let shutdown = CancellationToken::new();
        let gate = Gate::new(shutdown.clone());
        gate.leave();
        gate.open();
        let leaving = gate.leaving();
        shutdown.cancel();
        assert!(leaving.is_cancelled());
        assert!(!gate.goes_on().await);
    }

    #[tokio::test]
    async fn a_connection_that_only_waits_for_a_person_holds_nothing_up() {
        let traffic = Arc::new(Traffic::default());
        let talk = Talk::new(&traffic);
        assert!(waits(traffic.quiet()).await, "it is open");
        assert!(waits(talk.begun()).await);
        let first = talk.answers();
        talk.begun().await;
        let held = talk.holds();
        traffic.quiet().await;
        assert!(waits(traffic.released()).await);
        let second = talk.answers();
        assert!(waits(traffic.quiet()).await, "another request");
        drop(second);
        traffic.quiet().await;
        // Its caller hung up.
        drop((first, talk));
        traffic.quiet().await;
        drop(held);
        traffic.released().await;
        traffic.quiet().await;
        let other = Talk::new(&traffic);
        assert!(waits(traffic.quiet()).await);
        drop(other);
        traffic.quiet().await;
    }
}
