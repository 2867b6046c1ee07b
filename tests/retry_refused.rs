//! A replay that the real rate layer has no place for: the caller gets the answer that came, and is told why there was no other.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tollgate::context::find;
use tollgate::rate::{RateError, RateErrorKind};
use tollgate::retry::Stop;
use tollgate::{MINUTE, Quota, RateLayer, RetryInfo, RetryLayer};
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn a_call_whose_replay_got_no_place_says_so_and_how_long_it_could_wait() {
    let busy = service_fn(|_: Request<Full<Bytes>>| {
        let response = Response::builder()
            .status(503)
            .body(Full::<Bytes>::default());
        ready(Ok::<_, Infallible>(response.expect("a response")))
    });
    let limit = RateLayer::new(Quota::rolling(1, MINUTE)).max_wait(Duration::from_secs(3));
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new())
        .layer(limit)
        .service(busy);
    let request = Request::get("https://api.example.com/").body(Full::default());
    let response = client.oneshot(request.expect("a request")).await;
    let response = response.expect("the answer that came");
    assert_eq!(response.status(), 503);

    let info = RetryInfo::of(response.extensions());
    assert_eq!(info.stop(), Some(Stop::Refused));
    // Two were turned away: the first of them might have been one that passes.
    assert_eq!((info.attempts(), info.departures()), (3, 1));
    let refusal = info.refusal().expect("a reason");
    let why = find::<RateError>(refusal).expect("the rate layer's");
    assert_eq!(why.kind(), RateErrorKind::Deadline);
    assert!(
        refusal.to_string().contains("may wait 3s only"),
        "{refusal}"
    );
}
