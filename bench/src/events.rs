//! How long a question takes among ten million stored events, on either engine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{clock, countersign, http, peers::Postgres, process::Process};

use crate::{
    report::{Row, Verdict},
    scenarios::Bench,
    statistics::Latencies,
};

/// A row for each question and engine.
pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let mut rows = sqlite(bench.folder.path());
    rows.extend(postgres(bench.folder.path()));
    rows
}

fn sqlite(folder: &Path) -> Vec<Row> {
    let data = folder.join("events-sqlite");
    drop(ControlPlane::start(&data, None));
    let filled = Command::new("sqlite3")
        .arg(data.join("controlplane/controlplane.db"))
        .stdin(Stdio::from(fs::File::open(fixture("sqlite.sql")).unwrap()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(filled.success(), "sqlite3: {filled}");
    let rows = ask("SQLite", &ControlPlane::start(&data, None));
    fs::remove_dir_all(&data).unwrap();
    rows
}

fn postgres(folder: &Path) -> Vec<Row> {
    let server = Postgres::start();
    let database = server.database();
    let url = server.url(&database);
    let data = folder.join("events-postgres");
    drop(ControlPlane::start(&data, Some(&url)));
    let _filled = server.sql(
        &database,
        &fs::read_to_string(fixture("postgres.sql")).unwrap(),
    );
    ask("PostgreSQL", &ControlPlane::start(&data, Some(&url)))
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/events")
        .join(name)
}

/// A control plane that forgets nothing.
struct ControlPlane {
    socket: PathBuf,
    _process: Process,
}

impl ControlPlane {
    /// Starts it and waits until it answers.
    fn start(data: &Path, database: Option<&str>) -> Self {
        fs::create_dir_all(data).unwrap();
        let mut command = Command::new(countersign::program());
        command
            .args(["controlplane", "--event-days", "36500"])
            .args(["--event-count", "1000000000", "--event-octets"])
            .arg(u64::MAX.to_string())
            .arg("--data-dir")
            .arg(data);
        if let Some(url) = database {
            command.env("COUNTERSIGN_DATABASE", url);
        }
        let mut process = Process::start("controlplane", &command, &data.join("log"));
        let socket = data.join("run/controlplane.sock");
        process.until("it answers", START, || {
            http::request_local(&socket, "GET", "/healthz", "").is_ok()
        });
        Self {
            socket,
            _process: process,
        }
    }

    /// How many events a page has.
    fn page(&self, query: &str) -> usize {
        let path = format!("/api/v1/events?{query}");
        let answer = http::request_local(&self.socket, "GET", &path, "").unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()["items"].as_array().unwrap().len()
    }
}

/// What is asked: its name, the query of the n-th time, whether it has a budget.
type Question = (&'static str, fn(usize) -> String, bool);

fn ask(engine: &str, plane: &ControlPlane) -> Vec<Row> {
    let questions: [Question; 7] = [
        (
            "a user, last week",
            |n| format!("user=user{}&from={WEEK}&limit=1000", n * 97),
            true,
        ),
        (
            "a user, denied",
            |n| format!("user=user{}&reason=denied", n * 97),
            true,
        ),
        (
            "an integration, page",
            |n| format!("integration=integration{}", n % 20),
            true,
        ),
        (
            "a client, last week",
            |n| format!("client=192.0.2.{}&from={WEEK}", n % 200),
            true,
        ),
        (
            "denied, before an hour",
            |n| {
                format!(
                    "reason=denied&to={}",
                    END - u64::try_from(n).unwrap() * 3_600_000
                )
            },
            true,
        ),
        ("the newest", |_| "limit=100".to_owned(), true),
        (
            "a text that is nowhere",
            |n| format!("text=nowhere{n}"),
            false,
        ),
    ];
    let mut rows = Vec::new();
    for (name, query, has_budget) in questions {
        let times = if has_budget { QUESTIONS } else { 10 };
        let (mut took, mut found) = (Vec::with_capacity(times), 0);
        for number in 0..times {
            let began = clock::now();
            found += plane.page(&query(number));
            took.push(began.elapsed());
        }
        let took = Latencies::new(took);
        rows.push(Row {
            work: format!("{engine}, 10 million events: {name}"),
            figure: format!("{took}, {} events each", found / times),
            peer: String::new(),
            ratio: None,
            budget: if has_budget { "p99 < 50 ms" } else { "" }.to_owned(),
            verdict: match has_budget {
                true => Verdict::of(&[took.quantile(990) < BUDGET]),
                false => Verdict::Reference,
            },
        });
    }
    rows
}

/// When the newest event arrived, and a week before.
const END: u64 = 1_700_000_000_000 + 10_000_000 * 259;
const WEEK: u64 = END - 7 * 86_400_000;
const QUESTIONS: usize = 200;
const BUDGET: Duration = Duration::from_millis(50);
/// It reads the whole file first.
const START: Duration = Duration::from_secs(300);
