//! Opens one connection: name, TCP, the proxy's CONNECT, TLS. Keeps nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use rustls::{CertificateError, ClientConfig, ProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure::{Failure, FailureKind};
use super::trust::BuildError;

/// Where to, and how.
pub(crate) struct Dialer {
    /// Without brackets, lower case.
    host: String,
    port: u16,
    proxy: Option<(String, u16)>,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Dialer {
    pub(crate) fn new(
        host: &str,
        port: u16,
        proxy: Option<(String, u16)>,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, BuildError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| BuildError::Host {
            host: host.to_owned(),
        })?;
        Ok(Self {
            host: host.to_owned(),
            port,
            proxy,
            name,
            tls: TlsConnector::from(tls),
        })
    }

    /// Opens a connection and proves who is at its other end.
    ///
    /// # Errors
    /// Of the kind [`FailureKind::Connect`], as no request was sent; Internal when this machine has
    /// no descriptor, port or memory for it, which says nothing about the service.
    pub(crate) async fn dial(&self) -> Result<TlsStream<TcpStream>, Failure> {
        match timeout(DIAL_LIMIT, self.dial_unlimited()).await {
            Ok(result) => result,
            Err(_) => Err(failure(format!(
                "no connection to {} within {} s",
                self.host,
                DIAL_LIMIT.as_secs()
            ))),
        }
    }

    /// In a simulation a connection has neither addresses nor TLS; the time it may take is the same.
    #[cfg(test)]
    pub(crate) async fn simulated(&self) -> Option<Result<tokio::io::DuplexStream, Failure>> {
        let connected = crate::simulation::network::connect(self.port)?;
        Some(match timeout(DIAL_LIMIT, connected).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(fault)) => Err(unreached("cannot connect", &fault)),
            Err(_) => Err(failure("no connection".to_owned())),
        })
    }

    async fn dial_unlimited(&self) -> Result<TlsStream<TcpStream>, Failure> {
        let tcp = self.carrier().await?;
        self.secure(tcp).await.map_err(|fault| failure(fault.1))
    }

    /// Opens a connection as [`Self::dial`] does, and tells what was seen on the way.
    ///
    /// # Errors
    /// [`Unreached`].
    pub(crate) async fn reach(&self, deadline: Instant) -> Result<Reached, Unreached> {
        let late =
            |_| Unreached::Carrier(failure(format!("no connection to {} in time", self.host)));
        let tcp = timeout_at(deadline.into(), self.carrier())
            .await
            .map_err(late)?
            .map_err(Unreached::Carrier)?;
        let from = tcp
            .local_addr()
            .ok()
            .map(|address| address.ip().to_canonical());
        let tls = timeout_at(deadline.into(), self.secure(tcp))
            .await
            .map_err(late)?
            .map_err(|(certificate, detail)| Unreached::Tls {
                from,
                certificate,
                detail,
            })?;
        let (_, session) = tls.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        Ok(Reached {
            from,
            certificates: chain.iter().map(|one| one.clone().into_owned()).collect(),
            version: session.protocol_version(),
        })
    }

    /// The connection that TLS goes over.
    async fn carrier(&self) -> Result<TcpStream, Failure> {
        let (host, port) = match &self.proxy {
            Some((host, port)) => (host.as_str(), *port),
            None => (self.host.as_str(), self.port),
        };
        let addresses = tokio::net::lookup_host((host, port))
            .await
            .map_err(|fault| unreached(&format!("cannot resolve {host}"), &fault))?
            .take(ADDRESSES)
            .collect();
        let mut tcp = connect(host, addresses).await?;
        prepare(&tcp).map_err(|fault| unreached("cannot set up the socket", &fault))?;
        if self.proxy.is_some() {
            timeout(PROXY_LIMIT, self.tunnel(&mut tcp))
                .await
                .map_err(|_| failure(format!("proxy {host}:{port} did not answer")))?
                .map_err(|fault| failure(format!("proxy {host}:{port} {fault}")))?;
        }
        Ok(tcp)
    }

    /// The fault of TLS comes with what is wrong with the certificate, where that is it.
    async fn secure(
        &self,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, (Option<CertificateError>, String)> {
        match timeout(TLS_LIMIT, self.tls.connect(self.name.clone(), tcp)).await {
            Ok(Ok(tls)) => Ok(tls),
            Ok(Err(fault)) => {
                let cause = fault.get_ref().and_then(|cause| cause.downcast_ref());
                let certificate = match cause {
                    Some(rustls::Error::InvalidCertificate(error)) => Some(error.clone()),
                    _ => None,
                };
                Err((certificate, format!("TLS with {}: {fault}", self.host)))
            }
            Err(_) => Err((None, format!("TLS with {}: no answer", self.host))),
        }
    }

    /// Asks the proxy for a tunnel (RFC 9110 section 9.3.6).
    async fn tunnel(&self, tcp: &mut TcpStream) -> Result<(), String> {
        let lost = |fault: io::Error| format!("was lost: {fault}");
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let port = self.port;
        let request = format!(
            "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {USER_AGENT}\r\n\r\n"
        );
        tcp.write_all(request.as_bytes()).await.map_err(lost)?;
        let mut head = Vec::with_capacity(512);
        while !head.ends_with(b"\r\n\r\n") {
            // The server speaks only after our hello: what follows the head is no tunnel.
            if head.len() >= PROXY_OCTETS || head.windows(4).any(|four| four == b"\r\n\r\n") {
                return Err("answered with something else than a tunnel".to_owned());
            }
            if tcp.read_buf(&mut head).await.map_err(lost)? == 0 {
                return Err("closed the connection".to_owned());
            }
        }
        let line = head.split(|octet| *octet == b'\r').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let Some(("HTTP/1.1" | "HTTP/1.0", status)) = line.split_once(' ') else {
            return Err("does not speak HTTP".to_owned());
        };
        if status.split(' ').next() == Some("200") {
            return Ok(());
        }
        let shown: String = status
            .chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect();
        Err(format!("refused: {shown}"))
    }
}

/// A connection that came about, as a check sees it.
pub(crate) struct Reached {
    /// The address of this machine that it was opened from.
    pub(crate) from: Option<IpAddr>,
    /// What the host showed, its own certificate first.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) version: Option<ProtocolVersion>,
}

/// Why none did.
pub(crate) enum Unreached {
    /// No way to the host, or none by the proxy.
    Carrier(Failure),
    /// There is one.
    Tls {
        from: Option<IpAddr>,
        /// What is wrong with its certificate; none where that is not it.
        certificate: Option<CertificateError>,
        detail: String,
    },
}

/// Tries the addresses in order, the next one after [`STAGGER`] or a failure, and takes the first
/// that answers (RFC 8305 section 5, in small).
async fn connect(host: &str, addresses: Vec<SocketAddr>) -> Result<TcpStream, Failure> {
    let mut attempts = JoinSet::new();
    let mut left = addresses.into_iter();
    let mut first_fault = None;
    loop {
        match left.next() {
            Some(address) => {
                attempts.spawn(async move {
                    match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
                        Ok(Ok(tcp)) => Ok(tcp),
                        Ok(Err(fault)) => {
                            Err(unreached(&format!("cannot connect to {address}"), &fault))
                        }
                        Err(_) => Err(failure(format!("cannot connect to {address}: no answer"))),
                    }
                });
            }
            None if attempts.is_empty() => {
                return Err(
                    first_fault.unwrap_or_else(|| failure(format!("{host} has no address")))
                );
            }
            None => {}
        }
        let ended = if left.len() == 0 {
            attempts.join_next().await
        } else {
            timeout(STAGGER, attempts.join_next()).await.ok().flatten()
        };
        let fault = match ended {
            Some(Ok(Ok(tcp))) => return Ok(tcp),
            Some(Ok(Err(fault))) => fault,
            Some(Err(fault)) => failure(fault.to_string()),
            None => continue,
        };
        // The first tells most, but a fault of ours only when there is no other: a machine without
        // IPv6 has no source for the IPv6 addresses, and that is not why the service is away.
        match &first_fault {
            Some(Failure { kind, .. }) if *kind != FailureKind::Internal => {}
            Some(_) if fault.kind == FailureKind::Internal => {}
            _ => first_fault = Some(fault),
        }
    }
}

/// No delay for small writes; a dead peer is noticed though nothing is sent.
fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = socket2::SockRef::from(tcp);
    socket.set_tcp_keepalive(
        &socket2::TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_TRIES),
    )?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

/// A fault of a system call. What this machine lacks is not the service's outage.
fn unreached(what: &str, fault: &io::Error) -> Failure {
    let ours = [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOBUFS,
        Errno::ENOMEM,
        Errno::EADDRNOTAVAIL,
    ];
    let number = fault.raw_os_error().map(Errno::from_raw);
    Failure {
        kind: match number {
            Some(number) if ours.contains(&number) => FailureKind::Internal,
            _ => FailureKind::Connect,
        },
        detail: format!("{what}: {fault}"),
    }
}

const fn failure(detail: String) -> Failure {
    Failure {
        kind: FailureKind::Connect,
        detail,
    }
}

/// What we call ourselves.
pub(crate) const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// For one connection, everything included.
const DIAL_LIMIT: Duration = Duration::from_secs(30);
/// For TCP to one address.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For the proxy's answer, which connects first.
const PROXY_LIMIT: Duration = Duration::from_secs(10);
/// For the TLS handshake.
const TLS_LIMIT: Duration = Duration::from_secs(10);
/// Head start of an address before the next is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);
/// The most addresses of a name that are tried.
const ADDRESSES: usize = 16;
/// The longest head of a proxy's answer.
const PROXY_OCTETS: usize = 8 * 1024;
/// Silence before TCP probes the peer, and between the probes.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 3;
/// How long sent octets may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_an_outage() {
        for (number, want) in [
            (Errno::ECONNREFUSED, FailureKind::Connect),
            (Errno::EHOSTUNREACH, FailureKind::Connect),
            (Errno::EMFILE, FailureKind::Internal),
            (Errno::EADDRNOTAVAIL, FailureKind::Internal),
        ] {
            let failure = unreached("cannot connect", &io::Error::from(number));
            assert_eq!(failure.kind, want, "{number}");
            assert!(failure.detail.starts_with("cannot connect: "), "{number}");
        }
    }
}
