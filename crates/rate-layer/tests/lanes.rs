//! Who goes first, and that nobody starves by it.
#![cfg(not(loom))]

mod support;

use std::time::Duration;

use call_context::{BoxError, CallContext};
use http::{Request, Response};
use rate_layer::{MINUTE, Pace, Quota, RateLayer, RateLimit, SECOND, Window};
use support::{Label, MS, Server, labelled, settle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

fn order(label: u32) -> Request<()> {
    let mut request = labelled(label);
    CallContext::of(request.extensions_mut()).set_class(Some("order".into()));
    request
}

fn prompt() -> Server {
    Server::with_latency(Duration::ZERO)
}

type Call = JoinHandle<Result<Response<()>, BoxError>>;

async fn send(client: &RateLimit<Server>, request: Request<()>) -> Call {
    let call = tokio::spawn(client.clone().oneshot(request));
    settle().await;
    call
}

async fn served(calls: impl IntoIterator<Item = Call>) {
    for call in calls {
        call.await.expect("no panic").expect("served");
    }
}

fn millis<const N: usize>(departed: [(u32, u32); N]) -> Vec<(u32, Duration)> {
    departed.map(|(label, at)| (label, at * MS)).to_vec()
}

#[tokio::test(start_paused = true)]
async fn what_goes_first_overtakes_in_its_own_order_and_the_rest_keeps_theirs() {
    let server = prompt();
    let layer = RateLayer::new(Quota::rolling(3, SECOND))
        .first("order")
        .max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    // Three places, which free at 1010, 1210 and 1410 ms.
    let mut calls = Vec::new();
    for label in [1, 2, 3] {
        calls.push(send(&client, labelled(label)).await);
        sleep(200 * MS).await;
    }
    for label in [4, 5] {
        calls.push(send(&client, labelled(label)).await);
    }
    for label in [11, 12] {
        calls.push(send(&client, order(label)).await);
    }
    served(calls).await;
    let expected = [
        (1, 0),
        (2, 200),
        (3, 400),
        (4, 1_410),
        (5, 2_020),
        (11, 1_010),
        (12, 1_210),
    ];
    assert_eq!(server.departed(start), millis(expected));
}

#[tokio::test(start_paused = true)]
async fn a_saturating_poller_delays_an_order_by_no_more_than_the_next_freed_place() {
    // Ten places, which free at all sorts of moments.
    let server = Server::with_latencies((0..400).map(|i| (20 + i * 53 % 171) * MS).chain([MS]));
    let layer = RateLayer::new(Quota::rolling(10, SECOND))
        .first("order")
        .max_wait(5 * MINUTE);
    let client = layer.layer(server.clone());
    let mut calls = Vec::new();
    for _ in 0..300 {
        calls.push(send(&client, labelled(0)).await);
    }
    let mut arrivals = Vec::new();
    for label in 1..=20 {
        sleep(337 * MS).await;
        arrivals.push((label, Instant::now()));
        calls.push(send(&client, order(label)).await);
    }
    served(calls).await;
    let seen = server.seen();
    for (label, arrival) in arrivals {
        let order = seen
            .iter()
            .find(|seen| seen.label == label)
            .expect("served");
        let between =
            |seen: &&support::Seen| arrival < seen.departed && seen.departed < order.departed;
        assert!(
            seen.iter().filter(between).all(|seen| seen.label != 0),
            "order {label}"
        );
    }
    let orders = server.order().into_iter().filter(|&label| label != 0);
    assert!(orders.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn a_reserve_is_kept_for_orders_which_depart_at_once() {
    let server = prompt();
    let window = Window::new(Quota::rolling(5, SECOND).reserve(2));
    let client = RateLayer::new(window.clone())
        .first("order")
        .max_wait(MINUTE)
        .layer(server.clone());
    let start = Instant::now();
    let mut calls = Vec::new();
    for label in 1..=7 {
        calls.push(send(&client, labelled(label)).await);
    }
    assert_eq!((window.snapshot().used, window.snapshot().waiting), (3, 4));
    sleep(100 * MS).await;
    for label in 11..=13 {
        calls.push(send(&client, order(label)).await);
    }
    served(calls).await;
    // Two at once. The third has the first place that frees; of those of the rest there are three at any time.
    let polling = [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 1_010),
        (5, 1_010),
        (6, 1_110),
        (7, 2_020),
    ];
    let orders = [(11, 100), (12, 100), (13, 1_010)];
    assert_eq!(
        server.departed(start),
        [millis(polling), millis(orders)].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn what_goes_first_may_use_all_places_and_the_rest_does_not_starve_by_it() {
    let server = prompt();
    let layer = RateLayer::new(Quota::rolling(3, SECOND))
        .first("order")
        .max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let mut calls = Vec::new();
    for label in 100..130 {
        calls.push(send(&client, order(label)).await);
    }
    for label in 1..=4 {
        calls.push(send(&client, labelled(label)).await);
    }
    served(calls).await;
    // Whenever the rest holds nothing, the next place is its own.
    let departed = server.departed(start);
    assert_eq!(
        departed[..4],
        millis([(1, 1_010), (2, 2_020), (3, 3_030), (4, 4_040)])
    );
    let first: Vec<_> = [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5]
        .map(|round| round * 1_010 * MS)
        .into();
    let orders: Vec<_> = departed[4..18].iter().map(|&(_, at)| at).collect();
    assert_eq!(orders, first);
}

#[tokio::test(start_paused = true)]
async fn a_closure_may_say_who_goes_first_besides_the_classes() {
    let server = prompt();
    let layer = RateLayer::new(Quota::rolling(2, SECOND).reserve(1))
        .first("order")
        .first_if(|head| {
            head.extensions()
                .get()
                .is_some_and(|&Label(label)| label > 100)
        })
        .refuse();
    let client = layer.layer(server.clone());
    let call = async |request| client.clone().oneshot(request).await.is_ok();
    assert!(call(labelled(1)).await);
    assert!(!call(labelled(2)).await, "the other place is reserved");
    assert!(call(labelled(101)).await);
    sleep(2 * SECOND).await;
    assert!(call(order(3)).await && call(order(4)).await, "all places");
    assert!(!call(labelled(5)).await, "none is left");
    assert_eq!(server.order(), [1, 101, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_dear_one_of_the_rest_is_not_nibbled_away_by_those_who_go_first() {
    let server = prompt();
    let layer = RateLayer::new(Quota::rolling(3, SECOND))
        .cost(|head| if head.class().is_some() { 1 } else { 3 })
        .first("order")
        .max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let mut calls = Vec::new();
    for label in [11, 12, 13] {
        calls.push(send(&client, order(label)).await);
        sleep(300 * MS).await;
    }
    calls.push(send(&client, labelled(1)).await);
    // At 1010 ms one place is free, of the three that it needs.
    sleep(200 * MS).await;
    calls.push(send(&client, order(14)).await);
    served(calls).await;
    let expected = [(1, 1_610), (11, 0), (12, 300), (13, 600), (14, 2_620)];
    assert_eq!(server.departed(start), millis(expected));
}

#[tokio::test(start_paused = true)]
async fn a_single_place_goes_to_both_in_turn() {
    let server = prompt();
    let layer = RateLayer::new(Quota::rolling(1, SECOND))
        .first("order")
        .max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let mut calls = Vec::new();
    for label in [11, 12, 13] {
        calls.push(send(&client, order(label)).await);
    }
    for label in [1, 2] {
        calls.push(send(&client, labelled(label)).await);
    }
    served(calls).await;
    let expected = [(1, 1_010), (2, 3_030), (11, 0), (12, 2_020), (13, 4_040)];
    assert_eq!(server.departed(start), millis(expected));
}

#[tokio::test(start_paused = true)]
async fn at_a_pace_both_go_in_turn_and_nobody_starves() {
    let server = prompt();
    let layer = RateLayer::new(Pace::every(100 * MS))
        .first("order")
        .max_wait(MINUTE);
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let mut calls = Vec::new();
    for label in [11, 12, 13, 14] {
        calls.push(send(&client, order(label)).await);
    }
    for label in [1, 2] {
        calls.push(send(&client, labelled(label)).await);
    }
    served(calls).await;
    let expected = [(1, 100), (2, 300), (11, 0), (12, 200), (13, 400), (14, 500)];
    assert_eq!(server.departed(start), millis(expected));
}
