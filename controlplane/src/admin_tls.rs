//! What an admin address serves TLS with: a certificate of its owner's, or a self-made one that is
//! kept in a folder. Plain HTTP is for loopback alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::issue::{self, About, IssueError, NamesFault, ServerNames};

/// A certificate and its key, as files of PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those that sign it.
    pub certificate: PathBuf,
    /// Its key, not encrypted.
    pub key: PathBuf,
}

/// What an admin address serves TLS with.
#[derive(Clone, Debug)]
pub struct AdminTls {
    /// The server's side of TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1.
    pub config: Arc<rustls::ServerConfig>,
    /// What there is to tell of its certificate.
    pub about: About,
    /// Whether the certificate is self-made, and not its owner's.
    pub self_made: bool,
}

/// The certificate that an admin address is served with, as far as there is anything to tell of it. It is
/// what was read at the start: a file that was replaced meanwhile is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminCertificate {
    /// The address.
    pub address: SocketAddr,
    /// Its last second, since 1970.
    pub not_after: i64,
}

impl AdminTls {
    /// What an address is served with; none on loopback when no certificate is given, which means
    /// plain HTTP. A self-made certificate lies in `folder`, and is made anew when it is near its end
    /// or its names are others. `now_s` is in seconds since 1970. Reads and writes files.
    ///
    /// # Errors
    /// [`AdminTlsError`].
    pub fn open(
        address: SocketAddr,
        own: Option<&CertificateFiles>,
        folder: &Path,
        now_s: i64,
    ) -> Result<Option<Self>, AdminTlsError> {
        if let Some(files) = own {
            let unfit = |source| AdminTlsError::Unfit {
                path: files.certificate.clone(),
                source,
            };
            let pem = read(&files.certificate)?;
            let about = About::of_pem(&pem);
            let about = about.ok_or_else(|| unfit(pem::Error::NoItemsFound.into()))?;
            let config = config(&pem, &read(&files.key)?).map_err(unfit)?;
            return Ok(Some(Self {
                config,
                about,
                self_made: false,
            }));
        }
        if address.ip().is_loopback() {
            return Ok(None);
        }
        self_made(address, folder, now_s).map(Some)
    }

    /// The certificate, of the address that is served with it.
    #[must_use]
    pub const fn certificate_of(&self, address: SocketAddr) -> AdminCertificate {
        AdminCertificate {
            address,
            not_after: self.about.not_after,
        }
    }
}

fn self_made(address: SocketAddr, folder: &Path, now_s: i64) -> Result<AdminTls, AdminTlsError> {
    let names = names(address)?;
    let (certificate, key) = (folder.join("admin.pem"), folder.join("admin.key"));
    if let (Ok(pem), Ok(key)) = (read(&certificate), read(&key))
        && let Some(about) = About::of_pem(&pem)
        && ServerNames::of_certificate(&pem).is_ok_and(|found| found == names)
        && about.not_after.saturating_sub(now_s) > RENEWED_DAYS * DAY_SECONDS
        && let Ok(config) = config(&pem, &key)
    {
        return Ok(AdminTls {
            config,
            about,
            self_made: true,
        });
    }
    let made = issue::self_signed(&names, now_s, DAYS)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| file(folder, source))?;
    write(&key, made.private_key.expose())?;
    write(&certificate, &made.certificates)?;
    let config = config(&made.certificates, made.private_key.expose()).map_err(|source| {
        AdminTlsError::Unfit {
            path: certificate,
            source,
        }
    })?;
    Ok(AdminTls {
        config,
        about: made.about,
        self_made: true,
    })
}

/// What callers may write: names of this machine, and the address.
fn names(address: SocketAddr) -> Result<ServerNames, NamesFault> {
    let mut words = vec!["localhost".to_owned()];
    let host = certain_name();
    if host != "localhost" {
        words.push(host);
    }
    words.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    if !address.ip().is_unspecified() {
        words.push(address.ip().to_string());
    }
    ServerNames::parse(&words)
}

/// The name of this machine, if it may stand in a certificate.
pub(crate) fn certain_name() -> String {
    crate::host_name()
        .filter(|host| ServerNames::parse(std::slice::from_ref(host)).is_ok())
        .unwrap_or_else(|| "localhost".to_owned())
}

fn config(certificates: &str, key: &str) -> Result<Arc<rustls::ServerConfig>, Unfit> {
    let chain = CertificateDer::pem_slice_iter(certificates.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Zeroizing<String>, AdminTlsError> {
    let text = std::fs::read_to_string(path).map_err(|source| file(path, source))?;
    Ok(Zeroizing::new(text))
}

/// Whole or not at all, and for nobody else's eyes.
fn write(path: &Path, text: &str) -> Result<(), AdminTlsError> {
    let aside = path.with_extension("new");
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    written().map_err(|source| file(path, source))
}

fn file(path: &Path, source: io::Error) -> AdminTlsError {
    AdminTlsError::File {
        path: path.to_owned(),
        source,
    }
}

/// Why an admin address has no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminTlsError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The certificate or its key is not good.
    #[error("cannot serve TLS with the certificate {} and its key", path.display())]
    Unfit {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: Unfit,
    },
    /// The names of this machine are none for a certificate.
    #[error("cannot name this machine in a certificate")]
    Names(#[from] NamesFault),
    /// None could be made.
    #[error("cannot make a certificate")]
    Make(#[from] IssueError),
}

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// No PEM.
    #[error("a file holds no PEM of that kind")]
    Pem(#[from] pem::Error),
    /// TLS does not take it, such as when the key is another certificate's.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

const DAY_SECONDS: i64 = 86_400;
/// How long a self-made certificate is good.
const DAYS: u32 = 397;
/// How long before its end a start makes another one.
const RENEWED_DAYS: i64 = 60;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn loopback_alone_is_served_without_tls() {
        let folder = tempfile::tempdir().unwrap();
        for (at, tls) in [
            ("127.0.0.1:8400", false),
            ("127.1.2.3:8400", false),
            ("[::1]:8400", false),
            ("0.0.0.0:8400", true),
            ("[::]:8400", true),
            ("192.0.2.1:8400", true),
        ] {
            let opened = AdminTls::open(address(at), None, folder.path(), NOW).unwrap();
            assert_eq!(opened.is_some(), tls, "{at}");
        }
    }

    #[test]
    fn a_self_made_certificate_stays_until_its_end_is_near_or_its_names_change() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("tls");
        let print = |at: &str, days: i64| {
            let now = NOW + days * DAY_SECONDS;
            let opened = AdminTls::open(address(at), None, &kept, now)
                .unwrap()
                .unwrap();
            opened.about.sha256
        };
        let first = print("192.0.2.1:1", 0);
        assert_eq!(print("192.0.2.1:2", 300), first);
        assert_ne!(print("192.0.2.2:1", 300), first, "another address");
        let second = print("192.0.2.1:1", 300);
        assert_ne!(print("192.0.2.1:1", 640), second, "near its end");
        let third = print("192.0.2.1:1", 640);
        std::fs::write(kept.join("admin.key"), "cut short").unwrap();
        assert_ne!(print("192.0.2.1:1", 640), third, "not whole");
        let mode = kept.join("admin.key").metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn an_own_certificate_is_served_on_loopback_too_and_must_fit_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| {
            let names = ServerNames::parse(&[format!("{name}.example.com")]).unwrap();
            let made = issue::self_signed(&names, NOW, 1).unwrap();
            let files = CertificateFiles {
                certificate: folder.path().join(format!("{name}.pem")),
                key: folder.path().join(format!("{name}.key")),
            };
            std::fs::write(&files.certificate, &made.certificates).unwrap();
            std::fs::write(&files.key, made.private_key.expose()).unwrap();
            files
        });
        let open = |files: &CertificateFiles| {
            AdminTls::open(address("127.0.0.1:1"), Some(files), folder.path(), NOW)
        };
        let opened = open(&one).unwrap().unwrap();
        assert!(!opened.self_made);
        let told = opened.certificate_of(address("127.0.0.1:1"));
        assert_eq!(told.not_after, NOW + DAY_SECONDS);
        let mixed = CertificateFiles {
            key: two.key,
            ..one.clone()
        };
        assert!(matches!(open(&mixed), Err(AdminTlsError::Unfit { .. })));
        let swapped = CertificateFiles {
            certificate: one.key.clone(),
            ..one.clone()
        };
        assert!(matches!(open(&swapped), Err(AdminTlsError::Unfit { .. })));
        let missing = CertificateFiles {
            key: folder.path().join("none"),
            ..one
        };
        let error = open(&missing).unwrap_err();
        assert!(error.to_string().ends_with("/none"), "{error}");
    }
}
