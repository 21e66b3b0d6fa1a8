//! A connection that ended in good order is read on for a moment. A socket that is closed with octets unread
//! resets the connection, and a peer whose requests were on their way hears of the reset before it reads which of
//! them nobody will look at (RFC 9113 section 6.8): it could not tell what was done and what was not.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A stream that comes back, once nothing is written to it any more and it is dropped.
pub(crate) struct Lingering {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    ended: bool,
    back: Arc<Mutex<Option<TcpStream>>>,
}

/// Where the stream comes back.
pub(crate) struct Rest(Arc<Mutex<Option<TcpStream>>>);

impl Lingering {
    pub(crate) fn new(stream: TcpStream) -> (Self, Rest) {
        let back = Arc::new(Mutex::new(None));
        let lingering = Self {
            stream: Some(stream),
            ended: false,
            back: Arc::clone(&back),
        };
        (lingering, Rest(back))
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        match &mut self.stream {
            Some(stream) => Ok(Pin::new(stream)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if self.ended {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
        }
    }
}

impl Rest {
    /// Reads until the peer has ended too, for [`LINGER`] and [`OCTETS`] at the most. At once where the connection did
    /// not end in good order.
    pub(crate) async fn read_out(self) {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stream) = stream {
            let mut rest = stream.take(OCTETS);
            drop(timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await);
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream()?.poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = this.stream()?.poll_shutdown(cx);
        this.ended |= matches!(done, Poll::Ready(Ok(())));
        done
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream()?.poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(TcpStream::is_write_vectored)
    }
}

/// A peer that was told ends at once; what it sent before takes a round trip.
const LINGER: Duration = Duration::from_secs(1);
/// What it may have sent before: the windows of one connection.
const OCTETS: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn who_has_sent_something_reads_the_end_and_no_reset() {
        for in_good_order in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut peer = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            peer.write_all(b"on its way").await.unwrap();
            stream.readable().await.unwrap();
            let (mut stream, rest) = Lingering::new(stream);
            stream.write_all(b"the end").await.unwrap();
            if in_good_order {
                stream.shutdown().await.unwrap();
            }
            drop(stream);
            let mut reading = JoinSet::new();
            reading.spawn(rest.read_out());
            let mut read = Vec::new();
            let end = peer.read_to_end(&mut read).await;
            assert_eq!(end.is_ok(), in_good_order, "{end:?}");
            assert_eq!(read, b"the end");
            if in_good_order {
                assert!(
                    reading.try_join_next().is_none(),
                    "it reads until the peer has ended"
                );
            }
            drop(peer);
            reading.join_all().await;
        }
    }
}
