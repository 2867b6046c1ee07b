//! A token endpoint that is down, or gives tokens that nobody accepts, under more load than any program has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use auth_layer::{Auth, Reason, SourceError};
use call_context::BoxError;
use http::{Request, Response, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Answer, SECOND, Supply, at_once, client, reason, request, token};

/// Sends ten thousand requests a second, for so many seconds; gives the moments at which the source was asked.
async fn attempts_under_load(seconds: u32, answer: fn() -> Answer) -> Vec<Duration> {
    let supply = Supply::default();
    let asked = Arc::<Mutex<Vec<Instant>>>::default();
    let times = Arc::clone(&asked);
    let slot = supply.slot(move |_, _| {
        times.lock().expect("no panic").push(Instant::now());
        answer()
    });
    // Nobody waits through a pause.
    let slot = slot.backoff(SECOND * 7, SECOND * 7).wait(SECOND / 1000);
    let (auth, server, client) = client(slot);
    let start = Instant::now();
    for _ in 0..seconds * 10 {
        let mut callers = JoinSet::new();
        for _ in 0..10 {
            let client = client.clone();
            callers.spawn(async move {
                for _ in 0..100 {
                    assert_eq!(reason(&client).await, Reason::BackingOff);
                }
            });
        }
        callers.join_all().await;
        sleep(SECOND / 10).await;
    }
    assert_eq!(start.elapsed(), SECOND * seconds);
    assert_eq!(server.seen().len(), 0);
    let counts = auth.token("wallet").expect("a token slot").counts();
    let asked = asked.lock().expect("no panic");
    assert_eq!(u64::try_from(asked.len()).expect("few"), counts.fetches);
    asked.iter().map(|&at| at - start).collect()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_a_second_make_one_attempt_a_backoff_step() {
    let down = || at_once(Err(SourceError::temporary("down")));
    let attempts = attempts_under_load(15, down).await;
    assert_eq!(attempts, [0, 7, 14].map(Duration::from_secs));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_a_second_leave_an_endpoint_alone_for_as_long_as_it_asks() {
    let busy = || at_once(Err(SourceError::temporary("busy").retry_after(SECOND * 10)));
    let attempts = attempts_under_load(15, busy).await;
    assert_eq!(attempts, [0, 10].map(Duration::from_secs));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_a_second_whose_fresh_tokens_are_refused_fetch_one_a_step() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| at_once(Ok(token(n).lifetime(SECOND * 3600))));
    let slot = slot.backoff(SECOND * 7, SECOND * 7).wait(SECOND / 1000);
    let auth = Auth::single(slot).expect("a valid slot");
    let seen = Arc::<AtomicU64>::default();
    let count = Arc::clone(&seen);
    let api = service_fn(move |_: Request<String>| {
        count.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        async move { Ok::<_, BoxError>(response) }
    });
    let client = auth.layer().layer(api);
    for _ in 0..150 {
        for _ in 0..1000 {
            match client.clone().oneshot(request()).await {
                Ok(response) => assert_eq!(response.status(), StatusCode::UNAUTHORIZED),
                Err(error) => {
                    let reason = crate::support::refused(&error).reason();
                    assert_eq!(reason, Reason::BackingOff);
                }
            }
        }
        sleep(SECOND / 10).await;
    }
    // At 0, 7 and 14 s; each token is sent once.
    assert_eq!(supply.fetches(), 3);
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[test]
fn callers_on_many_runtimes_make_one_attempt_a_backoff_step() {
    const STEP: Duration = Duration::from_millis(200);
    const ATTEMPTS: u64 = 6;
    let supply = Supply::default();
    let asked = Arc::<Mutex<Vec<Instant>>>::default();
    let times = Arc::clone(&asked);
    let slot = supply.slot(move |_, _| {
        times.lock().expect("no panic").push(Instant::now());
        at_once(Err(SourceError::temporary("down")))
    });
    let slot = slot.backoff(STEP, STEP).wait(STEP / 20);
    let (_, _, client) = client(slot);
    let calls = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let start = Instant::now();
                    while supply.fetches() < ATTEMPTS && start.elapsed() < SECOND * 60 {
                        for _ in 0..100 {
                            crate::support::send(&client).await.expect_err("down");
                            calls.fetch_add(1, Ordering::SeqCst);
                        }
                        tokio::task::yield_now().await;
                    }
                });
            });
        }
    });
    let asked = asked.lock().expect("no panic");
    assert!(asked.len() >= 6, "{} attempts", asked.len());
    // Never sooner than a step after the one before, however many ask, and on whichever runtime.
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= STEP, "{:?}", pair[1] - pair[0]);
    }
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls >= 1000, "{calls} calls in about a second are no load");
}
