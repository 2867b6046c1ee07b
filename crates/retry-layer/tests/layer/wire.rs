//! Over real sockets: hyper-util's client, and servers that speak HTTP/1.1 by hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use call_context::{BoxError, NeverLeft, Refusal, Renewed};
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use retry_layer::{Budget, Exchange, Replay, RetryLayer, StatusClassifier, Stop};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt};

use crate::support::prompt;

fn client<B>() -> Client<HttpConnector, B>
where
    B: Body + Send + 'static + Unpin,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http()
}

async fn bind(address: impl Into<SocketAddr>) -> TcpListener {
    TcpListener::bind(address.into())
        .await
        .expect("a free loopback port")
}

fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn request<B>(method: Method, address: SocketAddr, body: B) -> Request<B> {
    let request = Request::builder().method(method);
    let request = request.uri(format!("http://{address}/execute/trades"));
    request.body(body).expect("a request")
}

/// The head of the next request in small letters, or nothing once the client has closed.
async fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
        if head[before..].trim().is_empty() {
            return Some(head.to_ascii_lowercase());
        }
    }
}

fn length_in(head: &str) -> usize {
    let line = head.lines().find_map(|l| l.strip_prefix("content-length:"));
    line.map_or(0, |value| value.trim().parse().expect("a number"))
}

async fn body_of(stream: &mut BufReader<TcpStream>, length: usize) -> Vec<u8> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("the whole body");
    body
}

async fn answer(stream: &mut BufReader<TcpStream>, status: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
}

/// Answers 503 with a body of so many bytes each time, in one piece, and counts connections and requests.
async fn unavailable(length: usize) -> (SocketAddr, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = bind(anywhere()).await;
    let address = listener.local_addr().expect("an address");
    let (connections, requests) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let counters = (Arc::clone(&connections), Arc::clone(&requests));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, SeqCst);
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while head(&mut stream).await.is_some() {
                    requests.fetch_add(1, SeqCst);
                    answer(&mut stream, "503 Busy", &vec![b'x'; length]).await;
                }
            });
        }
    });
    (address, counters.0, counters.1)
}

/// Without pauses, and in a task of its own: one that is woken by the end of a body runs before the client's, which is woken by
/// the same, and has yet to put the connection back.
#[tokio::test]
async fn twenty_attempts_need_one_connection() {
    for length in [0, 20, 20_000] {
        let (address, connections, requests) = unavailable(length).await;
        let layer = prompt().attempts(20).budget(Budget::new(100));
        let service = layer.layer(client());
        let get = request(Method::GET, address, Full::<Bytes>::default());
        let call = tokio::spawn(service.oneshot(get));
        let response = call.await.expect("no panic").expect("a response");
        assert_eq!(response.status(), 503);
        assert_eq!(requests.load(SeqCst), 20);
        assert_eq!(connections.load(SeqCst), 1, "{length}");
        let body = response.into_body().collect().await.expect("a body");
        assert_eq!(body.to_bytes().len(), length);
    }
}

#[tokio::test]
async fn a_post_that_was_refused_a_connection_is_sent_again() {
    let free = bind(anywhere()).await.local_addr().expect("an address");
    // The server comes up between the first attempt and the second one.
    let (up, listener) = tokio::sync::oneshot::channel();
    let up = Mutex::new(Some(up));
    let layer = prompt().classifier(move |exchange: &Exchange<'_>| {
        if let Some(up) = up.lock().expect("no panic").take() {
            let listener = std::net::TcpListener::bind(free).expect("the port is still free");
            listener.set_nonblocking(true).expect("a socket");
            up.send(listener).expect("somebody waits for it");
        }
        retry_layer::Classify::classify(&StatusClassifier, exchange)
    });
    let server = tokio::spawn(async move {
        let listener = TcpListener::from_std(listener.await.expect("a listener"));
        let (stream, _) = listener
            .expect("a socket")
            .accept()
            .await
            .expect("a client");
        let mut stream = BufReader::new(stream);
        let head = head(&mut stream).await.expect("a request");
        let body = body_of(&mut stream, length_in(&head)).await;
        answer(&mut stream, "200 OK", &body).await;
        head
    });
    let post = request(Method::POST, free, Full::<Bytes>::from("an order"));
    let service = layer.layer(client());
    let response = service.oneshot(post).await.expect("a response");
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), "an order");
    assert!(server.await.expect("a request").starts_with("post "));
    assert_eq!(layer.counters().retries(), 1);
}

#[tokio::test]
async fn a_retry_that_finds_no_connection_costs_a_fifth_of_one_that_fails() {
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    for (budget, left) in [
        (Budget::new(10), 9.6),
        (Budget::new(10).connect_cost(0.0), 10.0),
        (Budget::new(10).connect_cost(1.0), 8.0),
        // Each takes a whole one until its outcome is there.
        (Budget::new(0), 0.0),
    ] {
        let layer = prompt().budget(budget);
        let get = request(Method::GET, nobody, Full::<Bytes>::default());
        let error = layer.layer(client()).oneshot(get).await;
        let error = error.expect_err("nobody listens");
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
        assert_eq!(layer.balance(), left);
    }
}

/// Reads each request whole, and closes without an answer. Says how many there were.
async fn reads_and_closes() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = bind(anywhere()).await;
    let address = listener.local_addr().expect("an address");
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            if let Some(head) = head(&mut stream).await {
                seen.fetch_add(1, SeqCst);
                if length_in(&head) > 0 {
                    let mut body = vec![0; length_in(&head)];
                    let _ = stream.read_exact(&mut body).await;
                }
            }
        }
    });
    (address, requests)
}

#[tokio::test]
async fn an_unkeyed_post_that_the_server_read_is_sent_once_and_a_put_again() {
    for (method, sent) in [(Method::POST, 1), (Method::PUT, 3)] {
        let (address, requests) = reads_and_closes().await;
        let body = Full::<Bytes>::from("an order");
        let service = prompt().layer(client());
        let outcome = service.oneshot(request(method, address, body)).await;
        assert!(outcome.is_err());
        assert_eq!(requests.load(SeqCst), sent);
    }
}

#[tokio::test]
async fn a_timed_out_unkeyed_post_is_sent_exactly_once() {
    let listener = bind(anywhere()).await;
    let address = listener.local_addr().expect("an address");
    let (seen, was_seen) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = BufReader::new(stream);
        let head = head(&mut stream).await.expect("a request");
        body_of(&mut stream, length_in(&head)).await;
        seen.send(()).expect("the attempt waits for it");
        // Anything else that came would be a second request.
        let other = listener.accept();
        let same = stream.read_u8();
        tokio::select! { _ = other => 2, byte = same => if byte.is_ok() { 2 } else { 1 } }
    });
    // An attempt ends, as with a timeout, once the server has read the whole of it.
    let was_seen = Arc::new(Mutex::new(Some(was_seen)));
    let hasty = tower::service_fn(move |request: Request<Full<Bytes>>| {
        let was_seen = was_seen.lock().expect("no panic").take();
        async move {
            let was_seen = was_seen.expect("one attempt");
            tokio::select! {
                response = client().oneshot(request) => response.map_err(BoxError::from),
                _ = was_seen => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            }
        }
    });
    let layer = prompt();
    let post = request(Method::POST, address, Full::<Bytes>::from("an order"));
    let error = layer.layer(hasty).oneshot(post).await.expect_err("late");
    assert!(call_context::find::<std::io::Error>(&*error).is_some());
    assert_eq!(layer.counters().stopped(Stop::NotSafe), 1);
    assert_eq!(server.await.expect("a count"), 1);
}

/// Half of a body, and then an error that looks like a proof. It claims to be replayable.
#[derive(Clone, Copy)]
struct Treacherous {
    half_sent: bool,
    error: fn() -> BoxError,
}

impl Body for Treacherous {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let first = !std::mem::replace(&mut self.half_sent, true);
        Poll::Ready(Some(if first {
            Ok(Frame::data(Bytes::from_static(b"half")))
        } else {
            Err((self.error)())
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(8)
    }
}

impl Replay for Treacherous {
    fn replay(&self) -> Option<Self> {
        Some(*self)
    }
}

/// What hyper-util says when nobody listens.
fn connect_error() -> BoxError {
    let error = std::thread::spawn(|| {
        let nobody = ([127, 0, 0, 1], 1).into();
        let get = request(Method::GET, nobody, Full::<Bytes>::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let outcome = runtime.expect("a runtime").block_on(client().request(get));
        outcome.expect_err("nobody listens there")
    });
    let error = error.join().expect("no panic");
    assert!(error.is_connect());
    error.into()
}

#[tokio::test]
async fn a_body_that_fails_with_what_looks_like_a_proof_is_sent_once() {
    for error in [connect_error as fn() -> BoxError, || {
        NeverLeft::new(Refusal::Transient).into()
    }] {
        let (address, requests) = reads_and_closes().await;
        let layer = prompt();
        let body = Treacherous {
            half_sent: false,
            error,
        };
        let post = request(Method::POST, address, body);
        let outcome = layer.layer(client()).oneshot(post).await;
        assert!(outcome.is_err());
        assert_eq!(layer.counters().stopped(Stop::NotSafe), 1);
        assert!(requests.load(SeqCst) <= 1);
    }
}

#[tokio::test]
async fn an_early_401_while_the_body_streams_is_replayed_byte_for_byte() {
    const LENGTH: usize = 1 << 20;
    let listener = bind(anywhere()).await;
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        // The first request is answered before its body is read.
        let (stream, _) = listener.accept().await.expect("a client");
        let mut first = BufReader::new(stream);
        head(&mut first).await.expect("a request");
        answer(&mut first, "401 Unauthorized\r\nconnection: close", b"who?").await;
        let (stream, _) = listener.accept().await.expect("a second connection");
        let mut second = BufReader::new(stream);
        let head = head(&mut second).await.expect("a request");
        let body = body_of(&mut second, length_in(&head)).await;
        answer(&mut second, "200 OK", b"welcome").await;
        (head, body)
    });
    // What the gate of an auth layer does.
    let gate = client().map_response(|mut response: http::Response<_>| {
        if response.status() == 401 {
            response.extensions_mut().insert(Renewed);
        }
        response
    });
    let body: Vec<u8> = (0..LENGTH).map(|i| (i * 31 % 251) as u8).collect();
    let layer = RetryLayer::new();
    let post = request(Method::POST, address, Full::<Bytes>::from(body.clone()));
    let response = layer.layer(gate).oneshot(post).await.expect("a response");
    assert_eq!(response.status(), 200);
    let (head, received) = server.await.expect("two requests");
    assert!(head.contains("content-length: 1048576"), "{head}");
    assert!(received == body, "byte for byte");
    assert_eq!(layer.counters().replays_after_401(), 1);
}

/// An HTTP/2 server that resets the first stream of each connection with REFUSED_STREAM, and answers the others.
pub(crate) async fn refuses_first_streams() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = bind(anywhere()).await;
    let address = listener.local_addr().expect("an address");
    let streams = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&streams);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(stream).await.expect("a client");
            let mut first = true;
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                seen.fetch_add(1, SeqCst);
                if std::mem::take(&mut first) {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                } else {
                    let _ = respond.send_response(http::Response::new(()), true);
                }
            }
        }
    });
    (address, streams)
}

#[tokio::test]
async fn refused_streams_are_believed_of_trusted_origins_alone() {
    for (trusted, sent) in [(false, 1), (true, 2)] {
        let (address, streams) = refuses_first_streams().await;
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .http2_only(true)
            .build_http();
        let other = "http://127.0.0.1:1".parse().expect("an origin");
        let mut layer = prompt().trust_refusals([other]);
        if trusted {
            let origin = format!("http://{address}").parse().expect("an origin");
            layer = layer.trust_refusals([origin]);
        }
        let post = request(Method::POST, address, Full::<Bytes>::from("an order"));
        let outcome = layer.layer(client).oneshot(post).await;
        assert_eq!(outcome.is_ok(), trusted);
        assert_eq!(streams.load(SeqCst), sent);
        let stopped = layer.counters().stopped(Stop::NotSafe);
        assert_eq!(stopped, u64::from(!trusted));
    }
}

#[tokio::test]
async fn a_post_that_was_never_dispatched_is_sent_again_and_costs_nothing() {
    // A connection that is gone before the request is handed to it.
    let (io, _) = tokio::io::duplex(64);
    let io = hyper_util::rt::TokioIo::new(io);
    let handshake = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(io).await;
    let (mut gone, connection) = handshake.expect("a handshake");
    drop(connection);
    let post = request(Method::POST, anywhere(), Full::from("an order"));
    let error = gone.send_request(post).await.expect_err("it is gone");
    assert!(error.is_canceled());

    let undispatched =
        crate::support::Script::new([Err(error.into()), crate::support::status(503)]);
    let budget = Budget::new(5);
    let layer = prompt().budget(budget.clone());
    let outcome = crate::support::run(&layer, &undispatched, crate::support::post()).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(undispatched.calls(), 2);
}
