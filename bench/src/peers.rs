//! The servers that are measured: how each is started, and what it is told.

use std::{
    fmt::{self, Write},
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::Duration,
};

use e2e::{
    nas::Nas,
    peers::{FakeDuo, Identity, Pki, Slapd, require},
    ports,
    process::Process,
};
use nix::unistd::Pid;
use proto::config::MessageAuthenticator;
use tempfile::TempDir;

use crate::{
    directories::{CANARY, Directories},
    double::Double,
    logins::Client,
};

/// The shared secret of all.
pub(crate) const SECRET: &str = "bench-secret";

/// The user whom every server knows, and whom the gateway asks no second factor.
pub(crate) const EXEMPT: &str = "u01";

/// The same for EAP: the user whom hostapd knows too.
pub(crate) const EXEMPT_EAP: &str = "alice";

/// The password that goes with a user's name.
pub(crate) fn password(user: &str) -> String {
    format!("pw-{user}")
}

/// A client that insists on Message-Authenticator in answers, as the gateway always sends it.
pub(crate) fn strict() -> Client {
    Client::new(SECRET, MessageAuthenticator::Require)
}

/// A client that takes answers without: FreeRADIUS 3.2.1 sends none.
pub(crate) fn lenient() -> Client {
    Client::new(SECRET, MessageAuthenticator::Auto)
}

/// A server in a process of its own, killed when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    process: Process,
    /// Goes with it.
    _folder: TempDir,
}

impl Peer {
    /// Starts it and waits until it gives this sign of life.
    pub(crate) fn start(
        name: &str,
        command: &Command,
        address: SocketAddr,
        sign: impl Fn(SocketAddr) -> bool,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(name, command, &folder.path().join("output.log"));
        process.until("it answers", START, || sign(address));
        Self {
            address,
            process,
            _folder: folder,
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }
}

/// What stands behind FreeRADIUS.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behind<'a> {
    /// A file of users, and nothing else.
    Users,
    /// One HTTPS call, unsigned, and no primary.
    Rest(&'a Double),
    /// A directory: search as the service account, bind as the user.
    Ldap(&'a Slapd),
    /// The same over two directories, the second for when the first fails.
    Redundant(&'a Directories),
    /// The file of users, inside PEAP, with a certificate of this key.
    Peap(Key),
}

/// The key of a server's certificate for EAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    P256,
    Rsa2048,
}

impl Key {
    pub(crate) const ALL: [Self; 2] = [Self::P256, Self::Rsa2048];

    pub(crate) fn identity(self) -> &'static Identity {
        let pki = Pki::shared();
        match self {
            Self::P256 => &pki.server,
            Self::Rsa2048 => &pki.rsa,
        }
    }

    /// The name of its files, as [`Pki::write`] writes them.
    const fn file(self) -> &'static str {
        match self {
            Self::P256 => "server",
            Self::Rsa2048 => "rsa",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::Rsa2048 => "RSA-2048",
        })
    }
}

/// Starts FreeRADIUS with as little configured as the work needs.
pub(crate) fn freeradius(behind: Behind<'_>) -> Peer {
    let (kind, variables) = match behind {
        Behind::Users => ("users", vec![]),
        Behind::Rest(double) => (
            "rest",
            vec![("FR_REST", format!("https://{}", double.host))],
        ),
        Behind::Ldap(slapd) => ("ldap", vec![("FR_LDAP", slapd.url())]),
        Behind::Peap(key) => ("eap", vec![("FR_CERTIFICATE", key.file().to_owned())]),
        Behind::Redundant(directories) => {
            let [first, second] = directories.addresses();
            (
                "redundant",
                vec![
                    ("FR_LDAP1", format!("ldap://{first}")),
                    ("FR_LDAP2", format!("ldap://{second}")),
                    ("FR_TIMEOUT", DIRECTORY_TIMEOUT.as_secs().to_string()),
                ],
            )
        }
    };
    let files = tempfile::tempdir().unwrap();
    let folder = files.path();
    for (name, text) in FREERADIUS {
        fs::write(folder.join(name), text).unwrap();
    }
    Pki::shared().write(folder);
    let address = ports::loopback(ports::free_udp());
    let mut command = Command::new(require("freeradius", "freeradius"));
    command
        .args(["-f", "-l", "stdout", "-n", "radiusd", "-d"])
        .arg(folder)
        .env("FR_DIR", folder)
        .env("FR_PORT", address.port().to_string())
        .env("FR_SECRET", SECRET)
        .env("FR_KIND", kind)
        .envs(variables);
    // It has read its files when it answers.
    Peer::start("freeradius", &command, address, |address| {
        Nas::new(address, SECRET).status(Duration::from_millis(100))
    })
}

/// The gateway's ports, one for each kind of work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    /// `auto`, no primary, the second factor over HTTP/2.
    pub(crate) http2: SocketAddr,
    /// The same over HTTP/1.1.
    pub(crate) http1: SocketAddr,
    /// `auto` over a directory.
    pub(crate) ldap: SocketAddr,
    /// `challenge`, no primary, the second factor over HTTP/2.
    pub(crate) challenge: SocketAddr,
    /// `eap` over a RADIUS server, with a certificate of each [`Key`].
    eap: [SocketAddr; 2],
}

impl Doors {
    /// Reserves the ports.
    pub(crate) fn reserve() -> Self {
        let [http2, http1, ldap, challenge, p256, rsa] =
            [(); 6].map(|()| ports::loopback(ports::free_udp()));
        Self {
            http2,
            http1,
            ldap,
            challenge,
            eap: [p256, rsa],
        }
    }

    /// The door of mode `eap` with a certificate of this key.
    pub(crate) const fn eap(&self, key: Key) -> SocketAddr {
        let [p256, rsa] = self.eap;
        match key {
            Key::P256 => p256,
            Key::Rsa2048 => rsa,
        }
    }
}

/// The gateway's `authproxy.cfg` for all that is measured in one process.
pub(crate) fn config(
    folder: &Path,
    doors: Doors,
    [http2, http1]: [&Double; 2],
    slapd: &Slapd,
) -> String {
    let mut text = main_section(folder);
    text += "[duo_only_client]\n\n";
    text += &ad_client("host=127.0.0.1\n", slapd.port);
    for (section, door, double, client) in [
        ("radius_server_auto1", doors.http2, http2, "duo_only_client"),
        ("radius_server_auto2", doors.http1, http1, "duo_only_client"),
        ("radius_server_auto3", doors.ldap, http2, "ad_client"),
        (
            "radius_server_challenge",
            doors.challenge,
            http2,
            "duo_only_client",
        ),
    ] {
        text += &integration(section, door, &double.host, client);
        writeln!(text, "exempt_username_1={EXEMPT}\n").unwrap();
    }
    text
}

/// The gateway's `authproxy.cfg` over two directories: the second is asked when the first does not
/// answer.
pub(crate) fn failover_config(
    folder: &Path,
    door: SocketAddr,
    double: &Double,
    directories: &Directories,
) -> String {
    let [first, second] = directories.addresses();
    let hosts = format!("host={}\nhost_2={}\n", first.ip(), second.ip());
    let timeout = format!("timeout={}\n", DIRECTORY_TIMEOUT.as_secs());
    let mut text = main_section(folder)
        + &ad_client(&hosts, first.port())
        + &timeout
        + &integration("radius_server_auto", door, &double.host, "ad_client");
    writeln!(
        text,
        "exempt_username_1={EXEMPT}\nexempt_username_2={CANARY}"
    )
    .unwrap();
    text
}

/// The gateway's `authproxy.cfg` for mode `eap` with a certificate of each key, over this RADIUS
/// server, and [`Doors::http2`] beside them. [`EXEMPT_EAP`] is asked no second factor.
pub(crate) fn eap_config(
    folder: &Path,
    doors: Doors,
    double: &Double,
    upstream: SocketAddr,
) -> String {
    Pki::shared().write(folder);
    let mut text = main_section(folder);
    writeln!(
        text,
        "[duo_only_client]\n\n[radius_client]\nhost={}\nport={}\nsecret={SECRET}\n",
        upstream.ip(),
        upstream.port()
    )
    .unwrap();
    let auto = "radius_server_auto";
    text += &integration(auto, doors.http2, &double.host, "duo_only_client");
    for (number, key) in (1..).zip(Key::ALL) {
        let section = format!("radius_server_eap{number}");
        let file = folder.join(key.file());
        text += &integration(&section, doors.eap(key), &double.host, "radius_client");
        writeln!(
            text,
            "certs={0}.pem\npkey={0}.key\nexempt_username_1={EXEMPT_EAP}\n",
            file.display()
        )
        .unwrap();
    }
    text
}

fn ad_client(hosts: &str, port: u16) -> String {
    format!(
        "[ad_client]\n{hosts}port={port}\nservice_account_username=service\n\
         service_account_password={}\nbind_dn={}\nsearch_dn={}\nauth_type=plain\ntransport=clear\n\
         username_attribute=uid\n",
        Slapd::SERVICE_PASSWORD,
        Slapd::SERVICE_DN,
        Slapd::BASE,
    )
}

/// How long every server waits for a directory, where one of two goes away.
pub(crate) const DIRECTORY_TIMEOUT: Duration = Duration::from_secs(2);

/// An `authproxy.cfg` with so many integrations, each on a port of its own.
pub(crate) fn many(folder: &Path, count: usize, double: &Double) -> String {
    let mut text = main_section(folder) + "[duo_only_client]\n\n";
    for number in 1..=count {
        let door = ports::loopback(ports::free_udp());
        let section = format!("radius_server_auto{number}");
        text += &integration(&section, door, &double.host, "duo_only_client");
    }
    text
}

pub(crate) fn main_section(folder: &Path) -> String {
    let ca = folder.join("ca.pem");
    fs::write(&ca, &Pki::shared().ca).unwrap();
    format!("[main]\nhttp_ca_certs_file={}\n\n", ca.display())
}

pub(crate) fn integration(section: &str, door: SocketAddr, host: &str, client: &str) -> String {
    format!(
        "[{section}]\nikey={}\nskey={}\napi_host={host}\nfailmode=secure\n\
         client={client}\ninterface={}\nport={}\nradius_ip_1=127.0.0.1\nradius_secret_1={SECRET}\n",
        FakeDuo::IKEY,
        FakeDuo::SKEY,
        door.ip(),
        door.port(),
    )
}

const START: Duration = Duration::from_secs(30);

const FREERADIUS: [(&str, &str); 7] = [
    (
        "radiusd.conf",
        include_str!("../fixtures/freeradius/radiusd.conf"),
    ),
    ("users", include_str!("../fixtures/freeradius/users")),
    (
        "site-users",
        include_str!("../fixtures/freeradius/site-users"),
    ),
    (
        "site-rest",
        include_str!("../fixtures/freeradius/site-rest"),
    ),
    (
        "site-ldap",
        include_str!("../fixtures/freeradius/site-ldap"),
    ),
    ("site-eap", include_str!("../fixtures/freeradius/site-eap")),
    (
        "site-redundant",
        include_str!("../fixtures/freeradius/site-redundant"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_integration_of_many_has_a_port_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let double = Double::start(Pki::shared(), e2e::peers::fakeduo::Offer::Both);
        let text = many(folder.path(), 20, &double);
        let mut ports: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("port="))
            .collect();
        assert_eq!(ports.len(), 20);
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
        assert!(text.contains("[radius_server_auto20]"));
    }
}
