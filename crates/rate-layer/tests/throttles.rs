//! What a response may say about the limit.
#![cfg(not(loom))]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use call_context::BoxError;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderName, Request, Response, StatusCode};
use rate_layer::{MINUTE, Quota, RateLayer, SECOND, Throttle, Window};
use support::{MS, request};
use tower::{Layer, ServiceExt, service_fn};

const NOW: &str = "Tue, 15 Nov 1994 08:12:31 GMT";
const IN_FIVE: &str = "Tue, 15 Nov 1994 08:12:36 GMT";
const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const NEXT_YEAR: &str = "Wed, 15 Nov 1995 08:12:31 GMT";

type Headers = Vec<(HeaderName, &'static [u8])>;

/// Sends one request whose response has `status` and `headers`.
async fn answer(layer: RateLayer, status: StatusCode, headers: Headers) {
    let service = service_fn(move |_: Request<()>| {
        let mut response = Response::builder().status(status);
        for &(ref name, value) in &headers {
            response = response.header(name, value);
        }
        async { Ok::<_, BoxError>(response.body(())?) }
    });
    layer
        .layer(service)
        .oneshot(request())
        .await
        .expect("an answer");
}

/// For how long the window is closed by a 429 with `headers`.
async fn closed_for(headers: Headers) -> Duration {
    let window = Window::new(Quota::rolling(5, SECOND));
    answer(
        RateLayer::new(window.clone()),
        StatusCode::TOO_MANY_REQUESTS,
        headers,
    )
    .await;
    let snapshot = window.snapshot();
    assert_eq!(
        (snapshot.used, snapshot.counts.throttled),
        (1, 1),
        "its place is kept"
    );
    snapshot.next_free
}

#[tokio::test(start_paused = true)]
async fn a_429_closes_the_window_for_as_long_as_it_says_and_no_longer_than_is_believed() {
    let seconds = |value: &'static [u8]| (RETRY_AFTER, value);
    let date = |value: &'static str| (DATE, value.as_bytes());
    for (headers, pause) in [
        (vec![], 0),
        (vec![seconds(b"42")], 42),
        (vec![seconds(b"0")], 0),
        (vec![seconds(b" 7 ")], 7),
        (vec![seconds(b"18446744073709551615")], 60),
        (vec![seconds(b"99999999999999999999999999")], 60),
        // Twice: only tightening.
        (vec![seconds(b"5"), seconds(b"9")], 9),
        (vec![seconds(b"9"), seconds(b"5")], 9),
        (vec![seconds(b"soon"), seconds(b"5")], 5),
        // Malformed.
        (vec![seconds(b"")], 0),
        (vec![seconds(b"-1")], 0),
        (vec![seconds(b"+3")], 0),
        (vec![seconds(b"1.5")], 0),
        (vec![seconds(b"5, 9")], 0),
        (vec![seconds(b"\xff\xfe")], 0),
        // Dates, against the server's own.
        (vec![seconds(IN_FIVE.as_bytes()), date(NOW)], 5),
        (vec![seconds(LONG_AGO.as_bytes()), date(NOW)], 0),
        (vec![seconds(NEXT_YEAR.as_bytes()), date(NOW)], 60),
        (
            vec![seconds(b"Tuesday, 15-Nov-94 08:12:36 GMT"), date(NOW)],
            5,
        ),
        (vec![seconds(b"Tue Nov 15 08:12:36 1994"), date(NOW)], 5),
        (vec![seconds(IN_FIVE.as_bytes())], 0),
        (vec![seconds(IN_FIVE.as_bytes()), date("today")], 0),
    ] {
        let closed = closed_for(headers.clone()).await;
        assert_eq!(closed, Duration::from_secs(pause), "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_window_opens_by_itself_for_those_who_wait() {
    let window = Window::new(Quota::rolling(5, SECOND));
    let layer = RateLayer::new(window.clone()).max_wait(MINUTE);
    answer(
        layer.clone(),
        StatusCode::TOO_MANY_REQUESTS,
        vec![(RETRY_AFTER, b"42")],
    )
    .await;
    let start = tokio::time::Instant::now();
    answer(layer, StatusCode::OK, vec![]).await;
    assert_eq!(start.elapsed(), 42 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_later_and_shorter_pause_does_not_shorten_an_earlier_one() {
    let window = Window::new(Quota::rolling(5, SECOND));
    let layer = RateLayer::new(window.clone()).max_wait(MINUTE);
    let service = service_fn(|request: Request<()>| async move {
        let latency = *request.extensions().get::<u64>().expect("set");
        tokio::time::sleep(Duration::from_millis(latency)).await;
        let response = Response::builder()
            .status(429)
            .header(RETRY_AFTER, 50 - latency);
        Ok::<_, BoxError>(response.body(())?)
    });
    let client = layer.layer(service);
    let send = |latency: u64| {
        let mut request = request();
        request.extensions_mut().insert(latency);
        client.clone().oneshot(request)
    };
    let (first, second) = tokio::join!(send(10), send(45));
    first.expect("an answer");
    second.expect("an answer");
    assert_eq!(window.snapshot().next_free, 40 * SECOND - 35 * MS);
}

#[tokio::test(start_paused = true)]
async fn the_longest_pause_that_is_believed_can_be_set() {
    let window = Window::new(Quota::rolling(5, SECOND));
    let layer = RateLayer::new(window.clone()).longest_pause(5 * SECOND);
    answer(
        layer,
        StatusCode::TOO_MANY_REQUESTS,
        vec![(RETRY_AFTER, b"42")],
    )
    .await;
    assert_eq!(window.snapshot().next_free, 5 * SECOND);
}

#[derive(Clone)]
struct Code(&'static str);

#[tokio::test(start_paused = true)]
async fn a_429_that_the_classifier_calls_foreign_leaves_the_window_open() {
    let window = Window::new(Quota::rolling(5, SECOND));
    let layer =
        RateLayer::new(window.clone()).classifier(|head| match head.extensions().get::<Code>() {
            Some(Code("COOLDOWN")) => Throttle::Foreign,
            _ => Throttle::by_status(head),
        });
    for (code, closed, throttled) in [("COOLDOWN", 0, 0), ("RATE_LIMIT_EXCEEDED", 42, 1)] {
        let service = service_fn(move |_: Request<()>| async move {
            let response = Response::builder().status(429).header(RETRY_AFTER, 42);
            Ok::<_, BoxError>(response.extension(Code(code)).body(())?)
        });
        layer
            .layer(service)
            .oneshot(request())
            .await
            .expect("an answer");
        let snapshot = window.snapshot();
        assert_eq!(snapshot.next_free, Duration::from_secs(closed), "{code}");
        assert_eq!(snapshot.counts.throttled, throttled, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_that_is_no_429_closes_the_window_where_the_classifier_says_so() {
    let window = Window::new(Quota::rolling(5, SECOND));
    let layer = RateLayer::new(window.clone()).classifier(|head| Throttle::Ours {
        retry_after: (head.status() == StatusCode::FORBIDDEN).then_some(3 * SECOND),
    });
    answer(layer, StatusCode::FORBIDDEN, vec![]).await;
    assert_eq!(window.snapshot().next_free, 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn other_statuses_say_nothing_even_with_a_retry_after() {
    let window = Window::new(Quota::rolling(5, SECOND));
    let layer = RateLayer::new(window.clone());
    answer(
        layer,
        StatusCode::SERVICE_UNAVAILABLE,
        vec![(RETRY_AFTER, b"42")],
    )
    .await;
    assert_eq!(window.snapshot().next_free, Duration::ZERO);
    assert_eq!(window.snapshot().counts.throttled, 0);
}

#[tokio::test(start_paused = true)]
async fn debug_of_a_response_head_prints_the_status_and_no_header() {
    let printed = Arc::new(Mutex::new(String::new()));
    let print = Arc::clone(&printed);
    let layer = RateLayer::new(Quota::rolling(1, MINUTE)).classifier(move |head| {
        *print.lock().expect("no panic") = format!("{head:?}");
        Throttle::by_status(head)
    });
    let client = layer.layer(service_fn(|_: Request<()>| async {
        let response = Response::builder().header("set-cookie", "session=secret");
        response.body(())
    }));
    client.oneshot(request()).await.expect("served");
    let printed = printed.lock().expect("no panic").clone();
    assert_eq!(printed, "ResponseHead { status: 200, .. }");
}
