//! A configuration file that changes while it is served.

use controlplane::admin::{LoadResult, Reload};
use proto::id::Revision;
use serde_json::json;

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{LIMIT, Site, config, mark};

#[tokio::test]
async fn every_way_of_changing_the_file_makes_a_revision() {
    let site = Site::with(&config(1));
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    assert_eq!(mark(&stream.snapshot().await), (1, 1));
    site.write(&config(2));
    assert_eq!(mark(&stream.snapshot().await), (2, 2), "in place");
    let beside = site.folder.path().join("new");
    std::fs::write(&beside, config(3).to_string()).unwrap();
    std::fs::rename(&beside, site.file()).unwrap();
    assert_eq!(mark(&stream.snapshot().await), (3, 3), "renamed over");
    std::fs::write(&beside, config(4).to_string()).unwrap();
    let link = site.folder.path().join("link");
    std::os::unix::fs::symlink(&beside, &link).unwrap();
    std::fs::rename(&link, site.file()).unwrap();
    assert_eq!(mark(&stream.snapshot().await), (4, 4), "a link instead");
    plane.stop().await;
}

#[tokio::test]
async fn a_file_without_its_last_line_end_is_left_alone_for_a_while() {
    const QUIET: Duration = Duration::from_millis(600);
    let mut site = Site::with(&config(1));
    site.settings.watch_every = Duration::from_millis(200);
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    assert_eq!(mark(&stream.snapshot().await), (1, 1));
    let write = |port| {
        std::fs::write(site.file(), config(port).to_string()).unwrap();
        Instant::now()
    };
    let written = write(2);
    assert_eq!(mark(&stream.snapshot().await), (2, 2), "seen");
    assert!(written.elapsed() >= QUIET, "{:?}", written.elapsed());
    assert!(written.elapsed() < Duration::from_secs(1));
    let written = write(3);
    let reload: Reload = plane.client.post("/reload", &(), LIMIT).await.unwrap();
    assert_eq!(reload.revision, Some(Revision(3)), "asked for");
    // File times are as coarse as the kernel's tick.
    let coarse = QUIET - Duration::from_millis(20);
    assert!(written.elapsed() >= coarse, "{:?}", written.elapsed());
    plane.stop().await;
}

#[tokio::test]
async fn a_named_file_that_changes_makes_a_revision() {
    let mut file = config(1);
    file["ca_file"] = json!("ca.pem");
    let site = Site::with(&file);
    let named = site.folder.path().join("ca.pem");
    std::fs::write(&named, "first").unwrap();
    let plane = site.start().await;
    let mut stream = plane.subscribe("one").await;
    let first = stream.snapshot().await;
    assert_eq!(first.settings.http_ca_certs.as_deref(), Some("first"));
    std::fs::write(&named, "second").unwrap();
    let second = stream.snapshot().await;
    assert_eq!(second.revision, 2);
    assert_eq!(second.settings.http_ca_certs.as_deref(), Some("second"));
    std::fs::remove_file(&named).unwrap();
    let refused = |result| result == LoadResult::Refused;
    plane
        .status_when(|status| {
            refused(
                status
                    .last_load
                    .as_ref()
                    .map_or(LoadResult::Applied, |last| last.reload.result),
            )
        })
        .await;
    std::fs::write(&named, "third").unwrap();
    assert_eq!(
        stream.snapshot().await.revision,
        3,
        "watched while it was away"
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_bad_file_is_refused_and_the_old_revision_served_on() {
    let site = Site::with(&config(1));
    let plane = site.start().await;
    let whole = config(2).to_string();
    let mut twice = config(2);
    let again = twice["integrations"][0].clone();
    twice["integrations"].as_array_mut().unwrap().push(again);
    for (name, text, want) in [
        ("empty", "", "EOF while parsing"),
        ("read by a faulty reader", "[]", "by a fault of ours"),
        ("half written", &whole[..100], "EOF while parsing"),
        (
            "faulty",
            &twice.to_string(),
            "'radius_server_auto' is integrations[0] already",
        ),
    ] {
        std::fs::write(site.file(), text).unwrap();
        let status = plane
            .status_when(|status| {
                status.last_load.as_ref().is_some_and(|last| {
                    let faults = &last.reload.diagnostics;
                    faults.iter().any(|fault| fault.message.contains(want))
                })
            })
            .await;
        let last = status.last_load.unwrap();
        assert_eq!(last.reload.result, LoadResult::Refused, "{name}");
        assert_eq!(status.revision.unwrap().number, Revision(1), "{name}");
        let mut stream = plane.subscribe("one").await;
        assert_eq!(mark(&stream.snapshot().await), (1, 1), "{name}");
        // Otherwise the next text could be refused for the fault of this one.
        site.write(&config(1));
        plane
            .status_when(|status| {
                status
                    .last_load
                    .as_ref()
                    .is_some_and(|last| last.reload.result == LoadResult::Unchanged)
            })
            .await;
    }
    let mut stream = plane.subscribe("one").await;
    stream.snapshot().await;
    site.write(&config(2));
    assert_eq!(mark(&stream.snapshot().await), (2, 2), "good again");
    plane.stop().await;
}

#[tokio::test]
async fn a_reload_that_is_asked_for_answers_with_what_came_of_it() {
    let mut site = Site::with(&config(1));
    site.settings.watch_every = LIMIT * 100;
    let plane = site.start().await;
    let reload = async || -> Reload { plane.client.post("/reload", &(), LIMIT).await.unwrap() };
    let unchanged = reload().await;
    assert_eq!(
        (unchanged.result, unchanged.revision),
        (LoadResult::Unchanged, Some(Revision(1)))
    );
    let mut more = config(1);
    more["settings"] = json!({"debug": true});
    site.write(&more);
    let applied = reload().await;
    assert_eq!(
        (applied.result, applied.revision),
        (LoadResult::Applied, Some(Revision(2)))
    );
    site.write(&json!({"integrations": 7}));
    let refused = reload().await;
    assert_eq!(
        (refused.result, refused.revision),
        (LoadResult::Refused, Some(Revision(2)))
    );
    let shown = refused.diagnostics[0].to_string();
    assert!(shown.contains("authproxy.cfg: error: "), "{shown}");
    let metrics = plane.client.get_octets("/metrics", LIMIT).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    for line in [
        "countersign_reloads_total{result=\"applied\"} 2",
        "countersign_reloads_total{result=\"refused\"} 1",
        "countersign_config_latest_revision 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    plane.stop().await;
}
