//! What a browser sends: the JSON of a credential (section 5.1, `RegistrationResponseJSON` and
//! `AuthenticationResponseJSON`), and the data that it says the authenticator signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::{CREDENTIAL_OCTETS, Fault};

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attestation {
    pub(crate) credential: Vec<u8>,
    pub(crate) client_data: Vec<u8>,
    pub(crate) object: Vec<u8>,
    pub(crate) transports: Vec<String>,
}

/// An assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assertion {
    pub(crate) credential: Vec<u8>,
    pub(crate) client_data: Vec<u8>,
    pub(crate) authenticator_data: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// What was asked of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// What the browser says was asked (section 5.8.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientData {
    pub(super) ceremony: String,
    pub(super) challenge: Vec<u8>,
    pub(super) origin: String,
    pub(super) cross_origin: bool,
}

#[derive(Deserialize)]
struct Credential<T> {
    #[serde(rename = "rawId")]
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: T,
}

#[derive(Deserialize)]
struct AttestationJson {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(rename = "attestationObject")]
    object: String,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
struct AssertionJson {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(rename = "authenticatorData")]
    authenticator_data: String,
    signature: String,
}

#[derive(Deserialize)]
struct ClientJson {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

impl Attestation {
    /// Reads the JSON. Ways to reach the authenticator that are not plausible are dropped.
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Fault> {
        let found: Credential<AttestationJson> = read(json)?;
        let credential = credential(&found)?;
        let plausible = |name: &String| {
            (1..=32).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let transports = found.response.transports.into_iter().filter(plausible);
        Ok(Self {
            credential,
            client_data: octets(&found.response.client_data, "client data")?,
            object: octets(&found.response.object, "attestation object")?,
            transports: transports.take(MAX_TRANSPORTS).collect(),
        })
    }
}

impl Assertion {
    /// Reads the JSON.
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Fault> {
        let found: Credential<AssertionJson> = read(json)?;
        Ok(Self {
            credential: credential(&found)?,
            client_data: octets(&found.response.client_data, "client data")?,
            authenticator_data: octets(&found.response.authenticator_data, "authenticator data")?,
            signature: octets(&found.response.signature, "signature")?,
        })
    }
}

impl ClientData {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Fault> {
        let bad = Fault::Malformed("client data");
        let found: ClientJson = serde_json::from_slice(json).map_err(|_| bad)?;
        Ok(Self {
            challenge: octets(&found.challenge, "challenge")?,
            ceremony: found.ceremony,
            origin: found.origin,
            cross_origin: found.cross_origin,
        })
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<Credential<T>, Fault> {
    let found: Credential<T> =
        serde_json::from_slice(json).map_err(|_| Fault::Malformed("form"))?;
    if found.kind == "public-key" {
        Ok(found)
    } else {
        Err(Fault::Malformed("type"))
    }
}

fn credential<T>(found: &Credential<T>) -> Result<Vec<u8>, Fault> {
    let id = octets(&found.raw_id, "credential id")?;
    if (1..=CREDENTIAL_OCTETS).contains(&id.len()) {
        Ok(id)
    } else {
        Err(Fault::Malformed("credential id"))
    }
}

fn octets(text: &str, what: &'static str) -> Result<Vec<u8>, Fault> {
    let bad = |_| Fault::Malformed(what);
    // Some pad it.
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(bad)
}

/// The most ways to reach an authenticator that are kept.
const MAX_TRANSPORTS: usize = 8;
