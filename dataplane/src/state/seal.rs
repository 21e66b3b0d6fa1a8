//! The octets of a State.
//!
//! ```text
//! version 1 | key 2 | nonce 12 | sealed { until 4 | scope 16 | kind 1 | body .. } | tag 16
//! ```
//! ChaCha20-Poly1305; version and key are authenticated with it. The nonce is random: up to 2^32
//! challenges under one key, which serves for a day, two alike are not to be expected.

use std::fmt;
use std::net::IpAddr;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::Zeroizing;

use super::tables::NAME_OCTETS;
use super::{Scope, StateFault};
use crate::radius::MAX_VALUE_OCTETS;

/// A key, ready to use.
pub(super) struct Key {
    /// Tells keys apart; says nothing of them.
    name: [u8; KEY_NAME_OCTETS],
    cipher: ChaCha20Poly1305,
    octets: Zeroizing<[u8; KEY_OCTETS]>,
}

/// What a State holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The name under which the node keeps it.
    Spilled([u8; NAME_OCTETS]),
}

/// A State that this key sealed.
pub(super) struct Opened {
    pub(super) nonce: [u8; NONCE_OCTETS],
    /// Seconds since 1970.
    pub(super) until: u64,
    pub(super) digest: [u8; DIGEST_OCTETS],
    /// For [`body`].
    pub(super) clear: Zeroizing<Vec<u8>>,
}

impl Key {
    pub(super) fn new(key: &[u8; KEY_OCTETS]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, key);
        Self {
            name: first(digest.as_ref()),
            cipher: ChaCha20Poly1305::new(key.into()),
            octets: Zeroizing::new(*key),
        }
    }

    /// The key itself, for the process that takes this one's place.
    pub(super) fn octets(&self) -> &[u8; KEY_OCTETS] {
        &self.octets
    }

    /// None when the body has no room, or `until` is beyond the year 2106.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_OCTETS],
        until: u64,
        digest: [u8; DIGEST_OCTETS],
        body: Body<'_>,
    ) -> Option<Vec<u8>> {
        let (kind, body) = match &body {
            Body::Whole(octets) => (WHOLE, *octets),
            Body::Spilled(name) => (SPILLED, name.as_slice()),
        };
        if body.len() > SEALED_ROOM {
            return None;
        }
        let mut clear = Zeroizing::new(Vec::with_capacity(BODY_AT + body.len()));
        clear.extend_from_slice(&u32::try_from(until).ok()?.to_be_bytes());
        clear.extend_from_slice(&digest);
        clear.push(kind);
        clear.extend_from_slice(body);
        let header = self.header();
        let payload = Payload {
            msg: &clear,
            aad: &header,
        };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload).ok()?;
        Some([&header[..], &nonce, &sealed].concat())
    }

    pub(super) fn open(&self, octets: &[u8]) -> Result<Opened, StateFault> {
        let (header, rest) = octets
            .split_first_chunk::<HEADER_OCTETS>()
            .ok_or(StateFault::Foreign)?;
        if *header != self.header() {
            return Err(StateFault::Foreign);
        }
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_OCTETS>()
            .ok_or(StateFault::Tampered)?;
        let payload = Payload {
            msg: sealed,
            aad: header,
        };
        let clear = self
            .cipher
            .decrypt(&Nonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| StateFault::Tampered)?;
        let (until, rest) = clear.split_first_chunk().ok_or(StateFault::Tampered)?;
        let digest = rest.first_chunk().ok_or(StateFault::Tampered)?;
        Ok(Opened {
            nonce: *nonce,
            until: u32::from_be_bytes(*until).into(),
            digest: *digest,
            clear,
        })
    }

    fn header(&self) -> [u8; HEADER_OCTETS] {
        let [high, low] = self.name;
        [VERSION, high, low]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// What an opened State holds; none when it is of no kind we know.
pub(super) fn body(clear: &[u8]) -> Option<Body<'_>> {
    match clear.get(KIND_AT..)? {
        [WHOLE, body @ ..] => Some(Body::Whole(body)),
        [SPILLED, name @ ..] => name.try_into().ok().map(Body::Spilled),
        _ => None,
    }
}

/// Which integration, authenticator, client and user, and whether it signs: each with its length in
/// front, so that no two scopes run into one.
pub(super) fn digest(scope: Scope<'_>) -> [u8; DIGEST_OCTETS] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let address = match scope.client {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    for part in [
        scope.integration.as_bytes(),
        scope.authenticator.as_bytes(),
        &address.octets(),
        scope.user.as_bytes(),
        &[u8::from(scope.signed)],
    ] {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    first(context.finish().as_ref())
}

/// The first octets of a digest, which is longer.
fn first<const N: usize>(digest: &[u8]) -> [u8; N] {
    digest.first_chunk().copied().unwrap_or([0; N])
}

pub(crate) const KEY_OCTETS: usize = 32;
pub(crate) const NONCE_OCTETS: usize = 12;
/// Half of SHA-256: what is compared was authenticated before.
pub(super) const DIGEST_OCTETS: usize = 16;

/// The longest body that is sealed whole.
pub(super) const SEALED_ROOM: usize =
    MAX_VALUE_OCTETS - HEADER_OCTETS - NONCE_OCTETS - BODY_AT - TAG_OCTETS;

const VERSION: u8 = 2;
const KEY_NAME_OCTETS: usize = 2;
const HEADER_OCTETS: usize = 1 + KEY_NAME_OCTETS;
const KIND_AT: usize = 4 + DIGEST_OCTETS;
const BODY_AT: usize = KIND_AT + 1;
const TAG_OCTETS: usize = 16;
const WHOLE: u8 = 0;
const SPILLED: u8 = 1;
