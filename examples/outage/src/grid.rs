//! All runs: every policy under every load, at every rate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fastrand::Rng;
use parking_lot::Mutex;
use serde::Serialize;
use tower::BoxError;

use crate::figures::Figures;
use crate::load::{LOADS, Load};
use crate::log::Log;
use crate::policy::POLICIES;
use crate::run::Run;

/// Requests that arrive each second.
pub const RATES: [u32; 5] = [1, 3, 10, 100, 1000];

/// What came of one run, as it stands in the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The policy's name.
    pub policy: &'static str,
    /// The load's name.
    pub load: &'static str,
    /// Requests that arrive each second.
    pub rps: u32,
    /// Of the requests that count: all of them, or those that arrive in the outage.
    #[serde(flatten)]
    pub figures: Figures,
    /// Of all requests, for the table alone.
    #[serde(skip)]
    pub whole_run: Figures,
}

impl Row {
    fn new(run: &Run, log: &Log) -> Option<Self> {
        let counted = log
            .calls()
            .iter()
            .filter(|call| run.load.counts(call.arrived));
        Some(Self {
            policy: run.policy.name,
            load: run.load.name,
            rps: run.rps,
            figures: Figures::of(counted)?,
            whole_run: Figures::of(log.calls())?,
        })
    }
}

/// How many runs there are at `rates`.
#[must_use]
pub fn size(rates: &[u32]) -> usize {
    LOADS.len() * POLICIES.len() * rates.len()
}

/// Makes all runs at `rates`, on as many threads as the machine has for it, and calls `done` after each.
///
/// The rows are in the order of loads, rates and policies. Runs that differ in the policy alone meet the same randomness.
///
/// # Errors
///
/// The first error of a run.
pub fn rows(rates: &[u32], seed: u64, done: impl Fn() + Sync) -> Result<Vec<Row>, BoxError> {
    let runs = runs(rates, seed);
    // The long ones first, so that no thread is left alone with one.
    let mut order: Vec<_> = (0..runs.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(runs[index].0.rps));
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    let work = || {
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some(&index) = order.get(turn) else {
                return;
            };
            let (run, seed) = &runs[index];
            let row = row(run, *seed);
            if row.is_err() {
                // Nobody begins another.
                next.store(runs.len(), Ordering::Relaxed);
            }
            outcomes.lock().push((index, row));
            done();
        }
    };
    let threads = thread::available_parallelism().map_or(1, Into::into);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut outcomes = outcomes.into_inner();
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, row)| row).collect()
}

fn row(run: &Run, seed: u64) -> Result<Row, BoxError> {
    let place = |error: BoxError| {
        let (policy, load, rps) = (run.policy, run.load.name, run.rps);
        format!("{policy:?}, {load}, {rps} a second: {error}")
    };
    let log = run.log(seed).map_err(place)?;
    Row::new(run, &log).ok_or_else(|| place("no request came".into()).into())
}

/// All runs, each with its seed.
fn runs(rates: &[u32], seed: u64) -> Vec<(Run, u64)> {
    let mut runs = Vec::with_capacity(size(rates));
    for load in LOADS {
        for &rps in rates {
            runs.extend(cell(load, rps, seed));
        }
    }
    runs
}

/// The runs of one load and rate, a policy each, with the seed that they have in common.
///
/// It depends on nothing but these three: the picture shows the very run that the table has figures of.
pub(crate) fn cell(load: Load, rps: u32, seed: u64) -> impl Iterator<Item = (Run, u64)> {
    let mut rng = Rng::with_seed(seed);
    let (of_load, of_rate) = (rng.u64(..), rng.u64(..));
    let index = LOADS
        .iter()
        .position(|other| *other == load)
        .unwrap_or(LOADS.len());
    let seed = of_load.rotate_left(index as u32) ^ of_rate.wrapping_mul(u64::from(rps));
    POLICIES
        .iter()
        .map(move |&policy| (Run { policy, load, rps }, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_count_every_run() {
        let done = AtomicUsize::new(0);
        let rows = rows(&[1, 3], 7, || {
            done.fetch_add(1, Ordering::Relaxed);
        })
        .expect("all runs");
        assert_eq!((rows.len(), done.into_inner()), (48, 48));
        let names: Vec<_> = rows
            .iter()
            .map(|row| (row.load, row.rps, row.policy))
            .collect();
        let expected: Vec<_> = runs(&[1, 3], 7)
            .iter()
            .map(|(run, _)| (run.load.name, run.rps, run.policy.name))
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn policies_share_a_seed_and_nothing_else_does() {
        let runs = runs(&RATES, 7);
        let mut seeds: Vec<_> = runs.iter().map(|(_, seed)| *seed).collect();
        seeds.dedup();
        assert_eq!(seeds.len(), LOADS.len() * RATES.len());
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), LOADS.len() * RATES.len());
        let alone: Vec<_> = cell(LOADS[2], 100, 7).map(|(_, seed)| seed).collect();
        let among = runs
            .iter()
            .filter(|(run, _)| (run.load, run.rps) == (LOADS[2], 100));
        assert_eq!(alone, among.map(|(_, seed)| *seed).collect::<Vec<_>>());
    }

    #[test]
    fn the_json_has_the_names_that_programs_read_and_no_other() {
        let figures = |p99_ms| Figures {
            attempts_per_request: 1.25,
            success_rate: 0.5,
            p99_ms,
        };
        let row = Row {
            policy: "tollgate",
            load: "outage",
            rps: 1,
            figures: figures(80),
            whole_run: figures(90),
        };
        assert_eq!(
            serde_json::to_value(row).expect("plain data"),
            serde_json::json!({
                "policy": "tollgate",
                "load": "outage",
                "rps": 1,
                "attempts_per_request": 1.25,
                "success_rate": 0.5,
                "p99_ms": 80,
            })
        );
    }
}
