//! The machine's syslog: datagrams to a Unix socket (RFC 3164, as the C library sends them).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, socket: None }
    }

    /// Sends one message. The daemon may have been started anew meanwhile.
    pub(crate) fn send(&mut self, message: &str) -> io::Result<()> {
        let message = message.get(..message.floor_char_boundary(MOST_OCTETS));
        let octets = message.unwrap_or_default().as_bytes();
        if let Some(socket) = &self.socket
            && socket.send(octets).is_ok()
        {
            return Ok(());
        }
        self.socket = None;
        let socket = connect(&self.path)?;
        socket.send(octets)?;
        self.socket = Some(socket);
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    // A daemon that takes nothing costs lines and no more.
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// A message. It has no time of its own: the daemon knows it, and has the zone for it.
pub(crate) fn message(facility: u8, severity: u8, line: &str) -> String {
    let priority = facility * 8 + severity;
    format!("<{priority}>countersign[{}]: {line}", std::process::id())
}

/// What daemons take as one message.
const MOST_OCTETS: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_reach_a_daemon_and_the_one_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut syslog = Syslog::new(path.clone());
        assert!(syslog.send("nobody").is_err());
        let mut buffer = vec![0; 2 * MOST_OCTETS];
        for round in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            let sent = message(10, 6, &format!("[x#info] round {round}"));
            syslog.send(&sent).unwrap();
            let length = daemon.recv(&mut buffer).unwrap();
            let want = format!(
                "<86>countersign[{}]: [x#info] round {round}",
                std::process::id()
            );
            assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), want);
            syslog.send(&"ö".repeat(MOST_OCTETS)).unwrap();
            assert_eq!(daemon.recv(&mut buffer).unwrap(), MOST_OCTETS);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
