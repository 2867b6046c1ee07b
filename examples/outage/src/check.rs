//! What the project's own retry layer is to reach, held against the rows.

use crate::grid::Row;

/// The policy that is checked.
const CHECKED: &str = "tollgate";

/// What a cell must reach.
struct Goal {
    load: &'static str,
    rps: u32,
    most_attempts: f64,
    least_success: f64,
}

/// In an outage no success is asked for, and the fewer attempts the more requests there are; where single attempts fail,
/// nearly all requests succeed for hardly more attempts than it takes. Where no connection comes about the same holds, but dials
/// are cheaper: enough of them are made to mend what a restart breaks.
const GOALS: [Goal; 9] = [
    outage(3, 1.10),
    outage(10, 1.03),
    outage(100, 1.03),
    outage(1000, 1.03),
    Goal {
        load: "fail_10",
        rps: 100,
        most_attempts: 1.15,
        least_success: 0.995,
    },
    no_connection(3, 1.45),
    no_connection(100, 1.03),
    no_connection(1000, 1.03),
    Goal {
        load: "restarts",
        rps: 100,
        most_attempts: 1.02,
        least_success: 0.9925,
    },
];

const fn outage(rps: u32, most_attempts: f64) -> Goal {
    nothing_to_mend("outage", rps, most_attempts)
}

const fn no_connection(rps: u32, most_attempts: f64) -> Goal {
    nothing_to_mend("no_connection", rps, most_attempts)
}

const fn nothing_to_mend(load: &'static str, rps: u32, most_attempts: f64) -> Goal {
    Goal {
        load,
        rps,
        most_attempts,
        least_success: 0.0,
    }
}

/// What `rows` show that should not be, or do not show: an empty list where all goals are reached.
#[must_use]
pub fn failures(rows: &[Row]) -> Vec<String> {
    let mut failures = Vec::new();
    for goal in GOALS {
        let place = format!("{CHECKED}, {}, {} a second", goal.load, goal.rps);
        let row = rows
            .iter()
            .find(|row| (row.policy, row.load, row.rps) == (CHECKED, goal.load, goal.rps));
        let Some(Row { figures, .. }) = row else {
            failures.push(format!("{place}: was not run"));
            continue;
        };
        let (attempts, success) = (figures.attempts_per_request, figures.success_rate);
        if attempts > goal.most_attempts {
            let most = goal.most_attempts;
            failures.push(format!(
                "{place}: {attempts:.4} attempts a request, more than {most}"
            ));
        }
        if success < goal.least_success {
            let least = goal.least_success;
            failures.push(format!(
                "{place}: {success:.4} succeeded, less than {least}"
            ));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;

    fn row(policy: &'static str, goal: &Goal) -> Row {
        let figures = Figures {
            attempts_per_request: goal.most_attempts,
            success_rate: goal.least_success,
            p99_ms: 100,
        };
        Row {
            policy,
            load: goal.load,
            rps: goal.rps,
            figures,
            whole_run: figures,
        }
    }

    fn rows() -> Vec<Row> {
        GOALS.iter().map(|goal| row(CHECKED, goal)).collect()
    }

    #[test]
    fn figures_at_the_goals_pass_whatever_the_others_do() {
        let mut rows = rows();
        let mut storm = row("reqwest_retry", &GOALS[0]);
        storm.figures.attempts_per_request = 4.0;
        rows.push(storm);
        assert!(failures(&rows).is_empty());
    }

    #[test]
    fn each_goal_that_is_missed_fails() {
        for index in 0..GOALS.len() {
            let mut missed = rows();
            missed[index].figures.attempts_per_request += 0.001;
            let failures = failures(&missed);
            assert_eq!(failures.len(), 1);
            assert!(
                failures[0].contains("attempts a request, more than"),
                "{failures:?}"
            );
        }
        let mut missed = rows();
        missed[4].figures.success_rate -= 0.001;
        assert_eq!(
            failures(&missed),
            ["tollgate, fail_10, 100 a second: 0.9940 succeeded, less than 0.995"]
        );
    }

    #[test]
    fn a_goal_that_was_not_run_fails() {
        assert_eq!(
            failures(&rows()[1..]),
            ["tollgate, outage, 3 a second: was not run"]
        );
        assert_eq!(failures(&[]).len(), GOALS.len());
    }
}
