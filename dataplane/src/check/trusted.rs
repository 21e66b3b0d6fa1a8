//! What is trusted, and what stands in between: certificates of authorities, the HTTP proxy.

use std::net::SocketAddr;
use std::time::Duration;

use proto::check::{CheckKind, CheckRow};
use proto::config::{AuthenticatorKind, HttpProxy, Snapshot};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::judge::{Finding, Subject};
use super::{certificate, judge, unix_now};
use crate::clock;

/// A row for each file of authorities, and for that of the built-in second factor.
pub(super) fn authorities(snapshot: &Snapshot) -> Vec<CheckRow> {
    let row = |place: &str, section: String, pem: &str| {
        let finding = judge::authorities(&certificate::spans_of_pem(pem), unix_now());
        let subject = Subject {
            place: place.to_owned(),
            sections: vec![section],
            from: None,
        };
        subject.row(CheckKind::Authorities, Duration::ZERO, finding)
    };
    let mut rows = Vec::new();
    if let Some(pem) = &snapshot.settings.http_ca_certs {
        rows.push(row("http_ca_certs_file", "main".to_owned(), pem));
    }
    let mut integrations = snapshot.integrations.iter();
    let builtin = integrations.find_map(|one| Some((one, one.application.pinned_ca.as_ref()?)));
    if let Some((one, pem)) = builtin {
        rows.push(row("the built-in second factor's", one.id.to_string(), pem));
    }
    rows.extend(snapshot.authenticators.iter().filter_map(|one| {
        let AuthenticatorKind::Ad(directory) = &one.kind else {
            return None;
        };
        let pem = directory.ca_certs.as_ref()?;
        Some(row("ssl_ca_certs_file", one.id.to_string(), pem))
    }));
    rows
}

/// The proxy that calls of the second factor go by; none where none does.
pub(super) fn proxy(snapshot: &Snapshot) -> Option<(Subject, HttpProxy)> {
    let proxy = snapshot.settings.http_proxy.clone()?;
    let by_it =
        |one: &&std::sync::Arc<proto::config::Integration>| one.application.pinned_ca.is_none();
    let sections: Vec<_> = snapshot.integrations.iter().filter(by_it).collect();
    if sections.is_empty() {
        return None;
    }
    let subject = Subject {
        place: format!("{}:{}", proxy.host, proxy.port),
        sections: sections.iter().map(|one| one.id.to_string()).collect(),
        from: None,
    };
    Some((subject, proxy))
}

/// Connects, and asks nothing: whether it leads to the second factor says the row of that.
pub(super) async fn try_proxy(mut subject: Subject, proxy: &HttpProxy) -> CheckRow {
    let began = clock::now();
    let connected = timeout(LIMIT, TcpStream::connect((proxy.host.as_str(), proxy.port)));
    let finding = match connected.await {
        Ok(Ok(stream)) => {
            let from = stream.local_addr().ok();
            subject.from = from.map(|from: SocketAddr| from.ip().to_canonical());
            Finding::good("takes connections")
        }
        Ok(Err(error)) => Finding::failed(error.to_string(), REMEDY),
        Err(_) => Finding::failed(
            format!("no connection within {} s", LIMIT.as_secs()),
            REMEDY,
        ),
    };
    let took = clock::now().saturating_duration_since(began);
    subject.row(CheckKind::Proxy, took, finding)
}

const REMEDY: &str = "check http_proxy_host and http_proxy_port, that the proxy runs, and that no firewall is in between";
const LIMIT: Duration = Duration::from_secs(10);
