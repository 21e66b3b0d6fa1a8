//! Readers of the live stream, and reports for them to read.

use std::{
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use e2e::{clock, http};

/// Readers of one stream each, who read as fast as they can.
pub(crate) struct Readers {
    streams: Vec<(UnixStream, JoinHandle<()>)>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    began: AtomicUsize,
    shown: AtomicUsize,
    missed: AtomicUsize,
}

impl Readers {
    /// Starts so many, and waits until each has its stream.
    pub(crate) fn start(socket: &Path, readers: usize) -> Self {
        let seen = Arc::new(Seen::default());
        let streams = (0..readers)
            .map(|_| {
                let mut stream = UnixStream::connect(socket).unwrap();
                stream.write_all(REQUEST).unwrap();
                let (kept, seen) = (stream.try_clone().unwrap(), Arc::clone(&seen));
                (kept, thread::spawn(move || read(stream, &seen)))
            })
            .collect();
        clock::wait_until("all read the stream", PATIENCE, || {
            seen.began.load(Ordering::Relaxed) == readers
        });
        Self { streams, seen }
    }

    /// Waits until each was shown, or told that it missed, so many. Gives both sums.
    pub(crate) fn end(self, events: usize) -> (usize, usize) {
        let sums = || {
            let of = |sum: &AtomicUsize| sum.load(Ordering::Relaxed);
            (of(&self.seen.shown), of(&self.seen.missed))
        };
        let all = events * self.streams.len();
        // The verdict is the caller's.
        let _all = clock::poll(PATIENCE, || sums().0 + sums().1 >= all);
        for (stream, reader) in self.streams {
            stream.shutdown(Shutdown::Both).unwrap();
            reader.join().unwrap();
        }
        sums()
    }
}

fn read(stream: UnixStream, seen: &Seen) {
    let (mut began, mut lagged) = (false, false);
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        match line.as_str() {
            // More of them come every few seconds.
            ": heartbeat" if !began => {
                began = true;
                let _before = seen.began.fetch_add(1, Ordering::Relaxed);
            }
            "event: login" => {
                let _before = seen.shown.fetch_add(1, Ordering::Relaxed);
            }
            "event: lagged" => lagged = true,
            data if lagged && data.starts_with("data: ") => {
                let digits: String = data.chars().filter(char::is_ascii_digit).collect();
                let missed = digits.parse().unwrap();
                let _before = seen.missed.fetch_add(missed, Ordering::Relaxed);
                lagged = false;
            }
            _ => {}
        }
    }
}

/// Reports so many logins, numbered from this one, as a node does.
pub(crate) fn report(socket: &Path, first: usize, events: usize) {
    let at_ms = clock::unix_seconds() * 1_000;
    let events: Vec<String> = (first..first + events)
        .map(|number| {
            format!(
                "{{\"id\":\"{:032x}\",\"at_ms\":{at_ms},\"node\":\"one\",\"revision\":1,\
                 \"integration\":\"integration{}\",\"ikey\":\"DIXXXXXXXXXXXXXXXXXX\",\
                 \"client\":\"192.0.2.{}:1024\",\"user\":\"user{}\",\"outcome\":\"accept\",\
                 \"reason\":\"approved\",\"factor\":\"push\",\"elapsed_us\":5000000,\
                 \"timeline\":[{{\"stage\":\"primary\",\"at_us\":100,\"elapsed_us\":4000,\
                 \"detail\":\"accepted by 192.0.2.1:1812\"}}]}}",
                NEW + number,
                number % 20,
                number % 200,
                number * 7919 % 20_000,
            )
        })
        .collect();
    let body = format!(
        "{{\"node\":\"one\",\"dropped\":0,\"events\":[{}]}}",
        events.join(",")
    );
    let path = "/countersign.v1.DataPlane/ReportEvents";
    let answer = http::request_local(socket, "POST", path, &body).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

const REQUEST: &[u8] = b"GET /api/v1/events HTTP/1.0\r\nhost: local\r\n\
                         accept: text/event-stream\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(60);
/// No login that is stored already has a number from here on.
const NEW: usize = 1 << 40;
