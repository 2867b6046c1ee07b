//! What is to be reached, as data: a bench that comes later adds a list of its own.

use crate::callers::Callers;
use crate::measured::Measured;
use crate::waiting::Waiting;

/// A group of criterion's and one of its functions.
pub(crate) type Case = (&'static str, &'static str);

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) quantity: Quantity,
    /// The goal is met up to here, and here.
    pub(crate) at_most: f64,
}

/// What a goal is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quantity {
    /// The time of one case over that of another.
    Time { of: Case, to: Case },
    /// What one case adds to what it stands on, over what another one adds to what that stands on.
    Added { of: Added, to: Added },
    /// The CPU time that a waiter costs, over that of another limiter.
    Cpu { of: &'static str, to: &'static str },
    /// How often a waiter is polled.
    Polls { of: &'static str },
    /// How many token requests the callers on an empty slot cause, in the worst round.
    TokenRequests,
    /// How long after the token the last of these callers has its answer, in milliseconds.
    LastCaller,
}

/// The reports of the benches that are not criterion's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reports<'a> {
    pub(crate) waiting: Option<&'a Waiting>,
    pub(crate) callers: Option<&'a Callers>,
}

/// A case, and the same without what is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) case: Case,
    pub(crate) bare: Case,
}

/// Of the limiters, in the order of the page.
pub(crate) const LIMITER: &[Goal] = &[
    time(("pair", "tollgate"), ("admit", "governor"), 2.0),
    time(("reject", "tollgate"), ("reject", "governor"), 1.2),
    time(("layer", "tollgate"), ("layer", "tower_resilience"), 0.65),
    time(("layer", "tollgate"), ("layer", "throttle_net"), 0.35),
    time(
        ("tasks", "tollgate"),
        ("tasks", "tower_buffer_rate_limit"),
        0.3,
    ),
    Goal {
        quantity: Quantity::Cpu {
            of: "tollgate",
            to: "tower_buffer_rate_limit",
        },
        at_most: 0.9,
    },
    Goal {
        quantity: Quantity::Polls { of: "tollgate" },
        at_most: 3.0,
    },
];

/// Of the layers that retry, in the order of the page.
pub(crate) const RETRY: &[Goal] = &[
    time(
        ("get_empty", "tollgate"),
        ("get_empty", "tower_retry_clone"),
        1.15,
    ),
    time(
        ("post_1k", "tollgate"),
        ("post_1k", "tower_retry_clone"),
        1.15,
    ),
    time(
        ("get_empty", "tollgate_off"),
        ("get_empty", "tower_retry_no_clone"),
        1.1,
    ),
    time(
        ("post_1k", "tollgate_off"),
        ("post_1k", "tower_retry_no_clone"),
        1.1,
    ),
    added_over_the_client("get_empty", 0.7),
    added_over_the_client("post_1k", 0.7),
    time(("budget", "tollgate"), ("budget", "tower_tps"), 0.25),
    time(
        ("budget_2_threads", "tollgate"),
        ("budget_2_threads", "tower_tps"),
        0.25,
    ),
];

/// Of what puts a credential on, in the order of the page.
pub(crate) const CREDENTIALS: &[Goal] = &[
    added_over("static_key", "attach_only", "add_authorization", 1.6),
    added_over("fresh_token", "attach_only", "add_authorization", 1.6),
    added_over("static_key", "tollgate", "lock_and_format", 0.35),
    added_over("fresh_token", "tollgate", "lock_and_format", 0.35),
    time(("soft_window", "soft"), ("soft_window", "fresh"), 1.1),
    Goal {
        quantity: Quantity::TokenRequests,
        at_most: 1.0,
    },
    Goal {
        quantity: Quantity::LastCaller,
        at_most: 3.0,
    },
];

/// Both stand on the `bare` of their group.
const fn added_over(group: &'static str, of: &'static str, to: &'static str, at_most: f64) -> Goal {
    let bare = (group, "bare");
    let of = Added {
        case: (group, of),
        bare,
    };
    let to = Added {
        case: (group, to),
        bare,
    };
    Goal {
        quantity: Quantity::Added { of, to },
        at_most,
    }
}

const fn added_over_the_client(group: &'static str, at_most: f64) -> Goal {
    let of = Added {
        case: (group, "tollgate"),
        bare: (group, "bare"),
    };
    let to = Added {
        case: (group, "reqwest_retry"),
        bare: (group, "reqwest_bare"),
    };
    Goal {
        quantity: Quantity::Added { of, to },
        at_most,
    }
}

const fn time(of: Case, to: Case, at_most: f64) -> Goal {
    Goal {
        quantity: Quantity::Time { of, to },
        at_most,
    }
}

/// What became of a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Met(f64),
    Missed(f64),
    NotMeasured,
}

impl Goal {
    pub(crate) fn judge(&self, measured: &Measured, reports: Reports<'_>) -> Verdict {
        match self.quantity.value(measured, reports) {
            None => Verdict::NotMeasured,
            Some(value) if value <= self.at_most => Verdict::Met(value),
            Some(value) => Verdict::Missed(value),
        }
    }
}

impl Quantity {
    fn value(&self, measured: &Measured, reports: Reports<'_>) -> Option<f64> {
        let ns = |case: Case| measured.figure(case.0, case.1).map(|figure| figure.ns);
        let wait = |limiter: &str| reports.waiting?.limiter(limiter);
        Some(match *self {
            Self::Time { of, to } => ns(of)? / ns(to)?,
            Self::Added { of, to } => {
                // What takes less than nothing was disturbed while it was measured: that says nothing of anybody.
                let added =
                    |Added { case, bare }| Some(ns(case)? - ns(bare)?).filter(|ns| *ns > 0.0);
                added(of)? / added(to)?
            }
            Self::Cpu { of, to } => wait(of)?.cpu_us_per_grant / wait(to)?.cpu_us_per_grant,
            Self::Polls { of } => wait(of)?.polls_per_grant,
            Self::TokenRequests => f64::from(reports.callers?.token_requests),
            Self::LastCaller => reports.callers?.last_caller_late_ms,
        })
    }

    /// What it is, in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Time { of, to } => format!("`{}/{}` ÷ `{}/{}`", of.0, of.1, to.0, to.1),
            Self::Added { of, to } => {
                let added = |Added { case, bare }: &Added| {
                    format!("(`{}/{}` − `{}/{}`)", case.0, case.1, bare.0, bare.1)
                };
                format!("{} ÷ {}", added(of), added(to))
            }
            Self::Cpu { of, to } => format!("CPU a waiter, `{of}` ÷ `{to}`"),
            Self::Polls { of } => format!("polls a waiter, `{of}`"),
            Self::TokenRequests => "token requests, callers on an empty slot".to_owned(),
            Self::LastCaller => "last of these callers, ms after the token".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        [
            ("g", "ours", 60.0),
            ("g", "peer", 100.0),
            ("g", "bare", 20.0),
            ("h", "peer", 150.0),
            ("h", "bare", 50.0),
        ]
        .into_iter()
        .collect()
    }

    fn judge(quantity: Quantity, at_most: f64) -> Verdict {
        Goal { quantity, at_most }.judge(&measured(), Reports::default())
    }

    #[test]
    fn a_goal_is_met_up_to_its_figure_and_there() {
        let quantity = Quantity::Time {
            of: ("g", "ours"),
            to: ("g", "peer"),
        };
        assert_eq!(judge(quantity, 0.6), Verdict::Met(0.6));
        assert_eq!(judge(quantity, 0.59), Verdict::Missed(0.6));
    }

    fn added(group: &'static str, function: &'static str) -> Added {
        Added {
            case: (group, function),
            bare: (group, "bare"),
        }
    }

    #[test]
    fn what_each_stands_on_is_taken_off() {
        let of = added("g", "ours");
        let to = added("g", "peer");
        assert_eq!(judge(Quantity::Added { of, to }, 1.0), Verdict::Met(0.5));
        let to = added("h", "peer");
        assert_eq!(judge(Quantity::Added { of, to }, 0.3), Verdict::Missed(0.4));
    }

    #[test]
    fn what_adds_less_than_nothing_is_no_measurement() {
        let nonsense = Added {
            case: ("g", "bare"),
            bare: ("g", "ours"),
        };
        let sense = added("g", "peer");
        for (of, to) in [(nonsense, sense), (sense, nonsense)] {
            assert_eq!(judge(Quantity::Added { of, to }, 1.0), Verdict::NotMeasured);
        }
    }

    #[test]
    fn what_is_added_is_described_as_two_differences() {
        let of = added("g", "ours");
        let to = added("h", "peer");
        assert_eq!(
            Quantity::Added { of, to }.describe(),
            "(`g/ours` − `g/bare`) ÷ (`h/peer` − `h/bare`)"
        );
    }

    #[test]
    fn the_callers_are_judged_by_their_own_report() {
        let callers = Callers {
            callers: 1000,
            rounds: 21,
            token_requests: 2,
            last_caller_late_ms: 2.5,
        };
        let reports = Reports {
            callers: Some(&callers),
            ..Reports::default()
        };
        let judge = |quantity, at_most| Goal { quantity, at_most }.judge(&measured(), reports);
        assert_eq!(judge(Quantity::TokenRequests, 1.0), Verdict::Missed(2.0));
        assert_eq!(judge(Quantity::LastCaller, 3.0), Verdict::Met(2.5));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        for quantity in [
            Quantity::Time {
                of: ("g", "ours"),
                to: ("g", "nobody"),
            },
            Quantity::Polls { of: "ours" },
            Quantity::TokenRequests,
            Quantity::LastCaller,
        ] {
            assert_eq!(judge(quantity, 1.0), Verdict::NotMeasured);
        }
    }
}
