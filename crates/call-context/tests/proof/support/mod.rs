//! Raw servers, plain clients, and what is to be read in an error.

use std::error::Error;
use std::future::Future;
use std::iter;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use call_context::{BoxError, NeverLeft, Refusal, Unprocessed};
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) mod frames;
pub(crate) mod via;

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Plain = Client<HttpConnector, Body>;

/// A server on loopback, gone with all its connections when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Gives each connection to `serve`.
    pub(crate) async fn start<S, F>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Self { address, task }
    }

    pub(crate) fn post(&self, body: Body) -> Request<Body> {
        post(self.address, body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn post(address: SocketAddr, body: Body) -> Request<Body> {
    let uri = format!("http://{address}/execute/trades");
    Request::post(uri).body(body).expect("a valid request")
}

/// An address on which nobody listens.
pub(crate) async fn dead_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

/// The client as it comes, for HTTP/1.1.
pub(crate) fn client() -> Plain {
    Client::builder(TokioExecutor::new()).build_http()
}

/// The client for HTTP/2 without TLS; it repeats nothing on its own, so that its errors come to light.
pub(crate) fn http2_client() -> Plain {
    Client::builder(TokioExecutor::new())
        .http2_only(true)
        .retry_canceled_requests(false)
        .build_http()
}

pub(crate) fn full(bytes: &'static str) -> Body {
    Full::from(bytes).map_err(BoxError::from).boxed_unsync()
}

/// A body that yields `first`, waits for `signal`, and fails with the error that comes with it.
pub(crate) fn failing(first: &'static str, signal: oneshot::Receiver<BoxError>) -> Body {
    let start = stream::iter([Ok(Frame::data(Bytes::from_static(first.as_bytes())))]);
    let end = stream::once(async { Err(signal.await.expect("an error to fail with")) });
    StreamBody::new(stream::StreamExt::chain(start, end)).boxed_unsync()
}

/// A body that yields `first` and then never ends.
pub(crate) fn unfinished(first: &'static str) -> Body {
    let start = stream::iter([Ok(Frame::data(Bytes::from_static(first.as_bytes())))]);
    StreamBody::new(stream::StreamExt::chain(start, stream::pending())).boxed_unsync()
}

/// Fails the test, where it would hang.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(20);
    let result = tokio::time::timeout(limit, future).await;
    result.expect("the test's time is over")
}

/// The error of a call that must not succeed.
pub(crate) async fn error(
    call: impl Future<Output = Result<Response<Incoming>, legacy::Error>>,
) -> legacy::Error {
    match within(call).await {
        Ok(response) => panic!("answered {}", response.status()),
        Err(error) => error,
    }
}

/// What both judges say.
pub(crate) fn verdict(error: &(dyn Error + 'static)) -> (Option<Refusal>, Option<Unprocessed>) {
    (NeverLeft::find(error), Unprocessed::judge(error))
}

/// Every source, without the stop that the crate makes.
pub(crate) fn whole_chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&link| link.source())
}

/// Whether a walk along the whole chain meets a failed connection.
pub(crate) fn naive(error: &(dyn Error + 'static)) -> bool {
    whole_chain(error)
        .filter_map(|link| link.downcast_ref::<legacy::Error>())
        .any(legacy::Error::is_connect)
}

/// Reads until `needle` has come, and returns all that came.
pub(crate) async fn read_until(stream: &mut TcpStream, needle: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(needle) {
        let n = stream.read_buf(&mut seen).await.expect("readable");
        assert_ne!(n, 0, "closed before {needle:?}");
    }
    String::from_utf8(seen).expect("text")
}

/// Sends FIN and waits until the client has closed too, so that nothing unread turns it into RST.
pub(crate) async fn finish(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}
