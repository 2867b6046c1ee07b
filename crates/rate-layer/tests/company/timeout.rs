//! A timeout.

use std::time::Duration;

use call_context::NeverLeft;
use futures_util::future::join_all;
use tokio::time::Instant;
use tower::timeout::TimeoutLayer;
use tower::timeout::error::Elapsed;
use tower::{ServiceBuilder, ServiceExt};

use crate::party::{
    ABANDONED, Order, departures, five, millis, no_place_is_missing, numbered, patient, server,
};
use crate::support::{MS, Server, request};

#[tokio::test(start_paused = true)]
async fn above_it_the_timeout_is_an_attempts_own_and_begins_at_departure() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(TimeoutLayer::new(150 * MS))
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..7).map(|_| client.clone().oneshot(request()))).await;
    // Two wait for more than a second, and are answered in time.
    assert!(outcomes.iter().all(Result::is_ok));
    let expected = millis([0, 0, 0, 0, 0, 1_110, 1_110]);
    assert_eq!(departures(&server, start), expected);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_what_has_timed_out_is_abandoned() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(TimeoutLayer::new(60 * MS))
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..7).map(|_| client.clone().oneshot(request()))).await;
    for error in outcomes
        .into_iter()
        .map(|outcome| outcome.expect_err("late"))
    {
        assert!(error.is::<Elapsed>());
        assert_eq!(NeverLeft::find(&*error), None, "it has left");
    }
    let again = 60 * MS + ABANDONED;
    let expected = [vec![Duration::ZERO; 5], vec![again; 2]].concat();
    assert_eq!(departures(&server, start), expected);
    assert_eq!(window.snapshot().counts.abandoned, 7);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_a_timeout_in_the_queue_leaves_no_trace() {
    let (window, server, order) = (five(), server(), Order::default());
    let rate = ServiceBuilder::new()
        .layer(patient(&window))
        .map_request(order.note())
        .service(server.clone());
    let hasty = ServiceBuilder::new()
        .layer(TimeoutLayer::new(500 * MS))
        .service(rate.clone());
    let start = Instant::now();
    let first = join_all((0..5).map(|n| rate.clone().oneshot(numbered(n))));
    let hasty = join_all((5..8).map(|n| hasty.clone().oneshot(numbered(n))));
    let behind = join_all((8..10).map(|n| rate.clone().oneshot(numbered(n))));
    let looks = async {
        tokio::time::sleep(499 * MS).await;
        let before = window.snapshot().waiting;
        tokio::time::sleep(2 * MS).await;
        (before, window.snapshot().waiting)
    };
    let (first, hasty, behind, waiting) = tokio::join!(first, hasty, behind, looks);
    assert!(first.iter().chain(&behind).all(Result::is_ok));
    let late = |error: &tower::BoxError| error.is::<Elapsed>();
    assert!(
        hasty
            .iter()
            .all(|outcome| outcome.as_ref().is_err_and(late))
    );
    assert_eq!(waiting, (5, 2));
    // Those behind have their places as if nobody had stood before them.
    assert_eq!(order.seen(), [0, 1, 2, 3, 4, 8, 9]);
    let expected = millis([0, 0, 0, 0, 0, 1_110, 1_110]);
    assert_eq!(departures(&server, start), expected);
    let counts = window.snapshot().counts;
    assert_eq!((counts.admitted, counts.abandoned), (7, 0));
    assert_eq!((counts.refused, counts.given_back), (0, 0));
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_a_timeout_in_flight_abandons_the_place() {
    let window = five();
    let server = Server::with_latency(400 * MS);
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(300 * MS))
        .layer(patient(&window))
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..5).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(start.elapsed(), 300 * MS);
    assert_eq!(window.snapshot().counts.abandoned, 5);
    server.answer_at_once();
    let next = patient(&window).max_wait(ABANDONED);
    let next = ServiceBuilder::new().layer(next).service(server.clone());
    next.oneshot(request()).await.expect("served");
    assert_eq!(departures(&server, start)[5], 300 * MS + ABANDONED);
    no_place_is_missing(&window).await;
}
