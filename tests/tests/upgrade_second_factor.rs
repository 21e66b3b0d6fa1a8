//! The built-in second factor is upgraded while it runs: what waits in it goes on, and no call fails.
#![cfg(test)]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::client,
    countersign::{self, Countersign, Start},
    gateway::lives,
    http,
    nas::{Nas, Request, code},
    peers::{DuoAccount, SECRET, duo_client},
    ports,
    process::Process,
    upgrading::OnDisk,
    venv,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);

/// Asks the admin socket of the second factor in a data folder.
struct Factor(PathBuf);

impl Factor {
    fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("run/secondfactor.sock"))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        // Who answers without reading a body may hang up before it is sent.
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let body = body.as_str();
        let answer = http::request_local(&self.0, method, path, body).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// Makes a user with a phone, who answers by himself after so long.
    fn user(&self, name: &str, answers_after_ms: Option<u32>) {
        let script =
            answers_after_ms.map(|after| json!({ "answer": "approve", "after_ms": after }));
        let phone = json!({ "kind": "phone", "name": "", "number": "+15550100" });
        let user = json!({ "name": name, "script": script, "devices": [phone] });
        self.ask("POST", "/users", &user);
    }

    fn bypass_codes(&self, user: &str, count: usize) -> Vec<String> {
        let path = format!("/users/{user}/bypass-codes");
        let made = self.ask("POST", &path, &json!({ "count": count }));
        let codes = made["codes"].as_array().unwrap().iter();
        codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    }

    /// The ids of the pushes that wait for a user.
    fn pushes(&self, user: &str) -> Vec<String> {
        let pushes = self.ask("GET", "/pushes", &Value::Null);
        let of_user = pushes.as_array().unwrap().iter();
        let of_user = of_user.filter(|push| push["user"] == user);
        of_user
            .map(|push| push["txid"].as_str().unwrap().to_owned())
            .collect()
    }

    fn approve(&self, user: &str) {
        for txid in self.pushes(user) {
            self.ask("POST", &format!("/pushes/{txid}/approve"), &Value::Null);
        }
    }

    /// An application of its own for the official client.
    fn account(&self) -> DuoAccount {
        let made = self.ask("POST", "/applications", &json!({ "name": "a client" }));
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        DuoAccount {
            ikey: text("ikey"),
            skey: text("skey"),
            host: "localhost".to_owned(),
            port: made["port"].as_u64().unwrap().try_into().unwrap(),
            ca: text("ca_pem"),
            sig_version: 5,
        }
    }
}

/// A call that holds on until a person has answered.
fn hold<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    factor: &Factor,
    account: &DuoAccount,
    user: &'static str,
) -> ScopedJoinHandle<'scope, Value> {
    let account = account.clone();
    let holds = scope.spawn(move || {
        let asks = json!({ "username": user, "factor": "auto", "device": "auto" });
        duo_client(&account, "auth", &asks).unwrap()
    });
    wait_until("the call waits", LONG, || !factor.pushes(user).is_empty());
    holds
}

/// Spends a passcode. False when it was none.
fn spend(account: &DuoAccount, user: &str, passcode: &str) -> bool {
    let asks = json!({ "username": user, "factor": "passcode", "passcode": passcode });
    duo_client(account, "auth", &asks).unwrap()["result"] == "allow"
}

/// Whether a process is a second factor that listens on TCP.
fn listens(pid: Pid) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if !line
        .split(|octet| *octet == 0)
        .any(|word| word == b"secondfactor")
    {
        return false;
    }
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let files = files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok());
    let own: Vec<PathBuf> = files.collect();
    // SL LOCAL REMOTE STATE …, the tenth is the socket's number; 0A is LISTEN.
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut sockets = table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        (cells.get(3) == Some(&"0A")).then(|| format!("socket:[{}]", cells[9]))
    });
    sockets.any(|socket| own.contains(&PathBuf::from(socket)))
}

/// A gateway whose one section asks the built-in second factor.
struct Gateway {
    running: Countersign,
    disk: OnDisk,
    factor: Factor,
    nas: Nas,
    port: u16,
}

impl Gateway {
    fn start() -> Self {
        let port = ports::free_udp();
        let config = format!(
            "[main]\ninterface=127.0.0.1\n[duo_only_client]\n[radius_server_auto]\nport={port}\n\
             api_host=builtin\nfailmode=secure\n{}",
            client(1, "127.0.0.0/8")
        );
        let disk = OnDisk::new();
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let start = Start::with(&config).program(disk.path());
        let running = start
            .argument("--second-factor-listen")
            .argument(&listen)
            .ready();
        Self {
            factor: Factor::of(&running.data_dir()),
            nas: Nas::new(ports::loopback(port), SECRET),
            running,
            disk,
            port,
        }
    }

    /// Upgrades; gives the processes of the second factor before and after.
    fn upgrade(&self) -> (Pid, Pid) {
        let before = self.serving();
        self.disk.replace();
        OnDisk::upgraded(&self.running.data_dir(), || self.running.output());
        (before, self.serving())
    }

    /// The process that listens: one that was taken over from may be there as well, with who holds on.
    fn serving(&self) -> Pid {
        let supervisor = self.running.pid();
        let list = format!("/proc/{supervisor}/task/{supervisor}/children");
        let mut found = Vec::new();
        wait_until("one process listens", LONG, || {
            let children = fs::read_to_string(&list).unwrap();
            let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
            found = children
                .map(Pid::from_raw)
                .filter(|pid| listens(*pid))
                .collect();
            found.len() == 1
        });
        found[0]
    }

    /// Starts a login and waits until its push does.
    fn begin(&self, user: &str) -> (Nas, Request) {
        let nas = Nas::new(ports::loopback(self.port), SECRET);
        let request = nas.access(user, "any");
        nas.send(&request.encode());
        wait_until("the push waits", LONG, || {
            !self.factor.pushes(user).is_empty()
        });
        (nas, request)
    }
}

#[test]
fn what_waits_before_two_upgrades_is_answered_after_them() {
    let mut gateway = Gateway::start();
    let factor = &gateway.factor;
    for user in ["erin", "frank", "grace"] {
        factor.user(user, None);
    }
    let account = factor.account();
    let codes = factor.bypass_codes("grace", 2);
    let [spent, fresh] = [0, 1].map(|number| codes[number].as_str());
    assert!(spend(&account, "grace", spent));
    let (nas, request) = gateway.begin("erin");
    thread::scope(|scope| {
        let holds = hold(scope, factor, &account, "frank");
        let first = gateway.upgrade();
        let (second, third) = gateway.upgrade();
        assert!(first.0 != first.1 && first.1 == second && second != third);
        assert!(lives(first.0) && lives(second), "frank waits there");
        for user in ["erin", "frank"] {
            assert_eq!(
                factor.pushes(user).len(),
                1,
                "{user}: asked once, and not lost"
            );
        }
        factor.approve("erin");
        let answer = request.check(&nas.receive(LONG).unwrap()).unwrap();
        assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", answer.message());
        factor.approve("frank");
        assert_eq!(holds.join().unwrap()["result"], "allow");
        wait_until("both of before end", LONG, || {
            !lives(first.0) && !lives(second)
        });
    });
    assert!(!spend(&account, "grace", spent), "it was good once");
    assert!(spend(&account, "grace", fresh));
    let answer = gateway
        .nas
        .exchange(&gateway.nas.access("grace", "any,000000"), LONG);
    assert_eq!(answer.unwrap().code, code::ACCESS_REJECT);
    let output = gateway.running.output();
    assert!(!output.contains("a role ended by itself"), "{output}");
    assert!(
        output.contains("took over from the old process"),
        "{output}"
    );
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn who_holds_on_is_answered_when_the_next_process_is_killed() {
    let gateway = Gateway::start();
    let factor = &gateway.factor;
    factor.user("erin", None);
    factor.user("frank", None);
    let account = factor.account();
    thread::scope(|scope| {
        let holds = hold(scope, factor, &account, "frank");
        let (before, after) = gateway.upgrade();
        kill(after, Signal::SIGKILL).unwrap();
        assert_eq!(holds.join().unwrap()["status"], "timeout");
        wait_until("the one of before ends", LONG, || !lives(before));
        assert_ne!(gateway.serving(), after);
    });
    // It is started again as ever.
    wait_until("it can be asked again", LONG, || {
        http::request_local(&factor.0, "GET", "/pushes", "").is_ok()
    });
    let (nas, request) = gateway.begin("erin");
    factor.approve("erin");
    let answer = request.check(&nas.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", answer.message());
}

#[test]
fn a_thousand_logins_and_two_upgrades_lose_none() {
    let gateway = Gateway::start();
    let names: Vec<String> = (0..12).map(|number| format!("user{number}")).collect();
    let codes: Vec<Vec<String>> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            gateway.factor.user(name, Some(20));
            match number % 3 {
                0 => gateway.factor.bypass_codes(name, 8),
                _ => Vec::new(),
            }
        })
        .collect();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (done, port) = (&done, gateway.port);
        for (name, codes) in names.iter().zip(&codes) {
            scope.spawn(move || {
                let nas = Nas::new(ports::loopback(port), SECRET);
                for number in 0..100 {
                    // Some by a passcode, of which a user has ten at once; others by a push that is
                    // polled for.
                    let typed = match codes.get(number / 13).filter(|_| number % 13 == 0) {
                        Some(code) => format!("any,{code}"),
                        None => "any".to_owned(),
                    };
                    let answer = nas.exchange(&nas.access(name, &typed), LONG);
                    let answer = answer.unwrap_or_else(|| panic!("{name}: a login was lost"));
                    let message = answer.message();
                    assert_eq!(
                        answer.code,
                        code::ACCESS_ACCEPT,
                        "{name} {number}: {message}"
                    );
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for share in [200, 600] {
            let so_many = || done.load(Ordering::Relaxed) >= share;
            wait_until("logins end", LONG, so_many);
            let (before, after) = gateway.upgrade();
            assert_ne!(before, after);
            let now = done.load(Ordering::Relaxed);
            assert!(now < 1_200, "{now}: the upgrade was under load");
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), 1_200);
    let output = gateway.running.output();
    assert_eq!(
        output.matches("took over from the old process").count(),
        4,
        "{output}"
    );
    assert!(!output.contains("did not end in time"), "{output}");
}

#[test]
fn a_second_factor_that_cannot_take_over_leaves_the_one_of_before() {
    let gateway = Gateway::start();
    gateway.factor.user("erin", None);
    let before = gateway.serving();
    let (nas, request) = gateway.begin("erin");
    // It finds nobody to take over from, and the address in use.
    let sockets = gateway.running.data_dir().join("run");
    let socket = sockets.join("factor.next");
    let mode = fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let aside = sockets.join("aside");
    fs::rename(&socket, &aside).unwrap();
    OnDisk::not_upgraded(&gateway.running.data_dir(), "The one of before serves on");
    assert_eq!(gateway.serving(), before);
    fs::rename(&aside, &socket).unwrap();
    assert_eq!(gateway.factor.pushes("erin").len(), 1);
    let (old, new) = gateway.upgrade();
    assert!(old == before && new != before);
    gateway.factor.approve("erin");
    let answer = request.check(&nas.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", answer.message());
}

/// A second factor by itself.
struct Lone {
    process: Process,
    disk: OnDisk,
    manager: UnixDatagram,
    folder: TempDir,
}

impl Lone {
    fn start() -> Self {
        let (disk, folder) = (OnDisk::new(), tempfile::tempdir().unwrap());
        let notified = folder.path().join("notify");
        let manager = UnixDatagram::bind(&notified).unwrap();
        manager.set_read_timeout(Some(LONG)).unwrap();
        let mut command = command(&disk.path(), &folder.path().join("data"));
        command
            .arg("--second-factor-listen")
            .arg(ports::loopback(ports::free_tcp()).to_string())
            .env("NOTIFY_SOCKET", notified)
            .current_dir(folder.path());
        let log = folder.path().join("output.log");
        let lone = Self {
            process: Process::start("second factor", &command, &log),
            disk,
            manager,
            folder,
        };
        lone.manager_hears("READY=1");
        lone
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The one that took over dies, and the manager hears who is left.
    fn dies(&self) {
        let successor = Pid::from_raw(self.manager_hears("MAINPID=").parse().unwrap());
        assert_ne!(successor, self.process.pid());
        kill(successor, Signal::SIGKILL).unwrap();
        let left = self.manager_hears("MAINPID=");
        assert_eq!(left, self.process.pid().to_string());
    }

    /// Waits for a word to the service manager that begins so; gives the rest.
    fn manager_hears(&self, start: &str) -> String {
        let mut buffer = [0; 256];
        loop {
            let read = self.manager.recv(&mut buffer);
            let read = read.unwrap_or_else(|error| panic!("{error}\n{}", self.process.output()));
            let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
            if let Some(rest) = text.lines().find_map(|line| line.strip_prefix(start)) {
                return rest.to_owned();
            }
        }
    }
}

fn command(program: &Path, data_dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("secondfactor").arg("--data-dir").arg(data_dir);
    command
}

#[test]
fn a_second_factor_by_itself_is_upgraded_with_all_that_waits() {
    let mut lone = Lone::start();
    let factor = Factor::of(&lone.data());
    factor.user("erin", None);
    let account = factor.account();
    let device = json!({ "username": "erin", "factor": "auto", "device": "auto", "async": "1" });
    let txid = duo_client(&account, "auth", &device).unwrap()["txid"].clone();
    let state = || duo_client(&account, "auth_status", &json!({ "txid": txid })).unwrap();
    let cases: [(&[u8], &str); 3] = [
        (b"#!/bin/sh\nexit 1\n", "ended with"),
        (b"\x7fELF cut", "cannot take over"),
        (
            b"#!/bin/sh\n[ $1 = version ] && exec echo '{\"version\":\"9\"}'\nexit 7\n",
            "this one serves on",
        ),
    ];
    for (octets, says) in cases {
        lone.disk.break_with(octets);
        OnDisk::not_upgraded(&lone.data(), says);
        assert_eq!(factor.pushes("erin").len(), 1, "{says}");
    }
    lone.disk.replace();
    OnDisk::upgraded(&lone.data(), || lone.process.output());
    let now = Pid::from_raw(lone.manager_hears("MAINPID=").parse().unwrap());
    assert_eq!(lone.process.wait(LONG).code(), Some(0));
    assert!(lives(now));
    assert_eq!(factor.pushes("erin").len(), 1);
    factor.approve("erin");
    assert_eq!(state()["result"], "allow");
    // By the signal as well.
    kill(now, Signal::SIGUSR2).unwrap();
    let next = Pid::from_raw(lone.manager_hears("MAINPID=").parse().unwrap());
    wait_until("the one of before ends", LONG, || !lives(now));
    assert_eq!(state()["result"], "allow");
    kill(next, Signal::SIGTERM).unwrap();
    wait_until("it stops", LONG, || !lives(next));
}

#[test]
fn a_second_factor_whose_successor_dies_is_to_be_started_anew() {
    let mut lone = Lone::start();
    let factor = Factor::of(&lone.data());
    factor.user("erin", None);
    let account = factor.account();
    thread::scope(|scope| {
        let holds = hold(scope, &factor, &account, "erin");
        OnDisk::upgraded(&lone.data(), || lone.process.output());
        lone.dies();
        assert_eq!(holds.join().unwrap()["status"], "timeout");
    });
    assert_eq!(lone.process.wait(LONG).code(), Some(1));
    // With nothing under way it would end at once, and still sees to it that another one is there.
    let mut lone = Lone::start();
    let door = lone.data().join("run/2fa-upgrade.sock");
    wait_until("it can be asked", LONG, || door.exists());
    fs::remove_file(&door).unwrap();
    fs::create_dir(&door).unwrap();
    kill(lone.process.pid(), Signal::SIGUSR2).unwrap();
    lone.dies();
    assert_eq!(lone.process.wait(LONG).code(), Some(1));
    let output = lone.process.output();
    assert!(output.contains("is to be started anew"), "{output}");
}

#[test]
fn nothing_is_taken_over_from_another_user() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let listen = ports::loopback(ports::free_tcp()).to_string();
    let socket = data.join("run/factor.next");
    fs::create_dir_all(data.join("run")).unwrap();
    for path in [&data, &data.join("run")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let mut other = Command::new(venv::program("python"));
    // Whose a socket is that is listened on is noted when that begins.
    other.arg("-c").arg(
        "import os, socket, sys\n\
         one = socket.socket(socket.AF_UNIX)\n\
         one.bind(sys.argv[1])\n\
         os.setuid(65534)\n\
         one.listen()\n\
         print('listens', flush=True)\n\
         one.accept()[0].recv(1)\n",
    );
    other.arg(&socket);
    let log = folder.path().join("other.log");
    let mut other = Process::start("another user's", &other, &log);
    other.until("it listens", LONG, || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("listens"))
    });
    let mut command = command(&countersign::program(), &data);
    command.args(["--take-over", "--second-factor-listen", &listen]);
    let output: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another user's"), "{said}");
}
