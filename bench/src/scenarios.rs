//! What is measured, and against which budget.
//!
//! Each scenario starts what it needs and stops it again, so that none inherits another's memory or
//! caches; a peer that a ratio is taken to runs right before or after.

use std::{sync::atomic::AtomicUsize, thread::JoinHandle, time::Duration};

use e2e::{
    clock,
    countersign::Start,
    peers::{Pki, Slapd, fakeduo::Offer},
};
use tempfile::TempDir;

use crate::{
    burst::{self, Burst},
    challenges,
    closed::{self, Load, Logins, Repeats},
    directories::{Away, Directories},
    double::{self, Double},
    eap, echo, events, failover, flood,
    gateway::{Gateway, per},
    growth, hanging,
    logins::Client,
    peers::{
        Behind, DIRECTORY_TIMEOUT, Doors, EXEMPT, Peer, SECRET, failover_config, freeradius,
        lenient, many, password, strict,
    },
    plane,
    report::{Row, Verdict},
    secondfactor, soak,
    statistics::{count, number, span},
    tally::Tally,
    usage,
};

/// A scenario and its name.
pub(crate) type Scenario = (&'static str, fn(&Bench) -> Vec<Row>);

/// Takes an hour, and is measured only where it is named.
pub(crate) const SOAK: &str = "soak";

/// All of them, in the order of the table.
pub(crate) const SCENARIOS: [Scenario; 25] = [
    ("echo", echo),
    ("discard", discards),
    ("duplicate", duplicates),
    ("exempt login", exempt),
    ("auto login http2", |bench| auto(bench, Offer::Both)),
    ("auto login http1", |bench| auto(bench, Offer::Http1)),
    ("ldap login", ldap),
    ("ldap failover killed", |bench| {
        failover(bench, Away::Killed)
    }),
    ("ldap failover silent", |bench| {
        failover(bench, Away::Silent)
    }),
    ("burst 1000", |bench| burst(bench, 1000, 5)),
    ("burst 5000", |bench| burst(bench, 5000, 2)),
    ("pending", pending),
    ("challenges", challenges::rows),
    ("eap login", eap::rows),
    ("eap flood", eap::floods),
    ("second factor passcodes", secondfactor::passcodes),
    ("second factor waiting", secondfactor::waiting),
    ("start", start),
    ("events sqlite", events::sqlite),
    ("events postgres", events::postgres),
    ("control plane", plane::rows),
    ("hanging", hanging::hanging),
    ("retransmissions", hanging::retransmissions),
    ("growth", growth::rows),
    (SOAK, soak::rows),
];

/// What all scenarios share.
pub(crate) struct Bench {
    pub(crate) quick: bool,
    pub(crate) folder: TempDir,
    slapd: Slapd,
    pub(crate) http2: Double,
    http1: Double,
}

impl Bench {
    /// Starts what stands behind the servers.
    pub(crate) fn new(quick: bool) -> Self {
        let pki = Pki::shared();
        Self {
            quick,
            folder: tempfile::tempdir().unwrap(),
            slapd: Slapd::start(pki),
            http2: Double::start(pki, Offer::Both),
            http1: Double::start(pki, Offer::Http1),
        }
    }

    /// How long the phases are, for the conditions.
    pub(crate) fn pace(&self) -> String {
        format!("{:?} each at full rate", self.phase())
    }

    pub(crate) fn phase(&self) -> Duration {
        match self.quick {
            true => Duration::from_millis(1500),
            false => Duration::from_secs(5),
        }
    }

    pub(crate) fn gateway(&self) -> Gateway {
        Gateway::start(self.folder.path(), [&self.http2, &self.http1], &self.slapd)
    }

    /// One whose memory is measured.
    pub(crate) fn thrifty_gateway(&self) -> Gateway {
        let doubles = [&self.http2, &self.http1];
        Gateway::start_thrifty(self.folder.path(), doubles, &self.slapd)
    }

    pub(crate) fn load(&self, to: std::net::SocketAddr, lanes: usize, window: usize) -> Load {
        Load {
            to,
            lanes,
            window,
            duration: self.phase(),
            tries: closed::TRIES,
        }
    }

    /// The echo's rate, measured now.
    fn echo(&self) -> (f64, Row) {
        let peer = echo::start();
        let load = self.load(peer.address, 2, 64);
        let scripts = || Repeats::echoed(strict(), EXEMPT, &password(EXEMPT), load.window);
        let before = usage::of(peer.pid()).cpu;
        let tally = closed::run(&load, repeat(load.lanes, scripts));
        let cpu = per(usage::of(peer.pid()).cpu - before, tally.accepted);
        let row = Row {
            work: "bare UDP echo".to_owned(),
            figure: format!("{}/s, {} CPU each{tally}", count(tally.rate()), span(cpu)),
            peer: String::new(),
            ratio: None,
            budget: String::new(),
            verdict: Verdict::Reference,
        };
        (tally.rate(), row)
    }

    /// Logins of one user at the highest rate, after a moment of warming up.
    pub(crate) fn logins(&self, load: Load, user: &str, client: fn() -> Client) -> Tally {
        let scripts = || Logins::new(client(), user, &password(user), load.window);
        closed::run(&load, repeat(load.lanes, scripts))
    }

    /// The peer's rate and CPU time for the same logins, and both as a text.
    fn freeradius(&self, behind: Behind<'_>, user: &str) -> (f64, Duration, String) {
        let peer: Peer = freeradius(behind);
        let load = self.load(peer.address, 2, 64);
        self.logins(warm(load), user, lenient);
        let before = usage::of(peer.pid()).cpu;
        let tally = self.logins(load, user, lenient);
        let used = usage::of(peer.pid());
        let cpu = per(used.cpu - before, tally.accepted);
        let text = format!(
            "FreeRADIUS {}/s, {} CPU, {} RSS{tally}",
            count(tally.rate()),
            span(cpu),
            mib(used.resident)
        );
        (tally.rate(), cpu, text)
    }
}

fn echo(bench: &Bench) -> Vec<Row> {
    vec![bench.echo().1]
}

fn discards(bench: &Bench) -> Vec<Row> {
    let (echo, _) = bench.echo();
    let gateway = bench.gateway();
    let logins = |secret: &str| {
        let mut client = Client::new(secret, proto::config::MessageAuthenticator::Auto);
        let all = (0..=u8::MAX).map(|identifier| client.login(identifier, EXEMPT, "pw"));
        all.map(|login| login.datagram).collect::<Vec<_>>()
    };
    let kinds = [
        ("unknown client", "127.0.0.2:0", SECRET),
        (
            "wrong Message-Authenticator",
            "127.0.0.1:0",
            "another secret",
        ),
    ];
    let mut rows = Vec::new();
    for (kind, from, secret) in kinds {
        let before = gateway.settled(DISCARDS);
        let meter = gateway.meter();
        let to = gateway.doors.http2;
        let elapsed = flood::run(from.parse().unwrap(), to, &logins(secret), bench.phase());
        let seen = gateway.settled(DISCARDS) - before;
        let (_, cpu) = meter.each(seen);
        let rate = number(seen) / elapsed.as_secs_f64();
        rows.push(Row {
            work: format!("discard, {kind}"),
            figure: format!("{}/s, {cpu}", count(rate)),
            peer: format!("echo {}/s", count(echo)),
            ratio: Some(rate / echo),
            budget: ">= 0.5 of the echo".to_owned(),
            verdict: Verdict::of(&[rate >= 0.5 * echo]),
        });
    }
    rows
}

fn duplicates(bench: &Bench) -> Vec<Row> {
    let (echo, _) = bench.echo();
    let gateway = bench.gateway();
    let load = bench.load(gateway.doors.http2, 2, 64);
    let scripts = || Repeats::new(strict(), EXEMPT, &password(EXEMPT), load.window);
    let meter = gateway.meter();
    let tally = closed::run(&load, repeat(load.lanes, scripts));
    let (_, cpu) = meter.each(tally.accepted);
    vec![Row {
        work: "cached answer to a duplicate".to_owned(),
        figure: format!("{}/s, {cpu}{tally}", count(tally.rate())),
        peer: format!("echo {}/s", count(echo)),
        ratio: Some(tally.rate() / echo),
        budget: ">= 0.5 of the echo".to_owned(),
        verdict: Verdict::of(&[tally.is_clean(), tally.rate() >= 0.5 * echo]),
    }]
}

fn exempt(bench: &Bench) -> Vec<Row> {
    let (echo, _) = bench.echo();
    let gateway = bench.gateway();
    let load = bench.load(gateway.doors.http2, 2, 64);
    bench.logins(warm(load), EXEMPT, strict);
    let meter = gateway.meter();
    let tally = bench.logins(load, EXEMPT, strict);
    let (each, cpu) = meter.each(tally.accepted);
    let resident = gateway.data_plane().resident;
    drop(gateway);
    let (peer, _, text) = bench.freeradius(Behind::Users, EXEMPT);
    vec![Row {
        work: "PAP login, exempt user, no primary".to_owned(),
        figure: format!(
            "{}/s ({:.2} of the echo), {cpu}, {} RSS{tally}",
            count(tally.rate()),
            tally.rate() / echo,
            mib(resident)
        ),
        peer: text,
        ratio: Some(tally.rate() / peer),
        budget: ">= 0.35 of the echo, <= 20 us CPU".to_owned(),
        verdict: Verdict::of(&[
            tally.is_clean(),
            tally.rate() >= 0.35 * echo,
            each <= Duration::from_micros(20),
        ]),
    }]
}

fn auto(bench: &Bench, offer: Offer) -> Vec<Row> {
    let gateway = bench.gateway();
    let (door, double, version) = match offer {
        Offer::Both => (gateway.doors.http2, &bench.http2, "HTTP/2"),
        Offer::Http1 => (gateway.doors.http1, &bench.http1, "HTTP/1.1"),
    };
    let load = bench.load(door, 2, 64);
    bench.logins(warm(load), USER, strict);
    let (calls, of_http2) = counted(double);
    let meter = gateway.meter();
    let tally = bench.logins(load, USER, strict);
    let (each, cpu) = meter.each(tally.accepted);
    let resident = gateway.data_plane().resident;
    let after = counted(double);
    assert_eq!(
        after.1 > of_http2,
        offer == Offer::Both,
        "the version of HTTP is not the one to be measured"
    );
    let calls = number(after.0 - calls) / number(tally.accepted.max(1));
    drop(gateway);
    // Over HTTP/1.1 rlm_rest of FreeRADIUS 3.2.1 rejected most logins; this is its better side.
    let (peer, _, text) = bench.freeradius(Behind::Rest(&bench.http2), USER);
    vec![Row {
        work: format!("auto login, instant factor, {version}"),
        figure: format!(
            "{}/s, {cpu}, {calls:.1} signed calls, {} RSS{tally}{}",
            count(tally.rate()),
            mib(resident),
            violations(double)
        ),
        peer: format!("{text}, 1 call"),
        ratio: Some(tally.rate() / peer),
        budget: ">= FreeRADIUS + rlm_rest, <= 200 us CPU".to_owned(),
        verdict: Verdict::of(&[
            tally.is_clean(),
            tally.rate() >= peer,
            each <= Duration::from_micros(200),
            double::read(&double.counts.violations) == 0,
        ]),
    }]
}

fn ldap(bench: &Bench) -> Vec<Row> {
    let gateway = bench.gateway();
    let load = bench.load(gateway.doors.ldap, 2, 64);
    bench.logins(warm(load), EXEMPT, strict);
    let meter = gateway.meter();
    let tally = bench.logins(load, EXEMPT, strict);
    let (each, cpu) = meter.each(tally.accepted);
    drop(gateway);
    let (peer, peer_cpu, text) = bench.freeradius(Behind::Ldap(&bench.slapd), EXEMPT);
    vec![Row {
        work: "auto login, LDAP primary, exempt user".to_owned(),
        figure: format!("{}/s, {cpu}{tally}", count(tally.rate())),
        peer: text,
        ratio: Some(tally.rate() / peer),
        budget: ">= FreeRADIUS + rlm_ldap, <= 0.7 of its CPU".to_owned(),
        verdict: Verdict::of(&[
            tally.is_clean(),
            tally.rate() >= peer,
            each <= peer_cpu.mul_f64(0.7),
        ]),
    }]
}

fn failover(bench: &Bench, how: Away) -> Vec<Row> {
    let pace = match bench.quick {
        true => failover::Pace::QUICK,
        false => failover::Pace::FULL,
    };
    let mut directories = Directories::start();
    let doors = Doors::reserve();
    let config = failover_config(bench.folder.path(), doors.ldap, &bench.http2, &directories);
    let gateway = Gateway::with(doors, &config);
    let seen = failover::run(doors.ldap, strict, &mut directories, how, pace);
    drop(gateway);
    let peer = freeradius(Behind::Redundant(&directories));
    let theirs = failover::run(peer.address, lenient, &mut directories, how, pace);
    let limit = match how {
        Away::Killed => Duration::from_millis(100),
        Away::Silent => DIRECTORY_TIMEOUT + Duration::from_millis(500),
    };
    vec![Row {
        work: format!("LDAP logins, host 1 of 2 {how}"),
        figure: seen.to_string(),
        peer: format!("FreeRADIUS {theirs}"),
        ratio: None,
        budget: format!(
            "none lost, first login < {}, p99 while away < 0.1 s, asked again < 15 s",
            span(limit)
        ),
        verdict: Verdict::of(&[
            seen.tally.is_clean(),
            seen.first.is_some_and(|first| first < limit),
            seen.away.quantile(990) < Duration::from_millis(100),
            seen.again
                .is_some_and(|again| again < Duration::from_secs(15)),
        ]),
    }]
}

fn burst(bench: &Bench, logins: usize, seconds: u64) -> Vec<Row> {
    let gateway = bench.gateway();
    let before = double::read(&bench.http2.counts.logins);
    let meter = gateway.meter();
    let push = Duration::from_secs(seconds);
    let burst = Burst {
        to: gateway.doors.http2,
        name: format!("p{}", push.as_millis()),
        logins,
        pace: None,
        resend: NAS_RESEND,
        patience: PATIENCE,
    };
    let tally = burst::start(burst, strict).join().unwrap();
    let (_, cpu) = meter.each(tally.accepted);
    let pushes = double::read(&bench.http2.counts.logins) - before;
    let peak = gateway.data_plane().peak;
    // 5 s: half a second above; 2 s: a second.
    let limit = push
        + match seconds {
            5 => Duration::from_millis(500),
            _ => Duration::from_secs(1),
        };
    vec![Row {
        work: format!(
            "{} logins in one moment, {seconds} s push",
            count(number(logins))
        ),
        figure: format!(
            "{} answered, {}, {cpu}, {} peak RSS, {} pushes{tally}",
            count(number(tally.accepted)),
            tally.latencies,
            mib(peak),
            count(number(pushes))
        ),
        peer: String::new(),
        ratio: None,
        budget: format!("all, p99 < {:.1} s, one push each", limit.as_secs_f64()),
        verdict: Verdict::of(&[
            tally.is_clean(),
            tally.latencies.quantile(990) < limit,
            pushes == logins,
        ]),
    }]
}

/// What is held at a time, over which version of HTTP.
struct Crowd {
    people: usize,
    offer: Offer,
    /// New logins a second while it gathers.
    pace: u32,
    /// The budget of one who waits, in octets.
    octets: u64,
}

fn pending(bench: &Bench) -> Vec<Row> {
    let crowd = |people, offer, pace, octets| Crowd {
        people,
        offer,
        pace,
        octets,
    };
    let crowds = match bench.quick {
        true => vec![
            crowd(2_000, Offer::Both, 2_000, 10_000),
            crowd(1_000, Offer::Http1, 1_000, 30_000),
        ],
        false => vec![
            crowd(10_000, Offer::Both, 2_000, 10_000),
            crowd(20_000, Offer::Both, 2_000, 10_000),
            crowd(15_000, Offer::Http1, 1_000, 30_000),
        ],
    };
    crowds.iter().map(|crowd| gather(bench, crowd)).collect()
}

fn gather(bench: &Bench, crowd: &Crowd) -> Row {
    let gateway = bench.gateway();
    let (door, double, version) = match crowd.offer {
        Offer::Both => (gateway.doors.http2, &bench.http2, "HTTP/2"),
        Offer::Http1 => (gateway.doors.http1, &bench.http1, "HTTP/1.1"),
    };
    double.hold();
    let few = Load {
        duration: Duration::from_secs(2),
        ..bench.load(door, 1, 2)
    };
    let idle = bench.logins(few, USER, strict).latencies.quantile(990);
    let before = gateway.data_plane().anonymous;
    let pushes = double::read(&double.counts.logins);
    let connections = double::read(&double.counts.connections);
    let crowd_waits = start_crowd(crowd, door);
    let held = clock::poll(PATIENCE, || {
        all_wait(&double.counts.held, crowd.people) || crowd_waits.is_finished()
    });
    let waiting = double::read(&double.counts.held);
    let octets = (gateway.data_plane().anonymous.saturating_sub(before))
        .checked_div(waiting.max(1).try_into().unwrap_or(u64::MAX))
        .unwrap_or_default();
    let connections = double::read(&double.counts.connections) - connections;
    // The last few are still on their way to their first poll.
    let all_out = clock::poll(PATIENCE, || {
        double::read(&double.counts.logins) - pushes >= crowd.people
    });
    let pushes = double::read(&double.counts.logins) - pushes;
    let busy = bench.logins(few, USER, strict);
    let busy_p99 = busy.latencies.quantile(990);
    double.release();
    let tally = crowd_waits.join().unwrap();
    Row {
        work: format!("{} pending pushes, {version}", count(number(crowd.people))),
        figure: format!(
            "{} held at once on {} connections, {:.1} KB each, {} answered{tally}, \
             new logins p99 {} (idle {}){busy}",
            count(number(waiting)),
            count(number(connections)),
            f64::from(u32::try_from(octets).unwrap_or(u32::MAX)) / 1000.0,
            count(number(tally.accepted)),
            span(busy_p99),
            span(idle)
        ),
        peer: String::new(),
        ratio: None,
        budget: format!(
            "all, < {} KB each, new logins' p99 < 2 x idle",
            crowd.octets / 1000
        ),
        verdict: Verdict::of(&[
            held,
            tally.is_clean(),
            busy.is_clean(),
            all_out && pushes == crowd.people,
            octets < crowd.octets,
            busy_p99 < 2 * idle,
        ]),
    }
}

fn start_crowd(crowd: &Crowd, to: std::net::SocketAddr) -> JoinHandle<Tally> {
    let burst = Burst {
        to,
        name: "hold".to_owned(),
        logins: crowd.people,
        pace: Some(crowd.pace),
        resend: Duration::from_secs(30),
        patience: Duration::from_secs(110),
    };
    burst::start(burst, strict)
}

/// A poll that ended is asked again at once, so that a few are always on their way.
fn all_wait(held: &AtomicUsize, people: usize) -> bool {
    double::read(held) >= people - people / 500
}

fn start(bench: &Bench) -> Vec<Row> {
    let integrations = if bench.quick { 100 } else { 1000 };
    let config = many(bench.folder.path(), integrations, &bench.http2);
    let begin = clock::now();
    let mut gateway = Start::with(&config).ready();
    let first = clock::now().saturating_duration_since(begin);
    gateway.stop();
    let begin = clock::now();
    gateway.restart();
    let again = clock::now().saturating_duration_since(begin);
    let roles: u64 = usage::family(gateway.pid())
        .iter()
        .map(|(_, pid)| usage::of(*pid).resident)
        .sum();
    let limit = Duration::from_millis(300);
    vec![Row {
        work: format!(
            "start to ready, {} integrations",
            count(number(integrations))
        ),
        figure: format!(
            "{} the first time, {} again, {} RSS of all roles",
            span(first),
            span(again),
            mib(roles)
        ),
        peer: String::new(),
        ratio: None,
        budget: "< 0.3 s".to_owned(),
        verdict: Verdict::of(&[first < limit, again < limit]),
    }]
}

pub(crate) fn repeat<S>(lanes: usize, script: impl Fn() -> S) -> Vec<S> {
    (0..lanes).map(|_| script()).collect()
}

/// The same load, only as long as it takes to open connections and fill caches.
pub(crate) fn warm(load: Load) -> Load {
    Load {
        duration: Duration::from_millis(300),
        ..load
    }
}

fn counted(double: &Double) -> (usize, usize) {
    let counts = &double.counts;
    (double::read(&counts.requests), double::read(&counts.http2))
}

pub(crate) fn violations(double: &Double) -> String {
    match double::read(&double.counts.violations) {
        0 => String::new(),
        wrong => format!(", {} wrong signatures", count(number(wrong))),
    }
}

pub(crate) fn mib(octets: u64) -> String {
    format!("{} MiB", octets >> 20)
}

/// Octets as people read them, when there are many.
pub(crate) fn gib(octets: u64) -> String {
    let tenths = octets * 10 / (1 << 30);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

/// A user who has a second factor.
pub(crate) const USER: &str = "u02";
pub(crate) const DISCARDS: &str = "countersign_radius_discards_total";
/// As a NAS that is set to repeat soon.
const NAS_RESEND: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
