//! `certs` and `pkey` of a server section: what TLS here can use, and what supplicants will refuse.
//!
//! What cannot be used at all is an error. What some supplicants refuse (a certificate that has
//! expired, one without the right purpose, a chain with a gap) is a warning, and is served.

use std::sync::Arc;

use proto::secret::Secret;
use rustls::crypto::ring::default_provider;
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::context::Context;
use super::files::others_can_read;
use super::pem;
use super::sections::{Entry, Section};
use super::values::shorten;

/// A certificate with its chain, and the key that belongs to it.
pub(super) struct ServerCertificate {
    /// PEM text.
    pub(super) certificates: String,
    /// PEM text.
    pub(super) private_key: Secret<String>,
    pub(super) key: KeyKind,
}

/// The kinds of keys that TLS here can sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    Ecdsa,
    /// With a suite of TLS 1.2 it counts as ECDSA (RFC 8422 section 2).
    Ed25519,
}

impl KeyKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// Reads both files of a section; none after an error.
pub(super) fn read(context: &mut Context<'_>, section: &Section) -> Option<ServerCertificate> {
    let certs = section.entry("certs").filter(|entry| entry.good);
    let read = certs.and_then(|entry| {
        let text = pem::certificates(context, section, entry)?;
        let chain = pem::parse(text.as_bytes()).ok()?;
        Some((text, judge(context, section, entry, &chain), chain))
    });
    let pkey = section.entry("pkey").filter(|entry| entry.good)?;
    let private_key = key_file(context, section, pkey)?;
    let (certificates, kind, chain) = read?;
    let kind = kind?;
    match (load(&private_key), certs) {
        (None, _) => {
            let message = "there is no usable private key in it";
            context.error(
                section,
                pkey,
                message,
                key_remedy(&private_key, &pkey.value),
            );
            None
        }
        (Some(key), Some(certs)) => match place_of(&key, &chain) {
            Some(0) => Some(ServerCertificate {
                certificates,
                private_key: Secret::new(private_key),
                key: kind,
            }),
            Some(place) => {
                let message = format!("the private key belongs to certificate {} of it", place + 1);
                let remedy = "put that one first, and behind it those that sign it";
                context.error(section, certs, message, remedy);
                None
            }
            None => {
                let message = "the private key does not belong to the certificate";
                context.error(section, pkey, message, REMEDY);
                None
            }
        },
        (Some(_), None) => None,
    }
}

const REMEDY: &str = "name the PEM file of the key that belongs to the certificate";

/// The text of the file of a key; none where it has a passphrase or is no text.
fn key_file(context: &mut Context<'_>, section: &Section, entry: &Entry) -> Option<String> {
    let content = context.named_file(section, entry)?;
    if others_can_read(content.mode) {
        let remedy = format!("run 'chmod o-r {}'", *entry.value);
        context.warn(section, entry, "others can read the private key", remedy);
    }
    if pem::is_binary(&content.octets) {
        let path = entry.value.as_str();
        let remedy = format!(
            "make a PEM file of it with 'openssl pkey -inform der -in {path}', or of a PKCS#12 file \
             with 'openssl pkcs12 -nodes -nocerts -in {path}'"
        );
        context.error(section, entry, "the private key is not PEM", remedy);
        return None;
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
    Some(text)
}

/// PKCS#1, PKCS#8 or SEC1.
fn load(text: &str) -> Option<Arc<dyn SigningKey>> {
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
    default_provider().key_provider.load_private_key(key).ok()
}

/// What to do about a key that cannot be loaded.
fn key_remedy(text: &str, path: &str) -> String {
    if text.contains("BEGIN OPENSSH PRIVATE KEY") {
        format!("write it anew with 'ssh-keygen -p -m PEM -f {path}', or {REMEDY}")
    } else if text.contains("PRIVATE KEY-----") {
        // A PKCS#8 file may lack the public half, which OpenSSL then adds.
        format!("write it anew with 'openssl pkey -in {path} -out NEWFILE', or {REMEDY}")
    } else {
        REMEDY.to_owned()
    }
}

/// Which certificate a key belongs to, from 0.
fn place_of(key: &Arc<dyn SigningKey>, chain: &[CertificateDer<'static>]) -> Option<usize> {
    chain.iter().position(|one| {
        CertifiedKey::new(vec![one.clone()], Arc::clone(key))
            .keys_match()
            .is_ok()
    })
}

/// Says what is wrong with the certificates, and gives the kind of the first one's key; none after
/// an error.
fn judge(
    context: &mut Context<'_>,
    section: &Section,
    entry: &Entry,
    chain: &[CertificateDer<'static>],
) -> Option<KeyKind> {
    let parsed = chain
        .iter()
        .filter_map(|one| x509_parser::parse_x509_certificate(one).ok());
    let parsed: Vec<_> = parsed.map(|(_, certificate)| certificate).collect();
    let now = i64::try_from(context.source.now_ms / 1_000).unwrap_or(i64::MAX);
    let dates = parsed
        .iter()
        .enumerate()
        .filter_map(|(place, one)| date(one, place, now));
    let mut warnings: Vec<_> = dates.collect();
    warnings.extend(order(&parsed));
    let (leaf, signers) = parsed.split_first()?;
    warnings.extend(purpose(leaf));
    warnings.extend(name(leaf));
    warnings.extend(weak_signature(leaf, signers));
    if let Some(what) = chain.first().and_then(|one| unreadable(one, leaf)) {
        let message = format!("TLS here cannot use the certificate: {what}");
        let remedy = "make it anew, with its names and extendedKeyUsage=serverAuth as extensions";
        context.error(section, entry, message, remedy);
        return None;
    }
    let kind = key_kind(leaf);
    if kind == Ok(KeyKind::Ed25519) {
        warnings.push(Warning {
            message: "the certificate has an Ed25519 key, which Windows and many others cannot use"
                .to_owned(),
            remedy: "get one with a key of P-256, or RSA with 2048 bits",
        });
    }
    for Warning { message, remedy } in warnings {
        context.warn(section, entry, message, remedy);
    }
    kind.map_err(|what| {
        let message = format!("the certificate has {what}, which TLS here cannot use");
        let remedy = "get one with a key of P-256 or P-384, or RSA with 2048 to 4096 bits";
        context.error(section, entry, message, remedy);
    })
    .ok()
}

/// What rustls has against a certificate as the server's own. It reads version 3 only, the one that
/// has extensions.
fn unreadable(der: &CertificateDer<'_>, parsed: &X509Certificate<'_>) -> Option<String> {
    let error = ParsedCertificate::try_from(der).err()?;
    Some(match parsed.version() {
        X509Version::V3 => error.to_string(),
        _ => "it is of X.509 version 1, without extensions".to_owned(),
    })
}

struct Warning {
    message: String,
    remedy: &'static str,
}

/// What rustls with ring signs with.
fn key_kind(certificate: &X509Certificate<'_>) -> Result<KeyKind, String> {
    let info = certificate.public_key();
    let algorithm = info.algorithm.algorithm.to_id_string();
    match (algorithm.as_str(), info.parsed()) {
        ("1.2.840.113549.1.1.1", Ok(PublicKey::RSA(key))) => match key.key_size() {
            2048..=4096 => Ok(KeyKind::Rsa),
            bits => Err(format!("an RSA key of {bits} bits")),
        },
        ("1.2.840.10045.2.1", _) => {
            let parameters = info.algorithm.parameters.as_ref();
            let curve = parameters.and_then(|one| one.as_oid().ok());
            match curve.map(|curve| curve.to_id_string()).as_deref() {
                Some("1.2.840.10045.3.1.7" | "1.3.132.0.34") => Ok(KeyKind::Ecdsa),
                Some("1.3.132.0.35") => Err("a key of the curve P-521".to_owned()),
                _ => Err("a key of another curve than P-256 and P-384".to_owned()),
            }
        }
        ("1.3.101.112", _) => Ok(KeyKind::Ed25519),
        ("1.2.840.10040.4.1", _) => Err("a DSA key".to_owned()),
        ("1.2.840.113549.1.1.10", _) => Err("a key for RSASSA-PSS only".to_owned()),
        _ => Err("a key of another kind than RSA, ECDSA and Ed25519".to_owned()),
    }
}

/// How a finding calls a certificate.
fn called(place: usize) -> String {
    match place {
        0 => "the certificate".to_owned(),
        _ => format!("certificate {} of the chain", place + 1),
    }
}

fn date(certificate: &X509Certificate<'_>, place: usize, now: i64) -> Option<Warning> {
    const SOON: i64 = 30 * 24 * 60 * 60;
    let validity = certificate.validity();
    let day = |time: ASN1Time| time.to_datetime().date().to_string();
    let (first, last) = (validity.not_before, validity.not_after);
    let (what, remedy) = if now < first.timestamp() {
        let what = format!("is not valid before {}", day(first));
        (what, "name one that is, or set the clock")
    } else if now > last.timestamp() {
        (format!("has expired on {}", day(last)), "name a new one")
    } else if now > last.timestamp().saturating_sub(SOON) {
        (format!("expires on {}", day(last)), "get a new one")
    } else {
        return None;
    };
    let message = format!("{} {what}", called(place));
    Some(Warning { message, remedy })
}

/// Each is to be signed by the next (RFC 5246 section 7.4.2); the last one's signer may be left to
/// the supplicants.
fn order(chain: &[X509Certificate<'_>]) -> Option<Warning> {
    let self_signed = |one: &X509Certificate<'_>| one.subject() == one.issuer();
    if let [only] = chain {
        let issuer = shorten(&only.issuer().to_string());
        return (!self_signed(only)).then(|| Warning {
            message: format!(
                "the certificate stands alone: '{issuer}', which signed it, is not in the file"
            ),
            remedy: "put the certificates that sign it behind it; a root may be left out, but \
                     nothing else",
        });
    }
    let mut pairs = chain.windows(2).enumerate();
    let (place, _) = pairs.find(|(_, pair)| match pair {
        [signed, signer] => signed.issuer() != signer.subject() || self_signed(signed),
        _ => false,
    })?;
    Some(Warning {
        message: format!(
            "certificate {} of the chain has not signed certificate {}",
            place + 2,
            place + 1
        ),
        remedy: "put the server's own certificate first, and behind each the one that signs it",
    })
}

fn purpose(leaf: &X509Certificate<'_>) -> Option<Warning> {
    let purposes = leaf.extended_key_usage().ok().flatten();
    let serves = purposes.is_some_and(|one| one.value.server_auth || one.value.any);
    (!serves).then(|| Warning {
        message: "the certificate lacks the extended key usage serverAuth: Windows refuses it"
            .to_owned(),
        remedy: "get one that is made for servers (extendedKeyUsage=serverAuth)",
    })
}

/// Supplicants are told a DNS name; the address that they do not know is none to check.
fn name(leaf: &X509Certificate<'_>) -> Option<Warning> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let named = names.is_some_and(|names| {
        let mut names = names.value.general_names.iter();
        names.any(|name| matches!(name, GeneralName::DNSName(_)))
    });
    (!named).then(|| Warning {
        message: "the certificate has no DNS name in subjectAltName, where Windows, Apple's and \
                  Android look for the server's"
            .to_owned(),
        remedy: "get one that has it there (subjectAltName=DNS:radius.example.com)",
    })
}

/// MD5 and SHA-1; the signature of a self-signed certificate is not looked at by anybody.
fn weak_signature(leaf: &X509Certificate<'_>, signers: &[X509Certificate<'_>]) -> Option<Warning> {
    let weak = |one: &&X509Certificate<'_>| {
        let algorithm = one.signature_algorithm.algorithm.to_id_string();
        let weak = matches!(
            algorithm.as_str(),
            "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1"
        );
        weak && one.subject() != one.issuer()
    };
    std::iter::once(leaf).chain(signers).find(weak)?;
    Some(Warning {
        message: "a certificate is signed with MD5 or SHA-1, which most supplicants refuse"
            .to_owned(),
        remedy: "get one that is signed with SHA-256",
    })
}
