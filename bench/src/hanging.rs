//! What one user's trouble is to the others: a second factor that never answers for one login in ten, and
//! devices that send again sooner than a person decides, at growing load.

use std::time::Duration;

use crate::{
    burst::{self, Burst},
    double,
    peers::strict,
    report::{Row, Verdict},
    scenarios::Bench,
    statistics::{count, number, span},
};

/// The same logins beside none, and beside a ninth as many more for which the second factor hangs.
pub(crate) fn hanging(bench: &Bench) -> Vec<Row> {
    let seconds = if bench.quick { 3 } else { 20 };
    let gateway = bench.gateway();
    let others = |name: &str| Burst {
        to: gateway.doors.http2,
        name: name.to_owned(),
        logins: usize::try_from(PACE).unwrap() * seconds,
        pace: Some(PACE),
        resend: Duration::from_secs(5),
        patience: Duration::from_secs(30),
    };
    let paced = |name: &str| burst::start(others(name), strict);
    // Connections are open then.
    drop(
        burst::start(
            Burst {
                logins: 200,
                ..others("warm")
            },
            strict,
        )
        .join(),
    );
    let alone = paced("alone").join().unwrap();
    bench.http2.hold();
    let hanging = Burst {
        name: "hang".to_owned(),
        logins: (usize::try_from(PACE).unwrap() * seconds).div_ceil(9),
        pace: Some(PACE / 9),
        ..others("hang")
    };
    let hung = burst::start(hanging, strict);
    let beside = paced("beside").join().unwrap();
    let held = double::read(&bench.http2.counts.held);
    bench.http2.release();
    let hung = hung.join().unwrap();
    let (p99, of_rest) = (
        alone.latencies.quantile(990),
        beside.latencies.quantile(990),
    );
    vec![Row {
        work: "logins while the second factor hangs for one in ten".to_owned(),
        figure: format!(
            "{} of the rest, {}{beside}; {} hung, {} at once at the end",
            count(number(beside.accepted)),
            beside.latencies,
            count(number(hung.sent)),
            count(number(held)),
        ),
        peer: format!("alone {}{alone}", alone.latencies),
        ratio: Some(of_rest.as_secs_f64() / p99.as_secs_f64().max(f64::EPSILON)),
        budget: format!(
            "none of the rest lost, p99 < 1.25 x alone or {} more",
            span(CLOSE)
        ),
        verdict: Verdict::of(&[
            alone.is_clean(),
            beside.is_clean(),
            held > 0,
            of_rest < p99.mul_f64(1.25).max(p99 + CLOSE),
        ]),
    }]
}

/// Bursts of growing size, of people who take two seconds; each device sends again every 300 ms.
pub(crate) fn retransmissions(bench: &Bench) -> Vec<Row> {
    let sizes: &[usize] = match bench.quick {
        true => &[10, 100, 1_000],
        false => &[10, 100, 1_000, 5_000, 10_000],
    };
    let row = |logins: usize| {
        let gateway = bench.gateway();
        let before = double::read(&bench.http2.counts.logins);
        let burst = Burst {
            to: gateway.doors.http2,
            name: "p2000".to_owned(),
            logins,
            pace: None,
            resend: Duration::from_millis(300),
            patience: Duration::from_secs(60),
        };
        let tally = burst::start(burst, strict).join().unwrap();
        // Whatever came of a repeat would have come by now: its login was answered.
        let pushes = double::read(&bench.http2.counts.logins) - before;
        Row {
            work: format!("{} logins, sent again each 300 ms", count(number(logins))),
            figure: format!(
                "{} answered, {} pushes, {}{tally}",
                count(number(tally.accepted)),
                count(number(pushes)),
                tally.latencies
            ),
            peer: String::new(),
            ratio: None,
            budget: "all, one push each".to_owned(),
            verdict: Verdict::of(&[tally.is_clean(), tally.resent >= logins, pushes == logins]),
        }
    };
    sizes.iter().copied().map(row).collect()
}

/// Logins a second of the rest: far from what the machine can do, so that a queue is nobody's fault.
const PACE: u32 = 270;
/// What two runs may differ by on a machine that is shared.
const CLOSE: Duration = Duration::from_millis(1);
