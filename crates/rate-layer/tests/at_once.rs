//! A wait that cannot end in time fails at once, and says truly when it would have ended.
#![cfg(not(loom))]

mod support;

use std::time::Duration;

use call_context::CallContext;
use http::Request;
use rate_layer::{MINUTE, Pace, Quota, RateError, RateErrorKind, RateLayer, Rule, SECOND, Window};
use support::{Label, MS, Server, labelled, settle};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

fn order() -> Request<()> {
    let mut request = labelled(1);
    CallContext::of(request.extensions_mut()).set_class(Some("order".into()));
    request
}

/// In what time the layer says that a request with this label would be served: asked by one that may wait for too short, and by
/// one that never waits.
async fn told(layer: &RateLayer, label: u32) -> Duration {
    let start = Instant::now();
    let impatient = layer.clone().max_wait(MS);
    let refusing = layer.clone().refuse();
    let mut told = Vec::new();
    for (layer, kind) in [
        (impatient, RateErrorKind::Deadline),
        (refusing, RateErrorKind::WouldWait),
    ] {
        let client = layer.layer(Server::with_latency(Duration::ZERO));
        let error = client
            .oneshot(labelled(label))
            .await
            .expect_err("not in time");
        let error = error.downcast_ref::<RateError>().expect("ours");
        assert_eq!(error.kind(), kind);
        told.extend(error.retry_in());
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "at once");
    assert_eq!(told[0], told[1]);
    // A deadline of the call counts as the layer's own patience does; one that leaves just enough time is met.
    let deadline = start + told[0] - MS;
    let mut urgent = labelled(label);
    CallContext::of(urgent.extensions_mut()).limit_deadline(deadline.into_std());
    let client = layer.layer(Server::with_latency(Duration::ZERO));
    client.oneshot(urgent).await.expect_err("not in time");
    assert_eq!(start.elapsed(), Duration::ZERO, "at once");
    told[0]
}

/// That a request is served exactly in the time that the layer says, by waiting so long; and not by trying a little sooner.
async fn assert_true(layer: &RateLayer, label: u32, expected: Duration) {
    let start = Instant::now();
    assert_eq!(told(layer, label).await, expected);
    let server = Server::with_latency(Duration::ZERO);
    let exactly = layer.clone().max_wait(expected).layer(server.clone());
    exactly
        .oneshot(labelled(label))
        .await
        .expect("just in time");
    assert_eq!(server.departures(), [start + expected]);
}

/// That trying again after the time that the layer says succeeds, and a little sooner does not.
async fn assert_retry(layer: &RateLayer, label: u32, expected: Duration) {
    let told = told(layer, label).await;
    assert_eq!(told, expected);
    let client = layer
        .clone()
        .refuse()
        .layer(Server::with_latency(Duration::ZERO));
    sleep(told - MS).await;
    client
        .clone()
        .oneshot(labelled(label))
        .await
        .expect_err("too soon");
    sleep(MS).await;
    client.oneshot(labelled(label)).await.expect("as told");
}

async fn send(layer: &RateLayer, request: Request<()>) {
    let client = layer.layer(Server::with_latency(Duration::ZERO));
    client.oneshot(request).await.expect("served");
}

/// Has requests with these labels wait, each in a task of its own.
async fn in_line(layer: &RateLayer, labels: impl IntoIterator<Item = u32>) {
    for label in labels {
        let client = layer
            .clone()
            .max_wait(5 * MINUTE)
            .layer(Server::with_latency(Duration::ZERO));
        tokio::spawn(client.oneshot(labelled(label)));
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_line_ahead() {
    let layer = RateLayer::new(Quota::rolling(2, SECOND));
    send(&layer, labelled(1)).await;
    sleep(300 * MS).await;
    send(&layer, labelled(1)).await;
    in_line(&layer, [1; 4]).await;
    // Places free at 1010 and 1310 ms; the fifth in line has the first one's third turn.
    assert_true(&layer, 1, 3 * 1_010 * MS - 300 * MS).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_line_whose_requests_cost_more_than_one() {
    let layer = RateLayer::new(Quota::rolling(10, SECOND))
        .cost(|head| head.extensions().get().map_or(1, |&Label(cost)| cost));
    send(&layer, labelled(10)).await;
    in_line(&layer, [5, 5]).await;
    assert_true(&layer, 3, 2 * 1_010 * MS).await;
}

#[tokio::test(start_paused = true)]
async fn of_what_is_reserved_for_others() {
    let layer = RateLayer::new(Quota::rolling(5, SECOND).reserve(3)).first("order");
    send(&layer, labelled(1)).await;
    sleep(200 * MS).await;
    send(&layer, labelled(1)).await;
    assert_retry(&layer, 1, 1_010 * MS - 200 * MS).await;

    // In use by those it is for, it keeps nobody else waiting.
    let layer = RateLayer::new(Quota::rolling(5, SECOND).reserve(3)).first("order");
    for _ in 0..3 {
        send(&layer, order()).await;
    }
    for _ in 0..2 {
        sleep(100 * MS).await;
        send(&layer, labelled(1)).await;
    }
    assert_retry(&layer, 1, 1_010 * MS - 100 * MS).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_pace() {
    let layer = RateLayer::new(Pace::every(600 * MS).burst(2));
    send(&layer, labelled(1)).await;
    send(&layer, labelled(1)).await;
    assert_retry(&layer, 1, 600 * MS).await;
    in_line(&layer, [1; 3]).await;
    assert_true(&layer, 1, 4 * 600 * MS).await;
}

#[tokio::test(start_paused = true)]
async fn of_several_windows() {
    let quotas = Quota::rolling(2, SECOND)
        .and(Quota::rolling(3, MINUTE))
        .and(Pace::every(100 * MS));
    let layer = RateLayer::new(quotas);
    send(&layer, labelled(1)).await;
    assert_retry(&layer, 1, 100 * MS).await;
    // At 100 ms the second is full until the first one leaves it.
    assert_retry(&layer, 1, 910 * MS).await;
    // And then the minute is.
    assert_retry(&layer, 1, 59_050 * MS).await;
}

#[tokio::test(start_paused = true)]
async fn of_windows_of_several_rules() {
    let first = Window::new(Quota::rolling(1, SECOND));
    let second = first.beside(Quota::rolling(1, 3 * SECOND));
    let layer = RateLayer::new(first).also(Rule::new(second.clone()));
    send(&layer, labelled(1)).await;
    assert_retry(&layer, 1, 3_010 * MS).await;
    in_line(&RateLayer::new(second), [1]).await;
    assert_true(&layer, 1, 2 * 3_010 * MS).await;
}
