//! The threads that do the cryptography of handshakes: apart from those that read the sockets and
//! from the main runtime, so that a flood of handshakes costs other logins nothing but a share of the
//! processor.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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
}

#[derive(Debug)]
struct Work<J> {
    /// Of conversations that are under way: they go first.
    going_on: VecDeque<J>,
    /// That begin one.
    beginning: VecDeque<J>,
    over: bool,
}

/// In which line a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    GoingOn,
    Beginning,
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
                .spawn(move || queue.serve(Job::run))?;
        }
        Ok(Self { queue })
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
        let line = match packet.first(AttributeType::STATE) {
            Some(_) => Line::GoingOn,
            None => Line::Beginning,
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

impl<J> Queue<J> {
    const fn new() -> Self {
        Self {
            work: Mutex::new(Work {
                going_on: VecDeque::new(),
                beginning: VecDeque::new(),
                over: false,
            }),
            there: Condvar::new(),
        }
    }

    fn push(&self, line: Line, job: J) -> Result<(), QueueFull> {
        let mut work = self.work();
        let line = match line {
            Line::GoingOn => &mut work.going_on,
            Line::Beginning => &mut work.beginning,
        };
        if line.len() >= MAX_QUEUED {
            return Err(QueueFull);
        }
        line.push_back(job);
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
        let left = (
            std::mem::take(&mut work.going_on),
            std::mem::take(&mut work.beginning),
        );
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
            if let Some(job) = work
                .going_on
                .pop_front()
                .or_else(|| work.beginning.pop_front())
            {
                return Some(job);
            }
            work = self
                .there
                .wait(work)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self) -> MutexGuard<'_, Work<J>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EapThreads {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Requests that wait in each line: a moment's work.
const MAX_QUEUED: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

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
            (Line::Beginning, 3),
            (Line::GoingOn, 4),
        ] {
            assert_eq!(queue.push(line, job), Ok(()));
        }
        assert_eq!([2, 4, 1, 3].map(Some), [(); 4].map(|()| queue.next()));
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
