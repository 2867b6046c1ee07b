//! The limits of one key, and the line before them.

mod turns;

use crate::book::line::Line;
use crate::book::memory::Memory;
use crate::book::waiter::Claim;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::Start;
use crate::server::clock::ServerClock;
use crate::shape::rolling::{Correction, Ending, Held, Places, Rolling};
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
    /// None as long as there is nothing to remember.
    pub(crate) memory: Option<Box<Memory>>,
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
            memory: None,
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

    /// Ends what [`take`](Self::take) began.
    #[inline]
    pub(crate) fn end(&mut self, terms: &AllTerms, now: Moment, held: Held, ending: Ending) {
        let server = Memory::server_of(self.memory.as_deref());
        self.tiers.end(terms, server, now, held, ending);
        if self.seeding == Seeding::Asked {
            self.seeding = Seeding::Unknown;
        }
    }

    /// Whether nobody can say when it goes on: others will.
    pub(crate) fn is_held_up(&self) -> bool {
        self.paused || self.seeding == Seeding::Asked
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

    /// The clock of the server, as far as it is known.
    pub(crate) fn server(&self) -> &ServerClock {
        Memory::server_of(self.memory.as_deref())
    }

    pub(crate) fn memory_mut(&mut self) -> &mut Memory {
        self.memory.get_or_insert_default()
    }

    /// Begins with what each quota says. What the program before this one had in flight was abandoned when this one `began`.
    pub(crate) fn begin(&mut self, terms: &AllTerms, began: Moment) {
        let server = Memory::server_of(self.memory.as_deref());
        let seeding = &mut self.seeding;
        self.tiers
            .for_windows(terms, |terms, window| match terms.quota.starts() {
                Start::Empty => {}
                Start::Seeded => *seeding = Seeding::Unknown,
                Start::Full => {
                    let free_at = terms.abandoned(began, server);
                    window.concede(terms, window.limit(), free_at);
                }
            });
    }

    /// Takes all places to be taken by others, as those would have taken them that were abandoned at `then`.
    pub(crate) fn take_to_be_full(&mut self, terms: &AllTerms, then: Moment) {
        let server = Memory::server_of(self.memory.as_deref());
        self.tiers.for_windows(terms, |terms, window| {
            let free_at = terms.abandoned(then, server);
            window.concede(terms, window.limit(), free_at);
        });
    }

    /// Sets right what a request has cost. Says what it counts for now.
    pub(crate) fn correct(&mut self, terms: &AllTerms, now: Moment, by: Correction) -> u32 {
        let server = Memory::server_of(self.memory.as_deref());
        let cost = self.tiers.correct(terms, server, now, by);
        if by.cost < by.before && self.key.is_some() {
            // It may be set right again, and must be found then.
            let free_at = terms.corrected(by, server);
            self.memory_mut().keep_until(free_at);
        }
        cost
    }

    /// Whether it can be forgotten: made anew, it would be the same, but for what the server has said.
    pub(crate) fn is_idle(&self, terms: &AllTerms, now: Moment) -> bool {
        self.members() == 0
            && !self.paused
            && self.closed_until == Moment::START
            && self.tiers.are_empty()
            && self.memory.as_ref().is_none_or(|memory| {
                memory.corrected_until <= now && !(memory.is_set && self.tiers.are_changed(terms))
            })
    }

    /// Whether the server has said what the limit is.
    pub(crate) fn has_adopted(&self) -> bool {
        let memory = self.memory.as_ref();
        memory.is_some_and(|memory| memory.adopted_at > 0)
    }

    /// Whether what may keep requests waiting does not keep the next one: it goes to see how full the window is.
    #[inline(never)]
    fn lets_through(&self) -> bool {
        !self.paused && self.closed_until == Moment::START && self.seeding != Seeding::Asked
    }
}
