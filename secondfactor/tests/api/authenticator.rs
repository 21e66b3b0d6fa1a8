//! A browser with an authenticator of its own: cookies, an origin, and a key that signs what is asked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::support::{Call, Running};

/// Where it says that it is; the services of these tests say the same.
pub(crate) const ORIGIN: &str = "https://gate.example";

/// A phone.
pub(crate) struct Phone {
    pub(crate) cookie: String,
    pub(crate) origin: &'static str,
    pub(crate) count: u32,
    /// Whether its maker keeps its passkey in a keychain.
    pub(crate) synced: bool,
    /// Whom a proxy says that it is; empty where there is none.
    pub(crate) from: &'static str,
    credential: Vec<u8>,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Phone {
    pub(crate) fn new(credential: &str) -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self {
            cookie: String::new(),
            origin: ORIGIN,
            count: 1,
            synced: false,
            from: "",
            credential: credential.as_bytes().to_vec(),
            pair: EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), &random).unwrap(),
            random,
        }
    }

    /// One that was bound by a phone's own address.
    pub(crate) async fn bound(running: &Running, token: &str) -> Self {
        let mut phone = Self::new(token);
        let (status, said) = phone.bind(running, token).await;
        assert_eq!(status, 200, "{said}");
        phone
    }

    /// Binds a device by its own address.
    pub(crate) async fn bind(&mut self, running: &Running, token: &str) -> (u16, Value) {
        let ask = json!({"token": token});
        let (status, said) = self.post(running, "/app/bind/options", &ask).await;
        if status != 200 {
            return (status, said);
        }
        let response = self.created(&said["options"]);
        let body = json!({"token": token, "response": response});
        self.post(running, "/app/bind", &body).await
    }

    /// Signs in anew.
    pub(crate) async fn sign_in(&mut self, running: &Running) -> (u16, Value) {
        let (_, options) = self.post(running, "/app/sign-in/options", &json!({})).await;
        let body = json!({"response": self.signed(&options)});
        self.post(running, "/app/sign-in", &body).await
    }

    /// Approves a login, with the number that was typed.
    pub(crate) async fn approve(
        &mut self,
        running: &Running,
        txid: &str,
        number: Option<&str>,
    ) -> (u16, Value) {
        let ask = json!({"txid": txid});
        let (status, options) = self.post(running, "/app/approve/options", &ask).await;
        if status != 200 {
            return (status, options);
        }
        let body = json!({"txid": txid, "response": self.signed(&options), "number": number});
        self.post(running, "/app/approve", &body).await
    }

    /// What waits, when it is not what is known.
    pub(crate) async fn waiting(&self, running: &Running, after: &str) -> (u16, Value) {
        let mut call = Call::bare(&running.app, "GET", "/app/waiting");
        call.query = format!("after={after}");
        call.header("cookie", &self.cookie);
        running.send(&call).await
    }

    /// Sends JSON, and keeps the cookie that comes back.
    pub(crate) async fn post(
        &mut self,
        running: &Running,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let mut call = Call::bare(&running.app, "POST", path);
        call.body = body.to_string();
        call.header("content-type", "application/json");
        if !self.origin.is_empty() {
            call.header("origin", self.origin);
        }
        call.header("cookie", &self.cookie);
        if !self.from.is_empty() {
            call.header("x-forwarded-for", self.from);
        }
        let (status, headers, body) = running.send_raw(&call).await;
        if let Some(cookie) = headers.get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with("__Host-countersign="), "{cookie}");
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// What `navigator.credentials.create` makes.
    pub(crate) fn created(&self, options: &Value) -> Value {
        let point = self.pair.public_key().as_ref();
        let length = u16::try_from(self.credential.len()).unwrap().to_be_bytes();
        let attested = [
            &[0; 16][..],
            &length,
            &self.credential,
            b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20",
            &point[1..33],
            b"\x22\x58\x20",
            &point[33..],
        ];
        let flags = if self.synced { 0x5d } else { 0x45 };
        let data = self.data(flags, &attested.concat());
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        let head = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59";
        let object = [&head[..], &length, &data].concat();
        self.credential(&json!({
            "clientDataJSON": self.client("webauthn.create", options),
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "transports": ["internal"],
        }))
    }

    /// What `navigator.credentials.get` signs.
    pub(crate) fn signed(&mut self, options: &Value) -> Value {
        self.count += 1;
        let client = self.client("webauthn.get", options);
        let data = self.data(0x05, &[]);
        let hash = digest(&SHA256, &URL_SAFE_NO_PAD.decode(&client).unwrap());
        let message = [&data[..], hash.as_ref()].concat();
        let signature = self.pair.sign(&self.random, &message).unwrap();
        self.credential(&json!({
            "clientDataJSON": client,
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
        }))
    }

    fn credential(&self, response: &Value) -> Value {
        let id = URL_SAFE_NO_PAD.encode(&self.credential);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response})
    }

    fn data(&self, flags: u8, rest: &[u8]) -> Vec<u8> {
        let hash = digest(&SHA256, b"gate.example");
        let count = self.count.to_be_bytes();
        [hash.as_ref(), &[flags], &count, rest].concat()
    }

    fn client(&self, ceremony: &str, options: &Value) -> String {
        let client = json!({
            "type": ceremony,
            "challenge": options["challenge"],
            "origin": ORIGIN,
            "crossOrigin": false,
        });
        URL_SAFE_NO_PAD.encode(client.to_string())
    }
}
