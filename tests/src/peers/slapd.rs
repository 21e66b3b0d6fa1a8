//! OpenLDAP's server with the people of `fixtures/slapd/people.ldif`.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::{Identity, Pki, require};
use crate::{ports, process::Process};

/// How long slapd may take to listen.
const START: Duration = Duration::from_secs(20);

/// A directory of its own: plain with StartTLS on one port, LDAPS on another.
///
/// Users `alice`, `bob`, … `u01` to `u08` have the password `pw-NAME` and all but `u03` and `u04` are
/// in the group [`Slapd::GROUP`]; `u03` is in `cn=Outer` through `cn=Inner`. Further: `O'Hara(x)*y`
/// (`pw-OHaraxy`), `comma` (`pw,with,commas`) and `locked`. Anonymous may bind but not search.
#[derive(Debug)]
pub struct Slapd {
    /// Where it listens: 127.0.0.1, unless told otherwise.
    pub address: Ipv4Addr,
    /// The port for `ldap://`, StartTLS included.
    pub port: u16,
    /// The port for `ldaps://`.
    pub tls_port: u16,
    process: Process,
    folder: TempDir,
}

impl Slapd {
    /// The base of the directory.
    pub const BASE: &str = "dc=example,dc=com";
    /// The account that may search.
    pub const SERVICE_DN: &str = "cn=service,dc=example,dc=com";
    /// Its password.
    pub const SERVICE_PASSWORD: &str = "service-pw";
    /// The group of those who may use the VPN.
    pub const GROUP: &str = "cn=VPNUsers,ou=groups,dc=example,dc=com";

    /// Starts an instance and waits until both ports listen.
    #[must_use]
    pub fn start(pki: &Pki) -> Self {
        Self::start_with(pki, &pki.server)
    }

    /// Starts it with this certificate (`pki.expired`, `pki.rogue`, `pki.other_name`).
    #[must_use]
    pub fn start_with(pki: &Pki, identity: &Identity) -> Self {
        Self::launch(pki, identity, Ipv4Addr::LOCALHOST, ports::free_tcp())
    }

    /// Starts it at an address of 127.0.0.0/8 with this port for `ldap://`: all hosts of an
    /// `[ad_client]` have the same port. The certificate names the address.
    #[must_use]
    pub fn start_at(pki: &Pki, address: Ipv4Addr, port: u16) -> Self {
        let identity = pki.server_for(&[&address.to_string()]);
        Self::launch(pki, &identity, address, port)
    }

    fn launch(pki: &Pki, identity: &Identity, address: Ipv4Addr, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        pki.write(dir);
        fs::write(dir.join("server.pem"), &identity.certificate).unwrap();
        fs::write(dir.join("server.key"), &identity.key).unwrap();
        fs::create_dir(dir.join("db")).unwrap();
        let conf =
            include_str!("../../fixtures/slapd/slapd.conf").replace("DIR", dir.to_str().unwrap());
        fs::write(dir.join("slapd.conf"), conf).unwrap();
        fs::write(
            dir.join("people.ldif"),
            include_str!("../../fixtures/slapd/people.ldif"),
        )
        .unwrap();
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
        let tls_port = ports::free_tcp();
        let process = run(dir, address, port, tls_port);
        Self {
            address,
            port,
            tls_port,
            process,
            folder,
        }
    }

    /// The address without TLS, or with StartTLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://{}:{}", self.address, self.port)
    }

    /// The address with TLS from the start. By number, because OpenLDAP's own clients take the name
    /// `localhost` for this machine's real name when they look at the certificate.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("ldaps://{}:{}", self.address, self.tls_port)
    }

    /// The distinguished name of a user whose name needs no escaping.
    #[must_use]
    pub fn dn(user: &str) -> String {
        format!("uid={user},ou=people,{}", Self::BASE)
    }

    /// Stops it as it stands (SIGSTOP): it takes connections and never answers, until
    /// [`Slapd::resume`].
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on after [`Slapd::pause`].
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills it: connections break, the ports refuse.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Slapd::kill`], with the same ports and data.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(self.folder.path(), self.address, self.port, self.tls_port);
    }

    /// Runs a program of ldap-utils (`ldapwhoami`, `ldapsearch`) that trusts the authority of the
    /// tests; gives its exit code (49: invalid credentials) and what it printed.
    #[must_use]
    pub fn tool(&self, program: &str, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(require(program, "ldap-utils"))
            .args(arguments)
            .env("LDAPTLS_CACERT", self.folder.path().join("ca.pem"))
            .env("LDAPNETWORK_TIMEOUT", "5")
            .output()
            .unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    }
}

fn run(dir: &Path, address: Ipv4Addr, port: u16, tls_port: u16) -> Process {
    let mut command = Command::new(require("slapd", "slapd"));
    command
        .args(["-d", "0", "-f", "slapd.conf", "-h"])
        .arg(format!(
            "ldap://{address}:{port} ldaps://{address}:{tls_port}"
        ))
        // Without SASL, whichever of its modules this machine has: simple binds alone.
        .env("SASL_PATH", dir.join("no-sasl"))
        .current_dir(dir);
    let mut process = Process::start("slapd", &command, &dir.join("slapd.log"));
    process.until("slapd listens", START, || {
        [port, tls_port]
            .iter()
            .all(|port| TcpStream::connect((address, *port)).is_ok())
    });
    process
}
