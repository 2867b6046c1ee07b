//! The layers in the right order, as one layer.

mod build;
mod error;
mod keys;
mod reserve;

use auth_layer::{Attach, Auth, Gate};
use rate_layer::{RateLayer, RateLimit};
use retry_layer::{IdempotencyKey, IdempotencyKeyLayer, Retry, RetryLayer};
use tower::util::{Either, option_layer};
use tower_layer::Layer;

pub use self::build::StackBuilder;
pub use self::error::StackError;
use crate::{Peek, PeekLayer};

/// What a [`Stack`] makes of a service: retry → gate → rate → peek → attach → service, and above it the layer of
/// [idempotency keys](StackBuilder::idempotency_keys), where there is one.
pub type StackService<S> = Either<IdempotencyKey<Attempts<S>>, Attempts<S>>;

type Attempts<S> = Retry<Gate<RateLimit<Peek<Attach<S>>>>>;

/// The layers in the right order, as one layer.
///
/// State (tokens, windows, the retry budget) lives in the stack: all services that it or its clones make share it. The
/// service below must be `Clone`, take requests whose body can be [replayed](retry_layer::Replay) (a body that cannot is
/// sent once), and neither follow redirects nor repeat requests on its own.
///
/// For one key and one limit:
///
/// ```
/// use tollgate::{MINUTE, Quota, Stack};
///
/// let stack = Stack::new("https://api.example.com".parse()?)
///     .key("sk_live_1")
///     .limit(Quota::rolling(100, MINUTE))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With routes, several credentials and a limit on one of them:
///
/// ```
/// use http::Method;
/// use tollgate::auth::{Grant, Slot, source_fn};
/// use tollgate::{MINUTE, Quota, RateLayer, Route, Stack};
///
/// let stack = Stack::new("https://api.example.com".parse()?)
///     .slot(Slot::none("nothing"))
///     .slot(Slot::key("business", "sk_live_1"))
///     .slot(Slot::token("wallet", source_fn(|_| async { Ok(Grant::new("a.b.c").expires_in(900)) })))
///     .route(Route::new(Method::GET, "/capabilities", "public"))
///     .route(Route::new(Method::GET, "/feed", "read"))
///     .route(Route::new(Method::POST, "/execute/{*rest}", "execute"))
///     .class("public", "nothing")
///     .class("read", "business")
///     .class("execute", "wallet")
///     .rate(RateLayer::by_slot().slot("business", Quota::rolling(100, MINUTE)).unlimited("wallet").unlimited("nothing"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stack {
    auth: Auth,
    rate: RateLayer,
    peek: PeekLayer,
    retry: RetryLayer,
    keys: Option<IdempotencyKeyLayer>,
}

impl Stack {
    /// Begins a stack for the API at `origin`.
    #[expect(
        clippy::new_ret_no_self,
        reason = "the name that a newcomer looks for; a stack without a credential is none"
    )]
    pub fn new(origin: call_context::Origin) -> StackBuilder {
        StackBuilder::new(origin)
    }

    /// The credentials: handles on tokens, and counts.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The rate layer. A clone of it around another service shares its windows.
    pub fn rate(&self) -> &RateLayer {
        &self.rate
    }

    /// The peeking layer.
    pub fn peek(&self) -> &PeekLayer {
        &self.peek
    }

    /// The retry layer. A clone of it around another service shares its budget.
    pub fn retry(&self) -> &RetryLayer {
        &self.retry
    }
}

impl<S> Layer<S> for Stack {
    type Service = StackService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let attach = self.auth.attach().layer(inner);
        let rate = self.rate.layer(self.peek.layer(attach));
        let attempts = self.retry.layer(self.auth.gate().layer(rate));
        option_layer(self.keys.clone()).layer(attempts)
    }
}
