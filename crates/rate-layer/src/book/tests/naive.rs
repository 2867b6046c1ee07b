//! What a book should do, by somebody who keeps a list of everything that ever happened.

use std::time::Duration;

use crate::lane::Lane;
use crate::quota::{Quota, Quotas, Tier};
use crate::shape::rolling::Ending;

/// A list of all requests, and what holds for each window now.
#[derive(Debug, Default)]
pub(super) struct Naive {
    pub(super) windows: Vec<Limits>,
    pub(super) requests: Vec<Request>,
}

/// What holds for one window.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) tiers: Vec<(Quota, u32)>,
    pub(super) paused: bool,
    pub(super) closed_until: u64,
}

/// One request that was admitted.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) call: usize,
    pub(super) lane: Lane,
    /// By rule: a window, and what it was admitted for there.
    pub(super) wants: Vec<(usize, u32)>,
    admitted: u64,
    departed: Option<u64>,
    ended: Option<(u64, Ending)>,
    /// What it turned out to cost by each rule of which that was said, and when that became known.
    corrected: Option<(u64, Vec<Option<u32>>)>,
    /// What the limits were when it was admitted, by window and tier.
    limits: Vec<Vec<u32>>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("short")
}

impl Limits {
    fn new(quotas: &Quotas) -> Self {
        let tiers = quotas.tiers().iter().map(|tier| match tier {
            Tier::Window(quota) => (*quota, quota.limit()),
            Tier::Pace(_) => panic!("no paces here"),
        });
        Self {
            tiers: tiers.collect(),
            paused: false,
            closed_until: 0,
        }
    }

    fn is_silent(&self, now: u64) -> bool {
        self.paused || self.closed_until > now
    }

    /// What the rest may hold of a tier.
    fn for_rest(&(quota, limit): &(Quota, u32)) -> u32 {
        limit - quota.reserved().min(limit - 1)
    }

    /// What a request may cost at the most.
    pub(super) fn most(&self, lane: Lane) -> u32 {
        let most = self.tiers.iter().map(|tier| match lane {
            Lane::First => tier.1,
            Lane::Rest => Self::for_rest(tier),
        });
        most.min().expect("there is a tier")
    }
}

impl Request {
    /// When its place frees; not known as long as it is in flight.
    fn free_at(&self, quota: &Quota) -> Option<u64> {
        let hold = millis(quota.hold());
        let by_departure = quota
            .after_departure()
            .and_then(|after| Some(self.departed? + millis(after)));
        let by_end = self.ended.map(|(at, ending)| match ending {
            Ending::Answered => at + hold,
            Ending::Abandoned => at + millis(quota.after_abandonment()),
            Ending::NeverLeft => at,
        });
        match (by_departure, by_end) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What it costs in a window, by all rules together, as it is known by then.
    fn cost_in(&self, window: usize, known_at: u64) -> u32 {
        let known = self.corrected.as_ref().filter(|known| known.0 <= known_at);
        let by_rule = self.wants.iter().enumerate().map(|(rule, &(other, cost))| {
            let told = known.and_then(|(_, told)| *told.get(rule)?);
            (other, told.unwrap_or(cost))
        });
        let here = by_rule.filter(|&(other, _)| other == window);
        here.map(|(_, cost)| cost).sum()
    }

    /// Whether the server may count it in one window with something that departs at `departed`.
    fn may_count_with(&self, quota: &Quota, departed: u64) -> bool {
        if self.departed.is_none() || matches!(self.ended, Some((_, Ending::NeverLeft))) {
            return false;
        }
        let counted_by = self.free_at(quota).map(|free| free - millis(quota.hold()));
        // A clock that is slow by as much as the margin allows sees windows that are longer by it.
        let margin = millis(quota.clock_margin());
        counted_by.is_none_or(|by| by + millis(quota.window()) + margin > departed)
    }
}

impl Naive {
    pub(super) fn open(&mut self, quotas: &Quotas) {
        self.windows.push(Limits::new(quotas));
    }

    pub(super) fn admitted(&mut self, now: u64, call: usize, lane: Lane, wants: &[(usize, u32)]) {
        let limits = self.windows.iter();
        let limits = limits.map(|window| window.tiers.iter().map(|tier| tier.1).collect());
        self.requests.push(Request {
            call,
            lane,
            wants: wants.to_vec(),
            admitted: now,
            departed: None,
            ended: None,
            corrected: None,
            limits: limits.collect(),
        });
    }

    fn of(&mut self, call: usize) -> &mut Request {
        let mut requests = self.requests.iter_mut();
        requests.find(|one| one.call == call).expect("admitted")
    }

    pub(super) fn departed(&mut self, now: u64, call: usize) {
        self.of(call).departed = Some(now);
    }

    pub(super) fn ended(&mut self, now: u64, call: usize, ending: Ending) {
        self.of(call).ended = Some((now, ending));
    }

    pub(super) fn corrected(&mut self, now: u64, call: usize, costs: &[Option<u32>]) {
        self.of(call).corrected = Some((now, costs.to_vec()));
    }

    /// How many places of a tier are taken; by one lane, if it is given.
    pub(super) fn taken(&self, now: u64, window: usize, tier: usize, lane: Option<Lane>) -> u32 {
        let quota = &self.windows[window].tiers[tier].0;
        let there = self.requests.iter().filter(|one| {
            lane.is_none_or(|lane| one.lane == lane)
                && one.free_at(quota).is_none_or(|free_at| free_at > now)
        });
        there.map(|one| one.cost_in(window, now)).sum()
    }

    /// Whether those who do not go first hold nothing in any tier of the window.
    pub(super) fn rest_hold_nothing(&self, now: u64, window: usize) -> bool {
        let tiers = 0..self.windows[window].tiers.len();
        tiers
            .into_iter()
            .all(|tier| self.taken(now, window, tier, Some(Lane::Rest)) == 0)
    }

    /// Whether there is room in a window for so many places in all, and so many of the rest.
    pub(super) fn has_room(&self, now: u64, window: usize, all: u32, rest: u32) -> bool {
        let limits = &self.windows[window];
        let tiers = limits.tiers.iter().enumerate();
        let mut free = tiers.map(|(number, tier)| {
            let taken = self.taken(now, window, number, None);
            let by_rest = self.taken(now, window, number, Some(Lane::Rest));
            all + taken <= tier.1 && (rest == 0 || rest + by_rest <= Limits::for_rest(tier))
        });
        !limits.is_silent(now) && free.all(|free| free)
    }

    /// Checks every window of a server that counts each request whenever it does most harm.
    ///
    /// What turned out to cost more than was known when another one was admitted could not be foreseen, and counts as it was known.
    pub(super) fn check_against_an_adversary(&self) {
        for (at, last) in self.requests.iter().enumerate() {
            let Some(departed) = last.departed else {
                continue;
            };
            for &(window, _) in &last.wants {
                let here = last.wants.iter().filter(|want| want.0 == window);
                let cost: u32 = here.map(|want| want.1).sum();
                for (tier, (quota, _)) in self.windows[window].tiers.iter().enumerate() {
                    let before = self.requests[..at].iter();
                    let together = before.filter(|one| one.may_count_with(quota, departed));
                    let costs = together.map(|one| {
                        // What became known in the same millisecond may have come before the offer, or after.
                        let before = one.cost_in(window, last.admitted.saturating_sub(1));
                        before.min(one.cost_in(window, last.admitted))
                    });
                    let counted = costs.sum::<u32>() + cost;
                    let limit = last.limits[window][tier];
                    assert!(
                        counted <= limit,
                        "{counted} of {limit} in window {window}, tier {tier}, at {departed}"
                    );
                }
            }
        }
    }
}
