//! An unpacked bundle, and what stands in it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::secrets::Seen;

/// An unpacked bundle.
pub(crate) struct Bundle {
    folder: TempDir,
    pub(crate) manifest: Value,
}

impl Bundle {
    pub(crate) fn unpack(file: &Path) -> Self {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let folder = tempfile::tempdir().unwrap();
        let tar = Command::new("tar")
            .arg("-xzf")
            .arg(file)
            .arg("-C")
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
        let manifest = folder.path().join("countersign-support/manifest.json");
        let manifest = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
        Self { folder, manifest }
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let path = self.folder.path().join("countersign-support").join(name);
        fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{name}: {error} in {:#}", self.manifest))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        let text = self.text(name);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error} in {text}"))
    }

    /// The name of the file that ends so.
    pub(crate) fn named(&self, end: &str) -> String {
        let items = self.manifest["items"].as_array().unwrap().iter();
        let mut names = items.filter_map(|one| one["name"].as_str());
        let found = names.find(|name| name.ends_with(end));
        found
            .unwrap_or_else(|| panic!("no {end} in {:#}", self.manifest))
            .to_owned()
    }

    /// Why something is not in it.
    pub(crate) fn failed(&self, name: &str) -> String {
        let items = self.manifest["items"].as_array().unwrap();
        let item = items.iter().find(|one| one["name"] == name);
        let item = item.unwrap_or_else(|| panic!("no {name} in {:#}", self.manifest));
        item["failed"].as_str().unwrap_or_default().to_owned()
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => found.push((path.display().to_string(), fs::read(&path).unwrap())),
                }
            }
        }
        found
    }

    pub(crate) fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for (name, octets) in self.files() {
            seen.octets(name.clone(), name.as_bytes());
            seen.octets(name, &octets);
        }
        seen
    }

    /// Whether a word stands in any of its files.
    pub(crate) fn has(&self, word: &str) -> bool {
        let files = self.files();
        let mut texts = files
            .iter()
            .map(|(_, octets)| String::from_utf8_lossy(octets));
        texts.any(|text| text.contains(word))
    }
}
