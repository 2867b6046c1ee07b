//! The earlier outcome in hard cases: it survives whole, and it keeps no connection longer than is any use.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use call_context::{NeverLeft, Refusal};
use futures_util::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use retry_layer::RetryBody;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::*;

/// What a call returns whose first answer is a 503 with `body`, and whose replay is refused.
async fn refused_after<B: Body>(body: B) -> Response<RetryBody<B>> {
    let body = Mutex::new(Some(body));
    let service = service_fn(|_: Request<Full<Bytes>>| {
        let body = body.lock().expect("no panic").take();
        let response = Response::builder().status(503);
        let refused = || NeverLeft::new(Refusal::Permanent);
        let response = body.map(|body| response.body(body).expect("a response"));
        ready(response.ok_or_else(refused))
    });
    let outcome = prompt().layer(service).oneshot(get()).await;
    outcome.expect("the first response")
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_failed_while_it_was_read_ahead_does_not_look_like_a_short_one() {
    let frames = [Ok(data("half")), Err("cut off")];
    let response = refused_after(StreamBody::new(stream::iter(frames))).await;
    // Whoever passes it on by its length would stop at the fourth byte, and never come to the error.
    assert_eq!(response.body().size_hint().exact(), None);
    assert!(!response.body().is_end_stream());
    let error = response.into_body().collect().await;
    assert_eq!(error.map(|_| ()), Err("cut off"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_goes_on_holds_up_neither_the_replay_nor_what_there_is_of_it() {
    let frames = stream::iter([Ok::<_, Infallible>(data("so far"))]).chain(stream::pending());
    let start = Instant::now();
    let response = refused_after(StreamBody::new(frames)).await;
    assert_eq!(start.elapsed(), Duration::from_millis(100));
    assert!(!response.body().is_end_stream());
    let mut body = response.into_body();
    let frame = body.frame().await.expect("a frame").expect("infallible");
    assert_eq!(frame.into_data().expect("data"), "so far");
    assert!(body.frame().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_reads_ahead_lets_go_of_the_body() {
    let alive = Arc::new(());
    let held = Mutex::new(Some(Arc::clone(&alive)));
    let service = service_fn(|_: Request<Full<Bytes>>| {
        // Never ends, and holds something, as a connection.
        let held = held.lock().expect("no panic").take();
        let frames = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let body = StreamBody::new(frames.inspect(move |_| drop(held.clone())));
        let response = Response::builder().status(503);
        ready(response.header("retry-after", "9").body(body))
    });
    let mut service = prompt().layer(service);
    let mut call = Box::pin(service.call(get()));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(call);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[cfg(feature = "hyper")]
mod sockets {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use http_body::SizeHint;
    use hyper::body::Incoming;
    use hyper_util::client::legacy::{Client, connect::HttpConnector};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use retry_layer::{Exchange, ReplayBody, Verdict};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn client<B>() -> Client<HttpConnector, B>
    where
        B: Body<Data: Send, Error: Into<call_context::BoxError>> + Send + 'static + Unpin,
    {
        Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build_http()
    }

    /// A body of 20 kB in 20 pieces, which tells its length or is chunked.
    #[derive(Clone)]
    struct Twenty {
        left: u64,
        told: bool,
    }

    impl Body for Twenty {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let piece = (self.left > 0).then(|| Frame::data(Bytes::from_static(&[b'x'; 1000])));
            self.left = self.left.saturating_sub(1);
            std::task::Poll::Ready(piece.map(Ok))
        }

        fn size_hint(&self) -> SizeHint {
            if self.told {
                SizeHint::with_exact(self.left * 1000)
            } else {
                SizeHint::default()
            }
        }
    }

    /// Reads each request whole, answers 503 with 20 kB, and counts connections and requests.
    async fn busy(told: bool) -> (SocketAddr, Arc<[AtomicUsize; 2]>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::<[AtomicUsize; 2]>::default();
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted[0].fetch_add(1, SeqCst);
                let counted = Arc::clone(&counted);
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let counted = Arc::clone(&counted);
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        assert_eq!(body.len(), 20_000);
                        counted[1].fetch_add(1, SeqCst);
                        let busy = Response::builder().status(503);
                        let body = Twenty { left: 20, told };
                        Ok::<_, hyper::Error>(busy.body(body).expect("a response"))
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        (address, counts)
    }

    async fn four_attempts(told: bool) {
        let (address, counts) = busy(told).await;
        // A pause that a loaded machine can read twenty pieces in.
        let after = Duration::from_millis(500);
        let layer = prompt()
            .attempts(4)
            .classifier(move |exchange: &Exchange<'_>| match exchange.status() {
                Some(_) => Verdict::Transient { after },
                None => Verdict::Final,
            });
        let body = ReplayBody::new(Twenty { left: 20, told });
        let put = Request::put(format!("http://{address}/")).body(body);
        let call = layer.layer(client()).oneshot(put.expect("a request"));
        let response = call.await.expect("a response");
        assert_eq!(response.status(), 503);
        assert_eq!(counts[1].load(SeqCst), 4);
        assert_eq!(counts[0].load(SeqCst), 1, "told: {told}");
        let body = response.into_body().collect().await.expect("a body");
        assert_eq!(body.to_bytes().len(), 20_000);
    }

    #[tokio::test]
    async fn attempts_whose_bodies_stream_both_ways_need_one_connection() {
        tokio::join!(four_attempts(true), four_attempts(false));
    }

    #[tokio::test]
    async fn an_answer_that_broke_off_is_still_broken_when_it_is_returned() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        // Sends a tenth of its answer, and is gone for good.
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            drop(listener);
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                read.push(stream.read_u8().await.expect("a request"));
            }
            let answer = b"HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nten bytes.";
            stream.write_all(answer).await.expect("it listens");
        });
        let get = Request::get(format!("http://{address}/")).body(Full::<Bytes>::default());
        let call = prompt().layer(client()).oneshot(get.expect("a request"));
        let response = call.await.expect("the first response");
        server.await.expect("one request");
        assert_eq!(response.status(), 503);
        assert_eq!(response.body().size_hint().exact(), Some(100));
        let mut body = response.into_body();
        let mut had = 0;
        let error = loop {
            match body.frame().await.expect("no end before the error") {
                Ok(frame) => had += frame.data_ref().map_or(0, Bytes::len),
                Err(error) => break error,
            }
        };
        assert_eq!(had, 10);
        let source =
            std::error::Error::source(&error).and_then(|e| e.downcast_ref::<std::io::Error>());
        assert_eq!(
            source.map(|e| e.kind()),
            Some(std::io::ErrorKind::UnexpectedEof)
        );
    }
}
