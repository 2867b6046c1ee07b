//! What the tests share: a window, requests with numbers, and the check that no place is missing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use rate_layer::{Quota, RateLayer, SECOND, Window};
use tokio::time::{Instant, sleep};

use crate::support::{MS, Server};

/// For how long a place of [`five`] is taken once it is answered.
pub(crate) const HOLD: Duration = Duration::from_millis(1_010);
/// And once it is abandoned.
pub(crate) const ABANDONED: Duration = Duration::from_millis(3_010);

/// Five places a second, with two seconds of grace.
pub(crate) fn five() -> Window {
    Window::new(Quota::rolling(5, SECOND).grace(2 * SECOND))
}

/// A layer on `window` whose requests have all the patience that is needed.
pub(crate) fn patient(window: &Window) -> RateLayer {
    RateLayer::new(window.clone()).max_wait(60 * SECOND)
}

/// A server that answers after 100 ms.
pub(crate) fn server() -> Server {
    Server::with_latency(100 * MS).grace(2 * SECOND)
}

/// When `server` saw each request leave, counted from `start`.
pub(crate) fn departures(server: &Server, start: Instant) -> Vec<Duration> {
    let departures = server.departures();
    departures.iter().map(|at| *at - start).collect()
}

/// The milliseconds as durations.
pub(crate) fn millis<const N: usize>(times: [u64; N]) -> Vec<Duration> {
    times.map(Duration::from_millis).into()
}

/// Fails where a place, or a waiter, is still there once the last place has to be free.
pub(crate) async fn no_place_is_missing(window: &Window) {
    let now = window.snapshot();
    assert_eq!((now.in_flight, now.waiting), (0, 0));
    sleep(ABANDONED).await;
    let then = window.snapshot();
    assert_eq!((then.used, then.next_free), (0, Duration::ZERO));
}

/// The numbers of the requests that have left, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order(Arc<Mutex<Vec<u32>>>);

#[derive(Clone, Copy, Debug)]
struct Number(u32);

impl Order {
    /// Notes a request that leaves.
    pub(crate) fn note(&self) -> impl Fn(Request<()>) -> Request<()> + Clone + use<> {
        let order = self.clone();
        move |request| {
            let number = request.extensions().get().map(|&Number(number)| number);
            let mut order = order.0.lock().expect("nobody panics with it");
            order.extend(number);
            drop(order);
            request
        }
    }

    /// What has left.
    pub(crate) fn seen(&self) -> Vec<u32> {
        self.0.lock().expect("nobody panics with it").clone()
    }
}

/// A request with a number.
pub(crate) fn numbered(number: u32) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Number(number));
    request
}
