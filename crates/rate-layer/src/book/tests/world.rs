//! Requests, their callers and their server, in virtual milliseconds.
//!
//! Nobody looks but the drivers, when their alarms sound or somebody calls them, and those who wait, when somebody calls them. A
//! [`Naive`] list of everything that has happened says what should be.
//!
//! | module | what it is about |
//! | --- | --- |
//! | `plan` | what requests will do, and what happens to the windows |
//! | `calls` | requests and their callers: from arrival to the end |
//! | `driving` | the drivers, and the runtimes that keep them |
//! | `idle` | whether somebody waits for what is free |
//! | `checks`, `ageing` | what holds at every moment, and how long one may have to wait |
//! | `outcome` | what has come of it all |

mod ageing;
mod calls;
mod checks;
mod driving;
mod idle;
mod outcome;
mod plan;

use std::sync::Arc;

use self::calls::{Call, Stage};
use self::driving::Driver;
pub(super) use self::plan::{Change, Plan};
use super::desk::at;
use super::naive::Naive;
use crate::book::Book;
use crate::book::limiters::Id;
use crate::book::waiter::{Claim, Wakes};
use crate::moment::Moment;
use crate::quota::Quotas;

pub(super) struct World {
    book: Book,
    ids: Vec<Id>,
    naive: Naive,
    now: u64,
    calls: Vec<Call>,
    changes: Vec<(u64, usize, Change)>,
    drivers: Vec<Driver>,
    /// Runtimes that nobody drives. Whoever waits there sleeps.
    pub(super) parked: Vec<u64>,
    /// When a runtime goes, driver and all, and whoever waits there is polled on the first one from then on.
    pub(super) ends: Vec<(u64, u64)>,
    /// Whether drivers look before those who wait, within a millisecond, or after them.
    pub(super) drivers_last: bool,
    /// How often drivers have looked.
    pub(super) looks: usize,
    /// Whether those who look for no reason may.
    stir: bool,
    /// For how long a place was free, or offered in vain, that somebody awake was to have who wanted nothing else.
    pub(super) idle: u64,
    pub(super) polls: usize,
    /// Those who were admitted after they had waited.
    waited: Vec<usize>,
    /// Whether nobody may wait longer than the order of tickets allows.
    pub(super) bounded: bool,
}

/// The whole millisecond at or after `moment`, as tokio's timers round; none, if it never comes.
fn rounded(moment: Moment) -> Option<u64> {
    let nanos = moment.since(Moment::START).as_nanos();
    (moment != Moment::NEVER).then(|| u64::try_from(nanos.div_ceil(1_000_000)).expect("soon"))
}

impl World {
    pub(super) fn new<Q: Into<Quotas>>(
        quotas: impl IntoIterator<Item = Q>,
        mut plans: Vec<Plan>,
    ) -> Self {
        plans.sort_by_key(|plan| plan.arrives);
        let (mut book, mut naive) = (Book::new(at(0)), Naive::default());
        let ids = quotas.into_iter().map(|quotas| {
            let quotas = quotas.into();
            naive.open(&quotas);
            book.open(at(0), &quotas)
        });
        let ids: Vec<Id> = ids.collect();
        let calls = plans.into_iter().map(|plan| Call {
            claims: plan
                .wants
                .iter()
                .zip(0..)
                .map(|(&(window, cost), rule)| Claim {
                    rule,
                    ..Claim::new(ids[window], cost)
                })
                .collect(),
            plan,
            stage: Stage::Ahead,
            called: Arc::default(),
        });
        Self {
            calls: calls.collect(),
            book,
            ids,
            naive,
            now: 0,
            changes: Vec::new(),
            drivers: Vec::new(),
            parked: Vec::new(),
            ends: Vec::new(),
            drivers_last: false,
            looks: 0,
            stir: false,
            idle: 0,
            polls: 0,
            waited: Vec::new(),
            bounded: false,
        }
    }

    pub(super) fn changing(mut self, mut changes: Vec<(u64, usize, Change)>) -> Self {
        changes.sort_by_key(|change| std::cmp::Reverse(change.0));
        self.changes = changes;
        self
    }

    pub(super) fn run(mut self) -> Self {
        while let Some(next) = self.next() {
            if (0..self.ids.len()).any(|window| self.is_idle(window)) {
                self.idle += next - self.now;
            }
            self.now = next;
            while self.changes.last().is_some_and(|change| change.0 <= next) {
                let (_, window, change) = self.changes.pop().expect("there is one");
                self.change(window, change);
            }
            self.end_runtimes();
            self.stir = true;
            // Each may wake others in the same millisecond.
            loop {
                let mut acted = false;
                for drivers in [!self.drivers_last, self.drivers_last] {
                    acted |= match drivers {
                        true => self.drive(),
                        false => (0..self.calls.len()).filter(|&call| self.act(call)).count() > 0,
                    };
                }
                if !acted {
                    break;
                }
                self.stir = false;
            }
            self.check_agenda();
            self.check_places();
            self.check_lanes();
            self.note_who_has_aged();
        }
        self.naive.check_against_an_adversary();
        self
    }

    /// When something happens next, except to those who sleep.
    fn next(&self) -> Option<u64> {
        let due = self.calls.iter().filter_map(|call| match call.stage {
            Stage::Ahead => Some(call.plan.arrives),
            Stage::Waits { .. } => call.plan.cancelled,
            Stage::Admitted { at } => Some(at + call.plan.lingers),
            Stage::Departed { ends, .. } => Some(ends),
            Stage::Over { .. } => None,
        });
        let due = due.chain(self.changes.last().map(|change| change.0));
        let due = due.chain(self.ends.iter().map(|end| end.0));
        let driven = self
            .drivers
            .iter()
            .filter(|one| self.is_driven(one.runtime));
        let due = due.chain(driven.filter_map(|driver| rounded(driver.alarm)));
        due.min().map(|due| due.max(self.now))
    }

    fn change(&mut self, window: usize, change: Change) {
        let (now, id) = (at(self.now), self.ids[window]);
        let mut wakes = Wakes::default();
        let limits = &mut self.naive.windows[window];
        match change {
            Change::Limit(limit) => {
                limits.tiers[0].1 = limit;
                let length = limits.tiers[0].0.window();
                self.book
                    .set_limit(now, id, Some(length), limit, &mut wakes);
            }
            Change::Pause => {
                limits.paused = true;
                self.book.pause(now, id, &mut wakes);
            }
            Change::Resume => {
                limits.paused = false;
                self.book.resume(now, id, &mut wakes);
            }
            Change::Throttled(millis) => {
                limits.closed_until = limits.closed_until.max(self.now + millis);
                let until = Some(at(self.now + millis));
                self.book.throttled(now, id, until, &mut wakes);
            }
        }
        wakes.fire();
    }
}
