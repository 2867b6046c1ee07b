//! A stream of reqwest's that is sent again.

mod support;

use futures_util::stream;
use http::Request;
use reqwest_layer::Reqwest;
use support::{Server, answer, builder};
use tollgate::RetryLayer;
use tollgate::retry::ReplayBody;
use tower::{Layer, ServiceExt};

#[tokio::test]
async fn a_stream_of_reqwests_is_sent_again_byte_for_byte() {
    let server = Server::start(|number, _| {
        let status = if number < 3 { 503 } else { 200 };
        Some(answer(status, "", "hello"))
    })
    .await;
    let pieces = ["an ", "order"].map(Ok::<_, std::io::Error>);
    let body = reqwest::Body::wrap_stream(stream::iter(pieces));
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
