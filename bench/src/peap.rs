//! Whole logins by PEAP, each by a peer of its own, one after the other in each of a few threads.
//!
//! The peer is that of the end-to-end tests; what it costs is nobody's figure, and the same for every
//! server: PEAPv0 without crypto-binding, inside GTC. The keys of an accept are checked.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use e2e::{
    clock,
    peers::{
        Supplicant,
        supplicant::{CryptoBinding, Method, Reply, Session, Step, TlsRange, Trust, Verdict},
    },
};

use crate::{
    logins::Answer,
    peers::{EXEMPT_EAP, password},
    statistics::Latencies,
    tally::Tally,
};

/// A peer that costs little; it verifies signatures, and not whose they are.
pub(crate) fn peer(tls: TlsRange, secret: &str) -> Supplicant {
    let mut peer = Supplicant::new(Method::Peap, EXEMPT_EAP);
    // hostapd chooses the version of PEAP by it.
    "peap0".clone_into(&mut peer.outer);
    peer.highest_version = 0;
    peer.binding = CryptoBinding::Off;
    peer.trust = Trust::Anybody;
    peer.tls = tls;
    secret.clone_into(&mut peer.secret);
    peer
}

/// How a login ended, and how often a request of it was sent again.
#[derive(Debug)]
pub(crate) struct Ended {
    verdict: Verdict,
    resent: usize,
}

impl Ended {
    /// Counts it.
    pub(crate) fn tell(self, tally: &mut Tally) {
        tally.sent += 1;
        tally.resent += self.resent;
        match self.verdict {
            Verdict::Accepted => tally.answered(Answer::Accept),
            Verdict::Silent => tally.lost += 1,
            Verdict::Broken(_) => tally.wrong += 1,
            Verdict::Rejected | Verdict::GaveUp => tally.answered(Answer::Other),
        }
    }
}

/// Goes on from a step of a login to its end, as a device does: what is not answered is sent again.
pub(crate) fn finish(session: &mut Session, mut step: Step) -> Ended {
    let mut resent = 0;
    loop {
        step = match step {
            Step::Going => advance(session, &mut resent),
            Step::Asked(_) => session.reply(Reply::from(password(EXEMPT_EAP).as_str())),
            Step::Ended(verdict) => return Ended { verdict, resent },
        };
    }
}

/// Sends what waits and takes what comes.
fn advance(session: &mut Session, resent: &mut usize) -> Step {
    session.send();
    for _ in 1..TRIES {
        if let Some(answer) = session.receive(RESEND) {
            return session.take(&answer);
        }
        session.retransmit();
        *resent += 1;
    }
    match session.receive(RESEND) {
        Some(answer) => session.take(&answer),
        None => Step::Ended(Verdict::Silent),
    }
}

/// Logins in so many threads, for so long and no more than so many; those under way at the end are
/// finished.
pub(crate) fn run(
    peer: &Supplicant,
    to: SocketAddr,
    lanes: usize,
    duration: Duration,
    most: usize,
) -> Tally {
    let begun = AtomicUsize::new(0);
    let start = clock::now();
    let lane = || {
        let mut tally = Tally::default();
        let mut latencies = Vec::new();
        let end = clock::now() + duration;
        loop {
            let begin = clock::now();
            if begin >= end || begun.fetch_add(1, Ordering::Relaxed) >= most {
                break;
            }
            finish(&mut peer.session(to), Step::Going).tell(&mut tally);
            let now = clock::now();
            latencies.push(now.saturating_duration_since(begin));
            tally.in_time += usize::from(now < end);
        }
        let elapsed = clock::now().saturating_duration_since(start);
        tally.seconds = elapsed.min(duration).as_secs_f64();
        tally.latencies = Latencies::new(latencies);
        tally
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let mut total = Tally::default();
        for lane in lanes {
            total.add(lane.join().unwrap());
        }
        total
    })
}

/// After this time without an answer a request is sent again.
const RESEND: Duration = Duration::from_secs(1);
/// So often it is sent.
const TRIES: usize = 20;

#[cfg(test)]
mod tests {
    use e2e::peers::Hostapd;

    use super::*;

    #[test]
    fn logins_are_counted_by_how_they_end() {
        let hostapd = Hostapd::start(1_024);
        let good = peer(TlsRange::Both, e2e::peers::SECRET);
        let tally = run(&good, hostapd.address, 2, Duration::from_secs(20), 5);
        assert!(tally.is_clean(), "{tally:?}");
        assert_eq!(tally.sent, 5, "{tally:?}");

        let mut stranger = good;
        "bob".clone_into(&mut stranger.user);
        let tally = run(&stranger, hostapd.address, 1, Duration::from_millis(1), 100);
        assert_eq!((tally.sent, tally.other), (1, 1), "{tally:?}");
    }
}
