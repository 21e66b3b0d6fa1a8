//! The second factor's official client for Python, `duo_client` 5.7.0, from `target/venv`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::repository;
use crate::venv;

/// An account at a service of the Auth API.
#[derive(Debug, Clone)]
pub struct DuoAccount {
    /// The integration key.
    pub ikey: String,
    /// The secret key.
    pub skey: String,
    /// The host's name, without a port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The authority that the client trusts, PEM.
    pub ca: String,
    /// The form of the signature: 2 (form bodies) or 5 (JSON bodies, the client's own default).
    pub sig_version: u8,
}

/// The client raised an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuoError {
    /// The HTTP status, or `None` when there was no answer.
    pub status: Option<u64>,
    /// What the client says.
    pub text: String,
}

/// Calls `ping`, `check`, `preauth`, `auth`, `auth_status`, `enroll` or `enroll_status`; gives the
/// `response` of the answer.
///
/// # Errors
/// What the client raised.
///
/// # Panics
/// When the environment cannot be made, or the call itself is wrong.
pub fn duo_client(account: &DuoAccount, method: &str, args: &Value) -> Result<Value, DuoError> {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &account.ca).unwrap();
    let mut child = Command::new(venv::program("python"))
        .arg(repository().join("tests/fixtures/duo_client_call.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = json!({
        "ikey": account.ikey, "skey": account.skey, "host": account.host, "port": account.port,
        "ca": ca, "sig_version": account.sig_version, "method": method, "args": args,
    });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(told.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "duo_client: {complaint}");
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("duo_client printed no JSON ({error}): {complaint}"));
    match answer.get("ok") {
        Some(response) => Ok(response.clone()),
        None => Err(DuoError {
            status: answer["status"].as_u64(),
            text: answer["error"].as_str().unwrap_or_default().to_owned(),
        }),
    }
}
