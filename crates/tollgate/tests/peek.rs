//! The peeking layer hands on bodies as they were.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use call_context::{BodyPrefix, CallContext};
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::time::Instant;
use tollgate::PeekLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

async fn peek<B: Body>(
    layer: PeekLayer,
    status: StatusCode,
    body: B,
) -> Response<impl Body<Data = B::Data, Error = B::Error>> {
    let body = std::cell::RefCell::new(Some(body));
    let inner = service_fn(|_: Request<()>| {
        let body = body.borrow_mut().take().expect("called once");
        let response = Response::builder().status(status).body(body);
        std::future::ready(Ok::<_, Infallible>(response.expect("a response")))
    });
    let service = ServiceBuilder::new().layer(layer).service(inner);
    let Ok(response) = service.oneshot(Request::new(())).await;
    response
}

fn streamed(frames: Frames) -> impl Body<Data = Bytes, Error = &'static str> {
    StreamBody::new(stream::iter(frames))
}

fn prefix<B>(response: &Response<B>) -> Option<&[u8]> {
    response.extensions().get().map(BodyPrefix::as_bytes)
}

#[tokio::test]
async fn the_prefix_of_an_error_is_seen_and_the_body_stays_whole() {
    let frames = vec![data("{\"code\":"), data("\"COOLDOWN\"}"), data(" ")];
    let response = peek(
        PeekLayer::new().bytes(12),
        StatusCode::TOO_MANY_REQUESTS,
        streamed(frames),
    )
    .await;
    assert_eq!(prefix(&response), Some(&b"{\"code\":\"COO"[..]));
    let whole = response.into_body().collect().await.expect("no error");
    assert_eq!(whole.to_bytes(), "{\"code\":\"COOLDOWN\"} ");
}

#[tokio::test]
async fn a_known_length_stays_known() {
    let body = Full::new(Bytes::from_static(b"0123456789"));
    let response = peek(PeekLayer::new(), StatusCode::TOO_MANY_REQUESTS, body).await;
    assert_eq!(prefix(&response), Some(&b"0123456789"[..]));
    assert_eq!(response.body().size_hint().exact(), Some(10));
    assert!(!response.body().is_end_stream());
}

#[tokio::test]
async fn other_statuses_are_not_read() {
    let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let response = peek(PeekLayer::new(), StatusCode::OK, body).await;
    assert_eq!(prefix(&response), None);
}

#[tokio::test]
async fn trailers_and_errors_keep_their_place() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("8"));
    let frames = vec![data("a"), Ok(Frame::trailers(trailers.clone()))];
    let response = peek(
        PeekLayer::new(),
        StatusCode::TOO_MANY_REQUESTS,
        streamed(frames),
    )
    .await;
    let whole = response.into_body().collect().await.expect("no error");
    assert_eq!(whole.trailers(), Some(&trailers));
    assert_eq!(whole.to_bytes(), "a");

    let frames = vec![data("half"), Err("connection lost")];
    let response = peek(
        PeekLayer::new(),
        StatusCode::TOO_MANY_REQUESTS,
        streamed(frames),
    )
    .await;
    assert_eq!(prefix(&response), Some(&b"half"[..]));
    let mut body = Box::pin(response.into_body());
    let first = body.frame().await.expect("a frame").expect("data");
    assert_eq!(first.into_data().expect("data"), "half");
    let second = body.frame().await.expect("a frame");
    assert_eq!(second.err(), Some("connection lost"));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_like_a_shorter_one() {
    /// Four bytes of the ten that were announced.
    struct Broken(u32);

    impl Body for Broken {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            self.0 += 1;
            Poll::Ready(Some(match self.0 {
                1 => data("half"),
                _ => Err("connection lost"),
            }))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(if self.0 == 0 { 10 } else { 6 })
        }
    }

    let response = peek(PeekLayer::new(), StatusCode::TOO_MANY_REQUESTS, Broken(0)).await;
    assert_eq!(prefix(&response), Some(&b"half"[..]));
    let mut body = Box::pin(response.into_body());
    for left in [10, 6] {
        assert_eq!(body.size_hint().exact(), Some(left));
        assert!(!body.is_end_stream());
        let _ = body.frame().await.expect("a frame");
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_passed_on_after_the_bound() {
    let start = Instant::now();
    let pieces = stream::iter(0..3).then(|n| async move {
        tokio::time::sleep(Duration::from_millis(600)).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from(n.to_string())))
    });
    let response = peek(
        PeekLayer::new().within(Duration::from_secs(1)),
        StatusCode::FORBIDDEN,
        StreamBody::new(pieces),
    )
    .await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(prefix(&response), Some(&b"0"[..]));
    let Ok(whole) = response.into_body().collect().await;
    assert_eq!(whole.to_bytes(), "012");
    assert_eq!(start.elapsed(), Duration::from_millis(1800));
}

#[tokio::test]
async fn a_body_of_empty_pieces_is_not_read_for_ever() {
    let empty = stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::new())));
    let response = peek(
        PeekLayer::new(),
        StatusCode::TOO_MANY_REQUESTS,
        StreamBody::new(empty),
    )
    .await;
    assert_eq!(prefix(&response), Some(&b""[..]));
}

#[tokio::test(start_paused = true)]
async fn the_calls_deadline_finds_the_response_passed_on() {
    let start = Instant::now();
    let inner = service_fn(|_: Request<()>| {
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let response = Response::builder().status(429).body(body);
        std::future::ready(Ok::<_, Infallible>(response.expect("a response")))
    });
    let service = ServiceBuilder::new().layer(PeekLayer::new()).service(inner);
    let mut request = Request::new(());
    let deadline = (start + Duration::from_millis(300)).into_std();
    CallContext::of(request.extensions_mut()).limit_deadline(deadline);
    let Ok(response) = service.oneshot(request).await;
    assert_eq!(response.status(), 429);
    assert_eq!(start.elapsed(), Duration::from_millis(300));
}
