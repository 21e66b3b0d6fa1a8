//! What this machine gives a node: open files, room for bursts, a clock that somebody sets. What was
//! seen is judged by pure functions.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use proto::check::{CheckKind, CheckRow};

use super::judge::{Finding, Subject};
use crate::clock;
use crate::server::socket::{Bound, RECEIVE_BUFFER};

/// A row each. Reads `/proc` and binds a socket for a moment; blocks. What a process may open is said of a node
/// alone (`of_node`): another, such as a command of a shell, may open more or less.
pub(super) fn rows(of_node: bool) -> Vec<CheckRow> {
    let row = |what, place: &str, look: fn() -> Finding| {
        let began = clock::now();
        let finding = look();
        let took = clock::now().saturating_duration_since(began);
        let subject = Subject {
            place: place.to_owned(),
            sections: Vec::new(),
            from: None,
        };
        subject.row(what, took, finding)
    };
    let mut rows = Vec::new();
    if of_node {
        rows.push(row(CheckKind::OpenFiles, "this machine", || {
            files(getrlimit(Resource::RLIMIT_NOFILE).ok(), open_files())
        }));
    }
    rows.extend([
        row(CheckKind::ReceiveBuffer, "UDP", || {
            let bound = Bound::new(Some(Ipv4Addr::LOCALHOST.into()), 0, &[]);
            buffer(bound.map(|one| one.receive_buffer).ok())
        }),
        row(CheckKind::TimeSource, "this machine", || {
            time_source(&seen())
        }),
    ]);
    rows
}

/// `limits` are the soft and the hard one: roles raise the first to the second when they start.
fn files(limits: Option<(u64, u64)>, open: Option<usize>) -> Finding {
    let Some((_, hard)) = limits else {
        return Finding::warning("the system does not say", "see `ulimit -n`");
    };
    let open = open.and_then(|open| u64::try_from(open).ok());
    if open.is_some_and(|open| open > hard / 10 * 9) {
        return Finding::failed(format!("nearly all of {hard} are open"), RAISE_FILES);
    }
    match hard {
        FILES_WANTED.. => Finding::good(format!("{hard} may be open")),
        _ => Finding::warning(
            format!("only {hard} may be open: logins that wait may find no connection"),
            RAISE_FILES,
        ),
    }
}

fn open_files() -> Option<usize> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count())
}

/// `granted` octets are kept for a socket.
fn buffer(granted: Option<usize>) -> Finding {
    match granted {
        Some(granted @ RECEIVE_BUFFER..) => Finding::good(format!("{granted} octets")),
        Some(granted) => Finding::warning(
            format!(
                "{granted} octets of {RECEIVE_BUFFER}: of many requests that come at once some are lost"
            ),
            format!("set net.core.rmem_max={RECEIVE_BUFFER} by sysctl, and restart the gateway"),
        ),
        None => Finding::warning(
            "no UDP socket could be made to ask",
            "see the rows of the ports",
        ),
    }
}

/// What there is to see of what sets the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Clock {
    /// systemd-timesyncd says that it has set it.
    synchronized: bool,
    /// A program that does it.
    program: Option<String>,
    /// Other users' programs are not to be seen.
    hidden: bool,
    container: bool,
}

fn seen() -> Clock {
    Clock {
        synchronized: Path::new("/run/systemd/timesync/synchronized").exists(),
        program: programs().find(|name| SETTERS.contains(&name.as_str())),
        hidden: !Path::new("/proc/1/comm").exists(),
        container: ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|path| Path::new(path).exists())
            || fs::read("/proc/1/environ").is_ok_and(|octets| {
                octets
                    .split(|octet| *octet == 0)
                    .any(|one| one.starts_with(b"container="))
            }),
    }
}

/// The names of the programs that run.
fn programs() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
        })
        .take(PROCESSES)
        .filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
}

fn time_source(clock: &Clock) -> Finding {
    match clock {
        Clock {
            synchronized: true, ..
        } => Finding::good("systemd-timesyncd has set the clock"),
        Clock {
            program: Some(name),
            ..
        } => Finding::good(format!("{name} runs")),
        Clock {
            container: true, ..
        } => Finding::good("in a container: the clock is the host's"),
        Clock { hidden: true, .. } => {
            Finding::good("not to be seen by this user; the row of the clock says how it stands")
        }
        _ => Finding::warning(
            "no program that sets the clock was found",
            "install chrony or systemd-timesyncd: certificates, passcodes and the log go by the clock",
        ),
    }
}

/// The row of a certificate of the gateway's own of which only the end is known, in seconds since 1970.
pub(super) fn own(what: CheckKind, place: String, finding: Finding) -> CheckRow {
    let subject = Subject {
        place,
        sections: Vec::new(),
        from: None,
    };
    subject.row(what, Duration::ZERO, finding)
}

/// Fewer are too few for one of each pool of connections, and a burst beside them.
const FILES_WANTED: u64 = 4_096;
const RAISE_FILES: &str = "raise the limit: LimitNOFILE=65536 in the unit of systemd, --ulimit nofile=65536 in a container";
/// Programs that set the clock, as the system calls them: 15 characters at most.
const SETTERS: [&str; 9] = [
    "chronyd",
    "ntpd",
    "ntpsec",
    "openntpd",
    "systemd-timesyn",
    "ptp4l",
    "phc2sys",
    "timemaster",
    "vmtoolsd",
];
/// The most programs that are looked at.
const PROCESSES: usize = 65_536;

#[cfg(test)]
mod tests {
    use proto::check::CheckResult::{self, Failed, Good, Warning};

    use super::*;

    #[track_caller]
    fn is(finding: &Finding, result: CheckResult, words: &str) {
        assert_eq!(finding.result, result, "{finding:?}");
        let said = format!("{}; {:?}", finding.found, finding.remedy);
        assert!(said.contains(words), "'{words}' in {said}");
        assert_eq!(finding.remedy.is_none(), result == Good, "{said}");
    }

    #[test]
    fn few_files_are_a_warning_and_none_left_is_a_failure() {
        is(&files(Some((1_024, 65_536)), Some(90)), Good, "65536 may");
        is(&files(Some((1, FILES_WANTED)), None), Good, "4096");
        is(&files(Some((1, 1_024)), Some(90)), Warning, "LimitNOFILE");
        is(&files(Some((1, 1_000)), Some(901)), Failed, "nearly all");
        is(&files(None, None), Warning, "ulimit");
        assert!(open_files().is_some_and(|open| open > 2));
    }

    #[test]
    fn a_small_buffer_is_a_warning() {
        is(&buffer(Some(RECEIVE_BUFFER)), Good, "4194304 octets");
        is(&buffer(Some(212_992)), Warning, "net.core.rmem_max=4194304");
        is(&buffer(None), Warning, "no UDP socket");
    }

    #[test]
    fn somebody_must_set_the_clock() {
        let none = Clock::default();
        is(&time_source(&none), Warning, "chrony");
        for (clock, words) in [
            (
                Clock {
                    synchronized: true,
                    ..none.clone()
                },
                "timesyncd",
            ),
            (
                Clock {
                    program: Some("chronyd".to_owned()),
                    ..none.clone()
                },
                "chronyd runs",
            ),
            (
                Clock {
                    container: true,
                    ..none.clone()
                },
                "host's",
            ),
            (
                Clock {
                    hidden: true,
                    ..none.clone()
                },
                "not to be seen",
            ),
        ] {
            is(&time_source(&clock), Good, words);
        }
        assert!(programs().next().is_some(), "this one at least");
    }

    #[test]
    fn each_of_them_is_a_row() {
        let kinds = |of_node| -> Vec<_> { rows(of_node).iter().map(|row| row.what).collect() };
        let want = [
            CheckKind::OpenFiles,
            CheckKind::ReceiveBuffer,
            CheckKind::TimeSource,
        ];
        assert_eq!(kinds(true), want);
        assert_eq!(kinds(false), want[1..], "of a shell");
    }
}
