//! Departures at a pace, by governor.
//!
//! Governor decides; its one number is kept here, so that a decision can be tried without being taken.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use crate::moment::Moment;
use crate::pace::Pace;
use crate::shape::sight::Turn;

/// The longest time in nanoseconds that a burst may take to come back: more than a century.
const LONGEST_BURST: u64 = u64::MAX / 4;

/// A pace, and where its departures stand.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// When the next departure would be on schedule.
    due: Option<Nanos>,
    /// The latest time that the pacer has been told.
    seen: Moment,
}

type Governor = RateLimiter<NotKeyed, Kept, Told, NoOpMiddleware<Nanos>>;

/// What governor says.
enum Decision {
    /// They may depart, and then this is when the next is due.
    Go(Option<Nanos>),
    Wait(Moment),
    Never,
}

impl Pacer {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            due: None,
            seen: now,
        }
    }

    pub(crate) fn see(&mut self, now: Moment) {
        self.seen = self.seen.max(now);
    }

    pub(crate) fn seen(&self) -> Moment {
        self.seen
    }

    /// Whether `cost` may depart, as of when the pacer was last told the time.
    pub(crate) fn has_room(&self, pace: Pace, cost: u64) -> bool {
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        matches!(self.decide(pace, self.seen, cost), Decision::Go(_))
    }

    /// Lets `cost` depart, if they may.
    pub(crate) fn take(&mut self, pace: Pace, cost: u32) {
        if let Decision::Go(due) = self.decide(pace, self.seen, cost) {
            self.due = due;
        }
    }

    /// When the last of the next `departures` may go.
    pub(crate) fn turn(&self, pace: Pace, now: Moment, departures: u64) -> Turn {
        let burst = u64::from(pace.at_once());
        let together = u32::try_from(departures.min(burst)).unwrap_or(pace.at_once());
        let others = u32::try_from(departures.saturating_sub(burst)).unwrap_or(u32::MAX);
        let later = pace.period().saturating_mul(others);
        let at = match self.decide(pace, now.max(self.seen), together) {
            Decision::Wait(until) => until.max(now),
            Decision::Go(_) | Decision::Never => now,
        };
        Turn {
            at: at.after(later),
            in_sight: true,
        }
    }

    /// Whether all that has departed is forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.due
            .is_none_or(|due| due.as_u64() <= self.seen.as_nanos())
    }

    fn decide(&self, pace: Pace, now: Moment, cost: u32) -> Decision {
        let Some(cost) = NonZeroU32::new(cost) else {
            return Decision::Go(self.due);
        };
        let kept = Kept(Cell::new(self.due));
        let governor = Governor::new(quota(pace), kept, Told::default());
        governor.clock().0.set(now.as_nanos());
        match governor.check_n(cost) {
            Err(_) => Decision::Never,
            Ok(Err(not_until)) => {
                Decision::Wait(Moment::from_nanos(not_until.earliest_possible().as_u64()))
            }
            Ok(Ok(())) => Decision::Go(governor.into_state_store().0.get()),
        }
    }
}

fn quota(pace: Pace) -> Quota {
    let burst = NonZeroU32::new(pace.at_once()).unwrap_or(NonZeroU32::MIN);
    // Governor does not check that its sums fit.
    let longest = Duration::from_nanos(LONGEST_BURST / u64::from(burst.get()));
    Quota::with_period(pace.period().min(longest))
        .unwrap_or(Quota::per_second(burst))
        .allow_burst(burst)
}

/// Governor's state for the length of one decision.
struct Kept(Cell<Option<Nanos>>);

impl StateStore for Kept {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, due) = decide(self.0.get())?;
        self.0.set(Some(due));
        Ok(outcome)
    }
}

/// Governor's clock: what it was told. It begins where all moments do.
#[derive(Clone, Debug, Default)]
struct Told(Cell<u64>);

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.get())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::START.after(Duration::from_millis(millis))
    }

    fn goes(pacer: &mut Pacer, pace: Pace, now: u64) -> bool {
        pacer.see(at(now));
        let goes = pacer.has_room(pace, 1);
        if goes {
            pacer.take(pace, 1);
        }
        goes
    }

    #[test]
    fn departures_keep_their_distance() {
        let pace = Pace::every(Duration::from_millis(600));
        let mut pacer = Pacer::new(at(0));
        let departures: Vec<u64> = (0..3_000)
            .filter(|&now| goes(&mut pacer, pace, now))
            .collect();
        assert_eq!(departures, [0, 600, 1_200, 1_800, 2_400]);
    }

    #[test]
    fn a_burst_goes_at_once_and_comes_back_at_the_pace() {
        let pace = Pace::every(Duration::from_millis(100)).burst(3);
        let mut pacer = Pacer::new(at(0));
        let departures: Vec<u64> = (0..250)
            .flat_map(|now| std::iter::repeat_n(now, 4))
            .filter(|&now| goes(&mut pacer, pace, now))
            .collect();
        assert_eq!(departures, [0, 0, 0, 100, 200]);
        assert!(!pacer.is_empty());
        pacer.see(at(500));
        assert!(pacer.is_empty(), "a full burst again");
    }

    #[test]
    fn a_turn_is_the_moment_at_which_it_may_go() {
        let pace = Pace::every(Duration::from_millis(100)).burst(2);
        let mut pacer = Pacer::new(at(0));
        pacer.take(pace, 2);
        for (departures, turn) in [(1, 100), (2, 200), (3, 300), (7, 700)] {
            assert_eq!(pacer.turn(pace, at(0), departures).at, at(turn));
        }
        assert!(!pacer.has_room(pace, 1));
        pacer.see(at(100));
        assert!(pacer.has_room(pace, 1) && !pacer.has_room(pace, 2));
        assert!(
            !pacer.has_room(pace, 3),
            "more than a burst never goes at once"
        );
    }
}
