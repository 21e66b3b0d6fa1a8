//! What a role by itself says to the service manager that started it.
#![cfg(test)]

use std::{fs, path::Path, process::Command, time::Duration};

use e2e::{
    clock::wait_until, countersign::program, ports, process::Process,
    service_manager::ServiceManager, upgrading::OnDisk,
};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(30);

/// A role that runs as a service, in a folder of its own.
struct Service {
    manager: ServiceManager,
    process: Process,
    folder: TempDir,
}

impl Service {
    fn start(arguments: &[&str], heard: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manager = ServiceManager::new(folder.path());
        // As systemd does, it tells the process that it is the one that was started.
        let mut command = Command::new("sh");
        command
            .args(["-c", "SYSTEMD_EXEC_PID=$$ exec \"$0\" \"$@\""])
            .arg(program())
            .args(arguments)
            .arg("--data-dir")
            .arg(data(&folder))
            .current_dir(folder.path());
        if heard {
            command.env("NOTIFY_SOCKET", manager.socket());
        } else {
            command.env_remove("NOTIFY_SOCKET");
        }
        let log = folder.path().join("output.log");
        Self {
            manager,
            process: Process::start("service", &command, &log),
            folder,
        }
    }
}

fn data(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("data")
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[test]
fn each_role_says_when_it_serves_and_when_it_stops() {
    let listen = format!("127.0.0.1:{}", ports::free_tcp());
    for arguments in [
        &["controlplane"][..],
        &["dataplane"],
        &["secondfactor", "--second-factor-listen", &listen],
    ] {
        let mut service = Service::start(arguments, true);
        let role = arguments[0];
        assert_eq!(service.manager.hears("READY=1"), "", "{role}");
        assert_eq!(service.manager.hears("STATUS="), "serving", "{role}");
        // Whoever waits for the start finds it there.
        let socket = data(&service.folder).join(format!("run/{role}.sock"));
        assert!(is_socket(&socket), "{role}");
        assert_eq!(service.manager.last("STOPPING="), None, "{role}");
        assert_eq!(service.process.stop().code(), Some(0), "{role}");
        assert_eq!(service.manager.hears("STOPPING="), "1", "{role}");
    }
}

#[test]
fn a_node_that_waits_for_its_token_does_not_hold_up_who_started_it() {
    let waiting = [
        "dataplane",
        "--join",
        "https://127.0.0.1:1",
        "--join-token-file",
        "none",
    ];
    let mut service = Service::start(&waiting, true);
    assert_eq!(service.manager.hears("READY=1"), "");
    let status = service.manager.hears("STATUS=");
    assert_eq!(
        status,
        "waiting to join https://127.0.0.1:1; the log says for what"
    );
    assert_eq!(service.process.stop().code(), Some(0));
}

#[test]
fn a_service_that_nobody_hears_is_not_upgraded_and_serves_on() {
    let mut service = Service::start(&["dataplane"], false);
    let socket = data(&service.folder).join("run/data-upgrade.sock");
    wait_until("it can be asked", LONG, || is_socket(&socket));
    OnDisk::not_upgraded(&data(&service.folder), "NotifyAccess=all");
    assert!(service.process.ended().is_none());
    assert_eq!(service.process.stop().code(), Some(0));
}
