//! What a class of requests has to itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Classify;

/// What is different for one class of requests. What is left out stays as the layer has it.
///
/// ```
/// use std::time::Duration;
/// use retry_layer::{ClassSettings, RetryLayer};
///
/// let retry = RetryLayer::new()
///     .attempts(4)
///     .class("poll", ClassSettings::new().attempts(2))
///     .class("report", ClassSettings::new().idempotent().deadline(Duration::from_secs(120)));
/// # let _ = retry;
/// ```
#[derive(Clone, Default)]
pub struct ClassSettings {
    pub(crate) attempts: Option<u32>,
    pub(crate) base: Option<Duration>,
    pub(crate) throttle_base: Option<Duration>,
    pub(crate) max_delay: Option<Duration>,
    pub(crate) longest_retry_after: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) idempotent: bool,
    pub(crate) keyed: bool,
    pub(crate) classifier: Option<Arc<dyn Classify>>,
}

impl ClassSettings {
    /// Nothing is different yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a request is sent at most, the first time included.
    ///
    /// With 1 (and 0) no request of the class is repeated, not even after a 401, nor by another retry layer below.
    ///
    /// You do not need this to keep a trade from happening twice: a POST without an honoured key is repeated only on proof that
    /// the server did not process it. With 1 you also give up the replay after a 401 and after a failed connection.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The longest pause before the first retry; it doubles with each further one.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.base = Some(base);
        self
    }

    /// The longest pause before the first retry of a request that was throttled; it doubles with each further one.
    #[must_use]
    pub fn throttle_base(mut self, base: Duration) -> Self {
        self.throttle_base = Some(base);
        self
    }

    /// What the pause grows to at most.
    #[must_use]
    pub fn max_delay(mut self, longest: Duration) -> Self {
        self.max_delay = Some(longest);
        self
    }

    /// The longest `Retry-After` that is waited for.
    #[must_use]
    pub fn longest_retry_after(mut self, longest: Duration) -> Self {
        self.longest_retry_after = Some(longest);
        self
    }

    /// Ends each call after `deadline`, longer or shorter than the layer's own; the caller's own still counts as well.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Declares that requests of the class may be repeated, whatever their method and whatever became of them.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Declares that idempotency keys are honoured on the routes of this class, and of the others that say so, alone.
    ///
    /// The origin must be [named](crate::RetryLayer::keys_honoured_by) as well.
    #[must_use]
    pub fn keyed(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// Lets `classifier` name what happened to requests of the class.
    #[must_use]
    pub fn classifier(mut self, classifier: impl Classify) -> Self {
        self.classifier = Some(Arc::new(classifier));
        self
    }

    /// Adds what `later` says; it counts where both say something.
    pub(crate) fn merge(&mut self, later: Self) {
        self.attempts = later.attempts.or(self.attempts);
        self.base = later.base.or(self.base);
        self.throttle_base = later.throttle_base.or(self.throttle_base);
        self.max_delay = later.max_delay.or(self.max_delay);
        self.longest_retry_after = later.longest_retry_after.or(self.longest_retry_after);
        self.deadline = later.deadline.or(self.deadline);
        self.idempotent |= later.idempotent;
        self.keyed |= later.keyed;
        self.classifier = later.classifier.or(self.classifier.take());
    }
}

impl fmt::Debug for ClassSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassSettings")
            .field("attempts", &self.attempts)
            .field("base", &self.base)
            .field("throttle_base", &self.throttle_base)
            .field("max_delay", &self.max_delay)
            .field("longest_retry_after", &self.longest_retry_after)
            .field("deadline", &self.deadline)
            .field("idempotent", &self.idempotent)
            .field("keyed", &self.keyed)
            .finish_non_exhaustive()
    }
}
