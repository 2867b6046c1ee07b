//! A proxy whose claim is false: HAProxy says REFUSED_STREAM after its backend has executed the request.
//!
//! Needs Debian's `haproxy` on the PATH: `cargo test -p call-context --features haproxy-tests`.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use call_context::{BoxError, NeverLeft, Unprocessed};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// HAProxy as a child, killed when this is dropped, also by a panic.
struct Proxy(Child);

impl Proxy {
    /// HTTP/2 without TLS in front, HTTP/1.1 to the backend, and nothing but defaults between.
    async fn start(backend: SocketAddr) -> (Self, SocketAddr) {
        for _ in 0..5 {
            let front = free_address().await;
            let mut proxy = Self::spawn(&format!(
                "defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n\
                 frontend front\n bind {front} proto h2\n default_backend back\n\
                 backend back\n server one {backend}\n"
            ));
            if proxy.listens(front).await {
                return (proxy, front);
            }
        }
        panic!("haproxy does not start; another program may have taken its port each time");
    }

    fn spawn(configuration: &str) -> Self {
        let child = Command::new("haproxy")
            .args(["-db", "-f", "/dev/stdin"])
            .stdin(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("cannot run haproxy ({error}): install Debian's package `haproxy`, or leave the feature `haproxy-tests` off")
        });
        let mut stdin = child.stdin.take().expect("piped");
        let mut proxy = Self(child);
        if let Err(error) = stdin.write_all(configuration.as_bytes()) {
            panic!(
                "haproxy does not read its configuration: {error}, {:?}",
                proxy.0.try_wait()
            );
        }
        proxy
    }

    /// Waits until the proxy takes connections. `false` when it has ended.
    async fn listens(&mut self, front: SocketAddr) -> bool {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        while self.0.try_wait().expect("a child").is_none() {
            if TcpStream::connect(front).await.is_ok() {
                return true;
            }
            pause.tick().await;
        }
        false
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

/// Answers the first request of a connection, executes the second, and dies. What it executed comes out of the channel.
async fn backend() -> (SocketAddr, UnboundedReceiver<(u32, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (executed, seen) = unbounded_channel();
    tokio::spawn(async move {
        for connection in 1.. {
            let (stream, _) = listener.accept().await.expect("open");
            tokio::spawn(serve(stream, connection, executed.clone()));
        }
    });
    (address, seen)
}

async fn serve(mut stream: TcpStream, connection: u32, executed: UnboundedSender<(u32, String)>) {
    let mut request = Vec::new();
    while !request.ends_with(b"buy") {
        assert_ne!(stream.read_buf(&mut request).await.expect("open"), 0);
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).await.expect("open");
    request.clear();
    while !request.ends_with(b"sell") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).expect("text");
    let _ = executed.send((connection, request));
}

async fn within<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(20);
    let result = tokio::time::timeout(limit, future).await;
    result.expect("the test's time is over")
}

/// A client that repeats nothing on its own.
enum Via {
    HyperUtil(Box<Client<HttpConnector, Full<Bytes>>>),
    Reqwest(reqwest::Client),
}

impl Via {
    fn each() -> [Self; 2] {
        let hyper_util = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .retry_canceled_requests(false)
            .build_http();
        let reqwest = reqwest::Client::builder()
            .no_proxy()
            .http2_prior_knowledge()
            .retry(reqwest::retry::never())
            .build();
        [
            Self::HyperUtil(Box::new(hyper_util)),
            Self::Reqwest(reqwest.expect("a client")),
        ]
    }

    async fn post(&self, front: SocketAddr, body: &'static str) -> Result<StatusCode, BoxError> {
        let uri = format!("http://{front}/execute/trades");
        match self {
            Self::HyperUtil(client) => {
                let request = Request::post(uri).body(Full::from(body))?;
                let response = client.request(request).await?;
                let status = response.status();
                response.into_body().collect().await?;
                Ok(status)
            }
            Self::Reqwest(client) => {
                let response = client.post(uri).body(body).send().await?;
                let status = response.status();
                response.bytes().await?;
                Ok(status)
            }
        }
    }
}

#[tokio::test]
async fn a_refused_stream_from_a_proxy_is_a_claim_about_a_post_that_was_executed() {
    for client in Via::each() {
        let (backend, mut executed) = backend().await;
        let (_proxy, front) = within(Proxy::start(backend)).await;
        let first = within(client.post(front, "buy")).await.expect("an answer");
        assert_eq!(first, StatusCode::OK);

        let error = within(client.post(front, "sell"))
            .await
            .expect_err("refused");
        let (connection, request) = within(executed.recv()).await.expect("executed");
        assert_eq!(connection, 1, "the proxy used its connection again");
        assert!(request.starts_with("POST /execute/trades HTTP/1.1\r\n"));
        let verdict = Unprocessed::judge(&*error);
        assert_eq!(
            verdict,
            Some(Unprocessed::RefusedStream),
            "{:?}",
            error.source()
        );
        assert!(verdict.is_some_and(Unprocessed::is_claim));
        assert_eq!(NeverLeft::find(&*error), None);
    }
}
