//! What runs outside of the lock, and what is lost by nobody meanwhile.
#![cfg(not(loom))]

mod support;

use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use rate_layer::{
    Charge, MINUTE, Quota, RateLayer, ResponseHead, SECOND, Start, Stated, Statements, Window,
    Windows,
};
use support::{MS, Server, request};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};
use tracing_subscriber::layer::{Context as Log, SubscriberExt};

const ONE: NonZeroU32 = NonZeroU32::MIN;

fn prompt() -> Server {
    Server::with_latency(Duration::ZERO)
}

/// Looks at a window whenever the log is told of something.
struct Looks(Window);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Looks {
    fn on_event(&self, _: &tracing::Event<'_>, _: Log<'_, S>) {
        self.0.snapshot();
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_may_look_at_the_window_that_it_is_told_of() {
    fn two(_: &ResponseHead<'_>, into: &mut Statements) {
        into.push(Stated::new().limit(7));
    }
    let window = Window::new(Quota::rolling(5, SECOND).adopt_up_to(9));
    let layer = RateLayer::new(window.clone()).listen(two);
    let log = tracing_subscriber::registry().with(Looks(window.clone()));
    let _log = tracing::subscriber::set_default(log);
    layer
        .layer(prompt())
        .oneshot(request())
        .await
        .expect("served");
    assert_eq!(window.snapshot().limit, 7);
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_keeps_nobody_else_asleep() {
    let window = Window::new(Quota::rolling(5, SECOND));
    let mut client = RateLayer::new(window.clone()).layer(prompt());
    window.pause();
    let mut bad = Box::pin(client.call(request()));
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        bad.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let good = tokio::spawn(client.call(request()));
    support::settle().await;
    let resumed = catch_unwind(AssertUnwindSafe(|| window.resume()));
    assert!(resumed.is_err(), "it is told who caused it");
    let start = Instant::now();
    good.await.expect("no panic").expect("served");
    assert_eq!(start.elapsed(), Duration::ZERO);
    // It has been offered a place all the same.
    assert!(bad.now_or_never().is_some());
}

/// Looks at a charge whenever it is woken: from another thread, which a lock would keep waiting.
struct LooksAt {
    charge: Charge,
    seen: Mutex<Vec<Option<u32>>>,
}

impl Wake for LooksAt {
    fn wake(self: Arc<Self>) {
        let charge = self.charge.clone();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(charge.cost()));
        let seen = told.recv_timeout(5 * SECOND).ok();
        self.seen.lock().expect("not poisoned").push(seen);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_woken_by_a_charge_may_look_at_it() {
    let window = Window::new(Quota::rolling(5, MINUTE));
    let five = NonZeroU32::new(5).expect("not zero");
    let mut charge = window.try_admit(five).expect("room").charged();
    let mut client = RateLayer::new(window.clone()).layer(prompt());
    let looks = Arc::new(LooksAt {
        charge: charge.clone(),
        seen: Mutex::default(),
    });
    let mut waits = Box::pin(client.call(request()));
    let waker = Waker::from(Arc::clone(&looks));
    assert!(
        waits
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    charge.set(2);
    assert_eq!(*looks.seen.lock().expect("not poisoned"), [Some(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_wakes_one_who_panics_is_set_once() {
    let window = Window::new(Quota::rolling(10, MINUTE));
    let five = NonZeroU32::new(5).expect("not zero");
    window.try_admit(five).expect("room").answered();
    let mut charge = window.try_admit(five).expect("room").charged();
    let mut client = RateLayer::new(window.clone()).layer(prompt());
    let mut waits = Box::pin(client.call(request()));
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        waits
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let set = catch_unwind(AssertUnwindSafe(|| charge.set(0)));
    assert!(set.is_err(), "it is told who caused it");
    assert_eq!(charge.cost(), 0);
    // The places of the other request are not its own.
    charge.set(0);
    assert_eq!(window.snapshot().used, 5);
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_charge_free_its_places_once() {
    let window = Window::new(Quota::rolling(20, MINUTE));
    let cost = |cost| NonZeroU32::new(cost).expect("not zero");
    window.try_admit(cost(5)).expect("room").answered();
    let mut charge = window.try_admit(cost(5)).expect("room").charged();
    let mut clone = charge.clone();
    charge.set(0);
    clone.set(0);
    assert_eq!((window.snapshot().used, clone.cost()), (5, 0));
    // More than can be told apart are taken back as far as they were charged.
    charge.set(u32::MAX);
    charge.set(3);
    assert_eq!(window.snapshot().used, 8);
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_asks_for_are_forgotten_though_no_new_ones_come() {
    let windows = Windows::bounded(
        Quota::rolling(1, SECOND),
        NonZeroUsize::new(1_000).expect("not zero"),
        10 * SECOND,
    );
    for account in 0..100_u64 {
        windows.try_admit(account, ONE).expect("room").answered();
    }
    for _ in 0..110 {
        sleep(11 * SECOND).await;
        windows.try_admit(7, ONE).expect("room").answered();
    }
    assert_eq!(windows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_seeded_window_that_nobody_listens_for_is_taken_to_be_full() {
    let quota = Quota::rolling(3, SECOND).grace(SECOND).start(Start::Seeded);
    let start = Instant::now();
    let window = Window::new(quota);
    let first = window.try_admit(ONE).expect("one goes to see");
    window.try_admit(ONE).expect_err("it is not back yet");
    sleep(100 * MS).await;
    first.answered();
    // Its own place frees as always, and the others when all that may be under way has been counted and has left.
    for (at, used, free) in [(1_109, 3, false), (1_110, 2, true), (2_110, 0, true)] {
        sleep(start + at * MS - Instant::now()).await;
        assert_eq!(window.snapshot().used, used, "{at}");
        assert_eq!(window.snapshot().next_free.is_zero(), free, "{at}");
    }
}
