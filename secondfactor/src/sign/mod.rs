//! Request signatures of the Auth API, versions 1, 2, 4 and 5. Pure.
//!
//! Nothing on the wire says which version a client used: what could be meant is tried, and the
//! comparison takes the same time wherever signatures differ.

use data_encoding::{BASE64, HEXLOWER};
use ring::{digest, hmac};
use subtle::ConstantTimeEq;

use crate::params::Pairs;

/// An application's secret key, made ready for both hashes.
#[derive(Clone)]
pub(crate) struct SigningKeys {
    sha1: hmac::Key,
    sha512: hmac::Key,
}

impl SigningKeys {
    /// Takes the secret key as its raw octets.
    pub(crate) fn new(skey: &str) -> Self {
        Self {
            sha1: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, skey.as_bytes()),
            sha512: hmac::Key::new(hmac::HMAC_SHA512, skey.as_bytes()),
        }
    }
}

/// Whether version 1, which has no date and so can be replayed for ever, is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionOne {
    /// Requests without a date may be signed by version 1.
    Accepted,
    /// They are refused.
    Refused,
}

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// Upper case.
    pub(crate) method: &'a str,
    /// The Host header or the authority, with its port if it has one.
    pub(crate) host: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    /// Without the question mark.
    pub(crate) query: &'a str,
    /// As received.
    pub(crate) body: &'a [u8],
    /// Whether the body is JSON. Versions 1 and 2 sign a form's parameters: over JSON they would
    /// cover another meaning of the same octets than the one that is acted on.
    pub(crate) json: bool,
    /// The date header, octet for octet; none when there is none.
    pub(crate) date: Option<&'a str>,
    /// The headers that begin `x-duo-`, names in lower case.
    pub(crate) x_duo: &'a [(&'a str, &'a [u8])],
}

/// Whether a signature (lower case hexadecimal) is one that the key's owner made.
pub(crate) fn verify(
    keys: &SigningKeys,
    request: &Signed<'_>,
    signature: &str,
    version_one: VersionOne,
) -> bool {
    let mut given = [0; digest::SHA512_OUTPUT_LEN];
    let (key, length) = match signature.len() {
        40 => (&keys.sha1, digest::SHA1_OUTPUT_LEN),
        128 => (&keys.sha512, digest::SHA512_OUTPUT_LEN),
        _ => return false,
    };
    let Some(given) = given.get_mut(..length) else {
        return false;
    };
    if HEXLOWER.decode_mut(signature.as_bytes(), given) != Ok(length) {
        return false;
    }
    let in_body = matches!(request.method, "POST" | "PUT" | "PATCH");
    let pairs = Pairs::parse(if in_body {
        request.body
    } else {
        request.query.as_bytes()
    });
    let line = pairs.canonical();
    let sha512 = length == digest::SHA512_OUTPUT_LEN;
    // Versions 4 and 5 leave the line empty where the body's hash covers the parameters.
    let hashed_line = if in_body { "" } else { line.as_str() };
    let host = request.host.to_ascii_lowercase();
    let bare = without_port(&host);
    let hosts = [Some(bare), (bare != host).then_some(host.as_str())];
    hosts.into_iter().flatten().any(|host| {
        let canonical = Canonical { request, host };
        let Some(date) = request.date else {
            return version_one == VersionOne::Accepted
                && !request.json
                && same(&canonical.sign(key, None, &line, &[]), given);
        };
        if !request.json && same(&canonical.sign(key, Some(date), &line, &[]), given) {
            return true;
        }
        if !sha512 {
            return false;
        }
        let body = hex_sha512(if in_body { request.body } else { b"" });
        let mut versions: Vec<Vec<String>> = vec![vec![body.clone()]];
        versions.extend(header_hashes(request.x_duo).map(|headers| vec![body.clone(), headers]));
        versions
            .iter()
            .any(|more| same(&canonical.sign(key, Some(date), hashed_line, more), given))
    })
}

/// Takes the integration key and the signature out of an Authorization header; none when it is
/// no `Basic` one.
pub(crate) fn credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > CREDENTIAL_OCTETS {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (ikey, signature) = text.split_once(':')?;
    Some((ikey.to_owned(), signature.to_owned()))
}

struct Canonical<'a> {
    request: &'a Signed<'a>,
    host: &'a str,
}

impl Canonical<'_> {
    fn sign(&self, key: &hmac::Key, date: Option<&str>, line: &str, more: &[String]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(key);
        if let Some(date) = date {
            context.update(date.as_bytes());
            context.update(b"\n");
        }
        let lines = [self.request.method, self.host, self.request.path];
        for text in lines {
            context.update(text.as_bytes());
            context.update(b"\n");
        }
        context.update(line.as_bytes());
        for text in more {
            context.update(b"\n");
            context.update(text.as_bytes());
        }
        context.sign()
    }
}

fn same(tag: &hmac::Tag, given: &[u8]) -> bool {
    tag.as_ref().ct_eq(given).into()
}

/// The hashes that version 5 may have: no client sends both, so it is not known whether
/// `X-Duo-Date` counts among the headers. None for a header given twice.
fn header_hashes(headers: &[(&str, &[u8])]) -> impl Iterator<Item = String> {
    let mut sorted: Vec<(&str, &[u8])> = headers.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).any(|pair| match pair {
        [one, two] => one.0 == two.0,
        _ => false,
    });
    let hash = |headers: &[(&str, &[u8])]| {
        let parts: Vec<&[u8]> = headers
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value])
            .collect();
        hex_sha512(&parts.join(&b"\0"[..]))
    };
    let mut hashes = Vec::new();
    if !twice {
        let (_, others): (Vec<_>, Vec<_>) =
            sorted.iter().partition(|(name, _)| *name == "x-duo-date");
        hashes.push(hash(&others));
        if others.len() != sorted.len() {
            hashes.push(hash(&sorted));
        }
    }
    hashes.into_iter()
}

fn hex_sha512(octets: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA512, octets).as_ref())
}

/// `host:443` and `[::1]:443` without the port; everything else as it is.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !is_ipv6(bare) => bare,
        _ => host,
    }
}

/// An address without its brackets has no port to take away.
fn is_ipv6(bare: &str) -> bool {
    bare.contains(':') && !bare.ends_with(']')
}

const CREDENTIAL_OCTETS: usize = 1_024;

#[cfg(test)]
mod tests;
