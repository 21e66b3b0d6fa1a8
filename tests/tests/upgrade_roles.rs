//! A role that runs by itself is upgraded, and no login is lost.
#![cfg(test)]

use std::{fs, process::Command, thread, time::Duration};

use e2e::{
    clock::wait_until,
    config::{MAIN, challenge, server, upstreams},
    countersign::{Countersign, Start},
    eap::{PASSWORD, by_name, section},
    gateway::{children, lives},
    http,
    nas::{Nas, Request, attribute, code},
    peers::{
        FakeDuo, Pki, SECRET, ScriptedUpstream, Supplicant,
        fakeduo::{Outcome, User},
        supplicant::{Method, Session, Step, typed},
    },
    ports,
    process::Process,
    service_manager::ServiceManager,
    upgrading::{Load, OnDisk},
};
use nix::{
    sys::{
        signal::{Signal, kill},
        socket::{getsockopt, sockopt::PeerCredentials},
    },
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(300);

/// A data plane by itself on 127.0.0.2, with sections of three modes.
struct Node {
    duo: FakeDuo,
    disk: OnDisk,
    auto: u16,
    challenge: u16,
    eap: u16,
    process: Process,
    folder: TempDir,
    manager: ServiceManager,
    _control: Countersign,
    _upstream: ScriptedUpstream,
}

impl Node {
    fn start() -> Self {
        let duo = FakeDuo::start(Pki::shared());
        let upstream = ScriptedUpstream::start(|request| Some(by_name(request)));
        let [auto, challenged, eap] = [(); 3].map(|()| ports::free_udp());
        let control = Start::with(&format!(
            "{MAIN}test_connectivity_on_startup=true\n[duo_only_client]\n{}{}exempt_username_1=exempt\n{}{}{}",
            server("radius_server_auto", auto, &duo),
            "client=duo_only_client\n",
            challenge(1, challenged, &duo, "duo_only_client", ""),
            upstreams("radius_client", &[upstream.address()]),
            section(1, eap, &duo, "radius_client", "factors=push\n"),
        ))
        .ready();
        let (disk, folder) = (OnDisk::new(), tempfile::tempdir().unwrap());
        let manager = ServiceManager::new(folder.path());
        let mut command = Command::new(disk.path());
        command
            .args(["dataplane", "--node", "b", "--interface", "127.0.0.2"])
            .arg("--control-socket")
            .arg(control.control_socket())
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .env("NOTIFY_SOCKET", manager.socket())
            .current_dir(folder.path());
        let process = Process::start("node", &command, &folder.path().join("output.log"));
        let mut node = Self {
            duo,
            disk,
            auto,
            challenge: challenged,
            eap,
            process,
            folder,
            manager,
            _control: control,
            _upstream: upstream,
        };
        let socket = node.data().join("run/dataplane.sock");
        node.process.until("it serves", LONG, || {
            let status = http::request_local(&socket, "GET", "/status", "");
            status.is_ok_and(|status| status.json()["state"] == "serving")
        });
        assert_eq!(node.manager.hears("READY=1"), "");
        node
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn nas(&self, port: u16) -> Nas {
        Nas::new(([127, 0, 0, 2], port).into(), SECRET)
    }

    fn status(&self) -> Value {
        let socket = self.data().join("run/dataplane.sock");
        let status = http::request_local(&socket, "GET", "/status", "");
        status.unwrap().json()
    }

    /// Who logs in and waits for a push that is out, and what was sent.
    fn pushed(&self, user: &str) -> (Nas, Request) {
        self.duo.user(user, User::who(Outcome::Wait));
        let waiting = self.nas(self.auto);
        let pushed = waiting.access(user, "any");
        waiting.send(&pushed.encode());
        wait_until("the push is out", LONG, || self.duo.pushes(user) == 1);
        (waiting, pushed)
    }

    fn upgrade(&self) {
        OnDisk::upgraded(&self.data(), || self.process.output());
    }

    fn session(&self, user: &str) -> Session {
        Supplicant::new(Method::Peap, user).session(([127, 0, 0, 2], self.eap).into())
    }
}

#[test]
fn a_data_plane_is_upgraded_under_load_and_no_login_is_lost() {
    let mut node = Node::start();
    node.duo
        .everybody(User::who(Outcome::Allow).after(Duration::from_millis(1_200)));
    let load = Load::new(([127, 0, 0, 2], node.auto).into(), 2_000);
    thread::scope(|scope| {
        load.start(scope, 8, 12);
        for count in 1..=3 {
            let before = load.done();
            wait_until("logins end", LONG, || load.done() > before + 100);
            node.disk.replace();
            node.upgrade();
            let upgraded = node.process.output();
            let taken = upgraded.matches("took over from the old process");
            assert_eq!(taken.count(), count, "{upgraded}");
        }
        load.enough();
    });
    for user in load.slow_users() {
        assert_eq!(node.duo.pushes(&user), 1, "{user}");
    }
    // The first process has ended, and the manager was told who is in its place.
    assert_eq!(node.process.wait(LONG).code(), Some(0));
    let named = node.manager.hears("MAINPID=");
    assert!(named.parse::<i32>().is_ok(), "{named}");
    assert_eq!(node.manager.hears("STATUS="), "serving");
    assert_eq!(node.status()["state"], "serving");
    assert_eq!(node.status()["connected"], true);
}

#[test]
fn what_was_begun_before_ends_after() {
    let node = Node::start();
    // Asked before, answered after; and by somebody who used his State already.
    let asked = node.nas(node.challenge);
    let question = asked.login("carol", "any");
    assert_eq!(question.code, code::ACCESS_CHALLENGE);
    let used = node.nas(node.challenge);
    let spent = used.login("dave", "any");
    let reply = used.reply("dave", "push", &spent);
    assert_eq!(reply.code, code::ACCESS_ACCEPT);
    // Answered before, repeated after.
    let answered = node.nas(node.auto);
    let request = answered.access("exempt", "any");
    let first = answered.exchange(&request, LONG).unwrap();
    // Waits for a person.
    node.duo.user("erin", User::who(Outcome::Wait));
    let waiting = node.nas(node.auto);
    let pushed = waiting.access("erin", "any");
    waiting.send(&pushed.encode());
    // Two conversations: amid the handshake, and past the password.
    let mut early = node.session("frank");
    early.rounds(2);
    node.duo.user("grace", User::who(Outcome::Wait));
    let mut late = node.session("grace");
    assert_eq!(late.until_asked(), PASSWORD);
    assert_eq!(late.reply("pw-grace".into()), Step::Going);
    late.send();
    wait_until("both pushes are out", LONG, || {
        node.duo.pushes("erin") == 1 && node.duo.pushes("grace") == 1
    });

    node.upgrade();
    node.upgrade();

    waiting.send(&pushed.encode());
    assert_eq!(waiting.receive(MOMENT), None);
    late.retransmit();
    assert_eq!(late.receive(MOMENT), None);
    let again = answered.exchange(&request, LONG).unwrap();
    assert_eq!(again.bytes, first.bytes);
    let replayed = used.reply("dave", "push", &spent);
    assert_eq!(replayed.code, code::ACCESS_REJECT);
    assert_eq!(node.duo.pushes("dave"), 1);
    let through = asked.reply("carol", "push", &question);
    assert_eq!(through.code, code::ACCESS_ACCEPT, "{}", through.message());

    node.duo.decide("erin", Outcome::Allow);
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    // The answer of the old process is repeated by the new one.
    waiting.send(&pushed.encode());
    assert_eq!(waiting.receive(LONG).unwrap(), answer.bytes);

    node.duo.decide("grace", Outcome::Allow);
    let answer = late.receive(LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_CHALLENGE);
    assert_eq!(late.take(&answer), Step::Going);
    let _ = late.run(typed(&[])).accepted();
    let _ = early.run(typed(&["pw-frank"])).accepted();
    for user in ["erin", "frank", "grace"] {
        assert_eq!(node.duo.pushes(user), 1, "{user}");
    }
    assert!(again.first(attribute::REPLY_MESSAGE).is_some());
    // The new one had something to serve before it followed the control plane.
    let told = || node.status()["start_check"].clone();
    wait_until("the start was checked", LONG, || !told().is_null());
    let rows = told()["rows"].to_string();
    assert!(!rows.contains("cut off"), "{rows}");
    wait_until("the old processes end", LONG, || !lives(node.process.pid()));
    let output = node.process.output();
    assert!(output.contains("the old process has ended"), "{output}");
    // A conversation that begins now is at home in the new one.
    let login = node.session("heidi").run(typed(&["pw-heidi"]));
    let _ = login.accepted();
}

#[test]
fn a_program_that_does_not_serve_leaves_the_old_one_in_its_place() {
    let mut node = Node::start();
    let cases: [(&[u8], &str); 4] = [
        (b"#!/bin/sh\nexit 1\n", "ended with"),
        (b"\x7fELF cut", "cannot take over"),
        (
            b"#!/bin/sh\necho '{\"version\":\"9\"}'\n",
            "this one serves on",
        ),
        (
            b"#!/bin/sh\n[ $1 = version ] && exec echo '{\"version\":\"9\"}'\nexit 7\n",
            "this one serves on",
        ),
    ];
    for (octets, says) in cases {
        node.disk.break_with(octets);
        OnDisk::not_upgraded(&node.data(), says);
        assert_eq!(node.nas(node.auto).login("exempt", "any").code, 2);
    }
    // By the signal it is only told in the log.
    kill(node.process.pid(), Signal::SIGUSR2).unwrap();
    let output = node.folder.path().join("output.log");
    node.process.until("the log says so", LONG, || {
        let log = fs::read_to_string(&output).unwrap();
        log.matches("not upgraded").count() == 5
    });
    assert_eq!(node.nas(node.auto).login("exempt", "any").code, 2);
    // A good one takes over all the same.
    node.disk.replace();
    let before = node.process.pid();
    kill(before, Signal::SIGUSR2).unwrap();
    assert_eq!(node.process.wait(LONG).code(), Some(0));
    assert_eq!(node.nas(node.auto).login("exempt", "any").code, 2);
    let now: i32 = node.manager.hears("MAINPID=").parse().unwrap();
    assert!(lives(Pid::from_raw(now)));
    kill(Pid::from_raw(now), Signal::SIGTERM).unwrap();
    wait_until("it stops", LONG, || !lives(Pid::from_raw(now)));
    OnDisk::not_upgraded(&node.data(), "--data-dir");
}

#[test]
fn a_program_that_dies_right_after_it_took_over_loses_no_login() {
    let mut node = Node::start();
    node.duo.user("erin", User::who(Outcome::Wait));
    let waiting = node.nas(node.auto);
    let pushed = waiting.access("erin", "any");
    waiting.send(&pushed.encode());
    let mut early = node.session("grace");
    early.rounds(2);
    wait_until("the push is out", LONG, || node.duo.pushes("erin") == 1);
    let first = node.process.pid();
    for count in 1..=2 {
        node.upgrade();
        let successor = Pid::from_raw(node.manager.hears("MAINPID=").parse().unwrap());
        assert_ne!(successor, first);
        kill(successor, Signal::SIGKILL).unwrap();
        // The system keeps what comes in until the first one reads again.
        let answer = node.nas(node.auto).login("exempt", "any");
        assert_eq!(answer.code, code::ACCESS_ACCEPT);
        wait_until("the manager hears who serves", LONG, || {
            node.manager.last("MAINPID=") == Some(first.to_string())
        });
        node.process
            .until("it follows its control plane again", LONG, || {
                let socket = node.folder.path().join("data/run/dataplane.sock");
                let status = http::request_local(&socket, "GET", "/status", "");
                status.is_ok_and(|status| {
                    let status = status.json();
                    status["state"] == "serving" && status["connected"] == true
                })
            });
        let output = node.process.output();
        let again = output.matches("is gone: this one serves again");
        assert_eq!(again.count(), count, "{output}");
    }
    // A repeat of what waits is still one.
    waiting.send(&pushed.encode());
    assert_eq!(waiting.receive(MOMENT), None);
    node.duo.decide("erin", Outcome::Allow);
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(node.duo.pushes("erin"), 1);
    // A conversation that was begun before goes on.
    let _ = early.run(typed(&["pw-grace"])).accepted();
    // And the next one that takes over lives.
    node.upgrade();
    assert_eq!(node.process.wait(LONG).code(), Some(0));
    assert_eq!(node.nas(node.auto).login("exempt", "any").code, 2);
    assert_eq!(node.status()["connected"], true);
}

#[test]
fn a_program_that_dies_before_it_can_be_asked_has_not_upgraded() {
    let mut node = Node::start();
    let (waiting, pushed) = node.pushed("erin");
    // It can be asked nowhere, so this takes a while.
    let door = node.data().join("run/data-upgrade.sock");
    wait_until("it can be asked", LONG, || door.exists());
    fs::remove_file(&door).unwrap();
    fs::create_dir(&door).unwrap();
    let first = node.process.pid();
    kill(first, Signal::SIGUSR2).unwrap();
    let successor = Pid::from_raw(node.manager.hears("MAINPID=").parse().unwrap());
    kill(successor, Signal::SIGKILL).unwrap();
    wait_until("the manager hears who serves", LONG, || {
        node.manager.last("MAINPID=") == Some(first.to_string())
    });
    let log = node.folder.path().join("output.log");
    node.process.until("the log says so", LONG, || {
        let log = fs::read_to_string(&log).unwrap();
        log.contains("took over and is gone; this one serves again")
    });
    let answer = node.nas(node.auto).login("exempt", "any");
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    node.duo.decide("erin", Outcome::Allow);
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    // The next one lives.
    fs::remove_dir(&door).unwrap();
    kill(first, Signal::SIGUSR2).unwrap();
    assert_eq!(node.process.wait(LONG).code(), Some(0));
    assert_eq!(node.nas(node.auto).login("exempt", "any").code, 2);
    assert_ne!(node.manager.last("MAINPID="), Some(first.to_string()));
}

#[test]
fn stopping_the_new_one_stops_the_old_one_and_loses_no_login() {
    let mut node = Node::start();
    let (waiting, pushed) = node.pushed("erin");
    node.upgrade();
    let new = Pid::from_raw(node.manager.hears("MAINPID=").parse().unwrap());
    kill(new, Signal::SIGTERM).unwrap();
    assert_eq!(node.manager.hears("STOPPING="), "1");
    wait_until("the new one lets nobody in", LONG, || {
        !node.nas(node.auto).status(MOMENT)
    });
    node.duo.decide("erin", Outcome::Allow);
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(node.process.wait(LONG).code(), Some(0));
    wait_until("the new one ends", LONG, || !lives(new));
    let output = node.process.output();
    assert!(!output.contains("this one serves again"), "{output}");
}

#[test]
fn the_first_of_three_does_not_take_back_what_the_third_serves() {
    let mut node = Node::start();
    let (waiting, pushed) = node.pushed("erin");
    node.upgrade();
    let second = node.manager.hears("MAINPID=");
    node.upgrade();
    wait_until("the manager hears of the third", LONG, || {
        node.manager.last("MAINPID=").as_ref() != Some(&second)
    });
    kill(Pid::from_raw(second.parse().unwrap()), Signal::SIGKILL).unwrap();
    wait_until("both others notice", LONG, || {
        let output = node.process.output();
        output.contains("the program that took over is gone")
            && (output.contains("the old process is no longer heard of")
                || output.contains("the old process has ended"))
    });
    node.duo.decide("erin", Outcome::Allow);
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(node.process.wait(LONG).code(), Some(0));
    let output = node.process.output();
    assert!(!output.contains("this one serves again"), "{output}");
    assert_eq!(node.nas(node.auto).login("exempt", "any").code, 2);
    assert_eq!(node.status()["connected"], true);
}

#[test]
fn a_gateway_whose_new_data_plane_dies_goes_on_with_the_old_one() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user("erin", User::who(Outcome::Wait));
    let port = ports::free_udp();
    let gateway = Start::with(&format!(
        "{MAIN}[duo_only_client]\n{}client=duo_only_client\nexempt_username_1=exempt\n",
        server("radius_server_auto", port, &duo)
    ))
    .ready();
    let nas = || Nas::new(ports::loopback(port), SECRET);
    let waiting = nas();
    let pushed = waiting.access("erin", "any");
    waiting.send(&pushed.encode());
    wait_until("the push is out", LONG, || duo.pushes("erin") == 1);
    let old = children(gateway.pid())["dataplane"];
    OnDisk::upgraded(&gateway.data_dir(), || gateway.output());
    // By the log: while the old one is there, two children have the same name.
    let output = gateway.output();
    assert!(
        output.contains("took over from the old process"),
        "{output}"
    );
    let socket = gateway.data_dir().join("run/dataplane.sock");
    let serving = || {
        let stream = std::os::unix::net::UnixStream::connect(&socket).ok()?;
        let peer = getsockopt(&stream, PeerCredentials).unwrap().pid();
        Some(Pid::from_raw(peer)).filter(|pid| *pid != old)
    };
    let successor = serving().unwrap();
    kill(successor, Signal::SIGKILL).unwrap();
    let login = || nas().login("exempt", "any").code;
    assert_eq!(login(), code::ACCESS_ACCEPT);
    // The supervisor starts another, which takes over from the old one in its turn.
    wait_until("another one serves", LONG, || {
        serving().is_some_and(|pid| pid != successor)
    });
    assert_eq!(login(), code::ACCESS_ACCEPT);
    assert!(lives(old), "{}", gateway.output());
    duo.decide("erin", Outcome::Allow);
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(duo.pushes("erin"), 1);
    wait_until("the old one ends", LONG, || !lives(old));
    assert_eq!(login(), code::ACCESS_ACCEPT);
}
