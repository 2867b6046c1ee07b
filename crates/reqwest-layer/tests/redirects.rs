//! Credentials and redirects: what reaches another host, through a client that sends once and through one that does not.

#![cfg(feature = "middleware")]

mod support;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use call_context::{NeverLeft, Refusal};
use http::HeaderName;
use reqwest_layer::{LayerMiddleware, RedirectError, send_once};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use support::{Server, answer, builder, chain, find};
use tollgate::auth::Slot;
use tollgate::{MINUTE, Quota, RateLayer, RetryLayer, Stack, Window};

const CANARY: &str = "canary";

/// Where the key goes: a header that reqwest never takes off, and one that it takes off on the first hop.
const HEADERS: [&str; 2] = ["x-api-key", "authorization"];

/// An API that redirects every request to another host, which redirects the first request once more, to itself.
struct Hosts {
    api: Server,
    other: Server,
}

impl Hosts {
    async fn start() -> Self {
        let url: Arc<OnceLock<String>> = Arc::default();
        let own = url.clone();
        let other = Server::start(move |number, _| {
            let location = own.get().filter(|_| number == 1);
            Some(match location {
                Some(url) => answer(302, &format!("location: {url}second?{CANARY}\r\n"), ""),
                None => answer(200, "", "hello"),
            })
        })
        .await;
        let location = format!("location: {}\r\n", other.url("/"));
        url.set(other.url("/")).expect("set once");
        let api = Server::start(move |_, _| Some(answer(302, &location, ""))).await;
        Self { api, other }
    }

    fn url(&self) -> String {
        self.api.url("/?q=1")
    }

    /// How many requests have brought the key to the other host.
    fn leaked(&self) -> usize {
        let seen = self.other.seen().into_iter();
        seen.filter(|seen| seen.headers.iter().any(|(_, value)| value.contains(CANARY)))
            .count()
    }
}

fn stack(hosts: &Hosts, header: &'static str) -> (Stack, Window) {
    let window = Window::new(Quota::rolling(10, MINUTE));
    let mut slot = Slot::key("key", CANARY);
    if header != "authorization" {
        slot = slot.header(HeaderName::from_static(header));
    }
    let stack = Stack::new(hosts.api.url("").parse().expect("an origin"))
        .slot(slot)
        .rate(RateLayer::new(window.clone()).refuse())
        .retry(RetryLayer::new().base(Duration::from_millis(1)))
        .build()
        .expect("a stack");
    (stack, window)
}

/// A client that follows redirects, contrary to what is said of it.
fn following(stack: Stack) -> ClientWithMiddleware {
    ClientBuilder::new(builder().build().expect("a client"))
        .with(LayerMiddleware::over_send_once(stack))
        .build()
}

#[tokio::test]
async fn a_ready_made_client_takes_no_key_to_another_host() {
    for header in HEADERS {
        let hosts = Hosts::start().await;
        let (stack, window) = stack(&hosts, header);
        // What the builder says about redirects is overruled.
        let builder = builder().redirect(reqwest::redirect::Policy::limited(3));
        let client = reqwest_layer::client(builder, stack).expect("a client");
        for _ in 0..2 {
            let response = client.get(hosts.url()).send().await.expect(header);
            assert_eq!(response.status(), 302, "{header}");
        }
        assert_eq!(hosts.api.seen().len(), 2, "{header}");
        assert!(hosts.other.seen().is_empty(), "{header}");
        assert_eq!(window.snapshot().used, 2, "{header}");
    }
}

#[tokio::test]
async fn a_followed_redirect_fails_its_call_and_no_later_one_leaves() {
    for header in HEADERS {
        let hosts = Hosts::start().await;
        let (stack, window) = stack(&hosts, header);
        let client = following(stack);

        let error = client.get(hosts.url()).send().await.expect_err(header);
        let redirect = find::<RedirectError>(&error).expect("noticed");
        assert!(redirect.departed(), "{header}");
        assert_eq!(NeverLeft::find(&error), None, "{header}");
        let text = chain(&error);
        assert!(text.contains("send_once"), "{text}");
        assert!(
            !text.contains(CANARY) && !text.contains("127.0.0.1"),
            "{text}"
        );
        let snapshot = window.snapshot();
        assert_eq!(snapshot.used + snapshot.in_flight, 1, "{header}");

        // What has leaked has leaked, but neither a retry nor the next call adds to it.
        let leaked = hosts.leaked();
        assert!(leaked > 0, "reqwest takes the key along: {header}");
        for client in [&client, &client.clone()] {
            let error = client.get(hosts.url()).send().await.expect_err(header);
            let redirect = find::<RedirectError>(&error).expect("remembered");
            assert!(!redirect.departed(), "{header}");
            assert_eq!(NeverLeft::find(&error), Some(Refusal::Permanent));
            assert!(chain(&error).contains("send_once"));
        }
        assert_eq!(hosts.api.seen().len(), 1, "{header}");
        assert_eq!(hosts.leaked(), leaked, "{header}");
        let snapshot = window.snapshot();
        assert_eq!(snapshot.used + snapshot.in_flight, 1, "{header}");
    }
}

#[tokio::test]
async fn an_error_about_another_url_ends_the_use_of_the_client_too() {
    let own = Arc::new(OnceLock::<String>::new());
    let again = own.clone();
    let circle = Server::start(move |_, _| {
        let url = again.get().map(String::as_str).unwrap_or_default();
        Some(answer(302, &format!("location: {url}\r\n"), ""))
    })
    .await;
    own.set(circle.url("/circle")).expect("set once");

    let hosts = Hosts {
        api: circle,
        other: Server::hello().await,
    };
    let (stack, _) = stack(&hosts, "x-api-key");
    let client = following(stack);
    let error = client.post(hosts.url()).body("x").send().await;
    assert!(error.expect_err("too many").is_redirect());
    let sent = hosts.api.seen().len();
    let error = client.post(hosts.url()).body("x").send().await;
    let error = error.expect_err("used no more");
    assert!(find::<RedirectError>(&error).is_some_and(|e| !e.departed()));
    assert_eq!(hosts.api.seen().len(), sent);
}

/// Middleware that answers by itself, without a URL.
struct MadeUp;

#[async_trait::async_trait]
impl Middleware for MadeUp {
    async fn handle(
        &self,
        _: reqwest::Request,
        _: &mut http::Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        Ok(http::Response::new("made up").into())
    }
}

#[tokio::test]
async fn an_answer_without_a_url_is_no_redirect() {
    let hosts = Hosts::start().await;
    let (stack, _) = stack(&hosts, "x-api-key");
    let client = ClientBuilder::new(send_once(builder()).build().expect("a client"))
        .with(LayerMiddleware::over_send_once(stack))
        .with(MadeUp)
        .build();
    for _ in 0..2 {
        let response = client.get(hosts.url()).send().await.expect("an answer");
        assert_eq!(response.text().await.expect("a body"), "made up");
    }
}

#[tokio::test]
async fn a_host_among_the_default_headers_forges_nothing() {
    let server = Server::hello().await;
    let hosts = Hosts {
        api: server,
        other: Server::hello().await,
    };
    let (stack, _) = stack(&hosts, "authorization");
    let builder = || {
        let mut headers = http::HeaderMap::new();
        headers.insert("host", "evil.example".parse().expect("a value"));
        builder().default_headers(headers)
    };
    let client = reqwest_layer::client(builder(), stack.clone()).expect("a client");
    client.get(hosts.url()).send().await.expect("an answer");
    let service = reqwest_layer::Reqwest::new(builder()).expect("a client");
    let service = tower::Layer::layer(&stack, service);
    let request = http::Request::get(hosts.url()).body(reqwest_layer::Body::Left(<_>::default()));
    let request = request.expect("a request");
    let answer = tower::ServiceExt::oneshot(service, request).await;
    answer.expect("an answer");

    let seen = hosts.api.seen();
    assert_eq!(seen.len(), 2);
    let own = hosts.api.address().to_string();
    assert!(seen.iter().all(|seen| seen.header("host") == Some(&own)));
}
