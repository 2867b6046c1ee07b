//! The offset between the server's wall clock and our moments, and when its aligned windows end.
//!
//! `Date` is in whole seconds: a response that says D was made in [D, D + 1 s) of the server's time, and between departure and
//! headers of ours. So one response bounds the offset to a second and a round trip; many, each at another fraction of
//! the second, bound it to little more than the fastest round trip.

use std::time::Duration;

use crate::moment::Moment;

/// What is known of the server's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerClock {
    /// By how many parts in a million the clocks may differ in rate.
    drift: u32,
    known: Option<Offset>,
}

/// The server's time since the unix epoch less our moment, in nanoseconds: somewhere from `least` to `most` at `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    least: i128,
    most: i128,
    at: i128,
}

const SECOND: i128 = 1_000_000_000;
const MILLION: i128 = 1_000_000;

impl ServerClock {
    /// Knows nothing yet. What it learns fades by `drift` parts in a million: 1000 is a millisecond each second.
    pub(crate) const fn new(drift: u32) -> Self {
        Self { drift, known: None }
    }

    /// Learns from a response that says `date`, whole seconds since the unix epoch, to a request that `departed` and whose headers
    /// `arrived`.
    ///
    /// One that contradicts what is known means that a clock was stepped: then it alone counts. Responses from caches say when
    /// they were first made, and must be kept from here.
    pub(crate) fn learn(&mut self, date: Duration, departed: Moment, arrived: Moment) {
        let (departed, arrived) = (nanos(departed), nanos(arrived));
        let date = i128::from(date.as_secs()) * SECOND;
        let told = Offset {
            least: date - arrived,
            most: date + SECOND - departed,
            // Its bounds hold for some moment since departure.
            at: departed,
        };
        let told = told.at(arrived.max(departed), self.drift);
        let latest = self.known.map_or(told.at, |known| known.at.max(told.at));
        let told = told.at(latest, self.drift);
        let both = self
            .known
            .and_then(|known| known.at(latest, self.drift).and(told));
        self.known = Some(both.unwrap_or(told));
    }

    /// The latest moment at which a window of the server ends that it counted something in by `counted`.
    ///
    /// For windows of `window` that are aligned to the unix epoch, such as minutes of the clock. Never later than `counted` and a
    /// whole window, which is the answer as long as nothing is known, or two windows are possible. That the clocks may differ in rate
    /// during the window itself is for the margin.
    pub(crate) fn next_boundary_latest(&self, counted: Moment, window: Duration) -> Moment {
        let at_most = counted.after(window);
        match self.window_at(counted, window) {
            Some((offset, end)) => moment(end - offset.least).min(at_most),
            None => at_most,
        }
    }

    /// The earliest moment at which the server's window that `counted` lies in may end; `counted` itself, if nothing is known or
    /// two windows are possible.
    pub(crate) fn next_boundary_earliest(&self, counted: Moment, window: Duration) -> Moment {
        match self.window_at(counted, window) {
            Some((offset, end)) => moment(end - offset.most).max(counted),
            None => counted,
        }
    }

    /// When, by the server's clock, the one window ends that the moment can lie in.
    fn window_at(&self, counted: Moment, window: Duration) -> Option<(Offset, i128)> {
        let counted = nanos(counted);
        let window = i128::try_from(window.as_nanos()).ok()?.max(1);
        let offset = self.known?.at(counted, self.drift);
        let index = |offset: i128| (counted + offset).div_euclid(window);
        let first = index(offset.least);
        (first == index(offset.most)).then(|| (offset, (first + 1) * window))
    }
}

impl Offset {
    /// The same at another moment: the further off, the less certain.
    fn at(self, moment: i128, drift: u32) -> Self {
        let apart = (moment - self.at).abs();
        let blur = (apart * i128::from(drift) + MILLION - 1) / MILLION;
        Self {
            least: self.least - blur,
            most: self.most + blur,
            at: moment,
        }
    }

    /// What both allow, if anything; both at one moment.
    fn and(self, other: Self) -> Option<Self> {
        let both = Self {
            least: self.least.max(other.least),
            most: self.most.min(other.most),
            at: self.at,
        };
        (both.least <= both.most).then_some(both)
    }
}

fn nanos(moment: Moment) -> i128 {
    i128::try_from(moment.since(Moment::START).as_nanos()).unwrap_or(i128::MAX)
}

fn moment(nanos: i128) -> Moment {
    let nanos = u64::try_from(nanos.max(0)).unwrap_or(u64::MAX);
    Moment::START.after(Duration::from_nanos(nanos))
}

#[cfg(all(test, not(loom)))]
mod tests;
