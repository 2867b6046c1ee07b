//! A limit of one request at a time.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tower::limit::ConcurrencyLimitLayer;
use tower::{ServiceBuilder, ServiceExt};

use crate::party::{
    HOLD, Order, departures, five, millis, no_place_is_missing, numbered, patient, server,
};
use crate::support::{MS, request};

/// One at a time, and each place again 1010 ms after its answer.
const ONE_BY_ONE: [u64; 12] = [
    0, 100, 200, 300, 400, 1_110, 1_210, 1_310, 1_410, 1_510, 2_220, 2_320,
];

#[tokio::test(start_paused = true)]
async fn above_it_places_wait_for_the_permit_and_none_is_lost() {
    let (window, server, order) = (five(), server(), Order::default());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(ConcurrencyLimitLayer::new(1))
        .map_request(order.note())
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..12).map(|n| client.clone().oneshot(numbered(n)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(departures(&server, start), millis(ONE_BY_ONE));
    assert_eq!(order.seen(), (0..12).collect::<Vec<_>>());
    assert_eq!(window.snapshot().counts.admitted, 12);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_a_caller_who_gives_up_between_place_and_permit_gives_the_place_back() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(server.clone());
    let start = Instant::now();
    // Five places, one permit; the two who would be next do not wait so long.
    let patience = |n| if n == 1 || n == 2 { 50 } else { 60_000 };
    let calls = (0..6).map(|n| {
        let call = client.clone().oneshot(request());
        timeout(Duration::from_millis(patience(n)), call)
    });
    let outcomes = join_all(calls).await;
    let given_up: Vec<_> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(given_up, [false, true, true, false, false, false]);
    // The sixth has one of their places, and no need to wait for another.
    assert_eq!(departures(&server, start), millis([0, 100, 200, 300]));
    let counts = window.snapshot().counts;
    assert_eq!((counts.given_back, counts.abandoned), (2, 0));
    assert_eq!((counts.admitted, counts.waited), (6, 1));
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_the_permit_is_held_while_its_request_waits_for_a_place_and_nobody_is_stuck() {
    let (window, server, order) = (five(), server(), Order::default());
    let client = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(patient(&window))
        .map_request(order.note())
        .service(server.clone());
    let start = Instant::now();
    let calls = join_all((0..12).map(|n| client.clone().oneshot(numbered(n))));
    let looks = async {
        tokio::time::sleep(600 * MS).await;
        // Seven are left, and one of them has the permit.
        window.snapshot().waiting
    };
    let (outcomes, waiting) = tokio::join!(calls, looks);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(waiting, 1);
    assert_eq!(departures(&server, start), millis(ONE_BY_ONE));
    assert_eq!(order.seen(), (0..12).collect::<Vec<_>>());
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_a_caller_who_gives_up_in_the_queue_passes_the_permit_on() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(patient(&window))
        .service(server.clone());
    let start = Instant::now();
    let five_first = (0..5).map(|_| client.clone().oneshot(request()));
    assert!(join_all(five_first).await.iter().all(Result::is_ok));
    let gives_up = timeout(300 * MS, client.clone().oneshot(request()));
    let (given_up, behind) = tokio::join!(gives_up, client.clone().oneshot(request()));
    assert!(given_up.is_err() && behind.is_ok());
    // When the first place frees, the one behind has the permit and stands in line.
    assert_eq!(departures(&server, start)[5], HOLD + 100 * MS);
    assert_eq!(window.snapshot().counts.admitted, 6);
    no_place_is_missing(&window).await;
}
