//! When requests depart, to the millisecond.
#![cfg(not(loom))]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use rate_layer::{MINUTE, Quota, RateLayer, SECOND, Window};
use support::{MS, Server, request};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn as_many_as_allowed_go_at_once_and_the_next_when_the_first_place_has_closed() {
    let server = Server::with_latency(80 * MS);
    let window = Window::new(Quota::rolling(100, MINUTE));
    let client = RateLayer::new(window.clone()).layer(server.clone());
    let start = Instant::now();
    let calls = (0..101).map(|_| client.clone().oneshot(request()));
    for response in join_all(calls).await {
        response.expect("admitted");
    }
    let departures = server.departures();
    assert!(departures[..100].iter().all(|&at| at == start));
    // The headers came after 80 ms; window and margin follow.
    assert_eq!(departures[100], start + 80 * MS + MINUTE + 60 * MS);
    let counts = window.snapshot().counts;
    assert_eq!((counts.admitted, counts.waited), (101, 1));
}

#[tokio::test(start_paused = true)]
async fn a_saturated_window_serves_its_limit_every_window_margin_and_latency() {
    let server = Server::with_latency(20 * MS);
    let client = RateLayer::new(Quota::rolling(5, SECOND))
        .max_wait(MINUTE)
        .layer(server.clone());
    let start = Instant::now();
    join_all((0..50).map(|_| client.clone().oneshot(request()))).await;
    for (index, departed) in server.departures().into_iter().enumerate() {
        let round = u32::try_from(index / 5).unwrap();
        let expected = round * (SECOND + 10 * MS + 20 * MS);
        assert_eq!(departed - start, expected, "request {index}");
    }
    assert_eq!(server.worst_window(SECOND, Duration::ZERO), 5);
}
