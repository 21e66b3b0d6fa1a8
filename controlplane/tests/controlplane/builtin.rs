//! Applications of the built-in second factor.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use controlplane::admin::LoadResult;
use controlplane::{Need, RunError};
use local::Listener;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{ControlPlane, LIMIT, Site, config};

pub(crate) fn site() -> Site {
    let mut file = config(1812);
    file["builtin"] = json!(["radius_server_auto"]);
    let mut site = Site::with(&file);
    site.settings.second_factor = Some(site.folder.path().join("secondfactor.sock"));
    site
}

pub(crate) async fn serve(path: &Path) -> JoinSet<()> {
    let router = Router::new().route(
        "/applications",
        post(async |Json(asked): Json<Value>| {
            let name = asked["name"].as_str().unwrap().to_owned();
            let keys = &asked["keys"];
            let (ikey, skey) = match keys {
                Value::Null => (json!(format!("DI-{name}")), json!("PLANTED-builtin")),
                keys => (keys["ikey"].clone(), keys["skey"].clone()),
            };
            Json(json!({"ikey": ikey, "skey": skey,
                "host": "127.0.0.1", "port": 8402, "ca_pem": "PEM"}))
        }),
    );
    let listener = Listener::bind(path).await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(listener.serve(router, CancellationToken::new()));
    serving
}

#[tokio::test]
async fn an_application_is_asked_for_and_its_need_is_said() {
    let site = site();
    let _serving = serve(site.settings.second_factor.as_ref().unwrap()).await;
    let plane = site.start().await;
    let application = plane.subscribe("one").await.snapshot().await.integrations[0]
        .application
        .clone();
    assert_eq!(application.ikey, "DI-radius_server_auto");
    assert_eq!(application.skey.expose(), "PLANTED-builtin");
    assert_eq!(
        (application.host.as_str(), application.port),
        ("127.0.0.1", 8402)
    );
    assert_eq!(application.pinned_ca.as_deref(), Some("PEM"));
    assert_eq!(plane.needs.lock().unwrap()[0], Need::SecondFactor);
    plane.stop().await;
}

#[tokio::test]
async fn the_need_of_a_stored_revision_is_said_too() {
    let mut site = site();
    let serving = serve(site.settings.second_factor.as_ref().unwrap()).await;
    let plane = site.start().await;
    plane.subscribe("one").await.snapshot().await;
    plane.stop().await;
    drop(serving);
    let file = site.settings.source.take();
    let plane = site.start().await;
    let said = plane.needs.lock().unwrap().clone();
    assert_eq!(said, [Need::SecondFactor], "the database is the truth");
    plane.stop().await;
    std::fs::write(site.file(), "[main").unwrap();
    site.settings.source = file;
    site.settings.last_good = true;
    let plane = site.start().await;
    let said = plane.needs.lock().unwrap().clone();
    assert_eq!(said, [Need::SecondFactor], "the file is bad");
    plane.stop().await;
}

#[tokio::test]
async fn keys_that_the_file_names_are_the_ones_asked_for() {
    let mut site = site();
    let mut file = config(1812);
    file["builtin"] = json!(["radius_server_auto DICHOSEN SKCHOSEN"]);
    site.write(&file);
    site.settings.second_factor_deadline = LIMIT;
    let _serving = serve(site.settings.second_factor.as_ref().unwrap()).await;
    let plane = site.start().await;
    let application = plane.subscribe("one").await.snapshot().await.integrations[0]
        .application
        .clone();
    assert_eq!(application.ikey, "DICHOSEN");
    assert_eq!(application.skey.expose(), "SKCHOSEN");
    plane.stop().await;
}

#[tokio::test]
async fn a_second_factor_that_is_still_starting_is_waited_for() {
    let site = site();
    let socket = site.settings.second_factor.clone().unwrap();
    let late = async {
        let mut plane = Box::pin(site.start());
        // Nothing is there to answer the first time.
        let early = tokio::time::timeout(Duration::from_millis(150), &mut plane).await;
        assert!(early.is_err());
        let serving = serve(&socket).await;
        (plane.await, serving)
    };
    let (plane, _serving) = tokio::time::timeout(LIMIT, late).await.unwrap();
    assert_eq!(plane.status().await.revision.unwrap().number.0, 1);
    plane.stop().await;
}

#[tokio::test]
async fn one_that_never_comes_is_said_and_does_not_stop_the_start() {
    let mut site = site();
    site.settings.second_factor_deadline = Duration::from_millis(50);
    let plane = site.start().await;
    let last = plane.status().await.last_load.unwrap();
    assert_eq!(last.reload.result, LoadResult::Unavailable);
    let fault = last.reload.diagnostics[0].to_string();
    assert!(
        fault.contains("the built-in second factor did not answer within 50ms: cannot reach"),
        "{fault}"
    );
    let _serving = serve(site.settings.second_factor.as_ref().unwrap()).await;
    let tried_again = plane.status_when(|status| status.revision.is_some());
    tried_again.await;
    plane.stop().await;
}

#[tokio::test]
async fn a_refusal_is_a_bad_configuration() {
    let site = site();
    let asked = Arc::new(Notify::new());
    let router = Router::new()
        .route(
            "/applications",
            post(async |State(asked): State<Arc<Notify>>| {
                asked.notify_one();
                (http::StatusCode::BAD_REQUEST, "no")
            }),
        )
        .with_state(Arc::clone(&asked));
    let listener = Listener::bind(site.settings.second_factor.as_ref().unwrap());
    let listener = listener.await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(listener.serve(router, CancellationToken::new()));
    let error = ControlPlane::start(site.settings.clone()).await.err();
    assert!(
        matches!(error, Some(RunError::BadConfiguration { .. })),
        "{error:?}"
    );
    tokio::time::timeout(LIMIT, asked.notified()).await.unwrap();
}
