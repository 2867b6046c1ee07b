//! Readiness is a permit: whoever does not use it gives it back.

use auth_layer::{Auth, Reason};
use call_context::{CallContext, Guard};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt};

use crate::order::echo;
use crate::refusals::key;
use crate::support::{SECOND, Supply, reason_of, request, to};

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_a_token_gives_its_permit_back() {
    let supply = Supply::default();
    let auth = Auth::single(supply.steady(SECOND, SECOND * 3600)).expect("a valid slot");
    let mut client = auth.layer().layer(ConcurrencyLimit::new(echo(), 1));
    let waiting = client.ready().await.expect("ready").call(request());
    let answer = tokio::time::timeout(SECOND * 60, waiting).await;
    answer.expect("no deadlock").expect("an answer");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_gate_refuses_gives_its_permit_back() {
    let auth = Auth::single(key()).expect("a valid slot");
    let client = auth.layer().layer(ConcurrencyLimit::new(echo(), 1));
    let mut first = client.clone();
    let refused = first.ready().await.expect("ready");
    let refused = refused.call(to("https://evil.example/")).await;
    assert_eq!(reason_of(refused), Reason::Elsewhere);
    // The first client still lives, and idles.
    let second = tokio::time::timeout(SECOND * 60, client.oneshot(request())).await;
    second.expect("a permit").expect("an answer");
    let again = first.ready().await.expect("ready").call(request()).await;
    again.expect("an answer");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_an_attacher_refuses_gives_its_permit_back() {
    let auth = Auth::single(key()).expect("a valid slot");
    let client = auth.attach().layer(ConcurrencyLimit::new(echo(), 1));
    let mut first = client.clone();
    let mut twice = request();
    CallContext::of(twice.extensions_mut()).enter(Guard::Attach);
    let refused = first.ready().await.expect("ready").call(twice).await;
    assert_eq!(reason_of(refused), Reason::AttachedTwice);
    let second = tokio::time::timeout(SECOND * 60, client.oneshot(request())).await;
    second.expect("a permit").expect("an answer");
    let again = first.ready().await.expect("ready").call(request()).await;
    again.expect("an answer");
}
