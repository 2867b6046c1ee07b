//! One limit of a layer, and how its requests are counted.

use std::fmt;
use std::sync::Arc;

use crate::head::RequestHead;
use crate::limits::{Limit, Limits};
use crate::server::Dialect;
use crate::throttle::ResponseHead;
use crate::window::Window;

type CostFn = dyn Fn(&RequestHead<'_>) -> u32 + Send + Sync;
type CorrectFn = dyn Fn(&ResponseHead<'_>) -> Option<u32> + Send + Sync;

/// One limit of a [`RateLayer`](crate::RateLayer), and how its requests are counted.
///
/// For limits beside the layer's own, each of which may count something else:
///
/// ```
/// use http::StatusCode;
/// use rate_layer::{Keyed, MINUTE, Quota, RateLayer, Rule, key};
///
/// #[derive(Clone)]
/// struct Tokens(u32);
///
/// // 500 requests a minute, and 30 000 tokens a minute.
/// let tokens = Rule::new(Quota::rolling(30_000, MINUTE))
///     .cost(|head| head.extensions().get::<Tokens>().map_or(1_000, |tokens| tokens.0))
///     .correct(|head| head.headers().get("x-tokens-used")?.to_str().ok()?.parse().ok());
/// let layer = RateLayer::new(Quota::rolling(500, MINUTE)).also(tokens);
/// # let _ = layer;
/// ```
#[derive(Clone)]
#[must_use = "a rule does nothing until a layer has it"]
pub struct Rule {
    pub(crate) limits: Limits,
    cost: Option<Arc<CostFn>>,
    correct: Option<Arc<CorrectFn>>,
    dialect: Option<Arc<dyn Dialect>>,
    charged_later: bool,
}

impl Rule {
    /// Holds all requests to `limit`: a [`Quota`](crate::Quota), a [`Window`](crate::Window), or [`Keyed`](crate::Keyed) ones.
    pub fn new(limit: impl Into<Limit>) -> Self {
        Self {
            limits: Limits::new(limit.into()),
            cost: None,
            correct: None,
            dialect: None,
            charged_later: false,
        }
    }

    /// What it holds requests to.
    pub fn limit(&self) -> &Limit {
        self.limits.of(None)
    }

    /// Counts a request for as many places as `cost` says; each for one, without it.
    ///
    /// What costs 0 is not counted, and nothing corrects it later: where only the answer tells, say 1 at the least. What costs more than the window has fails at once
    /// ([`CostTooHigh`](crate::RateErrorKind::CostTooHigh)).
    pub fn cost(mut self, cost: impl Fn(&RequestHead<'_>) -> u32 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }

    /// Sets the cost right by what a response says, where `correct` finds it there.
    ///
    /// It is the cost by this rule alone, also where another one counts the request in the same window.
    ///
    /// More than was free may be charged: then nothing is admitted until enough of it has left the window.
    pub fn correct(
        mut self,
        correct: impl Fn(&ResponseHead<'_>) -> Option<u32> + Send + Sync + 'static,
    ) -> Self {
        self.correct = Some(Arc::new(correct));
        self
    }

    /// Puts a [`Charge`](crate::Charge) into the extensions of each response: for servers that tell the cost in the body.
    ///
    /// There is one for all that ask, in this layer and those around it.
    pub fn charged_later(mut self) -> Self {
        self.charged_later = true;
        self
    }

    /// Reads in responses what the server says of this limit, and becomes more careful by it.
    ///
    /// [`Standard`](crate::Standard) reads what can be read without being told which; there are others, and one's own
    /// ([`Dialect`]). What is said is believed as far as it *tightens*: where fewer places remain at the server than here, somebody
    /// else uses the key, and the difference is taken to be in use until the server's reset, at the most as long as a place that is
    /// taken now. More that remain promise nothing. A statement is about the window whose length it names, else the one with
    /// the limit that it names, else the only one. [`Quota::adopt_up_to`](crate::Quota::adopt_up_to) and
    /// [`Start::Seeded`](crate::Start::Seeded) rest on it as well.
    ///
    /// Where several windows hold, servers that do not say which they mean are told apart by
    /// [`XRateLimit::window`](crate::XRateLimit::window); what cannot be told apart, or is about a
    /// window that there is not, is not heeded: the log is told of each once, and they are [counted](crate::Counts::unheard). A closure needs its argument types written
    /// out, as [`Dialect`] shows.
    ///
    /// Where a response states several limits of one window, the lowest is adopted; where two rules count in one window, both are heard.
    ///
    /// Nothing is read by default: the window needs no help where nobody else uses the key, and a `Retry-After` is obeyed in
    /// any case.
    ///
    /// ```
    /// use rate_layer::{MINUTE, Quota, RateLayer, Standard};
    ///
    /// let layer = RateLayer::new(Quota::rolling(10, MINUTE).adopt_up_to(100)).listen(Standard);
    /// # let _ = layer;
    /// ```
    pub fn listen(mut self, dialect: impl Dialect + 'static) -> Self {
        self.dialect = Some(Arc::new(dialect));
        self
    }

    /// The window that counts all requests, each for one place, where there is just that.
    pub(crate) fn only_window(&self) -> Option<&Window> {
        self.limits.only().filter(|_| self.cost.is_none())
    }

    pub(crate) fn cost_of(&self, head: &RequestHead<'_>) -> u32 {
        self.cost.as_ref().map_or(1, |cost| cost(head))
    }

    pub(crate) fn corrected(&self, head: &ResponseHead<'_>) -> Option<u32> {
        self.correct.as_ref()?(head)
    }

    pub(crate) fn dialect(&self) -> Option<&dyn Dialect> {
        self.dialect.as_deref()
    }

    pub(crate) fn is_charged_later(&self) -> bool {
        self.charged_later
    }

    /// Whether it says more than which requests it counts.
    pub(crate) fn says_how_to_count(&self) -> bool {
        self.cost.is_some() || self.reads_responses()
    }

    /// Whether what a request has cost may be another thing after its answer.
    pub(crate) fn sets_costs_right(&self) -> bool {
        self.correct.is_some() || self.charged_later
    }

    /// Whether anything in a response, but that it has come, makes a difference.
    pub(crate) fn reads_responses(&self) -> bool {
        self.correct.is_some() || self.dialect.is_some() || self.charged_later
    }
}

impl<L: Into<Limit>> From<L> for Rule {
    fn from(limit: L) -> Self {
        Self::new(limit)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
