//! What must hold for any octets, as functions that panic where it does not. Built for tests and for
//! `fuzz/` only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a claim that does not hold is reported"
)]

mod authproxy_cfg;
mod dictionary;

pub use self::authproxy_cfg::authproxy_cfg;
pub use self::dictionary::dictionary;

use std::io;
use std::path::{Path, PathBuf};

use crate::authproxy::{FileContent, Files};

/// Files by their paths; no others are there.
struct Named<'a>(Vec<(PathBuf, &'a [u8])>);

impl Files for Named<'_> {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let found = self.0.iter().find(|(name, _)| name == path);
        let (_, octets) = found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(FileContent {
            octets: octets.to_vec(),
            mode: Some(0o600),
        })
    }
}

#[cfg(test)]
mod tests;
