//! A request passes through the layer, and is answered at once.

use std::hint::black_box;
use std::pin::pin;

use benches::Harness;
use benches::calls::{self, Body};
use benches::credentials::{self, Wallet};
use benches::retries::Caller;
use call_context::CallContext;
use http::Request;
use tower::ServiceExt;

pub(crate) fn measure(harness: &mut impl Harness) {
    let mut through = Through(harness, "static_key", calls::get_empty);
    through.layer("bare", credentials::bare());
    through.layer("context_alone", credentials::context_alone());
    through.layer("tollgate", credentials::static_key());
    through.layer("attach_only", credentials::attach_key());
    through.layer("add_authorization", credentials::add_authorization());
    through.layer("lock_and_format", credentials::lock_and_format());

    let wallet = made(Wallet::fresh());
    let mut through = Through(harness, "fresh_token", calls::get_empty);
    through.layer("bare", credentials::bare());
    through.layer("tollgate", wallet.client());
    through.layer("attach_only", wallet.attached());
    through.layer("add_authorization", credentials::add_authorization());
    through.layer("lock_and_format", credentials::lock_and_format());

    let mut through = Through(harness, "within_a_stack", with_context);
    through.layer("bare", credentials::bare());
    through.layer("tollgate", wallet.client());
    through.layer("attach_only", wallet.attached());
    through.layer("add_authorization", credentials::add_authorization());
    through.layer("lock_and_format", credentials::lock_and_format());

    let wallet = made(Wallet::ageing());
    let mut through = Through(harness, "soft_window", calls::get_empty);
    through.layer("fresh", wallet.client());
    wallet.age();
    through.layer("soft", wallet.client());
}

/// As the layers further out leave a request: its context is there.
fn with_context() -> Request<Body> {
    let mut request = calls::get_empty();
    CallContext::of(request.extensions_mut());
    request
}

/// Its fetch has ended before the runtime goes; what is due finds no runtime that could renew it where there is none.
pub(crate) fn made(wallet: impl Future<Output = Wallet>) -> Wallet {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(wallet)
}

struct Through<'a, H>(&'a mut H, &'a str, fn() -> Request<Body>);

impl<H: Harness> Through<'_, H> {
    fn layer(&mut self, function: &str, mut client: impl Caller) {
        let send = async |request| {
            let ready = client.ready().await;
            let ready = ready.unwrap_or_else(|_| panic!("not ready"));
            // Pinned where it is made, as a box would be: an `.await` by itself moves a future about.
            let outcome = pin!(ready.call(request)).await;
            let _ = black_box(outcome.unwrap_or_else(|_| panic!("no answer")));
        };
        self.0.call(self.1, function, self.2, send);
    }
}
