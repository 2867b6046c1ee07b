//! A request passes through the layer, and is answered at once.

use std::hint::black_box;
use std::pin::pin;

use benches::Harness;
use benches::calls::{self, Body};
use benches::retries::{self, Caller};
use http::Request;
use reqwest_middleware::ClientWithMiddleware;
use tower::ServiceExt;

pub(crate) fn measure(harness: &mut impl Harness) {
    tower(harness, "get_empty", calls::get_empty);
    reqwest(harness, "get_empty", calls::get_empty);
    tower(harness, "post_1k", calls::post_1k);
    reqwest(harness, "post_1k", calls::post_1k);
}

fn tower(harness: &mut impl Harness, group: &str, make: fn() -> Request<Body>) {
    let mut through = Through {
        harness,
        group,
        make,
    };
    through.layer("bare", retries::bare());
    through.layer("tollgate", retries::tollgate());
    through.layer("tollgate_off", retries::tollgate_off());
    through.layer("tower_retry_clone", retries::tower_retry_clone());
    through.layer("tower_retry_no_clone", retries::tower_retry_no_clone());
    through.layer("tower_resilience", retries::tower_resilience());
}

fn reqwest(harness: &mut impl Harness, group: &str, make: fn() -> Request<reqwest::Body>) {
    let make = || reqwest::Request::try_from(make()).expect("a request of reqwest's");
    let mut through = Through {
        harness,
        group,
        make,
    };
    through.middleware("reqwest_bare", &retries::reqwest_bare());
    through.middleware("reqwest_retry", &retries::reqwest_retry());
}

struct Through<'a, H, M> {
    harness: &'a mut H,
    group: &'a str,
    make: M,
}

impl<H: Harness, M: Fn() -> Request<Body>> Through<'_, H, M> {
    fn layer(&mut self, function: &str, mut client: impl Caller) {
        let send = async |request| {
            let ready = client.ready().await;
            let ready = ready.unwrap_or_else(|_| panic!("not ready"));
            // Pinned where it is made, as a box would be: an `.await` by itself moves a future about.
            let outcome = pin!(ready.call(request)).await;
            let _ = black_box(outcome.unwrap_or_else(|_| panic!("no answer")));
        };
        self.harness.call(self.group, function, &self.make, send);
    }
}

impl<H: Harness, M: Fn() -> reqwest::Request> Through<'_, H, M> {
    fn middleware(&mut self, function: &str, client: &ClientWithMiddleware) {
        let send = async |request| {
            black_box(client.execute(request).await.expect("an answer"));
        };
        self.harness.call(self.group, function, &self.make, send);
    }
}
