//! HTTP/2: a request that was never dispatched is proof, a refusal by the peer is a claim, all else is nothing.

use std::future::pending;
use std::io;
use std::sync::Arc;

use call_context::{BoxError, Refusal, Unprocessed};
use futures_util::poll;
use tokio::net::{TcpListener, TcpStream};
use tokio::pin;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Duration, timeout};

use crate::support::frames::{
    CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, Peer, REFUSED_STREAM,
};
use crate::support::via::{Via, once};
use crate::support::{
    Body, Server, client, dead_address, error, failing, full, http2_client, post, unfinished,
    verdict, whole_chain, within,
};

const MANY: u32 = 100;

/// What each client makes of a server that answers the first request of a connection with `answer`.
pub(crate) async fn against<F>(
    body: fn() -> Body,
    answer: impl Fn(Peer, u32) -> F + Clone + Send + 'static,
) -> [BoxError; 2]
where
    F: Future<Output = ()> + Send,
{
    let server = Server::start(move |stream| {
        let answer = answer.clone();
        async move {
            let mut peer = Peer::accept(stream, MANY).await;
            let stream = peer.request().await.expect("a request");
            answer(peer, stream).await;
        }
    })
    .await;
    let [hyper_util, reqwest] = Via::http2();
    [
        hyper_util.error(server.address, body()).await,
        reqwest.error(server.address, body()).await,
    ]
}

fn sell() -> Body {
    full("sell")
}

/// What h2 alone, without hyper, makes of a refused stream.
pub(crate) async fn refused_by_h2() -> h2::Error {
    let server = Server::start(async |stream| {
        let mut peer = Peer::accept(stream, MANY).await;
        let stream = peer.request().await.expect("a request");
        peer.reset(stream, REFUSED_STREAM).await;
        peer.finish().await;
    })
    .await;
    let stream = TcpStream::connect(server.address).await.expect("a server");
    let (sender, connection) = h2::client::handshake(stream).await.expect("a connection");
    tokio::spawn(connection);
    let mut sender = within(sender.ready()).await.expect("ready");
    let request = server.post(full("")).map(drop);
    let (response, _) = sender.send_request(request, true).expect("sent");
    within(response).await.expect_err("refused")
}

#[tokio::test]
async fn a_refused_stream_is_a_claim() {
    let errors = against(sell, async |mut peer, stream| {
        peer.reset(stream, REFUSED_STREAM).await;
        peer.finish().await;
    });
    for error in errors.await {
        assert_eq!(verdict(&*error), (None, Some(Unprocessed::RefusedStream)));
    }
    assert!(Unprocessed::RefusedStream.is_claim());
}

#[tokio::test]
async fn a_goaway_below_the_stream_is_a_claim_whatever_its_code() {
    for code in [NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM] {
        let errors = against(sell, move |mut peer, stream| async move {
            peer.go_away(stream - 1, code).await;
            peer.finish().await;
        });
        for error in errors.await {
            let claim = (None, Some(Unprocessed::GoAway));
            assert_eq!(verdict(&*error), claim, "{code}");
        }
    }
    assert!(Unprocessed::GoAway.is_claim());
}

#[tokio::test]
async fn a_goaway_at_or_above_the_stream_and_then_the_end_is_no_proof() {
    for (above, code) in [
        (0, NO_ERROR),
        (2, NO_ERROR),
        (0, INTERNAL_ERROR),
        (0x7fff_fffe, NO_ERROR),
    ] {
        for body in [sell, || unfinished("sell")] {
            let errors = against(body, move |mut peer, stream| async move {
                peer.go_away(stream + above, code).await;
                peer.finish().await;
            });
            for error in errors.await {
                assert_eq!(verdict(&*error), (None, None), "{above} {code}");
            }
        }
    }
}

#[tokio::test]
async fn any_other_reset_is_no_proof() {
    for code in [NO_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM] {
        let errors = against(sell, move |mut peer, stream| async move {
            peer.reset(stream, code).await;
            peer.finish().await;
        });
        for error in errors.await {
            assert_eq!(verdict(&*error), (None, None), "{code}");
        }
    }
}

#[tokio::test]
async fn the_end_of_the_connection_is_no_proof() {
    let fin = against(sell, async |peer, _| peer.finish().await).await;
    let rst = against(sell, async |peer, _| peer.abort()).await;
    for error in fin.into_iter().chain(rst) {
        let io = whole_chain(&*error).any(|link| link.is::<io::Error>());
        assert!(io, "{error:?}");
        assert_eq!(verdict(&*error), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_no_proof() {
    let server = Server::start(async |stream| {
        let mut peer = Peer::accept(stream, MANY).await;
        peer.request().await.expect("a request");
        peer.body("sell").await.expect("a body");
        pending().await
    })
    .await;
    let patience = Duration::from_secs(5);
    let client = http2_client();
    let call = client.request(server.post(sell()));
    let elapsed = timeout(patience, call).await.expect_err("no answer");
    assert_eq!(verdict(&elapsed), (None, None));
    let client = once().http2_prior_knowledge().timeout(patience).build();
    let reqwest = Via::Reqwest(client.expect("a client"));
    let error = reqwest.error(server.address, sell()).await;
    let late = error.downcast_ref::<reqwest::Error>();
    assert!(late.is_some_and(reqwest::Error::is_timeout), "{error:?}");
    assert_eq!(verdict(&*error), (None, None));
}

#[tokio::test]
async fn a_goaway_of_our_own_is_no_proof() {
    let errors = against(sell, async |mut peer, _| {
        peer.blunder().await;
        peer.finish().await;
    });
    for error in errors.await {
        let ours = whole_chain(&*error)
            .filter_map(|link| link.downcast_ref::<h2::Error>())
            .any(|link| link.is_go_away() && link.is_library());
        assert!(ours, "{error:?}");
        assert_eq!(verdict(&*error), (None, None));
    }
}

#[tokio::test]
async fn only_what_was_never_dispatched_is_proof_when_the_server_goes_away() {
    let (seen, mut saw) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let signal = Arc::clone(&go);
    let server = Server::start(move |stream| {
        let (seen, signal) = (seen.clone(), Arc::clone(&signal));
        async move {
            let mut peer = Peer::accept(stream, 1).await;
            let stream = peer.request().await.expect("a request");
            seen.send(stream).expect("a listener");
            signal.notified().await;
            peer.go_away(stream, NO_ERROR).await;
            peer.finish().await;
        }
    })
    .await;
    let client = http2_client();
    let first = tokio::spawn(client.request(server.post(full("first"))));
    assert_eq!(within(saw.recv()).await, Some(1));

    // One stream at once: h2 has taken the second request and waits for room; the third is still hyper's.
    let second = client.request(server.post(full("second")));
    pin!(second);
    assert!(poll!(&mut second).is_pending());
    yield_now().await;
    let third = client.request(server.post(full("third")));
    pin!(third);
    assert!(poll!(&mut third).is_pending());
    yield_now().await;
    go.notify_one();

    let first = within(first).await.expect("no panic").expect_err("cut off");
    assert_eq!(verdict(&first), (None, None));
    let second = error(second).await;
    assert_eq!(
        verdict(&second),
        (None, None),
        "nobody says that it stayed here"
    );
    let third = error(third).await;
    assert_eq!(verdict(&third), (None, Some(Unprocessed::Undispatched)));
    assert!(!Unprocessed::Undispatched.is_claim());
}

/// hyper-util, below reqwest, has a setting of its own for this, which reqwest leaves on: what was never dispatched on a
/// connection that had been used before goes out on a new one, and is seen once.
#[tokio::test]
async fn reqwest_sends_what_was_never_dispatched_by_itself() {
    for lives_on in [true, false] {
        let (seen, mut saw) = mpsc::unbounded_channel();
        let go = Arc::new(Notify::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let signal = Arc::clone(&go);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("open");
            let mut peer = Peer::accept(stream, 1).await;
            let stream = peer.request().await.expect("a request");
            seen.send(1).expect("a listener");
            signal.notified().await;
            let listener = lives_on.then_some(listener);
            peer.go_away(stream, NO_ERROR).await;
            peer.finish().await;
            let Some(listener) = listener else { return };
            let (stream, _) = listener.accept().await.expect("open");
            let mut peer = Peer::accept(stream, MANY).await;
            while let Some(stream) = peer.request().await {
                seen.send(2).expect("a listener");
                peer.answer(stream).await;
            }
        });
        let [_, reqwest] = Via::http2();
        let first = tokio::spawn(reqwest.clone().post(address, full("first")));
        assert_eq!(within(saw.recv()).await, Some(1));
        // As above: the second is with h2, which has no room for it, the third with hyper.
        let second = reqwest.clone().error(address, full("second"));
        pin!(second);
        assert!(poll!(&mut second).is_pending());
        yield_now().await;
        let third = reqwest.clone().post(address, full("third"));
        pin!(third);
        assert!(poll!(&mut third).is_pending());
        yield_now().await;
        go.notify_one();

        let first = within(first).await.expect("no panic").expect_err("cut off");
        assert_eq!(verdict(&*first), (None, None));
        assert_eq!(verdict(&*second.await), (None, None));
        match within(third).await {
            Ok(status) => {
                assert!(lives_on && status == 200);
                assert_eq!(within(saw.recv()).await, Some(2));
            }
            // Neither on the first connection nor on a second one: still a proof, and a true one.
            Err(error) => {
                assert!(!lives_on, "{error:?}");
                assert_eq!(verdict(&*error), (Some(Refusal::Transient), None));
            }
        }
        assert!(saw.try_recv().is_err(), "nothing was seen twice");
    }
}

#[tokio::test]
async fn a_body_whose_error_contains_a_connect_error_is_no_proof() {
    for via in Via::http2() {
        let (seen, mut saw) = mpsc::unbounded_channel();
        let server = Server::start(move |stream| {
            let seen = seen.clone();
            async move {
                let mut peer = Peer::accept(stream, MANY).await;
                peer.request().await.expect("a request");
                seen.send(peer.body("first half").await)
                    .expect("a listener");
                peer.reset_by_client().await;
                peer.finish().await;
            }
        })
        .await;
        let elsewhere = error(client().request(post(dead_address().await, full("fetch")))).await;

        let (fail, signal) = oneshot::channel();
        let call = via.error(server.address, failing("first half", signal));
        let halfway = async {
            assert_eq!(
                saw.recv().await,
                Some(Some(())),
                "the server saw the first half"
            );
            fail.send(BoxError::from(elsewhere))
                .expect("a body that waits");
        };
        let (error, ()) = tokio::join!(call, within(halfway));
        assert_eq!(verdict(&*error), (None, None));
    }
}
