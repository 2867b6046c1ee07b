//! Planted secrets, looked for in everything that a whole stack prints: its types, requests and answers on their way, errors
//! of every layer and of the client, spans and events.
//!
//! A program with one test: its subscriber must be in place before the first event.

#[expect(dead_code, reason = "shared with the other tests")]
mod hosts;

use std::error::Error;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tollgate::auth::{Grant, Override, Slot, Tenant, Tenants, source_fn};
use tollgate::{CallContext, MINUTE, Quota, RateLayer, RetryLayer, SourceError, Stack, Window};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use hosts::{Body, CANARY, Hosts};

const MS: Duration = Duration::from_millis(1);

/// Everything that has been printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn show(&self, what: &(impl Debug + ?Sized)) {
        self.add(format!("{what:?} {what:#?}\n").as_bytes());
    }

    /// An error, and all its causes, as they print and as they are shown to people.
    fn show_error(&self, error: &(dyn Error + 'static)) {
        for link in std::iter::successors(Some(error), |&link| link.source()) {
            self.show(link);
            self.add(format!("{link}\n").as_bytes());
        }
    }

    fn add(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
    }

    fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&all).into_owned()
    }
}

impl std::io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Printed {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a host may answer that a layer reads: the header that it reads has the secret in it where it can.
fn script(hosts: &Hosts) {
    let one = |name: HeaderName, value: &str| {
        HeaderMap::from_iter([(name, value.parse().expect("a value"))])
    };
    let challenge = one(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
    hosts.say("/401", 401, challenge);
    hosts.say("/403", 403, HeaderMap::new());
    hosts.say("/429", 429, one(RETRY_AFTER, "0"));
    hosts.say("/503", 503, HeaderMap::new());
}

/// Every shape of a credential, by name.
fn slots() -> Vec<Slot> {
    let token = || source_fn(|_| async { Ok(Grant::new(CANARY).refresh_token(CANARY)) });
    let failing = source_fn(|_| async {
        let error = std::io::Error::other("the endpoint is down");
        Err(SourceError::temporary(error))
    });
    let broken = source_fn(|_| async { Ok(Grant::new(format!("{CANARY}\n"))) });
    vec![
        Slot::key("business", CANARY),
        Slot::key("doubled", CANARY).overlap(format!("{CANARY}-2")),
        Slot::key("named", CANARY).header(HeaderName::from_static("x-api-key")),
        Slot::token("wallet", token()).backoff(MS, MS),
        Slot::tenants("customers", Tenants::new(move |_: &Tenant| token())).backoff(MS, MS),
        Slot::token("failing", failing).wait(MS * 20),
        Slot::token("broken", broken).wait(MS * 20),
    ]
}

#[tokio::test]
async fn nothing_that_a_whole_stack_prints_shows_a_credential() {
    let printed = Printed::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(printed.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the first one");

    let hosts = Hosts::start().await;
    script(&hosts);
    for slot in slots() {
        let origin = hosts.fill("http://127.0.0.1:{A}").parse().expect("one");
        let window = Window::new(Quota::rolling(30, MINUTE));
        let stack = Stack::new(origin)
            .slot(
                slot.plain_http("http://dead.test:1".parse().expect("an origin"))
                    .origin(hosts.fill("http://127.0.0.1:{A}").parse().expect("one")),
            )
            .rate(RateLayer::new(window.clone()).refuse())
            .retry(RetryLayer::new().base(MS).throttle_base(MS));
        printed.show(&stack);
        let stack = stack.build().expect("a stack");
        printed.show(&(
            &stack,
            stack.auth(),
            stack.rate(),
            stack.retry(),
            stack.peek(),
        ));
        printed.show(&window);
        let seen = printed.clone();
        let client = ServiceBuilder::new()
            .map_request(move |request: Request<Body>| {
                seen.show(&request);
                let (parts, body) = request.into_parts();
                seen.show(&(&parts, &parts.extensions));
                Request::from_parts(parts, body)
            })
            .service(hosts.client());
        let service = stack.layer(client);
        for (uri, instead) in [
            ("http://127.0.0.1:{A}/200", false),
            ("http://127.0.0.1:{A}/401", false),
            ("http://127.0.0.1:{A}/403", false),
            ("http://127.0.0.1:{A}/429", false),
            ("http://127.0.0.1:{A}/503", false),
            ("http://127.0.0.1:{A}/200", true),
            ("http://127.0.0.1:{B}/200", false),
            ("http://dead.test:1/refused", false),
            (
                &format!("http://user:{CANARY}@127.0.0.1:{{A}}/{CANARY}?{CANARY}"),
                false,
            ),
        ] {
            let mut request = Request::get(hosts.fill(uri))
                .body(Body::default())
                .expect("one");
            request.extensions_mut().insert(Tenant::from("acme"));
            if instead {
                request.extensions_mut().insert(Override::secret(CANARY));
            }
            let deadline = Instant::now() + Duration::from_secs(20);
            let context = CallContext::of(request.extensions_mut());
            context.limit_deadline(deadline.into_std());
            // Above the stack nothing of ours is on it yet; the URI and a body are the caller's.
            let call = service.clone().oneshot(request);
            match call.await {
                Ok(response) => {
                    printed.show(&response.status());
                    printed.show(&(response.headers(), response.extensions()));
                    printed.show(&response);
                    let body: Bytes = response.collect().await.expect("a body").to_bytes();
                    assert!(body.is_empty());
                }
                Err(error) => printed.show_error(&*error),
            }
        }
        // The window is used up: what the rate layer refuses.
        for _ in 0..30 {
            let request = Request::get(hosts.fill("http://127.0.0.1:{A}/200"));
            let request = request
                .extension(Tenant::from("acme"))
                .body(Body::default());
            let call = service.clone().oneshot(request.expect("a request"));
            if let Err(error) = call.await {
                printed.show_error(&*error);
            }
        }
    }
    assert!(hosts.seen().iter().any(hosts::Seen::carries), "it was sent");

    let text = printed.text();
    for expected in [
        "Sensitive",
        "x-api-key",
        "a new token is in use",
        "the server refused the token",
        "the server refused the key; the other one is tried",
        "the endpoint is down",
        "a line break",
        "UserInformation",
        "Elsewhere",
        "RateError",
        "customers/acme",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing");
    }
    let at = text
        .find(CANARY)
        .map(|at| text[at.saturating_sub(300)..at + 40].to_owned());
    assert_eq!(at, None);
}
