//! Signing in at a provider, which the test is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use data_encoding::BASE64URL_NOPAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{Answer, PAGE, Plane};

const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const SECRET: &str = "PLANTED client & secret";

/// What the provider does.
struct Idp {
    issuer: String,
    key: EcdsaKeyPair,
    kid: String,
    /// Put into the claims; null takes one out.
    change: Value,
    /// The `alg` that is written; "none" leaves the signature out.
    alg: &'static str,
    /// Signs with a key that the provider does not name.
    foreign_key: bool,
    /// Codes that were not exchanged yet: nonce and challenge.
    codes: HashMap<String, (String, String)>,
    exchanged: usize,
    /// Says that a code came, and waits for the second before it answers.
    pause: Option<(Arc<Notify>, Arc<Notify>)>,
}

type Shared = Arc<Mutex<Idp>>;

fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

impl Idp {
    fn token(&self, nonce: &str) -> String {
        let now = controlplane::now_ms() / 1_000;
        let mut claims = json!({
            "iss": self.issuer, "aud": "countersign", "sub": "s-17", "nonce": nonce,
            "iat": now, "exp": now + 300, "groups": ["staff", "netops"],
            "email": "alice@example.com", "email_verified": true,
        });
        for (name, value) in self.change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let head = json!({ "alg": self.alg, "kid": self.kid });
        let signed = format!(
            "{}.{}",
            BASE64.encode(head.to_string().as_bytes()),
            BASE64.encode(claims.to_string().as_bytes())
        );
        let foreign = new_key();
        let key = if self.foreign_key {
            &foreign
        } else {
            &self.key
        };
        let signature = match self.alg {
            "none" => Vec::new(),
            "HS256" => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
                ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
            _ => {
                let random = SystemRandom::new();
                key.sign(&random, signed.as_bytes())
                    .unwrap()
                    .as_ref()
                    .to_vec()
            }
        };
        format!("{signed}.{}", BASE64.encode(&signature))
    }
}

async fn about(State(idp): State<Shared>) -> Json<Value> {
    let issuer = idp.lock().unwrap().issuer.clone();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
    }))
}

async fn keys(State(idp): State<Shared>) -> Json<Value> {
    let idp = idp.lock().unwrap();
    let point = idp.key.public_key().as_ref();
    Json(json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": idp.kid,
        "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]),
    }]}))
}

async fn token(
    State(idp): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let pause = idp.lock().unwrap().pause.clone();
    if let Some((came, go_on)) = pause {
        came.notify_one();
        go_on.notified().await;
    }
    let mut idp = idp.lock().unwrap();
    // RFC 6749 section 2.3.1: both are encoded as in a form.
    let basic = data_encoding::BASE64.encode(b"countersign:PLANTED+client+%26+secret");
    assert_eq!(
        headers["authorization"].to_str().unwrap(),
        format!("Basic {basic}")
    );
    assert_eq!(form["grant_type"], "authorization_code");
    assert!(form["redirect_uri"].ends_with("/api/v1/session/oidc/callback"));
    let code = idp.codes.remove(&form["code"]);
    let (nonce, challenge) = code.ok_or(StatusCode::BAD_REQUEST)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
    if BASE64.encode(digest.as_ref()) != challenge {
        return Err(StatusCode::BAD_REQUEST);
    }
    idp.exchanged += 1;
    Ok(Json(
        json!({ "token_type": "Bearer", "id_token": idp.token(&nonce) }),
    ))
}

/// A control plane and a provider that it knows.
struct Lab {
    plane: Plane,
    idp: Shared,
    settings: Value,
    _serving: AbortOnDropHandle<()>,
}

impl Lab {
    async fn start() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", tcp.local_addr().unwrap());
        let idp = Arc::new(Mutex::new(Idp {
            issuer: issuer.clone(),
            key: new_key(),
            kid: "one".to_owned(),
            change: json!({}),
            alg: "ES256",
            foreign_key: false,
            codes: HashMap::new(),
            exchanged: 0,
            pause: None,
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(about))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&idp));
        #[expect(clippy::disallowed_methods, reason = "ends with the handle")]
        let serving = tokio::spawn(async move { axum::serve(tcp, router).await.unwrap() });
        let plane = Plane::start().await;
        let settings = json!({
            "issuer": issuer, "client_id": "countersign", "client_secret": SECRET,
            "public_url": "https://gate.example.com",
            "roles": [{"group": "netops", "role": "operator"}],
        });
        let lab = Self {
            plane,
            idp,
            settings,
            _serving: AbortOnDropHandle::new(serving),
        };
        let put = lab
            .plane
            .locally("PUT", "/api/v1/oidc", &lab.settings)
            .await;
        assert_eq!(put.status, 200, "{put:?}");
        lab
    }

    /// Begins a sign-in and goes to the provider; gives the way back and the cookie.
    async fn go(&self) -> (String, String) {
        let start = self.plane.call("GET", "/api/v1/session/oidc", "", "").await;
        assert_eq!(start.status, 303, "{start:?}");
        let to = start.header("location").unwrap();
        let (at, query) = to.split_once("?tenant=1&").unwrap();
        assert_eq!(at, format!("{}/authorize", self.idp.lock().unwrap().issuer));
        let asked: HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        for (name, want) in [
            ("response_type", "code"),
            ("client_id", "countersign"),
            (
                "redirect_uri",
                "https://gate.example.com/api/v1/session/oidc/callback",
            ),
            ("scope", "openid email profile"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[name], want, "{to}");
        }
        let set = start.header("set-cookie").unwrap();
        assert!(set.starts_with("__Host-countersign-oidc="), "{set}");
        for wanted in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"] {
            assert!(set.contains(wanted), "{set}");
        }
        let mut idp = self.idp.lock().unwrap();
        let code = format!("code-{}", asked["state"]);
        let kept = (asked["nonce"].clone(), asked["code_challenge"].clone());
        idp.codes.insert(code.clone(), kept);
        let back = format!("state={}&code={code}&session_state=x", asked["state"]);
        (back, set.split(';').next().unwrap().to_owned())
    }

    async fn back(&self, query: &str, cookie: &str) -> Answer {
        let path = format!("/api/v1/session/oidc/callback?{query}");
        self.plane
            .call("GET", &path, &format!("cookie: {cookie}\r\n"), "")
            .await
    }

    async fn sign_in(&self) -> Answer {
        let (query, cookie) = self.go().await;
        self.back(&query, &cookie).await
    }

    fn exchanged(&self) -> usize {
        self.idp.lock().unwrap().exchanged
    }
}

fn session(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-countersign=cst_"), "{set}");
    format!("cookie: {}\r\n", set.split(';').next().unwrap())
}

#[tokio::test]
async fn a_person_of_the_provider_signs_in_once_for_each_time_there() {
    let lab = Lab::start().await;
    let (query, cookie) = lab.go().await;
    let answer = lab.back(&query, &cookie).await;
    let headers = session(&answer);
    assert_eq!(answer.header("location"), Some("/"));
    let path = "/api/v1/session";
    let who = lab.plane.call("GET", path, &headers, "").await;
    let want = json!({ "caller": "oidc alice@example.com", "role": "operator" });
    assert_eq!(who.json(), want);
    // Neither the state nor the code is good again, and the code of another is of no use.
    for (query, cookie) in [
        (query.as_str(), cookie.as_str()),
        (&query, "a=b"),
        ("", &cookie),
    ] {
        let again = lab.back(query, cookie).await;
        assert_eq!(again.status, 400, "{again:?}");
    }
    let (fresh, cookie) = lab.go().await;
    let used = query.split("&code=").nth(1).unwrap();
    let state = fresh.split('&').next().unwrap();
    let replayed = lab.back(&format!("{state}&code={used}"), &cookie).await;
    assert_eq!(replayed.status, 401, "{replayed:?}");
    assert_eq!(lab.exchanged(), 1);
    let (stolen, _) = lab.go().await;
    let (_, mine) = lab.go().await;
    let crossed = lab.back(&stolen, &mine).await;
    assert_eq!(
        crossed.status, 400,
        "a state of another browser: {crossed:?}"
    );
    let (query, cookie) = lab.go().await;
    let denied = format!(
        "{}&error=access_denied%3Cb%3E",
        query.split('&').next().unwrap()
    );
    let denied = lab.back(&denied, &cookie).await;
    assert_eq!(denied.json()["detail"], "the provider says: access_deniedb");
    let out = lab
        .plane
        .call("DELETE", path, &format!("{headers}{PAGE}"), "")
        .await;
    assert_eq!(out.status, 204, "{out:?}");
    assert_eq!(lab.plane.call("GET", path, &headers, "").await.status, 401);
    let audit = lab
        .plane
        .locally("GET", "/api/v1/audit", &Value::Null)
        .await;
    let shown = String::from_utf8(audit.octets.clone()).unwrap();
    assert!(!shown.contains("PLANTED"), "{shown}");
    let audit = audit.json();
    let deeds: Vec<&Value> = audit["items"].as_array().unwrap().iter().collect();
    let actions: Vec<&str> = deeds
        .iter()
        .map(|one| one["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["session.delete", "session.create", "oidc.change"]);
    assert_eq!(deeds[1]["detail"]["subject"], "s-17");
    assert_eq!(deeds[1]["source"], "127.0.0.1");
    assert_eq!(deeds[2]["detail"]["after"]["client_secret"]["set"], true);
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn what_the_provider_did_not_say_to_us_now_lets_nobody_in() {
    let lab = Lab::start().await;
    let now = controlplane::now_ms() / 1_000;
    for (change, alg, foreign_key) in [
        (json!({"nonce": "another"}), "ES256", false),
        (json!({"iss": "https://evil.example"}), "ES256", false),
        (json!({"exp": now - 120}), "ES256", false),
        (json!({}), "none", false),
    ] {
        {
            let mut idp = lab.idp.lock().unwrap();
            (idp.change, idp.alg, idp.foreign_key) = (change.clone(), alg, foreign_key);
        }
        let answer = lab.sign_in().await;
        assert_eq!(answer.status, 401, "{change} {alg}: {answer:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    lab.plane.running.stop().await;
    // Whoever fails five times waits: the others from a fresh one.
    let lab = Lab::start().await;
    for (change, alg, foreign_key) in [
        (json!({}), "HS256", false),
        (json!({}), "ES256", true),
        (json!({"aud": "another"}), "ES256", false),
        (json!({"groups": ["staff"]}), "ES256", false),
    ] {
        {
            let mut idp = lab.idp.lock().unwrap();
            (idp.change, idp.alg, idp.foreign_key) = (change.clone(), alg, foreign_key);
        }
        let answer = lab.sign_in().await;
        assert_eq!(answer.status, 401, "{change} {alg}: {answer:?}");
    }
    assert_eq!(lab.exchanged(), 4);
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn keys_that_the_provider_changed_are_read_again_and_settings_end_sessions() {
    let lab = Lab::start().await;
    let first = session(&lab.sign_in().await);
    {
        let mut idp = lab.idp.lock().unwrap();
        (idp.key, idp.kid) = (new_key(), "two".to_owned());
    }
    let second = session(&lab.sign_in().await);
    // The same name for another key.
    lab.idp.lock().unwrap().key = new_key();
    session(&lab.sign_in().await);
    let path = "/api/v1/oidc";
    let read = lab.plane.locally("GET", path, &Value::Null).await;
    assert_eq!(read.status, 200);
    assert!(
        !String::from_utf8(read.octets.clone())
            .unwrap()
            .contains("PLANTED")
    );
    let mut document = read.json();
    for (name, value, status) in [
        ("issuer", json!("https://evil.example"), 422),
        ("issuer", json!("http://evil.example"), 422),
        ("public_url", json!("ftp://x"), 422),
        // The secret that is kept would go to whoever is trusted by these.
        ("ca_certs", json!(AUTHORITY), 422),
        ("color", json!("red"), 422),
        ("scopes", json!(["openid", "groups"]), 200),
    ] {
        let was = document.clone();
        document[name] = value;
        let put = lab.plane.locally("PUT", path, &document).await;
        assert_eq!(put.status, status, "{document}: {put:?}");
        if status != 200 {
            document = was;
        }
    }
    for headers in [first, second] {
        let who = lab.plane.call("GET", "/api/v1/session", &headers, "").await;
        assert_eq!(who.status, 401, "signed out");
    }
    let again = lab.plane.locally("GET", path, &Value::Null).await.json();
    assert_eq!(
        again["client_secret"]["set"], true,
        "kept though it was masked"
    );
    let gone = lab.plane.locally("DELETE", path, &Value::Null).await;
    assert_eq!(gone.status, 204);
    let start = lab.plane.call("GET", "/api/v1/session/oidc", "", "").await;
    assert_eq!(start.status, 404);
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn an_answer_without_a_good_code_takes_no_place_and_counts_as_a_failure() {
    let lab = Lab::start().await;
    let (query, cookie) = lab.go().await;
    let state = query.split('&').next().unwrap();
    for (more, status) in [
        ("error=access_denied", 400),
        ("iss=https%3A%2F%2Fevil.example&code=x", 400),
        ("code=", 400),
        ("code=guessed", 401),
    ] {
        let answer = lab.back(&format!("{state}&{more}"), &cookie).await;
        assert_eq!(answer.status, status, "{more}: {answer:?}");
    }
    // None of them used the state up.
    session(&lab.back(&query, &cookie).await);
    let (query, cookie) = lab.go().await;
    let state = query.split('&').next().unwrap();
    let denied = format!("{state}&error=access_denied");
    let statuses = [
        lab.back(&denied, &cookie).await.status,
        lab.back(&denied, &cookie).await.status,
    ];
    assert_eq!(statuses, [400, 429], "four failed before");
    let guessed = lab.back(&format!("{state}&code=guessed"), &cookie).await;
    assert_eq!(guessed.status, 429, "{guessed:?}");
    // Who did sign in at the provider does not wait for what others failed.
    session(&lab.back(&query, &cookie).await);
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn who_is_at_the_provider_while_its_settings_change_is_not_signed_in() {
    let lab = Lab::start().await;
    let (query, cookie) = lab.go().await;
    let (came, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    lab.idp.lock().unwrap().pause = Some((Arc::clone(&came), Arc::clone(&go_on)));
    let change = async {
        came.notified().await;
        let mut settings = lab.settings.clone();
        settings["roles"] = json!([{"group": "netops", "role": "viewer"}]);
        let put = lab.plane.locally("PUT", "/api/v1/oidc", &settings).await;
        assert_eq!(put.status, 200, "{put:?}");
        go_on.notify_one();
    };
    let (answer, ()) = tokio::join!(lab.back(&query, &cookie), change);
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("set-cookie"), None);
    lab.idp.lock().unwrap().pause = None;
    session(&lab.sign_in().await);
    lab.plane.running.stop().await;
}
