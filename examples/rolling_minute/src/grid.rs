//! All runs: every limiter at every server, latency and load.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use serde::Serialize;
use tower::BoxError;

use crate::arrivals::Arrivals;
use crate::latency::LATENCIES;
use crate::limiter::LIMITERS;
use crate::load::LOADS;
use crate::run::Run;
use crate::server::{MINUTE, SERVERS};

/// What came of one run, as it stands in the JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The limiter's name.
    pub limiter: &'static str,
    /// The server's name.
    pub server: &'static str,
    /// The latency's name.
    pub latency: &'static str,
    /// The load's name.
    pub load: &'static str,
    /// Rejected requests an hour, from the first on.
    pub status_429_per_hour: f64,
    /// Accepted requests an hour, from the second minute on: the first hundred go at once, and would flatter a short run.
    pub accepted_per_hour: f64,
    /// The most requests that the server saw in any 60 s, accepted or not.
    pub peak: usize,
}

impl Row {
    fn new(run: &Run, arrivals: &Arrivals, time: Duration) -> Self {
        let per_hour = |count: usize, time: Duration| {
            let exact = count as f64 * 3600.0 / time.as_secs_f64();
            (exact * 100.0).round() / 100.0
        };
        Self {
            limiter: run.limiter.name,
            server: run.server.name,
            latency: run.latency.name,
            load: run.load.name(),
            status_429_per_hour: per_hour(arrivals.rejected(), time),
            accepted_per_hour: per_hour(arrivals.accepted_from(MINUTE), time - MINUTE),
            peak: arrivals.peak(),
        }
    }
}

/// How many runs there are.
#[must_use]
pub fn size() -> usize {
    SERVERS.len() * LATENCIES.len() * LOADS.len() * LIMITERS.len()
}

/// Makes all runs, each over `time`, on as many threads as the machine has for it, and calls `done` after each.
///
/// The rows are in the order of servers, latencies, loads and limiters. Runs that differ in the limiter alone meet the same
/// randomness.
///
/// # Errors
///
/// The first error of a run.
///
/// # Panics
///
/// If `time` is no longer than a minute.
pub fn rows(time: Duration, seed: u64, done: impl Fn() + Sync) -> Result<Vec<Row>, BoxError> {
    assert!(
        time > MINUTE,
        "what is accepted is measured from the second minute on"
    );
    let runs = runs(seed);
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((run, seed)) = runs.get(index) else {
                return;
            };
            let row = run
                .over(time, *seed)
                .map(|arrivals| Row::new(run, &arrivals, time));
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

/// All runs, each with a seed of its own.
fn runs(seed: u64) -> Vec<(Run, u64)> {
    let mut rng = Rng::with_seed(seed);
    let mut runs = Vec::with_capacity(size());
    for server in SERVERS {
        for latency in LATENCIES {
            for load in LOADS {
                let seed = rng.u64(..);
                runs.extend(LIMITERS.iter().map(|&limiter| {
                    let run = Run {
                        limiter,
                        server,
                        latency,
                        load,
                    };
                    (run, seed)
                }));
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_count_every_run() {
        let done = AtomicUsize::new(0);
        let rows = rows(Duration::from_secs(90), 7, || {
            done.fetch_add(1, Ordering::Relaxed);
        })
        .expect("all runs");
        assert_eq!((rows.len(), done.into_inner()), (size(), size()));
        let names: Vec<_> = rows
            .iter()
            .map(|row| (row.server, row.latency, row.load, row.limiter))
            .collect();
        let expected: Vec<_> = runs(7)
            .iter()
            .map(|(run, _)| {
                let (server, latency) = (run.server.name, run.latency.name);
                (server, latency, run.load.name(), run.limiter.name)
            })
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn the_json_has_the_names_that_programs_read() {
        let row = Row {
            limiter: "tollgate",
            server: "rolling",
            latency: "ms_80",
            load: "steady",
            status_429_per_hour: 0.5,
            accepted_per_hour: 5979.0,
            peak: 100,
        };
        assert_eq!(
            serde_json::to_value(row).expect("plain data"),
            serde_json::json!({
                "limiter": "tollgate",
                "server": "rolling",
                "latency": "ms_80",
                "load": "steady",
                "status_429_per_hour": 0.5,
                "accepted_per_hour": 5979.0,
                "peak": 100,
            })
        );
    }
}
