//! Two directories with the same people, as a client that fails over sees them: two addresses of
//! this machine, one port.

use std::{
    fmt::{self, Write},
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use e2e::{
    peers::{Pki, Slapd, require},
    ports,
    process::Process,
};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::peers::password;

/// How host 1 goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Away {
    /// It is killed: connections break, its port refuses.
    Killed,
    /// It stands still: its port accepts and nobody answers.
    Silent,
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "killed",
            Self::Silent => "silent",
        })
    }
}

/// The running pair.
#[derive(Debug)]
pub(crate) struct Directories {
    first: Directory,
    second: Directory,
}

#[derive(Debug)]
struct Directory {
    address: SocketAddr,
    folder: TempDir,
    process: Process,
}

/// A user whom host 1 alone knows, so that a login says which host was asked.
pub(crate) const CANARY: &str = "canary";

impl Directories {
    /// Starts both and waits until they listen.
    pub(crate) fn start() -> Self {
        let port = ports::free_tcp();
        let mut canary = String::from("\n");
        write!(
            canary,
            "dn: {}\nobjectClass: inetOrgPerson\nuid: {CANARY}\ncn: {CANARY}\nsn: Example\n\
             userPassword: {}\n",
            Slapd::dn(CANARY),
            password(CANARY)
        )
        .unwrap();
        Self {
            first: Directory::start(Ipv4Addr::new(127, 0, 0, 1), port, &canary),
            second: Directory::start(Ipv4Addr::new(127, 0, 0, 2), port, ""),
        }
    }

    /// Host 1 and host 2; they have one port.
    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        [self.first.address, self.second.address]
    }

    /// Host 1 goes away.
    pub(crate) fn lose(&mut self, how: Away) {
        match how {
            Away::Killed => self.first.process.kill(),
            Away::Silent => self.first.process.signal(Signal::SIGSTOP),
        }
    }

    /// Host 1 comes back; it listens when this returns.
    pub(crate) fn find(&mut self, how: Away) {
        match how {
            Away::Killed => {
                self.first.process = run(self.first.folder.path(), self.first.address);
            }
            Away::Silent => self.first.process.signal(Signal::SIGCONT),
        }
    }
}

impl Directory {
    fn start(address: Ipv4Addr, port: u16, further: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        Pki::shared().write(dir);
        fs::create_dir(dir.join("db")).unwrap();
        fs::write(
            dir.join("slapd.conf"),
            CONF.replace("DIR", dir.to_str().unwrap()),
        )
        .unwrap();
        fs::write(dir.join("people.ldif"), format!("{PEOPLE}{further}")).unwrap();
        let filled = Command::new(require("slapadd", "slapd"))
            .args(["-q", "-f", "slapd.conf", "-l", "people.ldif"])
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(
            filled.status.success(),
            "slapadd: {}",
            String::from_utf8_lossy(&filled.stderr)
        );
        let address = SocketAddr::new(IpAddr::V4(address), port);
        let process = run(dir, address);
        Self {
            address,
            folder,
            process,
        }
    }
}

fn run(dir: &Path, address: SocketAddr) -> Process {
    let mut command = Command::new(require("slapd", "slapd"));
    command
        .args(["-d", "0", "-f", "slapd.conf", "-h"])
        .arg(format!("ldap://{address}"))
        .current_dir(dir);
    let mut process = Process::start("slapd", &command, &dir.join("slapd.log"));
    process.until("slapd listens", START, || {
        TcpStream::connect(address).is_ok()
    });
    process
}

const START: Duration = Duration::from_secs(20);
const CONF: &str = include_str!("../../tests/fixtures/slapd/slapd.conf");
const PEOPLE: &str = include_str!("../../tests/fixtures/slapd/people.ldif");
