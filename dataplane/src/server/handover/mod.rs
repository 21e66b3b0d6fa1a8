//! One process of a node takes the place of another without losing a login.
//!
//! The *old* process listens on a socket of its own (`giving`). The *new* one asks there (`taking`),
//! gets what is served and the bound UDP sockets themselves, and prepares to serve the same. Then the
//! old one stops reading, says which requests it has answered or has under way, which States were used
//! and what fits none, and the new one reads on: the kernel kept what came meanwhile.
//!
//! Logins under way end in the old process. Their answers go through the new one, which keeps them for
//! repeats; a repeat of a login under way starts nothing. A conversation of EAP cannot move, so what
//! belongs to one is handed back to the old process until it is over. Then that one ends.
//!
//! Whoever takes over may be taken over from at once: what the old one says is passed on.

mod gate;
mod giving;
mod link;
mod taking;
mod wire;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use local::fds;
use tokio::sync::mpsc;

pub(crate) use self::gate::Gate;
pub(crate) use self::giving::{Estate, Given, Giver};
pub use self::taking::TakeError;
pub(crate) use self::taking::{Following, Taken, Taking, ask};
pub(crate) use self::wire::{Forward, Frame, Reply, Which};

use super::receive::{Arrival, Shared, send};
use super::served::Site;
use crate::clock;

/// Who goes on with this process's logins; nobody at first.
#[derive(Debug, Default)]
pub(crate) struct Heir(ArcSwapOption<mpsc::Sender<Frame>>);

impl Heir {
    #[expect(
        clippy::result_large_err,
        reason = "what is not told is dealt with at once, and boxing it would cost each answer"
    )]
    /// Tells the new process; gives it back where there is none, or none that listens.
    pub(crate) fn tell(&self, frame: Frame) -> Result<(), Frame> {
        match &*self.0.load() {
            None => Err(frame),
            Some(queue) => queue.try_send(frame).map_err(|error| error.into_inner()),
        }
    }

    fn set(&self, queue: Option<mpsc::Sender<Frame>>) {
        self.0.store(queue.map(Arc::new));
    }
}

/// The process whose place this one took, for as long as it has logins under way.
#[derive(Debug)]
pub(crate) struct Predecessor {
    queue: mpsc::Sender<Frame>,
    /// What it owes an answer to. Its end is the end of these.
    under_way: Mutex<HashSet<Which>>,
}

impl Predecessor {
    fn under_way(&self) -> MutexGuard<'_, HashSet<Which>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a datagram to it that was noted as under way here. False when it takes none.
    pub(crate) fn forward(&self, which: Which, forward: Forward) -> bool {
        self.under_way().insert(which);
        let sent = self.queue.try_send(Frame::Forward(forward)).is_ok();
        if !sent {
            self.under_way().remove(&which);
        }
        sent
    }
}

/// Keeps an answer for repeats, and sends it: by the process that goes on with this one's logins, where
/// there is one, so that it knows of the answer before the client does.
pub(crate) fn deliver(shared: &Shared, site: &Site, now: Instant, reply: Reply) {
    let which = reply.which;
    let told = {
        let mut duplicates = shared.duplicates.of_eap(which.eap);
        // Kept before it is sent: a repeat that crosses the answer is not to find the login running.
        duplicates.finish(
            now,
            &which.key,
            &which.authenticator,
            Arc::clone(&reply.octets),
        );
        // Under the lock: it is handed over either as an answer that is kept or by this.
        shared.heir().tell(Frame::Answer(reply))
    };
    if let Err(Frame::Answer(reply)) = told {
        send_reply(site, now, &reply);
    }
}

fn send_reply(site: &Site, now: Instant, reply: &Reply) {
    let arrival = Arrival {
        now,
        source: reply.to,
        asked: reply.asked,
    };
    send(site, &reply.octets, arrival);
}

/// A request that is never answered (the node stopped, a task died, another request took its place)
/// leaves the duplicate cache, so that its repeat is served anew.
pub(crate) fn abandon(shared: &Shared, which: &Which) {
    let mut duplicates = shared.duplicates.of_eap(which.eap);
    duplicates.abandon(&which.key, &which.authenticator);
    // Without an heir nobody has to know.
    drop(shared.heir().tell(Frame::Abandoned(*which)));
}

/// What a handover moved, for the log and for who asked for it.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    sockets: usize,
    under_way: usize,
    answers: usize,
}

#[expect(
    clippy::result_large_err,
    reason = "what is none of the state is dealt with at once"
)]
/// Takes in what one process says to the one that took its place. Gives whether it was of the state,
/// which ends with [`Frame::Complete`].
fn take_in(shared: &Shared, frame: Frame, moved: &mut Moved) -> Result<Option<Which>, Frame> {
    let (now, unix_now) = (clock::now(), clock::unix_now());
    match frame {
        Frame::Kept(eap, kept) => {
            let which = Which {
                eap,
                key: kept.key,
                authenticator: kept.authenticator,
            };
            let under_way = kept.answer.is_none();
            match under_way {
                true => moved.under_way += 1,
                false => moved.answers += 1,
            }
            // Both processes have the same bounds.
            let _ = shared.duplicates.of_eap(eap).take_in(now, kept);
            Ok(under_way.then_some(which))
        }
        Frame::Used(until, nonce) => {
            shared.states.take_used(unix_now, until, nonce);
            Ok(None)
        }
        Frame::Forgotten(until) => {
            shared.states.take_forgotten(until);
            Ok(None)
        }
        Frame::Spilled(until, name, context) => {
            shared.states.take_spilled(unix_now, (until, name), context);
            Ok(None)
        }
        other => Err(other),
    }
}

/// How long the old process may take for its last logins: longer than any waits for a person.
pub(crate) const LONGEST_END: Duration = Duration::from_secs(300);

/// How long either side waits for the other while it takes over. Meanwhile nobody reads.
const STEP: Duration = Duration::from_secs(10);

/// How long the new process may take until it can serve what the old one serves.
const PREPARES: Duration = Duration::from_secs(60);

/// What waits to be told to the other process: no more than are under way, with their contexts. What
/// has no room is answered by who has it.
const QUEUED: usize = 2 * super::dedup::MAX_RUNNING;
