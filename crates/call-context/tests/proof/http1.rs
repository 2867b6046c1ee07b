//! HTTP/1.1: once the request is on the wire, nothing that can go wrong says what became of it.

use std::io;

use call_context::{BoxError, NeverLeft, Refusal, Unprocessed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use crate::http2::refused_by_h2;
use crate::support::via::{Via, once};
use crate::support::{
    Server, client, dead_address, error, failing, finish, full, naive, post, read_until, verdict,
    whole_chain, within,
};

#[tokio::test]
async fn a_server_that_closes_is_no_proof_whether_it_read_or_not() {
    let read = Server::start(async |mut stream| {
        read_until(&mut stream, "sell").await;
        finish(stream).await;
    })
    .await;
    let never_read = Server::start(async |mut stream| {
        // What has been peeked at is still unread; it is only to know that the request is under way.
        stream.peek(&mut [0]).await.expect("a request");
        stream.shutdown().await.expect("open");
        std::future::pending().await
    })
    .await;
    for server in [read, never_read] {
        for via in Via::http1() {
            let error = via.error(server.address, full("sell")).await;
            let incomplete = whole_chain(&*error)
                .filter_map(|link| link.downcast_ref::<hyper::Error>())
                .any(hyper::Error::is_incomplete_message);
            assert!(incomplete, "{error:?}");
            assert_eq!(verdict(&*error), (None, None));
        }
    }
}

#[tokio::test]
async fn a_reset_is_no_proof_whether_the_server_read_or_not() {
    let read = Server::start(async |mut stream| {
        read_until(&mut stream, "sell").await;
        stream.set_zero_linger().expect("a TCP socket");
    })
    .await;
    let never_read = Server::start(async |stream| {
        stream.peek(&mut [0]).await.expect("a request");
        stream.set_zero_linger().expect("a TCP socket");
    })
    .await;
    for server in [read, never_read] {
        for via in Via::http1() {
            let error = via.error(server.address, full("sell")).await;
            let reset = whole_chain(&*error)
                .filter_map(|link| link.downcast_ref::<io::Error>())
                .any(|link| link.kind() == io::ErrorKind::ConnectionReset);
            assert!(reset, "{error:?}");
            assert_eq!(verdict(&*error), (None, None));
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_proof() {
    let server = Server::start(async |mut stream| {
        read_until(&mut stream, "sell").await;
        stream.write_all(b"HTTP/1.1 200 O").await.expect("open");
        finish(stream).await;
    })
    .await;
    for via in Via::http1() {
        let error = via.error(server.address, full("sell")).await;
        assert_eq!(verdict(&*error), (None, None));
    }
}

#[tokio::test]
async fn a_connection_that_dies_when_it_is_used_again_is_no_proof() {
    let server = Server::start(async |mut stream| {
        read_until(&mut stream, "buy").await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.expect("open");
        read_until(&mut stream, "sell").await;
        finish(stream).await;
    })
    .await;
    for via in Via::http1() {
        let buy = via.clone().post(server.address, full("buy"));
        within(buy).await.expect("an answer");
        let error = via.error(server.address, full("sell")).await;
        assert_eq!(verdict(&*error), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_no_proof() {
    let server = Server::start(async |_stream| std::future::pending().await).await;
    let client = client();
    let call = client.request(server.post(full("sell")));
    let patience = Duration::from_secs(5);
    let elapsed = timeout(patience, call).await.expect_err("no answer");
    assert_eq!(verdict(&elapsed), (None, None));
    for builder in [once().timeout(patience), once().read_timeout(patience)] {
        let reqwest = Via::Reqwest(builder.build().expect("a client"));
        let error = reqwest.error(server.address, full("sell")).await;
        let late = error.downcast_ref::<reqwest::Error>();
        assert!(late.is_some_and(reqwest::Error::is_timeout), "{error:?}");
        assert_eq!(verdict(&*error), (None, None));
    }
}

/// What comes of a request whose body fails with `failure` after the server has seen the first half.
async fn half_a_body(via: Via, failure: BoxError) -> BoxError {
    let (seen, mut saw) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let seen = seen.clone();
        async move {
            let request = read_until(&mut stream, "first half").await;
            seen.send(request).expect("a listener");
            // The client closes, since its request cannot be completed any more.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await;
    let (fail, signal) = oneshot::channel();
    let call = via.error(server.address, failing("first half", signal));
    let halfway = async {
        let request = saw.recv().await.expect("a request");
        assert!(request.starts_with("POST /execute/trades HTTP/1.1\r\n"));
        fail.send(failure).expect("a body that waits");
    };
    let (error, ()) = tokio::join!(call, within(halfway));
    error
}

#[tokio::test]
async fn a_body_whose_error_contains_a_connect_error_is_no_proof() {
    for via in Via::http1() {
        let elsewhere = error(client().request(post(dead_address().await, full("fetch")))).await;
        assert!(elsewhere.is_connect());
        let error = half_a_body(via, elsewhere.into()).await;
        assert!(naive(&*error), "a walk along the whole chain is fooled");
        assert_eq!(verdict(&*error), (None, None));
    }
}

#[tokio::test]
async fn a_body_that_fails_with_the_refusal_of_another_stream_is_no_proof() {
    for via in Via::http1() {
        let elsewhere = refused_by_h2().await;
        let refused = (None, Some(Unprocessed::RefusedStream));
        assert_eq!(verdict(&elsewhere), refused);
        let error = half_a_body(via, elsewhere.into()).await;
        let fooled = whole_chain(&*error).any(|link| Unprocessed::judge(link).is_some());
        assert!(fooled, "a walk along the whole chain is fooled");
        assert_eq!(verdict(&*error), (None, None));
    }
}

#[tokio::test]
async fn a_body_that_fails_with_a_mark_is_no_proof() {
    for via in Via::http1() {
        let error = half_a_body(via, NeverLeft::new(Refusal::Transient).into()).await;
        assert_eq!(verdict(&*error), (None, None));
    }
}
