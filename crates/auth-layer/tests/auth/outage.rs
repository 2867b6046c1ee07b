//! A source that fails while calls wait between gate and attacher.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_layer::{Slot, SourceError};
use tokio::time::{Instant, sleep};

use crate::keeper::alive;
use crate::queue::{DAY, MILLISECOND, Stack, until};
use crate::support::{SECOND, Supply, after, at_once, send, token};

/// A source that notes when it is asked, and fails while it is `down`.
fn failing(supply: &Supply) -> (Slot, Arc<AtomicBool>, Arc<Mutex<Vec<Instant>>>) {
    let (down, asked) = (
        Arc::<AtomicBool>::default(),
        Arc::<Mutex<Vec<_>>>::default(),
    );
    let (is_down, times) = (Arc::clone(&down), Arc::clone(&asked));
    let slot = supply.slot(move |n, _| {
        times.lock().expect("no panic").push(Instant::now());
        if is_down.load(Ordering::SeqCst) {
            return after(SECOND, Err(SourceError::temporary("down")));
        }
        at_once(Ok(token(n).lifetime(SECOND * 100)))
    });
    (slot, down, asked)
}

fn since(asked: &Mutex<Vec<Instant>>, start: Instant) -> Vec<Duration> {
    let asked = asked.lock().expect("no panic");
    asked.iter().map(|&at| at - start).collect()
}

#[tokio::test(start_paused = true)]
async fn while_the_source_is_down_attempts_follow_the_backoff_exactly() {
    let supply = Supply::default();
    let (slot, down, asked) = failing(&supply);
    // Without a soft window there is no jitter: due as it ends, at 99 s.
    let slot = slot.soft(Duration::ZERO).backoff(SECOND * 7, SECOND * 7);
    let stack = Stack::new(slot);
    let start = Instant::now();
    let calls = stack.calls(30);
    until(start, SECOND).await;
    down.store(true, Ordering::SeqCst);
    // Each attempt fails after a second, and seven seconds of pause follow.
    until(start, SECOND * (99 + 8 * 20) - MILLISECOND).await;
    down.store(false, Ordering::SeqCst);
    until(start, SECOND * (99 + 8 * 20) + MILLISECOND).await;
    let mut expected = vec![Duration::ZERO];
    expected.extend((0..=20).map(|n| SECOND * (99 + 8 * n)));
    assert_eq!(since(&asked, start), expected);

    stack.release(30);
    for token in calls.join_all().await {
        assert_eq!(token.expect("a token"), "Bearer t22");
    }
    sleep(DAY).await;
    assert_eq!(supply.fetches(), 22);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_a_call_at_the_gate_began_is_tried_again_for_those_who_wait() {
    let supply = Supply::default();
    let (slot, down, asked) = failing(&supply);
    let stack = Stack::new(slot.backoff(SECOND * 2, SECOND * 2));
    stack.release(1);
    send(&stack.client).await.expect("a token");
    // The first keeper has found nobody at soft expiry, and has ended.
    sleep(SECOND * 90).await;
    assert_eq!(supply.fetches(), 1);
    down.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let calls = stack.calls(1);
    sleep(SECOND * 2).await;
    down.store(false, Ordering::SeqCst);
    sleep(SECOND + MILLISECOND).await;
    assert_eq!(since(&asked, start)[1..], [Duration::ZERO, SECOND * 3]);
    stack.release(1);
    for token in calls.join_all().await {
        assert_eq!(token.expect("a token"), "Bearer t3");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_stop_when_the_callers_go_away_during_an_outage() {
    let supply = Supply::default();
    let (slot, down, asked) = failing(&supply);
    let slot = slot.soft(Duration::ZERO).backoff(SECOND * 7, SECOND * 7);
    let stack = Stack::new(slot);
    let start = Instant::now();
    let mut calls = stack.calls(30);
    until(start, SECOND).await;
    down.store(true, Ordering::SeqCst);
    until(start, SECOND * 110).await;
    calls.shutdown().await;
    sleep(DAY).await;
    let expected = [Duration::ZERO, SECOND * 99, SECOND * 107];
    assert_eq!(since(&asked, start), expected);
    assert_eq!(alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_refusal_stops_the_keeper_until_something_changes() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        2 => at_once(Err(SourceError::permanent("revoked"))),
        _ => at_once(Ok(token(n).lifetime(SECOND * 1000))),
    });
    let stack = Stack::new(slot);
    let calls = stack.calls(30);
    sleep(DAY).await;
    assert_eq!(supply.fetches(), 2);
    stack.auth.token("wallet").expect("a token slot").changed();
    sleep(SECOND).await;
    stack.release(30);
    for token in calls.join_all().await {
        assert_eq!(token.expect("a token"), "Bearer t3");
    }
}
