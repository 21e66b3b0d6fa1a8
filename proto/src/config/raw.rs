//! The JSON form of a configuration: what is stored, sealed and pushed.
//!
//! Nothing here is checked beyond its JSON type. [`super::Snapshot`]'s `TryFrom` is the only door
//! to a configuration that may be served. Unknown fields are refused, so that an older node says
//! so instead of serving a configuration without a rule it does not know; fields that came later
//! have defaults, so that older snapshots go on parsing.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::secret::{Secret, on_the_wire};

/// One whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Its revision number, from 1.
    pub revision: u64,
    /// What holds for all integrations.
    #[serde(default)]
    pub settings: Settings,
    /// Where passwords are checked.
    #[serde(default)]
    pub authenticators: Vec<Authenticator>,
    /// What is served.
    #[serde(default)]
    pub integrations: Vec<Integration>,
}

/// `[main]`, as far as a data plane needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `debug`: log each step.
    #[serde(default)]
    pub debug: bool,
    /// `http_proxy_host` and `http_proxy_port`: the CONNECT proxy for calls to the second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_proxy: Option<HttpProxy>,
    /// `http_ca_certs_file`, its PEM text: the only trust roots for the second factor when set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_ca_certs: Option<String>,
    /// Where the log goes.
    #[serde(default, skip_serializing_if = "Log::is_default")]
    pub log: Log,
}

/// Where a process writes its log, and what of finished logins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `log_dir`: the folder of the log files; made, mode 0750, when missing. Relative to the folder of
    /// the configuration file, or to the data folder where there is none. None means `log` in the
    /// data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// `log_file`: whether `authproxy.log` is written; default true.
    pub file: bool,
    /// `log_stdout`: whether the log goes to standard output as well; default true.
    pub stdout: bool,
    /// `log_auth_events`: whether `authevents.log` is written, one JSON document a line; default false.
    pub auth_events: bool,
    /// `log_syslog`: whether the log goes to the machine's syslog as well; default false.
    pub syslog: bool,
    /// `syslog_facility`: what syslog files it under; default `LOG_USER`.
    pub syslog_facility: super::SyslogFacility,
    /// `log_max_size`: the size in octets that a log file does not outgrow; default 10,485,760. 0
    /// means that it may.
    pub max_size_octets: u32,
    /// `log_max_files`: how many files of before are kept, at most [`MAX_LOG_FILES`]; default 6. 0
    /// means that files are not rotated here.
    pub max_files: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            dir: None,
            file: true,
            stdout: true,
            auth_events: false,
            syslog: false,
            syslog_facility: super::SyslogFacility::default(),
            max_size_octets: 10 * 1024 * 1024,
            max_files: 6,
        }
    }
}

impl Log {
    /// Whether it is what a file without any of these options asks for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The most of [`Log::max_files`].
pub const MAX_LOG_FILES: u32 = 1_000;

/// An outbound HTTP CONNECT proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HttpProxy {
    /// Host name or address.
    pub host: String,
    /// TCP port; the option's default is 80.
    pub port: u16,
}

/// A `[radius_server_*]` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// Its id, which is its section's name when it came from a file.
    pub id: String,
    /// Which flow it runs.
    pub mode: super::Mode,
    /// `interface`: the address to listen on; none means all, IPv4 and IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<IpAddr>,
    /// `port`: the UDP port; default 1812.
    #[serde(default = "radius_port")]
    pub port: u16,
    /// The second factor's application.
    pub application: Application,
    /// Who may send requests.
    pub clients: Vec<Client>,
    /// `client`: the authenticator's id. None in mode `duo_only`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticator: Option<String>,
    /// `failmode`.
    #[serde(default)]
    pub fail_mode: super::FailMode,
    /// `factors`; default `auto`.
    ///
    /// Mode `challenge`: what the menu offers and what is accepted for an answer, in any order;
    /// `auto` is everything. Only there is `sms` one of them; the codes that it sends are accepted
    /// with `passcode` beside it. Modes `auto` and `eap`: in order of preference, and the first
    /// that a device of the user can do is used where the user named none; `passcode` can be asked
    /// of every user, so that nothing after it is reached. Modes `concat` and `duo_only`: ignored,
    /// the user types one.
    ///
    /// Empty in mode `eap` only, where it means that the option was not written: the user is asked
    /// which factor to use, or, where [`Append::allow`] is true, gets what `auto` gives.
    #[serde(default = "auto_factors")]
    pub factors: Vec<super::FactorChoice>,
    /// How a factor may be appended to the password.
    #[serde(default)]
    pub append: Append,
    /// `pass_through_all`, `pass_through_attr_names`: attributes of the client that go on to a RADIUS
    /// upstream; in modes `auto`, `challenge` and `concat` also those that come back.
    #[serde(default)]
    pub pass_through: super::PassThrough,
    /// `client_ip_attr`; none means Calling-Station-Id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip_attribute: Option<super::AttributeRef>,
    /// `pw_codec`.
    #[serde(default)]
    pub password_codec: super::PasswordCodec,
    /// `api_timeout` in seconds; 0 means the defaults (10 s for an answer that needs nobody, 120 s
    /// for one that waits for a person).
    #[serde(default)]
    pub api_timeout_seconds: u32,
    /// `exempt_username_N`: primary only, compared octet for octet. Ignored in mode `duo_only`, which
    /// checks no password.
    #[serde(default)]
    pub exempt_users: Vec<String>,
    /// How prompts look and how often they come. Each of its fields says in which modes it counts.
    #[serde(default)]
    pub prompt: super::Prompt,
    /// EAP settings; needed in mode `eap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eap: Option<Eap>,
}

/// A Duo application, or one of the built-in second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// `ikey`.
    pub ikey: String,
    /// `skey`.
    #[serde(with = "on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::secret::Kept"))]
    pub skey: Secret<String>,
    /// `api_host`, without a port.
    pub host: String,
    /// The TCP port of the service.
    #[serde(default = "https_port")]
    pub port: u16,
    /// The only trust roots for this host, in PEM: where they are set, it is reached without the
    /// outbound proxy. The built-in second factor has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_ca: Option<String>,
}

/// A RADIUS client: `radius_ip_N`, `radius_secret_N`, `message_authenticator_N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its source addresses, as [`crate::address::AddressRange`] writes them.
    pub address: String,
    /// The shared secret.
    #[serde(with = "on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::secret::Kept"))]
    pub secret: Secret<String>,
    /// What is asked of the Message-Authenticator in its requests.
    #[serde(default)]
    pub message_authenticator: super::MessageAuthenticator,
}

/// `allow_concat`, `delimiter`, `delimited_password_length`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Append {
    /// Whether a password is ever split.
    pub allow: bool,
    /// What stands between password and factor; not empty, no letter or digit; default `,`.
    pub delimiter: String,
    /// Characters of the password when all have the same number; none means split at the delimiter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_length: Option<u32>,
}

impl Default for Append {
    fn default() -> Self {
        Self {
            allow: true,
            delimiter: ",".to_owned(),
            password_length: None,
        }
    }
}

/// What mode `eap` needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Eap {
    /// `certs`: PEM text of the server certificate and its chain.
    pub certificates: String,
    /// `pkey`: PEM text of the private key.
    #[serde(with = "on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::secret::Kept"))]
    pub private_key: Secret<String>,
    /// `minimum_tls_version`, raised to 1.2 where it was lower.
    #[serde(default)]
    pub minimum_tls: super::TlsVersion,
    /// `cipher_list`, resolved: the suites to use, in order of preference; empty means all. At least
    /// one is of a version that [`Self::minimum_tls`] leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<super::CipherSuite>,
}

/// An `[ad_client]`, `[radius_client]` or `[duo_only_client]` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Authenticator {
    /// Its id, which is its section's name when it came from a file.
    pub id: String,
    /// Its kind and settings.
    pub kind: AuthenticatorKind,
}

/// The three kinds of authenticator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuthenticatorKind {
    /// Any password that is not empty: the client has checked it already.
    DuoOnly,
    /// An upstream RADIUS server.
    Radius(RadiusUpstream),
    /// Active Directory or another LDAP directory.
    Ad(Box<Directory>),
}

/// `[radius_client]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RadiusUpstream {
    /// `host`, `host_N` with their `port`, `port_N`, in order.
    pub hosts: Vec<Host>,
    /// `secret`.
    #[serde(with = "on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::secret::Kept"))]
    pub secret: Secret<String>,
    /// `retries`: repeats after the first try, in turn over the hosts; default 3.
    #[serde(default = "upstream_retries")]
    pub retries: u32,
    /// `retry_wait` in seconds: how long each try waits; default 2.
    #[serde(default = "upstream_wait")]
    pub retry_wait_seconds: u32,
    /// `nas_ip`: NAS-IP-Address sent upstream; none means the address the request leaves from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nas_ip: Option<IpAddr>,
    /// `pass_through_all`, `pass_through_attr_names`: attributes of the answer that come back.
    #[serde(default)]
    pub pass_through: super::PassThrough,
    /// `pw_codec`: how the password is written for the upstream.
    #[serde(default)]
    pub password_codec: super::PasswordCodec,
    /// Whether answers without a Message-Authenticator are refused.
    #[serde(default)]
    pub require_message_authenticator: bool,
}

/// `[ad_client]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// `host`, `host_N`, in order, all on `port` (389, or 636 for `ldaps`).
    pub hosts: Vec<Host>,
    /// `service_account_username`.
    pub service_account_username: String,
    /// `service_account_password`.
    #[serde(with = "on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::secret::Kept"))]
    pub service_account_password: Secret<String>,
    /// `search_dn`.
    pub search_dn: String,
    /// `security_group_dn`, `security_group_dn_N`: the user is in one of them; none means anyone.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// `nested_groups`: whether a group counts through the groups within it.
    #[serde(default)]
    pub nested_groups: bool,
    /// `ldap_filter`: what the user's entry must match besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_filter: Option<String>,
    /// `username_attribute`; default `sAMAccountName`.
    pub username_attribute: String,
    /// `at_attribute`: used for names with an `@`; default `userPrincipalName`.
    pub at_attribute: String,
    /// `auth_type`; the option's default is `ntlm2`.
    pub auth_type: super::DirectoryAuth,
    /// `bind_dn`: what the service account binds as with `plain`; none means its user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_dn: Option<String>,
    /// `ntlm_domain`.
    #[serde(default)]
    pub ntlm_domain: String,
    /// `ntlm_workstation`.
    #[serde(default)]
    pub ntlm_workstation: String,
    /// `transport`.
    #[serde(default)]
    pub transport: super::Transport,
    /// `ssl_ca_certs_file`, its PEM text; none means the system's trust roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certs: Option<String>,
    /// `ssl_verify_hostname`; default true.
    #[serde(default = "yes")]
    pub verify_hostname: bool,
    /// `timeout` in seconds for each host; default 10.
    #[serde(default = "directory_timeout")]
    pub timeout_seconds: u32,
}

/// A server's name and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Host name or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

fn radius_port() -> u16 {
    1812
}

fn https_port() -> u16 {
    443
}

fn auto_factors() -> Vec<super::FactorChoice> {
    vec![super::FactorChoice::Auto]
}

fn upstream_retries() -> u32 {
    3
}

fn upstream_wait() -> u32 {
    2
}

fn directory_timeout() -> u32 {
    10
}

fn yes() -> bool {
    true
}
