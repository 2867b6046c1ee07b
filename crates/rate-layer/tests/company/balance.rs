//! A balancer over endpoints, which chooses by their readiness and their load.
//!
//! It is no `Clone`, so above it stands a buffer.

use std::task::{Context, Poll};
use std::time::Duration;

use call_context::{BoxError, NeverLeft, Refusal};
use futures_util::future::{BoxFuture, join_all};
use http::{Request, Response};
use rate_layer::{RateError, RateErrorKind, SECOND};
use tokio::time::Instant;
use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::{Layer, Service, ServiceExt};

use crate::party::{ABANDONED, departures, five, no_place_is_missing, patient, server};
use crate::support::{MS, Server, request};

#[tokio::test(start_paused = true)]
async fn above_it_one_window_counts_for_all_endpoints() {
    let (window, server) = (five(), server());
    let endpoints = [
        Endpoint::Lives(server.clone()),
        Endpoint::Lives(server.clone()),
    ];
    let client = patient(&window).layer(Buffer::new(balance(endpoints), 8));
    let start = Instant::now();
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let expected = (0..12).map(|n| n / 5 * 1_110 * MS).collect::<Vec<_>>();
    assert_eq!(departures(&server, start), expected);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_a_dead_endpoint_that_refuses_is_seen_and_costs_no_place() {
    let (window, server) = (five(), server());
    let endpoints = [Endpoint::Refuses, Endpoint::Lives(server.clone())];
    let client = patient(&window).layer(Buffer::new(balance(endpoints), 8));
    let outcomes = join_all((0..40).map(|_| client.clone().oneshot(request()))).await;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let refused = refused.map(|error| NeverLeft::find(&**error));
    let refused: Vec<_> = refused.collect();
    assert!(refused.iter().all(|mark| *mark == Some(Refusal::Transient)));
    // Which of them is the balancer's choice.
    let counts = window.snapshot().counts;
    assert!(!refused.is_empty());
    assert_eq!(counts.given_back, refused.len() as u64);
    assert_eq!(server.departures().len(), 40 - refused.len());
    assert_eq!(counts.abandoned, 0);
    assert!(server.worst_window(SECOND, Duration::ZERO) <= 5);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_an_endpoint_that_fails_to_become_ready_is_left_out() {
    let (window, server) = (five(), server());
    let endpoints = [Endpoint::Unready, Endpoint::Lives(server.clone())];
    let client = patient(&window).layer(Buffer::new(balance(endpoints), 8));
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    assert!(
        outcomes.iter().all(Result::is_ok),
        "the other one serves all"
    );
    assert_eq!(server.departures().len(), 12);
    assert_eq!(window.snapshot().counts.admitted, 12);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_and_a_buffer_requests_without_any_endpoint_end_with_the_time_for_answers() {
    let window = five();
    // The buffer is ready, and the balancer behind it never: the request has departed as far as anybody can see.
    let client = patient(&window)
        .answer_within(2 * SECOND)
        .layer(Buffer::new(balance([Endpoint::Unready]), 8));
    let start = Instant::now();
    let error = client
        .oneshot(request())
        .await
        .expect_err("nobody is there");
    let error = error.downcast::<RateError>().expect("ours");
    assert_eq!(error.kind(), RateErrorKind::AnswerTimeout);
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(window.snapshot().next_free, Duration::ZERO);
    assert_eq!(window.snapshot().counts.abandoned, 1);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_in_each_endpoint_a_shared_window_holds_too() {
    let (window, server) = (five(), server());
    let layer = patient(&window);
    let endpoint = || layer.layer(Endpoint::Lives(server.clone()));
    let client = Buffer::new(balance([endpoint(), endpoint()]), 8);
    let start = Instant::now();
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let expected = (0..12).map(|n| n / 5 * 1_110 * MS).collect::<Vec<_>>();
    assert_eq!(departures(&server, start), expected);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_a_dead_endpoint_is_hidden_from_it_and_fails_its_callers() {
    let (window, server) = (five(), server());
    let layer = patient(&window);
    let dead = layer.layer(Endpoint::Unready);
    let alive = layer.layer(Endpoint::Lives(server.clone()));
    let mut balance = balance([dead, alive]);
    let mut refused = 0;
    // Why the docs say that the layer belongs above: the balancer goes on choosing an endpoint that cannot serve.
    for _ in 0..40 {
        let ready = balance.ready().await.expect("it is always ready");
        if let Err(error) = ready.call(request()).await {
            assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
            refused += 1;
        }
        assert_eq!(balance.len(), 2);
    }
    assert!(refused > 0);
    assert_eq!(window.snapshot().counts.given_back, refused);
    assert_eq!(server.departures().len() as u64, 40 - refused);
    assert!(server.worst_window(SECOND, Duration::ZERO) <= 5);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_a_caller_who_gives_up_leaves_no_trace_in_the_queue_and_abandons_in_flight() {
    let (window, server) = (five(), server());
    let layer = patient(&window);
    let endpoint = || layer.layer(Endpoint::Lives(server.clone()));
    let client = Buffer::new(balance([endpoint(), endpoint()]), 8);
    let start = Instant::now();
    let calls = (0..8).map(|_| tokio::time::timeout(50 * MS, client.clone().oneshot(request())));
    assert!(join_all(calls).await.iter().all(Result::is_err));
    let snapshot = window.snapshot();
    assert_eq!((snapshot.waiting, snapshot.counts.abandoned), (0, 5));
    client.oneshot(request()).await.expect("served");
    assert_eq!(departures(&server, start)[5], 50 * MS + ABANDONED);
    no_place_is_missing(&window).await;
}

fn balance<S, const N: usize>(
    endpoints: [S; N],
) -> Balance<ServiceList<Vec<PendingRequests<S>>>, Request<()>>
where
    S: Service<Request<()>>,
    S::Error: Into<BoxError>,
{
    let loaded = endpoints.map(|it| PendingRequests::new(it, CompleteOnResponse::default()));
    Balance::new(ServiceList::new::<Request<()>>(Vec::from(loaded)))
}

/// An endpoint, alive or dead.
#[derive(Clone)]
enum Endpoint {
    Lives(Server),
    /// Every connection fails.
    Refuses,
    /// It fails to become ready.
    Unready,
}

impl Service<Request<()>> for Endpoint {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<()>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(match self {
            Self::Unready => Err("it is gone".into()),
            Self::Lives(_) | Self::Refuses => Ok(()),
        })
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        match self {
            Self::Lives(server) => {
                let answer = server.call(request);
                Box::pin(async move { Ok(answer.await?) })
            }
            Self::Refuses | Self::Unready => {
                Box::pin(async { Err(NeverLeft::wrap(Refusal::Transient, "no connection").into()) })
            }
        }
    }
}
