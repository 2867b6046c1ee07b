//! What requests will do, and what happens to the windows.

use std::collections::BTreeMap;

use super::super::desk::at;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Ending;

/// What one request will do.
#[derive(Clone, Debug)]
pub(in crate::book::tests) struct Plan {
    pub(in crate::book::tests) arrives: u64,
    /// By rule: a window, and what it costs there. Several may be about the same one.
    pub(in crate::book::tests) wants: Vec<(usize, u32)>,
    pub(in crate::book::tests) lane: Lane,
    /// Whether it is never polled again once it waits.
    pub(in crate::book::tests) sleeps: bool,
    /// How long it takes from admission to departure.
    pub(in crate::book::tests) lingers: u64,
    pub(in crate::book::tests) latency: u64,
    pub(in crate::book::tests) ending: Ending,
    /// What it turns out to cost by each rule of which that is said, if it is answered.
    pub(in crate::book::tests) costs: Vec<Option<u32>>,
    /// When its caller drops it, if it still waits.
    pub(in crate::book::tests) cancelled: Option<u64>,
    /// Whether it looks whenever anything happens, for no reason, as one of several futures in a task does.
    pub(in crate::book::tests) restless: bool,
    /// For how many milliseconds it waits at most.
    pub(in crate::book::tests) patience: Option<u64>,
    /// On which runtime it is polled.
    pub(in crate::book::tests) runtime: u64,
}

impl Plan {
    pub(in crate::book::tests) fn at(arrives: u64) -> Self {
        Self {
            arrives,
            wants: vec![(0, 1)],
            lane: Lane::Rest,
            sleeps: false,
            lingers: 0,
            latency: 0,
            ending: Ending::Answered,
            costs: Vec::new(),
            cancelled: None,
            restless: false,
            patience: None,
            runtime: 0,
        }
    }

    pub(in crate::book::tests) fn asleep(self) -> Self {
        Self {
            sleeps: true,
            ..self
        }
    }

    pub(super) fn until(&self) -> Moment {
        let patience = self.patience;
        patience.map_or(Moment::NEVER, |patience| at(self.arrives + patience))
    }

    pub(super) fn wants_one_thing(&self, window: usize) -> bool {
        self.wants.iter().all(|want| want.0 == window)
    }

    /// The windows that it wants something of, and what it costs there by all rules together.
    pub(super) fn by_window(&self) -> BTreeMap<usize, u32> {
        let mut costs = BTreeMap::new();
        for &(window, cost) in &self.wants {
            *costs.entry(window).or_default() += cost;
        }
        costs
    }
}

/// What the program, or the server, does to a window.
#[derive(Clone, Copy, Debug)]
pub(in crate::book::tests) enum Change {
    /// Changes the limit of its first tier.
    Limit(u32),
    Pause,
    Resume,
    /// Asks for silence for so many milliseconds.
    Throttled(u64),
}
