//! The service's own certificate authority and the leaf it signs, kept in files.
//!
//! The authority is made at the first start and lives 20 years: callers pin it. The leaf is made
//! anew when it is near its end or its names changed; new connections are served with it at once.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::{fmt, io};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::date;

/// What TLS is served with.
pub(crate) struct Identity {
    /// The authority, for callers to trust.
    pub(crate) ca_pem: String,
    /// The server's side of TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1.
    pub(crate) tls: Arc<rustls::ServerConfig>,
    /// The leaf that is served, and its renewal.
    pub(crate) leaf: Arc<ServedLeaf>,
}

/// The leaf that connections are served with now.
pub(crate) struct ServedLeaf {
    folder: PathBuf,
    names: Vec<String>,
    provider: Arc<CryptoProvider>,
    now: RwLock<(Arc<CertifiedKey>, i64)>,
}

impl ServedLeaf {
    /// Makes a new leaf if the one served is near its end; the next connection has it. Reads and
    /// writes files: not for the runtime's threads.
    ///
    /// # Errors
    /// [`CertificateError`]; what is served stays.
    pub(crate) fn renew(&self, now_s: i64) -> Result<Renewal, CertificateError> {
        let (_, issuer) = authority_of(&self.folder, now_s)?;
        let leaf = leaf(&self.folder, &self.names, now_s, &issuer)?;
        let renewed = leaf.expires_at_s != self.expires_at_s();
        if renewed {
            let key = leaf.certified(&self.folder, &self.provider)?;
            *self.now.write().unwrap_or_else(PoisonError::into_inner) =
                (Arc::new(key), leaf.expires_at_s);
        }
        Ok(if renewed {
            Renewal::Renewed
        } else {
            Renewal::NotYet
        })
    }

    /// The names and addresses that it has.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// When the leaf is at its end, in seconds since 1970.
    pub(crate) fn expires_at_s(&self) -> i64 {
        self.now.read().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl ResolvesServerCert for ServedLeaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&now.0))
    }
}

impl fmt::Debug for ServedLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedLeaf")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// What [`ServedLeaf::renew`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// There is a new leaf.
    Renewed,
    /// The one served is good for long enough.
    NotYet,
}

/// Takes the certificates out of their files, and makes those that are missing or old.
///
/// # Errors
/// [`CertificateError`].
pub(crate) fn open(
    folder: &Path,
    names: &[String],
    now_s: i64,
) -> Result<Identity, CertificateError> {
    let (ca_pem, issuer) = authority_of(folder, now_s)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let leaf = leaf(folder, names, now_s, &issuer)?;
    let key = leaf.certified(folder, &provider)?;
    let leaf = Arc::new(ServedLeaf {
        folder: folder.to_owned(),
        names: names.to_vec(),
        provider: Arc::clone(&provider),
        now: RwLock::new((Arc::new(key), leaf.expires_at_s)),
    });
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<ServedLeaf>::clone(&leaf);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(Identity {
        ca_pem,
        tls: Arc::new(tls),
        leaf,
    })
}

/// The authority out of its files, made when it is not there: its certificate, and what signs.
fn authority_of(
    folder: &Path,
    now_s: i64,
) -> Result<(String, Issuer<'static, KeyPair>), CertificateError> {
    let (ca_file, ca_key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
    let found = (read(&ca_file)?, read(&ca_key_file)?);
    let (ca_pem, ca_key) = match found {
        (Some(pem), Some(key)) => (pem.to_string(), KeyPair::from_pem(&key)?),
        // A key alone: the first start was cut short.
        (None, key) => {
            let key = match key {
                Some(pem) => KeyPair::from_pem(&pem)?,
                None => {
                    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                    write(&ca_key_file, Zeroizing::new(key.serialize_pem()).as_bytes())?;
                    key
                }
            };
            let pem = authority(now_s)?.self_signed(&key)?.pem();
            write(&ca_file, pem.as_bytes())?;
            (pem, key)
        }
        (Some(_), None) => {
            return Err(CertificateError::KeyMissing {
                folder: folder.to_owned(),
            });
        }
    };
    Ok((ca_pem, Issuer::new(authority(now_s)?, ca_key)))
}

struct Leaf {
    pem: Zeroizing<String>,
    key: Zeroizing<String>,
    expires_at_s: i64,
}

impl Leaf {
    fn certified(
        &self,
        folder: &Path,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, CertificateError> {
        let unreadable = |_| CertificateError::Unreadable {
            folder: folder.to_owned(),
        };
        let chain = CertificateDer::pem_slice_iter(self.pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(unreadable)?;
        Ok(CertifiedKey::from_der(chain, key, provider)?)
    }
}

/// What a leaf was made for, so that it need not be taken apart to know.
#[derive(Serialize, Deserialize, PartialEq)]
struct LeafNote {
    names: Vec<String>,
    expires_at_s: i64,
}

fn leaf(
    folder: &Path,
    names: &[String],
    now_s: i64,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Leaf, CertificateError> {
    let files = ["leaf.pem", "leaf.key", "leaf.json"].map(|name| folder.join(name));
    let [pem_file, key_file, note_file] = &files;
    if let (Some(pem), Some(key), Some(note)) = (read(pem_file)?, read(key_file)?, read(note_file)?)
    {
        let note: Option<LeafNote> = serde_json::from_str(&note).ok();
        let good = note.filter(|note| {
            note.names == names
                && note.expires_at_s - now_s > RENEW_DAYS * DAY_SECONDS
                && note.expires_at_s - now_s <= LEAF_DAYS * DAY_SECONDS
        });
        if let Some(LeafNote { expires_at_s, .. }) = good {
            return Ok(Leaf {
                pem,
                key,
                expires_at_s,
            });
        }
    }
    for file in &files {
        remove(file)?;
    }
    let expires_at_s = now_s + LEAF_DAYS * DAY_SECONDS;
    let mut params = CertificateParams::new(names.to_vec())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Countersign second factor");
    // A certificate ends at midnight, so it outlives its note by up to a day.
    lives(&mut params, now_s, LEAF_DAYS + 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let leaf = Leaf {
        pem: Zeroizing::new(params.signed_by(&key, issuer)?.pem()),
        key: Zeroizing::new(key.serialize_pem()),
        expires_at_s,
    };
    let note = LeafNote {
        names: names.to_vec(),
        expires_at_s,
    };
    let note = serde_json::to_vec(&note).unwrap_or_default();
    write(key_file, leaf.key.as_bytes())?;
    write(pem_file, leaf.pem.as_bytes())?;
    // Last: what has a note is whole.
    write(note_file, &note)?;
    Ok(leaf)
}

/// The authority's own side; the same again at each start but for its dates, which a leaf does
/// not repeat.
fn authority(now_s: i64) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Countersign second factor authority");
    lives(&mut params, now_s, CA_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The names of the certificate, each once, in an order that does not change.
pub(crate) fn names(public: &[String], listen: IpAddr) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.extend(public.iter().map(|name| name.to_ascii_lowercase()));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Valid from a day before now until some days after it, in whole days.
fn lives(params: &mut CertificateParams, now_s: i64, days: i64) {
    let part = |unix_s| {
        let (year, month, day) = date::civil(unix_s);
        (
            i32::try_from(year).unwrap_or(1970),
            u8::try_from(month).unwrap_or(1),
            u8::try_from(day).unwrap_or(1),
        )
    };
    let (year, month, day) = part(now_s - DAY_SECONDS);
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = part(now_s + days * DAY_SECONDS);
    params.not_after = date_time_ymd(year, month, day);
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, CertificateError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CertificateError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn remove(path: &Path) -> Result<(), CertificateError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CertificateError::File {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn write(path: &Path, octets: &[u8]) -> Result<(), CertificateError> {
    crate::vault::write_private(path, octets).map_err(|source| CertificateError::File {
        path: path.to_owned(),
        source,
    })
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is `ca.pem` without `ca.key`.
    #[error("{} has ca.pem but no ca.key; bring it back, or remove ca.pem for a new authority", folder.display())]
    KeyMissing {
        /// The data folder.
        folder: PathBuf,
    },
    /// The leaf's files hold something else.
    #[error("the certificate files in {} cannot be read; remove leaf.pem", folder.display())]
    Unreadable {
        /// The data folder.
        folder: PathBuf,
    },
    /// A certificate cannot be made; most often a public name is no name.
    #[error("cannot make a certificate; are the public names right?")]
    Make(#[from] rcgen::Error),
    /// TLS does not take it.
    #[error("cannot serve TLS with the certificate")]
    Tls(#[from] rustls::Error),
}

const DAY_SECONDS: i64 = 86_400;
const CA_DAYS: i64 = 20 * 365;
const LEAF_DAYS: i64 = 397;
const RENEW_DAYS: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    #[test]
    fn the_authority_stays_and_the_leaf_is_renewed_when_it_must() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(&["Gate.example".to_owned()], IpAddr::from([127, 0, 0, 1]));
        assert_eq!(names, ["localhost", "127.0.0.1", "::1", "gate.example"]);
        let leaf = || std::fs::read(folder.path().join("leaf.pem")).unwrap();
        let first = open(folder.path(), &names, NOW).unwrap();
        let made = leaf();
        let second = open(folder.path(), &names, NOW + 30 * DAY_SECONDS).unwrap();
        assert_eq!(first.ca_pem, second.ca_pem);
        assert_eq!(leaf(), made);
        open(folder.path(), &names, NOW + 340 * DAY_SECONDS).unwrap();
        let renewed = leaf();
        assert_ne!(renewed, made, "near its end");
        let third = open(folder.path(), &names[..3], NOW + 340 * DAY_SECONDS).unwrap();
        assert_ne!(leaf(), renewed, "other names");
        assert_eq!(first.ca_pem, third.ca_pem);
        let days_left = |now_s: i64| (third.leaf.expires_at_s() - now_s) / DAY_SECONDS;
        assert_eq!(days_left(NOW + 340 * DAY_SECONDS), LEAF_DAYS);
        let served = || third.leaf.now.read().unwrap().0.cert[0].clone();
        let before = served();
        let later = NOW + 641 * DAY_SECONDS;
        assert_eq!(third.leaf.renew(later).unwrap(), Renewal::NotYet);
        assert_eq!((served(), days_left(later)), (before.clone(), 96));
        let later = NOW + 690 * DAY_SECONDS;
        assert_eq!(third.leaf.renew(later).unwrap(), Renewal::Renewed);
        assert_ne!(served(), before, "renewed while it is served");
        assert_eq!(days_left(later), LEAF_DAYS);
        std::fs::remove_file(folder.path().join("ca.key")).unwrap();
        let later = later + 390 * DAY_SECONDS;
        assert!(third.leaf.renew(later).is_err());
        assert_eq!(days_left(later), 7, "what is served stays");
        assert!(matches!(
            open(folder.path(), &names, NOW),
            Err(CertificateError::KeyMissing { .. })
        ));
    }
}
