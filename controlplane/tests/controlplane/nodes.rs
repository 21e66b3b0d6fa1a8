//! Nodes over the REST API.

use serde_json::json;

use crate::api::Plane;

#[tokio::test]
async fn nodes_are_listed_told_to_drain_and_removed() {
    let plane = Plane::start().await;
    let stream = plane.running.subscribe("one").await;
    let list = plane.get("/nodes").await;
    assert_eq!(
        (list.status, &list.body["items"][0]["node"]),
        (200, &json!("one")),
        "{list:?}"
    );
    let drained = plane
        .post("/nodes/one/drain", &json!({"drain": true}))
        .await;
    assert_eq!(
        (drained.status, &drained.body["draining"]),
        (200, &json!(true))
    );
    // It does not say that it knows commands.
    let check = plane.post("/checks", &json!({"node": "one"})).await;
    assert_eq!(check.status, 409, "{check:?}");
    for (path, body, status) in [
        ("/checks", json!({"node": "two"}), 404),
        ("/nodes/two/drain", json!({"drain": true}), 404),
        ("/nodes/one/drain", json!({}), 422),
        ("/join-tokens", json!({"seconds": 0}), 422),
        ("/join-tokens", json!({"node": "a b"}), 422),
    ] {
        let answer = plane.post(path, &body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let made = plane.post("/join-tokens", &json!({"node": "b"})).await;
    assert_eq!(
        (made.status, made.header("cache-control")),
        (201, Some("no-store"))
    );
    let token = made.body["token"].as_str().unwrap();
    assert!(token.starts_with("csj_"), "no token");
    let id = made.body["id"].as_str().unwrap();
    let listed = plane.get("/join-tokens").await.body;
    assert_eq!(
        (&listed["total"], &listed["items"][0]["node"]),
        (&json!(1), &json!("b")),
        "{listed:#}"
    );
    let secret = token.rsplit('_').next().unwrap();
    assert!(!listed.to_string().contains(secret), "{listed:#}");
    let path = format!("/join-tokens/{id}");
    assert_eq!(plane.get(&path).await.body, listed["items"][0]);
    for status in [204, 404] {
        let gone = plane.call("DELETE", &path, "", None).await;
        assert_eq!(gone.status, status);
        assert_eq!(plane.get(&path).await.status, 404);
    }
    // A node may be called what addresses are: it is seen and removed like any other.
    let odd = plane.running.subscribe("join-tokens").await;
    let found = plane.get("/nodes/join-tokens").await;
    assert_eq!(found.body["node"], "join-tokens", "{found:?}");
    let gone = plane.call("DELETE", "/nodes/join-tokens", "", None).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    drop(odd);
    let gone = plane.call("DELETE", "/nodes/one", "", None).await;
    assert_eq!((gone.status, &gone.body["node"]), (200, &json!("one")));
    assert_eq!(plane.get("/nodes/one").await.status, 404);
    drop(stream);
    plane.running.stop().await;
}
