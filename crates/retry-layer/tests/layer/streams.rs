//! Streaming bodies through the layer: with a server at hand, and over real sockets.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use call_context::BoxError;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use retry_layer::{BodyLost, Budget, ReplayBody, RetryLayer, Stop};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::prompt;

/// Pieces of a body one after the other, and perhaps its length beforehand.
struct Pieces {
    frames: std::vec::IntoIter<Frame<Bytes>>,
    length: Option<u64>,
}

impl Pieces {
    fn new(frames: Vec<Frame<Bytes>>, told: bool) -> Self {
        let data = frames.iter().filter_map(Frame::data_ref);
        let length = data.map(|data| data.len() as u64).sum();
        Self {
            frames: frames.into_iter(),
            length: told.then_some(length),
        }
    }

    /// `count` pieces of 1000 bytes.
    fn thousands(count: u8, told: bool) -> Self {
        let piece = |i| Frame::data(Bytes::from(vec![i; 1000]));
        Self::new((0..count).map(piece).collect(), told)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.next().map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn thousands(count: u8) -> Bytes {
    (0..count).flat_map(|i| [i; 1000]).collect()
}

fn put<B>(address: impl std::fmt::Display, body: B) -> Request<B> {
    let request = Request::put(format!("http://{address}/execute/trades"));
    request.body(body).expect("a request")
}

fn answer(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    response.body(Full::from(body)).expect("a response")
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_still_reads_during_the_pause_may_end_the_call_with_the_outcome() {
    type Left = Arc<Mutex<Option<ReplayBody<Pieces>>>>;
    let left = Left::default();
    let kept = Arc::clone(&left);
    let busy = service_fn(move |request: Request<ReplayBody<Pieces>>| {
        // A client that has the answer, and goes on sending.
        let before = kept.lock().expect("no panic").replace(request.into_body());
        assert!(before.is_none(), "sent once");
        let mut response = answer(503, "whole");
        let second = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, second);
        async { Ok::<_, Infallible>(response) }
    });
    let budget = Budget::new(2);
    let layer = prompt().budget(budget.clone());
    let call = layer.layer(busy).oneshot(put(
        "a.example",
        ReplayBody::new(Pieces::thousands(70, false)),
    ));
    let goes_on = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let body = left.lock().expect("no panic").take().expect("an attempt");
        let body = body.collect().await.expect("whole").to_bytes();
        assert_eq!(body, thousands(70));
    };
    let (response, ()) = tokio::join!(call, goes_on);
    let response = response.expect("a response");
    assert_eq!(response.status(), 503);
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), "whole");
    assert_eq!(layer.counters().stopped(Stop::Body), 1);
    assert_eq!(layer.counters().retries(), 0);
    assert_eq!(budget.balance(tokio::time::Instant::now().into_std()), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_beyond_the_bound_ends_the_call_without_a_pause() {
    let reader = service_fn(async |request: Request<ReplayBody<_>>| {
        let body = request.into_body().collect().await?.to_bytes();
        assert_eq!(body, thousands(66));
        let mut response = answer(503, "");
        let soon = HeaderValue::from_static("9");
        response.headers_mut().insert(RETRY_AFTER, soon);
        Ok::<_, BoxError>(response)
    });
    let layer = prompt();
    let start = tokio::time::Instant::now();
    let body = ReplayBody::new(Pieces::thousands(66, false));
    let response = layer.layer(reader).oneshot(put("a.example", body)).await;
    assert_eq!(response.expect("a response").status(), 503);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(layer.counters().stopped(Stop::Body), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_body_failed_is_the_last_one() {
    let calls = AtomicUsize::new(0);
    let reader = service_fn(async |request: Request<ReplayBody<_>>| {
        calls.fetch_add(1, SeqCst);
        request.into_body().collect().await?;
        Ok::<_, BoxError>(answer(200, ""))
    });
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err(std::io::Error::other("the disk")),
    ];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let layer = prompt();
    let call = layer.layer(reader);
    let outcome = call.oneshot(put("a.example", ReplayBody::new(body))).await;
    let error = outcome.expect_err("failed");
    let cause = call_context::find::<std::io::Error>(&*error);
    assert_eq!(cause.expect("the cause").to_string(), "the disk");
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(layer.counters().stopped(Stop::Body), 1);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_repeats_nothing_keeps_nothing() {
    let kept = Bytes::from(vec![b'x'; 100]);
    let reader = service_fn(async |request: Request<ReplayBody<Pieces>>| {
        let mut body = request.into_body();
        let frame = body.frame().await.expect("a frame")?;
        drop(frame);
        assert!(kept.is_unique());
        Ok::<_, BoxError>(answer(200, ""))
    });
    let frames = vec![Frame::data(kept.clone()), Frame::data(Bytes::new())];
    let call = RetryLayer::new().attempts(1).layer(reader);
    let body = ReplayBody::new(Pieces::new(frames, false));
    let response = call.oneshot(put("a.example", body)).await;
    assert_eq!(response.expect("a response").status(), 200);
}

#[test]
fn a_body_that_may_go_to_another_thread_may_be_shared_as_well() {
    fn assert_shareable<T: Send + Sync + Unpin + 'static>() {}
    type Boxed = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;
    assert_shareable::<ReplayBody<Boxed>>();
    assert_shareable::<BodyLost>();
}

#[cfg(feature = "hyper")]
mod sockets {
    use std::net::SocketAddr;

    use call_context::Renewed;
    use http::header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
    use http::{HeaderMap, Method};
    use http_body_util::Channel;
    use hyper::body::Incoming;
    use hyper::service::service_fn as hyper_service_fn;
    use hyper_util::client::legacy::{Client, connect::HttpConnector};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use retry_layer::Retry;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    fn client<B>(http2: bool) -> Client<HttpConnector, B>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static + Unpin,
    {
        Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .http2_only(http2)
            .build_http()
    }

    async fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// What a server saw of one request.
    struct Seen {
        head: http::request::Parts,
        body: Bytes,
        trailers: Option<HeaderMap>,
    }

    async fn see(request: Request<Incoming>) -> Seen {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body");
        let trailers = body.trailers().cloned();
        Seen {
            head,
            body: body.to_bytes(),
            trailers,
        }
    }

    /// Reads each request of a connection whole, and answers with the statuses in turn.
    async fn serve(
        stream: TcpStream,
        statuses: Arc<Mutex<std::vec::IntoIter<u16>>>,
        seen: mpsc::UnboundedSender<Seen>,
    ) {
        let service = hyper_service_fn(move |request| {
            let (statuses, seen) = (Arc::clone(&statuses), seen.clone());
            async move {
                let request = see(request).await;
                let status = statuses.lock().expect("no panic").next();
                seen.send(request).expect("the test waits for it");
                Ok::<_, Infallible>(answer(status.expect("no more are sent"), "served"))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new();
        let _ = connection
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn server(statuses: Vec<u16>) -> (SocketAddr, mpsc::UnboundedReceiver<Seen>) {
        let (listener, address) = bind().await;
        let (tell, seen) = mpsc::unbounded_channel();
        let statuses = Arc::new(Mutex::new(statuses.into_iter()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&statuses), tell.clone()));
            }
        });
        (address, seen)
    }

    fn header(seen: &Seen, name: http::HeaderName) -> Option<&str> {
        let value = seen.head.headers.get(name)?;
        Some(value.to_str().expect("text"))
    }

    #[tokio::test]
    async fn a_body_that_tells_its_length_has_it_in_every_attempt() {
        let (address, mut seen) = server(vec![503, 503, 200]).await;
        let layer = prompt();
        let body = ReplayBody::new(Pieces::thousands(65, true));
        let call = layer.layer(client(false));
        let response = call.oneshot(put(address, body)).await;
        assert_eq!(response.expect("a response").status(), 200);
        for _ in 0..3 {
            let seen = seen.recv().await.expect("a request");
            assert_eq!(header(&seen, CONTENT_LENGTH), Some("65000"));
            assert_eq!(header(&seen, TRANSFER_ENCODING), None);
            assert_eq!(seen.body, thousands(65));
        }
    }

    #[tokio::test]
    async fn a_body_that_tells_nothing_is_chunked_in_every_attempt_and_has_its_trailers() {
        let sum = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-sum"),
            HeaderValue::from_static("9"),
        )]);
        let mut frames: Vec<_> = Pieces::thousands(3, false).frames.collect();
        frames.push(Frame::trailers(sum.clone()));
        let (address, mut seen) = server(vec![503, 503, 200]).await;
        let mut request = put(address, ReplayBody::new(Pieces::new(frames, false)));
        let headers = request.headers_mut();
        headers.insert(TRAILER, HeaderValue::from_static("x-sum"));
        let response = prompt().layer(client(false)).oneshot(request).await;
        assert_eq!(response.expect("a response").status(), 200);
        for _ in 0..3 {
            let seen = seen.recv().await.expect("a request");
            assert_eq!(header(&seen, CONTENT_LENGTH), None);
            assert_eq!(header(&seen, TRANSFER_ENCODING), Some("chunked"));
            assert_eq!(seen.body, thousands(3));
            assert_eq!(seen.trailers.as_ref(), Some(&sum));
        }
    }

    #[tokio::test]
    async fn a_body_without_bytes_is_sent_as_none_in_every_attempt() {
        let (address, mut seen) = server(vec![503, 200]).await;
        let body = ReplayBody::new(http_body_util::Empty::<Bytes>::new());
        let response = prompt().layer(client(false)).oneshot(put(address, body));
        assert_eq!(response.await.expect("a response").status(), 200);
        for _ in 0..2 {
            let seen = seen.recv().await.expect("a request");
            assert_eq!(header(&seen, TRANSFER_ENCODING), None);
            assert_eq!(seen.body, "");
        }
    }

    #[tokio::test]
    async fn a_body_beyond_the_bound_is_sent_once() {
        for told in [true, false] {
            let (address, mut seen) = server(vec![503]).await;
            let layer = prompt();
            let body = ReplayBody::new(Pieces::thousands(66, told));
            let call = layer.layer(client(false));
            let response = call.oneshot(put(address, body)).await.expect("a response");
            assert_eq!(response.status(), 503);
            assert_eq!(layer.counters().stopped(Stop::Body), 1);
            let body = response.into_body().collect().await.expect("a body");
            assert_eq!(body.to_bytes(), "served");
            assert_eq!(seen.recv().await.expect("it").body, thousands(66));
        }
    }

    /// Reads from a socket until `end` is there.
    async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        while !read.windows(end.len()).any(|window| window == end) {
            read.push(stream.read_u8().await.expect("more"));
        }
        read
    }

    /// What the gate of an auth layer does.
    fn gate<B>(
        client: Client<HttpConnector, B>,
    ) -> impl tower::Service<
        Request<B>,
        Response = Response<Incoming>,
        Error = hyper_util::client::legacy::Error,
        Future: Send,
    > + Clone
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static + Unpin,
    {
        client.map_response(|mut response: Response<Incoming>| {
            if response.status() == 401 {
                response.extensions_mut().insert(Renewed);
            }
            response
        })
    }

    /// Answers the first request when some of its body is there, and keeps that connection open, unread; serves the next.
    async fn answers_early(
        head: &'static [u8],
        trigger: &'static [u8],
    ) -> (
        SocketAddr,
        mpsc::UnboundedReceiver<Seen>,
        oneshot::Receiver<()>,
    ) {
        let (listener, address) = bind().await;
        let (tell, seen) = mpsc::unbounded_channel();
        let (began, second_began) = oneshot::channel();
        tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.expect("a client");
            read_until(&mut first, trigger).await;
            first.write_all(head).await.expect("it listens");
            let (second, _) = listener.accept().await.expect("a second connection");
            began.send(()).expect("the test waits for it");
            let statuses = Arc::new(Mutex::new(vec![200].into_iter()));
            serve(second, statuses, tell).await;
            drop(first);
        });
        (address, seen, second_began)
    }

    #[tokio::test]
    async fn an_early_401_while_the_body_streams_is_replayed_and_the_rest_follows() {
        let (address, mut seen, second_began) = answers_early(
            b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\n\r\nwho?",
            b"one, ",
        )
        .await;
        let (mut sender, body) = Channel::<Bytes>::new(4);
        let mut request = put(address, ReplayBody::new(body));
        *request.method_mut() = Method::POST;
        let layer = RetryLayer::new();
        let call = tokio::spawn(layer.layer(gate(client(false))).oneshot(request));
        sender.send_data("one, ".into()).await.expect("it is read");
        second_began.await.expect("a second attempt");
        sender.send_data("two, ".into()).await.expect("it is read");
        sender.send_data("three".into()).await.expect("it is read");
        drop(sender);
        let response = call.await.expect("no panic").expect("a response");
        assert_eq!(response.status(), 200);
        let seen = seen.recv().await.expect("a second request");
        assert_eq!(seen.body, "one, two, three");
        assert_eq!(layer.counters().replays_after_401(), 1);
    }

    #[tokio::test]
    async fn an_early_503_is_replayed_while_the_first_attempt_is_stuck_in_its_socket() {
        let (address, mut seen, _began) = answers_early(
            b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy",
            b"\r\n\r\n",
        )
        .await;
        // More than any socket takes in, so that the first attempt hangs with the body in its hands.
        let frames = (0..200_u8).map(|i| Frame::data(Bytes::from(vec![i; 100_000])));
        let body = Pieces::new(frames.collect(), true);
        let length = 200 * 100_000;
        let layer = prompt();
        let call = layer.layer(client(false));
        let request = put(address, ReplayBody::with_bound(body, length));
        let response = call.oneshot(request).await.expect("a response");
        assert_eq!(response.status(), 200);
        let seen = seen.recv().await.expect("a second request");
        assert_eq!(header(&seen, CONTENT_LENGTH), Some("20000000"));
        let expected: Bytes = (0..200_u8).flat_map(|i| vec![i; 100_000]).collect();
        assert!(seen.body == expected, "byte for byte");
        assert_eq!(layer.counters().retries(), 1);
    }

    #[tokio::test]
    async fn an_early_503_over_http2_is_replayed_beside_the_first_stream() {
        let (listener, address) = bind().await;
        let (tell, mut seen) = mpsc::unbounded_channel();
        let (answered, was_answered) = oneshot::channel();
        let answered = Arc::new(Mutex::new(Some(answered)));
        let unread: Arc<Mutex<Option<Incoming>>> = Arc::default();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let service = hyper_service_fn(move |mut request: Request<Incoming>| {
                let (tell, unread) = (tell.clone(), Arc::clone(&unread));
                let answered = answered.lock().expect("no panic").take();
                async move {
                    if let Some(answered) = answered {
                        request.body_mut().frame().await.expect("a frame")?;
                        // Kept, so that the stream is not reset.
                        *unread.lock().expect("no panic") = Some(request.into_body());
                        let _ = answered.send(());
                        return Ok::<_, hyper::Error>(answer(503, "busy"));
                    }
                    tell.send(see(request).await).expect("the test waits");
                    Ok(answer(200, "served"))
                }
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        let (mut sender, body) = Channel::<Bytes>::new(4);
        let layer = prompt();
        let service: Retry<_> = layer.layer(client(true));
        let call = tokio::spawn(service.oneshot(put(address, ReplayBody::new(body))));
        sender.send_data("one, ".into()).await.expect("it is read");
        was_answered.await.expect("a first attempt");
        sender.send_data("two".into()).await.expect("it is read");
        drop(sender);
        let response = call.await.expect("no panic").expect("a response");
        assert_eq!(response.status(), 200);
        assert_eq!(seen.recv().await.expect("a request").body, "one, two");
        assert_eq!(layer.counters().retries(), 1);
    }
}
