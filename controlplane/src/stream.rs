//! Bodies that go on: lines from a channel, one after the other.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// The writing end. The stream ends when it is dropped.
pub(crate) struct Lines {
    sender: mpsc::Sender<Result<Bytes, CutOff>>,
    /// Its place among the streams that may be open at once.
    _place: OwnedSemaphorePermit,
}

/// Makes a stream and the response that carries it.
pub(crate) fn open(place: OwnedSemaphorePermit, kind: &'static str) -> (Lines, Response) {
    // One line waits at most, so that a slow reader gets the newest and not a backlog.
    let (sender, receiver) = mpsc::channel(1);
    let response = (
        [(header::CONTENT_TYPE, kind)],
        Body::new(LineBody(receiver)),
    )
        .into_response();
    let lines = Lines {
        sender,
        _place: place,
    };
    (lines, response)
}

impl Lines {
    /// Sends one line, which holds its end.
    pub(crate) async fn send(&self, line: Bytes) -> Result<(), Gone> {
        self.sender
            .send_timeout(Ok(line), STALLED)
            .await
            .map_err(|_| Gone)
    }

    /// Breaks off, so that the reader does not take what it has for all.
    pub(crate) async fn cut_off(self) {
        let _gone = self.sender.send_timeout(Err(CutOff), STALLED).await;
    }

    /// Waits until the reader is gone.
    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// The reader has gone, or took nothing for too long.
#[derive(Debug)]
pub(crate) struct Gone;

/// A body that ends too early, which the transport shows as that.
#[derive(Debug, thiserror::Error)]
#[error("the rest could not be read")]
pub(crate) struct CutOff;

/// A document as a line.
pub(crate) fn line<T: serde::Serialize>(document: &T) -> Result<Bytes, serde_json::Error> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    Ok(line.into())
}

struct LineBody(mpsc::Receiver<Result<Bytes, CutOff>>);

impl hyper::body::Body for LineBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        self.0
            .poll_recv(context)
            .map(|line| line.map(|line| line.map(Frame::data)))
    }
}

/// JSON documents, one a line.
pub(crate) const LINES: &str = "application/x-ndjson";
/// The shortest time between heartbeats: an interval of zero is none.
pub(crate) const SHORTEST: Duration = Duration::from_millis(10);
/// How long a reader may leave a line untaken.
const STALLED: Duration = Duration::from_secs(30);
