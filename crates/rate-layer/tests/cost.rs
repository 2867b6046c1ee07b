//! What requests cost, and what they have cost after all.
#![cfg(not(loom))]

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use call_context::{BoxError, NeverLeft, Refusal};
use futures_util::future::join_all;
use http::{Request, Response};
use rate_layer::{
    Charge, MINUTE, Quota, RateError, RateErrorKind, RateLayer, RateLimit, Rule, SECOND, Window,
};
use support::{Label, MS, Server, labelled, settle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

/// Ten places a second, each held for 1010 ms; and a layer by which a request costs as much as its label says.
fn ten() -> (Window, RateLayer) {
    let window = Window::new(Quota::rolling(10, SECOND));
    let layer = RateLayer::new(priced(&window)).max_wait(MINUTE);
    (window, layer)
}

fn priced(window: &Window) -> Rule {
    Rule::new(window.clone()).cost(|head| head.extensions().get().map_or(1, |&Label(cost)| cost))
}

fn prompt() -> Server {
    Server::with_latency(Duration::ZERO)
}

type Outcome = Result<Response<()>, BoxError>;

/// Sends a request of this cost from a task of its own, which has begun to wait where it must.
async fn send(client: &RateLimit<Server>, cost: u32) -> JoinHandle<Outcome> {
    let call = tokio::spawn(client.clone().oneshot(labelled(cost)));
    settle().await;
    call
}

async fn served(call: JoinHandle<Outcome>) -> Response<()> {
    call.await.expect("no panic").expect("served")
}

async fn refused(call: JoinHandle<Outcome>) -> (RateErrorKind, String) {
    let error = call.await.expect("no panic").expect_err("refused");
    let kind = error.downcast_ref::<RateError>().expect("ours").kind();
    (kind, error.to_string())
}

#[tokio::test(start_paused = true)]
async fn what_costs_nothing_passes_uncounted_even_where_nothing_else_does() {
    let (window, layer) = ten();
    let client = layer.layer(prompt());
    served(send(&client, 10).await).await;
    let before = window.snapshot();
    window.pause();
    for _ in 0..20 {
        client
            .clone()
            .oneshot(labelled(0))
            .await
            .expect("not counted");
    }
    window.resume();
    assert_eq!(window.snapshot(), before);
}

#[tokio::test(start_paused = true)]
async fn what_costs_more_than_there_is_fails_at_once_and_for_good() {
    let (window, layer) = ten();
    let client = layer.layer(prompt());
    served(send(&client, 10).await).await;
    let error = client
        .clone()
        .oneshot(labelled(11))
        .await
        .expect_err("too dear");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(
        (error.kind(), error.retry_in()),
        (RateErrorKind::CostTooHigh, None)
    );
    let text = "the request costs 11 places and its window has 10 for it: it can never be admitted; let it cost less, raise the limit, or lower what is reserved for others";
    assert_eq!(error.to_string(), text);
    assert_eq!(window.snapshot().counts.refused, 1);

    // Of a reserve, the rest has nothing.
    let reserved = RateLayer::new(Quota::rolling(10, SECOND).reserve(4)).cost(|_| 7);
    let error = reserved
        .layer(prompt())
        .oneshot(labelled(0))
        .await
        .expect_err("too dear");
    let text = "the request costs 7 places and its window has 6 for it: it can never be admitted; let it cost less, raise the limit, or lower what is reserved for others";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_more_than_a_lowered_limit_has_fails_at_once_and_those_behind_go_on() {
    let (window, layer) = ten();
    let server = prompt();
    let client = layer.layer(server.clone());
    served(send(&client, 10).await).await;
    let start = Instant::now();
    let dear = send(&client, 8).await;
    let cheap = send(&client, 5).await;
    sleep(300 * MS).await;
    window.set_limit(NonZeroU32::new(6).expect("not zero"));
    let (kind, text) = refused(dear).await;
    assert_eq!(kind, RateErrorKind::CostTooHigh);
    assert_eq!(
        text,
        "the request costs 8 places and its window has 6 for it: it can never be admitted; let it cost less, raise the limit, or lower what is reserved for others"
    );
    assert_eq!(start.elapsed(), 300 * MS);
    served(cheap).await;
    assert_eq!(server.departures()[1] - start, 1_010 * MS);
    assert_eq!(window.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_sets_the_cost_right_before_anyone_else_is_admitted() {
    let (window, layer) = ten();
    let server = Server::with_latency(100 * MS).responding(|request| {
        let Some(&Label(cost)) = request.extensions().get() else {
            return Response::new(());
        };
        // Five times as much as was thought.
        let response = Response::builder().header("x-cost", cost * 5);
        response.body(()).expect("a response")
    });
    let layer = layer.correct(|head| head.headers().get("x-cost")?.to_str().ok()?.parse().ok());
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let first = send(&client, 1).await;
    let second = send(&client, 2).await;
    served(first).await;
    served(second).await;
    assert_eq!((start.elapsed(), window.snapshot().used), (100 * MS, 15));
    // Overdrawn by five: nothing is admitted until both have left the window.
    served(send(&client, 1).await).await;
    assert_eq!(server.departures()[2] - start, 100 * MS + 1_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn each_rule_corrects_its_own_cost() {
    let requests = Window::new(Quota::rolling(5, SECOND));
    let tokens = requests.beside(Quota::rolling(1_000, SECOND));
    let rule = Rule::new(tokens.clone())
        .cost(|_| 100)
        .correct(|head| head.headers().get("x-tokens")?.to_str().ok()?.parse().ok());
    let server = prompt().responding(|_| {
        let response = Response::builder().header("x-tokens", 730);
        response.body(()).expect("a response")
    });
    let client = RateLayer::new(requests.clone()).also(rule).layer(server);
    client.oneshot(labelled(0)).await.expect("served");
    assert_eq!((requests.snapshot().used, tokens.snapshot().used), (1, 730));
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_overdraws_is_waited_off_exactly() {
    let (window, _) = ten();
    let server = prompt();
    let rule = priced(&window).charged_later();
    let client = RateLayer::new(rule).max_wait(MINUTE).layer(server.clone());
    let start = Instant::now();
    let early = served(send(&client, 4).await).await;
    sleep(500 * MS).await;
    let late = served(send(&client, 4).await).await;
    let mut late = late
        .into_parts()
        .0
        .extensions
        .remove::<Charge>()
        .expect("a charge");
    assert_eq!(late.cost(), 4);
    late.set(12);
    assert_eq!((late.cost(), window.snapshot().used), (12, 16));
    drop(early);
    // Four leave at 1010 ms, and two are still too many; the others leave at 1510 ms.
    served(send(&client, 1).await).await;
    assert_eq!(server.departures()[2] - start, 1_510 * MS);

    // Stated again, the newest word holds.
    let (window, _) = ten();
    let client = RateLayer::new(priced(&window).charged_later()).layer(prompt());
    let mut response = served(send(&client, 4).await).await;
    let charge = response
        .extensions_mut()
        .get_mut::<Charge>()
        .expect("a charge");
    for cost in [30, 2, 0, 7] {
        charge.set(cost);
        assert_eq!(window.snapshot().used, cost);
    }
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_says_less_frees_the_difference_at_once() {
    let (window, _) = ten();
    let server = prompt();
    let client = RateLayer::new(priced(&window).charged_later()).layer(server.clone());
    let start = Instant::now();
    let mut response = served(send(&client, 10).await).await;
    let waits = send(&client, 3).await;
    sleep(200 * MS).await;
    response
        .extensions_mut()
        .get_mut::<Charge>()
        .expect("a charge")
        .set(7);
    served(waits).await;
    assert_eq!(server.departures()[1] - start, 200 * MS);
    assert_eq!(window.snapshot().used, 10);
}

#[tokio::test(start_paused = true)]
async fn a_charge_after_the_request_has_left_the_window_changes_nothing() {
    let (window, _) = ten();
    let client = RateLayer::new(priced(&window).charged_later()).layer(prompt());
    let mut response = served(send(&client, 4).await).await;
    sleep(1_010 * MS).await;
    let before = window.snapshot();
    assert_eq!(before.used, 0);
    let charge = response
        .extensions_mut()
        .get_mut::<Charge>()
        .expect("a charge");
    for cost in [100, 0] {
        charge.set(cost);
        assert_eq!(window.snapshot(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_rule_that_is_charged_later_is_charged() {
    let requests = Window::new(Quota::rolling(5, SECOND));
    let tokens = requests.beside(Quota::rolling(1_000, SECOND));
    let layer = RateLayer::new(requests.clone()).also(Rule::new(tokens.clone()).charged_later());
    let mut response = layer
        .layer(prompt())
        .oneshot(labelled(0))
        .await
        .expect("served");
    response
        .extensions_mut()
        .get_mut::<Charge>()
        .expect("a charge")
        .set(40);
    assert_eq!((requests.snapshot().used, tokens.snapshot().used), (1, 40));
    let response = RateLayer::new(requests)
        .layer(prompt())
        .oneshot(labelled(0))
        .await;
    assert!(
        response
            .expect("served")
            .extensions()
            .get::<Charge>()
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn what_never_left_gives_everything_back() {
    let (window, layer) = ten();
    let other = window.beside(Quota::rolling(20, SECOND));
    let layer = layer.also(Rule::new(other.clone()).cost(|_| 15));
    let refused = service_fn(|_: Request<()>| async {
        let mark = NeverLeft::wrap(Refusal::Transient, "no connection");
        Err::<Response<()>, BoxError>(mark.into())
    });
    let client = layer.layer(refused);
    for _ in 0..3 {
        client
            .clone()
            .oneshot(labelled(7))
            .await
            .expect_err("refused");
        for window in [&window, &other] {
            let snapshot = window.snapshot();
            assert_eq!((snapshot.in_flight, snapshot.used), (0, 0));
        }
    }
    assert_eq!(window.snapshot().counts.given_back, 3);
}

#[tokio::test(start_paused = true)]
async fn a_layers_own_rule_is_charged_later_by_a_word_to_the_layer() {
    let (window, layer) = ten();
    let client = layer.charged_later().layer(prompt());
    let mut response = served(send(&client, 3).await).await;
    let charge = response
        .extensions_mut()
        .get_mut::<Charge>()
        .expect("a charge");
    assert_eq!(charge.cost(), 3);
    charge.set(5);
    assert_eq!(window.snapshot().used, 5);
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_as_many_places_as_it_costs_and_the_dear_one_is_not_overtaken() {
    let (window, layer) = ten();
    let server = prompt();
    let client = layer.layer(server.clone());
    let start = Instant::now();
    let calls = [4, 3, 9, 1, 10, 2].map(|cost| client.clone().oneshot(labelled(cost)));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    // Three are free for the one that costs nine, and it waits; the cheap one behind it waits as well.
    let expected = [
        (4, 0),
        (3, 0),
        (9, 1_010),
        (1, 1_010),
        (10, 2_020),
        (2, 3_030),
    ];
    let departed: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| (seen.label, seen.departed - start))
        .collect();
    assert_eq!(departed, expected.map(|(cost, at)| (cost, at * MS)));
    assert_eq!(window.snapshot().used, 2);
}

/// The charge of a response that two layers have asked for: the outer one by a label's cost, the inner one by two rules.
async fn nested() -> ([Window; 3], Charge) {
    let (outer, _) = ten();
    let inner = Window::new(Quota::rolling(100, SECOND));
    let bytes = inner.beside(Quota::rolling(1_000, SECOND));
    let tokens = Rule::new(inner.clone()).cost(|_| 20).charged_later();
    let in_bytes = Rule::new(bytes.clone()).cost(|_| 300).charged_later();
    let client = RateLayer::new(priced(&outer).charged_later())
        .layer(RateLayer::new(tokens).also(in_bytes).layer(prompt()));
    let mut response = client.oneshot(labelled(4)).await.expect("served");
    let charge = response.extensions_mut().remove::<Charge>();
    ([outer, inner, bytes], charge.expect("a charge"))
}

fn used(windows: &[Window; 3]) -> [u32; 3] {
    windows.each_ref().map(|window| window.snapshot().used)
}

#[tokio::test(start_paused = true)]
async fn a_charge_reaches_every_layer_that_asked_for_one() {
    let (windows, mut charge) = nested().await;
    assert_eq!((used(&windows), charge.cost()), ([4, 20, 300], 4));
    for cost in [7, 0, 9] {
        charge.set(cost);
        assert_eq!((used(&windows), charge.cost()), ([cost; 3], cost));
    }
}

#[tokio::test(start_paused = true)]
async fn each_rule_that_asked_for_a_charge_can_be_told_its_own_cost() {
    let (windows, charge) = nested().await;
    let costs = |charge: &Charge| charge.each().map(|one| one.cost()).collect::<Vec<_>>();
    assert_eq!(costs(&charge), [4, 20, 300]);
    for told in [[6, 31, 280], [0, 0, 1], [9, 100, 900]] {
        for (mut charge, cost) in charge.each().zip(told) {
            assert_eq!(charge.each().count(), 1);
            charge.set(cost);
        }
        assert_eq!(used(&windows), told);
        assert_eq!(costs(&charge), told, "clones are one charge");
        assert_eq!(charge.cost(), told[0]);
    }
}
