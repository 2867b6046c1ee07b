//! The layer, its own builder.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use call_context::{Class, Origin, Routes};
use http::header::HeaderName;
use tower_layer::Layer;

use crate::counters::Tally;
use crate::renewals::Renewals;
use crate::settings::Settings;
use crate::{Budget, ClassSettings, Classify, Counters, Retry, clock};

/// A layer that repeats requests when that is safe and useful.
///
/// Belongs outermost: each replay passes all layers below, so that it waits for a token, is counted, and carries the
/// newest credential. Nothing between it and the server may follow redirects: a POST could be sent twice, [as explained
/// there](crate#where-it-stands). Needs no routes; with them, classes can be told apart. Budget and counters live in the
/// layer, and all services that it or its clones make share them.
///
/// Defaults, and what is repeated when, are in the [crate's documentation](crate).
///
/// ```
/// use std::time::Duration;
/// use call_context::Origin;
/// use retry_layer::{Budget, RetryLayer};
///
/// let origin: Origin = "https://api.example.com".parse()?;
/// let retry = RetryLayer::new()
///     .attempts(4)
///     .base(Duration::from_millis(100))
///     .deadline(Duration::from_secs(30))
///     .budget(Budget::new(20).per_success(0.1))
///     .keys_honoured_by([origin]);
/// # let _ = retry;
/// # Ok::<(), call_context::OriginError>(())
/// ```
#[derive(Clone)]
pub struct RetryLayer {
    shared: Arc<Shared>,
}

/// What all services of a layer have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) budget: Budget,
    pub(crate) state: Arc<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tally: Tally,
    pub(crate) renewals: Renewals,
    /// Whether the log has been told that the layer is stacked.
    pub(crate) stacked: AtomicBool,
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryLayer {
    /// A layer with the defaults.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                settings: Settings::default(),
                budget: Budget::default(),
                state: Arc::default(),
            }),
        }
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut Arc::make_mut(&mut self.shared).settings);
        self
    }

    /// How often a request is sent at most, the first time included.
    ///
    /// With 1 (and 0) nothing is repeated, not even after a 401, and without a [deadline](Self::deadline) of its own, or a
    /// [class](Self::class) with more to do, the layer does nothing at all.
    ///
    /// You do not need this to keep a trade from happening twice: a POST without an honoured key is repeated only on proof that
    /// the server did not process it.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        self.with(|settings| settings.attempts = attempts)
    }

    /// The longest pause before the first retry; it doubles with each further one.
    #[must_use]
    pub fn base(self, base: Duration) -> Self {
        self.with(|settings| settings.backoff.base = base)
    }

    /// The longest pause before the first retry of a request that was throttled; it doubles with each further one.
    #[must_use]
    pub fn throttle_base(self, base: Duration) -> Self {
        self.with(|settings| settings.backoff.throttle_base = base)
    }

    /// What the pause grows to at most. A `Retry-After` may ask for more.
    #[must_use]
    pub fn max_delay(self, longest: Duration) -> Self {
        self.with(|settings| settings.backoff.max_delay = longest)
    }

    /// The longest `Retry-After` that is waited for. A response that asks for more is returned at once.
    #[must_use]
    pub fn longest_retry_after(self, longest: Duration) -> Self {
        self.with(|settings| settings.longest_retry_after = longest)
    }

    /// Ends each call after `deadline`, over all attempts, queues and pauses.
    ///
    /// It runs from the moment in which the service is called. What a caller waits before that for a service below that is not
    /// ready is the caller's own time: bound it where services below are ready late (a concurrency limit, a buffer).
    ///
    /// The earlier of this one and the deadline in the call's [`CallContext`](call_context::CallContext) counts, and the
    /// layers below read it there. An attempt that is under way by then is abandoned, and the call ends with an [earlier
    /// response](crate#what-is-returned) or with [`DeadlineExceeded`](crate::DeadlineExceeded); a pause that would not end
    /// before it is not begun. That of a layer [below another one](crate#other-layers-that-retry) counts too.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|settings| settings.deadline = Some(deadline))
    }

    /// Takes retries out of `budget`, which other layers may share.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        Arc::make_mut(&mut self.shared).budget = budget;
        self
    }

    /// Classifies requests with `routes`, and notes the class in the call's context.
    ///
    /// Without routes, the class is the one that is in the context already. A path that no two programs read alike has
    /// no class here; refusing it is the business of the layer that holds the credentials.
    #[must_use]
    pub fn routes(self, routes: impl Into<Arc<Routes>>) -> Self {
        self.with(|settings| settings.routes = Some(routes.into()))
    }

    /// Gives requests of `class` settings of their own, wherever they say something; elsewhere the layer's hold.
    ///
    /// Said twice of one class, the later one counts where both say something. The order of this and the layer's own setters
    /// does not matter.
    #[must_use]
    pub fn class(self, class: impl Into<Class>, own: ClassSettings) -> Self {
        self.with(|settings| settings.add_class(class.into(), own))
    }

    /// Declares that requests of `class` may be repeated, whatever their method and whatever became of them.
    ///
    /// Short for [`class`](Self::class) with [`ClassSettings::idempotent`].
    #[must_use]
    pub fn idempotent_class(self, class: impl Into<Class>) -> Self {
        self.class(class, ClassSettings::new().idempotent())
    }

    /// The request header that carries an idempotency key.
    ///
    /// Where nothing is said, it is the one in which an [`IdempotencyKeyLayer`](crate::IdempotencyKeyLayer) above has left the call's key, and
    /// `idempotency-key` where there is no such layer. Where something else is said than that layer does, calls that could
    /// be repeated for their key are refused with [`IdempotencyHeaderMismatch`](crate::IdempotencyHeaderMismatch).
    ///
    /// The key is never made or changed here: all attempts carry the caller's. It makes a request repeatable only where
    /// the server is [known to honour it](Self::keys_honoured_by), and only if it has a character at all.
    #[must_use]
    pub fn idempotency_header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.idempotency_header = Some(name))
    }

    /// The header that [`idempotency_header`](Self::idempotency_header) has named; `None` where nothing was said.
    pub fn idempotency_header_name(&self) -> Option<&HeaderName> {
        self.shared.settings.idempotency_header.as_ref()
    }

    /// Declares that the servers at `origins` execute all requests with one idempotency key once.
    ///
    /// Holds for every route there, unless [`keyed_class`](Self::keyed_class) names those that honour keys.
    #[must_use]
    pub fn keys_honoured_by(self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.with(|settings| settings.keys_honoured_by.extend(origins))
    }

    /// Declares that keys are honoured on routes of `class`, and of the other classes named so, alone.
    ///
    /// Few servers honour keys everywhere. The origin must be [named](Self::keys_honoured_by) as well.
    ///
    /// Short for [`class`](Self::class) with [`ClassSettings::keyed`].
    #[must_use]
    pub fn keyed_class(self, class: impl Into<Class>) -> Self {
        self.class(class, ClassSettings::new().keyed())
    }

    /// Believes REFUSED_STREAM and GOAWAY of the servers at `origins`: requests refused so were not processed.
    ///
    /// Only for servers known to keep RFC 9113: a common proxy sends REFUSED_STREAM after its backend has executed the request.
    #[must_use]
    pub fn trust_refusals(self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.with(|settings| settings.refusals_trusted.extend(origins))
    }

    /// Lets `classifier` name what happened, instead of [`StatusClassifier`](crate::StatusClassifier).
    #[must_use]
    pub fn classifier(self, classifier: impl Classify) -> Self {
        self.with(|settings| settings.classifier = Arc::new(classifier))
    }

    /// The classes that [`class`](Self::class), [`idempotent_class`](Self::idempotent_class) and
    /// [`keyed_class`](Self::keyed_class) have named, each once.
    ///
    /// ```
    /// use retry_layer::RetryLayer;
    ///
    /// let retry = RetryLayer::new().idempotent_class("read").keyed_class("execute");
    /// assert!(retry.classes().map(|class| class.as_str()).eq(["read", "execute"]));
    /// ```
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.shared.settings.classes()
    }

    /// The classes that [`idempotent_class`](Self::idempotent_class) or [`ClassSettings::idempotent`] has named.
    pub fn idempotent_classes(&self) -> impl Iterator<Item = &Class> {
        self.shared.settings.classes_where(|own| own.idempotent)
    }

    /// The classes that [`keyed_class`](Self::keyed_class) or [`ClassSettings::keyed`] has named.
    ///
    /// ```
    /// use retry_layer::RetryLayer;
    ///
    /// let retry = RetryLayer::new().idempotent_class("read").keyed_class("execute");
    /// assert!(retry.idempotent_classes().map(|class| class.as_str()).eq(["read"]));
    /// assert!(retry.keyed_classes().map(|class| class.as_str()).eq(["execute"]));
    /// ```
    pub fn keyed_classes(&self) -> impl Iterator<Item = &Class> {
        self.shared.settings.classes_where(|own| own.keyed)
    }

    /// The origins that [`keys_honoured_by`](Self::keys_honoured_by) has named.
    pub fn key_origins(&self) -> impl Iterator<Item = &Origin> {
        self.shared.settings.keys_honoured_by.iter()
    }

    /// Whether the layer repeats requests, of some class at least: whether there is more than one [attempt](Self::attempts).
    ///
    /// ```
    /// use retry_layer::{ClassSettings, RetryLayer};
    ///
    /// let off = RetryLayer::new().attempts(1);
    /// assert!(!off.repeats());
    /// assert!(off.class("read", ClassSettings::new().attempts(3)).repeats());
    /// ```
    pub fn repeats(&self) -> bool {
        self.shared.settings.repeats()
    }

    /// Whether the layer repeats requests of `class`: whether there is more than one attempt for [that class](Self::class).
    ///
    /// ```
    /// use retry_layer::{ClassSettings, RetryLayer};
    ///
    /// let retry = RetryLayer::new().class("poll", ClassSettings::new().attempts(1));
    /// assert!(!retry.repeats_class(&"poll".into()));
    /// assert!(retry.repeats_class(&"read".into()));
    /// ```
    pub fn repeats_class(&self, class: &Class) -> bool {
        let settings = &self.shared.settings;
        settings.terms(settings.find(class)).attempts() > 1
    }

    /// How many retries the budget holds now, or the part of it that the origins share where it is kept [by
    /// origin](Budget::per_origin).
    pub fn balance(&self) -> f64 {
        self.shared.budget.balance(clock::now())
    }

    /// How many retries the budget holds now for requests to `origin`.
    pub fn balance_for(&self, origin: &Origin) -> f64 {
        self.shared.budget.balance_for(origin, clock::now())
    }

    /// What the layer has done so far: a copy of a dozen numbers, without a lock.
    pub fn counters(&self) -> Counters {
        self.shared.state.tally.snapshot()
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("attempts", &self.shared.settings.attempts)
            .field("backoff", &self.shared.settings.backoff)
            .field("deadline", &self.shared.settings.deadline)
            .field("budget", &self.shared.budget)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
