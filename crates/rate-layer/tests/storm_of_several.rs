//! Tasks that are dropped at any moment, on several threads, whose requests need places in several windows, some of them by key:
//! no window of the server holds too many, and every place is accounted for.
#![cfg(not(loom))]

mod support;

use std::convert::Infallible;
use std::future::poll_fn;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use call_context::BoxError;
use http::{Request, Response};
use rate_layer::{
    Key, Keyed, Quota, RateError, RateErrorKind, RateLayer, RequestHead, Rule, SECOND, Window,
    Windows,
};
use support::{Label, MS, Seen, Server, labelled};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceExt};

const GRACE: Duration = Duration::from_millis(20);
const SHORT: Quota = Quota::rolling(20, Duration::from_millis(40)).grace(GRACE);
const LONG: Quota = Quota::rolling(60, Duration::from_millis(200)).grace(GRACE);
const BY_KEY: Quota = Quota::rolling(5, Duration::from_millis(30))
    .grace(GRACE)
    .reserve(1);
const KEYS: u32 = 5;
const TASKS: u32 = 400;

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    /// Less than `sides`.
    fn roll(&mut self, sides: u32) -> u32 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(sides)) as u32
    }
}

// A label says which key a request has, and what it costs there.

fn label(key: u32, cost: u32) -> u32 {
    key * 10 + cost
}

fn key_of(label: u32) -> u32 {
    label / 10
}

fn cost_of(label: u32) -> u32 {
    label % 10
}

fn label_of(head: &RequestHead<'_>) -> u32 {
    head.extensions().get().map_or(0, |&Label(label)| label)
}

/// The windows, and what they are for.
struct Limits {
    total: Window,
    accounts: Windows,
}

impl Limits {
    fn new() -> Self {
        let total = Window::new(SHORT.and(LONG));
        // Not for all keys at once: room has to be made, too.
        let most = NonZeroUsize::new(KEYS as usize - 1).expect("not zero");
        let accounts = total.beside_keyed(BY_KEY, most, Duration::ZERO);
        Self { total, accounts }
    }

    /// A rule by which a request counts in the window of its key.
    fn by_key(&self) -> Rule {
        self.by_key_for(|cost| cost)
    }

    /// A rule by which a part of what a request costs counts there.
    fn by_key_for(&self, part: fn(u32) -> u32) -> Rule {
        let keyed = Keyed::shared(self.accounts.clone(), |head| {
            Some(Key::from(u64::from(key_of(label_of(head)))))
        });
        Rule::new(keyed).cost(move |head| part(cost_of(label_of(head))))
    }

    /// Asserts that nothing is in flight and nobody waits, in any window.
    fn assert_all_over(&self) {
        for one in self.total.snapshot_of_each() {
            assert_eq!((one.in_flight, one.waiting), (0, 0), "{one:?}");
        }
        for key in 0..KEYS {
            if let Ok(window) = self.accounts.window(u64::from(key)) {
                let snapshot = window.snapshot();
                let over = (snapshot.in_flight, snapshot.waiting);
                assert_eq!(over, (0, 0), "{key}: {snapshot:?}");
            }
        }
    }

    /// Asserts that all places are there to be taken, of each key too.
    fn assert_all_free(&self) {
        let most = NonZeroU32::new(SHORT.limit()).expect("not zero");
        self.total.try_admit(most).expect("all of them").give_back();
        for key in 0..KEYS {
            // One is reserved for those who go first.
            let most = NonZeroU32::new(BY_KEY.limit() - 1).expect("not zero");
            let place = self.accounts.try_admit(u64::from(key), most);
            place.expect("all of them").give_back();
        }
        for one in self.total.snapshot_of_each() {
            assert_eq!((one.used, one.in_flight), (0, 0), "{one:?}");
        }
    }
}

/// The most that the server can have counted in any window, by what each request weighs.
fn worst(seen: &[Seen], window: Duration, weight: impl Fn(u32) -> u32) -> u32 {
    let starts = seen.iter().filter_map(|seen| seen.counted_by);
    let in_window = |start: Instant| -> u32 {
        let touching = seen.iter().filter(|seen| {
            seen.departed < start + window && seen.counted_by.is_none_or(|at| at >= start)
        });
        touching.map(|seen| weight(seen.label)).sum()
    };
    starts.map(in_window).max().unwrap_or(0)
}

type Task = JoinHandle<Option<RateErrorKind>>;

/// The server behind a connection that is ready at once, or when it has been asked a few times more.
#[derive(Debug)]
struct Unready {
    server: Server,
    asked: u32,
    clones: Arc<AtomicU32>,
}

impl Clone for Unready {
    fn clone(&self) -> Self {
        Self {
            server: self.server.clone(),
            asked: self.clones.fetch_add(1, Ordering::Relaxed) % 4,
            clones: Arc::clone(&self.clones),
        }
    }
}

impl Service<Request<()>> for Unready {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = <Server as Service<Request<()>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.asked.checked_sub(1) {
            None => self.server.poll_ready(cx),
            Some(left) => {
                self.asked = left;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.server.call(request)
    }
}

/// When a call is dropped by its caller, if nobody aborts it.
#[derive(Clone, Copy)]
struct Fate {
    patience: Duration,
    /// After so many polls, when it is woken again: by an offer, or the answer.
    polls: u32,
}

/// A call that is dropped when its `fate` says. Says how it was turned away, if it was.
fn task<C>(client: C, label: u32, fate: Fate) -> Task
where
    C: Service<Request<()>, Response = Response<()>, Error = BoxError> + Send + 'static,
    C::Future: Send,
{
    tokio::spawn(async move {
        let mut call = pin!(client.oneshot(labelled(label)));
        let mut left = fate.polls;
        let call = poll_fn(|cx| match left.checked_sub(1) {
            None => Poll::Ready(None),
            Some(less) => {
                left = less;
                call.as_mut().poll(cx).map(Some)
            }
        });
        let outcome = timeout(fate.patience, call).await.ok()??;
        let error = outcome.err()?;
        let error = error.downcast_ref::<RateError>().expect("ours");
        Some(error.kind())
    })
}

async fn storm(seed: u64) {
    let limits = Limits::new();
    let server = Server::with_latencies((0..TASKS).map(|number| number % 13 * MS)).grace(GRACE);
    let client = Unready {
        server: server.clone(),
        asked: 0,
        clones: Arc::default(),
    };
    let layer = |rule: Rule| {
        let layer = RateLayer::new(rule).max_wait(60 * SECOND);
        layer.first_if(|head| label_of(head).is_multiple_of(7))
    };
    // The same windows in different orders; and calls that go on without their callers.
    let forth = layer(Rule::new(limits.total.clone())).also(limits.by_key());
    let back = layer(limits.by_key()).also(Rule::new(limits.total.clone()));
    // And two rules that share one: the second has nothing there of what costs 1.
    let shares = layer(limits.by_key_for(|cost| cost.div_ceil(2)))
        .also(Rule::new(limits.total.clone()))
        .also(limits.by_key_for(|cost| cost / 2))
        .layer(client.clone());
    let detached = forth.clone().detach().layer(client.clone());
    let (forth, back) = (forth.layer(client.clone()), back.layer(client));

    let mut dice = Dice(seed);
    let mut tasks = Vec::new();
    let mut killers = Vec::new();
    for _ in 0..TASKS {
        let label = label(dice.roll(KEYS), 1 + dice.roll(3));
        let mut fate = Fate {
            patience: 60 * SECOND,
            polls: u32::MAX,
        };
        match dice.roll(4) {
            0 => fate.patience = dice.roll(80) * MS,
            1 => fate.polls = 1 + dice.roll(5),
            _ => {}
        }
        let task = match dice.roll(4) {
            0 => task(forth.clone(), label, fate),
            1 => task(back.clone(), label, fate),
            2 => task(shares.clone(), label, fate),
            _ => task(detached.clone(), label, fate),
        };
        let handle = task.abort_handle();
        tasks.push(task);
        let (yields, after) = (dice.roll(12), dice.roll(60) * MS);
        match dice.roll(6) {
            // Between one poll and the next, or while it is polled on another thread.
            0 => killers.push(tokio::spawn(async move {
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
                handle.abort();
            })),
            // In line, on its way, or long over.
            1 => killers.push(tokio::spawn(async move {
                sleep(after).await;
                handle.abort();
            })),
            _ => {}
        }
    }
    let (mut over, mut aborted) = (0, 0);
    for task in tasks {
        match task.await {
            Ok(None) => over += 1,
            Ok(Some(kind)) => assert_eq!(kind, RateErrorKind::TooManyKeys),
            Err(error) => {
                assert!(error.is_cancelled(), "{error}");
                aborted += 1;
            }
        }
    }
    for killer in killers {
        killer.await.expect("no panic");
    }
    assert!(over > 50 && aborted > 50, "{over} and {aborted}");

    // What goes on by itself is over by then, and all that counted has left.
    sleep(LONG.hold() + GRACE + 100 * MS).await;
    limits.assert_all_over();
    let seen = server.seen();
    let departed = seen.len() as u64;
    let counts = limits.total.snapshot().counts;
    assert!(counts.given_back > 0 && counts.abandoned > 0, "{counts:?}");
    for counts in [
        counts,
        limits.accounts.window(0).expect("room").snapshot().counts,
    ] {
        assert_eq!(counts.admitted, departed + counts.given_back, "{counts:?}");
    }
    let worst_of = |quota: Quota, weight: &dyn Fn(u32) -> u32| {
        let worst = worst(&seen, quota.window(), weight);
        assert!(worst <= quota.limit(), "{worst} of {quota:?}");
    };
    worst_of(SHORT, &|_| 1);
    worst_of(LONG, &|_| 1);
    for key in 0..KEYS {
        worst_of(BY_KEY, &|label| {
            if key_of(label) == key {
                cost_of(label)
            } else {
                0
            }
        });
    }
    for _ in 0..KEYS {
        limits.assert_all_free();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_storm_over_several_windows_and_keys_every_place_is_accounted_for() {
    for seed in 1..=4 {
        timeout(120 * SECOND, storm(seed))
            .await
            .expect("nobody waits for ever");
    }
}
