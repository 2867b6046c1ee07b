//! Above and below Tower's own layers.
#![cfg(not(loom))]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use http::Request;
use rate_layer::{Quota, RateLayer, SECOND, Window};
use support::{MS, Server, request};
use tokio::time::Instant;
use tower::buffer::BufferLayer;
use tower::limit::ConcurrencyLimitLayer;
use tower::{ServiceBuilder, ServiceExt};

/// Five places a second, held for 1010 ms.
fn five() -> Window {
    Window::new(Quota::rolling(5, SECOND))
}

#[tokio::test(start_paused = true)]
async fn above_a_limit_of_one_at_a_time_places_wait_for_it_and_none_is_lost() {
    let (window, server) = (five(), Server::with_latency(100 * MS));
    let client = ServiceBuilder::new()
        .layer(RateLayer::new(window.clone()).max_wait(60 * SECOND))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let departures: Vec<_> = server.departures().iter().map(|at| *at - start).collect();
    // One at a time, and each place again 1010 ms after its answer.
    let expected = (0..12_u32).map(|i| (i / 5) * 1_110 * MS + (i % 5) * 100 * MS);
    assert_eq!(departures, expected.collect::<Vec<_>>());
    assert_eq!(window.snapshot().counts.admitted, 12);
}

#[tokio::test(start_paused = true)]
async fn below_a_limit_of_one_at_a_time_nobody_is_stuck() {
    let (window, server) = (five(), Server::with_latency(100 * MS));
    let client = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(RateLayer::new(window.clone()).max_wait(60 * SECOND))
        .service(server.clone());
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.worst_window(SECOND, Duration::ZERO), 5);
}

#[tokio::test(start_paused = true)]
async fn above_and_below_a_buffer_the_limit_holds() {
    for below in [true, false] {
        let (window, server) = (five(), Server::with_latency(100 * MS));
        let rate = RateLayer::new(window.clone()).max_wait(60 * SECOND);
        let outcomes = if below {
            let client = ServiceBuilder::new()
                .layer(BufferLayer::<Request<()>>::new(2))
                .layer(rate)
                .service(server.clone());
            join_all((0..12).map(|_| client.clone().oneshot(request()))).await
        } else {
            let client = ServiceBuilder::new()
                .layer(rate)
                .layer(BufferLayer::<Request<()>>::new(2))
                .service(server.clone());
            join_all((0..12).map(|_| client.clone().oneshot(request()))).await
        };
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!(server.worst_window(SECOND, Duration::ZERO), 5);
        assert_eq!(window.snapshot().counts.admitted, 12);
    }
}
