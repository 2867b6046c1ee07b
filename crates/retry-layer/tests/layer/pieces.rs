//! Ready-made parts of classifiers, with the engine behind them.

use std::time::Duration;

use bytes::Bytes;
use call_context::BodyPrefix;
use http::Method;
use retry_layer::{
    Classify, Exchange, Grpc, KeyInUse, ShouldRetry, StatusClassifier, Stop, Verdict,
};

use crate::support::*;

/// A response at whose body a layer below has peeked.
fn peeked(status: u16, body: &'static str) -> Answer {
    let mut response = response(status, body)?;
    let prefix = BodyPrefix::new(Bytes::from_static(body.as_bytes()));
    response.extensions_mut().insert(prefix);
    Ok(response)
}

fn keyed() -> http::Request<http_body_util::Full<Bytes>> {
    let mut request = post();
    let key = "k-1".parse().expect("a value");
    request.headers_mut().insert("idempotency-key", key);
    request
}

#[cfg(feature = "json")]
#[tokio::test(start_paused = true)]
async fn a_code_in_the_body_decides_before_the_status() {
    let after = Duration::from_secs(7);
    let codes = retry_layer::JsonCode::at("/error/code")
        .is("COOLDOWN", Verdict::Throttled { after })
        .is("MARKET_CLOSED", Verdict::Final);
    let layer = prompt().classifier(StatusClassifier.unless(codes));
    let script = Script::new([peeked(403, r#"{"error":{"code":"COOLDOWN","#), status(200)]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.seen()[1].at, after);

    let closed = r#"{"error":{"code":"MARKET_CLOSED"}}"#;
    let script = Script::new([peeked(503, closed)]);
    let outcome = run(&layer, &script, get()).await.expect("a response");
    assert_eq!(text(outcome).await, closed);

    // Another code, and none: the status decides.
    for body in [r#"{"error":{"code":"OTHER"}}"#, "busy"] {
        let script = Script::new([peeked(503, body), status(200)]);
        run(&layer, &script, get()).await.expect("a response");
        assert_eq!(script.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_of_the_bodys_first_bytes_is_a_piece() {
    let busy = |exchange: &Exchange<'_>| {
        let prefix = exchange.body_prefix()?;
        prefix.starts_with(b"BUSY").then_some(Verdict::TRANSIENT)
    };
    let layer = prompt().classifier(StatusClassifier.unless(busy));
    let script = Script::new([peeked(400, "BUSY: come back"), status(200)]);
    run(&layer, &script, get()).await.expect("a response");
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_of_retries_is_obeyed_and_makes_nothing_safe() {
    let layer = prompt().classifier(StatusClassifier.unless(ShouldRetry::default()));
    for (request, answer, calls) in [
        (get(), with_header(409, "x-should-retry", "true"), 2),
        (get(), with_header(503, "x-should-retry", "false"), 1),
        (post(), with_header(409, "x-should-retry", "true"), 1),
    ] {
        let script = Script::new([answer, status(200)]);
        run(&layer, &script, request).await.expect("a response");
        assert_eq!(script.calls(), calls);
    }
    assert_eq!(layer.counters().stopped(Stop::NotSafe), 1);
}

#[tokio::test(start_paused = true)]
async fn a_409_to_a_key_that_is_under_way_is_waited_out_where_keys_are_honoured() {
    let origin = || "https://api.example.com".parse().expect("an origin");
    let classifier = StatusClassifier.unless(KeyInUse);
    let honoured = || prompt().classifier(classifier).keys_honoured_by([origin()]);
    for (layer, request, calls) in [
        (honoured(), keyed(), 3),
        (honoured(), post(), 1),
        (prompt().classifier(classifier), keyed(), 1),
        (prompt().keys_honoured_by([origin()]), keyed(), 1),
    ] {
        let script = Script::new([status(409), status(409), status(201)]);
        run(&layer, &script, request).await.expect("a response");
        assert_eq!(script.calls(), calls, "{layer:?}");
    }
    let script = Script::new([status(425), status(201)]);
    run(&honoured(), &script, keyed())
        .await
        .expect("a response");
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_status_in_the_headers_is_what_counts_and_its_pushback_is_a_floor() {
    let layer = || {
        prompt()
            .idempotent_class("lookup")
            .classifier(StatusClassifier.unless(Grpc))
    };
    let call = || {
        let mut request = request(Method::POST);
        let context = call_context::CallContext::of(request.extensions_mut());
        context.set_class(Some("lookup".into()));
        request
    };
    let trailers_only = |code, pushback: Option<&'static str>| {
        let mut answer = with_header(200, "grpc-status", code)?;
        if let Some(millis) = pushback {
            let millis = millis.parse().expect("a value");
            answer
                .headers_mut()
                .insert("grpc-retry-pushback-ms", millis);
        }
        Ok(answer)
    };
    for (code, pushback, again_after) in [
        ("14", None, Some(0)),
        ("14", Some("2500"), Some(2500)),
        ("8", Some("40"), Some(40)),
        ("14", Some("-1"), None),
        ("7", None, None),
        ("0", None, None),
    ] {
        let script = Script::new([trailers_only(code, pushback), trailers_only("0", None)]);
        run(&layer(), &script, call()).await.expect("a response");
        let again_at = script.seen().get(1).map(|seen| seen.at);
        let expected = again_after.map(Duration::from_millis);
        assert_eq!(again_at, expected, "{code} {pushback:?}");
    }
    // A call that nobody declared idempotent is sent once.
    let script = Script::new([trailers_only("14", None)]);
    run(&layer(), &script, post()).await.expect("a response");
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_classifier_knows_the_request_and_which_attempt_it_was() {
    use std::sync::{Arc, Mutex};

    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let layer = prompt()
        .keys_honoured_by(["https://api.example.com".parse().expect("an origin")])
        .classifier(move |exchange: &Exchange<'_>| {
            let facts = (
                exchange.method().clone(),
                exchange.uri().to_string(),
                exchange.class().map(ToString::to_string),
                exchange.attempt(),
                exchange.is_keyed(),
            );
            noted.lock().expect("no panic").push(facts);
            StatusClassifier.classify(exchange)
        });
    let script = Script::new([status(503), status(503), status(503)]);
    let mut request = keyed();
    let context = call_context::CallContext::of(request.extensions_mut());
    context.set_class(Some("execute".into()));
    run(&layer, &script, request).await.expect("a response");
    // Of the last attempt no copy is left, and all is known nevertheless.
    let uri = "https://api.example.com/execute/trades?x=1".to_owned();
    let fact = |attempt| {
        (
            Method::POST,
            uri.clone(),
            Some("execute".to_owned()),
            attempt,
            true,
        )
    };
    assert_eq!(*seen.lock().expect("no panic"), [1, 2, 3].map(fact));
}
