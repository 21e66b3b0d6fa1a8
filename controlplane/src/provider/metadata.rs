//! What a provider says of itself and its keys, kept for a while, and what is asked of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use http::HeaderValue;
use proto::secret::Secret;
use ring::digest;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::fetch::{self, Ask, FetchError, fetch};
use super::jws::{JwsFault, Keys};
use super::settings::Endpoint;
use super::{Flow, Settings};

/// The provider as it was asked last.
#[derive(Debug)]
pub(crate) struct Providers {
    kept: Mutex<Option<Arc<Provider>>>,
    /// Who asks a provider now: strangers can have it asked.
    places: Semaphore,
    /// Whose code is exchanged now, of those at addresses where too many failed.
    turns: Semaphore,
}

/// A provider.
#[derive(Debug)]
pub(crate) struct Provider {
    /// Of the settings that it was asked with.
    digest: Vec<u8>,
    at_ms: u64,
    metadata: Metadata,
    tls: Arc<ClientConfig>,
    keys: Mutex<Keys>,
}

/// OpenID Connect Discovery section 3.
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207 section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A code that is to be exchanged.
pub(crate) struct Exchange<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) flow: &'a Flow,
    pub(crate) code: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Secret<String>,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            kept: Mutex::new(None),
            places: Semaphore::new(ASKING),
            turns: Semaphore::new(TURNS),
        }
    }
}

impl Providers {
    /// The provider of these settings, whose stored form is `document`.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub(crate) async fn open(
        &self,
        settings: &Settings,
        document: &[u8],
        now_ms: u64,
    ) -> Result<Arc<Provider>, ProviderError> {
        let digest = digest::digest(&digest::SHA256, document).as_ref().to_vec();
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let fresh = |one: &Arc<Provider>| {
            one.digest == digest && now_ms.saturating_sub(one.at_ms) < KEPT_MS
        };
        if let Some(kept) = kept.filter(fresh) {
            return Ok(kept);
        }
        let _place = self.places.try_acquire().map_err(|_| ProviderError::Busy)?;
        let provider = Arc::new(Provider::ask(settings, digest, now_ms).await?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::clone(&provider));
        Ok(provider)
    }

    /// A turn to exchange a code for who comes from where too many failed, in the order in which they
    /// came; none when it is not theirs for too long.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        timeout(TURN_WAIT, self.turns.acquire()).await.ok()?.ok()
    }
}

impl Provider {
    async fn ask(settings: &Settings, digest: Vec<u8>, at_ms: u64) -> Result<Self, ProviderError> {
        let tls = fetch::trust(settings.ca_certs.as_deref())?;
        let document = fetch(&tls, &settings.discovery(), Ask::Get).await?;
        let metadata: Metadata =
            serde_json::from_slice(&document).map_err(|_| ProviderError::Metadata)?;
        if metadata.issuer != settings.issuer {
            return Err(ProviderError::Issuer);
        }
        let named = [
            &metadata.authorization_endpoint,
            &metadata.token_endpoint,
            &metadata.jwks_uri,
        ];
        let here = Endpoint::parse(&settings.issuer).is_some_and(|issuer| !issuer.tls);
        let good = |url: &&String| Endpoint::parse(url).is_some_and(|at| at.tls || here);
        if !named.iter().all(good) {
            return Err(ProviderError::Endpoint);
        }
        let keys = Mutex::new(ask_keys(&tls, &metadata).await?);
        Ok(Self {
            digest,
            at_ms,
            metadata,
            tls,
            keys,
        })
    }

    /// Where a browser is sent to sign in.
    pub(crate) fn authorization(&self, settings: &Settings, flow: &Flow) -> String {
        let endpoint = &self.metadata.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &settings.redirect_uri())
            .append_pair("scope", &settings.scopes.join(" "))
            .append_pair("state", &flow.state())
            .append_pair("nonce", &flow.nonce())
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256")
            .finish();
        format!("{endpoint}{separator}{query}")
    }

    /// Whether an answer is this provider's, by what it says of itself (RFC 9207 section 2.4).
    pub(crate) fn is_issuer(&self, said: Option<&str>) -> bool {
        match said {
            Some(said) => said == self.metadata.issuer,
            None => !self.metadata.authorization_response_iss_parameter_supported,
        }
    }

    /// Exchanges a code for the claims of whoever signed in, signed by the provider. Keys that it
    /// changed meanwhile are read again.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub(crate) async fn claims(
        &self,
        exchange: Exchange<'_>,
    ) -> Result<Map<String, Value>, ProviderError> {
        let (form, authorization) = self.form(&exchange);
        let ask = Ask::Form(form, authorization);
        let answer = fetch(&self.tls, &self.metadata.token_endpoint, ask).await?;
        let tokens: Tokens = serde_json::from_slice(&answer).map_err(|_| ProviderError::Tokens)?;
        let token = tokens.id_token.expose();
        match self.keys().open(token) {
            Err(JwsFault::UnknownKey | JwsFault::Signature) => {
                let keys = ask_keys(&self.tls, &self.metadata).await?;
                *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys.clone();
                Ok(keys.open(token)?)
            }
            opened => Ok(opened?),
        }
    }

    fn keys(&self) -> Keys {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// RFC 6749 section 4.1.3, with what we are known by (section 2.3.1).
    fn form(&self, exchange: &Exchange<'_>) -> (String, Option<HeaderValue>) {
        let settings = exchange.settings;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", exchange.code)
            .append_pair("redirect_uri", &settings.redirect_uri())
            .append_pair("code_verifier", &exchange.flow.verifier());
        let methods = self
            .metadata
            .token_endpoint_auth_methods_supported
            .as_deref();
        let takes = |wanted: &str| methods.is_some_and(|all| all.iter().any(|one| one == wanted));
        // What is not said means "client_secret_basic".
        let in_form = takes("client_secret_post") && !takes("client_secret_basic");
        let authorization = match &settings.client_secret {
            None => {
                form.append_pair("client_id", &settings.client_id);
                None
            }
            Some(secret) if in_form => {
                form.append_pair("client_id", &settings.client_id)
                    .append_pair("client_secret", secret.expose());
                None
            }
            Some(secret) => {
                let encoded = |text: &str| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let (id, secret) = (&settings.client_id, secret.expose());
                let pair = Zeroizing::new(format!("{}:{}", encoded(id), encoded(secret)));
                let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
                let value = HeaderValue::from_str(&value).ok();
                value.map(|mut value| {
                    value.set_sensitive(true);
                    value
                })
            }
        };
        (form.finish(), authorization)
    }
}

async fn ask_keys(tls: &Arc<ClientConfig>, metadata: &Metadata) -> Result<Keys, ProviderError> {
    let document = fetch(tls, &metadata.jwks_uri, Ask::Get).await?;
    Keys::parse(&document).ok_or(ProviderError::Keys)
}

/// Why a provider is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// It is asked by too many at once.
    #[error("too many sign in there now")]
    Busy,
    /// It is not reached, or refuses.
    #[error("the provider was asked in vain")]
    Fetch(#[from] FetchError),
    /// What it says of itself is not what is wanted.
    #[error("what the provider says of itself cannot be read")]
    Metadata,
    /// It says that it is another one.
    #[error("the provider says that it is another issuer")]
    Issuer,
    /// It names an address that is not asked.
    #[error("the provider names an address without TLS")]
    Endpoint,
    /// Its keys cannot be read.
    #[error("the provider's keys cannot be read")]
    Keys,
    /// There is no ID token.
    #[error("the provider gave no ID token")]
    Tokens,
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] JwsFault),
}

/// How long what a provider says of itself is kept: an hour.
const KEPT_MS: u64 = 60 * 60 * 1_000;
/// The most that ask it at once.
const ASKING: usize = 4;
/// The most codes that are exchanged at once for addresses where too many failed.
const TURNS: usize = 4;
/// How long one of them waits for that.
const TURN_WAIT: Duration = Duration::from_secs(10);
