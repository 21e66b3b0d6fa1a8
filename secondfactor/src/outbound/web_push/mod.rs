//! Web Push: a notice to a browser, by way of its maker's push service (RFC 8030). What it says only
//! the browser can read (`encrypt`), and the service knows who sends it (`vapid`).

mod encrypt;
mod vapid;

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, header};
use proto::secret::Secret;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use super::address::{Address, Reach};
use super::http::{Post, PostError, post};
use crate::admin::WebPush;
pub(crate) use encrypt::EncryptError;
pub(crate) use vapid::Signer;

/// A sender of notices.
pub(crate) struct Route {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) settings: WebPush,
    pub(crate) signer: Signer,
}

/// Where a browser is told, and how only it can read it (RFC 8291 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) endpoint: String,
    pub(crate) keys: Keys,
}

/// A browser's keys, in base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keys {
    /// Its point on P-256, uncompressed.
    pub(crate) p256dh: String,
    /// What both know.
    #[serde(with = "proto::secret::on_the_wire")]
    pub(crate) auth: Secret<String>,
}

/// Why a subscription is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSubscription {
    /// Not an address.
    #[error("the subscription's endpoint is no https address")]
    Endpoint,
    /// Of nobody we send to.
    #[error(
        "the subscription's endpoint is of a push service that notices do not go to; an administrator \
         can add its host"
    )]
    Host,
    /// The keys are none.
    #[error("the subscription's keys cannot be read")]
    Keys,
}

/// Why a notice did not go out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoticeError {
    #[error(transparent)]
    Subscription(#[from] BadSubscription),
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
}

impl NoticeError {
    /// Whether the browser is not there any more (RFC 8030 section 7.3).
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Post(PostError::Status { status, .. })
            if matches!(status.as_u16(), 404 | 410))
    }
}

impl Route {
    /// Hands a notice to the push service. Notices of one topic replace each other.
    ///
    /// # Errors
    /// [`NoticeError`].
    pub(crate) async fn send(
        &self,
        to: &Subscription,
        topic: &str,
        payload: &[u8],
        now_s: u64,
    ) -> Result<(), NoticeError> {
        let (address, reach) = endpoint(&self.settings.hosts, &to.endpoint)?;
        let (p256dh, auth) = decoded(&to.keys)?;
        let body = encrypt::message(payload, &p256dh, &auth)?;
        let token = self
            .signer
            .authorization(&address.origin(), &self.settings.contact, now_s)?;
        let mut headers = HeaderMap::new();
        let mut authorization = HeaderValue::from_str(&token).map_err(http::Error::from)?;
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
        headers.insert(
            header::CONTENT_ENCODING,
            HeaderValue::from_static("aes128gcm"),
        );
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        headers.insert("ttl", HeaderValue::from_static(TTL_SECONDS));
        headers.insert("urgency", HeaderValue::from_static("high"));
        let topic = HeaderValue::from_str(topic).map_err(http::Error::from)?;
        headers.insert("topic", topic);
        post(Post {
            address: &address,
            tls: &self.tls,
            reach,
            headers,
            body: Bytes::from(body),
        })
        .await?;
        Ok(())
    }
}

/// Checks what a browser says of itself.
///
/// # Errors
/// [`BadSubscription`].
pub(crate) fn check(hosts: &[String], subscription: &Subscription) -> Result<(), BadSubscription> {
    endpoint(hosts, &subscription.endpoint)?;
    decoded(&subscription.keys)?;
    Ok(())
}

/// Where an endpoint is, if notices go there, and which machines it may be. A host that an
/// administrator named may be any, at any port.
fn endpoint(hosts: &[String], endpoint: &str) -> Result<(Address, Reach), BadSubscription> {
    let address = Address::parse(endpoint).map_err(|_| BadSubscription::Endpoint)?;
    if !address.secure {
        return Err(BadSubscription::Endpoint);
    }
    if hosts.iter().any(|pattern| matches(pattern, &address.host)) {
        return Ok((address, Reach::Any));
    }
    let known = KNOWN_HOSTS
        .iter()
        .any(|pattern| matches(pattern, &address.host));
    if known && address.port == 443 {
        return Ok((address, Reach::Public));
    }
    Err(BadSubscription::Host)
}

/// Whether a host is the one of a pattern, or below it after `*.`.
fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host
            .strip_suffix(parent)
            .and_then(|rest| rest.strip_suffix('.'))
            .is_some_and(|rest| !rest.is_empty()),
        None => pattern == host,
    }
}

/// Checks the hosts that an administrator names, and writes them as they are compared.
///
/// # Errors
/// What is wrong, and what to do.
pub(crate) fn check_hosts(hosts: &[String]) -> Result<Vec<String>, String> {
    if hosts.len() > MAX_HOSTS {
        return Err(format!("hosts: there are at most {MAX_HOSTS}"));
    }
    let good = |host: &String| {
        let host = host.to_ascii_lowercase();
        let bare = host.strip_prefix("*.").unwrap_or(&host);
        let named = rustls_pki_types::ServerName::try_from(bare).is_ok();
        // All below a top-level domain is everybody.
        let narrow = bare == host || bare.contains('.');
        (named && narrow && !bare.ends_with('.'))
            .then(|| host.clone())
            .ok_or_else(|| {
                format!(
                    "hosts: '{}' is no name such as push.example or *.push.example",
                    host.escape_debug()
                )
            })
    };
    hosts.iter().map(good).collect()
}

/// Checks whom a push service may ask (RFC 8292 section 2.1).
///
/// # Errors
/// What is wrong, and what to do.
pub(crate) fn check_contact(contact: &str) -> Result<(), String> {
    let mail = contact
        .strip_prefix("mailto:")
        .is_some_and(crate::account::is_email_address);
    let page = contact.starts_with("https://") && Address::parse(contact).is_ok();
    if mail || page {
        return Ok(());
    }
    Err("contact: it is mailto:somebody@corp.example or an https:// address".to_owned())
}

fn decoded(keys: &Keys) -> Result<(Vec<u8>, Vec<u8>), BadSubscription> {
    let decode = |text: &str, octets: usize| {
        let text = text.trim_end_matches('=');
        let found = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        found
            .filter(|found| found.len() == octets)
            .ok_or(BadSubscription::Keys)
    };
    let point = decode(&keys.p256dh, POINT_OCTETS)?;
    if point.first() != Some(&0x04) {
        return Err(BadSubscription::Keys);
    }
    Ok((point, decode(keys.auth.expose(), AUTH_OCTETS)?))
}

/// Chrome and what is made of it, Firefox, Safari, Edge.
const KNOWN_HOSTS: &[&str] = &[
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
];

/// How long a push service keeps a notice: as long as a push waits.
const TTL_SECONDS: &str = "60";
const MAX_HOSTS: usize = 32;
const POINT_OCTETS: usize = 65;
const AUTH_OCTETS: usize = 16;

#[cfg(test)]
mod tests;
