//! What two processes of the second factor say to each other: a length, and JSON. Both ends are this
//! program under this user, perhaps in two versions; still no length is taken for granted.

use std::io;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::push::{Ended, Txid, Waits};
use crate::verdict::Verdict;

/// One frame.
#[derive(Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub(super) enum Frame {
    /// Old to new: what is served. The sockets follow.
    Offer(Offer),
    /// New to old: it can serve.
    Take,
    /// Old to new: a request that waits.
    Waits(Box<Waits>),
    /// Old to new: one that ended.
    Ended(Ended),
    /// Old to new: this was all of it.
    Complete,
    /// New to old: from here on it serves.
    Serving,
    /// New to old: how one ended that waits for a person.
    Told { txid: Txid, verdict: Verdict },
}

/// As much of an offer as any version can read, and what this one says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) protocol: u32,
    pub(super) version: String,
    pub(super) address: SocketAddr,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Offer(_) => "offer",
            Self::Take => "take",
            Self::Waits(_) => "waits",
            Self::Ended(_) => "ended",
            Self::Complete => "complete",
            Self::Serving => "serving",
            Self::Told { .. } => "told",
        })
    }
}

/// Reads one frame, and not an octet more: sockets may follow it.
pub(super) async fn read(from: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Frame> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if length > FRAME_OCTETS {
        return Err(bad(format!("a frame of {length} octets is too long")));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    // What it says of people is not repeated in an error.
    serde_json::from_slice(&body).map_err(|error| {
        let at = error.column();
        bad(format!("what is no frame of this version, at octet {at}"))
    })
}

/// Writes frames, many with one call.
pub(super) async fn write(
    to: &mut (impl AsyncWriteExt + Unpin),
    frames: impl IntoIterator<Item = Frame>,
) -> io::Result<()> {
    let mut octets = Vec::new();
    for frame in frames {
        let body = serde_json::to_vec(&frame)?;
        let length = u32::try_from(body.len()).ok();
        let length = length.filter(|_| body.len() <= FRAME_OCTETS);
        let length = length.ok_or_else(|| {
            let why = format!("a frame of {} octets cannot be said", body.len());
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        octets.extend_from_slice(&length.to_be_bytes());
        octets.extend_from_slice(&body);
        if octets.len() >= AT_ONCE {
            to.write_all(&octets).await?;
            octets.clear();
        }
    }
    to.write_all(&octets).await?;
    to.flush().await
}

pub(super) const PROTOCOL: u32 = 1;

/// The longest frame: a body of a request has 64 KiB, and JSON writes an octet with six at most.
const FRAME_OCTETS: usize = 512 * 1024;

const AT_ONCE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(mut octets: &[u8]) -> io::Result<Frame> {
        read(&mut octets).await
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        [&length.to_be_bytes()[..], body].concat()
    }

    #[tokio::test]
    async fn what_was_written_is_read() {
        let offer = Offer {
            protocol: PROTOCOL,
            version: "9".to_owned(),
            address: ([127, 0, 0, 1], 8402).into(),
        };
        let txid = Txid::random().unwrap();
        let verdict = Verdict::UsedPasscode;
        for frame in [
            Frame::Offer(offer),
            Frame::Take,
            Frame::Complete,
            Frame::Serving,
            Frame::Told { txid, verdict },
        ] {
            let name = format!("{frame:?}");
            let json = serde_json::to_value(&frame).unwrap();
            let mut octets = Vec::new();
            write(&mut octets, [frame]).await.unwrap();
            let read = read_all(&octets).await.unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), json, "{name}");
            let short = read_all(&octets[..octets.len() - 1]).await.unwrap_err();
            assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof, "{name}");
        }
    }

    #[tokio::test]
    async fn garbage_is_refused_and_not_repeated() {
        for (name, octets) in [
            ("no JSON", framed(b"hello secret")),
            ("another kind", framed(br#"{"frame":"secret"}"#)),
            ("no kind", framed(b"{}")),
            ("nothing", framed(b"")),
            ("more than one", framed(br#"{"frame":"take"}{}"#)),
            (
                "no id",
                framed(br#"{"frame":"told","txid":"secret","verdict":"allow"}"#),
            ),
            ("too long", [0xff; 64].to_vec()),
            ("one too many", [0, 8, 0, 1, b'{'].to_vec()),
        ] {
            let error = read_all(&octets).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}");
            assert!(!error.to_string().contains("secret"), "{name}: {error}");
        }
    }
}
