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
    queue: Arc<Queue<Job>>,
}

#[derive(Debug)]
struct Queue<J> {
    work: Mutex<Work<J>>,
    there: Condvar,
    /// How long the lines are, in the order of [`Line::ALL`], for those who only ask.
    waiting: [AtomicUsize; LINES],
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
    const ALL: [Self; LINES] = [Self::GoingOn, Self::Handshake, Self::Beginning];

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

#[derive(Debug)]
struct Work<J> {
    /// In the order of [`Line::ALL`].
    lines: [VecDeque<J>; LINES],
    /// How many jobs were looked for.
    turns: usize,
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
        let queue = Arc::new(Queue::new());
        for index in 0..count.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("eap-{index}"))
                .spawn(move || work(&queue, Job::run))?;
        }
        Ok(Self { queue })
    }

    /// None at all: what is handed over waits for ever.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let queue = Arc::new(Queue::new());
        Self { queue }
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
        self.queue.push(line, job)
    }
}

impl Job {
    fn run(self) {
        if let Ok(packet) = Packet::parse(&self.datagram) {
            super::receive(self.exchange, &packet);
        }
    }
}

/// What each thread does.
fn work<J>(queue: &Queue<J>, run: impl Fn(J)) {
    // On Linux a priority is of one thread, not of the process.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "EAP goes on with the priority of everything else"
        );
    }
    queue.serve(run);
}

impl<J> Queue<J> {
    const fn new() -> Self {
        Self {
            work: Mutex::new(Work {
                lines: [const { VecDeque::new() }; LINES],
                turns: 0,
                over: false,
            }),
            there: Condvar::new(),
            waiting: [const { AtomicUsize::new(0) }; LINES],
        }
    }

    fn push(&self, line: Line, job: J) -> Result<(), QueueFull> {
        let mut work = self.work();
        let jobs = work.line(line);
        if jobs.len() >= MAX_QUEUED {
            return Err(QueueFull);
        }
        jobs.push_back(job);
        self.waiting(line).store(jobs.len(), Ordering::Relaxed);
        drop(work);
        self.there.notify_one();
        Ok(())
    }

    fn serve(&self, run: impl Fn(J)) {
        while let Some(job) = self.next() {
            // A fault of ours in one conversation must not be the end of all.
            if catch_unwind(AssertUnwindSafe(|| run(job))).is_err() {
                tracing::error!("an EAP request could not be handled");
            }
        }
    }

    /// Lets everybody go who waits, and what is left.
    fn close(&self) {
        let mut work = self.work();
        work.over = true;
        let left = std::mem::replace(&mut work.lines, [const { VecDeque::new() }; LINES]);
        drop(work);
        self.there.notify_all();
        // Outside the lock: who is let go may lock something else.
        drop(left);
    }

    /// Waits for the next job; none at the end.
    fn next(&self) -> Option<J> {
        let mut work = self.work();
        loop {
            if work.over {
                return None;
            }
            for line in work.order() {
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

    fn work(&self) -> MutexGuard<'_, Work<J>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Work<J> {
    /// In which order the lines are looked into: as they stand, but for one turn in [`TURNS`], when the
    /// last goes first. A device that goes on without end is not to keep everybody else out.
    fn order(&mut self) -> [Line; LINES] {
        self.turns = self.turns.wrapping_add(1);
        let mut order = Line::ALL;
        if self.turns.is_multiple_of(TURNS) {
            order.reverse();
        }
        order
    }

    const fn line(&mut self, line: Line) -> &mut VecDeque<J> {
        let [going_on, handshakes, beginning] = &mut self.lines;
        match line {
            Line::GoingOn => going_on,
            Line::Handshake => handshakes,
            Line::Beginning => beginning,
        }
    }
}

impl Drop for EapThreads {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// See [`Work::order`].
const TURNS: usize = 8;
/// How many lines there are.
const LINES: usize = 3;
/// Requests that wait in each line: a moment's work.
const MAX_QUEUED: usize = 4_096;
/// How much nicer these threads are than others: a third of the weight of one that also wants the
/// processor, so that neither kind of login can stop the other.
const NICENESS: i32 = 5;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::process::getpriority_process;

    use super::*;
    use crate::radius::{Code, RequestBuilder, SharedSecret};

    #[test]
    fn the_last_line_has_its_turn_though_the_first_never_ends() {
        let queue = Queue::new();
        for n in 0..40 {
            queue.push(Line::GoingOn, n).unwrap();
        }
        queue.push(Line::Beginning, 100).unwrap();
        queue.push(Line::Handshake, 101).unwrap();
        let served: Vec<i32> = (0..42).map(|_| queue.next().unwrap()).collect();
        let at = |job| served.iter().position(|one| *one == job);
        assert_eq!((at(100), at(101)), (Some(TURNS - 1), Some(2 * TURNS - 1)));
    }

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
            let queue = Queue::<()>::new();
            queue.close();
            work(&queue, drop);
            getpriority_process(None).unwrap()
        });
        let nicest = 19;
        assert_eq!(thread.join().unwrap(), (others + NICENESS).min(nicest));
        assert_eq!(getpriority_process(None).unwrap(), others);
    }

    /// A job that says when it is let go of.
    #[derive(Debug)]
    struct Said(u32, mpsc::Sender<u32>);

    impl Drop for Said {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }

    #[test]
    fn conversations_that_are_under_way_go_first() {
        let queue = Queue::new();
        for (line, job) in [
            (Line::Beginning, 1),
            (Line::GoingOn, 2),
            (Line::Handshake, 3),
            (Line::Beginning, 4),
            (Line::GoingOn, 5),
        ] {
            assert_eq!(queue.push(line, job), Ok(()));
        }
        let taken = [(); 5].map(|()| queue.next());
        assert_eq!([2, 5, 3, 1, 4].map(Some), taken);
    }

    #[test]
    fn each_line_is_bounded_by_itself() {
        let queue = Queue::new();
        for job in 0..MAX_QUEUED {
            assert_eq!(queue.push(Line::Beginning, job), Ok(()));
        }
        assert_eq!(queue.push(Line::Beginning, 0), Err(QueueFull));
        for job in 0..MAX_QUEUED {
            assert_eq!(queue.push(Line::GoingOn, job), Ok(()));
        }
        assert_eq!(queue.push(Line::GoingOn, 0), Err(QueueFull));
        assert_eq!(queue.next(), Some(0));
        assert_eq!(queue.push(Line::GoingOn, 0), Ok(()));
    }

    #[test]
    fn a_job_that_fails_is_not_the_end_of_the_others() {
        let queue = Arc::new(Queue::new());
        let (done, did) = mpsc::channel();
        let served = Arc::clone(&queue);
        let thread = std::thread::spawn(move || {
            served.serve(|job: u32| {
                assert!(job != 1, "as a fault of ours would");
                done.send(job).unwrap();
            });
        });
        for job in [1, 2] {
            queue.push(Line::GoingOn, job).unwrap();
        }
        assert_eq!(did.recv(), Ok(2));
        queue.close();
        thread.join().unwrap();
    }

    #[test]
    fn the_end_wakes_who_waits_and_lets_go_of_what_is_left() {
        let queue = Arc::new(Queue::<Said>::new());
        let waits = Arc::clone(&queue);
        let thread = std::thread::spawn(move || waits.next().is_none());
        let (said, gone) = mpsc::channel();
        queue.close();
        assert!(thread.join().unwrap());
        // Those that come later are never taken, and go with the queue.
        for (line, job) in [(Line::GoingOn, 1), (Line::Beginning, 2)] {
            queue.push(line, Said(job, said.clone())).unwrap();
        }
        assert!(queue.next().is_none());
        queue.close();
        drop(said);
        assert_eq!(gone.iter().collect::<Vec<_>>(), [1, 2]);
    }
}
