//! The Debian package and the RPM, made of the program that the other tests run, and what is done with
//! them once they are installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    clock::wait_until,
    countersign::program,
    peers::{repository, require},
    private_root::{PrivateRoot, succeeded},
};

const LONG: Duration = Duration::from_secs(60);

/// Where a package has its configuration.
pub const ADOPTED: &str = "/etc/countersign/authproxy.cfg";

/// Served on a port that only root, or who was given the right, may open.
pub const CONFIG: &str = "\
[duo_only_client]
[radius_server_auto]
api_host=builtin
client=duo_only_client
failmode=secure
port=812
radius_ip_1=127.0.0.0/8
radius_secret_1=not-very-secret
";
/// Runs `scripts/package` with the program that the other tests run.
///
/// # Panics
/// When it fails, with what it printed.
#[must_use]
pub fn make(kind: &str, version: &str, output: &Path) -> PathBuf {
    let mut command = Command::new(repository().join("scripts/package"));
    command
        .args([kind, "--fast", "--version", version, "--binary"])
        .arg(program())
        .arg("--output")
        .arg(output);
    succeeded(&["scripts/package", kind], &command.output().unwrap());
    only(output, kind)
}

/// The one file of a folder with this ending.
fn only(folder: &Path, ending: &str) -> PathBuf {
    let listed = fs::read_dir(folder).unwrap();
    let mut found: Vec<_> = listed
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|is| is == ending))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Runs a program of a Debian package with a file, and says what it printed.
///
/// # Panics
/// When it is not installed, or fails.
pub fn shown(package: &str, line: &[&str], file: &Path) -> String {
    let mut command = Command::new(require(line[0], package));
    command.args(&line[1..]).arg(file);
    succeeded(line, &command.output().unwrap())
}

/// Makes a user of the built-in second factor, and logs in with a password and a bypass code.
///
/// # Panics
/// When that is not accepted.
pub fn login(machine: &PrivateRoot, user: &str) {
    wait_until("the gateway is ready", LONG, || {
        machine
            .run(&["countersign", "healthcheck"])
            .status
            .success()
    });
    machine.ok(&["countersign", "factor", "add", user]);
    let codes = machine.ok(&[
        "countersign",
        "factor",
        "bypass-codes",
        user,
        "--count",
        "1",
    ]);
    let code = codes.split_whitespace().last().unwrap();
    let request = format!(
        "printf 'User-Name={user},User-Password=\"anything,{code}\",Message-Authenticator=0x00\\n' \
         | radclient -x 127.0.0.1:812 auth not-very-secret"
    );
    let answer = machine.ok(&["sh", "-c", &request]);
    assert!(answer.contains("Received Access-Accept"), "{answer}");
}
