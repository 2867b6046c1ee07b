//! A buffer, which hands requests to a worker.

use std::task::{Context, Poll};

use call_context::{BoxError, NeverLeft, Refusal};
use futures_util::future::join_all;
use http::{Request, Response};
use tokio::time::{Instant, timeout};
use tower::buffer::BufferLayer;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::party::{
    ABANDONED, Order, departures, five, millis, no_place_is_missing, numbered, patient, server,
};
use crate::support::{MS, request};

#[tokio::test(start_paused = true)]
async fn above_it_a_request_holds_its_place_in_the_buffer_too() {
    let (window, server, order) = (five(), server(), Order::default());
    // A slow service behind a short buffer: requests wait for the buffer, in it, and for the service.
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(BufferLayer::<Request<()>>::new(2))
        .layer(ConcurrencyLimitLayer::new(1))
        .map_request(order.note())
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..7).map(|n| client.clone().oneshot(numbered(n)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let expected = millis([0, 100, 200, 300, 400, 1_110, 1_210]);
    assert_eq!(departures(&server, start), expected);
    assert_eq!(order.seen(), (0..7).collect::<Vec<_>>());
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_a_request_that_is_given_up_in_the_buffer_counts_as_departed() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(BufferLayer::<Request<()>>::new(2))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(server.clone());
    let calls = (0..2).map(|_| timeout(50 * MS, client.clone().oneshot(request())));
    let outcomes = join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_err));
    // The second never left the buffer; above it nobody can know.
    assert_eq!(server.departures().len(), 1);
    let snapshot = window.snapshot();
    assert_eq!((snapshot.used, snapshot.counts.abandoned), (2, 2));
    no_place_is_missing(&window).await;
    assert_eq!(server.departures().len(), 1, "nor does it leave later");
}

#[tokio::test(start_paused = true)]
async fn above_it_a_worker_that_died_costs_places_only_where_a_request_may_have_left() {
    for (marked, first_is_given_back) in [(false, false), (true, true)] {
        let window = five();
        let client = ServiceBuilder::new()
            .layer(patient(&window))
            .layer(BufferLayer::<Request<()>>::new(2))
            .service(Dying { marked });
        // The worker dies of the readiness of what is below it, with this request in hand. That alone does not say so.
        let error = client.clone().oneshot(request()).await.expect_err("dead");
        assert_eq!(NeverLeft::find(&*error).is_some(), first_is_given_back);
        let counts = window.snapshot().counts;
        let ended = (counts.abandoned, counts.given_back);
        assert_eq!(ended, if marked { (0, 1) } else { (1, 0) });
        // From then on the buffer is closed, which its readiness says.
        for _ in 0..20 {
            let error = client.clone().oneshot(request()).await.expect_err("dead");
            assert_eq!(NeverLeft::find(&*error), Some(Refusal::Transient));
        }
        assert_eq!(window.snapshot().counts.given_back, ended.1 + 20);
        assert_eq!(window.snapshot().used, u32::from(!marked));
        no_place_is_missing(&window).await;
    }
}

#[tokio::test(start_paused = true)]
async fn below_it_requests_wait_in_the_queue_and_not_in_the_buffer() {
    let (window, server, order) = (five(), server(), Order::default());
    // As small as a buffer gets: a request that waits for a place does not hold it up.
    let client = ServiceBuilder::new()
        .layer(BufferLayer::<Request<()>>::new(1))
        .layer(patient(&window))
        .map_request(order.note())
        .service(server.clone());
    let start = Instant::now();
    let calls = join_all((0..12).map(|n| client.clone().oneshot(numbered(n))));
    let looks = async {
        tokio::time::sleep(50 * MS).await;
        window.snapshot()
    };
    let (outcomes, snapshot) = tokio::join!(calls, looks);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((snapshot.in_flight, snapshot.waiting), (5, 7));
    let expected = (0..12).map(|n| n / 5 * 1_110 * MS).collect::<Vec<_>>();
    assert_eq!(departures(&server, start), expected);
    assert_eq!(order.seen(), (0..12).collect::<Vec<_>>());
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_a_caller_who_gives_up_reaches_the_queue_and_the_place_through_it() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(BufferLayer::<Request<()>>::new(1))
        .layer(patient(&window))
        .service(server.clone());
    let start = Instant::now();
    let calls = (0..8).map(|_| timeout(50 * MS, client.clone().oneshot(request())));
    let outcomes = join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_err));
    let snapshot = window.snapshot();
    assert_eq!((snapshot.waiting, snapshot.counts.abandoned), (0, 5));
    assert_eq!(snapshot.next_free, ABANDONED);
    client.oneshot(request()).await.expect("served");
    assert_eq!(departures(&server, start)[5], 50 * MS + ABANDONED);
    no_place_is_missing(&window).await;
}

/// A service that fails to become ready, and may say that its requests have not left.
#[derive(Clone)]
struct Dying {
    marked: bool,
}

impl Service<Request<()>> for Dying {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response<()>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err(if self.marked {
            NeverLeft::wrap(Refusal::Transient, "no endpoint").into()
        } else {
            "no endpoint".into()
        }))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("it is never ready")
    }
}
