//! Replays after a 401 that has led to a newer credential.

use std::time::Duration;

use call_context::{Refusal, SlotName};
use futures_util::future::join_all;
use retry_layer::{Budget, RetryLayer, Stop};
use tokio::time::Instant;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_renewed_call_is_replayed_at_once_also_a_post_and_without_a_budget() {
    let layer = RetryLayer::new().budget(Budget::new(0));
    let start = Instant::now();
    let script = Script::new([renewed(), status(200)]);
    let outcome = run(&layer, &script, post()).await;
    assert_eq!(outcome.expect("a response").status(), 200);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(script.seen()[1].attempt, 2);
    assert_eq!(script.seen()[1].body, "an order");
    assert_eq!(layer.counters().replays_after_401(), 1);
    assert_eq!(layer.counters().retries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_401_without_a_newer_credential_is_final() {
    let script = Script::new([response(401, "refused")]);
    let outcome = run(&prompt(), &script, get()).await.expect("a response");
    assert_eq!(text(outcome).await, "refused");
}

#[tokio::test(start_paused = true)]
async fn a_401_for_ever_is_replayed_once() {
    let layer = prompt().attempts(9);
    let script = Script::new([renewed(), renewed()]);
    let outcome = run(&layer, &script, get()).await.expect("a response");
    assert_eq!(outcome.status(), 401);
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_mark_counts_on_a_401_alone() {
    let mut answer = status(403).expect("a response");
    answer.extensions_mut().insert(call_context::Renewed);
    let script = Script::new([Ok(answer)]);
    let outcome = run(&prompt(), &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 403);
}

#[tokio::test(start_paused = true)]
async fn the_replay_comes_on_top_of_the_attempts() {
    let layer = prompt().attempts(2);
    let script = Script::new([status(503), renewed(), status(200)]);
    let outcome = run(&layer, &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 200);

    let script = Script::new([renewed(), status(503), status(503)]);
    let outcome = run(&layer, &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(script.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_replay_leaves_the_401() {
    let layer = prompt();
    let script = Script::new([renewed(), never_left(Refusal::Permanent)]);
    let outcome = run(&layer, &script, post()).await.expect("a response");
    assert_eq!(outcome.status(), 401);
    assert_eq!(text(outcome).await, "refused");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_late_401s_after_one_renewal_all_go_through() {
    let layer = prompt();
    let outcomes = join_all((0..1000).map(async |_| {
        let script = Script::new([renewed(), status(200)]);
        run(&layer, &script, post()).await.expect("a response")
    }));
    assert!(outcomes.await.iter().all(|outcome| outcome.status() == 200));
    assert_eq!(layer.counters().replays_after_401(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_slot_whose_fresh_credentials_are_refused_is_not_replayed_for_ever() {
    let refused = |slot: &'static str| {
        let mut answer = renewed().expect("a response");
        answer.extensions_mut().insert(SlotName::from(slot));
        Ok(answer)
    };
    let layer = prompt();
    let mut sent = 0;
    for _ in 0..200 {
        let script = Script::new([refused("wallet"), refused("wallet")]);
        run(&layer, &script, get()).await.expect("a response");
        sent += script.calls();
    }
    assert_eq!(sent, 200 + 100);
    assert_eq!(layer.counters().stopped(Stop::Renewals), 100);

    // Other slots are not held to account for it, and time heals.
    let script = Script::new([refused("business"), status(200)]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.calls(), 2);
    tokio::time::advance(Duration::from_secs(1)).await;
    let script = Script::new([refused("wallet"), status(200)]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_overdraws_the_credit_locks_the_slot_for_101_seconds() {
    let layer = prompt();
    // All are under way before the first one is back.
    let burst = (0..1000).map(async |_| {
        let soon = Duration::from_millis(100);
        let script = Script::slow([(soon, renewed()), (soon, renewed())]);
        run(&layer, &script, get()).await.expect("a response");
        script.calls()
    });
    let sent: usize = join_all(burst).await.into_iter().sum();
    assert_eq!(sent, 2000);
    for (pause, calls) in [(Duration::from_secs(100), 1), (Duration::from_secs(1), 2)] {
        tokio::time::advance(pause).await;
        let script = Script::new([renewed(), status(200)]);
        run(&layer, &script, get()).await.expect("a response");
        assert_eq!(script.calls(), calls, "{pause:?}");
    }
}
