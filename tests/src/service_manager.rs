//! A service manager that hears what a service says of itself (sd_notify(3)).

use std::{
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::clock::wait_until;

/// Listens from the start to the end of the test program.
#[derive(Debug)]
pub struct ServiceManager {
    socket: PathBuf,
    /// Line by line.
    said: Arc<Mutex<Vec<String>>>,
}

impl ServiceManager {
    /// One that listens at a socket in this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let socket = folder.join("notify");
        let listens = UnixDatagram::bind(&socket).unwrap();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = Arc::clone(&said);
        drop(thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(read) = listens.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let lines = text.lines().map(str::to_owned);
                hears.lock().unwrap().extend(lines);
            }
        }));
        Self { socket, said }
    }

    /// What `NOTIFY_SOCKET` names.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The rest of the last line that begins so, if one was said.
    #[must_use]
    pub fn last(&self, start: &str) -> Option<String> {
        let said = self.said.lock().unwrap();
        let mut of_it = said.iter().filter_map(|one| one.strip_prefix(start));
        of_it.next_back().map(str::to_owned)
    }

    /// Waits for a line that begins so; gives the rest of the last one.
    ///
    /// # Panics
    /// When none is said.
    #[must_use]
    pub fn hears(&self, start: &str) -> String {
        wait_until(&format!("{start} is said"), LONG, || {
            self.last(start).is_some()
        });
        self.last(start).unwrap()
    }
}

const LONG: Duration = Duration::from_secs(30);
