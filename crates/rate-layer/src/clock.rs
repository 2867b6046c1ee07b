//! Where a window reads the time: tokio's clock, which tests can pause.

#[cfg(feature = "quanta")]
mod counter;
#[cfg(feature = "quanta")]
mod quick;

use std::time::{Duration, Instant as StdInstant};

use tokio::time::Instant;

use crate::moment::Moment;
use crate::purse::Look;

/// How much later than it was an answer may be taken to have come, in exchange for not telling its moment: nothing to any window.
const NEAR: Duration = Duration::from_micros(1);

/// A look at the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    Instant(Instant),
    #[cfg(feature = "quanta")]
    Moment(Moment),
}

/// Tells the time since the window was made.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    #[cfg(feature = "quanta")]
    quick: Option<quick::Quick>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(feature = "quanta")]
            quick: None,
        }
    }

    /// One that is quicker to read.
    #[cfg(feature = "quanta")]
    pub(crate) fn quick() -> Self {
        Self {
            quick: Some(quick::Quick::new()),
            ..Self::start()
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.at(self.read())
    }

    /// Looks at the clock, without telling yet what moment that is.
    #[inline]
    pub(crate) fn read(&self) -> Read {
        #[cfg(feature = "quanta")]
        if let Some(quick) = &self.quick {
            return Read::Moment(quick.now(self.start));
        }
        Read::Instant(Instant::now())
    }

    /// The moment of a look.
    #[inline]
    pub(crate) fn at(&self, read: Read) -> Moment {
        match read {
            Read::Instant(instant) => self.moment(instant),
            #[cfg(feature = "quanta")]
            Read::Moment(moment) => moment,
        }
    }

    /// The moment of a look, or one up to [`NEAR`] later, where it came that close behind the `last`.
    #[inline]
    pub(crate) fn about(&self, read: Read, last: &mut Option<Look>) -> Moment {
        let instant = match read {
            Read::Instant(instant) => instant.into_std(),
            #[cfg(feature = "quanta")]
            Read::Moment(moment) => return moment,
        };
        if let Some(last) = last
            && last.at < instant
            && instant <= last.until
        {
            return last.moment.after(NEAR);
        }
        self.look(instant, last)
    }

    #[inline(never)]
    fn look(&self, at: StdInstant, last: &mut Option<Look>) -> Moment {
        let moment = self.moment(Instant::from_std(at));
        *last = at.checked_add(NEAR).map(|until| Look { at, moment, until });
        moment
    }

    /// The moment at which `instant` is; the first one, if it was before that.
    #[inline]
    pub(crate) fn moment(&self, instant: Instant) -> Moment {
        Moment::START.after(instant.saturating_duration_since(self.start))
    }

    /// The instant of `moment`; `None` where it lies too far ahead to be one.
    pub(crate) fn instant(&self, moment: Moment) -> Option<Instant> {
        self.start.checked_add(moment.since(Moment::START))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_never_taken_to_have_come_before_it_did_and_hardly_after() {
        let clock = Clock::start();
        let mut last = None;
        for step in [0, 0, 1, 400, 599, 0, 1, 1_000, 7, 2_000_000, 0, 999, 3] {
            tokio::time::advance(Duration::from_nanos(step)).await;
            let (now, about) = (clock.now(), clock.about(clock.read(), &mut last));
            assert!(
                now <= about && about <= now.after(NEAR),
                "{now:?} {about:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_of_one_instant_have_one_moment_and_it_is_theirs() {
        let clock = Clock::start();
        let mut last = None;
        for _ in 0..3 {
            tokio::time::advance(Duration::from_millis(3)).await;
            for _ in 0..3 {
                assert_eq!(clock.about(clock.read(), &mut last), clock.now());
            }
        }
    }
}
