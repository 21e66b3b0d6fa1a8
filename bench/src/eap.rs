//! Mode `eap`: what a login by PEAP costs, beside what it costs others; and what half-open handshakes
//! do to everybody else.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use e2e::{
    clock,
    peers::{
        Hostapd,
        supplicant::{Session, Step, TlsRange},
    },
};
use nix::unistd::Pid;

use crate::{
    closed::Load,
    gateway::{Gateway, per},
    handshakes::{self, Flooded},
    peap,
    peers::{Behind, Doors, Key, SECRET, eap_config, freeradius, strict},
    report::{Row, Verdict},
    scenarios::{Bench, DISCARDS, USER, mib, warm},
    statistics::{Latencies, count, number, span},
    tally::Tally,
    usage,
};

/// Whole logins, a row for each key and version of TLS.
pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let upstream = freeradius(Behind::Users);
    let gateway = gateway(bench, upstream.address);
    let mut rows = Vec::new();
    for key in Key::ALL {
        let theirs = freeradius(Behind::Peap(key));
        for (tls, version) in [(TlsRange::Only13, "1.3"), (TlsRange::Only12, "1.2")] {
            let ours = login(bench, &gateway, key, tls);
            let hostapd = Hostapd::start_with(FRAGMENT_OCTETS, key.identity());
            let hostapd_logins = PeerLogins {
                name: "hostapd",
                to: hostapd.address,
                secret: e2e::peers::SECRET,
                pid: hostapd.pid(),
                most: HOSTAPD_LOGINS,
            };
            let freeradius = PeerLogins {
                name: "FreeRADIUS",
                to: theirs.address,
                secret: SECRET,
                pid: theirs.pid(),
                most: usize::MAX,
            };
            let (peer, text) = hostapd_logins.measure(bench, tls);
            let (_, other) = freeradius.measure(bench, tls);
            let limit = budget(key);
            rows.push(Row {
                work: format!("PEAP-GTC login, {key}, TLS {version}"),
                figure: ours.text,
                peer: format!("{text}; {other}"),
                ratio: None,
                budget: format!("<= {} CPU, <= hostapd's", span(limit)),
                verdict: Verdict::of(&[ours.clean, ours.cpu <= limit, ours.cpu <= peer]),
            });
        }
    }
    rows
}

/// What a login may cost.
const fn budget(key: Key) -> Duration {
    Duration::from_micros(match key {
        Key::P256 => 400,
        Key::Rsa2048 => 1_000,
    })
}

struct Ours {
    text: String,
    cpu: Duration,
    clean: bool,
}

fn login(bench: &Bench, gateway: &Gateway, key: Key, tls: TlsRange) -> Ours {
    let (to, peer) = (gateway.doors.eap(key), peap::peer(tls, SECRET));
    peap::run(&peer, to, LANES, WARM, usize::MAX);
    let threads = gateway.eap_threads();
    let meter = gateway.meter();
    let tally = peap::run(&peer, to, LANES, bench.phase(), usize::MAX);
    let (cpu, text) = meter.each(tally.accepted);
    let threads = per(
        gateway.eap_threads().saturating_sub(threads),
        tally.accepted,
    );
    Ours {
        text: format!(
            "{}/s, {text}, {} of it for EAP{tally}",
            count(tally.rate()),
            span(threads)
        ),
        cpu,
        clean: tally.is_clean(),
    }
}

/// The same logins at another server.
struct PeerLogins {
    name: &'static str,
    to: SocketAddr,
    secret: &'static str,
    pid: Pid,
    /// Logins that are measured at the most.
    most: usize,
}

impl PeerLogins {
    fn measure(&self, bench: &Bench, tls: TlsRange) -> (Duration, String) {
        let peer = peap::peer(tls, self.secret);
        peap::run(&peer, self.to, LANES, WARM, self.most / 4);
        let before = usage::of(self.pid).cpu;
        let tally = peap::run(&peer, self.to, LANES, bench.phase(), self.most);
        let cpu = per(
            usage::of(self.pid).cpu.saturating_sub(before),
            tally.accepted,
        );
        let text = format!(
            "{} {}/s, {} CPU{tally}",
            self.name,
            count(tally.rate()),
            span(cpu)
        );
        (cpu, text)
    }
}

/// Auto-mode logins alone, beside a flood of handshakes, and beside the same flood of a stranger's.
pub(crate) fn floods(bench: &Bench) -> Vec<Row> {
    Key::ALL.iter().map(|key| flood(bench, *key)).collect()
}

fn flood(bench: &Bench, key: Key) -> Row {
    let upstream = freeradius(Behind::Users);
    let gateway = gateway(bench, upstream.address);
    let load = bench.load(gateway.doors.http2, 2, WORKERS / 2);
    let to = gateway.doors.eap(key);
    bench.logins(warm(load), USER, strict);
    let alone = bench.logins(load, USER, strict);
    let (strange, _) = beside(bench, load, STRANGER, to, |_| Tally::default());
    let resident = gateway.data_plane().resident;
    let discards = gateway.settled(DISCARDS);
    let under_way = sessions(to);
    let people = under_way.len();
    let threads = gateway.eap_threads();
    let client = Ipv4Addr::LOCALHOST.into();
    let (auto, flooded) = beside(bench, load, client, to, |half_open| {
        finish(under_way, half_open)
    });
    let threads = gateway.eap_threads().saturating_sub(threads);
    let after = gateway.data_plane();
    let discards = gateway.settled(DISCARDS) - discards;
    let refused = gateway.settled(REFUSED);
    Row {
        work: format!("auto logins, flood of PEAP handshakes, {key}"),
        figure: format!(
            "{} (alone {}); {flooded_text}, {} refused by name, {} discarded, EAP threads {}, \
             {} RSS ({} before); {} of {people} PEAP logins under way accepted, {}{}",
            rate(&auto.tally),
            rate(&alone),
            count(number(refused)),
            count(number(discards)),
            cores(threads, flooded.elapsed),
            mib(after.resident),
            mib(resident),
            auto.under_way.accepted,
            auto.under_way.latencies,
            auto.under_way,
            flooded_text = flood_text(&flooded),
        ),
        peer: format!(
            "beside as many names of an unknown client: {}",
            rate(&strange.tally)
        ),
        ratio: Some(auto.tally.rate() / alone.rate()),
        budget: ">= 0.25 of alone, none lost, p99 < 0.1 s, all under way accepted".to_owned(),
        verdict: Verdict::of(&[
            auto.tally.is_clean(),
            auto.tally.rate() >= 0.25 * alone.rate(),
            auto.tally.latencies.quantile(990) < Duration::from_millis(100),
            auto.under_way.accepted == people,
            flooded.half_open > 0,
        ]),
    }
}

struct Beside {
    tally: Tally,
    under_way: Tally,
}

/// Auto logins while a flood from this address runs, and what else is done meanwhile.
fn beside(
    bench: &Bench,
    load: Load,
    from: IpAddr,
    to: SocketAddr,
    meanwhile: impl FnOnce(&AtomicUsize) -> Tally + Send,
) -> (Beside, Flooded) {
    let (stop, half_open) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let flooding = scope.spawn(|| handshakes::run(from, to, &stop, &half_open));
        let meanwhile = scope.spawn(|| meanwhile(&half_open));
        let tally = bench.logins(load, USER, strict);
        let under_way = meanwhile.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        (Beside { tally, under_way }, flooding.join().unwrap())
    })
}

/// Logins under way: half of them amid the handshake, half asked for the password.
fn sessions(to: SocketAddr) -> Vec<(Session, Step)> {
    let peer = peap::peer(TlsRange::Only13, SECRET);
    let begin = |number: usize| {
        let mut session = peer.session(to);
        let step = match number.is_multiple_of(2) {
            true => {
                session.rounds(2);
                Step::Going
            }
            false => Step::Asked(session.until_asked()),
        };
        (session, step)
    };
    (0..UNDER_WAY).map(begin).collect()
}

/// Finishes them all at a time, once the flood has come to the server.
fn finish(sessions: Vec<(Session, Step)>, half_open: &AtomicUsize) -> Tally {
    clock::wait_until("the flood is there", Duration::from_secs(20), || {
        half_open.load(Ordering::Relaxed) >= FLOODED
    });
    let one = |(mut session, step): (Session, Step)| {
        let begin = clock::now();
        let mut tally = Tally::default();
        peap::finish(&mut session, step).tell(&mut tally);
        let took = clock::now().saturating_duration_since(begin);
        tally.latencies = Latencies::new(vec![took]);
        tally
    };
    thread::scope(|scope| {
        let logins: Vec<_> = sessions
            .into_iter()
            .map(|session| scope.spawn(move || one(session)))
            .collect();
        let mut total = Tally::default();
        for login in logins {
            total.add(login.join().unwrap());
        }
        total
    })
}

fn gateway(bench: &Bench, upstream: SocketAddr) -> Gateway {
    let doors = Doors::reserve();
    let config = eap_config(bench.folder.path(), doors, &bench.http2, upstream);
    Gateway::with(doors, &config)
}

fn rate(tally: &Tally) -> String {
    let (p50, p99) = (tally.latencies.quantile(500), tally.latencies.quantile(990));
    format!(
        "{}/s p50 {} p99 {}{tally}",
        count(tally.rate()),
        span(p50),
        span(p99)
    )
}

fn flood_text(flooded: &Flooded) -> String {
    let seconds = flooded.elapsed.as_secs_f64();
    format!(
        "in {seconds:.1} s {} names sent by {}, {} begun, {} half open ({}/s)",
        count(number(flooded.names)),
        cores(flooded.cpu, flooded.elapsed),
        count(number(flooded.begun)),
        count(number(flooded.half_open)),
        count(number(flooded.half_open) / seconds)
    )
}

/// How many cores a CPU time kept busy.
fn cores(cpu: Duration, elapsed: Duration) -> String {
    format!("{:.2} cores", cpu.as_secs_f64() / elapsed.as_secs_f64())
}

/// As the gateway cuts messages where the device says nothing of its own.
const FRAGMENT_OCTETS: u16 = 1_024;
/// It knows 1,000 logins, those that were over less than 5 s ago among them, and refuses others.
const HOSTAPD_LOGINS: usize = 700;
/// Logins at a time.
const LANES: usize = 4;
const WARM: Duration = Duration::from_millis(300);
/// Auto-mode logins at a time.
const WORKERS: usize = 16;
/// PEAP logins under way when the flood comes.
const UNDER_WAY: usize = 32;
/// So many half-open handshakes are a flood.
const FLOODED: usize = 200;
/// No client of the gateway.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const REFUSED: &str = "countersign_eap_refused_total";
