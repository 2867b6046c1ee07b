//! What the layers allocate: the header's place and the one context, where a request passes without waiting.
//!
//! The counting allocator is this whole program's, and counts by thread.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use auth_layer::{Auth, Grant, Slot, source_fn};
use call_context::CallContext;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use tower::util::MapRequestLayer;
use tower::{Layer, Service, service_fn};

const TOKEN: &str = "a.b.c";

/// A caller's request, with room for one header more: how a table of headers grows is none of ours.
fn request() -> Request<()> {
    let mut request = Request::get("https://api.example.com/a")
        .header("accept", "application/json")
        .body(())
        .expect("a valid request");
    request.headers_mut().reserve(1);
    request
}

/// As a layer further out leaves it.
fn with_context() -> Request<()> {
    let mut request = request();
    CallContext::of(request.extensions_mut());
    request
}

async fn answer(request: Request<()>) -> Result<Response<()>, Infallible> {
    assert!(
        request.headers()[AUTHORIZATION]
            .as_bytes()
            .ends_with(TOKEN.as_bytes())
    );
    Ok(Response::new(()))
}

/// How many allocations it takes until `request` is answered, by the first poll.
fn allocations<S>(client: &mut S, request: Request<()>) -> u64
where
    S: Service<Request<()>, Response = Response<()>>,
{
    let info = measure(|| {
        let mut call = pin!(client.call(request));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))));
    });
    info.count_total
}

/// What it takes to put a header and an empty context on a request by hand: what no layer can do without.
fn by_hand(context: bool, request: Request<()>) -> u64 {
    let value = HeaderValue::from_static("Bearer a.b.c");
    let by_hand = MapRequestLayer::new(move |mut request: Request<()>| {
        request.headers_mut().insert(AUTHORIZATION, value.clone());
        if context {
            CallContext::of(request.extensions_mut());
        }
        request
    });
    allocations(&mut by_hand.layer(service_fn(answer)), request)
}

fn bound(slot: Slot) -> Auth {
    let slot = slot.origin("https://api.example.com".parse().expect("an origin"));
    Auth::single(slot).expect("a valid slot")
}

async fn fresh_token() -> Auth {
    let hour = Duration::from_secs(3600);
    let source = source_fn(move |_| async move { Ok(Grant::new(TOKEN).lifetime(hour)) });
    let auth = bound(Slot::token("wallet", source));
    let token = auth.token("wallet").expect("a renewing token");
    token.usable_token().await.expect("a token");
    auth
}

/// Through both halves in one, the attacher alone, and the two halves with something in between.
fn is_all_it_takes(auth: &Auth) {
    // In between something looks at the request, and may change what it likes.
    let between = MapRequestLayer::new(|request: Request<()>| request);
    let mut both = auth.layer().layer(service_fn(answer));
    let mut attached = auth.attach().layer(service_fn(answer));
    let apart = between.layer(auth.attach().layer(service_fn(answer)));
    let mut apart = auth.gate().layer(apart);
    // The first answer is news about the token; and the first look of a thread at it makes the thread's own place there.
    allocations(&mut both, request());
    allocations(&mut apart, request());
    for _ in 0..3 {
        let least = by_hand(true, request());
        assert_eq!(allocations(&mut both, request()), least, "both in one");
        assert_eq!(allocations(&mut attached, request()), least, "the attacher");
        assert_eq!(allocations(&mut apart, request()), least, "both apart");

        let least = by_hand(false, with_context());
        assert_eq!(
            allocations(&mut both, with_context()),
            least,
            "both in one, within a stack"
        );
        assert_eq!(
            allocations(&mut attached, with_context()),
            least,
            "the attacher, within a stack"
        );
        assert_eq!(
            allocations(&mut apart, with_context()),
            least,
            "both apart, within a stack"
        );
    }
}

#[test]
fn a_static_key_costs_the_header_and_the_one_context() {
    is_all_it_takes(&bound(Slot::key("business", TOKEN)));
}

#[test]
fn a_static_key_with_an_overlap_key_costs_no_more() {
    is_all_it_takes(&bound(Slot::key("business", TOKEN).overlap("another")));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_costs_the_header_and_the_one_context() {
    is_all_it_takes(&fresh_token().await);
}

#[test]
fn a_context_costs_three_allocations_and_a_header_none() {
    assert_eq!(by_hand(true, request()), 3);
    assert_eq!(by_hand(false, with_context()), 0);
}
