//! The limits of one key, and the line before them.

use crate::book::line::Line;
use crate::book::waiter::Claim;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::server::clock::ServerClock;
use crate::shape::rolling::Places;
use crate::shape::sight::Turn;
use crate::shape::tiers::{AllTerms, Tiers};

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
    /// What the server has counted already is not known yet: requests go one at a time.
    pub(crate) seeding: bool,
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
            seeding: false,
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

    /// Whether `cost` places are free, whoever stands in line.
    #[inline]
    pub(crate) fn has_room(&self, terms: &AllTerms, lane: Lane, cost: u32) -> bool {
        (!self.is_held_back() || self.lets_through()) && self.tiers.have_room(terms, lane, cost)
    }

    /// Takes what `claim` wants if it is free, and nobody stands in line before it. Says whether it is.
    #[inline(always)]
    pub(crate) fn take_if_free(&mut self, terms: &AllTerms, lane: Lane, claim: &mut Claim) -> bool {
        if lane == Lane::First || self.line.is_some() || self.is_held_back() {
            return self.take_if_open(terms, lane, claim);
        }
        // What is left to be asked of most: whether there is room.
        let is_free = self.tiers.have_room(terms, lane, claim.cost);
        if is_free {
            self.take(terms, lane, claim);
        }
        is_free
    }

    #[inline(never)]
    fn take_if_open(&mut self, terms: &AllTerms, lane: Lane, claim: &mut Claim) -> bool {
        let is_free = self.is_open_to(lane) && self.has_room(terms, lane, claim.cost);
        if is_free {
            self.take(terms, lane, claim);
        }
        is_free
    }

    /// Whether anything but a lack of places may keep requests waiting.
    #[inline]
    fn is_held_back(&self) -> bool {
        self.paused || self.closed_until != Moment::START || self.seeding
    }

    /// Takes what `claim` wants, whether it is free or not, and notes in it what is to be known later.
    #[inline]
    pub(crate) fn take(&mut self, terms: &AllTerms, lane: Lane, claim: &mut Claim) {
        self.tiers.take(terms, lane, claim.cost);
        claim.freed = self.tiers.freed();
        claim.counts_departure = terms.count_departures();
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

    /// Whether the first of the rest goes before all: it holds nothing, and wants something.
    pub(crate) fn rest_first(&self) -> bool {
        self.has_in_line(Lane::First)
            && self.has_in_line(Lane::Rest)
            && self.tiers.rest_holds_nothing()
    }

    /// Whether a newcomer of `lane` need not look who stands in line.
    #[inline]
    pub(crate) fn is_open_to(&self, lane: Lane) -> bool {
        let Some(line) = &self.line else { return true };
        line.len() == 0 || self.may_overtake(line, lane)
    }

    /// Whether a newcomer of `lane` goes before all who stand in `line`.
    fn may_overtake(&self, line: &Line, lane: Lane) -> bool {
        match lane {
            Lane::Rest => false,
            Lane::First => {
                let rest_first = line.has(Lane::Rest) && self.tiers.rest_holds_nothing();
                !line.has(Lane::First) && !rest_first
            }
        }
    }

    pub(crate) fn has_in_line(&self, lane: Lane) -> bool {
        self.line.as_ref().is_some_and(|line| line.has(lane))
    }

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
        let is_probed = || self.tiers.windows().any(|window| window.in_flight() > 0);
        !self.paused && self.closed_until == Moment::START && !(self.seeding && is_probed())
    }
}
