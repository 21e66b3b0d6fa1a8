//! A second factor that costs as little as HTTPS can: Auth API v2 with fixed answers.
//!
//! Who the user is says how long the person takes: `hold-…` until [`Double::release`], `pNNN-…`
//! NNN milliseconds, anybody else no time at all; of `hang-…` even the first question is held until then. Every passcode is right. One signature in [`SAMPLE`] is checked; the
//! double of the end-to-end tests checks all, remembers every request, and is too slow for this.
//!
//! `POST /baseline/auth` is for FreeRADIUS, which cannot sign: one call that is held until the
//! person decided.

use std::{
    collections::HashSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use e2e::{
    clock,
    peers::{
        Pki,
        fakeduo::{Offer, signature},
    },
    ports,
};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, StatusCode, body::Incoming, header, http::request::Parts, service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{net::TcpListener, runtime, sync::watch, task::JoinSet, time};
use tokio_rustls::TlsAcceptor;

/// Requests that share an HTTP/2 connection, at most: what public load balancers allow.
pub(crate) const STREAMS: u32 = 128;
/// One request in so many has its signature checked.
pub(crate) const SAMPLE: usize = 64;
/// How long a poll is held when nothing changes.
const HOLD: Duration = Duration::from_secs(20);

/// What happened at the double since its start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// All requests.
    pub(crate) requests: AtomicUsize,
    /// Logins begun: `auth`, or the unsigned call.
    pub(crate) logins: AtomicUsize,
    /// Polls and calls that are held now.
    pub(crate) held: AtomicUsize,
    /// Connections ever accepted.
    pub(crate) connections: AtomicUsize,
    /// Requests that came over HTTP/2.
    pub(crate) http2: AtomicUsize,
    /// Signatures that were checked and wrong.
    pub(crate) violations: AtomicUsize,
}

/// The running double. It ends with the program.
#[derive(Debug)]
pub(crate) struct Double {
    /// `localhost:PORT`.
    pub(crate) host: String,
    pub(crate) counts: Arc<Counts>,
    released: Arc<watch::Sender<bool>>,
}

impl Double {
    /// Starts it in a thread of its own.
    pub(crate) fn start(pki: &Pki, offer: Offer) -> Self {
        let address = ports::loopback(ports::free_tcp());
        let tls = tls(pki, offer);
        let host = format!("localhost:{}", address.port());
        let counts = Arc::new(Counts::default());
        let released = Arc::new(watch::Sender::new(false));
        let service = Arc::new(Service {
            host: host.clone(),
            start: clock::now(),
            counts: Arc::clone(&counts),
            released: Arc::clone(&released),
            polled: Mutex::default(),
        });
        let listening = Arc::new(AtomicBool::new(false));
        let sign = Arc::clone(&listening);
        thread::spawn(move || serve(&service, &tls, address, &sign));
        clock::wait_until("the double listens", Duration::from_secs(5), || {
            listening.load(Ordering::Acquire)
        });
        Self {
            host,
            counts,
            released,
        }
    }

    /// Everybody called `hold-…` approves, now and from now on.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    /// From now on who is called `hold-…` waits again.
    pub(crate) fn hold(&self) {
        self.released.send_replace(false);
    }
}

/// A counter's value.
pub(crate) fn read(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

fn tls(pki: &Pki, offer: Offer) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(pki.server.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pki.server.key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = match offer {
        Offer::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Offer::Http1 => vec![b"http/1.1".to_vec()],
    };
    TlsAcceptor::from(Arc::new(config))
}

fn serve(service: &Arc<Service>, tls: &TlsAcceptor, address: SocketAddr, sign: &AtomicBool) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.unwrap();
        sign.store(true, Ordering::Release);
        let mut connections = JoinSet::new();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http2().max_concurrent_streams(STREAMS);
        loop {
            tokio::select! {
                Ok((stream, _)) = listener.accept() => {
                    service.counts.connections.fetch_add(1, Ordering::Relaxed);
                    let (service, tls, builder) = (Arc::clone(service), tls.clone(), builder.clone());
                    connections.spawn(async move {
                        drop(stream.set_nodelay(true));
                        let Ok(stream) = tls.accept(stream).await else { return };
                        let answer = service_fn(move |request| answer(Arc::clone(&service), request));
                        // How a conversation ended is for the client to judge.
                        drop(builder.serve_connection(TokioIo::new(stream), answer).await);
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
}

type Response = hyper::Response<Full<Bytes>>;

struct Service {
    host: String,
    start: Instant,
    counts: Arc<Counts>,
    released: Arc<watch::Sender<bool>>,
    /// Transactions that were asked about and not decided: only their first poll is answered at
    /// once.
    polled: Mutex<HashSet<u64>>,
}

async fn answer(
    service: Arc<Service>,
    request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let counts = &service.counts;
    if parts.version == hyper::Version::HTTP_2 {
        counts.http2.fetch_add(1, Ordering::Relaxed);
    }
    let number = counts.requests.fetch_add(1, Ordering::Relaxed);
    let Ok(body) = body.collect().await else {
        return Ok(respond(StatusCode::BAD_REQUEST, ""));
    };
    let body = body.to_bytes();
    let form = match parts.method {
        Method::POST => std::str::from_utf8(&body).unwrap_or_default(),
        _ => parts.uri.query().unwrap_or_default(),
    };
    let path = parts.uri.path();
    if number.is_multiple_of(SAMPLE) && path.starts_with("/auth/v2/") && path != "/auth/v2/ping" {
        service.check(&parts, form);
    }
    let user = field(form, "username");
    Ok(match path {
        "/auth/v2/preauth" => {
            if user.starts_with("hang-") {
                service.decided(NEVER).await;
            }
            respond(StatusCode::OK, PREAUTH)
        }
        "/auth/v2/auth" => {
            let serial = counts.logins.fetch_add(1, Ordering::Relaxed);
            if field(form, "factor") == "passcode" {
                return Ok(respond(StatusCode::OK, ALLOW));
            }
            let ready = service.ready(user);
            let body =
                format!(r#"{{"stat":"OK","response":{{"txid":"{ready:016x}-{serial:016x}"}}}}"#);
            respond(StatusCode::OK, body)
        }
        "/auth/v2/auth_status" => match transaction(field(form, "txid")) {
            Some((ready, serial)) => service.status(ready, serial).await,
            None => respond(StatusCode::BAD_REQUEST, UNKNOWN),
        },
        "/baseline/auth" => {
            counts.logins.fetch_add(1, Ordering::Relaxed);
            service.decided(service.ready(user)).await;
            respond(StatusCode::OK, "")
        }
        "/auth/v2/ping" | "/auth/v2/check" => {
            let seconds = clock::unix_seconds();
            let body = format!(r#"{{"stat":"OK","response":{{"time":{seconds}}}}}"#);
            respond(StatusCode::OK, body)
        }
        _ => respond(StatusCode::NOT_FOUND, UNKNOWN),
    })
}

impl Service {
    fn check(&self, parts: &Parts, form: &str) {
        if signature::judge(parts, &self.host, &signature::decode_pairs(form)).is_err() {
            self.counts.violations.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        let since = clock::now().saturating_duration_since(self.start);
        since.as_millis().try_into().unwrap_or(u64::MAX)
    }

    /// When this user will have decided, in milliseconds after the double's start.
    fn ready(&self, user: &str) -> u64 {
        match delay(user) {
            Some(delay) => self.now() + delay,
            None => NEVER,
        }
    }

    fn is_decided(&self, ready: u64) -> bool {
        ready <= self.now() || (ready == NEVER && *self.released.borrow())
    }

    async fn status(&self, ready: u64, serial: u64) -> Response {
        if self.is_decided(ready) {
            return respond(StatusCode::OK, ALLOW);
        }
        if self.polled.lock().unwrap().insert(serial) {
            return respond(StatusCode::OK, WAITING);
        }
        match self.decided(ready).await {
            true => {
                self.polled.lock().unwrap().remove(&serial);
                respond(StatusCode::OK, ALLOW)
            }
            false => respond(StatusCode::OK, WAITING),
        }
    }

    /// Waits for the decision, [`HOLD`] at the most; says whether there is one.
    async fn decided(&self, ready: u64) -> bool {
        if self.is_decided(ready) {
            return true;
        }
        self.counts.held.fetch_add(1, Ordering::Relaxed);
        // A client that hangs up drops this future; it is not held any more then.
        let _held = Held(&self.counts.held);
        if ready == NEVER {
            let mut released = self.released.subscribe();
            let released = released.wait_for(|released| *released);
            time::timeout(HOLD, released).await.is_ok()
        } else {
            let left = Duration::from_millis(ready.saturating_sub(self.now()));
            time::sleep(left.min(HOLD)).await;
            left <= HOLD
        }
    }
}

struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long this user takes, in milliseconds; `None`: until the release.
fn delay(user: &str) -> Option<u64> {
    match user.split_once('-') {
        Some(("hold", _)) => None,
        Some((kind, _)) => Some(
            kind.strip_prefix('p')
                .and_then(|milliseconds| milliseconds.parse().ok())
                .unwrap_or(0),
        ),
        None => Some(0),
    }
}

fn transaction(txid: &str) -> Option<(u64, u64)> {
    let (ready, serial) = txid.split_once('-')?;
    let hexadecimal = |digits| u64::from_str_radix(digits, 16).ok();
    Some((hexadecimal(ready)?, hexadecimal(serial)?))
}

/// A field of a form, as it is encoded; empty when it is not there. The users of the benchmarks
/// need no encoding.
fn field<'a>(form: &'a str, name: &str) -> &'a str {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

fn respond(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = hyper::Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

const NEVER: u64 = u64::MAX;
const PREAUTH: &str = r#"{"stat":"OK","response":{"result":"auth","status_msg":"Account is active","devices":[{"device":"DPFZRS9FB0D46QFTM891","type":"phone","name":"","number":"XXX-XXX-0100","capabilities":["auto","push","sms","phone","mobile_otp"]}]}}"#;
const ALLOW: &str = r#"{"stat":"OK","response":{"result":"allow","status":"allow","status_msg":"Success. Logging you in..."}}"#;
const WAITING: &str = r#"{"stat":"OK","response":{"result":"waiting","status":"pushed","status_msg":"Pushed a login request to your device..."}}"#;
const UNKNOWN: &str = r#"{"stat":"FAIL","code":40002,"message":"Invalid request parameters"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_how_long_the_person_takes() {
        for (user, want) in [
            ("hold-7", None),
            ("p5000-7", Some(5000)),
            ("p2000-", Some(2000)),
            ("u-7", Some(0)),
            ("push-7", Some(0)),
            ("u7", Some(0)),
            ("", Some(0)),
        ] {
            assert_eq!(delay(user), want, "{user}");
        }
    }

    #[test]
    fn a_transaction_is_read_back() {
        assert_eq!(
            transaction("00000000000000ff-0000000000000010"),
            Some((255, 16))
        );
        for bad in ["", "-", "1", "x-1", "1-x"] {
            assert_eq!(transaction(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let form = "factor=push&ipaddr=&username=u-1";
        for (name, want) in [("username", "u-1"), ("ipaddr", ""), ("name", "")] {
            assert_eq!(field(form, name), want, "{name}");
        }
    }
}
