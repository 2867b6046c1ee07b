//! Several limits on one key: a request takes places in all of them, or in none.

mod one;
mod terms;

use crate::lane::Lane;
use crate::moment::Moment;
use crate::server::clock::ServerClock;
use crate::shape::pacer::Pacer;
use crate::shape::rolling::{Correction, Ending, Held, Places, Rolling};
use crate::shape::sight::Turn;
use crate::shape::terms::Terms;

pub(crate) use self::one::One;
pub(crate) use self::terms::AllTerms;
use self::terms::TierTerms;

/// The state of the limits of one key.
#[derive(Debug)]
pub(crate) struct Tiers {
    // Most have one; it is not put into a box.
    first: Tier,
    more: Option<Box<[Tier]>>,
}

#[derive(Debug)]
enum Tier {
    Window(Rolling),
    Pace(Pacer),
}

impl TierTerms {
    fn state(&self, now: Moment) -> Tier {
        match self {
            Self::Window(terms) => Tier::Window(Rolling::new(terms, now)),
            Self::Pace(_) => Tier::Pace(Pacer::new(now)),
        }
    }
}

impl Tiers {
    pub(crate) fn new(terms: &AllTerms, now: Moment) -> Self {
        let more: Box<[Tier]> = terms.more.iter().map(|terms| terms.state(now)).collect();
        Self {
            first: terms.first.state(now),
            more: (!more.is_empty()).then_some(more),
        }
    }

    /// Whether the places `wanted` are free in all of them, as of when they were last told the time.
    #[inline]
    pub(crate) fn have_room(&self, terms: &AllTerms, lane: Lane, wanted: Places) -> bool {
        if let Some((terms, rolling)) = self.only_window(terms) {
            return rolling.has_room(terms, lane, wanted);
        }
        self.several_have_room(terms, lane, wanted)
    }

    #[inline(never)]
    fn several_have_room(&self, terms: &AllTerms, lane: Lane, wanted: Places) -> bool {
        self.each(terms).all(|one| one.has_room(lane, wanted))
    }

    /// The window, where there is nothing else. Most have just that, and are not to pay for more.
    #[inline]
    pub(crate) fn only_window<'a>(
        &'a self,
        terms: &'a AllTerms,
    ) -> Option<(&'a Terms, &'a Rolling)> {
        match (&terms.first, &self.first) {
            (TierTerms::Window(first), Tier::Window(rolling)) if terms.more.is_empty() => {
                Some((first, rolling))
            }
            _ => None,
        }
    }

    /// The window, where there is nothing else and it is plain: no reserve, no lanes, no clock of the server's.
    #[inline(always)]
    pub(crate) fn plain_mut<'a>(
        &'a mut self,
        terms: &'a AllTerms,
    ) -> Option<(&'a Terms, &'a mut Rolling)> {
        match (&terms.first, &mut self.first) {
            (TierTerms::Window(first), Tier::Window(rolling))
                if terms.are_plain && rolling.is_plain() =>
            {
                Some((first, rolling))
            }
            _ => None,
        }
    }

    /// The same, to look at.
    #[inline]
    pub(crate) fn plain<'a>(&'a self, terms: &'a AllTerms) -> Option<(&'a Terms, &'a Rolling)> {
        let window = self.only_window(terms);
        window.filter(|(_, window)| terms.are_plain && window.is_plain())
    }

    #[inline]
    pub(crate) fn only_window_mut<'a>(
        &'a mut self,
        terms: &'a AllTerms,
    ) -> Option<(&'a Terms, &'a mut Rolling)> {
        match (&terms.first, &mut self.first) {
            (TierTerms::Window(first), Tier::Window(rolling)) if terms.more.is_empty() => {
                Some((first, rolling))
            }
            _ => None,
        }
    }

    /// Takes `cost` places in all of them.
    #[inline]
    pub(crate) fn take(&mut self, terms: &AllTerms, lane: Lane, cost: u32) {
        if let Some((_, rolling)) = self.only_window_mut(terms) {
            return rolling.take(lane, cost);
        }
        self.take_several(terms, lane, cost);
    }

    #[inline(never)]
    fn take_several(&mut self, terms: &AllTerms, lane: Lane, cost: u32) {
        for tier in self.iter_mut(terms) {
            match tier {
                (TierTerms::Pace(pace), Tier::Pace(pacer)) => pacer.take(*pace, cost),
                (_, Tier::Window(rolling)) => rolling.take(lane, cost),
                _ => {}
            }
        }
    }

    /// What a request of `lane` may cost at the most.
    #[inline]
    pub(crate) fn most(&self, terms: &AllTerms, lane: Lane) -> u32 {
        if let Some((terms, rolling)) = self.only_window(terms) {
            return rolling.most(terms, lane);
        }
        self.most_of_several(terms, lane)
    }

    #[inline(never)]
    fn most_of_several(&self, terms: &AllTerms, lane: Lane) -> u32 {
        let most = self.each(terms).map(|one| one.most(lane));
        most.min().unwrap_or(0)
    }

    pub(crate) fn depart(&mut self, terms: &AllTerms, now: Moment, lane: Lane, cost: u32) {
        self.for_windows(terms, |terms, rolling| {
            rolling.depart(terms, now, lane, cost)
        });
    }

    pub(crate) fn end(
        &mut self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        held: Held,
        ending: Ending,
    ) {
        self.for_windows(terms, |terms, rolling| {
            rolling.end(terms, server, now, held, ending)
        });
    }

    pub(crate) fn correct(
        &mut self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        by: Correction,
    ) -> u32 {
        let mut cost = by.cost;
        self.for_windows(terms, |terms, rolling| {
            cost = cost.min(rolling.correct(terms, server, now, by));
        });
        cost
    }

    /// Frees what is due at `now`.
    #[inline]
    pub(crate) fn expire(&mut self, terms: &AllTerms, now: Moment) {
        if let Some((terms, rolling)) = self.only_window_mut(terms) {
            return rolling.expire(terms, now);
        }
        self.expire_several(terms, now);
    }

    #[inline(never)]
    fn expire_several(&mut self, terms: &AllTerms, now: Moment) {
        for tier in self.iter_mut(terms) {
            match tier {
                (TierTerms::Window(terms), Tier::Window(rolling)) => rolling.expire(terms, now),
                (_, Tier::Pace(pacer)) => pacer.see(now),
                _ => {}
            }
        }
    }

    /// When the last of the next places frees in all of them.
    #[inline]
    pub(crate) fn turn(
        &self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        lane: Lane,
        places: Places,
    ) -> Turn {
        if let Some((terms, rolling)) = self.only_window(terms) {
            return rolling.turn(terms, server, now, lane, places);
        }
        self.turn_in_several(terms, server, now, lane, places)
    }

    #[inline(never)]
    fn turn_in_several(
        &self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        lane: Lane,
        places: Places,
    ) -> Turn {
        self.each(terms)
            .map(|one| one.turn(server, now, lane, places))
            .fold(Turn::now(now), Turn::and)
    }

    /// When the last of the next `requests` of the rest may go, if each goes before all others as soon as the rest hold
    /// nothing; the last one wants `cost` places.
    pub(crate) fn turn_of_rest(
        &self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        requests: u64,
        cost: u32,
    ) -> Moment {
        self.each(terms)
            .map(|one| one.turn_of_rest(server, now, requests, cost))
            .fold(now, Moment::max)
    }

    /// How many places have freed by themselves, in all windows together; it wraps.
    #[inline]
    pub(crate) fn freed(&self) -> u32 {
        if let (Tier::Window(rolling), None) = (&self.first, &self.more) {
            return rolling.freed();
        }
        self.freed_in_several()
    }

    #[inline(never)]
    fn freed_in_several(&self) -> u32 {
        let freed = self.windows().map(Rolling::freed);
        freed.fold(0, u32::wrapping_add)
    }

    /// The latest time that they have been told.
    pub(crate) fn seen(&self) -> Moment {
        let seen = self.states().map(|tier| match tier {
            Tier::Window(rolling) => rolling.seen(),
            Tier::Pace(pacer) => pacer.seen(),
        });
        seen.max().unwrap_or(Moment::START)
    }

    /// Whether nothing is taken, and nothing remembered.
    pub(crate) fn are_empty(&self) -> bool {
        self.states().all(|tier| match tier {
            Tier::Window(rolling) => rolling.is_empty(),
            Tier::Pace(pacer) => pacer.is_empty(),
        })
    }

    /// Whether a limit is another one than at first.
    pub(crate) fn are_changed(&self, terms: &AllTerms) -> bool {
        let mut limits = self.windows().zip(terms.windows());
        limits.any(|(window, terms)| window.limit() != terms.quota.limit())
    }

    /// Whether those that do not go first hold nothing in any of the windows. At a pace nobody holds anything.
    pub(crate) fn rest_holds_nothing(&self) -> bool {
        self.windows().all(Rolling::rest_holds_nothing)
    }

    /// The windows among them.
    pub(crate) fn windows(&self) -> impl Iterator<Item = &Rolling> {
        self.states().filter_map(|tier| match tier {
            Tier::Window(rolling) => Some(rolling),
            Tier::Pace(_) => None,
        })
    }

    /// Does something to each window.
    #[inline]
    pub(crate) fn for_windows(
        &mut self,
        terms: &AllTerms,
        mut act: impl FnMut(&Terms, &mut Rolling),
    ) {
        if let Some((terms, rolling)) = self.only_window_mut(terms) {
            return act(terms, rolling);
        }
        for tier in self.iter_mut(terms) {
            if let (TierTerms::Window(terms), Tier::Window(rolling)) = tier {
                act(terms, rolling);
            }
        }
    }

    fn states(&self) -> impl Iterator<Item = &Tier> {
        std::iter::once(&self.first).chain(self.more.iter().flatten())
    }

    /// Each of them, to be looked at by itself.
    pub(crate) fn each<'a>(&'a self, terms: &'a AllTerms) -> impl Iterator<Item = One<'a>> {
        let tiers = terms.iter().zip(self.states());
        tiers.filter_map(|tier| match tier {
            (TierTerms::Window(terms), Tier::Window(rolling)) => Some(One::Window(terms, rolling)),
            (TierTerms::Pace(pace), Tier::Pace(pacer)) => Some(One::Pace(*pace, pacer)),
            _ => None,
        })
    }

    fn iter_mut<'a>(
        &'a mut self,
        terms: &'a AllTerms,
    ) -> impl Iterator<Item = (&'a TierTerms, &'a mut Tier)> {
        let states = std::iter::once(&mut self.first).chain(self.more.iter_mut().flatten());
        terms.iter().zip(states)
    }
}
