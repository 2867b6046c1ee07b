//! Which bodies can be sent again, and that they are the same then.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, BodyStream, Channel, Collected, Either, Empty, Full, Limited};
use http_body_util::{StreamBody, combinators::Fuse};
use retry_layer::{Replay, Stop};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::prompt;

const TEXT: &[u8] = b"an order of 42 bytes, or rather thereabout";

fn full() -> Full<Bytes> {
    Full::from(TEXT)
}

/// What a body says of its length, and what it gives.
async fn read<B>(body: B) -> (Option<u64>, Bytes)
where
    B: Body,
    B::Error: std::fmt::Debug,
{
    let length = body.size_hint().exact();
    let body = body.collect().await.expect("a body");
    (length, body.to_bytes())
}

async fn assert_replays<B>(body: B)
where
    B: Body + Replay,
    B::Error: std::fmt::Debug,
{
    let second = body.replay().expect("a second body");
    let third = body.replay().expect("a third body");
    let whole = read(body).await;
    assert_eq!(read(second).await, whole);
    assert_eq!(read(third).await, whole);
}

fn assert_sent_once<B: Replay>(body: &B) {
    assert!(body.replay().is_none());
}

#[tokio::test]
async fn bodies_at_hand_replay_byte_for_byte_with_their_length() {
    assert_replays(full()).await;
    assert_replays(Full::new(TEXT)).await;
    assert_replays(Full::<Bytes>::default()).await;
    assert_replays(Empty::<Bytes>::new()).await;
    assert_replays(String::from("text")).await;
    assert_replays(Box::new(full())).await;
    assert_replays(Box::pin(full())).await;
    assert_replays(full().map_err(|never| never)).await;
    assert_replays(full().map_frame(|frame: Frame<Bytes>| frame)).await;
    assert_replays(full().inspect_err(|_| ())).await;
    assert_replays(full().inspect_frame(|_| ())).await;
    assert_replays(Either::<Full<Bytes>, Empty<Bytes>>::Left(full())).await;
    assert_replays(Either::<Full<Bytes>, Empty<Bytes>>::Right(Empty::new())).await;
    assert_eq!(().replay(), Some(()));
    assert_eq!("text".replay(), Some("text"));
    assert_eq!(Bytes::from(TEXT).replay(), Some(Bytes::from(TEXT)));
}

#[tokio::test]
async fn other_bodies_are_sent_once() {
    type Boxed = UnsyncBoxBody<Bytes, Infallible>;
    let stream = || futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::new()))]);
    assert_sent_once::<BoxBody<_, _>>(&full().boxed());
    assert_sent_once::<Boxed>(&full().boxed_unsync());
    assert_sent_once(&Either::<Full<Bytes>, Boxed>::Right(full().boxed_unsync()));
    assert_sent_once(&Box::new(full().boxed_unsync()));
    assert_sent_once(&Box::pin(full().boxed_unsync()));
    assert_sent_once(&StreamBody::new(stream()));
    assert_sent_once(&BodyStream::new(full()));
    assert_sent_once(&Channel::<Bytes>::new(1).1);
    assert_sent_once::<Collected<_>>(&full().collect().await.expect("a body"));
    assert_sent_once(&Fuse::new(full()));
    assert_sent_once(&Limited::new(full(), 9));
    assert_sent_once(&full().with_trailers(std::future::ready(None)));
    // What is inside is asked, not only whether it can be cloned.
    let cloneable = StreamBody::new(futures_util::stream::repeat_with(|| {
        Ok::<Frame<Bytes>, Infallible>(Frame::data(Bytes::new()))
    }));
    assert_sent_once(&cloneable.map_err(|never| never));
}

/// A body whose clones share what is left of it; a second one is made by `replay` alone.
#[derive(Clone)]
struct Draining(Arc<Mutex<Full<Bytes>>>);

impl Body for Draining {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut *self.0.lock().expect("no panic")).poll_frame(cx)
    }
}

impl Replay for Draining {
    fn replay(&self) -> Option<Self> {
        Some(Self(Arc::new(Mutex::new(full()))))
    }
}

#[tokio::test]
async fn what_is_wrapped_is_asked_for_its_second_body() {
    let body = || Draining(Arc::new(Mutex::new(full())));
    assert_replays(body()).await;
    assert_replays(body().map_err(|never| never)).await;
    assert_replays(body().map_frame(|frame: Frame<Bytes>| frame)).await;
    assert_replays(body().inspect_err(|_| ())).await;
    assert_replays(body().inspect_frame(|_| ())).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_first_attempt_never_polled_is_replayed_whole() {
    let service = service_fn(|request: Request<Full<Bytes>>| async move {
        let attempt = call_context::CallContext::get(request.extensions()).map(|c| c.attempt());
        if attempt == Some(1) {
            return Ok::<_, Infallible>(answer(503, Bytes::new()));
        }
        let (length, body) = read(request.into_body()).await;
        assert_eq!(length, Some(TEXT.len() as u64));
        Ok(answer(200, body))
    });
    assert_eq!(put_through(service).await, TEXT);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_answered_halfway_is_replayed_whole() {
    let service = service_fn(|mut request: Request<Full<Bytes>>| async move {
        let attempt = call_context::CallContext::get(request.extensions()).map(|c| c.attempt());
        if attempt == Some(1) {
            let frame = Pin::new(request.body_mut()).frame().await;
            assert!(frame.is_some());
            return Ok::<_, Infallible>(answer(503, Bytes::new()));
        }
        let (length, body) = read(request.into_body()).await;
        assert_eq!(length, Some(TEXT.len() as u64));
        Ok(answer(200, body))
    });
    assert_eq!(put_through(service).await, TEXT);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_call_whose_body_cannot_be_sent_again_keeps_its_401() {
    let service = service_fn(async |request: Request<UnsyncBoxBody<Bytes, Infallible>>| {
        let (_, body) = read(request.into_body()).await;
        assert_eq!(body, TEXT);
        let mut response = answer(401, Bytes::from("refused"));
        response.extensions_mut().insert(call_context::Renewed);
        Ok::<_, Infallible>(response)
    });
    let request = Request::new(full().boxed_unsync());
    let layer = prompt();
    let response = layer.layer(service).oneshot(request).await;
    let response = response.expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(read(response.into_body()).await.1, "refused");
    assert_eq!(layer.counters().stopped(Stop::Body), 1);
}

fn answer(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    response.body(Full::new(body)).expect("a response")
}

async fn put_through<S>(service: S) -> Bytes
where
    S: tower::Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible>
        + Clone,
{
    let request = Request::put("https://api.example.com/").body(full());
    let request = request.expect("a request");
    let response = prompt().layer(service).oneshot(request).await;
    let body = response.expect("a response").into_body().collect().await;
    body.expect("infallible").to_bytes()
}
