//! A double of a collector of OpenTelemetry: takes OTLP over HTTP, and has every body that it gets
//! judged by OpenTelemetry's own definition (`opentelemetry-proto` for Python, from `target/venv`).

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;

use super::{Identity, repository};
use crate::{ports, venv};

/// How long a client may take to send what it has begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running double; it ends when dropped.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    ended: AtomicBool,
    status: Mutex<u16>,
    received: Mutex<Vec<Export>>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its first line and headers, as they came.
    pub head: String,
    /// Its body, as it came.
    pub body: String,
    /// Whether it was answered with success.
    pub taken: bool,
}

impl Collector {
    /// Starts it: by HTTPS with a certificate, by HTTP without.
    #[must_use]
    pub fn start(identity: Option<&Identity>) -> Self {
        Self::at(ports::loopback(ports::free_tcp()), identity)
    }

    /// The same at this address.
    #[must_use]
    pub fn at(address: SocketAddr, identity: Option<&Identity>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = Arc::new(State {
            ended: AtomicBool::new(false),
            status: Mutex::new(200),
            received: Mutex::default(),
        });
        let tls = identity.map(|identity| Arc::new(server_config(identity)));
        let shared = Arc::clone(&state);
        let serving = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                // One that does not trust the certificate goes away.
                let _gone = match &tls {
                    None => shared.serve(stream),
                    Some(config) => {
                        let tls = ServerConnection::new(Arc::clone(config)).unwrap();
                        shared.serve(StreamOwned::new(tls, stream))
                    }
                };
            }
        });
        Self {
            address,
            state,
            serving: Some(serving),
        }
    }

    /// Answers with this status from now on.
    pub fn answer_with(&self, status: u16) {
        *self.state.status.lock().unwrap() = status;
    }

    /// What came so far.
    #[must_use]
    pub fn exports(&self) -> Vec<Export> {
        self.state.received.lock().unwrap().clone()
    }

    /// The spans that were taken, each with the attributes of its resource as `resource`, and all
    /// attributes as plain members; in the order in which they came.
    ///
    /// # Panics
    /// When a body is not as OpenTelemetry defines it, with what is wrong.
    #[must_use]
    pub fn spans(&self) -> Vec<Value> {
        let taken = self.exports().into_iter().filter(|one| one.taken);
        let judged = |one: Export| {
            let spans = judge(&one.body);
            spans.unwrap_or_else(|fault| panic!("{fault}\n{}", one.body))
        };
        taken.flat_map(judged).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

impl State {
    /// One request a connection.
    fn serve(&self, mut stream: impl Read + Write) -> std::io::Result<()> {
        let mut octets = Vec::new();
        let mut buffer = [0; 65_536];
        let (head, body) = loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            octets.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&octets);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap_or("0").parse().unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        };
        let status = *self.status.lock().unwrap();
        self.received.lock().unwrap().push(Export {
            head,
            body,
            taken: status == 200,
        });
        let answer = format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        stream.write_all(answer.as_bytes())?;
        stream.flush()
    }
}

fn server_config(identity: &Identity) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

/// The spans of a body, as [`Collector::spans`] gives them, or what of it is not as OpenTelemetry
/// defines it.
///
/// # Errors
/// The first fault.
///
/// # Panics
/// When the judge cannot be asked.
pub fn judge(body: &str) -> Result<Vec<Value>, String> {
    let mut child = Command::new(venv::program("python"))
        .arg(repository().join("tests/fixtures/otlp_judge.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(body.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
