//! Open sockets on their way from one process to another (`SCM_RIGHTS`, unix(7)): each beside one
//! octet, so that none is lost among others.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Sends an open socket to the other end.
///
/// # Errors
/// Those of the system.
pub async fn send(stream: &UnixStream, fd: BorrowedFd<'_>) -> io::Result<()> {
    stream
        .async_io(Interest::WRITABLE, || {
            let fds = [fd];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            sendmsg(stream, &[IoSlice::new(&[MARK])], &mut control, flags)?;
            Ok(())
        })
        .await
}

/// Takes an open socket in.
///
/// # Errors
/// Those of the system; `InvalidData` when something else came.
pub async fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
    stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut octet = [0];
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let read = recvmsg(
                stream,
                &mut [IoSliceMut::new(&mut octet)],
                &mut control,
                flags,
            )?;
            if read.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut fds = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            });
            let fd = fds.next().and_then(|mut fds| fds.next());
            fd.filter(|_| octet == [MARK])
                .ok_or_else(|| io::ErrorKind::InvalidData.into())
        })
        .await
}

const MARK: u8 = b'@';
