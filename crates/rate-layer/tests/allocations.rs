//! What the layer allocates: nothing, where a request passes without waiting.
//!
//! The counting allocator is this whole program's, and counts by thread.
#![cfg(not(loom))]

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use call_context::{BoxError, CallContext};
use http::{Request, Response};
use rate_layer::{Limit, MINUTE, Quota, RateLayer, Window, Windows};
use tokio::time::advance;
use tower::{Layer, Service, service_fn};

const QUOTA: Quota = Quota::rolling(100, MINUTE);
const MS: Duration = Duration::from_millis(1);
/// Longer than a place is held.
const LATER: Duration = Duration::from_secs(61);

/// As the layers above leave it: its context is there.
fn request() -> Request<()> {
    let mut request = Request::new(());
    CallContext::of(request.extensions_mut());
    request
}

async fn answer(_: Request<()>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

/// How many allocations a request costs the layer, its response included. It must be answered by the first poll.
fn allocations<S>(client: &mut S) -> u64
where
    S: Service<Request<()>, Response = Response<()>, Error = BoxError>,
{
    let request = request();
    let info = measure(|| {
        let mut call = pin!(client.call(request));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))));
    });
    info.count_total
}

/// How many bytes more are taken after `act` than before. For what `act` does for many keys, divide by them.
fn bytes_grown(act: impl FnOnce()) -> u64 {
    let info = measure(act);
    u64::try_from(info.bytes_current).expect("it frees no more than it takes")
}

#[tokio::test(start_paused = true)]
async fn requests_that_pass_at_once_cost_no_allocation() {
    let window = Window::new(QUOTA);
    let mut client = RateLayer::new(window.clone()).layer(service_fn(answer));
    for _ in 0..100 {
        // The first window's worth makes room for the list of places, once.
        allocations(&mut client);
        advance(MS).await;
    }
    for _ in 0..3 {
        advance(LATER).await;
        for number in 0..100 {
            assert_eq!(allocations(&mut client), 0, "request {number}");
            advance(MS).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_their_answers_cost_no_allocation() {
    let service = service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(()))
    });
    let mut client = RateLayer::new(QUOTA).layer(service);
    let mut send = || {
        let request = request();
        let info = measure(|| {
            let mut call = pin!(client.call(request));
            let mut context = Context::from_waker(Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
            assert!(call.as_mut().poll(&mut context).is_ready());
        });
        info.count_total
    };
    for _ in 0..100 {
        send();
    }
    advance(LATER).await;
    // What `yield_now` and tokio's timer make for themselves is made once.
    for number in 0..100 {
        assert_eq!(send(), 0, "request {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_pass_uncounted_cost_no_allocation() {
    let mut client = RateLayer::by_slot()
        .without_slot(Limit::Unlimited)
        .layer(service_fn(answer));
    for _ in 0..100 {
        assert_eq!(allocations(&mut client), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_grows_no_more_once_it_was_full() {
    let window = Window::new(QUOTA);
    let mut bytes = 0;
    for _ in 0..100 {
        bytes += bytes_grown(|| use_one(&window));
        advance(MS).await;
    }
    // Three bytes each.
    assert_eq!(bytes, 300);
    advance(LATER).await;
    for _ in 0..100 {
        assert_eq!(bytes_grown(|| use_one(&window)), 0);
        advance(MS).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_keys_with_all_their_places_taken_are_under_512_bytes_each() {
    const KEYS: u64 = 100_000;
    let windows = Windows::new(QUOTA);
    let bytes = bytes_grown(|| {
        for key in 0..KEYS {
            let window = windows
                .window(format!("account-{key:08}"))
                .expect("there is room");
            for _ in 0..QUOTA.limit() {
                use_one(&window);
            }
        }
    });
    assert_eq!(windows.len() as u64, KEYS);
    let each = bytes / KEYS;
    assert!(each < 512, "{each}");
    println!("{each} bytes a key");
}

fn use_one(window: &Window) {
    let place = window.try_admit(NonZeroU32::MIN).expect("a place");
    place.answered();
}
