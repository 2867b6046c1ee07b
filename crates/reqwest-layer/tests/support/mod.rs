//! A raw HTTP/1.1 server on loopback that notes what it sees, byte for byte.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

/// One request as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        value
    }
}

/// A server that answers what its function says; `None` closes the connection without an answer.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    arrived: Arc<Semaphore>,
}

impl Server {
    pub(crate) async fn start<F>(answer: F) -> Self
    where
        F: Fn(usize, &Seen) -> Option<String> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
        };
        let (seen, arrived) = (server.seen.clone(), server.arrived.clone());
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (seen, arrived, answer) = (seen.clone(), arrived.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    while let Some(request) = read(&mut socket).await {
                        let number = {
                            let mut seen = seen.lock().expect("unpoisoned");
                            seen.push(request.clone());
                            seen.len()
                        };
                        arrived.add_permits(1);
                        let Some(answer) = answer(number, &request) else {
                            return;
                        };
                        if socket.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    /// A server that answers every request with 200 and `hello`.
    pub(crate) async fn hello() -> Self {
        Self::start(|_, _| Some(answer(200, "", "hello"))).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("unpoisoned").clone()
    }

    /// Waits until `n` more requests have arrived.
    pub(crate) async fn arrived(&self, n: u32) {
        let permit = self.arrived.acquire_many(n).await;
        permit.expect("never closed").forget();
    }
}

/// An answer with some more header lines (each ended by `\r\n`) and a body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

async fn read(socket: &mut BufReader<TcpStream>) -> Option<Seen> {
    let line = read_line(socket).await?;
    let mut seen = Seen {
        line,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let line = read_line(socket).await?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let header = (name.to_ascii_lowercase(), value.trim().to_owned());
        seen.headers.push(header);
    }
    if seen.header("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(&read_line(socket).await?, 16).ok()?;
            let start = seen.body.len();
            seen.body.resize(start + size, 0);
            socket.read_exact(&mut seen.body[start..]).await.ok()?;
            read_line(socket).await?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = seen.header("content-length") {
        seen.body = vec![0; length.parse().ok()?];
        socket.read_exact(&mut seen.body).await.ok()?;
    }
    Some(seen)
}

async fn read_line(socket: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = socket.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

/// An address on which nobody listens. It stays bound, so that no other test can be given it.
pub(crate) fn dead_address() -> SocketAddr {
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(any).expect("a port");
    let socket = Box::leak(Box::new(socket));
    socket.local_addr().expect("an address")
}

/// A client builder that no environment variable sends through a proxy.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy()
}

/// All that an error says, along its chain.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error} / {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" / {error} / {error:?}");
        source = error.source();
    }
    text
}

/// The first link of an error's chain that is a `T`.
pub(crate) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&e| e.source()).find_map(|e| e.downcast_ref())
}

/// An HTTP/2 server that refuses every stream; and how many it has seen.
pub(crate) async fn refusing_server() -> (SocketAddr, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.expect("a handshake");
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    count.send_modify(|count| *count += 1);
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                }
            });
        }
    });
    (address, counted)
}
