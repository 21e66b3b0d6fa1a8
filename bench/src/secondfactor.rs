//! The built-in second factor by itself, over signed HTTP/2: passcodes checked a second, each of which is
//! on the disk before it is answered, and pushes that wait for people.

use std::{
    process::Command,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
use e2e::{clock, countersign, ports, process::Process};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use local::Client;
use proto::second_factor::{
    Application, Capabilities, CreatedUser, Done, ImportTokens, ImportUsers, ImportedTokens,
    NewApplication, NewDevice, NewUser, NumberMatching, Policy, ScopedPolicy, SetPolicy,
    UserChanges, WaitingPush,
};
use proto::secret::Secret;
use ring::hmac;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpStream, runtime::Runtime, task::JoinSet, time::sleep};
use tokio_rustls::TlsConnector;

use crate::{
    conditions,
    gateway::per,
    report::{Row, Verdict},
    scenarios::{Bench, mib},
    statistics::{Latencies, count, number, span},
    usage::{self, Usage},
};

/// Passcodes: as many users as there may be kept in memory, each with a token, a few hundred logins out at a time.
pub(crate) fn passcodes(bench: &Bench) -> Vec<Row> {
    let (users, checks) = if bench.quick {
        (2_000, 4_000)
    } else {
        (20_000, 60_000)
    };
    let service = Service::start();
    let secret = b"12345678901234567890";
    let mut people = String::from("username\n");
    let mut tokens = String::from("serial,secret,username\n");
    for user in 0..users {
        people.push_str(&format!("u{user}\n"));
        let secret = HEXLOWER.encode(secret);
        tokens.push_str(&format!("t{user},{secret},u{user}\n"));
    }
    service.runtime.block_on(async {
        let people = ImportUsers {
            csv: people,
            dry_run: false,
        };
        let made: UserChanges = service.post("/users/import", &people).await;
        assert!(made.done, "{:?}", made.refused.first());
        let tokens = ImportTokens {
            csv: Secret::new(tokens),
            dry_run: false,
        };
        let made: ImportedTokens = service.post("/tokens/import", &tokens).await;
        assert!(made.done, "{:?}", made.refused.first());
    });
    let next = Arc::new(AtomicUsize::new(0));
    let secret = Arc::new(BASE32_NOPAD.encode(secret));
    let before = service.usage();
    let begun = clock::now();
    let (latencies, good) = service.runtime.block_on(async {
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            let connection = service.connect().await;
            for _ in 0..WINDOW {
                let (next, secret) = (Arc::clone(&next), Arc::clone(&secret));
                let (caller, connection) = (service.caller(), connection.clone());
                lanes.spawn(async move {
                    let (mut latencies, mut good) = (Vec::new(), 0_usize);
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= checks {
                            return (latencies, good);
                        }
                        let (user, counter) = (at % users, at / users);
                        let code = hotp(&secret, counter);
                        let name = format!("u{user}");
                        let params = [
                            ("factor", "passcode"),
                            ("passcode", &code),
                            ("username", &name),
                        ];
                        let sent = clock::now();
                        let answer = caller.post(&connection, "/auth/v2/auth", &params).await;
                        latencies.push(sent.elapsed());
                        good += usize::from(answer["response"]["result"] == "allow");
                    }
                });
            }
        }
        let mut all = Latencies::default();
        let mut good = 0;
        while let Some(lane) = lanes.join_next().await {
            let (latencies, allowed) = lane.unwrap();
            all.merge(Latencies::new(latencies));
            good += allowed;
        }
        (all, good)
    });
    let took = begun.elapsed();
    let cpu = per(service.usage().cpu.saturating_sub(before.cpu), checks);
    let rate = number(checks) / took.as_secs_f64();
    vec![Row {
        work: format!(
            "passcodes, {} users, {} out at a time, HTTP/2",
            count(number(users)),
            LANES * WINDOW
        ),
        figure: format!(
            "{}/s, {latencies}, {} CPU each, {} of {} good; load {}",
            count(rate),
            span(cpu),
            count(number(good)),
            count(number(checks)),
            conditions::load()
        ),
        peer: String::new(),
        ratio: None,
        budget: "all good, 5,000/s on two cores: <= 400 us CPU each, p99 < 0.2 s".to_owned(),
        verdict: Verdict::of(&[
            good == checks,
            cpu <= Duration::from_micros(400),
            latencies.quantile(990) < Duration::from_millis(200),
        ]),
    }]
}

/// Pushes that wait: callers that poll, and callers that hold one request.
pub(crate) fn waiting(bench: &Bench) -> Vec<Row> {
    let pushes = if bench.quick { 2_000 } else { 20_000 };
    [("polled", true), ("held", false)]
        .into_iter()
        .map(|(how, polls)| waits(how, polls, pushes))
        .collect()
}

fn waits(how: &str, polls: bool, pushes: usize) -> Row {
    let service = Service::start();
    let users = pushes.div_ceil(PUSHES_OF_A_DEVICE);
    service.runtime.block_on(async {
        // So many in a row would want a number.
        let off = SetPolicy {
            rank: None,
            policy: Policy {
                number_matching: Some(NumberMatching::Off),
                ..Policy::default()
            },
        };
        drop::<ScopedPolicy>(service.post("/policies/default", &off).await);
        for user in 0..users {
            let new = NewUser {
                devices: vec![NewDevice::Phone {
                    name: "phone".to_owned(),
                    number: String::new(),
                    capabilities: Some(Capabilities {
                        push: true,
                        ..Capabilities::default()
                    }),
                }],
                ..NewUser::named(format!("u{user}"))
            };
            let made: CreatedUser = service.post("/users", &new).await;
            assert_eq!(made.devices.len(), 1);
        }
    });
    let before = service.usage();
    let ends = service.runtime.block_on(async {
        let mut callers = JoinSet::new();
        let connections = pushes.div_ceil(STREAMS);
        for at in 0..connections {
            let connection = service.connect().await;
            for push in (0..pushes).skip(at).step_by(connections) {
                let (caller, connection) = (service.caller(), connection.clone());
                let name = format!("u{}", push % users);
                callers.spawn(async move { caller.push(&connection, &name, polls).await });
            }
        }
        let begun = clock::now();
        while service.waiting().await < pushes {
            assert!(begun.elapsed() < PATIENCE, "not all of them came to wait");
            sleep(LOOK).await;
        }
        let waiting = service.usage();
        let answered = clock::now();
        loop {
            // A part of them is shown at a time.
            let some: Vec<WaitingPush> = service.admin.get("/pushes", LIMIT).await.unwrap();
            if some.is_empty() {
                break;
            }
            for push in some {
                let path = format!("/pushes/{}/approve", push.txid);
                // One may have come to its end meanwhile.
                let approved: Result<Done, _> = service.admin.post(&path, &Done {}, LIMIT).await;
                drop(approved);
            }
        }
        let mut good = 0;
        while let Some(ended) = callers.join_next().await {
            good += usize::from(ended.unwrap());
        }
        (waiting, answered.elapsed(), good)
    });
    let (waiting, took, good) = ends;
    let after = service.usage();
    let grown = waiting.anonymous.saturating_sub(before.anonymous);
    let each = grown / u64::try_from(pushes.max(1)).unwrap_or(u64::MAX);
    Row {
        work: format!("{} pushes wait, {how}, HTTP/2", count(number(pushes))),
        figure: format!(
            "{} of {} approved, {each} octets each, one after the other in {}; {} before, {} while they \
             wait, {} after; load {}",
            count(number(good)),
            count(number(pushes)),
            span(took),
            mib(before.anonymous),
            mib(waiting.anonymous),
            mib(after.anonymous),
            conditions::load()
        ),
        peer: String::new(),
        ratio: None,
        budget: "all, < 10 KB each".to_owned(),
        verdict: Verdict::of(&[good == pushes, each < 10_000]),
    }
}

/// The role by itself, in a folder of its own.
struct Service {
    runtime: Runtime,
    admin: Client,
    app: Arc<Application>,
    tls: TlsConnector,
    process: Process,
    #[expect(dead_code, reason = "the folder goes with it")]
    folder: TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let mut command = Command::new(countersign::program());
        command
            .args(["secondfactor", "--second-factor-listen", &listen])
            .arg("--data-dir")
            .arg(&data)
            .env("MIMALLOC_PURGE_DELAY", "0")
            .current_dir(folder.path());
        let log = folder.path().join("output.log");
        let mut process = Process::start("secondfactor", &command, &log);
        let socket = data.join("run/secondfactor.sock");
        process.until("its admin socket", Duration::from_secs(60), || {
            socket.exists()
        });
        let runtime = Runtime::new().unwrap();
        let admin = Client::new(socket);
        let wanted = NewApplication::named("bench");
        let app = runtime.block_on(async {
            let begun = clock::now();
            loop {
                match admin.post("/applications", &wanted, LIMIT).await {
                    Ok(app) => return app,
                    Err(error) => assert!(begun.elapsed() < LIMIT, "{error:?}"),
                }
                sleep(LOOK).await;
            }
        });
        let app: Application = app;
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(app.ca_pem.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            runtime,
            admin,
            app: Arc::new(app),
            tls: TlsConnector::from(Arc::new(config)),
            process,
            folder,
        }
    }

    async fn post<Q, A>(&self, path: &str, body: &Q) -> A
    where
        Q: serde::Serialize + Sync,
        A: serde::de::DeserializeOwned,
    {
        self.admin.post(path, body, LIMIT).await.unwrap()
    }

    async fn waiting(&self) -> usize {
        let status: Value = self.admin.get("/status", LIMIT).await.unwrap();
        let waiting = status["pushes_waiting"].as_u64().unwrap_or_default();
        usize::try_from(waiting).unwrap_or(usize::MAX)
    }

    fn usage(&self) -> Usage {
        usage::of(self.process.pid())
    }

    fn caller(&self) -> Caller {
        Caller(Arc::clone(&self.app))
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let address = (self.app.host.as_str(), self.app.port);
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from(self.app.host.clone()).unwrap();
        let stream = self.tls.connect(name, stream).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        // It ends with its last sender.
        #[expect(clippy::disallowed_methods, reason = "ends with the runtime")]
        tokio::spawn(connection);
        sender
    }
}

/// Signs by version 2.
struct Caller(Arc<Application>);

impl Caller {
    /// A push, until it is answered; whether it was approved.
    async fn push(&self, connection: &SendRequest<Full<Bytes>>, name: &str, polls: bool) -> bool {
        let polled = if polls { "1" } else { "0" };
        let params = [
            ("async", polled),
            ("device", "auto"),
            ("factor", "push"),
            ("username", name),
        ];
        let answer = self.post(connection, "/auth/v2/auth", &params).await;
        let Some(txid) = answer["response"]["txid"].as_str() else {
            return answer["response"]["result"] == "allow";
        };
        loop {
            let params = [("txid", txid)];
            let answer = self.call(connection, "GET", STATUS, &params).await;
            match answer["response"]["result"].as_str() {
                Some("waiting") => {}
                result => return result == Some("allow"),
            }
        }
    }

    async fn post(
        &self,
        connection: &SendRequest<Full<Bytes>>,
        path: &str,
        params: &[(&str, &str)],
    ) -> Value {
        self.call(connection, "POST", path, params).await
    }

    /// The parameters are sorted, and have nothing that is encoded.
    async fn call(
        &self,
        connection: &SendRequest<Full<Bytes>>,
        method: &str,
        path: &str,
        params: &[(&str, &str)],
    ) -> Value {
        let app = &self.0;
        let line: Vec<String> = params
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let line = line.join("&");
        let date = http_date(clock::unix_seconds());
        let text = format!("{date}\n{method}\n{}\n{path}\n{line}", app.host);
        let key = hmac::Key::new(hmac::HMAC_SHA512, app.skey.expose().as_bytes());
        let signature = HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref());
        let credentials = BASE64.encode(format!("{}:{signature}", app.ikey).as_bytes());
        let (query, body) = match method {
            "GET" => (format!("?{line}"), String::new()),
            _ => (String::new(), line),
        };
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("https://{}:{}{path}{query}", app.host, app.port))
            .header("date", date)
            .header("authorization", format!("Basic {credentials}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let mut connection = connection.clone();
        connection.ready().await.unwrap();
        let answer = connection.send_request(request).await.unwrap();
        let octets = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&octets).unwrap_or(Value::Null)
    }
}

/// A passcode of RFC 4226, of six digits.
fn hotp(secret: &str, counter: usize) -> String {
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let counter = u64::try_from(counter).unwrap();
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 0x0f);
    let word = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap());
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// RFC 2822; the name of the day is looked at by nobody.
fn http_date(unix_seconds: u64) -> String {
    let days = i64::try_from(unix_seconds / 86_400).unwrap() + 719_468;
    // Howard Hinnant's civil_from_days: years that begin in March.
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let index = usize::try_from((month + 2) % 12).unwrap();
    let year = year_of_era + era * 400 + i64::from(index < 2);
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let rest = unix_seconds % 86_400;
    format!(
        "Tue, {day:02} {} {year} {:02}:{:02}:{:02} +0000",
        &names[index * 3..index * 3 + 3],
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Connections, and requests out on each.
const LANES: usize = 4;
const WINDOW: usize = 64;
/// Requests that share a connection of those that wait, as the data plane has them.
const STREAMS: usize = 128;
/// As many as the service lets wait on one.
const PUSHES_OF_A_DEVICE: usize = 5;
const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// A push lives as long.
const PATIENCE: Duration = Duration::from_secs(55);
const STATUS: &str = "/auth/v2/auth_status";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passcodes_are_those_of_the_rfc() {
        let secret = BASE32_NOPAD.encode(b"12345678901234567890");
        let codes = [0, 1, 9].map(|counter| hotp(&secret, counter));
        assert_eq!(codes, ["755224", "287082", "520489"]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_seconds, want) in [
            (0, "Tue, 01 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_790_000_001, "Tue, 21 Sep 2026 14:13:21 +0000"),
        ] {
            assert_eq!(http_date(unix_seconds), want);
        }
    }
}
