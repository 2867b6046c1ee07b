//! reqwest below the layers: why its own redirects and retries must be off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use call_context::{Refusal, Unprocessed};
use futures_util::stream;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::frames::{Peer, REFUSED_STREAM};
use crate::support::{Server, dead_address, finish, naive, read_until, verdict, within};

#[tokio::test]
async fn a_refused_connection_never_left() {
    let client = Client::builder().no_proxy().build().expect("a client");
    let call = client
        .post(format!("http://{}/", dead_address().await))
        .body("sell");
    let error = within(call.send()).await.expect_err("nobody there");
    assert_eq!(verdict(&error), (Some(Refusal::Transient), None));
}

#[tokio::test]
async fn a_body_whose_error_contains_a_connect_error_is_no_proof() {
    let server = Server::start(async |mut stream| {
        read_until(&mut stream, "first half").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let elsewhere = client.get(format!("http://{}/", dead_address().await));
    let elsewhere = within(elsewhere.send()).await.expect_err("nobody there");
    let halves = stream::iter([Ok("first half"), Err(elsewhere)]);
    let call = client
        .post(format!("http://{}/", server.address))
        .body(Body::wrap_stream(halves));
    let error = within(call.send()).await.expect_err("half a body");
    assert!(naive(&error), "a walk along the whole chain is fooled");
    assert_eq!(verdict(&error), (None, None));
}

/// A server that executes the POST and redirects to a port where nobody listens; what it saw comes out of the channel.
async fn redirecting() -> (Server, mpsc::UnboundedReceiver<String>) {
    let dead = dead_address().await;
    let (seen, saw) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let seen = seen.clone();
        async move {
            let request = read_until(&mut stream, "sell").await;
            seen.send(request).expect("a listener");
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{dead}/\r\ncontent-length: 0\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.expect("open");
            finish(stream).await;
        }
    })
    .await;
    (server, saw)
}

/// The hazard that the documentation of `NeverLeft::find` names: the error is that of the *second* request, and no error
/// shows the first.
#[tokio::test]
async fn a_client_that_follows_redirects_breaks_the_proof() {
    let (server, mut saw) = redirecting().await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let call = client
        .post(format!("http://{}/", server.address))
        .body("sell");
    let error = within(call.send()).await.expect_err("a dead port");
    assert!(error.is_connect());
    assert!(
        within(saw.recv())
            .await
            .expect("a request")
            .ends_with("sell")
    );
    assert_eq!(verdict(&error), (Some(Refusal::Transient), None));
}

#[tokio::test]
async fn a_client_that_follows_no_redirects_keeps_the_proof() {
    let (server, mut saw) = redirecting().await;
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .expect("a client");
    let call = client
        .post(format!("http://{}/", server.address))
        .body("sell");
    let response = within(call.send()).await.expect("the redirect itself");
    assert_eq!(response.status(), 307);
    assert!(
        within(saw.recv())
            .await
            .expect("a request")
            .ends_with("sell")
    );
}

/// A server that refuses every stream after it has taken the request, and counts them.
async fn refusing() -> (Server, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&count);
    let server = Server::start(move |stream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut peer = Peer::accept(stream, 100).await;
            while let Some(stream) = peer.request().await {
                seen.fetch_add(1, Ordering::SeqCst);
                peer.reset(stream, REFUSED_STREAM).await;
            }
        }
    })
    .await;
    (server, count)
}

#[tokio::test]
async fn a_client_with_retries_of_its_own_sends_one_post_three_times() {
    let (server, count) = refusing().await;
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .expect("a client");
    let call = client
        .post(format!("http://{}/", server.address))
        .body("sell");
    let error = within(call.send()).await.expect_err("refused");
    assert_eq!(verdict(&error), (None, Some(Unprocessed::RefusedStream)));
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_client_without_retries_of_its_own_sends_one_post_once() {
    let (server, count) = refusing().await;
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .retry(retry::never())
        .build()
        .expect("a client");
    let call = client
        .post(format!("http://{}/", server.address))
        .body("sell");
    let error = within(call.send()).await.expect_err("refused");
    assert_eq!(verdict(&error), (None, Some(Unprocessed::RefusedStream)));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
