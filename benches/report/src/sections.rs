//! One section of the page for each bench, as data.

use crate::goals::{self, Goal};
use crate::groups::{self, Group};

/// A bench's section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) bench: &'static str,
    /// What it compares.
    pub(crate) what: &'static str,
    pub(crate) goals: &'static [Goal],
    pub(crate) groups: &'static [Group],
    /// Whether the report of `waiters` belongs here.
    pub(crate) waiters: bool,
}

/// In the order of the page.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        bench: "limiter",
        what: "Limiters: a decision, and what a layer adds to a service that does nothing.",
        goals: goals::LIMITER,
        groups: groups::LIMITER,
        waiters: true,
    },
    Section {
        bench: "retry",
        what: "Layers that retry, where nothing needs a retry; and their budgets.",
        goals: goals::RETRY,
        groups: groups::RETRY,
        waiters: false,
    },
];
