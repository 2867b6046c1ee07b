//! One run: a policy, a load, and a rate of requests.

use fastrand::Rng;
use http::Request;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tower::{BoxError, ServiceExt};

use crate::arrivals::arrivals;
use crate::load::Load;
use crate::log::Log;
use crate::policy::{Client, Policy};
use crate::server::Server;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The policy.
    pub policy: Policy,
    /// How the server fails.
    pub load: Load,
    /// Requests that arrive each second.
    pub rps: u32,
}

impl Run {
    /// Lets the run's time pass, virtually, waits for the requests that are still under way, and says what became of all.
    ///
    /// The same `seed` gives the same run; and all policies meet the same arrivals, and the same luck in the same attempt.
    ///
    /// # Errors
    ///
    /// If no runtime can be had, or if a call panics.
    pub fn log(&self, seed: u64) -> Result<Log, BoxError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let mut rng = Rng::with_seed(seed);
        runtime.block_on(async {
            let server = Server::start(self.load, rng.u64(..));
            let client = self.policy.around(server.clone(), rng.u64(..));
            let start = Instant::now();
            let mut calls = JoinSet::new();
            for at in arrivals(self.rps, rng) {
                sleep_until(start + at).await;
                while let Some(ended) = calls.try_join_next() {
                    ended?;
                }
                calls.spawn(call(client.clone(), server.clone()));
            }
            while let Some(ended) = calls.join_next().await {
                ended?;
            }
            Ok(server.finish())
        })
    }
}

/// One request, from its arrival to its outcome.
async fn call(client: Client, server: Server) {
    let id = server.arrive();
    let mut request = Request::new(());
    request.extensions_mut().insert(id);
    let outcome = client.oneshot(request).await;
    server.end(id, outcome.is_ok_and(|status| status.is_success()));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::{LOADS, OUTAGE};
    use crate::policy::POLICIES;

    fn log(policy: &str, load: Load, rps: u32, seed: u64) -> Log {
        let policy = POLICIES.iter().find(|known| known.name == policy);
        let policy = *policy.expect("a policy of that name");
        let run = Run { policy, load, rps };
        run.log(seed).expect("a run")
    }

    fn most_attempts(log: &Log) -> Option<u32> {
        log.calls().iter().map(|call| call.attempts).max()
    }

    #[test]
    fn the_same_seed_gives_the_same_run_and_another_seed_another() {
        for policy in POLICIES {
            let logs = [7, 7, 8].map(|seed| log(policy.name, LOADS[3], 10, seed));
            assert!(logs[0] == logs[1], "{policy:?}");
            assert!(logs[0] != logs[2], "{policy:?}");
        }
    }

    #[test]
    fn every_request_has_an_outcome_and_no_more_attempts_than_its_policy_allows() {
        for (policy, most) in [
            ("tollgate", 3),
            ("tower", 3),
            ("reqwest_retry", 4),
            ("none", 1),
        ] {
            let log = log(policy, LOADS[0], 3, 7);
            assert_eq!(log.calls().len(), 3 * 180, "{policy}");
            assert_eq!(most_attempts(&log), Some(most), "{policy}");
            for call in log.calls() {
                assert!(
                    call.attempts > 0 && !call.took.is_zero(),
                    "{policy}: {call:?}"
                );
            }
        }
    }

    #[test]
    fn without_retries_exactly_the_requests_of_the_outage_fail() {
        for call in log("none", LOADS[0], 10, 7).calls() {
            assert_eq!(call.succeeded, !OUTAGE.contains(&call.arrived), "{call:?}");
        }
    }

    #[test]
    fn pauses_pass_in_virtual_time() {
        // In an outage without end, reqwest-retry pauses 1 + 2 + 4 s times a random number each: 3.5 s on average.
        let log = log("reqwest_retry", LOADS[0], 10, 7);
        let hopeless = Duration::from_secs(60)..Duration::from_secs(110);
        let took: Vec<_> = log
            .calls()
            .iter()
            .filter(|call| hopeless.contains(&call.arrived))
            .map(|call| call.took.as_secs_f64())
            .collect();
        let mean = took.iter().sum::<f64>() / took.len() as f64;
        assert!((3.3..3.7).contains(&mean), "{mean}");
        assert!(took.iter().all(|took| *took < 7.1));
    }
}
