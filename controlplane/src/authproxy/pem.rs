//! Certificates and keys that a configuration names.

use rustls::crypto::ring::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::context::Context;
use super::diagnostic::Severity;
use super::files::others_can_read;
use super::sections::{Entry, Section};

/// Reads certificates and gives their PEM text; none after an error.
pub(super) fn certificates(
    context: &mut Context<'_>,
    section: &Section,
    entry: &Entry,
) -> Option<String> {
    let content = context.named_file(section, entry)?;
    let fault = match parse(&content.octets) {
        Ok(_) => match String::from_utf8(content.octets) {
            Ok(text) => return Some(text),
            Err(_) => "it is not text".to_owned(),
        },
        Err(fault) => fault,
    };
    context.error(
        section,
        entry,
        format!("'{}' holds no usable certificates: {fault}", *entry.value),
        "name a PEM file with -----BEGIN CERTIFICATE----- in it",
    );
    None
}

/// Whether none of these certificates can be a trust root: each is signed by another and is no
/// authority itself.
pub(super) fn lacks_authority(text: &str) -> bool {
    let certificates = parse(text.as_bytes()).unwrap_or_default();
    !certificates.is_empty()
        && certificates.iter().all(|one| {
            x509_parser::parse_x509_certificate(one).is_ok_and(|(_, certificate)| {
                certificate.subject() != certificate.issuer() && !certificate.is_ca()
            })
        })
}

fn parse(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(octets)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if found.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    for (index, one) in (1..).zip(&found) {
        if x509_parser::parse_x509_certificate(one).is_err() {
            return Err(format!("certificate {index} cannot be parsed"));
        }
    }
    Ok(found)
}

/// Reads the private key of a certificate and gives its PEM text; none after an error.
pub(super) fn private_key(
    context: &mut Context<'_>,
    section: &Section,
    entry: &Entry,
    certificates: Option<&str>,
) -> Option<String> {
    let content = context.named_file(section, entry)?;
    if others_can_read(content.mode) {
        context.of_section(
            Severity::Warning,
            section,
            Some(&entry.key),
            "others can read the private key",
            "run 'chmod o-r' on it",
        );
    }
    let text = String::from_utf8(content.octets).unwrap_or_default();
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("4,ENCRYPTED") {
        let remedy = format!(
            "decrypt it with 'openssl pkey -in {} -out NEWFILE' and name the new file",
            *entry.value
        );
        context.error(section, entry, "the private key has a passphrase", remedy);
        return None;
    }
    let remedy = "name the PEM file of the key that belongs to the certificate";
    let loaded = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .ok()
        .and_then(|key| default_provider().key_provider.load_private_key(key).ok());
    let Some(key) = loaded else {
        context.error(
            section,
            entry,
            "there is no usable private key in it",
            remedy,
        );
        return None;
    };
    let chain = certificates.and_then(|text| parse(text.as_bytes()).ok());
    if chain.is_some_and(|chain| CertifiedKey::new(chain, key).keys_match().is_err()) {
        let message = "the private key does not belong to the certificate";
        context.error(section, entry, message, remedy);
        return None;
    }
    Some(text)
}
