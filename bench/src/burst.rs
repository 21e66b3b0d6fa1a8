//! The open loop: logins come when they come, whether or not the server keeps up.
//!
//! Each login is a user of its own. Latency counts from the moment a login was due, not from the
//! moment the generator got round to it. What is not answered is sent again as a NAS does, with the
//! same octets from the same port.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use e2e::clock;
use tokio::{net::UdpSocket, runtime, task::JoinSet, time};

use crate::{
    datagrams,
    logins::{Answer, Client, Login},
    statistics::Latencies,
    tally::Tally,
};

/// Who logs in, and when.
#[derive(Debug, Clone)]
pub(crate) struct Burst {
    pub(crate) to: SocketAddr,
    /// User `NAME-0`, `NAME-1`, …
    pub(crate) name: String,
    pub(crate) logins: usize,
    /// Logins a second; `None`: all in one moment.
    pub(crate) pace: Option<u32>,
    /// After this time without an answer a login is sent again.
    pub(crate) resend: Duration,
    /// So long each login is waited for.
    pub(crate) patience: Duration,
}

/// Starts it in a thread of its own; the clients are made by `client`, one a socket.
pub(crate) fn start(burst: Burst, client: fn() -> Client) -> JoinHandle<Tally> {
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(all(&burst, client))
    })
}

async fn all(burst: &Burst, client: fn() -> Client) -> Tally {
    let sockets = burst.logins.div_ceil(IDENTIFIERS).max(1);
    let mut lanes: Vec<Lane> = (0..sockets).map(|_| Lane::open(burst, client())).collect();
    // Made before the first is sent: the moment is to be short.
    for number in 0..burst.logins {
        let after = burst.pace.map_or(Duration::ZERO, |pace| {
            Duration::from_secs(1) * u32::try_from(number).unwrap() / pace
        });
        let user = format!("{}-{number}", burst.name);
        lanes[number % sockets].push(&user, after);
    }
    let start = clock::now();
    let mut running = JoinSet::new();
    for lane in lanes {
        running.spawn(lane.run(start));
    }
    let mut total = Tally::default();
    let mut latencies = Vec::new();
    while let Some(done) = running.join_next().await {
        let (tally, of_lane) = done.unwrap();
        total.add(tally);
        latencies.extend(of_lane);
    }
    total.latencies = Latencies::new(latencies);
    total
}

struct Waiting {
    login: Login,
    /// Until it is sent for the first time: after the start.
    after: Duration,
    tries: u32,
    open: bool,
}

impl Waiting {
    /// When it is to be sent next, counted from the start.
    fn next(&self, resend: Duration) -> Duration {
        self.after + resend * self.tries
    }
}

/// One socket and its logins; the identifier is the place in the list.
struct Lane {
    socket: UdpSocket,
    client: Client,
    waiting: Vec<Waiting>,
    resend: Duration,
    patience: Duration,
}

impl Lane {
    fn open(burst: &Burst, client: Client) -> Self {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let socket = datagrams::socket(any, burst.to).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket: UdpSocket::from_std(socket).unwrap(),
            client,
            waiting: Vec::new(),
            resend: burst.resend,
            patience: burst.patience,
        }
    }

    fn push(&mut self, user: &str, after: Duration) {
        let identifier = u8::try_from(self.waiting.len()).unwrap();
        let login = self
            .client
            .login(identifier, user, &crate::peers::password(user));
        self.waiting.push(Waiting {
            login,
            after,
            tries: 0,
            open: true,
        });
    }

    async fn run(mut self, start: Instant) -> (Tally, Vec<Duration>) {
        let mut tally = Tally {
            sent: self.waiting.len(),
            ..Tally::default()
        };
        let mut latencies = Vec::with_capacity(tally.sent);
        let mut octets = [0; 1024];
        while let Some(wake) = self.send_due(start, &mut tally).await {
            let received = time::timeout_at(wake.into(), self.socket.recv(&mut octets)).await;
            // An error is that of an earlier datagram; the login it was for is sent again.
            let Ok(Ok(mut length)) = received else {
                continue;
            };
            let at = clock::now().saturating_duration_since(start);
            loop {
                self.take(&octets[..length], at, &mut tally, &mut latencies);
                match self.socket.try_recv(&mut octets) {
                    Ok(more) => length = more,
                    Err(_) => break,
                }
            }
        }
        (tally, latencies)
    }

    /// Sends what is due and says when to look again; `None` when nothing is open any more.
    async fn send_due(&mut self, start: Instant, tally: &mut Tally) -> Option<Instant> {
        let at = clock::now().saturating_duration_since(start);
        let mut wake = None;
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.open) {
            if at >= waiting.after + self.patience {
                waiting.open = false;
                tally.lost += 1;
                continue;
            }
            if at >= waiting.next(self.resend) {
                drop(self.socket.send(&waiting.login.datagram).await);
                tally.resent += usize::from(waiting.tries > 0);
                waiting.tries += 1;
            }
            let next = waiting.next(self.resend).min(waiting.after + self.patience);
            wake = Some(wake.map_or(next, |wake: Duration| wake.min(next)));
        }
        wake.map(|wake| start + wake)
    }

    fn take(
        &mut self,
        octets: &[u8],
        at: Duration,
        tally: &mut Tally,
        latencies: &mut Vec<Duration>,
    ) {
        let place = octets.get(1).copied().unwrap_or_default();
        let Some(waiting) = self.waiting.get_mut(usize::from(place)) else {
            tally.wrong += 1;
            return;
        };
        match self.client.judge(&waiting.login, octets) {
            Answer::Wrong => tally.wrong += 1,
            _ if !waiting.open => tally.stray += 1,
            verdict => {
                waiting.open = false;
                tally.answered(verdict);
                tally.in_time += 1;
                tally.seconds = tally.seconds.max(at.as_secs_f64());
                latencies.push(at.saturating_sub(waiting.after));
            }
        }
    }
}

/// How many requests one source port can have out (RFC 2865 section 3).
const IDENTIFIERS: usize = 256;

#[cfg(test)]
mod tests {
    use dataplane::radius::{Code, Packet, ReplyBuilder, ReplyTo, SharedSecret};
    use proto::config::MessageAuthenticator;

    use super::*;

    fn client() -> Client {
        Client::new("bench-secret", MessageAuthenticator::Require)
    }

    /// Accepts everything but the datagrams of these numbers, which it does not see.
    fn serve(deaf_to: &'static [usize]) -> SocketAddr {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let secret = SharedSecret::new(b"bench-secret");
            let mut octets = [0; 1024];
            for number in 0.. {
                let (length, from) = socket.recv_from(&mut octets).unwrap();
                let to = ReplyTo::new(&Packet::parse(&octets[..length]).unwrap()).unwrap();
                let answer = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret).finish();
                if !deaf_to.contains(&number) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        address
    }

    fn burst(to: SocketAddr, logins: usize) -> Burst {
        Burst {
            to,
            name: "u".to_owned(),
            logins,
            pace: None,
            resend: Duration::from_millis(200),
            patience: Duration::from_secs(3),
        }
    }

    #[test]
    fn more_logins_than_a_port_has_identifiers_take_more_ports() {
        let tally = start(burst(serve(&[]), 600), client).join().unwrap();
        assert!(tally.is_clean(), "{tally:?}");
        assert_eq!(tally.sent, 600);
    }

    #[test]
    fn what_is_not_answered_is_sent_again_and_counts_from_the_first_time() {
        let tally = start(burst(serve(&[0]), 2), client).join().unwrap();
        assert_eq!((tally.accepted, tally.resent, tally.lost), (2, 1, 0));
        assert!(tally.latencies.max() >= Duration::from_millis(200));
    }

    #[test]
    fn what_is_never_answered_is_lost() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let short = Burst {
            patience: Duration::from_millis(300),
            ..burst(silent.local_addr().unwrap(), 3)
        };
        let tally = start(short, client).join().unwrap();
        assert_eq!((tally.accepted, tally.lost), (0, 3));
        assert!(!tally.is_clean());
    }

    #[test]
    fn a_pace_is_kept() {
        let paced = Burst {
            pace: Some(100),
            ..burst(serve(&[]), 11)
        };
        let tally = start(paced, client).join().unwrap();
        assert!(tally.is_clean());
        assert!(tally.seconds >= 0.1, "{tally:?}");
    }
}
