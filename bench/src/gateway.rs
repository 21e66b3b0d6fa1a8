//! The gateway while it is measured: its processes, what they use, and what it counted.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::{
    clock,
    countersign::{Countersign, Start},
    peers::Slapd,
};
use nix::{sys::signal::Signal, unistd::Pid};

use crate::{
    double::Double,
    peers::{Doors, config},
    statistics::{number, span},
    usage::{self, Usage},
};

/// A gateway of its own, just started.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) doors: Doors,
    running: Countersign,
    roles: Vec<(String, Pid)>,
}

/// The role that answers RADIUS; the budgets are about it.
const DATA_PLANE: &str = "dataplane";

impl Gateway {
    /// Starts it with an integration for each kind of work and waits until it is ready.
    pub(crate) fn start(folder: &Path, doubles: [&Double; 2], slapd: &Slapd) -> Self {
        let doors = Doors::reserve();
        Self::with(doors, &config(folder, doors, doubles, slapd))
    }

    /// Starts it with this `authproxy.cfg`, which serves the doors that are used.
    pub(crate) fn with(doors: Doors, config: &str) -> Self {
        Self::running(doors, Start::with(config))
    }

    /// As [`Gateway::start`], with an allocator that gives memory back at once: what is resident is
    /// what is kept.
    pub(crate) fn start_thrifty(folder: &Path, doubles: [&Double; 2], slapd: &Slapd) -> Self {
        let doors = Doors::reserve();
        let start = Start::with(&config(folder, doors, doubles, slapd));
        Self::running(doors, start.variable("MIMALLOC_PURGE_DELAY", "0"))
    }

    fn running(doors: Doors, start: Start) -> Self {
        let running = start.ready();
        let roles = usage::family(running.pid());
        assert!(
            roles.iter().any(|(role, _)| role == DATA_PLANE),
            "no data plane among {roles:?}"
        );
        Self {
            doors,
            running,
            roles,
        }
    }

    /// Its `authproxy.cfg`.
    pub(crate) fn config(&self) -> PathBuf {
        self.running.config()
    }

    /// Gives it another `authproxy.cfg` and has it read that.
    pub(crate) fn rewrite(&self, config: &str) {
        self.running.rewrite_config(config);
        self.running.signal(Signal::SIGHUP);
    }

    /// Files and sockets that all its processes have open.
    pub(crate) fn open_files(&self) -> usize {
        let open = |pid: &Pid| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.roles.iter().map(|(_, pid)| open(pid)).sum()
    }

    /// Begins to count CPU time.
    pub(crate) fn meter(&self) -> Meter<'_> {
        let before = self.roles.iter().map(|(_, pid)| usage::of(*pid)).collect();
        Meter {
            gateway: self,
            before,
        }
    }

    /// What the data plane uses now.
    pub(crate) fn data_plane(&self) -> Usage {
        let of_role = self.roles.iter().find(|(role, _)| role == DATA_PLANE);
        of_role.map_or_else(Usage::default, |(_, pid)| usage::of(*pid))
    }

    /// CPU time of its threads for EAP.
    pub(crate) fn eap_threads(&self) -> Duration {
        let of_role = self.roles.iter().find(|(role, _)| role == DATA_PLANE);
        of_role.map_or(Duration::ZERO, |(_, pid)| usage::of_threads(*pid, "eap-"))
    }

    /// The sum of a metric over all its labels, when it has come to rest.
    pub(crate) fn settled(&self, metric: &str) -> usize {
        let mut last = self.metric(metric);
        let mut looked = clock::now();
        clock::wait_until("the counter rests", Duration::from_secs(10), || {
            if clock::now() < looked + REST {
                return false;
            }
            looked = clock::now();
            let now = self.metric(metric);
            now == std::mem::replace(&mut last, now)
        });
        last
    }

    fn metric(&self, name: &str) -> usize {
        sum(&self.running.get("/metrics").body, name)
    }
}

/// CPU time of every role since a moment.
pub(crate) struct Meter<'a> {
    gateway: &'a Gateway,
    before: Vec<Usage>,
}

impl Meter<'_> {
    /// The data plane's for each of so many things, and a text that names the other roles' too.
    pub(crate) fn each(&self, things: usize) -> (Duration, String) {
        let mut data_plane = Duration::ZERO;
        let mut others = Duration::ZERO;
        for ((role, pid), before) in self.gateway.roles.iter().zip(&self.before) {
            let used = usage::of(*pid).cpu.saturating_sub(before.cpu);
            if role == DATA_PLANE {
                data_plane += used;
            } else {
                others += used;
            }
        }
        let each = per(data_plane, things);
        let text = format!(
            "{} CPU (other roles {})",
            span(each),
            span(per(others, things))
        );
        (each, text)
    }
}

/// A time shared among so many.
pub(crate) fn per(time: Duration, things: usize) -> Duration {
    Duration::from_secs_f64(time.as_secs_f64() / number(things.max(1)))
}

/// The sum of a metric's samples in Prometheus' text.
fn sum(metrics: &str, name: &str) -> usize {
    let samples = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split(' ').next()?.parse::<usize>().ok()
    });
    samples.sum()
}

/// A counter rests when it is the same twice, so far apart.
const REST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let metrics = "# HELP a_total text\n# TYPE a_total counter\n\
                       a_total{reason=\"x } y\"} 3\na_total{reason=\"z\"} 4\na_total_more 9\nb 1\n";
        for (name, want) in [("a_total", 7), ("a_total_more", 9), ("b", 1), ("c", 0)] {
            assert_eq!(sum(metrics, name), want, "{name}");
        }
    }

    #[test]
    fn time_is_shared() {
        assert_eq!(per(Duration::from_secs(2), 4), Duration::from_millis(500));
        assert_eq!(per(Duration::from_secs(2), 0), Duration::from_secs(2));
    }
}
