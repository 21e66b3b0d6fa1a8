//! The secrets of an installation, to be looked for in a bundle: of its configuration, of its key files,
//! of its database's URL. None of them is written anywhere.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use controlplane::SECRET_FIELDS;
use proto::child::Role;
use proto::config::raw;
use ring::{digest, hmac};
use serde_json::Value;
use zeroize::Zeroizing;

use super::redact::SHORTEST;
use crate::paths::DataDir;

/// What is looked for.
#[derive(Default)]
pub(super) struct Known {
    values: Vec<Zeroizing<Vec<u8>>>,
    /// How many were too short to be looked for.
    short: usize,
    /// Of the installation, for pseudonyms.
    key: Option<Zeroizing<Vec<u8>>>,
}

impl Known {
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(|one| one.as_slice())
    }

    pub(super) const fn count(&self) -> usize {
        self.values.len()
    }

    pub(super) const fn short(&self) -> usize {
        self.short
    }

    /// What pseudonyms are made with. Without a key of the installation they differ from bundle to bundle.
    pub(super) fn pseudonym_key(&self) -> Result<hmac::Key, getrandom::Error> {
        let octets = match &self.key {
            Some(key) => key.clone(),
            None => {
                let mut octets = Zeroizing::new(vec![0; 32]);
                getrandom::fill(&mut octets)?;
                octets
            }
        };
        let key = digest::digest(
            &digest::SHA256,
            &[b"pseudonyms of a support bundle", octets.as_slice()].concat(),
        );
        Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    pub(super) fn add(&mut self, secret: &[u8]) {
        if secret.is_empty() || self.values.iter().any(|one| one.as_slice() == secret) {
            return;
        }
        if secret.len() < SHORTEST {
            self.short += 1;
            return;
        }
        if self.values.len() < MOST {
            self.values.push(Zeroizing::new(secret.to_vec()));
        }
    }

    /// All that a configuration holds.
    pub(super) fn snapshot(&mut self, snapshot: &raw::Snapshot) {
        if let Ok(document) = serde_json::to_value(snapshot) {
            self.document(&document);
        }
    }

    fn document(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if SECRET_FIELDS.contains(&name.as_str()) => {
                            self.text(text);
                        }
                        _ => self.document(value),
                    }
                }
            }
            Value::Array(all) => all.iter().for_each(|one| self.document(one)),
            _ => {}
        }
    }

    /// A secret, which may be a private key in PEM form.
    pub(super) fn text(&mut self, text: &str) {
        if !text.contains("-----BEGIN") {
            self.add(text.as_bytes());
            return;
        }
        let mut body = Zeroizing::new(String::new());
        for line in text.lines().map(str::trim) {
            if line.starts_with("-----BEGIN") {
                body.clear();
            } else if line.starts_with("-----END") {
                if let Ok(octets) = BASE64_STANDARD.decode(body.as_bytes()) {
                    self.add(&octets);
                }
            } else if line.len() >= SHORTEST_LINE {
                self.add(line.as_bytes());
                body.push_str(line);
            } else {
                body.push_str(line);
            }
        }
    }

    /// The key files of a data folder.
    pub(super) fn folder(&mut self, data: &DataDir) {
        for (role, names) in KEY_FILES {
            for name in *names {
                let path = data.of(*role).join(name);
                let Some(octets) = read(&path) else {
                    continue;
                };
                match std::str::from_utf8(&octets) {
                    Ok(text) if text.contains("-----BEGIN") => {
                        // What was joined with is JSON, with PEM within.
                        match serde_json::from_str::<Value>(text) {
                            Ok(kept) => self
                                .text(kept.get("key").and_then(Value::as_str).unwrap_or_default()),
                            Err(_) => self.text(text),
                        }
                    }
                    _ => {
                        // One key after the other, where it was rotated.
                        octets.chunks(32).for_each(|key| self.add(key));
                        if self.key.is_none() {
                            self.key = Some(octets);
                        }
                    }
                }
            }
        }
    }

    /// The password of a database's URL, and the URL itself.
    pub(super) fn url(&mut self, url: &str) {
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        if let Some((_, password)) = user.split_once(':') {
            self.add(password.as_bytes());
            self.add(&unescaped(password));
        }
        if let Some((_, parameters)) = url.split_once('?') {
            for one in parameters.split('&') {
                if let Some(password) = one.strip_prefix("password=") {
                    self.add(password.as_bytes());
                    self.add(&unescaped(password));
                }
            }
        }
    }
}

/// Whether an option of a configuration file holds a secret, with a number behind its name or not.
pub(super) fn is_secret(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    ["secret", "skey", "password", "passphrase", "token"]
        .iter()
        .any(|word| option.contains(word))
}

/// Without percent-encoding.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| *octet == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(octet) => {
                out.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*octet);
                rest = after;
            }
        }
    }
    out
}

fn read(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::new());
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    file.take(KEY_FILE_OCTETS).read_to_end(&mut octets).ok()?;
    Some(octets)
}

/// Files of keys, by role.
const KEY_FILES: &[(Role, &[&str])] = &[
    (Role::DataPlane, &["node.key", "node.json", "joining.key"]),
    (Role::ControlPlane, &["controlplane.key", "admin.key"]),
    (Role::SecondFactor, &["secret.key", "ca.key", "leaf.key"]),
];
/// The most secrets that are looked for.
const MOST: usize = 100_000;
const KEY_FILE_OCTETS: u64 = 1024 * 1024;
/// The last line of a key in PEM form may be short, and then says little.
const SHORTEST_LINE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn values(known: &Known) -> Vec<String> {
        let all = known.iter();
        all.map(|one| String::from_utf8_lossy(one).into_owned())
            .collect()
    }

    #[test]
    fn every_secret_of_a_configuration_is_known() {
        let mut known = Known::default();
        known.document(&serde_json::json!({
            "settings": {"http_ca_certs": "public"},
            "integrations": [{"application": {"ikey": "DIA", "skey": "the-skey"},
                "clients": [{"secret": "the-secret"}, {"secret": "abc"}, {"secret": "the-secret"}]}],
        }));
        assert_eq!(values(&known), ["the-skey", "the-secret"]);
        assert_eq!((known.count(), known.short()), (2, 1));
    }

    #[test]
    fn a_private_key_is_known_by_its_lines_and_octets() {
        let mut known = Known::default();
        known.text(
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG\n-----END PRIVATE KEY-----\n",
        );
        let found: Vec<_> = known.iter().collect();
        let octets = BASE64_STANDARD.decode("MIIEvQIBADANBgkqhkiG").unwrap();
        assert_eq!(found, [b"MIIEvQIBADANBgkq".as_slice(), octets.as_slice()]);
    }

    #[test]
    fn urls_tell_their_secrets() {
        let mut known = Known::default();
        known.url("postgres://u:p%40ssword@h/db?password=another%21one");
        let want = ["p%40ssword", "p@ssword", "another%21one", "another!one"];
        assert_eq!(values(&known), want);
        assert_eq!(unescaped("%zz%4"), b"%zz%4");
    }

    #[test]
    fn pseudonyms_need_a_key_of_the_installation_to_last() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(Some(folder.path().to_owned())).unwrap();
        std::fs::create_dir(data.of(Role::DataPlane)).unwrap();
        std::fs::write(data.of(Role::DataPlane).join("node.key"), [7; 32]).unwrap();
        let sign = || {
            let mut known = Known::default();
            known.folder(&data);
            assert_eq!(known.count(), 1);
            let key = known.pseudonym_key().unwrap();
            hmac::sign(&key, b"alice").as_ref().to_vec()
        };
        assert_eq!(sign(), sign());
        let other = Known::default().pseudonym_key().unwrap();
        assert_ne!(hmac::sign(&other, b"alice").as_ref(), sign());
    }
}
