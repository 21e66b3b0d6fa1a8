//! FreeRADIUS: an upstream server for the gateway, or the product it is compared with.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use tempfile::TempDir;

use super::{FakeDuo, Pki, SECRET, Slapd, require};
use crate::{nas::Nas, ports, process::Process};

/// How long it may take to answer Status-Server.
const START: Duration = Duration::from_secs(30);

/// Every file of the configuration; which are used depends on the kind.
const FILES: [(&str, &str); 8] = [
    (
        "radiusd.conf",
        include_str!("../../fixtures/freeradius/radiusd.conf"),
    ),
    ("users", include_str!("../../fixtures/freeradius/users")),
    (
        "mods-plain",
        include_str!("../../fixtures/freeradius/mods-plain"),
    ),
    (
        "site-plain",
        include_str!("../../fixtures/freeradius/site-plain"),
    ),
    (
        "mods-ldap",
        include_str!("../../fixtures/freeradius/mods-ldap"),
    ),
    (
        "site-ldap",
        include_str!("../../fixtures/freeradius/site-ldap"),
    ),
    (
        "mods-duo",
        include_str!("../../fixtures/freeradius/mods-duo"),
    ),
    (
        "site-duo",
        include_str!("../../fixtures/freeradius/site-duo"),
    ),
];

/// What stands behind it.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// A file of users; PAP, CHAP, MS-CHAP, PEAP and TTLS. See `fixtures/freeradius/users`:
    /// `alice` (`pw-alice`) with reply attributes, `refused`, `silent` (no answer), `chal`
    /// (`pw-chal`, then a challenge that `123456` answers), `chal2` (`pw-chal2`, then two, `111111` and
    /// `222222`), `mirror` (any password; says what reached it in Filter-Id), `tunnel` (a
    /// Tunnel-Password), `mustchange` (by MS-CHAP `E=648`), `comma`, `longpw`, `unicode`, `big`, `uNN`.
    Plain,
    /// A directory: search as the service account, bind as the user.
    Ldap(&'a Slapd),
    /// The file of users, then one HTTPS call to the second factor.
    Duo(&'a FakeDuo),
}

/// A running server with the shared secret [`SECRET`] for all of 127.0.0.0/8.
#[derive(Debug)]
pub struct FreeRadius {
    /// Where it takes logins.
    pub address: SocketAddr,
    command: Command,
    process: Process,
    folder: TempDir,
}

impl FreeRadius {
    /// Starts a server and waits until it answers.
    #[must_use]
    pub fn start(kind: Kind<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        for (name, text) in FILES {
            fs::write(dir.join(name), text).unwrap();
        }
        Pki::shared().write(dir);
        let (port, accounting) = (ports::free_udp(), ports::free_udp());
        let mut command = Command::new(require("freeradius", "freeradius"));
        command
            .args(["-f", "-l", "stdout", "-n", "radiusd", "-d"])
            .arg(dir)
            .env("FR_DIR", dir)
            .env("FR_PORT", port.to_string())
            .env("FR_ACCT", accounting.to_string())
            .env("FR_SECRET", SECRET);
        match kind {
            Kind::Plain => command.env("FR_KIND", "plain"),
            Kind::Ldap(slapd) => command.env("FR_KIND", "ldap").env("FR_LDAP", slapd.url()),
            Kind::Duo(duo) => command
                .env("FR_KIND", "duo")
                .env("FR_REST", format!("https://{}", duo.host())),
        };
        let address = ports::loopback(port);
        let process = run(&command, dir, address);
        Self {
            address,
            command,
            process,
            folder,
        }
    }

    /// Stops it as it stands (SIGSTOP): it is silent until [`FreeRadius::resume`], and then answers
    /// what waits in its socket.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on after [`FreeRadius::pause`].
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills it: the port is dead.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(&self.command, self.folder.path(), self.address);
    }
}

fn run(command: &Command, dir: &Path, address: SocketAddr) -> Process {
    let mut process = Process::start("freeradius", command, &dir.join("output.log"));
    let nas = Nas::new(address, SECRET);
    process.until("FreeRADIUS answers Status-Server", START, || {
        nas.status(Duration::from_millis(100))
    });
    process
}
