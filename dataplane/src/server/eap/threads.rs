//! The threads that do the cryptography of handshakes: apart from those that read the sockets and
//! from the main runtime, and behind them where the processor does not suffice for all, so that a
//! flood of handshakes costs other logins no more than a small share of it.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::sessions::Token;
use super::state::EapState;
use crate::radius::{AttributeType, Packet};
use crate::server::exchange::Exchange;

/// A few threads and what they have to do. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct EapThreads {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    work: Mutex<Work>,
    there: Condvar,
    /// How long the lines are, in the order of [`Line::ALL`], for those who only ask.
    waiting: [AtomicUsize; 3],
}

/// Which of the lines a request waits in; the first that is not empty goes first. A flood of
/// handshakes is in the later two, and does not hold up those who are past theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Of a conversation whose handshake was answered.
    GoingOn,
    /// Of one whose handshake is still to be answered, which is what costs.
    Handshake,
    /// That begins one, or is of none that is known.
    Beginning,
}

impl Line {
    const ALL: [Self; 3] = [Self::GoingOn, Self::Handshake, Self::Beginning];

    /// The line of this request.
    pub(crate) fn of(packet: &Packet<'_>, sessions: impl FnOnce(&Token) -> Option<bool>) -> Self {
        let state = packet.first(AttributeType::STATE).and_then(EapState::read);
        match state.and_then(|state| sessions(&state.token)) {
            Some(true) => Self::GoingOn,
            Some(false) => Self::Handshake,
            None => Self::Beginning,
        }
    }
}

#[derive(Debug, Default)]
struct Work {
    going_on: VecDeque<Job>,
    handshakes: VecDeque<Job>,
    beginning: VecDeque<Job>,
    over: bool,
}

/// A request, its octets still to be read.
#[derive(Debug)]
struct Job {
    exchange: Exchange,
    datagram: Box<[u8]>,
}

/// There is no room for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

impl EapThreads {
    /// Starts this many, at least one.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        for index in 0..count.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("eap-{index}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Self { queue })
    }

    /// Whether there is room in this line, as far as can be said without a lock: a flood is
    /// discarded before it costs anybody anything.
    pub(crate) fn has_room(&self, line: Line) -> bool {
        self.queue.waiting(line).load(Ordering::Relaxed) < MAX_QUEUED
    }

    /// Hands a request over.
    ///
    /// # Errors
    /// [`QueueFull`]: the request is dropped, and the device sends it again.
    pub(crate) fn take(
        &self,
        exchange: Exchange,
        packet: &Packet<'_>,
        line: Line,
    ) -> Result<(), QueueFull> {
        let job = Job {
            exchange,
            datagram: packet.octets().into(),
        };
        let mut work = self.queue.work();
        let jobs = work.line(line);
        if jobs.len() >= MAX_QUEUED {
            return Err(QueueFull);
        }
        jobs.push_back(job);
        self.queue
            .waiting(line)
            .store(jobs.len(), Ordering::Relaxed);
        drop(work);
        self.queue.there.notify_one();
        Ok(())
    }
}

/// What each thread does.
fn work(queue: &Queue) {
    // On Linux a priority is of one thread, not of the process.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "EAP goes on with the priority of everything else"
        );
    }
    queue.serve();
}

impl Queue {
    fn serve(&self) {
        while let Some(job) = self.next() {
            // A fault of ours in one conversation must not be the end of all.
            let served = AssertUnwindSafe(|| {
                if let Ok(packet) = Packet::parse(&job.datagram) {
                    super::receive(job.exchange, &packet);
                }
            });
            if catch_unwind(served).is_err() {
                tracing::error!("an EAP request could not be handled");
            }
        }
    }

    /// Waits for the next job; none at the end.
    fn next(&self) -> Option<Job> {
        let mut work = self.work();
        loop {
            if work.over {
                return None;
            }
            for line in Line::ALL {
                let jobs = work.line(line);
                if let Some(job) = jobs.pop_front() {
                    self.waiting(line).store(jobs.len(), Ordering::Relaxed);
                    return Some(job);
                }
            }
            work = self
                .there
                .wait(work)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    const fn waiting(&self, line: Line) -> &AtomicUsize {
        let [going_on, handshakes, beginning] = &self.waiting;
        match line {
            Line::GoingOn => going_on,
            Line::Handshake => handshakes,
            Line::Beginning => beginning,
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    const fn line(&mut self, line: Line) -> &mut VecDeque<Job> {
        match line {
            Line::GoingOn => &mut self.going_on,
            Line::Handshake => &mut self.handshakes,
            Line::Beginning => &mut self.beginning,
        }
    }
}

impl Drop for EapThreads {
    fn drop(&mut self) {
        let mut work = self.queue.work();
        work.over = true;
        work.going_on.clear();
        work.handshakes.clear();
        work.beginning.clear();
        drop(work);
        self.queue.there.notify_all();
    }
}

/// Requests that wait in each line: a moment's work.
const MAX_QUEUED: usize = 4_096;
/// How much nicer these threads are than others: a third of the weight of one that also wants the
/// processor, so that neither kind of login can stop the other.
const NICENESS: i32 = 5;

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;
    use crate::radius::{Code, RequestBuilder, SharedSecret};

    #[test]
    fn requests_wait_by_how_far_their_conversation_is() {
        let secret = SharedSecret::new(b"xyzzy5461");
        let node = proto::id::NodeId::new("node-1").unwrap();
        let token = [7; super::super::sessions::TOKEN_OCTETS];
        let ours = EapState::new(&node, token).octets();
        for (name, state, known, want) in [
            ("no State", None, Some(true), Line::Beginning),
            (
                "another's State",
                Some(&b"State"[..]),
                Some(true),
                Line::Beginning,
            ),
            ("one that is over", Some(&ours), None, Line::Beginning),
            (
                "amid the handshake",
                Some(&ours),
                Some(false),
                Line::Handshake,
            ),
            ("past it", Some(&ours), Some(true), Line::GoingOn),
        ] {
            let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 1, [7; 16], &secret);
            if let Some(state) = state {
                request.attribute(AttributeType::STATE, state).unwrap();
            }
            let octets = request.finish();
            let packet = Packet::parse(&octets).unwrap();
            let line = Line::of(&packet, |of| known.filter(|_| *of == token));
            assert_eq!(line, want, "{name}");
        }
    }

    #[test]
    fn a_full_line_leaves_the_others_their_room() {
        let threads = EapThreads::start(1).unwrap();
        for full in Line::ALL {
            for line in Line::ALL {
                let waiting = if line == full {
                    MAX_QUEUED
                } else {
                    MAX_QUEUED - 1
                };
                threads
                    .queue
                    .waiting(line)
                    .store(waiting, Ordering::Relaxed);
            }
            for line in Line::ALL {
                assert_eq!(
                    threads.has_room(line),
                    line != full,
                    "{line:?}, {full:?} is full"
                );
            }
        }
    }

    #[test]
    fn a_thread_gives_way_to_others() {
        let others = getpriority_process(None).unwrap();
        let thread = std::thread::spawn(|| {
            let queue = Queue::default();
            queue.work().over = true;
            work(&queue);
            getpriority_process(None).unwrap()
        });
        let nicest = 19;
        assert_eq!(thread.join().unwrap(), (others + NICENESS).min(nicest));
        assert_eq!(getpriority_process(None).unwrap(), others);
    }
}
