//! Windows that requests may take together, and everybody who waits for them: who gets a place.
//!
//! Nothing here runs by itself. What is due is seen to when somebody looks: at every arrival, at every end of a request, whenever
//! one who waits is polled, and by the drivers at every moment at which something may happen ([`drive`]).
//!
//! | module | what it decides |
//! | --- | --- |
//! | `admit`, `wait`, `end` | who gets a place, who waits for one, and what becomes of it |
//! | `limiters`, `limiter` | the windows, by number; the limits of one key, and the line before them |
//! | `line`, `waiter`, `waiters` | who waits, in which order, who has been offered a place |
//! | `serve` | who is offered what has become free |
//! | `events`, `agenda` | when something may happen next in a line, and in which |
//! | `deadlines` | whose patience ends when |
//! | `drive`, `drivers` | who looks after the lines: a task on each runtime on which somebody waits |
//! | `answer` | what the server says of its limits |
//! | `control` | what the program changes while requests wait |
//! | `keys` | which window belongs to a key, and which may be forgotten |

mod admit;
mod agenda;
mod answer;
mod control;
mod deadlines;
mod drive;
pub(crate) mod drivers;
mod end;
mod events;
pub(crate) mod keys;
pub(crate) mod limiter;
pub(crate) mod limiters;
mod line;
pub(crate) mod outcome;
mod serve;
mod wait;
pub(crate) mod waiter;
mod waiters;

use self::agenda::Agenda;
#[cfg(not(loom))]
pub(crate) use self::answer::Answer;
use self::deadlines::Deadlines;
use self::drivers::Drivers;
use self::keys::Keys;
use self::limiter::{Limiter, Seeding};
use self::limiters::{Id, Limiters};
use self::outcome::{Reading, Tally};
use self::waiter::{Claim, Ticket};
use self::waiters::Waiters;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::{Quotas, Start, Tier};
use crate::server::clock::ServerClock;
use crate::shape::rolling::Places;
use crate::shape::sight::Turn;
use crate::shape::tiers::{AllTerms, Tiers};

/// By how many parts in a million the server's clock may differ from ours in rate, as far as the bounds of its windows go.
const DRIFT: u32 = 1000;

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
    server: ServerClock,
    /// How many windows follow the server's clock. Where there are several, their servers may differ: then nothing is learned, and
    /// places are held as in a rolling window.
    aligned: u32,
    /// When the program that keeps the book began.
    began: Moment,
}

/// Windows of one kind.
#[derive(Debug)]
struct Group {
    terms: AllTerms,
    start: Start,
    tally: Tally,
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
            server: ServerClock::new(DRIFT),
            aligned: 0,
            began: now,
        }
    }

    /// Adds a window.
    pub(crate) fn open(&mut self, now: Moment, quotas: &Quotas) -> Id {
        let group = self.open_group(quotas, None);
        self.open_limiter(now, group, None)
    }

    /// Adds a kind of windows; says its number.
    fn open_group(&mut self, quotas: &Quotas, keys: Option<Keys>) -> u32 {
        let starts = |wanted: Start| {
            let mut tiers = quotas.tiers().iter();
            tiers.any(|tier| matches!(tier, Tier::Window(quota) if quota.starts() == wanted))
        };
        let start = match (starts(Start::Seeded), starts(Start::Full)) {
            (true, _) => Start::Seeded,
            (_, true) => Start::Full,
            _ => Start::Empty,
        };
        self.groups.push(Group {
            terms: AllTerms::new(quotas),
            start,
            tally: Tally::default(),
            keys,
        });
        u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
    }

    fn open_limiter(&mut self, now: Moment, group: u32, key: Option<Box<[u8]>>) -> Id {
        let Group { terms, start, .. } = &self.groups[group as usize];
        let mut limiter = Limiter::new(group, Tiers::new(terms, now), now);
        limiter.key = key;
        let began = self.began;
        match start {
            Start::Empty => {}
            Start::Seeded => limiter.seeding = Seeding::Unknown,
            // What the program before this one had in flight is abandoned.
            Start::Full => limiter.tiers.for_windows(terms, |terms, window| {
                let free_at = terms.abandoned(began, &self.server);
                window.concede(terms, window.limit(), free_at);
            }),
        }
        if terms.are_aligned() {
            self.aligned += 1;
            self.server = ServerClock::new(DRIFT);
        }
        self.limiters.insert(limiter)
    }

    /// Whether nobody can say when requests for these windows go on.
    #[inline]
    pub(crate) fn are_held_up(&self, claims: &[Claim]) -> bool {
        claims
            .iter()
            .any(|claim| self.limiters.has(claim.id) && self.limiters[claim.id.index].is_held_up())
    }

    /// What there is to see at `now`.
    pub(crate) fn reading(&mut self, now: Moment, id: Id) -> Option<Reading> {
        if !self.limiters.has(id) {
            return None;
        }
        let limiter = &mut self.limiters[id.index];
        let group = &self.groups[limiter.group as usize];
        limiter.expire(&group.terms, now);
        // The tightest tells most.
        let window = limiter.tiers.windows().min_by_key(|window| window.room());
        let (limit, closing, in_flight) = window.map_or((0, 0, 0), |window| {
            (window.limit(), window.closing(), window.in_flight())
        });
        Some(Reading {
            limit,
            closing,
            in_flight,
            waiting: limiter.members(),
            paused: limiter.paused,
            next_free: self.newcomers_turn(now, &Claim::new(id, 1), Lane::Rest).at,
            tally: self.groups[self.limiters[id.index].group as usize].tally,
        })
    }

    /// The number of the last admission.
    pub(crate) fn admissions(&self) -> u64 {
        self.admissions
    }

    fn newcomers_turn(&self, now: Moment, claim: &Claim, lane: Lane) -> Turn {
        let limiter = &self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        let (places, requests) = match &limiter.line {
            Some(line) => {
                let before = line.ahead_in_lane(lane, Ticket::NEWCOMER);
                (line.places(lane, claim.cost), before as u64 + 1)
            }
            None => (Places::of_first(claim.cost), 1),
        };
        let alone = (requests, claim.cost);
        limiter.turn_in_line(terms, &self.server, now, lane, places, alone)
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
