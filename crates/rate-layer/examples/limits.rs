//! What the layer can be told, in one program: `cargo run -p rate-layer --example limits`.
//!
//! The time is virtual, so it is over at once; what it prints are the times at which requests were answered.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderName, Request, Response};
use rate_layer::{
    Keyed, MINUTE, Pace, Quota, RateError, RateLayer, Rule, SECOND, Standard, Window, key,
};
use tokio::time::{Instant, advance, pause, sleep};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

/// A server that takes 80 ms, and says what a request has cost and what it allows.
async fn server(_: Request<()>) -> Result<Response<()>, Infallible> {
    sleep(Duration::from_millis(80)).await;
    let response = Response::builder()
        .header("x-tokens-used", "1500")
        .header("x-ratelimit-limit", "20");
    Ok(response.body(()).expect("valid headers"))
}

fn request(path: &str, account: &str) -> Request<()> {
    let uri = format!("https://api.example.com{path}");
    let request = Request::get(uri).header("x-account", account);
    request.body(()).expect("a request")
}

/// Sends requests at once, and says after how long each was answered, or why it was not.
async fn send<S>(what: &str, client: S, requests: Vec<Request<()>>)
where
    S: Service<Request<()>, Response = Response<()>, Error = BoxError> + Clone,
{
    println!("{what}:");
    let start = Instant::now();
    let calls = requests.into_iter().map(|request| {
        let call = client.clone().oneshot(request);
        async move { (call.await, start.elapsed()) }
    });
    for (answer, after) in join_all(calls).await {
        match answer.map_err(|error| error.downcast::<RateError>()) {
            Ok(_) => println!("  after {after:?}"),
            Err(Ok(refused)) => println!("  {refused}; in {:?}", refused.retry_in()),
            Err(Err(error)) => println!("  {error}"),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    pause();
    let many = |count| {
        (0..count)
            .map(|_| request("/feed", "a"))
            .collect::<Vec<_>>()
    };

    // Two windows at once: 2 a second, and 4 a minute.
    let both = RateLayer::new(Quota::rolling(2, SECOND).and(Quota::rolling(4, MINUTE)));
    send(
        "2 a second and 4 a minute",
        both.layer(service_fn(server)),
        many(5),
    )
    .await;

    // A window for each account, and one for all of them.
    let account = key::header(HeaderName::from_static("x-account"));
    let accounts = RateLayer::new(Quota::rolling(3, SECOND))
        .also(Keyed::new(Quota::rolling(1, SECOND), account));
    let requests = ["a", "a", "b"].map(|name| request("/feed", name)).to_vec();
    send(
        "1 a second for each account",
        accounts.layer(service_fn(server)),
        requests,
    )
    .await;

    // What a request costs is known from its answer.
    let tokens = Rule::new(Quota::rolling(4_000, MINUTE))
        .cost(|_| 1_000)
        .correct(|head| {
            head.headers()
                .get("x-tokens-used")?
                .to_str()
                .ok()?
                .parse()
                .ok()
        });
    let tokens = RateLayer::new(tokens).refuse();
    let client = tokens.layer(service_fn(server));
    send("4000 tokens a minute", client.clone(), many(2)).await;
    send("and the two have cost 3000", client, many(2)).await;

    // Orders go first, and polling cannot use the places that are kept for them.
    let orders = RateLayer::new(Quota::rolling(3, SECOND).reserve(1))
        .first_if(|head| head.uri().path() == "/orders");
    let mut requests = many(3);
    requests.push(request("/orders", "a"));
    send(
        "an order behind three polls",
        orders.layer(service_fn(server)),
        requests,
    )
    .await;

    // A steady pace, for servers with a small burst.
    let paced = RateLayer::new(Quota::rolling(100, MINUTE).and(Pace::every(SECOND)));
    send("one a second", paced.layer(service_fn(server)), many(3)).await;

    // A limit that the server states, and one that the program changes.
    let window = Window::new(Quota::rolling(1, SECOND).adopt_up_to(10));
    let layer = RateLayer::new(window.clone()).listen(Standard);
    send(
        "1 a second, until the server says more",
        layer.layer(service_fn(server)),
        many(3),
    )
    .await;
    window.set_limit(NonZeroU32::MIN);
    advance(MINUTE).await;
    println!("{:?}", window.snapshot());
}
