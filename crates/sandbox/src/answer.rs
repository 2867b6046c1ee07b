//! Answers, and how a cut one is cut.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use serde_json::Value;

pub(crate) type Answer = Response<Body>;

/// The answer of a request that is not let in; boxed, since what is let in is much smaller.
pub(crate) type Rejection = Box<Answer>;

/// JSON with a status.
pub(crate) fn json(status: StatusCode, value: &Value) -> Answer {
    bytes(status, Bytes::from(value.to_string())).map(Body::from)
}

/// The same, with a body that can be kept.
pub(crate) fn bytes(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    answer
}

/// The same answer with half of its body: its length is announced whole, then the body fails.
pub(crate) async fn cut(answer: Answer) -> Answer {
    let (parts, body) = answer.into_parts();
    let whole = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    Response::from_parts(
        parts,
        Body::new(Cut {
            half: Some(half),
            announced: whole.len() as u64,
            paused: false,
        }),
    )
}

struct Cut {
    half: Option<Bytes>,
    announced: u64,
    paused: bool,
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.paused {
            // One turn without a frame: the connection writes out what it has before the error ends it.
            self.paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::other("cut by a fault"))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// Whether an answer's body ends by itself at once.
pub(crate) fn is_short(answer: &Answer) -> bool {
    answer.body().size_hint().exact().is_some()
}
