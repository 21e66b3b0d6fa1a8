//! A configuration file that is sent: taken over, refused with its lines, or written where it is the truth.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use controlplane::AuthproxyFile;
use serde_json::json;

use crate::api::Plane;
use crate::support::Site;

pub(crate) const FILE: &str = "; of an earlier gateway\n[radius_client]\nhost=192.0.2.9\nsecret=PLANTED-upstream\n\n\
     [radius_server_auto]\nikey=DIXXXXXXXXXXXXXXXXXX\nskey=PLANTED-skey-PLANTED-skey-PLANTED-skey\n\
     api_host=api.example.com\nclient=radius_client\nradius_ip_1=192.0.2.1\n\
     radius_secret_1=PLANTED-radius\n";

#[tokio::test]
async fn a_file_is_imported_added_and_given_back() {
    let plane = Plane::start().await;
    let file = json!({"text": FILE});
    let good = plane.post("/config/validate", &file).await.body;
    assert_eq!(good["good"], true, "{good}");
    let tried = plane.post("/config/import?dry_run=true", &file).await.body;
    assert_eq!(tried.get("revision"), None);
    assert_eq!(plane.get("/integrations").await.body["total"], 0);
    let done = plane.post("/config/import", &file).await.body;
    assert_eq!(done["revision"]["number"], 1, "{done}");
    assert_eq!(done["differences"].as_array().unwrap().len(), 2);
    let pushed = plane.running.subscribe("one").await.snapshot().await;
    let secret = pushed.integrations[0].clients[0].secret.expose();
    assert_eq!(secret, "PLANTED-radius");

    let again = plane.post("/config/import?merge=true", &file).await;
    assert_eq!(again.status, 422, "{again:?}");
    assert_eq!(
        again.body["errors"][0]["path"],
        "authenticators[radius_client]"
    );
    let more = FILE
        .replace("_client]", "_client2]")
        .replace("_auto]", "_auto2]");
    let more = more.replace("client=radius_client", "client=radius_client2\nport=1813");
    let more = plane
        .post("/config/import?merge=true", &json!({"text": more}))
        .await;
    assert_eq!(more.body["revision"]["number"], 2, "{more:?}");
    assert_eq!(plane.get("/integrations").await.body["total"], 2);

    let shown = plane.get("/config").await.body;
    assert!(
        shown["text"]
            .as_str()
            .unwrap()
            .contains("skey_protected=[secret]"),
        "{shown}"
    );
    let sealed = plane.get("/config?secrets=sealed").await.body;
    let back = plane
        .post("/config/import", &json!({"text": sealed["text"]}))
        .await
        .body;
    assert_eq!(back.get("revision"), None, "it is what there is: {back}");
    plane.running.stop().await;
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_lines_and_nothing_changes() {
    let plane = Plane::with_one().await;
    let bad = FILE
        .replace("port", "prt")
        .replace("api_host=api.example.com", "api_host=");
    let answer = plane.post("/config/import", &json!({"text": bad})).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let error = &answer.body["errors"][0];
    assert_eq!(error["path"], "radius_server_auto.api_host");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("authproxy.cfg:9: error:"),
        "{error}"
    );
    let named = FILE.replace(
        "[radius_client]",
        "[main]\nhttp_ca_certs_file=ca.pem\n[radius_client]",
    );
    let answer = plane.post("/config/import", &json!({"text": named})).await;
    assert!(
        answer.body.to_string().contains("add it to files"),
        "{answer:?}"
    );
    for (path, body) in [
        ("/config/import", json!({})),
        ("/config/validate", json!([])),
    ] {
        assert_eq!(plane.post(path, &body).await.status, 400);
    }
    let put = plane
        .call("PUT", "/config", "", Some(&json!({"text": FILE})))
        .await;
    assert_eq!(put.status, 409, "{put:?}");
    assert_eq!(plane.running.status().await.revision.unwrap().number.0, 2);
    plane.running.stop().await;
}

#[tokio::test]
async fn the_text_editors_door_writes_the_file_and_keeps_its_comments() {
    let mut site = Site::new();
    let file = site.file();
    std::fs::write(&file, FILE).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    site.settings.source = Some(Arc::new(AuthproxyFile::new(&file, None)));
    let running = site.start().await;
    let socket = site.settings.socket.clone();
    let plane = Plane {
        site,
        running,
        socket,
    };
    let text = FILE.replace("radius_ip_1", "; the new one\nport=1645\nradius_ip_1");
    let body = json!({"text": text});
    let tried = plane
        .call("PUT", "/config?dry_run=true", "", Some(&body))
        .await;
    assert_eq!(
        (tried.status, tried.body.get("reload")),
        (200, None),
        "{tried:?}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), FILE);
    let put = plane.call("PUT", "/config", "", Some(&body)).await;
    assert_eq!(put.body["reload"]["result"], "applied", "{put:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(
        plane.get("/integrations/radius_server_auto").await.body["port"],
        1645
    );
    let bad = json!({"text": text.replace("port=1645", "port=0")});
    let refused = plane.call("PUT", "/config", "", Some(&bad)).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        text,
        "nothing half-applied"
    );
    let import = plane.post("/config/import", &body).await;
    assert_eq!(import.status, 409, "{import:?}");
    plane.running.stop().await;
}
