//! What a login costs as the gateway grows: with more integrations, more clients, more logins that wait.
//! Each point is a gateway of its own under the same load of PAP logins that wait for nobody, and gives its
//! CPU time for each, the latency at a load that makes no queue, and the memory. A plot each goes to the
//! folder `BENCH_PLOTS`, or where that is not set to `docs/src/performance`; with `--quick` nowhere.

use std::{
    env,
    fmt::Write,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use e2e::{clock, ports};

use crate::{
    burst::{self, Burst},
    closed::Load,
    double,
    gateway::Gateway,
    peers::{Doors, EXEMPT, SECRET, integration, main_section, strict},
    plot::Plot,
    report::{Row, Verdict},
    scenarios::{Bench, mib, warm},
    statistics::{count, number, span},
};

struct Point {
    size: usize,
    cpu: Duration,
    p99: Duration,
    resident: u64,
}

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let sizes = |all: &[usize], quick: &[usize]| match bench.quick {
        true => quick.to_vec(),
        false => all.to_vec(),
    };
    let mut rows = Vec::new();
    let mut kind = |name: &str, sizes: Vec<usize>, of: fn(&Bench, usize) -> Point| {
        let points: Vec<Point> = sizes.iter().map(|size| of(bench, *size)).collect();
        rows.push(row(name, &points));
        if !bench.quick {
            plot(name, &points);
        }
    };
    kind(
        "integrations",
        sizes(&[1, 10, 100, 1_000, 10_000], &[1, 100]),
        integrations,
    );
    kind(
        "clients",
        sizes(&[1, 10, 100, 1_000, 10_000, 100_000], &[1, 1_000]),
        clients,
    );
    kind(
        "logins in flight",
        sizes(&[1, 10, 100, 1_000, 10_000, 20_000], &[1, 500]),
        in_flight,
    );
    rows
}

fn row(name: &str, points: &[Point]) -> Row {
    let mut figure = String::new();
    for point in points {
        if !figure.is_empty() {
            figure += "; ";
        }
        write!(
            figure,
            "{}: {} CPU, p99 {}, {}",
            count(number(point.size)),
            span(point.cpu),
            span(point.p99),
            mib(point.resident)
        )
        .unwrap();
    }
    let (first, last) = (&points[0], &points[points.len() - 1]);
    Row {
        work: format!("a login beside more {name}"),
        figure,
        peer: String::new(),
        ratio: Some(last.cpu.as_secs_f64() / first.cpu.as_secs_f64().max(f64::EPSILON)),
        budget: "CPU < 1.5 x that of the first".to_owned(),
        verdict: Verdict::of(&[last.cpu < first.cpu.mul_f64(1.5)]),
    }
}

fn plot(name: &str, points: &[Point]) {
    let folder =
        env::var_os("BENCH_PLOTS").map_or_else(|| "docs/src/performance".into(), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    let micros: Vec<(f64, f64)> = points
        .iter()
        .map(|one| (number(one.size), one.cpu.as_secs_f64() * 1e6))
        .collect();
    let svg = Plot {
        title: &format!("CPU time of a login, beside more {name}"),
        across: name,
        up: "microseconds",
        points: &micros,
    }
    .svg();
    let file = format!("growth-{}.svg", name.replace(' ', "-"));
    fs::write(folder.join(file), svg).unwrap();
}

/// Measures what this gateway takes for a login at this door.
fn measured(bench: &Bench, gateway: &Gateway, door: SocketAddr, size: usize) -> Point {
    let load = bench.load(door, 2, 64);
    bench.logins(warm(load), EXEMPT, strict);
    let meter = gateway.meter();
    let tally = bench.logins(load, EXEMPT, strict);
    assert!(tally.is_clean(), "{size}: {tally}");
    let (cpu, _) = meter.each(tally.accepted);
    let few = Load {
        lanes: 1,
        window: 2,
        ..load
    };
    Point {
        size,
        cpu,
        p99: bench.logins(few, EXEMPT, strict).latencies.quantile(990),
        resident: gateway.data_plane().resident,
    }
}

/// Each on an address of its own; the last one is asked.
fn integrations(bench: &Bench, size: usize) -> Point {
    let port = ports::free_udp();
    let door = |number: usize| {
        let [.., high, low] = number.to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(127, 77, high, low), port))
    };
    let mut text = main_section(bench.folder.path()) + "[duo_only_client]\n\n";
    for number in 1..=size {
        let section = format!("radius_server_auto{number}");
        text += &integration(&section, door(number), &bench.http2.host, "duo_only_client");
        writeln!(text, "exempt_username_1={EXEMPT}\n").unwrap();
    }
    let gateway = Gateway::with(Doors::reserve(), &text);
    measured(bench, &gateway, door(size), size)
}

/// Each with an address of its own; the first is the one that asks.
fn clients(bench: &Bench, size: usize) -> Point {
    let doors = Doors::reserve();
    let mut text = main_section(bench.folder.path()) + "[duo_only_client]\n\n";
    text += &integration(
        "radius_server_auto",
        doors.http2,
        &bench.http2.host,
        "duo_only_client",
    );
    for number in 2..=size {
        let [.., a, b, c] = number.to_be_bytes();
        writeln!(
            text,
            "radius_ip_{number}=10.{a}.{b}.{c}\nradius_secret_{number}={SECRET}"
        )
        .unwrap();
    }
    writeln!(text, "exempt_username_1={EXEMPT}\n").unwrap();
    let gateway = Gateway::with(doors, &text);
    measured(bench, &gateway, doors.http2, size)
}

/// As many people look at their phones meanwhile.
fn in_flight(bench: &Bench, size: usize) -> Point {
    let gateway = bench.gateway();
    let door = gateway.doors.http2;
    bench.http2.hold();
    let crowd = Burst {
        to: door,
        name: "hold".to_owned(),
        logins: size,
        pace: Some(2_000),
        resend: Duration::from_secs(30),
        patience: Duration::from_secs(110),
    };
    let crowd = burst::start(crowd, strict);
    // A poll that ended is asked again at once, so that a few are always on their way.
    clock::wait_until("all of them wait", Duration::from_secs(60), || {
        double::read(&bench.http2.counts.held) >= size - size / 500
    });
    let point = measured(bench, &gateway, door, size);
    bench.http2.release();
    let tally = crowd.join().unwrap();
    assert!(tally.is_clean(), "{size}: {tally}");
    point
}
