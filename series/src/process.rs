//! What every process has: its version, age, processor time, memory, open files, lost lines of logs.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;
use prometheus::{Counter, Error, IntCounterVec, IntGauge};
use proto::metric::LogSink;
use proto::metric::process::{
    BUILD_INFO, CPU, LOG_LINES_LOST, MAX_FDS, OPEN_FDS, RESIDENT_MEMORY, START_TIME, THREADS,
    UPTIME,
};

use crate::Maker;

/// Its series, and what they are made of.
#[derive(Debug)]
pub(crate) struct Process {
    began: Instant,
    uptime: IntGauge,
    open_fds: IntGauge,
    max_fds: IntGauge,
    resident_memory: IntGauge,
    threads: IntGauge,
    lines_lost: IntCounterVec,
    /// One at a time: a counter has no way to be set.
    cpu: Mutex<Counter>,
}

impl Process {
    pub(crate) fn new(make: &mut Maker) -> Result<Self, Error> {
        let (began, unix_s) = clock();
        make.gauges(&BUILD_INFO)?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        make.gauge(&START_TIME)?.set(unix_s);
        Ok(Self {
            began,
            uptime: make.gauge(&UPTIME)?,
            open_fds: make.gauge(&OPEN_FDS)?,
            max_fds: make.gauge(&MAX_FDS)?,
            resident_memory: make.gauge(&RESIDENT_MEMORY)?,
            threads: make.gauge(&THREADS)?,
            lines_lost: make.counters(&LOG_LINES_LOST)?,
            cpu: Mutex::new(make.fractions(&CPU)?),
        })
    }

    /// Asks the system. What it does not say stays as it was.
    pub(crate) fn refresh(&self) {
        let up = clock().0.saturating_duration_since(self.began).as_secs();
        self.uptime.set(number(up));
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // One of them is the folder itself.
            let open = files.count().saturating_sub(1);
            self.open_fds.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            self.max_fds.set(number(soft));
        }
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            if let Some(kibioctets) = field(&status, "VmRSS:") {
                self.resident_memory
                    .set(number(kibioctets.saturating_mul(1_024)));
            }
            if let Some(threads) = field(&status, "Threads:") {
                self.threads.set(number(threads));
            }
        }
        let cpu = self.cpu.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let spent = seconds(usage.user_time()) + seconds(usage.system_time());
            cpu.inc_by((spent - cpu.get()).max(0.0));
        }
        for sink in LogSink::ALL {
            let counter = self.lines_lost.with_label_values(&[sink.as_str()]);
            counter.inc_by(sink.lost().saturating_sub(counter.get()));
        }
    }
}

/// A number of `/proc/self/status`: `VmRSS:     1234 kB`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn seconds(time: TimeVal) -> f64 {
    let micros = u32::try_from(time.tv_usec()).unwrap_or(0);
    let whole = u32::try_from(time.tv_sec()).unwrap_or(u32::MAX);
    f64::from(whole) + f64::from(micros) / 1e6
}

fn number(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

/// The monotonic clock, and seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads them"
)]
fn clock() -> (Instant, i64) {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    (
        Instant::now(),
        number(since_1970.unwrap_or_default().as_secs()),
    )
}

#[cfg(test)]
mod tests {
    use proto::metric::Table;

    use super::*;

    #[test]
    fn the_system_is_understood() {
        let status = "Name:\tcountersign\nVmHWM:\t  99 kB\nVmRSS:\t    1234 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(1_234));
        assert_eq!(field(status, "Threads:"), Some(7));
        assert_eq!(field(status, "VmSwap:"), None);
        assert_eq!(field("VmRSS:\tmuch\n", "VmRSS:"), None);
    }

    #[test]
    fn a_process_is_shown_under_its_role_as_it_is_now() {
        const NOTHING: Table = Table {
            title: "Nothing",
            metrics: &[],
        };
        let series = Maker::new("supervisor", NOTHING).unwrap().finish().unwrap();
        let value = |name: &str| {
            let text = series.text().unwrap();
            let start = format!("countersign_process_{name}{{role=\"supervisor\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&*start));
            value
                .unwrap_or_else(|| panic!("{name}: {text}"))
                .parse::<f64>()
                .unwrap()
        };
        let before = value("open_fds");
        let held: Vec<_> = (0..20)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        assert!(value("open_fds") >= before + 20.0 - 5.0, "{before}");
        drop(held);
        assert!(value("max_fds") >= before);
        assert!(value("resident_memory_bytes") > 100_000.0);
        assert!(value("threads") >= 1.0);
        assert!(value("start_time_seconds") > 1.7e9);
        assert!((0.0..3_600.0).contains(&value("uptime_seconds")));
        let spent = value("cpu_seconds_total");
        assert!(spent >= 0.0 && value("cpu_seconds_total") >= spent);
        LogSink::File.lose(3);
        let text = series.text().unwrap();
        for sample in [
            r#"countersign_log_lines_lost_total{role="supervisor",sink="file"} 3"#,
            r#"countersign_log_lines_lost_total{role="supervisor",sink="syslog"} 0"#,
            r#"countersign_build_info{role="supervisor",version=""#,
        ] {
            assert!(text.contains(sample), "{sample}: {text}");
        }
    }
}
