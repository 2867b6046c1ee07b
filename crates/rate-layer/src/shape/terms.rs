//! What a quota comes down to, worked out once.

use std::time::Duration;

use crate::moment::Moment;
use crate::quota::{Alignment, Quota};
use crate::server::clock::ServerClock;
use crate::shape::ring::{self, Tick};
use crate::shape::rolling::Correction;

/// A quota, and the times that follow from it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) quota: Quota,
    hold: Duration,
    /// The same, for every answer.
    hold_nanos: u64,
    after_abandonment: Duration,
    after_departure: Option<Duration>,
    /// How finely the moments are told at which places free.
    pub(crate) tick: Tick,
}

impl Terms {
    pub(crate) fn new(quota: Quota) -> Self {
        let after_departure = quota.after_departure();
        let horizon = quota
            .after_abandonment()
            .max(after_departure.unwrap_or_default());
        Self {
            quota,
            hold: quota.hold(),
            hold_nanos: Moment::START.after(quota.hold()).as_nanos(),
            after_abandonment: quota.after_abandonment(),
            after_departure,
            tick: ring::tick_for(horizon),
        }
    }

    /// When a place frees whose request is answered at `now`, where the server's clock does not matter.
    #[inline]
    pub(crate) fn answered_plainly(&self, now: Moment) -> Moment {
        now.after_nanos(self.hold_nanos)
    }

    /// When a place frees whose request is answered at `now`.
    #[inline]
    pub(crate) fn answered(&self, now: Moment, server: &ServerClock) -> Moment {
        match self.quota.alignment() {
            Alignment::None => self.answered_plainly(now),
            Alignment::Clock => self.answered_by_clock(now, server),
        }
    }

    #[inline(never)]
    fn answered_by_clock(&self, now: Moment, server: &ServerClock) -> Moment {
        let counted_by = now.after(self.quota.counting_lag());
        server
            .next_boundary_latest(counted_by, self.quota.window())
            .after(self.quota.clock_margin())
    }

    /// When a place frees whose request has cost something else, as is known by now.
    pub(crate) fn corrected(&self, by: Correction, server: &ServerClock) -> Moment {
        let answered = self.answered(by.answered, server);
        let departed = by.departed.and_then(|departed| self.departed(departed));
        departed.map_or(answered, |free_at| free_at.min(answered))
    }

    /// When a place frees whose request is abandoned at `now`.
    #[inline(never)]
    pub(crate) fn abandoned(&self, now: Moment, server: &ServerClock) -> Moment {
        match self.quota.alignment() {
            Alignment::None => now.after(self.after_abandonment),
            Alignment::Clock => self.answered(now.after(self.quota.abandonment_grace()), server),
        }
    }

    /// When a place frees at the latest whose request departs at `now`, where the quota tells it in advance.
    #[inline]
    pub(crate) fn departed(&self, now: Moment) -> Option<Moment> {
        self.after_departure.map(|latest| now.after(latest))
    }

    #[inline]
    pub(crate) fn frees_before_headers(&self) -> bool {
        self.after_departure.is_some()
    }

    /// When a place frees again at the earliest that is taken at `moment`, some time ahead.
    pub(crate) fn freed_again(&self, moment: Moment, server: &ServerClock) -> Moment {
        match self.quota.alignment() {
            Alignment::None => moment.after(self.hold),
            Alignment::Clock => server.next_boundary_earliest(moment, self.quota.window()),
        }
    }

    /// How long a place stays taken at least that is taken the moment it frees; in an aligned window, from the second time on.
    #[inline]
    pub(crate) fn cycle(&self) -> Duration {
        match self.quota.alignment() {
            Alignment::None => self.hold,
            Alignment::Clock => self.quota.window(),
        }
    }

    /// How long places can stay closed at the most, counted from what closes them.
    pub(crate) fn longest(&self) -> Duration {
        self.after_abandonment
    }
}
