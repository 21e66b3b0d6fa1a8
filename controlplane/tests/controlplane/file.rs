//! A real `authproxy.cfg`, from the disk to the node.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use controlplane::admin::{LoadResult, Reload};
use controlplane::{AuthproxyFile, Key, RunError, key_file, protect};
use proto::secret::Secret;
use serde_json::json;

use crate::api::Plane;
use crate::support::{ControlPlane, LIMIT, Site, mark};

fn text(port: u16, secret: &str) -> String {
    format!(
        "[duo_only_client]\n\n[radius_server_auto]\nclient=duo_only_client\nport={port}\n\
         ikey=DIXXXXXXXXXXXXXXXXXX\nskey=0123456789012345678901234567890123456789\n\
         api_host=api.example.com\nradius_ip_1=192.0.2.1\n{secret}\n"
    )
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn site() -> Site {
    let mut site = Site::new();
    std::fs::create_dir(&site.settings.data_dir).unwrap();
    let key = Key::load_or_create(&key_file(&site.settings.data_dir)).unwrap();
    let sealed = protect(&key, &Secret::from("opened")).unwrap();
    let secret = format!("radius_secret_protected_1={sealed}");
    write(&site.file(), &text(1812, &secret));
    site.settings.source = Some(Arc::new(AuthproxyFile::new(site.file(), Some(key))));
    site
}

#[tokio::test]
async fn the_file_is_served_with_its_protected_values_opened_and_reloaded_when_it_changes() {
    let site = site();
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    let first = stream.snapshot().await;
    assert_eq!(mark(&first), (1, 1812));
    let secret = &first.integrations[0].clients[0].secret;
    assert_eq!(secret.expose(), "opened");
    write(&site.file(), &text(1813, "radius_secret_1=plain"));
    assert_eq!(mark(&stream.snapshot().await), (2, 1813));
    write(&site.file(), "");
    let reload: Reload = plane.client.post("/reload", &(), LIMIT).await.unwrap();
    assert_eq!(reload.result, LoadResult::Refused);
    plane.stop().await;
}

#[tokio::test]
async fn a_bad_file_stops_the_start_with_its_line() {
    let site = site();
    write(&site.file(), &text(0, "radius_secret_1=plain"));
    let error = ControlPlane::start(site.settings.clone()).await.err();
    let Some(RunError::BadConfiguration { diagnostics }) = error else {
        panic!("{error:?}")
    };
    let shown: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    let wanted = "authproxy.cfg:5: error: [radius_server_auto] port: ";
    assert!(shown.iter().any(|one| one.contains(wanted)), "{shown:?}");
}

#[tokio::test]
async fn going_back_writes_the_text_of_that_revision_into_the_file() {
    let site = site();
    let (file, socket) = (site.file(), site.settings.socket.clone());
    let first = std::fs::read_to_string(&file).unwrap();
    let running = site.start().await;
    let plane = Plane {
        site,
        running,
        socket,
    };
    let mut stream = plane.running.subscribe("one").await;
    assert_eq!(mark(&stream.snapshot().await), (1, 1812));
    let second = format!("; another\n{}", text(1813, "radius_secret_1=PLANTED-plain"));
    write(&file, &second);
    assert_eq!(mark(&stream.snapshot().await), (2, 1813));

    let back = "/revisions/1/rollback";
    let tried = plane
        .post(&format!("{back}?dry_run=true"), &json!({}))
        .await;
    assert_eq!(
        (tried.status, tried.body.get("reload")),
        (200, None),
        "{tried:?}"
    );
    assert!(!tried.body["differences"].as_array().unwrap().is_empty());
    let late = plane
        .call("POST", back, "if-match: \"another\"\r\n", None)
        .await;
    assert_eq!(late.status, 412, "{late:?}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        second,
        "only tried"
    );

    let based = format!("if-match: {}\r\n", tried.body["based_on"].as_str().unwrap());
    let done = plane.call("POST", back, &based, None).await;
    assert_eq!(done.body["reload"]["result"], "applied", "{done:?}");
    assert_eq!(done.body["revision"]["number"], 3, "{done:?}");
    assert_eq!(done.body["differences"], tried.body["differences"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    let served = stream.snapshot().await;
    assert_eq!(mark(&served), (3, 1812));
    assert_eq!(served.integrations[0].clients[0].secret.expose(), "opened");
    let audit = plane.get("/audit").await.body;
    let last = &audit["items"][0];
    assert_eq!(
        (&last["actor"], &last["action"], &last["detail"]["back_to"]),
        (
            &json!("command line"),
            &json!("configuration.file"),
            &json!(1)
        ),
        "{audit}"
    );
    plane.running.stop().await;
}
