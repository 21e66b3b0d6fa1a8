//! What a page asks before anything else.

use controlplane::now_ms;
use serde_json::{Value, json};

use crate::access::{PAGE, Plane, fail_until_waiting};
use crate::builtin;
use crate::sign_in::{PASSWORD, join, passcode, sign_in};
use crate::support::{Site, config};

async fn ways(plane: &Plane, headers: &str) -> Value {
    let answer = plane.call("GET", "/api/v1/sign-in", headers, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn about(plane: &Plane, headers: &str) -> Value {
    let answer = plane.call("GET", "/api/v1/about", headers, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn everybody_is_told_whether_it_is_set_up_and_nothing_else() {
    let plane = Plane::start().await;
    let nobodys = json!({ "set_up": false, "provider": false });
    assert_eq!(ways(&plane, "").await, nobodys);
    // Who did not take the invitation may not use it yet.
    let asked = json!({ "name": "alice", "role": "admin" });
    let invited = plane.locally("POST", "/api/v1/admins", &asked).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    assert_eq!(ways(&plane, "").await, nobodys);
    join(&plane, "bob", "admin").await;
    let set_up = json!({ "set_up": true, "provider": false });
    assert_eq!(ways(&plane, "").await, set_up);
    // Whose session is over is a stranger again, and wants to sign in.
    let over = format!("cookie: __Host-countersign=cst_{:016x}_{:064x}\r\n", 1, 1);
    assert_eq!(ways(&plane, &over).await, set_up);
    plane.running.stop().await;
}

#[tokio::test]
async fn who_shares_an_address_with_somebody_who_guesses_sees_how_to_sign_in() {
    let plane = Plane::start().await;
    let told = ways(&plane, "").await;
    fail_until_waiting(&plane).await;
    assert_eq!(ways(&plane, "").await, told);
    plane.running.stop().await;
}

#[tokio::test]
async fn a_provider_is_a_way_to_sign_in_until_it_is_forgotten() {
    let plane = Plane::start().await;
    let settings = json!({
        "issuer": "https://idp.example.com", "client_id": "countersign",
        "client_secret": "PLANTED-client", "public_url": "https://gate.example.com",
        "roles": [{ "group": "netops", "role": "operator" }],
    });
    let put = plane.locally("PUT", "/api/v1/oidc", &settings).await;
    assert_eq!(put.status, 200, "{put:?}");
    let both = json!({ "set_up": true, "provider": true });
    assert_eq!(ways(&plane, "").await, both);
    let deleted = plane.locally("DELETE", "/api/v1/oidc", &Value::Null).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let neither = json!({ "set_up": false, "provider": false });
    assert_eq!(ways(&plane, "").await, neither);
    plane.running.stop().await;
}

#[tokio::test]
async fn whoever_is_signed_in_is_told_what_it_is() {
    let plane = Plane::start().await;
    let stranger = plane.call("GET", "/api/v1/about", "", "").await;
    assert_eq!(stranger.status, 401, "{stranger:?}");
    let (_, viewer) = plane.token("a viewer", "viewer").await;
    let before = now_ms();
    let mut told = about(&plane, &viewer).await;
    let now = told["now_ms"].take().as_u64().unwrap();
    assert!((before..=now_ms()).contains(&now), "{now}");
    let want = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "configuration": { "kind": "database" },
        "revision": null,
        "built_in_second_factor": false,
        "database": "sqlite",
        "now_ms": null,
        "session": null,
    });
    assert_eq!(told, want);
    let device = json!({ "id": "device", "kind": "duo_only" });
    let made = plane.locally("POST", "/api/v1/authenticators", &device);
    assert_eq!(made.await.status, 201);
    assert_eq!(about(&plane, &viewer).await["revision"], 1);
    plane.running.stop().await;
}

#[tokio::test]
async fn whoever_has_a_session_is_told_when_it_ends() {
    let plane = Plane::start().await;
    let secret = join(&plane, "alice", "viewer").await;
    let before = now_ms();
    let body = sign_in("alice", PASSWORD, &passcode(&secret, 1));
    let signed_in = plane.call("POST", "/api/v1/session", PAGE, &body).await;
    let cookie = signed_in.header("set-cookie").unwrap();
    let headers = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    let session = about(&plane, &headers).await["session"].take();
    let after = now_ms();
    for (field, hours) in [("ends_at_ms", 12), ("unused_ends_at_ms", 1)] {
        let ends = session[field].as_u64().unwrap();
        let began = ends - hours * 60 * 60 * 1_000;
        assert!((before..=after).contains(&began), "{field}: {session}");
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn a_file_and_the_built_in_second_factor_are_named() {
    for (mut site, used) in [(Site::with(&config(1812)), false), (builtin::site(), true)] {
        let handed_on = site.folder.path().join("api.sock");
        site.settings.api_socket = Some(handed_on.clone());
        site.settings.admin_listen = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let socket = site.settings.second_factor.clone();
        let _serving = match &socket {
            Some(socket) => Some(builtin::serve(socket).await),
            None => None,
        };
        let plane = Plane::with(site, handed_on).await;
        let (_, viewer) = plane.token("a viewer", "viewer").await;
        let told = about(&plane, &viewer).await;
        let path = plane.site.file().display().to_string();
        let file = json!({ "kind": "file", "path": path });
        assert_eq!(told["configuration"], file, "{told}");
        assert_eq!(told["revision"], 1, "{told}");
        assert_eq!(told["built_in_second_factor"], used, "{told}");
        plane.running.stop().await;
    }
}
