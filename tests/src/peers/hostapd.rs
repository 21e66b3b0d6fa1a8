//! hostapd's RADIUS server: the other implementation of PEAP and EAP-TTLS, of both versions of PEAP,
//! with crypto-binding.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Identity, Pki, SECRET, require};
use crate::{ports, process::Process};

/// How long it may take to start.
const START: Duration = Duration::from_secs(30);

/// A running server with the shared secret [`SECRET`] for all of 127.0.0.0/8.
///
/// The outer identity chooses the method: `peap0`, `peap1` (the version of PEAP) or `ttls`. Inside is
/// `alice` (`pw-alice`, GTC or PAP), or `bob` (`pw-bob`, MS-CHAPv2 only). TLS is 1.2 or 1.3.
///
/// Debian's 2.10 binds PEAPv0 by TLS 1.3 to another key than the tunnel's, so that no peer that takes
/// its crypto-binding gets in: there a peer has to do without.
#[derive(Debug)]
pub struct Hostapd {
    /// Where it takes logins.
    pub address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

impl Hostapd {
    /// Starts a server with the certificate [`Pki::server`] that sends so many octets of TLS in one
    /// packet, and waits until it is there.
    #[must_use]
    pub fn start(fragment_octets: u16) -> Self {
        Self::start_with(fragment_octets, &Pki::shared().server)
    }

    /// The same with this certificate.
    #[must_use]
    pub fn start_with(fragment_octets: u16, identity: &Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let port = ports::free_udp();
        let config = include_str!("../../fixtures/hostapd/hostapd.conf")
            .replace("@FRAGMENT@", &fragment_octets.to_string())
            .replace("@PORT@", &port.to_string());
        fs::write(dir.join("hostapd.conf"), config).unwrap();
        fs::write(
            dir.join("users"),
            include_str!("../../fixtures/hostapd/users"),
        )
        .unwrap();
        fs::write(dir.join("clients"), format!("127.0.0.0/8 {SECRET}\n")).unwrap();
        Pki::shared().write(dir);
        fs::write(dir.join("server.pem"), &identity.certificate).unwrap();
        fs::write(dir.join("server.key"), &identity.key).unwrap();
        let mut command = Command::new(require("hostapd", "hostapd"));
        command.arg("hostapd.conf").current_dir(dir);
        let log = dir.join("output.log");
        let mut process = Process::start("hostapd", &command, &log);
        // It says so once its RADIUS server has its port.
        process.until("hostapd is up", START, || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("AP-ENABLED"))
        });
        Self {
            address: ports::loopback(port),
            process,
            _folder: folder,
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }
}
