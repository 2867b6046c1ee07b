//! The layer, which is its own builder.

use std::sync::Arc;
use std::time::Duration;

use call_context::{Class, SlotName};
use tower_layer::Layer;

use crate::detach::DetachedRateLayer;
use crate::head::RequestHead;
use crate::limits::Limit;
use crate::rule::Rule;
use crate::server::Dialect;
use crate::service::RateLimit;
use crate::settings::{Settings, Waiting};
use crate::throttle::{ResponseHead, Throttle};

/// Keeps the requests of the services that it wraps within the server's limit.
///
/// Its place in a stack is below the gate that waits for a token and above what puts the credential on: so nothing waits
/// for a token while it holds a place, every attempt of a retry above is counted, and no credential grows stale in the
/// line. What can be seen of a wrong order is refused: here, a request that a layer of Tollgate has put its credential on already
/// ([`WrongOrder`](crate::RateErrorKind::WrongOrder)); by the layers that do not belong below, one that has passed this layer,
/// limited or not ([`Guard::Rate`](call_context::Guard::Rate)). What it wraps must not repeat or redirect requests.
///
/// What contradicts itself is refused where it is said; and where something has been left unsaid, such as the dialect of a server
/// whose stated limits are to be [adopted](crate::Quota::adopt_up_to), the layer panics when it is to wrap a service, and says
/// what to add.
///
/// A clone keeps to the same windows, and may be told something else: how long its requests wait, say.
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
///
/// # Beside Tower's own layers
///
/// | layer | outside of this one | inside |
/// | --- | --- | --- |
/// | `ConcurrencyLimit` | its permit is held while a request waits for a place | permits are waited for with the place in hand, for as long as [`ready_within`](Self::ready_within) says |
/// | `Buffer` | fine | what is in the buffer has departed: giving up there costs a place for the window and the grace |
/// | `LoadShed` | sheds nothing, since this layer is always ready: use [`refuse`](Self::refuse) | what it sheds looks as if it had departed, unless its error is marked [`NeverLeft`](call_context::NeverLeft) in between |
/// | `Timeout` | also counts the time in line | a request that it ends is abandoned; [`answer_within`](Self::answer_within) does the same |
/// | `Balance` | would see every endpoint as ready: a limit for each endpoint belongs inside with care | right: wrapped in a `Buffer`, since it is not `Clone`, which hides from `ready_within` that no endpoint is ready |
/// | `Retry` | right: each attempt is counted | wrong: attempts that nobody counts |
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RateLayer {
    settings: Arc<Settings>,
}

impl RateLayer {
    /// Counts all requests in one window; or, with [`Keyed`](crate::Keyed), in the window of their key.
    ///
    /// A [`Rule`] says more: what a request costs, and what is to be read in responses.
    ///
    /// # Panics
    ///
    /// Where windows do not share a lock that one request may need together, or two rules count in one; see
    /// [`also`](Self::also).
    pub fn new(limit: impl Into<Rule>) -> Self {
        Self {
            settings: Arc::new(Settings::new(limit.into())),
        }
    }

    /// Counts requests in the window of their slot, which a gate above has noted in the
    /// [`CallContext`](call_context::CallContext).
    ///
    /// What no setting speaks of is turned away: a request that nobody counts could spoil everyone's limit.
    pub fn by_slot() -> Self {
        Self::new(Limit::Refused)
    }

    /// Holds requests to `rule` as well: each takes places by all rules, or waits until it can.
    ///
    /// All or none: nobody holds a place while it waits for another one. A request that is kept waiting by one limit is passed over
    /// by others that need only the rest; once it has been passed over there before, no more.
    ///
    /// ```
    /// use http::HeaderName;
    /// use rate_layer::{Keyed, MINUTE, Quota, RateLayer, SECOND, key};
    ///
    /// // 10 a second for the whole program, and 100 a minute for each account.
    /// let by_account = key::header(HeaderName::from_static("x-account"));
    /// let layer = RateLayer::new(Quota::rolling(10, SECOND))
    ///     .also(Keyed::new(Quota::rolling(100, MINUTE), by_account));
    /// # let _ = layer;
    /// ```
    ///
    /// Handles to the windows that a layer makes itself are found by [`limits_of`](Self::limits_of):
    ///
    /// ```
    /// use http::HeaderName;
    /// use rate_layer::{Keyed, Limit, MINUTE, Quota, RateLayer, Rule, key};
    ///
    /// // Requests and tokens, each by account.
    /// let by_account = || key::header(HeaderName::from_static("x-account"));
    /// let layer = RateLayer::new(Keyed::new(Quota::rolling(60, MINUTE), by_account())).also(
    ///     Rule::new(Keyed::new(Quota::rolling(10_000, MINUTE), by_account()))
    ///         .cost(|_| 500)
    ///         .charged_later(),
    /// );
    /// let windows = layer.limits_of(None).filter_map(|limit| match limit {
    ///     Limit::Keyed(keyed) => keyed.windows(),
    ///     _ => None,
    /// });
    /// assert_eq!(windows.count(), 2);
    /// ```
    ///
    /// Rules that go by the same [`Windows`](crate::Windows) count one request for the sum of what they say, where their keys are the same.
    ///
    /// # Panics
    ///
    /// Where the windows do not share a lock, which taking several at once needs: give quotas, of which the layer makes windows
    /// itself, or make the windows by [`Window::beside`](crate::Window::beside). Where two rules have the same
    /// [`Window`](crate::Window), which would count each request twice. Also where there are more than eight rules.
    pub fn also(self, rule: impl Into<Rule>) -> Self {
        self.set(|settings| settings.add(rule.into()))
    }

    /// Counts a request for as many places as `cost` says, by the layer's own rule, the first, wherever this is said; see
    /// [`Rule::cost`].
    pub fn cost(self, cost: impl Fn(&RequestHead<'_>) -> u32 + Send + Sync + 'static) -> Self {
        self.own(|rule| rule.cost(cost))
    }

    /// Sets the cost right by what a response says, by the layer's own rule; see [`Rule::correct`].
    pub fn correct(
        self,
        correct: impl Fn(&ResponseHead<'_>) -> Option<u32> + Send + Sync + 'static,
    ) -> Self {
        self.own(|rule| rule.correct(correct))
    }

    /// Puts a [`Charge`](crate::Charge) into the extensions of each response; see [`Rule::charged_later`].
    pub fn charged_later(self) -> Self {
        self.own(Rule::charged_later)
    }

    /// Reads in responses what the server says of the layer's own limit, the first; see [`Rule::listen`].
    pub fn listen(self, dialect: impl Dialect + 'static) -> Self {
        self.own(|rule| rule.listen(dialect))
    }

    /// Lets requests of `class` go first: before all others that wait, in their own order.
    ///
    /// What a window [reserves](crate::Quota::reserve) is for them alone. A saturating stream of others delays them by one freed place at
    /// the most; and they do not starve the others, who get the next place that frees whenever they hold none.
    ///
    /// ```
    /// use rate_layer::{MINUTE, Quota, RateLayer};
    ///
    /// // Polling uses 80 of 100 places; orders all of them, and they overtake.
    /// let layer = RateLayer::new(Quota::rolling(100, MINUTE).reserve(20)).first("order");
    /// # let _ = layer;
    /// ```
    ///
    /// The class is that of the call's [context](call_context::CallContext), which a gate or a retry layer with routes notes there.
    /// Where there is neither, no request has one and nothing goes first: use [`first_if`](Self::first_if), or set the
    /// class by `CallContext::of(request.extensions_mut()).set_class(Some("order".into()))`.
    pub fn first(self, class: impl Into<Class>) -> Self {
        self.set(|settings| settings.first.push(class.into()))
    }

    /// The classes that [`first`](Self::first) has named.
    ///
    /// ```
    /// use rate_layer::{MINUTE, Quota, RateLayer};
    ///
    /// let layer = RateLayer::new(Quota::rolling(100, MINUTE).reserve(20)).first("order");
    /// assert!(layer.first_classes().map(|class| class.as_str()).eq(["order"]));
    /// ```
    pub fn first_classes(&self) -> impl Iterator<Item = &Class> {
        self.settings.first.iter()
    }

    /// Lets requests go first for which `choose` says so, besides those of the classes that [`first`](Self::first) names.
    ///
    /// ```
    /// use rate_layer::{MINUTE, Quota, RateLayer};
    ///
    /// let layer = RateLayer::new(Quota::rolling(100, MINUTE).reserve(20))
    ///     .first_if(|head| head.uri().path() == "/orders");
    /// # let _ = layer;
    /// ```
    pub fn first_if(
        self,
        choose: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.first_if = Some(Arc::new(choose)))
    }

    /// Lets calls finish behind callers that drop them.
    ///
    /// A dropped call has departed, and nobody knows when the server counts it: its place stays taken for the
    /// [grace](crate::Quota::grace). Detached, it goes on in a task of its own, and its place closes exactly when the answer
    /// comes. The answer itself is dropped. One that is dropped before it departs leaves nothing behind.
    ///
    /// To be said last. This needs a service whose futures can be sent to another thread and borrow nothing, and boxes each call.
    pub fn detach(self) -> DetachedRateLayer {
        DetachedRateLayer::new(self.settings)
    }

    fn own(self, change: impl FnOnce(Rule) -> Rule) -> Self {
        self.set(|settings| {
            let own = settings.rules[0].clone();
            settings.rules[0] = change(own);
        })
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        set(settings);
        settings.check();
        self
    }

    /// Sets what holds for the requests of `slot`; usually a [`Window`](crate::Window), which other slots may share.
    pub fn slot(self, slot: impl Into<SlotName>, limit: impl Into<Limit>) -> Self {
        self.set(|settings| {
            let limit = settings.made(limit.into());
            settings.rules[0].limits.name(slot.into(), limit);
        })
    }

    /// Lets the requests of `slot` pass uncounted.
    pub fn unlimited(self, slot: impl Into<SlotName>) -> Self {
        self.slot(slot, Limit::Unlimited)
    }

    /// What the layer has been told that cannot all hold, and what to say instead. Wrapping a service with it would panic.
    ///
    /// For whoever builds a client from settings, and would rather return an error.
    ///
    /// ```
    /// use rate_layer::{MINUTE, Quota, RateLayer, Standard};
    ///
    /// let layer = RateLayer::new(Quota::rolling(100, MINUTE).adopt_up_to(500));
    /// assert!(layer.contradiction().is_some_and(|text| text.contains(".listen(")));
    /// assert_eq!(layer.listen(Standard).contradiction(), None);
    /// ```
    pub fn contradiction(&self) -> Option<&'static str> {
        self.settings.contradiction()
    }

    /// What holds for the requests of `slot` by the layer's own rule; with `None`, for those without one.
    pub fn limit_of(&self, slot: Option<&SlotName>) -> &Limit {
        self.settings.rules[0].limits.of(slot)
    }

    /// What holds for the requests of `slot`, by each of the rules: the layer's own first, then those that were
    /// [added](Self::also).
    pub fn limits_of(&self, slot: Option<&SlotName>) -> impl Iterator<Item = &Limit> {
        let rules = self.settings.rules.iter();
        rules.map(move |rule| rule.limits.of(slot))
    }

    /// The slots that [`slot`](Self::slot) and [`unlimited`](Self::unlimited) have named.
    pub fn slots(&self) -> impl Iterator<Item = &SlotName> {
        self.settings.rules[0].limits.named()
    }

    /// Sets what holds for slots that are not named.
    pub fn otherwise(self, limit: impl Into<Limit>) -> Self {
        self.set(|settings| {
            let limit = settings.made(limit.into());
            settings.rules[0].limits.otherwise(limit);
        })
    }

    /// Sets what holds for requests that have no slot; without it, the same as [`otherwise`](Self::otherwise).
    pub fn without_slot(self, limit: impl Into<Limit>) -> Self {
        self.set(|settings| {
            let limit = settings.made(limit.into());
            settings.rules[0].limits.without_slot(limit);
        })
    }

    /// Lets a request wait no longer than this for a place.
    ///
    /// By default twice the time for which a place is taken ([`Quota::hold`](crate::Quota::hold)), and a tenth of the window for the
    /// answers in between: so the third full window of a burst is still served. By a [`Pace`](crate::Pace), twice the time in which a
    /// whole burst comes back, and a minute at the least. Of several limits, the longest counts.
    ///
    /// The call's own deadline, in its [`CallContext`](call_context::CallContext), holds besides. A request that can not
    /// have a place in time fails at once, as far as is known when it comes: what the server says later may have it wait in vain. Where a
    /// place is free at once nobody looks at the deadline here: what is late already
    /// is for the layer that set it to refuse, as `retry-layer` does.
    pub fn max_wait(self, longest: Duration) -> Self {
        self.set(|settings| settings.waiting = Waiting::AtMost(longest))
    }

    /// Never waits: a request that finds no place fails with the wait that it would have needed.
    ///
    /// Below a retry layer such a request is tried once more, after a short pause, unless that layer is told otherwise: nothing has left.
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
    ///
    /// # Panics
    ///
    /// If it is zero.
    pub fn answer_within(self, longest: Duration) -> Self {
        assert!(
            !longest.is_zero(),
            "an answer takes longer than 0: a request would be given up as soon as it has departed"
        );
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
        self.set(|settings| settings.classifier = Some(Arc::new(classifier)))
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.settings.expect_no_contradiction();
        RateLimit::new(inner, Arc::clone(&self.settings))
    }
}
