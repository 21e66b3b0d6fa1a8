//! Samba as an Active Directory domain controller, with the people of
//! `fixtures/samba/provision.py`. LDAP only; Kerberos, SMB and DNS are not served.
//!
//! A test program provisions one domain (about five seconds) and gives each instance a copy of it.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use nix::unistd::Uid;
use tempfile::TempDir;

use super::{Pki, require};
use crate::{clock, ports, process::Process};

/// How long Samba may take to listen.
const START: Duration = Duration::from_secs(30);

/// LDAP, LDAPS and the same of the global catalogue. Fixed in Samba, so each instance has an address
/// of its own.
const PORTS: [u16; 4] = [389, 636, 3268, 3269];

/// Debian's Python, for which `python3-samba` is made; another may come first on the PATH.
const PYTHON: &str = "/usr/bin/python3";

/// What the directory asks of NTLM binds. It takes no password in the clear in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// Sealed where there is no TLS; plain NTLM within TLS. What Windows does.
    WithoutTls,
    /// Sealed, and not within TLS at all: result 8 there. Samba's own default.
    Always,
}

impl Signing {
    const fn setting(self) -> &'static str {
        match self {
            Self::WithoutTls => "allow_sasl_over_tls",
            Self::Always => "yes",
        }
    }
}

/// A domain controller of the domain `ADTEST`, `ad.example.test`.
///
/// All have the password `pw-NAME` and the address `NAME@example.com`; all but `dave` are in a group:
/// - [`Samba::GROUP`]: `alice` (common name `Alice Example`), `bob`, `carol`; those who may not log in:
///   `disabled`, `expired` (the account), `mustchange`, `pwexpired`, `locked`; `upn1`, whose UPN is
///   `first.last@corp.example`; `ohara` and `hash`, whose common names need escaping; the account
///   `o'hara (x) #1` (`pw-odd`); `jürgen` (`pässwörd-€`); `comma` (`pw,with,commas`); `twin1` and
///   `twin2`, both `twin@example.com`.
/// - `PrimaryVPN`: `primary`, by primary group; `Inner`, which is in `Middle`, which is in `Outer`:
///   `nested`; the distribution group `MailList`: `mailer`; [`Samba::ODD_GROUP`]: `staff`.
#[derive(Debug)]
pub struct Samba {
    /// Where it listens, on 389 and 636.
    pub address: Ipv4Addr,
    command: Command,
    process: Process,
    folder: TempDir,
}

impl Samba {
    /// The base of the directory.
    pub const BASE: &str = "DC=ad,DC=example,DC=test";
    /// The domain's short name.
    pub const DOMAIN: &str = "ADTEST";
    /// The account name of the account that may search.
    pub const SERVICE: &str = "service";
    /// Its name for simple binds.
    pub const SERVICE_UPN: &str = "service@ad.example.test";
    /// Its password.
    pub const SERVICE_PASSWORD: &str = "service-pw";
    /// The group of those who may use the VPN.
    pub const GROUP: &str = "CN=VPNUsers,OU=groups,DC=ad,DC=example,DC=test";
    /// A group whose name needs escaping.
    pub const ODD_GROUP: &str = r"CN=VPN (Staff)\, \#2 \+*\\,OU=groups,DC=ad,DC=example,DC=test";

    /// The instance that all tests of this program share: [`Signing::WithoutTls`]. Nobody may stop it.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Samba> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Signing::WithoutTls))
    }

    /// Starts an instance, waits until it listens, and has `locked` locked by wrong passwords.
    #[must_use]
    pub fn start(signing: Signing) -> Self {
        let program = require("samba", "samba");
        let domain = Domain::shared();
        let folder = tempfile::tempdir_in(&domain.folder).unwrap();
        let dir = folder.path();
        let copied = Command::new("cp")
            .arg("-a")
            .arg(domain.template().join("."))
            .arg(dir)
            .status();
        assert!(copied.unwrap().success(), "cp -a to {}", dir.display());
        let address = ports::free_address(&PORTS);
        configure(dir, address, signing);
        let identity = Pki::shared().server_for(&[&address.to_string(), "dc1.ad.example.test"]);
        Pki::shared().write(dir);
        fs::write(dir.join("server.pem"), identity.certificate).unwrap();
        fs::write(dir.join("server.key"), identity.key).unwrap();
        // Samba takes a key that others may read for a fault.
        fs::set_permissions(dir.join("server.key"), PermissionsExt::from_mode(0o600)).unwrap();
        let mut command = Command::new(program);
        command
            .arg("--configfile")
            .arg(dir.join("smb.conf"))
            .args(["--foreground", "--no-process-group"])
            .args(["--debuglevel=1", "--debug-stdout"]);
        let process = run(&command, dir, address);
        let samba = Self {
            address,
            command,
            process,
            folder,
        };
        for _ in 0..LOCKED_AFTER {
            assert_eq!(samba.bind("locked", "wrong"), Err("52e".to_owned()));
        }
        samba
    }

    /// The address with TLS from the start.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// A simple bind as this account over LDAPS, which reads the entry of the base.
    ///
    /// # Errors
    /// The sub-code of the refusal, in hexadecimal as Active Directory writes it: `52e` is a wrong
    /// password; the whole output, when there is none.
    pub fn bind(&self, account: &str, password: &str) -> Result<(), String> {
        let name = format!("{}\\{account}", Self::DOMAIN);
        let (code, text) = self.search(&name, password, &["-s", "base", "dn"]);
        match text
            .split_once(", data ")
            .and_then(|(_, rest)| rest.split_once(','))
        {
            _ if code == 0 => Ok(()),
            Some((data, _)) => Err(data.to_owned()),
            None => Err(text),
        }
    }

    /// A bind with NTLM, signed and sealed, by Samba's own client on port 389; gives the name of the
    /// account's entry, which it reads.
    ///
    /// # Errors
    /// What the client says.
    pub fn ntlm_bind(&self, account: &str, password: &str) -> Result<String, String> {
        let dir = self.folder.path();
        let script = include_str!("../../fixtures/samba/ntlm_bind.py");
        fs::write(dir.join("ntlm_bind.py"), script).unwrap();
        let typed = dir.join("typed");
        fs::write(&typed, format!("{account}\n{password}\n")).unwrap();
        let output = Command::new(PYTHON)
            .arg("ntlm_bind.py")
            .arg(dir.join("smb.conf"))
            .arg(format!("ldap://{}", self.address))
            .arg(Self::DOMAIN)
            .current_dir(dir)
            .stdin(fs::File::open(&typed).unwrap())
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// What the account for searches finds below the base, by OpenLDAP's `ldapsearch` over LDAPS.
    ///
    /// # Panics
    /// With what it printed, when the search fails.
    #[must_use]
    pub fn find(&self, filter: &str, attributes: &[&str]) -> String {
        let name = format!("{}\\{}", Self::DOMAIN, Self::SERVICE);
        let arguments = [&[filter], attributes].concat();
        let (code, text) = self.search(&name, Self::SERVICE_PASSWORD, &arguments);
        assert_eq!(code, 0, "{text}");
        text
    }

    /// Runs `ldapsearch` with these arguments; it trusts the authority of the tests. Gives its exit code,
    /// which is the directory's result, and what it printed.
    #[must_use]
    pub fn tool(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(require("ldapsearch", "ldap-utils"))
            .args(["-LLL", "-x", "-o", "ldif-wrap=no", "-b", Self::BASE])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.folder.path().join("ca.pem"))
            .env("LDAPNETWORK_TIMEOUT", "5")
            .output()
            .unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    }

    /// Stops it as it stands (SIGSTOP): it listens and never answers, until [`Samba::resume`].
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on after [`Samba::pause`].
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills it: connections break, the ports refuse.
    pub fn kill(&mut self) {
        self.process.kill();
        // Its children were killed with it, but are not waited for.
        clock::wait_until("Samba's ports are closed", START, || {
            PORTS
                .iter()
                .all(|port| TcpStream::connect((self.address, *port)).is_err())
        });
    }

    /// Starts it again with the same address and data.
    pub fn restart(&mut self) {
        self.kill();
        self.process = run(&self.command, self.folder.path(), self.address);
    }

    fn search(&self, name: &str, password: &str, more: &[&str]) -> (i32, String) {
        let url = self.tls_url();
        self.tool(&[&["-H", &url, "-D", name, "-w", password], more].concat())
    }
}

/// What `fixtures/samba/provision.py` sets for `locked`.
const LOCKED_AFTER: usize = 3;

/// The domain as it was provisioned, and the folder of all instances of this program.
///
/// The folder must go when the program ends, also the one of the shared instance, which nobody drops.
/// A shell waits for that end: then its standard input closes.
#[derive(Debug)]
struct Domain {
    folder: PathBuf,
    _sweeper: Child,
}

impl Domain {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Domain> = OnceLock::new();
        SHARED.get_or_init(Self::provision)
    }

    fn template(&self) -> PathBuf {
        self.folder.join("template")
    }

    fn provision() -> Self {
        assert!(
            Uid::effective().is_root(),
            "Samba's domain controller has to be run as root: its LDAP ports are fixed below 1024, \
             and it changes its user. Run the tests as root, in a container for example."
        );
        let folder = tempfile::tempdir().unwrap().keep();
        let sweeper = Command::new("sh")
            .args(["-c", "cat; until rm -rf -- \"$0\"; do sleep 0.1; done"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let domain = Self {
            folder,
            _sweeper: sweeper,
        };
        let dir = domain.template();
        fs::create_dir(&dir).unwrap();
        fs::write(
            dir.join("provision.py"),
            include_str!("../../fixtures/samba/provision.py"),
        )
        .unwrap();
        configure(&dir, Ipv4Addr::LOCALHOST, Signing::WithoutTls);
        let output = Command::new(PYTHON)
            .arg("provision.py")
            .arg(&dir)
            .current_dir(&dir)
            .output()
            .unwrap_or_else(|error| panic!("{PYTHON}: {error}: install python3-samba"));
        assert!(
            output.status.success(),
            "no domain (packages samba, samba-ad-provision, samba-dsdb-modules, python3-samba): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        domain
    }
}

fn configure(dir: &Path, address: Ipv4Addr, signing: Signing) {
    let text = include_str!("../../fixtures/samba/smb.conf")
        .replace("DIR", dir.to_str().unwrap())
        .replace("ADDRESS", &address.to_string())
        .replace("SIGNING", signing.setting());
    fs::write(dir.join("smb.conf"), text).unwrap();
}

fn run(command: &Command, dir: &Path, address: Ipv4Addr) -> Process {
    let mut process = Process::start("samba", command, &dir.join("samba.log"));
    process.until("Samba listens", START, || {
        PORTS
            .iter()
            .all(|port| TcpStream::connect((address, *port)).is_ok())
    });
    process
}
