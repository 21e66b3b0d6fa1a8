//! What a process used, as the kernel counts it. CPU time is the steadiest figure on a machine
//! that is shared: others take its time, not its work.

use std::{fs, path::Path, time::Duration};

use nix::unistd::{Pid, SysconfVar, sysconf};

/// CPU time and memory of one process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time since its start.
    pub(crate) cpu: Duration,
    /// Resident memory, in octets.
    pub(crate) resident: u64,
    /// The most that was ever resident, in octets.
    pub(crate) peak: u64,
    /// Resident memory that no file backs, in octets: what it allocated.
    pub(crate) anonymous: u64,
}

/// Reads it; all zero when there is no such process.
pub(crate) fn of(pid: Pid) -> Usage {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let status = read("status");
    Usage {
        cpu: cpu(&read("stat"), ticks_per_second()),
        resident: octets(&status, "VmRSS:"),
        peak: octets(&status, "VmHWM:"),
        anonymous: octets(&status, "RssAnon:"),
    }
}

/// CPU time of those threads of a process whose names begin like this.
pub(crate) fn of_threads(pid: Pid, prefix: &str) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let read = |task: &Path, name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| task.path())
        .filter(|task| read(task, "comm").starts_with(prefix))
        .map(|task| cpu(&read(&task, "stat"), ticks_per_second()))
        .sum()
}

/// The process and all that came from it, each with its second argument: the role of a process of
/// `countersign`.
pub(crate) fn family(root: Pid) -> Vec<(String, Pid)> {
    let mut found = vec![(role(root), root)];
    let mut next = 0;
    while let Some((_, parent)) = found.get(next).cloned() {
        let tasks = fs::read_dir(format!("/proc/{parent}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                if let Ok(child) = child.parse() {
                    let child = Pid::from_raw(child);
                    found.push((role(child), child));
                }
            }
        }
        next += 1;
    }
    found
}

fn role(pid: Pid) -> String {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = arguments.split(|octet| *octet == 0).skip(1);
    String::from_utf8_lossy(arguments.next().unwrap_or_default()).into_owned()
}

/// User and system time out of `/proc/PID/stat`: fields 14 and 15, and the second may hold blanks
/// and parentheses.
fn cpu(stat: &str, ticks_per_second: u64) -> Duration {
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / ticks_per_second)
}

fn ticks_per_second() -> u64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks
        .and_then(|ticks| ticks.try_into().ok())
        .filter(|ticks| *ticks > 0)
        .unwrap_or(100)
}

/// A line of `/proc/PID/status` that counts kibioctets.
fn octets(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use e2e::clock;

    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let fields = "S 1 2 3 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 1";
        for name in ["cat", "a b", "x) S 9 (y"] {
            let stat = format!("42 ({name}) {fields}");
            assert_eq!(cpu(&stat, 100), Duration::from_secs(3), "{name}");
        }
        assert_eq!(cpu("", 100), Duration::ZERO);
    }

    #[test]
    fn memory_is_counted_in_octets() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(octets(status, "VmRSS:"), 1024 * 1024);
        assert_eq!(octets(status, "VmHWM:"), 2048 * 1024);
        assert_eq!(octets(status, "RssAnon:"), 0);
    }

    #[test]
    fn the_time_of_threads_is_found_by_their_name() {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            thread::Builder::new()
                .name("busy-0".to_owned())
                .spawn_scoped(scope, || {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                })
                .unwrap();
            let me = nix::unistd::getpid();
            clock::wait_until("it took time", Duration::from_secs(20), || {
                of_threads(me, "busy-") > Duration::ZERO
            });
            assert_eq!(of_threads(me, "nobody-"), Duration::ZERO);
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = of(nix::unistd::getpid());
        assert!(usage.resident > 0 && usage.peak >= usage.resident);
    }
}
