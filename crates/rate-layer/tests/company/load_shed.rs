//! Load shedding, which is always ready, and refuses in `call` what the service below is not ready for.

use std::time::Duration;

use call_context::{BoxError, NeverLeft, Refusal};
use futures_util::future::join_all;
use rate_layer::{RateError, RateErrorKind};
use tokio::time::Instant;
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::load_shed::error::Overloaded;
use tower::{ServiceBuilder, ServiceExt};

use crate::party::{HOLD, departures, five, millis, no_place_is_missing, patient, server};
use crate::support::{MS, request};

#[tokio::test(start_paused = true)]
async fn above_it_what_is_shed_counts_as_departed_since_nothing_says_otherwise() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(server.clone());
    let outcomes = join_all((0..5).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes[0].is_ok());
    for error in outcomes.into_iter().skip(1).filter_map(Result::err) {
        assert!(error.is::<Overloaded>());
        // Tower's error looks the same from a layer that sends first, so it proves nothing.
        assert_eq!(NeverLeft::find(&*error), None);
    }
    let snapshot = window.snapshot();
    assert_eq!((snapshot.used, snapshot.counts.abandoned), (5, 4));
    assert_eq!(snapshot.next_free, HOLD);
    assert_eq!(server.departures().len(), 1);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn above_it_what_is_shed_is_free_at_once_where_its_error_is_marked() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(patient(&window))
        .map_err(|error: BoxError| -> BoxError {
            if error.is::<Overloaded>() {
                NeverLeft::wrap(Refusal::Local, error).into()
            } else {
                error
            }
        })
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(server.clone());
    let outcomes = join_all((0..20).map(|_| client.clone().oneshot(request()))).await;
    let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(served, 1);
    let snapshot = window.snapshot();
    assert_eq!((snapshot.used, snapshot.counts.given_back), (1, 19));
    assert_eq!(snapshot.next_free, Duration::ZERO);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_nothing_is_shed_since_the_layer_is_always_ready() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(patient(&window))
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let expected = (0..12).map(|n| n / 5 * 1_110 * MS).collect::<Vec<_>>();
    assert_eq!(departures(&server, start), expected);
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_the_layer_sheds_by_itself_where_it_is_told_to() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(patient(&window).refuse())
        .service(server.clone());
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    let errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 7);
    for error in errors {
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Local));
        let error = error.downcast::<RateError>().expect("ours");
        assert_eq!(error.kind(), RateErrorKind::WouldWait);
        assert_eq!(error.retry_in(), Some(HOLD));
    }
    no_place_is_missing(&window).await;
}

#[tokio::test(start_paused = true)]
async fn below_it_what_a_limit_on_concurrency_in_between_sheds_never_touches_the_window() {
    let (window, server) = (five(), server());
    let client = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(7))
        .layer(patient(&window))
        .service(server.clone());
    let start = Instant::now();
    let outcomes = join_all((0..12).map(|_| client.clone().oneshot(request()))).await;
    let shed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert_eq!(shed.filter(|error| error.is::<Overloaded>()).count(), 5);
    let expected = millis([0, 0, 0, 0, 0, 1_110, 1_110]);
    assert_eq!(departures(&server, start), expected);
    let counts = window.snapshot().counts;
    assert_eq!((counts.admitted, counts.refused), (7, 0));
    no_place_is_missing(&window).await;
}
