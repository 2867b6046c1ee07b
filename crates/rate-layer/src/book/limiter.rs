//! The limits of one key, and the line before them.

use crate::book::line::Line;
use crate::book::waiter::Claim;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::server::clock::ServerClock;
use crate::shape::rolling::{Ending, Held, Places, Rolling};
use crate::shape::sight::Turn;
use crate::shape::terms::Terms;
use crate::shape::tiers::{AllTerms, Tiers};

/// Whether it is known what the server has counted already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeding {
    Known,
    /// Requests go one at a time.
    Unknown,
    /// One is under way.
    Asked,
}

/// The limits of one key, and the line before them.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Which kind it is of, in the book.
    pub(crate) group: u32,
    pub(crate) tiers: Tiers,
    /// None as long as nobody has waited.
    pub(crate) line: Option<Box<Line>>,
    /// The server has asked for silence until then; the start where it has not.
    pub(crate) closed_until: Moment,
    /// The program has asked for silence.
    pub(crate) paused: bool,
    pub(crate) seeding: Seeding,
    /// The rest went before all, and nobody of those that go first has had a place since.
    pub(crate) rest_went_first: bool,
    /// The admission whose answer set the limit last.
    pub(crate) adopted_at: u64,
    pub(crate) key: Option<Box<[u8]>>,
    /// When it was last asked for.
    pub(crate) used_at: Moment,
}

impl Limiter {
    pub(crate) fn new(group: u32, tiers: Tiers, now: Moment) -> Self {
        Self {
            group,
            tiers,
            line: None,
            closed_until: Moment::START,
            paused: false,
            seeding: Seeding::Known,
            rest_went_first: false,
            adopted_at: 0,
            key: None,
            used_at: now,
        }
    }

    /// Frees what is due at `now`.
    #[inline]
    pub(crate) fn expire(&mut self, terms: &AllTerms, now: Moment) {
        self.tiers.expire(terms, now);
        if self.closed_until <= now {
            self.closed_until = Moment::START;
        }
    }

    /// Whether the places `wanted` are free, whoever stands in line.
    #[inline]
    pub(crate) fn has_room(&self, terms: &AllTerms, lane: Lane, wanted: Places) -> bool {
        (!self.is_held_back() || self.lets_through()) && self.tiers.have_room(terms, lane, wanted)
    }

    /// Takes what `claim` wants if it is free, and nobody stands in line before it. Says whether it is.
    #[inline(always)]
    pub(crate) fn take_if_free(&mut self, terms: &AllTerms, lane: Lane, claim: &mut Claim) -> bool {
        let Some((_, window)) = self.plain_mut(terms, lane) else {
            return self.take_if_open(terms, lane, claim);
        };
        let is_free = window.take_plainly(claim.cost);
        if is_free {
            claim.freed = window.freed();
            claim.counts_departure = false;
            self.rest_went_first = false;
        }
        is_free
    }

    /// The window, where nothing makes it anything but simple who gets a place: there is one and it is plain, nobody waits,
    /// nobody has asked for silence. So it is with most.
    #[inline(always)]
    pub(crate) fn plain_mut<'a>(
        &'a mut self,
        terms: &'a AllTerms,
        lane: Lane,
    ) -> Option<(&'a Terms, &'a mut Rolling)> {
        if self.members() > 0 {
            return None;
        }
        self.plain_if_mut(terms, lane)
    }

    /// The same, whoever waits.
    #[inline(always)]
    pub(crate) fn plain_if_mut<'a>(
        &'a mut self,
        terms: &'a AllTerms,
        lane: Lane,
    ) -> Option<(&'a Terms, &'a mut Rolling)> {
        if lane == Lane::First || self.is_held_back() {
            return None;
        }
        self.tiers.plain_mut(terms)
    }

    #[inline(never)]
    fn take_if_open(&mut self, terms: &AllTerms, lane: Lane, claim: &mut Claim) -> bool {
        let wanted = Places::of_first(claim.cost);
        let is_free =
            !terms.need_the_time() && self.is_open() && self.has_room(terms, lane, wanted);
        if is_free {
            self.take(terms, lane, claim);
        }
        is_free
    }

    /// Whether anything but a lack of places may keep requests waiting.
    #[inline]
    pub(crate) fn is_held_back(&self) -> bool {
        self.paused || self.closed_until != Moment::START || self.seeding != Seeding::Known
    }

    /// Takes what `claim` wants, whether it is free or not, and notes in it what is to be known later.
    #[inline]
    pub(crate) fn take(&mut self, terms: &AllTerms, lane: Lane, claim: &mut Claim) {
        self.rest_went_first = lane == Lane::Rest && self.has_in_line(Lane::First);
        self.tiers.take(terms, lane, claim.cost);
        claim.freed = self.tiers.freed();
        claim.counts_departure = terms.count_departures();
        if self.seeding == Seeding::Unknown {
            self.seeding = Seeding::Asked;
        }
    }

    /// When the last of the next places frees. Of a pause nobody knows the end: it counts as over.
    #[inline]
    pub(crate) fn turn(
        &self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        lane: Lane,
        places: Places,
    ) -> Turn {
        let mut turn = self.tiers.turn(terms, server, now, lane, places);
        turn.at = turn.at.max(self.closed_until);
        turn
    }

    /// Ends what [`take`](Self::take) began.
    #[inline]
    pub(crate) fn end(
        &mut self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        held: Held,
        ending: Ending,
    ) {
        self.tiers.end(terms, server, now, held, ending);
        if self.seeding == Seeding::Asked {
            self.seeding = Seeding::Unknown;
        }
    }

    /// Whether nobody can say when it goes on: others will.
    pub(crate) fn is_held_up(&self) -> bool {
        self.paused || self.seeding == Seeding::Asked
    }

    /// When one of `lane` has its turn that wants `cost` places and has those before it in line that `places` counts, itself
    /// included, of which `requests` are of its own lane.
    pub(crate) fn turn_in_line(
        &self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        lane: Lane,
        places: Places,
        (requests, cost): (u64, u32),
    ) -> Turn {
        let turn = self.turn(terms, server, now, lane, places);
        if lane == Lane::First || !self.has_in_line(Lane::First) {
            return turn;
        }
        // It may go before those who go first, when it and the others of its lane come to that.
        match self.turn_of_rest(terms, server, now, requests, cost) {
            Some(alone) if alone < turn.at => Turn {
                at: alone,
                in_sight: false,
            },
            _ => turn,
        }
    }

    /// When the last of the next `requests` of the rest may go, if each goes before all others as soon as the rest hold
    /// nothing; the last one wants `cost` places. None where there is no window to hold something in.
    pub(crate) fn turn_of_rest(
        &self,
        terms: &AllTerms,
        server: &ServerClock,
        now: Moment,
        requests: u64,
        cost: u32,
    ) -> Option<Moment> {
        self.tiers.windows().next()?;
        let turn = self.tiers.turn_of_rest(terms, server, now, requests, cost);
        Some(turn.max(self.closed_until))
    }

    /// Whether the first of the rest goes before all: it holds nothing, and wants something.
    pub(crate) fn rest_first(&self) -> bool {
        self.has_in_line(Lane::First) && self.has_in_line(Lane::Rest) && self.rest_is_due()
    }

    /// Never twice in a row: where there is one place, or a pace, it would always be its turn.
    pub(crate) fn rest_is_due(&self) -> bool {
        !self.rest_went_first && self.tiers.rest_holds_nothing()
    }

    /// Whether a newcomer need not look who stands in line.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.in_line() == 0
    }

    pub(crate) fn has_in_line(&self, lane: Lane) -> bool {
        self.line.as_ref().is_some_and(|line| line.has(lane))
    }

    #[inline]
    pub(crate) fn in_line(&self) -> usize {
        self.line.as_ref().map_or(0, |line| line.len())
    }

    #[inline]
    pub(crate) fn members(&self) -> usize {
        self.line.as_ref().map_or(0, |line| line.members())
    }

    pub(crate) fn line_mut(&mut self) -> &mut Line {
        self.line.get_or_insert_default()
    }

    /// Whether it can be forgotten: made anew, it would be the same.
    pub(crate) fn is_idle(&self) -> bool {
        self.members() == 0
            && !self.paused
            && self.closed_until == Moment::START
            && self.tiers.are_empty()
    }

    /// Whether what may keep requests waiting does not keep the next one: it goes to see how full the window is.
    #[inline(never)]
    fn lets_through(&self) -> bool {
        !self.paused && self.closed_until == Moment::START && self.seeding != Seeding::Asked
    }
}
