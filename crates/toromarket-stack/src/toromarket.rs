//! The builder, and the stack that it builds.

use call_context::Route;
use http::{HeaderName, HeaderValue, Method};
use tollgate::auth::{Secret, Slot, Source};
use tollgate::rate::{ResponseHead, Throttle, Window, XRateLimit};
use tollgate::retry::{Classify, Exchange, RetryLayer, StatusClassifier, Verdict};
use tollgate::{BaseUrl, MINUTE, Quota, RateLayer, Stack, StackError, StackService};
use tower_layer::Layer;

use crate::code;
use crate::session::{Session, SessionLayer};

/// Names of the classes.
pub mod class {
    /// The calls that give a token: no credential.
    pub const ACCOUNT: &str = "account";
    /// Routes declared as public: no credential.
    pub const PUBLIC: &str = "public";
    /// All other routes: the agent's credential.
    pub const AGENT: &str = "agent";
}

/// Names of the slots.
pub mod slot {
    /// The agent's token or API key.
    pub const AGENT: &str = "agent";
    /// No credential.
    pub const NOTHING: &str = "nothing";
}

/// The free tier's limit, and how far the server may raise it.
const LIMIT: Quota = Quota::rolling(10, MINUTE).adopt_up_to(100);

/// Builds a [`ToromarketStack`] that knows Toromarket's routes, credentials and limit.
///
/// ```
/// use toromarket_stack::Toromarket;
///
/// let stack = Toromarket::production()
///     .api_key("tm_1")
///     .client_name("my-bot/1.0")
///     .build()?;
/// # Ok::<(), toromarket_stack::tollgate::StackError>(())
/// ```
#[derive(Debug)]
pub struct Toromarket {
    base: BaseUrl,
    agent: Option<Slot>,
    public: Vec<Route>,
    window: Window,
    retry: RetryLayer,
    name: HeaderValue,
}

impl Toromarket {
    /// Toromarket at `base`, the URL that all routes begin with.
    pub fn new(base: BaseUrl) -> Self {
        Self {
            base,
            agent: None,
            public: Vec::new(),
            window: LIMIT.into(),
            retry: RetryLayer::new(),
            name: HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION"))),
        }
    }

    /// Toromarket at `https://api.toromarket.io/api/v1`.
    ///
    /// # Panics
    ///
    /// Never: the URL is a constant.
    pub fn production() -> Self {
        let base = "https://api.toromarket.io/api/v1".parse();
        Self::new(base.expect("a base URL"))
    }

    /// Sends tokens of `source` as `Authorization: Bearer`; usually a [`Login`](crate::Login).
    ///
    /// An old token stays valid when a new one is issued, so requests that are under way are not disturbed by a renewal.
    #[must_use]
    pub fn token(mut self, source: impl Source) -> Self {
        self.agent = Some(Slot::token(slot::AGENT, source));
        self
    }

    /// Sends `key` as `X-API-Key` instead of a token.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        let header = HeaderName::from_static("x-api-key");
        self.agent = Some(Slot::key(slot::AGENT, key).header(header));
        self
    }

    /// Sends `slot` as it is: for other timings than the defaults. Its name must be [`slot::AGENT`].
    #[must_use]
    pub fn slot(mut self, slot: Slot) -> Self {
        self.agent = Some(slot);
        self
    }

    /// Declares a route as public: it gets no credential, and is not counted in the agent's window.
    #[must_use]
    pub fn public(mut self, method: Method, pattern: &str) -> Self {
        self.public
            .push(self.base.route(method, pattern, class::PUBLIC));
        self
    }

    /// Keeps the agent within `window`.
    ///
    /// By default 10 requests in a rolling minute, the free tier's limit; and as soon as the agent is claimed or its tier changes,
    /// which the server states in `X-RateLimit-Limit`, up to the 100 of the next one. A window of your own adopts what the server
    /// states if its quota [says so](Quota::adopt_up_to).
    ///
    /// Two stacks that use one agent must share one window.
    #[must_use]
    pub fn window(mut self, window: impl Into<Window>) -> Self {
        self.window = window.into();
        self
    }

    /// Starts from `retry` instead of the defaults. Toromarket's codes are added to it.
    #[must_use]
    pub fn retry(mut self, retry: RetryLayer) -> Self {
        self.retry = retry;
        self
    }

    /// Names the client in `User-Agent` and `x-toromarket-client`.
    ///
    /// # Panics
    ///
    /// Where `name` holds anything but visible ASCII characters and blanks.
    #[must_use]
    pub fn client_name(mut self, name: &'static str) -> Self {
        self.name = HeaderValue::from_static(name);
        self
    }

    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// Where no credential was given or it cannot stand in a header, a public route is declared twice, or the base URL is
    /// plain http off this machine.
    pub fn build(self) -> Result<ToromarketStack, StackError> {
        let rate = RateLayer::by_slot()
            .slot(slot::AGENT, self.window)
            .unlimited(slot::NOTHING)
            .listen(XRateLimit::new())
            .classifier(throttle as fn(&ResponseHead<'_>) -> Throttle);
        let retry = self
            .retry
            .classifier(verdict as fn(&Exchange<'_>) -> Verdict);
        let mut stack = Stack::new(self.base.origin().clone())
            .rate(rate)
            .retry(retry)
            .slot(Slot::none(slot::NOTHING))
            .class(class::ACCOUNT, slot::NOTHING)
            .class(class::AGENT, slot::AGENT);
        if !self.public.is_empty() {
            stack = stack.class(class::PUBLIC, slot::NOTHING);
        }
        if let Some(agent) = self.agent {
            stack = stack.slot(agent);
        }
        for route in self.public {
            stack = stack.route(route);
        }
        for path in ["/agents/self-register", "/auth/login", "/auth/register"] {
            stack = stack.route(self.base.route(Method::POST, path, class::ACCOUNT));
        }
        for method in [
            Method::HEAD,
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            stack = stack.route(self.base.route(method, "/{*rest}", class::AGENT));
        }
        Ok(ToromarketStack {
            session: SessionLayer::new(self.name),
            stack: stack.build()?,
        })
    }
}

/// What [`Toromarket`] builds: a [`Stack`] below a layer that names the client.
#[derive(Clone, Debug)]
pub struct ToromarketStack {
    session: SessionLayer,
    stack: Stack,
}

impl ToromarketStack {
    /// The stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The layer that names the client.
    pub fn session(&self) -> &SessionLayer {
        &self.session
    }
}

impl<S> Layer<S> for ToromarketStack {
    type Service = Session<StackService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.session.layer(self.stack.layer(inner))
    }
}

/// Throttled registrations are not the agent's quota.
fn throttle(head: &ResponseHead<'_>) -> Throttle {
    if code::is_registration_throttle(head.status(), head.extensions()) {
        return Throttle::Foreign;
    }
    Throttle::by_status(head)
}

/// Throttled registrations are named for what they are. A POST without a key is not sent again for it all the same.
fn verdict(exchange: &Exchange<'_>) -> Verdict {
    if let (Some(status), Some(extensions)) = (exchange.status(), exchange.extensions())
        && code::is_registration_throttle(status, extensions)
    {
        return Verdict::THROTTLED;
    }
    StatusClassifier.classify(exchange)
}
