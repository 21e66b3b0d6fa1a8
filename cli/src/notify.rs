//! What systemd is told of a service (sd_notify(3)): a few words to the socket that it names. Without
//! one nothing is said.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// It serves.
pub(crate) fn ready(status: &str) {
    say(&format!("READY=1\nSTATUS={status}"));
}

/// It serves on, and this is how it is.
pub(crate) fn status(status: &str) {
    say(&format!("STATUS={status}"));
}

/// It stops.
pub(crate) fn stopping() {
    say("STOPPING=1\nSTATUS=stopping");
}

/// Another process is the service from now on.
pub(crate) fn main_pid(pid: u32) {
    say(&format!("MAINPID={pid}"));
}

fn say(words: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = say_to(&socket, words) {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the service manager was not told"
        );
    }
}

fn say_to(socket: &OsStr, words: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to_addr(words.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_socket_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("countersign-test-{}", std::process::id());
        let abstractly = SocketAddr::from_abstract_name(&name).unwrap();
        let at_path = UnixDatagram::bind(&path).unwrap();
        let at_name = UnixDatagram::bind_addr(&abstractly).unwrap();
        say_to(path.as_os_str(), "READY=1").unwrap();
        say_to(OsStr::new(&format!("@{name}")), "MAINPID=7").unwrap();
        for (socket, want) in [(at_path, "READY=1"), (at_name, "MAINPID=7")] {
            let mut buffer = [0; 64];
            let read = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..read], want.as_bytes());
        }
    }
}
