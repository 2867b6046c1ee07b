//! Several tables over one client, each of which passes the requests of the others bare.

use auth_layer::{Auth, Elsewhere, Reason, Slot};
use call_context::{BoxError, CallContext, Guard};
use http::header::AUTHORIZATION;
use http::{HeaderName, Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::order::{echo, outcome};
use crate::support::{refused, to};

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
    let error = outcome(auth.gate().layer(rewriting), to(ONE)).await;
    assert_eq!(
        refused(&error.expect_err("changed")).reason(),
        Reason::SlotChanged
    );
}

#[tokio::test]
async fn a_callers_own_credential_is_refused_elsewhere_though_no_slot_sets_that_header() {
    let slot = Slot::key("one", "k1").header(HeaderName::from_static("x-api-key"));
    let slot = slot.origin(ONE.parse().expect("an origin"));
    let auth = Auth::builder().slot(slot).elsewhere(Elsewhere::PassBare);
    let client = auth.build().expect("a valid slot").layer().layer(echo());
    let mut own = to(TWO);
    own.headers_mut()
        .insert(AUTHORIZATION, "Basic own".parse().expect("a value"));
    let error = outcome(client, own).await.expect_err("a credential");
    assert_eq!(refused(&error).reason(), Reason::CallersOwn);
}
