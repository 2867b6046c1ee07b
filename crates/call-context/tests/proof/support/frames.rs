//! The server's side of HTTP/2, frame by frame (RFC 9113, section 4.1).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::finish;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// Error codes (RFC 9113, section 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A connection to a client.
pub(crate) struct Peer {
    stream: TcpStream,
    acknowledged: bool,
    body: Vec<u8>,
}

struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Peer {
    /// Takes the client's preface and sends settings: how many streams at once.
    pub(crate) async fn accept(mut stream: TcpStream, streams: u32) -> Self {
        // Small frames one by one: without this the kernel holds each second one back for 40 ms.
        stream.set_nodelay(true).expect("a TCP socket");
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.expect("a preface");
        assert_eq!(preface, PREFACE);
        let mut peer = Self {
            stream,
            acknowledged: false,
            body: Vec::new(),
        };
        let mut setting = MAX_CONCURRENT_STREAMS.to_be_bytes().to_vec();
        setting.extend(streams.to_be_bytes());
        peer.write(SETTINGS, 0, 0, &setting).await;
        peer
    }

    /// The stream of the next request, once the client has taken our settings as well. `None` when it has closed.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        let mut request = None;
        while request.is_none() || !self.acknowledged {
            let frame = self.read().await?;
            if frame.kind == HEADERS {
                request = Some(frame.stream);
            }
        }
        request
    }

    /// Waits until a request's body has brought `needle`. `None` when the client has closed before.
    pub(crate) async fn body(&mut self, needle: &str) -> Option<()> {
        while !String::from_utf8_lossy(&self.body).contains(needle) {
            self.read().await?;
        }
        Some(())
    }

    /// The code with which the client resets a stream.
    pub(crate) async fn reset_by_client(&mut self) -> Option<u32> {
        loop {
            let frame = self.read().await?;
            if frame.kind == RST_STREAM {
                let code = frame.payload.try_into().expect("four bytes");
                return Some(u32::from_be_bytes(code));
            }
        }
    }

    /// Answers 200, without a body.
    pub(crate) async fn answer(&mut self, stream: u32) {
        // The eighth entry of HPACK's static table is `:status: 200` (RFC 7541, appendix A).
        let flags = END_STREAM | END_HEADERS;
        self.write(HEADERS, flags, stream, &[0x88]).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last_stream: u32, code: u32) {
        let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    /// Breaks the protocol: a SETTINGS frame whose length is not a multiple of six.
    pub(crate) async fn blunder(&mut self) {
        self.write(SETTINGS, 0, 0, &[0]).await;
    }

    /// Sends FIN, and reads what still comes.
    pub(crate) async fn finish(self) {
        finish(self.stream).await;
    }

    /// Sends RST.
    pub(crate) fn abort(self) {
        self.stream.set_zero_linger().expect("a TCP socket");
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; length.try_into().expect("a small frame")];
        self.stream.read_exact(&mut payload).await.ok()?;
        if kind == SETTINGS {
            if flags & ACK == 0 {
                self.write(SETTINGS, ACK, 0, &[]).await;
            } else {
                self.acknowledged = true;
            }
        }
        if kind == DATA {
            self.body.extend(&payload);
        }
        let stream = u32::from_be_bytes(stream);
        Some(Frame {
            kind,
            stream,
            payload,
        })
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.expect("writable");
    }
}
