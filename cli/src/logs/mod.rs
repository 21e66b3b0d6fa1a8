//! The log: what is logged here and by supervised roles goes to standard output, to `authproxy.log` and
//! `authevents.log`, and to syslog, as the configuration says. Whoever logs never waits for a sink.
//!
//! A supervised role has one sink, its standard error, which its supervisor reads.

mod file;
pub(crate) mod levels;
mod login;
mod record;
mod sink;
mod syslog;
pub(crate) mod text;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::child::Role;
use proto::config::Log;
use proto::metric::LogSink;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::LogArgs;
use crate::failure::Failure;
use file::FilePlan;
use levels::{Filter, Levels};
use record::{Record, ToRecords};
use sink::{Format, Kind, Plan, Sink};

/// Who logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A service by itself, or the supervisor.
    Service,
    /// A supervised role, whose standard output speaks to the supervisor.
    Supervised,
    /// A command that ends by itself.
    Command,
}

/// One thing to be written.
#[derive(Debug)]
pub(crate) enum Item {
    Record(Record),
    /// What a role printed that is no record: why it could not start, or a panic.
    Raw {
        role: Role,
        text: String,
    },
    /// A finished login, and whether the levels let its lines through.
    Login {
        event: Box<RawValue>,
        shown: bool,
    },
}

impl Item {
    fn octets(&self) -> usize {
        match self {
            Self::Record(record) => record.octets(),
            Self::Raw { text, .. } => 64 + text.len(),
            Self::Login { event, .. } => 64 + event.get().len(),
        }
    }

    /// Whether the sink of events takes it; every other sink takes everything.
    const fn is_for_events(&self, kind: Kind) -> bool {
        matches!((kind, self), (Kind::Events, Self::Login { .. }))
    }
}

/// The log of this process.
struct Logs {
    state: Mutex<State>,
    levels: Levels,
    syslog: PathBuf,
    host: String,
    json: bool,
    part: Part,
}

struct State {
    sinks: Vec<Sink>,
    /// What was logged before the configuration said where to; none once it has.
    early: Option<Vec<Arc<Item>>>,
}

static LOGS: OnceLock<Logs> = OnceLock::new();

/// Starts logging, until the guard is dropped.
pub(crate) fn start(args: &LogArgs, part: Part) -> Result<Guard, Failure> {
    let base: Filter = args
        .log
        .parse()
        .map_err(|why| Failure::usage(format!("--log '{}': {why}", args.log)))?;
    let (filter, handle) = reload::Layer::new(Levels::of(&base));
    let levels = Levels::new(base, move |targets| drop(handle.reload(targets)));
    let host = hostname();
    let failed = |error| Failure::new("the log cannot be started", &error);
    let console = Sink::start(Kind::Console, console(part, args.log_json, false), &host);
    let logs = Logs {
        state: Mutex::new(State {
            sinks: vec![console.map_err(failed)?],
            early: (part == Part::Service).then(Vec::new),
        }),
        levels,
        syslog: args.syslog_socket.clone(),
        host,
        json: args.log_json,
        part,
    };
    if LOGS.set(logs).is_err() {
        return Err(Failure::plain("the log is started twice"));
    }
    tracing_subscriber::registry()
        .with(filter)
        .with(ToRecords(|record| put(Item::Record(record))))
        .init();
    Ok(Guard)
}

const fn console(part: Part, json: bool, muted: bool) -> Plan {
    let format = match (part, json) {
        (Part::Supervised, _) => Format::Wire,
        (_, true) => Format::Json,
        (_, false) => Format::Text,
    };
    Plan::Console {
        stderr: !matches!(part, Part::Service),
        format,
        muted,
    }
}

fn hostname() -> String {
    controlplane::host_name().unwrap_or_else(|| "localhost".to_owned())
}

impl Logs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(item: Item) {
    let Some(logs) = LOGS.get() else { return };
    let item = Arc::new(item);
    let mut state = logs.state();
    for sink in &state.sinks {
        sink.put(&item);
    }
    if let Some(early) = &mut state.early
        && early.len() < EARLY_LINES
    {
        early.push(item);
    }
}

/// Tells of a finished login: an [`AuthEvent`](proto::event::AuthEvent).
pub(crate) fn login(event: &RawValue) {
    put(Item::Login {
        event: event.to_owned(),
        shown: tracing::enabled!(target: login::TARGET, tracing::Level::INFO),
    });
}

/// Takes in what a supervised role wrote to its standard error: one line.
pub(crate) fn from_role(role: Role, line: &[u8]) {
    if let Ok(record) = serde_json::from_slice::<Record>(line) {
        put(Item::Record(record));
    } else if let Ok(Lost { lost }) = serde_json::from_slice(line) {
        LogSink::Roles.lose(lost);
        tracing::warn!(target: sink::TROUBLE, %role, lost, "lines of the log were lost: they came faster than they could be read");
    } else {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        put(Item::Raw { role, text });
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lost {
    lost: u64,
}

/// Where relative folders begin.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) data: PathBuf,
    /// The folder of the configuration file, if a file is the truth here.
    pub(crate) config: Option<PathBuf>,
}

impl Places {
    pub(crate) fn new(data: &Path, config: Option<&Path>) -> Self {
        // A file that is named without a folder lies in this one.
        let folder = config.and_then(|file| std::path::absolute(file).ok());
        Self {
            data: data.to_owned(),
            config: folder.and_then(|file| file.parent().map(Path::to_owned)),
        }
    }

    /// Where log files are.
    pub(crate) fn folder(&self, log: &Log) -> PathBuf {
        match &log.dir {
            None => self.data.join("log"),
            // An absolute one replaces what is before it.
            Some(dir) => self.config.as_ref().unwrap_or(&self.data).join(dir),
        }
    }
}

/// Does as the configuration says from now on. What was logged before the first time goes to the files
/// as well.
pub(crate) fn apply(log: &Log, places: &Places) {
    let Some(logs) = LOGS.get() else { return };
    let folder = places.folder(log);
    let file = |wanted: bool, kind: Kind| match wanted {
        false => Plan::Off,
        true => Plan::File(FilePlan {
            path: folder.join(kind.label()),
            max_octets: log.max_size_octets.into(),
            max_files: log.max_files,
        }),
    };
    let syslog = match log.syslog {
        false => Plan::Off,
        true => Plan::Syslog {
            path: logs.syslog.clone(),
            facility: log.syslog_facility,
        },
    };
    let mut failed = None;
    let mut state = logs.state();
    let early = state.early.take().unwrap_or_default();
    for (kind, plan) in [
        (Kind::Console, console(logs.part, logs.json, !log.stdout)),
        (Kind::File, file(log.file, Kind::File)),
        (Kind::Events, file(log.auth_events, Kind::Events)),
        (Kind::Syslog, syslog),
    ] {
        match state.sinks.iter_mut().find(|sink| sink.kind() == kind) {
            Some(sink) => sink.change(plan),
            None if plan == Plan::Off => {}
            None => match Sink::start(kind, plan, &logs.host) {
                Ok(sink) => {
                    // The file is there before anybody logs in.
                    sink.reopen();
                    for item in &early {
                        sink.put(item);
                    }
                    state.sinks.push(sink);
                }
                Err(error) => failed = Some((kind, error)),
            },
        }
    }
    drop(state);
    if let Some((kind, error)) = failed {
        let sink = kind.label();
        tracing::error!(target: sink::TROUBLE, sink, %error, "the log cannot be written: no thread for it");
    }
}

/// Opens the files again, as whoever moved them away asks for.
pub(crate) fn reopen() {
    if let Some(logs) = LOGS.get() {
        for sink in &logs.state().sinks {
            sink.reopen();
        }
    }
}

/// Waits until what was logged is written, for [`END`] at most: this process is about to become another
/// program.
pub(crate) fn settle() {
    if let Some(logs) = LOGS.get() {
        let deadline = now() + END;
        for sink in &logs.state().sinks {
            sink.settle(deadline);
        }
    }
}

/// Logs each step of each login, or does not.
pub(crate) fn set_debug(debug: bool) {
    if let Some(logs) = LOGS.get() {
        logs.levels.set_debug(debug);
    }
}

/// The routes of this process's levels and log files, for its admin socket.
pub(crate) fn routes() -> axum::Router {
    let levels = LOGS.get().map(|logs| logs.levels.routes());
    let files = axum::routing::get(async || axum::Json(files()));
    levels.unwrap_or_default().route(FILES, files)
}

/// A log file of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    /// Why it cannot be written, while it cannot.
    pub(crate) trouble: Option<String>,
}

fn files() -> Vec<Written> {
    let Some(logs) = LOGS.get() else {
        return Vec::new();
    };
    let state = logs.state();
    let files = state.sinks.iter().filter_map(Sink::file);
    files
        .map(|(path, trouble)| Written {
            path: path.to_owned(),
            trouble,
        })
        .collect()
}

/// The wall clock, in microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "lines of the log have a time")]
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the end waits for sinks so long")]
fn now() -> Instant {
    Instant::now()
}

/// Writes what is still queued when the program ends, for as long as somebody takes it.
#[derive(Debug)]
pub(crate) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(logs) = LOGS.get() else { return };
        let deadline = now() + END;
        let sinks = std::mem::take(&mut logs.state().sinks);
        for sink in sinks {
            sink.end(deadline);
        }
    }
}

/// Where a process's log files are on its admin socket.
pub(crate) const FILES: &str = "/log/files";
/// Lines kept until the configuration says where they go.
const EARLY_LINES: usize = 512;
const END: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_begins_where_the_file_is() {
        let at = |dir: Option<&str>, config: Option<&str>| {
            let log = Log {
                dir: dir.map(str::to_owned),
                ..Log::default()
            };
            let places = Places::new(Path::new("/data"), config.map(Path::new));
            places.folder(&log)
        };
        let config = Some("/etc/cs/authproxy.cfg");
        for (dir, config, want) in [
            (None, config, "/data/log"),
            (None, None, "/data/log"),
            (Some("logs"), config, "/etc/cs/logs"),
            (Some("logs"), None, "/data/logs"),
            (Some("/var/log/cs"), config, "/var/log/cs"),
            (Some("/var/log/cs"), None, "/var/log/cs"),
        ] {
            assert_eq!(at(dir, config), Path::new(want), "{dir:?} {config:?}");
        }
    }
}
