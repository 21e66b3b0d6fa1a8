//! What is sent: to every route, and what none of them takes.

use serde_json::{Value, json};

/// Method and path of every route.
pub(crate) fn routes() -> Vec<(String, String)> {
    let table = ROUTES.split("pub(crate) const ROUTES").nth(1).unwrap();
    let table = table.split("];").next().unwrap();
    let mut rest = table;
    let mut found = Vec::new();
    while let Some((before, after)) = rest.split_once("\"/api/v1") {
        let (path, after) = after.split_once('"').unwrap();
        let mut words = before.split(|letter: char| !letter.is_ascii_uppercase());
        let method = words.rfind(|word| word.len() > 2).unwrap();
        found.push((method.to_owned(), format!("/api/v1{path}")));
        rest = after;
    }
    assert!(found.len() > 45, "{found:?}");
    found
}

/// Bodies that no route takes, or that are wrong in it.
pub(crate) fn bad_bodies(secret: &str) -> Vec<String> {
    let document = [
        json!(secret),
        json!([secret]),
        json!({"port": secret, "mode": secret, "id": secret, "debug": secret}),
        json!({"application": secret, "clients": secret}),
        json!({"application": {"skey": [secret]}, "clients": [{"secret": {"x": secret}}]}),
        json!({"mode": "auto", "application": {"ikey": "DI", "skey": secret, "host": secret, "port": secret}}),
        json!({"secret": secret, "message_authenticator": secret, "address": secret}),
        json!({"kind": {"ad": {"service_account_password": secret, "hosts": secret}}}),
        json!({"kind": {"radius": {"secret": secret, "retries": secret}}}),
        json!({"name": "nobody", "password": secret, "passcode": secret, "invitation": secret}),
        json!({"name": "nobody", "role": secret, "expires_in_days": secret, "token": secret}),
        json!({"text": format!("[radius_server_auto]\nradius_secret_1={secret}\nport={{}}\n"), "files": {}}),
        json!({"text": format!("[main]\n{secret}\n"), "files": {"a.pem": secret}}),
        json!({"writes": [{"method": "PUT", "path": "/settings", "body": secret}], "message": 1}),
    ];
    let mut bodies: Vec<String> = document.iter().map(Value::to_string).collect();
    bodies.push(format!("{{\"secret\": {}", json!(secret)));
    bodies.push(String::new());
    bodies
}

/// The one table of routes.
const ROUTES: &str = include_str!("../../../controlplane/src/access/routes.rs");
