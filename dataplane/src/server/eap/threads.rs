//! The threads that do the cryptography of handshakes: apart from those that read the sockets and
//! from the main runtime, and behind them where the processor does not suffice for all, so that a
//! flood of handshakes costs other logins no more than a small share of it.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

    /// Hands a request over.
    ///
    /// # Errors
    /// [`QueueFull`]: the request is dropped, and the device sends it again.
    pub(crate) fn take(&self, exchange: Exchange, packet: &Packet<'_>) -> Result<(), QueueFull> {
        let job = Job {
            exchange,
            datagram: packet.octets().into(),
        };
        let mut work = self.queue.work();
        let line = match packet.first(AttributeType::STATE) {
            Some(_) => &mut work.going_on,
            None => &mut work.beginning,
        };
        if line.len() >= MAX_QUEUED {
            return Err(QueueFull);
        }
        line.push_back(job);
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

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
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
