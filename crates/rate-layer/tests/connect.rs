//! A connection attempt that fails, by the real client: nothing has left, so nothing is counted.
#![cfg(all(feature = "hyper", not(loom)))]

use call_context::{NeverLeft, Refusal};
use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rate_layer::{MINUTE, Quota, RateLayer, Window};
use tokio::net::TcpSocket;
use tower::{Layer, ServiceExt};

#[tokio::test]
async fn a_refused_connection_gives_the_place_back() {
    // Bound, so that nobody else has the port, and not listening, so that nobody answers.
    let nobody = TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    nobody.bind(any).expect("a port");
    let port = nobody.local_addr().expect("an address").port();

    let window = Window::new(Quota::rolling(1, MINUTE));
    let client = Client::builder(TokioExecutor::new()).build_http::<String>();
    let client = RateLayer::new(window.clone()).refuse().layer(client);
    for attempt in 1..=3 {
        let request = Request::get(format!("http://127.0.0.1:{port}/")).body(String::new());
        let outcome = client.clone().oneshot(request.expect("a request")).await;
        let error = outcome.expect_err("nobody listens");
        assert_eq!(
            NeverLeft::find(&*error),
            Some(Refusal::Transient),
            "{error:?}"
        );
        let snapshot = window.snapshot();
        assert_eq!(snapshot.counts.admitted, attempt);
        assert_eq!(snapshot.counts.given_back, attempt);
        assert_eq!((snapshot.used, snapshot.in_flight), (0, 0));
    }
}
