//! The preset around a server made of one closure.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tollgate::auth::{Grant, Source, source_fn};
use tollgate::context::{ClassOverride, NeverLeft, Refusal};
use torque_stack::Torque;
use tower::{Layer, Service, ServiceExt};

type Body = Full<Bytes>;

const BASE: &str = "https://torque.example/api/v1";

fn torque() -> Torque {
    Torque::new(BASE.parse().expect("a base URL"))
}

fn tokens(token: &'static str) -> impl Source {
    source_fn(move |_| ready(Ok(Grant::new(token))))
}

fn post(path: &str) -> http::request::Builder {
    Request::post(format!("{BASE}{path}"))
}

/// Answers 502 for ever, and counts how often it is asked.
fn broken(
    asked: &Arc<AtomicUsize>,
) -> impl Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future = Ready<Result<Response<Body>, Infallible>>,
> + Clone {
    let asked = Arc::clone(asked);
    tower::service_fn(move |_: Request<Body>| {
        asked.fetch_add(1, Ordering::Relaxed);
        let response = Response::builder().status(502);
        ready(Ok(response.body(Body::default()).expect("a response")))
    })
}

#[tokio::test(start_paused = true)]
async fn a_keyed_post_is_repeated_only_where_torque_replays_its_answer() {
    let channels: [(Option<ClassOverride>, &str); 3] = [
        (None, "wallet"),
        (Some(Torque::as_merchant()), "merchant"),
        (Some(Torque::as_delegated()), "delegated"),
    ];
    for (path, keyed, unkeyed) in [
        ("/connect/token", 1, 1),
        ("/connect/authorize/session", 1, 1),
        ("/decide/assistant/chat", 1, 1),
        ("/assistant/chat", 1, 1),
        ("/execute/trades", 3, 1),
        ("/execute/transfers/evm", 3, 1),
        ("/actions/trades", 3, 1),
        // Idempotent on its `externalUserId`, with a key and without.
        ("/accounts/end-users", 3, 3),
    ] {
        let is_execute = path.starts_with("/execute") || path.starts_with("/actions");
        let channels = if is_execute {
            &channels[..]
        } else {
            &channels[..1]
        };
        for (channel, name) in channels {
            for (key, times) in [(true, keyed), (false, unkeyed)] {
                let asked = Arc::default();
                let stack = torque()
                    .business_key("sk_live_1")
                    .wallet(tokens("wallet"))
                    .delegated(tokens("delegated"))
                    .build()
                    .expect("a stack");
                let mut request = post(path).body(Body::from("{}")).expect("a request");
                if key {
                    let value = "k-1".parse().expect("a value");
                    request.headers_mut().insert("idempotency-key", value);
                }
                if let Some(channel) = channel {
                    request.extensions_mut().insert(channel.clone());
                }
                let response = stack.layer(broken(&asked)).oneshot(request).await;
                assert_eq!(response.expect("a response").status(), 502);
                let case = format!("{path} {name} keyed: {key}");
                assert_eq!(asked.load(Ordering::Relaxed), times, "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_credential_is_named_with_its_setter() {
    for (path, channel, slot, setter) in [
        ("/connect/token", None, "business", "business_key"),
        ("/execute/trades", None, "wallet", "wallet"),
        (
            "/execute/trades",
            Some(Torque::as_merchant()),
            "business",
            "business_key",
        ),
        (
            "/execute/trades",
            Some(Torque::as_delegated()),
            "delegated",
            "delegated",
        ),
    ] {
        let asked = Arc::default();
        let stack = torque().build().expect("a stack");
        let mut request = post(path).body(Body::from("{}")).expect("a request");
        if let Some(channel) = channel {
            request.extensions_mut().insert(channel);
        }
        let outcome = stack.layer(broken(&asked)).oneshot(request).await;
        let error = outcome.expect_err("no credential");
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
        let chain = chain(&*error);
        let expected = format!(
            "the stack was built without this credential: give one with `Torque::{setter}`"
        );
        assert!(chain.contains(&expected), "{chain}");
        assert!(chain.contains(&format!("`{slot}`")), "{chain}");
        assert_eq!(asked.load(Ordering::Relaxed), 0, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_can_be_printed_holds_a_secret() {
    const CANARY: &str = "canary";
    let preset = torque()
        .business_key("sk_live_canary")
        .wallet(tokens("wallet.canary.jwt"))
        .delegated(tokens("delegated.canary.jwt"));
    assert!(!format!("{preset:?} {preset:#?}").contains(CANARY));
    let stack = preset.build().expect("a stack");
    assert!(!format!("{stack:?} {stack:#?}").contains(CANARY));

    // Once more when each slot has a credential that was sent.
    let asked = Arc::default();
    let client = stack.layer(broken(&asked));
    for channel in [
        None,
        Some(Torque::as_merchant()),
        Some(Torque::as_delegated()),
    ] {
        let mut request = post("/execute/trades")
            .body(Body::default())
            .expect("a request");
        if let Some(channel) = channel {
            request.extensions_mut().insert(channel);
        }
        let response = client.clone().oneshot(request).await.expect("a response");
        assert!(!format!("{response:?}").contains(CANARY));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert!(!format!("{stack:?} {stack:#?}").contains(CANARY));

    let unfit = torque().business_key("sk_live_canary\n").build();
    let error = unfit.expect_err("no header value");
    assert!(!format!("{error:?} {}", chain(&error)).contains(CANARY));
}

/// All texts of an error's chain.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
