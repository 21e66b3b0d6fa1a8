//! The address where a role by itself is watched never keeps it from its work.
#![cfg(test)]

use std::{net::TcpListener, process::Command, time::Duration};

use e2e::{countersign::program, http, ports, process::Process, service_manager::ServiceManager};

const LONG: Duration = Duration::from_secs(30);

#[test]
fn an_address_that_is_taken_is_waited_for_and_the_role_serves() {
    for role in ["dataplane", "secondfactor"] {
        let folder = tempfile::tempdir().unwrap();
        let manager = ServiceManager::new(folder.path());
        let watched = ports::loopback(ports::free_tcp());
        let taken = TcpListener::bind(watched).unwrap();
        let mut command = Command::new(program());
        command
            .arg(role)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .env("NOTIFY_SOCKET", manager.socket())
            .env("COUNTERSIGN_WATCH_LISTEN", watched.to_string())
            // Those of a control plane, which may be set for all roles of a machine.
            .env("COUNTERSIGN_ADMIN_LISTEN", "192.0.2.1:1")
            .env("COUNTERSIGN_ADMIN_TLS_CERT", "none.pem")
            .current_dir(folder.path());
        if role == "secondfactor" {
            let listen = ports::loopback(ports::free_tcp()).to_string();
            command.args(["--second-factor-listen", &listen]);
        }
        let mut process = Process::start(role, &command, &folder.path().join("output.log"));
        assert_eq!(manager.hears("READY=1"), "", "{role}");
        let says = format!("cannot serve the admin address {watched}");
        let output = folder.path().join("output.log");
        process.until("it says what is in the way", LONG, || {
            std::fs::read_to_string(&output).unwrap().contains(&says)
        });
        drop(taken);
        process.until("it is watched", LONG, || {
            http::get(watched, "/healthz").is_ok_and(|answer| answer.status == 200)
        });
        let log = process.output();
        assert_eq!(log.matches("metrics are not served").count(), 1, "{log}");
        assert_eq!(process.stop().code(), Some(0), "{log}");
    }
}
