//! No connection: nothing can have been sent.

use std::future::ready;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::Duration;

use call_context::{BoxError, NeverLeft, Refusal};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpSocket, TcpStream};
use tower::service_fn;

use crate::support::via::{Via, once};
use crate::support::{Body, dead_address, error, full, post, verdict};

#[tokio::test]
async fn a_refused_connection_never_left() {
    for via in Via::http1().into_iter().chain(Via::http2()) {
        let error = via.clone().error(dead_address().await, full("sell")).await;
        let expected = (Some(Refusal::Transient), None);
        assert_eq!(verdict(&*error), expected, "{via:?}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_resolves_never_left() {
    let unresolved = service_fn(async |_name| {
        Err::<std::iter::Empty<SocketAddr>, _>(std::io::Error::other("no such name"))
    });
    let client = Client::builder(TokioExecutor::new())
        .build::<_, Body>(HttpConnector::new_with_resolver(unresolved));
    let mut request = post(dead_address().await, full("sell"));
    *request.uri_mut() = "http://api.invalid/execute/trades".parse().expect("a URI");
    let error = error(client.request(request)).await;
    assert_eq!(verdict(&error), (Some(Refusal::Transient), None));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_too_long_never_left() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(([127, 0, 0, 1], 0).into())
        .expect("a free port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("bound");
    // Nobody accepts. Once its queue is full, the kernel leaves newcomers without an answer.
    let mut queue = Vec::new();
    while let Ok(stream) = StdStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(stream);
        assert!(queue.len() < 64, "the queue never fills");
    }
    let patience = Duration::from_secs(5);
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(patience));
    let hyper_util = Via::HyperUtil(Box::new(
        Client::builder(TokioExecutor::new()).build(connector),
    ));
    let reqwest = Via::Reqwest(once().connect_timeout(patience).build().expect("a client"));
    for via in [hyper_util, reqwest] {
        let error = via.clone().error(address, full("sell")).await;
        let expected = (Some(Refusal::Transient), None);
        assert_eq!(verdict(&*error), expected, "{via:?}");
    }
    // Where the time of the whole attempt is up, nobody says how far it had come.
    let client = once().timeout(patience).build().expect("a client");
    let error = Via::Reqwest(client).error(address, full("sell")).await;
    assert_eq!(verdict(&*error), (None, None));
}

#[tokio::test]
async fn a_connector_that_refuses_for_good_is_not_asked_again() {
    let refuse = service_fn(|_uri| {
        let error = NeverLeft::wrap(Refusal::Permanent, "this host is not allowed");
        ready(Err::<TokioIo<TcpStream>, BoxError>(error.into()))
    });
    let client = Client::builder(TokioExecutor::new()).build::<_, Body>(refuse);
    let error = error(client.request(post(dead_address().await, full("sell")))).await;
    assert!(error.is_connect());
    assert_eq!(verdict(&error), (Some(Refusal::Permanent), None));
}
