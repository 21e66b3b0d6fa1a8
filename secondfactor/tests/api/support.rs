//! A real service on port 0, and a small client that signs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use local::Client;
use ring::{digest, hmac};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use secondfactor::admin::{
    Application, CreatedUser, NewApplication, NewDevice, NewUser, Script, ScriptAnswer,
};
use secondfactor::{RunError, Settings};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a call over the admin socket may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A running service.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Client,
    pub(crate) app: Application,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    /// Starts on a folder, with changes to the settings.
    pub(crate) async fn start(folder: &Path, change: impl FnOnce(&mut Settings)) -> Self {
        let socket = folder.join("admin.sock");
        let (ready, address) = tokio::sync::oneshot::channel();
        let mut settings = Settings::new(folder.join("data"), &socket);
        settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.ready = Some(ready);
        change(&mut settings);
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "awaited by stop()")]
        let task = tokio::spawn(secondfactor::run(settings, stop.clone()));
        let Ok(address) = address.await else {
            panic!("{:?}", task.await)
        };
        let admin = Client::new(socket);
        let wanted = NewApplication::named("vpn");
        let app: Application = admin.post("/applications", &wanted, LIMIT).await.unwrap();
        assert_eq!(app.port, address.port());
        Self {
            address,
            admin,
            app,
            stop,
            task,
        }
    }

    /// Asks for the end and waits for it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Waits for the end by itself, after another took over.
    pub(crate) async fn ended(self) {
        let ended = tokio::time::timeout(LIMIT, self.task).await;
        ended.expect("it ends").unwrap().unwrap();
    }

    /// Waits for the end by itself, which is a failure.
    pub(crate) async fn failed(self) -> RunError {
        let ended = tokio::time::timeout(LIMIT, self.task).await;
        ended.expect("it ends").unwrap().unwrap_err()
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends it where it stands.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Asks for the end only.
    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    /// The metrics, as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> String {
        let octets = self.admin.get_octets("/metrics", LIMIT).await.unwrap();
        String::from_utf8(octets.to_vec()).unwrap()
    }

    /// Makes a user.
    pub(crate) async fn user(
        &self,
        name: &str,
        script: Option<Script>,
        devices: Vec<NewDevice>,
    ) -> CreatedUser {
        let new = NewUser {
            script,
            devices,
            ..NewUser::named(name)
        };
        self.admin.post("/users", &new, LIMIT).await.unwrap()
    }

    /// Calls the API with a form body, signed by version 2.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        params: &[(&str, &str)],
    ) -> (u16, Value) {
        self.send(&Call::signed(&self.app, method, path, params))
            .await
    }

    /// Sends a call over a connection of its own, HTTP/2 if the call says so.
    pub(crate) async fn send(&self, call: &Call) -> (u16, Value) {
        let (status, _, body) = self.send_raw(call).await;
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        (status, value)
    }

    /// An HTTP/2 connection for many calls at once.
    pub(crate) async fn http2(&self) -> SendRequest<Full<Bytes>> {
        let stream = tls(self.address, &self.app.ca_pem, true).await;
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the connection")]
        tokio::spawn(connection);
        sender
    }

    /// The same, with the headers and the body as they are.
    pub(crate) async fn send_raw(&self, call: &Call) -> (u16, http::HeaderMap, Bytes) {
        send_raw(self.address, &self.app.ca_pem, call).await
    }
}

/// Sends a call to whoever listens at an address.
pub(crate) async fn send_raw(
    address: SocketAddr,
    ca_pem: &str,
    call: &Call,
) -> (u16, http::HeaderMap, Bytes) {
    let stream = tls(address, ca_pem, call.http2).await;
    let mut request = http::Request::builder().method(call.method.as_str());
    let target = match (&call.query, call.http2) {
        (query, true) => format!("https://{}{}?{query}", call.host, call.path),
        (query, false) if call.absolute => {
            format!("https://{}{}?{query}", call.host, call.path)
        }
        (query, false) => format!("{}?{query}", call.path),
    };
    request = request.uri(target);
    if !call.http2 {
        request = request.header("host", &call.host);
    }
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(call.body.clone())))
        .unwrap();
    let response = if call.http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the connection")]
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the connection")]
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), head.headers, body)
}

/// A service in a folder that goes with it.
pub(crate) async fn started() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    (folder, running)
}

/// One request.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) http2: bool,
    pub(crate) absolute: bool,
}

impl Call {
    /// Without any credentials.
    pub(crate) fn bare(app: &Application, method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            host: format!("127.0.0.1:{}", app.port),
            path: path.to_owned(),
            query: String::new(),
            body: String::new(),
            headers: Vec::new(),
            http2: false,
            absolute: false,
        }
    }

    /// Signed by version 2 with SHA-512, the body a form.
    pub(crate) fn signed(
        app: &Application,
        method: &str,
        path: &str,
        params: &[(&str, &str)],
    ) -> Self {
        Self::signed_with(app, method, path, params, Signing::V2Sha512)
    }

    /// Signed as one likes.
    pub(crate) fn signed_with(
        app: &Application,
        method: &str,
        path: &str,
        params: &[(&str, &str)],
        signing: Signing,
    ) -> Self {
        let mut call = Self::bare(app, method, path);
        let line = canonical(params);
        let json = matches!(signing, Signing::V5) && method == "POST";
        if json {
            let object: serde_json::Map<String, Value> = params
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                .collect();
            call.body = Value::Object(object).to_string();
            call.header("content-type", "application/json");
        } else if method == "POST" {
            call.body = line.replace("%20", "+");
            call.header("content-type", "application/x-www-form-urlencoded");
        } else {
            call.query.clone_from(&line);
        }
        let date = date_of(now_s());
        call.header("date", &date);
        let host = "127.0.0.1";
        let mut text = format!("{date}\n{method}\n{host}\n{path}\n");
        match signing {
            Signing::V1 => {
                call = call.without("date");
                text = format!("{method}\n{host}\n{path}\n{line}");
            }
            Signing::V2Sha512 | Signing::V2Sha1 => text.push_str(&line),
            Signing::V5 => {
                let line = if method == "POST" { "" } else { &line };
                let (body, headers) = (sha512(&call.body), sha512(""));
                text.push_str(&format!("{line}\n{body}\n{headers}"));
            }
        }
        let algorithm = match signing {
            Signing::V1 | Signing::V2Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Signing::V2Sha512 | Signing::V5 => hmac::HMAC_SHA512,
        };
        let signature = hex(hmac::sign(
            &hmac::Key::new(algorithm, app.skey.expose().as_bytes()),
            text.as_bytes(),
        )
        .as_ref());
        call.authorize(&app.ikey, &signature);
        call
    }

    /// Adds a header.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a header away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    /// Adds credentials.
    pub(crate) fn authorize(&mut self, ikey: &str, signature: &str) {
        let text = data_encoding::BASE64.encode(format!("{ikey}:{signature}").as_bytes());
        self.header("authorization", &format!("Basic {text}"));
    }
}

/// The ways to sign.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signing {
    /// With SHA-1, and no date.
    V1,
    V2Sha1,
    V2Sha512,
    V5,
}

/// A phone that takes pushes.
pub(crate) fn phone() -> NewDevice {
    NewDevice::Phone {
        name: "iPhone".to_owned(),
        number: "+1 734 555 4788".to_owned(),
        capabilities: None,
    }
}

/// A script that answers at once.
pub(crate) fn script(answer: ScriptAnswer) -> Option<Script> {
    Some(Script {
        answer,
        after_ms: 0,
    })
}

/// The date header of a time.
pub(crate) fn date_of(unix_s: u64) -> String {
    // Every day has its date; the name of the day is not checked by anybody.
    let (mut days, rest) = (unix_s / 86_400, unix_s % 86_400);
    let mut year = 1970;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    format!(
        "Tue, {:02} {} {year} {:02}:{:02}:{:02} +0000",
        days + 1,
        &months[month * 3..month * 3 + 3],
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "tests have a clock too")]
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A passcode of RFC 6238 with SHA-1 and six digits, for a secret in base32.
pub(crate) fn totp(secret: &str, step: u64) -> String {
    let secret = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 0x0f);
    let word: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
    )
}

fn canonical(params: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut all, octet| {
            match octet {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                    all.push(char::from(octet));
                }
                _ => all.push_str(&format!("%{octet:02X}")),
            }
            all
        })
    };
    let mut pairs: Vec<String> = params
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn sha512(text: &str) -> String {
    hex(digest::digest(&digest::SHA512, text.as_bytes()).as_ref())
}

fn hex(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(octets)
}

/// A connection that agreed on HTTP/2 or HTTP/1.1.
pub(crate) async fn tls(
    address: SocketAddr,
    ca_pem: &str,
    http2: bool,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}
