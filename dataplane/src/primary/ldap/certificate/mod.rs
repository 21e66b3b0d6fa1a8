//! What is wrong with a certificate that a directory showed, what it says of itself, and what to do.
//! Pure; whether it is wrong is decided elsewhere.

use std::net::IpAddr;

use rustls::CertificateError;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::answer::diagnostic;

/// What a certificate says, fit for an event.
struct Seen {
    subject: String,
    names: Vec<String>,
    /// Who signed the last certificate of the chain as far as it was shown.
    signer: String,
    signed_by_itself: bool,
    of_a_ca: bool,
    not_before: i64,
    not_after: i64,
}

/// Puts a fault into words. `host` is the name that was expected.
pub(super) fn explain(
    error: &CertificateError,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    host: &str,
) -> String {
    let Some(seen) = Seen::read(end_entity, intermediates) else {
        return "the directory's certificate cannot be read".to_owned();
    };
    let who = seen.who();
    match error {
        CertificateError::Expired => {
            format!("{who} has expired, on {}; renew it", date(seen.not_after))
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            let until = seconds(*not_after);
            if until == seen.not_after {
                format!("{who} has expired, on {}; renew it", date(until))
            } else {
                format!(
                    "a CA's certificate in the chain of {who} has expired, on {}; renew that one",
                    date(until)
                )
            }
        }
        CertificateError::NotValidYet => seen.not_yet(seen.not_before),
        CertificateError::NotValidYetContext { not_before, .. } => {
            seen.not_yet(seconds(*not_before))
        }
        CertificateError::UnknownIssuer if seen.signed_by_itself => format!(
            "{who} is signed by itself and is not trusted; put it into ssl_ca_certs_file, or give \
             the directory one of a CA"
        ),
        CertificateError::UnknownIssuer => format!(
            "{who} was signed by a CA that is not trusted, '{}'; put that CA's certificate into \
             ssl_ca_certs_file",
            seen.signer
        ),
        // A CA that was made anew under its old name.
        CertificateError::BadSignature => format!(
            "{who} was signed by a CA that is not trusted: it has the name of one that is, '{}', \
             but another key; put its present certificate into ssl_ca_certs_file",
            seen.signer
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            seen.other_names(host)
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("{who} is not meant for servers; issue one with that key usage")
        }
        _ if seen.of_a_ca => {
            format!("{who} is that of a CA; issue the directory one of its own")
        }
        other => diagnostic(&format!("{who} cannot be used: {other}")),
    }
}

impl Seen {
    fn read(end_entity: &[u8], intermediates: &[CertificateDer<'_>]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(end_entity).ok()?;
        let names = match certificate.subject_alternative_name() {
            Ok(Some(extension)) => extension
                .value
                .general_names
                .iter()
                .filter_map(written)
                .take(NAMES)
                .collect(),
            _ => Vec::new(),
        };
        let signed_by_itself = certificate.subject() == certificate.issuer();
        Some(Self {
            subject: readable(certificate.subject()),
            names,
            signer: signer(&certificate, intermediates),
            signed_by_itself,
            of_a_ca: certificate.is_ca(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// The certificate by its subject; by its names when it has none, as is common.
    fn who(&self) -> String {
        let who = match (&*self.subject, self.names.first()) {
            ("", Some(name)) => name,
            ("", None) => "without a subject",
            (subject, _) => subject,
        };
        format!("the directory's certificate ({who})")
    }

    fn not_yet(&self, since: i64) -> String {
        let who = self.who();
        let whose = if since == self.not_before {
            who
        } else {
            format!("a CA's certificate in the chain of {who}")
        };
        format!(
            "{whose} is not valid before {}; check the clocks of both machines",
            date(since)
        )
    }

    fn other_names(&self, host: &str) -> String {
        let who = self.who();
        if self.names.is_empty() {
            return format!(
                "{who} names no host (it has no subjectAltName); issue one that names '{host}'"
            );
        }
        format!(
            "{who} is not for '{host}' but for other names ({}); use one of them as host, or set \
             ssl_verify_hostname=false",
            diagnostic(&self.names.join(", "))
        )
    }
}

/// Follows the chain upwards as far as it was shown.
fn signer(certificate: &X509Certificate<'_>, intermediates: &[CertificateDer<'_>]) -> String {
    let chain: Vec<X509Certificate<'_>> = intermediates
        .iter()
        .take(CHAIN)
        .filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1))
        .collect();
    let mut signer = certificate.issuer();
    for _ in &chain {
        let next = chain
            .iter()
            .find(|one| one.subject() == signer && one.issuer() != signer);
        match next {
            Some(next) => signer = next.issuer(),
            None => break,
        }
    }
    readable(signer)
}

fn written(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(short(name)),
        GeneralName::IPAddress(octets) => {
            let address = <[u8; 4]>::try_from(*octets)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn readable(name: &X509Name<'_>) -> String {
    short(&name.to_string())
}

fn short(text: &str) -> String {
    diagnostic(text).chars().take(NAME_CHARACTERS).collect()
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn date(at: i64) -> String {
    match ASN1Time::from_timestamp(at) {
        Ok(time) => time.to_datetime().date().to_string(),
        Err(_) => "a day that is none".to_owned(),
    }
}

/// How many of a certificate's names are shown, and how much of each.
const NAMES: usize = 8;
const NAME_CHARACTERS: usize = 100;

/// How many certificates above the directory's own are looked at.
const CHAIN: usize = 8;

#[cfg(test)]
mod tests;
