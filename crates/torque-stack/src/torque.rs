//! The builder.

use std::time::Duration;

use call_context::ClassOverride;
use tollgate::auth::{Secret, Slot, Source, SourceError, source_fn};
use tollgate::rate::{ResponseHead, Throttle, Window};
use tollgate::retry::{Classify, Exchange, RetryLayer, StatusClassifier, Verdict};
use tollgate::{BaseUrl, MINUTE, Quota, RateLayer, Stack, StackError};

use crate::code;
use crate::routes::{self, class};

/// Names of the slots.
pub mod slot {
    /// The business key.
    pub const BUSINESS: &str = "business";
    /// The Smart Wallet JWT.
    pub const WALLET: &str = "wallet";
    /// Connect's delegated JWT.
    pub const DELEGATED: &str = "delegated";
    /// No credential.
    pub const NOTHING: &str = "nothing";
}

/// Who may read `GET /read/portfolio`: Torque's own pages contradict each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Portfolio {
    /// The Smart Wallet JWT, as the table of surfaces says.
    #[default]
    WalletJwt,
    /// The business key, as the profile of data integrators says.
    BusinessKey,
}

/// Builds a [`Stack`] that knows Torque's routes, credentials and limit.
///
/// Requests that need a credential which was not given are refused, with an error in whose chain the setter is named.
///
/// ```
/// use torque_stack::{Torque, tollgate::auth::{Grant, source_fn}};
///
/// let stack = Torque::production()
///     .business_key("sk_live_1")
///     .wallet(source_fn(|_| async { Ok(Grant::new("header.claims.signature")) }))
///     .build()?;
/// # Ok::<(), torque_stack::tollgate::StackError>(())
/// ```
///
/// # What the limit rests on
///
/// 100 requests in a rolling minute for one business key. Calls with a wallet JWT are not counted; whether those with a
/// delegated JWT are is unknown, so they are not limited unless [`limit_delegated`](Self::limit_delegated) says so. The rest is in
/// [`Quota`]'s documentation.
///
/// # What is repeated
///
/// Reads; what never left; the creation of an end user; and a POST with an `Idempotency-Key` where Torque replays the first
/// answer: on `/execute/**` and its alias, on every channel. A key on any other route changes nothing.
#[derive(Debug)]
pub struct Torque {
    base: BaseUrl,
    business: Option<Slot>,
    wallet: Option<Slot>,
    delegated: Option<Slot>,
    portfolio: Portfolio,
    window: Window,
    delegated_counts: bool,
    retry: RetryLayer,
}

impl Torque {
    /// Torque at `base`, the URL that all routes begin with.
    pub fn new(base: BaseUrl) -> Self {
        Self {
            base,
            business: None,
            wallet: None,
            delegated: None,
            portfolio: Portfolio::default(),
            window: Quota::rolling(100, MINUTE).into(),
            delegated_counts: false,
            retry: RetryLayer::new(),
        }
    }

    /// Torque at `https://app.torque.fi/api/v1`.
    ///
    /// # Panics
    ///
    /// Never: the URL is a constant.
    pub fn production() -> Self {
        Self::new("https://app.torque.fi/api/v1".parse().expect("a base URL"))
    }

    /// Sends `key` where the business key belongs. Server side only.
    #[must_use]
    pub fn business_key(mut self, key: impl Into<Secret>) -> Self {
        self.business = Some(Slot::key(slot::BUSINESS, key));
        self
    }

    /// Sends tokens of `source` where the Smart Wallet JWT belongs.
    ///
    /// They come from Torque's own sign-in; their lifetime is not published, so a source that knows it should state it.
    #[must_use]
    pub fn wallet(mut self, source: impl Source) -> Self {
        self.wallet = Some(Slot::token(slot::WALLET, source));
        self
    }

    /// Sends tokens of `source` on requests that ask for the [delegated](Self::as_delegated) class.
    #[must_use]
    pub fn delegated(mut self, source: impl Source) -> Self {
        self.delegated = Some(Slot::token(slot::DELEGATED, source));
        self
    }

    /// Says which credential reads the portfolio.
    #[must_use]
    pub fn portfolio(mut self, portfolio: Portfolio) -> Self {
        self.portfolio = portfolio;
        self
    }

    /// Keeps the business key within `window` instead of 100 requests in a rolling minute.
    ///
    /// Two stacks that use one key must share one window.
    #[must_use]
    pub fn window(mut self, window: impl Into<Window>) -> Self {
        self.window = window.into();
        self
    }

    /// Counts requests with a delegated JWT in the business key's window too.
    #[must_use]
    pub fn limit_delegated(mut self) -> Self {
        self.delegated_counts = true;
        self
    }

    /// Starts from `retry` instead of the defaults.
    ///
    /// Torque's codes take the place of its classifier. The routes that honour idempotency keys, and the calls that are
    /// idempotent by themselves, are added to those that it names.
    #[must_use]
    pub fn retry(mut self, retry: RetryLayer) -> Self {
        self.retry = retry;
        self
    }

    /// The request extension that sends an execute request on the merchant channel, with the business key.
    pub fn as_merchant() -> ClassOverride {
        ClassOverride::new(class::MERCHANT)
    }

    /// The request extension that sends an execute request for a third party, with the delegated JWT.
    pub fn as_delegated() -> ClassOverride {
        ClassOverride::new(class::DELEGATED)
    }

    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// Where a key cannot stand in a header, or the base URL is plain http off this machine.
    pub fn build(self) -> Result<Stack, StackError> {
        let origin = self.base.origin().clone();
        let rate = self.rate();
        // Torque promises to replay the answer to a key on `POST /execute/**` alone.
        let retry = self
            .retry
            .classifier(verdict as fn(&Exchange<'_>) -> Verdict)
            .keys_honoured_by([origin.clone()])
            .keyed_class(class::EXECUTE)
            .keyed_class(class::MERCHANT)
            .keyed_class(class::DELEGATED)
            .idempotent_class(class::END_USERS);
        let mut stack = Stack::new(origin)
            .rate(rate)
            .retry(retry)
            .slot(Slot::none(slot::NOTHING))
            .slot(
                self.business
                    .unwrap_or_else(|| missing(slot::BUSINESS, "business_key")),
            )
            .slot(
                self.wallet
                    .unwrap_or_else(|| missing(slot::WALLET, "wallet")),
            )
            .slot(
                self.delegated
                    .unwrap_or_else(|| missing(slot::DELEGATED, "delegated")),
            );
        for route in routes::all(&self.base) {
            stack = stack.route(route);
        }
        for (class, slot) in classes(self.portfolio) {
            stack = stack.class(class, slot);
        }
        stack.build()
    }

    fn rate(&self) -> RateLayer {
        let by_slot = RateLayer::by_slot()
            .slot(slot::BUSINESS, self.window.clone())
            .unlimited(slot::WALLET)
            .unlimited(slot::NOTHING)
            .classifier(throttle as fn(&ResponseHead<'_>) -> Throttle);
        if self.delegated_counts {
            by_slot.slot(slot::DELEGATED, self.window.clone())
        } else {
            by_slot.unlimited(slot::DELEGATED)
        }
    }
}

/// Which slot each class takes.
fn classes(portfolio: Portfolio) -> [(&'static str, &'static str); 11] {
    let portfolio = match portfolio {
        Portfolio::WalletJwt => slot::WALLET,
        Portfolio::BusinessKey => slot::BUSINESS,
    };
    [
        (class::PUBLIC, slot::NOTHING),
        (class::READ, slot::BUSINESS),
        (class::PORTFOLIO, portfolio),
        (class::DECIDE, slot::BUSINESS),
        (class::EXECUTE, slot::WALLET),
        (class::MERCHANT, slot::BUSINESS),
        (class::DELEGATED, slot::DELEGATED),
        (class::WALLET_ACCOUNT, slot::WALLET),
        (class::BUSINESS_ACCOUNT, slot::BUSINESS),
        (class::CONNECT, slot::BUSINESS),
        (class::END_USERS, slot::BUSINESS),
    ]
}

/// A slot without a credential: requests that need it are refused, and the error says what to give.
fn missing(slot: &'static str, setter: &'static str) -> Slot {
    let source = source_fn(move |_| async move {
        let text = format!(
            "the stack was built without this credential: give one with `Torque::{setter}`"
        );
        Err(SourceError::permanent(text))
    });
    Slot::token(slot, source)
}

/// A cooldown is not the key's quota.
fn throttle(head: &ResponseHead<'_>) -> Throttle {
    match code::cooldown(head.extensions()) {
        Some(_) => Throttle::Foreign,
        None => Throttle::by_status(head),
    }
}

/// A cooldown says in its body how long it lasts.
fn verdict(exchange: &Exchange<'_>) -> Verdict {
    match exchange.extensions().and_then(code::cooldown) {
        Some(after) => Verdict::Throttled {
            after: after.max(Duration::from_millis(1)),
        },
        None => StatusClassifier.classify(exchange),
    }
}
