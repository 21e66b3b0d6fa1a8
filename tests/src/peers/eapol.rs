//! `eapol_test` of wpa_supplicant: a real EAP peer behind a RADIUS client.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use super::{Pki, require};

/// What the peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EapMethod {
    /// PEAP with the password as an inner GTC token.
    PeapGtc,
    /// PEAP with inner MS-CHAPv2.
    PeapMschapv2,
    /// TTLS with an inner PAP password.
    TtlsPap,
    /// EAP-TLS with the certificate of `u01`; the password is not used.
    Tls,
}

/// One EAP login, to be done by the real `eapol_test`.
#[derive(Debug, Clone)]
pub struct EapolTest {
    /// The method.
    pub method: EapMethod,
    /// The inner identity.
    pub user: String,
    /// The outer identity; by default `anon`.
    pub outer: String,
    /// The password, with whatever is appended to it.
    pub password: String,
    /// The authority that the peer trusts, PEM; by default the good one.
    pub ca: String,
    /// The largest piece of TLS that the peer sends in one packet, in octets.
    pub fragment_octets: u16,
    /// How long the whole login may take.
    pub timeout: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EapOutcome {
    /// Whether the login succeeded and both sides have the same keys.
    pub success: bool,
    /// All that eapol_test printed: each packet, each attribute.
    pub output: String,
}

impl EapolTest {
    /// A login that trusts the good authority.
    #[must_use]
    pub fn new(method: EapMethod, user: &str, password: &str) -> Self {
        Self {
            method,
            user: user.to_owned(),
            outer: "anon".to_owned(),
            password: password.to_owned(),
            ca: Pki::shared().ca.clone(),
            fragment_octets: 1_398,
            timeout: Duration::from_secs(10),
        }
    }

    /// Does it.
    #[must_use]
    pub fn run(&self, server: SocketAddr, secret: &str) -> EapOutcome {
        let folder = tempfile::tempdir().unwrap();
        Pki::shared().write(folder.path());
        fs::write(folder.path().join("trusted.pem"), &self.ca).unwrap();
        fs::write(folder.path().join("peer.conf"), self.config()).unwrap();
        let output = Command::new(require("eapol_test", "eapoltest"))
            .args(["-c", "peer.conf", "-a", &server.ip().to_string()])
            .args(["-p", &server.port().to_string(), "-s", secret])
            .args(["-t", &self.timeout.as_secs().to_string()])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        EapOutcome {
            success: output.status.success(),
            output: printed,
        }
    }

    fn config(&self) -> String {
        let method = match self.method {
            EapMethod::PeapGtc => "eap=PEAP\n phase2=\"auth=GTC\"",
            EapMethod::PeapMschapv2 => "eap=PEAP\n phase2=\"auth=MSCHAPV2\"",
            EapMethod::TtlsPap => "eap=TTLS\n phase2=\"auth=PAP\"",
            EapMethod::Tls => "eap=TLS\n client_cert=\"client.pem\"\n private_key=\"client.key\"",
        };
        // Text in hexadecimal needs no quoting.
        let hex = |text: &str| {
            text.bytes()
                .map(|octet| format!("{octet:02x}"))
                .collect::<String>()
        };
        let anonymous = match self.method {
            EapMethod::Tls => String::new(),
            _ => format!(" anonymous_identity={}\n", hex(&self.outer)),
        };
        format!(
            "fast_reauth=0\nnetwork={{\n key_mgmt=IEEE8021X\n eapol_flags=0\n {method}\n identity={}\n\
             {anonymous} password={}\n ca_cert=\"trusted.pem\"\n fragment_size={}\n}}\n",
            hex(&self.user),
            hex(&self.password),
            self.fragment_octets,
        )
    }
}
