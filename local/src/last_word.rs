//! What a peer says until a moment, after which it can say nothing any more: for a question whose answer
//! both ends have to know alike, such as who serves.

use std::os::fd::AsFd;

use rustix::net::{Shutdown, shutdown};
use tokio::time::{Instant, timeout_at};

/// Waits for what is read from a socket, of which `socket` is a copy. At the moment given the socket is shut: what
/// its peer has said before still counts, the end of the stream says that it has said nothing, and
/// what it says later fails at its own end.
pub async fn last_word<T>(socket: &impl AsFd, until: Instant, said: impl Future<Output = T>) -> T {
    let mut said = std::pin::pin!(said);
    // Not dropped when the time is over: half of what is said may have been read.
    if let Ok(said) = timeout_at(until, said.as_mut()).await {
        return said;
    }
    // What cannot be shut is connected no more, and what was said is to be read all the same.
    if let Err(error) = shutdown(socket, Shutdown::Both) {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a socket that was to be shut is so already"
        );
    }
    said.await
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn what_was_said_before_the_end_counts_and_nothing_is_said_after_it() {
        for (name, said, heard) in [
            ("nothing", &b""[..], Err(io::ErrorKind::UnexpectedEof)),
            ("half", b"serv", Err(io::ErrorKind::UnexpectedEof)),
            ("all", b"serving!", Ok(*b"serving!")),
        ] {
            let (mut own, mut peer) = UnixStream::pair().unwrap();
            let copy = own.as_fd().try_clone_to_owned().unwrap();
            peer.write_all(said).await.unwrap();
            let mut octets = [0; 8];
            let read = own.read_exact(&mut octets);
            let word = last_word(&copy, Instant::now() + SOON, read);
            let word = timeout(LIMIT, word).await.expect(name);
            assert_eq!(word.map(|_| octets).map_err(|error| error.kind()), heard);
            let late = peer.write_all(b"serving!").await;
            assert_eq!(late.is_err(), heard.is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn what_is_said_is_heard_although_the_socket_cannot_be_shut() {
        let (mut own, mut peer) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut octets = [0; 8];
        let late = async {
            // After the time was over.
            tokio::time::sleep(2 * SOON).await;
            peer.write_all(b"serving!").await.unwrap();
            own.read_exact(&mut octets).await
        };
        let word = last_word(&file, Instant::now() + SOON, late).await;
        assert_eq!(word.unwrap(), octets.len());
        assert_eq!(&octets, b"serving!");
    }
}
