//! Several windows on one request: all of them, or none.
#![cfg(not(loom))]

mod support;

use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt, poll};
use http::{HeaderName, Request};
use rate_layer::{
    Keyed, MINUTE, Pace, Quota, RateError, RateErrorKind, RateLayer, RateLimit, Rule, SECOND, Tier,
    Window, Windows, XRateLimit, key,
};
use support::{Label, MS, Server, labelled, request, request_of, settle};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt};

/// One place a second, held for 1010 ms.
const ONE: Quota = Quota::rolling(1, SECOND);

fn prompt() -> Server {
    Server::with_latency(Duration::ZERO)
}

/// Two windows of one place each, and a layer that needs both.
fn pair(server: &Server) -> (Window, Window, RateLimit<Server>) {
    let first = Window::new(ONE);
    let second = first.beside(ONE);
    let client = both(&first, &second).layer(server.clone());
    (first, second, client)
}

fn both(first: &Window, second: &Window) -> RateLayer {
    RateLayer::new(first.clone())
        .also(Rule::new(second.clone()))
        .max_wait(5 * MINUTE)
}

fn only(window: &Window, server: &Server) -> RateLimit<Server> {
    RateLayer::new(window.clone())
        .max_wait(5 * MINUTE)
        .layer(server.clone())
}

/// Places that are held or waited for, in both windows.
fn busy(first: &Window, second: &Window) -> [(u32, u32, usize); 2] {
    [first, second].map(|window| {
        let snapshot = window.snapshot();
        (snapshot.in_flight, snapshot.used, snapshot.waiting)
    })
}

#[tokio::test(start_paused = true)]
async fn a_backlog_with_jitter_never_breaks_either_window_and_loses_little_time() {
    const REQUESTS: u32 = 1_000;
    // From 10 to 150 ms, in no order.
    let latencies = (0..u64::from(REQUESTS)).map(|i| Duration::from_millis(10 + i * 37 % 141));
    let server = Server::with_latencies(latencies.chain([Duration::ZERO]));
    let quotas = Quota::rolling(10, SECOND).and(Quota::rolling(100, MINUTE));
    let client = RateLayer::new(quotas)
        .max_wait(20 * MINUTE)
        .layer(server.clone());
    let start = Instant::now();
    let calls = (0..REQUESTS).map(|label| client.clone().oneshot(labelled(label)));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(server.worst_window(SECOND, Duration::ZERO), 10);
    assert_eq!(server.worst_window(MINUTE, Duration::ZERO), 100);
    let departed = server.departed(start);
    assert!(
        departed.is_sorted_by_key(|&(_, at)| at),
        "in order of arrival"
    );
    // Nine turns of the places of the minute, and ten of those of the second, with the slowest answer in each.
    let ideal = 9 * (MINUTE + 60 * MS) + 9 * (SECOND + 10 * MS);
    let (_, last) = departed[REQUESTS as usize - 1];
    assert!(last <= ideal + 18 * 150 * MS, "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slot_and_an_account_are_held_to_their_limits_together() {
    const ACCOUNT: HeaderName = HeaderName::from_static("x-account");
    let server = Server::with_latency(100 * MS);
    let three = Quota::rolling(3, SECOND);
    let client = RateLayer::by_slot()
        .slot("business", three)
        .slot("connect", three)
        .also(Keyed::new(Quota::rolling(2, SECOND), key::header(ACCOUNT)))
        .layer(server.clone());
    let start = Instant::now();
    let freed = 1_110 * MS;
    let journey = [
        ("business", "a", Duration::ZERO),
        ("business", "a", Duration::ZERO),
        // The account has two places, and both are taken.
        ("business", "a", freed),
        // Another account is not kept waiting by that, and takes the slot's third place.
        ("business", "b", Duration::ZERO),
        // Now the slot has none.
        ("business", "c", freed),
        // The account holds for both slots.
        ("connect", "a", freed),
        ("connect", "b", Duration::ZERO),
    ];
    let calls = (1..).zip(journey).map(|(label, (slot, account, _))| {
        let mut request = request_of(slot);
        request.extensions_mut().insert(Label(label));
        let account = account.parse().expect("a value");
        request.headers_mut().insert(ACCOUNT, account);
        client.clone().oneshot(request)
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let expected: Vec<_> = (1..).zip(journey.map(|(_, _, at)| at)).collect();
    assert_eq!(server.departed(start), expected);
}

#[tokio::test(start_paused = true)]
async fn windows_that_are_taken_in_different_orders_do_not_deadlock() {
    let server = Server::with_latency(50 * MS);
    let two = Quota::rolling(2, SECOND);
    let first = Window::new(two);
    let second = first.beside(two);
    let one_way = both(&first, &second).layer(server.clone());
    let other_way = both(&second, &first).layer(server.clone());
    let start = Instant::now();
    let calls = (0..40).map(|label| {
        let client = if label % 2 == 0 { &one_way } else { &other_way };
        tokio::spawn(client.clone().oneshot(labelled(label)))
    });
    for call in join_all(calls).await {
        call.expect("no panic").expect("served");
    }
    let expected: Vec<_> = (0..40)
        .map(|label| (label, label / 2 * 1_060 * MS))
        .collect();
    // Two at a time, in order; within a moment, as their tasks are polled.
    assert_eq!(server.departed(start), expected);
}

#[tokio::test(start_paused = true)]
async fn one_who_is_kept_waiting_by_one_window_does_not_hold_up_those_who_need_only_the_other() {
    let server = prompt();
    let (first, second, client) = pair(&server);
    let (first_only, second_only) = (only(&first, &server), only(&second, &server));
    let start = Instant::now();
    second_only
        .clone()
        .oneshot(labelled(1))
        .await
        .expect("at once");
    sleep(500 * MS).await;
    // Waits for the second window, and the first is free.
    let waits = tokio::spawn(client.oneshot(labelled(2)));
    settle().await;
    first_only
        .clone()
        .oneshot(labelled(3))
        .await
        .expect("at once");
    // Behind both of them, in the first window alone.
    let behind = tokio::spawn(first_only.oneshot(labelled(4)));
    waits.await.expect("no panic").expect("served");
    behind.await.expect("no panic").expect("served");
    // The first window is free again at 1510 ms: then both are.
    let expected = [(1, 0), (2, 1_510), (3, 500), (4, 2_520)].map(|(label, at)| (label, at * MS));
    assert_eq!(server.departed(start), expected);
}

#[tokio::test(start_paused = true)]
async fn one_who_needs_both_is_served_though_both_are_saturated_by_others() {
    let server = prompt();
    let (first, second, client) = pair(&server);
    let (first_only, second_only) = (only(&first, &server), only(&second, &server));
    let start = Instant::now();
    // Half a second apart, so that they are never free at the same time.
    first_only
        .clone()
        .oneshot(labelled(101))
        .await
        .expect("at once");
    sleep(500 * MS).await;
    second_only
        .clone()
        .oneshot(labelled(201))
        .await
        .expect("at once");
    let mut calls = Vec::new();
    for label in 2..22 {
        for (lane, client) in [(100, &first_only), (200, &second_only)] {
            calls.push(tokio::spawn(client.clone().oneshot(labelled(lane + label))));
            settle().await;
        }
        if label == 2 {
            calls.push(tokio::spawn(client.clone().oneshot(labelled(1))));
            settle().await;
        }
    }
    for call in calls {
        call.await.expect("no panic").expect("served");
    }
    let departed = server.departed(start);
    // Passed over at 2520 ms in the second window, where it had to wait for longest, and at 3030 ms in the first; then what it
    // needs is set aside.
    assert_eq!(departed[0], (1, 3_530 * MS));
    // The others lose the turn that it took, and the half second for which the first window's place was set aside.
    let at = |label| {
        departed
            .iter()
            .find(|&&(it, _)| it == label)
            .expect("served")
            .1
    };
    assert_eq!(
        [at(102), at(103), at(104)],
        [1_010 * MS, 2_020 * MS, 4_540 * MS]
    );
    assert_eq!(
        [at(202), at(203), at(204)],
        [1_510 * MS, 2_520 * MS, 4_540 * MS]
    );
    assert_eq!([at(121), at(221)], [21_710 * MS; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_caller_takes_no_place_in_any_window() {
    let server = prompt();
    let (first, second, _) = pair(&server);
    only(&second, &server)
        .oneshot(request())
        .await
        .expect("at once");
    let before = busy(&first, &second);
    let refusing = both(&first, &second).refuse();
    let impatient = both(&first, &second).max_wait(SECOND);
    let full = both(&first, &second).queue(0);
    for (layer, kind) in [
        (refusing, RateErrorKind::WouldWait),
        (impatient, RateErrorKind::Deadline),
        (full, RateErrorKind::QueueFull),
    ] {
        let error = layer
            .layer(server.clone())
            .oneshot(request())
            .await
            .expect_err("refused");
        let error = error.downcast_ref::<RateError>().expect("ours");
        assert_eq!((error.kind(), error.retry_in()), (kind, Some(1_010 * MS)));
        assert_eq!(busy(&first, &second), before);
    }
    // What costs too much in one of them takes nothing in the other.
    let two = NonZeroU32::new(2).expect("not zero");
    let dear =
        RateLayer::new(first.clone()).also(Rule::new(second.clone()).cost(move |_| two.get()));
    let error = dear
        .layer(server)
        .oneshot(request())
        .await
        .expect_err("refused");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(error.kind(), RateErrorKind::CostTooHigh);
    assert_eq!(busy(&first, &second), before);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_or_timed_out_or_panicking_caller_leaves_no_place_taken_in_any_window() {
    let server = prompt();
    let (first, second, client) = pair(&server);
    let idle = busy(&first, &second);
    only(&second, &server)
        .oneshot(request())
        .await
        .expect("at once");
    let before = busy(&first, &second);

    // Dropped while it waits.
    let mut dropped = Box::pin(client.clone().oneshot(request()));
    assert!(poll!(&mut dropped).is_pending());
    assert_eq!(second.snapshot().waiting, 1);
    drop(dropped);
    assert_eq!(busy(&first, &second), before);

    // Timed out by somebody else, and by the layer itself.
    let call = timeout(100 * MS, client.clone().oneshot(request()));
    call.await.expect_err("timed out");
    assert_eq!(busy(&first, &second), before);

    // Panics while it waits.
    let panics = AssertUnwindSafe(async {
        let mut call = pin!(client.clone().oneshot(request()));
        assert!(poll!(&mut call).is_pending());
        panic!("the caller");
    });
    panics.catch_unwind().await.expect_err("a panic");
    assert_eq!(busy(&first, &second), before);

    // Panics while what it wants is looked at, one window being looked at already.
    let layer =
        both(&first, &second).also(Rule::new(first.beside(ONE)).cost(|_| panic!("the cost")));
    let call = AssertUnwindSafe(layer.layer(server.clone()).oneshot(request()));
    call.catch_unwind().await.expect_err("a panic");
    assert_eq!(busy(&first, &second), before);

    // Dropped when it has been offered its places, and has not taken them.
    let mut offered = Box::pin(client.clone().oneshot(request()));
    assert!(poll!(&mut offered).is_pending());
    let behind = tokio::spawn(client.oneshot(labelled(1)));
    settle().await;
    let start = Instant::now();
    tokio::time::advance(910 * MS).await;
    // Any arrival sees to it that what is free is offered.
    let arrival = both(&first, &second).refuse().layer(server.clone());
    arrival
        .oneshot(request())
        .await
        .expect_err("others were first");
    assert_eq!(
        [first.snapshot().in_flight, second.snapshot().in_flight],
        [1, 1]
    );
    drop(offered);
    behind.await.expect("no panic").expect("served");
    assert_eq!(
        start.elapsed(),
        910 * MS,
        "its offer went to the next at once"
    );

    sleep(2 * SECOND).await;
    assert_eq!(busy(&first, &second), idle);
}

#[tokio::test(start_paused = true)]
async fn the_tightest_of_several_windows_is_what_a_snapshot_shows() {
    let window = Window::new(Quota::rolling(10, SECOND).and(Quota::rolling(15, MINUTE)));
    let client = only(&window, &prompt());
    let send = |requests: u32| {
        let calls = (0..requests).map(|_| client.clone().oneshot(Request::new(())));
        join_all(calls)
    };
    send(10).await;
    let snapshot = window.snapshot();
    assert_eq!(
        (snapshot.limit, snapshot.used, snapshot.next_free),
        (10, 10, 1_010 * MS)
    );
    sleep(1_010 * MS).await;
    send(5).await;
    let snapshot = window.snapshot();
    assert_eq!((snapshot.limit, snapshot.used), (15, 15));
    assert_eq!(snapshot.next_free, 60_060 * MS - 1_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn each_of_several_limits_is_read_by_itself() {
    const MANY: Quota = Quota::rolling(20, SECOND);
    const FEW: Quota = Quota::rolling(3, MINUTE).adopt_up_to(5);
    const PACE: Pace = Pace::every(Duration::from_millis(200)).burst(2);
    let window = Window::new(MANY.and(FEW).and(PACE));
    let server = Server::with_latencies([100 * MS, Duration::ZERO]);
    let layer = RateLayer::new(window.clone()).listen(XRateLimit::new());
    let client = layer.max_wait(5 * MINUTE).layer(server);
    let tiers = |window: &Window| -> Vec<Tier> {
        window
            .snapshot_of_each()
            .iter()
            .map(|one| one.tier)
            .collect()
    };
    let numbers = |window: &Window| -> Vec<[u32; 4]> {
        let each = window.snapshot_of_each().into_iter();
        each.map(|one| {
            let next_free = one.next_free.as_millis() as u32;
            [one.limit, one.used, one.in_flight, next_free]
        })
        .collect()
    };
    let expected = [Tier::Window(MANY), Tier::Window(FEW), Tier::Pace(PACE)];
    assert_eq!(tiers(&window), expected);
    assert_eq!(numbers(&window), [[20, 0, 0, 0], [3, 0, 0, 0], [0; 4]]);

    let calls = (0..4).map(|_| tokio::spawn(client.clone().oneshot(request())));
    let calls: Vec<_> = calls.collect();
    settle().await;
    // Two have gone; two wait in one line, whichever limit keeps them waiting.
    let each = window.snapshot_of_each();
    assert!(each.iter().all(|one| one.waiting == 2), "{each:?}");
    let expected = [[20, 1, 1, 0], [3, 1, 1, 60_060], [0, 0, 0, 600]];
    assert_eq!(numbers(&window), expected);
    let snapshot = window.snapshot();
    assert_eq!((snapshot.window, snapshot.limit), (Some(MINUTE), 3));
    assert_eq!(snapshot.next_free, 60_060 * MS);

    sleep(SECOND).await;
    assert!(window.set_limit_of(MINUTE, NonZeroU32::new(9).expect("not zero")));
    settle().await;
    assert_eq!(numbers(&window)[1][0], 9);
    for call in calls {
        call.await.expect("no panic").expect("served");
    }
    let used: Vec<u32> = window
        .snapshot_of_each()
        .iter()
        .map(|one| one.used)
        .collect();
    assert_eq!(used, [4, 4, 0]);
    window.throttled(Some(90 * SECOND));
    let each = window.snapshot_of_each();
    assert!(
        each.iter().all(|one| one.next_free == 90 * SECOND),
        "{each:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_a_key_that_is_forgotten_read_as_idle() {
    let windows = Windows::bounded(Quota::rolling(2, SECOND), NonZeroUsize::MIN, SECOND);
    let a = windows.window("a").expect("room");
    sleep(MS).await;
    windows
        .try_admit("b", NonZeroU32::MIN)
        .expect("its room")
        .answered();
    let seen = a.snapshot_of_each();
    assert_eq!((seen.len(), seen[0].limit, seen[0].used), (1, 2, 0));
    assert_eq!(
        windows.window("b").expect("there").snapshot_of_each()[0].used,
        1
    );
}
