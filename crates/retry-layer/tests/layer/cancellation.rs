//! What is left of a call that its caller gives up.

use std::time::Duration;

use futures_util::FutureExt;
use retry_layer::Budget;
use tower::{Layer, Service};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_call_dropped_during_its_pause_sends_nothing_any_more() {
    let layer = prompt();
    let script = Script::new([with_header(503, "retry-after", "9")]);
    let mut service = layer.layer(script.clone());
    let mut call = Box::pin(service.call(get()));
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    drop(service);
    assert_eq!(script.alive(), 1);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_waits_for_readiness_sends_nothing_any_more() {
    let layer = prompt();
    let script = Script::new([status(503)]);
    script.hang_readiness_after(1);
    let mut service = layer.layer(script.clone());
    let mut call = Box::pin(service.call(get()));
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    drop(service);
    assert_eq!(script.alive(), 1);
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_given_up_before_it_is_sent_costs_no_budget() {
    let budget = || Budget::new(2).throttle_cost(1.5);
    for during_pause in [true, false] {
        let budget = budget();
        let layer = prompt().budget(budget.clone());
        let script = Script::new([with_header(
            503,
            "retry-after",
            if during_pause { "9" } else { "0" },
        )]);
        script.hang_readiness_after(1);
        let mut service = layer.layer(script);
        let mut call = Box::pin(service.call(get()));
        assert!((&mut call).now_or_never().is_none());
        assert_eq!(layer.balance(), 0.5);
        drop(call);
        assert_eq!(layer.balance(), 2.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_given_up_after_it_was_sent_is_spent() {
    let layer = prompt().budget(Budget::new(2));
    let nine = Duration::from_secs(9);
    let script = Script::slow([(Duration::ZERO, status(503)), (nine, status(200))]);
    let mut service = layer.layer(script.clone());
    let mut call = Box::pin(service.call(get()));
    assert!((&mut call).now_or_never().is_none());
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(script.calls(), 2);
    drop(call);
    assert_eq!(layer.balance(), 1.0);
}
