//! One request to a provider: by TLS or on this machine, in a bounded time, with an answer of a
//! bounded size. No other address is followed to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::settings::Endpoint;

/// Whom a provider's certificate must be of.
///
/// # Errors
/// [`FetchError::Roots`].
pub(super) fn trust(ca_certs: Option<&str>) -> Result<Arc<ClientConfig>, FetchError> {
    let mut roots = RootCertStore::empty();
    match ca_certs {
        Some(pem) => {
            let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
            roots.add_parsable_certificates(certificates.filter_map(Result::ok));
        }
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
        }
    }
    if roots.is_empty() {
        return Err(FetchError::Roots);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| FetchError::Roots)?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// What is asked.
pub(super) enum Ask {
    Get,
    /// A form, with the `Authorization` that goes with it.
    Form(String, Option<HeaderValue>),
}

/// Asks, and reads an answer of status 200.
///
/// # Errors
/// [`FetchError`].
pub(super) async fn fetch(
    tls: &Arc<ClientConfig>,
    url: &str,
    ask: Ask,
) -> Result<Bytes, FetchError> {
    let endpoint = Endpoint::parse(url).ok_or(FetchError::Address)?;
    tokio::time::timeout(LIMIT, exchange(tls, &endpoint, ask))
        .await
        .map_err(|_| FetchError::Late)?
}

async fn exchange(
    tls: &Arc<ClientConfig>,
    endpoint: &Endpoint,
    ask: Ask,
) -> Result<Bytes, FetchError> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    let stream: Box<dyn Stream> = match endpoint.tls {
        false => Box::new(stream),
        true => {
            let name = ServerName::try_from(endpoint.host.clone());
            let name = name.map_err(|_| FetchError::Address)?;
            Box::new(
                TlsConnector::from(Arc::clone(tls))
                    .connect(name, stream)
                    .await?,
            )
        }
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .uri(&endpoint.path)
        .header(header::HOST, &endpoint.authority)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "countersign");
    let request = match ask {
        Ask::Get => request.method(Method::GET).body(Full::default()),
        Ask::Form(form, authorization) => {
            let mut request = request
                .method(Method::POST)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            if let Some(value) = authorization {
                request = request.header(header::AUTHORIZATION, value);
            }
            request.body(Full::new(Bytes::from(form)))
        }
    };
    let request = request.map_err(|_| FetchError::Address)?;
    let asking = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), ANSWER_OCTETS).collect();
        let body = body.await.map_err(|_| FetchError::Body)?;
        Ok(body.to_bytes())
    };
    tokio::select! {
        answer = asking => answer,
        // It must be driven meanwhile; what it came to, asking says better.
        () = async { drop(connection.await); std::future::pending().await } => Err(FetchError::Late),
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// It is no address to be asked.
    #[error("an address is neither https:// nor of this machine")]
    Address,
    /// There is nobody to trust.
    #[error("there are no authorities to trust")]
    Roots,
    /// It is not reached, or its certificate is not trusted.
    #[error("the provider is not reached")]
    Connect(#[from] std::io::Error),
    /// It does not speak HTTP.
    #[error("the provider does not answer as it should")]
    Http(#[from] hyper::Error),
    /// It refuses.
    #[error("the provider answers {0}")]
    Status(StatusCode),
    /// The answer is too long or broke off.
    #[error("the provider's answer is too long or broke off")]
    Body,
    /// It takes too long.
    #[error("the provider does not answer in time")]
    Late,
}

/// How long a request may take, all of it.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer.
const ANSWER_OCTETS: usize = 512 * 1024;
