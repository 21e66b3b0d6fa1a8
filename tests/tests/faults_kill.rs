//! kill -9 of each process while devices log in and repeat what is not answered.
#![cfg(test)]

use std::{collections::HashSet, time::Duration};

use e2e::{
    built_in::BuiltIn,
    clock::{poll, wait_until},
    countersign::Countersign,
    gateway::{Site, lives},
    http,
    nas::code,
    peers::fakeduo::{Outcome, User},
    storm::{Ended, Storm},
};
use nix::sys::signal::{Signal, kill};

const LONG: Duration = Duration::from_secs(30);
const LOGINS: usize = 300;
const KILLS: usize = 3;
/// How often a user tries again whom the second factor took along.
const TRIES: usize = 50;
const AWAY: &str = "The second factor cannot be reached. Please try again later.";

fn storm(server: std::net::SocketAddr) -> Storm {
    Storm {
        server,
        devices: 12,
        logins: LOGINS,
        tries: 0,
    }
}

fn user(number: usize) -> (String, String) {
    (format!("user{number}"), "any".to_owned())
}

fn site() -> Site {
    let site = Site::new();
    site.duo
        .everybody(User::who(Outcome::Allow).after(Duration::from_millis(50)));
    site
}

fn all_in(ended: &[Ended], gateway: &Countersign) {
    assert_eq!(ended.len(), LOGINS);
    for one in ended {
        let got = (one.code(), one.message());
        let name = format!("{} sent {} times: {}", one.user, one.sent, got.1);
        assert_eq!(got.0, code::ACCESS_ACCEPT, "{name}\n{}", gateway.output());
    }
}

/// Kills a role whenever a part of the logins is done.
fn kill_role(role: &str) {
    let site = site();
    let mut gateway = Countersign::run(&site.config(""));
    let ended = storm(site.radius()).rage(user, |progress| {
        for turn in 1..=KILLS {
            progress.until(turn * LOGINS / (KILLS + 1));
            let old = gateway.role(role);
            kill(old, Signal::SIGKILL).unwrap();
            gateway.wait_restarted(role, old, LONG);
        }
    });
    all_in(&ended, &gateway);
    gateway.wait_ready();
    for one in &ended {
        let pushes = site.duo.pushes(&one.user);
        // A second push only where the process died that knew of the first.
        let most = if role == "dataplane" { one.sent } else { 1 };
        assert!((1..=most).contains(&pushes), "{}: {pushes}", one.user);
    }
    if role == "controlplane" {
        let mut users = HashSet::new();
        let all = poll(LONG, || {
            let socket = gateway.control_socket();
            let answer = http::request_local(&socket, "GET", "/events?limit=1000", "").unwrap();
            let page = answer.json();
            for one in page["events"].as_array().unwrap() {
                users.insert(one["event"]["user"].as_str().unwrap().to_owned());
            }
            users.len() == LOGINS
        });
        assert!(all, "{} of {LOGINS} are stored", users.len());
    }
}

#[test]
fn a_data_plane_that_is_killed_under_load_loses_no_login_that_is_sent_again() {
    kill_role("dataplane");
}

#[test]
fn a_control_plane_that_is_killed_under_load_is_not_noticed() {
    kill_role("controlplane");
}

#[test]
fn a_supervisor_that_is_killed_under_load_and_started_again_loses_no_login_that_is_sent_again() {
    let site = site();
    let mut gateway = Countersign::run(&site.config(""));
    let ended = storm(site.radius()).rage(user, |progress| {
        for turn in 1..=KILLS {
            progress.until(turn * LOGINS / (KILLS + 1));
            let roles = gateway.roles();
            kill(gateway.pid(), Signal::SIGKILL).unwrap();
            let _killed = gateway.wait(LONG);
            wait_until("its children have ended", LONG, || {
                !roles.values().any(|role| lives(*role))
            });
            // As a service manager does.
            gateway.restart();
        }
    });
    all_in(&ended, &gateway);
}

#[test]
fn a_second_factor_that_is_killed_under_load_rejects_what_it_cannot_know_and_is_back() {
    const USERS: usize = 6;
    let mut site = BuiltIn::start();
    for number in 0..USERS {
        site.approving(&format!("user{number}"));
    }
    let used = site.codes("user0", 1).swap_remove(0);
    let passcode = format!("any,{used}");
    assert_eq!(site.login("user0", &passcode).code, code::ACCESS_ACCEPT);
    let who = |number| user(number % USERS);
    let storm = Storm {
        tries: TRIES,
        ..storm(site.radius())
    };
    let ended = storm.rage(who, |progress| {
        for turn in 1..=KILLS {
            progress.until(turn * LOGINS / (KILLS + 1));
            let old = site.gateway.role("secondfactor");
            kill(old, Signal::SIGKILL).unwrap();
            site.gateway.wait_restarted("secondfactor", old, LONG);
        }
    });
    // Nobody is left without an answer, and who tries again gets in.
    all_in(&ended, &site.gateway);
    for told in ended.iter().flat_map(|one| &one.rejected) {
        let known = REJECTED.contains(&told.as_str());
        assert!(known, "{told}\n{}", site.gateway.output());
    }
    site.gateway.wait_ready();
    assert_eq!(site.login("user1", "any").code, code::ACCESS_ACCEPT);
    // What was used stays used: that was on the disk before it was answered.
    let again = site.login("user0", &passcode);
    assert_eq!(again.code, code::ACCESS_REJECT, "{}", again.message());
}

/// What a user may be told whose login the second factor took along.
const REJECTED: [&str; 2] = [
    AWAY,
    "The second factor gave an answer that makes no sense. Please tell your administrator.",
];
