//! A transport that is a stream of another connection: its errors are about that one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use call_context::{BoxError, NeverLeft, Refusal};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http2::against;
use crate::support::frames::REFUSED_STREAM;
use crate::support::{client, dead_address, error, full, post, verdict, within};

/// Takes the request, and fails when the answer is read.
struct Tunnel {
    sent: bool,
    failure: Option<io::Error>,
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sent {
            Poll::Ready(self.failure.take().map_or(Ok(()), Err))
        } else {
            Poll::Pending
        }
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.sent |= !bytes.is_empty();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever has flushed wants an answer.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Errors that would prove something, were they about the call.
async fn proofs() -> [BoxError; 3] {
    let [refused, _] = against(
        || full("open a tunnel"),
        async |mut peer, stream| {
            peer.reset(stream, REFUSED_STREAM).await;
            peer.finish().await;
        },
    )
    .await;
    let dead = post(dead_address().await, full("open a tunnel"));
    let unconnected = error(client().request(dead)).await;
    let mark = NeverLeft::new(Refusal::Transient);
    [refused, unconnected.into(), mark.into()]
}

#[tokio::test]
async fn an_error_of_the_transport_is_no_proof() {
    for proof in proofs().await {
        assert_ne!(verdict(&*proof), (None, None));
        let tunnel = Tunnel {
            sent: false,
            failure: Some(io::Error::other(proof)),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(tunnel)).await.expect("idle");
        tokio::spawn(connection);
        let request = post(([127, 0, 0, 1], 1).into(), full("sell"));
        let error = within(sender.send_request(request))
            .await
            .expect_err("failed");
        assert!(!error.is_canceled(), "{error:?}");
        assert_eq!(verdict(&error), (None, None), "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_inside_of_an_io_error_is_about_another_stream() {
    let [refused, ..] = proofs().await;
    assert_eq!(verdict(&io::Error::other(refused)), (None, None));
}
