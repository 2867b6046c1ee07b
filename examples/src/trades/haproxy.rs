//! HAProxy between client and server: a proxy that keeps its connections, and says of a stream that it refused it where
//! the connection that it had used for it died.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::interval;

use crate::trades::args::Protocol;

/// HAProxy as a child process, killed when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    front: SocketAddr,
}

impl Proxy {
    /// Starts one that speaks `protocol` in front and HTTP/1.1 to `backend`, with nothing but defaults between.
    ///
    /// # Errors
    ///
    /// Where `haproxy` is not on the PATH, or does not start.
    pub async fn start(protocol: Protocol, backend: SocketAddr) -> io::Result<Self> {
        for _ in 0..5 {
            let mut proxy = Self::spawn(protocol, backend)?;
            if proxy.listens().await? {
                return Ok(proxy);
            }
        }
        Err(io::Error::other(
            "haproxy does not start; another program may have taken its port each time",
        ))
    }

    /// Where it listens.
    #[must_use]
    pub fn front(&self) -> SocketAddr {
        self.front
    }

    fn spawn(protocol: Protocol, backend: SocketAddr) -> io::Result<Self> {
        let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let protocol = match protocol {
            Protocol::H1 => "",
            Protocol::H2 => " proto h2",
        };
        let configuration = format!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n\
             frontend front\n bind {front}{protocol}\n default_backend back\n\
             backend back\n server one {backend}\n"
        );
        let child = Command::new("haproxy")
            .args(["-db", "-f", "/dev/stdin"])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| {
                let text = format!(
                    "cannot run haproxy ({error}): install it, or leave `--through haproxy` out"
                );
                io::Error::new(error.kind(), text)
            })?;
        let mut proxy = Self { child, front };
        if let Some(mut stdin) = proxy.child.stdin.take() {
            stdin.write_all(configuration.as_bytes())?;
        }
        Ok(proxy)
    }

    /// Waits until it takes connections. `false` when it has ended.
    async fn listens(&mut self) -> io::Result<bool> {
        let mut pause = interval(Duration::from_millis(20));
        while self.child.try_wait()?.is_none() {
            if TcpStream::connect(self.front).await.is_ok() {
                return Ok(true);
            }
            pause.tick().await;
        }
        Ok(false)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
