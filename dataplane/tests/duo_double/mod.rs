//! A second factor that says and does what a test tells it to, over real TLS.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dataplane::clock;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use proto::config::{Application, Settings, Snapshot, raw};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ring::hmac;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const IKEY: &str = "DIWJ8X6AEYOR5OMC6TQ1";
pub(crate) const SKEY: &str = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep";

/// What happens to the next request.
pub(crate) enum Step {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The request is read, and the connection closed (over HTTP/2: the stream reset).
    Close,
    /// The usual answer, once [`Double::release`] was called.
    Hold,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) parameters: String,
    pub(crate) version: Version,
    pub(crate) signed: bool,
}

#[derive(Default)]
struct Shared {
    plan: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Polls are held until release.
    held: AtomicUsize,
    clock_offset: AtomicI64,
    refuse_clock: Mutex<Option<i64>>,
    kill: Mutex<CancellationToken>,
    /// How long it takes for a TLS handshake, one after the other.
    handshake: Mutex<Duration>,
}

pub(crate) struct Double {
    pub(crate) port: u16,
    pub(crate) ca: String,
    shared: Arc<Shared>,
    release: watch::Sender<bool>,
    cancel: CancellationToken,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A CA, and an acceptor with a certificate of it.
pub(crate) fn acceptor(names: &[&str], alpn: &[&str]) -> (String, TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (issuer.pem(), TlsAcceptor::from(Arc::new(config)))
}

impl Double {
    /// Speaks what is named, on a port of its own.
    pub(crate) async fn start(alpn: &[&str]) -> Self {
        Self::with_streams(alpn, 250).await
    }

    /// Takes at most so many streams a connection.
    pub(crate) async fn with_streams(alpn: &[&str], streams: u32) -> Self {
        Self::on(0, streams, acceptor(&["localhost", "127.0.0.1"], alpn)).await
    }

    /// On that port, 0 for any, with what [`acceptor`] gave.
    pub(crate) async fn on(port: u16, streams: u32, (ca, tls): (String, TlsAcceptor)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (release, released) = watch::channel(false);
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (all, stop, spawner) = (Arc::clone(&shared), cancel.clone(), tasks.clone());
        let turns = Arc::new(Semaphore::new(1));
        tasks.spawn(async move {
            loop {
                let tcp = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap().0,
                };
                let kill = all.kill.lock().unwrap().clone();
                let (tls, all, released) = (tls.clone(), Arc::clone(&all), released.clone());
                let stop = stop.clone();
                let turn = Arc::clone(&turns);
                spawner.spawn(async move {
                    let handshake = *all.handshake.lock().unwrap();
                    if !handshake.is_zero() {
                        let _turn = turn.acquire().await.unwrap();
                        tokio::time::sleep(handshake).await;
                    }
                    let Ok(stream) = tls.accept(tcp).await else {
                        return;
                    };
                    all.connections.fetch_add(1, Ordering::SeqCst);
                    let service =
                        service_fn(|request| answer(Arc::clone(&all), released.clone(), request));
                    let mut server = auto::Builder::new(TokioExecutor::new());
                    server.http2().max_concurrent_streams(streams);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = kill.cancelled() => {}
                        _ = server.serve_connection(TokioIo::new(stream), service) => {}
                    }
                });
            }
        });
        Self {
            port,
            ca,
            shared,
            release,
            cancel,
        }
    }

    pub(crate) fn plan(&self, step: Step) {
        self.shared.plan.lock().unwrap().push_back(step);
    }

    /// An answer of that status and body.
    pub(crate) fn plan_answer(&self, status: u16, body: &str) {
        self.plan(Step::Answer(status, Vec::new(), body.to_owned()));
    }

    /// It takes so long for a TLS handshake, one after the other.
    pub(crate) fn shake_hands_in(&self, time: Duration) {
        *self.shared.handshake.lock().unwrap() = time;
    }

    /// What came, except pings; every request so far was signed rightly.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.shared.seen.lock().unwrap().clone();
        for one in &seen {
            assert!(one.signed, "a wrong signature: {one:?}");
        }
        seen
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    pub(crate) fn release(&self) {
        self.release.send_replace(true);
    }

    /// Its clock is so many seconds ahead, and it refuses dates further than 300 s from it.
    pub(crate) fn run_ahead(&self, seconds: i64) {
        self.shared.clock_offset.store(seconds, Ordering::SeqCst);
        *self.shared.refuse_clock.lock().unwrap() = Some(seconds);
    }

    /// Closes every connection.
    pub(crate) fn close_connections(&self) {
        std::mem::take(&mut *self.shared.kill.lock().unwrap()).cancel();
    }
}

async fn answer(
    shared: Arc<Shared>,
    mut released: watch::Receiver<bool>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "body")?.to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let parameters = match head.uri.query() {
        Some(query) => query.to_owned(),
        None => body,
    };
    let host = head
        .headers
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned())
        .or_else(|| head.uri.authority().map(ToString::to_string))
        .unwrap();
    assert!(host.contains(':'), "the port belongs to Host: {host}");
    let host = host.rsplit_once(':').unwrap().0;
    let date = head.headers["date"].to_str().unwrap();
    let path = head.uri.path().to_owned();
    let line = format!("{date}\n{}\n{host}\n{path}\n{parameters}", head.method);
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA512, SKEY.as_bytes()),
        line.as_bytes(),
    );
    let hex: String = tag.as_ref().iter().map(|o| format!("{o:02x}")).collect();
    let want = format!("Basic {}", STANDARD.encode(format!("{IKEY}:{hex}")));
    shared.seen.lock().unwrap().push(Seen {
        path: path.clone(),
        parameters,
        version: head.version,
        signed: head.headers["authorization"] == want.as_str(),
    });
    let step = shared.plan.lock().unwrap().pop_front();
    match step {
        Some(Step::Answer(status, headers, body)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            return Ok(response.body(Full::from(body)).unwrap());
        }
        Some(Step::Close) => return Err("told to"),
        Some(Step::Hold) => hold(&shared, &mut released).await,
        None if path == "/auth/v2/auth_status" => hold(&shared, &mut released).await,
        None => {}
    }
    let offset = shared.clock_offset.load(Ordering::SeqCst);
    let time = clock::unix_now().saturating_add_signed(offset);
    if shared.refuse_clock.lock().unwrap().is_some() && path != "/auth/v2/ping" {
        let sent = date.replace("-0000", "GMT");
        let near = (time - 300..=time + 300).any(|t| httpdate(t) == sent);
        if !near {
            let body = r#"{"stat":"FAIL","code":40105,"message":"Bad request timestamp"}"#;
            let refused = Response::builder().status(401);
            return Ok(refused.body(Full::from(body)).unwrap());
        }
    }
    let response = match path.as_str() {
        "/auth/v2/preauth" => r#"{"result":"allow","status_msg":"ok"}"#.to_owned(),
        "/auth/v2/auth" => r#"{"txid":"t1"}"#.to_owned(),
        "/auth/v2/auth_status" => {
            r#"{"result":"allow","status":"allow","status_msg":"ok"}"#.to_owned()
        }
        _ => format!(r#"{{"time":{time}}}"#),
    };
    let body = format!(r#"{{"stat":"OK","response":{response}}}"#);
    Ok(Response::new(Full::from(body)))
}

async fn hold(shared: &Shared, released: &mut watch::Receiver<bool>) {
    shared.held.fetch_add(1, Ordering::SeqCst);
    released.wait_for(|done| *done).await.unwrap();
}

fn httpdate(unix: u64) -> String {
    let days = unix / 86_400;
    let date = x509_parser::time::ASN1Time::from_timestamp(i64::try_from(unix).unwrap()).unwrap();
    let date = date.to_datetime();
    let week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let day = week[usize::try_from(days % 7).unwrap()];
    format!(
        "{day}, {:02} {} {} {:02}:{:02}:{:02} GMT",
        date.day(),
        &date.month().to_string()[..3],
        date.year(),
        date.hour(),
        date.minute(),
        date.second()
    )
}

/// A peer below HTTP: each connection's n-th request is answered with the n-th text; then the
/// connection is closed. Returns its port, its CA and how many requests it read.
pub(crate) async fn raw_double(
    answers: &'static [&'static str],
) -> (u16, String, Arc<AtomicUsize>) {
    let (ca, tls) = acceptor(&["localhost"], &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    TaskTracker::new().spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = tls.accept(tcp).await else {
                continue;
            };
            for answer in answers {
                let mut head = Vec::new();
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                if head.is_empty() {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            drop(stream.shutdown().await);
        }
    });
    (port, ca, requests)
}

/// A CONNECT proxy that answers with this line; with 200 it opens the tunnel. Counts tunnels.
pub(crate) async fn proxy(line: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tunnels = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tunnels);
    let tasks = TaskTracker::new();
    let spawner = tasks.clone();
    tasks.spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            spawner.spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    near.read_buf(&mut head).await.unwrap();
                }
                let head = String::from_utf8(head).unwrap();
                let to = head.strip_prefix("CONNECT ").unwrap();
                let to = to.split(' ').next().unwrap().to_owned();
                assert!(head.contains(&format!("\r\nHost: {to}\r\n")), "{head}");
                count.fetch_add(1, Ordering::SeqCst);
                let answer = format!("{line}\r\nVia: test\r\n\r\n");
                near.write_all(answer.as_bytes()).await.unwrap();
                if line.contains(" 200 ") {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                }
            });
        }
    });
    (port, tunnels)
}

/// The configuration of one integration. A CA with `pinned` is the application's own.
pub(crate) fn configured(
    host: &str,
    port: u16,
    ca: &str,
    pinned: bool,
    proxy: Option<u16>,
) -> (Application, Settings) {
    let mut json = serde_json::json!({
        "revision": 1,
        "authenticators": [{"id": "duo_only_client", "kind": "duo_only"}],
        "integrations": [{
            "id": "a", "mode": "auto", "authenticator": "duo_only_client",
            "application": {"ikey": IKEY, "skey": SKEY, "host": host, "port": port},
            "clients": [{"address": "10.0.0.0/24", "secret": "s"}],
        }],
    });
    if pinned {
        json["integrations"][0]["application"]["pinned_ca"] = ca.into();
    } else {
        json["settings"]["http_ca_certs"] = ca.into();
    }
    if let Some(port) = proxy {
        json["settings"]["http_proxy"] = serde_json::json!({"host": "127.0.0.1", "port": port});
    }
    let raw: raw::Snapshot = serde_json::from_value(json).unwrap();
    let snapshot = Snapshot::try_from(raw).unwrap();
    let application = snapshot.integrations[0].application.clone();
    (application, snapshot.settings)
}

/// Waits for a condition; the test's own time limit bounds it.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
