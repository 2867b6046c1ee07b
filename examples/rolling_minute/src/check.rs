//! What the project's own limiter promises, held against the rows.

use crate::grid::Row;
use crate::server::{EXACT, SERVERS};

/// The limiter that is checked.
const CHECKED: &str = "tollgate";

/// Of the 6000 an hour that the limit allows: what must be accepted in a steady load, at the exact rolling server and 80 ms.
const LEAST_ACCEPTED: f64 = 0.995 * 6000.0;

/// What `rows` show that should not be: an empty list where the promise is kept.
#[must_use]
pub fn failures(rows: &[Row]) -> Vec<String> {
    let exact: Vec<_> = SERVERS[..EXACT].iter().map(|server| server.name).collect();
    let mut failures = Vec::new();
    let mut fast_enough = false;
    for row in rows.iter().filter(|row| row.limiter == CHECKED) {
        let Row {
            server,
            latency,
            load,
            status_429_per_hour: throttled,
            accepted_per_hour: accepted,
            ..
        } = row;
        let place = format!("{CHECKED} at {server}, {latency}, {load}");
        if exact.contains(server) && *throttled > 0.0 {
            failures.push(format!("{place}: {throttled} 429s an hour, not 0"));
        }
        if (*server, *latency, *load) == ("rolling", "ms_80", "steady") {
            fast_enough = *accepted >= LEAST_ACCEPTED;
            if !fast_enough {
                failures.push(format!(
                    "{place}: {accepted} accepted an hour, fewer than {LEAST_ACCEPTED}"
                ));
            }
        }
    }
    if failures.is_empty() && !fast_enough {
        failures.push(format!("{CHECKED} was not run where it is checked"));
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(limiter: &'static str, server: &'static str, throttled: f64, accepted: f64) -> Row {
        Row {
            limiter,
            server,
            latency: "ms_80",
            load: "steady",
            status_429_per_hour: throttled,
            accepted_per_hour: accepted,
            peak: 100,
        }
    }

    #[test]
    fn clean_and_fast_enough_passes() {
        let rows = [
            row("tollgate", "rolling", 0.0, 5970.0),
            row("tollgate", "gcra", 0.0, 100.0),
            // Not what the rolling minute promises, nor by whom.
            row("tollgate", "sliding_counter", 900.0, 5000.0),
            row("governor", "rolling", 100.0, 5900.0),
        ];
        assert!(failures(&rows).is_empty());
    }

    #[test]
    fn one_429_or_a_lack_of_speed_or_of_rows_fails() {
        for (rows, text) in [
            (
                vec![
                    row("tollgate", "rolling", 0.0, 6000.0),
                    row("tollgate", "fixed_minute", 0.04, 6000.0),
                ],
                "tollgate at fixed_minute, ms_80, steady: 0.04 429s an hour",
            ),
            (
                vec![row("tollgate", "rolling", 0.0, 5969.9)],
                "5969.9 accepted an hour, fewer than 5970",
            ),
            (vec![], "was not run"),
        ] {
            let failures = failures(&rows);
            assert_eq!(failures.len(), 1);
            assert!(failures[0].contains(text), "{failures:?}");
        }
    }
}
