//! What reqwest does on its own below the layer: why it is switched off, and what is still noticed where it is not.

use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest_layer::LayerMiddleware;
use reqwest_middleware::ClientWithMiddleware;
use tokio::io::AsyncWriteExt;
use tollgate::RetryLayer;

use crate::client::{Seen, prompt, stopped_for_safety};
use crate::support::frames::{Peer, REFUSED_STREAM};
use crate::support::{Server, dead_address, finish, read_until, within};

/// The layer in a client that follows and repeats as reqwest does by default, against its terms.
fn as_it_comes(builder: ClientBuilder, layer: &RetryLayer) -> ClientWithMiddleware {
    let client = builder.build().expect("a client");
    reqwest_middleware::ClientBuilder::new(client)
        .with(LayerMiddleware::over_send_once(layer.clone()))
        .build()
}

/// The layer in a client that sends once.
fn send_once(builder: ClientBuilder, layer: &RetryLayer) -> ClientWithMiddleware {
    reqwest_layer::client(builder, layer.clone()).expect("a client")
}

fn builder() -> ClientBuilder {
    reqwest::Client::builder().no_proxy()
}

/// A server that refuses every stream after it has taken the request, and counts them.
async fn refusing() -> (Server, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let counter = Arc::clone(&seen);
    let server = Server::start(move |stream| {
        let counter = Arc::clone(&counter);
        async move {
            let mut peer = Peer::accept(stream, 100).await;
            while let Some(stream) = peer.request().await {
                counter.note();
                peer.reset(stream, REFUSED_STREAM).await;
            }
        }
    });
    (server.await, seen)
}

#[tokio::test]
async fn reqwests_own_retries_send_one_post_three_times_behind_the_layers_back() {
    for (switched_off, sent) in [(false, 3), (true, 1)] {
        let (server, seen) = refusing().await;
        let layer = prompt();
        let builder = builder().http2_prior_knowledge();
        let client = if switched_off {
            send_once(builder, &layer)
        } else {
            as_it_comes(builder, &layer)
        };
        let call = client
            .post(format!("http://{}/", server.address))
            .body("sell");
        within(call.send()).await.expect_err("refused");
        assert_eq!(seen.times(), sent);
        stopped_for_safety(&layer, "the layer has sent it once");
    }
}

/// A server that executes the POST and redirects to a port where nobody listens.
async fn redirecting() -> (Server, Arc<Seen>) {
    let dead = dead_address().await;
    let seen = Arc::new(Seen::default());
    let counter = Arc::clone(&seen);
    let server = Server::start(move |mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            read_until(&mut stream, "sell").await;
            counter.note();
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{dead}/\r\ncontent-length: 0\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.expect("open");
            finish(stream).await;
        }
    });
    (server.await, seen)
}

/// The hazard that the documentation of `over_send_once` names: the error is that of the second request, nothing in it shows
/// the first, and the first server has the POST as often as the layer has attempts.
#[tokio::test]
async fn a_post_that_reqwest_takes_to_a_dead_port_is_sent_again_and_one_that_it_hands_out_is_not() {
    for (switched_off, sent) in [(false, 3), (true, 1)] {
        let (server, seen) = redirecting().await;
        let layer = prompt();
        let client = if switched_off {
            send_once(builder(), &layer)
        } else {
            as_it_comes(builder(), &layer)
        };
        let call = client
            .post(format!("http://{}/", server.address))
            .body("sell");
        let outcome = within(call.send()).await;
        assert_eq!(seen.times(), sent);
        match outcome {
            Ok(response) => assert_eq!((switched_off, response.status().as_u16()), (true, 307)),
            Err(error) => assert!(!switched_off && error.is_connect(), "{error:?}"),
        }
    }
}
