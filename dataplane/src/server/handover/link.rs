//! Frames over a Unix socket, and what goes on between two processes after one took over.

use std::borrow::Borrow;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::wire::{Frame, HEADER_OCTETS};

/// Reads one frame, and not an octet more: sockets may follow it.
pub(super) async fn read(from: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Frame> {
    let mut header = [0; HEADER_OCTETS];
    from.read_exact(&mut header).await?;
    let bad = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let length = Frame::body_octets(header).map_err(bad)?;
    let mut body = Zeroizing::new(vec![0; length]);
    from.read_exact(&mut body).await?;
    let [kind, ..] = header;
    Frame::read(kind, &body).map_err(bad)
}

/// Writes frames, many with one call.
pub(super) async fn write(
    to: &mut (impl AsyncWriteExt + Unpin),
    frames: impl IntoIterator<Item: Borrow<Frame>>,
) -> io::Result<()> {
    let mut octets = Zeroizing::new(Vec::new());
    for frame in frames {
        frame.borrow().write(&mut octets);
        if octets.len() >= AT_ONCE {
            to.write_all(&octets).await?;
            octets.clear();
        }
    }
    to.write_all(&octets).await?;
    to.flush().await
}

const AT_ONCE: usize = 64 * 1024;
