//! An authenticator with one passkey, and what a browser makes of it.

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// A passkey, kept by a machine that unlocks it each time it is asked.
pub(crate) struct Passkey {
    keys: EcdsaKeyPair,
    id: [u8; 16],
    /// The page's origin that the browser says, and the relying party of the authenticator.
    pub(crate) origin: String,
    relying_party: &'static str,
}

impl Passkey {
    /// One for the pages of `https://localhost:PORT`.
    pub(crate) fn new(port: u16) -> Self {
        let random = SystemRandom::new();
        let way = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        let mut id = [0; 16];
        random.fill(&mut id).unwrap();
        Self {
            keys: EcdsaKeyPair::from_pkcs8(way, pkcs8.as_ref(), &random).unwrap(),
            id,
            origin: format!("https://localhost:{port}"),
            relying_party: "localhost",
        }
    }

    /// What `navigator.credentials.create` gives.
    pub(crate) fn created(&self, options: &Value) -> Value {
        let mut data = self.head(0x45);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(self.id);
        let (x, y) = self.keys.public_key().as_ref()[1..].split_at(32);
        // COSE: kty 2 (EC2), alg -7 (ES256), crv 1 (P-256), x, y.
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(y);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        let client = self.client("webauthn.create", options);
        self.credential(&json!({
            "clientDataJSON": BASE64URL_NOPAD.encode(&client),
            "attestationObject": BASE64URL_NOPAD.encode(&object),
            "transports": ["internal"],
        }))
    }

    /// What `navigator.credentials.get` gives.
    pub(crate) fn signed(&self, options: &Value) -> Value {
        let client = self.client("webauthn.get", options);
        let data = self.head(0x05);
        let text = [&data[..], digest(&SHA256, &client).as_ref()].concat();
        let signature = self.keys.sign(&SystemRandom::new(), &text).unwrap();
        self.credential(&json!({
            "clientDataJSON": BASE64URL_NOPAD.encode(&client),
            "authenticatorData": BASE64URL_NOPAD.encode(&data),
            "signature": BASE64URL_NOPAD.encode(signature.as_ref()),
        }))
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.relying_party.as_bytes())
            .as_ref()
            .to_vec();
        data.push(flags);
        // It does not count.
        data.extend([0; 4]);
        data
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        let client = json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        });
        client.to_string().into_bytes()
    }

    fn credential(&self, response: &Value) -> Value {
        let id = BASE64URL_NOPAD.encode(&self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response})
    }
}

/// What a page asks the browser, of the first form that has it.
pub(crate) fn options_of(html: &str) -> Value {
    let text = html.split("data-options=\"").nth(1).unwrap();
    let text = text.split('"').next().unwrap().replace("&quot;", "\"");
    serde_json::from_str(&text.replace("&#39;", "'").replace("&amp;", "&")).unwrap()
}

/// A value of a form.
pub(crate) fn encoded(value: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    value.bytes().map(octet).collect()
}
