//! Windows that requests may take together, and everybody who waits for them: who gets a place.
//!
//! Nothing here runs by itself. What is due is seen to when somebody looks: at every arrival, at every end of a request, and
//! when a waiter's own timer has it look ([`lookouts`]).
//!
//! | module | what it decides |
//! | --- | --- |
//! | `limiters`, `limiter` | the windows, by number; the limits of one key, and the line before them |
//! | `line`, `waiter`, `waiters` | who waits, in which order, who has been offered a place |
//! | `serve` | who is offered what has become free |
//! | `lookouts` | who looks after a line, and when |
//! | `answer` | what the server says of its limits |
//! | `control` | what the program changes while requests wait |
//! | `keys` | which window belongs to a key, and which may be forgotten |

mod answer;
mod control;
pub(crate) mod keys;
pub(crate) mod limiter;
pub(crate) mod limiters;
mod line;
mod lookouts;
pub(crate) mod outcome;
mod serve;
pub(crate) mod waiter;
mod waiters;

use std::slice;
use std::task::Waker;

#[cfg(not(loom))]
pub(crate) use self::answer::Answer;
use self::keys::Keys;
use self::limiter::{Limiter, Seeding};
use self::limiters::{Id, Limiters};
use self::outcome::{Denied, Joined, Leaving, Look, Patience, Reading, Tally};
use self::waiter::{Claim, Claims, Standing, Ticket, Waiter, Wakes};
use self::waiters::Waiters;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::{Quotas, Start, Tier};
use crate::server::clock::ServerClock;
use crate::shape::rolling::{Correction, Ending, Held, Places};
use crate::shape::tiers::{AllTerms, Tiers};

/// By how many parts in a million the server's clock may differ from ours in rate, as far as the bounds of its windows go.
const DRIFT: u32 = 1000;

/// Windows under one lock, and who waits for them.
#[derive(Debug)]
pub(crate) struct Book {
    groups: Vec<Group>,
    limiters: Limiters,
    waiters: Waiters,
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

    /// Admits where no clock is needed for it: there is room, and nobody stands in line.
    #[inline]
    pub(crate) fn admit_unseen(&mut self, claims: &mut [Claim], lane: Lane) -> bool {
        if let [claim] = claims {
            return self.admit_one_unseen(claim, lane);
        }
        self.admit_several_unseen(claims, lane)
    }

    #[inline(never)]
    fn admit_several_unseen(&mut self, claims: &mut [Claim], lane: Lane) -> bool {
        let free = claims.iter().all(|claim| {
            if !self.limiters.has(claim.id) {
                return false;
            }
            let limiter = &self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            let wanted = Places::of_first(claim.cost);
            !terms.need_the_time()
                && limiter.is_open_to(lane)
                && limiter.has_room(terms, lane, wanted)
        });
        if free {
            self.admitted(claims, lane);
        }
        free
    }

    /// The same for a request that wants one thing, as most do.
    #[inline(always)]
    pub(crate) fn admit_one_unseen(&mut self, claim: &mut Claim, lane: Lane) -> bool {
        let Some(limiter) = self.limiters.at_mut(claim.id) else {
            return false;
        };
        let group = &mut self.groups[limiter.group as usize];
        let is_taken = limiter.take_if_free(&group.terms, lane, claim);
        if is_taken {
            group.tally.admitted += 1;
            self.admissions += 1;
        }
        is_taken
    }

    /// Admits at once, or says when.
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        claims: &mut [Claim],
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<(), Denied> {
        let denied = match self.decide(now, claims, lane, wakes) {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        self.tally(claims, |tally| tally.refused += 1);
        Err(self.unless_held_up(claims, denied))
    }

    /// What `denied` says; of when, nothing, where nobody knows the end of what keeps requests waiting.
    #[inline]
    fn unless_held_up(&self, claims: &[Claim], denied: Denied) -> Denied {
        match denied {
            Denied::TooLate(_) if self.are_held_up(claims) => Denied::TooLate(Moment::NEVER),
            denied => denied,
        }
    }

    /// Whether nobody can say when requests for these windows go on.
    #[inline]
    pub(crate) fn are_held_up(&self, claims: &[Claim]) -> bool {
        claims
            .iter()
            .any(|claim| self.limiters.has(claim.id) && self.limiters[claim.id.index].is_held_up())
    }

    /// The same for a request that wants one thing, as most do.
    #[inline(always)]
    pub(crate) fn admit_one(
        &mut self,
        now: Moment,
        claim: &mut Claim,
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<(), Denied> {
        match self.decide_alone(now, claim, lane) {
            Some(Ok(())) => Ok(()),
            Some(Err(denied)) => {
                self.tally(slice::from_ref(claim), |tally| tally.refused += 1);
                Err(self.unless_held_up(slice::from_ref(claim), denied))
            }
            None => self.admit(now, slice::from_mut(claim), lane, wakes),
        }
    }

    /// Admits at once, or puts the request in line, with its waker. Where the request does not wait, the waker stays where it is.
    pub(crate) fn join(
        &mut self,
        now: Moment,
        claims: &mut Claims,
        lane: Lane,
        patience: Patience,
        waker: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Result<Joined, Denied> {
        let denied = match self.decide(now, claims, lane, wakes) {
            Ok(()) => return Ok(Joined::Admitted),
            Err(Denied::TooLate(turn)) if turn <= patience.until => {
                let members = |claim: &Claim| self.limiters[claim.id.index].members();
                if claims.iter().all(|claim| members(claim) < patience.queue) {
                    return Ok(self.stand_in_line(now, claims.clone(), lane, waker));
                }
                Denied::Full(turn)
            }
            Err(denied) => denied,
        };
        self.tally(claims, |tally| tally.refused += 1);
        Err(denied)
    }

    fn stand_in_line(
        &mut self,
        now: Moment,
        claims: Claims,
        lane: Lane,
        waker: &mut Option<Waker>,
    ) -> Joined {
        self.tally(&claims, |tally| tally.waited += 1);
        // Of those that keep it waiting, the one that will for longest: so it is passed over least.
        let lacking = |&at: &usize| !self.is_available(&claims[at], lane, claims.len() == 1);
        let turn = |&at: &usize| self.newcomers_turn(now, &claims[at], lane);
        let claim = match claims.len() {
            1 => 0,
            all => (0..all)
                .filter(lacking)
                .max_by_key(turn)
                .unwrap_or_default(),
        };
        for claim in &claims {
            self.limiters[claim.id.index].line_mut().enroll();
        }
        let at = claims[claim];
        let ticket = self.waiters.insert(Waiter {
            claims,
            lane,
            stands_with: lane,
            standing: Standing::InLine(claim),
            fronts: 0,
            alarm: Moment::NEVER,
            waker: None,
        });
        let line = self.limiters[at.id.index].line_mut();
        line.stand(lane, ticket, at.cost);
        let alarm = self.alarm(now, ticket);
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.alarm = alarm;
            waiter.waker = waker.take();
        }
        Joined::Waits { ticket, alarm }
    }

    /// Has a waiter look after its line, and take what it has been offered: then `claims` are what it holds.
    pub(crate) fn look(
        &mut self,
        now: Moment,
        ticket: Ticket,
        claims: &mut Claims,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Look {
        self.revive(ticket);
        let offered = |waiter: &Waiter| matches!(waiter.standing, Standing::Offered { .. });
        if self.waiters.get(&ticket).is_some_and(offered) {
            // Late or not: as long as nobody has passed them on, the places are its own.
            let look = self.see(now, ticket, claims, false, waker, wakes);
            self.tend(now, claims, wakes);
            return look;
        }
        let changed = self.serve_all_of(now, claims, wakes);
        let look = self.see(now, ticket, claims, !changed.is_empty(), waker, wakes);
        self.call_lookouts_of(now, &changed, wakes);
        look
    }

    fn see(
        &mut self,
        now: Moment,
        ticket: Ticket,
        claims: &mut Claims,
        changed: bool,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Look {
        let standing = self.waiters.get(&ticket).map(|waiter| waiter.standing);
        match standing {
            Some(Standing::Offered { .. }) => {
                if let Some(waiter) = self.remove(ticket, wakes) {
                    *claims = waiter.claims;
                }
                wakes.retire(Some(waker));
                self.tally(claims, |tally| tally.admitted += 1);
                return Look::Admitted;
            }
            Some(Standing::Hopeless) => {
                let lane = self.waiters[&ticket].lane;
                self.remove(ticket, wakes);
                wakes.retire(Some(waker));
                self.tally(claims, |tally| tally.refused += 1);
                return Look::Never(self.most(claims, lane));
            }
            _ => {}
        }
        let alarm = match self.next_event_of(now, ticket) {
            event if changed && event != Moment::NEVER => event,
            _ => self.alarm(now, ticket),
        };
        Look::Until(self.rest(now, ticket, alarm, waker, wakes))
    }

    /// Takes a waiter out of its line; what it has been offered goes to the next.
    pub(crate) fn leave(
        &mut self,
        now: Moment,
        ticket: Ticket,
        leaving: Leaving,
        wakes: &mut Wakes,
    ) {
        let Some(waiter) = self.remove(ticket, wakes) else {
            return;
        };
        let claims = &waiter.claims;
        if leaving == Leaving::OutOfPatience {
            self.tally(claims, |tally| tally.refused += 1);
        }
        if matches!(waiter.standing, Standing::Offered { .. }) {
            self.give_back(now, claims, waiter.lane);
        }
        self.tend_freed(now, claims, wakes);
    }

    /// Notes that admitted places depart. Says when they have: it is never before what the windows have seen.
    pub(crate) fn depart(&mut self, now: Moment, claims: &[Claim], lane: Lane) -> Moment {
        let now = self.no_earlier(now, claims);
        for claim in claims {
            if !self.limiters.has(claim.id) {
                continue;
            }
            let limiter = &mut self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.tiers.depart(terms, now, lane, claim.cost);
        }
        now
    }

    /// Ends admitted places.
    #[inline]
    pub(crate) fn end(
        &mut self,
        now: Moment,
        holding: Holding<'_>,
        ending: Ending,
        wakes: &mut Wakes,
    ) {
        let is_ended = match (holding.claims, holding.departed, ending) {
            ([claim], None, Ending::Answered) => self.answer_one(now, claim, holding.lane),
            _ => false,
        };
        if !is_ended {
            self.end_any(now, Holding { ..holding }, ending, wakes);
        }
    }

    /// Ends the place of an answered request where it is one of one window, and nobody waits for it, as with most. Says whether
    /// it is.
    #[inline]
    fn answer_one(&mut self, now: Moment, claim: &Claim, lane: Lane) -> bool {
        let Some(limiter) = self.limiters.at_mut(claim.id) else {
            return false;
        };
        let terms = &self.groups[limiter.group as usize].terms;
        if limiter.members() > 0 || limiter.seeding != Seeding::Known {
            return false;
        }
        let window = limiter.tiers.only_window_mut(terms);
        window.is_some_and(|(terms, window)| {
            window.answered(terms, &self.server, now, lane, claim.cost);
            true
        })
    }

    #[inline(never)]
    fn end_any(&mut self, now: Moment, holding: Holding<'_>, ending: Ending, wakes: &mut Wakes) {
        self.note_unanswered(holding.claims, ending);
        let claims = holding.claims;
        let mut somebody_waits = self.end_all(now, holding, ending);
        if ending == Ending::Answered {
            somebody_waits |= self.seed_unheard(now, claims, wakes);
        }
        if somebody_waits {
            self.tend_freed(now, claims, wakes);
        }
    }

    fn note_unanswered(&mut self, claims: &[Claim], ending: Ending) {
        match ending {
            Ending::Answered => {}
            Ending::Abandoned => self.tally(claims, |tally| tally.abandoned += 1),
            Ending::NeverLeft => self.tally(claims, |tally| tally.given_back += 1),
        }
    }

    /// Sets right what an answered request has cost. Says what it counts for now.
    pub(crate) fn correct(
        &mut self,
        now: Moment,
        claim: Claim,
        by: Correction,
        wakes: &mut Wakes,
    ) -> u32 {
        if !self.limiters.has(claim.id) {
            return by.cost;
        }
        let limiter = &mut self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        let cost = limiter.tiers.correct(terms, &self.server, now, by);
        self.tend_freed(now, &[claim], wakes);
        cost
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
            next_free: self.newcomers_turn(now, &Claim::new(id, 1), Lane::Rest),
            tally: self.groups[self.limiters[id.index].group as usize].tally,
        })
    }

    /// The number of the last admission.
    pub(crate) fn admissions(&self) -> u64 {
        self.admissions
    }

    fn newcomers_turn(&self, now: Moment, claim: &Claim, lane: Lane) -> Moment {
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
        limiter
            .turn_in_line(terms, &self.server, now, lane, places, alone)
            .at
    }

    fn decide(
        &mut self,
        now: Moment,
        claims: &mut [Claim],
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<(), Denied> {
        if let [claim] = claims
            && let Some(outcome) = self.decide_alone(now, claim, lane)
        {
            return outcome;
        }
        let lacks = |claim: &Claim| claim.cost > self.most(slice::from_ref(claim), lane);
        if let Some(claim) = claims.iter().find(|claim| lacks(claim)) {
            return Err(Denied::Never(self.most(slice::from_ref(claim), lane)));
        }
        self.tend(now, claims, wakes);
        let alone = claims.len() == 1;
        let free = |claim: &Claim| self.is_available(claim, lane, alone);
        if claims.iter().all(free) {
            self.admitted(claims, lane);
            return Ok(());
        }
        Err(Denied::TooLate(self.turn_of_newcomer(now, claims, lane)))
    }

    /// The same for a request that wants one thing for which nobody waits, as most do: no line is to be looked at. `None` where
    /// there is one.
    #[inline(always)]
    fn decide_alone(
        &mut self,
        now: Moment,
        claim: &mut Claim,
        lane: Lane,
    ) -> Option<Result<(), Denied>> {
        let limiter = self.limiters.at_mut(claim.id)?;
        if limiter.members() > 0 {
            return None;
        }
        let group = &mut self.groups[limiter.group as usize];
        let most = limiter.tiers.most(&group.terms, lane);
        if claim.cost > most {
            return Some(Err(Denied::Never(most)));
        }
        limiter.expire(&group.terms, now);
        if limiter.has_room(&group.terms, lane, Places::of_first(claim.cost)) {
            limiter.take(&group.terms, lane, claim);
            group.tally.admitted += 1;
            self.admissions += 1;
            return Some(Ok(()));
        }
        let places = Places::of_first(claim.cost);
        let turn = limiter.turn(&group.terms, &self.server, now, lane, places);
        Some(Err(Denied::TooLate(turn.at)))
    }

    /// When a request that comes now could be admitted, if all before it are served and nothing is given back.
    pub(crate) fn turn_of_newcomer(&self, now: Moment, claims: &[Claim], lane: Lane) -> Moment {
        let there = claims.iter().filter(|claim| self.limiters.has(claim.id));
        let turns = there.map(|claim| self.newcomers_turn(now, claim, lane));
        turns.max().unwrap_or(now)
    }

    /// What a request of `lane` may cost at the most in each of the windows.
    fn most(&self, claims: &[Claim], lane: Lane) -> u32 {
        let most = claims.iter().map(|claim| {
            let limiter = &self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.tiers.most(terms, lane)
        });
        most.min().unwrap_or(u32::MAX)
    }

    fn admitted(&mut self, claims: &mut [Claim], lane: Lane) {
        self.take(claims, lane);
        self.tally(claims, |tally| tally.admitted += 1);
    }

    fn take(&mut self, claims: &mut [Claim], lane: Lane) {
        self.admissions += 1;
        for claim in claims {
            let limiter = &mut self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.take(terms, lane, claim);
        }
    }

    fn give_back(&mut self, now: Moment, claims: &[Claim], lane: Lane) {
        let holding = Holding {
            claims,
            lane,
            departed: None,
        };
        self.end_all(now, holding, Ending::NeverLeft);
    }

    /// Ends places, without a look at who waits for them. Says whether anybody does.
    fn end_all(&mut self, now: Moment, holding: Holding<'_>, ending: Ending) -> bool {
        let mut somebody_waits = false;
        for claim in holding.claims {
            // What is gone by now had nothing in it that counts.
            let Some(limiter) = self.limiters.at_mut(claim.id) else {
                continue;
            };
            let terms = &self.groups[limiter.group as usize].terms;
            let held = Held {
                lane: holding.lane,
                cost: claim.cost,
                departed: holding.departed,
            };
            limiter.end(terms, &self.server, now, held, ending);
            somebody_waits |= limiter.members() > 0;
        }
        somebody_waits
    }

    /// Clocks are read before the lock is taken. What a window has seen since then does not become unseen.
    fn no_earlier(&self, now: Moment, claims: &[Claim]) -> Moment {
        let there = claims.iter().filter(|claim| self.limiters.has(claim.id));
        let seen = there.map(|claim| self.limiters[claim.id.index].tiers.seen());
        seen.fold(now, Moment::max)
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
