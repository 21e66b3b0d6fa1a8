//! A server that hears what is sent and answers as it is told: in place of a gateway, and of a push
//! service. Used by the tests of the crate too.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Say {
    Status(u16),
    /// 302 to another address.
    Elsewhere,
    /// Nothing, ever.
    Nothing,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// The server. It ends with its value.
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    /// Its own certificate, for `localhost`.
    pub(crate) ca_pem: String,
    says: Arc<Mutex<VecDeque<Say>>>,
    heard: mpsc::UnboundedReceiver<Heard>,
    _task: JoinSet<()>,
}

impl Double {
    /// Over HTTPS.
    pub(crate) async fn secure() -> Self {
        Self::start(true).await
    }

    /// Over HTTP.
    pub(crate) async fn plain() -> Self {
        Self::start(false).await
    }

    async fn start(secure: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let says = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, heard) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        let own = Arc::clone(&says);
        task.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, says, sender) = (acceptor.clone(), Arc::clone(&own), sender.clone());
                open.spawn(async move {
                    if !secure {
                        answer(stream, &says, &sender).await;
                    } else if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, &says, &sender).await;
                    }
                });
            }
        });
        Self {
            address,
            ca_pem: made.cert.pem(),
            says,
            heard,
            _task: task,
        }
    }

    /// Has it answer so, one after the other, and then 200.
    pub(crate) fn say(&self, says: &[Say]) {
        *self.says.lock().unwrap() = says.iter().copied().collect();
    }

    /// Its address by its name.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// The next request.
    pub(crate) async fn heard(&mut self) -> Heard {
        let heard = tokio::time::timeout(Duration::from_secs(20), self.heard.recv());
        heard.await.expect("something is sent").unwrap()
    }

    /// Whether nothing more was heard.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    says: &Mutex<VecDeque<Say>>,
    sender: &mpsc::UnboundedSender<Heard>,
) {
    let mut octets = Vec::new();
    let heard = loop {
        if stream.read_buf(&mut octets).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(heard) = read(&octets) {
            break heard;
        }
    };
    let say = says.lock().unwrap().pop_front().unwrap_or(Say::Status(200));
    // The other side may be gone with the test.
    drop(sender.send(heard));
    let head = match say {
        Say::Nothing => std::future::pending().await,
        Say::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
        Say::Elsewhere => {
            "HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
                .to_owned()
        }
    };
    drop(stream.write_all(head.as_bytes()).await);
    drop(stream.flush().await);
}

fn read(octets: &[u8]) -> Option<Heard> {
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&octets[..end]).unwrap();
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let body = octets.get(end + 4..end + 4 + length)?.to_vec();
    Some(Heard {
        path,
        headers,
        body,
    })
}
