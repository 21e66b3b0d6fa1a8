//! Certificates that a configuration names.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::context::Context;
use super::sections::{Entry, Section};

/// Reads certificates and gives their PEM text, without what else is in the file: a key may be. None after
/// an error.
pub(super) fn certificates(
    context: &mut Context<'_>,
    section: &Section,
    entry: &Entry,
) -> Option<String> {
    let content = context.named_file(section, entry)?;
    let binary = is_binary(&content.octets);
    let fault = match parse(&content.octets) {
        Ok(found) => return Some(found.iter().map(|one| written(one)).collect()),
        Err(fault) => fault,
    };
    let path = entry.value.as_str();
    let remedy = if binary {
        format!(
            "make a PEM file of it with 'openssl x509 -inform der -in {path}', or of a PKCS#12 file \
             with 'openssl pkcs12 -nokeys -in {path}'"
        )
    } else {
        "name a PEM file with -----BEGIN CERTIFICATE----- in it".to_owned()
    };
    let message = format!("'{path}' holds no usable certificates: {fault}");
    context.error(section, entry, message, remedy);
    None
}

/// As PEM (RFC 7468 section 2).
fn written(certificate: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let encoded = data_encoding::BASE64.encode(certificate);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.extend([line, "\n"]);
        rest = more;
    }
    text + "-----END CERTIFICATE-----\n"
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

/// Whether this is DER or PKCS#12, which begin with a sequence.
pub(super) fn is_binary(octets: &[u8]) -> bool {
    octets.first() == Some(&0x30)
}

/// The certificates of PEM text, in its order; there is one at least, and each can be parsed.
pub(super) fn parse(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
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

/// Characters of a line.
const LINE: usize = 64;
