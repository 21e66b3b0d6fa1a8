//! Where traces go: the collector's URL, whose certificate it must have, what is said to it besides.
//! Everything is read and judged before anything is sent.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use proto::secret::Secret;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

/// Where traces of logins are sent, and what is told in them.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector.
    pub endpoint: OtlpEndpoint,
    /// A file with headers that go with each request, such as `Authorization`; read again for each.
    pub header_file: Option<PathBuf>,
    /// A file with the authorities (PEM) that the collector's certificate must be of; none means
    /// the system's.
    pub ca: Option<PathBuf>,
    /// Whether users are named, and told where they are.
    pub user: bool,
}

impl TraceSettings {
    /// Whether everything they name can be used.
    ///
    /// # Errors
    /// [`TraceError`], with what to do about it.
    pub fn check(&self) -> Result<(), TraceError> {
        Target::open(self).map(drop)
    }
}

/// The URL of a collector that takes OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint {
    tls: bool,
    /// Without brackets.
    host: String,
    port: u16,
    /// As it stands in the `Host` header.
    authority: String,
    path: String,
}

impl OtlpEndpoint {
    /// Reads a URL as OpenTelemetry means it: what lies below it has a path of its own, for traces
    /// `/v1/traces`. That path may be written out.
    ///
    /// # Errors
    /// [`TraceError::Url`] for what is no such URL. It does not repeat it: a password may be in it.
    pub fn parse(url: &str) -> Result<Self, TraceError> {
        let wrong = |why| TraceError::Url { why };
        if url.len() > URL_OCTETS {
            return Err(wrong("it is longer than 2,048 characters"));
        }
        if url.contains(['?', '#']) {
            return Err(wrong("it has a query or a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| wrong("it is none"))?;
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong(
                "a name and password in it can be read by everybody; write the header \
                 Authorization into a file and name that with --otlp-header-file",
            ));
        }
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("it is neither http:// nor https://")),
        };
        let host = authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || ServerName::try_from(host).is_err() {
            return Err(wrong("its host is no name and no address"));
        }
        if authority.port().is_some() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("its port is none"));
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::path);
        let path = path.trim_end_matches('/');
        let path = match path.ends_with(TRACES) {
            true => path.to_owned(),
            false => format!("{path}{TRACES}"),
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            path,
        })
    }

    fn is_this_machine(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback())
    }

    pub(super) fn host(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl std::fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// A collector, ready to be talked to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(super) endpoint: OtlpEndpoint,
    /// None for plain HTTP.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    header_file: Option<PathBuf>,
}

impl Target {
    /// Reads what the settings name. Blocks.
    pub(crate) fn open(settings: &TraceSettings) -> Result<Self, TraceError> {
        let endpoint = settings.endpoint.clone();
        if !endpoint.tls && settings.header_file.is_some() && !endpoint.is_this_machine() {
            return Err(TraceError::Clear);
        }
        let tls = match endpoint.tls {
            true => {
                let name =
                    ServerName::try_from(endpoint.host.clone()).map_err(|_| TraceError::Url {
                        why: "its host is no name and no address",
                    })?;
                Some((trust(settings.ca.as_deref())?, name))
            }
            false if settings.ca.is_some() => return Err(TraceError::CaWithoutTls),
            false => None,
        };
        let target = Self {
            endpoint,
            tls,
            header_file: settings.header_file.clone(),
        };
        target.headers()?;
        Ok(target)
    }

    /// What is said besides, as the file has it now. Blocks.
    pub(super) fn headers(&self) -> Result<HeaderMap, TraceError> {
        match &self.header_file {
            Some(path) => headers(path, &read(path, HEADER_OCTETS, Readers::OwnerAndGroup)?),
            None => Ok(HeaderMap::new()),
        }
    }

    /// Whether it goes over a network as it is.
    pub(super) fn is_clear(&self) -> bool {
        !self.endpoint.tls && !self.endpoint.is_this_machine()
    }
}

/// Whom the collector's certificate must be of.
fn trust(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TraceError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let unusable = |why: &str| TraceError::Ca {
                path: path.to_owned(),
                why: why.to_owned(),
            };
            let pem = read(path, CA_OCTETS, Readers::All)?;
            for certificate in CertificateDer::pem_slice_iter(pem.expose().as_bytes()) {
                let certificate = certificate.map_err(|error| unusable(&error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| unusable(&error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unusable("it has no certificate in PEM"));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
            if roots.is_empty() {
                return Err(TraceError::NoRoots);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TraceError::NoRoots)?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Who may be able to read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    All,
    OwnerAndGroup,
}

fn read(path: &Path, most: usize, readers: Readers) -> Result<Secret<String>, TraceError> {
    let failed = |source| TraceError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if readers == Readers::OwnerAndGroup && about.is_file() && about.mode() & 0o007 != 0 {
        return Err(TraceError::Open {
            path: path.to_owned(),
        });
    }
    let mut text = String::with_capacity(OCTETS_AT_ONCE);
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let done = file.take(limit).read_to_string(&mut text);
    let text = Secret::new(text);
    done.map_err(failed)?;
    if text.expose().len() > most {
        let why = format!("it is longer than {most} octets");
        return Err(failed(io::Error::other(why)));
    }
    Ok(text)
}

/// `Name: value`, a line each; empty lines and those that begin with `#` say nothing.
fn headers(path: &Path, text: &Secret<String>) -> Result<HeaderMap, TraceError> {
    let mut headers = HeaderMap::new();
    for (at, line) in (1_usize..).zip(text.expose().lines()) {
        let wrong = |why| TraceError::Header {
            path: path.to_owned(),
            line: at,
            why,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| wrong("write NAME: VALUE"))?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| wrong("what stands before the colon is no name of a header"))?;
        if OURS.contains(&name) {
            return Err(wrong("this header is said in any case; remove the line"));
        }
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| wrong("the value has a character that no header may have"))?;
        value.set_sensitive(true);
        if headers.len() >= HEADERS {
            return Err(wrong("there are more than 32 headers"));
        }
        headers.append(name, value);
    }
    Ok(headers)
}

/// Why traces cannot be sent at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The URL is none.
    #[error(
        "the URL of the collector: {why}; write https://HOST or https://HOST:PORT/PATH, or http://HOST:4318 \
         for a collector on this machine: its port for OTLP over HTTP, not 4317, which is for gRPC"
    )]
    Url {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Headers would go over a network as they are.
    #[error(
        "the headers of --otlp-header-file would go over the network in the clear; \
         write https:// in --otlp-endpoint (http:// is for this machine)"
    )]
    Clear,
    /// An authority for nothing.
    #[error("--otlp-ca is for https://, and --otlp-endpoint is http://; remove one of them")]
    CaWithoutTls,
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Everybody can read what only the gateway may.
    #[error("others can read {}, which has the collector's key; run 'chmod 640 {}'", path.display(), path.display())]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// A line is no header.
    #[error("{}:{line}: {why}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong; never the line.
        why: &'static str,
    },
    /// The authorities cannot be used.
    #[error("{}: {why}; name a file with the certificate of the authority (PEM) in --otlp-ca", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A fault of ours.
    #[error("what traces need was not read: {0}")]
    Unread(String),
    /// There is nobody to trust.
    #[error(
        "this machine has no trusted authorities; install ca-certificates, or name a file with \
         the authority of the collector in --otlp-ca"
    )]
    NoRoots,
}

const TRACES: &str = "/v1/traces";
const OURS: [HeaderName; 7] = [
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::USER_AGENT,
];
const URL_OCTETS: usize = 2_048;
/// The longest file of headers.
const HEADER_OCTETS: usize = 16 * 1024;
/// The most headers.
const HEADERS: usize = 32;
/// The longest file of authorities.
const CA_OCTETS: usize = 1024 * 1024;
/// So that a short secret is not left behind where a text grew.
const OCTETS_AT_ONCE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_url_is_the_base_of_the_traces() {
        for (url, want) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("https://tempo.example", "https://tempo.example/v1/traces"),
            (
                "https://tempo.example/otlp",
                "https://tempo.example/otlp/v1/traces",
            ),
            (
                "https://tempo.example/otlp/v1/traces/",
                "https://tempo.example/otlp/v1/traces",
            ),
        ] {
            let read = OtlpEndpoint::parse(url).map(|read| read.to_string());
            assert_eq!(read.ok().as_deref(), Some(want), "{url}");
        }
        let read = OtlpEndpoint::parse("https://[2001:db8::1]").unwrap();
        assert_eq!(read.host(), ("2001:db8::1", 443));
        assert_eq!(read.authority(), "[2001:db8::1]");
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for (url, want) in [
            ("", "it is none"),
            ("tempo.example:4318", "it is neither http:// nor https://"),
            ("grpc://tempo.example", "it is neither http:// nor https://"),
            ("/v1/traces", "it names no host"),
            ("https://tempo.example?token=hunter2", "it has a query"),
            ("https://me:hunter2@tempo.example", "--otlp-header-file"),
            ("https://tempo.example:0", "its port is none"),
            ("https://te_mpo!.example", "its host is no name"),
        ] {
            let error = OtlpEndpoint::parse(url).unwrap_err().to_string();
            assert!(error.contains(want), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let long = format!("https://tempo.example/{}", "x".repeat(URL_OCTETS));
        assert!(OtlpEndpoint::parse(&long).is_err());
    }

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        mode(path, 0o640);
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn headers_that_everybody_can_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        write(&path, "Authorization: Bearer hunter2\n");
        let settings = TraceSettings {
            header_file: Some(path.clone()),
            ..settings("http://localhost:4318")
        };
        for (bits, good) in [(0o400, true), (0o640, true), (0o644, false), (0o602, false)] {
            mode(&path, bits);
            let checked = settings.check();
            assert_eq!(checked.is_ok(), good, "{bits:o}");
            if let Err(error) = checked {
                let remedy = format!("run 'chmod 640 {}'", path.display());
                assert!(error.to_string().ends_with(&remedy), "{error}");
            }
        }
    }

    fn settings(url: &str) -> TraceSettings {
        TraceSettings {
            endpoint: OtlpEndpoint::parse(url).unwrap(),
            header_file: None,
            ca: None,
            user: false,
        }
    }

    #[test]
    fn headers_come_from_a_file_whose_faults_are_named_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        let mut settings = settings("http://localhost:4318");
        settings.header_file = Some(path.clone());
        let error = settings.check().unwrap_err().to_string();
        assert_eq!(error, format!("cannot read {}", path.display()));
        for (text, want) in [
            ("\n# a note\nAuthorization: Bearer hunter2\n", None),
            ("X-Scope-OrgID:one\r\nX-Other: a:b\r\n", None),
            ("", None),
            ("Bearer hunter2", Some(":1: write NAME: VALUE")),
            ("\n\nX y: hunter2", Some(":3: what stands before")),
            ("a: hunter2\u{1}", Some(":1: the value has")),
            ("Host: hunter2", Some(":1: this header is said")),
            ("content-type: hunter2", Some(":1: this header is said")),
        ] {
            write(&path, text);
            let error = settings.check().err().map(|error| error.to_string());
            let fits = match (want, &error) {
                (None, None) => true,
                (Some(want), Some(error)) => error.contains(want) && !error.contains("hunter2"),
                _ => false,
            };
            assert!(fits, "{text:?}: {error:?}");
        }
        std::fs::write(&path, "x: y\n".repeat(HEADERS + 1)).unwrap();
        assert!(settings.check().is_err());
        std::fs::write(&path, "#".repeat(HEADER_OCTETS + 1)).unwrap();
        assert!(settings.check().is_err());
        // Read anew each time, and never shown.
        std::fs::write(&path, "Authorization: Bearer one\n").unwrap();
        let target = Target::open(&settings).unwrap();
        assert!(!format!("{:?}", target.headers().unwrap()).contains("one"));
        std::fs::write(&path, "Authorization: Bearer two\n").unwrap();
        let now = target.headers().unwrap();
        assert_eq!(now[header::AUTHORIZATION], "Bearer two");
    }

    #[test]
    fn what_is_secret_goes_over_no_network_in_the_clear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, "");
        let with_headers = |url| TraceSettings {
            header_file: Some(path.clone()),
            ..settings(url)
        };
        for (url, good) in [
            ("http://127.0.0.1:4318", true),
            ("http://[::1]:4318", true),
            ("http://LOCALHOST:4318", true),
            ("http://192.0.2.1:4318", false),
            ("http://localhost.example:4318", false),
        ] {
            let checked = with_headers(url).check();
            assert_eq!(checked.is_ok(), good, "{url}: {checked:?}");
            assert!(settings(url).check().is_ok(), "{url}");
            assert_eq!(Target::open(&settings(url)).unwrap().is_clear(), !good);
        }
        let with_ca = |url| TraceSettings {
            ca: Some(path.clone()),
            ..settings(url)
        };
        let error = with_ca("http://127.0.0.1").check().unwrap_err();
        assert!(matches!(error, TraceError::CaWithoutTls), "{error}");
        let error = with_ca("https://127.0.0.1").check().unwrap_err();
        assert!(
            error.to_string().contains("no certificate in PEM"),
            "{error}"
        );
        std::fs::write(
            &path,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        let error = with_ca("https://127.0.0.1").check().unwrap_err();
        assert!(matches!(error, TraceError::Ca { .. }), "{error}");
    }
}
