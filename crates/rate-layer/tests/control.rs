//! What a program changes while requests wait, and what a window begins with.
#![cfg(not(loom))]

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use call_context::BoxError;
use http::Response;
use rate_layer::{
    Dialect, MINUTE, Quota, RateError, RateErrorKind, RateLayer, RateLimit, ResponseHead, Rule,
    SECOND, Start, Stated, Statements, Window,
};
use support::{Label, MS, Server, labelled, settle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

fn prompt() -> Server {
    Server::with_latency(Duration::ZERO)
}

fn places(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

type Call = JoinHandle<Result<Response<()>, BoxError>>;

/// Sends requests with these labels, one after the other; those that must wait have begun to.
async fn send(client: &RateLimit<Server>, labels: impl IntoIterator<Item = u32>) -> Vec<Call> {
    let mut calls = Vec::new();
    for label in labels {
        calls.push(tokio::spawn(client.clone().oneshot(labelled(label))));
        settle().await;
    }
    calls
}

async fn served(calls: Vec<Call>) {
    for call in calls {
        call.await.expect("no panic").expect("served");
    }
}

fn millis<const N: usize>(departed: [(u32, u32); N]) -> Vec<(u32, Duration)> {
    departed.map(|(label, at)| (label, at * MS)).to_vec()
}

fn client(quota: Quota, server: &Server) -> (Window, RateLimit<Server>) {
    let window = Window::new(quota);
    let layer = RateLayer::new(window.clone()).max_wait(MINUTE);
    (window, layer.layer(server.clone()))
}

#[tokio::test(start_paused = true)]
async fn a_paused_window_admits_nothing_and_a_resumed_one_goes_on_in_order() {
    let server = prompt();
    let (window, client) = client(Quota::rolling(2, SECOND), &server);
    let start = Instant::now();
    let mut calls = send(&client, 1..=3).await;
    window.pause();
    calls.extend(send(&client, 4..=5).await);
    let snapshot = window.snapshot();
    assert!(snapshot.paused);
    assert_eq!(
        (snapshot.limit, snapshot.used, snapshot.in_flight),
        (2, 2, 0)
    );
    assert_eq!(snapshot.waiting, 3);
    sleep(3 * SECOND).await;
    let snapshot = window.snapshot();
    assert_eq!(
        (snapshot.used, snapshot.waiting),
        (0, 3),
        "free, and nobody may have it"
    );
    window.pause();
    window.resume();
    assert!(!window.snapshot().paused, "one word is enough");
    served(calls).await;
    let expected = [(1, 0), (2, 0), (3, 3_000), (4, 3_000), (5, 4_010)];
    assert_eq!(server.departed(start), millis(expected));
    assert!(server.order().is_sorted());
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_when_a_window_is_paused_goes_on() {
    let server = Server::with_latency(100 * MS);
    let (window, client) = client(Quota::rolling(2, SECOND), &server);
    let calls = send(&client, [1]).await;
    window.pause();
    served(calls).await;
    assert_eq!(
        (window.snapshot().in_flight, window.snapshot().used),
        (0, 1)
    );
    // Nobody knows the end of a pause: who never waits is told to try again, and who waits waits as long as it may.
    let layer = RateLayer::new(window.clone());
    let start = Instant::now();
    for (layer, kind, waited) in [
        (
            layer.clone().refuse(),
            RateErrorKind::WouldWait,
            Duration::ZERO,
        ),
        (
            layer.max_wait(5 * SECOND),
            RateErrorKind::Deadline,
            5 * SECOND,
        ),
    ] {
        let error = layer
            .layer(server.clone())
            .oneshot(labelled(2))
            .await
            .expect_err("paused");
        let error = error.downcast_ref::<RateError>().expect("ours");
        assert_eq!((error.kind(), error.retry_in()), (kind, None));
        assert_eq!(start.elapsed(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_admits_those_who_wait_at_once_and_in_order() {
    let server = prompt();
    let (window, client) = client(Quota::rolling(2, SECOND), &server);
    let start = Instant::now();
    let calls = send(&client, 1..=7).await;
    sleep(300 * MS).await;
    window.set_limit(places(5));
    settle().await;
    let snapshot = window.snapshot();
    assert_eq!((snapshot.limit, snapshot.used, snapshot.waiting), (5, 5, 2));
    served(calls).await;
    let expected = [
        (1, 0),
        (2, 0),
        (3, 300),
        (4, 300),
        (5, 300),
        (6, 1_010),
        (7, 1_010),
    ];
    assert_eq!(server.departed(start), millis(expected));
}

#[tokio::test(start_paused = true)]
async fn a_lowered_limit_admits_nobody_until_enough_places_have_freed() {
    let server = prompt();
    let (window, client) = client(Quota::rolling(4, SECOND), &server);
    let start = Instant::now();
    let mut calls = Vec::new();
    // Places that free at 1010, 1110, 1210 and 1310 ms.
    for label in 1..=4 {
        calls.extend(send(&client, [label]).await);
        sleep(100 * MS).await;
    }
    calls.extend(send(&client, 5..=7).await);
    window.set_limit(places(2));
    assert_eq!(
        window.snapshot().next_free,
        2_320 * MS - 400 * MS,
        "the fourth to go"
    );
    served(calls).await;
    let departed = server.departed(start);
    // Three must free for one to be there, four for two.
    assert_eq!(departed[4..], millis([(5, 1_210), (6, 1_310), (7, 2_220)]));
}

#[tokio::test(start_paused = true)]
async fn one_of_several_windows_is_changed_by_its_length() {
    let server = prompt();
    let window = Window::new(Quota::rolling(5, SECOND).and(Quota::rolling(10, MINUTE)));
    let client = RateLayer::new(window.clone())
        .max_wait(2 * MINUTE)
        .layer(server.clone());
    assert!(window.set_limit_of(MINUTE, places(2)));
    assert!(!window.set_limit_of(2 * MINUTE, places(1)));
    window.set_limit(places(1));
    let start = Instant::now();
    let calls = send(&client, 1..=3).await;
    served(calls).await;
    assert_eq!(
        server.departed(start),
        millis([(1, 0), (2, 1_010), (3, 60_060)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_window_that_starts_full_sends_nothing_for_the_window_and_the_grace() {
    let server = prompt();
    let quota = Quota::rolling(2, SECOND)
        .grace(3 * SECOND)
        .start(Start::Full);
    let (window, client) = client(quota, &server);
    let start = Instant::now();
    assert_eq!(
        (window.snapshot().used, window.snapshot().next_free),
        (2, 4_010 * MS)
    );
    let calls = send(&client, 1..=3).await;
    served(calls).await;
    assert_eq!(
        server.departed(start),
        millis([(1, 4_010), (2, 4_010), (3, 5_020)])
    );
}

/// `x-left: 3/5` says that three of five are left.
struct Left;

impl Dialect for Left {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let left = head
            .headers()
            .get("x-left")
            .and_then(|value| value.to_str().ok());
        if let Some((left, limit)) = left.and_then(|left| left.split_once('/'))
            && let (Ok(left), Ok(limit)) = (left.parse(), limit.parse())
        {
            into.push(Stated::new().remaining(left).limit(limit));
        }
    }
}

/// A server that takes 100 ms, and says in its answers what is left.
fn telling(left: &'static str) -> Server {
    Server::with_latencies([100 * MS, Duration::ZERO]).responding(move |_| {
        let response = Response::builder().header("x-left", left);
        response.body(()).expect("a response")
    })
}

#[tokio::test(start_paused = true)]
async fn a_seeded_window_sends_one_request_and_then_what_the_server_has_left() {
    let server = telling("3/5");
    let quota = Quota::rolling(5, SECOND).start(Start::Seeded);
    let window = Window::new(quota);
    let layer = RateLayer::new(window.clone()).listen(Left).max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let calls = send(&client, 1..=6).await;
    assert_eq!(
        (window.snapshot().in_flight, window.snapshot().waiting),
        (1, 5)
    );
    sleep(100 * MS).await;
    settle().await;
    // One of ours, one of somebody else, and three that the server still allows.
    assert_eq!((window.snapshot().used, window.snapshot().waiting), (5, 2));
    served(calls).await;
    let expected = [(1, 0), (2, 100), (3, 100), (4, 100), (5, 1_110), (6, 1_110)];
    assert_eq!(server.departed(start), millis(expected));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_the_server_states_is_adopted_up_to_the_ceiling_for_those_who_wait() {
    for (left, limit) in [("9/10", 8), ("3/4", 4), ("0/0", 5)] {
        let server = telling(left);
        let window = Window::new(Quota::rolling(5, SECOND).adopt_up_to(8));
        let layer = RateLayer::new(window.clone()).listen(Left).max_wait(MINUTE);
        let client = layer.layer(server.clone());
        let calls = send(&client, [1]).await;
        served(calls).await;
        assert_eq!(window.snapshot().limit, limit, "{left}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_seeded_window_whose_server_says_nothing_is_taken_to_be_full() {
    let server = Server::with_latencies([100 * MS, Duration::ZERO]);
    let quota = Quota::rolling(5, SECOND)
        .grace(3 * SECOND)
        .start(Start::Seeded);
    let layer = RateLayer::new(quota).listen(Left).max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let calls = send(&client, 1..=3).await;
    served(calls).await;
    // The first one's own place frees as always; the others when all that may be under way has been counted and has left.
    assert_eq!(
        server.departed(start),
        millis([(1, 0), (2, 1_110), (3, 2_120)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_window_names_no_time() {
    let server = Server::with_latency(Duration::ZERO);
    let window = Window::new(Quota::rolling(5, SECOND));
    window.pause();
    let refuses = RateLayer::new(window.clone()).refuse();
    let error = refuses.layer(server.clone()).oneshot(labelled(1)).await;
    let error = error.expect_err("paused");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(error.kind(), RateErrorKind::WouldWait);
    assert_eq!(error.retry_in(), None);
    assert_eq!(
        error.to_string(),
        "the window is held up, and this request may not wait: try again once the program has resumed it, or, where its first \
         response is to say how much is left, once that has come"
    );
    let waits = RateLayer::new(window).max_wait(SECOND);
    let error = waits.layer(server).oneshot(labelled(2)).await;
    let error = error.expect_err("paused for longer than it waits");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(
        (error.kind(), error.retry_in()),
        (RateErrorKind::Deadline, None)
    );
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_a_paused_window_is_full_for_a_time_that_nobody_knows() {
    let server = Server::with_latency(Duration::ZERO);
    let window = Window::new(Quota::rolling(5, SECOND));
    let client = RateLayer::new(window.clone())
        .queue(1)
        .layer(server.clone());
    window.pause();
    let waits = tokio::spawn(client.clone().oneshot(labelled(1)));
    settle().await;
    let error = client.oneshot(labelled(2)).await.expect_err("full");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(
        (error.kind(), error.retry_in()),
        (RateErrorKind::QueueFull, None)
    );
    assert_eq!(
        error.to_string(),
        "the window is held up, and as many requests wait for a place already as may (1): try again once the program has resumed \
         it, or the first response has come that says how much is left; or raise `queue`"
    );
    // Once it goes on, there is a time again.
    window.resume();
    waits.await.expect("no panic").expect("a place");
    let burst = RateLayer::new(window).queue(0).layer(server);
    for _ in 0..4 {
        burst.clone().oneshot(labelled(3)).await.expect("a place");
    }
    let error = burst.oneshot(labelled(4)).await.expect_err("no queue");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(error.kind(), RateErrorKind::QueueFull);
    assert_eq!(error.retry_in(), Some(Duration::from_millis(1_010)));
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_for_more_than_a_lowered_limit_are_told_at_once_wherever_they_stand() {
    let server = Server::with_latency(Duration::ZERO);
    let window = Window::new(Quota::rolling(5, SECOND));
    let layer = RateLayer::new(
        Rule::new(window.clone())
            .cost(|head| head.extensions().get::<Label>().map_or(1, |label| label.0)),
    );
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let calls = [5, 2, 4, 1].map(|cost| tokio::spawn(client.clone().oneshot(labelled(cost))));
    settle().await;
    window.set_limit(NonZeroU32::new(3).expect("not zero"));
    settle().await;
    let [_, _, dear, _] = &calls;
    assert!(dear.is_finished(), "though it is not first in line");
    assert_eq!(start.elapsed(), Duration::ZERO);
    let outcomes = futures_util::future::join_all(calls).await;
    let served: Vec<bool> = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("no panic").is_ok())
        .collect();
    assert_eq!(served, [true, true, false, true]);
}
