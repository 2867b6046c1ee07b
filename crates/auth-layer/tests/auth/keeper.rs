//! The keeper by itself: how fast it is, and when it ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use auth_layer::{Reason, SourceError};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::queue::{DAY, MILLISECOND, Stack, until};
use crate::support::{
    Answer, SECOND, Supply, after, at_once, client, never, reason, refused, send, token, wall,
};

#[tokio::test(start_paused = true)]
async fn however_short_tokens_live_a_keeper_leaves_a_tenth_of_a_second_between_them() {
    for (latency, lifetime, fetches) in [
        (0, 1, 10),
        (0, 50, 10),
        (0, 1000, 2),
        // Due as it comes: one each 185 ms.
        (85, 100, 6),
    ] {
        let supply = Supply::default();
        let stack = Stack::new(supply.steady(MILLISECOND * latency, MILLISECOND * lifetime));
        let start = Instant::now();
        let calls = stack.calls(30);
        until(start, MILLISECOND * 950).await;
        assert_eq!(supply.fetches(), fetches, "{lifetime} ms");
        drop(calls);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_of_tokens_without_any_lifetime_is_asked_at_the_pace_of_the_backoff() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| {
        let lifetime = if n == 1 { SECOND } else { Duration::ZERO };
        at_once(Ok(token(n).lifetime(lifetime)))
    });
    let stack = Stack::new(slot.backoff(SECOND * 5, SECOND * 5));
    let start = Instant::now();
    let calls = stack.calls(30);
    // At 0.8 to 0.85 s, and each five seconds from then on.
    until(start, SECOND * 100).await;
    assert_eq!(supply.fetches(), 21);
    stack.release(30);
    for error in calls.join_all().await {
        let error = error.expect_err("no token");
        assert_eq!(refused(&error).reason(), Reason::NotUsable);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_by_the_wall_clock_alone_is_renewed_for_those_who_wait() {
    let supply = Supply::default();
    let (slept, now) = wall();
    let slot = supply.steady(SECOND, SECOND * 1800);
    let stack = Stack::on(slot.wall_clock(now));
    let calls = stack.calls(30);
    sleep(SECOND * 100).await;
    // The machine sleeps for an hour, and its monotonic clock with it.
    slept.store(3600, Ordering::SeqCst);
    sleep(SECOND * 12).await;
    assert_eq!(supply.fetches(), 2);
    stack.release(30);
    for token in calls.join_all().await {
        assert_eq!(token.expect("a token"), "Bearer t2");
    }
}

/// Tasks on this runtime, the test itself aside.
pub(crate) fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn the_keeper_ends_with_its_slot() {
    let scripts: [fn() -> Answer; 2] = [
        || at_once(Ok(token(1))),
        || at_once(Ok(token(1).lifetime(DAY))),
    ];
    for script in scripts {
        let supply = Supply::default();
        let stack = Stack::new(supply.slot(move |_, _| script()));
        stack.release(1);
        send(&stack.client).await.expect("a token");
        assert_eq!(alive(), 1);
        let start = Instant::now();
        drop(stack);
        tokio::task::yield_now().await;
        assert_eq!((alive(), start.elapsed()), (0, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_has_one_keeper_however_many_tokens_it_had() {
    let supply = Supply::default();
    let (auth, _, client) = client(supply.steady(Duration::ZERO, DAY));
    for _ in 0..100 {
        send(&client).await.expect("a token");
        auth.token("wallet").expect("a token slot").invalidate();
    }
    assert_eq!(supply.fetches(), 100);
    tokio::task::yield_now().await;
    assert!(alive() <= 1, "{}", alive());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_at_the_gate_and_below_it_share_one_fetch() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => at_once(Ok(token(n).lifetime(SECOND * 100))),
        2 => never(),
        _ => after(SECOND, Ok(token(n).lifetime(SECOND * 100))),
    });
    let slot = slot.soft(Duration::ZERO).backoff(SECOND * 4, SECOND * 4);
    let stack = Stack::new(slot);
    let start = Instant::now();
    let below = stack.calls(30);
    // The second fetch runs from 99 to 109 s, the third one from 113 s.
    until(start, SECOND * 105).await;
    let above = stack.calls(30);
    until(start, SECOND * 114).await;
    stack.release(60);
    for calls in [below, above] {
        for token in calls.join_all().await {
            assert_eq!(token.expect("a token"), "Bearer t3");
        }
    }
    assert_eq!(supply.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_keeper_itself_asks_nobody_where_a_call_gives_up_at_the_gate() {
    let supply = Supply::default();
    let slot = supply.slot(|_, _| at_once(Err(SourceError::temporary("down"))));
    let stack = Stack::new(slot.backoff(SECOND * 40, SECOND * 40));
    assert_eq!(reason(&stack.client).await, Reason::BackingOff);
    sleep(DAY).await;
    assert_eq!(supply.fetches(), 1);
}
