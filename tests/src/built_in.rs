//! A gateway whose second factor is the built-in one, and what is done to its users.

use std::net::SocketAddr;

use serde_json::Value;

use crate::{
    config::client,
    countersign::{Countersign, Start},
    nas::{Answer, login},
    ports,
};

/// One section `radius_server_auto`, which lets nobody in while the second factor is away. The user
/// `exempt` needs none.
#[derive(Debug)]
pub struct BuiltIn {
    /// The gateway.
    pub gateway: Countersign,
    port: u16,
}

impl Default for BuiltIn {
    fn default() -> Self {
        Self::start()
    }
}

impl BuiltIn {
    /// Starts it as users do.
    #[must_use]
    pub fn start() -> Self {
        Self::start_as(|start| start)
    }

    /// Starts it with more than its configuration.
    #[must_use]
    pub fn start_as(more: impl FnOnce(Start) -> Start) -> Self {
        let mut site = Self::launch_as(more);
        site.gateway.wait_ready();
        site
    }

    /// The same without waiting until it is ready.
    #[must_use]
    pub fn launch_as(more: impl FnOnce(Start) -> Start) -> Self {
        let port = ports::free_udp();
        let config = format!(
            "[main]\ninterface=127.0.0.1\n[duo_only_client]\n[radius_server_auto]\nport={port}\n\
             api_host=builtin\nfailmode=secure\nexempt_username_1=exempt\n{}",
            client(1, "127.0.0.0/8")
        );
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let start = Start::with(&config).argument("--second-factor-listen");
        Self {
            gateway: more(start.argument(&listen)).launch(),
            port,
        }
    }

    /// Where it takes logins.
    #[must_use]
    pub fn radius(&self) -> SocketAddr {
        ports::loopback(self.port)
    }

    /// A login by a device of its own.
    #[must_use]
    pub fn login(&self, user: &str, password: &str) -> Answer {
        login(self.port, user, password)
    }

    /// What `countersign factor … --json` prints.
    ///
    /// # Panics
    /// With what it says, when it fails.
    #[must_use]
    pub fn factor(&self, arguments: &[&str]) -> Value {
        let output = self
            .gateway
            .command(&[&["factor"], arguments, &["--json"]].concat());
        assert!(
            output.status.success(),
            "factor {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes a user with a phone that approves by itself.
    pub fn approving(&self, name: &str) {
        for arguments in [
            &["add", name][..],
            &["add-device", name, "phone", "--number", "+15550100"],
            &["script", name, "approve"],
        ] {
            let _made = self.factor(arguments);
        }
    }

    /// Codes of a user that are good once each.
    ///
    /// # Panics
    /// When none are made.
    #[must_use]
    pub fn codes(&self, user: &str, count: usize) -> Vec<String> {
        let made = self.factor(&["bypass-codes", user, "--count", &count.to_string()]);
        let codes = made["codes"].as_array().unwrap().iter();
        codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    }
}
