//! The requests of a connection: how many run, and when one of them last went on. What they ask for
//! is not known here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// The requests of a connection. In HTTP/2 octets move on it for pings alone, so that whether anything
/// happens shows here only.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    head: Duration,
    silence: Duration,
    now: Arc<Mutex<Now>>,
}

#[derive(Clone, Copy, Debug)]
struct Now {
    running: usize,
    /// When one of them last went on.
    moved: Instant,
}

impl Requests {
    /// `head` is how long there may be none, `silence` how long none of them may go on.
    pub(super) fn new(head: Duration, silence: Duration) -> Self {
        let now = Now {
            running: 0,
            moved: Instant::now(),
        };
        Self {
            head,
            silence,
            now: Arc::new(Mutex::new(now)),
        }
    }

    fn note(&self, change: impl FnOnce(usize) -> usize) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Now {
            running: change(now.running),
            moved: Instant::now(),
        };
    }

    /// Notes that there is one more.
    pub(super) fn begin(&self) -> Running {
        self.note(|running| running.saturating_add(1));
        Running(self.clone())
    }

    /// Waits until there were none for as long as a head may take, or those that there are stand still.
    pub(super) async fn none(&self) {
        self.until(|running| match running {
            0 => self.head,
            _ => self.silence,
        })
        .await;
    }

    /// Waits until none went on for as long as a connection may be silent.
    pub(super) async fn silent(&self) {
        self.until(|_| self.silence).await;
    }

    async fn until(&self, limit: impl Fn(usize) -> Duration) {
        loop {
            let now = *self.now.lock().unwrap_or_else(PoisonError::into_inner);
            let end = now.moved + limit(now.running);
            let present = Instant::now();
            if end <= present {
                return;
            }
            // The limit may be a shorter one by then.
            tokio::time::sleep_until(end.min(present + self.head)).await;
        }
    }
}

/// A request, until its answer is out or given up.
#[derive(Debug)]
pub(super) struct Running(Requests);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.note(|running| running.saturating_sub(1));
    }
}

/// The body of an answer.
pub(super) struct Answer {
    pub(super) body: Body,
    pub(super) running: Running,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.running.0.note(|running| running);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
