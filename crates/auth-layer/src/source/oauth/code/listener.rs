//! Where the browser comes back to: a server for one answer, on this machine alone.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, timeout, timeout_at};

use super::callback::{Expected, Verdict};
use super::error::LoginError;
use super::talks::{Heard, Talks};
use crate::{Secret, SourceError};

/// The largest head of a request that is read, in bytes.
const LARGEST: usize = 8 * 1024;

/// The longest that a connection may take for its request, and for the answer.
const TALK: Duration = Duration::from_secs(5);

/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    listener: TcpListener,
    host: String,
}

enum Event {
    Accepted(TcpStream),
    NotAccepted,
    Over(Outcome),
}

enum Outcome {
    Nothing,
    Strange,
    Answer(Result<Secret, SourceError>),
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, LoginError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(LoginError::Listen)?;
        let host = authority(listener.local_addr().map_err(LoginError::Listen)?);
        Ok(Self { listener, host })
    }

    /// The literal address, and the port where it is not 80.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Waits for the answer that is `expected`, and is closed then; turns away everything else.
    pub(super) async fn answer(
        self,
        expected: Expected,
        until: Instant,
    ) -> Result<Secret, SourceError> {
        let expected = Arc::new(expected);
        let mut talks = Talks::new();
        let mut pause = pin!(sleep(Duration::ZERO));
        let mut strange = 0;
        loop {
            let Ok(event) = timeout_at(until, self.next(&mut talks, pause.as_mut())).await else {
                return Err(LoginError::Late(strange).into());
            };
            match event {
                Event::Accepted(stream) => {
                    talks.add(|heard| talk(stream, Arc::clone(&expected), heard));
                }
                Event::NotAccepted => pause.as_mut().reset(Instant::now() + PAUSE),
                Event::Over(Outcome::Answer(answer)) => return answer,
                Event::Over(Outcome::Strange) => strange += 1,
                Event::Over(Outcome::Nothing) => {}
            }
        }
    }

    async fn next(&self, talks: &mut Talks<Outcome>, mut pause: Pin<&mut Sleep>) -> Event {
        poll_fn(|cx| {
            // First of all: what has come by now is read before anybody is given up for another one.
            if let Poll::Ready(outcome) = talks.poll_over(cx) {
                return Poll::Ready(Event::Over(outcome));
            }
            ready!(pause.as_mut().poll(cx));
            ready!(talks.poll_room(cx));
            self.listener
                .poll_accept(cx)
                .map(|accepted| match accepted {
                    Ok((stream, _)) => Event::Accepted(stream),
                    Err(_) => Event::NotAccepted,
                })
        })
        .await
    }
}

/// What a browser names as the host of that address: without the port where it is the scheme's own.
fn authority(address: SocketAddr) -> String {
    let text = address.to_string();
    match text.strip_suffix(":80") {
        Some(host) if address.port() == 80 => host.to_owned(),
        _ => text,
    }
}

async fn talk<S>(mut stream: S, expected: Arc<Expected>, heard: Arc<Heard>) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(Some(head)) = timeout(TALK, head(&mut stream, &heard)).await else {
        return Outcome::Nothing;
    };
    heard.all();
    let verdict = expected.judge(&head);
    let _ = timeout(TALK, reply(&mut stream, &verdict)).await;
    match verdict {
        Verdict::Answer(answer) => Outcome::Answer(answer),
        Verdict::Strange => Outcome::Strange,
        Verdict::NotFound | Verdict::NotGet | Verdict::Malformed => Outcome::Nothing,
    }
}

/// Reads to the empty line; `None` where it does not come, or not soon enough.
async fn head(stream: &mut (impl AsyncRead + Unpin), heard: &Heard) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let room = LARGEST - head.len();
        let read = (&mut *stream)
            .take(room.try_into().ok()?)
            .read_buf(&mut head)
            .await;
        if read.ok()? == 0 {
            return None;
        }
        heard.so_far(head.len());
    }
    Some(head)
}

/// Fixed texts: nothing that was sent comes back.
async fn reply(stream: &mut (impl AsyncWrite + Unpin), verdict: &Verdict) -> std::io::Result<()> {
    let (status, text) = match verdict {
        Verdict::Answer(Ok(_)) => (
            "200 OK",
            "You can close this page and go back to the program.",
        ),
        Verdict::Answer(Err(_)) => (
            "200 OK",
            "That did not work. The program says why; you can close this page.",
        ),
        Verdict::Strange => (
            "400 Bad Request",
            "This is no answer to the log-in that the program waits for.",
        ),
        Verdict::NotFound => ("404 Not Found", "There is nothing here."),
        Verdict::NotGet => (
            "405 Method Not Allowed\r\nAllow: GET",
            "There is nothing here.",
        ),
        Verdict::Malformed => ("400 Bad Request", "The program does not understand this."),
    };
    let page = format!("<!doctype html><meta charset=utf-8><title>Log-in</title><p>{text}</p>");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How a connection ends over which `chunks` come, a second apart; what it was answered, and how long that took.
    async fn talked(chunks: Vec<Vec<u8>>) -> (Outcome, Vec<u8>, Duration) {
        let expected = Expected {
            host: "127.0.0.1:4000".into(),
            path: "/callback".into(),
            state: "s1".into(),
            issuer: None,
        };
        let start = Instant::now();
        let (mut browser, here) = duplex(16 * LARGEST);
        let talk = async {
            (
                talk(here, Arc::new(expected), Arc::default()).await,
                start.elapsed(),
            )
        };
        let browse = async {
            for (n, chunk) in chunks.into_iter().enumerate() {
                if n > 0 {
                    sleep(SECOND).await;
                }
                let _ = browser.write_all(&chunk).await;
            }
            let mut answer = Vec::new();
            let _ = browser.read_to_end(&mut answer).await;
            answer
        };
        let ((outcome, took), answer) = tokio::join!(talk, browse);
        (outcome, answer, took)
    }

    #[test]
    fn the_schemes_own_port_is_left_out_as_browsers_do() {
        for (address, host) in [
            ("127.0.0.1:4000", "127.0.0.1:4000"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::1]:4080", "[::1]:4080"),
        ] {
            assert_eq!(authority(address.parse().expect("an address")), host);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_come_in_pieces() {
        let whole = b"GET /callback?code=c1&state=s1 HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n\r\n";
        let pieces = whole.chunks(20).map(Vec::from).collect::<Vec<_>>();
        assert_eq!(pieces.len(), 4);
        let (outcome, answer, took) = talked(pieces).await;
        assert!(matches!(outcome, Outcome::Answer(Ok(code)) if code.expose() == "c1"));
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert_eq!(took, SECOND * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_or_drips_is_given_up_after_five_seconds() {
        for chunks in [vec![], vec![b"G".to_vec(); 20]] {
            let (outcome, answer, took) = talked(chunks).await;
            assert!(matches!(outcome, Outcome::Nothing));
            assert_eq!((answer.len(), took), (0, SECOND * 5));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_an_end_is_given_up_at_once() {
        let (outcome, answer, took) = talked(vec![vec![b'a'; LARGEST + 1]]).await;
        assert!(matches!(outcome, Outcome::Nothing));
        assert_eq!((answer.len(), took), (0, Duration::ZERO));
    }
}
