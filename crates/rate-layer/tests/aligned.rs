//! Windows that begin with the minutes of the server's clock.
#![cfg(not(loom))]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::header::{AGE, DATE};
use http::{Request, Response};
use rate_layer::{Keyed, MINUTE, Quota, RateLayer, SECOND, Window, key};
use support::{MS, Server, request};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

/// What the server's clock says at `start`: so many seconds past a full minute.
const SINCE_THE_MINUTE: Duration = Duration::from_millis(22_600);

/// The server's time since the Unix epoch.
fn clock(start: Instant, at: Instant) -> Duration {
    Duration::from_secs(1_700_000_040) + SINCE_THE_MINUTE + (at - start)
}

/// A server whose responses carry a `Date`, in whole seconds.
fn dated(latencies: impl IntoIterator<Item = Duration>) -> (Instant, Server) {
    let start = Instant::now();
    let server = Server::with_latencies(latencies).responding(move |_| {
        let date = SystemTime::UNIX_EPOCH + clock(start, Instant::now());
        let response = Response::builder().header(DATE, httpdate::fmt_http_date(date));
        response.body(()).expect("a response")
    });
    (start, server)
}

/// How many requests the server can have counted in each of its minutes, whenever between departure and answer it did.
fn minutes(start: Instant, server: &Server) -> BTreeMap<u64, u32> {
    let mut minutes = BTreeMap::new();
    for seen in server.seen() {
        let answered = seen.counted_by.expect("answered");
        let [first, last] = [seen.departed, answered].map(|at| clock(start, at).as_secs() / 60);
        for minute in first..=last {
            *minutes.entry(minute).or_default() += 1;
        }
    }
    minutes
}

#[tokio::test(start_paused = true)]
async fn a_backlog_fills_each_minute_of_the_server_and_breaks_none() {
    let jitter = (0..1_000_u64).map(|i| Duration::from_millis(20 + i * 37 % 161));
    let (start, server) = dated(jitter);
    let layer = RateLayer::new(Quota::aligned(20, MINUTE)).max_wait(20 * MINUTE);
    let client = layer.layer(server.clone());
    let outcomes = join_all((0..200).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let minutes = minutes(start, &server);
    assert_eq!(minutes.len(), 10, "{minutes:?}");
    assert!(
        minutes.values().all(|&counted| counted == 20),
        "{minutes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn once_the_boundary_is_known_a_place_frees_with_it_and_not_a_whole_window_later() {
    let (start, server) = dated([100 * MS]);
    let window = Window::new(Quota::aligned(1, MINUTE));
    let layer = RateLayer::new(window.clone()).max_wait(5 * MINUTE);
    let client = layer.layer(server.clone());
    client.clone().oneshot(request()).await.expect("served");
    // The answer says 22 s past the minute: made at some time in that second, and at 0 to 100 ms by our clock. So the minute
    // ends at 38.1 s at the latest; the clocks may differ by a thousandth in rate since then, and the margin is 60 ms.
    let known_by = 38_100 * MS + 60 * MS;
    let next = window.snapshot().next_free + 100 * MS;
    assert!(next >= known_by && next <= known_by + 40 * MS, "{next:?}");
    client.clone().oneshot(request()).await.expect("served");
    let departed = server.departures()[1];
    // Timers are told in whole milliseconds.
    let late = departed - start - next;
    assert!(late < MS, "{late:?}");
    let minutes = [0, 1].map(|i| clock(start, server.departures()[i]).as_secs() / 60);
    assert_eq!(minutes[1], minutes[0] + 1, "the very next minute");
}

#[tokio::test(start_paused = true)]
async fn more_answers_bound_the_clock_to_their_round_trip() {
    let (start, server) = dated([10 * MS]);
    let window = Window::new(Quota::aligned(100, MINUTE));
    let client = RateLayer::new(window.clone()).layer(server.clone());
    // Ten answers, each at another tenth of the second.
    for _ in 0..10 {
        client.clone().oneshot(request()).await.expect("served");
        sleep(1_090 * MS).await;
    }
    let calls = (0..90).map(|_| client.clone().oneshot(request()));
    join_all(calls).await;
    let boundary = start + MINUTE - SINCE_THE_MINUTE;
    let free_at = Instant::now() + window.snapshot().next_free;
    // A tenth of a second for want of a finer Date, the round trip, the margin, and the drift over a minute.
    let late = free_at - boundary;
    assert!(
        late >= 60 * MS && late <= 60 * MS + 100 * MS + 10 * MS + 60 * MS,
        "{late:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_date_that_can_be_believed_a_place_is_held_for_a_whole_window() {
    let never = Server::with_latency(100 * MS);
    let cached = Server::with_latency(100 * MS).responding(|_| {
        let response = Response::builder()
            .header(DATE, "Tue, 15 Nov 1994 08:12:31 GMT")
            .header(AGE, "40");
        response.body(()).expect("a response")
    });
    for server in [never, cached] {
        let layer = RateLayer::new(Quota::aligned(1, MINUTE)).max_wait(5 * MINUTE);
        let client = layer.layer(server.clone());
        let start = Instant::now();
        join_all((0..2).map(|_| client.clone().oneshot(request()))).await;
        assert_eq!(server.departures()[1] - start, 100 * MS + MINUTE + 60 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_rolling_window_both_hold() {
    let (start, server) = dated([50 * MS]);
    let quotas = Quota::rolling(5, SECOND).and(Quota::aligned(12, MINUTE));
    let layer = RateLayer::new(quotas).max_wait(20 * MINUTE);
    let client = layer.layer(server.clone());
    join_all((0..60).map(|_| client.clone().oneshot(request()))).await;
    assert_eq!(server.worst_window(SECOND, Duration::ZERO), 5);
    let minutes = minutes(start, &server);
    assert_eq!(minutes.values().copied().collect::<Vec<_>>(), [12; 5]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_each_host_is_learned_for_its_own_window() {
    const HOSTS: [(&str, u64); 3] = [("a", 5), ("b", 30), ("c", 55)];
    let start = Instant::now();
    // So many seconds past a full minute, by the host's clock.
    let date = move |host: &str, at: Instant| {
        let past = HOSTS.iter().find(|(name, _)| *name == host);
        let past = Duration::from_secs(past.expect("a host").1);
        Duration::from_secs(1_700_000_040) + past + (at - start)
    };
    let server = Server::with_latency(100 * MS).responding(move |request| {
        let host = request.uri().host().expect("a host");
        let date = SystemTime::UNIX_EPOCH + date(host, Instant::now());
        let response = Response::builder().header(DATE, httpdate::fmt_http_date(date));
        response.body(()).expect("a response")
    });
    let layer = RateLayer::new(Keyed::new(Quota::aligned(1, MINUTE), key::host))
        .also(Keyed::new(Quota::aligned(50, MINUTE), key::host))
        .max_wait(5 * MINUTE);
    let client = layer.layer(server.clone());
    for (host, past) in HOSTS {
        let sent = Instant::now();
        for _ in 0..2 {
            let request = Request::get(format!("https://{host}/")).body(());
            let request = request.expect("a request");
            client.clone().oneshot(request).await.expect("served");
        }
        let [.., first, second] = server.departures()[..] else {
            panic!("two of each");
        };
        let minutes = [first, second].map(|at| date(host, at).as_secs() / 60);
        assert_eq!(minutes[1], minutes[0] + 1, "the very next minute of {host}");
        // A second for want of a finer Date, the round trip, the margin, and the drift.
        let boundary =
            MINUTE - Duration::from_millis((date(host, sent).as_millis() % 60_000) as u64);
        let late = (second - sent) - boundary;
        assert!(
            late <= SECOND + 100 * MS + 60 * MS + 60 * MS,
            "{past}: {late:?}"
        );
    }
}
