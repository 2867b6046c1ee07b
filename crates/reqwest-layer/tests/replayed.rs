//! A stream of reqwest's that is sent again.

mod support;

use futures_util::stream;
use http::Request;
use reqwest_layer::Reqwest;
use support::{Server, answer, builder};
use tollgate::RetryLayer;
use tollgate::retry::ReplayBody;
use tower::{Layer, ServiceExt};

/// A server that succeeds at the third attempt.
async fn busy() -> Server {
    Server::start(|number, _| {
        let status = if number < 3 { 503 } else { 200 };
        Some(answer(status, "", "hello"))
    })
    .await
}

fn order() -> reqwest::Body {
    let pieces = ["an ", "order"].map(Ok::<_, std::io::Error>);
    reqwest::Body::wrap_stream(stream::iter(pieces))
}

#[tokio::test]
async fn a_stream_of_reqwests_is_sent_again_byte_for_byte() {
    let server = busy().await;
    let body = order();
    let put = Request::put(format!("http://{}/", server.address()));
    let put = put.body(ReplayBody::new(body)).expect("a request");
    let layer = RetryLayer::new();
    let client = layer.layer(Reqwest::new(builder()).expect("a client"));
    let response = client.oneshot(put).await.expect("a response");
    assert_eq!(response.status(), 200);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.body, b"an order");
        assert_eq!(request.header("transfer-encoding"), Some("chunked"));
    }
}

#[cfg(feature = "middleware")]
#[tokio::test]
async fn a_stream_through_middleware_is_sent_again_where_a_layer_above_wraps_it() {
    let wrap = |request: Request<reqwest_layer::Body>| request.map(ReplayBody::new);
    let layers = tower::ServiceBuilder::new()
        .map_request(wrap)
        .layer(RetryLayer::new())
        .into_inner();
    for (body, length) in [
        (order(), None),
        (reqwest::Body::from("an order"), Some("8")),
    ] {
        let server = busy().await;
        let client = reqwest_layer::client(builder(), layers.clone()).expect("a client");
        let sent = client.put(server.url("/")).body(body).send().await;
        assert_eq!(sent.expect("a response").status(), 200);
        let seen = server.seen();
        assert_eq!(seen.len(), 3);
        for request in seen {
            assert_eq!(request.body, b"an order");
            assert_eq!(request.header("content-length"), length);
        }
    }
}
