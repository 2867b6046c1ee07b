//! Every way to be turned away, and what it says.
#![cfg(not(loom))]

mod support;

use std::error::Error;
use std::num::NonZeroU32;
use std::pin::pin;
use std::time::Duration;

use call_context::{BoxError, CallContext, NeverLeft, Refusal};
use futures_util::poll;
use http::Request;
use rate_layer::{Limit, MINUTE, Quota, RateError, RateErrorKind, RateLayer, SECOND, Window};
use support::{MS, Server, request, request_of};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

/// One place, just taken: it frees in 60.06 s.
async fn taken() -> Window {
    let window = Window::new(Quota::rolling(1, MINUTE));
    send(&RateLayer::new(window.clone()), request())
        .await
        .expect("the only place");
    window
}

async fn send(layer: &RateLayer, request: Request<()>) -> Result<(), BoxError> {
    let server = Server::with_latency(Duration::ZERO);
    layer.layer(server).oneshot(request).await.map(drop)
}

fn assert_refused(error: &BoxError, kind: RateErrorKind, refusal: Refusal, text: &str) {
    let ours = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(ours.kind(), kind);
    assert_eq!(ours.to_string(), text);
    assert_eq!(NeverLeft::find(&**error), Some(refusal));
    let source = ours.source().expect("a mark");
    assert_eq!(source.to_string(), "the request never left");
}

fn retry_in(error: &BoxError) -> Option<Duration> {
    error
        .downcast_ref::<RateError>()
        .and_then(RateError::retry_in)
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_never_waits_says_how_long_it_would_have_taken() {
    let layer = RateLayer::new(taken().await).refuse();
    tokio::time::advance(10 * SECOND + Duration::from_micros(500)).await;
    let error = send(&layer, request()).await.expect_err("refused");
    assert_refused(
        &error,
        RateErrorKind::WouldWait,
        Refusal::Local,
        "no place is free for another 50.06s, and this request may not wait: try again then",
    );
    assert_eq!(
        retry_in(&error),
        Some(50_060 * MS - Duration::from_micros(500))
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_end_in_time_fails_at_once() {
    let window = taken().await;
    let start = Instant::now();
    let layer = RateLayer::new(window.clone()).max_wait(60 * SECOND);
    let error = send(&layer, request()).await.expect_err("too late");
    assert_refused(
        &error,
        RateErrorKind::Deadline,
        Refusal::Local,
        "no place is free for another 60.06s, and the request may wait 60s only: raise `max_wait` or the call's \
         deadline",
    );
    assert_eq!(retry_in(&error), Some(60_060 * MS));

    let mut urgent = request();
    CallContext::of(urgent.extensions_mut()).limit_deadline((start + SECOND).into_std());
    let error = send(&RateLayer::new(window.clone()), urgent)
        .await
        .expect_err("too late");
    assert_refused(
        &error,
        RateErrorKind::Deadline,
        Refusal::Local,
        "no place is free for another 60.06s, and the request may wait 1s only: raise `max_wait` or the call's \
         deadline",
    );
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(window.snapshot().counts.refused, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_exactly_the_right_length_is_served() {
    let window = taken().await;
    let layer = RateLayer::new(window).max_wait(60_060 * MS);
    send(&layer, request()).await.expect("just in time");
}

#[tokio::test(start_paused = true)]
async fn by_default_the_third_window_of_a_burst_is_served() {
    let client = RateLayer::new(Quota::rolling(5, 2 * SECOND)).layer(Server::with_latency(50 * MS));
    let calls = (0..15).map(|_| client.clone().oneshot(request()));
    for outcome in futures_util::future::join_all(calls).await {
        outcome.expect("served");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_turns_out_too_long_fails_when_its_time_is_over() {
    let window = Window::new(Quota::rolling(1, SECOND));
    let server = Server::with_latency(10 * SECOND);
    let client = RateLayer::new(window.clone()).layer(server);
    let mut hangs = pin!(client.oneshot(request()));
    assert!(poll!(&mut hangs).is_pending());
    let start = Instant::now();
    let error = send(&RateLayer::new(window.clone()), request())
        .await
        .expect_err("too late");
    assert_eq!(start.elapsed(), 2120 * MS, "two holds, and a tenth");
    assert_refused(
        &error,
        RateErrorKind::Deadline,
        Refusal::Local,
        "no place was free within the 2.12s that the request could wait: raise `max_wait` or the call's deadline",
    );
    assert_eq!(retry_in(&error), Some(1_010 * MS));
    let snapshot = window.snapshot();
    assert_eq!((snapshot.waiting, snapshot.counts.refused), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_turns_newcomers_away() {
    let window = taken().await;
    let layer = RateLayer::new(window.clone()).queue(1);
    let mut waits = pin!(send(&layer, request()));
    assert!(poll!(&mut waits).is_pending());
    let patient = layer.clone().max_wait(5 * MINUTE);
    let error = send(&patient, request()).await.expect_err("full");
    assert_refused(
        &error,
        RateErrorKind::QueueFull,
        Refusal::Local,
        "1 requests wait for a place already, as many as may: send less, or raise `queue` (a place could be had in \
         120.12s)",
    );
    assert_eq!(retry_in(&error), Some(120_120 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_slot_without_a_window_is_refused() {
    let layer = RateLayer::by_slot().slot("business", Quota::rolling(1, MINUTE));
    send(&layer, request_of("business")).await.expect("named");
    let error = send(&layer, request_of("wallet"))
        .await
        .expect_err("not named");
    assert_refused(
        &error,
        RateErrorKind::NoWindow,
        Refusal::Permanent,
        "no window is set for the slot `wallet`: name it by `slot` or `unlimited`, or say by `otherwise` what holds for \
         the rest",
    );
    assert_eq!(retry_in(&error), None);
    let error = send(&layer, request()).await.expect_err("no slot");
    assert_refused(
        &error,
        RateErrorKind::NoWindow,
        Refusal::Permanent,
        "the request has no slot, so it is not known which window counts it: put this layer below the gate that \
         resolves slots, or say by `without_slot` what holds",
    );
}

#[tokio::test(start_paused = true)]
async fn slots_share_a_window_have_none_or_fall_under_the_rest() {
    let shared = Window::new(Quota::rolling(2, MINUTE));
    let rest = Window::new(Quota::rolling(1, MINUTE));
    let layer = RateLayer::by_slot()
        .slot("business", shared.clone())
        .slot("connect", shared.clone())
        .unlimited("wallet")
        .otherwise(rest.clone())
        .without_slot(Limit::Unlimited)
        .refuse();
    send(&layer, request_of("business"))
        .await
        .expect("the first");
    send(&layer, request_of("connect"))
        .await
        .expect("the second");
    send(&layer, request_of("business"))
        .await
        .expect_err("the third");
    for _ in 0..5 {
        send(&layer, request_of("wallet")).await.expect("unlimited");
        send(&layer, request()).await.expect("unlimited");
    }
    send(&layer, request_of("other")).await.expect("the rest");
    send(&layer, request_of("another"))
        .await
        .expect_err("the rest is one window");
    assert_eq!((shared.snapshot().used, rest.snapshot().used), (2, 1));
}

#[test]
fn a_cost_above_the_limit_is_refused_for_good() {
    let window = Window::new(Quota::rolling(3, MINUTE));
    let error = window
        .try_admit(NonZeroU32::new(4).expect("not zero"))
        .expect_err("too much");
    assert_refused(
        &error.into(),
        RateErrorKind::CostTooHigh,
        Refusal::Permanent,
        "the request costs 4 places and its window has 3 for it: it can never be admitted; let it cost less, raise the limit, or lower what is \
         reserved for others",
    );
}
