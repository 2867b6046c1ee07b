//! Each way to put a credential on a request, in front of a service that answers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use auth_layer::{Auth, Grant, GrantFuture, Slot, Source, source_fn};
use call_context::CallContext;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use tokio::sync::Mutex;
use tower::filter::{AsyncFilterLayer, AsyncPredicate};
use tower::util::MapRequestLayer;
use tower::{BoxError, Layer, service_fn};
use tower_http::auth::AddAuthorizationLayer;

use crate::calls::{Body, answer_call};
use crate::retries::Caller;

const ORIGIN: &str = "https://api.example.com";
const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI4YzFmIiwiZXhwIjoxNzk1ODAwMDAwfQ.c2lnbmF0dXJl";

/// A token of ours lives this long.
const LIFETIME: Duration = Duration::from_secs(10_000);
/// After this much of it, it is due for renewal and has not ended: a token is due 5 min before its end, less a quarter.
const DUE: Duration = Duration::from_secs(9_900);

/// No credential: what the others add to.
pub fn bare() -> impl Caller {
    service_fn(answer_call)
}

/// The one context that a layer of ours leaves on a request, and nothing else: no credential, no question.
pub fn context_alone() -> impl Caller {
    let noted = |mut request: Request<Body>| {
        CallContext::of(request.extensions_mut());
        request
    };
    MapRequestLayer::new(noted).layer(service_fn(answer_call))
}

/// Our gate and attacher, with a static key.
pub fn static_key() -> impl Caller {
    key().layer().layer(service_fn(answer_call))
}

/// Our attacher alone, with a static key.
pub fn attach_key() -> impl Caller {
    key().attach().layer(service_fn(answer_call))
}

fn key() -> Auth {
    auth(Slot::key("business", TOKEN))
}

fn auth(slot: Slot) -> Auth {
    let slot = slot.origin(ORIGIN.parse().expect("an origin"));
    Auth::single(slot).expect("a valid slot")
}

/// A slot of ours with a token.
pub struct Wallet {
    auth: Auth,
    /// Seconds by which the wall clock is ahead.
    ahead: Arc<AtomicU64>,
}

impl Wallet {
    /// A slot with a fresh token, and the clocks that everybody has.
    ///
    /// # Panics
    ///
    /// If the token does not come.
    pub async fn fresh() -> Self {
        Self::with(Slot::token("wallet", Once::default()), Arc::default()).await
    }

    /// A slot whose token is fresh, and can be [made to be due](Self::age). The first renewal never comes to an end.
    ///
    /// # Panics
    ///
    /// If the token does not come.
    pub async fn ageing() -> Self {
        let ahead = Arc::<AtomicU64>::default();
        let read = Arc::clone(&ahead);
        let slot = Slot::token("wallet", Once::default())
            .wall_clock(move || now() + Duration::from_secs(read.load(Ordering::Relaxed)))
            .fetch_timeout(Duration::from_secs(100_000));
        Self::with(slot, ahead).await
    }

    async fn with(slot: Slot, ahead: Arc<AtomicU64>) -> Self {
        let auth = auth(slot);
        let token = auth.token("wallet").expect("a renewing token");
        token.usable_token().await.expect("a token");
        Self { auth, ahead }
    }

    /// Makes the token of one that is [ageing](Self::ageing) due.
    pub fn age(&self) {
        self.ahead.store(DUE.as_secs(), Ordering::Relaxed);
    }

    /// Our gate and attacher.
    pub fn client(&self) -> impl Caller + use<> {
        self.auth.layer().layer(service_fn(answer_call))
    }

    /// Our attacher alone.
    pub fn attached(&self) -> impl Caller + use<> {
        self.auth.attach().layer(service_fn(answer_call))
    }
}

/// Gives one token, and then works for ever.
#[derive(Debug, Default)]
struct Once {
    asked: AtomicU64,
}

impl Source for Once {
    fn fetch(&self, _: auth_layer::Fetch) -> GrantFuture<'_> {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            0 => Box::pin(async { Ok(Grant::new(TOKEN).lifetime(LIFETIME)) }),
            _ => Box::pin(std::future::pending()),
        }
    }
}

/// A slot whose token takes `latency`, and how often it was asked for. `hand_over` is called when the token is there.
pub fn empty(
    latency: Duration,
    hand_over: impl Fn() + Copy + Send + Sync + 'static,
) -> (Auth, Arc<AtomicU64>) {
    let fetches = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&fetches);
    let source = source_fn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(latency).await;
            hand_over();
            Ok(Grant::new(TOKEN).lifetime(LIFETIME))
        }
    });
    (auth(Slot::token("wallet", source)), fetches)
}

/// `tower-http`'s layer: one value for all, and no questions asked.
pub fn add_authorization() -> impl Caller {
    AddAuthorizationLayer::bearer(TOKEN).layer(service_fn(answer_call))
}

/// As kube's client does it: a filter that locks what holds the token, looks at when it ends, and makes the header value anew.
pub fn lock_and_format() -> impl Caller {
    let held = Held {
        token: TOKEN.to_owned(),
        ends: now() + LIFETIME,
    };
    AsyncFilterLayer::new(Refreshable(Arc::new(Mutex::new(held)))).layer(service_fn(answer_call))
}

struct Held {
    token: String,
    ends: SystemTime,
}

#[derive(Clone)]
struct Refreshable(Arc<Mutex<Held>>);

impl AsyncPredicate<Request<Body>> for Refreshable {
    type Future = BoxFuture<'static, Result<Request<Body>, BoxError>>;
    type Request = Request<Body>;

    fn check(&mut self, mut request: Request<Body>) -> Self::Future {
        let held = Arc::clone(&self.0);
        Box::pin(async move {
            let held = held.lock().await;
            if now() + Duration::from_secs(10) >= held.ends {
                return Err("the token has ended".into());
            }
            let mut value = HeaderValue::try_from(format!("Bearer {}", held.token))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
            Ok(request)
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a client does for its token"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
