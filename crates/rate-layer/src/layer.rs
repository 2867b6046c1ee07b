//! The layer, which is its own builder.

use std::sync::Arc;
use std::time::Duration;

use call_context::SlotName;
use tower_layer::Layer;

use crate::limits::Limit;
use crate::service::RateLimit;
use crate::settings::{Classifier, Settings, Waiting};
use crate::throttle::{ResponseHead, Throttle};
use crate::window::Window;

/// Keeps the requests of the services that it wraps within the server's limit.
///
/// Its place in a stack is below the gate that waits for a token and above what puts the credential on: so nothing waits
/// for a token while it holds a place, every attempt of a retry above is counted, and no credential grows stale in the
/// queue. What can be seen of a wrong order is refused: here, a request that carries its credential already
/// ([`WrongOrder`](crate::RateErrorKind::WrongOrder)); by the layers that do not belong below, one that has passed this layer,
/// limited or not ([`Guard::Rate`](call_context::Guard::Rate)). It belongs above `Balance`, whose readiness it would hide. What it wraps must not repeat or redirect requests.
///
/// | setting | default |
/// | --- | --- |
/// | [`max_wait`](Self::max_wait) | a little more than twice the window |
/// | [`queue`](Self::queue) | 1024 |
/// | [`ready_within`](Self::ready_within) | 30 s |
/// | [`answer_within`](Self::answer_within) | 5 min |
/// | [`longest_pause`](Self::longest_pause) | 60 s |
/// | [`classifier`](Self::classifier) | [`Throttle::by_status`] |
///
/// ```
/// use std::time::Duration;
/// use rate_layer::{Limit, MINUTE, Quota, RateLayer, SECOND, Window};
///
/// // One limit for everything.
/// let simple = RateLayer::new(Quota::rolling(100, MINUTE));
///
/// // By the slot that the credential comes from. What is not named is refused.
/// let window = Window::new(Quota::rolling(100, MINUTE));
/// let by_slot = RateLayer::by_slot()
///     .slot("business", window.clone())
///     .slot("connect", window)
///     .unlimited("wallet")
///     .without_slot(Limit::Unlimited)
///     .max_wait(10 * SECOND);
/// # let _ = (simple, by_slot);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RateLayer {
    settings: Arc<Settings>,
}

impl RateLayer {
    /// Counts all requests in one window.
    pub fn new(window: impl Into<Window>) -> Self {
        Self::with(Limit::Window(window.into()))
    }

    /// Counts requests in the window of their slot, which a gate above has noted in the
    /// [`CallContext`](call_context::CallContext).
    ///
    /// What no setting speaks of is turned away: a request that nobody counts could spoil everyone's limit.
    pub fn by_slot() -> Self {
        Self::with(Limit::Refused)
    }

    fn with(otherwise: Limit) -> Self {
        Self {
            settings: Arc::new(Settings::new(otherwise)),
        }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// Sets what holds for the requests of `slot`; usually a [`Window`], which other slots may share.
    pub fn slot(self, slot: impl Into<SlotName>, limit: impl Into<Limit>) -> Self {
        self.set(|settings| settings.limits.name(slot.into(), limit.into()))
    }

    /// Lets the requests of `slot` pass uncounted.
    pub fn unlimited(self, slot: impl Into<SlotName>) -> Self {
        self.slot(slot, Limit::Unlimited)
    }

    /// What holds for the requests of `slot`; with `None`, for those without one.
    pub fn limit_of(&self, slot: Option<&SlotName>) -> &Limit {
        self.settings.limits.of(slot)
    }

    /// The slots that [`slot`](Self::slot) and [`unlimited`](Self::unlimited) have named.
    pub fn slots(&self) -> impl Iterator<Item = &SlotName> {
        self.settings.limits.named()
    }

    /// Sets what holds for slots that are not named.
    pub fn otherwise(self, limit: impl Into<Limit>) -> Self {
        self.set(|settings| settings.limits.otherwise(limit.into()))
    }

    /// Sets what holds for requests that have no slot; without it, the same as [`otherwise`](Self::otherwise).
    pub fn without_slot(self, limit: impl Into<Limit>) -> Self {
        self.set(|settings| settings.limits.without_slot(limit.into()))
    }

    /// Lets a request wait no longer than this for a place.
    ///
    /// By default twice the time for which a place is taken ([`Quota::hold`](crate::Quota::hold)), and a tenth of the window for the
    /// answers in between: so the third full window of a burst is still served.
    ///
    /// The call's own deadline, in its [`CallContext`](call_context::CallContext), holds besides. A request that can not
    /// have a place in time fails at once. Where a place is free at once nobody looks at the deadline here: what is late already
    /// is for the layer that set it to refuse, as `retry-layer` does.
    pub fn max_wait(self, longest: Duration) -> Self {
        self.set(|settings| settings.waiting = Waiting::AtMost(longest))
    }

    /// Never waits: a request that finds no place fails with the wait that it would have needed.
    pub fn refuse(self) -> Self {
        self.set(|settings| settings.waiting = Waiting::Never)
    }

    /// Lets no more than `longest` requests wait for one window.
    pub fn queue(self, longest: usize) -> Self {
        self.set(|settings| settings.queue = longest)
    }

    /// Waits no longer than this for the service below to be ready, once a place is held; then the place goes back.
    ///
    /// The timeout is the response future's own: one that is neither polled nor dropped meanwhile keeps its place.
    ///
    /// Nor past the call's deadline.
    pub fn ready_within(self, longest: Duration) -> Self {
        self.set(|settings| settings.ready_within = longest)
    }

    /// Waits no longer than this for the response headers; then the request is abandoned.
    ///
    /// Counted from departure, not from the queue: so it is also the timeout of an attempt. Without it, answers that never
    /// come would hold their places for ever. It holds for unlimited requests as well.
    ///
    /// The timeout is the response future's own, so that future must be polled or dropped: one that has departed and then lies
    /// forgotten keeps its place, since nobody can say whether the server has counted it. Where that can happen, state
    /// [`Quota::counted_within`](crate::Quota::counted_within).
    pub fn answer_within(self, longest: Duration) -> Self {
        self.set(|settings| settings.answer_within = longest)
    }

    /// Believes no `Retry-After` that is longer than this.
    pub fn longest_pause(self, longest: Duration) -> Self {
        self.set(|settings| settings.longest_pause = longest)
    }

    /// Judges responses by `classifier`: whether they say that the limit of the request's window is exceeded.
    ///
    /// ```
    /// use http::StatusCode;
    /// use rate_layer::{MINUTE, Quota, RateLayer, Throttle};
    ///
    /// let layer = RateLayer::new(Quota::rolling(100, MINUTE)).classifier(|head| {
    ///     // This server says 503 when it means 429.
    ///     if head.status() == StatusCode::SERVICE_UNAVAILABLE {
    ///         Throttle::Ours { retry_after: head.retry_after() }
    ///     } else {
    ///         Throttle::by_status(head)
    ///     }
    /// });
    /// # let _ = layer;
    /// ```
    pub fn classifier(
        self,
        classifier: impl Fn(&ResponseHead<'_>) -> Throttle + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.classifier = Classifier(Arc::new(classifier)))
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::new(inner, Arc::clone(&self.settings))
    }
}
