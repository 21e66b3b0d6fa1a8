//! Processes that get no more files, or no more memory: they answer what they can, and serve on when
//! there is room, or are started again.
#![cfg(test)]

use std::{fs, process::Command, time::Duration};

use e2e::{
    clock::wait_until,
    countersign::Countersign,
    gateway::{Site, lives},
    http,
    nas::code,
    peers::{
        fakeduo::{Outcome, User},
        require,
    },
    storm::Storm,
};
use nix::unistd::Pid;

const LONG: Duration = Duration::from_secs(30);
/// A fault of this machine, which no `failmode` admits.
const OURS: &str = "An internal error stopped the login. Please try again later.";

fn limit(process: Pid, what: &str) {
    let done = Command::new(require("prlimit", "util-linux"))
        .arg(format!("--pid={process}"))
        .arg(what)
        .output()
        .unwrap();
    assert!(done.status.success(), "{what}: {done:?}");
}

#[test]
fn a_gateway_without_free_files_answers_and_serves_again_when_there_are_some() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let login = |user: &str| site.nas().login(user, "any");
    assert_eq!(login("alice").code, code::ACCESS_ACCEPT);
    let roles = gateway.roles();
    let all = || roles.values().copied().chain([gateway.pid()]);
    for process in all() {
        limit(process, "--nofile=3:");
    }
    // Its connections are gone, and no new one can be made.
    site.duo.cut();
    let before = gateway.output().lines().count();
    for number in 0..20 {
        let answer = login(&format!("user{number}"));
        let got = (answer.code, answer.message());
        assert_eq!(
            got,
            (code::ACCESS_REJECT, OURS.to_owned()),
            "{}",
            gateway.output()
        );
        assert_eq!(login("exempt").code, code::ACCESS_ACCEPT);
    }
    assert!(site.nas().status(LONG), "{}", gateway.output());
    // Each of the listeners turns somebody away meanwhile.
    let sockets = ["controlplane.sock", "dataplane.sock"]
        .map(|name| gateway.data_dir().join("run").join(name));
    std::thread::scope(|scope| {
        let waiting: Vec<_> = sockets
            .iter()
            .map(|socket| scope.spawn(move || http::request_local(socket, "GET", "/status", "")))
            .collect();
        let asked = scope.spawn(|| http::get(gateway.admin, "/healthz"));
        wait_until("the log says why", LONG, || {
            gateway.output().contains("Too many open files")
        });
        let said = gateway.output().lines().count() - before;
        assert!(said < 400, "{said} lines\n{}", gateway.output());
        for process in all() {
            limit(process, "--nofile=1024:");
        }
        // Whoever was not turned away is answered now.
        for one in waiting {
            drop(one.join().unwrap());
        }
        drop(asked.join().unwrap());
    });
    wait_until("the second factor is asked again", LONG, || {
        login("alice").code == code::ACCESS_ACCEPT
    });
    wait_until("it is ready", LONG, || {
        http::get(gateway.admin, "/readyz").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(gateway.roles(), roles, "no process ended");
    assert_eq!(gateway.status()["dataplane"]["connected"], true);
}

#[test]
fn a_data_plane_that_gets_no_memory_is_started_again_and_no_login_is_lost() {
    const LOGINS: usize = 200;
    let site = Site::new();
    site.duo
        .everybody(User::who(Outcome::Allow).after(Duration::from_millis(50)));
    let mut gateway = Countersign::run(&site.config(""));
    let old = gateway.role("dataplane");
    let storm = Storm {
        server: site.radius(),
        devices: 12,
        logins: LOGINS,
        tries: 0,
    };
    let who = |number| (format!("user{number}"), "any".to_owned());
    let ended = storm.rage(who, |progress| {
        progress.until(LOGINS / 4);
        let stat = fs::read_to_string(format!("/proc/{old}/statm")).unwrap();
        let pages: u64 = stat.split(' ').next().unwrap().parse().unwrap();
        // Less than it has: the next page that is asked for is refused.
        limit(old, &format!("--as={}:", pages * 4_096 / 2));
        limit(old, "--data=65536:");
        progress.until(LOGINS);
    });
    for one in &ended {
        assert_eq!(
            one.code(),
            code::ACCESS_ACCEPT,
            "{}: {}\n{}",
            one.user,
            one.message(),
            gateway.output()
        );
    }
    gateway.wait_ready();
    // It had to end, or it had enough: no third thing.
    assert!(!lives(old) || gateway.role("dataplane") == old);
}
