//! What systemd is told of a service (sd_notify(3)): a few words to the socket that it names. Without
//! one nothing is said.

use std::ffi::{OsStr, OsString};
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

/// Another process is the service from now on, and serves. What that one says itself is not heard
/// before this.
pub(crate) fn main_pid(pid: u32) {
    say(&format!("MAINPID={pid}\nSTATUS=serving"));
}

/// Whether another process can take this one's place without its service ending.
///
/// # Errors
/// [`Bound`].
pub(crate) fn may_be_replaced() -> Result<(), Bound> {
    let parent = nix::unistd::getppid().as_raw();
    judged(std::process::id(), parent, |name| std::env::var_os(name))
}

fn judged(pid: u32, parent: i32, of: impl Fn(&str) -> Option<OsString>) -> Result<(), Bound> {
    if pid == 1 {
        return Err(Bound::First);
    }
    if of("NOTIFY_SOCKET").is_some() {
        return Ok(());
    }
    // Both are inherited by whatever a service starts, a shell for example. Versions of systemd before
    // 248 do not say the first.
    let of_systemd = match of("SYSTEMD_EXEC_PID") {
        Some(started) => started.as_bytes() == pid.to_string().as_bytes(),
        None => parent == 1 && of("INVOCATION_ID").is_some(),
    };
    if of_systemd {
        return Err(Bound::Unheard);
    }
    Ok(())
}

/// Why the end of this process is the end of its service, whoever has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// systemd started it, and does not listen to what it says.
    Unheard,
    /// It is process 1.
    First,
}

impl Bound {
    /// With what to do instead.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Unheard => {
                "systemd would end the service together with this process, as its unit has no \
                 NotifyAccess=: write NotifyAccess=all below [Service] of the unit, then run \
                 `systemctl daemon-reload` and restart the unit, which starts the new program as well"
            }
            Self::First => {
                "this is process 1 of its container, which ends together with it: start a container \
                 of the new version"
            }
        }
    }
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

    #[test]
    fn who_cannot_say_who_is_in_its_place_stays() {
        let (socket, started, run) = ("NOTIFY_SOCKET", "SYSTEMD_EXEC_PID", "INVOCATION_ID");
        for (what, pid, parent, variables, want) in [
            ("by hand", 70, 60, &[][..], Ok(())),
            (
                "by a shell of a service",
                70,
                60,
                &[(started, "60"), (run, "a")],
                Ok(()),
            ),
            (
                "of an older systemd, likewise",
                70,
                60,
                &[(run, "a")],
                Ok(()),
            ),
            ("a daemon by hand", 70, 1, &[], Ok(())),
            (
                "a service that is heard",
                70,
                1,
                &[(started, "70"), (run, "a"), (socket, "/s")],
                Ok(()),
            ),
            (
                "its successor",
                80,
                1,
                &[(started, "70"), (run, "a"), (socket, "/s")],
                Ok(()),
            ),
            (
                "a service that is not",
                70,
                1,
                &[(started, "70"), (run, "a")],
                Err(Bound::Unheard),
            ),
            (
                "of a user's systemd",
                70,
                50,
                &[(started, "70"), (run, "a")],
                Err(Bound::Unheard),
            ),
            (
                "of an older systemd",
                70,
                1,
                &[(run, "a")],
                Err(Bound::Unheard),
            ),
            ("a container", 1, 0, &[], Err(Bound::First)),
            (
                "a container in a service",
                1,
                0,
                &[(socket, "/s")],
                Err(Bound::First),
            ),
        ] {
            let of = |name: &str| {
                let found = variables.iter().find(|(one, _)| *one == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(judged(pid, parent, of), want, "{what}");
        }
    }
}
