//! Calls that finish behind callers that drop them.
#![cfg(not(loom))]

mod support;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use call_context::BoxError;
use futures_util::{FutureExt, poll};
use http::{Request, Response};
use rate_layer::{DetachedRateLimit, Quota, RateLayer, SECOND, Window};
use support::{MS, Server, request, settle};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

/// One place a second, held for 1010 ms; and for 3010 ms after abandonment.
fn one() -> Window {
    Window::new(Quota::rolling(1, SECOND).grace(2 * SECOND))
}

fn detached(window: &Window, server: &Server) -> DetachedRateLimit<Server> {
    let layer = RateLayer::new(window.clone()).max_wait(60 * SECOND);
    layer.detach().layer(server.clone())
}

type Call = Pin<Box<dyn Future<Output = Result<Response<()>, BoxError>> + Send>>;

/// A call that has begun.
async fn begun(client: &DetachedRateLimit<Server>) -> Call {
    let mut call: Call = Box::pin(client.clone().oneshot(request()));
    assert!(poll!(&mut call).is_pending());
    call
}

fn paused() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

#[tokio::test(start_paused = true)]
async fn dropped_in_flight_the_call_finishes_and_its_place_closes_exactly_at_the_answer() {
    let (window, server) = (one(), Server::with_latency(400 * MS));
    let client = detached(&window, &server);
    let start = Instant::now();
    let call = begun(&client).await;
    sleep(100 * MS).await;
    drop(call);
    settle().await;
    assert_eq!(window.snapshot().in_flight, 1, "it goes on");
    client.oneshot(request()).await.expect("served");
    let seen = server.seen();
    assert_eq!(
        seen[0].counted_by,
        Some(start + 400 * MS),
        "the server has answered it"
    );
    assert_eq!(seen[1].departed - start, 400 * MS + 1_010 * MS, "no grace");
    assert_eq!(window.snapshot().counts.abandoned, 0);
}

#[tokio::test(start_paused = true)]
async fn awaited_it_answers_as_ever() {
    let (window, server) = (one(), Server::with_latency(400 * MS));
    let client = detached(&window, &server);
    let start = Instant::now();
    for _ in 0..2 {
        client.clone().oneshot(request()).await.expect("served");
    }
    assert_eq!(start.elapsed(), 2 * 400 * MS + 1_010 * MS);
    assert_eq!(window.snapshot().counts.admitted, 2);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_waits_nothing_is_sent() {
    let (window, server) = (one(), Server::with_latency(Duration::ZERO));
    let client = detached(&window, &server);
    client.clone().oneshot(request()).await.expect("at once");
    let waits = begun(&client).await;
    assert_eq!(window.snapshot().waiting, 1);
    drop(waits);
    assert_eq!(
        (window.snapshot().waiting, window.snapshot().in_flight),
        (0, 0)
    );
    sleep(10 * SECOND).await;
    assert_eq!(server.departures().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up_behind_the_caller_too() {
    for (dropped, name) in [(true, "dropped"), (false, "awaited")] {
        let (window, server) = (one(), Server::with_latency(600 * SECOND));
        let layer = RateLayer::new(window.clone())
            .answer_within(5 * SECOND)
            .max_wait(60 * SECOND);
        let client = layer.detach().layer(server.clone());
        let start = Instant::now();
        let call = begun(&client).await;
        sleep(SECOND).await;
        if dropped {
            drop(call);
        } else {
            call.await.expect_err("hung");
            assert_eq!(start.elapsed(), 5 * SECOND);
        }
        sleep(start + 5 * SECOND + MS - Instant::now()).await;
        assert_eq!(
            server.seen()[0].counted_by,
            Some(start + 15 * SECOND),
            "{name}: given up at 5 s"
        );
        let snapshot = window.snapshot();
        assert_eq!((snapshot.used, snapshot.counts.abandoned), (1, 1), "{name}");
        assert_eq!(snapshot.next_free, 3_010 * MS - MS, "{name}");
    }
}

#[test]
fn dropped_outside_of_a_runtime_it_goes_on_in_the_one_that_polled_it() {
    let runtime = paused();
    let server = Server::with_latency(400 * MS);
    let (window, call) = runtime.block_on(async {
        let window = one();
        let call = begun(&detached(&window, &server)).await;
        (window, call)
    });
    drop(call);
    runtime.block_on(async {
        assert_eq!(window.snapshot().in_flight, 1);
        sleep(401 * MS).await;
        let snapshot = window.snapshot();
        assert_eq!(
            (snapshot.in_flight, snapshot.used, snapshot.counts.abandoned),
            (0, 1, 0)
        );
        assert_eq!(snapshot.next_free, 1_010 * MS - MS);
    });
}

#[test]
fn a_runtime_that_shuts_down_abandons_it() {
    for dropped_first in [true, false] {
        let runtime = paused();
        let server = Server::with_latency(400 * MS);
        let (window, call) = runtime.block_on(async {
            let window = one();
            let call = begun(&detached(&window, &server)).await;
            (window, call)
        });
        if dropped_first {
            drop(call);
            drop(runtime);
        } else {
            drop(runtime);
            drop(call);
        }
        let snapshot = window.snapshot();
        assert_eq!((snapshot.in_flight, snapshot.used), (0, 1));
        assert_eq!(snapshot.counts.abandoned, 1);
    }
}

#[test]
fn without_a_runtime_it_serves_what_need_not_wait_and_abandons_what_is_dropped() {
    let window = Window::new(Quota::rolling(2, SECOND));
    let prompt = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) });
    let client = RateLayer::new(window.clone()).detach().layer(prompt);
    let answer = client.oneshot(request()).now_or_never();
    answer.expect("no need to wait").expect("served");
    assert_eq!(
        (window.snapshot().used, window.snapshot().counts.abandoned),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_below_is_the_callers_and_leaves_the_place_abandoned() {
    for panics_at in [0, 1] {
        let window = one();
        let polls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&polls);
        let panics = service_fn(move |_: Request<()>| {
            let polls = Arc::clone(&counted);
            async move {
                let seen = polls.fetch_add(1, Ordering::Relaxed);
                assert!(seen != panics_at, "in the first poll");
                tokio::task::yield_now().await;
                polls.fetch_add(1, Ordering::Relaxed);
                assert!(seen + 1 != panics_at, "in the second poll");
                Ok::<_, BoxError>(Response::new(()))
            }
        });
        let client = RateLayer::new(window.clone()).detach().layer(panics);
        let call = AssertUnwindSafe(client.oneshot(request()));
        call.catch_unwind().await.expect_err("a panic");
        let snapshot = window.snapshot();
        assert_eq!((snapshot.used, snapshot.counts.abandoned), (1, 1));
        // Nothing is left to go on.
        let alive = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(alive, 0);
        settle().await;
        assert_eq!(polls.load(Ordering::Relaxed), panics_at + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_behind_a_dropped_caller_leaves_the_place_abandoned() {
    let window = one();
    let panics = service_fn(|_: Request<()>| async {
        sleep(100 * MS).await;
        panic!("behind the caller");
        #[expect(unreachable_code, reason = "says what the service would return")]
        Ok::<_, BoxError>(Response::new(()))
    });
    let client = RateLayer::new(window.clone()).detach().layer(panics);
    let mut call = Box::pin(client.oneshot(request()));
    assert!(poll!(&mut call).is_pending());
    drop(call);
    sleep(101 * MS).await;
    let snapshot = window.snapshot();
    assert_eq!((snapshot.used, snapshot.counts.abandoned), (1, 1));
    assert_eq!(snapshot.next_free, 3_010 * MS - MS);
}
