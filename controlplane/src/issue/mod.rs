//! Makes the certificates of `[radius_server_eap]`: an authority that signs nothing else, and the
//! server's own. Pure but for randomness: files, folders and the clock are the caller's.

mod authority;
mod names;
mod node;
#[cfg(test)]
mod tests;

use std::time::Duration;

use proto::secret::Secret;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

pub use authority::{Authority, AuthorityFault};
pub use names::{NamesFault, ServerNames};
pub(crate) use node::{NodeCertificate, NodeFault, node_of};

/// A certificate that was made, and its key.
#[derive(Debug)]
pub struct Issued {
    /// PEM text: the certificate, then those that sign it.
    pub certificates: String,
    /// PEM text of the key, PKCS#8, not encrypted.
    pub private_key: Secret<String>,
    /// What there is to tell of the certificate.
    pub about: About,
}

/// What there is to tell of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The common name, or nothing.
    pub common_name: String,
    /// The last second in which it is good, since 1970.
    pub not_after: i64,
    /// That day: `2027-11-22`, UTC.
    pub until: String,
    /// SHA-256 of the whole certificate, as its pairs of hexadecimal digits between colons.
    pub sha256: String,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The library refuses; not a matter of what was asked for.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The system gives no random numbers.
    #[error("there are no random numbers: {0}")]
    Random(getrandom::Error),
    /// The name of the authority comes out otherwise than it went in, so that no supplicant would
    /// find the authority.
    #[error(
        "the name of the CA, '{0}', cannot be repeated here; sign the certificate with OpenSSL, or \
         make another CA"
    )]
    AuthorityName(String),
}

/// Makes a certificate that is its own authority: supplicants must have it itself, and anew each
/// time it is renewed. `now` is in seconds since 1970.
///
/// # Errors
/// [`IssueError`].
pub fn self_signed(names: &ServerNames, now: i64, days: u32) -> Result<Issued, IssueError> {
    let (mut params, key) = server(names, Span::from_now(now, days))?;
    // OpenSSL takes none for its own issuer that may not sign.
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.use_authority_key_identifier_extension = false;
    let made = params.self_signed(&key)?;
    Ok(Issued {
        about: About::of(made.der()),
        certificates: made.pem(),
        private_key: Secret::new(key.serialize_pem()),
    })
}

/// Whether the first certificate of a PEM text is its own authority.
#[must_use]
pub fn is_self_signed(pem: &str) -> bool {
    CertificateDer::from_pem_slice(pem.as_bytes()).is_ok_and(|der| {
        x509_parser::parse_x509_certificate(&der)
            .is_ok_and(|(_, one)| one.subject().as_raw() == one.issuer().as_raw())
    })
}

/// Whether the first certificate of a PEM text has another key than one of P-256, as all have that
/// are made here.
#[must_use]
pub fn has_another_key(pem: &str) -> bool {
    CertificateDer::from_pem_slice(pem.as_bytes()).is_ok_and(|der| {
        x509_parser::parse_x509_certificate(&der).is_ok_and(|(_, one)| {
            let parameters = one.public_key().algorithm.parameters.as_ref();
            let curve = parameters.and_then(|curve| curve.as_oid().ok());
            curve.is_none_or(|curve| curve.to_id_string() != P_256)
        })
    })
}

/// The server's side of a certificate, and a key for it.
fn server(names: &ServerNames, span: Span) -> Result<(CertificateParams, KeyPair), IssueError> {
    let mut params = params(&names.common_name(), span)?;
    params.subject_alt_names = names.alternatives()?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok((params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
}

/// What all of them have: a name, a random serial number and their days.
fn params(common_name: &str, span: Span) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let mut serial = [0; SERIAL_OCTETS];
    getrandom::fill(&mut serial).map_err(IssueError::Random)?;
    // Positive, and of the full length (RFC 5280 section 4.1.2.2).
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    // The clock of certificates ends with the year 9999.
    let time = |seconds| {
        let seconds = u64::try_from(seconds).unwrap_or(0).min(LAST_SECOND);
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = time(span.first);
    params.not_after = time(span.last);
    Ok(params)
}

/// From when until when, in seconds since 1970; both are good.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// From a few minutes back, since the clocks of supplicants differ.
    fn from_now(now: i64, days: u32) -> Self {
        Self {
            first: now.saturating_sub(BACK_SECONDS),
            last: now.saturating_add(i64::from(days) * DAY_SECONDS),
        }
    }
}

impl About {
    /// That of the first certificate of a PEM text; none when there is none.
    pub(crate) fn of_pem(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        Some(Self::of(&der))
    }

    fn of(der: &CertificateDer<'_>) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let pairs: Vec<String> = digest
            .as_ref()
            .iter()
            .map(|one| format!("{one:02X}"))
            .collect();
        let parsed = x509_parser::parse_x509_certificate(der).ok();
        let not_after = parsed
            .as_ref()
            .map_or(0, |(_, certificate)| last_second(certificate));
        Self {
            common_name: parsed.map_or_else(String::new, |(_, one)| common_name(&one)),
            not_after,
            until: day(not_after),
            sha256: pairs.join(":"),
        }
    }
}

fn last_second(certificate: &X509Certificate<'_>) -> i64 {
    certificate.validity().not_after.timestamp()
}

fn common_name(certificate: &X509Certificate<'_>) -> String {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    name.unwrap_or_default().to_owned()
}

/// The day of a time in seconds since 1970: `2027-11-22`, UTC.
fn day(seconds: i64) -> String {
    ASN1Time::from_timestamp(seconds).map_or_else(
        |_| seconds.to_string(),
        |time| time.to_datetime().date().to_string(),
    )
}

/// The object identifier of the curve (RFC 5480 section 2.1.1.1).
const P_256: &str = "1.2.840.10045.3.1.7";
const DAY_SECONDS: i64 = 24 * 60 * 60;
const BACK_SECONDS: i64 = 10 * 60;
/// 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;
/// The most that RFC 5280 allows is 20.
const SERIAL_OCTETS: usize = 16;
/// The upper bound of a common name, in characters (RFC 5280 appendix A.1, ub-common-name).
const COMMON_NAME_CHARACTERS: usize = 64;
