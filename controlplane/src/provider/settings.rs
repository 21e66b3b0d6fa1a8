//! The settings of a provider, as an administrator writes them.

use http::Uri;
use proto::secret::Secret;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::role::Role;
use crate::api::problem::FieldError;

/// The document of `/api/v1/oidc`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Provider")]
pub(crate) struct Settings {
    /// Who the provider says it is: `https://idp.example.com/realms/staff`. What is found below it at
    /// `/.well-known/openid-configuration` must say the same.
    pub(crate) issuer: String,
    /// What we are called there.
    pub(crate) client_id: String,
    /// What we are known by there; none for a public client.
    #[serde(default)]
    #[schemars(
        with = "Option<proto::secret::Kept>",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) client_secret: Option<Secret<String>>,
    /// How browsers reach this admin address: `https://gate.example.com:8400`. The provider sends
    /// them back to `/api/v1/session/oidc/callback` there.
    pub(crate) public_url: String,
    /// What is asked for; default `openid email profile`.
    #[serde(default = "scopes")]
    #[schemars(skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
    /// The claim with the groups of a person: a text or a list of texts; default `groups`.
    #[serde(default = "groups")]
    #[schemars(skip_serializing_if = "String::is_empty")]
    pub(crate) groups_claim: String,
    /// Who may do what. Of several that fit, the highest counts; whom none fits is not let in.
    #[serde(default)]
    #[schemars(skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<Grant>,
    /// The only authorities that the provider's certificate may be of, in PEM; default those of the
    /// system.
    #[serde(default)]
    #[schemars(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_certs: Option<String>,
}

/// Gives a role to a group, or to a person.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProviderGrant")]
pub(crate) struct Grant {
    /// Whoever is in this group. This, or `email`.
    #[serde(default)]
    #[schemars(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// Whoever has this address, if the provider says that it verified that. In any case of letters.
    #[serde(default)]
    #[schemars(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// Which.
    pub(crate) role: Role,
}

impl Settings {
    /// Every field that is wrong.
    pub(crate) fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut wrong = |path: &str, message: &str| {
            faults.push(FieldError {
                path: path.to_owned(),
                message: message.to_owned(),
            });
        };
        match Endpoint::parse(&self.issuer) {
            Some(at) if !at.path.contains('?') => {}
            _ => wrong("issuer", URL),
        }
        match Endpoint::parse(&self.public_url) {
            Some(at) if at.path == "/" => {}
            _ => wrong(
                "public_url",
                "is https://HOST or https://HOST:PORT, without a path (http:// for this machine alone)",
            ),
        }
        if !is_text(&self.client_id, TEXT_CHARACTERS) {
            wrong("client_id", "has 1 to 512 characters");
        }
        if let Some(secret) = &self.client_secret
            && !is_text(secret.expose(), TEXT_CHARACTERS)
        {
            wrong("client_secret", "has 1 to 512 characters");
        }
        let is_scope = |scope: &String| {
            is_text(scope, TEXT_CHARACTERS) && scope.bytes().all(|octet| octet.is_ascii_graphic())
        };
        if self.scopes.len() > SCOPES
            || !self.scopes.iter().all(is_scope)
            || !self.scopes.iter().any(|scope| scope == "openid")
        {
            wrong("scopes", "has at most 16 words, openid among them");
        }
        if !is_text(&self.groups_claim, TEXT_CHARACTERS) {
            wrong("groups_claim", "has 1 to 512 characters");
        }
        if self.roles.len() > GRANTS {
            wrong("roles", "has at most 256 entries");
        }
        for (number, grant) in self.roles.iter().enumerate() {
            let good = match (&grant.group, &grant.email) {
                (Some(group), None) => is_text(group, TEXT_CHARACTERS),
                (None, Some(email)) => is_text(email, TEXT_CHARACTERS) && email.contains('@'),
                _ => false,
            };
            if !good {
                wrong(
                    &format!("roles[{number}]"),
                    "has a group or an email, one of them",
                );
            }
        }
        if let Some(pem) = &self.ca_certs {
            let mut all = CertificateDer::pem_slice_iter(pem.as_bytes());
            let good = pem.len() <= PEM_OCTETS
                && all.next().is_some_and(|first| first.is_ok())
                && all.all(|one| one.is_ok());
            if !good {
                wrong("ca_certs", "has certificates in PEM, 256 KiB at most");
            }
        }
        faults
    }

    /// Where the provider sends browsers back to.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.public_url.trim_end_matches('/'))
    }

    /// Where the provider says what it is.
    pub(crate) fn discovery(&self) -> String {
        let issuer = self.issuer.trim_end_matches('/');
        format!("{issuer}/.well-known/openid-configuration")
    }
}

/// An address to be asked: by TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) tls: bool,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As it stands in the `Host` header.
    pub(crate) authority: String,
    /// The path with the query.
    pub(crate) path: String,
}

impl Endpoint {
    /// None for what is not asked: plain HTTP to another machine, names of users, fragments.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        if url.len() > URL_OCTETS || url.contains(['#', '@', '\\']) {
            return None;
        }
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" if is_this_machine(host) => false,
            _ => return None,
        };
        Some(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn is_text(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.contains(char::is_control)
}

fn scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).to_vec()
}

fn groups() -> String {
    "groups".to_owned()
}

/// Where browsers come back to.
pub(crate) const CALLBACK: &str = "/api/v1/session/oidc/callback";
const URL: &str = "is https://HOST/PATH, without a query (http:// for this machine alone)";
const URL_OCTETS: usize = 2_048;
const TEXT_CHARACTERS: usize = 512;
const SCOPES: usize = 16;
/// The most grants of roles.
const GRANTS: usize = 256;
const PEM_OCTETS: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(change: &Value) -> Vec<String> {
        let mut document = json!({
            "issuer": "https://idp.example.com/realms/staff", "client_id": "countersign",
            "public_url": "https://gate.example.com:8400",
            "roles": [{"group": "netops", "role": "admin"}],
        });
        for (name, value) in change.as_object().unwrap() {
            document[name] = value.clone();
        }
        let settings: Settings = serde_json::from_value(document).unwrap();
        settings
            .faults()
            .into_iter()
            .map(|fault| fault.path)
            .collect()
    }

    #[test]
    fn settings_are_refused_by_the_field_that_is_wrong() {
        for (change, want) in [
            (json!({}), vec![]),
            (json!({"issuer": "http://127.0.0.1:8080/x"}), vec![]),
            (json!({"issuer": "http://idp.example.com"}), vec!["issuer"]),
            (
                json!({"issuer": "https://idp.example.com?x=1"}),
                vec!["issuer"],
            ),
            (
                json!({"issuer": "https://a@idp.example.com"}),
                vec!["issuer"],
            ),
            (json!({"issuer": "file:///etc/passwd"}), vec!["issuer"]),
            (json!({"issuer": ""}), vec!["issuer"]),
            (
                json!({"public_url": "https://gate.example.com/x"}),
                vec!["public_url"],
            ),
            (
                json!({"public_url": "http://gate.example.com"}),
                vec!["public_url"],
            ),
            (
                json!({"client_id": "", "scopes": ["email"]}),
                vec!["client_id", "scopes"],
            ),
            (json!({"client_secret": ""}), vec!["client_secret"]),
            (json!({"roles": [{"role": "admin"}]}), vec!["roles[0]"]),
            (
                json!({"roles": [{"group": "a", "email": "a@b", "role": "admin"}]}),
                vec!["roles[0]"],
            ),
            (
                json!({"roles": [{"email": "nobody", "role": "admin"}]}),
                vec!["roles[0]"],
            ),
            (json!({"ca_certs": "none"}), vec!["ca_certs"]),
        ] {
            assert_eq!(faults(&change), want, "{change}");
        }
    }

    #[test]
    fn an_endpoint_is_asked_by_tls_or_on_this_machine() {
        for (url, want) in [
            (
                "https://idp.example.com/token",
                Some((true, "idp.example.com", 443)),
            ),
            (
                "https://[2001:db8::1]:8443/",
                Some((true, "2001:db8::1", 8443)),
            ),
            ("http://[::1]:8080/keys?a=b", Some((false, "::1", 8080))),
            ("http://localhost/keys", Some((false, "localhost", 80))),
            ("http://169.254.169.254/latest", None),
            ("http://localhost.example.com/", None),
            ("https://good.example@evil.example/", None),
            ("gopher://localhost/", None),
            ("/keys", None),
        ] {
            let found = Endpoint::parse(url);
            let found = found.as_ref().map(|at| (at.tls, at.host.as_str(), at.port));
            assert_eq!(found, want, "{url}");
        }
    }
}
