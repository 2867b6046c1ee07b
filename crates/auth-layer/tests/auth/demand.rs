//! Calls that wait between gate and attacher, and the renewals that happen for them.

use std::convert::Infallible;

use auth_layer::Auth;
use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::queue::{DAY, MILLISECOND, Stack, until};
use crate::support::{SECOND, Supply, request, send, to};

#[tokio::test(start_paused = true)]
async fn calls_queue_for_many_lifetimes_and_depart_with_the_newest_token() {
    let supply = Supply::default();
    let stack = Stack::new(supply.steady(SECOND * 2, SECOND * 100));
    let start = Instant::now();
    let mut calls = stack.calls(30);
    // Each renewal starts 80 to 85 s after the one before it: the n-th from 80 n to 85 n seconds.
    for renewals in 1..=10_u32 {
        until(start, SECOND * (85 * renewals + 2)).await;
        assert_eq!(supply.fetches(), u64::from(renewals) + 1);
        stack.release(3);
        for _ in 0..3 {
            let token = calls.join_next().await.expect("a call").expect("no panic");
            assert_eq!(token.expect("a token"), format!("Bearer t{}", renewals + 1));
        }
    }
    assert!(calls.is_empty());
    sleep(DAY).await;
    assert_eq!(supply.fetches(), 11, "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn thirty_calls_outwait_tokens_of_two_and_a_half_seconds() {
    let supply = Supply::default();
    let lifetime = MILLISECOND * 2500;
    let stack = Stack::new(supply.steady(MILLISECOND * 100, lifetime));
    let calls = stack.calls(30);
    // Each renewal starts 2 to 2.125 s after the one before it.
    sleep(MILLISECOND * 9900).await;
    stack.release(30);
    for token in calls.join_all().await {
        assert_eq!(token.expect("a token"), "Bearer t5");
    }
    assert_eq!(supply.fetches(), 5);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_renewed_where_nobody_waits() {
    let supply = Supply::default();
    let stack = Stack::new(supply.steady(SECOND, SECOND * 100));
    stack.release(2);
    for (token, fetches) in [("Bearer t1", 1), ("Bearer t2", 2)] {
        assert_eq!(send(&stack.client).await.expect("a token"), token);
        sleep(DAY).await;
        assert_eq!(supply.fetches(), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_departed_wants_no_other_token() {
    let supply = Supply::default();
    let auth = Auth::single(supply.steady(SECOND, SECOND * 100)).expect("a valid slot");
    let slow = service_fn(async |_: Request<String>| {
        sleep(DAY).await;
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let answer = auth.layer().layer(slow).oneshot(request()).await;
    answer.expect("an answer");
    assert_eq!(supply.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answered_call_counts_no_more_though_its_future_is_kept() {
    let supply = Supply::default();
    let stack = Stack::new(supply.steady(SECOND, SECOND * 100));
    stack.release(1);
    let mut client = stack.client.clone();
    let mut call = client.ready().await.expect("ready").call(request());
    (&mut call).await.expect("an answer");
    sleep(DAY).await;
    assert_eq!(supply.fetches(), 1);
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn renewals_stop_when_the_callers_go_away() {
    let supply = Supply::default();
    let stack = Stack::new(supply.steady(SECOND, SECOND * 100));
    let start = Instant::now();
    let mut calls = stack.calls(30);
    until(start, SECOND * 180).await;
    assert_eq!(supply.fetches(), 3);
    calls.shutdown().await;
    sleep(DAY).await;
    assert_eq!(supply.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_thrown_away_is_fetched_anew_for_those_who_wait() {
    let supply = Supply::default();
    let stack = Stack::new(supply.steady(SECOND, SECOND * 3600));
    let calls = stack.calls(30);
    sleep(SECOND * 5).await;
    stack
        .auth
        .token("wallet")
        .expect("a token slot")
        .invalidate();
    sleep(SECOND).await;
    assert_eq!(supply.fetches(), 2);
    sleep(SECOND).await;
    stack.release(30);
    for token in calls.join_all().await {
        assert_eq!(token.expect("a token"), "Bearer t2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_for_those_who_wait_though_its_caller_goes_away() {
    let supply = Supply::default();
    let slot = supply.steady(SECOND, SECOND * 3600);
    let stack = Stack::new(slot.backoff(SECOND * 5, SECOND * 5));
    let refused = to("https://api.example.com/refused");
    let caller = tokio::spawn(stack.client.clone().oneshot(refused));
    sleep(SECOND * 2).await;
    let calls = stack.calls(30);
    sleep(SECOND).await;
    stack.release(1);
    sleep(SECOND).await;
    // Nothing was accepted yet, so that the caller waits for the end of a pause. It does not live to see it.
    caller.abort();
    sleep(SECOND * 6).await;
    assert_eq!(supply.fetches(), 2);
    stack.release(30);
    for token in calls.join_all().await {
        assert_eq!(token.expect("a token"), "Bearer t2");
    }
}
