//! Tower's retry, which sends a request again as often as its policy says.

use std::future::{Ready, ready};
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request, Response};
use rate_layer::SECOND;
use tokio::time::Instant;
use tower::retry::{Policy, RetryLayer};
use tower::{ServiceBuilder, ServiceExt};

use crate::party::{Order, departures, five, no_place_is_missing, numbered, patient, server};
use crate::support::{MS, request};

#[tokio::test(start_paused = true)]
async fn below_it_every_attempt_is_counted_and_stands_in_line_again() {
    let (window, server, order) = (five(), server(), Order::default());
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(Attempts(3)))
        .layer(patient(&window))
        .map_request(order.note())
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..6).map(|n| client.clone().oneshot(numbered(n)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.worst_window(SECOND, Duration::ZERO), 5);
    // Attempts stand in line like anybody: the sixth request has its place before the fifth's second attempt, and the
    // sixth's second is served with the fifth's third.
    let rounds = order.seen();
    let rounds = rounds.chunks(5).map(|round| {
        let mut round = round.to_vec();
        // Those who depart at one moment do so as their task polls them.
        round.sort_unstable();
        round
    });
    let expected: [&[u32]; 4] = [
        &[0, 1, 2, 3, 4],
        &[0, 1, 2, 3, 5],
        &[0, 1, 2, 3, 4],
        &[4, 5, 5],
    ];
    assert_eq!(rounds.collect::<Vec<_>>(), expected);
    let mut expected: Vec<_> = (0..17).map(|n| n / 5 * 1_110 * MS).collect();
    // The sixth is the only one left, and there is room.
    expected.push(3_430 * MS);
    assert_eq!(departures(&server, start), expected);
    assert_eq!(window.snapshot().counts.admitted, 18);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_attempts_are_not_counted_and_the_server_sees_too_many() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(RetryLayer::new(Attempts(3)))
        .service(server.clone());
    let outcomes = join_all((0..5).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    // Why the docs say that nothing below may repeat requests: tower's layer cannot know that it was passed.
    assert_eq!(window.snapshot().counts.admitted, 5);
    assert_eq!(server.worst_window(SECOND, Duration::ZERO), 15);
    no_place_is_missing(&window).await;
}

/// Sends every request so many times, whatever comes of it.
#[derive(Clone)]
struct Attempts(u32);

impl<E> Policy<Request<()>, Response<()>, E> for Attempts {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<()>,
        _: &mut Result<Response<()>, E>,
    ) -> Option<Self::Future> {
        self.0 -= 1;
        (self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}
