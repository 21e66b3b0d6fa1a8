//! One way out of the log: a bounded queue, and a thread that writes what is in it. Whoever logs never
//! waits, whatever the disk, the terminal or the daemon does; what is lost is counted, and said once.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::config::SyslogFacility;
use proto::metric::LogSink;

use super::file::{FilePlan, LogFile};
use super::login::{Login, dated};
use super::record::{Level, Record};
use super::syslog::{self, Syslog};
use super::{Item, now, text};

/// The sinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Standard output, or standard error of commands and of supervised roles.
    Console,
    /// `authproxy.log`.
    File,
    /// `authevents.log`.
    Events,
    Syslog,
}

impl Kind {
    /// Its name in the log; a file's is this.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Console => "stdout",
            Self::File => "authproxy.log",
            Self::Events => "authevents.log",
            Self::Syslog => "syslog",
        }
    }

    const fn counted(self) -> LogSink {
        match self {
            Self::Console => LogSink::Stdout,
            Self::File => LogSink::File,
            Self::Events => LogSink::AuthEvents,
            Self::Syslog => LogSink::Syslog,
        }
    }
}

/// How a console reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    /// For a supervisor, which writes it as it is told to.
    Wire,
}

/// What a sink is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Off,
    Console {
        stderr: bool,
        format: Format,
        /// Nothing but what is wrong with the log itself.
        muted: bool,
    },
    File(FilePlan),
    Syslog {
        path: PathBuf,
        facility: SyslogFacility,
    },
}

/// The handle of a sink.
#[derive(Debug)]
pub(crate) struct Sink {
    kind: Kind,
    plan: Plan,
    sender: SyncSender<Message>,
    /// How many things were queued, ever.
    queued: AtomicU64,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What waits, about.
    octets: AtomicUsize,
    /// Lines that found no room and are not told of yet.
    crowded_out: AtomicU64,
    /// Of this sink; those of the process are [`LogSink::lost`].
    lost: AtomicU64,
    plans: Mutex<VecDeque<Later>>,
    reopen: AtomicBool,
    /// Why it cannot be written, while it cannot.
    trouble: Mutex<Option<String>>,
}

/// A plan for what is queued behind so many things.
#[derive(Debug)]
struct Later {
    behind: u64,
    plan: Plan,
}

impl Shared {
    fn plans(&self) -> MutexGuard<'_, VecDeque<Later>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, kind: Kind, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
        kind.counted().lose(lines);
    }

    fn trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

#[derive(Debug)]
enum Message {
    Item(Arc<Item>),
    /// The plan is another, or the file is to be opened again.
    Look,
    /// Somebody waits until all of before is written.
    Settle(SyncSender<()>),
}

impl Sink {
    pub(crate) fn start(kind: Kind, plan: Plan, host: &str) -> io::Result<Self> {
        let (sender, queue) = sync_channel(QUEUED_LINES);
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            kind,
            out: Output::new(&plan),
            host: host.to_owned(),
            shared: Arc::clone(&shared),
            written: 0,
            failing: None,
            said: None,
        };
        let thread = std::thread::Builder::new()
            .name(format!("log {}", kind.label()))
            .spawn(move || writer.run(&queue))?;
        Ok(Self {
            kind,
            plan,
            sender,
            queued: AtomicU64::new(0),
            shared,
            thread,
        })
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Queues it, or loses and counts it.
    pub(crate) fn put(&self, item: &Arc<Item>) {
        if self.plan == Plan::Off || (self.kind == Kind::Events) != item.is_for_events(self.kind) {
            return;
        }
        let octets = item.octets();
        let shared = &self.shared;
        let fits = shared.octets.fetch_add(octets, Ordering::Relaxed) < QUEUED_OCTETS;
        if !fits
            || self
                .sender
                .try_send(Message::Item(Arc::clone(item)))
                .is_err()
        {
            shared.octets.fetch_sub(octets, Ordering::Relaxed);
            shared.lose(self.kind, 1);
            shared.crowded_out.fetch_add(1, Ordering::Relaxed);
        } else {
            self.queued.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// The file that it writes, if it writes one, and why it cannot, while it cannot.
    pub(crate) fn file(&self) -> Option<(&Path, Option<String>)> {
        let Plan::File(FilePlan { path, .. }) = &self.plan else {
            return None;
        };
        let trouble = self.shared.trouble.lock();
        Some((
            path,
            trouble.unwrap_or_else(PoisonError::into_inner).clone(),
        ))
    }

    /// Goes on under another plan, from the next line on; what is queued is written under this one.
    pub(crate) fn change(&mut self, plan: Plan) {
        if plan == self.plan {
            return;
        }
        self.plan = plan.clone();
        let behind = self.queued.load(Ordering::Relaxed);
        let mut plans = self.shared.plans();
        // Nothing may stand between two of them; and a sink that is stuck so long gets the newest.
        if plans.len() >= PLANS || plans.back().is_some_and(|last| last.behind == behind) {
            plans.pop_back();
        }
        plans.push_back(Later { behind, plan });
        drop(plans);
        drop(self.sender.try_send(Message::Look));
    }

    /// Opens its file again.
    pub(crate) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
        drop(self.sender.try_send(Message::Look));
    }

    /// Waits until what is queued is written, for as long as somebody takes it.
    pub(crate) fn settle(&self, deadline: Instant) {
        let (written, wait) = sync_channel(1);
        // A queue that is full is not written by then.
        if self.sender.try_send(Message::Settle(written)).is_ok() {
            let _ = wait.recv_timeout(deadline.saturating_duration_since(now()));
        }
    }

    /// Writes what is still queued, for as long as somebody takes it.
    pub(crate) fn end(self, deadline: Instant) {
        drop(self.sender);
        while !self.thread.is_finished() && now() < deadline {
            std::thread::sleep(END_TURN);
        }
    }
}

struct Writer {
    kind: Kind,
    out: Output,
    host: String,
    shared: Arc<Shared>,
    /// How many things were taken out of the queue, ever.
    written: u64,
    /// Lines lost since it fails; none while it does not.
    failing: Option<u64>,
    /// When it was last said that lines found no room.
    said: Option<Instant>,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Message>) {
        loop {
            let message = queue.recv_timeout(LOOK_EVERY);
            self.look();
            match message {
                Ok(Message::Item(item)) => {
                    let octets = item.octets();
                    self.write(&item);
                    self.written = self.written.saturating_add(1);
                    self.shared.octets.fetch_sub(octets, Ordering::Relaxed);
                }
                Ok(Message::Settle(written)) => {
                    self.out.flush();
                    let _ = written.try_send(());
                }
                Ok(Message::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.say_crowded_out();
        }
        self.out.flush();
    }

    /// Sees whether something else is to be done from now on.
    fn look(&mut self) {
        while let Some(plan) = self.next_plan() {
            let done = self.out.change(&plan);
            self.judge(done.map(|()| None), 0);
        }
        if self.shared.reopen.swap(false, Ordering::Relaxed) {
            let done = self.out.reopen();
            self.judge(done.map(|()| None), 0);
        }
    }

    /// The plan for what comes next, if it is another.
    fn next_plan(&self) -> Option<Plan> {
        let mut plans = self.shared.plans();
        plans
            .pop_front_if(|next| next.behind <= self.written)
            .map(|next| next.plan)
    }

    fn write(&mut self, item: &Item) {
        let done = self.out.write(self.kind, item, &self.host);
        self.judge(done, 1);
    }

    /// Counts what was lost, and says when that begins and when it ends.
    fn judge(&mut self, done: io::Result<Option<String>>, lines: u64) {
        let sink = self.kind.label();
        match (done, self.failing) {
            (Ok(news), before) => {
                if let Some(lost) = before {
                    self.failing = None;
                    self.shared.trouble(None);
                    tracing::warn!(target: TROUBLE, sink, lost, "the log is written again");
                }
                if let Some(news) = news {
                    tracing::warn!(target: TROUBLE, sink, "{news}");
                }
            }
            (Err(error), before) => {
                self.shared.lose(self.kind, lines);
                self.failing = Some(before.unwrap_or(0) + lines);
                if before.is_none() {
                    self.shared.trouble(Some(error.to_string()));
                    let place = self.out.place();
                    tracing::error!(target: TROUBLE, sink, place, %error, "the log cannot be written; its lines are lost until it can");
                }
            }
        }
    }

    fn say_crowded_out(&mut self) {
        if self.said.is_some_and(|said| said.elapsed() < LOOK_EVERY) {
            return;
        }
        let lost = self.shared.crowded_out.swap(0, Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        self.said = Some(now());
        if self.kind == Kind::Console {
            // Where its reader looks; there may be no other sink.
            self.out.say_lost(lost);
        } else {
            let sink = self.kind.label();
            tracing::warn!(target: TROUBLE, sink, lost, "lines of the log were lost: they came faster than they could be written");
        }
    }
}

/// Where a sink writes.
#[derive(Debug)]
enum Output {
    Off,
    Console {
        stderr: bool,
        format: Format,
        muted: bool,
    },
    File(LogFile),
    Syslog(Syslog, SyslogFacility),
}

impl Output {
    fn new(plan: &Plan) -> Self {
        match plan.clone() {
            Plan::Off => Self::Off,
            Plan::Console {
                stderr,
                format,
                muted,
            } => Self::Console {
                stderr,
                format,
                muted,
            },
            Plan::File(plan) => Self::File(LogFile::new(plan)),
            Plan::Syslog { path, facility } => Self::Syslog(Syslog::new(path), facility),
        }
    }

    fn change(&mut self, plan: &Plan) -> io::Result<()> {
        match (&mut *self, plan) {
            (Self::File(file), Plan::File(plan)) => file.change(plan.clone()),
            _ => {
                *self = Self::new(plan);
                self.reopen()
            }
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.reopen(),
            Self::Off | Self::Console { .. } | Self::Syslog(..) => Ok(()),
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            Self::File(file) => Some(file.plan().path.display().to_string()),
            Self::Off | Self::Console { .. } | Self::Syslog(..) => None,
        }
    }

    fn flush(&self) {
        match self {
            Self::Console { stderr: true, .. } => drop(io::stderr().flush()),
            Self::Console { .. } => drop(io::stdout().flush()),
            Self::Off | Self::File(_) | Self::Syslog(..) => {}
        }
    }

    fn write(&mut self, kind: Kind, item: &Item, host: &str) -> io::Result<Option<String>> {
        match self {
            Self::Off => Ok(None),
            Self::Console {
                stderr,
                format,
                muted,
            } => {
                let trouble = matches!(item, Item::Record(record) if record.target == TROUBLE);
                if *muted && !trouble {
                    return Ok(None);
                }
                print(*stderr, &of_console(item, *format)).map(|()| None)
            }
            Self::File(file) => {
                let lines = match kind {
                    Kind::Events => of_events(item, host),
                    _ => of_file(item),
                };
                match lines.is_empty() {
                    true => Ok(None),
                    false => file.append(lines.as_bytes()),
                }
            }
            Self::Syslog(syslog, facility) => {
                let mut sent = Ok(());
                each_line(item, |_, level, line| {
                    if sent.is_ok() {
                        let text = syslog::message(facility.code(), level.severity(), &line);
                        sent = syslog.send(&text);
                    }
                });
                sent.map(|()| None)
            }
        }
    }

    fn say_lost(&self, lost: u64) {
        let Self::Console { stderr, format, .. } = self else {
            return;
        };
        let message = format!("{lost} lines of the log were dropped: its reader is too slow");
        let record = Record::new(Level::Warn, TROUBLE, &message);
        let text = match format {
            Format::Text => text::line(&record),
            Format::Json => text::document(&record),
            Format::Wire => format!("{{\"lost\":{lost}}}\n"),
        };
        // There is nowhere left to say that this failed.
        drop(print(*stderr, &text));
    }
}

fn print(stderr: bool, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    if stderr {
        io::stderr().lock().write_all(text.as_bytes())
    } else {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn of_console(item: &Item, format: Format) -> String {
    let of_record = |record: &Record| match format {
        Format::Text => text::line(record),
        Format::Json => text::document(record),
        // Numbers and texts: it always has a JSON form.
        Format::Wire => serde_json::to_string(record).unwrap_or_default() + "\n",
    };
    match item {
        Item::Record(record) => of_record(record),
        Item::Raw { text, .. } if format == Format::Text => text::escaped(text) + "\n",
        Item::Raw { role, text } => of_record(&Record::new(Level::Error, role.as_str(), text)),
        Item::Login { event, shown: true } => {
            let login = Login::read(event);
            login.map_or_else(String::new, |login| of_record(&login.record()))
        }
        Item::Login { shown: false, .. } => String::new(),
    }
}

fn of_file(item: &Item) -> String {
    let mut lines = String::new();
    each_line(item, |at_us, _, line| lines.push_str(&dated(at_us, &line)));
    lines
}

fn of_events(item: &Item, host: &str) -> String {
    match item {
        Item::Login { event, .. } => {
            let login = Login::read(event);
            login.map_or_else(String::new, |login| login.events(host))
        }
        Item::Record(_) | Item::Raw { .. } => String::new(),
    }
}

/// The lines of `authproxy.log`, without their times.
fn each_line(item: &Item, mut each: impl FnMut(u64, Level, String)) {
    match item {
        Item::Record(record) => each(record.at_us, record.level, text::human(record)),
        Item::Raw { role, text } => {
            let line = text::no_login(format!("[{role}#error] {}", text::escaped(text)));
            each(super::now_us(), Level::Error, line);
        }
        Item::Login { event, shown: true } => {
            if let Some(login) = Login::read(event) {
                login.lines(|at_us, line| each(at_us, Level::Info, line));
            }
        }
        Item::Login { shown: false, .. } => {}
    }
}

/// What is wrong with the log itself: it is said on every console.
pub(crate) const TROUBLE: &str = "countersign::logs";
/// Lines that wait for one sink at most.
const QUEUED_LINES: usize = 16_384;
/// What they may take, about.
const QUEUED_OCTETS: usize = 32 * 1024 * 1024;
/// Plans that wait for what was queued before them.
const PLANS: usize = 16;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const END_TURN: Duration = Duration::from_millis(5);

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
