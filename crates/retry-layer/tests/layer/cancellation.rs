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
async fn what_a_dropped_call_took_out_of_the_budget_is_spent() {
    let budget = Budget::new(2);
    let layer = prompt().budget(budget.clone());
    let script = Script::new([with_header(503, "retry-after", "9")]);
    let mut service = layer.layer(script);
    let mut call = Box::pin(service.call(get()));
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    let now = tokio::time::Instant::now().into_std();
    assert_eq!(budget.balance(now), 1.0);
}
