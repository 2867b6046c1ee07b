//! What is sent again, and what is not.

use std::time::Duration;

use crate::support::*;
use call_context::{CallContext, Class, Guard, NeverLeft, Origin, Refusal, Route, Routes};
use http::{HeaderName, Method};
use retry_layer::{
    BelowRateLayer, Budget, Classify, Exchange, RetryLayer, StatusClassifier, Stop, Verdict,
};
use tower::{Layer, ServiceExt};

fn origin() -> Origin {
    "https://api.example.com".parse().expect("an origin")
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_request_is_sent_again_until_it_succeeds() {
    for method in [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::PUT,
        Method::DELETE,
    ] {
        let layer = prompt();
        let script = Script::new([status(503), broken(), status(200)]);
        let outcome = run(&layer, &script, request(method)).await;
        assert_eq!(outcome.expect("a response").status(), 200);
        assert_eq!(layer.counters().retries(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn all_attempts_carry_the_same_request_and_their_own_number() {
    let layer = prompt();
    let script = Script::new([status(503), status(503), status(200)]);
    let mut put = request(Method::PUT);
    put.headers_mut()
        .insert("idempotency-key", "k-1".parse().expect("a value"));
    run(&layer, &script, put).await.expect("a response");
    let seen = script.seen();
    assert_eq!(seen.len(), 3);
    for (index, attempt) in (1..).zip(&seen) {
        assert_eq!(attempt.attempt, index);
        assert_eq!(attempt.method, Method::PUT);
        assert_eq!(attempt.uri, "https://api.example.com/execute/trades?x=1");
        assert_eq!(attempt.headers, seen[0].headers);
        assert_eq!(attempt.headers["idempotency-key"], "k-1");
        assert_eq!(attempt.body, "an order");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unkeyed_post_is_sent_once_whatever_the_server_says() {
    for answer in [
        status(429),
        status(503),
        status(500),
        status(408),
        status(425),
        with_header(503, "retry-after", "0"),
        broken(),
    ] {
        let layer = prompt();
        let script = Script::new([answer]);
        let _ = run(&layer, &script, post()).await;
        assert_eq!(script.calls(), 1);
        assert_eq!(layer.counters().stopped(Stop::NotSafe), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_never_left_is_sent_again() {
    let layer = prompt();
    let script = Script::new([
        never_left(Refusal::Transient),
        never_left(Refusal::Transient),
        status(200),
    ]);
    let outcome = run(&layer, &script, post()).await;
    assert_eq!(outcome.expect("a response").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_refusal_is_final() {
    let layer = prompt();
    let script = Script::new([never_left(Refusal::Permanent)]);
    assert!(run(&layer, &script, get()).await.is_err());
    assert_eq!(layer.counters().stopped(Stop::Refused), 1);
}

#[tokio::test(start_paused = true)]
async fn a_local_refusal_is_tried_again_once() {
    let layer = prompt().attempts(5);
    let script = Script::new([never_left(Refusal::Local), never_left(Refusal::Local)]);
    assert!(run(&layer, &script, post()).await.is_err());
    assert_eq!(script.calls(), 2);

    let script = Script::new([never_left(Refusal::Local), status(200)]);
    assert!(run(&layer, &script, post()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_local_refusal_costs_no_budget_until_something_has_departed() {
    let empty = || prompt().budget(Budget::new(0).per_success(0.0).per_second(0.0));
    let script = Script::new([never_left(Refusal::Local), status(200)]);
    let outcome = run(&empty(), &script, post()).await;
    assert_eq!(outcome.expect("a response").status(), 200);

    // Behind a response that the server has sent, one more attempt is one more for the server.
    let layer = prompt()
        .attempts(4)
        .budget(Budget::new(1).per_success(0.0).per_second(0.0));
    let script = Script::new([
        status(503),
        never_left(Refusal::Local),
        status(503),
        status(200),
    ]);
    let outcome = run(&layer, &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(script.calls(), 3);
    assert_eq!(layer.counters().stopped(Stop::Budget), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_deep_in_the_chain_is_found() {
    #[derive(Debug)]
    struct Outer(call_context::BoxError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&*self.0)
        }
    }
    let refused = never_left(Refusal::Transient).expect_err("an error");
    let wrapped = Outer(Outer(refused).into());
    let script = Script::new([Err(wrapped.into()), status(200)]);
    let outcome = run(&prompt(), &script, post()).await;
    assert_eq!(outcome.expect("a response").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_key_counts_only_where_the_server_honours_it() {
    let keyed = |name: &'static str| {
        let mut request = post();
        let key = "k-1".parse().expect("a value");
        request.headers_mut().insert(name, key);
        request
    };
    let elsewhere: Origin = "https://api.example.com:8443".parse().expect("an origin");
    let custom = HeaderName::from_static("x-request-key");
    for (layer, name, calls) in [
        (prompt(), "idempotency-key", 1),
        (prompt().keys_honoured_by([elsewhere]), "idempotency-key", 1),
        (prompt().keys_honoured_by([origin()]), "idempotency-key", 2),
        (prompt().keys_honoured_by([origin()]), "x-request-key", 1),
        (
            prompt()
                .keys_honoured_by([origin()])
                .idempotency_header(custom),
            "x-request-key",
            2,
        ),
    ] {
        let script = Script::new([broken(), status(200)]);
        let _ = run(&layer, &script, keyed(name)).await;
        assert_eq!(script.calls(), calls, "{layer:?} {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_without_a_character_is_none() {
    let layer = prompt().keys_honoured_by([origin()]);
    for (values, calls) in [
        (&[""][..], 1),
        (&[" \t"], 1),
        (&["", "k-1"], 1),
        (&["k-1", ""], 1),
        (&["k-1"], 2),
        (&["k-1", "k-2"], 2),
    ] {
        let mut request = post();
        for value in values {
            let value = value.parse().expect("a value");
            request.headers_mut().append("idempotency-key", value);
        }
        let script = Script::new([broken(), status(200)]);
        let _ = run(&layer, &script, request).await;
        assert_eq!(script.calls(), calls, "{values:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_counts_only_on_the_routes_that_honour_it() {
    let routes = || {
        Routes::new([
            Route::new(Method::POST, "/execute/{*rest}", "execute"),
            Route::new(Method::POST, "/connect/token", "connect"),
        ])
        .expect("routes")
    };
    let keyed = |path: &'static str| {
        let mut request = post();
        let key = "k-1".parse().expect("a value");
        request.headers_mut().insert("idempotency-key", key);
        *request.uri_mut() = path.parse().expect("a URI");
        request
    };
    let (execute, connect) = (
        "https://api.example.com/execute/trades",
        "https://api.example.com/connect/token",
    );
    let unknown = "https://api.example.com/elsewhere";
    let everywhere = || prompt().routes(routes()).keys_honoured_by([origin()]);
    for (layer, uri, calls) in [
        (everywhere(), connect, 2),
        (everywhere(), unknown, 2),
        (everywhere().keyed_class("execute"), execute, 2),
        (everywhere().keyed_class("execute"), connect, 1),
        (everywhere().keyed_class("execute"), unknown, 1),
        (
            everywhere().keyed_class("a").keyed_class("execute"),
            execute,
            2,
        ),
        // A class says nothing about the server behind it.
        (prompt().routes(routes()).keyed_class("execute"), execute, 1),
    ] {
        let script = Script::new([status(502), status(200)]);
        let _ = run(&layer, &script, keyed(uri)).await;
        assert_eq!(script.calls(), calls, "{layer:?} {uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_may_be_declared_idempotent() {
    let routes = || {
        Routes::new([
            Route::new(Method::POST, "/execute/{*rest}", "execute"),
            Route::new(Method::POST, "/read/{*rest}", "query"),
        ])
        .expect("routes")
    };
    let layer = prompt().routes(routes()).idempotent_class("execute");
    let script = Script::new([status(503), status(200)]);
    run(&layer, &script, post()).await.expect("a response");
    assert_eq!(script.calls(), 2);
    assert_eq!(script.seen()[1].class.as_deref(), Some("execute"));

    let layer = prompt().routes(routes()).idempotent_class("query");
    let script = Script::new([status(503)]);
    run(&layer, &script, post()).await.expect("a response");
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_routes_the_class_in_the_context_counts() {
    let layer = prompt().idempotent_class("execute");
    let mut request = post();
    CallContext::of(request.extensions_mut()).set_class(Some(Class::from("execute")));
    let script = Script::new([status(503), status(200)]);
    run(&layer, &script, request).await.expect("a response");
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_path_has_no_class_and_is_not_refused_here() {
    let routes = Routes::new([Route::new(Method::POST, "/execute/{*rest}", "execute")]);
    let layer = prompt()
        .routes(routes.expect("routes"))
        .idempotent_class("execute");
    let mut request = post();
    let uri = "https://api.example.com/execute/%2e%2e/x";
    *request.uri_mut() = uri.parse().expect("a URI");
    let class = Some(Class::from("execute"));
    CallContext::of(request.extensions_mut()).set_class(class);
    let script = Script::new([status(503)]);
    run(&layer, &script, request).await.expect("a response");
    assert_eq!(script.seen()[0].class, None);
}

#[tokio::test(start_paused = true)]
async fn the_attempts_are_counted_with_the_first() {
    for attempts in [0, 1, 2, 5] {
        let layer = prompt().attempts(attempts);
        let script = Script::new((0..5).map(|_| status(503)));
        let outcome = run(&layer, &script, get()).await;
        assert_eq!(outcome.expect("a response").status(), 503);
        assert_eq!(script.calls(), attempts.max(1) as usize);
        let stopped = u64::from(attempts > 1);
        assert_eq!(layer.counters().stopped(Stop::Attempts), stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_ends_the_call_with_the_outcome_at_hand() {
    let layer = prompt().budget(Budget::new(1));
    let script = Script::new([status(503), status(502), status(504)]);
    let outcome = run(&layer, &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 502);
    let outcome = run(&layer, &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 504);
    assert_eq!(layer.counters().stopped(Stop::Budget), 2);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_shared_by_all_services_of_a_layer_and_its_clones() {
    let layer = prompt().budget(Budget::new(1));
    let script = Script::new([status(503), status(200), status(503)]);
    let clone = layer.clone();
    run(&layer, &script, get()).await.expect("a response");
    let outcome = run(&clone, &script, get()).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(layer.counters(), clone.counters());
}

#[tokio::test(start_paused = true)]
async fn successes_pay_into_the_budget() {
    let budget = Budget::new(1).per_success(0.5);
    let layer = prompt().budget(budget.clone());
    let answers = [503, 200, 200, 503, 200].map(status);
    let script = Script::new(answers);
    for _ in 0..3 {
        let outcome = run(&layer, &script, get()).await;
        assert_eq!(outcome.expect("a response").status(), 200);
    }
    assert_eq!(layer.counters().retries(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_never_left_costs_no_budget() {
    let budget = Budget::new(3);
    let layer = prompt().attempts(4).budget(budget.clone());
    let transient = || never_left(Refusal::Transient);
    let script = Script::new([status(503), transient(), transient(), transient()]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.calls(), 4);
    let now = tokio::time::Instant::now().into_std();
    assert_eq!(budget.balance(now), 3.0);
}

#[tokio::test(start_paused = true)]
async fn a_classifier_names_what_happened_and_the_engine_has_the_last_word() {
    let teapot = |exchange: &Exchange<'_>| match exchange.status() {
        Some(status) if status == 418 => Verdict::Throttled {
            after: Duration::from_secs(3),
        },
        _ => StatusClassifier.classify(exchange),
    };
    let layer = prompt().classifier(teapot);
    let script = Script::new([status(418), status(200)]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.seen()[1].at, Duration::from_secs(3));

    let script = Script::new([status(418)]);
    run(&layer, &script, post()).await.expect("a response");
    assert_eq!(layer.counters().stopped(Stop::NotSafe), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_layer_below_another_one_is_a_no_op() {
    let (outer, inner) = (prompt(), prompt());
    let script = Script::new([status(503), status(503), status(503)]);
    let stack = outer.layer(inner.layer(script.clone()));
    let outcome = stack.oneshot(get()).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(script.calls(), 3);
    assert_eq!(outer.counters().retries(), 2);
    assert_eq!(inner.counters(), RetryLayer::new().counters());
}

#[tokio::test(start_paused = true)]
async fn a_retry_layer_below_a_rate_layer_refuses_to_work() {
    for guard in [Guard::Place, Guard::Rate] {
        let below = || {
            let mut request = get();
            CallContext::of(request.extensions_mut()).enter(guard);
            request
        };
        let script = Script::new([]);
        let error = run(&prompt(), &script, below()).await.expect_err("refused");
        assert_eq!(
            error.to_string(),
            "the request has passed a rate layer, which would not count its replays; put the retry layer above the rate layer"
        );
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
        assert!(error.is::<BelowRateLayer>());
        assert_eq!(script.calls(), 0);

        // One that repeats nothing does no harm there: it is off, or another one watches over the call.
        let script = Script::new([status(503), status(503)]);
        let off = prompt().attempts(1).deadline(Duration::from_secs(9));
        run(&off, &script, below()).await.expect("a response");
        let mut watched = below();
        CallContext::of(watched.extensions_mut()).enter(Guard::Retry);
        run(&prompt(), &script, watched).await.expect("a response");
        assert_eq!(script.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_off_leaves_the_guard_to_the_next_one() {
    let (outer, inner) = (prompt().attempts(1), prompt());
    let script = Script::new([status(503), status(200)]);
    let stack = outer.layer(inner.layer(script.clone()));
    let outcome = stack.oneshot(get()).await;
    assert_eq!(outcome.expect("a response").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_sent_again_is_sent_once() {
    use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
    use std::convert::Infallible;

    let layer = prompt();
    let script = Script::new([status(503)]);
    let unboxed = script.clone();
    let inner = tower::service_fn(
        move |request: http::Request<UnsyncBoxBody<bytes::Bytes, Infallible>>| {
            let script = unboxed.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                script
                    .oneshot(http::Request::from_parts(parts, body.into()))
                    .await
            }
        },
    );
    let request = get().map(BodyExt::boxed_unsync);
    let outcome = layer.layer(inner).oneshot(request).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(script.seen()[0].body, "an order");
    assert_eq!(layer.counters().stopped(Stop::Body), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_with_very_many_values_of_one_header_is_sent_again() {
    let mut request = get();
    for n in 0..30_000u32 {
        request.headers_mut().append("x-many", n.into());
    }
    let headers = request.headers().clone();
    let script = Script::new([status(503), status(200)]);
    let outcome = run(&prompt(), &script, request).await.expect("a response");
    assert_eq!(outcome.status(), 200);
    assert!(script.seen().iter().all(|seen| seen.headers == headers));
}
