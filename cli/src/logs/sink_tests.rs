//! Sinks whose reader is slow, gone or another.

use super::*;

#[test]
fn a_stuck_sink_costs_lines_and_no_time() {
    // Nobody opens the other end of this pipe until the queue is full.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let plan = Plan::File(FilePlan {
        path: path.clone(),
        max_octets: 0,
        max_files: 0,
    });
    let sink = Sink::start(Kind::File, plan, "gate").unwrap();
    let more = 10;
    let item = Arc::new(Item::Record(Record::new(Level::Info, "x", "line")));
    for _ in 0..QUEUED_LINES + more {
        sink.put(&item);
    }
    // The writer may have taken one out of the queue.
    let lost = sink.lost();
    assert!((9..=10).contains(&lost), "{lost}");
    let reader = std::thread::spawn(move || io::read_to_string(std::fs::File::open(path)?));
    sink.end(now() + Duration::from_secs(30));
    let text = reader.join().unwrap().unwrap();
    assert_eq!(
        u64::try_from(text.lines().count()).unwrap() + lost,
        u64::try_from(QUEUED_LINES + more).unwrap()
    );
    assert!(text.lines().all(|line| line.ends_with("[x#info] line")));
}

#[test]
fn what_is_queued_is_written_where_it_was_to_go() {
    // The writer waits for the other end of this pipe meanwhile.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let file = |name: &str| {
        Plan::File(FilePlan {
            path: at(name),
            max_octets: 0,
            max_files: 0,
        })
    };
    nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut sink = Sink::start(Kind::File, file("pipe"), "gate").unwrap();
    let line = |sink: &Sink, text: &str| {
        sink.put(&Arc::new(Item::Record(Record::new(Level::Info, "x", text))));
    };
    line(&sink, "1");
    line(&sink, "2");
    sink.change(file("unused"));
    sink.change(file("second"));
    line(&sink, "3");
    sink.change(Plan::Off);
    line(&sink, "nobody wants it");
    sink.change(file("third"));
    line(&sink, "4");
    let pipe = at("pipe");
    let reader = std::thread::spawn(move || io::read_to_string(std::fs::File::open(pipe)?));
    let lost = Arc::clone(&sink.shared);
    sink.end(now() + Duration::from_secs(30));
    assert_eq!(lost.lost.load(Ordering::Relaxed), 0);
    let said = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .map(|line| line.rsplit(' ').next().unwrap().to_owned());
        lines.collect()
    };
    assert_eq!(said(&reader.join().unwrap().unwrap()), ["1", "2"]);
    let read = |name: &str| said(&std::fs::read_to_string(at(name)).unwrap_or_default());
    assert_eq!(read("second"), ["3"]);
    assert_eq!(read("third"), ["4"]);
    assert!(!at("unused").exists());
}

#[test]
fn of_too_many_plans_the_newest_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |number: usize| folder.path().join(number.to_string());
    let file = |number: usize| {
        Plan::File(FilePlan {
            path: at(number),
            max_octets: 0,
            max_files: 0,
        })
    };
    nix::unistd::mkfifo(&at(0), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut sink = Sink::start(Kind::File, file(0), "gate").unwrap();
    let item = Arc::new(Item::Record(Record::new(Level::Info, "x", "line")));
    let all = 2 * PLANS;
    for number in 1..=all {
        sink.put(&item);
        sink.change(file(number));
    }
    sink.put(&item);
    assert_eq!(sink.shared.plans().len(), PLANS);
    let pipe = at(0);
    let reader = std::thread::spawn(move || io::read_to_string(std::fs::File::open(pipe)?));
    sink.end(now() + Duration::from_secs(30));
    let mut lines = reader.join().unwrap().unwrap().lines().count();
    for number in 1..=all {
        let text = std::fs::read_to_string(at(number)).unwrap_or_default();
        lines += text.lines().count();
    }
    assert_eq!(lines, all + 1);
    assert!(at(all).exists());
}

#[test]
fn long_lines_wait_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let plan = Plan::File(FilePlan {
        path,
        max_octets: 0,
        max_files: 0,
    });
    let sink = Sink::start(Kind::File, plan, "gate").unwrap();
    let text = "x".repeat(1024 * 1024);
    let item = Arc::new(Item::Record(Record::new(Level::Info, "x", &text)));
    for _ in 0..40 {
        sink.put(&item);
    }
    let lost = sink.lost();
    assert!((7..=9).contains(&lost), "{lost}");
}

#[test]
fn events_go_to_their_file_and_nothing_else_does() {
    let record = Item::Record(Record::new(Level::Info, "x", "line"));
    assert!(of_events(&record, "gate").is_empty());
    assert!(!record.is_for_events(Kind::Events));
    let raw = Item::Raw {
        role: proto::child::Role::DataPlane,
        text: "thread panicked\u{1b}[31m".to_owned(),
    };
    assert_eq!(
        of_console(&raw, Format::Text),
        "thread panicked\\u{1b}[31m\n"
    );
    assert!(of_file(&raw).ends_with(" [dataplane#error] thread panicked\\u{1b}[31m\n"));
    let json: serde_json::Value = serde_json::from_str(&of_console(&raw, Format::Json)).unwrap();
    assert_eq!(json["target"], "dataplane");
}
