//! Requests, their callers and their server, in virtual milliseconds.
//!
//! Nobody looks but the drivers, when their alarms sound or somebody calls them, and those who wait, when somebody calls them. A
//! [`Naive`] list of everything that has happened says what should be.

use std::sync::Arc;
use std::task::Waker;

use super::desk::{Flag, at};
use super::naive::Naive;
use crate::book::claims::Claims;
use crate::book::drivers::DriverId;
use crate::book::limiters::Id;
use crate::book::outcome::{Caller, Denied, Drive, Driven, Joined, Leaving, Look, Patience};
use crate::book::waiter::{Claim, Standing, Ticket, Wakes};
use crate::book::{Book, Holding};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::Quotas;
use crate::runtime::Runtime;
use crate::shape::rolling::{Correction, Ending};

/// What one request will do.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) arrives: u64,
    /// Windows, and what it costs there.
    pub(super) wants: Vec<(usize, u32)>,
    pub(super) lane: Lane,
    /// Whether it is never polled again once it waits.
    pub(super) sleeps: bool,
    /// How long it takes from admission to departure.
    pub(super) lingers: u64,
    pub(super) latency: u64,
    pub(super) ending: Ending,
    /// What it turns out to cost, if it is answered.
    pub(super) costs: Option<u32>,
    /// When its caller drops it, if it still waits.
    pub(super) cancelled: Option<u64>,
    /// Whether it looks whenever anything happens, for no reason, as one of several futures in a task does.
    pub(super) restless: bool,
    /// For how many milliseconds it waits at most.
    pub(super) patience: Option<u64>,
    /// On which runtime it is polled.
    pub(super) runtime: u64,
}

impl Plan {
    pub(super) fn at(arrives: u64) -> Self {
        Self {
            arrives,
            wants: vec![(0, 1)],
            lane: Lane::Rest,
            sleeps: false,
            lingers: 0,
            latency: 0,
            ending: Ending::Answered,
            costs: None,
            cancelled: None,
            restless: false,
            patience: None,
            runtime: 0,
        }
    }

    pub(super) fn asleep(self) -> Self {
        Self {
            sleeps: true,
            ..self
        }
    }

    fn until(&self) -> Moment {
        let patience = self.patience;
        patience.map_or(Moment::NEVER, |patience| at(self.arrives + patience))
    }

    fn wants_one_thing(&self, window: usize) -> bool {
        self.wants.len() == 1 && self.wants[0].0 == window
    }
}

/// What the program, or the server, does to a window.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Changes the limit of its first tier.
    Limit(u32),
    Pause,
    Resume,
    /// Asks for silence for so many milliseconds.
    Throttled(u64),
}

#[derive(Debug)]
pub(super) enum Stage {
    Ahead,
    Waits {
        ticket: Ticket,
        since: u64,
        /// Since when it stands in all its lines.
        aged: Option<u64>,
        /// How long it may wait at most, as it has joined and as it has aged.
        bounds: [u64; 2],
    },
    Admitted {
        at: u64,
    },
    Departed {
        at: u64,
        departed: Option<Moment>,
        ends: u64,
    },
    Over {
        admitted: Option<u64>,
        refused: bool,
    },
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) plan: Plan,
    pub(super) stage: Stage,
    claims: Claims,
    called: Arc<Flag>,
}

/// A driver, as its runtime keeps it.
#[derive(Debug)]
struct Driver {
    id: DriverId,
    runtime: u64,
    alarm: Moment,
    called: Arc<Flag>,
    has_yielded: bool,
}

pub(super) struct World {
    book: Book,
    ids: Vec<Id>,
    pub(super) naive: Naive,
    now: u64,
    pub(super) calls: Vec<Call>,
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
                .map(|&(window, cost)| Claim::new(ids[window], cost))
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

    fn is_driven(&self, runtime: u64) -> bool {
        !self.parked.contains(&runtime)
    }

    /// Keeps the driver that is to be started, as its runtime does.
    fn start(&mut self, runtime: u64, driven: Driven) {
        match driven {
            Driven::By(id) => {
                let called = Arc::<Flag>::default();
                Waker::from(Arc::clone(&called)).wake();
                self.drivers.push(Driver {
                    id,
                    runtime,
                    alarm: Moment::NEVER,
                    called,
                    has_yielded: false,
                });
            }
            Driven::Already => {
                assert!(self.drivers.iter().any(|driver| driver.runtime == runtime));
            }
            Driven::Nowhere => panic!("there is a runtime"),
        }
    }

    /// Has the drivers look whose alarms sound, or that have been called. Says whether there were some.
    fn drive(&mut self) -> bool {
        let now = self.now;
        let mut all = std::mem::take(&mut self.drivers);
        let mut acted = false;
        all.retain_mut(|driver| {
            let is_due = rounded(driver.alarm).is_some_and(|alarm| alarm <= now);
            if !self.is_driven(driver.runtime) || !(driver.called.take() || is_due) {
                return true;
            }
            acted = true;
            self.looks += 1;
            assert!(self.looks < 40_000, "they look again and again at {now}");
            let mut waker = Some(Waker::from(Arc::clone(&driver.called)));
            let mut wakes = Wakes::default();
            let is_patient = !std::mem::take(&mut driver.has_yielded);
            let drive = self
                .book
                .drive(at(now), driver.id, is_patient, &mut waker, &mut wakes);
            wakes.fire();
            match drive {
                Drive::At(next) => {
                    assert!(
                        next > at(now),
                        "an alarm that is due never stops: {:?}",
                        self.book
                    );
                    driver.alarm = next;
                }
                Drive::Soon => {
                    driver.has_yielded = true;
                    waker.expect("it is not kept").wake();
                }
                Drive::Over => {}
            }
            drive != Drive::Over
        });
        self.drivers = all;
        acted
    }

    /// Runtimes that go take their drivers with them.
    fn end_runtimes(&mut self) {
        let now = self.now;
        let ended = self.ends.extract_if(.., |end| end.0 <= now);
        for (_, runtime) in ended.collect::<Vec<_>>() {
            let mut wakes = Wakes::default();
            let gone = self
                .drivers
                .extract_if(.., |driver| driver.runtime == runtime);
            for driver in gone.collect::<Vec<_>>() {
                self.book.dismiss_driver(driver.id, &mut wakes);
            }
            wakes.fire();
            for call in self
                .calls
                .iter_mut()
                .filter(|call| call.plan.runtime == runtime)
            {
                call.plan.runtime = 0;
                Waker::from(Arc::clone(&call.called)).wake();
            }
        }
    }

    /// Each line is looked after when something may happen in it, and by all drivers that are there.
    fn check_agenda(&mut self) {
        for id in &self.ids {
            let event = self.book.next_event(at(self.now), id.index);
            let line = self.book.limiters[id.index].line.as_ref();
            let due = line.map_or(Moment::NEVER, |line| line.due());
            assert!(
                due <= event,
                "{id:?} at {}: {due:?}, not {event:?}",
                self.now
            );
        }
        let next = self.book.next();
        self.book.drivers.assert_in_time(next);
        let late = |call: &&Call| {
            let until = rounded(call.plan.until()).unwrap_or(u64::MAX);
            matches!(call.stage, Stage::Waits { .. }) && !call.plan.sleeps && until < self.now
        };
        assert!(
            !self.calls.iter().any(|call| late(&call)),
            "at {}",
            self.now
        );
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

    fn act(&mut self, number: usize) -> bool {
        let now = self.now;
        let mut wakes = Wakes::default();
        let call = &mut self.calls[number];
        let runtime = call.plan.runtime;
        let mut caller = Caller {
            waker: Some(Waker::from(Arc::clone(&call.called))),
            runtime: &|| Some(Runtime(runtime)),
        };
        let mut driven = None;
        let (plan, claims) = (&call.plan, &mut call.claims);
        let lane = plan.lane;
        let next = match call.stage {
            Stage::Ahead if plan.arrives <= now => {
                self.polls += 1;
                let patience = Patience {
                    until: plan.until(),
                    queue: usize::MAX,
                };
                let joined =
                    self.book
                        .join(at(now), claims, lane, patience, &mut caller, &mut wakes);
                match joined {
                    Ok(Joined::Admitted) => Stage::Admitted { at: now },
                    Ok(Joined::Waits { ticket, driven: by }) => {
                        driven = Some(by);
                        Stage::Waits {
                            ticket,
                            since: now,
                            aged: None,
                            bounds: [u64::MAX; 2],
                        }
                    }
                    Err(Denied::TooLate(turn)) => {
                        assert!(turn > plan.until());
                        Stage::Over {
                            admitted: None,
                            refused: false,
                        }
                    }
                    Err(Denied::Never(most)) => {
                        let lacks = |&&(window, cost): &&(usize, u32)| {
                            cost > self.naive.windows[window].most(lane)
                        };
                        assert!(plan.wants.iter().any(|want| lacks(&want)), "{most}");
                        Stage::Over {
                            admitted: None,
                            refused: true,
                        }
                    }
                    Err(denied) => panic!("{denied:?}"),
                }
            }
            Stage::Waits { ticket, .. } if plan.cancelled.is_some_and(|by| by <= now) => {
                self.book
                    .leave(at(now), ticket, Leaving::Cancelled, &mut wakes);
                Stage::Over {
                    admitted: None,
                    refused: false,
                }
            }
            Stage::Waits {
                ticket,
                since,
                aged,
                bounds,
            } if !plan.sleeps && (call.called.take() || self.stir && plan.restless) => {
                self.polls += 1;
                assert!(self.polls < 20_000, "they look again and again at {now}");
                match self
                    .book
                    .look(at(now), ticket, claims, &mut caller, &mut wakes)
                {
                    Look::Admitted => {
                        self.waited.push(number);
                        if self.bounded {
                            let [joined, old] = bounds;
                            assert!(now - since <= joined, "{number}: {joined} since {since}");
                            let waited = aged.map_or(0, |aged| now - aged);
                            assert!(waited <= old, "{number}: {old} since {aged:?}");
                        }
                        Stage::Admitted { at: now }
                    }
                    Look::Never(_) => Stage::Over {
                        admitted: None,
                        refused: true,
                    },
                    Look::OutOfPatience => {
                        assert_eq!(rounded(plan.until()), Some(now), "{number} leaves");
                        self.book
                            .leave(at(now), ticket, Leaving::OutOfPatience, &mut wakes);
                        Stage::Over {
                            admitted: None,
                            refused: false,
                        }
                    }
                    Look::Waits(by) => {
                        driven = Some(by);
                        Stage::Waits {
                            ticket,
                            since,
                            aged,
                            bounds,
                        }
                    }
                }
            }
            Stage::Admitted { at: admitted } if admitted + plan.lingers <= now => {
                let counts = claims.iter().any(|claim| claim.counts_departure);
                let departed = counts.then(|| self.book.depart(at(now), claims, lane));
                self.naive.departed(now, number);
                Stage::Departed {
                    at: admitted,
                    departed,
                    ends: now + plan.latency,
                }
            }
            Stage::Departed {
                at: admitted,
                departed,
                ends,
            } if ends <= now => {
                let holding = Holding {
                    claims,
                    lane,
                    departed,
                };
                self.naive.ended(now, number, plan.ending);
                self.book.end(at(now), holding, plan.ending, &mut wakes);
                if let (Ending::Answered, Some(cost)) = (plan.ending, plan.costs) {
                    self.naive.corrected(now, number, cost);
                    for claim in claims.iter() {
                        let by = Correction {
                            lane,
                            before: claim.cost,
                            cost,
                            departed,
                            answered: at(now),
                        };
                        self.book.correct(at(now), *claim, by, &mut wakes);
                    }
                }
                Stage::Over {
                    admitted: Some(admitted),
                    refused: false,
                }
            }
            _ => return false,
        };
        match &next {
            Stage::Admitted { .. } => {
                let plan = &self.calls[number].plan;
                self.naive.admitted(now, number, lane, &plan.wants);
            }
            Stage::Over {
                admitted: None,
                refused: true,
            } => {
                let wants = &self.calls[number].plan.wants;
                let mut wants = wants.iter();
                let lacks =
                    |&(window, cost): &(usize, u32)| cost > self.naive.windows[window].most(lane);
                assert!(wants.any(lacks), "{number} could be served");
            }
            _ => {}
        }
        self.calls[number].stage = next;
        wakes.fire();
        if let Some(driven) = driven {
            self.start(runtime, driven);
        }
        true
    }

    /// The numbers of those who wait awake, in order of their tickets.
    fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        let calls = self.calls.iter().enumerate();
        calls.filter_map(|(number, call)| {
            let waits = matches!(call.stage, Stage::Waits { .. });
            (waits && !call.plan.sleeps).then_some(number)
        })
    }

    /// Those who wait for the window, among other things, in the order in which they are to be served there.
    /// `before_all`: the first of the rest goes before those who go first.
    fn line_of(&self, window: usize, before_all: bool) -> Vec<&Plan> {
        let here = |plan: &&Plan| plan.wants.iter().any(|want| want.0 == window);
        let all: Vec<&Plan> = self
            .waiting()
            .map(|number| &self.calls[number].plan)
            .filter(here)
            .collect();
        let (first, rest): (Vec<&Plan>, Vec<&Plan>) =
            all.into_iter().partition(|plan| plan.lane == Lane::First);
        let (before, after) = rest.split_at(rest.len().min(before_all.into()));
        [before, &first, after].concat()
    }

    /// Whether one who wants nothing else should have been served in the window, behind all that is to be set aside for
    /// others.
    fn is_idle(&self, window: usize) -> bool {
        // The rest go before all only if they have not just done so: which it is, only the book knows.
        let may_go_before = self.naive.rest_hold_nothing(self.now, window);
        self.is_idle_before(window, false) && (!may_go_before || self.is_idle_before(window, true))
    }

    fn is_idle_before(&self, window: usize, before_all: bool) -> bool {
        let (mut all, mut rest) = (0, 0);
        let line = self.line_of(window, before_all);
        // One of the rest that wants several may stand with those who go first, and have places set aside: since when, only
        // the book knows.
        let goes_first = line.iter().any(|plan| plan.lane == Lane::First);
        let may_stand_there =
            |plan: &&Plan| plan.lane == Lane::Rest && !plan.wants_one_thing(window);
        if goes_first && line.iter().any(may_stand_there) {
            return false;
        }
        for plan in &line {
            let here = plan.wants.iter().find(|want| want.0 == window);
            let cost = here.expect("it is in line").1;
            if cost > self.naive.windows[window].most(plan.lane) {
                return false;
            }
            let of_rest = u32::from(plan.lane == Lane::Rest) * cost;
            if plan.wants_one_thing(window) {
                let of_rest = of_rest + u32::from(of_rest > 0) * rest;
                return self.naive.has_room(self.now, window, all + cost, of_rest);
            }
            // It may be passed over, and may be served here in another order than this one.
            if line.iter().any(|plan| plan.lane == Lane::First) {
                return false;
            }
            all += cost;
            rest += of_rest;
        }
        false
    }

    /// The book holds as many places as the requests do, and those who have been offered some.
    fn check_places(&mut self) {
        for window in 0..self.ids.len() {
            let id = self.ids[window];
            let offered = self
                .book
                .waiters
                .values()
                .filter(|waiter| matches!(waiter.standing, Standing::Offered { .. }));
            let offered: u32 = offered.map(|waiter| waiter.cost_at(id.index)).sum();
            self.book.reading(at(self.now), id).expect("it is there");
            let tiers = self.book.limiters[id.index].tiers.windows().enumerate();
            for (number, tier) in tiers {
                let held = tier.in_flight() + tier.closing();
                let taken = self.naive.taken(self.now, window, number, None);
                assert_eq!(held, taken + offered, "window {window} at {}", self.now);
            }
        }
    }

    /// Nobody of the rest goes before one who goes first and wants the same, unless the rest hold nothing.
    fn check_lanes(&self) {
        let now = self.now;
        let just = |call: &Call| matches!(call.stage, Stage::Admitted { at } | Stage::Departed { at, .. } if at == now);
        for &number in self.waited.iter().rev() {
            let call = &self.calls[number];
            if !just(call) {
                break;
            }
            let [(window, cost)] = call.plan.wants[..] else {
                continue;
            };
            let overtaken = self.waiting().any(|other| {
                let other = &self.calls[other];
                let earlier = matches!(other.stage, Stage::Waits { since, .. } if since < now);
                earlier && other.plan.lane == Lane::First && other.plan.wants_one_thing(window)
            });
            // One that wants several goes by its ticket, and may have come to go since this one was offered its place.
            let since = |call: &Call| matches!(call.stage, Stage::Admitted { at } | Stage::Departed { at, .. } | Stage::Over { admitted: Some(at), .. } if at + 50 >= now);
            let others = self.calls.iter().any(|other| {
                let here = other.plan.wants.iter().any(|want| want.0 == window);
                other.plan.wants.len() > 1 && here && other.plan.lane == Lane::Rest && since(other)
            });
            if call.plan.lane == Lane::First || !overtaken || others {
                continue;
            }
            for tier in 0..self.naive.windows[window].tiers.len() {
                let held = self.naive.taken(now, window, tier, Some(Lane::Rest));
                assert_eq!(
                    held, cost,
                    "the rest go before all, and hold something at {now}"
                );
            }
        }
    }

    /// Works out how long whoever has come, or has aged, may wait.
    ///
    /// Let D be the longest time for which a place stays taken. Within D after all who are older are gone, there is room
    /// for the oldest of those who wait where it stands. Each time it is passed over it comes to the front of another one of
    /// its windows, so it has aged after as many times D as it has windows, and has its places another D later. Those who
    /// are older take as long, one after the other.
    fn note_who_has_aged(&mut self) {
        let longest = self.calls.iter().map(|call| {
            let held = self.naive.windows.iter().flat_map(|window| &window.tiers);
            let held = held.map(|(quota, _)| {
                let held = quota
                    .after_abandonment()
                    .max(quota.after_departure().unwrap_or_default());
                u64::try_from(held.as_millis()).expect("short")
            });
            call.plan.lingers + call.plan.latency + held.max().unwrap_or(0)
        });
        let longest = longest.max().unwrap_or(0);
        let mut older = 0;
        for number in self.waiting().collect::<Vec<_>>() {
            let call = &mut self.calls[number];
            let turns = call.plan.wants.len() as u64 + 1;
            if let Stage::Waits {
                ticket,
                aged,
                bounds,
                ..
            } = &mut call.stage
            {
                let is_aged = self.book.waiters[ticket].is_aged();
                if bounds[0] == u64::MAX {
                    bounds[0] = longest * (older + turns);
                }
                if is_aged && aged.is_none() {
                    *aged = Some(self.now);
                    bounds[1] = longest * (older + 1);
                }
            }
            older += turns;
        }
    }

    pub(super) fn admissions(&self) -> Vec<Option<u64>> {
        let admitted = |call: &Call| match call.stage {
            Stage::Admitted { at } | Stage::Departed { at, .. } => Some(at),
            Stage::Over { admitted, .. } => admitted,
            _ => None,
        };
        self.calls.iter().map(admitted).collect()
    }

    /// Nobody who waited was admitted before another one who waited longer for the same thing in the same lane. Within
    /// one millisecond they come as they are polled.
    pub(super) fn assert_in_order(&self) {
        let admissions = self.admissions();
        for lane in [Lane::First, Lane::Rest] {
            for window in 0..self.ids.len() {
                let mut waited = self.waited.clone();
                waited.retain(|&call| {
                    let plan = &self.calls[call].plan;
                    plan.lane == lane && plan.wants_one_thing(window)
                });
                waited.sort_unstable();
                let times: Vec<_> = waited.iter().map(|&call| admissions[call]).collect();
                assert!(times.is_sorted(), "{times:?}");
            }
        }
    }

    /// Everybody awake was admitted, told that it never will be, or has gone; and no trace is left of any.
    pub(super) fn assert_all_served(&mut self) {
        for (number, call) in self.calls.iter().enumerate() {
            let plan = &call.plan;
            let gone = plan.cancelled.is_some() || plan.patience.is_some() || plan.sleeps;
            let over = |stage: &Stage| matches!(stage, Stage::Over { admitted, refused } if admitted.is_some() || *refused);
            assert!(
                over(&call.stage) || gone,
                "{number}: {:?} {:?}",
                call.stage,
                self.book.waiters
            );
        }
        let asleep = |window: usize| {
            let waits = |call: &&Call| {
                matches!(call.stage, Stage::Waits { .. })
                    && call.plan.wants.iter().any(|want| want.0 == window)
            };
            self.calls.iter().filter(waits).count()
        };
        // Whoever is driven has looked, and has gone if nobody waits.
        let nobody_waits = self.book.waiters.len() == 0;
        let alive = self
            .drivers
            .iter()
            .filter(|one| self.is_driven(one.runtime));
        assert!(!nobody_waits || alive.count() == 0, "{:?}", self.drivers);
        assert_eq!(self.book.drivers.len(), self.drivers.len());
        for window in 0..self.ids.len() {
            let limiter = &self.book.limiters[self.ids[window].index];
            assert_eq!(limiter.members(), asleep(window));
        }
    }
}
