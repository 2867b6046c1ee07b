//! What a program sees of a window.

use std::time::Duration;

use crate::book::outcome::{Reading, Tally, TierReading};
use crate::moment::Moment;
use crate::quota::{Quota, Tier};
use crate::window::Window;

/// What [`Window::snapshot`] saw.
///
/// Where [several limits](Quota::and) hold, the counts of places are those of the tightest: the one with the fewest places left.
/// [`Window::snapshot_of_each`] sees all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How long the window is that the counts of places are of; `None` of a [`Pace`](crate::Pace) alone.
    pub window: Option<Duration>,
    /// How many places there are; 0 of a [`Pace`](crate::Pace) alone, which has none.
    pub limit: u32,
    /// How many are taken by requests that are answered, or given up, and may still be in the server's window.
    pub used: u32,
    /// How many are taken by requests that are admitted and not answered, and by offers to waiters.
    pub in_flight: u32,
    /// How many requests wait for a place.
    pub waiting: usize,
    /// Whether the program has [paused](Window::pause) the window.
    pub paused: bool,
    /// In what time a request for one place that does not go first would get it if it came now, if all before it are served and none is
    /// given back. Of a pause, and of the wait for a first response, nobody knows the end: they count as over.
    pub next_free: Duration,
    /// What has happened so far; to all keys together, where the window is that of a key.
    pub counts: Counts,
}

/// What [`Window::snapshot_of_each`] saw of one of several limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierSnapshot {
    /// The limit, as the window was made for it.
    pub tier: Tier,
    /// How many places there are by now; 0 of a [`Pace`](crate::Pace), which has none.
    pub limit: u32,
    /// How many are taken by requests that are answered, or given up, and may still be in the server's window.
    pub used: u32,
    /// How many are taken by requests that are admitted and not answered, and by offers to waiters.
    pub in_flight: u32,
    /// How many requests wait: in one line for places in all limits, whichever keeps them waiting.
    pub waiting: usize,
    /// In what time a request that comes now would get a place if only this limit held, behind all who wait.
    pub next_free: Duration,
}

/// What has happened since a window was made; of [`Windows`](crate::Windows), to all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that got a place.
    pub admitted: u64,
    /// Requests that had to wait for one, whatever came of it.
    pub waited: u64,
    /// Requests turned away: the queue was full, or the wait too long.
    pub refused: u64,
    /// Responses by which the server said that this window's limit was exceeded.
    pub throttled: u64,
    /// Places that were free again at once, because the request never left.
    pub given_back: u64,
    /// Requests that departed and brought no headers.
    pub abandoned: u64,
    /// Statements of the server that were about none of the windows, and not heeded; see [`Rule::listen`](crate::Rule::listen).
    pub unheard: u64,
}

impl Window {
    /// Looks at the window: short locks, and no change to what it does.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.domain().clock.now();
        let reading = self.domain().book.with(|book, _| {
            let id = self.id_in(book)?;
            book.reading(now, id)
        });
        match reading {
            Some(reading) => Snapshot::of(reading, now),
            None => Snapshot::of_idle(self.quota()),
        }
    }

    /// Looks at each of [several limits](Quota::and), all at one moment: in the order in which they were said.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use rate_layer::{MINUTE, Quota, SECOND, Window};
    ///
    /// let window = Window::new(Quota::rolling(10, SECOND).and(Quota::rolling(100, MINUTE)));
    /// window.try_admit(NonZeroU32::MIN)?.answered();
    /// for seen in window.snapshot_of_each() {
    ///     println!("{}: {} of {}", seen.tier, seen.used + seen.in_flight, seen.limit);
    /// }
    /// // 10 per 1s: 1 of 10
    /// // 100 per 60s: 1 of 100
    /// # assert_eq!(window.snapshot_of_each()[0].tier.to_string(), "10 per 1s");
    /// # assert_eq!(window.snapshot_of_each()[1].limit, 100);
    /// # Ok::<(), rate_layer::RateError>(())
    /// ```
    pub fn snapshot_of_each(&self) -> Vec<TierSnapshot> {
        let now = self.domain().clock.now();
        let readings = self.domain().book.with(|book, _| {
            let id = self.id_in(book)?;
            book.readings(now, id)
        });
        let mut readings = readings.unwrap_or_default().into_iter();
        let tiers = self.quotas().tiers().iter();
        tiers
            .map(|&tier| match readings.next() {
                Some(reading) => TierSnapshot::of(tier, reading, now),
                None => TierSnapshot::of_idle(tier),
            })
            .collect()
    }
}

impl Snapshot {
    fn of(reading: Reading, now: Moment) -> Self {
        Self {
            window: reading.window,
            limit: reading.limit,
            used: reading.closing,
            in_flight: reading.in_flight,
            waiting: reading.waiting,
            paused: reading.paused,
            next_free: reading.next_free.since(now),
            counts: Counts::of(reading.tally),
        }
    }

    /// Of a window in which nothing is taken.
    fn of_idle(quota: Option<&Quota>) -> Self {
        Self {
            window: quota.map(Quota::window),
            limit: quota.map_or(0, Quota::limit),
            used: 0,
            in_flight: 0,
            waiting: 0,
            paused: false,
            next_free: Duration::ZERO,
            counts: Counts::default(),
        }
    }
}

impl TierSnapshot {
    fn of(tier: Tier, reading: TierReading, now: Moment) -> Self {
        Self {
            tier,
            limit: reading.limit,
            used: reading.closing,
            in_flight: reading.in_flight,
            waiting: reading.waiting,
            next_free: reading.next_free.since(now),
        }
    }

    /// Of one in which nothing is taken.
    fn of_idle(tier: Tier) -> Self {
        Self {
            tier,
            limit: match tier {
                Tier::Window(quota) => quota.limit(),
                Tier::Pace(_) => 0,
            },
            used: 0,
            in_flight: 0,
            waiting: 0,
            next_free: Duration::ZERO,
        }
    }
}

impl Counts {
    fn of(tally: Tally) -> Self {
        Self {
            admitted: tally.admitted,
            waited: tally.waited,
            refused: tally.refused,
            throttled: tally.throttled,
            given_back: tally.given_back,
            abandoned: tally.abandoned,
            unheard: tally.unheard,
        }
    }
}
