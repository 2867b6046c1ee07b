//! HTTP/1.1: on the wire it is seen once, whatever goes wrong then.

use std::future::pending;
use std::sync::Arc;

use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Again, Client, Seen, Speaks, prompt, stopped_for_safety};
use crate::support::{Server, dead_address, error, finish, full, post, read_until};

/// What a server does to a request.
#[derive(Clone, Copy, Debug)]
enum Ending {
    ReadThenClosed,
    UnreadThenClosed,
    ReadThenReset,
    UnreadThenReset,
    BreaksOff,
    Silent,
    Answered,
}

impl Ending {
    async fn befall(self, mut stream: TcpStream, seen: Arc<Seen>) {
        match self {
            // Left unread, and there all the same.
            Self::UnreadThenClosed | Self::UnreadThenReset => {
                stream.peek(&mut [0]).await.expect("a request");
            }
            _ => drop(read_until(&mut stream, "sell").await),
        }
        seen.note();
        match self {
            Self::ReadThenClosed => finish(stream).await,
            Self::UnreadThenClosed => {
                stream.shutdown().await.expect("open");
                pending().await
            }
            Self::ReadThenReset | Self::UnreadThenReset => {
                stream.set_zero_linger().expect("a TCP socket");
            }
            Self::BreaksOff => {
                stream.write_all(b"HTTP/1.1 200 O").await.expect("open");
                finish(stream).await;
            }
            Self::Silent => pending().await,
            Self::Answered => {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.expect("open");
                pending().await
            }
        }
    }

    /// A server that does so to each request, and counts them.
    async fn server(self) -> (Server, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        let counter = Arc::clone(&seen);
        let server = Server::start(move |stream| self.befall(stream, Arc::clone(&counter)));
        (server.await, seen)
    }
}

fn order() -> Again {
    Again::new(|| full("sell"))
}

#[tokio::test]
async fn a_post_on_a_connection_that_breaks_is_seen_once_and_a_put_again() {
    for ending in [
        Ending::ReadThenClosed,
        Ending::UnreadThenClosed,
        Ending::ReadThenReset,
        Ending::UnreadThenReset,
        Ending::BreaksOff,
    ] {
        for client in Client::both(Speaks::Http1) {
            let row = format!("{ending:?}, {}", client.name);
            let (server, seen) = ending.server().await;
            let layer = prompt();
            let put = client.clone();
            let outcome = client.send(&layer, Method::POST, server.address, order());
            assert!(outcome.await.is_err(), "{row}");
            assert_eq!(seen.times(), 1, "{row}");
            stopped_for_safety(&layer, &row);

            let outcome = put.send(&layer, Method::PUT, server.address, order());
            assert!(outcome.await.is_err(), "{row}");
            assert_eq!(seen.times(), 1 + 3, "{row}");
        }
    }
}

#[tokio::test]
async fn a_post_that_took_too_long_is_seen_once_and_a_put_again() {
    for client in Client::both(Speaks::Http1) {
        let name = client.name;
        let (server, seen) = Ending::Silent.server().await;
        let layer = prompt();
        let hasty = client.hasty(Arc::clone(&seen));
        let put = hasty.clone();
        let outcome = hasty.send(&layer, Method::POST, server.address, order());
        assert!(outcome.await.is_err(), "{name}");
        assert_eq!(seen.times(), 1, "{name}");
        stopped_for_safety(&layer, name);

        let outcome = put.send(&layer, Method::PUT, server.address, order());
        assert!(outcome.await.is_err(), "{name}");
        assert_eq!(seen.times(), 1 + 3, "{name}");
    }
}

#[tokio::test]
async fn a_post_that_was_refused_a_connection_is_sent_again_and_seen_once() {
    for client in Client::both(Speaks::Http1) {
        let name = client.name;
        let (server, seen) = Ending::Answered.server().await;
        let layer = prompt();
        let astray = client.astray().await;
        let outcome = astray.send(&layer, Method::POST, server.address, order());
        assert_eq!(outcome.await.expect(name), 200);
        assert_eq!(seen.times(), 1, "{name}");
        assert_eq!(layer.counters().retries(), 1, "{name}");
    }
}

/// The server has seen the first half, and what the body failed with is the error of a connection elsewhere.
#[tokio::test]
async fn a_post_whose_body_fails_with_a_connect_error_is_seen_once() {
    for client in Client::both(Speaks::Http1) {
        let name = client.name;
        let seen = Arc::new(Seen::default());
        let halves = Arc::new(tokio::sync::Notify::new());
        let (counter, arrived) = (Arc::clone(&seen), Arc::clone(&halves));
        let server = Server::start(move |mut stream| {
            let (counter, arrived) = (Arc::clone(&counter), Arc::clone(&arrived));
            async move {
                read_until(&mut stream, "first half").await;
                counter.note();
                arrived.notify_one();
                finish(stream).await;
            }
        })
        .await;
        let layer = prompt();
        let outcome = client.send(&layer, Method::POST, server.address, treacherous(halves));
        assert!(outcome.await.is_err(), "{name}");
        assert_eq!(seen.times(), 1, "{name}");
        stopped_for_safety(&layer, name);
    }
}

/// Half of a body, and an error that would prove something, were it about the call. Says that it can be sent again.
pub(crate) fn treacherous(half_arrived: Arc<tokio::sync::Notify>) -> Again {
    Again::new(move || {
        let (fail, signal) = tokio::sync::oneshot::channel();
        let arrived = Arc::clone(&half_arrived);
        tokio::spawn(async move {
            let elsewhere = post(dead_address().await, full("fetch"));
            let unconnected = error(crate::support::client().request(elsewhere)).await;
            assert!(unconnected.is_connect());
            arrived.notified().await;
            // Nobody waits for the error of a body that is a mere copy.
            let _ = fail.send(unconnected.into());
        });
        crate::support::failing("first half", signal)
    })
}
