//! Where the log goes. Whoever logs never waits for its reader: a terminal that is paused must not
//! stop a login.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use proto::metric::LogSink;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::LogArgs;
use crate::failure::Failure;

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// A service by itself.
    Stdout,
    /// A supervised role, whose standard output speaks to the supervisor; and short commands.
    Stderr,
}

/// Starts logging, until the guard is dropped.
pub(crate) fn start(args: &LogArgs, sink: Sink) -> Result<Guard, Failure> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| {
        Failure::usage(format!(
            "--log '{}': {error}; write a level such as info",
            args.log
        ))
    })?;
    let (lines, queued) = sync_channel(QUEUED_LINES);
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || match sink {
            Sink::Stdout => write_all(&queued, &counted, io::stdout()),
            Sink::Stderr => write_all(&queued, &counted, io::stderr()),
        })
        .map_err(|error| Failure::new("the log cannot be started", &error))?;
    let writer = Queue {
        lines: lines.clone(),
        dropped,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false);
    if args.log_json {
        builder.json().init();
    } else {
        builder.init();
    }
    Ok(Guard {
        lines,
        thread: Some(thread),
    })
}

/// Writes what is still queued when the program ends, for as long as its reader takes it.
#[derive(Debug)]
pub(crate) struct Guard {
    lines: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.lines.try_send(Message::End).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let mut patience = END_TURNS;
            while !thread.is_finished() && patience > 0 {
                std::thread::sleep(END_TURN);
                patience -= 1;
            }
        }
    }
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    End,
}

/// The writing end, for each line anew.
#[derive(Clone, Debug)]
struct Queue {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            queue: self.clone(),
            text: Vec::new(),
        }
    }
}

/// One line; it is queued when it is dropped.
#[derive(Debug)]
struct Line {
    queue: Queue,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() && self.queue.lines.try_send(Message::Line(text)).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            LogSink::Stdout.lose(1);
        }
    }
}

/// A sink that fails loses the line, which is counted: there is nowhere left to say so.
fn write_all(queued: &Receiver<Message>, dropped: &AtomicU64, mut sink: impl Write) {
    loop {
        match queued.recv_timeout(SAY_DROPPED) {
            Ok(Message::Line(text)) => {
                if sink.write_all(&text).is_err() {
                    LogSink::Stdout.lose(1);
                }
            }
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(writeln!(
                sink,
                "{lost} lines of the log were dropped: its reader is too slow"
            ));
        }
    }
    drop(sink.flush());
}

/// Lines that wait for the reader at most.
const QUEUED_LINES: usize = 16_384;
const SAY_DROPPED: Duration = Duration::from_secs(1);
/// How long the end waits for the reader: 200 times 5 ms.
const END_TURNS: u32 = 200;
const END_TURN: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_reader_costs_lines_and_no_time() {
        let (lines, queued) = sync_channel(2);
        let dropped = Arc::new(AtomicU64::new(0));
        let queue = Queue {
            lines,
            dropped: Arc::clone(&dropped),
        };
        for text in ["one\n", "two\n", "three\n"] {
            queue.make_writer().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        drop(queue);
        let mut sink = Vec::new();
        write_all(&queued, &dropped, &mut sink);
        let text = String::from_utf8(sink).unwrap();
        assert!(
            text.starts_with("one\n1 lines of the log were dropped"),
            "{text}"
        );
        assert!(text.ends_with("two\n"), "{text}");
    }
}
