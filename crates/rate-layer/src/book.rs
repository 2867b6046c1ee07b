//! Windows that requests may take together, and everybody who waits for them: who gets a place.
//!
//! Nothing here runs by itself. What is due is seen to when somebody looks: at every arrival, at every end of a request, whenever
//! one who waits is polled, and by the drivers at every moment at which something may happen ([`drive`]).
//!
//! | module | what it decides |
//! | --- | --- |
//! | `admit`, `wait`, `end` | who gets a place, who waits for one, and what becomes of it |
//! | `claims` | what a request wants, and which of it is whose |
//! | `limiters`, `limiter` | the windows, by number; the limits of one key, and the line before them |
//! | `memory` | what those limits remember beside their places |
//! | `line`, `waiter`, `waiters` | who waits, in which order, who has been offered a place |
//! | `serve` | who is offered what has become free |
//! | `events`, `agenda` | when something may happen next in a line, and in which |
//! | `deadlines` | whose patience ends when |
//! | `drive`, `drivers` | who looks after the lines: a task on each runtime on which somebody waits |
//! | `lend` | what threads have in hand, so that they need not ask |
//! | `answer`, `unheard` | what the server says of its limits, and what of it nobody heeds |
//! | `control` | what the program changes while requests wait |
//! | `reading` | what there is to see |
//! | `keys` | which window belongs to a key, and which may be forgotten |

mod admit;
mod agenda;
mod answer;
pub(crate) mod claims;
mod control;
mod deadlines;
mod drive;
pub(crate) mod drivers;
mod end;
mod events;
pub(crate) mod keys;
mod lend;
pub(crate) mod limiter;
pub(crate) mod limiters;
mod line;
mod memory;
pub(crate) mod outcome;
mod reading;
mod serve;
mod unheard;
mod wait;
pub(crate) mod waiter;
mod waiters;

use self::agenda::Agenda;
#[cfg(not(loom))]
pub(crate) use self::answer::Answer;
use self::deadlines::Deadlines;
use self::drivers::Drivers;
use self::keys::Keys;
use self::limiter::Limiter;
use self::limiters::{Id, Limiters};
use self::outcome::Tally;
use self::unheard::Unheard;
use self::waiter::Claim;
use self::waiters::Waiters;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::Quotas;
use crate::shape::sight::Turn;
use crate::shape::tiers::{AllTerms, Tiers};

/// Windows under one lock, and who waits for them.
#[derive(Debug)]
pub(crate) struct Book {
    groups: Vec<Group>,
    limiters: Limiters,
    waiters: Waiters,
    agenda: Agenda,
    deadlines: Deadlines,
    drivers: Drivers,
    admissions: u64,
    /// When the program that keeps the book began.
    began: Moment,
    /// Which purses are open, a bit each.
    pub(crate) lent: u8,
}

/// Windows of one kind.
#[derive(Debug)]
struct Group {
    terms: AllTerms,
    tally: Tally,
    /// What the log has been told that the server states, and none of the windows heeds.
    unheard: Unheard,
    keys: Option<Keys>,
}

/// Places that a request holds, as their holder remembers them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding<'a> {
    pub(crate) claims: &'a [Claim],
    pub(crate) lane: Lane,
    pub(crate) departed: Option<Moment>,
}

impl Book {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            groups: Vec::new(),
            limiters: Limiters::default(),
            waiters: Waiters::default(),
            agenda: Agenda::default(),
            deadlines: Deadlines::default(),
            drivers: Drivers::default(),
            admissions: 0,
            began: now,
            lent: 0,
        }
    }

    /// Adds a window.
    pub(crate) fn open(&mut self, now: Moment, quotas: &Quotas) -> Id {
        let group = self.open_group(quotas, None);
        self.open_limiter(now, group, None)
    }

    /// Adds a kind of windows; says its number.
    fn open_group(&mut self, quotas: &Quotas, keys: Option<Keys>) -> u32 {
        self.groups.push(Group {
            terms: AllTerms::new(quotas),
            tally: Tally::default(),
            unheard: Unheard::default(),
            keys,
        });
        u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
    }

    fn open_limiter(&mut self, now: Moment, group: u32, key: Option<Box<[u8]>>) -> Id {
        let terms = &self.groups[group as usize].terms;
        let mut limiter = Limiter::new(group, Tiers::new(terms, now), now);
        limiter.key = key;
        limiter.begin(terms, self.began);
        self.limiters.insert(limiter)
    }

    /// Whether nobody can say when requests for these windows go on.
    #[inline]
    pub(crate) fn are_held_up(&self, claims: &[Claim]) -> bool {
        claims
            .iter()
            .any(|claim| self.limiters.has(claim.id) && self.limiters[claim.id.index].is_held_up())
    }

    /// Whether somebody waits for this window.
    #[inline]
    pub(crate) fn is_waited_for(&self, id: Id) -> bool {
        self.waiters.len() > 0 && self.limiters.has(id) && self.limiters[id.index].members() > 0
    }

    /// The number of the last admission.
    pub(crate) fn admissions(&self) -> u64 {
        self.admissions
    }

    fn newcomers_turn(&self, now: Moment, claim: &Claim, lane: Lane) -> Turn {
        let limiter = &self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        let (places, requests) = limiter.with_newcomer(lane, claim.cost);
        let alone = (requests, claim.cost);
        limiter.turn_in_line(terms, now, lane, places, alone)
    }

    /// A moment that [`newcomers_turn`](Self::newcomers_turn) is not after, where that is simple to say.
    fn newcomers_turn_at_the_latest(
        &self,
        now: Moment,
        claim: &Claim,
        lane: Lane,
    ) -> Option<Moment> {
        let limiter = &self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        limiter.newcomers_turn_at_the_latest(terms, now, lane, claim.cost)
    }

    /// When a request that comes now could be admitted, if all before it are served and nothing is given back.
    pub(crate) fn turn_of_newcomer(&self, now: Moment, claims: &[Claim], lane: Lane) -> Moment {
        let there = claims.iter().filter(|claim| self.limiters.has(claim.id));
        let turns = there.map(|claim| self.newcomers_turn(now, claim, lane).at);
        turns.max().unwrap_or(now)
    }

    fn tally(&mut self, claims: &[Claim], count: impl Fn(&mut Tally)) {
        for claim in claims {
            if self.limiters.has(claim.id) {
                let limiter = &self.limiters[claim.id.index];
                count(&mut self.groups[limiter.group as usize].tally);
            }
        }
    }
}

// Named, since it is long.
#[cfg(all(test, not(loom)))]
mod tests;
