//! `countersign check` among real peers, and what its tests ask of it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    config::{MAIN, ad_client, eap_server, server, upstreams},
    countersign::{Countersign, program},
    peers::{FakeDuo, FreeRadius, Identity, Kind, Pki, SECRET, Slapd},
    ports,
};

/// A secret key that is none.
pub const WRONG_SKEY: &str = "planted0wrong0skey0planted0wrong0skey000";
/// A password that nobody has.
pub const WRONG_PASSWORD: &str = "planted-wrong-password-9Qx";
/// A shared secret that nobody has.
pub const WRONG_SECRET: &str = "planted-wrong-secret-7Lp";
/// What no check may tell.
const SECRETS: [&str; 6] = [
    FakeDuo::SKEY,
    Slapd::SERVICE_PASSWORD,
    SECRET,
    WRONG_SKEY,
    WRONG_PASSWORD,
    WRONG_SECRET,
];

/// Real peers, and a folder with a file that names all of them.
#[derive(Debug)]
pub struct Lab {
    /// The second factor.
    pub duo: FakeDuo,
    /// The directory.
    pub slapd: Slapd,
    /// The upstream.
    pub radius: FreeRadius,
    /// Of `radius_server_auto` and `radius_server_eap`.
    pub ports: [u16; 2],
    folder: TempDir,
}

impl Lab {
    /// Starts peers that are as they should be.
    #[must_use]
    pub fn start() -> Self {
        Self::of(
            FakeDuo::start(Pki::shared()),
            Slapd::start(Pki::shared()),
            FreeRadius::start(Kind::Plain),
        )
    }

    /// Takes these peers.
    #[must_use]
    pub fn of(duo: FakeDuo, slapd: Slapd, radius: FreeRadius) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Pki::shared().write(folder.path());
        Self {
            duo,
            slapd,
            radius,
            ports: [ports::free_udp(), ports::free_udp()],
            folder,
        }
    }

    /// Sections of every kind, one over the directory, one over the upstream.
    #[must_use]
    pub fn config(&self) -> String {
        let [auto, eap] = self.ports;
        format!(
            "{MAIN}{}host=127.0.0.1\nport={}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\ntimeout=3\n\
             security_group_dn={}\n{}retries=1\nretry_wait=1\n{}client=ad_client\nfailmode=secure\n{}",
            ad_client("ad_client"),
            self.slapd.tls_port,
            Slapd::GROUP,
            upstreams("radius_client", &[self.radius.address]),
            server("radius_server_auto", auto, &self.duo),
            eap_server(eap, &self.duo, "radius_client", "chain"),
        )
    }

    /// Checks a file with this text; no gateway runs.
    #[must_use]
    pub fn check(&self, text: &str) -> Checked {
        self.check_with(text, &[])
    }

    /// The same in this environment.
    #[must_use]
    pub fn check_with(&self, text: &str, environment: &[(String, String)]) -> Checked {
        let file = self.write(text);
        let arguments = ["check", "--json", "--config", file.to_str().unwrap()];
        Checked::new(&run(
            &arguments,
            &self.folder.path().join("data"),
            environment,
        ))
    }

    /// Puts a certificate beside the file, as `NAME.pem` and `NAME.key`.
    pub fn add(&self, name: &str, identity: &Identity) {
        let path = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        fs::write(path("pem"), &identity.certificate).unwrap();
        fs::write(path("key"), &identity.key).unwrap();
        fs::set_permissions(path("key"), PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Writes the file.
    fn write(&self, text: &str) -> PathBuf {
        let file = self.folder.path().join("authproxy.cfg");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        file
    }
}

/// Runs the program on a data folder, and sees that it tells no secret, whatever is wrong.
#[must_use]
pub fn run(arguments: &[&str], data_dir: &Path, environment: &[(String, String)]) -> Output {
    let output = Command::new(program())
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
    for secret in SECRETS {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    output
}

/// The gateway's own check.
#[must_use]
pub fn check_node(gateway: &Countersign) -> Checked {
    Checked::new(&run(&["check", "--json"], &gateway.data_dir(), &[]))
}

/// What a check said.
#[derive(Debug)]
pub struct Checked {
    /// The exit code.
    pub code: Option<i32>,
    /// Its rows, but for those of the machine.
    pub rows: Vec<Value>,
    /// What the machine gives, which is not the same everywhere.
    pub machine: Vec<Value>,
}

/// Rows that say how the machine is that the tests run on.
const OF_THE_MACHINE: [&str; 3] = ["open_files", "receive_buffer", "time_source"];

impl Checked {
    /// Reads what `check --json` printed.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn new(output: &Output) -> Self {
        let rows = serde_json::from_slice::<Vec<Value>>(&output.stdout);
        let rows = rows.unwrap_or_else(|_| panic!("{output:?}"));
        let of_it = |row: &Value| OF_THE_MACHINE.iter().any(|what| row["what"] == *what);
        let (machine, rows) = rows.into_iter().partition(of_it);
        Self {
            code: output.status.code(),
            rows,
            machine,
        }
    }

    /// What was tried, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        let all = self.rows.iter();
        all.map(|row| row["what"].as_str().unwrap()).collect()
    }

    /// What is not good: what, result, and what was found with what to do.
    #[must_use]
    pub fn bad(&self) -> Vec<(&str, &str, String)> {
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let bad = self.rows.iter().filter(|row| row["result"] != "good");
        bad.map(|row| {
            assert!(row["remedy"].is_string(), "{row}");
            (
                row["what"].as_str().unwrap(),
                row["result"].as_str().unwrap(),
                format!("{}; {}", text(row, "found"), text(row, "remedy")),
            )
        })
        .collect()
    }

    /// Everything is good.
    ///
    /// # Panics
    /// With all of it, when something is not.
    pub fn all_good(&self) {
        assert_eq!(self.bad(), [], "{self:#?}");
        assert_eq!(self.code, Some(0));
    }

    /// The first row of this kind.
    ///
    /// # Panics
    /// With all of it, when there is none.
    #[must_use]
    pub fn row(&self, what: &str) -> &Value {
        let found = self.rows.iter().find(|row| row["what"] == what);
        found.unwrap_or_else(|| panic!("no {what} in {self:#?}"))
    }
}
