//! Connections, of which some are refused: for real, at an address where nobody listens.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use fastrand::Rng;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::net::TcpSocket;
use tower::Service;

use crate::trades::weather::REFUSED;

/// An address that nobody listens at, and that nobody else gets while this is kept.
#[derive(Debug)]
pub struct Nowhere {
    _socket: TcpSocket,
    address: SocketAddr,
}

impl Nowhere {
    /// Takes a port of the loopback address.
    ///
    /// # Errors
    ///
    /// Where none is free.
    pub fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Bound and not listening.
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        Ok(Self {
            _socket: socket,
            address,
        })
    }
}

/// Connects, or goes astray. Clones share their dice.
#[derive(Clone, Debug)]
pub struct Dialer {
    connector: HttpConnector,
    nowhere: Arc<Nowhere>,
    dice: Arc<Mutex<Rng>>,
}

impl Dialer {
    /// A dialer that goes astray by `dice`.
    #[must_use]
    pub fn new(nowhere: Arc<Nowhere>, dice: Rng) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            connector,
            nowhere,
            dice: Arc::new(Mutex::new(dice)),
        }
    }

    fn goes_astray(&self) -> bool {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        dice.f64() < REFUSED
    }
}

impl Service<Uri> for Dialer {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let nowhere = || format!("http://{}/", self.nowhere.address).parse().ok();
        let astray = self.goes_astray().then(nowhere).flatten();
        self.connector.call(astray.unwrap_or(uri))
    }
}
