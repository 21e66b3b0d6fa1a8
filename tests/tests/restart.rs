//! Roles that die: the supervisor starts them again, and no login is lost.
#![cfg(test)]

use std::{fs, process::Command, time::Duration};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start, program},
    gateway::{Site, lives, on_data_dir},
    nas::{Nas, code},
    peers::fakeduo::{Endpoint, Outcome, User},
    ports,
    process::Process,
};
use nix::sys::signal::{Signal, kill};

const LONG: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_millis(300);

fn login(nas: &Nas, user: &str) -> Option<u8> {
    let answer = nas.exchange(&nas.access(user, "any"), LONG);
    answer.map(|answer| answer.code)
}

fn stored(gateway: &Countersign) -> u64 {
    let status = gateway.status();
    status["controlplane"]["events"]["stored"]
        .as_u64()
        .unwrap_or(0)
}

#[test]
fn a_control_plane_that_is_killed_costs_no_login_and_no_event() {
    const WAITING: usize = 20;
    let site = Site::new();
    site.duo.everybody(User::who(Outcome::Wait));
    let mut gateway = Countersign::run(&site.config(""));
    let nas = site.nas();
    let requests: Vec<_> = (0..WAITING)
        .map(|number| nas.access(&format!("user{number}"), "any"))
        .collect();
    for request in &requests {
        nas.send(&request.encode());
    }
    wait_until("every login waits for its push", LONG, || {
        site.duo.count(Endpoint::Auth) == WAITING
    });
    let old = gateway.role("controlplane");
    kill(old, Signal::SIGKILL).unwrap();
    // While it is away: logins in flight end, new ones are taken.
    let probe = site.nas();
    assert_eq!(login(&probe, "exempt"), Some(code::ACCESS_ACCEPT));
    for number in 0..WAITING {
        site.duo.decide(&format!("user{number}"), Outcome::Allow);
    }
    for _ in 0..WAITING {
        let datagram = nas.receive(LONG).expect("an answer to every login");
        let answer = requests[usize::from(datagram[1])].check(&datagram).unwrap();
        assert_eq!(answer.code, code::ACCESS_ACCEPT);
    }
    gateway.wait_restarted("controlplane", old, LONG);
    gateway.wait_ready();
    wait_until("the events have come", LONG, || {
        stored(&gateway) == u64::try_from(WAITING).unwrap() + 1
    });
    assert!(gateway.output().contains("a role ended by itself"));
    gateway.rewrite_config(&site.config("exempt_username_2=later\n"));
    wait_until("the new control plane is followed", LONG, || {
        gateway.revision() == 2
    });
    assert_eq!(login(&probe, "later"), Some(code::ACCESS_ACCEPT));
}

#[test]
fn a_role_that_keeps_dying_is_started_more_and_more_slowly() {
    let site = Site::new();
    let mut gateway = Countersign::run(&site.config(""));
    for _ in 0..3 {
        let old = gateway.role("controlplane");
        kill(old, Signal::SIGKILL).unwrap();
        gateway.wait_restarted("controlplane", old, LONG);
        gateway.wait_ready();
    }
    let output = gateway.output();
    for pause in [100, 200, 400] {
        assert!(
            output.contains(&format!("restart_in_ms={pause}")),
            "{pause}\n{output}"
        );
    }
}

#[test]
fn a_data_plane_that_is_killed_serves_again() {
    let site = Site::new();
    let mut gateway = Countersign::run(&site.config(""));
    let old = gateway.role("dataplane");
    kill(old, Signal::SIGKILL).unwrap();
    gateway.wait_restarted("dataplane", old, LONG);
    gateway.wait_ready();
    assert_eq!(login(&site.nas(), "alice"), Some(code::ACCESS_ACCEPT));
    let status = gateway.status();
    assert_eq!(status["dataplane"]["source"], "control_plane");
}

#[test]
fn the_children_end_with_a_supervisor_that_is_killed() {
    let site = Site::new();
    let mut gateway = Start::with(&site.config(""))
        .argument("--grace")
        .argument("0")
        .ready();
    let roles = gateway.roles();
    assert_eq!(roles.len(), 2, "{roles:?}");
    kill(gateway.pid(), Signal::SIGKILL).unwrap();
    assert_eq!(gateway.wait(LONG).code(), None);
    wait_until("its children are gone", LONG, || {
        !roles.values().any(|role| lives(*role))
    });
    gateway.restart();
    assert_eq!(login(&site.nas(), "alice"), Some(code::ACCESS_ACCEPT));
}

fn role(name: &str, gateway: &Countersign, arguments: &[&str]) -> Process {
    let mut command = Command::new(program());
    command.arg(name).arg("--data-dir").arg(gateway.data_dir());
    command.args(arguments);
    let log = gateway.data_dir().join(format!("{name}-alone.log"));
    Process::start(name, &command, &log)
}

#[test]
fn a_data_plane_alone_serves_the_sealed_copy_and_follows_a_control_plane_that_comes() {
    let site = Site::new();
    let mut gateway = Countersign::run(&site.config(""));
    assert_eq!(gateway.stop().code(), Some(0));
    let mut alone = role("dataplane", &gateway, &[]);
    let nas = site.nas();
    alone.until("it serves", LONG, || {
        let status = gateway.status();
        status["dataplane"]["state"] == "serving"
    });
    assert_eq!(login(&nas, "alice"), Some(code::ACCESS_ACCEPT));
    let status = gateway.status();
    assert_eq!(status["dataplane"]["connected"], false, "{status}");
    assert_ne!(status["dataplane"]["source"], "control_plane", "{status}");
    let shown = String::from_utf8(gateway.command(&["status"]).stdout).unwrap();
    assert!(shown.contains("is cut off from"), "{shown}");

    gateway.rewrite_config(&site.config("exempt_username_2=later\n"));
    let config = gateway.config();
    let control = role(
        "controlplane",
        &gateway,
        &["--config", config.to_str().unwrap()],
    );
    wait_until("the control plane is followed", LONG, || {
        let status = gateway.status();
        status["dataplane"]["connected"] == true && status["dataplane"]["revision"] == 2
    });
    assert_eq!(login(&nas, "later"), Some(code::ACCESS_ACCEPT));
    assert_eq!(alone.stop().code(), Some(0));
    drop(control);
}

#[test]
fn a_data_plane_without_a_copy_answers_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = Command::new(program());
    command.arg("dataplane").arg("--data-dir").arg(&data);
    let mut alone = Process::start("dataplane", &command, &folder.path().join("log"));
    let text = || {
        let output = on_data_dir(&["status"], &data, "");
        String::from_utf8(output.stdout).unwrap()
    };
    alone.until("its status says so", LONG, || {
        text().contains("serves nothing yet")
    });
    let login = on_data_dir(&["login", "alice"], &data, "any\n");
    assert_eq!(login.status.code(), Some(1));
    let why = String::from_utf8(login.stderr).unwrap();
    assert!(why.contains("serves no integration yet"), "{why}");
    alone.until("it says that no control plane is there", LONG, || {
        alone_says(&folder.path().join("log"), "control plane")
    });
    assert_eq!(alone.stop().code(), Some(0));
}

fn alone_says(log: &std::path::Path, words: &str) -> bool {
    fs::read_to_string(log).unwrap().contains(words)
}

#[test]
fn a_second_gateway_on_the_same_folder_or_address_is_refused() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let config = gateway.config();
    let free = ports::loopback(ports::free_tcp()).to_string();
    let run = |data: &std::path::Path, admin: &str| {
        let arguments = [
            "run",
            "--config",
            config.to_str().unwrap(),
            "--admin-listen",
            admin,
        ];
        let output = on_data_dir(&arguments, data, "");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let same = run(&gateway.data_dir(), &free);
    assert!(same.contains("another gateway runs in"), "{same}");
    let folder = tempfile::tempdir().unwrap();
    let admin = gateway.admin.to_string();
    let address = run(folder.path(), &admin);
    assert!(
        address.contains(&admin) && address.contains("--admin-listen"),
        "{address}"
    );
    let port = run(folder.path(), &free);
    let taken = format!("[radius_server_auto] UDP *:{}: address in use", site.port);
    assert!(port.contains(&taken), "{port}");
    assert_eq!(login(&site.nas(), "alice"), Some(code::ACCESS_ACCEPT));
}

#[test]
fn a_bad_file_at_the_start_ends_it_with_every_fault_unless_the_last_good_is_wanted() {
    let site = Site::new();
    let mut gateway = Countersign::run(&site.config(""));
    gateway.stop();
    gateway.rewrite_config(&site.config("message_authenticator=perhaps\napi_timeout=soon\n"));
    let config = gateway.config();
    let admin = ports::loopback(ports::free_tcp()).to_string();
    let arguments = [
        "run",
        "--config",
        config.to_str().unwrap(),
        "--admin-listen",
        &admin,
    ];
    let output = on_data_dir(&arguments, &gateway.data_dir(), "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let faults = String::from_utf8(output.stderr).unwrap();
    assert!(
        faults.contains("message_authenticator") && faults.contains("api_timeout"),
        "{faults}"
    );

    let mut command = Command::new(program());
    command
        .args(arguments)
        .arg("--last-good")
        .arg("--data-dir")
        .arg(gateway.data_dir());
    let mut again = Process::start("last-good", &command, &gateway.data_dir().join("again.log"));
    let nas = site.nas();
    again.until("the last good revision is served", LONG, || {
        nas.exchange(&nas.access("exempt", "any"), SHORT)
            .is_some_and(|answer| answer.code == code::ACCESS_ACCEPT)
    });
    wait_until("the fault is shown", LONG, || {
        let shown = gateway.command(&["status"]).stdout;
        String::from_utf8(shown)
            .unwrap()
            .contains("message_authenticator")
    });
    assert_eq!(again.stop().code(), Some(0));
}
