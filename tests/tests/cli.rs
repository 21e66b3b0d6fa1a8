//! The command line as people and scripts use it: what it prints and how it exits.
#![cfg(test)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start, command, program},
    gateway::{Site, on_data_dir},
    peers::{
        SECRET,
        fakeduo::{Outcome, User},
    },
    ports,
    process::Process,
};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn validate_tells_every_fault_and_exits_by_the_verdict() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        // Others could read it otherwise, which is a warning.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, mode).unwrap();
    };
    // An exempt user without a primary would be a warning.
    let good = |more| site.config(more).replace("exempt_username_1=exempt\n", "");
    write("good.cfg", &good(""));
    write("warned.cfg", &good("no_such_option=1\n"));
    write(
        "bad.cfg",
        &good("message_authenticator=perhaps\napi_timeout=soon\n"),
    );
    for (file, more, code, words) in [
        ("good.cfg", None, 0, "good: 0 errors, 0 warnings"),
        (
            "good.cfg",
            Some("--strict"),
            0,
            "good: 0 errors, 0 warnings",
        ),
        // Shortened: what is no option may be a secret on a line of its own.
        (
            "warned.cfg",
            None,
            0,
            "no_such_…: this section has no such option",
        ),
        (
            "warned.cfg",
            Some("--strict"),
            2,
            "bad: 0 errors, 1 warning",
        ),
        ("bad.cfg", None, 2, "bad: 2 errors, 0 warnings"),
        ("absent.cfg", None, 2, "absent.cfg: error: cannot be read"),
        (".", None, 2, "no regular file"),
        ("-", None, 2, "-: error: cannot be read"),
    ] {
        let mut arguments = vec!["validate", file];
        arguments.extend(more);
        let output = command(&arguments, folder.path());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{file} {more:?}: {output:?}"
        );
        assert!(
            text(&output).contains(words),
            "{file} {more:?}: {}",
            text(&output)
        );
    }
    let verdict = json(&command(&["validate", "--json", "bad.cfg"], folder.path()));
    assert_eq!(
        (&verdict["valid"], &verdict["errors"]),
        (&false.into(), &2.into())
    );
    let lines: Vec<_> = verdict["diagnostics"].as_array().unwrap().iter().collect();
    assert!(lines.iter().all(|one| one["line"].is_u64()), "{lines:?}");
    let none = command(&["validate"], folder.path());
    assert_eq!(none.status.code(), Some(2), "no file");
    assert!(
        !folder.path().join("countersign-data").exists(),
        "nothing is made"
    );
}

#[test]
fn version_and_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let version = json(&command(&["version", "--json"], folder.path()));
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"), "{version}");
    let plain = text(&command(&["version"], folder.path()));
    assert!(plain.contains(env!("CARGO_PKG_VERSION")), "{plain}");
    for wrong in [&["nonsense"][..], &["run", "--admin-listen", "here"]] {
        let output = command(wrong, folder.path());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
    for asked in [
        &["status"][..],
        &["reload"],
        &["login", "alice"],
        &["factor", "users"],
    ] {
        let output = on_data_dir(asked, folder.path(), "any\n");
        assert_eq!(output.status.code(), Some(1), "{asked:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{asked:?} says why");
    }
    for asked in ["status", "login alice"] {
        let words: Vec<&str> = asked.split(' ').collect();
        let said = text(&on_data_dir(&words, folder.path(), "any\n"));
        assert!(
            said.contains("is this the right --data-dir?"),
            "{asked}: {said}"
        );
    }
}

#[test]
fn login_explains_and_exits_by_the_verdict() {
    let site = Site::new();
    site.duo.user("dora", User::who(Outcome::Deny));
    let gateway = Countersign::run(&site.config(""));
    let login = |words: &[&str]| on_data_dir(words, &gateway.data_dir(), "any\n");
    let accepted = login(&["login", "alice"]);
    assert_eq!(accepted.status.code(), Some(0), "{accepted:?}");
    assert!(text(&accepted).contains("ACCEPTED"), "{}", text(&accepted));
    let denied = login(&["login", "dora"]);
    assert_eq!(denied.status.code(), Some(1), "{denied:?}");
    let told = json(&login(&["login", "alice", "--json"]));
    assert_eq!(told["code"], "Access-Accept", "{told}");
    assert_eq!(told["login"]["user"], "alice", "{told}");
    let told = json(&login(&["login", "dora", "--json"]));
    assert_eq!(told["code"], "Access-Reject", "{told}");
    let file = gateway.data_dir().join("password");
    fs::write(&file, "any\n").unwrap();
    let read = login(&["login", "alice", "--password-file", file.to_str().unwrap()]);
    assert_eq!(read.status.code(), Some(0), "{read:?}");
    let other = login(&["login", "alice", "--integration", "another"]);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    assert!(
        text(&other).contains("radius_server_auto"),
        "{}",
        text(&other)
    );
    let shown = text(&gateway.command(&["status"]));
    assert!(
        shown.contains("revision 1") && shown.contains(&site.port.to_string()),
        "{shown}"
    );
    let reload = json(&gateway.command(&["reload", "--json"]));
    assert_eq!(reload["result"], "unchanged", "{reload}");
}

#[test]
fn the_second_factor_is_managed_by_commands() {
    let listen = ports::loopback(ports::free_tcp()).to_string();
    let config = format!(
        "[duo_only_client]\n\n[radius_server_auto]\napi_host=builtin\nclient=duo_only_client\n\
         failmode=secure\nport={}\nradius_ip_1=127.0.0.0/8\nradius_secret_1={SECRET}\n",
        ports::free_udp()
    );
    let gateway = Start::with(&config)
        .argument("--second-factor-listen")
        .argument(&listen)
        .ready();
    let factor = |words: &[&str]| gateway.command(&[&["factor"][..], words].concat());
    let good = |words: &[&str]| {
        let output = factor(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        text(&output)
    };
    let login = |password: &str| {
        let output = on_data_dir(
            &["login", "erin"],
            &gateway.data_dir(),
            &format!("{password}\n"),
        );
        output.status.code()
    };
    good(&["add", "erin"]);
    assert!(good(&["users"]).contains("erin"));
    good(&["add-device", "erin", "phone", "--number", "+1 555 010 0199"]);
    assert!(good(&["show", "erin"]).contains("phone"));
    good(&["add-device", "erin", "totp"]);

    good(&["script", "erin", "approve"]);
    assert_eq!(login("any"), Some(0), "approved by the script");
    good(&["script", "erin", "deny"]);
    assert_eq!(login("any"), Some(1), "denied by the script");
    good(&["script", "erin", "none"]);

    let codes = json(&factor(&["bypass-codes", "erin", "--count", "2", "--json"]));
    let code = codes["codes"][0].as_str().unwrap().to_owned();
    assert_eq!(codes["codes"].as_array().unwrap().len(), 2);
    assert_eq!(login(&format!("any,{code}")), Some(0), "a code");
    assert_eq!(login(&format!("any,{code}")), Some(1), "works once");

    for (answer, exit) in [("approve", 0), ("deny", 1)] {
        let folder = gateway.data_dir();
        let waiting = std::thread::spawn(move || {
            on_data_dir(&["login", "erin"], &folder, "any\n")
                .status
                .code()
        });
        wait_until("the push waits", LONG, || {
            good(&["pushes"]).contains("erin")
        });
        good(&[answer, "erin"]);
        assert_eq!(waiting.join().unwrap(), Some(exit), "{answer}");
    }
    good(&["set-status", "erin", "bypass"]);
    assert_eq!(login("any"), Some(0), "bypass");
    good(&["set-status", "erin", "disabled"]);
    assert_eq!(login("any"), Some(1), "disabled");
    for wrong in [
        &["show", "nobody"][..],
        &["approve", "erin"],
        &["set-status", "erin", "happy"],
        &["script", "erin", "perhaps"],
        &["add", "erin"],
        &["add-device", "erin", "pigeon"],
    ] {
        let output = factor(wrong);
        assert!(
            !output.status.success() && !output.stderr.is_empty(),
            "{wrong:?}: {output:?}"
        );
    }
    good(&["delete", "erin"]);
    assert!(!good(&["users"]).contains("erin"));
}

/// Runs a line as it would be pasted.
fn pasted(line: &str, folder: &Path) -> Output {
    Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn the_demo_prints_commands_that_work() {
    let folder = tempfile::tempdir().unwrap();
    let address = || ports::loopback(ports::free_tcp()).to_string();
    let mut start = Command::new(program());
    start
        .args([
            "demo",
            "--admin-listen",
            &address(),
            "--second-factor-listen",
            &address(),
        ])
        .args(["--port", &ports::free_udp().to_string(), "--data-dir"])
        .arg(folder.path().join("data"));
    let mut demo = Process::start("demo", &start, &folder.path().join("log"));
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    demo.until("it says what to paste", LONG, || {
        log().contains("as it happens")
    });
    let lines: Vec<String> = log()
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| {
            let commands = ["echo ", "printf "];
            commands.iter().any(|one| line.starts_with(one)) || line.contains(" factor approve ")
        })
        .collect();
    assert_eq!(lines.len(), 9, "{lines:?}");
    for (line, exit, words) in [
        (&lines[0], 0, "ACCEPTED"),
        (&lines[1], 0, "ACCEPTED"),
        (&lines[2], 1, "REJECTED"),
        (&lines[3], 0, "1. Duo Push to XXX-XXX-0100"),
        (&lines[4], 0, "1. Duo Push to XXX-XXX-0101"),
        (&lines[5], 0, "Access-Accept"),
        (&lines[6], 0, "Access-Accept"),
    ] {
        let output = pasted(line, folder.path());
        assert_eq!(output.status.code(), Some(exit), "{line}: {output:?}");
        assert!(text(&output).contains(words), "{line}: {output:?}");
    }
    let (_, login) = lines[3].split_once(" | ").unwrap();
    let unanswered = pasted(&format!("echo anything | {login}"), folder.path());
    assert_eq!(unanswered.status.code(), Some(1), "{unanswered:?}");
    assert!(
        text(&unanswered).contains("the input has no further line"),
        "an end of input is no answer: {unanswered:?}"
    );
    let (login, approve) = (lines[7].clone(), &lines[8]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pasted(&login, folder.path()));
        wait_until("the push can be approved", LONG, || {
            pasted(approve, folder.path()).status.success()
        });
        assert_eq!(waiting.join().unwrap().status.code(), Some(0));
    });
    let status = log()
        .lines()
        .find(|line| line.starts_with("Status "))
        .unwrap()
        .to_owned();
    let status = pasted(status.trim_start_matches("Status").trim(), folder.path());
    assert!(status.status.success(), "{status:?}");
    assert!(text(&status).contains("from the database"), "{status:?}");
    let import = log()
        .lines()
        .find(|line| line.contains(" import "))
        .unwrap()
        .to_owned();
    let config = folder.path().join("data/authproxy.cfg");
    let changed = fs::read_to_string(&config).unwrap() + "prompt_format=short\n";
    fs::write(&config, changed).unwrap();
    let imported = pasted(&format!("{} --yes", import.trim()), folder.path());
    assert!(
        text(&imported).contains("revision 2 is served"),
        "{imported:?}"
    );
    assert!(
        log().contains("carol"),
        "logins are explained as they happen"
    );
    assert_eq!(demo.stop().code(), Some(0));
}
