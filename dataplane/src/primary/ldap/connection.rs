//! One connection to one host: opening it, and the two operations a login needs.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ldap3::asn1::StructureTag;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, ResultEntry, Scope,
    SearchOptions, StdStream,
};
use proto::config::{Host, Transport};
use proto::secret::Secret;
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;

use super::{Fault, answer, tls};
use crate::primary::check::now;

/// How a host is reached.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) host: Host,
    pub(super) transport: Transport,
    /// None over a clear transport.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
    pub(super) tasks: TaskTracker,
}

impl Endpoint {
    /// Opens a connection: TCP, TLS, and a task that reads from it until it ends or its last
    /// handle is dropped.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Ldap, Fault> {
        let (connection, ldap) = match timeout_at(deadline.into(), shield(self.open())).await {
            Err(_) => return Err(Fault::TimedOut("no connection in time")),
            Ok(None) => return Err(Fault::Lost("it answers with something other than LDAP")),
            Ok(Some(opened)) => opened?,
        };
        self.tasks.spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(error = %error, "directory connection ended");
            }
        });
        Ok(ldap)
    }

    async fn open(&self) -> Result<(LdapConnAsync, Ldap), Fault> {
        let stream = TcpStream::connect((self.host.name.as_str(), self.host.port))
            .await
            .map_err(|error| Fault::Unreachable(error.to_string()))?;
        let stream = tune(stream, self.timeout)
            .map_err(|error| Fault::Internal(format!("socket: {error}")))?;
        let mut settings = LdapConnSettings::new()
            .set_std_stream(StdStream::Tcp(stream))
            .set_starttls(self.transport == Transport::StartTls);
        if let Some(config) = &self.tls {
            settings = settings.set_config(Arc::clone(config));
        }
        LdapConnAsync::with_settings(settings, &self.url())
            .await
            .map_err(opening_fault)
    }

    /// The URL for the library, which connects to nothing by it and cannot read IPv6 addresses:
    /// what a certificate must name is in the TLS settings.
    fn url(&self) -> String {
        let scheme = match self.transport {
            Transport::Ldaps => "ldaps",
            Transport::Clear | Transport::StartTls => "ldap",
        };
        let name = if self.host.name.contains(':') {
            "address.invalid"
        } else {
            &self.host.name
        };
        format!("{scheme}://{name}:{}", self.host.port)
    }
}

/// Binds. The password is not empty (RFC 4513 section 5.1.2), nor the name (section 5.1.1): either
/// would make this an anonymous bind, which succeeds.
pub(super) async fn bind(
    ldap: &mut Ldap,
    dn: &str,
    password: &Secret<String>,
    deadline: Instant,
) -> Result<LdapResult, Fault> {
    if dn.is_empty() || password.expose().is_empty() {
        return Err(Fault::Internal(
            "a bind without name or password is never sent".to_owned(),
        ));
    }
    let bound = ldap.simple_bind(dn, password.expose());
    within(deadline, "no answer to a bind in time", bound).await
}

/// One search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a str,
    /// The attribute whose values are wanted; none when the names of entries are enough.
    pub(super) attribute: Option<&'a str>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) dn: String,
    /// Of the attribute that was asked for; one that is no UTF-8 has other characters in its place.
    pub(super) values: Vec<String>,
}

/// Finds entries: gives at most two, and how the search ended.
pub(super) async fn search(
    ldap: &mut Ldap,
    search: Search<'_>,
    deadline: Instant,
) -> Result<(Vec<Found>, LdapResult), Fault> {
    let attribute = search.attribute.unwrap_or(NO_ATTRIBUTES);
    ldap.with_search_options(SearchOptions::new().sizelimit(WANTED));
    let found = async {
        let mut stream = ldap
            .streaming_search(search.base, search.scope, search.filter, [attribute])
            .await?;
        let mut found = Vec::new();
        let mut others = 0_usize;
        while let Some(entry) = stream.next().await? {
            match read(entry) {
                Some(entry) => found.push(entry),
                None => others += 1,
            }
            // One more than was asked for: this host does not keep to limits.
            if found.len() > ENTRIES || others > REFERENCES {
                return Err(LdapError::EndOfStream);
            }
        }
        Ok((found, stream.finish().await))
    };
    within(deadline, "no answer to a search in time", found).await
}

/// Reads an entry; none for a reference to another directory.
fn read(entry: ResultEntry) -> Option<Found> {
    let parts = entry
        .0
        .match_id(SEARCH_RESULT_ENTRY)?
        .expect_constructed()?;
    let mut parts = parts.into_iter();
    let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
    // Each attribute is its name and the set of its values. More than one are kinds of the one
    // asked for.
    let values = parts
        .next()?
        .expect_constructed()?
        .into_iter()
        .filter_map(|attribute| attribute.expect_constructed()?.into_iter().nth(1))
        .filter_map(StructureTag::expect_constructed)
        .flatten()
        .filter_map(StructureTag::expect_primitive)
        .map(|value| String::from_utf8_lossy(&value).into_owned())
        .collect();
    Some(Found { dn, values })
}

async fn within<T>(
    deadline: Instant,
    late: &'static str,
    operation: impl Future<Output = Result<T, LdapError>>,
) -> Result<T, Fault> {
    match timeout_at(deadline.into(), shield(operation)).await {
        Err(_) => Err(Fault::TimedOut(late)),
        Ok(None) => Err(Fault::Lost("it answers with something other than LDAP")),
        Ok(Some(outcome)) => outcome.map_err(running_fault),
    }
}

/// Runs the library's code, which panics on some answers that are no LDAP. None when it did.
async fn shield<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        },
    )
    .await
}

fn opening_fault(error: LdapError) -> Fault {
    match error {
        LdapError::Io { source } => {
            let tls = source
                .get_ref()
                .and_then(|cause| cause.downcast_ref::<rustls::Error>());
            match tls {
                Some(error) => tls_fault(error),
                None => Fault::Unreachable(format!("connection lost: {source}")),
            }
        }
        LdapError::Rustls { source } => tls_fault(&source),
        LdapError::LdapResult { result } => answer::starttls(&result),
        LdapError::DNSName { .. } | LdapError::UrlParsing { .. } => {
            Fault::Misconfigured("host is no name that can be connected to".to_owned())
        }
        other => running_fault(other),
    }
}

fn tls_fault(error: &rustls::Error) -> Fault {
    match error {
        rustls::Error::InvalidCertificate(error) => Fault::Certificate(tls::explain(error)),
        rustls::Error::InvalidMessage(_) => {
            Fault::Unreachable("it does not speak TLS on this port".to_owned())
        }
        other => Fault::Unreachable(format!("no TLS: {other}")),
    }
}

fn running_fault(error: LdapError) -> Fault {
    match error {
        LdapError::Timeout { .. } => Fault::TimedOut("no answer in time"),
        LdapError::FilterParsing => {
            Fault::Internal("a search filter of ours cannot be read".to_owned())
        }
        LdapError::Io { .. }
        | LdapError::OpSend { .. }
        | LdapError::ResultRecv { .. }
        | LdapError::IdScrubSend { .. }
        | LdapError::MiscSend { .. }
        | LdapError::EndOfStream => Fault::Lost("the connection was lost"),
        // None of the others carries what was sent.
        other => Fault::Internal(other.to_string()),
    }
}

/// Small packets leave at once, and a peer that vanished is noticed.
fn tune(stream: TcpStream, timeout: Duration) -> std::io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE_INTERVAL),
    )?;
    socket.set_tcp_user_timeout(Some(timeout))?;
    stream.into_std()
}

/// Whether a connection may be used again.
pub(super) fn is_usable(ldap: &mut Ldap, used: Instant) -> bool {
    !ldap.is_closed() && now().saturating_duration_since(used) < IDLE
}

/// No attribute is needed (RFC 4511 section 4.5.1.8).
const NO_ATTRIBUTES: &str = "1.1";

/// Two tell that a name is ambiguous.
const ENTRIES: usize = 2;
const WANTED: i32 = 2;
/// The most references to other directories that one search may bring.
const REFERENCES: usize = 64;

/// The tag of SearchResultEntry (RFC 4511 section 4.5.2).
const SEARCH_RESULT_ENTRY: u64 = 4;

/// How long a connection may lie unused: below what firewalls commonly allow.
const IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
