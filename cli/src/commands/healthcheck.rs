//! `countersign healthcheck`: for containers and monitors that have nothing but this program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use local::CallError;
use proto::child::Role;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::args::HealthcheckArgs;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: HealthcheckArgs) -> Result<(), Failure> {
    let asked = match args.live {
        true => "/healthz",
        false => "/readyz",
    };
    if let Some(role) = args.role {
        return ask_role(&DataDir::new(args.data.data_dir)?, role, asked).await;
    }
    let address = reached(args.admin_listen);
    let certificate = match args.admin_tls_cert {
        Some(own) => Some(own),
        None if args.admin_listen.ip().is_loopback() => None,
        None => Some(self_made(args.data.data_dir)?),
    };
    let check = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| Failure::new(format!("no gateway answers at {address}"), &error))?;
        match certificate {
            None => ask(stream, address, asked).await,
            Some(path) => {
                let name = ServerName::from(address.ip());
                let tls = TlsConnector::from(pinned(&path)?).connect(name, stream);
                let stream = tls.await.map_err(|error| {
                    let text = format!(
                        "the gateway does not serve TLS with {} (--admin-tls-cert names another)",
                        path.display()
                    );
                    Failure::new(text, &error)
                })?;
                ask(stream, address, asked).await
            }
        }
    };
    tokio::time::timeout(LIMIT, check)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::plain(format!(
                "no answer from {address} within {LIMIT:?}"
            )))
        })
}

/// One role, by its socket.
async fn ask_role(data: &DataDir, role: Role, path: &str) -> Result<(), Failure> {
    // The second factor has nothing to wait for: it is ready once it runs.
    let path = match role {
        Role::SecondFactor => "/healthz",
        Role::ControlPlane | Role::DataPlane => path,
    };
    match data.client(role)?.get_octets(path, LIMIT).await {
        Ok(_) => {
            output::line(format_args!("{}", word(path)));
            Ok(())
        }
        Err(CallError::Refused { body, .. }) => Err(Failure::plain(format!("not ready: {body}"))),
        Err(error) => Err(Failure::new(format!("no {role} answers"), &error)),
    }
}

fn word(path: &str) -> &'static str {
    match path {
        "/healthz" => "alive",
        _ => "ready",
    }
}

/// Every address of this machine is reached over loopback.
fn reached(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The certificate that a gateway made itself; on a machine of one role, that role.
fn self_made(data_dir: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let data = DataDir::new(data_dir)?;
    let of = |role| data.of(role).join("admin.pem");
    let alone = [Role::DataPlane, Role::SecondFactor].map(of);
    let whole = of(Role::ControlPlane);
    if whole.exists() {
        return Ok(whole);
    }
    Ok(alone
        .into_iter()
        .find(|file| file.exists())
        .unwrap_or(whole))
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    address: SocketAddr,
    path: &str,
) -> Result<(), Failure> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let ask = async {
        let request = Request::get(path)
            .header(header::HOST, address.to_string())
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|error| Failure::new("the request is not possible", &error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_OCTETS)
            .collect()
            .await
            .map_err(|error| Failure::plain(format!("the answer cannot be read: {error}")))?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            output::line(format_args!("{}", word(path)));
            Ok(())
        } else {
            Err(Failure::plain(format!("not ready: {text}")))
        }
    };
    tokio::select! {
        done = ask => done,
        ended = connection => Err(match ended {
            Err(error) => failed(&error),
            Ok(()) => Failure::plain("the gateway closed the connection"),
        }),
    }
}

fn failed(error: &hyper::Error) -> Failure {
    Failure::new("the gateway could not be asked", error)
}

/// Trusts the certificate of a file and no other, whatever names stand in it.
fn pinned(path: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let unread = |error: &dyn std::error::Error| {
        Failure::plain(format!(
            "cannot read the certificate {}: {error}",
            path.display()
        ))
    };
    let certificate = CertificateDer::from_pem_file(path).map_err(|error| unread(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Pinned {
        certificate,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unread(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match *end_entity == self.certificate {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

const LIMIT: Duration = Duration::from_secs(5);
const BODY_OCTETS: usize = 64 * 1024;
