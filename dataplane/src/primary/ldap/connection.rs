//! One connection to one host: opening it, and its operations, one at a time. Whoever has a
//! connection has it alone: a request goes out and its answers are read by the same task.
//!
//! A connection whose operation did not end well is dropped, and not used again.
//!
//! After a bind by NTLM over a clear transport everything is sealed: each sealed part has its length
//! before it, in four octets (RFC 4422 section 3.7).

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use proto::config::{Host, Transport};
use proto::secret::Secret;
use rustls::{ClientConfig, ProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::{Zeroize, Zeroizing};

use super::ber::{self, Malformed};
use super::fault::{Fault, Wait};
use super::message::{self, Answer, BindAnswer, Found, Message, Outcome, Search};
use super::ntlm::Layer;
use super::ntlm::bindings::ChannelBindings;
use super::ntlm::seal::Seal;
use super::{answer, dial, tls};

/// How a host is reached.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) host: Host,
    pub(super) transport: Transport,
    /// None over a clear transport.
    pub(super) tls: Option<Tls>,
    pub(super) timeout: Duration,
}

/// What a host must show over TLS.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl Endpoint {
    /// Opens a connection: TCP and TLS.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Connection, Fault> {
        let stream = self.dial(deadline).await?;
        tune(&stream, self.timeout).map_err(|error| Fault::Internal(format!("socket: {error}")))?;
        let Some(tls) = &self.tls else {
            return Ok(Connection::new(Stream::Clear(stream)));
        };
        let stream = match self.transport {
            Transport::StartTls => start_tls(stream, deadline).await?,
            Transport::Clear | Transport::Ldaps => stream,
        };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let handshake = connector.connect(tls.name.clone(), stream);
        let stream = timeout_at(deadline.into(), handshake)
            .await
            .map_err(|_| Fault::TimedOut(Wait::Tls))?
            .map_err(|error| handshake_fault(&error))?;
        Ok(Connection::new(Stream::Tls(Box::new(stream))))
    }

    async fn dial(&self, deadline: Instant) -> Result<TcpStream, Fault> {
        let lookup = lookup_host((self.host.name.as_str(), self.host.port));
        let addresses = timeout_at(deadline.into(), lookup)
            .await
            .map_err(|_| Fault::TimedOut(Wait::Name))?
            .map_err(|error| Fault::Unreachable(error.to_string()))?
            .take(ADDRESSES)
            .collect();
        dial::first_of(addresses, deadline).await
    }
}

/// Asks for TLS (RFC 4511 section 4.14) and gives the stream back, ready for the handshake.
async fn start_tls(stream: TcpStream, deadline: Instant) -> Result<TcpStream, Fault> {
    let mut connection = Connection::new(Stream::Clear(stream));
    let outcome = timeout_at(deadline.into(), connection.start_tls())
        .await
        .map_err(|_| Fault::TimedOut(Wait::StartTls))??;
    if outcome.code != SUCCESS {
        return Err(answer::starttls(&outcome));
    }
    match connection.stream {
        // What was sent ahead of the handshake would be taken for what came under it.
        Stream::Clear(stream) if connection.inbox.is_empty() => Ok(stream),
        _ => Err(NO_LDAP),
    }
}

/// A connection to a host. Its identity is that of its last bind.
pub(super) struct Connection {
    stream: Stream,
    /// What has come and was not yet looked at.
    inbox: BytesMut,
    /// May hold a password, also when sending it was given up.
    outbox: Zeroizing<Vec<u8>>,
    /// Of the last message sent.
    number: u32,
    sealed: Option<Sealed>,
    /// The most octets of a message, and of all entries that a search brings.
    most: usize,
    /// Kept once they are known.
    bindings: Option<Option<ChannelBindings>>,
}

/// Below the messages.
struct Sealed {
    seal: Seal,
    /// What has come and was not yet opened.
    inbox: BytesMut,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
            outbox: Zeroizing::default(),
            number: 0,
            sealed: None,
            most: MESSAGE_OCTETS,
            bindings: None,
        }
    }

    /// Binds by name and password. The password is not empty (RFC 4513 section 5.1.2), nor the name
    /// (section 5.1.1): either would make this an anonymous bind, which succeeds.
    pub(super) async fn bind(
        &mut self,
        name: &str,
        password: &Secret<String>,
        deadline: Instant,
    ) -> Result<BindAnswer, Fault> {
        if name.is_empty() || password.expose().is_empty() {
            return Err(Fault::Internal(
                "a bind without name or password is never sent".to_owned(),
            ));
        }
        let id = self.next();
        message::simple_bind(&mut self.outbox, id, name, password.expose());
        self.bound(id, deadline).await
    }

    /// Takes one step of a bind by a mechanism.
    pub(super) async fn sasl_bind(
        &mut self,
        mechanism: &str,
        credentials: &[u8],
        deadline: Instant,
    ) -> Result<BindAnswer, Fault> {
        let id = self.next();
        message::sasl_bind(&mut self.outbox, id, mechanism, credentials);
        self.bound(id, deadline).await
    }

    async fn bound(&mut self, id: u32, deadline: Instant) -> Result<BindAnswer, Fault> {
        let bound = async {
            self.send().await?;
            self.receive(id, |message| message.bind()).await
        };
        timeout_at(deadline.into(), bound)
            .await
            .map_err(|_| Fault::TimedOut(Wait::Bind))?
    }

    /// The layer that NTLM has to bring: none over TLS, where a directory refuses one.
    pub(super) const fn layer(&self) -> Layer {
        match self.stream {
            Stream::Clear(_) => Layer::Seal,
            Stream::Tls(_) => Layer::None,
        }
    }

    /// What ties a bind to this connection; none over a clear transport, and for a certificate that
    /// has none.
    pub(super) fn bindings(&mut self) -> Option<ChannelBindings> {
        let Stream::Tls(stream) = &self.stream else {
            return None;
        };
        self.bindings
            .get_or_insert_with(|| {
                let (_, session) = stream.get_ref();
                let certificate = session.peer_certificates()?.first()?;
                ChannelBindings::of_certificate(certificate)
            })
            .clone()
    }

    /// The address of this machine that it goes from.
    pub(super) fn local(&self) -> Option<IpAddr> {
        let tcp = match &self.stream {
            Stream::Clear(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        let local = tcp.local_addr().ok()?;
        Some(local.ip().to_canonical())
    }

    /// What the host showed, its own certificate first; none over a clear transport.
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let Stream::Tls(tls) = &self.stream else {
            return Vec::new();
        };
        let shown = tls.get_ref().1.peer_certificates().unwrap_or_default();
        shown.iter().map(|one| one.clone().into_owned()).collect()
    }

    /// What TLS agreed on; none over a clear transport.
    pub(super) fn tls_version(&self) -> Option<ProtocolVersion> {
        match &self.stream {
            Stream::Clear(_) => None,
            Stream::Tls(tls) => tls.get_ref().1.protocol_version(),
        }
    }

    /// Seals everything from here on.
    pub(super) fn seal(&mut self, seal: Seal) -> Result<(), Fault> {
        if !self.inbox.is_empty() {
            return Err(NO_LDAP);
        }
        self.sealed = Some(Sealed {
            seal,
            inbox: BytesMut::new(),
        });
        Ok(())
    }

    /// Whether everything is sealed. Then there can be no other bind.
    pub(super) const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Lets a group name many members, for a connection that is asked for all of them.
    pub(super) const fn takes_long_messages(&mut self) {
        self.most = LONG_MESSAGE_OCTETS;
    }

    /// Finds a page of entries, and says how the search ended and what brings the next one.
    pub(super) async fn page(
        &mut self,
        search: &Search<'_>,
        size: u32,
        cookie: &[u8],
        deadline: Instant,
    ) -> Result<(Vec<Found>, Outcome, Vec<u8>), Fault> {
        let id = self.next();
        message::page(&mut self.outbox, id, search, size, cookie);
        timeout_at(deadline.into(), self.entries(id, size))
            .await
            .map_err(|_| Fault::TimedOut(Wait::Search))?
    }

    /// Finds entries, and says how the search ended.
    pub(super) async fn search(
        &mut self,
        search: &Search<'_>,
        deadline: Instant,
    ) -> Result<(Vec<Found>, Outcome), Fault> {
        timeout_at(deadline.into(), self.found(search))
            .await
            .map_err(|_| Fault::TimedOut(Wait::Search))?
    }

    async fn found(&mut self, search: &Search<'_>) -> Result<(Vec<Found>, Outcome), Fault> {
        let id = self.next();
        message::search(&mut self.outbox, id, search);
        let (found, outcome, _) = self.entries(id, search.limit).await?;
        Ok((found, outcome))
    }

    /// Sends a search, and takes what it brings.
    async fn entries(
        &mut self,
        id: u32,
        limit: u32,
    ) -> Result<(Vec<Found>, Outcome, Vec<u8>), Fault> {
        self.send().await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut others = 0_usize;
        let mut octets = 0_usize;
        loop {
            let part = self
                .receive(id, |message| match message.answer {
                    Answer::Entry(content) => message::entry(content).map(Part::Entry),
                    Answer::SearchEnd(content) => {
                        let outcome = message::ended(content)?;
                        Ok(Part::End(outcome, message.next_page()))
                    }
                    Answer::Reference | Answer::Intermediate => Ok(Part::Other),
                    Answer::Bind(_) | Answer::Extended(_) => Err(Malformed),
                })
                .await?;
            match part {
                Part::Entry(entry) => {
                    octets += entry.octets();
                    found.push(entry);
                }
                Part::End(outcome, next) => return Ok((found, outcome, next)),
                Part::Other => others += 1,
            }
            if found.len() > wanted || others > OTHERS || octets > self.most {
                return Err(BEYOND_THE_LIMIT);
            }
        }
    }

    async fn start_tls(&mut self) -> Result<Outcome, Fault> {
        let id = self.next();
        message::start_tls(&mut self.outbox, id);
        self.send().await?;
        self.receive(id, |message| match message.answer {
            Answer::Extended(content) => message::ended(content),
            _ => Err(Malformed),
        })
        .await
    }

    /// Says goodbye, if that needs no waiting (RFC 4511 section 4.3).
    pub(super) fn close(mut self) {
        let id = self.next();
        message::unbind(&mut self.outbox, id);
        self.wrap();
        self.stream.send_now(&self.outbox);
    }

    /// Whether nothing has come since the last operation, not even the end.
    pub(super) fn is_quiet(&mut self) -> bool {
        let sealed = self
            .sealed
            .as_ref()
            .is_none_or(|sealed| sealed.inbox.is_empty());
        sealed && self.inbox.is_empty() && self.stream.is_quiet()
    }

    /// Makes it small for lying unused.
    pub(super) fn rest(&mut self) {
        if self.inbox.capacity() > 2 * READ_OCTETS {
            self.inbox = BytesMut::new();
        }
    }

    const fn next(&mut self) -> u32 {
        self.number = if self.number < MAX_NUMBER {
            self.number + 1
        } else {
            1
        };
        self.number
    }

    /// Seals what is in the outbox, if all is sealed.
    fn wrap(&mut self) {
        if let Some(sealed) = &mut self.sealed {
            let part = sealed.seal.wrap(&self.outbox);
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            self.outbox.clear();
            self.outbox.extend_from_slice(&length.to_be_bytes());
            self.outbox.extend_from_slice(&part);
        }
    }

    /// Sends what is in the outbox, which may hold a password.
    async fn send(&mut self) -> Result<(), Fault> {
        self.wrap();
        let sent = self.stream.send(&self.outbox).await;
        self.outbox.zeroize();
        sent.map_err(|_| LOST)
    }

    /// Waits for a whole message, and reads it. It must be an answer to the message of this number.
    async fn receive<T>(
        &mut self,
        id: u32,
        read: impl FnOnce(&Message<'_>) -> Result<T, Malformed>,
    ) -> Result<T, Fault> {
        let length = loop {
            if let Some(length) = whole(&self.inbox, self.most).map_err(|_| NO_LDAP)? {
                break length;
            }
            let into = match &mut self.sealed {
                None => &mut self.inbox,
                Some(sealed) => &mut sealed.inbox,
            };
            if into.capacity() - into.len() < READ_OCTETS / 4 {
                into.reserve(READ_OCTETS);
            }
            match self.stream.receive(into).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(LOST),
            }
            if let Some(sealed) = &mut self.sealed {
                sealed.open(&mut self.inbox)?;
            }
        };
        let octets = self.inbox.get(..length).unwrap_or_default();
        let message = Message::read(octets).map_err(|_| NO_LDAP)?;
        if message.is_notice() {
            return Err(Fault::Lost("the directory ended the connection"));
        }
        if message.id != id {
            return Err(NO_LDAP);
        }
        let answer = read(&message).map_err(|_| NO_LDAP)?;
        self.inbox.advance(length);
        Ok(answer)
    }
}

impl Sealed {
    /// Opens the parts that are there whole.
    fn open(&mut self, into: &mut BytesMut) -> Result<(), Fault> {
        while let Some((length, rest)) = self.inbox.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if length > MESSAGE_OCTETS {
                return Err(NO_LDAP);
            }
            let Some(part) = rest.get(..length) else {
                break;
            };
            let clear = self
                .seal
                .unwrap(part)
                .map_err(|error| answer::ntlm_fault(&error))?;
            into.extend_from_slice(&clear);
            self.inbox.advance(LENGTH_OCTETS + length);
        }
        Ok(())
    }
}

/// What a search brings.
enum Part {
    Entry(Found),
    /// And what brings the next page.
    End(Outcome, Vec<u8>),
    Other,
}

/// The length of the message at the front, when all of it is there.
fn whole(octets: &[u8], most: usize) -> Result<Option<usize>, Malformed> {
    let Some(header) = ber::header(octets)? else {
        return match octets.first() {
            Some(&first) if first != ber::SEQUENCE => Err(Malformed),
            _ => Ok(None),
        };
    };
    let length = header.octets + header.length;
    if header.tag != ber::SEQUENCE || length > most {
        return Err(Malformed);
    }
    Ok((octets.len() >= length).then_some(length))
}

/// What a connection goes over.
enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.write_all(octets).await,
            Self::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
        }
    }

    async fn receive(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read_buf(into).await,
            Self::Tls(stream) => stream.read_buf(into).await,
        }
    }

    /// Whether there is nothing to read. Takes what TLS itself has to say.
    fn is_quiet(&mut self) -> bool {
        let mut octet = [0];
        let mut into = ReadBuf::new(&mut octet);
        let mut context = Context::from_waker(Waker::noop());
        let read = match self {
            Self::Clear(stream) => Pin::new(stream).poll_read(&mut context, &mut into),
            Self::Tls(stream) => Pin::new(stream).poll_read(&mut context, &mut into),
        };
        read.is_pending()
    }

    /// Sends if there is room, and does not wait.
    fn send_now(&mut self, octets: &[u8]) {
        let mut context = Context::from_waker(Waker::noop());
        let sent = match self {
            Self::Clear(stream) => Pin::new(stream).poll_write(&mut context, octets),
            Self::Tls(stream) => match Pin::new(&mut *stream).poll_write(&mut context, octets) {
                Poll::Ready(Ok(_)) => Pin::new(stream)
                    .poll_flush(&mut context)
                    .map_ok(|()| octets.len()),
                other => other,
            },
        };
        if let Poll::Ready(Err(error)) = sent {
            tracing::trace!(error = %error, "no goodbye to a directory");
        }
    }
}

fn handshake_fault(error: &io::Error) -> Fault {
    let tls = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(error)) => Fault::Certificate(tls::explain(error)),
        Some(rustls::Error::InvalidMessage(_)) => {
            Fault::Unreachable("it does not speak TLS on this port".to_owned())
        }
        Some(other) => Fault::Unreachable(format!("no TLS: {other}")),
        None => Fault::Unreachable(format!("connection lost at the TLS handshake: {error}")),
    }
}

/// Small packets leave at once, and a peer that vanished is noticed.
fn tune(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE_INTERVAL),
    )?;
    socket.set_tcp_user_timeout(Some(timeout))
}

/// More came than was asked for. Samba sends everything.
pub(super) const BEYOND_THE_LIMIT: Fault = Fault::Lost("it does not keep to the limit of a search");

const LOST: Fault = Fault::Lost("the connection was lost");
const NO_LDAP: Fault = Fault::Lost("it answers with something other than LDAP");

const SUCCESS: u32 = 0;

/// The most octets of a message, and of all entries that a search brings: they are held together.
const MESSAGE_OCTETS: usize = 1024 * 1024;
/// The same where people are listed.
const LONG_MESSAGE_OCTETS: usize = 16 * 1024 * 1024;
/// Octets of the length before a sealed part.
const LENGTH_OCTETS: usize = 4;
/// Octets that are made room for at a time. Room grows with what has come, not with what was
/// announced.
const READ_OCTETS: usize = 4096;
/// The most answers to a search that are no entry: references to other directories.
const OTHERS: usize = 64;
/// Addresses of a name that are tried.
const ADDRESSES: usize = 8;
/// RFC 4511 section 4.1.1.1.
const MAX_NUMBER: u32 = 0x7fff_ffff;
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[tokio::test]
    async fn what_was_to_be_sent_is_wiped_with_its_connection() {
        const fn is_wiped(_: &impl ZeroizeOnDrop) {}
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        is_wiped(&Connection::new(Stream::Clear(stream)).outbox);
    }
}
