//! What is served: a port, its clients, a flow and a second factor.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    AttributeType, CipherSuite, FactorChoice, FailMode, Faults, MessageAuthenticator, Mode,
    PasswordCodec, PromptFormat, TlsVersion, raw,
};
use crate::address::AddressRange;
use crate::id::{AuthenticatorId, IntegrationId};
use crate::secret::Secret;

/// A checked `[radius_server_*]` section. Its fields mean what [`raw::Integration`]'s say.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "documented once, on the raw form")]
pub struct Integration {
    pub id: IntegrationId,
    pub mode: Mode,
    pub listen: Option<IpAddr>,
    pub port: u16,
    pub application: Application,
    pub clients: Vec<Client>,
    pub authenticator: Option<AuthenticatorId>,
    pub fail_mode: FailMode,
    pub factors: Vec<FactorChoice>,
    pub append: Append,
    pub pass_through: PassThrough,
    pub client_ip_attribute: Option<AttributeRef>,
    pub password_codec: PasswordCodec,
    /// None means the defaults.
    pub api_timeout: Option<Duration>,
    pub exempt_users: Vec<String>,
    pub prompt: Prompt,
    pub eap: Option<Eap>,
}

/// A checked application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "documented once, on the raw form")]
pub struct Application {
    pub ikey: Arc<str>,
    pub skey: Secret<String>,
    /// Lower case.
    pub host: String,
    pub port: u16,
    pub pinned_ca: Option<String>,
}

/// A checked RADIUS client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "documented once, on the raw form")]
pub struct Client {
    pub address: AddressRange,
    pub secret: Secret<String>,
    pub message_authenticator: MessageAuthenticator,
}

/// How a factor may be appended to the password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Append {
    /// `allow_concat=false`: never.
    Never,
    /// At the last delimiter.
    Delimited {
        /// Not empty, no letter or digit.
        delimiter: String,
    },
    /// After a fixed number of characters; a delimiter that follows them is dropped.
    FixedLength {
        /// Characters of the password.
        password_length: NonZeroU32,
        /// Not empty, no letter or digit.
        delimiter: String,
    },
}

/// A checked EAP part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "documented once, on the raw form")]
pub struct Eap {
    pub certificates: String,
    pub private_key: Secret<String>,
    pub minimum_tls: TlsVersion,
    pub cipher_suites: Vec<CipherSuite>,
}

/// Which attributes go on to the other side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PassThrough {
    /// `pass_through_all`: every attribute that may cross a hop.
    #[serde(default)]
    pub all: bool,
    /// `pass_through_attr_names`, resolved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeRef>,
}

/// A RADIUS attribute, resolved from its name by the control plane's dictionary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AttributeRef {
    /// Its name, for messages only.
    pub name: String,
    /// The vendor's number (RFC 2865 section 5.26); none for a standard attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<u32>,
    /// Its type.
    pub number: u8,
    /// How its value is read.
    pub data_type: AttributeType,
}

/// How a second factor is asked for. Modes `concat` and `duo_only` never ask, and leave it at its
/// defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Prompt {
    /// `prompt_format`, mode `challenge`: of the menu and of an invitation to enrol; default
    /// `console`.
    pub format: PromptFormat,
    /// `enroll_challenge`, mode `challenge`: the enrolment link comes in a challenge, else in the
    /// reject; default true. Every other mode has it in the reject.
    pub enroll_challenge: bool,
    /// `prompt_split`, mode `challenge`: what does not fit one Reply-Message goes over several of
    /// them, in each format, else it is shortened; default false.
    pub split: bool,
    /// `passcode_retries`: how often in one login a wrong passcode is asked for again; default 0, a
    /// reject. Wherever a passcode was asked for: in mode `challenge`, in mode `auto` with `passcode`
    /// among the factors, and in mode `eap`.
    pub passcode_retries: u8,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            format: PromptFormat::Console,
            enroll_challenge: true,
            split: false,
            passcode_retries: 0,
        }
    }
}

impl Integration {
    pub(super) fn check(
        raw: raw::Integration,
        path: &str,
        authenticators: &HashMap<AuthenticatorId, bool>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let before = faults.0.len();
        let id = IntegrationId::new(raw.id)
            .map_err(|error| faults.add(format!("{path}.id"), error.to_string()))
            .ok();
        if raw.port == 0 {
            faults.add(format!("{path}.port"), "a UDP port is 1 to 65535");
        }
        let application = Application::check(raw.application, path, faults);
        if raw.clients.is_empty() {
            faults.add(format!("{path}.clients"), "at least one client is needed");
        }
        let clients = raw
            .clients
            .into_iter()
            .enumerate()
            .filter_map(|(c, client)| {
                Client::check(client, &format!("{path}.clients[{c}]"), faults)
            })
            .collect();
        let authenticator =
            authenticator(raw.mode, raw.authenticator, path, authenticators, faults);
        if raw.factors.is_empty() && raw.mode != Mode::Eap {
            faults.add(
                format!("{path}.factors"),
                "at least one of auto, push, phone, sms, passcode",
            );
        }
        if raw.mode != Mode::Challenge && raw.factors.contains(&FactorChoice::Sms) {
            faults.add(
                format!("{path}.factors"),
                format!(
                    "mode {} cannot ask for the code that an SMS brings; leave sms out, or use mode \
                     challenge",
                    raw.mode
                ),
            );
        }
        if raw.exempt_users.iter().any(String::is_empty) {
            faults.add(
                format!("{path}.exempt_users"),
                "an empty user name exempts nobody",
            );
        }
        let append = Append::check(raw.append, path, faults);
        if raw.mode == Mode::Eap && raw.eap.is_none() {
            faults.add(
                format!("{path}.eap"),
                "mode eap needs a certificate and its key",
            );
        }
        let eap = raw.eap.map(|eap| Eap::check(eap, path, faults));
        if faults.0.len() > before {
            return None;
        }
        Some(Self {
            id: id?,
            mode: raw.mode,
            listen: raw.listen,
            port: raw.port,
            application,
            clients,
            authenticator,
            fail_mode: raw.fail_mode,
            factors: raw.factors,
            append,
            pass_through: raw.pass_through,
            client_ip_attribute: raw.client_ip_attribute,
            password_codec: raw.password_codec,
            api_timeout: (raw.api_timeout_seconds > 0)
                .then(|| Duration::from_secs(u64::from(raw.api_timeout_seconds))),
            exempt_users: raw.exempt_users,
            prompt: raw.prompt,
            eap,
        })
    }
}

fn authenticator(
    mode: Mode,
    named: Option<String>,
    path: &str,
    known: &HashMap<AuthenticatorId, bool>,
    faults: &mut Faults,
) -> Option<AuthenticatorId> {
    let path = format!("{path}.authenticator");
    let Some(named) = named else {
        if mode != Mode::DuoOnly {
            faults.add(path, format!("mode {mode} needs an authenticator"));
        }
        return None;
    };
    match AuthenticatorId::new(named) {
        Err(error) => faults.add(path, error.to_string()),
        Ok(id) => match known.get(&id) {
            None => faults.add(path, format!("there is no authenticator '{id}'")),
            Some(true) if mode == Mode::Eap => {
                faults.add(
                    path,
                    "mode eap needs a directory or a RADIUS server to check passwords",
                );
            }
            Some(_) => return Some(id),
        },
    }
    None
}

impl Application {
    fn check(raw: raw::Application, path: &str, faults: &mut Faults) -> Self {
        let path = format!("{path}.application");
        if raw.ikey.is_empty() || raw.ikey.contains(|c: char| c == ':' || c.is_whitespace()) {
            faults.add(
                format!("{path}.ikey"),
                "an integration key is needed, without blanks or ':'",
            );
        }
        if raw.skey.expose().is_empty() {
            faults.add(format!("{path}.skey"), "a secret key is needed");
        }
        if raw.host.is_empty() || raw.host.contains(|c: char| "/@:?# ".contains(c)) {
            faults.add(
                format!("{path}.host"),
                "a host name is needed, without scheme, port or path",
            );
        }
        if raw.port == 0 {
            faults.add(format!("{path}.port"), "a TCP port is 1 to 65535");
        }
        faults.no_key(format!("{path}.pinned_ca"), raw.pinned_ca.as_deref());
        Self {
            ikey: raw.ikey.into(),
            skey: raw.skey,
            host: raw.host.to_ascii_lowercase(),
            port: raw.port,
            pinned_ca: raw.pinned_ca,
        }
    }
}

impl Client {
    fn check(raw: raw::Client, path: &str, faults: &mut Faults) -> Option<Self> {
        if raw.secret.expose().is_empty() {
            faults.add(format!("{path}.secret"), "a shared secret is needed");
        }
        match raw.address.parse() {
            Ok(address) => Some(Self {
                address,
                secret: raw.secret,
                message_authenticator: raw.message_authenticator,
            }),
            Err(error) => {
                faults.add(format!("{path}.address"), error.to_string());
                None
            }
        }
    }
}

impl Eap {
    fn check(raw: raw::Eap, path: &str, faults: &mut Faults) -> Self {
        faults.no_key(format!("{path}.eap.certificates"), Some(&raw.certificates));
        let suites = &raw.cipher_suites;
        let left = suites
            .iter()
            .any(|suite| suite.version() >= raw.minimum_tls);
        if !suites.is_empty() && !left {
            faults.add(
                format!("{path}.eap.cipher_suites"),
                format!("none of them is of {} or later", raw.minimum_tls),
            );
        }
        Self {
            certificates: raw.certificates,
            private_key: raw.private_key,
            minimum_tls: raw.minimum_tls,
            cipher_suites: raw.cipher_suites,
        }
    }
}

impl Append {
    fn check(raw: raw::Append, path: &str, faults: &mut Faults) -> Self {
        if raw.delimiter.is_empty() {
            faults.add(
                format!("{path}.append.delimiter"),
                "a delimiter has at least one character",
            );
        }
        // A delimiter that can occur in a passcode or a factor's name would split it
        // (authproxy-config 3.2 row 5).
        if raw.delimiter.chars().any(char::is_alphanumeric) {
            faults.add(
                format!("{path}.append.delimiter"),
                "a delimiter has no letters or digits: they occur in factors and passcodes",
            );
        }
        if !raw.allow {
            return Self::Never;
        }
        match raw.password_length.map(NonZeroU32::new) {
            None => Self::Delimited {
                delimiter: raw.delimiter,
            },
            Some(Some(password_length)) => Self::FixedLength {
                password_length,
                delimiter: raw.delimiter,
            },
            Some(None) => {
                faults.add(
                    format!("{path}.append.password_length"),
                    "at least 1 character",
                );
                Self::Never
            }
        }
    }
}
