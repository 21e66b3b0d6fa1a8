//! `eapol_test` of wpa_supplicant: a real EAP peer behind a RADIUS client. It knows one password: for
//! more see [`super::supplicant`].

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
    /// TTLS with inner EAP, and the password as a GTC token.
    TtlsGtc,
    /// TTLS with inner MS-CHAPv2, without EAP.
    TtlsMschapv2,
    /// EAP-TLS with the certificate of `u01`; the password is not used.
    Tls,
}

/// The one version of TLS that the peer offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EapTls {
    /// 1.1 with any cipher suite: too old.
    Tls11,
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
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
    /// The name that the server's certificate must have; by default none is checked.
    pub domain_match: Option<String>,
    /// The largest piece of TLS that the peer sends in one packet, in octets.
    pub fragment_octets: u16,
    /// The version of TLS; by default 1.2.
    pub tls: EapTls,
    /// The only version of PEAP that it speaks, 0 or 1; by default any.
    pub peap_version: Option<u8>,
    /// Crypto-binding of PEAPv0: 0 off, 1 when it is offered, 2 required; by default its own default.
    pub crypto_binding: Option<u8>,
    /// How often it logs in again on the same association afterwards; by default 0.
    pub reauthentications: u32,
    /// Whether it may take up an older TLS session when it logs in again; by default not.
    pub resumption: bool,
    /// How long the whole login may take.
    pub timeout: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EapOutcome {
    /// Whether the last login succeeded and both sides have the same keys.
    pub success: bool,
    /// How many of the logins gave both sides the same keys.
    pub keys_ok: u32,
    /// Whether an EAP-Failure came.
    pub failure: bool,
    /// The version of TLS, as in `TLSv1.3`.
    pub tls: Option<String>,
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
            domain_match: None,
            fragment_octets: 1_398,
            tls: EapTls::Tls12,
            peap_version: None,
            crypto_binding: None,
            reauthentications: 0,
            resumption: false,
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
            .args(["-r", &self.reauthentications.to_string()])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        EapOutcome {
            success: output.status.success(),
            ..EapOutcome::read(printed)
        }
    }

    fn config(&self) -> String {
        let method = match self.method {
            EapMethod::PeapGtc => "eap=PEAP\n phase2=\"auth=GTC\"",
            EapMethod::PeapMschapv2 => "eap=PEAP\n phase2=\"auth=MSCHAPV2\"",
            EapMethod::TtlsPap => "eap=TTLS\n phase2=\"auth=PAP\"",
            EapMethod::TtlsGtc => "eap=TTLS\n phase2=\"autheap=GTC\"",
            EapMethod::TtlsMschapv2 => "eap=TTLS\n phase2=\"auth=MSCHAPV2\"",
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
        let domain_match = self.domain_match.as_ref();
        let domain_match = domain_match
            .map(|name| format!(" domain_match=\"{name}\"\n"))
            .unwrap_or_default();
        format!(
            "fast_reauth={}\nnetwork={{\n key_mgmt=IEEE8021X\n eapol_flags=0\n {method}\n identity={}\n\
             {anonymous}{domain_match} password={}\n ca_cert=\"trusted.pem\"\n fragment_size={}\n phase1=\"{}\"\n{}}}\n",
            u8::from(self.resumption),
            hex(&self.user),
            hex(&self.password),
            self.fragment_octets,
            self.phase1(),
            match self.tls {
                // Debian's OpenSSL has none of its suites otherwise.
                EapTls::Tls11 => " openssl_ciphers=\"DEFAULT:@SECLEVEL=0\"\n",
                EapTls::Tls12 | EapTls::Tls13 => "",
            },
        )
    }

    fn phase1(&self) -> String {
        let disabled = match self.tls {
            EapTls::Tls11 => [1, 0, 1, 1],
            EapTls::Tls12 => [1, 1, 0, 1],
            EapTls::Tls13 => [1, 1, 1, 0],
        };
        let mut words: Vec<String> = (0..=3)
            .zip(disabled)
            .map(|(minor, disabled)| format!("tls_disable_tlsv1_{minor}={disabled}"))
            .collect();
        words.extend(
            self.peap_version
                .map(|version| format!("peapver={version}")),
        );
        words.extend(
            self.crypto_binding
                .map(|how| format!("crypto_binding={how}")),
        );
        words.join(" ")
    }
}

impl EapOutcome {
    /// Reads what was printed; the exit status says about the success.
    fn read(output: String) -> Self {
        let after = |start: &str| {
            let mut lines = output.lines();
            lines.find_map(|line| line.strip_prefix(start))
        };
        let keys = after("MPPE keys OK: ").and_then(|rest| rest.split(' ').next());
        Self {
            success: false,
            keys_ok: keys.and_then(|count| count.parse().ok()).unwrap_or(0),
            failure: output.contains("EAP: Received EAP-Failure"),
            tls: after("SSL: Using TLS version ").map(str::to_owned),
            output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_printed_is_read() {
        let outcome = EapOutcome::read(
            "SSL: Using TLS version TLSv1.3\nEAP: Received EAP-Failure\n\
             MPPE keys OK: 2  mismatch: 1\nFAILURE\n"
                .to_owned(),
        );
        assert_eq!((outcome.keys_ok, outcome.failure), (2, true));
        assert_eq!(outcome.tls.as_deref(), Some("TLSv1.3"));
        let nothing = EapOutcome::read(String::new());
        assert_eq!((nothing.keys_ok, nothing.failure), (0, false));
    }

    #[test]
    fn it_is_told_what_to_offer() {
        let mut login = EapolTest::new(EapMethod::TtlsGtc, "alice", "pw");
        login.tls = EapTls::Tls13;
        login.peap_version = Some(0);
        login.crypto_binding = Some(2);
        login.domain_match = Some("radius.example.com".to_owned());
        assert_eq!(
            login.phase1(),
            "tls_disable_tlsv1_0=1 tls_disable_tlsv1_1=1 tls_disable_tlsv1_2=1 tls_disable_tlsv1_3=0 peapver=0 \
             crypto_binding=2"
        );
        assert!(login.config().contains("phase2=\"autheap=GTC\""));
        assert!(
            login
                .config()
                .contains("\n domain_match=\"radius.example.com\"\n")
        );
    }
}
