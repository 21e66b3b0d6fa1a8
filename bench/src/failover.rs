//! What a login notices of it when host 1 of two directories goes away and comes back.
//!
//! A closed loop of logins runs through all of it. Host 1 alone knows one more user; that this user
//! gets in is how it is seen from outside, the same for every server, that host 1 is asked again.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use e2e::clock;

use crate::{
    closed::{self, Load, Logins, Script},
    directories::{Away, CANARY, Directories},
    logins::{Answer, Client},
    peers::{EXEMPT, password},
    statistics::{Latencies, count, number, span},
    tally::Tally,
};

/// How long each part takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Before host 1 goes away.
    pub(crate) healthy: Duration,
    /// While it is away.
    pub(crate) away: Duration,
    /// From its return to the end of the logins.
    pub(crate) back: Duration,
}

impl Pace {
    /// For a figure.
    pub(crate) const FULL: Self = Self {
        healthy: Duration::from_secs(2),
        away: Duration::from_secs(15),
        back: Duration::from_secs(15),
    };
    /// For a look.
    pub(crate) const QUICK: Self = Self {
        healthy: Duration::from_secs(1),
        away: Duration::from_secs(4),
        back: Duration::from_secs(4),
    };
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// All logins, from before host 1 went away to after its return.
    pub(crate) tally: Tally,
    /// From the moment host 1 went away to the first accept of a login that began after it; none
    /// when there was none while it was away.
    pub(crate) first: Option<Duration>,
    /// Logins that were under way while host 1 was away, those that it left unanswered included.
    pub(crate) away: Latencies,
    /// From the moment host 1 was back to the first login that it served; none when it served none
    /// within [`PATIENCE`].
    pub(crate) again: Option<Duration>,
}

/// One login that was answered.
#[derive(Debug, Clone, Copy)]
struct Sample {
    sent: Instant,
    done: Instant,
    answer: Answer,
}

/// Has host 1 go away and come back under logins at `to`.
pub(crate) fn run(
    to: SocketAddr,
    client: fn() -> Client,
    directories: &mut Directories,
    how: Away,
    pace: Pace,
) -> Outcome {
    let mut canary = Canary::new(to, client());
    clock::wait_until("host 1 is asked", PATIENCE, || canary.gets_in());
    let samples = Arc::new(Mutex::new(Vec::new()));
    let load = Load {
        to,
        lanes: LANES,
        window: WINDOW,
        duration: pace.healthy + pace.away + pace.back,
        tries: TRIES,
    };
    let scripts = (0..LANES)
        .map(|_| Timed::new(client(), Arc::clone(&samples)))
        .collect();
    thread::scope(|scope| {
        let logins = scope.spawn(move || closed::run(&load, scripts));
        pass(pace.healthy);
        let lost = clock::now();
        directories.lose(how);
        pass(pace.away);
        directories.find(how);
        let found = clock::now();
        let served = clock::poll(PATIENCE, || canary.gets_in());
        let again = served.then(|| clock::now().saturating_duration_since(found));
        let tally = logins.join().unwrap();
        let samples = samples.lock().unwrap();
        Outcome {
            tally,
            first: first(&samples, lost, found),
            away: Latencies::new(
                samples
                    .iter()
                    .filter(|one| one.done >= lost && one.sent < found)
                    .map(|one| one.done.saturating_duration_since(one.sent))
                    .collect(),
            ),
            again,
        }
    })
}

/// The first accept of a login that began while host 1 was away.
fn first(samples: &[Sample], lost: Instant, found: Instant) -> Option<Duration> {
    let began = samples
        .iter()
        .filter(|one| one.answer == Answer::Accept && one.sent >= lost && one.sent < found);
    let first = began.map(|one| one.done).min()?;
    Some(first.saturating_duration_since(lost))
}

/// One line for the table.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |after: Option<Duration>| after.map_or_else(|| "never".to_owned(), span);
        write!(
            f,
            "first login after {}, while away {}, host 1 asked again after {}, {} logins{}",
            shown(self.first),
            self.away,
            shown(self.again),
            count(number(self.tally.sent)),
            self.tally
        )
    }
}

/// Logins of the exempt user, with the time of each.
struct Timed {
    logins: Logins,
    sent: Vec<Instant>,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Timed {
    fn new(client: Client, samples: Arc<Mutex<Vec<Sample>>>) -> Self {
        Self {
            logins: Logins::new(client, EXEMPT, &password(EXEMPT), WINDOW),
            sent: vec![clock::now(); WINDOW],
            samples,
        }
    }
}

impl Script for Timed {
    fn advance(&mut self, slot: u8) -> bool {
        self.sent[usize::from(slot)] = clock::now();
        self.logins.advance(slot)
    }

    fn current(&self, slot: u8) -> &[u8] {
        self.logins.current(slot)
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        let answer = self.logins.judge(slot, answer);
        if answer != Answer::Wrong {
            self.samples.lock().unwrap().push(Sample {
                sent: self.sent[usize::from(slot)],
                done: clock::now(),
                answer,
            });
        }
        answer
    }
}

/// The user whom host 1 alone knows.
struct Canary {
    socket: UdpSocket,
    client: Client,
    identifier: u8,
}

impl Canary {
    fn new(to: SocketAddr, client: Client) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(CANARY_WAITS)).unwrap();
        Self {
            socket,
            client,
            identifier: 0,
        }
    }

    /// Logs in once. Answers to logins before are no answers to this one.
    fn gets_in(&mut self) -> bool {
        self.identifier = self.identifier.wrapping_add(1);
        let login = self
            .client
            .login(self.identifier, CANARY, &password(CANARY));
        self.socket.send(&login.datagram).unwrap();
        let mut octets = [0; 1024];
        while let Ok(length) = self.socket.recv(&mut octets) {
            match self.client.judge(&login, &octets[..length]) {
                Answer::Accept => return true,
                Answer::Other => return false,
                Answer::Wrong => {}
            }
        }
        false
    }
}

/// Lets the other threads work for so long.
fn pass(time: Duration) {
    let _ = clock::poll(time, || false);
}

/// As many logins are out as FreeRADIUS has threads: none of its waits for a thread.
const LANES: usize = 2;
const WINDOW: usize = 4;
/// Seconds that a login may take: more than any server here waits for both directories.
const TRIES: u32 = 10;
/// How long the canary waits for an answer.
const CANARY_WAITS: Duration = Duration::from_secs(3);
/// How long host 1 may take to be asked again.
const PATIENCE: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_login_began_after_host_1_was_lost_and_got_in() {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let sample = |sent, done, answer| Sample {
            sent: at(sent),
            done: at(done),
            answer,
        };
        let samples = [
            sample(90, 101, Answer::Accept),
            sample(102, 130, Answer::Other),
            sample(103, 160, Answer::Accept),
            sample(104, 150, Answer::Accept),
        ];
        let found = first(&samples, at(100), at(500));
        assert_eq!(found, Some(Duration::from_millis(50)));
        assert_eq!(first(&samples[..2], at(100), at(500)), None);
        assert_eq!(first(&samples, at(0), at(50)), None);
    }
}
