//! What becomes of a place when its request ends in any way but an answer.
#![cfg(not(loom))]

mod support;

use std::error::Error;
use std::future::Ready;
use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use call_context::{BoxError, CallContext, NeverLeft, Refusal};
use futures_util::{FutureExt, poll};
use http::{Request, Response};
use rate_layer::{Quota, RateError, RateErrorKind, RateLayer, SECOND, Window};
use support::{MS, Server, request};
use tokio::time::{Instant, advance};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};

/// One place a second, held for 1010 ms, and for 3010 ms after abandonment.
fn one() -> Window {
    Window::new(Quota::rolling(1, SECOND).grace(2 * SECOND))
}

/// In what time the next request departs.
async fn next_departs_in(window: &Window) -> Duration {
    let start = Instant::now();
    let server = Server::with_latency(Duration::ZERO);
    let client = RateLayer::new(window.clone()).max_wait(60 * SECOND);
    client
        .layer(server.clone())
        .oneshot(request())
        .await
        .expect("served");
    server.departures()[0] - start
}

#[tokio::test(start_paused = true)]
async fn dropped_in_the_queue_it_leaves_no_trace() {
    let window = one();
    let client = RateLayer::new(window.clone()).layer(Server::with_latency(100 * MS));
    let mut first = pin!(client.clone().oneshot(request()));
    assert!(poll!(&mut first).is_pending());
    let mut second = Box::pin(client.clone().oneshot(request()));
    assert!(poll!(&mut second).is_pending());
    assert_eq!(window.snapshot().waiting, 1);
    drop(second);
    assert_eq!(window.snapshot().waiting, 0);
    first.await.expect("served");
    assert_eq!(next_departs_in(&window).await, 1_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn dropped_before_it_departs_it_gives_the_place_back() {
    let window = one();
    let never_ready = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) });
    let never_ready = NotReady(never_ready);
    let client = RateLayer::new(window.clone()).layer(never_ready);
    let mut call = Box::pin(client.oneshot(request()));
    assert!(poll!(&mut call).is_pending());
    assert_eq!(window.snapshot().in_flight, 1);
    drop(call);
    assert_eq!(window.snapshot().counts.given_back, 1);
    assert_eq!(next_departs_in(&window).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropped_in_flight_its_minute_starts_then_plus_the_grace() {
    let window = one();
    let client = RateLayer::new(window.clone()).layer(Server::with_latency(100 * MS));
    let mut call = Box::pin(client.oneshot(request()));
    assert!(poll!(&mut call).is_pending());
    advance(50 * MS).await;
    drop(call);
    assert_eq!(window.snapshot().counts.abandoned, 1);
    assert_eq!(next_departs_in(&window).await, 3_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_departure_counts_as_abandoned() {
    let window = one();
    let broken = service_fn(|_: Request<()>| async {
        tokio::time::sleep(100 * MS).await;
        Err::<Response<()>, BoxError>("the connection broke".into())
    });
    let client = RateLayer::new(window.clone()).layer(broken);
    let error = client.oneshot(request()).await.expect_err("broken");
    assert_eq!(error.to_string(), "the connection broke");
    assert_eq!(next_departs_in(&window).await, 3_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_proves_that_nothing_left_frees_the_place_at_once() {
    let window = one();
    let refused = service_fn(|_: Request<()>| async {
        let mark = NeverLeft::wrap(Refusal::Transient, "no connection");
        Err::<Response<()>, BoxError>(mark.into())
    });
    let client = RateLayer::new(window.clone()).layer(refused);
    for _ in 0..5 {
        client
            .clone()
            .oneshot(request())
            .await
            .expect_err("refused");
    }
    assert_eq!(window.snapshot().counts.given_back, 5);
    assert_eq!(next_departs_in(&window).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_panic_below_leaves_the_place_abandoned() {
    let window = one();
    for in_call in [true, false] {
        let start = Instant::now();
        let panics = service_fn(move |_: Request<()>| {
            assert!(!in_call, "in call");
            async move {
                assert!(in_call, "in poll");
                Ok::<_, BoxError>(Response::new(()))
            }
        });
        let client = RateLayer::new(window.clone()).layer(panics);
        let call = AssertUnwindSafe(client.oneshot(request()));
        call.catch_unwind().await.expect_err("a panic");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(window.snapshot().used, 1);
        assert_eq!(next_departs_in(&window).await, 3_010 * MS);
        advance(1_010 * MS).await;
    }
    assert_eq!(window.snapshot().counts.abandoned, 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_call_abandons_the_place_though_the_future_is_kept() {
    let window = one();
    let panics =
        service_fn(|_: Request<()>| -> Ready<Result<Response<()>, BoxError>> { panic!("in call") });
    let mut client = RateLayer::new(window.clone()).layer(panics);
    let mut call = pin!(client.call(request()));
    let poll = || {
        call.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    };
    std::panic::catch_unwind(AssertUnwindSafe(poll)).expect_err("a panic");
    assert_eq!(window.snapshot().counts.abandoned, 1);
    assert_eq!(next_departs_in(&window).await, 3_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_ended_in_its_own_window_wherever_that_was_made() {
    let (first, second) = (one(), one());
    let server = Server::with_latency(Duration::ZERO);
    let layer = RateLayer::by_slot()
        .slot("first", first.clone())
        .slot("second", second.clone());
    for (slot, window) in [("second", &second), ("first", &first)] {
        let mut request = request();
        CallContext::of(request.extensions_mut()).set_slot(slot.into());
        let response = layer.layer(server.clone()).oneshot(request).await;
        response.expect("served");
        let snapshot = window.snapshot();
        assert_eq!((snapshot.used, snapshot.in_flight), (1, 0), "{slot}");
    }
    assert_eq!(first.snapshot().used, 1);
    // Where one window counts all requests, its own lock is not the layer's either once another was set before.
    let layer = RateLayer::new(one()).otherwise(second.clone());
    advance(5 * SECOND).await;
    let response = layer.layer(server).oneshot(request()).await;
    response.expect("served");
    let snapshot = second.snapshot();
    assert_eq!((snapshot.used, snapshot.in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up_and_its_place_abandoned() {
    let window = one();
    let server = Server::with_latency(600 * SECOND);
    let client = RateLayer::new(window.clone())
        .answer_within(5 * SECOND)
        .max_wait(60 * SECOND)
        .layer(server.clone());
    let start = Instant::now();
    let (hung, behind) = tokio::join!(
        client.clone().oneshot(request()),
        client.clone().oneshot(request())
    );
    // The second waits 8.01 s in the queue, and its 5 s start at its departure.
    assert_eq!(server.departures()[1] - start, 8_010 * MS);
    assert_eq!(start.elapsed(), 13_010 * MS);
    for error in [hung, behind].map(|outcome| outcome.expect_err("hung")) {
        assert_eq!(
            error.to_string(),
            "no response headers came within 5s of departure, and the server may have processed the request all the \
             same: raise `answer_within` if it may take longer"
        );
        assert_eq!(NeverLeft::find(&*error), None, "it has left");
        let error = error.downcast_ref::<RateError>().expect("ours");
        assert_eq!(error.kind(), RateErrorKind::AnswerTimeout);
        assert!(error.source().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn each_stage_of_a_request_has_its_own_time() {
    let window = one();
    let server = Server::with_latency(600 * SECOND);
    let limited = ConcurrencyLimit::new(server.clone(), 1);
    // Held by somebody else until 1.31 s: the place comes at 1.01 s, and readiness 300 ms later.
    let permit = limited.clone().oneshot(request());
    RateLayer::new(window.clone())
        .layer(Server::with_latency(Duration::ZERO))
        .oneshot(request())
        .await
        .expect("the only place");
    let client = RateLayer::new(window.clone())
        .ready_within(400 * MS)
        .answer_within(5 * SECOND)
        .layer(limited);
    let start = Instant::now();
    let busy = tokio::time::timeout(1_310 * MS, permit);
    let (_, outcome) = tokio::join!(busy, client.oneshot(request()));
    let error = outcome.expect_err("hung");
    let error = error.downcast_ref::<RateError>().expect("ours");
    assert_eq!(error.kind(), RateErrorKind::AnswerTimeout);
    assert_eq!(server.departures()[1] - start, 1_310 * MS);
    assert_eq!(start.elapsed(), 6_310 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_service_below_that_is_not_ready_in_time_costs_no_place() {
    let window = one();
    let never_ready = NotReady(Server::with_latency(Duration::ZERO));
    let client = RateLayer::new(window.clone())
        .ready_within(300 * MS)
        .layer(never_ready);
    let start = Instant::now();
    let error = client.oneshot(request()).await.expect_err("never ready");
    assert_eq!(start.elapsed(), 300 * MS);
    assert_eq!(
        error.to_string(),
        "the service below the rate layer was not ready within 300ms: find out what keeps it busy, or raise \
         `ready_within`"
    );
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
    assert_eq!(next_departs_in(&window).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_service_below_that_is_not_ready_by_the_calls_deadline_costs_no_place() {
    let window = one();
    let client = RateLayer::new(window.clone())
        .ready_within(300 * MS)
        .layer(NotReady(Server::with_latency(Duration::ZERO)));
    // What is earlier ends the wait: the deadline, or the layer's own time.
    for (deadline, ends) in [(200 * MS, 200 * MS), (400 * MS, 300 * MS)] {
        let start = Instant::now();
        let mut request = request();
        let context = CallContext::of(request.extensions_mut());
        context.limit_deadline((start + deadline).into_std());
        let outcome = client.clone().oneshot(request).await;
        let error = outcome.expect_err("never ready");
        assert_eq!(start.elapsed(), ends);
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
        let error = error.downcast_ref::<RateError>().expect("ours");
        assert_eq!(error.kind(), RateErrorKind::NotReady);
        let by_deadline = "the service below the rate layer was not ready by the call's deadline: find out what keeps it \
                           busy, or give the call more time";
        assert_eq!(
            error.to_string() == by_deadline,
            deadline == ends,
            "{error}"
        );
    }
    assert_eq!(window.snapshot().counts.given_back, 2);
    assert_eq!(next_departs_in(&window).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nor_by_the_deadline_of_one_that_has_waited_in_line() {
    // The place frees at 1010 ms; from then on the service may take 300 ms, if the deadline leaves as much.
    for (deadline, ends) in [(1_100 * MS, 1_100 * MS), (2_000 * MS, 1_310 * MS)] {
        let window = one();
        window.try_admit(NonZeroU32::MIN).expect("room").answered();
        let client = RateLayer::new(window.clone())
            .ready_within(300 * MS)
            .layer(NotReady(Server::with_latency(Duration::ZERO)));
        let start = Instant::now();
        let mut request = request();
        let context = CallContext::of(request.extensions_mut());
        context.limit_deadline((start + deadline).into_std());
        let error = client.oneshot(request).await.expect_err("never ready");
        assert_eq!(start.elapsed(), ends);
        let error = error.downcast_ref::<RateError>().expect("ours");
        assert_eq!(error.kind(), RateErrorKind::NotReady);
        let counts = window.snapshot().counts;
        assert_eq!((counts.waited, counts.given_back), (1, 1));
        assert_eq!(next_departs_in(&window).await, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_below_that_fails_to_become_ready_costs_no_place() {
    let window = one();
    for (inner, expected) in [
        (None, Refusal::Transient),
        (Some(Refusal::Permanent), Refusal::Permanent),
    ] {
        let client = RateLayer::new(window.clone()).layer(Unready(inner));
        let error = client.oneshot(request()).await.expect_err("unready");
        assert_eq!(NeverLeft::find(&*error), Some(expected));
        let reason = error.source().map(ToString::to_string);
        assert_eq!(reason.as_deref(), Some("closed"));
    }
    assert_eq!(next_departs_in(&window).await, Duration::ZERO);
}

/// A service that is never ready.
#[derive(Clone)]
struct NotReady<S>(S);

impl<S: Service<Request<()>>> Service<Request<()>> for NotReady<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Pending
    }

    fn call(&mut self, request: Request<()>) -> S::Future {
        self.0.call(request)
    }
}

/// A service that fails to become ready, with a mark of its own or without.
#[derive(Clone)]
struct Unready(Option<Refusal>);

impl Service<Request<()>> for Unready {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Ready<Result<Response<()>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err(match self.0 {
            Some(refusal) => NeverLeft::wrap(refusal, "closed").into(),
            None => "closed".into(),
        }))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("it is never ready")
    }
}
