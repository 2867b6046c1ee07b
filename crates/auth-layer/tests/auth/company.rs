//! Several tables over one client, each of which passes the requests of the others bare.

use std::sync::Arc;

use auth_layer::{Auth, CallersOwn, Elsewhere, Reason, Slot};
use call_context::{BoxError, CallContext, Guard, Route, Routes};
use http::header::AUTHORIZATION;
use http::{HeaderName, Method, Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::order::{echo, outcome};
use crate::support::{reason_of, to};

fn table(slot: &str, key: &str, origin: &str) -> Auth {
    let slot = Slot::key(slot, key).origin(origin.parse().expect("an origin"));
    let auth = Auth::builder().slot(slot).elsewhere(Elsewhere::PassBare);
    auth.build().expect("a valid slot")
}

const ONE: &str = "https://one.example";
const TWO: &str = "https://two.example";
const THREE: &str = "https://three.example";

#[tokio::test]
async fn two_stacks_that_pass_foreign_requests_bare_can_be_stacked() {
    // Also where both slots have one name, and where the inner one sets another header.
    for (name, header) in [
        ("two", AUTHORIZATION),
        ("one", HeaderName::from_static("x-api-key")),
    ] {
        let one = table("one", "k1", ONE);
        let two = Slot::key(name, "k2").origin(TWO.parse().expect("an origin"));
        let two = if header == AUTHORIZATION {
            two
        } else {
            two.header(header)
        };
        let two = Auth::builder().slot(two).elsewhere(Elsewhere::PassBare);
        let two = two.build().expect("a valid slot");
        let both = service_fn(async |request: Request<String>| {
            let headers = request.headers();
            let key = headers.get(AUTHORIZATION).or(headers.get("x-api-key"));
            let key = key.map_or("", |key| key.to_str().expect("visible ASCII"));
            Ok::<_, BoxError>(Response::new(key.trim_start_matches("Bearer ").to_owned()))
        });
        let client = one.layer().layer(two.layer().layer(both));
        for (uri, seen) in [(ONE, "k1"), (TWO, "k2"), (THREE, "")] {
            let got = outcome(client.clone(), to(uri)).await;
            assert_eq!(got.expect(uri), seen, "{uri}");
        }
    }
}

/// Both gates above one rate layer, and both attachers below it.
#[tokio::test]
async fn two_gates_share_what_is_between_them_and_their_attachers() {
    let (one, two) = (table("one", "k1", ONE), table("two", "k2", TWO));
    for one_attaches_first in [false, true] {
        let (upper, lower) = if one_attaches_first {
            (one.attach(), two.attach())
        } else {
            (two.attach(), one.attach())
        };
        let attached = upper.layer(lower.layer(echo()));
        let between = service_fn(move |request: Request<String>| {
            let context = CallContext::get(request.extensions()).expect("a context");
            let slot = context.slot().map(ToString::to_string).unwrap_or_default();
            let answer = attached.clone().oneshot(request);
            async move { Ok::<_, BoxError>(Response::new(slot + " " + answer.await?.body())) }
        });
        let client = one.gate().layer(two.gate().layer(between));
        for (uri, seen) in [(ONE, "one Bearer k1"), (TWO, "two Bearer k2"), (THREE, " ")] {
            let got = outcome(client.clone(), to(uri)).await;
            assert_eq!(got.expect(uri), seen, "{uri}");
        }
    }
}

#[tokio::test]
async fn a_request_that_passes_bare_is_marked_by_nobody_and_may_have_passed_a_rate_layer() {
    let auth = table("one", "k1", ONE);
    let unmarked = service_fn(async |request: Request<String>| {
        let context = CallContext::get(request.extensions()).expect("a context");
        for guard in [Guard::Gate, Guard::Attach] {
            assert!(!context.inside(guard), "{guard:?}");
        }
        assert!(context.slot().is_none());
        Ok::<_, BoxError>(Response::new(String::new()))
    });
    let mut foreign = to(TWO);
    CallContext::of(foreign.extensions_mut()).enter(Guard::Rate);
    let client = auth.layer().layer(unmarked);
    outcome(client, foreign).await.expect("bare");
}

#[tokio::test]
async fn a_request_that_a_gate_let_in_may_not_turn_foreign_below_it() {
    let auth = table("one", "k1", ONE);
    let attached = auth.attach().layer(echo());
    let rewriting = service_fn(move |mut request: Request<String>| {
        *request.uri_mut() = TWO.parse().expect("a URI");
        attached.clone().oneshot(request)
    });
    let changed = outcome(auth.gate().layer(rewriting), to(ONE)).await;
    assert_eq!(reason_of(changed), Reason::SlotChanged);
}

/// Two slots with headers and rules of their own; what goes to another server than [`ONE`] passes bare.
fn two_headers(a: CallersOwn, b: CallersOwn) -> Auth {
    let slot = |name: &str, header, rule| {
        let slot = Slot::key(name, "k").header(HeaderName::from_static(header));
        slot.callers_own(rule)
    };
    let routes = Routes::new(["/a", "/b"].map(|path| Route::new(Method::GET, path, path)));
    let auth = Auth::builder()
        .origin(ONE.parse().expect("an origin"))
        .slot(slot("a", "x-a", a))
        .slot(slot("b", "x-b", b))
        .routes(Arc::new(routes.expect("a table")))
        .class("/a", "a")
        .class("/b", "b")
        .elsewhere(Elsewhere::PassBare);
    auth.build().expect("a valid table")
}

fn foreign(own: &'static str) -> Request<String> {
    let mut request = to(TWO);
    let value = "Basic own".parse().expect("a value");
    request.headers_mut().insert(own, value);
    request
}

#[tokio::test]
async fn elsewhere_the_slot_that_sets_a_header_says_what_happens_to_a_callers_own() {
    let auth = two_headers(CallersOwn::Keep, CallersOwn::Refuse);
    let client = auth.layer().layer(echo());
    let kept = outcome(client.clone(), foreign("x-a")).await;
    kept.expect("kept");
    let refused = outcome(client, foreign("x-b")).await;
    assert_eq!(reason_of(refused), Reason::CallersOwn);
}

#[tokio::test]
async fn elsewhere_the_strictest_slot_speaks_for_a_header_that_none_of_them_sets() {
    for (a, b, seen) in [
        (CallersOwn::Keep, CallersOwn::Keep, Some("Basic own")),
        (CallersOwn::Keep, CallersOwn::Replace, Some("")),
        (CallersOwn::Replace, CallersOwn::Keep, Some("")),
        (CallersOwn::Keep, CallersOwn::Refuse, None),
        (CallersOwn::Refuse, CallersOwn::Replace, None),
    ] {
        let client = two_headers(a, b).layer().layer(echo());
        match (outcome(client, foreign("authorization")).await, seen) {
            (Ok(got), Some(seen)) => assert_eq!(got, seen, "{a:?} {b:?}"),
            (outcome, None) => assert_eq!(reason_of(outcome), Reason::CallersOwn, "{a:?} {b:?}"),
            (Err(error), _) => panic!("{a:?} {b:?}: {error}"),
        }
    }
}
