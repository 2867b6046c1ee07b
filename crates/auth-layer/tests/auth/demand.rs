//! Calls that wait between gate and attacher, and the keeper that renews the token for them.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_layer::{Auth, Reason, Slot, SourceError};
use call_context::BoxError;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{
    Answer, Client, SECOND, Supply, after, at_once, client, never, reason, refused, request, send,
    to, token, wall,
};

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A gate above a queue above an attacher. A call leaves the queue by a permit, in order; `/refused` answers 401.
struct Stack {
    auth: Auth,
    queue: Arc<Semaphore>,
    client: Client,
}

impl Stack {
    /// On a wall clock that is paused as well: some tokens here live for milliseconds.
    fn new(slot: Slot) -> Self {
        let (_, now) = wall();
        Self::on(slot.wall_clock(now))
    }

    fn on(slot: Slot) -> Self {
        let auth = Auth::single(slot).expect("a valid slot");
        let queue = Arc::new(Semaphore::new(0));
        let echo = service_fn(async |request: Request<String>| {
            let credential = &request.headers()[AUTHORIZATION];
            let credential = credential.to_str().expect("visible ASCII").to_owned();
            let mut response = Response::new(credential);
            if request.uri().path() == "/refused" {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok::<_, Infallible>(response)
        });
        let attached = auth.attach().layer(echo);
        let places = Arc::clone(&queue);
        let queued = service_fn(move |request: Request<String>| {
            let (attached, places) = (attached.clone(), Arc::clone(&places));
            async move {
                places.acquire_owned().await?.forget();
                attached.oneshot(request).await
            }
        });
        let client = BoxCloneSyncService::new(auth.gate().layer(queued));
        Self {
            auth,
            queue,
            client,
        }
    }

    /// So many calls, and the token of each once it has left the queue.
    fn calls(&self, calls: usize) -> JoinSet<Result<String, BoxError>> {
        let mut set = JoinSet::new();
        for _ in 0..calls {
            let client = self.client.clone();
            set.spawn(async move { send(&client).await });
        }
        set
    }

    fn release(&self, calls: usize) {
        self.queue.add_permits(calls);
    }
}

async fn until(start: Instant, elapsed: Duration) {
    tokio::time::sleep_until(start + elapsed).await;
}

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
fn alive() -> usize {
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
