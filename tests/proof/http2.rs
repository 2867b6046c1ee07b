//! HTTP/2: a peer's claim is believed of trusted origins alone, and what was never dispatched goes out once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::poll;
use http::Method;
use tokio::pin;
use tokio::sync::{Notify, mpsc};
use tokio::task::yield_now;
use tollgate::context::NeverLeft;

use crate::client::{Again, Client, Seen, Speaks, prompt, stopped_for_safety};
use crate::http1::treacherous;
use crate::support::frames::{
    CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, Peer, REFUSED_STREAM,
};
use crate::support::{Server, full, within};

const MANY: u32 = 100;

/// What a peer does to a stream.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Reset(u32),
    /// A GOAWAY with the id before the stream's.
    GoAwayBelow(u32),
    /// A GOAWAY with an id that is so much above the stream's, and the end.
    GoAwayFrom(u32),
    Closed,
    Aborted,
    Blunder,
    Silent,
    Answered,
}

impl Ending {
    /// Hands the peer back where the connection goes on.
    async fn befall(self, mut peer: Peer, stream: u32) -> Option<Peer> {
        match self {
            Self::Reset(code) => peer.reset(stream, code).await,
            Self::Answered => peer.answer(stream).await,
            Self::Silent => {}
            Self::GoAwayBelow(code) => {
                peer.go_away(stream - 1, code).await;
                peer.finish().await;
                return None;
            }
            Self::GoAwayFrom(above) => {
                peer.go_away(stream + above, NO_ERROR).await;
                peer.finish().await;
                return None;
            }
            Self::Closed => {
                peer.finish().await;
                return None;
            }
            Self::Aborted => {
                peer.abort();
                return None;
            }
            Self::Blunder => {
                peer.blunder().await;
                peer.finish().await;
                return None;
            }
        }
        Some(peer)
    }

    /// A server that does so to each stream, and counts them.
    async fn server(self) -> (Server, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        let counter = Arc::clone(&seen);
        let server = Server::start(move |stream| {
            let counter = Arc::clone(&counter);
            async move {
                let mut peer = Peer::accept(stream, MANY).await;
                while let Some(stream) = peer.request().await {
                    counter.note();
                    match self.befall(peer, stream).await {
                        Some(goes_on) => peer = goes_on,
                        None => return,
                    }
                }
            }
        });
        (server.await, seen)
    }
}

fn order() -> Again {
    Again::new(|| full("sell"))
}

/// Sends a POST, and afterwards a PUT, to servers that do `ending` to each: how often each was seen.
async fn seen(ending: Ending, client: Client, trusted: bool) -> (usize, usize) {
    let (server, seen) = ending.server().await;
    let origin = format!("http://{}", server.address);
    let other = "http://127.0.0.1:1".parse().expect("an origin");
    let mut layer = prompt().trust_refusals([other]);
    if trusted {
        layer = layer.trust_refusals([origin.parse().expect("an origin")]);
    }
    let row = format!("{ending:?}, {}, trusted: {trusted}", client.name);
    // Where no answer comes, the time of each attempt is up at some point.
    let client = match ending {
        Ending::Silent => client.hasty(Arc::clone(&seen)),
        _ => client,
    };
    let put = client.clone();
    let outcome = client.send(&layer, Method::POST, server.address, order());
    assert!(outcome.await.is_err(), "{row}");
    let posts = seen.times();
    if posts == 1 {
        stopped_for_safety(&layer, &row);
    }
    let outcome = put.send(&layer, Method::PUT, server.address, order());
    assert!(outcome.await.is_err(), "{row}");
    (posts, seen.times() - posts)
}

#[tokio::test]
async fn a_claim_is_believed_of_a_trusted_origin_alone() {
    for ending in [
        Ending::Reset(REFUSED_STREAM),
        Ending::GoAwayBelow(NO_ERROR),
        Ending::GoAwayBelow(INTERNAL_ERROR),
        Ending::GoAwayBelow(ENHANCE_YOUR_CALM),
    ] {
        for client in Client::both(Speaks::Http2) {
            let row = format!("{ending:?}, {}", client.name);
            assert_eq!(seen(ending, client.clone(), false).await, (1, 3), "{row}");
            assert_eq!(seen(ending, client, true).await, (3, 3), "{row}");
        }
    }
}

#[tokio::test]
async fn a_post_that_is_ended_otherwise_is_seen_once_even_where_claims_are_believed() {
    for ending in [
        Ending::Reset(NO_ERROR),
        Ending::Reset(INTERNAL_ERROR),
        Ending::Reset(CANCEL),
        Ending::Reset(ENHANCE_YOUR_CALM),
        Ending::GoAwayFrom(0),
        Ending::GoAwayFrom(2),
        Ending::GoAwayFrom(0x7fff_fffe),
        Ending::Closed,
        Ending::Aborted,
        Ending::Blunder,
    ] {
        for client in Client::both(Speaks::Http2) {
            let row = format!("{ending:?}, {}", client.name);
            for trusted in [false, true] {
                assert_eq!(seen(ending, client.clone(), trusted).await, (1, 3), "{row}");
            }
        }
    }
}

#[tokio::test]
async fn a_post_that_took_too_long_is_seen_once_and_a_put_again() {
    for client in Client::both(Speaks::Http2) {
        let name = client.name;
        assert_eq!(seen(Ending::Silent, client, true).await, (1, 3), "{name}");
    }
}

#[tokio::test]
async fn a_post_that_was_refused_a_connection_is_sent_again_and_seen_once() {
    for client in Client::both(Speaks::Http2) {
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

#[tokio::test]
async fn a_post_whose_body_fails_with_a_connect_error_is_seen_once() {
    for client in Client::both(Speaks::Http2) {
        let name = client.name;
        let seen = Arc::new(Seen::default());
        let halves = Arc::new(Notify::new());
        let (counter, arrived) = (Arc::clone(&seen), Arc::clone(&halves));
        let server = Server::start(move |stream| {
            let (counter, arrived) = (Arc::clone(&counter), Arc::clone(&arrived));
            async move {
                let mut peer = Peer::accept(stream, MANY).await;
                while peer.request().await.is_some() {
                    counter.note();
                    peer.body("first half").await.expect("half a body");
                    arrived.notify_one();
                    peer.reset_by_client().await;
                }
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

/// The peer allows one stream at once and goes away: the second request is with h2 by then, which has no room for it, the
/// third still with hyper.
#[tokio::test]
async fn of_two_posts_that_stayed_here_the_one_that_provably_did_is_sent_again_and_seen_once() {
    for client in Client::both(Speaks::Http2) {
        let name = client.name;
        let (report, mut saw) = mpsc::unbounded_channel();
        let go = Arc::new(Notify::new());
        let signal = Arc::clone(&go);
        let connections = AtomicUsize::new(0);
        let server = Server::start(move |stream| {
            let (report, signal) = (report.clone(), Arc::clone(&signal));
            let first = connections.fetch_add(1, SeqCst) == 0;
            async move {
                let mut peer = Peer::accept(stream, if first { 1 } else { MANY }).await;
                while let Some(stream) = peer.request().await {
                    report.send(first).expect("a listener");
                    if first {
                        signal.notified().await;
                        peer.go_away(stream, NO_ERROR).await;
                        return peer.finish().await;
                    }
                    peer.answer(stream).await;
                }
            }
        })
        .await;
        let layer = prompt();
        let send = |client: &Client| {
            let (client, layer) = (client.clone(), layer.clone());
            let address = server.address;
            async move { client.send(&layer, Method::POST, address, order()).await }
        };
        let first = send(&client);
        pin!(first);
        tokio::select! {
            _ = &mut first => panic!("{name}: answered"),
            seen = within(saw.recv()) => assert_eq!(seen, Some(true)),
        }
        let second = send(&client);
        pin!(second);
        assert!(poll!(&mut second).is_pending());
        yield_now().await;
        let third = send(&client);
        pin!(third);
        assert!(poll!(&mut third).is_pending());
        yield_now().await;
        go.notify_one();

        let (first, second, third) = tokio::join!(first, second, third);
        assert!(first.is_err(), "{name}: it was seen");
        let second = second.expect_err("nobody says that it stayed here");
        assert_eq!(NeverLeft::find(&*second), None, "{name}");
        assert_eq!(third.expect(name), 200);
        assert_eq!(within(saw.recv()).await, Some(false), "{name}");
        assert!(saw.try_recv().is_err(), "{name}: seen once");
        // Below reqwest, hyper-util has sent it again by itself.
        let by_the_layer = u64::from(name == "hyper-util");
        assert_eq!(layer.counters().retries(), by_the_layer, "{name}");
    }
}
