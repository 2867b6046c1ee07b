//! A handle to one window: what the layers share, and what a program reads.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use crate::book::Book;
use crate::book::limiters::Id;
use crate::book::waiter::{Claim, Wakes};
use crate::domain::Domain;
use crate::error::RateError;
use crate::keyed::Windows;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::place::Place;
use crate::quota::{Quota, Quotas, Tier};

/// The places of one limit, and the queue for them. Cloning gives another handle to the same window.
///
/// Layers whose requests count against the same limit of the server share one window:
///
/// ```
/// use rate_layer::{MINUTE, Quota, RateLayer, Window};
///
/// let window = Window::new(Quota::rolling(100, MINUTE));
/// let layer = RateLayer::by_slot()
///     .slot("business", window.clone())
///     .slot("connect", window.clone())
///     .unlimited("wallet");
/// assert_eq!(window.snapshot().limit, 100);
/// # let _ = layer;
/// ```
///
/// # Why it never holds too many
///
/// Let the limit be N in any half-open window of length W, at the server's clock. The server counts a request once, at some
/// moment s between its departure d and the arrival h of its response's headers: nobody outside can say when. Each request
/// takes one of N *places*: from before d until h + W + m, where m is the margin.
///
/// Take N + 1 requests. Two of them, a and b, have used the same place, a before b. So b departed when a's place was free
/// again: d(b) ≥ h(a) + W + m. With s(a) ≤ h(a) and s(b) ≥ d(b), the server counted them at least W + m apart by our clock;
/// by its own, whose rate is ours within m/W, more than W apart or just W. No half-open window of length W holds both. So
/// none holds N + 1. ∎
///
/// The other cases keep the same inequality. A request that never left has no s, and its place is free at once. One that was
/// given up at g after its departure has s ≤ g + grace, and its place frees at g + grace + W + m. `settle` and
/// `counted_within` move the latest s, to h + settle or d + the time stated, and `tick` adds what a stamp may be off. All of
/// it rests on what [`Quota`] lists.
///
/// The price is the latency: a place serves once every W + m + (h − d). At 80 ms and a minute, N · 99.8 %.
///
/// # Under test
///
/// The window reads tokio's clock, so `tokio::time::pause` holds for it. Make the window after pausing.
#[derive(Clone, Debug)]
pub struct Window {
    domain: Arc<Domain>,
    name: Name,
    quotas: Arc<Quotas>,
}

/// What a window is found by.
#[derive(Clone, PartialEq)]
pub(crate) enum Name {
    Id(Id),
    /// The kind, and the key. Made anew, the window has another number.
    Key(u32, Arc<[u8]>),
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            // A key may be a secret.
            Self::Key(group, key) => write!(f, "Key({group}, {} bytes)", key.len()),
        }
    }
}

impl Window {
    /// Makes a window with all places free, or as [`Quota::start`] says.
    pub fn new(quotas: impl Into<Quotas>) -> Self {
        Self::open(&Domain::new(), quotas.into())
    }

    /// Makes a window that reads the processor's counter between its looks at the clock, for programs that make so many requests that
    /// it matters: a decision takes two thirds of the time.
    ///
    /// The counter says how long ago the clock was looked at, and is believed for a millisecond, while it keeps step with the clock; so
    /// it may drift, jump, or differ from one processor to the next: all of that together is no more than a millisecond, of which any
    /// [margin](Quota::margin) but one that was set lower has ten. Requests that come less often than once a millisecond gain
    /// nothing.
    ///
    /// A paused clock is looked at every time, if it is paused before the window is made. The first of these windows finds out how
    /// fast the counter runs, and blocks for that: a few milliseconds as a rule, 200 at the most.
    ///
    /// Windows [beside](Self::beside) it read the time as it does. It is there with the feature `quanta`.
    ///
    /// ```
    /// use rate_layer::{Quota, RateLayer, SECOND, Window};
    ///
    /// let layer = RateLayer::new(Window::quick(Quota::rolling(50_000, SECOND)));
    /// # let _ = layer;
    /// ```
    #[cfg(feature = "quanta")]
    pub fn quick(quotas: impl Into<Quotas>) -> Self {
        Self::open(&Domain::quick(), quotas.into())
    }

    /// Makes another window, which a request can take a place in *together* with one in this window.
    ///
    /// Windows that one request takes together share a lock, so that it gets all places or none.
    ///
    /// ```
    /// use rate_layer::{Limit, MINUTE, Quota, RateLayer, Rule, Window};
    ///
    /// // 100 a minute for each of two keys, and 150 a minute for the account that both belong to.
    /// let first = Window::new(Quota::rolling(100, MINUTE));
    /// let second = first.beside(Quota::rolling(100, MINUTE));
    /// let account = first.beside(Quota::rolling(150, MINUTE));
    /// let layer = RateLayer::by_slot()
    ///     .slot("first", first)
    ///     .slot("second", second)
    ///     .also(Rule::new(account));
    /// # let _ = layer;
    /// ```
    pub fn beside(&self, quotas: impl Into<Quotas>) -> Self {
        Self::open(&self.domain, quotas.into())
    }

    /// Makes windows for keys, which a request can take a place in *together* with one in this window.
    ///
    /// For `most` keys at once, each kept for `idle` after its last use.
    pub fn beside_keyed(
        &self,
        quotas: impl Into<Quotas>,
        most: NonZeroUsize,
        idle: Duration,
    ) -> Windows {
        Windows::open(&self.domain, quotas.into(), most, idle)
    }

    pub(crate) fn open(domain: &Arc<Domain>, quotas: Quotas) -> Self {
        let now = domain.clock.now();
        let id = domain.book.with(|book, _| book.open(now, &quotas));
        Self::named(domain, Name::Id(id), &Arc::new(quotas))
    }

    pub(crate) fn named(domain: &Arc<Domain>, name: Name, quotas: &Arc<Quotas>) -> Self {
        Self {
            domain: Arc::clone(domain),
            name,
            quotas: Arc::clone(quotas),
        }
    }

    /// Takes `cost` places if they are free and nobody waits for them, for requests that do not go through a
    /// [`RateLayer`](crate::RateLayer): messages on a socket, say.
    ///
    /// ```
    /// use std::num::{NonZeroU32, NonZeroUsize};
    /// use rate_layer::{MINUTE, Quota, Window};
    ///
    /// let window = Window::new(Quota::rolling(1, MINUTE));
    /// let mut place = window.try_admit(NonZeroU32::MIN)?;
    /// place.depart();
    /// // Send, and wait for the answer …
    /// place.answered();
    ///
    /// let error = window.try_admit(NonZeroU32::MIN).expect_err("the place's minute has just begun");
    /// assert!(error.retry_in().is_some_and(|wait| wait > MINUTE));
    /// # Ok::<(), rate_layer::RateError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WouldWait`](crate::RateErrorKind::WouldWait), with the wait that would have been needed, or
    /// [`CostTooHigh`](crate::RateErrorKind::CostTooHigh).
    #[inline(always)]
    pub fn try_admit(&self, cost: NonZeroU32) -> Result<Place, RateError> {
        match &self.name {
            Name::Id(id) => Place::admit(&self.domain, Claim::new(*id, cost.get()), Lane::Rest),
            Name::Key(group, key) => Place::admit_by_key(&self.domain, *group, key, cost.get()),
        }
    }

    /// The number of the window, if it is there.
    pub(crate) fn id_in(&self, book: &Book) -> Option<Id> {
        match &self.name {
            Name::Id(id) => Some(*id),
            Name::Key(group, key) => book.known_window_of(*group, key),
        }
    }

    /// Changes the limit while requests wait; of the first, where [several limits](Quota::and) hold.
    ///
    /// Who holds a place keeps it, and who waits keeps its place in line. Where the limit is lowered, nobody is admitted until
    /// enough places have freed; a request that costs more than there is now fails
    /// ([`CostTooHigh`](crate::RateErrorKind::CostTooHigh)). A reserve shrinks as far as it must to leave one place for the
    /// rest.
    ///
    /// Says whether there is a window: a [`Pace`](crate::Pace) alone has no limit to change, and of [`Windows`] there may be [no
    /// room](Windows::window) for the one of a key that was forgotten. Where several hold, [`set_limit_of`](Self::set_limit_of)
    /// says which one is meant.
    ///
    /// A key whose limit is another one than it began with is kept until the limit is set back.
    pub fn set_limit(&self, limit: NonZeroU32) -> bool {
        self.change_limit(None, limit)
    }

    /// Changes the limit of that of [several windows](Quota::and) that is `window` long. Says whether there is one.
    pub fn set_limit_of(&self, window: Duration, limit: NonZeroU32) -> bool {
        self.change_limit(Some(window), limit)
    }

    fn change_limit(&self, length: Option<Duration>, limit: NonZeroU32) -> bool {
        let set = |book: &mut Book, now, id, wakes: &mut Wakes| {
            book.set_limit(now, id, length, limit.get(), wakes)
        };
        self.change(set).unwrap_or(false)
    }

    /// Does something to the window, made anew if it must be.
    fn change<T>(&self, change: impl FnOnce(&mut Book, Moment, Id, &mut Wakes) -> T) -> Option<T> {
        let now = self.domain.clock.now();
        self.domain.book.with(|book, wakes| {
            let id = match &self.name {
                Name::Id(id) => *id,
                Name::Key(group, key) => book.window_of(now, *group, key, &[]).ok()?,
            };
            Some(change(book, now, id, wakes))
        })
    }

    /// Admits nothing until it is [resumed](Self::resume). What is under way goes on.
    ///
    /// Requests that come meanwhile wait, as long as they may.
    ///
    /// Says whether it has come to that: of [`Windows`], there may be [no room](Windows::window) for the one of a key that was
    /// forgotten.
    pub fn pause(&self) -> bool {
        self.change(Book::pause).is_some()
    }

    /// Ends a [pause](Self::pause), at once and for all who have asked for one. Says whether it has, as that does.
    pub fn resume(&self) -> bool {
        self.change(Book::resume).is_some()
    }

    /// The first of the windows that it was made for, if it was made for one.
    pub fn quota(&self) -> Option<&Quota> {
        self.quotas.tiers().iter().find_map(|tier| match tier {
            Tier::Window(quota) => Some(quota),
            Tier::Pace(_) => None,
        })
    }

    /// What it was made for.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Notes a response that says that this window's limit was exceeded, and admits nothing for `pause`.
    ///
    /// For requests that do not go through a [`RateLayer`](crate::RateLayer), which does it itself.
    pub fn throttled(&self, pause: Option<Duration>) {
        self.change(|book, now, id, wakes| {
            book.throttled(now, id, pause.map(|pause| now.after(pause)), wakes);
        });
    }

    pub(crate) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }
}

impl<Q: Into<Quotas>> From<Q> for Window {
    fn from(quotas: Q) -> Self {
        Self::new(quotas)
    }
}
