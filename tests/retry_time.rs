//! Time that the retry layer and the real rate layer both know of: each server's word is waited for once.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;
use tollgate::rate::Ietf;
use tollgate::{MINUTE, Quota, RateLayer, RetryLayer, Window};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Body = Full<Bytes>;

const SECOND: Duration = Duration::from_secs(1);

/// What the server says to a request: a status and fields.
type Answer = (u16, &'static [(&'static str, &'static str)]);

/// When the server was asked.
type Seen = Arc<Mutex<Vec<Duration>>>;

/// Answers at once, in this order, and notes when it was asked; the last answer goes on.
fn server(
    answers: &'static [Answer],
    seen: &Seen,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone {
    let (noted, start) = (Arc::clone(seen), Instant::now());
    service_fn(move |_: Request<Body>| {
        let mut noted = noted.lock().expect("no test panics with it");
        let (status, fields) = answers[noted.len().min(answers.len() - 1)];
        noted.push(start.elapsed());
        let response = fields.iter().fold(
            Response::builder().status(status),
            |response, (name, value)| response.header(*name, *value),
        );
        ready(Ok(response.body(Body::default()).expect("a response")))
    })
}

fn seen_of(seen: &Seen) -> Vec<Duration> {
    seen.lock().expect("no test panics with it").clone()
}

fn get() -> Request<Body> {
    let request = Request::get("https://api.example.com/");
    request.body(Body::default()).expect("a request")
}

/// When the server was asked by one call, through a retry layer without jitter over a real rate layer.
async fn times(answers: &'static [Answer]) -> Vec<Duration> {
    let seen = Seen::default();
    let window = Window::new(Quota::rolling(100, MINUTE));
    let retry = RetryLayer::new()
        .base(Duration::ZERO)
        .throttle_base(Duration::ZERO);
    let client = ServiceBuilder::new()
        .layer(retry)
        .layer(RateLayer::new(window).listen(Ietf))
        .service(server(answers, &seen));
    let response = client.oneshot(get()).await.expect("a response");
    assert_eq!(response.status(), 200);
    seen_of(&seen)
}

/// What a rate layer alone makes a second call wait, after a first one that met the first answer.
async fn closure(answers: &'static [Answer]) -> Duration {
    let seen = Seen::default();
    let window = Window::new(Quota::rolling(100, MINUTE));
    let client = ServiceBuilder::new()
        .layer(RateLayer::new(window).listen(Ietf))
        .service(server(answers, &seen));
    for _ in 0..2 {
        client.clone().oneshot(get()).await.expect("a response");
    }
    let seen = seen_of(&seen);
    seen[1] - seen[0]
}

/// What the server says first, and how long that keeps the call from its second attempt.
const WAITS: [(&[Answer], Duration); 6] = [
    (
        &[(429, &[("retry-after", "5")]), (200, &[])],
        Duration::from_secs(5),
    ),
    (
        &[(503, &[("retry-after", "5")]), (200, &[])],
        Duration::from_secs(5),
    ),
    (
        &[
            (
                429,
                &[
                    ("date", "Mon, 02 Nov 2026 12:00:00 GMT"),
                    ("retry-after", "Mon, 02 Nov 2026 12:00:07 GMT"),
                ],
            ),
            (200, &[]),
        ],
        Duration::from_secs(7),
    ),
    (
        &[(429, &[("retry-after", "0")]), (200, &[])],
        Duration::ZERO,
    ),
    (
        &[(429, &[("ratelimit", r#""minute";r=0;t=9"#)]), (200, &[])],
        Duration::from_secs(9),
    ),
    // The retry layer obeys the first, the rate layer both.
    (
        &[
            (
                429,
                &[("retry-after", "2"), ("ratelimit", r#""minute";r=0;t=9"#)],
            ),
            (200, &[]),
        ],
        Duration::from_secs(9),
    ),
];

#[tokio::test(start_paused = true)]
async fn the_pause_of_a_retry_and_the_closed_window_of_the_real_rate_layer_are_not_added_together()
{
    for (answers, wait) in WAITS {
        assert_eq!(times(answers).await, [Duration::ZERO, wait], "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_is_closed_for_as_long_without_a_retry_layer() {
    for (answers, wait) in WAITS {
        // A 503 says nothing of this client's quota.
        if answers[0].0 == 429 {
            assert_eq!(closure(answers).await, wait, "{answers:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_throttles_in_a_row_are_waited_for_one_after_the_other() {
    const BUSY: Answer = (429, &[("retry-after", "5")]);
    let times = times(&[BUSY, BUSY, (200, &[])]).await;
    assert_eq!(times, [Duration::ZERO, 5 * SECOND, 10 * SECOND]);
}
