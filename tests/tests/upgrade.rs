//! A gateway is upgraded while it runs, and no login is lost.
#![cfg(test)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::{MAIN, challenge, server, upstreams},
    countersign::{Countersign, Start, program},
    eap::{PASSWORD, by_name, section},
    gateway::{children, lives},
    nas::{Nas, code},
    peers::{
        FakeDuo, Pki, SECRET, ScriptedUpstream, Supplicant,
        fakeduo::{Outcome, User},
        supplicant::{Method, Step, typed},
    },
    ports,
    upgrading::{Load, OnDisk},
};
use nix::sys::signal::Signal;

const LONG: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(300);
/// How long the administration may be away.
const AWAY: Duration = Duration::from_secs(20);

struct Gateway {
    duo: FakeDuo,
    disk: OnDisk,
    auto: u16,
    challenge: u16,
    eap: u16,
    running: Countersign,
    _upstream: ScriptedUpstream,
}

impl Gateway {
    fn start() -> Self {
        Self::start_as(|start, disk| start.program(disk.path()))
    }

    fn start_as(how: impl FnOnce(Start, &OnDisk) -> Start) -> Self {
        let duo = FakeDuo::start(Pki::shared());
        let upstream = ScriptedUpstream::start(|request| Some(by_name(request)));
        let [auto, challenged, eap] = [(); 3].map(|()| ports::free_udp());
        let disk = OnDisk::new();
        let config = format!(
            "{MAIN}[duo_only_client]\n{}client=duo_only_client\nexempt_username_1=exempt\n{}{}{}",
            server("radius_server_auto", auto, &duo),
            challenge(1, challenged, &duo, "duo_only_client", ""),
            upstreams("radius_client", &[upstream.address()]),
            section(1, eap, &duo, "radius_client", "factors=push\n"),
        );
        let running = how(Start::with(&config), &disk).ready();
        Self {
            duo,
            disk,
            auto,
            challenge: challenged,
            eap,
            running,
            _upstream: upstream,
        }
    }

    fn nas(&self, port: u16) -> Nas {
        Nas::new(ports::loopback(port), SECRET)
    }

    fn upgrade(&mut self) {
        OnDisk::upgraded(&self.running.data_dir(), || self.running.output());
    }

    fn logs_in(&self) {
        let answer = self.nas(self.auto).login("exempt", "any");
        assert_eq!(answer.code, code::ACCESS_ACCEPT);
    }

    /// A script in the place of the program.
    fn script(&self, text: &str) {
        let real = program();
        let text = format!("#!/bin/sh\nreal='{}'\n{text}\n", real.display());
        self.disk.break_with(text.as_bytes());
    }
}

#[test]
fn ten_thousand_logins_and_several_upgrades_lose_none() {
    let mut gateway = Gateway::start();
    gateway
        .duo
        .everybody(User::who(Outcome::Allow).after(Duration::from_secs(2)));
    let load = Load::new(ports::loopback(gateway.auto), 10_000);
    let pid = gateway.running.pid();
    thread::scope(|scope| {
        load.start(scope, 2, 16);
        for _ in 0..4 {
            let before = load.done();
            wait_until("logins end", LONG, || load.done() > before + 200);
            let roles = children(pid);
            gateway.disk.replace();
            gateway.upgrade();
            gateway.running.wait_ready();
            let now = children(pid);
            assert_ne!(roles["controlplane"], now["controlplane"]);
        }
        load.enough();
    });
    assert!(load.done() >= 10_000, "{}", load.done());
    for user in load.slow_users() {
        assert_eq!(gateway.duo.pushes(&user), 1, "{user}");
    }
    assert_eq!(gateway.duo.violations(), Vec::<String>::new());
    let output = gateway.running.output();
    assert!(!output.contains("a role ended by itself"), "{output}");
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn what_was_begun_before_an_upgrade_ends_after_it() {
    let mut gateway = Gateway::start();
    let asked = gateway.nas(gateway.challenge);
    let question = asked.login("carol", "any");
    assert_eq!(question.code, code::ACCESS_CHALLENGE);
    gateway.duo.user("erin", User::who(Outcome::Wait));
    let waiting = gateway.nas(gateway.auto);
    let pushed = waiting.access("erin", "any");
    waiting.send(&pushed.encode());
    gateway.duo.user("grace", User::who(Outcome::Wait));
    let peer = Supplicant::new(Method::Peap, "grace");
    let mut talk = peer.session(ports::loopback(gateway.eap));
    assert_eq!(talk.until_asked(), PASSWORD);
    assert_eq!(talk.reply("pw-grace".into()), Step::Going);
    talk.send();
    wait_until("both pushes are out", LONG, || {
        gateway.duo.pushes("erin") == 1 && gateway.duo.pushes("grace") == 1
    });
    let old = gateway.running.role("dataplane");

    gateway.upgrade();

    // The old one ends what it began, and then itself.
    assert!(lives(old));
    waiting.send(&pushed.encode());
    talk.retransmit();
    assert_eq!(waiting.receive(MOMENT), None);
    let through = asked.reply("carol", "push", &question);
    assert_eq!(through.code, code::ACCESS_ACCEPT, "{}", through.message());
    for user in ["erin", "grace"] {
        gateway.duo.decide(user, Outcome::Allow);
    }
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    let answer = talk.receive(LONG).unwrap();
    assert_eq!(talk.take(&answer), Step::Going);
    let _ = talk.run(typed(&[])).accepted();
    for user in ["erin", "grace"] {
        assert_eq!(gateway.duo.pushes(user), 1, "{user}");
        let event = gateway.running.event_of(user, 1);
        assert_eq!(event["outcome"], "accept", "{event:#}");
    }
    wait_until("the old data plane ends", LONG, || !lives(old));
    let output = gateway.running.output();
    // Its lines are listened to still.
    assert!(output.contains("user=\"erin\""), "{output}");
}

#[test]
fn a_program_that_does_not_start_changes_nothing() {
    let mut gateway = Gateway::start();
    let (pid, roles) = (gateway.running.pid(), gateway.running.roles());
    let data = gateway.running.data_dir();
    for (octets, says) in [
        (&b"#!/bin/sh\nexit 1\n"[..], "ended with"),
        (b"\x7fELF cut", "cannot take over"),
        (b"", "cannot take over"),
    ] {
        gateway.disk.break_with(octets);
        OnDisk::not_upgraded(&data, says);
        assert_eq!(gateway.running.roles(), roles);
        let answer = gateway.nas(gateway.auto).login("exempt", "any");
        assert_eq!(answer.code, code::ACCESS_ACCEPT);
    }
    gateway.running.signal(Signal::SIGUSR2);
    wait_until("the log says so", LONG, || {
        gateway.running.output().matches("not upgraded").count() == 4
    });
    assert_eq!(gateway.running.roles(), roles);
    // A good one, by the signal.
    gateway.disk.replace();
    gateway.running.signal(Signal::SIGUSR2);
    wait_until("it is upgraded", LONG, || {
        let now = children(pid);
        now.values()
            .all(|role| !roles.values().any(|old| old == role))
            && now.len() == 2
    });
    gateway.running.wait_ready();
    let answer = gateway.nas(gateway.auto).login("exempt", "any");
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn a_control_plane_that_does_not_start_leaves_logins_alone() {
    let mut gateway = Gateway::start();
    let data = gateway.running.data_dir();
    let old = gateway.running.role("dataplane");
    // What only its start will find, as it would a database of a later version.
    let key = data.join("controlplane/controlplane.key");
    let mode = |mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(&key, mode).unwrap();
    };
    mode(0o644);
    OnDisk::not_upgraded(&data, "the control plane of version");
    let answer = gateway.nas(gateway.auto).login("exempt", "any");
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(gateway.running.role("dataplane"), old);
    mode(0o600);
    // It is tried again by itself; then the upgrade can be asked for again.
    wait_until("the control plane is there again", AWAY, || {
        gateway.running.get("/readyz").status == 200
    });
    gateway.upgrade();
    assert_ne!(gateway.running.role("dataplane"), old);
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn what_a_start_needs_is_looked_at_before_the_old_program_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    fs::write(&headers, "authorization: x\n").unwrap();
    fs::set_permissions(&headers, fs::Permissions::from_mode(0o600)).unwrap();
    let mut gateway = Gateway::start_as(|start, disk| {
        start
            .program(disk.path())
            .argument("--otlp-endpoint=http://127.0.0.1:9")
            .argument("--otlp-header-file")
            .argument(headers.to_str().unwrap())
    });
    let (data, roles) = (gateway.running.data_dir(), gateway.running.roles());
    let aside = folder.path().join("aside");
    fs::rename(&headers, &aside).unwrap();
    OnDisk::not_upgraded(&data, headers.to_str().unwrap());
    fs::rename(&aside, &headers).unwrap();
    for (script, says) in [
        ("exec $real \"$@\" --no-such-option", "--no-such-option"),
        (
            "echo '{\"version\": \"9\", \"form\": 9}'",
            "takes over in form 9 alone",
        ),
    ] {
        gateway.script(script);
        OnDisk::not_upgraded(&data, says);
    }
    assert_eq!(gateway.running.roles(), roles);
    gateway.logs_in();
    gateway.disk.replace();
    gateway.upgrade();
    assert_ne!(
        gateway.running.role("dataplane"),
        roles["dataplane"],
        "{}",
        gateway.running.output()
    );
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn a_program_that_fails_after_its_trial_becomes_the_one_of_before_again() {
    let mut gateway = Gateway::start();
    let (data, roles) = (gateway.running.data_dir(), gateway.running.roles());
    gateway.duo.user("erin", User::who(Outcome::Wait));
    let waiting = gateway.nas(gateway.auto);
    let pushed = waiting.access("erin", "any");
    waiting.send(&pushed.encode());
    wait_until("the push is out", LONG, || gateway.duo.pushes("erin") == 1);
    gateway.script(
        "case \" $* \" in *' --self-test '*) exec $real \"$@\";; esac\n\
         exec $real \"$@\" --no-such-option",
    );
    for count in 1..3 {
        OnDisk::not_upgraded(&data, "the program of before does");
        let output = gateway.running.output();
        assert_eq!(
            output.matches("cannot go on here").count(),
            count,
            "{output}"
        );
        assert_eq!(gateway.running.roles(), roles, "{output}");
        gateway.running.wait_ready();
        gateway.logs_in();
    }
    let name = fs::read_to_string(format!("/proc/{}/comm", gateway.running.pid())).unwrap();
    assert_eq!(name.trim(), "countersign");
    gateway.duo.decide("erin", Outcome::Allow);
    let answer = pushed.check(&waiting.receive(LONG).unwrap()).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    // It is asked for the place where it was started, not for the file that it is.
    gateway.disk.replace();
    gateway.upgrade();
    for (role, pid) in gateway.running.roles() {
        assert_ne!(roles[&role], pid, "{role}");
    }
    gateway.logs_in();
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn signals_throughout_an_upgrade_are_heard_and_end_nothing() {
    let mut gateway = Gateway::start();
    let roles = gateway.running.roles();
    gateway.running.signal(Signal::SIGUSR2);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let running = &gateway.running;
        let over = &over;
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2] {
                    running.signal(signal);
                    thread::yield_now();
                }
            }
        });
        let _ends = Ends(over);
        wait_until("it was upgraded several times", LONG, || {
            running.output().matches("roles are next").count() >= 3
        });
    });
    wait_until("no upgrade is under way", LONG, || {
        OnDisk::upgrade(&gateway.running.data_dir())
            .status
            .success()
    });
    assert_ne!(gateway.running.role("dataplane"), roles["dataplane"]);
    gateway.running.wait_ready();
    gateway.logs_in();
    assert_eq!(gateway.running.stop().code(), Some(0));
}

/// A program that passes its trial, and fails when it listens for signals and holds nothing yet.
const FAILS_LATE: &str = "case \" $* \" in *' --self-test '*) exec $real \"$@\";; esac\n\
     exec $real \"$@\" --admin-tls-cert=/nonexistent/a.pem --admin-tls-key=/nonexistent/a.key";

#[test]
fn signals_throughout_a_way_back_are_heard_and_end_nothing() {
    let mut gateway = Gateway::start();
    let (data, roles) = (gateway.running.data_dir(), gateway.running.roles());
    gateway.script(FAILS_LATE);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let running = &gateway.running;
        let over = &over;
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                running.signal(Signal::SIGUSR1);
                thread::yield_now();
            }
        });
        let _ends = Ends(over);
        for _ in 0..5 {
            OnDisk::not_upgraded(&data, "the program of before does");
        }
    });
    assert_eq!(gateway.running.roles(), roles);
    gateway.running.wait_ready();
    gateway.logs_in();
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn a_role_that_waited_to_be_started_is_there_after_a_way_back() {
    let gateway = Gateway::start();
    let data = gateway.running.data_dir();
    let end = || {
        let pid = gateway.running.role("controlplane");
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        wait_until("it is gone", LONG, || {
            gateway.running.roles().get("controlplane") != Some(&pid)
        });
        pid
    };
    // Each time it is started again later.
    for _ in 0..4 {
        let pid = end();
        gateway.running.wait_restarted("controlplane", pid, LONG);
    }
    let _ = end();
    gateway.script(FAILS_LATE);
    OnDisk::not_upgraded(&data, "the program of before does");
    wait_until("the control plane is there again", AWAY, || {
        gateway.running.get("/readyz").status == 200
    });
    gateway.logs_in();
}

/// Sets it at the end of a scope, also of one that panics.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_end_that_is_asked_for_during_an_upgrade_comes() {
    for (name, after) in [
        ("at once", ""),
        ("before the next program", "upgrading"),
        ("by the next program", "roles are next"),
    ] {
        let mut gateway = Gateway::start();
        let roles = gateway.running.roles();
        gateway.running.signal(Signal::SIGUSR2);
        wait_until(name, LONG, || gateway.running.output().contains(after));
        gateway.running.signal(Signal::SIGTERM);
        assert_eq!(gateway.running.wait(LONG).code(), Some(0), "{name}");
        for (role, pid) in roles {
            wait_until(&format!("{name}: {role} ends"), LONG, || !lives(pid));
        }
    }
}

#[test]
fn a_program_that_is_called_by_a_link_is_upgraded_to_what_the_link_names() {
    let disks = [OnDisk::new(), OnDisk::new()];
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("countersign");
    let aside = folder.path().join("aside");
    symlink(disks[0].path(), &link).unwrap();
    let mut gateway = Gateway::start_as(|start, _| start.program(link.clone()));
    let runs = format!("/proc/{}/exe", gateway.running.pid());
    for disk in [&disks[1], &disks[0]] {
        symlink(disk.path(), &aside).unwrap();
        fs::rename(&aside, &link).unwrap();
        gateway.upgrade();
        assert_eq!(fs::read_link(&runs).unwrap(), disk.path());
    }
    assert_eq!(gateway.running.stop().code(), Some(0));
}

#[test]
fn a_role_that_had_just_ended_is_there_after_an_upgrade() {
    let mut gateway = Gateway::start();
    // Each time it is started again later.
    for _ in 0..5 {
        let pid = gateway.running.role("dataplane");
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        gateway.running.wait_restarted("dataplane", pid, LONG);
    }
    let pid = gateway.running.role("dataplane");
    nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    wait_until("it is gone", LONG, || {
        !gateway.running.roles().contains_key("dataplane")
    });
    gateway.upgrade();
    gateway.running.wait_ready();
    gateway.logs_in();
    assert_eq!(gateway.running.stop().code(), Some(0));
}
