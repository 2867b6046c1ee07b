//! What hyper writes on a socket, and what an axum server on hyper reads there.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use call_context::canonical::check;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::strategies::{arbitrary, mostly_canonical, mutated};

type Plain = Client<HttpConnector, Empty<Bytes>>;

/// Takes down the head of each request, as bytes, and answers 200.
async fn take_down(mut stream: TcpStream, heads: UnboundedSender<Vec<u8>>) {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|n| n > 0) {
        if head.ends_with(b"\r\n\r\n") {
            let _ = heads.send(std::mem::take(&mut head));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.expect("open");
        }
    }
}

async fn raw_server() -> (SocketAddr, UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (heads, taken) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take_down(stream, heads.clone()));
        }
    });
    (address, taken)
}

/// Answers every request with the path that it read.
async fn axum_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let echo = Router::new().fallback(async |uri: Uri| uri.path().to_owned());
    tokio::spawn(async { axum::serve(listener, echo).await });
    address
}

async fn within<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(20);
    let result = tokio::time::timeout(limit, future).await;
    result.expect("the test's time is over")
}

struct Wire {
    runtime: Runtime,
    http1: Plain,
    http2: Plain,
    raw: SocketAddr,
    heads: UnboundedReceiver<Vec<u8>>,
    axum: SocketAddr,
}

impl Wire {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        let (raw, heads) = runtime.block_on(raw_server());
        let axum = runtime.block_on(axum_server());
        let mut http2 = Client::builder(TokioExecutor::new());
        Self {
            runtime,
            http1: Client::builder(TokioExecutor::new()).build_http(),
            http2: http2.http2_only(true).build_http(),
            raw,
            heads,
            axum,
        }
    }

    /// The request line that hyper writes.
    fn line(&mut self, target: &str) -> Vec<u8> {
        let request = request(self.raw, target);
        self.runtime.block_on(within(async {
            let response = self.http1.request(request).await.expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
            let head = self.heads.recv().await.expect("a head");
            let end = head.windows(2).position(|pair| pair == b"\r\n");
            head[..end.expect("a line")].to_vec()
        }))
    }

    /// The path that axum reads.
    fn read_by_axum(&self, client: &Plain, target: &str) -> Vec<u8> {
        let request = request(self.axum, target);
        self.runtime.block_on(within(async {
            let response = client.request(request).await.expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
            let body = response.into_body().collect().await.expect("a body");
            body.to_bytes().to_vec()
        }))
    }

    fn carries(&mut self, path: &str, query: &str) {
        let target = format!("{path}{query}");
        let line = format!("POST {target} HTTP/1.1");
        assert_eq!(self.line(&target), line.as_bytes());
        assert_eq!(self.read_by_axum(&self.http1, &target), path.as_bytes());
        assert_eq!(self.read_by_axum(&self.http2, &target), path.as_bytes());
    }
}

fn request(address: SocketAddr, target: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://{address}{target}");
    Request::post(uri).body(Empty::new()).expect("a request")
}

#[test]
fn what_is_accepted_goes_over_the_wire_byte_for_byte() {
    let mut wire = Wire::new();
    let path = prop_oneof![arbitrary(), mutated(), mostly_canonical()];
    let accepted = path.prop_filter("refused", |path| check(path).is_ok());
    let query = prop::sample::select(vec!["", "?", "?a=b", "?next=/../%2e%2e//%2f\\"]);
    let config = ProptestConfig {
        cases: 256,
        max_global_rejects: 100_000,
        max_local_rejects: 100_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let wire = std::cell::RefCell::new(&mut wire);
    TestRunner::new(config)
        .run(&(accepted, query), |(path, query)| {
            wire.borrow_mut().carries(&path, query);
            Ok(())
        })
        .expect("read alike");
}

/// The reason for all this: hyper sends an ambiguous path as it stands, and does not settle how it is read.
#[test]
fn what_is_refused_would_go_over_the_wire_as_it_stands() {
    let mut wire = Wire::new();
    for path in [
        "/read/../execute/x",
        "/read/%2e%2e/execute/x",
        "//execute",
        "/read\\execute",
    ] {
        assert!(check(path).is_err());
        assert_eq!(wire.line(path), format!("POST {path} HTTP/1.1").as_bytes());
    }
}

#[test]
fn a_target_without_a_path_is_the_root_to_everybody() {
    let mut wire = Wire::new();
    for (target, line) in [("", "POST / HTTP/1.1"), ("?a=b", "POST /?a=b HTTP/1.1")] {
        assert_eq!(request(wire.raw, target).uri().path(), "/");
        assert_eq!(wire.line(target), line.as_bytes());
        assert_eq!(wire.read_by_axum(&wire.http1, target), b"/");
        assert_eq!(wire.read_by_axum(&wire.http2, target), b"/");
    }
}
