//! Nobody who waits depends on another one being polled, and nobody is overtaken.
#![cfg(not(loom))]

mod support;

use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::time::Duration;

use call_context::BoxError;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use futures_util::{future, poll};
use http::{Request, Response};
use rate_layer::{Quota, RateLayer, RateLimit, SECOND, Window};
use support::{MS, Server, request};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};

type Call = Pin<Box<dyn Future<Output = Result<Response<()>, BoxError>> + Send>>;

/// One place a second, held for 1010 ms, and a client whose calls wait as long as it takes.
fn client(server: &Server) -> (Window, RateLimit<Server>) {
    let window = Window::new(Quota::rolling(1, SECOND));
    let layer = RateLayer::new(window.clone()).max_wait(600 * SECOND);
    (window, layer.layer(server.clone()))
}

fn call(client: &RateLimit<Server>) -> Call {
    Box::pin(client.clone().oneshot(request()))
}

/// A call that stands in the queue, polled once.
async fn in_line(client: &RateLimit<Server>) -> Call {
    let mut waiter = call(client);
    assert!(poll!(&mut waiter).is_pending());
    waiter
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_waiter_delays_the_others_by_50_ms_once() {
    let (window, client) = client(&Server::with_latency(Duration::ZERO));
    call(&client).await.expect("at once");
    let forgotten = in_line(&client).await;
    std::mem::forget(forgotten);
    let start = Instant::now();
    call(&client).await.expect("served");
    assert_eq!(start.elapsed(), 1_060 * MS);
    // It has missed its offer, and costs nothing more.
    let start = Instant::now();
    call(&client).await.expect("served");
    assert_eq!(start.elapsed(), 1_010 * MS);
    assert_eq!(window.snapshot().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_polled_late_keeps_its_ticket() {
    let (_, client) = client(&Server::with_latency(Duration::ZERO));
    call(&client).await.expect("at once");
    let mut late = in_line(&client).await;
    let mut first = in_line(&client).await;
    let mut second = in_line(&client).await;
    first.as_mut().await.expect("served while the other slept");
    // Now it lives again, and goes before the one that came after it.
    let start = Instant::now();
    let order = future::select(&mut second, &mut late).await;
    assert!(matches!(order, future::Either::Right(_)), "out of order");
    assert_eq!(start.elapsed(), 1_010 * MS);
}

#[tokio::test(start_paused = true)]
async fn waiters_that_starve_in_another_tasks_buffer_hold_nobody_up() {
    let (_, client) = client(&Server::with_latency(Duration::ZERO));
    call(&client).await.expect("at once");
    // Four calls wait in the buffer of a task that is busy for a minute with something else.
    let calls = stream::iter((0..4).map(|_| call(&client))).buffered(4);
    let mut calls = pin!(calls);
    assert!(poll!(calls.next()).is_pending());
    let start = Instant::now();
    let others = tokio::spawn({
        let client = client.clone();
        async move {
            for _ in 0..5 {
                call(&client).await.expect("served");
            }
        }
    });
    sleep(60 * SECOND).await;
    others.await.expect("done");
    assert_eq!(start.elapsed(), 60 * SECOND);
    // They have lost no place, only their turns.
    let results: Vec<_> = calls.collect().await;
    assert!(results.iter().all(Result::is_ok));
    let elapsed = start.elapsed() - 60 * SECOND;
    assert_eq!(
        elapsed,
        3 * 1_010 * MS,
        "the first at once, then one a window"
    );
}

#[tokio::test(start_paused = true)]
async fn each_of_many_forgotten_waiters_costs_50_ms() {
    let (_, client) = client(&Server::with_latency(Duration::ZERO));
    call(&client).await.expect("at once");
    for _ in 0..20 {
        std::mem::forget(in_line(&client).await);
    }
    let start = Instant::now();
    call(&client).await.expect("served");
    assert_eq!(start.elapsed(), 1_010 * MS + 20 * 50 * MS);
}

/// In real time: the queue's first waiter, and the first driver, belong to a runtime that nobody drives any more.
#[test]
fn a_waiter_on_a_runtime_that_nobody_drives_holds_nobody_up() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime")
    };
    let window = Window::new(Quota::rolling(1, 200 * MS));
    let server = Server::with_latency(Duration::ZERO);
    let client = RateLayer::new(window.clone())
        .max_wait(600 * SECOND)
        .layer(server.clone());
    let (parked, driven) = (runtime(), runtime());
    parked.block_on(call(&client)).expect("at once");
    let stuck = parked.spawn(call(&client));
    // Let it take its ticket; after that, nobody drives this runtime.
    parked.block_on(async {
        while window.snapshot().waiting == 0 {
            tokio::task::yield_now().await;
        }
    });
    let (done, served) = mpsc::channel();
    let other = std::thread::spawn({
        let client = client.clone();
        move || {
            driven.block_on(async {
                call(&client).await.expect("served");
                call(&client).await.expect("served again");
            });
            done.send(()).expect("awaited");
        }
    });
    served
        .recv_timeout(60 * SECOND)
        .expect("the waiter on the runtime that is driven goes on");
    other.join().expect("done");
    assert_eq!(
        window.snapshot().waiting,
        1,
        "the other still has its ticket"
    );
    parked
        .block_on(stuck)
        .expect("no panic")
        .expect("served at last");
    assert_eq!(server.departures().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn hoarded_readiness_admits_nobody() {
    let server = Server::with_latency(80 * MS);
    let window = Window::new(Quota::rolling(100, 60 * SECOND));
    let layer = RateLayer::new(window.clone());
    let mut hoard = Vec::new();
    for _ in 0..100 {
        let mut service = layer.layer(server.clone());
        future::poll_fn(|cx| service.poll_ready(cx))
            .await
            .expect("ready");
        hoard.push(service);
    }
    sleep(59_990 * MS).await;
    let calls: FuturesUnordered<_> = hoard
        .into_iter()
        .map(|mut service| service.call(request()))
        .collect();
    let fresh: FuturesUnordered<_> = (0..100)
        .map(|_| layer.layer(server.clone()).oneshot(request()))
        .collect();
    let (hoarded, fresh) = tokio::join!(calls.collect::<Vec<_>>(), fresh.collect::<Vec<_>>());
    assert!(hoarded.iter().all(Result::is_ok) && fresh.iter().all(Result::is_ok));
    assert_eq!(server.worst_window(60 * SECOND, Duration::ZERO), 100);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_made_anew_for_each_request_shares_the_window() {
    let server = Server::with_latency(Duration::ZERO);
    let layer = RateLayer::new(Quota::rolling(3, SECOND)).refuse();
    let mut served = 0;
    for _ in 0..10 {
        let outcome = layer.layer(server.clone()).oneshot(request()).await;
        served += u32::from(outcome.is_ok());
    }
    assert_eq!(served, 3);
}

/// A service that borrows, and is neither `'static` nor `Send`.
#[derive(Clone)]
struct Borrows<'a>(&'a std::cell::Cell<u32>);

impl<'a> Service<Request<&'a str>> for Borrows<'a> {
    type Response = Response<&'a str>;
    type Error = BoxError;
    type Future = future::Ready<Result<Response<&'a str>, BoxError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<&'a str>) -> Self::Future {
        self.0.set(self.0.get() + 1);
        future::ready(Ok(Response::new(request.into_body())))
    }
}

#[tokio::test(start_paused = true)]
async fn it_wraps_a_service_that_borrows() {
    let layer = RateLayer::new(Quota::rolling(1, SECOND));
    let calls = std::cell::Cell::new(0);
    let body = String::from("borrowed");
    for _ in 0..3 {
        let service = layer.layer(Borrows(&calls));
        let response = service
            .oneshot(Request::new(body.as_str()))
            .await
            .expect("served");
        assert_eq!(*response.body(), "borrowed");
    }
    assert_eq!(calls.get(), 3);
}
