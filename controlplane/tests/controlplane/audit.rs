//! The audit has whatever was changed.

use serde_json::json;

use crate::api::{Plane, column};

#[tokio::test]
async fn whatever_was_changed_is_in_the_audit_and_nobody_changes_that() {
    let plane = Plane::with_one().await;
    let path = "/integrations/radius_server_auto";
    let change = json!({"port": 1645, "application": {"skey": "PLANTED-other"}});
    plane.call("PATCH", path, "", Some(&change)).await;
    let tried = format!("{path}?dry_run=true");
    plane
        .call("PATCH", &tried, "", Some(&json!({"port": 1})))
        .await;
    plane
        .call("PATCH", path, "", Some(&json!({"port": 0})))
        .await;
    let audit = plane.get("/audit").await.body;
    let items = audit["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "what changes nothing is no deed: {audit}");
    let last = &items[0];
    assert_eq!(
        (&last["seq"], &last["actor"], &last["target"]),
        (&json!(3), &json!("command line"), &json!("revision 3"))
    );
    assert_eq!(last["detail"][1]["before"], 1812);
    assert_eq!(last["detail"][1]["after"], 1645);
    assert_eq!(
        last["detail"][0]["before"]["set"], true,
        "secrets are masked"
    );
    let page = plane.get("/audit?limit=2").await.body;
    assert_eq!(
        (column(&page, "seq"), &page["next"]),
        (json!([3, 2]), &json!("2"))
    );
    for (query, found) in [
        ("cursor=2", json!([1])),
        ("sort=seq&limit=1", json!([1])),
        ("sort=seq&cursor=1", json!([2, 3])),
        ("action=configuration&target=revision+2", json!([2])),
        ("actor=nobody", json!([])),
        ("source=192.0.2.1", json!([])),
        ("from=2020-01-01", json!([3, 2, 1])),
        ("to=2020-01-01", json!([])),
    ] {
        let page = plane.get(&format!("/audit?{query}")).await.body;
        assert_eq!(column(&page, "seq"), found, "{query}");
    }
    let whole = plane.get("/audit/verify").await.body;
    assert_eq!(
        (&whole["whole"], &whole["entries"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(whole["link"], last["link"]);
    plane.running.stop().await;
}
