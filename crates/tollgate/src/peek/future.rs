//! Waits for a response, and for the beginning of its body where that is wanted.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use call_context::BodyPrefix;
use http::{Response, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::Bounds;
use super::body::{PeekedBody, Read};

pin_project! {
    /// The response future of [`Peek`](super::Peek).
    pub struct ResponseFuture<F, R: Body> {
        #[pin]
        response: F,
        // Boxed: few responses are read, and all futures would carry the room for it.
        reading: Option<Box<Reading<R>>>,
        bounds: Bounds,
        deadline: Option<Instant>,
    }
}

struct Reading<R: Body> {
    parts: response::Parts,
    read: Box<Read<R>>,
    timeout: Pin<Box<Sleep>>,
}

impl<F, R: Body> ResponseFuture<F, R> {
    pub(super) fn new(response: F, bounds: Bounds, deadline: Option<Instant>) -> Self {
        Self {
            response,
            reading: None,
            bounds,
            deadline,
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<PeekedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut reading = match this.reading.take() {
            Some(reading) => reading,
            None => {
                let (parts, body) = ready!(this.response.poll(cx))?.into_parts();
                if !(this.bounds.statuses)(parts.status) {
                    let body = PeekedBody::untouched(body);
                    return Poll::Ready(Ok(Response::from_parts(parts, body)));
                }
                // The call's deadline must find the response passed on: it is the server's answer, read or not.
                let now = Instant::now();
                let within = this.deadline.map_or(this.bounds.within, |deadline| {
                    this.bounds
                        .within
                        .min(deadline.saturating_duration_since(now))
                });
                Box::new(Reading {
                    parts,
                    read: Box::new(Read::new(body)),
                    timeout: Box::pin(tokio::time::sleep(within)),
                })
            }
        };
        let enough = reading.read.poll(cx, this.bounds.bytes).is_ready();
        if !enough && reading.timeout.as_mut().poll(cx).is_pending() {
            *this.reading = Some(reading);
            return Poll::Pending;
        }
        let Reading {
            mut parts, read, ..
        } = *reading;
        let prefix = read.prefix(this.bounds.bytes);
        parts.extensions.insert(BodyPrefix::new(prefix));
        let body = PeekedBody::peeked(read);
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
