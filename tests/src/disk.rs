//! A disk that a test fills: a role's folder on a file system of its own, which only the program under test
//! and its children see, and which is gone with them. It needs root.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    countersign::{Countersign, program},
    peers,
};

/// How much is written at once when it is filled.
const BLOCK: usize = 4_096;

/// A folder of the data folder on a disk of its own.
#[derive(Debug)]
pub struct Disk {
    role: &'static str,
    folder: TempDir,
}

impl Disk {
    /// For this role's folder, with so many KiB.
    #[must_use]
    pub fn small(role: &'static str, kib: u32) -> Self {
        let mount = format!("mount -t tmpfs -o size={kib}k,mode=0700 tmpfs \"$folder\"");
        Self::with(role, &mount)
    }

    /// For this role's folder, which cannot be written.
    #[must_use]
    pub fn read_only(role: &'static str) -> Self {
        let mount = "mount --bind \"$folder\" \"$folder\"; mount -o remount,bind,ro \"$folder\"";
        Self::with(role, mount)
    }

    fn with(role: &'static str, mount: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let unshare = peers::require("unshare", "util-linux");
        let text = format!(
            "#!/bin/sh\n\
             exec '{}' --mount --propagation private sh -euc '\n\
             before= folder=\n\
             for one; do [ \"$before\" != --data-dir ] || folder=$one/{role}; before=$one; done\n\
             mkdir -p \"$folder\"; chmod 700 \"$folder\" \"${{folder%/*}}\"\n\
             {mount}\n\
             exec \"$0\" \"$@\"' '{}' \"$@\"\n",
            unshare.display(),
            program().display()
        );
        let script = folder.path().join("on-a-disk");
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        Self { role, folder }
    }

    /// What to start in the place of the program: it is the program, with that disk.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.folder.path().join("on-a-disk")
    }

    /// Leaves no room on it.
    ///
    /// # Panics
    /// When there is still some.
    pub fn fill(&self, gateway: &Countersign) {
        let mut file = File::create(self.filler(gateway)).unwrap();
        while file.write_all(&[0; BLOCK]).is_ok() {}
        assert!(file.write_all(&[0; BLOCK]).is_err(), "there is still room");
    }

    /// Makes room again.
    pub fn free(&self, gateway: &Countersign) {
        fs::remove_file(self.filler(gateway)).unwrap();
    }

    /// The folder as the gateway sees it.
    #[must_use]
    pub fn seen(&self, gateway: &Countersign) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", gateway.pid()));
        let data = gateway.data_dir();
        let data = data.strip_prefix("/").unwrap_or_else(|_| Path::new(""));
        root.join(data).join(self.role)
    }

    fn filler(&self, gateway: &Countersign) -> PathBuf {
        self.seen(gateway).join("filler")
    }
}
