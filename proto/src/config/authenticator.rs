//! Where a password is checked.

use std::net::IpAddr;
use std::time::Duration;

use super::raw::Host;
use super::{DirectoryAuth, Faults, PassThrough, PasswordCodec, Transport, raw};
use crate::id::AuthenticatorId;
use crate::secret::Secret;

/// A checked authenticator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Authenticator {
    /// Its id.
    pub id: AuthenticatorId,
    /// Its kind and settings.
    pub kind: AuthenticatorKind,
}

/// The three kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticatorKind {
    /// Any password that is not empty.
    DuoOnly,
    /// An upstream RADIUS server.
    Radius(RadiusUpstream),
    /// Active Directory or another LDAP directory.
    Ad(Box<Directory>),
}

/// A checked `[radius_client]`. Its fields mean what [`raw::RadiusUpstream`]'s say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "documented once, on the raw form")]
pub struct RadiusUpstream {
    /// At least one: names or addresses.
    pub hosts: Vec<Host>,
    pub secret: Secret<String>,
    pub retries: u32,
    pub retry_wait: Duration,
    pub nas_ip: Option<IpAddr>,
    pub pass_through: PassThrough,
    pub password_codec: PasswordCodec,
    pub require_message_authenticator: bool,
}

/// A checked `[ad_client]`. Its fields mean what [`raw::Directory`]'s say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "documented once, on the raw form")]
pub struct Directory {
    /// At least one.
    pub hosts: Vec<Host>,
    pub service_account_username: String,
    pub service_account_password: Secret<String>,
    pub search_dn: String,
    pub security_groups: Vec<String>,
    pub nested_groups: bool,
    pub ldap_filter: Option<String>,
    pub username_attribute: String,
    pub at_attribute: String,
    pub auth_type: DirectoryAuth,
    pub bind_dn: Option<String>,
    pub ntlm_domain: String,
    pub ntlm_workstation: String,
    pub transport: Transport,
    pub ca_certs: Option<String>,
    pub verify_hostname: bool,
    pub timeout: Duration,
}

impl Authenticator {
    pub(super) fn check(raw: raw::Authenticator, path: &str, faults: &mut Faults) -> Option<Self> {
        let before = faults.0.len();
        let id = AuthenticatorId::new(raw.id)
            .map_err(|error| faults.add(format!("{path}.id"), error.to_string()))
            .ok();
        let kind = match raw.kind {
            raw::AuthenticatorKind::DuoOnly => AuthenticatorKind::DuoOnly,
            raw::AuthenticatorKind::Radius(upstream) => {
                AuthenticatorKind::Radius(RadiusUpstream::check(upstream, path, faults))
            }
            raw::AuthenticatorKind::Ad(directory) => {
                AuthenticatorKind::Ad(Box::new(Directory::check(*directory, path, faults)))
            }
        };
        if faults.0.len() > before {
            return None;
        }
        Some(Self { id: id?, kind })
    }
}

impl RadiusUpstream {
    fn check(raw: raw::RadiusUpstream, path: &str, faults: &mut Faults) -> Self {
        hosts(&raw.hosts, path, faults);
        if raw.secret.expose().is_empty() {
            faults.add(format!("{path}.secret"), "a shared secret is needed");
        }
        if raw.retries > MAX_RETRIES {
            faults.add(format!("{path}.retries"), format!("0 to {MAX_RETRIES}"));
        }
        Self {
            hosts: raw.hosts,
            secret: raw.secret,
            retries: raw.retries,
            retry_wait: seconds(raw.retry_wait_seconds, path, "retry_wait_seconds", faults),
            nas_ip: raw.nas_ip,
            pass_through: raw.pass_through,
            password_codec: raw.password_codec,
            require_message_authenticator: raw.require_message_authenticator,
        }
    }
}

impl Directory {
    fn check(raw: raw::Directory, path: &str, faults: &mut Faults) -> Self {
        hosts(&raw.hosts, path, faults);
        for (field, value) in [
            (
                "service_account_username",
                raw.service_account_username.as_str(),
            ),
            (
                "service_account_password",
                raw.service_account_password.expose(),
            ),
            ("search_dn", &raw.search_dn),
            ("username_attribute", &raw.username_attribute),
            ("at_attribute", &raw.at_attribute),
        ] {
            if value.is_empty() {
                faults.add(format!("{path}.{field}"), "a value is needed");
            }
        }
        // These two are put into search filters as they are, so they may be nothing but names
        // (RFC 4512 section 1.4).
        for (field, value) in [
            ("username_attribute", &raw.username_attribute),
            ("at_attribute", &raw.at_attribute),
        ] {
            if !value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';'))
            {
                faults.add(
                    format!("{path}.{field}"),
                    "the name of an LDAP attribute is needed",
                );
            }
        }
        faults.no_key(format!("{path}.ca_certs"), raw.ca_certs.as_deref());
        Self {
            hosts: raw.hosts,
            service_account_username: raw.service_account_username,
            service_account_password: raw.service_account_password,
            search_dn: raw.search_dn,
            security_groups: raw.security_groups,
            nested_groups: raw.nested_groups,
            ldap_filter: raw.ldap_filter,
            username_attribute: raw.username_attribute,
            at_attribute: raw.at_attribute,
            auth_type: raw.auth_type,
            bind_dn: raw.bind_dn,
            ntlm_domain: raw.ntlm_domain,
            ntlm_workstation: raw.ntlm_workstation,
            transport: raw.transport,
            ca_certs: raw.ca_certs,
            verify_hostname: raw.verify_hostname,
            timeout: seconds(raw.timeout_seconds, path, "timeout_seconds", faults),
        }
    }
}

fn hosts(hosts: &[Host], path: &str, faults: &mut Faults) {
    if hosts.is_empty() {
        faults.add(format!("{path}.hosts"), "at least one host is needed");
    }
    for (index, host) in hosts.iter().enumerate() {
        if host.name.is_empty() || host.name.contains(|c: char| c.is_whitespace() || c == '/') {
            faults.add(
                format!("{path}.hosts[{index}].name"),
                "a host name or address is needed",
            );
        }
        if host.port == 0 {
            faults.add(
                format!("{path}.hosts[{index}].port"),
                "a port is 1 to 65535",
            );
        }
    }
}

fn seconds(seconds: u32, path: &str, field: &str, faults: &mut Faults) -> Duration {
    if !(1..=MAX_SECONDS).contains(&seconds) {
        faults.add(
            format!("{path}.{field}"),
            format!("1 to {MAX_SECONDS} seconds"),
        );
    }
    Duration::from_secs(u64::from(seconds))
}

const MAX_RETRIES: u32 = 100;
const MAX_SECONDS: u32 = 600;
