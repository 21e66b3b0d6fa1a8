//! What each list can be narrowed and ordered by, and what every address says of itself.

use serde_json::{Value, json};

use crate::api::{Plane, column};

async fn with_three() -> Plane {
    let plane = Plane::with_one().await;
    let of = |id: &str, more: Value| {
        let mut one = json!({
            "id": id, "mode": "concat", "authenticator": "duo_only_client",
            "application": {"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "PLANTED-skey", "host": "api.example.com"},
            "clients": [{"address": "2001:db8::/64", "secret": "PLANTED-radius"}],
        });
        for (name, value) in more.as_object().unwrap() {
            one[name] = value.clone();
        }
        one
    };
    for one in [
        of("b", json!({"port": 1813, "fail_mode": "secure"})),
        of(
            "a",
            json!({"port": 20_000, "mode": "duo_only", "authenticator": null}),
        ),
    ] {
        let made = plane.post("/integrations", &one).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    plane
}

#[tokio::test]
async fn lists_are_narrowed_and_ordered_by_what_is_in_them() {
    let plane = with_three().await;
    let radius = json!({"id": "up", "kind": {"radius": {
        "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "PLANTED-up",
    }}});
    assert_eq!(plane.post("/authenticators", &radius).await.status, 201);
    let one = "/integrations/radius_server_auto/clients";
    for (address, more) in [("192.0.2.128/25", "require"), ("10.0.0.1", "auto")] {
        let client =
            json!({"address": address, "secret": "PLANTED-c", "message_authenticator": more});
        assert_eq!(plane.post(one, &client).await.status, 201);
    }
    assert_eq!(
        plane.post("/drafts", &json!({"message": "x"})).await.status,
        201
    );
    for (path, name, want) in [
        (
            "/integrations",
            "id",
            json!(["a", "b", "radius_server_auto"]),
        ),
        (
            "/integrations?sort=-port",
            "port",
            json!([20_000, 1813, 1812]),
        ),
        (
            "/integrations?sort=mode&limit=2",
            "mode",
            json!(["auto", "concat"]),
        ),
        ("/integrations?mode=duo_only", "id", json!(["a"])),
        ("/integrations?port=1813", "id", json!(["b"])),
        (
            "/integrations?authenticator=duo_only_client&sort=-id",
            "id",
            json!(["radius_server_auto", "b"]),
        ),
        (
            "/integrations?client=192.0.2.7",
            "id",
            json!(["radius_server_auto"]),
        ),
        (
            "/integrations?client=2001:db8::7&fail_mode=secure",
            "id",
            json!(["b"]),
        ),
        ("/integrations?builtin=true", "id", json!([])),
        (
            "/integrations?q=10.0.0.1",
            "id",
            json!(["radius_server_auto"]),
        ),
        ("/authenticators?kind=radius", "id", json!(["up"])),
        ("/authenticators?host=192.0.2.9", "id", json!(["up"])),
        (
            "/authenticators?sort=-kind",
            "id",
            json!(["up", "duo_only_client"]),
        ),
        (
            one,
            "address",
            json!(["10.0.0.1", "192.0.2.0/24", "192.0.2.128/25"]),
        ),
        (
            &format!("{one}?address=192.0.2.200"),
            "address",
            json!(["192.0.2.0/24", "192.0.2.128/25"]),
        ),
        (
            &format!("{one}?message_authenticator=require"),
            "address",
            json!(["192.0.2.128/25"]),
        ),
        ("/drafts?author=command+line", "id", json!([1])),
        ("/drafts?author=nobody", "id", json!([])),
        ("/tokens?role=viewer&expired=false", "id", json!([])),
        ("/admins?active=true&sort=-created_at_ms", "name", json!([])),
        (
            "/nodes?connected=true&state=serving&draining=false&refused=false&applied=1",
            "node",
            json!([]),
        ),
    ] {
        let found = plane.get(path).await;
        assert_eq!(found.status, 200, "{path}: {found:?}");
        assert_eq!(column(&found.body, name), want, "{path}");
        assert!(found.body["total"].as_u64().unwrap() >= want.as_array().unwrap().len() as u64);
    }
    for (path, says) in [
        (
            "/integrations?prot=1",
            "there are limit, cursor, sort, q, mode, port, authenticator",
        ),
        (
            "/integrations?sort=secret",
            "sort is one of: id, mode, port",
        ),
        ("/authenticators?kind=x", "kind: this is none of the words"),
        ("/drafts?limit=0", "limit is 1 to 1000"),
        ("/audit?before=2", "unknown field `before`"),
        ("/events?before=2", "unknown field `before`"),
    ] {
        let refused = plane.get(path).await;
        assert_eq!(refused.status, 400, "{path}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{path}: {detail}");
    }
}

#[tokio::test]
async fn a_cursor_holds_with_an_order_while_the_list_changes() {
    let plane = with_three().await;
    let first = plane.get("/integrations?sort=-port&limit=1").await.body;
    assert_eq!(column(&first, "port"), json!([20_000]));
    let next = first["next"].as_str().unwrap();
    let gone = plane.call("DELETE", "/integrations/a", "", None).await;
    assert_eq!(gone.status, 204);
    let rest = plane
        .get(&format!("/integrations?sort=-port&cursor={next}"))
        .await
        .body;
    assert_eq!(column(&rest, "port"), json!([1813, 1812]));
}

#[tokio::test]
async fn an_address_says_which_methods_it_has() {
    let plane = Plane::with_one().await;
    let (path, allowed) = ("/integrations", Some("GET, HEAD, POST, OPTIONS"));
    let asked = plane.call("OPTIONS", path, "", None).await;
    assert_eq!((asked.status, asked.header("allow")), (204, allowed));
    let wrong = plane.call("DELETE", path, "", None).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, allowed));
    assert_eq!(
        wrong.body["type"],
        "urn:countersign:problem:method-not-allowed"
    );
    let head = plane.call("HEAD", path, "", None).await;
    assert_eq!((head.status, &head.body), (200, &Value::Null));
    let no_json = plane
        .call(
            "POST",
            path,
            "content-type: text/plain\r\n",
            Some(&json!({})),
        )
        .await;
    assert_eq!(no_json.status, 415, "{no_json:?}");
}
