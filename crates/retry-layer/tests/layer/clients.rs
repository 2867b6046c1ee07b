//! What clients repeat on their own, and that the documented switches stop it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use call_context::{BoxError, CallContext};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use retry_layer::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::prompt;
use crate::wire::refuses_first_streams;

fn order(uri: &str) -> Request<Full<Bytes>> {
    let request = Request::post(uri).body(Full::from("an order"));
    request.expect("a request")
}

/// A connection in memory.
struct Pipe(TokioIo<DuplexStream>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Pipe {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Pipe {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Answers one request, and gives the connection to whoever holds it then.
async fn answer(mut stream: DuplexStream, held: Arc<Mutex<Vec<DuplexStream>>>) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"an order") {
        if stream.read_buf(&mut seen).await.is_ok_and(|read| read == 0) {
            return;
        }
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).await.expect("somebody reads it");
    held.lock().expect("no panic").push(stream);
}

/// Attempts that the layers saw at a second order, whose connection is gone before the client knows, and connections in all.
async fn second_order(hyper_repeats: bool) -> (u32, usize) {
    let connections = Arc::new(AtomicUsize::new(0));
    let held = Arc::new(Mutex::new(Vec::new()));
    let (counted, kept) = (Arc::clone(&connections), Arc::clone(&held));
    let connect = service_fn(move |_: http::Uri| {
        counted.fetch_add(1, SeqCst);
        let (ours, theirs) = tokio::io::duplex(1024);
        tokio::spawn(answer(theirs, Arc::clone(&kept)));
        std::future::ready(Ok::<_, std::io::Error>(Pipe(TokioIo::new(ours))))
    });
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(hyper_repeats)
        .build::<_, Full<Bytes>>(connect);
    let attempts = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&attempts);
    let watched = client.map_request(move |request: Request<_>| {
        let context = CallContext::get(request.extensions());
        seen.fetch_max(context.map_or(0, CallContext::attempt), SeqCst);
        request
    });
    let service = prompt().layer(watched);
    let first = service.clone().oneshot(order("http://a.example/"));
    let body = first.await.expect("an answer").into_body();
    body.collect().await.expect("a body");
    // Until the connection is idle: each of the client's tasks has its turns.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // From here to the first poll of the call nobody else has one.
    held.lock().expect("no panic").clear();
    let second = service.oneshot(order("http://a.example/")).await;
    assert_eq!(second.expect("an answer").status(), 200);
    (attempts.load(SeqCst), connections.load(SeqCst))
}

#[tokio::test]
async fn hypers_own_retries_are_seen_by_no_layer_unless_they_are_switched_off() {
    assert_eq!(second_order(true).await, (1, 2));
    assert_eq!(second_order(false).await, (2, 2));
}

#[tokio::test]
async fn reqwests_own_retries_repeat_an_unkeyed_post_unless_they_are_switched_off() {
    for (reqwest_repeats, sent) in [(true, 2), (false, 1)] {
        let (address, streams) = refuses_first_streams().await;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .http2_prior_knowledge();
        if !reqwest_repeats {
            builder = builder.retry(reqwest::retry::never());
        }
        let client = builder.build().expect("a client");
        let client = service_fn(move |request: Request<Full<Bytes>>| {
            let client = client.clone();
            async move {
                // Reqwest repeats what it can: bytes, no streams.
                let request = request.map(|body| body.into_inner().unwrap_or_default());
                let request = reqwest::Request::try_from(request)?;
                let response = client.execute(request).await?;
                Ok::<Response<reqwest::Body>, BoxError>(response.into())
            }
        });
        let layer = prompt();
        let uri = format!("http://{address}/");
        let outcome = layer.layer(client).oneshot(order(&uri)).await;
        assert_eq!(outcome.is_ok(), reqwest_repeats);
        assert_eq!(streams.load(SeqCst), sent);
        let stopped = layer.counters().stopped(Stop::NotSafe);
        assert_eq!(stopped, u64::from(!reqwest_repeats));
    }
}
