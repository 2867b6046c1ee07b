//! The accept loop, and how it ends.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time,
};
use tower_service::Service;

use crate::socket::{Connection, Socket};

/// How long `stop` waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(2);

/// How long the loop rests when the system has no descriptor left for another connection.
const BREATHER: Duration = Duration::from_millis(20);

/// A listening port and the task that serves it, HTTP/1.1, and HTTP/2 with prior knowledge where the feature is on.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    stopping: watch::Sender<bool>,
    task: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

/// A port of the loopback address, not yet served: who builds the routes may want to know it.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => io::Error::new(
                error.kind(),
                format!("port {port} is busy: stop what listens there, or choose another port (0 takes a free one)"),
            ),
            _ => error,
        })
}

impl Server {
    pub(crate) fn serve(listener: TcpListener, router: Router) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let (stopping, stop) = watch::channel(false);
        let task = tokio::spawn(accept(listener, router, stop));
        Ok(Self {
            addr,
            stopping,
            task: parking_lot::Mutex::new(Some(task)),
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts no more, lets requests in flight finish for two seconds, then drops their connections.
    pub(crate) async fn stop(&self) {
        self.stopping.send_replace(true);
        let task = self.task.lock().take();
        if let Some(task) = task {
            // The loop bounds itself; it fails only if its runtime goes away, and then it has ended too.
            let _ = task.await;
        }
        // Work goes on behind a connection that a fault has severed, and belongs in the report.
        let _ = time::timeout(DRAIN, self.stopping.closed()).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let stop_too = stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, router.clone(), stop_too.clone()));
                }
                Err(_) => time::sleep(BREATHER).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = time::timeout(DRAIN, drained).await;
    connections.abort_all();
}

/// Completes when the server is told to stop, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Completes when the connection takes no more requests, be it that the server stops.
async fn draining_of(connection: &Connection, stop: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = connection.retired() => {}
        () = stopped(stop) => {}
    }
}

async fn serve(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let connection = Connection::new(stop.clone());
    let handle = connection.clone();
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(handle.clone());
        // A router is always ready.
        router.clone().call(request.map(Body::new))
    });
    #[cfg(feature = "http2")]
    let builder =
        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
    #[cfg(not(feature = "http2"))]
    let builder = hyper::server::conn::http1::Builder::new();
    let socket = TokioIo::new(Socket::new(stream, connection.clone()));
    let mut serving = pin!(builder.serve_connection(socket, service));
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            // Leaving drops the connection, and the socket with it.
            () = connection.severed() => return,
            // Before the answer is written, so that it can say that it is the last.
            () = draining_of(&connection, &mut stop), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
            _ = serving.as_mut() => return,
        }
    }
}
