//! Whose budget pays, and how much.

use call_context::{Origin, Refusal};
use retry_layer::{Budget, RetryLayer, Stop};
use tower::{Layer, ServiceExt};

use crate::support::*;

fn to(host: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = get();
    let uri = format!("https://{host}/a");
    *request.uri_mut() = uri.parse().expect("a URI");
    request
}

fn origin(host: &str) -> Origin {
    format!("https://{host}").parse().expect("an origin")
}

async fn attempts(layer: &RetryLayer, host: &str, answers: &[u16]) -> usize {
    let script = Script::new(answers.iter().map(|answer| status(*answer)));
    let service = layer.layer(script.clone());
    service.oneshot(to(host)).await.expect("a response");
    script.calls()
}

#[tokio::test(start_paused = true)]
async fn throttles_and_failures_cost_what_was_said() {
    let layer = prompt()
        .attempts(9)
        .budget(Budget::new(4).throttle_cost(1.5));
    assert_eq!(
        attempts(&layer, "a.example", &[429, 429, 503, 503]).await,
        4
    );
    assert_eq!(layer.balance(), 0.0);
    assert_eq!(layer.counters().stopped(Stop::Budget), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_never_left_gives_back_what_it_cost() {
    for (first, cost) in [(429, 2.5), (503, 1.0)] {
        let layer = prompt()
            .attempts(2)
            .budget(Budget::new(4).throttle_cost(2.5));
        let script = Script::new([status(first), never_left(Refusal::Transient)]);
        run(&layer, &script, get()).await.expect("a response");
        assert_eq!(layer.balance(), 4.0);
        let script = Script::new([status(first), status(404)]);
        run(&layer, &script, get()).await.expect("a response");
        assert_eq!(layer.balance(), 4.0 - cost);
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_fails_leaves_the_others_their_allowance() {
    let layer = prompt().budget(Budget::new(2).per_origin(16));
    assert_eq!(attempts(&layer, "sick.example", &[503, 503, 503]).await, 3);
    assert_eq!(attempts(&layer, "SICK.example:443", &[503]).await, 1);
    assert_eq!(attempts(&layer, "well.example", &[503, 503, 200]).await, 3);
    assert_eq!(layer.balance_for(&origin("sick.example")), 0.0);
    assert_eq!(layer.balance_for(&origin("well.example")), 0.0);
    assert_eq!(layer.balance_for(&origin("new.example")), 2.0);
    // Nobody has used what the others share.
    assert_eq!(layer.balance(), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_success_pays_for_its_own_origin() {
    let layer = prompt().budget(Budget::new(2).per_success(0.5).per_origin(16));
    assert_eq!(attempts(&layer, "a.example", &[503, 503, 503]).await, 3);
    assert_eq!(attempts(&layer, "b.example", &[503, 503, 503]).await, 3);
    attempts(&layer, "b.example", &[200]).await;
    assert_eq!(layer.balance_for(&origin("a.example")), 0.0);
    assert_eq!(layer.balance_for(&origin("b.example")), 0.5);
}

#[tokio::test(start_paused = true)]
async fn names_that_somebody_makes_up_buy_no_more_than_the_allowances_there_are() {
    let layer = prompt().budget(Budget::new(2).per_origin(8));
    let mut extra = 0;
    for name in 0..1000 {
        let host = format!("{name}.example");
        extra += attempts(&layer, &host, &[503, 503, 503]).await - 1;
    }
    assert_eq!(extra, 2 * (8 + 1));
}
