//! The closed loop: so many requests are out at any time, and each answer sends the next.
//!
//! It finds the highest rate. Its latencies are those at saturation: what a queue of that length
//! takes, and no statement about a server at rest.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use e2e::clock;

use crate::{
    datagrams::Datagrams,
    logins::{Answer, Client, Login},
    statistics::Latencies,
    tally::Tally,
};

/// How much, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) to: SocketAddr,
    /// Threads, each with a socket of its own.
    pub(crate) lanes: usize,
    /// Requests that each of them has out, at most 256: the identifiers of a source port.
    pub(crate) window: usize,
    pub(crate) duration: Duration,
    /// So often a request is sent, a second apart, before it counts as lost.
    pub(crate) tries: u32,
}

/// What one lane sends. A slot is an identifier, and stands in the second octet of its datagram.
pub(crate) trait Script {
    /// Goes on to the next datagram of a slot; false when there is none left.
    fn advance(&mut self, slot: u8) -> bool;
    /// The datagram that the slot sends.
    fn current(&self, slot: u8) -> &[u8];
    /// What is to be thought of this answer.
    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer;
}

impl<S: Script> Script for &mut S {
    fn advance(&mut self, slot: u8) -> bool {
        (**self).advance(slot)
    }

    fn current(&self, slot: u8) -> &[u8] {
        (**self).current(slot)
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        (**self).judge(slot, answer)
    }
}

/// A script that ends after so many datagrams.
pub(crate) struct Few<S> {
    pub(crate) script: S,
    pub(crate) left: usize,
}

impl<S: Script> Script for Few<S> {
    fn advance(&mut self, slot: u8) -> bool {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some() && self.script.advance(slot)
    }

    fn current(&self, slot: u8) -> &[u8] {
        self.script.current(slot)
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        self.script.judge(slot, answer)
    }
}

/// Runs one script in each lane and adds up what came of it.
pub(crate) fn run<S: Script + Send>(load: &Load, scripts: Vec<S>) -> Tally {
    thread::scope(|scope| {
        let lanes: Vec<_> = scripts
            .into_iter()
            .map(|script| scope.spawn(move || drive(load, script).unwrap()))
            .collect();
        let mut total = Tally::default();
        for lane in lanes {
            total.add(lane.join().unwrap());
        }
        total
    })
}

struct Out {
    first: Instant,
    last: Instant,
    tries: u32,
}

fn drive(load: &Load, mut script: impl Script) -> io::Result<Tally> {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let mut link = Datagrams::open(any, load.to, LOOK)?;
    let mut out: Vec<Option<Out>> = Vec::new();
    out.resize_with(load.window, || None);
    let mut free: Vec<u8> = (0..=u8::MAX).take(load.window).collect();
    let mut tally = Tally::default();
    let mut latencies = Vec::new();
    let start = clock::now();
    let end = start + load.duration;
    let mut at = start;
    let mut looked = start;
    loop {
        if at < end {
            free.retain(|slot| script.advance(*slot));
            for slot in &free {
                out[usize::from(*slot)] = Some(Out {
                    first: at,
                    last: at,
                    tries: 1,
                });
            }
            tally.sent += free.len();
            let due: Vec<&[u8]> = free.iter().map(|slot| script.current(*slot)).collect();
            link.send(&due)?;
        }
        if out.iter().all(Option::is_none) {
            break;
        }
        free.clear();
        let answers = link.receive()?;
        at = clock::now();
        for answer in answers {
            let slot = answer.get(1).copied().unwrap_or_default();
            let Some(waiting) = out.get(usize::from(slot)).and_then(Option::as_ref) else {
                tally.stray += 1;
                continue;
            };
            match script.judge(slot, answer) {
                // The late answer to what was sent twice belongs to the login before.
                Answer::Wrong if tally.resent > 0 => tally.stray += 1,
                Answer::Wrong => tally.wrong += 1,
                verdict => {
                    tally.answered(verdict);
                    latencies.push(at.saturating_duration_since(waiting.first));
                    if at < end {
                        tally.in_time += 1;
                    }
                    out[usize::from(slot)] = None;
                    free.push(slot);
                }
            }
        }
        if at.saturating_duration_since(looked) >= LOOK {
            looked = at;
            let (due, lost) = overdue(&mut out, load.tries, at);
            tally.resent += due.len();
            tally.lost += lost.len();
            free.extend(lost);
            let due: Vec<&[u8]> = due.iter().map(|slot| script.current(*slot)).collect();
            link.send(&due)?;
        }
    }
    let whole = at.saturating_duration_since(start).min(load.duration);
    tally.seconds = whole.as_secs_f64();
    tally.latencies = Latencies::new(latencies);
    Ok(tally)
}

/// The slots that are to be sent again, and those that are given up.
fn overdue(out: &mut [Option<Out>], tries: u32, at: Instant) -> (Vec<u8>, Vec<u8>) {
    let (mut due, mut lost) = (Vec::new(), Vec::new());
    for (slot, waiting) in (0..=u8::MAX).zip(out) {
        let Some(request) = waiting else { continue };
        if at.saturating_duration_since(request.last) < RESEND {
            continue;
        }
        if request.tries >= tries {
            lost.push(slot);
            *waiting = None;
        } else {
            request.tries += 1;
            request.last = at;
            due.push(slot);
        }
    }
    (due, lost)
}

/// Logins of one user, each a new one.
pub(crate) struct Logins {
    client: Client,
    user: String,
    password: String,
    slots: Vec<Login>,
}

impl Logins {
    /// For a lane with `window` slots.
    pub(crate) fn new(client: Client, user: &str, password: &str, window: usize) -> Self {
        let mut script = Self {
            client,
            user: user.to_owned(),
            password: password.to_owned(),
            slots: Vec::new(),
        };
        for slot in (0..=u8::MAX).take(window) {
            let login = script.client.login(slot, user, password);
            script.slots.push(login);
        }
        script
    }
}

impl Script for Logins {
    fn advance(&mut self, slot: u8) -> bool {
        self.slots[usize::from(slot)] = self.client.login(slot, &self.user, &self.password);
        true
    }

    fn current(&self, slot: u8) -> &[u8] {
        &self.slots[usize::from(slot)].datagram
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        self.client.judge(&self.slots[usize::from(slot)], answer)
    }
}

/// The same datagrams for ever. The first answer to each is checked whole; the later ones must be
/// the same, octet for octet.
pub(crate) struct Repeats {
    client: Client,
    slots: Vec<(Login, Option<Vec<u8>>)>,
}

impl Repeats {
    /// Logins of one user, each sent for ever.
    pub(crate) fn new(mut client: Client, user: &str, password: &str, window: usize) -> Self {
        let identifiers = (0..=u8::MAX).take(window);
        let slots = identifiers
            .map(|slot| (client.login(slot, user, password), None))
            .collect();
        Self { client, slots }
    }

    /// The same, for a server that sends back what it gets.
    pub(crate) fn echoed(client: Client, user: &str, password: &str, window: usize) -> Self {
        let mut script = Self::new(client, user, password, window);
        for (login, known) in &mut script.slots {
            *known = Some(login.datagram.clone());
        }
        script
    }
}

impl Script for Repeats {
    fn advance(&mut self, _: u8) -> bool {
        true
    }

    fn current(&self, slot: u8) -> &[u8] {
        &self.slots[usize::from(slot)].0.datagram
    }

    fn judge(&mut self, slot: u8, answer: &[u8]) -> Answer {
        let (login, known) = &mut self.slots[usize::from(slot)];
        if let Some(known) = known {
            return match known == answer {
                true => Answer::Accept,
                false => Answer::Wrong,
            };
        }
        let verdict = self.client.judge(login, answer);
        if verdict != Answer::Wrong {
            *known = Some(answer.to_vec());
        }
        verdict
    }
}

/// How long a receive waits, and how often overdue requests are looked for.
const LOOK: Duration = Duration::from_millis(50);
/// After this time without an answer a request is sent again.
const RESEND: Duration = Duration::from_secs(1);
/// [`Load::tries`] where a server is to answer at once.
pub(crate) const TRIES: u32 = 4;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// Answers as told: `None` is silence.
    fn serve(answer: impl Fn(usize, &[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut octets = [0; 1024];
            for number in 0.. {
                let (length, from) = socket.recv_from(&mut octets).unwrap();
                if let Some(answer) = answer(number, &octets[..length]) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        address
    }

    fn load(to: SocketAddr) -> Load {
        Load {
            to,
            lanes: 1,
            window: 2,
            duration: Duration::from_millis(20),
            tries: TRIES,
        }
    }

    fn repeats() -> Repeats {
        Repeats::echoed(crate::peers::strict(), "u01", "pw-u01", 2)
    }

    #[test]
    fn every_answer_sends_the_next() {
        let to = serve(|_, datagram| Some(datagram.to_vec()));
        let tally = run(&load(to), vec![repeats(), repeats()]);
        assert_eq!((tally.lost, tally.wrong, tally.resent), (0, 0, 0));
        assert_eq!(tally.accepted, tally.sent);
        assert!(tally.sent > 4, "{tally:?}");
    }

    #[test]
    fn a_script_may_end_before_its_time() {
        let to = serve(|_, datagram| Some(datagram.to_vec()));
        let whole = Load {
            duration: Duration::from_secs(60),
            ..load(to)
        };
        let script = repeats();
        let tally = run(&whole, vec![Few { script, left: 5 }]);
        assert_eq!((tally.sent, tally.accepted, tally.in_time), (5, 5, 5));
        assert!(tally.seconds < 30.0, "{tally:?}");
    }

    #[test]
    fn what_is_lost_is_sent_again() {
        let to = serve(|number, datagram| (number > 0).then(|| datagram.to_vec()));
        let tally = run(&load(to), vec![repeats()]);
        assert_eq!((tally.resent, tally.lost), (1, 0));
        assert_eq!(tally.accepted, tally.sent);
        assert!(tally.latencies.max() >= RESEND);
    }

    #[test]
    fn a_wrong_answer_is_counted_and_not_taken() {
        let to = serve(|number, datagram| {
            Some(match number {
                0 => vec![2, datagram[1]],
                _ => datagram.to_vec(),
            })
        });
        let tally = run(&load(to), vec![repeats()]);
        assert_eq!((tally.wrong, tally.resent, tally.lost), (1, 1, 0));
        assert_eq!(tally.accepted, tally.sent);
    }
}
