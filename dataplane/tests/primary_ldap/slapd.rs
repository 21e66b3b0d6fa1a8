//! A real OpenLDAP server of a test's own: temporary folder, free ports, gone when dropped.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

pub(crate) const BASE: &str = "dc=example,dc=com";
pub(crate) const SERVICE: &str = "cn=service,dc=example,dc=com";

/// Which certificate it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    Good,
    OtherName,
    Expired,
}

pub(crate) struct Slapd {
    folder: TempDir,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    /// PEM of the CA that signed its certificate.
    pub(crate) ca: String,
    process: Child,
}

impl Slapd {
    pub(crate) fn start() -> Self {
        Self::with(Certificate::Good)
    }

    pub(crate) fn with(certificate: Certificate) -> Self {
        let folder = TempDir::new().unwrap();
        let ca = write_certificates(folder.path(), certificate);
        let dir = folder.path().display();
        let database = folder.path().join("db");
        std::fs::create_dir(&database).unwrap();
        let conf = folder.path().join("slapd.conf");
        std::fs::write(
            &conf,
            format!(
                "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
                 include /etc/ldap/schema/inetorgperson.schema\npidfile {dir}/slapd.pid\n\
                 modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload ppolicy\n\
                 TLSCertificateFile {dir}/server.pem\nTLSCertificateKeyFile {dir}/server.key\n\
                 database mdb\nsuffix {BASE}\nrootdn cn=admin,{BASE}\nrootpw admin\n\
                 directory {dir}/db\nmaxsize 16777216\nindex objectClass,uid,mail eq\n\
                 access to attrs=userPassword by anonymous auth by * none\n\
                 access to * by dn.exact={SERVICE} read by * none\n\
                 overlay ppolicy\nppolicy_use_lockout\n"
            ),
        )
        .unwrap();
        let mut add = Command::new("slapadd")
            .arg("-f")
            .arg(&conf)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("slapadd of Debian's package slapd is needed");
        add.stdin
            .take()
            .unwrap()
            .write_all(include_bytes!("people.ldif"))
            .unwrap();
        assert!(add.wait().unwrap().success(), "slapadd takes the entries");
        // A port that was free a moment ago may be a connection's by now.
        let (port, tls_port, process) = (0..TRIES)
            .find_map(|_| {
                let (port, tls_port) = (free_port(), free_port());
                launch(&conf, port, tls_port).map(|process| (port, tls_port, process))
            })
            .expect("slapd finds ports to listen on");
        Self {
            folder,
            port,
            tls_port,
            ca,
            process,
        }
    }

    /// Stops it and starts it again on the same ports: every connection is lost.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Starts it after a [`Slapd::stop`].
    pub(crate) fn start_again(&mut self) {
        let conf = self.folder.path().join("slapd.conf");
        self.process =
            launch(&conf, self.port, self.tls_port).expect("slapd listens where it listened");
    }

    /// Ends it at once: every connection is lost.
    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// None when it ended instead of listening.
fn launch(conf: &Path, port: u16, tls_port: u16) -> Option<Child> {
    let mut child = Command::new("slapd")
        .args(["-d", "0", "-f"])
        .arg(conf)
        .arg("-h")
        .arg(format!(
            "ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
        ))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("slapd of Debian's package slapd is needed");
    for port in [port, tls_port] {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut up = false;
        for _ in 0..500 {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            up = TcpStream::connect(address).is_ok();
            if up {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(up, "slapd listens on {port}");
    }
    Some(child)
}

const TRIES: u32 = 5;

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A CA of its own; its certificate as PEM and what signs with it.
pub(crate) fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

fn write_certificates(folder: &Path, certificate: Certificate) -> String {
    let (ca, issuer) = authority();
    let key = KeyPair::generate().unwrap();
    let names = match certificate {
        Certificate::OtherName => vec!["dc9.example.com".to_owned()],
        _ => ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec(),
    };
    let mut params = CertificateParams::new(names).unwrap();
    if certificate == Certificate::Expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    let server = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("server.pem"), server.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    ca
}
