//! Starts, restarts, and what stops one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use controlplane::admin::{Readiness, Severity};
use controlplane::{CertificateFiles, KeyError, RunError};
use local::CallError;
use proto::config::Fault;
use proto::id::Revision;
use proto::rpc::{Empty, ToNode, Verdict};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{ControlPlane, LIMIT, Site, config, mark, method, node};

#[tokio::test]
async fn a_bad_file_stops_the_start_also_when_an_older_revision_was_good() {
    let site = Site::with(&config(1812));
    site.start().await.stop().await;
    std::fs::write(site.file(), "[main").unwrap();
    let error = ControlPlane::start(site.settings.clone()).await.err();
    let Some(RunError::BadConfiguration { diagnostics }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].severity, Severity::Error);
    assert_eq!(diagnostics[0].file, site.file());
    assert!(!site.settings.socket.exists());
}

#[tokio::test]
async fn a_configuration_that_may_not_be_served_stops_the_start_with_each_fault() {
    let mut bad = config(0);
    bad["authenticators"] = json!([]);
    let site = Site::with(&bad);
    let error = ControlPlane::start(site.settings.clone()).await.err();
    let Some(RunError::BadConfiguration { diagnostics }) = error else {
        panic!("{error:?}")
    };
    let text: Vec<_> = diagnostics.iter().map(|one| &one.message).collect();
    assert!(
        text.iter()
            .any(|one| one.starts_with("integrations[0].port: ")),
        "{text:?}"
    );
    assert!(
        text.iter()
            .any(|one| one.starts_with("integrations[0].authenticator: ")),
        "{text:?}"
    );
}

#[tokio::test]
async fn a_restart_keeps_the_revision_and_a_change_meanwhile_makes_the_next() {
    let site = Site::with(&config(1812));
    site.start().await.stop().await;
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    assert_eq!(mark(&stream.snapshot().await), (1, 1812));
    plane.stop().await;
    site.write(&config(1813));
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    assert_eq!(mark(&stream.snapshot().await), (2, 1813));
    plane.stop().await;
}

#[tokio::test]
async fn without_a_file_the_newest_stored_revision_is_served() {
    let mut site = Site::with(&config(1812));
    site.start().await.stop().await;
    site.settings.source = None;
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    assert_eq!(mark(&stream.snapshot().await), (1, 1812));
    assert_eq!(plane.status().await.source, None);
    plane.stop().await;
}

#[tokio::test]
async fn the_last_good_revision_is_the_newest_that_the_local_node_applied() {
    let mut site = Site::with(&config(1812));
    site.settings.last_good = true;
    let faults = vec![Fault {
        path: "integrations[0].port".to_owned(),
        message: "address in use".to_owned(),
    }];
    let good = async |site: &Site| {
        let kept = std::fs::read(site.file()).unwrap();
        std::fs::write(site.file(), "[main").unwrap();
        let plane = site.start().await;
        let number = plane.status().await.revision.unwrap().number;
        plane.stop().await;
        std::fs::write(site.file(), kept).unwrap();
        number
    };
    site.start().await.stop().await;
    site.write(&config(1813));
    site.start().await.stop().await;
    assert_eq!(good(&site).await, Revision(2), "nobody said anything");
    let plane = site.start().await;
    plane.acknowledge("here", 1, Verdict::Applied).await;
    plane
        .acknowledge("here", 2, Verdict::Refused { faults })
        .await;
    plane.stop().await;
    assert_eq!(good(&site).await, Revision(1), "any node");
    let plane = site.start().await;
    plane.acknowledge("there", 2, Verdict::Applied).await;
    plane.stop().await;
    assert_eq!(good(&site).await, Revision(2), "any node, the newest");
    site.settings.local_node = Some(node("here"));
    assert_eq!(good(&site).await, Revision(1), "this node");
    let plane = site.start().await;
    let status = plane.status().await;
    assert_eq!(status.revision.unwrap().number, Revision(2), "good again");
    plane.stop().await;
}

#[tokio::test]
async fn without_a_file_or_a_revision_nodes_wait_and_nothing_is_ready() {
    let mut site = Site::new();
    site.settings.source = None;
    site.settings.heartbeat = Duration::from_millis(20);
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    stream.state_keys().await;
    assert_eq!(stream.grants().await, []);
    assert_eq!(stream.next().await.unwrap(), ToNode::Heartbeat);
    let error = plane.client.get::<Readiness>("/readyz", LIMIT).await;
    let Err(CallError::Refused { status: 503, body }) = error else {
        panic!("{error:?}")
    };
    let readiness: Readiness = serde_json::from_str(&body).unwrap();
    assert_eq!(readiness.missing, ["there is no revision yet"]);
    plane.stop().await;
}

#[tokio::test]
async fn a_subscription_is_answered_before_there_is_a_revision() {
    let mut site = Site::new();
    site.settings.source = None;
    site.settings.heartbeat = LIMIT * 100;
    let plane = site.start().await;
    let stream = tokio::time::timeout(LIMIT, plane.subscribe("one")).await;
    let mut stream = stream.unwrap();
    stream.state_keys().await;
    assert_eq!(stream.grants().await, []);
    plane.stop().await;
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_database_without_its_key_file_is_refused_and_no_new_key_is_made() {
    let site = Site::with(&config(1812));
    site.start().await.stop().await;
    let key = controlplane::key_file(&site.settings.data_dir);
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let error = ControlPlane::start(site.settings.clone()).await.err();
    assert!(
        matches!(error, Some(RunError::Key(KeyError::Missing { .. }))),
        "{error:?}"
    );
    assert!(!key.exists());
    std::fs::write(&key, kept).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    site.start().await.stop().await;
}

#[tokio::test]
async fn a_second_control_plane_on_one_folder_is_refused() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let second = ControlPlane::start(site.settings.clone()).await.err();
    assert!(matches!(second, Some(RunError::Socket(_))), "{second:?}");
    assert_eq!(
        plane.status().await.revision.unwrap().number,
        Revision(1),
        "the first serves on"
    );
    plane.stop().await;
}

#[tokio::test]
async fn the_tcp_listener_has_the_probes() {
    let mut site = Site::with(&config(1812));
    site.settings.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    let plane = site.start().await;
    for (path, want) in [
        ("/healthz", "HTTP/1.1 200"),
        ("/readyz", "HTTP/1.1 200"),
        ("/metrics", "HTTP/1.1 200"),
    ] {
        let mut tcp = TcpStream::connect(plane.admin.unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(want), "{path}: {answer}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn an_admin_address_off_loopback_speaks_tls_alone() {
    let mut site = Site::with(&config(1812));
    site.settings.admin_listen = Some("0.0.0.0:0".parse().unwrap());
    let plane = site.start().await;
    let port = plane.admin.unwrap().port();
    let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    let pem = std::fs::read(site.settings.data_dir.join("admin.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(tls));
    let mut stream = connector.connect(name, tcp).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A peer that ends without saying so in TLS has answered all the same.
    drop(stream.read_to_end(&mut answer).await);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");

    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    plain.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let told: Value = plane.client.get("/api/v1/overview", LIMIT).await.unwrap();
    let one = &told["certificates"][0];
    let want = (&json!("admin"), &json!(format!("0.0.0.0:{port}")));
    assert_eq!((&one["what"], &one["name"]), want);
    assert!(
        one["not_after_ms"].as_u64() > Some(controlplane::now_ms()),
        "{told}"
    );
    plane.stop().await;
}

#[tokio::test]
async fn an_admin_certificate_that_is_not_there_is_named() {
    let mut site = Site::with(&config(1812));
    site.settings.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    site.settings.admin_certificate = Some(CertificateFiles {
        certificate: "/nowhere/admin.pem".into(),
        key: "/nowhere/admin.key".into(),
    });
    let error = ControlPlane::start(site.settings.clone()).await.err();
    assert!(
        matches!(error, Some(RunError::AdminTls { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn no_file_of_the_data_folder_holds_a_secret() {
    let site = Site::with(&config(1812));
    let plane = site.start().await;
    let status = serde_json::json!({"node": "one", "status": {
        "version": "0.1.0", "state": "serving", "revision": 1, "source": "control_plane",
        "connected": true, "logins_in_flight": 0, "events_dropped": 0, "uptime_seconds": 1,
        "listeners": [{"address": "0.0.0.0:1812", "integrations": ["radius_server_auto"]}],
    }});
    let method = method("ReportStatus");
    let answer = plane.client.post::<_, Empty>(&method, &status, LIMIT);
    answer.await.unwrap();
    let data = site.folder.path().join("data");
    // With the write-ahead log, then when all is in the one file.
    assert!(public_text_found(&data), "what is no secret is found so");
    plane.stop().await;
    assert!(public_text_found(&data), "after the end too");
}

/// Looks for planted secrets, and says whether a text that is none was found.
fn public_text_found(data: &Path) -> bool {
    let mut found = false;
    for file in std::fs::read_dir(data).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let octets = std::fs::read(&path).unwrap();
        let holds = |text: &str| octets.windows(text.len()).any(|at| at == text.as_bytes());
        assert!(!holds("PLANTED"), "{}", path.display());
        found |= holds("0.0.0.0:1812");
    }
    found
}
