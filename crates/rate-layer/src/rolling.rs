//! The window itself: how many places are taken, and when they free. No clock, no lock, no waiting.
//!
//! Why it is safe to admit when this says so is proved at [`Window`](crate::Window).

use std::collections::VecDeque;
use std::time::Duration;

use crate::moment::Moment;
use crate::quota::Quota;

/// The places of one window.
///
/// A place is free, in flight, or closing: taken until a known moment. Closing places stand in the order in which they
/// free, so that looking costs nothing but what has freed since the last look.
#[derive(Debug)]
pub(crate) struct Rolling {
    quota: Quota,
    /// The quota's, added up once.
    hold: Duration,
    in_flight: u32,
    closing: VecDeque<Closing>,
    /// The sum of the closing places.
    closing_places: u32,
    /// The server has asked for silence until then.
    closed_until: Option<Moment>,
    /// The latest time that the window has been told.
    seen: Moment,
}

/// Places that free at one moment.
#[derive(Clone, Copy, Debug)]
struct Closing {
    free_at: Moment,
    places: u32,
}

/// When places free, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// No earlier than this, unless a place is given back.
    pub(crate) at: Moment,
    /// Whether the places that will serve are closing already, so that the moment is exact.
    pub(crate) in_sight: bool,
}

/// How a place in flight came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Response headers arrived: the server has counted.
    Answered,
    /// It departed, and nothing came back: the server may count it yet.
    Abandoned,
    /// It never left: the server will not count it.
    NeverLeft,
}

impl Rolling {
    pub(crate) fn new(quota: Quota, now: Moment) -> Self {
        let mut rolling = Self {
            quota,
            hold: quota.hold(),
            in_flight: 0,
            closing: VecDeque::new(),
            closing_places: 0,
            closed_until: None,
            seen: now,
        };
        if quota.starts_full() {
            // What the program before this one had in flight is abandoned.
            rolling.close_places(now.after(quota.after_abandonment()), quota.limit());
        }
        rolling
    }

    /// Takes `cost` places, if they are free at `now`.
    pub(crate) fn admit(&mut self, now: Moment, cost: u32) -> bool {
        self.expire(now);
        self.admit_unseen(cost)
    }

    /// Takes `cost` places if they were free when the window was last told the time.
    ///
    /// An old time is a safe one: since then, places can only have freed.
    pub(crate) fn admit_unseen(&mut self, cost: u32) -> bool {
        let admitted = self.closed_until.is_none() && cost <= self.room();
        if admitted {
            self.in_flight += cost;
        }
        admitted
    }

    /// Starts the clock of places that depart, where the server is known to count within a time. Says when they free.
    pub(crate) fn depart(&mut self, now: Moment, cost: u32) -> Option<Moment> {
        let free_at = now.max(self.seen).after(self.quota.after_departure()?);
        self.in_flight -= cost;
        self.close_places(free_at, cost);
        Some(free_at)
    }

    /// Ends what [`admit`](Self::admit) began. `free_at` is what [`depart`](Self::depart) said.
    pub(crate) fn end(&mut self, now: Moment, cost: u32, free_at: Option<Moment>, ending: Ending) {
        // Clocks are read before the lock is taken: what another thread has seen free since then is not there to be ended.
        let now = now.max(self.seen);
        self.expire(now);
        let wanted = match ending {
            Ending::Answered => Some(now.after(self.hold)),
            Ending::Abandoned => Some(now.after(self.quota.after_abandonment())),
            Ending::NeverLeft => None,
        };
        match free_at {
            None => self.in_flight -= cost,
            Some(free_at) if free_at <= now => return,
            Some(free_at) if wanted.is_some_and(|wanted| wanted >= free_at) => return,
            Some(free_at) => self.reopen_places(free_at, cost),
        }
        if let Some(wanted) = wanted {
            self.close_places(wanted, cost);
        }
    }

    /// Admits nothing before `until`. Never shortens an earlier call.
    pub(crate) fn close_until(&mut self, now: Moment, until: Moment) {
        self.expire(now);
        if until > now {
            self.closed_until = self.closed_until.max(Some(until));
        }
    }

    /// When the last of the next `places` places frees, if every place is taken again as soon as it frees.
    ///
    /// Never too late, unless a place is given back before. Ask after [`expire`](Self::expire).
    ///
    /// Why: call f(1) ≤ … ≤ f(N) the moments at which the places free, in flight ones no sooner than now + hold. Before
    /// f(n) + r·hold a place up to n has been taken at most r + 1 times, and the others r times; before
    /// f(1) + (r + 1)·hold likewise. So the (r·N + n)th taking is no earlier than the smaller of the two.
    pub(crate) fn turn(&self, now: Moment, places: u64) -> Turn {
        let first = self.nth_free(now, 0);
        let before = places.saturating_sub(1);
        if before == 0 {
            return first;
        }
        let limit = u64::from(self.quota.limit());
        let rounds = u32::try_from(before / limit).unwrap_or(u32::MAX);
        let nth = self.nth_free(now, before % limit);
        let again = first.at.after(self.hold);
        Turn {
            at: nth.at.min(again).after(self.hold.saturating_mul(rounds)),
            in_sight: nth.in_sight && nth.at <= again && rounds == 0,
        }
    }

    /// When the place behind the `n` that free first frees.
    fn nth_free(&self, now: Moment, n: u64) -> Turn {
        let opens = self.closed_until.unwrap_or(now).max(now);
        let room = u64::from(self.room());
        if n < room {
            return Turn {
                at: opens,
                in_sight: true,
            };
        }
        let answered_now = now.after(self.hold);
        // An answer that comes now frees its place no sooner than that, and may free it before a late one.
        let may_be_answered = self.in_flight > 0 || self.quota.after_departure().is_some();
        let in_sight = self
            .nth_closing(n - room)
            .filter(|&free_at| !may_be_answered || free_at <= answered_now);
        Turn {
            at: in_sight.unwrap_or(answered_now).max(opens),
            in_sight: in_sight.is_some(),
        }
    }

    fn nth_closing(&self, n: u64) -> Option<Moment> {
        if self.closing.len() as u64 == u64::from(self.closing_places) {
            // One place each: no need to add up.
            let closing = self.closing.get(usize::try_from(n).ok()?)?;
            return Some(closing.free_at);
        }
        let mut passed = 0;
        let closing = self.closing.iter().find(|closing| {
            passed += u64::from(closing.places);
            passed > n
        })?;
        Some(closing.free_at)
    }

    /// Frees what is due at `now`.
    pub(crate) fn expire(&mut self, now: Moment) {
        self.seen = self.seen.max(now);
        while let Some(closing) = self.closing.front()
            && closing.free_at <= now
        {
            self.closing_places -= closing.places;
            self.closing.pop_front();
        }
        if self.closed_until.is_some_and(|until| until <= now) {
            self.closed_until = None;
        }
    }

    fn close_places(&mut self, free_at: Moment, places: u32) {
        self.closing_places += places;
        // Most come in order. Abandoned ones free later than those answered after them.
        let index = match self.closing.back() {
            Some(last) if last.free_at > free_at => {
                self.closing.partition_point(|c| c.free_at <= free_at)
            }
            _ => self.closing.len(),
        };
        match index.checked_sub(1).map(|before| &mut self.closing[before]) {
            Some(same) if same.free_at == free_at => same.places += places,
            _ => self.closing.insert(index, Closing { free_at, places }),
        }
    }

    fn reopen_places(&mut self, free_at: Moment, places: u32) {
        let index = self.closing.partition_point(|c| c.free_at < free_at);
        let closing = &mut self.closing[index];
        debug_assert_eq!(closing.free_at, free_at, "what departed is closing");
        self.closing_places -= places;
        closing.places -= places;
        if closing.places == 0 {
            self.closing.remove(index);
        }
    }

    fn room(&self) -> u32 {
        self.quota.limit() - self.in_flight - self.closing_places
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(crate) fn closing(&self) -> u32 {
        self.closing_places
    }

    pub(crate) fn limit(&self) -> u32 {
        self.quota.limit()
    }
}

// Named, since `tests/loom.rs` takes this file in from elsewhere.
#[cfg(all(test, not(loom)))]
#[path = "rolling/tests.rs"]
mod tests;
