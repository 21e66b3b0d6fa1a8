//! Drafts over the REST API: nothing that was answered with yes is lost, nothing is done twice, and what
//! was based on what somebody read still is; also between two control planes on one database.

use std::sync::Arc;

use controlplane::PostgresUrl;
use e2e::peers::Postgres;
use proto::secret::Secret;
use serde_json::{Value, json};

use crate::api::Plane;
use crate::support::{FakeSource, LIMIT, Site, config};

const ONE: &str = "/integrations/radius_server_auto";

async fn draft(plane: &Plane) -> u64 {
    let made = plane.post("/drafts", &json!({"message": "why"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["id"].as_u64().unwrap()
}

async fn port(plane: &Plane) -> u64 {
    plane.get(ONE).await.body["port"].as_u64().unwrap()
}

/// Two control planes on one database, the second with the configuration of the first.
struct Pair {
    one: Plane,
    other: Plane,
    /// Runs as long as somebody has it.
    _postgres: Arc<Postgres>,
}

async fn pair() -> Pair {
    let postgres = Postgres::shared();
    let url = Secret::new(postgres.url(&postgres.database()));
    let start = async |key: Option<&Plane>| {
        let mut site = Site::new();
        site.settings.source = None;
        site.settings.database = Some(PostgresUrl::new(url.clone()).unwrap());
        if let Some(other) = key {
            std::fs::create_dir_all(&site.settings.data_dir).unwrap();
            let of = |site: &Site| site.settings.data_dir.join("controlplane.key");
            std::fs::copy(of(&other.site), of(&site)).unwrap();
        }
        let running = site.start().await;
        let socket = site.settings.socket.clone();
        Plane {
            site,
            running,
            socket,
        }
    };
    let one = start(None).await;
    let config = config(1812);
    for (path, body) in [
        ("/authenticators", &config["authenticators"][0]),
        ("/integrations", &config["integrations"][0]),
    ] {
        assert_eq!(one.post(path, body).await.status, 201);
    }
    let other = start(Some(&one)).await;
    Pair {
        one,
        other,
        _postgres: postgres,
    }
}

#[tokio::test]
async fn what_a_draft_was_based_on_is_looked_at_when_it_is_applied() {
    let plane = Plane::with_one().await;
    let id = draft(&plane).await;
    let read = plane.get(ONE).await;
    let based = format!("if-match: {}\r\n", read.header("etag").unwrap());
    let mut wanted = read.body.clone();
    wanted["port"] = json!(1645);
    let path = format!("{ONE}?draft={id}");
    let put = plane.call("PUT", &path, &based, Some(&wanted)).await;
    assert_eq!(put.status, 200, "{put:?}");
    // The next is based on what the first makes of it.
    let then = format!("if-match: {}\r\n", put.header("etag").unwrap());
    let more = json!({"exempt_users": ["eve"]});
    let put = plane.call("PATCH", &path, &then, Some(&more)).await;
    assert_eq!(put.status, 200, "{put:?}");
    let other = json!({"fail_mode": "secure"});
    let meanwhile = plane.call("PATCH", ONE, "", Some(&other)).await;
    assert_eq!(meanwhile.status, 200, "{meanwhile:?}");

    let apply = format!("/drafts/{id}/apply");
    for path in [&format!("{apply}?dry_run=true"), &apply] {
        let late = plane.post(path, &json!({})).await;
        assert_eq!(late.status, 412, "{late:?}");
        let detail = late.body["detail"].as_str().unwrap();
        assert!(detail.starts_with("write 1: "), "{detail}");
    }
    let shown = plane.get(&format!("/drafts/{id}")).await.body;
    assert_eq!(shown["problem"]["status"], 412, "{shown}");
    assert_eq!(port(&plane).await, 1812, "nothing is overwritten");
    let back = json!({"fail_mode": "safe"});
    plane.call("PATCH", ONE, "", Some(&back)).await;
    assert_eq!(plane.post(&apply, &json!({})).await.status, 200);
    assert_eq!(port(&plane).await, 1645);
    plane.running.stop().await;
}

#[tokio::test]
async fn of_two_writes_based_on_one_version_a_draft_takes_one() {
    let plane = Plane::with_one().await;
    let id = draft(&plane).await;
    let read = plane.get(ONE).await;
    let based = format!("if-match: {}\r\n", read.header("etag").unwrap());
    let path = format!("{ONE}?draft={id}");
    let put = async |port: u64| {
        let mut wanted = read.body.clone();
        wanted["port"] = json!(port);
        plane.call("PUT", &path, &based, Some(&wanted)).await.status
    };
    let done = tokio::join!(put(1), put(2), put(3), put(4), put(5), put(6));
    let mut done = [done.0, done.1, done.2, done.3, done.4, done.5];
    done.sort_unstable();
    assert_eq!(done, [200, 412, 412, 412, 412, 412]);
    let shown = plane.get(&format!("/drafts/{id}")).await.body;
    assert_eq!(shown["writes"], 1, "{shown}");
    plane.running.stop().await;
}

#[tokio::test]
async fn a_draft_is_applied_once_and_goes_when_it_changes_nothing() {
    let plane = Plane::with_one().await;
    let id = draft(&plane).await;
    let path = format!("{ONE}?draft={id}");
    let wanted = json!({"port": 1645});
    let patch = plane.call("PATCH", &path, "", Some(&wanted)).await;
    assert_eq!(patch.status, 200, "{patch:?}");
    let (apply, nothing) = (format!("/drafts/{id}/apply"), json!({}));
    let apply = || plane.post(&apply, &nothing);
    let done = tokio::join!(apply(), apply(), apply(), apply());
    let mut done = [done.0, done.1, done.2, done.3].map(|one| one.status);
    done.sort_unstable();
    assert_eq!(done, [200, 404, 404, 404]);
    let newest = plane.get("/revisions?limit=1").await.body;
    assert_eq!(newest["items"][0]["number"], 3, "{newest}");

    let id = draft(&plane).await;
    let path = format!("/drafts/{id}/apply");
    let tried = plane
        .post(&format!("{path}?dry_run=true"), &json!({}))
        .await;
    assert_eq!(tried.status, 200, "{tried:?}");
    let same = plane.post(&path, &json!({})).await;
    assert_eq!((same.status, same.body.get("revision")), (200, None));
    assert_eq!(plane.post(&path, &json!({})).await.status, 404);
    plane.running.stop().await;
}

#[tokio::test]
async fn two_control_planes_lose_no_write_and_bring_no_draft_back() {
    let planes = pair().await;
    let (one, other) = (&planes.one, &planes.other);
    let id = draft(one).await;
    let path = format!("{ONE}/clients?draft={id}");
    let add = async |plane: &Plane, net: &str| {
        for n in 1..=5 {
            let body = json!({"address": format!("{net}.{n}"), "secret": "PLANTED-many"});
            let made = plane.post(&path, &body).await;
            assert_eq!(made.status, 201, "{made:?}");
        }
    };
    tokio::join!(add(one, "198.51.100"), add(other, "203.0.113"));
    let shown = other.get(&format!("/drafts/{id}")).await.body;
    assert_eq!(shown["writes"], 10, "{shown}");
    let (apply, nothing) = (format!("/drafts/{id}/apply"), json!({}));
    let done = tokio::join!(one.post(&apply, &nothing), other.post(&apply, &nothing));
    let mut done = [done.0.status, done.1.status];
    done.sort_unstable();
    assert_eq!(done, [200, 404]);
    for plane in [one, other] {
        plane
            .running
            .status_when(|status| {
                status
                    .revision
                    .as_ref()
                    .is_some_and(|one| one.number.0 == 3)
            })
            .await;
        let clients = plane.get(&format!("{ONE}/clients")).await.body;
        assert_eq!(clients["total"], 11, "{clients}");
        assert_eq!(plane.get("/drafts").await.body["total"], 0);
    }
    planes.one.running.stop().await;
    planes.other.running.stop().await;
}

#[tokio::test]
async fn who_wrote_in_a_draft_is_in_the_audit_and_no_secret_is() {
    let plane = Plane::with_one().await;
    let id = draft(&plane).await;
    let path = format!("{ONE}/clients?draft={id}");
    let body = json!({"address": "198.51.100.1", "secret": "PLANTED-many"});
    assert_eq!(plane.post(&path, &body).await.status, 201);
    let apply = format!("/drafts/{id}/apply");
    assert_eq!(plane.post(&apply, &json!({})).await.status, 200);
    let unused = draft(&plane).await;
    let path = format!("/drafts/{unused}");
    assert_eq!(plane.call("DELETE", &path, "", None).await.status, 204);
    let audit = plane.get("/audit").await.body;
    let items: Vec<&Value> = audit["items"].as_array().unwrap().iter().collect();
    let known = |one: &&Value| {
        (
            one["action"].as_str().unwrap().to_owned(),
            one["target"].as_str().unwrap().to_owned(),
        )
    };
    let known: Vec<_> = items.iter().take(6).map(known).collect();
    let of = |action: &str, target: String| (action.to_owned(), target);
    assert_eq!(
        known,
        [
            of("draft.delete", format!("draft {unused}")),
            of("draft.create", format!("draft {unused}")),
            of("draft.apply", format!("draft {id}")),
            of("configuration", "revision 3".to_owned()),
            of("draft.write", format!("draft {id}")),
            of("draft.create", format!("draft {id}")),
        ]
    );
    assert_eq!(
        items[2]["detail"],
        json!({"revision": 3, "writers": [
            {"author": "command line", "source": "", "writes": 1},
        ]})
    );
    let wrote = &items[4]["detail"];
    assert_eq!(wrote["write"], 1, "{wrote}");
    assert_eq!(
        wrote["changes"][0]["after"]["secret"]["set"], true,
        "{wrote}"
    );
    assert_eq!(plane.get("/audit/verify").await.body["whole"], true);
    plane.running.stop().await;
}

#[tokio::test]
async fn what_was_shown_is_applied_or_nothing_is() {
    let plane = Plane::with_one().await;
    let id = draft(&plane).await;
    let path = format!("{ONE}?draft={id}");
    let (wanted, more) = (json!({"port": 1645}), json!({"fail_mode": "secure"}));
    plane.call("PATCH", &path, "", Some(&wanted)).await;
    let apply = format!("/drafts/{id}/apply");
    let tried = plane
        .post(&format!("{apply}?dry_run=true"), &json!({}))
        .await;
    let seen = tried.body["based_on"].as_str().unwrap();
    let shown = plane.get(&format!("/drafts/{id}")).await.body;
    assert_eq!(shown["based_on"], seen, "the same for who reads it");
    assert_eq!(shown["differences"], tried.body["differences"]);
    // Somebody writes into it meanwhile, then changes what it is applied to.
    plane.call("PATCH", &path, "", Some(&more)).await;
    let based = format!("if-match: {seen}\r\n");
    let late = plane.call("POST", &apply, &based, None).await;
    assert_eq!(late.status, 412, "{late:?}");
    let again = plane.get(&format!("/drafts/{id}")).await.body;
    let based = format!("if-match: {}\r\n", again["based_on"].as_str().unwrap());
    let settings = json!({"debug": true});
    assert_eq!(
        plane
            .call("PATCH", "/settings", "", Some(&settings))
            .await
            .status,
        200
    );
    let late = plane.call("POST", &apply, &based, None).await;
    assert_eq!(late.status, 412, "{late:?}");
    assert_eq!(port(&plane).await, 1812);
    let again = plane.get(&format!("/drafts/{id}")).await.body;
    let based = format!("if-match: {}\r\n", again["based_on"].as_str().unwrap());
    let done = plane.call("POST", &apply, &based, None).await;
    assert_eq!((done.status, port(&plane).await), (200, 1645), "{done:?}");

    // The same for going back.
    let back = "/revisions/2/rollback";
    let tried = plane
        .post(&format!("{back}?dry_run=true"), &json!({}))
        .await
        .body;
    let based = format!("if-match: {}\r\n", tried["based_on"].as_str().unwrap());
    plane
        .call("PATCH", "/settings", "", Some(&json!({"debug": false})))
        .await;
    let late = plane.call("POST", back, &based, None).await;
    assert_eq!(late.status, 412, "{late:?}");
    let tried = plane
        .post(&format!("{back}?dry_run=true"), &json!({}))
        .await
        .body;
    let based = format!("if-match: {}\r\n", tried["based_on"].as_str().unwrap());
    let done = plane.call("POST", back, &based, None).await;
    assert_eq!((done.status, port(&plane).await), (200, 1812), "{done:?}");
    plane.running.stop().await;
}

#[tokio::test]
async fn a_draft_that_asks_for_the_built_in_second_factor_is_shown_as_it_is_applied() {
    let plane = Plane::with_one().await;
    let id = draft(&plane).await;
    let path = format!("{ONE}?draft={id}");
    let wanted = json!({"application": {"host": "builtin", "ikey": "", "skey": ""}});
    let patch = plane.call("PATCH", &path, "", Some(&wanted)).await;
    assert_eq!(patch.status, 200, "{patch:?}");
    let shown = plane.get(&format!("/drafts/{id}")).await.body;
    assert_eq!(shown.get("problem"), None, "{shown}");
    let apply = format!("/drafts/{id}/apply?dry_run=true");
    let tried = plane.post(&apply, &json!({})).await.body;
    assert_eq!(shown["differences"], tried["differences"]);
    assert_ne!(shown["differences"], json!([]));
    plane.running.stop().await;
}

#[tokio::test]
async fn a_file_of_one_control_plane_is_changed_there_and_at_no_other() {
    let Pair {
        one,
        other,
        _postgres,
    } = pair().await;
    one.running.stop().await;
    let mut site = one.site;
    site.write(&config(1645));
    site.settings.source = Some(Arc::new(FakeSource(site.file())));
    let running = site.start().await;
    other
        .running
        .status_when(|status| {
            status
                .revision
                .as_ref()
                .is_some_and(|one| one.number.0 == 3)
        })
        .await;
    assert_eq!(port(&other).await, 1645, "the others serve it");
    let wanted = json!({"port": 1813});
    for path in [ONE, &format!("{ONE}?dry_run=true")] {
        let refused = other.call("PATCH", path, "", Some(&wanted)).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        assert_eq!(
            refused.body["type"],
            "urn:countersign:problem:file-is-truth"
        );
    }
    assert_eq!(port(&other).await, 1645);
    let about = other.get("/about").await.body;
    assert_eq!(
        (&about["configuration"], &about["database"]),
        (&json!({"kind": "file", "path": null}), &json!("postgresql")),
        "{about}"
    );
    running.stop().await;
    // Nobody's file would undo it any more.
    let changing = async {
        while other.call("PATCH", ONE, "", Some(&wanted)).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, changing).await.unwrap();
    assert_eq!(port(&other).await, 1813);
    other.running.stop().await;
}

#[tokio::test]
async fn several_writes_are_applied_as_one() {
    let plane = Plane::with_one().await;
    let draft = plane
        .post("/drafts", &json!({"message": "a second VPN"}))
        .await;
    assert_eq!(
        (draft.status, &draft.body["id"]),
        (201, &json!(1)),
        "{draft:?}"
    );
    let mut second = config(1813)["integrations"][0].clone();
    second["id"] = json!("vpn-two");
    second["authenticator"] = json!("upstream");
    // In an order in which the first alone could not be served.
    let made = plane.post("/integrations?draft=1", &second).await;
    assert_eq!(made.status, 201, "{made:?}");
    let shown = plane.get("/drafts/1").await.body;
    assert!(
        shown["problem"]["detail"]
            .as_str()
            .unwrap()
            .contains("authenticator"),
        "{shown}"
    );
    let early = plane.post("/drafts/1/apply", &json!({})).await;
    assert_eq!(early.status, 422, "{early:?}");
    let upstream = json!({"id": "upstream", "kind": {"radius": {
        "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "PLANTED-upstream",
    }}});
    assert_eq!(
        plane
            .post("/authenticators?draft=1", &upstream)
            .await
            .status,
        201
    );
    let port = json!({"port": 1814});
    let patched = plane
        .call("PATCH", "/integrations/vpn-two?draft=1", "", Some(&port))
        .await;
    assert_eq!((patched.status, &patched.body["port"]), (200, &json!(1814)));
    let again = plane.post("/authenticators?draft=1", &upstream).await;
    assert_eq!(again.status, 409, "it is in the draft already");
    assert_eq!(
        plane.get("/integrations").await.body["total"],
        1,
        "nothing is applied yet"
    );

    // Somebody changes something else meanwhile.
    let other = json!({"port": 1645});
    plane
        .call(
            "PATCH",
            "/integrations/radius_server_auto",
            "",
            Some(&other),
        )
        .await;
    let tried = plane
        .post("/drafts/1/apply?dry_run=true", &json!({}))
        .await
        .body;
    assert_eq!(tried["differences"].as_array().unwrap().len(), 2, "{tried}");
    let applied = plane.post("/drafts/1/apply", &json!({})).await.body;
    assert_eq!(applied["revision"]["message"], "a second VPN", "{applied}");
    let pushed = plane.running.subscribe("one").await.snapshot().await;
    let ports: Vec<_> = pushed.integrations.iter().map(|one| one.port).collect();
    assert_eq!((pushed.revision, ports), (4, vec![1645, 1814]));
    assert_eq!(plane.get("/drafts/1").await.status, 404);
    assert_eq!(plane.post("/drafts", &json!({})).await.body["id"], 2);
    assert_eq!(
        plane.call("DELETE", "/drafts/2", "", None).await.status,
        204
    );
    let none = json!({"items": [], "total": 0});
    assert_eq!(plane.get("/drafts").await.body, none);
    plane.running.stop().await;
}
