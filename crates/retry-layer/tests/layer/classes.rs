//! What classes of requests have to themselves.

use std::time::Duration;

use call_context::CallContext;
use retry_layer::{
    ClassSettings, Classify, DeadlineExceeded, Exchange, RetryLayer, StatusClassifier, Stop,
    Verdict,
};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

type Request = http::Request<http_body_util::Full<bytes::Bytes>>;

fn of(class: &str) -> Request {
    let mut request = get();
    CallContext::of(request.extensions_mut()).set_class(Some(class.into()));
    request
}

async fn calls(layer: &RetryLayer, request: Request) -> usize {
    let script = Script::new((0..9).map(|_| status(503)));
    run(layer, &script, request).await.expect("a response");
    script.calls()
}

#[tokio::test(start_paused = true)]
async fn a_class_has_attempts_of_its_own() {
    let layer = prompt()
        .class("execute", ClassSettings::new().attempts(1))
        .class("read", ClassSettings::new().attempts(5))
        .attempts(2);
    for (request, expected) in [
        (of("execute"), 1),
        (of("read"), 5),
        (of("other"), 2),
        (get(), 2),
    ] {
        assert_eq!(calls(&layer, request).await, expected);
    }
    // Not even after a 401.
    let script = Script::new([renewed()]);
    run(&layer, &script, of("execute"))
        .await
        .expect("a response");
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_class_may_be_repeated_by_a_layer_that_repeats_nothing_else() {
    let layer = prompt()
        .attempts(1)
        .class("read", ClassSettings::new().attempts(3));
    assert_eq!(calls(&layer, of("read")).await, 3);
    assert_eq!(calls(&layer, of("execute")).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_class_may_not_repeat_no_layer_below_repeats() {
    let outer = prompt().class("execute", ClassSettings::new().attempts(1));
    let script = Script::new([status(503)]);
    let stack = outer.layer(prompt().layer(script.clone()));
    stack.oneshot(of("execute")).await.expect("a response");
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_class_has_pauses_of_its_own() {
    let patient = ClassSettings::new()
        .base(60 * SECOND)
        .throttle_base(60 * SECOND)
        .max_delay(60 * SECOND)
        .longest_retry_after(300 * SECOND);
    let layer = prompt().max_delay(SECOND).class("report", patient);
    // One of sixteen pauses below two seconds would be the layer's own; all of them are one in 30^16.
    let mut longest = Duration::ZERO;
    for answer in [503, 429].into_iter().cycle().take(16) {
        let layer = layer.clone().budget(retry_layer::Budget::new(1));
        let script = Script::new([status(answer), status(200)]);
        run(&layer, &script, of("report"))
            .await
            .expect("a response");
        longest = longest.max(script.seen()[1].at);
        let script = Script::new([status(answer), status(200)]);
        let layer = layer.budget(retry_layer::Budget::new(1));
        run(&layer, &script, get()).await.expect("a response");
        assert_eq!(script.seen()[1].at, Duration::ZERO);
    }
    assert!(longest > 2 * SECOND, "{longest:?}");

    let long = || with_header(503, "retry-after", "200");
    let script = Script::new([long(), status(200)]);
    run(&layer, &script, of("report"))
        .await
        .expect("a response");
    assert!(script.seen()[1].at >= 200 * SECOND);
    let script = Script::new([long()]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(layer.counters().stopped(Stop::Wait), 1);
}

#[tokio::test(start_paused = true)]
async fn a_class_has_a_deadline_of_its_own_longer_or_shorter() {
    let layer = prompt()
        .deadline(5 * SECOND)
        .class("quick", ClassSettings::new().deadline(SECOND))
        .class("report", ClassSettings::new().deadline(60 * SECOND));
    for (request, seconds) in [(of("quick"), 1), (of("report"), 60), (get(), 5)] {
        let start = Instant::now();
        let script = Script::slow([(900 * SECOND, status(200))]);
        let error = run(&layer, &script, request).await.expect_err("too late");
        assert!(error.is::<DeadlineExceeded>());
        assert_eq!(start.elapsed(), seconds * SECOND);
        assert_eq!(script.seen()[0].deadline, Some(start + seconds * SECOND));
    }
    // A deadline is work enough for a layer that repeats nothing.
    let layer = prompt()
        .attempts(1)
        .class("quick", ClassSettings::new().deadline(SECOND));
    let script = Script::slow([(900 * SECOND, status(200))]);
    assert!(run(&layer, &script, of("quick")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_class_has_a_classifier_of_its_own_and_the_engine_has_the_last_word_there_too() {
    let not_found = |exchange: &Exchange<'_>| match exchange.status() {
        Some(status) if status == 404 => Verdict::TRANSIENT,
        _ => StatusClassifier.classify(exchange),
    };
    let layer = prompt().class("fresh", ClassSettings::new().classifier(not_found));
    let unsafe_one = {
        let mut request = post();
        CallContext::of(request.extensions_mut()).set_class(Some("fresh".into()));
        request
    };
    for (request, calls) in [(of("fresh"), 2), (of("other"), 1), (unsafe_one, 1)] {
        let script = Script::new([status(404), status(200)]);
        run(&layer, &script, request).await.expect("a response");
        assert_eq!(script.calls(), calls);
    }
}
