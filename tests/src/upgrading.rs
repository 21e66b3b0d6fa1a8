//! What the tests of upgrades need: a program on the disk that can be replaced, and logins without a
//! pause meanwhile.

use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread::{self, Scope},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    countersign::program,
    nas::{Nas, code},
    peers::SECRET,
};

/// A copy of the program where an update would find it.
#[derive(Debug)]
pub struct OnDisk(TempDir);

impl Default for OnDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl OnDisk {
    /// The program under test, on the same file system, so that it need not be copied.
    #[must_use]
    pub fn new() -> Self {
        let beside = program();
        let folder = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        let one = Self(folder);
        one.replace();
        one
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.path().join("countersign")
    }

    /// Puts the program there anew, as a package does: beside it, then over it.
    pub fn replace(&self) {
        let aside = self.0.path().join("new");
        fs::hard_link(program(), &aside).unwrap();
        fs::rename(aside, self.path()).unwrap();
        // Two names of one file: the rename does nothing then.
        drop(fs::remove_file(self.0.path().join("new")));
    }

    /// Puts these octets there in its place, as an update that went wrong.
    pub fn break_with(&self, octets: &[u8]) {
        let aside = self.0.path().join("broken");
        fs::write(&aside, octets).unwrap();
        fs::set_permissions(&aside, Permissions::from_mode(0o755)).unwrap();
        fs::rename(aside, self.path()).unwrap();
    }

    /// `countersign upgrade` for this data folder.
    #[must_use]
    pub fn upgrade(data_dir: &Path) -> Output {
        Command::new(program())
            .arg("upgrade")
            .arg("--data-dir")
            .arg(data_dir)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same, which must succeed.
    ///
    /// # Panics
    /// With all that it said, and `log`, when it does not.
    pub fn upgraded(data_dir: &Path, log: impl FnOnce() -> String) {
        let output = Self::upgrade(data_dir);
        assert!(output.status.success(), "{output:?}\n{}", log());
    }

    /// The same, which must not succeed, and say this.
    ///
    /// # Panics
    /// With all that it said when it does, or says something else.
    pub fn not_upgraded(data_dir: &Path, says: &str) {
        let output = Self::upgrade(data_dir);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // What a restart alone brings about, or nobody could do, is no fault of the new program.
        let other = ["--data-dir", "NotifyAccess=all", "in form"];
        let code = if other.iter().any(|one| says.contains(one)) {
            1
        } else {
            3
        };
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(said.contains(says), "{says}: {said}");
    }
}

/// Logins without a pause, of two kinds: some end at once and are sent once; some wait for a person and
/// are repeated by an impatient device.
#[derive(Debug)]
pub struct Load {
    server: SocketAddr,
    /// How many logins there are to be, at least.
    wanted: usize,
    over: AtomicBool,
    quick: AtomicUsize,
    slow: AtomicUsize,
    begun: AtomicUsize,
}

impl Load {
    /// Logins at this address. Nobody has begun yet.
    #[must_use]
    pub fn new(server: SocketAddr, wanted: usize) -> Self {
        Self {
            server,
            wanted,
            over: AtomicBool::new(false),
            quick: AtomicUsize::new(0),
            slow: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
        }
    }

    /// How many have ended well.
    #[must_use]
    pub fn done(&self) -> usize {
        self.quick.load(Ordering::Relaxed) + self.slow.load(Ordering::Relaxed)
    }

    /// From here on no more are begun than are wanted.
    pub fn enough(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed) || self.done() < self.wanted
    }

    /// The users of the logins that wait for a person, of all that were begun.
    #[must_use]
    pub fn slow_users(&self) -> Vec<String> {
        (0..self.begun.load(Ordering::Relaxed))
            .map(|number| format!("slow{number}"))
            .collect()
    }

    /// Begins with so many devices of each kind. The user `exempt` needs no second factor, all others
    /// do.
    ///
    /// # Panics
    /// In its threads, when a login is lost or rejected.
    pub fn start<'scope, 'load: 'scope>(
        &'load self,
        scope: &'scope Scope<'scope, '_>,
        quick: usize,
        slow: usize,
    ) {
        for _ in 0..quick {
            scope.spawn(|| {
                let _panics = EndsWith(self);
                let nas = Nas::new(self.server, SECRET);
                while self.goes_on() {
                    let request = nas.access("exempt", "any");
                    let answer = nas.exchange(&request, PATIENCE);
                    let answer = answer.expect("a login was lost");
                    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", answer.message());
                    self.quick.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..slow {
            scope.spawn(|| {
                let _panics = EndsWith(self);
                while self.goes_on() {
                    // A port of its own, since each repeat may be answered.
                    let nas = Nas::new(self.server, SECRET);
                    let user = format!("slow{}", self.begun.fetch_add(1, Ordering::Relaxed));
                    let request = nas.access(&user, "any");
                    let datagram = request.encode();
                    let answer = (0..REPEATS).find_map(|_| {
                        nas.send(&datagram);
                        nas.receive(IMPATIENCE)
                    });
                    let answer = answer.unwrap_or_else(|| panic!("{user} was lost"));
                    let answer = request.check(&answer).unwrap();
                    assert_eq!(
                        answer.code,
                        code::ACCESS_ACCEPT,
                        "{user}: {}",
                        answer.message()
                    );
                    self.slow.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
}

/// One that fails is the end of all.
struct EndsWith<'a>(&'a Load);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.quick.fetch_add(self.0.wanted, Ordering::Relaxed);
            self.0.enough();
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const IMPATIENCE: Duration = Duration::from_millis(250);
const REPEATS: usize = 160;
