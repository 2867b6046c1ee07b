//! One fetch at a time, whoever asks and whoever goes away.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use auth_layer::Reason;
use call_context::CallContext;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::log::Log;
use crate::support::{
    Client, SECOND, Supply, at_once, client, never, refused, request, send, token,
};

/// A thousand callers at once: what each of them got.
async fn thousand(client: &Client) -> Vec<String> {
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let client = client.clone();
        callers.spawn(async move { send(&client).await.expect("a token") });
    }
    callers.join_all().await
}

/// A runtime that only runs while somebody blocks on it.
fn paused() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    builder.build().expect("a runtime")
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_on_an_empty_slot_make_one_token_request() {
    let supply = Supply::default();
    let (auth, _, client) = client(supply.steady(SECOND, SECOND * 3600));
    let start = Instant::now();
    assert_eq!(thousand(&client).await, vec!["Bearer t1"; 1000]);
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(supply.fetches(), 1);
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!(
        (counts.fetches, counts.failures, counts.renewals),
        (1, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_leader_does_not_cancel_the_fetch() {
    let supply = Supply::default();
    let (_, _, client) = client(supply.steady(SECOND, SECOND * 3600));
    let leader = tokio::time::timeout(SECOND / 2, send(&client));
    assert!(leader.await.is_err(), "cancelled half-way");
    assert_eq!(thousand(&client).await, vec!["Bearer t1"; 1000]);
    assert_eq!(supply.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_panics_while_it_waits_does_not_cancel_the_fetch() {
    let supply = Supply::default();
    let (auth, _, client) = client(supply.steady(SECOND, SECOND * 3600));
    let start = Instant::now();
    let leading = client.clone();
    let leader = tokio::spawn(async move {
        tokio::select! {
            biased;
            got = send(&leading) => got,
            () = tokio::time::sleep(SECOND / 2) => panic!("the leader's task goes wrong elsewhere"),
        }
    });
    tokio::task::yield_now().await;
    let counts = || auth.token("wallet").expect("a token slot").counts();
    assert_eq!(counts().fetches, 1, "the leader has started it");
    assert_eq!(thousand(&client).await, vec!["Bearer t1"; 1000]);
    assert_eq!(start.elapsed(), SECOND);
    assert!(leader.await.expect_err("it unwound").is_panic());
    assert_eq!(supply.fetches(), 1);
    assert_eq!((counts().fetches, counts().failures), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_source_is_one_failed_fetch_and_one_pause_for_all() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => panic!("the source is broken"),
        2 => Box::pin(async { panic!("the source is still broken") }),
        _ => at_once(Ok(token(n))),
    });
    let (auth, _, client) = client(slot.backoff(SECOND * 2, SECOND * 2));
    let start = Instant::now();
    assert_eq!(thousand(&client).await, vec!["Bearer t3"; 1000]);
    assert_eq!(start.elapsed(), SECOND * 4);
    assert_eq!(supply.fetches(), 3);
    assert_eq!(
        auth.token("wallet")
            .expect("a token slot")
            .counts()
            .failures,
        2
    );
}

#[test]
fn a_dropped_runtime_wakes_the_waiters_who_start_another_fetch() {
    let supply = Supply::default();
    let asked = Arc::new(Notify::new());
    let slot = supply.slot({
        let asked = Arc::clone(&asked);
        move |n, _| {
            asked.notify_one();
            if n == 1 {
                never()
            } else {
                at_once(Ok(token(n)))
            }
        }
    });
    let (_, _, client) = client(slot);
    let leading = paused();
    leading.block_on(async {
        let leader = client.clone();
        tokio::spawn(async move { send(&leader).await });
        asked.notified().await;
    });
    let (got, elapsed) = paused().block_on(async {
        let start = Instant::now();
        let mut waiting = pin!(thousand(&client));
        let once = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending()));
        assert!(once.await);
        tokio::task::yield_now().await;
        // Not from here: a runtime cannot be dropped inside of another one.
        std::thread::spawn(move || drop(leading))
            .join()
            .expect("dropped");
        (waiting.await, start.elapsed())
    });
    assert_eq!(got, vec!["Bearer t2"; 1000]);
    assert_eq!(elapsed, Duration::ZERO);
    assert_eq!(supply.fetches(), 2);
}

#[test]
fn a_runtime_that_nobody_drives_holds_a_fetch_up_for_its_own_time_alone() {
    let supply = Supply::default();
    let release = Arc::new(Notify::new());
    let asked = Arc::new(Notify::new());
    let slot = supply.slot({
        let (release, asked) = (Arc::clone(&release), Arc::clone(&asked));
        move |n, _| {
            let (release, asked) = (Arc::clone(&release), Arc::clone(&asked));
            Box::pin(async move {
                if n == 1 {
                    asked.notify_one();
                    release.notified().await;
                }
                Ok(token(n).lifetime(SECOND * 3600))
            })
        }
    });
    let (auth, _, client) = client(slot.backoff(SECOND, SECOND));
    let frozen = paused();
    let start = frozen.block_on(async {
        let leader = client.clone();
        tokio::spawn(async move { send(&leader).await });
        asked.notified().await;
        Instant::now()
    });
    paused().block_on(async {
        assert_eq!(thousand(&client).await, vec!["Bearer t2"; 1000]);
        // Ten seconds for the fetch and one of pause; timers go by whole milliseconds, and the two paused clocks do not
        // begin at the same one.
        let waited = start.elapsed().as_millis();
        assert!((11_000..=11_002).contains(&waited), "{waited}");
    });
    assert_eq!(supply.fetches(), 2);

    // The frozen fetch thaws: its token is older than what is in use.
    release.notify_one();
    frozen.block_on(async {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    });
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!((counts.fetches, counts.renewals), (2, 0));
}

/// The refresh token of the next fetch, where the second fetch is frozen and brings `r2` after the third one has brought `third`.
fn next_refresh_token(third: Option<&'static str>) -> Option<String> {
    let release = Arc::new(Notify::new());
    let asked = Arc::new(Notify::new());
    let spent = Arc::new(Mutex::new(Vec::new()));
    let slot = Supply::default().slot({
        let (release, asked, spent) = (release.clone(), asked.clone(), spent.clone());
        move |n, fetch| {
            let (release, asked) = (release.clone(), asked.clone());
            let held = fetch.refresh_token().map(|token| token.expose().to_owned());
            spent.lock().expect("not poisoned").push(held);
            let grant = token(n).lifetime(SECOND * 3600);
            let grant = match (n, third) {
                (1, _) => grant.refresh_token("r1"),
                (2, _) => grant.refresh_token("r2"),
                (3, Some(third)) => grant.refresh_token(third),
                _ => grant,
            };
            Box::pin(async move {
                if n == 2 {
                    asked.notify_one();
                    release.notified().await;
                }
                Ok(grant)
            })
        }
    });
    let (auth, _, client) = client(slot.backoff(SECOND, SECOND));
    let wallet = auth.token("wallet").expect("a token slot");
    let frozen = paused();
    frozen.block_on(async {
        send(&client).await.expect("a token");
        wallet.invalidate();
        let leader = client.clone();
        tokio::spawn(async move { send(&leader).await });
        asked.notified().await;
    });
    paused().block_on(async {
        assert_eq!(send(&client).await.expect("a token"), "Bearer t3");
    });
    release.notify_one();
    frozen.block_on(async {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(send(&client).await.expect("a token"), "Bearer t3");
        wallet.invalidate();
        assert_eq!(send(&client).await.expect("a token"), "Bearer t4");
    });
    let spent = std::mem::take(&mut *spent.lock().expect("not poisoned"));
    assert_eq!(spent[..3], [None, Some("r1".into()), Some("r1".into())]);
    spent[3].clone()
}

#[test]
fn a_frozen_fetch_that_thaws_keeps_its_refresh_token_where_the_newer_one_has_brought_no_other() {
    let log = Log::default();
    let listening = log.listen();
    assert_eq!(next_refresh_token(None).as_deref(), Some("r2"));
    assert_eq!(next_refresh_token(Some("r1")).as_deref(), Some("r2"));
    assert!(!log.text().contains("is dropped"), "{}", log.text());
    assert_eq!(next_refresh_token(Some("r3")).as_deref(), Some("r3"));
    assert!(log.text().contains("is dropped"), "{}", log.text());
    drop(listening);
}

#[test]
fn a_fetch_that_was_never_polled_is_replaced_when_its_runtime_goes() {
    let supply = Supply::default();
    let (_, _, client) = client(supply.slot(|n, _| at_once(Ok(token(n)))));
    let leading = paused();
    {
        let _inside = leading.enter();
        let mut leader = pin!(client.clone().oneshot(request()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(leader.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(supply.fetches(), 0, "nobody drives the runtime");
    drop(leading);
    let got = paused().block_on(send(&client)).expect("a token");
    assert_eq!((got.as_str(), supply.fetches()), ("Bearer t1", 1));
}

#[test]
fn a_runtime_that_is_shut_down_gives_its_own_caller_an_error() {
    let supply = Supply::default();
    let (_, _, client) = client(supply.slot(|n, _| at_once(Ok(token(n)))));
    let runtime = paused();
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    let error = handle.block_on(send(&client)).expect_err("no runtime");
    assert_eq!(refused(&error).reason(), Reason::FetchLost);
    assert_eq!(
        error.to_string(),
        "credential slot `wallet`: the runtime that fetched the token was shut down"
    );
}

#[test]
fn outside_of_a_runtime_there_is_an_error_and_no_panic() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| at_once(Ok(token(n).lifetime(SECOND * 100))));
    let moved = Arc::new(AtomicU64::new(1000));
    let wall = Arc::clone(&moved);
    let (auth, _, client) = client(slot.wall_clock(move || {
        let seconds = wall.load(Ordering::SeqCst);
        std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }));
    let mut context = Context::from_waker(Waker::noop());
    let mut poll = || pin!(client.clone().oneshot(request())).poll(&mut context);

    let Poll::Ready(Err(error)) = poll() else {
        panic!("no error")
    };
    assert_eq!(refused(&error).reason(), Reason::NoRuntime);
    assert_eq!(
        error.to_string(),
        "credential slot `wallet`: a token can be fetched only inside of a tokio runtime"
    );

    paused().block_on(send(&client)).expect("a token");
    assert!(
        matches!(poll(), Poll::Ready(Ok(_))),
        "a fresh token needs no runtime"
    );
    moved.store(1090, Ordering::SeqCst);
    assert!(
        matches!(poll(), Poll::Ready(Ok(_))),
        "nor does one that is due"
    );
    assert_eq!(
        auth.token("wallet").expect("a token slot").counts().fetches,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_thirty_seconds_or_to_its_own_deadline() {
    let supply = Supply::default();
    let slot = supply.slot(|_, _| never());
    let (_, _, client) = client(slot.backoff(SECOND, SECOND));
    let start = Instant::now();
    let error = send(&client).await.expect_err("no token");
    assert_eq!(refused(&error).reason(), Reason::TimedOut);
    assert_eq!(
        error.to_string(),
        "credential slot `wallet`: no token came within 30s, the longest that the slot lets a request wait (`Slot::wait`)"
    );
    assert_eq!(start.elapsed(), SECOND * 30);
    // Tried at 0, 11 and 22 s, for 10 s each.
    assert_eq!(supply.fetches(), 3);

    let mut hasty = request();
    let deadline = Instant::now() + SECOND / 4;
    CallContext::of(hasty.extensions_mut()).limit_deadline(deadline.into_std());
    let error = client.clone().oneshot(hasty).await.expect_err("too late");
    assert_eq!(Instant::now(), deadline);
    assert_eq!(
        error.to_string(),
        "credential slot `wallet`: no token came within 250ms, when the call's deadline passed"
    );
}

/// Real threads: the order in which they meet is different each time, and the outcome must not be.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_meet_over_refused_tokens_never_start_two_fetches_at_once() {
    let (running, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let supply = Supply::default();
    let slot = supply.slot({
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        move |n, _| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            Box::pin(async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(token(n).expires_in(3600))
            })
        }
    });
    let pause = Duration::from_millis(1);
    let (auth, server, client) = client(slot.backoff(pause, pause));
    let mut callers = JoinSet::new();
    for caller in 0..8 {
        let (client, server) = (client.clone(), server.clone());
        callers.spawn(async move {
            for n in 0..100 {
                let seen = match send(&client).await {
                    Ok(seen) => seen,
                    Err(error) => {
                        // Another thread threw the token away between this one's gate and its attacher.
                        assert_eq!(refused(&error).reason(), Reason::NotUsable);
                        continue;
                    }
                };
                if n % 10 == caller {
                    server.refuse(seen.strip_prefix("Bearer ").expect("a bearer"));
                }
            }
        });
    }
    callers.join_all().await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!((counts.fetches, counts.failures), (supply.fetches(), 0));
    // A token that is refused is either replaced, or was the last one.
    assert!(counts.rejections - counts.renewals <= 1, "{counts:?}");
}
