//! How long a round trip takes.

use std::f64::consts::TAU;
use std::time::Duration;

use fastrand::Rng;

/// A lognormal distribution of round trips, as people measure one: by its median and its 99th percentile.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Its name in the JSON.
    pub name: &'static str,
    /// Half of all round trips are shorter.
    pub median: Duration,
    /// One in a hundred is longer.
    pub p99: Duration,
}

/// All profiles.
pub const LATENCIES: [Latency; 3] = [
    Latency {
        name: "lan",
        median: Duration::from_millis(1),
        p99: Duration::from_millis(5),
    },
    Latency {
        name: "ms_80",
        median: Duration::from_millis(80),
        p99: Duration::from_millis(1_500),
    },
    Latency {
        name: "ms_400",
        median: Duration::from_millis(400),
        p99: Duration::from_millis(8_000),
    },
];

/// No round trip takes longer: what lognormal tails hold beyond, clients do not wait for.
pub const LONGEST: Duration = Duration::from_secs(60);

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

impl Latency {
    /// Draws one round trip.
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        let sigma = (self.p99.as_secs_f64() / self.median.as_secs_f64()).ln() / Z99;
        let seconds = self.median.as_secs_f64() * (sigma * normal(rng)).exp();
        Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64()))
    }
}

/// One draw of the standard normal distribution, after Box and Muller.
fn normal(rng: &mut Rng) -> f64 {
    // Never 0, whose logarithm there is none of.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (TAU * rng.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_99th_percentile_are_those_of_the_profile() {
        const DRAWS: usize = 200_000;
        for latency in LATENCIES {
            let mut rng = Rng::with_seed(7);
            let mut draws: Vec<_> = (0..DRAWS).map(|_| latency.draw(&mut rng)).collect();
            draws.sort_unstable();
            for (share, stated) in [(0.50, latency.median), (0.99, latency.p99)] {
                let drawn = draws[(DRAWS as f64 * share) as usize].as_secs_f64();
                let off = (drawn / stated.as_secs_f64() - 1.0).abs();
                assert!(off < 0.03, "{} at {share}: {drawn}", latency.name);
            }
        }
    }

    #[test]
    fn no_round_trip_outlasts_the_longest() {
        let slow = Latency {
            name: "slow",
            median: Duration::from_secs(50),
            p99: Duration::from_secs(500),
        };
        let mut rng = Rng::with_seed(7);
        let longest = (0..100).map(|_| slow.draw(&mut rng)).max();
        assert_eq!(longest, Some(LONGEST));
    }
}
