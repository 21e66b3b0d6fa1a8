//! How long a question takes among ten million stored events, on either engine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{clock, controlplane::ControlPlane, peers::Postgres};

use crate::{
    readers::{Readers, report},
    report::{Row, Verdict},
    scenarios::{Bench, gib},
    statistics::{Latencies, count, number, span},
    stored::Files,
};

/// A row for each question, and rows of what storing and forgetting takes: in a file.
pub(crate) fn sqlite(_: &Bench) -> Vec<Row> {
    let mut plane = plane(None);
    let file = plane.data_dir().join("controlplane/controlplane.db");
    plane.stop();
    let began = clock::now();
    let filled = Command::new("sqlite3")
        .arg(&file)
        .stdin(Stdio::from(fs::File::open(fixture("sqlite.sql")).unwrap()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(filled.success(), "sqlite3: {filled}");
    let took = began.elapsed();
    let files = Files::below(file.parent().unwrap());
    measured("SQLite", &mut plane, &files, took)
}

/// The same on a server.
pub(crate) fn postgres(_: &Bench) -> Vec<Row> {
    let server = Postgres::start();
    let database = server.database();
    let url = server.url(&database);
    let mut plane = plane(Some(&url));
    plane.stop();
    let began = clock::now();
    let _filled = server.sql(
        &database,
        &fs::read_to_string(fixture("postgres.sql")).unwrap(),
    );
    let took = began.elapsed();
    let _settled = server.sql(&database, "CHECKPOINT");
    let files = Files::below(&server.file("data/base"));
    measured("PostgreSQL", &mut plane, &files, took)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/events")
        .join(name)
}

/// A control plane that forgets nothing.
fn plane(database: Option<&str>) -> ControlPlane {
    let mut plane = ControlPlane::with(database, START);
    for (name, value) in [
        ("COUNTERSIGN_EVENT_DAYS", "36500"),
        ("COUNTERSIGN_EVENT_COUNT", "1000000000"),
        ("COUNTERSIGN_EVENT_OCTETS", "18446744073709551615"),
    ] {
        plane.variable(name, value);
    }
    plane.start();
    plane
}

fn measured(engine: &str, plane: &mut ControlPlane, files: &Files, filled: Duration) -> Vec<Row> {
    files.cool();
    let began = clock::now();
    plane.start();
    let mut rows = vec![Row {
        work: format!("{engine}, 10 million events: on the disk"),
        figure: format!(
            "{}, {} octets each; filled in {}, start to answer {}",
            gib(files.octets()),
            count(number(usize::try_from(files.octets()).unwrap()) / 1e7),
            span(filled),
            span(began.elapsed()),
        ),
        peer: String::new(),
        ratio: None,
        budget: String::new(),
        verdict: Verdict::Reference,
    }];
    rows.extend(ask(engine, plane, files));
    rows.push(store(engine, plane));
    rows.push(forget(engine, plane));
    rows
}

/// Storing goes on while others read what is stored as it comes.
fn store(engine: &str, plane: &ControlPlane) -> Row {
    let readers = Readers::start(&plane.socket(), READERS);
    let mut took = Vec::with_capacity(REPORTS);
    let began = clock::now();
    for number in 0..REPORTS {
        let asked = clock::now();
        report(
            &plane.socket(),
            number * EVENTS_PER_REPORT,
            EVENTS_PER_REPORT,
        );
        took.push(asked.elapsed());
    }
    let all = began.elapsed();
    let (shown, missed) = readers.end(REPORTS * EVENTS_PER_REPORT);
    let rate = number(REPORTS * EVENTS_PER_REPORT) / all.as_secs_f64();
    Row {
        work: format!("{engine}, 10 million events: storing more, {READERS} readers of the stream"),
        figure: format!(
            "{}/s, a report of {EVENTS_PER_REPORT} {}; the readers were shown {}, and told that they missed {}",
            count(rate),
            Latencies::new(took),
            count(number(shown)),
            count(number(missed)),
        ),
        peer: String::new(),
        ratio: None,
        budget: "> 2,000/s, all shown or told of".to_owned(),
        verdict: Verdict::of(&[
            rate > 2_000.0,
            shown + missed == READERS * REPORTS * EVENTS_PER_REPORT,
        ]),
    }
}

/// Forgetting goes on in small steps while others are stored.
fn forget(engine: &str, plane: &mut ControlPlane) -> Row {
    plane.stop();
    plane.variable("COUNTERSIGN_EVENT_COUNT", &KEPT.to_string());
    plane.start();
    let mut took = Vec::new();
    let mut number_of = REPORTS * EVENTS_PER_REPORT;
    let began = clock::now();
    let done = clock::poll(START, || {
        let asked = clock::now();
        report(&plane.socket(), number_of, 1);
        number_of += 1;
        took.push(asked.elapsed());
        plane.output().contains("old events deleted")
    });
    assert!(done, "{}", plane.output());
    // It begins with it when it begins to answer.
    let all = began.elapsed();
    let took = Latencies::new(took);
    let rate = number(10_000_000 - KEPT) / all.as_secs_f64();
    Row {
        work: format!("{engine}, 10 million events: forgetting the oldest"),
        figure: format!("{}/s, a report of one event meanwhile {took}", count(rate)),
        peer: String::new(),
        ratio: None,
        budget: "report p99 < 0.5 s".to_owned(),
        verdict: Verdict::of(&[took.quantile(990) < Duration::from_millis(500)]),
    }
}

/// How many events a page has.
fn page(plane: &ControlPlane, query: &str) -> usize {
    let answer = plane.call("GET", &format!("/events?{query}"), "");
    answer.json()["items"].as_array().unwrap().len()
}

/// What is asked: its name, the query of the n-th time, whether it has a budget.
type Question = (&'static str, fn(usize) -> String, bool);

fn ask(engine: &str, plane: &ControlPlane, files: &Files) -> Vec<Row> {
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
        let (mut cold, mut warm, mut found) = (Vec::new(), Vec::new(), 0);
        for number in 0..times {
            files.cool();
            for took in [&mut cold, &mut warm] {
                let began = clock::now();
                found += page(plane, &query(number));
                took.push(began.elapsed());
            }
        }
        let (cold, warm) = (Latencies::new(cold), Latencies::new(warm));
        rows.push(Row {
            work: format!("{engine}, 10 million events: {name}"),
            figure: format!(
                "cold {cold}; again {warm}; {} events each",
                found / times / 2
            ),
            peer: String::new(),
            ratio: None,
            budget: if has_budget { "cold p99 < 50 ms" } else { "" }.to_owned(),
            verdict: match has_budget {
                true => Verdict::of(&[cold.quantile(990) < BUDGET]),
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
const READERS: usize = 32;
const REPORTS: usize = 200;
const EVENTS_PER_REPORT: usize = 100;
/// How many are kept in the end.
const KEPT: usize = 9_900_000;
/// The file may be read first, and there is much of it.
const START: Duration = Duration::from_secs(600);
