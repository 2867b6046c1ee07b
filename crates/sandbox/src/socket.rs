//! A connection that its own handlers can take away.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Notify, watch},
};

/// A handle on the connection that a request came in by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(Arc<State>);

#[derive(Debug, Default)]
struct State {
    gone: Notify,
    retired: Notify,
    reset: AtomicBool,
    /// Held as long as a request of this connection is at work, also when the connection itself is gone.
    _at_work: Option<watch::Receiver<bool>>,
}

impl Connection {
    /// A connection whose server waits, when it stops, until every clone of `at_work` is gone.
    pub(crate) fn new(at_work: watch::Receiver<bool>) -> Self {
        Self(Arc::new(State {
            _at_work: Some(at_work),
            ..State::default()
        }))
    }

    /// Takes the connection away, with all requests on it; with `reset` the peer sees an RST, else the end of the stream.
    pub(crate) fn sever(&self, reset: bool) {
        if reset {
            self.0.reset.store(true, Ordering::Release);
        }
        // Kept for the task that serves the connection if it does not wait yet.
        self.0.gone.notify_one();
    }

    /// Lets the connection take no more requests; those on it are answered.
    pub(crate) fn retire(&self) {
        self.0.retired.notify_one();
    }

    /// Completes when the connection is to take no more requests.
    pub(crate) async fn retired(&self) {
        self.0.retired.notified().await;
    }

    /// Completes when the connection is to go.
    pub(crate) async fn severed(&self) {
        self.0.gone.notified().await;
    }
}

/// A TCP stream that resets instead of closing when its [`Connection`] was severed so.
pub(crate) struct Socket {
    stream: TcpStream,
    connection: Connection,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, connection: Connection) -> Self {
        Self { stream, connection }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.0.reset.load(Ordering::Acquire) {
            // Lingering for zero seconds turns the close that follows into a reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
