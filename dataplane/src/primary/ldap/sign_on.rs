//! Proving to a directory who one is: by a simple bind, or by NTLM.

use std::time::{Duration, Instant};

use proto::secret::Secret;

use super::answer::{self, Tried};
use super::connection::Connection;
use super::fault::Fault;
use super::filter::Filter;
use super::message::{BindAnswer, Scope, Search};
use super::ntlm::challenge::Challenge;
use super::ntlm::{self, Credentials, Entropy};
use crate::clock;

/// How passwords are shown to a directory, and those of the service account.
#[derive(Debug)]
pub(super) struct SignOn {
    pub(super) method: Method,
    /// `service_account_username`, or `bind_dn` for [`Method::Plain`].
    pub(super) service_name: String,
    pub(super) service_password: Secret<String>,
}

/// `auth_type`.
#[derive(Debug)]
pub(super) enum Method {
    /// `plain`.
    Plain,
    /// `ntlm2`.
    Ntlm {
        /// `ntlm_domain`; none when it is empty.
        domain: Option<String>,
        /// `ntlm_workstation`.
        workstation: String,
    },
}

/// A user whose password is to be checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person<'a> {
    /// The name of the entry.
    pub(super) dn: &'a str,
    /// What NTLM calls the user: `sAMAccountName` of the entry. None when it has none.
    pub(super) account: Option<&'a str>,
    pub(super) password: &'a Secret<String>,
}

impl SignOn {
    /// What an answer to a bind over this connection is about.
    pub(super) fn tried(&self, connection: &Connection) -> Tried {
        match self.method {
            Method::Plain => Tried::Plain,
            Method::Ntlm { .. } => Tried::Ntlm(connection.layer()),
        }
    }

    /// Binds as the service account.
    pub(super) async fn service(
        &self,
        connection: &mut Connection,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let tried = self.tried(connection);
        let (name, password) = (&self.service_name, &self.service_password);
        let answer = match &self.method {
            Method::Plain => connection.bind(name, password, deadline).await?,
            Method::Ntlm {
                domain,
                workstation,
            } => {
                let (domain, user) = account(name, domain.as_deref())?;
                let domain = |_: &Challenge| domain.map(str::to_owned);
                ntlm_bind(connection, user, domain, workstation, password, deadline).await?
            }
        };
        answer::service_bind(&answer.outcome, tried, name)
    }

    /// Binds as a user. The answer counts: of a success nobody in between can have made it up, but
    /// for a simple bind over a clear transport.
    pub(super) async fn user(
        &self,
        connection: &mut Connection,
        person: &Person<'_>,
        deadline: Instant,
    ) -> Result<BindAnswer, Fault> {
        let Method::Ntlm {
            domain,
            workstation,
        } = &self.method
        else {
            return connection.bind(person.dn, person.password, deadline).await;
        };
        // The typed name may be another account's.
        let account = person.account.ok_or_else(|| {
            Fault::Misconfigured(format!(
                "{} has no sAMAccountName that the service account may read, by which \
                 auth_type=ntlm2 logs in; set auth_type=plain if it is to log in",
                answer::diagnostic(person.dn)
            ))
        })?;
        let domain =
            |challenge: &Challenge| Some(domain_of(person.dn, domain.as_deref(), challenge));
        let answer = ntlm_bind(
            connection,
            account,
            domain,
            workstation,
            person.password,
            deadline,
        )
        .await?;
        if connection.is_sealed() {
            // The success was said in clear. What knows the password can seal.
            connection.search(&root(&Filter::any()), deadline).await?;
        }
        Ok(answer)
    }
}

/// The search that every directory answers (RFC 4512 section 5.1).
pub(super) const fn root(any: &Filter) -> Search<'_> {
    Search {
        base: "",
        scope: Scope::Base,
        filter: any,
        attributes: &[],
        limit: 1,
    }
}

/// Both round trips of a bind by NTLM.
async fn ntlm_bind(
    connection: &mut Connection,
    user: &str,
    domain: impl FnOnce(&Challenge) -> Option<String>,
    workstation: &str,
    password: &Secret<String>,
    deadline: Instant,
) -> Result<BindAnswer, Fault> {
    let layer = connection.layer();
    let begun = connection
        .sasl_bind(MECHANISM, &ntlm::negotiate(layer), deadline)
        .await?;
    answer::ntlm_begun(&begun.outcome, layer)?;
    let challenge = Challenge::parse(layer, &begun.credentials.unwrap_or_default())
        .and_then(Challenge::with_integrity)
        .map_err(|error| answer::ntlm_fault(&error))?;
    let domain = domain(&challenge);
    let credentials = Credentials {
        user,
        domain: domain.as_deref(),
        workstation,
        password,
    };
    let authenticated = ntlm::authenticate(
        &challenge,
        &credentials,
        connection.bindings().as_ref(),
        &entropy()?,
        ntlm::filetime(Duration::from_millis(clock::unix_ms())),
    )
    .map_err(|error| answer::ntlm_fault(&error))?;
    let answer = connection
        .sasl_bind(MECHANISM, &authenticated.token, deadline)
        .await?;
    if let Some(seal) = authenticated.seal
        && answer.outcome.code == SUCCESS
    {
        connection.seal(seal)?;
    }
    Ok(answer)
}

fn entropy() -> Result<Entropy, Fault> {
    let mut entropy = Entropy::default();
    crate::random::fill(&mut entropy.client_challenge)
        .and_then(|()| crate::random::fill(&mut *entropy.session_key))
        .map_err(|error| Fault::Internal(format!("no random octets: {error}")))?;
    Ok(entropy)
}

/// The service account's domain and name.
fn account<'a>(
    written: &'a str,
    domain: Option<&'a str>,
) -> Result<(Option<&'a str>, &'a str), Fault> {
    if let Some((domain, user)) = written.split_once('\\') {
        return Ok((Some(domain), user));
    }
    if written.contains('=') {
        return Err(Fault::Misconfigured(
            "service_account_username is a DN, by which auth_type=ntlm2 cannot log in; write \
             DOMAIN\\name or name@domain, or set auth_type=plain"
                .to_owned(),
        ));
    }
    Ok((domain, written))
}

/// The domain of the account of an entry. An entry says itself in which domain of Active Directory
/// it is; the configured one would name another person where two domains have an account of one
/// name.
fn domain_of(dn: &str, configured: Option<&str>, challenge: &Challenge) -> String {
    let (of_directory, netbios) = (challenge.dns_domain(), challenge.netbios_domain());
    match dns_domain(dn) {
        Some(domain) if !of_directory.is_empty() => {
            if netbios.is_empty() || !domain.eq_ignore_ascii_case(of_directory) {
                domain
            } else {
                netbios.to_owned()
            }
        }
        _ => configured.unwrap_or(netbios).to_owned(),
    }
}

/// The DNS domain that a DN ends in: `DC=corp,DC=example` is `corp.example`. None when it does not
/// end in one.
fn dns_domain(dn: &str) -> Option<String> {
    let mut labels: Vec<&str> = dn
        .rsplit(',')
        .map_while(|part| {
            let (name, value) = part.trim().split_once('=')?;
            let is_label = name.trim().eq_ignore_ascii_case("dc")
                && !value.is_empty()
                && value
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
            is_label.then_some(value)
        })
        .collect();
    labels.reverse();
    (!labels.is_empty()).then(|| labels.join("."))
}

/// Takes NTLMSSP as it is, beside Kerberos (MS-ADTS section 3.1.1.3.4.5.2).
const MECHANISM: &str = "GSS-SPNEGO";

const SUCCESS: u32 = 0;

#[cfg(test)]
mod tests {
    use super::super::ntlm::Layer;
    use super::*;

    #[test]
    fn a_dn_ends_in_a_domain() {
        for (dn, want) in [
            ("CN=a,OU=b,DC=corp,DC=example", Some("corp.example")),
            ("cn=a, dc=x-1 , DC=Y", Some("x-1.Y")),
            ("DC=x,OU=b,DC=y", Some("y")),
            ("uid=a,o=b", None),
            ("CN=a\\,DC=x", Some("x")),
            ("DC=a+OU=b", None),
            ("", None),
        ] {
            assert_eq!(dns_domain(dn).as_deref(), want, "{dn}");
        }
    }

    #[test]
    fn an_account_is_of_the_domain_that_its_entry_is_in() {
        let directory = ntlm::tests::Directory::new(Layer::Seal);
        let challenge = Challenge::parse(Layer::Seal, &directory.challenge()).unwrap();
        for (dn, configured, want) in [
            ("CN=a,DC=Lab,DC=example", None, "LAB"),
            ("CN=a,DC=lab,DC=example", Some("CORP"), "LAB"),
            ("CN=a,DC=sub,DC=lab,DC=example", None, "sub.lab.example"),
            (
                "CN=a,DC=sub,DC=lab,DC=example",
                Some("LAB"),
                "sub.lab.example",
            ),
            ("uid=a,o=b", None, "LAB"),
            ("uid=a,o=b", Some("CORP"), "CORP"),
        ] {
            assert_eq!(
                domain_of(dn, configured, &challenge),
                want,
                "{dn}, {configured:?}"
            );
        }
    }

    #[test]
    fn the_service_account_has_a_domain_of_its_own_or_the_configured() {
        for (written, domain, want) in [
            ("CORP\\svc", Some("OTHER"), (Some("CORP"), "svc")),
            ("svc@corp.example", None, (None, "svc@corp.example")),
            ("svc", Some("CORP"), (Some("CORP"), "svc")),
            ("svc", None, (None, "svc")),
        ] {
            assert_eq!(account(written, domain), Ok(want), "{written}");
        }
        let refused = account("CN=svc,DC=corp", None).unwrap_err();
        assert!(refused.to_string().contains("DOMAIN\\name"), "{refused}");
    }
}
