//! Databases on a disk that is full, that cannot be written, or that gave back other octets: logins that
//! need no writing go on, what cannot be kept is refused, and with room it goes on by itself.
#![cfg(test)]

use std::{fs, time::Duration};

use e2e::{
    built_in::BuiltIn,
    clock::wait_until,
    countersign::Start,
    disk::Disk,
    gateway::Site,
    http,
    nas::{Answer, code},
};

const LONG: Duration = Duration::from_secs(30);
const KIB: u32 = 6 * 1_024;

fn accepted(answer: &Answer, log: &str) {
    assert_eq!(
        answer.code,
        code::ACCESS_ACCEPT,
        "{}\n{log}",
        answer.message()
    );
}

#[test]
fn a_full_disk_under_the_control_plane_stops_no_login_and_what_waits_is_kept_when_there_is_room() {
    const LOGINS: usize = 60;
    let site = Site::new();
    let disk = Disk::small("controlplane", KIB);
    let start = Start::with(&site.config("")).program(disk.program());
    let gateway = start.ready();
    disk.fill(&gateway);
    for number in 0..LOGINS {
        let answer = site.nas().login(&format!("user{number}"), "any");
        accepted(&answer, &gateway.output());
    }
    // A change cannot be kept, so it is not served, and that is said.
    gateway.rewrite_config(&site.config("exempt_username_2=later\n"));
    wait_until("the log says why", LONG, || {
        gateway.output().contains("database or disk is full")
    });
    accepted(&site.nas().login("exempt", "any"), &gateway.output());
    assert_eq!(gateway.revision(), 1);
    disk.free(&gateway);
    wait_until("the file is served", LONG, || gateway.revision() == 2);
    accepted(&site.nas().login("later", "any"), &gateway.output());
    wait_until("every login is stored", LONG, || {
        let socket = gateway.control_socket();
        let answer = http::request_local(&socket, "GET", "/events?limit=1000", "").unwrap();
        answer.json()["events"].as_array().unwrap().len() == LOGINS + 2
    });
    assert_eq!(gateway.status()["dataplane"]["events_dropped"], 0);
}

#[test]
fn a_full_disk_under_the_second_factor_takes_no_passcode_twice_and_stops_no_push() {
    let disk = Disk::small("secondfactor", KIB);
    let site = BuiltIn::start_as(|start| start.program(disk.program()));
    site.approving("alice");
    let codes = site.codes("alice", 2);
    accepted(&site.login("alice", "any"), &site.gateway.output());
    disk.fill(&site.gateway);
    let passcode = |number: usize| format!("any,{}", codes[number]);
    // What is written before may fit into room that the database has still.
    let first = site.login("alice", &passcode(0));
    let second = site.login("alice", &passcode(1));
    for _ in 0..20 {
        accepted(&site.login("alice", "any"), &site.gateway.output());
    }
    accepted(&site.login("exempt", "any"), &site.gateway.output());
    disk.free(&site.gateway);
    // What got in is used up; what was refused for want of room still gets in, once.
    for (number, before) in [(0, first), (1, second)] {
        let was_in = before.code == code::ACCESS_ACCEPT;
        if !was_in {
            let said = before.message();
            assert!(
                said.contains("try again") || said.contains("administrator"),
                "{said}"
            );
            accepted(
                &site.login("alice", &passcode(number)),
                &site.gateway.output(),
            );
        }
        let again = site.login("alice", &passcode(number));
        assert_eq!(again.code, code::ACCESS_REJECT, "{}", again.message());
    }
    accepted(&site.login("alice", "any"), &site.gateway.output());
}

#[test]
fn a_damaged_database_of_the_second_factor_ends_the_start_and_is_named() {
    let mut site = BuiltIn::start();
    site.approving("alice");
    accepted(&site.login("alice", "any"), &site.gateway.output());
    let _stopped = site.gateway.stop();
    let database = site.gateway.data_dir().join("secondfactor/secondfactor.db");
    let good = fs::read(&database).unwrap();
    fs::write(&database, [0x5a; 65_536]).unwrap();
    site.gateway.launch_again();
    assert_eq!(site.gateway.wait(LONG).code(), Some(1));
    let said = site.gateway.output();
    for part in ["secondfactor.db is damaged", "countersign restore"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    // As a backup would be put back.
    fs::write(&database, good).unwrap();
    site.gateway.restart();
    accepted(&site.login("alice", "any"), &site.gateway.output());
}

#[test]
fn a_folder_that_cannot_be_written_ends_the_start_and_is_named() {
    for role in ["controlplane", "secondfactor"] {
        let disk = Disk::read_only(role);
        let site = Site::new();
        let mut gateway = match role {
            "controlplane" => Start::with(&site.config(""))
                .program(disk.program())
                .launch(),
            _ => BuiltIn::launch_as(|start| start.program(disk.program())).gateway,
        };
        wait_until("it is said", LONG, || {
            let said = gateway.output();
            said.contains("Read-only file system") && said.contains(&format!("data/{role}"))
        });
        if role == "controlplane" {
            assert_eq!(gateway.wait(LONG).code(), Some(1));
        }
    }
}
