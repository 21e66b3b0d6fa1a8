//! The threads that do the cryptography of handshakes: apart from those that read the sockets and
//! from the main runtime, and behind them where the processor does not suffice for all, so that a
//! flood of handshakes costs other logins no more than a small share of it.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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
    /// How long the lines are, for those who only ask: [`Line::GoingOn`], [`Line::Beginning`].
    waiting: [AtomicUsize; 2],
}

/// Which of the lines a request waits in.
#[derive(Clone, Copy, Debug)]
enum Line {
    GoingOn,
    Beginning,
}

impl Line {
    fn of(packet: &Packet<'_>) -> Self {
        match packet.first(AttributeType::STATE) {
            Some(_) => Self::GoingOn,
            None => Self::Beginning,
        }
    }
}

#[derive(Debug, Default)]
struct Work {
    /// Of conversations that are under way: they go first.
    going_on: VecDeque<Job>,
    /// That begin one.
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

    /// Whether there is room for this request, as far as can be said without a lock: a flood is
    /// discarded before it costs anybody anything.
    pub(crate) fn has_room(&self, packet: &Packet<'_>) -> bool {
        self.queue.waiting(Line::of(packet)).load(Ordering::Relaxed) < MAX_QUEUED
    }

    /// Hands a request over.
    ///
    /// # Errors
    /// [`QueueFull`]: the request is dropped, and the device sends it again.
    pub(crate) fn take(&self, exchange: Exchange, packet: &Packet<'_>) -> Result<(), QueueFull> {
        let job = Job {
            exchange,
            datagram: packet.octets().into(),
        };
        let line = Line::of(packet);
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
            for line in [Line::GoingOn, Line::Beginning] {
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
        let [going_on, beginning] = &self.waiting;
        match line {
            Line::GoingOn => going_on,
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
            Line::Beginning => &mut self.beginning,
        }
    }
}

impl Drop for EapThreads {
    fn drop(&mut self) {
        let mut work = self.queue.work();
        work.over = true;
        work.going_on.clear();
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
    fn those_who_begin_leave_room_for_those_under_way() {
        let secret = SharedSecret::new(b"xyzzy5461");
        let request = || RequestBuilder::new(Code::ACCESS_REQUEST, 1, [7; 16], &secret);
        let begins = request().finish();
        let mut goes_on = request();
        goes_on.attribute(AttributeType::STATE, b"State").unwrap();
        let goes_on = goes_on.finish();
        let packets = [&begins, &goes_on].map(|octets| Packet::parse(octets).unwrap());
        let threads = EapThreads::start(1).unwrap();
        for (beginning, going_on, want) in [
            (0, 0, [true, true]),
            (MAX_QUEUED - 1, 0, [true, true]),
            (MAX_QUEUED, 0, [false, true]),
            (0, MAX_QUEUED, [true, false]),
        ] {
            for (line, waiting) in [(Line::Beginning, beginning), (Line::GoingOn, going_on)] {
                threads
                    .queue
                    .waiting(line)
                    .store(waiting, Ordering::Relaxed);
            }
            let room = packets.each_ref().map(|packet| threads.has_room(packet));
            assert_eq!(room, want, "{beginning} begin, {going_on} go on");
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
