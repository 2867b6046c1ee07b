//! The server: HTTP/1.1 on loopback, a log, and bad weather.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::soak::answer::{Answer, answer, pause};
use crate::soak::log::{Log, Verdict};
use crate::soak::weather::{Fate, Weather};

/// A server on a loopback port.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    accepts: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    clock: Instant,
    weather: Weather,
    seen: Seen,
}

/// What a server has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// All that was counted.
    pub log: Log,
    /// Requests that came.
    pub requests: u64,
    /// Requests that are not done with yet.
    pub at_work: u64,
    /// Connections that broke before their request was counted, and it never was.
    pub lost_uncounted: u64,
    /// Connections that broke before their request was counted all the same.
    pub lost_counted_late: u64,
    /// Connections that broke after their request was counted, before its headers.
    pub lost_counted: u64,
    /// Answers of which a part of the body is missing.
    pub cut: u64,
    /// The longest time from a request's arrival to the moment at which it was counted.
    pub latest_count: Duration,
}

impl Server {
    /// Listens, and counts in `log`.
    ///
    /// # Errors
    ///
    /// Where no loopback port is to be had.
    pub async fn start(log: Log, weather: Weather) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let seen = Seen {
            log,
            requests: 0,
            at_work: 0,
            lost_uncounted: 0,
            lost_counted_late: 0,
            lost_counted: 0,
            cut: 0,
            latest_count: Duration::ZERO,
        };
        let state = Arc::new(Mutex::new(State {
            clock: Instant::now(),
            weather,
            seen,
        }));
        let accepts = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            addr,
            state,
            accepts,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on there is no latency, and nothing breaks.
    pub fn calm_down(&self) {
        lock(&self.state).weather.calm_down();
    }

    /// What it has seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.state).seen.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    let mut accepted = 0_u64;
    loop {
        tokio::select! {
            connection = listener.accept() => match connection {
                Ok((stream, _)) => {
                    accepted += 1;
                    connections.spawn(serve(stream, Arc::clone(&state), accepted.is_multiple_of(2)));
                }
                // No descriptor is left: some will be.
                Err(_) => sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Serves one connection, which ends by a reset where `resets`.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, resets: bool) {
    let _ = stream.set_nodelay(true);
    if resets {
        // Lingering for zero seconds turns every close into a reset.
        let _ = stream.set_zero_linger();
    }
    let service = service_fn(move |request| {
        // In a task of its own, as servers do: a client that goes away cancels nothing.
        let journey = tokio::spawn(journey(request, Arc::clone(&state)));
        async move {
            let gone = |error| Err(io::Error::other(error));
            journey.await.unwrap_or_else(gone)
        }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// One request's way through the server. An error takes its connection away.
async fn journey(request: Request<Incoming>, state: Arc<Mutex<State>>) -> io::Result<Answer> {
    let arrived = Instant::now();
    let plan = {
        let mut state = lock(&state);
        state.seen.requests += 1;
        state.seen.at_work += 1;
        state.weather.draw()
    };
    // A client that goes away while it sends has come all the same.
    let _ = request.into_body().collect().await;
    pause(plan.first).await;
    match plan.fate {
        Fate::LostUncounted => {
            let mut state = lock(&state);
            state.seen.lost_uncounted += 1;
            state.seen.at_work -= 1;
            Err(io::Error::other("lost, and not counted"))
        }
        Fate::LostCountedLate => {
            lock(&state).seen.lost_counted_late += 1;
            tokio::spawn(async move {
                pause(plan.then).await;
                count(&state, arrived);
                lock(&state).seen.at_work -= 1;
            });
            Err(io::Error::other("lost, and not counted yet"))
        }
        Fate::Answered | Fate::LostCounted | Fate::Cut => {
            let verdict = count(&state, arrived);
            pause(plan.then).await;
            let mut state = lock(&state);
            state.seen.at_work -= 1;
            match plan.fate {
                Fate::LostCounted => {
                    state.seen.lost_counted += 1;
                    return Err(io::Error::other("lost, and counted"));
                }
                Fate::Cut => state.seen.cut += 1,
                _ => {}
            }
            Ok(answer(verdict, plan))
        }
    }
}

/// Counts a request that came at `arrived`, now.
fn count(state: &Mutex<State>, arrived: Instant) -> Verdict {
    let mut state = lock(state);
    // Read with the lock in hand, so that the log is in order.
    let now = Instant::now();
    let time = now.duration_since(state.clock);
    state.seen.latest_count = state.seen.latest_count.max(now.duration_since(arrived));
    state.seen.log.count(time)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tollgate::{MINUTE, Quota, Window};
    use tower::ServiceExt;

    use super::*;
    use crate::soak::wire::{Wire, client, layer, request};

    #[tokio::test]
    async fn what_is_over_the_limit_is_rejected_and_told_when_to_come_again() {
        let mut calm = Weather::bad(7);
        calm.calm_down();
        let server = Server::start(Log::new(2, MINUTE), calm).await;
        let server = server.expect("a port");
        // Nothing of the layer's: it limits nothing.
        let nothing = layer(&Window::new(Quota::rolling(1, MINUTE)), true);
        let client = client(&nothing, &Arc::new(Wire::default()));
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let (request, _) = request(server.addr(), 100_000);
            let answer = client.clone().oneshot(request).await.expect("an answer");
            let retry_after = answer.headers().get("retry-after").cloned();
            let body = answer.into_body().collect().await.expect("a whole body");
            statuses.push((retry_after, body.to_bytes().len()));
        }
        let minute = http::HeaderValue::from_static("60");
        assert_eq!(statuses, [(None, 4096), (None, 4096), (Some(minute), 9)]);
        let seen = server.seen();
        assert_eq!((seen.requests, seen.at_work), (3, 0));
        assert_eq!((seen.log.peak(), seen.log.peak_offered()), (2, 3));
    }
}
