//! Whether somebody waits for what is free.

use super::World;
use super::calls::Stage;
use super::plan::Plan;
use crate::lane::Lane;

impl World {
    /// The numbers of those who wait awake, in order of their tickets.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
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
    pub(super) fn is_idle(&self, window: usize) -> bool {
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
            let cost = plan.by_window()[&window];
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
}
