//! A request is read to its end, even where its answer needs no more of it. Else the connection is closed
//! while its sender still writes, who takes the broken pipe for the outcome and never sees the answer.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

use super::BODY_OCTETS;

/// Answers once the request was read, or is longer or slower than anything that is taken.
pub(super) async fn drained(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let mut rest = Shared::default();
    let request = request.map(|body| {
        rest = Shared(Arc::new(Mutex::new(body)));
        Body::new(rest.clone())
    });
    let response = next.run(request).await;
    // Whoever is slower does not see the answer; it is given all the same.
    drop(tokio::time::timeout(LONGEST, rest.read()).await);
    response
}

/// A body that two have: a handler, and whoever reads what it leaves.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    async fn read(self) {
        let mut rest = pin!(self);
        let mut octets = 0;
        while octets <= MOST_OCTETS
            && let Some(Ok(frame)) = rest.frame().await
        {
            octets += frame.data_ref().map_or(0, Bytes::len);
        }
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.size_hint()
    }
}

/// What is longer than twice the longest document is not worth waiting for.
const MOST_OCTETS: usize = 2 * BODY_OCTETS;
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Comes in pieces, each later than it is asked for.
    struct Slow {
        left: usize,
        asked: bool,
        read: Arc<AtomicUsize>,
    }

    impl HttpBody for Slow {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            self.asked = !self.asked;
            if self.asked {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.read.fetch_add(1, Ordering::Relaxed);
            let piece = Bytes::from(vec![0; PIECE]);
            Poll::Ready(Some(Ok(Frame::data(piece))))
        }
    }

    const PIECE: usize = 65_536;

    #[tokio::test]
    async fn what_nobody_read_is_read_to_its_end_or_its_bound() {
        for (sent, taken, want) in [(3, 0, 3), (3, 2, 3), (3, 3, 3), (100_000, 1, 258)] {
            let read = Arc::new(AtomicUsize::new(0));
            let slow = Slow {
                left: sent,
                asked: false,
                read: Arc::clone(&read),
            };
            let rest = Shared(Arc::new(Mutex::new(Body::new(slow))));
            let mut handler = Body::new(rest.clone());
            for _ in 0..taken {
                handler.frame().await.unwrap().unwrap();
            }
            drop(handler);
            rest.read().await;
            assert_eq!(read.load(Ordering::Relaxed), want, "{sent}, {taken}");
        }
    }
}
