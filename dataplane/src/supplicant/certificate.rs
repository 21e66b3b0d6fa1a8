//! What a certificate says, for a person to read.

use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// The certificate that a server showed. Texts have no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Whose it is; empty when it cannot be read.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// Its last second, in seconds since 1970.
    pub not_after: i64,
    /// The day of that, `2027-11-22`.
    pub until: String,
    /// Its fingerprint: pairs of hexadecimal digits with colons between them.
    pub sha256: String,
    /// How many others came with it.
    pub intermediates: usize,
    /// Whether it was held against a CA, and against a name where there was one: what did not hold has
    /// ended the login.
    pub verified: bool,
}

impl Certificate {
    pub(super) fn read(der: &CertificateDer<'_>, intermediates: usize) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let pairs = digest.as_ref().iter().map(|octet| format!("{octet:02x}"));
        let mut certificate = Self {
            subject: String::new(),
            issuer: String::new(),
            names: Vec::new(),
            not_after: 0,
            until: String::new(),
            sha256: pairs.collect::<Vec<_>>().join(":"),
            intermediates,
            verified: false,
        };
        let Ok((_, read)) = X509Certificate::from_der(der) else {
            return certificate;
        };
        certificate.subject = clean(&read.subject().to_string());
        certificate.issuer = clean(&read.issuer().to_string());
        if let Ok(Some(alternatives)) = read.subject_alternative_name() {
            let names = alternatives.value.general_names.iter();
            certificate.names = names.take(SHOWN_NAMES).filter_map(name).collect();
        }
        let not_after = read.validity().not_after;
        certificate.not_after = not_after.timestamp();
        certificate.until = not_after.to_datetime().date().to_string();
        certificate
    }
}

/// One that a server can be reached by.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(clean(name)),
        GeneralName::IPAddress(octets) => match <[u8; 4]>::try_from(*octets) {
            Ok(v4) => Some(std::net::IpAddr::from(v4).to_string()),
            Err(_) => <[u8; 16]>::try_from(*octets)
                .ok()
                .map(|v6| std::net::IpAddr::from(v6).to_string()),
        },
        _ => None,
    }
}

/// A terminal is not to be spoken to by a certificate.
fn clean(text: &str) -> String {
    text.chars()
        .map(|one| if one.is_control() { '\u{fffd}' } else { one })
        .collect()
}

/// How many names are shown.
const SHOWN_NAMES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_certificate_says_is_read() {
        let mut parameters = rcgen::CertificateParams::new(vec![
            "radius.test".to_owned(),
            "192.0.2.5".to_owned(),
            "2001:db8::5".to_owned(),
        ])
        .unwrap();
        parameters.not_after = rcgen::date_time_ymd(2050, 1, 2);
        let name = &mut parameters.distinguished_name;
        name.push(rcgen::DnType::CommonName, "radius\u{1b}[2J.test");
        let key = rcgen::KeyPair::generate().unwrap();
        let issued = parameters.self_signed(&key).unwrap();
        let read = Certificate::read(issued.der(), 2);
        assert!(read.subject.contains("radius\u{fffd}[2J.test"), "{read:?}");
        assert_eq!(read.issuer, read.subject);
        assert_eq!(read.names, ["radius.test", "192.0.2.5", "2001:db8::5"]);
        assert_eq!(
            (read.until.as_str(), read.not_after),
            ("2050-01-02", 2_524_694_400)
        );
        assert_eq!(read.sha256.len(), 32 * 3 - 1);
        assert_eq!((read.intermediates, read.verified), (2, false));
    }

    #[test]
    fn octets_that_are_no_certificate_have_a_fingerprint() {
        let read = Certificate::read(&CertificateDer::from(&b""[..]), 0);
        assert!(read.sha256.starts_with("e3:b0:c4:42:"), "{read:?}");
        assert_eq!((read.subject.as_str(), read.names.len()), ("", 0));
    }
}
