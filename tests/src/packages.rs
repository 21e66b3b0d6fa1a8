//! The Debian package and the RPM, made of the program that the other tests run, and what is done with
//! them once they are installed.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    clock::wait_until,
    countersign::program,
    peers::{Pki, repository, require},
    private_root::{Init, PrivateRoot, succeeded},
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

/// Where the replaced product has its configuration.
pub const REPLACED: &str = "/opt/duoauthproxy/conf";

/// A machine with both of these Debian packages in /tmp, and an authproxy.cfg of the replaced product that
/// only its own user can read: `CONFIG`, and an authority's certificate in `certs`.
///
/// # Panics
/// When it does not come up.
#[must_use]
pub fn machine(init: Init, older: &Path, newer: &Path) -> PrivateRoot {
    let machine = PrivateRoot::start(init);
    fs::copy(older, machine.path("/tmp/older.deb")).unwrap();
    fs::copy(newer, machine.path("/tmp/newer.deb")).unwrap();
    let conf = machine.path(REPLACED);
    fs::create_dir_all(conf.join("certs")).unwrap();
    Pki::shared().write(&conf.join("certs"));
    fs::rename(conf.join("certs/ca.pem"), conf.join("certs/bundle.pem")).unwrap();
    let text = format!("[main]\nhttp_ca_certs_file = certs/bundle.pem\n{CONFIG}");
    fs::write(conf.join("authproxy.cfg"), text).unwrap();
    for (path, mode) in [
        ("certs/bundle.pem", 0o400),
        ("authproxy.cfg", 0o400),
        ("certs", 0o700),
        ("", 0o700),
    ] {
        let path = conf.join(path);
        chown(&path, Some(65534), Some(65534)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    machine
}

/// The main process of a unit.
///
/// # Panics
/// When systemd does not say.
#[must_use]
pub fn main_pid(machine: &PrivateRoot, unit: &str) -> String {
    let shown = machine.ok(&["systemctl", "show", "--property=MainPID", unit]);
    shown.trim().strip_prefix("MainPID=").unwrap().to_owned()
}

/// Whether this process is of the program that lies there now, and not of one that was replaced.
#[must_use]
pub fn is_of_now(machine: &PrivateRoot, pid: &str) -> bool {
    let number = |path: &str| machine.exit(&["stat", "-L", "-c", "%d:%i", path]).1;
    number(&format!("/proc/{pid}/exe")) == number("/usr/bin/countersign")
}

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
    login_at(machine, "/var/lib/countersign", "127.0.0.1:812", user);
}

/// The same at another address, with the built-in second factor of the gateway of this data folder.
///
/// # Panics
/// When that is not accepted.
pub fn login_at(machine: &PrivateRoot, data_dir: &str, server: &str, user: &str) {
    let data_dir = format!("--data-dir={data_dir}");
    wait_until("the gateway is ready", LONG, || {
        machine
            .run(&["countersign", "healthcheck", &data_dir])
            .status
            .success()
    });
    machine.ok(&["countersign", "factor", "add", user, &data_dir]);
    let codes = machine.ok(&[
        "countersign",
        "factor",
        "bypass-codes",
        user,
        "--count",
        "1",
        &data_dir,
    ]);
    let code = codes.split_whitespace().last().unwrap();
    let request = format!(
        "printf 'User-Name={user},User-Password=\"anything,{code}\",Message-Authenticator=0x00\\n' \
         | radclient -x {server} auth not-very-secret"
    );
    let answer = machine.ok(&["sh", "-c", &request]);
    assert!(answer.contains("Received Access-Accept"), "{answer}");
}
