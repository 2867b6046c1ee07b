//! What a panic of somebody else's leaves behind: nothing that is never ended.
#![cfg(not(loom))]

mod support;

use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use call_context::BoxError;
use http::{Request, Response};
use rate_layer::{MINUTE, Quota, RateLayer, SECOND, Window, Windows};
use support::{MS, Server, request};
use tokio::time::advance;
use tower::{Layer, Service, service_fn};

const ONE: NonZeroU32 = NonZeroU32::MIN;

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

/// Lets time pass without anybody being polled.
fn pass(by: std::time::Duration) {
    let advance = pin!(advance(by));
    let _pending = advance.poll(&mut Context::from_waker(Waker::noop()));
}

fn poll_by<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// A body that is counted as long as it is there.
struct Body(Arc<AtomicUsize>);

impl Body {
    fn new(there: &Arc<AtomicUsize>) -> Self {
        there.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(there))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Is answered at once, and panics when it is dropped.
struct PanicsInDrop(Option<Response<Body>>);

impl Future for PanicsInDrop {
    type Output = Result<Response<Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(self.0.take().expect("polled once")))
    }
}

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_is_dropped_whose_future_panics_in_its_drop() {
    let there = Arc::new(AtomicUsize::new(0));
    let window = Window::new(Quota::rolling(5, SECOND));
    let bodies = Arc::clone(&there);
    let inner =
        service_fn(move |_: Request<()>| PanicsInDrop(Some(Response::new(Body::new(&bodies)))));
    let mut client = RateLayer::new(window.clone()).layer(inner);
    let mut call = Box::pin(client.call(request()));
    assert!(poll_by(call.as_mut(), Waker::noop()).is_ready());
    catch_unwind(AssertUnwindSafe(|| drop(call))).expect_err("a panic");
    assert_eq!(window.snapshot().in_flight, 0);
    assert_eq!(there.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_comes_whose_end_wakes_one_that_panics() {
    let there = Arc::new(AtomicUsize::new(0));
    let window = Window::new(Quota::rolling(2, SECOND));
    let bodies = Arc::clone(&there);
    let ready_at = Arc::new(AtomicUsize::new(0));
    let gate = Arc::clone(&ready_at);
    let inner = service_fn(move |_: Request<()>| {
        let (bodies, gate) = (Arc::clone(&bodies), Arc::clone(&gate));
        std::future::poll_fn(move |_| match gate.load(Ordering::Relaxed) {
            0 => Poll::Pending,
            _ => Poll::Ready(Ok::<_, BoxError>(Response::new(Body::new(&bodies)))),
        })
    });
    let mut client = RateLayer::new(window.clone()).layer(inner);
    window.try_admit(ONE).expect("room").answered();
    let mut call = Box::pin(client.call(request()));
    assert!(poll_by(call.as_mut(), Waker::noop()).is_pending());
    let mut waits = Box::pin(client.call(request()));
    assert!(poll_by(waits.as_mut(), &Waker::from(Arc::new(Panics))).is_pending());
    pass(1_100 * MS);
    ready_at.store(1, Ordering::Relaxed);
    // That is the other one's affair.
    assert!(poll_by(call.as_mut(), Waker::noop()).is_ready());
    drop(call);
    assert_eq!(there.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn one_who_comes_as_another_is_called_who_panics_takes_no_place_for_good() {
    let window = Window::new(Quota::rolling(2, SECOND));
    let mut client = RateLayer::new(window.clone()).layer(Server::with_latency(SECOND));
    window.try_admit(ONE).expect("room").answered();
    window.try_admit(ONE).expect("room").answered();
    let mut waits = Box::pin(client.call(request()));
    assert!(poll_by(waits.as_mut(), &Waker::from(Arc::new(Panics))).is_pending());
    pass(1_100 * MS);
    let mut comes = Box::pin(client.call(request()));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        poll_by(comes.as_mut(), Waker::noop()).is_ready()
    }));
    polled.expect_err("a panic");
    drop(comes);
    drop(waits);
    assert_eq!(window.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn nor_does_it_stand_in_line_for_good() {
    let window = Window::new(Quota::rolling(1, SECOND));
    let mut client = RateLayer::new(window.clone()).layer(Server::with_latency(SECOND));
    window.try_admit(ONE).expect("room").answered();
    let mut waits = Box::pin(client.call(request()));
    assert!(poll_by(waits.as_mut(), &Waker::from(Arc::new(Panics))).is_pending());
    pass(1_100 * MS);
    let mut comes = Box::pin(client.call(request()));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        poll_by(comes.as_mut(), Waker::noop()).is_ready()
    }));
    polled.expect_err("a panic");
    drop(comes);
    drop(waits);
    assert_eq!(window.snapshot().waiting, 0);
}

/// Has one wait on a runtime of its own, which is not driven any more, and whose waker panics. Time passes for another runtime.
#[test]
fn who_comes_on_another_runtime_as_another_is_called_who_panics_leaves_a_driver_there() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime")
    };
    let (idle, driven) = (runtime(), runtime());
    let window = Window::new(Quota::rolling(1, 50 * MS));
    let mut client = RateLayer::new(window.clone()).layer(Server::with_latency(MS));
    window.try_admit(ONE).expect("room").answered();
    let mut waits = Box::pin(client.call(request()));
    {
        let _idle = idle.enter();
        assert!(poll_by(waits.as_mut(), &Waker::from(Arc::new(Panics))).is_pending());
    }
    driven.block_on(async {
        tokio::time::sleep(70 * MS).await;
        let mut comes = Box::pin(client.call(request()));
        let polled = catch_unwind(AssertUnwindSafe(|| {
            poll_by(comes.as_mut(), Waker::noop()).is_ready()
        }));
        polled.expect_err("a panic");
        drop(comes);
        drop(waits);
        // Nobody else looks after it.
        window.try_admit(ONE).expect("room").answered();
        let next = tokio::time::timeout(2 * SECOND, client.call(request())).await;
        next.expect("it is called").expect("served");
    });
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_who_asks_for_a_place_by_key() {
    let windows = Windows::bounded(
        Quota::rolling(2, SECOND),
        NonZeroUsize::new(10).expect("not zero"),
        MINUTE,
    );
    let layer = RateLayer::new(windows.window(7_u64).expect("room"));
    let window = windows.window(7_u64).expect("room");
    let mut client = layer.layer(Server::with_latency(SECOND));
    window.try_admit(ONE).expect("room").answered();
    window.try_admit(ONE).expect("room").answered();
    let mut waits = Box::pin(client.call(request()));
    assert!(poll_by(waits.as_mut(), &Waker::from(Arc::new(Panics))).is_pending());
    pass(1_100 * MS);
    let asked = catch_unwind(AssertUnwindSafe(|| drop(window.try_admit(ONE))));
    asked.expect_err("a panic");
    drop(waits);
    assert_eq!(window.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_who_asks_for_a_place_by_itself() {
    let window = Window::new(Quota::rolling(2, SECOND));
    let mut client = RateLayer::new(window.clone()).layer(Server::with_latency(SECOND));
    window.try_admit(ONE).expect("room").answered();
    window.try_admit(ONE).expect("room").answered();
    let mut waits = Box::pin(client.call(request()));
    assert!(poll_by(waits.as_mut(), &Waker::from(Arc::new(Panics))).is_pending());
    pass(1_100 * MS);
    let asked = catch_unwind(AssertUnwindSafe(|| drop(window.try_admit(ONE))));
    asked.expect_err("a panic");
    drop(waits);
    assert_eq!(window.snapshot().in_flight, 0);
}

/// Whose waker panics when it is dropped, once it is armed.
struct PanicsDropped(Arc<AtomicUsize>);

impl Wake for PanicsDropped {
    fn wake(self: Arc<Self>) {}
}

impl Drop for PanicsDropped {
    fn drop(&mut self) {
        if self.0.swap(0, Ordering::Relaxed) == 1 {
            panic!("in the drop of a waker");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_waker_panics_when_it_is_dropped_takes_no_place_for_good() {
    let window = Window::new(Quota::rolling(1, SECOND));
    let mut client = RateLayer::new(window.clone()).layer(Server::with_latency(SECOND));
    window.try_admit(ONE).expect("room").answered();
    let armed = Arc::new(AtomicUsize::new(0));
    let mut waits = Box::pin(client.call(request()));
    {
        let waker = Waker::from(Arc::new(PanicsDropped(Arc::clone(&armed))));
        assert!(poll_by(waits.as_mut(), &waker).is_pending());
    }
    pass(1_100 * MS);
    armed.store(1, Ordering::Relaxed);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        poll_by(waits.as_mut(), Waker::noop()).is_ready()
    }));
    polled.expect_err("a panic");
    drop(waits);
    assert_eq!(window.snapshot().in_flight, 0);
}

/// Were it to panic on, the process would be aborted.
#[tokio::test(start_paused = true)]
async fn a_place_that_is_dropped_by_a_panic_wakes_one_who_panics_and_no_more_comes_of_it() {
    let window = Window::new(Quota::rolling(1, SECOND));
    let mut client = RateLayer::new(window.clone()).layer(Server::with_latency(SECOND));
    let place = window.try_admit(ONE).expect("room");
    let mut waits = Box::pin(client.call(request()));
    assert!(poll_by(waits.as_mut(), &Waker::from(Arc::new(Panics))).is_pending());
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _place = place;
        panic!("its holder's own");
    }));
    let panic = unwound.expect_err("a panic");
    assert_eq!(panic.downcast_ref(), Some(&"its holder's own"));
    assert_eq!(
        window.snapshot().in_flight,
        1,
        "it has been offered to the other"
    );
}
