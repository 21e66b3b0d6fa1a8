//! Revisions: listed, compared and gone back to.

use proto::rpc::Verdict;
use serde_json::json;

use crate::api::{Plane, column};

#[tokio::test]
async fn revisions_are_listed_compared_and_gone_back_to() {
    let plane = Plane::with_one().await;
    let path = "/integrations/radius_server_auto";
    let change = json!({"port": 1645, "application": {"skey": "PLANTED-other"}});
    let patched = plane
        .call(
            "PATCH",
            &format!("{path}?message=another%20port"),
            "",
            Some(&change),
        )
        .await;
    assert_eq!(patched.status, 200, "{patched:?}");
    plane.running.subscribe("one").await.snapshot().await;
    plane.running.acknowledge("one", 3, Verdict::Applied).await;

    let list = plane.get("/revisions?limit=2").await.body;
    assert_eq!(
        (&list["items"][0]["number"], &list["total"]),
        (&json!(3), &json!(3))
    );
    let next = list["next"].as_str().unwrap();
    assert_eq!(list["items"][0]["message"], "another port");
    assert_eq!(list["items"][0]["author"], "command line");
    let rest = plane
        .get(&format!("/revisions?limit=2&cursor={next}"))
        .await;
    assert_eq!(rest.body["items"][0]["number"], 1);
    assert_eq!(rest.body.get("next"), None);
    for (query, numbers) in [
        ("q=another", json!([3])),
        ("sort=number&limit=2", json!([1, 2])),
        (
            "author=command+line&sort=-created_at_ms&limit=1",
            json!([3]),
        ),
        ("author=nobody", json!([])),
        ("from=2020-01-01&to=2020-01-02", json!([])),
    ] {
        let found = plane.get(&format!("/revisions?{query}")).await.body;
        assert_eq!(column(&found, "number"), numbers, "{query}");
    }

    let one = plane.get("/revisions/3").await.body;
    assert_eq!(
        (&one["served"], &one["nodes"][0]["node"]),
        (&json!(true), &json!("one"))
    );
    assert_eq!(one["nodes"][0]["type"], "applied");
    assert_eq!(one["configuration"]["integrations"][0]["port"], 1645);

    let diff = plane.get("/revisions/3/diff").await.body;
    let places: Vec<_> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "integrations[radius_server_auto].application.skey",
            "integrations[radius_server_auto].port",
        ]
    );
    let first = plane.get("/revisions/1/diff").await.body;
    assert_eq!((&first["from"], &first["to"]), (&json!(0), &json!(1)));

    let tried = plane
        .post("/revisions/2/rollback?dry_run=true", &json!({}))
        .await
        .body;
    assert_eq!(
        (tried.get("revision"), &tried["differences"][1]["after"]),
        (None, &json!(1812))
    );
    let back = plane.post("/revisions/2/rollback", &json!({})).await.body;
    assert_eq!(back["revision"]["number"], 4);
    assert_eq!(back["revision"]["message"], "back to revision 2");
    let mut stream = plane.running.subscribe("two").await;
    let pushed = stream.snapshot().await;
    assert_eq!((pushed.revision, pushed.integrations[0].port), (4, 1812));
    let skey = pushed.integrations[0].application.skey.expose();
    assert_eq!(skey, "PLANTED-skey", "secrets go back too");
    assert_eq!(plane.get("/revisions/9").await.status, 404);
    let none = plane.get("/revisions/x").await;
    assert_eq!(none.status, 404, "{none:?}");
    assert_eq!(
        none.header("content-type"),
        Some("application/problem+json")
    );
    plane.running.stop().await;
}
