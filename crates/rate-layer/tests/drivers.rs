//! Who looks after those who wait: one task on each runtime, as long as somebody waits there.
#![cfg(not(loom))]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use call_context::{BoxError, CallContext};
use futures_util::poll;
use http::Response;
use rate_layer::{Quota, RateError, RateErrorKind, RateLayer, RateLimit, SECOND, Window};
use support::{MS, Server, request, settle};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

type Call = Pin<Box<dyn Future<Output = Result<Response<()>, BoxError>> + Send>>;

fn client(window: &Window) -> RateLimit<Server> {
    RateLayer::new(window.clone())
        .max_wait(600 * SECOND)
        .layer(Server::with_latency(Duration::ZERO))
}

fn call(client: &RateLimit<Server>) -> Call {
    Box::pin(client.clone().oneshot(request()))
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn there_is_one_for_all_who_wait_and_none_when_nobody_does() {
    let window = Window::new(Quota::rolling(1, SECOND));
    let client = client(&window);
    call(&client).await.expect("at once");
    assert_eq!(tasks(), 0, "nobody has waited");
    let mut waiting: Vec<Call> = (0..100).map(|_| call(&client)).collect();
    for call in &mut waiting {
        assert!(poll!(call).is_pending());
    }
    settle().await;
    assert_eq!(tasks(), 1);
    waiting.truncate(1);
    settle().await;
    assert_eq!(tasks(), 1);
    drop(waiting);
    settle().await;
    assert_eq!(tasks(), 0, "it ends at once, though a place is yet to free");
    // Another one who waits has another one.
    let start = Instant::now();
    call(&client).await.expect("served");
    assert_eq!(start.elapsed(), 1_010 * MS);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_leaves_nothing_behind_when_the_client_goes() {
    let window = Window::new(Quota::rolling(1, SECOND));
    let client = client(&window);
    call(&client).await.expect("at once");
    let mut waits = call(&client);
    assert!(poll!(&mut waits).is_pending());
    drop((client, window, waits));
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_many_windows_under_one_lock_each_is_served_at_its_own_time() {
    const WINDOWS: u32 = 500;
    let first = Window::new(Quota::rolling(1, SECOND));
    let mut set = JoinSet::new();
    let start = Instant::now();
    for number in 0..WINDOWS {
        let window = first.beside(Quota::rolling(1, SECOND + number * MS));
        let client = client(&window);
        call(&client).await.expect("at once");
        set.spawn(async move {
            call(&client).await.expect("served");
            (number, start.elapsed())
        });
    }
    settle().await;
    assert_eq!(tasks(), WINDOWS as usize + 1);
    for (number, served) in set.join_all().await {
        // The margin is a thousandth, and 10 ms at least.
        let held = SECOND + number * MS;
        let margin = (held / 1000).max(10 * MS);
        let expected = held + margin;
        assert!(
            served >= expected && served < expected + MS,
            "{served:?} of {number}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn all_of_many_windows_are_served_whose_places_free_at_once() {
    const WINDOWS: usize = 1_000;
    let first = Window::new(Quota::rolling(1, SECOND));
    let mut set = JoinSet::new();
    let start = Instant::now();
    for _ in 0..WINDOWS {
        let client = client(&first.beside(Quota::rolling(1, SECOND)));
        call(&client).await.expect("at once");
        set.spawn(async move { call(&client).await.map(|_| start.elapsed()) });
    }
    for served in set.join_all().await {
        assert_eq!(served.expect("served"), 1_010 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn patience_ends_in_time_for_each_in_whatever_order_they_have_come() {
    let window = Window::new(Quota::rolling(1_000, 60 * SECOND));
    let client = client(&window);
    window.pause();
    let mut set = JoinSet::new();
    let start = Instant::now();
    for number in 0..400_u32 {
        // Some alike, and no order.
        let patience = (number * 7919 % 311 + 1) * MS;
        let mut request = request();
        let deadline = (start + patience).into_std();
        CallContext::of(request.extensions_mut()).limit_deadline(deadline);
        let client = client.clone();
        set.spawn(async move {
            let error = client.oneshot(request).await.expect_err("paused");
            let error = error.downcast_ref::<RateError>().expect("ours").kind();
            (patience, start.elapsed(), error)
        });
    }
    for (patience, waited, error) in set.join_all().await {
        assert_eq!((waited, error), (patience, RateErrorKind::Deadline));
    }
    settle().await;
    assert_eq!((tasks(), window.snapshot().waiting), (0, 0));
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_does_not_end_it() {
    let window = Window::new(Quota::rolling(2, SECOND));
    let client = client(&window);
    for _ in 0..2 {
        call(&client).await.expect("at once");
    }
    let mut bad = call(&client);
    let waker = Waker::from(Arc::new(Panics));
    let polled = bad.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let start = Instant::now();
    let others = [(); 2].map(|()| {
        let client = client.clone();
        tokio::spawn(async move {
            call(&client).await.expect("served");
            start.elapsed()
        })
    });
    let [second, third] = others;
    // The one behind it at the same time, and the next when its offer has lapsed.
    assert_eq!(second.await.expect("no panic"), 1_010 * MS);
    assert_eq!(third.await.expect("no panic"), 1_060 * MS);
    assert_eq!(window.snapshot().waiting, 1);
}

fn runtime() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().build().expect("a runtime")
}

/// In real time: the first driver goes with its runtime, and so does its waiter, while another one waits elsewhere.
#[test]
fn a_runtime_that_goes_takes_its_driver_and_nobody_else() {
    let window = Window::new(Quota::rolling(1, 200 * MS));
    let client = client(&window);
    let (goes, stays) = (runtime(), runtime());
    goes.block_on(call(&client)).expect("at once");
    goes.spawn(call(&client));
    goes.block_on(async {
        while window.snapshot().waiting == 0 {
            tokio::task::yield_now().await;
        }
    });
    let mut other = call(&client);
    stays.block_on(async {
        assert!(poll!(&mut other).is_pending());
        settle().await;
    });
    assert_eq!(window.snapshot().waiting, 2);
    drop(goes);
    assert_eq!(window.snapshot().waiting, 1);
    served_in_time(stays, other);
}

/// In real time: one that was polled where nobody goes on is polled elsewhere.
#[test]
fn one_that_is_polled_on_another_runtime_has_a_driver_there() {
    for dropped in [false, true] {
        let window = Window::new(Quota::rolling(1, 200 * MS));
        let client = client(&window);
        let mut was_there = Some(runtime());
        let mut waits = call(&client);
        was_there.as_ref().expect("there").block_on(async {
            call(&client).await.expect("at once");
            assert!(poll!(&mut waits).is_pending());
            settle().await;
        });
        if dropped {
            was_there = None;
        }
        served_in_time(runtime(), waits);
        assert_eq!(window.snapshot().waiting, 0);
        drop(was_there);
    }
}

/// Checks that `call` ends on `runtime`, by that alone.
fn served_in_time(runtime: Runtime, call: Call) {
    let (done, served) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let outcome = runtime.block_on(call);
        done.send(outcome.is_ok()).expect("awaited");
    });
    let outcome = served.recv_timeout(60 * SECOND);
    assert_eq!(outcome, Ok(true));
    other.join().expect("done");
}

#[test]
fn where_there_are_no_timers_it_is_said_to_the_one_who_has_to_wait_and_it_leaves_the_line() {
    let window = Window::new(Quota::rolling(1, SECOND));
    window.pause();
    let client = client(&window);
    let without_time = Builder::new_current_thread().build().expect("a runtime");
    let poll = |call: &mut Call| {
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        polled.is_pending()
    };
    let outside = catch_unwind(AssertUnwindSafe(|| poll(&mut call(&client))));
    let inside = catch_unwind(AssertUnwindSafe(|| {
        let _context = without_time.enter();
        poll(&mut call(&client))
    }));
    for (panic, says) in [
        (outside, "no reactor running"),
        (inside, "timers are disabled"),
    ] {
        let panic = panic.expect_err("it must wait");
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        assert!(text.is_some_and(|text| text.contains(says)), "{text:?}");
    }
    assert_eq!(window.snapshot().waiting, 0);
    // Where there are, another one is looked after as ever.
    let runtime = runtime();
    runtime.block_on(async {
        let mut waits = call(&client);
        assert!(poll!(&mut waits).is_pending());
        sleep(MS).await;
        window.resume();
        waits.await.expect("served");
    });
}
