//! Half the load that the machine can do, for a long time, with a new configuration every ten seconds:
//! memory and open files must come to rest, and no login may be lost. `bench/run soak`, an hour; other
//! lengths by `SOAK_SECONDS`.

use std::{
    env, fs, thread,
    time::{Duration, Instant},
};

use e2e::clock;

use crate::{
    burst::{self, Burst},
    gateway::Gateway,
    peers::strict,
    report::{Row, Verdict},
    scenarios::{Bench, USER, mib, warm},
    statistics::{Latencies, count, number, span},
    tally::Tally,
};

/// One look at the gateway's processes.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Duration,
    octets: u64,
    files: usize,
}

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let length = env::var("SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let length = Duration::from_secs(length.unwrap_or(if bench.quick { 30 } else { 3_600 }));
    let gateway = bench.gateway();
    let door = gateway.doors.http2;
    let config = fs::read_to_string(gateway.config()).unwrap();
    let load = bench.load(door, 2, 64);
    bench.logins(warm(load), USER, strict);
    let full = bench.logins(load, USER, strict).rate();
    let pace = format!("{:.0}", (full / 2.0).clamp(10.0, 1e6))
        .parse::<u32>()
        .unwrap();
    let begin = clock::now();
    let logins = thread::spawn(move || paced(door, pace, begin, length));
    let mut looks = Vec::new();
    let mut reloads = 0;
    while !logins.is_finished() {
        if clock::poll(EVERY, || logins.is_finished()) {
            break;
        }
        reloads += 1;
        // Each is another configuration: an exempt user who never logs in.
        gateway.rewrite(&config.replacen(
            "exempt_username_1=",
            &format!("exempt_username_2=reload{reloads}\nexempt_username_1="),
            1,
        ));
        looks.push(look(&gateway, begin));
    }
    let tally = logins.join().unwrap();
    let served = gateway.settled("countersign_config_applies_total");
    // The first quarter fills caches, whose sizes are bounded.
    let (_, rest) = looks.split_at(looks.len() / 4);
    let slope = slope(rest);
    let [first, last] = [rest.first(), rest.last()].map(|one| one.copied().unwrap());
    let an_hour = slope * 3_600.0;
    vec![Row {
        work: format!(
            "soak, {} at half load, a reload each {}",
            span(length),
            span(EVERY)
        ),
        figure: format!(
            "{} logins at {pace}/s, p99 of each second {}{tally}; {} reloads; data plane {} to {}, slope {:+.2} MiB an hour; \
             {} to {} files open",
            count(number(tally.accepted)),
            tally.latencies,
            served,
            mib(first.octets),
            mib(last.octets),
            an_hour / f64::from(1 << 20),
            first.files,
            last.files,
        ),
        peer: String::new(),
        ratio: None,
        budget: "none lost, < 4 MiB an hour or what caches may hold, files within 16".to_owned(),
        verdict: Verdict::of(&[
            tally.is_clean(),
            served > reloads / 2,
            an_hour < f64::from(4 << 20),
            last.files <= first.files + 16,
        ]),
    }]
}

/// Bursts of one second, one after the other, so that no more is kept here than one of them.
fn paced(door: std::net::SocketAddr, pace: u32, begin: Instant, length: Duration) -> Tally {
    let mut total = Tally::default();
    let mut worst = Vec::new();
    while clock::now() < begin + length {
        let burst = Burst {
            to: door,
            name: "soak".to_owned(),
            logins: usize::try_from(pace).unwrap(),
            pace: Some(pace),
            resend: Duration::from_secs(2),
            patience: Duration::from_secs(20),
        };
        let mut tally = burst::start(burst, strict).join().unwrap();
        let latencies = std::mem::take(&mut tally.latencies);
        worst.push(latencies.quantile(990));
        total.add(tally);
    }
    total.latencies = Latencies::new(worst);
    total
}

fn look(gateway: &Gateway, begin: Instant) -> Look {
    Look {
        at: clock::now().saturating_duration_since(begin),
        octets: gateway.data_plane().resident,
        files: gateway.open_files(),
    }
}

/// Octets a second, of the line nearest to all (least squares).
fn slope(looks: &[Look]) -> f64 {
    let points: Vec<(f64, f64)> = looks
        .iter()
        .map(|one| {
            (
                one.at.as_secs_f64(),
                number(usize::try_from(one.octets).unwrap()),
            )
        })
        .collect();
    let count = number(points.len().max(1));
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|one| one.0), mean(|one| one.1));
    let spread: f64 = points.iter().map(|one| (one.0 - x).powi(2)).sum();
    let both: f64 = points.iter().map(|one| (one.0 - x) * (one.1 - y)).sum();
    if spread > 0.0 { both / spread } else { 0.0 }
}

/// Between two reloads.
const EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(octets: &[u64]) -> Vec<Look> {
        let look = |(second, octets): (u64, &u64)| Look {
            at: Duration::from_secs(second),
            octets: *octets,
            files: 0,
        };
        (0..).zip(octets).map(look).collect()
    }

    #[test]
    fn a_slope_is_that_of_the_nearest_line() {
        for (octets, want) in [
            (&[5, 7, 9, 11][..], 2.0),
            (&[9, 9, 9], 0.0),
            (&[10, 0, 10, 0], -2.0),
            (&[7], 0.0),
            (&[], 0.0),
        ] {
            assert!((slope(&looks(octets)) - want).abs() < 1e-9, "{octets:?}");
        }
    }
}
