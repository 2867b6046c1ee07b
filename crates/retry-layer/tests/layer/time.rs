//! Pauses, `Retry-After` and deadlines.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use call_context::{BoxError, CallContext, NeverLeft, Refusal};
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use retry_layer::{Budget, ClassSettings, DeadlineExceeded, RetryInfo, RetryLayer, Stop};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn pauses_stay_below_their_doubling_ceilings() {
    for _ in 0..100 {
        let layer = RetryLayer::new().attempts(4);
        let script = Script::new([503, 503, 503, 200].map(status));
        run(&layer, &script, get()).await.expect("a response");
        let at: Vec<_> = script.seen().iter().map(|seen| seen.at).collect();
        for (retry, millis) in [(1, 50), (2, 100), (3, 200)] {
            // The timer counts in milliseconds, rounded up.
            let most = Duration::from_millis(millis + 1);
            assert!(at[retry] - at[retry - 1] <= most, "{at:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_pauses_from_the_longer_base() {
    let layer = RetryLayer::new()
        .base(Duration::ZERO)
        .budget(Budget::new(200));
    let pauses = (0..200).map(async |_| {
        let script = Script::new([429, 200].map(status));
        run(&layer, &script, get()).await.expect("a response");
        script.seen()[1].at
    });
    let pauses = join_all(pauses).await;
    assert!(pauses.iter().all(|pause| *pause <= SECOND));
    assert!(pauses.iter().any(|pause| *pause > SECOND / 2));
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_draw_different_pauses_at_the_cap_too() {
    for cap in [20_000, 40_000] {
        let layer = RetryLayer::new()
            .base(Duration::from_secs(30))
            .max_delay(Duration::from_millis(cap))
            .budget(Budget::new(1000));
        let pauses = (0..1000).map(async |_| {
            let script = Script::new([503, 200].map(status));
            run(&layer, &script, get()).await.expect("a response");
            script.seen()[1].at
        });
        let distinct: HashSet<_> = join_all(pauses).await.into_iter().collect();
        assert!(distinct.len() > 900, "{}", distinct.len());
        assert!(distinct.iter().all(|pause| pause.as_millis() <= cap.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_exactly_where_there_is_no_jitter() {
    for (value, wait) in [
        ("0", 0),
        ("7", 7),
        ("60", 60),
        ("Mon, 02 Nov 2020 12:00:00 GMT", 0),
    ] {
        let script = Script::new([with_header(429, "retry-after", value), status(200)]);
        run(&prompt(), &script, get()).await.expect("a response");
        assert_eq!(script.seen()[1].at, wait * SECOND, "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_comes_on_top_of_retry_after_and_never_below() {
    let layer = RetryLayer::new().budget(Budget::new(100));
    let pauses = (0..100).map(async |_| {
        let script = Script::new([with_header(429, "retry-after", "5"), status(200)]);
        run(&layer, &script, get()).await.expect("a response");
        script.seen()[1].at
    });
    let pauses = join_all(pauses).await;
    let bounds = 5 * SECOND..=6 * SECOND;
    assert!(pauses.iter().all(|pause| bounds.contains(pause)));
    assert!(pauses.iter().collect::<HashSet<_>>().len() > 50);
}

/// Closed for as long as a `Retry-After` of five seconds asks for, as a rate layer is.
#[derive(Clone)]
struct Window {
    inner: Script,
    closed_until: Arc<Mutex<Instant>>,
}

impl Service<Request<Full<Bytes>>> for Window {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let Self {
            mut inner,
            closed_until,
        } = self.clone();
        Box::pin(async move {
            let until = *closed_until.lock().expect("no panic");
            tokio::time::sleep_until(until).await;
            let response = inner.call(request).await?;
            *closed_until.lock().expect("no panic") = Instant::now() + 5 * SECOND;
            Ok(response)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_a_closed_window_below_and_retry_after_are_not_added_together() {
    let script = Script::new([with_header(429, "retry-after", "5"), status(200)]);
    let window = Window {
        inner: script.clone(),
        closed_until: Arc::new(Mutex::new(Instant::now())),
    };
    let outcome = prompt().layer(window).oneshot(get()).await;
    outcome.expect("a response");
    assert_eq!(script.seen()[1].at, 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_date_counts_from_the_servers_own_clock() {
    let response = Response::builder()
        .status(503)
        .header("date", "Thu, 01 Jan 2099 00:00:00 GMT")
        .header("retry-after", "Thu, 01 Jan 2099 00:00:09 GMT")
        .body("".into())
        .expect("a response");
    let script = Script::new([Ok(response), status(200)]);
    run(&prompt(), &script, get()).await.expect("a response");
    assert_eq!(script.seen()[1].at, 9 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn of_two_retry_afters_the_longer_counts() {
    let mut answer = with_header(503, "retry-after", "9").expect("a response");
    let shorter = "2".parse().expect("a value");
    answer.headers_mut().append("retry-after", shorter);
    let script = Script::new([Ok(answer), status(200)]);
    run(&prompt(), &script, get()).await.expect("a response");
    assert_eq!(script.seen()[1].at, 9 * SECOND);
}

#[cfg(feature = "rate-limit")]
#[tokio::test(start_paused = true)]
async fn a_limit_with_nothing_left_is_a_floor_where_a_throttle_has_no_retry_after() {
    for (answer, fields, wait) in [
        (429, &[("ratelimit", r#""burst";r=0;t=7"#)][..], 7),
        (429, &[("ratelimit", "limit=2, remaining=0, reset=9")], 9),
        (429, &[("ratelimit", r#""burst";r=3;t=7"#)], 0),
        (
            429,
            &[("ratelimit", r#""burst";r=0;t=7"#), ("retry-after", "3")],
            3,
        ),
        (
            429,
            &[("ratelimit", r#""burst";r=0;t=3"#), ("retry-after", "7")],
            7,
        ),
        (500, &[("ratelimit", r#""burst";r=0;t=7"#)], 0),
    ] {
        let mut first = status(answer).expect("a response");
        for (name, value) in fields {
            let value = value.parse().expect("a value");
            first.headers_mut().insert(*name, value);
        }
        let script = Script::new([Ok(first), status(200)]);
        run(&prompt(), &script, get()).await.expect("a response");
        assert_eq!(script.seen()[1].at, wait * SECOND, "{fields:?}");
    }
    let layer = prompt();
    let daily = r#""daily";r=0;t=86400"#;
    let script = Script::new([with_header(429, "ratelimit", daily)]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(layer.counters().stopped(Stop::Wait), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unkeyed_post_that_times_out_below_is_sent_exactly_once_and_a_get_again() {
    for (request, calls) in [(post(), 1), (get(), 3)] {
        let layer = prompt();
        let script = Script::slow((0..3).map(|_| (60 * SECOND, status(200))));
        let start = Instant::now();
        let timeout = tower::timeout::Timeout::new(script.clone(), 5 * SECOND);
        let error = layer.layer(timeout).oneshot(request).await;
        let error = error.expect_err("late");
        assert!(call_context::find::<tower::timeout::error::Elapsed>(&*error).is_some());
        assert_eq!(NeverLeft::find(&*error), None);
        assert_eq!(script.calls(), calls);
        assert_eq!(start.elapsed(), calls as u32 * 5 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_retry_after_than_the_layer_obeys_returns_the_response_at_once() {
    for value in ["61", "18446744073709551615", "99999999999999999999999"] {
        let layer = prompt();
        let script = Script::new([with_header(503, "retry-after", value)]);
        let start = Instant::now();
        let outcome = run(&layer, &script, get()).await.expect("a response");
        assert_eq!(outcome.headers()["retry-after"], value);
        assert_eq!(text(outcome).await, "said by the server");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(layer.counters().stopped(Stop::Wait), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_cap_obeys_a_longer_retry_after() {
    let layer = prompt().longest_retry_after(3600 * SECOND);
    let script = Script::new([with_header(503, "retry-after", "3600"), status(200)]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.seen()[1].at, 3600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_the_deadline_returns_the_response_at_once() {
    let layer = prompt().deadline(5 * SECOND);
    let script = Script::new([with_header(503, "retry-after", "5")]);
    let start = Instant::now();
    let outcome = run(&layer, &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(layer.counters().stopped(Stop::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn the_layers_below_read_the_deadline_and_it_stays_the_same_over_attempts() {
    let layer = prompt().deadline(30 * SECOND);
    let start = Instant::now();
    let script = Script::new([with_header(503, "retry-after", "5"), status(200)]);
    run(&layer, &script, get()).await.expect("a response");
    for seen in script.seen() {
        assert_eq!(seen.deadline, Some(start + 30 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_deadlines_counts() {
    for (own, callers) in [(2, 9), (9, 2)] {
        let layer = prompt().deadline(own * SECOND);
        let mut request = get();
        let start = Instant::now();
        let deadline = (start + callers * SECOND).into_std();
        CallContext::of(request.extensions_mut()).limit_deadline(deadline);
        let script = Script::slow([(20 * SECOND, status(200))]);
        let error = run(&layer, &script, request).await.expect_err("too late");
        assert_eq!(start.elapsed(), 2 * SECOND);
        let error = error.downcast::<DeadlineExceeded>().expect("its own error");
        assert_eq!(error.attempt(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_outlives_the_deadline_may_have_been_processed() {
    let layer = prompt().deadline(10 * SECOND);
    let script = Script::slow([
        (SECOND, never_left(Refusal::Transient)),
        (20 * SECOND, status(200)),
    ]);
    let start = Instant::now();
    let error = run(&layer, &script, post()).await.expect_err("too late");
    assert_eq!(start.elapsed(), 10 * SECOND);
    assert_eq!(NeverLeft::find(&*error), None);
    let text = "the call's deadline passed during attempt 2";
    assert_eq!(error.to_string(), text);
    assert_eq!(layer.counters().stopped(Stop::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn pauses_and_the_deadline_do_not_get_into_each_others_way() {
    let layer = prompt().deadline(10 * SECOND);
    let script = Script::slow([
        (SECOND, with_header(503, "retry-after", "2")),
        (SECOND, with_header(503, "retry-after", "1")),
        (20 * SECOND, status(200)),
    ]);
    let start = Instant::now();
    let outcome = run(&layer, &script, get()).await;
    assert_eq!(outcome.expect("the second response").status(), 503);
    let at: Vec<_> = script.seen().iter().map(|seen| seen.at.as_secs()).collect();
    assert_eq!(at, [0, 3, 5]);
    assert_eq!(start.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_earlier_response_stands_where_repeating_does_no_harm() {
    let keyed = || {
        let mut request = post();
        let key = "k-1".parse().expect("a value");
        request.headers_mut().insert("idempotency-key", key);
        request
    };
    let origin = "https://api.example.com".parse().expect("an origin");
    let honoured = prompt().keys_honoured_by([origin]);
    for (layer, request) in [(prompt(), get()), (honoured, keyed())] {
        let layer = layer.deadline(10 * SECOND);
        let script = Script::slow([
            (SECOND, response(503, "first")),
            (SECOND, response(502, "second")),
            (20 * SECOND, status(200)),
        ]);
        let start = Instant::now();
        let outcome = run(&layer, &script, request).await.expect("a response");
        assert_eq!(start.elapsed(), 10 * SECOND);
        assert_eq!(outcome.status(), 502);
        assert_eq!(text(outcome).await, "second");
        assert_eq!(script.calls(), 3);
        assert_eq!(layer.counters().stopped(Stop::Deadline), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_an_earlier_401_does_not_hide_that_a_post_may_have_been_processed() {
    for (request, stands) in [(get(), true), (post(), false)] {
        let layer = prompt().deadline(10 * SECOND);
        let script = Script::slow([(SECOND, renewed()), (20 * SECOND, status(200))]);
        match run(&layer, &script, request).await {
            Ok(response) => assert!(stands && response.status() == 401),
            Err(error) => {
                assert!(!stands, "{error}");
                assert_eq!(NeverLeft::find(&*error), None);
                let error = error.downcast::<DeadlineExceeded>().expect("its own error");
                assert_eq!(error.attempt(), 2);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_no_earlier_error_stands() {
    for first in [broken(), never_left(Refusal::Local)] {
        let layer = prompt().deadline(10 * SECOND);
        let script = Script::slow([(SECOND, first), (20 * SECOND, status(200))]);
        let error = run(&layer, &script, get()).await.expect_err("too late");
        assert_eq!(NeverLeft::find(&*error), None);
        let error = error.downcast::<DeadlineExceeded>().expect("its own error");
        assert_eq!(error.attempt(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_is_not_sent() {
    let layer = prompt();
    let mut request = get();
    let deadline = Instant::now().into_std();
    CallContext::of(request.extensions_mut()).limit_deadline(deadline);
    let script = Script::new([]);
    let error = run(&layer, &script, request).await.expect_err("too late");
    assert_eq!(script.calls(), 0);
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
    let text = "the call's deadline passed before the first attempt";
    assert_eq!(error.to_string(), text);
    assert_eq!(layer.counters().stopped(Stop::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_holds_where_nothing_is_repeated() {
    let layer = prompt().attempts(1).deadline(SECOND);
    let script = Script::slow([(9 * SECOND, status(200))]);
    let start = Instant::now();
    assert!(run(&layer, &script, get()).await.is_err());
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_the_end_of_time_is_none() {
    let layer = prompt().deadline(Duration::MAX);
    let script = Script::slow([(9 * SECOND, status(200))]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.seen()[0].deadline, None);
}

#[tokio::test(start_paused = true)]
async fn the_earlier_deadline_of_two_stacked_layers_ends_the_call() {
    for (outers, inners) in [(None, 2), (Some(9), 2), (Some(2), 9), (Some(2), 2)] {
        let mut outer = prompt();
        if let Some(seconds) = outers {
            outer = outer.deadline(seconds * SECOND);
        }
        let inner = prompt().deadline(inners * SECOND);
        let script = Script::slow([(20 * SECOND, status(200))]);
        let start = Instant::now();
        let stack = outer.layer(inner.layer(script.clone()));
        let error = stack.oneshot(get()).await.expect_err("too late");
        assert_eq!(start.elapsed(), 2 * SECOND, "{outers:?} {inners}");
        assert_eq!(script.seen()[0].deadline, Some(start + 2 * SECOND));
        let error = error.downcast::<DeadlineExceeded>().expect("its own error");
        assert_eq!(error.attempt(), 1);
        assert_eq!(NeverLeft::find(&*error), None);
        assert_eq!(outer.counters().stopped(Stop::Deadline), 1);
        assert_eq!(script.alive(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_stacked_layer_runs_from_the_first_attempt_and_over_all() {
    for (first, is_answer) in [(response(503, "busy"), true), (broken(), false)] {
        let (outer, inner) = (prompt(), prompt().deadline(2 * SECOND));
        let script = Script::slow([(SECOND, first), (20 * SECOND, status(200))]);
        let stack = outer.layer(inner.layer(script.clone()));
        let start = Instant::now();
        let outcome = stack.oneshot(get()).await;
        assert_eq!(start.elapsed(), 2 * SECOND);
        for seen in script.seen() {
            assert_eq!(seen.deadline, Some(start + 2 * SECOND));
        }
        assert_eq!(outer.counters().stopped(Stop::Deadline), 1);
        // What a stacked layer lets through is not judged twice.
        assert_eq!(inner.counters(), RetryLayer::new().counters());
        match outcome {
            Ok(outcome) => {
                assert!(is_answer);
                let info = RetryInfo::of(outcome.extensions());
                assert_eq!((info.attempts(), info.stop()), (2, Some(Stop::Deadline)));
                let body = outcome.into_body().collect().await.expect("infallible");
                assert_eq!(body.to_bytes(), "busy");
            }
            Err(error) => {
                assert!(!is_answer);
                assert_eq!(
                    error.to_string(),
                    "the call's deadline passed during attempt 2"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_layer_that_repeats_nothing_holds_over_all_attempts_of_the_one_above() {
    let (outer, inner) = (prompt(), prompt().attempts(1).deadline(2 * SECOND));
    let script = Script::slow([(SECOND, status(503)), (20 * SECOND, status(200))]);
    let stack = outer.layer(inner.layer(script.clone()));
    let start = Instant::now();
    let outcome = stack.oneshot(get()).await.expect("the first answer");
    assert_eq!(outcome.status(), 503);
    assert_eq!(start.elapsed(), 2 * SECOND);
    for seen in script.seen() {
        assert_eq!(seen.deadline, Some(start + 2 * SECOND));
    }
    assert_eq!(outer.counters().stopped(Stop::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn no_pause_is_begun_that_ends_after_the_deadline_of_a_stacked_layer() {
    let (outer, inner) = (prompt(), prompt().deadline(2 * SECOND));
    let script = Script::slow([(SECOND, with_header(503, "retry-after", "1"))]);
    let stack = outer.layer(inner.layer(script));
    let start = Instant::now();
    let outcome = stack.oneshot(get()).await.expect("the first answer");
    assert_eq!(outcome.status(), 503);
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(outer.counters().stopped(Stop::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn of_three_stacked_layers_the_earliest_deadline_counts() {
    for seconds in [[9, 5, 2], [9, 2, 5], [2, 9, 5]] {
        let [a, b, c] = seconds.map(|seconds| prompt().deadline(seconds * SECOND));
        let script = Script::slow([(SECOND, broken()), (20 * SECOND, status(200))]);
        let stack = a.layer(b.layer(c.layer(script)));
        let start = Instant::now();
        let error = stack.oneshot(get()).await.expect_err("too late");
        assert_eq!(start.elapsed(), 2 * SECOND, "{seconds:?}");
        assert!(error.is::<DeadlineExceeded>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_error_comes_out_of_a_stacked_layer_as_it_was() {
    let (outer, inner) = (prompt(), prompt().deadline(2 * SECOND));
    let stack = outer.layer(inner.layer(Script::new([never_left(Refusal::Permanent)])));
    let error = stack.oneshot(get()).await.expect_err("refused");
    assert!(error.is::<NeverLeft>());
}

#[tokio::test(start_paused = true)]
async fn an_outcome_within_the_deadline_of_a_stacked_layer_passes_through_as_it_is() {
    let budget = Budget::new(2).per_success(1.0);
    let (outer, inner) = (prompt().budget(budget.clone()), prompt().budget(budget));
    let inner = inner.deadline(2 * SECOND);
    let script = Script::new([status(503), broken(), status(200)]);
    let stack = outer.layer(inner.layer(script.clone()));
    let outcome = stack.oneshot(get()).await.expect("a response");
    assert_eq!(outcome.status(), 200);
    assert_eq!(RetryInfo::of(outcome.extensions()).attempts(), 3);
    // One success, and paid in once.
    assert_eq!(outer.balance(), 1.0);
    assert_eq!(inner.counters(), RetryLayer::new().counters());
}

#[tokio::test(start_paused = true)]
async fn a_class_of_a_stacked_layer_has_its_own_deadline() {
    let class = ClassSettings::new().deadline(SECOND);
    let (outer, inner) = (prompt(), prompt().class("poll", class));
    let stack = outer.layer(inner.layer(Script::slow([
        (5 * SECOND, status(200)),
        (5 * SECOND, status(200)),
    ])));
    let mut poll = get();
    CallContext::of(poll.extensions_mut()).set_class(Some("poll".into()));
    let start = Instant::now();
    let outcomes = tokio::join!(stack.clone().oneshot(poll), stack.oneshot(get()));
    assert!(outcomes.0.expect_err("too late").is::<DeadlineExceeded>());
    assert_eq!(outcomes.1.expect("a response").status(), 200);
    assert_eq!(start.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_in_a_call_of_its_own_below_does_not_end_this_one() {
    let slow = (0..3).map(|_| (5 * SECOND, status(200)));
    let elsewhere = prompt().deadline(SECOND).layer(Script::slow(slow));
    let below = service_fn(move |_: Request<Full<Bytes>>| elsewhere.clone().oneshot(get()));
    let layer = prompt();
    let outcome = layer.layer(below).oneshot(get()).await;
    assert!(outcome.is_err());
    assert_eq!(layer.counters().retries(), 2);
}
