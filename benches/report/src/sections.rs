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
    /// Whether the report of `callers` belongs here.
    pub(crate) callers: bool,
}

/// In the order of the page.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        bench: "limiter",
        what: "Limiters: a decision, and what a layer adds to a service that does nothing.",
        goals: goals::LIMITER,
        groups: groups::LIMITER,
        waiters: true,
        callers: false,
    },
    Section {
        bench: "retry",
        what: "Layers that retry, where nothing needs a retry; and their budgets.",
        goals: goals::RETRY,
        groups: groups::RETRY,
        waiters: false,
        callers: false,
    },
    Section {
        bench: "credentials",
        what: "Layers that put a credential on each request; and what a layer that notes the one context adds by itself. From run to run these times vary by a fifth, and what is added by more: a goal that is met or missed by less is neither.",
        goals: goals::CREDENTIALS,
        groups: groups::CREDENTIALS,
        waiters: false,
        callers: true,
    },
];
