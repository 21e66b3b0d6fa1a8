//! Where the log goes: the files of the replaced product, rotation, syslog, levels, and a disk that
//! takes nothing.
#![cfg(test)]

use std::{
    collections::HashMap,
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixDatagram,
    },
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config,
    countersign::{Countersign, Start, command, program},
    gateway::{Site, on_data_dir},
    nas::{Nas, code},
    nodes::Nodes,
    peers::{
        FakeDuo, Pki, SECRET, Slapd,
        fakeduo::{Endpoint, Fault, Outcome, Place, Preauth, User},
    },
    ports,
    process::Process,
};
use nix::sys::signal::Signal;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);
const IN: &str = "Success. Logging you in...";
const PRIMARY: &str = "Primary authentication";
const SECONDARY: &str = "Secondary authentication";

/// The site's file, with these options in `[main]`.
fn with(site: &Site, options: &str) -> String {
    site.config("")
        .replacen("[main]\n", &format!("[main]\n{options}"), 1)
}

/// A folder beside the gateway's file.
fn beside(gateway: &Countersign, name: &str) -> PathBuf {
    gateway.config().parent().unwrap().join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A file and those it was before, oldest first.
fn whole(path: &Path) -> Vec<String> {
    let before = (1..).map(|number| read(&PathBuf::from(format!("{}.{number}", path.display()))));
    let mut all: Vec<String> = before.take_while(|text| !text.is_empty()).collect();
    all.reverse();
    all.push(read(path));
    all
}

#[test]
fn what_reads_authevents_goes_on_reading() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    duo.user("bob", User::who(Outcome::Deny));
    let link = "https://enroll.example/token-planted".to_owned();
    duo.user("carol", User::default().preauth(Preauth::Enroll(link)));
    duo.fail(Place::at(Endpoint::Preauth).of("comma"), Fault::Status(401));
    let (radius, directory) = (ports::free_udp(), ports::free_udp());
    let text = format!(
        "{}log_auth_events=true\nlog_dir=logs\n[duo_only_client]\n{}{}client=duo_only_client\n{}host=127.0.0.1\nport={}\n{}client=ad_client\n",
        config::MAIN,
        config::server("radius_server_auto", radius, &duo),
        "failmode=secure\n",
        config::ad_client("ad_client"),
        slapd.port,
        config::server("radius_server_auto2", directory, &duo),
    );
    let gateway = Countersign::run(&text);
    for (port, user, password, code) in [
        (radius, "alice", "any", code::ACCESS_ACCEPT),
        (directory, "alice", "pw-alice", code::ACCESS_ACCEPT),
        (directory, "alice", "wrong", code::ACCESS_REJECT),
        (directory, "bob", "pw-bob", code::ACCESS_REJECT),
        (radius, "carol", "any", code::ACCESS_REJECT),
        (radius, "comma", "any", code::ACCESS_REJECT),
    ] {
        let nas = Nas::new(ports::loopback(port), SECRET);
        let request = nas.access(user, password).text(31, "198.51.100.7");
        assert_eq!(nas.exchange(&request, LONG).unwrap().code, code, "{user}");
    }
    let file = beside(&gateway, "logs/authevents.log");
    wait_until("every login has its lines", LONG, || {
        read(&file).lines().count() >= 11
    });
    let text = read(&file);
    let order = [
        "timestamp",
        "msg",
        "username",
        "auth_stage",
        "status",
        "client_ip",
        "server_section",
        "server_section_ikey",
        "factor",
        "hostname",
    ];
    let mut found = Vec::new();
    for line in text.lines() {
        let one: Value = serde_json::from_str(line).unwrap();
        let at = order.map(|key| line.find(&format!("\"{key}\":")).unwrap());
        assert!(at.is_sorted(), "{line}");
        assert_eq!(one.as_object().unwrap().len(), order.len());
        assert_eq!(one["client_ip"], "198.51.100.7");
        assert_eq!(one["server_section_ikey"], FakeDuo::IKEY);
        let time = one["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == 27, "{time}");
        let field = |key: &str| one[key].as_str().unwrap_or("null").to_owned();
        let section = field("server_section");
        found.push([
            section,
            field("username"),
            field("auth_stage"),
            field("status"),
            field("msg"),
        ]);
    }
    let ignoring = "Primary authentication successful - Ignoring primary credentials";
    let (one, two) = ("radius_server_auto", "radius_server_auto2");
    for want in [
        [one, "alice", PRIMARY, "Allow", ignoring],
        [one, "alice", SECONDARY, "Allow", IN],
        [two, "alice", SECONDARY, "Allow", IN],
        [two, "bob", SECONDARY, "Reject", "Login request denied."],
        [
            one,
            "carol",
            SECONDARY,
            "Reject",
            "User is not enrolled. Enrollment link sent.",
        ],
    ] {
        assert!(
            found.iter().any(|line| line.iter().eq(want)),
            "{want:?} in {found:#?}"
        );
    }
    for (want, begins) in [
        (
            [two, "alice", PRIMARY, "Allow"],
            "Primary authentication successful - ",
        ),
        (
            [two, "alice", PRIMARY, "Reject"],
            "Primary credentials rejected - ",
        ),
        (
            [two, "bob", PRIMARY, "Allow"],
            "Primary authentication successful - ",
        ),
        ([one, "comma", SECONDARY, "Error"], ""),
    ] {
        let there = found
            .iter()
            .any(|line| line[..4].iter().eq(want) && line[4].starts_with(begins));
        assert!(there, "{want:?} in {found:#?}");
    }
    assert!(
        !text.contains("token-planted"),
        "who has the link can enrol"
    );
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o027, 0);

    let human = read(&beside(&gateway, "logs/authproxy.log"));
    for want in [
        "login attempt for username 'alice'",
        "Got preauth result for: 'auth'",
        "Duo authentication returned 'allow': 'Success. Logging you in...'",
        "Returning response code 2: AccessAccept",
        "Returning response code 3: AccessReject",
        "Primary credentials rejected - ",
    ] {
        let line = human
            .lines()
            .find(|line| line.ends_with(want) || line.contains(want));
        let line = line.unwrap_or_else(|| panic!("{want} in\n{human}"));
        let (date, rest) = line.split_at(24);
        assert!(date.starts_with("20") && date.ends_with("+0000"), "{line}");
        assert!(
            rest.starts_with(" [radius_server_auto") && rest.contains("] (('127.0.0.1', "),
            "{line}"
        );
    }
}

#[test]
fn rotation_under_load_loses_and_tears_nothing() {
    const THREADS: usize = 4;
    const EACH: usize = 60;
    let site = Site::new();
    let options = "log_dir=logs\nlog_auth_events=true\nlog_max_size=3000\nlog_max_files=900\n";
    let gateway = Countersign::run(&with(&site, options));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let nas = site.nas();
            scope.spawn(move || {
                for number in 0..EACH {
                    let answer = nas.login(&format!("user-{thread}-{number}"), "any");
                    assert_eq!(answer.code, code::ACCESS_ACCEPT);
                }
            });
        }
    });
    let logins = THREADS * EACH;
    let folder = beside(&gateway, "logs");
    let (events, human) = (folder.join("authevents.log"), folder.join("authproxy.log"));
    let count = |path: &Path, word: &str| -> usize {
        let files = whole(path);
        files.iter().map(|text| text.matches(word).count()).sum()
    };
    wait_until("every login is written", LONG, || {
        count(&events, SECONDARY) >= logins && count(&human, "Sending response") >= logins
    });
    let mut seen: HashMap<String, usize> = HashMap::new();
    let files = whole(&events);
    assert!(files.len() > 10, "{} files", files.len());
    for text in &files {
        assert!(
            text.len() <= 3_000 && text.ends_with('\n'),
            "{} octets",
            text.len()
        );
        for line in text.lines() {
            let one: Value = serde_json::from_str(line).unwrap();
            if one["auth_stage"] == SECONDARY {
                let user = one["username"].as_str().unwrap().to_owned();
                *seen.entry(user).or_default() += 1;
            }
        }
    }
    assert_eq!(seen.len(), logins);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    let files = whole(&human);
    assert!(files.len() > 10, "{} files", files.len());
    let text = files.concat();
    for user in seen.keys() {
        let attempt = format!("login attempt for username '{user}'\n");
        assert_eq!(text.matches(&attempt).count(), 1, "{user}");
    }
    for sink in ["stdout", "file", "authevents", "roles"] {
        let series = lost("supervisor", sink);
        assert!(gateway.get("/metrics").body.contains(&series), "{series}");
        assert!(gateway.metric(&series).abs() < f64::EPSILON, "{series}");
    }
    // As logrotate does it.
    let moved = folder.join("moved");
    fs::rename(&events, &moved).unwrap();
    gateway.signal(Signal::SIGUSR1);
    wait_until("the file is there again", LONG, || events.is_file());
    assert_eq!(site.nas().login("after", "any").code, code::ACCESS_ACCEPT);
    wait_until("it is written to", LONG, || {
        read(&events).contains("\"after\"")
    });
}

#[test]
fn a_disk_that_takes_nothing_stops_no_login_and_is_told_of_once() {
    let site = Site::new();
    let gateway = Countersign::run(&with(&site, "log_dir=logs\nlog_auth_events=true\n"));
    let folder = beside(&gateway, "logs");
    let (events, human) = (folder.join("authevents.log"), folder.join("authproxy.log"));
    wait_until("the files are there", LONG, || {
        events.is_file() && human.is_file()
    });
    // The one is on a full disk; the other's folder is none any more.
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    symlink("/dev/full", &events).unwrap();
    fs::create_dir(&human).unwrap();
    for _ in 0..5 {
        assert_eq!(site.nas().login("alice", "any").code, code::ACCESS_ACCEPT);
    }
    let lost = |sink: &str| gateway.metric(&lost("supervisor", sink));
    wait_until("what is lost is counted", LONG, || {
        lost("authevents") >= 5.0 && lost("file") >= 5.0
    });
    let said = "the log cannot be written; its lines are lost until it can";
    let times = |sink: &str| {
        let output = gateway.output();
        let lines = output.lines().filter(|line| line.contains(said));
        lines
            .filter(|line| line.contains(&format!("sink=\"{sink}\"")))
            .count()
    };
    assert_eq!((times("authevents.log"), times("authproxy.log")), (1, 1));
    fs::remove_file(&events).unwrap();
    fs::remove_dir(&human).unwrap();
    assert_eq!(site.nas().login("bob", "any").code, code::ACCESS_ACCEPT);
    wait_until("the files are written again", LONG, || {
        read(&events).contains("\"bob\"") && read(&human).contains("'bob'")
    });
    let again = || gateway.output().matches("the log is written again").count();
    wait_until("that is said of both", LONG, || again() == 2);
    assert!(!read(&events).contains("alice"));
}

#[test]
fn options_of_the_log_are_taken_while_it_runs() {
    let site = Site::new();
    let gateway = Countersign::run(&with(&site, ""));
    let unset = gateway.data_dir().join("log/authproxy.log");
    assert_eq!(site.nas().login("first", "any").code, code::ACCESS_ACCEPT);
    wait_until(
        "the folder is in the data folder when none is named",
        LONG,
        || read(&unset).contains("username 'first'"),
    );
    assert!(
        read(&unset).contains("] ready admin="),
        "what was before the first revision, too"
    );
    gateway.rewrite_config(&with(
        &site,
        "log_dir=elsewhere\nlog_stdout=false\nlog_auth_events=true\ndebug=true\n",
    ));
    wait_until("the revision is served", LONG, || gateway.revision() == 2);
    let (events, human) = (
        beside(&gateway, "elsewhere/authevents.log"),
        beside(&gateway, "elsewhere/authproxy.log"),
    );
    wait_until("the files are made", LONG, || {
        events.is_file() && human.is_file()
    });
    assert_eq!(site.nas().login("second", "any").code, code::ACCESS_ACCEPT);
    wait_until("the login is in them", LONG, || {
        read(&events).contains("\"second\"") && read(&human).contains("username 'second'")
    });
    let human = read(&human);
    assert!(
        human.contains("[dataplane::server::record#info] step "),
        "{human}"
    );
    assert!(!read(&unset).contains("'second'"));
    assert!(
        !gateway.output().contains("\"second\""),
        "it is not on standard output"
    );
    let levels = |role: &str| {
        let shown = gateway.command(&["log-level", "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        shown[role].clone()
    };
    for role in ["supervisor", "controlplane", "dataplane"] {
        wait_until("every role logs more", LONG, || {
            levels(role)["debug"] == true
        });
        assert!(
            levels(role)["levels"]
                .as_str()
                .unwrap()
                .contains("dataplane=debug")
        );
    }
    gateway.rewrite_config(&with(&site, "log_file=false\n"));
    wait_until("the revision is served", LONG, || gateway.revision() == 3);
    wait_until("less is logged again", LONG, || {
        levels("controlplane")["debug"] == false
    });
    assert_eq!(site.nas().login("third", "any").code, code::ACCESS_ACCEPT);
    wait_until("it is on standard output again", LONG, || {
        gateway.output().contains("user=\"third\"")
    });
    assert!(!read(&unset).contains("'third'"));
}

#[test]
fn levels_change_while_it_runs() {
    let site = Site::new();
    let gateway = Countersign::run(&with(&site, ""));
    let change = |arguments: &[&str]| {
        let all: Vec<&str> = ["log-level"].iter().chain(arguments).copied().collect();
        let output = gateway.command(&all);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = change(&[]);
    for role in ["supervisor", "controlplane", "dataplane"] {
        let line = shown.lines().find(|line| line.starts_with(role)).unwrap();
        assert!(line.ends_with(" info"), "{shown}");
    }
    let stranger = Nas::new(site.radius(), "another secret");
    let ask = || stranger.send(&stranger.access("alice", "any").encode());
    let told = |word: &str| gateway.output().matches(word).count();
    let discarded = "DEBUG dataplane::server::discards";
    ask();
    assert_eq!(site.nas().login("alice", "any").code, code::ACCESS_ACCEPT);
    assert_eq!(told(discarded), 0);
    let shown = change(&["dataplane::server=debug", "--role", "dataplane"]);
    assert!(
        shown.contains("changed by hand: dataplane::server=debug"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1, "{shown}");
    wait_until("a discarded request is told of", LONG, || {
        ask();
        told(discarded) > 0
    });
    let shown = change(&["--reset"]);
    assert!(!shown.contains("by hand"), "{shown}");
    for (arguments, want) in [
        (&["dataplane=loud"][..], "'loud' is no level"),
        (&["a b=info"], "'a b' is no target"),
        (&["info", "--role", "gate"], "--role 'gate' is none"),
        (&["datapane=debug"], "did you mean 'dataplane'?"),
        (&["--log", "debug"], "write: countersign log-level debug"),
    ] {
        let all: Vec<&str> = ["log-level"].iter().chain(arguments).copied().collect();
        let output = gateway.command(&all);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && text.contains(want),
            "{text}"
        );
    }
    let output = gateway.command(&["log-level", "--role", "secondfactor"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("no secondfactor runs in "), "{text}");
}

#[test]
fn syslog_has_it_and_no_name_makes_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(LONG)).unwrap();
    let site = Site::new();
    let options =
        "log_syslog=true\nsyslog_facility=LOG_AUTHPRIV\nlog_auth_events=true\nlog_dir=logs\n";
    let gateway = Start::with(&with(&site, options))
        .argument("--syslog-socket")
        .argument(path.to_str().unwrap())
        .ready();
    let hostile = "eve\n2026-01-01T00:00:00+0000 [x] \u{1b}[2J\u{9b}31m";
    let _answer = site.nas().login(hostile, "any");
    let mut buffer = vec![0; 64 * 1024];
    let mut messages = Vec::new();
    while !messages
        .iter()
        .any(|one: &String| one.contains("Sending response"))
    {
        let length = daemon.recv(&mut buffer).unwrap();
        messages.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    for message in &messages {
        // LOG_AUTHPRIV is 10; what is fine has severity 6.
        let (priority, text) = message.split_once("countersign[").unwrap();
        assert!(["<86>", "<84>", "<83>"].contains(&priority), "{message:?}");
        assert!(!text.chars().any(char::is_control), "{message:?}");
    }
    assert!(
        messages
            .iter()
            .any(|one| one.contains("username 'eve\\n2026")),
        "{messages:#?}"
    );
    let file = beside(&gateway, "logs/authevents.log");
    wait_until("the event is written", LONG, || read(&file).contains("eve"));
    for text in [
        read(&file),
        read(&beside(&gateway, "logs/authproxy.log")),
        gateway.output(),
    ] {
        let shown = text.chars().find(|one| one.is_control() && *one != '\n');
        assert_eq!(shown, None, "{text}");
        assert!(
            !text
                .lines()
                .any(|line| line.starts_with("2026-01-01T00:00:00")),
            "{text}"
        );
    }
}

#[test]
fn the_journal_has_no_link_that_makes_an_administrator() {
    for (journal, shown) in [(true, false), (false, true)] {
        let folder = tempfile::tempdir().unwrap();
        // As systemd says which stream is the journal; or of another stream.
        let stream = match journal {
            true => "$(stat --dereference --format=%d:%i /proc/self/fd/2)",
            false => "1:1",
        };
        let script = format!("export JOURNAL_STREAM={stream}; exec \"$0\" \"$@\"");
        let admin = ports::loopback(ports::free_tcp()).to_string();
        let mut start = Command::new("sh");
        start
            .args(["-c", &script])
            .arg(program())
            .args(["run", "--data-dir", "data", "--admin-listen", &admin])
            .current_dir(folder.path());
        let mut gateway = Process::start("countersign", &start, &folder.path().join("output.log"));
        gateway.until("it speaks of the first administrator", LONG, || {
            read(&folder.path().join("output.log")).contains("Nobody may use this gateway yet")
        });
        let output = gateway.output();
        assert_eq!(output.contains("/setup#cst_"), shown, "{output}");
        assert!(output.contains("countersign admin invite NAME"), "{output}");
        assert_eq!(output.contains("cst_"), shown, "{output}");
        let invite = ["admin", "invite", "alice", "--data-dir", "data"];
        let invited = command(&invite, folder.path());
        assert!(invited.status.success(), "{invited:?}");
    }
}

#[test]
fn a_node_by_itself_has_files_and_levels_of_its_own() {
    let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
    let text = format!(
        "{}log_auth_events=true\n[duo_only_client]\n{}client=duo_only_client\nfailmode=secure\n",
        config::MAIN,
        config::server("radius_server_auto", port, &duo),
    );
    let nodes = Nodes::start(&text);
    for (nas, user) in [(nodes.nas_a(port), "alice"), (nodes.nas_b(port), "bob")] {
        assert_eq!(nas.login(user, "any").code, code::ACCESS_ACCEPT);
    }
    let (at_a, at_b) = (
        nodes.a.data_dir().join("log"),
        nodes.b.data_dir().join("log"),
    );
    for (folder, own, other) in [(at_a, "alice", "bob"), (at_b, "bob", "alice")] {
        let (events, human) = (folder.join("authevents.log"), folder.join("authproxy.log"));
        let (event, attempt) = (format!("\"{own}\""), format!("username '{own}'"));
        wait_until("the login is in both files", LONG, || {
            read(&events).contains(&event) && read(&human).contains(&attempt)
        });
        assert!(
            !read(&events).contains(other) && !read(&human).contains(other),
            "{own}"
        );
    }
    let line = "countersign::login: login login=";
    wait_until("the login is on standard output", LONG, || {
        nodes.b.output().contains(line)
    });
    let series = lost("dataplane", "authevents");
    assert!(nodes.b.metric(&series).abs() < f64::EPSILON);
    let shown = on_data_dir(&["log-level", "debug", "--json"], &nodes.b.data_dir(), "");
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let roles: Vec<&String> = shown.as_object().unwrap().keys().collect();
    assert_eq!(roles, ["dataplane"]);
    assert_eq!(shown["dataplane"]["set"], "debug");
}

/// The series of the lines that a process lost.
fn lost(role: &str, sink: &str) -> String {
    format!("countersign_log_lines_lost_total{{role=\"{role}\",sink=\"{sink}\"}}")
}
