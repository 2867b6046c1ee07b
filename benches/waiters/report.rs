//! The costs of all limiters, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::crowd::{Cost, Crowd};

/// What one limiter cost in each round.
pub(crate) struct Row {
    name: &'static str,
    costs: Vec<Cost>,
}

/// Adds a round's cost to the limiter's row.
pub(crate) fn note(rows: &mut Vec<Row>, name: &'static str, cost: Cost) {
    match rows.iter_mut().find(|row| row.name == name) {
        Some(row) => row.costs.push(cost),
        None => rows.push(Row {
            name,
            costs: vec![cost],
        }),
    }
}

impl Row {
    fn median(&self, of: impl Fn(&Cost) -> f64) -> f64 {
        let mut values: Vec<f64> = self.costs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    fn granted(&self) -> usize {
        self.costs
            .iter()
            .map(|cost| cost.granted)
            .min()
            .unwrap_or(0)
    }
}

pub(crate) fn table(crowd: &Crowd, rows: &[Row]) -> String {
    let mut table = format!(
        "{} waiters, {} let through every {:?}\n\n{:26}{:>12}{:>10}{:>14}{:>10}\n",
        crowd.waiters,
        crowd.pace.limit,
        crowd.pace.window,
        "",
        "µs a grant",
        "polls",
        "out of order",
        "granted"
    );
    for row in rows {
        writeln!(
            table,
            "{:26}{:>12.2}{:>10.2}{:>13.1}%{:>10}",
            row.name,
            row.median(|cost| cost.micros_a_grant),
            row.median(|cost| cost.polls_a_grant),
            row.median(|cost| cost.out_of_order) * 100.0,
            row.granted(),
        )
        .expect("a string takes everything");
    }
    table
}

pub(crate) fn json(crowd: &Crowd, rows: &[Row]) -> String {
    let limiters: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "limiter": row.name,
                "cpu_us_per_grant": row.median(|cost| cost.micros_a_grant),
                "polls_per_grant": row.median(|cost| cost.polls_a_grant),
                "out_of_order": row.median(|cost| cost.out_of_order),
                "granted": row.granted(),
                "rounds": row.costs.len(),
            })
        })
        .collect();
    let report = json!({
        "waiters": crowd.waiters,
        "limit": crowd.pace.limit,
        "window_ms": u64::try_from(crowd.pace.window.as_millis()).unwrap_or(u64::MAX),
        "limiters": limiters,
    });
    format!("{report:#}")
}
