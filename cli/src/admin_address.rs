//! Admin addresses: how one is bound, with TLS where it is not on loopback, and what a role that runs
//! by itself serves there. What a whole gateway serves there is `supervisor::admin`.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use controlplane::{AdminCertificate, AdminListener, AdminTls, AdminTlsError, CertificateFiles};
use proto::metric::Metric;
use proto::metric::process::CERTIFICATE_EXPIRY;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::supervisor::merge;

/// Listens there. `bound` is what a program before in this process has bound.
pub(crate) async fn listen(
    address: SocketAddr,
    bound: Option<OwnedFd>,
) -> Result<TcpListener, Failure> {
    let tcp = match bound {
        None => TcpListener::bind(address).await,
        Some(bound) => {
            let bound = std::net::TcpListener::from(bound);
            bound
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(bound))
        }
    };
    tcp.map_err(|error| {
        let text = format!(
            "cannot serve the admin address {address}; name another with --admin-listen, or see with `ss -ltnp` who has it"
        );
        Failure::new(text, &error)
    })
}

/// What is listened to, and what it is served with, if that is TLS. Reads and makes files of a
/// certificate, so it comes before anything else runs; a self-made one is kept in `folder`.
pub(crate) fn with_certificate(
    tcp: TcpListener,
    own: Option<&CertificateFiles>,
    folder: &Path,
) -> Result<(AdminListener, Option<AdminCertificate>), Failure> {
    let address = tcp
        .local_addr()
        .map_err(|error| Failure::new("the admin address is not known", &error))?;
    let now_s = i64::try_from(controlplane::now_ms() / 1_000).unwrap_or(i64::MAX);
    let tls =
        AdminTls::open(address, own, folder, now_s).map_err(|error| no_certificate(&error))?;
    if let Some(tls) = tls.as_ref().filter(|tls| tls.self_made) {
        tracing::info!(
            %address,
            sha256 = tls.about.sha256,
            until = tls.about.until,
            "the admin address has a self-made certificate"
        );
    }
    let certificate = tls.as_ref().map(|tls| tls.certificate_of(address));
    let listener = AdminListener::new(tcp, tls.map(|tls| tls.config));
    Ok((listener, certificate))
}

/// Whether an address can be served with these files.
pub(crate) fn refuse_bad(address: SocketAddr, files: &CertificateFiles) -> Result<(), Failure> {
    // No folder and no clock: both are for a certificate of its own making.
    let tls = AdminTls::open(address, Some(files), Path::new(""), 0);
    tls.map(drop).map_err(|error| no_certificate(&error))
}

fn no_certificate(error: &AdminTlsError) -> Failure {
    Failure::new("the admin address has no certificate", error)
}

/// What a role that runs by itself tells whoever asks at its admin address: how it is, and its
/// metrics. All else stays on its socket, which only this user reaches.
#[derive(Clone, Debug)]
pub(crate) struct Lone {
    role: local::Client,
    /// What its socket calls readiness.
    ready: &'static str,
    /// What the address is served with; none with plain HTTP.
    certificate: Option<AdminCertificate>,
}

impl Lone {
    /// A role, by its socket.
    pub(crate) fn new(
        socket: PathBuf,
        ready: &'static str,
        certificate: Option<AdminCertificate>,
    ) -> Self {
        Self {
            role: local::Client::new(socket),
            ready,
            certificate,
        }
    }

    /// Serves until told to stop.
    pub(crate) async fn serve(self, listener: AdminListener, stop: CancellationToken) {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self);
        // One that holds a connection open does not hold up the end.
        tokio::select! {
            () = listener.serve(router, stop.clone()) => {}
            () = async {
                stop.cancelled().await;
                tokio::time::sleep(END_LIMIT).await;
            } => {}
        }
    }
}

/// Whether it takes logins, and no more than that: who asks here has shown no token.
async fn ready(State(lone): State<Lone>) -> (StatusCode, Json<Value>) {
    match lone.role.get_octets(lone.ready, CALL_LIMIT).await {
        Ok(_) => (StatusCode::OK, Json(json!({ "ready": true }))),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "ready": false })),
        ),
    }
}

async fn metrics(State(lone): State<Lone>) -> Response {
    let kind = [(header::CONTENT_TYPE, METRICS_TYPE)];
    match lone.role.get_octets("/metrics", CALL_LIMIT).await {
        Ok(octets) => {
            let of_role = String::from_utf8_lossy(&octets).into_owned();
            let own = lone.certificate.map(shown);
            let texts: Vec<String> = [Some(of_role), own].into_iter().flatten().collect();
            (kind, merge::metrics(&texts)).into_response()
        }
        // Prometheus shows that it was not served, and keeps no half of it.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// The end of the address's own certificate, which the role knows nothing of.
fn shown(certificate: AdminCertificate) -> String {
    let Metric { name, help, .. } = CERTIFICATE_EXPIRY;
    let kind = CERTIFICATE_EXPIRY.kind.as_str();
    let AdminCertificate { address, not_after } = certificate;
    format!(
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{{kind=\"admin\",name=\"{address}\"}} {not_after}\n"
    )
}

/// Prometheus' text format.
pub(crate) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How long those who ask at the end are waited for.
const END_LIMIT: Duration = Duration::from_secs(2);
