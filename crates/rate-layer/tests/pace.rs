//! Departures at a pace, alone and beside a window.
#![cfg(not(loom))]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use rate_layer::{MINUTE, Pace, Quota, RateError, RateErrorKind, RateLayer, SECOND};
use support::{Label, MS, Server, labelled, request};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

/// When `requests` that come together depart, at a server that takes 80 ms.
async fn departures(layer: RateLayer, requests: u32) -> Vec<Duration> {
    let server = Server::with_latency(80 * MS);
    let client = layer.max_wait(MINUTE).layer(server.clone());
    let start = Instant::now();
    let calls = (0..requests).map(|label| client.clone().oneshot(labelled(label)));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    // In order of arrival.
    server.departed(start).iter().map(|&(_, at)| at).collect()
}

fn millis<const N: usize>(millis: [u32; N]) -> [Duration; N] {
    millis.map(|millis| millis * MS)
}

#[tokio::test(start_paused = true)]
async fn requests_depart_one_by_one_however_long_their_answers_take() {
    let layer = RateLayer::new(Pace::every(600 * MS));
    assert_eq!(departures(layer, 4).await, millis([0, 600, 1_200, 1_800]));
}

#[tokio::test(start_paused = true)]
async fn a_burst_departs_at_once_and_the_rest_at_the_pace() {
    let layer = RateLayer::new(Pace::every(600 * MS).burst(3));
    assert_eq!(departures(layer, 5).await, millis([0, 0, 0, 600, 1_200]));
}

#[tokio::test(start_paused = true)]
async fn beside_a_window_the_slower_of_both_decides() {
    let quotas = Quota::rolling(3, SECOND).and(Pace::every(100 * MS));
    // Three at the pace; then each place again 1010 ms after its answer, which is at the pace by itself.
    let expected = millis([0, 100, 200, 1_090, 1_190, 1_290, 2_180]);
    assert_eq!(departures(RateLayer::new(quotas), 7).await, expected);

    let quotas = Pace::every(500 * MS)
        .burst(2)
        .and(Quota::rolling(3, SECOND));
    let expected = millis([0, 0, 500, 1_090, 1_500, 2_000]);
    assert_eq!(departures(RateLayer::new(quotas), 6).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_cost_takes_as_many_turns() {
    let server = Server::with_latency(80 * MS);
    let layer = RateLayer::new(Pace::every(100 * MS).burst(4))
        .cost(|head| head.extensions().get().map_or(1, |&Label(cost)| cost))
        .max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    for cost in [3, 2, 4, 1] {
        let call = client.clone().oneshot(labelled(cost));
        call.await.expect("served");
    }
    let departed: Vec<_> = server.departures().iter().map(|&at| at - start).collect();
    // One turn of the burst was left: the next needs one more, then four, then one.
    assert_eq!(departed, millis([0, 100, 500, 600]));
    assert_eq!(server.order(), [3, 2, 4, 1]);

    let error = client
        .oneshot(labelled(5))
        .await
        .expect_err("more than a burst");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(error.kind(), RateErrorKind::CostTooHigh);
}

#[tokio::test(start_paused = true)]
async fn after_a_rest_the_distance_is_kept_from_the_last_departure() {
    let server = Server::with_latency(Duration::ZERO);
    let client = RateLayer::new(Pace::every(600 * MS)).layer(server.clone());
    sleep(10 * SECOND).await;
    let start = Instant::now();
    for _ in 0..3 {
        client.clone().oneshot(request()).await.expect("served");
        sleep(MS).await;
    }
    let departed: Vec<_> = server.departures().iter().map(|&at| at - start).collect();
    assert_eq!(departed, millis([0, 600, 1_200]));
}

#[tokio::test(start_paused = true)]
async fn beside_a_window_too_the_distance_is_kept_after_a_rest() {
    let server = Server::with_latency(Duration::ZERO);
    let quotas = Quota::rolling(100, MINUTE).and(Pace::every(600 * MS).burst(2));
    let client = RateLayer::new(quotas).layer(server.clone());
    sleep(10 * SECOND).await;
    let start = Instant::now();
    join_all((0..5).map(|_| client.clone().oneshot(request()))).await;
    let departed: Vec<_> = server.departures().iter().map(|&at| at - start).collect();
    assert_eq!(departed, millis([0, 0, 600, 1_200, 1_800]));
}
