//! What a number of requests come to.

use std::time::Duration;

use serde::Serialize;

use crate::log::Call;

/// Statistics of some requests, as they stand in the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How often a request was sent, on average.
    pub attempts_per_request: f64,
    /// The share of the requests that succeeded, 0 to 1.
    pub success_rate: f64,
    /// The 99th percentile of how long a request took until its outcome, good or bad, in milliseconds.
    pub p99_ms: u64,
}

impl Figures {
    /// The figures of `calls`; `None` where there are none.
    pub fn of<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Option<Self> {
        let (mut attempts, mut successes, mut took) = (0_u64, 0_u64, Vec::new());
        for call in calls {
            attempts += u64::from(call.attempts);
            successes += u64::from(call.succeeded);
            took.push(call.took);
        }
        let requests = took.len() as f64;
        Some(Self {
            attempts_per_request: attempts as f64 / requests,
            success_rate: successes as f64 / requests,
            p99_ms: p99(&mut took)?.as_millis().try_into().unwrap_or(u64::MAX),
        })
    }
}

/// The smallest value that 99 % of all do not exceed (the nearest rank).
fn p99(values: &mut [Duration]) -> Option<Duration> {
    let rank = (values.len() * 99).div_ceil(100);
    let index = rank.checked_sub(1)?;
    let (_, value, _) = values.select_nth_unstable(index);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(attempts: u32, succeeded: bool, millis: u64) -> Call {
        Call {
            arrived: Duration::ZERO,
            attempts,
            succeeded,
            took: Duration::from_millis(millis),
        }
    }

    #[test]
    fn the_99th_percentile_is_the_nearest_rank() {
        for (count, expected) in [(1, 1), (2, 2), (99, 99), (100, 99), (101, 100), (1000, 990)] {
            // Backwards, so that nothing rests on their order.
            let mut values: Vec<_> = (1..=count).rev().map(Duration::from_millis).collect();
            let p99 = p99(&mut values).expect("some values");
            assert_eq!(p99, Duration::from_millis(expected), "of {count}");
        }
        assert_eq!(p99(&mut []), None);
    }

    #[test]
    fn attempts_and_successes_are_averages_over_the_requests() {
        let calls = [
            call(1, true, 10),
            call(3, false, 300),
            call(2, true, 80),
            call(1, true, 20),
        ];
        assert_eq!(
            Figures::of(&calls),
            Some(Figures {
                attempts_per_request: 1.75,
                success_rate: 0.75,
                p99_ms: 300,
            })
        );
        assert_eq!(Figures::of(&[]), None);
    }
}
